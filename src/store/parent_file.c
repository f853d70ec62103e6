/* parent_file.c: see parent_file.h. */
#include "store/parent_file.h"

#include <string.h>

#include "pages/lock_bytes.h"
#include "seam/heap.h"

enum { MAX_PARAMETERS = 32 };   /* of a URI; the parent's own are two or three */

/* A copy of name with its parameters. */
static char *copy_name(const char *name) {
  const char *parameters[2 * MAX_PARAMETERS];
  char *journal, *copy;
  int n = 0;
  for (; n < MAX_PARAMETERS; n++) {
    const char *key = sqlite3_uri_key(name, n);
    if (key == NULL) break;
    parameters[2 * n] = key;
    parameters[2 * n + 1] = sqlite3_uri_parameter(name, key);
  }
  journal = sqlite3_mprintf("%s-journal", name);
  if (journal == NULL) return NULL;
  copy = (char *)sqlite3_create_filename(name, journal, "", n, parameters);
  sqlite3_free(journal);
  return copy;
}

int avfs_parent_file_open(sqlite3_vfs *parent, const char *name, int flags,
                          avfs_parent_file **file_out, int *flags_out) {
  int rc = SQLITE_NOMEM;
  avfs_parent_file *f = avfs_alloc_zero(sizeof *f);
  *file_out = NULL;
  if (f == NULL) return SQLITE_NOMEM;
  f->name = copy_name(name);
  f->file = avfs_alloc_zero((size_t)parent->szOsFile);
  if (f->name == NULL || f->file == NULL) goto fail;
  rc = parent->xOpen(parent, f->name, f->file, flags, flags_out);
  if (rc != SQLITE_OK) goto fail;
  *file_out = f;
  return SQLITE_OK;
fail:
  avfs_parent_file_close(f);
  return rc;
}

int avfs_parent_file_read(avfs_parent_file *f, void *to, uint32_t n, uint64_t offset) {
  unsigned char *at = to;
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK && n > 0) {
    int locked;
    uint32_t part = avfs_lock_bytes_part(offset, n, &locked);
    if (locked) memset(at, 0, part);
    else rc = f->file->pMethods->xRead(f->file, at, (int)part, (sqlite3_int64)offset);
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK;   /* it left zeros */
    at += part;
    offset += part;
    n -= part;
  }
  return rc;
}

int avfs_parent_file_close(avfs_parent_file *f) {
  int rc = SQLITE_OK;
  if (f == NULL) return SQLITE_OK;
  if (f->file != NULL && f->file->pMethods != NULL) rc = f->file->pMethods->xClose(f->file);
  avfs_free(f->file);
  if (f->name != NULL) sqlite3_free_filename(f->name);
  avfs_free(f);
  return rc;
}

int avfs_parent_file_control(avfs_parent_file *f, int op, void *arg) {
  if (op == SQLITE_FCNTL_CHUNK_SIZE) f->chunk_bytes = *(int *)arg;
  return f->file->pMethods->xFileControl(f->file, op, arg);
}

void avfs_parent_file_take_controls(avfs_parent_file *to, avfs_parent_file *from) {
  static const int bits[] = {SQLITE_FCNTL_PERSIST_WAL, SQLITE_FCNTL_POWERSAFE_OVERWRITE};
  sqlite3_int64 bytes = -1, none = 0;
  int i, bit;
  for (i = 0; i < 2; i++) {
    bit = -1;   /* asks */
    if (avfs_parent_file_control(from, bits[i], &bit) != SQLITE_OK) continue;
    (void)avfs_parent_file_control(to, bits[i], &bit);
  }
  if (avfs_parent_file_control(from, SQLITE_FCNTL_MMAP_SIZE, &bytes) == SQLITE_OK) {
    (void)avfs_parent_file_control(to, SQLITE_FCNTL_MMAP_SIZE, &bytes);
    (void)avfs_parent_file_control(from, SQLITE_FCNTL_MMAP_SIZE, &none);
  }
  (void)avfs_parent_file_control(to, SQLITE_FCNTL_CHUNK_SIZE, &from->chunk_bytes);
}
