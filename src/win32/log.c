/* log.c: see log.h. The file is opened for each line: there are few, and so it can be
 * moved away, and is there from the first one that there is. */
#include "win32/log.h"

#include <stdio.h>
#include <string.h>
#include <windows.h>

enum { PATH_CHARS = 32768, LINE_BYTES = 1200 };

static void write_all(HANDLE file, const char *text) {
  DWORD written;
  WriteFile(file, text, (DWORD)strlen(text), &written, NULL);
}

void avfs_log_line(const char *text) {
  wchar_t *path = HeapAlloc(GetProcessHeap(), 0, PATH_CHARS * sizeof *path);
  DWORD n = path == NULL ? 0 : GetEnvironmentVariableW(L"ASYNCVFS_LOG", path, PATH_CHARS);
  char line[LINE_BYTES];
  SYSTEMTIME t;
  if (n > 0 && n < PATH_CHARS) {
    HANDLE errors = GetStdHandle(STD_ERROR_HANDLE);
    GetSystemTime(&t);
    snprintf(line, sizeof line, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ %lu %s\n", t.wYear, t.wMonth,
             t.wDay, t.wHour, t.wMinute, t.wSecond, t.wMilliseconds, GetCurrentProcessId(), text);
    if (lstrcmpiW(path, L"stderr") == 0) {
      write_all(errors, line);
    } else {
      HANDLE file = CreateFileW(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE |
                                FILE_SHARE_DELETE, NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
      if (file == INVALID_HANDLE_VALUE) {
        write_all(errors, "asyncvfs: the file that ASYNCVFS_LOG names cannot be opened: ");
        write_all(errors, line);
      } else {
        write_all(file, line);
        CloseHandle(file);
      }
    }
  }
  if (path != NULL) HeapFree(GetProcessHeap(), 0, path);
}
