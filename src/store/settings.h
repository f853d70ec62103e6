/* settings.h: what an application can set, in one table: names, ranges, defaults.
 *
 * Each is PRAGMA asyncvfs_<name> and the URI parameter <name>, and has a default
 * that asyncvfs_default() changes. Whose it is:
 *
 *   a connection's   durability
 *   the process's    max_process_bytes, exit_timeout_ms: the default is the value
 *   a store's        the others: the last connection that sets one sets it for all
 *
 * Locks: a store's values are guarded by its lock. The defaults need none: each is
 * read and written whole.
 */
#ifndef AVFS_SETTINGS_H
#define AVFS_SETTINGS_H

#include <stdint.h>

enum avfs_setting {
  AVFS_DURABILITY,         /* where a commit is when COMMIT returns; of a connection */
  AVFS_MAX_LAG_MS,         /* from COMMIT until its batch is to be done */
  AVFS_MAX_QUEUE_BYTES,    /* pages in memory for the database */
  AVFS_ON_FULL,            /* what a writer meets at that limit */
  AVFS_FULL_TIMEOUT_MS,    /* how long it waits there */
  AVFS_CLOSE,              /* what the last close does with what is queued */
  AVFS_CLOSE_TIMEOUT_MS,   /* how long it tries */
  AVFS_MAX_PROCESS_BYTES,  /* pages in memory for all databases of the process */
  AVFS_REQUIRE_MANAGED,    /* whether a database that would be passed through is refused */
  AVFS_EXIT_TIMEOUT_MS,    /* how long a process that ends without closing writes */
  AVFS_SETTING_COUNT
};

/* Values of the settings that are words. */
enum {
  AVFS_DURABILITY_MEMORY,   /* in this process's memory */
  AVFS_DURABILITY_OS,       /* in the ring too, which outlives the process (redo_ring.h) */
  AVFS_DURABILITY_DISK,     /* on the medium */
  AVFS_DURABILITY_STRICTEST = AVFS_DURABILITY_DISK
};
enum { AVFS_ON_FULL_WAIT, AVFS_ON_FULL_BUSY };
enum { AVFS_CLOSE_DRAIN, AVFS_CLOSE_ABANDON };
enum { AVFS_REQUIRE_MANAGED_NO, AVFS_REQUIRE_MANAGED_YES };

typedef struct avfs_settings {
  uint64_t value[AVFS_SETTING_COUNT];
} avfs_settings;

/* What a database that is opened now begins with. */
avfs_settings avfs_settings_default(void);
uint64_t avfs_setting_default(int i);
void avfs_setting_set_default(int i, uint64_t value);
/* 1 when the process has one for all databases: its default. */
int avfs_setting_is_process(int i);

const char *avfs_setting_name(int i);
/* 1 when its values are words, 0 when they are numbers. */
int avfs_setting_is_word(int i);
/* The setting of this name, case-insensitive; -1 when there is none. */
int avfs_setting_find(const char *name);
/* The setting that was meant by this name, or by one that is as good as it: spelled wrong, in
 * capitals, without its unit; -1 when it is like none. */
int avfs_setting_like(const char *name);
/* SQLITE_OK when text is a value of setting i, which *value_out then has. Else SQLITE_ERROR,
 * and *message_out names the setting and its range, to be freed by sqlite3_free; it is
 * NULL without memory. */
int avfs_setting_parse(int i, const char *text, uint64_t *value_out, char **message_out);
/* All names, with commas between, each with the prefix; by sqlite3_malloc, NULL without memory. */
char *avfs_setting_list(const char *prefix);
/* The value as text, by sqlite3_malloc. */
char *avfs_setting_format(int i, uint64_t value);

#endif
