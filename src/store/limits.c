/* limits.c: see limits.h. */
#include "store/limits.h"

#include "store/redo_ring.h"

/* Bytes of pages in memory for all databases of the process. */
static avfs_counter process_bytes;

uint64_t avfs_limits_bytes(const avfs_store *s) {
  return (uint64_t)(s->content.committed.count + s->content.draining.count) * s->content.page_bytes;
}

void avfs_limits_count(avfs_store *s) {
  uint64_t bytes = avfs_limits_bytes(s);
  if (bytes == s->content.counted_bytes) return;
  avfs_counter_add(&process_bytes, (int64_t)(bytes - s->content.counted_bytes));
  s->content.counted_bytes = bytes;
}

uint64_t avfs_limits_process_bytes(void) { return (uint64_t)avfs_counter_get(&process_bytes); }

uint64_t avfs_limits_share(void) { return avfs_setting_default(AVFS_MAX_PROCESS_BYTES) / 16; }

int avfs_limits_is_pressing(const avfs_store *s) {
  return avfs_limits_bytes(s) > s->settings.value[AVFS_MAX_QUEUE_BYTES] / 2 || avfs_ring_is_pressing(s) ||
         avfs_limits_process_bytes() > avfs_setting_default(AVFS_MAX_PROCESS_BYTES) / 2;
}

int avfs_limits_is_full(const avfs_store *s) {
  uint64_t bytes = avfs_limits_bytes(s);
  return bytes > s->settings.value[AVFS_MAX_QUEUE_BYTES] || avfs_ring_is_full(s) ||
         (bytes > 0 && avfs_limits_process_bytes() > avfs_setting_default(AVFS_MAX_PROCESS_BYTES));
}
