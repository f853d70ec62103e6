/* view.c: memory-mapped reads, for PRAGMA mmap_size (SQLite's xFetch and xUnfetch).
 *
 *   xFetch: page in txn, committed or draining? ---> NULL: SQLite reads it (content.c)
 *             | no: the disk has it
 *             v
 *           a pointer into a view of the file, which the store has, for all connections
 *
 * A page that is handed out does not change: the disk's content of a page that no table has
 * changes by a commit of that page alone (content.c), and that needs EXCLUSIVE, while the reader
 * holds SHARED. What a batch writes meanwhile are pages that were in draining.
 *
 * A view uses a part of the file as it was when it was made. When the file has grown by much
 * there is a newer, larger one; the older goes when no connection uses it. A connection uses one
 * from its first xFetch to its unlock. A view outlives locks, as win32's does: making one, and
 * touching its pages for the first time, costs more than a short transaction.
 *
 * Windows does not cut a file below a view of it (avfs_io.resize). So before a batch does, the
 * views go, and none is made meanwhile (avfs_store_shorten); if one is in use the file stays longer
 * than the database, which is legal, and disk_bytes says so: its tail reads as zeros when the
 * database grows again (write_gap). The next batch cuts it, or who gives EXCLUSIVE up.
 *
 * Locks:  the list of views, their users and view_busy: store->lock. A connection's own fields,
 *         its thread: so most pages cost no lock at all.
 * Memory: a view belongs to the list. It is unmapped by who took it off, without the lock.
 */
#include <assert.h>

#include "store/store.h"
#include "seam/heap.h"

enum {
  BEHIND_BYTES = 256,   /* SQLite may read so far behind a page of a corrupt database (os_win.c,
                           winFetch: nEofBuffer) */
  GROWN_PART = 8        /* a new view when the file has grown by an eighth of the old one */
};

struct avfs_view {
  avfs_view *older;
  void *data;
  uint64_t bytes;
  uint32_t users;   /* connections */
};

/* Takes those off the list that nobody uses; unmap() is to be called with them. */
static avfs_view *take_unused(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  avfs_view **at = &s->views, *taken = NULL;
  while (*at != NULL) {
    avfs_view *v = *at;
    if (v->users > 0) {
      at = &v->older;
      continue;
    }
    *at = v->older;
    v->older = taken;
    taken = v;
  }
  return taken;
}

static void unmap(const avfs_store *s, avfs_view *v) {
  while (v != NULL) {
    avfs_view *next = v->older;
    s->io->unmap(v->data);
    avfs_free(v);
    v = next;
  }
}

void avfs_store_leave_view(avfs_conn *c) {
  if (c->view == NULL || c->fetched > 0) return;
  c->view->users--;
  c->view = NULL;
  c->fetch_end = 0;
}

void avfs_store_unmap(avfs_store *s) {
  avfs_view *taken;
  avfs_store_enter(s);
  taken = s->view_busy ? NULL : take_unused(s);
  avfs_store_leave(s);
  unmap(s, taken);
}

/* Maps as much of the file as there is, up to `most` bytes; without the lock meanwhile. */
static void make_view(avfs_store *s, uint64_t most) AVFS_REQUIRES(avfs_store_role) {
  avfs_view *v, *unused;
  int rc = SQLITE_NOMEM;
  s->view_busy = 1;
  avfs_store_leave(s);
  v = avfs_alloc_zero(sizeof *v);
  if (v != NULL) rc = s->io->map(s->db, most, &v->data, &v->bytes);
  avfs_store_enter(s);
  unused = take_unused(s);
  if (rc == SQLITE_OK) {
    v->older = s->views;
    s->views = v;
    v = NULL;
  } else {
    s->unmappable_bytes = s->disk_bytes;   /* not at each page again */
  }
  s->view_busy = 0;
  avfs_store_wake(s);
  avfs_store_leave(s);
  avfs_free(v);
  unmap(s, unused);
  avfs_store_enter(s);
}

/* The connection uses a view that reaches to `end`, if there can be one. The lock is left while
 * one is made: what the caller saw in the tables stays so, by its SHARED. */
static void join_view(avfs_store *s, avfs_conn *c, uint64_t end) AVFS_REQUIRES(avfs_store_role) {
  uint64_t have = s->views == NULL ? 0 : s->views->bytes;
  uint64_t most = s->disk_bytes < c->mmap_limit ? s->disk_bytes : c->mmap_limit;
  if (c->fetched > 0 || s->view_busy) return;
  avfs_store_leave_view(c);
  if (have < end && most >= end && most - have >= have / GROWN_PART &&
      (s->unmappable_bytes == 0 || s->disk_bytes < s->unmappable_bytes)) {
    make_view(s, most);
    if (s->view_busy) return;
  }
  if (s->views == NULL || s->views->bytes < end) return;
  c->view = s->views;
  c->view->users++;
}

/* 1 when a table that the connection reads before the disk has a page in [offset, offset+n). */
static int is_in_tables(avfs_conn *c, uint64_t offset, uint32_t n) AVFS_REQUIRES_SHARED(avfs_store_role) {
  avfs_store *s = c->store;
  uint64_t pgno = offset / s->page_bytes + 1, last = (offset + n - 1) / s->page_bytes + 1;
  for (; pgno <= last; pgno++) {
    if (c->locker.level >= AVFS_LOCK_RESERVED && avfs_page_table_find(&s->txn, (uint32_t)pgno) != NULL) return 1;
    if (avfs_page_table_find(&s->committed, (uint32_t)pgno) != NULL) return 1;
    if (avfs_page_table_find(&s->draining, (uint32_t)pgno) != NULL) return 1;
  }
  return 0;
}

/* Up to where the connection may take pages without a look at the tables: they are empty, and
 * stay so as long as it only reads. */
static uint64_t free_end(const avfs_store *s, const avfs_conn *c) AVFS_REQUIRES_SHARED(avfs_store_role) {
  uint64_t end = c->view->bytes < c->mmap_limit ? c->view->bytes : c->mmap_limit;
  if (c->locker.level != AVFS_LOCK_SHARED || s->committed.count > 0 || s->draining.count > 0) return 0;
  end = end < BEHIND_BYTES ? 0 : end - BEHIND_BYTES;
  return end < s->committed.size ? end : s->committed.size;
}

#ifdef AVFS_CHECK
/* What is handed out, and what is in it: it must not change. */
static struct {
  avfs_lock lock;
  struct {
    const avfs_conn *conn;
    const unsigned char *page;
    uint32_t bytes;
    uint64_t hash;
  } pages[512];
} handed_out;

static uint64_t hash_page(const unsigned char *p, uint32_t n) {
  uint64_t h = 1469598103934665603u;
  while (n-- > 0) h = (h ^ *p++) * 1099511628211u;
  return h;
}

static void check_fetched(const avfs_conn *c, const unsigned char *p, uint32_t n) {
  int i = 0;
  avfs_lock_enter(&handed_out.lock);
  while (i < 512 && handed_out.pages[i].page != NULL) i++;
  if (i < 512) {
    handed_out.pages[i].conn = c;
    handed_out.pages[i].page = p;
    handed_out.pages[i].bytes = n;
    handed_out.pages[i].hash = hash_page(p, n);
  }
  avfs_lock_leave(&handed_out.lock);
}

static void check_unfetched(const avfs_conn *c, const unsigned char *p) {
  int i = 0;
  avfs_lock_enter(&handed_out.lock);
  while (i < 512 && (handed_out.pages[i].page != p || handed_out.pages[i].conn != c)) i++;
  if (i < 512) {
    assert(handed_out.pages[i].hash == hash_page(p, handed_out.pages[i].bytes));
    handed_out.pages[i].page = NULL;
  }
  avfs_lock_leave(&handed_out.lock);
}
#else
# define check_fetched(c, p, n) ((void)0)
# define check_unfetched(c, p) ((void)0)
#endif

/* With a look at the tables. */
static int look_up(avfs_conn *c, uint64_t offset, uint32_t n) {
  avfs_store *s = c->store;
  uint64_t end = offset + n + BEHIND_BYTES;
  int usable, covered;
  if (end > c->mmap_limit || c->locker.level < AVFS_LOCK_SHARED) return 0;
  avfs_store_enter_shared(s);
  usable = offset + n <= (c->locker.level >= AVFS_LOCK_RESERVED ? s->txn.size : s->committed.size) &&
           !is_in_tables(c, offset, n);
  covered = c->view != NULL && c->view->bytes >= end;
  if (usable && covered) c->fetch_end = free_end(s, c);
  avfs_store_leave_shared(s);
  if (!usable || covered) return usable;
  avfs_store_enter(s);
  join_view(s, c, end);
  covered = c->view != NULL && c->view->bytes >= end;
  if (covered) c->fetch_end = free_end(s, c);
  avfs_store_leave(s);
  return covered;
}

void *avfs_store_fetch(avfs_conn *c, uint64_t offset, uint32_t n) {
  unsigned char *p;
  if (offset + n > c->fetch_end && !look_up(c, offset, n)) return NULL;
  p = (unsigned char *)c->view->data + offset;
  c->fetched++;
  check_fetched(c, p, n);
  return p;
}

int avfs_store_unfetch(avfs_conn *c, const void *page) {
  const unsigned char *p = page, *data = c->view == NULL ? NULL : c->view->data;
  if (data == NULL || p < data || p >= data + c->view->bytes) return 0;
  assert(c->fetched > 0);
  c->fetched--;
  check_unfetched(c, p);
  return 1;
}

int avfs_store_shorten(avfs_store *s, uint64_t bytes) {
  avfs_view *taken, *v;
  int rc = SQLITE_OK, in_the_way = 0;
  avfs_store_enter(s);
  while (s->view_busy) avfs_store_wait(s, AVFS_FOREVER);   /* one is being made */
  taken = take_unused(s);
  for (v = s->views; v != NULL; v = v->older) in_the_way |= v->bytes > bytes;
  s->view_busy = 1;
  avfs_store_leave(s);
  unmap(s, taken);
  if (!in_the_way) rc = s->io->resize(s->db, bytes);
  avfs_store_enter(s);
  s->view_busy = 0;
  s->unmappable_bytes = 0;
  avfs_store_wake(s);
  avfs_store_leave(s);
  return rc;
}
