/* scheduler.h: the pool of threads, and what they do when.
 *
 * A small pool of threads, which grows when all of them are busy, waits on the completion
 * port. What completes is handled as it comes (avfs_op.done: short; it waits for the disk at
 * most for the next small read or write, one that is alone). What may wait longer is done by
 * tasks, one per open store: run at their due time or soon after.
 *
 *               avfs_task_schedule            due, a thread is free
 *      IDLE ----------------------> WAITING ----------------------> RUNNING
 *        ^                            ^                                |
 *        |  run() returned            |  scheduled again while running |
 *        +----------------------------+--------------------------------+
 *
 * Invariants:
 *   (1) run() of one task never runs twice at a time.
 *   (2) a task that waits is covered: a thread wakes by itself when the first of
 *       them is due (next_wake_ns), or is awake and will look.
 *   (3) a task is in the heap while it waits, and while it does not run; the first that is due
 *       is its root.
 *   (4) when no task waits, no thread wakes: an idle process uses no CPU.
 * Locks: engine->lock guards all of it; run() and done() are called without it.
 */
#ifndef AVFS_SCHEDULER_H
#define AVFS_SCHEDULER_H

#include <stdint.h>

#include "win32/io.h"

typedef struct avfs_task avfs_task;
struct avfs_task {
  void (*run)(avfs_task *t);   /* set by the owner; never waits for another task */

  /* guarded by the engine's lock */
  avfs_task *child, *next, *previous;   /* in the heap of those that wait */
  uint64_t due_ns;             /* AVFS_NEVER: idle */
  int running;
};

#define AVFS_NEVER UINT64_MAX

/* Starts the pool for this seam, once; later calls do nothing. */
int avfs_engine_start(const avfs_io *io);

void avfs_task_open(avfs_task *t, void (*run)(avfs_task *t));
/* run() is called at due_ns or soon after; an earlier date that is already set
 * stands. Any thread; from run() itself too. */
void avfs_task_schedule(avfs_task *t, uint64_t due_ns);
/* run() is called at once, by the calling thread or another. Only from done(),
 * whose thread looks at the tasks next: so nobody need be woken. */
void avfs_task_continue(avfs_task *t);
/* Forgets the task, after waiting for a run() in progress. Not from run(). */
void avfs_task_close(avfs_task *t);

/* One round of a pool thread: runs a completion that is ready, or else a task that
 * is due, or else waits at most max_wait_ms for a completion and runs it. A simulation calls it instead of having
 * threads. */
void avfs_engine_turn(uint32_t max_wait_ms);

#endif
