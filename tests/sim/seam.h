/* seam.h: the product's seam (seam/io.h, sync.h, heap.h) over the simulation.
 *
 * Locks are flags, with assertions: never taken twice by one thread, never left by
 * another, never held across a call of the disk. A write is in flight until some
 * thread of the pool picks it up; its bytes must not change meanwhile. Calls fail by
 * faults.h.
 *
 * When the process ends, what is in flight goes on, each operation to an end of its own, or
 * to none: it may end while the last thread writes what is left. One that is in flight must
 * not be started again, and its buffer not be used.
 *
 * Not modelled: synchronous failure codes of Windows (os_error is a made-up number),
 * short transfers of writes.
 */
#ifndef SIM_SEAM_H
#define SIM_SEAM_H

#include "disk.h"
#include "faults.h"
#include "seam/io.h"

extern const avfs_io sim_io;
extern uint64_t sim_heap_blocks;       /* in use */
extern int sim_flush_ms;               /* how long a flush takes, at most */
extern int sim_strangers;              /* stock programs that have the databases open */
extern int sim_alone;                  /* what `others` says without any: 0, or -1: not known */
extern int sim_exiting;                /* one thread is left, which keeps the locks it takes */
extern int sim_late_hangs;             /* an operation that was in flight then never ends */
extern uint64_t sim_ring_bytes;        /* of a ring's file, at most */
extern uint64_t sim_boot;              /* of the machine: a power cut makes it another */
/* The other threads are gone. */
void sim_seam_process_ends(void);
/* Checks that nothing is left in flight or open. */
void sim_seam_end(void);
void sim_seam_start(void);

#endif
