/* pump.c: see pump.h. */
#include "engine/pump.h"

#include <string.h>

#include "seam/sqlite_api.h"
#include "seam/heap.h"

AVFS_LOCK_FUNCTIONS(pump, avfs_pump, avfs_pump_role)

static void slot_ended(avfs_slot *s) {
  avfs_pump *p = s->pump;
  int busy;
  pump_enter(p);
  busy = --p->busy;
  pump_leave(p);
  if (busy == 0) p->finished(p);
}

static void op_done(avfs_op *op) {
  avfs_slot *s = (avfs_slot *)((char *)op - offsetof(avfs_slot, op));
  avfs_pump *p = s->pump;
  if (op->rc != SQLITE_OK) {
    pump_enter(p);
    if (p->rc == SQLITE_OK) {
      p->rc = op->rc;
      p->os_error = op->os_error;
    }
    pump_leave(p);
    slot_ended(s);
  } else if (!p->step(s)) {
    slot_ended(s);
  }
}

static int get_buffers(avfs_pump *p, int slots) {
  int i;
  for (i = 0; i < slots; i++) {
    avfs_slot *s = &p->slots[i];
    if (s->buffer == NULL) s->buffer = avfs_alloc(2 * AVFS_PUMP_BUFFER);
    if (s->buffer == NULL) return SQLITE_NOMEM;
    s->stage = s->buffer + AVFS_PUMP_BUFFER;
  }
  return SQLITE_OK;
}

int avfs_pump_start(avfs_pump *p, int slots, int (*step)(avfs_slot *s)) {
  int i, rc;
  if (p->most_slots > 0 && slots > p->most_slots) slots = p->most_slots;
  rc = get_buffers(p, slots);
  if (rc != SQLITE_OK) return rc;
  p->step = step;
  pump_enter(p);
  p->busy = slots;   /* so finished() waits for the last to be started */
  p->next = 0;
  p->rc = SQLITE_OK;
  p->os_error = 0;
  pump_leave(p);
  for (i = 0; i < slots; i++) {
    avfs_slot *s = &p->slots[i];
    s->pump = p;
    s->op.alone = slots == 1;
    s->op.done = op_done;
    s->count = 0;
    if (!step(s)) slot_ended(s);
  }
  return SQLITE_OK;
}

int avfs_pump_claim(avfs_slot *s, uint32_t total, uint32_t (*fit)(void *work, uint32_t first)) {
  avfs_pump *p = s->pump;
  int claimed = 0;
  pump_enter(p);
  if (p->rc == SQLITE_OK && p->next < total) {
    s->first = p->next;
    s->count = fit(p->work, s->first);
    s->at = 0;
    p->next += s->count;
    claimed = 1;
  }
  pump_leave(p);
  return claimed;
}

int avfs_pump_result(avfs_pump *p, uint32_t *os_error_out) {
  int rc;
  pump_enter(p);
  rc = p->rc;
  *os_error_out = p->os_error;
  pump_leave(p);
  return rc;
}

void avfs_pump_reset(avfs_pump *p) { avfs_lock_forget(&p->lock); }

void avfs_pump_free(avfs_pump *p) {
  int i;
  for (i = 0; i < AVFS_PUMP_SLOTS; i++) {
    avfs_free(p->slots[i].buffer);
    p->slots[i].buffer = NULL;
  }
}
