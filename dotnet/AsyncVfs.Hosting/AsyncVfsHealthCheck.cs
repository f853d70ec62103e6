using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace AsyncVfs;

/// <summary>Looks at the status of each open database.</summary>
internal sealed class AsyncVfsHealthCheck : IHealthCheck
{
    // While a disk refuses, a batch is tried at least every second: an older error is over.
    private static readonly TimeSpan errorIsRecent = TimeSpan.FromSeconds(5);
    private const double NearlyFull = 0.8;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var data = new Dictionary<string, object>();
        var complaints = new List<(HealthStatus Status, string Text)>();
        foreach (string path in AsyncVfsLibrary.GetOpenDatabases())
        {
            if (AsyncVfsLibrary.GetStatus(path) is not { IsPassedThrough: false } status) continue;
            data[path] = $"{status.Commits - status.DurableCommits} commits, {status.QueueBytes} bytes in the queue";
            if (Complaint(path, status, context.Registration.FailureStatus) is { } complaint) complaints.Add(complaint);
        }
        foreach (AsyncVfsPassedThroughEventArgs passed in AsyncVfsLibrary.GetPassedThroughDatabases())
        {
            data[passed.Path] = $"passed through: {passed.Reason}";
            complaints.Add((HealthStatus.Degraded, $"{passed.Path} is passed through to SQLite's own VFS: {passed.Reason}"));
        }
        return Task.FromResult(complaints.Count == 0
            ? HealthCheckResult.Healthy(null, data)
            : new HealthCheckResult(complaints.Min(static c => c.Status), string.Join("; ", complaints.Select(static c => c.Text)), null, data));
    }

    internal static (HealthStatus Status, string Text)? Complaint(string path, AsyncVfsStatus status, HealthStatus failure)
    {
        if (status.DurableCommits < status.Commits && status.LastError is { } error && error.Age < errorIsRecent)
        {
            return (failure, $"The disk of {path} refuses to write: {error.Text}");
        }
        if (status.QueueBytes > NearlyFull * status.MaxQueueBytes && status.MaxQueueBytes > 0)
        {
            return (HealthStatus.Degraded, $"The queue of {path} is nearly full: {status.QueueBytes} of {status.MaxQueueBytes} bytes");
        }
        return null;
    }
}
