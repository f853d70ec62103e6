/* batch.c: see batch.h. */
#include "engine/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "seam/sqlite_api.h"
#include "pages/journal_format.h"
#include "seam/heap.h"

/* What a state has come to. */
enum { GO_ON, WAIT };

int avfs_batch_is_open(const avfs_batch *b) { return b->valid; }

/* ---- the set of pages ---------------------------------------------------- */

static int by_pgno(const void *a, const void *b) {
  uint32_t x = (*(avfs_page *const *)a)->pgno, y = (*(avfs_page *const *)b)->pgno;
  return (x > y) - (x < y);
}

AVFS_LOCK_FUNCTIONS(batch, avfs_batch, avfs_batch_role)

static int bit_is_set(const uint32_t *bits, uint32_t i) { return bits[i / 32] >> (i % 32) & 1; }

/* Sorts the pages, and picks those whose pre-image the journal needs: they are
 * on the disk now, and have no record yet. */
static int gather(avfs_batch *b) {
  uint32_t n = b->input.pages->count, lock_pgno = avfs_lock_byte_pgno(b->page_bytes);
  avfs_page *p;
  b->set.count = b->journaled_set.count = 0;
  b->set.page_bytes = b->journaled_set.page_bytes = b->page_bytes;
  b->set.file_bytes = b->input.file_bytes;
  avfs_free(b->set.pages);
  avfs_free(b->journaled_set.pages);
  b->set.pages = avfs_alloc((n + 1) * sizeof *b->set.pages);
  b->journaled_set.pages = avfs_alloc((n + 1) * sizeof *b->set.pages);
  if (b->set.pages == NULL || b->journaled_set.pages == NULL) return SQLITE_NOMEM;
  for (p = b->input.pages->first; p != NULL; p = p->next) b->set.pages[b->set.count++] = p;
  qsort(b->set.pages, n, sizeof *b->set.pages, by_pgno);
  for (uint32_t i = 0; i < n; i++) {
    p = b->set.pages[i];
    if (p->pgno > b->before_pages) break;
    if (p->pgno == lock_pgno) continue;
    if (b->journaled != NULL && bit_is_set(b->journaled, p->pgno)) continue;
    b->journaled_set.pages[b->journaled_set.count++] = p;
  }
  return SQLITE_OK;
}

static void release_set(avfs_batch *b) {
  avfs_free(b->set.pages);
  avfs_free(b->journaled_set.pages);
  b->set.pages = b->journaled_set.pages = NULL;
  b->set.count = b->journaled_set.count = 0;
}

/* ---- the steps ----------------------------------------------------------- */

static int flush(avfs_batch *b, avfs_file *f) {
  b->counters.flushes++;
  return b->io->flush(f);
}

/* What was in flight is over. The lock is for a task that runs meanwhile for another
 * reason and looks (avfs_batch_is_in_flight): it may end the batch, and its store, at once. */
static void step_done(avfs_batch *b) {
  batch_enter(b);
  b->step = AVFS_STEP_DONE;
  b->resume(b);
  batch_leave(b);
}

int avfs_batch_is_in_flight(avfs_batch *b) {
  int in_flight;
  batch_enter(b);
  in_flight = b->step == AVFS_STEP_IN_FLIGHT;
  batch_leave(b);
  return in_flight;
}

static void op_done(avfs_op *op) { step_done((avfs_batch *)((char *)op - offsetof(avfs_batch, op))); }

/* Room for n bytes in b->small. */
static int small_buffer(avfs_batch *b, uint32_t n) {
  if (b->small_room >= n) return SQLITE_OK;
  avfs_free(b->small);
  b->small = avfs_alloc(n);
  b->small_room = b->small == NULL ? 0 : n;
  return b->small == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

/* Nothing else is in flight when this is. */
static void prepare_op(avfs_batch *b, avfs_file *f, void *p, uint32_t n, uint64_t offset,
                       void (*done)(avfs_op *op)) {
  b->op.file = f;
  b->op.data = p;
  b->op.bytes = n;
  b->op.offset = offset;
  b->op.alone = 1;
  b->op.done = done;
}

/* Starts writing n bytes of b->small to the journal. */
static int write_small(avfs_batch *b, uint32_t n, uint64_t offset) {
  prepare_op(b, b->journal, b->small, n, offset, op_done);
  b->step = AVFS_STEP_IN_FLIGHT;
  b->counters.journal_bytes += n;
  b->io->write(&b->op);
  return WAIT;
}

static void pump_finished(avfs_pump *p) {
  step_done((avfs_batch *)((char *)p - offsetof(avfs_batch, pump)));
}

/* The journal gets this length. Mostly it has it: a stream of like commits makes journals of
 * the same number of records. A cut is looked at: one that a view of another program has kept
 * from taking place counts as done to resize(), and here would leave a tail. */
static int resize_journal(avfs_batch *b, uint64_t bytes) {
  uint64_t now = bytes;
  int shrinks = b->journal_bytes > bytes, rc;
  if (b->journal_bytes == bytes) return SQLITE_OK;
  b->journal_bytes = UINT64_MAX;
  rc = b->io->resize(b->journal, bytes);
  if (rc == SQLITE_OK && shrinks) rc = b->io->size(b->journal, &now);
  if (rc == SQLITE_OK && now != bytes) rc = SQLITE_IOERR_TRUNCATE;
  if (rc == SQLITE_OK) b->journal_bytes = bytes;
  if (rc == SQLITE_OK && bytes == 0) b->named = 0;
  return rc;
}

/* A journal of ours is void between batches. One that was found there may not
 * be, on the medium: a zeroed header of stock SQLite's PERSIST need not have
 * been flushed, nor what a process that was killed had cut to nothing. So what was found is
 * cut to nothing first, and flushed. */
int avfs_batch_open_journal(avfs_batch *b) {
  uint64_t size = 0;
  int rc, there;
  if (b->journal != NULL) return SQLITE_OK;
  there = b->io->exists(b->journal_path);
  rc = b->io->open(b->journal_path, AVFS_OPEN_CREATE, &b->journal);
  if (rc != SQLITE_OK) return rc;
  rc = b->io->size(b->journal, &size);
  b->journal_bytes = size;
  if (there || size > 0) b->found_journal = 1;
  if (rc == SQLITE_OK && b->found_journal) {   /* also cut before, in vain: the flush failed */
    rc = resize_journal(b, 0);
    if (rc == SQLITE_OK) rc = flush(b, b->journal);
    if (rc == SQLITE_OK) b->found_journal = 0;
  }
  if (rc != SQLITE_OK) {
    b->io->close(b->journal);
    b->journal = NULL;
  }
  return rc;
}

static int state_open(avfs_batch *b) {
  int rc = SQLITE_OK;
  if (b->valid) {
    b->segment_at = avfs_segment_after(b->segment_end);
  } else {
    rc = avfs_batch_open_journal(b);
    if (rc == SQLITE_OK) rc = b->io->size(b->db, &b->before_bytes);
    b->disk_bytes = b->before_bytes;
    b->before_pages = (uint32_t)((b->before_bytes + b->page_bytes - 1) / b->page_bytes);
    b->segment_at = 0;
  }
  if (rc == SQLITE_OK && b->input.more && b->journaled == NULL) {
    b->journaled = avfs_alloc_zero((b->before_pages / 32 + 1) * sizeof *b->journaled);
    if (b->journaled == NULL) rc = SQLITE_NOMEM;
  }
  if (rc == SQLITE_OK) rc = gather(b);
  return rc;
}

/* Pages that fit in a slot's buffer as records. */
static uint32_t records_fit(void *work, uint32_t first) {
  const avfs_batch *b = work;
  uint32_t most = AVFS_PUMP_BUFFER / avfs_record_bytes(b->page_bytes);
  uint32_t left = b->journaled_set.count - first;
  return left < most ? left : most;
}

/* How many of the set's pages, from the first on, one read is to fetch: those in
 * between that nobody asked for come along where that is less work than another
 * read. Never across the lock bytes, which LockFileEx makes unreadable. */
static uint32_t read_span(const avfs_page_set *set, uint32_t first, uint32_t most) {
  enum { GAP_BYTES = 32768 };
  uint32_t unit = set->page_bytes, begin = set->pages[first]->pgno, n = 1;
  uint32_t lock_pgno = avfs_lock_byte_pgno(unit);
  while (n < most) {
    uint32_t last = set->pages[first + n - 1]->pgno, pgno = set->pages[first + n]->pgno;
    if ((pgno - begin + 1) > AVFS_PUMP_BUFFER / unit) break;
    if ((pgno - last - 1) > GAP_BYTES / unit) break;
    if (last < lock_pgno && pgno > lock_pgno) break;
    n++;
  }
  return n;
}

/* Reads the slot's pages span by span, as the disk has them, makes records of
 * them, and writes these to their place in the journal. */
static int journal_step(avfs_slot *s) {
  avfs_batch *b = s->pump->work;
  const avfs_page_set *set = &b->journaled_set;
  uint32_t unit = b->page_bytes, record = avfs_record_bytes(unit), i;
  if (s->count > 0 && s->at < s->count) {   /* a span has been read */
    avfs_page **page = set->pages + s->first + s->at;
    uint32_t begin = page[0]->pgno;
    if (s->op.transferred < s->op.bytes) {   /* past the end of the file: zeros */
      memset(s->stage + s->op.transferred, 0, s->op.bytes - s->op.transferred);
    }
    for (i = 0; i < s->run; i++) {
      avfs_journal_record(s->buffer + (size_t)(s->at + i) * record, page[i]->pgno,
                          s->stage + (size_t)(page[i]->pgno - begin) * unit, unit, b->nonce);
    }
    s->at += s->run;
    if (s->at == s->count) {
      s->op.file = b->journal;
      s->op.data = s->buffer;
      s->op.bytes = s->count * record;
      s->op.offset = b->segment_at + AVFS_SECTOR + (uint64_t)s->first * record;
      b->io->write(&s->op);
      return 1;
    }
  } else if (!avfs_pump_claim(s, set->count, records_fit)) {
    return 0;
  }
  i = s->first + s->at;
  s->run = read_span(set, i, s->count - s->at);
  s->op.file = b->db;
  s->op.data = s->stage;
  s->op.bytes = (set->pages[i + s->run - 1]->pgno - set->pages[i]->pgno + 1) * unit;
  s->op.offset = (uint64_t)(set->pages[i]->pgno - 1) * unit;
  b->io->read(&s->op);
  return 1;
}

/* A fresh one for each segment (splitmix64): a record of an older journal in the same
 * file must not pass for one of this. Not sqlite3_randomness here: at the exit of the
 * process SQLite's mutexes may be gone with their owners. */
static uint32_t next_nonce(avfs_batch *b) {
  uint64_t z = b->nonces += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (uint32_t)(z >> 32);
}

/* The journal is sized before it is written: its exact length makes a stale
 * tail impossible, and appended overlapped writes would not overlap. */
static int state_journal(avfs_batch *b, int *wait_out) {
  uint32_t n = b->journaled_set.count;
  int slots = records_fit(b, 0) == n ? 1 : AVFS_PUMP_SLOTS;
  uint64_t length;
  int rc;
  if (b->step == AVFS_STEP_DONE) {
    b->counters.journal_bytes += (uint64_t)n * avfs_record_bytes(b->page_bytes);
    return avfs_pump_result(&b->pump, &b->os_error);
  }
  b->segment_end = b->segment_at + AVFS_SECTOR + (uint64_t)n * avfs_record_bytes(b->page_bytes);
  length = b->input.super == NULL ? avfs_journal_length(b->segment_end)
                                  : avfs_segment_after(b->segment_end) + strlen(b->input.super) + 20;
  rc = resize_journal(b, length);
  if (rc != SQLITE_OK) return rc;
  b->nonce = next_nonce(b);
  b->pump.work = b;
  b->pump.finished = pump_finished;
  b->step = AVFS_STEP_IN_FLIGHT;
  *wait_out = WAIT;
  rc = avfs_pump_start(&b->pump, slots, journal_step);
  if (rc != SQLITE_OK) *wait_out = GO_ON;
  return rc;
}

static int state_super(avfs_batch *b, int *wait_out) {
  uint32_t n;
  int rc;
  if (b->input.super == NULL) return SQLITE_OK;
  if (b->step == AVFS_STEP_DONE) return b->op.rc;
  if (b->super == NULL) b->super = avfs_concat(b->input.super, "");
  if (b->super == NULL) return SQLITE_NOMEM;
  b->has_super = b->named = 1;
  n = (uint32_t)strlen(b->input.super);
  rc = small_buffer(b, n + 20);
  if (rc != SQLITE_OK) return rc;
  n = avfs_super_record(b->small, b->input.super, n, b->page_bytes);
  *wait_out = write_small(b, n, avfs_segment_after(b->segment_end));
  return SQLITE_OK;
}

static int state_header(avfs_batch *b, int *wait_out) {
  int rc;
  if (b->step == AVFS_STEP_DONE) return b->op.rc;
  rc = small_buffer(b, AVFS_SECTOR);
  if (rc != SQLITE_OK) return rc;
  avfs_journal_header(b->small, b->journaled_set.count, b->nonce, b->before_pages, b->page_bytes);
  b->valid = 1;
  *wait_out = write_small(b, AVFS_SECTOR, b->segment_at);
  return SQLITE_OK;
}

/* From here on the segment is needed to undo the batch. */
static int remember_segment(avfs_batch *b) {
  uint32_t i;
  if (b->journaled == NULL) return SQLITE_OK;
  if (b->segment_count == b->segment_room) {
    uint32_t room = b->segment_room * 2 + 16;
    uint64_t *more = avfs_alloc(room * sizeof *more);
    if (more == NULL) return SQLITE_NOMEM;
    if (b->segment_count > 0) memcpy(more, b->segments, b->segment_count * sizeof *more);
    avfs_free(b->segments);
    b->segments = more;
    b->segment_room = room;
  }
  b->segments[b->segment_count++] = b->segment_at;
  for (i = 0; i < b->journaled_set.count; i++) {
    uint32_t pgno = b->journaled_set.pages[i]->pgno;
    b->journaled[pgno / 32] |= 1u << (pgno % 32);
  }
  return SQLITE_OK;
}

/* The length that the file is to have: in whole chunks, as SQLITE_FCNTL_CHUNK_SIZE asks. */
static uint64_t wanted_length(const avfs_batch *b) {
  uint64_t chunk = b->input.chunk_bytes, n = b->input.file_bytes;
  return chunk == 0 ? n : (n + chunk - 1) / chunk * chunk;
}

/* The file gets its new length before the writes, so that their number does not change it that
 * often. On NTFS that does not make them asynchronous: what is written behind the valid data
 * length, which SetEndOfFile does not move, extends the file all the same, and what it leaves out
 * before it is filled with zeros. So the pages behind the old end are begun in ascending order, each
 * where the one before ended, and nothing is filled. Growing by zeros beforehand would write
 * everything twice; SetFileValidData shows what others have deleted, and wants a privilege. */
static int state_pages(avfs_batch *b, int *wait_out) {
  uint32_t i;
  int rc = SQLITE_OK;
  if (b->step == AVFS_STEP_DONE) {
    rc = avfs_pump_result(&b->pump, &b->os_error);
    if (rc != SQLITE_OK) return rc;
    for (i = 0; i < b->set.count;) {
      uint32_t run = avfs_page_run(&b->set, i, AVFS_PUMP_BUFFER);
      b->counters.coalesced_pages += run - 1;
      i += run;
    }
    b->counters.pages_written += b->set.count;
    b->counters.database_bytes += (uint64_t)b->set.count * b->page_bytes;
    return SQLITE_OK;
  }
  if (b->input.file_bytes > b->disk_bytes) {
    uint64_t bytes = wanted_length(b);
    rc = b->io->resize(b->db, bytes);
    if (rc != SQLITE_OK && bytes > b->input.file_bytes) {   /* less may still do */
      bytes = b->input.file_bytes;
      rc = b->io->resize(b->db, bytes);
    }
    if (rc != SQLITE_OK) return rc;
    b->disk_bytes = bytes;
  }
  b->writer.db = b->db;
  b->writer.set = &b->set;
  b->pump.finished = pump_finished;
  b->step = AVFS_STEP_IN_FLIGHT;
  *wait_out = WAIT;
  rc = avfs_page_writer_start(&b->writer, &b->pump);
  if (rc != SQLITE_OK) *wait_out = GO_ON;
  return rc;
}

/* The deletion of a super-journal, which was the commit, need not be on the medium yet.
 * A cut comes after it in the log of NTFS; a zeroed header might come before, and
 * this database would be committed while the others are rolled back. The name of what somebody
 * has open, a scanner, goes when that one closes it: it is waited for, as for a disk that fails. */
static int state_void(avfs_batch *b, int *wait_out) {
  enum { HEADER_FIELDS = 28 };
  int rc;
  if (b->has_super) return b->io->exists(b->super) ? SQLITE_BUSY : resize_journal(b, 0);
  if (b->step == AVFS_STEP_DONE) return b->op.rc;
  rc = small_buffer(b, HEADER_FIELDS);
  if (rc != SQLITE_OK) return rc;
  memset(b->small, 0, HEADER_FIELDS);
  *wait_out = write_small(b, HEADER_FIELDS, 0);
  return SQLITE_OK;
}

static void forget_transaction(avfs_batch *b) {
  b->valid = b->has_super = 0;
  avfs_free(b->super);
  b->super = NULL;
  b->segment_count = 0;
  avfs_free(b->journaled);
  b->journaled = NULL;
}

/* Where a view of it is mapped the database keeps its length, which counts as success (io.h).
 * Then what is behind the end stays on the disk, and who lets the database grow again is to know
 * of it (content.c, write_gap). */
static int cut_database(avfs_batch *b, uint64_t bytes) {
  int rc = b->shorten != NULL ? b->shorten(b, bytes) : b->io->resize(b->db, bytes);
  if (rc == SQLITE_OK) rc = b->io->size(b->db, &bytes);
  if (rc == SQLITE_OK) b->disk_bytes = bytes;
  return rc;
}

static int cut_to(avfs_batch *b, uint64_t bytes) {
  int rc = SQLITE_OK;
  if (b->disk_bytes > bytes) rc = cut_database(b, bytes);
  if (rc == SQLITE_OK) b->owed_bytes = b->disk_bytes > bytes ? bytes : AVFS_NOTHING_OWED;
  return rc;
}

int avfs_batch_cut(avfs_batch *b) {
  assert(b->state == AVFS_BATCH_IDLE && !b->valid);
  return b->owed_bytes == AVFS_NOTHING_OWED ? SQLITE_OK : cut_to(b, b->owed_bytes);
}

void avfs_batch_forget_cut(avfs_batch *b) { b->owed_bytes = AVFS_NOTHING_OWED; }

/* ---- the machine --------------------------------------------------------- */

static avfs_batch_state state_after(const avfs_batch *b) {
  switch (b->state) {
    case AVFS_BATCH_OPEN:
      /* A further segment whose pages all have records needs no new one. */
      if (b->valid && b->journaled_set.count == 0 && b->input.super == NULL) {
        return AVFS_BATCH_PAGES;
      }
      return AVFS_BATCH_JOURNAL;
    case AVFS_BATCH_PAGES_FLUSH:
      /* A segment too is flushed: its pages leave the memory now, so a later flush
       * that fails could not be made good by writing them again. */
      return b->input.more ? AVFS_BATCH_IDLE : AVFS_BATCH_VOID;
    case AVFS_BATCH_CUT:
      return AVFS_BATCH_IDLE;
    default:
      return b->state + 1;
  }
}

/* Where to begin again after a failure: a failed flush may have lost what the state before
 * it wrote. Not the lengths of files, which the file system has in its own log. */
static avfs_batch_state state_again(const avfs_batch *b) {
  switch (b->state) {
    case AVFS_BATCH_JOURNAL_FLUSH: return AVFS_BATCH_JOURNAL;
    case AVFS_BATCH_HEADER_FLUSH: return AVFS_BATCH_HEADER;
    case AVFS_BATCH_PAGES_FLUSH: return AVFS_BATCH_PAGES;
    case AVFS_BATCH_VOID_FLUSH: return AVFS_BATCH_VOID;
    default: return b->state;
  }
}

/* Which file a failure in this state was of. Pre-images are read from the database. */
static int is_of_journal(avfs_batch_state state, int rc) {
  if (state >= AVFS_BATCH_PAGES && state != AVFS_BATCH_VOID && state != AVFS_BATCH_VOID_FLUSH) return 0;
  return rc != SQLITE_IOERR_READ && rc != SQLITE_IOERR_SHORT_READ && rc != SQLITE_IOERR_FSTAT;
}

void avfs_batch_start(avfs_batch *b, const avfs_batch_input *input, uint32_t page_bytes) {
  b->rc = SQLITE_OK;
  b->os_error = 0;
  b->step = AVFS_STEP_NEW;
  if (input == NULL) return;   /* again, from state_again() */
  assert(b->state == AVFS_BATCH_IDLE);
  b->input = *input;
  if (!b->valid) b->page_bytes = page_bytes;
  b->state = AVFS_BATCH_OPEN;
}

int avfs_batch_settle(avfs_batch *b, uint32_t timeout_ms) {
  uint64_t until = avfs_time_after(b->io->now_ns(), timeout_ms);
  int i, over = b->io->settle(&b->op, timeout_ms);
  for (i = 0; i < AVFS_PUMP_SLOTS; i++) {   /* all are cancelled, however long one takes */
    uint64_t now = b->io->now_ns();
    if (!b->io->settle(&b->pump.slots[i].op, avfs_ms_until(now, until))) over = 0;
  }
  return over;
}

int avfs_batch_restart(avfs_batch *b) {
  if (b->state == AVFS_BATCH_IDLE || b->input.more) return 0;
  /* What was gathered is whole from JOURNAL on; before HEADER nothing of it counts. */
  if (b->state < AVFS_BATCH_HEADER) b->state = AVFS_BATCH_OPEN;
  else b->state = state_again(b);
  if (b->state == AVFS_BATCH_OPEN) {
    b->set.pages = b->journaled_set.pages = NULL;   /* maybe half made: left behind */
  }
  avfs_pump_reset(&b->pump);
  avfs_lock_forget(&b->lock);
  b->step = AVFS_STEP_NEW;
  return 1;
}

int avfs_batch_run(avfs_batch *b) {
  while (b->state != AVFS_BATCH_IDLE) {
    int rc = SQLITE_OK, wait = GO_ON;
    if (avfs_batch_is_in_flight(b)) return 0;   /* woken for another reason */
    switch (b->state) {
      case AVFS_BATCH_IDLE: break;
      case AVFS_BATCH_OPEN: rc = state_open(b); break;
      case AVFS_BATCH_JOURNAL: rc = state_journal(b, &wait); break;
      case AVFS_BATCH_SUPER: rc = state_super(b, &wait); break;
      case AVFS_BATCH_JOURNAL_FLUSH: rc = flush(b, b->journal); break;
      case AVFS_BATCH_HEADER: rc = state_header(b, &wait); break;
      case AVFS_BATCH_HEADER_FLUSH:
        rc = flush(b, b->journal);
        if (rc == SQLITE_OK) rc = remember_segment(b);
        break;
      case AVFS_BATCH_PAGES: rc = state_pages(b, &wait); break;
      case AVFS_BATCH_PAGES_FLUSH: rc = flush(b, b->db); break;
      case AVFS_BATCH_VOID: rc = state_void(b, &wait); break;
      case AVFS_BATCH_VOID_FLUSH:
        rc = flush(b, b->journal);
        if (rc == SQLITE_OK) forget_transaction(b);
        break;
      case AVFS_BATCH_CUT: rc = cut_to(b, wanted_length(b)); break;
    }
    if (wait == WAIT) return 0;
    if (rc != SQLITE_OK) {
      b->rc = rc;
      b->failed_journal = is_of_journal(b->state, rc);
      if (b->os_error == 0 && b->step == AVFS_STEP_DONE) b->os_error = b->op.os_error;
      if (b->os_error == 0 && rc != SQLITE_NOMEM) b->os_error = b->io->os_error();
      b->state = state_again(b);
      b->step = AVFS_STEP_NEW;
      return 1;
    }
    b->state = state_after(b);
    b->step = AVFS_STEP_NEW;
  }
  release_set(b);
  if (!b->valid) b->counters.batches++;
  return 1;
}

/* ---- undo, by a thread of the application -------------------------------- */

static void undo_done(avfs_op *op) {
  avfs_batch *b = (avfs_batch *)((char *)op - offsetof(avfs_batch, op));
  batch_enter(b);
  b->undo_op_done = 1;
  avfs_cond_wake_all(&b->undo_cond);
  batch_leave(b);
}

/* Reads or writes and waits. A read answers SQLITE_IOERR_SHORT_READ when the
 * file is too short. */
static int transfer(avfs_batch *b, void (*how)(avfs_op *), avfs_file *f, void *p, uint32_t n,
                    uint64_t offset) {
  prepare_op(b, f, p, n, offset, undo_done);
  batch_enter(b);
  b->undo_op_done = 0;
  batch_leave(b);
  how(&b->op);
  batch_enter(b);
  while (!b->undo_op_done) avfs_cond_wait(&b->undo_cond, &b->lock, AVFS_FOREVER);
  batch_leave(b);
  b->os_error = b->op.os_error;
  if (b->op.rc == SQLITE_OK && b->op.transferred < n) return SQLITE_IOERR_SHORT_READ;
  return b->op.rc;
}

/* Writes the pre-images of one segment back, neighbours together. buffer has
 * 2 * AVFS_PUMP_BUFFER bytes. */
static int undo_segment(avfs_batch *b, uint64_t segment_at, unsigned char *buffer) {
  uint32_t unit = b->page_bytes, record = avfs_record_bytes(unit);
  uint32_t most = AVFS_PUMP_BUFFER / record, left, i, run;
  unsigned char *pages = buffer + AVFS_PUMP_BUFFER;
  uint64_t at = segment_at + AVFS_SECTOR;
  int rc = transfer(b, b->io->read, b->journal, buffer, AVFS_SECTOR, segment_at);
  left = avfs_get4(buffer + 8);
  while (rc == SQLITE_OK && left > 0) {
    uint32_t n = left < most ? left : most;
    rc = transfer(b, b->io->read, b->journal, buffer, n * record, at);
    for (i = 0; rc == SQLITE_OK && i < n; i += run) {
      uint32_t first = avfs_get4(buffer + (size_t)i * record);
      for (run = 0; i + run < n; run++) {
        const unsigned char *r = buffer + (size_t)(i + run) * record;
        if (avfs_get4(r) != first + run) break;
        memcpy(pages + (size_t)run * unit, r + 4, unit);
      }
      rc = transfer(b, b->io->write, b->db, pages, run * unit, (uint64_t)(first - 1) * unit);
    }
    at += (uint64_t)n * record;
    left -= n;
  }
  return rc;
}

int avfs_batch_undo(avfs_batch *b) {
  unsigned char *buffer;
  uint32_t i;
  int rc = SQLITE_OK;
  if (!b->valid) {
    b->state = AVFS_BATCH_IDLE;
    forget_transaction(b);
    release_set(b);
    return SQLITE_OK;
  }
  buffer = avfs_alloc(2 * AVFS_PUMP_BUFFER);
  if (buffer == NULL) return SQLITE_NOMEM;
  for (i = 0; rc == SQLITE_OK && i < b->segment_count; i++) {
    rc = undo_segment(b, b->segments[i], buffer);
  }
  if (rc == SQLITE_OK) rc = cut_database(b, b->before_bytes);
  if (rc == SQLITE_OK) rc = flush(b, b->db);
  if (rc == SQLITE_OK) b->segment_count = 0;   /* another try need not read what is void by then */
  if (rc == SQLITE_OK && b->has_super) {
    rc = resize_journal(b, 0);   /* with the name, which another journal must not end in */
  } else if (rc == SQLITE_OK) {
    memset(buffer, 0, AVFS_SECTOR);
    rc = transfer(b, b->io->write, b->journal, buffer, AVFS_SECTOR, 0);
  }
  if (rc == SQLITE_OK) rc = flush(b, b->journal);
  avfs_free(buffer);
  if (rc != SQLITE_OK) return rc;
  /* What was owed before the batch still is. */
  if (b->owed_bytes == AVFS_NOTHING_OWED && b->disk_bytes > b->before_bytes) b->owed_bytes = b->before_bytes;
  b->state = AVFS_BATCH_IDLE;
  forget_transaction(b);
  release_set(b);
  return SQLITE_OK;
}

int avfs_batch_keeps_name(const avfs_batch *b) { return b->journal != NULL && b->named; }

int avfs_batch_remove_journal(avfs_batch *b) {
  int rc = SQLITE_OK;
  assert(!b->valid);
  if (b->journal != NULL) {
    b->journal_bytes = UINT64_MAX;
    rc = b->io->resize(b->journal, 0);   /* in case the name stays */
    if (rc == SQLITE_OK) b->named = 0;
    if (b->named) return rc;
    rc = b->io->remove(b->journal);
  }
  b->journal = NULL;
  /* A stock connection in PERSIST or TRUNCATE mode keeps it open, as it would its
   * own: void, it does no harm. */
  return rc == SQLITE_BUSY ? SQLITE_OK : rc;
}

void avfs_batch_abandon(avfs_batch *b) {
  if (b->journal != NULL) b->io->close(b->journal);
  b->journal = NULL;
  b->named = 0;
  b->state = AVFS_BATCH_IDLE;
  forget_transaction(b);
  release_set(b);
}

void avfs_batch_trim(avfs_batch *b) {
  avfs_pump_free(&b->pump);
  avfs_free(b->small);
  b->small = NULL;
  b->small_room = 0;
  avfs_free(b->segments);
  b->segments = NULL;
  b->segment_room = 0;
}
