/* view.c: see view.h. */
#include "store/view.h"

#include <assert.h>

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
  avfs_view **at = &s->views.first, *taken = NULL;
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

void avfs_view_leave(avfs_conn *c) {
  if (c->view == NULL || c->fetched > 0) return;
  c->view->users--;
  c->view = NULL;
  c->fetch_end = 0;
}

void avfs_view_unmap(avfs_store *s) {
  avfs_view *taken;
  avfs_store_enter(s);
  taken = s->views.busy ? NULL : take_unused(s);
  avfs_store_leave(s);
  unmap(s, taken);
}

/* Maps as much of the file as there is, up to `most` bytes; without the lock meanwhile. */
static void make_view(avfs_store *s, uint64_t most) AVFS_REQUIRES(avfs_store_role) {
  avfs_view *v, *unused;
  int rc = SQLITE_NOMEM;
  s->views.busy = 1;
  avfs_store_leave(s);
  v = avfs_alloc_zero(sizeof *v);
  if (v != NULL) rc = s->io->map(s->db, most, &v->data, &v->bytes);
  avfs_store_enter(s);
  unused = take_unused(s);
  if (rc == SQLITE_OK) {
    v->older = s->views.first;
    s->views.first = v;
    v = NULL;
  } else {
    s->views.unmappable_bytes = s->content.disk_bytes;   /* not at each page again */
  }
  s->views.busy = 0;
  avfs_store_wake(s);
  avfs_store_leave(s);
  avfs_free(v);
  unmap(s, unused);
  avfs_store_enter(s);
}

/* The connection uses a view that reaches to `end`, if there can be one. The lock is left while
 * one is made: what the caller saw in the tables stays so, by its SHARED. */
static void join_view(avfs_store *s, avfs_conn *c, uint64_t end) AVFS_REQUIRES(avfs_store_role) {
  uint64_t have = s->views.first == NULL ? 0 : s->views.first->bytes;
  uint64_t most = s->content.disk_bytes < c->mmap_limit ? s->content.disk_bytes : c->mmap_limit;
  if (c->fetched > 0 || s->views.busy) return;
  avfs_view_leave(c);
  if (have < end && most >= end && most - have >= have / GROWN_PART &&
      (s->views.unmappable_bytes == 0 || s->content.disk_bytes < s->views.unmappable_bytes)) {
    make_view(s, most);
    if (s->views.busy) return;
  }
  if (s->views.first == NULL || s->views.first->bytes < end) return;
  c->view = s->views.first;
  c->view->users++;
}

/* 1 when a table that the connection reads before the disk has a page in [offset, offset+n). */
static int is_in_tables(avfs_conn *c, uint64_t offset, uint32_t n) AVFS_REQUIRES_SHARED(avfs_store_role) {
  avfs_store *s = c->store;
  uint64_t pgno = offset / s->content.page_bytes + 1, last = (offset + n - 1) / s->content.page_bytes + 1;
  for (; pgno <= last; pgno++) {
    if (avfs_conn_is_writer(c) && avfs_page_table_find(&s->writer.txn, (uint32_t)pgno) != NULL) return 1;
    if (avfs_page_table_find(&s->content.committed, (uint32_t)pgno) != NULL) return 1;
    if (avfs_page_table_find(&s->content.draining, (uint32_t)pgno) != NULL) return 1;
  }
  return 0;
}

/* Up to where the connection may take pages without a look at the tables: they are empty, and
 * stay so as long as it only reads. */
static uint64_t free_end(const avfs_store *s, const avfs_conn *c) AVFS_REQUIRES_SHARED(avfs_store_role) {
  uint64_t end = c->view->bytes < c->mmap_limit ? c->view->bytes : c->mmap_limit;
  if (c->locker.level != AVFS_LOCK_SHARED || s->content.committed.count > 0 || s->content.draining.count > 0) return 0;
  end = end < BEHIND_BYTES ? 0 : end - BEHIND_BYTES;
  return end < s->content.committed.size ? end : s->content.committed.size;
}

#ifdef AVFS_CHECK
avfs_counter avfs_view_cuts_left;

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
static void note_cut_left(void) { (void)avfs_counter_add(&avfs_view_cuts_left, 1); }
#else
# define note_cut_left() ((void)0)
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
  usable = offset + n <= (avfs_conn_is_writer(c) ? s->writer.txn.size : s->content.committed.size) &&
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

void *avfs_view_fetch(avfs_conn *c, uint64_t offset, uint32_t n) {
  unsigned char *p;
  if (offset + n > c->fetch_end && !look_up(c, offset, n)) return NULL;
  p = (unsigned char *)c->view->data + offset;
  c->fetched++;
  check_fetched(c, p, n);
  return p;
}

int avfs_view_unfetch(avfs_conn *c, const void *page) {
  const unsigned char *p = page, *data = c->view == NULL ? NULL : c->view->data;
  if (data == NULL || p < data || p >= data + c->view->bytes) return 0;
  assert(c->fetched > 0);
  c->fetched--;
  check_unfetched(c, p);
  return 1;
}

int avfs_view_shorten(avfs_store *s, uint64_t bytes) {
  avfs_view *taken, *v;
  int rc = SQLITE_OK, in_the_way = 0;
  avfs_store_enter(s);
  while (s->views.busy) avfs_store_wait(s, AVFS_FOREVER);   /* one is being made */
  taken = take_unused(s);
  for (v = s->views.first; v != NULL; v = v->older) in_the_way |= v->bytes > bytes;
  s->views.busy = 1;
  avfs_store_leave(s);
  unmap(s, taken);
  if (!in_the_way) rc = s->io->resize(s->db, bytes);
  else note_cut_left();
  avfs_store_enter(s);
  s->views.busy = 0;
  s->views.unmappable_bytes = 0;
  avfs_store_wake(s);
  avfs_store_leave(s);
  return rc;
}
