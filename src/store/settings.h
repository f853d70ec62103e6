/* settings.h: what an application can set, in one table: names, ranges, defaults.
 *
 * Each is PRAGMA asyncvfs_<name> and the URI parameter <name>. All belong to the
 * store, so the last connection that sets one sets it for all; but durability
 * belongs to the connection.
 *
 * Locks: the values are guarded by whoever holds them (store->lock).
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
  AVFS_CLOSE,              /* what the last close does with a backlog */
  AVFS_CLOSE_TIMEOUT_MS,   /* how long it tries */
  AVFS_SETTING_COUNT
};

/* Values of the settings that are words. */
enum { AVFS_DURABILITY_MEMORY, AVFS_DURABILITY_DISK };
enum { AVFS_ON_FULL_WAIT, AVFS_ON_FULL_BUSY };
enum { AVFS_CLOSE_DRAIN, AVFS_CLOSE_ABANDON };

typedef struct avfs_settings {
  uint64_t value[AVFS_SETTING_COUNT];
} avfs_settings;

extern const avfs_settings avfs_default_settings;

const char *avfs_setting_name(int i);
/* The setting of this name, case-insensitive; -1 when there is none. */
int avfs_setting_find(const char *name);
/* NULL when text is a value of setting i, which *value_out then has; else a message
 * that names the setting and its range, to be freed by sqlite3_free. */
char *avfs_setting_parse(int i, const char *text, uint64_t *value_out);
/* The value as text, by sqlite3_malloc. */
char *avfs_setting_format(int i, uint64_t value);

#endif
