/* kills.c: a process that puts commits in a ring, or replays one, is killed: natively.
 *
 *   steps   the child runs one instruction at a time (ptrace). After each that has changed the ring
 *           the parent recovers a copy of it: what a kill there would leave. No instant is left out.
 *   calls   the child may not call the kernel while it commits, nor does it ask for memory
 *   kills   the child works on a real file, and is killed by SIGKILL at an instant by chance. The parent
 *           recovers a copy; the next child goes on with what is left itself, so kills hit replays too,
 *           and replays of what a killed replay left.
 *
 * The child says in shared memory what it tries and what it has promised, before and after.
 *
 * usage: kills DIRECTORY KILLS [SEED]
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "redo/model.h"
#include "seam.h"
#include "sqlite3.h"
#include "watchdog.h"

/* Of the child, in shared memory; volatile: in the order of the program. */
static volatile struct {
  uint32_t tried;      /* newest state that it has begun to commit */
  uint32_t promised;   /* newest one whose COMMIT has returned */
  uint32_t disk;       /* the disk's */
  uint32_t recovered;  /* 1: its recovery is over */
} *told;

static model m;
static model_disk disk;
static unsigned char *ring;   /* shared */
static struct {
  long kills, replays, commits, in_recovery, instants, looks;
} total;

static void die(const char *what, long n) {
  fprintf(stderr, "redo kills: seed %llu: %s (%ld); tried %u, promised %u, disk %u\n", (unsigned long long)m.seed, what, n,
          told->tried, told->promised, told->disk);
  exit(1);
}

static void *shared(size_t n) {
  void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) die("mmap", errno);
  return p;
}

/* ---- the child ------------------------------------------------------------------- */

typedef struct worker {
  avfs_redo *r;
  uint64_t shift;   /* the store's numbers less those of the states */
  uint32_t state;
} worker;

static void work_recover(worker *w, uint64_t *chance) {
  avfs_redo_report report;
  const char *why;
  uint64_t seq;
  int now = model_recover(&disk, chance, &w->r, &seq, &report, &why);
  if (now < 0 || report.verdict == AVFS_REDO_REFUSED) _exit(10);
  w->state = (uint32_t)now;
  w->shift = seq - w->state;
  told->tried = w->state;
  told->promised = w->state;
  told->recovered = 1;
}

static void work_commit(worker *w) {
  avfs_redo_commit c = model_commit(&m, w->state + 1, w->state + 1 + w->shift);
  told->tried = ++w->state;
  if (avfs_redo_append(w->r, &c) == 0) told->promised = w->state;
}

static void work_batch(worker *w, int commits) {
  uint32_t batch = w->state;
  avfs_redo_freeze(w->r, batch + w->shift, model_header(&m, batch));
  while (commits-- > 0) work_commit(w);
  model_disk_set(&disk, batch);
  told->disk = batch;
  avfs_redo_durable(w->r, batch + w->shift);
  if (told->promised < batch) told->promised = batch;
}

/* ---- the parent ------------------------------------------------------------------------ */

static void check_state(int state, const char *why, const avfs_redo_report *report) {
  uint32_t least = told->promised > told->disk ? told->promised : told->disk;
  total.looks++;
  if (state < 0) die(why, 0);
  if (report->verdict == AVFS_REDO_REFUSED) die(report->reason, 0);
  if ((uint32_t)state < least) die("a commit that had returned is gone", state);
  if ((uint32_t)state > told->tried) die("a commit that was never made is there", state);
  total.replays += report->replayed > 0;
  total.commits += (long)report->replayed;
}

static void look_at(const unsigned char *bytes) {
  static unsigned char copy[MODEL_RING];
  static uint64_t chance = 1;
  avfs_redo_report report;
  const char *why;
  uint64_t seq;
  avfs_redo *r;
  int state;
  memcpy(copy, bytes, MODEL_RING);
  model_file.bytes = copy;
  model_file.size = MODEL_RING;
  if (disk.state != told->disk) model_disk_set(&disk, told->disk);
  state = model_recover(&disk, &chance, &r, &seq, &report, &why);
  check_state(state, why, &report);
  avfs_redo_close(r, 0);
}

static void new_model(uint64_t seed) {
  static int made;
  if (made) {
    model_disk_free(&disk);
    model_free(&m);
  }
  made = 1;
  model_make(&m, seed);
  model_disk_init(&disk, &m);
  memset((void *)(uintptr_t)told, 0, sizeof *told);
}

/* ---- each instruction ------------------------------------------------------------------------ */

static void scenario(uint64_t chance) {
  worker w;
  int i;
  work_recover(&w, &chance);
  for (i = 0; i < 2; i++) work_commit(&w);
  work_batch(&w, 1);
  work_commit(&w);
}

/* Lets the child go on for an instruction. 0: it has ended. */
static int step(pid_t pid) {
  int status;
  if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid) die("ptrace", errno);
  if (WIFEXITED(status)) {
    if (WEXITSTATUS(status) != 0) die("the child has ended by itself", WEXITSTATUS(status));
    return 0;
  }
  if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) die("the child stops for another reason", status);
  return 1;
}

/* At most so many instructions; then it is killed, and the next one replays. */
static void run_in_steps(uint64_t chance, long most) {
  static unsigned char seen[MODEL_RING];
  int status;
  pid_t pid;
  model_file.bytes = ring;
  model_disk_set(&disk, told->disk);
  pid = fork();
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    scenario(chance);
    _exit(0);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) die("fork", errno);
  memcpy(seen, ring, MODEL_RING);
  for (; most > 0; most--) {
    if (!step(pid)) return;
    total.instants++;
    if (memcmp(seen, ring, MODEL_RING) == 0) continue;
    memcpy(seen, ring, MODEL_RING);
    look_at(ring);
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  total.kills++;
}

static void steps(uint64_t seed) {
  uint64_t chance = seed;
  int depth;
  do new_model(model_draw(&chance));
  while (m.unit > 1024);
  memset(ring, 0, MODEL_RING);
  model_file.size = MODEL_RING;
  model_seam = &model_io;
  for (depth = 0; depth < 4; depth++) run_in_steps(model_draw(&chance), depth % 2 ? 10000000 : 6000 + model_below(&chance, 30000));
}

/* ---- by chance ----------------------------------------------------------------------------------- */

static void spin_us(uint32_t us) {
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  do clock_gettime(CLOCK_MONOTONIC, &b);
  while ((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000 < us);
}

static void child(uint64_t chance) {
  worker w;
  model_disk_set(&disk, told->disk);
  watchdog_start(60, "a child of redo kills");
  work_recover(&w, &chance);
  while (w.state + 8 < MODEL_STATES) {
    int n = (int)model_below(&chance, 4);
    while (n-- > 0) work_commit(&w);
    if (model_below(&chance, 3) == 0) work_batch(&w, (int)model_below(&chance, 3));
  }
  _exit(0);
}

static void read_file(const char *path, unsigned char *to) {
  int fd = open(path, O_RDONLY);
  memset(to, 0, MODEL_RING);
  if (fd < 0) return;
  if (read(fd, to, MODEL_RING) < 0) die("read", errno);
  close(fd);
}

static void kill_once(const char *path, uint64_t *chance) {
  static unsigned char bytes[MODEL_RING];
  uint64_t seed = model_draw(chance);
  int status, waits = model_below(chance, 6) > 0, over = 0;
  pid_t pid;
  told->recovered = 0;
  model_seam = &native_io;
  model_path = path;
  pid = fork();
  if (pid < 0) die("fork", errno);
  if (pid == 0) child(seed);
  while (waits && !over && !told->recovered) over = waitpid(pid, &status, WNOHANG) == pid;
  if (!waits) spin_us(model_below(chance, 1500));
  else if (!over) spin_us(model_below(chance, 60));
  if (!over) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) die("the child has ended by itself", WEXITSTATUS(status));
  total.kills++;
  total.in_recovery += !told->recovered;
  read_file(path, bytes);
  model_seam = &model_io;
  look_at(bytes);
}

/* ---- without the kernel ------------------------------------------------------------------------------ */

/* In strict mode any call but read, write and exit ends the process. And no memory is asked for. */
static void commit_without_a_call(uint64_t seed) {
  uint64_t chance = seed;
  int status;
  pid_t pid;
  new_model(model_draw(&chance));
  memset(ring, 0, MODEL_RING);
  model_file.bytes = ring;
  model_file.size = MODEL_RING;
  pid = fork();
  if (pid == 0) {
    worker w;
    long blocks;
    int i;
    work_recover(&w, &chance);
    blocks = native_heap_blocks();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(11);
    for (i = 0; i < 8; i++) work_commit(&w);
    work_batch(&w, 3);
    syscall(SYS_exit, native_heap_blocks() == blocks ? 0 : 12);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid) die("fork", errno);
  if (!WIFEXITED(status)) die("a commit calls the kernel", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) die("a commit asks for memory", WEXITSTATUS(status));
}

int main(int argc, char **argv) {
  long kills = argc > 2 ? strtol(argv[2], NULL, 10) : 1000, i;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL), chance = seed;
  char path[400];
  if (argc < 2) {
    fprintf(stderr, "usage: kills DIRECTORY [KILLS [SEED]]\n");
    return 2;
  }
  told = shared(sizeof *told);
  ring = shared(MODEL_RING);
  model_file.boot = native_io.boot();   /* what is left by one seam is looked at through the other */
  commit_without_a_call(model_draw(&chance));
  steps(model_draw(&chance));
  printf("each of %ld instructions, %ld of which changed the ring: 0 wrong\n", total.instants, total.looks);
  memset(&total, 0, sizeof total);
  snprintf(path, sizeof path, "%s/ring", argv[1]);
  for (i = 0; i < kills; i++) {
    if (i == 0 || told->tried + 12 > MODEL_STATES) {
      unlink(path);
      new_model(model_draw(&chance));
    }
    kill_once(path, &chance);
  }
  unlink(path);
  printf("%ld kills (seed %llu), %ld of them in a recovery: %ld replays of %ld commits; 0 wrong\n", total.kills,
         (unsigned long long)seed, total.in_recovery, total.replays, total.commits);
  return total.in_recovery == 0 || total.replays == 0;
}
