/* content.c: what a connection reads, and what the writer writes.
 *
 * Reading goes from the newest to the oldest: txn (the writer only), committed,
 * draining, the disk. Each is O(1), however much is queued. A page that is in
 * none of the tables is on the disk and stays as it is there while it is read:
 * it would change only by a commit of its page, which needs EXCLUSIVE, while the
 * reader holds SHARED.
 *
 * Writing puts whole pages into txn; a part of a page takes the rest from what is
 * below. Units are store->page_bytes, the page size of the database on the disk:
 * it is the unit of the batch's journal too, so that the lock-byte page is left
 * out of the journal exactly as the database itself leaves it out. When the
 * page size changes (VACUUM), the unit follows with the next transaction.
 *
 * Invariant: between the end of a file that shrank and its present end there is
 * no page that only an older table or the disk has (write_gap).
 */
#include <assert.h>
#include <string.h>

#include "pages/lock_bytes.h"
#include "store/store.h"
#include "seam/heap.h"

static int is_writer(const avfs_conn *c) { return c->locker.level >= AVFS_LOCK_RESERVED; }

/* ---- reading ------------------------------------------------------------- */

/* Copies n bytes at `at` in page pgno from committed or draining. Returns 0 when
 * the disk has them. */
static int copy_queued(avfs_store *s, uint32_t pgno, uint32_t at, uint32_t n, void *to) {
  const avfs_page *p;
  avfs_store_enter_shared(s);
  p = avfs_page_table_find(&s->committed, pgno);
  if (p == NULL && s->draining.count > 0) p = avfs_page_table_find(&s->draining, pgno);
  if (p != NULL) memcpy(to, p->data + at, n);
  avfs_store_leave_shared(s);
  return p != NULL;
}

/* The lock bytes read as zeros: they are locked for the handle of this connection too, and
 * SQLite asks for them when its VACUUM makes pages smaller, as a part of the old unit. */
static int read_disk(avfs_conn *c, void *to, uint32_t n, uint64_t offset) {
  sqlite3_file *f = c->parent->file;
  unsigned char *at = to;
  int rc = SQLITE_OK;
  c->disk_reads++;
  while (rc == SQLITE_OK && n > 0) {
    int locked;
    uint32_t part = avfs_lock_bytes_part(offset, n, &locked);
    if (locked) memset(at, 0, part);
    else rc = f->pMethods->xRead(f, at, (int)part, (sqlite3_int64)offset);
    /* Within the file's length but not on the disk yet: zeros, which xRead left. */
    if (rc == SQLITE_IOERR_SHORT_READ) rc = SQLITE_OK;
    at += part;
    offset += part;
    n -= part;
  }
  return rc;
}

/* Reads [offset, offset+n), all of it before the file's end. */
static int read_inside(avfs_conn *c, unsigned char *to, uint32_t n, uint64_t offset,
                       uint32_t unit) {
  avfs_store *s = c->store;
  while (n > 0) {
    uint32_t pgno = (uint32_t)(offset / unit) + 1, at = (uint32_t)(offset % unit);
    uint32_t k = unit - at < n ? unit - at : n;
    const avfs_page *own = is_writer(c) ? avfs_page_table_find(&s->txn, pgno) : NULL;
    if (own != NULL) {
      memcpy(to, own->data + at, k);
    } else if (!copy_queued(s, pgno, at, k, to)) {
      int rc = read_disk(c, to, k, offset);
      if (rc != SQLITE_OK) return rc;
    }
    to += k;
    offset += k;
    n -= k;
  }
  return SQLITE_OK;
}

int avfs_store_read(avfs_conn *c, void *p, uint32_t n, uint64_t offset) {
  avfs_store *s = c->store;
  uint32_t unit, have = n;
  uint64_t size;
  int known, rc;
  if (c->parked) return SQLITE_BUSY;
  avfs_store_enter_shared(s);
  known = s->os_level >= AVFS_LOCK_SHARED && !s->os_busy;
  size = is_writer(c) ? s->txn.size : s->committed.size;
  unit = s->page_bytes;
  /* The change counter, at each start of a transaction: from memory. */
  if (known && offset + n <= sizeof s->header && s->committed.size >= sizeof s->header &&
      !is_writer(c)) {
    memcpy(p, s->header + offset, n);
    avfs_store_leave_shared(s);
    return SQLITE_OK;
  }
  avfs_store_leave_shared(s);
  /* At open SQLite reads the header without any lock. Nothing is queued then, or
   * the OS lock would be held: the disk says it. */
  if (!known && c->locker.level == AVFS_LOCK_NONE) {
    sqlite3_file *f = c->parent->file;
    return f->pMethods->xRead(f, p, (int)n, (sqlite3_int64)offset);
  }
  if (offset >= size) have = 0;
  else if (size - offset < have) have = (uint32_t)(size - offset);
  rc = have > 0 ? read_inside(c, p, have, offset, unit) : SQLITE_OK;
  if (rc != SQLITE_OK || have == n) return rc;
  memset((unsigned char *)p + have, 0, n - have);
  return SQLITE_IOERR_SHORT_READ;
}

int avfs_store_size(avfs_conn *c, uint64_t *size_out) {
  avfs_store *s = c->store;
  int known;
  avfs_store_enter_shared(s);
  known = c->locker.level >= AVFS_LOCK_SHARED || (s->os_level >= AVFS_LOCK_SHARED && !s->os_busy);
  *size_out = is_writer(c) ? s->txn.size : s->committed.size;
  avfs_store_leave_shared(s);
  if (!known) {
    sqlite3_file *f = c->parent->file;
    sqlite3_int64 size = 0;
    int rc = f->pMethods->xFileSize(f, &size);
    *size_out = (uint64_t)size;
    return rc;
  }
  return SQLITE_OK;
}

void avfs_store_set_chunk(avfs_store *s, int bytes) {
  avfs_store_enter(s);
  s->chunk_bytes = bytes > 0 ? (uint32_t)bytes : 0;
  avfs_store_leave(s);
}

int avfs_store_writes_nothing_new(avfs_conn *c) {
  avfs_store *s = c->store;
  uint32_t unit = s->txn_pool.page_bytes;
  unsigned char *below = avfs_alloc(unit);
  const avfs_page *p = s->txn.first;
  uint64_t size;
  int same;
  avfs_store_enter_shared(s);
  size = s->committed.size;
  avfs_store_leave_shared(s);
  same = below != NULL && s->txn.size == size;
  for (; same && p != NULL; p = p->next) {
    uint64_t offset = (uint64_t)(p->pgno - 1) * unit;
    uint32_t n = size - offset < unit ? (uint32_t)(size - offset) : unit;
    same = copy_queued(s, p->pgno, 0, n, below) || read_disk(c, below, n, offset) == SQLITE_OK;
    same = same && memcmp(below, p->data, n) == 0;
  }
  avfs_free(below);
  return same;
}

/* ---- writing ------------------------------------------------------------- */

/* A page for txn with undefined content: from the writer's own pool, else from
 * the store's, else from the heap. */
static avfs_page *new_page(avfs_store *s) {
  if (s->txn_pool.count == 0) {
    avfs_store_enter(s);
    avfs_page_pool_move(&s->txn_pool, &s->pool);
    avfs_store_leave(s);
  }
  return avfs_page_pool_get(&s->txn_pool);
}

/* The txn page pgno, made from what is below it if txn has it not yet; with
 * `fill` 0 a new one's content is left undefined. Bytes behind the end are zeros. */
static int writable_page(avfs_conn *c, uint32_t pgno, int fill, avfs_page **page_out) {
  avfs_store *s = c->store;
  uint32_t unit = s->txn_pool.page_bytes;
  uint64_t begin = (uint64_t)(pgno - 1) * unit;
  avfs_page *p = avfs_page_table_find(&s->txn, pgno);
  if (p == NULL) {
    p = new_page(s);
    if (p == NULL) return SQLITE_IOERR_NOMEM;
    p->pgno = pgno;
    if (fill) {
      uint64_t left = begin < s->txn.size ? s->txn.size - begin : 0;
      uint32_t have = left < unit ? (uint32_t)left : unit;
      int rc = have > 0 ? read_inside(c, p->data, have, begin, unit) : SQLITE_OK;
      if (rc != SQLITE_OK) {
        avfs_page_pool_put(&s->txn_pool, p);
        return rc;
      }
      memset(p->data + have, 0, unit - have);
    }
    avfs_page_table_add(&s->txn, p);
  }
  *page_out = p;
  return SQLITE_OK;
}

/* The file grows from its present end to `upto` without being written: where an
 * older table or the disk has content there, zeros are put in its way. */
static int write_gap(avfs_conn *c, uint64_t upto) {
  avfs_store *s = c->store;
  uint32_t unit = s->txn_pool.page_bytes;
  uint64_t stale, pgno = (s->txn.size + unit - 1) / unit + 1;
  avfs_store_enter_shared(s);
  stale = s->disk_bytes;
  if (s->committed.size > stale) stale = s->committed.size;
  if (s->draining.size > stale) stale = s->draining.size;
  avfs_store_leave_shared(s);
  if (stale > upto) stale = upto;
  for (; (pgno - 1) * unit < stale; pgno++) {
    avfs_page *p;
    int rc = writable_page(c, (uint32_t)pgno, 0, &p);
    if (rc != SQLITE_OK) return rc;
    memset(p->data, 0, unit);
    s->txn.size = pgno * unit < upto ? pgno * unit : upto;
  }
  s->txn.size = upto;
  return SQLITE_OK;
}

/* Makes n the unit, if it looks like a page size and nothing stands in the old
 * one; waits for what is queued. Otherwise the old unit goes on: a VACUUM that changes the page
 * size writes in the old one, in which the journal has all that it overwrites. */
static int follow_page_size(avfs_conn *c, uint32_t n, uint64_t offset) {
  avfs_store *s = c->store;
  int rc = SQLITE_OK;
  if (n < 512 || n > 65536 || (n & (n - 1)) != 0 || offset % n != 0) return SQLITE_OK;
  if (s->txn.count > 0 || s->through != AVFS_THROUGH_NOT) return SQLITE_OK;
  avfs_store_enter(s);
  while (rc == SQLITE_OK && !avfs_backlog_is_empty(s)) {
    rc = avfs_backlog_wait_durable(s, s->commit_seq, AVFS_FOREVER);
    /* The batch is durable a moment before it is over. */
    if (rc == SQLITE_OK && s->run != AVFS_RUN_NONE) avfs_store_wait(s, AVFS_FOREVER);
  }
  if (rc == SQLITE_OK) {
    avfs_page_pool_trim(&s->pool, 0);
    avfs_page_pool_trim(&s->txn_pool, 0);
    s->page_bytes = s->pool.page_bytes = s->txn_pool.page_bytes = n;
  }
  /* Else the batch's journal would leave out another lock-byte page than the database. */
  assert(rc != SQLITE_OK || s->page_bytes == n);
  avfs_store_leave(s);
  return rc;
}

int avfs_store_write(avfs_conn *c, const void *p, uint32_t n, uint64_t offset) {
  avfs_store *s = c->store;
  const unsigned char *from = p;
  uint32_t unit;
  int rc;
  if (!is_writer(c)) return SQLITE_IOERR_WRITE;   /* not by SQLite's rules */
  rc = avfs_transaction_before_write(c);
  if (rc == SQLITE_OK && n != s->txn_pool.page_bytes) rc = follow_page_size(c, n, offset);
  if (rc == SQLITE_OK && offset > s->txn.size) rc = write_gap(c, offset);
  unit = s->txn_pool.page_bytes;
  while (rc == SQLITE_OK && n > 0) {
    uint32_t pgno = (uint32_t)(offset / unit) + 1, at = (uint32_t)(offset % unit);
    uint32_t k = unit - at < n ? unit - at : n;
    avfs_page *page;
    rc = writable_page(c, pgno, k < unit, &page);
    if (rc != SQLITE_OK) break;
    memcpy(page->data + at, from, k);
    from += k;
    offset += k;
    n -= k;
    if (offset > s->txn.size) s->txn.size = offset;
  }
  if (rc == SQLITE_OK && (uint64_t)s->txn.count * unit > s->txn_limit) {
    rc = avfs_transaction_spill(c, 0, NULL);
  }
  return rc;
}

int avfs_store_truncate(avfs_conn *c, uint64_t size) {
  avfs_store *s = c->store;
  uint32_t unit = s->txn_pool.page_bytes;
  int rc;
  if (!is_writer(c)) return SQLITE_IOERR_TRUNCATE;
  rc = avfs_transaction_before_write(c);
  if (rc != SQLITE_OK) return rc;
  if (size > s->txn.size) return write_gap(c, size);
  avfs_page_table_set_size(&s->txn, size, &s->txn_pool);
  if (size % unit != 0) {   /* what stood behind the end must read as zeros later */
    avfs_page *p;
    rc = writable_page(c, (uint32_t)(size / unit) + 1, 1, &p);
    if (rc == SQLITE_OK) memset(p->data + size % unit, 0, (size_t)(unit - size % unit));
  }
  return rc;
}
