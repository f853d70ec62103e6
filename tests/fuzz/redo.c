/* redo.c: hostile rings of commits (src/redo).
 *
 *   byte 0: which database; 1: what the disk has of it; 2: 1: checksums are made right, so that what is
 *   behind them is reached; the rest: a list of changes to a ring that was left behind:
 *   2 bytes where, in units of 8, 1 byte how many, then these bytes
 *
 * Whatever is in it, a recovery ends in a state of the database's history. Where checksums were made
 * right it may end anywhere, but not outside its memory.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "native/seam.h"
#include "redo/model.h"
#include "redo/ring.h"

enum { DATABASES = 8 };

static struct {
  model m;
  unsigned char ring[MODEL_RING];
  uint32_t batch, last;
} made[DATABASES];

static void make(int i) {
  static unsigned char memory[MODEL_RING];
  model *m = &made[i].m;
  model_disk disk;
  avfs_redo_database db;
  avfs_redo *r;
  uint32_t n;
  model_make(m, (uint64_t)i);
  model_disk_init(&disk, m);
  db = model_database(&disk);
  model_file.bytes = memory;
  model_file.size = 0;
  model_file.boot = 3;
  if (avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &r) != SQLITE_OK) abort();
  avfs_redo_begin(r, &db, 0, 77);
  for (n = 1; n <= 7; n++) {
    avfs_redo_commit c = model_commit(m, n, n);
    if (avfs_redo_append(r, &c) != 0) break;
    made[i].last = n;
    if (n == 3) avfs_redo_freeze(r, n, model_header(m, n));
    if (n == 3) made[i].batch = n;
  }
  avfs_redo_close(r, 0);
  memcpy(made[i].ring, memory, MODEL_RING);
  model_disk_free(&disk);
}

/* Of the slots, and of every record that is reached. */
static void make_checksums_right(unsigned char *ring) {
  avfs_redo_slot s;
  uint64_t place, at, chain, sum;
  uint32_t bytes;
  for (place = 1; place <= 2; place++) {
    memcpy(&s, ring + place * AVFS_REDO_SLOT_AT, sizeof s);
    s.check = avfs_redo_hash(1, &s.serial, sizeof s - sizeof s.check);
    memcpy(ring + place * AVFS_REDO_SLOT_AT, &s, sizeof s);
  }
  for (at = AVFS_REDO_AREA_AT, chain = 77; at + AVFS_REDO_HEAD <= MODEL_RING; at += bytes, chain = sum) {
    memcpy(&bytes, ring + at + 16, 4);
    if (bytes < AVFS_REDO_HEAD || bytes > MODEL_RING - at) break;
    sum = avfs_redo_hash(chain, ring + at + 8, bytes - 8);
    memcpy(ring + at, &sum, 8);
  }
}

static void change(unsigned char *ring, const uint8_t *data, size_t size) {
  while (size >= 3) {
    size_t at = (size_t)(data[0] << 8 | data[1]) * 8 % MODEL_RING, n = data[2];
    data += 3;
    size -= 3;
    if (n > size) n = size;
    if (n > MODEL_RING - at) n = MODEL_RING - at;
    memcpy(ring + at, data, n);
    data += n;
    size -= n;
  }
}

static int take(void *arg, uint32_t pgno, const unsigned char *page) {
  *(uint32_t *)arg += pgno + page[0] + page[511];
  return SQLITE_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static unsigned char ring[MODEL_RING];
  avfs_redo_report report;
  avfs_redo *r = NULL;
  model_disk disk;
  uint64_t chance = 1, seq;
  const char *why;
  uint32_t sum = 0;
  long blocks;
  int i, right;
  if (size < 3) return 0;
  i = data[0] % DATABASES;
  if (made[i].m.unit == 0) make(i);
  blocks = native_heap_blocks();
  right = data[2] & 1;
  memcpy(ring, made[i].ring, MODEL_RING);
  change(ring, data + 3, size - 3);
  if (right) make_checksums_right(ring);
  model_file.bytes = ring;
  model_file.size = MODEL_RING;
  model_disk_init(&disk, &made[i].m);
  if (data[1] & 1) model_disk_set(&disk, made[i].batch);
  if (right) {
    avfs_redo_database db = model_database(&disk);
    fuzz_check(avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &r) == SQLITE_OK, "it opens");
    (void)avfs_redo_replay(r, &db, 1, 2, take, &sum, &report);
  } else {
    int state = model_recover(&disk, &chance, &r, &seq, &report, &why);
    fuzz_check(state >= (int)disk.state && state <= (int)made[i].last, "it is a state of the history");
  }
  avfs_redo_close(r, 0);
  model_disk_free(&disk);
  fuzz_check(native_heap_blocks() == blocks, "all memory is given back");
  return 0;
}
