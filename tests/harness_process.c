/* harness_process.c: scratch directories and child processes. See harness.h.
 *
 *   child's stdout --pipe--> reader thread --> child->text --> read_line
 *
 * Locks:  child->lock guards text, length, used and at_end; the reader appends,
 *         read_line takes away. Scratch belongs to the main thread's tests, but
 *         their threads may ask for paths: scratch_lock.
 * Memory: paths live in a list to the end of their test or of the process.
 */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

/* ---- scratch files ---------------------------------------------------------- */

typedef struct scratch {
  struct scratch *next;
  bool of_test;    /* else of the process */
  size_t dir_size; /* path up to here is the directory */
  char path[1];
} scratch;

static SRWLOCK scratch_lock = SRWLOCK_INIT;
static scratch *scratches;
static bool in_test;
static unsigned scratch_count;
static char scratch_root[MAX_PATH]; /* made when first asked for; ends with a backslash */

/* A child's root lies in its parent's, so that one that is killed leaves
 * nothing behind. */
static void make_root(void) {
  char base[MAX_PATH - 64];
  DWORD n = GetEnvironmentVariableA("TEST_SCRATCH", base, sizeof base);
  if (n == 0 || n >= sizeof base) GetTempPathA(sizeof base, base);
  snprintf(scratch_root, sizeof scratch_root, "%sasyncvfs-test-%lu-%llu\\", base,
           (unsigned long)GetCurrentProcessId(), (unsigned long long)GetTickCount64());
  if (!CreateDirectoryA(scratch_root, NULL)) {
    harness_print("cannot make the scratch directory %s: error %lu\n", scratch_root,
                  (unsigned long)GetLastError());
    exit(2);
  }
  SetEnvironmentVariableA("TEST_SCRATCH", scratch_root);
}

const char *scratch_path(const char *name) {
  AcquireSRWLockExclusive(&scratch_lock);
  if (scratch_root[0] == '\0') make_root();
  char dir[MAX_PATH + 16];
  snprintf(dir, sizeof dir, "%s%u\\", scratch_root, ++scratch_count);
  CreateDirectoryA(dir, NULL);
  size_t size = sizeof(scratch) + strlen(dir) + strlen(name);
  scratch *made = malloc(size);
  if (made == NULL) abort();
  made->next = scratches;
  made->of_test = in_test;
  made->dir_size = strlen(dir);
  snprintf(made->path, size - offsetof(scratch, path), "%s%s", dir, name);
  scratches = made;
  ReleaseSRWLockExclusive(&scratch_lock);
  return made->path;
}

/* Wide, as tests make files whose names no code page has. `path` ends with a
 * backslash. */
static void remove_tree(const wchar_t *path) {
  wchar_t *name = malloc(32768 * sizeof *name);
  if (name == NULL) abort();
  WIN32_FIND_DATAW found;
  _snwprintf(name, 32768, L"%ls*", path);
  HANDLE search = FindFirstFileW(name, &found);
  while (search != INVALID_HANDLE_VALUE) {
    bool is_dir = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    bool is_self = wcscmp(found.cFileName, L".") == 0 || wcscmp(found.cFileName, L"..") == 0;
    _snwprintf(name, 32768, L"%ls%ls%ls", path, found.cFileName, is_dir ? L"\\" : L"");
    if (is_dir && !is_self) {
      remove_tree(name);
    } else if (!is_dir) {
      SetFileAttributesW(name, FILE_ATTRIBUTE_NORMAL);
      if (!DeleteFileW(name)) {
        harness_print("left behind, error %lu: %ls\n", (unsigned long)GetLastError(), name);
      }
    }
    if (!FindNextFileW(search, &found)) {
      FindClose(search);
      search = INVALID_HANDLE_VALUE;
    }
  }
  RemoveDirectoryW(path);
  free(name);
}

/* \\?\ lifts the limit of 260 characters, which some tests pass on purpose. */
static void remove_dir(const char *dir) {
  wchar_t wide[MAX_PATH + 32] = L"\\\\?\\";
  if (MultiByteToWideChar(CP_ACP, 0, dir, -1, wide + 4, MAX_PATH + 16) > 0) remove_tree(wide);
}

void scratch_test_begins(void) { in_test = true; }

void scratch_test_ends(void) {
  in_test = false;
  for (scratch **link = &scratches; *link != NULL;) {
    scratch *s = *link;
    if (!s->of_test) {
      link = &s->next;
      continue;
    }
    *link = s->next;
    s->path[s->dir_size] = '\0';
    remove_dir(s->path);
    free(s);
  }
}

void scratch_process_ends(void) {
  scratch_test_ends();
  while (scratches != NULL) {
    scratch *s = scratches;
    scratches = s->next;
    free(s);
  }
  if (scratch_root[0] != '\0') remove_dir(scratch_root);
  scratch_root[0] = '\0';
}

/* ---- child processes --------------------------------------------------------- */

struct harness_child {
  /* set at start, then read-only */
  HANDLE process;
  HANDLE reader;      /* thread */
  HANDLE stdout_read; /* the reader's */

  HANDLE stdin_write; /* NULL once closed; the caller's thread */

  /* guarded by lock */
  SRWLOCK lock;
  CONDITION_VARIABLE grew;
  char *text; /* used..length is not yet read */
  size_t used, length, capacity;
  bool at_end;
};

static DWORD WINAPI read_output(void *arg) {
  harness_child *child = arg;
  char chunk[4096];
  DWORD n;
  while (ReadFile(child->stdout_read, chunk, sizeof chunk, &n, NULL) && n > 0) {
    AcquireSRWLockExclusive(&child->lock);
    if (child->length + n > child->capacity) {
      child->capacity = (child->length + n) * 2;
      child->text = realloc(child->text, child->capacity);
      if (child->text == NULL) abort();
    }
    memcpy(child->text + child->length, chunk, n);
    child->length += n;
    ReleaseSRWLockExclusive(&child->lock);
    WakeAllConditionVariable(&child->grew);
  }
  AcquireSRWLockExclusive(&child->lock);
  child->at_end = true;
  ReleaseSRWLockExclusive(&child->lock);
  WakeAllConditionVariable(&child->grew);
  return 0;
}

/* Children end with us, even if we are killed. */
static HANDLE the_job(void) {
  static HANDLE job;
  if (job == NULL) {
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    job = CreateJobObjectA(NULL, NULL);
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
  }
  return job;
}

/* Quotes as CommandLineToArgvW undoes it: backslashes count only before a
 * quote, and there they are doubled. */
static bool append_quoted(char *line, size_t size, const char *arg) {
  size_t at = strlen(line), backslashes = 0;
  if (at + 2 * strlen(arg) + 4 > size) return false;
  if (at > 0) line[at++] = ' ';
  line[at++] = '"';
  for (; *arg; arg++) {
    if (*arg == '"') {
      for (size_t i = 0; i <= backslashes; i++) line[at++] = '\\';
    }
    backslashes = *arg == '\\' ? backslashes + 1 : 0;
    line[at++] = *arg;
  }
  while (backslashes-- > 0) line[at++] = '\\';
  line[at++] = '"';
  line[at] = '\0';
  return true;
}

/* `line` is 32 KiB. */
static harness_child *spawn(char *line) {
  harness_child *child = calloc(1, sizeof *child);
  HANDLE stdin_read = NULL, stdout_write = NULL;
  SECURITY_ATTRIBUTES inherit = {sizeof inherit, NULL, TRUE};
  PROCESS_INFORMATION info;
  STARTUPINFOA start;
  static SRWLOCK spawn_lock = SRWLOCK_INIT;

  if (child == NULL) abort();
  InitializeSRWLock(&child->lock);
  InitializeConditionVariable(&child->grew);

  /* One at a time: two threads' children must not inherit each other's pipes,
   * or neither would see the end of its own. */
  AcquireSRWLockExclusive(&spawn_lock);
  bool started = CreatePipe(&stdin_read, &child->stdin_write, &inherit, 0) &&
                 CreatePipe(&child->stdout_read, &stdout_write, &inherit, 0);
  if (started) {
    SetHandleInformation(child->stdin_write, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(child->stdout_read, HANDLE_FLAG_INHERIT, 0);
    memset(&start, 0, sizeof start);
    start.cb = sizeof start;
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = stdin_read;
    start.hStdOutput = stdout_write;
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    started = CreateProcessA(NULL, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &start,
                             &info);
  }
  DWORD error = started ? 0 : GetLastError();
  if (stdin_read != NULL) CloseHandle(stdin_read);
  if (stdout_write != NULL) CloseHandle(stdout_write);
  ReleaseSRWLockExclusive(&spawn_lock);
  if (!started) {
    FAIL("cannot start %s: error %lu", line, (unsigned long)error);
    harness_child_free(child);
    return NULL;
  }

  child->process = info.hProcess;
  AssignProcessToJobObject(the_job(), info.hProcess);
  ResumeThread(info.hThread);
  CloseHandle(info.hThread);
  child->reader = CreateThread(NULL, 0, read_output, child, 0, NULL);
  if (child->reader == NULL) abort();
  return child;
}

static harness_child *spawn_args(const char *program, const char *first, const char *second,
                                 va_list args) {
  char *line = calloc(1, 32768);
  if (line == NULL) abort();
  bool fits = append_quoted(line, 32768, program);
  if (first != NULL) fits = fits && append_quoted(line, 32768, first);
  if (second != NULL) fits = fits && append_quoted(line, 32768, second);
  for (const char *arg; (arg = va_arg(args, const char *)) != NULL;) {
    fits = fits && append_quoted(line, 32768, arg);
  }
  harness_child *child = NULL;
  if (CHECK(fits)) child = spawn(line);
  free(line);
  return child;
}

harness_child *harness_spawn(const char *role, ...) {
  char self[MAX_PATH];
  va_list args;
  GetModuleFileNameA(NULL, self, sizeof self);
  va_start(args, role);
  harness_child *child = spawn_args(self, "--child", role, args);
  va_end(args);
  return child;
}

harness_child *harness_spawn_program(const char *program, ...) {
  char path[2 * MAX_PATH];
  va_list args;
  GetModuleFileNameA(NULL, path, MAX_PATH);
  char *name = strrchr(path, '\\');
  name = name != NULL ? name + 1 : path;
  snprintf(name, MAX_PATH, "%s", program);
  va_start(args, program);
  harness_child *child = spawn_args(path, NULL, NULL, args);
  va_end(args);
  return child;
}

/* Takes a line away if a whole one is there, or the rest at the end. */
static bool take_line(harness_child *child, char *line, size_t size) {
  size_t left = child->length - child->used;
  if (left == 0) return false;
  char *from = child->text + child->used;
  char *end = memchr(from, '\n', left);
  if (end == NULL && !child->at_end) return false;
  size_t n = end != NULL ? (size_t)(end - from) : left;
  child->used += end != NULL ? n + 1 : n;
  if (n > 0 && from[n - 1] == '\r') n--;
  if (n > size - 1) n = size - 1;
  memcpy(line, from, n);
  line[n] = '\0';
  return true;
}

bool harness_child_read_line(harness_child *child, char *line, size_t size,
                             uint32_t timeout_ms) {
  ULONGLONG until = GetTickCount64() + timeout_ms;
  bool got;
  AcquireSRWLockExclusive(&child->lock);
  while (!(got = take_line(child, line, size)) && !child->at_end) {
    ULONGLONG now = GetTickCount64();
    if (now >= until) break;
    SleepConditionVariableSRW(&child->grew, &child->lock, (DWORD)(until - now), 0);
  }
  ReleaseSRWLockExclusive(&child->lock);
  return got;
}

bool harness_child_write(harness_child *child, const char *text) {
  DWORD written, n = (DWORD)strlen(text);
  return child->stdin_write != NULL && WriteFile(child->stdin_write, text, n, &written, NULL) &&
         written == n;
}

void harness_child_close_stdin(harness_child *child) {
  if (child->stdin_write != NULL) CloseHandle(child->stdin_write);
  child->stdin_write = NULL;
}

bool harness_child_wait(harness_child *child, uint32_t timeout_ms, int *exit_code_out) {
  DWORD code = 0;
  if (WaitForSingleObject(child->process, timeout_ms) != WAIT_OBJECT_0) return false;
  GetExitCodeProcess(child->process, &code);
  if (exit_code_out != NULL) *exit_code_out = (int)code;
  return true;
}

void harness_child_kill(harness_child *child) {
  TerminateProcess(child->process, 99);
  WaitForSingleObject(child->process, INFINITE);
}

void harness_child_free(harness_child *child) {
  if (child == NULL) return;
  if (child->process != NULL) {
    if (WaitForSingleObject(child->process, 0) != WAIT_OBJECT_0) harness_child_kill(child);
    CloseHandle(child->process);
  }
  harness_child_close_stdin(child);
  if (child->reader != NULL) {
    WaitForSingleObject(child->reader, INFINITE); /* the pipe broke: it ends */
    CloseHandle(child->reader);
  }
  if (child->stdout_read != NULL) CloseHandle(child->stdout_read);
  free(child->text);
  free(child);
}

void harness_run_role(const char *role, const char *arg) {
  char line[400];
  int code = -1;
  harness_child *child = harness_spawn(role, arg, NULL);
  if (child == NULL) return;
  while (harness_child_read_line(child, line, sizeof line, 120000)) harness_print("    %s\n", line);
  CHECK(harness_child_wait(child, 60000, &code));
  CHECK_EQ(code, 0);
  harness_child_free(child);
}
