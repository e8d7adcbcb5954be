#!/bin/sh
# The HTTP API against its own description: schemathesis reads /openapi.json of a running daemon and asks every operation
# with right and wrong requests. Nothing found is the pass.
# Usage: tests/real/schemathesis.sh [BINARY]
#
# BINARY is the debug build unless given. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real).
# Takes half a minute.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"

venv schemathesis schemathesis==4.32.5

exec timeout 240 "$venv/bin/python" "$here/openapi.py" "${1:-$root/target/debug/endturn}" "$venv/bin/schemathesis"
