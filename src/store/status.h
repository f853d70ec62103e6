/* status.h: what a store tells of itself. */
#ifndef AVFS_STATUS_H
#define AVFS_STATUS_H

#include "store/state.h"

/* One JSON object, by sqlite3_malloc; NULL without memory. conn may be NULL; s is
 * NULL for a file that can never be managed. reason is NULL when it is managed now. */
char *avfs_store_status(avfs_store *s, avfs_conn *conn, const char *reason);

#endif
