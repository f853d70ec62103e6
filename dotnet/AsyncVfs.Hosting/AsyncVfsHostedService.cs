using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AsyncVfs;

/// <summary>Flushes after all other services have stopped: what they wrote last is on the disk, too.</summary>
internal sealed partial class AsyncVfsHostedService(ILogger<AsyncVfsHostedService> logger) : IHostedLifecycleService
{
    // The source generator for log messages wants a field.
    private readonly ILogger logger = logger;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        AsyncVfsLibrary.Error += OnError;
        return Task.CompletedTask;
    }

    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await AsyncVfsLibrary.FlushAllAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (AsyncVfsException e)
        {
            LogNotFlushed(e);
        }
        finally
        {
            AsyncVfsLibrary.Error -= OnError;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void OnError(object? sender, AsyncVfsErrorEventArgs error)
    {
        if (error.LostCommits > 0) LogLost(error.Path, error.LostCommits, error.Message);
        else LogRefused(error.Path, error.WaitingCommits, error.Message);
    }

    [LoggerMessage(1, LogLevel.Warning, "{Waiting} commits of {Path} wait for the disk: {Reason}")]
    private partial void LogRefused(string path, long waiting, string reason);

    [LoggerMessage(2, LogLevel.Critical, "{Lost} commits of {Path} are lost: {Reason}")]
    private partial void LogLost(string path, long lost, string reason);

    [LoggerMessage(3, LogLevel.Error, "At the stop of the host, not all that was committed is on the disk")]
    private partial void LogNotFlushed(Exception e);
}
