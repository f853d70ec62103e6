/* store_peek.c: see store_peek.h. A file of its own, for vfs/vfs.h sends all sqlite3_ calls
 * of its includer through the library's table. */
#include "vfs/vfs.h"

#include "store/store_peek.h"

uint64_t store_peek_turn_until_ns(sqlite3_file *main) {
  avfs_store *s = ((avfs_main_file *)main)->conn.store;
  uint64_t ns;
  avfs_store_enter_shared(s);
  ns = s->turn_until_ns;
  avfs_store_leave_shared(s);
  return ns;
}

uint64_t store_peek_memory(sqlite3_file *main) {
  avfs_store *s = ((avfs_main_file *)main)->conn.store;
  uint64_t bytes = 0;
  avfs_store_enter(s);
  bytes += (uint64_t)(s->committed.count + s->draining.count + s->pool.count) * s->page_bytes;
  bytes += (uint64_t)(s->txn.count + s->txn_pool.count) * s->page_bytes;
  for (uint32_t i = 0; i < s->journal.block_count; i++) {
    if (s->journal.blocks[i] != NULL) bytes += AVFS_JOURNAL_BLOCK;
  }
  for (int i = 0; i < AVFS_PUMP_SLOTS; i++) {
    if (s->batch.pump.slots[i].buffer != NULL) bytes += 2 * AVFS_PUMP_BUFFER;
  }
  avfs_store_leave(s);
  return bytes;
}
