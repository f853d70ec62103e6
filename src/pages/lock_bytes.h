/* lock_bytes.h: the part of a database file that SQLite locks, and that nobody reads or writes.
 *
 *        0 .......... 0x40000000        +1           +2 ............ +511
 *        pages        PENDING_BYTE      RESERVED     SHARED_FIRST, 510 bytes      pages
 *                     (os.h; fileformat2.html 1.2, "the lock-byte page")
 *
 * LockFileEx, by which win32 locks them, is mandatory: what another handle reads or writes there
 * fails as a whole with ERROR_LOCK_VIOLATION, however little of it they are. The page that begins
 * there is used by no database. It is a larger one before a VACUUM that makes the pages smaller,
 * and then SQLite writes pages into what is left of it: so what is to be left out is these
 * bytes, and never a page.
 *
 * Wine does not enforce it; the seams of all tests do.
 */
#ifndef AVFS_LOCK_BYTES_H
#define AVFS_LOCK_BYTES_H

#include <stdint.h>

/* The simulation has them in a smaller file (SQLITE_TESTCTRL_PENDING_BYTE). */
#ifndef AVFS_LOCK_BYTES_AT
# define AVFS_LOCK_BYTES_AT 0x40000000u
#endif
enum { AVFS_LOCK_BYTES = 512 };

/* The page that they are in: it begins with them, whatever its size. */
static inline uint32_t avfs_lock_byte_pgno(uint32_t page_bytes) {
  return AVFS_LOCK_BYTES_AT / page_bytes + 1;
}

/* 1 when [offset, offset + n) has some of them. */
static inline int avfs_has_lock_bytes(uint64_t offset, uint64_t n) {
  return offset < (uint64_t)AVFS_LOCK_BYTES_AT + AVFS_LOCK_BYTES && offset + n > AVFS_LOCK_BYTES_AT;
}

/* How many of the n bytes at offset, n > 0, are from the first on all lock bytes
 * (*locked_out = 1), or none of them. */
static inline uint32_t avfs_lock_bytes_part(uint64_t offset, uint32_t n, int *locked_out) {
  uint64_t begin = AVFS_LOCK_BYTES_AT, end = begin + AVFS_LOCK_BYTES, upto = offset + n;
  *locked_out = offset >= begin && offset < end;
  if (*locked_out && end < upto) upto = end;
  if (offset < begin && begin < upto) upto = begin;
  return (uint32_t)(upto - offset);
}

#endif
