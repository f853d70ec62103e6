/* harness.c: runs suites, counts, checks, and watches the time. See harness.h.
 *
 * Locks: failure_lock makes CUnit's list of failures safe for a test's own
 *        threads. `current` is written by the main thread between tests and
 *        read by the watchdog: each field alone is atomic, and a stale mix
 *        costs no more than a wrong name in a message.
 */
#include "harness.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <sqlite3.h>

#include <CUnit/TestRun.h>

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL __thread
#endif

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_HUNG = 3, EXIT_CRASHED = 4 };

static struct {
  const char *volatile suite;
  const char *volatile test; /* NULL between tests */
  volatile LONG64 started_ms;
} current;

static SRWLOCK failure_lock = SRWLOCK_INIT;
static ULONGLONG suite_started_ms;
static uint64_t run_seed;
static uint32_t limit_s = 180;

bool harness_is_wine(void) {
  return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

void harness_print(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  fflush(stdout);
}

/* ---- checks ------------------------------------------------------------ */

static bool report(const char *file, int line, const char *message) {
  AcquireSRWLockExclusive(&failure_lock);
  harness_print("%s:%d: %s/%s: %s\n", file, line, current.suite ? current.suite : "?",
                current.test ? current.test : "(no test)", message);
  if (current.test != NULL) {
    CU_assertImplementation(CU_FALSE, (unsigned)line, message, file, "", CU_FALSE);
  }
  ReleaseSRWLockExclusive(&failure_lock);
  return false;
}

bool harness_fail(const char *file, int line, const char *format, ...) {
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  return report(file, line, message);
}

/* CUnit counts assertions too; ours count when they fail, which is all that
 * the summary shows. */
bool harness_check(bool held, const char *what, const char *file, int line) {
  return held || harness_fail(file, line, "not so: %s", what);
}

bool harness_check_eq(long long actual, long long expected, const char *actual_text,
                      const char *expected_text, const char *file, int line) {
  return actual == expected || harness_fail(file, line, "%s is %lld (0x%llx), expected %s = %lld (0x%llx)",
                                            actual_text, actual, (unsigned long long)actual,
                                            expected_text, expected, (unsigned long long)expected);
}

bool harness_check_str_eq(const char *actual, const char *expected, const char *actual_text,
                          const char *expected_text, const char *file, int line) {
  if (actual == expected) return true;
  if (actual != NULL && expected != NULL && strcmp(actual, expected) == 0) return true;
  return harness_fail(file, line, "%s is \"%s\", expected %s = \"%s\"", actual_text,
                      actual ? actual : "(NULL)", expected_text, expected ? expected : "(NULL)");
}

bool harness_check_mem_eq(const void *actual, const void *expected, size_t size,
                          const char *actual_text, const char *expected_text,
                          const char *file, int line) {
  const unsigned char *a = actual, *e = expected;
  for (size_t i = 0; i < size; i++) {
    if (a[i] != e[i]) {
      return harness_fail(file, line, "byte %zu of %zu of %s is 0x%02x, of %s 0x%02x", i, size,
                          actual_text, (unsigned)a[i], expected_text, (unsigned)e[i]);
    }
  }
  return true;
}

bool harness_check_rc(sqlite3 *db, int rc, int expected, const char *rc_text, const char *file,
                      int line) {
  if (rc == expected || (expected <= 0xff && (rc & 0xff) == expected)) return true;
  return harness_fail(file, line, "%s is %d (%s), expected %d (%s)%s%s", rc_text, rc,
                      sqlite3_errstr(rc), expected, sqlite3_errstr(expected),
                      db ? "; the connection says: " : "", db ? sqlite3_errmsg(db) : "");
}

/* ---- seeded chance ------------------------------------------------------- */

static THREAD_LOCAL uint64_t rng_state;
static uint64_t seed_of_test;

uint64_t test_seed(void) { return seed_of_test; }

void rng_seed(uint64_t seed) { rng_state = seed; }

/* splitmix64: any seed is a good one, 0 too. */
uint64_t rng_next(void) {
  uint64_t z = (rng_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* The bias of % is 2^-32 for any n that a test asks for. */
uint64_t rng_below(uint64_t n) { return rng_next() % n; }

static uint64_t seed_for(const char *suite, const char *test) {
  uint64_t hash = run_seed ^ 0xcbf29ce484222325u;
  for (; *suite; suite++) hash = (hash ^ (unsigned char)*suite) * 0x100000001b3u;
  for (; *test; test++) hash = (hash ^ (unsigned char)*test) * 0x100000001b3u;
  return hash;
}

static uint64_t choose_seed(void) {
  const char *text = getenv("TEST_SEED");
  if (text != NULL && *text != '\0') return strtoull(text, NULL, 0);
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  return ((uint64_t)now.QuadPart * 2654435761u ^ GetCurrentProcessId()) & 0xffffffffu;
}

/* ---- when it goes wrong ----------------------------------------------------- */

static bool is_hung(void) {
  LONG64 elapsed_ms = (LONG64)GetTickCount64() - current.started_ms;
  return current.test != NULL && elapsed_ms >= (LONG64)limit_s * 1000;
}

static DWORD WINAPI watch(void *unused) {
  (void)unused;
  while (!is_hung()) Sleep(100);
  /* Not through the C library: the test may hang holding its lock. */
  char message[512];
  int n = snprintf(message, sizeof message,
                   "hung: %s/%s still runs after %u s; ending the process\n", current.suite,
                   current.test, (unsigned)limit_s);
  DWORD written;
  WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), message, (DWORD)n, &written, NULL);
  TerminateProcess(GetCurrentProcess(), EXIT_HUNG);
  return 0;
}

static LONG WINAPI on_crash(EXCEPTION_POINTERS *info) {
  harness_print("crashed: %s/%s: exception 0x%08lx at %p\n", current.suite ? current.suite : "?",
                current.test ? current.test : "(no test)",
                (unsigned long)info->ExceptionRecord->ExceptionCode,
                info->ExceptionRecord->ExceptionAddress);
  if (getenv("TEST_BACKTRACE") != NULL) return EXCEPTION_CONTINUE_SEARCH;
  TerminateProcess(GetCurrentProcess(), EXIT_CRASHED);
  return EXCEPTION_EXECUTE_HANDLER;
}

static void on_abort(int signal_number) {
  (void)signal_number;
  harness_print("aborted: %s/%s\n", current.suite ? current.suite : "?",
                current.test ? current.test : "(no test)");
  TerminateProcess(GetCurrentProcess(), EXIT_CRASHED);
}

static void crash_with_words(void) {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  SetUnhandledExceptionFilter(on_crash);
  signal(SIGABRT, on_abort);
#if defined(_MSC_VER)
  _set_error_mode(_OUT_TO_STDERR);
  _set_abort_behavior(0, _WRITE_ABORT_MSG | _CALL_REPORTFAULT);
#endif
}

/* ---- CUnit calls these as it goes ---------------------------------------------- */

static void on_suite_start(const CU_pSuite suite) {
  current.suite = suite->pName;
  suite_started_ms = GetTickCount64();
}

static void on_test_start(const CU_pTest test, const CU_pSuite suite) {
  seed_of_test = seed_for(suite->pName, test->pName);
  rng_seed(seed_of_test);
  scratch_test_begins();
  current.started_ms = (LONG64)GetTickCount64();
  current.test = test->pName;
}

static void on_test_complete(const CU_pTest test, const CU_pSuite suite,
                             const CU_pFailureRecord failure) {
  LONG64 elapsed_ms = (LONG64)GetTickCount64() - current.started_ms;
  current.test = NULL;
  scratch_test_ends();
  /* The list of failures grows over the run: this test's own begin here. */
  bool failed = failure != NULL && failure->pTest == test;
  harness_print("  %-60s %s %6.2f s\n", test->pName, failed ? "FAILED" : "ok    ",
                (double)elapsed_ms / 1000);
  (void)suite;
}

static void on_suite_complete(const CU_pSuite suite, const CU_pFailureRecord failure) {
  (void)failure;
  harness_print("suite %s: %u tests, %.2f s\n", suite->pName, suite->uiNumberOfTests,
                (double)(GetTickCount64() - suite_started_ms) / 1000);
}

static void on_suite_init_failure(const CU_pSuite suite) {
  harness_print("suite %s: its set-up failed\n", suite->pName);
}

static void on_suite_cleanup_failure(const CU_pSuite suite) {
  harness_print("suite %s: its clean-up failed\n", suite->pName);
}

/* ---- which suites to run --------------------------------------------------------- */

static const harness_suite *find_suite(const harness_suite *suites, const char *name,
                                       size_t length) {
  for (; suites->name != NULL; suites++) {
    if (strlen(suites->name) == length && memcmp(suites->name, name, length) == 0) return suites;
  }
  return NULL;
}

static bool add_suite(const harness_suite *suite) {
  if (CU_get_suite(suite->name) != NULL) return true; /* named twice, by two of its tests */
  suite->register_suite();
  if (CU_get_suite(suite->name) != NULL && CU_get_suite(suite->name)->uiNumberOfTests > 0) return true;
  harness_print("suite_%s registers no suite of that name with tests in it\n", suite->name);
  return false;
}

/* "page_table", or "page_table/a_test": then the others do not run. */
static bool add_named(const harness_suite *suites, const char *name) {
  const char *slash = strchr(name, '/');
  size_t length = slash != NULL ? (size_t)(slash - name) : strlen(name);
  const harness_suite *suite = find_suite(suites, name, length);
  if (suite == NULL) {
    harness_print("no suite %.*s; tests.exe --list shows them\n", (int)length, name);
    return false;
  }
  bool is_new = CU_get_suite(suite->name) == NULL;
  if (!add_suite(suite)) return false;
  if (slash == NULL) return true;
  CU_pSuite added = CU_get_suite(suite->name);
  bool found = false;
  for (CU_pTest test = added->pTest; test != NULL; test = test->pNext) {
    bool wanted = strcmp(test->pName, slash + 1) == 0;
    found = found || wanted;
    if (wanted || is_new) CU_set_test_active(test, wanted);
  }
  if (!found) harness_print("no test %s in suite %s\n", slash + 1, suite->name);
  return found;
}

static int list(const harness_suite *suites) {
  for (; suites->name != NULL; suites++) {
    if (!suites->hidden) harness_print("%s\n", suites->name);
  }
  return 0;
}

static int run_child(int argc, char **argv, const harness_role *roles) {
  for (; argc > 0 && roles->name != NULL; roles++) {
    if (strcmp(roles->name, argv[0]) == 0) {
      current.suite = roles->name;
      rng_seed(run_seed);
      int status = roles->run(argc - 1, argv + 1);
      scratch_process_ends();
      return status;
    }
  }
  harness_print("no such role of a child process: %s\n", argc > 0 ? argv[0] : "(none)");
  return EXIT_USAGE;
}

static int run_suites(void) {
  CU_set_suite_start_handler(on_suite_start);
  CU_set_test_start_handler(on_test_start);
  CU_set_test_complete_handler(on_test_complete);
  CU_set_suite_complete_handler(on_suite_complete);
  CU_set_suite_init_failure_handler(on_suite_init_failure);
  CU_set_suite_cleanup_failure_handler(on_suite_cleanup_failure);
  CU_set_fail_on_inactive(CU_FALSE);
  harness_print("seed %" PRIu64 " (TEST_SEED=%" PRIu64 " repeats it)\n", run_seed, run_seed);

  HANDLE watchdog = CreateThread(NULL, 0, watch, NULL, 0, NULL);
  if (watchdog == NULL) return EXIT_USAGE;
  CloseHandle(watchdog);
  CU_run_all_tests();

  unsigned failed = CU_get_number_of_tests_failed();
  unsigned passed = CU_get_number_of_tests_run() - failed;
  failed += CU_get_number_of_suites_failed(); /* set-ups and clean-ups */
  CU_cleanup_registry();
  scratch_process_ends();
  harness_print("%u passed, %u failed\n", passed, failed);
  return failed == 0 ? 0 : EXIT_FAILED;
}

int harness_main(int argc, char **argv, const harness_suite *suites, const harness_role *roles) {
  crash_with_words();
  run_seed = choose_seed();
  const char *limit = getenv("TEST_LIMIT_S");
  if (limit != NULL && atoi(limit) > 0) limit_s = (uint32_t)atoi(limit);

  if (argc > 1 && strcmp(argv[1], "--child") == 0) return run_child(argc - 2, argv + 2, roles);
  if (argc > 1 && strcmp(argv[1], "--list") == 0) return list(suites);

  if (CU_initialize_registry() != CUE_SUCCESS) return EXIT_USAGE;
  bool ok = true;
  for (int i = 1; i < argc; i++) ok = add_named(suites, argv[i]) && ok;
  for (const harness_suite *suite = suites; argc == 1 && suite->name != NULL; suite++) {
    if (!suite->hidden) ok = add_suite(suite) && ok;
  }
  return ok ? run_suites() : EXIT_USAGE;
}
