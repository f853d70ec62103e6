/* ending.c: the moments before an end that no DLL hears of, and what a program does then.
 *
 *   the session ends      WM_QUERYENDSESSION, WM_ENDSESSION    a window
 *   the system suspends   WM_POWERBROADCAST                    a window
 *   a volume is removed   WM_DEVICECHANGE                      a window
 *   the console closes    CTRL_CLOSE_EVENT and others          SetConsoleCtrlHandler
 *   a service is stopped  SERVICE_CONTROL_PRESHUTDOWN, _STOP   RegisterServiceCtrlHandlerEx
 *
 * In each it is one call, asyncvfs_flush(NULL, milliseconds): what all databases of the process
 * have committed is on the disk, or the time is up. Only a volume that is to be removed has to be
 * let go of as well: its databases are closed, which drains them.
 *
 *   ending.exe app.db     commits, and then sends its own window what Windows would
 */
#include <stdio.h>

#include <windows.h>
#include <dbt.h>

#include "asyncvfs.h"
#include "sqlite3.h"

static sqlite3 *db;

static void say(const char *when, int rc) { printf("%s: %s\n", when, sqlite3_errstr(rc)); }

static LRESULT CALLBACK window(HWND w, UINT message, WPARAM wparam, LPARAM lparam) {
  switch (message) {
    case WM_QUERYENDSESSION:
      return TRUE;   /* at once: what takes time belongs below */
    case WM_ENDSESSION:   /* after 5 s the user may end the program */
      if (wparam) say("the session ends", asyncvfs_flush(NULL, 3000));
      return 0;
    case WM_POWERBROADCAST:   /* 2 s, and no veto */
      if (wparam == PBT_APMSUSPEND) say("the system suspends", asyncvfs_flush(NULL, 1500));
      return TRUE;
    case WM_DEVICECHANGE:   /* after RegisterDeviceNotification for a handle on the volume */
      if (wparam == DBT_DEVICEQUERYREMOVE) {
        say("the volume is let go", sqlite3_close(db));
        db = NULL;
      }
      return TRUE;
    default:
      return DefWindowProcW(w, message, wparam, lparam);
  }
}

/* On a thread of its own; the process ends when it returns. */
static BOOL WINAPI on_console(DWORD event) {
  if (event == CTRL_CLOSE_EVENT || event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT) {
    (void)asyncvfs_flush(NULL, 3000);
  }
  return FALSE;   /* and whoever else handles it */
}

/* For RegisterServiceCtrlHandlerEx, with SERVICE_ACCEPT_PRESHUTDOWN | SERVICE_ACCEPT_STOP. It
 * returns soon: the thread that waits for `stop` reports SERVICE_STOP_PENDING, flushes with
 * the time that it has (180 s before a shutdown, by default), closes, and reports SERVICE_STOPPED. */
static HANDLE stop;
static DWORD WINAPI on_service(DWORD control, DWORD type, void *data, void *context) {
  (void)type;
  (void)data;
  (void)context;
  if (control == SERVICE_CONTROL_STOP || control == SERVICE_CONTROL_PRESHUTDOWN) SetEvent(stop);
  return NO_ERROR;
}

int main(int argc, char **argv) {
  char message[200];
  WNDCLASSW c = {.lpfnWndProc = window, .lpszClassName = L"ending"};
  HWND w;
  const char *path = argc > 1 ? argv[1] : "ending.db";
  if (asyncvfs_register(NULL, 0, message, sizeof message) != SQLITE_OK) {
    fprintf(stderr, "%s\n", message);
    return 1;
  }
  c.hInstance = GetModuleHandleW(NULL);
  stop = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (stop == NULL || RegisterClassW(&c) == 0 || !SetConsoleCtrlHandler(on_console, TRUE)) return 1;
  /* Hidden, not message-only: such a window gets no broadcasts. */
  w = CreateWindowExW(0, c.lpszClassName, L"", WS_OVERLAPPED, 0, 0, 0, 0, NULL, NULL, c.hInstance, NULL);
  if (w == NULL) {   /* no desktop, as in a test: enough for what is sent below */
    w = CreateWindowExW(0, c.lpszClassName, L"", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, c.hInstance, NULL);
  }
  if (w == NULL) return 1;
  if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs") != SQLITE_OK ||
      sqlite3_exec(db, "CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1)", NULL, NULL, NULL) != SQLITE_OK) {
    fprintf(stderr, "%s\n", sqlite3_errmsg(db));
    return 1;
  }
  SendMessageW(w, WM_POWERBROADCAST, PBT_APMSUSPEND, 0);
  if (SendMessageW(w, WM_QUERYENDSESSION, 0, 0)) SendMessageW(w, WM_ENDSESSION, TRUE, 0);
  SendMessageW(w, WM_DEVICECHANGE, DBT_DEVICEQUERYREMOVE, 0);
  (void)on_service(SERVICE_CONTROL_PRESHUTDOWN, 0, NULL, NULL);
  printf("a service would stop now: %s\n", WaitForSingleObject(stop, 0) == WAIT_OBJECT_0 ? "yes" : "no");
  return db == NULL ? 0 : 1;
}
