using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AsyncVfs.Tests;

/// <summary>A database that asyncvfs passes through is seen to be so, and what is promised of it is kept by SQLite's
/// means. By psow=0, which passes one through whatever its journal mode is.</summary>
[Trait("provider", "any")]
public class PassedThroughTests
{
    [Fact]
    public async Task A_flush_flushes_the_files()
    {
        using var t = new Database();
        using SqliteConnection db = t.OpenPassed();
        Database.Execute(db, "PRAGMA journal_mode=wal; PRAGMA synchronous=off; CREATE TABLE t(x)");
        DurabilityTicket ticket = db.GetDurabilityTicket();
        Assert.True(ticket.IsPassedThrough);
        Assert.False(ticket.IsDurable);
        using (var flushed = new FlushLog())
        {
            await db.FlushAsync(TestContext.Current.CancellationToken);
            flushed.AssertHas(t.Path, t.Path + "-wal");
        }
        using (SqliteTransaction transaction = db.BeginTransaction())
        {
            Database.Execute(db, "INSERT INTO t VALUES(1)");
            using var flushed = new FlushLog();
            await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
            flushed.AssertHas(t.Path, t.Path + "-wal");
        }
        using (var flushed = new FlushLog())
        {
            // In a transaction, and behind a reader: where a checkpoint cannot be made.
            using SqliteTransaction transaction = db.BeginTransaction();
            db.Flush();
            AsyncVfsLibrary.FlushAll();
            await ticket.WhenDurable(TestContext.Current.CancellationToken);
            flushed.AssertHas(t.Path, t.Path + "-wal");
        }
        Assert.True(ticket.IsDurable);
        Assert.True(ticket.Wait());
    }

    [Fact]
    public async Task What_cannot_be_flushed_says_why_not()
    {
        using var t = new Database();
        using (SqliteConnection db = t.OpenPassed()) Database.Execute(db, "CREATE TABLE t(x)");
        SqliteConnection.ClearAllPools();
        // Open for nobody else.
        using SqliteConnection alone = Database.Connect($"Data Source=\"{new AsyncVfsOptions().ToDataSource(t.Path)}&exclusive=1\"");
        Database.Execute(alone, "INSERT INTO t VALUES(1)");
        AsyncVfsException e = await Assert.ThrowsAsync<AsyncVfsException>(() => alone.FlushAsync(TestContext.Current.CancellationToken));
        Assert.Contains("cannot be flushed", e.Message);
        Assert.IsAssignableFrom<System.Data.Common.DbException>(e);
    }

    [Fact]
    public void Disk_durability_is_synchronous_FULL()
    {
        using var t = new Database();
        using SqliteConnection db = t.OpenPassed();
        Database.Execute(db, "PRAGMA journal_mode=wal; PRAGMA synchronous=normal; CREATE TABLE t(x)");
        db.SetDurability(Durability.Disk);
        Assert.Equal(2, Database.Scalar<int>(db, "PRAGMA synchronous"));
        using (var flushed = new FlushLog())
        {
            Database.Execute(db, "INSERT INTO t VALUES(1)");
            flushed.AssertHas(t.Path + "-wal");
        }
        db.SetDurability(Durability.Memory);
        Assert.Equal(1, Database.Scalar<int>(db, "PRAGMA synchronous"));
        using SqliteTransaction transaction = db.BeginTransaction();
        Assert.Contains("within a transaction", Assert.Throws<InvalidOperationException>(() => db.SetDurability(Durability.Disk)).Message);
    }

    [Fact]
    public async Task It_is_told_logged_counted_and_listed_until_it_is_closed()
    {
        using var t = new Database();
        using var log = new Lines();
        using IHost host = HostingTests.Build(s => s.AddLogging(b => b.AddProvider(log)));
        await host.StartAsync(TestContext.Current.CancellationToken);
        var told = new TaskCompletionSource<AsyncVfsPassedThroughEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Hearing(object? sender, AsyncVfsPassedThroughEventArgs passed) => told.TrySetResult(passed);
        AsyncVfsLibrary.PassedThrough += Hearing;
        using var seen = new Collector(t.Path);
        using (SqliteConnection db = t.OpenPassed(";Pooling=False"), second = t.OpenPassed(";Pooling=False"))
        {
            Assert.Equal((t.Path, "psow=0"), ((await told.Task).Path, (await told.Task).Reason));
            string line = await log.First(t.Path);
            Assert.Contains("is passed through", line);
            Assert.Contains("psow=0", line);
            Assert.Equal(1, seen.Collect("asyncvfs.passed_through"));
            Assert.Contains(t.Path, AsyncVfsLibrary.GetOpenDatabases());
            Assert.Equal("psow=0", Assert.Single(AsyncVfsLibrary.GetPassedThroughDatabases()).Reason);
            Assert.True(db.GetAsyncVfsStatus()!.IsPassedThrough);
            HealthReport report = await HostingTests.CheckHealth(host);
            Assert.Equal(HealthStatus.Degraded, report.Status);
            Assert.Equal("passed through: psow=0", report.Entries["asyncvfs"].Data[t.Path]);
        }
        AsyncVfsLibrary.PassedThrough -= Hearing;
        Assert.Empty(AsyncVfsLibrary.GetPassedThroughDatabases());
        Assert.Equal(1, log.Count($"{t.Path} is passed through to SQLite's own VFS, and its commits"));
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Where_it_has_to_be_managed_it_is_refused()
    {
        using var t = new Database(new AsyncVfsOptions { RequireManaged = true });
        SqliteException e = Assert.Throws<SqliteException>(() => t.OpenPassed());
        Assert.Contains("would be passed through (require_managed=yes): psow=0; remove the cause, or", e.Message);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
    }

    [Fact]
    public async Task Where_it_has_to_be_managed_WAL_mode_is_refused_and_why_is_said()
    {
        using var t = new Database(new AsyncVfsOptions { RequireManaged = true });
        SetJournalMode(t, "wal");
        Assert.Contains("the database is in WAL mode; take it out of that once (PRAGMA journal_mode=delete, with no other connection to it), or open it without require_managed",
            Assert.Throws<SqliteException>(t.Open).Message);
        SetJournalMode(t, "delete");
        using SqliteConnection db = t.Open();
        Assert.Contains("leave it in rollback mode", Assert.Throws<SqliteException>(() => Database.Execute(db, "PRAGMA journal_mode=wal")).Message);
        Database.Execute(db, "CREATE TABLE t(x)");

        // Later SQLite has no place for words: the status has.
        await db.DrainAsync(TestContext.Current.CancellationToken);
        SetJournalMode(t, "wal");
        Assert.Equal(14, Assert.Throws<SqliteException>(() => Database.Execute(db, "INSERT INTO t VALUES(1)")).SqliteErrorCode);
        Assert.Equal("the database is in WAL mode", db.GetAsyncVfsStatus()!.PassedThroughReason);
    }

    private static void SetJournalMode(Database t, string mode)
    {
        using SqliteConnection stock = t.OpenStock();
        Assert.Equal(mode, Database.Scalar<string>(stock, $"PRAGMA journal_mode={mode}"));
        Database.Execute(stock, "PRAGMA user_version=1");
    }
}

/// <summary>Which files are flushed, as tests/dotnet/flush_log.c writes it; on Windows nobody does.</summary>
internal sealed class FlushLog : IDisposable
{
    private static readonly string? log = Environment.GetEnvironmentVariable("FLUSH_LOG");
    private readonly int begin = Read().Length;

    public void AssertHas(params string[] paths)
    {
        if (log is null) return;
        string since = Read()[begin..];
        // The logger knows paths of Linux: by their names, which no other test's database has.
        foreach (string path in paths)
        {
            string name = Path.GetFileName(Path.GetDirectoryName(path)) + "/" + Path.GetFileName(path) + "\n";
            Assert.Contains(name, since);
        }
    }

    public void Dispose()
    {
    }

    private static string Read() => log is not null && File.Exists(log) ? File.ReadAllText(log) : "";
}

/// <summary>A logger that keeps its lines.</summary>
internal sealed class Lines : ILoggerProvider, ILogger
{
    private readonly List<string> lines = [];
    private readonly SemaphoreSlim written = new(0);

    public async Task<string> First(string part)
    {
        for (; ; )
        {
            lock (lines)
            {
                if (lines.Find(l => l.Contains(part, StringComparison.Ordinal)) is { } line) return line;
            }
            await written.WaitAsync(TestContext.Current.CancellationToken);
        }
    }

    public int Count(string part)
    {
        lock (lines) return lines.Count(l => l.Contains(part, StringComparison.Ordinal));
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (lines) lines.Add($"{logLevel}: {formatter(state, exception)}");
        written.Release();
    }

    public void Dispose()
    {
    }
}
