#!/bin/sh
# A real gateway between us and a provider: the LiteLLM proxy over the simulator and, if tests/real/servers.sh ran
# before, over a real inference server. Replies are cut before the gateway and behind it.
# Usage: tests/real/litellm.sh [BINARY [--write]]
#
# BINARY is the debug build by default. What is found must be what docs/gateways.md says; --write writes it there. The
# virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real). The gateway takes 20 to 50 s to come up, the
# checks two minutes.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
venv=$cache/litellm
binary=${1:-$root/target/debug/endturn}

packages="litellm[proxy]==1.106.2"

if [ "$(cat "$venv/packages" 2>/dev/null || true)" != "$packages" ]; then
    mkdir -p "$cache"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$packages"
    echo "$packages" >"$venv/packages"
fi

[ $# -eq 0 ] || shift
exec timeout 1500 "$venv/bin/python" "$here/litellm.py" "$binary" "$cache" "$@"
