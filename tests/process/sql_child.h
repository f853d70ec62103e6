/* sql_child.h: a child process that runs the SQL it is told to, one line in,
 * one line out, so that a test decides what happens between two processes and
 * in which order, without a sleep.
 *
 *   harness_child *stock = sql_child_start("win32", path);
 *   CHECK_RC(NULL, sql_child_run(stock, "BEGIN IMMEDIATE"), SQLITE_BUSY);
 *   CHECK_EQ(sql_child_int(stock, "SELECT n FROM t", &rc), 7);
 *
 * Between sql_child_send and sql_child_answer the child works on its own.
 * Result codes are extended ones; SQL_CHILD_LOST means that it answered
 * nothing, and is a failed check already.
 */
#ifndef SQL_CHILD_H
#define SQL_CHILD_H

#include <stdint.h>

#include "harness.h"

#define SQL_CHILD_LOST (-1)

/* Starts a child that has opened path (or will say why not: its first answer
 * is read by sql_child_start, and is a failed check if it is not SQLITE_OK). */
harness_child *sql_child_start(const char *vfs, const char *path);

/* One line of SQL; or one of
 *   .close      sqlite3_close, answered with its code
 *   .open PATH  on the same VFS
 *   .hash       the value is the dump hash */
void sql_child_send(harness_child *child, const char *sql);

/* The answer: a code, and the first column of the first row ("" if none). */
int sql_child_answer(harness_child *child, char *value, size_t value_bytes);

int sql_child_run(harness_child *child, const char *sql);
int64_t sql_child_int(harness_child *child, const char *sql, int *rc_out);

/* Asserts SQLITE_OK. */
void sql_child_must(harness_child *child, const char *sql);

/* Closes its database, waits for its end, frees it. */
void sql_child_end(harness_child *child);

#endif
