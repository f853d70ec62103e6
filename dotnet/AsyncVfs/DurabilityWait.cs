using System.Collections.Concurrent;

namespace AsyncVfs;

/// <summary>One wait for one or several tickets, as a task.</summary>
/// <remarks>The thread that makes the last ticket durable completes the task itself, and only continuations go to the
/// pool: so a pool whose threads all block for such tasks goes on.</remarks>
internal sealed class DurabilityWait
{
    // As asyncvfs_wait: failures in a row before a waiter is told.
    private const int Patience = 4;

    private static readonly ConcurrentDictionary<DurabilityWait, byte> all = new();

    private readonly TaskCompletionSource<bool> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IReadOnlyList<DurabilityTicket> tickets;
    private int missing, failures;
    private CancellationTokenRegistration cancel;

    private DurabilityWait(IReadOnlyList<DurabilityTicket> tickets)
    {
        this.tickets = tickets;
        missing = tickets.Count + 1;
    }

    internal static Task For(IReadOnlyList<DurabilityTicket> tickets, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled(cancellationToken);
        var wait = new DurabilityWait(tickets);
        all.TryAdd(wait, 0);
        foreach (DurabilityTicket ticket in tickets) ticket.Join(wait);
        if (cancellationToken.CanBeCanceled && !wait.done.Task.IsCompleted)
        {
            wait.cancel = cancellationToken.Register(() => wait.End(() => wait.done.TrySetCanceled(cancellationToken)));
            if (wait.done.Task.IsCompleted) wait.cancel.Dispose();
        }
        wait.Arrive(null);   // the one more: so that nothing ends it before
        return wait.done.Task;
    }

    /// <summary>A batch of some database has failed.</summary>
    internal static void Refused(AsyncVfsErrorEventArgs error)
    {
        foreach (DurabilityWait wait in all.Keys)
        {
            if (wait.tickets.Any(t => t.DatabasePath == error.Path)) wait.Refuse(error);
        }
    }

    /// <summary>One ticket is durable, or never will be.</summary>
    internal void Arrive(AsyncVfsException? failure)
    {
        if (failure is not null) End(() => done.TrySetException(failure));
        if (Interlocked.Decrement(ref missing) == 0) End(() => done.TrySetResult(true));
    }

    private void Refuse(AsyncVfsErrorEventArgs error)
    {
        if (Interlocked.Increment(ref failures) < Patience) return;
        End(() => done.TrySetException(DurabilityTicket.Refusal(error.SqliteErrorCode, error.Message)));
    }

    private void End(Func<bool> complete)
    {
        if (!complete()) return;
        if (done.Task.IsFaulted) _ = done.Task.Exception;   // nobody need look at it
        all.TryRemove(this, out _);
        cancel.Dispose();
        foreach (DurabilityTicket ticket in tickets) ticket.Leave(this);
    }
}
