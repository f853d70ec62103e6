/* installed.exe DATABASE [wait]: finds the installed asyncvfs.dll as an application
 * would, by the registry key alone, and commits through it.
 *
 * wait: it keeps the database open until a line comes on standard input, then commits
 * once more: by a DLL whose file was replaced or removed meanwhile.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

typedef int(__cdecl *register_function)(void *, unsigned, char *, int);
typedef const char *(__cdecl *version_function)(void);

static int dll_path(HKEY root, wchar_t *path, DWORD bytes) {
  return RegGetValueW(root, L"Software\\AsyncVfs", L"Dll", RRF_RT_REG_SZ, NULL, path, &bytes) ==
         ERROR_SUCCESS;
}

static int show(void *unused, int columns, char **values, char **names) {
  (void)unused;
  (void)columns;
  printf("%s: %s\n", names[0], values[0]);
  return 0;
}

int main(int argc, char **argv) {
  wchar_t path[MAX_PATH];
  char message[256], line[10];
  register_function register_vfs;
  version_function version;
  HMODULE dll;
  FARPROC f;
  sqlite3 *db = NULL;
  int rc;
  if (argc < 2) return 2;

  if (!dll_path(HKEY_CURRENT_USER, path, sizeof path) &&
      !dll_path(HKEY_LOCAL_MACHINE, path, sizeof path)) {
    puts("not installed");
    return 3;
  }
  dll = LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (dll == NULL) {
    printf("cannot load %ls: error %lu\n", path, GetLastError());
    return 1;
  }
  f = GetProcAddress(dll, "asyncvfs_register");
  memcpy(&register_vfs, &f, sizeof f);
  f = GetProcAddress(dll, "asyncvfs_version");
  memcpy(&version, &f, sizeof f);

  if (register_vfs(NULL, 0, message, sizeof message) != SQLITE_OK) {
    puts(message);
    return 1;
  }
  printf("loaded: %ls\nversion: %s\n", path, version());
  rc = sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs");
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(db, "CREATE TABLE IF NOT EXISTS note(n); INSERT INTO note VALUES(1);"
                          "SELECT json_extract(asyncvfs_status(), '$.mode') AS mode", show, NULL, NULL);
  fflush(stdout);
  if (rc == SQLITE_OK && argc > 2) {
    if (fgets(line, sizeof line, stdin) == NULL) return 1;
    rc = sqlite3_exec(db, "INSERT INTO note VALUES(1)", NULL, NULL, NULL);
  }
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(db, "PRAGMA asyncvfs_flush; SELECT count(*) AS notes FROM note", show, NULL, NULL);
  if (rc != SQLITE_OK) puts(sqlite3_errmsg(db));
  sqlite3_close(db);
  return rc != SQLITE_OK;
}
