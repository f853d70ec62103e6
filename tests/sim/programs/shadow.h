/* shadow.h: the database in memory that has what was committed, and what the one transaction
 * that writes has done so far.
 *
 * It is SQLite's own, so it says what a statement does; commits.h says which statements it
 * gets.
 */
#ifndef SIM_SHADOW_H
#define SIM_SHADOW_H

#include <stdint.h>

#include "seam/sqlite_api.h"

/* Empty, with all databases attached. The history of each begins. */
void sim_shadow_open(void);
/* A statement that has succeeded in the database. */
void sim_shadow(const char *sql);
/* The hash of what database d has in it, the open transaction included. */
uint64_t sim_shadow_content(int d);
/* A query's first number, 0: none. */
int sim_shadow_number(const char *sql);
/* The function sim_blob(seed, bytes), for a program's connection: the same bytes as in the
 * shadow. */
void sim_add_functions(sqlite3 *db);

#endif
