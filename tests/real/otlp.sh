#!/bin/sh
# opentelemetry-python with two instrumentations of the OpenAI SDK, OpenTelemetry's own and OpenLLMetry, against the
# simulator, exporting by OTLP/HTTP to a daemon: the right observations have to come out.
# Usage: tests/real/otlp.sh [BINARY]
#
# BINARY is the debug build by default. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real;
# about 89 MB). Takes about 20 s once the packages are there. With ENDTURN_CLAUDE set to a Claude Code binary (2.1.197
# was seen working), its telemetry is checked as well.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
# The daemon runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

# The instrumentation's own dependencies are too loose to work: it needs httpx, which the SDK no longer brings, and a
# module that later versions of its utilities dropped.
venv otlp openai==3.54.0 httpx==0.28.1 opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2 \
    opentelemetry-instrumentation-openai-v2==2.4b0 opentelemetry-util-genai==1.1b0 \
    opentelemetry-instrumentation-openai==0.62.4

exec timeout 300 "$venv/bin/python" "$here/otlp.py" "$binary"
