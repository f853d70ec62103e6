using System.Diagnostics;

namespace AsyncVfs;

/// <summary>The databases of this process that are open through asyncvfs, attached ones too.</summary>
/// <remarks>asyncvfs knows those that are managed or may come to be. Of the others, which it hands through to
/// SQLite's own VFS for good, it tells when a connection to one is opened and closed: they are counted here.
/// Lock: <see cref="guard"/>; no handler and nothing of asyncvfs is called under it.</remarks>
internal static unsafe class OpenDatabases
{
    private static readonly object guard = new();
    private static readonly Dictionary<string, (int Connections, string Reason)> passed = new(StringComparer.OrdinalIgnoreCase);
    private static readonly HashSet<(string Path, string Reason)> told = [];
    private static readonly Native.PassedCallback onPassed = OnPassed;

    private const int MostTold = 10_000;
    private static int pathBytes = 1024;

    internal static void Start() => Native.OnPassed(onPassed);

    internal static IReadOnlyList<string> List()
    {
        List<string> paths = Managed();
        var have = new HashSet<string>(paths, StringComparer.OrdinalIgnoreCase);
        foreach ((string path, _) in PassedThrough())
        {
            if (have.Add(path)) paths.Add(path);
        }
        return paths;
    }

    /// <summary>Those that at least one connection has passed through.</summary>
    internal static IReadOnlyList<(string Path, string Reason)> PassedThrough()
    {
        lock (guard) return [.. passed.Select(static p => (p.Key, p.Value.Reason))];
    }

    private static List<string> Managed()
    {
        var paths = new List<string>();
        byte[] path = new byte[pathBytes];
        long cursor = 0;
        for (; ; )
        {
            int rc = Native.NextDatabase(ref cursor, path);
            if (rc == ResultCode.Ok) paths.Add(Native.Text(path));
            else if (rc == ResultCode.TooBig) path = new byte[pathBytes = 2 * path.Length];
            else return paths;
        }
    }

    // In the midst of SQLite's work: nothing may leave this method, nor wait.
    private static void OnPassed(nint arg, byte* nativePath, byte* nativeReason)
    {
        try
        {
            string path = Native.Text(nativePath);
            string? reason = nativeReason == null ? null : Native.Text(nativeReason);
            bool isNew = false;
            lock (guard)
            {
                int connections = passed.TryGetValue(path, out (int Connections, string Reason) entry) ? entry.Connections : 0;
                connections += reason is null ? -1 : 1;
                if (connections > 0) passed[path] = (connections, reason ?? entry.Reason);
                else passed.Remove(path);
                if (reason is not null)
                {
                    if (told.Count >= MostTold) told.Clear();
                    isNew = told.Add((path, reason));
                }
            }
            if (isNew) ThreadPool.QueueUserWorkItem(static e => AsyncVfsLibrary.Tell((AsyncVfsPassedThroughEventArgs)e!), new AsyncVfsPassedThroughEventArgs(path, reason!));
        }
        catch (Exception e)
        {
            Trace.TraceError($"asyncvfs: {e}");
        }
    }
}
