#!/bin/sh
# HAProxy with integrations/haproxy/haproxy.cfg: a server whose replies break off under HTTP 200 is taken out and let back
# in, and nobody is kept out once endturn is gone.
# Usage: tests/real/haproxy.sh [BINARY]
#
# Needs haproxy (Debian: apt-get install haproxy). BINARY is the debug build by default. Takes about a minute.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
exec timeout 240 python3 "$here/haproxy.py" "${1:-$here/../../target/debug/endturn}"
