#!/bin/sh
# The vendors' official Python SDKs against the simulator: they must stream from it without noticing, and see its
# errors as their own. Usage: tests/real/sdks.sh [BINARY [ARG..]]
#
# BINARY is started with `--listen 127.0.0.1:PORT` after its arguments; without one, `endturn simulate` of the debug
# build is used. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real). Takes about 15 s once
# the packages are there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
venv=$cache/sdks

# Pinned: a newer SDK is a change of its own. Seen working in November 2026.
packages="anthropic==2.12.0 openai==3.54.0 google-genai==3.4.0"

if [ "$(cat "$venv/packages" 2>/dev/null || true)" != "$packages" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # a list of words
    "$venv/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" >"$venv/packages"
fi

port=${ENDTURN_REAL_PORT:-18601}
if [ $# -eq 0 ]; then
    set -- "$root/target/debug/endturn" simulate
fi
"$@" --listen "127.0.0.1:$port" >/dev/null &
simulator=$!
trap 'kill "$simulator" 2>/dev/null || true' EXIT INT TERM

"$venv/bin/python" "$here/sdks.py" "http://127.0.0.1:$port"
