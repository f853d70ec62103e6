/* page_reads.h: what a page costs to read: rows of one page of 512 bytes each, read at random by a
 * connection whose cache holds next to nothing, so that nearly every page is asked of the VFS. */
#ifndef PAGE_READS_H
#define PAGE_READS_H

#include <stdint.h>

#include <sqlite3.h>

/* Adds rows first .. first + n - 1 to a table (id INTEGER PRIMARY KEY, body), in a statement. */
void page_reads_add(sqlite3 *db, const char *table, uint32_t first, uint32_t n);
/* ns for a page, over `reads` of rows 1 to `rows`. *random: the state of random_next. */
double page_reads_ns(sqlite3 *db, const char *table, uint32_t rows, uint32_t reads, uint64_t *random);

#endif
