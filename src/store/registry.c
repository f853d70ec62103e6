/* registry.c: see registry.h. */
#include "store/registry.h"

#include <string.h>

#include "seam/heap.h"
#include "store/one_file.h"

enum { FIRST_CHAINS = 64, FIRST_STORES = 16 };

static struct registry {
  avfs_lock lock;
  avfs_cond changed;   /* a store is gone */
  avfs_store **stores AVFS_GUARDED_BY(avfs_registry_role);   /* in the order of their ids... */
  size_t store_count AVFS_GUARDED_BY(avfs_registry_role);
  size_t store_room AVFS_GUARDED_BY(avfs_registry_role);     /* ...in as much room */
  avfs_conn **chains AVFS_GUARDED_BY(avfs_registry_role);    /* by hash of the path: chain_count, a
                                                     power of two; NULL: few_chains */
  avfs_conn *few_chains[FIRST_CHAINS] AVFS_GUARDED_BY(avfs_registry_role);
  size_t chain_count AVFS_GUARDED_BY(avfs_registry_role);
  size_t conn_count AVFS_GUARDED_BY(avfs_registry_role);
  uint64_t last_id AVFS_GUARDED_BY(avfs_registry_role);
  avfs_loss *losses AVFS_GUARDED_BY(avfs_registry_role);   /* for ever: there are few */
} registry;

AVFS_LOCK_FUNCTIONS(registry, struct registry, avfs_registry_role)
AVFS_COND_FUNCTIONS(registry, struct registry, avfs_registry_role)

/* SQLite asks for a name several times in each transaction: eight bytes at a time. All of them
 * count: the names of a thousand databases may differ anywhere. */
static uint32_t hash_path(const char *path, size_t n) {
  const uint64_t odd = 0x9e3779b97f4a7c15u;
  uint64_t h = n * odd, part;
  for (; n >= sizeof part; path += sizeof part, n -= sizeof part) {
    memcpy(&part, path, sizeof part);
    h = (h ^ part) * odd;
    h ^= h >> 32;
  }
  part = 0;
  memcpy(&part, path, n);
  h = (h ^ part) * odd;
  return (uint32_t)(h >> 32);
}

static avfs_conn **chain_of(uint32_t hash) AVFS_REQUIRES(avfs_registry_role) {
  return registry.chains == NULL ? &registry.few_chains[hash % FIRST_CHAINS]
                                 : &registry.chains[hash & (registry.chain_count - 1)];
}

static void link_conn(avfs_conn *conn) AVFS_REQUIRES(avfs_registry_role) {
  avfs_conn **chain = chain_of(conn->path_hash);
  conn->registry_next = *chain;
  *chain = conn;
}

/* Twice as many chains; without memory they get longer instead. */
static void add_chains(void) AVFS_REQUIRES(avfs_registry_role) {
  size_t was = registry.chains == NULL ? FIRST_CHAINS : registry.chain_count, i;
  avfs_conn **old = registry.chains == NULL ? registry.few_chains : registry.chains;
  avfs_conn **more = avfs_alloc_zero(2 * was * sizeof *more), *c, *next;
  if (more == NULL) return;
  registry.chains = more;
  registry.chain_count = 2 * was;
  for (i = 0; i < was; i++) {
    for (c = old[i], old[i] = NULL; c != NULL; c = next) {
      next = c->registry_next;
      link_conn(c);
    }
  }
  if (old != registry.few_chains) avfs_free(old);
}

void avfs_registry_add_conn(avfs_conn *conn) {
  conn->path_hash = hash_path(conn->path, strlen(conn->path));
  registry_enter(&registry);
  if (++registry.conn_count > (registry.chains == NULL ? FIRST_CHAINS : registry.chain_count)) add_chains();
  link_conn(conn);
  registry_leave(&registry);
}

void avfs_registry_remove_conn(avfs_conn *conn) {
  avfs_conn **at;
  registry_enter(&registry);
  at = chain_of(conn->path_hash);
  while (*at != conn) at = &(*at)->registry_next;
  *at = conn->registry_next;
  if (--registry.conn_count == 0) {
    avfs_free(registry.chains);
    registry.chains = NULL;
  }
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
    avfs_store *s = NULL;
    avfs_sameness same = AVFS_OTHER_FILE;
    size_t i;
    for (i = 0; same == AVFS_OTHER_FILE && i < registry.store_count; i++) {
      s = registry.stores[i];
      same = avfs_same_file(&s->identity, id);
    }
    *store_out = NULL;
    if (same == AVFS_OTHER_FILE) return SQLITE_OK;
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

/* The first store with this id or a later one. */
static size_t position_of(uint64_t id) AVFS_REQUIRES(avfs_registry_role) {
  size_t low = 0, high = registry.store_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (registry.stores[middle]->id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* SQLITE_OK, or SQLITE_NOMEM. */
static int insert(avfs_store *s) AVFS_REQUIRES(avfs_registry_role) {
  size_t at = position_of(s->id);
  if (registry.store_count == registry.store_room) {
    size_t room = registry.store_room == 0 ? FIRST_STORES : 2 * registry.store_room;
    avfs_store **more = avfs_alloc(room * sizeof *more);
    if (more == NULL) return SQLITE_NOMEM;
    if (registry.store_count > 0) memcpy(more, registry.stores, registry.store_count * sizeof *more);
    avfs_free(registry.stores);
    registry.stores = more;
    registry.store_room = room;
  }
  memmove(&registry.stores[at + 1], &registry.stores[at], (registry.store_count - at) * sizeof s);
  registry.stores[at] = s;
  registry.store_count++;
  return SQLITE_OK;
}

int avfs_registry_add(avfs_store *s, avfs_store **store_out) {
  int rc;
  registry_enter(&registry);
  rc = find(&s->identity, store_out);
  if (rc == SQLITE_OK && *store_out == NULL) {
    rc = insert(s);
    if (rc == SQLITE_OK) {
      s->conns = s->refs = 1;
      *store_out = s;
    }
  }
  registry_leave(&registry);
  return rc;
}

avfs_store *avfs_registry_find_file(const avfs_identity *id, int perhaps) {
  avfs_store *found = NULL;
  size_t i;
  registry_enter(&registry);
  for (i = 0; i < registry.store_count; i++) {
    avfs_sameness same = avfs_same_file(&registry.stores[i]->identity, id);
    if (same == AVFS_SAME_FILE || (perhaps && found == NULL && same == AVFS_PERHAPS_SAME_FILE)) {
      found = registry.stores[i];
    }
    if (same == AVFS_SAME_FILE) break;
  }
  if (found != NULL) found->refs++;
  registry_leave(&registry);
  return found;
}

avfs_store *avfs_registry_retain(avfs_store *s) {
  s->refs++;
  return s;
}

avfs_store *avfs_registry_retain_open(avfs_store *s) {
  registry_enter(&registry);
  s->refs++;
  registry_leave(&registry);
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
  size_t at;
  registry_enter(&registry);
  at = position_of(s->id);
  registry.store_count--;
  memmove(&registry.stores[at], &registry.stores[at + 1], (registry.store_count - at) * sizeof s);
  if (registry.store_count == 0) {
    avfs_free(registry.stores);
    registry.stores = NULL;
    registry.store_room = 0;
  }
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

avfs_store *avfs_registry_find_id(uint64_t id) { return avfs_registry_find_after(id - 1, id); }

avfs_store *avfs_registry_find_after(uint64_t id, uint64_t last) {
  avfs_store *s = NULL;
  size_t at;
  registry_enter(&registry);
  at = position_of(id + 1);
  if (at < registry.store_count && registry.stores[at]->id <= last) {
    s = registry.stores[at];
    s->refs++;
  }
  registry_leave(&registry);
  return s;
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
  uint32_t hash = path == NULL ? 0 : hash_path(path, n);
  int visited = 0;
  registry_enter(&registry);
  if (path == NULL) {
    for (; (size_t)visited < registry.store_count; visited++) visit(registry.stores[visited], arg);
  } else {
    avfs_conn *c = *chain_of(hash);
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
  c = *chain_of(hash);
  while (c != NULL && !(c->path_hash == hash && strncmp(c->path, path, n) == 0 && c->path[n] == 0 && is(c))) {
    c = c->registry_next;
  }
  registry_leave(&registry);
  return c;
}

static avfs_counter passed_files;

void avfs_registry_count_passed(int n) { avfs_counter_add(&passed_files, n); }

int avfs_registry_has_passed(void) { return avfs_counter_get(&passed_files) > 0; }

void avfs_registry_visit_conns(void (*visit)(avfs_conn *c, void *arg), void *arg) {
  size_t i;
  registry_enter(&registry);
  for (i = 0; i < (registry.chains == NULL ? FIRST_CHAINS : registry.chain_count); i++) {
    avfs_conn *c = registry.chains == NULL ? registry.few_chains[i] : registry.chains[i];
    for (; c != NULL; c = c->registry_next) visit(c, arg);
  }
  registry_leave(&registry);
}

AVFS_NOT_ANALYSED int avfs_registry_take_at_exit(avfs_store ***stores_out, size_t *count_out) {
  if (!avfs_lock_try_enter(&registry.lock)) return 0;
  *stores_out = registry.stores;
  *count_out = registry.store_count;
  return 1;
}
