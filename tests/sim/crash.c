/* crash.c: see crash.h. */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kept.h"
#include "sqlite3.h"

enum { SEEN = 1 << 14, DEPTH = 3, SWEPT_RATE = 20000 };

sim_history sim_commits[SIM_DATABASES];
const char *const sim_names[SIM_DATABASES] = {"/t/main.db", "/t/b.db", "/t/c.db"};
const char *const sim_schemas[SIM_DATABASES] = {"main", "b", "c"};
const char *const sim_second_name = "/t/second.db";
int sim_databases = 1;
uint32_t sim_groups[SIM_GROUPS][SIM_DATABASES];
uint32_t sim_group_count;
uint64_t sim_lag_bound_ns;
sim_statistics sim_stats;
const sim_stock *sim_stocks[SIM_STOCKS] = {&sim_stock_linked};
uint32_t sim_stock_count = 1;
int (*sim_is_new_image)(uint64_t hash);

typedef sim_contents contents;

static uint32_t cut_rate;
static sim_disk *watched;
static sim_random look;          /* chance for the looking alone */
static sim_disk *failed_image;

/* Images seen in this run, and the content that stock SQLite found in each. */
static struct seen {
  uint64_t image;
  contents content;
} seen[SEEN];
static uint32_t seen_count;

/* Is each group in all its databases or in none, when database d has commit[d]? */
static int groups_are_whole(const uint32_t *commit) {
  uint32_t g;
  int d;
  for (g = 0; g < sim_group_count; g++) {
    int in = 0, out = 0;
    for (d = 0; d < sim_databases; d++) {
      if (sim_groups[g][d] == 0) continue;
      if (commit[d] >= sim_groups[g][d]) in = 1;
      else out = 1;
    }
    if (in && out) return 0;
  }
  return 1;
}

uint32_t sim_promised(const sim_history *h) {
  uint32_t k = h->count - 1;
  if (sim_lag_bound_ns == 0) return h->acked;
  while (k > h->acked && (h->returned_ns[k] == 0 || h->returned_ns[k] + sim_lag_bound_ns >= sim_now_ns)) k--;
  return k;
}

/* The oldest one that asyncvfs may find. */
static uint32_t oldest(const sim_history *h, int killed) {
  uint32_t k = sim_promised(h);
  return killed && h->kept > k ? h->kept : k;
}

/* Tries all commits that database d and those after it may be at. */
static int fits(const contents *c, int d, int killed, uint32_t *commit) {
  const sim_history *h = &sim_commits[d];
  if (d == sim_databases) return groups_are_whole(commit);
  for (commit[d] = oldest(h, killed); commit[d] < h->count + (h->trying != 0); commit[d]++) {
    uint64_t state = commit[d] < h->count ? h->state[commit[d]] : h->trying_state;
    if (state == c->of[d] && fits(c, d + 1, killed, commit)) return 1;
  }
  return 0;
}

/* killed: recovered by asyncvfs. */
static int is_right(const contents *c, int killed) {
  uint32_t commit[SIM_DATABASES];
  return fits(c, 0, killed, commit);
}

/* The cuts in progress, the innermost last: of a disk, or of an image that is being recovered. */
static struct cutting {
  const sim_disk *disk;
  enum sim_cut how_much;
  sim_random look;
  int killed;
} cutting[DEPTH + 1];
static int cuts;

/* What each cut that led to the failed image has lost. */
static void explain_cuts(void) {
  int i;
  if (failed_image == NULL) return;
  sim_disk_explains = 1;
  for (i = 0; i < cuts; i++) {
    sim_disk unused;
    sim_random r = cutting[i].look;
    if (cutting[i].killed) {
      printf("  the process was killed%s\n", i > 0 ? " during recovery" : "");
      continue;
    }
    printf("  the power cut%s%s of what was not flushed:\n", i > 0 ? " during recovery" : "",
           cutting[i].how_much == SIM_CUT_NONE ? " lost all" : cutting[i].how_much == SIM_CUT_ALL
           ? " lost nothing" : " lost some");
    sim_disk_cut(cutting[i].disk, cutting[i].how_much, &r, &unused);
  }
}

static void dump_failed(void) {
  const char *to = getenv("SIM_DUMP");
  explain_cuts();
  if (to != NULL && failed_image != NULL) sim_disk_dump(failed_image, to);
}

static void tell_wrong(const contents *c, const char *who, const char *how) {
  int d;
  for (d = 0; d < sim_databases; d++) {
    const sim_history *h = &sim_commits[d];
    uint32_t k = h->count;
    while (k > 0 && h->state[k - 1] != c->of[d]) k--;
    if (k > 0) {
      printf("%s finds %s after commit %u (acknowledged: %u, by max_lag_ms: %u, kept: %u, committed: %u)\n", who,
             sim_names[d], k - 1, h->acked, sim_promised(h), h->kept, h->count - 1);
    } else if (h->trying && h->trying_state == c->of[d]) {
      printf("%s finds %s after commit %u, which is being made\n", who, sim_names[d], h->count);
    } else {
      printf("%s finds %s with content %016llx, which is no state of it (acknowledged: %u, "
             "committed: %u)\n", who, sim_names[d], (unsigned long long)c->of[d], h->acked,
             h->count - 1);
    }
  }
  sim_fail("%s: not a prefix of the commits, or a group is torn", how);
}

static uint32_t slot_of(uint64_t image) {
  uint32_t i = (uint32_t)(image >> 40) % SEEN;
  while (seen[i].image != 0 && seen[i].image != image) i = (i + 1) % SEEN;
  return i;
}

static int depth;
static int heir_depth = -1;      /* of the image that this process recovers; -1: it is the run */
static uint32_t heirs_left;      /* of it */
static uint32_t kept_cuts, kept_kills;
static void recovery_stepped(sim_disk *d);

/* The journal beside this name is more than a header of zeros. */
static int is_hot(const sim_disk *d, const char *name) {
  char journal[SIM_NAME];
  uint32_t i;
  snprintf(journal, sizeof journal, "%s-journal", name);
  for (i = 0; i < d->live.count; i++) {
    const sim_file *f = d->live.entries[i].file;
    if (strcmp(d->live.entries[i].name, journal) == 0) return f->live.size > 0 && f->live.data[0] != 0;
  }
  return 0;
}

/* A database that has a second name is rolled back by the name that has the journal.
 * Opens the databases of `image`, from number `first` on, and says what they have. */
static contents judge(sim_disk *image, const sim_stock *stock, const char *vfs, int first,
                      const char *how) {
  sim_disk *before = sim_current_disk;
  contents c = {{0}};
  int i;
  sim_current_disk = image;
  if (is_hot(image, sim_second_name)) {
    const char *wrong = stock->judge(sim_second_name, vfs, &c.of[0]);
    failed_image = image;
    if (wrong != NULL) sim_fail("%s: SQLite %s, by the second name: %s", how, stock->version, wrong);
  }
  for (i = 0; i < sim_databases; i++) {
    int d = (first + i) % sim_databases;
    const char *wrong = stock->judge(sim_names[d], vfs, &c.of[d]);
    failed_image = image;
    if (wrong != NULL) sim_fail("%s: SQLite %s: %s", how, stock->version, wrong);
    failed_image = NULL;
  }
  sim_current_disk = before;
  return c;
}

/* The bytes of all journals that are more than a header of zeros. */
static uint64_t hot_bytes(const sim_disk *d) {
  uint64_t bytes = 0;
  uint32_t i;
  for (i = 0; i < d->live.count; i++) {
    const sim_file *f = d->live.entries[i].file;
    if (strstr(f->name, "-journal") != NULL && f->live.size > 0 && f->live.data[0] != 0) bytes += f->live.size;
  }
  return bytes;
}

/* Has some SQLite judge an image that this run has not seen yet. */
static contents judge_new(sim_disk *image, uint64_t hash, const char *how) {
  int hot = hot_bytes(image) > 0, new = sim_is_new_image == NULL || sim_is_new_image(hash);
  uint32_t k = sim_below(&look, sim_stock_count);
  int first = sim_databases == 1 ? 0 : (int)sim_below(&look, (uint32_t)sim_databases);
  contents c;
  if (new) {
    sim_stats.images++;
    sim_stats.by_stock[k]++;
    sim_stats.recovery_images += depth > 0;
    sim_stats.hot += (uint64_t)hot;
  }
  depth++;
  if (hot && depth < DEPTH && sim_chance(&look, 250000)) {
    sim_disk_cuttable(image);
    image->stepped = recovery_stepped;
  }
  c = judge(image, sim_stocks[k], "win32", first, how);
  depth--;
  return c;
}

static void judge_image(sim_disk *image, uint64_t hash, const char *how) {
  uint32_t i = slot_of(hash);
  if (seen[i].image == 0) {
    contents content;
    if (seen_count >= SEEN * 3 / 4) {
      memset(seen, 0, sizeof seen);
      seen_count = 0;
    }
    content = judge_new(image, hash, how);
    i = slot_of(hash);   /* deeper cuts added some */
    seen_count += seen[i].image == 0;
    seen[i].image = hash;
    seen[i].content = content;
  }
  failed_image = image;
  if (!is_right(&seen[i].content, 0)) tell_wrong(&seen[i].content, "stock SQLite", how);
  failed_image = NULL;
}

/* The ring of some database is there. */
static int has_ring(const sim_disk *d) {
  uint32_t i;
  for (i = 0; i < d->live.count; i++) {
    if (strstr(d->live.entries[i].name, "-avfsredo") != NULL) return 1;
  }
  return 0;
}

/* 1: it is kept for an heir. The more there are the fewer are added. */
static int is_to_be_kept(sim_disk *image, int killed) {
  uint32_t *count = killed ? &kept_kills : &kept_cuts;
  uint32_t rate = killed ? 300000 : has_ring(image) ? 40000 : hot_bytes(image) > 0 ? 30000 : 2000;
  if (depth > 0) return 0;
  /* By two names: a journal beside either, which the programs respect and an heir would not. */
  if (sim_disk_find(image, sim_second_name) != NULL) return 0;
  if (heir_depth >= 0 && heirs_left == 0) return 0;
  if (heir_depth >= 0) rate = 400000;
  if (!sim_chance(&look, rate) || *count >= (cut_rate <= SWEPT_RATE ? 2u : killed ? 40u : 12u)) return 0;
  heirs_left -= heir_depth >= 0;
  ++*count;
  return 1;
}

/* Returns the image's hash. */
static uint64_t cut(sim_disk *d, enum sim_cut how_much, const char *how) {
  sim_disk image;
  uint64_t hash;
  sim_stats.cuts++;
  cutting[cuts++] = (struct cutting){d, how_much, look, 0};
  sim_disk_cut(d, how_much, &look, &image);
  hash = sim_disk_hash(&image) | 1;
  if (is_to_be_kept(&image, 0)) {
    sim_disk kept;
    sim_disk_copy(&image, &kept);
    sim_disk_cuttable(&kept);
    sim_keep(&kept, 0, heir_depth + 1, sim_hash(hash, "cut", 3) | 1);
    sim_disk_free(&kept);
  }
  judge_image(&image, hash, how);
  cuts--;
  sim_disk_free(&image);
  return hash;
}

static void kill_process(sim_disk *d, const char *how) {
  sim_disk left, image;
  uint64_t hash;
  sim_stats.kills++;
  cutting[cuts++] = (struct cutting){d, SIM_CUT_ALL, look, 1};
  sim_disk_kill(d, &look, &left);
  sim_disk_copy(&left, &image);
  hash = sim_disk_hash(&image) | 1;
  if (is_to_be_kept(&image, 1)) sim_keep(&left, 1, heir_depth + 1, sim_hash(hash, "kill", 4) | 1);
  sim_disk_free(&left);
  judge_image(&image, hash, how);
  cuts--;
  sim_disk_free(&image);
}

/* Without all that is pending. As long as nothing is flushed it is the same image, which
 * the commits acknowledged meanwhile may make too old. */
static void cut_none(sim_disk *d) {
  static uint64_t last, last_flushes;
  static const char how[] = "power cut, nothing pending persists";
  const struct seen *s = &seen[slot_of(last)];
  if (last == 0 || d->flushes != last_flushes || s->image == 0) {
    last_flushes = d->flushes;
    last = cut(d, SIM_CUT_NONE, how);
  } else if (!is_right(&s->content, 0)) {
    tell_wrong(&s->content, "stock SQLite", how);
  }
}

/* A long recovery has many steps, each of which copies much: it is cut as often as a
 * shorter one. */
static void recovery_stepped(sim_disk *d) {
  void (*again)(sim_disk *) = d->stepped;
  uint64_t bytes = hot_bytes(d), usual = 65536;
  if (!sim_chance(&look, bytes > usual ? (uint32_t)(150000 * usual / bytes) : 150000)) return;
  d->stepped = NULL;
  (void)cut(d, SIM_CUT_SOME, "power cut during recovery");
  if (sim_chance(&look, 300000)) (void)cut(d, SIM_CUT_NONE, "power cut during recovery, none");
  d->stepped = again;
}

static void cut_all_kinds(sim_disk *d) {
  uint32_t n = sim_below(&look, 4);
  sim_frozen++;
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SAVE);
  cut_none(d);
  if (sim_disk_is_settled(d)) n = 0;
  else (void)cut(d, SIM_CUT_ALL, "power cut, all that is pending persists");
  while (n-- > 0) (void)cut(d, SIM_CUT_SOME, "power cut, some of what is pending persists");
  if (sim_chance(&look, 250000)) kill_process(d, "kill");
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_RESTORE);
  sim_frozen--;
}

uint64_t sim_cut_only;

/* Each step has its own chance, so that a cut is the same whatever was cut before. */
static void begin_step(void) {
  sim_stats.steps++;
  look.state = sim_hash(sim_seed ^ 0x5851f42d4c957f2du, &sim_stats.steps, sizeof sim_stats.steps);
}

static void stepped(sim_disk *d) {
  int chosen;
  begin_step();
  chosen = sim_chance(&look, cut_rate);
  if (sim_cut_only != 0) chosen = sim_stats.steps == sim_cut_only;
  if (sim_frozen == 0 && chosen) cut_all_kinds(d);
}

void sim_crash_watch(sim_disk *d, uint32_t rate) {
  if (sim_on_fail == NULL) sim_on_fail = dump_failed;
  cut_rate = rate;
  watched = d;
  d->stepped = stepped;
}

void sim_crash_now(sim_disk *d) {
  begin_step();
  if (sim_cut_only == 0 || sim_stats.steps == sim_cut_only) cut_all_kinds(d);
}

void sim_crash_moment(void) {
  if (sim_frozen > 0 || watched == NULL || watched->stepped != stepped || !has_ring(watched)) return;
  begin_step();
  if (sim_cut_only != 0 ? sim_stats.steps != sim_cut_only : !sim_chance(&look, cut_rate / 16)) return;
  sim_frozen++;
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SAVE);
  kill_process(watched, "kill between two steps");
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_RESTORE);
  sim_frozen--;
}

void sim_crash_ring_failed(const char *name) {
  int d;
  for (d = 0; d < sim_databases; d++) {
    size_t n = strlen(sim_names[d]);
    if (strncmp(name, sim_names[d], n) != 0 || name[n] != '-') continue;
    sim_commits[d].kept = sim_commits[d].acked;
    if (sim_commits[d].trying) sim_commits[d].trying = SIM_RING_FAILED;
  }
}

/* ---- an heir ----------------------------------------------------------------------------- */

static uint64_t heir_hash, heir_steps;

/* The steps of an heir are no steps of the run. */
static void heir_stepped(sim_disk *d) {
  uint64_t step[2] = {heir_hash, ++heir_steps};
  if (sim_frozen > 0) return;
  look.state = sim_hash(sim_seed, step, sizeof step);
  if (!sim_chance(&look, 40000)) return;
  sim_frozen++;
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SAVE);
  if (sim_chance(&look, 600000)) kill_process(d, "kill during recovery");
  else (void)cut(d, sim_chance(&look, 800000) ? SIM_CUT_SOME : SIM_CUT_NONE, "power cut during recovery");
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_RESTORE);
  sim_frozen--;
}

void sim_crash_watch_recovery(sim_disk *d, int of_depth, uint64_t hash) {
  if (sim_on_fail == NULL) sim_on_fail = dump_failed;
  heir_depth = of_depth;
  heirs_left = of_depth == 0 ? 2 : of_depth == 1 ? 1 : 0;
  heir_hash = hash;
  sim_lag_bound_ns = 0;
  d->stepped = heir_stepped;
}

sim_contents sim_crash_by_stock(const sim_disk *d, const char *how) {
  sim_disk image;
  contents c;
  sim_frozen++;
  sim_disk_kill(d, &look, &image);
  c = judge(&image, &sim_stock_linked, "win32", 0, how);
  if (!is_right(&c, 0)) tell_wrong(&c, "stock SQLite", how);
  sim_disk_free(&image);
  sim_frozen--;
  return c;
}

void sim_crash_check(const sim_contents *c, int killed, const char *who, const char *how) {
  if (!is_right(c, killed)) tell_wrong(c, who, how);
}
