using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AsyncVfs.Tests;

[Trait("provider", "any")]
public class EntityFrameworkTests
{
    [Fact]
    public async Task A_new_database_is_managed_and_durable_when_asked()
    {
        using var t = new Database();
        using var log = new Lines();
        using ILoggerFactory factory = LoggerFactory.Create(b => b.AddProvider(log));
        using var context = new NotesContext(Plain(t), factory);
        Assert.True(context.Database.EnsureCreated());
        Assert.Equal(1, log.Count("is created in rollback mode, not in WAL mode"));
        context.Notes.Add(new Note { Text = "saved" });
        await context.SaveChangesAsync(TestContext.Current.CancellationToken);
        AsyncVfsStatus status = AsyncVfsLibrary.GetStatus(t.Path)!;
        Assert.False(status.IsPassedThrough);
        Assert.Equal(TimeSpan.FromSeconds(60), status.MaxLag);
        Assert.True(status.DurableCommits < status.Commits);

        await context.Database.FlushAsync(TestContext.Current.CancellationToken);
        status = AsyncVfsLibrary.GetStatus(t.Path)!;
        Assert.Equal(status.Commits, status.DurableCommits);
    }

    [Fact]
    public async Task A_transaction_commits_durably_and_the_context_goes_on()
    {
        using var t = new Database();
        using var context = new NotesContext(Plain(t));
        context.Database.EnsureCreated();
        for (int i = 0; i < 3; i++)
        {
            using (IDbContextTransaction transaction = await context.Database.BeginTransactionAsync(TestContext.Current.CancellationToken))
            {
                context.Notes.Add(new Note { Text = $"note {i}" });
                await context.SaveChangesAsync(TestContext.Current.CancellationToken);
                await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
                AsyncVfsStatus status = AsyncVfsLibrary.GetStatus(t.Path)!;
                Assert.Equal(status.Commits, status.DurableCommits);
                // The scope of the transaction goes on without it.
                context.Notes.Add(new Note { Text = $"after {i}" });
                await context.SaveChangesAsync(TestContext.Current.CancellationToken);
                await Assert.ThrowsAsync<InvalidOperationException>(() => transaction.CommitDurableAsync(TestContext.Current.CancellationToken));
            }
        }
        Assert.Equal(6, context.Notes.Count());
    }

    [Fact]
    public async Task A_durable_commit_waits_for_attached_databases_too()
    {
        using var t = new Database();
        using var b = new Database(Database.Lazy);
        using var context = new NotesContext(Plain(t));
        context.Database.EnsureCreated();
        await context.Database.OpenConnectionAsync(TestContext.Current.CancellationToken);
        Database.Attach((SqliteConnection)context.Database.GetDbConnection(), b);
        context.Database.ExecuteSqlRaw("CREATE TABLE other.t(x)");
        using (IDbContextTransaction transaction = context.Database.BeginTransaction())
        {
            context.Database.ExecuteSqlRaw("INSERT INTO other.t VALUES(1)");
            await transaction.CommitDurableAsync(TestContext.Current.CancellationToken);
        }
        AsyncVfsStatus status = AsyncVfsLibrary.GetStatus(b.Path)!;
        Assert.Equal((2, 2), (status.Commits, status.DurableCommits));
        context.Database.CloseConnection();
    }

    [Fact]
    public void UseAsyncVfs_says_what_it_needs()
    {
        Assert.Contains("UseAsyncVfs follows UseSqlite", Assert.Throws<InvalidOperationException>(() => new DbContextOptionsBuilder().UseAsyncVfs()).Message);
        Assert.Contains("needs to know the database", Assert.Throws<InvalidOperationException>(() => new DbContextOptionsBuilder().UseSqlite().UseAsyncVfs()).Message);
        var connection = new SqliteConnection("Data Source=app.db");
        DbContextOptionsBuilder<NotesContext> builder = new DbContextOptionsBuilder<NotesContext>().UseSqlite(connection).UseAsyncVfs();
        Assert.Contains("vfs=asyncvfs", connection.ConnectionString);
        Assert.NotNull(builder);
    }

    [Fact]
    public void Exists_creates_and_deletes()
    {
        using var t = new Database();
        using var context = new NotesContext(Plain(t));
        var creator = (IRelationalDatabaseCreator)context.GetService<IDatabaseCreator>();
        Assert.False(creator.Exists());
        Assert.False(File.Exists(t.Path));
        Assert.True(context.Database.EnsureCreated());
        Assert.True(creator.Exists());
        Assert.False(context.Database.EnsureCreated());
        Assert.True(context.Database.EnsureDeleted());
        Assert.False(creator.Exists());
        Assert.False(File.Exists(t.Path));
    }

    [Fact]
    public void A_missing_file_is_CANTOPEN()
    {
        using var t = new Database();
        using var db = new SqliteConnection(t.ConnectionString + ";Mode=ReadWrite");
        Assert.Equal(14, Assert.Throws<SqliteException>(db.Open).SqliteErrorCode);
    }

    [Fact]
    public void Migrations_go_up_and_down()
    {
        using var t = new Database();
        using var context = new NotesContext(Plain(t));
        context.Database.Migrate();
        Assert.Equal(["20260101000000_Notes", "20260102000000_Author"], context.Database.GetAppliedMigrations());
        context.Database.ExecuteSqlRaw("INSERT INTO Notes(Text, Author) VALUES('a', 'b')");
        context.GetService<IMigrator>().Migrate("20260101000000_Notes");
        Assert.Equal(["20260101000000_Notes"], context.Database.GetAppliedMigrations());
        Assert.Equal(1, context.Notes.Count());
        var connection = (SqliteConnection)context.Database.GetDbConnection();
        connection.Open();
        Assert.False(connection.GetAsyncVfsStatus()!.IsPassedThrough);
    }

    [Fact]
    public async Task Saving_is_atomic()
    {
        using var t = new Database();
        using (SqliteConnection db = t.Open()) Database.Execute(db, "PRAGMA journal_mode=delete; CREATE TABLE Notes(Id INTEGER PRIMARY KEY, Text TEXT UNIQUE)");
        using (var context = new NotesContext(t.ConnectionString))
        {
            context.Notes.AddRange(Enumerable.Range(0, 200).Select(i => new Note { Text = $"note {i}" }));
            await context.SaveChangesAsync(TestContext.Current.CancellationToken);
            context.Notes.AddRange(new Note { Text = "new" }, new Note { Text = "note 7" });
            var e = await Assert.ThrowsAsync<DbUpdateException>(() => context.SaveChangesAsync(TestContext.Current.CancellationToken));
            Assert.Equal(19, Assert.IsType<SqliteException>(e.InnerException).SqliteErrorCode);
        }
        using var again = new NotesContext(t.ConnectionString);
        Assert.Equal(200, again.Notes.Count());
        using (IDbContextTransaction transaction = again.Database.BeginTransaction())
        {
            again.Notes.Where(n => n.Id > 100).ExecuteDelete();
            Assert.Equal(100, again.Notes.Count());
            transaction.Rollback();
        }
        Assert.Equal(200, again.Notes.Count());
    }

    private static string Plain(Database t) => $"Data Source={t.Path}";
}

public class Note
{
    public int Id { get; set; }

    public required string Text { get; set; }
}

public class NotesContext(string connectionString, ILoggerFactory? log = null) : DbContext
{
    public DbSet<Note> Notes => Set<Note>();

    protected override void OnConfiguring(DbContextOptionsBuilder optionsBuilder) => optionsBuilder
        .UseSqlite(connectionString)
        .UseAsyncVfs(Tests.Database.Lazy)
        .UseLoggerFactory(log)
        .ConfigureWarnings(w => w.Ignore(RelationalEventId.PendingModelChangesWarning));
}

[DbContext(typeof(NotesContext)), Migration("20260101000000_Notes")]
public class CreateNotes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) =>
        migrationBuilder.CreateTable("Notes", t => new
        {
            Id = t.Column<int>(nullable: false).Annotation("Sqlite:Autoincrement", true),
            Text = t.Column<string>(nullable: false),
        }, constraints: t => t.PrimaryKey("PK_Notes", n => n.Id));

    protected override void Down(MigrationBuilder migrationBuilder) => migrationBuilder.DropTable("Notes");
}

[DbContext(typeof(NotesContext)), Migration("20260102000000_Author")]
public class AddAuthor : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) =>
        migrationBuilder.AddColumn<string>("Author", "Notes", nullable: true);

    // The table is made again without the column, as SQLite's migrations do it.
    protected override void Down(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("ALTER TABLE Notes DROP COLUMN Author");
}
