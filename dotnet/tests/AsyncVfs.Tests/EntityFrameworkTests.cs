using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Xunit;

namespace AsyncVfs.Tests;

[Trait("provider", "any")]
public class EntityFrameworkTests
{
    [Fact]
    public async Task A_new_database_is_in_WAL_mode_and_passed_through_until_it_is_set_to_delete()
    {
        using var t = new Database(Database.Lazy);
        using var context = new NotesContext(t.ConnectionString);
        Assert.True(context.Database.EnsureCreated());
        var db = (SqliteConnection)context.Database.GetDbConnection();
        await db.OpenAsync(TestContext.Current.CancellationToken);
        Assert.True(db.GetAsyncVfsStatus()!.IsPassedThrough);

        context.Database.ExecuteSqlRaw("PRAGMA journal_mode=delete");
        context.Notes.Add(new Note { Text = "ours" });
        await context.SaveChangesAsync(TestContext.Current.CancellationToken);
        AsyncVfsStatus status = db.GetAsyncVfsStatus()!;
        Assert.False(status.IsPassedThrough);
        Assert.True(status.DurableCommits < status.Commits);
        await db.FlushAsync(TestContext.Current.CancellationToken);
        status = db.GetAsyncVfsStatus()!;
        Assert.Equal(status.Commits, status.DurableCommits);
    }

    [Fact]
    public void Exists_creates_and_deletes()
    {
        using var t = new Database();
        using var context = new NotesContext(t.ConnectionString);
        var creator = (Microsoft.EntityFrameworkCore.Storage.IRelationalDatabaseCreator)context.GetService<Microsoft.EntityFrameworkCore.Storage.IDatabaseCreator>();
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
        using (SqliteConnection db = t.Open()) Database.Execute(db, "PRAGMA journal_mode=delete; CREATE TABLE ours(x)");
        using var context = new NotesContext(t.ConnectionString);
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
        using (Microsoft.EntityFrameworkCore.Storage.IDbContextTransaction transaction = again.Database.BeginTransaction())
        {
            again.Notes.Where(n => n.Id > 100).ExecuteDelete();
            Assert.Equal(100, again.Notes.Count());
            transaction.Rollback();
        }
        Assert.Equal(200, again.Notes.Count());
    }
}

public class Note
{
    public int Id { get; set; }

    public required string Text { get; set; }
}

public class NotesContext(string connectionString) : DbContext
{
    public DbSet<Note> Notes => Set<Note>();

    protected override void OnConfiguring(DbContextOptionsBuilder optionsBuilder) => optionsBuilder
        .UseSqlite(connectionString)
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
