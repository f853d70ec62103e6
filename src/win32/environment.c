/* environment.c: see environment.h. */
#include "seam/environment.h"

#include <string.h>
#include <windows.h>

enum { MOST_BYTES = 64 };   /* of a value that is asked for */

int avfs_environment_is(const char *name, const char *value) {
  char is[MOST_BYTES];
  DWORD n = GetEnvironmentVariableA(name, is, MOST_BYTES);
  return n > 0 && n < MOST_BYTES && strcmp(is, value) == 0;
}
