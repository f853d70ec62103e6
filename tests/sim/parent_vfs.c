/* parent_vfs.c: see parent_vfs.h. SQLite calls sqlite3_os_init() (SQLITE_OS_OTHER). */
#include "parent_vfs.h"

#include <stdlib.h>
#include <string.h>

#include "pages/lock_bytes.h"
#include "faults.h"
#include "sqlite3.h"

#ifndef SQLITE_IOCAP_SUBPAGE_READ   /* newer than Debian 12's SQLite */
# define SQLITE_IOCAP_SUBPAGE_READ 0x00008000
#endif

int sqlite3_os_init(void);
int sqlite3_os_end(void);

typedef struct parent_file {
  sqlite3_file base;
  sim_disk *disk;
  sim_file *file;
  int temporary;          /* file belongs to this handle alone */
  int level;
  sqlite3_int64 mmap_limit;
  int reads, has_pending, has_reserved, has_exclusive;   /* what it has locked */
  int maps;               /* it uses the file's shared memory... */
  int shm_shared, shm_exclusive;   /* ...of which it has these locks: a bit each */
} parent_file;

int sim_parent_files, sim_stock_calls;

static int fails(const parent_file *f, const char *what) {
  if (f->temporary) return 0;
  return sim_fails(&sim_parent_faults, what, f->file->name);
}

/* A stock connection's end of its own journal does not fail. SQLite would go on: it writes the
 * next journal over one that may still be valid on the medium, or behind whose records there is
 * the name of a super-journal that is gone, and neither a power cut nor its own rollback then
 * takes everything back. That is not ours to judge. */
static int fails_in(const parent_file *f, const char *what, int end_of_journal) {
  return !(sim_stock_calls && end_of_journal) && fails(f, what);
}

static int file_close(sqlite3_file *p) {
  parent_file *f = (parent_file *)p;
  p->pMethods->xUnlock(p, SQLITE_LOCK_NONE);
  if (f->temporary) {
    free(f->file->live.data);
    free(f->file);
  } else {
    sim_disk_close(f->disk, f->file);
    sim_parent_files--;
  }
  return SQLITE_OK;
}

/* Mandatory for all other handles; SQLite touches them by none. */
static int is_locked(const parent_file *f, int n, sqlite3_int64 offset) {
  return !f->temporary && strstr(f->file->name, "-journal") == NULL &&
         strstr(f->file->name, "-wal") == NULL &&
         avfs_has_lock_bytes((uint64_t)offset, (uint64_t)n);
}

static int file_read(sqlite3_file *p, void *to, int n, sqlite3_int64 offset) {
  parent_file *f = (parent_file *)p;
  uint32_t got;
  if (is_locked(f, n, offset)) return SQLITE_IOERR_READ;
  sim_switch_point();
  if (fails(f, "parent read")) return SQLITE_IOERR_READ;
  got = sim_file_read(f->file, to, (uint32_t)n, (uint64_t)offset);
  if (got == (uint32_t)n) return SQLITE_OK;
  memset((char *)to + got, 0, (size_t)n - got);
  return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *p, const void *from, int n, sqlite3_int64 offset) {
  parent_file *f = (parent_file *)p;
  if (f->temporary) {
    sim_bytes *b = &f->file->live;
    uint64_t end = (uint64_t)offset + (uint64_t)n;
    if (end > b->room) {
      b->room = end * 2 + 4096;
      b->data = realloc(b->data, b->room);
      if (b->data == NULL) return SQLITE_IOERR_NOMEM;
    }
    if (end > b->size) {
      memset(b->data + b->size, 0, end - b->size);
      b->size = end;
    }
    memcpy(b->data + offset, from, (size_t)n);
    return SQLITE_OK;
  }
  if (is_locked(f, n, offset)) return SQLITE_IOERR_WRITE;
  sim_switch_point();
  if (fails(f, "parent write")) return SQLITE_IOERR_WRITE;
  sim_disk_write(f->disk, f->file, from, (uint32_t)n, (uint64_t)offset);
  return SQLITE_OK;
}

static int file_truncate(sqlite3_file *p, sqlite3_int64 size) {
  parent_file *f = (parent_file *)p;
  if (f->temporary) {
    if ((uint64_t)size < f->file->live.size) f->file->live.size = (uint64_t)size;
    return SQLITE_OK;
  }
  sim_switch_point();
  if (fails_in(f, "parent truncate", size == 0)) return SQLITE_IOERR_TRUNCATE;
  sim_disk_resize(f->disk, f->file, (uint64_t)size);
  return SQLITE_OK;
}

static int file_sync(sqlite3_file *p, int flags) {
  parent_file *f = (parent_file *)p;
  (void)flags;
  if (f->temporary) return SQLITE_OK;
  sim_switch_point();
  if (fails_in(f, "parent sync", f->file->live.size == 0 || f->file->live.data[0] == 0)) {
    sim_flush_failed(f->disk, f->file, &sim_fate);
    return SQLITE_IOERR_FSYNC;
  }
  sim_flush_end(f->disk, f->file, sim_flush_begin(f->disk));
  return SQLITE_OK;
}

static int file_size(sqlite3_file *p, sqlite3_int64 *size_out) {
  parent_file *f = (parent_file *)p;
  if (fails(f, "parent size")) return SQLITE_IOERR_FSTAT;
  *size_out = (sqlite3_int64)f->file->live.size;
  return SQLITE_OK;
}

/* ---- locks: winLock, winUnlock, winCheckReservedLock ---------------------------- */

static int lock_read(parent_file *f) {
  if (f->file->exclusive_owner != NULL) return 0;
  f->file->readers++;
  f->reads = 1;
  return 1;
}

static void unlock_read(parent_file *f) {
  f->file->readers -= f->reads;
  f->reads = 0;
}

static int lock_byte(parent_file *f, const void **owner, int *has) {
  if (*owner != NULL && *owner != f) return 0;
  *owner = f;
  *has = 1;
  return 1;
}

static void unlock_byte(const void **owner, int *has) {
  if (*has) *owner = NULL;
  *has = 0;
}

static int file_lock(sqlite3_file *p, int level) {
  parent_file *f = (parent_file *)p;
  sim_file *file = f->file;
  int ok = 1, now = f->level;
  if (f->level >= level) return SQLITE_OK;
  sim_switch_point();
  if (fails(f, "parent lock")) return SQLITE_IOERR_LOCK;
  if (level == SQLITE_LOCK_SHARED) {
    ok = file->pending_owner == NULL && lock_read(f);
    if (ok) now = SQLITE_LOCK_SHARED;
  } else if (level == SQLITE_LOCK_RESERVED) {
    ok = lock_byte(f, &file->reserved_owner, &f->has_reserved);
    if (ok) now = SQLITE_LOCK_RESERVED;
  } else {
    if (f->level == SQLITE_LOCK_RESERVED) ok = lock_byte(f, &file->pending_owner, &f->has_pending);
    if (ok) {
      now = SQLITE_LOCK_PENDING;
      unlock_read(f);
      ok = file->readers == 0 && lock_byte(f, &file->exclusive_owner, &f->has_exclusive);
      if (ok) now = SQLITE_LOCK_EXCLUSIVE;
      else lock_read(f);
    }
  }
  if (!f->temporary) sim_note("lock   %s %p %d: %s", file->name, (void *)f, level, ok ? "ok" : "BUSY");
  f->level = now;
  return ok ? SQLITE_OK : SQLITE_BUSY;
}

static int file_unlock(sqlite3_file *p, int level) {
  parent_file *f = (parent_file *)p;
  int type = f->level;
  if (type <= level) return SQLITE_OK;
  sim_switch_point();
  if (f->has_exclusive) {
    unlock_byte(&f->file->exclusive_owner, &f->has_exclusive);
    if (level == SQLITE_LOCK_SHARED) lock_read(f);
  }
  unlock_byte(&f->file->reserved_owner, &f->has_reserved);
  if (level == SQLITE_LOCK_NONE) unlock_read(f);
  unlock_byte(&f->file->pending_owner, &f->has_pending);
  f->level = level;
  if (!f->temporary) sim_note("unlock %s %p %d", f->file->name, (void *)f, level);
  sim_switch_point();
  return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *p, int *reserved_out) {
  parent_file *f = (parent_file *)p;
  if (fails(f, "parent check reserved")) return SQLITE_IOERR_CHECKRESERVEDLOCK;
  *reserved_out = f->level >= SQLITE_LOCK_RESERVED || f->file->reserved_owner != NULL;
  return SQLITE_OK;
}

static int file_control(sqlite3_file *p, int op, void *arg) {
  parent_file *f = (parent_file *)p;
  if (op == SQLITE_FCNTL_LOCKSTATE) {
    *(int *)arg = f->level;
    return SQLITE_OK;
  }
  if (op == SQLITE_FCNTL_MMAP_SIZE) {   /* it answers, and maps nothing */
    sqlite3_int64 limit = *(sqlite3_int64 *)arg;
    *(sqlite3_int64 *)arg = f->mmap_limit;
    if (limit >= 0) f->mmap_limit = limit;
    return SQLITE_OK;
  }
  return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *p) {
  (void)p;
  return 4096;
}

static int file_characteristics(sqlite3_file *p) {
  (void)p;
  return SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN | SQLITE_IOCAP_SUBPAGE_READ |
         SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory: winShmMap, winShmLock --------------------------------------- */

static int shm_map(sqlite3_file *p, int page, int bytes, int extend, void volatile **out) {
  parent_file *f = (parent_file *)p;
  sim_shm *m = f->file->shm;
  *out = NULL;
  sim_switch_point();
  if (m == NULL) m = f->file->shm = calloc(1, sizeof *m);
  if (m == NULL || page >= SIM_SHM_REGIONS) return SQLITE_IOERR_SHMMAP;
  if (!f->maps) {
    int i;
    for (i = 0; m->users == 0 && i < SIM_SHM_REGIONS; i++) {
      free(m->region[i]);
      m->region[i] = NULL;
    }
    f->maps = 1;
    m->users++;
  }
  if (m->region[page] == NULL && extend) m->region[page] = calloc(1, (size_t)bytes);
  *out = m->region[page];
  return SQLITE_OK;
}

static int shm_lock(sqlite3_file *p, int offset, int n, int flags) {
  parent_file *f = (parent_file *)p;
  sim_shm *m = f->file->shm;
  int i, free_for_me = 1;
  sim_switch_point();
  for (i = offset; i < offset + n; i++) {
    if (flags & SQLITE_SHM_UNLOCK) {
      if (f->shm_shared >> i & 1) m->shared[i]--;
      if (f->shm_exclusive >> i & 1) m->exclusive[i] = NULL;
      f->shm_shared &= ~(1 << i);
      f->shm_exclusive &= ~(1 << i);
    } else if (flags & SQLITE_SHM_EXCLUSIVE) {
      free_for_me &= m->shared[i] == 0 && (m->exclusive[i] == NULL || m->exclusive[i] == f);
    } else {
      free_for_me &= m->exclusive[i] == NULL || m->exclusive[i] == f;
    }
  }
  if (flags & SQLITE_SHM_UNLOCK) return SQLITE_OK;
  if (!free_for_me) return SQLITE_BUSY;
  for (i = offset; i < offset + n; i++) {
    if (flags & SQLITE_SHM_EXCLUSIVE) {
      m->exclusive[i] = f;
      f->shm_exclusive |= 1 << i;
    } else if (!(f->shm_shared >> i & 1)) {
      m->shared[i]++;
      f->shm_shared |= 1 << i;
    }
  }
  return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *p) { (void)p; }

static int shm_unmap(sqlite3_file *p, int delete_it) {
  parent_file *f = (parent_file *)p;
  (void)delete_it;
  if (!f->maps) return SQLITE_OK;
  (void)shm_lock(p, 0, SIM_SHM_LOCKS, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
  f->file->shm->users--;
  f->maps = 0;
  return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the VFS ---------------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *p, int flags,
                    int *flags_out) {
  parent_file *f = (parent_file *)p;
  (void)vfs;
  memset(f, 0, sizeof *f);
  sim_switch_point();
  f->temporary = name == NULL || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  if (!f->temporary && sim_fails(&sim_parent_faults, "parent open", name)) return SQLITE_CANTOPEN;
  f->disk = sim_current_disk;
  if (f->temporary) {
    f->file = calloc(1, sizeof *f->file);
    if (f->file == NULL) return SQLITE_NOMEM;
  } else {
    if ((flags & SQLITE_OPEN_EXCLUSIVE) && sim_disk_find(f->disk, name) != NULL) return SQLITE_CANTOPEN;
    f->file = sim_disk_open(f->disk, name, (flags & SQLITE_OPEN_CREATE) != 0);
    if (f->file == NULL) return SQLITE_CANTOPEN;
    sim_parent_files++;
  }
  if (flags_out != NULL) {
    *flags_out = flags & (SQLITE_OPEN_READWRITE | SQLITE_OPEN_READONLY);
  }
  p->pMethods = &methods;
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir) {
  sim_file *file;
  (void)vfs;
  (void)sync_dir;
  sim_switch_point();
  file = sim_disk_find(sim_current_disk, name);
  if (file == NULL) return SQLITE_IOERR_DELETE_NOENT;
  if (sim_fails(&sim_parent_faults, "parent delete", name)) return SQLITE_IOERR_DELETE;
  return sim_disk_delete(sim_current_disk, file) ? SQLITE_OK : SQLITE_IOERR_DELETE;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result_out) {
  sim_file *file;
  (void)vfs;
  sim_switch_point();
  if (sim_fails(&sim_parent_faults, "parent access", name)) return SQLITE_IOERR_ACCESS;
  file = sim_disk_find(sim_current_disk, name);
  *result_out = file != NULL && (flags != SQLITE_ACCESS_EXISTS || file->live.size > 0);
  return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out) {
  (void)vfs;
  sqlite3_snprintf(n, out, "%s", name);
  return SQLITE_OK;
}

/* By the seed: so SQLite's own randomness, once reset, follows it too. */
static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out) {
  sim_random r = {sim_seed};
  int i;
  (void)vfs;
  for (i = 0; i < n; i++) out[i] = (char)sim_draw(&r);
  return n;
}

static int never(void *arg) {
  (void)arg;
  return 0;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us) {
  (void)vfs;
  if (sim_frozen == 0) sim_wait(never, NULL, sim_now_ns + (uint64_t)us * 1000, "a sleep");
  return us;
}

static int vfs_current_time(sqlite3_vfs *vfs, double *out) {
  (void)vfs;
  *out = 2460000.5 + (double)sim_now_ns / 86400e9;
  return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out) {
  (void)vfs;
  (void)n;
  (void)out;
  return 0;
}

static sqlite3_vfs win32 = {
    .iVersion = 1,
    .szOsFile = (int)sizeof(parent_file),
    .mxPathname = SIM_NAME - 1,
    .zName = "win32",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_current_time,
    .xGetLastError = vfs_last_error,
};

const sqlite3_vfs *const sim_parent_vfs = &win32;

int sqlite3_os_init(void) { return sqlite3_vfs_register(&win32, 1); }
int sqlite3_os_end(void) { return SQLITE_OK; }
