/* port.c: one I/O completion port for the process.
 *
 * Each packet is an avfs_op: of an overlapped read or write (KEY_IO), or posted
 * by hand with its result already in it (KEY_POST). The threads that wait here
 * belong to engine/scheduler.c; this file starts none.
 *
 * Most writes to a cached file succeed at once. A packet for each would cost two
 * system calls and often a thread switch, so such an operation goes to the list of
 * ready ones, if a thread of the pool started it: that thread looks there next. The
 * same goes for one that is alone, which file.c waits for.
 *
 * At the exit of the process operations that the pool had started may be in flight, and the
 * packets of some that are over may still lie here, or come. So from then on a packet is a
 * hint to look at its operation, and only those that the last thread has started count.
 *
 * Locks: list_lock guards ready, pool and exiting; a leaf.
 */
#include "win32/port.h"

#include <assert.h>
#include <string.h>

#include "api/host.h"
#include "win32/sync.h"

enum { KEY_IO = AVFS_PORT_IO_KEY, KEY_POST };

static_assert(sizeof(avfs_overlapped) <= sizeof(((avfs_op *)0)->os),
              "avfs_op.os holds an avfs_overlapped");

static HANDLE port;   /* written once, by avfs_port_start */
static avfs_lock list_lock;
static avfs_op *ready_first, **ready_end = &ready_first;
static DWORD pool[AVFS_MOST_THREADS];   /* threads that wait here again; then zeros */
static int exiting;

int avfs_port_start(void) {
  if (port == NULL) port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
  return port == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

int avfs_port_bind(HANDLE h, int *quiet_out) {
  if (CreateIoCompletionPort(h, port, KEY_IO, 0) == NULL) return 0;
  *quiet_out = SetFileCompletionNotificationModes(h, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0;
  return 1;
}

static void post_packet(avfs_op *op) {
  /* Fails only without memory for the packet. The op must not be lost and
   * there is nobody to tell, so ask again until there is. */
  while (!PostQueuedCompletionStatus(port, 0, KEY_POST, (OVERLAPPED *)op->os)) SwitchToThread();
}

void avfs_port_post(avfs_op *op, int rc, uint32_t os_error) {
  op->rc = rc;
  op->os_error = os_error;
  op->transferred = 0;
  post_packet(op);
}

static avfs_overlapped *overlapped_of(avfs_op *op) { return (avfs_overlapped *)op->os; }

/* The outcome of an overlapped operation. */
static void set_result(avfs_op *op, uint32_t bytes, uint32_t os_error) {
  int failed_rc = overlapped_of(op)->failed_rc;
  if (os_error == ERROR_HANDLE_EOF) os_error = 0;   /* read nothing: past the end */
  op->transferred = bytes;
  op->os_error = os_error;
  op->rc = os_error == 0 ? SQLITE_OK : avfs_code_of_win32(os_error, failed_rc);
  /* Windows writes all or fails; if it ever does not, the disk is full. */
  if (op->rc == SQLITE_OK && bytes < op->bytes && failed_rc == SQLITE_IOERR_WRITE) {
    op->rc = SQLITE_FULL;
  }
}

/* With list_lock. */
static int in_pool(void) {
  DWORD thread = GetCurrentThreadId();
  int i;
  for (i = 0; i < AVFS_MOST_THREADS && pool[i] != 0; i++) {
    if (pool[i] == thread) return !exiting;
  }
  return 0;
}

int avfs_port_in_pool(void) {
  int in;
  avfs_lock_enter(&list_lock);
  in = in_pool();
  avfs_lock_leave(&list_lock);
  return in;
}

int avfs_port_is_exiting(void) { return exiting; }

HANDLE avfs_port_handle(void) { return port; }

void avfs_port_ended(avfs_op *op, uint32_t bytes, uint32_t os_error) {
  int listed;
  set_result(op, bytes, os_error);
  overlapped_of(op)->at_exit = 0;
  avfs_lock_enter(&list_lock);
  listed = exiting || in_pool();
  if (listed) {
    overlapped_of(op)->next = NULL;
    *ready_end = op;
    ready_end = &overlapped_of(op)->next;
  }
  avfs_lock_leave(&list_lock);
  if (!listed) post_packet(op);
}

avfs_op *avfs_port_ready(void) {
  avfs_op *op;
  avfs_lock_enter(&list_lock);
  op = ready_first;
  if (op != NULL) {
    ready_first = overlapped_of(op)->next;
    if (ready_first == NULL) ready_end = &ready_first;
  }
  avfs_lock_leave(&list_lock);
  return op;
}

/* 1 when the thread is gone. Its number may be another's by now, of another process too. */
static int is_gone(DWORD thread, uint32_t timeout_ms) {
  HANDLE h = OpenThread(SYNCHRONIZE | THREAD_QUERY_LIMITED_INFORMATION, FALSE, thread);
  int gone;
  if (h == NULL) return 1;
  gone = GetProcessIdOfThread(h) != GetCurrentProcessId() ||
         WaitForSingleObject(h, timeout_ms) == WAIT_OBJECT_0;
  CloseHandle(h);
  return gone;
}

int avfs_port_exit(uint32_t timeout_ms) {
  uint64_t until = avfs_clock_now_ns() + (uint64_t)timeout_ms * 1000000;
  int i;
  exiting = 1;
  memset(&list_lock, 0, sizeof list_lock);
  ready_first = NULL;
  ready_end = &ready_first;
  for (i = 0; i < AVFS_MOST_THREADS && pool[i] != 0; i++) {
    uint64_t now = avfs_clock_now_ns();
    uint32_t left = now < until ? (uint32_t)((until - now) / 1000000) : 0;
    if (pool[i] != GetCurrentThreadId() && !is_gone(pool[i], left)) return 0;
  }
  return 1;
}

static void join_pool(void) {
  DWORD thread = GetCurrentThreadId();
  int i = 0;
  avfs_lock_enter(&list_lock);
  while (i < AVFS_MOST_THREADS && pool[i] != 0 && pool[i] != thread) i++;
  if (i < AVFS_MOST_THREADS) pool[i] = thread;
  avfs_lock_leave(&list_lock);
}

void avfs_port_leave(void) {
  DWORD thread = GetCurrentThreadId();
  int i, last = 0;
  avfs_lock_enter(&list_lock);
  while (last < AVFS_MOST_THREADS && pool[last] != 0) last++;
  for (i = 0; i < last; i++) {
    if (pool[i] != thread) continue;
    pool[i] = pool[last - 1];
    pool[last - 1] = 0;
    break;
  }
  avfs_lock_leave(&list_lock);
}

/* Of an operation that the port has named at the exit: 1 when the last thread has started it,
 * and it has ended, and that was not seen yet. */
static int ended_at_exit(avfs_op *op) {
  avfs_overlapped *o = overlapped_of(op);
  DWORD bytes = 0, error;
  if (!o->at_exit || !HasOverlappedIoCompleted(&o->ov)) return 0;
  o->at_exit = 0;
  error = GetOverlappedResult(avfs_file_handle(op->file), &o->ov, &bytes, FALSE) ? 0 : GetLastError();
  set_result(op, bytes, error);
  return 1;
}

avfs_op *avfs_port_wait(uint32_t timeout_ms) {
  DWORD bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED *ov = NULL;
  BOOL ok;
  avfs_op *op;
  join_pool();
  ok = GetQueuedCompletionStatus(port, &bytes, &key, &ov,
                                 timeout_ms == AVFS_FOREVER ? INFINITE : avfs_windows_now.limit_ms(timeout_ms));
  if (ov == NULL) return NULL;   /* the time is up */
  op = CONTAINING_RECORD(ov, avfs_op, os);
  if (exiting) return key == KEY_IO && ended_at_exit(op) ? op : NULL;
  if (key == KEY_IO) set_result(op, bytes, ok ? 0 : GetLastError());
  return op;
}
