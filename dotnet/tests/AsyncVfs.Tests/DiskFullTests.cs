using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace AsyncVfs.Tests;

/// <summary>Run in a process that may not make files larger than 1 MiB (ulimit -f): the disk is full, then.</summary>
[Trait("disk", "full")]
public class DiskFullTests
{
    private static readonly AsyncVfsOptions options = new()
    {
        Durability = Durability.Memory, MaxLag = TimeSpan.FromSeconds(60), OnClose = CloseBehavior.Abandon
    };

    [Fact]
    public async Task While_the_disk_refuses_everybody_is_told_and_the_commits_stay()
    {
        using var t = new Database(options);
        using SqliteConnection db = t.Open();
        using var seen = new Collector(t.Path);
        using IHost host = HostingTests.Build(_ => { });
        var heard = new TaskCompletionSource<AsyncVfsErrorEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Throwing(object? sender, AsyncVfsErrorEventArgs error) => throw new InvalidOperationException("thrown by a handler, for a test");
        void Hearing(object? sender, AsyncVfsErrorEventArgs error) => heard.TrySetResult(error);
        AsyncVfsLibrary.Error += Throwing;
        AsyncVfsLibrary.Error += Hearing;
        try
        {
            Fill(db);
            AsyncVfsException e = await Assert.ThrowsAsync<AsyncVfsException>(() => db.FlushAsync(TestContext.Current.CancellationToken));
            AssertDiskError(e.SqliteErrorCode);

            AsyncVfsErrorEventArgs error = await heard.Task;
            AssertDiskError(error.SqliteErrorCode);
            Assert.Equal((t.Path, 2L, 0L), (error.Path, error.WaitingCommits, error.LostCommits));
            Assert.NotNull(error.RetryAfter);
            Assert.Contains("retry in", error.Message);

            AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
            Assert.Equal((2, 0), (status.Commits, status.DurableCommits));
            AssertDiskError(status.LastError!.SqliteErrorCode);
            Assert.InRange(seen.Count("asyncvfs.errors"), 4, int.MaxValue);
            HealthReport report = await HostingTests.CheckHealth(host);
            Assert.Equal(HealthStatus.Unhealthy, report.Status);
            Assert.Contains("refuses to write", report.Entries["asyncvfs"].Description);
            Assert.Equal(3_000_000, Database.Scalar<int>(db, "SELECT length(x) FROM t"));
        }
        finally
        {
            AsyncVfsLibrary.Error -= Throwing;
            AsyncVfsLibrary.Error -= Hearing;
        }
    }

    [Fact]
    public async Task A_close_that_gives_up_fails_the_tickets_and_says_what_is_lost()
    {
        using var t = new Database(options);
        long lost = 0;
        // The loss is told by this thread, while asyncvfs' own may still tell of the failure before it.
        void Hearing(object? sender, AsyncVfsErrorEventArgs error) => Interlocked.Add(ref lost, error.LostCommits);
        AsyncVfsLibrary.Error += Hearing;
        try
        {
            DurabilityTicket ticket;
            using (SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False"))
            {
                Fill(db);
                ticket = db.GetDurabilityTicket();
            }
            Assert.Equal(2, lost);   // before the close returned
            AsyncVfsException e = await Assert.ThrowsAsync<AsyncVfsException>(() => ticket.WhenDurable(TestContext.Current.CancellationToken));
            AssertDiskError(e.SqliteErrorCode);
            Assert.Contains("lost", e.Message);
        }
        finally
        {
            AsyncVfsLibrary.Error -= Hearing;
        }
    }

    [Fact]
    public void The_end_of_a_process_waits_for_no_close_of_a_disk_that_refuses()
    {
        using var t = new Database(options);
        // Its close would wait for an hour.
        Assert.Equal(0, Child.Finish("wait_at_a_full_disk", t.Path).ExitCode);
    }

    private static void Fill(SqliteConnection db) => Database.Execute(db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(3000000))");

    private static void AssertDiskError(int code) => Assert.Contains(code & 0xff, new[] { 10, 13 });   // IOERR_x, FULL
}
