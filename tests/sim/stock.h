/* stock.h: an unmodified SQLite that opens what a crash left, in one of its versions.
 *
 * The one that is linked opens what asyncvfs is to open too. Others are shared
 * objects, each an amalgamation that keeps its names to itself (build.sh), so that
 * several versions judge in one process: which one an image gets is by chance.
 */
#ifndef SIM_STOCK_H
#define SIM_STOCK_H

#include <stdint.h>

struct sqlite3;
struct sqlite3_vfs;

typedef uint64_t (*sim_hasher)(uint64_t h, const void *p, uint64_t n);

typedef struct sim_stock {
  const char *version;
  /* Opens the database, which recovers it if need be, has it checked and tells what is
   * in it. NULL, or what is wrong (static). */
  const char *(*judge)(const char *name, const char *vfs, uint64_t *content_out);
  /* Where it has its lock bytes, before it opens anything. */
  void (*lock_bytes_at)(uint32_t at);
} sim_stock;

/* Of a shared object: its one function. `parent` becomes its default VFS. */
typedef const sim_stock *(*sim_stock_starter)(const struct sqlite3_vfs *parent, sim_hasher hash);
#define SIM_STOCK_STARTER "sim_stock_start"

/* The one that is linked. */
extern const sim_stock sim_stock_linked;
/* SQLite result code. */
int sim_content(struct sqlite3 *db, const char *schema, uint64_t *hash_out);

#endif
