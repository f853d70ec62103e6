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
