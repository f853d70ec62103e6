/* one_file.c: see one_file.h. */
#include "store/one_file.h"

#include <string.h>

const char avfs_has_links[] =
    "the file has more than one name (hard links): its journal could lie beside another";
const char avfs_is_perhaps_another[] =
    "the file system does not tell this file from another one that is open";

avfs_sameness avfs_same_file(const avfs_identity *a, const avfs_identity *b) {
  int number = a->volume == b->volume && a->index_high == b->index_high && a->index_low == b->index_low;
  int place = strcmp(a->place, b->place) == 0;
  if (number && place) return AVFS_SAME_FILE;
  return number || place ? AVFS_PERHAPS_SAME_FILE : AVFS_OTHER_FILE;
}

/* Numbers that say that there is none, or that it is not unique (MS-FSCC 2.1.9, 2.1.10). */
static int has_no_number(const avfs_identity *id) {
  if (id->index_low == 0) return id->index_high == 0;
  return id->index_low == UINT64_MAX && (id->index_high == 0 || id->index_high == UINT64_MAX);
}

/* "a.db:x", "a.db::$DATA". The colon of a drive stands before a slash. */
static int is_stream(const char *name) {
  const char *colon = strrchr(name, ':');
  return colon != NULL && strpbrk(colon, "\\/") == NULL;
}

const char *avfs_one_file_doubt(const char *name, const avfs_identity *id) {
  if (is_stream(name)) return "the name is that of a stream of a file";
  if (has_no_number(id)) return "the file system gives files no identity";
  if (id->place == NULL) return "the file's final path cannot be told";
  if (!id->is_own_name) return "the name is not the file's own (a symbolic link or a short name)";
  if (id->links == 0) return "the file system does not tell how many names the file has";
  if (id->links > 1) return avfs_has_links;
  return NULL;
}
