#!/bin/sh
# lint_rooms.sh SRC ROOM...: fails if a file of these rooms includes a header
# of Windows. They reach the machine through the seam (src/win32/io.h) alone,
# so that the tests can put a simulated one behind it.
src=$1
shift
status=0
for room; do
  [ -d "$src/$room" ] || continue
  if grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](windows|winternl|winioctl|windef|winbase)\.h' "$src/$room"; then
    echo "error: src/$room must not include a Windows header; use src/win32/io.h" >&2
    status=1
  fi
done
exit $status
