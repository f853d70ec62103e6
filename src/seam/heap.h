/* heap.h: the library's own memory, part of the seam.
 *
 * Not sqlite3_malloc: the queue must not count against, nor be limited by,
 * the application's SQLite memory settings. Blocks are 16-byte aligned.
 * NULL when there is no memory. Any thread. Tests link another
 * implementation, which fails on demand or puts each block at a page's end.
 */
#ifndef AVFS_HEAP_H
#define AVFS_HEAP_H

#include <stddef.h>
#include <string.h>

void *avfs_alloc(size_t bytes);
void *avfs_alloc_zero(size_t bytes);
void avfs_free(void *p);   /* NULL is fine */

/* A new text: a, then b. */
static inline char *avfs_concat(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b) + 1;
  char *s = avfs_alloc(n + m);
  if (s != NULL) {
    memcpy(s, a, n);
    memcpy(s + n, b, m);
  }
  return s;
}

#endif
