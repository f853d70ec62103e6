/* floor_vfs.c: files in memory, at the least cost that is still correct.
 *
 *   name --> file --> chunks of 64 KiB, never moved once they exist
 *
 * Fair: it reports the same device characteristics as asyncvfs, keeps
 * SQLite's rules between the connections of a file, and zero-fills. Good:
 * growing never copies, and the chunks of a deleted journal are kept for
 * the next one, so that a commit allocates nothing.
 *
 * Invariants:
 *   (1) bytes of a chunk at or beyond file->size are garbage: whoever grows
 *       the file past them by a gap zeroes the gap.
 *   (2) a file lives while it has a name or a handle.
 * Locks:  none. All connections belong to one thread: a lock would be a
 *         cost that the floor need not have.
 * Memory: chunks belong to their file or to the free list.
 */
#include "floor_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* Newer than the oldest SQLite that the benchmark compiles with. */
#ifndef SQLITE_IOCAP_SUBPAGE_READ
# define SQLITE_IOCAP_SUBPAGE_READ 0x00008000
#endif

#define CHUNK_BYTES    65536
#define MAX_PATH_BYTES 1040

typedef union chunk chunk;
union chunk {
  chunk *next_free;
  unsigned char bytes[CHUNK_BYTES];
};

typedef struct memory_file memory_file;
struct memory_file {
  memory_file *next;
  char *name; /* NULL: temporary, or deleted while open */
  int handles;
  sqlite3_int64 size;
  chunk **chunks;
  size_t chunk_count, chunk_capacity;
  /* the lock table */
  int shared;                 /* handles at SHARED or above */
  const sqlite3_file *writer; /* the one at RESERVED or above */
  int pending;                /* the writer waits for readers to leave */
};

typedef struct floor_handle {
  sqlite3_file base; /* first: SQLite's view of this object */
  memory_file *file;
  int level;
  int delete_on_close;
} floor_handle;

static memory_file *all_files;
static chunk *free_chunks;
static sqlite3_vfs *parent; /* for paths, random bytes, time, extensions */

/* ---- chunks ---------------------------------------------------------- */

static chunk *chunk_take(void) {
  chunk *c = free_chunks;
  if (c == NULL) return malloc(sizeof *c);
  free_chunks = c->next_free;
  return c;
}

static void chunk_give_back(chunk *c) {
  c->next_free = free_chunks;
  free_chunks = c;
}

/* Makes chunks for `size` bytes. The file's size does not change. */
static int reserve(memory_file *f, sqlite3_int64 size) {
  size_t need = (size_t)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
  if (need > f->chunk_capacity) {
    size_t capacity = f->chunk_capacity < 16 ? 16 : f->chunk_capacity * 2;
    chunk **grown;
    if (capacity < need) capacity = need;
    grown = realloc(f->chunks, capacity * sizeof *grown);
    if (grown == NULL) return SQLITE_NOMEM;
    f->chunks = grown;
    f->chunk_capacity = capacity;
  }
  while (f->chunk_count < need) {
    chunk *c = chunk_take();
    if (c == NULL) return SQLITE_NOMEM;
    f->chunks[f->chunk_count++] = c;
  }
  return SQLITE_OK;
}

/* Copies into the file, or zeroes it where `from` is NULL. */
static void fill(memory_file *f, const unsigned char *from, sqlite3_int64 n,
                 sqlite3_int64 offset) {
  while (n > 0) {
    size_t at = (size_t)(offset % CHUNK_BYTES);
    size_t part = CHUNK_BYTES - at;
    unsigned char *to = f->chunks[offset / CHUNK_BYTES]->bytes + at;
    if ((sqlite3_int64)part > n) part = (size_t)n;
    if (from == NULL) {
      memset(to, 0, part);
    } else {
      memcpy(to, from, part);
      from += part;
    }
    offset += (sqlite3_int64)part;
    n -= (sqlite3_int64)part;
  }
}

static void cut(memory_file *f, sqlite3_int64 size) {
  size_t keep = (size_t)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
  while (f->chunk_count > keep) chunk_give_back(f->chunks[--f->chunk_count]);
  f->size = size;
}

/* ---- files ----------------------------------------------------------- */

static memory_file *file_find(const char *name) {
  memory_file *f = all_files;
  while (f != NULL && (f->name == NULL || strcmp(f->name, name) != 0)) f = f->next;
  return f;
}

static memory_file *file_create(const char *name) {
  memory_file *f = calloc(1, sizeof *f);
  if (f == NULL) return NULL;
  if (name != NULL) {
    size_t n = strlen(name) + 1;
    f->name = malloc(n);
    if (f->name == NULL) {
      free(f);
      return NULL;
    }
    memcpy(f->name, name, n);
  }
  f->next = all_files;
  all_files = f;
  return f;
}

static void file_free_if_unused(memory_file *f) {
  memory_file **link = &all_files;
  if (f->name != NULL || f->handles > 0) return;
  while (*link != f) link = &(*link)->next;
  *link = f->next;
  cut(f, 0);
  free(f->chunks);
  free(f);
}

static void file_forget_name(memory_file *f) {
  free(f->name);
  f->name = NULL;
  file_free_if_unused(f);
}

/* ---- sqlite3_io_methods ---------------------------------------------- */

static int floor_unlock(sqlite3_file *handle, int level) {
  floor_handle *h = (floor_handle *)handle;
  if (h->file->writer == handle && level < SQLITE_LOCK_RESERVED) {
    h->file->writer = NULL;
    h->file->pending = 0;
  }
  if (level == SQLITE_LOCK_NONE && h->level > SQLITE_LOCK_NONE) h->file->shared--;
  if (level < h->level) h->level = level;
  return SQLITE_OK;
}

static int floor_close(sqlite3_file *handle) {
  floor_handle *h = (floor_handle *)handle;
  memory_file *f = h->file;
  floor_unlock(handle, SQLITE_LOCK_NONE);
  f->handles--;
  if (h->delete_on_close && f->name != NULL) {
    file_forget_name(f);
  } else {
    file_free_if_unused(f);
  }
  return SQLITE_OK;
}

static int floor_read(sqlite3_file *handle, void *to, int n, sqlite3_int64 offset) {
  memory_file *f = ((floor_handle *)handle)->file;
  unsigned char *out = to;
  sqlite3_int64 there = f->size - offset;
  if (there > n) there = n;
  if (there < 0) there = 0;
  if (there < n) memset(out + there, 0, (size_t)(n - there));
  n = there < n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
  while (there > 0) {
    size_t at = (size_t)(offset % CHUNK_BYTES);
    size_t part = CHUNK_BYTES - at;
    if ((sqlite3_int64)part > there) part = (size_t)there;
    memcpy(out, f->chunks[offset / CHUNK_BYTES]->bytes + at, part);
    out += part;
    offset += (sqlite3_int64)part;
    there -= (sqlite3_int64)part;
  }
  return n;
}

static int floor_write(sqlite3_file *handle, const void *from, int n, sqlite3_int64 offset) {
  memory_file *f = ((floor_handle *)handle)->file;
  if (offset + n > f->size) {
    int rc = reserve(f, offset + n);
    if (rc != SQLITE_OK) return rc;
    if (offset > f->size) fill(f, NULL, offset - f->size, f->size);
    f->size = offset + n;
  }
  fill(f, from, n, offset);
  return SQLITE_OK;
}

static int floor_truncate(sqlite3_file *handle, sqlite3_int64 size) {
  memory_file *f = ((floor_handle *)handle)->file;
  if (size < f->size) cut(f, size);
  return SQLITE_OK;
}

static int floor_sync(sqlite3_file *handle, int flags) {
  (void)handle;
  (void)flags;
  return SQLITE_OK;
}

static int floor_file_size(sqlite3_file *handle, sqlite3_int64 *size_out) {
  *size_out = ((floor_handle *)handle)->file->size;
  return SQLITE_OK;
}

static int floor_lock(sqlite3_file *handle, int level) {
  floor_handle *h = (floor_handle *)handle;
  memory_file *f = h->file;
  if (h->level >= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (f->pending) return SQLITE_BUSY;
    f->shared++;
  } else {
    if (f->writer != NULL && f->writer != handle) return SQLITE_BUSY;
    f->writer = handle;
    if (level == SQLITE_LOCK_EXCLUSIVE) {
      f->pending = 1;
      if (f->shared > 1) {
        h->level = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
      }
    }
  }
  h->level = level;
  return SQLITE_OK;
}

static int floor_check_reserved(sqlite3_file *handle, int *reserved_out) {
  *reserved_out = ((floor_handle *)handle)->file->writer != NULL;
  return SQLITE_OK;
}

static int floor_file_control(sqlite3_file *handle, int op, void *arg) {
  (void)handle;
  if (op == SQLITE_FCNTL_HAS_MOVED) {
    *(int *)arg = 0;
    return SQLITE_OK;
  }
  if (op == SQLITE_FCNTL_VFSNAME) {
    *(char **)arg = sqlite3_mprintf("floor");
    return SQLITE_OK;
  }
  return SQLITE_NOTFOUND;
}

static int floor_sector_size(sqlite3_file *handle) {
  (void)handle;
  return 4096;
}

static int floor_characteristics(sqlite3_file *handle) {
  (void)handle;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SUBPAGE_READ;
}

static const sqlite3_io_methods floor_methods = {
    .iVersion = 1,
    .xClose = floor_close,
    .xRead = floor_read,
    .xWrite = floor_write,
    .xTruncate = floor_truncate,
    .xSync = floor_sync,
    .xFileSize = floor_file_size,
    .xLock = floor_lock,
    .xUnlock = floor_unlock,
    .xCheckReservedLock = floor_check_reserved,
    .xFileControl = floor_file_control,
    .xSectorSize = floor_sector_size,
    .xDeviceCharacteristics = floor_characteristics,
};

/* ---- sqlite3_vfs ------------------------------------------------------ */

static int floor_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *handle, int flags,
                      int *flags_out) {
  floor_handle *h = (floor_handle *)handle;
  memory_file *f = name == NULL ? NULL : file_find(name);
  (void)vfs;
  memset(h, 0, sizeof *h);
  if (f == NULL) {
    if (!(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
    f = file_create(name);
    if (f == NULL) return SQLITE_NOMEM;
  } else if (flags & SQLITE_OPEN_EXCLUSIVE) {
    return SQLITE_CANTOPEN;
  }
  f->handles++;
  h->file = f;
  h->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  h->base.pMethods = &floor_methods;
  if (flags_out != NULL) *flags_out = flags;
  return SQLITE_OK;
}

static int floor_delete(sqlite3_vfs *vfs, const char *name, int sync_directory) {
  memory_file *f = file_find(name);
  (void)vfs;
  (void)sync_directory;
  if (f == NULL) return SQLITE_IOERR_DELETE_NOENT;
  file_forget_name(f);
  return SQLITE_OK;
}

static int floor_access(sqlite3_vfs *vfs, const char *name, int flags, int *yes_out) {
  const memory_file *f = file_find(name);
  (void)vfs;
  /* as the win32 VFS: an empty file does not count as existing */
  *yes_out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->size > 0);
  return SQLITE_OK;
}

static int floor_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out) {
  size_t length = strlen(name) + 1;
  (void)vfs;
  if (length > (size_t)n) return SQLITE_CANTOPEN;
  memcpy(out, name, length);
  return SQLITE_OK;
}

static int floor_randomness(sqlite3_vfs *vfs, int n, char *out) {
  (void)vfs;
  return parent->xRandomness(parent, n, out);
}

static int floor_sleep(sqlite3_vfs *vfs, int us) {
  (void)vfs;
  return parent->xSleep(parent, us);
}

static int floor_current_time(sqlite3_vfs *vfs, double *days_out) {
  (void)vfs;
  return parent->xCurrentTime(parent, days_out);
}

static int floor_last_error(sqlite3_vfs *vfs, int n, char *out) {
  (void)vfs;
  (void)n;
  (void)out;
  return 0;
}

int floor_vfs_register(void) {
  static sqlite3_vfs vfs = {
      .iVersion = 1,
      .szOsFile = (int)sizeof(floor_handle),
      .mxPathname = MAX_PATH_BYTES,
      .zName = "floor",
      .xOpen = floor_open,
      .xDelete = floor_delete,
      .xAccess = floor_access,
      .xFullPathname = floor_full_pathname,
      .xRandomness = floor_randomness,
      .xSleep = floor_sleep,
      .xCurrentTime = floor_current_time,
      .xGetLastError = floor_last_error,
  };
  parent = sqlite3_vfs_find(NULL);
  if (parent == NULL) return SQLITE_ERROR;
  return sqlite3_vfs_register(&vfs, 0);
}

void floor_vfs_clear(void) {
  memory_file *f = all_files;
  while (f != NULL) {
    memory_file *next = f->next;
    if (f->name != NULL && f->handles == 0) file_forget_name(f);
    f = next;
  }
  while (free_chunks != NULL) {
    chunk *next = free_chunks->next_free;
    free(free_chunks);
    free_chunks = next;
  }
}
