/* seam.c: see seam.h. */
#include "seam.h"

#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "pages/lock_bytes.h"
#include "sqlite3.h"
#include "seam/environment.h"
#include "seam/heap.h"
#include "seam/log.h"
#include "seam/sync.h"

/* ---- heap.h -------------------------------------------------------------------- */

uint64_t sim_heap_blocks;

static int heap_fails(void) { return sim_fails(&sim_memory_faults, "no memory", NULL); }

void *avfs_alloc(size_t bytes) {
  void *p;
  if (heap_fails()) return NULL;
  p = malloc(bytes == 0 ? 1 : bytes);
  if (p == NULL) return NULL;
  memset(p, 0xa5, bytes);
  sim_heap_blocks++;
  return p;
}

void *avfs_alloc_zero(size_t bytes) {
  void *p;
  if (heap_fails()) return NULL;
  p = calloc(1, bytes == 0 ? 1 : bytes);
  if (p != NULL) sim_heap_blocks++;
  return p;
}

void avfs_free(void *p) {
  if (p == NULL) return;
  sim_heap_blocks--;
  free(p);
}

/* ---- sync.h ---------------------------------------------------------------------- */

/* avfs_lock.os: 0 free, -1 held exclusively, n held by n readers. */
static intptr_t state_of(const avfs_lock *l) { return (intptr_t)l->os; }
static void set_state(avfs_lock *l, intptr_t n) { l->os = (void *)n; }

static int is_free(void *l) { return state_of(l) == 0; }
static int is_not_exclusive(void *l) { return state_of(l) >= 0; }

static void take(avfs_lock *l) {
  set_state(l, -1);
  l->owner = (uint32_t)sim_thread_number() + 1;
  ++*sim_locks_held;
}

/* Readers leave no name: then the last exclusive owner is told. */
static void wait_for_lock(sim_ready ready, avfs_lock *l, const char *what) {
  sim_blame = &l->owner;
  (void)sim_wait(ready, l, SIM_NEVER, what);
}

/* With frozen time only the looker runs, whose locks are all free. */
void avfs_lock_enter(avfs_lock *l) {
  sim_switch_point();
  while (state_of(l) != 0) wait_for_lock(is_free, l, "a lock");
  take(l);
}

int avfs_lock_try_enter(avfs_lock *l) {
  if (state_of(l) != 0) return 0;
  take(l);
  return 1;
}

static void page_may_fail(void);

void avfs_lock_leave(avfs_lock *l) {
  if (state_of(l) != -1) sim_fail("a lock is left that was not held");
  set_state(l, 0);
  --*sim_locks_held;
  page_may_fail();
  sim_crash_moment();
  sim_switch_point();
}

void avfs_lock_enter_shared(avfs_lock *l) {
  sim_switch_point();
  while (state_of(l) < 0) wait_for_lock(is_not_exclusive, l, "a lock, shared");
  set_state(l, state_of(l) + 1);
  ++*sim_locks_held;
}

void avfs_lock_leave_shared(avfs_lock *l) {
  if (state_of(l) <= 0) sim_fail("a lock is left that was not held shared");
  set_state(l, state_of(l) - 1);
  --*sim_locks_held;
  sim_switch_point();
}

/* avfs_cond.os counts the times that it was woken. */
typedef struct cond_wait {
  const avfs_cond *c;
  void *seen;
} cond_wait;

static int is_woken(void *arg) {
  cond_wait *w = arg;
  return w->c->os != w->seen;
}

int avfs_cond_wait(avfs_cond *c, avfs_lock *l, uint32_t timeout_ms) {
  cond_wait w = {c, c->os};
  uint64_t until = timeout_ms == AVFS_FOREVER ? SIM_NEVER
                                              : sim_now_ns + (uint64_t)timeout_ms * 1000000;
  int woken;
  if (state_of(l) != -1) sim_fail("a wait without its lock");
  set_state(l, 0);
  --*sim_locks_held;
  c->waiters++;
  woken = sim_wait(is_woken, &w, until, "a condition");
  while (state_of(l) != 0) wait_for_lock(is_free, l, "a lock, after a condition");
  take(l);
  c->waiters--;
  return woken;
}

void avfs_cond_wake_all(avfs_cond *c) {
  if (c->waiters > 0) c->os = (char *)c->os + 1;
}

int avfs_thread_start(void (*run)(void *arg), void *arg) {
  sim_thread("the library", run, arg);
  return 1;
}

uint32_t avfs_thread_id(void) { return (uint32_t)sim_thread_number() + 1; }

int64_t avfs_counter_get(avfs_counter *c) { return c->value; }
void avfs_counter_set(avfs_counter *c, int64_t n) { c->value = n; }
int64_t avfs_counter_add(avfs_counter *c, int64_t n) { return c->value += n; }

/* ---- log.h ------------------------------------------------------------------------- */

void avfs_log_line(const char *text) { (void)text; }

/* ---- environment.h ------------------------------------------------------------------- */

int avfs_environment_is(const char *name, const char *value) {
  (void)name;
  (void)value;
  return 0;
}

/* ---- io.h -------------------------------------------------------------------------- */

struct avfs_file {
  sim_disk *disk;
  sim_file *file;
  int removable;   /* a journal, not the database */
  int in_flight;
  int alone;       /* of them one that claims to be the only one */
};

enum { QUEUE = 64, MADE_UP_ERROR = 1117 };

int sim_flush_ms = 2;
int sim_exiting;
int sim_strangers, sim_alone = -1;
static avfs_op *queue[QUEUE];   /* issued and not handed out yet */
static uint32_t queued;
static avfs_op *ready[QUEUE];   /* completed at once, for a thread of the pool */
static uint32_t ready_count;
static uint32_t pool;           /* a bit for each thread that has waited */
static uint32_t open_files;
static uint32_t last_error;

/* In flight when the process ended. */
static avfs_op *late[QUEUE];
static uint32_t late_count;
int sim_late_hangs;

/* avfs_op.os: [0] what it is, [1] hash of its bytes, [2] 1: it is on the disk already, [3] when
 * it ends, if it is late, [4] 1: it is cancelled. */
enum { OP_POST, OP_READ, OP_WRITE };

static int fails(const char *what, const avfs_file *f) {
  if (!sim_fails(&sim_io_faults, what, f == NULL ? NULL : f->file->name)) return 0;
  last_error = MADE_UP_ERROR;
  return 1;
}

static void late_ends(void);

static void no_lock_held(const char *call) {
  late_ends();
  if (*sim_locks_held > 0 && !sim_exiting) sim_fail("%s is called with a lock held", call);
}

static int io_start(void) { return SQLITE_OK; }

static int io_open(const char *path, int how, avfs_file **file_out) {
  int create = how == AVFS_OPEN_CREATE;
  sim_file *file;
  avfs_file *f;
  *file_out = NULL;
  no_lock_held("open");
  sim_switch_point();
  /* A database that cannot be opened is passed through for good: another program. */
  if (create && fails("open", NULL)) return SQLITE_IOERR;   /* not CANTOPEN: no rule forbids it */
  file = sim_disk_open(sim_current_disk, path, create);
  if (file == NULL) {
    last_error = 2;
    return SQLITE_CANTOPEN;
  }
  f = calloc(1, sizeof *f);
  f->disk = sim_current_disk;
  f->file = file;
  f->removable = create;
  open_files++;
  *file_out = f;
  sim_switch_point();
  return SQLITE_OK;
}

static void io_close(avfs_file *f) {
  no_lock_held("close");
  if (f->in_flight > 0) sim_fail("%s is closed with operations in flight", f->file->name);
  sim_disk_close(f->disk, f->file);
  open_files--;
  memset(f, 0xdd, sizeof *f);   /* who uses it again shall fall */
  free(f);
}

static int io_remove(avfs_file *f) {
  sim_disk *d = f->disk;
  sim_file *file = f->file;
  int rc = SQLITE_OK;
  no_lock_held("remove");
  sim_switch_point();
  if (!f->removable) sim_fail("%s is removed through a handle of another kind", file->name);
  if (fails("remove", f)) {
    io_close(f);
    return SQLITE_IOERR_DELETE;
  }
  file->handles++;   /* keeps it over the close */
  io_close(f);
  file->handles--;
  if (!sim_disk_delete(d, file)) {
    last_error = 32;
    rc = SQLITE_BUSY;   /* a stock PERSIST or TRUNCATE connection has it open */
  }
  sim_switch_point();   /* the thread may end before it knows that f is gone */
  return rc;
}

/* `file` is found by one of its names. Its place is where it was created. */
static void identify(sim_disk *d, const sim_file *file, const char *path, avfs_identity *id_out) {
  uint32_t i;
  memset(id_out, 0, sizeof *id_out);
  id_out->volume = 1;
  id_out->index_low = file->id;
  for (i = 0; i < d->live.count; i++) id_out->links += d->live.entries[i].file == file;
  id_out->is_own_name = strcmp(file->name, path) == 0;
  id_out->place = avfs_alloc(strlen(file->name) + 1);
  if (id_out->place != NULL) strcpy(id_out->place, file->name);
}

static int io_identity(avfs_file *f, avfs_identity *id_out) {
  identify(f->disk, f->file, f->file->name, id_out);
  return id_out->place == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int io_path_identity(const char *path, avfs_identity *id_out) {
  const sim_file *file = sim_disk_find(sim_current_disk, path);
  if (file == NULL) return SQLITE_CANTOPEN;
  identify(sim_current_disk, file, path, id_out);
  return id_out->place == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int io_links(avfs_file *f, uint32_t *links_out) {
  uint32_t i;
  no_lock_held("links");
  for (*links_out = i = 0; i < f->disk->live.count; i++) *links_out += f->disk->live.entries[i].file == f->file;
  return SQLITE_OK;
}

static int io_is_ordered(avfs_file *f) {
  (void)f;
  return 1;
}

/* Also of one that is being deleted, or when nobody can tell. */
static int io_exists(const char *path) {
  sim_switch_point();
  return sim_disk_find(sim_current_disk, path) != NULL || fails("exists", NULL);
}

static int io_is_local(avfs_file *f) {
  (void)f;
  return 1;
}

static int io_others(avfs_file *f) {
  (void)f;
  no_lock_held("others");
  sim_switch_point();
  return sim_strangers > 0 ? 1 : sim_alone;
}

static void enqueue(avfs_op *op, int what) {
  if (queued == QUEUE) sim_fail("too many operations");
  op->os[0] = (uint64_t)what;
  op->os[2] = op->os[4] = 0;
  queue[queued++] = op;
}

static void describe(void *p, sim_in_flight *out) {
  avfs_op *op = p;
  out->file = op->file->file;
  out->data = op->data;
  out->bytes = op->bytes;
  out->offset = op->offset;
}

static void flight_ends(avfs_op *op) {
  sim_disk *d = op->file->disk;
  uint32_t i = 0;
  while (d->in_flight[i] != op) i++;
  d->in_flight[i] = d->in_flight[--d->in_flight_count];
  if (op->os[1] != sim_hash(0, op->data, op->bytes)) {
    sim_fail("the bytes of a write to %s at %llu changed in flight", op->file->file->name,
             (unsigned long long)op->offset);
  }
  sim_disk_write(d, op->file->file, op->data, op->bytes, op->offset);
  op->os[2] = 1;
}

static void complete(avfs_op *op);

/* What the kernel has is the kernel's. */
static void check_not_late(const avfs_op *op) {
  uint32_t i;
  late_ends();
  for (i = 0; i < late_count; i++) {
    const char *a = late[i]->data, *b = op->data;
    if (late[i] == op) sim_fail("an operation of %s that is in flight is started again", op->file->file->name);
    if (a < b + op->bytes && b < a + late[i]->bytes) {
      sim_fail("a buffer that is in flight to %s is used again", late[i]->file->file->name);
    }
  }
}

/* An operation may complete when it is started: for one that a thread of the pool
 * started, that is seen in the list of ready ones. */
static void start(avfs_op *op, int what) {
  sim_disk *d = op->file->disk;
  check_not_late(op);
  if (!op->file->removable && avfs_has_lock_bytes(op->offset, op->bytes)) {
    sim_fail("the lock bytes of %s are %s", op->file->file->name, what == OP_READ ? "read" : "written");
  }
  if (op->file->in_flight > 0 && (op->alone || op->file->alone)) {
    sim_fail("an operation of %s is not alone", op->file->file->name);
  }
  op->file->in_flight++;
  op->file->alone = op->alone;
  enqueue(op, what);
  if (what == OP_WRITE) {
    op->os[1] = sim_hash(0, op->data, op->bytes);
    d->in_flight[d->in_flight_count++] = op;
    if (d->stepped != NULL) d->stepped(d);
  }
  if ((pool >> sim_thread_number() & 1) && sim_chance(&sim_fate, 400000)) {
    queued--;
    complete(op);
    ready[ready_count++] = op;
  } else if (what == OP_WRITE && !sim_may_fail(&sim_io_faults) && sim_chance(&sim_fate, 300000)) {
    flight_ends(op);   /* on the disk, and not seen yet */
  }
  sim_switch_point();
}

static void io_read(avfs_op *op) { start(op, OP_READ); }
static void io_write(avfs_op *op) { start(op, OP_WRITE); }

static void io_post(avfs_op *op) {
  op->rc = SQLITE_OK;
  op->os_error = 0;
  op->transferred = 0;
  enqueue(op, OP_POST);
}

static void complete_write(avfs_op *op) {
  if (op->os[2]) return;
  if (op->os[4] || fails("write", op->file)) {
    sim_disk *d = op->file->disk;
    uint32_t i = 0, part = sim_below(&sim_fate, op->bytes + 1);
    while (d->in_flight[i] != op) i++;
    d->in_flight[i] = d->in_flight[--d->in_flight_count];
    if (part > 0) sim_disk_write(d, op->file->file, op->data, part, op->offset);
    op->rc = sim_chance(&sim_fate, 500000) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    op->os_error = MADE_UP_ERROR;
    op->transferred = 0;
    return;
  }
  flight_ends(op);
}

static void complete(avfs_op *op) {
  if (op->os[0] == OP_POST) return;
  op->rc = SQLITE_OK;
  op->os_error = 0;
  op->transferred = op->bytes;
  if (op->os[0] == OP_READ) {
    if (fails("read", op->file)) {
      op->rc = SQLITE_IOERR_READ;
      op->os_error = MADE_UP_ERROR;
      op->transferred = 0;
    } else {
      op->transferred = sim_file_read(op->file->file, op->data, op->bytes, op->offset);
    }
  } else {
    complete_write(op);
  }
  op->file->in_flight--;
}

static int has_queued(void *arg) {
  (void)arg;
  return queued > 0;
}

static avfs_op *io_wait(uint32_t timeout_ms) {
  uint64_t until = timeout_ms == AVFS_FOREVER ? SIM_NEVER
                                              : sim_now_ns + (uint64_t)timeout_ms * 1000000;
  avfs_op *op;
  uint32_t i;
  no_lock_held("wait");
  pool |= 1u << sim_thread_number();
  if (!sim_wait(has_queued, NULL, until, "a completion")) return NULL;
  i = sim_below(&sim_fate, queued);
  op = queue[i];
  queue[i] = queue[--queued];
  complete(op);
  return op;
}

static avfs_op *io_ready(void) {
  avfs_op *op = NULL;
  if (ready_count > 0) {
    uint32_t i = sim_below(&sim_fate, ready_count);
    op = ready[i];
    ready[i] = ready[--ready_count];
  }
  return op;
}

static void io_leave(void) { pool &= ~(1u << sim_thread_number()); }

static int never(void *arg) {
  (void)arg;
  return 0;
}

void sim_seam_process_ends(void) {
  uint32_t i;
  ready_count = 0;
  for (i = 0; i < queued; i++) {
    avfs_op *op = queue[i];
    if (op->os[0] == OP_POST) continue;
    late[late_count++] = op;
    op->os[3] = sim_now_ns + sim_below(&sim_fate, sim_chance(&sim_fate, 800000) ? 30 : 1500) * (uint64_t)1000000;
    if (sim_chance(&sim_fate, 20000)) op->os[3] = SIM_NEVER;
  }
  queued = 0;
}

/* Ends those whose time has come; nobody hears of it. */
static void late_ends(void) {
  uint32_t i = 0;
  while (i < late_count) {
    avfs_op *op = late[i];
    if (op->os[3] > sim_now_ns) {
      i++;
      continue;
    }
    late[i] = late[--late_count];
    sim_note("LATE   %s of %s %u at %llu", op->os[0] == OP_READ ? "read" : "write", op->file->file->name,
             op->bytes, (unsigned long long)op->offset);
    complete(op);
  }
}

static int is_late(const avfs_op *op) {
  uint32_t i = 0;
  while (i < late_count && late[i] != op) i++;
  return i < late_count;
}

static int io_settle(avfs_op *op, uint32_t timeout_ms) {
  uint64_t until = sim_now_ns + (uint64_t)timeout_ms * 1000000;
  late_ends();
  if (!is_late(op)) return 1;
  if (op->os[3] != SIM_NEVER && !op->os[4] && sim_chance(&sim_fate, 500000)) {
    op->os[4] = 1;   /* what of it has taken place stays */
    op->os[3] = sim_now_ns + sim_below(&sim_fate, 5000000);
  }
  (void)sim_wait(never, NULL, op->os[3] < until ? op->os[3] : until, "what is in flight");
  late_ends();
  if (is_late(op) && op->os[3] == SIM_NEVER) sim_late_hangs = 1;
  return !is_late(op);
}

static int io_flush(avfs_file *f) {
  uint64_t order;
  no_lock_held("flush");
  order = sim_flush_begin(f->disk);
  if (sim_frozen == 0 && sim_flush_ms > 0) {
    sim_wait(never, NULL, sim_now_ns + sim_below(&sim_fate, (uint32_t)sim_flush_ms * 1000000),
             "a flush");
  }
  if (fails("flush", f)) {
    sim_flush_failed(f->disk, f->file, &sim_fate);
    return SQLITE_IOERR_FSYNC;
  }
  sim_flush_end(f->disk, f->file, order);
  sim_switch_point();
  return SQLITE_OK;
}

static int io_size(avfs_file *f, uint64_t *bytes_out) {
  no_lock_held("size");
  sim_switch_point();
  *bytes_out = f->file->live.size;
  return fails("size", f) ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int io_resize(avfs_file *f, uint64_t bytes) {
  no_lock_held("resize");
  sim_switch_point();
  if (fails("resize", f)) return sim_chance(&sim_fate, 500000) ? SQLITE_FULL : SQLITE_IOERR_TRUNCATE;
  if (sim_disk_is_mapped(f->file, bytes)) sim_fail("%s is cut below a view of it", f->file->name);
  sim_disk_resize(f->disk, f->file, bytes);
  sim_switch_point();
  return SQLITE_OK;
}

static int io_map(avfs_file *f, uint64_t most, void **view_out, uint64_t *bytes_out) {
  no_lock_held("map");
  sim_switch_point();
  *view_out = fails("map", f) ? NULL : sim_disk_map(f->file, most, bytes_out);
  sim_switch_point();
  return *view_out != NULL ? SQLITE_OK : SQLITE_IOERR_MMAP;
}

static void io_unmap(void *view) {
  no_lock_held("unmap");
  sim_disk_unmap(view);
  sim_switch_point();
}

/* Files that are memory. */
typedef struct mapping {
  avfs_mapping m;
  sim_disk *disk;
  sim_file *file;
  int writes;
} mapping;

uint64_t sim_ring_bytes = 256 << 10;
static mapping *written[8];
static int written_count;

/* A page of it cannot be had: the file stays as it is, perhaps without the last stores; what the process
 * stores from now on is its own. */
static void page_fails(mapping *m) {
  if (sim_chance(&sim_fate, 500000)) sim_disk_stored(m->disk);
  m->m.failed = 1;
  m->file->memory = NULL;
  sim_note("FAULT  in a page of %s", m->file->name);
  sim_io_faults.failed++;
  sim_crash_ring_failed(m->file->name);
}

static void page_may_fail(void) {
  if (written_count == 0 || sim_io_faults.rate == 0 || sim_frozen > 0) return;
  if (sim_chance(&sim_fate, sim_io_faults.rate / 50)) {
    mapping *m = written[sim_below(&sim_fate, (uint32_t)written_count)];
    if (!m->m.failed) page_fails(m);
  }
}

static int io_map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out) {
  int writes = how == AVFS_MAP_WRITE;
  sim_file *file;
  mapping *m;
  *m_out = NULL;
  no_lock_held("map_file");
  sim_switch_point();
  if (fails("map_file", NULL)) return sim_chance(&sim_fate, 500000) ? SQLITE_FULL : SQLITE_IOERR_MMAP;
  file = sim_disk_open(sim_current_disk, path, writes);
  if (file == NULL) return SQLITE_CANTOPEN;
  if (writes && file->memory != NULL) {
    sim_disk_close(sim_current_disk, file);
    return SQLITE_BUSY;
  }
  if (bytes > sim_ring_bytes) bytes = sim_ring_bytes;   /* images have it all: a small one */
  if (writes && file->live.size < bytes) {
    uint32_t n = (uint32_t)(bytes - file->live.size);
    void *zeros = calloc(1, n);
    sim_disk_write(sim_current_disk, file, zeros, n, file->live.size);
    free(zeros);
  }
  if (file->live.size == 0) {
    sim_disk_close(sim_current_disk, file);
    return SQLITE_EMPTY;
  }
  m = calloc(1, sizeof *m);
  m->disk = sim_current_disk;
  m->file = file;
  m->writes = writes;
  m->m.bytes = file->live.size;
  if (writes) {
    m->m.at = sim_disk_memory(m->disk, file);
    if (written_count == 8) sim_fail("too many rings");
    written[written_count++] = m;
  } else {
    m->m.at = malloc(m->m.bytes);
    sim_disk_stored(m->disk);
    memcpy(m->m.at, file->live.data, m->m.bytes);
  }
  open_files++;
  *m_out = &m->m;
  sim_switch_point();
  return SQLITE_OK;
}

/* Closed, but for its name: which the answer keeps from being forgotten. */
static mapping *end_mapping(avfs_mapping *mapped) {
  mapping *m = (mapping *)mapped;
  int i = 0;
  if (m->writes) {
    while (written[i] != m) i++;
    written[i] = written[--written_count];
  }
  if (m->writes && !m->m.failed) sim_disk_no_memory(m->disk, m->file);
  else free(m->m.at);
  open_files--;
  m->file->handles--;
  return m;
}

static int io_unmap_file(avfs_mapping *mapped, int remove) {
  mapping *m;
  int rc = SQLITE_OK;
  no_lock_held("unmap_file");
  m = end_mapping(mapped);
  if (remove && fails("remove", NULL)) rc = SQLITE_IOERR_DELETE;
  else if (remove && !sim_disk_delete(m->disk, m->file)) rc = SQLITE_BUSY;
  m->file->handles++;
  sim_disk_close(m->disk, m->file);
  free(m);
  sim_switch_point();
  return rc;
}

static int io_rename_file(avfs_mapping *mapped, const char *path) {
  mapping *m;
  int rc = SQLITE_OK;
  no_lock_held("rename_file");
  m = end_mapping(mapped);
  if (fails("rename", NULL) || m->file->handles > 0) rc = SQLITE_IOERR;
  else sim_disk_rename(m->disk, m->file, path);
  m->file->handles++;
  sim_disk_close(m->disk, m->file);
  free(m);
  sim_switch_point();
  return rc;
}

uint64_t sim_boot = 1;
static uint64_t io_boot(void) { return sim_boot; }

static uint64_t io_now(void) { return sim_now_ns; }

static uint32_t io_error(void) { return last_error; }

const avfs_io sim_io = {
    .start = io_start,
    .open = io_open,
    .close = io_close,
    .remove = io_remove,
    .identity = io_identity,
    .path_identity = io_path_identity,
    .links = io_links,
    .is_local = io_is_local,
    .is_ordered = io_is_ordered,
    .exists = io_exists,
    .others = io_others,
    .read = io_read,
    .write = io_write,
    .flush = io_flush,
    .size = io_size,
    .resize = io_resize,
    .map = io_map,
    .unmap = io_unmap,
    .map_file = io_map_file,
    .unmap_file = io_unmap_file,
    .rename_file = io_rename_file,
    .boot = io_boot,
    .post = io_post,
    .ready = io_ready,
    .wait = io_wait,
    .leave = io_leave,
    .settle = io_settle,
    .now_ns = io_now,
    .os_error = io_error,
};

const char *avfs_os_error_text(uint32_t os_error) {
  return os_error == MADE_UP_ERROR ? "a simulated fault" : NULL;
}

void sim_seam_start(void) { sim_describe_in_flight = describe; }

void sim_seam_end(void) {
  if (open_files > 0) sim_fail("%u files are still open through the seam", open_files);
  if (sim_disk_views() > 0) sim_fail("%d views are still mapped", sim_disk_views());
  if (sim_heap_blocks > 0) {
    sim_fail("%llu blocks of memory were not freed", (unsigned long long)sim_heap_blocks);
  }
}
