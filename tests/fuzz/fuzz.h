/* fuzz.h: what the fuzzers share. Each is one program: libFuzzer, the library over the
 * native seam (tests/native/seam.h), AddressSanitizer and UBSan.
 *
 *   sql.c     SQL programs: the same rows as a database in memory gives, in the end too
 *   files.c   hostile database, journal and WAL files at open
 *   text.c    PRAGMA and URI text
 *   redo.c    hostile rings of commits, and databases that do not go with them
 *
 * Whatever comes, the library does no more than answer an error: no crash, no hang, no
 * block of memory that stays.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "sqlite3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A database's path in a directory of this process's own; nothing is there. */
const char *fuzz_fresh_database(void);
/* Opens; statements are bounded, and cannot reach other files. NULL: it answers an error. */
sqlite3 *fuzz_open(const char *name, const char *vfs);
/* Closes; and then nothing of the library may be left. */
void fuzz_close(sqlite3 *db);
/* Aborts, which libFuzzer takes for a crash. */
void fuzz_check(int holds, const char *what);

#endif
