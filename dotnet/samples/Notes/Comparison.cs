using System.Diagnostics;
using HdrHistogram;
using Microsoft.Data.Sqlite;
using AsyncVfs;

namespace Notes;

/// <summary>Types the same text into three databases, and shows how long each save took: all of them, not an average.</summary>
internal static class Comparison
{
    private const int WarmUp = 50;   // keystrokes that are saved and not counted: the runtime compiles
    private const int Classes = 13, FirstClassUs = 16;
    private const int BarWidth = 12;

    public static int Run(string text, string folder)
    {
        AsyncVfsLibrary.Register();
        AsyncVfsLibrary.Error += static (_, error) => Console.Error.WriteLine(error.Message);
        string Db(string name) => Path.GetFullPath(Path.Combine(folder, name));
        (string Name, string File, string ConnectionString, string Pragmas)[] ways =
        [
            ("win32, FULL", Db("full.db"), $"Data Source={Db("full.db")}", "PRAGMA journal_mode=delete; PRAGMA synchronous=full"),
            ("win32, WAL + NORMAL", Db("wal.db"), $"Data Source={Db("wal.db")}", "PRAGMA journal_mode=wal; PRAGMA synchronous=normal"),
            ("asyncvfs", Db("async.db"), new AsyncVfsOptions().ToConnectionString(Db("async.db")), "PRAGMA journal_mode=delete; PRAGMA synchronous=full"),
        ];
        var latencies = new List<HistogramBase>();
        var remarks = new List<string>();
        foreach ((string name, string file, string connectionString, string pragmas) in ways)
        {
            Console.WriteLine($"typing {text.Length} keystrokes: {name}");
            using (var store = new NoteStore(connectionString, pragmas))
            {
                Type(store, text[..Math.Min(WarmUp, text.Length)]);
                store.Latency.Reset();
                long start = Stopwatch.GetTimestamp();
                Type(store, text);
                TimeSpan typed = Stopwatch.GetElapsedTime(start);
                long last = Stopwatch.GetTimestamp();
                if (connectionString.Contains("asyncvfs", StringComparison.Ordinal))
                {
                    store.Connection.FlushAsync().GetAwaiter().GetResult();
                    AsyncVfsStatus status = store.Connection.GetAsyncVfsStatus()!;
                    remarks.Add($"asyncvfs: {status.DurableCommits} commits were on the disk {Stopwatch.GetElapsedTime(last).TotalMilliseconds:0} ms after the last keystroke (batches: {status.Batches}, flushes: {status.Flushes}); the longest lag was {status.LongestLag.TotalMilliseconds:0} ms");
                }
                remarks.Add($"{name}: {text.Length / typed.TotalSeconds:0} keystrokes a second");
                latencies.Add(store.Latency);
            }
            remarks.Add($"{name}: read by SQLite alone, {Check(file, text)}");
        }
        Show(ways.Select(static w => w.Name).ToArray(), latencies);
        Console.WriteLine();
        foreach (string remark in remarks) Console.WriteLine(remark);
        return remarks.Exists(static r => r.Contains("WRONG", StringComparison.Ordinal)) ? 1 : 0;
    }

    private static void Type(NoteStore store, string text)
    {
        for (int i = 1; i <= text.Length; i++) store.Save(text[..i], text[i - 1].ToString());
    }

    /// <summary>The database is closed: it must be whole and have every keystroke, to SQLite's own VFS.</summary>
    private static string Check(string file, string text)
    {
        using var db = new SqliteConnection($"Data Source={file};Mode=ReadOnly;Pooling=False");
        db.Open();
        using SqliteCommand command = db.CreateCommand();
        command.CommandText = "SELECT (SELECT integrity_check FROM pragma_integrity_check) = 'ok' AND (SELECT text FROM notes) = $text AND (SELECT count(*) FROM keystrokes) = $n";
        command.Parameters.AddWithValue("$text", text);
        command.Parameters.AddWithValue("$n", text.Length + Math.Min(WarmUp, text.Length));
        return command.ExecuteScalar() is 1L ? "every keystroke is there" : "WRONG: keystrokes are missing";
    }

    private static void Show(string[] names, List<HistogramBase> latencies)
    {
        Console.WriteLine("\nHow many saves took how long:\n");
        Console.WriteLine("                  " + string.Concat(names.Select(static n => n.PadRight(BarWidth + 9))));
        long from = 0;
        for (int i = 0; i < Classes; i++)
        {
            long to = i == Classes - 1 ? long.MaxValue : ((long)FirstClassUs * 1000) << i;
            string label = i == Classes - 1 ? $"{Time(from)} and more" : $"up to {Time(to)}";
            Console.Write(label.PadLeft(16) + "  ");
            foreach (HistogramBase latency in latencies)
            {
                long count = latency.RecordedValues().Where(v => v.ValueIteratedTo > from && v.ValueIteratedTo <= to).Sum(static v => v.CountAtValueIteratedTo);
                int bar = count == 0 ? 0 : (int)Math.Max(1, count * BarWidth / latency.TotalCount);
                Console.Write((count == 0 ? "" : $"{new string('#', bar),-BarWidth} {count,6}").PadRight(BarWidth + 9));
            }
            Console.WriteLine();
            from = to;
        }
        Console.WriteLine();
        foreach ((string label, double percentile) in new[] { ("half within", 50.0), ("99 % within", 99), ("99.9 % within", 99.9), ("all within", 100) })
        {
            Console.WriteLine(label.PadLeft(16) + "  " + string.Concat(latencies.Select(l => Time(l.GetValueAtPercentile(percentile)).PadRight(BarWidth + 9))));
        }
    }

    private static string Time(long ns) => ns < 10_000_000 ? $"{ns / 1000} us" : $"{ns / 1_000_000} ms";
}
