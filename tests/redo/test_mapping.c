/* test_mapping.c: files that are memory (seam/io.h), by Windows. */
#include "../harness.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "sqlite3.h"
#include "seam/io.h"
#include "vfs/sql_tools.h"

enum { BYTES = 100000 };

static avfs_mapping *map(const char *path, int how) {
  avfs_mapping *m = NULL;
  CHECK_EQ(avfs_io_win32.map_file(path, how, BYTES, &m), SQLITE_OK);
  return m;
}

static void unmap(avfs_mapping *m, int remove, int expected) {
  if (m != NULL) CHECK_EQ(avfs_io_win32.unmap_file(m, remove), expected);
}

static bool is_zero(const unsigned char *p, size_t n) {
  while (n > 0 && p[n - 1] == 0) n--;
  return n == 0;
}

static void a_new_one_is_zeros_of_the_length_asked_for(void) {
  const char *path = scratch_path("ring");
  avfs_mapping *m = map(path, AVFS_MAP_WRITE);
  if (m == NULL) return;
  CHECK_EQ(m->bytes, BYTES);
  CHECK(is_zero(m->at, BYTES));
  memset(m->at, 7, BYTES);
  unmap(m, 0, SQLITE_OK);
  CHECK_EQ(avfs_io_win32.map_file(path, AVFS_MAP_WRITE, 2 * BYTES, &m), SQLITE_OK);
  CHECK_EQ(m->bytes, 2 * BYTES);
  CHECK(m->at[BYTES - 1] == 7 && is_zero(m->at + BYTES, BYTES));
  unmap(m, 0, SQLITE_OK);
  m = map(path, AVFS_MAP_WRITE);   /* a longer one stays */
  CHECK_EQ(m->bytes, 2 * BYTES);
  unmap(m, 1, SQLITE_OK);
  CHECK(!sql_file_exists(path));
  CHECK_EQ(avfs_io_win32.map_file(path, AVFS_MAP_READ, 0, &m), SQLITE_CANTOPEN);
}

static void one_writer_and_any_reader(void) {
  const char *path = scratch_path("ring");
  avfs_mapping *m = map(path, AVFS_MAP_WRITE), *second = NULL;
  if (m == NULL) return;
  CHECK_EQ(avfs_io_win32.map_file(path, AVFS_MAP_WRITE, BYTES, &second), SQLITE_BUSY);
  avfs_mapping *reader = map(path, AVFS_MAP_READ);
  m->at[12345] = 99;
  CHECK_EQ(reader->at[12345], 99);
  unmap(reader, 0, SQLITE_OK);
  HANDLE h = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
  CHECK(h != INVALID_HANDLE_VALUE);   /* a backup program's */
  unmap(m, 1, SQLITE_BUSY);
  CloseHandle(h);
  CHECK(sql_file_exists(path));
}

static void one_that_is_set_aside_takes_another_s_place(void) {
  const char *path = scratch_path("ring"), *aside = sql_beside(path, "-refused");
  for (int i = 1; i <= 2; i++) {
    avfs_mapping *m = map(path, AVFS_MAP_WRITE);
    m->at[0] = (unsigned char)i;
    CHECK_EQ(avfs_io_win32.rename_file(m, aside), SQLITE_OK);
    CHECK(!sql_file_exists(path));
    m = map(aside, AVFS_MAP_READ);
    CHECK_EQ(m->at[0], i);
    unmap(m, 0, SQLITE_OK);
  }
}

int role_mapping(int argc, char **argv) {
  avfs_mapping *m;
  (void)argc;
  if (avfs_io_win32.map_file(argv[0], AVFS_MAP_WRITE, BYTES, &m) != SQLITE_OK) return 2;
  for (int n = 1;; n++) {
    memcpy(m->at + 4096 * (n % 16), &n, sizeof n);
    printf("%d\n", n);
    fflush(stdout);
  }
}

static void what_a_killed_process_stored_stays(void) {
  const char *path = scratch_path("ring");
  harness_child *child = harness_spawn("mapping", path, NULL);
  char line[40] = "";
  for (int i = 0; i < 50; i++) CHECK(harness_child_read_line(child, line, sizeof line, 20000));
  harness_child_kill(child);
  int told = atoi(line), stored = 0;
  while (harness_child_read_line(child, line, sizeof line, 1000)) told = atoi(line);
  harness_child_free(child);
  avfs_mapping *m = map(path, AVFS_MAP_WRITE);   /* it is nobody's any more */
  if (m == NULL) return;
  memcpy(&stored, m->at + 4096 * (told % 16), sizeof stored);
  CHECK(stored == told || stored == told + 16);
  unmap(m, 1, SQLITE_OK);
}

/* A page that cannot be had, as far as that can be made here: memory of the process takes its place. */
static void a_page_that_cannot_be_had_makes_it_failed(void) {
  const char *path = scratch_path("ring");
  avfs_mapping *m = map(path, AVFS_MAP_WRITE), *other = map(scratch_path("other"), AVFS_MAP_WRITE);
  DWORD old;
  if (m == NULL || other == NULL) return;
  CHECK_EQ(m->failed, 0);
  if (!CHECK(VirtualProtect(m->at + 8192, 4096, PAGE_NOACCESS, &old))) return;
  memset(m->at, 5, 20000);
  CHECK_EQ(m->failed, 1);
  CHECK(m->at[10000] == 5 && m->at[19999] == 5);
  CHECK_EQ(other->failed, 0);
  unmap(m, 1, SQLITE_OK);
  CHECK(!sql_file_exists(path));
  unmap(other, 1, SQLITE_OK);
}

static void this_start_of_the_system_has_one_number(void) {
  CHECK(avfs_io_win32.boot() != 0);
  CHECK_EQ(avfs_io_win32.boot(), avfs_io_win32.boot());
}

void suite_mapping(void) {
  CU_pSuite suite = CU_add_suite("mapping", NULL, NULL);
  ADD_TEST(suite, a_new_one_is_zeros_of_the_length_asked_for);
  ADD_TEST(suite, one_writer_and_any_reader);
  ADD_TEST(suite, one_that_is_set_aside_takes_another_s_place);
  ADD_TEST(suite, what_a_killed_process_stored_stays);
  ADD_TEST(suite, a_page_that_cannot_be_had_makes_it_failed);
  ADD_TEST(suite, this_start_of_the_system_has_one_number);
}
