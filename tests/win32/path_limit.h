/* path_limit.h: Windows opens no path of MAX_PATH or more characters, unless the path begins
 * with \\?\ or the process asks for more. Wine opens them all: here it does not.
 */
#ifndef PATH_LIMIT_H
#define PATH_LIMIT_H

#include <stdbool.h>

/* From now on, in this process: for the calls of tests.exe, which the core is part of, and of
 * SQLite. False when that cannot be had. */
bool path_limit_begin(void);

#endif
