/* crash.c: see crash.h. */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN = 1 << 14, KEPT = 4, DEPTH = 3 };

sim_history sim_commits;
sim_statistics *sim_stats;

static const char *database;
static uint32_t cut_rate;
static sim_random look;          /* chance for the looking alone */
static sim_disk *failed_image;

/* Images seen in this run, and the content that stock SQLite found in each. */
static struct seen {
  uint64_t image, content;
} seen[SEEN];
static uint32_t seen_count;

static struct kept {
  sim_disk disk;
  uint64_t content;
} kept[KEPT];
static uint32_t kept_count;

int sim_content(sqlite3 *db, uint64_t *hash_out) {
  static const char tables[] = "SELECT name, sql FROM sqlite_schema WHERE type='table' ORDER BY name";
  sqlite3_stmt *list = NULL, *rows = NULL;
  uint64_t h = 1469598103934665603u;
  int rc = sqlite3_prepare_v2(db, tables, -1, &list, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(list)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(list, 0);
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY rowid", name);
    h = sim_hash(h, name, strlen(name));
    h = sim_hash(h, sqlite3_column_text(list, 1), (uint64_t)sqlite3_column_bytes(list, 1));
    rc = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
    sqlite3_free(sql);
    while (rc == SQLITE_OK && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
      int i, n = sqlite3_column_count(rows);
      for (i = 0; i < n; i++) {
        const void *p = sqlite3_column_blob(rows, i);
        h = sim_hash(h, p, (uint64_t)sqlite3_column_bytes(rows, i));
      }
      rc = SQLITE_OK;
    }
    if (rc == SQLITE_DONE) rc = SQLITE_OK;
    sqlite3_finalize(rows);
    rows = NULL;
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  sqlite3_finalize(list);
  *hash_out = h;
  return rc;
}

static int is_allowed(uint64_t content, int trying) {
  uint32_t k;
  for (k = sim_commits.acked; k < sim_commits.count; k++) {
    if (sim_commits.state[k] == content) return 1;
  }
  return trying && content == sim_commits.trying_state;
}

static void dump_failed(void) {
  const char *to = getenv("SIM_DUMP");
  if (to != NULL && failed_image != NULL) sim_disk_dump(failed_image, to);
}

static void tell_wrong(uint64_t content, const char *who, const char *how) {
  uint32_t k;
  for (k = sim_commits.count; k-- > 0;) {
    if (sim_commits.state[k] == content) break;
  }
  if (k == UINT32_MAX) {
    printf("%s finds content %016llx, which is no state of the %u committed (acknowledged: %u: "
           "%016llx; the newest: %016llx)\n", who, (unsigned long long)content,
           sim_commits.count - 1, sim_commits.acked,
           (unsigned long long)sim_commits.state[sim_commits.acked],
           (unsigned long long)sim_commits.state[sim_commits.count - 1]);
  } else {
    printf("%s finds the state after commit %u, but %u was acknowledged (of %u)\n", who, k,
           sim_commits.acked, sim_commits.count - 1);
  }
  sim_fail("%s: not a prefix of the commits", how);
}

static uint32_t slot_of(uint64_t image) {
  uint32_t i = (uint32_t)(image >> 40) % SEEN;
  while (seen[i].image != 0 && seen[i].image != image) i = (i + 1) % SEEN;
  return i;
}

static void recovery_stepped(sim_disk *d);
static int depth;

/* Opens `image` on a copy of its own and says what content it has. */
static uint64_t judge(sim_disk *image, const char *vfs, const char *how) {
  sim_disk *before = sim_current_disk;
  sqlite3 *db = NULL;
  sqlite3_stmt *check = NULL;
  uint64_t content = 0;
  int rc;
  failed_image = image;
  sim_current_disk = image;
  rc = sqlite3_open_v2(database, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL);
  if (rc == SQLITE_OK && sqlite3_step(check) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(check, 0);
    if (strcmp(text, "ok") != 0) sim_fail("%s: integrity_check: %s", how, text);
  } else {
    sim_fail("%s: cannot be opened: %s", how, sqlite3_errmsg(db));
  }
  sqlite3_finalize(check);
  rc = sim_content(db, &content);
  if (rc != SQLITE_OK) sim_fail("%s: cannot be read: %s", how, sqlite3_errmsg(db));
  sqlite3_close(db);
  sim_current_disk = before;
  failed_image = NULL;
  return content;
}

/* A journal that is more than a header of zeros. */
static int has_journal(const sim_disk *d) {
  uint32_t i;
  for (i = 0; i < d->live.count; i++) {
    const sim_file *f = d->live.entries[i].file;
    if (strstr(f->name, "-journal") != NULL && f->live.size > 0 && f->live.data[0] != 0) return 1;
  }
  return 0;
}

static void cut(sim_disk *d, enum sim_cut how_much, const char *how) {
  sim_disk image;
  uint64_t hash;
  uint32_t i;
  sim_stats->cuts++;
  sim_disk_cut(d, how_much, &look, &image);
  hash = sim_disk_hash(&image) | 1;
  i = slot_of(hash);
  if (seen[i].image == 0) {
    int hot = has_journal(&image);
    if (seen_count == SEEN * 3 / 4) {
      memset(seen, 0, sizeof seen);
      seen_count = 0;
      i = slot_of(hash);
    }
    if (kept_count < KEPT && depth == 0 && sim_chance(&look, hot ? 30000 : 2000)) {
      sim_random r = {0};
      sim_disk_cut(&image, SIM_CUT_ALL, &r, &kept[kept_count].disk);
      kept[kept_count++].content = hash;
    }
    sim_stats->images++;
    sim_stats->recovery_images += depth > 0;
    sim_stats->hot += (uint64_t)hot;
    depth++;
    if (hot && depth < DEPTH && sim_chance(&look, 250000)) image.stepped = recovery_stepped;
    {
      uint64_t content = judge(&image, "win32", how);
      depth--;
      i = slot_of(hash);   /* deeper cuts added some */
      seen_count += seen[i].image == 0;
      seen[i].image = hash;
      seen[i].content = content;
    }
  }
  failed_image = &image;
  if (!is_allowed(seen[i].content, sim_commits.trying)) tell_wrong(seen[i].content, "stock SQLite", how);
  failed_image = NULL;
  sim_disk_free(&image);
}

static void recovery_stepped(sim_disk *d) {
  void (*again)(sim_disk *) = d->stepped;
  if (!sim_chance(&look, 150000)) return;
  d->stepped = NULL;
  cut(d, SIM_CUT_SOME, "power cut during recovery");
  if (sim_chance(&look, 300000)) cut(d, SIM_CUT_NONE, "power cut during recovery, none");
  d->stepped = again;
}

static void cut_all_kinds(sim_disk *d) {
  uint32_t n = sim_below(&look, 4);
  sim_frozen++;
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SAVE);
  cut(d, SIM_CUT_NONE, "power cut, nothing pending persists");
  cut(d, SIM_CUT_ALL, "power cut, all that is pending persists");
  while (n-- > 0) cut(d, SIM_CUT_SOME, "power cut, some of what is pending persists");
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_RESTORE);
  sim_frozen--;
}

static void stepped(sim_disk *d) {
  sim_stats->steps++;
  if (sim_frozen == 0 && sim_chance(&look, cut_rate)) cut_all_kinds(d);
}

void sim_crash_watch(sim_disk *d, const char *name, uint32_t rate) {
  sim_on_fail = dump_failed;
  database = name;
  cut_rate = rate;
  look.state = sim_seed ^ 0x5851f42d4c957f2du;
  d->stepped = stepped;
}

void sim_crash_now(sim_disk *d) { cut_all_kinds(d); }

void sim_crash_by_async(void) {
  uint32_t i;
  for (i = 0; i < kept_count; i++) {
    uint64_t stock = seen[slot_of(kept[i].content)].content, content;
    if (stock == 0) continue;   /* forgotten */
    content = judge(&kept[i].disk, "asyncvfs", "recovery by asyncvfs");
    sim_stats->async_images++;
    if (content != stock) {
      sim_fail("recovery by asyncvfs gives %016llx, by stock SQLite %016llx",
               (unsigned long long)content, (unsigned long long)stock);
    }
    sim_disk_free(&kept[i].disk);
  }
}
