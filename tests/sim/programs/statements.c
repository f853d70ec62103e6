/* statements.c: see statements.h. */
#include "programs/statements.h"

#include <stdio.h>
#include <string.h>

#include "crash.h"
#include "programs/commits.h"
#include "programs/programs.h"
#include "programs/shadow.h"
#include "programs/will.h"

static int table_exists(const char *schema, int t) {
  char sql[100];
  snprintf(sql, sizeof sql, "SELECT count(*) FROM %s.sqlite_schema WHERE name='t%d'", schema, t);
  return sim_shadow_number(sql);
}

static char *random_statement(const char *schema) {
  int t = (int)below(3), bytes = (int)below(4) == 0 ? (int)below((uint32_t)sim_run.page_size * 2 + 600)
                                                     : (int)below(120);
  uint32_t what = below(100);
  char count[40];
  int pages;
  snprintf(count, sizeof count, "PRAGMA %s.page_count", schema);
  pages = sim_shadow_number(count);
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

void sim_statement(sim_program *p) {
  int self = (int)(p - sim_run.programs), d = sim_databases == 1 ? 0 : (int)below((uint32_t)sim_databases);
  char *sql;
  if (!sim_may_write(p, d)) return;
  sql = random_statement(sim_schemas[d]);
  if (sqlite3_get_autocommit(p->db)) {
    sim_autocommit(p, sql, d);
  } else {
    int rc = sim_exec(p, sql);
    sim_expect(p, rc, sql);
    if (rc == SQLITE_OK && sqlite3_txn_state(p->db, NULL) == SQLITE_TXN_WRITE) {
      if (sim_run.writer < 0) {
        sim_shadow("BEGIN");
        sim_run.writer = self;
      }
      if (sim_run.writer != self) sim_fail("two transactions write at once");
      sim_shadow(sql);
    } else if (sqlite3_get_autocommit(p->db)) {   /* it was rolled back */
      if (sim_run.writer == self) {
        sim_shadow("ROLLBACK");
        sim_run.writer = -1;
      }
      p->savepoints = 0;
    } else if (sim_run.writer == self && (rc & 0xff) != SQLITE_BUSY) {
      /* A statement that failed halfway was undone alone: as in the shadow. */
      sim_note("statement undone");
    }
  }
  sqlite3_free(sql);
}

void sim_savepoint(sim_program *p) {
  int self = (int)(p - sim_run.programs);
  char sql[60];
  if (sim_run.writer != self || p->off) return;
  if (p->savepoints > 0 && chance(60)) {
    int k = (int)below((uint32_t)p->savepoints);
    snprintf(sql, sizeof sql, chance(60) ? "ROLLBACK TO s%d" : "RELEASE s%d", k);
    if (sql[0] == 'R' && sql[1] == 'E') p->savepoints = k;
    else p->savepoints = k + 1;
  } else {
    snprintf(sql, sizeof sql, "SAVEPOINT s%d", p->savepoints++);
  }
  {
    int rc = sim_exec(p, sql);
    if (rc != SQLITE_OK && (sim_run.faults || sim_run.no_memory)) {
      sim_rollback(p);
      return;
    }
    if (rc != SQLITE_OK) sim_expect(p, SQLITE_ERROR, sql);
    sim_shadow(sql);
  }
}

/* In WAL mode a transaction that reads stays with the state that it began with. */
static int is_snapshot(const sim_program *p, int d, uint64_t content) {
  const sim_history *h = &sim_commits[d];
  uint32_t k = p->began[d];
  if (sqlite3_get_autocommit(p->db)) return 0;
  while (k < h->count && h->state[k] != content) k++;
  return k < h->count;
}

/* What a connection reads must be the newest state, or the writer's own. */
void sim_read_all(sim_program *p, int d) {
  int self = (int)(p - sim_run.programs);
  uint64_t want = sim_run.writer == self ? sim_shadow_content(d) : sim_newest_state(d);
  uint64_t h;
  int rc = sim_content(p->db, sim_schemas[d], &h);
  sim_note("READ   %s %s -> %d", p->name, sim_schemas[d], rc);
  if (rc != SQLITE_OK) {
    sim_expect(p, sqlite3_extended_errcode(p->db), "SELECT");
    if (sqlite3_get_autocommit(p->db) && sim_run.writer == self) {
      sim_shadow("ROLLBACK");
      sim_run.writer = -1;
      p->savepoints = 0;
    }
    return;
  }
  sim_stats.reads++;
  if (h != want && !(sim_run.wal && is_snapshot(p, d, h))) {
    sim_fail("%s reads %016llx in %s where the content is %016llx (state %u)", p->name,
             (unsigned long long)h, sim_schemas[d], (unsigned long long)want,
             sim_commits[d].count - 1);
  }
}
