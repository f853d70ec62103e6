/* crash.c: see crash.h. */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEN = 1 << 14, KEPT = 4, DEPTH = 3 };

sim_history sim_commits[SIM_DATABASES];
const char *const sim_names[SIM_DATABASES] = {"/t/main.db", "/t/b.db", "/t/c.db"};
const char *const sim_schemas[SIM_DATABASES] = {"main", "b", "c"};
int sim_databases = 1;
uint32_t sim_groups[SIM_GROUPS][SIM_DATABASES];
uint32_t sim_group_count;
sim_statistics *sim_stats;

/* What is in the databases. */
typedef struct contents {
  uint64_t of[SIM_DATABASES];
} contents;

static uint32_t cut_rate;
static sim_random look;          /* chance for the looking alone */
static sim_disk *failed_image;

/* Images seen in this run, and the content that stock SQLite found in each. */
static struct seen {
  uint64_t image;
  contents content;
} seen[SEEN];
static uint32_t seen_count;

static struct kept {
  sim_disk disk;
  uint64_t image;
} kept[KEPT];
static uint32_t kept_count;

int sim_content(sqlite3 *db, const char *schema, uint64_t *hash_out) {
  sqlite3_stmt *list = NULL, *rows = NULL;
  uint64_t h = 1469598103934665603u;
  char tables[120];
  int rc;
  snprintf(tables, sizeof tables,
           "SELECT name, sql FROM %s.sqlite_schema WHERE type='table' ORDER BY name", schema);
  rc = sqlite3_prepare_v2(db, tables, -1, &list, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(list)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(list, 0);
    char *sql = sqlite3_mprintf("SELECT * FROM %s.\"%w\" ORDER BY rowid", schema, name);
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

/* Is each group in all its databases or in none, when database d has commit[d]? */
static int groups_are_whole(const uint32_t *commit) {
  uint32_t g;
  int d;
  for (g = 0; g < sim_group_count; g++) {
    int in = 0, out = 0;
    for (d = 0; d < sim_databases; d++) {
      if (sim_groups[g][d] == 0) continue;
      if (commit[d] >= sim_groups[g][d]) in = 1;
      else out = 1;
    }
    if (in && out) return 0;
  }
  return 1;
}

/* Tries all commits that database d and those after it may be at. */
static int fits(const contents *c, int d, uint32_t *commit) {
  const sim_history *h = &sim_commits[d];
  if (d == sim_databases) return groups_are_whole(commit);
  for (commit[d] = h->acked; commit[d] < h->count + (h->trying != 0); commit[d]++) {
    uint64_t state = commit[d] < h->count ? h->state[commit[d]] : h->trying_state;
    if (state == c->of[d] && fits(c, d + 1, commit)) return 1;
  }
  return 0;
}

static void dump_failed(void) {
  const char *to = getenv("SIM_DUMP");
  if (to != NULL && failed_image != NULL) sim_disk_dump(failed_image, to);
}

static void tell_wrong(const contents *c, const char *who, const char *how) {
  int d;
  for (d = 0; d < sim_databases; d++) {
    const sim_history *h = &sim_commits[d];
    uint32_t k = h->count;
    while (k > 0 && h->state[k - 1] != c->of[d]) k--;
    if (k > 0) {
      printf("%s finds %s after commit %u (acknowledged: %u, committed: %u)\n", who, sim_names[d],
             k - 1, h->acked, h->count - 1);
    } else if (h->trying && h->trying_state == c->of[d]) {
      printf("%s finds %s after commit %u, which is being made\n", who, sim_names[d], h->count);
    } else {
      printf("%s finds %s with content %016llx, which is no state of it (acknowledged: %u, "
             "committed: %u)\n", who, sim_names[d], (unsigned long long)c->of[d], h->acked,
             h->count - 1);
    }
  }
  sim_fail("%s: not a prefix of the commits, or a group is torn", how);
}

static uint32_t slot_of(uint64_t image) {
  uint32_t i = (uint32_t)(image >> 40) % SEEN;
  while (seen[i].image != 0 && seen[i].image != image) i = (i + 1) % SEEN;
  return i;
}

static void recovery_stepped(sim_disk *d);
static int depth;

static uint64_t judge_database(int d, const char *vfs, const char *how) {
  sqlite3 *db = NULL;
  sqlite3_stmt *check = NULL;
  uint64_t content = 0;
  int rc = sqlite3_open_v2(sim_names[d], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);
  if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL);
  if (rc == SQLITE_OK && sqlite3_step(check) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(check, 0);
    if (strcmp(text, "ok") != 0) sim_fail("%s: %s: integrity_check: %s", how, sim_names[d], text);
  } else {
    sim_fail("%s: %s cannot be opened: %s", how, sim_names[d], sqlite3_errmsg(db));
  }
  sqlite3_finalize(check);
  rc = sim_content(db, "main", &content);
  if (rc != SQLITE_OK) sim_fail("%s: %s cannot be read: %s", how, sim_names[d], sqlite3_errmsg(db));
  sqlite3_close(db);
  return content;
}

/* Opens the databases of `image`, from number `first` on, and says what they have. */
static contents judge(sim_disk *image, int first, const char *vfs, const char *how) {
  sim_disk *before = sim_current_disk;
  contents c = {{0}};
  int i;
  failed_image = image;
  sim_current_disk = image;
  for (i = 0; i < sim_databases; i++) {
    int d = (first + i) % sim_databases;
    c.of[d] = judge_database(d, vfs, how);
  }
  sim_current_disk = before;
  failed_image = NULL;
  return c;
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
      kept[kept_count++].image = hash;
    }
    sim_stats->images++;
    sim_stats->recovery_images += depth > 0;
    sim_stats->hot += (uint64_t)hot;
    depth++;
    if (hot && depth < DEPTH && sim_chance(&look, 250000)) image.stepped = recovery_stepped;
    {
      int first = sim_databases == 1 ? 0 : (int)sim_below(&look, (uint32_t)sim_databases);
      contents content = judge(&image, first, "win32", how);
      depth--;
      i = slot_of(hash);   /* deeper cuts added some */
      seen_count += seen[i].image == 0;
      seen[i].image = hash;
      seen[i].content = content;
    }
  }
  failed_image = &image;
  {
    uint32_t commit[SIM_DATABASES];
    if (!fits(&seen[i].content, 0, commit)) tell_wrong(&seen[i].content, "stock SQLite", how);
  }
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

void sim_crash_watch(sim_disk *d, uint32_t rate) {
  sim_on_fail = dump_failed;
  cut_rate = rate;
  look.state = sim_seed ^ 0x5851f42d4c957f2du;
  d->stepped = stepped;
}

void sim_crash_now(sim_disk *d) { cut_all_kinds(d); }

void sim_crash_by_async(void) {
  uint32_t i;
  for (i = 0; i < kept_count; i++) {
    const struct seen *stock = &seen[slot_of(kept[i].image)];
    contents c;
    if (stock->image == 0) continue;   /* forgotten */
    c = judge(&kept[i].disk, 0, "asyncvfs", "recovery by asyncvfs");
    sim_stats->async_images++;
    if (memcmp(&c, &stock->content, sizeof c) != 0) {
      tell_wrong(&c, "asyncvfs", "recovery by asyncvfs differs from that by stock SQLite");
    }
    sim_disk_free(&kept[i].disk);
  }
}
