/* redo_ring.c: see redo_ring.h. */
#include "store/redo_ring.h"

#include <string.h>

#include "pages/journal_format.h"
#include "seam/heap.h"
#include "store/report.h"

/* Of the file: a batch begins when half of it is in use, and a row inserted is 1 to 3 KiB. One that
 * was full grows; most databases stay with the least. */
#if !defined(AVFS_RING_LEAST)
# define AVFS_RING_LEAST (1u << 20)
#endif
enum { GROWTH = 4, RING_MOST = AVFS_RING_LEAST * GROWTH * GROWTH * GROWTH };

/* ---- where there is no store -------------------------------------------------------- */

int avfs_ring_is_beside(const avfs_io *io, const char *name) {
  char *path = avfs_concat(name, AVFS_REDO_SUFFIX);
  int is = path == NULL || io->exists(path);
  avfs_free(path);
  return is;
}

void avfs_ring_tell_passed(const avfs_io *io, const char *name, const char *reason) {
  if (!avfs_ring_is_beside(io, name)) return;
  avfs_report(SQLITE_WARNING, "asyncvfs: %s is passed through (%s), although %s" AVFS_REDO_SUFFIX " is there: commits "
              "of a process that was killed may be in that alone", name, reason, name);
}

/* ---- under a fresh lock -------------------------------------------------------------- */

static int read_page(void *arg, uint32_t pgno, uint32_t page_bytes, unsigned char *to) {
  avfs_store *s = arg;
  return avfs_parent_file_read(s->os_file, to, page_bytes, (uint64_t)(pgno - 1) * page_bytes);
}

static avfs_redo_database database(avfs_store *s, const unsigned char *header) {
  avfs_redo_database db = {&s->identity, header, read_page, s};
  return db;
}

/* What it holds must not be replayed, and is not to be lost either. */
static void set_aside(avfs_store *s, avfs_redo *r, const avfs_redo_report *report) {
  int rc = avfs_redo_set_aside(r, s->aside_path), told;
  uint32_t os_error = s->io->os_error();
  avfs_store_enter(s);
  told = s->ring.in_the_way;   /* it could not be renamed the last time either */
  s->ring.in_the_way = rc != SQLITE_OK;
  if (!told) s->ring.refused += report->commits;
  avfs_store_leave(s);
  if (told && rc != SQLITE_OK) return;
  avfs_report_refused(s->path, rc == SQLITE_OK ? s->aside_path : s->ring_path, report->commits, report->reason);
  if (rc != SQLITE_OK) avfs_report_call(rc, os_error, s->ring_path, "durability=os is durability=disk");
}

/* SQLITE_EMPTY: there is none, or it never held anything. */
static int open_ring(avfs_store *s, int how, uint64_t bytes, avfs_redo **r_out) {
  int rc = avfs_redo_open(s->io, s->ring_path, how, bytes, r_out);
  if (rc == SQLITE_CANTOPEN && !s->io->exists(s->ring_path)) rc = SQLITE_EMPTY;
  return rc;
}

int avfs_ring_look(avfs_store *s, const unsigned char *header, int *there_out, uint64_t *pending_out) {
  avfs_redo_database db = database(s, header);
  avfs_redo_report report;
  avfs_redo *r;
  int rc, failed;
  *pending_out = 0;
  *there_out = s->io->exists(s->ring_path);
  if (!*there_out) return SQLITE_OK;
  rc = open_ring(s, AVFS_MAP_READ, 0, &r);
  if (rc == SQLITE_EMPTY) return SQLITE_OK;
  if (rc == SQLITE_OK) {
    rc = avfs_redo_look(r, &db, &report);
    failed = avfs_redo_failed(r);   /* and zeros were read in its place */
    if (rc == SQLITE_OK && failed) rc = SQLITE_IOERR_READ;
    if (rc == SQLITE_OK && report.verdict == AVFS_REDO_REFUSED) {
      set_aside(s, r, &report);
      *there_out = 0;
      return SQLITE_OK;
    }
    (void)avfs_redo_close(r, 0);
    if (rc == SQLITE_OK && report.verdict == AVFS_REDO_PENDING) *pending_out = report.commits;
  }
  if (rc != SQLITE_OK) {
    avfs_report_call(rc, s->io->os_error(), s->ring_path, "the database is not read before the commits in it are "
                     "known");
  }
  return rc;
}

static int take(void *arg, uint32_t pgno, const unsigned char *page) {
  avfs_taken_up *t = arg;
  avfs_page *p = avfs_page_pool_get(&t->pool);
  if (p == NULL) return SQLITE_NOMEM;
  p->pgno = pgno;
  memcpy(p->data, page, t->pool.page_bytes);
  avfs_page_table_add(&t->pages, p);
  return SQLITE_OK;
}

/* With locking_mode=EXCLUSIVE commits leave the change counter as it is. Whoever has read the disk since the kill
 * would take his cache for what they made of it: so one commit more counts the counter up, as SQLite does
 * (pager.c, pager_write_changecounter). It goes into the ring too. */
enum { COUNTER_AT = 24, VERSION_VALID_FOR_AT = 92 };

static const unsigned char *first_page(void *arg, uint32_t pgno) { return pgno == 1 ? arg : NULL; }

static int count_up(avfs_store *s, avfs_redo *r, const unsigned char *disk, uint64_t seq, avfs_taken_up *t) {
  avfs_page *old = avfs_page_table_find(&t->pages, 1), *p;
  uint32_t counter = avfs_get4(disk + COUNTER_AT);
  avfs_redo_commit c = {.seq = seq, .bytes_before = t->pages.size, .page_bytes = t->pool.page_bytes, .before = first_page};
  avfs_page_table one;
  int rc;
  if (old != NULL && avfs_get4(old->data + COUNTER_AT) != counter) return SQLITE_OK;
  p = avfs_page_pool_get(&t->pool);
  if (p == NULL) return SQLITE_NOMEM;
  rc = avfs_page_table_init(&one);
  if (rc == SQLITE_OK && old != NULL) memcpy(p->data, old->data, c.page_bytes);
  else if (rc == SQLITE_OK) rc = read_page(s, 1, c.page_bytes, p->data);
  if (rc != SQLITE_OK) {
    avfs_page_pool_put(&t->pool, p);
    avfs_page_table_free(&one, &t->pool);
    return rc;
  }
  p->pgno = 1;
  avfs_put4(p->data + COUNTER_AT, counter + 1);
  avfs_put4(p->data + VERSION_VALID_FOR_AT, counter + 1);
  avfs_page_table_add(&one, p);
  one.size = t->pages.size;
  c.pages = &one;
  c.header = p->data;
  c.arg = old == NULL ? NULL : old->data;
  (void)avfs_redo_append(r, &c);   /* one that has no room is waited for by those after it */
  avfs_page_table_merge(&t->pages, &one, &t->pool);
  avfs_page_table_free(&one, &t->pool);
  t->counts_up = 1;
  return SQLITE_OK;
}

void avfs_taken_up_free(avfs_taken_up *t) {
  avfs_page_table_free(&t->pages, &t->pool);
  avfs_page_pool_trim(&t->pool, 0);
}

int avfs_ring_replay(avfs_store *s, const unsigned char *header, uint64_t seq, avfs_taken_up *out,
                     avfs_redo **r_out) {
  avfs_redo_database db = database(s, header);
  avfs_redo_report report;
  uint64_t salt;
  int rc;
  memset(out, 0, sizeof *out);
  *r_out = NULL;
  rc = avfs_page_table_init(&out->pages);
  if (rc == SQLITE_OK) rc = open_ring(s, AVFS_MAP_WRITE, 0, r_out);
  if (rc != SQLITE_OK) return rc;
  sqlite3_randomness(sizeof salt, &salt);
  rc = avfs_redo_look(*r_out, &db, &report);
  out->pool.page_bytes = report.page_bytes;
  if (rc == SQLITE_OK) rc = avfs_redo_replay(*r_out, &db, seq, salt, take, out, &report);
  if (rc == SQLITE_OK && avfs_redo_failed(*r_out)) rc = SQLITE_IOERR_READ;
  if (rc != SQLITE_OK) return rc;
  if (report.verdict == AVFS_REDO_REFUSED) {
    set_aside(s, *r_out, &report);
    *r_out = NULL;
    return SQLITE_OK;
  }
  out->pages.size = report.file_bytes;
  out->commits = report.replayed;
  if (out->commits > 0) rc = count_up(s, *r_out, header, seq + 1, out);
  if (rc != SQLITE_OK) return rc;
  if (report.replayed == 0) {   /* a batch had them all; a new ring begins when there is a writer */
    avfs_ring_close(s, *r_out, 0);
    *r_out = NULL;
  } else {
    avfs_report(SQLITE_NOTICE, "asyncvfs: %llu commits of a process that ended without writing them are taken up "
                "in %s", report.replayed, s->path);
  }
  return SQLITE_OK;
}

/* ---- made and closed --------------------------------------------------------------------- */

static const char *reason_of(int rc) {
  switch (rc & 0xff) {
    case SQLITE_FULL: return "there is no room for a file beside the database";
    case SQLITE_BUSY: return "another program has the file beside the database open";
    case SQLITE_NOMEM: return "out of memory";
    case SQLITE_CANTOPEN: return "no file can be made beside the database";
    default: return "the file beside the database cannot be had in memory";
  }
}

/* Not over commits that could not be set aside: they are looked for again. */
int avfs_ring_make(avfs_store *s, avfs_redo **r_out, const char **reason_out) {
  avfs_redo_report report;
  unsigned char header[AVFS_DB_HEADER_BYTES];
  avfs_redo_database db = database(s, header);
  uint64_t bytes;
  int rc;
  avfs_store_enter(s);
  bytes = s->ring.bytes;
  memcpy(header, s->content.header, sizeof header);
  avfs_store_leave(s);
  *r_out = NULL;
  *reason_out = NULL;
  rc = open_ring(s, AVFS_MAP_WRITE, bytes, r_out);
  if (rc != SQLITE_OK) {
    *reason_out = reason_of(rc);
  } else {
    (void)avfs_redo_look(*r_out, &db, &report);
    if (avfs_redo_failed(*r_out)) *reason_out = reason_of(SQLITE_IOERR);
    else if (report.verdict != AVFS_REDO_NOTHING) *reason_out = "the file beside the database holds other commits, "
                                                                "and cannot be renamed";
    if (*reason_out != NULL) {
      avfs_ring_close(s, *r_out, 0);
      *r_out = NULL;
      rc = SQLITE_CANTOPEN;
    }
  }
  if (rc != SQLITE_OK) {
    avfs_report(rc, "asyncvfs: %s: durability=os is durability=disk: %s (%s, %u)", s->path, *reason_out, s->ring_path,
                s->io->os_error());
  }
  return rc;
}

void avfs_ring_init(avfs_store *s) { s->ring.bytes = AVFS_RING_LEAST; }

void avfs_ring_close(avfs_store *s, avfs_redo *r, int remove) {
  int rc;
  if (r == NULL) return;
  rc = avfs_redo_close(r, remove || avfs_redo_failed(r));
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
    avfs_report_call(rc, s->io->os_error(), s->ring_path, "it holds nothing and does no harm");
  }
}

void avfs_ring_remove(avfs_store *s, const unsigned char *header) {
  avfs_redo_database db = database(s, header);
  avfs_redo_report report;
  avfs_redo *r;
  if (open_ring(s, AVFS_MAP_WRITE, 0, &r) != SQLITE_OK) return;
  (void)avfs_redo_look(r, &db, &report);
  avfs_ring_close(s, r, report.verdict == AVFS_REDO_NOTHING && !avfs_redo_failed(r));
}

/* ---- while it serves ----------------------------------------------------------------------- */

int avfs_ring_serves(const avfs_store *s) {
  return s->ring.redo != NULL && avfs_redo_serves(s->ring.redo);
}

void avfs_ring_begin(avfs_store *s) {
  avfs_redo_database db = database(s, s->content.header);
  if (s->ring.redo == NULL || avfs_ring_serves(s) || avfs_redo_failed(s->ring.redo)) return;
  if (s->content.dirty || s->content.draining.count > 0 || s->drain.run != AVFS_RUN_NONE) return;
  if (s->content.committed.size == 0) return;
  avfs_redo_begin(s->ring.redo, &db, s->commits.commit_seq, s->ring.salt);
}

int avfs_ring_is_outgrown(const avfs_store *s) { return s->ring.was_full && s->ring.bytes < RING_MOST; }

void avfs_ring_grow(avfs_store *s) {
  s->ring.was_full = 0;
  s->ring.bytes *= GROWTH;
}

static const unsigned char *page_before(void *arg, uint32_t pgno) AVFS_REQUIRES(avfs_store_role) {
  avfs_store *s = arg;
  const avfs_page *p = avfs_page_table_find(&s->content.committed, pgno);
  if (p == NULL && s->content.draining.count > 0) p = avfs_page_table_find(&s->content.draining, pgno);
  return p == NULL ? NULL : p->data;
}

uint64_t avfs_ring_append(avfs_store *s) {
  avfs_redo_commit c = {.seq = s->commits.commit_seq + 1};
  uint64_t awaits;
  if (!avfs_ring_serves(s)) return c.seq;
  c.pages = &s->writer.txn;
  c.bytes_before = s->content.committed.size;
  c.page_bytes = s->content.page_bytes;
  c.header = s->content.header;
  c.before = page_before;
  c.arg = s;
  awaits = avfs_redo_append(s->ring.redo, &c);
  if (avfs_redo_failed(s->ring.redo)) s->ring.fallback = reason_of(SQLITE_IOERR);
  if (awaits == c.seq || avfs_redo_is_full(s->ring.redo)) s->ring.was_full = 1;
  return awaits > s->commits.durable_seq ? awaits : 0;
}

int avfs_ring_is_too_small(const avfs_store *s, uint32_t pages) {
  return avfs_ring_serves(s) && s->commits.durable_seq < s->commits.commit_seq &&
         !avfs_redo_fits(s->ring.redo, pages, s->content.page_bytes);
}

void avfs_ring_freeze(avfs_store *s) {
  if (avfs_ring_serves(s)) avfs_redo_freeze(s->ring.redo, s->commits.draining_seq, s->content.header);
}

void avfs_ring_durable(avfs_store *s) {
  if (avfs_ring_serves(s)) avfs_redo_durable(s->ring.redo, s->commits.durable_seq);
}

uint64_t avfs_ring_not_kept(const avfs_store *s) {
  uint64_t kept = s->commits.durable_seq;
  if (avfs_ring_serves(s) && avfs_redo_newest(s->ring.redo) > kept) kept = avfs_redo_newest(s->ring.redo);
  return s->commits.commit_seq - kept;
}

int avfs_ring_is_pressing(const avfs_store *s) { return avfs_ring_serves(s) && avfs_redo_is_pressing(s->ring.redo); }
int avfs_ring_is_full(const avfs_store *s) { return avfs_ring_serves(s) && avfs_redo_is_full(s->ring.redo); }
