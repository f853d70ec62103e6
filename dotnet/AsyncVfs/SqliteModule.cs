using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>The SQLite library that the provider uses, and the few of its functions needed here.</summary>
internal static unsafe partial class SqliteModule
{
    // Microsoft.Data.Sqlite, EF Core and System.Data.SQLite 2 bring e_sqlite3.dll, whatever
    // package it comes from; the others are providers that an application may have chosen.
    private static readonly string[] names = ["e_sqlite3", "sqlite3", "winsqlite3"];

    private static delegate* unmanaged[Cdecl]<nint, byte*, byte*> filename;

    /// <summary>The module that is loaded already, else the one that the provider would load; 0: none.</summary>
    internal static nint Find()
    {
        foreach (string name in names)
        {
            nint module = GetModuleHandle(name + ".dll");
            if (module != 0) return module;
        }
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, typeof(SqliteModule).Assembly, null, out nint module)) return module;
        }
        return 0;
    }

    /// <summary>Has SQLite call <paramref name="opened"/> for each connection that is opened from now on.</summary>
    internal static void Watch(nint module, delegate* unmanaged[Cdecl]<nint, byte**, nint, int> opened)
    {
        filename = (delegate* unmanaged[Cdecl]<nint, byte*, byte*>)NativeLibrary.GetExport(module, "sqlite3_db_filename");
        var add = (delegate* unmanaged[Cdecl]<void*, int>)NativeLibrary.GetExport(module, "sqlite3_auto_extension");
        int rc = add(opened);
        if (rc != ResultCode.Ok) throw new AsyncVfsException(rc, "sqlite3_auto_extension failed");
    }

    /// <summary>The path of a connection's database as SQLite knows it; "" for one without a file.</summary>
    internal static string PathOf(nint db, string schema)
    {
        byte* name = (byte*)Marshal.StringToCoTaskMemUTF8(schema);
        try
        {
            return Native.Text(filename(db, name));
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)name);
        }
    }

    internal static string PathOf(SafeHandle connection, string schema)
    {
        bool held = false;
        try
        {
            connection.DangerousAddRef(ref held);
            return PathOf(connection.DangerousGetHandle(), schema);
        }
        finally
        {
            if (held) connection.DangerousRelease();
        }
    }

    [LibraryImport("kernel32", EntryPoint = "GetModuleHandleW", StringMarshalling = StringMarshalling.Utf16)]
    private static partial nint GetModuleHandle(string name);
}
