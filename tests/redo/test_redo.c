/* test_redo.c: the ring of commits, over the model (model.h).
 *
 * Whatever a ring holds, what a recovery makes of it is a state of the database's history, not older
 * than what the disk has; and after a kill not older than what COMMIT has promised.
 */
#include "../harness.h"

#include <stdlib.h>
#include <string.h>

#include "redo/model.h"
#include "redo/ring.h"
#include "seam/heap.h"
#include "seam/sqlite_api.h"

/* ---- lives --------------------------------------------------------------------- */

static void any_life_keeps_what_it_promised(void) {
  for (int i = 0; i < 600; i++) {
    uint64_t seed = rng_next() % 1000000000;
    const char *wrong = model_live(seed);
    if (wrong != NULL) {
      FAIL("life %llu: %s", (unsigned long long)seed, wrong);
      return;
    }
  }
  harness_print("%llu kills, %llu replays of %llu commits, %llu refused; %llu times full, %llu power cuts\n",
                (unsigned long long)model_totals.kills, (unsigned long long)model_totals.replays,
                (unsigned long long)model_totals.commits, (unsigned long long)model_totals.refused,
                (unsigned long long)model_totals.full, (unsigned long long)model_totals.cuts);
  CHECK(model_totals.replays > 0 && model_totals.refused > 0 && model_totals.full > 0 && model_totals.cuts > 0);
}

/* ---- one ring, left behind ----------------------------------------------------------- */

/* A database at state `disk`, of whose commits the ring has those up to `last`. */
typedef struct scene {
  model m;
  model_disk disk;
  avfs_redo *r;
  uint64_t chance;
  uint32_t last;
  unsigned char ring[MODEL_RING];
} scene;

static scene *begin(uint64_t seed) {
  static unsigned char memory[MODEL_RING];
  scene *s = calloc(1, sizeof *s);
  avfs_redo_database db;
  model_file.bytes = memory;
  model_file.size = 0;
  model_file.boot = 5;
  model_file.failed = 0;
  s->chance = seed;
  model_make(&s->m, seed);
  model_disk_init(&s->disk, &s->m);
  db = model_database(&s->disk);
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &s->r), SQLITE_OK);
  avfs_redo_begin(s->r, &db, 0, model_draw(&s->chance));
  return s;
}

/* One of a history with these properties. */
static scene *begin_with(int exclusive, uint32_t unit) {
  for (uint64_t seed = 1;; seed++) {
    model m;
    int fits;
    model_make(&m, seed);
    fits = m.exclusive == exclusive && m.unit == unit;
    model_free(&m);
    if (fits) return begin(seed);
  }
}

static uint64_t append_one(scene *s) {
  avfs_redo_commit c = model_commit(&s->m, s->last + 1, s->last + 1);
  s->last++;
  return avfs_redo_append(s->r, &c);
}

static void append(scene *s, int n) {
  while (n-- > 0) CHECK_EQ(append_one(s), 0);
}

static void freeze(scene *s) { avfs_redo_freeze(s->r, s->last, model_header(&s->m, s->last)); }

static void die(scene *s) {
  avfs_redo_close(s->r, 0);
  s->r = NULL;
  memcpy(s->ring, model_file.bytes, MODEL_RING);
}

static void restore(const scene *s) {
  memcpy(model_file.bytes, s->ring, MODEL_RING);
  model_file.size = MODEL_RING;
}

/* Recovers, and closes the ring again. The state that came out. */
static int recover(scene *s, avfs_redo_report *report_out) {
  const char *why;
  uint64_t seq;
  int state = model_recover(&s->disk, &s->chance, &s->r, &seq, report_out, &why);
  if (state < 0) FAIL("seed %llu: %s", (unsigned long long)s->m.seed, why);
  avfs_redo_close(s->r, 0);
  s->r = NULL;
  return state;
}

static void end(scene *s) {
  avfs_redo_close(s->r, 1);
  model_disk_free(&s->disk);
  model_free(&s->m);
  free(s);
}

/* Six commits, three of them in a batch that is in flight. */
static scene *leave_behind(int exclusive) {
  scene *s = begin_with(exclusive, 512);
  append(s, 3);
  freeze(s);
  append(s, 3);
  die(s);
  return s;
}

static void all_is_replayed_from_before_the_batch_and_from_after_it(void) {
  for (int exclusive = 0; exclusive < 2; exclusive++) {
    scene *s = leave_behind(exclusive);
    avfs_redo_report report;
    CHECK_EQ(recover(s, &report), 6);
    CHECK_EQ(report.verdict, AVFS_REDO_PENDING);
    CHECK_EQ(report.commits, 6);
    CHECK_EQ(report.replayed, 6);
    restore(s);
    model_disk_set(&s->disk, 3);
    CHECK_EQ(recover(s, &report), 6);
    CHECK_EQ(report.replayed, 3);
    end(s);
  }
}

static void what_was_durable_is_not_replayed(void) {
  scene *s = begin_with(0, 512);
  avfs_redo_report report;
  append(s, 3);
  freeze(s);
  model_disk_set(&s->disk, 3);
  avfs_redo_durable(s->r, 3);
  CHECK_EQ(avfs_redo_used(s->r), 0);
  die(s);
  CHECK_EQ(recover(s, &report), 3);
  CHECK_EQ(report.verdict, AVFS_REDO_NOTHING);
  CHECK_EQ(report.commits, 0);
  end(s);
}

/* The recovery's own process dies, and the one after it; the pages of each batch are on the disk, or not. */
static void a_replay_may_be_killed_again_and_again(void) {
  for (int done = 0; done < 8; done++) {
    scene *s = leave_behind(0);
    for (int depth = 0; depth < 3; depth++) {
      avfs_redo_report report;
      const char *why;
      uint64_t seq;
      int state = model_recover(&s->disk, &s->chance, &s->r, &seq, &report, &why);
      if (state != 6 + 2 * depth) FAIL("depth %d: state %d, %s", depth, state, why == NULL ? "" : why);
      for (int i = 1; i <= 2; i++) {
        avfs_redo_commit c = model_commit(&s->m, (uint32_t)(state + i), seq + (uint64_t)i);
        CHECK_EQ(avfs_redo_append(s->r, &c), 0);
      }
      avfs_redo_freeze(s->r, seq + 2, model_header(&s->m, (uint32_t)(state + 2)));
      if (done >> depth & 1) model_disk_set(&s->disk, (uint32_t)(state + 2));
      die(s);
    }
    avfs_redo_report last;
    CHECK_EQ(recover(s, &last), 12);
    end(s);
  }
}

static void check_refused(scene *s, const char *reason) {
  avfs_redo_report report;
  model_file.aside = 0;
  CHECK_EQ(recover(s, &report), (int)s->disk.state);
  CHECK_EQ(report.verdict, AVFS_REDO_REFUSED);
  CHECK_EQ(report.commits, 6);
  CHECK_EQ(model_file.aside, 1);
  if (report.reason == NULL || strstr(report.reason, reason) == NULL) FAIL("the reason is: %s", report.reason == NULL ? "none" : report.reason);
}

static void a_copy_of_the_database_is_refused(void) {
  scene *s = leave_behind(0);
  s->disk.identity.index_low++;
  check_refused(s, "another file");
  end(s);
}

static void a_strangers_write_is_seen(void) {
  scene *s = leave_behind(0);
  memcpy(s->disk.content + 24, "\1\2\3\4", 4);
  avfs_redo_report report;
  avfs_redo_database db = model_database(&s->disk);
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_READ, 0, &s->r), SQLITE_OK);
  CHECK_EQ(avfs_redo_look(s->r, &db, &report), SQLITE_OK);
  CHECK_EQ(report.verdict, AVFS_REDO_REFUSED);
  CHECK_EQ(report.commits, 6);
  end(s);
}

/* It wrote as often as the batch would have: the counter is the batch's, the pages are not. */
static void a_stranger_who_counts_as_we_do_is_seen(void) {
  scene *s = leave_behind(0);
  avfs_redo_report report;
  memcpy(s->disk.content, model_header(&s->m, 3), 100);
  avfs_redo_database db = model_database(&s->disk);
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &s->r), SQLITE_OK);
  CHECK_EQ(avfs_redo_look(s->r, &db, &report), SQLITE_OK);
  CHECK_EQ(report.verdict, AVFS_REDO_PENDING);
  CHECK_EQ(avfs_redo_replay(s->r, &db, 1, 2, NULL, NULL, &report), SQLITE_OK);
  CHECK_EQ(report.verdict, AVFS_REDO_REFUSED);
  CHECK(!avfs_redo_serves(s->r));
  end(s);
}

static bool is_changed(const scene *s, uint32_t pgno) {
  bool changed = false;
  for (uint32_t i = 1; i <= s->last; i++) changed |= avfs_page_table_find(&s->m.states[i].changed, pgno) != NULL;
  return changed;
}

/* A database that was restored in place, to a state with the same first bytes: what differs is in a
 * block that the records write over, or it is seen. */
static void a_page_of_another_content_is_seen(void) {
  scene *s = leave_behind(0);
  int seen = 0;
  for (uint32_t at = 128; at < s->m.states[0].pages * s->m.unit; at += 32) {
    avfs_redo_report report;
    const char *why;
    uint64_t seq;
    if (!is_changed(s, at / s->m.unit + 1)) continue;
    restore(s);
    s->disk.content[at] ^= 1;
    int state = model_recover(&s->disk, &s->chance, &s->r, &seq, &report, &why);
    if (report.verdict == AVFS_REDO_REFUSED) seen++;
    else CHECK_EQ(state, 6);
    s->disk.content[at] ^= 1;
    avfs_redo_close(s->r, 0);
    s->r = NULL;
  }
  CHECK(seen > 0);
  end(s);
}

static void after_a_power_cut_an_exclusive_counter_is_not_trusted(void) {
  scene *s = leave_behind(1);
  model_file.boot++;
  check_refused(s, "started anew");
  end(s);
  s = leave_behind(0);
  avfs_redo_report report;
  model_file.boot++;
  CHECK_EQ(recover(s, &report), 6);
  end(s);
  s = leave_behind(1);
  model_file.boot = 0;   /* not known */
  check_refused(s, "started anew");
  end(s);
}

/* Of an exclusive connection a batch was in flight, of whose commits one is not in the ring, behind others
 * that are: what the disk has of them cannot be told. */
static void commits_that_may_be_on_the_disk_are_not_taken_back(void) {
  for (uint64_t seed = 1;; seed++) {
    scene *s = begin(seed);
    avfs_redo_report report;
    if (s->m.exclusive && s->m.unit == 512 && memcmp(model_header(&s->m, 0), model_header(&s->m, 3), 100) == 0) {
      append(s, 2);
      s->last = 3;
      freeze(s);
      die(s);
      model_disk_set(&s->disk, 3);
      CHECK_EQ(recover(s, &report), 3);
      CHECK_EQ(report.verdict, AVFS_REDO_REFUSED);
      CHECK_EQ(report.commits, 2);
      end(s);
      return;
    }
    end(s);
  }
}

/* ---- a ring that is damaged ---------------------------------------------------------------- */

/* Looks, replays if it may; a state of the history, or this test fails. */
static void recover_any(scene *s, const char *what, uint32_t at) {
  avfs_redo_report report;
  const char *why;
  uint64_t seq;
  int state = model_recover(&s->disk, &s->chance, &s->r, &seq, &report, &why);
  if (state < (int)s->disk.state || state > (int)s->last) FAIL("%s %u: state %d, %s", what, at, state, why == NULL ? "" : why);
  avfs_redo_close(s->r, 0);
  s->r = NULL;
}

static void any_byte_may_be_wrong(void) {
  for (int batch = 0; batch < 2; batch++) {
    scene *s = leave_behind(batch);
    if (batch) model_disk_set(&s->disk, 3);
    uint32_t used = 4096 + 12000;
    for (uint32_t at = 0; at < used; at++) {
      restore(s);
      model_file.bytes[at] ^= (unsigned char)(1 << rng_below(8));
      recover_any(s, "byte", at);
    }
    end(s);
  }
}

static void any_length_may_be_left(void) {
  scene *s = leave_behind(0);
  for (uint32_t length = 0; length < MODEL_RING; length += length < 16384 ? 8 : 512) {
    restore(s);
    model_file.size = length;
    recover_any(s, "length", length);
    restore(s);
    memset(model_file.bytes + length, 0, MODEL_RING - length);   /* of its length, but not written */
    recover_any(s, "zeros from", length);
  }
  end(s);
}

static void any_sector_may_be_of_another_time(void) {
  scene *s = begin_with(0, 512);
  unsigned char old[3][MODEL_RING];
  for (int i = 0; i < 3; i++) {
    append(s, 2);
    if (i == 1) freeze(s);
    memcpy(old[i], model_file.bytes, MODEL_RING);
  }
  die(s);
  for (int i = 0; i < 2000; i++) {
    restore(s);
    for (uint32_t at = 0; at < MODEL_RING; at += 512) memcpy(model_file.bytes + at, old[rng_below(3)] + at, 512);
    recover_any(s, "round", (uint32_t)i);
  }
  end(s);
}

static void garbage_is_refused_and_kept(void) {
  scene *s = leave_behind(0);
  for (int i = 0; i < 300; i++) {
    avfs_redo_report report;
    restore(s);
    uint32_t from = i % 3 == 0 ? 0 : i % 3 == 1 ? 16 : 4096;
    for (uint32_t at = from; at < MODEL_RING; at++) model_file.bytes[at] = (unsigned char)rng_below(256);
    model_file.aside = 0;
    CHECK_EQ(recover(s, &report), 0);
    CHECK_EQ(report.verdict, from < 4096 ? AVFS_REDO_REFUSED : AVFS_REDO_NOTHING);
    CHECK_EQ(model_file.aside, from < 4096);
  }
  end(s);
}

static void an_empty_file_is_a_new_ring(void) {
  scene *s = leave_behind(0);
  avfs_redo_report report;
  memset(model_file.bytes, 0, MODEL_RING);
  CHECK_EQ(recover(s, &report), 0);
  CHECK_EQ(report.verdict, AVFS_REDO_NOTHING);
  model_file.size = 0;
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_READ, 0, &s->r), SQLITE_CANTOPEN);
  model_file.size = AVFS_REDO_LEAST_BYTES - 1;
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_READ, 0, &s->r), SQLITE_EMPTY);
  end(s);
}

/* What an earlier process left behind its last whole record is not taken for what follows ours, though
 * number and place fit. */
static void an_older_process_s_record_does_not_follow_ours(void) {
  scene *s = begin_with(0, 512);
  avfs_redo_report report;
  const char *why;
  uint64_t seq;
  append(s, 1);
  uint64_t second = avfs_redo_used(s->r);
  append(s, 3);
  die(s);
  model_file.bytes[4096 + second + 100] ^= 1;
  CHECK_EQ(model_recover(&s->disk, &s->chance, &s->r, &seq, &report, &why), 1);
  avfs_redo_commit c = model_commit(&s->m, 2, seq + 1);   /* the same, byte for byte */
  CHECK_EQ(avfs_redo_append(s->r, &c), 0);
  avfs_redo_close(s->r, 0);
  s->r = NULL;
  CHECK_EQ(recover(s, &report), 2);
  end(s);
}

/* ---- errors ------------------------------------------------------------------------------------ */

static int takes_left;
static int take_some(void *arg, uint32_t pgno, const unsigned char *page) {
  (void)arg;
  (void)pgno;
  (void)page;
  return takes_left-- == 0 ? SQLITE_NOMEM : SQLITE_OK;
}

static void a_replay_that_fails_leaves_the_ring_as_it_was(void) {
  scene *s = leave_behind(0);
  avfs_redo_database db = model_database(&s->disk);
  avfs_redo_report report;
  int rc, n = 0;
  model_disk_set(&s->disk, 3);
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &s->r), SQLITE_OK);
  do {
    takes_left = -1;
    s->disk.reads = 0;
    s->disk.fail_read = (uint32_t)++n;
    rc = avfs_redo_replay(s->r, &db, 1, 2, take_some, NULL, &report);
    if (rc != SQLITE_OK) CHECK(!avfs_redo_serves(s->r) && memcmp(model_file.bytes, s->ring, MODEL_RING) == 0);
  } while (rc == SQLITE_IOERR_READ && n < 1000);
  CHECK_EQ(rc, SQLITE_OK);
  CHECK(n > 3);
  CHECK_EQ(avfs_redo_close(s->r, 0), SQLITE_OK);
  restore(s);
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &s->r), SQLITE_OK);
  for (n = 0, rc = SQLITE_NOMEM; rc != SQLITE_OK && n < 100; n++) {
    takes_left = n;
    rc = avfs_redo_replay(s->r, &db, 1, 2, take_some, NULL, &report);
    if (rc != SQLITE_OK) CHECK(!avfs_redo_serves(s->r) && memcmp(model_file.bytes, s->ring, MODEL_RING) == 0);
  }
  CHECK_EQ(rc, SQLITE_OK);
  CHECK(avfs_redo_serves(s->r));
  end(s);
}

/* In the middle of a record. */
static const unsigned char *fail_meanwhile(void *arg, uint32_t pgno) {
  scene *s = arg;
  s->r->file->failed = 1;
  return model_header(&s->m, s->last) + (size_t)(pgno - 1) * s->m.unit;
}

static void a_commit_in_whose_record_memory_fails_is_not_there(void) {
  scene *s = begin_with(0, 512);
  append(s, 2);
  uint64_t used = avfs_redo_used(s->r);
  avfs_redo_commit c = model_commit(&s->m, 3, 3);
  c.before = fail_meanwhile;
  c.arg = s;
  CHECK_EQ(avfs_redo_append(s->r, &c), 3);
  CHECK_EQ(avfs_redo_used(s->r), used);
  end(s);
}

static void a_ring_whose_memory_fails_takes_nothing(void) {
  scene *s;
  avfs_redo_database db;
  s = begin_with(0, 512);
  avfs_redo_close(s->r, 1);
  model_file.failed = 1;
  db = model_database(&s->disk);
  CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &s->r), SQLITE_OK);
  avfs_redo_begin(s->r, &db, 0, 1);
  CHECK(avfs_redo_failed(s->r));
  CHECK_EQ(append_one(s), 1);
  CHECK_EQ(avfs_redo_used(s->r), 0);
  model_file.failed = 0;
  end(s);
}

/* ---- room ------------------------------------------------------------------------------------------ */

static void a_full_ring_says_so_and_goes_on_after_the_next_batch(void) {
  scene *s = begin_with(0, 8192);
  avfs_redo_report report;
  uint64_t answer = 0;
  CHECK(avfs_redo_fits(s->r, 1, 8192));
  CHECK(!avfs_redo_fits(s->r, 8, 8192));
  while (answer == 0) answer = append_one(s);
  uint32_t full = s->last;
  CHECK_EQ(answer, full);
  CHECK(avfs_redo_is_pressing(s->r));
  CHECK_EQ(append_one(s), full + 1);   /* behind one that is not there */
  freeze(s);
  uint32_t batch = s->last, base = batch;
  answer = append_one(s);
  CHECK(answer == batch || answer == batch + 1);   /* it counts with the batch, or there was no room */
  model_disk_set(&s->disk, batch);
  avfs_redo_durable(s->r, batch);
  if (answer == batch + 1) {
    CHECK_EQ(append_one(s), batch + 2);   /* the one before is not there */
    freeze(s);
    CHECK_EQ(append_one(s), batch + 2);
    base = batch + 2;
    model_disk_set(&s->disk, base);
    avfs_redo_durable(s->r, base);
  }
  CHECK_EQ(append_one(s), 0);
  die(s);
  CHECK_EQ(recover(s, &report), (int)s->last);
  CHECK_EQ(report.replayed, s->last - base);
  end(s);
}

/* Wherever the ring begins: what is not durable is not written over. */
static void a_full_ring_keeps_what_it_has(void) {
  for (int durable = 1; durable < 8; durable++) {
    scene *s = begin_with(0, durable % 2 ? 4096 : 8192);
    avfs_redo_report report;
    append(s, durable > 3 ? 3 : durable);
    freeze(s);
    model_disk_set(&s->disk, s->last);
    avfs_redo_durable(s->r, s->last);
    uint64_t answer = 0;
    while (answer == 0 && s->last + 1 < MODEL_STATES) answer = append_one(s);
    CHECK(answer != 0);
    CHECK(avfs_redo_used(s->r) <= avfs_redo_room(s->r));
    die(s);
    CHECK_EQ(recover(s, &report), (int)s->last - 1);
    end(s);
  }
}

static void records_go_round(void) {
  scene *s = begin_with(0, 1024);
  avfs_redo_report report;
  uint64_t written = 0;
  for (int i = 0; written < 3 * (uint64_t)MODEL_RING && i < 1000; i++) {
    if (s->last + 3 >= MODEL_STATES) {   /* the same again */
      avfs_redo_close(s->r, 0);
      avfs_redo_database db;
      s->last = 0;
      memset(s->disk.content, 0, (size_t)MODEL_PAGES * s->m.unit);
      model_disk_set(&s->disk, 0);
      db = model_database(&s->disk);
      CHECK_EQ(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &s->r), SQLITE_OK);
      avfs_redo_begin(s->r, &db, 0, model_draw(&s->chance));
    }
    uint64_t before = avfs_redo_used(s->r);
    append(s, 1);
    written += avfs_redo_used(s->r) - before;
    if (i % 3 == 0) {
      freeze(s);
      model_disk_set(&s->disk, s->last);
      avfs_redo_durable(s->r, s->last);
    }
  }
  uint32_t last = s->last;
  die(s);
  CHECK_EQ(recover(s, &report), last);
  end(s);
}

/* ---- records ------------------------------------------------------------------------------------------ */

static const unsigned char *page_before(void *arg, uint32_t pgno) { return pgno == 1 ? arg : NULL; }

/* Of each page size, with each number of blocks. */
static void a_record_is_what_it_was_made_of(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    uint32_t room = 3 * unit + 1000;
    unsigned char *old = calloc(2, unit), *now = calloc(2, unit), *to = malloc(room);
    unsigned char header[100] = {0};
    avfs_page_table t;
    avfs_page_pool pool = {NULL, NULL, 0, unit};
    avfs_page *pages[2];
    CHECK_EQ(avfs_page_table_init(&t), SQLITE_OK);
    t.size = 2 * (uint64_t)unit;
    for (uint32_t i = 0; i < 2; i++) {
      pages[i] = avfs_page_pool_get(&pool);
      pages[i]->pgno = i + 1;
      avfs_page_table_add(&t, pages[i]);
    }
    for (int round = 0; round < 40; round++) {
      for (uint32_t i = 0; i < 2 * unit; i++) old[i] = (unsigned char)rng_below(256);
      memset(now, 0, 2 * (size_t)unit);
      memcpy(now, old, unit);
      uint64_t changes = rng_below(round < 2 ? 1 : unit / 16);
      for (uint64_t i = 0; i < changes; i++) now[rng_below(2 * unit)] = (unsigned char)rng_below(256);
      for (int i = 0; i < 2; i++) memcpy(pages[i]->data, now + (size_t)i * unit, unit);
      avfs_redo_commit c = {7, &t, t.size, unit, header, page_before, old};
      avfs_redo_place place = {rng_next(), 7, 9, 0};
      avfs_redo_record rec;
      uint64_t n = avfs_redo_record_write(to, room, &place, &c);
      if (!CHECK(n > 0 && n <= avfs_redo_record_most(2, unit))) break;
      CHECK_EQ(avfs_redo_record_write(to, n - 1, &place, &c), 0);
      CHECK_EQ(avfs_redo_record_write(to, n, &place, &c), n);
      CHECK(!avfs_redo_record_read(to, n - 1, place.chain, &rec));
      CHECK(!avfs_redo_record_read(to, n, place.chain + 1, &rec));
      if (!CHECK(avfs_redo_record_read(to, n, place.chain, &rec))) break;
      CHECK_EQ(rec.pages, 2);
      const unsigned char *at = NULL;
      for (int i = 0; i < 2; i++) {
        avfs_redo_page p;
        at = avfs_redo_record_page(&rec, at, &p);
        CHECK_EQ(p.whole, p.pgno == 2);
        unsigned char *page = old + (size_t)(p.pgno - 1) * unit;
        avfs_redo_page_apply(&p, page, unit);
        CHECK_EQ(memcmp(page, now + (size_t)(p.pgno - 1) * unit, unit), 0);
        CHECK_EQ(p.hash, avfs_redo_page_hash(page, unit));
      }
    }
    avfs_page_table_free(&t, &pool);
    avfs_page_pool_trim(&pool, 0);
    free(old);
    free(now);
    free(to);
  }
}

void suite_redo(void) {
  CU_pSuite suite = CU_add_suite("redo", NULL, NULL);
  ADD_TEST(suite, any_life_keeps_what_it_promised);
  ADD_TEST(suite, all_is_replayed_from_before_the_batch_and_from_after_it);
  ADD_TEST(suite, what_was_durable_is_not_replayed);
  ADD_TEST(suite, a_replay_may_be_killed_again_and_again);
  ADD_TEST(suite, a_copy_of_the_database_is_refused);
  ADD_TEST(suite, a_strangers_write_is_seen);
  ADD_TEST(suite, a_stranger_who_counts_as_we_do_is_seen);
  ADD_TEST(suite, a_page_of_another_content_is_seen);
  ADD_TEST(suite, after_a_power_cut_an_exclusive_counter_is_not_trusted);
  ADD_TEST(suite, commits_that_may_be_on_the_disk_are_not_taken_back);
  ADD_TEST(suite, any_byte_may_be_wrong);
  ADD_TEST(suite, any_length_may_be_left);
  ADD_TEST(suite, any_sector_may_be_of_another_time);
  ADD_TEST(suite, garbage_is_refused_and_kept);
  ADD_TEST(suite, an_empty_file_is_a_new_ring);
  ADD_TEST(suite, an_older_process_s_record_does_not_follow_ours);
  ADD_TEST(suite, a_replay_that_fails_leaves_the_ring_as_it_was);
  ADD_TEST(suite, a_commit_in_whose_record_memory_fails_is_not_there);
  ADD_TEST(suite, a_ring_whose_memory_fails_takes_nothing);
  ADD_TEST(suite, a_full_ring_says_so_and_goes_on_after_the_next_batch);
  ADD_TEST(suite, a_full_ring_keeps_what_it_has);
  ADD_TEST(suite, records_go_round);
  ADD_TEST(suite, a_record_is_what_it_was_made_of);
}
