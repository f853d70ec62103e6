/* machine.c: see machine.h. */
#include "win32/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pages/lock_bytes.h"
#include "sqlite3.h"
#include "win32/port.h"

#if defined(_MSC_VER)
# define THREAD_LOCAL __declspec(thread)
#else
# define THREAD_LOCAL __thread
#endif

/* NTSTATUS of an operation that is over. */
#define STATUS_OF_SUCCESS   0x00000000u
#define STATUS_OF_EOF       0xc0000011u
#define STATUS_OF_LOCK      0xc0000054u
#define STATUS_OF_DISK_FULL 0xc000007fu
#define STATUS_OF_DEVICE    0xc0000185u

machine_counts machine_seen;

static avfs_windows real;   /* what the product has without tests */

/* ---- the lock bytes --------------------------------------------------------------- */

static uint64_t offset_of(const OVERLAPPED *ov) { return (uint64_t)ov->OffsetHigh << 32 | ov->Offset; }

static bool ends_in(const WCHAR *path, const WCHAR *tail) {
  size_t n = wcslen(path), m = wcslen(tail);
  return n >= m && wcscmp(path + n - m, tail) == 0;
}

/* Journals are locked by nobody. Refused is the whole operation, however little of it they are. */
static bool is_refused(HANDLE h, DWORD bytes, OVERLAPPED *ov) {
  WCHAR path[1024] = L"";
  if (ov == NULL || !avfs_has_lock_bytes(offset_of(ov), bytes)) return false;
  if (GetFinalPathNameByHandleW(h, path, 1024, 0) >= 1024) path[0] = 0;
  if (ends_in(path, L"-journal") || ends_in(path, L"-wal")) return false;
  InterlockedIncrement(&machine_seen.refused);
  SetLastError(ERROR_LOCK_VIOLATION);
  return true;
}

static BOOL WINAPI sqlite_reads(HANDLE h, LPVOID p, DWORD bytes, LPDWORD done, LPOVERLAPPED ov) {
  return is_refused(h, bytes, ov) ? FALSE : ReadFile(h, p, bytes, done, ov);
}

static BOOL WINAPI sqlite_writes(HANDLE h, LPCVOID p, DWORD bytes, LPDWORD done, LPOVERLAPPED ov) {
  return is_refused(h, bytes, ov) ? FALSE : WriteFile(h, p, bytes, done, ov);
}

void machine_guards_sqlite(void) {
  sqlite3_vfs *win32 = sqlite3_vfs_find("win32");
  if (win32 == NULL || win32->iVersion < 3) return;
  win32->xSetSystemCall(win32, "ReadFile", (sqlite3_syscall_ptr)(void (*)(void))sqlite_reads);
  win32->xSetSystemCall(win32, "WriteFile", (sqlite3_syscall_ptr)(void (*)(void))sqlite_writes);
}

/* ---- one operation, from beginning to end ------------------------------------------- */

typedef struct operation {
  bool writes;
  HANDLE h;
  void *p;
  DWORD bytes;
  OVERLAPPED *ov;   /* the caller's */
} operation;

static BOOL start(const operation *o, OVERLAPPED *ov) {
  return o->writes ? real.write(o->h, o->p, o->bytes, ov) : real.read(o->h, o->p, o->bytes, ov);
}

/* Returns Windows' error number; 0: it succeeded. */
static DWORD perform(const operation *o, DWORD *bytes_out) {
  static THREAD_LOCAL HANDLE event;
  OVERLAPPED own;
  DWORD error = 0;
  if (event == NULL) event = CreateEventW(NULL, TRUE, FALSE, NULL);
  memset(&own, 0, sizeof own);
  own.Offset = o->ov->Offset;
  own.OffsetHigh = o->ov->OffsetHigh;
  own.hEvent = (char *)event + 1;   /* no packet */
  *bytes_out = 0;
  if (start(o, &own)) {
    *bytes_out = (DWORD)own.InternalHigh;
  } else if ((error = GetLastError()) == ERROR_IO_PENDING) {
    own.hEvent = event;
    error = GetOverlappedResult(o->h, &own, bytes_out, TRUE) ? 0 : GetLastError();
  }
  return error;
}

/* ---- at once -------------------------------------------------------------------------- */

static BOOL at_once(const operation *o) {
  static volatile LONG calls;
  DWORD bytes, error;
  if (InterlockedIncrement(&calls) % 10 == 0) {
    InterlockedIncrement(&machine_seen.pending);
    return start(o, o->ov);
  }
  error = perform(o, &bytes);
  InterlockedIncrement(&machine_seen.at_once);
  o->ov->InternalHigh = bytes;
  o->ov->Internal = error == 0 ? STATUS_OF_SUCCESS : STATUS_PENDING;   /* as Windows leaves it */
  SetLastError(error);
  return error == 0;
}

/* ---- slow ------------------------------------------------------------------------------- */

typedef struct slow_operation {
  operation o;
  DWORD ms;
} slow_operation;

static ULONG status_of(DWORD error) {
  switch (error) {
    case 0: return STATUS_OF_SUCCESS;
    case ERROR_HANDLE_EOF: return STATUS_OF_EOF;
    case ERROR_LOCK_VIOLATION: return STATUS_OF_LOCK;
    case ERROR_DISK_FULL: return STATUS_OF_DISK_FULL;
    default: return STATUS_OF_DEVICE;
  }
}

static void post(OVERLAPPED *ov, ULONG status, DWORD bytes) {
  typedef LONG(NTAPI * setter)(HANDLE, ULONG_PTR, void *, ULONG, ULONG_PTR);
  static setter NtSetIoCompletion;
  if (NtSetIoCompletion == NULL) {
    FARPROC p = GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtSetIoCompletion");
    memcpy(&NtSetIoCompletion, &p, sizeof p);
  }
  while (NtSetIoCompletion(avfs_port_handle(), AVFS_PORT_IO_KEY, ov, status, bytes) != 0) Sleep(1);
}

static DWORD WINAPI end_slowly(void *arg) {
  slow_operation s = *(slow_operation *)arg;
  DWORD bytes, error;
  ULONG status;
  free(arg);
  Sleep(s.ms);
  error = perform(&s.o, &bytes);
  status = status_of(error);
  s.o.ov->InternalHigh = bytes;
  MemoryBarrier();
  *(volatile ULONG_PTR *)&s.o.ov->Internal = status;
  post(s.o.ov, status, bytes);
  return 0;
}

static BOOL slowly(const operation *o) {
  static volatile LONG calls;
  DWORD ms = 5 + (DWORD)InterlockedIncrement(&calls) * 7919u % 46;
  slow_operation *s;
  InterlockedIncrement(&machine_seen.pending);
  if (o->ov->hEvent != NULL) {   /* it is alone, and waited for by this thread */
    Sleep(ms);
    return start(o, o->ov);
  }
  s = malloc(sizeof *s);
  if (s == NULL) abort();
  s->o = *o;
  s->ms = ms;
  o->ov->Internal = STATUS_PENDING;
  o->ov->InternalHigh = 0;
  if (!QueueUserWorkItem(end_slowly, s, WT_EXECUTELONGFUNCTION)) abort();
  SetLastError(ERROR_IO_PENDING);
  return FALSE;
}

/* ---- the layer ----------------------------------------------------------------------------- */

static BOOL as_it_comes(const operation *o) {
  BOOL done = start(o, o->ov);
  if (done) InterlockedIncrement(&machine_seen.at_once);
  else if (GetLastError() == ERROR_IO_PENDING) InterlockedIncrement(&machine_seen.pending);
  return done;
}

static BOOL (*how)(const operation *o) = as_it_comes;

static BOOL operate(operation o) {
  if (is_refused(o.h, o.bytes, o.ov)) {
    o.ov->Internal = STATUS_PENDING;
    return FALSE;
  }
  return how(&o);
}

static BOOL machine_read(HANDLE h, void *p, DWORD bytes, OVERLAPPED *ov) {
  return operate((operation){false, h, p, bytes, ov});
}

static BOOL machine_write(HANDLE h, const void *p, DWORD bytes, OVERLAPPED *ov) {
  return operate((operation){true, h, (void *)(ULONG_PTR)p, bytes, ov});
}

/* Until the first tick after it. */
/* Windows before version 1803 of 10. */
static HANDLE no_timer(void) { return NULL; }

static DWORD until_a_tick(DWORD ms) {
  enum { TICK_NS = 15625000 };
  uint64_t now = avfs_clock_now_ns(), until = now + (uint64_t)ms * 1000000;
  until = (until + TICK_NS - 1) / TICK_NS * TICK_NS;
  return (DWORD)((until - now + 999999) / 1000000);
}

bool machine_begin(void) {
  const char *machine = getenv("TEST_MACHINE");
  real = avfs_windows_now;
  avfs_windows_now.read = machine_read;
  avfs_windows_now.write = machine_write;
  if (machine == NULL || machine[0] == 0) return true;
  if (strcmp(machine, "at_once") == 0) how = at_once;
  else if (strcmp(machine, "slow") == 0) how = slowly;
  else if (strcmp(machine, "ticks") == 0) avfs_windows_now.limit_ms = until_a_tick, avfs_windows_now.timer = no_timer;
  else printf("no such TEST_MACHINE: %s (at_once, slow, ticks)\n", machine);
  return how != as_it_comes || avfs_windows_now.limit_ms == until_a_tick;
}
