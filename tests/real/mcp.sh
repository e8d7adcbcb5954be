#!/bin/sh
# The Model Context Protocol's own Python package against us: every tool over stdio (`endturn mcp`) and over HTTP (`/mcp`),
# in both generations of the protocol, before and after the daemon is there.
# Usage: tests/real/mcp.sh [BINARY]
#
# BINARY is the debug build by default. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real;
# about 70 MB). Takes about 15 s once the packages are there.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
venv=$cache/mcp
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

# Pinned: a newer one is a change of its own.
packages="mcp==2.3.0"

if [ "$(cat "$venv/packages" 2>/dev/null || true)" != "$packages" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # a list of words
    "$venv/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" >"$venv/packages"
fi

exec timeout 120 "$venv/bin/python" "$here/mcp_tools.py" "$binary"
