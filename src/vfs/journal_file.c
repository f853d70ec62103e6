/* journal_file.c: the rollback journal of a writer that is ours, in memory.
 *
 * It belongs to the store's virtual journal, of which the connection at RESERVED
 * is the owner. That one opens it (vfs.c); and so does, to read whether it names a
 * super-journal, SQLite's pager_delsuper on the same thread. Syncing costs nothing: the batch
 * brings a journal of its own. Nothing here fails where SQLite finalises it.
 */
#include <string.h>

#include "engine/batch_journal.h"
#include "vfs/vfs.h"

typedef struct journal_file {
  sqlite3_file base;
  avfs_store *store;
} journal_file;

int avfs_journal_file_bytes(void) { return (int)sizeof(journal_file); }

static avfs_virtual_journal *journal_of(sqlite3_file *f) {
  return &((journal_file *)f)->store->journal;
}

static int journal_close(sqlite3_file *f) {
  (void)f;
  return SQLITE_OK;
}

static int journal_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
  return avfs_virtual_journal_read(journal_of(f), p, (uint32_t)n, (uint64_t)offset);
}

/* The end of the record that names the super-journal (pager.c, writeSuperJournal). At offset 0
 * another journal begins (writeJournalHdr), or this one becomes void (zeroJournalHdr), unless
 * it is the number of records (syncJournal: 12 bytes). */
static void note_super(avfs_store *s, const void *p, int n, sqlite3_int64 offset) {
  const int magic_bytes = sizeof avfs_journal_magic;
  if (offset == 0 && n != 12) {
    avfs_transaction_note_super(s, 0);
  } else if (n == magic_bytes && memcmp(p, avfs_journal_magic, sizeof avfs_journal_magic) == 0) {
    avfs_transaction_note_super(s, 1);
  }
}

static int journal_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset) {
  note_super(((journal_file *)f)->store, p, n, offset);
  return avfs_virtual_journal_write(journal_of(f), p, (uint32_t)n, (uint64_t)offset);
}

static int journal_truncate(sqlite3_file *f, sqlite3_int64 size) {
  if (size == 0) avfs_transaction_note_super(((journal_file *)f)->store, 0);
  avfs_virtual_journal_truncate(journal_of(f), (uint64_t)size);
  return SQLITE_OK;
}

static int journal_sync(sqlite3_file *f, int flags) {
  (void)f;
  (void)flags;
  return SQLITE_OK;
}

static int journal_size(sqlite3_file *f, sqlite3_int64 *size_out) {
  *size_out = (sqlite3_int64)journal_of(f)->size;
  return SQLITE_OK;
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
  (void)f;
  (void)op;
  (void)arg;
  return SQLITE_NOTFOUND;
}

static int journal_sector_size(sqlite3_file *f) {
  (void)f;
  return 512;
}

static int journal_characteristics(sqlite3_file *f) {
  (void)f;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
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

void avfs_journal_file_open(sqlite3_file *f, avfs_store *s) {
  f->pMethods = &methods;
  ((journal_file *)f)->store = s;
}
