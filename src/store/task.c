/* task.c: see task.h. */
#include "store/task.h"

#include "store/check.h"
#include "store/drain.h"
#include "store/os_lock.h"

uint64_t avfs_store_look(avfs_store *s) {
  for (;;) {
    uint64_t due;
    if (s->drain.closing == AVFS_CLOSING_OVER) return AVFS_NEVER;   /* nothing begins any more */
    switch (avfs_drain_look(s, &due)) {
      case AVFS_DRAIN_WAITS:
        return due;
      case AVFS_DRAIN_MOVED:
        break;
      case AVFS_DRAIN_WROTE:
        avfs_os_lock_linger(s);
        break;
      case AVFS_DRAIN_IDLE:
        if (!avfs_os_lock_look(s, &due)) return due;
        break;
    }
  }
}

void avfs_store_task(avfs_task *t) {
  avfs_store *s = (avfs_store *)((char *)t - offsetof(avfs_store, task));
  uint64_t due;
  avfs_store_enter(s);
  s->drain.due_ns = AVFS_NEVER;
  due = avfs_store_look(s);
  s->drain.due_ns = due;
  t->in_flight = s->drain.run == AVFS_RUN_ACTIVE;
  avfs_store_check(s);
  avfs_store_leave(s);
  if (due != AVFS_NEVER) avfs_task_schedule(t, due);
}
