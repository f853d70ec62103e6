/* vfs.c: the sqlite3_vfs, under each of its names ("asyncvfs", "sqlite3async"): what it opens,
 * what the name of a journal means to it (store/names.h), and which store a path leads to.
 *
 * Locks: none. `self` is written once, before the first name is registered; a name's own fields by
 *        who registers it, under the lock of binding (api/host.c). */
#include "vfs/vfs.h"

#include <string.h>

#include "seam/environment.h"
#include "seam/heap.h"
#include "store/connection.h"
#include "store/names.h"
#include "store/redo_ring.h"
#include "store/registry.h"
#include "store/report.h"
#include "store/status.h"
#include "store/store.h"
#include "store/turns.h"
#include "store/waits.h"

avfs_vfs avfs_asyncvfs = {.name = "asyncvfs"};

/* What all names have in common: of the first that was registered. */
static struct {
  const avfs_io *io;
  sqlite3_vfs *parent;
  int (*on_open)(void);
} self;

/* Of a copy of ours too, in which a shim has put methods of its own. */
static avfs_vfs *name_of(sqlite3_vfs *vfs) { return vfs->pAppData; }
static sqlite3_vfs *parent_of(sqlite3_vfs *vfs) { return name_of(vfs)->parent; }

/* ---- names --------------------------------------------------------------- */

/* The length of `name` without `tail`, or 0 when it does not end so. */
static size_t without_tail(const char *name, const char *tail) {
  size_t n = strlen(name), m = strlen(tail);
  return n > m && strcmp(name + n - m, tail) == 0 ? n - m : 0;
}

static avfs_name ask(const char *name, const char *tail) {
  const avfs_name nothing = {0, 0, 0};
  size_t n = without_tail(name, tail);
  return n > 0 ? avfs_names_ask(name, n) : nothing;
}

/* ---- xOpen --------------------------------------------------------------- */

/* Why this file can never be managed; NULL when it may be. */
static const char *never_managed(const char *name, int flags, int flags_got) {
  if (avfs_environment_is("ASYNCVFS_DISABLE", "1")) return "ASYNCVFS_DISABLE is set";
  if (sqlite3_uri_boolean(name, "immutable", 0)) return "immutable=1";
  if (sqlite3_uri_boolean(name, "nolock", 0)) return "nolock=1";
  if (!sqlite3_uri_boolean(name, "psow", 1)) return "psow=0";
  if (sqlite3_uri_boolean(name, "exclusive", 0)) return "exclusive=1";   /* the parent shares it with nobody */
  if ((flags & SQLITE_OPEN_READWRITE) && (flags_got & SQLITE_OPEN_READONLY)) {
    return "the file is read-only";
  }
  return NULL;
}

/* Gives back what open_main has taken. */
static void give_back(avfs_main_file *m) {
  avfs_parent_file_close(m->conn.parent);
  avfs_free(m->conn.path);
  sqlite3_free(m->conn.misspelt);
  memset(m, 0, sizeof *m);
}

/* Why a file with a store would be passed through; NULL: it is managed, or that is not to be told now. Its first
 * lock, whose failure has no words, would find the same. */
static const char *look(avfs_main_file *m) {
  int rc = avfs_conn_lock(&m->conn, AVFS_LOCK_SHARED);
  if (rc == SQLITE_OK) (void)avfs_conn_unlock(&m->conn, AVFS_LOCK_NONE);
  return rc == AVFS_PASS ? avfs_store_passed_reason(m->conn.store) : NULL;
}

static int is_to_be_managed(const avfs_main_file *m, const avfs_settings *settings) {
  uint64_t required = m->conn.store != NULL ? avfs_store_get(m->conn.store, AVFS_REQUIRE_MANAGED)
                                            : settings->value[AVFS_REQUIRE_MANAGED];
  return required == AVFS_REQUIRE_MANAGED_YES;
}

/* In place of a file that would be passed through. */
static int refuse_to_pass(avfs_main_file *m) {
  char *message = avfs_main_file_refusal(m, m->reason);
  if (m->conn.store != NULL) avfs_store_close(&m->conn);
  give_back(m);
  return message == NULL ? SQLITE_NOMEM : avfs_refused_file_open(&m->base, message);
}

static int open_main(sqlite3_vfs *vfs, const char *name, avfs_main_file *m, int flags,
                     int *flags_out) {
  avfs_settings settings = avfs_settings_default();
  int given[AVFS_SETTING_COUNT];
  char *message;
  int got = flags, rc, i;
  memset(m, 0, sizeof *m);
  rc = self.on_open == NULL ? SQLITE_OK : self.on_open();
  if (rc != SQLITE_OK) return rc;
  rc = avfs_uri_settings(name, &settings, given, &message);
  if (rc != SQLITE_OK) return avfs_refused_file_open(&m->base, message);
  rc = avfs_parent_file_open(parent_of(vfs), name, flags, &m->conn.parent, &got);
  if (rc != SQLITE_OK) return rc;
  m->conn.path = avfs_concat(name, "");
  if (m->conn.path == NULL) {
    give_back(m);
    return SQLITE_NOMEM;
  }
  if (flags_out != NULL) *flags_out = got;
  m->vfs = name_of(vfs);
  if (m->vfs->in_memory && !given[AVFS_DURABILITY]) settings.value[AVFS_DURABILITY] = AVFS_DURABILITY_MEMORY;
  avfs_durability_init(&m->conn.durability, settings.value[AVFS_DURABILITY], name, vfs);
  m->conn.misspelt = avfs_uri_misspelt(name);
  m->conn.read_only = (got & SQLITE_OPEN_READONLY) != 0;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    if (given[i] && avfs_setting_is_process(i)) avfs_setting_set_default(i, settings.value[i]);
  }
  m->reason = never_managed(name, flags, got);
  if (m->reason == NULL) {
    rc = avfs_engine_start(self.io);
    if (rc == SQLITE_OK) {
      rc = avfs_store_open(self.io, parent_of(vfs), &m->conn, &m->reason);
    }
    if (rc != SQLITE_OK && rc != AVFS_PASS) {
      give_back(m);
      return rc;
    }
  }
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    if (given[i] && m->conn.store != NULL) avfs_store_set(m->conn.store, i, settings.value[i]);
  }
  if (is_to_be_managed(m, &settings)) {
    if (m->reason == NULL) m->reason = look(m);
    if (m->reason != NULL) return refuse_to_pass(m);
  }
  avfs_counter_add(&m->vfs->open, 1);
  if (m->conn.store == NULL) avfs_ring_tell_passed(self.io, m->conn.path, m->reason);
  avfs_main_file_begin(m, m->conn.store == NULL ? AVFS_MODE_PASSED : AVFS_MODE_MANAGED, m->reason);
  return SQLITE_OK;
}

/* SQLite opens the journal of a connection at RESERVED or more to write it, or to play it back;
 * one that it opens to look into at SHARED is another's, on the disk. With the flag of a
 * super-journal it opens one to see whether that is named there (pager_delsuper). */
static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                    int *flags_out) {
  f->pMethods = NULL;
  if (name != NULL && (flags & SQLITE_OPEN_MAIN_DB)) {
    return open_main(vfs, name, (avfs_main_file *)f, flags, flags_out);
  }
  if (name != NULL && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL))) {
    size_t n = without_tail(name, "-journal");
    int own = (flags & SQLITE_OPEN_MAIN_JOURNAL) ? (flags & SQLITE_OPEN_READWRITE) != 0
                                                 : ask(name, "-journal").names_super;
    avfs_conn *c = own && n > 0 ? avfs_names_writer(name, n) : NULL;
    if (c != NULL) return avfs_journal_file_open(f, avfs_main_file_of_conn(c), flags, flags_out);
  }
  return parent_of(vfs)->xOpen(parent_of(vfs), name, f, flags, flags_out);
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir) {
  size_t n = without_tail(name, "-journal");
  if (n > 0 && avfs_names_delete_journal(name, n)) return SQLITE_OK;
  return parent_of(vfs)->xDelete(parent_of(vfs), name, sync_dir);
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result_out) {
  if (flags == SQLITE_ACCESS_EXISTS && name != NULL) {
    avfs_name journal = ask(name, "-journal");
    if (journal.names_super || journal.is_known || ask(name, "-wal").is_known) {
      *result_out = journal.names_super;
      return SQLITE_OK;
    }
  }
  return parent_of(vfs)->xAccess(parent_of(vfs), name, flags, result_out);
}

/* ---- the parent's, as they are ------------------------------------------- */

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out) {
  return parent_of(vfs)->xFullPathname(parent_of(vfs), name, n, out);
}
static void *vfs_dlopen(sqlite3_vfs *vfs, const char *name) {
  return parent_of(vfs)->xDlOpen(parent_of(vfs), name);
}
static void vfs_dlerror(sqlite3_vfs *vfs, int n, char *out) {
  parent_of(vfs)->xDlError(parent_of(vfs), n, out);
}
static void (*vfs_dlsym(sqlite3_vfs *vfs, void *lib, const char *symbol))(void) {
  return parent_of(vfs)->xDlSym(parent_of(vfs), lib, symbol);
}
static void vfs_dlclose(sqlite3_vfs *vfs, void *lib) {
  parent_of(vfs)->xDlClose(parent_of(vfs), lib);
}
static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out) {
  return parent_of(vfs)->xRandomness(parent_of(vfs), n, out);
}
int avfs_is_win32_vfs(const sqlite3_vfs *v) { return strncmp(v->zName, "win32", 5) == 0; }

/* sqlite3_sleep sleeps by the default VFS. If that is win32, every sleep that comes here is a busy
 * handler's; if not, it may be us, or reach us, and the two cannot be told apart. */
static int is_busy_handler(const sqlite3_vfs *parent) {
  const sqlite3_vfs *v = sqlite3_vfs_find(NULL);
  return v != NULL && (v == parent || avfs_is_win32_vfs(v));
}

/* A busy handler that waits for room in a store is woken when there is some; one that waits
 * for another writer of this process waits in xLock. */
static int vfs_sleep(sqlite3_vfs *vfs, int us) {
  if (us > 0 && ((is_busy_handler(parent_of(vfs)) && avfs_turns_spare_sleep((uint64_t)us)) ||
                 avfs_wait_sleep((uint64_t)us))) {
    return us;
  }
  return parent_of(vfs)->xSleep(parent_of(vfs), us);
}
static int vfs_current_time(sqlite3_vfs *vfs, double *out) {
  return parent_of(vfs)->xCurrentTime(parent_of(vfs), out);
}
static int vfs_get_last_error(sqlite3_vfs *vfs, int n, char *out) {
  return parent_of(vfs)->xGetLastError(parent_of(vfs), n, out);
}
static int vfs_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *out) {
  return parent_of(vfs)->xCurrentTimeInt64(parent_of(vfs), out);
}

/* ---- for both kinds of main file ------------------------------------------ */

/* PSOW=0: nothing is written safely on such a device but what SQLite itself knows of. */
static void note_psow(avfs_main_file *m, const int *psow) {
  static const char reason[] = "SQLITE_FCNTL_POWERSAFE_OVERWRITE is 0";
  if (*psow == 0) m->must_pass = reason;
  else if (*psow > 0 && m->must_pass == reason) m->must_pass = NULL;
}

int avfs_common_control(avfs_main_file *m, int op, void *arg) {
  sqlite3_int64 limit = -1;
  int rc;
  switch (op) {
    case SQLITE_FCNTL_PRAGMA:
      return avfs_pragma(m, arg);
    case SQLITE_FCNTL_VFSNAME:
      *(char **)arg = sqlite3_mprintf("%s/%s", m->vfs->name, m->vfs->parent->zName);
      return SQLITE_OK;
    case SQLITE_FCNTL_PDB:   /* the file has been opened; under shared cache, by one more */
      avfs_durability_joined(&m->conn.durability, arg);
      return SQLITE_NOTFOUND;   /* nobody asks */
    case SQLITE_FCNTL_BUSYHANDLER:   /* a function and its argument, as two void * */
      memcpy(&m->conn.busy_handler, arg, sizeof m->conn.busy_handler);
      m->conn.busy_arg = ((void **)arg)[1];
      return SQLITE_OK;
    case SQLITE_FCNTL_POWERSAFE_OVERWRITE:
      note_psow(m, arg);
      return SQLITE_NOTFOUND;   /* and the parent's */
    case SQLITE_FCNTL_MMAP_SIZE:   /* the parent has the limits, and answers */
      rc = avfs_parent_file_control(m->conn.parent, op, arg);
      if (rc != SQLITE_OK || avfs_parent_file_control(m->conn.parent, op, &limit) != SQLITE_OK) limit = 0;
      m->conn.mmap_limit = limit > 0 ? (uint64_t)limit : 0;
      m->conn.fetch_end = 0;
      return rc;
    case SQLITE_FCNTL_CHUNK_SIZE:
      if (m->conn.store != NULL) avfs_store_set_chunk(m->conn.store, *(int *)arg);
      return SQLITE_NOTFOUND;
    case AVFS_FCNTL_FILE:
      *(avfs_main_file **)arg = m;
      return SQLITE_OK;
    case AVFS_FCNTL_STATUS:
      *(char **)arg = avfs_store_status(m->conn.store, &m->conn, avfs_main_file_reason(m));
      return SQLITE_OK;
    default:
      return SQLITE_NOTFOUND;
  }
}

avfs_main_file *avfs_main_file_of(sqlite3 *db, const char *schema) {
  avfs_main_file *m = NULL;
  if (sqlite3_api == NULL || db == NULL) return NULL;
  if (sqlite3_file_control(db, schema, AVFS_FCNTL_FILE, &m) != SQLITE_OK) return NULL;
  return m;
}

static void retain(avfs_store *s, void *arg) { *(avfs_store **)arg = avfs_registry_retain(s); }

static avfs_store *find_by_name(const char *path) {
  avfs_store *s = NULL;
  avfs_registry_visit(path, strlen(path), retain, &s);
  return s;
}

/* As SQLite makes names of what it is given. */
static avfs_store *find_by_full_name(const char *path) {
  sqlite3_vfs *parent = self.parent;
  char *full = avfs_alloc((size_t)parent->mxPathname + 1);
  avfs_store *s = NULL;
  if (full == NULL) return NULL;
  if (parent->xFullPathname(parent, path, parent->mxPathname + 1, full) == SQLITE_OK) {
    s = find_by_name(full);
  }
  avfs_free(full);
  return s;
}

static avfs_store *find_by_file(const char *path, int perhaps) {
  avfs_identity id;
  avfs_store *s = NULL;
  if (self.io->path_identity(path, &id) != SQLITE_OK) return NULL;
  if (id.place != NULL) s = avfs_registry_find_file(&id, perhaps);
  avfs_free(id.place);
  return s;
}

avfs_store *avfs_vfs_find_store(const char *path, int perhaps) {
  avfs_store *s;
  if (self.io == NULL) return NULL;
  s = find_by_name(path);
  if (s == NULL) s = find_by_full_name(path);
  if (s == NULL) s = find_by_file(path, perhaps);
  return s;
}

avfs_store *avfs_main_file_retain_store(avfs_main_file *m) {
  if (m->conn.store == NULL) return avfs_vfs_find_store(m->conn.path, 1);
  return avfs_registry_retain_open(m->conn.store);
}

/* ---- registration -------------------------------------------------------- */

static int largest(int a, int b) { return a > b ? a : b; }

static void fill(avfs_vfs *name, sqlite3_vfs *parent) {
  sqlite3_vfs *v = &name->base;
  name->parent = parent;
  v->iVersion = 2;   /* no system calls to override */
  v->szOsFile = largest(largest((int)sizeof(avfs_main_file), avfs_journal_file_bytes()),
                        largest(avfs_refused_file_bytes(), parent->szOsFile));
  v->mxPathname = parent->mxPathname;
  v->zName = name->name;
  v->pAppData = name;
  v->xOpen = vfs_open;
  v->xDelete = vfs_delete;
  v->xAccess = vfs_access;
  v->xFullPathname = vfs_full_pathname;
  v->xDlOpen = vfs_dlopen;
  v->xDlError = vfs_dlerror;
  v->xDlSym = vfs_dlsym;
  v->xDlClose = vfs_dlclose;
  v->xRandomness = vfs_randomness;
  v->xSleep = vfs_sleep;
  v->xCurrentTime = vfs_current_time;
  v->xGetLastError = vfs_get_last_error;
  v->xCurrentTimeInt64 = parent->iVersion >= 2 ? vfs_current_time_int64 : NULL;
}

int avfs_vfs_register_name(avfs_vfs *v, const avfs_io *io, sqlite3_vfs *parent, int make_default,
                           int (*on_open)(void)) {
  int rc;
  if (self.io == NULL) {
    self.io = io;
    self.parent = parent;
    self.on_open = on_open;
  }
  /* Connections use it while it is not registered. */
  if (v->base.zName == NULL || (!v->registered && avfs_counter_get(&v->open) == 0)) fill(v, parent);
  /* The default stays it: SQLite takes it away from one that is registered again. */
  rc = sqlite3_vfs_register(&v->base, make_default || sqlite3_vfs_find(NULL) == &v->base);
  if (rc == SQLITE_OK) v->registered = 1;
  return rc;
}

int avfs_vfs_unregister_name(avfs_vfs *v) {
  int rc = v->registered ? sqlite3_vfs_unregister(&v->base) : SQLITE_OK;
  if (rc == SQLITE_OK) v->registered = 0;
  return rc;
}

int avfs_vfs_register(const avfs_io *io, sqlite3_vfs *parent, int make_default,
                      int (*on_open)(void)) {
  return avfs_vfs_register_name(&avfs_asyncvfs, io, parent, make_default, on_open);
}
