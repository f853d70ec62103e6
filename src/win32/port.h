/* port.h: the completion port, between port.c and file.c. */
#ifndef AVFS_PORT_H
#define AVFS_PORT_H

#include "win32/io.h"

#include <windows.h>

/* Makes the port, once. */
int avfs_port_start(void);
/* Completions of h arrive at the port. Returns 0 on failure (GetLastError). With
 * *quiet_out 1, those of operations that succeed at once do not. */
int avfs_port_bind(HANDLE h, int *quiet_out);
/* Completes op with this result. */
void avfs_port_post(avfs_op *op, int rc, uint32_t os_error);
/* op is over, so, and the port will not tell. */
void avfs_port_ended(avfs_op *op, uint32_t bytes, uint32_t os_error);
/* 1 when the caller is a thread of the pool. */
int avfs_port_in_pool(void);
avfs_op *avfs_port_ready(void);
avfs_op *avfs_port_wait(uint32_t timeout_ms);
/* At the exit of the process: the caller is its only thread, and the pool is no more. A lock
 * that a thread took with it is free again, and what that thread had listed is forgotten. */
void avfs_port_exit(void);

/* The one table from Windows error numbers to SQLite's codes. */
int avfs_code_of_win32(uint32_t error, int otherwise);

/* clock.c */
uint64_t avfs_clock_now_ns(void);

/* What avfs_op.os holds. */
typedef struct avfs_overlapped {
  OVERLAPPED ov;
  avfs_op *next;   /* in the list of ready ones */
  int failed_rc;   /* what a failure is called: SQLITE_IOERR_READ or _WRITE */
} avfs_overlapped;

#endif
