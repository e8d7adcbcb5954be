#!/bin/sh
# rotel, an OTLP receiver of others (its wheel brings the program), takes the export of a daemon that probes the simulator, and hands
# on what it understood; read with opentelemetry-python's own messages, units, bounds, temporality and attributes have to be right.
# Usage: tests/real/export.sh [BINARY] [http/protobuf|grpc]
#
# BINARY is the debug build by default; grpc wants one built with --features otlp-grpc. The virtual environment is kept in
# $ENDTURN_REAL_CACHE (default target/real; about 35 MB). Takes about 15 s once the packages are there.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
venv=$cache/export
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

# Pinned: a newer one is a change of its own.
packages="rotel==0.0.1a15 opentelemetry-proto==1.45.2"

if [ "$(cat "$venv/packages" 2>/dev/null || true)" != "$packages" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    # shellcheck disable=SC2086 # a list of words
    "$venv/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" >"$venv/packages"
fi

exec timeout 120 "$venv/bin/python" "$here/export.py" "$binary" "${2:-http/protobuf}"
