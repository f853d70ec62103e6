/* record.h: one commit in the ring: what it changed, byte by byte.
 *
 *   offset  bytes
 *      0      8    checksum of all that follows, from that of the record before
 *      8      8    number of the commit, the ring's
 *     16      4    length of the record, a multiple of 8
 *     20      4    pages
 *     24      8    length of the database's file after the commit
 *     32      4    unit of the pages
 *     36      4    flags
 *     40      8    hash of the database's first 100 bytes after the commit
 *     48      4    their change counter
 *     52      4    0
 *     56      8    random, of the process that wrote it
 *     64           for each page, of n blocks of 64 bytes:
 *                    4    number
 *                    4    1: all of it, the blocks that are not here are zeros
 *                    8    hash of the page after the commit
 *                    n/64, rounded up, times 8: a bit for each block that is here
 *                    64 for each of these: its bytes after the commit
 *
 * Numbers are little-endian. A record lies in one piece. Where the end of the ring is too near, a
 * record of flag WRAP and no page stands there, and the commit's own at the ring's start; where
 * not even that fits, nothing does.
 *
 * Blocks of 64 bytes: a row that is inserted changes some ten of a page's 64, and a shorter unit
 * costs more in the bits than it saves.
 */
#ifndef AVFS_REDO_RECORD_H
#define AVFS_REDO_RECORD_H

#include <stddef.h>

#include "redo/redo.h"

enum { AVFS_REDO_HEAD = 64, AVFS_REDO_BLOCK = 64 };

enum {
  AVFS_REDO_WRAP = 1,
  AVFS_REDO_SAME_COUNTER = 2   /* the change counter is that of the commit before */
};

typedef struct avfs_redo_record {
  const unsigned char *at;
  uint64_t check, seq, file_bytes, header_hash;
  uint32_t bytes, pages, page_bytes, flags, counter;
} avfs_redo_record;

/* One of its pages, where it lies. */
typedef struct avfs_redo_page {
  uint32_t pgno;
  int whole;
  uint64_t hash;
  const unsigned char *bits, *blocks;
} avfs_redo_page;

uint64_t avfs_redo_hash(uint64_t seed, const void *p, size_t n);
static inline uint64_t avfs_redo_page_hash(const void *page, uint32_t page_bytes) {
  return avfs_redo_hash(page_bytes, page, page_bytes);
}
uint64_t avfs_redo_header_hash(const unsigned char *header);
uint32_t avfs_redo_counter(const unsigned char *header);

/* What a record is made with, apart from its commit. */
typedef struct avfs_redo_place {
  uint64_t chain;   /* the checksum of the record before */
  uint64_t seq, nonce;
  uint32_t flags;
} avfs_redo_place;

/* Writes the record of c. Answers its length; 0: it does not fit. */
uint64_t avfs_redo_record_write(unsigned char *to, uint64_t room, const avfs_redo_place *place,
                                const avfs_redo_commit *c);
uint64_t avfs_redo_record_check(const unsigned char *record);
/* No record of so many pages is longer. */
uint64_t avfs_redo_record_most(uint32_t pages, uint32_t page_bytes);
/* The one that says: go on at the start. AVFS_REDO_HEAD bytes. */
void avfs_redo_record_wrap(unsigned char *to, const avfs_redo_place *place);
/* 1 when a whole record stands there, of room bytes at most. */
int avfs_redo_record_read(const unsigned char *at, uint64_t room, uint64_t chain, avfs_redo_record *out);
/* Its pages, the first with at NULL; answers where the next one is. */
const unsigned char *avfs_redo_record_page(const avfs_redo_record *r, const unsigned char *at,
                                           avfs_redo_page *out);
/* Makes of the page before the commit (which does not matter if it is whole) the one after it. */
void avfs_redo_page_apply(const avfs_redo_page *p, unsigned char *page, uint32_t page_bytes);

#endif
