/* no_sqlite.c: a program without any SQLite in it that loads asyncvfs.dll and
 * registers it. It must be told what is missing. See test_loading.c. */
#include <stdio.h>

#include <windows.h>

typedef int(__cdecl *register_function)(void *, unsigned, char *, int);

int main(void) {
  char message[300] = "";
  union {
    FARPROC any;
    register_function asyncvfs_register;
  } function;
  HMODULE dll = LoadLibraryA("asyncvfs.dll");
  if (dll == NULL) {
    printf("LoadLibrary: error %lu\n", (unsigned long)GetLastError());
    return 1;
  }
  printf("loaded\n");
  printf("sqlite3.dll %s\n", GetModuleHandleA("sqlite3.dll") == NULL ? "no" : "yes");
  function.any = GetProcAddress(dll, "asyncvfs_register");
  if (function.any == NULL) return 1;
  int rc = function.asyncvfs_register(NULL, 0, message, sizeof message);
  printf("register %d\nmessage %s\n", rc, message);
  return 0;
}
