/* package_index.c: see package_index.h. */
#include "package_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const field_names[PACKAGE_FIELDS] = {
    "Package",    "Version",  "Section", "Architecture", "Size",        "Installed-Size",
    "Maintainer", "Homepage", "Depends", "SHA256",       "Description",
};

/* The whole file with a zero behind it, or NULL with the reason on stderr. */
static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  size_t size = 0, capacity = 0;
  if (file == NULL) {
    perror(path);
    return NULL;
  }
  for (;;) {
    if (capacity - size < 2) {
      char *grown = realloc(text, capacity = capacity < 65536 ? 65536 : capacity * 2);
      if (grown == NULL) break;
      text = grown;
    }
    size_t n = fread(text + size, 1, capacity - size - 1, file);
    size += n;
    if (n > 0) continue;
    if (ferror(file)) break;
    text[size] = '\0';
    fclose(file);
    return text;
  }
  fprintf(stderr, "%s: cannot be read\n", path);
  fclose(file);
  free(text);
  return NULL;
}

/* The start of the line after this one; at the end of the text, its zero. */
static const char *next_line(const char *line) {
  const char *end = strchr(line, '\n');
  return end == NULL ? line + strlen(line) : end + 1;
}

static int field_of(const char *line, const char *colon) {
  size_t n = (size_t)(colon - line);
  int i;
  for (i = 0; i < PACKAGE_FIELDS; i++) {
    if (strncmp(field_names[i], line, n) == 0 && field_names[i][n] == '\0') return i;
  }
  return PACKAGE_FIELDS; /* one of those that are not imported */
}

static package *add_package(package_index *index) {
  /* grows at 0 and at every power of two */
  if ((index->count & (index->count - 1)) == 0) {
    size_t capacity = index->count == 0 ? 1 : index->count * 2;
    package *grown = realloc(index->packages, capacity * sizeof *grown);
    if (grown == NULL) return NULL;
    index->packages = grown;
  }
  memset(&index->packages[index->count], 0, sizeof index->packages[0]);
  return &index->packages[index->count++];
}

int package_index_load(const char *path, package_index *index_out) {
  const char *line;
  package *current = NULL;
  memset(index_out, 0, sizeof *index_out);
  index_out->text = read_text(path);
  if (index_out->text == NULL) return -1;
  for (line = index_out->text; *line != '\0';) {
    const char *end = next_line(line), *colon;
    if (*line == '\n') {
      current = NULL;
      line = end;
      continue;
    }
    while (*end == ' ' || *end == '\t') end = next_line(end);
    colon = memchr(line, ':', (size_t)(end - line));
    if (colon == NULL) {
      fprintf(stderr, "%s: not a package index: \"%.40s\"\n", path, line);
      package_index_free(index_out);
      return -1;
    }
    if (current == NULL) current = add_package(index_out);
    if (current == NULL) {
      fprintf(stderr, "%s: no memory for its records\n", path);
      package_index_free(index_out);
      return -1;
    }
    int field = field_of(line, colon);
    if (field < PACKAGE_FIELDS) {
      const char *value = colon + 1, *value_end = end;
      while (*value == ' ') value++;
      while (value_end > value && value_end[-1] == '\n') value_end--;
      current->fields[field].text = value;
      current->fields[field].bytes = (int)(value_end - value);
    }
    line = end;
  }
  return 0;
}

void package_index_free(package_index *index) {
  free(index->packages);
  free(index->text);
  memset(index, 0, sizeof *index);
}
