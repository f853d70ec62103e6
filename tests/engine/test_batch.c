/* test_batch.c: the batch, judged at every call that it makes of the seam.
 *
 *   states of a real database:   s0 --batch--> s1 --batch--> s2 --batch--> s3
 *   over fake_io, where each call is watched:
 *     a page is written           its pre-image stands in the durable journal, under a
 *                                 durable header whose records are all there
 *     a header is written         the records it counts are durable
 *     the void header is written  the pages are durable
 *     the batch says it is over   the void header is durable, at most 4 flushes
 *   the same with the n-th call failing, once or several times in a row, for each n;
 *   and at each call the power is cut: what the medium then may hold is written to real
 *   files, and stock SQLite recovers the state before, or after, and nothing else.
 *
 * The judge knows the journal's format by itself (fileformat2.html 3), and what is
 * durable from fake_io. It asks the batch for nothing.
 */
#include "../harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "engine/fake_io.h"
#include "vfs/sql_tools.h"
#include "seam/heap.h"

enum {
  SECTOR = 4096, HEADER_FIELDS = 28,
  MOST_STATES = 6,
  FLUSHES_A_BATCH = 4
};

static const char db_path[] = "x.db", journal_path[] = "x.db-journal";

/* ---- states of a database ------------------------------------------------------ */

typedef struct states {
  fake_bytes state[MOST_STATES];
  int count;
} states;

static void states_add(states *s, const char *path) {
  fake_bytes *b = &s->state[s->count++];
  int64_t n = sql_file_size(path);
  memset(b, 0, sizeof *b);
  fake_bytes_resize(b, n > 0 ? (size_t)n : 0);
  if (n > 0) CHECK_EQ(sql_file_read(path, 0, b->p, (size_t)n), n);
}

/* From an empty file on: made, changed, shrunk, grown. */
static states states_make(uint32_t page_bytes) {
  const char *path = scratch_path("states.db");
  states s = {.count = 0};
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  int rows = page_bytes <= 1024 ? 60 : 200;
  long long seed = (long long)rng_below(1u << 30);
  states_add(&s, path);
  sql_mustf(db, "PRAGMA page_size=%u; PRAGMA auto_vacuum=FULL; PRAGMA journal_mode=MEMORY;"
            "PRAGMA synchronous=OFF; BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB);"
            "CREATE INDEX i ON t(b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n"
            " WHERE i<%d) INSERT INTO t SELECT i, noise(%lld+i, 150) FROM n; COMMIT;",
            page_bytes, rows, seed);
  states_add(&s, path);
  sql_mustf(db, "UPDATE t SET b=noise(%lld-a, 150) WHERE a%%7=%d", seed, (int)rng_below(7));
  states_add(&s, path);
  sql_mustf(db, "DELETE FROM t WHERE a>%d OR a%%3=0", rows / 2);
  states_add(&s, path);
  sql_mustf(db, "INSERT INTO t SELECT a+1000, noise(%lld+a*2, 300) FROM t", seed);
  states_add(&s, path);
  sql_close(db);
  return s;
}

static void states_free(states *s) {
  for (int i = 0; i < s->count; i++) fake_bytes_free(&s->state[i]);
}

static bool page_equal(const fake_bytes *a, const fake_bytes *b, uint32_t pgno, uint32_t unit) {
  uint64_t at = (uint64_t)(pgno - 1) * unit;
  for (uint32_t i = 0; i < unit; i++) {
    unsigned char x = at + i < a->n ? a->p[at + i] : 0, y = at + i < b->n ? b->p[at + i] : 0;
    if (x != y) return false;
  }
  return true;
}

/* ---- the judge's own reading of a journal ------------------------------------------ */

static uint32_t get4(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_header(const unsigned char *p) {
  static const unsigned char magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
  return memcmp(p, magic, 8) == 0;
}

static uint32_t checksum(const unsigned char *page, uint32_t unit, uint32_t nonce) {
  for (int i = (int)unit - 200; i > 0; i -= 200) nonce += page[i];
  return nonce;
}

/* What a rollback from this journal would restore. */
typedef struct reading {
  bool valid, whole;          /* it has a header; all counted records are right */
  uint32_t pages;             /* n0 */
  uint64_t end;               /* of the last record */
  uint32_t records;
  const unsigned char *record[4096];
} reading;

static void read_journal(const fake_bytes *j, uint32_t unit, reading *r) {
  uint64_t at = 0;
  memset(r, 0, offsetof(reading, record));
  r->whole = true;
  while (at + SECTOR <= j->n && is_header(j->p + at)) {
    uint32_t n = get4(j->p + at + 8), nonce = get4(j->p + at + 12);
    if (!r->valid) r->pages = get4(j->p + at + 16);
    r->whole = r->whole && get4(j->p + at + 20) == SECTOR && get4(j->p + at + 24) == unit;
    r->valid = true;
    at += SECTOR;
    for (; n > 0; n--, at += unit + 8) {
      if (at + unit + 8 > j->n || r->records == sizeof r->record / sizeof *r->record ||
          get4(j->p + at + 4 + unit) != checksum(j->p + at + 4, unit, nonce)) {
        r->whole = false;
        return;
      }
      r->record[r->records++] = j->p + at;
    }
    r->end = at;
    at = (at + SECTOR - 1) / SECTOR * SECTOR;
  }
}

/* ---- the judge ------------------------------------------------------------------------ */

static struct judge {
  uint32_t unit;
  fake_bytes before, after;   /* of the batch; after counts when `last` */
  bool last;                  /* this run ends it */
  bool super;                 /* its journal names a super-journal */
  bool undoing;
  avfs_file *db, *journal;
  uint64_t headers, voids;    /* written */
  bool voiding;               /* a void header has been handed to the seam */
  int wrong;                  /* told so far, lest one mistake fill the log */
  void (*power_cut)(void);    /* at every call; or NULL */
  uint32_t nonce, nonce_before;   /* of the newest header; of the batch before */
} judge;

#if defined(__GNUC__)
__attribute__((format(gnu_printf, 3, 4)))
#endif
static bool judged(bool held, int line, const char *format, ...) {
  char message[200];
  va_list args;
  if (held || judge.wrong++ > 3) return held;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return harness_fail(__FILE__, line, "%s", message);
}

#define JUDGE(condition, ...) judged((condition), __LINE__, __VA_ARGS__)

static void judge_page_write(const fake_call *c) {
  static reading r;
  uint32_t unit = judge.unit, n0 = (uint32_t)((judge.before.n + unit - 1) / unit);
  uint32_t first = (uint32_t)(c->offset / unit) + 1;
  uint32_t last = (uint32_t)((c->offset + c->bytes - 1) / unit) + 1;
  read_journal(&judge.journal->durable, unit, &r);
  if (!JUDGE(r.valid, "page %u is written before a header is durable", first)) return;
  JUDGE(r.whole, "page %u is written under a header whose records are not durable", first);
  JUDGE(r.pages == n0, "the header says %u pages, the file had %u", r.pages, n0);
  for (uint32_t pgno = first; pgno <= last; pgno++) {
    bool found = false;
    for (uint32_t i = 0; i < r.records; i++) {
      fake_bytes record = {(unsigned char *)r.record[i] + 4, unit};
      fake_bytes old = {NULL, 0};
      if (get4(r.record[i]) != pgno) continue;
      fake_bytes_resize(&old, unit);
      uint64_t at = (uint64_t)(pgno - 1) * unit, have = at < judge.before.n ? judge.before.n - at : 0;
      if (have > unit) have = unit;
      if (have > 0) memcpy(old.p, judge.before.p + at, (size_t)have);
      JUDGE(page_equal(&record, &old, 1, unit), "the record of page %u is not its pre-image", pgno);
      JUDGE(!found, "page %u has two records", pgno);
      found = true;
      fake_bytes_free(&old);
    }
    if (pgno <= n0) JUDGE(found, "page %u is written without its pre-image", pgno);
  }
}

static bool has_pending(const avfs_file *f) {
  return f->pending != NULL || fake_io_in_flight(f);
}

/* Every page that the batch is to bring is on the medium. */
static bool is_durable(const fake_bytes *state) {
  if (judge.db->durable.n < state->n) return false;
  return state->n == 0 || memcmp(judge.db->durable.p, state->p, state->n) == 0;
}

/* What of the journal is written and not durable, other than the header at `at`. */
static bool has_pending_beside(const avfs_file *f, uint64_t at) {
  for (const fake_change *c = f->pending; c != NULL; c = c->next) {
    if (c->resize || c->offset != at) return true;
  }
  return fake_io_in_flight(f);
}

/* The moment of the commit, or of the undoing's end. */
static void judge_void(void) {
  judge.voids++;
  judge.voiding = true;
  JUDGE(judge.last || judge.undoing, "the journal is made void in mid-transaction");
  JUDGE(!has_pending(judge.db), "the journal is made void before the pages are flushed");
  JUDGE(is_durable(judge.undoing ? &judge.before : &judge.after),
        "the journal is made void before the pages are durable");
}

static void judge_journal_write(const fake_call *c) {
  static reading r;
  static const unsigned char zeros[HEADER_FIELDS];
  if (c->bytes >= HEADER_FIELDS && is_header(c->data)) {
    judge.headers++;
    judge.nonce = get4(c->data + 12);
    JUDGE(judge.nonce != judge.nonce_before, "the nonce is that of the batch before");
    JUDGE(!has_pending_beside(judge.journal, c->offset),
          "a header is written before its content is durable");
    JUDGE(!judge.undoing, "a header is written while undoing");
  } else if (c->offset == 0 && memcmp(c->data, zeros, HEADER_FIELDS) == 0) {
    judge_void();
  } else {
    read_journal(&judge.journal->durable, judge.unit, &r);
    JUDGE(!r.valid || c->offset >= r.end, "a record of a valid journal is overwritten");
    JUDGE(c->offset >= SECTOR, "content where the header belongs");
  }
}

static void judge_resize(const fake_call *c) {
  static reading r;
  read_journal(&judge.journal->durable, judge.unit, &r);
  if (c->file == judge.journal && judge.super && (judge.last || judge.undoing) &&
      c->offset == 0) {
    judge_void();   /* by a cut, which comes after the super-journal's deletion */
  } else if (c->file == judge.journal) {
    JUDGE(!r.valid || c->offset >= r.end, "a valid journal is cut");
  } else if (c->offset < judge.before.n && !judge.undoing) {
    JUDGE(!r.valid && !has_pending(judge.journal), "the file is cut before the journal is void");
  }
}

static void watch(const fake_call *c) {
  if (judge.power_cut != NULL) judge.power_cut();
  if (c->kind == FAKE_WRITE && c->file == judge.db) judge_page_write(c);
  if (c->kind == FAKE_WRITE && c->file == judge.journal) judge_journal_write(c);
  if (c->kind == FAKE_RESIZE) judge_resize(c);
}

/* ---- a batch over the fake --------------------------------------------------------------- */

typedef struct rig {
  avfs_batch b;
  bool resumed;
  uint32_t unit;
} rig;

static void resume(avfs_batch *b) { ((rig *)b->owner)->resumed = true; }

static rig *rig_open(uint32_t unit, const fake_bytes *content) {
  rig *r = avfs_alloc_zero(sizeof *r);
  if (r == NULL) abort();
  fake_io_reset();
  fake_bytes_free(&judge.before);
  fake_bytes_free(&judge.after);
  memset(&judge, 0, sizeof judge);
  fake_io_put(db_path, content->p, content->n);
  r->unit = judge.unit = unit;
  judge.db = fake_io_file(db_path);
  judge.journal = fake_io_file(journal_path);
  CHECK_EQ(fake_io.open(db_path, AVFS_OPEN_EXISTING, &r->b.db), SQLITE_OK);
  r->b.io = r->b.pump.io = &fake_io;
  r->b.journal_path = journal_path;
  r->b.resume = resume;
  r->b.owner = r;
  avfs_batch_forget_cut(&r->b);
  fake.calls = 0;
  fake.watch = watch;
  return r;
}

static void rig_close(rig *r) {
  fake.watch = NULL;
  fake.fail_count = 0;
  while (fake_io_complete()) {}
  avfs_batch_abandon(&r->b);
  avfs_batch_trim(&r->b);
  fake_io.close(r->b.db);
  avfs_free(r);
}

/* The pages that make `to` of `from`: those that differ, and some that do not. Of
 * several parts one is taken: pages whose number leaves `part` by `parts`. */
static void pages_between(avfs_page_table *t, const fake_bytes *from, const fake_bytes *to,
                          uint32_t unit, uint32_t part, uint32_t parts) {
  avfs_page_pool none = {NULL, NULL, 0, unit};
  if (avfs_page_table_init(t) != SQLITE_OK) abort();
  t->size = to->n;
  for (uint32_t pgno = 1; (uint64_t)(pgno - 1) * unit < to->n; pgno++) {
    uint64_t at = (uint64_t)(pgno - 1) * unit, n = to->n - at < unit ? to->n - at : unit;
    if (pgno % parts != part) continue;
    if (at + n <= from->n && page_equal(from, to, pgno, unit) && rng_below(8) != 0) continue;
    avfs_page *p = avfs_page_pool_get(&none);
    if (p == NULL) abort();
    p->pgno = pgno;
    memset(p->data, 0, unit);
    memcpy(p->data, to->p + at, (size_t)n);
    avfs_page_table_add(t, p);
  }
}

static void pages_free(avfs_page_table *t, uint32_t unit) {
  avfs_page_pool pool = {NULL, NULL, 0, unit};
  avfs_page_table_free(t, &pool);
  avfs_page_pool_trim(&pool, 0);
}

/* Runs until it is over; completes what is in flight in any order. */
static int run_once(rig *r) {
  while (!avfs_batch_run(&r->b)) {
    while (!r->resumed) {
      if (!CHECK(fake_io_complete())) abort();   /* it waits, and nothing is in flight */
    }
    r->resumed = false;
  }
  r->resumed = false;
  return r->b.rc;
}

/* Starts it, and again after each failure. Returns how often it failed. */
static int run_to_the_end(rig *r, const avfs_batch_input *input) {
  int failures = 0;
  avfs_batch_start(&r->b, input, r->unit);
  while (run_once(r) != SQLITE_OK) {
    if (!CHECK(++failures < 100)) abort();
    JUDGE(r->b.os_error != 0, "a failure without the system's error number");
    avfs_batch_start(&r->b, NULL, r->unit);
  }
  return failures;
}

/* The run says: durable. */
static void judge_end(void) {
  static reading r;
  read_journal(&judge.journal->durable, judge.unit, &r);
  JUDGE(!r.valid && !has_pending(judge.journal), "durable is told before the journal is durably void");
  JUDGE(is_durable(&judge.after), "durable is told of pages that are not");
  JUDGE(judge.db->written.n == judge.after.n, "the file has %llu bytes, expected %llu",
        (unsigned long long)judge.db->written.n, (unsigned long long)judge.after.n);
  JUDGE(judge.headers > 0 && judge.voids > 0, "no header, or no void one, was written");
}

static void begin_judging(const fake_bytes *before, const fake_bytes *after) {
  fake_bytes_set(&judge.before, before->p, before->n);
  fake_bytes_set(&judge.after, after->p, after->n);
  judge.headers = judge.voids = 0;
  judge.voiding = judge.super = false;
  judge.nonce_before = judge.nonce;
}

/* One batch from one state to the next, in `segments` runs. */
static int write_batch(rig *r, const fake_bytes *before, const fake_bytes *after, uint32_t segments) {
  int failures = 0;
  begin_judging(before, after);
  for (uint32_t i = 0; i < segments; i++) {
    avfs_page_table t;
    pages_between(&t, before, after, r->unit, i, segments);
    avfs_batch_input input = {.pages = &t, .file_bytes = after->n, .more = i + 1 < segments};
    judge.last = !input.more;
    failures += run_to_the_end(r, &input);
    CHECK_EQ(avfs_batch_is_open(&r->b) != 0, input.more);
    pages_free(&t, r->unit);
  }
  judge_end();
  return failures;
}

/* ---- the order of things ------------------------------------------------------------------ */

static const uint32_t units[] = {512, 1024, 4096};

static void each_call_is_in_its_order(void) {
  for (int round = 0; round < 9; round++) {
    states s = states_make(units[round % 3]);
    uint32_t unit = units[(round / 3 + round) % 3];   /* not always the database's own */
    rig *r = rig_open(unit, &s.state[0]);
    for (int i = 1; i < s.count; i++) {
      uint64_t flushes = fake.flushes;
      CHECK_EQ(write_batch(r, &s.state[i - 1], &s.state[i], 1), 0);
      CHECK(fake.flushes - flushes <= FLUSHES_A_BATCH);
      CHECK_EQ(r->b.counters.batches, i);
      CHECK_EQ(r->b.counters.flushes, fake.flushes);
      CHECK_EQ(judge.headers, 1);
    }
    rig_close(r);
    states_free(&s);
  }
}

/* Also when a page stands in several segments: the first record has the pre-image. */
static void segments_are_in_their_order_too(void) {
  for (int round = 0; round < 6; round++) {
    states s = states_make(units[round % 3]);
    uint32_t unit = units[round % 3];
    rig *r = rig_open(unit, &s.state[0]);
    for (int i = 1; i < s.count; i++) {
      CHECK_EQ(write_batch(r, &s.state[i - 1], &s.state[i], 2 + (uint32_t)rng_below(4)), 0);
    }
    rig_close(r);
    states_free(&s);
  }
}

/* s1 -> s2 -> s4 as two segments of one transaction: many pages twice. */
static int write_over(rig *r, const fake_bytes *before, const fake_bytes *between,
                      const fake_bytes *after, bool end) {
  avfs_page_table one, two;
  int failures;
  begin_judging(before, after);
  pages_between(&one, before, between, r->unit, 0, 1);
  pages_between(&two, between, after, r->unit, 0, 1);
  avfs_batch_input first = {.pages = &one, .file_bytes = between->n, .more = 1};
  avfs_batch_input second = {.pages = &two, .file_bytes = after->n, .more = !end};
  failures = run_to_the_end(r, &first);
  judge.last = end;
  failures += run_to_the_end(r, &second);
  pages_free(&one, r->unit);
  pages_free(&two, r->unit);
  if (end) judge_end();
  return failures;
}

static void a_page_of_two_segments_has_one_record(void) {
  states s = states_make(1024);
  rig *r = rig_open(1024, &s.state[1]);
  CHECK_EQ(write_over(r, &s.state[1], &s.state[2], &s.state[4], true), 0);
  CHECK_EQ(write_over(r, &s.state[4], &s.state[3], &s.state[2], true), 0);
  rig_close(r);
  states_free(&s);
}

enum { FOUND_BYTES = 9000 };

/* Beside the database there is a journal already. */
static rig *rig_open_with_journal(uint32_t unit, const fake_bytes *state) {
  unsigned char junk[FOUND_BYTES];
  rig *r = rig_open(unit, state);
  sql_noise(5, junk, sizeof junk);
  fake_io_put(journal_path, junk, sizeof junk);
  return r;
}

static void a_journal_that_was_found_is_cut_and_flushed_first(void) {
  states s = states_make(1024);
  rig *r = rig_open_with_journal(1024, &s.state[1]);
  CHECK_EQ(avfs_batch_open_journal(&r->b), SQLITE_OK);
  CHECK_EQ(judge.journal->durable.n, 0);
  CHECK(judge.journal->pending == NULL);
  CHECK_EQ(write_batch(r, &s.state[1], &s.state[2], 1), 0);
  CHECK_EQ(avfs_batch_remove_journal(&r->b), SQLITE_OK);
  CHECK(!judge.journal->exists);
  CHECK_EQ(write_batch(r, &s.state[2], &s.state[3], 1), 0);   /* it makes a new one */
  rig_close(r);
  states_free(&s);
}

/* What a process that was killed had cut need not be cut on the medium: it has no bytes, and is
 * flushed all the same. */
static void a_journal_of_no_bytes_that_was_found_is_flushed_first(void) {
  states s = states_make(1024);
  rig *r = rig_open_with_journal(1024, &s.state[1]);
  avfs_file *f = NULL;
  CHECK_EQ(r->b.io->open(journal_path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  CHECK_EQ(r->b.io->resize(f, 0), SQLITE_OK);
  r->b.io->close(f);
  CHECK_EQ(judge.journal->durable.n, FOUND_BYTES);
  CHECK_EQ(avfs_batch_open_journal(&r->b), SQLITE_OK);
  CHECK_EQ(judge.journal->durable.n, 0);
  CHECK(judge.journal->pending == NULL);
  rig_close(r);
  states_free(&s);
}

/* A cut whose flush failed is flushed when the journal is opened again, though it has no
 * bytes then. */
static void a_cut_that_was_not_flushed_is_flushed_later(void) {
  states s = states_make(1024);
  rig *r = rig_open_with_journal(1024, &s.state[1]);
  fake.fail_from = 5;   /* open, size, resize, size, flush */
  fake.fail_count = 1;
  CHECK_EQ(avfs_batch_open_journal(&r->b), SQLITE_IOERR_FSYNC);
  CHECK_EQ(judge.journal->durable.n, FOUND_BYTES);
  fake.fail_count = 0;
  CHECK_EQ(avfs_batch_open_journal(&r->b), SQLITE_OK);
  CHECK_EQ(judge.journal->durable.n, 0);
  CHECK(judge.journal->pending == NULL);
  CHECK_EQ(write_batch(r, &s.state[1], &s.state[2], 1), 0);
  rig_close(r);
  states_free(&s);
}

/* Where another program has a view of the journal mapped, it keeps its length and resize()
 * says OK. What stands behind the new end could be taken for a segment. */
static void a_journal_that_stays_long_is_not_used(void) {
  states s = states_make(1024);
  rig *r = rig_open_with_journal(1024, &s.state[1]);
  fake.mapped = true;
  CHECK_EQ(avfs_batch_open_journal(&r->b), SQLITE_IOERR_TRUNCATE);
  fake.mapped = false;
  CHECK_EQ(write_batch(r, &s.state[1], &s.state[2], 1), 0);
  /* The next one is shorter. */
  avfs_page_table t;
  avfs_page_table_init(&t);
  t.size = s.state[2].n;
  avfs_batch_input input = {.pages = &t, .file_bytes = s.state[2].n};
  fake.mapped = true;
  avfs_batch_start(&r->b, &input, 1024);
  CHECK_EQ(run_once(r), SQLITE_IOERR_TRUNCATE);
  avfs_batch_start(&r->b, NULL, 1024);
  CHECK_EQ(run_once(r), SQLITE_IOERR_TRUNCATE);   /* nor the second time */
  fake.mapped = false;
  avfs_batch_start(&r->b, NULL, 1024);
  CHECK_EQ(run_once(r), SQLITE_OK);
  CHECK(!avfs_batch_is_open(&r->b));
  pages_free(&t, 1024);
  rig_close(r);
  states_free(&s);
}

/* The same with the database: its pages behind the new end stay on the disk, and the owner hears
 * of it, until it can be cut. */
static void a_database_that_stays_long_is_known_to(void) {
  states s = states_make(1024);
  for (int undone = 0; undone < 2; undone++) {
    rig *r = rig_open(1024, &s.state[1]);
    uint64_t is_long = s.state[1].n, is_short = is_long - 1024;
    avfs_page_table t;
    avfs_page_table_init(&t);
    avfs_batch_input input = {.pages = &t, .file_bytes = undone ? is_long + 2048 : is_short, .more = undone};
    fake.watch = NULL;
    if (undone) {   /* it grows before it is taken back */
      CHECK_EQ(run_to_the_end(r, &input), 0);
      is_short = is_long;
      is_long += 2048;
    }
    fake.mapped = true;
    fake.complete_at_once = true;
    CHECK_EQ(undone ? avfs_batch_undo(&r->b) : run_to_the_end(r, &input), 0);
    CHECK_EQ(judge.db->written.n, is_long);
    CHECK_EQ(r->b.disk_bytes, is_long);
    fake.mapped = false;
    input.file_bytes = is_short;
    input.more = 0;
    CHECK_EQ(run_to_the_end(r, &input), 0);
    CHECK_EQ(judge.db->written.n, is_short);
    CHECK_EQ(r->b.disk_bytes, is_short);
    pages_free(&t, 1024);
    rig_close(r);
  }
  states_free(&s);
}

/* One database's part of a transaction over several, up to the decision. */
static void write_with_super(rig *r, const fake_bytes *before, const fake_bytes *after,
                             const char *super) {
  avfs_page_table t;
  begin_judging(before, after);
  pages_between(&t, before, after, r->unit, 0, 1);
  avfs_batch_input input = {.pages = &t, .file_bytes = after->n, .more = 1, .super = super};
  CHECK_EQ(run_to_the_end(r, &input), 0);
  judge.super = true;
  pages_free(&t, r->unit);
}

static void a_super_journals_name_ends_the_journal(void) {
  static const char super[] = "C:\\some\\where-mj01234A9BC";
  states s = states_make(1024);
  rig *r = rig_open(1024, &s.state[1]);
  avfs_page_table t;
  write_with_super(r, &s.state[1], &s.state[2], super);
  CHECK(avfs_batch_is_open(&r->b));
  CHECK(judge.journal->pending == NULL && judge.db->pending == NULL);   /* all is flushed */
  CHECK(is_durable(&judge.after));
  const fake_bytes *j = &judge.journal->durable;
  uint32_t n = (uint32_t)strlen(super);
  if (CHECK(j->n > n + 20)) {
    CHECK(is_header(j->p + j->n - 8));
    CHECK_EQ(get4(j->p + j->n - 16), n);
    CHECK_MEM_EQ(j->p + j->n - 16 - n, super, n);
  }
  /* The transaction's end, with nothing more to write. */
  pages_between(&t, &s.state[2], &s.state[2], 1024, 1, 2);
  avfs_batch_input end = {.pages = &t, .file_bytes = s.state[2].n};
  judge.last = true;
  /* Somebody has the super-journal open: while it has its name, the journal stays as it is. */
  fake.super_stays = true;
  avfs_batch_start(&r->b, &end, 1024);
  CHECK_EQ(run_once(r), SQLITE_BUSY);
  CHECK(avfs_batch_is_open(&r->b) && judge.journal->written.n > n);
  fake.super_stays = false;
  avfs_batch_start(&r->b, NULL, 1024);
  CHECK_EQ(run_once(r), SQLITE_OK);
  judge_end();
  pages_free(&t, 1024);
  rig_close(r);
  states_free(&s);
}

/* ---- each call fails --------------------------------------------------------------------- */

/* Fails `times` calls from the n-th on, for each n until none is left to fail. */
static void fail_each_call(uint64_t times, uint32_t segments) {
  states s = states_make(1024);
  bool failed = true;
  for (uint64_t n = 1; failed && n < 2000; n++) {
    rig *r = rig_open(1024, &s.state[0]);
    int failures = 0;
    fake.fail_from = n;
    fake.fail_count = times;
    for (int i = 1; i < s.count; i++) {
      failures += write_batch(r, &s.state[i - 1], &s.state[i], segments);
    }
    failed = fake.failed > 0;
    if (failed) CHECK(failures > 0);
    if (judge.wrong > 0) {
      FAIL("so it was when call %llu failed, and %llu more", (unsigned long long)n,
           (unsigned long long)times - 1);
      failed = false;
    }
    rig_close(r);
  }
  states_free(&s);
}

static void any_call_may_fail_once(void) { fail_each_call(1, 1); }
static void any_call_may_fail_once_in_segments(void) { fail_each_call(1, 3); }
static void any_call_may_fail_for_a_while(void) { fail_each_call(12, 1); }

/* ---- the order of the pages ------------------------------------------------------------- */

static uint64_t written_to;
static int begun;

/* What NTFS does with a write behind the valid data length: it extends the file, and fills what
 * lies between with zeros. */
static void watch_for_holes(const fake_call *c) {
  if (c->kind != FAKE_WRITE || c->file != judge.db) return;
  if (c->offset > written_to) FAIL("a write at %llu leaves a hole behind %llu",
                                   (unsigned long long)c->offset, (unsigned long long)written_to);
  if (c->offset + c->bytes > written_to) written_to = c->offset + c->bytes;
  begun++;
}

static void a_database_grows_without_holes(void) {
  enum { PAGES = 2000 };
  fake_bytes before = {NULL, 0}, after = {NULL, 0};
  fake_bytes_resize(&before, 10 * 1024);
  fake_bytes_resize(&after, PAGES * 1024);
  memset(after.p, 1, after.n);
  rig *r = rig_open(1024, &before);
  avfs_page_table t;
  pages_between(&t, &before, &after, 1024, 0, 1);
  avfs_batch_input input = {.pages = &t, .file_bytes = after.n};
  written_to = before.n;
  begun = 0;
  fake.watch = watch_for_holes;
  CHECK_EQ(run_to_the_end(r, &input), 0);
  CHECK_EQ(written_to, after.n);
  CHECK(begun > 4);
  pages_free(&t, 1024);
  rig_close(r);
  fake_bytes_free(&before);
  fake_bytes_free(&after);
}

/* ---- the thread that ran it is gone ------------------------------------------------------- */

static jmp_buf gone;
static uint64_t gone_at;

static void watch_until_gone(const fake_call *c) {
  if (gone_at != 0 && fake.calls + 1 == gone_at) {
    gone_at = 0;
    longjmp(gone, 1);
  }
  watch(c);
}

static void gone_in_mid_batch(const states *s, uint64_t n, uint32_t i, bool *was_gone_out) {
  avfs_page_table t;
  rig *r = rig_open(1024, &s->state[i - 1]);
  begin_judging(&s->state[i - 1], &s->state[i]);
  judge.last = true;
  pages_between(&t, &judge.before, &judge.after, 1024, 0, 1);
  avfs_batch_input input = {.pages = &t, .file_bytes = judge.after.n};
  fake.watch = watch_until_gone;
  gone_at = n;
  if (setjmp(gone) == 0) {
    run_to_the_end(r, &input);
  } else {
    *was_gone_out = true;
    fake_io_abandon();
    r->resumed = false;
    bool in_flight = fake_io_in_flight(judge.db) || fake_io_in_flight(judge.journal);
    fake.hangs = true;
    CHECK_EQ(avfs_batch_settle(&r->b, 0), !in_flight);
    fake.hangs = false;
    CHECK(avfs_batch_settle(&r->b, 0));
    if (CHECK(avfs_batch_restart(&r->b)) && run_once(r) != SQLITE_OK) FAIL("it ends with %d", r->b.rc);
  }
  judge_end();
  CHECK(!avfs_batch_restart(&r->b));   /* nothing is left to go on with */
  if (judge.wrong > 0) FAIL("so it was when the thread ended at call %llu", (unsigned long long)n);
  pages_free(&t, 1024);
  rig_close(r);
}

/* At the exit of the process the pool's threads end wherever they are, and the one
 * that is left goes on from there. */
static void another_thread_goes_on_from_any_call(void) {
  states s = states_make(1024);
  for (int i = 1; i < s.count; i++) {
    bool was_gone = true;
    for (uint64_t n = 1; was_gone && n < 500; n++) {
      was_gone = false;
      gone_in_mid_batch(&s, n, (uint32_t)i, &was_gone);
    }
  }
  states_free(&s);
}

/* ---- undo ------------------------------------------------------------------------------------ */

static void check_undone(const fake_bytes *before) {
  static reading r;
  read_journal(&judge.journal->durable, judge.unit, &r);
  CHECK(!r.valid);
  for (const fake_change *c = judge.journal->pending; c != NULL; c = c->next) {
    CHECK(c->bytes < HEADER_FIELDS || !is_header(c->data));
  }
  CHECK(is_durable(before));
  CHECK_EQ(judge.db->written.n, before->n);
}

static void undo_takes_the_file_back(void) {
  for (int round = 0; round < 6; round++) {
    states s = states_make(units[round % 3]);
    rig *r = rig_open(units[round % 3], &s.state[1]);
    CHECK_EQ(write_over(r, &s.state[1], &s.state[2], &s.state[4 - round % 2], false), 0);
    judge.undoing = true;
    fake.complete_at_once = true;
    CHECK_EQ(avfs_batch_undo(&r->b), SQLITE_OK);
    check_undone(&s.state[1]);
    CHECK(!avfs_batch_is_open(&r->b));
    /* And the next batch finds all as if nothing had been. */
    judge.undoing = judge.last = false;
    fake.complete_at_once = false;
    CHECK_EQ(write_batch(r, &s.state[1], &s.state[3], 1), 0);
    rig_close(r);
    states_free(&s);
  }
}

/* A journal of the same length as this one would end in the name again. */
static void undo_takes_the_super_journals_name_away(void) {
  states s = states_make(1024);
  rig *r = rig_open(1024, &s.state[1]);
  write_with_super(r, &s.state[1], &s.state[2], "C:\\a-mj0");
  judge.undoing = true;
  fake.complete_at_once = true;
  CHECK_EQ(avfs_batch_undo(&r->b), SQLITE_OK);
  check_undone(&s.state[1]);
  CHECK_EQ(judge.journal->durable.n, 0);
  rig_close(r);
  states_free(&s);
}

/* Each call of an undo fails, once: done again, it takes the file back. */
static void undo_that_failed_is_done_again(void) {
  states s = states_make(1024);
  bool failed = true;
  for (uint64_t n = 1; failed && n < 100; n++) {
    rig *r = rig_open(1024, &s.state[1]);
    write_with_super(r, &s.state[1], &s.state[2], "C:\\a-mj0");
    judge.undoing = true;
    fake.complete_at_once = true;
    fake.fail_from = fake.calls + n;
    fake.fail_count = 1;
    failed = avfs_batch_undo(&r->b) != SQLITE_OK;
    fake.fail_count = 0;
    if (failed && !CHECK_EQ(avfs_batch_undo(&r->b), SQLITE_OK)) {
      FAIL("so it was when call %llu failed", (unsigned long long)n);
    }
    check_undone(&s.state[1]);
    rig_close(r);
  }
  CHECK(!failed);
  states_free(&s);
}

/* A segment that failed at any call is undone as well. */
static void a_failed_segment_can_be_undone(void) {
  states s = states_make(1024);
  bool failed = true;
  for (uint64_t n = 1; failed && n < 500; n++) {
    avfs_page_table one, two;
    rig *r = rig_open(1024, &s.state[1]);
    begin_judging(&s.state[1], &s.state[4]);
    pages_between(&one, &s.state[1], &s.state[2], 1024, 0, 1);
    pages_between(&two, &s.state[2], &s.state[4], 1024, 0, 1);
    avfs_batch_input first = {.pages = &one, .file_bytes = s.state[2].n, .more = 1};
    avfs_batch_input second = {.pages = &two, .file_bytes = s.state[4].n, .more = 1};
    fake.fail_from = n;
    fake.fail_count = 1;
    avfs_batch_start(&r->b, &first, 1024);
    if (run_once(r) == SQLITE_OK) {
      avfs_batch_start(&r->b, &second, 1024);
      run_once(r);
    }
    failed = fake.failed > 0;
    judge.undoing = true;
    fake.fail_count = 0;
    fake.complete_at_once = true;
    CHECK_EQ(avfs_batch_undo(&r->b), SQLITE_OK);
    check_undone(&s.state[1]);
    if (judge.wrong > 0) FAIL("so it was when call %llu failed", (unsigned long long)n);
    if (judge.wrong > 0) failed = false;
    pages_free(&one, 1024);
    pages_free(&two, 1024);
    rig_close(r);
  }
  states_free(&s);
}

/* ---- power cuts ---------------------------------------------------------------------------- */

static struct {
  const char *path;
  uint64_t every;      /* one call in so many */
  bool durable;        /* the batch has said so */
  int images, before, after, wrong;
} cut;

static bool begins_with(const fake_bytes *got, const fake_bytes *state) {
  return got->n >= state->n && (state->n == 0 || memcmp(got->p, state->p, state->n) == 0);
}

/* After a rollback the length is n0's: up to less than a page longer, with zeros. */
static bool is_rolled_back_to(const fake_bytes *got, const fake_bytes *state) {
  if (!begins_with(got, state) || got->n - state->n >= judge.unit) return false;
  for (uint64_t i = state->n; i < got->n; i++) {
    if (got->p[i] != 0) return false;
  }
  return true;
}

static fake_bytes recover(const fake_bytes *db_image, const fake_bytes *journal_image) {
  fake_bytes got = {NULL, 0};
  const char *journal = sql_beside(cut.path, "-journal");
  sqlite3 *db = NULL;
  CHECK(sql_file_write(cut.path, db_image->p, db_image->n));
  if (journal_image->n > 0) CHECK(sql_file_write(journal, journal_image->p, journal_image->n));
  CHECK_RC(NULL, sql_try_open(cut.path, SQL_STOCK_VFS, &db), SQLITE_OK);
  int64_t tables = 0;
  CHECK_RC(db, sql_try_int(db, "SELECT count(*) FROM sqlite_schema", &tables), SQLITE_OK);
  sql_close(db);
  sql_file_delete(journal);   /* a void one stays */
  int64_t n = sql_file_size(cut.path);
  fake_bytes_resize(&got, n > 0 ? (size_t)n : 0);
  if (n > 0) CHECK_EQ(sql_file_read(cut.path, 0, got.p, got.n), n);
  return got;
}

static void power_cut(void) {
  if (rng_below(cut.every) != 0 || cut.wrong > 3) return;
  fake_bytes db_image = fake_io_crash(judge.db), journal_image = fake_io_crash(judge.journal);
  fake_bytes got = recover(&db_image, &journal_image);
  static reading r;
  read_journal(&journal_image, judge.unit, &r);
  /* Without a rollback the file may be longer than its header says, which is legal:
   * the cut at the end of a batch is not flushed. */
  bool before = r.valid ? is_rolled_back_to(&got, &judge.before) : begins_with(&got, &judge.before);
  bool after = begins_with(&got, &judge.after);
  bool voided = judge.voiding && !judge.undoing;
  cut.images++;
  if (before) cut.before++;
  else if (after) cut.after++;
  if (!before && (!voided || !after)) {
    cut.wrong++;
    FAIL("after a power cut at call %llu the database is neither before nor after%s",
         (unsigned long long)fake.calls + 1, voided ? "" : " (the journal was not made void yet)");
  }
  if (cut.durable && !after) {
    cut.wrong++;
    FAIL("what was durable is gone after a power cut at call %llu", (unsigned long long)fake.calls + 1);
  }
  fake_bytes_free(&got);
  fake_bytes_free(&db_image);
  fake_bytes_free(&journal_image);
}

static void cut_begin(uint64_t every) {
  memset(&cut, 0, sizeof cut);
  cut.path = scratch_path("cut.db");
  cut.every = every;
}

/* Cuts at calls of whole runs of batches, some with a failing call. */
static void cut_at_calls(uint64_t every, uint32_t segments, bool faults, int rounds) {
  cut_begin(every);
  for (int round = 0; round < rounds; round++) {
    states s = states_make(units[round % 3]);
    rig *r = rig_open(units[round % 3], &s.state[0]);
    judge.power_cut = power_cut;
    for (int i = 1; i < s.count; i++) {
      if (faults) {
        fake.fail_from = fake.calls + 1 + rng_below(30);
        fake.fail_count = 1 + rng_below(3);
      }
      write_batch(r, &s.state[i - 1], &s.state[i], segments);
      cut.durable = true;
      for (uint64_t n = every + 1; n > 0; n--) power_cut();
      cut.durable = false;
    }
    rig_close(r);
    states_free(&s);
  }
  harness_print("    %d images: %d before, %d after\n", cut.images, cut.before, cut.after);
  CHECK(cut.before > 0 && cut.after > 0);
}

static void a_power_cut_leaves_before_or_after(void) { cut_at_calls(3, 1, false, 3); }
static void a_power_cut_between_segments_leaves_before(void) { cut_at_calls(4, 3, false, 3); }
static void a_power_cut_after_a_failure_leaves_before_or_after(void) { cut_at_calls(4, 1, true, 3); }

static void a_power_cut_while_undoing_leaves_before(void) {
  cut_begin(2);
  for (int round = 0; round < 3; round++) {
    states s = states_make(units[round]);
    rig *r = rig_open(units[round], &s.state[1]);
    CHECK_EQ(write_over(r, &s.state[1], &s.state[2], &s.state[4], false), 0);
    judge.undoing = true;
    judge.power_cut = power_cut;
    fake.complete_at_once = true;
    if (round == 1) {   /* an undo that fails: the journal stays, hot */
      fake.fail_from = fake.calls + 3 + rng_below(4);
      fake.fail_count = 1;
      CHECK(avfs_batch_undo(&r->b) != SQLITE_OK);
      avfs_batch_abandon(&r->b);
    } else {
      CHECK_EQ(avfs_batch_undo(&r->b), SQLITE_OK);
    }
    for (int n = 0; n < 8; n++) power_cut();
    rig_close(r);
    states_free(&s);
  }
  harness_print("    %d images\n", cut.images);
  CHECK_EQ(cut.images, cut.before);
}

static int set_up(void) {
  (void)sql_vfs();
  return 0;
}

void suite_batch(void) {
  CU_pSuite suite = CU_add_suite("batch", set_up, NULL);
  ADD_TEST(suite, each_call_is_in_its_order);
  ADD_TEST(suite, segments_are_in_their_order_too);
  ADD_TEST(suite, a_page_of_two_segments_has_one_record);
  ADD_TEST(suite, a_journal_that_was_found_is_cut_and_flushed_first);
  ADD_TEST(suite, a_journal_of_no_bytes_that_was_found_is_flushed_first);
  ADD_TEST(suite, a_cut_that_was_not_flushed_is_flushed_later);
  ADD_TEST(suite, a_journal_that_stays_long_is_not_used);
  ADD_TEST(suite, a_database_that_stays_long_is_known_to);
  ADD_TEST(suite, a_database_grows_without_holes);
  ADD_TEST(suite, a_super_journals_name_ends_the_journal);
  ADD_TEST(suite, any_call_may_fail_once);
  ADD_TEST(suite, any_call_may_fail_once_in_segments);
  ADD_TEST(suite, any_call_may_fail_for_a_while);
  ADD_TEST(suite, another_thread_goes_on_from_any_call);
  ADD_TEST(suite, undo_takes_the_file_back);
  ADD_TEST(suite, undo_takes_the_super_journals_name_away);
  ADD_TEST(suite, undo_that_failed_is_done_again);
  ADD_TEST(suite, a_failed_segment_can_be_undone);
  ADD_TEST(suite, a_power_cut_leaves_before_or_after);
  ADD_TEST(suite, a_power_cut_between_segments_leaves_before);
  ADD_TEST(suite, a_power_cut_after_a_failure_leaves_before_or_after);
  ADD_TEST(suite, a_power_cut_while_undoing_leaves_before);
}
