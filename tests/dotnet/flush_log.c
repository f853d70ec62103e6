/* flush_log.c: writes the path of each file that is flushed into the file FLUSH_LOG, a line each.
 *
 * Loaded before libc (LD_PRELOAD), under Wine, whose FlushFileBuffers is an fsync: the tests of
 * dotnet/tests see by it that what SQLite's own VFS wrote was flushed. Native Linux, not part of
 * the product. The flush itself is left out: nobody here needs it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int log_flush(int fd) {
  const char *log = getenv("FLUSH_LOG");
  char link[64], line[4096];
  ssize_t n;
  int out;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink(link, line, sizeof line - 1);
  if (log == NULL || n < 0) return 0;
  line[n] = '\n';
  out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (out < 0) return 0;
  if (write(out, line, (size_t)n + 1) < 0) n = 0;
  close(out);
  return 0;
}

int fsync(int fd) { return log_flush(fd); }
int fdatasync(int fd) { return log_flush(fd); }
