/* store_peek.c: see store_peek.h. A file of its own, for vfs/vfs.h sends all sqlite3_ calls
 * of its includer through the library's table. */
#include "vfs/vfs.h"

#include "store/store_peek.h"

uint64_t store_peek_turn_until_ns(sqlite3_file *main) {
  avfs_store *s = ((avfs_main_file *)main)->conn.store;
  uint64_t ns;
  avfs_store_enter_shared(s);
  ns = s->turns.until_ns;
  avfs_store_leave_shared(s);
  return ns;
}

uint64_t store_peek_memory(sqlite3_file *main) {
  avfs_store *s = ((avfs_main_file *)main)->conn.store;
  uint64_t bytes = 0;
  avfs_store_enter(s);
  bytes += (uint64_t)(s->content.committed.count + s->content.draining.count + s->content.pool.count) * s->content.page_bytes;
  bytes += (uint64_t)(s->writer.txn.count + s->writer.pool.count) * s->content.page_bytes;
  for (uint32_t i = 0; i < s->writer.journal.block_count; i++) {
    if (s->writer.journal.blocks[i] != NULL) bytes += AVFS_JOURNAL_BLOCK;
  }
  for (int i = 0; i < AVFS_PUMP_SLOTS; i++) {
    if (s->batch.pump.slots[i].buffer != NULL) bytes += 2 * AVFS_PUMP_BUFFER;
  }
  avfs_store_leave(s);
  return bytes;
}

void store_peek_fall_back(sqlite3_file *main, const char *reason) {
  avfs_store *s = ((avfs_main_file *)main)->conn.store;
  avfs_store_enter(s);
  s->ring.fallback = reason;
  avfs_store_leave(s);
}

void store_peek_recovered(sqlite3_file *main, uint64_t replayed, uint64_t refused) {
  avfs_store *s = ((avfs_main_file *)main)->conn.store;
  avfs_store_enter(s);
  s->ring.replayed = replayed;
  s->ring.refused = refused;
  avfs_store_leave(s);
}
