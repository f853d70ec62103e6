/* dllmain.c: the end of the process.
 *
 * A program that returns from main, or calls ExitProcess, without closing its
 * databases: Windows has ended all other threads, ours of the pool too, and calls
 * here with the one that is left. What the others had begun is first waited for: a thread that
 * is ended finishes the call of the system that it is in, and its operations stay in flight. What
 * was committed is written then. Nothing of
 * SQLite is called: its mutexes may have gone with their owners.
 *
 * The static library has no DllMain. Windows calls it through the program's list of TLS
 * callbacks, at the same moment; Wine does so for DLLs alone, and thus for programs there
 * is atexit as well, while the other threads are still there.
 *
 * TerminateProcess does not come here; nor does anything when the library is
 * unloaded, since it is pinned.
 */
#include <stdlib.h>

#include "asyncvfs.h"

#include "api/bind.h"
#include "seam/log.h"
#include "store/exit.h"
#include "store/settings.h"
#include "win32/port.h"

static void end_of_process(void) {
  uint32_t timeout_ms = (uint32_t)avfs_setting_default(AVFS_EXIT_TIMEOUT_MS);
  uint64_t began = avfs_clock_now_ns(), took_ms;
  if (!avfs_port_exit(timeout_ms)) {
    avfs_log_line("asyncvfs: the process ended while the disk was busy with a call that does not "
                  "end; what was not on disk is lost");
    return;
  }
  took_ms = avfs_ns_to_ms(avfs_clock_now_ns() - began);
  avfs_process_exit(&avfs_io_win32, took_ms < timeout_ms ? timeout_ms - (uint32_t)took_ms : 0);
}

#ifdef ASYNCVFS_STATIC

static void at_exit(void) {
  asyncvfs_flush(NULL, (int)avfs_setting_default(AVFS_EXIT_TIMEOUT_MS));
}

void avfs_watch_exit(void) {
  static volatile LONG watched;
  if (InterlockedExchange(&watched, 1) == 0) atexit(at_exit);
}

static void NTAPI on_tls(PVOID module, DWORD reason, PVOID unused) {
  (void)module;
  (void)unused;
  if (reason == DLL_PROCESS_DETACH) end_of_process();
}

extern const PIMAGE_TLS_CALLBACK avfs_tls_callback;
# ifdef _MSC_VER
#  pragma section(".CRT$XLF", long, read)
__declspec(allocate(".CRT$XLF"))
#  ifdef _M_IX86
#   pragma comment(linker, "/INCLUDE:__tls_used")
#   pragma comment(linker, "/INCLUDE:_avfs_tls_callback")   /* nothing refers to it: /GL drops it */
#  else
#   pragma comment(linker, "/INCLUDE:_tls_used")
#   pragma comment(linker, "/INCLUDE:avfs_tls_callback")
#  endif
# else
__attribute__((section(".CRT$XLF"), used))
# endif
const PIMAGE_TLS_CALLBACK avfs_tls_callback = on_tls;

#else

void avfs_watch_exit(void) {}   /* DllMain is called anyhow */

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID process_ends);

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID process_ends) {
  if (reason == DLL_PROCESS_ATTACH) DisableThreadLibraryCalls(module);
  if (reason == DLL_PROCESS_DETACH && process_ends != NULL) end_of_process();
  return TRUE;
}

#endif
