/* notices.c: asyncvfs_on_durable: who wants to hear when commits are durable.
 *
 *   avfs_notices_add         durable_seq moves          the notifier's thread
 *   commits.notices (by seq) ---------------------------> avfs_notifier_add ---> callback, once
 *                 `------- the store closes ----------^
 *
 * Notices are added and handed over under the store's lock: so they are in the order of
 * commits in the store's list, and in the notifier's. One for what is durable already
 * goes behind those that were handed over before.
 */
#include "store/notices.h"

#include "store/tickets.h"
#include "seam/heap.h"

typedef struct durable_notice {
  avfs_notice base;   /* linked in s->commits.notices, then by the notifier */
  asyncvfs_durable_callback callback;
  void *arg;
  uint64_t seq;
  long long ticket;
  int rc;
} durable_notice;

static void deliver(avfs_notice *base) {
  durable_notice *n = (durable_notice *)base;
  n->callback(n->arg, n->ticket, n->rc);
  avfs_free(n);
}

int avfs_notices_add(avfs_store *s, asyncvfs_durable_callback callback, void *arg) {
  durable_notice *n;
  int rc = avfs_notifier_expect();
  if (rc != SQLITE_OK) return rc;
  n = avfs_alloc_zero(sizeof *n);
  if (n == NULL) {
    avfs_notifier_unexpect();
    return SQLITE_NOMEM;
  }
  n->base.deliver = deliver;
  n->base.expected = 1;
  n->callback = callback;
  n->arg = arg;
  if (s == NULL) {
    avfs_notifier_add(&n->base);
    return SQLITE_OK;
  }
  avfs_store_enter(s);
  n->seq = s->commits.commit_seq;
  rc = avfs_ticket(s, n->seq, &n->ticket);
  if (rc == SQLITE_OK) {
    *s->commits.notices_end = &n->base;
    s->commits.notices_end = &n->base.next;
    avfs_notices_due(s);
  }
  avfs_store_leave(s);
  if (rc != SQLITE_OK) {
    avfs_free(n);
    avfs_notifier_unexpect();
  }
  return rc;
}

static durable_notice *take_first(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  durable_notice *n = (durable_notice *)s->commits.notices;
  s->commits.notices = n->base.next;
  if (s->commits.notices == NULL) s->commits.notices_end = &s->commits.notices;
  return n;
}

void avfs_notices_due(avfs_store *s) {
  while (s->commits.notices != NULL && ((durable_notice *)s->commits.notices)->seq <= s->commits.durable_seq) {
    avfs_notifier_add(&take_first(s)->base);
  }
}

void avfs_notices_end(avfs_store *s, int rc) {
  avfs_notices_due(s);
  while (s->commits.notices != NULL) {
    durable_notice *n = take_first(s);
    n->rc = rc;
    avfs_notifier_add(&n->base);
  }
}
