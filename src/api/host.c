/* host.c: finds the SQLite of this process and takes its functions.
 *
 * One SQLite a process: the first that is bound stays bound, and its module loaded, since
 * stores and engine threads call it from then on. Binding the same one again is fine.
 *
 * Nothing is kept of one that is refused. Of one that is bound the functions are copied, so
 * it does not matter how long the caller's table lives.
 *
 * Lock: `binding` is held while an SQLite is bound and the VFS is registered; readers of the
 * table need none, since they come by the VFS.
 */
#include "api/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vfs/vfs.h"
#include "seam/log.h"

#include <windows.h>

SQLITE_EXTENSION_INIT1

enum { OLDEST = 3035000 };

static struct binding {
  avfs_lock lock;
} binding;
static sqlite3_api_routines own_table;   /* what is wanted of the one that is bound */

AVFS_LOCK_FUNCTIONS(binding, struct binding, avfs_binding_role)

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

/* Windows' own SQLite for 32-bit programs is compiled __stdcall: each call would leave the
 * stack wrong. */
static int is_stdcall(HMODULE m) {
#if defined(_M_IX86) || defined(__i386__)
  WCHAR path[MAX_PATH];
  DWORD n = GetModuleFileNameW(m, path, MAX_PATH), tail = (DWORD)wcslen(L"winsqlite3.dll");
  return n >= tail && n < MAX_PATH && _wcsicmp(path + n - tail, L"winsqlite3.dll") == 0;
#else
  (void)m;
  return 0;
#endif
}

/* The module that has this function; NULL: none that is loaded. */
static HMODULE module_of(int (*f)(void), DWORD flags) {
  HMODULE m = NULL;
  const void *address;
  memcpy(&address, &f, sizeof address);
  flags |= GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
  return GetModuleHandleExW(flags, (const WCHAR *)address, &m) ? m : NULL;
}

static void copy_wanted(const sqlite3_api_routines *table) {
  size_t i;
  for (i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    memcpy((char *)&own_table + wanted[i].at, (const char *)table + wanted[i].at, sizeof(void (*)(void)));
  }
}

/* Takes the table, unless another SQLite is served already or this one cannot be. */
static int bind(const sqlite3_api_routines *table, char *message, int bytes) {
  int rc = SQLITE_ERROR;
  binding_enter(&binding);
  if (is_stdcall(module_of(table->libversion_number, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT))) {
    say(message, bytes, "asyncvfs: winsqlite3.dll of 32-bit programs cannot be served (it is "
        "compiled __stdcall): load a sqlite3.dll of your own");
  } else if (table->libversion_number() < OLDEST) {
    say(message, bytes, "asyncvfs: SQLite %s is too old: 3.35.0 or newer is needed",
        table->libversion());
  } else if (sqlite3_api != NULL && sqlite3_api->vfs_register != table->vfs_register) {
    say(message, bytes, "asyncvfs: another SQLite (%s) of this process is served already; there "
        "can be one", sqlite3_api->libversion());
    rc = SQLITE_MISUSE;
  } else if (sqlite3_api == NULL &&
             module_of(table->libversion_number, GET_MODULE_HANDLE_EX_FLAG_PIN) == NULL) {
    say(message, bytes, "asyncvfs: the functions of this SQLite are in no module of the process");
  } else {
    if (sqlite3_api == NULL) {
      copy_wanted(table);
      sqlite3_api = &own_table;
    }
    rc = SQLITE_OK;
  }
  binding_leave(&binding);
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
    if (exports_sqlite(m) && !is_stdcall(m)) return m;
  }
  return exports_sqlite(GetModuleHandleA(NULL)) ? GetModuleHandleA(NULL) : NULL;
}

int avfs_bind_module(void *module, char *message, int bytes) {
  HMODULE m = module == NULL ? find_module() : (HMODULE)module;
  sqlite3_api_routines table;
  size_t i;
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
  return bind(&table, message, bytes);
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
  if (v != NULL && avfs_is_win32_vfs(v)) return v;
  return sqlite3_vfs_find("win32");
}

int avfs_bind_register(int make_default, char *message, int bytes) {
  sqlite3_vfs *parent = find_parent();
  if (parent == NULL) {
    say(message, bytes, "asyncvfs: this SQLite has no VFS named win32 to build on");
    return SQLITE_ERROR;
  }
  return avfs_bind_register_name(&avfs_asyncvfs, parent, make_default, message, bytes);
}

int avfs_bind_register_name(avfs_vfs *v, sqlite3_vfs *parent, int make_default, char *message,
                            int bytes) {
  int rc;
  pin_module();
  avfs_watch_exit();
  avfs_log_start();
  binding_enter(&binding);
  rc = avfs_vfs_register_name(v, &avfs_io_win32, parent, make_default, avfs_sql_functions_register);
  binding_leave(&binding);
  if (rc == SQLITE_OK) rc = avfs_sql_functions_register();
  if (rc != SQLITE_OK) say(message, bytes, "asyncvfs: cannot register: error %d", rc);
  return rc;
}

int avfs_bind_unregister_name(avfs_vfs *v) {
  int rc;
  binding_enter(&binding);
  rc = avfs_vfs_unregister_name(v);
  binding_leave(&binding);
  return rc;
}
