/* parent_file.h: a file that the parent VFS (win32) has open for us.
 *
 * It owns its name, with the URI parameters, in the form that SQLite's VFS calls
 * want (sqlite3_create_filename): so it can outlive the connection that opened it,
 * and change hands between a connection and its store.
 */
#ifndef AVFS_PARENT_FILE_H
#define AVFS_PARENT_FILE_H

#include <stdint.h>

#include "seam/sqlite_api.h"

typedef struct avfs_parent_file {
  sqlite3_file *file;   /* of the parent VFS */
  char *name;           /* sqlite3_create_filename's */
  int chunk_bytes;      /* SQLITE_FCNTL_CHUNK_SIZE, which the parent does not tell */
} avfs_parent_file;

/* Opens `name`, a name that SQLite handed to xOpen, or a copy of one. */
int avfs_parent_file_open(sqlite3_vfs *parent, const char *name, int flags,
                          avfs_parent_file **file_out, int *flags_out);
/* Reads what the file has; zeros behind its end, and for the lock bytes, which are locked for its own
 * handle too. */
int avfs_parent_file_read(avfs_parent_file *f, void *to, uint32_t n, uint64_t offset);
/* Closes it and frees all; NULL is fine. Returns what xClose says. */
int avfs_parent_file_close(avfs_parent_file *f);

/* xFileControl of the parent's file; what it sets stays with this file. */
int avfs_parent_file_control(avfs_parent_file *f, int op, void *arg);
/* What was set by file controls for `from` counts for `to` from here on. */
void avfs_parent_file_take_controls(avfs_parent_file *to, avfs_parent_file *from);

#endif
