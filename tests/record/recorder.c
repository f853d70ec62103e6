/* recorder.c: a process that commits, and records what it asks of the disk.
 *
 *   SQL --> asyncvfs --> store, engine --> this table of functions --> avfs_io_win32
 *              |                               |
 *              `--> "win32-recorded" ----------+--> LOG, shared by all processes
 *                     ^   (a VFS over win32)   |
 *   SQL of stock -----'                        `--> win32
 *
 * Several of these on one database, some of them stock SQLite, make the numbered commits of
 * commits.h in turn, each going on from what it finds. replay.c then cuts the power.
 *
 * usage: tests.exe --child recorder LOG DATABASE VFS JOURNAL_MODE SEED COMMITS DURABILITY
 *        VFS: asyncvfs, or win32. COMMITS 0: makes the schema and ends.
 */
#include "../harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "record/commits.h"
#include "record/log.h"
#include "vfs/sql_tools.h"
#include "seam/io.h"

/* Of api/bind.h and vfs/vfs.h, which would send this file's own sqlite3_ calls through
 * the library's table. */
int avfs_bind_module(void *module, char *message, int bytes);
int avfs_vfs_register(const avfs_io *io, sqlite3_vfs *parent, int make_default, int (*on_open)(void));

enum { FILES = 16, IN_FLIGHT = 128 };

static struct {
  HANDLE log, mutex;
  uint16_t process;
  SRWLOCK lock;   /* guards the tables below */
  struct {
    avfs_file *file;
    uint8_t id;
  } files[FILES];
  avfs_op *writes[IN_FLIGHT];
} record;

static void enter(record_entry e, const void *data) {
  static char buffer[1 << 20];   /* by mutex */
  DWORD written, n = sizeof e;
  e.process = record.process;
  WaitForSingleObject(record.mutex, INFINITE);
  memcpy(buffer, &e, sizeof e);
  if (data != NULL) {
    memcpy(buffer + n, data, e.bytes);
    n += e.bytes;
  }
  if (!WriteFile(record.log, buffer, n, &written, NULL) || written != n) {
    printf("the log cannot be written: %lu\n", GetLastError());
    exit(20);
  }
  ReleaseMutex(record.mutex);
}

static bool open_log(const char *path) {
  record.log = CreateFileA(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_ALWAYS,
                           FILE_ATTRIBUTE_NORMAL, NULL);
  record.mutex = CreateMutexA(NULL, FALSE, "asyncvfs-recorder");
  record.process = (uint16_t)GetCurrentProcessId();
  InitializeSRWLock(&record.lock);
  return record.log != INVALID_HANDLE_VALUE && record.mutex != NULL;
}

static uint8_t id_of_path(const char *path) {
  size_t n = strlen(path);
  return n > 8 && strcmp(path + n - 8, "-journal") == 0 ? RECORD_JOURNAL : RECORD_DATABASE;
}

/* ---- the seam ------------------------------------------------------------------------ */

static uint8_t id_of(const avfs_file *f) {
  uint8_t id = RECORD_FILES;
  AcquireSRWLockShared(&record.lock);
  for (int i = 0; i < FILES; i++) {
    if (record.files[i].file == f) id = record.files[i].id;
  }
  ReleaseSRWLockShared(&record.lock);
  return id;
}

static void set_file(const avfs_file *was, avfs_file *is, uint8_t id) {
  AcquireSRWLockExclusive(&record.lock);
  for (int i = 0; i < FILES; i++) {
    if (record.files[i].file != was) continue;
    record.files[i].file = is;
    record.files[i].id = id;
    break;
  }
  ReleaseSRWLockExclusive(&record.lock);
}

static int recording_open(const char *path, int how, avfs_file **file_out) {
  int rc = avfs_io_win32.open(path, how, file_out);
  if (rc != SQLITE_OK) return rc;
  set_file(NULL, *file_out, id_of_path(path));
  if (how == AVFS_OPEN_CREATE) enter((record_entry){.kind = RECORD_CREATED, .file = id_of_path(path)}, NULL);
  return SQLITE_OK;
}

static void recording_close(avfs_file *f) {
  set_file(f, NULL, 0);
  avfs_io_win32.close(f);
}

static int recording_remove(avfs_file *f) {
  uint8_t id = id_of(f);
  set_file(f, NULL, 0);
  int rc = avfs_io_win32.remove(f);
  if (rc == SQLITE_OK) enter((record_entry){.kind = RECORD_DELETED, .file = id}, NULL);
  return rc;
}

static int recording_resize(avfs_file *f, uint64_t bytes) {
  int rc = avfs_io_win32.resize(f, bytes);
  if (rc == SQLITE_OK) enter((record_entry){.kind = RECORD_RESIZED, .file = id_of(f), .offset = bytes}, NULL);
  return rc;
}

static int recording_flush(avfs_file *f) {
  record_entry e = {.kind = RECORD_FLUSH, .file = id_of(f), .id = (uint64_t)(uintptr_t)f};
  enter(e, NULL);
  int rc = avfs_io_win32.flush(f);
  e.kind = RECORD_FLUSHED;
  if (rc == SQLITE_OK) enter(e, NULL);
  return rc;
}

static void recording_write(avfs_op *op) {
  enter((record_entry){.kind = RECORD_WRITE, .file = id_of(op->file), .bytes = op->bytes, .offset = op->offset,
                       .id = (uint64_t)(uintptr_t)op}, op->data);
  AcquireSRWLockExclusive(&record.lock);
  int i = 0;
  while (i < IN_FLIGHT - 1 && record.writes[i] != NULL) i++;
  record.writes[i] = op;
  ReleaseSRWLockExclusive(&record.lock);
  avfs_io_win32.write(op);
}

static avfs_op *completed(avfs_op *op) {
  bool is_write = false;
  AcquireSRWLockExclusive(&record.lock);
  for (int i = 0; op != NULL && i < IN_FLIGHT; i++) {
    if (record.writes[i] != op) continue;
    record.writes[i] = NULL;
    is_write = true;
  }
  ReleaseSRWLockExclusive(&record.lock);
  if (is_write) enter((record_entry){.kind = RECORD_WRITTEN, .id = (uint64_t)(uintptr_t)op}, NULL);
  return op;
}

static avfs_op *recording_ready(void) { return completed(avfs_io_win32.ready()); }
static avfs_op *recording_wait(uint32_t timeout_ms) { return completed(avfs_io_win32.wait(timeout_ms)); }

/* ---- "win32-recorded" -------------------------------------------------------------------- */

typedef struct recorded_file {
  sqlite3_file base;
  uint8_t id;   /* RECORD_FILES: not of interest */
  sqlite3_file *real;
} recorded_file;

static sqlite3_file *real(sqlite3_file *f) { return ((recorded_file *)f)->real; }
static bool counts(sqlite3_file *f) { return ((recorded_file *)f)->id < RECORD_FILES; }

static int file_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
  return real(f)->pMethods->xRead(real(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
  record_entry e = {.kind = RECORD_WRITE, .file = ((recorded_file *)f)->id, .bytes = (uint32_t)n,
                    .offset = (uint64_t)at, .id = (uint64_t)(uintptr_t)f};
  if (counts(f)) enter(e, p);
  int rc = real(f)->pMethods->xWrite(real(f), p, n, at);
  e.kind = RECORD_WRITTEN;
  e.bytes = 0;
  if (counts(f)) enter(e, NULL);
  return rc;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
  int rc = real(f)->pMethods->xTruncate(real(f), size);
  if (rc == SQLITE_OK && counts(f)) {
    enter((record_entry){.kind = RECORD_RESIZED, .file = ((recorded_file *)f)->id, .offset = (uint64_t)size}, NULL);
  }
  return rc;
}

static int file_sync(sqlite3_file *f, int flags) {
  record_entry e = {.kind = RECORD_FLUSH, .file = ((recorded_file *)f)->id, .id = (uint64_t)(uintptr_t)f};
  if (counts(f)) enter(e, NULL);
  int rc = real(f)->pMethods->xSync(real(f), flags);
  e.kind = RECORD_FLUSHED;
  if (rc == SQLITE_OK && counts(f)) enter(e, NULL);
  return rc;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size_out) { return real(f)->pMethods->xFileSize(real(f), size_out); }
static int file_lock(sqlite3_file *f, int level) { return real(f)->pMethods->xLock(real(f), level); }
static int file_unlock(sqlite3_file *f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
static int file_check_reserved(sqlite3_file *f, int *out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
static int file_sector_size(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int file_characteristics(sqlite3_file *f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }

/* A hint about the size may write behind our back. */
static int file_control(sqlite3_file *f, int op, void *arg) {
  if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
  return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static sqlite3_vfs recorded;

static int recorded_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_out) {
  recorded_file *r = (recorded_file *)f;
  sqlite3_vfs *win32 = vfs->pAppData;
  memset(r, 0, sizeof *r);
  r->real = (sqlite3_file *)(r + 1);
  r->id = flags & SQLITE_OPEN_MAIN_DB ? RECORD_DATABASE : flags & SQLITE_OPEN_MAIN_JOURNAL ? RECORD_JOURNAL : RECORD_FILES;
  int rc = win32->xOpen(win32, name, r->real, flags, flags_out);
  if (rc != SQLITE_OK) return rc;
  f->pMethods = &methods;
  if (counts(f) && (flags & SQLITE_OPEN_CREATE)) enter((record_entry){.kind = RECORD_CREATED, .file = r->id}, NULL);
  return SQLITE_OK;
}

static int recorded_delete(sqlite3_vfs *vfs, const char *name, int sync_directory) {
  sqlite3_vfs *win32 = vfs->pAppData;
  int rc = win32->xDelete(win32, name, sync_directory);
  if (rc == SQLITE_OK) enter((record_entry){.kind = RECORD_DELETED, .file = id_of_path(name)}, NULL);
  return rc;
}

static int recorded_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
  sqlite3_vfs *win32 = vfs->pAppData;
  return win32->xAccess(win32, name, flags, out);
}

static int recorded_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out) {
  sqlite3_vfs *win32 = vfs->pAppData;
  return win32->xFullPathname(win32, name, n, out);
}

static bool register_recording(void) {
  static avfs_io io;
  char message[200] = "";
  sqlite3_vfs *win32 = sqlite3_vfs_find(SQL_STOCK_VFS);
  recorded = *win32;
  recorded.iVersion = 1;
  recorded.zName = "win32-recorded";
  recorded.szOsFile = (int)sizeof(recorded_file) + win32->szOsFile;
  recorded.pAppData = win32;
  recorded.xOpen = recorded_open;
  recorded.xDelete = recorded_delete;
  recorded.xAccess = recorded_access;
  recorded.xFullPathname = recorded_full_pathname;
  if (sqlite3_vfs_register(&recorded, 0) != SQLITE_OK) return false;
  io = avfs_io_win32;
  io.open = recording_open;
  io.close = recording_close;
  io.remove = recording_remove;
  io.resize = recording_resize;
  io.flush = recording_flush;
  io.write = recording_write;
  io.ready = recording_ready;
  io.wait = recording_wait;
  return avfs_bind_module(NULL, message, sizeof message) == SQLITE_OK &&
         avfs_vfs_register(&io, &recorded, 0, NULL) == SQLITE_OK;
}

/* ---- the commits --------------------------------------------------------------------------- */

/* The state after the schema is number 1, after commit n number n + 1. */
static void mark(int kind, int64_t state) {
  enter((record_entry){.kind = (uint8_t)kind, .offset = (uint64_t)state}, NULL);
}

static int make_commit(sqlite3 *db, uint64_t seed, int64_t *n_out) {
  char sql[COMMIT_SQL_BYTES];
  int64_t n = 0;
  int rc = sql_exec(db, "BEGIN IMMEDIATE");
  if (rc == SQLITE_OK) rc = sql_try_int(db, "SELECT n FROM last", &n);
  if (rc == SQLITE_OK) {
    commits_sql(seed, (int)++n, sql);
    mark(RECORD_TRYING, n + 1);
    rc = sql_exec(db, sql);
    if (rc == SQLITE_OK) rc = sql_exec(db, "COMMIT");
    if (rc == SQLITE_OK) mark(RECORD_COMMITTED, n + 1);
  }
  if (!sqlite3_get_autocommit(db)) sql_exec(db, "ROLLBACK");
  *n_out = n;
  return rc;
}

static int make_commits(sqlite3 *db, uint64_t seed, int commits, bool ours, bool disk) {
  int64_t n = 0;
  int rc = SQLITE_OK;
  rng_seed(seed + record.process);
  for (int i = 0; i < commits; i++) {
    do rc = make_commit(db, seed, &n);
    while ((rc & 0xff) == SQLITE_BUSY);
    if (rc != SQLITE_OK) return rc;
    if (ours && disk) mark(RECORD_PROMISED, n + 1);
    if (ours && !disk && rng_below(12) == 0) {
      rc = sql_exec(db, "PRAGMA asyncvfs_flush");
      if (rc != SQLITE_OK) return rc;
      mark(RECORD_PROMISED, n + 1);
    }
    if (rng_below(6) == 0) Sleep((DWORD)rng_below(60));   /* another process's turn */
  }
  return SQLITE_OK;
}

int role_recorder(int argc, char **argv) {
  if (argc != 7) return 2;
  bool ours = strcmp(argv[2], "asyncvfs") == 0, disk = strcmp(argv[6], "disk") == 0;
  uint64_t seed = strtoull(argv[4], NULL, 10);
  int commits = atoi(argv[5]);
  sqlite3 *db = NULL;
  if (!open_log(argv[0]) || !register_recording()) return 10;
  int rc = sql_try_open(argv[1], ours ? "asyncvfs" : "win32-recorded", &db);
  if (rc == SQLITE_OK) {
    sqlite3_busy_timeout(db, 20000);
    rc = sql_execf(db, "PRAGMA page_size=%d; PRAGMA auto_vacuum=%d; PRAGMA journal_mode=%s; PRAGMA cache_size=%d;"
                   "PRAGMA synchronous=FULL", 1024 << seed % 3, (int)(seed / 3 % 2), argv[3], seed % 2 ? 10 : 500);
  }
  if (rc == SQLITE_OK && ours) {
    rc = sql_execf(db, "PRAGMA asyncvfs_durability=%s; PRAGMA asyncvfs_max_queue_bytes=1048576;"
                   "PRAGMA asyncvfs_max_lag_ms=%d", argv[6], (int)(seed % 5 * 10));
  }
  if (rc == SQLITE_OK && commits == 0) {
    mark(RECORD_TRYING, 1);
    rc = sql_execf(db, "BEGIN; %s; COMMIT", commits_schema);
    if (rc == SQLITE_OK) mark(RECORD_COMMITTED, 1);
  }
  if (rc == SQLITE_OK) rc = make_commits(db, seed, commits, ours, disk);
  if (rc != SQLITE_OK) printf("recorder, %s: error %d, %s\n", argv[2], rc, db == NULL ? "" : sqlite3_errmsg(db));
  int closed = sqlite3_close(db);
  return rc == SQLITE_OK && closed == SQLITE_OK ? 0 : 1;
}
