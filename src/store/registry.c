/* registry.c: which stores are open, by file and by the names they go under.
 *
 * A store is one file, whatever path leads to it: one_file.h tells.
 * A journal's or WAL's name belongs to the store that has a connection with the
 * database's name, as SQLite spelled it.
 *
 * A store stays in it until it is taken down, so that no second one comes up for its file,
 * and tickets, flushes and the process's exit find it till then:
 *
 *   add ---> open ---- leave: the last connection ----> leaving ---- remove ---> gone
 *             ^ find: a further connection                 who opens the file waits
 *
 * Of stores that were closed with commits not on disk it keeps a record, for tickets.
 *
 * Lock: registry.lock, the outermost; the stores' own locks are taken inside it.
 */
#include <stdio.h>
#include <string.h>

#include "store/one_file.h"
#include "store/store.h"
#include "win32/log.h"

enum { CHAINS = 64 };

static struct registry {
  avfs_lock lock;
  avfs_cond changed;   /* a store is gone */
  avfs_store *stores AVFS_GUARDED_BY(avfs_registry_role);
  avfs_conn *conns[CHAINS] AVFS_GUARDED_BY(avfs_registry_role);
  uint64_t last_id AVFS_GUARDED_BY(avfs_registry_role);
  avfs_loss *losses AVFS_GUARDED_BY(avfs_registry_role);   /* for ever: there are few */
} registry;

AVFS_LOCK_FUNCTIONS(registry, struct registry, avfs_registry_role)
AVFS_COND_FUNCTIONS(registry, struct registry, avfs_registry_role)

/* Of the length and the last eight bytes: names differ there, and SQLite asks for a
 * name several times in each transaction. */
static uint32_t hash_path(const char *path, size_t n) {
  uint64_t tail = 0;
  size_t k = n < sizeof tail ? n : sizeof tail;
  memcpy(&tail, path + n - k, k);
  return (uint32_t)((tail ^ n) * 0x9e3779b97f4a7c15u >> 32);
}

void avfs_registry_add_conn(avfs_conn *conn) {
  avfs_conn **chain;
  conn->path_hash = hash_path(conn->path, strlen(conn->path));
  registry_enter(&registry);
  chain = &registry.conns[conn->path_hash % CHAINS];
  conn->registry_next = *chain;
  *chain = conn;
  registry_leave(&registry);
}

void avfs_registry_remove_conn(avfs_conn *conn) {
  avfs_conn **at;
  registry_enter(&registry);
  at = &registry.conns[conn->path_hash % CHAINS];
  while (*at != conn) at = &(*at)->registry_next;
  *at = conn->registry_next;
  registry_leave(&registry);
}

uint64_t avfs_registry_next_id(void) {
  uint64_t id;
  registry_enter(&registry);
  id = ++registry.last_id;
  registry_leave(&registry);
  return id;
}

uint64_t avfs_registry_last_id(void) {
  uint64_t id;
  registry_enter(&registry);
  id = registry.last_id;
  registry_leave(&registry);
  return id;
}

static int find(const avfs_identity *id, avfs_store **store_out) AVFS_REQUIRES(avfs_registry_role) {
  for (;;) {
    avfs_store *s = registry.stores;
    avfs_sameness same = AVFS_OTHER_FILE;
    while (s != NULL && (same = avfs_same_file(&s->identity, id)) == AVFS_OTHER_FILE) s = s->next;
    *store_out = NULL;
    if (s == NULL) return SQLITE_OK;
    if (!s->leaving) {
      if (same == AVFS_PERHAPS_SAME_FILE) return AVFS_PASS;
      s->conns++;
      s->refs++;
      *store_out = s;
      return SQLITE_OK;
    }
    registry_wait(&registry, AVFS_FOREVER);
  }
}

int avfs_registry_find(const avfs_identity *id, avfs_store **store_out) {
  int rc;
  registry_enter(&registry);
  rc = find(id, store_out);
  registry_leave(&registry);
  return rc;
}

int avfs_registry_add(avfs_store *s, avfs_store **store_out) {
  int rc;
  registry_enter(&registry);
  rc = find(&s->identity, store_out);
  if (rc == SQLITE_OK && *store_out == NULL) {
    s->conns = s->refs = 1;
    s->next = registry.stores;
    registry.stores = s;
    *store_out = s;
  }
  registry_leave(&registry);
  return rc;
}

avfs_store *avfs_registry_find_file(const avfs_identity *id) {
  avfs_store *s;
  registry_enter(&registry);
  s = registry.stores;
  while (s != NULL && avfs_same_file(&s->identity, id) != AVFS_SAME_FILE) s = s->next;
  if (s != NULL) s->refs++;
  registry_leave(&registry);
  return s;
}

avfs_store *avfs_registry_retain(avfs_store *s) {
  s->refs++;
  return s;
}

int avfs_registry_leave_others(avfs_store *s) {
  int last;
  registry_enter(&registry);
  last = s->conns == 1;
  if (!last) s->conns--;
  registry_leave(&registry);
  return last;
}

int avfs_registry_leave(avfs_store *s) {
  int last;
  registry_enter(&registry);
  last = s->leaving = --s->conns == 0;
  registry_leave(&registry);
  return last;
}

void avfs_registry_remove(avfs_store *s) {
  avfs_store **at = &registry.stores;
  registry_enter(&registry);
  while (*at != s) at = &(*at)->next;
  *at = s->next;
  registry_wake(&registry);
  registry_leave(&registry);
}

int avfs_registry_release(avfs_store *s) {
  int last;
  registry_enter(&registry);
  last = --s->refs == 0;
  registry_leave(&registry);
  return last;
}

avfs_store *avfs_registry_find_id(uint64_t id) {
  avfs_store *s;
  registry_enter(&registry);
  s = registry.stores;
  while (s != NULL && s->id != id) s = s->next;
  if (s != NULL) s->refs++;
  registry_leave(&registry);
  return s;
}

avfs_store *avfs_registry_find_after(uint64_t id, uint64_t last) {
  avfs_store *s, *first = NULL;
  registry_enter(&registry);
  for (s = registry.stores; s != NULL; s = s->next) {
    if (s->id > id && s->id <= last && (first == NULL || s->id < first->id)) first = s;
  }
  if (first != NULL) first->refs++;
  registry_leave(&registry);
  return first;
}

void avfs_registry_add_loss(avfs_loss *loss) {
  registry_enter(&registry);
  loss->next = registry.losses;
  registry.losses = loss;
  registry_leave(&registry);
}

int avfs_registry_loss(uint64_t id, uint64_t seq) {
  const avfs_loss *l;
  int rc;
  registry_enter(&registry);
  rc = id == 0 || id > registry.last_id ? SQLITE_MISUSE : SQLITE_OK;
  for (l = registry.losses; l != NULL; l = l->next) {
    if (l->id == id && seq > l->durable_seq) rc = l->rc;
  }
  registry_leave(&registry);
  return rc;
}

int avfs_registry_visit(const char *path, size_t n, void (*visit)(avfs_store *s, void *arg),
                        void *arg) {
  int visited = 0;
  registry_enter(&registry);
  if (path == NULL) {
    avfs_store *s = registry.stores;
    for (; s != NULL; s = s->next, visited++) visit(s, arg);
  } else {
    uint32_t hash = hash_path(path, n);
    avfs_conn *c = registry.conns[hash % CHAINS];
    for (; c != NULL; c = c->registry_next) {
      if (c->path_hash == hash && strncmp(c->path, path, n) == 0 && c->path[n] == 0) {
        visit(c->store, arg);
        visited = 1;
        break;
      }
    }
  }
  registry_leave(&registry);
  return visited;
}

avfs_conn *avfs_registry_find_conn(const char *path, size_t n, int (*is)(avfs_conn *c)) {
  uint32_t hash = hash_path(path, n);
  avfs_conn *c;
  registry_enter(&registry);
  c = registry.conns[hash % CHAINS];
  while (c != NULL && !(c->path_hash == hash && strncmp(c->path, path, n) == 0 && c->path[n] == 0 && is(c))) {
    c = c->registry_next;
  }
  registry_leave(&registry);
  return c;
}

static avfs_counter passed_files;

void avfs_registry_count_passed(int n) { avfs_counter_add(&passed_files, n); }

int avfs_registry_has_passed(void) { return avfs_counter_get(&passed_files) > 0; }

static void nothing(avfs_store *s, void *arg) {
  (void)s;
  (void)arg;
}

int avfs_registry_has(const char *path) {
  return avfs_registry_visit(path, path == NULL ? 0 : strlen(path), nothing, NULL) > 0;
}

void avfs_registry_visit_conns(void (*visit)(avfs_conn *c, void *arg), void *arg) {
  registry_enter(&registry);
  for (int i = 0; i < CHAINS; i++) {
    avfs_conn *c = registry.conns[i];
    for (; c != NULL; c = c->registry_next) visit(c, arg);
  }
  registry_leave(&registry);
}

/* What is not on the disk, for the log alone: SQLite's is not called any more. */
AVFS_NOT_ANALYSED static void log_exit_loss(const avfs_store *s, int in_flight) {
  char line[640];
  snprintf(line, sizeof line, "asyncvfs: the process ended with %llu commits of %.400s not on disk; "
           "they are lost%s", (unsigned long long)(s->commit_seq - s->durable_seq), s->path,
           in_flight ? ": reads or writes had not ended in time, so it was left as it was" : "");
  avfs_log_line(line);
}

static uint32_t exit_ms_left(const avfs_io *io, uint64_t deadline_ns) {
  uint64_t now = io->now_ns();
  return now < deadline_ns ? (uint32_t)((deadline_ns - now) / 1000000) : 0;
}

/* A lock that is not free was held by a thread that is gone: what it guards may be
 * half changed, and nobody will ever give it back. Such a store is left alone; what
 * is on the disk is whole without it. */
AVFS_NOT_ANALYSED void avfs_process_exit(const avfs_io *io, uint32_t timeout_ms) {
  uint64_t deadline_ns = io->now_ns() + (uint64_t)timeout_ms * 1000000;
  avfs_store *s;
  if (!avfs_lock_try_enter(&registry.lock)) {
    avfs_log_line("asyncvfs: the process ended while a database was opened or closed; what was "
                  "not on disk is lost");
    return;
  }
  /* First those with nothing in flight: a device that hangs is to cost only its own databases
   * the time. What is in flight on it is cancelled meanwhile. */
  for (s = registry.stores; s != NULL; s = s->next) {
    s->exit_state = !avfs_lock_try_enter(&s->lock) ? AVFS_EXIT_OVER
                    : avfs_batch_settle(&s->batch, 0) ? AVFS_EXIT_NOW : AVFS_EXIT_LATER;
    if (s->exit_state == AVFS_EXIT_NOW) avfs_backlog_exit(s, deadline_ns);
  }
  for (s = registry.stores; s != NULL; s = s->next) {
    int in_flight = s->exit_state == AVFS_EXIT_LATER &&
                    !avfs_batch_settle(&s->batch, exit_ms_left(io, deadline_ns));
    if (s->exit_state == AVFS_EXIT_LATER && !in_flight) avfs_backlog_exit(s, deadline_ns);
    if (s->durable_seq < s->commit_seq) log_exit_loss(s, in_flight);
  }
}
