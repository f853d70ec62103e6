/* faulty_io.c: see faulty_io.h. */
#include "store/faulty_io.h"

#include <stdio.h>
#include <string.h>

#include "sqlite3.h"
#include "seam/heap.h"
#include "win32/machine.h"
#include "win32/port.h"

/* Of api/bind.h and vfs/vfs.h, which would send this file's own sqlite3_ calls through
 * the library's table. */
int avfs_bind_module(void *module, char *message, int bytes);
int avfs_vfs_register(const avfs_io *io, sqlite3_vfs *parent, int make_default, int (*on_open)(void));

const char *const faulty_names[FAULTY_CALLS] = {"open",   "remove", "identity", "size",
                                                "resize", "flush",  "read",     "write", "map",
                                                "unmap",  "rename"};

enum { FILES = 32 };

static struct {
  avfs_io io;
  /* what fails */
  volatile LONG calls[FAULTY_CALLS];
  faulty_call call;
  volatile LONG from, times, failed;
  const char *only;
  int rc;                      /* SQLITE_OK: what fits the call */
  DWORD os_error;
  /* what waits */
  faulty_call held_call;
  const char *held_only;
  HANDLE reached, go;
  /* presence and time */
  volatile LONG presence;
  HANDLE asked;
  volatile LONG64 now_ns;      /* 0: it runs */
  /* what files are said to be */
  void (*change)(const char *path, avfs_identity *id);
  bool remote, unordered;
  /* files that are memory */
  avfs_mapping *mapping;       /* the last one */
  bool break_next;
  volatile LONG heap_calls, heap_from, heap_failed;
  /* open files */
  SRWLOCK lock;
  struct {
    avfs_file *file;
    char path[300];
  } files[FILES];
} faulty;

static bool is_meant(const char *only, const avfs_file *f, const char *path) {
  bool meant = only == NULL || (path != NULL && strstr(path, only) != NULL);
  AcquireSRWLockShared(&faulty.lock);
  for (int i = 0; !meant && f != NULL && i < FILES; i++) {
    meant = faulty.files[i].file == f && strstr(faulty.files[i].path, only) != NULL;
  }
  ReleaseSRWLockShared(&faulty.lock);
  return meant;
}

/* SQLITE_OK, or the code that this call is to fail with: `usual`, if nothing else was asked. */
static int fate(faulty_call call, const avfs_file *f, const char *path, int usual) {
  if (call == faulty.held_call && is_meant(faulty.held_only, f, path)) {
    SetEvent(faulty.reached);
    WaitForSingleObject(faulty.go, INFINITE);
  }
  if (!is_meant(faulty.only, f, path)) return SQLITE_OK;
  LONG n = InterlockedIncrement(&faulty.calls[call]);
  if (call != faulty.call || n < faulty.from || n - faulty.from >= faulty.times) return SQLITE_OK;
  InterlockedIncrement(&faulty.failed);
  SetLastError(faulty.os_error);
  return faulty.rc == SQLITE_OK ? usual : faulty.rc;
}

static void remember(avfs_file *f, const char *path) {
  AcquireSRWLockExclusive(&faulty.lock);
  for (int i = 0; i < FILES; i++) {
    if (faulty.files[i].file != NULL) continue;
    faulty.files[i].file = f;
    snprintf(faulty.files[i].path, sizeof faulty.files[i].path, "%s", path);
    break;
  }
  ReleaseSRWLockExclusive(&faulty.lock);
}

static void forget(const avfs_file *f) {
  AcquireSRWLockExclusive(&faulty.lock);
  for (int i = 0; i < FILES; i++) {
    if (faulty.files[i].file == f) faulty.files[i].file = NULL;
  }
  ReleaseSRWLockExclusive(&faulty.lock);
}

static int faulty_open(const char *path, int how, avfs_file **file_out) {
  int rc = fate(CALL_OPEN, NULL, path, SQLITE_CANTOPEN);
  *file_out = NULL;
  if (rc == SQLITE_OK) rc = avfs_io_win32.open(path, how, file_out);
  if (rc == SQLITE_OK) remember(*file_out, path);
  return rc;
}

static void faulty_close(avfs_file *f) {
  forget(f);
  avfs_io_win32.close(f);
}

static int faulty_remove(avfs_file *f) {
  int rc = fate(CALL_REMOVE, f, NULL, SQLITE_IOERR_DELETE);
  forget(f);
  if (rc == SQLITE_OK) return avfs_io_win32.remove(f);
  avfs_io_win32.close(f);
  SetLastError(faulty.os_error);
  return rc;
}

static const char *path_of(const avfs_file *f) {
  const char *path = "";
  AcquireSRWLockShared(&faulty.lock);
  for (int i = 0; i < FILES; i++) {
    if (faulty.files[i].file == f) path = faulty.files[i].path;   /* it stays while f is open */
  }
  ReleaseSRWLockShared(&faulty.lock);
  return path;
}

static void change(const char *path, avfs_identity *id) {
  if (faulty.change != NULL) faulty.change(path, id);
}

static int faulty_identity(avfs_file *f, avfs_identity *id_out) {
  int rc = fate(CALL_IDENTITY, f, NULL, SQLITE_IOERR_FSTAT);
  memset(id_out, 0, sizeof *id_out);
  if (rc == SQLITE_OK) rc = avfs_io_win32.identity(f, id_out);
  if (rc == SQLITE_OK) change(path_of(f), id_out);
  return rc;
}

static int faulty_path_identity(const char *path, avfs_identity *id_out) {
  int rc = avfs_io_win32.path_identity(path, id_out);
  if (rc == SQLITE_OK) change(path, id_out);
  return rc;
}

static int faulty_links(avfs_file *f, uint32_t *links_out) {
  avfs_identity id;
  int rc = avfs_io_win32.links(f, links_out);
  memset(&id, 0, sizeof id);
  id.links = *links_out;
  change(path_of(f), &id);
  avfs_free(id.place);
  *links_out = id.links;
  return rc;
}

static int faulty_is_local(avfs_file *f) { return !faulty.remote && avfs_io_win32.is_local(f); }

void faulty_identify(void (*how)(const char *path, avfs_identity *id)) { faulty.change = how; }
static int faulty_is_ordered(avfs_file *f) { return !faulty.unordered && avfs_io_win32.is_ordered(f); }

void faulty_be_unordered(bool on) { faulty.unordered = on; }

void faulty_be_remote(bool on) { faulty.remote = on; }

static int faulty_size(avfs_file *f, uint64_t *bytes_out) {
  int rc = fate(CALL_SIZE, f, NULL, SQLITE_IOERR_FSTAT);
  return rc == SQLITE_OK ? avfs_io_win32.size(f, bytes_out) : rc;
}

static int faulty_resize(avfs_file *f, uint64_t bytes) {
  int rc = fate(CALL_RESIZE, f, NULL, SQLITE_FULL);
  return rc == SQLITE_OK ? avfs_io_win32.resize(f, bytes) : rc;
}

static int faulty_flush(avfs_file *f) {
  int rc = fate(CALL_FLUSH, f, NULL, SQLITE_IOERR_FSYNC);
  return rc == SQLITE_OK ? avfs_io_win32.flush(f) : rc;
}

static void faulty_read(avfs_op *op) {
  int rc = fate(CALL_READ, op->file, NULL, SQLITE_IOERR_READ);
  if (rc == SQLITE_OK) avfs_io_win32.read(op);
  else avfs_port_post(op, rc, faulty.os_error);
}

static void faulty_write(avfs_op *op) {
  int rc = fate(CALL_WRITE, op->file, NULL, SQLITE_IOERR_WRITE);
  if (rc == SQLITE_OK) avfs_io_win32.write(op);
  else avfs_port_post(op, rc, faulty.os_error);
}

/* Mapped files are among the open ones under their mapping's address. */
static avfs_file *as_file(avfs_mapping *m) { return (avfs_file *)(void *)m; }

static bool break_pages(avfs_mapping *m) {
  DWORD old;
  return VirtualProtect(m->at, (SIZE_T)m->bytes, PAGE_NOACCESS, &old);
}

bool faulty_break_mapping(bool next) {
  if (!next) return faulty.mapping != NULL && break_pages(faulty.mapping);
  faulty.break_next = true;
  return true;
}

static int faulty_map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out) {
  int rc = fate(CALL_MAP, NULL, path, SQLITE_IOERR_MMAP);
  *m_out = NULL;
  if (rc == SQLITE_OK) rc = avfs_io_win32.map_file(path, how, bytes, m_out);
  if (rc != SQLITE_OK) return rc;
  remember(as_file(*m_out), path);
  faulty.mapping = *m_out;
  if (faulty.break_next) break_pages(*m_out);
  faulty.break_next = false;
  return SQLITE_OK;
}

static void forget_mapping(avfs_mapping *m) {
  forget(as_file(m));
  if (faulty.mapping == m) faulty.mapping = NULL;
}

static int faulty_unmap_file(avfs_mapping *m, int remove) {
  int rc = fate(CALL_UNMAP, as_file(m), NULL, SQLITE_IOERR_DELETE);
  forget_mapping(m);
  if (rc == SQLITE_OK) return avfs_io_win32.unmap_file(m, remove);
  avfs_io_win32.unmap_file(m, 0);
  SetLastError(faulty.os_error);
  return rc;
}

static int faulty_rename_file(avfs_mapping *m, const char *path) {
  int rc = fate(CALL_RENAME, as_file(m), NULL, SQLITE_IOERR);
  forget_mapping(m);
  if (rc == SQLITE_OK) return avfs_io_win32.rename_file(m, path);
  avfs_io_win32.unmap_file(m, 0);
  SetLastError(faulty.os_error);
  return rc;
}

void faulty_heap_fail(LONG n) {
  faulty.heap_from = 0;
  faulty.heap_calls = faulty.heap_failed = 0;
  faulty.heap_from = n;
}

LONG faulty_heap_failed(void) { return faulty.heap_failed; }

bool faulty_heap_fails(void) {
  if (faulty.heap_from == 0 || InterlockedIncrement(&faulty.heap_calls) != faulty.heap_from) return false;
  InterlockedIncrement(&faulty.heap_failed);
  return true;
}

LONG faulty_calls(faulty_call call) { return faulty.calls[call]; }

static int answer_presence(avfs_file *f) {
  (void)f;
  ReleaseSemaphore(faulty.asked, 1, NULL);
  return faulty.presence;
}

HANDLE faulty_presence(int answer) {
  faulty.presence = answer;
  return faulty.asked;
}

static uint64_t faulty_now_ns(void) {
  uint64_t ns = (uint64_t)faulty.now_ns;
  return ns != 0 ? ns : avfs_io_win32.now_ns();
}

void faulty_advance(uint32_t ms) {
  InterlockedExchange64(&faulty.now_ns, (LONG64)(faulty_now_ns() + (uint64_t)ms * 1000000));
}

/* ---- the parent VFS -------------------------------------------------------------------- */

/* SQLite's win32, but for the opening of journals and the count of sleeps. */
static struct {
  sqlite3_vfs vfs;
  sqlite3_io_methods unreadable;
  volatile LONG journal_reads_fail, sleeps;
} parent;

static int fail_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
  (void)f;
  (void)p;
  (void)n;
  (void)offset;
  return SQLITE_IOERR_READ;
}

static int parent_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_out) {
  sqlite3_vfs *win32 = sqlite3_vfs_find("win32");
  int rc = win32->xOpen(win32, name, f, flags, flags_out);
  (void)vfs;
  if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_JOURNAL) && parent.journal_reads_fail) {
    parent.unreadable = *f->pMethods;
    parent.unreadable.xRead = fail_read;
    f->pMethods = &parent.unreadable;
  }
  return rc;
}

void faulty_fail_journal_reads(bool on) { parent.journal_reads_fail = on; }

static int parent_sleep(sqlite3_vfs *vfs, int us) {
  sqlite3_vfs *win32 = sqlite3_vfs_find("win32");
  (void)vfs;
  InterlockedIncrement(&parent.sleeps);
  return win32->xSleep(win32, us);
}

LONG faulty_sleeps(void) { return parent.sleeps; }

bool faulty_begin(void) {
  char message[200] = "";
  parent.vfs = *sqlite3_vfs_find("win32");
  parent.vfs.xOpen = parent_open;
  parent.vfs.xSleep = parent_sleep;
  faulty.io = avfs_io_win32;
  faulty.io.open = faulty_open;
  faulty.io.close = faulty_close;
  faulty.io.remove = faulty_remove;
  faulty.io.identity = faulty_identity;
  faulty.io.path_identity = faulty_path_identity;
  faulty.io.links = faulty_links;
  faulty.io.is_local = faulty_is_local;
  faulty.io.is_ordered = faulty_is_ordered;
  faulty.io.size = faulty_size;
  faulty.io.resize = faulty_resize;
  faulty.io.flush = faulty_flush;
  faulty.io.map_file = faulty_map_file;
  faulty.io.unmap_file = faulty_unmap_file;
  faulty.io.rename_file = faulty_rename_file;
  faulty.io.read = faulty_read;
  faulty.io.write = faulty_write;
  faulty.io.others = answer_presence;
  faulty.io.now_ns = faulty_now_ns;
  faulty.presence = -1;
  faulty.asked = CreateSemaphoreA(NULL, 0, 1000000, NULL);
  InitializeSRWLock(&faulty.lock);
  faulty.held_call = FAULTY_CALLS;
  faulty.reached = CreateEventA(NULL, TRUE, FALSE, NULL);
  faulty.go = CreateEventA(NULL, TRUE, TRUE, NULL);
  if (avfs_bind_module(NULL, message, sizeof message) != SQLITE_OK) return false;
  machine_guards_sqlite();
  return avfs_vfs_register(&faulty.io, &parent.vfs, 0, NULL) == SQLITE_OK;
}

void faulty_fail_by(faulty_call call, LONG from, LONG times, const char *only, int rc, DWORD os_error) {
  faulty.from = 0;
  faulty.times = 0;
  faulty.call = call;
  faulty.only = only;
  faulty.rc = rc;
  faulty.os_error = os_error;
  memset((void *)(uintptr_t)faulty.calls, 0, sizeof faulty.calls);
  faulty.failed = 0;
  faulty.from = from;
  faulty.times = times;
}

void faulty_fail(faulty_call call, LONG from, LONG times, const char *only) {
  faulty_fail_by(call, from, times, only, SQLITE_OK, ERROR_IO_DEVICE);
}

LONG faulty_failed(void) { return faulty.failed; }
faulty_call faulty_which(void) { return faulty.call; }

HANDLE faulty_hold(faulty_call call, const char *only) {
  ResetEvent(faulty.reached);
  ResetEvent(faulty.go);
  faulty.held_only = only;
  faulty.held_call = call;
  return faulty.reached;
}

void faulty_release(void) {
  faulty.held_call = FAULTY_CALLS;
  SetEvent(faulty.go);
}
