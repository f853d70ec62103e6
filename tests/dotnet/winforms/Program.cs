// A note that is saved at every keystroke, in Windows Forms on .NET Framework.
using System;
using System.Windows.Forms;
using AsyncVfs;
using Microsoft.Data.Sqlite;

internal static class Program
{
    [STAThread]
    private static void Main()
    {
        AsyncVfsLibrary.Register();
        AsyncVfsLibrary.PassedThrough += (_, passed) => MessageBox.Show($"{passed.Path}: {passed.Reason}");
        using var db = new SqliteConnection(new AsyncVfsOptions { MaxLag = TimeSpan.FromMilliseconds(50) }.ToConnectionString("|DataDirectory|notes.db"));
        db.Open();
        using var save = db.CreateCommand();
        save.CommandText = "CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, text); INSERT OR REPLACE INTO notes VALUES(1, $text)";
        SqliteParameter text = save.Parameters.Add("$text", SqliteType.Text);
        var box = new TextBox { Multiline = true, Dock = DockStyle.Fill };
        box.TextChanged += (_, _) =>
        {
            text.Value = box.Text;
            save.ExecuteNonQuery();
        };
        var form = new Form { Text = "Notes" };
        form.Controls.Add(box);
        form.Deactivate += async (_, _) => await db.FlushAsync();
        form.FormClosing += (_, _) => db.Flush(TimeSpan.FromSeconds(5));
        Application.Run(form);
    }
}
