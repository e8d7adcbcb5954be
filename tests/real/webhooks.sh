#!/bin/sh
# The Standard Webhooks project's own Python package verifies what `endturn alert test` sends: with each of two secrets, as an
# envelope, as JSON and by a template; a message that was touched, or signed with another secret, it refuses.
# Usage: tests/real/webhooks.sh [BINARY]
#
# BINARY is the debug build by default. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real; 3 MB).
# Takes some seconds.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
# It runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

venv webhooks standardwebhooks==1.1.0

exec timeout 120 "$venv/bin/python" "$here/webhooks.py" "$binary"
