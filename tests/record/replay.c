/* replay.c: a recording of the real DLL (recorder.c), on the simulation's disk, where the
 * power fails at its steps and stock SQLite judges what is left (tests/sim/crash.h).
 *
 *   LOG --> sim_disk, in flight, flushed ... --> images --> stock SQLite: a prefix of the
 *    `---> tried, committed, promised ----------------------^        commits?
 *
 * usage: replay LOG SEED [CHANCE]     CHANCE per million that a step is cut
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commits.h"
#include "crash.h"
#include "log.h"
#include "sqlite3.h"

#include "sqlite3ext.h"
const sqlite3_api_routines *sqlite3_api;   /* of the library, which is linked and not used */
#undef sqlite3_initialize
#undef sqlite3_open_v2
#undef sqlite3_exec
#undef sqlite3_errmsg

enum { IN_FLIGHT = 256, SET_BITS = 22 };

typedef struct operation {
  record_entry e;
  sim_file *file;
  unsigned char *data;
  uint64_t order;      /* of a flush: what it makes durable */
} operation;

static sim_disk disk;
static operation operations[IN_FLIGHT];
static sqlite3 *shadow;
static uint32_t made;   /* states that the shadow has made */
static uint64_t seed;
static uint64_t images[1 << SET_BITS];

/* A flush in flight stands in the same table. */
static void describe(void *p, sim_in_flight *out) {
  operation *o = p;
  out->file = o->file;
  out->data = o->data;
  out->bytes = o->e.bytes;
  out->offset = o->e.offset;
}

static int is_new(uint64_t hash) {
  uint64_t i = hash >> (64 - SET_BITS);
  while (images[i] != 0 && images[i] != hash) i = (i + 1) % (1 << SET_BITS);
  if (images[i] == hash) return 0;
  images[i] = hash;
  return 1;
}

static operation *find(const record_entry *e, int kind) {
  int i;
  for (i = 0; i < IN_FLIGHT; i++) {
    operation *o = &operations[i];
    if (o->e.kind == kind && o->e.process == e->process && o->e.id == e->id) return o;
  }
  return NULL;
}

static operation *begin(const record_entry *e) {
  int i = 0;
  while (i < IN_FLIGHT && operations[i].e.kind != 0) i++;
  if (i == IN_FLIGHT) sim_fail("too many operations in flight");
  operations[i].e = *e;
  return &operations[i];
}

static sim_file *file_of(const record_entry *e) {
  static const char *const names[RECORD_FILES] = {"/t/main.db", "/t/main.db-journal"};
  sim_file *f;
  if (e->file >= RECORD_FILES) sim_fail("an entry of no file");
  f = sim_disk_open(&disk, names[e->file], 1);
  sim_disk_close(&disk, f);
  return f;
}

static void stepped(void) {
  if (disk.stepped != NULL) disk.stepped(&disk);
}

static void begin_write(const record_entry *e, FILE *log) {
  operation *o = begin(e);
  o->file = file_of(e);
  o->data = malloc(e->bytes);
  if (o->data == NULL || fread(o->data, 1, e->bytes, log) != e->bytes) sim_fail("the log ends in a write");
  if (disk.in_flight_count == sizeof disk.in_flight / sizeof disk.in_flight[0]) sim_fail("too many writes in flight");
  disk.in_flight[disk.in_flight_count++] = o;
  stepped();
}

static void end_write(const record_entry *e) {
  operation *o = find(e, RECORD_WRITE);
  uint32_t i = 0;
  if (o == NULL) sim_fail("a write ends that has not begun");
  while (disk.in_flight[i] != o) i++;
  disk.in_flight[i] = disk.in_flight[--disk.in_flight_count];
  sim_disk_write(&disk, o->file, o->data, o->e.bytes, o->e.offset);
  free(o->data);
  memset(o, 0, sizeof *o);
}

static void end_flush(const record_entry *e) {
  operation *o = find(e, RECORD_FLUSH);
  if (o == NULL) sim_fail("a flush ends that has not begun");
  sim_flush_end(&disk, o->file, o->order);
  memset(o, 0, sizeof *o);
}

/* The content after each commit, by stock SQLite in memory. */
static void make_states(uint32_t upto) {
  sim_history *h = &sim_commits[0];
  if (upto >= SIM_STATES) sim_fail("too many commits");
  for (; made <= upto; made++) {
    char commit[COMMIT_SQL_BYTES] = "";
    const char *sql = made == 0 ? "" : made == 1 ? commits_schema : commit;
    if (made > 1) commits_sql(seed, (int)made - 1, commit);
    if (sqlite3_exec(shadow, sql, NULL, NULL, NULL) != SQLITE_OK) sim_fail("%s", sqlite3_errmsg(shadow));
    if (sim_content(shadow, "main", &h->state[made]) != SQLITE_OK) sim_fail("the shadow cannot be read");
  }
}

/* A process may be overtaken between the return of its COMMIT and its entry. */
static void mark(const record_entry *e) {
  sim_history *h = &sim_commits[0];
  uint32_t state = (uint32_t)e->offset;
  make_states(state);
  if (h->count < state) h->count = state;
  h->trying = e->kind == RECORD_TRYING && h->count == state;
  h->trying_state = h->state[state];
  if (e->kind != RECORD_TRYING && h->count == state) h->count = state + 1;
  if (e->kind == RECORD_PROMISED && h->acked < state) h->acked = state;
  if (e->kind == RECORD_COMMITTED) sim_stats.commits++;
}

static void replay(const record_entry *e, FILE *log) {
  sim_file *f;
  switch (e->kind) {
    case RECORD_WRITE: begin_write(e, log); break;
    case RECORD_WRITTEN: end_write(e); break;
    case RECORD_RESIZED: sim_disk_resize(&disk, file_of(e), e->offset); break;
    case RECORD_FLUSH:
      f = file_of(e);
      begin(e)->file = f;
      find(e, RECORD_FLUSH)->order = sim_flush_begin(&disk);
      break;
    case RECORD_FLUSHED: end_flush(e); break;
    case RECORD_CREATED: file_of(e); break;
    case RECORD_DELETED:
      if (!sim_disk_delete(&disk, file_of(e))) sim_fail("a file is deleted that is open");
      break;
    case RECORD_TRYING:
    case RECORD_COMMITTED:
    case RECORD_PROMISED: mark(e); break;
    default: sim_fail("an entry of unknown kind %d", e->kind);
  }
}

int main(int argc, char **argv) {
  FILE *log = argc > 2 ? fopen(argv[1], "rb") : NULL;
  record_entry e;
  if (log == NULL) {
    fprintf(stderr, "usage: replay LOG SEED [CHANCE]\n");
    return 2;
  }
  seed = sim_seed = strtoull(argv[2], NULL, 10);
  sim_describe_in_flight = describe;
  sim_current_disk = &disk;
  sim_is_new_image = is_new;
  sqlite3_initialize();
  if (sqlite3_open_v2(":memory:", &shadow, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, "win32") != SQLITE_OK) return 2;
  make_states(0);
  sim_commits[0].count = 1;
  sim_crash_watch(&disk, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000000);
  while (fread(&e, sizeof e, 1, log) == 1) replay(&e, log);
  sim_crash_now(&disk);
  if (sim_commits[0].count < 3) sim_fail("the recording has no commits");
  printf("%llu commits, %llu steps of the disk, %llu distinct crash images (%llu hot)\n",
         (unsigned long long)sim_stats.commits, (unsigned long long)sim_stats.steps,
         (unsigned long long)sim_stats.images, (unsigned long long)sim_stats.hot);
  return 0;
}
