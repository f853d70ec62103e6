/* test_journal_format.c: the journal's format, judged by SQLite's own rollback.
 *
 *   before ---- torn: some pages of `after`, some of noise ---- on the disk
 *     |                                                            |
 *     +---- pre-images in a journal made by journal_format.h -------+
 *                                                                  |
 *   stock SQLite opens it: the file's bytes are `before` again <---+
 *
 * Each claim that something does no harm has its opposite beside it: the same
 * journal without the precaution does harm, so the test can see it.
 */
#include "../harness.h"

#include <stdlib.h>
#include <string.h>

#include "pages/journal_format.h"
#include "vfs/sql_tools.h"

enum { MOST_SEGMENTS = 4 };

static const unsigned char magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

/* ---- bytes ------------------------------------------------------------------ */

typedef struct bytes {
  unsigned char *p;
  size_t n;
} bytes;

/* Grown parts are zeros. */
static void bytes_resize(bytes *b, size_t n) {
  unsigned char *p = calloc(1, n + 1);
  if (p == NULL) abort();
  if (b->n > 0) memcpy(p, b->p, b->n < n ? b->n : n);
  free(b->p);
  b->p = p;
  b->n = n;
}

static bytes bytes_copy(bytes of) {
  bytes b = {NULL, 0};
  bytes_resize(&b, of.n);
  memcpy(b.p, of.p, of.n);
  return b;
}

static bytes bytes_of_file(const char *path) {
  bytes b = {NULL, 0};
  int64_t n = sql_file_size(path);
  if (n > 0) {
    bytes_resize(&b, (size_t)n);
    CHECK_EQ(sql_file_read(path, 0, b.p, b.n), n);
  }
  return b;
}

/* ---- a database ------------------------------------------------------------- */

static bytes make_database(uint32_t page_bytes, int rows) {
  const char *path = scratch_path("made.db");
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  sql_mustf(db, "PRAGMA page_size=%u; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;", page_bytes);
  sql_mustf(db, "BEGIN; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d)"
            "INSERT INTO t SELECT i, noise(%lld+i, 100) FROM n; COMMIT;",
            rows, (long long)rng_below(1u << 30));
  sql_close(db);
  return bytes_of_file(path);
}

/* ---- a journal -------------------------------------------------------------- */

typedef struct journal {
  bytes file;
  uint32_t page_bytes;
  uint32_t pages;       /* n0 */
  uint32_t nonce;
  uint64_t segment_at;
  uint64_t end;
  uint32_t records;     /* of the segment */
} journal;

static void journal_segment(journal *j) {
  j->segment_at = j->end == 0 ? 0 : avfs_segment_after(j->end);
  j->end = j->segment_at + AVFS_SECTOR;
  j->records = 0;
  j->nonce = (uint32_t)rng_next();
  if (j->file.n < j->end) bytes_resize(&j->file, (size_t)j->end);
}

static journal journal_begin(uint32_t page_bytes, size_t database_bytes) {
  journal j;
  memset(&j, 0, sizeof j);
  j.page_bytes = page_bytes;
  j.pages = (uint32_t)((database_bytes + page_bytes - 1) / page_bytes);
  journal_segment(&j);
  return j;
}

static void journal_add(journal *j, uint32_t pgno, const unsigned char *page) {
  uint64_t end = j->end + avfs_record_bytes(j->page_bytes);
  if (j->file.n < end) bytes_resize(&j->file, (size_t)end);
  avfs_journal_record(j->file.p + j->end, pgno, page, j->page_bytes, j->nonce);
  j->end = end;
  j->records++;
}

/* The record of page pgno as it is in `before`; behind its end are zeros. */
static void journal_add_from(journal *j, uint32_t pgno, bytes before) {
  unsigned char page[65536] = {0};
  size_t at = (size_t)(pgno - 1) * j->page_bytes, have = 0;
  if (at < before.n) have = before.n - at < j->page_bytes ? before.n - at : j->page_bytes;
  if (have > 0) memcpy(page, before.p + at, have);
  journal_add(j, pgno, page);
}

static void journal_end_segment(journal *j) {
  avfs_journal_header(j->file.p + j->segment_at, j->records, j->nonce, j->pages, j->page_bytes);
}

static void journal_end(journal *j) {
  journal_end_segment(j);
  bytes_resize(&j->file, (size_t)avfs_journal_length(j->end));
}

/* ---- a torn database --------------------------------------------------------- */

/* `before` with noise over the pages that `torn` names (1 for page i+1). */
static bytes tear(bytes before, uint32_t page_bytes, const unsigned char *torn, uint32_t pages) {
  bytes b = bytes_copy(before);
  for (uint32_t i = 0; i < pages; i++) {
    size_t at = (size_t)i * page_bytes;
    size_t n = at + page_bytes <= b.n ? page_bytes : b.n - at;
    if (torn[i]) sql_noise(rng_next(), b.p + at, n);
  }
  return b;
}

/* What stock SQLite makes of these two files at `path`: the database's bytes
 * afterwards. */
static bytes recover_at(const char *path, bytes database, bytes journal_bytes) {
  sqlite3 *db = NULL;
  CHECK(sql_file_write(path, database.p, database.n));
  CHECK(sql_file_write(sql_beside(path, "-journal"), journal_bytes.p, journal_bytes.n));
  CHECK_RC(NULL, sql_try_open(path, SQL_STOCK_VFS, &db), SQLITE_OK);
  (void)sql_exec(db, "SELECT count(*) FROM sqlite_schema");   /* what it says is in the bytes */
  sql_close(db);
  CHECK(!sql_file_exists(sql_beside(path, "-journal")));
  return bytes_of_file(path);
}

static bytes recover(bytes database, bytes journal_bytes) {
  return recover_at(scratch_path("torn.db"), database, journal_bytes);
}

static bool same(bytes a, bytes b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

/* Equal up to zeros of less than a page at a's end: a journal whose pages are larger
 * than the database's rounds its length up. */
static bool same_rounded(bytes a, bytes b, uint32_t page_bytes) {
  if (a.n < b.n || a.n - b.n >= page_bytes || memcmp(a.p, b.p, b.n) != 0) return false;
  for (size_t i = b.n; i < a.n; i++) {
    if (a.p[i] != 0) return false;
  }
  return true;
}

static bool recovers_to(bytes database, bytes journal_bytes, bytes expected) {
  bytes got = recover(database, journal_bytes);
  bool is = same(got, expected);
  free(got.p);
  return is;
}

/* Tears at random, writes a journal in up to MOST_SEGMENTS, has it rolled back. */
static void tear_and_recover(uint32_t database_unit, uint32_t unit, uint32_t grow) {
  bytes before = make_database(database_unit, 5 + (int)rng_below(database_unit == 512 ? 60 : 400));
  journal j = journal_begin(unit, before.n);
  unsigned char *torn = calloc(1, j.pages);
  uint32_t segments = 1 + (uint32_t)rng_below(MOST_SEGMENTS), in_journal = 0;
  if (torn == NULL) abort();
  for (uint32_t i = 0; i < j.pages; i++) torn[i] = rng_below(3) != 0;
  torn[rng_below(j.pages)] = 1;
  if (grow > 0 && before.n % unit != 0) torn[j.pages - 1] = 1;   /* growing changes it, too */
  bytes file = tear(before, unit, torn, j.pages);
  for (uint32_t i = 0; i < j.pages; i++) {
    if (!torn[i] && rng_below(4) != 0) continue;   /* some are there though not torn */
    if (j.records > 0 && segments > 1 && rng_below(j.pages) < segments) {
      journal_end_segment(&j);
      journal_segment(&j);
      segments--;
    }
    journal_add_from(&j, i + 1, before);
    in_journal++;
  }
  journal_end(&j);
  CHECK(in_journal > 0);
  if (grow > 0) {
    size_t at = file.n;
    bytes_resize(&file, at + grow);
    sql_noise(3, file.p + at, grow);
  }
  bytes got = recover(file, j.file);
  if (!same_rounded(got, before, unit)) {
    FAIL("database pages of %u, journal pages of %u: not as before (%zu bytes, %zu before)",
         database_unit, unit, got.n, before.n);
  }
  free(got.p);
  free(file.p);
  free(before.p);
  free(j.file.p);
  free(torn);
}

static void stock_sqlite_rolls_back_every_page_size(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    tear_and_recover(unit, unit, 0);
    tear_and_recover(unit, unit, 3 * unit);
    tear_and_recover(unit, unit, 100);   /* a torn extension */
  }
}

static void a_journal_of_another_page_size_is_rolled_back(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    uint32_t other = 512u << rng_below(8);
    tear_and_recover(512, unit, 0);
    tear_and_recover(65536, unit, unit);
    tear_and_recover(other, unit, 2 * unit);
  }
}

static void nothing_before_means_an_empty_file_after(void) {
  bytes none = {NULL, 0};
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    journal j = journal_begin(unit, 0);
    bytes file = make_database(unit, 20);
    journal_end(&j);
    CHECK_EQ(j.pages, 0);
    CHECK(recovers_to(file, j.file, none));
    free(file.p);
    free(j.file.p);
  }
}

static void a_file_that_only_grew_is_cut_back(void) {
  bytes before = make_database(1024, 50);
  journal j = journal_begin(1024, before.n);
  bytes file = bytes_copy(before);
  journal_end(&j);   /* no records */
  bytes_resize(&file, file.n + 5 * 1024);
  sql_noise(7, file.p + before.n, 5 * 1024);
  CHECK(recovers_to(file, j.file, before));
  free(file.p);
  free(before.p);
  free(j.file.p);
}

/* ---- the super-journal's record ------------------------------------------------ */

/* Rolls back under a journal that names `super`, which lies there or not. Its name is
 * not ASCII: the checksum is of signed characters. */
static void recover_with_super(bool exists) {
  const char *path = scratch_path("app.db"), *super = scratch_path("\xc3\xa4pp.db-mj01234A9BC");
  const char *list = sql_beside(path, "-journal");
  bytes before = make_database(1024, 60);
  journal j = journal_begin(1024, before.n);
  unsigned char *torn = calloc(1, j.pages);
  if (torn == NULL) abort();
  torn[2] = torn[3] = 1;
  bytes file = tear(before, 1024, torn, j.pages);
  journal_add_from(&j, 3, before);
  journal_add_from(&j, 4, before);
  journal_end_segment(&j);
  /* As the batch puts it: at a sector's start, and the last bytes of the file. */
  uint64_t at = avfs_segment_after(j.end);
  uint32_t n = (uint32_t)strlen(super);
  bytes_resize(&j.file, (size_t)at + n + 20);
  CHECK_EQ(avfs_super_record(j.file.p + at, super, n, 1024), n + 20);
  if (exists) CHECK(sql_file_write(super, list, strlen(list) + 1));   /* the journals it is for */
  bytes got = recover_at(path, file, j.file);
  CHECK(same(got, exists ? before : file));
  CHECK(!sql_file_exists(super));   /* the last of its journals is gone */
  free(got.p);
  free(file.p);
  free(before.p);
  free(j.file.p);
  free(torn);
}

static void a_journal_whose_super_journal_is_there_is_rolled_back(void) { recover_with_super(true); }
static void a_journal_whose_super_journal_is_gone_is_ignored(void) { recover_with_super(false); }

/* ---- what lies behind the last record ------------------------------------------- */

/* A batch of two records over the file of one of three segments, whose second
 * header stands where the first segment now ends. */
static void recover_over_a_stale_tail(bool cut) {
  bytes before = make_database(512, 40);
  bytes stale = bytes_copy(before);
  journal old = journal_begin(512, before.n);
  journal j = journal_begin(512, before.n);
  unsigned char torn[8] = {0};
  torn[5] = torn[6] = 1;
  sql_noise(9, stale.p + 512, 512 * 3);   /* an older state of pages 2..4 */
  journal_add_from(&old, 6, stale);
  journal_add_from(&old, 7, stale);
  for (int s = 0; s < 2; s++) {
    journal_end_segment(&old);
    journal_segment(&old);
    journal_add_from(&old, 2, stale);
    journal_add_from(&old, 3, stale);
  }
  journal_end(&old);
  bytes file = tear(before, 512, torn, 8);
  journal_add_from(&j, 6, before);
  journal_add_from(&j, 7, before);
  CHECK_EQ(avfs_segment_after(j.end), 2 * AVFS_SECTOR);
  journal_end(&j);
  bytes over = bytes_copy(old.file);
  memcpy(over.p, j.file.p, (size_t)j.end);
  if (cut) {
    bytes_resize(&over, (size_t)avfs_journal_length(j.end));
    CHECK(recovers_to(file, over, before));
  } else {
    CHECK(!recovers_to(file, over, before));
  }
  free(over.p);
  free(file.p);
  free(stale.p);
  free(before.p);
  free(j.file.p);
  free(old.file.p);
}

static void a_stale_tail_is_not_played_once_the_length_is_exact(void) { recover_over_a_stale_tail(true); }
static void a_stale_tail_left_in_place_would_be_played(void) { recover_over_a_stale_tail(false); }

/* The last record ends like the record of a super-journal that does not exist: its
 * page has the name, its length, its checksum and half of the magic, and the nonce
 * makes the record's checksum the other half. */
static void recover_with_a_mimic(bool padded) {
  bytes before = make_database(512, 40);
  journal j = journal_begin(512, before.n);
  static const char name[] = "nowhere-mj01234A9BC";   /* as SQLite makes them */
  const int name_bytes = (int)sizeof name - 1;
  unsigned char *page = before.p + 6 * 512, torn[8] = {0};
  uint32_t checksum = 0;
  torn[5] = torn[6] = 1;
  sql_noise(11, page, 512);
  for (int i = 0; i < name_bytes; i++) checksum += (unsigned char)name[i];
  memcpy(page + 512 - 12 - name_bytes, name, sizeof name - 1);
  avfs_put4(page + 512 - 12, (uint32_t)name_bytes);
  avfs_put4(page + 512 - 8, checksum);
  memcpy(page + 512 - 4, magic, 4);
  j.nonce = avfs_get4(magic + 4) - page[512 - 200] - page[512 - 400];
  bytes file = tear(before, 512, torn, 8);
  journal_add_from(&j, 6, before);
  journal_add_from(&j, 7, before);
  journal_end(&j);
  CHECK_MEM_EQ(j.file.p + j.end - 8, magic, sizeof magic);
  if (!padded) bytes_resize(&j.file, (size_t)j.end);
  CHECK_EQ(recovers_to(file, j.file, before), padded);
  free(file.p);
  free(before.p);
  free(j.file.p);
}

static void a_page_that_imitates_a_super_journal_does_no_harm(void) { recover_with_a_mimic(true); }
static void without_the_padding_it_would(void) { recover_with_a_mimic(false); }

static void every_length_ends_in_eight_bytes_of_padding(void) {
  for (uint64_t end = 1; end < 3 * AVFS_SECTOR; end++) {
    uint64_t n = avfs_journal_length(end);
    CHECK_EQ(n % AVFS_SECTOR, 0);
    CHECK(n >= end + 8 && n < end + 8 + AVFS_SECTOR);
    CHECK_EQ(avfs_segment_after(end) % AVFS_SECTOR, 0);
    CHECK(avfs_segment_after(end) >= end && avfs_segment_after(end) < end + AVFS_SECTOR);
  }
}

/* 63 records of 512 end 8 bytes before a sector's end: the least padding there is. */
static void the_least_padding_is_enough(void) {
  bytes before = make_database(512, 300);
  journal j = journal_begin(512, before.n);
  unsigned char torn[63] = {0};
  if (!CHECK(j.pages >= 63)) return;
  memset(torn, 1, sizeof torn);
  bytes file = tear(before, 512, torn, 63);
  for (uint32_t i = 1; i <= 63; i++) journal_add_from(&j, i, before);
  CHECK_EQ(j.end % AVFS_SECTOR, AVFS_SECTOR - 8);
  journal_end(&j);
  CHECK_EQ(j.file.n, j.end + 8);
  CHECK(recovers_to(file, j.file, before));
  free(file.p);
  free(before.p);
  free(j.file.p);
}

/* ---- what SQLite takes for the end of the records -------------------------------- */

/* Rolls back pages 3, X, 4, where X is a record that `spoil` made; returns whether
 * page 3 and page 4 came back. */
static void recover_around(uint32_t unit, void (*add)(journal *j, bytes before), bool *first_out,
                           bool *second_out) {
  bytes before = make_database(unit, (int)unit / 8);
  journal j = journal_begin(unit, before.n);
  unsigned char torn[4] = {0, 0, 1, 1};
  if (!CHECK(j.pages >= 4)) return;
  bytes file = tear(before, unit, torn, 4);
  journal_add_from(&j, 3, before);
  add(&j, before);
  journal_add_from(&j, 4, before);
  journal_end(&j);
  bytes got = recover(file, j.file);
  CHECK_EQ(got.n, before.n);
  *first_out = memcmp(got.p + 2 * (size_t)unit, before.p + 2 * (size_t)unit, unit) == 0;
  *second_out = memcmp(got.p + 3 * (size_t)unit, before.p + 3 * (size_t)unit, unit) == 0;
  free(got.p);
  free(file.p);
  free(before.p);
  free(j.file.p);
}

static void add_lock_page(journal *j, bytes before) {
  journal_add(j, avfs_lock_byte_pgno(j->page_bytes), before.p);
}

/* Which is how we know that the number is SQLite's. */
static void the_lock_byte_page_ends_the_playback(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 2) {
    bool first = false, second = true;
    recover_around(unit, add_lock_page, &first, &second);
    CHECK(first);
    CHECK(!second);
    CHECK_EQ(avfs_lock_byte_pgno(unit), 0x40000000 / unit + 1);
  }
}

static void add_page_two(journal *j, bytes before) { journal_add_from(j, 2, before); }

static void add_with_a_wrong_nonce(journal *j, bytes before) {
  j->nonce++;
  journal_add_from(j, 2, before);
  j->nonce--;
}

/* Each byte that the checksum samples, flipped after it was made. */
static uint32_t sample_at;
static void add_with_a_wrong_sample(journal *j, bytes before) {
  journal_add_from(j, 2, before);
  j->file.p[j->end - avfs_record_bytes(j->page_bytes) + 4 + sample_at] ^= 1;
}

static void the_checksum_is_the_one_that_sqlite_computes(void) {
  for (uint32_t unit = 512; unit <= 65536; unit *= 4) {
    bool first = false, second = false;
    recover_around(unit, add_page_two, &first, &second);
    CHECK(first && second);
    recover_around(unit, add_with_a_wrong_nonce, &first, &second);
    CHECK(first && !second);
  }
  for (sample_at = 1024 - 200; sample_at < 1024; sample_at -= 200) {
    bool first = false, second = false;
    recover_around(1024, add_with_a_wrong_sample, &first, &second);
    CHECK(first && !second);
  }
  sample_at = 1024 - 199;   /* not sampled: why the header is flushed after the content */
  bool first = false, second = false;
  recover_around(1024, add_with_a_wrong_sample, &first, &second);
  CHECK(first && second);
}

static void a_void_header_makes_the_journal_void(void) {
  bytes before = make_database(1024, 60);
  journal j = journal_begin(1024, before.n);
  unsigned char torn[8] = {0, 0, 1, 1, 0, 0, 0, 0};
  bytes file = tear(before, 1024, torn, 8);
  journal_add_from(&j, 3, before);
  journal_add_from(&j, 4, before);
  journal_end(&j);
  memset(j.file.p, 0, 28);
  const char *path = scratch_path("void.db");
  CHECK(sql_file_write(path, file.p, file.n));
  CHECK(sql_file_write(sql_beside(path, "-journal"), j.file.p, j.file.n));
  sqlite3 *db = sql_open(path, SQL_STOCK_VFS);
  (void)sql_exec(db, "SELECT count(*) FROM sqlite_schema");
  sql_close(db);
  CHECK(same(bytes_of_file(path), file));
  free(file.p);
  free(before.p);
  free(j.file.p);
}

static int set_up(void) {
  (void)sql_vfs();
  return 0;
}

void suite_journal_format(void) {
  CU_pSuite suite = CU_add_suite("journal_format", set_up, NULL);
  ADD_TEST(suite, stock_sqlite_rolls_back_every_page_size);
  ADD_TEST(suite, a_journal_of_another_page_size_is_rolled_back);
  ADD_TEST(suite, nothing_before_means_an_empty_file_after);
  ADD_TEST(suite, a_file_that_only_grew_is_cut_back);
  ADD_TEST(suite, a_journal_whose_super_journal_is_there_is_rolled_back);
  ADD_TEST(suite, a_journal_whose_super_journal_is_gone_is_ignored);
  ADD_TEST(suite, a_stale_tail_is_not_played_once_the_length_is_exact);
  ADD_TEST(suite, a_stale_tail_left_in_place_would_be_played);
  ADD_TEST(suite, a_page_that_imitates_a_super_journal_does_no_harm);
  ADD_TEST(suite, without_the_padding_it_would);
  ADD_TEST(suite, every_length_ends_in_eight_bytes_of_padding);
  ADD_TEST(suite, the_least_padding_is_enough);
  ADD_TEST(suite, the_lock_byte_page_ends_the_playback);
  ADD_TEST(suite, the_checksum_is_the_one_that_sqlite_computes);
  ADD_TEST(suite, a_void_header_makes_the_journal_void);
}
