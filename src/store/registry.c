/* registry.c: which stores are open, by file and by the names they go under.
 *
 * A store is one file, whatever path leads to it: volume and file index tell.
 * A journal's or WAL's name belongs to the store that has a connection with the
 * database's name, as SQLite spelled it.
 *
 * Lock: registry.lock, the outermost; the stores' own locks are taken inside it.
 */
#include <string.h>

#include "store/store.h"

enum { CHAINS = 64 };

static struct {
  avfs_lock lock;
  avfs_store *stores AVFS_GUARDED_BY(lock);
  avfs_conn *conns[CHAINS] AVFS_GUARDED_BY(lock);
} registry;

static uint32_t hash_path(const char *path, size_t n) {
  uint32_t h = 2166136261u;   /* FNV-1a, over the tail: paths differ there */
  size_t i = n > 32 ? n - 32 : 0;
  for (; i < n; i++) h = (h ^ (unsigned char)path[i]) * 16777619u;
  return h;
}

void avfs_registry_add_conn(avfs_conn *conn) {
  avfs_conn **chain;
  conn->path_hash = hash_path(conn->path, strlen(conn->path));
  avfs_lock_enter(&registry.lock);
  chain = &registry.conns[conn->path_hash % CHAINS];
  conn->registry_next = *chain;
  *chain = conn;
  avfs_lock_leave(&registry.lock);
}

void avfs_registry_remove_conn(avfs_conn *conn) {
  avfs_conn **at;
  avfs_lock_enter(&registry.lock);
  at = &registry.conns[conn->path_hash % CHAINS];
  while (*at != conn) at = &(*at)->registry_next;
  *at = conn->registry_next;
  avfs_lock_leave(&registry.lock);
}

static avfs_store *find(const avfs_identity *id) AVFS_REQUIRES(registry.lock) {
  avfs_store *s = registry.stores;
  while (s != NULL && memcmp(&s->identity, id, sizeof *id) != 0) s = s->next;
  if (s != NULL) s->refs++;
  return s;
}

avfs_store *avfs_registry_find(const avfs_identity *id) {
  avfs_store *s;
  avfs_lock_enter(&registry.lock);
  s = find(id);
  avfs_lock_leave(&registry.lock);
  return s;
}

avfs_store *avfs_registry_add(avfs_store *s) {
  avfs_store *other;
  avfs_lock_enter(&registry.lock);
  other = find(&s->identity);
  if (other == NULL) {
    s->refs = 1;
    s->next = registry.stores;
    registry.stores = s;
    other = s;
  }
  avfs_lock_leave(&registry.lock);
  return other;
}

avfs_store *avfs_registry_retain(avfs_store *s) {
  s->refs++;
  return s;
}

int avfs_registry_is_last(const avfs_store *s) {
  int last;
  avfs_lock_enter_shared(&registry.lock);
  last = s->refs == 1;
  avfs_lock_leave_shared(&registry.lock);
  return last;
}

int avfs_registry_release(avfs_store *s) {
  int last;
  avfs_lock_enter(&registry.lock);
  last = --s->refs == 0;
  if (last) {
    avfs_store **at = &registry.stores;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
  }
  avfs_lock_leave(&registry.lock);
  return last;
}

int avfs_registry_visit(const char *path, size_t n, void (*visit)(avfs_store *s, void *arg),
                        void *arg) {
  int visited = 0;
  avfs_lock_enter(&registry.lock);
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
  avfs_lock_leave(&registry.lock);
  return visited;
}
