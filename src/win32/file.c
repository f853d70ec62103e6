/* file.c: files by Win32, opened for overlapped I/O and bound to the port. */
#include "win32/port.h"

#include <string.h>

#include "seam/sqlite_api.h"
#include "seam/heap.h"
#include "win32/identity.h"
#include "win32/mapping.h"

/* Not in every SDK. */
#ifndef ERROR_NO_SUCH_DEVICE
# define ERROR_NO_SUCH_DEVICE 433
#endif
#ifndef ERROR_DISK_QUOTA_EXCEEDED
# define ERROR_DISK_QUOTA_EXCEEDED 1295
#endif

static BOOL windows_read(HANDLE h, void *p, DWORD bytes, OVERLAPPED *ov) {
  return ReadFile(h, p, bytes, NULL, ov);
}

static BOOL windows_write(HANDLE h, const void *p, DWORD bytes, OVERLAPPED *ov) {
  return WriteFile(h, p, bytes, NULL, ov);
}

/* No FILE_SHARE_DELETE: while a store lives, its files stay. And no DELETE access,
 * though the journal will be deleted: a stock connection in journal_mode PERSIST
 * or TRUNCATE keeps its handle of it, which shares reading and writing only. One that is made
 * is a journal, which Windows Search is not to read each time. */
static HANDLE windows_open(const WCHAR *path, DWORD disposition) {
  return CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                     disposition, FILE_ATTRIBUTE_NOT_CONTENT_INDEXED | FILE_FLAG_OVERLAPPED, NULL);
}

static void windows_sleep(DWORD ms) { Sleep(ms); }

static DWORD windows_limit(DWORD ms) { return ms; }

avfs_windows avfs_windows_now = {windows_read,  windows_write, windows_open,
                                 windows_sleep, windows_limit, avfs_port_new_timer};

struct avfs_file {
  HANDLE handle;   /* bound to the port */
  HANDLE event;    /* of the operation that is alone */
  int quiet;       /* success at once makes no packet */
  WCHAR *path;     /* for remove() */
};

/* Disk-full is a code of its own, since an application can do something about
 * it; whatever else happens is an I/O error of the kind `otherwise`. */
int avfs_code_of_win32(uint32_t error, int otherwise) {
  switch (error) {
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_DISK_FULL:
    case ERROR_DISK_QUOTA_EXCEEDED:
      return SQLITE_FULL;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_WORKING_SET_QUOTA:
      return SQLITE_IOERR_NOMEM;
    default:
      return otherwise;
  }
}

FARPROC avfs_ntdll_function(const char *name) { return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name); }

const char *avfs_os_error_text(uint32_t os_error) {
  switch (os_error) {
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_DISK_FULL: return "disk full";
    case ERROR_DISK_QUOTA_EXCEEDED: return "the disk quota is used up";
    case ERROR_ACCESS_DENIED: return "access denied";
    case ERROR_SHARING_VIOLATION: return "another program holds the file open";
    case ERROR_LOCK_VIOLATION: return "another program has locked a part of the file";
    case ERROR_USER_MAPPED_FILE: return "another program has a view of the file mapped";
    case ERROR_WRITE_PROTECT: return "the medium is write-protected";
    case ERROR_NOT_READY: return "the device is not ready";
    case ERROR_MEDIA_CHANGED:
    case ERROR_NO_MEDIA_IN_DRIVE: return "the medium is not in the drive any more";
    case ERROR_NO_SUCH_DEVICE:
    case ERROR_DEVICE_REMOVED: return "the device is gone";
    case ERROR_DELETE_PENDING: return "the file is being deleted";
    case ERROR_DEV_NOT_EXIST:
    case ERROR_DEVICE_NOT_CONNECTED:
    case ERROR_FILE_INVALID: return "the volume is gone";
    case ERROR_CRC:
    case ERROR_IO_DEVICE: return "the device reports an I/O error";
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES: return "out of memory";
    default: return NULL;
  }
}

/* What scanners, backups and sync clients do to a file for a moment; a name that is being
 * deleted answers ACCESS_DENIED until its last handle is closed. */
static int is_passing(DWORD error) {
  return error == ERROR_ACCESS_DENIED || error == ERROR_SHARING_VIOLATION ||
         error == ERROR_LOCK_VIOLATION || error == ERROR_DELETE_PENDING;
}

/* After a failure: 1 when the call is to be tried again, after a sleep. Ten times, 25 ms
 * later and 25 ms more each time, 1.4 s in all: as winRetryIoerr does (os_win.c). Not at the
 * exit, which has a deadline. */
static int try_again(DWORD error, int *tries) {
  enum { MOST = 10, STEP_MS = 25 };
  if (!is_passing(error) || *tries == MOST || avfs_port_is_exiting()) return 0;
  avfs_windows_now.sleep_ms(STEP_MS * (DWORD)++*tries);
  return 1;
}

/* One that is marked read-only will not be opened for writing later either. */
static int is_read_only(const WCHAR *path) {
  DWORD attributes = GetFileAttributesW(path);
  return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_READONLY);
}

static HANDLE open_handle(const WCHAR *path, int how, DWORD *error_out) {
  int tries = 0;
  for (;;) {
    HANDLE h = avfs_windows_now.open(path, how == AVFS_OPEN_CREATE ? OPEN_ALWAYS : OPEN_EXISTING);
    *error_out = h == INVALID_HANDLE_VALUE ? GetLastError() : 0;
    if (h != INVALID_HANDLE_VALUE) return h;
    if (*error_out == ERROR_ACCESS_DENIED && is_read_only(path)) return h;
    if (!try_again(*error_out, &tries)) return h;
  }
}

/* SQLITE_BUSY: somebody holds it, and the busy handler says for how long that is waited for. */
static int code_of_open(DWORD error) {
  if (error == ERROR_SHARING_VIOLATION || error == ERROR_LOCK_VIOLATION ||
      error == ERROR_DELETE_PENDING) {
    return SQLITE_BUSY;
  }
  return avfs_code_of_win32(error, SQLITE_CANTOPEN);
}

static int file_open(const char *path, int how, avfs_file **file_out) {
  int rc = SQLITE_NOMEM;
  avfs_file *f = avfs_alloc_zero(sizeof *f);
  WCHAR *w = avfs_wide_path(path);
  HANDLE h = INVALID_HANDLE_VALUE;
  DWORD error = 0;
  *file_out = NULL;
  if (f == NULL || w == NULL) goto fail;
  h = open_handle(w, how, &error);
  if (h == INVALID_HANDLE_VALUE) {
    rc = code_of_open(error);
    goto fail;
  }
  f->event = CreateEventW(NULL, TRUE, FALSE, NULL);
  if (f->event == NULL || !avfs_port_bind(h, &f->quiet)) {
    error = GetLastError();
    rc = SQLITE_CANTOPEN;
    goto fail;
  }
  f->handle = h;
  f->path = w;
  *file_out = f;
  return SQLITE_OK;
fail:
  if (h != INVALID_HANDLE_VALUE) CloseHandle(h);
  if (f != NULL && f->event != NULL) CloseHandle(f->event);
  avfs_free(w);
  avfs_free(f);
  SetLastError(error);
  return rc;
}

static void file_close(avfs_file *f) {
  CloseHandle(f->handle);
  CloseHandle(f->event);
  avfs_free(f->path);
  avfs_free(f);
}

int avfs_delete_file(WCHAR *path) {
  BOOL ok = DeleteFileW(path);
  DWORD error = ok ? 0 : GetLastError();
  avfs_free(path);
  SetLastError(error);
  if (ok || error == ERROR_FILE_NOT_FOUND) return SQLITE_OK;
  return error == ERROR_SHARING_VIOLATION ? SQLITE_BUSY : SQLITE_IOERR_DELETE;
}

/* Not tried again: it is a void journal, which does no harm where it is, and a stock connection
 * in PERSIST or TRUNCATE mode keeps it open for long, while the caller holds the OS lock. */
static int file_remove(avfs_file *f) {
  WCHAR *path = f->path;
  f->path = NULL;
  file_close(f);
  return avfs_delete_file(path);
}

static int file_identity(avfs_file *f, avfs_identity *id_out) {
  return avfs_identity_of_handle(f->handle, f->path, id_out);
}

/* It is open in this process, mostly, with other rights: no right conflicts with no other. */
static int path_identity(const char *path, avfs_identity *id_out) {
  WCHAR *w = avfs_wide_path(path);
  HANDLE h = INVALID_HANDLE_VALUE;
  int rc = SQLITE_NOMEM;
  memset(id_out, 0, sizeof *id_out);
  if (w == NULL) return SQLITE_NOMEM;
  h = CreateFileW(w, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                  0, NULL);
  rc = h == INVALID_HANDLE_VALUE ? SQLITE_CANTOPEN : avfs_identity_of_handle(h, w, id_out);
  if (h != INVALID_HANDLE_VALUE) CloseHandle(h);
  avfs_free(w);
  return rc;
}

static int file_links(avfs_file *f, uint32_t *links_out) {
  return avfs_links_of_handle(f->handle, links_out);
}

static int file_is_local(avfs_file *f) { return avfs_handle_is_local(f->handle); }

static int file_is_ordered(avfs_file *f) {
  WCHAR name[MAX_PATH + 1] = L"";
  return GetVolumeInformationByHandleW(f->handle, NULL, 0, NULL, NULL, NULL, name, MAX_PATH + 1) &&
         wcscmp(name, L"NTFS") == 0;
}

static int file_exists(const char *path) {
  WCHAR *w = avfs_wide_path(path);
  int exists = 1;
  if (w != NULL && GetFileAttributesW(w) == INVALID_FILE_ATTRIBUTES) {
    DWORD error = GetLastError();   /* one that is being deleted: ERROR_ACCESS_DENIED */
    exists = error != ERROR_FILE_NOT_FOUND && error != ERROR_PATH_NOT_FOUND;
    SetLastError(error);
  }
  avfs_free(w);
  return exists;
}

/* FileProcessIdsUsingFileInformation: ntifs.h and wdm.h of the Windows Driver Kit
 * ("FILE_INFORMATION_CLASS": since Windows Vista, "reserved for system use"; the Restart Manager
 * tells by it which programs keep a file). It answers for the file, whatever name or handle it
 * was opened by, and wants FILE_READ_ATTRIBUTES. Process 4 is the system: the server of a share,
 * or a driver. Not in Wine (0xc0000002), nor on file systems that do not know it.
 * A list without this process, which has the file open, is none to rely on. */
static int file_others(avfs_file *f) {
  enum { PROCESS_IDS_USING_FILE = 47, MOST = 63 };   /* with more there is somebody, surely */
  typedef LONG(NTAPI * query)(HANDLE, void *status, void *info, ULONG bytes, int class);
  struct {
    ULONG count;
    ULONG_PTR ids[MOST];
  } list;
  struct {
    void *status;
    ULONG_PTR information;
  } status;
  static query NtQueryInformationFile;
  ULONG i;
  int found = 0, others = 0;
  if (NtQueryInformationFile == NULL) {
    FARPROC p = avfs_ntdll_function("NtQueryInformationFile");
    if (p == NULL) return -1;
    memcpy(&NtQueryInformationFile, &p, sizeof p);
  }
  memset(&list, 0, sizeof list);
  if (NtQueryInformationFile(f->handle, &status, &list, sizeof list, PROCESS_IDS_USING_FILE) != 0 ||
      list.count > MOST) {
    return -1;
  }
  for (i = 0; i < list.count; i++) {
    if (list.ids[i] == GetCurrentProcessId()) found = 1;
    else others = 1;
  }
  return found ? others : -1;
}

/* An operation on its way. Once it is started, and not alone, the op may be over, and its
 * memory somebody else's, before the call returns: what is to be known then is kept here. */
typedef struct start {
  OVERLAPPED *ov;
  int quiet, alone;
} start;

/* Alone means that this thread waits for it. The packet would be another thread's to take,
 * often: two switches of threads for a write that takes microseconds, to a cached file. A
 * thread of the application is not kept, nor the last one at the exit, which has a deadline. */
static start op_begin(avfs_op *op, int failed_rc) {
  avfs_overlapped *o = (avfs_overlapped *)op->os;
  start s = {&o->ov, op->file->quiet, op->alone && avfs_port_in_pool()};
  memset(op->os, 0, sizeof op->os);
  o->ov.Offset = (DWORD)op->offset;
  o->ov.OffsetHigh = (DWORD)(op->offset >> 32);
  /* The lowest bit keeps its packet from the port (GetQueuedCompletionStatus, lpOverlapped). */
  if (s.alone) o->ov.hEvent = (char *)op->file->event + 1;
  o->failed_rc = failed_rc;
  o->at_exit = avfs_port_is_exiting();
  return s;
}

/* What the port will not tell is told here: what took place at once, and what Windows refused
 * to start. */
static void op_started(avfs_op *op, const start *s, BOOL ok) {
  DWORD bytes = 0, error = ok ? 0 : GetLastError();
  if (ok) {
    if (!s->quiet && !s->alone) return;
    bytes = (DWORD)s->ov->InternalHigh;
  } else if (error == ERROR_IO_PENDING) {
    if (!s->alone) return;
    s->ov->hEvent = op->file->event;
    error = GetOverlappedResult(op->file->handle, s->ov, &bytes, TRUE) ? 0 : GetLastError();
  } else {
    s->ov->Internal = 0;   /* Windows leaves it as pending */
  }
  avfs_port_ended(op, bytes, error);
}

static void file_read(avfs_op *op) {
  start s = op_begin(op, SQLITE_IOERR_READ);
  op_started(op, &s, avfs_windows_now.read(op->file->handle, op->data, op->bytes, s.ov));
}

static void file_write(avfs_op *op) {
  start s = op_begin(op, SQLITE_IOERR_WRITE);
  op_started(op, &s, avfs_windows_now.write(op->file->handle, op->data, op->bytes, s.ov));
}

/* Wine reads and writes a file within the call of the thread that asks. With that thread the
 * operation is gone, and its OVERLAPPED says for ever that it is pending. */
static int is_wine(void) {
  return avfs_ntdll_function("wine_get_version") != NULL;
}

/* Windows says in the OVERLAPPED whether it is done with it. The port would not do: a packet
 * may have gone with the thread that took it, and an operation that ends within the call of a
 * thread that is gone makes none. */
static int file_settle(avfs_op *op, uint32_t timeout_ms) {
  enum { SLICE_MS = 10 };
  avfs_overlapped *o = (avfs_overlapped *)op->os;
  OVERLAPPED *ov = &o->ov;
  uint64_t now = avfs_clock_now_ns(), until = avfs_time_after(now, timeout_ms);
  if (HasOverlappedIoCompleted(ov) || is_wine()) return 1;
  CancelIoEx(op->file->handle, ov);
  while (!HasOverlappedIoCompleted(ov) && now < until) {
    uint32_t left_ms = avfs_ms_until(now, until), slice = left_ms < SLICE_MS ? left_ms : SLICE_MS;
    if (ov->hEvent != NULL) WaitForSingleObject(op->file->event, slice);   /* it was alone */
    else (void)avfs_port_wait(slice);
    now = avfs_clock_now_ns();
  }
  return HasOverlappedIoCompleted(ov);
}

HANDLE avfs_file_handle(const avfs_file *f) { return f->handle; }

static int file_flush(avfs_file *f) {
  return FlushFileBuffers(f->handle) ? SQLITE_OK
                                     : avfs_code_of_win32(GetLastError(), SQLITE_IOERR_FSYNC);
}

static int file_size(avfs_file *f, uint64_t *bytes_out) {
  LARGE_INTEGER size;
  *bytes_out = 0;
  if (!GetFileSizeEx(f->handle, &size)) return SQLITE_IOERR_FSTAT;
  *bytes_out = (uint64_t)size.QuadPart;
  return SQLITE_OK;
}

static int file_resize(avfs_file *f, uint64_t bytes) {
  FILE_END_OF_FILE_INFO eof;
  eof.EndOfFile.QuadPart = (LONGLONG)bytes;
  if (SetFileInformationByHandle(f->handle, FileEndOfFileInfo, &eof, sizeof eof)) return SQLITE_OK;
  if (GetLastError() == ERROR_USER_MAPPED_FILE) return SQLITE_OK;
  return avfs_code_of_win32(GetLastError(), SQLITE_IOERR_TRUNCATE);
}

static int file_map(avfs_file *f, uint64_t most, void **view_out, uint64_t *bytes_out) {
  HANDLE mapping = NULL;
  void *view = NULL;
  uint64_t bytes = 0;
  DWORD error;
  int rc = file_size(f, &bytes);
  *view_out = NULL;
  if (rc != SQLITE_OK) return rc;
  if (bytes > most) bytes = most;
  *bytes_out = bytes;
  if (bytes == 0 || bytes > SIZE_MAX) return SQLITE_IOERR_MMAP;   /* CreateFileMapping refuses the former */
  mapping = CreateFileMappingW(f->handle, NULL, PAGE_READONLY, (DWORD)(bytes >> 32), (DWORD)bytes, NULL);
  if (mapping != NULL) view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, (SIZE_T)bytes);
  error = GetLastError();
  if (mapping != NULL) CloseHandle(mapping);   /* the view keeps it */
  SetLastError(error);
  *view_out = view;
  return view != NULL ? SQLITE_OK : SQLITE_IOERR_MMAP;
}

static void file_unmap(void *view) { UnmapViewOfFile(view); }

static void post_now(avfs_op *op) { avfs_port_post(op, SQLITE_OK, 0); }

static uint32_t last_error(void) { return GetLastError(); }

const avfs_io avfs_io_win32 = {
    .start = avfs_port_start,
    .open = file_open,
    .close = file_close,
    .remove = file_remove,
    .identity = file_identity,
    .path_identity = path_identity,
    .links = file_links,
    .is_local = file_is_local,
    .is_ordered = file_is_ordered,
    .exists = file_exists,
    .others = file_others,
    .read = file_read,
    .write = file_write,
    .flush = file_flush,
    .size = file_size,
    .resize = file_resize,
    .map = file_map,
    .unmap = file_unmap,
    .map_file = avfs_map_file,
    .unmap_file = avfs_unmap_file,
    .rename_file = avfs_rename_file,
    .boot = avfs_boot,
    .post = post_now,
    .ready = avfs_port_ready,
    .wait = avfs_port_wait,
    .leave = avfs_port_leave,
    .settle = file_settle,
    .now_ns = avfs_clock_now_ns,
    .os_error = last_error,
};
