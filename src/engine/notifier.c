/* notifier.c: see notifier.h. */
#include "engine/notifier.h"

#include <stddef.h>

#include "api/host.h"
#include "win32/sync.h"

static struct notifier {
  avfs_lock lock;
  avfs_cond changed;   /* there is a first notice */
  int started AVFS_GUARDED_BY(avfs_notifier_role);
  avfs_notice *first AVFS_GUARDED_BY(avfs_notifier_role);
  avfs_notice **end AVFS_GUARDED_BY(avfs_notifier_role);
} notifier = {.end = &notifier.first};

AVFS_LOCK_FUNCTIONS(notifier, struct notifier, avfs_notifier_role)
AVFS_COND_FUNCTIONS(notifier, struct notifier, avfs_notifier_role)

static void thread_main(void *arg) {
  (void)arg;
  for (;;) {
    avfs_notice *n;
    notifier_enter(&notifier);
    while (notifier.first == NULL) notifier_wait(&notifier, AVFS_FOREVER);
    n = notifier.first;
    notifier.first = n->next;
    if (notifier.first == NULL) notifier.end = &notifier.first;
    notifier_leave(&notifier);
    n->deliver(n);
  }
}

int avfs_notifier_start(void) {
  int started;
  notifier_enter(&notifier);
  if (!notifier.started) notifier.started = avfs_thread_start(thread_main, NULL);
  started = notifier.started;
  notifier_leave(&notifier);
  return started ? SQLITE_OK : SQLITE_NOMEM;
}

void avfs_notifier_add(avfs_notice *n) {
  n->next = NULL;
  notifier_enter(&notifier);
  *notifier.end = n;
  notifier.end = &n->next;
  notifier_wake(&notifier);
  notifier_leave(&notifier);
}
