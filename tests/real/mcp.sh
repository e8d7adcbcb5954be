#!/bin/sh
# The Model Context Protocol's own Python package against us: every tool over stdio (`endturn mcp`) and over HTTP (`/mcp`),
# in both generations of the protocol, before and after the daemon is there.
# Usage: tests/real/mcp.sh [BINARY]
#
# BINARY is the debug build by default. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real;
# about 70 MB). Takes about 15 s once the packages are there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

venv mcp mcp==2.3.0

exec timeout 120 "$venv/bin/python" "$here/mcp_tools.py" "$binary"
