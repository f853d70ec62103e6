using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

public class RegistrationTests
{
    [Fact]
    public void Registering_again_is_fine()
    {
        Assert.True(AsyncVfsLibrary.Register());
        Assert.True(AsyncVfsLibrary.Register());
        Assert.True(AsyncVfsLibrary.IsRegistered);
        Assert.Matches(@"^\d+\.\d+\.\d+", AsyncVfsLibrary.Version);
    }

    [Fact]
    public void Registering_finds_the_SQLite_of_a_provider_that_was_not_used_yet()
    {
        using var t = new Database();
        Assert.Equal("ok", Child.Finish("register_first", t.Path).Output);
    }

    [Fact]
    public void As_the_default_it_serves_connection_strings_that_name_no_vfs()
    {
        using var t = new Database();
        Assert.Equal("ok", Child.Finish("register_default", t.Path).Output);
    }

    [Fact]
    public void Registering_again_leaves_the_default()
    {
        using var t = new Database();
        Assert.Equal("ok", Child.Finish("register_default_and_again", t.Path).Output);
    }

    [Fact]
    public void Another_SQLite_that_was_loaded_before_is_not_taken_for_the_providers()
    {
        using var t = new Database();
        Assert.Equal("ok", Child.Finish("another_sqlite", t.Path).Output);
    }

    [Fact]
    public void Opening_without_registering_is_SQLites_own_error()
    {
        using var t = new Database();
        Assert.Equal("SqliteException: SQLite Error 1: 'no such vfs: asyncvfs'.", Child.Finish("unregistered", t.Path).Output);
    }

    [Fact]
    public void A_ticket_without_registering_says_what_to_call()
    {
        using var t = new Database();
        Assert.Equal("AsyncVfsException: asyncvfs is not registered: call AsyncVfsLibrary.Register() before a database is opened through it.",
            Child.Finish("ticket_unregistered", t.Path).Output);
    }

    [Fact]
    public void Without_the_library_registering_says_where_it_comes_from()
    {
        using var t = new Database();
        string architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        // The same program, in a folder without e_asyncvfs.dll.
        foreach (string file in Directory.GetFiles(AppContext.BaseDirectory))
        {
            if (Path.GetFileName(file) != "e_asyncvfs.dll") File.Copy(file, t.File(Path.GetFileName(file)));
        }
        string program = t.File(Path.GetFileName(Environment.ProcessPath!));
        Assert.StartsWith($"AsyncVfsException: e_asyncvfs.dll for {architecture} cannot be loaded. The package AsyncVfs has it as runtimes/win-{architecture}/native/e_asyncvfs.dll",
            Child.Finish("register_first", t.Path, program).Output);

        // And with one for a processor that there is no Windows for: Alpha.
        byte[] library = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "e_asyncvfs.dll"));
        BitConverter.TryWriteBytes(library.AsSpan(BitConverter.ToInt32(library, 0x3c) + 4), (short)0x184);
        File.WriteAllBytes(t.File("e_asyncvfs.dll"), library);
        Assert.StartsWith($"AsyncVfsException: The e_asyncvfs.dll that was found is not one for {architecture}, as this process is: take runtimes/win-{architecture}/",
            Child.Finish("register_first", t.Path, program).Output);

        // And with another library by that name.
        File.Copy(t.File("e_sqlite3.dll"), t.File("e_asyncvfs.dll"), overwrite: true);
        Assert.StartsWith("AsyncVfsException: The e_asyncvfs.dll that was found is not the one of this version of the package",
            Child.Finish("register_first", t.Path, program).Output);
    }

    [Fact]
    public void A_module_that_is_no_SQLite_is_refused()
    {
        AsyncVfsLibrary.Register();
        nint kernel = System.Runtime.InteropServices.NativeLibrary.Load("kernel32.dll");
        AsyncVfsException e = Assert.Throws<AsyncVfsException>(() => AsyncVfsLibrary.Register(sqliteModule: kernel));
        Assert.Contains("does not export sqlite3_libversion_number", e.Message);
    }

    [Fact]
    public void The_keyword_of_version_10_opens_it()
    {
        using var t = new Database();
        using SqliteConnection db = Database.Connect($"Data Source={t.Path};Vfs={AsyncVfsLibrary.VfsName}");
        Assert.False(db.GetAsyncVfsStatus()!.IsPassedThrough);
    }

    [Fact]
    public void System_Data_SQLite_opens_it_by_its_own_keyword()
    {
        using var t = new Database();
        // In a process of its own: it configures SQLite, which two providers would have to agree on.
        Assert.Equal("ok", Child.Finish("system_data_sqlite", t.Path).Output);
        using SqliteConnection stock = t.OpenStock();
        Assert.Equal(1, Database.Scalar<int>(stock, "SELECT count(*) FROM t"));
    }
}
