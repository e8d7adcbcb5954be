#!/bin/sh
# nginx with integrations/nginx: a server whose replies break off under HTTP 200 is taken out and let back in by small
# shares, and nobody is kept out once endturn is gone.
# Usage: tests/real/nginx.sh [BINARY]
#
# Needs nginx (Debian: apt-get install nginx). BINARY is the debug build by default. Takes about a minute.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
exec timeout 240 python3 "$here/nginx.py" "${1:-$here/../../target/debug/endturn}"
