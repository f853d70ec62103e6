using System.Diagnostics;
using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>What had been committed to a database when the ticket was taken, as something to wait for.</summary>
/// <remarks>It holds no connection: that may be closed, or be back in its pool, before the ticket is durable.
/// Awaiting it blocks no thread, and it completes without a thread of the pool. For a database that is passed
/// through (<see cref="IsPassedThrough"/>) the wait has its files flushed.</remarks>
public sealed class DurabilityTicket
{
    private static readonly Native.DurableCallback onDurable = OnDurable;

    private readonly object guard = new();
    private readonly long value;
    private List<DurabilityWait>? waits;   // guarded, as are these:
    private bool durable, flushing;
    private AsyncVfsException? loss;

    private DurabilityTicket(string path, long value, bool passed)
    {
        DatabasePath = path;
        this.value = value;
        IsPassedThrough = passed;
    }

    /// <summary>The ticket of a database whose commits are durable, or never will be: one in memory.</summary>
    internal static DurabilityTicket Durable { get; } = new("", 0, false) { durable = true };

    /// <summary>Whether SQLite's own VFS serves the database: how durable its commits are PRAGMA synchronous says,
    /// until a wait for the ticket has flushed its files.</summary>
    public bool IsPassedThrough { get; }

    /// <summary>Whether it is durable already: it survives a power cut that the disk survives.</summary>
    public bool IsDurable
    {
        get
        {
            lock (guard)
            {
                if (durable || loss is not null || IsPassedThrough) return durable;
            }
            if (Native.IsDurable(value)) Complete(null);
            lock (guard) return durable;
        }
    }

    internal string DatabasePath { get; }

    /// <summary>Completes when what the ticket stands for is durable, and has it written at once.</summary>
    /// <param name="cancellationToken">Ends the wait, and nothing else.</param>
    /// <exception cref="AsyncVfsException">The disk has refused several times in a row: the commits stay in memory,
    /// readable, and are tried again; do not repeat them. Or the database was closed without them: they are lost.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public Task WhenDurable(CancellationToken cancellationToken = default) => DurabilityWait.For([this], cancellationToken);

    /// <summary>Returns when what the ticket stands for is durable, and has it written at once: for callers that are
    /// not asynchronous.</summary>
    /// <param name="timeout">How long; null: until it is durable or the disk has refused several times in a row.</param>
    /// <returns>False: the time is up.</returns>
    /// <exception cref="AsyncVfsException">As for <see cref="WhenDurable"/>.</exception>
    public bool Wait(TimeSpan? timeout = null)
    {
        int ms = Native.Milliseconds(timeout);
        lock (guard)
        {
            if (durable) return true;
            if (loss is not null) throw loss;
        }
        int rc = value == 0 ? ResultCode.Ok : Native.Wait(value, ms);
        if (rc == ResultCode.Busy) return false;
        if (rc != ResultCode.Ok) throw Refusal(rc, ResultCode.Describe(rc));
        if (IsPassedThrough) PassedFile.Flush(DatabasePath);
        Complete(null);
        return true;
    }

    internal static DurabilityTicket Take(nint db, string database)
    {
        int rc = Native.Mode(db, database, out string? reason);
        string path = SqliteModule.PathOf(db, database);
        // Of a database without a file nothing can be durable, and none is expected.
        if (rc == ResultCode.NotFound && path.Length == 0 && SqliteModule.Exists(db, database)) return Durable;
        long value = 0;
        if (rc == ResultCode.Ok) rc = Native.Ticket(db, database, out value);
        if (rc != ResultCode.Ok)
        {
            throw new AsyncVfsException(rc,
                $"The database {database} of this connection is not open through asyncvfs: open it with Vfs=asyncvfs, or as AsyncVfsOptions.ToConnectionString says.");
        }
        var ticket = new DurabilityTicket(path, value, reason is not null);
        if (ticket.IsPassedThrough) return ticket;
        if (value == 0 || Native.IsDurable(value))
        {
            ticket.durable = true;
            return ticket;
        }
        // Owned by the callback, which comes exactly once.
        GCHandle handle = GCHandle.Alloc(ticket);
        rc = Native.OnDurable(db, database, onDurable, GCHandle.ToIntPtr(handle));
        if (rc != ResultCode.Ok)
        {
            handle.Free();
            AsyncVfsLibrary.Check(rc, "No ticket could be taken");
        }
        return ticket;
    }

    internal static AsyncVfsException Refusal(int rc, string what) =>
        new(rc, $"The disk refuses what was committed: {what}. It stays in memory and is tried again; do not repeat it.");

    /// <summary>Has the wait hear when it is durable, which may be at once, and has it written.</summary>
    internal void Join(DurabilityWait wait)
    {
        bool flush = false;
        lock (guard)
        {
            if (!durable && loss is null)
            {
                (waits ??= []).Add(wait);
                flush = IsPassedThrough && !flushing;
                flushing |= IsPassedThrough;
                wait = null!;
            }
        }
        if (wait is not null) wait.Arrive(loss);
        else if (flush) Background.Start(FlushFiles);
        // Returns at once; makes the next batch due now.
        else if (!IsPassedThrough && Native.Wait(value, 0) == ResultCode.Ok) Complete(null);
    }

    internal void Leave(DurabilityWait wait)
    {
        lock (guard) waits?.Remove(wait);
    }

    private void FlushFiles()
    {
        try
        {
            if (!Wait()) throw Refusal(ResultCode.Busy, ResultCode.Describe(ResultCode.Busy));
        }
        catch (AsyncVfsException e)
        {
            Fail(e);
        }
    }

    // Nothing may leave this method: below it is C.
    private static void OnDurable(nint arg, long value, int rc)
    {
        try
        {
            GCHandle handle = GCHandle.FromIntPtr(arg);
            var ticket = (DurabilityTicket)handle.Target!;
            handle.Free();
            ticket.Complete(rc == ResultCode.Ok ? null : new AsyncVfsException(rc,
                $"{ticket.DatabasePath} was closed without its last commits, which are lost: {ResultCode.Describe(rc)}."));
        }
        catch (Exception e)
        {
            Trace.TraceError($"asyncvfs: a ticket could not be completed: {e}");
        }
    }

    private void Complete(AsyncVfsException? lost)
    {
        List<DurabilityWait>? arrived;
        lock (guard)
        {
            if (durable || loss is not null) return;
            durable = lost is null;
            loss = lost;
            arrived = waits;
            waits = null;
        }
        foreach (DurabilityWait wait in arrived ?? []) wait.Arrive(lost);
    }

    /// <summary>A flush of files failed: those who wait are told, and the next wait tries again.</summary>
    private void Fail(AsyncVfsException failure)
    {
        List<DurabilityWait>? arrived;
        lock (guard)
        {
            flushing = false;
            arrived = waits;
            waits = null;
        }
        foreach (DurabilityWait wait in arrived ?? []) wait.Arrive(failure);
    }
}
