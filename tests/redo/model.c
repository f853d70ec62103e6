/* model.c: see model.h. */
#include "redo/model.h"

#include <stdlib.h>
#include <string.h>

#include "seam/heap.h"
#include "seam/sqlite_api.h"

/* ---- chance -------------------------------------------------------------------- */

uint64_t model_draw(uint64_t *chance) {
  uint64_t z = *chance += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint32_t model_below(uint64_t *chance, uint32_t n) { return (uint32_t)(model_draw(chance) >> 33) % n; }

static void *must(void *p) {
  if (p == NULL) abort();
  return p;
}

/* ---- history --------------------------------------------------------------------- */

static unsigned char *page_of(const model *m, const model_state *s, uint32_t pgno) {
  return s->content + (size_t)(pgno - 1) * m->unit;
}

static void change(model *m, model_state *s, uint32_t pgno) {
  avfs_page *p = avfs_page_table_find(&s->changed, pgno);
  if (p != NULL) return;
  p = must(malloc(sizeof *p + m->unit));
  p->pgno = pgno;
  avfs_page_table_add(&s->changed, p);
}

/* A value that no state had there before. */
static void scribble(model *m, model_state *s, uint32_t pgno, uint64_t *chance) {
  uint32_t n = 1 + model_below(chance, 3), first = pgno == 1 ? 13 : 0;
  change(m, s, pgno);
  while (n-- > 0) {
    uint64_t v = model_draw(chance);
    memcpy(page_of(m, s, pgno) + 8 * (first + model_below(chance, m->unit / 8 - first)), &v, 8);
  }
}

static void put4(unsigned char *p, uint32_t v) {
  p[0] = (unsigned char)(v >> 24);
  p[1] = (unsigned char)(v >> 16);
  p[2] = (unsigned char)(v >> 8);
  p[3] = (unsigned char)v;
}

static void set_header(model *m, model_state *s, uint32_t counter) {
  unsigned char *h = s->content;
  memcpy(h, "SQLite format 3", 16);
  put4(h + 24, counter);
  put4(h + 28, s->pages);
  (void)m;
}

static void set_length(model *m, model_state *s, uint32_t pages) {
  if (pages < s->pages) memset(page_of(m, s, pages + 1), 0, (size_t)(s->pages - pages) * m->unit);
  s->pages = pages;
}

/* longest: the file has been so long. What is added within that is written, by zeros at least. */
static void make_state(model *m, uint32_t i, uint32_t *longest, uint64_t *chance) {
  model_state *s = &m->states[i], *before = &m->states[i - 1];
  uint32_t what = model_below(chance, 10), n = 1 + model_below(chance, 3), old, pgno;
  avfs_page *p;
  memcpy(s->content, before->content, (size_t)MODEL_PAGES * m->unit);
  s->pages = old = before->pages;
  if (what < 2 && old > 4) set_length(m, s, old - n);
  else if (what < 5 && old + n <= MODEL_PAGES) set_length(m, s, old + n);
  for (pgno = old + 1; pgno <= s->pages; pgno++) {
    if (pgno <= *longest) change(m, s, pgno);
    if (model_below(chance, 3) > 0) scribble(m, s, pgno, chance);
  }
  if (s->pages > *longest) *longest = s->pages;
  for (; n > 0; n--) scribble(m, s, 2 + model_below(chance, s->pages - 1), chance);
  scribble(m, s, 2, chance);
  if (!m->exclusive || s->pages != old || model_below(chance, 4) == 0) change(m, s, 1);
  if (avfs_page_table_find(&s->changed, 1) != NULL) {
    set_header(m, s, m->exclusive ? 7 : 7 + i);
    if (model_below(chance, 2) == 0) scribble(m, s, 1, chance);
  }
  avfs_page_pool none = {NULL, NULL, 0, m->unit};
  avfs_page_table_set_size(&s->changed, (uint64_t)s->pages * m->unit, &none);
  for (p = s->changed.first; p != NULL; p = p->next) memcpy(p->data, page_of(m, s, p->pgno), m->unit);
}

void model_make(model *m, uint64_t seed) {
  static const uint32_t units[] = {512, 512, 1024, 1024, 4096, 8192};
  uint64_t chance = seed;
  uint32_t i, longest;
  memset(m, 0, sizeof *m);
  m->seed = seed;
  m->unit = units[model_below(&chance, 6)];
  m->exclusive = (int)model_below(&chance, 2);
  for (i = 0; i < MODEL_STATES; i++) {
    m->states[i].content = must(calloc(MODEL_PAGES, m->unit));
    if (avfs_page_table_init(&m->states[i].changed) != SQLITE_OK) abort();
  }
  m->states[0].pages = longest = 3 + model_below(&chance, 6);
  for (i = 1; i <= longest; i++) scribble(m, &m->states[0], i, &chance);
  set_header(m, &m->states[0], 7);
  for (i = 1; i < MODEL_STATES; i++) make_state(m, i, &longest, &chance);
}

void model_free(model *m) {
  int i;
  for (i = 0; i < MODEL_STATES; i++) {
    avfs_page *p = m->states[i].changed.first, *next;
    for (; p != NULL; p = next) {
      next = p->next;
      free(p);
    }
    avfs_free(m->states[i].changed.buckets);
    free(m->states[i].content);
  }
}

/* Three quarters of the pages are at hand. */
static const unsigned char *before(void *arg, uint32_t pgno) {
  avfs_redo_commit *c = arg;
  model *m = c->arg;
  uint32_t i = 0;
  while (m->states[i].changed.first != c->pages->first) i++;
  if (pgno > m->states[i - 1].pages) m->asked_behind_end = 1;
  return (pgno * 7 + i) % 4 == 0 ? NULL : page_of(m, &m->states[i - 1], pgno);
}

/* The callback's argument names the commit: one at a time. */
avfs_redo_commit model_commit(model *m, uint32_t to, uint64_t seq) {
  static avfs_redo_commit inner;
  avfs_redo_commit c;
  memset(&c, 0, sizeof c);
  c.seq = seq;
  c.pages = &m->states[to].changed;
  c.bytes_before = (uint64_t)m->states[to - 1].pages * m->unit;
  c.page_bytes = m->unit;
  c.header = m->states[to].content;
  c.before = before;
  inner = c;
  inner.arg = m;
  c.arg = &inner;
  return c;
}

const unsigned char *model_header(const model *m, uint32_t state) { return m->states[state].content; }

/* ---- the seam ------------------------------------------------------------------------ */

struct model_file model_file;

static int map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out) {
  avfs_mapping *m;
  (void)path;
  *m_out = NULL;
  if (how == AVFS_MAP_READ && model_file.size == 0) return SQLITE_CANTOPEN;
  m = avfs_alloc_zero(sizeof *m);
  if (m == NULL) return SQLITE_NOMEM;
  if (how == AVFS_MAP_WRITE && model_file.size < bytes) {
    if (model_file.size == 0) memset(model_file.bytes, 0, (size_t)bytes);
    else memset(model_file.bytes + model_file.size, 0, (size_t)(bytes - model_file.size));
    model_file.size = bytes;
  }
  m->at = model_file.bytes;
  m->bytes = model_file.size;
  m->failed = model_file.failed;
  *m_out = m;
  return SQLITE_OK;
}

static int unmap_file(avfs_mapping *m, int remove) {
  if (remove) model_file.size = 0;
  avfs_free(m);
  return SQLITE_OK;
}

static int rename_file(avfs_mapping *m, const char *path) {
  (void)path;
  model_file.size = 0;
  model_file.aside++;
  avfs_free(m);
  return SQLITE_OK;
}

static uint64_t boot(void) { return model_file.boot; }

const avfs_io model_io = {
    .map_file = map_file,
    .unmap_file = unmap_file,
    .rename_file = rename_file,
    .boot = boot,
};

const avfs_io *model_seam = &model_io;
const char *model_path = "ring";

/* ---- the disk ---------------------------------------------------------------------------- */

void model_disk_init(model_disk *d, const model *m) {
  memset(d, 0, sizeof *d);
  d->m = m;
  d->identity.volume = 5;
  d->identity.index_low = m->seed | 1;
  d->content = must(malloc((size_t)MODEL_PAGES * m->unit));
  memset(d->content, 0, (size_t)MODEL_PAGES * m->unit);
  model_disk_set(d, 0);
}

void model_disk_free(model_disk *d) { free(d->content); }

void model_disk_set(model_disk *d, uint32_t state) {
  const model_state *s = &d->m->states[state];
  memcpy(d->content, s->content, (size_t)s->pages * d->m->unit);
  d->state = state;
}

static int read_page(void *arg, uint32_t pgno, uint32_t page_bytes, unsigned char *to) {
  model_disk *d = arg;
  uint64_t at = (uint64_t)(pgno - 1) * page_bytes, end = (uint64_t)MODEL_PAGES * d->m->unit;
  if (++d->reads == d->fail_read) return SQLITE_IOERR_READ;
  memset(to, 0, page_bytes);
  if (at < end) memcpy(to, d->content + at, (size_t)(end - at < page_bytes ? end - at : page_bytes));
  return SQLITE_OK;
}

avfs_redo_database model_database(model_disk *d) {
  avfs_redo_database db = {&d->identity, d->content, read_page, d};
  return db;
}

/* ---- recovery ------------------------------------------------------------------------------ */

typedef struct result {
  unsigned char *content;
  uint32_t unit, last;
  int wrong;
} result;

static int take(void *arg, uint32_t pgno, const unsigned char *page) {
  result *r = arg;
  if (pgno <= r->last || pgno > MODEL_PAGES) r->wrong = 1;
  else memcpy(r->content + (size_t)(pgno - 1) * r->unit, page, r->unit);
  r->last = pgno;
  return SQLITE_OK;
}

int model_recover(model_disk *d, uint64_t *chance, avfs_redo **r_out, uint64_t *seq_out, avfs_redo_report *report_out,
                  const char **why_out) {
  const model *m = d->m;
  avfs_redo_database db = model_database(d);
  uint64_t seq = *seq_out = 1 + model_below(chance, 1000), n;
  result got = {must(malloc((size_t)MODEL_PAGES * m->unit)), m->unit, 0, 0};
  avfs_redo_report looked;
  int rc, state = -1;
  memcpy(got.content, d->content, (size_t)MODEL_PAGES * m->unit);
  *r_out = NULL;
  *why_out = NULL;
  memset(report_out, 0, sizeof *report_out);
  rc = avfs_redo_open(model_seam, model_path, AVFS_MAP_WRITE, MODEL_RING, r_out);
  if (rc == SQLITE_OK) rc = avfs_redo_look(*r_out, &db, &looked);
  if (rc == SQLITE_OK) rc = avfs_redo_replay(*r_out, &db, seq, model_draw(chance), take, &got, report_out);
  n = report_out->verdict == AVFS_REDO_PENDING ? d->state + report_out->replayed : d->state;
  if (rc != SQLITE_OK) *why_out = "a call fails";
  else if (looked.verdict != report_out->verdict && looked.verdict != AVFS_REDO_PENDING) *why_out = "look and replay differ";
  else if (got.wrong) *why_out = "a page out of order, or behind the end";
  else if (n >= MODEL_STATES) *why_out = "more commits than there were";
  else if (got.last > 0 && report_out->verdict != AVFS_REDO_PENDING) *why_out = "pages of what is not to be replayed";
  else if (report_out->verdict == AVFS_REDO_PENDING && report_out->replayed > 0 &&
           report_out->file_bytes != (uint64_t)m->states[n].pages * m->unit) *why_out = "another length";
  else if (memcmp(got.content, m->states[n].content, (size_t)m->states[n].pages * m->unit) != 0) *why_out = "another content";
  else state = (int)n;
  free(got.content);
  if (rc == SQLITE_OK && !avfs_redo_serves(*r_out)) {
    if (report_out->verdict == AVFS_REDO_REFUSED) {
      (void)avfs_redo_set_aside(*r_out, "aside");
      *r_out = NULL;
      rc = avfs_redo_open(model_seam, model_path, AVFS_MAP_WRITE, MODEL_RING, r_out);
    }
    if (rc == SQLITE_OK) avfs_redo_begin(*r_out, &db, seq, model_draw(chance));
  }
  return state;
}

/* ---- a life ------------------------------------------------------------------------------------ */

enum { SNAPSHOTS = 6 };

typedef struct life {
  model m;
  model_disk disk;
  uint64_t chance;
  avfs_redo *r;
  uint64_t shift;               /* a state's number and the store's of its commit */
  uint32_t state;               /* newest */
  uint32_t promised;            /* COMMIT has returned, and said that it survives a kill */
  uint32_t durable, batch;      /* the batch in flight; durable: there is none */
  int batch_done;               /* it is on the disk, and nobody has been told */
  int gap;                      /* commits that are not in the ring, since what the disk has */
  uint64_t waits[MODEL_STATES]; /* append's answers, by state */
  unsigned char *before, *older[SNAPSHOTS];
} life;

static void keep_snapshot(life *l) {
  if (model_below(&l->chance, 3) != 0) return;
  memcpy(l->older[model_below(&l->chance, SNAPSHOTS)], model_file.bytes, MODEL_RING);
}

static uint64_t number_of(const life *l, uint32_t state) { return state + l->shift; }

static void commit(life *l) {
  uint32_t to = l->state + 1;
  avfs_redo_commit c = model_commit(&l->m, to, number_of(l, to));
  l->state = to;
  if (model_below(&l->chance, 60) == 0) {   /* a large one, written through */
    l->waits[to] = c.seq;
    l->gap = 1;
    model_totals.gaps++;
    return;
  }
  l->waits[to] = avfs_redo_append(l->r, &c);
  if (l->waits[to] == 0) l->promised = to;
  if (l->waits[to] == c.seq) {
    l->gap = 1;
    model_totals.full++;
  }
}

static void become_durable(life *l) {
  uint32_t i;
  avfs_redo_durable(l->r, number_of(l, l->batch));
  l->durable = l->batch;
  l->batch_done = 0;
  for (i = l->promised; i <= l->state; i++) {
    if (i <= l->durable || l->waits[i] <= number_of(l, l->durable)) l->promised = i;
    else break;
  }
  if (l->durable == l->state || l->waits[l->state] <= number_of(l, l->durable)) l->gap = 0;
}

/* What is next, and which step was it: 1 a commit. */
static int step(life *l) {
  if (l->batch != l->durable && model_below(&l->chance, 3) == 0) {
    if (!l->batch_done) {
      model_disk_set(&l->disk, l->batch);
      l->batch_done = 1;
    } else {
      become_durable(l);
    }
    return 0;
  }
  if (l->batch == l->durable && l->state > l->durable && model_below(&l->chance, 5) == 0) {
    l->batch = l->state;
    avfs_redo_freeze(l->r, number_of(l, l->batch), model_header(&l->m, l->batch));
    return 0;
  }
  if (l->state + 1 == MODEL_STATES) return 0;
  commit(l);
  return 1;
}

/* The process was killed in the middle of what it stored last: some words are there. */
static void tear(life *l) {
  uint32_t rate = model_below(&l->chance, 5), i;
  for (i = 0; i < MODEL_RING; i += 8) {
    if (memcmp(model_file.bytes + i, l->before + i, 8) == 0) continue;
    if (model_below(&l->chance, 4) >= rate) memcpy(model_file.bytes + i, l->before + i, 8);
  }
}

/* Pages of any age, some torn. */
static void cut_power(life *l) {
  uint32_t page, sector, base = model_below(&l->chance, 3), i;
  model_totals.cuts++;
  model_file.boot++;
  for (page = 0; page < MODEL_RING; page += 4096) {
    const unsigned char *from = l->older[model_below(&l->chance, SNAPSHOTS)];
    int torn = model_below(&l->chance, 8) == 0;
    if (model_below(&l->chance, 3) < base) continue;
    for (sector = page; sector < page + 4096; sector += 512) {
      if (!torn || model_below(&l->chance, 2)) memcpy(model_file.bytes + sector, from + sector, 512);
    }
  }
  for (i = 0; i < SNAPSHOTS; i++) memcpy(l->older[i], model_file.bytes, MODEL_RING);
  /* The void journal may not be on the medium. */
  if (l->batch_done && model_below(&l->chance, 2)) {
    memset(l->disk.content, 0, (size_t)MODEL_PAGES * l->m.unit);   /* a rollback cuts the file, too */
    model_disk_set(&l->disk, l->durable);
    l->batch_done = 0;
  }
}

/* Another program has written n commits: to pages of its choice, and the counter counts. */
static void let_a_stranger_write(life *l) {
  unsigned char *h = l->disk.content;
  uint32_t n = model_below(&l->chance, 2) && l->batch > l->durable ? l->batch - l->durable : 1 + model_below(&l->chance, 3);
  uint32_t counter = (uint32_t)h[24] << 24 | (uint32_t)h[25] << 16 | (uint32_t)h[26] << 8 | h[27];
  uint64_t v = model_draw(&l->chance);
  put4(h + 24, counter + n);
  memcpy(l->disk.content + (size_t)l->m.unit + 8 * model_below(&l->chance, l->m.unit / 8), &v, 8);
}

static const char *after_foreign(life *l) {
  avfs_redo_database db = model_database(&l->disk);
  avfs_redo_report report;
  result got = {must(malloc((size_t)MODEL_PAGES * l->m.unit)), l->m.unit, 0, 0};
  int rc = avfs_redo_open(&model_io, "ring", AVFS_MAP_WRITE, MODEL_RING, &l->r);
  if (rc == SQLITE_OK) rc = avfs_redo_replay(l->r, &db, 1, 1, take, &got, &report);
  free(got.content);
  if (rc != SQLITE_OK) return "a call fails after a stranger";
  model_totals.refused += report.verdict == AVFS_REDO_REFUSED;
  if (got.last > 0 || report.verdict == AVFS_REDO_PENDING) return "what a stranger wrote is overwritten";
  if (report.verdict == AVFS_REDO_NOTHING && report.commits > 0 && !l->gap) return "commits are dropped without a word";
  return NULL;
}

static const char *recover(life *l, int flying, int power) {
  uint32_t least = power ? l->disk.state : l->promised, most = l->state + (uint32_t)flying;
  avfs_redo_report report;
  const char *why;
  uint64_t seq;
  int now;
  if (least < l->disk.state) least = l->disk.state;
  now = model_recover(&l->disk, &l->chance, &l->r, &seq, &report, &why);
  if (now < 0) return why;
  if (report.verdict == AVFS_REDO_REFUSED) {
    model_totals.refused++;
    if (power || (l->gap && l->m.exclusive)) least = l->disk.state;
    else return report.reason;
  }
  if ((uint32_t)now < least) return "a commit that had returned is gone";
  if ((uint32_t)now > most) return "a commit that was never made is there";
  model_totals.replays += report.replayed > 0;
  model_totals.commits += report.replayed;
  l->state = l->promised = (uint32_t)now;
  l->durable = l->batch = l->disk.state;
  l->batch_done = l->gap = 0;
  l->shift = seq - (uint64_t)now;
  return l->m.asked_behind_end ? "before() is asked for what is behind the end" : NULL;
}

static const char *kill(life *l, int committed) {
  uint32_t what = model_below(&l->chance, 12), flying = 0;
  model_totals.kills++;
  if (l->state > l->durable && l->promised == l->disk.state) model_totals.deep++;
  if (what < 8) tear(l);
  if (what < 8 && committed) {   /* its COMMIT has not returned */
    if (l->promised == l->state) l->promised--;
    l->state--;
    flying = 1;
  }
  avfs_redo_close(l->r, 0);
  l->r = NULL;
  if (what == 8) let_a_stranger_write(l);
  if (what == 9) l->disk.identity.index_low += 2;
  if (what == 8 || what == 9) return after_foreign(l);
  if (what == 10) cut_power(l);
  return recover(l, (int)flying, what == 10);
}

struct model_totals model_totals;

static int is_strange(const life *l) {
  return memcmp(l->disk.content, model_header(&l->m, l->disk.state), 100) != 0;
}

static const char *live(life *l) {
  const char *wrong = recover(l, 0, 0);
  uint32_t steps = 30 + model_below(&l->chance, 200);
  while (wrong == NULL && steps-- > 0 && model_file.size > 0) {
    int committed, gap = l->gap;
    uint64_t file = l->disk.identity.index_low;
    memcpy(l->before, model_file.bytes, MODEL_RING);
    keep_snapshot(l);
    uint32_t promised = l->promised, durable = l->durable;
    committed = step(l);
    if (model_below(&l->chance, 8) != 0) continue;
    if (!committed && l->durable != durable) {   /* nobody has been told yet */
      l->promised = promised;
      l->gap = gap;
    }
    wrong = kill(l, committed);
    if (l->disk.identity.index_low != file || is_strange(l)) break;
  }
  return wrong;
}

const char *model_live(uint64_t seed) {
  static unsigned char own[MODEL_RING];
  life *l = must(calloc(1, sizeof *l));
  const char *wrong;
  int i;
  model_file.bytes = own;
  model_file.size = 0;
  model_file.boot = 100;
  l->chance = seed ^ 0x5555;
  l->before = must(calloc(1, MODEL_RING));
  for (i = 0; i < SNAPSHOTS; i++) l->older[i] = must(calloc(1, MODEL_RING));
  model_make(&l->m, seed);
  model_disk_init(&l->disk, &l->m);
  wrong = live(l);
  avfs_redo_close(l->r, 1);
  model_disk_free(&l->disk);
  model_free(&l->m);
  for (i = 0; i < SNAPSHOTS; i++) free(l->older[i]);
  free(l->before);
  free(l);
  return wrong;
}
