/* one_file.h: whether two names lead to one file, and whether a file has one name.
 *
 * A store is one file, and its journal lies beside one name. So
 *   - two connections share a store if volume, number and final path of their files are
 *     equal. If only some of that is, nothing is certain: file systems exist that number all files 0, or
 *     by a hash of the name;
 *   - a file that has a second name, or that was opened by another than its own, has no store:
 *     its journal may be looked for, or left by stock SQLite, beside that other name.
 * What is not certain is passed through.
 */
#ifndef AVFS_ONE_FILE_H
#define AVFS_ONE_FILE_H

#include "seam/io.h"

typedef enum avfs_sameness {
  AVFS_OTHER_FILE,
  AVFS_SAME_FILE,
  AVFS_PERHAPS_SAME_FILE
} avfs_sameness;

/* Of two files that have places. */
avfs_sameness avfs_same_file(const avfs_identity *a, const avfs_identity *b);
/* Why the file that `name` leads to can have no store; NULL when it can. Static text. */
const char *avfs_one_file_doubt(const char *name, const avfs_identity *id);
extern const char avfs_has_links[], avfs_is_perhaps_another[];

#endif
