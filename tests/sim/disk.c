/* disk.c: see disk.h. */
#include "disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sim_disk *sim_current_disk;
void (*sim_describe_in_flight)(void *op, sim_in_flight *out);

static void *must(void *p) {
  if (p == NULL) sim_fail("no memory for the simulation");
  return p;
}

/* ---- bytes --------------------------------------------------------------------- */

static void set_size(sim_bytes *b, uint64_t size) {
  if (size > b->room) {
    b->room = size + size / 2 + 4096;
    b->data = must(realloc(b->data, b->room));
  }
  if (size > b->size) memset(b->data + b->size, 0, size - b->size);
  b->size = size;
}

static void put(sim_bytes *b, const void *p, uint64_t n, uint64_t offset) {
  if (offset + n > b->size) set_size(b, offset + n);
  memcpy(b->data + offset, p, n);
}

static void copy(sim_bytes *to, const sim_bytes *from) {
  if (from->size > to->room) {
    free(to->data);
    to->room = from->size + from->size / 2 + 4096;
    to->data = must(malloc(to->room));
  }
  if (from->size > 0) memcpy(to->data, from->data, from->size);
  to->size = from->size;
}

/* ---- names ---------------------------------------------------------------------- */

static sim_entry *find_entry(sim_directory *dir, const char *name) {
  uint32_t i;
  for (i = 0; i < dir->count; i++) {
    if (strcmp(dir->entries[i].name, name) == 0) return &dir->entries[i];
  }
  return NULL;
}

static void apply_name(sim_directory *dir, const sim_name_change *c) {
  sim_entry *e = find_entry(dir, c->name);
  if (!c->created) {
    if (e != NULL) *e = dir->entries[--dir->count];
    return;
  }
  if (e == NULL) {
    if (dir->count == SIM_FILES) sim_fail("too many files");
    e = &dir->entries[dir->count++];
  }
  snprintf(e->name, sizeof e->name, "%s", c->name);
  e->file = c->file;
}

static void change_name(sim_disk *d, int created, const char *name, sim_file *f) {
  sim_name_change *c;
  if (d->uncut) {
    sim_name_change now = {0, created, "", f};
    snprintf(now.name, sizeof now.name, "%s", name);
    apply_name(&d->live, &now);
    return;
  }
  if (d->name_count == d->name_room) {
    d->name_room = d->name_room * 2 + 8;
    d->names = must(realloc(d->names, d->name_room * sizeof *d->names));
  }
  c = &d->names[d->name_count++];
  c->order = d->order++;
  c->created = created;
  snprintf(c->name, sizeof c->name, "%s", name);
  c->file = f;
  apply_name(&d->live, c);
}

static sim_file *new_file(sim_disk *d, const char *name) {
  sim_file *f = must(calloc(1, sizeof *f));
  snprintf(f->name, sizeof f->name, "%s", name);
  f->id = ++d->last_id;
  if (d->file_count == d->file_room) {
    d->file_room = d->file_room * 2 + 8;
    d->files = must(realloc(d->files, d->file_room * sizeof *d->files));
  }
  d->files[d->file_count++] = f;
  return f;
}

static void free_file(sim_file *f) {
  uint32_t i;
  for (i = 0; f->shm != NULL && i < SIM_SHM_REGIONS; i++) free(f->shm->region[i]);
  free(f->shm);
  for (i = 0; i < f->pending_count; i++) free(f->pending[i].data);
  free(f->pending);
  free(f->live.data);
  free(f->durable.data);
  free(f->memory);
  free(f);
}

static int in_directory(const sim_directory *dir, const sim_file *f) {
  uint32_t i;
  for (i = 0; i < dir->count; i++) {
    if (dir->entries[i].file == f) return 1;
  }
  return 0;
}

/* Frees files that nothing refers to any more. */
static void sweep(sim_disk *d) {
  uint32_t i = 0, j;
  while (i < d->file_count) {
    sim_file *f = d->files[i];
    int used = f->handles > 0 || in_directory(&d->live, f) || in_directory(&d->durable, f);
    for (j = 0; !used && j < d->name_count; j++) used = d->names[j].file == f;
    if (used) {
      i++;
    } else {
      free_file(f);
      d->files[i] = d->files[--d->file_count];
    }
  }
}

static void stepped(sim_disk *d) {
  sim_disk_stored(d);
  if (d->stepped != NULL) d->stepped(d);
}

sim_file *sim_disk_find(sim_disk *d, const char *name) {
  sim_entry *e = find_entry(&d->live, name);
  return e == NULL ? NULL : e->file;
}

sim_file *sim_disk_open(sim_disk *d, const char *name, int create) {
  sim_file *f = sim_disk_find(d, name);
  if (f == NULL) {
    if (!create) return NULL;
    f = new_file(d, name);
    change_name(d, 1, name, f);
    sim_note("create %s", name);
    stepped(d);
  }
  f->handles++;
  return f;
}

void sim_disk_link(sim_disk *d, sim_file *f, const char *name) {
  sim_note("link   %s to %s", name, f->name);
  change_name(d, 1, name, f);
  stepped(d);
}

void sim_disk_close(sim_disk *d, sim_file *f) {
  f->handles--;
  sweep(d);
}

int sim_disk_delete(sim_disk *d, sim_file *f) {
  if (f->handles > 0) return 0;
  sim_note("delete %s", f->name);
  change_name(d, 0, f->name, f);
  stepped(d);
  return 1;
}

/* ---- content ---------------------------------------------------------------------- */

static sim_change *new_change(sim_disk *d, sim_file *f, enum sim_change_kind kind) {
  sim_change *c;
  if (f->pending_count == f->pending_room) {
    f->pending_room = f->pending_room * 2 + 16;
    f->pending = must(realloc(f->pending, f->pending_room * sizeof *f->pending));
  }
  c = &f->pending[f->pending_count++];
  memset(c, 0, sizeof *c);
  c->kind = kind;
  c->order = d->order++;
  c->old_size = f->live.size;
  return c;
}

uint32_t sim_file_read(const sim_file *f, void *to, uint32_t bytes, uint64_t offset) {
  if (offset >= f->live.size) return 0;
  if (f->live.size - offset < bytes) bytes = (uint32_t)(f->live.size - offset);
  memcpy(to, f->live.data + offset, bytes);
  return bytes;
}

/* ---- views --------------------------------------------------------------------------- */

static struct view {
  const sim_file *file;
  unsigned char *data;
  uint64_t bytes;
} views[32];
static int view_count;
uint64_t sim_cuts_refused;

void *sim_disk_map(const sim_file *f, uint64_t most, uint64_t *bytes_out) {
  struct view *v = &views[view_count];
  if (view_count == 32) sim_fail("too many views");
  v->file = f;
  v->bytes = *bytes_out = f->live.size < most ? f->live.size : most;
  if (v->bytes == 0) return NULL;
  v->data = must(malloc(v->bytes));
  memcpy(v->data, f->live.data, v->bytes);
  view_count++;
  return v->data;
}

void sim_disk_unmap(const void *view) {
  int i = 0;
  while (i < view_count && views[i].data != view) i++;
  if (i == view_count) sim_fail("a view is unmapped that is none");
  memset(views[i].data, 0xdd, views[i].bytes);   /* who reads it still shall fall */
  free(views[i].data);
  views[i] = views[--view_count];
}

int sim_disk_views(void) { return view_count; }

int sim_disk_is_mapped(const sim_file *f, uint64_t size) {
  int i, mapped = 0;
  for (i = 0; i < view_count; i++) mapped |= views[i].file == f && views[i].bytes > size;
  return mapped;
}

enum { MEMORY_PAGE = 4096 };

void *sim_disk_memory(sim_disk *d, sim_file *f) {
  (void)d;
  if (f->memory != NULL) sim_fail("%s is mapped twice", f->name);
  f->memory = must(malloc(f->live.size));
  memcpy(f->memory, f->live.data, f->live.size);
  return f->memory;
}

void sim_disk_no_memory(sim_disk *d, sim_file *f) {
  sim_disk_stored(d);
  free(f->memory);
  f->memory = NULL;
}

enum { PAGES_PENDING = 40 };

static void apply_durable(sim_file *f, const sim_change *c);

/* The system has written the oldest of them. */
static void write_lazily(sim_file *f) {
  uint32_t i, n = f->pending_count / 2;
  if (f->pending_count < PAGES_PENDING) return;
  for (i = 0; i < n; i++) {
    apply_durable(f, &f->pending[i]);
    free(f->pending[i].data);
  }
  f->pending_count -= n;
  memmove(f->pending, f->pending + n, f->pending_count * sizeof *f->pending);
}

static void store_page(sim_disk *d, sim_file *f, uint64_t at, uint32_t bytes) {
  if (memcmp(f->memory + at, f->live.data + at, bytes) == 0) return;
  if (!d->uncut) {
    sim_change *c;
    write_lazily(f);
    c = new_change(d, f, SIM_WRITE);
    c->offset = at;
    c->bytes = bytes;
    c->data = must(malloc(bytes));
    memcpy(c->data, f->memory + at, bytes);
    c->new_size = f->live.size;
  }
  memcpy(f->live.data + at, f->memory + at, bytes);
}

void sim_disk_stored(sim_disk *d) {
  uint32_t i;
  for (i = 0; i < d->file_count; i++) {
    sim_file *f = d->files[i];
    uint64_t at;
    for (at = 0; f->memory != NULL && at < f->live.size; at += MEMORY_PAGE) {
      store_page(d, f, at, (uint32_t)(f->live.size - at < MEMORY_PAGE ? f->live.size - at : MEMORY_PAGE));
    }
  }
}

void sim_disk_rename(sim_disk *d, sim_file *f, const char *name) {
  sim_note("rename %s to %s", f->name, name);
  change_name(d, 1, name, f);
  change_name(d, 0, f->name, f);
  /* One entry of the log. */
  if (!d->uncut) d->names[d->name_count - 1].order = d->names[d->name_count - 2].order;
  snprintf(f->name, sizeof f->name, "%s", name);
  stepped(d);
}

static void show_in_views(const sim_file *f, const void *data, uint64_t bytes, uint64_t offset) {
  int i;
  for (i = 0; i < view_count; i++) {
    uint64_t n = bytes;
    if (views[i].file != f || offset >= views[i].bytes) continue;
    if (views[i].bytes - offset < n) n = views[i].bytes - offset;
    memcpy(views[i].data + offset, data, n);
  }
}

void sim_disk_write(sim_disk *d, sim_file *f, const void *data, uint32_t bytes, uint64_t offset) {
  sim_change *c;
  show_in_views(f, data, bytes, offset);
  if (d->uncut) {
    put(&f->live, data, bytes, offset);
    return;
  }
  c = new_change(d, f, SIM_WRITE);
  c->offset = offset;
  c->bytes = bytes;
  c->data = must(malloc(bytes));
  memcpy(c->data, data, bytes);
  put(&f->live, data, bytes, offset);
  c->new_size = f->live.size;
  sim_note("write  %s %u at %llu", f->name, bytes, (unsigned long long)offset);
  stepped(d);
}

void sim_disk_resize(sim_disk *d, sim_file *f, uint64_t size) {
  sim_change *c;
  if (sim_disk_is_mapped(f, size)) {
    sim_cuts_refused++;
    return;
  }
  if (d->uncut) {
    set_size(&f->live, size);
    return;
  }
  c = new_change(d, f, SIM_RESIZE);
  set_size(&f->live, size);
  c->new_size = size;
  sim_note("resize %s to %llu (was %llu)", f->name, (unsigned long long)size,
           (unsigned long long)c->old_size);
  stepped(d);
}

int sim_disk_is_settled(const sim_disk *d) {
  uint32_t i;
  if (d->name_count > 0 || d->in_flight_count > 0) return 0;
  for (i = 0; i < d->file_count; i++) {
    if (d->files[i]->pending_count > 0) return 0;
  }
  return 1;
}

uint64_t sim_flush_begin(const sim_disk *d) { return d->order; }

static void drop_change(sim_file *f, uint32_t i) {
  free(f->pending[i].data);
  memmove(f->pending + i, f->pending + i + 1, (--f->pending_count - i) * sizeof *f->pending);
}

static void apply_durable(sim_file *f, const sim_change *c) {
  if (c->kind == SIM_RESIZE) set_size(&f->durable, c->new_size);
  else put(&f->durable, c->data, c->bytes, c->offset);
}

static int is_logged(const sim_change *c) { return c->kind == SIM_RESIZE && c->new_size < c->old_size; }

/* The log is forced: names that it has by then are durable. Cuts of other files stay in
 * their lists, for their order among the writes. */
static void force_log(sim_disk *d, uint64_t order) {
  uint32_t i, n = 0;
  if (order <= d->logged) return;
  d->logged = order;
  while (n < d->name_count && d->names[n].order < order) n++;
  for (i = 0; i < n; i++) apply_name(&d->durable, &d->names[i]);
  d->name_count -= n;
  if (n > 0) memmove(d->names, d->names + n, d->name_count * sizeof *d->names);
  sweep(d);
}

void sim_disk_settle(sim_disk *d) { force_log(d, d->order); }

void sim_flush_end(sim_disk *d, sim_file *f, uint64_t order) {
  uint64_t own = 0;
  uint32_t i, k;
  if (d->uncut) return;
  d->flushes++;
  for (k = 0; k < d->name_count; k++) {
    if (d->names[k].file == f && d->names[k].order < order) own = d->names[k].order + 1;
  }
  for (i = 0; i < f->pending_count && f->pending[i].order < order; i++) {
    if (is_logged(&f->pending[i]) && f->pending[i].order >= own) own = f->pending[i].order + 1;
    apply_durable(f, &f->pending[i]);
    free(f->pending[i].data);
  }
  f->pending_count -= i;
  if (i > 0) memmove(f->pending, f->pending + i, f->pending_count * sizeof *f->pending);
  force_log(d, d->forces_little ? own : order);
  sim_note("flush  %s (%u changes)", f->name, i);
  stepped(d);
}

/* Sizes stay pending in their order, so a write that made the file longer leaves a
 * size change behind when it is lost. What became durable does so as pending
 * changes of sizes come: through the cut, so here a write is lost or stays. */
void sim_flush_failed(sim_disk *d, sim_file *f, sim_random *r) {
  uint32_t i = 0, lost = 0;
  while (i < f->pending_count) {
    sim_change *c = &f->pending[i];
    if (c->kind == SIM_WRITE && sim_chance(r, 400000)) {
      lost++;
      if (c->new_size > c->old_size) {
        c->kind = SIM_RESIZE;
        free(c->data);
        c->data = NULL;
      } else {
        drop_change(f, i);
        continue;
      }
    }
    i++;
  }
  sim_note("flush  %s FAILS (%u writes lost, %u not)", f->name, lost, f->pending_count);
  stepped(d);
}

/* ---- the power cut -------------------------------------------------------------------- */

static void grow_garbage(sim_bytes *b, uint64_t size, sim_random *r) {
  uint64_t from = b->size;
  set_size(b, size);
  if (r == NULL || !sim_chance(r, 500000)) return;
  while (from < size) {
    uint64_t v = sim_draw(r), n = size - from < sizeof v ? size - from : sizeof v;
    memcpy(b->data + from, &v, n);
    from += n;
  }
}

/* Puts a part of a write on the medium: what lies within the size. */
static void apply_some(sim_bytes *b, const unsigned char *data, uint32_t bytes, uint64_t offset,
                       int torn, sim_random *r) {
  uint32_t done = 0;
  while (done < bytes && offset + done < b->size) {
    uint32_t n = bytes - done;
    if (torn && n > SIM_TORN - (offset + done) % SIM_TORN) {
      n = (uint32_t)(SIM_TORN - (offset + done) % SIM_TORN);
    }
    if (n > b->size - offset - done) n = (uint32_t)(b->size - offset - done);
    if (!torn || sim_chance(r, 500000)) memcpy(b->data + offset + done, data + done, n);
    done += n;
  }
}

int sim_disk_explains;

static void explain(const char *what_became, const char *name, const char *what, uint64_t a, uint64_t b) {
  if (!sim_disk_explains) return;
  printf("    %-5s %s %s", what_became, what, name);
  if (strcmp(what, "write ") == 0) printf(" %llu at %llu", (unsigned long long)a, (unsigned long long)b);
  if (strcmp(what, "resize") == 0) printf(" to %llu (was %llu)", (unsigned long long)a, (unsigned long long)b);
  printf("\n");
}

static const uint32_t keep_rates[] = {0, 100000, 500000, 900000, 1000000};

/* Of f's pending changes of size, how many are kept: those that the log has, as far as
 * `log_end`, and those before them; of the growth behind, some. */
static uint32_t sizes_kept(const sim_file *f, enum sim_cut how, sim_random *r, uint64_t log_end) {
  uint32_t i, least = 0, most = 0, k;
  for (i = 0; i < f->pending_count; i++) {
    const sim_change *c = &f->pending[i];
    if (c->new_size == c->old_size) continue;
    if (is_logged(c) && c->order >= log_end) break;
    most++;
    if (is_logged(c)) least = most;
  }
  if (how == SIM_CUT_NONE) return least;
  if (how == SIM_CUT_ALL) return most;
  k = sim_below(r, 4);
  return k == 0 ? least : k == 1 ? least + sim_below(r, most - least + 1) : most;
}

static void cut_file(const sim_disk *d, const sim_file *f, enum sim_cut how, sim_random *r,
                     uint64_t log_end, sim_file *to) {
  uint32_t i, n = f->pending_count, keep_sizes, keep_rate = 1000000, torn_rate = 0;
  copy(&to->live, &f->durable);
  keep_sizes = sizes_kept(f, how, r, log_end);
  if (how == SIM_CUT_NONE) keep_rate = 0;
  if (how == SIM_CUT_SOME) {
    keep_rate = keep_rates[sim_below(r, 5)];
    torn_rate = sim_below(r, 2) * 300000;
  }
  for (i = 0; i < n; i++) {
    const sim_change *c = &f->pending[i];
    if (c->new_size != c->old_size) {
      explain(keep_sizes > 0 ? "kept" : "lost", f->name, "resize", c->new_size, c->old_size);
    }
    if (c->new_size != c->old_size && keep_sizes > 0) {
      keep_sizes--;
      if (how != SIM_CUT_SOME || c->new_size < to->live.size) set_size(&to->live, c->new_size);
      else grow_garbage(&to->live, c->new_size, r);
    }
    if (c->kind == SIM_WRITE && (keep_rate == 1000000 || (keep_rate > 0 && sim_chance(r, keep_rate)))) {
      int torn = how == SIM_CUT_SOME && sim_chance(r, torn_rate);
      explain(torn ? "torn" : "kept", f->name, "write ", c->bytes, c->offset);
      apply_some(&to->live, c->data, c->bytes, c->offset, torn, r);
    } else if (c->kind == SIM_WRITE) {
      explain("lost", f->name, "write ", c->bytes, c->offset);
    }
  }
  if (how != SIM_CUT_SOME) return;
  for (i = 0; i < d->in_flight_count; i++) {
    sim_in_flight w;
    sim_describe_in_flight(d->in_flight[i], &w);
    if (w.file != f || !sim_chance(r, keep_rate)) continue;
    if (w.offset + w.bytes > to->live.size && sim_chance(r, 500000)) {
      grow_garbage(&to->live, w.offset + w.bytes, r);
    }
    explain("some", f->name, "write ", w.bytes, w.offset);
    apply_some(&to->live, w.data, w.bytes, w.offset, sim_chance(r, torn_rate), r);
  }
}

/* Which of the first n entries leads to this file too (a hard link); n: none. */
static uint32_t other_name(const sim_entry *entries, uint32_t n, const sim_file *f) {
  uint32_t i = 0;
  while (i < n && entries[i].file != f) i++;
  return i;
}

void sim_disk_cut(const sim_disk *d, enum sim_cut how, sim_random *r, sim_disk *to) {
  sim_directory names = d->durable;
  uint64_t log_end = d->logged;
  uint32_t i, other;
  memset(to, 0, sizeof *to);
  to->uncut = 1;
  if (how == SIM_CUT_ALL) log_end = d->order;
  if (how == SIM_CUT_SOME) {
    uint32_t k = sim_below(r, 3);
    if (k == 1) log_end = d->order;
    if (k == 2) log_end += sim_below(r, (uint32_t)(d->order - d->logged) + 1);
  }
  for (i = 0; i < d->name_count; i++) {
    const sim_name_change *c = &d->names[i];
    int kept = c->order < log_end;
    explain(kept ? "kept" : "lost", c->name, c->created ? "create" : "delete", 0, 0);
    if (kept) apply_name(&names, c);
  }
  for (i = 0; i < names.count; i++) {
    sim_entry *e = &to->live.entries[to->live.count++];
    snprintf(e->name, sizeof e->name, "%s", names.entries[i].name);
    other = other_name(names.entries, i, names.entries[i].file);
    if (other < i) {
      e->file = to->live.entries[other].file;
      continue;
    }
    e->file = new_file(to, e->name);
    e->file->id = names.entries[i].file->id;
    cut_file(d, names.entries[i].file, how, r, log_end, e->file);
  }
  to->last_id = d->last_id;
}

void sim_disk_cuttable(sim_disk *d) {
  uint32_t i;
  for (i = 0; i < d->live.count; i++) {
    copy(&d->live.entries[i].file->durable, &d->live.entries[i].file->live);
  }
  d->durable = d->live;
  d->uncut = 0;
}

void sim_disk_copy(const sim_disk *d, sim_disk *to) {
  uint32_t i, other;
  memset(to, 0, sizeof *to);
  to->uncut = 1;
  to->live = d->live;
  for (i = 0; i < to->live.count; i++) {
    sim_entry *e = &to->live.entries[i];
    other = other_name(d->live.entries, i, d->live.entries[i].file);
    if (other < i) {
      e->file = to->live.entries[other].file;
      continue;
    }
    e->file = new_file(to, e->name);
    e->file->id = d->live.entries[i].file->id;
    copy(&e->file->live, &d->live.entries[i].file->live);
  }
  to->last_id = d->last_id;
}

static void *have_some(void *(*have)(size_t), const void *from, size_t n) {
  void *p = n == 0 ? NULL : must(have(n));
  if (n > 0) memcpy(p, from, n);
  return p;
}

static void clone_bytes(sim_bytes *b, void *(*have)(size_t)) {
  b->room = b->size;
  b->data = have_some(have, b->data, b->size);
}

static sim_file *clone_file(const sim_file *f, void *(*have)(size_t)) {
  sim_file *to = have_some(have, f, sizeof *f);
  uint32_t i;
  clone_bytes(&to->live, have);
  clone_bytes(&to->durable, have);
  to->pending = have_some(have, f->pending, f->pending_count * sizeof *f->pending);
  to->pending_room = f->pending_count;
  for (i = 0; i < f->pending_count; i++) {
    if (to->pending[i].data != NULL) to->pending[i].data = have_some(have, f->pending[i].data, f->pending[i].bytes);
  }
  to->handles = to->readers = 0;
  to->pending_owner = to->reserved_owner = to->exclusive_owner = NULL;
  to->memory = NULL;
  to->shm = NULL;
  return to;
}

static sim_file *same_file(const sim_disk *d, const sim_disk *to, const sim_file *f) {
  uint32_t i = 0;
  while (d->files[i] != f) i++;
  return to->files[i];
}

void sim_disk_clone(const sim_disk *d, sim_disk *to, void *(*have)(size_t bytes)) {
  uint32_t i;
  *to = *d;
  to->stepped = NULL;
  to->in_flight_count = 0;
  to->files = have_some(have, d->files, d->file_count * sizeof *d->files);
  to->file_room = d->file_count;
  for (i = 0; i < d->file_count; i++) to->files[i] = clone_file(d->files[i], have);
  to->names = have_some(have, d->names, d->name_count * sizeof *d->names);
  to->name_room = d->name_count;
  for (i = 0; i < d->name_count; i++) to->names[i].file = same_file(d, to, d->names[i].file);
  for (i = 0; i < d->live.count; i++) to->live.entries[i].file = same_file(d, to, d->live.entries[i].file);
  for (i = 0; i < d->durable.count; i++) to->durable.entries[i].file = same_file(d, to, d->durable.entries[i].file);
}

/* What is stored in memory is the file's. */
static void take_memory(const sim_disk *d, sim_disk *to) {
  uint32_t i;
  for (i = 0; i < d->file_count; i++) to->files[i]->memory = d->files[i]->memory;
  sim_disk_stored(to);
  for (i = 0; i < d->file_count; i++) to->files[i]->memory = NULL;
}

void sim_disk_kill(const sim_disk *d, sim_random *r, sim_disk *to) {
  uint32_t i, n = d->in_flight_count;
  sim_disk_clone(d, to, malloc);
  take_memory(d, to);
  for (i = 0; i < n; i++) {
    uint32_t how = sim_below(r, 3), bytes, at;
    sim_in_flight w;
    sim_describe_in_flight(d->in_flight[i], &w);
    bytes = how == 0 ? 0 : how == 1 ? w.bytes : (sim_below(r, w.bytes) + SIM_TORN - 1) / SIM_TORN * SIM_TORN;
    at = how == 2 ? sim_below(r, w.bytes) / SIM_TORN * SIM_TORN : 0;
    if (bytes > w.bytes - at) bytes = w.bytes - at;
    if (bytes > 0) sim_disk_write(to, same_file(d, to, w.file), w.data + at, bytes, w.offset + at);
  }
  sweep(to);
}

void sim_disk_free(sim_disk *d) {
  uint32_t i;
  for (i = 0; i < d->file_count; i++) free_file(d->files[i]);
  free(d->files);
  free(d->names);
  memset(d, 0, sizeof *d);
}

/* Four lanes, which the processor works on at a time. */
uint64_t sim_hash(uint64_t h, const void *p, uint64_t n) {
  const unsigned char *at = p;
  uint64_t v, lane[4] = {h, h ^ 1, h ^ 2, h ^ 3};
  int i;
  if (n >= 64) {
    for (; n >= 32; n -= 32, at += 32) {
      for (i = 0; i < 4; i++) {
        memcpy(&v, at + 8 * i, 8);
        lane[i] = (lane[i] ^ v) * 0x9fb21c651e98df25u;
        lane[i] ^= lane[i] >> 32;
      }
    }
    for (i = 1, h = lane[0]; i < 4; i++) {
      h = (h ^ lane[i]) * 0x9fb21c651e98df25u;
      h ^= h >> 32;
    }
  }
  for (; n >= 8; n -= 8, at += 8) {
    memcpy(&v, at, 8);
    h = (h ^ v) * 0x9fb21c651e98df25u;
    h ^= h >> 32;
  }
  v = n;
  if (n > 0) memcpy(&v, at, n);
  h = (h ^ v ^ n << 56) * 0x9fb21c651e98df25u;
  return h ^ h >> 32;
}

uint64_t sim_disk_hash(const sim_disk *d) {
  uint64_t sum = d->live.count;
  uint32_t i;
  for (i = 0; i < d->live.count; i++) {
    const sim_entry *e = &d->live.entries[i];
    uint64_t h = sim_hash(1469598103934665603u, e->name, strlen(e->name));
    sum += sim_hash(h, e->file->live.data, e->file->live.size);
  }
  return sum;
}

void sim_disk_dump(const sim_disk *d, const char *directory) {
  uint32_t i;
  for (i = 0; i < d->live.count; i++) {
    const sim_entry *e = &d->live.entries[i];
    const char *base = strrchr(e->name, '/');
    char path[512];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", directory, base == NULL ? e->name : base + 1);
    f = fopen(path, "wb");
    if (f == NULL) continue;
    if (e->file->live.size > 0) fwrite(e->file->live.data, 1, e->file->live.size, f);
    fclose(f);
  }
}
