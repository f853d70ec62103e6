using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Configuration;
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

    [Fact]
    public async Task The_flush_has_a_time_of_its_own()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        using var log = new Lines();
        using IHost host = Build(s =>
        {
            s.AddLogging(b => b.SetMinimumLevel(LogLevel.Debug).AddProvider(log));
            s.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromMilliseconds(50));
            s.AddSingleton<IHostedService>(new SlowWriter(db));
        });
        await host.StartAsync(TestContext.Current.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.StopAsync(TestContext.Current.CancellationToken));
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((2, 2), (status.Commits, status.DurableCommits));
        Assert.Equal(1, log.Count("all that was committed is on the disk"));
    }

    [Fact]
    public async Task A_host_that_is_disposed_of_without_a_stop_flushes()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        using (IHost host = Build(_ => { }))
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
            Database.Execute(db, "CREATE TABLE t(x)");
        }
        Assert.Equal(1, db.GetAsyncVfsStatus()!.DurableCommits);
    }

    [Fact]
    public void Options_come_from_the_configuration()
    {
        using var t = new Database();
        try
        {
            HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["AsyncVfs:Defaults:MaxLag"] = "00:00:00.077",
                ["AsyncVfs:Defaults:OnFull"] = "busy",
                ["AsyncVfs:MaxProcessQueueBytes"] = "33554432",
                ["AsyncVfs:FlushTimeout"] = "00:00:07",
            });
            builder.Services.AddAsyncVfs(builder.Configuration.GetSection("AsyncVfs"));
            using SqliteConnection db = t.Open();
            AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
            Assert.Equal((77, 32 << 20), (status.MaxLag.TotalMilliseconds, status.MaxProcessQueueBytes));
            Assert.Equal("busy", Database.Scalar<string>(db, "PRAGMA asyncvfs_on_full"));
            using IHost host = builder.Build();
            Assert.Equal(7, host.Services.GetRequiredService<AsyncVfsHostingOptions>().FlushTimeout.TotalSeconds);
            builder.Configuration["AsyncVfs:Defaults:MaxLag"] = "soon";
            Assert.Contains("MaxLag", Assert.Throws<InvalidOperationException>(() => builder.Services.AddAsyncVfs(builder.Configuration.GetSection("AsyncVfs"))).Message);
        }
        finally
        {
            new ServiceCollection().AddAsyncVfs(o =>
            {
                o.Defaults = new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(100), OnFull = QueueFullBehavior.Wait };
                o.MaxProcessQueueBytes = 256 << 20;
            });
        }
    }

    [Fact]
    public async Task Health_lists_attached_databases_too()
    {
        using Database a = new(Database.Lazy), b = new(Database.Lazy);
        using SqliteConnection db = Database.Connect(a.ConnectionString + ";Pooling=False");
        Database.Attach(db, b);
        Database.Execute(db, "CREATE TABLE other.t(x)");
        using IHost host = Build(_ => { });
        Assert.StartsWith("1 commits, ", (string)(await CheckHealth(host)).Entries["asyncvfs"].Data[b.Path]);
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

    /// <summary>Writes, and then takes all the time that the host allows.</summary>
    private sealed class SlowWriter(SqliteConnection db) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            Database.Execute(db, "INSERT INTO t VALUES('last')");
            return Task.Delay(Timeout.Infinite, cancellationToken);
        }
    }

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
