#!/bin/sh
# A real gateway between us and a provider: the LiteLLM proxy over the simulator and, if tests/real/servers.sh ran
# before, over a real inference server. Replies are cut before the gateway and behind it.
# Usage: tests/real/litellm.sh [BINARY [--write]]
#
# BINARY is the debug build by default. What is found must be what docs/gateways.md says; --write writes it there. The
# virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real). The gateway takes 20 to 50 s to come up, the
# checks two minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}

venv litellm "litellm[proxy]==1.106.2"

[ $# -eq 0 ] || shift
exec timeout 1500 "$venv/bin/python" "$here/litellm.py" "$binary" "$cache" "$@"
