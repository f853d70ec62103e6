/* sync.h: locks, condition variables and threads, part of the seam.
 *
 * Each kind of lock has a role, below, and the list of roles is the lock order of the whole
 * program: a thread that holds one takes only a later one. None of them is held across a call
 * that waits for the disk, for another process or for the application.
 *
 * The order and the guards are checked by clang's -Wthread-safety (lint_locks). In C it knows
 * no lock that is a member of a struct; a role is a name for the analysis alone. Fields are
 * guarded by the role, and AVFS_LOCK_FUNCTIONS makes the functions that take and leave it. What
 * it cannot see, that it is the lock of the right object, asserts see in builds with AVFS_CHECK;
 * and it sees no order across a function that does not say what it takes.
 *
 * Two implementations: sync.c here (SRW locks), and the simulation's.
 */
#ifndef AVFS_SYNC_H
#define AVFS_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include "seam/time.h"

#if defined(__clang__)
# define AVFS_TSA(x) __attribute__((x))
#else
# define AVFS_TSA(x)
#endif
#define AVFS_GUARDED_BY(role)        AVFS_TSA(guarded_by(role))
#define AVFS_ACQUIRE(role)           AVFS_TSA(acquire_capability(role))
#define AVFS_ACQUIRE_SHARED(role)    AVFS_TSA(acquire_shared_capability(role))
#define AVFS_RELEASE(role)           AVFS_TSA(release_capability(role))
#define AVFS_RELEASE_SHARED(role)    AVFS_TSA(release_shared_capability(role))
#define AVFS_REQUIRES(role)          AVFS_TSA(requires_capability(role))
#define AVFS_REQUIRES_SHARED(role)   AVFS_TSA(requires_shared_capability(role))
#define AVFS_EXCLUDES(role)          AVFS_TSA(locks_excluded(role))
#define AVFS_NOT_ANALYSED            AVFS_TSA(no_thread_safety_analysis)

/* Declares a role; the second form, one that is taken inside another, and so inside all that
 * are outside of that. Never defined: no code refers to it. */
typedef struct AVFS_TSA(capability("lock")) avfs_role {
  char unused;
} avfs_role;
#define AVFS_ROLE(role)               extern avfs_role role
#define AVFS_ROLE_INSIDE(role, outer) extern avfs_role role AVFS_TSA(acquired_after(outer))

/* The order, outermost first. */
AVFS_ROLE(avfs_binding_role);                               /* which SQLite is served (api/host.c) */
AVFS_ROLE_INSIDE(avfs_batch_role, avfs_binding_role);       /* whether what was in flight is over (engine/batch.h) */
AVFS_ROLE_INSIDE(avfs_registry_role, avfs_batch_role);      /* which stores are open; no I/O (store/registry.c) */
AVFS_ROLE_INSIDE(avfs_engine_role, avfs_registry_role);     /* which tasks are due (engine/scheduler.c) */
AVFS_ROLE_INSIDE(avfs_store_role, avfs_engine_role);        /* everything of one database (store/state.h) */
AVFS_ROLE_INSIDE(avfs_ticket_role, avfs_store_role);        /* which commit a ticket stands for (store/tickets.c) */
AVFS_ROLE_INSIDE(avfs_pump_role, avfs_ticket_role);         /* which piece of a batch is next (engine/pump.h) */
AVFS_ROLE_INSIDE(avfs_notifier_role, avfs_pump_role);       /* whom to call back next (engine/notifier.c) */
AVFS_ROLE_INSIDE(avfs_report_role, avfs_notifier_role);     /* who is told of errors (store/report.c) */
AVFS_ROLE_INSIDE(avfs_port_role, avfs_report_role);         /* what ended at once, and the pool (win32/port.c) */
/* Some locks have no role: nothing at all is taken under them, and one file has both ends
 * (store/durability.c, api/sqlite3async.c, win32/mapping.c). */

/* A slim reader-writer lock. All zeros is the unlocked state, so a lock in
 * zeroed memory needs no initialisation and no destruction. */
typedef struct avfs_lock {
  void *os;
  uint32_t owner;   /* thread that holds it exclusively; for assertions only */
} avfs_lock;

/* A condition variable; all zeros is its initial state. It belongs to one lock,
 * which guards `waiters`: waking nobody costs nothing, on the commit path too. */
typedef struct avfs_cond {
  void *os;
  uint32_t waiters;
} avfs_cond;

void avfs_lock_enter(avfs_lock *l);
void avfs_lock_leave(avfs_lock *l);
/* 1 when it was free, and is held now. */
int avfs_lock_try_enter(avfs_lock *l);
void avfs_lock_enter_shared(avfs_lock *l);
void avfs_lock_leave_shared(avfs_lock *l);

/* At the exit of the process: the threads that held or awaited it are gone, and nobody else will
 * give it back. */
static inline void avfs_lock_forget(avfs_lock *l) { *l = (avfs_lock){NULL, 0}; }
static inline void avfs_cond_forget(avfs_cond *c) { *c = (avfs_cond){NULL, 0}; }

/* Waits until woken or until timeout_ms has passed; may wake for no reason, so
 * the caller tests its predicate again. Returns 0 when the time is up. */
int avfs_cond_wait(avfs_cond *c, avfs_lock *l, uint32_t timeout_ms);
/* With the condition variable's lock held. */
void avfs_cond_wake_all(avfs_cond *c);

/* Starts a thread, which ends when run() returns. Returns 0 on failure. */
int avfs_thread_start(void (*run)(void *arg), void *arg);
/* Tells the calling thread from all others that live; never 0. */
uint32_t avfs_thread_id(void);

/* A number that any thread reads and changes without a lock, whole each time. */
typedef struct avfs_counter {
  volatile int64_t value;
} avfs_counter;

int64_t avfs_counter_get(avfs_counter *c);
void avfs_counter_set(avfs_counter *c, int64_t n);
int64_t avfs_counter_add(avfs_counter *c, int64_t n);   /* returns the sum */

/* prefix_enter(object), prefix_leave(object), and so on, for a type with a member
 * `lock`; prefix_wait(object, timeout_ms) and prefix_wake(object) for one with a
 * condition variable `changed` beside it. */
#define AVFS_LOCK_FUNCTIONS(prefix, type, role)                                              \
  AVFS_NOT_ANALYSED static inline void prefix##_enter(type *o) AVFS_ACQUIRE(role);           \
  AVFS_NOT_ANALYSED static inline void prefix##_leave(type *o) AVFS_RELEASE(role);           \
  static inline void prefix##_enter(type *o) { avfs_lock_enter(&o->lock); }                  \
  static inline void prefix##_leave(type *o) { avfs_lock_leave(&o->lock); }
#define AVFS_SHARED_LOCK_FUNCTIONS(prefix, type, role)                                       \
  AVFS_NOT_ANALYSED static inline void prefix##_enter_shared(type *o)                        \
      AVFS_ACQUIRE_SHARED(role);                                                             \
  AVFS_NOT_ANALYSED static inline void prefix##_leave_shared(type *o)                        \
      AVFS_RELEASE_SHARED(role);                                                             \
  static inline void prefix##_enter_shared(type *o) { avfs_lock_enter_shared(&o->lock); }    \
  static inline void prefix##_leave_shared(type *o) { avfs_lock_leave_shared(&o->lock); }
#define AVFS_COND_FUNCTIONS(prefix, type, role)                                              \
  static inline int prefix##_wait(type *o, uint32_t timeout_ms) AVFS_REQUIRES(role);         \
  static inline void prefix##_wake(type *o) AVFS_REQUIRES(role);                             \
  static inline int prefix##_wait(type *o, uint32_t timeout_ms) {                            \
    return avfs_cond_wait(&o->changed, &o->lock, timeout_ms);                                \
  }                                                                                          \
  static inline void prefix##_wake(type *o) { avfs_cond_wake_all(&o->changed); }

#endif
