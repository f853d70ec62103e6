/* passed_file.c: a main database that is passed through: the parent's file.
 *
 * Correct and synchronous, as if we were not there. The parent's file has its own
 * OS lock, so beside connections that are managed this one is like another process.
 *
 * A database that is passed through for what is in it (WAL mode) may change:
 * each time its lock rises from NONE the store looks, and if it is a
 * rollback-mode database again, the connection is managed again (mode.c). Between, it stays as
 * it is: SQLite keeps its SHARED lock from WAL mode until after the commit that
 * ends it.
 */
#include "store/connection.h"
#include "store/store.h"
#include "store/view.h"
#include "vfs/vfs.h"

static sqlite3_file *parent_of(sqlite3_file *f) { return ((avfs_main_file *)f)->conn.parent->file; }

static int passed_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
  return parent_of(f)->pMethods->xRead(parent_of(f), p, n, offset);
}

static int passed_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset) {
  return parent_of(f)->pMethods->xWrite(parent_of(f), p, n, offset);
}

static int passed_truncate(sqlite3_file *f, sqlite3_int64 size) {
  return parent_of(f)->pMethods->xTruncate(parent_of(f), size);
}

static int passed_sync(sqlite3_file *f, int flags) {
  return parent_of(f)->pMethods->xSync(parent_of(f), flags);
}

static int passed_size(sqlite3_file *f, sqlite3_int64 *size_out) {
  return parent_of(f)->pMethods->xFileSize(parent_of(f), size_out);
}

static int passed_level(const avfs_main_file *m) {
  return (int)avfs_counter_get((avfs_counter *)&m->conn.passed_level);
}

static int passed_lock(sqlite3_file *f, int level) {
  avfs_main_file *m = (avfs_main_file *)f;
  const char *reason;
  int rc;
  if (m->conn.store != NULL && passed_level(m) == AVFS_LOCK_NONE) {
    reason = avfs_main_file_must_pass(m);
    if (reason == NULL) {
      rc = avfs_conn_lock(&m->conn, level);
      if (rc == SQLITE_OK) avfs_main_file_become(m, AVFS_MODE_MANAGED, NULL, AVFS_LOCK_NONE);
      if (rc != AVFS_PASS) return rc;
      reason = avfs_store_passed_reason(m->conn.store);
    }
    m->reason = reason;
    rc = avfs_main_file_may_pass(m, m->reason);
    if (rc != SQLITE_OK) return rc;
  }
  rc = parent_of(f)->pMethods->xLock(parent_of(f), level);
  if (rc == SQLITE_OK && level > passed_level(m)) avfs_counter_set(&m->conn.passed_level, level);
  return rc;
}

static int passed_unlock(sqlite3_file *f, int level) {
  avfs_main_file *m = (avfs_main_file *)f;
  int rc = parent_of(f)->pMethods->xUnlock(parent_of(f), level);
  m->conn.durability.has_unlocked = 1;
  if (level < passed_level(m)) avfs_counter_set(&m->conn.passed_level, level);
  return rc;
}

static int passed_check_reserved(sqlite3_file *f, int *reserved_out) {
  return parent_of(f)->pMethods->xCheckReservedLock(parent_of(f), reserved_out);
}

static int passed_control(sqlite3_file *f, int op, void *arg) {
  int rc = avfs_common_control((avfs_main_file *)f, op, arg);
  if (rc != SQLITE_NOTFOUND || op == SQLITE_FCNTL_PRAGMA) return rc;
  return avfs_parent_file_control(((avfs_main_file *)f)->conn.parent, op, arg);
}

static int passed_sector_size(sqlite3_file *f) {
  return parent_of(f)->pMethods->xSectorSize(parent_of(f));
}

static int passed_characteristics(sqlite3_file *f) {
  return parent_of(f)->pMethods->xDeviceCharacteristics(parent_of(f));
}

static int passed_shm_map(sqlite3_file *f, int page, int bytes, int extend, void volatile **pp) {
  return parent_of(f)->pMethods->xShmMap(parent_of(f), page, bytes, extend, pp);
}

static int passed_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
  return parent_of(f)->pMethods->xShmLock(parent_of(f), offset, n, flags);
}

static void passed_shm_barrier(sqlite3_file *f) {
  parent_of(f)->pMethods->xShmBarrier(parent_of(f));
}

static int passed_shm_unmap(sqlite3_file *f, int delete_it) {
  return parent_of(f)->pMethods->xShmUnmap(parent_of(f), delete_it);
}

static int passed_fetch(sqlite3_file *f, sqlite3_int64 offset, int n, void **pp) {
  sqlite3_file *parent = parent_of(f);
  *pp = NULL;
  return parent->pMethods->iVersion >= 3 ? parent->pMethods->xFetch(parent, offset, n, pp) : SQLITE_OK;
}

/* It may be of the time when the file was managed. */
static int passed_unfetch(sqlite3_file *f, sqlite3_int64 offset, void *p) {
  sqlite3_file *parent = parent_of(f);
  if (p != NULL && avfs_view_unfetch(&((avfs_main_file *)f)->conn, p)) return SQLITE_OK;
  return parent->pMethods->iVersion >= 3 ? parent->pMethods->xUnfetch(parent, offset, p) : SQLITE_OK;
}

const sqlite3_io_methods avfs_passed_methods = {
    .iVersion = 3,
    .xClose = avfs_main_close,
    .xRead = passed_read,
    .xWrite = passed_write,
    .xTruncate = passed_truncate,
    .xSync = passed_sync,
    .xFileSize = passed_size,
    .xLock = passed_lock,
    .xUnlock = passed_unlock,
    .xCheckReservedLock = passed_check_reserved,
    .xFileControl = passed_control,
    .xSectorSize = passed_sector_size,
    .xDeviceCharacteristics = passed_characteristics,
    .xShmMap = passed_shm_map,
    .xShmLock = passed_shm_lock,
    .xShmBarrier = passed_shm_barrier,
    .xShmUnmap = passed_shm_unmap,
    .xFetch = passed_fetch,
    .xUnfetch = passed_unfetch,
};
