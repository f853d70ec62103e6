/* linked_sqlite.c: in the static library, the SQLite that it is linked with.
 *
 * A table as the other doors have one (host.c), made by the linker. SQLITE_CORE keeps
 * sqlite3ext.h from turning the names below into calls through such a table.
 */
#define SQLITE_CORE 1
#include "sqlite3ext.h"

extern const sqlite3_api_routines avfs_linked_sqlite;

const sqlite3_api_routines avfs_linked_sqlite = {
#define WANTED(name, member) .member = sqlite3_##name,
#include "api/wanted.h"
};
