/* dllmain.c: the end of the process.
 *
 * A program that returns from main, or calls ExitProcess, without closing its
 * databases: Windows has ended all other threads, ours of the pool too, and calls
 * here with the one that is left. What was committed is written now. Nothing of
 * SQLite is called: its mutexes may have gone with their owners.
 *
 * TerminateProcess does not come here; nor does anything when the library is
 * unloaded, since it is pinned.
 */
#include "store/store.h"
#include "win32/port.h"

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID process_ends);

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID process_ends) {
  if (reason == DLL_PROCESS_ATTACH) DisableThreadLibraryCalls(module);
  if (reason == DLL_PROCESS_DETACH && process_ends != NULL) {
    avfs_port_alone();
    avfs_process_exit(&avfs_io_win32, (uint32_t)avfs_setting_default(AVFS_EXIT_TIMEOUT_MS));
  }
  return TRUE;
}
