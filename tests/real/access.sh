#!/bin/sh
# Caddy and nginx, as docs/access.md has them, in front of a daemon that asks for tokens: names, tokens, scopes, passwords, pages of
# other sites, events.
# Usage: tests/real/access.sh [BINARY]
#
# Needs caddy and nginx (Debian: apt-get install caddy nginx-light). BINARY is the debug build by default. Takes about 20 s.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
exec timeout 120 python3 "$here/access.py" "${1:-$here/../../target/debug/endturn}"
