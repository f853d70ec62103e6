/* heirs.c: see heirs.h. */
#include "programs/heirs.h"

#include <stdio.h>
#include <string.h>

#include "faults.h"
#include "kept.h"
#include "parent_vfs.h"
#include "programs/run.h"
#include "programs/shadow.h"
#include "programs/will.h"
#include "seam.h"

enum { TRIES = 60, FAULTY_TRIES = 12 };

static sim_disk disk;
static const sim_kept *image;
static sqlite3 *dbs[SIM_DATABASES];
static int os[SIM_DATABASES], durable[SIM_DATABASES];   /* the connections' durability */
static int faulty, had_faults, gave_up;

static int never(void *arg) {
  (void)arg;
  return 0;
}

static void pause_ms(uint32_t ms) { (void)sim_wait(never, NULL, sim_now_ns + ms * 1000000ull, "a while"); }

static int exec(int d, const char *sql) {
  int rc = sqlite3_exec(dbs[d], sql, NULL, NULL, NULL);
  sim_alive();
  sim_note("SQL    %s: %.90s -> %d", sim_names[d], sql, rc);
  return rc;
}

/* After faults, a batch may wait to be tried again. */
static int is_passing(int rc) { return (rc & 0xff) == SQLITE_BUSY || (had_faults && ((rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_IOERR)); }

static void must(int d, const char *sql) {
  int tries, rc = SQLITE_BUSY;
  for (tries = 0; is_passing(rc) && tries < TRIES; tries++) {
    rc = exec(d, sql);
    if (is_passing(rc)) pause_ms(50);
  }
  if (rc != SQLITE_OK) sim_fail("an heir: %s: error %d: %s", sql, sqlite3_extended_errcode(dbs[d]), sqlite3_errmsg(dbs[d]));
}

static uint64_t content_of(int d) {
  uint64_t h;
  if (sim_content(dbs[d], "main", &h) != SQLITE_OK) sim_fail("an heir cannot read %s: %s", sim_names[d], sqlite3_errmsg(dbs[d]));
  return h;
}

/* ---- what it may be from here on ------------------------------------------------------- */

static int index_of(int d, uint64_t content) {
  sim_history *h = &sim_commits[d];
  uint32_t k = h->count;
  if (h->trying && h->trying_state == content) return -1;
  while (k > 0 && h->state[k - 1] != content) k--;
  return (int)k - 1;
}

/* The database is at this state, and what was committed after it is gone for good. */
static void settle(int d, uint64_t content) {
  sim_history *h = &sim_commits[d];
  int k = index_of(d, content);
  if (k < 0) k = (int)h->count;
  h->count = (uint32_t)k;
  sim_kept_shortened(d);
  h->state[h->count++] = content;
  h->trying = 0;
  h->kept = (uint32_t)k;
  if (h->acked > h->kept) h->acked = h->kept;
}

/* A commit that has returned. */
static void add_state(int d, uint64_t content) {
  sim_history *h = &sim_commits[d];
  h->state[h->count++] = content;
  h->trying = 0;
}

/* ---- before it comes --------------------------------------------------------------------- */

/* A copy of the database stands in its place: no ring is its own. */
static void move_databases(void) {
  sim_contents c = sim_crash_by_stock(&disk, "a copied database");
  int d;
  for (d = 0; d < sim_databases; d++) {
    sim_file *f = sim_disk_find(&disk, sim_names[d]);
    if (f != NULL) f->id = ++disk.last_id;
    settle(d, c.of[d]);
  }
  sim_group_count = 0;
}

/* A stock program has come first, and opens one of them, to write or only to read. */
static void come_first(void) {
  sim_contents c = sim_crash_by_stock(&disk, "before a foreign program");
  int d = (int)below((uint32_t)sim_databases), writes = chance(75), i, n = 1 + (int)below(3);
  for (i = 0; i < sim_databases; i++) {   /* a group is whole only when all are rolled back */
    sqlite3_open_v2(sim_names[i], &dbs[i], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "win32");
    if (content_of(i) != c.of[i]) sim_fail("a foreign program finds something else");
  }
  if (writes) settle(d, c.of[d]);
  for (i = 0; writes && i <= n; i++) {
    char sql[120];
    snprintf(sql, sizeof sql, i == 0 ? "CREATE TABLE IF NOT EXISTS stranger(x)" : "INSERT INTO stranger VALUES(%u)", below(1u << 30));
    must(d, sql);
    add_state(d, content_of(d));
    sim_commits[d].kept = sim_commits[d].count - 1;   /* its journal may come back after a power cut */
  }
  for (i = 0; i < sim_databases; i++) {
    sqlite3_close(dbs[i]);
    dbs[i] = NULL;
  }
  sim_group_count = 0;
}

/* A stock program reads: nothing changes under it, and who takes the commits up waits for it. It stays,
 * with what it has cached. */
static sqlite3 *reader;
static int reader_of;

static void read_meanwhile(void) {
  int d = (int)below((uint32_t)sim_databases), rc;
  uint64_t before, now = 0;
  sqlite3_open_v2(sim_names[d], &reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "win32");
  if (sqlite3_exec(reader, "BEGIN", NULL, NULL, NULL) != SQLITE_OK || sim_content(reader, "main", &before) != SQLITE_OK) {
    sim_fail("a stock reader cannot read: %s", sqlite3_errmsg(reader));
  }
  sqlite3_open_v2(sim_names[d], &dbs[d], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs");
  rc = sim_content(dbs[d], "main", &now);
  sim_note("READ   beside a stock reader: %d", rc);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) sim_fail("beside a stock reader: error %d: %s", sqlite3_extended_errcode(dbs[d]), sqlite3_errmsg(dbs[d]));
  if (rc == SQLITE_OK && now != before) sim_fail("beside a stock reader asyncvfs finds another state");
  pause_ms(below(500));
  if (sim_content(reader, "main", &now) != SQLITE_OK || now != before) sim_fail("the content has changed under a stock reader");
  sqlite3_close(dbs[d]);
  dbs[d] = NULL;
  if (sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) sim_fail("a stock reader cannot end");
  reader_of = d;
  sim_strangers++;
}

static void read_at_last(void) {
  const sim_history *h = &sim_commits[reader_of];
  uint64_t now = 0;
  int rc;
  if (reader == NULL) return;
  rc = sim_content(reader, "main", &now);
  if (rc != SQLITE_OK) sim_fail("a stock reader cannot read at last: %s", sqlite3_errmsg(reader));
  if (now != h->state[h->count - 1]) sim_fail("a stock reader has not seen what was taken up");
  sqlite3_close(reader);
}

static void read_without_writing(void) {
  int d = (int)below((uint32_t)sim_databases), rc;
  uint64_t h;
  rc = sqlite3_open_v2(sim_names[d], &dbs[d], SQLITE_OPEN_READONLY, "asyncvfs");
  if (rc == SQLITE_OK) rc = sim_content(dbs[d], "main", &h);
  sim_note("READ   only: %d", sqlite3_extended_errcode(dbs[d]));
  if (rc == SQLITE_OK) {
    int k = index_of(d, h);
    if (k >= 0 && image->killed && k < (int)sim_commits[d].kept) sim_fail("a reader finds state %d of %s, where %u is kept", k, sim_names[d], sim_commits[d].kept);
    if (k < 0 && !sim_commits[d].trying) sim_fail("a reader finds what is no state");
  } else if (rc != SQLITE_READONLY && rc != SQLITE_CANTOPEN) {
    sim_fail("a reader: error %d: %s", sqlite3_extended_errcode(dbs[d]), sqlite3_errmsg(dbs[d]));
  }
  sqlite3_close(dbs[d]);
  dbs[d] = NULL;
}

/* A batch that makes it a WAL database, killed between its journal's last write and the flush of that: who
 * comes next uses the -wal and never touches the journal, which a power cut then makes hot again. Stock
 * SQLite with journal_mode=PERSIST does the same. So here the system has written all meanwhile. */
static void settle_wal(void) {
  int d, is_wal = 0;
  for (d = 0; d < sim_databases; d++) {
    const sim_file *f = sim_disk_find(&disk, sim_names[d]);
    is_wal |= f != NULL && f->live.size > 100 && f->live.data[18] == 2;
  }
  if (is_wal) {
    sim_disk settled;
    sim_disk_copy(&disk, &settled);
    sim_disk_free(&disk);
    disk = settled;
    sim_disk_cuttable(&disk);
  }
}

/* ---- it comes ------------------------------------------------------------------------------ */

static void draw_faults(void) {
  static const uint32_t rates[] = {2000, 10000, 50000, 200000};
  uint32_t what = below(100);
  faulty = had_faults = what < 30;
  if (what < 10) sim_io_faults.rate = rates[below(4)];
  else if (what < 20) sim_parent_faults.rate = rates[below(4)];
  else if (what < 30) sim_memory_faults.rate = rates[below(4)];
}

static void stop_faults(void) {
  sim_end_faults();
  faulty = 0;
}

static int is_expected(int rc) {
  rc &= 0xff;
  if (rc == SQLITE_BUSY) return 1;
  return faulty && (rc == SQLITE_IOERR || rc == SQLITE_NOMEM || rc == SQLITE_FULL || rc == SQLITE_CANTOPEN ||
                    rc == SQLITE_ABORT || rc == SQLITE_NOTADB || rc == SQLITE_READONLY);
}

static int integrity_is_ok(int d) {
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(dbs[d], "PRAGMA integrity_check", -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (rc == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0) {
    if (faulty) rc = SQLITE_IOERR;   /* it could not read */
    else sim_fail("after recovery by asyncvfs, %s: integrity_check: %s", sim_names[d], (const char *)sqlite3_column_text(s, 0));
  }
  sqlite3_finalize(s);
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int open_and_read(int d, uint64_t *content_out) {
  char sql[200];
  int rc = sqlite3_open_v2(sim_names[d], &dbs[d], SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs");
  if (rc == SQLITE_OK) {
    sqlite3_extended_result_codes(dbs[d], 1);
    sim_add_functions(dbs[d]);
    sqlite3_busy_timeout(dbs[d], 100);
    snprintf(sql, sizeof sql, "PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL; PRAGMA asyncvfs_durability=%s",
             durable[d] ? "disk" : os[d] ? "os" : "memory");
    rc = exec(d, sql);
  }
  if (rc == SQLITE_OK) rc = integrity_is_ok(d);
  if (rc == SQLITE_OK) rc = sim_content(dbs[d], "main", content_out);
  return rc;
}

static void open_all(sim_contents *c) {
  int first = (int)below((uint32_t)sim_databases), i;
  for (i = 0; i < sim_databases; i++) {
    int d = (first + i) % sim_databases, tries = 0, rc;
    uint32_t durability = below(100);
    os[d] = durability < 70;
    durable[d] = durability > 90;
    for (;;) {
      rc = open_and_read(d, &c->of[d]);
      sim_note("OPEN   %s by an heir -> %d", sim_names[d], rc);
      if (rc == SQLITE_OK) break;
      if (!is_expected(rc)) sim_fail("an heir cannot open %s: error %d: %s", sim_names[d], rc, sqlite3_errmsg(dbs[d]));
      sqlite3_close(dbs[d]);
      dbs[d] = NULL;
      if (++tries == FAULTY_TRIES) stop_faults();
      if (tries == TRIES) sim_fail("an heir cannot open %s: error %d", sim_names[d], rc);
      pause_ms(50);
      sim_alive();
    }
  }
  stop_faults();
}

/* ---- what it does ---------------------------------------------------------------------------- */

static void commit_one(int d) {
  sim_history *h = &sim_commits[d];
  char sql[160];
  must(d, "BEGIN IMMEDIATE");
  must(d, "CREATE TABLE IF NOT EXISTS heir(id INTEGER PRIMARY KEY, b)");
  snprintf(sql, sizeof sql, "INSERT INTO heir(b) VALUES(sim_blob(%u,%u))", below(1u << 30), below(3000));
  must(d, sql);
  h->trying_state = content_of(d);
  h->trying = 1;
  must(d, "COMMIT");
  add_state(d, h->trying_state);
  if (os[d] || durable[d]) h->kept = h->count - 1;
  if (durable[d]) h->acked = h->count - 1;
  sim_stats.commits++;
}

static void close_all(void) {
  int d;
  for (d = 0; d < sim_databases; d++) {
    if (sqlite3_close(dbs[d]) != SQLITE_OK) sim_fail("an heir cannot close");
    dbs[d] = NULL;
  }
}

/* The last close of a database whose disk fails: it gives up, and the next open has what is kept. */
static void give_up(void) {
  sim_contents c;
  int d;
  for (d = 0; d < sim_databases; d++) must(d, "PRAGMA asyncvfs_close=abandon; PRAGMA asyncvfs_close_timeout_ms=100");
  sim_io_faults.failing = 1;
  close_all();
  gave_up = had_faults = 1;
  sim_heal();
  open_all(&c);
  sim_crash_check(&c, 1, "asyncvfs", "after a close that gave up");
  for (d = 0; d < sim_databases; d++) settle(d, c.of[d]);
}

static void check_end(void) {
  sim_contents c = sim_crash_by_stock(&disk, "after an heir");
  int d;
  for (d = 0; d < sim_databases; d++) {
    if (c.of[d] != sim_commits[d].state[sim_commits[d].count - 1]) sim_fail("after an heir stock SQLite finds another state of %s", sim_names[d]);
  }
}

static void live(void *arg) {
  sim_contents c, stock;
  int d, n;
  (void)arg;
  sim_strangers = 0;
  sim_alone = chance(60) ? 0 : -1;
  settle_wal();
  if (chance(5)) move_databases();
  else if (chance(8)) come_first();
  sim_crash_watch_recovery(&disk, image->depth, image->hash);
  stock = sim_crash_by_stock(&disk, "before an heir");
  if (chance(8)) read_without_writing();
  else if (chance(6)) read_meanwhile();
  draw_faults();
  open_all(&c);
  sim_crash_check(&c, image->killed, "asyncvfs", image->killed ? "recovery by asyncvfs after a kill" : "recovery by asyncvfs after a power cut");
  sim_stats.async_more += memcmp(&c, &stock, sizeof c) != 0;
  for (d = 0; d < sim_databases; d++) settle(d, c.of[d]);
  sim_group_count = 0;
  for (d = 0; had_faults && d < sim_databases; d++) must(d, "PRAGMA asyncvfs_flush");
  for (n = chance(50) ? (int)below(5) : 0; n > 0; n--) {
    commit_one((int)below((uint32_t)sim_databases));
    if (chance(20)) pause_ms(below(300));
  }
  if (chance(10)) give_up();
  close_all();
  for (d = 0; d < sim_databases; d++) sim_commits[d].acked = sim_commits[d].kept = sim_commits[d].count - 1;
  disk.stepped = NULL;
  read_at_last();
  check_end();
  if (sim_parent_files > 0) sim_fail("%d files are still open", sim_parent_files);
  if (gave_up) sim_heap_blocks = 0;   /* the registry remembers it */
  sim_seam_end();
}

void sim_heir_run(void *arg) {
  uint32_t i = *(uint32_t *)arg;
  static const uint32_t switch_rates[] = {0, 5000, 50000, 300000};
  image = sim_kept_take(i, &disk);
  sim_current_disk = &disk;
  sim_will.state = sim_hash(sim_seed, &image->hash, sizeof image->hash);
  sim_fate.state = sim_draw(&sim_will);
  sqlite3_randomness(0, NULL);
  sim_switch_rate = switch_rates[below(4)];
  sim_flush_ms = (int)below(8);
  sim_note("HEIR   %u, of step %llu: %s, depth %d", i, (unsigned long long)image->step, image->killed ? "a kill" : "a power cut", image->depth);
  sim_world_run(live, NULL);
  sim_stats.async_images++;
  sim_stats.async_kills += (uint64_t)image->killed;
  sim_stats.async_deep += image->depth > 0;
  if (sim_is_new_image == NULL || sim_is_new_image(image->hash)) sim_stats.images++;
}
