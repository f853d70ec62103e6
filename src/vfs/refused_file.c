/* refused_file.c: a main database that is not opened, since a parameter of its URI is wrong or
 * since it would be passed through and is to be managed (require_managed).
 *
 * Of an xOpen that fails SQLite keeps a number and no words. So xOpen succeeds, with a file that
 * can be closed and no more, and sqlite3_open_v2 fails a moment later, before it returns:
 *
 *   sqlite3_open_v2:  xOpen --> read of the header --> automatic extensions: ours says why
 *   ATTACH:           xOpen --> read of the header --> xLock: SQLITE_CANTOPEN
 *
 * ATTACH has no words for it either way: there they are in the log alone.
 */
#include <string.h>

#include "vfs/vfs.h"

typedef struct refused_file {
  sqlite3_file base;
  char *message;   /* by sqlite3_malloc */
} refused_file;

/* *(const char **)arg becomes why the file is refused. "avfr". */
enum { FCNTL_REFUSAL = 0x61766672 };

static int refused_close(sqlite3_file *f) {
  sqlite3_free(((refused_file *)f)->message);
  f->pMethods = NULL;
  return SQLITE_OK;
}

static int refused_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
  (void)f;
  (void)offset;
  memset(p, 0, (size_t)n);
  return SQLITE_IOERR_SHORT_READ;
}

static int refused_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset) {
  (void)f;
  (void)p;
  (void)n;
  (void)offset;
  return SQLITE_CANTOPEN;
}

static int refused_truncate(sqlite3_file *f, sqlite3_int64 size) {
  (void)f;
  (void)size;
  return SQLITE_CANTOPEN;
}

static int refused_number(sqlite3_file *f, int n) {   /* xSync, xLock */
  (void)f;
  (void)n;
  return SQLITE_CANTOPEN;
}

static int refused_size(sqlite3_file *f, sqlite3_int64 *size_out) {
  (void)f;
  *size_out = 0;
  return SQLITE_OK;
}

static int refused_unlock(sqlite3_file *f, int level) {
  (void)f;
  (void)level;
  return SQLITE_OK;
}

static int refused_check_reserved(sqlite3_file *f, int *reserved_out) {
  (void)f;
  *reserved_out = 0;
  return SQLITE_OK;
}

static int refused_control(sqlite3_file *f, int op, void *arg) {
  if (op != FCNTL_REFUSAL) return SQLITE_NOTFOUND;
  *(const char **)arg = ((refused_file *)f)->message;
  return SQLITE_OK;
}

static int refused_sector_size(sqlite3_file *f) {
  (void)f;
  return 4096;
}

static int refused_characteristics(sqlite3_file *f) {
  (void)f;
  return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = refused_close,
    .xRead = refused_read,
    .xWrite = refused_write,
    .xTruncate = refused_truncate,
    .xSync = refused_number,
    .xFileSize = refused_size,
    .xLock = refused_number,
    .xUnlock = refused_unlock,
    .xCheckReservedLock = refused_check_reserved,
    .xFileControl = refused_control,
    .xSectorSize = refused_sector_size,
    .xDeviceCharacteristics = refused_characteristics,
};

static int tell(sqlite3 *db, char **message_out, const sqlite3_api_routines *table) {
  const char *message = NULL;
  (void)table;
  if (sqlite3_file_control(db, "main", FCNTL_REFUSAL, &message) != SQLITE_OK) return SQLITE_OK;
  *message_out = sqlite3_mprintf("%s", message);
  return SQLITE_ERROR;
}

int avfs_refused_file_bytes(void) { return (int)sizeof(refused_file); }

int avfs_refused_file_open(sqlite3_file *f, char *message) {
  /* Each time: sqlite3_reset_auto_extension takes it away. Twice is once. */
  int rc = sqlite3_auto_extension((void (*)(void))tell);
  if (rc != SQLITE_OK) {
    sqlite3_free(message);
    return rc;
  }
  ((refused_file *)f)->message = message;
  f->pMethods = &methods;
  return SQLITE_OK;
}
