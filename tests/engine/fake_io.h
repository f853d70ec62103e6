/* fake_io.h: the seam again, in memory: files that know what is on the medium.
 *
 *      write ---> in flight ---> pending ---> durable
 *                 (a queue)  ^   (written)  ^
 *              fake_io_complete           flush
 *
 * Each file has two images: `written` is what a read sees, `durable` is what a
 * power cut leaves for certain. Between them stand the pending changes, of which a
 * power cut keeps any part (fake_io_crash). Operations wait in a queue until the
 * test completes them, in seeded random order, or complete at once (inline).
 *
 * It judges by itself what no caller of the seam may ever do: two operations in
 * flight that overlap and one of which writes, one that claims to be alone and is not,
 * a flush, resize or close of a file with operations in flight, a buffer changed before
 * `done`. More is up to the test's `watch`.
 *
 * Faults: calls are numbered from 1 (all but start, close, identity, path_identity, links, is_local and now_ns);
 * fail_from..fail_from+fail_count-1 fail. A write that fails has written some of
 * its sectors. After a flush that fails nobody knows what is on the medium: here
 * each pending write either is, or is forgotten, so that no later flush brings it.
 *
 * One thread.
 */
#ifndef FAKE_IO_H
#define FAKE_IO_H

#include <stdbool.h>

#include "seam/io.h"

typedef enum fake_kind {
  FAKE_OPEN, FAKE_REMOVE, FAKE_SIZE, FAKE_RESIZE, FAKE_FLUSH, FAKE_READ, FAKE_WRITE
} fake_kind;

typedef struct fake_bytes {
  unsigned char *p;
  size_t n;
} fake_bytes;

void fake_bytes_set(fake_bytes *b, const void *p, size_t n);
void fake_bytes_resize(fake_bytes *b, size_t n);   /* grown parts are zeros */
void fake_bytes_free(fake_bytes *b);

/* A change that is written and not flushed. */
typedef struct fake_change {
  struct fake_change *next;
  bool resize;      /* to `offset` bytes */
  bool lost;        /* a failed flush has forgotten it */
  uint64_t offset;
  uint32_t bytes;
  unsigned char data[];
} fake_change;

struct avfs_file {
  char path[64];
  bool exists, open;
  fake_bytes written, durable;
  fake_change *pending;   /* oldest first */
};

typedef struct fake_call {
  fake_kind kind;
  avfs_file *file;        /* NULL for an open */
  uint64_t offset;        /* the new size, for a resize */
  uint32_t bytes;
  const unsigned char *data;
} fake_call;

extern const avfs_io fake_io;

extern struct fake_machine {
  /* the test's */
  void (*watch)(const fake_call *call);   /* before the call has any effect; or NULL */
  uint64_t fail_from, fail_count;         /* 0: none */
  bool complete_at_once;
  bool hangs;                             /* what is abandoned does not end */
  bool super_stays;                       /* exists() says 1: the name is being deleted */
  bool mapped;                            /* a view keeps files long: resize() succeeds all the same */

  /* for the test to read */
  uint64_t calls, failed, flushes;
} fake;

/* Forgets all files and settings. */
void fake_io_reset(void);
/* The file of this path; made, without existing, when it is not known. */
avfs_file *fake_io_file(const char *path);
/* Its content, durably. */
void fake_io_put(const char *path, const void *p, uint64_t n);
/* Completes one operation in flight, any one, and calls its done. False: none. */
bool fake_io_complete(void);
/* The threads are gone, and done is never called for what they started. It is in flight till it
 * is settled: then each has been performed or not. */
void fake_io_abandon(void);
bool fake_io_in_flight(const avfs_file *f);
/* What the medium may hold of f if the power fails now: the durable image, and of
 * what is pending and in flight some, torn at sectors of 512. */
fake_bytes fake_io_crash(const avfs_file *f);

#endif
