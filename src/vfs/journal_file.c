/* journal_file.c: the rollback journal of a connection, in memory or the parent's file.
 *
 *   managed   the store's virtual journal. It belongs to the connection at RESERVED or more;
 *             any other one has none: it reads as empty. Syncing costs nothing, since the batch
 *             brings a journal of its own, and nothing fails where SQLite finalises it.
 *   passed    the parent's file of that name.
 *
 * Which of them is asked at each call (mode.c): SQLite may keep its handle while the mode changes,
 * and begins the next journal through it. Then the parent's file is opened at its first use.
 *
 * The virtual journal is opened a second time, to read whether it names a super-journal, by
 * SQLite's pager_delsuper on the thread of its owner.
 */
#include <string.h>

#include "pages/journal_format.h"
#include "seam/heap.h"
#include "store/transaction.h"
#include "store/write_through.h"
#include "vfs/vfs.h"

struct avfs_journal_file {
  sqlite3_file base;
  avfs_main_file *main;
  int flags;             /* of xOpen */
  sqlite3_file *real;    /* the parent's; NULL: not open */
};

int avfs_journal_file_bytes(void) { return (int)sizeof(avfs_journal_file); }

static avfs_journal_file *self_of(sqlite3_file *f) { return (avfs_journal_file *)f; }

static avfs_conn *conn_of(sqlite3_file *f) { return &self_of(f)->main->conn; }

static int is_managed(sqlite3_file *f) { return self_of(f)->main->mode == AVFS_MODE_MANAGED; }

/* ---- the parent's file ------------------------------------------------------------ */

int avfs_journal_file_is_real(const avfs_journal_file *j) { return j->real != NULL; }

void avfs_journal_file_forget(avfs_journal_file *j) {
  if (j->real == NULL) return;
  j->real->pMethods->xClose(j->real);
  avfs_free(j->real);
  j->real = NULL;
}

static int open_real(avfs_journal_file *j, int flags, int *flags_out) {
  const avfs_conn *c = &j->main->conn;
  sqlite3_vfs *parent = c->store->parent;
  int rc;
  j->real = avfs_alloc_zero((size_t)parent->szOsFile);
  if (j->real == NULL) return SQLITE_IOERR_NOMEM;
  rc = parent->xOpen(parent, sqlite3_filename_journal(c->parent->name), j->real, flags, flags_out);
  if (rc != SQLITE_OK) {
    avfs_free(j->real);
    j->real = NULL;
  }
  return rc;
}

/* The parent's file, to be written: after a change of the mode it is opened here. */
static int real_to_write(sqlite3_file *f, sqlite3_file **real_out) {
  avfs_journal_file *j = self_of(f);
  int rc = j->real != NULL ? SQLITE_OK : open_real(j, j->flags | SQLITE_OPEN_CREATE, NULL);
  *real_out = j->real;
  return rc;
}

/* To be read: NULL and SQLITE_OK when it is not there. One that cannot be opened is an error: it
 * may be hot. */
static int real_to_read(sqlite3_file *f, sqlite3_file **real_out) {
  avfs_journal_file *j = self_of(f);
  sqlite3_vfs *parent = j->main->conn.store->parent;
  int there = 0, rc = SQLITE_OK;
  if (j->real == NULL) {
    rc = parent->xAccess(parent, j->main->conn.store->journal_path, SQLITE_ACCESS_EXISTS, &there);
    if (rc == SQLITE_OK && there) rc = open_real(j, j->flags & ~SQLITE_OPEN_CREATE, NULL);
  }
  *real_out = j->real;
  return rc;
}

/* ---- the methods -------------------------------------------------------------------- */

static int journal_close(sqlite3_file *f) {
  avfs_journal_file *j = self_of(f);
  avfs_journal_file_forget(j);
  if (j->main->journal == j) j->main->journal = NULL;
  return SQLITE_OK;
}

static int read_nothing(void *p, int n) {
  memset(p, 0, (size_t)n);
  return SQLITE_IOERR_SHORT_READ;
}

static int journal_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
  avfs_virtual_journal *v;
  sqlite3_file *real;
  int rc;
  if (is_managed(f)) {
    v = avfs_transaction_journal(conn_of(f));
    return v == NULL ? read_nothing(p, n) : avfs_virtual_journal_read(v, p, (uint32_t)n, (uint64_t)offset);
  }
  rc = real_to_read(f, &real);
  if (rc != SQLITE_OK) return rc;
  return real == NULL ? read_nothing(p, n) : real->pMethods->xRead(real, p, n, offset);
}

/* The end of the record that names the super-journal (pager.c, writeSuperJournal). At offset 0
 * another journal begins (writeJournalHdr), or this one becomes void (zeroJournalHdr), unless
 * it is the number of records (syncJournal: 12 bytes). */
static void note_super(avfs_store *s, const void *p, int n, sqlite3_int64 offset) {
  const int magic_bytes = sizeof avfs_journal_magic;
  if (offset == 0 && n != 12) {
    avfs_write_through_note_super(s, 0);
  } else if (n == magic_bytes && memcmp(p, avfs_journal_magic, sizeof avfs_journal_magic) == 0) {
    avfs_write_through_note_super(s, 1);
  }
}

static int journal_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset) {
  avfs_virtual_journal *v;
  sqlite3_file *real;
  int rc;
  if (is_managed(f)) {
    v = avfs_transaction_journal(conn_of(f));
    if (v == NULL) return SQLITE_IOERR_WRITE;   /* not by SQLite's rules */
    note_super(conn_of(f)->store, p, n, offset);
    return avfs_virtual_journal_write(v, p, (uint32_t)n, (uint64_t)offset);
  }
  rc = real_to_write(f, &real);
  return rc != SQLITE_OK ? rc : real->pMethods->xWrite(real, p, n, offset);
}

static int journal_truncate(sqlite3_file *f, sqlite3_int64 size) {
  avfs_virtual_journal *v;
  sqlite3_file *real;
  int rc;
  if (is_managed(f)) {
    v = avfs_transaction_journal(conn_of(f));
    if (v != NULL && size == 0) avfs_write_through_note_super(conn_of(f)->store, 0);
    if (v != NULL) avfs_virtual_journal_truncate(v, (uint64_t)size);
    return SQLITE_OK;
  }
  rc = real_to_write(f, &real);
  return rc != SQLITE_OK ? rc : real->pMethods->xTruncate(real, size);
}

static int journal_sync(sqlite3_file *f, int flags) {
  sqlite3_file *real;
  int rc;
  if (is_managed(f)) return SQLITE_OK;
  rc = real_to_write(f, &real);
  return rc != SQLITE_OK ? rc : real->pMethods->xSync(real, flags);
}

static int journal_size(sqlite3_file *f, sqlite3_int64 *size_out) {
  const avfs_virtual_journal *v;
  sqlite3_file *real;
  int rc;
  *size_out = 0;
  if (is_managed(f)) {
    v = avfs_transaction_journal(conn_of(f));
    if (v != NULL) *size_out = (sqlite3_int64)v->size;
    return SQLITE_OK;
  }
  rc = real_to_read(f, &real);
  return rc != SQLITE_OK || real == NULL ? rc : real->pMethods->xFileSize(real, size_out);
}

static int journal_lock(sqlite3_file *f, int level) {
  (void)f;
  (void)level;
  return SQLITE_OK;
}

static int journal_check_reserved(sqlite3_file *f, int *reserved_out) {
  (void)f;
  *reserved_out = 0;
  return SQLITE_OK;
}

static int journal_control(sqlite3_file *f, int op, void *arg) {
  sqlite3_file *real = self_of(f)->real;
  if (is_managed(f) || real == NULL) return SQLITE_NOTFOUND;
  return real->pMethods->xFileControl(real, op, arg);
}

static int journal_sector_size(sqlite3_file *f) {
  sqlite3_file *real = self_of(f)->real;
  return is_managed(f) || real == NULL ? 512 : real->pMethods->xSectorSize(real);
}

static int journal_characteristics(sqlite3_file *f) {
  sqlite3_file *real = self_of(f)->real;
  return is_managed(f) || real == NULL ? SQLITE_IOCAP_POWERSAFE_OVERWRITE
                                       : real->pMethods->xDeviceCharacteristics(real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = journal_close,
    .xRead = journal_read,
    .xWrite = journal_write,
    .xTruncate = journal_truncate,
    .xSync = journal_sync,
    .xFileSize = journal_size,
    .xLock = journal_lock,
    .xUnlock = journal_lock,
    .xCheckReservedLock = journal_check_reserved,
    .xFileControl = journal_control,
    .xSectorSize = journal_sector_size,
    .xDeviceCharacteristics = journal_characteristics,
};

int avfs_journal_file_open(sqlite3_file *f, avfs_main_file *m, int flags, int *flags_out) {
  avfs_journal_file *j = self_of(f);
  int rc;
  memset(j, 0, sizeof *j);
  j->main = m;
  j->flags = flags;
  if (flags_out != NULL) *flags_out = flags;
  if (m->mode == AVFS_MODE_PASSED) {
    rc = open_real(j, flags, flags_out);
    if (rc != SQLITE_OK) return rc;
  }
  j->base.pMethods = &methods;
  if (flags & SQLITE_OPEN_MAIN_JOURNAL) m->journal = j;
  return SQLITE_OK;
}
