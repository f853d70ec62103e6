using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>What had been committed to a database when the ticket was taken, as something to wait for.</summary>
/// <remarks>It holds no connection: that may be closed, or be back in its pool, before the ticket is durable.
/// Waiting blocks no thread.</remarks>
public sealed class DurabilityTicket
{
    // As asyncvfs_wait: failures in a row before a waiter is told.
    private const int Patience = 4;

    private static readonly ConcurrentDictionary<Wait, byte> waits = new();

    // Continuations never run on asyncvfs' thread.
    private readonly TaskCompletionSource durable = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string path;
    private readonly long value;

    private DurabilityTicket(string path, long value)
    {
        this.path = path;
        this.value = value;
    }

    /// <summary>The ticket of a database whose commits are durable by SQLite's own rules.</summary>
    internal static DurabilityTicket Durable { get; } = MakeDurable();

    /// <summary>Whether it is durable already: it survives a power cut that the disk survives.</summary>
    public bool IsDurable => durable.Task.IsCompletedSuccessfully;

    /// <summary>Completes when what the ticket stands for is durable, and has it written at once.</summary>
    /// <param name="cancellationToken">Ends the wait, and nothing else.</param>
    /// <exception cref="AsyncVfsException">The disk has refused several times in a row: the commits stay in memory,
    /// readable, and are tried again; do not repeat them. Or the database was closed without them: they are lost.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public Task WhenDurable(CancellationToken cancellationToken = default) =>
        durable.Task.IsCompleted || cancellationToken.IsCancellationRequested
            ? durable.Task.WaitAsync(cancellationToken)
            : WaitAsync(cancellationToken);

    internal static unsafe DurabilityTicket Take(SafeHandle connection, string database)
    {
        int rc = Native.Ticket(connection, database, out long value);
        if (rc != ResultCode.Ok)
        {
            throw new AsyncVfsException(rc,
                $"The database {database} of this connection is not open through asyncvfs: open it with Vfs=asyncvfs, or as AsyncVfsOptions.ToConnectionString says.");
        }
        if (value == 0) return Durable;
        var ticket = new DurabilityTicket(SqliteModule.PathOf(connection, database), value);
        // Owned by the callback, which comes exactly once.
        GCHandle handle = GCHandle.Alloc(ticket);
        rc = Native.OnDurable(connection, database, &OnDurable, GCHandle.ToIntPtr(handle));
        if (rc != ResultCode.Ok)
        {
            handle.Free();
            AsyncVfsLibrary.Check(rc, "No ticket could be taken");
        }
        return ticket;
    }

    /// <summary>A batch of some database has failed.</summary>
    internal static void Refused(AsyncVfsErrorEventArgs error)
    {
        foreach (Wait wait in waits.Keys)
        {
            if (wait.Path == error.Path) wait.Refuse(error);
        }
    }

    private static DurabilityTicket MakeDurable()
    {
        var ticket = new DurabilityTicket("", 0);
        ticket.durable.SetResult();
        return ticket;
    }

    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        var wait = new Wait(path);
        waits.TryAdd(wait, 0);
        try
        {
            // Returns at once; makes the next batch due now.
            _ = Native.Wait(value, 0);
            Task first = await Task.WhenAny(durable.Task, wait.Refused).WaitAsync(cancellationToken).ConfigureAwait(false);
            await first.ConfigureAwait(false);
        }
        finally
        {
            waits.TryRemove(wait, out _);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnDurable(nint arg, long value, int rc)
    {
        // Nothing may leave this method: below it is C.
        try
        {
            GCHandle handle = GCHandle.FromIntPtr(arg);
            var ticket = (DurabilityTicket)handle.Target!;
            handle.Free();
            ticket.Complete(rc);
        }
        catch (Exception e)
        {
            Trace.TraceError($"asyncvfs: a ticket could not be completed: {e}");
        }
    }

    private void Complete(int rc)
    {
        if (rc == ResultCode.Ok)
        {
            durable.TrySetResult();
            return;
        }
        durable.TrySetException(new AsyncVfsException(rc, $"{path} was closed without its last commits, which are lost: {ResultCode.Describe(rc)}."));
        _ = durable.Task.Exception;   // nobody need wait for it
    }

    /// <summary>A call of <see cref="WhenDurable"/> that is under way.</summary>
    private sealed class Wait(string path)
    {
        private readonly TaskCompletionSource refused = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int failures;

        public string Path => path;

        public Task Refused => refused.Task;

        public void Refuse(AsyncVfsErrorEventArgs error)
        {
            if (Interlocked.Increment(ref failures) < Patience) return;
            refused.TrySetException(new AsyncVfsException(error.SqliteErrorCode,
                $"The disk refuses what was committed: {error.Message}. It stays in memory and is tried again; do not repeat it."));
            _ = refused.Task.Exception;
        }
    }
}
