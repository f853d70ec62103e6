/* main.c: tests.exe, made of what suites.h lists. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "store/settings.h"
#include "win32/machine.h"

#define SUITE(name) {#name, suite_##name, false},
#define FAILS(name) {#name, suite_##name, true},
#define SLOW(name) {#name, suite_##name, true},
#define ROLE(name) {#name, role_##name},
static const harness_suite suites[] = {SUITES{NULL, NULL, false}};
static const harness_role roles[] = {ROLES{NULL, NULL}};

/* TEST_DURABILITY: what the databases begin with that say nothing themselves; else memory: most suites
 * count calls, or want commits that a kill loses. */
static void set_durability(void) {
  const char *text = getenv("TEST_DURABILITY");
  uint64_t value = AVFS_DURABILITY_MEMORY;
  if (text != NULL && strcmp(text, "os") == 0) value = AVFS_DURABILITY_OS;
  if (text != NULL && strcmp(text, "disk") == 0) value = AVFS_DURABILITY_DISK;
  avfs_setting_set_default(AVFS_DURABILITY, value);
}

int main(int argc, char **argv) {
  set_durability();
  return machine_begin() ? harness_main(argc, argv, suites, roles) : 2;
}
