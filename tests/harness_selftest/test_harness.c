/* test_harness.c: the harness tests itself. A runner that cannot fail proves
 * nothing, so three suites fail on purpose; ./dev test runs each by name and
 * looks that it does. */
#include "../harness.h"

#include <stdio.h>
#include <string.h>

#include <windows.h>

/* ---- must_fail: 1 passes, 4 fail ------------------------------------------- */

static void a_passing_test_passes(void) { CHECK(true); }
static void a_wrong_number_fails(void) { CHECK_EQ(1 + 1, 3); }
static void a_wrong_string_fails(void) { CHECK_STR_EQ("one", "two"); }
static void a_wrong_result_code_fails(void) { CHECK_RC(NULL, 5, 0); }

static DWORD WINAPI fail_in_thread(void *unused) {
  (void)unused;
  CHECK(1 > 2);
  return 0;
}

static void a_check_in_another_thread_fails(void) {
  HANDLE thread = CreateThread(NULL, 0, fail_in_thread, NULL, 0, NULL);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
}

void suite_must_fail(void) {
  CU_pSuite suite = CU_add_suite("must_fail", NULL, NULL);
  ADD_TEST(suite, a_passing_test_passes);
  ADD_TEST(suite, a_wrong_number_fails);
  ADD_TEST(suite, a_wrong_string_fails);
  ADD_TEST(suite, a_wrong_result_code_fails);
  ADD_TEST(suite, a_check_in_another_thread_fails);
}

/* ---- must_hang, must_crash -------------------------------------------------- */

static void a_hanging_test_is_ended(void) { Sleep(INFINITE); }

void suite_must_hang(void) {
  CU_pSuite suite = CU_add_suite("must_hang", NULL, NULL);
  ADD_TEST(suite, a_hanging_test_is_ended);
}

static void a_crash_is_not_a_pass(void) {
  volatile int *volatile nowhere = NULL; /* or the compiler leaves the write out */
  *nowhere = 1;
}

void suite_must_crash(void) {
  CU_pSuite suite = CU_add_suite("must_crash", NULL, NULL);
  ADD_TEST(suite, a_crash_is_not_a_pass);
}

/* ---- harness: what it offers works -------------------------------------------- */

int role_echo(int argc, char **argv) {
  char line[256];
  for (int i = 0; i < argc; i++) harness_print("%s\n", argv[i]);
  while (fgets(line, sizeof line, stdin) != NULL) harness_print("heard %s", line);
  return 42;
}

int role_sleep(int argc, char **argv) {
  (void)argc;
  (void)argv;
  harness_print("asleep\n");
  Sleep(INFINITE);
  return 0;
}

static void a_child_gets_its_arguments_and_answers(void) {
  char line[256];
  int code = 0;
  harness_child *child =
      harness_spawn("echo", "plain", "two words", "a \"quote\"", "ends in \\", "", NULL);
  if (child == NULL) return;
  static const char *const expected[] = {"plain", "two words", "a \"quote\"", "ends in \\", ""};
  for (int i = 0; i < 5; i++) {
    if (!CHECK(harness_child_read_line(child, line, sizeof line, 20000))) break;
    CHECK_STR_EQ(line, expected[i]);
  }
  CHECK(harness_child_write(child, "you\n"));
  CHECK(harness_child_read_line(child, line, sizeof line, 20000));
  CHECK_STR_EQ(line, "heard you");
  harness_child_close_stdin(child);
  CHECK(harness_child_wait(child, 20000, &code));
  CHECK_EQ(code, 42);
  CHECK(!harness_child_read_line(child, line, sizeof line, 20000));
  harness_child_free(child);
}

static void a_child_is_killed_without_warning(void) {
  char line[256];
  int code = 0;
  harness_child *child = harness_spawn("sleep", NULL);
  if (child == NULL) return;
  CHECK(harness_child_read_line(child, line, sizeof line, 20000));
  CHECK(!harness_child_wait(child, 10, &code));
  CHECK(!harness_child_read_line(child, line, sizeof line, 10));
  harness_child_kill(child);
  CHECK(harness_child_wait(child, 0, &code));
  CHECK_EQ(code, 99);
  harness_child_free(child);
}

static char first_path[MAX_PATH];

static void scratch_paths_are_fresh(void) {
  snprintf(first_path, sizeof first_path, "%s", scratch_path("x.db"));
  CHECK(strcmp(first_path, scratch_path("x.db")) != 0);
  FILE *file = fopen(first_path, "wx");
  CHECK(file != NULL);
  if (file != NULL) fclose(file);
}

static void scratch_is_removed_after_its_test(void) {
  CHECK(first_path[0] != '\0');
  CHECK_EQ(GetFileAttributesA(first_path), INVALID_FILE_ATTRIBUTES);
}

static void chance_repeats_from_its_seed(void) {
  rng_seed(test_seed());
  uint64_t first = rng_next(), second = rng_next();
  CHECK(first != second);
  rng_seed(test_seed());
  CHECK_EQ(rng_next(), first);
  CHECK_EQ(rng_next(), second);
  for (int i = 0; i < 1000; i++) CHECK(rng_below(7) < 7);
}

void suite_harness(void) {
  CU_pSuite suite = CU_add_suite("harness", NULL, NULL);
  ADD_TEST(suite, a_child_gets_its_arguments_and_answers);
  ADD_TEST(suite, a_child_is_killed_without_warning);
  ADD_TEST(suite, scratch_paths_are_fresh);
  ADD_TEST(suite, scratch_is_removed_after_its_test);
  ADD_TEST(suite, chance_repeats_from_its_seed);
}
