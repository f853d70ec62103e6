/* no_sqlite.c: a program without any SQLite in it that loads asyncvfs.dll and
 * registers it. It must be told what is missing. With an argument it brings an SQLite, as a
 * plugin does, and takes it away again. See test_loading.c. */
#include <stdio.h>

#include <windows.h>

typedef int(__cdecl *register_function)(void *, unsigned, char *, int);

typedef int(__cdecl *unregister_function)(void);

static union {
  FARPROC any;
  register_function asyncvfs_register;
  unregister_function asyncvfs_unregister;
} function, undo;

static int bring_and_take_away(void) {
  HMODULE first = LoadLibraryA("sqlite3.dll"), again;
  printf("register %d\n", function.asyncvfs_register((void *)first, 0, NULL, 0));
  FreeLibrary(first);
  printf("sqlite3.dll %s\n", GetModuleHandleA("sqlite3.dll") == NULL ? "no" : "yes");
  again = LoadLibraryA("sqlite3.dll");
  printf("the same %s\n", again == first ? "yes" : "no");
  printf("register %d\n", function.asyncvfs_register((void *)again, 0, NULL, 0));
  FreeLibrary(again);
  printf("unregister %d\n", undo.asyncvfs_unregister());
  return 0;
}

int main(int argc, char **argv) {
  char message[300] = "";
  (void)argv;
  HMODULE dll = LoadLibraryA("asyncvfs.dll");
  if (dll == NULL) {
    printf("LoadLibrary: error %lu\n", (unsigned long)GetLastError());
    return 1;
  }
  printf("loaded\n");
  printf("sqlite3.dll %s\n", GetModuleHandleA("sqlite3.dll") == NULL ? "no" : "yes");
  function.any = GetProcAddress(dll, "asyncvfs_register");
  undo.any = GetProcAddress(dll, "asyncvfs_unregister");
  if (function.any == NULL || undo.any == NULL) return 1;
  if (argc > 1) return bring_and_take_away();
  int rc = function.asyncvfs_register(NULL, 0, message, sizeof message);
  printf("register %d\nmessage %s\n", rc, message);
  return 0;
}
