/* main.c: the suites, and the parts that child processes play. Adding either
 * is adding a line here (and its file in CMakeLists.txt). */
#include "harness.h"

/* SUITE(name): void suite_name(void), run with all.
 * FAILS(name): fails on purpose; ./dev test runs it by name. */
#define SUITES      \
  SUITE(harness)    \
  FAILS(must_fail)  \
  FAILS(must_hang)  \
  FAILS(must_crash)

/* ROLE(name): int role_name(int argc, char **argv), see harness_spawn. */
#define ROLES \
  ROLE(echo)  \
  ROLE(sleep)

#define SUITE(name) void suite_##name(void);
#define FAILS(name) void suite_##name(void);
#define ROLE(name) int role_##name(int argc, char **argv);
SUITES
ROLES
#undef SUITE
#undef FAILS
#undef ROLE

#define SUITE(name) {#name, suite_##name, false},
#define FAILS(name) {#name, suite_##name, true},
#define ROLE(name) {#name, role_##name},
static const harness_suite suites[] = {SUITES{NULL, NULL, false}};
static const harness_role roles[] = {ROLES{NULL, NULL}};

int main(int argc, char **argv) { return harness_main(argc, argv, suites, roles); }
