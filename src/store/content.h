/* content.h: what a connection reads, and what the writer writes.
 *
 * Reading goes from the newest to the oldest: txn (the writer only), committed,
 * draining, the disk. Each is O(1), however much is queued. A page that is in
 * none of the tables is on the disk and stays as it is there while it is read:
 * it would change only by a commit of its page, which needs EXCLUSIVE, while the
 * reader holds SHARED.
 *
 * Writing puts whole pages into txn; a part of a page takes the rest from what is
 * below. Units are content.page_bytes, the page size of the database on the disk:
 * it is the unit of the batch's journal too, so that the lock-byte page is left
 * out of the journal exactly as the database itself leaves it out. When the
 * page size changes (VACUUM), the unit follows with the next transaction.
 *
 * Invariant: between the end of a file that shrank and its present end there is
 * no page that only an older table or the disk has (write_gap).
 */
#ifndef AVFS_CONTENT_H
#define AVFS_CONTENT_H

#include "store/state.h"

int avfs_content_read(avfs_conn *c, void *p, uint32_t n, uint64_t offset);
int avfs_content_size(avfs_conn *c, uint64_t *size_out);
/* By the writer, into txn. */
int avfs_content_write(avfs_conn *c, const void *p, uint32_t n, uint64_t offset);
int avfs_content_truncate(avfs_conn *c, uint64_t size);
/* The tables' unit changes, while all of them are empty. */
void avfs_content_set_unit(avfs_store *s, uint32_t page_bytes) AVFS_REQUIRES(avfs_store_role);
/* 1 when what the writer has written is what was there before: a rollback. */
int avfs_content_writes_nothing_new(avfs_conn *c);

#endif
