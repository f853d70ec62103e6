/* guard_heap.c: the library's heap for tests_guard.exe, where a wrong access faults.
 *
 *   | ...slack | block          | no access |
 *              ^ a page boundary^
 *
 * Each block ends where a page ends, and the next page may not be touched: a write
 * behind a block faults at once. A freed block's pages are given back: using it
 * faults too. The few bytes that alignment leaves behind a block hold a pattern,
 * which free checks. At the end of the process every block must be free.
 */
#include "seam/heap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "store/faulty_io.h"

enum { PAGE = 4096, ALIGN = 16, FILLER = 0xA5, LEAK_STATUS = 5 };

/* Stands at the beginning of a block's first page. */
typedef struct head {
  size_t bytes;
  void *block;
} head;

static volatile LONG live;

static void report(void) {
  if (live == 0) return;
  printf("guard heap: %ld blocks were not freed\n", (long)live);
  fflush(stdout);
  _exit(LEAK_STATUS);
}

static void register_report(void) {
  static volatile LONG done;
  if (InterlockedExchange(&done, 1) == 0) atexit(report);
}

void *avfs_alloc(size_t bytes) {
  size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
  size_t pages = (rounded + sizeof(head) + PAGE - 1) / PAGE;
  unsigned char *base = faulty_heap_fails() ? NULL : VirtualAlloc(NULL, (pages + 1) * PAGE, MEM_RESERVE, PAGE_NOACCESS);
  unsigned char *block;
  head *h;
  register_report();
  if (base == NULL) return NULL;
  if (VirtualAlloc(base, pages * PAGE, MEM_COMMIT, PAGE_READWRITE) == NULL) {
    VirtualFree(base, 0, MEM_RELEASE);
    return NULL;
  }
  block = base + pages * PAGE - rounded;
  memset(block, FILLER, rounded);
  h = (head *)base;
  h->bytes = bytes;
  h->block = block;
  InterlockedIncrement(&live);
  return block;
}

void *avfs_alloc_zero(size_t bytes) {
  void *p = avfs_alloc(bytes);
  if (p != NULL) memset(p, 0, bytes);
  return p;
}

/* The head is in the first of the block's pages: a small block shares it. */
static head *head_of(void *p) {
  MEMORY_BASIC_INFORMATION info;
  VirtualQuery(p, &info, sizeof info);
  return info.AllocationBase;
}

void avfs_free(void *p) {
  head *h;
  size_t i, rounded;
  if (p == NULL) return;
  h = head_of(p);
  rounded = (h->bytes + ALIGN - 1) / ALIGN * ALIGN;
  if (h->block != p) {
    printf("guard heap: %p is no block\n", p);
    abort();
  }
  for (i = h->bytes; i < rounded; i++) {
    if (((unsigned char *)p)[i] != FILLER) {
      printf("guard heap: %u bytes at %p: written behind the end\n", (unsigned)h->bytes, p);
      abort();
    }
  }
  InterlockedDecrement(&live);
  VirtualFree(h, 0, MEM_RELEASE);
}
