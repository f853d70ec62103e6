using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>The databases that have been opened through asyncvfs, by path.</summary>
/// <remarks>SQLite says when one is opened, by an automatic extension; not when it is closed: that is
/// seen when it is asked for.</remarks>
internal static unsafe class OpenDatabases
{
    private const int FirstPrune = 64;

    private static readonly object guard = new();
    private static readonly HashSet<string> paths = new(StringComparer.OrdinalIgnoreCase);
    private static int pruneAt = FirstPrune;

    internal static void Start(nint sqliteModule) => SqliteModule.Watch(sqliteModule, &OnOpen);

    internal static IReadOnlyList<string> List()
    {
        lock (guard)
        {
            Prune();
            return [.. paths];
        }
    }

    private static void Prune()
    {
        paths.RemoveWhere(static path => !AsyncVfsStatus.IsOpen(path));
        pruneAt = Math.Max(FirstPrune, 2 * paths.Count);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int OnOpen(nint db, byte** message, nint api)
    {
        // Nothing may leave this method: below it is C. A database that is not listed is no reason
        // not to open it.
        try
        {
            if (Native.Ticket(db, "main", out _) != ResultCode.Ok) return ResultCode.Ok;
            string path = SqliteModule.PathOf(db, "main");
            lock (guard)
            {
                if (paths.Add(path) && paths.Count >= pruneAt) Prune();
            }
        }
        catch (Exception e)
        {
            System.Diagnostics.Trace.TraceError($"asyncvfs: {e}");
        }
        return ResultCode.Ok;
    }
}
