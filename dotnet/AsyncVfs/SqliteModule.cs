using System.Reflection;
using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>The SQLite library that the provider uses, and the few of its functions needed here.</summary>
internal static unsafe class SqliteModule
{
    // Where there is no SQLitePCLRaw to ask: System.Data.SQLite 2 brings e_sqlite3.dll.
    private static readonly string[] names = ["e_sqlite3", "sqlite3", "winsqlite3"];

    private static delegate* unmanaged[Cdecl]<nint, byte*, byte*> filename;
    private static delegate* unmanaged[Cdecl]<nint, byte*, int> isReadOnly;
    private static delegate* unmanaged[Cdecl]<nint, nint, nint> nextStatement;
    private static delegate* unmanaged[Cdecl]<nint, int> isBusy;

    /// <summary>The module of the provider's SQLite, which is loaded if it is not yet; 0: none.</summary>
    /// <exception cref="AsyncVfsException">Several could be meant.</exception>
    internal static nint Find()
    {
        if (NameOfProvider() is { } ofProvider)
        {
            nint module = Library.Handle(ofProvider);
            return module != 0 || Library.TryLoad(ofProvider, out module) ? module : 0;
        }
        nint[] loaded = [.. names.Select(Library.Handle).Where(static m => m != 0)];
        if (loaded.Length > 1)
        {
            throw new AsyncVfsException(ResultCode.Misuse,
                $"Several SQLite libraries are loaded ({string.Join(", ", loaded.Select(Library.PathOf))}), and no SQLitePCLRaw tells which one the provider uses: hand its module over, as sqliteModule.");
        }
        if (loaded.Length == 1) return loaded[0];
        foreach (string name in names)
        {
            if (Library.TryLoad(name, out nint module)) return module;
        }
        return 0;
    }

    /// <summary>This is the SQLite that is served from now on.</summary>
    internal static void Use(nint module)
    {
        filename = (delegate* unmanaged[Cdecl]<nint, byte*, byte*>)Library.Export(module, "sqlite3_db_filename");
        isReadOnly = (delegate* unmanaged[Cdecl]<nint, byte*, int>)Library.Export(module, "sqlite3_db_readonly");
        nextStatement = (delegate* unmanaged[Cdecl]<nint, nint, nint>)Library.Export(module, "sqlite3_next_stmt");
        isBusy = (delegate* unmanaged[Cdecl]<nint, int>)Library.Export(module, "sqlite3_stmt_busy");
    }

    /// <summary>The path of a connection's database as SQLite knows it; "" for one without a file.</summary>
    internal static string PathOf(nint db, string schema)
    {
        fixed (byte* name = Native.Utf8(schema)) return Native.Text(filename(db, name));
    }

    /// <summary>Whether the connection has a database of this name.</summary>
    internal static bool Exists(nint db, string schema)
    {
        fixed (byte* name = Native.Utf8(schema)) return isReadOnly(db, name) >= 0;
    }

    /// <summary>Whether a statement of the connection has more rows to give.</summary>
    internal static bool HasReader(nint db)
    {
        for (nint s = nextStatement(db, 0); s != 0; s = nextStatement(db, s))
        {
            if (isBusy(s) != 0) return true;
        }
        return false;
    }

    // By its name: this package depends on no provider. The bundle is initialised first, as Microsoft.Data.Sqlite does
    // it when it is first used.
    private static string? NameOfProvider()
    {
        MethodInfo? ask = Type.GetType("SQLitePCL.raw, SQLitePCLRaw.core", throwOnError: false)?.GetMethod("GetNativeLibraryName", Type.EmptyTypes);
        MethodInfo? init = Type.GetType("SQLitePCL.Batteries_V2, SQLitePCLRaw.batteries_v2", throwOnError: false)?.GetMethod("Init", Type.EmptyTypes);
        if (ask is null) return null;
        try
        {
            init?.Invoke(null, null);
            return (string?)ask.Invoke(null, null);
        }
        catch (TargetInvocationException)
        {
            return null;   // no bundle, and no provider is set
        }
    }
}
