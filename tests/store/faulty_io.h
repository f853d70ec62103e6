/* faulty_io.h: a machine whose calls fail, or wait, when told to.
 *
 *   asyncvfs (the core in tests.exe) --> this table of functions --> avfs_io_win32
 *                                    `-> a parent VFS ------------> SQLite's win32
 *
 * For child processes: the first registration of the VFS in a process decides over
 * which table it stands. Any thread may call the functions below.
 */
#ifndef FAULTY_IO_H
#define FAULTY_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <windows.h>

#include "seam/io.h"

typedef enum faulty_call {
  CALL_OPEN, CALL_REMOVE, CALL_IDENTITY, CALL_SIZE, CALL_RESIZE, CALL_FLUSH, CALL_READ, CALL_WRITE, CALL_MAP,
  CALL_UNMAP, CALL_RENAME,
  FAULTY_CALLS
} faulty_call;

extern const char *const faulty_names[FAULTY_CALLS];

enum { FAULTY_ALWAYS = 1000000000 };

/* Registers the VFS over the failing table, which does not fail yet. */
bool faulty_begin(void);
/* Of the calls of this kind, for files whose path has `only` in it (NULL: all), the ones
 * from..from+times-1, counted from 1 from now on, fail by ERROR_IO_DEVICE. from 0: none. */
void faulty_fail(faulty_call call, LONG from, LONG times, const char *only);
/* The same, by another error of Windows and its SQLite code. */
void faulty_fail_by(faulty_call call, LONG from, LONG times, const char *only, int rc, DWORD os_error);
/* How many calls have failed since then. */
LONG faulty_failed(void);
/* What fails now. */
faulty_call faulty_which(void);

/* How many such calls there were since faulty_fail. */
LONG faulty_calls(faulty_call call);

/* What `others` answers from now on, without asking Windows: 0, 1 or -1. The semaphore that is
 * returned counts the questions. */
HANDLE faulty_presence(int answer);
/* now_ns stands still from the first call on, and moves by so much at each. The pool looks at
 * the time by itself, again after what it meant to wait. */
void faulty_advance(uint32_t ms);

/* From now on, what the file system tells of a file is what `change` makes of it: of each file
 * that is asked about, by the path that it was opened by. NULL: as it is. */
void faulty_identify(void (*change)(const char *path, avfs_identity *id));
/* While on, no volume is certainly local. */
void faulty_be_remote(bool on);
/* Files are on a file system that is not NTFS. */
void faulty_be_unordered(bool on);

/* While on, the parent VFS opens rollback journals, but reads nothing of them. */
void faulty_fail_journal_reads(bool on);
/* From now on no page of the file that was mapped last, or, `next`, of the one that will be, can be
 * had (seam/io.h, avfs_mapping.failed). False when there is none. */
bool faulty_break_mapping(bool next);

/* Of the library's requests for memory the n-th from now on gets none; 0: each gets it. */
void faulty_heap_fail(LONG n);
LONG faulty_heap_failed(void);
/* For the heap itself (faulty_heap.c, win32/guard_heap.c): this one gets none. */
bool faulty_heap_fails(void);

/* How often the parent VFS was asked to sleep. */
LONG faulty_sleeps(void);

/* From now on such calls wait until faulty_release(). The event that is returned is set
 * when the first of them has come. */
HANDLE faulty_hold(faulty_call call, const char *only);
void faulty_release(void);

#endif
