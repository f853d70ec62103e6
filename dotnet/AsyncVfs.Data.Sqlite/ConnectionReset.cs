using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace AsyncVfs;

/// <summary>What was set for a connection until it is closed: then it is as it was, for the next one whom the pool
/// gives it to.</summary>
/// <remarks>A command, because a connection that is closed disposes of its commands as the last thing before it goes
/// back to the pool. It knows its commands weakly: <see cref="all"/> keeps this one as long as the connection.</remarks>
internal sealed class ConnectionReset : SqliteCommand
{
    private const int Full = 2;

    private static readonly ConditionalWeakTable<SqliteConnection, ConnectionReset> all = new();

    private readonly Dictionary<(string Database, string Pragma), string> before = [];

    private ConnectionReset(SqliteConnection connection) => Connection = connection;

    internal static ConnectionReset Of(SqliteConnection connection)
    {
        lock (all)
        {
            if (all.TryGetValue(connection, out ConnectionReset? reset)) return reset;
            reset = new ConnectionReset(connection);
            all.Add(connection, reset);
            return reset;
        }
    }

    internal void Set(string database, string pragma, string value)
    {
        string was = Ask(database, pragma);
        if (was == value && value != "disk") return;   // what is in force, maybe in place of os
        if (!before.ContainsKey((database, pragma))) before[(database, pragma)] = was;
        Execute(database, pragma, value);
    }

    internal void SetSynchronousFull(string database)
    {
        if (int.Parse(Ask(database, "synchronous"), System.Globalization.CultureInfo.InvariantCulture) >= Full) return;
        if (raw.sqlite3_get_autocommit(Connection!.Handle) == 0)
        {
            throw new InvalidOperationException("PRAGMA synchronous is less than FULL, and SQLite does not change it within a transaction: set the durability before the transaction.");
        }
        Set(database, "synchronous", "2");
    }

    internal void ResetSynchronous(string database)
    {
        if (!before.TryGetValue((database, "synchronous"), out string? was) || raw.sqlite3_get_autocommit(Connection!.Handle) == 0) return;
        Execute(database, "synchronous", was);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && Connection is { Handle: { } handle } connection)
        {
            // No exception: it would keep the connection open. What cannot be reset (a database that was detached) is gone.
            foreach (KeyValuePair<(string Database, string Pragma), string> was in before)
            {
                raw.sqlite3_exec(handle, Statement(was.Key.Database, was.Key.Pragma) + "=" + was.Value);
            }
            lock (all) all.Remove(connection);
        }
        base.Dispose(disposing);
    }

    private string Ask(string database, string pragma) =>
        SqliteDurabilityExtensions.Query(Connection!.Handle!, Statement(database, pragma));

    private void Execute(string database, string pragma, string value) =>
        SqliteException.ThrowExceptionForRC(raw.sqlite3_exec(Connection!.Handle!, Statement(database, pragma) + "=" + value), Connection!.Handle);

    private static string Statement(string database, string pragma) =>
        $"PRAGMA {SqliteDurabilityExtensions.Quoted(database)}.{pragma}";
}
