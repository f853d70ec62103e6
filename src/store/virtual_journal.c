/* virtual_journal.c: see virtual_journal.h. */
#include "store/virtual_journal.h"

#include <assert.h>
#include <string.h>

#include "store/report.h"
#include "seam/heap.h"

void avfs_virtual_journal_init(avfs_virtual_journal *j, sqlite3_vfs *parent, const char *database,
                               uint64_t memory_limit) {
  memset(j, 0, sizeof *j);
  j->parent = parent;
  j->database = database;
  j->memory_limit = j->most_memory = memory_limit / AVFS_JOURNAL_BLOCK * AVFS_JOURNAL_BLOCK;
}

void avfs_virtual_journal_set_limit(avfs_virtual_journal *j, uint64_t bytes) {
  if (j->size > 0) return;
  if (bytes < AVFS_JOURNAL_BLOCK) bytes = AVFS_JOURNAL_BLOCK;
  j->memory_limit = bytes < j->most_memory ? bytes / AVFS_JOURNAL_BLOCK * AVFS_JOURNAL_BLOCK : j->most_memory;
}

/* The part of [offset, offset+n) that lies in one block, or in the overflow. */
static uint32_t piece_of(const avfs_virtual_journal *j, uint64_t offset, uint32_t n) {
  uint32_t left;
  if (offset >= j->memory_limit) return n;
  left = AVFS_JOURNAL_BLOCK - (uint32_t)(offset % AVFS_JOURNAL_BLOCK);
  return n < left ? n : left;
}

/* Gone when closed, as SQLite's own temporary files. Not EXCLUSIVE: one may have been left, and
 * nobody else's can have the name, since the writer alone has a journal. */
static int open_overflow(avfs_virtual_journal *j) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_DELETEONCLOSE |
                    SQLITE_OPEN_SUBJOURNAL;
  avfs_parent_file *f = NULL;
  char *path = sqlite3_mprintf("%s-avfstmp", j->database);
  char *name = path == NULL ? NULL : (char *)sqlite3_create_filename(path, "", "", 0, NULL);
  int rc = SQLITE_IOERR_NOMEM;
  if (name != NULL) {
    rc = avfs_parent_file_open(j->parent, name, flags, &f, NULL);
    if (rc == SQLITE_OK) rc = f->file->pMethods->xTruncate(f->file, 0);   /* what was left */
    if (rc != SQLITE_OK) avfs_report_call(rc, 0, path, "the statement fails");
    sqlite3_free_filename(name);
  }
  sqlite3_free(path);
  if (rc == SQLITE_OK) j->overflow = f;
  else avfs_parent_file_close(f);
  return rc == SQLITE_NOMEM ? SQLITE_IOERR_NOMEM : rc;
}

static void close_overflow(avfs_virtual_journal *j) {
  avfs_parent_file_close(j->overflow);
  j->overflow = NULL;
}

int avfs_virtual_journal_read(avfs_virtual_journal *j, void *p, uint32_t n, uint64_t offset) {
  unsigned char *to = p;
  uint32_t have = offset >= j->size ? 0 : n;
  if (have != 0 && j->size - offset < have) have = (uint32_t)(j->size - offset);
  memset(to + have, 0, n - have);
  for (uint32_t done = 0; done < have;) {
    uint64_t at = offset + done;
    uint32_t k = piece_of(j, at, have - done);
    if (at >= j->memory_limit) {
      int rc = SQLITE_IOERR_SHORT_READ;
      if (j->overflow != NULL) {
        sqlite3_file *f = j->overflow->file;
        rc = f->pMethods->xRead(f, to + done, (int)k, (sqlite3_int64)(at - j->memory_limit));
      } else {
        memset(to + done, 0, k);
      }
      /* A short read within size is a hole at the file's end: zeros, already. */
      if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ) return rc;
    } else {
      uint64_t i = at / AVFS_JOURNAL_BLOCK;
      const unsigned char *block = i < j->block_count ? j->blocks[i] : NULL;
      if (block != NULL) memcpy(to + done, block + at % AVFS_JOURNAL_BLOCK, k);
      else memset(to + done, 0, k);
    }
    done += k;
  }
  return have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int block_for_writing(avfs_virtual_journal *j, uint64_t i, unsigned char **block_out) {
  if (i >= j->block_count) {
    uint32_t count = (uint32_t)i + 8;
    unsigned char **more = avfs_alloc_zero(count * sizeof *more);
    if (more == NULL) return SQLITE_IOERR_NOMEM;
    if (j->block_count > 0) memcpy(more, j->blocks, j->block_count * sizeof *more);
    avfs_free(j->blocks);
    j->blocks = more;
    j->block_count = count;
  }
  if (j->blocks[i] == NULL) {
    j->blocks[i] = avfs_alloc_zero(AVFS_JOURNAL_BLOCK);
    if (j->blocks[i] == NULL) return SQLITE_IOERR_NOMEM;
  }
  *block_out = j->blocks[i];
  return SQLITE_OK;
}

static int write_piece(avfs_virtual_journal *j, const unsigned char *from, uint32_t n,
                       uint64_t offset) {
  unsigned char *block;
  int rc;
  if (offset >= j->memory_limit) {
    rc = j->overflow == NULL ? open_overflow(j) : SQLITE_OK;
    if (rc == SQLITE_OK) {
      sqlite3_file *f = j->overflow->file;
      rc = f->pMethods->xWrite(f, from, (int)n, (sqlite3_int64)(offset - j->memory_limit));
    }
    return rc;
  }
  rc = block_for_writing(j, offset / AVFS_JOURNAL_BLOCK, &block);
  if (rc == SQLITE_OK) memcpy(block + offset % AVFS_JOURNAL_BLOCK, from, n);
  return rc;
}

/* A write behind the end leaves zeros between, also where the bytes of an
 * earlier transaction are still in the block. */
static int fill_hole(avfs_virtual_journal *j, uint64_t upto) {
  static const unsigned char zeros[512];
  while (j->size < upto) {
    uint64_t n = upto - j->size < sizeof zeros ? upto - j->size : sizeof zeros;
    uint32_t k = piece_of(j, j->size, (uint32_t)n);
    int rc = write_piece(j, zeros, k, j->size);
    if (rc != SQLITE_OK) return rc;
    j->size += k;
  }
  return SQLITE_OK;
}

int avfs_virtual_journal_write(avfs_virtual_journal *j, const void *p, uint32_t n,
                               uint64_t offset) {
  const unsigned char *from = p;
  int rc = fill_hole(j, offset);
  while (rc == SQLITE_OK && n > 0) {
    uint32_t k = piece_of(j, offset, n);
    rc = write_piece(j, from, k, offset);
    if (rc != SQLITE_OK) break;
    from += k;
    offset += k;
    n -= k;
    if (offset > j->size) j->size = offset;
  }
  return rc;
}

void avfs_virtual_journal_truncate(avfs_virtual_journal *j, uint64_t size) {
  if (size >= j->size) return;
  j->size = size;
  if (size <= j->memory_limit) close_overflow(j);
}

void avfs_virtual_journal_reset(avfs_virtual_journal *j) {
  uint32_t i;
  close_overflow(j);
  for (i = 1; i < j->block_count; i++) {
    avfs_free(j->blocks[i]);
    j->blocks[i] = NULL;
  }
  j->size = 0;
}

void avfs_virtual_journal_free(avfs_virtual_journal *j) {
  avfs_virtual_journal_reset(j);
  if (j->block_count > 0) avfs_free(j->blocks[0]);
  avfs_free(j->blocks);
  memset(j, 0, sizeof *j);
}
