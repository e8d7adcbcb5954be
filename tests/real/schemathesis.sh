#!/bin/sh
# The HTTP API against its own description: schemathesis reads /openapi.json of a running daemon and asks every operation
# with right and wrong requests. Nothing found is the pass.
# Usage: tests/real/schemathesis.sh [BINARY]
#
# BINARY is the debug build unless given. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real).
# Takes half a minute.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
venv=$cache/schemathesis

packages="schemathesis==4.32.5"

if [ "$(cat "$venv/packages" 2>/dev/null || true)" != "$packages" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$packages"
    echo "$packages" >"$venv/packages"
fi

exec timeout 240 "$venv/bin/python" "$here/openapi.py" "${1:-$root/target/debug/endturn}" "$venv/bin/schemathesis"
