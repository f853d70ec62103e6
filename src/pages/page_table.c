/* page_table.c: see page_table.h. */
#include "pages/page_table.h"

#include <assert.h>
#include <string.h>

#include "seam/sqlite_api.h"
#include "seam/heap.h"

enum { FEWEST_BUCKETS = 64 };

int avfs_page_table_init(avfs_page_table *t) {
  memset(t, 0, sizeof *t);
  t->buckets = avfs_alloc_zero(FEWEST_BUCKETS * sizeof *t->buckets);
  if (t->buckets == NULL) return SQLITE_NOMEM;
  t->bucket_count = FEWEST_BUCKETS;
  return SQLITE_OK;
}

void avfs_page_table_free(avfs_page_table *t, avfs_page_pool *pool) {
  if (t->buckets != NULL) avfs_page_table_clear(t, pool);
  avfs_free(t->buckets);
  memset(t, 0, sizeof *t);
}

/* Page numbers come in runs, so their low bits spread them best. */
static avfs_page **bucket_of(const avfs_page_table *t, uint32_t pgno) {
  return &t->buckets[pgno & (t->bucket_count - 1)];
}

avfs_page *avfs_page_table_find(const avfs_page_table *t, uint32_t pgno) {
  avfs_page *p = *bucket_of(t, pgno);
  while (p != NULL && p->pgno != pgno) p = p->hash_next;
  return p;
}

static void resize_buckets(avfs_page_table *t, uint32_t bucket_count) {
  avfs_page **old = t->buckets;
  avfs_page **buckets = avfs_alloc_zero(bucket_count * sizeof *buckets);
  avfs_page *p;
  if (buckets == NULL) return;   /* longer chains, the same answers */
  t->buckets = buckets;
  t->bucket_count = bucket_count;
  for (p = t->first; p != NULL; p = p->next) {
    avfs_page **b = bucket_of(t, p->pgno);
    p->hash_next = *b;
    *b = p;
  }
  avfs_free(old);
}

void avfs_page_table_add(avfs_page_table *t, avfs_page *page) {
  avfs_page **b;
#ifdef AVFS_CHECK   /* dear on the commit path */
  assert(avfs_page_table_find(t, page->pgno) == NULL);
#endif
  if (t->count >= t->bucket_count && t->bucket_count < (1u << 30)) {
    resize_buckets(t, t->bucket_count * 2);
  }
  b = bucket_of(t, page->pgno);
  page->hash_next = *b;
  *b = page;
  page->prev = NULL;
  page->next = t->first;
  if (t->first != NULL) t->first->prev = page;
  t->first = page;
  t->count++;
}

static void unlink_page(avfs_page_table *t, avfs_page *page) {
  avfs_page **at = bucket_of(t, page->pgno);
  while (*at != page) at = &(*at)->hash_next;
  *at = page->hash_next;
  if (page->prev != NULL) page->prev->next = page->next;
  else t->first = page->next;
  if (page->next != NULL) page->next->prev = page->prev;
  t->count--;
}

void avfs_page_table_clear(avfs_page_table *t, avfs_page_pool *pool) {
  avfs_page *p = t->first, *next;
  if (t->count > t->bucket_count / 8) {
    memset(t->buckets, 0, t->bucket_count * sizeof *t->buckets);
  } else {
    for (; p != NULL; p = p->next) *bucket_of(t, p->pgno) = NULL;
  }
  for (p = t->first; p != NULL; p = next) {
    next = p->next;
    avfs_page_pool_put(pool, p);
  }
  t->first = NULL;
  t->count = 0;
}

/* Drops what stands behind `size`, where the file was `was` bytes long. A short
 * tail is dropped number by number: incremental vacuum cuts a page or two in
 * each transaction, however many pages wait. */
static void drop_tail(avfs_page_table *t, uint64_t was, uint64_t size, avfs_page_pool *pool) {
  uint64_t unit = pool->page_bytes;
  uint64_t first = (size + unit - 1) / unit + 1;
  uint64_t last = (was + unit - 1) / unit;
  if (first > last || t->count == 0) return;
  if (last - first + 1 < t->count) {
    for (; first <= last; first++) {
      avfs_page *p = avfs_page_table_find(t, (uint32_t)first);
      if (p != NULL) {
        unlink_page(t, p);
        avfs_page_pool_put(pool, p);
      }
    }
  } else {
    avfs_page *p = t->first, *next;
    for (; p != NULL; p = next) {
      next = p->next;
      if (p->pgno >= first) {
        unlink_page(t, p);
        avfs_page_pool_put(pool, p);
      }
    }
  }
}

void avfs_page_table_set_size(avfs_page_table *t, uint64_t size, avfs_page_pool *pool) {
  if (size < t->size) drop_tail(t, t->size, size, pool);
  t->size = size;
}

void avfs_page_table_merge(avfs_page_table *to, avfs_page_table *from, avfs_page_pool *pool) {
  avfs_page *p, *next, *old;
  avfs_page_table_set_size(to, from->size, pool);
  for (p = from->first; p != NULL; p = next) {
    next = p->next;
    *bucket_of(from, p->pgno) = NULL;   /* all of from's pages leave it */
    old = avfs_page_table_find(to, p->pgno);
    if (old != NULL) {
      unlink_page(to, old);
      avfs_page_pool_put(pool, old);
    }
    avfs_page_table_add(to, p);
  }
  from->first = NULL;
  from->count = 0;
}

void avfs_page_table_swap(avfs_page_table *a, avfs_page_table *b) {
  avfs_page_table t = *a;
  *a = *b;
  *b = t;
}

void avfs_page_table_trim(avfs_page_table *t) {
  if (t->count == 0 && t->bucket_count > FEWEST_BUCKETS) resize_buckets(t, FEWEST_BUCKETS);
}

int avfs_page_table_check(const avfs_page_table *t, uint32_t page_bytes) {
  uint32_t i, listed = 0, hashed = 0;
  const avfs_page *p;
  for (p = t->first; p != NULL; p = p->next) {
    listed++;
    if (avfs_page_table_find(t, p->pgno) != p) return 0;
    if ((uint64_t)(p->pgno - 1) * page_bytes >= t->size) return 0;
  }
  for (i = 0; i < t->bucket_count; i++) {
    for (p = t->buckets[i]; p != NULL; p = p->hash_next) {
      hashed++;
      if ((p->pgno & (t->bucket_count - 1)) != i) return 0;
    }
  }
  return listed == t->count && hashed == t->count;
}

avfs_page *avfs_page_pool_get(avfs_page_pool *pool) {
  avfs_page *p = pool->first;
  if (p == NULL) return avfs_alloc(sizeof *p + pool->page_bytes);
  pool->first = p->hash_next;
  pool->count--;
  return p;
}

void avfs_page_pool_put(avfs_page_pool *pool, avfs_page *page) {
  if (pool->first == NULL) pool->last = page;
  page->hash_next = pool->first;
  pool->first = page;
  pool->count++;
}

void avfs_page_pool_trim(avfs_page_pool *pool, uint32_t keep) {
  while (pool->count > keep) avfs_free(avfs_page_pool_get(pool));
}

void avfs_page_pool_move(avfs_page_pool *to, avfs_page_pool *from) {
  if (from->first == NULL) return;
  from->last->hash_next = to->first;
  if (to->first == NULL) to->last = from->last;
  to->first = from->first;
  to->count += from->count;
  from->first = NULL;
  from->count = 0;
}
