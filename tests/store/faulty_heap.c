/* faulty_heap.c: the library's heap for tests.exe: the process heap, which fails when told to (faulty_io.h). */
#include "seam/heap.h"

#include <windows.h>

#include "store/faulty_io.h"

void *avfs_alloc(size_t bytes) { return faulty_heap_fails() ? NULL : HeapAlloc(GetProcessHeap(), 0, bytes); }

void *avfs_alloc_zero(size_t bytes) {
  return faulty_heap_fails() ? NULL : HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, bytes);
}

void avfs_free(void *p) {
  if (p != NULL) HeapFree(GetProcessHeap(), 0, p);
}
