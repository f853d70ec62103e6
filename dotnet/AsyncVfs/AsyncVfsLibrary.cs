using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>The VFS "asyncvfs" in this process: commits return at memory speed and are written behind.</summary>
/// <remarks>
/// <para>Call <see cref="Register"/> once, then open databases with <c>Data Source=app.db;Vfs=asyncvfs</c>
/// (Microsoft.Data.Sqlite 10 and later), or with what <see cref="AsyncVfsOptions.ToConnectionString"/> says.</para>
/// <para>All members may be used from any thread; those that take a connection, where that connection may be used.
/// When the process ends by returning from Main or by Environment.Exit, what is committed is written first.</para>
/// </remarks>
public static unsafe class AsyncVfsLibrary
{
    /// <summary>The name of the VFS, for connection strings.</summary>
    public const string VfsName = "asyncvfs";

    private static readonly object registering = new();
    private static volatile bool registered;

    /// <summary>Whether asyncvfs exists for this system: Windows, in a 64-bit x86 process.</summary>
    public static bool IsSupported { get; } =
        OperatingSystem.IsWindows() && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>Whether <see cref="Register"/> has succeeded.</summary>
    public static bool IsRegistered => registered;

    /// <summary>The version of the native library.</summary>
    public static string Version => Native.Text(Native.Version());

    /// <summary>A batch could not be written. The commits in it are still there, readable, and are tried again
    /// unless <see cref="AsyncVfsErrorEventArgs.RetryAfter"/> is null.</summary>
    /// <remarks>Raised on a thread of asyncvfs, or in the closing of a database that loses commits, which may be
    /// at the same time: what handlers change needs a lock. Be brief.
    /// An exception of a handler is written to <see cref="Trace"/> and goes no further.</remarks>
    public static event EventHandler<AsyncVfsErrorEventArgs>? Error;

    /// <summary>Registers the VFS with the SQLite that the provider uses; again is fine.</summary>
    /// <param name="makeDefault">Databases opened without the name of a VFS use it as well.</param>
    /// <param name="sqliteModule">The module of SQLite, from <see cref="NativeLibrary"/>; 0: e_sqlite3, sqlite3 or
    /// winsqlite3, whichever is loaded or can be.</param>
    /// <returns>False on Linux and macOS, where asyncvfs does not exist.</returns>
    /// <exception cref="AsyncVfsException">It could not be registered; the message says why and what to do.</exception>
    public static bool Register(bool makeDefault = false, nint sqliteModule = 0)
    {
        if (!OperatingSystem.IsWindows()) return false;
        if (!IsSupported)
        {
            throw new AsyncVfsException(
                $"asyncvfs is made for x64, and this process is {RuntimeInformation.ProcessArchitecture}: run or publish it for win-x64.");
        }
        lock (registering)
        {
            nint module = sqliteModule != 0 ? sqliteModule : SqliteModule.Find();
            if (module == 0)
            {
                throw new AsyncVfsException(ResultCode.NotFound,
                    "No SQLite is loaded and none of e_sqlite3, sqlite3, winsqlite3 can be: refer to Microsoft.Data.Sqlite (or a bundle of SQLitePCLRaw), or hand over the module.");
            }
            RegisterNative(module, makeDefault ? Native.MakeDefault : 0);
            if (!registered)
            {
                // Each once for the process.
                Check(Native.OnError(&OnError, 0), "asyncvfs cannot report errors");
                OpenDatabases.Start(module);
                AppDomain.CurrentDomain.ProcessExit += static (_, _) => Native.Flush(null, ProcessExitMs);
                registered = true;
            }
        }
        AsyncVfsMetrics.Start();
        return true;
    }

    /// <summary>What the databases opened from now on begin with, where their connection strings say nothing else.</summary>
    /// <exception cref="AsyncVfsException">Not registered.</exception>
    public static void SetDefaults(AsyncVfsOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!IsSupported && options.FallBack) return;
        RequireRegistered();
        foreach ((string name, string value) in options.Settings()) SetDefault(name, value);
    }

    /// <summary>Limits that belong to the process, at once.</summary>
    /// <param name="maxQueueBytes">Bytes in memory for all databases together: 1 MiB to 64 GiB, default 256 MiB.</param>
    /// <param name="exitTimeout">How long the end of the process may take to write what is left, where the runtime
    /// did not come to it: 0 to 1 h, default 5 s.</param>
    /// <exception cref="AsyncVfsException">Out of range, or not registered.</exception>
    public static void SetProcessLimits(long? maxQueueBytes = null, TimeSpan? exitTimeout = null)
    {
        if (!IsSupported) return;
        RequireRegistered();
        if (maxQueueBytes is { } bytes) SetDefault("max_process_bytes", bytes.ToString(CultureInfo.InvariantCulture));
        if (exitTimeout is { } time) SetDefault("exit_timeout_ms", AsyncVfsOptions.Ms(time));
    }

    /// <summary>A ticket for all that has been committed to a connection's database so far.</summary>
    /// <param name="connection">A connection, as the provider's SafeHandle of it (<c>SqliteConnection.Handle</c>).</param>
    /// <param name="database">The database of the connection: main, or the name it was attached by.</param>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static DurabilityTicket GetDurabilityTicket(SafeHandle connection, string database = "main")
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (!IsSupported) return DurabilityTicket.Durable;
        RequireRegistered();
        return DurabilityTicket.Take(connection, database);
    }

    /// <summary>Returns when all that has been committed so far to all open databases is on the disk.</summary>
    /// <param name="timeout">For each database; null: until it is done, or the disk has refused several times in a row.</param>
    /// <exception cref="AsyncVfsException">The disk refuses, or the time is up. The commits stay, readable, and are
    /// tried again.</exception>
    public static void FlushAll(TimeSpan? timeout = null)
    {
        if (!registered) return;
        Check(Native.Flush(null, Native.Milliseconds(timeout ?? Timeout.InfiniteTimeSpan)), "Not all databases could be flushed");
    }

    /// <summary>As <see cref="FlushAll"/>; it occupies a thread of the pool meanwhile.</summary>
    public static Task FlushAllAsync(CancellationToken cancellationToken = default) =>
        Task.Run(() => FlushAll(), cancellationToken).WaitAsync(cancellationToken);

    /// <summary>The databases of this process that are open through asyncvfs, by their full paths.</summary>
    public static IReadOnlyList<string> GetOpenDatabases() => OpenDatabases.List();

    /// <summary>The status of a database that is open through asyncvfs; null: it is not.</summary>
    public static AsyncVfsStatus? GetStatus(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return registered ? AsyncVfsStatus.Of(Path.GetFullPath(path)) : null;
    }

    internal static void RequireRegistered()
    {
        if (!registered)
        {
            throw new AsyncVfsException("asyncvfs is not registered: call AsyncVfsLibrary.Register() before a database is opened through it.");
        }
    }

    internal static void Check(int rc, string what)
    {
        if (rc != ResultCode.Ok) throw new AsyncVfsException(rc, $"{what}: {ResultCode.Describe(rc)}.");
    }

    private const int MessageBytes = 512;
    private const int ProcessExitMs = 30_000;   // as the last close of a database

    private static void SetDefault(string name, string value)
    {
        byte* message = stackalloc byte[MessageBytes];
        int rc = Native.Default(name, value, message, MessageBytes);
        if (rc != ResultCode.Ok) throw new AsyncVfsException(rc, Native.Text(message));
    }

    private static void RegisterNative(nint module, uint flags)
    {
        byte* message = stackalloc byte[MessageBytes];
        try
        {
            int rc = Native.Register(module, flags, message, MessageBytes);
            if (rc != ResultCode.Ok) throw new AsyncVfsException(rc, Native.Text(message));
        }
        catch (DllNotFoundException e)
        {
            throw new AsyncVfsException(
                "e_asyncvfs.dll cannot be loaded. The package AsyncVfs brings it, into runtimes/win-x64/native or beside the application: publish it with the application.", e);
        }
        catch (BadImageFormatException e)
        {
            throw new AsyncVfsException("The e_asyncvfs.dll that was found is not one for x64: take the one of the package AsyncVfs.", e);
        }
        catch (EntryPointNotFoundException e)
        {
            throw new AsyncVfsException("The e_asyncvfs.dll that was found is older than this package: take the one of the package AsyncVfs.", e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void OnError(nint arg, Native.Error* native)
    {
        // Nothing may leave this method: below it is C.
        try
        {
            var error = new AsyncVfsErrorEventArgs(*native);
            AsyncVfsMetrics.Count(error);
            DurabilityTicket.Refused(error);
            foreach (Delegate handler in Error?.GetInvocationList() ?? [])
            {
                try
                {
                    ((EventHandler<AsyncVfsErrorEventArgs>)handler)(null, error);
                }
                catch (Exception e)
                {
                    Trace.TraceError($"asyncvfs: a handler of AsyncVfsLibrary.Error failed: {e}");
                }
            }
        }
        catch (Exception e)
        {
            Trace.TraceError($"asyncvfs: an error could not be reported: {e}");
        }
    }
}
