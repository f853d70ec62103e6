/* db_header.h: what the first 100 bytes of a database file say (fileformat2.html 1.3). */
#ifndef AVFS_DB_HEADER_H
#define AVFS_DB_HEADER_H

#include <stddef.h>
#include <stdint.h>

enum { AVFS_DB_HEADER_BYTES = 100 };

/* What a file of this size with this header is instead of a rollback-mode SQLite database, in static
 * words; NULL: it is one, or empty. */
const char *avfs_header_objection(const unsigned char *header, uint64_t size);
static inline int avfs_header_is_rollback(const unsigned char *header, uint64_t size) {
  return avfs_header_objection(header, size) == NULL;
}
extern const char avfs_header_wal[];   /* the one of WAL mode */
/* 1 when pages of a database may be of n bytes. */
static inline int avfs_is_page_size(uint32_t n) { return n >= 512 && n <= 65536 && (n & (n - 1)) == 0; }
/* The page size that a header names; 0 when it is none. */
uint32_t avfs_header_page_bytes(const unsigned char *header);

#endif
