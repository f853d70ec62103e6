using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace AsyncVfs;

/// <summary>e_asyncvfs.dll, which is asyncvfs.dll by another name (AsyncVfs.csproj): the functions of asyncvfs.h, one to one.</summary>
/// <remarks>.NET's own probing finds it: beside the application or in runtimes/win-x64/native.</remarks>
internal static unsafe partial class Native
{
    internal const string Library = "e_asyncvfs";
    internal const uint MakeDefault = 1;
    internal const int Forever = -1;

    [LibraryImport(Library, EntryPoint = "asyncvfs_register")]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Register(nint sqliteModule, uint flags, byte* message, int messageBytes);

    [LibraryImport(Library, EntryPoint = "asyncvfs_flush", StringMarshalling = StringMarshalling.Utf8)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Flush(string? path, int timeoutMs);

    [LibraryImport(Library, EntryPoint = "asyncvfs_ticket", StringMarshalling = StringMarshalling.Utf8)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Ticket(SafeHandle db, string schema, out long ticket);

    [LibraryImport(Library, EntryPoint = "asyncvfs_ticket", StringMarshalling = StringMarshalling.Utf8)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Ticket(nint db, string schema, out long ticket);

    [LibraryImport(Library, EntryPoint = "asyncvfs_wait")]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Wait(long ticket, int timeoutMs);

    [LibraryImport(Library, EntryPoint = "asyncvfs_on_durable", StringMarshalling = StringMarshalling.Utf8)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int OnDurable(
        SafeHandle db, string schema, delegate* unmanaged[Cdecl]<nint, long, int, void> callback, nint arg);

    [LibraryImport(Library, EntryPoint = "asyncvfs_on_error")]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int OnError(delegate* unmanaged[Cdecl]<nint, Error*, void> callback, nint arg);

    [LibraryImport(Library, EntryPoint = "asyncvfs_default", StringMarshalling = StringMarshalling.Utf8)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Default(string name, string value, byte* message, int messageBytes);

    [LibraryImport(Library, EntryPoint = "asyncvfs_status", StringMarshalling = StringMarshalling.Utf8)]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial int Status(string path, byte* json, int bytes);

    [LibraryImport(Library, EntryPoint = "asyncvfs_version")]
    [UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
    internal static partial byte* Version();

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
    }

    internal static string Text(byte* utf8) => Utf8StringMarshaller.ConvertToManaged(utf8) ?? "";

    internal static int Milliseconds(TimeSpan timeout)
    {
        if (timeout == Timeout.InfiniteTimeSpan) return Forever;
        ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
        return (int)Math.Min(timeout.TotalMilliseconds, int.MaxValue);
    }
}
