// The same lines on every system: where asyncvfs does not exist, they are SQLite as it is.
using Microsoft.Data.Sqlite;
using AsyncVfs;

bool registered = AsyncVfsLibrary.Register();
var options = new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(50) };
AsyncVfsLibrary.SetDefaults(options);
string connectionString = options.ToConnectionString("consumer.db");
File.Delete("consumer.db");
using var db = new SqliteConnection(connectionString);
db.Open();
db.SetDurability(Durability.Memory);
using SqliteCommand command = db.CreateCommand();
command.CommandText = "CREATE TABLE t(x)";
command.ExecuteNonQuery();
using (SqliteTransaction transaction = db.BeginTransaction())
{
    command.Transaction = transaction;
    command.CommandText = "INSERT INTO t VALUES(1)";
    command.ExecuteNonQuery();
    await transaction.CommitDurableAsync();
}
await db.FlushAsync();
await db.DrainAsync();
await AsyncVfsLibrary.FlushAllAsync();
using SqliteCommand count = new("SELECT count(*) FROM t", db);
Console.WriteLine($"registered: {registered}; {connectionString}; rows: {count.ExecuteScalar()}");
