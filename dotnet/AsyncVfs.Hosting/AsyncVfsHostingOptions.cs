namespace AsyncVfs;

/// <summary>asyncvfs in the generic host; a section of the configuration can be bound to it.</summary>
/// <example><code>
/// "AsyncVfs": { "Defaults": { "MaxLag": "00:00:00.050" }, "FlushTimeout": "00:01:00" }
/// </code></example>
public sealed class AsyncVfsHostingOptions
{
    /// <summary>Databases opened without the name of a VFS use asyncvfs as well. Default: false.</summary>
    public bool MakeDefault { get; set; }

    /// <summary>What the databases begin with, where their connection strings say nothing else.</summary>
    public AsyncVfsOptions Defaults { get; set; } = new();

    /// <summary>Bytes in memory for all databases together: 1 MiB to 64 GiB, default 256 MiB.</summary>
    public long? MaxProcessQueueBytes { get; set; }

    /// <summary>How long the end of the process may take: see <see cref="AsyncVfsLibrary.SetProcessLimits"/>.</summary>
    public TimeSpan? ExitTimeout { get; set; }

    /// <summary>How long the flush at the stop of the host may take, whatever is left of the host's own ShutdownTimeout.
    /// Default: 30 s.</summary>
    public TimeSpan FlushTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
