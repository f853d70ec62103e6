/* fresh.c: see fresh.h. */
#include "store/fresh.h"

#include <string.h>

#include "seam/heap.h"
#include "store/one_file.h"
#include "store/report.h"
#include "store/redo_ring.h"

static int exists(avfs_store *s, const char *path, int *exists_out) {
  return s->parent->xAccess(s->parent, path, SQLITE_ACCESS_EXISTS, exists_out);
}

/* 0 when the journal's first byte is 0 or it has none. One that cannot be opened, or when
 * there is no memory to look, counts as 1: let SQLite look. One that cannot be read is an
 * error: taken for void it would be cut, and nothing could take the database back. */
static int first_byte(avfs_store *s, unsigned char *byte_out) {
  const char *name = sqlite3_filename_journal(s->os_file->name);
  sqlite3_file *f = avfs_alloc_zero((size_t)s->parent->szOsFile);
  int rc = SQLITE_OK;
  *byte_out = 1;
  if (f == NULL) return SQLITE_OK;
  if (s->parent->xOpen(s->parent, name, f, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_JOURNAL,
                       NULL) == SQLITE_OK) {
    *byte_out = 0;
    rc = f->pMethods->xRead(f, byte_out, 1, 0);
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK;
    f->pMethods->xClose(f);
  }
  avfs_free(f);
  return rc;
}

/* pager.c, hasHotJournal: with SHARED held. A journal beside an empty database
 * counts, whatever is in it: SQLite deletes it. Once, that is: another connection of
 * stock SQLite may keep it open. */
static int journal_is_hot(avfs_store *s, int first_try, int *hot_out) {
  sqlite3_file *f = s->os_file->file;
  sqlite3_int64 size = 1;
  unsigned char byte;
  int there = 0, reserved = 0;
  int rc = exists(s, s->journal_path, &there);
  *hot_out = 0;
  if (rc != SQLITE_OK || !there) return rc;
  rc = f->pMethods->xCheckReservedLock(f, &reserved);
  if (rc != SQLITE_OK || reserved) return rc;   /* another process is writing it */
  if (first_try) rc = f->pMethods->xFileSize(f, &size);
  if (rc != SQLITE_OK) return rc;
  rc = first_byte(s, &byte);
  *hot_out = size == 0 || byte != 0;
  return rc;
}

/* SQLite itself rolls the hot journal back, through the parent VFS. Not through
 * the store: its writes are no commit. PRIVATECACHE is a must: under shared cache
 * the connection would wait for the mutex that our caller holds. NO_CKPT_ON_CLOSE: it may
 * be the last connection to a -wal beside the journal, which its close would write into the
 * database and delete. That is the application's to decide. */
static int recover(avfs_store *s) {
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE,
                           s->parent->zName);
  if (rc == SQLITE_OK) rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL);
  if (rc != SQLITE_OK && db != NULL) rc = sqlite3_extended_errcode(db);
  sqlite3_close(db);
  if (rc == SQLITE_OK) {
    avfs_report(SQLITE_NOTICE_RECOVER_ROLLBACK, "asyncvfs: rolled back the hot journal of %s", s->path);
  } else {
    avfs_report(rc, "asyncvfs: cannot roll back the hot journal of %s", s->path);
  }
  return rc;
}

/* The length of the file and its first bytes. */
static int read_start(sqlite3_file *file, avfs_fresh *f) {
  sqlite3_int64 size = 0;
  int rc = file->pMethods->xFileSize(file, &size);
  f->size = (uint64_t)size;
  memset(f->header, 0, sizeof f->header);
  if (rc == SQLITE_OK && size > 0) {
    rc = file->pMethods->xRead(file, f->header, sizeof f->header, 0);
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK;
  }
  return rc;
}

/* 0 where a VFS above us writes the file in a way of its own. Its hot journal may hold what that
 * VFS was given to write, and not what is in the file: SQLite is to roll it back from above. */
static int is_plain(const avfs_fresh *f) {
  return f->size < sizeof f->header || memcmp(f->header, "SQLite format 3", 16) == 0;
}

/* Who passes it through reads and writes without them. */
static void tell_not_taken_up(avfs_store *s, const avfs_fresh *f) {
  avfs_report(SQLITE_WARNING, "asyncvfs: %llu commits in %s are not in the database: it is passed through", f->pending,
              s->ring_path);
}

/* SHARED on the file, and all that is to be known under it. A hard link may have been made
 * since the file was opened: what a journal beside it means, only stock SQLite's rules say. */
int avfs_fresh_lock(avfs_store *s, int read_only, avfs_fresh *f) {
  sqlite3_file *file = s->os_file->file;
  sqlite3_int64 size = 0;
  uint32_t links;
  int hot, there = 0, tries, rc;
  memset(f, 0, sizeof *f);
  rc = s->io->links(s->db, &links);
  if (rc != SQLITE_OK) return rc;
  if (links > 1) {
    f->reason = avfs_has_links;
    return AVFS_PASS;
  }
  for (tries = 0; tries < 3; tries++) {
    rc = file->pMethods->xLock(file, AVFS_LOCK_SHARED);
    if (rc != SQLITE_OK) return rc;
    rc = journal_is_hot(s, tries == 0, &hot);
    if (rc != SQLITE_OK) goto unlock;
    if (!hot) break;
    if (read_only) {   /* as SQLite tells a reader that may not write */
      rc = file->pMethods->xFileSize(file, &size);
      if (rc == SQLITE_OK && size == 0) break;   /* it does not look for a journal here */
      if (rc == SQLITE_OK) rc = SQLITE_READONLY_ROLLBACK;
      goto unlock;
    }
    rc = read_start(file, f);
    if (rc != SQLITE_OK) goto unlock;
    if (!is_plain(f)) {
      f->reason = "a hot journal is beside a file that is no plain SQLite database";
      rc = AVFS_PASS;
      goto unlock;
    }
    file->pMethods->xUnlock(file, AVFS_LOCK_NONE);
    rc = recover(s);
    if (rc != SQLITE_OK && rc != SQLITE_NOTADB && (rc & 0xff) != SQLITE_CORRUPT) return rc;
  }
  if (tries == 3) return SQLITE_BUSY;
  rc = read_start(file, f);
  if (rc != SQLITE_OK) goto unlock;
  rc = exists(s, s->wal_path, &there);
  if (rc != SQLITE_OK) goto unlock;
  rc = avfs_ring_look(s, f->header, &f->has_ring, &f->pending);
  if (rc != SQLITE_OK) goto unlock;
  if (f->pending > 0 && read_only) {
    rc = SQLITE_READONLY_RECOVERY;
    goto unlock;
  }
  if (!there && avfs_header_is_rollback(f->header, f->size)) return SQLITE_OK;
  if (f->pending > 0) tell_not_taken_up(s, f);
  f->reason = avfs_header_objection(f->header, f->size);
  if (f->reason == NULL) f->reason = "a write-ahead log (-wal) is beside the database";
  rc = AVFS_PASS;
unlock:
  file->pMethods->xUnlock(file, AVFS_LOCK_NONE);
  return rc;
}
