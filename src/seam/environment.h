/* environment.h: the process's environment, part of the seam. */
#ifndef AVFS_ENVIRONMENT_H
#define AVFS_ENVIRONMENT_H

/* 1 when the variable is set, and to this value. As Windows has it now: the C library keeps a
 * copy of its own, which does not hear of SetEnvironmentVariable. */
int avfs_environment_is(const char *name, const char *value);

#endif
