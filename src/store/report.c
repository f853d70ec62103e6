/* report.c: see report.h.
 *
 * Calling back. A call in progress stands in `calls`, with the hook's generation, so
 * that who replaces the hook can wait for the calls of the one before to end; unless
 * a call is further up on its own stack.
 */
#include "store/report.h"

#include <stdarg.h>
#include <string.h>

#include "seam/sqlite_api.h"
#include "engine/notifier.h"
#include "seam/heap.h"
#include "seam/io.h"
#include "seam/log.h"
#include "seam/sync.h"

typedef struct call {
  struct call *next;
  uint64_t generation;
  uint32_t thread;
} call;

static struct report {
  avfs_lock lock;
  avfs_cond changed;   /* a call has ended */
  asyncvfs_error_callback callback AVFS_GUARDED_BY(avfs_report_role);   /* NULL: none */
  void *arg AVFS_GUARDED_BY(avfs_report_role);
  uint64_t generation AVFS_GUARDED_BY(avfs_report_role);   /* how many hooks there were */
  call *calls AVFS_GUARDED_BY(avfs_report_role);
} report;

AVFS_LOCK_FUNCTIONS(report, struct report, avfs_report_role)
AVFS_COND_FUNCTIONS(report, struct report, avfs_report_role)

enum { MESSAGE_BYTES = 1000 };

/* ---- the log --------------------------------------------------------------------- */

static void log_message(int code, const char *message) {
  sqlite3_log(code, "%s", message);
  avfs_log_line(message);
}

void avfs_report(int code, const char *format, ...) {
  char message[MESSAGE_BYTES];
  va_list args;
  va_start(args, format);
  sqlite3_vsnprintf(sizeof message, message, format, args);
  va_end(args);
  log_message(code, message);
}

/* ---- the hook -------------------------------------------------------------------- */

static void call_hook(const asyncvfs_error *e) {
  call c = {NULL, 0, avfs_thread_id()}, **at;
  asyncvfs_error_callback callback;
  void *arg;
  report_enter(&report);
  callback = report.callback;
  arg = report.arg;
  c.generation = report.generation;
  c.next = report.calls;
  report.calls = &c;
  report_leave(&report);
  if (callback != NULL) callback(arg, e);
  report_enter(&report);
  for (at = &report.calls; *at != &c;) at = &(*at)->next;
  *at = c.next;
  report_wake(&report);
  report_leave(&report);
}

/* A call of a hook before this generation is to be waited for. Not by one who is in a call
 * itself: the other one may do the same. */
static int is_awaited(uint64_t generation) AVFS_REQUIRES(avfs_report_role) {
  const call *c;
  int older = 0;
  for (c = report.calls; c != NULL; c = c->next) {
    if (c->thread == avfs_thread_id()) return 0;
    if (c->generation < generation) older = 1;
  }
  return older;
}

int avfs_report_to(asyncvfs_error_callback callback, void *arg) {
  uint64_t generation;
  if (callback != NULL) {   /* is a thread to be had? */
    if (avfs_notifier_expect() != SQLITE_OK) return SQLITE_NOMEM;
    avfs_notifier_unexpect();
  }
  report_enter(&report);
  report.callback = callback;
  report.arg = arg;
  generation = ++report.generation;
  while (is_awaited(generation)) report_wait(&report, AVFS_FOREVER);
  report_leave(&report);
  return SQLITE_OK;
}

/* ---- errors ---------------------------------------------------------------------- */

typedef struct error_notice {
  avfs_notice base;
  asyncvfs_error error;
  char text[];   /* message and path, each with its zero */
} error_notice;

static void deliver(avfs_notice *base) {
  error_notice *n = (error_notice *)base;
  call_hook(&n->error);
  avfs_free(n);
}

static int has_hook(void) {
  int has;
  report_enter(&report);
  has = report.callback != NULL;
  report_leave(&report);
  return has;
}

/* What a code is called, and which call it stands for. */
static const struct code {
  int code;
  const char *name, *call;
} codes[] = {
    {SQLITE_FULL, "SQLITE_FULL", "write"},
    {SQLITE_NOMEM, "SQLITE_NOMEM", "have memory for"},
    {SQLITE_IOERR_NOMEM, "SQLITE_NOMEM", "have memory for"},
    {SQLITE_CANTOPEN, "SQLITE_CANTOPEN", "open"},
    {SQLITE_BUSY, "SQLITE_BUSY", "have to itself"},
    {SQLITE_IOERR_READ, "SQLITE_IOERR_READ", "read"},
    {SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ", "read all of"},
    {SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE", "write"},
    {SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC", "flush"},
    {SQLITE_IOERR_TRUNCATE, "SQLITE_IOERR_TRUNCATE", "set the length of"},
    {SQLITE_IOERR_FSTAT, "SQLITE_IOERR_FSTAT", "get the length of"},
    {SQLITE_IOERR_DELETE, "SQLITE_IOERR_DELETE", "delete"},
    {SQLITE_IOERR_UNLOCK, "SQLITE_IOERR_UNLOCK", "unlock"},
    {SQLITE_IOERR, "SQLITE_IOERR", "use"},
};

static const struct code *find_code(int code) {
  const struct code *last = &codes[sizeof codes / sizeof codes[0] - 1], *c = codes;
  while (c != last && c->code != code) c++;
  if (c == last && (code & 0xff) != SQLITE_IOERR && (code & 0xff) != code) return find_code(code & 0xff);
  return c;
}

static const char *file_name(const char *path) {
  const char *name = path;
  for (; *path != 0; path++) {
    if (*path == '\\' || *path == '/') name = path + 1;
  }
  return name;
}

static const char *reason(int code, uint32_t os_error) {
  const char *text = avfs_os_error_text(os_error);
  if (text != NULL) return text;
  return find_code(code)->code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM ? "out of memory" : "I/O error";
}

void avfs_report_call(int code, uint32_t os_error, const char *file, const char *next) {
  const struct code *c = find_code(code);
  avfs_report(code, "asyncvfs: (%s/%u) cannot %s %s: %s; %s", c->name, os_error, c->call, file,
              reason(code, os_error), next);
}

/* The store has closed, and not all was on the disk. */
static int is_closed(const asyncvfs_error *e) { return e->lost + e->kept > 0; }

static void write_message(char *message, const asyncvfs_error *e, const char *file) {
  const struct code *c = find_code(e->code);
  char next[160];
  if (e->lost > 0) {
    sqlite3_snprintf(sizeof next, next, "%lld commits are not on disk and are lost", e->lost);
  } else if (e->kept > 0) {
    sqlite3_snprintf(sizeof next, next, "%lld commits are not on disk; who opens it next through asyncvfs has them",
                     e->kept);
  } else if (e->retry_ms == 0) {
    sqlite3_snprintf(sizeof next, next, "the transaction is refused");
  } else {
    sqlite3_snprintf(sizeof next, next, "%lld commits wait, retry in %u ms", e->waiting, e->retry_ms);
  }
  sqlite3_snprintf(MESSAGE_BYTES, message, "asyncvfs: (%s/%u) batch %lld of %s%s: cannot %s %s: %s; %s",
                   c->name, e->os_error, e->batch, file_name(e->path), is_closed(e) ? ", which is closed" : "",
                   c->call, file_name(file), reason(e->code, e->os_error), next);
}

/* By the notifier's thread. Without memory for it the log alone has it. */
static void tell_later(const asyncvfs_error *e) {
  size_t message_bytes = strlen(e->message) + 1, path_bytes = strlen(e->path) + 1;
  error_notice *n;
  if (!has_hook()) return;
  n = avfs_alloc(sizeof *n + message_bytes + path_bytes);
  if (n == NULL) return;
  n->base.deliver = deliver;
  n->base.expected = 0;
  n->error = *e;
  n->error.message = memcpy(n->text, e->message, message_bytes);
  n->error.path = memcpy(n->text + message_bytes, e->path, path_bytes);
  avfs_notifier_add(&n->base);
}

void avfs_report_error(asyncvfs_error e, const char *file) {
  char message[MESSAGE_BYTES];
  write_message(message, &e, file);
  e.bytes = sizeof e;
  e.message = message;
  log_message(e.code, message);
  if (is_closed(&e)) call_hook(&e);
  else tell_later(&e);
}

void avfs_report_refused(const char *path, const char *kept, uint64_t commits, const char *reason) {
  char message[MESSAGE_BYTES];
  asyncvfs_error e = {.bytes = sizeof e, .code = SQLITE_WARNING, .path = path};
  sqlite3_snprintf(sizeof message, message, "asyncvfs: %lld commits of a process that ended without writing them are "
                   "not taken up in %s: %s; they are in %s", (sqlite3_int64)commits, path, reason, kept);
  e.lost = (long long)commits;
  e.message = message;
  log_message(e.code, message);
  tell_later(&e);
}

/* ---- closed ------------------------------------------------------------------------ */

/* Lock: of its own. The callback is called without it. */
static struct closed {
  avfs_lock lock;
  asyncvfs_closed_callback callback;
  void *arg;
} closed;

static asyncvfs_closed_callback get_closed(void **arg_out) {
  asyncvfs_closed_callback callback;
  avfs_lock_enter(&closed.lock);
  callback = closed.callback;
  *arg_out = closed.arg;
  avfs_lock_leave(&closed.lock);
  return callback;
}

void avfs_report_closed_to(asyncvfs_closed_callback callback, void *arg) {
  avfs_lock_enter(&closed.lock);
  closed.callback = callback;
  closed.arg = arg;
  avfs_lock_leave(&closed.lock);
}

int avfs_report_wants_closed(void) {
  void *arg;
  return get_closed(&arg) != NULL;
}

void avfs_report_closed(const char *path, const char *json) {
  void *arg;
  asyncvfs_closed_callback callback = get_closed(&arg);
  if (callback != NULL) callback(arg, path, json);
}
