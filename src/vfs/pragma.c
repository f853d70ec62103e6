/* pragma.c: PRAGMA asyncvfs_x, and the same names as URI parameters.
 *
 * SQLite hands a pragma to the VFS when the statement is prepared: it acts then,
 * and stepping the statement only fetches the answer. The settings are those of
 * store/settings.h.
 */
#include <string.h>

#include "store/connection.h"
#include "store/report.h"
#include "store/status.h"
#include "store/store.h"
#include "vfs/vfs.h"

/* ---- settings ------------------------------------------------------------ */

int avfs_uri_settings(const char *name, avfs_settings *settings, int given[AVFS_SETTING_COUNT],
                      char **message_out) {
  int i;
  *message_out = NULL;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    const char *text = sqlite3_uri_parameter(name, avfs_setting_name(i));
    given[i] = text != NULL;
    if (text == NULL) continue;
    if (avfs_setting_parse(i, text, &settings->value[i], message_out) != SQLITE_OK) {
      avfs_report(SQLITE_ERROR, "%s; %s is not opened", *message_out, name);
      return SQLITE_ERROR;
    }
  }
  return SQLITE_OK;
}

/* Without what a text in the status cannot have. */
static void append_name(sqlite3_str *out, const char *name) {
  for (; *name != 0; name++) {
    int plain = *name == '_' || *name == '-' || (*name >= '0' && *name <= '9') ||
                (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');
    sqlite3_str_appendf(out, "%c", plain ? *name : '?');
  }
}

char *avfs_uri_misspelt(const char *name) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  const char *key, *separator = "";
  char *list;
  int n;
  for (n = 0; (key = sqlite3_uri_key(name, n)) != NULL; n++) {
    int has_prefix = sqlite3_strnicmp(key, "asyncvfs_", 9) == 0;
    int like = avfs_setting_like(has_prefix ? key + 9 : key);
    if (like < 0 && !has_prefix) continue;
    if (like >= 0 && strcmp(key, avfs_setting_name(like)) == 0) continue;
    sqlite3_str_appendf(out, "%s", separator);
    append_name(out, key);
    if (like >= 0) sqlite3_str_appendf(out, " (%s?)", avfs_setting_name(like));
    separator = ", ";
  }
  list = sqlite3_str_finish(out);
  if (list != NULL) {
    avfs_report(SQLITE_WARNING, "asyncvfs: %s: there are no such URI parameters, they have no effect: %s",
                name, list);
  }
  return list;
}

static int pragma_setting(avfs_main_file *m, int i, const char *text, char **answer) {
  avfs_store *s = m->conn.store;
  uint64_t v = avfs_setting_default(i);
  if (text != NULL) {
    int rc = avfs_setting_parse(i, text, &v, answer);
    if (rc != SQLITE_OK) return rc;
  }
  if (i == AVFS_DURABILITY) {
    if (text != NULL) avfs_durability_set(&m->conn.durability, v);
    v = avfs_store_durability(s, avfs_durability_get(&m->conn.durability));
  } else if (avfs_setting_is_process(i)) {
    if (text != NULL) avfs_setting_set_default(i, v);
  } else if (s != NULL) {
    if (text != NULL) avfs_store_set(s, i, v);
    v = avfs_store_get(s, i);
  }
  *answer = avfs_setting_format(i, v);
  return SQLITE_OK;
}

/* ---- actions ------------------------------------------------------------- */

static int on_its_store(avfs_main_file *m, int (*act)(avfs_store *s, uint32_t timeout_ms)) {
  avfs_store *s = avfs_main_file_retain_store(m);
  int rc = s == NULL ? SQLITE_OK : act(s, AVFS_FOREVER);
  if (s != NULL) avfs_store_release(s);
  return rc;
}

static int pragma_flush(avfs_main_file *m, char **answer) {
  int rc = on_its_store(m, avfs_store_flush);
  if (rc != SQLITE_OK) {
    *answer = sqlite3_mprintf("asyncvfs_flush: the disk does not take the commits: %s; they stay "
                              "in memory and are tried again", sqlite3_errstr(rc));
  } else {
    *answer = sqlite3_mprintf("ok");
  }
  return rc;
}

static int pragma_drain(avfs_main_file *m, char **answer) {
  int rc = on_its_store(m, avfs_store_drain);
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

/* SHARED for a moment, unless the connection has it: what a killed process left in the ring of
 * commits is taken up with the database's lock. Not by xLock: SQLite's own are counted there. */
static int touch(avfs_main_file *m) {
  int rc = SQLITE_BUSY;
  if (m->conn.locker.level > AVFS_LOCK_NONE || avfs_counter_get(&m->conn.passed_level) > AVFS_LOCK_NONE) {
    return SQLITE_OK;
  }
  do rc = avfs_conn_lock(&m->conn, AVFS_LOCK_SHARED);
  while (rc == SQLITE_BUSY && m->conn.busy_handler != NULL && m->conn.busy_handler(m->conn.busy_arg));
  if (rc == SQLITE_OK) rc = avfs_conn_unlock(&m->conn, AVFS_LOCK_NONE);
  return rc == AVFS_PASS ? SQLITE_OK : rc;
}

/* Of a database that can never be managed here, nothing is replayed. */
static int is_left_alone(const avfs_main_file *m, int *left_out) {
  sqlite3_vfs *parent = m->vfs->parent;
  char *name = sqlite3_mprintf("%s" AVFS_REDO_SUFFIX, m->conn.path);
  int rc = name == NULL ? SQLITE_NOMEM : parent->xAccess(parent, name, SQLITE_ACCESS_EXISTS, left_out);
  sqlite3_free(name);
  return rc;
}

/* message: by sqlite3_malloc, taken over; it goes to the log too. */
static int not_replayed(char *message, char **answer) {
  if (message == NULL) return SQLITE_NOMEM;
  avfs_report(SQLITE_WARNING, "%s", message);
  *answer = message;
  return SQLITE_WARNING;
}

static int pragma_recover(avfs_main_file *m, char **answer) {
  avfs_ring ring;
  int left = 0, rc;
  memset(&ring, 0, sizeof ring);
  if (m->conn.store == NULL) {
    rc = is_left_alone(m, &left);
    if (left) {
      return not_replayed(sqlite3_mprintf("asyncvfs_recover: %s" AVFS_REDO_SUFFIX " is not replayed, since the "
                                          "database cannot be managed: %s", m->conn.path, m->reason), answer);
    }
  } else {
    rc = touch(m);
    if (rc == SQLITE_OK) rc = pragma_drain(m, answer);
    sqlite3_free(*answer);
    *answer = NULL;
    ring = avfs_store_ring(m->conn.store);
  }
  if (rc != SQLITE_OK) {
    *answer = sqlite3_mprintf("asyncvfs_recover: %s: %s", m->conn.path, sqlite3_errstr(rc));
  } else if (ring.refused > 0) {
    rc = not_replayed(sqlite3_mprintf("asyncvfs_recover: %lld commits of %s were not replayed, since they do not "
                                      "fit the database as it is; they are in %s" AVFS_REDO_ASIDE_SUFFIX,
                                      (sqlite3_int64)ring.refused, m->conn.path, m->conn.path), answer);
  } else {
    *answer = sqlite3_mprintf("%lld", (sqlite3_int64)ring.replayed);
  }
  return rc;
}

/* Lists all that there is. */
static char *unknown_message(const char *name) {
  return sqlite3_mprintf("no such pragma: asyncvfs_%s; there are asyncvfs_flush, asyncvfs_drain, "
                         "asyncvfs_recover, asyncvfs_status, %z", name, avfs_setting_list("asyncvfs_"));
}

/* The commit that makes it a database in WAL mode would succeed, and each use after it be refused without
 * words. */
static int refuse_wal(const avfs_main_file *m, const char *mode, char **answer) {
  avfs_store *s = m->conn.store;
  if (mode == NULL || sqlite3_stricmp(mode, "wal") != 0) return SQLITE_NOTFOUND;
  if (s == NULL || avfs_store_get(s, AVFS_REQUIRE_MANAGED) == AVFS_REQUIRE_MANAGED_NO) return SQLITE_NOTFOUND;
  *answer = sqlite3_mprintf("asyncvfs: in WAL mode %s would be passed through, and it is to be managed "
                            "(require_managed=yes): leave it in rollback mode, or open it without "
                            "require_managed", m->conn.path);
  return SQLITE_ERROR;
}

int avfs_pragma(avfs_main_file *m, char **arg) {
  const char *name = arg[1], *text = arg[2];
  int i;
  if (sqlite3_stricmp(name, "journal_mode") == 0) return refuse_wal(m, text, &arg[0]);
  if (sqlite3_stricmp(name, "locking_mode") == 0 && text != NULL) m->conn.durability.has_unlocked = 0;
  if (sqlite3_strnicmp(name, "asyncvfs_", 9) != 0) return SQLITE_NOTFOUND;
  name += 9;
  i = avfs_setting_find(name);
  if (i >= 0) return pragma_setting(m, i, text, &arg[0]);
  if (sqlite3_stricmp(name, "flush") == 0) return pragma_flush(m, &arg[0]);
  if (sqlite3_stricmp(name, "drain") == 0) return pragma_drain(m, &arg[0]);
  if (sqlite3_stricmp(name, "recover") == 0) return pragma_recover(m, &arg[0]);
  if (sqlite3_stricmp(name, "status") == 0) {
    arg[0] = avfs_store_status(m->conn.store, &m->conn, avfs_main_file_reason(m));
    return arg[0] == NULL ? SQLITE_NOMEM : SQLITE_OK;
  }
  arg[0] = unknown_message(name);
  return SQLITE_ERROR;
}
