/* identity.h: which file a name leads to (identity.c), for file.c. */
#ifndef AVFS_WIN32_IDENTITY_H
#define AVFS_WIN32_IDENTITY_H

#include "seam/io.h"

#include <windows.h>

/* Of a file that was opened by this path. */
int avfs_identity_of_handle(HANDLE h, const WCHAR *path, avfs_identity *id_out);
/* The number of its names. */
int avfs_links_of_handle(HANDLE h, uint32_t *links_out);
/* 1 when the volume is certainly on this machine. */
int avfs_handle_is_local(HANDLE h);
/* The decision: remote_error is what a question for the file's network protocol failed with, 0:
 * it has one; type and characteristics are those of FileFsDeviceInformation. */
int avfs_device_is_local(DWORD remote_error, DWORD type, DWORD characteristics);
/* UTF-8 to UTF-16. To be freed by avfs_free; NULL without memory or when path is no UTF-8. */
WCHAR *avfs_wide_path(const char *path);

#endif
