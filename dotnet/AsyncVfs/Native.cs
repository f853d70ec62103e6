using System.Runtime.InteropServices;
using System.Text;

namespace AsyncVfs;

/// <summary>The functions of asyncvfs.h, one to one. e_asyncvfs.dll is asyncvfs.dll (AsyncVfs.csproj says why).</summary>
/// <remarks>.NET's own probing finds it: beside the application or in runtimes/*/native. Plain DllImport and
/// delegates: .NET Framework has no others.</remarks>
internal static unsafe class Native
{
    internal const string Library = "e_asyncvfs";
    internal const uint MakeDefault = 1;
    internal const int Forever = -1;

    private const CallingConvention C = CallingConvention.Cdecl;

    [UnmanagedFunctionPointer(C)]
    internal delegate void DurableCallback(nint arg, long ticket, int rc);

    [UnmanagedFunctionPointer(C)]
    internal delegate void ErrorCallback(nint arg, Error* error);

    [UnmanagedFunctionPointer(C)]
    internal delegate void PassedCallback(nint arg, byte* path, byte* reason);

    [UnmanagedFunctionPointer(C)]
    internal delegate void ClosedCallback(nint arg, byte* path, byte* json);

    internal static int Register(nint sqliteModule, uint flags, out string message)
    {
        byte* text = stackalloc byte[MessageBytes];
        int rc = asyncvfs_register(sqliteModule, flags, text, MessageBytes);
        message = Text(text);
        return rc;
    }

    internal static int Default(string name, string value, out string message)
    {
        byte* text = stackalloc byte[MessageBytes];
        int rc;
        fixed (byte* n = Utf8(name), v = Utf8(value)) rc = asyncvfs_default(n, v, text, MessageBytes);
        message = Text(text);
        return rc;
    }

    internal static int Flush(int timeoutMs) => asyncvfs_flush(null, timeoutMs);

    internal static int End(int timeoutMs) => asyncvfs_end(timeoutMs);

    internal static int Ticket(nint db, string schema, out long ticket)
    {
        fixed (byte* s = Utf8(schema)) return asyncvfs_ticket(db, s, out ticket);
    }

    internal static int Wait(long ticket, int timeoutMs) => asyncvfs_wait(ticket, timeoutMs);

    internal static bool IsDurable(long ticket) => asyncvfs_is_durable(ticket) == ResultCode.Ok;

    internal static int OnDurable(nint db, string schema, DurableCallback callback, nint arg)
    {
        fixed (byte* s = Utf8(schema)) return asyncvfs_on_durable(db, s, Pointer(callback), arg);
    }

    /// <param name="db">A connection.</param>
    /// <param name="schema">One of its databases.</param>
    /// <param name="reason">Why it is passed through; null: it is managed.</param>
    internal static int Mode(nint db, string schema, out string? reason)
    {
        int rc;
        byte* text;
        fixed (byte* s = Utf8(schema)) rc = asyncvfs_mode(db, s, out text);
        reason = rc == ResultCode.Ok && text != null ? Text(text) : null;
        return rc;
    }

    internal static int Status(string path, byte[] json)
    {
        fixed (byte* p = Utf8(path), j = json) return asyncvfs_status(p, j, json.Length);
    }

    internal static int NextDatabase(ref long cursor, byte[] path)
    {
        fixed (byte* p = path) return asyncvfs_next_database(ref cursor, p, path.Length);
    }

    internal static int Recover(string path, out long replayed)
    {
        fixed (byte* p = Utf8(path)) return asyncvfs_recover(p, out replayed);
    }

    internal static int OnError(ErrorCallback callback) => asyncvfs_on_error(Pointer(callback), 0);

    internal static void OnPassed(PassedCallback callback) => asyncvfs_on_passed(Pointer(callback), 0);

    internal static void OnClosed(ClosedCallback callback) => asyncvfs_on_closed(Pointer(callback), 0);

    internal static string Version() => Text(asyncvfs_version());

    /// <summary>struct asyncvfs_error; later versions may be longer.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Error
    {
        internal int Bytes;
        internal int Code;
        internal uint OsError;
        internal uint RetryMs;
        internal long Batch;
        internal long Waiting;
        internal byte* Path;
        internal byte* Message;
        internal long Lost;
        internal long Kept;
    }

    internal static string Text(byte* utf8)
    {
        int n = 0;
        if (utf8 == null) return "";
        while (utf8[n] != 0) n++;
        return Encoding.UTF8.GetString(utf8, n);
    }

    internal static string Text(byte[] utf8) => Encoding.UTF8.GetString(utf8, 0, Math.Max(0, Array.IndexOf(utf8, (byte)0)));

    /// <summary>With a zero at its end.</summary>
    internal static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + "\0");

    internal static int Milliseconds(TimeSpan? timeout)
    {
        if (timeout is not { } time || time == Timeout.InfiniteTimeSpan) return Forever;
        if (time < TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(timeout), time, "0 or more is expected, or Timeout.InfiniteTimeSpan.");
        return (int)Math.Min(time.TotalMilliseconds, int.MaxValue);
    }

    private const int MessageBytes = 512;

    // Whoever hands a delegate over keeps it: it is called as long as the process lives.
    private static nint Pointer<T>(T callback) where T : Delegate => Marshal.GetFunctionPointerForDelegate(callback);

#pragma warning disable IDE1006, SYSLIB1054, CA1707   // the names of asyncvfs.h
    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_register(nint sqliteModule, uint flags, byte* message, int messageBytes);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_default(byte* name, byte* value, byte* message, int messageBytes);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_flush(byte* path, int timeoutMs);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_end(int timeoutMs);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_ticket(nint db, byte* schema, out long ticket);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_wait(long ticket, int timeoutMs);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_is_durable(long ticket);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_on_durable(nint db, byte* schema, nint callback, nint arg);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_mode(nint db, byte* schema, out byte* reason);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_status(byte* path, byte* json, int bytes);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_next_database(ref long cursor, byte* path, int bytes);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_recover(byte* path, out long replayed);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern int asyncvfs_on_error(nint callback, nint arg);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern void asyncvfs_on_passed(nint callback, nint arg);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern void asyncvfs_on_closed(nint callback, nint arg);

    [DllImport(Library, CallingConvention = C, ExactSpelling = true)]
    private static extern byte* asyncvfs_version();
#pragma warning restore IDE1006, SYSLIB1054, CA1707
}
