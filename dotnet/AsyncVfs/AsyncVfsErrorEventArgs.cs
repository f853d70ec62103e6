namespace AsyncVfs;

/// <summary>What went wrong with the disk of a database.</summary>
public sealed class AsyncVfsErrorEventArgs : EventArgs
{
    internal unsafe AsyncVfsErrorEventArgs(in Native.Error error)
    {
        Path = Native.Text(error.Path);
        Message = Native.Text(error.Message);
        SqliteErrorCode = error.Code;
        WindowsErrorCode = (int)error.OsError;
        RetryAfter = error.RetryMs == 0 ? null : TimeSpan.FromMilliseconds(error.RetryMs);
        WaitingCommits = error.Waiting;
        LostCommits = error.Lost;
    }

    /// <summary>The full path of the database.</summary>
    public string Path { get; }

    /// <summary>What happened, as asyncvfs' log has it.</summary>
    public string Message { get; }

    /// <summary>SQLite's extended result code.</summary>
    public int SqliteErrorCode { get; }

    /// <summary>What Windows said (GetLastError); 0: nothing.</summary>
    public int WindowsErrorCode { get; }

    /// <summary>When it is tried again; null: it is not.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>Commits that are in memory alone.</summary>
    public long WaitingCommits { get; }

    /// <summary>Commits that are lost, since the database was closed without them; else 0.</summary>
    public long LostCommits { get; }
}
