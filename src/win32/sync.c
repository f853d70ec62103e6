/* sync.c: the seam's locks, condition variables and threads, by Win32. */
#include "seam/sync.h"
#include "win32/port.h"

#include <assert.h>
#include <windows.h>

static_assert(sizeof(SRWLOCK) == sizeof(void *), "avfs_lock holds an SRWLOCK");
static_assert(sizeof(CONDITION_VARIABLE) == sizeof(void *),
              "avfs_cond holds a CONDITION_VARIABLE");

void avfs_lock_enter(avfs_lock *l) {
  AcquireSRWLockExclusive((SRWLOCK *)&l->os);
#ifdef AVFS_CHECK
  l->owner = GetCurrentThreadId();
#endif
}

int avfs_lock_try_enter(avfs_lock *l) {
  if (!TryAcquireSRWLockExclusive((SRWLOCK *)&l->os)) return 0;
#ifdef AVFS_CHECK
  l->owner = GetCurrentThreadId();
#endif
  return 1;
}

void avfs_lock_leave(avfs_lock *l) {
#ifdef AVFS_CHECK
  assert(l->owner == GetCurrentThreadId());
  l->owner = 0;
#endif
  ReleaseSRWLockExclusive((SRWLOCK *)&l->os);
}

void avfs_lock_enter_shared(avfs_lock *l) {
  AcquireSRWLockShared((SRWLOCK *)&l->os);
}

void avfs_lock_leave_shared(avfs_lock *l) {
  ReleaseSRWLockShared((SRWLOCK *)&l->os);
}

int avfs_cond_wait(avfs_cond *c, avfs_lock *l, uint32_t timeout_ms) {
  BOOL woken;
#ifdef AVFS_CHECK
  assert(l->owner == GetCurrentThreadId());
  l->owner = 0;
#endif
  c->waiters++;
  woken = SleepConditionVariableSRW((CONDITION_VARIABLE *)&c->os, (SRWLOCK *)&l->os,
                                    timeout_ms == AVFS_FOREVER ? INFINITE : avfs_windows_now.limit_ms(timeout_ms), 0);
  c->waiters--;
#ifdef AVFS_CHECK
  l->owner = GetCurrentThreadId();
#endif
  return woken != 0;
}

void avfs_cond_wake_all(avfs_cond *c) {
  if (c->waiters > 0) WakeAllConditionVariable((CONDITION_VARIABLE *)&c->os);
}

/* What a new thread is to run; the thread frees it. */
struct start {
  void (*run)(void *arg);
  void *arg;
};

static DWORD WINAPI thread_main(LPVOID p) {
  struct start s = *(struct start *)p;
  HeapFree(GetProcessHeap(), 0, p);
  s.run(s.arg);
  return 0;
}

int avfs_thread_start(void (*run)(void *arg), void *arg) {
  struct start *s = HeapAlloc(GetProcessHeap(), 0, sizeof *s);
  HANDLE h;
  if (s == NULL) return 0;
  s->run = run;
  s->arg = arg;
  h = CreateThread(NULL, 0, thread_main, s, 0, NULL);
  if (h == NULL) {
    HeapFree(GetProcessHeap(), 0, s);
    return 0;
  }
  CloseHandle(h);
  return 1;
}

uint32_t avfs_thread_id(void) { return GetCurrentThreadId(); }

int64_t avfs_counter_get(avfs_counter *c) {
#if defined(_WIN64) && (defined(__GNUC__) || defined(__clang__))
  return __atomic_load_n(&c->value, __ATOMIC_ACQUIRE);
#elif defined(_WIN64)
  return ReadAcquire64(&c->value);   /* a plain read on x64, not on ARM64 */
#else
  return InterlockedCompareExchange64(&c->value, 0, 0);
#endif
}

void avfs_counter_set(avfs_counter *c, int64_t n) { InterlockedExchange64(&c->value, n); }

int64_t avfs_counter_add(avfs_counter *c, int64_t n) {
  return InterlockedExchangeAdd64(&c->value, n) + n;
}
