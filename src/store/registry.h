/* registry.h: which stores are open, by file and by the names they go under.
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
#ifndef AVFS_REGISTRY_H
#define AVFS_REGISTRY_H

#include "store/state.h"

void avfs_registry_add_conn(avfs_conn *conn);
void avfs_registry_remove_conn(avfs_conn *conn);
/* The id for a new store, and the last one that was given. */
uint64_t avfs_registry_next_id(void);
uint64_t avfs_registry_last_id(void);
/* Takes a reference to the open store with the first id after this one, up to `last`; NULL:
 * there is none. */
avfs_store *avfs_registry_find_after(uint64_t id, uint64_t last);
/* Takes a reference to the open store with this id, if there is one. */
avfs_store *avfs_registry_find_id(uint64_t id);
/* Remembers what was lost, for tickets; takes the record over. */
void avfs_registry_add_loss(avfs_loss *loss);
/* Of a closed store: SQLITE_OK when its commit `seq` is on disk, else why not; SQLITE_MISUSE:
 * there has been none with this id. */
int avfs_registry_loss(uint64_t id, uint64_t seq);
/* The open store of this file, for another connection; NULL: there is none. AVFS_PASS: there is
 * one that may be of this file or of another (one_file.h). Waits while one is being taken
 * down. */
int avfs_registry_find(const avfs_identity *id, avfs_store **store_out);
/* Adds a new store with its first connection, unless one that find would tell of has come up
 * meanwhile; *store_out is s, or else as find has it. SQLITE_NOMEM. */
int avfs_registry_add(avfs_store *s, avfs_store **store_out);
/* Takes a reference to the open store of this file, if there is one; perhaps: else to one that may
 * be of this file or of another. */
avfs_store *avfs_registry_find_file(const avfs_identity *id, int perhaps);
/* Takes another reference to an open store; with the registry locked (visit). */
avfs_store *avfs_registry_retain(avfs_store *s);
/* The same, for who has a connection to it. */
avfs_store *avfs_registry_retain_open(avfs_store *s);
/* A connection is gone, unless it is the last: then 1, and others may still join. */
int avfs_registry_leave_others(avfs_store *s);
/* A connection is gone; 1 when it was the last: the caller takes the store down, and
 * then removes it. Its reference stays. */
int avfs_registry_leave(avfs_store *s);
/* The store is taken down: it is no longer found. */
void avfs_registry_remove(avfs_store *s);
/* Drops a reference; 1 when it was the last: the caller frees the memory. */
int avfs_registry_release(avfs_store *s);
/* Calls back for the store that has a connection of this path (n bytes), or for
 * all stores (NULL), with the registry locked. Returns how many there were. */
int avfs_registry_visit(const char *path, size_t n, void (*visit)(avfs_store *s, void *arg),
                        void *arg);
/* One more file of this process is passed through, or one less (-1). Its lock is its own, so a
 * store that kept the file's longer than it needs would be in its way. */
void avfs_registry_count_passed(int n);
int avfs_registry_has_passed(void);
/* The first connection of this path (n bytes) of which is(c) says 1; NULL: none. */
avfs_conn *avfs_registry_find_conn(const char *path, size_t n, int (*is)(avfs_conn *c));
/* visit for all connections. */
void avfs_registry_visit_conns(void (*visit)(avfs_conn *c, void *arg), void *arg);

/* At the exit of the process (exit.h): takes the registry's lock for good. 0: a thread that is gone
 * held it. */
int avfs_registry_take_at_exit(avfs_store ***stores_out, size_t *count_out);

#endif
