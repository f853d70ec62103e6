/* path_limit.c: see path_limit.h. */
#include "win32/path_limit.h"

#include <string.h>
#include <wchar.h>
#include <windows.h>

#include "sqlite3.h"

/* What Windows has; set before anybody else is led here. */
static struct {
  HANDLE(WINAPI *create)(LPCWSTR, DWORD, DWORD, LPSECURITY_ATTRIBUTES, DWORD, DWORD, HANDLE);
  BOOL(WINAPI *delete_file)(LPCWSTR);
  DWORD(WINAPI *attributes)(LPCWSTR);
  BOOL(WINAPI *attributes_ex)(LPCWSTR, GET_FILEEX_INFO_LEVELS, LPVOID);
} real;

static bool is_too_long(const wchar_t *path) {
  if (wcslen(path) < MAX_PATH || wcsncmp(path, L"\\\\?\\", 4) == 0) return false;
  SetLastError(ERROR_PATH_NOT_FOUND);
  return true;
}

static HANDLE WINAPI create(LPCWSTR path, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security,
                            DWORD how, DWORD flags, HANDLE template_file) {
  if (is_too_long(path)) return INVALID_HANDLE_VALUE;
  return real.create(path, access, share, security, how, flags, template_file);
}

static BOOL WINAPI delete_file(LPCWSTR path) {
  return is_too_long(path) ? FALSE : real.delete_file(path);
}

static DWORD WINAPI attributes(LPCWSTR path) {
  return is_too_long(path) ? INVALID_FILE_ATTRIBUTES : real.attributes(path);
}

static BOOL WINAPI attributes_ex(LPCWSTR path, GET_FILEEX_INFO_LEVELS level, LPVOID out) {
  return is_too_long(path) ? FALSE : real.attributes_ex(path, level, out);
}

/* Puts `with` where this program imports `name`. */
static bool replace_import(const char *name, const void *with) {
  char *base = (char *)GetModuleHandleA(NULL);
  const IMAGE_NT_HEADERS *nt = (IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
  const IMAGE_IMPORT_DESCRIPTOR *d = (IMAGE_IMPORT_DESCRIPTOR *)(
      base + nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress);
  for (; d->Name != 0; d++) {
    const IMAGE_THUNK_DATA *names = (IMAGE_THUNK_DATA *)(base + d->OriginalFirstThunk);
    IMAGE_THUNK_DATA *at = (IMAGE_THUNK_DATA *)(base + d->FirstThunk);
    for (; names->u1.AddressOfData != 0; names++, at++) {
      DWORD protection;
      if (IMAGE_SNAP_BY_ORDINAL(names->u1.Ordinal)) continue;
      if (strcmp(((IMAGE_IMPORT_BY_NAME *)(base + names->u1.AddressOfData))->Name, name) != 0) continue;
      if (!VirtualProtect(at, sizeof *at, PAGE_READWRITE, &protection)) return false;
      at->u1.Function = (ULONG_PTR)with;
      return VirtualProtect(at, sizeof *at, protection, &protection) != 0;
    }
  }
  return false;
}

static bool replace(const char *name, sqlite3_syscall_ptr with, bool is_imported, void *real_out) {
  sqlite3_vfs *vfs = sqlite3_vfs_find("win32");
  FARPROC is = GetProcAddress(GetModuleHandleA("kernel32.dll"), name);
  void *address;
  memcpy(real_out, &is, sizeof is);
  memcpy(&address, &with, sizeof address);
  if (is_imported && !replace_import(name, address)) return false;
  return vfs->xSetSystemCall(vfs, name, with) == SQLITE_OK;
}

bool path_limit_begin(void) {
  return replace("CreateFileW", (sqlite3_syscall_ptr)create, true, &real.create) &&
         replace("DeleteFileW", (sqlite3_syscall_ptr)delete_file, true, &real.delete_file) &&
         replace("GetFileAttributesW", (sqlite3_syscall_ptr)attributes, false, &real.attributes) &&
         replace("GetFileAttributesExW", (sqlite3_syscall_ptr)attributes_ex, false, &real.attributes_ex);
}
