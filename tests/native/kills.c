/* kills.c: a process that is killed at any instant loses at most its last commits.
 *
 *   child:   asyncvfs on a real file, engine and disk threads running; numbered commits,
 *            each told through a pipe when COMMIT has returned, and when it is promised
 *            to be on the disk (a flush, durability=disk)
 *   parent:  SIGKILL, at an instant by chance; stock SQLite opens a copy of what is left:
 *            integrity_check, and exactly the content after commit n,
 *            promised <= n <= told + 1
 *   child:   the next one goes on with what is left itself, recovered by asyncvfs: it
 *            must begin at the same n
 *
 * The content after commit n follows from the seed alone (record/commits.h).
 *
 * usage: kills DIRECTORY [KILLS [SEED]]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record/commits.h"
#include "seam.h"
#include "sqlite3.h"
#include "watchdog.h"

enum { MOST_COMMITS = 400, KILLS_A_DATABASE = 12, CHILD_LIMIT_S = 120 /* it lives for milliseconds */ };

/* One database's life. */
static struct {
  uint64_t seed;
  char path[300], copy[300];
  sqlite3 *shadow;
  int shadow_at;
  uint64_t state[MOST_COMMITS + 2];   /* hash of the content after commit n */
  int kills;
} life;

static struct {
  long kills, hot, commits, lost, promised;
} total;

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

static uint64_t state_after(int n) {
  while (life.shadow_at < n) {
    write_commit(life.shadow, ++life.shadow_at);
    run(life.shadow, "COMMIT");
    life.state[life.shadow_at] = content(life.shadow);
  }
  return life.state[n];
}

/* ---- the child -------------------------------------------------------------------------- */

typedef struct message {
  int32_t n;
  int32_t kind;   /* 'b' begins at n, 'c' n is committed, 'd' and promised durable */
} message;

static void tell(int to, int kind, int n) {
  message m = {n, kind};
  if (write(to, &m, sizeof m) != sizeof m) _exit(3);
}

static void child(int to, uint64_t chance) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  char sql[500];
  sqlite3 *db = NULL;
  int n, disk = commits_below(&chance, 4) == 0, flush_every = 1 + (int)commits_below(&chance, 60);
  uint32_t mode = commits_below(&chance, 5), exclusive = commits_below(&chance, 6) == 0;
  watchdog_start(CHILD_LIMIT_S, "a child of kills");
  native_flush_us = commits_below(&chance, 3) * 400;
  if (native_start() != SQLITE_OK) _exit(4);
  snprintf(sql, sizeof sql, "file:%s?max_queue_bytes=1048576&max_lag_ms=%u&durability=%s", life.path,
           commits_below(&chance, 3) * 3, disk ? "disk" : "memory");
  if (sqlite3_open_v2(sql, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, "asyncvfs") != SQLITE_OK) _exit(5);
  snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s; PRAGMA cache_size=%u; PRAGMA locking_mode=%s",
           modes[mode], commits_below(&chance, 2) ? 8 : 2000, exclusive ? "EXCLUSIVE" : "NORMAL");
  run(db, sql);
  n = number_in(db);
  tell(to, 'b', n);
  for (;;) {
    if (n == MOST_COMMITS) pause();
    write_commit(db, ++n);
    /* SQLite defines no ROLLBACK for OFF; ours is one when the lock is given up. */
    if (n % 17 == 5 && !(mode == 4 && exclusive)) {
      run(db, "ROLLBACK");
      write_commit(db, n);
    }
    run(db, "COMMIT");
    tell(to, disk ? 'd' : 'c', n);
    if (n % flush_every == 0) {
      run(db, "PRAGMA asyncvfs_flush");
      tell(to, 'd', n);
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
  sqlite3_stmt *s = NULL;
  int n;
  copy_file(life.path, life.copy);
  snprintf(from, sizeof from, "%s-journal", life.path);
  snprintf(to, sizeof to, "%s-journal", life.copy);
  total.hot += starts_with_magic(from);
  copy_file(from, to);
  if (sqlite3_open_v2(life.copy, &db, SQLITE_OPEN_READWRITE, "unix") != SQLITE_OK) die("stock SQLite cannot open it", 0);
  if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW ||
      strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0) {
    die(s == NULL ? sqlite3_errmsg(db) : (const char *)sqlite3_column_text(s, 0), 0);
  }
  sqlite3_finalize(s);
  n = number_in(db);
  if (n < 0 || content(db) != state_after(n)) die("its content is not that after the commit that it names", n);
  sqlite3_close(db);
  return n;
}

static void new_database(const char *directory, uint64_t seed) {
  static const int page_sizes[] = {512, 1024, 4096, 4096, 16384, 65536};
  uint64_t chance = seed;
  char name[400];
  sqlite3 *db = NULL;
  sqlite3_close(life.shadow);
  memset(&life, 0, sizeof life);
  life.seed = seed;
  snprintf(life.path, sizeof life.path, "%s/killed.db", directory);
  snprintf(life.copy, sizeof life.copy, "%s/copy.db", directory);
  unlink(life.path);
  snprintf(name, sizeof name, "%s-journal", life.path);
  unlink(name);
  sqlite3_open_v2(life.path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix");
  snprintf(name, sizeof name, "PRAGMA page_size=%d; PRAGMA auto_vacuum=%u; PRAGMA synchronous=OFF",
           page_sizes[commits_below(&chance, 6)], commits_below(&chance, 2));
  run(db, name);
  run(db, commits_schema);
  sqlite3_close(db);
  sqlite3_open(":memory:", &life.shadow);
  run(life.shadow, commits_schema);
  life.state[0] = content(life.shadow);
}

static void spin_us(uint32_t us) {
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  do clock_gettime(CLOCK_MONOTONIC, &b);
  while ((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000 < us);
}

static void kill_once(uint64_t *chance, int *at) {
  int ends[2], told = *at, promised = *at, status, n, begun = 0;
  int lines = (int)commits_below(chance, commits_below(chance, 3) == 0 ? 90 : 15);
  uint32_t delay_us = commits_below(chance, 4) == 0 ? commits_below(chance, 6000) : commits_below(chance, 400);
  message m;
  pid_t pid;
  if (pipe(ends) != 0) die("pipe", errno);
  pid = fork();
  if (pid < 0) die("fork", errno);
  if (pid == 0) {
    close(ends[0]);
    child(ends[1], commits_draw(chance));
  }
  close(ends[1]);
  for (;;) {
    if (lines-- == 0) {
      spin_us(delay_us);
      kill(pid, SIGKILL);
    }
    if (read(ends[0], &m, sizeof m) != sizeof m) break;
    if (m.kind == 'b') {
      begun = 1;
      if (m.n != *at) die("asyncvfs recovers another commit than stock SQLite", m.n);
    } else {
      told = m.n;
      if (m.kind == 'd') promised = m.n;
      if (m.n == MOST_COMMITS) lines = 0;
    }
  }
  close(ends[0]);
  waitpid(pid, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) die("the child has ended by itself", status);
  n = recovered();
  if (n < promised) die("a commit that was promised to be on the disk is gone", promised);
  if (n > told + 1) die("a commit that was never made is there", n);
  total.kills++;
  total.commits += n - *at;
  total.lost += told > n ? told - n : 0;
  total.promised += promised - *at;
  *at = n;
  (void)begun;
}

int main(int argc, char **argv) {
  long kills = argc > 2 ? strtol(argv[2], NULL, 10) : 1000;
  uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL), chance = seed;
  time_t shown = time(NULL);
  int at = 0;
  if (argc < 2) {
    fprintf(stderr, "usage: kills DIRECTORY [KILLS [SEED]]\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  while (total.kills < kills) {
    if (life.kills == 0 || life.kills > KILLS_A_DATABASE || at > MOST_COMMITS - 100) {
      new_database(argv[1], commits_draw(&chance));
      at = 0;
    }
    life.kills++;
    kill_once(&chance, &at);
    if (time(NULL) - shown >= 15) {
      shown = time(NULL);
      fprintf(stderr, "%ld kills ...\n", total.kills);
    }
  }
  printf("%ld kills (seed %llu), %ld with a hot journal: %ld commits recovered, %ld of them promised, "
         "%ld not promised and lost; 0 wrong\n",
         total.kills, (unsigned long long)seed, total.hot, total.commits, total.promised, total.lost);
  return total.hot == 0;   /* then none has hit a batch, which proves little */
}
