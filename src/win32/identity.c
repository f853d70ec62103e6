/* identity.c: which file a name leads to, and by which of its names.
 *
 *   a name --CreateFileW--> handle --GetFinalPathNameByHandleW--> its final path:
 *     volume, directories and last part as the file system has them: without links, short
 *     names, drive letters and the spelling of the opener
 *
 * A journal is looked for beside the name that SQLite was given. Whether that is the name's own
 * journal or another file's is one rule: the final path of the name's directory, and the name's
 * last part, together are the file's final path. So a junction or another drive letter on the
 * way does no harm, since the journal's name goes the same way; a symbolic link to the file
 * itself, a short name or a stream of it do.
 */
#include "win32/identity.h"
#include "win32/port.h"

#include <string.h>
#include <wchar.h>

#include "seam/sqlite_api.h"
#include "seam/heap.h"

/* Of wdm.h and ntifs.h. */
enum {
  DEVICE_INFORMATION = 4,        /* FileFsDeviceInformation */
  DEVICE_DISK = 0x07,
  DEVICE_DISK_FILE_SYSTEM = 0x08,
  DEVICE_VIRTUAL_DISK = 0x24,
  REMOTE_DEVICE = 0x10,
  WEBDAV_DEVICE = 0x2000,
  CLUSTER_SHARED_VOLUME = 0x10000,
  REMOTE_DEVICE_VSMB = 0x80000,  /* a folder of the host, in a container or sandbox */
  CASE_SENSITIVE_INFO = 23       /* FileCaseSensitiveInfo: Windows 10, 1803 */
};

enum { USUAL_CHARS = 128 };   /* of a path; a longer one is asked for again */

WCHAR *avfs_wide_path(const char *path) {
  int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
  WCHAR *w;
  if (n <= 0) return NULL;
  w = avfs_alloc((size_t)n * sizeof *w);
  if (w != NULL) MultiByteToWideChar(CP_UTF8, 0, path, -1, w, n);
  return w;
}

/* ---- the final path ---------------------------------------------------------- */

/* With the volume as `volume` says. *path_out by avfs_alloc; NULL: there is none to be had, or no
 * memory (SQLITE_NOMEM). */
static int final_path(HANDLE h, DWORD volume, WCHAR **path_out) {
  DWORD room = USUAL_CHARS;
  *path_out = NULL;
  for (;;) {
    WCHAR *w = avfs_alloc(room * sizeof *w);
    DWORD n;
    if (w == NULL) return SQLITE_NOMEM;
    n = GetFinalPathNameByHandleW(h, w, room, FILE_NAME_NORMALIZED | volume);
    if (n > 0 && n < room) {
      *path_out = w;
      return SQLITE_OK;
    }
    avfs_free(w);
    if (n == 0) return SQLITE_OK;
    room = n + 1;
  }
}

static size_t length_without_slash(const WCHAR *path) {
  size_t n = wcslen(path);
  return n > 0 && path[n - 1] == L'\\' ? n - 1 : n;
}

static int is_equal(const WCHAR *a, const WCHAR *b, size_t n, int any_case) {
  return CompareStringOrdinal(a, (int)n, b, (int)n, any_case) == CSTR_EQUAL;
}

/* Of names in this directory it matters whether letters are capital: two that differ in nothing
 * else are two files. */
static int is_case_sensitive(HANDLE directory) {
  ULONG flags = 0;
  return GetFileInformationByHandleEx(directory, (FILE_INFO_BY_HANDLE_CLASS)CASE_SENSITIVE_INFO,
                                      &flags, sizeof flags) && (flags & 1) != 0;
}

/* *is_out: `place` is what is named `last` in this directory. */
static int is_in(HANDLE directory, const WCHAR *last, DWORD volume, const WCHAR *place, int *is_out) {
  WCHAR *folder;
  size_t n, m = wcslen(last);
  int rc = final_path(directory, volume, &folder);
  if (folder == NULL) return rc;
  n = length_without_slash(folder);
  *is_out = wcslen(place) == n + 1 + m && is_equal(folder, place, n, 1) && place[n] == L'\\' &&
            is_equal(last, place + n + 1, m, !is_case_sensitive(directory));
  avfs_free(folder);
  return SQLITE_OK;
}

/* *is_out: what is written beside `path` is beside the file whose final path is `place`. */
static int is_own_name(const WCHAR *path, DWORD volume, const WCHAR *place, int *is_out) {
  const WCHAR *last = path + wcslen(path);
  WCHAR *folder;
  HANDLE h;
  size_t n;
  int rc;
  while (last > path && last[-1] != L'\\' && last[-1] != L'/') last--;
  n = (size_t)(last - path);
  if (n == 0) return SQLITE_OK;
  folder = avfs_alloc((n + 1) * sizeof *folder);
  if (folder == NULL) return SQLITE_NOMEM;
  memcpy(folder, path, n * sizeof *folder);
  folder[n] = 0;
  h = CreateFileW(folder, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                  OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
  avfs_free(folder);
  if (h == INVALID_HANDLE_VALUE) return SQLITE_OK;
  rc = is_in(h, last, volume, place, is_out);
  CloseHandle(h);
  return rc;
}

/* In capital letters, as UTF-8; NULL without memory. */
static char *folded(WCHAR *place) {
  int n = (int)wcslen(place) + 1, bytes;
  char *text;
  LCMapStringW(LOCALE_INVARIANT, LCMAP_UPPERCASE, place, n, place, n);
  bytes = WideCharToMultiByte(CP_UTF8, 0, place, n, NULL, 0, NULL, NULL);
  text = bytes <= 0 ? NULL : avfs_alloc((size_t)bytes);
  if (text != NULL) WideCharToMultiByte(CP_UTF8, 0, place, n, text, bytes, NULL, NULL);
  return text;
}

/* ---- identity -------------------------------------------------------------------- */

static int read_index(HANDLE h, avfs_identity *id_out) {
  FILE_ID_INFO full;
  BY_HANDLE_FILE_INFORMATION info;
  /* 128-bit identifiers (ReFS) where the system has them. */
  if (GetFileInformationByHandleEx(h, FileIdInfo, &full, sizeof full)) {
    id_out->volume = full.VolumeSerialNumber;
    memcpy(&id_out->index_low, full.FileId.Identifier, 8);
    memcpy(&id_out->index_high, full.FileId.Identifier + 8, 8);
    return SQLITE_OK;
  }
  if (!GetFileInformationByHandle(h, &info)) return SQLITE_IOERR_FSTAT;
  id_out->volume = info.dwVolumeSerialNumber;
  id_out->index_low = ((uint64_t)info.nFileIndexHigh << 32) | info.nFileIndexLow;
  id_out->index_high = 0;
  return SQLITE_OK;
}

int avfs_links_of_handle(HANDLE h, uint32_t *links_out) {
  FILE_STANDARD_INFO info;
  *links_out = 0;
  if (!GetFileInformationByHandleEx(h, FileStandardInfo, &info, sizeof info)) return SQLITE_IOERR_FSTAT;
  *links_out = info.NumberOfLinks;
  return SQLITE_OK;
}

int avfs_identity_of_handle(HANDLE h, const WCHAR *path, avfs_identity *id_out) {
  DWORD volume = VOLUME_NAME_NT;   /* a device: needs neither a drive letter nor the mount manager */
  WCHAR *place;
  int rc;
  memset(id_out, 0, sizeof *id_out);
  rc = read_index(h, id_out);
  if (rc == SQLITE_OK) rc = avfs_links_of_handle(h, &id_out->links);
  if (rc == SQLITE_OK) rc = final_path(h, volume, &place);
  if (rc == SQLITE_OK && place == NULL) {
    volume = VOLUME_NAME_DOS;   /* Wine has no device for a mounted folder */
    rc = final_path(h, volume, &place);
  }
  if (rc != SQLITE_OK || place == NULL) return rc;
  rc = is_own_name(path, volume, place, &id_out->is_own_name);
  if (rc == SQLITE_OK) id_out->place = folded(place);
  if (rc == SQLITE_OK && id_out->place == NULL) rc = SQLITE_NOMEM;
  avfs_free(place);
  return rc;
}

/* ---- where it is ------------------------------------------------------------------- */

int avfs_device_is_local(DWORD remote_error, DWORD type, DWORD characteristics) {
  /* For a local file that question is an invalid one. Wine does not know it at all. */
  if (remote_error != ERROR_INVALID_PARAMETER && remote_error != ERROR_CALL_NOT_IMPLEMENTED) return 0;
  if (characteristics & (REMOTE_DEVICE | WEBDAV_DEVICE | CLUSTER_SHARED_VOLUME | REMOTE_DEVICE_VSMB)) return 0;
  return type == DEVICE_DISK || type == DEVICE_DISK_FILE_SYSTEM || type == DEVICE_VIRTUAL_DISK;
}

int avfs_handle_is_local(HANDLE h) {
  typedef LONG(WINAPI *query_function)(HANDLE, void *status_out, void *answer_out, ULONG bytes, int what);
  FILE_REMOTE_PROTOCOL_INFO remote;
  struct {
    ULONG type, characteristics;
  } device = {0, 0};
  void *status[2];
  query_function query;
  FARPROC found = avfs_ntdll_function("NtQueryVolumeInformationFile");
  DWORD error = 0;
  if (!GetFileInformationByHandleEx(h, FileRemoteProtocolInfo, &remote, sizeof remote)) error = GetLastError();
  if (found == NULL) return 0;
  memcpy(&query, &found, sizeof query);
  if (query(h, status, &device, sizeof device, DEVICE_INFORMATION) != 0) return 0;
  return avfs_device_is_local(error, device.type, device.characteristics);
}
