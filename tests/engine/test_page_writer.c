/* test_page_writer.c: which bytes of the file a set of pages becomes.
 *
 * Over a seam that only records: each write counts in a map of the bytes around
 * the lock-byte page, which LockFileEx makes untouchable for everybody. Wine does
 * not enforce that, so the map is where it shows.
 */
#include "../harness.h"

#include <stdlib.h>
#include <string.h>

#include "engine/batch.h"
#include "pages/journal_format.h"
#include "engine/page_writer.h"
#include "vfs/sql_tools.h"
#include "seam/heap.h"

enum {
  PAGES = 60,                       /* in the window, at most */
  LOCK_AT = 0x40000000, LOCK_BYTES = 512,
  QUEUE = 2 * AVFS_PUMP_SLOTS
};

/* ---- the recording seam ------------------------------------------------------ */

static struct recorder {
  uint64_t window_at;               /* first byte of the map */
  unsigned char *written;           /* how often each byte was written */
  unsigned char *content;           /* and what was written last */
  uint64_t window_bytes;
  uint64_t file_bytes;              /* what size() answers */
  uint32_t longest;                 /* bytes of the longest operation */
  int writes, reads, fail_at;       /* the fail_at-th write fails; 0: none */
  avfs_op *queue[QUEUE];
  int queued;
  bool failed;                      /* a failure has been told */
  int finished;
} rec;

static void record(avfs_op *op) {
  if (op->offset < LOCK_AT + LOCK_BYTES && op->offset + op->bytes > LOCK_AT) {
    FAIL("%llu+%u touches the lock bytes", (unsigned long long)op->offset, op->bytes);
  }
  if (op->bytes > rec.longest) rec.longest = op->bytes;
  op->rc = SQLITE_OK;
  op->os_error = 0;
  op->transferred = op->bytes;
  if (!CHECK(rec.queued < QUEUE)) abort();
  rec.queue[rec.queued++] = op;
}

static void rec_write(avfs_op *op) {
  record(op);
  CHECK(!rec.failed);
  if (++rec.writes == rec.fail_at) {
    op->rc = SQLITE_IOERR_WRITE;
    op->os_error = 5;
    return;
  }
  if (op->file != NULL) return;   /* the journal */
  uint64_t at = op->offset - rec.window_at;
  if (!CHECK(op->offset >= rec.window_at && at + op->bytes <= rec.window_bytes)) return;
  for (uint32_t i = 0; i < op->bytes; i++) rec.written[at + i]++;
  memcpy(rec.content + at, op->data, op->bytes);
}

static void rec_read(avfs_op *op) {
  record(op);
  rec.reads++;
  memset(op->data, 0, op->bytes);
}

static void complete_one(void) {
  if (rec.queued == 0) return;
  int i = (int)rng_below((uint64_t)rec.queued);
  avfs_op *op = rec.queue[i];
  rec.queue[i] = rec.queue[--rec.queued];
  if (op->rc != SQLITE_OK) rec.failed = true;
  op->done(op);
}

static const avfs_io recording_io = {.write = rec_write, .read = rec_read};

/* ---- sets of pages --------------------------------------------------------------- */

typedef struct pages {
  avfs_page *page[PAGES];
  avfs_page_set set;
} pages;

/* Each of `span` page numbers from `first` on with a chance of `in` / 8. */
static void pages_make(pages *p, uint32_t unit, uint32_t first, uint32_t span, uint64_t in) {
  p->set.pages = p->page;
  p->set.page_bytes = unit;
  p->set.count = 0;
  for (uint32_t i = 0; i < span; i++) {
    if (rng_below(8) >= in) continue;
    avfs_page *page = malloc(sizeof *page + unit);
    if (page == NULL) abort();
    memset(page, 0, sizeof *page);
    page->pgno = first + i;
    sql_noise(rng_next(), page->data, unit);
    p->page[p->set.count++] = page;
  }
}

static void pages_free(pages *p) {
  for (uint32_t i = 0; i < p->set.count; i++) free(p->page[i]);
}

static void window(uint32_t unit, uint32_t first, uint32_t span) {
  memset(&rec, 0, sizeof rec);
  rec.window_at = (uint64_t)(first - 1) * unit;
  rec.window_bytes = (uint64_t)span * unit;
  rec.written = calloc(1, (size_t)rec.window_bytes);
  rec.content = calloc(1, (size_t)rec.window_bytes);
  if (rec.written == NULL || rec.content == NULL) abort();
}

static void window_free(void) {
  free(rec.written);
  free(rec.content);
}

/* ---- the writer -------------------------------------------------------------------- */

static void finished(avfs_pump *p) {
  (void)p;
  rec.finished++;
}

static int write_all(pages *p) {
  avfs_pump *pump = avfs_alloc_zero(sizeof *pump);
  avfs_page_writer w = {NULL, &p->set};
  uint32_t os_error;
  if (pump == NULL) abort();
  pump->io = &recording_io;
  pump->finished = finished;
  CHECK_EQ(avfs_page_writer_start(&w, pump), SQLITE_OK);
  while (rec.queued > 0) {
    CHECK_EQ(rec.finished, 0);   /* not before the last is done */
    complete_one();
  }
  CHECK_EQ(rec.finished, 1);
  int rc = avfs_pump_result(pump, &os_error);
  CHECK_EQ(os_error, rc == SQLITE_OK ? 0 : 5);
  avfs_pump_free(pump);
  avfs_free(pump);
  return rc;
}

static bool is_lock_byte(uint64_t at) { return at >= LOCK_AT && at < LOCK_AT + LOCK_BYTES; }

/* Every byte of the set's pages once and as it is in the page; no other at all. */
static void check_window(const pages *p, uint32_t first, uint32_t span) {
  uint32_t unit = p->set.page_bytes, next = 0;
  for (uint32_t i = 0; i < span; i++) {
    const avfs_page *page = NULL;
    if (next < p->set.count && p->page[next]->pgno == first + i) page = p->page[next++];
    for (uint32_t k = 0; k < unit; k++) {
      uint64_t in = (uint64_t)i * unit + k, at = rec.window_at + in;
      int times = page != NULL && at < p->set.file_bytes && !is_lock_byte(at);
      if (rec.written[in] != times || (times && rec.content[in] != page->data[k])) {
        FAIL("page size %u, byte 0x%llx: written %d times, expected %d (or its content is wrong)",
             unit, (unsigned long long)at, rec.written[in], times);
        return;
      }
    }
  }
}

static void every_page_is_written_once_around_the_lock_bytes(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    for (int round = 0; round < 12; round++) {
      uint32_t span = 1 + (uint32_t)rng_below(PAGES);
      uint32_t first = avfs_lock_byte_pgno(unit) - (uint32_t)rng_below(span);
      uint64_t begin = (uint64_t)(first - 1) * unit, end = begin + (uint64_t)span * unit;
      pages p;
      pages_make(&p, unit, first, span, round < 3 ? 8 : 1 + rng_below(8));
      window(unit, first, span);
      /* The file's new end: behind all, or anywhere, also in the middle of a page. */
      p.set.file_bytes = rng_below(3) == 0 ? begin + rng_below(end - begin + 1) : end;
      CHECK_EQ(write_all(&p), SQLITE_OK);
      CHECK(rec.longest <= AVFS_PUMP_BUFFER);
      check_window(&p, first, span);
      window_free();
      pages_free(&p);
    }
  }
}

static void neighbours_are_joined_to_one_write(void) {
  pages p;
  pages_make(&p, 4096, 101, 50, 8);
  p.set.file_bytes = 150 * 4096;
  window(4096, 101, 50);
  CHECK_EQ(write_all(&p), SQLITE_OK);
  CHECK_EQ(rec.writes, 1);
  CHECK_EQ(rec.longest, 50 * 4096);
  check_window(&p, 101, 50);
  window_free();
  pages_free(&p);
}

static void an_empty_set_finishes_at_once(void) {
  pages p;
  pages_make(&p, 4096, 1, 0, 0);
  p.set.file_bytes = 4096;
  window(4096, 1, 1);
  CHECK_EQ(write_all(&p), SQLITE_OK);
  CHECK_EQ(rec.writes, 0);
  window_free();
}

static void after_a_failure_no_write_begins_and_it_ends_once(void) {
  for (int fail = 1; fail <= 30; fail += 3) {
    pages p;
    pages_make(&p, 512, 1, PAGES, 8);
    for (uint32_t i = 0; i < p.set.count; i++) p.page[i]->pgno = 1 + 2 * i;   /* no neighbours */
    p.set.file_bytes = 2 * PAGES * 512;
    window(512, 1, 2 * PAGES);
    rec.fail_at = fail;
    CHECK_EQ(write_all(&p), SQLITE_IOERR_WRITE);
    CHECK(rec.writes >= fail);
    window_free();
    pages_free(&p);
  }
}

/* ---- runs ------------------------------------------------------------------------ */

/* From a run's definition: neighbours, not across nor into the lock-byte page. */
static uint32_t longest_run(const avfs_page_set *set, uint32_t first, uint32_t max_bytes) {
  uint32_t lock = avfs_lock_byte_pgno(set->page_bytes), n = 1;
  while (first + n < set->count && (n + 1) * set->page_bytes <= max_bytes &&
         set->pages[first + n]->pgno == set->pages[first]->pgno + n &&
         set->pages[first + n]->pgno != lock && set->pages[first]->pgno != lock) {
    n++;
  }
  return n;
}

static void a_run_is_as_long_as_neighbours_and_room_allow(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    for (int round = 0; round < 30; round++) {
      uint32_t most = unit * (1 + (uint32_t)rng_below(20));
      pages p;
      pages_make(&p, unit, avfs_lock_byte_pgno(unit) - 20, 40, 1 + rng_below(8));
      for (uint32_t i = 0; i < p.set.count; i++) {
        CHECK_EQ(avfs_page_run(&p.set, i, most), longest_run(&p.set, i, most));
      }
      pages_free(&p);
    }
  }
}

/* ---- a whole batch over a file of more than a gigabyte ------------------------------ */

static char journal_file;   /* an address: it is not NULL, so not the database */

static int big_open(const char *path, int how, avfs_file **file_out) {
  (void)path;
  (void)how;
  *file_out = (avfs_file *)(void *)&journal_file;
  return SQLITE_OK;
}
static void big_close(avfs_file *f) { (void)f; }
static int big_flush(avfs_file *f) {
  (void)f;
  return SQLITE_OK;
}
static int big_size(avfs_file *f, uint64_t *bytes_out) {
  *bytes_out = f == NULL ? rec.file_bytes : 0;
  return SQLITE_OK;
}
static int big_resize(avfs_file *f, uint64_t bytes) {
  (void)f;
  (void)bytes;
  return SQLITE_OK;
}
static void big_resume(avfs_batch *b) { (void)b; }

static int big_exists(const char *path) {
  (void)path;
  return 0;
}
static const avfs_io big_io = {
    .exists = big_exists,
    .open = big_open, .close = big_close, .flush = big_flush, .size = big_size,
    .resize = big_resize, .read = rec_read, .write = rec_write,
};

/* Reading the pre-images counts too: a lock of another process makes that fail. */
static void a_batch_neither_reads_nor_writes_the_lock_bytes(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    for (int round = 0; round < 8; round++) {
      uint32_t first = avfs_lock_byte_pgno(unit) - PAGES / 2;
      avfs_page_table t;
      avfs_page_pool none = {NULL, NULL, 0, unit};
      avfs_batch *b = avfs_alloc_zero(sizeof *b);
      pages p;
      if (b == NULL || avfs_page_table_init(&t) != SQLITE_OK) abort();
      pages_make(&p, unit, first, PAGES, 1 + rng_below(8));
      window(unit, first, PAGES);
      rec.file_bytes = p.set.file_bytes = t.size = rec.window_at + rec.window_bytes;
      for (uint32_t i = 0; i < p.set.count; i++) {
        avfs_page *page = avfs_page_pool_get(&none);
        if (page == NULL) abort();
        page->pgno = p.page[i]->pgno;
        memcpy(page->data, p.page[i]->data, unit);
        avfs_page_table_add(&t, page);
      }
      b->io = b->pump.io = &big_io;
      b->journal_path = "big-journal";
      b->resume = big_resume;
      avfs_batch_input input = {.pages = &t, .file_bytes = t.size};
      avfs_batch_start(b, &input, unit);
      while (!avfs_batch_run(b)) complete_one();
      CHECK_EQ(b->rc, SQLITE_OK);
      CHECK(rec.reads > 0 || p.set.count <= 1);
      check_window(&p, first, PAGES);
      avfs_batch_abandon(b);
      avfs_batch_trim(b);
      avfs_free(b);
      avfs_page_table_free(&t, &none);
      avfs_page_pool_trim(&none, 0);
      window_free();
      pages_free(&p);
    }
  }
}

static int set_up(void) {
  (void)sql_vfs();
  return 0;
}

void suite_page_writer(void) {
  CU_pSuite suite = CU_add_suite("page_writer", set_up, NULL);
  ADD_TEST(suite, every_page_is_written_once_around_the_lock_bytes);
  ADD_TEST(suite, neighbours_are_joined_to_one_write);
  ADD_TEST(suite, an_empty_set_finishes_at_once);
  ADD_TEST(suite, after_a_failure_no_write_begins_and_it_ends_once);
  ADD_TEST(suite, a_run_is_as_long_as_neighbours_and_room_allow);
  ADD_TEST(suite, a_batch_neither_reads_nor_writes_the_lock_bytes);
}
