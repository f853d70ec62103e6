/* commits.c: see commits.h. */
#include "commits.h"

#include <stdio.h>

const char commits_schema[] =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT); CREATE INDEX i ON t(a);"
    "CREATE TABLE last(n INT); INSERT INTO last VALUES(0)";

uint64_t commits_draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint32_t commits_below(uint64_t *state, uint32_t n) {
  return (uint32_t)((commits_draw(state) >> 32) * n >> 32);
}

void commits_sql(uint64_t seed, int n, char sql[COMMIT_SQL_BYTES]) {
  uint64_t r = seed * 1000003 + (uint64_t)n;
  uint32_t what = commits_below(&r, 10), row = commits_below(&r, 60), other = commits_below(&r, 60);
  uint32_t bytes = commits_below(&r, 4) == 0 ? commits_below(&r, 9000) : commits_below(&r, 200);
  int at = snprintf(sql, COMMIT_SQL_BYTES,
                    "UPDATE last SET n=%d; REPLACE INTO t VALUES(%u, %d, printf('%%0*d', %u, %d));", n, row, n,
                    bytes + 1, n);
  char *rest = sql + at;
  size_t room = COMMIT_SQL_BYTES - (size_t)at;
  if (what < 3) {
    snprintf(rest, room, "DELETE FROM t WHERE id%%7=%u", other % 7);
  } else if (what < 6) {
    snprintf(rest, room, "UPDATE t SET a=a+%d WHERE id>%u", n, other);
  } else if (what == 6 && n % 3 == 0) {   /* half a megabyte */
    snprintf(rest, room, "WITH RECURSIVE c(i) AS (SELECT 1000 UNION ALL SELECT i+1 FROM c WHERE i<1150)"
             "REPLACE INTO t SELECT i, %d, printf('%%0*d', 4000, i) FROM c", n);
  } else if (what == 7) {
    snprintf(rest, room, "DELETE FROM t WHERE id>=1000");
  }
}
