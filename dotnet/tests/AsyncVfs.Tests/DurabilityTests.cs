using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

public class DurabilityTests
{
    [Fact]
    public async Task A_commit_is_in_memory_until_it_is_flushed()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        Assert.Equal(0, db.GetAsyncVfsStatus()!.DurableCommits);
        await db.FlushAsync(TestContext.Current.CancellationToken);
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((1, 1), (status.Commits, status.DurableCommits));
    }

    [Fact]
    public async Task A_ticket_is_for_what_was_committed_before_it()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        DurabilityTicket ticket = db.GetDurabilityTicket();
        Assert.False(ticket.IsDurable);
        await ticket.WhenDurable(TestContext.Current.CancellationToken);
        Assert.True(ticket.IsDurable);
        Database.Execute(db, "INSERT INTO t VALUES(1)");
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((2, 1), (status.Commits, status.DurableCommits));
    }

    [Fact]
    public async Task Taking_a_ticket_writes_nothing()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        var tickets = Enumerable.Range(0, 100).Select(_ => db.GetDurabilityTicket()).ToList();
        Assert.Equal(0, db.GetAsyncVfsStatus()!.Batches);
        // One wait has all of them written by one batch, and they complete in turn.
        await tickets[^1].WhenDurable(TestContext.Current.CancellationToken);
        await Task.WhenAll(tickets.Select(x => x.WhenDurable(TestContext.Current.CancellationToken)));
        Assert.Equal(1, db.GetAsyncVfsStatus()!.Batches);
    }

    [Fact]
    public async Task A_ticket_outlives_its_connection()
    {
        using var t = new Database(Database.Lazy);
        DurabilityTicket ticket;
        using (SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False"))
        {
            Database.Execute(db, "CREATE TABLE t(x)");
            ticket = db.GetDurabilityTicket();
        }
        // Closing drained it.
        await ticket.WhenDurable(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Waiting_blocks_no_thread()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        // Far more waits than the pool has threads; what they wait for comes from this thread, afterwards.
        int threads = ThreadPool.ThreadCount;
        using var neverCancelled = new CancellationTokenSource();
        var waits = new List<Task>();
        for (int i = 0; i < 2000; i++)
        {
            Database.Execute(db, $"INSERT INTO t VALUES({i})");
            waits.Add(db.FlushAsync(neverCancelled.Token));
        }
        Assert.InRange(ThreadPool.ThreadCount, 0, Math.Max(threads, Environment.ProcessorCount) + 4);
        await Task.WhenAll(waits);
        Assert.Equal(2001, db.GetAsyncVfsStatus()!.DurableCommits);
    }

    [Fact]
    public async Task A_wait_can_be_cancelled_and_the_commits_stay()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        DurabilityTicket ticket = db.GetDurabilityTicket();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ticket.WhenDurable(cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => db.FlushAsync(cancelled.Token));
        Assert.False(ticket.IsDurable);
        await ticket.WhenDurable(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_wait_whose_time_is_up_says_so()
    {
        using Database a = new(Database.Lazy), b = new(Database.Lazy);
        using SqliteConnection first = a.Open(), second = b.Open();
        Database.Execute(first, "CREATE TABLE t(x)");
        Database.Execute(second, "CREATE TABLE t(x)");
        Assert.False(first.GetDurabilityTicket().Wait(TimeSpan.Zero));
        AsyncVfsException e = Assert.Throws<AsyncVfsException>(() => second.Flush(TimeSpan.Zero));
        Assert.Equal(5, e.SqliteErrorCode);
        Assert.Contains("the time is up. It goes on being written", e.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => second.Flush(TimeSpan.FromSeconds(-2)));
    }

    [Fact]
    public async Task Cancelling_races_with_completion_harmlessly()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        int cancelled = 0;
        for (int i = 0; i < 200; i++)
        {
            Database.Execute(db, $"INSERT INTO t VALUES({i})");
            using var source = new CancellationTokenSource();
            Task wait = db.FlushAsync(source.Token);
            Thread.SpinWait(i * 20);
            await source.CancelAsync();
            try
            {
                await wait;
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
        }
        await db.FlushAsync(TestContext.Current.CancellationToken);
        Assert.Equal(201, db.GetAsyncVfsStatus()!.DurableCommits);
        TestContext.Current.SendDiagnosticMessage("{0} of 200 were cancelled", cancelled);
    }

    [Fact]
    public async Task A_transaction_is_durable_when_its_durable_commit_completes()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        using (SqliteTransaction transaction = db.BeginTransaction())
        {
            Database.Execute(db, "INSERT INTO t VALUES(1)");
            await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
            await Assert.ThrowsAsync<InvalidOperationException>(() => transaction.CommitDurableAsync(TestContext.Current.CancellationToken));
        }
        Assert.Equal(2, db.GetAsyncVfsStatus()!.DurableCommits);
    }

    [Fact]
    public async Task A_durable_commit_cancelled_before_it_began_commits_nothing()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        using (SqliteTransaction transaction = db.BeginTransaction())
        {
            Database.Execute(db, "INSERT INTO t VALUES(1)");
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => transaction.CommitDurableAsync(new CancellationToken(true)));
        }
        Assert.Equal(0, Database.Scalar<int>(db, "SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task Draining_gives_the_file_to_other_programs_and_goes_on()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        await db.DrainAsync(TestContext.Current.CancellationToken);
        Assert.False(File.Exists(t.Path + "-journal"));
        File.Copy(t.Path, t.File("copy.db"));
        Database.Execute(db, "INSERT INTO t VALUES(1)");
        Assert.Equal(1, db.GetAsyncVfsStatus()!.DurableCommits);
        using SqliteConnection copy = Database.Connect($"Data Source={t.File("copy.db")};Pooling=False");
        Assert.Equal(0, Database.Scalar<int>(copy, "SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task Draining_while_another_connection_is_in_a_transaction_is_SQLITE_BUSY()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open(), other = t.Open();
        Database.Execute(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
        using SqliteTransaction transaction = other.BeginTransaction(deferred: true);
        Assert.Equal(1, Database.Scalar<int>(other, "SELECT count(*) FROM t"));
        db.DefaultTimeout = 1;
        SqliteException e = await Assert.ThrowsAsync<SqliteException>(() => db.DrainAsync(TestContext.Current.CancellationToken));
        Assert.Equal(5, e.SqliteErrorCode);
    }

    [Fact]
    public async Task Draining_in_its_own_transaction_is_refused_at_once()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
        db.DefaultTimeout = 0;   // for ever
        using (SqliteTransaction transaction = db.BeginTransaction())
        {
            Assert.Contains("is in a transaction", (await Assert.ThrowsAsync<InvalidOperationException>(() => db.DrainAsync(TestContext.Current.CancellationToken))).Message);
        }
        using SqliteCommand command = db.CreateCommand();
        command.CommandText = "SELECT x FROM t";
        using SqliteDataReader reader = command.ExecuteReader();
        Assert.Contains("has a reader open", (await Assert.ThrowsAsync<InvalidOperationException>(() => db.DrainAsync(TestContext.Current.CancellationToken))).Message);
    }

    [Fact]
    public async Task Draining_awaits_the_end_of_another_transaction_and_can_be_cancelled()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open(), other = t.Open();
        Database.Execute(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
        db.DefaultTimeout = 0;
        using SqliteTransaction transaction = other.BeginTransaction(deferred: true);
        Assert.Equal(1, Database.Scalar<int>(other, "SELECT count(*) FROM t"));
        using var cancel = new CancellationTokenSource();
        Task drain = db.DrainAsync(cancel.Token);
        Assert.False(drain.IsCompleted);   // and this thread is free
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => drain);
        drain = db.DrainAsync(TestContext.Current.CancellationToken);
        Assert.False(drain.IsCompleted);
        transaction.Commit();
        await drain;
        Assert.False(File.Exists(t.Path + "-journal"));
    }

    [Fact]
    public void Tasks_that_block_for_a_flush_need_no_other_thread_of_the_pool()
    {
        using var t = new Database(Database.Lazy);
        using (SqliteConnection db = t.Open()) Database.Execute(db, "CREATE TABLE t(x)");
        ThreadPool.GetMaxThreads(out int workers, out int ports);
        ThreadPool.GetMinThreads(out int least, out _);
        Assert.True(ThreadPool.SetMaxThreads(Math.Max(least, Environment.ProcessorCount), ports));
        try
        {
            Task[] tasks = [.. Enumerable.Range(0, 64).Select(i => Task.Run(() =>
            {
                using SqliteConnection db = t.Open();
                Database.Execute(db, $"INSERT INTO t VALUES({i})");
#pragma warning disable xUnit1031   // blocking is what is tested
                db.FlushAsync().GetAwaiter().GetResult();
                db.Flush();
                Assert.True(db.GetDurabilityTicket().Wait(TimeSpan.FromHours(1)));
            }))];
            Assert.True(Task.WaitAll(tasks, (int)TimeSpan.FromMinutes(2).TotalMilliseconds, TestContext.Current.CancellationToken), "they wait for each other");
#pragma warning restore xUnit1031
        }
        finally
        {
            ThreadPool.SetMaxThreads(workers, ports);
        }
    }

    [Fact]
    public async Task What_was_flushed_is_durable_for_the_next_ticket()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        for (int i = 0; i < 100; i++)
        {
            Database.Execute(db, $"INSERT INTO t VALUES({i})");
            await db.FlushAsync(TestContext.Current.CancellationToken);
            Assert.True(db.GetDurabilityTicket().IsDurable);
        }
    }

    [Fact]
    public void The_status_is_found_by_a_path_in_other_letters()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open();
        Database.Execute(db, "CREATE TABLE t(x)");
        Assert.NotNull(AsyncVfsLibrary.GetStatus(t.Path.ToUpperInvariant()));
        Assert.NotNull(AsyncVfsLibrary.GetStatus(t.Path.Replace('\\', '/')));
    }

    [Fact]
    public async Task A_durable_commit_waits_for_attached_databases_too()
    {
        using Database a = new(Database.Lazy), b = new(Database.Lazy);
        using SqliteConnection db = Database.Connect(a.ConnectionString + ";Pooling=False");
        Database.Attach(db, b);
        Database.Execute(db, "CREATE TABLE main.t(x)");
        Database.Execute(db, "CREATE TABLE other.t(x)");
        using (System.Data.Common.DbTransaction transaction = db.BeginTransaction(deferred: true))
        {
            Database.Execute(db, "INSERT INTO other.t VALUES(1)");
            await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
        }
        // Deferred: BEGIN IMMEDIATE locks both, which then have a super-journal, and are durable by that.
        AsyncVfsStatus status = AsyncVfsLibrary.GetStatus(b.Path)!;
        Assert.Equal((2, 2), (status.Commits, status.DurableCommits));
    }

    [Fact]
    public void A_connection_with_disk_durability_commits_durably()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False");
        Database.Execute(db, "CREATE TABLE t(x)");
        db.SetDurability(Durability.Disk);
        Database.Execute(db, "INSERT INTO t VALUES(1)");
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((Durability.Disk, 2L), (status.Durability, status.DurableCommits));
        db.SetDurability(Durability.Memory);
        Database.Execute(db, "INSERT INTO t VALUES(2)");
        Assert.Equal(2, db.GetAsyncVfsStatus()!.DurableCommits);
        Assert.Throws<ArgumentOutOfRangeException>(() => db.SetDurability((Durability)7));
    }

    [Fact]
    public void A_connection_has_the_durability_that_was_set_last()
    {
        using var t = new Database(Database.Lazy with { Durability = Durability.Os });
        using SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False");
        Assert.Equal(Durability.Os, db.GetAsyncVfsStatus()!.Durability);
        Database.Execute(db, "CREATE TABLE t(x)");   // the first commit waits for the disk
        Database.Execute(db, "INSERT INTO t VALUES(1)");
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((Durability.Os, null, 0L, 0L), (status.Durability, status.DurabilityReason, status.ReplayedCommits, status.RefusedCommits));
        Assert.InRange(status.RedoBytes, 1, status.RedoRoom);
        foreach (Durability durability in new[] { Durability.Disk, Durability.Os, Durability.Memory, Durability.Os })
        {
            db.SetDurability(durability);
            Assert.Equal(durability, db.GetAsyncVfsStatus()!.Durability);
        }
        Assert.Contains("Memory, Os or Disk", Assert.Throws<ArgumentOutOfRangeException>(() => db.SetDurability((Durability)7)).Message);
    }

    [Fact]
    public void All_databases_can_be_flushed_at_once()
    {
        using Database a = new(Database.Lazy), b = new(Database.Lazy);
        using SqliteConnection first = a.Open(), second = b.Open();
        Database.Execute(first, "CREATE TABLE t(x)");
        Database.Execute(second, "CREATE TABLE t(x)");
        AsyncVfsLibrary.FlushAll();
        Assert.Equal(1, AsyncVfsLibrary.GetStatus(a.Path)!.DurableCommits);
        Assert.Equal(1, AsyncVfsLibrary.GetStatus(b.Path)!.DurableCommits);
    }

    [Fact]
    public async Task A_database_that_is_attached_has_tickets_of_its_own()
    {
        using Database a = new(Database.Lazy), b = new(Database.Lazy);
        using SqliteConnection db = Database.Connect(a.ConnectionString + ";Pooling=False");
        Database.Attach(db, b);
        Database.Execute(db, "CREATE TABLE main.t(x)");
        Database.Execute(db, "CREATE TABLE other.t(x)");
        await db.GetDurabilityTicket("other").WhenDurable(TestContext.Current.CancellationToken);
        Assert.Equal(0, AsyncVfsLibrary.GetStatus(a.Path)!.DurableCommits);
        Assert.Equal(1, AsyncVfsLibrary.GetStatus(b.Path)!.DurableCommits);
    }

    [Fact]
    public void A_connection_of_another_vfs_is_refused_with_the_remedy()
    {
        using var t = new Database();
        using SqliteConnection db = t.OpenStock();
        AsyncVfsException e = Assert.Throws<AsyncVfsException>(() => db.GetDurabilityTicket());
        Assert.Contains("open it with Vfs=asyncvfs", e.Message);
        Assert.Throws<AsyncVfsException>(() => db.SetDurability(Durability.Disk));
        Assert.Throws<AsyncVfsException>(() => { _ = db.GetAsyncVfsStatus(); });
    }

    [Fact]
    public void A_closed_connection_is_refused_with_the_remedy()
    {
        using var db = new SqliteConnection("Data Source=:memory:");
        Assert.Contains("open it first", Assert.Throws<InvalidOperationException>(() => db.GetDurabilityTicket()).Message);
    }

    [Fact]
    public async Task A_database_in_WAL_mode_is_passed_through_and_says_so()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open();
        Database.Execute(db, "PRAGMA journal_mode=wal; CREATE TABLE t(x)");
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.True(status.IsPassedThrough);
        Assert.NotEqual("", status.PassedThroughReason);
        await db.FlushAsync(TestContext.Current.CancellationToken);
        Database.Execute(db, "PRAGMA journal_mode=delete; INSERT INTO t VALUES(1)");
        Assert.False(db.GetAsyncVfsStatus()!.IsPassedThrough);
    }
}
