/* page_writer.c: see page_writer.h. */
#include "engine/page_writer.h"

#include <string.h>

#include "seam/sqlite_api.h"
#include "pages/lock_bytes.h"

enum { FEW_PAGES = 8 };   /* are written one after the other */

uint32_t avfs_page_run(const avfs_page_set *set, uint32_t first, uint32_t max_bytes) {
  uint32_t lock_pgno = avfs_lock_byte_pgno(set->page_bytes);
  uint32_t most = max_bytes / set->page_bytes;
  uint32_t n = 1;
  if (set->pages[first]->pgno == lock_pgno) return 1;
  while (n < most && first + n < set->count) {
    uint32_t pgno = set->pages[first + n]->pgno;
    if (pgno != set->pages[first]->pgno + n || pgno == lock_pgno) break;
    n++;
  }
  return n;
}

static uint32_t fit(void *work, uint32_t first) {
  return avfs_page_run(((avfs_page_writer *)work)->set, first, AVFS_PUMP_BUFFER);
}

/* Sets the slot's operation to its run of pages. Returns 0 when none of it is
 * to be written. */
static int prepare(avfs_slot *s, const avfs_page_set *set) {
  avfs_page **run = set->pages + s->first;
  uint32_t unit = set->page_bytes;
  uint64_t offset = (uint64_t)(run[0]->pgno - 1) * unit;
  uint64_t end = offset + (uint64_t)s->count * unit;
  uint32_t i, skip = 0;
  if (end > set->file_bytes) end = set->file_bytes;
  if (run[0]->pgno == avfs_lock_byte_pgno(unit)) skip = AVFS_LOCK_BYTES;
  if (offset + skip >= end) return 0;
  s->op.offset = offset + skip;
  s->op.bytes = (uint32_t)(end - offset) - skip;
  if (s->count == 1) {
    s->op.data = run[0]->data + skip;   /* does not change while it drains */
    return 1;
  }
  for (i = 0; i < s->count; i++) memcpy(s->buffer + (size_t)i * unit, run[i]->data, unit);
  s->op.data = s->buffer;
  return 1;
}

static int step(avfs_slot *s) {
  avfs_page_writer *w = s->pump->work;
  while (avfs_pump_claim(s, w->set->count, fit)) {
    if (!prepare(s, w->set)) continue;
    s->op.file = w->db;
    s->pump->io->write(&s->op);
    return 1;
  }
  return 0;
}

int avfs_page_writer_start(avfs_page_writer *w, avfs_pump *pump) {
  int slots = w->set->count <= FEW_PAGES ? 1 : AVFS_PUMP_SLOTS;
  pump->work = w;
  return avfs_pump_start(pump, slots, step);
}
