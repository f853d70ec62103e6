/* test_lock_table.c: the locks among connections, against SQLite's rules.
 *
 * The model is a level for each connection and the queue as a list of names. It
 * answers from lockingv3.html, section 3, and from the rule of turns; it knows
 * neither counts nor a writer. After each step the table's own bookkeeping must
 * say what the levels say.
 */
#include "../harness.h"

#include <string.h>

#include "store/lock_table.h"

enum { LOCKERS = 6 };

typedef struct model {
  int level[LOCKERS];
  int queue[LOCKERS];
  int queued;
} model;

/* How many others are at `level` or above. */
static int others_at(const model *m, int who, int level) {
  int n = 0;
  for (int i = 0; i < LOCKERS; i++) n += i != who && m->level[i] >= level;
  return n;
}

static int place_of(const model *m, int who) {
  for (int i = 0; i < m->queued; i++) {
    if (m->queue[i] == who) return i;
  }
  return -1;
}

static void model_dequeue(model *m, int who) {
  int at = place_of(m, who);
  if (at < 0) return;
  memmove(m->queue + at, m->queue + at + 1, sizeof *m->queue * (size_t)(m->queued - at - 1));
  m->queued--;
}

static void model_enqueue(model *m, int who) {
  if (place_of(m, who) < 0) m->queue[m->queued++] = who;
}

static bool model_has_turn(const model *m, int who) {
  if (m->level[who] >= AVFS_LOCK_RESERVED || others_at(m, who, AVFS_LOCK_RESERVED) > 0) return false;
  return m->queued == 0 || m->queue[0] == who;
}

static int model_raise(model *m, int who, int level) {
  if (m->level[who] >= level) return SQLITE_OK;
  if (level == AVFS_LOCK_SHARED) {
    if (others_at(m, who, AVFS_LOCK_PENDING) > 0) return SQLITE_BUSY;
    m->level[who] = AVFS_LOCK_SHARED;
    return SQLITE_OK;
  }
  if (m->level[who] == AVFS_LOCK_SHARED) {
    if (!model_has_turn(m, who)) return SQLITE_BUSY;
    model_dequeue(m, who);
    m->level[who] = AVFS_LOCK_RESERVED;
  }
  if (level == AVFS_LOCK_RESERVED) return SQLITE_OK;
  m->level[who] = AVFS_LOCK_PENDING;
  if (level == AVFS_LOCK_PENDING) return SQLITE_OK;
  if (others_at(m, who, AVFS_LOCK_SHARED) > 0) return SQLITE_BUSY;
  m->level[who] = AVFS_LOCK_EXCLUSIVE;
  return SQLITE_OK;
}

static void model_lower(model *m, int who, int level) {
  if (m->level[who] <= level) return;
  m->level[who] = level;
  if (level == AVFS_LOCK_NONE && m->queued > 0 && m->queue[0] == who) model_dequeue(m, who);
}

static bool agrees(const avfs_lock_table *t, const avfs_locker *l, const model *m) {
  int highest = AVFS_LOCK_NONE, readers = 0, writers = 0, at = 0;
  const avfs_locker *q;
  bool ok = true;
  for (int i = 0; i < LOCKERS; i++) {
    ok = CHECK_EQ(l[i].level, m->level[i]) && ok;
    ok = CHECK_EQ(avfs_lock_table_has_turn(t, &l[i]) != 0, t->writer != &l[i] && model_has_turn(m, i)) && ok;
    if (m->level[i] > highest) highest = m->level[i];
    readers += m->level[i] >= AVFS_LOCK_SHARED;
    writers += m->level[i] >= AVFS_LOCK_RESERVED;
    if (m->level[i] == AVFS_LOCK_EXCLUSIVE) {
      ok = CHECK_EQ(others_at(m, i, AVFS_LOCK_SHARED), 0) && ok;
    }
  }
  ok = CHECK(writers <= 1) && ok;
  ok = CHECK_EQ(t->readers, readers) && ok;
  ok = CHECK_EQ(t->writer != NULL, writers) && ok;
  ok = CHECK_EQ(avfs_lock_table_highest(t), highest) && ok;
  for (q = t->queue; q != NULL && at < LOCKERS; q = q->queue_next, at++) {
    ok = CHECK_EQ(q - l, at < m->queued ? m->queue[at] : -1) && ok;
  }
  ok = CHECK_EQ(at, m->queued) && ok;
  for (int i = 0; i < LOCKERS; i++) ok = CHECK_EQ(l[i].queued != 0, place_of(m, i) >= 0) && ok;
  return ok;
}

/* One step of SQLite's ladder from where `who` stands, or a step down. */
static bool step(avfs_lock_table *t, avfs_locker *l, model *m) {
  static const int up[] = {AVFS_LOCK_RESERVED, AVFS_LOCK_RESERVED, AVFS_LOCK_EXCLUSIVE,
                           AVFS_LOCK_PENDING};
  int who = (int)rng_below(LOCKERS), level;
  switch (rng_below(8)) {
    case 0:
      avfs_lock_table_enqueue(t, &l[who]);
      model_enqueue(m, who);
      return true;
    case 1:
      if (rng_below(3) != 0) return true;
      avfs_lock_table_dequeue(t, &l[who]);
      model_dequeue(m, who);
      return true;
    case 2:
    case 3:
      level = rng_below(2) == 0 ? AVFS_LOCK_SHARED : AVFS_LOCK_NONE;
      avfs_lock_table_lower(t, &l[who], level);
      model_lower(m, who, level);
      return true;
    default:
      level = m->level[who] == AVFS_LOCK_NONE ? AVFS_LOCK_SHARED : up[rng_below(4)];
      return CHECK_EQ(avfs_lock_table_raise(t, &l[who], level), model_raise(m, who, level));
  }
}

static void random_steps_follow_sqlites_rules(void) {
  for (int round = 0; round < 40; round++) {
    avfs_lock_table t = {0, NULL, NULL};
    avfs_locker l[LOCKERS];
    model m;
    memset(l, 0, sizeof l);
    memset(&m, 0, sizeof m);
    for (int n = 0; n < 2000; n++) {
      if (!step(&t, l, &m) || !agrees(&t, l, &m)) return;
    }
  }
}

/* From any state: once the others let go, each of the queue gets its turn, and in
 * the order in which they came. */
static void the_queue_is_served_in_order_from_any_state(void) {
  for (int round = 0; round < 200; round++) {
    avfs_lock_table t = {0, NULL, NULL};
    avfs_locker l[LOCKERS];
    model m;
    memset(l, 0, sizeof l);
    memset(&m, 0, sizeof m);
    for (uint64_t n = rng_below(200); n > 0; n--) {
      if (!step(&t, l, &m)) return;
    }
    for (int i = 0; i < LOCKERS; i++) avfs_lock_table_lower(&t, &l[i], AVFS_LOCK_SHARED);
    for (int i = 0; i < LOCKERS; i++) model_lower(&m, i, AVFS_LOCK_SHARED);
    while (m.queued > 0) {
      int first = m.queue[0];
      for (int i = 0; i < LOCKERS; i++) {
        CHECK_EQ(avfs_lock_table_raise(&t, &l[i], AVFS_LOCK_SHARED), SQLITE_OK);
        if (i != first) CHECK_EQ(avfs_lock_table_raise(&t, &l[i], AVFS_LOCK_RESERVED), SQLITE_BUSY);
      }
      CHECK_EQ(avfs_lock_table_raise(&t, &l[first], AVFS_LOCK_RESERVED), SQLITE_OK);
      model_dequeue(&m, first);
      avfs_lock_table_lower(&t, &l[first], AVFS_LOCK_NONE);
    }
    CHECK(t.queue == NULL);
  }
}

static void pending_keeps_new_readers_out_and_lets_old_ones_leave(void) {
  avfs_lock_table t = {0, NULL, NULL};
  avfs_locker writer = {0, 0, NULL}, reader = {0, 0, NULL}, late = {0, 0, NULL};
  CHECK_EQ(avfs_lock_table_raise(&t, &reader, AVFS_LOCK_SHARED), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &writer, AVFS_LOCK_SHARED), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &writer, AVFS_LOCK_RESERVED), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &late, AVFS_LOCK_SHARED), SQLITE_OK);
  avfs_lock_table_lower(&t, &late, AVFS_LOCK_NONE);
  CHECK_EQ(avfs_lock_table_raise(&t, &writer, AVFS_LOCK_EXCLUSIVE), SQLITE_BUSY);
  CHECK_EQ(writer.level, AVFS_LOCK_PENDING);
  CHECK_EQ(avfs_lock_table_raise(&t, &late, AVFS_LOCK_SHARED), SQLITE_BUSY);
  CHECK_EQ(avfs_lock_table_raise(&t, &reader, AVFS_LOCK_RESERVED), SQLITE_BUSY);
  avfs_lock_table_lower(&t, &reader, AVFS_LOCK_NONE);
  CHECK_EQ(avfs_lock_table_raise(&t, &writer, AVFS_LOCK_EXCLUSIVE), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &late, AVFS_LOCK_SHARED), SQLITE_BUSY);
  avfs_lock_table_lower(&t, &writer, AVFS_LOCK_SHARED);
  CHECK_EQ(avfs_lock_table_raise(&t, &late, AVFS_LOCK_SHARED), SQLITE_OK);
}

static void whose_turn_it_is_goes_before_one_that_never_waited(void) {
  avfs_lock_table t = {0, NULL, NULL};
  avfs_locker waited = {0, 0, NULL}, quick = {0, 0, NULL};
  avfs_lock_table_enqueue(&t, &waited);
  CHECK_EQ(avfs_lock_table_raise(&t, &quick, AVFS_LOCK_SHARED), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &quick, AVFS_LOCK_RESERVED), SQLITE_BUSY);
  CHECK_EQ(avfs_lock_table_raise(&t, &waited, AVFS_LOCK_SHARED), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &waited, AVFS_LOCK_RESERVED), SQLITE_OK);
  CHECK(!waited.queued);
  avfs_lock_table_lower(&t, &waited, AVFS_LOCK_NONE);
  CHECK_EQ(avfs_lock_table_raise(&t, &quick, AVFS_LOCK_RESERVED), SQLITE_OK);
}

static void a_turn_that_is_not_used_is_given_up_at_none(void) {
  avfs_lock_table t = {0, NULL, NULL};
  avfs_locker first = {0, 0, NULL}, second = {0, 0, NULL};
  avfs_lock_table_enqueue(&t, &first);
  avfs_lock_table_enqueue(&t, &second);
  avfs_lock_table_enqueue(&t, &first);   /* it is there: its place stays */
  CHECK_EQ(avfs_lock_table_raise(&t, &first, AVFS_LOCK_SHARED), SQLITE_OK);
  CHECK_EQ(avfs_lock_table_raise(&t, &second, AVFS_LOCK_SHARED), SQLITE_OK);
  CHECK(!avfs_lock_table_has_turn(&t, &second));
  avfs_lock_table_lower(&t, &first, AVFS_LOCK_NONE);   /* it only read */
  CHECK(avfs_lock_table_has_turn(&t, &second));
  CHECK_EQ(avfs_lock_table_raise(&t, &second, AVFS_LOCK_RESERVED), SQLITE_OK);
  CHECK(t.queue == NULL);
}

void suite_lock_table(void) {
  CU_pSuite suite = CU_add_suite("lock_table", NULL, NULL);
  ADD_TEST(suite, random_steps_follow_sqlites_rules);
  ADD_TEST(suite, the_queue_is_served_in_order_from_any_state);
  ADD_TEST(suite, pending_keeps_new_readers_out_and_lets_old_ones_leave);
  ADD_TEST(suite, whose_turn_it_is_goes_before_one_that_never_waited);
  ADD_TEST(suite, a_turn_that_is_not_used_is_given_up_at_none);
}
