/* lock_table.c: see lock_table.h. */
#include "store/lock_table.h"

#include <assert.h>
#include <stddef.h>

int avfs_lock_table_raise(avfs_lock_table *t, avfs_locker *who, int level) {
  if (who->level >= level) return SQLITE_OK;
  if (level == AVFS_LOCK_SHARED) {
    assert(who->level == AVFS_LOCK_NONE);
    if (t->writer != NULL && t->writer->level >= AVFS_LOCK_PENDING) return SQLITE_BUSY;
    t->readers++;
    who->level = AVFS_LOCK_SHARED;
    return SQLITE_OK;
  }
  assert(who->level >= AVFS_LOCK_SHARED);
  if (who->level == AVFS_LOCK_SHARED) {
    if (!avfs_lock_table_has_turn(t, who)) return SQLITE_BUSY;
    avfs_lock_table_dequeue(t, who);
    t->writer = who;
    who->level = AVFS_LOCK_RESERVED;
  }
  if (level <= AVFS_LOCK_RESERVED) return SQLITE_OK;
  who->level = AVFS_LOCK_PENDING;
  if (level == AVFS_LOCK_PENDING) return SQLITE_OK;
  if (t->readers > 1) return SQLITE_BUSY;
  who->level = AVFS_LOCK_EXCLUSIVE;
  return SQLITE_OK;
}

void avfs_lock_table_lower(avfs_lock_table *t, avfs_locker *who, int level) {
  assert(level == AVFS_LOCK_NONE || level == AVFS_LOCK_SHARED);
  if (who->level <= level) return;
  if (t->writer == who) t->writer = NULL;
  if (level == AVFS_LOCK_NONE) {
    t->readers--;
    /* It has had its turn and did not write: the next in the queue may. */
    if (t->queue == who) avfs_lock_table_dequeue(t, who);
  }
  who->level = level;
}

void avfs_lock_table_enqueue(avfs_lock_table *t, avfs_locker *who) {
  avfs_locker **at = &t->queue;
  if (who->queued) return;
  while (*at != NULL) at = &(*at)->queue_next;
  *at = who;
  who->queue_next = NULL;
  who->queued = 1;
}

void avfs_lock_table_dequeue(avfs_lock_table *t, avfs_locker *who) {
  avfs_locker **at = &t->queue;
  if (!who->queued) return;
  while (*at != NULL && *at != who) at = &(*at)->queue_next;
  assert(*at == who);
  *at = who->queue_next;
  who->queue_next = NULL;
  who->queued = 0;
}

int avfs_lock_table_has_turn(const avfs_lock_table *t, const avfs_locker *who) {
  return t->writer == NULL && (t->queue == NULL || t->queue == who);
}

int avfs_lock_table_highest(const avfs_lock_table *t) {
  if (t->writer != NULL) return t->writer->level;
  return t->readers > 0 ? AVFS_LOCK_SHARED : AVFS_LOCK_NONE;
}
