/* sql_child.c: see sql_child.h. */
#include "sql_child.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/sql_tools.h"

#define LINE_BYTES 4096
#define ANSWER_MS  120000

/* ---------------------------------------------------- the child's side */

static int close_database(sqlite3 **db) {
  int rc = sqlite3_close(*db);
  if (rc == SQLITE_OK) *db = NULL;
  return rc;
}

static int run_line(const char *vfs, sqlite3 **db, const char *line, char *value) {
  value[0] = 0;
  if (strncmp(line, ".open ", 6) == 0) return sql_try_open(line + 6, vfs, db);
  if (strcmp(line, ".close") == 0) return close_database(db);
  if (*db == NULL) return SQLITE_MISUSE;
  if (strcmp(line, ".hash") == 0) {
    uint64_t hash = 0;
    int rc = sql_dump_hash(*db, &hash);
    snprintf(value, LINE_BYTES, "%" PRIu64, hash);
    return rc;
  }
  int rc = sql_try_text(*db, line, value, LINE_BYTES);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int role_sql(int argc, char **argv) {
  static char line[LINE_BYTES];
  static char value[LINE_BYTES];
  sqlite3 *db = NULL;
  if (argc != 2) return 2;
  if (strcmp(argv[0], "asyncvfs") == 0) sql_vfs();
  printf("%d \n", sql_try_open(argv[1], argv[0], &db));
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\r\n")] = 0;
    int rc = run_line(argv[0], &db, line, value);
    printf("%d %s\n", rc, value);
    fflush(stdout);
  }
  return close_database(&db) == SQLITE_OK ? 0 : 1;
}

/* --------------------------------------------------- the parent's side */

harness_child *sql_child_start(const char *vfs, const char *path) {
  harness_child *child = harness_spawn("sql", vfs, path, NULL);
  if (child != NULL) CHECK_RC(NULL, sql_child_answer(child, NULL, 0), SQLITE_OK);
  return child;
}

void sql_child_send(harness_child *child, const char *sql) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "%s\n", sql);
  CHECK(harness_child_write(child, line));
}

int sql_child_answer(harness_child *child, char *value, size_t value_bytes) {
  char line[LINE_BYTES];
  char *text = NULL;
  if (!CHECK(harness_child_read_line(child, line, sizeof line, ANSWER_MS)))
    return SQL_CHILD_LOST;
  int rc = (int)strtol(line, &text, 10);
  if (value != NULL) snprintf(value, value_bytes, "%s", *text == ' ' ? text + 1 : text);
  return rc;
}

int sql_child_run(harness_child *child, const char *sql) {
  sql_child_send(child, sql);
  return sql_child_answer(child, NULL, 0);
}

int64_t sql_child_int(harness_child *child, const char *sql, int *rc_out) {
  char value[LINE_BYTES];
  sql_child_send(child, sql);
  *rc_out = sql_child_answer(child, value, sizeof value);
  return *rc_out == SQLITE_OK ? strtoll(value, NULL, 10) : -1;
}

void sql_child_must(harness_child *child, const char *sql) {
  int rc = sql_child_run(child, sql);
  if (rc != SQLITE_OK) FAIL("the child answers %d (%s) to %s", rc, sqlite3_errstr(rc), sql);
}

void sql_child_end(harness_child *child) {
  int status = -1;
  if (child == NULL) return;
  harness_child_close_stdin(child);
  CHECK(harness_child_wait(child, ANSWER_MS, &status));
  CHECK_EQ(status, 0);
  harness_child_free(child);
}
