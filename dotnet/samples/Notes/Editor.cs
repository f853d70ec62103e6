using AsyncVfs;

namespace Notes;

/// <summary>Every key is saved before the next is read; what it costs stands in the last line.</summary>
internal static class Editor
{
    public static async Task Run(string file)
    {
        AsyncVfsLibrary.Register();
        AsyncVfsLibrary.Error += static (_, error) => Console.Error.WriteLine(error.Message);
        using var store = new NoteStore(new AsyncVfsOptions().ToConnectionString(Path.GetFullPath(file)), "PRAGMA journal_mode=delete");
        string text = store.Text;
        for (; ; )
        {
            Draw(store, text);
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Escape) break;
            if (key.Key == ConsoleKey.Backspace && text.Length > 0) text = text[..^1];
            else if (key.Key == ConsoleKey.Enter) text += '\n';
            else if (!char.IsControl(key.KeyChar)) text += key.KeyChar;
            else continue;
            store.Save(text, key.KeyChar.ToString());
        }
        await store.Connection.FlushAsync();
        Console.WriteLine("\nSaved: all of it is on the disk.");
    }

    private static void Draw(NoteStore store, string text)
    {
        Console.Clear();
        Console.WriteLine(text + "_");
        string waiting = store.Connection.GetAsyncVfsStatus() is { } status ? $", {status.Commits - status.DurableCommits} not on the disk yet" : "";
        Console.WriteLine($"\n[{store.Latency.TotalCount} saves, half of them within {store.Latency.GetValueAtPercentile(50) / 1000} us, " +
            $"the slowest {store.Latency.GetValueAtPercentile(100) / 1000} us{waiting}; Esc ends]");
    }
}
