using System.Runtime.InteropServices;
using System.Text;

namespace AsyncVfs;

/// <summary>Native libraries, on Windows.</summary>
internal static unsafe class Library
{
    /// <summary>The module of this name, if it is loaded; else 0.</summary>
    internal static nint Handle(string name) =>
        GetModuleHandleW(name.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) ? name : name + ".dll");

    internal static string PathOf(nint module)
    {
        var path = new char[32768];
        fixed (char* p = path) return new string(path, 0, (int)GetModuleFileNameW(module, p, (uint)path.Length));
    }

    /// <summary>Of this process, as in the names of runtimes: x64, x86, arm64.</summary>
    internal static string Architecture { get; } = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

#if NET
    /// <summary>As DllImport finds it.</summary>
    internal static bool TryLoad(string name, out nint module) =>
        NativeLibrary.TryLoad(name, typeof(Library).Assembly, null, out module);

    /// <exception cref="DllNotFoundException">There is none.</exception>
    /// <exception cref="BadImageFormatException">There is one for another architecture.</exception>
    internal static void Load(string name) => NativeLibrary.Load(name, typeof(Library).Assembly, null);

    internal static nint Export(nint module, string function) => NativeLibrary.GetExport(module, function);
#else
    private const int BadExeFormat = 193;

    /// <summary>Beside the application, or in the folder of its architecture.</summary>
    internal static bool TryLoad(string name, out nint module) => TryLoad(name, out module, out _);

    /// <exception cref="DllNotFoundException">There is none.</exception>
    /// <exception cref="BadImageFormatException">There is one for another architecture.</exception>
    internal static void Load(string name)
    {
        if (TryLoad(name, out _, out bool isForeign)) return;
        throw isForeign ? new BadImageFormatException(name + ".dll") : new DllNotFoundException(name + ".dll");
    }

    private static bool TryLoad(string name, out nint module, out bool isForeign)
    {
        string folder = AppDomain.CurrentDomain.BaseDirectory, file = name + ".dll";
        isForeign = false;
        foreach (string path in new[] { Path.Combine(folder, file), Path.Combine(folder, "runtimes", "win-" + Architecture, "native", file), file })
        {
            module = LoadLibraryW(path);
            if (module != 0) return true;
            isForeign |= Marshal.GetLastWin32Error() == BadExeFormat;
        }
        module = 0;
        return false;
    }

    internal static nint Export(nint module, string function)
    {
        nint address = GetProcAddress(module, Encoding.ASCII.GetBytes(function + "\0"));
        return address != 0 ? address : throw new EntryPointNotFoundException($"{PathOf(module)} does not export {function}");
    }

    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true, SetLastError = true)]
    private static extern nint LoadLibraryW(string path);

    [DllImport("kernel32", ExactSpelling = true)]
    private static extern nint GetProcAddress(nint module, byte[] name);
#endif

#pragma warning disable SYSLIB1054   // LibraryImport: not in .NET Framework
    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true)]
    private static extern nint GetModuleHandleW(string name);

    [DllImport("kernel32", CharSet = CharSet.Unicode, ExactSpelling = true)]
    private static extern uint GetModuleFileNameW(nint module, char* path, uint length);
#pragma warning restore SYSLIB1054
}
