/* pragma.c: PRAGMA asyncvfs_x, and the same names as URI parameters.
 *
 * SQLite hands a pragma to the VFS when the statement is prepared: it acts then,
 * and stepping the statement only fetches the answer. One table says which settings
 * there are, and their ranges.
 */
#include <string.h>

#include "vfs/vfs.h"

static const char known[] =
    "asyncvfs_flush, asyncvfs_drain, asyncvfs_status, asyncvfs_durability, "
    "asyncvfs_max_lag_ms, asyncvfs_max_queue_bytes";

/* ---- settings ------------------------------------------------------------ */

static const struct setting {
  const char *name;
  uint64_t least, most;
} settings[] = {
    {"max_lag_ms", 0, 60000},
    {"max_queue_bytes", 1u << 20, (uint64_t)64 << 30},
};
enum { MAX_LAG_MS, MAX_QUEUE_BYTES, SETTING_COUNT };

static uint64_t get(const avfs_settings *s, int i) {
  return i == MAX_LAG_MS ? s->max_lag_ms : s->max_queue_bytes;
}

static void set(avfs_settings *s, int i, uint64_t v) {
  if (i == MAX_LAG_MS) s->max_lag_ms = (uint32_t)v;
  else s->max_queue_bytes = v;
}

/* Decimal digits and nothing else, in the setting's range. */
static int parse(const struct setting *s, const char *text, uint64_t *value_out) {
  uint64_t v = 0;
  if (*text == 0) return 0;
  for (; *text != 0; text++) {
    if (*text < '0' || *text > '9' || v > ((uint64_t)1 << 60)) return 0;
    v = v * 10 + (uint64_t)(*text - '0');
  }
  *value_out = v;
  return v >= s->least && v <= s->most;
}

static char *range_message(const struct setting *s, const char *text) {
  return sqlite3_mprintf("asyncvfs: %s=%s: a number from %lld to %lld is wanted", s->name, text,
                         (sqlite3_int64)s->least, (sqlite3_int64)s->most);
}

/* A word of asyncvfs_durability. NULL when it is one; else what is wrong with it, to
 * be freed by sqlite3_free. */
static char *parse_durability(const char *text, enum avfs_durability *out) {
  if (sqlite3_stricmp(text, "memory") == 0) {
    *out = AVFS_DURABILITY_MEMORY;
  } else if (sqlite3_stricmp(text, "disk") == 0) {
    *out = AVFS_DURABILITY_DISK;
  } else if (sqlite3_stricmp(text, "os") == 0) {
    return sqlite3_mprintf("asyncvfs: durability=os is not there yet: memory or disk is wanted");
  } else {
    return sqlite3_mprintf("asyncvfs: durability=%s: memory or disk is wanted", text);
  }
  return NULL;
}

static int refuse_open(const char *name, char *message) {
  sqlite3_log(SQLITE_ERROR, "%s; %s is not opened", message, name);
  sqlite3_free(message);
  return SQLITE_ERROR;
}

int avfs_uri_settings(const char *name, avfs_settings *to, enum avfs_durability *durability) {
  const char *word = sqlite3_uri_parameter(name, "durability");
  int i;
  if (word != NULL) {
    char *message = parse_durability(word, durability);
    if (message != NULL) return refuse_open(name, message);
  }
  for (i = 0; i < SETTING_COUNT; i++) {
    const char *text = sqlite3_uri_parameter(name, settings[i].name);
    uint64_t v;
    if (text == NULL) continue;
    if (!parse(&settings[i], text, &v)) return refuse_open(name, range_message(&settings[i], text));
    set(to, i, v);
  }
  return SQLITE_OK;
}

static int pragma_setting(avfs_main_file *m, int i, const char *text, char **answer) {
  avfs_store *s = m->conn.store;
  avfs_settings now = avfs_default_settings;
  uint64_t v;
  if (text != NULL && !parse(&settings[i], text, &v)) {
    *answer = range_message(&settings[i], text);
    return SQLITE_ERROR;
  }
  if (s != NULL) {
    avfs_store_enter(s);
    if (text != NULL) set(&s->settings, i, v);
    now = s->settings;
    avfs_store_leave(s);
    if (text != NULL) avfs_store_kick(s);   /* it may be due earlier now */
  }
  *answer = sqlite3_mprintf("%lld", (sqlite3_int64)get(&now, i));
  return SQLITE_OK;
}

/* ---- actions ------------------------------------------------------------- */

static int pragma_flush(avfs_main_file *m, char **answer) {
  int rc = SQLITE_OK;
  if (m->conn.store != NULL) rc = avfs_store_flush(m->conn.store, AVFS_FOREVER);
  if (rc != SQLITE_OK) {
    *answer = sqlite3_mprintf("asyncvfs_flush: the disk does not take the commits: %s; they stay "
                              "in memory and are tried again", sqlite3_errstr(rc));
  } else {
    *answer = sqlite3_mprintf("ok");
  }
  return rc;
}

static int pragma_drain(avfs_main_file *m, char **answer) {
  int rc = SQLITE_OK;
  if (m->conn.store != NULL) rc = avfs_store_drain(m->conn.store, AVFS_FOREVER);
  if (rc == SQLITE_BUSY) {
    *answer = sqlite3_mprintf("asyncvfs_drain: a connection of this process is in a transaction");
  } else if (rc != SQLITE_OK) {
    *answer = sqlite3_mprintf("asyncvfs_drain: the disk does not take the commits: %s; they stay "
                              "in memory and are tried again", sqlite3_errstr(rc));
  } else {
    *answer = sqlite3_mprintf("ok");
  }
  return rc;
}

static int pragma_durability(avfs_main_file *m, const char *text, char **answer) {
  if (text != NULL) {
    *answer = parse_durability(text, &m->conn.durability);
    if (*answer != NULL) return SQLITE_ERROR;
  }
  *answer = sqlite3_mprintf(m->conn.durability == AVFS_DURABILITY_DISK ? "disk" : "memory");
  return SQLITE_OK;
}

int avfs_pragma(avfs_main_file *m, char **arg) {
  const char *name = arg[1], *text = arg[2];
  int i;
  if (sqlite3_stricmp(name, "locking_mode") == 0 && text != NULL) avfs_exclusive_requests++;
  if (sqlite3_strnicmp(name, "asyncvfs_", 9) != 0) return SQLITE_NOTFOUND;
  name += 9;
  for (i = 0; i < SETTING_COUNT; i++) {
    if (sqlite3_stricmp(name, settings[i].name) == 0) return pragma_setting(m, i, text, &arg[0]);
  }
  if (sqlite3_stricmp(name, "durability") == 0) return pragma_durability(m, text, &arg[0]);
  if (sqlite3_stricmp(name, "flush") == 0) return pragma_flush(m, &arg[0]);
  if (sqlite3_stricmp(name, "drain") == 0) return pragma_drain(m, &arg[0]);
  if (sqlite3_stricmp(name, "status") == 0) {
    arg[0] = avfs_store_status(m->conn.store, &m->conn, m->reason);
    return arg[0] == NULL ? SQLITE_NOMEM : SQLITE_OK;
  }
  arg[0] = sqlite3_mprintf("no such pragma: asyncvfs_%s; there are %s", name, known);
  return SQLITE_ERROR;
}
