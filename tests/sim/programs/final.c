/* final.c: see final.h. */
#include "programs/final.h"

#include <stdio.h>

#include "crash.h"
#include "faults.h"
#include "parent_vfs.h"
#include "store/view.h"
#include "programs/commits.h"
#include "programs/programs.h"
#include "seam.h"

/* No journal stays beside the database: unless stock SQLite keeps its own (PERSIST,
 * TRUNCATE), or the deletion of ours failed once. */
static void check_leftovers(int d) {
  char name[SIM_NAME];
  const sim_file *journal;
  int i, excused = sim_io_faults.failed > 0, foreign = 0;
  snprintf(name, sizeof name, "%s-journal", sim_names[d]);
  journal = sim_disk_find(&sim_run.disk, name);
  for (i = 0; i < sim_run.count; i++) foreign |= sim_run.programs[i].stock;
  if (journal == NULL) return;
  /* Passed through, TRUNCATE and PERSIST leave it, void. */
  if (!excused && !foreign && !sim_run.wal && !sim_run.second_name && sim_parent_faults.failed == 0) sim_fail("a journal is left behind");
  /* Stock SQLite that met a fault leaves its journal hot. */
  if (foreign && sim_parent_faults.failed > 0) return;
  if (sim_run.not_undone[d]) return;   /* nobody has come since */
  if (journal->live.size > 0 && journal->live.data[0] != 0) sim_fail("a valid journal is left behind");
}

/* The file is as long as its header says: a shorter batch has cut it. */
static void check_length(sqlite3 *db, int d) {
  sqlite3_stmt *s = NULL;
  const sim_file *f = sim_disk_find(&sim_run.disk, sim_names[d]);
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
  int cuts_left;
  check_leftovers(d);
  if (sqlite3_open_v2(sim_names[d], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "win32") != SQLITE_OK ||
      sim_content(db, "main", &h) != SQLITE_OK) {
    sim_fail("stock SQLite cannot read %s at the end: %s", sim_names[d], sqlite3_errmsg(db));
  }
  /* Stock SQLite's rollback may leave it longer, and so may a cut below a view, its own or
   * ours; a WAL has what is behind its end. */
  cuts_left = sim_cuts_refused > 0 || avfs_counter_get(&avfs_view_cuts_left) > 0;
  if (sim_parent_faults.failed == 0 && !cuts_left && !sim_run.wal && !sim_run.rolled_back[d]) check_length(db, d);
  sqlite3_close(db);
  if (h != sim_newest_state(d)) {
    sim_fail("at the end stock SQLite reads %016llx in %s, not the newest state %016llx",
             (unsigned long long)h, sim_names[d], (unsigned long long)sim_newest_state(d));
  }
}

/* After the faults everything drains. */
static void settle_all(sim_program *p) {
  int d, tries, rc = SQLITE_ERROR;
  char sql[60];
  for (d = 0; d < sim_databases; d++, rc = SQLITE_ERROR) {
    snprintf(sql, sizeof sql, "PRAGMA %s.asyncvfs_flush", sim_schemas[d]);
    for (tries = 0; rc != SQLITE_OK && tries < 20; tries++) {
      rc = sim_exec(p, sql);
      if (rc != SQLITE_OK) sim_sleep_ms(500);
    }
    if (rc != SQLITE_OK) sim_fail("nothing fails any more, and yet it does not drain");
    sim_acknowledged(d);
  }
}

void sim_final_checks(void) {
  sim_program *p = NULL;
  int i;
  sim_end_faults();
  if (sim_run.faults || sim_run.no_memory) {
    for (i = 0; i < sim_run.count; i++) {
      if (sim_run.programs[i].db != NULL) sim_end_transaction(&sim_run.programs[i]);
      if (sim_run.programs[i].db != NULL && !sim_run.programs[i].stock) p = &sim_run.programs[i];
    }
    if (p != NULL) settle_all(p);
  }
  sim_run.faults = sim_run.no_memory = 0;
  for (i = 0; i < sim_run.count; i++) {
    if (sim_run.programs[i].db != NULL) sim_close_program(&sim_run.programs[i]);
  }
  sim_crash_now(&sim_run.disk);
  sim_frozen++;
  for (i = 0; i < sim_databases; i++) check_end(i);
  sim_frozen--;
  if (sim_parent_files > 0) sim_fail("%d files are still open", sim_parent_files);
  sim_seam_end();
}
