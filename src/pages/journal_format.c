/* journal_format.c: see journal_format.h. */
#include "pages/journal_format.h"

#include <string.h>

const unsigned char avfs_journal_magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};

uint32_t avfs_get4(const unsigned char *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void avfs_put4(unsigned char *p, uint32_t v) {
  p[0] = (unsigned char)(v >> 24);
  p[1] = (unsigned char)(v >> 16);
  p[2] = (unsigned char)(v >> 8);
  p[3] = (unsigned char)v;
}

uint32_t avfs_record_bytes(uint32_t page_bytes) { return page_bytes + 8; }

static uint64_t round_up(uint64_t n) { return (n + AVFS_SECTOR - 1) / AVFS_SECTOR * AVFS_SECTOR; }

uint64_t avfs_segment_after(uint64_t end) { return round_up(end); }

uint64_t avfs_journal_length(uint64_t end) { return round_up(end + 8); }

void avfs_journal_header(unsigned char sector[AVFS_SECTOR], uint32_t records, uint32_t nonce,
                         uint32_t pages, uint32_t page_bytes) {
  memset(sector, 0, AVFS_SECTOR);
  memcpy(sector, avfs_journal_magic, sizeof avfs_journal_magic);
  avfs_put4(sector + 8, records);
  avfs_put4(sector + 12, nonce);
  avfs_put4(sector + 16, pages);
  avfs_put4(sector + 20, AVFS_SECTOR);
  avfs_put4(sector + 24, page_bytes);
}

void avfs_journal_record(unsigned char *to, uint32_t pgno, const unsigned char *data,
                         uint32_t page_bytes, uint32_t nonce) {
  uint32_t checksum = nonce;
  int i;
  for (i = (int)page_bytes - 200; i > 0; i -= 200) checksum += data[i];   /* pager_cksum */
  avfs_put4(to, pgno);
  memcpy(to + 4, data, page_bytes);
  avfs_put4(to + 4 + page_bytes, checksum);
}

uint32_t avfs_super_record(unsigned char *to, const char *name, uint32_t name_bytes,
                           uint32_t page_bytes) {
  uint32_t checksum = 0, i;
  for (i = 0; i < name_bytes; i++) checksum += (uint32_t)(signed char)name[i];
  avfs_put4(to, avfs_lock_byte_pgno(page_bytes));
  memcpy(to + 4, name, name_bytes);
  avfs_put4(to + 4 + name_bytes, name_bytes);
  avfs_put4(to + 8 + name_bytes, checksum);
  memcpy(to + 12 + name_bytes, avfs_journal_magic, sizeof avfs_journal_magic);
  return name_bytes + 20;
}
