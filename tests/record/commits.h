/* commits.h: numbered commits, whose number says what the database holds.
 *
 * The content after commit n follows from a seed and n, whoever made them: so any process
 * can go on where another stopped, and a program that saw none of it can tell by replaying
 * commits 1..n in memory. Portable: for Windows, and for what runs natively.
 */
#ifndef RECORD_COMMITS_H
#define RECORD_COMMITS_H

#include <stddef.h>
#include <stdint.h>

enum { COMMIT_SQL_BYTES = 600 };

/* Of an empty database; then it is at 0. */
extern const char commits_schema[];
/* The statements of commit n, without its BEGIN and COMMIT. The table `last` has n. */
void commits_sql(uint64_t seed, int n, char sql[COMMIT_SQL_BYTES]);

/* splitmix64, and a number below n of it. */
uint64_t commits_draw(uint64_t *state);
uint32_t commits_below(uint64_t *state, uint32_t n);

#endif
