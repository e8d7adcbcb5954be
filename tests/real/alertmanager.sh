#!/bin/sh
# Prometheus' Alertmanager (Debian's) receives the alerts of a daemon whose provider breaks, groups them, keeps them while
# they are told again, resolves them when the provider is well, and by itself when the daemon dies.
# Usage: tests/real/alertmanager.sh [BINARY]
#
# BINARY is the debug build by default. Needs prometheus-alertmanager (apt-get install prometheus-alertmanager, with amtool)
# and python3. Takes about 90 s, most of them the time for which a dead daemon's alerts stand.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

exec timeout 300 python3 "$here/alertmanager.py" "$binary"
