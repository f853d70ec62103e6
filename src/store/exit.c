/* exit.c: see exit.h. */
#include "store/exit.h"

#include <stdio.h>

#include "seam/log.h"
#include "store/commits.h"
#include "store/drain.h"
#include "store/registry.h"
#include "store/redo_ring.h"
#include "store/task.h"

/* What is not on the disk, for the log alone: SQLite's is not called any more. */
AVFS_NOT_ANALYSED static void log_loss(const avfs_store *s, int in_flight) {
  char line[640];
  snprintf(line, sizeof line, "asyncvfs: the process ended with %llu commits of %.400s not on disk; "
           "%s%s", (unsigned long long)avfs_commits_not_durable(s), s->path,
           avfs_ring_not_kept(s) > 0 ? "they are lost" : "who opens it next through asyncvfs has them",
           in_flight ? ": reads or writes had not ended in time, so it was left as it was" : "");
  avfs_log_line(line);
}

/* No scheduler is left to run the task again: write_rest looks itself. */
static void ignore_resume(avfs_batch *b) { (void)b; }

/* Has the batch that ran begin again. 0: it is not to be written. */
static int restart(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  if (s->drain.run == AVFS_RUN_NONE) return !avfs_batch_is_open(&s->batch);
  if (s->batch.input.more) return 0;   /* not committed: the journal takes it back */
  if (avfs_batch_restart(&s->batch)) {
    s->drain.run = AVFS_RUN_ACTIVE;
  } else {   /* it was over, and its pages were being released */
    s->drain.run = AVFS_RUN_NONE;
    s->content.draining.count = 0;
    s->commits.durable_seq = s->commits.draining_seq;
    avfs_ring_durable(s);
  }
  return 1;
}

static void write_rest(avfs_store *s, uint64_t deadline_ns) AVFS_REQUIRES(avfs_store_role) {
  for (;;) {
    avfs_op *op;
    uint64_t now;
    (void)avfs_store_look(s);
    now = s->io->now_ns();
    if (avfs_drain_is_empty(s) || s->drain.run == AVFS_RUN_BACKOFF || now >= deadline_ns) break;
    op = s->io->ready();
    if (op == NULL && !avfs_batch_is_in_flight(&s->batch)) continue;   /* there was nothing to read or write */
    if (op == NULL) op = s->io->wait(avfs_ms_until(now, deadline_ns));
    if (op != NULL) op->done(op);
  }
}

/* All is on the disk. */
static void remove_files(avfs_store *s) AVFS_REQUIRES(avfs_store_role) {
  if (s->os.busy) return;
  if (s->ring.redo != NULL) (void)avfs_redo_close(s->ring.redo, 1);
  s->ring.redo = NULL;
  (void)avfs_batch_remove_journal(&s->batch);
}

/* Nothing of its batch is in flight any more. */
static void end_store(avfs_store *s, uint64_t deadline_ns) AVFS_REQUIRES(avfs_store_role) {
  if (s->drain.closing == AVFS_CLOSING_OVER) return;   /* its files may be closed */
  if (avfs_drain_is_empty(s)) {
    if (!avfs_batch_is_open(&s->batch)) remove_files(s);
    return;
  }
  avfs_cond_forget(&s->changed);
  avfs_cond_forget(&s->commits.moved);
  s->drain.closing = AVFS_CLOSING_EXIT;
  s->views.busy = 0;
  s->batch.resume = ignore_resume;
  if (!restart(s)) return;
  write_rest(s, deadline_ns);
  if (avfs_drain_is_empty(s)) remove_files(s);
}

/* First those with nothing in flight: a device that hangs is to cost only its own databases
 * the time. What is in flight on it is cancelled meanwhile. */
AVFS_NOT_ANALYSED void avfs_process_exit(const avfs_io *io, uint32_t timeout_ms) {
  uint64_t deadline_ns = avfs_time_after(io->now_ns(), timeout_ms);
  avfs_store **stores;
  size_t count, i;
  if (!avfs_registry_take_at_exit(&stores, &count)) {
    avfs_log_line("asyncvfs: the process ended while a database was opened or closed; what was "
                  "not on disk is lost");
    return;
  }
  for (i = 0; i < count; i++) {
    avfs_store *s = stores[i];
    s->at_exit = !avfs_lock_try_enter(&s->lock) ? AVFS_EXIT_OVER
                 : avfs_batch_settle(&s->batch, 0) ? AVFS_EXIT_NOW : AVFS_EXIT_LATER;
    if (s->at_exit == AVFS_EXIT_NOW) end_store(s, deadline_ns);
  }
  for (i = 0; i < count; i++) {
    avfs_store *s = stores[i];
    int in_flight = s->at_exit == AVFS_EXIT_LATER &&
                    !avfs_batch_settle(&s->batch, avfs_ms_until(io->now_ns(), deadline_ns));
    if (s->at_exit == AVFS_EXIT_LATER && !in_flight) end_store(s, deadline_ns);
    if (avfs_commits_not_durable(s) > 0) log_loss(s, in_flight);
  }
}
