using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace AsyncVfs;

/// <summary>The meter "AsyncVfs". Nothing is on the way of a commit: the status of each open database is asked
/// for when a listener collects.</summary>
internal static class AsyncVfsMetrics
{
    // One collection asks several instruments in a row: they share what was read.
    private static readonly TimeSpan fresh = TimeSpan.FromMilliseconds(100);

    private static readonly Meter meter = new("AsyncVfs", typeof(AsyncVfsMetrics).Assembly.GetName().Version?.ToString(3));
    private static readonly Counter<long> errors = meter.CreateCounter<long>(
        "asyncvfs.errors", "{error}", "Batches that the disk refused.");
    private static readonly Histogram<double> lag = meter.CreateHistogram<double>(
        "asyncvfs.lag", "s", "How long the oldest commit of a batch had waited when it was durable.");

    private static readonly object guard = new();
    private static List<(string Path, AsyncVfsStatus Status)> databases = [];
    private static Dictionary<string, IReadOnlyList<long>> lagsTold = [];
    private static long read;

    static AsyncVfsMetrics()
    {
        meter.CreateObservableCounter("asyncvfs.commits", () => Each(static s => s.Commits), "{commit}", "Commits.");
        meter.CreateObservableCounter("asyncvfs.batches", () => Each(static s => s.Batches), "{batch}", "Batches written.");
        meter.CreateObservableCounter("asyncvfs.flushes", () => Each(static s => s.Flushes), "{flush}", "Flushes of the disk.");
        meter.CreateObservableCounter("asyncvfs.stalls", () => Each(static s => s.Stalls), "{stall}", "Waits of writers for a full queue.");
        meter.CreateObservableGauge("asyncvfs.queue.size", () => Each(static s => s.QueueBytes), "By", "What is not on the disk yet.");
    }

    /// <summary>Has the instruments made, for listeners to find.</summary>
    internal static void Start()
    {
    }

    internal static void Count(AsyncVfsErrorEventArgs error) => errors.Add(1, Tag(error.Path));

    private static KeyValuePair<string, object?> Tag(string path) => new("db.name", path);

    private static IEnumerable<Measurement<long>> Each(Func<AsyncVfsStatus, long> value) =>
        Read().Select(d => new Measurement<long>(value(d.Status), Tag(d.Path)));

    private static List<(string Path, AsyncVfsStatus Status)> Read()
    {
        lock (guard)
        {
            if (read != 0 && Stopwatch.GetElapsedTime(read) < fresh) return databases;
            List<(string Path, AsyncVfsStatus Status)> now = [];
            foreach (string path in OpenDatabases.List())
            {
                if (AsyncVfsStatus.Of(path) is { } status) now.Add((path, status));
            }
            TellLags(now);
            databases = now;
            read = Stopwatch.GetTimestamp();
            return now;
        }
    }

    /// <summary>Records what the status' histograms have more than at the collection before.</summary>
    private static void TellLags(List<(string Path, AsyncVfsStatus Status)> now)
    {
        foreach ((string path, AsyncVfsStatus status) in now)
        {
            IReadOnlyList<long> counts = status.LagHistogram;
            IReadOnlyList<long>? told = lagsTold.GetValueOrDefault(path);
            // A database that was closed and opened again counts from 0.
            if (told is not null && (told.Count != counts.Count || told.Sum() > counts.Sum())) told = null;
            double middle = 0.0005;   // of the class under 1 ms, in seconds; those above it begin at 1, 2, 4 ms
            for (int i = 0; i < counts.Count; i++)
            {
                for (long n = told?[i] ?? 0; n < counts[i]; n++) lag.Record(middle, Tag(path));
                middle = i == 0 ? 0.0015 : middle * 2;
            }
        }
        lagsTold = now.ToDictionary(static d => d.Path, static d => d.Status.LagHistogram);
    }
}
