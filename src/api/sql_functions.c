/* sql_functions.c: durability for those who only have SQL.
 *
 *   asyncvfs_ticket()            of the main database, after a COMMIT
 *   asyncvfs_wait(ticket, ms)    1: durable; 0: the time is up; else an error
 *   asyncvfs_flush()             1, when all that is committed is durable
 *   asyncvfs_status()            JSON, of the main database
 *   asyncvfs_version()
 *   asyncvfs_default(name, value)   what databases opened from now on begin with
 *
 * They are on every connection that is opened from the registration on, by an automatic
 * extension. SQLite forgets those at sqlite3_shutdown() and sqlite3_reset_auto_extension(): so
 * it is told of ours again whenever a database is opened through the VFS. They are also on the nested ones that roll a hot journal back (store/fresh.c),
 * where nobody calls them. Those that wait or change something are DIRECTONLY: no view or
 * trigger may.
 * Unlike a pragma, which acts when it is prepared, a function acts when it is stepped.
 */
#include <limits.h>

#include "api/bind.h"
#include "asyncvfs.h"
#include "vfs/vfs.h"

/* As a function's result: rc of a wait. */
static void result_of_wait(sqlite3_context *context, int rc) {
  if (rc == SQLITE_OK || rc == SQLITE_BUSY) sqlite3_result_int64(context, rc == SQLITE_OK);
  else sqlite3_result_error_code(context, rc);
}

static void ticket_function(sqlite3_context *context, int n, sqlite3_value **v) {
  long long ticket;
  int rc = asyncvfs_ticket(sqlite3_context_db_handle(context), "main", &ticket);
  (void)n;
  (void)v;
  if (rc == SQLITE_NOTFOUND) {
    sqlite3_result_error(context, "asyncvfs_ticket: the main database is not open through the "
                         "VFS asyncvfs", -1);
  } else if (rc == SQLITE_TOOBIG) {
    sqlite3_result_error(context, "asyncvfs_ticket: this process has given all tickets that there "
                         "are", -1);
  } else if (rc != SQLITE_OK) {
    sqlite3_result_error_code(context, rc);
  } else {
    sqlite3_result_int64(context, ticket);
  }
}

/* NULL, '' and 'abc' would all be the ticket 0, which is always durable. */
static void wait_function(sqlite3_context *context, int n, sqlite3_value **v) {
  sqlite3_int64 timeout_ms = ASYNCVFS_FOREVER;
  int rc = SQLITE_MISUSE;
  if (n > 1) {
    timeout_ms = sqlite3_value_int64(v[1]);
    if (sqlite3_value_type(v[1]) != SQLITE_INTEGER || timeout_ms < ASYNCVFS_FOREVER ||
        timeout_ms > INT_MAX) {
      sqlite3_result_error(context, "asyncvfs_wait: the second argument, the timeout, must be an "
                           "integer from -1 (for ever) to 2147483647 milliseconds", -1);
      return;
    }
  }
  if (sqlite3_value_type(v[0]) == SQLITE_INTEGER) {
    rc = asyncvfs_wait(sqlite3_value_int64(v[0]), (int)timeout_ms);
  }
  if (rc == SQLITE_MISUSE) {
    sqlite3_result_error(context, "asyncvfs_wait: the first argument must be a ticket of "
                         "asyncvfs_ticket(), an integer that this process has given", -1);
  } else {
    result_of_wait(context, rc);
  }
}

static void flush_function(sqlite3_context *context, int n, sqlite3_value **v) {
  (void)n;
  (void)v;
  result_of_wait(context, asyncvfs_flush(NULL, ASYNCVFS_FOREVER));
}

static void status_function(sqlite3_context *context, int n, sqlite3_value **v) {
  char *text = NULL;
  (void)n;
  (void)v;
  if (sqlite3_file_control(sqlite3_context_db_handle(context), "main", AVFS_FCNTL_STATUS, &text) != SQLITE_OK) {
    sqlite3_result_error(context, "asyncvfs_status: the main database is not open through the "
                         "VFS asyncvfs", -1);
  } else if (text == NULL) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_text(context, text, -1, sqlite3_free);
  }
}

static void version_function(sqlite3_context *context, int n, sqlite3_value **v) {
  (void)n;
  (void)v;
  sqlite3_result_text(context, asyncvfs_version(), -1, SQLITE_STATIC);
}

static void default_function(sqlite3_context *context, int n, sqlite3_value **v) {
  char message[400];
  int rc = asyncvfs_default((const char *)sqlite3_value_text(v[0]),
                            (const char *)sqlite3_value_text(v[1]), message, sizeof message);
  (void)n;
  if (rc == SQLITE_MISUSE) {
    sqlite3_result_error(context, "asyncvfs_default: the arguments must be the name of a setting "
                         "and a value, not NULL", -1);
  } else if (rc != SQLITE_OK) {
    sqlite3_result_error(context, message, -1);
  }
}

int avfs_sql_functions_add(sqlite3 *db) {
  static const struct {
    const char *name;
    int arguments;
    int flags;
    void (*f)(sqlite3_context *, int, sqlite3_value **);
  } functions[] = {
      {"asyncvfs_ticket", 0, 0, ticket_function},
      {"asyncvfs_wait", 1, SQLITE_DIRECTONLY, wait_function},
      {"asyncvfs_wait", 2, SQLITE_DIRECTONLY, wait_function},
      {"asyncvfs_flush", 0, SQLITE_DIRECTONLY, flush_function},
      {"asyncvfs_status", 0, 0, status_function},
      {"asyncvfs_version", 0, 0, version_function},
      {"asyncvfs_default", 2, SQLITE_DIRECTONLY, default_function},
  };
  size_t i;
  int rc = SQLITE_OK;
  for (i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof *functions; i++) {
    rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments,
                                    SQLITE_UTF8 | functions[i].flags, NULL, functions[i].f, NULL,
                                    NULL, NULL);
  }
  return rc;
}

static int on_open(sqlite3 *db, char **message, const sqlite3_api_routines *table) {
  (void)message;
  (void)table;
  return avfs_sql_functions_add(db);
}

int avfs_sql_functions_register(void) {
  /* SQLite's documented cast: the entry point of an extension as a plain function. */
  return sqlite3_auto_extension((void (*)(void))on_open);
}
