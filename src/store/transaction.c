/* transaction.c: see transaction.h. */
#include "store/transaction.h"

#include <assert.h>
#include <string.h>

#include "store/commits.h"
#include "store/drain.h"
#include "store/limits.h"
#include "store/redo_ring.h"

void avfs_transaction_begin(avfs_store *s) {
  assert(s->writer.txn.count == 0 && s->through.state == AVFS_THROUGH_NONE && s->through.super == NULL);
  s->writer.txn.size = s->content.committed.size;
  s->writer.limit = s->settings.value[AVFS_MAX_QUEUE_BYTES] / 2;
  if (s->writer.limit > 2 * avfs_limits_share()) s->writer.limit = 2 * avfs_limits_share();
  avfs_virtual_journal_set_limit(&s->writer.journal, avfs_limits_share());
  s->drain.segment_rc = SQLITE_OK;
}

avfs_virtual_journal *avfs_transaction_journal(avfs_conn *c) {
  return avfs_conn_is_writer(c) ? &c->store->writer.journal : NULL;
}

int avfs_transaction_is_large(const avfs_store *s) {
  return (uint64_t)s->writer.txn.count * s->writer.pool.page_bytes > s->writer.limit;
}

/* BEGIN IMMEDIATE; COMMIT is no commit, but with durability=disk waits for those before. */
uint64_t avfs_transaction_commit(avfs_store *s, uint64_t *survives_out) {
  const avfs_page *first;
  *survives_out = 0;
  if (s->writer.txn.count == 0 && s->writer.txn.size == s->content.committed.size) return AVFS_NEVER;
  first = avfs_page_table_find(&s->writer.txn, 1);
  if (first != NULL) memcpy(s->content.header, first->data, sizeof s->content.header);
  *survives_out = avfs_ring_append(s);
  avfs_page_table_merge(&s->content.committed, &s->writer.txn, &s->writer.pool);
  s->content.dirty = 1;
  return avfs_drain_grew(s, avfs_commits_add(s));
}

void avfs_transaction_drop(avfs_store *s) {
  if (s->writer.txn.count > 0) avfs_page_table_clear(&s->writer.txn, &s->writer.pool);
  avfs_virtual_journal_reset(&s->writer.journal);
}
