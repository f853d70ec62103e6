using System.Data.Common;
using System.Globalization;
using System.Text;

namespace AsyncVfs;

/// <summary>How a database is to be opened, as a connection string that every provider understands.</summary>
/// <remarks>What is not set keeps asyncvfs' default. All but the durability belong to the database:
/// the last connection that sets one sets it for all.</remarks>
/// <example><code>
/// var options = new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(50) };
/// using var db = new SqliteConnection(options.ToConnectionString("app.db"));
/// </code></example>
public sealed record AsyncVfsOptions
{
    private const long MiB = 1 << 20;

    private static readonly TimeSpan minute = TimeSpan.FromMinutes(1), hour = TimeSpan.FromHours(1);

    private readonly TimeSpan? maxLag, fullTimeout, closeTimeout;
    private readonly long? maxQueueBytes;

    /// <summary>Where a commit is when COMMIT returns; of the connection. Default: memory.</summary>
    public Durability? Durability { get; init; }

    /// <summary>How long a commit may wait before it is written: 0 to 60 s, default 100 ms.</summary>
    /// <exception cref="AsyncVfsException">Out of range.</exception>
    public TimeSpan? MaxLag { get => maxLag; init => maxLag = Checked(value, minute); }

    /// <summary>Pages in memory for the database: 1 MiB to 64 GiB, default 64 MiB.</summary>
    /// <exception cref="AsyncVfsException">Out of range.</exception>
    public long? MaxQueueBytes
    {
        get => maxQueueBytes;
        init => maxQueueBytes = value is null or (>= MiB and <= 65536 * MiB)
            ? value
            : throw OutOfRange(nameof(MaxQueueBytes), value.Value, "1048576 (1 MiB) to 68719476736 (64 GiB)");
    }

    /// <summary>What a writer meets when the queue is full. Default: it waits.</summary>
    public QueueFullBehavior? OnFull { get; init; }

    /// <summary>How long a writer waits for a full queue: 0 to 1 h, default 60 s.</summary>
    /// <exception cref="AsyncVfsException">Out of range.</exception>
    public TimeSpan? FullTimeout { get => fullTimeout; init => fullTimeout = Checked(value, hour); }

    /// <summary>What the last close does while the disk refuses to write. Default: it drains.</summary>
    public CloseBehavior? OnClose { get; init; }

    /// <summary>How long the last close tries: 0 to 1 h, default 30 s.</summary>
    /// <exception cref="AsyncVfsException">Out of range.</exception>
    public TimeSpan? CloseTimeout { get => closeTimeout; init => closeTimeout = Checked(value, hour); }

    /// <summary>Whether SQLite's default VFS is used where asyncvfs does not exist (Linux, macOS).
    /// Default: true. If false, <see cref="ToConnectionString"/> throws there.</summary>
    public bool FallBack { get; init; } = true;

    /// <summary>A file as a data source: "file:app.db?vfs=asyncvfs&amp;max_lag_ms=50".</summary>
    /// <exception cref="AsyncVfsException">No asyncvfs on this system, and not to fall back.</exception>
    public string ToDataSource(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!AsyncVfsLibrary.IsSupported)
        {
            return FallBack ? path : throw new AsyncVfsException(
                "asyncvfs exists on Windows x64 alone. Set AsyncVfsOptions.FallBack to use SQLite's default VFS here.");
        }
        return ToUri(path);
    }

    /// <summary>A connection string: "Data Source=file:app.db?vfs=asyncvfs&amp;max_lag_ms=50". More keywords may follow.</summary>
    /// <exception cref="AsyncVfsException">No asyncvfs on this system, and not to fall back.</exception>
    public string ToConnectionString(string path) =>
        new DbConnectionStringBuilder { ["Data Source"] = ToDataSource(path) }.ConnectionString;

    internal string ToUri(string path)
    {
        var uri = new StringBuilder("file:");
        // file:///C:/app.db; the two slashes are the URI's authority, so a network path has four.
        string slashes = path.Replace('\\', '/');
        if (slashes.Length > 1 && slashes[1] == ':') uri.Append("///");
        else if (slashes.StartsWith("//", StringComparison.Ordinal)) uri.Append("//");
        // What means something in an URI of SQLite; all else is taken as it stands.
        foreach (char c in slashes)
        {
            if (c is '%' or '?' or '#') uri.Append(CultureInfo.InvariantCulture, $"%{(int)c:X2}");
            else uri.Append(c);
        }
        uri.Append("?vfs=" + AsyncVfsLibrary.VfsName);
        foreach ((string name, string value) in Settings()) uri.Append(CultureInfo.InvariantCulture, $"&{name}={value}");
        return uri.ToString();
    }

    /// <summary>What is set, by asyncvfs' own names.</summary>
    internal IEnumerable<(string Name, string Value)> Settings()
    {
        if (Durability is { } durability) yield return ("durability", Word(durability));
        if (MaxLag is { } lag) yield return ("max_lag_ms", Ms(lag));
        if (MaxQueueBytes is { } bytes) yield return ("max_queue_bytes", bytes.ToString(CultureInfo.InvariantCulture));
        if (OnFull is { } full) yield return ("on_full", Word(full));
        if (FullTimeout is { } fullTime) yield return ("full_timeout_ms", Ms(fullTime));
        if (OnClose is { } close) yield return ("close", Word(close));
        if (CloseTimeout is { } closeTime) yield return ("close_timeout_ms", Ms(closeTime));
    }

    internal static string Word<T>(T value) where T : struct, Enum =>
        Enum.IsDefined(value)
            ? value.ToString().ToLowerInvariant()
            : throw OutOfRange(typeof(T).Name, value, string.Join(" or ", Enum.GetNames<T>()));

    internal static string Ms(TimeSpan time) => ((long)time.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);

    private static TimeSpan? Checked(
        TimeSpan? value, TimeSpan most, [System.Runtime.CompilerServices.CallerMemberName] string name = "") =>
        value is null || (value >= TimeSpan.Zero && value <= most)
            ? value
            : throw OutOfRange(name, value.Value, $"0 to {most}");

    private static AsyncVfsException OutOfRange(string name, object value, string range) =>
        new(ResultCode.Range, string.Create(CultureInfo.InvariantCulture, $"{name}={value}: must be {range}"));
}
