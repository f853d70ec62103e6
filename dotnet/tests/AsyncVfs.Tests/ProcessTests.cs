using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

[Trait("provider", "any")]
public class ProcessTests
{
    [Theory]
    [InlineData("return")]
    [InlineData("exit")]
    [InlineData("throw")]
    public void What_was_committed_is_written_when_the_process_ends(string how)
    {
        using var t = new Database();
        Assert.Equal(how == "throw", Child.Finish(how, t.Path).ExitCode != 0);
        Assert.Equal(Child.Rows, CountRows(t));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_killed_process_loses_nothing_with_durability_Os(bool recover)
    {
        using var t = new Database();
        using (Process child = Child.Start("wait_to_be_killed_os", t.Path))
        {
            Assert.Equal("committed", child.StandardOutput.ReadLine());
            child.Kill();
            child.WaitForExit();
        }
        using (SqliteConnection stock = t.OpenStock()) Assert.True(Database.Scalar<int>(stock, "SELECT count(*) FROM t") < Child.Rows);
        if (recover)
        {
            Assert.InRange(AsyncVfsLibrary.Recover(t.Path), 1, Child.Rows);
            Assert.Equal(0, AsyncVfsLibrary.Recover(t.Path));
            using SqliteConnection stock = t.OpenStock();
            Assert.Equal(Child.Rows, Database.Scalar<int>(stock, "SELECT count(*) FROM t"));
        }
        using SqliteConnection db = t.Open();
        Assert.Equal(Child.Rows, Database.Scalar<int>(db, "SELECT count(*) FROM t"));
        Assert.InRange(db.GetAsyncVfsStatus()!.ReplayedCommits, recover ? 0 : 1, recover ? 0 : Child.Rows);
        Assert.Contains("no such file", Assert.Throws<AsyncVfsException>(() => AsyncVfsLibrary.Recover(t.File("nowhere.db"))).Message);
    }

    [Fact]
    public void A_killed_process_leaves_a_prefix_with_all_that_was_flushed()
    {
        for (int round = 0; round < 3; round++)
        {
            using var t = new Database();
            using (Process child = Child.Start("wait_to_be_killed", t.Path))
            {
                Assert.Equal("flushed", child.StandardOutput.ReadLine());
                Thread.SpinWait(round * 1_000_000);
                child.Kill();
                child.WaitForExit();
            }
            using SqliteConnection stock = t.OpenStock();
            Assert.Equal("ok", Database.Scalar<string>(stock, "PRAGMA integrity_check"));
            Assert.InRange(Database.Scalar<int>(stock, "SELECT count(*) FROM t"), Child.Rows, int.MaxValue);
            Assert.Equal(1, Database.Scalar<int>(stock, "SELECT count(*) = max(x) FROM t"));
        }
    }

    private static int CountRows(Database t)
    {
        using SqliteConnection stock = t.OpenStock();
        Assert.Equal("ok", Database.Scalar<string>(stock, "PRAGMA integrity_check"));
        return Database.Scalar<int>(stock, "SELECT count(*) FROM t");
    }
}
