using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace AsyncVfs;

/// <summary>What asyncvfs does on EF Core's way: it leaves out the switch to WAL mode, and takes the tickets of a
/// transaction between its commit and the closing of its connection.</summary>
internal sealed partial class AsyncVfsInterceptor : DbCommandInterceptor, IDbTransactionInterceptor
{
    internal static readonly AsyncVfsInterceptor Instance = new();

    // Word for word what EF Core's SqliteDatabaseCreator executes, and nobody else.
    private const string SwitchToWal = "PRAGMA journal_mode = 'wal';";

    private static readonly ConditionalWeakTable<DbTransaction, Tickets> asked = new();

    /// <summary>Tickets are wanted of this transaction once it is committed.</summary>
    internal static Tickets Ask(DbTransaction transaction) => asked.GetOrCreateValue(transaction);

    public override InterceptionResult<int> NonQueryExecuting(DbCommand command, CommandEventData eventData, InterceptionResult<int> result) =>
        Suppresses(command, eventData) ? InterceptionResult<int>.SuppressWithResult(0) : result;

    public override ValueTask<InterceptionResult<int>> NonQueryExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default) =>
        new(NonQueryExecuting(command, eventData, result));

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData)
    {
        if (asked.TryGetValue(transaction, out Tickets? tickets) && tickets.Connection is { Handle: not null } connection)
        {
            tickets.Taken = connection.GetDurabilityTickets();
        }
    }

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        TransactionCommitted(transaction, eventData);
        return Task.CompletedTask;
    }

    private static bool Suppresses(DbCommand command, CommandEventData eventData)
    {
        if (!AsyncVfsLibrary.IsSupported || command.CommandText != SwitchToWal || command.Connection is not SqliteConnection connection) return false;
        if (eventData.Context is IInfrastructure<IServiceProvider> context &&
            context.Instance.GetService<ILoggerFactory>() is { } factory)
        {
            LogNoWal(factory.CreateLogger("AsyncVfs"), connection.DataSource);
        }
        return true;
    }

    [LoggerMessage(1, LogLevel.Information, "{Path} is created in rollback mode, not in WAL mode, in which asyncvfs would pass it through")]
    private static partial void LogNoWal(ILogger logger, string path);

    internal sealed class Tickets
    {
        public SqliteConnection? Connection;
        public IReadOnlyList<DurabilityTicket>? Taken;
    }
}
