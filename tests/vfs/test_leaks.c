/* test_leaks.c: nothing of a database stays behind when it is closed: no
 * handle, no file, no growing memory; and an idle database does nothing.
 *
 * Handles are counted by NtQuerySystemInformation: GetProcessHandleCount
 * answers 0 under Wine 8. Idleness is shown by the engine's own counters and
 * by the process's CPU time, which must not move at all while it idles through
 * several of its lags; a clock that does not tick shows nothing, so the test
 * first proves that it ticks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>
#include <psapi.h>
#include <winternl.h>

#include "harness.h"
#include "sql_tools.h"

#define ROUNDS 200

/* ---- counting ------------------------------------------------------------------ */

typedef NTSTATUS(NTAPI *query_function)(int, void *, ULONG, ULONG *);

/* Handles of this process; 0 if they cannot be counted. Windows counts them
 * one by one; Wine answers the size of its table, which doubles when it is
 * full, so that a leak of one a round shows after a few dozen rounds. */
static unsigned handle_count(void) {
  static uint8_t buffer[1 << 20];
  union {
    FARPROC any;
    query_function query;
  } function;
  ULONG got = 0;
  HMODULE ntdll = GetModuleHandleA("ntdll.dll");
  if (ntdll == NULL) return 0;
  function.any = GetProcAddress(ntdll, "NtQuerySystemInformation");
  if (function.any == NULL) return 0;
  if (function.query(SystemProcessInformation, buffer, sizeof buffer, &got) != 0) return 0;
  for (uint8_t *at = buffer;;) {
    SYSTEM_PROCESS_INFORMATION *process = (SYSTEM_PROCESS_INFORMATION *)(void *)at;
    if ((DWORD)(ULONG_PTR)process->UniqueProcessId == GetCurrentProcessId()) {
      return process->HandleCount;
    }
    if (process->NextEntryOffset == 0) return 0;
    at += process->NextEntryOffset;
  }
}

static size_t private_bytes(void) {
  PROCESS_MEMORY_COUNTERS counters;
  if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters)) return 0;
  return counters.PagefileUsage;
}

static uint64_t cpu_time(void) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return 0;
  return (((uint64_t)kernel.dwHighDateTime << 32) | kernel.dwLowDateTime) +
         (((uint64_t)user.dwHighDateTime << 32) | user.dwLowDateTime);
}

/* ---- opening and closing ---------------------------------------------------------- */

/* One life of a database, with most of what opens a handle in it. */
static void live(const char *path, int i) {
  sqlite3 *db = sql_open(path, sql_vfs());
  sqlite3 *second = i % 2 == 0 ? sql_open(path, sql_vfs()) : NULL;
  sql_mustf(db, "PRAGMA journal_mode=%s; PRAGMA cache_size=5",
            i % 3 == 0   ? "DELETE"
            : i % 3 == 1 ? "PERSIST"
                         : "MEMORY");
  sql_mustf(db,
            "CREATE TABLE IF NOT EXISTS t(b BLOB); DELETE FROM t;"
            "INSERT INTO t VALUES(noise(%d, 60000)); BEGIN; INSERT INTO t VALUES(1);"
            "ROLLBACK",
            i);
  if (second != NULL) CHECK_EQ(sql_int(second, "SELECT count(*) FROM t"), 1);
  if (i % 5 == 0)
    sql_mustf(db, "ATTACH %Q AS a; CREATE TABLE IF NOT EXISTS a.t(x); DETACH a",
              sql_beside(path, ".2"));
  if (i % 7 == 0) sql_must(db, "PRAGMA asyncvfs_drain; VACUUM");
  sql_close(second);
  sql_close(db);
}

static void handle_count_stays_level(void) {
  const char *path = scratch_path("handles.db");
  for (int i = 0; i < 42; i++) live(path, i); /* what is opened once, is now */
  unsigned before = handle_count();
  if (!CHECK(before > 0)) return;
  for (int i = 0; i < ROUNDS; i++) live(path, i);
  CHECK_EQ(handle_count(), before);
  HANDLE events[ROUNDS]; /* so a handle left by each round would be seen */
  for (int i = 0; i < ROUNDS; i++) events[i] = CreateEventA(NULL, TRUE, FALSE, NULL);
  CHECK(handle_count() > before);
  for (int i = 0; i < ROUNDS; i++) CloseHandle(events[i]);
}

static void failed_opens_leave_no_handle(void) {
  sqlite3 *db = NULL;
  const char *folder = scratch_path("folder");
  const char *noise = scratch_path("noise.db");
  CHECK(CreateDirectoryA(folder, NULL));
  CHECK(sql_file_write(noise, "this is not a database, but it is long enough for one", 54));
  unsigned before = 0;
  for (int i = 0; i < ROUNDS; i++) {
    if (i == 10) before = handle_count();
    CHECK(sql_try_open(folder, sql_vfs(), &db) != SQLITE_OK);
    CHECK(sql_try_open(sql_beside(folder, "\\no\\such.db"), sql_vfs(), &db) != SQLITE_OK);
    db = sql_open(noise, sql_vfs());
    CHECK_RC(db, sql_exec(db, "SELECT * FROM sqlite_schema"), SQLITE_NOTADB);
    sql_close(db);
  }
  CHECK_EQ(handle_count(), before);
}

/* Not exact: the allocator keeps what it likes. A leak of one page a round
 * would show as more than this. */
static void memory_stays_level(void) {
  enum { SLACK = 512 * 1024 };
  const char *path = scratch_path("memory.db");
  for (int i = 0; i < 84; i++) live(path, i);
  size_t before = private_bytes();
  if (!CHECK(before > 0)) return;
  for (int i = 0; i < ROUNDS; i++) live(path, i);
  size_t after = private_bytes();
  if (after > before + SLACK) {
    FAIL("%zu bytes before, %zu after %d rounds", before, after, ROUNDS);
  }
}

/* ---- files ---------------------------------------------------------------------------- */

static void file_is_deletable_once_closed(void) {
  for (int i = 0; i < 60; i++) {
    const char *path = scratch_path("deletable.db");
    sqlite3 *db = sql_open(path, sql_vfs());
    sqlite3 *second = sql_open(path, sql_vfs());
    sql_must(db, "CREATE TABLE t(b BLOB)");
    for (int n = 0; n < i % 10; n++)
      sql_mustf(db, "INSERT INTO t VALUES(noise(%d, %d))", n, n * 4000);
    if (i % 3 == 0) sql_must(db, "BEGIN; INSERT INTO t VALUES(2)"); /* closing rolls it back */
    sql_close(i % 2 == 0 ? db : second);
    sql_close(i % 2 == 0 ? second : db);
    sql_check_nothing_beside(path);
    if (!DeleteFileA(path)) FAIL("DeleteFile: error %lu", (unsigned long)GetLastError());
    CHECK(!sql_file_exists(path));
  }
}

/* A new database of the same name has nothing of the old one. */
static void deleted_database_does_not_come_back(void) {
  const char *path = scratch_path("again.db");
  for (int i = 0; i < 30; i++) {
    sqlite3 *db = sql_open(path, sql_vfs());
    CHECK_EQ(sql_int(db, "SELECT count(*) FROM sqlite_schema"), 0);
    sql_mustf(db, "CREATE TABLE t%d(b BLOB); INSERT INTO t%d VALUES(noise(%d, 50000))", i, i,
              i);
    sql_close(db);
    CHECK(sql_delete_database(path));
  }
}

/* ---- idleness --------------------------------------------------------------------------- */

static void idle_database_does_nothing(void) {
  enum { IDLE_MS = 1500 };
  const char *path = scratch_path("idle.db");
  sqlite3 *db = sql_open(path, sql_vfs());
  sql_must(db, "CREATE TABLE t(n INT); INSERT INTO t VALUES(1)");
  uint64_t busy = cpu_time();
  for (int i = 0; cpu_time() == busy && i < 100000; i++) sql_must(db, "UPDATE t SET n = n + 1");
  bool clock_ticks = cpu_time() != busy;
  if (sql_vfs_is_asyncvfs()) sql_must(db, "PRAGMA asyncvfs_drain");
  int64_t batches = sql_status(db, "batches");
  int64_t flushes = sql_status(db, "flushes");
  uint64_t before = cpu_time();
  Sleep(IDLE_MS); /* the subject of the test, not a wait for something */
  uint64_t used = cpu_time() - before;
  CHECK_EQ(sql_status(db, "batches"), batches);
  CHECK_EQ(sql_status(db, "flushes"), flushes);
  if (sql_vfs_is_asyncvfs()) CHECK(!sql_file_exists(sql_beside(path, "-journal")));
  /* In units of 100 ns. The harness has a watchdog that ticks; to poll would
   * cost more than this. */
  if (clock_ticks && used > 1000000)
    FAIL("%llu us of CPU in %d ms", (unsigned long long)used / 10, IDLE_MS);
  sql_close(db);
}

void suite_leaks(void) {
  CU_pSuite suite = CU_add_suite("leaks", NULL, NULL);
  ADD_TEST(suite, handle_count_stays_level);
  ADD_TEST(suite, failed_opens_leave_no_handle);
  ADD_TEST(suite, memory_stays_level);
  ADD_TEST(suite, file_is_deletable_once_closed);
  ADD_TEST(suite, deleted_database_does_not_come_back);
  ADD_TEST(suite, idle_database_does_nothing);
}
