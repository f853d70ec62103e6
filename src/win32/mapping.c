/* mapping.c: files that are memory (io.h, avfs_mapping), by Win32.
 *
 * A page of a mapped file that Windows cannot have raises EXCEPTION_IN_PAGE_ERROR where it is touched.
 * __try is not in C, and gcc has none; so a vectored handler looks at each exception of the process,
 * and where its address is in a mapping of this list, memory of the process takes the view's
 * place, and the instruction is done again: no cost where nothing fails. Nothing else is caught.
 *
 * Locks: list_lock guards the list; a leaf. The handler takes it: nobody touches mapped memory
 * with it.
 */
#include "win32/port.h"

#include <string.h>

#include "seam/heap.h"
#include "seam/sqlite_api.h"
#include "seam/sync.h"
#include "win32/identity.h"
#include "win32/mapping.h"

typedef struct mapping {
  avfs_mapping m;   /* first: what the seam shows */
  struct mapping *next;
  HANDLE file;
  WCHAR *path;
} mapping;

static avfs_lock list_lock;
static mapping *list;
static int watching;

static mapping *find_mapping(ULONG_PTR at) {
  mapping *m = list;
  while (m != NULL && (at < (ULONG_PTR)m->m.at || at - (ULONG_PTR)m->m.at >= m->m.bytes)) {
    m = m->next;
  }
  return m;
}

/* The address belongs to nobody for a moment; if another thread takes it, the exception goes on
 * its way, as it would without us. */
static int replace_view(mapping *m) {
  m->m.failed = 1;
  UnmapViewOfFile(m->m.at);
  return VirtualAlloc(m->m.at, (SIZE_T)m->m.bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) == m->m.at;
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *e) {
  const EXCEPTION_RECORD *r = e->ExceptionRecord;
  LONG answer = EXCEPTION_CONTINUE_SEARCH;
  mapping *m;
  if (r->ExceptionCode != (DWORD)EXCEPTION_IN_PAGE_ERROR && r->ExceptionCode != (DWORD)EXCEPTION_ACCESS_VIOLATION) {
    return answer;
  }
  if (r->NumberParameters < 2) return answer;
  avfs_lock_enter(&list_lock);
  m = find_mapping(r->ExceptionInformation[1]);
  if (m != NULL && (m->m.failed || replace_view(m))) answer = EXCEPTION_CONTINUE_EXECUTION;
  avfs_lock_leave(&list_lock);
  return answer;
}

static void add_mapping(mapping *m) {
  avfs_lock_enter(&list_lock);
  if (!watching) watching = AddVectoredExceptionHandler(1, on_exception) != NULL;
  m->next = list;
  list = m;
  avfs_lock_leave(&list_lock);
}

static void remove_mapping(mapping *m) {
  mapping **at = &list;
  avfs_lock_enter(&list_lock);
  while (*at != m) at = &(*at)->next;
  *at = m->next;
  avfs_lock_leave(&list_lock);
}

/* Who reads may do so beside anybody, and keeps nobody from deleting it. Who writes lets
 * nobody else do so. */
static HANDLE open_handle(const WCHAR *path, int how) {
  if (how == AVFS_MAP_READ) {
    return CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                       OPEN_EXISTING, 0, NULL);
  }
  return CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_ALWAYS,
                     FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, NULL);
}

static int code_of_open(DWORD error) {
  if (error == ERROR_SHARING_VIOLATION || error == ERROR_LOCK_VIOLATION || error == ERROR_DELETE_PENDING) {
    return SQLITE_BUSY;
  }
  return avfs_code_of_win32(error, SQLITE_CANTOPEN);
}

/* Zeros from the end of the file to `bytes`: what SetEndOfFile adds has no place on a
 * compressed or sparse file's volume. */
static int fill(HANDLE file, uint64_t size, uint64_t bytes) {
  static unsigned char zeros[65536];   /* not const: it is to take no room in the DLL */
  LARGE_INTEGER at;
  at.QuadPart = (LONGLONG)size;
  if (!SetFilePointerEx(file, at, NULL, FILE_BEGIN)) return 0;
  while (size < bytes) {
    DWORD n = bytes - size < sizeof zeros ? (DWORD)(bytes - size) : (DWORD)sizeof zeros, done = 0;
    if (!WriteFile(file, zeros, n, &done, NULL)) return 0;
    if (done < n) {
      SetLastError(ERROR_DISK_FULL);
      return 0;
    }
    size += n;
  }
  return 1;
}

static void *map_view(HANDLE file, int how) {
  HANDLE h = CreateFileMappingW(file, NULL, how == AVFS_MAP_READ ? PAGE_READONLY : PAGE_READWRITE, 0, 0, NULL);
  void *view = NULL;
  DWORD error;
  if (h == NULL) return NULL;
  view = MapViewOfFile(h, how == AVFS_MAP_READ ? FILE_MAP_READ : FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, 0);
  error = GetLastError();
  CloseHandle(h);   /* the view keeps it */
  SetLastError(error);
  return view;
}

int avfs_map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out) {
  mapping *m = avfs_alloc_zero(sizeof *m);
  WCHAR *w = avfs_wide_path(path);
  LARGE_INTEGER size;
  DWORD error = 0;
  int rc = SQLITE_NOMEM;
  *m_out = NULL;
  if (m == NULL || w == NULL) goto fail;
  m->file = open_handle(w, how);
  if (m->file == INVALID_HANDLE_VALUE) {
    m->file = NULL;
    error = GetLastError();
    rc = code_of_open(error);
    goto fail;
  }
  size.QuadPart = 0;
  rc = SQLITE_IOERR_MMAP;
  if (GetFileSizeEx(m->file, &size)) {
    m->m.bytes = (uint64_t)size.QuadPart;
    if (how == AVFS_MAP_WRITE && m->m.bytes < bytes) {
      if (fill(m->file, m->m.bytes, bytes)) m->m.bytes = bytes;
      else rc = avfs_code_of_win32(GetLastError(), SQLITE_IOERR_WRITE);
    }
    if (rc == SQLITE_IOERR_MMAP && m->m.bytes == 0) rc = SQLITE_EMPTY;
    if (rc == SQLITE_IOERR_MMAP && m->m.bytes <= SIZE_MAX) m->m.at = map_view(m->file, how);
  }
  if (m->m.at == NULL) {
    error = GetLastError();
    goto fail;
  }
  m->path = w;
  add_mapping(m);
  *m_out = &m->m;
  return SQLITE_OK;
fail:
  if (m != NULL && m->file != NULL) CloseHandle(m->file);
  avfs_free(m);
  avfs_free(w);
  SetLastError(error);
  return rc;
}

/* Its path, which is the caller's. */
static WCHAR *close_mapping(mapping *m) {
  WCHAR *path = m->path;
  remove_mapping(m);
  if (m->m.failed) VirtualFree(m->m.at, 0, MEM_RELEASE);
  else UnmapViewOfFile(m->m.at);
  CloseHandle(m->file);
  avfs_free(m);
  return path;
}

int avfs_unmap_file(avfs_mapping *m, int remove) {
  WCHAR *path = close_mapping((mapping *)m);
  if (remove) return avfs_delete_file(path);
  avfs_free(path);
  return SQLITE_OK;
}

int avfs_rename_file(avfs_mapping *m, const char *path) {
  WCHAR *to = avfs_wide_path(path), *from = close_mapping((mapping *)m);
  BOOL ok = to != NULL && MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING);
  DWORD error = ok ? 0 : GetLastError();
  int rc = ok ? SQLITE_OK : to == NULL ? SQLITE_NOMEM : SQLITE_IOERR;
  avfs_free(from);
  avfs_free(to);
  SetLastError(error);
  return rc;
}

/* SystemTimeOfDayInformation (winternl.h calls its fields reserved; they are described in "Windows
 * Internals" and by Geoff Chappell): BootTime, which is moved with the clock when that is set,
 * and BootTimeBias, by how much it was. Their difference is of this start of the system. */
uint64_t avfs_boot(void) {
  enum { SYSTEM_TIME_OF_DAY = 3 };
  typedef LONG(NTAPI * query)(int class, void *info, ULONG bytes, ULONG *bytes_out);
  struct {
    int64_t boot_time, current_time, time_zone_bias;
    uint32_t time_zone_id, reserved;
    uint64_t boot_time_bias, sleep_time_bias;
  } info;
  FARPROC p = avfs_ntdll_function("NtQuerySystemInformation");
  query NtQuerySystemInformation;
  memset(&info, 0, sizeof info);
  if (p == NULL) return 0;
  memcpy(&NtQuerySystemInformation, &p, sizeof p);
  if (NtQuerySystemInformation(SYSTEM_TIME_OF_DAY, &info, sizeof info, NULL) != 0) return 0;
  return (uint64_t)info.boot_time - info.boot_time_bias;
}
