namespace AsyncVfs;

/// <summary>A database that was opened through asyncvfs and that SQLite's own VFS serves.</summary>
public sealed class AsyncVfsPassedThroughEventArgs : EventArgs
{
    internal AsyncVfsPassedThroughEventArgs(string path, string reason)
    {
        Path = path;
        Reason = reason;
    }

    /// <summary>The full path of the database.</summary>
    public string Path { get; }

    /// <summary>Why: it is in WAL mode, say, or on a network volume.</summary>
    public string Reason { get; }
}
