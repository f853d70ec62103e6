/* exit.h: the end of the process, with databases open.
 *
 * Called by its last thread: the others are gone, at whatever instant, and have taken with them
 * the locks that they held. So
 *   - a lock that is not free was held by one of them: what it guards may be half changed, and
 *     nobody will ever give it back. Such a store is left alone; what is on the disk is whole
 *     without it. One that is free guards what is whole.
 *   - what was in flight is cancelled and waited for, within the time; if it does not end, the
 *     store is left alone: its journal is hot, or nothing was written yet.
 *   - the batch begins again at a state that is safe to enter (avfs_batch_restart), and this
 *     thread does what the pool would have done.
 *   - os.busy set: a thread was at the journal's handle, which may be gone: it is not deleted.
 *   - nobody is called back, and nobody woken.
 */
#ifndef AVFS_EXIT_H
#define AVFS_EXIT_H

#include "seam/io.h"

/* Called once: writes what can be written safely, for at most timeout_ms altogether; ASYNCVFS_LOG
 * is told of what is not. */
void avfs_process_exit(const avfs_io *io, uint32_t timeout_ms);

#endif
