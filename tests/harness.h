/* harness.h: what every test of ours stands on: checks that print both
 * values, seeded chance, scratch files, and child processes. CUnit runs it.
 *
 * A suite is a file tests/<room>/test_<file>.c with one function that
 * registers it, named in the table of tests/suites.h:
 *
 *   static void read_past_truncate_gives_zeros(void) { CHECK_EQ(n, 0); }
 *   void suite_page_table(void) {
 *     CU_pSuite suite = CU_add_suite("page_table", NULL, NULL);
 *     ADD_TEST(suite, read_past_truncate_gives_zeros);
 *   }
 *
 * tests.exe                         all suites
 * tests.exe --list                  their names
 * tests.exe page_table lock_table   these
 * tests.exe page_table/NAME         one test of one suite
 * tests.exe --child ROLE ARGS...    a child process's part, see harness_spawn
 *
 * TEST_SEED=n      repeats a random run (every run prints its seed)
 * TEST_LIMIT_S=n   seconds one test may take before the process is ended
 *                  with exit status 3; 180 if not set
 * TEST_DURABILITY=d   memory (if not set), os or disk: of databases that say nothing
 * TEST_MACHINE=m   how the machine reads and writes: win32/machine.h
 * TEST_BACKTRACE=1 lets a crash reach the debugger (Wine's prints a backtrace)
 *
 * Exit status: 0 all passed, 1 some failed, 2 wrong use, 3 a test hung,
 * 4 one crashed.
 */
#ifndef AVFS_TESTS_HARNESS_H
#define AVFS_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CUnit 2.1-3 takes Visual C++ for one without snprintf and defines a macro of this name, at
 * which UCRT's stdio.h stops; so stdio.h comes first, and the macro goes. */
#include <stdio.h>
#include <CUnit/CUnit.h>
#undef snprintf

#include "suites.h" /* so that each suite and role has its prototype */

struct sqlite3;

/* ---- the tables, made by main.c from suites.h ----------------- */

typedef struct harness_suite {
  const char *name;
  void (*register_suite)(void);
  bool hidden; /* runs only when named: it fails on purpose */
} harness_suite;

typedef struct harness_role {
  const char *name;
  int (*run)(int argc, char **argv); /* argv[0] is the first ARG */
} harness_role;

/* Both tables end with a NULL name. */
int harness_main(int argc, char **argv, const harness_suite *suites, const harness_role *roles);

#define ADD_TEST(suite, function) CU_add_test((suite), #function, (function))

/* ---- checks ------------------------------------------------------------ */

/* All may be used from any thread of a test, go on after a failure, and
 * return whether the check held: if (!CHECK(p != NULL)) return; */
#define CHECK(condition) harness_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(actual, expected)                                                           \
  harness_check_eq((long long)(actual), (long long)(expected), #actual, #expected, __FILE__, \
                   __LINE__)
#define CHECK_STR_EQ(actual, expected) \
  harness_check_str_eq((actual), (expected), #actual, #expected, __FILE__, __LINE__)
#define CHECK_MEM_EQ(actual, expected, size) \
  harness_check_mem_eq((actual), (expected), (size), #actual, #expected, __FILE__, __LINE__)
/* An SQLite result code. The low byte of `rc` is compared if `expected` is a
 * primary code; db, if not NULL, adds its error message. */
#define CHECK_RC(db, rc, expected) \
  harness_check_rc((db), (rc), (expected), #rc, __FILE__, __LINE__)
/* A failure in the test's own words, printf-like. */
#define FAIL(...) harness_fail(__FILE__, __LINE__, __VA_ARGS__)

bool harness_check(bool held, const char *what, const char *file, int line);
bool harness_check_eq(long long actual, long long expected, const char *actual_text,
                      const char *expected_text, const char *file, int line);
bool harness_check_str_eq(const char *actual, const char *expected, const char *actual_text,
                          const char *expected_text, const char *file, int line);
bool harness_check_mem_eq(const void *actual, const void *expected, size_t size,
                          const char *actual_text, const char *expected_text,
                          const char *file, int line);
bool harness_check_rc(struct sqlite3 *db, int rc, int expected, const char *rc_text,
                      const char *file, int line);
#if defined(__GNUC__)
__attribute__((format(gnu_printf, 3, 4)))
#endif
bool harness_fail(const char *file, int line, const char *format, ...);

/* Prints at once, whatever happens next. A long test says how far it is. */
#if defined(__GNUC__)
__attribute__((format(gnu_printf, 1, 2)))
#endif
void harness_print(const char *format, ...);
/* For what Windows does and Wine does not; say what, where it is called. */
bool harness_is_wine(void);

/* ---- seeded chance ------------------------------------------------------- */

/* The state is the thread's own. Each test starts from the run's seed and its
 * own name, so one test alone repeats what it did among all; a thread that
 * a test starts seeds itself: rng_seed(test_seed() + i). */
uint64_t test_seed(void);
void rng_seed(uint64_t seed);
uint64_t rng_next(void);
uint64_t rng_below(uint64_t n); /* 0 .. n-1; n > 0 */

/* ---- scratch files ---------------------------------------------------------- */

/* A path no other call got: DIR\<n>\name, in a directory that exists and is
 * empty. The string and the directory live to the end of the test (outside a
 * test: of the process). What is still open then cannot be removed, and is
 * reported. */
const char *scratch_path(const char *name);

/* ---- child processes --------------------------------------------------------- */

typedef struct harness_child harness_child;

/* Starts this program again as `--child role ARGS...`; the arguments are
 * strings, the last is NULL. Its stdin and stdout are pipes to us, its stderr
 * is ours. It never outlives us. NULL, and a failed check, if it cannot be
 * started. */
harness_child *harness_spawn(const char *role, ...);

/* The same for another program beside tests.exe, such as "sqlite3.exe". */
harness_child *harness_spawn_program(const char *program, ...);

/* The next line of its stdout without its end, cut at size - 1 bytes.
 * False at the end of its output, or when no whole line came in time. */
bool harness_child_read_line(harness_child *child, char *line, size_t size,
                             uint32_t timeout_ms);
bool harness_child_write(harness_child *child, const char *text); /* to its stdin */
void harness_child_close_stdin(harness_child *child);

/* False when it still runs after timeout_ms. exit_code_out may be NULL. */
bool harness_child_wait(harness_child *child, uint32_t timeout_ms, int *exit_code_out);

/* TerminateProcess, no warning; returns when it is gone. */
void harness_child_kill(harness_child *child);

/* Kills it if it still runs. NULL is fine. */
void harness_child_free(harness_child *child);

/* A test that is a role of its own: runs `--child role arg`, prints its lines, and checks
 * that it ends with 0. */
void harness_run_role(const char *role, const char *arg);

/* Between harness.c and harness_process.c. */
void scratch_test_begins(void);
void scratch_test_ends(void);
void scratch_process_ends(void);

#endif
