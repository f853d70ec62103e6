/* asyncvfs.c: the exported C functions (include/asyncvfs.h). */
#include "asyncvfs.h"

#include <string.h>

#include "api/bind.h"
#include "store/notices.h"
#include "store/registry.h"
#include "store/report.h"
#include "store/status.h"
#include "store/store.h"
#include "store/tickets.h"
#include "vfs/vfs.h"

const char *ASYNCVFS_CALL asyncvfs_version(void) { return ASYNCVFS_VERSION; }

int ASYNCVFS_CALL asyncvfs_register(void *sqlite_module, unsigned flags, char *message,
                                    int message_bytes) {
  int rc;
  if (message != NULL && message_bytes > 0) message[0] = 0;
  rc = avfs_bind_module(sqlite_module, message, message_bytes);
  if (rc != SQLITE_OK) return rc;
  return avfs_bind_register((flags & ASYNCVFS_MAKE_DEFAULT) != 0, message, message_bytes);
}

static void note_asyncvfs(avfs_conn *c, void *arg) {
  if (avfs_main_file_of_conn(c)->vfs == &avfs_asyncvfs) *(int *)arg = 1;
}

int ASYNCVFS_CALL asyncvfs_unregister(void) {
  int is_open = 0;
  if (sqlite3_api == NULL) return SQLITE_OK;
  avfs_registry_visit_conns(note_asyncvfs, &is_open);
  if (is_open) return SQLITE_BUSY;
  return avfs_bind_unregister_name(&avfs_asyncvfs);
}

/* ---- flush --------------------------------------------------------------------- */

static uint32_t to_wait(int timeout_ms) {
  return timeout_ms < 0 ? AVFS_FOREVER : (uint32_t)timeout_ms;
}

static int flush_one(const char *path, int timeout_ms) {
  avfs_store *s = avfs_vfs_find_store(path, 1);
  int rc;
  if (s == NULL) return SQLITE_NOTFOUND;
  rc = avfs_store_flush(s, to_wait(timeout_ms));
  avfs_store_release(s);
  return rc;
}

/* All begin before the first is waited for. Those that are opened meanwhile do not count. */
static int flush_all(int timeout_ms) {
  uint64_t last = avfs_store_start_flush_all(), until = AVFS_NEVER, id;
  avfs_store *s;
  int rc = SQLITE_OK;
  for (id = 0; (s = avfs_registry_find_after(id, last)) != NULL; avfs_store_release(s)) {
    uint64_t now = s->io->now_ns();
    int one;
    if (id == 0) until = avfs_time_after(now, to_wait(timeout_ms));
    id = s->id;
    one = avfs_store_flush(s, avfs_ms_until(now, until));
    if (rc == SQLITE_OK) rc = one;
  }
  return rc;
}

int ASYNCVFS_CALL asyncvfs_flush(const char *path, int timeout_ms) {
  if (timeout_ms < ASYNCVFS_FOREVER) return SQLITE_MISUSE;
  return path != NULL ? flush_one(path, timeout_ms) : flush_all(timeout_ms);
}

int ASYNCVFS_CALL asyncvfs_end(int timeout_ms) {
  if (timeout_ms < ASYNCVFS_FOREVER) return SQLITE_MISUSE;
  avfs_store_end_at(avfs_time_after(avfs_io_win32.now_ns(), to_wait(timeout_ms)));
  return flush_all(timeout_ms);
}

/* ---- tickets ------------------------------------------------------------------- */

int ASYNCVFS_CALL asyncvfs_ticket(sqlite3 *db, const char *schema, long long *ticket_out) {
  avfs_main_file *m;
  avfs_store *s;
  int rc;
  if (db == NULL || ticket_out == NULL) return SQLITE_MISUSE;
  m = avfs_main_file_of(db, schema);
  *ticket_out = 0;   /* waits for nothing */
  if (m == NULL) return SQLITE_NOTFOUND;
  s = avfs_main_file_retain_store(m);
  if (s == NULL) return SQLITE_OK;   /* passed through: its commits are synchronous */
  rc = avfs_store_ticket(s, ticket_out);
  avfs_store_release(s);
  return rc;
}

int ASYNCVFS_CALL asyncvfs_on_durable(sqlite3 *db, const char *schema,
                                      asyncvfs_durable_callback callback, void *arg) {
  avfs_main_file *m = avfs_main_file_of(db, schema);
  avfs_store *s;
  int rc;
  if (db == NULL || callback == NULL) return SQLITE_MISUSE;
  if (m == NULL) return SQLITE_NOTFOUND;
  s = avfs_main_file_retain_store(m);
  rc = avfs_notices_add(s, callback, arg);
  if (s != NULL) avfs_store_release(s);
  return rc;
}

/* *store_out: the open store that the ticket is of, with a reference, and *seq_out its commit there.
 * NULL: the answer is what the ticket comes to. */
static int find_ticket(long long ticket, avfs_store **store_out, uint64_t *seq_out) {
  uint64_t id;
  int rc;
  *store_out = NULL;
  if (ticket < 0) return SQLITE_MISUSE;
  rc = avfs_ticket_find(ticket, &id, seq_out);
  if (rc != SQLITE_OK || id == 0) return rc;
  *store_out = avfs_registry_find_id(id);
  return *store_out != NULL ? SQLITE_OK : avfs_registry_loss(id, *seq_out);   /* closed: that drained it, mostly */
}

int ASYNCVFS_CALL asyncvfs_wait(long long ticket, int timeout_ms) {
  uint64_t seq;
  avfs_store *s;
  int rc;
  if (timeout_ms < ASYNCVFS_FOREVER) return SQLITE_MISUSE;
  rc = find_ticket(ticket, &s, &seq);
  if (s == NULL) return rc;
  rc = avfs_store_wait_for(s, seq, to_wait(timeout_ms));
  avfs_store_release(s);
  return rc;
}

int ASYNCVFS_CALL asyncvfs_is_durable(long long ticket) {
  uint64_t seq;
  avfs_store *s;
  int rc = find_ticket(ticket, &s, &seq);
  if (s == NULL) return rc;
  rc = avfs_store_look_for(s, seq);
  avfs_store_release(s);
  return rc;
}

/* ---- recovery ------------------------------------------------------------------ */

/* In the row that PRAGMA asyncvfs_recover answers. */
static int take_replayed(void *arg, int n, char **values, char **names) {
  const char *p = values[0];
  long long v = 0;
  (void)n;
  (void)names;
  for (; p != NULL && *p >= '0' && *p <= '9'; p++) v = v * 10 + (*p - '0');
  *(long long *)arg = v;
  return 0;
}

/* The schema is read first: by SQLite's rules of waiting, and to see that it is a database. */
static int recover(sqlite3 *db, long long *replayed_out) {
  int rc;
  if (avfs_main_file_of(db, NULL) == NULL) return SQLITE_CANTOPEN;   /* "", ":memory:" */
  rc = sqlite3_exec(db, "PRAGMA busy_timeout=5000; SELECT count(*) FROM sqlite_master", NULL, NULL, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "PRAGMA asyncvfs_recover", take_replayed, replayed_out, NULL);
  return rc == SQLITE_OK ? rc : sqlite3_extended_errcode(db);
}

int ASYNCVFS_CALL asyncvfs_recover(const char *path, long long *replayed_out) {
  sqlite3 *db = NULL;
  int rc;
  if (sqlite3_api == NULL || path == NULL || replayed_out == NULL) return SQLITE_MISUSE;
  *replayed_out = 0;
  rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_FULLMUTEX,
                       avfs_asyncvfs.name);
  if (rc != SQLITE_OK && db != NULL) rc = sqlite3_extended_errcode(db);
  if (rc == SQLITE_OK) rc = recover(db, replayed_out);
  sqlite3_close(db);
  return rc;
}

/* ---- errors and settings ---------------------------------------------------------- */

int ASYNCVFS_CALL asyncvfs_on_error(asyncvfs_error_callback callback, void *arg) {
  return avfs_report_to(callback, arg);
}

int ASYNCVFS_CALL asyncvfs_default(const char *name, const char *value, char *message,
                                   int message_bytes) {
  uint64_t v;
  char *refusal;
  int i, rc = SQLITE_ERROR;
  if (message != NULL && message_bytes > 0) message[0] = 0;
  if (sqlite3_api == NULL || name == NULL || value == NULL) return SQLITE_MISUSE;
  i = avfs_setting_find(name);
  if (i < 0) {
    refusal = sqlite3_mprintf("asyncvfs: no such setting: %s; there are %z", name,
                              avfs_setting_list(""));
  } else {
    rc = avfs_setting_parse(i, value, &v, &refusal);
  }
  if (rc == SQLITE_OK) avfs_setting_set_default(i, v);
  else if (message != NULL && refusal != NULL) sqlite3_snprintf(message_bytes, message, "%s", refusal);
  sqlite3_free(refusal);
  return rc;
}

/* ---- status -------------------------------------------------------------------- */

int ASYNCVFS_CALL asyncvfs_mode(sqlite3 *db, const char *schema, const char **reason_out) {
  avfs_main_file *m;
  if (db == NULL || reason_out == NULL) return SQLITE_MISUSE;
  *reason_out = NULL;
  m = avfs_main_file_of(db, schema);
  if (m == NULL) return SQLITE_NOTFOUND;
  *reason_out = avfs_main_file_reason(m);
  return SQLITE_OK;
}

void ASYNCVFS_CALL asyncvfs_on_passed(asyncvfs_passed_callback callback, void *arg) {
  avfs_passed_tell(callback, arg);
}

void ASYNCVFS_CALL asyncvfs_on_closed(asyncvfs_closed_callback callback, void *arg) {
  avfs_report_closed_to(callback, arg);
}

int ASYNCVFS_CALL asyncvfs_next_database(long long *cursor, char *path, int path_bytes) {
  int rc = SQLITE_OK;
  avfs_store *s;
  if (cursor == NULL || path == NULL || *cursor < 0) return SQLITE_MISUSE;
  s = avfs_registry_find_after((uint64_t)*cursor, avfs_registry_last_id());
  if (s == NULL) return SQLITE_NOTFOUND;
  if ((int)strlen(s->path) >= path_bytes) {
    rc = SQLITE_TOOBIG;
  } else {
    memcpy(path, s->path, strlen(s->path) + 1);
    *cursor = (long long)s->id;
  }
  avfs_store_release(s);
  return rc;
}

int ASYNCVFS_CALL asyncvfs_status(const char *path, char *json, int bytes) {
  avfs_store *s;
  char *text;
  int rc = SQLITE_OK;
  if (path == NULL || json == NULL) return SQLITE_MISUSE;
  s = avfs_vfs_find_store(path, 0);
  if (s == NULL) return SQLITE_NOTFOUND;
  text = avfs_store_status(s, NULL, avfs_store_mode_reason(s));
  avfs_store_release(s);
  if (text == NULL) return SQLITE_NOMEM;
  if ((int)strlen(text) >= bytes) rc = SQLITE_TOOBIG;
  else memcpy(json, text, strlen(text) + 1);
  sqlite3_free(text);
  return rc;
}
