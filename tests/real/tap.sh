#!/bin/sh
# The vendors' official Python SDKs through the tap: what they yield or raise, healthy and under each fault, is what they
# yield or raise without it, and what the tap reports of each reply is its right verdict.
# Usage: tests/real/tap.sh [BINARY]
#
# Two simulators of one seed are asked the same, one of them through the tap. BINARY defaults to the debug build; the
# virtual environment is that of sdks.sh. Takes about a minute once the packages are there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
. "$here/sdk_venv.sh"

binary=${1:-$root/target/debug/endturn}
"$venv/bin/python" "$here/tap.py" "$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")"
