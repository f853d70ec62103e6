/* sync.h: locks, condition variables and threads, part of the seam.
 *
 * The lock order of the whole program, outermost first:
 *
 *     registry->lock   which stores are open        (store/registry.c)
 *     engine->lock     which stores want attention  (engine/scheduler.c)
 *     store->lock      everything of one database   (store/store.h)
 *
 * A thread that holds one of them takes only a later one. None of them is
 * held across a call that waits for the disk, for another process or for the
 * application. The order stands once more in each lock's declaration
 * (AVFS_ACQUIRED_AFTER), where clang's -Wthread-safety checks it.
 *
 * Two implementations: sync.c here (SRW locks), and the simulation's.
 */
#ifndef AVFS_SYNC_H
#define AVFS_SYNC_H

#include <stdint.h>

#if defined(__clang__)
# define AVFS_TSA(x) __attribute__((x))
#else
# define AVFS_TSA(x)
#endif
#define AVFS_CAPABILITY(name)     AVFS_TSA(capability(name))
#define AVFS_GUARDED_BY(l)        AVFS_TSA(guarded_by(l))
#define AVFS_ACQUIRED_AFTER(...)  AVFS_TSA(acquired_after(__VA_ARGS__))
#define AVFS_ACQUIRE(...)         AVFS_TSA(acquire_capability(__VA_ARGS__))
#define AVFS_ACQUIRE_SHARED(...)  AVFS_TSA(acquire_shared_capability(__VA_ARGS__))
#define AVFS_RELEASE(...)         AVFS_TSA(release_capability(__VA_ARGS__))
#define AVFS_RELEASE_SHARED(...)  AVFS_TSA(release_shared_capability(__VA_ARGS__))
#define AVFS_REQUIRES(...)        AVFS_TSA(requires_capability(__VA_ARGS__))
#define AVFS_REQUIRES_SHARED(...) AVFS_TSA(requires_shared_capability(__VA_ARGS__))
#define AVFS_EXCLUDES(...)        AVFS_TSA(locks_excluded(__VA_ARGS__))

/* A slim reader-writer lock. All zeros is the unlocked state, so a lock in
 * zeroed memory needs no initialisation and no destruction. */
typedef struct AVFS_CAPABILITY("lock") avfs_lock {
  void *os;
  uint32_t owner;   /* thread that holds it exclusively; for assertions only */
} avfs_lock;

/* A condition variable; all zeros is its initial state. It belongs to one lock,
 * which guards `waiters`: waking nobody costs nothing, on the commit path too. */
typedef struct avfs_cond {
  void *os;
  uint32_t waiters;
} avfs_cond;

#define AVFS_FOREVER UINT32_MAX

void avfs_lock_enter(avfs_lock *l) AVFS_ACQUIRE(*l);
void avfs_lock_leave(avfs_lock *l) AVFS_RELEASE(*l);
void avfs_lock_enter_shared(avfs_lock *l) AVFS_ACQUIRE_SHARED(*l);
void avfs_lock_leave_shared(avfs_lock *l) AVFS_RELEASE_SHARED(*l);

/* Waits until woken or until timeout_ms has passed; may wake for no reason, so
 * the caller tests its predicate again. Returns 0 when the time is up. */
int avfs_cond_wait(avfs_cond *c, avfs_lock *l, uint32_t timeout_ms) AVFS_REQUIRES(*l);
/* With the condition variable's lock held. */
void avfs_cond_wake_all(avfs_cond *c);

/* Starts a thread that lives as long as the process. Returns 0 on failure. */
int avfs_thread_start(void (*run)(void *arg), void *arg);

#endif
