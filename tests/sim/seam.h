/* seam.h: the product's seam (win32/io.h, sync.h, heap.h) over the simulation.
 *
 * Locks are flags, with assertions: never taken twice by one thread, never left by
 * another, never held across a call of the disk. A write is in flight until some
 * thread of the pool picks it up; its bytes must not change meanwhile. Faults: with
 * fault_rate > 0 a call fails now and then, once.
 *
 * Not modelled: synchronous failure codes of Windows (os_error is a made-up number),
 * short transfers of writes.
 */
#ifndef SIM_SEAM_H
#define SIM_SEAM_H

#include "disk.h"
#include "win32/io.h"

extern const avfs_io sim_io;
extern uint32_t sim_fault_rate;        /* per million calls */
extern uint64_t sim_faults;            /* how many there were */
extern uint64_t sim_heap_blocks;       /* in use */
extern uint64_t sim_heap_fails_at;     /* the n-th allocation from now on, once; 0: none */
extern int sim_flush_ms;               /* how long a flush takes, at most */
extern int sim_exiting;                /* one thread is left, which keeps the locks it takes */
/* Checks that nothing is left in flight or open. */
void sim_seam_end(void);
void sim_seam_start(void);

#endif
