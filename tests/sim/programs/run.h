/* run.h: a run of random SQL over the simulation, and what all its parts know of it.
 *
 *   connections of asyncvfs (one process)  --\
 *   a stock connection (another process)   ---+--> simulated disk, cut at its steps
 *
 *   the same statements, as far as they succeed --> a shadow database in memory
 *
 *   sim.c -> sweep -> run -+-> setup        what the seed makes of it
 *    main,    another      +-> steps        what a program does next
 *    options  call fails   |     `-> statements -> commits -> shadow
 *             each time    |              `-----> programs: connections, opened and closed
 *                          +-> committers   instead of steps: threads that commit at once
 *                          `-> final        what must hold at the end
 *          `-> heirs       the processes that come after it
 *
 * The shadow says what the content must be: after each commit for crash images, and at each
 * read of a connection, local or foreign. At most one transaction writes at a time, so one
 * shadow is enough. Where there are several databases, each connection has all of them
 * attached, and so has the shadow. The lock bytes stand at 64 KiB, where databases get to. All
 * statements have one outcome whatever the page size and the order of pages.
 *
 * A run is a process's only one: nothing here is set back. Those that recover what it left are others
 * (kept.h).
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "crash.h"
#include "seam/sqlite_api.h"

enum { SIM_PROGRAMS = 4 };

/* One connection, as long as it is open; then the next one. */
typedef struct sim_program {
  sqlite3 *db;           /* NULL: closed */
  int stock;             /* of another process, by SQLite's own VFS */
  int savepoints;
  int off;               /* journal_mode=OFF: no savepoints */
  int super;             /* its commits over several databases have a super-journal */
  int without_journal;   /* the database that has journal_mode=MEMORY, where the others have a
                            super-journal; -1: none */
  int disk;              /* durability=disk */
  int os;                /* durability=os */
  int exclusive;         /* locking_mode=EXCLUSIVE */
  uint32_t began[SIM_DATABASES];   /* the newest states when its transaction began */
  const char *name;
} sim_program;

struct sim_run {
  /* set up by the seed (setup.c), then changed by nobody but where it says so */
  uint32_t steps;
  int count;             /* of the programs */
  int killed;            /* the process ends in the midst of it */
  int faults;            /* calls of the machine fail; 0 in the final checks */
  int no_memory;         /* an allocation fails now and then; 0 in the final checks */
  int wal;               /* journal_mode=WAL is among those that are set */
  int only_delete;       /* and DELETE alone beside it: win32 keeps the journal of TRUNCATE and
                            PERSIST open, so that another process's DELETE fails */
  int second_name;       /* 1: the database gets one in the course of the run; 2: it has it. All
                            use journal_mode=TRUNCATE and synchronous=FULL: so no journal that is
                            over comes back beside one name while the other is used */
  int committers;        /* committers.h instead of programs */
  int shared_cache;      /* the connections of asyncvfs have one cache */
  int shared_mode;       /* and so one journal mode */
  int page_size;
  int auto_vacuum;
  uint64_t queue_bytes;  /* 0: the default */
  uint32_t lag_ms;

  /* what changes */
  sim_disk disk;
  sim_program programs[SIM_PROGRAMS];
  sqlite3 *shadow;
  int writer;            /* whose transaction the shadow has open; -1: none */
  int not_undone[SIM_DATABASES];   /* its journal waits for who opens it next */
  int rolled_back[SIM_DATABASES];  /* by stock SQLite: to the length that the file had, not the content */
};
extern struct sim_run sim_run;

/* Draws all of the first part. */
void sim_setup(void);
/* From its beginning to its end. rate: of the disk's steps that are cut, per million; 0: by the
 * seed. Fails by sim_fail. */
void sim_run_seed(uint64_t seed, uint32_t rate);

#endif
