/* tickets.c: which commit of which database a ticket stands for.
 *
 * A ticket is a number on one line, which the whole process shares. A store takes a block of it
 * when it is first asked for a ticket, and another one when its commits have passed the end of that:
 *
 *   tickets   1 ............... 65,537 ........... 131,073 .......... next
 *             | store 7         | store 3          | store 7          |
 *   commits   | 12 ... 65,547   | 1 ... 65,536     | 65,548 ...       |
 *
 * So the tickets of one store grow with its commits, a store that is never asked spends
 * nothing, and the line has 2^47 blocks: one that takes a million of them a second comes to its
 * end in four years. There asyncvfs_ticket fails; no number comes twice, and none is negative.
 *
 * Invariants:
 *   (1) blocks are in the order of `first` and do not overlap; `next` is behind all of them.
 *   (2) a ticket below `next` that is in no block stands for a commit that is durable: a block is
 *       dropped when all of its commits are, and its store goes on with another one or is closed.
 *       That of a store which was closed with commits lost stays (registry.c knows of them).
 * Lock:   tickets.lock, taken inside the store's.
 * Memory: none while there is no block.
 */
#include "store/tickets.h"

#include <assert.h>
#include <string.h>

#include "seam/heap.h"

enum { BLOCK = 65536, FIRST_ROOM = 16 };

typedef struct block {
  uint64_t first;   /* ticket; stands for... */
  uint64_t seq;     /* ...this commit... */
  uint64_t id;      /* ...of this store */
} block;

static struct tickets {
  avfs_lock lock;
  uint64_t next AVFS_GUARDED_BY(avfs_ticket_role);   /* the first that is free */
  block *blocks AVFS_GUARDED_BY(avfs_ticket_role);
  size_t count AVFS_GUARDED_BY(avfs_ticket_role);
  size_t room AVFS_GUARDED_BY(avfs_ticket_role);
} tickets = {.next = 1};

AVFS_LOCK_FUNCTIONS(tickets, struct tickets, avfs_ticket_role)

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Drops the store's blocks before commit `seq` that are durable. */
static void drop(const avfs_store *s, uint64_t seq)
    AVFS_REQUIRES(avfs_store_role) AVFS_REQUIRES(avfs_ticket_role) {
  size_t i, kept = 0;
  for (i = 0; i < tickets.count; i++) {
    const block *b = &tickets.blocks[i];
    uint64_t last = least(b->seq + BLOCK - 1, s->commits.commit_seq);
    if (b->id == s->id && b->seq < seq && last < seq && last <= s->commits.durable_seq) continue;
    tickets.blocks[kept++] = *b;
  }
  tickets.count = kept;
  if (kept > 0) return;
  avfs_free(tickets.blocks);
  tickets.blocks = NULL;
  tickets.room = 0;
}

static int make_room(void) AVFS_REQUIRES(avfs_ticket_role) {
  size_t room = tickets.room == 0 ? FIRST_ROOM : tickets.room * 2;
  block *more;
  if (tickets.count < tickets.room) return SQLITE_OK;
  more = avfs_alloc(room * sizeof *more);
  if (more == NULL) return SQLITE_NOMEM;
  if (tickets.count > 0) memcpy(more, tickets.blocks, tickets.count * sizeof *more);
  avfs_free(tickets.blocks);
  tickets.blocks = more;
  tickets.room = room;
  return SQLITE_OK;
}

/* The next block of the line becomes the store's, from commit `seq` on. */
static int take_block(avfs_store *s, uint64_t seq) AVFS_REQUIRES(avfs_store_role) {
  int rc = SQLITE_TOOBIG;
  tickets_enter(&tickets);
  drop(s, seq);
  if (tickets.next <= INT64_MAX - BLOCK) rc = make_room();
  if (rc == SQLITE_OK) {
    s->commits.ticket_first = tickets.next;
    s->commits.ticket_seq = seq;
    tickets.blocks[tickets.count++] = (block){tickets.next, seq, s->id};
    tickets.next += BLOCK;
  }
  tickets_leave(&tickets);
  return rc;
}

int avfs_ticket(avfs_store *s, uint64_t seq, long long *ticket_out) {
  int rc = SQLITE_OK;
  assert(s->commits.ticket_first == 0 || seq >= s->commits.ticket_seq);
  if (s->commits.ticket_first == 0 || seq - s->commits.ticket_seq >= BLOCK) rc = take_block(s, seq);
  if (rc == SQLITE_OK) *ticket_out = (long long)(s->commits.ticket_first + (seq - s->commits.ticket_seq));
  return rc;
}

int avfs_ticket_find(long long ticket, uint64_t *id_out, uint64_t *seq_out) {
  uint64_t n = (uint64_t)ticket;
  int rc = SQLITE_OK;
  size_t from = 0, to;
  *id_out = *seq_out = 0;
  tickets_enter(&tickets);
  if (n >= tickets.next) rc = SQLITE_MISUSE;
  for (to = tickets.count; from < to;) {   /* those before `from` begin at n or before */
    size_t middle = from + (to - from) / 2;
    if (tickets.blocks[middle].first <= n) from = middle + 1;
    else to = middle;
  }
  if (from > 0 && n - tickets.blocks[from - 1].first < BLOCK) {
    *id_out = tickets.blocks[from - 1].id;
    *seq_out = tickets.blocks[from - 1].seq + (n - tickets.blocks[from - 1].first);
  }
  tickets_leave(&tickets);
  return rc;
}

void avfs_tickets_end(avfs_store *s) {
  if (s->commits.ticket_first == 0) return;
  tickets_enter(&tickets);
  drop(s, UINT64_MAX);
  tickets_leave(&tickets);
}

void avfs_tickets_skip(uint64_t next) {
  tickets_enter(&tickets);
  assert(next >= tickets.next && next <= INT64_MAX);
  tickets.next = next;
  tickets_leave(&tickets);
}
