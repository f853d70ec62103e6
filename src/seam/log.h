/* log.h: ASYNCVFS_LOG, part of the seam.
 *
 * What goes to sqlite3_log goes there too, for programs that do not listen to it:
 * ASYNCVFS_LOG=stderr, or a file's path, whose folder exists: a relative one from the folder
 * that was current when this library was registered, or first saw the variable. A line each,
 * with its time (UTC) and process. Any thread; several processes may share a file.
 */
#ifndef AVFS_LOG_H
#define AVFS_LOG_H

/* Writes the line, if ASYNCVFS_LOG is set. Calls nothing but Windows: also fit for the
 * last thread of a process. */
void avfs_log_line(const char *text);

/* Looks at ASYNCVFS_LOG, so that a relative path is one from here. */
void avfs_log_start(void);

#endif
