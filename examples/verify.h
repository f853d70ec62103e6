/* verify.h: is this database sound, and has it the same content as that one?
 *
 * Asked by stock SQLite through its own VFS, in a process that has never
 * seen the DLL.
 */
#ifndef EXAMPLES_VERIFY_H
#define EXAMPLES_VERIFY_H

/* Checks each database and compares their contents. Prints a line for each.
 * Returns 0 if all are sound and equal, else 1. */
int verify_databases(const char *const *paths, int count);

#endif
