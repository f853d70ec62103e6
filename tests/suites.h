/* suites.h: the suites, and the parts that child processes play. Adding
 * either is adding a line here, and its file in CMakeLists.txt. */
#ifndef AVFS_TESTS_SUITES_H
#define AVFS_TESTS_SUITES_H

/* SUITE(name): void suite_name(void), run with all.
 * FAILS(name): fails on purpose; ./dev test runs it by name.
 * SLOW(name): takes long or needs more than others; runs by name only. */
#define SUITES         \
  SUITE(harness)       \
  SUITE(differential)  \
  SUITE(regressions)   \
  SUITE(threads)       \
  SUITE(bad_input)     \
  SUITE(wal_handover)  \
  SUITE(mode)          \
  SUITE(large_transaction) \
  SLOW(large_2gib)     \
  SUITE(journal_overflow) \
  SUITE(mmap)          \
  SUITE(leaks)         \
  SUITE(loading)       \
  SUITE(durability)    \
  SUITE(recover)       \
  SUITE(sqlite3async)  \
  SUITE(kill)          \
  SUITE(survive)       \
  SUITE(survive_faults) \
  SUITE(two_processes) \
  SUITE(hot_journal)   \
  SUITE(page_table)    \
  SUITE(redo)          \
  SUITE(mapping)       \
  SUITE(lock_table)    \
  SUITE(virtual_journal) \
  SUITE(journal_format) \
  SUITE(page_writer)   \
  SUITE(batch)         \
  SUITE(scheduler)     \
  SUITE(io)            \
  SUITE(identity)      \
  SUITE(names)         \
  SUITE(faults)        \
  SUITE(errors)        \
  SUITE(presence)      \
  SUITE(limits)        \
  SUITE(tickets)       \
  SLOW(disk_full)      \
  SUITE(callbacks)     \
  FAILS(must_fail)     \
  FAILS(must_hang)     \
  FAILS(must_crash)

/* ROLE(name): int role_name(int argc, char **argv), see harness_spawn. */
#define ROLES  \
  ROLE(scheduler_turns) \
  ROLE(scheduler_hasty) \
  ROLE(names) \
  ROLE(mapping) \
  ROLE(long_paths) \
  ROLE(faults) \
  ROLE(faults_lasting) \
  ROLE(faults_relax) \
  ROLE(errors) \
  ROLE(presence) \
  ROLE(limits) \
  ROLE(tickets) \
  ROLE(echo)   \
  ROLE(sleep)  \
  ROLE(sql)    \
  ROLE(stream) \
  ROLE(survivor) \
  ROLE(survive_faults) \
  ROLE(recorder) \
  ROLE(open_uri) \
  ROLE(large) \
  ROLE(two_databases) \
  ROLE(load_extension) \
  ROLE(register) \
  ROLE(disk_commits) \
  ROLE(end_without_closing) \
  ROLE(callbacks_and_end) \
  ROLE(unregister) \
  ROLE(shutdown_again) \
  ROLE(open_in_recovery) \
  ROLE(register_meanwhile) \
  ROLE(bind) \
  ROLE(register_module) \
  ROLE(sqlite3async) \
  ROLE(sqlite3async_initialize) \
  ROLE(sqlite3async_memory)

#define SUITE(name) void suite_##name(void);
#define FAILS(name) void suite_##name(void);
#define SLOW(name) void suite_##name(void);
#define ROLE(name) int role_##name(int argc, char **argv);
SUITES
ROLES
#undef SUITE
#undef FAILS
#undef SLOW
#undef ROLE

#endif
