/* io.h: the seam: all that store/, engine/ and redo/ ask of the machine.
 *
 *      engine/                         store/
 *        |  read, write (overlapped)     |  open, identity
 *        |  flush, resize, remove        |
 *        v                               v
 *   +--------------------- avfs_io ---------------------+
 *   | file.c: CreateFileW, ReadFile, WriteFile, ...     |
 *   | identity.c: GetFinalPathNameByHandleW, ...        |
 *   | port.c: CreateIoCompletionPort, Get/PostQueued... |
 *   | mapping.c: CreateFileMappingW, MapViewOfFile      |
 *   +---------------------------------------------------+
 *
 * A table of functions, so that tests can count, fail, delay and record each
 * call, and a simulation can stand in for the machine.
 *
 * Preconditions, once for all: pointers are not NULL, bytes > 0, a file is
 * closed when none of its operations is in flight. Functions that return int
 * answer SQLITE_OK or an SQLite result code; os_error() then has the number
 * that Windows gave to this thread's last failed call.
 *
 * An operation (avfs_op) belongs to its caller, who keeps it and its buffer
 * untouched until `done` has been called. `done` runs exactly once, on a thread
 * of the pool (engine/scheduler.c), also where the operation completed at once
 * or could not even be started: pending and immediate completion take one path.
 */
#ifndef AVFS_IO_H
#define AVFS_IO_H

#include <stdint.h>

#include "seam/time.h"

typedef struct avfs_file avfs_file;
typedef struct avfs_op avfs_op;

struct avfs_op {
  /* set by the caller */
  avfs_file *file;
  void *data;
  uint32_t bytes;
  uint64_t offset;            /* bytes from the start of the file */
  int alone;                  /* 1: nothing else of the caller's is in flight for the file, so
                                 that it may take place while it is started */
  void (*done)(avfs_op *op);

  /* set before done is called */
  int rc;                     /* SQLITE_OK; SQLITE_IOERR_READ, _WRITE, SQLITE_FULL ... */
  uint32_t os_error;          /* of Windows, 0 when rc is SQLITE_OK */
  uint32_t transferred;       /* bytes; a read past the end of file transfers fewer */

  /* private to the seam: an OVERLAPPED */
  uint64_t os[6];
};

/* What is known of the file that a name leads to. */
typedef struct avfs_identity {
  uint64_t volume;                  /* its serial number */
  uint64_t index_high, index_low;   /* the file's number there; of 64 bits: index_high is 0 */
  uint32_t links;                   /* names that the file has, of which this may be one */
  int is_own_name;                  /* 1: what is written beside the name is written beside `place` */
  char *place;                      /* where the file is, whatever name leads to it; NULL: it cannot be
                                       told. In capital letters, by avfs_alloc */
} avfs_identity;

enum {
  AVFS_OPEN_EXISTING = 0,
  AVFS_OPEN_CREATE = 1   /* create it when it is not there */
};

/* A file that is memory: what is stored there is the file's at once, and stays when the process is
 * killed at any instant. What a power cut leaves of it is any mixture of older and newer pages. */
typedef struct avfs_mapping {
  unsigned char *at;
  uint64_t bytes;
  volatile int failed;   /* 1: the system could not have a page of it (volume gone, disk full under a
                            compressed file, a device that fails). What was and is stored then goes
                            to memory of the process alone, and no exception comes */
} avfs_mapping;

enum {
  AVFS_MAP_READ,   /* one that is there, whoever else has it; only to be read */
  AVFS_MAP_WRITE   /* for this process alone, made when it is not there */
};

/* As many may wait for operations. */
enum { AVFS_MOST_THREADS = 64 };

typedef struct avfs_io avfs_io;
struct avfs_io {
  /* Before anything else; may be called again. */
  int (*start)(void);
  /* Opens for overlapped reading and writing. path is UTF-8, absolute. Others
   * may read and write the file while it is open, but not delete it. What another program
   * holds for a moment is waited for, 1.4 s; SQLITE_BUSY when it holds it longer. */
  int (*open)(const char *path, int how, avfs_file **file_out);
  void (*close)(avfs_file *f);
  /* Deletes the file and closes f, whatever the answer; SQLITE_BUSY: another program
   * has it open. */
  int (*remove)(avfs_file *f);
  /* By the name that f was opened by. The caller frees id_out->place, which is NULL on failure. */
  int (*identity)(avfs_file *f, avfs_identity *id_out);
  /* The same of a path, without access to what is in the file; SQLITE_CANTOPEN: there is none. */
  int (*path_identity)(const char *path, avfs_identity *id_out);
  /* identity's `links`, as it is now. */
  int (*links)(avfs_file *f, uint32_t *links_out);
  /* 1 when the volume is certainly on this machine; 0: reached by network, or not to be told. */
  int (*is_local)(avfs_file *f);
  /* 1 when the file system has one log for deletions and cuts of all files, in their order, of
   * which a power cut leaves the first ones: NTFS. */
  int (*is_ordered)(avfs_file *f);
  /* 0 when nothing has this name; also 1 while it is being deleted, or when nobody can tell. */
  int (*exists)(const char *path);
  /* Who else has the file of f open: 0 nobody, this process alone does (whatever VFS or library
   * of it opened it); 1 another process, or a machine that reaches it by network; -1 not known. */
  int (*others)(avfs_file *f);

  void (*read)(avfs_op *op);
  void (*write)(avfs_op *op);
  /* All completed writes and size changes of f are on the medium after it. */
  int (*flush)(avfs_file *f);
  int (*size)(avfs_file *f, uint64_t *bytes_out);
  /* Growing leaves zeros. A file that shrinks while a view of it is mapped
   * keeps its length, which counts as success (as in os_win.c, winTruncate). */
  int (*resize)(avfs_file *f, uint64_t bytes);
  /* Makes the file's first bytes, as many as there are and at most `most`, readable in memory,
   * where every write to the file is seen at once. SQLITE_IOERR_MMAP: it cannot be. */
  int (*map)(avfs_file *f, uint64_t most, void **view_out, uint64_t *bytes_out);
  void (*unmap)(void *view);

  /* Maps all of a file. AVFS_MAP_WRITE: one that is shorter is made `bytes` long, by zeros that are
   * really written, so that there is room for all of it. SQLITE_CANTOPEN: there is none.
   * SQLITE_EMPTY: it has no bytes, and is not made longer. SQLITE_BUSY: another process has it.
   * SQLITE_FULL. */
  int (*map_file)(const char *path, int how, uint64_t bytes, avfs_mapping **m_out);
  /* And closes it; then, with `remove`, deletes it: SQLITE_BUSY as remove. */
  int (*unmap_file)(avfs_mapping *m, int remove);
  /* And closes it, and gives it another name, of the same folder, in place of a file that has it. */
  int (*rename_file)(avfs_mapping *m, const char *path);
  /* Tells this start of the system from all others; 0: not known. */
  uint64_t (*boot)(void);

  /* Completes op without any I/O. */
  void (*post)(avfs_op *op);
  /* For the pool's threads: the next completed operation, whose `done` the caller
   * is to call. ready: one that was over when the call of a thread of the pool that
   * started it returned, or NULL; costs no system call. wait: NULL when timeout_ms has
   * passed without one; a thread that waits has emptied ready before. */
  avfs_op *(*ready)(void);
  avfs_op *(*wait)(uint32_t timeout_ms);
  /* A thread that has waited will not do so again: it ends. Nothing is in flight. */
  void (*leave)(void);
  /* At the end of the process, by the one thread that is left. What the others had started
   * is in flight still: an operation outlives its thread where its handle is bound to a port.
   * Cancels op if it is in flight, and waits until it is over, at most for timeout_ms; its done
   * is never called. 0: it is in flight still, and so op, its buffer and its file are to be
   * left alone. From then on, wait may return NULL before its time has passed. */
  int (*settle)(avfs_op *op, uint32_t timeout_ms);

  uint64_t (*now_ns)(void);   /* monotonic */
  uint32_t (*os_error)(void);
};

/* The machine itself. */
extern const avfs_io avfs_io_win32;

/* What os_error() says for numbers that deserve words; NULL for the others. */
const char *avfs_os_error_text(uint32_t os_error);

#endif
