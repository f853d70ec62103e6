/* Not part of any program: lint_locks is worth nothing if it cannot fail, and on this it must. The
 * first and the last role of the list in seam/sync.h are taken in the wrong order; that there is an
 * order between them, all those in between have to say. */
#include "seam/sync.h"

struct outermost {
  avfs_lock lock;
};
struct innermost {
  avfs_lock lock;
};
AVFS_LOCK_FUNCTIONS(outermost, struct outermost, avfs_binding_role)
AVFS_LOCK_FUNCTIONS(innermost, struct innermost, avfs_port_role)

void wrong_order(struct outermost *o, struct innermost *i);
void wrong_order(struct outermost *o, struct innermost *i) {
  innermost_enter(i);
  outermost_enter(o);
  outermost_leave(o);
  innermost_leave(i);
}
