using System.Globalization;
using Microsoft.Data.Sqlite;

namespace AsyncVfs;

/// <summary>Durability for connections that are open through asyncvfs.</summary>
/// <remarks>They are called where the connection is used, since a connection serves one caller at a time; what they
/// return may be awaited anywhere. Where asyncvfs does not exist (Linux, macOS), commits are as durable as SQLite's
/// default VFS makes them, so flushes complete at once.</remarks>
public static class SqliteDurabilityExtensions
{
    /// <summary>A ticket for all that has been committed to the connection's database so far, by any connection.</summary>
    /// <param name="connection">An open connection.</param>
    /// <param name="database">main, or the name a database was attached by.</param>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static DurabilityTicket GetDurabilityTicket(this SqliteConnection connection, string database = "main") =>
        AsyncVfsLibrary.GetDurabilityTicket(HandleOf(connection), database);

    /// <summary>Completes when all that has been committed so far to the connection's database is on the disk.</summary>
    /// <remarks>It blocks no thread. The connection may be used, closed or given back to its pool meanwhile.</remarks>
    /// <param name="connection">An open connection.</param>
    /// <param name="cancellationToken">Ends the wait; it is written all the same.</param>
    /// <exception cref="AsyncVfsException">The disk has refused several times in a row (what was committed stays and
    /// is tried again), or the database is not open through asyncvfs.</exception>
    public static Task FlushAsync(this SqliteConnection connection, CancellationToken cancellationToken = default) =>
        connection.GetDurabilityTicket().WhenDurable(cancellationToken);

    /// <summary>Flushes, then deletes the journal and gives the lock of the file back: it can be copied now.</summary>
    /// <remarks>The connection must not be used until it completes.</remarks>
    /// <param name="connection">An open connection.</param>
    /// <param name="cancellationToken">Ends the wait; it is written all the same.</param>
    /// <exception cref="SqliteException">SQLITE_BUSY: a connection of this process is in a transaction.</exception>
    /// <exception cref="AsyncVfsException">As for <see cref="FlushAsync"/>.</exception>
    public static async Task DrainAsync(this SqliteConnection connection, CancellationToken cancellationToken = default)
    {
        await connection.FlushAsync(cancellationToken).ConfigureAwait(false);
        if (AsyncVfsLibrary.IsSupported) connection.Execute("PRAGMA asyncvfs_drain");
    }

    /// <summary>Sets where a commit of this connection is when COMMIT returns.</summary>
    /// <remarks>It stays with the connection when it is closed and goes back to its pool; for all connections of a
    /// connection string, use <see cref="AsyncVfsOptions.Durability"/>.</remarks>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static void SetDurability(this SqliteConnection connection, Durability durability)
    {
        string word = durability switch
        {
            Durability.Memory => "memory",
            Durability.Disk => "disk",
            _ => throw new ArgumentOutOfRangeException(nameof(durability), durability, "Must be Memory or Disk."),
        };
        _ = connection.GetDurabilityTicket();   // refuses a database of another VFS, which would ignore the pragma
        if (AsyncVfsLibrary.IsSupported) connection.Execute("PRAGMA asyncvfs_durability=" + word);
    }

    /// <summary>The status of the connection's main database; where asyncvfs does not exist, null.</summary>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static AsyncVfsStatus? GetAsyncVfsStatus(this SqliteConnection connection)
    {
        _ = connection.GetDurabilityTicket();
        return AsyncVfsLibrary.IsSupported ? AsyncVfsStatus.Parse(connection.Execute("SELECT asyncvfs_status()")) : null;
    }

    /// <summary>Commits, and completes when that is on the disk.</summary>
    /// <param name="transaction">A transaction that is open.</param>
    /// <param name="cancellationToken">Ends the wait for the disk: the transaction is committed by then.</param>
    /// <exception cref="SqliteException">It could not be committed.</exception>
    /// <exception cref="AsyncVfsException">It is committed, but not on the disk: as for <see cref="FlushAsync"/>; do
    /// not repeat it. Or the database is not open through asyncvfs, and it is not committed.</exception>
    public static async Task CommitDurableAsync(this SqliteTransaction transaction, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        SqliteConnection connection = transaction.Connection ??
            throw new InvalidOperationException("The transaction is over: it was committed or rolled back.");
        cancellationToken.ThrowIfCancellationRequested();
        _ = connection.GetDurabilityTicket();   // refuses before the commit what cannot be waited for
        transaction.Commit();
        await connection.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private static SQLitePCL.sqlite3 HandleOf(SqliteConnection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return connection.Handle ?? throw new InvalidOperationException("The connection is closed: open it first.");
    }

    private static string Execute(this SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture) ?? "";
    }
}
