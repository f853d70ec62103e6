/* log.c: see log.h. The file is opened for each line: there are few, and so it can be
 * moved away, and is there from the first one that there is. */
#include "seam/log.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <windows.h>

enum { PATH_CHARS = 32768, LINE_BYTES = 1200, TRIES = 1000 };

/* What ASYNCVFS_LOG was when it was last looked at, and the file that it stood for then: a
 * program that goes to another folder writes no second log there. */
static struct {
  SRWLOCK lock;
  wchar_t *value, *path;   /* NULL: never looked at, or no memory */
} seen = {.lock = SRWLOCK_INIT};

static wchar_t *copy(const wchar_t *text) {
  size_t bytes = (wcslen(text) + 1) * sizeof *text;
  wchar_t *to = HeapAlloc(GetProcessHeap(), 0, bytes);
  return to == NULL ? NULL : memcpy(to, text, bytes);
}

static void release(wchar_t *text) {
  if (text != NULL) HeapFree(GetProcessHeap(), 0, text);
}

/* A thread that has it for long is gone: the process ends, and this is its last thread. */
static int try_lock(void) {
  int i;
  for (i = 0; i < TRIES; i++) {
    if (TryAcquireSRWLockExclusive(&seen.lock)) return 1;
    SwitchToThread();
  }
  return 0;
}

/* By the lock: makes `seen` this value's. */
static void look(const wchar_t *value, wchar_t *full) {
  DWORD n;
  if (seen.value != NULL && seen.path != NULL && wcscmp(seen.value, value) == 0) return;
  release(seen.value);
  release(seen.path);
  n = GetFullPathNameW(value, PATH_CHARS, full, NULL);
  seen.value = copy(value);
  seen.path = n > 0 && n < PATH_CHARS ? copy(full) : NULL;
}

/* ASYNCVFS_LOG, a file's path as an absolute one; 0: there is no such log. `value` and `path` have
 * room for PATH_CHARS. */
static int find_log(wchar_t *value, wchar_t *path) {
  DWORD n = GetEnvironmentVariableW(L"ASYNCVFS_LOG", value, PATH_CHARS);
  if (n == 0 || n >= PATH_CHARS) return 0;
  wcscpy(path, value);
  if (lstrcmpiW(value, L"stderr") == 0 || !try_lock()) return 1;
  look(value, path);
  wcscpy(path, seen.path != NULL ? seen.path : value);
  ReleaseSRWLockExclusive(&seen.lock);
  return 1;
}

static void write_all(HANDLE file, const char *text) {
  DWORD written;
  WriteFile(file, text, (DWORD)strlen(text), &written, NULL);
}

static void write_line(const wchar_t *path, const char *line) {
  HANDLE errors = GetStdHandle(STD_ERROR_HANDLE), file;
  if (lstrcmpiW(path, L"stderr") == 0) {
    write_all(errors, line);
    return;
  }
  file = CreateFileW(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                     NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file == INVALID_HANDLE_VALUE) {
    write_all(errors, "asyncvfs: the file that ASYNCVFS_LOG names cannot be opened: ");
    write_all(errors, line);
  } else {
    write_all(file, line);
    CloseHandle(file);
  }
}

void avfs_log_line(const char *text) {
  wchar_t *room = HeapAlloc(GetProcessHeap(), 0, 2 * PATH_CHARS * sizeof *room);
  char line[LINE_BYTES];
  SYSTEMTIME t;
  if (room == NULL) return;
  if (find_log(room, room + PATH_CHARS)) {
    GetSystemTime(&t);
    snprintf(line, sizeof line, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ %lu %s\n", t.wYear, t.wMonth,
             t.wDay, t.wHour, t.wMinute, t.wSecond, t.wMilliseconds, GetCurrentProcessId(), text);
    write_line(room + PATH_CHARS, line);
  }
  release(room);
}

void avfs_log_start(void) {
  wchar_t *room = HeapAlloc(GetProcessHeap(), 0, 2 * PATH_CHARS * sizeof *room);
  if (room != NULL) (void)find_log(room, room + PATH_CHARS);
  release(room);
}
