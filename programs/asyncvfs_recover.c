/* asyncvfs_recover.c: asyncvfs-recover FILE...: writes into databases what a killed program left
 * behind, so that programs without asyncvfs see it too (asyncvfs_recover, in asyncvfs.h).
 *
 * Exit status: 0 all of it is in the files; 1 of a file it is not, and a line of standard error says
 * why; 2 nothing was tried: wrong use, or no SQLite.
 *
 * SQLite is loaded from beside this program or from Windows itself, never from the current folder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>
#include <shellapi.h>

#include "asyncvfs.h"

/* SQLite's codes, without its header. */
enum { OK = 0, BUSY = 5, READONLY = 8, IOERR = 10, FULL = 13, CANTOPEN = 14, NOTADB = 26, WARNING = 28 };

static const char usage[] =
    "use: asyncvfs-recover [OPTION]... FILE...\n"
    "\n"
    "Writes into each database FILE the commits that a program left in FILE-avfsredo\n"
    "when it was killed or crashed. Any program that opens FILE through asyncvfs does\n"
    "so by itself: this is for before a program without asyncvfs opens it, and before\n"
    "a backup. A FILE with nothing to recover is left as it is.\n"
    "\n"
    "  --sqlite DLL   the SQLite to use. Else sqlite3.dll beside this program, or\n"
    "                 winsqlite3.dll of Windows; 3.35 or newer\n"
    "  --verbose      what asyncvfs logs, too\n"
    "  --version      its version\n"
    "  --help         this\n"
    "  --             what follows are FILEs\n"
    "\n"
    "Exit status: 0 if all is in the files, 1 if of one it is not, 2 if nothing was tried.\n";

static const char *(__cdecl *errstr)(int);

/* ---- names ------------------------------------------------------------------- */

/* In UTF-8, by malloc; the program ends without memory. */
static char *utf8(const wchar_t *text) {
  int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
  char *out = n > 0 ? malloc((size_t)n) : NULL;
  if (out == NULL) {
    fputs("asyncvfs-recover: out of memory\n", stderr);
    exit(2);
  }
  WideCharToMultiByte(CP_UTF8, 0, text, -1, out, n, NULL, NULL);
  return out;
}

static int has_ring(const wchar_t *path) {
  static const wchar_t suffix[] = L"-avfsredo";
  size_t n = wcslen(path);
  wchar_t *name = malloc(n * sizeof *name + sizeof suffix);
  int there;
  if (name == NULL) return 0;
  memcpy(name, path, n * sizeof *name);
  memcpy(name + n, suffix, sizeof suffix);
  there = GetFileAttributesW(name) != INVALID_FILE_ATTRIBUTES;
  free(name);
  return there;
}

/* ---- SQLite ------------------------------------------------------------------ */

static HMODULE load_sqlite(const wchar_t *given) {
  wchar_t path[MAX_PATH];
  HMODULE m;
  if (given != NULL) {
    DWORD n = GetFullPathNameW(given, MAX_PATH, path, NULL);
    return n > 0 && n < MAX_PATH ? LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH) : NULL;
  }
  m = LoadLibraryExW(L"sqlite3.dll", NULL, LOAD_LIBRARY_SEARCH_APPLICATION_DIR);
  return m != NULL ? m : LoadLibraryExW(L"winsqlite3.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
}

/* 1 when asyncvfs serves an SQLite from here on. */
static int start(const wchar_t *given) {
  char message[300];
  HMODULE sqlite = load_sqlite(given);
  FARPROC f;
  if (sqlite == NULL && given != NULL) {
    fprintf(stderr, "asyncvfs-recover: %s cannot be loaded (error %lu)\n", utf8(given), GetLastError());
    return 0;
  }
  if (sqlite == NULL) {
    fputs("asyncvfs-recover: there is no sqlite3.dll beside this program, and Windows has none: "
          "name one by --sqlite DLL\n", stderr);
    return 0;
  }
  if (asyncvfs_register(sqlite, 0, message, sizeof message) != OK) {
    fprintf(stderr, "asyncvfs-recover: %s; name another SQLite by --sqlite DLL\n", message);
    return 0;
  }
  f = GetProcAddress(sqlite, "sqlite3_errstr");
  memcpy(&errstr, &f, sizeof errstr);
  return 1;
}

/* ---- a database ---------------------------------------------------------------- */

/* What stands in the way, and what to do. */
static const char *why(int rc, const wchar_t *path) {
  switch (rc & 0xff) {
    case CANTOPEN:
      return GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES
                 ? "there is no such file"
                 : "it cannot be opened: look at its permissions, and whether a program keeps it for itself";
    case NOTADB: return "it is no SQLite database, or an encrypted one, which only its own program can recover";
    case BUSY: return "another program uses it: close that one, then run this again";
    case FULL: return "the disk is full: make room, then run this again. Nothing is lost by that";
    case READONLY: return "it is read-only: run this as who may write to it";
    case IOERR: return "the disk fails: mend it, then run this again. Nothing is lost by that";
    case WARNING:
      return has_ring(path)
                 ? "its -avfsredo is left as it is, since asyncvfs cannot write this database (read-only, a "
                   "network volume, not NTFS): run this on the machine and as the user that wrote it"
                 : "another program has written to it since, or it was replaced: the commits do not fit any "
                   "more. The database is as that one left it, and they are in its -avfsredo-refused: delete that "
                   "file if you do not miss them";
    default: return "SQLite's error; --verbose may tell more";
  }
}

/* 1 when all is in the file. */
static int recover(const wchar_t *path) {
  char *name = utf8(path);
  long long replayed = 0;
  int rc = asyncvfs_recover(name, &replayed);
  if (rc == OK && replayed == 0) printf("%s: nothing to recover\n", name);
  else if (rc == OK) printf("%s: %lld commit%s recovered\n", name, replayed, replayed == 1 ? "" : "s");
  else fprintf(stderr, "asyncvfs-recover: %s: %s (%s, %d)\n", name, why(rc, path), errstr == NULL ? "" : errstr(rc), rc);
  free(name);
  return rc == OK;
}

/* ---- the command line ------------------------------------------------------------ */

static int misused(const wchar_t *option) {
  if (option != NULL) fprintf(stderr, "asyncvfs-recover: there is no option %s, or it lacks its value\n", utf8(option));
  else fputs("asyncvfs-recover: name the database: asyncvfs-recover FILE...\n", stderr);
  fputs("asyncvfs-recover --help tells more\n", stderr);
  return 2;
}

static int run(int argc, wchar_t **argv) {
  const wchar_t *sqlite = NULL;
  int i, all = 1;
  for (i = 1; i < argc && argv[i][0] == L'-' && argv[i][1] != 0; i++) {
    if (wcscmp(argv[i], L"--") == 0) {
      i++;
      break;
    }
    if (wcscmp(argv[i], L"--help") == 0 || wcscmp(argv[i], L"-h") == 0) {
      fputs(usage, stdout);
      return 0;
    }
    if (wcscmp(argv[i], L"--version") == 0) {
      printf("asyncvfs-recover %s\n", asyncvfs_version());
      return 0;
    }
    if (wcscmp(argv[i], L"--verbose") == 0) SetEnvironmentVariableA("ASYNCVFS_LOG", "stderr");
    else if (wcscmp(argv[i], L"--sqlite") == 0 && i + 1 < argc) sqlite = argv[++i];
    else return misused(argv[i]);
  }
  if (i == argc) return misused(NULL);
  if (!start(sqlite)) return 2;
  for (; i < argc; i++) all &= recover(argv[i]);
  return all ? 0 : 1;
}

int main(void) {
  UINT code_page = GetConsoleOutputCP();
  int argc, status;
  wchar_t **argv = CommandLineToArgvW(GetCommandLineW(), &argc);
  if (argv == NULL) return 2;
  SetConsoleOutputCP(CP_UTF8);
  status = run(argc, argv);
  fflush(stdout);
  SetConsoleOutputCP(code_page);
  LocalFree(argv);
  return status;
}
