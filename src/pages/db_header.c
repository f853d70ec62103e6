/* db_header.c: see db_header.h. */
#include "pages/db_header.h"

#include <string.h>

const char avfs_header_wal[] = "the database is in WAL mode";

const char *avfs_header_objection(const unsigned char *header, uint64_t size) {
  if (size == 0) return NULL;
  if (size < AVFS_DB_HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0) {
    return "the file is no plain SQLite database: it is encrypted, or something else";
  }
  /* The write and read version: 1 rollback journal, 2 WAL (fileformat2.html 1.3.3). */
  if (header[18] == 1 && header[19] == 1) return NULL;
  return header[18] <= 2 && header[19] <= 2 ? avfs_header_wal : "the database is of a format that is newer than asyncvfs";
}

uint32_t avfs_header_page_bytes(const unsigned char *header) {
  uint32_t n = (uint32_t)header[16] << 8 | header[17];
  if (n == 1) n = 65536;
  return avfs_is_page_size(n) ? n : 0;
}
