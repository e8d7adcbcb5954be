#!/bin/sh
# The vendors' official Python SDKs against the simulator: they must stream from it without noticing, see its errors as
# their own, and docs/sdk-truncation.md must say which of them take which broken reply for a whole one.
# Usage: tests/real/sdks.sh [--write] [BINARY [ARG..]]
#
# BINARY is started with `--listen 127.0.0.1:PORT` after its arguments; without one, `endturn simulate` of the debug
# build is used. --write writes the document's table anew. The virtual environment is kept in $ENDTURN_REAL_CACHE
# (default target/real; about 260 MB). Takes about 50 s once the packages are there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"

mode=--check
if [ "${1:-}" = --write ]; then
    mode=--write
    shift
fi

. "$here/sdk_venv.sh"

port=${ENDTURN_REAL_PORT:-18601}
if [ $# -eq 0 ]; then
    set -- "$root/target/debug/endturn" simulate
fi
"$@" --listen "127.0.0.1:$port" >/dev/null &
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true' EXIT INT TERM

"$venv/bin/python" "$here/sdks.py" "http://127.0.0.1:$port"
"$venv/bin/python" "$here/sdk_streams.py" "http://127.0.0.1:$port" "$mode" "$root/docs/sdk-truncation.md"
