/* notices.h: asyncvfs_on_durable: who is called back when commits are durable. */
#ifndef AVFS_NOTICES_H
#define AVFS_NOTICES_H

#include "store/state.h"

/* Has the notifier call back when all commits so far are durable; s is NULL for a file
 * that can never be managed: at once. SQLITE_NOMEM, SQLITE_TOOBIG. */
int avfs_notices_add(avfs_store *s, asyncvfs_durable_callback callback, void *arg);
/* durable_seq has moved: hands those it covers to the notifier. */
void avfs_notices_due(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* The store closes: all are handed over, with rc when commits are lost. */
void avfs_notices_end(avfs_store *s, int rc) AVFS_REQUIRES(avfs_store_role);

#endif
