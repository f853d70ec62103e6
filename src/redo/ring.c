/* ring.c: see ring.h, and redo.h for the rules.
 *
 * No order of stores is needed within a record or a slot, since both have checksums; between them
 * it is that of the calls: what append writes over, a slot has given free in a call before, under
 * the same lock. A process that is killed has done its stores in the order of its program.
 */
#include "redo/ring.h"

#include <assert.h>
#include <string.h>

#include "seam/heap.h"
#include "seam/sqlite_api.h"

const char avfs_redo_magic[AVFS_REDO_MAGIC_BYTES + 1] = "AsyncVfs redo 1\n";

/* ---- slots ------------------------------------------------------------------------ */

static uint64_t slot_checksum(const avfs_redo_slot *s) {
  return avfs_redo_hash(1, &s->serial, sizeof *s - sizeof s->check);
}

static unsigned char *slot_at(const avfs_redo *r, uint64_t serial) {
  return r->file->at + (serial % 2 == 0 ? AVFS_REDO_SLOT_AT : 2 * AVFS_REDO_SLOT_AT);
}

/* Odd and even serial numbers have a place each: so the older one is written over. */
void avfs_redo_put_slot(avfs_redo *r) {
  r->slot.serial++;
  r->slot.check = slot_checksum(&r->slot);
  memcpy(slot_at(r, r->slot.serial), &r->slot, sizeof r->slot);
}

avfs_redo_slot avfs_redo_get_slot(const avfs_redo *r) {
  avfs_redo_slot newest, s;
  uint64_t place;
  memset(&newest, 0, sizeof newest);
  for (place = 0; place < 2; place++) {
    memcpy(&s, slot_at(r, place), sizeof s);
    if (s.check != slot_checksum(&s) || s.serial % 2 != place || s.serial <= newest.serial) continue;
    if (s.room > r->file->bytes - AVFS_REDO_AREA_AT || s.room % 8 != 0 || s.room == 0) continue;
    newest = s;
  }
  return newest;
}

/* ---- the file ------------------------------------------------------------------------ */

int avfs_redo_open(const avfs_io *io, const char *path, int how, uint64_t bytes, avfs_redo **r_out) {
  avfs_redo *r = avfs_alloc_zero(sizeof *r);
  int rc = SQLITE_NOMEM;
  *r_out = NULL;
  if (r == NULL) return SQLITE_NOMEM;
  r->io = io;
  if (bytes < AVFS_REDO_LEAST_BYTES) bytes = AVFS_REDO_LEAST_BYTES;
  rc = io->map_file(path, how, bytes, &r->file);
  /* One whose process was killed while it made it holds nothing yet. */
  if (rc == SQLITE_OK && r->file->bytes < AVFS_REDO_LEAST_BYTES) {
    (void)io->unmap_file(r->file, 0);
    rc = SQLITE_EMPTY;
  }
  if (rc != SQLITE_OK) {
    avfs_free(r);
    return rc;
  }
  r->area = r->file->at + AVFS_REDO_AREA_AT;
  r->slot = avfs_redo_get_slot(r);
  *r_out = r;
  return SQLITE_OK;
}

int avfs_redo_close(avfs_redo *r, int remove) {
  int rc;
  if (r == NULL) return SQLITE_OK;
  rc = r->io->unmap_file(r->file, remove);
  avfs_free(r);
  return rc;
}

int avfs_redo_set_aside(avfs_redo *r, const char *path) {
  int rc = r->io->rename_file(r->file, path);
  avfs_free(r);
  return rc;
}

/* The magic comes last: without it there is no ring, with it there is a slot. */
void avfs_redo_begin(avfs_redo *r, const avfs_redo_database *db, uint64_t seq, uint64_t salt) {
  avfs_redo_slot *s = &r->slot;
  uint64_t serial = s->serial;
  memset(s, 0, sizeof *s);
  s->serial = serial;
  s->chain = salt;
  s->room = (r->file->bytes - AVFS_REDO_AREA_AT) / 8 * 8;
  s->boot = r->io->boot();
  s->volume = db->identity->volume;
  s->index_high = db->identity->index_high;
  s->index_low = db->identity->index_low;
  s->base = s->batch = seq;
  s->base_header = s->batch_header = avfs_redo_header_hash(db->header);
  r->serves = 1;
  r->shift = r->awaits = r->tail = r->batch_tail = 0;
  r->chain = r->batch_chain = r->nonce = salt;
  r->next = seq + 1;
  r->counter = avfs_redo_counter(db->header);
  avfs_redo_put_slot(r);
  memcpy(r->file->at, avfs_redo_magic, AVFS_REDO_MAGIC_BYTES);
}

/* ---- the writer's and the batch's ------------------------------------------------------- */

int avfs_redo_serves(const avfs_redo *r) { return r->serves; }

/* Answers the bytes that it takes from tail on, and where it stands; 0: there is no room. */
static uint64_t put_record(avfs_redo *r, const avfs_redo_commit *c, const avfs_redo_place *place,
                           const unsigned char **record_out) {
  uint64_t at = r->tail % r->slot.room, to_end = r->slot.room - at;
  uint64_t left = r->slot.room - avfs_redo_used(r), n;
  *record_out = r->area + at;
  n = avfs_redo_record_write(r->area + at, left < to_end ? left : to_end, place, c);
  if (n > 0 || left <= to_end) return n;
  *record_out = r->area;
  n = avfs_redo_record_write(r->area, left - to_end, place, c);
  if (n == 0) return 0;
  if (to_end >= AVFS_REDO_HEAD) avfs_redo_record_wrap(r->area + at, place);
  return to_end + n;
}

uint64_t avfs_redo_append(avfs_redo *r, const avfs_redo_commit *c) {
  uint32_t counter = avfs_redo_counter(c->header);
  avfs_redo_place place = {r->chain, r->next, r->nonce, counter == r->counter ? AVFS_REDO_SAME_COUNTER : 0};
  const unsigned char *record;
  uint64_t n;
  assert(r->serves);
  if (c->seq + r->shift != r->next || r->file->failed) return c->seq;
  n = put_record(r, c, &place, &record);
  if (n == 0 || r->file->failed) return c->seq;
  r->chain = avfs_redo_record_check(record);
  r->tail += n;
  r->next++;
  r->counter = counter;
  return r->awaits;
}

uint64_t avfs_redo_newest(const avfs_redo *r) {
  return r->serves && r->awaits == 0 && !r->file->failed ? r->next - 1 - r->shift : 0;
}

int avfs_redo_fits(const avfs_redo *r, uint32_t pages, uint32_t page_bytes) {
  uint64_t to_end = r->slot.room - r->tail % r->slot.room, left = r->slot.room - avfs_redo_used(r);
  uint64_t most = avfs_redo_record_most(pages, page_bytes);
  return most <= (left < to_end ? left : to_end) || (left > to_end && most <= left - to_end);
}

/* Commits that are not in the ring are in the batch: those after it can be replayed again, once
 * it is durable. */
void avfs_redo_freeze(avfs_redo *r, uint64_t seq, const unsigned char *header) {
  uint64_t own = seq + r->shift;
  assert(r->serves && own - r->slot.base < UINT64_MAX / 2);
  r->slot.batch = own;
  r->slot.batch_header = avfs_redo_header_hash(header);
  r->batch_tail = r->tail;
  r->batch_chain = r->chain;
  if (r->next != own + 1) {
    r->next = own + 1;
    r->awaits = seq;
    r->counter = avfs_redo_counter(header);
  }
  avfs_redo_put_slot(r);
}

void avfs_redo_durable(avfs_redo *r, uint64_t seq) {
  assert(r->serves && seq + r->shift == r->slot.batch);
  r->slot.base = r->slot.batch;
  r->slot.base_header = r->slot.batch_header;
  r->slot.head = r->batch_tail;
  r->slot.chain = r->batch_chain;
  if (r->awaits <= seq) r->awaits = 0;
  avfs_redo_put_slot(r);
}

uint64_t avfs_redo_used(const avfs_redo *r) { return r->serves ? r->tail - r->slot.head : 0; }
uint64_t avfs_redo_room(const avfs_redo *r) { return r->serves ? r->slot.room : r->file->bytes - AVFS_REDO_AREA_AT; }
int avfs_redo_is_pressing(const avfs_redo *r) { return avfs_redo_used(r) > avfs_redo_room(r) / 2; }
int avfs_redo_is_full(const avfs_redo *r) { return avfs_redo_used(r) > avfs_redo_room(r) / 4 * 3; }
int avfs_redo_failed(const avfs_redo *r) { return r->file->failed; }
