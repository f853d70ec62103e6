using System.Data.Common;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace AsyncVfs;

/// <summary>Durability for connections that are open through asyncvfs.</summary>
/// <remarks>They are called where the connection is used, since a connection serves one caller at a time; what they
/// return may be awaited anywhere. Where asyncvfs does not exist (Linux, macOS), commits are as durable as SQLite's
/// default VFS makes them, so flushes complete at once.</remarks>
public static class SqliteDurabilityExtensions
{
    private const string Main = "main";

    private static readonly TimeSpan betweenTries = TimeSpan.FromMilliseconds(20);

    /// <summary>A ticket for all that has been committed to the connection's database so far, by any connection.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="database">main, or the name a database was attached by.</param>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static DurabilityTicket GetDurabilityTicket(this SqliteConnection connection, string database = Main) =>
        AsyncVfsLibrary.GetDurabilityTicket(HandleOf(connection), database);

    /// <summary>A ticket for each database of the connection: main, and those that are attached through asyncvfs.</summary>
    /// <param name="connection">An open connection.</param>
    /// <exception cref="AsyncVfsException">The main database is not open through asyncvfs.</exception>
    public static IReadOnlyList<DurabilityTicket> GetDurabilityTickets(this SqliteConnection connection)
    {
        var tickets = new List<DurabilityTicket>();
        foreach (string database in Databases(HandleOf(connection)))
        {
            try
            {
                tickets.Add(connection.GetDurabilityTicket(database));
            }
            catch (AsyncVfsException e) when (database != Main && e.SqliteErrorCode == ResultCode.NotFound)
            {
                // Attached by another VFS, which made its commits durable as it does.
            }
        }
        return tickets;
    }

    /// <summary>Completes when all that has been committed so far to the connection's databases, those attached too, is
    /// on the disk.</summary>
    /// <remarks>It blocks no thread. The connection may be used, closed or given back to its pool meanwhile. Of a
    /// database that is passed through to SQLite's own VFS the files are flushed.</remarks>
    /// <param name="connection">An open connection.</param>
    /// <param name="cancellationToken">Ends the wait; it is written all the same.</param>
    /// <exception cref="AsyncVfsException">The disk has refused several times in a row (what was committed stays and
    /// is tried again), or the main database is not open through asyncvfs.</exception>
    public static Task FlushAsync(this SqliteConnection connection, CancellationToken cancellationToken = default)
    {
        try
        {
            return AsyncVfsLibrary.WhenDurable(connection.GetDurabilityTickets(), cancellationToken);
        }
        catch (Exception e) when (e is AsyncVfsException or InvalidOperationException or SqliteException)
        {
            return Task.FromException(e);
        }
    }

    /// <summary>Returns when all that has been committed so far to the connection's databases, those attached too, is on
    /// the disk: for callers that are not asynchronous.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="timeout">For each of them; null: until it is done, or the disk has refused several times in a row.</param>
    /// <exception cref="AsyncVfsException">As for <see cref="FlushAsync"/>; or the time is up.</exception>
    public static void Flush(this SqliteConnection connection, TimeSpan? timeout = null)
    {
        foreach (DurabilityTicket ticket in connection.GetDurabilityTickets())
        {
            if (!ticket.Wait(timeout)) throw new AsyncVfsException(raw.SQLITE_BUSY, $"{connection.DataSource} is not flushed: the time is up. It goes on being written.");
        }
    }

    /// <summary>Flushes, then deletes the journals and gives the locks of the files back: they can be copied now.</summary>
    /// <remarks>While another connection of this process is in a transaction it waits for that, without a thread, up to
    /// <see cref="SqliteConnection.DefaultTimeout"/>. The connection must not be used until it completes.</remarks>
    /// <param name="connection">An open connection.</param>
    /// <param name="cancellationToken">Ends the wait; it is written all the same.</param>
    /// <exception cref="InvalidOperationException">The connection itself is in a transaction, or has a reader open.</exception>
    /// <exception cref="SqliteException">SQLITE_BUSY: another connection was in a transaction all the time.</exception>
    /// <exception cref="AsyncVfsException">As for <see cref="FlushAsync"/>.</exception>
    public static async Task DrainAsync(this SqliteConnection connection, CancellationToken cancellationToken = default)
    {
        sqlite3 handle = HandleOf(connection);
        if (raw.sqlite3_get_autocommit(handle) == 0)
        {
            throw new InvalidOperationException("The connection is in a transaction: commit it or roll it back, then drain.");
        }
        if (AsyncVfsLibrary.IsRegistered && SqliteModule.HasReader(handle.DangerousGetHandle()))
        {
            throw new InvalidOperationException("The connection has a reader open: dispose of it, then drain.");
        }
        IReadOnlyList<DurabilityTicket> tickets = connection.GetDurabilityTickets();
        await AsyncVfsLibrary.WhenDurable(tickets, cancellationToken).ConfigureAwait(false);
        if (!AsyncVfsLibrary.IsSupported) return;
        int timeout = connection.DefaultTimeout;   // 0: for ever
        DateTime until = timeout == 0 ? DateTime.MaxValue : DateTime.UtcNow.AddSeconds(timeout);
        foreach (string database in Databases(handle))
        {
            for (; ; )
            {
                // Not a command of the provider: that blocks a thread while it tries again.
                int rc = raw.sqlite3_exec(handle, $"PRAGMA {Quoted(database)}.asyncvfs_drain", out string message);
                if (rc == raw.SQLITE_OK) break;
                if (rc != raw.SQLITE_BUSY || DateTime.UtcNow >= until) throw new SqliteException($"SQLite Error {rc}: '{message}'.", rc);
                await Task.Delay(betweenTries, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sets where a commit of this connection is when COMMIT returns, until the connection is closed: back in its
    /// pool it has again what the connection string says.</summary>
    /// <remarks>For the databases that are attached now, too. Disk also sets PRAGMA synchronous=FULL, which counts for a
    /// database that is passed through, and where asyncvfs does not exist.</remarks>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    /// <exception cref="InvalidOperationException">Disk, and synchronous is less than FULL and cannot be changed within
    /// the transaction that is open.</exception>
    public static void SetDurability(this SqliteConnection connection, Durability durability)
    {
        string word = durability switch
        {
            Durability.Memory => "memory",
            Durability.Os => "os",
            Durability.Disk => "disk",
            _ => throw new ArgumentOutOfRangeException(nameof(durability), durability, "Must be Memory, Os or Disk."),
        };
        _ = connection.GetDurabilityTicket();   // refuses a database of another VFS, which would ignore the pragma
        ConnectionReset reset = ConnectionReset.Of(connection);
        foreach (string database in Databases(HandleOf(connection)))
        {
            if (durability == Durability.Disk) reset.SetSynchronousFull(database);
            else reset.ResetSynchronous(database);
            if (AsyncVfsLibrary.IsSupported) reset.Set(database, "asyncvfs_durability", word);
        }
    }

    /// <summary>The status of a database of the connection; where asyncvfs does not exist, and of a database in memory,
    /// null.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="database">main, or the name a database was attached by.</param>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static AsyncVfsStatus? GetAsyncVfsStatus(this SqliteConnection connection, string database = Main)
    {
        _ = connection.GetDurabilityTicket(database);
        if (!AsyncVfsLibrary.IsSupported) return null;
        string json = Query(HandleOf(connection), $"PRAGMA {Quoted(database)}.asyncvfs_status");
        return json.Length == 0 ? null : AsyncVfsStatus.Parse(json);
    }

    /// <summary>Commits, and completes when that is on the disk, in all databases that are attached.</summary>
    /// <param name="transaction">A transaction that is open.</param>
    /// <param name="cancellationToken">Ends the wait for the disk: the transaction is committed by then.</param>
    /// <exception cref="SqliteException">It could not be committed.</exception>
    /// <exception cref="AsyncVfsException">It is committed, but not on the disk: as for <see cref="FlushAsync"/>; do
    /// not repeat it. Or the database is not open through asyncvfs, and it is not committed.</exception>
    /// <exception cref="ArgumentException">It is no <see cref="SqliteTransaction"/>.</exception>
    public static Task CommitDurableAsync(this DbTransaction transaction, CancellationToken cancellationToken = default)
    {
        if (transaction is null) throw new ArgumentNullException(nameof(transaction));
        if (transaction is not SqliteTransaction sqlite) throw new ArgumentException($"A SqliteTransaction is expected, and it is a {transaction.GetType().Name}.", nameof(transaction));
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled(cancellationToken);
        try
        {
            SqliteConnection connection = sqlite.Connection ??
                throw new InvalidOperationException("The transaction is over: it was committed or rolled back.");
            _ = connection.GetDurabilityTicket();   // refuses before the commit what cannot be waited for
            sqlite.Commit();
            return connection.FlushAsync(cancellationToken);
        }
        catch (Exception e) when (e is AsyncVfsException or InvalidOperationException or SqliteException)
        {
            return Task.FromException(e);
        }
    }

    internal static sqlite3 HandleOf(SqliteConnection connection)
    {
        if (connection is null) throw new ArgumentNullException(nameof(connection));
        return connection.Handle ?? throw new InvalidOperationException("The connection is closed: open it first.");
    }

    /// <summary>The value of a pragma, whether it is text or a number; "": it has none.</summary>
    internal static string Query(sqlite3 handle, string sql)
    {
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v2(handle, sql, out sqlite3_stmt statement), handle);
        using (statement)
        {
            return raw.sqlite3_step(statement) == raw.SQLITE_ROW ? raw.sqlite3_column_text(statement, 0).utf8_to_string() ?? "" : "";
        }
    }

    internal static string Quoted(string name) => "\"" + name.Replace("\"", "\"\"") + "\"";

    // temp is SQLite's own, and never on the disk.
    private static List<string> Databases(sqlite3 handle)
    {
        var names = new List<string>();
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v2(handle, "PRAGMA database_list", out sqlite3_stmt statement), handle);
        using (statement)
        {
            while (raw.sqlite3_step(statement) == raw.SQLITE_ROW)
            {
                string name = raw.sqlite3_column_text(statement, 1).utf8_to_string();
                if (name != "temp") names.Add(name);
            }
        }
        return names;
    }
}
