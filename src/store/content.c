/* content.c: see content.h. */
#include "store/content.h"

#include <string.h>

#include "seam/heap.h"

/* ---- reading ------------------------------------------------------------- */

/* Copies n bytes at `at` in page pgno from committed or draining. Returns 0 when
 * the disk has them. */
static int copy_queued(avfs_store *s, uint32_t pgno, uint32_t at, uint32_t n, void *to) {
  const avfs_page *p;
  avfs_store_enter_shared(s);
  p = avfs_page_table_find(&s->content.committed, pgno);
  if (p == NULL && s->content.draining.count > 0) p = avfs_page_table_find(&s->content.draining, pgno);
  if (p != NULL) memcpy(to, p->data + at, n);
  avfs_store_leave_shared(s);
  return p != NULL;
}

/* What is within the file's length but not on the disk yet reads as zeros. The lock bytes too: SQLite
 * asks for them when its VACUUM makes pages smaller, as a part of the old unit. */
static int read_disk(avfs_conn *c, void *to, uint32_t n, uint64_t offset) {
  c->disk_reads++;
  return avfs_parent_file_read(c->parent, to, n, offset);
}

/* Reads [offset, offset+n), all of it before the file's end. */
static int read_inside(avfs_conn *c, unsigned char *to, uint32_t n, uint64_t offset,
                       uint32_t unit) {
  avfs_store *s = c->store;
  while (n > 0) {
    uint32_t pgno = (uint32_t)(offset / unit) + 1, at = (uint32_t)(offset % unit);
    uint32_t k = unit - at < n ? unit - at : n;
    const avfs_page *own = avfs_conn_is_writer(c) ? avfs_page_table_find(&s->writer.txn, pgno) : NULL;
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

int avfs_content_read(avfs_conn *c, void *p, uint32_t n, uint64_t offset) {
  avfs_store *s = c->store;
  uint32_t unit, have = n;
  uint64_t size;
  int known, rc;
  avfs_store_enter_shared(s);
  known = avfs_store_has_os_lock(s, AVFS_LOCK_SHARED);
  size = avfs_conn_is_writer(c) ? s->writer.txn.size : s->content.committed.size;
  unit = s->content.page_bytes;
  /* The change counter, at each start of a transaction: from memory. */
  if (known && offset + n <= sizeof s->content.header && s->content.committed.size >= sizeof s->content.header &&
      !avfs_conn_is_writer(c)) {
    memcpy(p, s->content.header + offset, n);
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

int avfs_content_size(avfs_conn *c, uint64_t *size_out) {
  avfs_store *s = c->store;
  int known;
  avfs_store_enter_shared(s);
  known = c->locker.level >= AVFS_LOCK_SHARED || avfs_store_has_os_lock(s, AVFS_LOCK_SHARED);
  *size_out = avfs_conn_is_writer(c) ? s->writer.txn.size : s->content.committed.size;
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

int avfs_content_writes_nothing_new(avfs_conn *c) {
  avfs_store *s = c->store;
  uint32_t unit = s->writer.pool.page_bytes;
  unsigned char *below = avfs_alloc(unit);
  const avfs_page *p = s->writer.txn.first;
  uint64_t size;
  int same;
  avfs_store_enter_shared(s);
  size = s->content.committed.size;
  avfs_store_leave_shared(s);
  same = below != NULL && s->writer.txn.size == size;
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
  if (s->writer.pool.count == 0) {
    avfs_store_enter(s);
    avfs_page_pool_move(&s->writer.pool, &s->content.pool);
    avfs_store_leave(s);
  }
  return avfs_page_pool_get(&s->writer.pool);
}

/* The txn page pgno, made from what is below it if txn has it not yet; with
 * `fill` 0 a new one's content is left undefined. Bytes behind the end are zeros. */
static int writable_page(avfs_conn *c, uint32_t pgno, int fill, avfs_page **page_out) {
  avfs_store *s = c->store;
  uint32_t unit = s->writer.pool.page_bytes;
  uint64_t begin = (uint64_t)(pgno - 1) * unit;
  avfs_page *p = avfs_page_table_find(&s->writer.txn, pgno);
  if (p == NULL) {
    p = new_page(s);
    if (p == NULL) return SQLITE_IOERR_NOMEM;
    p->pgno = pgno;
    if (fill) {
      uint64_t left = begin < s->writer.txn.size ? s->writer.txn.size - begin : 0;
      uint32_t have = left < unit ? (uint32_t)left : unit;
      int rc = have > 0 ? read_inside(c, p->data, have, begin, unit) : SQLITE_OK;
      if (rc != SQLITE_OK) {
        avfs_page_pool_put(&s->writer.pool, p);
        return rc;
      }
      memset(p->data + have, 0, unit - have);
    }
    avfs_page_table_add(&s->writer.txn, p);
  }
  *page_out = p;
  return SQLITE_OK;
}

/* The file grows from its present end to `upto` without being written: where an
 * older table or the disk has content there, zeros are put in its way. */
static int write_gap(avfs_conn *c, uint64_t upto) {
  avfs_store *s = c->store;
  uint32_t unit = s->writer.pool.page_bytes;
  uint64_t stale, pgno = (s->writer.txn.size + unit - 1) / unit + 1;
  avfs_store_enter_shared(s);
  stale = s->content.disk_bytes;
  if (s->content.committed.size > stale) stale = s->content.committed.size;
  if (s->content.draining.size > stale) stale = s->content.draining.size;
  avfs_store_leave_shared(s);
  if (stale > upto) stale = upto;
  for (; (pgno - 1) * unit < stale; pgno++) {
    avfs_page *p;
    int rc = writable_page(c, (uint32_t)pgno, 0, &p);
    if (rc != SQLITE_OK) return rc;
    memset(p->data, 0, unit);
    s->writer.txn.size = pgno * unit < upto ? pgno * unit : upto;
  }
  s->writer.txn.size = upto;
  return SQLITE_OK;
}

void avfs_content_set_unit(avfs_store *s, uint32_t page_bytes) {
  avfs_page_pool_trim(&s->content.pool, 0);
  avfs_page_pool_trim(&s->writer.pool, 0);
  s->content.page_bytes = s->content.pool.page_bytes = s->writer.pool.page_bytes = page_bytes;
}

int avfs_content_write(avfs_conn *c, const void *p, uint32_t n, uint64_t offset) {
  avfs_store *s = c->store;
  const unsigned char *from = p;
  uint32_t unit = s->writer.pool.page_bytes;
  int rc = offset > s->writer.txn.size ? write_gap(c, offset) : SQLITE_OK;
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
    if (offset > s->writer.txn.size) s->writer.txn.size = offset;
  }
  return rc;
}

int avfs_content_truncate(avfs_conn *c, uint64_t size) {
  avfs_store *s = c->store;
  uint32_t unit = s->writer.pool.page_bytes;
  int rc = SQLITE_OK;
  if (size > s->writer.txn.size) return write_gap(c, size);
  avfs_page_table_set_size(&s->writer.txn, size, &s->writer.pool);
  if (size % unit != 0) {   /* what stood behind the end must read as zeros later */
    avfs_page *p;
    rc = writable_page(c, (uint32_t)(size / unit) + 1, 1, &p);
    if (rc == SQLITE_OK) memset(p->data + size % unit, 0, (size_t)(unit - size % unit));
  }
  return rc;
}
