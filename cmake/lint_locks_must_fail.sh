#!/bin/sh
# lint_locks_must_fail.sh COMPILER ARGS...: clang's analysis of lint_locks_must_fail.c tells of its
# wrong order of locks.
said=$("$@" 2>&1)
case $said in
  *"'avfs_binding_role' must be acquired before 'avfs_port_role'"*) ;;
  *) echo "error: clang does not see that the locks are in the wrong order: $said"; exit 1 ;;
esac
