/* durability.c: see durability.h. */
#include "store/durability.h"

#include <string.h>

#include "store/settings.h"

void avfs_durability_init(avfs_durability *d, uint64_t value, const char *name, const sqlite3_vfs *vfs) {
  memset(d, 0, sizeof *d);
  d->value = d->first_value = value;
  d->name = name;
  d->vfs = vfs;
  d->is_main = -1;
}

void avfs_durability_joined(avfs_durability *d, sqlite3 **db) {
  /* SQLite opens the files of a shared cache one after the other (SQLITE_MUTEX_STATIC_OPEN). */
  if (avfs_counter_add(&d->joins, 1) == 1) d->db = db;
}

static int is_shared(avfs_durability *d) { return avfs_counter_get(&d->joins) > 1; }

/* With lock: what was said by a connection that may be another one by now, at the same address,
 * counts on only if it is stricter than what counts without it. */
static void forget_after_joins(avfs_durability *d) {
  int64_t joins = avfs_counter_get(&d->joins);
  int i, kept = 0;
  if (joins == d->said_joins) return;
  d->said_joins = joins;
  for (i = 0; i < d->said_count; i++) {
    if (d->said[i].value > d->first_value) d->said[kept++] = d->said[i];
  }
  d->said_count = kept;
}

uint64_t avfs_durability_get(avfs_durability *d) {
  uint64_t value;
  int i;
  if (!is_shared(d) || d->db == NULL) return d->value;
  avfs_lock_enter(&d->lock);
  forget_after_joins(d);
  value = d->first_value;
  for (i = 0; i < d->said_count; i++) {
    if (d->said[i].db == *d->db) value = d->said[i].value;
  }
  avfs_lock_leave(&d->lock);
  return value;
}

void avfs_durability_set(avfs_durability *d, uint64_t value) {
  int i = 0;
  if (!is_shared(d)) d->value = value;
  if (d->db == NULL) return;
  avfs_lock_enter(&d->lock);
  forget_after_joins(d);
  while (i < d->said_count && d->said[i].db != *d->db) i++;
  if (i == AVFS_DURABILITY_MOST) {
    d->first_value = AVFS_DURABILITY_STRICTEST;   /* its own, and all others' */
  } else {
    d->said[i].db = *d->db;
    d->said[i].value = value;
    if (i == d->said_count) d->said_count++;
  }
  avfs_lock_leave(&d->lock);
}

/* By the names' address: SQLite hands the name that it keeps of the database to xOpen. */
static int is_main_of(const avfs_durability *d, sqlite3 *db) {
  const sqlite3_vfs *vfs = NULL;
  if (sqlite3_db_filename(db, "main") != d->name) return 0;
  return sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs) == SQLITE_OK && vfs == d->vfs;
}

int avfs_durability_unlocks(avfs_durability *d) {
  if (!d->has_unlocked || is_shared(d) || d->db == NULL) return 0;
  if (d->is_main < 0) d->is_main = is_main_of(d, *d->db);
  return d->is_main;
}

int avfs_durability_reads_on(const avfs_durability *d) {
  sqlite3_stmt *s = NULL;
  int running = 0;
  while ((s = sqlite3_next_stmt(*d->db, s)) != NULL) running += sqlite3_stmt_busy(s);
  return running > 1;   /* one is what commits */
}
