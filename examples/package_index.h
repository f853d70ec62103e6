/* package_index.h: the records of a Debian package index, in memory.
 *
 * The index is a text of paragraphs, each of them lines "Field: value"; a
 * line that starts with a space continues the value above it. A field is a
 * slice of that text: nothing is copied, and the text lives as long as the
 * index does.
 */
#ifndef EXAMPLES_PACKAGE_INDEX_H
#define EXAMPLES_PACKAGE_INDEX_H

#include <stddef.h>

typedef struct slice {
  const char *text; /* NULL: the record has no such field */
  int bytes;
} slice;

typedef enum package_field {
  PACKAGE_NAME,
  PACKAGE_VERSION,
  PACKAGE_SECTION,
  PACKAGE_ARCHITECTURE,
  PACKAGE_SIZE,
  PACKAGE_INSTALLED_SIZE,
  PACKAGE_MAINTAINER,
  PACKAGE_HOMEPAGE,
  PACKAGE_DEPENDS,
  PACKAGE_SHA256,
  PACKAGE_DESCRIPTION,
  PACKAGE_FIELDS
} package_field;

typedef struct package {
  slice fields[PACKAGE_FIELDS];
} package;

typedef struct package_index {
  char *text;
  package *packages;
  size_t count;
} package_index;

/* Returns 0, or -1 with the reason on stderr. */
int package_index_load(const char *path, package_index *index_out);
void package_index_free(package_index *);

#endif
