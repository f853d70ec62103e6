/* port.c: one I/O completion port for the process.
 *
 * Each packet is an avfs_op: of an overlapped read or write (KEY_IO), or posted
 * by hand with its result already in it (KEY_POST). The threads that wait here
 * belong to engine/scheduler.c; this file starts none.
 */
#include "win32/port.h"

#include <assert.h>

#include "api/host.h"
#include "win32/sync.h"

enum { KEY_IO = 1, KEY_POST };

static_assert(sizeof(avfs_overlapped) <= sizeof(((avfs_op *)0)->os),
              "avfs_op.os holds an avfs_overlapped");

static HANDLE port;   /* written once, by avfs_port_start */

int avfs_port_start(void) {
  if (port == NULL) port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
  return port == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

int avfs_port_bind(HANDLE h) { return CreateIoCompletionPort(h, port, KEY_IO, 0) != NULL; }

void avfs_port_post(avfs_op *op, int rc, uint32_t os_error) {
  op->rc = rc;
  op->os_error = os_error;
  op->transferred = 0;
  /* Fails only without memory for the packet. The op must not be lost and
   * there is nobody to tell, so ask again until there is. */
  while (!PostQueuedCompletionStatus(port, 0, KEY_POST, (OVERLAPPED *)op->os)) SwitchToThread();
}

static int failed_rc_of(const avfs_op *op) { return ((const avfs_overlapped *)op->os)->failed_rc; }

avfs_op *avfs_port_wait(uint32_t timeout_ms) {
  DWORD bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED *ov = NULL;
  BOOL ok = GetQueuedCompletionStatus(port, &bytes, &key, &ov,
                                      timeout_ms == AVFS_FOREVER ? INFINITE : timeout_ms);
  avfs_op *op;
  if (ov == NULL) return NULL;   /* the time is up */
  op = CONTAINING_RECORD(ov, avfs_op, os);
  if (key == KEY_IO) {
    op->transferred = bytes;
    op->os_error = ok ? 0 : GetLastError();
    if (op->os_error == ERROR_HANDLE_EOF) op->os_error = 0;   /* read nothing: past the end */
    op->rc = op->os_error == 0 ? SQLITE_OK : avfs_code_of_win32(op->os_error, failed_rc_of(op));
    /* Windows writes all or fails; if it ever does not, the disk is full. */
    if (op->rc == SQLITE_OK && bytes < op->bytes && failed_rc_of(op) == SQLITE_IOERR_WRITE) {
      op->rc = SQLITE_FULL;
    }
  }
  return op;
}
