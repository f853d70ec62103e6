/* extension.c: the door for sqlite3_load_extension and the shell's .load.
 *
 * The entry point's name follows from the file's: asyncvfs.dll. The VFS is there
 * for the whole process afterwards, and the library stays loaded.
 */
#include "api/bind.h"

#if defined(_WIN32) && !defined(ASYNCVFS_STATIC)
__declspec(dllexport)
#endif
int sqlite3_asyncvfs_init(sqlite3 *db, char **message_out, const sqlite3_api_routines *table);

int sqlite3_asyncvfs_init(sqlite3 *db, char **message_out, const sqlite3_api_routines *table) {
  char message[256] = "";
  int rc = avfs_bind_table(table, message, sizeof message);
  if (rc == SQLITE_OK) rc = avfs_bind_register(0, message, sizeof message);
  if (rc == SQLITE_OK) rc = avfs_sql_functions_add(db);
  if (rc == SQLITE_OK) return SQLITE_OK_LOAD_PERMANENTLY;
  if (message_out) *message_out = table->mprintf("%s", message);   /* SQLite frees it */
  return SQLITE_ERROR;
}
