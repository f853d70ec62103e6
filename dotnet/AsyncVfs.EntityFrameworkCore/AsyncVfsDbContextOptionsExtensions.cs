using AsyncVfs;
using Microsoft.EntityFrameworkCore.Infrastructure;

namespace Microsoft.EntityFrameworkCore;

/// <summary>asyncvfs for a context.</summary>
public static class AsyncVfsDbContextOptionsExtensions
{
    /// <summary>Has the context's SQLite database opened through asyncvfs, which is registered if it is not yet. After
    /// UseSqlite.</summary>
    /// <remarks>A database that EF Core creates stays in rollback mode: EF Core would put it into WAL mode, in which
    /// asyncvfs passes it through. Where asyncvfs does not exist (Linux, macOS) the context stays as it is.</remarks>
    /// <param name="optionsBuilder">With UseSqlite called on it.</param>
    /// <param name="options">How the database is opened; null: with asyncvfs' defaults.</param>
    /// <exception cref="InvalidOperationException">UseSqlite was not called yet, or with neither a connection string nor a
    /// connection.</exception>
    /// <exception cref="AsyncVfsException">asyncvfs could not be registered.</exception>
    public static DbContextOptionsBuilder UseAsyncVfs(this DbContextOptionsBuilder optionsBuilder, AsyncVfsOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(optionsBuilder);
        RelationalOptionsExtension? sqlite = optionsBuilder.Options.Extensions.OfType<RelationalOptionsExtension>()
            .FirstOrDefault(static e => e.GetType().Name == "SqliteOptionsExtension");
        if (sqlite is null) throw new InvalidOperationException("UseAsyncVfs follows UseSqlite: options.UseSqlite(connectionString).UseAsyncVfs().");
        options ??= new AsyncVfsOptions();
        AsyncVfsLibrary.Register();
        if (sqlite.Connection is { } connection)
        {
            if (connection.State != System.Data.ConnectionState.Open) connection.ConnectionString = options.ToConnectionString(connection.ConnectionString);
        }
        else if (sqlite.ConnectionString is { } connectionString)
        {
            // Also what EF Core derives from it: it opens a database read-only to see whether it exists.
            ((IDbContextOptionsBuilderInfrastructure)optionsBuilder).AddOrUpdateExtension(sqlite.WithConnectionString(options.ToConnectionString(connectionString)));
        }
        else
        {
            throw new InvalidOperationException("UseAsyncVfs needs to know the database: call UseSqlite with a connection string or a connection.");
        }
        return optionsBuilder.AddInterceptors(AsyncVfsInterceptor.Instance);
    }

    /// <summary>As for a <see cref="DbContextOptionsBuilder"/>.</summary>
    public static DbContextOptionsBuilder<TContext> UseAsyncVfs<TContext>(this DbContextOptionsBuilder<TContext> optionsBuilder, AsyncVfsOptions? options = null)
        where TContext : DbContext
    {
        UseAsyncVfs((DbContextOptionsBuilder)optionsBuilder, options);
        return optionsBuilder;
    }
}
