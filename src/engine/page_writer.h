/* page_writer.h: writes a set of pages to the database file.
 *
 * The pages come sorted by number. Neighbours are joined to one overlapped
 * write of up to AVFS_PUMP_BUFFER bytes; several are in flight, unless the pages are few.
 * What makes the write safe, which journal was flushed before, is not known here.
 *
 * Two ranges of the file are special:
 *   - the lock bytes are never touched (pages/lock_bytes.h);
 *   - nothing is written at or behind `file_bytes`, the length the file will have.
 */
#ifndef AVFS_PAGE_WRITER_H
#define AVFS_PAGE_WRITER_H

#include "engine/pump.h"
#include "pages/page_table.h"

typedef struct avfs_page_set {
  avfs_page **pages;       /* sorted by pgno, each once */
  uint32_t count;
  uint32_t page_bytes;
  uint64_t file_bytes;
} avfs_page_set;

typedef struct avfs_page_writer {
  avfs_file *db;
  const avfs_page_set *set;
} avfs_page_writer;

/* How many pages from `first` on are neighbours and fit in `max_bytes`; >= 1. */
uint32_t avfs_page_run(const avfs_page_set *set, uint32_t first, uint32_t max_bytes);

/* Starts writing through the pump; its finished() reports. */
int avfs_page_writer_start(avfs_page_writer *w, avfs_pump *pump);

#endif
