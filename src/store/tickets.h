/* tickets.h: numbers that stand for commits, to wait for them from anywhere in the process. */
#ifndef AVFS_TICKETS_H
#define AVFS_TICKETS_H

#include "store/state.h"

/* The ticket > 0 that stands for the store's commit `seq` and those before it; seq is never less
 * than before. SQLITE_NOMEM; SQLITE_TOOBIG: the process has none left. */
int avfs_ticket(avfs_store *s, uint64_t seq, long long *ticket_out) AVFS_REQUIRES(avfs_store_role);
/* What a ticket >= 0 stands for. *id_out 0: what has been durable for long, or nothing. It may be
 * of a store that is closed. SQLITE_MISUSE: it has not been given. */
int avfs_ticket_find(long long ticket, uint64_t *id_out, uint64_t *seq_out);
/* The store closes: all of its commits are durable, or recorded as lost. */
void avfs_tickets_end(avfs_store *s) AVFS_REQUIRES(avfs_store_role);
/* For tests: as if all tickets before this one had been given. */
void avfs_tickets_skip(uint64_t next);

#endif
