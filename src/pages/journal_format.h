/* journal_format.h: the format of SQLite's rollback journal (fileformat2.html 3).
 *
 *   0            4096                                        end     length
 *   | header     | record | record | ... | record | super     | zeros |
 *     magic 8      pgno 4, page, checksum 4          (maybe)
 *     records 4
 *     nonce 4    A large transaction goes on with further segments of the same
 *     pages 4    shape, each header at the next multiple of 4096.
 *     sector 4   All integers are big-endian.
 *     page size 4
 *
 * Rules that hold here, with what breaks without them:
 *   - the sector is 4096, whatever the disk's: a reader that uses psow=0 takes a
 *     journal shorter than its own sector for void, and deletes it;
 *   - behind the last record comes the end of the file or a sector of zeros: a
 *     stale header there would be played back;
 *   - the file ends in at least 8 zero bytes, unless it ends in a super-journal
 *     record: so no page's content can pass for one (its magic would be at the end);
 *   - each page stands once (the last one would win), the lock-byte page never
 *     (it ends the playback).
 */
#ifndef AVFS_JOURNAL_FORMAT_H
#define AVFS_JOURNAL_FORMAT_H

#include <stdint.h>

#include "pages/lock_bytes.h"

enum { AVFS_SECTOR = 4096 };

/* Begins a header and ends the record that names a super-journal (pager.c, aJournalMagic). */
extern const unsigned char avfs_journal_magic[8];

/* Bytes of one record. */
uint32_t avfs_record_bytes(uint32_t page_bytes);
/* Where a segment that would follow `end` has its header. */
uint64_t avfs_segment_after(uint64_t end);
/* The length of a journal whose last record ends at `end`. */
uint64_t avfs_journal_length(uint64_t end);

/* A whole header sector: records are valid once it is on the medium. */
void avfs_journal_header(unsigned char sector[AVFS_SECTOR], uint32_t records, uint32_t nonce,
                         uint32_t pages, uint32_t page_bytes);
/* One record; page_bytes of data. */
void avfs_journal_record(unsigned char *to, uint32_t pgno, const unsigned char *data,
                         uint32_t page_bytes, uint32_t nonce);
/* The record that names the super-journal (pager.c, writeSuperJournal). Returns
 * its length; `to` has room for name_bytes + 20. */
uint32_t avfs_super_record(unsigned char *to, const char *name, uint32_t name_bytes,
                           uint32_t page_bytes);
uint32_t avfs_get4(const unsigned char *p);
void avfs_put4(unsigned char *p, uint32_t v);

#endif
