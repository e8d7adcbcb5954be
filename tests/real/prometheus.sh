#!/bin/sh
# Prometheus itself (Debian's) scrapes the demo and a daemon in both text formats; promtool lints what it gets and tests the
# rules; every query of the dashboards is asked of it, and the alert of the demo's outage has to fire.
# Usage: tests/real/prometheus.sh [BINARY]
#
# BINARY is the debug build by default. Needs prometheus and promtool (apt-get install prometheus) and python3. Takes about
# 65 s: the demo's outage, and the time that the alert waits.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

promtool check rules "$root"/dashboards/prometheus/*.rules.yml
(cd "$root/dashboards/prometheus" && promtool test rules rules.test.yml)
exec timeout 300 python3 "$here/prometheus.py" "$binary"
