/* host.c: finds the SQLite of this process and takes its functions.
 *
 * One SQLite a process: the first that is bound stays bound, since stores and
 * engine threads call it from then on. Binding the same one again is fine.
 *
 * Lock: `binding` is held while the table is made; readers need none, since the VFS
 * is registered only afterwards.
 */
#include "api/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vfs/vfs.h"

#include <windows.h>

SQLITE_EXTENSION_INIT1

enum { OLDEST = 3035000 };

static avfs_lock binding;
static sqlite3_api_routines own_table;   /* filled from a module's exports */

static const struct {
  const char *name;
  size_t at;
} wanted[] = {
#define WANTED(name, member) {"sqlite3_" #name, offsetof(sqlite3_api_routines, member)},
#include "api/wanted.h"
#undef WANTED
};

static void say(char *message, int bytes, const char *format, ...) {
  va_list args;
  if (message == NULL || bytes <= 0) return;
  va_start(args, format);
  vsnprintf(message, (size_t)bytes, format, args);
  va_end(args);
}

/* Takes the table, unless another SQLite is served already or it is too old. */
static int bind(const sqlite3_api_routines *table, char *message, int bytes) {
  int rc = SQLITE_OK;
  avfs_lock_enter(&binding);
  if (sqlite3_api != NULL && sqlite3_api->vfs_register != table->vfs_register) {
    say(message, bytes, "asyncvfs: another SQLite (%s) of this process is served already; there "
        "can be one", sqlite3_api->libversion());
    rc = SQLITE_MISUSE;
  } else if (table->libversion_number() < OLDEST) {
    say(message, bytes, "asyncvfs: SQLite %s is too old: 3.35.0 or newer is needed",
        table->libversion());
    rc = SQLITE_ERROR;
  } else if (sqlite3_api == NULL) {
    sqlite3_api = table;
  }
  avfs_lock_leave(&binding);
  return rc;
}

int avfs_bind_table(const sqlite3_api_routines *table, char *message, int bytes) {
#ifdef ASYNCVFS_STATIC
  table = &avfs_linked_sqlite;   /* it may be NULL: SQLITE_OMIT_LOAD_EXTENSION */
#endif
  return bind(table, message, bytes);
}

/* ---- a module -------------------------------------------------------------- */

static int exports_sqlite(HMODULE m) {
  return m != NULL && GetProcAddress(m, "sqlite3_libversion_number") != NULL;
}

static HMODULE find_module(void) {
  static const char *const names[] = {"sqlite3.dll", "e_sqlite3.dll", "winsqlite3.dll"};
  size_t i;
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    HMODULE m = GetModuleHandleA(names[i]);
    if (exports_sqlite(m)) return m;
  }
  return exports_sqlite(GetModuleHandleA(NULL)) ? GetModuleHandleA(NULL) : NULL;
}

int avfs_bind_module(void *module, char *message, int bytes) {
  HMODULE m = module == NULL ? find_module() : (HMODULE)module;
  sqlite3_api_routines table;
  size_t i;
  int rc;
#ifdef ASYNCVFS_STATIC
  if (module == NULL) return bind(&avfs_linked_sqlite, message, bytes);
#endif
  if (m == NULL && GetModuleHandleA("SQLite.Interop.dll") != NULL) {
    say(message, bytes, "asyncvfs: SQLite.Interop.dll exports no SQLite functions: load asyncvfs "
        "with its LoadExtension instead");
    return SQLITE_NOTFOUND;
  }
  if (m == NULL) {
    say(message, bytes, "asyncvfs: no SQLite is loaded in this process (sqlite3.dll, "
        "e_sqlite3.dll, winsqlite3.dll): open a database first, or hand over its module");
    return SQLITE_NOTFOUND;
  }
  memset(&table, 0, sizeof table);
  for (i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    FARPROC f = GetProcAddress(m, wanted[i].name);
    if (f == NULL) {
      say(message, bytes, "asyncvfs: the SQLite module does not export %s: SQLite 3.35.0 or newer "
          "with its whole interface is needed", wanted[i].name);
      return i == 0 ? SQLITE_NOTFOUND : SQLITE_ERROR;
    }
    memcpy((char *)&table + wanted[i].at, &f, sizeof f);
  }
  avfs_lock_enter(&binding);
  if (own_table.vfs_register == NULL) own_table = table;
  avfs_lock_leave(&binding);
  rc = bind(own_table.vfs_register == table.vfs_register ? &own_table : &table, message, bytes);
  return rc;
}

/* ---- registration ------------------------------------------------------------ */

/* From here on engine threads may run in this module: it stays. */
static void pin_module(void) {
  HMODULE m;
  GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                     (const char *)&binding, &m);
}

/* Raw writes go round any other VFS: only win32 and its variants will do. */
static sqlite3_vfs *find_parent(void) {
  sqlite3_vfs *v = sqlite3_vfs_find(NULL);
  if (v != NULL && strncmp(v->zName, "win32", 5) == 0) return v;
  return sqlite3_vfs_find("win32");
}

int avfs_bind_register(int make_default, char *message, int bytes) {
  sqlite3_vfs *parent = find_parent();
  int rc;
  if (parent == NULL) {
    say(message, bytes, "asyncvfs: this SQLite has no VFS named win32 to build on");
    return SQLITE_ERROR;
  }
  pin_module();
  avfs_watch_exit();
  rc = avfs_vfs_register(&avfs_io_win32, parent, make_default);
  if (rc == SQLITE_OK) rc = avfs_sql_functions_register();
  if (rc != SQLITE_OK) say(message, bytes, "asyncvfs: cannot register: error %d", rc);
  return rc;
}
