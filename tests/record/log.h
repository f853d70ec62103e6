/* log.h: what a recording is made of: every call that can change what a power cut leaves.
 *
 *   entry, and with RECORD_WRITE its bytes; entry; entry ...
 *
 * The entries of all processes are in one file, in one order (recorder.c): an operation is
 * entered before it is issued, and again once it is known to be over.
 */
#ifndef RECORD_LOG_H
#define RECORD_LOG_H

#include <stdint.h>

enum record_kind {
  RECORD_WRITE = 'W',      /* issued: id, offset, bytes */
  RECORD_WRITTEN = 'w',    /* id */
  RECORD_RESIZED = 'R',    /* to offset bytes */
  RECORD_FLUSH = 'F',      /* issued: id */
  RECORD_FLUSHED = 'f',
  RECORD_CREATED = 'C',    /* or opened */
  RECORD_DELETED = 'D',
  RECORD_TRYING = 'T',     /* a COMMIT to state number `offset` begins */
  RECORD_COMMITTED = 'K',  /* it has returned */
  RECORD_PROMISED = 'P'    /* it is promised to survive */
};

enum { RECORD_DATABASE, RECORD_JOURNAL, RECORD_FILES };

typedef struct record_entry {
  uint8_t kind, file;
  uint16_t process;   /* some number */
  uint32_t bytes;
  uint64_t offset;
  uint64_t id;        /* of an operation in flight, within its process */
} record_entry;

#endif
