/* port.h: the completion port, between port.c and file.c. */
#ifndef AVFS_PORT_H
#define AVFS_PORT_H

#include "seam/io.h"

#include <windows.h>

/* Makes the port, once. */
int avfs_port_start(void);
/* Completions of h arrive at the port. Returns 0 on failure (GetLastError). With
 * *quiet_out 1, those of operations that succeed at once do not. */
int avfs_port_bind(HANDLE h, int *quiet_out);
/* Completes op with this result. */
void avfs_port_post(avfs_op *op, int rc, uint32_t os_error);
/* op is over with this result, and the port will not tell. */
void avfs_port_ended(avfs_op *op, uint32_t bytes, uint32_t os_error);
/* 1 when the caller is a thread of the pool. */
int avfs_port_in_pool(void);
/* 1 since avfs_port_exit(). */
int avfs_port_is_exiting(void);
avfs_op *avfs_port_ready(void);
avfs_op *avfs_port_wait(uint32_t timeout_ms);
void avfs_port_leave(void);
/* At the exit of the process: the caller is its only thread, and the pool is no more. A lock
 * that a thread took with it is free again, and what that thread had listed is forgotten.
 * Waits until the pool's threads have left the kernel, where one that is ended finishes its
 * call first. 0: some have not after timeout_ms, and what they change is not known. */
int avfs_port_exit(uint32_t timeout_ms);

HANDLE avfs_file_handle(const avfs_file *f);
HANDLE avfs_port_handle(void);
/* A waitable timer of high resolution; NULL where Windows has none. */
HANDLE avfs_port_new_timer(void);
enum { AVFS_PORT_IO_KEY = 1 };   /* of the packets of reads and writes */

/* What file.c calls of Windows through here, so that tests can do it as NTFS and as slow
 * disks do (tests/win32/machine.c), and count sleeps. */
typedef struct avfs_windows {
  BOOL (*read)(HANDLE h, void *p, DWORD bytes, OVERLAPPED *ov);          /* ReadFile */
  BOOL (*write)(HANDLE h, const void *p, DWORD bytes, OVERLAPPED *ov);   /* WriteFile */
  HANDLE (*open)(const WCHAR *path, DWORD disposition);                  /* CreateFileW */
  void (*sleep_ms)(DWORD ms);
  DWORD (*limit_ms)(DWORD ms);   /* of a wait: as it is */
  HANDLE (*timer)(void);         /* avfs_port_new_timer */
} avfs_windows;
extern avfs_windows avfs_windows_now;

/* The one table from Windows error numbers to SQLite's codes. */
int avfs_code_of_win32(uint32_t error, int otherwise);
/* Deletes the file whose path this is, and frees the path. SQLITE_OK also when there is none;
 * SQLITE_BUSY: somebody has it open. */
int avfs_delete_file(WCHAR *path);
/* A function of ntdll.dll; NULL: it has none of this name. */
FARPROC avfs_ntdll_function(const char *name);

/* clock.c */
uint64_t avfs_clock_now_ns(void);

/* What avfs_op.os holds. Of ov, Internal is STATUS_PENDING from its start until Windows has
 * written its outcome, before it tells anybody. */
typedef struct avfs_overlapped {
  OVERLAPPED ov;
  avfs_op *next;   /* in the list of ready ones */
  int failed_rc;   /* what a failure is called: SQLITE_IOERR_READ or _WRITE */
  int at_exit;     /* 1: started by the thread that is left at the exit, and not over */
} avfs_overlapped;

#endif
