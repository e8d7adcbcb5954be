#!/bin/sh
# The files under integrations/ against the real packages, each over the simulator with faults and a daemon that watches
# it with fast canaries. What each part shows: docs/integrations.md.
# Usage: tests/real/integrations.sh [BINARY [PART..]]
#
# BINARY is the debug build by default. Parts: unit plain litellm agents openrouter (these unless given), and
# litellm-proxy crewai autogen n8n. Virtual environments are kept in $ENDTURN_REAL_CACHE (default target/real).
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- unit plain litellm agents openrouter

# shellcheck source=tests/real/integrations/packages.sh
. "$here/integrations/packages.sh"

# part NAME SECONDS VENV ARGUMENT..
part() {
    echo "== $1"
    from=$(date +%s)
    seconds=$2 python=$3/bin/python script=$here/integrations/$4
    name=$1
    shift 4
    timeout "$seconds" "$python" "$script" "$binary" "$@" || status=1
    echo "== $name: $(($(date +%s) - from)) s"
}

status=0
for name in "$@"; do
    case $name in
    unit)
        echo "== unit"
        (cd "$root/integrations/python" && timeout 60 python3 -m unittest) || status=1
        (cd "$root/integrations/openrouter" && PYTHONPATH=../python timeout 60 python3 -m unittest) || status=1
        ;;
    plain)
        agents_venv
        typescript
        part plain 200 "$agents" plain.py ${tsx:+"$tsx"}
        ;;
    litellm)
        router_venv
        part litellm 300 "$router" litellm_router.py
        ;;
    litellm-proxy)
        proxy_venv
        part litellm-proxy 600 "$proxy" litellm_proxy.py
        ;;
    agents)
        agents_venv
        part agents 200 "$agents" agents.py
        ;;
    openrouter)
        agents_venv
        part openrouter 100 "$agents" openrouter.py
        ;;
    crewai)
        crewai_venv
        part crewai 300 "$crewai" frameworks.py crewai
        ;;
    autogen)
        autogen_venv
        part autogen 200 "$autogen" frameworks.py autogen
        ;;
    n8n)
        n8n_package
        part n8n 600 "$agents" n8n.py "$n8n"
        ;;
    *)
        echo "no such part: $name" >&2
        exit 2
        ;;
    esac
done
exit "$status"
