/* commits.c: see commits.h. */
#include "store/commits.h"

#include "store/notices.h"
#include "store/redo_ring.h"
#include "store/tickets.h"

enum { GATHER_MOST_MS = 10 };   /* the threads of a batch come again in less */

void avfs_commits_init(avfs_store *s) { s->commits.notices_end = &s->commits.notices; }

int avfs_commits_add(avfs_store *s) {
  s->commits.commit_seq++;
  if (s->commits.oldest_ns != 0) return 0;
  s->commits.oldest_ns = s->io->now_ns();
  return 1;
}

void avfs_commits_add_draining(avfs_store *s, uint64_t now_ns) {
  s->commits.draining_seq = ++s->commits.commit_seq;
  s->commits.draining_oldest_ns = now_ns;
  s->commits.draining_waiting = 0;
  avfs_ring_freeze(s);
}

void avfs_commits_freeze(avfs_store *s) {
  s->commits.draining_seq = s->commits.commit_seq;
  s->commits.draining_waiting = s->commits.waiting;
  s->commits.waiting = 0;
  s->commits.draining_oldest_ns = s->commits.oldest_ns;
  s->commits.oldest_ns = 0;
  avfs_ring_freeze(s);
}

static void note_lag(avfs_lag *lag, uint64_t ns) {
  int i = 0;
  while (i < AVFS_LAG_CLASSES - 1 && ns >= avfs_ms_to_ns(1) << i) i++;
  lag->batches[i]++;
  if (ns > lag->longest_ns) lag->longest_ns = ns;
}

void avfs_commits_durable(avfs_store *s, uint64_t now_ns, uint64_t took_ns, int notify) {
  uint64_t gather_ns = took_ns / 2;
  if (gather_ns > avfs_ms_to_ns(GATHER_MOST_MS)) gather_ns = avfs_ms_to_ns(GATHER_MOST_MS);
  s->commits.durable_seq = s->commits.draining_seq;
  avfs_ring_durable(s);
  if (notify) avfs_notices_due(s);
  note_lag(&s->commits.lag, now_ns - s->commits.draining_oldest_ns);
  s->commits.draining_oldest_ns = 0;
  s->commits.expected = s->commits.draining_waiting + s->commits.waiting;
  s->commits.gather_until_ns = now_ns + gather_ns;
}

void avfs_commits_end(avfs_store *s, int rc) {
  if (rc != SQLITE_OK) avfs_notices_end(s, rc);
  avfs_tickets_end(s);
}

uint64_t avfs_commits_not_durable(const avfs_store *s) {
  return s->commits.commit_seq - s->commits.durable_seq;
}
