/* commits.c: see commits.h. */
#include "programs/commits.h"

#include <string.h>

#include "crash.h"
#include "faults.h"
#include "programs/programs.h"
#include "programs/shadow.h"
#include "programs/sweep.h"

/* ---- the history ---------------------------------------------------------------------- */

uint64_t sim_newest_state(int d) { return sim_commits[d].state[sim_commits[d].count - 1]; }

static void committed(sim_program *p, int d, uint64_t state) {
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

void sim_acknowledged(int d) {
  sim_commits[d].acked = sim_commits[d].newest_async;
  if (sim_commits[d].kept < sim_commits[d].acked) sim_commits[d].kept = sim_commits[d].acked;
  sim_stats.flushes++;
  sim_note("ACK    state %u of %s is durable", sim_commits[d].acked, sim_schemas[d]);
}

/* ---- did it take place? --------------------------------------------------------------- */

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
static int took_place(sim_program *p, int d, uint64_t state) {
  const uint32_t io_rate = sim_io_faults.rate, parent_rate = sim_parent_faults.rate;
  uint64_t h;
  int tries, rc = SQLITE_BUSY;
  if (sqlite3_get_autocommit(p->db) == 0) return 0;
  sim_heal();
  sim_io_faults.rate = sim_parent_faults.rate = 0;   /* what it reads has many calls that could fail */
  for (tries = 0; rc != SQLITE_OK && tries < 50; tries++) {
    rc = sim_content(p->db, sim_schemas[d], &h);
    if (rc == SQLITE_NOTADB) rc = read_afresh(d, &h);
    if (rc != SQLITE_OK) sqlite3_sleep(50);
    if (tries == 10) sim_end_others(p);
    if (tries == 20) sim_close_stock(p);   /* its journal, kept open, cannot be deleted */
  }
  sim_io_faults.rate = io_rate;
  sim_parent_faults.rate = parent_rate;
  if (rc != SQLITE_OK) sim_fail("%s cannot be read after a COMMIT that failed", p->name);
  if (h == state) return 1;
  if (h != sim_newest_state(d)) {
    sim_fail("%s: after a COMMIT that failed the content is neither the old nor the new", p->name);
  }
  return 0;
}

/* ---- COMMIT --------------------------------------------------------------------------- */

static int is_written(const sim_program *p, int d) {
  return sqlite3_txn_state(p->db, sim_schemas[d]) == SQLITE_TXN_WRITE;
}

/* Runs the statement that commits what the shadow's open transaction has: in one
 * database (`only`), or in all that the transaction has written (-1). Afterwards `done`
 * tells for each whether it is committed. Returns the statement's code. */
int sim_commit_by(sim_program *p, const char *sql, int only, int done[SIM_DATABASES]) {
  uint64_t state[SIM_DATABASES];
  uint32_t *group = sim_groups[sim_group_count];
  int changed = 0, taken = 0, named = 0, d, rc;
  memset(group, 0, sizeof sim_groups[0]);
  memset(done, 0, SIM_DATABASES * sizeof *done);
  for (d = 0; d < sim_databases; d++) {
    sim_history *h = &sim_commits[d];
    state[d] = sim_shadow_content(d);
    h->trying = only < 0 ? is_written(p, d) : only == d;
    h->trying_state = state[d];
    if (!h->trying || state[d] == sim_newest_state(d)) continue;
    group[d] = h->count;
    changed++;
    named += d != p->without_journal;   /* SQLite makes a super-journal for two of these */
  }
  if (named < 2 || !p->super) changed = 0;
  else if (++sim_group_count == SIM_GROUPS) sim_fail("too many groups");
  rc = sim_exec(p, sql);
  sim_expect(p, rc, sql);
  for (d = 0; d < sim_databases; d++) {
    if (!sim_commits[d].trying) continue;
    done[d] = rc == SQLITE_OK;
    if (!done[d] && (sim_run.faults || sim_run.no_memory) && (rc & 0xff) != SQLITE_BUSY && state[d] != sim_newest_state(d)) {
      done[d] = took_place(p, d, state[d]);
    }
    /* One that waits for the disk is told when it is not to be had, and stays committed. */
    if (done[d] && rc != SQLITE_OK && !sim_run.faults && !((p->disk || p->os) && sim_sweep.lasting)) {
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
    int written = state[d] != sim_newest_state(d);   /* else it may have waited for nothing */
    int failed = sim_commits[d].trying == SIM_RING_FAILED;
    if (done[d]) committed(p, d, state[d]);
    sim_commits[d].trying = 0;
    if (done[d] && written && rc == SQLITE_OK && p->disk) sim_acknowledged(d);
    /* What is passed through by two names is stock SQLite's. */
    if (done[d] && written && rc == SQLITE_OK && (p->os || p->stock) && !sim_run.second_name && !failed) {
      sim_commits[d].kept = sim_commits[d].count - 1;
    }
  }
  return rc;
}

/* Has the shadow what was committed of its open transaction, statement by statement. */
static void shadow_ends(const int done[SIM_DATABASES]) {
  int d, all = 1, none = 1;
  for (d = 0; d < sim_databases; d++) {
    if (sim_shadow_content(d) == sim_newest_state(d)) continue;
    all = 0;
  }
  for (d = 0; d < sim_databases; d++) none &= !done[d];
  if (all) sim_shadow("COMMIT");
  else if (none) sim_shadow("ROLLBACK");
  else sim_fail("a COMMIT without a super-journal took place in some databases");
}

/* Where several databases are, another connection might write in one that the shadow's
 * transaction has not written, and there is but one shadow. */
int sim_may_write(const sim_program *p, int d) {
  int other;
  /* Without a super-journal a fault may let one database commit and another not. */
  for (other = 0; sim_run.writer >= 0 && (sim_run.faults || sim_run.no_memory) && !p->super && other < sim_databases; other++) {
    if (other != d && sim_shadow_content(other) != sim_newest_state(other)) return 0;
  }
  return sim_run.writer < 0 || &sim_run.programs[sim_run.writer] == p || is_written(&sim_run.programs[sim_run.writer], d);
}

/* A statement outside of a transaction. */
void sim_autocommit(sim_program *p, const char *sql, int d) {
  int done[SIM_DATABASES];
  if (sim_run.writer >= 0) {   /* somebody else writes: it cannot succeed */
    int rc = sim_exec(p, sql);
    sim_expect(p, rc, sql);
    if (rc == SQLITE_OK && strstr(sql, "EXISTS") == NULL) sim_fail("two transactions write at once");
    return;
  }
  sim_shadow("BEGIN");
  sim_shadow(sql);
  sim_commit_by(p, sql, d, done);
  sim_shadow(done[d] ? "COMMIT" : "ROLLBACK");
}

void sim_rollback(sim_program *p) {
  int self = (int)(p - sim_run.programs);
  int rc = sim_exec(p, "ROLLBACK");
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(p->db)) sim_expect(p, rc, "ROLLBACK");
  if (sim_run.writer == self) {
    sim_shadow("ROLLBACK");
    sim_run.writer = -1;
  }
  p->savepoints = 0;
}

void sim_commit(sim_program *p) {
  int self = (int)(p - sim_run.programs), done[SIM_DATABASES], rc;
  if (sim_run.writer != self) {
    rc = sim_exec(p, "COMMIT");
    sim_expect(p, rc, "COMMIT");
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(p->db)) sim_rollback(p);
    p->savepoints = 0;
    return;
  }
  sim_commit_by(p, "COMMIT", -1, done);
  if (!sqlite3_get_autocommit(p->db)) return;
  shadow_ends(done);
  sim_run.writer = -1;
  p->savepoints = 0;
}
