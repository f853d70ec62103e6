using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AsyncVfs;

/// <summary>The meter "AsyncVfs". Nothing is on the way of a commit: the status of each open database is asked
/// for when a listener collects, and once more, by asyncvfs, when its last connection closes.</summary>
/// <remarks>
/// A counter of a database never falls: it is what all openings that are over have counted, and what the present
/// one has. Which of the two an opening belongs to, its id says: they grow.
/// Lock: <see cref="guard"/>. Instruments and asyncvfs may be called under it; neither calls back into here.
/// </remarks>
internal static unsafe class AsyncVfsMetrics
{
    private const int MostDatabases = 10_000;   // that are remembered when they are closed

    private static readonly Meter meter = new(AsyncVfsLibrary.MeterName, typeof(AsyncVfsMetrics).Assembly.GetName().Version?.ToString(3));
    private static readonly Counter<long> errors = meter.CreateCounter<long>(
        "asyncvfs.errors", "{error}", "Batches that the disk refused.");
    private static readonly Histogram<double> lag = meter.CreateHistogram<double>(
        "asyncvfs.lag", "s", "How long the oldest commit of a batch had waited when it was durable.");
    private static readonly Native.ClosedCallback onClosed = OnClosed;

    private static readonly object guard = new();
    private static readonly Dictionary<string, Series> all = new(StringComparer.OrdinalIgnoreCase);

    static AsyncVfsMetrics()
    {
        meter.CreateObservableCounter("asyncvfs.commits", () => Counts(static c => c.Commits), "{commit}", "Commits.");
        meter.CreateObservableCounter("asyncvfs.batches", () => Counts(static c => c.Batches), "{batch}", "Batches written.");
        meter.CreateObservableCounter("asyncvfs.flushes", () => Counts(static c => c.Flushes), "{flush}", "Flushes of the disk.");
        meter.CreateObservableCounter("asyncvfs.stalls", () => Counts(static c => c.Stalls), "{stall}", "Waits of writers for a full queue.");
        meter.CreateObservableGauge("asyncvfs.queue.size", QueueSizes, "By", "What is not on the disk yet.");
        meter.CreateObservableUpDownCounter("asyncvfs.passed_through", PassedThrough, "{database}", "Databases that SQLite's own VFS serves, and why.");
    }

    /// <summary>Has the instruments made, for listeners to find.</summary>
    internal static void Start() => Native.OnClosed(onClosed);

    internal static void Count(AsyncVfsErrorEventArgs error) => errors.Add(1, Tag(error.Path));

    private static KeyValuePair<string, object?> Tag(string path) => new("db.namespace", path);

    private static List<Measurement<long>> Counts(Func<Counters, long> value)
    {
        lock (guard)
        {
            Read();
            return [.. all.Select(s => new Measurement<long>(value(s.Value.Over) + (s.Value.Now is { } now ? value(Counters.Of(now)) : 0), Tag(s.Key)))];
        }
    }

    private static List<Measurement<long>> QueueSizes()
    {
        lock (guard)
        {
            Read();
            return [.. all.Where(static s => s.Value.Now is not null).Select(static s => new Measurement<long>(s.Value.Now!.QueueBytes, Tag(s.Key)))];
        }
    }

    private static IEnumerable<Measurement<long>> PassedThrough() =>
        OpenDatabases.PassedThrough().Select(static d => new Measurement<long>(1, Tag(d.Path), new KeyValuePair<string, object?>("asyncvfs.reason", d.Reason)));

    private static void Read()
    {
        foreach (Series series in all.Values) series.Now = null;
        foreach (string path in OpenDatabases.List())
        {
            if (AsyncVfsStatus.Of(path) is not { } status) continue;
            Series series = SeriesOf(path);
            if (status.Id <= series.LastOver) continue;   // its close has told us already
            series.Now = status;
            TellLags(path, series, status);
        }
    }

    private static Series SeriesOf(string path)
    {
        if (all.TryGetValue(path, out Series? series)) return series;
        if (all.Count >= MostDatabases)
        {
            foreach (string closed in all.Where(static s => s.Value.Now is null).Select(static s => s.Key).ToList()) all.Remove(closed);
        }
        return all[path] = new Series();
    }

    // In the midst of SQLite's work: nothing may leave this method.
    private static void OnClosed(nint arg, byte* path, byte* json)
    {
        try
        {
            string name = Native.Text(path);
            AsyncVfsStatus status = AsyncVfsStatus.Parse(Native.Text(json));
            lock (guard)
            {
                Series series = SeriesOf(name);
                TellLags(name, series, status);
                series.Over = series.Over.Plus(Counters.Of(status));
                series.LastOver = status.Id;
                series.Now = null;
                series.LagsTold = null;
            }
        }
        catch (Exception e)
        {
            Trace.TraceError($"asyncvfs: {e}");
        }
    }

    /// <summary>Records what the histogram has more than the last time.</summary>
    private static void TellLags(string path, Series series, AsyncVfsStatus status)
    {
        IReadOnlyList<long> counts = status.LagHistogram;
        if (series.LagsOf != status.Id) series.LagsTold = null;
        double middle = 0.0005;   // of the class under 1 ms, in seconds; those above it begin at 1, 2, 4 ms
        for (int i = 0; i < counts.Count; i++)
        {
            for (long n = series.LagsTold?[i] ?? 0; n < counts[i]; n++) lag.Record(middle, Tag(path));
            middle = i == 0 ? 0.0015 : middle * 2;
        }
        series.LagsTold = counts;
        series.LagsOf = status.Id;
    }

    private readonly record struct Counters(long Commits, long Batches, long Flushes, long Stalls)
    {
        public static Counters Of(AsyncVfsStatus s) => new(s.Commits, s.Batches, s.Flushes, s.Stalls);

        public Counters Plus(Counters c) => new(Commits + c.Commits, Batches + c.Batches, Flushes + c.Flushes, Stalls + c.Stalls);
    }

    /// <summary>What is known of a database.</summary>
    private sealed class Series
    {
        public Counters Over;                    // of the openings that are over...
        public long LastOver;                    // ...the last of which had this id
        public AsyncVfsStatus? Now;              // at the last reading; null: it is closed
        public IReadOnlyList<long>? LagsTold;    // of the opening...
        public long LagsOf;                      // ...with this id
    }
}
