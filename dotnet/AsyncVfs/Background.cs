namespace AsyncVfs;

/// <summary>Work that blocks, on a thread of its own: threads of the pool may all be waiting for it.</summary>
internal static class Background
{
    internal static void Start(Action work) => new Thread(() => work()) { IsBackground = true, Name = "AsyncVfs flush" }.Start();

    /// <summary>Completes with the work, or is cancelled: the work goes on then.</summary>
    internal static Task Run(Action work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled(cancellationToken);
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        CancellationTokenRegistration cancel = cancellationToken.Register(() => done.TrySetCanceled(cancellationToken));
        Start(() =>
        {
            try
            {
                work();
                done.TrySetResult(true);
            }
            catch (Exception e)
            {
                if (!done.TrySetException(e)) return;
                _ = done.Task.Exception;   // nobody need wait for it
            }
            finally
            {
                cancel.Dispose();
            }
        });
        return done.Task;
    }
}
