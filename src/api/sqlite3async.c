/* sqlite3async.c: SQLite's retired module for asynchronous I/O, by its own interface
 * (include/sqlite3async.h).
 *
 * The module had one queue of writes, and sqlite3async_run() was the thread that wrote it.
 * Here the engine writes, so sqlite3async_run() only waits, as long as the module's would
 * have run:
 *
 *   HALT_NEVER   until that changes, or the VFS is taken away
 *   HALT_IDLE    until the commits so far of all databases are durable, and the locks of their
 *                files are given back: then the module's queue was empty, as it had the unlocks too
 *   HALT_NOW     not at all
 *
 * The queue is that of the process: a database that is open as asyncvfs, too, may be the same
 * store.
 *
 * Lock: module.lock, for all fields of module; nothing is taken inside it.
 */
#include "sqlite3async.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/bind.h"
#include "seam/log.h"
#include "store/registry.h"
#include "store/report.h"
#include "store/store.h"
#include "vfs/vfs.h"

enum { LOOK_MS = 50 };   /* so soon is HALT_NOW noticed while the disk is waited for */

static avfs_vfs vfs = {.name = SQLITEASYNC_VFSNAME, .in_memory = 1};   /* the module gave durability up */

static struct {
  avfs_lock lock;
  avfs_cond changed;   /* halt, or is_there */
  int is_there;        /* registered */
  int halt;            /* SQLITEASYNC_HALT_x */
  int delay_ms;
  int lock_files;
} module = {.halt = SQLITEASYNC_HALT_NEVER, .lock_files = 1};

/* ---- initialize, shutdown ------------------------------------------------------ */

static void set_there(int is_there) {
  avfs_lock_enter(&module.lock);
  module.is_there = is_there;
  avfs_cond_wake_all(&module.changed);
  avfs_lock_leave(&module.lock);
}

static int is_there(void) {
  int there;
  avfs_lock_enter(&module.lock);
  there = module.is_there;
  avfs_lock_leave(&module.lock);
  return there;
}

/* Raw writes go round any other VFS than win32. One that was asked for, or made the default, may
 * encrypt or count them, so it is not passed over in silence. */
static int find_parent(const char *name, sqlite3_vfs **parent_out) {
  sqlite3_vfs *v = sqlite3_vfs_find(name);
  if (v == &avfs_asyncvfs.base) v = avfs_asyncvfs.parent;   /* beside it, not on top of it */
  *parent_out = v;
  if (v == NULL) {
    avfs_report(SQLITE_ERROR, "sqlite3async_initialize: there is no VFS %s", name == NULL ? "at all" : name);
  } else if (!avfs_is_win32_vfs(v)) {
    avfs_report(SQLITE_ERROR, "sqlite3async_initialize: the parent would be the VFS %s, which the "
                "engine would go round: only win32 and its variants can be the parent", v->zName);
  } else if (vfs.parent != NULL && vfs.parent != v && avfs_counter_get(&vfs.open) > 0) {
    avfs_report(SQLITE_ERROR, "sqlite3async_initialize: databases are still open over the VFS %s: "
                "close them before there is another parent, %s", vfs.parent->zName, v->zName);
  } else {
    return SQLITE_OK;
  }
  return SQLITE_ERROR;
}

/* The SQLite that is served, or else one that is found. */
static int bind_sqlite(void) {
  char message[256];
  if (sqlite3_api != NULL) return SQLITE_OK;
  if (avfs_bind_module(NULL, message, sizeof message) == SQLITE_OK) return SQLITE_OK;
  avfs_log_line(message);
  return SQLITE_ERROR;
}

int SQLITEASYNC_CALL sqlite3async_initialize(const char *parent, int make_default) {
  char message[256] = "";
  sqlite3_vfs *over;
  int rc;
  if (is_there()) return SQLITE_OK;
  rc = bind_sqlite();
  if (rc == SQLITE_OK) rc = find_parent(parent, &over);
  if (rc != SQLITE_OK) return rc;
  rc = avfs_bind_register_name(&vfs, over, make_default != 0, message, sizeof message);
  if (rc == SQLITE_OK) set_there(1);
  else avfs_report(rc, "sqlite3async_initialize: %s", message);
  return rc;
}

void SQLITEASYNC_CALL sqlite3async_shutdown(void) {
  if (!is_there()) return;
  (void)avfs_bind_unregister_name(&vfs);
  set_there(0);
}

/* ---- run ----------------------------------------------------------------------- */

/* What sqlite3async_run is to do now: HALT_IDLE or HALT_NOW. */
static int await_halt(void) {
  int halt;
  avfs_lock_enter(&module.lock);
  while (module.is_there && module.halt == SQLITEASYNC_HALT_NEVER) {
    avfs_cond_wait(&module.changed, &module.lock, AVFS_FOREVER);
  }
  halt = module.is_there ? module.halt : SQLITEASYNC_HALT_NOW;
  avfs_lock_leave(&module.lock);
  return halt;
}

static int is_halt(int halt) {
  int is;
  avfs_lock_enter(&module.lock);
  is = module.is_there && module.halt == halt;
  avfs_lock_leave(&module.lock);
  return is;
}

/* Ends early when the value is HALT_IDLE no more, or the disk has failed several times in a row:
 * the module's queue was thrown away then. */
static void make_idle(avfs_store *s) {
  int rc = SQLITE_BUSY;
  while (rc == SQLITE_BUSY && is_halt(SQLITEASYNC_HALT_IDLE)) rc = avfs_store_flush(s, LOOK_MS);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) rc = avfs_store_flush(s, AVFS_FOREVER);
  if (rc == SQLITE_OK) (void)avfs_store_drain(s, 0);   /* BUSY: a transaction is open */
}

/* All begin before the first is waited for. */
static void make_all_idle(void) {
  uint64_t last = avfs_store_start_flush_all(), id;
  avfs_store *s;
  for (id = 0; (s = avfs_registry_find_after(id, last)) != NULL; avfs_store_release(s)) {
    id = s->id;
    make_idle(s);
  }
}

void SQLITEASYNC_CALL sqlite3async_run(void) {
  for (;;) {
    if (await_halt() == SQLITEASYNC_HALT_NOW) return;
    make_all_idle();
    if (!is_halt(SQLITEASYNC_HALT_NEVER)) return;
  }
}

/* ---- control ------------------------------------------------------------------- */

static int set_halt(int halt) {
  if (halt != SQLITEASYNC_HALT_NEVER && halt != SQLITEASYNC_HALT_NOW && halt != SQLITEASYNC_HALT_IDLE) {
    return SQLITE_MISUSE;
  }
  module.halt = halt;
  avfs_cond_wake_all(&module.changed);
  return SQLITE_OK;
}

static int set_delay(int delay_ms) {
  if (delay_ms < 0) return SQLITE_MISUSE;
  module.delay_ms = delay_ms;
  return SQLITE_OK;
}

/* What is closed has nothing queued. */
static int set_lock_files(int lock_files) {
  if ((lock_files != 0 && lock_files != 1) || avfs_counter_get(&vfs.open) > 0) return SQLITE_MISUSE;
  module.lock_files = lock_files;
  return SQLITE_OK;
}

static int get(int *value_out, int value) {
  if (value_out == NULL) return SQLITE_MISUSE;
  *value_out = value;
  return SQLITE_OK;
}

int SQLITEASYNC_CALL sqlite3async_control(int op, ...) {
  va_list args;
  int rc;
  va_start(args, op);
  avfs_lock_enter(&module.lock);
  switch (op) {
    case SQLITEASYNC_HALT: rc = set_halt(va_arg(args, int)); break;
    case SQLITEASYNC_GET_HALT: rc = get(va_arg(args, int *), module.halt); break;
    case SQLITEASYNC_DELAY: rc = set_delay(va_arg(args, int)); break;
    case SQLITEASYNC_GET_DELAY: rc = get(va_arg(args, int *), module.delay_ms); break;
    case SQLITEASYNC_LOCKFILES: rc = set_lock_files(va_arg(args, int)); break;
    case SQLITEASYNC_GET_LOCKFILES: rc = get(va_arg(args, int *), module.lock_files); break;
    default: rc = SQLITE_ERROR; break;
  }
  avfs_lock_leave(&module.lock);
  va_end(args);
  return rc;
}
