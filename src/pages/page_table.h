/* page_table.h: pages of one database that the disk does not have yet.
 *
 *   write         commit           freeze           durable
 *    ----> txn ---------> committed ------> draining -------> released
 *   read: txn, committed, draining, then the disk; the first hit wins
 *
 * A table is a hash of pages by number, and the length of the file as this table
 * sees it. A page that a table does not have is the next table's matter, so when a
 * file shrinks and grows again, the pages between are put in as zeros
 * (store/content.c): what was cut off never shines through.
 *
 * Invariants, checked by avfs_page_table_check():
 *   (1) a page stands in the bucket of its number, and once.
 *   (2) count is the length of the list, and the list has what the buckets have.
 *   (3) no page begins at or behind size.
 * Locks:  those of the owner (store/state.h).
 * Memory: a page belongs to the one table or pool that lists it. Adding a page
 *         never fails: without memory for more buckets the chains grow longer.
 *         So a commit, which only moves pages, cannot run out of memory.
 * Units:  pgno counts from 1, in units of the pool's page_bytes; sizes in bytes.
 */
#ifndef AVFS_PAGE_TABLE_H
#define AVFS_PAGE_TABLE_H

#include <stdint.h>

typedef struct avfs_page {
  struct avfs_page *hash_next;
  struct avfs_page *prev, *next;
  uint32_t pgno;
  unsigned char data[];   /* page_bytes of the pool that it came from */
} avfs_page;

typedef struct avfs_page_table {
  avfs_page **buckets;
  uint32_t bucket_count;   /* a power of two */
  uint32_t count;          /* pages */
  avfs_page *first;        /* all of them, in no order */
  uint64_t size;           /* of the file */
} avfs_page_table;

/* Pages not in use, kept for the next ones. */
typedef struct avfs_page_pool {
  avfs_page *first, *last; /* by hash_next; last counts only when first is set */
  uint32_t count;
  uint32_t page_bytes;     /* 512..65536, a power of two */
} avfs_page_pool;

int avfs_page_table_init(avfs_page_table *t);
void avfs_page_table_free(avfs_page_table *t, avfs_page_pool *pool);

avfs_page *avfs_page_table_find(const avfs_page_table *t, uint32_t pgno);
/* Adds page, which must not be there yet. */
void avfs_page_table_add(avfs_page_table *t, avfs_page *page);
/* Gives all pages back to the pool; size stays. */
void avfs_page_table_clear(avfs_page_table *t, avfs_page_pool *pool);
/* The file gets the length `size`: pages behind it go back to the pool. */
void avfs_page_table_set_size(avfs_page_table *t, uint64_t size, avfs_page_pool *pool);
/* Applies all of `from` to `to`, its size too, as a commit does: from is left
 * empty. Pages of `to` that were replaced go to the pool. */
void avfs_page_table_merge(avfs_page_table *to, avfs_page_table *from, avfs_page_pool *pool);
void avfs_page_table_swap(avfs_page_table *a, avfs_page_table *b);
/* Gives memory for empty buckets back; for an idle table. */
void avfs_page_table_trim(avfs_page_table *t);
/* Returns 1 when the invariants hold. */
int avfs_page_table_check(const avfs_page_table *t, uint32_t page_bytes);

/* A page with undefined content; NULL without memory. */
avfs_page *avfs_page_pool_get(avfs_page_pool *pool);
void avfs_page_pool_put(avfs_page_pool *pool, avfs_page *page);
/* Frees pages until at most `keep` are left. */
void avfs_page_pool_trim(avfs_page_pool *pool, uint32_t keep);
/* Moves all pages to another pool of the same page_bytes, in time O(1). */
void avfs_page_pool_move(avfs_page_pool *to, avfs_page_pool *from);

#endif
