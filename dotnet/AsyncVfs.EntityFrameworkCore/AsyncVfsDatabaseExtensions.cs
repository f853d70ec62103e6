using AsyncVfs;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace Microsoft.EntityFrameworkCore;

/// <summary>Durability for the database of a context.</summary>
public static class AsyncVfsDatabaseExtensions
{
    /// <summary>Completes when all that has been committed so far to the context's database is on the disk.</summary>
    /// <remarks>The connection is opened for a moment if it is closed, as EF Core does. The context may be used
    /// meanwhile.</remarks>
    /// <param name="database">The database of a context, with UseAsyncVfs.</param>
    /// <param name="cancellationToken">Ends the wait; it is written all the same.</param>
    /// <exception cref="AsyncVfsException">The disk has refused several times in a row (what was committed stays and
    /// is tried again), or the database is not open through asyncvfs.</exception>
    public static async Task FlushAsync(this DatabaseFacade database, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        IReadOnlyList<DurabilityTicket> tickets;
        await database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            tickets = Sqlite(database.GetDbConnection()).GetDurabilityTickets();
        }
        finally
        {
            await database.CloseConnectionAsync().ConfigureAwait(false);
        }
        await AsyncVfsLibrary.WhenDurable(tickets, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Commits, and completes when that is on the disk.</summary>
    /// <param name="transaction">A transaction of a context with UseAsyncVfs; its next one may begin afterwards.</param>
    /// <param name="cancellationToken">Ends the wait for the disk: the transaction is committed by then.</param>
    /// <exception cref="AsyncVfsException">It is committed, but not on the disk: as for
    /// <see cref="FlushAsync(DatabaseFacade, CancellationToken)"/>; do not repeat it. Or the database is not open through
    /// asyncvfs, and it is not committed.</exception>
    public static async Task CommitDurableAsync(this IDbContextTransaction transaction, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        cancellationToken.ThrowIfCancellationRequested();
        System.Data.Common.DbTransaction inner = transaction.GetDbTransaction();
        SqliteConnection connection = Sqlite(inner.Connection ?? throw new InvalidOperationException("The transaction is over: it was committed or rolled back."));
        _ = connection.GetDurabilityTicket();   // refuses before the commit what cannot be waited for
        AsyncVfsInterceptor.Tickets tickets = AsyncVfsInterceptor.Ask(inner);
        tickets.Connection = connection;
        await transaction.CommitAsync(CancellationToken.None).ConfigureAwait(false);
        // None: a context without UseAsyncVfs, which may have closed the connection by now.
        IReadOnlyList<DurabilityTicket> taken = tickets.Taken ?? TakeNow(connection);
        await AsyncVfsLibrary.WhenDurable(taken, cancellationToken).ConfigureAwait(false);
    }

    private static IReadOnlyList<DurabilityTicket> TakeNow(SqliteConnection connection)
    {
        bool opened = connection.State != System.Data.ConnectionState.Open;
        if (opened) connection.Open();
        try
        {
            return connection.GetDurabilityTickets();
        }
        finally
        {
            if (opened) connection.Close();
        }
    }

    private static SqliteConnection Sqlite(System.Data.Common.DbConnection connection) =>
        connection as SqliteConnection ?? throw new InvalidOperationException($"A context that uses SQLite is expected, and its connection is {connection.GetType().Name}.");
}
