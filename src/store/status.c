/* status.c: what a store tells of itself: PRAGMA asyncvfs_status.
 *
 * Every key is there in every answer; a file that can never be managed has zeros.
 *
 *   lag   how long commits wait until they are durable: now (the oldest that does), the
 *         longest, and a histogram over the oldest commit of each batch: [0] less than
 *         1 ms, [1] less than 2, [2] less than 4, and so on; the last all others
 */
#include "store/status.h"

#include <string.h>

#include "store/limits.h"

typedef sqlite3_int64 i64;

/* A copy, taken under the store's lock. */
typedef struct snapshot {
  avfs_settings settings;
  avfs_batch_counters n;
  avfs_lag lag;
  avfs_ring ring;
  uint64_t ring_bytes, ring_room;
  uint64_t commits, durable, bytes, pages, oldest_ms, os_lock, wakes, stalls, error_age_ms;
  uint32_t error_os;
  int error_rc, level, local;
} snapshot;

static uint64_t age_ms(uint64_t now_ns, uint64_t then_ns) {
  return then_ns == 0 || then_ns > now_ns ? 0 : avfs_ns_to_ms(now_ns - then_ns);
}

static void take(avfs_store *s, snapshot *t) {
  uint64_t now = s->io->now_ns();
  avfs_store_enter_shared(s);
  t->settings = s->settings;
  t->n = s->drain.counters;
  t->lag = s->commits.lag;
  t->commits = s->commits.commit_seq;
  t->durable = s->commits.durable_seq;
  t->bytes = avfs_limits_bytes(s);
  t->pages = (uint64_t)s->content.committed.count + s->content.draining.count;
  t->oldest_ms = age_ms(now, s->commits.draining_oldest_ns != 0 ? s->commits.draining_oldest_ns : s->commits.oldest_ns);
  t->os_lock = s->os.calls;
  t->wakes = s->drain.wakes;
  t->stalls = s->room.stalls;
  t->error_rc = s->drain.error_rc;
  t->error_os = s->drain.error_os;
  t->error_age_ms = age_ms(now, s->drain.error_ns);
  t->level = s->os.level;
  t->local = avfs_lock_table_highest(&s->turns.table);
  t->ring = s->ring;
  if (s->ring.redo != NULL) {
    t->ring_bytes = avfs_redo_used(s->ring.redo);
    t->ring_room = avfs_redo_room(s->ring.redo);
  }
  avfs_store_leave_shared(s);
}

static const char *error_text(const snapshot *t) {
  const char *text = t->error_rc == SQLITE_OK ? "" : avfs_os_error_text(t->error_os);
  return text != NULL ? text : sqlite3_errstr(t->error_rc);
}

/* As avfs_store_durability. */
static uint64_t in_force(const snapshot *t, uint64_t durability) {
  return durability == AVFS_DURABILITY_OS && t->ring.fallback != NULL ? AVFS_DURABILITY_DISK : durability;
}

static void append_settings(sqlite3_str *out, const snapshot *t, avfs_conn *c) {
  const avfs_settings *settings = &t->settings;
  int i;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    uint64_t v = avfs_setting_is_process(i) ? avfs_setting_default(i) : settings->value[i];
    char *text;
    if (i == AVFS_DURABILITY) v = in_force(t, c == NULL ? v : avfs_durability_get(&c->durability));
    text = avfs_setting_format(i, v);
    sqlite3_str_appendf(out, avfs_setting_is_word(i) ? ",\"%s\":\"%s\"" : ",\"%s\":%s",
                        avfs_setting_name(i), text);
    sqlite3_free(text);
  }
}

static void append_lag(sqlite3_str *out, const snapshot *t) {
  int i;
  sqlite3_str_appendf(out, ",\"lag\":{\"now_ms\":%lld,\"max_ms\":%lld,\"histogram\":[",
                      (i64)t->oldest_ms, (i64)(avfs_ns_to_ms(t->lag.longest_ns)));
  for (i = 0; i < AVFS_LAG_CLASSES; i++) {
    sqlite3_str_appendf(out, i == 0 ? "%lld" : ",%lld", (i64)t->lag.batches[i]);
  }
  sqlite3_str_appendf(out, "]}");
}

static void append_ring(sqlite3_str *out, const snapshot *t) {
  sqlite3_str_appendf(out, ",\"redo\":{\"bytes\":%lld,\"room\":%lld,\"replayed\":%lld,\"refused\":%lld,"
                      "\"reason\":\"%s\"}", (i64)t->ring_bytes, (i64)t->ring_room,
                      (i64)t->ring.replayed, (i64)t->ring.refused,
                      t->ring.fallback == NULL ? "" : t->ring.fallback);
}

char *avfs_store_status(avfs_store *s, avfs_conn *conn, const char *reason) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  snapshot t;
  memset(&t, 0, sizeof t);
  t.settings = avfs_settings_default();
  if (s != NULL) take(s, &t);
  sqlite3_str_appendf(
      out, "{\"id\":%lld,\"mode\":\"%s\",\"reason\":\"%s\","
      "\"commits\":%lld,\"durable_commits\":%lld,\"queue_bytes\":%lld,\"queue_pages\":%lld,"
      "\"process_queue_bytes\":%lld,\"oldest_unwritten_ms\":%lld,\"batches\":%lld,"
      "\"flushes\":%lld,\"journal_bytes\":%lld,\"database_bytes\":%lld,\"pages_written\":%lld,"
      "\"coalesced_pages\":%lld,\"stalls\":%lld",
      (i64)(s == NULL ? 0 : s->id), reason == NULL ? "managed" : "passed", reason == NULL ? "" : reason, (i64)t.commits,
      (i64)t.durable, (i64)t.bytes, (i64)t.pages, (i64)avfs_limits_process_bytes(),
      (i64)t.oldest_ms, (i64)t.n.batches, (i64)t.n.flushes, (i64)t.n.journal_bytes,
      (i64)t.n.database_bytes, (i64)t.n.pages_written, (i64)t.n.coalesced_pages, (i64)t.stalls);
  append_lag(out, &t);
  sqlite3_str_appendf(
      out, ",\"last_error\":{\"code\":%d,\"os_error\":%u,\"text\":\"%s\",\"age_ms\":%lld},"
      "\"os_lock\":%d,\"local_lock\":%d,"
      "\"os_calls\":{\"lock\":%lld,\"wake\":%lld,\"read\":%lld}",
      t.error_rc, t.error_os, error_text(&t), (i64)t.error_age_ms, t.level, t.local,
      (i64)t.os_lock, (i64)t.wakes, (i64)(conn == NULL ? 0 : conn->disk_reads));
  append_ring(out, &t);
  append_settings(out, &t, conn);
  sqlite3_str_appendf(out, ",\"unknown_parameters\":\"%s\"",
                      conn == NULL || conn->misspelt == NULL ? "" : conn->misspelt);
  sqlite3_str_appendf(out, "}");
  return sqlite3_str_finish(out);
}
