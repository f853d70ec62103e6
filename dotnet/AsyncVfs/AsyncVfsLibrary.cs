using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace AsyncVfs;

/// <summary>The VFS "asyncvfs" in this process: commits return at memory speed and are written behind.</summary>
/// <remarks>
/// <para>Call <see cref="Register"/> once, then open databases with what
/// <see cref="AsyncVfsOptions.ToConnectionString"/> says, or with <c>Data Source=app.db;Vfs=asyncvfs</c>
/// (Microsoft.Data.Sqlite 10 and later; on Windows alone).</para>
/// <para>All members may be used from any thread; those that take a connection, where that connection may be used.
/// When the process ends by returning from Main, by Environment.Exit or by an exception that nobody handles, what is
/// committed is written first.</para>
/// </remarks>
public static unsafe class AsyncVfsLibrary
{
    /// <summary>The name of the VFS, for connection strings.</summary>
    public const string VfsName = "asyncvfs";

    /// <summary>The name of the meter, for listeners.</summary>
    public const string MeterName = "AsyncVfs";

    private static readonly object registering = new();
    private static readonly Native.ErrorCallback onError = OnError;
    private static readonly TimeSpan hour = TimeSpan.FromHours(1);

    private static volatile bool registered;
    private static nint served;   // the module; under registering
    private static volatile int exitMs = 5000;

    /// <summary>Whether asyncvfs exists for this system: Windows, in a process for x64, x86 or ARM64.</summary>
    public static bool IsSupported { get; } =
        RuntimeInformation.IsOSPlatform(OSPlatform.Windows) &&
        RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.X86 or Architecture.Arm64;

    /// <summary>Whether <see cref="Register"/> has succeeded.</summary>
    public static bool IsRegistered => registered;

    /// <summary>The version of the native library.</summary>
    public static string Version => Native.Version();

    /// <summary>A batch could not be written. The commits in it are still there, readable, and are tried again
    /// unless <see cref="AsyncVfsErrorEventArgs.RetryAfter"/> is null.</summary>
    /// <remarks>Raised on a thread of asyncvfs, or in the closing of a database that loses commits, which may be
    /// at the same time: what handlers change needs a lock. Be brief.
    /// An exception of a handler is written to <see cref="Trace"/> and goes no further.</remarks>
    public static event EventHandler<AsyncVfsErrorEventArgs>? Error;

    /// <summary>A database that was opened through asyncvfs is passed through to SQLite's own VFS, so that its commits
    /// wait for the disk as ever. Raised once for a database and a reason, on a thread of the pool;
    /// <see cref="Trace"/> has it too.</summary>
    public static event EventHandler<AsyncVfsPassedThroughEventArgs>? PassedThrough;

    /// <summary>Registers the VFS with the SQLite that the provider uses; again is fine.</summary>
    /// <param name="makeDefault">Databases opened without the name of a VFS use it as well, from now on.</param>
    /// <param name="sqliteModule">The module of SQLite, from <c>NativeLibrary</c>; 0: the one that SQLitePCLRaw uses, as
    /// Microsoft.Data.Sqlite and EF Core do; without it e_sqlite3, sqlite3 or winsqlite3.</param>
    /// <returns>False on Linux and macOS, where asyncvfs does not exist.</returns>
    /// <exception cref="AsyncVfsException">It could not be registered; the message says why and what to do.</exception>
    public static bool Register(bool makeDefault = false, nint sqliteModule = 0)
    {
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) return false;
        if (!IsSupported)
        {
            throw new AsyncVfsException(
                $"asyncvfs exists for x64, x86 and ARM64, and this process is one for {Library.Architecture}: publish it for one of these.");
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
        }
        return true;
    }

    /// <summary>What the databases opened from now on begin with, where their connection strings say nothing else.</summary>
    /// <exception cref="AsyncVfsException">Not registered.</exception>
    public static void SetDefaults(AsyncVfsOptions options)
    {
        if (options is null) throw new ArgumentNullException(nameof(options));
        if (!IsSupported && options.FallBack) return;
        RequireRegistered();
        foreach ((string name, string value) in options.Settings()) SetDefault(name, value);
    }

    /// <summary>Limits that belong to the process, at once.</summary>
    /// <param name="maxQueueBytes">Bytes in memory for all databases together: 1 MiB to 64 GiB, default 256 MiB.</param>
    /// <param name="exitTimeout">How long the end of the process may take to write what is left, while a disk refuses
    /// or is slow: 0 to 1 h, default 5 s.</param>
    /// <exception cref="ArgumentOutOfRangeException">Out of range.</exception>
    /// <exception cref="AsyncVfsException">Not registered.</exception>
    public static void SetProcessLimits(long? maxQueueBytes = null, TimeSpan? exitTimeout = null)
    {
        if (maxQueueBytes is < 1L << 20 or > 64L << 30)
        {
            throw new ArgumentOutOfRangeException(nameof(maxQueueBytes), maxQueueBytes, "Must be 1048576 (1 MiB) to 68719476736 (64 GiB).");
        }
        if (exitTimeout < TimeSpan.Zero || exitTimeout > hour)
        {
            throw new ArgumentOutOfRangeException(nameof(exitTimeout), exitTimeout, "Must be 0 to 1 hour.");
        }
        if (!IsSupported) return;
        RequireRegistered();
        if (maxQueueBytes is { } bytes) SetDefault("max_process_bytes", bytes.ToString(CultureInfo.InvariantCulture));
        if (exitTimeout is { } time)
        {
            SetDefault("exit_timeout_ms", AsyncVfsOptions.Ms(time));
            exitMs = (int)time.TotalMilliseconds;
        }
    }

    /// <summary>A ticket for all that has been committed to a connection's database so far.</summary>
    /// <param name="connection">A connection, as the provider's SafeHandle of it (<c>SqliteConnection.Handle</c>).</param>
    /// <param name="database">The database of the connection: main, or the name it was attached by.</param>
    /// <exception cref="AsyncVfsException">The database is not open through asyncvfs.</exception>
    public static DurabilityTicket GetDurabilityTicket(SafeHandle connection, string database = "main")
    {
        if (connection is null) throw new ArgumentNullException(nameof(connection));
        if (!IsSupported) return DurabilityTicket.Durable;
        RequireRegistered();
        bool held = false;
        try
        {
            connection.DangerousAddRef(ref held);
            return DurabilityTicket.Take(connection.DangerousGetHandle(), database);
        }
        finally
        {
            if (held) connection.DangerousRelease();
        }
    }

    /// <summary>Completes when what several tickets stand for is durable, and has it written at once.</summary>
    /// <exception cref="AsyncVfsException">As for <see cref="DurabilityTicket.WhenDurable"/>.</exception>
    public static Task WhenDurable(IReadOnlyList<DurabilityTicket> tickets, CancellationToken cancellationToken = default)
    {
        if (tickets is null) throw new ArgumentNullException(nameof(tickets));
        return DurabilityWait.For(tickets, cancellationToken);
    }

    /// <summary>Takes up the commits that a process left behind which was killed, and writes them to the file, before a program
    /// without asyncvfs opens it. Each open through asyncvfs does so by itself.</summary>
    /// <param name="path">Of the database: a path, no connection string.</param>
    /// <returns>How many they were since this process opened the database; 0 where asyncvfs does not exist.</returns>
    /// <exception cref="AsyncVfsException">There is no such database, another program uses it, or the disk refuses; or
    /// (SQLITE_WARNING) the commits do not fit the database as it is: they are in the file path + "-avfsredo-refused".</exception>
    public static long Recover(string path)
    {
        if (path is null) throw new ArgumentNullException(nameof(path));
        if (!IsSupported) return 0;
        RequireRegistered();
        int rc = Native.Recover(path, out long replayed);
        if (rc == ResultCode.Ok) return replayed;
        string why = (rc & 0xff) switch
        {
            ResultCode.Busy => "another program, or a transaction of this one, uses it (SQLITE_BUSY)",
            ResultCode.CantOpen => "there is no such file, or it cannot be opened (SQLITE_CANTOPEN)",
            ResultCode.NotADatabase => "it is no SQLite database, or an encrypted one (SQLITE_NOTADB)",
            ResultCode.Warning => "the commits do not fit it any more, or asyncvfs cannot write it (SQLITE_WARNING); ASYNCVFS_LOG tells which",
            _ => ResultCode.Describe(rc),
        };
        throw new AsyncVfsException(rc, $"{path} cannot be recovered: {why}.");
    }

    /// <summary>Returns when all that has been committed so far to all open databases is on the disk.</summary>
    /// <param name="timeout">For all of them together; null: until it is done, or the disk has refused several times in
    /// a row.</param>
    /// <exception cref="AsyncVfsException">The disk refuses, or the time is up. The commits stay, readable, and are
    /// tried again.</exception>
    public static void FlushAll(TimeSpan? timeout = null)
    {
        int ms = Native.Milliseconds(timeout);
        if (!registered) return;
        int rc = Native.Flush(ms);
        foreach ((string path, _) in OpenDatabases.PassedThrough()) PassedFile.Flush(path);
        Check(rc, "Not all databases could be flushed");
    }

    /// <summary>As <see cref="FlushAll"/>, on a thread of its own.</summary>
    public static Task FlushAllAsync(CancellationToken cancellationToken = default) =>
        Background.Run(static () => FlushAll(), cancellationToken);

    /// <summary>As <see cref="FlushAll"/>, on a thread of its own.</summary>
    internal static Task FlushAllAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        _ = Native.Milliseconds(timeout);
        return Background.Run(() => FlushAll(timeout), cancellationToken);
    }

    /// <summary>The databases of this process that are open through asyncvfs, attached ones too, by their full paths.</summary>
    public static IReadOnlyList<string> GetOpenDatabases() => registered ? OpenDatabases.List() : [];

    /// <summary>Those of them that are passed through to SQLite's own VFS, and why.</summary>
    public static IReadOnlyList<AsyncVfsPassedThroughEventArgs> GetPassedThroughDatabases() =>
        [.. OpenDatabases.PassedThrough().Select(static d => new AsyncVfsPassedThroughEventArgs(d.Path, d.Reason))];

    /// <summary>The status of a database that is open through asyncvfs; null: it is not, or it can never be managed.</summary>
    /// <param name="path">Its path, however it is written.</param>
    public static AsyncVfsStatus? GetStatus(string path)
    {
        if (string.IsNullOrEmpty(path)) throw new ArgumentException("The path of a database is expected.", nameof(path));
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

    internal static void Tell(AsyncVfsPassedThroughEventArgs passed)
    {
        Trace.TraceWarning($"asyncvfs: {passed.Path} is passed through to SQLite's own VFS: {passed.Reason}");
        Raise(PassedThrough, passed, nameof(PassedThrough));
    }

    private static void SetDefault(string name, string value)
    {
        int rc = Native.Default(name, value, out string message);
        if (rc != ResultCode.Ok) throw new AsyncVfsException(rc, message);
    }

    private static void RegisterNative(nint module, uint flags)
    {
        try
        {
            Library.Load(Native.Library);
            int rc = Native.Register(module, flags, out string message);
            if (rc == ResultCode.Misuse)
            {
                message = $"asyncvfs serves {(served != 0 ? Library.PathOf(served) : "another SQLite")} in this process, and cannot serve {Library.PathOf(module)} as well: have all providers use one SQLite.";
            }
            if (rc != ResultCode.Ok) throw new AsyncVfsException(rc, message);
            if (!registered) Begin(module);
        }
        catch (DllNotFoundException e)
        {
            throw new AsyncVfsException(
                $"e_asyncvfs.dll for {Library.Architecture} cannot be loaded. The package AsyncVfs has it as runtimes/win-{Library.Architecture}/native/e_asyncvfs.dll: publish that with the application, in this folder or beside it.", e);
        }
        catch (BadImageFormatException e)
        {
            throw new AsyncVfsException(
                $"The e_asyncvfs.dll that was found is not one for {Library.Architecture}, as this process is: take runtimes/win-{Library.Architecture}/native/e_asyncvfs.dll of the package AsyncVfs.", e);
        }
        catch (EntryPointNotFoundException e)
        {
            throw new AsyncVfsException(
                $"The e_asyncvfs.dll that was found is not the one of this version of the package AsyncVfs, which has it as runtimes/win-{Library.Architecture}/native/e_asyncvfs.dll: {e.Message}", e);
        }
    }

    // Once for the process.
    private static void Begin(nint module)
    {
        served = module;
        SqliteModule.Use(module);
        Check(Native.OnError(onError), "asyncvfs cannot report errors");
        OpenDatabases.Start();
        AsyncVfsMetrics.Start();
        WatchTheEnd();
        registered = true;
    }

    // Before the handlers of ProcessExit: the provider's closes its pools there, a database at a time, and each close
    // would wait for a disk that refuses.
    private static void WatchTheEnd()
    {
#if NET
        System.Runtime.Loader.AssemblyLoadContext.Default.Unloading += static _ => Native.End(exitMs);
#else
        AppDomain.CurrentDomain.ProcessExit += static (_, _) => Native.End(exitMs);
        AppDomain.CurrentDomain.DomainUnload += static (_, _) => Native.End(exitMs);
#endif
        AppDomain.CurrentDomain.UnhandledException += static (_, e) =>
        {
            if (e.IsTerminating) Native.End(exitMs);
        };
    }

    // Nothing may leave this method: below it is C.
    private static void OnError(nint arg, Native.Error* native)
    {
        try
        {
            var error = new AsyncVfsErrorEventArgs(*native);
            AsyncVfsMetrics.Count(error);
            DurabilityWait.Refused(error);
            Raise(Error, error, nameof(Error));
        }
        catch (Exception e)
        {
            Trace.TraceError($"asyncvfs: an error could not be reported: {e}");
        }
    }

    private static void Raise<T>(EventHandler<T>? handlers, T args, string name)
    {
        foreach (Delegate handler in handlers?.GetInvocationList() ?? [])
        {
            try
            {
                ((EventHandler<T>)handler)(null, args);
            }
            catch (Exception e)
            {
                Trace.TraceError($"asyncvfs: a handler of AsyncVfsLibrary.{name} failed: {e}");
            }
        }
    }
}
