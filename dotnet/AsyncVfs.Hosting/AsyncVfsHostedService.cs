using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AsyncVfs;

/// <summary>Flushes after all other services have stopped: what they wrote last is on the disk, too.</summary>
/// <remarks>With a time of its own: another service may have used up what the host allows. A host that is disposed of
/// without a stop has it done then.</remarks>
internal sealed partial class AsyncVfsHostedService(ILogger<AsyncVfsHostedService> logger, AsyncVfsHostingOptions options)
    : IHostedLifecycleService, IDisposable
{
    // The source generator for log messages wants a field.
    private readonly ILogger logger = logger;
    private bool listening;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        if (listening) return Task.CompletedTask;
        AsyncVfsLibrary.Error += OnError;
        AsyncVfsLibrary.PassedThrough += OnPassedThrough;
        listening = true;
        foreach (AsyncVfsPassedThroughEventArgs passed in AsyncVfsLibrary.GetPassedThroughDatabases()) OnPassedThrough(null, passed);
        return Task.CompletedTask;
    }

    // The token is that of the host, whose time may be up.
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (!listening) return;
        try
        {
            await AsyncVfsLibrary.FlushAllAsync(options.FlushTimeout, CancellationToken.None).ConfigureAwait(false);
            LogFlushed();
        }
        catch (AsyncVfsException e)
        {
            LogNotFlushed(e);
        }
        finally
        {
            StopListening();
        }
    }

    public void Dispose()
    {
        if (!listening) return;
        try
        {
            AsyncVfsLibrary.FlushAll(options.FlushTimeout);
        }
        catch (AsyncVfsException e)
        {
            LogNotFlushed(e);
        }
        finally
        {
            StopListening();
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void StopListening()
    {
        AsyncVfsLibrary.Error -= OnError;
        AsyncVfsLibrary.PassedThrough -= OnPassedThrough;
        listening = false;
    }

    private void OnError(object? sender, AsyncVfsErrorEventArgs error)
    {
        if (error.LostCommits > 0) LogLost(error.Path, error.LostCommits, error.Message);
        else LogRefused(error.Path, error.WaitingCommits, error.Message);
    }

    private void OnPassedThrough(object? sender, AsyncVfsPassedThroughEventArgs passed) => LogPassedThrough(passed.Path, passed.Reason);

    [LoggerMessage(1, LogLevel.Warning, "{Waiting} commits of {Path} wait for the disk: {Reason}")]
    private partial void LogRefused(string path, long waiting, string reason);

    [LoggerMessage(2, LogLevel.Critical, "{Lost} commits of {Path} are lost: {Reason}")]
    private partial void LogLost(string path, long lost, string reason);

    [LoggerMessage(3, LogLevel.Error, "At the stop of the host, not all that was committed is on the disk")]
    private partial void LogNotFlushed(Exception e);

    [LoggerMessage(4, LogLevel.Warning, "{Path} is passed through to SQLite's own VFS, and its commits wait for the disk: {Reason}")]
    private partial void LogPassedThrough(string path, string reason);

    [LoggerMessage(5, LogLevel.Debug, "At the stop of the host, all that was committed is on the disk")]
    private partial void LogFlushed();
}
