/* redo.h: commits that survive the death of their process: a ring of them in a mapped file.
 *
 * Beside `app.db` lies `app.db-avfsredo`. A commit's pages are copied there before COMMIT
 * returns. Mapped memory belongs to the system, so a process that is killed leaves it behind;
 * no kernel call, no allocation and no flush is on that path. Who opens the database next hands
 * what no batch has written to the store (replay), which commits it anew.
 *
 *   the file      0        512     1024          4096                                  end
 *                 | magic  | slot  | slot        | records, in a ring                    |
 *
 *   slot          chain: the checksum of the record at head depends on it: random at each begin
 *   (two, in      volume and number of the database's file; which start of the system
 *   turn; the     base    {commit, hash of the database's first 100 bytes after it}: on the disk
 *   newer whole   batch   {the same}: of the batch in flight; base's, if there is none
 *   one counts)   head    where the first record after base is
 *
 *   record        redo/record.h: {checksum, from that of the record before; a random number of the
 *                 process that wrote it; number of the commit; length of the file after it; hash of
 *                 the first 100 bytes after it; pages: {number, hash of the page after it, the
 *                 64-byte blocks that it changed}}
 *
 * States and orderings.
 *
 *            begin                   append                freeze(b)
 *   NOTHING ------> base = batch = d ------> d+1 .. n ----------------> base d, batch b
 *                       ^                                                  |
 *                       `----------------- durable(b): base = b -----------'
 *
 *   (1) A slot counts when its checksum is right, of two the one with the higher serial number. So
 *       each change of base, batch and head takes place at one instant, or not at all.
 *   (2) A record counts when its checksum is right, and all from base + 1 to it count. So a
 *       record that is half written is none, nor is what an earlier lap of the ring left behind, or,
 *       behind one that did not become whole, a process that was killed: its place is taken by
 *       another process's record, from whose checksum that of an old one does not follow.
 *   (3) Space behind head is written again only once the slot that says so is whole.
 *   (4) The slot names a batch (freeze) before its first page is written; and makes it the base
 *       (durable) after its journal is void. So what is on the disk is base, or batch once hot
 *       journals are rolled back; anything else is another's doing.
 *   (5) A commit that is not in the ring (it was full, or was written through) ends what can be
 *       replayed, until a batch has it: COMMIT waits for that (append's answer).
 *
 * Replay. A record holds what bytes are, not what to do with them: all records from base + 1 to n,
 * in order, make of base the state n, of batch too, and of the state n itself. So it may be killed
 * and begun again at any instant. It is refused, and told, unless
 *   - the file is the one that the ring was made for: a copy or a replaced database has none;
 *   - its first 100 bytes are base's, or batch's: they have the change counter, which every writer
 *     counts up, so a program without asyncvfs that wrote in between is seen;
 *   - batch's: each page that records up to batch changed is on the disk as these left it. A
 *     stranger's writes can imitate a counter, not this;
 *   - each page it would write has its hash, blocks that no record has included;
 *   - batch has no commits that are not in the ring, or the first 100 bytes tell it from base;
 *   - the system has not been started anew since, or every commit counted the counter up. The ring
 *     is never flushed: after a power cut its pages are of any age. With locking_mode=EXCLUSIVE
 *     SQLite leaves the counter alone, and an old slot would fit a newer database.
 * What is refused is not overwritten: the file is renamed (set_aside). Not seen is a stranger who
 * wrote as often as a batch that was taken back, and all of its pages to the byte, and others.
 *
 * Locks:  look needs SHARED of the OS lock. replay, begin and all that follows need EXCLUSIVE (begin
 *         RESERVED) and store->lock, but for open, close, set_aside, look and replay: these wait for
 *         the disk, and belong to the setter of os.busy. Nothing here takes a lock.
 * Memory: an avfs_redo is its opener's; pages are copied.
 * Errors: a page of the ring that the system cannot have (volume gone, disk full under a compressed
 *         file) makes the ring failed (seam/io.h): the process goes on, append answers as if full.
 *         Its file is then of no use, and older than the database soon: delete it.
 * Units:  a commit's number is the store's; the ring's own may be shifted against it.
 *
 * When the store calls what: store/redo_ring.h.
 */
#ifndef AVFS_REDO_H
#define AVFS_REDO_H

#include "pages/page_table.h"
#include "seam/io.h"

/* What follows a database's name. */
#define AVFS_REDO_SUFFIX "-avfsredo"
#define AVFS_REDO_ASIDE_SUFFIX "-avfsredo-refused"

enum { AVFS_REDO_LEAST_BYTES = 64 * 1024 };   /* of a ring's file */

typedef struct avfs_redo avfs_redo;

/* The database on the disk, under the lock that the call needs. */
typedef struct avfs_redo_database {
  const avfs_identity *identity;
  const unsigned char *header;   /* its first 100 bytes, zeros behind its end */
  /* Page pgno as the disk has it, zeros behind the end and in the lock bytes. */
  int (*read)(void *arg, uint32_t pgno, uint32_t page_bytes, unsigned char *to);
  void *arg;
} avfs_redo_database;

typedef enum avfs_redo_verdict {
  AVFS_REDO_NOTHING,   /* all that it holds is on the disk */
  AVFS_REDO_PENDING,   /* commits are to be replayed, or have been */
  AVFS_REDO_REFUSED    /* it holds commits that must not be replayed */
} avfs_redo_verdict;

typedef struct avfs_redo_report {
  avfs_redo_verdict verdict;
  const char *reason;    /* of REFUSED, static text */
  uint64_t commits;      /* whole ones that no batch has made durable, as far as the ring knows */
  /* after replay */
  uint64_t replayed;     /* of them, those that the disk did not have */
  uint64_t file_bytes;   /* length of the database after them */
  uint32_t page_bytes;   /* unit of the pages */
} avfs_redo_report;

/* Opens the ring of this path: with AVFS_MAP_READ one that is there (SQLITE_CANTOPEN; SQLITE_EMPTY: its
 * process was killed while it made it, so it holds nothing), with AVFS_MAP_WRITE for this process alone, made of `bytes` bytes if there is none. SQLITE_BUSY: another
 * process has it. */
int avfs_redo_open(const avfs_io *io, const char *path, int how, uint64_t bytes, avfs_redo **r_out);
/* Closes it, and deletes it too with remove: SQLITE_BUSY when somebody else has it open. What
 * it holds is not looked at. NULL is fine. */
int avfs_redo_close(avfs_redo *r, int remove);
/* Closes it and gives it another name, which is taken away from what has it. */
int avfs_redo_set_aside(avfs_redo *r, const char *path);

/* What it holds for this database: read alone is not called. SQLITE_OK, and the verdict. */
int avfs_redo_look(avfs_redo *r, const avfs_redo_database *db, avfs_redo_report *out);
/* The same, and hands every page that the disk lacks to take(), by number, as it is after the last
 * commit. These commits count as the store's commit seq, and the ring goes on from there:
 * append, freeze and durable may follow as if its process had not died. When a read or a take fails
 * the answer is its code, and the ring is as it was. */
int avfs_redo_replay(avfs_redo *r, const avfs_redo_database *db, uint64_t seq, uint64_t salt,
                     int (*take)(void *arg, uint32_t pgno, const unsigned char *page), void *arg,
                     avfs_redo_report *out);
/* It holds nothing from here on but what is appended: the database on the disk is the store's
 * commit seq. salt: random. After a verdict of NOTHING, that is; db->read is not called. */
void avfs_redo_begin(avfs_redo *r, const avfs_redo_database *db, uint64_t seq, uint64_t salt);

/* A transaction that is about to become a commit. */
typedef struct avfs_redo_commit {
  uint64_t seq;                  /* the number that it gets */
  const avfs_page_table *pages;  /* its own, whole ones, and the length of the file after it */
  uint64_t bytes_before;         /* the length before it */
  uint32_t page_bytes;
  const unsigned char *header;   /* the first 100 bytes after it */
  /* The page as it was before it; NULL: not at hand, then all of the page is put in. Asked for pages
   * that begin before bytes_before only. */
  const unsigned char *(*before)(void *arg, uint32_t pgno);
  void *arg;
} avfs_redo_commit;

/* 1 after begin, or after a replay of PENDING: append, freeze and durable may be called. */
int avfs_redo_serves(const avfs_redo *r);
/* Puts the commit in. Answers the number of the commit which is to be durable before COMMIT may
 * say that this one survives: 0, none: it does now. Its own: it is not in the ring. One before
 * it: it is, behind others that are not. */
uint64_t avfs_redo_append(avfs_redo *r, const avfs_redo_commit *c);
/* The newest commit, the store's number, up to which all that no batch has written is in the ring and
 * can be replayed; 0: it cannot be told. */
uint64_t avfs_redo_newest(const avfs_redo *r);
/* 1 when a commit of so many pages fits, whatever it changes in them. */
int avfs_redo_fits(const avfs_redo *r, uint32_t pages, uint32_t page_bytes);
/* A batch of all commits up to seq, the newest, is about to begin. */
void avfs_redo_freeze(avfs_redo *r, uint64_t seq, const unsigned char *header);
/* That batch is durable. */
void avfs_redo_durable(avfs_redo *r, uint64_t seq);

/* More than half of it is in use: a batch is to begin. */
int avfs_redo_is_pressing(const avfs_redo *r);
/* Less than a quarter is free: a writer is to wait before it begins. */
int avfs_redo_is_full(const avfs_redo *r);
/* Bytes in use, and for records altogether. */
uint64_t avfs_redo_used(const avfs_redo *r);
uint64_t avfs_redo_room(const avfs_redo *r);
/* 1 when a page of it could not be had: the ring is of no use any more. */
int avfs_redo_failed(const avfs_redo *r);

#endif
