/* programs.c: see programs.h. */
#include "programs/programs.h"

#include <stdio.h>
#include <string.h>

#include "faults.h"
#include "parent_vfs.h"
#include "programs/commits.h"
#include "programs/shadow.h"
#include "programs/sweep.h"
#include "programs/will.h"
#include "seam.h"
#include "store/registry.h"
#include "vfs/vfs.h"

const char *const sim_journal_modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};

/* ---- a statement --------------------------------------------------------------------- */

int sim_exec(sim_program *p, const char *sql) {
  char *message = NULL;
  int rc;
  sim_stock_calls = p->stock;
  rc = sqlite3_exec(p->db, sql, NULL, NULL, &message);
  sim_stock_calls = 0;
  sim_note("SQL    %s: %.90s -> %d %s", p->name, sql, rc, message == NULL ? "" : message);
  sqlite3_free(message);
  if ((rc & 0xff) == SQLITE_BUSY) sim_stats.busy++;
  return rc;
}

/* Errors that a correct VFS may give when nothing fails but locks. */
static int is_expected(int extended) {
  int rc = extended & 0xff;
  if (rc == SQLITE_OK || rc == SQLITE_BUSY) return 1;
  /* A rollback trips the cursors of all connections of the cache (btree.c,
   * sqlite3BtreeTripAllCursors): their statements are aborted. */
  if (sim_run.shared_cache && (rc == SQLITE_LOCKED || rc == SQLITE_ABORT)) return 1;
  if (!sim_run.no_memory && !sim_run.faults) return 0;
  if (sim_run.no_memory && rc == SQLITE_NOMEM) return 1;
  if (sim_run.faults && (rc == SQLITE_FULL || rc == SQLITE_CANTOPEN)) return 1;
  /* NOTADB is SQLite's own: its pager takes a database that another process makes for the one
   * that it could not make itself. */
  return rc == SQLITE_IOERR || rc == SQLITE_ABORT || rc == SQLITE_NOTADB;
}

void sim_expect(sim_program *p, int rc, const char *sql) {
  /* SQLite does not look for a newer schema while the database is locked. */
  if ((rc == SQLITE_ERROR || rc == SQLITE_SCHEMA) &&
      strncmp(sqlite3_errmsg(p->db), "no such table", 13) == 0) {
    return;
  }
  if ((rc == SQLITE_ERROR || rc == SQLITE_SCHEMA) && strstr(sqlite3_errmsg(p->db), "already exists") != NULL) {
    return;
  }
  if (!is_expected(rc)) {
    sim_fail("%s: %.100s: error %d: %s", p->name, sql, sqlite3_extended_errcode(p->db),
             sqlite3_errmsg(p->db));
  }
}

static int never(void *arg) {
  (void)arg;
  return 0;
}

void sim_sleep_ms(uint32_t ms) {
  sim_wait(never, NULL, sim_now_ns + (uint64_t)ms * 1000000, "a while");
}

/* ---- opening ------------------------------------------------------------------------ */

static void limit_queue(avfs_store *s, void *arg) {
  (void)arg;
  avfs_store_enter(s);
  s->settings.value[AVFS_MAX_QUEUE_BYTES] = sim_run.queue_bytes;
  avfs_store_leave(s);
}

/* The same for each database. */
static int configure(sim_program *p, int d, int mode, const char *synchronous) {
  const char *schema = sim_schemas[d];
  char sql[300];
  int rc = SQLITE_BUSY, tries;
  if (sim_run.second_name) {   /* before anything is written in another mode */
    snprintf(sql, sizeof sql, "PRAGMA main.journal_mode=%s", sim_journal_modes[mode]);
    (void)sim_exec(p, sql);
  }
  snprintf(sql, sizeof sql,
           "PRAGMA %s.page_size=%d; PRAGMA %s.auto_vacuum=%d; PRAGMA %s.cache_size=%d; "
           "PRAGMA %s.synchronous=%s; PRAGMA temp_store=MEMORY; PRAGMA %s.journal_mode=%s;",
           schema, sim_run.page_size, schema, sim_run.auto_vacuum, schema,
           chance(50) ? (int)(5 + below(10)) : 500, schema, synchronous, schema, sim_journal_modes[mode]);
  for (tries = 0; rc != SQLITE_OK && tries < 20; tries++) {
    rc = sim_exec(p, sql);
    if (rc != SQLITE_OK) sim_sleep_ms(50);
  }
  if (rc != SQLITE_OK && sim_run.second_name) return rc;
  if (rc != SQLITE_OK) p->super = 0;
  if (!p->stock && chance(50)) {
    snprintf(sql, sizeof sql, "PRAGMA %s.mmap_size=%d", schema, chance(70) ? 1 << 26 : (int)below(100000));
    (void)sim_exec(p, sql);
  }
  if (p->exclusive) (void)sim_exec(p, "PRAGMA locking_mode=EXCLUSIVE");
  if (p->stock) return rc;
  snprintf(sql, sizeof sql, "PRAGMA %s.asyncvfs_max_lag_ms=%u; PRAGMA %s.asyncvfs_durability=%s",
           schema, sim_run.lag_ms, schema, p->disk ? "disk" : p->os ? "os" : "memory");
  rc = sim_exec(p, sql);
  if (rc != SQLITE_OK) p->disk = p->os = 0;   /* it has said nothing */
  return rc;
}

static int pick_mode(const sim_program *p) {
  int mode = (int)below(p->stock ? 3 : 5);
  return sim_run.second_name ? 1 : sim_run.only_delete ? 0 : mode;
}

/* As often as an allocation, or a call, fails. */
static void open_handle(sim_program *p, const char *name, int shared) {
  int rc, tries = 0;
  if (sim_sweep.plan == NULL) sim_memory_faults.at = sim_run.no_memory && chance(30) ? 1 + below(12) : 0;
  do {
    sqlite3_close(p->db);
    rc = sqlite3_open_v2(name, &p->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                         (shared ? SQLITE_OPEN_SHAREDCACHE : 0), p->stock ? "win32" : "asyncvfs");
    sim_heal();
    if (sim_sweep.plan == NULL) sim_memory_faults.at = 0;   /* later it would be another program, passed through */
  } while ((rc == SQLITE_NOMEM && sim_run.no_memory) || (rc != SQLITE_OK && sim_run.faults && ++tries < 20));
  if (rc != SQLITE_OK) sim_fail("%s cannot open: %s", p->name, sqlite3_errmsg(p->db));
}

/* While another has it locked; longer than a stall. */
static void attach(sim_program *p, int d) {
  char sql[100];
  int rc = SQLITE_BUSY, tries;
  snprintf(sql, sizeof sql, "ATTACH '%s' AS %s", sim_names[d], sim_schemas[d]);
  for (tries = 0; rc != SQLITE_OK && tries < 150; tries++) {
    rc = sim_exec(p, sql);
    if (rc != SQLITE_OK) sim_sleep_ms(20);
    if (tries % 20 == 19) sim_end_others(p), sim_heal();
    /* Stock SQLite would not get in either: a stock connection that failed to end its journal
     * keeps it open, and nobody else can delete it. */
    if (tries == 79) sim_close_stock(p);
  }
  if (rc != SQLITE_OK) sim_fail("%s cannot attach %s: %s", p->name, sim_names[d], sqlite3_errmsg(p->db));
}

void sim_open_program(sim_program *p) {
  static const int busy_ms[] = {0, 10, 100, 400};
  const char *name = sim_run.second_name == 2 && chance(50) ? sim_second_name : sim_names[0];
  const char *synchronous = p->stock || sim_run.wal || sim_run.second_name || chance(50) ? "FULL" : chance(50) ? "NORMAL" : "OFF";
  uint32_t durability;
  int mode = pick_mode(p), d, shared = sim_run.shared_cache && !p->stock;
  sim_heal();
  sim_strangers += p->stock;
  open_handle(p, name, shared);
  sqlite3_extended_result_codes(p->db, 1);
  sim_add_functions(p->db);
  sqlite3_busy_timeout(p->db, busy_ms[below(4)]);
  p->savepoints = 0;
  durability = p->stock ? 0 : below(100);
  p->disk = !p->stock && durability < 15;
  p->os = !p->stock && durability >= 45;
  if (shared) mode = sim_run.shared_mode;
  if (sim_databases > 1 && mode >= 3 && chance(60)) mode = (int)below(3);
  p->off = mode == 4;
  p->exclusive = !p->off && !shared && chance(10);
  p->super = mode < 3 && strcmp(synchronous, "OFF") != 0;
  p->without_journal = -1;
  if (sim_databases == 3 && p->super && !p->stock && !sim_run.faults && !sim_run.no_memory && chance(25)) {
    p->without_journal = (int)below(3);
  }
  for (d = 0; d < sim_databases; d++) {
    if (d > 0) attach(p, d);
    if (configure(p, d, d == p->without_journal ? 3 : mode, synchronous) != SQLITE_OK && sim_run.second_name) {
      sqlite3_close(p->db);   /* not in another mode, for want of a lock */
      p->db = NULL;
      return;
    }
  }
  if (sim_run.queue_bytes != 0 && !p->stock) avfs_registry_visit(NULL, 0, limit_queue, NULL);
}

/* ---- closing ------------------------------------------------------------------------- */

void sim_end_transaction(sim_program *p) {
  if (p->db == NULL || sqlite3_get_autocommit(p->db)) return;
  if (chance(70)) sim_commit(p);
  if (!sqlite3_get_autocommit(p->db)) sim_rollback(p);
}

void sim_close_program(sim_program *p) {
  int i, others = 0, rc;
  sim_heal();
  sim_end_transaction(p);
  sim_note("close  %s", p->name);
  rc = sqlite3_close(p->db);
  if (rc != SQLITE_OK) sim_fail("%s cannot be closed: %s", p->name, sqlite3_errmsg(p->db));
  sim_strangers -= p->stock;
  p->db = NULL;
  for (i = 0; i < sim_run.count; i++) others += sim_run.programs[i].db != NULL && !sim_run.programs[i].stock;
  for (i = 0; i < sim_databases; i++) {
    if (others == 0 && !p->stock && !sim_run.faults) sim_acknowledged(i);   /* a drain, with patience */
  }
}

/* ---- making way ---------------------------------------------------------------------- */

/* The lock of locking_mode=EXCLUSIVE goes with the next read. */
static void leave_exclusive(sim_program *p) {
  char sql[60];
  int d;
  if (!p->exclusive) return;
  (void)sim_exec(p, "PRAGMA locking_mode=NORMAL");
  for (d = 0; d < sim_databases; d++) {
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.sqlite_master", sim_schemas[d]);
    (void)sim_exec(p, sql);
  }
  p->exclusive = 0;
}

void sim_end_others(sim_program *p) {
  int i;
  for (i = 0; i < sim_run.count; i++) {
    sim_program *q = &sim_run.programs[i];
    if (q == p || q->db == NULL) continue;
    if (!sqlite3_get_autocommit(q->db)) sim_rollback(q);
    leave_exclusive(q);
  }
}

void sim_close_stock(sim_program *p) {
  int i;
  for (i = 0; i < sim_run.count; i++) {
    sim_program *q = &sim_run.programs[i];
    if (q != p && q->db != NULL && q->stock) sim_close_program(q);
  }
}
