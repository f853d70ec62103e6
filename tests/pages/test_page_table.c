/* test_page_table.c: page tables and their pool, against a plain array.
 *
 * The model of a table is the file's size and, for each page number, the stamp
 * that was written last, or 0 for "not here". Every page ever taken from the heap
 * is in a table, in a pool, or given back: `alive` counts them.
 */
#include "../harness.h"

#include <string.h>

#include "pages/page_table.h"
#include "vfs/sql_tools.h"

enum {
  UNIT = 512,
  GROUPS = 4,           /* page numbers that meet in one bucket: the same low bits */
  IN_GROUP = 300,
  KEYS = GROUPS * IN_GROUP,
  APART = 1 << 20,      /* between groups: more than any bucket count here */
  TABLES = 3
};

typedef struct model {
  uint64_t size;
  uint32_t stamp[KEYS];
} model;

static uint32_t pgno_of(int key) {
  return (uint32_t)(key / IN_GROUP) * APART + (uint32_t)(key % IN_GROUP) + 1;
}

static uint64_t begin_of(int key) { return (uint64_t)(pgno_of(key) - 1) * UNIT; }

static void stamp_page(avfs_page *p, uint32_t stamp) {
  memcpy(p->data, &stamp, sizeof stamp);
  memcpy(p->data + UNIT - sizeof stamp, &stamp, sizeof stamp);
}

static uint32_t stamp_of(const avfs_page *p) {
  uint32_t first, last;
  memcpy(&first, p->data, sizeof first);
  memcpy(&last, p->data + UNIT - sizeof last, sizeof last);
  return first == last ? first : UINT32_MAX;
}

/* ---- the model's side of each operation ------------------------------------ */

static void model_set_size(model *m, uint64_t size) {
  for (int k = 0; k < KEYS; k++) {
    if (begin_of(k) >= size) m->stamp[k] = 0;
  }
  m->size = size;
}

static void model_merge(model *to, model *from) {
  model_set_size(to, from->size);
  for (int k = 0; k < KEYS; k++) {
    if (from->stamp[k] != 0) to->stamp[k] = from->stamp[k];
    from->stamp[k] = 0;
  }
}

static uint32_t model_count(const model *m) {
  uint32_t n = 0;
  for (int k = 0; k < KEYS; k++) n += m->stamp[k] != 0;
  return n;
}

static bool agrees(const avfs_page_table *t, const model *m) {
  if (!CHECK(avfs_page_table_check(t, UNIT))) return false;
  if (!CHECK_EQ(t->size, m->size)) return false;
  if (!CHECK_EQ(t->count, model_count(m))) return false;
  for (int k = 0; k < KEYS; k++) {
    const avfs_page *p = avfs_page_table_find(t, pgno_of(k));
    if (!CHECK_EQ(p == NULL ? 0 : stamp_of(p), m->stamp[k])) return false;
  }
  return true;
}

/* ---- random operations ----------------------------------------------------- */

typedef struct world {
  avfs_page_table table[TABLES];
  model is[TABLES];
  avfs_page_pool pool, other;
  uint32_t alive;      /* pages that the heap gave out and did not get back */
  uint32_t stamps;
} world;

static avfs_page *take(world *w) {
  bool fresh = w->pool.count == 0;
  avfs_page *p = avfs_page_pool_get(&w->pool);
  if (p == NULL) return NULL;
  if (fresh) w->alive++;
  return p;
}

/* Writes a page as the store does: the file grows to hold it. */
static void put(world *w, int t, int key) {
  avfs_page *p = avfs_page_table_find(&w->table[t], pgno_of(key));
  uint64_t end = begin_of(key) + UNIT;
  if (end > w->is[t].size) {
    avfs_page_table_set_size(&w->table[t], end, &w->pool);
    w->is[t].size = end;
  }
  if (p == NULL) {
    p = take(w);
    if (!CHECK(p != NULL)) return;
    p->pgno = pgno_of(key);
    avfs_page_table_add(&w->table[t], p);
  }
  stamp_page(p, ++w->stamps);
  w->is[t].stamp[key] = w->stamps;
}

static void step(world *w) {
  int a = (int)rng_below(TABLES), b = (a + 1 + (int)rng_below(TABLES - 1)) % TABLES;
  uint32_t keep;
  switch (rng_below(16)) {
    case 0: {   /* to anywhere, mostly not on a page's end */
      uint64_t size = begin_of((int)rng_below(KEYS)) + rng_below(UNIT + 1);
      avfs_page_table_set_size(&w->table[a], size, &w->pool);
      model_set_size(&w->is[a], size);
      break;
    }
    case 1: {   /* a page or two less, as incremental vacuum does */
      uint64_t less = rng_below(2 * UNIT + 1);
      uint64_t size = w->is[a].size < less ? 0 : w->is[a].size - less;
      avfs_page_table_set_size(&w->table[a], size, &w->pool);
      model_set_size(&w->is[a], size);
      break;
    }
    case 2:
      avfs_page_table_merge(&w->table[a], &w->table[b], &w->pool);
      model_merge(&w->is[a], &w->is[b]);
      CHECK_EQ(w->table[b].size, w->is[b].size);
      break;
    case 3: {
      model m = w->is[a];
      avfs_page_table_swap(&w->table[a], &w->table[b]);
      w->is[a] = w->is[b];
      w->is[b] = m;
      break;
    }
    case 4:
      if (rng_below(4) != 0) break;
      avfs_page_table_clear(&w->table[a], &w->pool);
      memset(w->is[a].stamp, 0, sizeof w->is[a].stamp);
      avfs_page_table_trim(&w->table[a]);
      break;
    case 5:
      avfs_page_table_trim(&w->table[a]);   /* does nothing to one with pages in it */
      break;
    case 6:
      keep = (uint32_t)rng_below(w->pool.count + 2);
      if (w->pool.count > keep) w->alive -= w->pool.count - keep;
      avfs_page_pool_trim(&w->pool, keep);
      CHECK(w->pool.count <= keep);
      break;
    case 7:
      avfs_page_pool_move(&w->other, &w->pool);
      CHECK_EQ(w->pool.count, 0);
      if (rng_below(2) == 0) avfs_page_pool_move(&w->pool, &w->other);
      break;
    default:
      for (uint64_t n = rng_below(120), at = rng_below(KEYS); n > 0; n--, at++) {
        put(w, a, rng_below(3) == 0 ? (int)rng_below(KEYS) : (int)(at % KEYS));
      }
  }
}

static void random_operations_match_plain_arrays(void) {
  static world w;
  memset(&w, 0, sizeof w);
  w.pool.page_bytes = w.other.page_bytes = UNIT;
  for (int i = 0; i < TABLES; i++) CHECK_EQ(avfs_page_table_init(&w.table[i]), 0);
  for (int n = 0; n < 4000; n++) {
    uint32_t pages = 0;
    bool ok = true;
    step(&w);
    for (int i = 0; i < TABLES; i++) {
      ok = agrees(&w.table[i], &w.is[i]) && ok;
      pages += w.table[i].count;
    }
    if (!ok || !CHECK_EQ(pages + w.pool.count + w.other.count, w.alive)) break;
  }
  for (int i = 0; i < TABLES; i++) avfs_page_table_free(&w.table[i], &w.pool);
  CHECK_EQ(w.pool.count + w.other.count, w.alive);
  avfs_page_pool_trim(&w.pool, 0);
  avfs_page_pool_trim(&w.other, 0);
}

/* ---- single claims --------------------------------------------------------- */

/* A table with pages 1..n, whose size is n pages. */
static void fill(avfs_page_table *t, avfs_page_pool *pool, uint32_t n) {
  for (uint32_t i = 1; i <= n; i++) {
    avfs_page *p = avfs_page_pool_get(pool);
    if (!CHECK(p != NULL)) return;
    p->pgno = i;
    avfs_page_table_set_size(t, (uint64_t)i * UNIT, pool);
    avfs_page_table_add(t, p);
  }
}

static void buckets_grow_with_the_pages_and_are_given_back(void) {
  avfs_page_table t;
  avfs_page_pool pool = {NULL, NULL, 0, UNIT};
  CHECK_EQ(avfs_page_table_init(&t), 0);
  uint32_t few = t.bucket_count;
  fill(&t, &pool, 10000);
  CHECK(t.bucket_count >= 8192);
  CHECK_EQ(t.bucket_count & (t.bucket_count - 1), 0);
  CHECK(avfs_page_table_check(&t, UNIT));
  for (uint32_t i = 1; i <= 10000; i++) CHECK(avfs_page_table_find(&t, i) != NULL);
  CHECK(avfs_page_table_find(&t, 10001) == NULL);
  avfs_page_table_clear(&t, &pool);
  CHECK_EQ(t.size, 10000 * UNIT);
  CHECK(t.bucket_count > few);
  avfs_page_table_trim(&t);
  CHECK_EQ(t.bucket_count, few);
  CHECK_EQ(pool.count, 10000);
  avfs_page_table_free(&t, &pool);
  avfs_page_pool_trim(&pool, 0);
}

/* Page by page for a short tail, through the list for a long one. */
static void a_cut_drops_the_tail_and_nothing_else(void) {
  static const uint32_t left[] = {199, 198, 101, 100, 99, 2, 1, 0};
  for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
    for (uint32_t over = 0; over < 2; over++) {   /* bytes behind the last page's begin */
      avfs_page_table t;
      avfs_page_pool pool = {NULL, NULL, 0, UNIT};
      CHECK_EQ(avfs_page_table_init(&t), 0);
      fill(&t, &pool, 200);
      avfs_page_table_set_size(&t, (uint64_t)left[i] * UNIT + over, &pool);
      CHECK(avfs_page_table_check(&t, UNIT));
      CHECK_EQ(t.count, left[i] + over);
      CHECK_EQ(pool.count, 200 - left[i] - over);
      CHECK((avfs_page_table_find(&t, left[i] + 1) != NULL) == (over == 1));
      /* What was cut off is not there when the file grows again. */
      avfs_page_table_set_size(&t, 300 * UNIT, &pool);
      CHECK(avfs_page_table_find(&t, left[i] + 2) == NULL);
      CHECK_EQ(t.count, left[i] + over);
      avfs_page_table_free(&t, &pool);
      avfs_page_pool_trim(&pool, 0);
    }
  }
}

static void a_merge_cuts_and_replaces_as_a_commit_does(void) {
  avfs_page_table to, from;
  avfs_page_pool pool = {NULL, NULL, 0, UNIT};
  CHECK_EQ(avfs_page_table_init(&to), 0);
  CHECK_EQ(avfs_page_table_init(&from), 0);
  fill(&to, &pool, 10);
  fill(&from, &pool, 3);
  avfs_page *theirs = avfs_page_table_find(&from, 2);
  avfs_page_table_set_size(&from, 7 * UNIT, &pool);
  avfs_page_table_merge(&to, &from, &pool);
  CHECK(avfs_page_table_find(&to, 2) == theirs);
  CHECK_EQ(to.size, 7 * UNIT);
  CHECK_EQ(to.count, 7);
  CHECK_EQ(from.count, 0);
  CHECK(from.first == NULL);
  CHECK_EQ(pool.count, 6);   /* three cut off, three replaced */
  CHECK(avfs_page_table_check(&to, UNIT) && avfs_page_table_check(&from, UNIT));
  avfs_page_table_free(&to, &pool);
  avfs_page_table_free(&from, &pool);
  avfs_page_pool_trim(&pool, 0);
}

/* The checker is worth nothing if it accepts what breaks an invariant. */
static void the_check_sees_each_broken_invariant(void) {
  avfs_page_table t;
  avfs_page_pool pool = {NULL, NULL, 0, UNIT};
  CHECK_EQ(avfs_page_table_init(&t), 0);
  fill(&t, &pool, 5);
  avfs_page *p = avfs_page_table_find(&t, 3);
  CHECK(avfs_page_table_check(&t, UNIT));
  p->pgno = 4;      /* (1) another's bucket, and that number twice */
  CHECK(!avfs_page_table_check(&t, UNIT));
  p->pgno = 3;
  t.count = 4;      /* (2) */
  CHECK(!avfs_page_table_check(&t, UNIT));
  t.count = 5;
  t.size = 4 * UNIT;   /* (3) page 5 begins at the end */
  CHECK(!avfs_page_table_check(&t, UNIT));
  t.size = 4 * UNIT + 1;
  CHECK(avfs_page_table_check(&t, UNIT));
  avfs_page_table_free(&t, &pool);
  avfs_page_pool_trim(&pool, 0);
}

static void a_pool_move_takes_all_pages_each_once(void) {
  avfs_page_pool from = {NULL, NULL, 0, UNIT}, to = {NULL, NULL, 0, UNIT};
  for (int have = 0; have < 3; have++) {
    for (uint32_t i = 0; i < 5; i++) {
      avfs_page_pool none = {NULL, NULL, 0, UNIT};
      avfs_page *p = avfs_page_pool_get(&none);
      if (!CHECK(p != NULL)) return;
      p->pgno = (uint32_t)have * 5 + i;
      avfs_page_pool_put(&from, p);
    }
    avfs_page_pool_move(&to, &from);
    CHECK_EQ(from.count, 0);
    CHECK(from.first == NULL);
    CHECK_EQ(to.count, (have + 1) * 5);
    avfs_page_pool_move(&to, &from);   /* of nothing */
    CHECK_EQ(to.count, (have + 1) * 5);
  }
  uint32_t seen = 0;
  while (to.count > 0) {
    avfs_page_pool none = {NULL, NULL, 0, UNIT};
    avfs_page *p = avfs_page_pool_get(&to);
    seen ^= 1u << p->pgno;
    avfs_page_pool_put(&none, p);
    avfs_page_pool_trim(&none, 0);
  }
  CHECK_EQ(seen, (1u << 15) - 1);
  CHECK(to.first == NULL);
}

static int set_up(void) {
  (void)sql_vfs();
  return 0;
}

void suite_page_table(void) {
  CU_pSuite suite = CU_add_suite("page_table", set_up, NULL);
  ADD_TEST(suite, random_operations_match_plain_arrays);
  ADD_TEST(suite, buckets_grow_with_the_pages_and_are_given_back);
  ADD_TEST(suite, a_cut_drops_the_tail_and_nothing_else);
  ADD_TEST(suite, a_merge_cuts_and_replaces_as_a_commit_does);
  ADD_TEST(suite, the_check_sees_each_broken_invariant);
  ADD_TEST(suite, a_pool_move_takes_all_pages_each_once);
}
