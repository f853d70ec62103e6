/* mode.c: whether a connection's database is managed by the store or passed through.
 *
 *                    xLock from NONE: it is a rollback-mode database
 *        PASSED ------------------------------------------------------> MANAGED
 *           ^                                                              |
 *           |  xLock from NONE: a fresh lock found that it is none         |
 *           |  xLock from NONE: it must be (avfs_main_file_must_pass)       |
 *           |  xLock(RESERVED): no journal can be made beside it           |
 *           |  COMMIT_PHASETWO made it none: the lock is handed over       |
 *           `--------------------------------------------------------------'
 *
 * The mode changes here and nowhere else, on the connection's own thread, and never within a
 * transaction that has written. What follows it:
 *
 *                   MANAGED                              PASSED
 *   methods         avfs_main_methods                    avfs_passed_methods
 *   local lock      conn.locker                          none
 *   OS lock         the store's file                     conn.parent, at conn.passed_level
 *   journal         in memory, the store's               the parent's file
 *   characteristics what write-through keeps             the parent's
 *   views           the store's                          the parent's
 *   file controls   are kept by conn.parent in both modes
 *
 * The journal asks for the mode at each call (journal_file.c). SQLite may hold its handle over a
 * change: after WAL and back to PERSIST or TRUNCATE, since win32 says UNDELETABLE_WHEN_OPEN; with
 * locking_mode=EXCLUSIVE, since a commit may make the database an encrypted one. Managed, the
 * parent's file of it is closed: the name belongs to the engine then.
 *
 * Whoever watches (asyncvfs_on_passed) is told of each connection that becomes passed through, or is
 * so no longer, by that connection's thread.
 *
 * Lock: watcher.lock guards the watcher, and is not held while it is called.
 *
 * Invariants, checked by check_mode() around each change:
 *   (1) methods are those of the mode.
 *   (2) managed: there is a store, passed_level is NONE, the parent's journal is not open.
 *   (3) passed: the locker is at NONE.
 */
#include "vfs/vfs.h"

#include "pages/db_header.h"
#include "store/connection.h"
#include "store/registry.h"
#include "store/report.h"
#include "store/store.h"
#include "store/view.h"

#include <assert.h>

static struct watcher {
  avfs_lock lock;
  asyncvfs_passed_callback callback;
  void *arg;
} watcher;

void avfs_passed_tell(asyncvfs_passed_callback callback, void *arg) {
  avfs_lock_enter(&watcher.lock);
  watcher.callback = callback;
  watcher.arg = arg;
  avfs_lock_leave(&watcher.lock);
}

/* n: 1 or -1. reason: NULL when it is over. */
static void count_passed(const avfs_main_file *m, int n, const char *reason) {
  asyncvfs_passed_callback callback;
  void *arg;
  avfs_registry_count_passed(n);
  avfs_lock_enter(&watcher.lock);
  callback = watcher.callback;
  arg = watcher.arg;
  avfs_lock_leave(&watcher.lock);
  if (callback != NULL) callback(arg, m->conn.path, reason);
}

static void check_mode(avfs_main_file *m) {
  int passed_level = (int)avfs_counter_get(&m->conn.passed_level);
  if (m->mode == AVFS_MODE_MANAGED) {
    assert(m->base.pMethods == &avfs_main_methods && m->conn.store != NULL && m->reason == NULL);
    assert(passed_level == AVFS_LOCK_NONE);
    assert(m->journal == NULL || !avfs_journal_file_is_real(m->journal));
  } else {
    assert(m->base.pMethods == &avfs_passed_methods && m->reason != NULL);
    assert(m->conn.locker.level == AVFS_LOCK_NONE);
  }
  (void)passed_level;
}

static void set_mode(avfs_main_file *m, enum avfs_mode mode, const char *reason) {
  m->mode = mode;
  m->reason = reason;
  m->base.pMethods = mode == AVFS_MODE_MANAGED ? &avfs_main_methods : &avfs_passed_methods;
  check_mode(m);
}

void avfs_main_file_begin(avfs_main_file *m, enum avfs_mode mode, const char *reason) {
  if (mode == AVFS_MODE_PASSED) count_passed(m, 1, reason);
  set_mode(m, mode, reason);
}

void avfs_main_file_end(avfs_main_file *m) {
  if (m->mode == AVFS_MODE_PASSED) count_passed(m, -1, NULL);
  m->mode = AVFS_MODE_CLOSED;
}

void avfs_main_file_become(avfs_main_file *m, enum avfs_mode mode, const char *reason, int passed_level) {
  sqlite3_file *parent = m->conn.parent->file;
  if (mode == AVFS_MODE_MANAGED && m->journal != NULL) avfs_journal_file_forget(m->journal);
  if (mode != m->mode) count_passed(m, mode == AVFS_MODE_PASSED ? 1 : -1, reason);
  /* A view that one side has mapped would keep the other from cutting the file. */
  if (mode == AVFS_MODE_PASSED) avfs_view_unmap(m->conn.store);
  else if (parent->pMethods->iVersion >= 3) (void)parent->pMethods->xUnfetch(parent, 0, NULL);
  avfs_counter_set(&m->conn.passed_level, passed_level);
  set_mode(m, mode, reason);
}

char *avfs_main_file_refusal(const avfs_main_file *m, const char *reason) {
  const char *remedy = reason == avfs_header_wal
      ? "take it out of that once (PRAGMA journal_mode=delete, with no other connection to it)"
      : "remove the cause";
  char *message = sqlite3_mprintf("asyncvfs: %s is refused, since it would be passed through "
                                  "(require_managed=yes): %s; %s, or open it without require_managed",
                                  m->conn.path, reason, remedy);
  avfs_report(SQLITE_CANTOPEN, "%s", message == NULL ? "out of memory" : message);
  return message;
}

int avfs_main_file_may_pass(const avfs_main_file *m, const char *reason) {
  if (avfs_store_get(m->conn.store, AVFS_REQUIRE_MANAGED) == AVFS_REQUIRE_MANAGED_NO) return SQLITE_OK;
  sqlite3_free(avfs_main_file_refusal(m, reason));
  return SQLITE_CANTOPEN;
}

int avfs_main_file_pass(avfs_main_file *m, const char *reason, int level) {
  sqlite3_file *parent = m->conn.parent->file;
  int held = m->conn.locker.level, rc = avfs_main_file_may_pass(m, reason);
  if (rc != SQLITE_OK) return rc;
  if (held > AVFS_LOCK_NONE) {
    /* Before ours is given up: what SQLite has cached stays right. */
    rc = parent->pMethods->xLock(parent, held);
    if (rc != SQLITE_OK) return rc;
    avfs_conn_unlock(&m->conn, AVFS_LOCK_NONE);
  }
  avfs_main_file_become(m, AVFS_MODE_PASSED, reason, held);
  rc = parent->pMethods->xLock(parent, level);
  if (rc == SQLITE_OK) avfs_counter_set(&m->conn.passed_level, level);
  return rc;
}

const char *avfs_main_file_reason(const avfs_main_file *m) {
  if (m->reason != NULL || m->conn.store == NULL) return m->reason;
  return avfs_store_mode_reason(m->conn.store);   /* another connection may know it already */
}

/* SQLite tells its busy handler right after opening. A commit is told in the same way, by a file
 * control; one that does not come through would be lost. */
const char *avfs_main_file_must_pass(avfs_main_file *m) {
  if (m->conn.busy_handler == NULL) return "a VFS above asyncvfs does not pass file controls on";
  return m->must_pass;
}
