/* test_io.c: the seam's contract (seam/io.h), held by the machine's own table.
 *
 * The pool of engine/scheduler.c takes the completions, as it does in the product;
 * `done` sets an event that the test waits for.
 */
#include "../harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "engine/scheduler.h"
#include "vfs/sql_tools.h"
#include "win32/machine.h"
#include "win32/port.h"

static const avfs_io *const io = &avfs_io_win32;

static int set_up(void) {
  (void)sql_vfs();
  int rc = avfs_engine_start(io);
  return rc == SQLITE_OK ? avfs_engine_hold() : rc;   /* operations come without a task */
}

/* What nobody has counted on a real Windows yet (docs/WINDOWS.md). */
static int tell_counts(void) {
  avfs_engine_release();
  harness_print("reads and writes of this suite: %ld ended at once, %ld pended\n",
                (long)machine_seen.at_once, (long)machine_seen.pending);
  return 0;
}

static wchar_t *wide(const char *utf8, wchar_t *buffer, int n) {
  if (MultiByteToWideChar(CP_UTF8, 0, utf8, -1, buffer, n) == 0) buffer[0] = 0;
  return buffer;
}

/* ---- one operation -------------------------------------------------------------- */

typedef struct waited {
  avfs_op op;
  HANDLE event;
  volatile LONG done;
} waited;

static void op_done(avfs_op *op) {
  waited *w = (waited *)op;
  InterlockedIncrement(&w->done);
  SetEvent(w->event);
}

static int alone;   /* what the next operations say of themselves */

static void begin(waited *w, void (*how)(avfs_op *), avfs_file *f, void *p, uint32_t n,
                  uint64_t offset) {
  memset(w, 0, sizeof *w);
  w->event = CreateEventA(NULL, TRUE, FALSE, NULL);
  w->op.file = f;
  w->op.data = p;
  w->op.bytes = n;
  w->op.offset = offset;
  w->op.alone = alone;
  w->op.done = op_done;
  w->op.rc = -1;
  how(&w->op);
}

static int end(waited *w) {
  WaitForSingleObject(w->event, INFINITE);
  CloseHandle(w->event);
  CHECK_EQ(w->done, 1);
  return w->op.rc;
}

static int transfer(void (*how)(avfs_op *), avfs_file *f, void *p, uint32_t n, uint64_t offset,
                    uint32_t *transferred_out) {
  waited w;
  begin(&w, how, f, p, n, offset);
  int rc = end(&w);
  if (transferred_out != NULL) *transferred_out = w.op.transferred;
  return rc;
}

static avfs_file *open_new(const char *path) {
  avfs_file *f = NULL;
  CHECK_EQ(io->open(path, AVFS_OPEN_CREATE, &f), SQLITE_OK);
  return f;
}

static uint64_t size_of(avfs_file *f) {
  uint64_t n = 1;
  CHECK_EQ(io->size(f, &n), SQLITE_OK);
  return n;
}

/* ---- reading and writing ------------------------------------------------------------ */

static void read_past_the_end(const char *name) {
  unsigned char p[100];
  uint32_t n = 7;
  avfs_file *f = open_new(scratch_path(name));
  if (f == NULL) return;
  CHECK_EQ(transfer(io->read, f, p, sizeof p, 0, &n), SQLITE_OK);   /* an empty file */
  CHECK_EQ(n, 0);
  sql_noise(1, p, sizeof p);
  CHECK_EQ(transfer(io->write, f, p, 60, 0, &n), SQLITE_OK);
  CHECK_EQ(n, 60);
  unsigned char got[100];
  memset(got, 0x77, sizeof got);
  CHECK_EQ(transfer(io->read, f, got, sizeof got, 10, &n), SQLITE_OK);
  CHECK_EQ(n, 50);
  CHECK_MEM_EQ(got, p + 10, 50);
  CHECK_EQ(got[50], 0x77);
  CHECK_EQ(transfer(io->read, f, got, 1, 60, &n), SQLITE_OK);   /* at the end, and behind */
  CHECK_EQ(n, 0);
  CHECK_EQ(transfer(io->read, f, got, 10, UINT64_C(1) << 40, &n), SQLITE_OK);
  CHECK_EQ(n, 0);
  io->close(f);
}

static void a_read_past_the_end_transfers_fewer_bytes(void) { read_past_the_end("short.bin"); }

static void an_operation_that_is_alone_transfers_the_same(void) {
  alone = 1;
  read_past_the_end("alone.bin");
  alone = 0;
}

/* Of a thread of the pool: one operation after the other, each begun when the last ended. */
static struct chain {
  waited last;
  unsigned char bytes[64];
  int left;
} chain;

static void chain_goes_on(avfs_op *op) {
  if (op->rc != SQLITE_OK || --chain.left == 0) {
    op_done(op);
    return;
  }
  op->offset += op->bytes;
  io->write(op);
}

static void operations_that_are_alone_follow_each_other(void) {
  enum { N = 100 };
  avfs_file *f = open_new(scratch_path("chain.bin"));
  unsigned char got[sizeof chain.bytes];
  if (f == NULL) return;
  sql_noise(3, chain.bytes, sizeof chain.bytes);
  memset(&chain.last, 0, sizeof chain.last);
  chain.left = N;
  chain.last.event = CreateEventA(NULL, TRUE, FALSE, NULL);
  chain.last.op = (avfs_op){.file = f, .data = chain.bytes, .bytes = sizeof chain.bytes, .alone = 1,
                            .done = chain_goes_on};
  io->write(&chain.last.op);
  CHECK_EQ(end(&chain.last), SQLITE_OK);
  CHECK_EQ(size_of(f), N * sizeof chain.bytes);
  for (uint32_t i = 0; i < N; i++) {
    CHECK_EQ(transfer(io->read, f, got, sizeof got, i * sizeof got, NULL), SQLITE_OK);
    CHECK_MEM_EQ(got, chain.bytes, sizeof got);
  }
  CHECK_EQ(chain.last.done, 1);   /* a packet of its own would have come before those */
  io->close(f);
}

/* A pipe has nothing to read until somebody writes, so the read is waited for. */
static void begin_read(avfs_op *op) {
  op->done = op_done;
  io->read(op);
}

static void an_operation_that_is_alone_is_waited_for(void) {
  enum { ROUNDS = 50 };
  char path[80];
  unsigned char sent[40], got[64];
  avfs_file *f = NULL;
  snprintf(path, sizeof path, "\\\\.\\pipe\\asyncvfs-test-%lu", (unsigned long)GetCurrentProcessId());
  HANDLE pipe = CreateNamedPipeA(path, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE | PIPE_WAIT, 1, 4096, 4096, 0, NULL);
  CHECK(pipe != INVALID_HANDLE_VALUE);
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  if (f == NULL) return;
  sql_noise(9, sent, sizeof sent);
  for (int i = 0; i <= ROUNDS; i++) {
    DWORD written = 0;
    waited w;
    memset(&w, 0, sizeof w);
    w.event = CreateEventA(NULL, TRUE, FALSE, NULL);
    w.op = (avfs_op){.file = f, .data = got, .bytes = sizeof got, .alone = 1, .done = begin_read};
    io->post(&w.op);   /* so a thread of the pool reads */
    if (i < ROUNDS) {
      CHECK(WriteFile(pipe, sent, sizeof sent, &written, NULL));
      CHECK_EQ(end(&w), SQLITE_OK);
      CHECK_EQ(w.op.transferred, sizeof sent);
      CHECK_MEM_EQ(got, sent, sizeof sent);
    } else {   /* nobody writes any more */
      CloseHandle(pipe);
      CHECK_EQ(end(&w), SQLITE_IOERR_READ);
      CHECK_EQ(w.op.os_error, ERROR_BROKEN_PIPE);
      CHECK_EQ(w.op.transferred, 0);
    }
  }
  io->close(f);
}

/* When an operation is over, its memory is the caller's again, at once: maybe before the
 * call that started it has returned. */
static volatile LONG given_back;

static void op_is_reused(avfs_op *op) {
  op->file = NULL;
  op->alone = 1;
  memset(op->os, 0xff, sizeof op->os);
  InterlockedIncrement(&given_back);
}

static void what_is_over_is_not_touched(void) {
  enum { N = 3000 };
  static avfs_op op[N];
  static unsigned char bytes[64];
  avfs_file *f = open_new(scratch_path("reused.bin"));
  waited last;
  if (f == NULL) return;
  given_back = 0;
  for (int i = 0; i < N; i++) {
    op[i] = (avfs_op){.file = f, .data = bytes, .bytes = sizeof bytes, .done = op_is_reused};
    io->write(&op[i]);
  }
  while (given_back < N) {   /* those before it in the port are taken, not all done */
    begin(&last, io->post, NULL, NULL, 0, 0);
    (void)end(&last);
  }
  begin(&last, io->post, NULL, NULL, 0, 0);
  (void)end(&last);
  CHECK_EQ(given_back, N);
  io->close(f);
}

static void many_operations_in_flight_each_end_once(void) {
  enum { N = 200, BYTES = 4096 };
  static unsigned char bytes[N][BYTES], got[N][BYTES];
  static waited w[N];
  avfs_file *f = open_new(scratch_path("many.bin"));
  if (f == NULL) return;
  CHECK_EQ(io->resize(f, N * BYTES), SQLITE_OK);
  for (int i = 0; i < N; i++) {
    sql_noise((uint64_t)i + 1, bytes[i], BYTES);
    begin(&w[i], io->write, f, bytes[i], BYTES, (uint64_t)i * BYTES);
  }
  for (int i = 0; i < N; i++) {
    CHECK_EQ(end(&w[i]), SQLITE_OK);
    CHECK_EQ(w[i].op.transferred, BYTES);
    CHECK_EQ(w[i].op.os_error, 0);
  }
  CHECK_EQ(io->flush(f), SQLITE_OK);
  for (int i = 0; i < N; i++) begin(&w[i], io->read, f, got[i], BYTES, (uint64_t)i * BYTES);
  for (int i = 0; i < N; i++) CHECK_EQ(end(&w[i]), SQLITE_OK);
  CHECK_MEM_EQ(got, bytes, sizeof bytes);
  /* A second completion would have come by now: these went through the same port. */
  for (int i = 0; i < N; i++) CHECK_EQ(w[i].done, 1);
  io->close(f);
}

static void an_operation_that_cannot_start_reports_by_done(void) {
  unsigned char p[16] = {0};
  waited w;
  avfs_file *f = open_new(scratch_path("bad.bin"));
  if (f == NULL) return;
  for (alone = 1; alone >= 0; alone--) {
    begin(&w, io->write, f, p, sizeof p, UINT64_C(1) << 63);   /* no file is so long */
    CHECK((end(&w) & 0xff) == SQLITE_IOERR || (w.op.rc & 0xff) == SQLITE_FULL);
    CHECK(w.op.os_error != 0);
  }
  alone = 0;
  CHECK_EQ(size_of(f), 0);
  io->close(f);
}

static void a_write_to_a_locked_range_fails_by_done(void) {
  const char *path = scratch_path("locked.bin");
  unsigned char p[64] = {1, 2, 3};
  wchar_t w_path[1024];
  waited w;
  avfs_file *f = open_new(path);
  if (f == NULL) return;
  CHECK_EQ(io->resize(f, 4096), SQLITE_OK);
  HANDLE other = CreateFileW(wide(path, w_path, 1024), GENERIC_READ | GENERIC_WRITE,
                             FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                             OPEN_EXISTING, 0, NULL);
  OVERLAPPED at;
  memset(&at, 0, sizeof at);
  at.Offset = 1000;
  CHECK(LockFileEx(other, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 512, 0, &at));
  begin(&w, io->write, f, p, sizeof p, 980);
  if (harness_is_wine()) {   /* it lets a write pass where another handle has locked the range */
    CHECK_EQ(end(&w), SQLITE_OK);   /* why page_writer's test looks at offsets */
  } else {
    CHECK_EQ(end(&w), SQLITE_IOERR_WRITE);
    CHECK_EQ(w.op.os_error, ERROR_LOCK_VIOLATION);
  }
  CHECK_EQ(transfer(io->write, f, p, sizeof p, 1512, NULL), SQLITE_OK);
  CloseHandle(other);
  io->close(f);
}

/* By the product's own way and by SQLite's, as on Windows. */
static void the_lock_bytes_are_refused(void) {
  const char *path = scratch_path("lock_bytes.db");
  unsigned char p[600] = {1};
  waited w;
  avfs_file *f = open_new(path);
  if (f == NULL) return;
  LONG refused = machine_seen.refused;
  for (alone = 1; alone >= 0; alone--) {
    begin(&w, io->write, f, p, sizeof p, 0x40000000 - 599);   /* one of them */
    CHECK_EQ(end(&w), SQLITE_IOERR_WRITE);
    CHECK_EQ(w.op.os_error, ERROR_LOCK_VIOLATION);
    begin(&w, io->read, f, p, 1, 0x40000000 + 511);
    CHECK_EQ(end(&w), SQLITE_IOERR_READ);
  }
  alone = 0;
  CHECK_EQ(machine_seen.refused - refused, 4);
  CHECK_EQ(transfer(io->write, f, p, sizeof p, 0x40000000 - 600, NULL), SQLITE_OK);
  CHECK_EQ(transfer(io->write, f, p, sizeof p, 0x40000000 + 512, NULL), SQLITE_OK);
  io->close(f);

  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  sqlite3_file *file = NULL;
  if (db == NULL) return;
  CHECK_RC(db, sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file), SQLITE_OK);
  CHECK_EQ(file->pMethods->xRead(file, p, 10, 0x40000000 + 500), SQLITE_IOERR_READ);
  CHECK_EQ(file->pMethods->xWrite(file, p, 10, 0x40000000 + 500), SQLITE_IOERR_WRITE);
  CHECK_EQ(file->pMethods->xRead(file, p, 10, 0x40000000 + 512), SQLITE_OK);
  sql_close(db);
}

static void a_post_completes_without_io(void) {
  waited w;
  begin(&w, io->post, NULL, NULL, 0, 0);
  CHECK_EQ(end(&w), SQLITE_OK);
  CHECK_EQ(w.op.os_error, 0);
  CHECK_EQ(w.op.transferred, 0);
}

/* ---- opening and removing --------------------------------------------------------------- */

static void this_machines_disk_keeps_order(void) {
  const char *path = scratch_path("ordered.bin");
  CHECK(!io->exists(path));
  avfs_file *f = open_new(path);
  if (f == NULL) return;
  CHECK_EQ(io->is_ordered(f), 1);
  CHECK(io->exists(path));
  io->close(f);
}

/* Somebody has it open who lets it be deleted: the name stays until that one closes it. */
static void what_is_being_deleted_exists(void) {
  const char *path = scratch_path("pending.bin");
  wchar_t w_path[1024];
  HANDLE other = CreateFileW(wide(path, w_path, 1024), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
                             OPEN_ALWAYS, 0, NULL);
  CHECK(DeleteFileW(w_path));
  /* Since Windows 10 NTFS takes the name away at once. */
  CHECK(io->exists(path) || !harness_is_wine());
  CloseHandle(other);
  CHECK(!io->exists(path));
}

static void a_missing_file_cannot_be_opened_but_created(void) {
  const char *path = scratch_path("missing.bin");
  avfs_file *f = (avfs_file *)(void *)&f;
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_CANTOPEN);
  CHECK_EQ(io->os_error(), ERROR_FILE_NOT_FOUND);
  CHECK(f == NULL);
  CHECK(!sql_file_exists(path));
  f = open_new(path);
  CHECK(sql_file_exists(path));
  if (f != NULL) io->close(f);
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  if (f != NULL) io->close(f);
}

static avfs_windows usual_windows;

/* Windows writes all of it or fails: if it ever does not, that is not taken for all. */
static BOOL write_half(HANDLE h, const void *p, DWORD bytes, OVERLAPPED *ov) {
  return usual_windows.write(h, p, bytes / 2, ov);
}

static void a_short_write_is_a_failure(void) {
  unsigned char p[1000] = {1};
  avfs_file *f = open_new(scratch_path("half.bin"));
  waited w;
  if (f == NULL) return;
  usual_windows = avfs_windows_now;
  avfs_windows_now.write = write_half;
  for (alone = 1; alone >= 0; alone--) {
    begin(&w, io->write, f, p, sizeof p, 0);
    CHECK_EQ(end(&w), SQLITE_FULL);
    CHECK_EQ(w.op.transferred, 500);
  }
  alone = 0;
  avfs_windows_now = usual_windows;
  CHECK_EQ(transfer(io->write, f, p, sizeof p, 0, NULL), SQLITE_OK);
  io->close(f);
}

/* Another program: how often it refuses, and with what. */
static struct refusal {
  avfs_windows was;
  DWORD error;
  int times, calls, sleeps;
  DWORD slept_ms;
} refusal;

static HANDLE refuse_open(const WCHAR *path, DWORD disposition) {
  if (refusal.calls++ >= refusal.times) return refusal.was.open(path, disposition);
  SetLastError(refusal.error);
  return INVALID_HANDLE_VALUE;
}

static void count_sleep(DWORD sleep_ms) {
  refusal.sleeps++;
  refusal.slept_ms += sleep_ms;
}

static int open_refused(const char *path, DWORD error, int times) {
  avfs_file *f = NULL;
  refusal = (struct refusal){.was = avfs_windows_now, .error = error, .times = times};
  avfs_windows_now.open = refuse_open;
  avfs_windows_now.sleep_ms = count_sleep;
  int rc = io->open(path, AVFS_OPEN_CREATE, &f);
  DWORD said = io->os_error();
  avfs_windows_now = refusal.was;
  CHECK((f != NULL) == (rc == SQLITE_OK));
  if (rc != SQLITE_OK) CHECK_EQ(said, error);
  if (f != NULL) io->close(f);
  return rc;
}

static void what_a_scanner_holds_for_a_moment_is_opened(void) {
  static const DWORD passing[] = {ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION,
                                  303 /* ERROR_DELETE_PENDING */};
  const char *path = scratch_path("held.bin");
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(open_refused(path, passing[i], 10), SQLITE_OK);
    CHECK_EQ(refusal.calls, 11);
    CHECK_EQ(refusal.sleeps, 10);
    CHECK_EQ(refusal.slept_ms, 25 * 55);
    /* One more time than it is tried. */
    CHECK_EQ(open_refused(path, passing[i], 11), i == 0 ? SQLITE_CANTOPEN : SQLITE_BUSY);
    CHECK_EQ(refusal.calls, 11);
  }
}

static void what_will_not_pass_is_not_tried_again(void) {
  const char *path = scratch_path("other.bin");
  CHECK_EQ(open_refused(path, ERROR_PATH_NOT_FOUND, 1), SQLITE_CANTOPEN);
  CHECK_EQ(open_refused(path, ERROR_NOT_ENOUGH_MEMORY, 1), SQLITE_IOERR_NOMEM);
  CHECK_EQ(refusal.sleeps, 0);
  avfs_file *f = open_new(path);
  if (f != NULL) io->close(f);
  SetFileAttributesA(path, FILE_ATTRIBUTE_READONLY);
  CHECK_EQ(open_refused(path, ERROR_ACCESS_DENIED, 11), SQLITE_CANTOPEN);
  CHECK_EQ(refusal.calls, 1);
  SetFileAttributesA(path, FILE_ATTRIBUTE_NORMAL);
}

static void a_missing_folder_and_bad_utf8_cannot_be_opened(void) {
  char path[600];
  avfs_file *f = NULL;
  snprintf(path, sizeof path, "%s\\inside.bin", scratch_path("nowhere"));
  CHECK_EQ(io->open(path, AVFS_OPEN_CREATE, &f), SQLITE_CANTOPEN);
  CHECK_EQ(io->os_error(), ERROR_PATH_NOT_FOUND);
  snprintf(path, sizeof path, "%s\xff\xfe", scratch_path("bad"));
  CHECK(io->open(path, AVFS_OPEN_CREATE, &f) != SQLITE_OK);
  CHECK(f == NULL);
}

static void an_open_file_is_shared_but_not_deleted(void) {
  const char *path = scratch_path("shared.bin");
  wchar_t w[1024];
  avfs_file *f = open_new(path), *second = NULL;
  if (f == NULL) return;
  io->close(f);
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &second), SQLITE_OK);
  CHECK(!DeleteFileW(wide(path, w, 1024)));
  CHECK_EQ(GetLastError(), ERROR_SHARING_VIOLATION);
  if (second != NULL) io->close(second);
  if (f != NULL) io->close(f);
  CHECK(DeleteFileW(wide(path, w, 1024)));
}

static void a_removed_file_is_gone_at_once(void) {
  const char *path = scratch_path("removed.bin");
  for (int i = 0; i < 3; i++) {
    avfs_file *f = open_new(path);
    if (f == NULL) return;
    CHECK_EQ(transfer(io->write, f, (void *)(uintptr_t) "abc", 3, 0, NULL), SQLITE_OK);
    CHECK_EQ(io->remove(f), SQLITE_OK);
    CHECK(!sql_file_exists(path));
  }
}

/* A stock connection in journal_mode PERSIST, say, that keeps its journal open. */
static void a_file_that_another_holds_is_not_removed_but_closed(void) {
  const char *path = scratch_path("held.bin");
  wchar_t w[1024];
  HANDLE stock = CreateFileW(wide(path, w, 1024), GENERIC_READ | GENERIC_WRITE,
                             FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_NEW, 0, NULL);
  avfs_file *f = open_new(path);   /* beside it, although it shares no deletion */
  CHECK(stock != INVALID_HANDLE_VALUE);
  if (f != NULL) CHECK_EQ(io->remove(f), SQLITE_BUSY);
  CHECK(sql_file_exists(path));
  CloseHandle(stock);
  CHECK(DeleteFileW(w));   /* nobody holds it any more */
}

/* ---- size ---------------------------------------------------------------------------------- */

static void resizing_grows_with_zeros_and_shrinks(void) {
  static unsigned char p[20000], got[20000];
  avfs_file *f = open_new(scratch_path("size.bin"));
  if (f == NULL) return;
  memset(p, 0xaa, sizeof p);
  CHECK_EQ(size_of(f), 0);
  CHECK_EQ(transfer(io->write, f, p, sizeof p, 0, NULL), SQLITE_OK);
  CHECK_EQ(io->resize(f, 5000), SQLITE_OK);
  CHECK_EQ(size_of(f), 5000);
  CHECK_EQ(io->resize(f, sizeof p), SQLITE_OK);
  CHECK_EQ(size_of(f), sizeof p);
  memset(p + 5000, 0, sizeof p - 5000);
  CHECK_EQ(transfer(io->read, f, got, sizeof got, 0, NULL), SQLITE_OK);
  CHECK_MEM_EQ(got, p, sizeof p);   /* what was cut off does not come back */
  CHECK_EQ(io->resize(f, 0), SQLITE_OK);
  CHECK_EQ(size_of(f), 0);
  CHECK_EQ(io->flush(f), SQLITE_OK);
  io->close(f);
}

static void shrinking_a_mapped_file_counts_as_done(void) {
  const char *path = scratch_path("mapped.bin");
  wchar_t w[1024];
  avfs_file *f = open_new(path);
  if (f == NULL) return;
  CHECK_EQ(io->resize(f, 100000), SQLITE_OK);
  HANDLE h = CreateFileW(wide(path, w, 1024), GENERIC_READ,
                         FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                         OPEN_EXISTING, 0, NULL);
  HANDLE mapping = CreateFileMappingW(h, NULL, PAGE_READONLY, 0, 0, NULL);
  void *view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
  CHECK(view != NULL);
  CHECK_EQ(io->resize(f, 4096), SQLITE_OK);
  CHECK_EQ(size_of(f), 100000);
  UnmapViewOfFile(view);
  CloseHandle(mapping);
  CloseHandle(h);
  CHECK_EQ(io->resize(f, 4096), SQLITE_OK);
  CHECK_EQ(size_of(f), 4096);
  io->close(f);
}

/* ---- names ------------------------------------------------------------------------------------ */

static bool same_identity(const char *a, const char *b) {
  avfs_file *fa = NULL, *fb = NULL;
  avfs_identity ia, ib;
  memset(&ia, 1, sizeof ia);
  memset(&ib, 2, sizeof ib);
  CHECK_EQ(io->open(a, AVFS_OPEN_EXISTING, &fa), SQLITE_OK);
  CHECK_EQ(io->open(b, AVFS_OPEN_EXISTING, &fb), SQLITE_OK);
  if (fa == NULL || fb == NULL) return false;
  CHECK_EQ(io->identity(fa, &ia), SQLITE_OK);
  CHECK_EQ(io->identity(fb, &ib), SQLITE_OK);
  CHECK(io->is_local(fa));
  io->close(fa);
  io->close(fb);
  return ia.volume == ib.volume && ia.index_high == ib.index_high && ia.index_low == ib.index_low;
}

static void a_file_has_one_identity_by_whatever_path(void) {
  const char *path = scratch_path("Name.bin"), *other = scratch_path("other.bin");
  char twin[600], dots[600], upper[600];
  wchar_t w_path[1024], w_twin[1024];
  avfs_file *f = open_new(path);
  if (f != NULL) io->close(f);
  f = open_new(other);
  if (f != NULL) io->close(f);
  const char *name = strrchr(path, '\\');
  snprintf(dots, sizeof dots, "%.*s\\.%s", (int)(name - path), path, name);
  snprintf(upper, sizeof upper, "%.*s\\NAME.BIN", (int)(name - path), path);
  snprintf(twin, sizeof twin, "%.*s\\twin.bin", (int)(name - path), path);
  CHECK(CreateHardLinkW(wide(twin, w_twin, 1024), wide(path, w_path, 1024), NULL));
  CHECK(same_identity(path, path));
  CHECK(same_identity(path, dots));
  CHECK(same_identity(path, upper));
  CHECK(same_identity(path, twin));
  CHECK(!same_identity(path, other));
}

/* Writes and reads back, and leaves nothing. */
static void use_path(const char *path) {
  unsigned char got[5] = {0};
  avfs_file *f = open_new(path);
  if (f == NULL) return;
  CHECK_EQ(transfer(io->write, f, (void *)(uintptr_t) "hello", 5, 0, NULL), SQLITE_OK);
  io->close(f);
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  if (f == NULL) return;
  CHECK_EQ(transfer(io->read, f, got, 5, 0, NULL), SQLITE_OK);
  CHECK_MEM_EQ(got, "hello", 5);
  io->close(f);
}

static void names_may_have_any_letters(void) {
  static const char *const names[] = {"gr\303\274\303\237e.bin", "\xe6\x97\xa5\xe6\x9c\xac.bin",
                                      "\xf0\x9f\x97\x84.bin", "two words.bin"};
  for (int i = 0; i < 4; i++) {
    char path[600];
    snprintf(path, sizeof path, "%.*s%s", (int)(strlen(scratch_path("x")) - 1), scratch_path("x"),
             names[i]);
    use_path(path);
    CHECK(sql_file_exists(path));
  }
}

/* Folder in folder until the path has 259, 260, 261 ... characters, and 500. */
static void a_path_may_have_more_than_260_characters(void) {
  static const int lengths[] = {255, 258, 259, 260, 261, 300, 500};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char path[1200], prefixed[1300];
    wchar_t w[1400];
    const char *base = scratch_path("");
    snprintf(path, sizeof path, "%s", base);
    while ((int)strlen(path) + 60 < lengths[i]) {
      strcat(path, "folder-with-a-name-of-forty-characters--");
      snprintf(prefixed, sizeof prefixed, "\\\\?\\%s", path);
      CHECK(CreateDirectoryW(wide(prefixed, w, 1400), NULL));
      strcat(path, "\\");
    }
    while ((int)strlen(path) < lengths[i]) strcat(path, "f");
    CHECK_EQ(strlen(path), lengths[i]);
    use_path(path);
  }
}

static void the_clock_does_not_go_back(void) {
  uint64_t last = io->now_ns();
  for (int i = 0; i < 10000; i++) {
    uint64_t now = io->now_ns();
    if (!CHECK(now >= last)) return;
    last = now;
  }
}

/* More often than there are entries in the pool: leaving frees one. */
static void a_thread_is_of_the_pool_from_its_first_wait_until_it_leaves(void) {
  for (int i = 0; i <= 2 * AVFS_MOST_THREADS; i++) {
    if (!CHECK_EQ(avfs_port_in_pool(), 0)) break;
    CHECK(io->wait(0) == NULL);
    if (!CHECK_EQ(avfs_port_in_pool(), 1)) break;
    CHECK(io->wait(0) == NULL);
    io->leave();
  }
  CHECK_EQ(avfs_port_in_pool(), 0);
}

void suite_io(void) {
  CU_pSuite suite = CU_add_suite("io", set_up, tell_counts);
  ADD_TEST(suite, a_read_past_the_end_transfers_fewer_bytes);
  ADD_TEST(suite, an_operation_that_is_alone_transfers_the_same);
  ADD_TEST(suite, operations_that_are_alone_follow_each_other);
  ADD_TEST(suite, an_operation_that_is_alone_is_waited_for);
  ADD_TEST(suite, what_is_over_is_not_touched);
  ADD_TEST(suite, many_operations_in_flight_each_end_once);
  ADD_TEST(suite, an_operation_that_cannot_start_reports_by_done);
  ADD_TEST(suite, a_write_to_a_locked_range_fails_by_done);
  ADD_TEST(suite, the_lock_bytes_are_refused);
  ADD_TEST(suite, a_post_completes_without_io);
  ADD_TEST(suite, a_short_write_is_a_failure);
  ADD_TEST(suite, this_machines_disk_keeps_order);
  ADD_TEST(suite, what_is_being_deleted_exists);
  ADD_TEST(suite, what_a_scanner_holds_for_a_moment_is_opened);
  ADD_TEST(suite, what_will_not_pass_is_not_tried_again);
  ADD_TEST(suite, a_missing_file_cannot_be_opened_but_created);
  ADD_TEST(suite, a_missing_folder_and_bad_utf8_cannot_be_opened);
  ADD_TEST(suite, an_open_file_is_shared_but_not_deleted);
  ADD_TEST(suite, a_removed_file_is_gone_at_once);
  ADD_TEST(suite, a_file_that_another_holds_is_not_removed_but_closed);
  ADD_TEST(suite, resizing_grows_with_zeros_and_shrinks);
  ADD_TEST(suite, shrinking_a_mapped_file_counts_as_done);
  ADD_TEST(suite, a_file_has_one_identity_by_whatever_path);
  ADD_TEST(suite, names_may_have_any_letters);
  ADD_TEST(suite, a_path_may_have_more_than_260_characters);
  ADD_TEST(suite, the_clock_does_not_go_back);
  ADD_TEST(suite, a_thread_is_of_the_pool_from_its_first_wait_until_it_leaves);
}
