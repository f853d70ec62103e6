using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

public class OptionsTests
{
    private static readonly AsyncVfsOptions everything = new()
    {
        Durability = Durability.Disk,
        MaxLag = TimeSpan.FromMilliseconds(50),
        MaxQueueBytes = 8 << 20,
        OnFull = QueueFullBehavior.Busy,
        FullTimeout = TimeSpan.FromSeconds(1),
        OnClose = CloseBehavior.Abandon,
        CloseTimeout = TimeSpan.FromSeconds(2),
        RequireManaged = true,
    };

    [Fact, Trait("platform", "any")]
    public void Options_become_parameters_of_the_URI()
    {
        Assert.Equal("file:///C:/data/app.db?vfs=asyncvfs&durability=disk&max_lag_ms=50&max_queue_bytes=8388608" +
            "&on_full=busy&full_timeout_ms=1000&close=abandon&close_timeout_ms=2000&require_managed=yes", everything.ToUri(@"C:\data\app.db"));
    }

    [Theory, Trait("platform", "any")]
    [InlineData(Durability.Memory, "memory")]
    [InlineData(Durability.Os, "os")]
    [InlineData(Durability.Disk, "disk")]
    public void A_durability_is_a_word(Durability durability, string word)
    {
        Assert.Equal("file:app.db?vfs=asyncvfs&durability=" + word, new AsyncVfsOptions { Durability = durability }.ToUri("app.db"));
        string why = durability == Durability.Disk ? "no room" : "";
        AsyncVfsStatus status = AsyncVfsStatus.Parse($$$"""{"durability":"{{{word}}}","redo":{"bytes":5,"room":6,"replayed":7,"refused":8,"reason":"{{{why}}}"}}""");
        Assert.Equal((durability, 5L, 6L, 7L, 8L), (status.Durability, status.RedoBytes, status.RedoRoom, status.ReplayedCommits, status.RefusedCommits));
        Assert.Equal(why.Length == 0 ? null : why, status.DurabilityReason);
    }

    [Theory, Trait("platform", "any")]
    [InlineData("app.db", "file:app.db?vfs=asyncvfs")]
    [InlineData(@"data\a b.db", "file:data/a b.db?vfs=asyncvfs")]
    [InlineData(@"C:\100% is #1?.db", "file:///C:/100%25 is %231%3F.db?vfs=asyncvfs")]
    [InlineData(@"\\server\share\app.db", "file:////server/share/app.db?vfs=asyncvfs")]
    public void A_path_becomes_a_URI(string path, string uri) => Assert.Equal(uri, new AsyncVfsOptions().ToUri(path));

    [Fact, Trait("platform", "any")]
    public void The_data_directory_is_that_of_the_provider()
    {
        AppDomain.CurrentDomain.SetData("DataDirectory", @"C:\data");
        try
        {
            Assert.Equal("file:///C:/data/app.db?vfs=asyncvfs", new AsyncVfsOptions().ToUri("|DataDirectory|app.db").Replace("data//", "data/"));
            if (OperatingSystem.IsWindows()) Assert.Equal("file:///C:/data/sub/app.db?vfs=asyncvfs", new AsyncVfsOptions().ToUri(@"sub\app.db"));
        }
        finally
        {
            AppDomain.CurrentDomain.SetData("DataDirectory", null);
        }
        Assert.EndsWith("/app.db?vfs=asyncvfs", new AsyncVfsOptions().ToUri("|datadirectory|/app.db"));
        Assert.DoesNotContain("|", new AsyncVfsOptions().ToUri("|datadirectory|/app.db"));
    }

    [Fact]
    public void A_whole_connection_string_keeps_its_other_keywords()
    {
        AsyncVfsOptions options = new() { MaxLag = TimeSpan.FromMilliseconds(5) };
        Assert.Equal("data source=\"file:app.db?vfs=asyncvfs&max_lag_ms=5\";pooling=False", options.ToConnectionString("Data Source=app.db;Pooling=False;Vfs=asyncvfs"), ignoreCase: true);
        Assert.Equal("filename=\"file:app.db?cache=shared&vfs=asyncvfs&max_lag_ms=5\"", options.ToConnectionString("Filename=file:app.db?cache=shared&vfs=asyncvfs"), ignoreCase: true);
        Assert.Equal("data source=:memory:", options.ToConnectionString("Data Source=:memory:"), ignoreCase: true);
        Assert.Equal("Data Source=:memory:", options.ToConnectionString(":memory:"));
        Assert.Equal("data source=shared;mode=Memory", options.ToConnectionString("Data Source=shared;Mode=Memory"), ignoreCase: true);
        Assert.Contains("another VFS: win32-longpath", Assert.Throws<ArgumentException>(() => options.ToConnectionString("Data Source=a;Vfs=win32-longpath")).Message);
        Assert.Equal("FullUri=\"file:app.db?vfs=asyncvfs&max_lag_ms=5\"", options.ToSystemDataSqliteConnectionString("app.db"), ignoreCase: true);
    }

    [Fact]
    public async Task A_database_in_memory_has_nothing_to_flush()
    {
        AsyncVfsLibrary.Register();
        foreach (string connectionString in new[] { new AsyncVfsOptions().ToConnectionString(":memory:"), "Data Source=:memory:;Vfs=asyncvfs" })
        {
            using SqliteConnection db = Database.Connect(connectionString);
            Database.Execute(db, "CREATE TABLE t(x)");
            await db.FlushAsync(TestContext.Current.CancellationToken);
            db.Flush();
            await db.DrainAsync(TestContext.Current.CancellationToken);
            Assert.True(db.GetDurabilityTicket().IsDurable);
            db.SetDurability(Durability.Disk);
            using SqliteTransaction transaction = db.BeginTransaction();
            await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
            Assert.Null(db.GetAsyncVfsStatus());
            Assert.Throws<AsyncVfsException>(() => db.GetDurabilityTicket("nowhere"));
        }
    }

    [Fact, Trait("platform", "any")]
    public void What_is_out_of_range_is_refused_with_the_range()
    {
        Assert.Contains("Must be 0 to 00:01:00. (Parameter 'MaxLag')",
            Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncVfsOptions { MaxLag = TimeSpan.FromMinutes(2) }).Message);
        Assert.Contains("1048576 (1 MiB) to",
            Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncVfsOptions { MaxQueueBytes = 1 }).Message);
        Assert.Contains("Must be Wait or Busy",
            Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncVfsOptions { OnFull = (QueueFullBehavior)9 }.ToUri("a")).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => AsyncVfsLibrary.SetProcessLimits(exitTimeout: TimeSpan.FromDays(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new AsyncVfsOptions { CloseTimeout = TimeSpan.FromMilliseconds(-1) });
    }

    [Fact, Trait("platform", "any")]
    public void Where_asyncvfs_does_not_exist_the_default_vfs_is_used_or_refused()
    {
        if (OperatingSystem.IsWindows()) return;
        Assert.False(AsyncVfsLibrary.Register());
        Assert.False(AsyncVfsLibrary.IsSupported);
        Assert.Equal("Data Source=/data/app.db", everything.ToConnectionString("/data/app.db"));
        Assert.Contains("FallBack", Assert.Throws<AsyncVfsException>(() => (everything with { FallBack = false }).ToConnectionString("a")).Message);
    }

    [Fact, Trait("platform", "any")]
    public async Task The_same_lines_work_on_every_system()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory("asyncvfs").FullName, "any.db");
        AsyncVfsLibrary.Register();
        AsyncVfsLibrary.SetDefaults(new AsyncVfsOptions());
        using (SqliteConnection db = Database.Connect(new AsyncVfsOptions().ToConnectionString(path)))
        {
            Database.Execute(db, "CREATE TABLE t(x)");
            db.SetDurability(Durability.Memory);
            using SqliteTransaction transaction = db.BeginTransaction();
            Database.Execute(db, "INSERT INTO t VALUES(1)");
            await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
            await db.FlushAsync(TestContext.Current.CancellationToken);
            await db.DrainAsync(TestContext.Current.CancellationToken);
            await db.GetDurabilityTicket().WhenDurable(TestContext.Current.CancellationToken);
            Assert.Equal(AsyncVfsLibrary.IsSupported, db.GetAsyncVfsStatus() is not null);
            await AsyncVfsLibrary.FlushAllAsync(TestContext.Current.CancellationToken);
        }
        SqliteConnection.ClearAllPools();
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Theory]
    [InlineData("plain.db")]
    [InlineData("with space.db")]
    [InlineData("100% #1 & ünïcödé = 'ja'; yes.db")]
    public void The_file_is_the_one_that_was_named(string name)
    {
        using var t = new Database();
        using SqliteConnection db = Database.Connect(new AsyncVfsOptions().ToConnectionString(t.File(name)) + ";Pooling=False");
        Database.Execute(db, "CREATE TABLE t(x)");
        Assert.Equal(t.File(name), db.DataSource);
        Assert.True(File.Exists(t.File(name)));
        Assert.False(db.GetAsyncVfsStatus()!.IsPassedThrough);
    }

    [Fact]
    public void Options_arrive()
    {
        using var t = new Database(everything);
        using SqliteConnection db = t.Open();
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.Equal((Durability.Disk, TimeSpan.FromMilliseconds(50), 8L << 20), (status.Durability, status.MaxLag, status.MaxQueueBytes));
        Assert.Equal("busy", Database.Scalar<string>(db, "PRAGMA asyncvfs_on_full"));
        Assert.Equal("1000", Database.Scalar<string>(db, "PRAGMA asyncvfs_full_timeout_ms"));
        Assert.Equal("abandon", Database.Scalar<string>(db, "PRAGMA asyncvfs_close"));
        Assert.Equal("2000", Database.Scalar<string>(db, "PRAGMA asyncvfs_close_timeout_ms"));
        Assert.Equal("yes", Database.Scalar<string>(db, "PRAGMA asyncvfs_require_managed"));
    }

    [Fact]
    public void Defaults_serve_connection_strings_that_say_nothing()
    {
        using var t = new Database();
        AsyncVfsLibrary.SetDefaults(new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(77) });
        try
        {
            using SqliteConnection db = t.Open();
            Assert.Equal(77, db.GetAsyncVfsStatus()!.MaxLag.TotalMilliseconds);
        }
        finally
        {
            AsyncVfsLibrary.SetDefaults(new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(100) });
        }
    }

    [Fact]
    public void Limits_of_the_process_are_set_at_once()
    {
        using var t = new Database();
        using SqliteConnection db = t.Open();
        long before = db.GetAsyncVfsStatus()!.MaxProcessQueueBytes;
        AsyncVfsLibrary.SetProcessLimits(maxQueueBytes: 32 << 20);
        try
        {
            Assert.Equal(32 << 20, db.GetAsyncVfsStatus()!.MaxProcessQueueBytes);
            Assert.Contains("68719476736", Assert.Throws<ArgumentOutOfRangeException>(() => AsyncVfsLibrary.SetProcessLimits(maxQueueBytes: 5)).Message);
        }
        finally
        {
            AsyncVfsLibrary.SetProcessLimits(maxQueueBytes: before);
        }
    }
}
