#!/bin/sh
# rotel, an OTLP receiver of others (its wheel brings the program), takes the export of a daemon that probes the simulator, and hands
# on what it understood; read with opentelemetry-python's own messages, units, bounds, temporality and attributes have to be right.
# Usage: tests/real/export.sh [BINARY] [http/protobuf|grpc]
#
# BINARY is the debug build by default; grpc wants one built with --features otlp-grpc. The virtual environment is kept in
# $ENDTURN_REAL_CACHE (default target/real; about 35 MB). Takes about 15 s once the packages are there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

venv export rotel==0.0.1a15 opentelemetry-proto==1.45.2

exec timeout 120 "$venv/bin/python" "$here/export.py" "$binary" "${2:-http/protobuf}"
