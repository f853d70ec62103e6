/* steps.c: see steps.h. */
#include "programs/steps.h"

#include <stdio.h>

#include "crash.h"
#include "faults.h"
#include "programs/commits.h"
#include "programs/programs.h"
#include "programs/statements.h"
#include "programs/sweep.h"
#include "programs/will.h"

static void settle(sim_program *p, int d, const char *pragma) {
  char sql[60];
  int rc;
  snprintf(sql, sizeof sql, "PRAGMA %s.asyncvfs_%s", sim_schemas[d], pragma);
  rc = sim_exec(p, sql);
  sim_expect(p, rc, sql);
  if (rc == SQLITE_OK) sim_acknowledged(d);
}

/* A statement of which the content is none the wiser. */
static void tidy(sim_program *p, int d, const char *format) {
  int done[SIM_DATABASES];
  char sql[60];
  if (sim_run.writer >= 0) return;
  snprintf(sql, sizeof sql, format, sim_schemas[d]);
  sim_commit_by(p, sql, d, done);
}

/* To WAL mode, where the database is passed through, and back. There a COMMIT flushes, with
 * synchronous=FULL. */
static void change_to_or_from_wal(sim_program *p) {
  int mode = sim_run.only_delete ? 0 : (int)below(3);   /* others are not safe when passed through */
  char sql[120];
  if (chance(50)) {
    (void)sim_exec(p, "PRAGMA main.synchronous=FULL; PRAGMA main.journal_mode=WAL");
    return;
  }
  snprintf(sql, sizeof sql, "PRAGMA main.journal_mode=%s", sim_journal_modes[mode]);
  (void)sim_exec(p, sql);
  /* SQLite's own: it does not wait for the deletion of the WAL, and with locking_mode=EXCLUSIVE keeps
   * its journal. So nothing later in the log of the file system is flushed, a power cut can bring
   * the WAL back, and that hides what was committed since. */
  if (p->exclusive) sim_disk_settle(&sim_run.disk);
}

/* With the next VACUUM. */
static void change_page_size(sim_program *p, int d) {
  static const int sizes[] = {512, 1024, 4096, 4096, 8192, 65536};
  char sql[60];
  snprintf(sql, sizeof sql, "PRAGMA %s.page_size=%d", sim_schemas[d], sizes[below(6)]);
  (void)sim_exec(p, sql);
}

static void idle_step(sim_program *p) {
  uint32_t what = below(100);
  int d = sim_databases == 1 ? 0 : (int)below((uint32_t)sim_databases);
  if (sim_run.wal && chance(12)) {
    change_to_or_from_wal(p);
  } else if (what < (sim_databases == 1 ? 25u : 40u)) {
    int rc = sim_exec(p, chance(60) ? "BEGIN" : chance(60) ? "BEGIN IMMEDIATE" : "BEGIN EXCLUSIVE"), i;
    for (i = 0; i < sim_databases; i++) p->began[i] = sim_commits[i].count - 1;
    sim_expect(p, rc, "BEGIN");
  } else if (what < 60) {
    sim_statement(p);
  } else if (what < 72) {
    sim_read_all(p, d);
  } else if (what < 82) {
    sim_sleep_ms(1 + below(chance(20) ? 400 : chance(5) ? 15000 : 60));
  } else if (what < 87 && !p->stock) {
    settle(p, d, chance(70) ? "flush" : "drain");
  } else if (what < 90) {
    if (chance(40)) change_page_size(p, d);
    tidy(p, d, "VACUUM %s");
  } else if (what < 93) {
    tidy(p, d, "PRAGMA %s.incremental_vacuum(3)");
  } else if (what < 96 && !sim_run.only_delete && !sim_run.second_name && !(sim_run.shared_cache && !p->stock)) {
    int mode = (int)below(p->stock || p->exclusive ? 3 : 5);
    char sql[60];
    snprintf(sql, sizeof sql, "PRAGMA %s.journal_mode=%s", sim_schemas[d], sim_journal_modes[mode]);
    if (sim_exec(p, sql) == SQLITE_OK) p->off = sim_databases == 1 ? mode == 4 : p->off || mode == 4;
    if (mode >= 3) p->super = 0;
  } else {
    sim_close_program(p);
    sim_open_program(p);
  }
}

static void give_second_name(void) {
  sim_file *f = sim_disk_find(&sim_run.disk, sim_names[0]);
  if (f == NULL || !chance(5)) return;
  sim_disk_link(&sim_run.disk, f, sim_second_name);
  sim_run.second_name = 2;
}

void sim_step(sim_program *p) {
  uint32_t what;
  sim_alive();
  if (sim_run.second_name == 1) give_second_name();
  if (sim_run.no_memory && sim_sweep.plan == NULL && chance(10)) sim_memory_faults.at = 1 + below(chance(50) ? 4 : 60);
  if (p->db == NULL) {
    sim_open_program(p);
    return;
  }
  if (sqlite3_get_autocommit(p->db)) {
    idle_step(p);
    return;
  }
  what = below(100);
  if (what < 58) sim_statement(p);
  else if (what < 66) sim_savepoint(p);
  else if (what < 72) sim_read_all(p, sim_databases == 1 ? 0 : (int)below((uint32_t)sim_databases));
  else if (what < 90) sim_commit(p);
  else if (what < 96) sim_rollback(p);
  else sim_sleep_ms(1 + below(150));
}
