/* settings.c: see settings.h. */
#include "store/settings.h"

#include <string.h>

#include "seam/sqlite_api.h"
#include "seam/sync.h"

enum { MOST_WORDS = 3 };

/* A number from least to most, or one of the words. */
static const struct {
  const char *name;
  uint64_t least, most;
  const char *words[MOST_WORDS];
} table[AVFS_SETTING_COUNT] = {
    [AVFS_DURABILITY] = {"durability", 0, 0, {"memory", "os", "disk"}},
    [AVFS_MAX_LAG_MS] = {"max_lag_ms", 0, 60000, {NULL}},
    [AVFS_MAX_QUEUE_BYTES] = {"max_queue_bytes", 1u << 20, (uint64_t)64 << 30, {NULL}},
    [AVFS_ON_FULL] = {"on_full", 0, 0, {"wait", "busy"}},
    [AVFS_FULL_TIMEOUT_MS] = {"full_timeout_ms", 0, 3600000, {NULL}},
    [AVFS_CLOSE] = {"close", 0, 0, {"drain", "abandon"}},
    [AVFS_CLOSE_TIMEOUT_MS] = {"close_timeout_ms", 0, 3600000, {NULL}},
    [AVFS_MAX_PROCESS_BYTES] = {"max_process_bytes", 1u << 20, (uint64_t)64 << 30, {NULL}},
    [AVFS_REQUIRE_MANAGED] = {"require_managed", 0, 0, {"no", "yes"}},
    [AVFS_EXIT_TIMEOUT_MS] = {"exit_timeout_ms", 0, 3600000, {NULL}},
};

static avfs_counter defaults[AVFS_SETTING_COUNT] = {
    [AVFS_DURABILITY] = {AVFS_DURABILITY_OS},
    [AVFS_MAX_LAG_MS] = {100},
    [AVFS_MAX_QUEUE_BYTES] = {64 << 20},
    [AVFS_ON_FULL] = {AVFS_ON_FULL_WAIT},
    [AVFS_FULL_TIMEOUT_MS] = {60000},
    [AVFS_CLOSE] = {AVFS_CLOSE_DRAIN},
    [AVFS_CLOSE_TIMEOUT_MS] = {30000},
    [AVFS_MAX_PROCESS_BYTES] = {256 << 20},
    [AVFS_REQUIRE_MANAGED] = {AVFS_REQUIRE_MANAGED_NO},
    [AVFS_EXIT_TIMEOUT_MS] = {5000},
};

uint64_t avfs_setting_default(int i) { return (uint64_t)avfs_counter_get(&defaults[i]); }

void avfs_setting_set_default(int i, uint64_t value) {
  avfs_counter_set(&defaults[i], (int64_t)value);
}

avfs_settings avfs_settings_default(void) {
  avfs_settings s;
  int i;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) s.value[i] = avfs_setting_default(i);
  return s;
}

int avfs_setting_is_process(int i) {
  return i == AVFS_MAX_PROCESS_BYTES || i == AVFS_EXIT_TIMEOUT_MS;
}

const char *avfs_setting_name(int i) { return table[i].name; }

int avfs_setting_is_word(int i) { return table[i].words[0] != NULL; }

int avfs_setting_find(const char *name) {
  int i;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    if (sqlite3_stricmp(name, table[i].name) == 0) return i;
  }
  return -1;
}

/* How many letters are to be changed, added or left out to make b of a; a large number when one
 * of them is long. */
static int distance(const char *a, const char *b) {
  enum { LONGEST = 40 };
  int row[LONGEST + 1], n = (int)strlen(a), m = (int)strlen(b), i, j;
  if (n > LONGEST || m > LONGEST) return LONGEST;
  for (j = 0; j <= m; j++) row[j] = j;
  for (i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (j = 1; j <= m; j++) {
      int change = diagonal + (sqlite3_strnicmp(a + i - 1, b + j - 1, 1) != 0);
      diagonal = row[j];
      if (row[j - 1] < row[j]) row[j] = row[j - 1];
      row[j] = row[j] + 1 < change ? row[j] + 1 : change;
    }
  }
  return row[m];
}

static int is_like(const char *name, const char *setting) {
  size_t n = strlen(name), m = strlen(setting);
  if (n >= 5 && n < m && setting[n] == '_' && sqlite3_strnicmp(name, setting, (int)n) == 0) return 1;
  return distance(name, setting) <= (m >= 7 ? 2 : 1);
}

int avfs_setting_like(const char *name) {
  int i = avfs_setting_find(name);
  if (i >= 0) return i;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    if (is_like(name, table[i].name)) return i;
  }
  return -1;
}

char *avfs_setting_list(const char *prefix) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  int i;
  for (i = 0; i < AVFS_SETTING_COUNT; i++) {
    sqlite3_str_appendf(out, "%s%s%s", i == 0 ? "" : ", ", prefix, table[i].name);
  }
  return sqlite3_str_finish(out);
}

/* 1 when text is one of setting i's words. */
static int parse_word(int i, const char *text, uint64_t *value_out) {
  int w;
  for (w = 0; w < MOST_WORDS && table[i].words[w] != NULL; w++) {
    if (sqlite3_stricmp(text, table[i].words[w]) == 0) {
      *value_out = (uint64_t)w;
      return 1;
    }
  }
  return 0;
}

/* Decimal digits and nothing else: no sign, no unit. */
static int parse_number(int i, const char *text, uint64_t *value_out) {
  const char *p = text;
  uint64_t v = 0;
  for (; *p >= '0' && *p <= '9' && v <= table[i].most; p++) v = v * 10 + (uint64_t)(*p - '0');
  *value_out = v;
  return p != text && *p == 0 && v >= table[i].least && v <= table[i].most;
}

static char *refusal(int i, const char *text) {
  if (avfs_setting_is_word(i)) {
    const char *const *w = table[i].words;
    return sqlite3_mprintf("asyncvfs: %s=%s: must be %s%s%s or %s", table[i].name, text, w[0],
                           w[2] == NULL ? "" : ", ", w[2] == NULL ? "" : w[1], w[2] == NULL ? w[1] : w[2]);
  }
  return sqlite3_mprintf("asyncvfs: %s=%s: must be a number from %lld to %lld", table[i].name,
                         text, (sqlite3_int64)table[i].least, (sqlite3_int64)table[i].most);
}

int avfs_setting_parse(int i, const char *text, uint64_t *value_out, char **message_out) {
  *message_out = NULL;
  if (avfs_setting_is_word(i) ? parse_word(i, text, value_out) : parse_number(i, text, value_out)) {
    return SQLITE_OK;
  }
  *message_out = refusal(i, text);
  return SQLITE_ERROR;
}

char *avfs_setting_format(int i, uint64_t value) {
  if (avfs_setting_is_word(i)) return sqlite3_mprintf("%s", table[i].words[value]);
  return sqlite3_mprintf("%lld", (sqlite3_int64)value);
}
