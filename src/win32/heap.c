/* heap.c: memory from the process heap. */
#include "seam/heap.h"

#include <windows.h>

void *avfs_alloc(size_t bytes) { return HeapAlloc(GetProcessHeap(), 0, bytes); }

void *avfs_alloc_zero(size_t bytes) {
  return HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, bytes);
}

void avfs_free(void *p) {
  if (p != NULL) HeapFree(GetProcessHeap(), 0, p);
}
