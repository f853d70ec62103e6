/* sim.c: runs of random SQL over the simulation, one seed each.
 *
 *   connections of asyncvfs (one process)  --\
 *   a stock connection (another process)   ---+--> simulated disk, cut at its steps
 *
 *   the same statements, as far as they succeed --> a shadow database in memory
 *
 * The shadow says what the content must be: after each commit for crash images, and
 * at each read of a connection, local or foreign. At most one transaction writes at a
 * time, so one shadow is enough. The lock bytes stand at 64 KiB, where databases get to. Where there are several databases, each connection
 * has all of them attached, and so has the shadow. All statements have one outcome whatever the
 * page size and the order of pages.
 *
 * usage: sim [--seed N] [--seconds S] [--images N] [--jobs N] [--for-ever] [--thorough]
 *            [--verbose] [--keep-going] [--stock FILE]... [--sweep memory|io|parent [--lasting]]
 *            [--minimise] [--leave-out LIST] [--cut-at STEP]
 *   --seed alone replays that one run; with --seconds, --images or --for-ever it is the
 *   first of many (campaign.h). --thorough: every step of the disk is cut. --stock: a
 *   shared object with a further SQLite (stock.h). --sweep: the seed's run once for each
 *   call that can fail (faults.h), which does, alone or with all after it; --at N replays
 *   one of them. --minimise: tells a seed's failure without the steps that it does not need;
 *   --leave-out and --cut-at replay what it found.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"
#include "committers.h"
#include "crash.h"
#include "pages/lock_bytes.h"
#include "minimise.h"
#include "parent_vfs.h"
#include "seam.h"
#include "vfs/vfs.h"

const sqlite3_api_routines *sqlite3_api;

enum { CONNECTIONS = 4, TURNS_MS = 20 };

typedef struct program {
  sqlite3 *db;
  int stock;
  int savepoints;
  int off;               /* journal_mode=OFF: no savepoints */
  int super;             /* its commits over several databases have a super-journal */
  int disk;              /* durability=disk */
  int exclusive;         /* locking_mode=EXCLUSIVE */
  uint32_t began[SIM_DATABASES];   /* the newest states when its transaction began */
  const char *name;
} program;

static struct {
  sim_disk disk;
  program programs[CONNECTIONS];
  int count;
  int not_undone[SIM_DATABASES];   /* its journal waits for who opens it next */
  int rolled_back[SIM_DATABASES];  /* by stock SQLite: to the length that the file had, not the content */
  sqlite3 *shadow;
  int writer;            /* whose transaction the shadow has open; -1: none */
  int faults;
  int no_memory;         /* an allocation fails now and then */
  int wal;               /* journal_mode=WAL is among those that are set... */
  int only_delete;       /* ...and DELETE: win32 keeps the journal of TRUNCATE and PERSIST open, so
                            that another process's DELETE fails */
  int second_name;       /* 1: the database gets one in the course of the run; 2: it has it. All use
                            journal_mode=TRUNCATE and synchronous=FULL: so no journal that is over
                            comes back beside one name while the other is used */
  int committers;        /* committers.h instead of programs */
  int shared_cache;      /* the connections of asyncvfs have one cache */
  int shared_mode;       /* and so one journal mode */
  int page_size;
  int auto_vacuum;
  uint64_t queue_bytes;  /* 0: the default */
  uint32_t lag_ms;
} run;

/* Of the process. */
static struct {
  int killed, over;
  uint64_t at_order;      /* how many changes of the disk it lives through */
} life;

/* A sweep: the run of one seed over and over, and another call fails each time. */
static struct {
  sim_fault_plan *plan;   /* NULL: no sweep */
  const char *name;       /* of the plan */
  uint64_t seed;
  uint64_t at;            /* the call that fails; 0: none, they are counted */
  int lasting;            /* and all after it, until it is healed */
} sweep;

static const char *const journal_modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};

/* ---- SQL ------------------------------------------------------------------------- */

/* What the programs want. Each step has its own, so that a run without some of its steps
 * is otherwise the same, as far as it can be (minimise.h). */
static sim_random will;

static void begin_will(uint64_t step) { will.state = sim_hash(sim_seed, &step, sizeof step); }

static uint32_t below(uint32_t n) { return sim_below(&will, n); }
static int chance(uint32_t percent) { return sim_chance(&will, percent * 10000); }

/* sim_blob(seed, bytes) */
static void blob_function(sqlite3_context *c, int argc, sqlite3_value **argv) {
  sim_random r = {(uint64_t)sqlite3_value_int64(argv[0])};
  int n = sqlite3_value_int(argv[1]), i;
  unsigned char *p = sqlite3_malloc(n + 8);
  (void)argc;
  if (p == NULL) {
    sqlite3_result_error_nomem(c);
    return;
  }
  for (i = 0; i < n; i += 8) {
    uint64_t v = sim_draw(&r);
    memcpy(p + i, &v, 8);
  }
  sqlite3_result_blob(c, p, n, sqlite3_free);
}

static int exec(program *p, const char *sql) {
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

static void shadow(const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(run.shadow, sql, NULL, NULL, &message) != SQLITE_OK) {
    sim_fail("%.100s succeeds in the database and fails in the shadow: %s", sql, message);
  }
}

static uint64_t shadow_content(int d) {
  uint64_t h;
  if (sim_content(run.shadow, sim_schemas[d], &h) != SQLITE_OK) sim_fail("the shadow cannot be read");
  return h;
}

static uint64_t newest_state(int d) { return sim_commits[d].state[sim_commits[d].count - 1]; }

static int shadow_number(const char *sql) {
  sqlite3_stmt *s = NULL;
  int n = 0;
  if (sqlite3_prepare_v2(run.shadow, sql, -1, &s, NULL) == SQLITE_OK &&
      sqlite3_step(s) == SQLITE_ROW) {
    n = sqlite3_column_int(s, 0);
  }
  sqlite3_finalize(s);
  return n;
}

/* Errors that a correct VFS may give when nothing fails but locks. */
static int is_expected(int rc) {
  if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY) return 1;
  /* A rollback trips the cursors of all connections of the cache (btree.c,
   * sqlite3BtreeTripAllCursors): their statements are aborted. */
  if (run.shared_cache && ((rc & 0xff) == SQLITE_LOCKED || (rc & 0xff) == SQLITE_ABORT)) return 1;
  if (run.no_memory && ((rc & 0xff) == SQLITE_NOMEM || (rc & 0xff) == SQLITE_IOERR ||
                        (rc & 0xff) == SQLITE_ABORT || (rc & 0xff) == SQLITE_NOTADB)) {
    return 1;
  }
  return run.faults && ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_FULL ||
                        (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_ABORT ||
                        /* SQLite's own: its pager takes a database that another process
                         * makes for the one that it could not make itself. */
                        (rc & 0xff) == SQLITE_NOTADB);
}

static void expect(program *p, int rc, const char *sql) {
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

/* ---- commits ----------------------------------------------------------------------- */

static void committed(program *p, int d, uint64_t state) {
  sim_history *h = &sim_commits[d];
  if (h->count == SIM_STATES) sim_fail("too many commits");
  h->state[h->count++] = state;
  /* One that changed nothing may not have written: then a foreign one before it
   * is not on the medium by it either. */
  if (!p->stock && state != h->state[h->count - 2]) {
    h->newest_async = h->count - 1;
    h->returned_ns[h->count - 1] = sim_now_ns;
  }
  sim_stats.commits++;
  sim_stats.foreign_commits += (uint64_t)p->stock;
  sim_note("COMMIT %s: state %u of %s is %016llx", p->name, h->count - 1, sim_schemas[d],
           (unsigned long long)state);
}

static void acknowledged(int d) {
  sim_commits[d].acked = sim_commits[d].newest_async;
  sim_stats.flushes++;
  sim_note("ACK    state %u of %s is durable", sim_commits[d].acked, sim_schemas[d]);
}

static void rollback(program *p);

/* The lock of locking_mode=EXCLUSIVE goes with the next read. */
static void leave_exclusive(program *p) {
  char sql[60];
  int d;
  if (!p->exclusive) return;
  (void)exec(p, "PRAGMA locking_mode=NORMAL");
  for (d = 0; d < sim_databases; d++) {
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.sqlite_master", sim_schemas[d]);
    (void)exec(p, sql);
  }
  p->exclusive = 0;
}

static void end_others(program *p) {
  int i;
  for (i = 0; i < run.count; i++) {
    program *q = &run.programs[i];
    if (q == p || q->db == NULL) continue;
    if (!sqlite3_get_autocommit(q->db)) rollback(q);
    leave_exclusive(q);
  }
}

static void close_program(program *p);

static void close_stock(program *p) {
  int i;
  for (i = 0; i < run.count; i++) {
    program *q = &run.programs[i];
    if (q != p && q->db != NULL && q->stock) close_program(q);
  }
}

/* SQLite's own: a connection that failed to make a database and then meets one that another
 * made takes it for none, for good. So a fresh one reads it. */
static int read_afresh(int d, uint64_t *hash_out) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(sim_names[d], &db, SQLITE_OPEN_READWRITE, "asyncvfs");
  if (rc == SQLITE_OK) rc = sim_content(db, "main", hash_out);
  sqlite3_close(db);
  return rc;
}

/* After a COMMIT that failed, did it take place? What the connection reads says. */
static int took_place(program *p, int d, uint64_t state) {
  uint64_t h;
  int tries, rc = SQLITE_BUSY;
  if (sqlite3_get_autocommit(p->db) == 0) return 0;
  sim_heal();
  for (tries = 0; rc != SQLITE_OK && tries < 50; tries++) {
    rc = sim_content(p->db, sim_schemas[d], &h);
    if (rc == SQLITE_NOTADB) rc = read_afresh(d, &h);
    if (rc != SQLITE_OK) sqlite3_sleep(50);
    if (tries == 10) end_others(p);
    if (tries == 20) close_stock(p);   /* its journal, kept open, cannot be deleted */
  }
  if (rc != SQLITE_OK) sim_fail("%s cannot be read after a COMMIT that failed", p->name);
  if (h == state) return 1;
  if (h != newest_state(d)) {
    sim_fail("%s: after a COMMIT that failed the content is neither the old nor the new", p->name);
  }
  return 0;
}

static int is_written(const program *p, int d) {
  return sqlite3_txn_state(p->db, sim_schemas[d]) == SQLITE_TXN_WRITE;
}

/* Runs the statement that commits what the shadow's open transaction has: in one
 * database (`only`), or in all that the transaction has written (-1). Afterwards `done`
 * tells for each whether it is committed. Returns the statement's code. */
static int commit_by(program *p, const char *sql, int only, int done[SIM_DATABASES]) {
  uint64_t state[SIM_DATABASES];
  uint32_t *group = sim_groups[sim_group_count];
  int changed = 0, taken = 0, d, rc;
  memset(group, 0, sizeof sim_groups[0]);
  memset(done, 0, SIM_DATABASES * sizeof *done);
  for (d = 0; d < sim_databases; d++) {
    sim_history *h = &sim_commits[d];
    state[d] = shadow_content(d);
    h->trying = only < 0 ? is_written(p, d) : only == d;
    h->trying_state = state[d];
    if (!h->trying || state[d] == newest_state(d)) continue;
    group[d] = h->count;
    changed++;
  }
  if (changed < 2 || !p->super) changed = 0;
  else if (++sim_group_count == SIM_GROUPS) sim_fail("too many groups");
  rc = exec(p, sql);
  expect(p, rc, sql);
  for (d = 0; d < sim_databases; d++) {
    if (!sim_commits[d].trying) continue;
    done[d] = rc == SQLITE_OK;
    if (!done[d] && (run.faults || run.no_memory) && (rc & 0xff) != SQLITE_BUSY && state[d] != newest_state(d)) {
      done[d] = took_place(p, d, state[d]);
    }
    /* One that waits for the disk is told when it is not to be had, and stays committed. */
    if (done[d] && rc != SQLITE_OK && !run.faults && !(p->disk && sweep.lasting)) {
      sim_fail("%s: a COMMIT that answers %d for want of memory has taken place", p->name, rc);
    }
    taken += done[d] && group[d] != 0;
  }
  if (changed > 0 && taken != 0 && taken != changed) {
    sim_fail("%s: a COMMIT over %d databases took place in %d of them", p->name, changed, taken);
  }
  if (changed > 0 && taken == 0) sim_group_count--;
  sim_stats.groups += changed > 0 && taken > 0;
  for (d = 0; d < sim_databases; d++) {
    int written = state[d] != newest_state(d);   /* else it may have waited for nothing */
    if (done[d]) committed(p, d, state[d]);
    sim_commits[d].trying = 0;
    if (done[d] && written && rc == SQLITE_OK && p->disk) acknowledged(d);
  }
  return rc;
}

/* Has the shadow what was committed of its open transaction, statement by statement. */
static void shadow_ends(const int done[SIM_DATABASES]) {
  int d, all = 1, none = 1;
  for (d = 0; d < sim_databases; d++) {
    if (shadow_content(d) == newest_state(d)) continue;
    all = 0;
  }
  for (d = 0; d < sim_databases; d++) none &= !done[d];
  if (all) shadow("COMMIT");
  else if (none) shadow("ROLLBACK");
  else sim_fail("a COMMIT without a super-journal took place in some databases");
}

/* Where several databases are, another connection might write in one that the shadow's
 * transaction has not written, and there is but one shadow. */
static int is_free(const program *p, int d) {
  int other;
  /* Without a super-journal a fault may let one database commit and another not. */
  for (other = 0; run.writer >= 0 && (run.faults || run.no_memory) && !p->super && other < sim_databases; other++) {
    if (other != d && shadow_content(other) != newest_state(other)) return 0;
  }
  return run.writer < 0 || &run.programs[run.writer] == p || is_written(&run.programs[run.writer], d);
}

/* A statement outside of a transaction. */
static void autocommit(program *p, const char *sql, int d) {
  int done[SIM_DATABASES];
  if (run.writer >= 0) {   /* somebody else writes: it cannot succeed */
    int rc = exec(p, sql);
    expect(p, rc, sql);
    if (rc == SQLITE_OK && strstr(sql, "EXISTS") == NULL) sim_fail("two transactions write at once");
    return;
  }
  shadow("BEGIN");
  shadow(sql);
  commit_by(p, sql, d, done);
  shadow(done[d] ? "COMMIT" : "ROLLBACK");
}

/* ---- the statements ---------------------------------------------------------------- */

static int table_exists(const char *schema, int t) {
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.sqlite_schema WHERE name='t%d'", schema, t);
  return shadow_number(sql);
}

static char *random_statement(const char *schema) {
  int t = (int)below(3), bytes = (int)below(4) == 0 ? (int)below((uint32_t)run.page_size * 2 + 600)
                                                     : (int)below(120);
  uint32_t what = below(100);
  char count[40];
  int pages;
  snprintf(count, sizeof count, "PRAGMA %s.page_count", schema);
  pages = shadow_number(count);
  if (bytes > 6000) bytes = 6000;
  if (!table_exists(schema, t)) {
    return sqlite3_mprintf("CREATE TABLE %s.t%d(id INTEGER PRIMARY KEY, a INT, b BLOB)", schema, t);
  }
  if (pages > 25 && what < 55) what = 60 + what / 2;
  if (what < 25) {
    return sqlite3_mprintf("INSERT INTO %s.t%d(a,b) VALUES(%u, sim_blob(%u,%d))", schema, t, below(1000),
                           below(1u << 30), bytes);
  }
  if (what < 45) {
    return sqlite3_mprintf("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<%u) "
                           "INSERT INTO %s.t%d(a,b) SELECT i*%u, sim_blob(i+%u,%d) FROM c",
                           1 + below(chance(10) ? 60 : 12), schema, t, below(99), below(1u << 30), bytes);
  }
  if (what < 60) {
    return sqlite3_mprintf("UPDATE %s.t%d SET a=a+1, b=sim_blob(id+%u,%d) WHERE id%%%u=%u", schema, t,
                           below(1u << 30), bytes, 2 + below(9), below(3));
  }
  if (what < 68) return sqlite3_mprintf("UPDATE %s.t%d SET a=%u", schema, t, below(1000));
  if (what < 80) return sqlite3_mprintf("DELETE FROM %s.t%d WHERE id%%%u=%u", schema, t, 2 + below(5), below(4));
  if (what < 84) return sqlite3_mprintf("DELETE FROM %s.t%d", schema, t);
  if (what < 88) return sqlite3_mprintf("DROP TABLE %s.t%d", schema, t);
  if (what < 93) return sqlite3_mprintf("CREATE INDEX IF NOT EXISTS %s.i%d ON t%d(a)", schema, t, t);
  if (what < 96) return sqlite3_mprintf("DROP INDEX IF EXISTS %s.i%d", schema, t);
  return sqlite3_mprintf("REPLACE INTO %s.t%d(id,a,b) VALUES(%u, 1, zeroblob(%d))", schema, t, 1 + below(40), bytes);
}

static void statement(program *p) {
  int self = (int)(p - run.programs), d = sim_databases == 1 ? 0 : (int)below((uint32_t)sim_databases);
  char *sql;
  if (!is_free(p, d)) return;
  sql = random_statement(sim_schemas[d]);
  if (sqlite3_get_autocommit(p->db)) {
    autocommit(p, sql, d);
  } else {
    int rc = exec(p, sql);
    expect(p, rc, sql);
    if (rc == SQLITE_OK && sqlite3_txn_state(p->db, NULL) == SQLITE_TXN_WRITE) {
      if (run.writer < 0) {
        shadow("BEGIN");
        run.writer = self;
      }
      if (run.writer != self) sim_fail("two transactions write at once");
      shadow(sql);
    } else if (sqlite3_get_autocommit(p->db)) {   /* it was rolled back */
      if (run.writer == self) {
        shadow("ROLLBACK");
        run.writer = -1;
      }
      p->savepoints = 0;
    } else if (run.writer == self && (rc & 0xff) != SQLITE_BUSY) {
      /* A statement that failed halfway was undone alone: as in the shadow. */
      sim_note("statement undone");
    }
  }
  sqlite3_free(sql);
}

static void rollback(program *p) {
  int self = (int)(p - run.programs);
  int rc = exec(p, "ROLLBACK");
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(p->db)) expect(p, rc, "ROLLBACK");
  if (run.writer == self) {
    shadow("ROLLBACK");
    run.writer = -1;
  }
  p->savepoints = 0;
}

static void commit(program *p) {
  int self = (int)(p - run.programs), done[SIM_DATABASES], rc;
  if (run.writer != self) {
    rc = exec(p, "COMMIT");
    expect(p, rc, "COMMIT");
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(p->db)) rollback(p);
    p->savepoints = 0;
    return;
  }
  commit_by(p, "COMMIT", -1, done);
  if (!sqlite3_get_autocommit(p->db)) return;
  shadow_ends(done);
  run.writer = -1;
  p->savepoints = 0;
}

static void savepoint(program *p) {
  int self = (int)(p - run.programs);
  char sql[60];
  if (run.writer != self || p->off) return;
  if (p->savepoints > 0 && chance(60)) {
    int k = (int)below((uint32_t)p->savepoints);
    snprintf(sql, sizeof sql, chance(60) ? "ROLLBACK TO s%d" : "RELEASE s%d", k);
    if (sql[0] == 'R' && sql[1] == 'E') p->savepoints = k;
    else p->savepoints = k + 1;
  } else {
    snprintf(sql, sizeof sql, "SAVEPOINT s%d", p->savepoints++);
  }
  {
    int rc = exec(p, sql);
    if (rc != SQLITE_OK && (run.faults || run.no_memory)) {
      rollback(p);
      return;
    }
    if (rc != SQLITE_OK) expect(p, SQLITE_ERROR, sql);
    shadow(sql);
  }
}

/* In WAL mode a transaction that reads stays with the state that it began with. */
static int is_snapshot(const program *p, int d, uint64_t content) {
  const sim_history *h = &sim_commits[d];
  uint32_t k = p->began[d];
  if (sqlite3_get_autocommit(p->db)) return 0;
  while (k < h->count && h->state[k] != content) k++;
  return k < h->count;
}

/* What a connection reads must be the newest state, or the writer's own. */
static void read_all(program *p, int d) {
  int self = (int)(p - run.programs);
  uint64_t want = run.writer == self ? shadow_content(d) : newest_state(d);
  uint64_t h;
  int rc = sim_content(p->db, sim_schemas[d], &h);
  sim_note("READ   %s %s -> %d", p->name, sim_schemas[d], rc);
  if (rc != SQLITE_OK) {
    expect(p, sqlite3_extended_errcode(p->db), "SELECT");
    if (sqlite3_get_autocommit(p->db) && run.writer == self) {
      shadow("ROLLBACK");
      run.writer = -1;
      p->savepoints = 0;
    }
    return;
  }
  sim_stats.reads++;
  if (h != want && !(run.wal && is_snapshot(p, d, h))) {
    sim_fail("%s reads %016llx in %s where the content is %016llx (state %u)", p->name,
             (unsigned long long)h, sim_schemas[d], (unsigned long long)want,
             sim_commits[d].count - 1);
  }
}

static int never(void *arg) {
  (void)arg;
  return 0;
}

static void sleep_ms(uint32_t ms) {
  sim_wait(never, NULL, sim_now_ns + (uint64_t)ms * 1000000, "a while");
}

/* ---- connections --------------------------------------------------------------------- */

static void limit_queue(avfs_store *s, void *arg) {
  (void)arg;
  avfs_store_enter(s);
  s->settings.value[AVFS_MAX_QUEUE_BYTES] = run.queue_bytes;
  avfs_store_leave(s);
}

/* The same for each database. */
static int configure(program *p, int d, int mode, const char *synchronous) {
  const char *schema = sim_schemas[d];
  char sql[300];
  int rc = SQLITE_BUSY, tries;
  if (run.second_name) {   /* before anything is written in another mode */
    snprintf(sql, sizeof sql, "PRAGMA main.journal_mode=%s", journal_modes[mode]);
    (void)exec(p, sql);
  }
  snprintf(sql, sizeof sql,
           "PRAGMA %s.page_size=%d; PRAGMA %s.auto_vacuum=%d; PRAGMA %s.cache_size=%d; "
           "PRAGMA %s.synchronous=%s; PRAGMA temp_store=MEMORY; PRAGMA %s.journal_mode=%s;",
           schema, run.page_size, schema, run.auto_vacuum, schema,
           chance(50) ? (int)(5 + below(10)) : 500, schema, synchronous, schema, journal_modes[mode]);
  for (tries = 0; rc != SQLITE_OK && tries < 20; tries++) {
    rc = exec(p, sql);
    if (rc != SQLITE_OK) sleep_ms(50);
  }
  if (rc != SQLITE_OK && run.second_name) return rc;
  if (rc != SQLITE_OK) p->super = 0;
  if (!p->stock && chance(50)) {
    snprintf(sql, sizeof sql, "PRAGMA %s.mmap_size=%d", schema, chance(70) ? 1 << 26 : (int)below(100000));
    (void)exec(p, sql);
  }
  if (p->exclusive) (void)exec(p, "PRAGMA locking_mode=EXCLUSIVE");
  if (p->stock) return rc;
  snprintf(sql, sizeof sql, "PRAGMA %s.asyncvfs_max_lag_ms=%u; PRAGMA %s.asyncvfs_durability=%s",
           schema, run.lag_ms, schema, p->disk ? "disk" : "memory");
  rc = exec(p, sql);
  if (rc != SQLITE_OK) p->disk = 0;   /* it has said nothing */
  return rc;
}

static int pick_mode(const program *p) {
  int mode = (int)below(p->stock ? 3 : 5);
  return run.second_name ? 1 : run.only_delete ? 0 : mode;
}

static void open_program(program *p) {
  static const int busy_ms[] = {0, 10, 100, 400};
  const char *name = run.second_name == 2 && chance(50) ? sim_second_name : sim_names[0];
  const char *synchronous = p->stock || run.wal || run.second_name || chance(50) ? "FULL" : chance(50) ? "NORMAL" : "OFF";
  char sql[100];
  int rc, tries = 0, mode = pick_mode(p), d, shared = run.shared_cache && !p->stock;
  sim_heal();
  sim_strangers += p->stock;
  if (sweep.plan == NULL) sim_memory_faults.at = run.no_memory && chance(30) ? 1 + below(12) : 0;
  do {
    sqlite3_close(p->db);
    rc = sqlite3_open_v2(name, &p->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                         (shared ? SQLITE_OPEN_SHAREDCACHE : 0), p->stock ? "win32" : "asyncvfs");
    sim_heal();
    if (sweep.plan == NULL) sim_memory_faults.at = 0;   /* later it would be another program, passed through */
  } while ((rc == SQLITE_NOMEM && run.no_memory) || (rc != SQLITE_OK && run.faults && ++tries < 20));
  if (rc != SQLITE_OK) sim_fail("%s cannot open: %s", p->name, sqlite3_errmsg(p->db));
  sqlite3_extended_result_codes(p->db, 1);
  sqlite3_create_function(p->db, "sim_blob", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                          blob_function, NULL, NULL);
  sqlite3_busy_timeout(p->db, busy_ms[below(4)]);
  p->savepoints = 0;
  p->disk = !p->stock && chance(15);
  if (shared) mode = run.shared_mode;
  if (sim_databases > 1 && mode >= 3 && chance(60)) mode = (int)below(3);
  p->off = mode == 4;
  p->exclusive = !p->off && !shared && chance(10);
  p->super = mode < 3 && strcmp(synchronous, "OFF") != 0;
  for (d = 0; d < sim_databases; d++) {
    snprintf(sql, sizeof sql, "ATTACH '%s' AS %s", sim_names[d], sim_schemas[d]);
    rc = d == 0 ? SQLITE_OK : SQLITE_BUSY;
    for (tries = 0; rc != SQLITE_OK && tries < 150; tries++) {   /* longer than a stall */
      rc = exec(p, sql);
      if (rc != SQLITE_OK) sleep_ms(20);
      if (tries % 20 == 19) end_others(p), sim_heal();
      /* Stock SQLite would not get in either: a stock connection that failed to end its journal
       * keeps it open, and nobody else can delete it. */
      if (tries == 79) close_stock(p);
    }
    if (rc != SQLITE_OK) sim_fail("%s cannot attach %s: %s", p->name, sim_names[d], sqlite3_errmsg(p->db));
    rc = configure(p, d, mode, synchronous);
    if (rc != SQLITE_OK && run.second_name) {   /* not in another mode, for want of a lock */
      sqlite3_close(p->db);
      p->db = NULL;
      return;
    }
  }
  if (run.queue_bytes != 0 && !p->stock) avfs_registry_visit(NULL, 0, limit_queue, NULL);
}

static void end_transaction(program *p) {
  if (p->db == NULL || sqlite3_get_autocommit(p->db)) return;
  if (chance(70)) commit(p);
  if (!sqlite3_get_autocommit(p->db)) rollback(p);
}

static void close_program(program *p) {
  int i, others = 0, rc;
  sim_heal();
  end_transaction(p);
  sim_note("close  %s", p->name);
  rc = sqlite3_close(p->db);
  if (rc != SQLITE_OK) sim_fail("%s cannot be closed: %s", p->name, sqlite3_errmsg(p->db));
  sim_strangers -= p->stock;
  p->db = NULL;
  for (i = 0; i < run.count; i++) others += run.programs[i].db != NULL && !run.programs[i].stock;
  for (i = 0; i < sim_databases; i++) {
    if (others == 0 && !p->stock && !run.faults) acknowledged(i);   /* a drain, with patience */
  }
}

/* ---- a step ---------------------------------------------------------------------------- */

static void settle(program *p, int d, const char *pragma) {
  char sql[60];
  int rc;
  snprintf(sql, sizeof sql, "PRAGMA %s.asyncvfs_%s", sim_schemas[d], pragma);
  rc = exec(p, sql);
  expect(p, rc, sql);
  if (rc == SQLITE_OK) acknowledged(d);
}

/* A statement of which the content is none the wiser. */
static void tidy(program *p, int d, const char *format) {
  int done[SIM_DATABASES];
  char sql[60];
  if (run.writer >= 0) return;
  snprintf(sql, sizeof sql, format, sim_schemas[d]);
  commit_by(p, sql, d, done);
}

/* To WAL mode, where the database is passed through, and back. There a COMMIT flushes, with
 * synchronous=FULL. */
static void change_to_or_from_wal(program *p) {
  int mode = run.only_delete ? 0 : (int)below(3);   /* others are not safe when passed through */
  char sql[120];
  if (chance(50)) {
    (void)exec(p, "PRAGMA main.synchronous=FULL; PRAGMA main.journal_mode=WAL");
    return;
  }
  snprintf(sql, sizeof sql, "PRAGMA main.journal_mode=%s", journal_modes[mode]);
  (void)exec(p, sql);
}

/* With the next VACUUM. */
static void change_page_size(program *p, int d) {
  static const int sizes[] = {512, 1024, 4096, 4096, 8192, 65536};
  char sql[60];
  snprintf(sql, sizeof sql, "PRAGMA %s.page_size=%d", sim_schemas[d], sizes[below(6)]);
  (void)exec(p, sql);
}

static void idle_step(program *p) {
  uint32_t what = below(100);
  int d = sim_databases == 1 ? 0 : (int)below((uint32_t)sim_databases);
  if (run.wal && chance(12)) {
    change_to_or_from_wal(p);
  } else if (what < (sim_databases == 1 ? 25u : 40u)) {
    int rc = exec(p, chance(60) ? "BEGIN" : chance(60) ? "BEGIN IMMEDIATE" : "BEGIN EXCLUSIVE"), i;
    for (i = 0; i < sim_databases; i++) p->began[i] = sim_commits[i].count - 1;
    expect(p, rc, "BEGIN");
  } else if (what < 60) {
    statement(p);
  } else if (what < 72) {
    read_all(p, d);
  } else if (what < 82) {
    sleep_ms(1 + below(chance(20) ? 400 : chance(5) ? 15000 : 60));
  } else if (what < 87 && !p->stock) {
    settle(p, d, chance(70) ? "flush" : "drain");
  } else if (what < 90) {
    if (chance(40)) change_page_size(p, d);
    tidy(p, d, "VACUUM %s");
  } else if (what < 93) {
    tidy(p, d, "PRAGMA %s.incremental_vacuum(3)");
  } else if (what < 96 && !run.only_delete && !run.second_name && !(run.shared_cache && !p->stock)) {
    int mode = (int)below(p->stock || p->exclusive ? 3 : 5);
    char sql[60];
    snprintf(sql, sizeof sql, "PRAGMA %s.journal_mode=%s", sim_schemas[d], journal_modes[mode]);
    if (exec(p, sql) == SQLITE_OK) p->off = sim_databases == 1 ? mode == 4 : p->off || mode == 4;
    if (mode >= 3) p->super = 0;
  } else {
    close_program(p);
    open_program(p);
  }
}

static void give_second_name(void) {
  sim_file *f = sim_disk_find(&run.disk, sim_names[0]);
  if (f == NULL || !chance(5)) return;
  sim_disk_link(&run.disk, f, sim_second_name);
  run.second_name = 2;
}

static void step(program *p) {
  uint32_t what;
  sim_alive();
  if (run.second_name == 1) give_second_name();
  if (run.no_memory && sweep.plan == NULL && chance(10)) sim_memory_faults.at = 1 + below(chance(50) ? 4 : 60);
  if (p->db == NULL) {
    open_program(p);
    return;
  }
  if (sqlite3_get_autocommit(p->db)) {
    idle_step(p);
    return;
  }
  what = below(100);
  if (what < 58) statement(p);
  else if (what < 66) savepoint(p);
  else if (what < 72) read_all(p, sim_databases == 1 ? 0 : (int)below((uint32_t)sim_databases));
  else if (what < 90) commit(p);
  else if (what < 96) rollback(p);
  else sleep_ms(1 + below(150));
}

/* ---- a run -------------------------------------------------------------------------------- */

/* No journal stays beside the database: unless stock SQLite keeps its own (PERSIST,
 * TRUNCATE), or the deletion of ours failed once. */
static void check_leftovers(int d) {
  char name[SIM_NAME];
  const sim_file *journal;
  int i, excused = sim_io_faults.failed > 0, foreign = 0;
  snprintf(name, sizeof name, "%s-journal", sim_names[d]);
  journal = sim_disk_find(&run.disk, name);
  for (i = 0; i < run.count; i++) foreign |= run.programs[i].stock;
  if (journal == NULL) return;
  /* Passed through, TRUNCATE and PERSIST leave it, void. */
  if (!excused && !foreign && !run.wal && !run.second_name && sim_parent_faults.failed == 0) sim_fail("a journal is left behind");
  /* Stock SQLite that met a fault leaves its journal hot. */
  if (foreign && sim_parent_faults.failed > 0) return;
  if (run.not_undone[d]) return;   /* nobody has come since */
  if (journal->live.size > 0 && journal->live.data[0] != 0) sim_fail("a valid journal is left behind");
}

/* The file is as long as its header says: a shorter batch has cut it. */
static void check_length(sqlite3 *db, int d) {
  sqlite3_stmt *s = NULL;
  const sim_file *f = sim_disk_find(&run.disk, sim_names[d]);
  if (sqlite3_prepare_v2(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                         -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
      f != NULL && (uint64_t)sqlite3_column_int64(s, 0) != f->live.size) {
    sim_fail("at the end %s has %llu bytes, and its header says %lld", sim_names[d],
             (unsigned long long)f->live.size, (long long)sqlite3_column_int64(s, 0));
  }
  sqlite3_finalize(s);
}

/* What stock SQLite finds when everything is closed. */
static void check_end(int d) {
  sqlite3 *db = NULL;
  uint64_t h = 0;
  check_leftovers(d);
  if (sqlite3_open_v2(sim_names[d], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "win32") != SQLITE_OK ||
      sim_content(db, "main", &h) != SQLITE_OK) {
    sim_fail("stock SQLite cannot read %s at the end: %s", sim_names[d], sqlite3_errmsg(db));
  }
  /* Stock SQLite's rollback may leave it longer, and so may its cut below a view of ours; a WAL
   * has what is behind its end. */
  if (sim_parent_faults.failed == 0 && sim_cuts_refused == 0 && !run.wal && !run.rolled_back[d]) check_length(db, d);
  sqlite3_close(db);
  if (h != newest_state(d)) {
    sim_fail("at the end stock SQLite reads %016llx in %s, not the newest state %016llx",
             (unsigned long long)h, sim_names[d], (unsigned long long)newest_state(d));
  }
}

/* After the faults everything drains. */
static void settle_all(program *p) {
  int d, tries, rc = SQLITE_ERROR;
  char sql[60];
  for (d = 0; d < sim_databases; d++, rc = SQLITE_ERROR) {
    snprintf(sql, sizeof sql, "PRAGMA %s.asyncvfs_flush", sim_schemas[d]);
    for (tries = 0; rc != SQLITE_OK && tries < 20; tries++) {
      rc = exec(p, sql);
      if (rc != SQLITE_OK) sleep_ms(500);
    }
    if (rc != SQLITE_OK) sim_fail("nothing fails any more, and yet it does not drain");
    acknowledged(d);
  }
}

static void final_checks(void) {
  program *p = NULL;
  int i;
  sim_end_faults();
  if (run.faults || run.no_memory) {
    for (i = 0; i < run.count; i++) {
      if (run.programs[i].db != NULL) end_transaction(&run.programs[i]);
      if (run.programs[i].db != NULL && !run.programs[i].stock) p = &run.programs[i];
    }
    if (p != NULL) settle_all(p);
  }
  run.faults = run.no_memory = 0;
  for (i = 0; i < run.count; i++) {
    if (run.programs[i].db != NULL) close_program(&run.programs[i]);
  }
  sim_crash_now(&run.disk);
  sim_frozen++;
  for (i = 0; i < sim_databases; i++) check_end(i);
  sim_frozen--;
  sim_crash_by_async();
  if (sim_parent_files > 0) sim_fail("%d files are still open", sim_parent_files);
  sim_seam_end();
}

/* A batch that is under way when the commit returns, and then its own; with four flushes
 * each. A thread's turn costs time too, here more than anywhere. */
static uint64_t lag_bound_ns(void) {
  return (run.lag_ms + 2 * 4 * (uint64_t)sim_flush_ms + TURNS_MS) * 1000000;
}

/* Nothing else disturbs. */
static void begin_sweep(void) {
  sim_stall_rate = sim_leap_rate = 0;
  sim_io_faults.rate = sim_parent_faults.rate = 0;
  run.no_memory = sweep.plan == &sim_memory_faults;
  run.faults = !run.no_memory;
  sweep.plan->at = sweep.at;
  sweep.plan->lasting = sweep.lasting;
}

static void run_program(void *arg) {
  static const uint32_t switch_rates[] = {0, 5000, 50000, 300000};
  static const int page_sizes[] = {512, 512, 1024, 1024, 2048, 4096, 4096, 8192, 65536};
  static const uint32_t fault_rates[] = {2000, 10000, 50000};
  static const char *const names[] = {"A", "B", "C", "stock"};
  uint32_t steps = 20 + below(140), i;
  int n;
  (void)arg;
  sim_databases = chance(65) ? 1 : 2 + (int)below(2);
  run.count = 1 + (int)below(3);
  run.page_size = page_sizes[below(9)];
  run.auto_vacuum = (int)below(3);
  run.lag_ms = below(3) == 0 ? below(20) : 100;
  run.queue_bytes = chance(30) ? (uint64_t)run.page_size * (4 + below(30)) : 0;
  sim_switch_rate = switch_rates[below(4)];
  sim_flush_ms = below(4) == 0 ? 0 : (int)below(15);
  run.faults = chance(25);
  if (run.faults) sim_io_faults.rate = fault_rates[below(3)];
  if (run.faults && chance(40)) sim_parent_faults.rate = fault_rates[below(2)];
  run.no_memory = !run.faults && !life.killed && chance(20);
  run.disk.forces_little = chance(50);
  run.shared_cache = sim_databases == 1 && chance(12);
  run.shared_mode = (int)below(5);
  if (chance(15)) sim_stall_rate = 1 + below(300);
  /* A leap over close_timeout_ms while the disk fails loses commits, rightly. */
  if (!life.killed && !run.faults && chance(12)) sim_leap_rate = 1 + below(500);
  if (sweep.plan != NULL) begin_sweep();
  run.committers = chance(12) && sweep.plan == NULL && !run.faults && !run.no_memory;
  run.second_name = chance(15) && sim_databases == 1 && !run.committers && !run.shared_cache && !run.faults && !run.no_memory && sweep.plan == NULL;
  run.wal = chance(50) && !run.second_name && sim_databases == 1 && !run.shared_cache && !run.faults && !run.no_memory && sweep.plan == NULL;
  if (run.committers) {
    sim_databases = 1;
    if (sim_switch_rate == 0) sim_switch_rate = 50000;
  }
  if (!run.faults && !run.no_memory && !life.killed && sim_stall_rate == 0 && sim_leap_rate == 0) {
    sim_lag_bound_ns = lag_bound_ns();
  }
  sim_alone = chance(60) ? 0 : -1;
  run.writer = -1;
  for (n = 0; n < run.count; n++) run.programs[n].name = names[n];
  if (chance(50)) {
    run.programs[run.count].stock = 1;
    run.programs[run.count++].name = names[3];
    run.only_delete = run.wal;
  }
  if (run.committers) run.count = 0;
  sqlite3_open_v2(":memory:", &run.shadow, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, "win32");
  sqlite3_create_function(run.shadow, "sim_blob", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                          blob_function, NULL, NULL);
  for (n = 0; n < sim_databases; n++) {
    char sql[60];
    snprintf(sql, sizeof sql, "ATTACH ':memory:' AS %s", sim_schemas[n]);
    if (n > 0) shadow(sql);
    sim_commits[n].state[0] = shadow_content(n);
    sim_commits[n].count = 1;
  }
  sim_note("%d databases, pages of %d, auto_vacuum %d, lag %u ms, queue %llu, %d programs, faults %u and %u, "
           "stalls %u, leaps %u%s",
           sim_databases, run.page_size, run.auto_vacuum, run.lag_ms, (unsigned long long)run.queue_bytes, run.count,
           sim_io_faults.rate, sim_parent_faults.rate, sim_stall_rate, sim_leap_rate, run.shared_cache ? ", shared cache" : "");
  if (run.committers) {
    sim_committers_run(run.lag_ms, run.page_size);
    steps = 0;
  }
  for (i = 0; i < steps; i++) {
    if (sim_step_is_left_out(i)) continue;
    begin_will(i + 1);
    /* Mostly the one whose transaction writes goes on. */
    n = run.writer >= 0 && chance(60) ? run.writer : (int)below((uint32_t)run.count);
    step(&run.programs[n]);
  }
  final_checks();
  sim_stats.faults += sim_faults();
  sim_stats.leaps += sim_leaps;
  sim_stats.runs++;
}

/* ---- the end of the process ------------------------------------------------------------------ */

static int is_over(void *arg) {
  (void)arg;
  return life.over || run.disk.order >= life.at_order;
}

static void run_until_killed(void *arg) {
  run_program(arg);
  life.over = 1;
}

/* The program is a thread of its own, which ends with all the others in the middle of
 * whatever it does; then this thread is the process's last. */
static void run_killed(void *arg) {
  uint32_t ms = chance(70) ? 2000 : below(30), locks;
  (void)arg;
  life.at_order = 1 + below(chance(70) ? 150 : 600);
  sim_hurry = is_over;
  sim_thread("the program", run_until_killed, NULL);
  (void)sim_wait(is_over, NULL, SIM_NEVER, "the end of the process");
  if (life.over) return;
  locks = (uint32_t)sim_world_end_others();
  sim_note("EXIT   with %u locks lost, %u ms", locks, ms);
  if (!run.faults && chance(70)) sim_end_faults();
  sim_exiting = 1;
  sim_seam_process_ends();
  avfs_process_exit(&sim_io, ms);
  sim_note("EXITED");
  if (locks == 0 && ms == 2000 && !run.faults && !sim_late_hangs) {
    int d;   /* write-through apart, all is in the files now */
    for (d = 0; d < sim_databases; d++) sim_commits[d].acked = sim_commits[d].newest_async;
  }
  sim_crash_now(&run.disk);
  sim_stats.exits++;
  sim_stats.runs++;
}

static int take_table(sqlite3 *db, char **message, const sqlite3_api_routines *table) {
  (void)db;
  (void)message;
  sqlite3_api = table;
  return SQLITE_OK;
}

/* A transaction that could not be undone leaves its journal hot, as stock SQLite's does. */
static void note_undo(const char *text) {
  int d;
  for (d = 0; d < SIM_DATABASES; d++) {
    if (strstr(text, sim_names[d]) == NULL) continue;
    if (strstr(text, ": cannot undo a transaction of ") != NULL) run.not_undone[d] = 1;
    if (strstr(text, ": rolled back the hot journal of ") != NULL) run.not_undone[d] = 0, run.rolled_back[d] = 1;
  }
}

static void log_line(void *arg, int code, const char *text) {
  (void)arg;
  if (sim_frozen == 0) note_undo(text);
  if (sim_frozen == 0 || sim_verbose) sim_note("log    (%d) %s", code, text);
}

#undef sqlite3_config
#undef sqlite3_initialize
#undef sqlite3_auto_extension
#undef sqlite3_reset_auto_extension
#undef sqlite3_open
#undef sqlite3_close
static void bind_sqlite(void) {
  sqlite3 *db = NULL;
  uint32_t i;
  for (i = 0; i < sim_stock_count; i++) sim_stocks[i]->lock_bytes_at(AVFS_LOCK_BYTES_AT);
  sqlite3_config(SQLITE_CONFIG_LOG, log_line, NULL);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
  sqlite3_initialize();
  sqlite3_auto_extension((void (*)(void))take_table);
  sqlite3_open(":memory:", &db);
  sqlite3_close(db);
  sqlite3_reset_auto_extension();
  if (sqlite3_api == NULL) sim_fail("SQLite handed no table over");
}

static void run_seed(uint64_t seed, uint32_t rate) {
  sim_seed = seed;
  sim_fate.state = seed * 0x2545f4914f6cdd1du;
  sim_draw(&sim_fate);
  begin_will(0);
  sim_current_disk = &run.disk;
  bind_sqlite();
  sim_seam_start();
  if (avfs_vfs_register(&sim_io, sqlite3_vfs_find("win32"), 0, NULL) != SQLITE_OK) {
    sim_fail("asyncvfs cannot be registered");
  }
  if (rate == 0) {
    static const uint32_t rates[] = {50000, 150000, 400000, 1000000};
    sim_random r = {seed};
    rate = rates[sim_below(&r, 4)];
  }
  sim_crash_watch(&run.disk, rate);
  life.killed = chance(20) && sweep.plan == NULL;
  sim_world_run(life.killed ? run_killed : run_program, NULL);
}

/* ---- the program ------------------------------------------------------------------------------- */

static uint32_t cut_rate;   /* 0: by the seed */
static char replay[2000] = "build/sim/sim";   /* and what a run depends on */

static void replay_needs(const char *option, const char *value) {
  size_t n = strlen(replay);
  snprintf(replay + n, sizeof replay - n, " %s%s%s", option, value[0] != 0 ? " " : "", value);
}

static void run_once(uint64_t seed) { run_seed(seed, cut_rate); }

/* A further stock SQLite, to judge images with. */
static void load_stock(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  sim_stock_starter starter = library == NULL ? NULL : (sim_stock_starter)dlsym(library, SIM_STOCK_STARTER);
  const sim_stock *stock = starter == NULL ? NULL : starter(sim_parent_vfs, sim_hash);
  if (stock == NULL || sim_stock_count == SIM_STOCKS) {
    fprintf(stderr, "sim: cannot use %s: %s\n", path, library == NULL ? dlerror() : "not a stock SQLite");
    exit(2);
  }
  sim_stocks[sim_stock_count++] = stock;
}

static int usage(void) {
  fprintf(stderr, "usage: sim [--seed N] [--seconds S] [--images N] [--jobs N] [--for-ever] [--thorough]\n"
                  "           [--verbose] [--keep-going] [--stock FILE]... [--sweep memory|io|parent [--lasting] [--at N]]\n"
                  "           [--minimise] [--leave-out LIST] [--cut-at STEP]\n");
  return 2;
}

static void run_swept(uint64_t at) {
  sweep.at = at;
  run_seed(sweep.seed, cut_rate == 0 ? 20000 : cut_rate);
}

/* How many calls there are that can fail. */
static uint64_t count_calls(void) {
  uint64_t *calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pid = calls == MAP_FAILED ? -1 : fork();
  if (pid == 0) {
    run_swept(0);
    *calls = sweep.plan->calls;
    _Exit(0);
  }
  if (pid < 0 || waitpid(pid, NULL, 0) != pid || *calls == 0) {
    fprintf(stderr, "sim: the run without a fault failed: sim --seed %llu\n", (unsigned long long)sweep.seed);
    exit(2);
  }
  return *calls;
}

/* Each call fails in turn: a run for each. */
static int sweep_all(sim_campaign *c) {
  char seed[24];
  sweep.seed = c->seed;
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)sweep.seed);
  replay_needs("--sweep", sweep.name);
  if (sweep.lasting) replay_needs("--lasting", "");
  replay_needs("--seed", seed);
  replay_needs("--at", "%llu");
  c->last = count_calls();
  c->seed = 1;
  c->run = run_swept;
  printf("sweep: seed %llu has %llu calls (%s) that can fail: each does, %s\n",
         (unsigned long long)sweep.seed, (unsigned long long)c->last, sweep.name,
         sweep.lasting ? "and all after it" : "once");
  return sim_campaign_run(c) > 0;
}

/* The first failure is told once more, without what it does not need. */
static int run_campaign(sim_campaign *c) {
  uint64_t failed = 0;
  c->failed_out = &failed;
  if (sim_campaign_run(c) == 0) return 0;
  if (!c->keep_going) (void)sim_minimise(failed, c->run, c->replay);
  return 1;
}

int main(int argc, char **argv) {
  sim_campaign campaign = {.seed = 1, .replay = replay, .run = run_once};
  int i, many = 0, shortened = 0;
  /* Images come and go by the thousand: no page of them goes back to the system. */
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 16 << 20);
  for (i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (strcmp(argv[i], "--seed") == 0) campaign.seed = strtoull(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--images") == 0) campaign.images = strtoull(value, NULL, 10), i++, many = 1;
    else if (strcmp(argv[i], "--seconds") == 0) campaign.seconds = strtod(value, NULL), i++, many = 1;
    else if (strcmp(argv[i], "--jobs") == 0) campaign.jobs = (uint32_t)strtoul(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--for-ever") == 0) many = 1;
    else if (strcmp(argv[i], "--stock") == 0) load_stock(value), replay_needs("--stock", value), i++;
    else if (strcmp(argv[i], "--thorough") == 0) cut_rate = 1000000, replay_needs("--thorough", "");
    else if (strcmp(argv[i], "--sweep") == 0 && (sweep.plan = sim_fault_plan_named(value)) != NULL) {
      sweep.name = value, i++;
    }
    else if (strcmp(argv[i], "--at") == 0) sweep.at = strtoull(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--minimise") == 0) shortened = 1;
    else if (strcmp(argv[i], "--leave-out") == 0) sim_leave_out(value), i++;
    else if (strcmp(argv[i], "--cut-at") == 0) sim_cut_only = strtoull(value, NULL, 10), i++;
    else if (strcmp(argv[i], "--lasting") == 0) sweep.lasting = 1;
    else if (strcmp(argv[i], "--verbose") == 0) sim_verbose = 1;
    else if (strcmp(argv[i], "--keep-going") == 0) campaign.keep_going = 1;
    else return usage();
  }
  sweep.seed = campaign.seed;
  if (sweep.plan != NULL && sweep.at == 0) return sweep_all(&campaign);
  replay_needs("--seed", "%llu");
  if (sweep.plan != NULL) campaign.run = run_swept, campaign.seed = sweep.at;
  else if (many) return run_campaign(&campaign);
  else if (shortened) return sim_minimise(campaign.seed, campaign.run, campaign.replay);
  campaign.run(campaign.seed);
  printf("seed %llu: ok: %llu commits, %llu images\n", (unsigned long long)campaign.seed,
         (unsigned long long)sim_stats.commits, (unsigned long long)sim_stats.images);
  return 0;
}
