using System.Text.Json;

namespace AsyncVfs;

/// <summary>The status of a database at an instant, counted since its first connection was opened.</summary>
public sealed class AsyncVfsStatus
{
    private AsyncVfsStatus(JsonElement o)
    {
        Id = Number(o, "id");
        IsPassedThrough = Text(o, "mode") != "managed";
        PassedThroughReason = IsPassedThrough ? Text(o, "reason") : null;
        Commits = Number(o, "commits");
        DurableCommits = Number(o, "durable_commits");
        QueueBytes = Number(o, "queue_bytes");
        QueuePages = Number(o, "queue_pages");
        OldestUnwritten = TimeSpan.FromMilliseconds(Number(o, "oldest_unwritten_ms"));
        Batches = Number(o, "batches");
        Flushes = Number(o, "flushes");
        JournalBytes = Number(o, "journal_bytes");
        DatabaseBytes = Number(o, "database_bytes");
        PagesWritten = Number(o, "pages_written");
        CoalescedPages = Number(o, "coalesced_pages");
        Stalls = Number(o, "stalls");
        Durability = Text(o, "durability") switch { "disk" => Durability.Disk, "os" => Durability.Os, _ => Durability.Memory };
        if (o.TryGetProperty("redo", out JsonElement redo))
        {
            RedoBytes = Number(redo, "bytes");
            RedoRoom = Number(redo, "room");
            ReplayedCommits = Number(redo, "replayed");
            RefusedCommits = Number(redo, "refused");
            DurabilityReason = Text(redo, "reason") is { Length: > 0 } reason ? reason : null;
        }
        MaxLag = TimeSpan.FromMilliseconds(Number(o, "max_lag_ms"));
        MaxQueueBytes = Number(o, "max_queue_bytes");
        ProcessQueueBytes = Number(o, "process_queue_bytes");
        MaxProcessQueueBytes = Number(o, "max_process_bytes");
        if (o.TryGetProperty("lag", out JsonElement lag))
        {
            LongestLag = TimeSpan.FromMilliseconds(Number(lag, "max_ms"));
            if (lag.TryGetProperty("histogram", out JsonElement counts)) LagHistogram = [.. counts.EnumerateArray().Select(static n => n.GetInt64())];
        }
        if (o.TryGetProperty("last_error", out JsonElement e) && Number(e, "code") != ResultCode.Ok) LastError = new AsyncVfsLastError(e);
    }

    /// <summary>Which opening of a database in this process it is of; 0: of none that can be managed.</summary>
    internal long Id { get; }

    /// <summary>Whether SQLite's own VFS serves the database, synchronously: it is in WAL mode, say.</summary>
    public bool IsPassedThrough { get; }

    /// <summary>Why, if it is passed through; else null.</summary>
    public string? PassedThroughReason { get; }

    /// <summary>Commits so far.</summary>
    public long Commits { get; }

    /// <summary>How many of them are on the disk.</summary>
    public long DurableCommits { get; }

    /// <summary>Bytes in memory that are not on the disk yet.</summary>
    public long QueueBytes { get; }

    /// <summary>Pages in memory that are not on the disk yet.</summary>
    public long QueuePages { get; }

    /// <summary>How long the oldest commit that is not on the disk has waited.</summary>
    public TimeSpan OldestUnwritten { get; }

    /// <summary>Batches written.</summary>
    public long Batches { get; }

    /// <summary>Flushes of the disk.</summary>
    public long Flushes { get; }

    /// <summary>Bytes written to journals.</summary>
    public long JournalBytes { get; }

    /// <summary>Bytes written to the database.</summary>
    public long DatabaseBytes { get; }

    /// <summary>Pages written to the database.</summary>
    public long PagesWritten { get; }

    /// <summary>Pages that went with their neighbours in one write.</summary>
    public long CoalescedPages { get; }

    /// <summary>How often a writer has waited for a full queue.</summary>
    public long Stalls { get; }

    /// <summary>The last error of the disk; null: there was none.</summary>
    public AsyncVfsLastError? LastError { get; }

    /// <summary>The durability that is in force for the connection that was asked; of a database asked by its path: for
    /// those that set none.</summary>
    public Durability Durability { get; }

    /// <summary>Why <see cref="Durability.Disk"/> is in force where <see cref="Durability.Os"/> was set; null: it is not.</summary>
    public string? DurabilityReason { get; }

    /// <summary>Bytes of commits that a kill of the process would leave for the next one, beside the database.</summary>
    public long RedoBytes { get; }

    /// <summary>The limit of <see cref="RedoBytes"/>; 0: there is no such file open.</summary>
    public long RedoRoom { get; }

    /// <summary>Commits of a process that was killed, which were taken up.</summary>
    public long ReplayedCommits { get; }

    /// <summary>Commits of a process that was killed, which could not be, since the database was changed by another
    /// program. They are in the file whose name ends in -avfsredo-refused.</summary>
    public long RefusedCommits { get; }

    /// <summary>How long a commit may wait.</summary>
    public TimeSpan MaxLag { get; }

    /// <summary>The limit of <see cref="QueueBytes"/>.</summary>
    public long MaxQueueBytes { get; }

    /// <summary>Bytes of all databases of the process that are not on the disk yet.</summary>
    public long ProcessQueueBytes { get; }

    /// <summary>The limit of <see cref="ProcessQueueBytes"/>.</summary>
    public long MaxProcessQueueBytes { get; }

    /// <summary>The longest that a commit has waited until it was durable.</summary>
    public TimeSpan LongestLag { get; }

    /// <summary>Batches by how long the oldest commit of each had waited when it was durable: [0] less than 1 ms,
    /// [1] less than 2 ms, [2] less than 4 ms, and so on; the last has all others.</summary>
    public IReadOnlyList<long> LagHistogram { get; } = [];

    /// <summary>Reads a status as PRAGMA asyncvfs_status and SELECT asyncvfs_status() give it.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public static AsyncVfsStatus Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return new AsyncVfsStatus(document.RootElement);
    }

    internal static AsyncVfsStatus? Of(string path)
    {
        for (int bytes = 2048; ; bytes *= 2)
        {
            byte[] json = new byte[bytes];
            int rc = Native.Status(path, json);
            if (rc == ResultCode.TooBig) continue;
            if (rc == ResultCode.NotFound) return null;
            AsyncVfsLibrary.Check(rc, $"No status of {path}");
            return Parse(Native.Text(json));
        }
    }

    // What is left out is 0.
    internal static long Number(JsonElement o, string key) =>
        o.TryGetProperty(key, out JsonElement value) && value.TryGetInt64(out long number) ? number : 0;

    internal static string Text(JsonElement o, string key) =>
        o.TryGetProperty(key, out JsonElement value) ? value.GetString() ?? "" : "";
}

/// <summary>The last error of a database's disk.</summary>
public sealed class AsyncVfsLastError
{
    internal AsyncVfsLastError(JsonElement o)
    {
        SqliteErrorCode = (int)AsyncVfsStatus.Number(o, "code");
        WindowsErrorCode = (int)AsyncVfsStatus.Number(o, "os_error");
        Text = AsyncVfsStatus.Text(o, "text");
        Age = TimeSpan.FromMilliseconds(AsyncVfsStatus.Number(o, "age_ms"));
    }

    /// <summary>SQLite's extended result code.</summary>
    public int SqliteErrorCode { get; }

    /// <summary>What Windows said (GetLastError); 0: nothing.</summary>
    public int WindowsErrorCode { get; }

    /// <summary>SQLite's text for the result code.</summary>
    public string Text { get; }

    /// <summary>How long ago it was.</summary>
    public TimeSpan Age { get; }
}
