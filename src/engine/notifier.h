/* notifier.h: the thread that calls the application back.
 *
 *   add(n) --> first, ..., n --> deliver(first), with no lock held --> deliver(next) ...
 *
 * The application's code may take its time and may wait for what the pool does; so it
 * never runs on a thread of the pool. Notices are delivered in the order in which they
 * were added, one at a time, each once.
 *
 * Who:   a notice belongs to the notifier from add() on, and to deliver() when that is
 *        called, which frees it.
 * Lock:  notifier->lock, a leaf: add() may be called under the store's, which is what
 *        makes the order of notices the order of commits.
 * Thread: it starts when a notice is expected, or comes; and ends when it has had none for
 *        some seconds and none is expected, so that it keeps no process from its end.
 */
#ifndef AVFS_NOTIFIER_H
#define AVFS_NOTIFIER_H

typedef struct avfs_notice avfs_notice;
struct avfs_notice {
  void (*deliver)(avfs_notice *n);
  avfs_notice *next;
  int expected;   /* set by the owner: avfs_notifier_expect was called for it */
};

/* A notice will be added: its thread is there, and stays until then. SQLITE_NOMEM when there is
 * none to be had. */
int avfs_notifier_expect(void);
/* It will not, after all. */
void avfs_notifier_unexpect(void);
void avfs_notifier_add(avfs_notice *n);

#endif
