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
        KeptCommits = error.Kept;
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

    /// <summary>Commits that are lost: the database was closed without them, or opened again where they do not fit any more;
    /// else 0.</summary>
    public long LostCommits { get; }

    /// <summary>Commits that are not on the disk although the database is closed; who opens it next through
    /// asyncvfs has them (<see cref="Durability.Os"/>). Else 0.</summary>
    public long KeptCommits { get; }
}
