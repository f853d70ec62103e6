/* store_peek.h: what a test has to see of a store from inside, since nothing tells of it. */
#ifndef STORE_PEEK_H
#define STORE_PEEK_H

#include <stdint.h>

#include "sqlite3.h"

/* Until when the one whose turn it is to write is waited for: now_ns of the io table. `main`
 * is the file of a main database that is ours (SQLITE_FCNTL_FILE_POINTER). Any thread. */
uint64_t store_peek_turn_until_ns(sqlite3_file *main);

/* The bytes of pages, journal and buffers that it has in memory. By the thread of its writer. */
uint64_t store_peek_memory(sqlite3_file *main);

/* As if this were why there can be no ring of commits for its database; static text. NULL: there
 * can be one. */
void store_peek_fall_back(sqlite3_file *main, const char *reason);
/* As if so many commits of a killed process had been replayed, and refused. */
void store_peek_recovered(sqlite3_file *main, uint64_t replayed, uint64_t refused);

#endif
