/* check.c: see check.h. */
#include "store/check.h"

#include <assert.h>

#include "store/drain.h"
#include "store/limits.h"

#ifdef AVFS_CHECK
void avfs_store_check(const avfs_store *s) {
  assert(s->commits.durable_seq <= s->commits.draining_seq && s->commits.draining_seq <= s->commits.commit_seq);
  if (!avfs_drain_is_empty(s)) assert(s->os.level == AVFS_LOCK_EXCLUSIVE);
  if (s->ring.redo != NULL) assert(s->os.level >= AVFS_LOCK_RESERVED);
  if (s->content.dirty) assert(s->commits.commit_seq > s->commits.draining_seq && s->commits.oldest_ns != 0);
  if (s->turns.table.readers > 0) assert(s->os.level >= AVFS_LOCK_SHARED);
  if (!s->os.busy && s->turns.table.writer != NULL && s->turns.table.writer->level == AVFS_LOCK_EXCLUSIVE) {
    assert(s->os.level == AVFS_LOCK_EXCLUSIVE && s->turns.table.readers == 1);
  }
  if (s->turns.table.queue != NULL && avfs_lock_table_has_turn(&s->turns.table, s->turns.table.queue)) {
    assert(avfs_conn_of(s->turns.table.queue)->called);
  }
  assert(s->content.counted_bytes == avfs_limits_bytes(s));
  assert(s->content.pool.page_bytes == s->content.page_bytes && s->writer.pool.page_bytes == s->content.page_bytes);
  assert(avfs_page_table_check(&s->content.committed, s->content.page_bytes));
  assert(avfs_page_table_check(&s->content.draining, s->content.page_bytes));
}
#endif
