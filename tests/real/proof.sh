#!/bin/sh
# The proof: 1,000 requests through a replayed outage, with the feed steering and without. Prints tables in Markdown.
# Usage: tests/real/proof.sh [BINARY [--write] [SEED]]
#
# BINARY is the debug build by default; --write puts the tables into README.md and docs/integrations.md. Takes seven minutes, and wants a machine that does little else: what is measured
# runs side by side. Virtual environments are kept in $ENDTURN_REAL_CACHE (default target/real).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

# shellcheck source=tests/real/integrations/packages.sh
. "$here/integrations/packages.sh"
agents_venv
router_venv

[ $# = 0 ] || shift
exec timeout 900 python3 "$here/proof.py" "$binary" "$agents/bin/python" "$router/bin/python" "$@"
