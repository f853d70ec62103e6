/* main.c: tests.exe, made of what suites.h lists. */
#include "harness.h"
#include "win32/machine.h"

#define SUITE(name) {#name, suite_##name, false},
#define FAILS(name) {#name, suite_##name, true},
#define SLOW(name) {#name, suite_##name, true},
#define ROLE(name) {#name, role_##name},
static const harness_suite suites[] = {SUITES{NULL, NULL, false}};
static const harness_role roles[] = {ROLES{NULL, NULL}};

int main(int argc, char **argv) {
  return machine_begin() ? harness_main(argc, argv, suites, roles) : 2;
}
