/* replay.c: what a ring holds, whatever is in it, and whether that may be done again: redo.h.
 *
 *   look:     slot, then records from base + 1 on as far as they are whole and follow each other;
 *             whose file, which state its first 100 bytes are
 *   replay:   the same; then an image of each page that they changed, begun from the disk or from
 *             zeros, with all records put on top; all images checked; and handed over
 *
 * Nothing is written before all is checked and handed over, and then one slot alone.
 */
#include "redo/ring.h"

#include <stdlib.h>
#include <string.h>

#include "seam/heap.h"
#include "seam/sqlite_api.h"

/* ---- the records, one after the other ------------------------------------------------ */

/* Where a walk is. */
typedef struct walk {
  const avfs_redo *r;
  const avfs_redo_slot *slot;
  uint64_t seq;     /* of the last record */
  uint64_t at;      /* position behind it */
  uint64_t chain;   /* its checksum */
} walk;

static walk walk_start(const avfs_redo *r, const avfs_redo_slot *slot) {
  walk w = {r, slot, slot->base, slot->head, slot->chain};
  return w;
}

/* The whole record of the next number at w->at. */
static int read_next(const walk *w, avfs_redo_record *out) {
  uint64_t at = w->at % w->slot->room;
  return avfs_redo_record_read(w->r->area + at, w->slot->room - at, w->chain, out) && out->seq == w->seq + 1;
}

/* 0: there is none. */
static int walk_on(walk *w, avfs_redo_record *out) {
  uint64_t to_end = w->slot->room - w->at % w->slot->room;
  walk next = *w;
  if (to_end < AVFS_REDO_HEAD) next.at += to_end;
  if (!read_next(&next, out)) return 0;
  if (out->flags & AVFS_REDO_WRAP) {
    next.at += next.slot->room - next.at % next.slot->room;
    if (!read_next(&next, out) || (out->flags & AVFS_REDO_WRAP)) return 0;
  }
  next.at += out->bytes;
  if (next.at - w->slot->head > w->slot->room) return 0;   /* round once, and it is the first again */
  next.seq++;
  next.chain = out->check;
  *w = next;
  return 1;
}

/* ---- look ------------------------------------------------------------------------------- */

/* What all records together say. */
typedef struct summary {
  uint64_t last, tail, chain;   /* where a walk has ended */
  uint32_t counter;
  int same_counter;   /* one of them has left it as it was */
  uint64_t file_bytes;
  uint32_t page_bytes;
  int units;          /* they are of more than one */
} summary;

static summary read_all(const avfs_redo *r, const avfs_redo_slot *slot) {
  walk w = walk_start(r, slot);
  avfs_redo_record rec;
  summary s;
  memset(&s, 0, sizeof s);
  while (walk_on(&w, &rec)) {
    if (s.page_bytes != 0 && s.page_bytes != rec.page_bytes) s.units = 1;
    s.counter = rec.counter;
    s.file_bytes = rec.file_bytes;
    s.page_bytes = rec.page_bytes;
    if (rec.flags & AVFS_REDO_SAME_COUNTER) s.same_counter = 1;
  }
  s.last = w.seq;
  s.tail = w.at;
  s.chain = w.chain;
  return s;
}

static int is_zero(const unsigned char *p, size_t n) {
  while (n > 0 && p[n - 1] == 0) n--;
  return n == 0;
}

/* Why its commits, of which there are some, must not be replayed; NULL: nothing speaks against it yet. */
static const char *doubt(const avfs_redo *r, const avfs_redo_slot *slot, const summary *s,
                         const avfs_redo_database *db) {
  const avfs_identity *id = db->identity;
  uint64_t header = avfs_redo_header_hash(db->header);
  uint64_t boot = r->io->boot();
  if (slot->volume != id->volume || slot->index_high != id->index_high || slot->index_low != id->index_low) {
    return "the database is another file than the one they were made in";
  }
  if (header != slot->base_header && header != slot->batch_header) {
    return "another program has written to the database since";
  }
  /* Some of batch's commits are not here. Where they left the first 100 bytes alone, what the disk
   * has cannot be told. */
  if (s->last < slot->batch && slot->batch_header == slot->base_header) {
    return "commits that are not in it may be on the disk";
  }
  if (s->same_counter && (boot == 0 || boot != slot->boot)) {
    return "the system has been started anew since, and with locking_mode=EXCLUSIVE nothing tells what the "
           "disk has of them";
  }
  return s->units ? "its pages are of several sizes" : NULL;
}

static void refuse(avfs_redo_report *out, const char *reason) {
  out->verdict = AVFS_REDO_REFUSED;
  out->reason = reason;
}

static void judge(const avfs_redo *r, const avfs_redo_slot *slot, const summary *s, const avfs_redo_database *db,
                  avfs_redo_report *out) {
  const char *reason;
  out->commits = s->last - slot->base;
  if (out->commits == 0) return;
  reason = doubt(r, slot, s, db);
  if (reason != NULL) {
    refuse(out, reason);
    return;
  }
  /* The batch had commits that the ring has not; and it is on the disk, with all before it. */
  if (s->last < slot->batch && avfs_redo_header_hash(db->header) == slot->batch_header) return;
  out->verdict = AVFS_REDO_PENDING;
  out->file_bytes = s->file_bytes;
  out->page_bytes = s->page_bytes;
}

/* slot_out: what counts. */
static summary look(const avfs_redo *r, const avfs_redo_database *db, avfs_redo_slot *slot_out,
                    avfs_redo_report *out) {
  const unsigned char *magic = r->file->at;
  summary s;
  memset(&s, 0, sizeof s);
  memset(out, 0, sizeof *out);
  out->verdict = AVFS_REDO_NOTHING;
  *slot_out = avfs_redo_get_slot(r);
  if (is_zero(magic, AVFS_REDO_MAGIC_BYTES)) return s;   /* its first begin was not over */
  if (memcmp(magic, avfs_redo_magic, AVFS_REDO_MAGIC_BYTES) != 0) {
    refuse(out, "it is not a file of this library, or of another version");
  } else if (slot_out->serial == 0) {
    refuse(out, "its header is damaged");
  } else {
    s = read_all(r, slot_out);
    judge(r, slot_out, &s, db, out);
  }
  return s;
}

int avfs_redo_look(avfs_redo *r, const avfs_redo_database *db, avfs_redo_report *out) {
  avfs_redo_slot slot;
  (void)look(r, db, &slot, out);
  return SQLITE_OK;
}

/* ---- images ------------------------------------------------------------------------------- */

/* What stands behind an image's page. */
typedef struct note {
  uint64_t hash;        /* what the page is to have */
  uint32_t is_later;    /* a record after the state on the disk has changed it */
} note;

typedef struct images {
  const avfs_redo_database *db;
  avfs_page_table pages;
  avfs_page_pool pool;     /* what is cut off; nothing is taken from it */
} images;

/* Its data begins before the end of the struct, which is aligned. */
static note *note_of(images *im, avfs_page *p) {
  return (note *)(void *)((unsigned char *)(p + 1) + im->pool.page_bytes);
}

static int images_init(images *im, const avfs_redo_database *db, uint32_t page_bytes) {
  memset(im, 0, sizeof *im);
  im->db = db;
  im->pool.page_bytes = page_bytes;
  return avfs_page_table_init(&im->pages);
}

static void images_free(images *im) {
  avfs_page_table_free(&im->pages, &im->pool);
  avfs_page_pool_trim(&im->pool, 0);
}

/* The image of the page; a new one begins from the disk. One that was cut off and is there again
 * is whole in its record (redo.h, bytes_before). */
static int image_of(images *im, const avfs_redo_page *page, avfs_page **p_out) {
  uint32_t unit = im->pool.page_bytes;
  avfs_page *p = avfs_page_table_find(&im->pages, page->pgno);
  int rc = SQLITE_OK;
  *p_out = p;
  if (p != NULL) return SQLITE_OK;
  p = avfs_alloc(sizeof *p + unit + sizeof(note));
  if (p == NULL) return SQLITE_NOMEM;
  p->pgno = page->pgno;
  if (page->whole) memset(p->data, 0, unit);
  else rc = im->db->read(im->db->arg, page->pgno, unit, p->data);
  if (rc != SQLITE_OK) {
    avfs_free(p);
    return rc;
  }
  avfs_page_table_add(&im->pages, p);
  *p_out = p;
  return SQLITE_OK;
}

/* What a commit leaves. */
static int put_on_top(images *im, const avfs_redo_record *rec) {
  const unsigned char *at = NULL;
  avfs_redo_page page;
  avfs_page *p;
  uint32_t i;
  if (rec->file_bytes > im->pages.size) im->pages.size = rec->file_bytes;
  for (i = 0; i < rec->pages; i++) {
    int rc;
    at = avfs_redo_record_page(rec, at, &page);
    rc = image_of(im, &page, &p);
    if (rc != SQLITE_OK) return rc;
    avfs_redo_page_apply(&page, p->data, rec->page_bytes);
    note_of(im, p)->hash = page.hash;
    note_of(im, p)->is_later = 1;
  }
  avfs_page_table_set_size(&im->pages, rec->file_bytes, &im->pool);
  return SQLITE_OK;
}

/* *is_out: the disk has every page as the records so far leave it. */
static int is_on_disk(images *im, int *is_out) {
  uint32_t unit = im->pool.page_bytes;
  unsigned char *buffer = avfs_alloc(unit);
  avfs_page *p;
  int rc = SQLITE_OK;
  *is_out = 1;
  if (buffer == NULL) return SQLITE_NOMEM;
  for (p = im->pages.first; *is_out && rc == SQLITE_OK && p != NULL; p = p->next) {
    rc = im->db->read(im->db->arg, p->pgno, unit, buffer);
    if (rc == SQLITE_OK) *is_out = avfs_redo_page_hash(buffer, unit) == note_of(im, p)->hash;
  }
  avfs_free(buffer);
  return rc;
}

static int are_right(images *im) {
  avfs_page *p;
  for (p = im->pages.first; p != NULL; p = p->next) {
    if (avfs_redo_page_hash(p->data, im->pool.page_bytes) != note_of(im, p)->hash) return 0;
  }
  return 1;
}

/* ---- replay ----------------------------------------------------------------------------------- */

/* Which state the disk is in, and where its records end. */
typedef struct disk_state {
  uint64_t seq, at, chain;
} disk_state;

/* Makes the images. The disk is base, or batch where its pages are so too; what is neither is
 * refused. */
static int make_images(const avfs_redo *r, const avfs_redo_slot *slot, images *im, disk_state *disk_out,
                       avfs_redo_report *out) {
  uint64_t header = avfs_redo_header_hash(im->db->header);
  walk w = walk_start(r, slot);
  avfs_redo_record rec;
  int rc = SQLITE_OK;
  disk_out->seq = slot->base;
  disk_out->at = slot->head;
  disk_out->chain = slot->chain;
  while (rc == SQLITE_OK && walk_on(&w, &rec)) {
    rc = put_on_top(im, &rec);
    if (rc == SQLITE_OK && w.seq == slot->batch && header == slot->batch_header) {
      int is = 0;
      avfs_page *p;
      rc = is_on_disk(im, &is);
      if (rc == SQLITE_OK && is) {
        disk_out->seq = w.seq;
        disk_out->at = w.at;
        disk_out->chain = w.chain;
        for (p = im->pages.first; p != NULL; p = p->next) note_of(im, p)->is_later = 0;
      }
    }
  }
  if (rc == SQLITE_OK && disk_out->seq == slot->base && header != slot->base_header) {
    refuse(out, "another program has written to the database since, as often as they would have");
  } else if (rc == SQLITE_OK && !are_right(im)) {
    refuse(out, "the database's pages are not those that they were made on");
  }
  return rc;
}

static int by_number(const void *a, const void *b) {
  uint32_t x = (*(avfs_page *const *)a)->pgno, y = (*(avfs_page *const *)b)->pgno;
  return (x > y) - (x < y);
}

static int hand_over(images *im, int (*take)(void *arg, uint32_t pgno, const unsigned char *page), void *arg) {
  avfs_page **sorted = avfs_alloc((im->pages.count + (size_t)1) * sizeof *sorted), *p;
  uint32_t n = 0, i;
  int rc = SQLITE_OK;
  if (sorted == NULL) return SQLITE_NOMEM;
  for (p = im->pages.first; p != NULL; p = p->next) {
    if (note_of(im, p)->is_later) sorted[n++] = p;
  }
  qsort(sorted, n, sizeof *sorted, by_number);
  for (i = 0; rc == SQLITE_OK && i < n; i++) rc = take(arg, sorted[i]->pgno, sorted[i]->data);
  avfs_free(sorted);
  return rc;
}

/* The ring goes on behind the last record. What batch was in flight is over, one way or the other:
 * the disk is base alone now, until the next freeze. The boot is this one, since the records have been
 * found fit for it. */
static void serve(avfs_redo *r, const avfs_redo_slot *slot, const disk_state *disk, const summary *s,
                  uint64_t seq, uint64_t salt) {
  r->slot = *slot;
  if (disk->seq != slot->base) r->slot.base_header = slot->batch_header;
  r->slot.base = r->slot.batch = disk->seq;
  r->slot.batch_header = r->slot.base_header;
  r->slot.head = disk->at;
  r->slot.chain = disk->chain;
  r->slot.boot = r->io->boot();
  r->shift = s->last - seq;
  r->next = s->last + 1;
  r->awaits = 0;
  r->tail = r->batch_tail = s->tail;
  r->chain = r->batch_chain = s->chain;
  r->nonce = salt;
  r->counter = s->counter;
  r->serves = 1;
  avfs_redo_put_slot(r);
}

int avfs_redo_replay(avfs_redo *r, const avfs_redo_database *db, uint64_t seq, uint64_t salt,
                     int (*take)(void *arg, uint32_t pgno, const unsigned char *page), void *arg,
                     avfs_redo_report *out) {
  avfs_redo_slot slot;
  disk_state disk;
  images im;
  summary s = look(r, db, &slot, out);
  int rc;
  if (out->verdict != AVFS_REDO_PENDING) return SQLITE_OK;
  rc = images_init(&im, db, out->page_bytes);
  if (rc == SQLITE_OK) rc = make_images(r, &slot, &im, &disk, out);
  if (rc == SQLITE_OK && out->verdict == AVFS_REDO_PENDING) rc = hand_over(&im, take, arg);
  if (rc == SQLITE_OK && out->verdict == AVFS_REDO_PENDING) {
    out->replayed = s.last - disk.seq;
    serve(r, &slot, &disk, &s, seq, salt);
  }
  images_free(&im);
  return rc;
}
