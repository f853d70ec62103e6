/* committers.c: see committers.h. */
#include "programs/committers.h"

#include <stdio.h>

#include "crash.h"
#include "sqlite3.h"

enum { MOST = 5 };

typedef struct committer {
  sqlite3 *db;
  int number, disk, os;
  uint32_t commits;        /* it is to make */
  uint32_t seen;           /* the newest state that it has made or read */
} committer;

static committer committers[MOST];
static int running;
static unsigned max_lag_ms;
static sqlite3 *shadow;

static uint32_t below(uint32_t n) { return sim_below(&sim_fate, n); }

static int never(void *arg) {
  (void)arg;
  return 0;
}

static void pause_ms(uint32_t ms) { (void)sim_wait(never, NULL, sim_now_ns + ms * 1000000ull, "a while"); }

static int exec(committer *c, const char *sql) {
  int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
  sim_alive();
  sim_note("SQL    %d: %s -> %d", c->number, sql, rc);
  if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
    sim_fail("committer %d: %s: error %d: %s", c->number, sql, sqlite3_extended_errcode(c->db),
             sqlite3_errmsg(c->db));
  }
  if (rc == SQLITE_BUSY) sim_stats.busy++;
  return rc;
}

static void exec_until_done(committer *c, const char *sql) {
  int tries = 0;
  while (exec(c, sql) != SQLITE_OK) {
    if (++tries == 500) sim_hang("a committer never gets the lock");
    pause_ms(1 + below(20));
  }
}

static void shadow_exec(const char *sql) {
  if (sqlite3_exec(shadow, sql, NULL, NULL, NULL) != SQLITE_OK) sim_fail("shadow: %s: %s", sql, sqlite3_errmsg(shadow));
}

static void open_database(committer *c, int page_size) {
  static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"};
  char sql[300];
  if (sqlite3_open_v2(sim_names[0], &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "asyncvfs") != SQLITE_OK) {
    sim_fail("committer %d cannot open: %s", c->number, sqlite3_errmsg(c->db));
  }
  sqlite3_busy_timeout(c->db, below(2) ? 200 : 0);
  snprintf(sql, sizeof sql, "PRAGMA page_size=%d; PRAGMA temp_store=MEMORY; PRAGMA journal_mode=%s; "
           "PRAGMA asyncvfs_max_lag_ms=%u; PRAGMA asyncvfs_durability=%s; PRAGMA mmap_size=%d",
           page_size, modes[below(5)], max_lag_ms, c->disk ? "disk" : c->os ? "os" : "memory", below(2) ? 1 << 26 : 0);
  exec_until_done(c, sql);
}

/* The state after the transaction in hand, which nobody can come before. */
static uint32_t append_state(const char *sql) {
  sim_history *h = &sim_commits[0];
  shadow_exec(sql);
  if (h->count == SIM_STATES || sim_content(shadow, "main", &h->state[h->count]) != SQLITE_OK) {
    sim_fail("the shadow cannot be read");
  }
  h->returned_ns[h->count] = 0;
  return h->count++;
}

static void commit_one(committer *c) {
  sim_history *h = &sim_commits[0];
  char sql[120];
  uint32_t mine;
  snprintf(sql, sizeof sql, "INSERT INTO log(who, what) VALUES(%d, '%llx')", c->number,
           (unsigned long long)sim_draw(&sim_fate));
  exec_until_done(c, "BEGIN IMMEDIATE");
  exec_until_done(c, sql);
  mine = append_state(sql);
  exec_until_done(c, "COMMIT");
  h->returned_ns[mine] = sim_now_ns;
  if (mine > h->newest_async) h->newest_async = mine;
  if (mine > c->seen) c->seen = mine;
  sim_stats.commits++;
  if ((c->disk || c->os) && mine > h->kept) h->kept = mine;
  if (c->disk && mine > h->acked) {
    h->acked = mine;
    sim_note("ACK    state %u is durable", mine);
  }
}

static void read_one(committer *c) {
  const sim_history *h = &sim_commits[0];
  uint64_t content;
  uint32_t k = c->seen;
  int rc = sim_content(c->db, "main", &content);
  if (rc == SQLITE_BUSY) return;
  if (rc != SQLITE_OK) sim_fail("committer %d cannot read: %s", c->number, sqlite3_errmsg(c->db));
  while (k < h->count && h->state[k] != content) k++;
  if (k == h->count) sim_fail("committer %d reads what is no state since %u", c->number, c->seen);
  c->seen = k;
  sim_stats.reads++;
}

static void run_committer(void *arg) {
  committer *c = arg;
  open_database(c, 0);
  while (c->commits-- > 0) {
    if (below(3) == 0) read_one(c);
    commit_one(c);
    if (below(4) == 0) pause_ms(below(40));
  }
  if (sqlite3_close(c->db) != SQLITE_OK) sim_fail("committer %d cannot close", c->number);
  running--;
}

static int all_ended(void *arg) {
  (void)arg;
  return running == 0;
}

void sim_committers_run(unsigned lag_ms, int page_size) {
  static const char *const names[MOST] = {"committer 0", "committer 1", "committer 2", "committer 3", "committer 4"};
  static const char create[] = "CREATE TABLE log(id INTEGER PRIMARY KEY, who INT, what TEXT)";
  committer first = {.number = -1};
  int i, n = 2 + (int)below(MOST - 1);
  max_lag_ms = lag_ms;
  sqlite3_open_v2(":memory:", &shadow, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, "win32");
  open_database(&first, page_size);
  (void)append_state(create);
  exec_until_done(&first, create);
  sqlite3_close(first.db);
  sim_commits[0].acked = sim_commits[0].kept = sim_commits[0].newest_async = 1;
  running = n;
  for (i = 0; i < n; i++) {
    uint32_t durability = below(100);
    committers[i] = (committer){.number = i, .disk = durability < 50, .os = durability >= 65, .commits = 3 + below(20), .seen = 1};
    sim_thread(names[i], run_committer, &committers[i]);
  }
  (void)sim_wait(all_ended, NULL, SIM_NEVER, "the committers");
  sim_commits[0].acked = sim_commits[0].kept = sim_commits[0].count - 1;   /* the last one closed */
  sqlite3_close(shadow);
}
