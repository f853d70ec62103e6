/* pragma.c: PRAGMA asyncvfs_x, and the same names as URI parameters.
 *
 * SQLite hands a pragma to the VFS when the statement is prepared: it acts then,
 * and stepping the statement only fetches the answer. The settings are those of
 * store/settings.h.
 */
#include "store/report.h"
#include "vfs/vfs.h"

/* ---- settings ------------------------------------------------------------ */

int avfs_uri_settings(const char *name, avfs_settings *settings, int given[AVFS_SETTING_COUNT]) {
  int i;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    const char *text = sqlite3_uri_parameter(name, avfs_setting_name(i));
    char *message;
    given[i] = text != NULL;
    if (text == NULL) continue;
    if (avfs_setting_parse(i, text, &settings->value[i], &message) != SQLITE_OK) {
      avfs_report(SQLITE_ERROR, "%s; %s is not opened", message, name);
      sqlite3_free(message);
      return SQLITE_ERROR;
    }
  }
  return SQLITE_OK;
}

void avfs_set(avfs_store *s, int i, uint64_t value) {
  avfs_store_enter(s);
  s->settings.value[i] = value;
  avfs_store_wake(s);   /* a writer may have room now */
  avfs_store_leave(s);
  avfs_store_kick(s);   /* a batch may be due earlier now */
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
    v = avfs_durability_get(&m->conn.durability);
  } else if (avfs_setting_is_process(i)) {
    if (text != NULL) avfs_setting_set_default(i, v);
  } else if (s != NULL) {
    if (text != NULL) avfs_set(s, i, v);
    avfs_store_enter_shared(s);
    v = s->settings.value[i];
    avfs_store_leave_shared(s);
  }
  *answer = avfs_setting_format(i, v);
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

/* Lists all that there is. */
static char *unknown_message(const char *name) {
  return sqlite3_mprintf("no such pragma: asyncvfs_%s; there are asyncvfs_flush, asyncvfs_drain, "
                         "asyncvfs_status, %z", name, avfs_setting_list("asyncvfs_"));
}

int avfs_pragma(avfs_main_file *m, char **arg) {
  const char *name = arg[1], *text = arg[2];
  int i;
  if (sqlite3_stricmp(name, "locking_mode") == 0 && text != NULL) m->conn.durability.has_unlocked = 0;
  if (sqlite3_strnicmp(name, "asyncvfs_", 9) != 0) return SQLITE_NOTFOUND;
  name += 9;
  i = avfs_setting_find(name);
  if (i >= 0) return pragma_setting(m, i, text, &arg[0]);
  if (sqlite3_stricmp(name, "flush") == 0) return pragma_flush(m, &arg[0]);
  if (sqlite3_stricmp(name, "drain") == 0) return pragma_drain(m, &arg[0]);
  if (sqlite3_stricmp(name, "status") == 0) {
    arg[0] = avfs_store_status(m->conn.store, &m->conn, m->reason);
    return arg[0] == NULL ? SQLITE_NOMEM : SQLITE_OK;
  }
  arg[0] = unknown_message(name);
  return SQLITE_ERROR;
}
