using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

public class PoolingTests
{
    [Fact]
    public async Task An_idle_database_in_the_pool_gives_its_lock_back_to_other_programs()
    {
        using var t = new Database(new AsyncVfsOptions { MaxLag = TimeSpan.Zero });
        using (SqliteConnection db = t.Open()) Database.Execute(db, "CREATE TABLE t(x)");
        Assert.True(IsOpen(t));
        // Not this provider's connection but the plain file, as another program has it: SQLite's busy
        // handler waits for the lock, which comes a moment after the last batch.
        using (SqliteConnection other = t.OpenStock())
        {
            Database.Execute(other, "INSERT INTO t VALUES('from outside')");
        }
        using (SqliteConnection db = t.Open())
        {
            Assert.Equal("from outside", Database.Scalar<string>(db, "SELECT x FROM t"));
            await db.FlushAsync(TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public void Clearing_the_pools_drains_and_the_file_can_be_deleted_at_once()
    {
        using var t = new Database(Database.Lazy);
        for (int i = 0; i < 20; i++)
        {
            using (SqliteConnection db = t.Open()) Database.Execute(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
            Assert.Throws<IOException>(() => File.Delete(t.Path));   // open in the pool
            SqliteConnection.ClearAllPools();
            Assert.False(File.Exists(t.Path + "-journal"));
            Assert.False(IsOpen(t));
            File.Delete(t.Path);
            Assert.False(File.Exists(t.Path));
        }
    }

    [Fact]
    public void Without_a_pool_closing_drains()
    {
        using var t = new Database(Database.Lazy);
        using (SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False")) Database.Execute(db, "CREATE TABLE t(x)");
        using SqliteConnection stock = t.OpenStock();
        Assert.Equal(1, Database.Scalar<int>(stock, "SELECT count(*) FROM sqlite_master"));
    }

    [Fact]
    public void A_connection_that_was_forgotten_is_drained_by_its_finaliser()
    {
        using var t = new Database(Database.Lazy);
        Forget(t.ConnectionString + ";Pooling=False");
        Assert.True(SpinWait.SpinUntil(() => { Collect(); return !IsOpen(t); }, TimeSpan.FromSeconds(30)));
        using SqliteConnection stock = t.OpenStock();
        Assert.Equal(1, Database.Scalar<int>(stock, "SELECT count(*) FROM t"));
    }

    [Fact]
    public void A_ticket_keeps_no_connection_and_is_kept_by_nothing_once_it_is_durable()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection keeper = t.Open();
        WeakReference ticket = TakeAndWait(t.ConnectionString + ";Pooling=False");
        Assert.True(SpinWait.SpinUntil(() => { Collect(); return !ticket.IsAlive; }, TimeSpan.FromSeconds(30)));
    }

    [Fact, Trait("provider", "any")]
    public void Ten_thousand_openings_leak_nothing()
    {
        using var t = new Database();
        using (SqliteConnection db = t.Open()) Database.Execute(db, "CREATE TABLE t(x)");
        SqliteConnection.ClearAllPools();
        OpenAndClose(t, 500);
        (int handles, long memory) before = Used();
        OpenAndClose(t, 10_000);
        (int handles, long memory) after = Used();
        // The runtime's own come and go: a few. One handle an opening would be 10,000.
        Assert.InRange(after.handles, 0, before.handles + 20);
        Assert.InRange(after.memory, 0, before.memory + (8 << 20));
    }

    [Fact]
    public async Task Threads_that_write_and_read_at_once_lose_nothing()
    {
        using var t = new Database();
        using (SqliteConnection db = t.Open()) Database.Execute(db, "CREATE TABLE t(who, x)");
        const int Writers = 4, Each = 250;
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(who => Task.Run(async () =>
        {
            for (int i = 1; i <= Each; i++)
            {
                using SqliteConnection db = t.Open();
                using (SqliteTransaction transaction = db.BeginTransaction())
                {
                    Database.Execute(db, $"INSERT INTO t VALUES({who}, {i}), ({who}, {i})");
                    if (i % 50 == 0) await transaction.CommitDurableAsync();
                    else transaction.Commit();
                }
                Assert.Equal(2 * i, Database.Scalar<int>(db, $"SELECT count(*) FROM t WHERE who = {who}"));
                Assert.Equal(0, Database.Scalar<int>(db, "SELECT count(*) % 2 FROM t"));
            }
        })));
        SqliteConnection.ClearAllPools();
        using SqliteConnection stock = t.OpenStock();
        Assert.Equal(2 * Writers * Each, Database.Scalar<int>(stock, "SELECT count(*) FROM t"));
    }

    [Fact]
    public void A_durability_ends_with_the_use_of_the_connection()
    {
        foreach (Durability ofString in new[] { Durability.Disk, Durability.Memory })
        {
            using var t = new Database(Database.Lazy with { Durability = ofString });
            Durability other = ofString == Durability.Disk ? Durability.Memory : Durability.Disk;
            using (SqliteConnection db = t.Open())
            {
                Database.Execute(db, "PRAGMA synchronous=normal");
                db.SetDurability(other);
                db.SetDurability(other);
                Assert.Equal(other, db.GetAsyncVfsStatus()!.Durability);
            }
            using (SqliteConnection db = t.Open())
            {
                Assert.Equal(ofString, db.GetAsyncVfsStatus()!.Durability);
                Assert.Equal(1, Database.Scalar<int>(db, "PRAGMA synchronous"));
                db.Open();   // is open: nothing happens
                db.SetDurability(other);
                Assert.Equal(other, db.GetAsyncVfsStatus()!.Durability);
                db.Close();
                db.Open();
                Assert.Equal(ofString, db.GetAsyncVfsStatus()!.Durability);
            }
        }
    }

    private static bool IsOpen(Database t) => AsyncVfsLibrary.GetStatus(t.Path) is not null;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(string connectionString) =>
        Database.Execute(Database.Connect(connectionString), "CREATE TABLE t(x); INSERT INTO t VALUES(1)");

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (DurabilityTicket Ticket, WeakReference Connection) TakeTicket(string connectionString)
    {
        using SqliteConnection db = Database.Connect(connectionString);
        Database.Execute(db, "CREATE TABLE t(x)");
        return (db.GetDurabilityTicket(), new WeakReference(db));
    }

    // Synchronous, so that no state machine on this thread's stack still has the ticket.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference TakeAndWait(string connectionString)
    {
        (DurabilityTicket ticket, WeakReference connection) = TakeTicket(connectionString);
        Collect();
        Assert.False(connection.IsAlive);
        Assert.False(ticket.IsDurable);
        ticket.WhenDurable().GetAwaiter().GetResult();
        return new WeakReference(ticket);
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }

    private static void OpenAndClose(Database t, int times)
    {
        for (int i = 0; i < times; i++)
        {
            using SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False");
        }
    }

    private static (int Handles, long Memory) Used()
    {
        Collect();
        using Process self = Process.GetCurrentProcess();
        return (self.HandleCount, self.PrivateMemorySize64);
    }
}
