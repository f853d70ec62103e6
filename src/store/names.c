/* names.c: see names.h. */
#include "store/names.h"

#include "store/registry.h"
#include "store/write_through.h"

typedef struct query {
  avfs_name name;
  avfs_store *writing;   /* whose writer the journal belongs to */
} query;

static void ask(avfs_store *s, void *arg) {
  query *q = arg;
  avfs_store_enter_shared(s);
  /* With a super-journal the journal on the disk may name it: SQLite must find that too. */
  q->name.is_known = avfs_store_has_os_lock(s, AVFS_LOCK_SHARED) && s->os.managed && s->through.super == NULL;
  q->name.is_virtual = s->turns.table.writer != NULL && avfs_store_has_os_lock(s, AVFS_LOCK_RESERVED);
  q->name.names_super = q->name.is_virtual && s->writer.super_thread == avfs_thread_id();
  if (q->name.is_virtual) q->writing = s;
  avfs_store_leave_shared(s);
}

avfs_name avfs_names_ask(const char *database, size_t n) {
  query q = {{0, 0, 0}, NULL};
  (void)avfs_registry_visit(database, n, ask, &q);
  return q.name;
}

int avfs_names_delete_journal(const char *database, size_t n) {
  query q = {{0, 0, 0}, NULL};
  (void)avfs_registry_visit(database, n, ask, &q);
  if (q.writing == NULL) return 0;
  avfs_virtual_journal_reset(&q.writing->writer.journal);
  avfs_write_through_note_super(q.writing, 0);
  return 1;
}

/* Of all connections to a database one at a time. */
static int is_writer(avfs_conn *c) {
  int writes;
  avfs_store_enter_shared(c->store);
  writes = c->store->turns.table.writer == &c->locker;
  avfs_store_leave_shared(c->store);
  return writes || avfs_counter_get(&c->passed_level) >= AVFS_LOCK_RESERVED;
}

avfs_conn *avfs_names_writer(const char *database, size_t n) {
  return avfs_registry_find_conn(database, n, is_writer);
}
