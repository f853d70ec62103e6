/* test_identity.c: which file a name leads to, as the machine tells it (win32/identity.c), and
 * paths too long for Windows.
 *
 * What the store makes of it is store/test_names.c's.
 */
#include "../harness.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

#include "engine/scheduler.h"
#include "vfs/sql_tools.h"
#include "seam/heap.h"
#include "win32/identity.h"
#include "win32/path_limit.h"

static const avfs_io *const io = &avfs_io_win32;

static int set_up(void) {
  (void)sql_vfs();
  return avfs_engine_start(io);
}

/* ---- tools ------------------------------------------------------------------- */

/* scratch_path(name) of a file that is there. */
static const char *new_file(const char *name) {
  const char *path = scratch_path(name);
  CHECK(sql_file_write(path, "x", 1));
  return path;
}

/* "folder\name" with another last part. The answer lives in one of four buffers. */
static const char *beside(const char *path, const char *last) {
  static char buffers[4][1000];
  static int next;
  char *to = buffers[next++ % 4];
  snprintf(to, sizeof buffers[0], "%.*s%s", (int)(strrchr(path, '\\') + 1 - path), path, last);
  return to;
}

/* What is told of the file that `path` leads to; by a handle of the engine's. */
static avfs_identity identity_of(const char *path) {
  avfs_identity id = {0, 0, 0, 0, 0, NULL};
  avfs_file *f = NULL;
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  if (f == NULL) return id;
  CHECK_EQ(io->identity(f, &id), SQLITE_OK);
  io->close(f);
  return id;
}

static bool ends_in(const char *text, const char *end) {
  size_t n = text == NULL ? 0 : strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

/* Asserts that `spelling` leads to the file of `path`, and whether it is its own name. */
static void check_name(const char *path, const char *spelling, int is_own_name) {
  avfs_identity a = identity_of(path), b = identity_of(spelling), c = {0, 0, 0, 0, 0, NULL};
  CHECK_EQ(a.is_own_name, 1);
  CHECK_EQ(b.is_own_name, is_own_name);
  CHECK(a.place != NULL && b.place != NULL && strcmp(a.place, b.place) == 0);
  CHECK_EQ(a.links, 1);
  CHECK(a.volume == b.volume && a.index_low == b.index_low && a.index_high == b.index_high);
  CHECK_EQ(io->path_identity(spelling, &c), SQLITE_OK);
  CHECK(c.place != NULL && a.place != NULL && strcmp(a.place, c.place) == 0 && a.index_low == c.index_low);
  avfs_free(a.place);
  avfs_free(b.place);
  avfs_free(c.place);
}

/* Runs a program of the system below Wine, in the folder of `path`. */
static bool run_below_wine(const char *path, const char *command) {
  char text[1500], folder[1000];
  STARTUPINFOA start = {.cb = sizeof start};
  PROCESS_INFORMATION process;
  snprintf(folder, sizeof folder, "%s", beside(path, ""));
  snprintf(text, sizeof text, "Z:\\bin\\%s", command);
  if (!CreateProcessA(NULL, text, NULL, NULL, FALSE, 0, NULL, folder, &start, &process)) return false;
  WaitForSingleObject(process.hProcess, INFINITE);
  CloseHandle(process.hProcess);
  CloseHandle(process.hThread);
  return true;
}

/* A symbolic link `name` in the folder of `path`, to `target` there. False where none can be
 * made. Wine has those of the system below it. */
static bool make_symbolic_link(const char *path, const char *name, const char *target, bool folder) {
  const DWORD unprivileged = 2;
  char command[300];
  if (!harness_is_wine()) {
    return CreateSymbolicLinkA(beside(path, name), target, (folder ? 1 : 0) | unprivileged);
  }
  snprintf(command, sizeof command, "ln -s %s %s", target, name);
  return run_below_wine(path, command) &&
         GetFileAttributesA(beside(path, name)) != INVALID_FILE_ATTRIBUTES;
}

static void remove_symbolic_link(const char *path, const char *name) {
  char command[300];
  snprintf(command, sizeof command, "rm %s", name);
  if (harness_is_wine()) (void)run_below_wine(path, command);
  else if (!DeleteFileA(beside(path, name))) (void)RemoveDirectoryA(beside(path, name));
}

/* ---- names -------------------------------------------------------------------- */

static void another_spelling_is_the_same_name(void) {
  const char *path = new_file("Spelled.bin");
  char slashes[1000];
  check_name(path, path, 1);
  check_name(path, beside(path, "sPELLED.BIN"), 1);
  check_name(path, beside(path, ".\\Spelled.bin"), 1);
  check_name(path, beside(path, "nothing\\..\\Spelled.bin"), 1);
  snprintf(slashes, sizeof slashes, "%s", path);
  for (char *c = slashes; *c != 0; c++) {
    if (*c == '\\') *c = '/';
  }
  check_name(path, slashes, 1);
}

static void a_file_in_the_root_has_its_own_name(void) {
  char path[100];
  snprintf(path, sizeof path, "C:\\asyncvfs-test-%lu.bin", GetCurrentProcessId());
  if (!sql_file_write(path, "x", 1)) {
    harness_print("C:\\ cannot be written to\n");
    return;
  }
  check_name(path, path, 1);
  sql_file_delete(path);
}

/* Wine has no device for it. */
static void a_file_in_a_mounted_folder_has_its_own_name(void) {
  char path[100];
  snprintf(path, sizeof path, "Z:\\dev\\shm\\asyncvfs-test-%lu.bin", GetCurrentProcessId());
  if (!harness_is_wine() || !sql_file_write(path, "x", 1)) {
    harness_print("there is no folder /dev/shm to write to\n");
    return;
  }
  check_name(path, path, 1);
  sql_file_delete(path);
}

static void a_short_name_is_not_the_files_own(void) {
  const char *path = new_file("A long name.database");
  char s[1000];
  const char *last;
  DWORD n = GetShortPathNameA(path, s, sizeof s);
  if (n == 0 || n >= sizeof s || strcmp(strrchr(s, '\\') + 1, strrchr(path, '\\') + 1) == 0) {
    harness_print("this volume has no short names\n");
    return;
  }
  last = strrchr(s, '\\') + 1;
  check_name(path, beside(path, last), 0);
  snprintf(s + (last - s), sizeof s - (size_t)(last - s), "A long name.database");   /* short folders */
  check_name(path, s, 1);
}

static void a_symbolic_link_is_not_the_files_own_name(void) {
  const char *path = new_file("target.bin");
  if (!make_symbolic_link(path, "link.bin", "target.bin", false)) {
    harness_print("symbolic links cannot be made\n");
    return;
  }
  check_name(path, beside(path, "link.bin"), 0);
  remove_symbolic_link(path, "link.bin");
}

static void a_folder_that_is_a_link_does_no_harm(void) {
  const char *path = new_file("real.bin");
  if (!make_symbolic_link(path, "folder", ".", true)) {
    harness_print("symbolic links cannot be made\n");
    return;
  }
  check_name(path, beside(path, "folder\\real.bin"), 1);
  remove_symbolic_link(path, "folder");
}

static void hard_links_are_counted(void) {
  const char *path = new_file("one.bin");
  const char *link = beside(path, "two.bin");
  avfs_file *f = NULL;
  avfs_identity a, b;
  uint32_t links = 0;
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  if (f == NULL) return;
  CHECK_EQ(io->links(f, &links), SQLITE_OK);
  CHECK_EQ(links, 1);
  CHECK(CreateHardLinkA(link, path, NULL));
  CHECK_EQ(io->links(f, &links), SQLITE_OK);
  CHECK_EQ(links, 2);
  a = identity_of(path);
  b = identity_of(link);
  CHECK_EQ(a.links, 2);
  CHECK_EQ(b.links, 2);
  CHECK(a.index_low == b.index_low && a.index_high == b.index_high);
  CHECK(ends_in(a.place, "\\ONE.BIN") && ends_in(b.place, "\\TWO.BIN"));
  avfs_free(a.place);
  avfs_free(b.place);
  io->close(f);
}

/* Longer than the first try has room for. Wine has no final path for one longer than MAX_PATH. */
static void a_long_path_is_told_whole(void) {
  const size_t most = harness_is_wine() ? 120 : 800;
  wchar_t wide[1500];
  char path[1500];
  avfs_identity id;
  size_t n, folder;
  DWORD m = GetFullPathNameA(scratch_path("x"), sizeof path - 4, path + 4, NULL);
  if (!CHECK(m > 0 && m < sizeof path - 4)) return;
  memcpy(path, "\\\\?\\", 4);
  *strrchr(path, '\\') = 0;
  folder = strlen(path);
  for (n = folder; n < most; n += 101) {
    snprintf(path + n, sizeof path - n, "\\%0100d", (int)n);
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 1500);
    CHECK(CreateDirectoryW(wide, NULL));
  }
  snprintf(path + n, sizeof path - n, "\\end.bin");
  CHECK(sql_file_write(path, "x", 1));
  id = identity_of(path);
  CHECK_EQ(id.is_own_name, 1);
  CHECK(ends_in(id.place, "\\END.BIN") && strlen(id.place) > most);
  avfs_free(id.place);
  CHECK(sql_file_delete(path));
  MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 1500);
  for (*wcsrchr(wide, L'\\') = 0; wcslen(wide) > folder; *wcsrchr(wide, L'\\') = 0) {
    CHECK(RemoveDirectoryW(wide));
  }
}

static void letters_are_folded_beyond_ascii(void) {
  const char *path = new_file("\xc3\xa4\xce\xb1.bin");   /* a umlaut, alpha */
  avfs_identity id = identity_of(path);
  CHECK(ends_in(id.place, "\\\xc3\x84\xce\x91.BIN"));
  avfs_free(id.place);
}

static void a_path_is_looked_at_while_the_file_is_open(void) {
  const char *path = new_file("held.bin");
  avfs_file *f = NULL;
  avfs_identity id = {0, 0, 0, 0, 0, NULL};
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  CHECK_EQ(io->path_identity(path, &id), SQLITE_OK);
  CHECK(ends_in(id.place, "\\HELD.BIN"));
  avfs_free(id.place);
  if (f != NULL) io->close(f);
  CHECK_EQ(io->path_identity(beside(path, "missing.bin"), &id), SQLITE_CANTOPEN);
  CHECK(id.place == NULL);
}

/* ---- where it is ----------------------------------------------------------------- */

static void only_what_is_certain_is_local(void) {
  enum { DISK = 7, NETWORK = 0x14, UNKNOWN = 0x22, VIRTUAL = 0x24, CONSOLE = 0x50 };
  static const struct {
    DWORD error, type, characteristics;
    int local;
  } cases[] = {
      {ERROR_INVALID_PARAMETER, DISK, 0x20, 1},           /* NTFS, FAT, ReFS: mounted */
      {ERROR_INVALID_PARAMETER, DISK, 0x20 | 0x01, 1},    /* removable */
      {ERROR_INVALID_PARAMETER, VIRTUAL, 0, 1},           /* a RAM disk */
      {ERROR_CALL_NOT_IMPLEMENTED, 8, 0x20, 1},           /* Wine */
      {0, DISK, 0x20, 0},                                 /* SMB */
      {0, NETWORK, 0x10, 0},
      {ERROR_INVALID_PARAMETER, NETWORK, 0x10, 0},        /* a redirector that knows no protocol */
      {ERROR_INVALID_PARAMETER, DISK, 0x10, 0},           /* a shared folder of a virtual machine, P9 */
      {ERROR_INVALID_PARAMETER, DISK, 0x2000, 0},         /* WebDAV */
      {ERROR_INVALID_PARAMETER, DISK, 0x10000, 0},        /* a cluster's shared volume */
      {ERROR_INVALID_PARAMETER, DISK, 0x80000, 0},        /* the host of a container */
      {ERROR_INVALID_PARAMETER, UNKNOWN, 0, 0},
      {ERROR_INVALID_PARAMETER, CONSOLE, 0, 0},
      {ERROR_NOT_SUPPORTED, DISK, 0x20, 0},               /* who knows */
      {ERROR_INVALID_FUNCTION, DISK, 0x20, 0},
      {ERROR_ACCESS_DENIED, DISK, 0x20, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int is = avfs_device_is_local(cases[i].error, cases[i].type, cases[i].characteristics);
    if (is != cases[i].local) FAIL("case %d: local is %d", (int)i, is);
  }
}

static void this_machines_disk_is_local(void) {
  const char *path = new_file("local.bin");
  avfs_file *f = NULL;
  CHECK_EQ(io->open(path, AVFS_OPEN_EXISTING, &f), SQLITE_OK);
  if (f == NULL) return;
  CHECK_EQ(io->is_local(f), 1);
  io->close(f);
}

/* ---- long paths --------------------------------------------------------------------- */

typedef struct outcome {
  int open, create, insert, count;
} outcome;

static outcome use(const char *path, const char *vfs) {
  outcome o = {-1, -1, -1, -1};
  sqlite3 *db = NULL;
  int64_t n = -1;
  o.open = sql_try_open(path, vfs, &db);
  if (db == NULL) return o;
  o.create = sql_exec(db, "CREATE TABLE t(a)");
  o.insert = sql_exec(db, "INSERT INTO t VALUES(1)");
  (void)sql_try_int(db, "SELECT count(*) FROM t", &n);
  o.count = (int)n;
  sqlite3_close(db);
  return o;
}

static bool is_there(const char *path) {
  char text[1000];
  snprintf(text, sizeof text, "\\\\?\\%s", path);
  return GetFileAttributesA(text) != INVALID_FILE_ATTRIBUTES;
}

/* A database by paths of `length` characters, through win32 and through asyncvfs. */
static int compare_at(int length) {
  char path[400], journal[500];
  outcome o[2];
  static const char *const vfs[2] = {"win32", "asyncvfs"};
  int i;
  for (i = 0; i < 2; i++) {
    int n = snprintf(path, sizeof path, "%s", scratch_path(""));
    memset(path + n, 'a' + i, (size_t)(length - n));
    path[length] = 0;
    o[i] = use(path, vfs[i]);
    snprintf(journal, sizeof journal, "%s-journal", path);
    if (is_there(journal)) {
      harness_print("%s leaves a journal at %d characters\n", vfs[i], length);
      return 1;
    }
  }
  if (memcmp(&o[0], &o[1], sizeof o[0]) == 0) return 0;
  for (i = 0; i < 2; i++) {
    harness_print("%d characters, %s: open %d, create %d, insert %d, rows %d\n", length, vfs[i],
                  o[i].open, o[i].create, o[i].insert, o[i].count);
  }
  return 1;
}

/* Nobody has to say which: what fails on win32 fails here. But a path that fits does work. */
int role_long_paths(int argc, char **argv) {
  static const int lengths[] = {200, 240, 247, 248, 250, 251, 252, 255, 256, 258, 259, 260, 270};
  int differ = 0;
  (void)argc;
  (void)argv;
  (void)sql_vfs();
  if (!path_limit_begin()) return 10;
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) differ += compare_at(lengths[i]);
  return differ > 0 ? 11 : 0;
}

static void a_path_too_long_for_win32_is_too_long_for_us(void) { harness_run_role("long_paths", ""); }

void suite_identity(void) {
  CU_pSuite suite = CU_add_suite("identity", set_up, NULL);
  ADD_TEST(suite, another_spelling_is_the_same_name);
  ADD_TEST(suite, a_file_in_the_root_has_its_own_name);
  ADD_TEST(suite, a_file_in_a_mounted_folder_has_its_own_name);
  ADD_TEST(suite, a_short_name_is_not_the_files_own);
  ADD_TEST(suite, a_symbolic_link_is_not_the_files_own_name);
  ADD_TEST(suite, a_folder_that_is_a_link_does_no_harm);
  ADD_TEST(suite, hard_links_are_counted);
  ADD_TEST(suite, a_long_path_is_told_whole);
  ADD_TEST(suite, letters_are_folded_beyond_ascii);
  ADD_TEST(suite, a_path_is_looked_at_while_the_file_is_open);
  ADD_TEST(suite, only_what_is_certain_is_local);
  ADD_TEST(suite, this_machines_disk_is_local);
  ADD_TEST(suite, a_path_too_long_for_win32_is_too_long_for_us);
}
