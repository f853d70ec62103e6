using System.Globalization;
using Microsoft.Data.Sqlite;

namespace AsyncVfs.Tests;

/// <summary>A folder with a database, through asyncvfs, for one test. What is left at its end is a failure.</summary>
public sealed class Database : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("asyncvfs").FullName;
    private readonly AsyncVfsOptions options;

    /// <summary>With a lag so long that what is written was asked for, also when the database is new.</summary>
    public static readonly AsyncVfsOptions Lazy = new() { Durability = Durability.Memory, MaxLag = TimeSpan.FromSeconds(60) };

    public Database(AsyncVfsOptions? options = null)
    {
        AsyncVfsLibrary.Register();
        this.options = options ?? new AsyncVfsOptions();
        Path = System.IO.Path.Combine(folder, "test.db");
    }

    public string Path { get; }

    public string ConnectionString => options.ToConnectionString(Path);

    public SqliteConnection Open() => Connect(ConnectionString);

    /// <summary>Opens it by SQLite's own VFS.</summary>
    public SqliteConnection OpenStock() => Connect($"Data Source={Path};Pooling=False");

    public string File(string name) => System.IO.Path.Combine(folder, name);

    /// <summary>Opened so that asyncvfs passes it through, in whatever journal mode.</summary>
    public SqliteConnection OpenPassed(string more = "") => Connect($"Data Source=\"{options.ToDataSource(Path)}&psow=0\"{more}");

    /// <summary>Attaches another one, as "other".</summary>
    public static void Attach(SqliteConnection db, Database other)
    {
        using SqliteCommand attach = db.CreateCommand();
        attach.CommandText = "ATTACH $uri AS other";
        attach.Parameters.AddWithValue("$uri", other.options.ToDataSource(other.Path));
        attach.ExecuteNonQuery();
    }

    public static SqliteConnection Connect(string connectionString)
    {
        var db = new SqliteConnection(connectionString);
        db.Open();
        return db;
    }

    public static void Execute(SqliteConnection db, string sql)
    {
        using SqliteCommand command = db.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static T Scalar<T>(SqliteConnection db, string sql)
    {
        using SqliteCommand command = db.CreateCommand();
        command.CommandText = sql;
        return (T)Convert.ChangeType(command.ExecuteScalar(), typeof(T), CultureInfo.InvariantCulture)!;
    }

    /// <summary>Closing has drained: the folder can be deleted at once.</summary>
    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }
}
