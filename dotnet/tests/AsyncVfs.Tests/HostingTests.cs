using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AsyncVfs.Tests;

[Trait("provider", "any")]
public class HostingTests
{
    [Fact]
    public async Task Stopping_the_host_flushes_what_its_services_wrote_last()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        using IHost host = Build(s => s.AddSingleton<IHostedService>(new LateWriter(db)));
        await host.StartAsync(TestContext.Current.CancellationToken);
        await host.StopAsync(TestContext.Current.CancellationToken);
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((2, 2), (status.Commits, status.DurableCommits));
    }

    [Fact]
    public async Task Health_lists_the_open_databases()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        using IHost host = Build(_ => { });
        HealthReport report = await CheckHealth(host);
        Assert.Equal(HealthStatus.Healthy, report.Status);
        Assert.StartsWith("1 commits, ", (string)report.Entries["asyncvfs"].Data[t.Path]);
    }

    [Theory, Trait("platform", "any")]
    [InlineData(2, 1, 10, 1, null)]
    [InlineData(2, 1, 90, 1, HealthStatus.Degraded)]
    [InlineData(2, 2, 10, 1, null, 13)]        // the error is of a batch that was written since
    [InlineData(2, 1, 10, 60_000, null, 13)]   // so is this one: it would have been repeated
    [InlineData(2, 1, 10, 4_000, HealthStatus.Unhealthy, 13)]
    [InlineData(2, 1, 90, 4_000, HealthStatus.Unhealthy, 13)]
    public void A_status_is_judged(int commits, int durable, int queue, int ageMs, HealthStatus? expected, int error = 0)
    {
        AsyncVfsStatus status = AsyncVfsStatus.Parse(
            $$"""{"mode":"managed","commits":{{commits}},"durable_commits":{{durable}},"queue_bytes":{{queue}},"max_queue_bytes":100,"last_error":{"code":{{error}},"age_ms":{{ageMs}},"text":"full"} }""");
        Assert.Equal(expected, AsyncVfsHealthCheck.Complaint("a.db", status, HealthStatus.Unhealthy)?.Status);
    }

    internal static IHost Build(Action<IServiceCollection> more)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddAsyncVfs().AddAsyncVfs();   // again is fine
        builder.Services.AddHealthChecks().AddAsyncVfs();
        more(builder.Services);
        return builder.Build();
    }

    internal static Task<HealthReport> CheckHealth(IHost host) =>
        host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken);

    private sealed class LateWriter(SqliteConnection db) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            Database.Execute(db, "INSERT INTO t VALUES('last')");
            return Task.CompletedTask;
        }
    }
}
