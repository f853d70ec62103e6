/* scheduler.h: the pool of threads, and what they do when.
 *
 * A small pool of threads, which grows when all of them are busy, waits on the completion
 * port. When for some seconds nothing was to be done and nothing is under way, its threads end,
 * so that a process whose own threads have all ended comes to its end; the first date that
 * is set then starts one. What completes is handled as it comes (avfs_op.done: short; it waits for the disk at
 * most for the next small read or write, one that is alone). What may wait longer is done by
 * tasks, one per open store: run at their due time or soon after.
 *
 *               avfs_task_schedule            due, a thread is free
 *      IDLE ----------------------> WAITING ----------------------> RUNNING
 *        ^                            ^                                |
 *        |  run() returned            |  scheduled again while running |
 *        +----------------------------+--------------------------------+
 *
 * A thread of the pool:
 *
 *     start, cover, hold            a completion, a task is due
 *    -------------------> WAITING <-----------------------------> WORKING
 *                            |
 *                            | end_thread: 3 s without either, and no task is due, running or
 *                            v in flight, and nobody holds the pool
 *                          ENDED
 *
 * It ends under the lock under which dates are set: who sets one either finds it waiting, or
 * finds one thread fewer and starts one where none is left.
 *
 * Invariants:
 *   (1) run() of one task never runs twice at a time.
 *   (2) a task that waits is covered: a thread wakes by itself when the first of
 *       them is due (next_wake_ns), or is awake and will look; or no thread could be had
 *       (starved), and who schedules the next one, or waits, asks again.
 *   (3) a task is in the heap while it waits, and while it does not run; the first that is due
 *       is its root.
 *   (4) when no task waits, no thread wakes: an idle process uses no CPU.
 * Locks: engine->lock guards all of it; run() and done() are called without it.
 */
#ifndef AVFS_SCHEDULER_H
#define AVFS_SCHEDULER_H

#include <stdint.h>

#include "seam/io.h"

typedef struct avfs_task avfs_task;
struct avfs_task {
  void (*run)(avfs_task *t);   /* set by the owner; never waits for another task */

  /* guarded by the engine's lock */
  avfs_task *child, *next, *previous;   /* in the heap of those that wait */
  uint64_t due_ns;             /* AVFS_NEVER: idle */
  int running;
  int in_flight;               /* 0 or 1, set by run(): completions will continue the task */
};


/* Starts the pool for this seam, unless there is one. */
int avfs_engine_start(const avfs_io *io);
/* The pool's threads do not end between these: for whom completions come without a task.
 * SQLITE_NOMEM when there are none, and none can be had. */
int avfs_engine_hold(void);
void avfs_engine_release(void);
/* 1: no thread could be had for what is due. The next avfs_task_schedule asks again. */
int avfs_engine_is_starved(void);

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
 * is due, or else waits at most max_wait_ms for a completion and runs it. 0: it waited, for no
 * date, and nothing came. A test calls it instead of having threads. */
int avfs_engine_turn(uint32_t max_wait_ms);

#endif
