using System.Data;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

/// <summary>Microsoft.Data.Sqlite behaves with asyncvfs as it does with win32: the same operations, and what each
/// answered, compared line by line.</summary>
public class EqualityTests
{
    [Theory]
    [InlineData("delete")]
    [InlineData("wal")]
    public void The_provider_behaves_as_with_win32(string journalMode) => Compare(journalMode);

    [Theory, Trait("provider", "any")]
    [InlineData("truncate")]
    [InlineData("persist")]
    [InlineData("memory")]
    [InlineData("off")]
    public void In_other_journal_modes_too(string journalMode) => Compare(journalMode);

    private static void Compare(string journalMode)
    {
        using var t = new Database();
        string ours = new Transcript(path => new AsyncVfsOptions().ToConnectionString(path), t.File("ours")).Write(journalMode);
        string stock = new Transcript(path => $"Data Source={path}", t.File("stock")).Write(journalMode);
        Assert.Equal(stock, ours);
        Assert.InRange(stock.Split('\n').Length, 60, int.MaxValue);
    }

    private sealed class Transcript(Func<string, string> connect, string folder)
    {
        private readonly StringBuilder text = new();
        private readonly string path = Path.Combine(folder, "a.db");

        public string Write(string journalMode)
        {
            Directory.CreateDirectory(folder);
            Try("open without creating", () => Open(";Mode=ReadWrite").Dispose());
            Try("open to read what is not there", () => Open(";Mode=ReadOnly").Dispose());
            using (SqliteConnection db = Open())
            {
                Say("state", db.State);
                Say("file", Path.GetFileName(db.DataSource));
                Query(db, $"PRAGMA journal_mode={journalMode}");
                Query(db, "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, i INTEGER, r REAL, s TEXT UNIQUE, b BLOB)");
                Parameters(db);
                Transactions(db);
                Errors(db);
                Features(db);
                Blobs(db);
                TwoConnections(db);
                Maintenance(db);
            }
            Reopen();
            Files();
            return text.ToString();
        }

        private void Parameters(SqliteConnection db)
        {
            using SqliteCommand command = db.CreateCommand();
            command.CommandText = "INSERT INTO t(i, r, s, b) VALUES($i, $r, $s, $b) RETURNING id";
            SqliteParameter i = command.Parameters.Add("$i", SqliteType.Integer), r = command.Parameters.Add("$r", SqliteType.Real);
            SqliteParameter s = command.Parameters.Add("$s", SqliteType.Text), b = command.Parameters.Add("$b", SqliteType.Blob);
            command.Prepare();
            foreach (int n in new[] { 0, 1, -1, int.MaxValue })
            {
                (i.Value, r.Value, s.Value, b.Value) = (n, n / 3.0, $"text {n} ü", new byte[] { 1, 2, (byte)n });
                Try("insert", () => Say("id", command.ExecuteScalar()));
            }
            (i.Value, r.Value, s.Value, b.Value) = (DBNull.Value, DBNull.Value, DBNull.Value, DBNull.Value);
            Try("insert nulls", () => Say("id", command.ExecuteScalar()));
            Query(db, "SELECT * FROM t");
            using SqliteDataReader reader = new SqliteCommand("SELECT * FROM t", db).ExecuteReader();
            Say("columns", string.Join(",", Enumerable.Range(0, reader.FieldCount).Select(c => $"{reader.GetName(c)}:{reader.GetDataTypeName(c)}:{reader.GetFieldType(c).Name}")));
            using DataTable schema = reader.GetSchemaTable();
            Say("schema", schema.Rows.Count);
        }

        private void Transactions(SqliteConnection db)
        {
            using (SqliteTransaction t = db.BeginTransaction())
            {
                Query(db, "INSERT INTO t(s) VALUES('rolled back')");
                t.Rollback();
            }
            using (SqliteTransaction t = db.BeginTransaction(deferred: true))
            {
                Query(db, "INSERT INTO t(s) VALUES('kept')");
                t.Save("here");
                Query(db, "DELETE FROM t");
                Query(db, "SELECT count(*) FROM t");
                t.Rollback("here");
                Query(db, "INSERT INTO t(s) VALUES('kept, too')");
                t.Release("here");
                t.Commit();
                Try("commit again", t.Commit);
            }
            using (db.BeginTransaction(IsolationLevel.Serializable)) Query(db, "DELETE FROM t WHERE id > 2");
            Query(db, "SELECT count(*), max(id) FROM t");
            using (SqliteTransaction t = db.BeginTransaction())
            {
                // Large enough to spill.
                Query(db, "PRAGMA cache_size=10");
                Query(db, "CREATE TABLE large(x); WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500) INSERT INTO large SELECT zeroblob(4000) FROM n");
                t.Rollback();
            }
            Query(db, "SELECT count(*) FROM sqlite_master WHERE name='large'");
            Try("nested", () => { using (db.BeginTransaction()) db.BeginTransaction(); });
            Try("no transaction", () => Query(db, "COMMIT"));
        }

        private void Errors(SqliteConnection db)
        {
            foreach (string sql in new[]
            {
                "SELEC 1", "SELECT * FROM missing", "INSERT INTO t(s) VALUES('kept')", "INSERT INTO t(id) VALUES('x')",
                "CREATE TABLE t(x)", "PRAGMA foreign_keys=1; CREATE TABLE c(x REFERENCES t(id)); INSERT INTO c VALUES(999)",
                "SELECT json('{')", "SELECT abs(-9223372036854775808)", "ATTACH '/no/such/folder/x.db' AS x",
            })
            {
                Query(db, sql);
            }
            Query(db, "INSERT OR IGNORE INTO t(s) VALUES('kept')");
            Query(db, "INSERT OR REPLACE INTO t(s, i) VALUES('kept', 5)");
            Query(db, "INSERT INTO t(s, i) VALUES('kept', 5) ON CONFLICT(s) DO UPDATE SET i = i + 1 RETURNING i");
        }

        private void Features(SqliteConnection db)
        {
            db.CreateFunction("twice", (long x) => 2 * x);
            db.CreateAggregate("longest", 0, (int most, string s) => Math.Max(most, s?.Length ?? 0));
            db.CreateCollation("backwards", (a, b) => string.CompareOrdinal(b, a));
            Query(db, "SELECT twice(21), longest(s) FROM t");
            Query(db, "SELECT s FROM t WHERE s IS NOT NULL ORDER BY s COLLATE backwards");
            Query(db, "CREATE VIRTUAL TABLE f USING fts5(words); INSERT INTO f VALUES('to be or not to be'); SELECT count(*) FROM f WHERE f MATCH 'not'");
            Query(db, "CREATE VIEW v AS SELECT count(*) AS n FROM t; CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO t(s) VALUES('by trigger ' || old.id); END");
            Query(db, "DELETE FROM t WHERE s = 'kept'; SELECT * FROM v");
            Query(db, "CREATE TEMP TABLE temporary AS SELECT * FROM t; SELECT count(*) FROM temporary");
            Query(db, "ALTER TABLE t ADD COLUMN more DEFAULT 7; CREATE INDEX ti ON t(i); SELECT sum(more) FROM t");
            Query(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000) INSERT INTO t(i) SELECT i FROM n; SELECT changes(), total_changes() > 0");
            Query(db, "UPDATE t SET i = i * 2 WHERE i > 500; SELECT changes(), sum(i) FROM t");
            Query(db, "PRAGMA user_version=42; PRAGMA user_version; PRAGMA application_id=7; PRAGMA page_size; PRAGMA foreign_key_check; PRAGMA integrity_check");
        }

        private void Blobs(SqliteConnection db)
        {
            Query(db, "CREATE TABLE blobs(b); INSERT INTO blobs VALUES(zeroblob(100000))");
            using (var stream = new SqliteBlob(db, "blobs", "b", 1))
            {
                stream.Position = 50_000;
                stream.Write("in the middle"u8);
                Try("beyond the end", () => { stream.Position = 99_999; stream.Write("xx"u8); });
            }
            Query(db, "SELECT instr(b, CAST('in the middle' AS BLOB)), length(b) FROM blobs");
            using SqliteDataReader reader = new SqliteCommand("SELECT rowid, b FROM blobs", db).ExecuteReader();
            reader.Read();
            using Stream read = reader.GetStream(1);
            Say("stream", $"{read.GetType().Name} {read.Length}");
        }

        private void TwoConnections(SqliteConnection db)
        {
            using SqliteConnection other = Open();
            other.DefaultTimeout = 1;
            using (SqliteTransaction t = db.BeginTransaction())
            {
                Query(db, "UPDATE t SET r = 1 WHERE id = 1");
                Query(other, "SELECT r FROM t WHERE id = 1");
                Query(other, "UPDATE t SET r = 2 WHERE id = 1");   // busy
                t.Commit();
            }
            Query(other, "SELECT r FROM t WHERE id = 1");
            Query(other, "PRAGMA data_version");
            using (SqliteConnection readOnly = Open(";Mode=ReadOnly"))
            {
                Query(readOnly, "SELECT count(*) FROM t");
                Query(readOnly, "DELETE FROM t");
            }
            using SqliteConnection shared = Open(";Cache=Shared");
            Query(shared, "PRAGMA read_uncommitted=1; SELECT count(*) FROM t");
        }

        private void Maintenance(SqliteConnection db)
        {
            Query(db, "DELETE FROM t WHERE i > 100; VACUUM; PRAGMA integrity_check; PRAGMA freelist_count");
            using (var memory = new SqliteConnection("Data Source=:memory:"))
            {
                memory.Open();
                db.BackupDatabase(memory);
                Query(memory, "SELECT count(*) FROM t");
                memory.BackupDatabase(db);
                Query(db, "SELECT count(*) FROM t; PRAGMA integrity_check");
            }
            using SqliteCommand attach = db.CreateCommand();
            attach.CommandText = "ATTACH $path AS second";
            attach.Parameters.AddWithValue("$path", Path.Combine(folder, "b.db"));
            Try("attach", () => attach.ExecuteNonQuery());
            Query(db, "CREATE TABLE second.u(x); BEGIN; INSERT INTO second.u VALUES(1); INSERT INTO t(s) VALUES('both'); COMMIT");
            Query(db, "SELECT count(*) FROM second.u; DETACH second");
        }

        private void Reopen()
        {
            using (SqliteConnection again = Open())
            {
                Query(again, "SELECT count(*), max(id) FROM t; PRAGMA user_version; PRAGMA journal_mode; PRAGMA integrity_check");
            }
            SqliteConnection.ClearAllPools();
        }

        private void Files()
        {
            // The one difference: asyncvfs leaves no journal, where TRUNCATE and PERSIST leave a void one.
            Say("files", string.Join(", ", Directory.GetFiles(folder).Select(Path.GetFileName).Where(f => f != "a.db-journal").Order()));
            Try("delete", () => Directory.Delete(folder, recursive: true));
        }

        private SqliteConnection Open(string more = "") => Database.Connect(connect(path) + more);

        private void Query(SqliteConnection db, string sql) => Try(sql, () =>
        {
            using SqliteCommand command = db.CreateCommand();
            command.CommandText = sql;
            using SqliteDataReader reader = command.ExecuteReader();
            do
            {
                while (reader.Read()) Say("  row", string.Join("|", Enumerable.Range(0, reader.FieldCount).Select(c => Show(reader.GetValue(c)))));
            }
            while (reader.NextResult());
            Say("  records", reader.RecordsAffected);
        });

        private void Try(string what, Action action)
        {
            text.Append(what).Append('\n');
            try
            {
                action();
            }
            catch (SqliteException e)
            {
                // The folder is in some messages.
                Say("  sqlite", $"{e.SqliteErrorCode}/{e.SqliteExtendedErrorCode} {e.Message.Replace(folder, "", StringComparison.Ordinal)}");
            }
            catch (Exception e)
            {
                Say("  exception", e.GetType().Name);
            }
        }

        private void Say(string what, object? value) =>
            text.Append(what).Append(": ").Append(Convert.ToString(value, CultureInfo.InvariantCulture)).Append('\n');

        private static string Show(object value) => value switch
        {
            DBNull => "null",
            byte[] bytes => Convert.ToHexString(bytes.AsSpan(0, Math.Min(bytes.Length, 20))),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };
    }
}
