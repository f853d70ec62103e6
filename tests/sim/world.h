/* world.h: chance, time, threads and the record of one simulated run.
 *
 *   seed -> chance -+-> which thread goes on at each switch point
 *                   +-> which operation in flight completes first
 *                   +-> what the programs do, what fails, when the power fails
 *
 * Threads are fibers: one runs at a time, and another takes over only at a
 * switch point: a lock, a wait, a call of the simulated machine. So a run is a
 * function of its seed. The clock moves at switch points, and goes to the next
 * date when every thread waits. It may leap by hours (a machine that slept), and a
 * thread may stall for a second at any switch point (one that was swapped out).
 *
 * The watchdog: when every thread waits and no date is left, nothing can ever
 * happen again; when sim_alive() has not been called for a long time, whoever runs does
 * nothing useful. Either is a hang, fails the run, and tells who waits for what.
 *
 * Not modelled: a thread that stops between two of its own memory accesses, so
 * no data race is found here, and no reordering of memory.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdint.h>

/* A stream of chance. */
typedef struct sim_random {
  uint64_t state;
} sim_random;

uint64_t sim_draw(sim_random *r);
uint32_t sim_below(sim_random *r, uint32_t n);          /* 0 .. n-1; n > 0 */
int sim_chance(sim_random *r, uint32_t per_million);

/* The run's own stream. Whoever only looks at a run (crash images) must use
 * another, so that looking does not change it. */
extern sim_random sim_fate;
extern uint64_t sim_seed;

/* ---- time and threads ---------------------------------------------------- */

#define SIM_NEVER UINT64_MAX

extern uint64_t sim_now_ns;
extern uint32_t sim_switch_rate;   /* per million: how often a switch point switches */

extern uint32_t sim_stall_rate;    /* per million switch points: this thread stalls there */
extern uint32_t sim_leap_rate;     /* per million turns: the clock leaps */
extern uint64_t sim_leaps;         /* how many there were */

typedef int (*sim_ready)(void *arg);

/* Starts a thread; `name` is static. */
void sim_thread(const char *name, void (*run)(void *arg), void *arg);
/* Runs all threads until `main_run` returns. */
void sim_world_run(void (*main_run)(void *arg), void *arg);
/* Another thread may go on here. */
void sim_switch_point(void);
/* When it says 1, every switch point switches: somebody is to come in soon. */
extern sim_ready sim_hurry;
/* Waits until ready(arg) says 1, or until_ns. `what` is static, for the report of
 * a hang. Returns 0 when the time is up. */
int sim_wait(sim_ready ready, void *arg, uint64_t until_ns, const char *what);
/* Set before sim_wait: of the thread that is waited for, number + 1; for the report. */
extern const uint32_t *sim_blame;
/* The program gets on. */
void sim_alive(void);
/* The watchdog's report, with a reason; fails the run. */
void sim_hang(const char *why);
/* The other threads are gone for good, at whatever instant, as when a process ends.
 * Returns how many locks went with them. */
int sim_world_end_others(void);
/* Of the running thread: 0, 1, ... */
int sim_thread_number(void);
/* While > 0 time stands still and no thread is switched: a look from outside. */
extern int sim_frozen;
/* Locks that the running thread holds; by seam.c. */
extern int *sim_locks_held;

/* ---- the record ---------------------------------------------------------- */

/* Adds a line to the record of the last steps. */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern int sim_verbose;            /* notes go to stderr at once too */
/* Tells seed, record and reason, and ends the process with status 1. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
extern void (*sim_on_fail)(void);
extern const char *sim_fail_format;   /* of the failure that is being told */

#endif
