using System.Diagnostics.Metrics;
using Microsoft.Data.Sqlite;
using Xunit;

namespace AsyncVfs.Tests;

[Trait("provider", "any")]
public class MetricsTests
{
    [Fact]
    public async Task A_listener_sees_what_each_database_does()
    {
        using var t = new Database(Database.Lazy);
        using SqliteConnection db = t.Open();
        using var seen = new Collector(t.Path);
        Database.Execute(db, "CREATE TABLE t(x)");
        Assert.Equal(1, seen.Collect("asyncvfs.commits"));
        Assert.Equal(0, seen.Last("asyncvfs.batches"));
        Assert.Equal(db.GetAsyncVfsStatus()!.QueueBytes, seen.Last("asyncvfs.queue.size"));
        Assert.NotEqual(0, seen.Last("asyncvfs.queue.size"));
        Assert.Equal(0, seen.Count("asyncvfs.lag"));

        await db.FlushAsync(TestContext.Current.CancellationToken);
        // A batch gives its pages back a moment after its commits are durable.
        Assert.True(SpinWait.SpinUntil(() => seen.Collect("asyncvfs.queue.size") == 0, TimeSpan.FromSeconds(30)));
        Assert.Equal(1, seen.Last("asyncvfs.batches"));
        Assert.InRange(seen.Last("asyncvfs.flushes"), 3, 4);
        Assert.Equal(0, seen.Last("asyncvfs.stalls"));
        Assert.Equal(1, seen.Count("asyncvfs.lag"));
        Assert.InRange(seen.Last("asyncvfs.lag"), 0.0001, 60);
    }

    [Fact]
    public void Counters_lose_nothing_at_a_close_and_never_fall()
    {
        using var t = new Database();
        using var seen = new Collector(t.Path);
        const int Openings = 5;
        for (int i = 1; i <= Openings; i++)
        {
            using (SqliteConnection db = Database.Connect(t.ConnectionString + ";Pooling=False")) Database.Execute(db, $"CREATE TABLE t{i}(x)");
            Assert.Equal(i, seen.Collect("asyncvfs.commits"));
            Assert.InRange(seen.Last("asyncvfs.batches"), i, double.MaxValue);
            Assert.Equal(seen.Last("asyncvfs.batches"), seen.Count("asyncvfs.lag"));
        }
    }

    [Fact]
    public void Attached_databases_are_seen_too()
    {
        using Database a = new(Database.Lazy), b = new(Database.Lazy);
        using var seen = new Collector(b.Path);
        using SqliteConnection db = Database.Connect(a.ConnectionString + ";Pooling=False");
        Database.Attach(db, b);
        Database.Execute(db, "CREATE TABLE other.t(x)");
        Assert.Equal(1, seen.Collect("asyncvfs.commits"));
        Assert.Contains(b.Path, AsyncVfsLibrary.GetOpenDatabases());
    }

    [Fact]
    public void A_database_that_is_closed_is_not_listed_any_more()
    {
        using var t = new Database();
        using (SqliteConnection db = t.Open())
        {
            Database.Execute(db, "CREATE TABLE t(x)");
            Assert.Contains(t.Path, AsyncVfsLibrary.GetOpenDatabases());
        }
        SqliteConnection.ClearAllPools();
        Assert.DoesNotContain(t.Path, AsyncVfsLibrary.GetOpenDatabases());
        Assert.Null(AsyncVfsLibrary.GetStatus(t.Path));
    }
}

/// <summary>What the meter says of one database.</summary>
internal sealed class Collector : IDisposable
{
    private readonly MeterListener listener = new();
    private readonly Dictionary<string, (int Count, double Last)> seen = [];

    private readonly string? only;

    /// <param name="path">The database.</param>
    /// <param name="only">One instrument; null: all.</param>
    public Collector(string path, string? only = null)
    {
        this.only = only;
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == AsyncVfsLibrary.MeterName && (this.only is null || instrument.Name == this.only)) l.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((i, value, tags, _) => Note(path, i.Name, value, tags));
        listener.SetMeasurementEventCallback<double>((i, value, tags, _) => Note(path, i.Name, value, tags));
        listener.Start();
    }

    public double Collect(string instrument)
    {
        listener.RecordObservableInstruments();
        return Last(instrument);
    }

    public double Last(string instrument) => Of(instrument).Last;

    public int Count(string instrument) => Of(instrument).Count;

    public void Dispose() => listener.Dispose();

    private (int Count, double Last) Of(string instrument)
    {
        lock (seen) return seen.GetValueOrDefault(instrument);
    }

    private void Note(string path, string instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        Assert.Equal("db.namespace", tags[0].Key);
        if (tags[0].Value as string != path) return;
        lock (seen) seen[instrument] = (seen.GetValueOrDefault(instrument).Count + 1, value);
    }
}
