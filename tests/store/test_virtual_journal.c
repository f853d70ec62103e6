/* test_virtual_journal.c: the virtual journal against a plain array of bytes.
 *
 * The memory limit is small, so that most of the bytes stand in the temporary
 * file, and pieces cross from one to the other and from block to block.
 */
#include "../harness.h"

#include <stdio.h>
#include <string.h>

#include "store/virtual_journal.h"
#include "vfs/sql_tools.h"

enum {
  BLOCK = AVFS_JOURNAL_BLOCK,
  MOST = 6 * BLOCK,        /* bytes of a journal here */
  PIECE = BLOCK + 5000     /* longest single read or write: crosses two borders */
};

typedef struct model {
  unsigned char bytes[MOST];
  uint64_t size;
} model;

static sqlite3_vfs *parent(void) {
  (void)sql_vfs();
  return sqlite3_vfs_find(SQL_STOCK_VFS);
}

static const char *database(void) {
  static char path[512];
  snprintf(path, sizeof path, "%s", scratch_path("journaled.db"));
  return path;
}

/* Offsets that matter: the ends of blocks, the limit, the size, and any. */
static uint64_t some_offset(const avfs_virtual_journal *j) {
  uint64_t at = 0;
  switch (rng_below(5)) {
    case 0: at = rng_below(6) * BLOCK; break;
    case 1: at = j->memory_limit; break;
    case 2: at = j->size; break;
    default: return rng_below(MOST);
  }
  at += rng_below(64);
  return at < 32 ? 0 : at - 32;
}

static bool read_agrees(avfs_virtual_journal *j, const model *m, uint64_t offset, uint32_t n) {
  static unsigned char got[PIECE + 8], expected[PIECE];
  uint64_t have = offset >= m->size ? 0 : m->size - offset;
  if (have > n) have = n;
  memset(expected, 0, n);
  memcpy(expected, m->bytes + offset, (size_t)have);
  memset(got, 0xee, n + 8);
  int rc = avfs_virtual_journal_read(j, got, n, offset);
  if (!CHECK_EQ(rc, have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ)) return false;
  if (!CHECK_MEM_EQ(got, expected, n)) return false;
  for (int i = 0; i < 8; i++) {
    if (!CHECK_EQ(got[n + (uint32_t)i], 0xee)) return false;   /* not a byte too many */
  }
  return true;
}

static bool write_both(avfs_virtual_journal *j, model *m, uint64_t offset, uint32_t n) {
  static unsigned char bytes[PIECE];
  sql_noise(rng_next(), bytes, n);
  if (!CHECK_EQ(avfs_virtual_journal_write(j, bytes, n, offset), SQLITE_OK)) return false;
  if (offset > m->size) memset(m->bytes + m->size, 0, (size_t)(offset - m->size));
  memcpy(m->bytes + offset, bytes, n);
  if (offset + n > m->size) m->size = offset + n;
  return CHECK_EQ(j->size, m->size);
}

static uint32_t some_length(uint64_t offset) {
  uint64_t left = MOST - offset;
  uint64_t n = 1 + rng_below(rng_below(3) == 0 ? PIECE : 1200);
  return (uint32_t)(n < left ? n : left);
}

static void random_use_matches_a_byte_array(void) {
  static const uint64_t limits[] = {0, BLOCK, 2 * BLOCK + 777, 16 * BLOCK};
  static model m;
  for (int l = 0; l < 4; l++) {
    avfs_virtual_journal j;
    bool overflowed = false;
    avfs_virtual_journal_init(&j, parent(), database(), limits[l]);
    CHECK_EQ(j.memory_limit, limits[l] / BLOCK * BLOCK);
    memset(&m, 0, sizeof m);
    for (int n = 0; n < 800; n++) {
      uint64_t at = some_offset(&j);
      bool ok = true;
      if (at >= MOST) continue;
      switch (rng_below(12)) {
        case 0:
          avfs_virtual_journal_truncate(&j, at);
          if (at < m.size) m.size = at;   /* SQLite never makes a journal longer so */
          ok = CHECK_EQ(j.size, m.size);
          break;
        case 1:
          if (rng_below(6) != 0) break;
          avfs_virtual_journal_reset(&j);
          m.size = 0;
          ok = CHECK_EQ(j.size, 0) && CHECK(j.overflow == NULL);
          break;
        case 2:
        case 3:
        case 4:
        case 5:
          ok = write_both(&j, &m, at, some_length(at));
          break;
        default:
          ok = read_agrees(&j, &m, at, some_length(at));
      }
      overflowed = overflowed || j.overflow != NULL;
      if (j.size > j.memory_limit) ok = CHECK(j.overflow != NULL) && ok;
      if (!ok) break;
    }
    CHECK_EQ(overflowed, limits[l] < MOST);
    avfs_virtual_journal_free(&j);
  }
}

static void a_read_past_the_end_is_short_and_filled_with_zeros(void) {
  avfs_virtual_journal j;
  unsigned char p[28];
  avfs_virtual_journal_init(&j, parent(), database(), BLOCK);
  memset(p, 0x55, sizeof p);
  CHECK_EQ(avfs_virtual_journal_read(&j, p, sizeof p, 0), SQLITE_IOERR_SHORT_READ);
  for (size_t i = 0; i < sizeof p; i++) CHECK_EQ(p[i], 0);
  CHECK_EQ(avfs_virtual_journal_write(&j, "abc", 3, 0), SQLITE_OK);
  memset(p, 0x55, sizeof p);
  CHECK_EQ(avfs_virtual_journal_read(&j, p, 8, 1), SQLITE_IOERR_SHORT_READ);
  CHECK_MEM_EQ(p, "bc\0\0\0\0\0\0", 8);
  CHECK_EQ(p[8], 0x55);
  memset(p, 0x55, sizeof p);
  CHECK_EQ(avfs_virtual_journal_read(&j, p, 8, UINT64_C(1) << 40), SQLITE_IOERR_SHORT_READ);
  CHECK_MEM_EQ(p, "\0\0\0\0\0\0\0\0", 8);
  avfs_virtual_journal_free(&j);
}

/* Bytes of an earlier transaction lie in the block and in the temporary file. */
static void a_hole_is_zeros_also_over_stale_bytes(void) {
  static unsigned char noise[3 * BLOCK], got[3 * BLOCK];
  for (uint64_t keep = 0; keep <= 2 * BLOCK; keep += BLOCK / 2) {
    avfs_virtual_journal j;
    avfs_virtual_journal_init(&j, parent(), database(), BLOCK);
    memset(noise, 0xaa, sizeof noise);
    CHECK_EQ(avfs_virtual_journal_write(&j, noise, sizeof noise, 0), SQLITE_OK);
    avfs_virtual_journal_truncate(&j, keep);
    CHECK_EQ(avfs_virtual_journal_write(&j, "z", 1, 3 * BLOCK - 1), SQLITE_OK);
    CHECK_EQ(j.size, 3 * BLOCK);
    CHECK_EQ(avfs_virtual_journal_read(&j, got, sizeof got, 0), SQLITE_OK);
    memset(noise + keep, 0, (size_t)(sizeof noise - keep));
    noise[3 * BLOCK - 1] = 'z';
    CHECK_MEM_EQ(got, noise, sizeof got);
    avfs_virtual_journal_free(&j);
  }
}

static void a_reset_keeps_one_block_and_no_temporary_file(void) {
  static unsigned char noise[4 * BLOCK];
  avfs_virtual_journal j;
  avfs_virtual_journal_init(&j, parent(), database(), 3 * BLOCK);
  CHECK_EQ(avfs_virtual_journal_write(&j, noise, sizeof noise, 0), SQLITE_OK);
  CHECK(j.overflow != NULL);
  avfs_virtual_journal_reset(&j);
  CHECK(j.overflow == NULL);
  CHECK_EQ(j.size, 0);
  CHECK(j.blocks[0] != NULL);
  for (uint32_t i = 1; i < j.block_count; i++) CHECK(j.blocks[i] == NULL);
  avfs_virtual_journal_free(&j);
  CHECK(j.blocks == NULL);
}

/* ---- a temporary file that refuses ------------------------------------------- */

static sqlite3_vfs refusing;

static int refuse_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out) {
  (void)vfs;
  (void)name;
  (void)f;
  (void)flags;
  (void)out;
  return SQLITE_CANTOPEN;
}

/* The part in memory was written and the size says so; nothing claims more. */
static void a_refused_temporary_file_is_reported_and_the_rest_stays(void) {
  static unsigned char bytes[2 * BLOCK], got[BLOCK];
  avfs_virtual_journal j;
  refusing = *parent();
  refusing.xOpen = refuse_open;
  avfs_virtual_journal_init(&j, &refusing, database(), BLOCK);
  sql_noise(1, bytes, sizeof bytes);
  CHECK_EQ(avfs_virtual_journal_write(&j, bytes, sizeof bytes, 0), SQLITE_CANTOPEN);
  CHECK(j.size <= BLOCK);
  CHECK(j.overflow == NULL);
  CHECK_EQ(avfs_virtual_journal_read(&j, got, (uint32_t)j.size, 0), SQLITE_OK);
  CHECK_MEM_EQ(got, bytes, (size_t)j.size);
  CHECK_EQ(avfs_virtual_journal_write(&j, bytes, 100, 5), SQLITE_OK);
  avfs_virtual_journal_free(&j);
}

void suite_virtual_journal(void) {
  CU_pSuite suite = CU_add_suite("virtual_journal", NULL, NULL);
  ADD_TEST(suite, random_use_matches_a_byte_array);
  ADD_TEST(suite, a_read_past_the_end_is_short_and_filled_with_zeros);
  ADD_TEST(suite, a_hole_is_zeros_also_over_stale_bytes);
  ADD_TEST(suite, a_reset_keeps_one_block_and_no_temporary_file);
  ADD_TEST(suite, a_refused_temporary_file_is_reported_and_the_rest_stays);
}
