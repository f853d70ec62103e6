/* ring.h: the ring's file and what its process knows of it, between ring.c and replay.c. */
#ifndef AVFS_REDO_RING_H
#define AVFS_REDO_RING_H

#include "redo/record.h"

enum {
  AVFS_REDO_SLOT_AT = 512,     /* the first; the second as far behind it: no sector has both */
  AVFS_REDO_AREA_AT = 4096,
  AVFS_REDO_MAGIC_BYTES = 16
};
extern const char avfs_redo_magic[AVFS_REDO_MAGIC_BYTES + 1];

/* As it is in the file. Numbers of commits are the ring's own. */
typedef struct avfs_redo_slot {
  uint64_t check;        /* of what follows */
  uint64_t serial;       /* the higher one counts; 0: there is none */
  uint64_t chain;        /* what the checksum of the record at head is from */
  uint64_t room;         /* bytes for records */
  uint64_t boot;         /* avfs_io.boot; 0: not known */
  uint64_t volume, index_high, index_low;   /* the database's file */
  uint64_t base, base_header;     /* newest commit on the disk, hash of the first 100 bytes with it */
  uint64_t batch, batch_header;   /* the same with the batch in flight; base's: there is none */
  uint64_t head;         /* where base + 1 is: a position, see below */
} avfs_redo_slot;

/* A position counts bytes since begin; where it is in the area is its rest by room. */
struct avfs_redo {
  const avfs_io *io;
  avfs_mapping *file;
  unsigned char *area;
  avfs_redo_slot slot;   /* the one that counts */
  int serves;
  uint64_t shift;        /* the ring's number of a commit less the store's */
  uint64_t next;         /* the number that append takes, the ring's */
  uint64_t awaits;       /* the store's: what is appended counts once this is durable; 0: at once */
  uint64_t tail;         /* where it goes */
  uint64_t chain;        /* the checksum of the record before it */
  uint64_t batch_tail, batch_chain;   /* the same at freeze */
  uint64_t nonce;        /* of this process's records */
  uint32_t counter;      /* the database's change counter after next - 1 */
};

/* Writes r->slot with the next serial number, over the older of the two. */
void avfs_redo_put_slot(avfs_redo *r);
/* The slot that counts in the file, which may be in use by another process: a copy. serial 0: none. */
avfs_redo_slot avfs_redo_get_slot(const avfs_redo *r);

#endif
