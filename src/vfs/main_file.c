/* main_file.c: a main database that is managed: every call is the store's (connection.h, view.h).
 *
 * The store may answer that the database cannot be managed: xLock by AVFS_PASS,
 * COMMIT_PHASETWO by having handed its lock over. From then on the file is passed through
 * (mode.c).
 */
#include <string.h>

#include "seam/heap.h"
#include "store/connection.h"
#include "store/store.h"
#include "store/view.h"
#include "vfs/vfs.h"

static avfs_conn *conn_of(sqlite3_file *f) { return &((avfs_main_file *)f)->conn; }

int avfs_main_close(sqlite3_file *f) {
  avfs_main_file *m = (avfs_main_file *)f;
  int rc;
  if (m->conn.store != NULL) {
    if (m->mode == AVFS_MODE_MANAGED) avfs_conn_unlock(&m->conn, AVFS_LOCK_NONE);
    avfs_store_close(&m->conn);
  }
  avfs_main_file_end(m);
  avfs_counter_add(&m->vfs->open, -1);
  rc = avfs_parent_file_close(m->conn.parent);
  m->conn.parent = NULL;
  avfs_free(m->conn.path);
  m->conn.path = NULL;
  sqlite3_free(m->conn.misspelt);
  m->conn.misspelt = NULL;
  f->pMethods = NULL;
  return rc;
}

static int main_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
  return avfs_conn_read(conn_of(f), p, (uint32_t)n, (uint64_t)offset);
}

static int main_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset) {
  return avfs_conn_write(conn_of(f), p, (uint32_t)n, (uint64_t)offset);
}

static int main_truncate(sqlite3_file *f, sqlite3_int64 size) {
  return avfs_conn_truncate(conn_of(f), (uint64_t)size);
}

/* The batch flushes. A write-through transaction did so at SQLITE_FCNTL_SYNC,
 * which comes right before, in every mode. */
static int main_sync(sqlite3_file *f, int flags) {
  (void)f;
  (void)flags;
  return SQLITE_OK;
}

static int main_size(sqlite3_file *f, sqlite3_int64 *size_out) {
  uint64_t size;
  int rc = avfs_conn_size(conn_of(f), &size);
  *size_out = (sqlite3_int64)size;
  return rc;
}

static int main_lock(sqlite3_file *f, int level) {
  avfs_main_file *m = (avfs_main_file *)f;
  const char *reason = NULL;
  int rc;
  if (m->conn.locker.level == AVFS_LOCK_NONE) reason = avfs_main_file_must_pass(m);
  if (reason != NULL) {
    (void)avfs_store_drain(m->conn.store, AVFS_FOREVER);   /* it would be in this connection's way */
  } else {
    rc = avfs_conn_lock(&m->conn, level);
    if (rc != AVFS_PASS) return rc;
    reason = avfs_store_passed_reason(m->conn.store);
  }
  return avfs_main_file_pass(m, reason, level);
}

static int main_unlock(sqlite3_file *f, int level) {
  conn_of(f)->durability.has_unlocked = 1;
  return avfs_conn_unlock(conn_of(f), level);
}

static int main_check_reserved(sqlite3_file *f, int *reserved_out) {
  return avfs_conn_check_reserved(conn_of(f), reserved_out);
}

static int commit(avfs_main_file *m) {
  int handed_over;
  int rc = avfs_conn_commit(&m->conn, &handed_over);
  if (handed_over) {
    avfs_main_file_become(m, AVFS_MODE_PASSED, avfs_store_passed_reason(m->conn.store), AVFS_LOCK_EXCLUSIVE);
  }
  return rc;
}

static int main_control(sqlite3_file *f, int op, void *arg) {
  avfs_main_file *m = (avfs_main_file *)f;
  int rc;
  switch (op) {
    case SQLITE_FCNTL_SYNC:
      return avfs_conn_sync(&m->conn, arg);
    case SQLITE_FCNTL_COMMIT_PHASETWO:
      return commit(m);
    case SQLITE_FCNTL_LOCKSTATE:
      *(int *)arg = m->conn.locker.level;
      return SQLITE_OK;
    case SQLITE_FCNTL_SIZE_HINT:
      return SQLITE_OK;   /* the batch knows how long the file will be */
    default:
      rc = avfs_common_control(m, op, arg);
      if (rc != SQLITE_NOTFOUND || op == SQLITE_FCNTL_PRAGMA) return rc;
      return avfs_parent_file_control(m->conn.parent, op, arg);
  }
}

static int main_sector_size(sqlite3_file *f) {
  sqlite3_file *parent = conn_of(f)->parent->file;
  return parent->pMethods->xSectorSize(parent);
}

/* Nothing more is promised than what write-through can keep too. */
static int main_characteristics(sqlite3_file *f) {
  (void)f;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SUBPAGE_READ;
}

/* Version 2 has xShm, so that SQLite lets the database be turned into WAL mode.
 * Only a passed file is asked: in between stands a commit, and a lock. */
static int main_shm_map(sqlite3_file *f, int page, int bytes, int extend, void volatile **pp) {
  (void)f;
  (void)page;
  (void)bytes;
  (void)extend;
  *pp = NULL;
  return SQLITE_IOERR_SHMMAP;
}

static int main_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
  (void)f;
  (void)offset;
  (void)n;
  (void)flags;
  return SQLITE_IOERR_SHMLOCK;
}

static void main_shm_barrier(sqlite3_file *f) { (void)f; }

static int main_shm_unmap(sqlite3_file *f, int delete_it) {
  (void)f;
  (void)delete_it;
  return SQLITE_OK;
}

static int main_fetch(sqlite3_file *f, sqlite3_int64 offset, int n, void **pp) {
  *pp = avfs_view_fetch(conn_of(f), (uint64_t)offset, (uint32_t)n);
  return SQLITE_OK;
}

/* p NULL: another process has changed the file, which it cannot have cut below a view. */
static int main_unfetch(sqlite3_file *f, sqlite3_int64 offset, void *p) {
  (void)offset;
  if (p != NULL) (void)avfs_view_unfetch(conn_of(f), p);
  return SQLITE_OK;
}

const sqlite3_io_methods avfs_main_methods = {
    .iVersion = 3,
    .xClose = avfs_main_close,
    .xRead = main_read,
    .xWrite = main_write,
    .xTruncate = main_truncate,
    .xSync = main_sync,
    .xFileSize = main_size,
    .xLock = main_lock,
    .xUnlock = main_unlock,
    .xCheckReservedLock = main_check_reserved,
    .xFileControl = main_control,
    .xSectorSize = main_sector_size,
    .xDeviceCharacteristics = main_characteristics,
    .xShmMap = main_shm_map,
    .xShmLock = main_shm_lock,
    .xShmBarrier = main_shm_barrier,
    .xShmUnmap = main_shm_unmap,
    .xFetch = main_fetch,
    .xUnfetch = main_unfetch,
};
