#!/bin/sh
# Caddy with integrations/caddy/Caddyfile: a server whose replies break off under HTTP 200 is taken out and let back in, and
# nobody is kept out once endturn is gone.
# Usage: tests/real/caddy.sh [BINARY]
#
# Needs caddy (Debian: apt-get install caddy). BINARY is the debug build by default. Takes about a minute.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
exec timeout 240 python3 "$here/caddy.py" "${1:-$here/../../target/debug/endturn}"
