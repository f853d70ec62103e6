/* cost.c: what a commit costs more by the ring: append, beside memcpy of the same pages to the same
 * file that is memory. Natively; medians of turns of both, so ratios hold on a machine that is busy.
 *
 * usage: cost DIRECTORY [COMMITS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pages/page_table.h"
#include "redo/redo.h"
#include "seam.h"
#include "sqlite3.h"

enum { UNIT = 4096, MOST = 10, RING = 8 << 20, BATCH = 20 };

static unsigned char old[MOST][UNIT];
static avfs_page_table table;
static unsigned char header[100];

static uint64_t now_ns(void) { return native_io.now_ns(); }

/* A row that is inserted: some blocks of a page. Or no page before: all of it. */
static const unsigned char *before(void *arg, uint32_t pgno) { return *(int *)arg ? NULL : old[pgno - 1]; }

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void print_figures(const char *what, uint64_t *ns, int n) {
  qsort(ns, (size_t)n, sizeof *ns, by_size);
  printf("  %-34s p50 %6.2f  p99 %6.2f  p99.9 %7.2f us\n", what, (double)ns[n / 2] / 1000, (double)ns[n - n / 100] / 1000,
         (double)ns[n - n / 1000 - 1] / 1000);
}

static void must(int rc, const char *what) {
  if (rc == SQLITE_OK) return;
  fprintf(stderr, "%s: error %d\n", what, rc);
  exit(1);
}

static void change_pages(int i) {
  const avfs_page *p;
  for (p = table.first; p != NULL; p = p->next) {
    unsigned char *page = old[p->pgno - 1];
    memcpy(page, p->data, UNIT);
    memset((unsigned char *)p->data + 64 * (i % 50), i, 200);
    memset((unsigned char *)p->data + 8, i, 4);
  }
}

static void measure(const char *directory, int pages, int whole, int commits) {
  char path[400], what[60];
  uint64_t *append = malloc((size_t)commits * sizeof *append), *copy = malloc((size_t)commits * sizeof *copy), bytes = 0, t;
  avfs_identity id = {1, 0, 1, 1, 1, NULL};
  avfs_redo_database db = {&id, header, NULL, NULL};
  avfs_mapping *plain;
  avfs_redo *r;
  int i, k;
  must(avfs_page_table_init(&table), "table");
  for (i = 0; i < pages; i++) {
    avfs_page *p = calloc(1, sizeof *p + UNIT);
    p->pgno = (uint32_t)i + 1;
    avfs_page_table_add(&table, p);
  }
  table.size = MOST * UNIT;
  snprintf(path, sizeof path, "%s/cost-ring", directory);
  must(avfs_redo_open(&native_io, path, AVFS_MAP_WRITE, RING, &r), path);
  snprintf(path, sizeof path, "%s/cost-plain", directory);
  must(native_io.map_file(path, AVFS_MAP_WRITE, RING, &plain), path);
  avfs_redo_begin(r, &db, 0, 1);
  for (i = 0, k = 0; i < commits; i++) {
    avfs_redo_commit c = {(uint64_t)i + 1, &table, table.size, UNIT, header, before, &whole};
    const avfs_page *p;
    uint64_t used = avfs_redo_used(r);
    header[27] = (unsigned char)i;
    change_pages(i);
    t = now_ns();
    if (avfs_redo_append(r, &c) != 0) must(SQLITE_FULL, "append");
    append[i] = now_ns() - t;
    bytes += avfs_redo_used(r) - used;
    t = now_ns();
    for (p = table.first; p != NULL; p = p->next, k = (k + 1) % (RING / UNIT)) memcpy(plain->at + (size_t)k * UNIT, p->data, UNIT);
    copy[i] = now_ns() - t;
    if (i % BATCH == 0) {
      avfs_redo_freeze(r, c.seq, header);
      avfs_redo_durable(r, c.seq);
    }
  }
  printf("%d page%s of 4 KiB, %s: %llu bytes a record\n", pages, pages > 1 ? "s" : "", whole ? "whole" : "some 5 blocks changed",
         (unsigned long long)(bytes / (uint64_t)commits));
  snprintf(what, sizeof what, "append");
  print_figures(what, append, commits);
  print_figures("memcpy of the pages", copy, commits);
  printf("  append / memcpy, p50: %.2f\n", (double)append[commits / 2] / (double)copy[commits / 2]);
  must(avfs_redo_close(r, 1), "close");
  must(native_io.unmap_file(plain, 1), "close");
  free(append);
  free(copy);
}

int main(int argc, char **argv) {
  static const int numbers[] = {1, 2, 10};
  int commits = argc > 2 ? atoi(argv[2]) : 200000, i, whole;
  if (argc < 2) {
    fprintf(stderr, "usage: cost DIRECTORY [COMMITS]\n");
    return 2;
  }
  for (whole = 0; whole < 2; whole++) {
    for (i = 0; i < 3; i++) measure(argv[1], numbers[i], whole, commits);
  }
  return 0;
}
