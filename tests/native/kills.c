/* kills.c: a process that is killed at any instant loses at most its last commits; with
 * durability=os, none that COMMIT has returned.
 *
 *   child:   asyncvfs on a real file, engine and disk threads running; numbered commits, each
 *            told when COMMIT has returned, what is kept (durability=os: the ring has it) and
 *            what is promised to be on the disk (a flush, durability=disk)
 *   parent:  SIGKILL, at an instant by chance; stock SQLite opens a copy of what is left:
 *            integrity_check, and exactly the content after commit n,
 *            promised <= n <= told + 1
 *   child:   the next one goes on with what is left itself, recovered by asyncvfs: it must find
 *            exactly the content after a commit n, kept <= n <= told + 1, and the same as stock
 *            SQLite where there is no ring. It may be killed over that, and the next one, too
 *
 * They tell by memory that both have: no call of the kernel lies between two commits. The content
 * after commit n follows from the seed alone (record/commits.h).
 *
 * usage: kills DIRECTORY [KILLS [SEED]]
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record/commits.h"
#include "seam.h"
#include "sqlite3.h"
#include "watchdog.h"

enum { MOST_COMMITS = 400, KILLS_A_DATABASE = 12, CHILD_LIMIT_S = 120 /* it lives for milliseconds */ };

/* The content after commit n, of numbers that never fall. */
typedef struct shadow {
  sqlite3 *db;
  int at;
  uint64_t content;
} shadow;

/* One database's life. */
static struct {
  uint64_t seed;
  char path[300], copy[300];
  shadow disk, found;   /* as stock SQLite reads it, and as asyncvfs does */
  int kills;
  int told, kept, promised;           /* what the processes so far have told */
} life;

static struct {
  long kills, hot, commits, lost, promised, kept, in_recovery, replayed;
} total;

/* Of the child, in shared memory; volatile: in the order of the program. */
static volatile struct {
  uint64_t content;   /* what it has found */
  int found;          /* at which commit; -1: not yet */
  int told, kept, promised;
} *shared;

static void die(const char *what, int n) {
  fprintf(stderr, "kills: database of seed %llu, %ld kills: %s (%d); what is left: %s\n",
          (unsigned long long)life.seed, total.kills, what, n, life.path);
  exit(1);
}

/* ---- the commits (record/commits.h) ------------------------------------------------- */

static void run(sqlite3 *db, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
    fprintf(stderr, "%.120s: %s\n", sql, message);
    die("a statement fails", sqlite3_extended_errcode(db));
  }
}

static void write_commit(sqlite3 *db, int n) {
  char sql[COMMIT_SQL_BYTES];
  run(db, "BEGIN IMMEDIATE");
  commits_sql(life.seed, n, sql);
  run(db, sql);
}

static uint64_t content(sqlite3 *db) {
  sqlite3_stmt *s = NULL;
  uint64_t h = 1469598103934665603u;
  if (sqlite3_prepare_v2(db, "SELECT id, a, b FROM t UNION ALL SELECT -1, n, '' FROM last ORDER BY 1", -1, &s, NULL) != SQLITE_OK) {
    die(sqlite3_errmsg(db), 0);
  }
  while (sqlite3_step(s) == SQLITE_ROW) {
    int c, i;
    for (c = 0; c < 3; c++) {
      const unsigned char *p = sqlite3_column_text(s, c);
      for (i = 0; p[i] != 0; i++) h = (h ^ p[i]) * 1099511628211u;
      h = (h ^ 256) * 1099511628211u;
    }
  }
  sqlite3_finalize(s);
  return h;
}

static int number_in(sqlite3 *db) {
  sqlite3_stmt *s = NULL;
  int n = -1;
  if (sqlite3_prepare_v2(db, "SELECT n FROM last", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
    n = sqlite3_column_int(s, 0);
  }
  sqlite3_finalize(s);
  return n;
}

static void check_integrity(sqlite3 *db) {
  sqlite3_stmt *s = NULL;
  if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW ||
      strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0) {
    die(s == NULL ? sqlite3_errmsg(db) : (const char *)sqlite3_column_text(s, 0), 0);
  }
  sqlite3_finalize(s);
}

static void shadow_begin(shadow *s) {
  sqlite3_close(s->db);
  sqlite3_open(":memory:", &s->db);
  run(s->db, commits_schema);
  s->at = 0;
  s->content = content(s->db);
}

static uint64_t state_after(shadow *s, int n) {
  if (n < s->at) die("a commit that had been found is gone", s->at);
  if (n == s->at) return s->content;
  while (s->at < n) {
    write_commit(s->db, ++s->at);
    run(s->db, "COMMIT");
  }
  return s->content = content(s->db);
}

/* ---- the child -------------------------------------------------------------------------- */

static void tell(int n, int os, int disk) {
  shared->told = n;
  if (os || disk) shared->kept = n;
  if (disk) shared->promised = n;
}

/* The parent has another copy of the content, and compares. */
static void find(sqlite3 *db, int checks) {
  if (checks) check_integrity(db);
  shared->content = content(db);
  shared->told = shared->kept = number_in(db);
  shared->found = shared->told;
}

static void child(uint64_t chance) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  static const char *const durability[] = {"memory", "os", "os", "disk", "os"};
  char sql[500];
  sqlite3 *db = NULL;
  int n, d = (int)commits_below(&chance, 5), os = durability[d][0] == 'o', disk = durability[d][0] == 'd';
  int flush_every = 1 + (int)commits_below(&chance, os ? 300 : 60);
  uint32_t mode = commits_below(&chance, 5), exclusive = commits_below(&chance, 6) == 0;
  watchdog_start(CHILD_LIMIT_S, "a child of kills");
  native_flush_us = commits_below(&chance, 3) * 400;
  if (native_start() != SQLITE_OK) _exit(4);
  snprintf(sql, sizeof sql, "file:%s?max_queue_bytes=1048576&max_lag_ms=%u&durability=%s", life.path,
           commits_below(&chance, 3) * (os ? 20 : 3), durability[d]);
  if (sqlite3_open_v2(sql, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, "asyncvfs") != SQLITE_OK) _exit(5);
  snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s; PRAGMA cache_size=%u; PRAGMA locking_mode=%s",
           modes[mode], commits_below(&chance, 2) ? 8 : 2000, exclusive ? "EXCLUSIVE" : "NORMAL");
  run(db, sql);
  find(db, commits_below(&chance, 4) == 0);
  n = shared->found;
  for (;;) {
    if (n == MOST_COMMITS) pause();
    write_commit(db, ++n);
    /* SQLite defines no ROLLBACK for OFF; ours is one when the lock is given up. */
    if (n % 17 == 5 && !(mode == 4 && exclusive)) {
      run(db, "ROLLBACK");
      write_commit(db, n);
    }
    run(db, "COMMIT");
    tell(n, os, disk);
    if (n % flush_every == 0) {
      run(db, "PRAGMA asyncvfs_flush");
      tell(n, os, 1);
    }
  }
}

/* ---- the parent -------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to) {
  static char buffer[1 << 16];
  int a = open(from, O_RDONLY), b;
  ssize_t n;
  unlink(to);
  if (a < 0) return;
  b = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  while ((n = read(a, buffer, sizeof buffer)) > 0) {
    if (write(b, buffer, (size_t)n) != n) die("a copy cannot be written", errno);
  }
  close(a);
  close(b);
}

static int starts_with_magic(const char *path) {
  unsigned char first = 0;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  if (read(fd, &first, 1) != 1) first = 0;
  close(fd);
  return first != 0;
}

/* Stock SQLite says which commit a copy of what is left is at. */
static int recovered(void) {
  char from[310], to[310];
  sqlite3 *db = NULL;
  int n;
  copy_file(life.path, life.copy);
  snprintf(from, sizeof from, "%s-journal", life.path);
  snprintf(to, sizeof to, "%s-journal", life.copy);
  total.hot += starts_with_magic(from);
  copy_file(from, to);
  if (sqlite3_open_v2(life.copy, &db, SQLITE_OPEN_READWRITE, "unix") != SQLITE_OK) die("stock SQLite cannot open it", 0);
  check_integrity(db);
  n = number_in(db);
  if (n < 0 || content(db) != state_after(&life.disk, n)) die("its content is not that after the commit that it names", n);
  sqlite3_close(db);
  return n;
}

static void new_database(const char *directory, uint64_t seed) {
  static const int page_sizes[] = {512, 1024, 4096, 4096, 16384, 65536};
  uint64_t chance = seed;
  char name[400];
  sqlite3 *db = NULL;
  shadow disk = life.disk, found = life.found;
  memset(&life, 0, sizeof life);
  life.disk = disk;
  life.found = found;
  life.seed = seed;
  snprintf(life.path, sizeof life.path, "%s/killed.db", directory);
  snprintf(life.copy, sizeof life.copy, "%s/copy.db", directory);
  unlink(life.path);
  snprintf(name, sizeof name, "%s-journal", life.path);
  unlink(name);
  snprintf(name, sizeof name, "%s-avfsredo", life.path);
  unlink(name);
  sqlite3_open_v2(life.path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix");
  snprintf(name, sizeof name, "PRAGMA page_size=%d; PRAGMA auto_vacuum=%u; PRAGMA synchronous=OFF",
           page_sizes[commits_below(&chance, 6)], commits_below(&chance, 2));
  run(db, name);
  run(db, commits_schema);
  sqlite3_close(db);
  shadow_begin(&life.disk);
  shadow_begin(&life.found);
}

static void spin_us(uint32_t us) {
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  do clock_gettime(CLOCK_MONOTONIC, &b);
  while ((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000 < us);
}

/* What a process has found, and told: against what the ones before it had told, and what stock SQLite makes
 * of the disk, `disk`. */
static void judge_found(int disk, int had_ring) {
  int n = shared->found;
  if (n < life.kept) die("a commit that had returned with durability=os is gone", life.kept);
  if (n > life.told + 1) die("a commit that was never made is there", n);
  if (!had_ring && n != disk) die("asyncvfs recovers another commit than stock SQLite", n);
  if (shared->content != state_after(&life.found, n)) die("what asyncvfs recovers is not the content after the commit that it names", n);
  total.replayed += n - disk;
  total.lost += life.told > n ? life.told - n : 0;
  total.commits += shared->told - n;
  total.promised += shared->promised > n ? shared->promised - n : 0;
  total.kept += shared->kept - n;
  life.told = shared->told;
  life.kept = shared->kept;
  if (life.promised < shared->promised) life.promised = shared->promised;
}

static void judge_disk(int n) {
  if (n < life.promised) die("a commit that was promised to be on the disk is gone", life.promised);
  if (n > life.told + 1) die("a commit that was never made is there", n);
}

/* Waits until it has found something and made some commits more, or, now and then, not so long. */
static void wait_for(int waits, int commits, pid_t pid) {
  int status;
  while (waits && (shared->found < 0 || (shared->told < shared->found + commits && shared->told < MOST_COMMITS))) {
    if (waitpid(pid, &status, WNOHANG) != 0) die("the child has ended by itself", status);
    usleep(commits > 20 ? 50 : 5);
  }
}

static int has_ring(void) {
  char path[320];
  snprintf(path, sizeof path, "%s-avfsredo", life.path);
  return access(path, F_OK) == 0;
}

static void kill_once(uint64_t *chance, int *disk) {
  int waits = commits_below(chance, 5) > 0, ring = has_ring(), status;
  int commits = (int)commits_below(chance, commits_below(chance, 3) == 0 ? 100 : 12);
  uint32_t delay_us = commits_below(chance, 4) == 0 ? commits_below(chance, 6000) : commits_below(chance, 400);
  uint64_t seed = commits_draw(chance);
  pid_t pid;
  memset((void *)(uintptr_t)shared, 0, sizeof *shared);
  shared->found = -1;
  pid = fork();
  if (pid < 0) die("fork", errno);
  if (pid == 0) child(seed);
  wait_for(waits, commits, pid);
  spin_us(waits ? delay_us : delay_us * 4);
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) die("the child has ended by itself", status);
  total.kills++;
  if (shared->found >= 0) judge_found(*disk, ring);
  else total.in_recovery++;
  *disk = recovered();
  judge_disk(*disk);
}

int main(int argc, char **argv) {
  long kills = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL), chance = seed;
  time_t shown = time(NULL);
  int disk = 0;
  if (argc < 2) {
    fprintf(stderr, "usage: kills DIRECTORY [KILLS [SEED]]\n");
    return 2;
  }
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) die("mmap", errno);
  while (total.kills < kills) {
    if (life.kills == 0 || life.kills > KILLS_A_DATABASE || life.told > MOST_COMMITS - 100) {
      new_database(argv[1], commits_draw(&chance));
      disk = 0;
    }
    life.kills++;
    kill_once(&chance, &disk);
    if (time(NULL) - shown >= 15) {
      shown = time(NULL);
      fprintf(stderr, "%ld kills ...\n", total.kills);
    }
  }
  printf("%ld kills (seed %llu), %ld with a hot journal, %ld in the recovery: %ld commits told, %ld of them promised to be "
         "on the disk, %ld kept, %ld of these by the ring; %ld of durability=memory lost; 0 wrong\n",
         total.kills, (unsigned long long)seed, total.hot, total.in_recovery, total.commits, total.promised, total.kept,
         total.replayed, total.lost);
  return total.hot == 0;   /* then none has hit a batch, which proves little */
}
