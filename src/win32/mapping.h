/* mapping.h: the seam's files that are memory (io.h), between mapping.c and file.c. */
#ifndef AVFS_MAPPING_H
#define AVFS_MAPPING_H

#include "seam/io.h"

int avfs_map_file(const char *path, int how, uint64_t bytes, avfs_mapping **m_out);
int avfs_unmap_file(avfs_mapping *m, int remove);
int avfs_rename_file(avfs_mapping *m, const char *path);
uint64_t avfs_boot(void);

#endif
