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
 * A thread finds its entry in the pool by a TLS index, without a lock. The index is never freed,
 * since the library stays loaded, and is good at the exit, too. Nothing has to be called when a
 * thread ends, so FlsAlloc is not needed.
 *
 * Lock: ready.lock, the innermost; it guards who has which entry of pool, too. An entry's timer
 *       is its thread's alone.
 */
#include "win32/port.h"

#include <assert.h>
#include <string.h>

#include "seam/sqlite_api.h"
#include "seam/sync.h"

enum { KEY_IO = AVFS_PORT_IO_KEY, KEY_POST };

static_assert(sizeof(avfs_overlapped) <= sizeof(((avfs_op *)0)->os),
              "avfs_op.os holds an avfs_overlapped");

static HANDLE port;   /* written once, by avfs_port_start */
static struct ready {
  avfs_lock lock;
  avfs_op *first AVFS_GUARDED_BY(avfs_port_role);
  avfs_op **end AVFS_GUARDED_BY(avfs_port_role);
} ready = {.end = &ready.first};
static DWORD worker_index = TLS_OUT_OF_INDEXES;   /* TLS: the thread's worker; NULL: not of the pool.
                                                     Written once, by avfs_port_start */
static struct worker {
  DWORD thread;   /* that waits here again; 0: the entry is free */
  HANDLE timer;   /* NULL: none */
} pool[AVFS_MOST_THREADS];
static int exiting;   /* written by the last thread */

AVFS_LOCK_FUNCTIONS(ready, struct ready, avfs_port_role)

int avfs_port_start(void) {
  if (worker_index == TLS_OUT_OF_INDEXES) worker_index = TlsAlloc();
  if (worker_index == TLS_OUT_OF_INDEXES) return SQLITE_NOMEM;
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

/* Of the calling thread; NULL: it is not of the pool. Clears GetLastError(). */
static struct worker *this_worker(void) { return TlsGetValue(worker_index); }

int avfs_port_in_pool(void) { return !exiting && this_worker() != NULL; }

int avfs_port_is_exiting(void) { return exiting; }

HANDLE avfs_port_handle(void) { return port; }

void avfs_port_ended(avfs_op *op, uint32_t bytes, uint32_t os_error) {
  set_result(op, bytes, os_error);
  overlapped_of(op)->at_exit = 0;
  if (!exiting && !avfs_port_in_pool()) {
    post_packet(op);
    return;
  }
  overlapped_of(op)->next = NULL;
  ready_enter(&ready);
  *ready.end = op;
  ready.end = &overlapped_of(op)->next;
  ready_leave(&ready);
}

avfs_op *avfs_port_ready(void) {
  avfs_op *op;
  ready_enter(&ready);
  op = ready.first;
  if (op != NULL) {
    ready.first = overlapped_of(op)->next;
    if (ready.first == NULL) ready.end = &ready.first;
  }
  ready_leave(&ready);
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

/* The lock may have gone with its owner, in the midst of a change. */
AVFS_NOT_ANALYSED static void forget_ready(void) {
  avfs_lock_forget(&ready.lock);
  ready.first = NULL;
  ready.end = &ready.first;
}

int avfs_port_exit(uint32_t timeout_ms) {
  uint64_t until = avfs_time_after(avfs_clock_now_ns(), timeout_ms);
  int i;
  exiting = 1;
  forget_ready();
  for (i = 0; i < AVFS_MOST_THREADS; i++) {
    uint32_t left = avfs_ms_until(avfs_clock_now_ns(), until);
    DWORD thread = pool[i].thread;
    if (thread != 0 && thread != GetCurrentThreadId() && !is_gone(thread, left)) return 0;
  }
  return 1;
}

/* Since Windows 10, version 1803. */
HANDLE avfs_port_new_timer(void) {
#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
# define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 0x00000002
#endif
  return CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
}

/* NULL: the pool is full. */
static struct worker *take_entry(void) {
  struct worker *w = NULL;
  int i = 0;
  ready_enter(&ready);
  while (i < AVFS_MOST_THREADS && pool[i].thread != 0) i++;
  if (i < AVFS_MOST_THREADS) {
    w = &pool[i];
    w->thread = GetCurrentThreadId();
  }
  ready_leave(&ready);
  return w;
}

static void give_entry_back(struct worker *w) {
  ready_enter(&ready);
  w->thread = 0;
  ready_leave(&ready);
}

/* Returns the thread's timer, NULL: it has none. Without memory, or an entry, the thread waits
 * all the same, and what it starts goes through the port. */
static HANDLE join_pool(void) {
  struct worker *w = this_worker();
  if (w != NULL) return w->timer;
  w = take_entry();
  if (w == NULL) return NULL;
  if (!TlsSetValue(worker_index, w)) {
    give_entry_back(w);
    return NULL;
  }
  w->timer = avfs_windows_now.timer();
  return w->timer;
}

void avfs_port_leave(void) {
  struct worker *w = this_worker();
  if (w == NULL) return;
  if (w->timer != NULL) CloseHandle(w->timer);
  (void)TlsSetValue(worker_index, NULL);
  give_entry_back(w);
}

static void CALLBACK time_is_up(LPVOID arg, DWORD low, DWORD high) {
  (void)arg;
  (void)low;
  (void)high;
}

/* The next packet; 0: the time is up. Windows counts a timeout in ticks of 15.6 ms, which would
 * make 16 ms of the 10 that a batch may gather: a short wait is ended by the thread's timer. */
static int next_packet(HANDLE timer, uint32_t timeout_ms, OVERLAPPED_ENTRY *packet) {
  enum { SHORT_MS = 64 };
  int precise = timer != NULL && timeout_ms > 0 && timeout_ms < SHORT_MS;
  DWORD limit = timeout_ms == AVFS_FOREVER ? INFINITE : avfs_windows_now.limit_ms(timeout_ms);
  ULONG n = 0;
  BOOL ok;
  if (precise) {
    LARGE_INTEGER due;
    due.QuadPart = -(LONGLONG)timeout_ms * 10000;
    precise = SetWaitableTimer(timer, &due, 0, time_is_up, NULL, FALSE) != 0;
  }
  ok = GetQueuedCompletionStatusEx(port, packet, 1, &n, limit, precise);
  if (precise) CancelWaitableTimer(timer);
  return ok && n == 1;
}

/* The error of an operation that has ended, 0: none. */
static DWORD outcome_of(avfs_op *op, DWORD *bytes_out) {
  OVERLAPPED *ov = &overlapped_of(op)->ov;
  *bytes_out = 0;
  return GetOverlappedResult(avfs_file_handle(op->file), ov, bytes_out, FALSE) ? 0 : GetLastError();
}

/* Of an operation that the port has named at the exit: 1 when the last thread has started it,
 * and it has ended, and that was not seen yet. */
static int ended_at_exit(avfs_op *op) {
  avfs_overlapped *o = overlapped_of(op);
  DWORD bytes, error;
  if (!o->at_exit || !HasOverlappedIoCompleted(&o->ov)) return 0;
  o->at_exit = 0;
  error = outcome_of(op, &bytes);
  set_result(op, bytes, error);
  return 1;
}

avfs_op *avfs_port_wait(uint32_t timeout_ms) {
  OVERLAPPED_ENTRY packet;
  avfs_op *op;
  if (!next_packet(join_pool(), timeout_ms, &packet) || packet.lpOverlapped == NULL) return NULL;
  op = CONTAINING_RECORD(packet.lpOverlapped, avfs_op, os);
  if (exiting) return packet.lpCompletionKey == KEY_IO && ended_at_exit(op) ? op : NULL;
  if (packet.lpCompletionKey == KEY_IO) {
    DWORD bytes, error = outcome_of(op, &bytes);
    set_result(op, bytes, error);
  }
  return op;
}
