#!/bin/bash
# Proves that the simulation bites: plants one bug at a time into a copy of src/ and
# runs until it is caught, or SIM_SECONDS are over. Names choose some of them.
#   usage: plant.sh [NAME...]        SIM_SRC: what to copy; SIM_ARGS: more for sim
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
src=${SIM_SRC:-$root/src}
out=$root/build/sim-planted
seconds=${SIM_SECONDS:-25}
mkdir -p "$out" "$root/build/sim"
[ -f "$root/build/sim/sqlite3.o" ] || "$here/build.sh"
ln -sf ../sim/sqlite3.o "$out/sqlite3.o"

# name | file | what perl does to its text
bugs='
no_journal_flush|engine/batch.c|s/case AVFS_BATCH_JOURNAL_FLUSH: rc = flush\(b, b->journal\); break;/case AVFS_BATCH_JOURNAL_FLUSH: break;/
no_header_flush|engine/batch.c|s/(case AVFS_BATCH_HEADER_FLUSH:\s+)rc = flush\(b, b->journal\);/$1/
no_pages_flush|engine/batch.c|s/case AVFS_BATCH_PAGES_FLUSH: rc = flush\(b, b->db\); break;/case AVFS_BATCH_PAGES_FLUSH: break;/
no_void_flush|engine/batch.c|s/(case AVFS_BATCH_VOID_FLUSH:\s+)rc = flush\(b, b->journal\);/$1/
no_void|engine/batch.c|s/case AVFS_BATCH_VOID: rc = state_void\(b, &wait\); break;/case AVFS_BATCH_VOID: break;/
pre_image_missed|engine/batch.c|s/if \(p->pgno > b->before_pages\) break;/if (p->pgno >= b->before_pages) break;/
n0_too_small|engine/batch.c|s/\(b->before_bytes \+ b->page_bytes - 1\) \/ b->page_bytes\)/(b->before_bytes \/ b->page_bytes) - (b->before_bytes > 4 * b->page_bytes))/
cut_before_void|engine/batch.c|s/case AVFS_BATCH_PAGES_FLUSH: rc = flush\(b, b->db\); break;/case AVFS_BATCH_PAGES_FLUSH: rc = flush(b, b->db); if (rc == SQLITE_OK \&\& !b->input.more) rc = state_cut(b); break;/
no_cut|engine/batch.c|s/case AVFS_BATCH_CUT: rc = state_cut\(b\); break;/case AVFS_BATCH_CUT: break;/
stale_tail|engine/batch.c|s/rc = b->io->resize\(b->journal, length\);/rc = SQLITE_OK; (void)length;/
failed_flush_forgotten|engine/batch.c|s/case AVFS_BATCH_PAGES_FLUSH: return AVFS_BATCH_PAGES;//
found_journal_not_cut|engine/batch.c|s/rc == SQLITE_OK && size > 0\)/rc == SQLITE_OK \&\& size > (uint64_t)1 << 60)/
durable_too_early|store/backlog.c|s/s->draining_seq = s->commit_seq;/s->draining_seq = s->durable_seq = s->commit_seq;/
lock_given_up_early|store/process_lock.c|s/if \(s->lingering \|\| !avfs_backlog_is_empty\(s\)\) return AVFS_LOCK_EXCLUSIVE;//
stale_size|store/process_lock.c|s/s->committed.size = s->draining.size = s->disk_bytes = f->size;/if (s->committed.size == 0) s->committed.size = s->draining.size = s->disk_bytes = f->size;/
stale_header|store/process_lock.c|s/memcpy\(s->header, f->header, sizeof s->header\);/if (s->header[0] == 0) memcpy(s->header, f->header, sizeof s->header);/
no_recovery|store/process_lock.c|s/\*hot_out = first_byte\(s\) != 0;/*hot_out = 0;/
discard_forgotten|store/transaction.c|s/if \(s->txn.count > 0\) avfs_page_table_clear\(&s->txn, &s->txn_pool\);\s+avfs_virtual_journal_reset/if (s->txn.count > 0) avfs_page_table_merge(\&s->committed, \&s->txn, \&s->txn_pool);\n  avfs_virtual_journal_reset/
undo_forgotten|store/transaction.c|s/rc = avfs_batch_undo\(&s->batch\);/avfs_batch_abandon(\&s->batch);/
gap_not_zeroed|store/content.c|s/if \(stale > upto\) stale = upto;/stale = 0;/
draining_not_read|store/content.c|s/if \(p == NULL && s->draining.count > 0\) p = avfs_page_table_find/if (p == NULL \&\& s->draining.count > 999999) p = avfs_page_table_find/
super_left_out|engine/batch.c|s/case AVFS_BATCH_SUPER: rc = state_super\(b, &wait\); break;/case AVFS_BATCH_SUPER: break;/
decided_too_early|store/transaction.c|s/int avfs_transaction_sync/static void finish_through(avfs_store *s);\nint avfs_transaction_sync/; s/if \(rc == SQLITE_OK && super != NULL\) s->through = AVFS_THROUGH_DECIDED;/if (rc == SQLITE_OK \&\& super != NULL) {\n    avfs_store_enter(s);\n    finish_through(s);\n    avfs_store_leave(s);\n    avfs_store_kick(s);\n  }/
disk_returns_early|store/process_lock.c|s/rc = avfs_backlog_wait_durable\(s, seq, AVFS_FOREVER\);/rc = SQLITE_OK;/
restart_too_late|engine/batch.c|s/(if \(b->state < AVFS_BATCH_HEADER\) b->state = AVFS_BATCH_OPEN;\s+)else b->state = state_again\(b\);/$1else b->state = b->state == AVFS_BATCH_PAGES ? AVFS_BATCH_VOID : state_again(b);/
journal_kept_open|store/process_lock.c|s/(in the way of\s+\* another process.s commit, which deletes its own of the same name. \*\/\s+)rc = avfs_batch_remove_journal\(&s->batch\);/$1rc = SQLITE_OK;/
'
caught=0 total=0
while IFS='|' read -r name file edit; do
  [ -n "$name" ] || continue
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  total=$((total + 1))
  rm -rf "$out/src"
  cp -r "$src" "$out/src"
  perl -0pi -e "$edit" "$out/src/$file"
  if cmp -s "$src/$file" "$out/src/$file"; then
    printf '%-24s NOT PLANTED: %s has changed\n' "$name" "$file"
    continue
  fi
  if ! SIM_SRC=$out/src "$here/build.sh" "$out" >"$out/build.log" 2>&1; then
    printf '%-24s does not compile: %s\n' "$name" "$out/build.log"
    continue
  fi
  start=$SECONDS
  # shellcheck disable=SC2086
  if "$out/sim" --seconds "$seconds" ${SIM_ARGS:-} >"$out/run.log" 2>&1; then
    printf '%-24s SURVIVES %d s: %s\n' "$name" $((SECONDS - start)) \
      "$(grep -o '^summary: [0-9]* distinct crash images' "$out/run.log")"
  else
    caught=$((caught + 1))
    printf '%-24s caught in %d s: %s\n' "$name" $((SECONDS - start)) \
      "$(grep -h '^seed\|Assertion' "$out/run.log" | head -n 1 | cut -c1-110)"
  fi
done <<<"$bugs"
echo "$caught of $total planted bugs caught"
[ "$caught" = "$total" ]
