/* check.h: asserts what state.h says always holds, where no change is half done. Walks all
 * tables, so only in builds with AVFS_CHECK (the debug preset, the simulation). */
#ifndef AVFS_CHECK_H
#define AVFS_CHECK_H

#include "store/state.h"

#ifdef AVFS_CHECK
void avfs_store_check(const avfs_store *s) AVFS_REQUIRES(avfs_store_role);
#else
# define avfs_store_check(s) ((void)(s))
#endif

#endif
