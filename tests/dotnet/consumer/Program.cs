using Microsoft.Data.Sqlite;
using SqliteWriteBehind;

bool registered = AsyncVfs.Register();
File.Delete("consumer.db");
using var db = new SqliteConnection(new AsyncVfsOptions().ToConnectionString("consumer.db"));
db.Open();
using SqliteCommand command = db.CreateCommand();
command.CommandText = "CREATE TABLE t(x); INSERT INTO t VALUES(1)";
command.ExecuteNonQuery();
await db.FlushAsync();
command.CommandText = "SELECT count(*) FROM t";
Console.WriteLine($"registered: {registered}, rows: {command.ExecuteScalar()}");
