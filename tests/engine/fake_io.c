/* fake_io.c: see fake_io.h. */
#include "fake_io.h"

#include <stdlib.h>
#include <string.h>

#include "../harness.h"
#include "seam/sqlite_api.h"

enum { FILES = 4, QUEUE = 64, SECTOR = 512, ERROR_OF_DEVICE = 1117 };

struct fake_machine fake;

static avfs_file files[FILES];

static struct queued {
  avfs_op *op;
  bool writes, fails;
  uint64_t sum;   /* of a write's buffer, when it was handed over */
} queue[QUEUE];
static int queued;

/* ---- bytes ------------------------------------------------------------------ */

void fake_bytes_resize(fake_bytes *b, size_t n) {
  unsigned char *p = realloc(b->p, n + 1);
  if (p == NULL) abort();
  if (n > b->n) memset(p + b->n, 0, n - b->n);
  b->p = p;
  b->n = n;
}

void fake_bytes_set(fake_bytes *b, const void *p, size_t n) {
  fake_bytes_resize(b, n);
  if (n > 0) memcpy(b->p, p, n);
}

void fake_bytes_free(fake_bytes *b) {
  free(b->p);
  b->p = NULL;
  b->n = 0;
}

static void bytes_write(fake_bytes *b, const unsigned char *p, uint64_t offset, size_t n) {
  if (offset + n > b->n) fake_bytes_resize(b, (size_t)(offset + n));
  memcpy(b->p + offset, p, n);
}

/* Some of the sectors, or all, or none. */
static void bytes_write_torn(fake_bytes *b, const unsigned char *p, uint64_t offset, uint32_t n) {
  uint64_t how = rng_below(3);
  if (how == 0) return;
  for (uint32_t at = 0, k; at < n; at += k) {
    k = SECTOR - (uint32_t)((offset + at) % SECTOR);
    if (k > n - at) k = n - at;
    if (how == 1 || rng_below(2) == 0) bytes_write(b, p + at, offset + at, k);
  }
}

static uint64_t sum_of(const avfs_op *op) {
  const unsigned char *p = op->data;
  uint64_t sum = op->offset;
  for (uint32_t i = 0; i < op->bytes; i++) sum = sum * 31 + p[i];
  return sum;
}

/* ---- files ------------------------------------------------------------------ */

static void forget_pending(avfs_file *f) {
  while (f->pending != NULL) {
    fake_change *c = f->pending;
    f->pending = c->next;
    free(c);
  }
}

static void append(avfs_file *f, bool resize, uint64_t offset, const void *p, uint32_t n) {
  fake_change **at = &f->pending;
  fake_change *c = malloc(sizeof *c + n);
  if (c == NULL) abort();
  c->next = NULL;
  c->resize = resize;
  c->lost = false;
  c->offset = offset;
  c->bytes = n;
  if (n > 0) memcpy(c->data, p, n);
  while (*at != NULL) at = &(*at)->next;
  *at = c;
}

static void apply(fake_bytes *b, const fake_change *c) {
  if (c->resize) fake_bytes_resize(b, (size_t)c->offset);
  else bytes_write(b, c->data, c->offset, c->bytes);
}

avfs_file *fake_io_file(const char *path) {
  for (int i = 0; i < FILES; i++) {
    if (files[i].path[0] == 0) strncpy(files[i].path, path, sizeof files[i].path - 1);
    if (strcmp(files[i].path, path) == 0) return &files[i];
  }
  abort();
}

void fake_io_put(const char *path, const void *p, uint64_t n) {
  avfs_file *f = fake_io_file(path);
  forget_pending(f);
  fake_bytes_set(&f->written, p, (size_t)n);
  fake_bytes_set(&f->durable, p, (size_t)n);
  f->exists = true;
}

void fake_io_reset(void) {
  for (int i = 0; i < FILES; i++) {
    forget_pending(&files[i]);
    fake_bytes_free(&files[i].written);
    fake_bytes_free(&files[i].durable);
  }
  memset(files, 0, sizeof files);
  memset(&fake, 0, sizeof fake);
  queued = 0;
}

bool fake_io_in_flight(const avfs_file *f) {
  for (int i = 0; i < queued; i++) {
    if (queue[i].op->file == f) return true;
  }
  return false;
}

fake_bytes fake_io_crash(const avfs_file *f) {
  fake_bytes b = {NULL, 0};
  fake_bytes_set(&b, f->durable.p, f->durable.n);
  for (const fake_change *c = f->pending; c != NULL; c = c->next) {
    if (c->lost) continue;
    if (!c->resize) bytes_write_torn(&b, c->data, c->offset, c->bytes);
    else if (rng_below(2) == 0) apply(&b, c);
  }
  for (int i = 0; i < queued; i++) {
    const avfs_op *op = queue[i].op;
    if (op->file == f && queue[i].writes) bytes_write_torn(&b, op->data, op->offset, op->bytes);
  }
  return b;
}

/* ---- calls ------------------------------------------------------------------ */

/* Numbers the call, shows it, and says whether it is to fail. */
static bool call_fails(fake_kind kind, avfs_file *f, uint64_t offset, uint32_t bytes,
                       const void *data) {
  fake_call call = {kind, f, offset, bytes, data};
  if (fake.watch != NULL) fake.watch(&call);
  fake.calls++;
  if (fake.fail_from == 0 || fake.calls < fake.fail_from ||
      fake.calls - fake.fail_from >= fake.fail_count) {
    return false;
  }
  fake.failed++;
  return true;
}

static int fake_start(void) { return SQLITE_OK; }

static int fake_open(const char *path, int how, avfs_file **file_out) {
  avfs_file *f = fake_io_file(path);
  *file_out = NULL;
  if (call_fails(FAKE_OPEN, NULL, 0, 0, NULL)) return SQLITE_CANTOPEN;
  CHECK(!f->open);
  if (!f->exists && how == AVFS_OPEN_EXISTING) return SQLITE_CANTOPEN;
  f->exists = f->open = true;
  *file_out = f;
  return SQLITE_OK;
}

static void fake_close(avfs_file *f) {
  CHECK(!fake_io_in_flight(f));
  f->open = false;
}

static int fake_remove(avfs_file *f) {
  bool fails = call_fails(FAKE_REMOVE, f, 0, 0, NULL);
  fake_close(f);
  if (fails) return SQLITE_IOERR_DELETE;
  forget_pending(f);
  fake_bytes_resize(&f->written, 0);
  fake_bytes_resize(&f->durable, 0);
  f->exists = false;
  return SQLITE_OK;
}

static int fake_identity(avfs_file *f, avfs_identity *id_out) {
  memset(id_out, 0, sizeof *id_out);
  id_out->index_low = (uint64_t)(f - files) + 1;
  return SQLITE_OK;
}

/* The engine asks for neither. */
static int fake_path_identity(const char *path, avfs_identity *id_out) {
  (void)path;
  memset(id_out, 0, sizeof *id_out);
  return SQLITE_CANTOPEN;
}

static int fake_links(avfs_file *f, uint32_t *links_out) {
  (void)f;
  *links_out = 1;
  return SQLITE_OK;
}

static int fake_is_ordered(avfs_file *f) {
  (void)f;
  return 1;
}

static int fake_exists(const char *path) {
  for (int i = 0; i < FILES; i++) {
    if (strcmp(files[i].path, path) == 0) return files[i].exists;
  }
  return fake.super_stays;   /* no file of the batch's */
}

static int fake_is_local(avfs_file *f) {
  (void)f;
  return 1;
}

static int fake_map(avfs_file *f, uint64_t most, void **view_out, uint64_t *bytes_out) {
  (void)f;
  (void)most;
  *view_out = NULL;
  *bytes_out = 0;
  return SQLITE_IOERR_MMAP;
}

static void fake_unmap(void *view) { (void)view; }

/* No room of files that are memory uses this machine. */
static int fake_map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out) {
  (void)path;
  (void)how;
  (void)bytes;
  *m_out = NULL;
  return SQLITE_CANTOPEN;
}

static uint64_t fake_boot(void) { return 1; }

static int fake_others(avfs_file *f) {
  (void)f;
  return -1;
}

static int fake_size(avfs_file *f, uint64_t *bytes_out) {
  *bytes_out = 0;
  if (call_fails(FAKE_SIZE, f, 0, 0, NULL)) return SQLITE_IOERR_FSTAT;
  *bytes_out = f->written.n;
  return SQLITE_OK;
}

static int fake_resize(avfs_file *f, uint64_t bytes) {
  CHECK(!fake_io_in_flight(f));
  if (call_fails(FAKE_RESIZE, f, bytes, 0, NULL)) return SQLITE_IOERR_TRUNCATE;
  if (fake.mapped && bytes < f->written.n) return SQLITE_OK;
  fake_bytes_resize(&f->written, (size_t)bytes);
  append(f, true, bytes, NULL, 0);
  return SQLITE_OK;
}

static void flush_failed(avfs_file *f) {
  for (fake_change *c = f->pending; c != NULL; c = c->next) {
    if (c->resize || c->lost) continue;   /* the file system's own log has the size */
    if (rng_below(2) == 0) bytes_write_torn(&f->durable, c->data, c->offset, c->bytes);
    c->lost = true;
  }
}

static int fake_flush(avfs_file *f) {
  CHECK(!fake_io_in_flight(f));
  if (call_fails(FAKE_FLUSH, f, 0, 0, NULL)) {
    flush_failed(f);
    return SQLITE_IOERR_FSYNC;
  }
  fake.flushes++;
  for (fake_change *c = f->pending; c != NULL; c = c->next) {
    if (!c->lost) apply(&f->durable, c);
  }
  forget_pending(f);
  return SQLITE_OK;
}

/* ---- operations --------------------------------------------------------------- */

static void perform(struct queued q) {
  avfs_op *op = q.op;
  avfs_file *f = op->file;
  op->os_error = 0;
  op->transferred = 0;
  if (q.writes && sum_of(op) != q.sum) FAIL("a buffer in flight was changed");
  if (q.writes && q.fails) {
    fake_bytes torn = {NULL, 0};
    fake_bytes_set(&torn, f->written.p, f->written.n);
    bytes_write_torn(&torn, op->data, op->offset, op->bytes);
    if (torn.n > f->written.n) fake_bytes_resize(&f->written, torn.n);
    if (op->offset + op->bytes <= torn.n) {
      append(f, false, op->offset, torn.p + op->offset, op->bytes);
      memcpy(f->written.p, torn.p, torn.n);
    }
    fake_bytes_free(&torn);
  } else if (q.writes) {
    bytes_write(&f->written, op->data, op->offset, op->bytes);
    append(f, false, op->offset, op->data, op->bytes);
    op->transferred = op->bytes;
  } else if (!q.fails && op->offset < f->written.n) {
    uint64_t have = f->written.n - op->offset;
    op->transferred = have < op->bytes ? (uint32_t)have : op->bytes;
    memcpy(op->data, f->written.p + op->offset, op->transferred);
  }
  op->rc = !q.fails ? SQLITE_OK : q.writes ? SQLITE_IOERR_WRITE : SQLITE_IOERR_READ;
  if (q.fails) op->os_error = ERROR_OF_DEVICE;
  op->done(op);
}

static void enqueue(avfs_op *op, bool writes) {
  struct queued q = {op, writes, false, writes ? sum_of(op) : 0};
  CHECK(op->bytes > 0 && op->file->open);
  for (int i = 0; i < queued; i++) {
    const avfs_op *other = queue[i].op;
    if (other == op) FAIL("an operation of %s that is in flight is started again", op->file->path);
    if (other->file == op->file && (op->alone || other->alone)) {
      FAIL("an operation of %s is not alone", op->file->path);
    }
    if (other->file == op->file && (writes || queue[i].writes) &&
        other->offset < op->offset + op->bytes && op->offset < other->offset + other->bytes) {
      FAIL("two operations in flight overlap in %s: %llu+%u, %llu+%u", op->file->path,
           (unsigned long long)op->offset, op->bytes, (unsigned long long)other->offset, other->bytes);
    }
  }
  q.fails = call_fails(writes ? FAKE_WRITE : FAKE_READ, op->file, op->offset, op->bytes, op->data);
  if (fake.complete_at_once) {
    perform(q);
    return;
  }
  if (queued == QUEUE) abort();
  queue[queued++] = q;
}

static void fake_read(avfs_op *op) { enqueue(op, false); }
static void fake_write(avfs_op *op) { enqueue(op, true); }

bool fake_io_complete(void) {
  if (queued == 0) return false;
  int i = (int)rng_below((uint64_t)queued);
  struct queued q = queue[i];
  queue[i] = queue[--queued];
  perform(q);
  return true;
}

static void not_called(avfs_op *op) { (void)op; }

void fake_io_abandon(void) {
  for (int i = 0; i < queued; i++) queue[i].op->done = not_called;
}

static int fake_settle(avfs_op *op, uint32_t timeout_ms) {
  (void)timeout_ms;
  for (int i = 0; i < queued; i++) {
    struct queued q = queue[i];
    if (q.op != op) continue;
    if (fake.hangs) return 0;
    queue[i] = queue[--queued];
    if (rng_below(2) == 0) perform(q);
  }
  return 1;
}

static uint64_t fake_now_ns(void) { return fake.calls; }

static uint32_t fake_os_error(void) { return ERROR_OF_DEVICE; }

/* What only the pool's threads call is left out: there are none. */
const avfs_io fake_io = {
    .start = fake_start,
    .open = fake_open,
    .close = fake_close,
    .remove = fake_remove,
    .identity = fake_identity,
    .path_identity = fake_path_identity,
    .links = fake_links,
    .is_local = fake_is_local,
    .is_ordered = fake_is_ordered,
    .exists = fake_exists,
    .others = fake_others,
    .read = fake_read,
    .write = fake_write,
    .settle = fake_settle,
    .flush = fake_flush,
    .size = fake_size,
    .resize = fake_resize,
    .map = fake_map,
    .unmap = fake_unmap,
    .map_file = fake_map_file,
    .boot = fake_boot,
    .now_ns = fake_now_ns,
    .os_error = fake_os_error,
};
