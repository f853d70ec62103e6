/* page_reads.c: see page_reads.h. */
#include "page_reads.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "contestant.h"
#include "samples.h"

enum { BODY = 400 };

void page_reads_add(sqlite3 *db, const char *table, uint32_t first, uint32_t n) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "WITH RECURSIVE n(i) AS (VALUES(%u) UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
           "INSERT INTO %s SELECT i, zeroblob(%d) FROM n", first, first + n - 1, table, BODY);
  run_sql(db, sql);
}

double page_reads_ns(sqlite3 *db, const char *table, uint32_t rows, uint32_t reads, uint64_t *random) {
  char sql[100];
  sqlite3_stmt *stmt;
  double began, took;
  int pages = 0, high;
  uint32_t i;
  snprintf(sql, sizeof sql, "SELECT length(body) FROM %s WHERE id = ?", table);
  run_sql(db, "BEGIN");
  stmt = prepare(db, sql);
  sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &pages, &high, 1);
  began = clock_seconds();
  for (i = 0; i < reads; i++) {
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)(1 + random_next(random) % rows));
    if (sqlite3_step(stmt) != SQLITE_ROW || sqlite3_column_int(stmt, 0) != BODY) {
      fprintf(stderr, "\nbench: a row of %s is missing\n", table);
      exit(1);
    }
    sqlite3_reset(stmt);
  }
  took = clock_seconds() - began;
  sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &pages, &high, 1);
  sqlite3_finalize(stmt);
  run_sql(db, "COMMIT");
  return took * 1e9 / (pages > 0 ? pages : 1);
}
