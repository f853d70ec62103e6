/* asyncvfs.c: the exported C functions (include/asyncvfs.h). */
#include "asyncvfs.h"

#include <string.h>

#include "api/bind.h"
#include "vfs/vfs.h"

const char *ASYNCVFS_CALL asyncvfs_version(void) { return ASYNCVFS_VERSION_TEXT; }

int ASYNCVFS_CALL asyncvfs_register(void *sqlite_module, unsigned flags, char *message,
                                    int message_bytes) {
  int rc;
  if (message != NULL && message_bytes > 0) message[0] = 0;
  rc = avfs_bind_module(sqlite_module, message, message_bytes);
  if (rc != SQLITE_OK) return rc;
  return avfs_bind_register((flags & ASYNCVFS_MAKE_DEFAULT) != 0, message, message_bytes);
}

static void nothing(avfs_store *s, void *arg) {
  (void)s;
  (void)arg;
}

int ASYNCVFS_CALL asyncvfs_unregister(void) {
  if (sqlite3_api == NULL) return SQLITE_OK;
  if (avfs_registry_visit(NULL, 0, nothing, NULL) > 0) return SQLITE_BUSY;
  return avfs_vfs_unregister();
}

/* ---- flush --------------------------------------------------------------------- */

enum { AT_A_TIME = 64 };

/* Stores to be waited for, each with a reference: the wait is without any lock. */
typedef struct flush_list {
  avfs_store *stores[AT_A_TIME];
  int count;
} flush_list;

static void take(avfs_store *s, void *arg) {
  flush_list *l = arg;
  if (l->count < AT_A_TIME) l->stores[l->count++] = avfs_registry_retain(s);
}

int ASYNCVFS_CALL asyncvfs_flush(const char *path, int timeout_ms) {
  flush_list l = {{NULL}, 0};
  int i, rc = SQLITE_OK;
  if (timeout_ms < ASYNCVFS_FOREVER) return SQLITE_MISUSE;
  avfs_registry_visit(path, path == NULL ? 0 : strlen(path), take, &l);
  if (path != NULL && l.count == 0) return SQLITE_NOTFOUND;
  for (i = 0; i < l.count; i++) {
    int one = avfs_store_flush(l.stores[i], timeout_ms < 0 ? AVFS_FOREVER : (uint32_t)timeout_ms);
    if (rc == SQLITE_OK) rc = one;
    avfs_store_release(l.stores[i]);
  }
  return rc;
}

/* ---- status -------------------------------------------------------------------- */

static void describe(avfs_store *s, void *arg) {
  int ours;
  avfs_store_enter_shared(s);
  ours = s->ours;
  avfs_store_leave_shared(s);
  *(char **)arg = avfs_store_status(s, NULL, ours ? NULL : avfs_not_rollback_mode);
}

int ASYNCVFS_CALL asyncvfs_status(const char *path, char *json, int bytes) {
  char *text = NULL;
  int rc = SQLITE_OK;
  if (path == NULL || json == NULL) return SQLITE_MISUSE;
  if (!avfs_registry_visit(path, strlen(path), describe, &text)) return SQLITE_NOTFOUND;
  if (text == NULL) return SQLITE_NOMEM;
  if ((int)strlen(text) >= bytes) rc = SQLITE_TOOBIG;
  else memcpy(json, text, strlen(text) + 1);
  sqlite3_free(text);
  return rc;
}
