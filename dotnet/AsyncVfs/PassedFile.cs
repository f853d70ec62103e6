namespace AsyncVfs;

/// <summary>Makes durable what SQLite's own VFS has written to a database.</summary>
/// <remarks>By a flush of the database's file and of its write-ahead log, which is what a checkpoint does first. A
/// checkpoint itself is refused within a transaction and held up by readers; and with synchronous=OFF it flushes
/// nothing.</remarks>
internal static class PassedFile
{
    /// <exception cref="AsyncVfsException">The files cannot be flushed; the message says why.</exception>
    internal static void Flush(string path)
    {
        try
        {
            FlushOne(path + "-wal");
            FlushOne(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AsyncVfsException($"{path} is passed through to SQLite's own VFS, and cannot be flushed: {e.Message} Set Durability.Disk (PRAGMA synchronous=FULL), which has SQLite flush at each commit.", e);
        }
    }

    private static void FlushOne(string path)
    {
        var file = new FileInfo(path);
        // Nobody writes to a file that is read-only.
        if (!file.Exists || file.IsReadOnly) return;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, 1);
            stream.Flush(flushToDisk: true);
        }
        catch (FileNotFoundException)
        {
            // The log went with its last connection, which moved all of it into the database.
        }
    }
}
