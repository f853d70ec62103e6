/* disk.h: a disk whose power can fail at any moment.
 *
 *   write, resize --> in the cache: what everybody reads ("live")
 *                       |  pending: since the last flush, in the order they came
 *                       |  flush of the file
 *                       v
 *                     on the medium ("durable")
 *
 * After a power cut a file is its durable image, plus
 *   - of the pending writes any subset, each whole or torn at 512 bytes; those that
 *     were issued and not completed count as pending;
 *   - of the metadata log, the first part: see below;
 *   - a file that grew, to the length it then has: what no write filled is garbage or zeros.
 * A flush that fails: each pending write is on the medium, still pending, or lost for
 * good although everybody reads it. A size change is not lost by it.
 *
 * The metadata log. NTFS writes creations, deletions and the cutting of files to one log
 * ($LogFile), in order, for all files; recovery takes what is whole of it. So of these
 * changes a power cut leaves the first few, never a later one without those before it.
 * A flush of any file forces the log: all of it, or only to the file's own last
 * change (by the seed: which of them is not documented). That a file grew is logged late, at
 * its own flush at the latest: so growth may be lost on its own, but not once
 * something later of the same file was kept.
 *
 * The order matters where a deletion speaks for a cut before it. Undoing a transaction cuts a
 * database to nothing; its flush fails; a journal beside an empty database is deleted
 * by whoever comes next; a flush of another file makes that durable. Were the cut lost
 * and the deletion kept, the transaction's pages would stay with nothing to undo them.
 *
 * Handles: a name with an open handle cannot be deleted, except through a handle that
 * was opened for it; and such a one excludes all that do not share deletion (none
 * here does), as Windows has it.
 *
 * Memory of a file (sim_disk_memory) is its live image from the moment of the store. The system writes its
 * pages when it likes: the oldest are on the medium after a while, of the others any mixture.
 *
 * A kill (sim_disk_kill) leaves the live image; what is pending stays so, and a power cut later on may
 * still take it.
 *
 * Not modelled: a disk that lies about flushes, bit rot, a sector torn inside, the
 * content of a deleted file showing up in another one.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "world.h"

enum { SIM_FILES = 32, SIM_NAME = 48, SIM_TORN = 512 };

typedef struct sim_bytes {
  unsigned char *data;
  uint64_t size, room;
} sim_bytes;

enum sim_change_kind { SIM_WRITE, SIM_RESIZE };

typedef struct sim_change {
  enum sim_change_kind kind;
  uint64_t offset;
  uint32_t bytes;
  unsigned char *data;      /* of SIM_WRITE; its own */
  uint64_t old_size, new_size;
  uint64_t order;
} sim_change;

/* Shared memory of a database in WAL mode (os_win.c, winShm*). */
enum { SIM_SHM_REGIONS = 4, SIM_SHM_LOCKS = 8 };

typedef struct sim_shm {
  int users;                /* handles that have mapped it; the first one finds it empty */
  void *region[SIM_SHM_REGIONS];
  int shared[SIM_SHM_LOCKS];
  const void *exclusive[SIM_SHM_LOCKS];   /* the handle */
} sim_shm;

typedef struct sim_file {
  char name[SIM_NAME];      /* the one it was created with */
  uint64_t id;              /* its number on the disk; a crash does not change it */
  sim_bytes live, durable;
  sim_change *pending;
  uint32_t pending_count, pending_room;
  int handles;
  /* the bytes that SQLite locks: owners are handles */
  const void *pending_owner, *reserved_owner, *exclusive_owner;
  int readers;
  unsigned char *memory;    /* what a process stores in it; NULL: it is mapped by none (sim_disk_memory) */
  sim_shm *shm;             /* of parent_vfs.c: its wal-index; NULL: none. Not on the medium */
} sim_file;

typedef struct sim_entry {
  char name[SIM_NAME];
  sim_file *file;
} sim_entry;

typedef struct sim_directory {
  sim_entry entries[SIM_FILES];
  uint32_t count;
} sim_directory;

typedef struct sim_name_change {
  uint64_t order;
  int created;
  char name[SIM_NAME];
  sim_file *file;
} sim_name_change;

typedef struct sim_disk {
  sim_directory live, durable;
  sim_name_change *names;         /* pending */
  uint32_t name_count, name_room;
  sim_file **files;               /* all that anything refers to */
  uint32_t file_count, file_room;
  void *in_flight[64];            /* of seam.c: writes issued and not completed */
  uint32_t in_flight_count;
  uint64_t order;
  uint64_t last_id;               /* of a file */
  uint64_t logged;                /* the metadata log is durable up to this order */
  int forces_little;              /* a flush forces the log up to its file's own changes only */
  uint64_t flushes;               /* that succeeded */
  int uncut;                      /* its power will not fail: nothing is kept pending */
  /* Called after each step that changes what a power cut could leave. */
  void (*stepped)(struct sim_disk *d);
} sim_disk;


/* Where names lead now. */
extern sim_disk *sim_current_disk;

sim_file *sim_disk_find(sim_disk *d, const char *name);
/* NULL when it is not there and not to be made. */
sim_file *sim_disk_open(sim_disk *d, const char *name, int create);
void sim_disk_close(sim_disk *d, sim_file *f);
/* A further name for the file (a hard link). */
/* All that was done to names and lengths so far is on the medium. */
void sim_disk_settle(sim_disk *d);
void sim_disk_link(sim_disk *d, sim_file *f, const char *name);
/* Takes the name away. Returns 0 when a handle is in the way. */
int sim_disk_delete(sim_disk *d, sim_file *f);

/* Nothing is pending, nor in flight: a power cut leaves what is durable. */
int sim_disk_is_settled(const sim_disk *d);
/* Reads what is there; returns the number of bytes. */
uint32_t sim_file_read(const sim_file *f, void *to, uint32_t bytes, uint64_t offset);
void sim_disk_write(sim_disk *d, sim_file *f, const void *data, uint32_t bytes, uint64_t offset);
void sim_disk_resize(sim_disk *d, sim_file *f, uint64_t size);
/* A view of the first bytes, at most `most`, which shows every write at once. As long as there is
 * one the file is not cut below it: sim_disk_resize does nothing then. */
void *sim_disk_map(const sim_file *f, uint64_t most, uint64_t *bytes_out);
void sim_disk_unmap(const void *view);
/* 1 when a view is in the way of a cut to `size`. */
int sim_disk_is_mapped(const sim_file *f, uint64_t size);
int sim_disk_views(void);
/* All of the file as memory, of one process: what is stored there is the file's when sim_disk_stored is
 * called, which each step of the disk does, as a write of each page that has changed since. So the
 * end of the process leaves it, and a power cut pages of any age, or parts of them. */
void *sim_disk_memory(sim_disk *d, sim_file *f);
void sim_disk_no_memory(sim_disk *d, sim_file *f);
void sim_disk_stored(sim_disk *d);
void sim_disk_rename(sim_disk *d, sim_file *f, const char *name);
/* How many cuts did not take place for one. */
extern uint64_t sim_cuts_refused;
/* Makes durable what came up to `order`: sim_flush_begin says which that is. */
uint64_t sim_flush_begin(const sim_disk *d);
void sim_flush_end(sim_disk *d, sim_file *f, uint64_t order);
void sim_flush_failed(sim_disk *d, sim_file *f, sim_random *r);

/* An operation in flight, as a power cut sees it. */
typedef struct sim_in_flight {
  sim_file *file;
  const unsigned char *data;
  uint32_t bytes;
  uint64_t offset;
} sim_in_flight;
extern void (*sim_describe_in_flight)(void *op, sim_in_flight *out);

enum sim_cut { SIM_CUT_NONE, SIM_CUT_ALL, SIM_CUT_SOME };

/* What is left of d when the power fails now: none of the pending changes, all, or
 * some. `to` becomes a disk with nothing pending, whose power does not fail... */
void sim_disk_cut(const sim_disk *d, enum sim_cut how, sim_random *r, sim_disk *to);
extern int sim_disk_explains;   /* sim_disk_cut prints what is lost and what is not */
/* ...unless it is made so that it can. */
void sim_disk_cuttable(sim_disk *d);
void sim_disk_copy(const sim_disk *d, sim_disk *to);
/* What is left when the processes are killed and the machine goes on: all as it is read, and what is
 * pending still pending. A write in flight takes place, or not, or a part of it. */
void sim_disk_kill(const sim_disk *d, sim_random *r, sim_disk *to);
/* The same disk once more, in what `have` gives; nobody has a file of it open. */
void sim_disk_clone(const sim_disk *d, sim_disk *to, void *(*have)(size_t bytes));
void sim_disk_free(sim_disk *d);
uint64_t sim_disk_hash(const sim_disk *d);
uint64_t sim_hash(uint64_t h, const void *p, uint64_t n);
/* Writes all files into a directory of the real machine. */
void sim_disk_dump(const sim_disk *d, const char *directory);

#endif
