/* record.c: see record.h. */
#include "redo/record.h"

#include <string.h>

#include "pages/db_header.h"
#include "pages/journal_format.h"

enum { MOST_WORDS = 65536 / AVFS_REDO_BLOCK / 64, PAGE_HEAD = 16, PAGE_WHOLE = 1, COUNTER_AT = 24 };

/* ---- hashes ---------------------------------------------------------------- */

static uint64_t get8(const unsigned char *at) {
  uint64_t v;
  memcpy(&v, at, 8);
  return v;
}

/* Without the rotation a change of the highest bit would stay one of the highest bit. */
static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9fb21c651e98df25u;
  return h << 29 | h >> 35;
}

/* Four lanes, which the processor works on at a time. */
uint64_t avfs_redo_hash(uint64_t seed, const void *p, size_t n) {
  const unsigned char *at = p;
  uint64_t v = 0, h = mix(seed, n), a = h + 1, b = h + 2, c = h + 3, d = h + 4;
  size_t left = n;
  for (; left >= 32; left -= 32, at += 32) {
    a = mix(a, get8(at));
    b = mix(b, get8(at + 8));
    c = mix(c, get8(at + 16));
    d = mix(d, get8(at + 24));
  }
  h = mix(mix(mix(mix(h, a), b), c), d);
  for (; left >= 8; left -= 8, at += 8) h = mix(h, get8(at));
  if (left > 0) memcpy(&v, at, left);
  h = mix(mix(h, v), n);
  return h ^ h >> 32;
}

uint64_t avfs_redo_header_hash(const unsigned char *header) {
  return avfs_redo_hash(AVFS_DB_HEADER_BYTES, header, AVFS_DB_HEADER_BYTES);
}

uint32_t avfs_redo_counter(const unsigned char *header) { return avfs_get4(header + COUNTER_AT); }

/* ---- numbers ----------------------------------------------------------------- */

static void put4(unsigned char *to, uint32_t v) { memcpy(to, &v, 4); }
static void put8(unsigned char *to, uint64_t v) { memcpy(to, &v, 8); }

static uint32_t get4(const unsigned char *at) {
  uint32_t v;
  memcpy(&v, at, 4);
  return v;
}

static uint64_t checksum(const unsigned char *record, uint32_t bytes, uint64_t chain) {
  return avfs_redo_hash(chain, record + 8, bytes - 8);
}

static uint32_t words_of(uint32_t page_bytes) { return (page_bytes / AVFS_REDO_BLOCK + 63) / 64; }

/* ---- writing --------------------------------------------------------------------- */

static uint64_t differs(const unsigned char *a, const unsigned char *b) {
  return (get8(a) ^ get8(b)) | (get8(a + 8) ^ get8(b + 8)) | (get8(a + 16) ^ get8(b + 16)) |
         (get8(a + 24) ^ get8(b + 24));
}

static int is_same(const unsigned char *a, const unsigned char *b) {
  return (differs(a, b) | differs(a + 32, b + 32)) == 0;
}

/* Answers where the page's entry ends; NULL: there is no room. */
static unsigned char *put_page(unsigned char *to, const unsigned char *end, const avfs_page *p,
                               const unsigned char *before, uint32_t page_bytes) {
  static const unsigned char zeros[AVFS_REDO_BLOCK];
  uint32_t words = words_of(page_bytes), i;
  uint64_t bits[MOST_WORDS] = {0};
  unsigned char *at = to + PAGE_HEAD + 8 * (size_t)words;
  if ((size_t)(end - to) < PAGE_HEAD + 8 * (size_t)words) return NULL;
  for (i = 0; i < page_bytes / AVFS_REDO_BLOCK; i++) {
    const unsigned char *block = p->data + (size_t)i * AVFS_REDO_BLOCK;
    const unsigned char *old = before == NULL ? zeros : before + (size_t)i * AVFS_REDO_BLOCK;
    if (is_same(block, old)) continue;
    if (end - at < AVFS_REDO_BLOCK) return NULL;
    memcpy(at, block, AVFS_REDO_BLOCK);
    at += AVFS_REDO_BLOCK;
    bits[i / 64] |= (uint64_t)1 << (i % 64);
  }
  put4(to, p->pgno);
  put4(to + 4, before == NULL ? PAGE_WHOLE : 0);
  put8(to + 8, avfs_redo_page_hash(p->data, page_bytes));
  memcpy(to + PAGE_HEAD, bits, 8 * (size_t)words);
  return at;
}

uint64_t avfs_redo_record_most(uint32_t pages, uint32_t page_bytes) {
  return AVFS_REDO_HEAD + (uint64_t)pages * (PAGE_HEAD + 8 * words_of(page_bytes) + page_bytes);
}

/* What a page held beyond the end of the file is not what it has when the file grows again: zeros,
 * though an older table may have it still. */
static const unsigned char *page_before(const avfs_redo_commit *c, uint32_t pgno) {
  return (uint64_t)(pgno - 1) * c->page_bytes < c->bytes_before ? c->before(c->arg, pgno) : NULL;
}

uint64_t avfs_redo_record_write(unsigned char *to, uint64_t room, const avfs_redo_place *place,
                                const avfs_redo_commit *c) {
  unsigned char *at = to + AVFS_REDO_HEAD;
  const avfs_page *p;
  uint32_t bytes;
  if (room < AVFS_REDO_HEAD) return 0;
  if (room > UINT32_MAX) room = UINT32_MAX;
  for (p = c->pages->first; p != NULL; p = p->next) {
    at = put_page(at, to + room, p, page_before(c, p->pgno), c->page_bytes);
    if (at == NULL) return 0;
  }
  bytes = (uint32_t)(at - to);
  put8(to + 8, place->seq);
  put4(to + 16, bytes);
  put4(to + 20, c->pages->count);
  put8(to + 24, c->pages->size);
  put4(to + 32, c->page_bytes);
  put4(to + 36, place->flags);
  put8(to + 40, avfs_redo_header_hash(c->header));
  put4(to + 48, avfs_redo_counter(c->header));
  put4(to + 52, 0);
  put8(to + 56, place->nonce);
  put8(to, checksum(to, bytes, place->chain));
  return bytes;
}

uint64_t avfs_redo_record_check(const unsigned char *record) { return get8(record); }

void avfs_redo_record_wrap(unsigned char *to, const avfs_redo_place *place) {
  memset(to, 0, AVFS_REDO_HEAD);
  put8(to + 8, place->seq);
  put4(to + 16, AVFS_REDO_HEAD);
  put4(to + 36, AVFS_REDO_WRAP);
  put8(to + 56, place->nonce);
  put8(to, checksum(to, AVFS_REDO_HEAD, place->chain));
}

/* ---- reading ------------------------------------------------------------------------- */

static uint32_t count_bits(const unsigned char *bits, uint32_t words) {
  uint32_t n = 0, i;
  for (i = 0; i < words; i++) {
    uint64_t v = get8(bits + 8 * (size_t)i);
    for (; v != 0; v &= v - 1) n++;
  }
  return n;
}

/* The entry at `at`; NULL: it is none that ends before `end`. */
static const unsigned char *get_page(const avfs_redo_record *r, const unsigned char *at, const unsigned char *end,
                                     avfs_redo_page *out) {
  uint32_t words = words_of(r->page_bytes), blocks = r->page_bytes / AVFS_REDO_BLOCK, present;
  size_t head = PAGE_HEAD + 8 * (size_t)words;
  if ((size_t)(end - at) < head) return NULL;
  out->pgno = get4(at);
  out->whole = get4(at + 4) == PAGE_WHOLE;
  out->hash = get8(at + 8);
  out->bits = at + PAGE_HEAD;
  out->blocks = at + head;
  if (out->pgno == 0 || (uint64_t)(out->pgno - 1) * r->page_bytes >= r->file_bytes) return NULL;
  if (blocks < 64 && get8(out->bits) >> blocks != 0) return NULL;
  present = count_bits(out->bits, words);
  if ((size_t)(end - out->blocks) < (size_t)present * AVFS_REDO_BLOCK) return NULL;
  return out->blocks + (size_t)present * AVFS_REDO_BLOCK;
}

const unsigned char *avfs_redo_record_page(const avfs_redo_record *r, const unsigned char *at,
                                           avfs_redo_page *out) {
  return get_page(r, at == NULL ? r->at + AVFS_REDO_HEAD : at, r->at + r->bytes, out);
}

/* What its checksum says is whole may have been made by nobody of ours: so all of it is looked
 * at before any of it is used. */
static int has_form(const avfs_redo_record *r) {
  const unsigned char *at = r->at + AVFS_REDO_HEAD;
  avfs_redo_page page;
  uint32_t i;
  if (r->flags & AVFS_REDO_WRAP) return r->pages == 0;
  if (!avfs_is_page_size(r->page_bytes)) return 0;
  for (i = 0; at != NULL && i < r->pages; i++) at = get_page(r, at, r->at + r->bytes, &page);
  return at == r->at + r->bytes;
}

int avfs_redo_record_read(const unsigned char *at, uint64_t room, uint64_t chain, avfs_redo_record *out) {
  if (room < AVFS_REDO_HEAD) return 0;
  out->at = at;
  out->check = get8(at);
  out->seq = get8(at + 8);
  out->bytes = get4(at + 16);
  out->pages = get4(at + 20);
  out->file_bytes = get8(at + 24);
  out->page_bytes = get4(at + 32);
  out->flags = get4(at + 36);
  out->header_hash = get8(at + 40);
  out->counter = get4(at + 48);
  if (out->bytes < AVFS_REDO_HEAD || out->bytes % 8 != 0 || out->bytes > room) return 0;
  return out->check == checksum(at, out->bytes, chain) && has_form(out);
}

void avfs_redo_page_apply(const avfs_redo_page *p, unsigned char *page, uint32_t page_bytes) {
  const unsigned char *from = p->blocks;
  uint32_t i;
  if (p->whole) memset(page, 0, page_bytes);
  for (i = 0; i < page_bytes / AVFS_REDO_BLOCK; i++) {
    if (!(get8(p->bits + 8 * (size_t)(i / 64)) >> (i % 64) & 1)) continue;
    memcpy(page + (size_t)i * AVFS_REDO_BLOCK, from, AVFS_REDO_BLOCK);
    from += AVFS_REDO_BLOCK;
  }
}
