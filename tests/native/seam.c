/* seam.c: see seam.h. */
#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vfs/vfs.h"
#include "seam/environment.h"
#include "seam/heap.h"
#include "seam/log.h"
#include "seam/sync.h"

const sqlite3_api_routines *sqlite3_api;
unsigned native_flush_us = 2000;

static void must(int failed) {
  if (failed) abort();
}

static __thread uint64_t chance_state;

/* Only spreads the threads' timing: not seeded. */
static uint32_t chance(uint32_t n) {
  if (chance_state == 0) chance_state = (uint64_t)(uintptr_t)&chance_state | 1;
  chance_state = chance_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((chance_state >> 33) % n);
}

/* ---- heap.h ---------------------------------------------------------------------- */

static atomic_long blocks;

long native_heap_blocks(void) { return blocks; }

void *avfs_alloc(size_t bytes) {
  void *p = malloc(bytes == 0 ? 1 : bytes);
  if (p != NULL) blocks++;
  return p;
}

void *avfs_alloc_zero(size_t bytes) {
  void *p = calloc(1, bytes == 0 ? 1 : bytes);
  if (p != NULL) blocks++;
  return p;
}

void avfs_free(void *p) {
  if (p == NULL) return;
  blocks--;
  free(p);
}

/* ---- sync.h ------------------------------------------------------------------------ */

typedef struct real_cond {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  uint64_t wakes;
} real_cond;

/* The object behind *os; the first thread that needs it makes it. */
static void *behind(void **os, size_t bytes, void (*init)(void *p)) {
  _Atomic(void *) *at = (_Atomic(void *) *)os;
  void *p = atomic_load(at), *made;
  if (p != NULL) return p;
  made = calloc(1, bytes);
  must(made == NULL);
  init(made);
  if (atomic_compare_exchange_strong(at, &p, made)) return made;
  free(made);
  return p;
}

static void init_lock(void *p) { must(pthread_rwlock_init(p, NULL)); }

static void init_cond(void *p) {
  real_cond *c = p;
  pthread_condattr_t a;
  must(pthread_mutex_init(&c->mutex, NULL));
  must(pthread_condattr_init(&a) || pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
  must(pthread_cond_init(&c->cond, &a));
}

static pthread_rwlock_t *lock_of(avfs_lock *l) {
  return behind(&l->os, sizeof(pthread_rwlock_t), init_lock);
}

static real_cond *cond_of(avfs_cond *c) { return behind(&c->os, sizeof(real_cond), init_cond); }

void avfs_lock_enter(avfs_lock *l) { must(pthread_rwlock_wrlock(lock_of(l))); }
int avfs_lock_try_enter(avfs_lock *l) { return pthread_rwlock_trywrlock(lock_of(l)) == 0; }
void avfs_lock_leave(avfs_lock *l) { must(pthread_rwlock_unlock(lock_of(l))); }
void avfs_lock_enter_shared(avfs_lock *l) { must(pthread_rwlock_rdlock(lock_of(l))); }
void avfs_lock_leave_shared(avfs_lock *l) { must(pthread_rwlock_unlock(lock_of(l))); }

static struct timespec from_now(uint32_t ms) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += ms / 1000;
  t.tv_nsec += (long)(ms % 1000) * 1000000;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
  return t;
}

/* With c->mutex held. Returns 0 when the time is up. */
static int wait_for_cond(real_cond *c, const struct timespec *until) {
  if (until == NULL) return pthread_cond_wait(&c->cond, &c->mutex) == 0;
  return pthread_cond_timedwait(&c->cond, &c->mutex, until) == 0;
}

int avfs_cond_wait(avfs_cond *cond, avfs_lock *l, uint32_t timeout_ms) {
  real_cond *c = cond_of(cond);
  struct timespec until = from_now(timeout_ms == AVFS_FOREVER ? 0 : timeout_ms);
  uint64_t seen;
  int woken = 1;
  cond->waiters++;
  must(pthread_mutex_lock(&c->mutex));
  seen = c->wakes;
  avfs_lock_leave(l);
  while (woken && c->wakes == seen) {
    woken = wait_for_cond(c, timeout_ms == AVFS_FOREVER ? NULL : &until);
  }
  must(pthread_mutex_unlock(&c->mutex));
  avfs_lock_enter(l);
  cond->waiters--;
  return woken;
}

void avfs_cond_wake_all(avfs_cond *cond) {
  real_cond *c;
  if (cond->waiters == 0) return;
  c = cond_of(cond);
  must(pthread_mutex_lock(&c->mutex));
  c->wakes++;
  must(pthread_cond_broadcast(&c->cond));
  must(pthread_mutex_unlock(&c->mutex));
}

struct start {
  void (*run)(void *arg);
  void *arg;
};

static void *thread_main(void *p) {
  struct start s = *(struct start *)p;
  free(p);
  s.run(s.arg);
  return NULL;
}

int avfs_thread_start(void (*run)(void *arg), void *arg) {
  struct start *s = malloc(sizeof *s);
  pthread_t thread;
  must(s == NULL);
  s->run = run;
  s->arg = arg;
  must(pthread_create(&thread, NULL, thread_main, s));
  return pthread_detach(thread) == 0;
}

uint32_t avfs_thread_id(void) {
  static atomic_uint last;
  static __thread uint32_t id;
  if (id == 0) id = ++last;
  return id;
}

int64_t avfs_counter_get(avfs_counter *c) { return __atomic_load_n(&c->value, __ATOMIC_SEQ_CST); }
void avfs_counter_set(avfs_counter *c, int64_t n) { __atomic_store_n(&c->value, n, __ATOMIC_SEQ_CST); }
int64_t avfs_counter_add(avfs_counter *c, int64_t n) { return __atomic_add_fetch(&c->value, n, __ATOMIC_SEQ_CST); }

/* ---- log.h ------------------------------------------------------------------------------ */

void avfs_log_line(const char *text) { (void)text; }

int avfs_environment_is(const char *name, const char *value) {
  (void)name;
  (void)value;
  return 0;
}

/* ---- io.h ----------------------------------------------------------------------------- */

struct avfs_file {
  int fd;
  char path[];
};

/* avfs_op.os: [0] the next in its list, [1] what it is. */
enum { OP_POST, OP_READ, OP_WRITE };

typedef struct op_list {
  avfs_op *first, **last;
} op_list;

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t submitted, completed;   /* to `work`, to `over` */
  op_list work, over;
  int started;
} port = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static __thread int is_pool_thread;
static __thread op_list at_once;
static __thread uint32_t last_error;

static avfs_op **next_of(avfs_op *op) { return (avfs_op **)&op->os[0]; }

static void push(op_list *list, avfs_op *op) {
  *next_of(op) = NULL;
  if (list->first == NULL) list->first = op;
  else *list->last = op;
  list->last = next_of(op);
}

static avfs_op *pop(op_list *list) {
  avfs_op *op = list->first;
  if (op != NULL) list->first = *next_of(op);
  return op;
}

static int failed(int rc) {
  last_error = (uint32_t)errno;
  return errno == ENOSPC ? SQLITE_FULL : rc;
}

static void perform(avfs_op *op) {
  uint32_t done = 0;
  op->rc = SQLITE_OK;
  op->os_error = 0;
  while (done < op->bytes) {
    char *p = (char *)op->data + done;
    off_t at = (off_t)(op->offset + done);
    ssize_t n = op->os[1] == OP_READ ? pread(op->file->fd, p, op->bytes - done, at)
                                     : pwrite(op->file->fd, p, op->bytes - done, at);
    if (n < 0) {
      op->rc = failed(op->os[1] == OP_READ ? SQLITE_IOERR_READ : SQLITE_IOERR_WRITE);
      op->os_error = last_error;
    }
    if (n <= 0) break;
    done += (uint32_t)n;
  }
  op->transferred = done;
}

static void complete(avfs_op *op) {
  must(pthread_mutex_lock(&port.mutex));
  push(&port.over, op);
  must(pthread_cond_signal(&port.completed));
  must(pthread_mutex_unlock(&port.mutex));
}

static void disk_main(void *arg) {
  (void)arg;
  for (;;) {
    avfs_op *op;
    must(pthread_mutex_lock(&port.mutex));
    while ((op = pop(&port.work)) == NULL) must(pthread_cond_wait(&port.submitted, &port.mutex));
    must(pthread_mutex_unlock(&port.mutex));
    perform(op);
    complete(op);
  }
}

/* Once, under the scheduler's lock. */
static int io_start(void) {
  pthread_condattr_t a;
  if (port.started) return SQLITE_OK;
  must(pthread_condattr_init(&a) || pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
  must(pthread_cond_init(&port.submitted, NULL) || pthread_cond_init(&port.completed, &a));
  port.started = avfs_thread_start(disk_main, NULL) && avfs_thread_start(disk_main, NULL);
  return SQLITE_OK;
}

static int io_open(const char *path, int how, avfs_file **file_out) {
  avfs_file *f;
  int fd = open(path, O_RDWR | O_CLOEXEC | (how == AVFS_OPEN_CREATE ? O_CREAT : 0), 0644);
  *file_out = NULL;
  if (fd < 0) return failed(SQLITE_CANTOPEN);
  f = malloc(sizeof *f + strlen(path) + 1);
  must(f == NULL);
  f->fd = fd;
  strcpy(f->path, path);
  *file_out = f;
  return SQLITE_OK;
}

static void io_close(avfs_file *f) {
  close(f->fd);
  free(f);
}

static int io_remove(avfs_file *f) {
  int rc = unlink(f->path) == 0 ? SQLITE_OK : failed(SQLITE_IOERR_DELETE);
  io_close(f);
  return rc;
}

static int identify(const struct stat *st, const char *path, avfs_identity *id_out) {
  id_out->volume = st->st_dev;
  id_out->index_low = st->st_ino;
  id_out->index_high = 0;
  id_out->links = (uint32_t)st->st_nlink;
  id_out->is_own_name = 1;
  id_out->place = avfs_alloc(strlen(path) + 1);
  if (id_out->place == NULL) return SQLITE_NOMEM;
  strcpy(id_out->place, path);
  return SQLITE_OK;
}

static int io_identity(avfs_file *f, avfs_identity *id_out) {
  struct stat st;
  memset(id_out, 0, sizeof *id_out);
  return fstat(f->fd, &st) != 0 ? failed(SQLITE_IOERR_FSTAT) : identify(&st, f->path, id_out);
}

static int io_path_identity(const char *path, avfs_identity *id_out) {
  struct stat st;
  memset(id_out, 0, sizeof *id_out);
  return stat(path, &st) != 0 ? failed(SQLITE_CANTOPEN) : identify(&st, path, id_out);
}

static int io_links(avfs_file *f, uint32_t *links_out) {
  struct stat st;
  *links_out = 0;
  if (fstat(f->fd, &st) != 0) return failed(SQLITE_IOERR_FSTAT);
  *links_out = (uint32_t)st.st_nlink;
  return SQLITE_OK;
}

static int io_is_ordered(avfs_file *f) {
  (void)f;
  return 1;
}

static int io_exists(const char *path) { return access(path, F_OK) == 0 || errno != ENOENT; }

static int io_is_local(avfs_file *f) {
  (void)f;
  return 1;
}

/* munmap wants the length again. */
static struct {
  pthread_mutex_t mutex;
  void *at[256];
  size_t bytes[256];
} views = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int io_map(avfs_file *f, uint64_t most, void **view_out, uint64_t *bytes_out) {
  struct stat st;
  void *p = MAP_FAILED;
  int i = 0;
  *view_out = NULL;
  if (fstat(f->fd, &st) != 0) return failed(SQLITE_IOERR_FSTAT);
  *bytes_out = (uint64_t)st.st_size < most ? (uint64_t)st.st_size : most;
  if (*bytes_out > 0) p = mmap(NULL, *bytes_out, PROT_READ, MAP_SHARED, f->fd, 0);
  if (p == MAP_FAILED) return failed(SQLITE_IOERR_MMAP);
  must(pthread_mutex_lock(&views.mutex));
  while (views.at[i] != NULL) i++;
  views.at[i] = p;
  views.bytes[i] = *bytes_out;
  must(pthread_mutex_unlock(&views.mutex));
  *view_out = p;
  return SQLITE_OK;
}

static void io_unmap(void *view) {
  int i = 0;
  must(pthread_mutex_lock(&views.mutex));
  while (views.at[i] != view) i++;
  views.at[i] = NULL;
  must(munmap(view, views.bytes[i]));
  must(pthread_mutex_unlock(&views.mutex));
}

/* Files that are memory. A lock of the whole file stands for the sharing modes of Windows. A page that
 * cannot be had raises SIGBUS. */
typedef struct mapping {
  avfs_mapping m;
  struct mapping *next;
  int fd;
  char path[];
} mapping;

static mapping *_Atomic mappings;

static void on_sigbus(int number, siginfo_t *info, void *context) {
  unsigned char *at = info->si_addr;
  mapping *m = mappings;
  (void)context;
  while (m != NULL && !(at >= m->m.at && at < m->m.at + m->m.bytes)) m = m->next;
  if (m == NULL || m->m.failed) {
    signal(number, SIG_DFL);
    return;
  }
  m->m.failed = 1;
  if (mmap(m->m.at, m->m.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    signal(number, SIG_DFL);
  }
}

/* Only ever pushed and taken by one thread at a time, here: with a mutex, which the handler leaves alone. */
static void list_mapping(mapping *m) {
  struct sigaction act = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
  must(pthread_mutex_lock(&views.mutex));
  must(sigaction(SIGBUS, &act, NULL));
  m->next = mappings;
  mappings = m;
  must(pthread_mutex_unlock(&views.mutex));
}

static void unlist_mapping(mapping *m) {
  mapping *before;
  must(pthread_mutex_lock(&views.mutex));
  before = mappings;
  if (before == m) {
    mappings = m->next;
  } else {
    while (before->next != m) before = before->next;
    before->next = m->next;
  }
  must(pthread_mutex_unlock(&views.mutex));
}

static int fill(int fd, uint64_t size, uint64_t bytes) {
  static const unsigned char zeros[65536];
  while (size < bytes) {
    size_t n = bytes - size < sizeof zeros ? (size_t)(bytes - size) : sizeof zeros;
    ssize_t done = pwrite(fd, zeros, n, (off_t)size);
    if (done <= 0) return 0;
    size += (uint64_t)done;
  }
  return 1;
}

static int io_map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out) {
  int writes = how == AVFS_MAP_WRITE, rc = SQLITE_OK;
  int fd = open(path, O_CLOEXEC | (writes ? O_RDWR | O_CREAT : O_RDONLY), 0644);
  struct stat st;
  mapping *m;
  *m_out = NULL;
  if (fd < 0) return failed(SQLITE_CANTOPEN);
  m = calloc(1, sizeof *m + strlen(path) + 1);
  must(m == NULL);
  m->fd = fd;
  strcpy(m->path, path);
  if (writes && flock(fd, LOCK_EX | LOCK_NB) != 0) rc = SQLITE_BUSY;
  else if (fstat(fd, &st) != 0) rc = failed(SQLITE_IOERR_FSTAT);
  else if (writes && (uint64_t)st.st_size < bytes && !fill(fd, (uint64_t)st.st_size, bytes)) rc = failed(SQLITE_IOERR_WRITE);
  if (rc == SQLITE_OK && fstat(fd, &st) != 0) rc = failed(SQLITE_IOERR_FSTAT);
  if (rc == SQLITE_OK && st.st_size == 0) rc = SQLITE_EMPTY;
  if (rc == SQLITE_OK) {
    m->m.bytes = (uint64_t)st.st_size;
    m->m.at = mmap(NULL, m->m.bytes, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    if (m->m.at == MAP_FAILED) rc = failed(SQLITE_IOERR_MMAP);
  }
  if (rc != SQLITE_OK) {
    close(fd);
    free(m);
    return rc;
  }
  list_mapping(m);
  *m_out = &m->m;
  return SQLITE_OK;
}

/* Windows keeps the name of a file that another handle has open. */
static int someone_has(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC), has;
  if (fd < 0) return 0;
  has = flock(fd, LOCK_EX | LOCK_NB) != 0;
  close(fd);
  return has;
}

static mapping *end_mapping(avfs_mapping *mapped) {
  mapping *m = (mapping *)mapped;
  unlist_mapping(m);
  must(munmap(m->m.at, m->m.bytes));
  close(m->fd);
  return m;
}

static int io_unmap_file(avfs_mapping *mapped, int remove) {
  mapping *m = end_mapping(mapped);
  int rc = SQLITE_OK;
  if (remove && someone_has(m->path)) rc = SQLITE_BUSY;
  else if (remove && unlink(m->path) != 0 && errno != ENOENT) rc = failed(SQLITE_IOERR_DELETE);
  free(m);
  return rc;
}

static int io_rename_file(avfs_mapping *mapped, const char *path) {
  mapping *m = end_mapping(mapped);
  int rc = rename(m->path, path) == 0 ? SQLITE_OK : failed(SQLITE_IOERR);
  free(m);
  return rc;
}

static uint64_t io_boot(void) {
  uint64_t h = 1469598103934665603u;
  char id[64];
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, id, sizeof id), i;
  if (fd >= 0) close(fd);
  for (i = 0; i < n; i++) h = (h ^ (unsigned char)id[i]) * 1099511628211u;
  return n > 0 ? h | 1 : 0;
}

static int io_others(avfs_file *f) {
  (void)f;
  return -1;
}

static void submit(avfs_op *op, int what) {
  op->os[1] = (uint64_t)what;
  if (is_pool_thread && chance(3) == 0) {
    perform(op);
    push(&at_once, op);
    return;
  }
  must(pthread_mutex_lock(&port.mutex));
  push(&port.work, op);
  must(pthread_cond_signal(&port.submitted));
  must(pthread_mutex_unlock(&port.mutex));
}

static void io_read(avfs_op *op) { submit(op, OP_READ); }
static void io_write(avfs_op *op) { submit(op, OP_WRITE); }

static void io_post(avfs_op *op) {
  op->os[1] = OP_POST;
  op->rc = SQLITE_OK;
  op->os_error = 0;
  op->transferred = 0;
  complete(op);
}

static avfs_op *io_ready(void) { return pop(&at_once); }

static avfs_op *io_wait(uint32_t timeout_ms) {
  struct timespec until = from_now(timeout_ms == AVFS_FOREVER ? 0 : timeout_ms);
  avfs_op *op;
  int rc = 0;
  is_pool_thread = 1;
  must(pthread_mutex_lock(&port.mutex));
  while ((op = pop(&port.over)) == NULL && rc == 0) {
    rc = timeout_ms == AVFS_FOREVER ? pthread_cond_wait(&port.completed, &port.mutex)
                                    : pthread_cond_timedwait(&port.completed, &port.mutex, &until);
  }
  must(pthread_mutex_unlock(&port.mutex));
  return op;
}

static void io_leave(void) { is_pool_thread = 0; }

static int io_flush(avfs_file *f) {
  if (native_flush_us > 0) usleep(chance(native_flush_us));
  return fdatasync(f->fd) == 0 ? SQLITE_OK : failed(SQLITE_IOERR_FSYNC);
}

static int io_size(avfs_file *f, uint64_t *bytes_out) {
  struct stat st;
  if (fstat(f->fd, &st) != 0) return failed(SQLITE_IOERR_FSTAT);
  *bytes_out = (uint64_t)st.st_size;
  return SQLITE_OK;
}

static int io_resize(avfs_file *f, uint64_t bytes) {
  return ftruncate(f->fd, (off_t)bytes) == 0 ? SQLITE_OK : failed(SQLITE_IOERR_TRUNCATE);
}

static uint64_t io_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint32_t io_error(void) { return last_error; }

const avfs_io native_io = {
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
    .now_ns = io_now,
    .os_error = io_error,
};

const char *avfs_os_error_text(uint32_t os_error) { return strerror((int)os_error); }

/* ---- binding ------------------------------------------------------------------------------ */

/* SQLite hands its table of functions to extensions alone. These are called before it is
 * there, so not through it. */
#undef sqlite3_initialize
#undef sqlite3_auto_extension
#undef sqlite3_reset_auto_extension
#undef sqlite3_open
#undef sqlite3_close
#undef sqlite3_vfs_find

static int take_table(sqlite3 *db, char **message, const sqlite3_api_routines *table) {
  (void)db;
  (void)message;
  sqlite3_api = table;
  return SQLITE_OK;
}

int native_start(void) {
  sqlite3 *db = NULL;
  sqlite3_initialize();
  sqlite3_auto_extension((void (*)(void))take_table);
  sqlite3_open(":memory:", &db);
  sqlite3_close(db);
  sqlite3_reset_auto_extension();
  return avfs_vfs_register(&native_io, sqlite3_vfs_find("unix"), 0, NULL);
}
