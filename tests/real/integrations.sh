#!/bin/sh
# The files under integrations/ against the real packages, each over the simulator with faults and a daemon that watches
# it with fast canaries. What each part shows: docs/integrations.md.
# Usage: tests/real/integrations.sh [BINARY [PART..]]
#
# BINARY is the debug build by default. Parts: unit plain litellm agents openrouter (these unless given), and
# litellm-proxy crewai autogen n8n. Virtual environments are kept in $ENDTURN_REAL_CACHE (default target/real).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- unit plain litellm agents openrouter

# shellcheck source=tests/real/integrations/packages.sh
. "$here/integrations/packages.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# part NAME SECONDS VENV ARGUMENT..
part() {
    name=$1 seconds=$2 python=$3/bin/python script=$here/integrations/$4
    shift 4
    from=$(date +%s)
    timeout "$seconds" "$python" "$script" "$binary" "$@" || return 1
    echo "== $name: $(($(date +%s) - from)) s"
}

unit() {
    (cd "$root/integrations/python" && timeout 60 python3 -m unittest) || return 1
    (cd "$root/integrations/openrouter" && PYTHONPATH=../python timeout 60 python3 -m unittest)
}

for name in "$@"; do
    case $name in
    unit) ;;
    plain) agents_venv && typescript ;;
    agents | openrouter) agents_venv ;;
    litellm) router_venv ;;
    litellm-proxy) proxy_venv ;;
    crewai) crewai_venv ;;
    autogen) autogen_venv ;;
    n8n) agents_venv && n8n_package ;;
    *)
        echo "no such part: $name" >&2
        exit 2
        ;;
    esac
done

# All at once: they wait more than they compute.
for name in "$@"; do
    case $name in
    unit) unit ;;
    plain) part plain 200 "$agents" plain.py ${tsx:+"$tsx"} ;;
    litellm) part litellm 300 "$router" litellm_router.py ;;
    litellm-proxy) part litellm-proxy 600 "$proxy" litellm_proxy.py ;;
    agents) part agents 200 "$agents" agents.py ;;
    openrouter) part openrouter 100 "$agents" openrouter.py ;;
    crewai) part crewai 300 "$crewai" frameworks.py crewai ;;
    autogen) part autogen 200 "$autogen" frameworks.py autogen ;;
    n8n) part n8n 600 "$agents" n8n.py "$n8n" ;;
    esac >"$work/$name" 2>&1 &
    echo $! >"$work/$name.pid"
done

status=0
for name in "$@"; do
    wait "$(cat "$work/$name.pid")" || status=1
    echo "== $name"
    cat "$work/$name"
done
exit "$status"
