/* notifier.c: see notifier.h. */
#include "engine/notifier.h"

#include <stddef.h>

#include "seam/sqlite_api.h"
#include "seam/sync.h"

enum { IDLE_MS = 3000 };   /* without a notice, and none expected, the thread ends */

static struct notifier {
  avfs_lock lock;
  avfs_cond changed;   /* there is a first notice */
  int started AVFS_GUARDED_BY(avfs_notifier_role);
  uint32_t expected AVFS_GUARDED_BY(avfs_notifier_role);
  avfs_notice *first AVFS_GUARDED_BY(avfs_notifier_role);
  avfs_notice **end AVFS_GUARDED_BY(avfs_notifier_role);
} notifier = {.end = &notifier.first};

AVFS_LOCK_FUNCTIONS(notifier, struct notifier, avfs_notifier_role)
AVFS_COND_FUNCTIONS(notifier, struct notifier, avfs_notifier_role)

/* NULL: the thread is to end, and counts as ended from here on. */
static avfs_notice *next(void) {
  avfs_notice *n;
  int in_time = 1;
  notifier_enter(&notifier);
  while (notifier.first == NULL && (in_time || notifier.expected > 0)) {
    in_time = notifier_wait(&notifier, notifier.expected > 0 ? AVFS_FOREVER : IDLE_MS);
  }
  n = notifier.first;
  if (n != NULL) {
    notifier.first = n->next;
    if (notifier.first == NULL) notifier.end = &notifier.first;
  } else {
    notifier.started = 0;
  }
  notifier_leave(&notifier);
  return n;
}

static void thread_main(void *arg) {
  avfs_notice *n;
  (void)arg;
  while ((n = next()) != NULL) n->deliver(n);
}

/* Without memory for a thread, what is there is delivered when the next one comes. */
static void have_thread(void) AVFS_REQUIRES(avfs_notifier_role) {
  if (!notifier.started) notifier.started = avfs_thread_start(thread_main, NULL);
}

int avfs_notifier_expect(void) {
  int rc;
  notifier_enter(&notifier);
  have_thread();
  rc = notifier.started ? SQLITE_OK : SQLITE_NOMEM;
  if (rc == SQLITE_OK) notifier.expected++;
  notifier_leave(&notifier);
  return rc;
}

void avfs_notifier_unexpect(void) {
  notifier_enter(&notifier);
  notifier.expected--;
  notifier_wake(&notifier);   /* the time until its end begins */
  notifier_leave(&notifier);
}

void avfs_notifier_add(avfs_notice *n) {
  n->next = NULL;
  notifier_enter(&notifier);
  *notifier.end = n;
  notifier.end = &n->next;
  if (n->expected) notifier.expected--;
  have_thread();
  notifier_wake(&notifier);
  notifier_leave(&notifier);
}
