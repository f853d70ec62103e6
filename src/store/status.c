/* status.c: what a store tells of itself: PRAGMA asyncvfs_status.
 *
 * Every key is there in every answer; a file that can never be ours has zeros.
 */
#include <string.h>

#include "store/store.h"

typedef sqlite3_int64 i64;

static uint64_t age_ms(uint64_t now_ns, uint64_t then_ns) {
  return then_ns == 0 || then_ns > now_ns ? 0 : (now_ns - then_ns) / 1000000;
}

char *avfs_store_status(avfs_store *s, const avfs_conn *conn, const char *reason) {
  avfs_batch_counters n;
  avfs_settings settings = avfs_default_settings;
  uint64_t commits = 0, durable = 0, bytes = 0, pages = 0, oldest_ms = 0, os_lock = 0, kicks = 0;
  uint64_t stalls = 0, error_age = 0;
  uint32_t error_os = 0;
  int error_rc = SQLITE_OK, level = 0, local = 0;
  memset(&n, 0, sizeof n);
  if (s != NULL) {
    uint64_t now = s->io->now_ns();
    avfs_store_enter_shared(s);
    n = s->counters;
    settings = s->settings;
    commits = s->commit_seq;
    durable = s->durable_seq;
    bytes = avfs_backlog_bytes(s);
    pages = (uint64_t)s->committed.count + s->draining.count;
    oldest_ms = age_ms(now, s->draining_oldest_ns != 0 ? s->draining_oldest_ns : s->oldest_ns);
    os_lock = s->os_lock_calls;
    kicks = s->kicks;
    stalls = s->stalls;
    error_rc = s->error_rc;
    error_os = s->error_os;
    error_age = age_ms(now, s->error_ns);
    level = s->os_level;
    local = avfs_lock_table_highest(&s->locks);
    avfs_store_leave_shared(s);
  }
  return sqlite3_mprintf(
      "{\"mode\":\"%s\",\"reason\":\"%s\","
      "\"commits\":%lld,\"durable_commits\":%lld,\"queue_bytes\":%lld,\"queue_pages\":%lld,"
      "\"oldest_unwritten_ms\":%lld,\"batches\":%lld,\"flushes\":%lld,\"journal_bytes\":%lld,"
      "\"database_bytes\":%lld,\"pages_written\":%lld,\"coalesced_pages\":%lld,\"stalls\":%lld,"
      "\"last_error\":{\"code\":%d,\"os_error\":%u,\"text\":\"%s\",\"age_ms\":%lld},"
      "\"durability\":\"%s\",\"os_lock\":%d,\"local_lock\":%d,\"max_lag_ms\":%u,\"max_queue_bytes\":%lld,"
      "\"os_calls\":{\"lock\":%lld,\"wake\":%lld,\"read\":%lld}}",
      reason == NULL ? "ours" : "passed", reason == NULL ? "" : reason, (i64)commits, (i64)durable,
      (i64)bytes, (i64)pages, (i64)oldest_ms, (i64)n.batches, (i64)n.flushes,
      (i64)n.journal_bytes, (i64)n.database_bytes, (i64)n.pages_written,
      (i64)n.coalesced_pages, (i64)stalls, error_rc, error_os,
      error_rc == SQLITE_OK ? "" : sqlite3_errstr(error_rc), (i64)error_age,
      conn != NULL && conn->durability == AVFS_DURABILITY_DISK ? "disk" : "memory", level, local,
      (unsigned)settings.value[AVFS_MAX_LAG_MS], (i64)settings.value[AVFS_MAX_QUEUE_BYTES], (i64)os_lock, (i64)kicks,
      (i64)(conn == NULL ? 0 : conn->disk_reads));
}
