using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;

namespace AsyncVfs.Tests;

/// <summary>What only a process of its own can show: how it begins and how it ends.</summary>
internal static class Child
{
    /// <summary>Rows that a child commits before it ends.</summary>
    public const int Rows = 100;

    public static int Run(string name, string path)
    {
        switch (name)
        {
            case "unregistered":
                return Say(() => Open(path).Dispose());
            case "ticket_unregistered":
                using (var memory = new SqliteConnection("Data Source=:memory:"))
                {
                    memory.Open();
                    return Say(() => memory.GetDurabilityTicket());
                }
            case "register_first":
                return Say(() => AsyncVfsLibrary.Register());
            case "register_default":
                return Say(() =>
                {
                    AsyncVfsLibrary.Register(makeDefault: true);
                    using SqliteConnection db = Database.Connect("Data Source=" + path);
                    if (db.GetAsyncVfsStatus()!.IsPassedThrough) throw new InvalidOperationException("passed through");
                });
            case "register_default_and_again":
                return Say(() =>
                {
                    AsyncVfsLibrary.Register(makeDefault: true);
                    AsyncVfsLibrary.Register();
                    new ServiceCollection().AddAsyncVfs();
                    using SqliteConnection db = Database.Connect("Data Source=" + path);
                    if (db.GetAsyncVfsStatus()!.IsPassedThrough) throw new InvalidOperationException("passed through");
                });
            case "another_sqlite":
                return Say(() => LoadAnotherSqlite(path));
            case "wait_at_a_full_disk":
                AsyncVfsLibrary.Register();
                AsyncVfsLibrary.SetProcessLimits(exitTimeout: TimeSpan.FromMilliseconds(500));
                SqliteConnection full = Database.Connect(new AsyncVfsOptions { CloseTimeout = TimeSpan.FromHours(1) }.ToConnectionString(path));
                Database.Execute(full, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(3000000))");
                full.Dispose();   // back in its pool
                return 0;
            case "system_data_sqlite":
                return Say(() => UseSystemDataSqlite(path));
            case "return":
                Fill(path);
                return 0;
            case "exit":
                Fill(path);
                Environment.Exit(0);
                return 1;
            case "throw":
                Fill(path);
                throw new InvalidOperationException("thrown by a child, for a test");
            case "wait_to_be_killed_os":
                Fill(path, Durability.Os);
                Console.WriteLine("committed");
                Thread.Sleep(Timeout.Infinite);
                return 1;
            case "wait_to_be_killed":
                Fill(path).FlushAsync().Wait();
                Console.WriteLine("flushed");
                Endless(path);
                return 1;
            default:
                throw new ArgumentException(name);
        }
    }

    /// <summary>Runs a child to its end.</summary>
    public static (int ExitCode, string Output) Finish(string name, string path, string? program = null)
    {
        using Process child = Start(name, path, program);
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return (child.ExitCode, output.Trim());
    }

    public static Process Start(string name, string path, string? program = null) =>
        Process.Start(new ProcessStartInfo(program ?? Environment.ProcessPath!, ["child", name, path])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = Path.GetDirectoryName(path),   // Windows looks for libraries in it, too
        })!;

    /// <summary>Commits rows with a lag so long that nothing but the end of the process writes them.</summary>
    private static SqliteConnection Fill(string path, Durability? durability = null)
    {
        AsyncVfsLibrary.Register();
        SqliteConnection db = Database.Connect((Database.Lazy with { Durability = durability }).ToConnectionString(path));
        Database.Execute(db, "CREATE TABLE t(x INTEGER PRIMARY KEY)");
        for (int i = 1; i <= Rows; i++) Database.Execute(db, $"INSERT INTO t VALUES({i})");
        return db;
    }

    /// <summary>One that is called sqlite3.dll, by somebody else in the process.</summary>
    private static void LoadAnotherSqlite(string path)
    {
        string copy = Path.Combine(Path.GetDirectoryName(path)!, "sqlite3.dll");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "e_sqlite3.dll"), copy);
        nint another = System.Runtime.InteropServices.NativeLibrary.Load(copy);
        AsyncVfsLibrary.Register();
        using (SqliteConnection db = Database.Connect(new AsyncVfsOptions().ToConnectionString(path))) Database.Execute(db, "CREATE TABLE t(x)");
        try
        {
            AsyncVfsLibrary.Register(sqliteModule: another);
            throw new InvalidOperationException("it was not refused");
        }
        catch (AsyncVfsException e) when (e.Message.Contains("e_sqlite3.dll in this process", StringComparison.Ordinal) && e.Message.Contains(copy, StringComparison.OrdinalIgnoreCase))
        {
            // It says which.
        }
    }

    private static void UseSystemDataSqlite(string path)
    {
        AsyncVfsLibrary.Register();
        using (var db = new System.Data.SQLite.SQLiteConnection(new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(77) }.ToSystemDataSqliteConnectionString(path)))
        {
            db.Open();
            using System.Data.SQLite.SQLiteCommand command = db.CreateCommand();
            command.CommandText = "CREATE TABLE t(x); INSERT INTO t VALUES(1); SELECT asyncvfs_flush()";
            if (command.ExecuteScalar() is not 1L) throw new InvalidOperationException("not flushed");
            if (AsyncVfsLibrary.GetStatus(path)?.DurableCommits != 2) throw new InvalidOperationException("not durable");
            if (AsyncVfsLibrary.GetStatus(path)!.MaxLag.TotalMilliseconds != 77) throw new InvalidOperationException("without its settings");
        }
        using (var db = new System.Data.SQLite.SQLiteConnection($"Data Source={path};VfsName={AsyncVfsLibrary.VfsName}"))
        {
            db.Open();
            if (AsyncVfsLibrary.GetStatus(path) is null) throw new InvalidOperationException("not through asyncvfs");
        }
        System.Data.SQLite.SQLiteConnection.ClearAllPools();
    }

    private static void Endless(string path)
    {
        using SqliteConnection db = Open(path);
        for (int i = Rows + 1; ; i++) Database.Execute(db, $"INSERT INTO t VALUES({i})");
    }

    private static SqliteConnection Open(string path) =>
        Database.Connect(new AsyncVfsOptions { MaxLag = TimeSpan.FromSeconds(60) }.ToConnectionString(path));

    private static int Say(Action action)
    {
        try
        {
            action();
            Console.WriteLine("ok");
        }
        catch (Exception e)
        {
            Console.WriteLine($"{e.GetType().Name}: {e.Message}");
        }
        return 0;
    }
}
