#!/bin/sh
# lint_rooms.sh SRC: what a room (a folder of src) may include. Arrows point down:
#
#   api -> vfs -> store -> engine, redo -> pages -> seam <- win32
#
# Windows' headers are for win32 and api/dllmain.c, api/host.c alone: the others reach the machine
# through the seam, behind which tests put another. win32 implements the seam, and is included by
# nobody but who starts it.
src=$1
status=0

complain() { # FILE:LINE:INCLUDE, WHY
  echo "error: $1: $2" >&2
  status=1
}

# check ROOM ALLOWED...
check() {
  room=$1
  shift
  allowed=$(echo "$room $*" | tr ' ' '|')
  bad=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[a-z0-9]+/' "$src/$room" | grep -vE "\"($allowed)/" || true)
  [ -z "$bad" ] || complain "$bad" "src/$room may include only: $room $*"
}
check seam
check win32 seam
check pages seam
check engine pages seam
check redo pages seam
check store redo engine pages seam
check vfs store redo engine pages seam
check api vfs store redo engine pages seam win32

for room in seam pages engine redo store vfs; do
  bad=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](windows|winternl|winioctl|windef|winbase)\.h' "$src/$room" || true)
  [ -z "$bad" ] || complain "$bad" "src/$room must not include a Windows header; use src/seam/io.h"
done
# Within a room, arrows between files (a .c with its .h) form no circle.
for room in seam pages engine redo store; do
  loop=$(for file in "$src/$room"/*.[ch]; do
      from=$(basename "${file%.*}")
      sed -n "s|^#include \"$room/\([a-z_0-9]*\)\.h\".*|$from \1|p" "$file" | grep -v "^$from $from$" || true
    done | tsort 2>&1 >/dev/null | sed -n 's/^tsort: //p' | tr '\n' ' ')
  [ -z "$loop" ] || complain "src/$room" "its files include each other in a circle: $loop"
done

# What a store is made of, beside its names and its ids, is its own.
parts='content|os|turns|commits|drain|ring|room|views|settings|batch|spare|task|writer|through|changed|lock'
bad=$(grep -nE "(\<s|store)->($parts)\>" "$src"/vfs/*.c "$src"/api/*.c || true)
[ -z "$bad" ] || complain "$bad" "a field of a store: use a function of src/store"
exit $status
