#!/bin/sh
# lint_settings.sh ROOT: fails unless docs/SETTINGS.md lists exactly the settings of
# src/store/settings.c.
root=$1
code=$(sed -n 's/^ *\[AVFS_[A-Z_]*\] = {"\([a-z_]*\)".*/\1/p' "$root/src/store/settings.c" | sort)
docs=$(sed -n -e '/^## The status/q' -e 's/^| `\([a-z_]*\)` |.*/\1/p' "$root/docs/SETTINGS.md" | sort)
[ -n "$code" ] && [ "$code" = "$docs" ] && exit 0
echo "error: src/store/settings.c and docs/SETTINGS.md list different settings:" >&2
printf '%s\n' "$code" "$docs" | sort | uniq -u >&2
exit 1
