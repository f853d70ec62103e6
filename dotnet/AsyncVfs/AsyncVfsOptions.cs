using System.Data.Common;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

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
    private const string DataDirectory = "|DataDirectory|";
    private const string KeyPattern = @"(data ?source|filename)\s*";

    private static readonly Regex isKey = new("^" + KeyPattern + "$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
    private static readonly Regex isConnectionString = new("(^|;)\\s*" + KeyPattern + "=", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);

    private static readonly TimeSpan minute = TimeSpan.FromMinutes(1), hour = TimeSpan.FromHours(1);

    private TimeSpan? maxLag, fullTimeout, closeTimeout;
    private long? maxQueueBytes;

    /// <summary>Where a commit is when COMMIT returns; of the connection. Default:
    /// <see cref="Durability.Os"/>.</summary>
    public Durability? Durability { get; set; }

    /// <summary>How long a commit may wait before it is written: 0 to 60 s, default 100 ms.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Out of range.</exception>
    public TimeSpan? MaxLag { get => maxLag; set => maxLag = Checked(value, minute); }

    /// <summary>Pages in memory for the database: 1 MiB to 64 GiB, default 64 MiB.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Out of range.</exception>
    public long? MaxQueueBytes
    {
        get => maxQueueBytes;
        set => maxQueueBytes = value is null or (>= MiB and <= 65536 * MiB)
            ? value
            : throw OutOfRange(nameof(MaxQueueBytes), value.Value, "1048576 (1 MiB) to 68719476736 (64 GiB)");
    }

    /// <summary>What a writer meets when the queue is full. Default: it waits.</summary>
    public QueueFullBehavior? OnFull { get; set; }

    /// <summary>How long a writer waits for a full queue: 0 to 1 h, default 60 s.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Out of range.</exception>
    public TimeSpan? FullTimeout { get => fullTimeout; set => fullTimeout = Checked(value, hour); }

    /// <summary>What the last close does while the disk refuses to write. Default: it drains.</summary>
    public CloseBehavior? OnClose { get; set; }

    /// <summary>How long the last close tries: 0 to 1 h, default 30 s.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Out of range.</exception>
    public TimeSpan? CloseTimeout { get => closeTimeout; set => closeTimeout = Checked(value, hour); }

    /// <summary>Whether a database that would be passed through to SQLite's own VFS is refused instead. The exception
    /// of the opening says why, and what to do. Default: false.</summary>
    public bool? RequireManaged { get; set; }

    /// <summary>Whether SQLite's default VFS is used where asyncvfs does not exist (Linux, macOS).
    /// Default: true. If false, <see cref="ToConnectionString"/> throws there.</summary>
    public bool FallBack { get; set; } = true;

    /// <summary>A file as a data source: "file:app.db?vfs=asyncvfs&amp;max_lag_ms=50".</summary>
    /// <param name="path">A path, which may begin with |DataDirectory|; or a URI of SQLite. ":memory:" and "" stay
    /// what they are: asyncvfs has nothing to do with a database that has no file.</param>
    /// <exception cref="AsyncVfsException">No asyncvfs on this system, and not to fall back.</exception>
    public string ToDataSource(string path)
    {
        if (path is null) throw new ArgumentNullException(nameof(path));
        if (path.Length == 0 || path.Equals(":memory:", StringComparison.OrdinalIgnoreCase)) return path;
        if (AsyncVfsLibrary.IsSupported) return ToUri(path);
        return FallBack ? WithoutVfs(path) : throw new AsyncVfsException(
            "asyncvfs does not exist for this system. Set AsyncVfsOptions.FallBack to use SQLite's default VFS here.");
    }

    /// <summary>A connection string for Microsoft.Data.Sqlite and EF Core:
    /// "Data Source=file:app.db?vfs=asyncvfs&amp;max_lag_ms=50".</summary>
    /// <param name="path">As for <see cref="ToDataSource"/>; or a whole connection string, whose other keywords stay.</param>
    /// <exception cref="AsyncVfsException">No asyncvfs on this system, and not to fall back.</exception>
    public string ToConnectionString(string path)
    {
        if (path is null) throw new ArgumentNullException(nameof(path));
        var builder = new DbConnectionStringBuilder();
        string key = "Data Source", source = path;
        if (isConnectionString.IsMatch(path))
        {
            builder.ConnectionString = path;
            key = builder.Keys.Cast<string>().First(static k => isKey.IsMatch(k));
            source = (string)builder[key];
            bool other = builder.TryGetValue("Vfs", out object? vfs) && !AsyncVfsLibrary.VfsName.Equals(vfs as string, StringComparison.OrdinalIgnoreCase);
            if (other) throw new ArgumentException($"The connection string names another VFS: {vfs}.", nameof(path));
            builder.Remove("Vfs");   // the URI has it
            if (builder.TryGetValue("Mode", out object? mode) && "Memory".Equals(mode as string, StringComparison.OrdinalIgnoreCase)) return builder.ConnectionString;
        }
        builder[key] = ToDataSource(source);
        return builder.ConnectionString;
    }

    /// <summary>A connection string for System.Data.SQLite: "FullUri=file:app.db?vfs=asyncvfs&amp;max_lag_ms=50".</summary>
    /// <param name="path">As for <see cref="ToDataSource"/>.</param>
    /// <exception cref="AsyncVfsException">No asyncvfs on this system, and not to fall back.</exception>
    public string ToSystemDataSqliteConnectionString(string path)
    {
        string source = ToDataSource(path);
        return new DbConnectionStringBuilder { [source.StartsWith("file:", StringComparison.OrdinalIgnoreCase) ? "FullUri" : "Data Source"] = source }.ConnectionString;
    }

    internal string ToUri(string path)
    {
        var uri = new StringBuilder();
        if (path.StartsWith("file:", StringComparison.OrdinalIgnoreCase))
        {
            uri.Append(WithoutVfs(path));
        }
        else
        {
            uri.Append("file:");
            // file:///C:/app.db; the two slashes are the URI's authority, so a network path has four.
            string slashes = InDataDirectory(path).Replace('\\', '/');
            if (slashes.Length > 1 && slashes[1] == ':') uri.Append("///");
            else if (slashes.StartsWith("//", StringComparison.Ordinal)) uri.Append("//");
            // What means something in an URI of SQLite; all else is taken as it stands.
            foreach (char c in slashes)
            {
                if (c is '%' or '?' or '#') uri.Append('%').Append(((int)c).ToString("X2", CultureInfo.InvariantCulture));
                else uri.Append(c);
            }
        }
        uri.Append(uri.ToString().IndexOf('?') >= 0 ? '&' : '?').Append("vfs=").Append(AsyncVfsLibrary.VfsName);
        foreach ((string name, string value) in Settings()) uri.Append('&').Append(name).Append('=').Append(value);
        return uri.ToString();
    }

    // Of a URI the provider leaves both to SQLite, which knows neither.
    private static string InDataDirectory(string path)
    {
        string? folder = AppDomain.CurrentDomain.GetData("DataDirectory") as string;
        bool named = path.StartsWith(DataDirectory, StringComparison.OrdinalIgnoreCase);
        if (named) path = path.Substring(DataDirectory.Length).TrimStart('\\', '/');
        if (string.IsNullOrEmpty(folder)) folder = named ? AppDomain.CurrentDomain.BaseDirectory : "";
        return named || !Path.IsPathRooted(path) ? Path.Combine(folder, path) : path;
    }

    /// <summary>A URI as it is for SQLite's default VFS.</summary>
    private static string WithoutVfs(string path)
    {
        if (!path.StartsWith("file:", StringComparison.OrdinalIgnoreCase)) return path;
        int query = path.IndexOf('?');
        if (query < 0) return path;
        string[] kept = [.. path.Substring(query + 1).Split('&').Where(static p => p != "vfs=" + AsyncVfsLibrary.VfsName)];
        return path.Substring(0, query) + (kept.Length == 0 ? "" : "?" + string.Join("&", kept));
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
        if (RequireManaged is { } required) yield return ("require_managed", required ? "yes" : "no");
    }

    internal static string Word<T>(T value) where T : struct, Enum =>
        Enum.IsDefined(typeof(T), value)
            ? value.ToString().ToLowerInvariant()
            : throw OutOfRange(typeof(T).Name, value, string.Join(" or ", Enum.GetNames(typeof(T))));

    internal static string Ms(TimeSpan time) => ((long)time.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);

    private static TimeSpan? Checked(
        TimeSpan? value, TimeSpan most, [System.Runtime.CompilerServices.CallerMemberName] string name = "") =>
        value is null || (value >= TimeSpan.Zero && value <= most)
            ? value
            : throw OutOfRange(name, value.Value, FormattableString.Invariant($"0 to {most}"));

    private static ArgumentOutOfRangeException OutOfRange(string name, object value, string range) =>
        new(name, value, $"Must be {range}.");
}
