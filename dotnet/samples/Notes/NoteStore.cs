using System.Diagnostics;
using HdrHistogram;
using Microsoft.Data.Sqlite;

namespace Notes;

/// <summary>The note in its database, and how long each save took.</summary>
internal sealed class NoteStore : IDisposable
{
    private readonly SqliteCommand update, insert, begin, commit;

    public NoteStore(string connectionString, string pragmas)
    {
        Connection = new SqliteConnection(connectionString);
        Connection.Open();
        Execute(pragmas + """
            ;CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS keystrokes(id INTEGER PRIMARY KEY, note INTEGER NOT NULL, key TEXT NOT NULL);
            CREATE INDEX IF NOT EXISTS keystrokes_of_note ON keystrokes(note);
            INSERT OR IGNORE INTO notes VALUES(1, '');
            """);
        begin = Command("BEGIN IMMEDIATE");
        update = Command("UPDATE notes SET text = $text WHERE id = 1", "$text");
        insert = Command("INSERT INTO keystrokes(note, key) VALUES(1, $key)", "$key");
        commit = Command("COMMIT");
    }

    public SqliteConnection Connection { get; }

    /// <summary>In nanoseconds, up to a minute.</summary>
    public LongHistogram Latency { get; } = new(60L * 1000 * 1000 * 1000, 3);

    public string Text
    {
        get
        {
            using SqliteCommand command = Command("SELECT text FROM notes WHERE id = 1");
            return (string)command.ExecuteScalar()!;
        }
    }

    public void Save(string text, string key)
    {
        update.Parameters[0].Value = text;
        insert.Parameters[0].Value = key;
        long start = Stopwatch.GetTimestamp();
        begin.ExecuteNonQuery();
        update.ExecuteNonQuery();
        insert.ExecuteNonQuery();
        commit.ExecuteNonQuery();
        Latency.RecordValue((long)Stopwatch.GetElapsedTime(start).TotalNanoseconds);
    }

    public void Dispose()
    {
        foreach (SqliteCommand command in new[] { begin, update, insert, commit }) command.Dispose();
        Connection.Dispose();
        SqliteConnection.ClearPool(Connection);   // closed, and drained
    }

    private void Execute(string sql)
    {
        using SqliteCommand command = Command(sql);
        command.ExecuteNonQuery();
    }

    private SqliteCommand Command(string sql, string? parameter = null)
    {
        SqliteCommand command = Connection.CreateCommand();
        command.CommandText = sql;
        if (parameter is not null) command.Parameters.Add(parameter, SqliteType.Text);
        return command;
    }
}
