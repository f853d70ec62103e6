#!/bin/sh
# portable_sources.sh SRC: the sources of src/ that compile without Windows, for what is built
# natively over another seam (sim, native, record): all rooms but win32, which implements the
# seam, and api, which looks for the SQLite of a Windows process.
find "$1" -mindepth 2 -name '*.c' ! -path "$1/win32/*" ! -path "$1/api/*" | sort
