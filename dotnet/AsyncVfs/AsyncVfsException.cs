using System.Data.Common;

namespace AsyncVfs;

/// <summary>Something went wrong that is asyncvfs' to tell; the message says what to do.</summary>
/// <remarks>What SQLite itself reports of a statement comes from the provider, as its own exception.</remarks>
public sealed class AsyncVfsException : DbException
{
    /// <summary>Makes one without a result code.</summary>
    public AsyncVfsException()
    {
    }

    /// <summary>Makes one without a result code.</summary>
    public AsyncVfsException(string message) : base(message)
    {
    }

    /// <summary>Makes one without a result code.</summary>
    public AsyncVfsException(string message, Exception innerException) : base(message, innerException)
    {
    }

    /// <summary>Makes one.</summary>
    public AsyncVfsException(int sqliteErrorCode, string message) : base(message)
    {
        SqliteErrorCode = sqliteErrorCode;
    }

    /// <summary>SQLite's extended result code (SQLITE_FULL, SQLITE_IOERR_WRITE, ...); 0: there is none.</summary>
    public int SqliteErrorCode { get; }
}
