#!/bin/sh
# A real gateway between us and a provider: the LiteLLM proxy over the simulator and over a mock model of its own, and in
# front of it a TCP proxy of ours that cuts a reply after some bytes. Usage: tests/real/litellm.sh [BINARY]
#
# First with curl: a healthy stream is whole, a cut one ends as it was cut. Then with `endturn probe` (BINARY, default
# the debug build) over OpenAI Chat and Anthropic Messages: the healthy targets are complete, the cut ones truncated.
# `PROBE=no` leaves the second part out; SIMULATOR (default `BINARY simulate`) is started with `--listen`. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real).
# The gateway takes 20 to 50 s to come up.
set -eu

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

work=$(mktemp -d)
pids=""
finish() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

gateway=${ENDTURN_REAL_PORT:-18611}
fin=$((gateway + 1))
reset=$((gateway + 2))

simulator=$((gateway + 3))
# shellcheck disable=SC2086 # a command and its arguments
${SIMULATOR:-"$binary" simulate} --listen "127.0.0.1:$simulator" >/dev/null &
pids="$pids $!"

# The mock answers `stream: true` with plain JSON on /v1/messages: one more shape that a probe must bear.
cat >"$work/litellm.yaml" <<YAML
model_list:
  - model_name: mock
    litellm_params:
      model: openai/mock
      api_key: none
      mock_response: "one two three four five six seven eight nine ten"
  - model_name: chat
    litellm_params:
      model: openai/gpt-5.2
      api_base: http://127.0.0.1:$simulator/openai/v1
      api_key: any
  - model_name: messages
    litellm_params:
      model: anthropic/claude-haiku-4-5
      api_base: http://127.0.0.1:$simulator/anthropic
      api_key: any
YAML

# It starts with a master key alone: one of our own for this run. The gateway hears loopback and reaches only the simulator.
key="sk-$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')"
LITELLM_MASTER_KEY="$key" LITELLM_LOCAL_MODEL_COST_MAP=True "$venv/bin/litellm" --config "$work/litellm.yaml" --host 127.0.0.1 \
    --port "$gateway" >"$work/gateway.log" 2>&1 &
pids="$pids $!"

"$venv/bin/python" "$here/litellm.py" wait "http://127.0.0.1:$gateway/health/liveliness" 180 "$!" || {
    tail -n 20 "$work/gateway.log" >&2
    exit 1
}

# Cuts after this many bytes of an answer: past the head and the first events, before the end.
"$venv/bin/python" "$here/litellm.py" cut "$fin" "$gateway" 2500 fin &
pids="$pids $!"
"$venv/bin/python" "$here/litellm.py" cut "$reset" "$gateway" 2500 reset &
pids="$pids $!"
"$venv/bin/python" "$here/litellm.py" wait "http://127.0.0.1:$fin/health/liveliness" 10
"$venv/bin/python" "$here/litellm.py" wait "http://127.0.0.1:$reset/health/liveliness" 10

failures=0
check() {
    if [ "$2" = "$3" ]; then
        echo "ok   $1: $2"
    else
        echo "FAIL $1: got $2, wanted $3"
        failures=$((failures + 1))
    fi
}

# The exit status of curl, and whether the protocol's end came.
stream() {
    status=0
    curl -sS -N --max-time 60 "http://127.0.0.1:$1$2" -H "authorization: Bearer $key" \
        -H 'content-type: application/json' -d "$3" >"$work/out" 2>/dev/null || status=$?
    if grep -q "$4" "$work/out"; then ended=ended; else ended=open; fi
    echo "$status $ended"
}

mock='{"model":"mock","stream":true,"messages":[{"role":"user","content":"count"}]}'
chat='{"model":"chat","stream":true,"messages":[{"role":"user","content":"count"}]}'
messages='{"model":"messages","max_tokens":128,"stream":true,"messages":[{"role":"user","content":"count"}]}'

# curl: 18 is a transfer closed with data outstanding, 56 a receive failure.
check "mock healthy" "$(stream "$gateway" /v1/chat/completions "$mock" '\[DONE\]')" "0 ended"
check "chat healthy" "$(stream "$gateway" /v1/chat/completions "$chat" '\[DONE\]')" "0 ended"
check "chat fin" "$(stream "$fin" /v1/chat/completions "$chat" '\[DONE\]')" "18 open"
check "chat reset" "$(stream "$reset" /v1/chat/completions "$chat" '\[DONE\]')" "56 open"
check "messages healthy" "$(stream "$gateway" /v1/messages "$messages" message_stop)" "0 ended"
check "messages fin" "$(stream "$fin" /v1/messages "$messages" message_stop)" "18 open"
check "messages reset" "$(stream "$reset" /v1/messages "$messages" message_stop)" "56 open"

if [ "${PROBE:-yes}" = yes ]; then
    {
        echo '[store]'
        echo "path = \"$work/endturn.db\""
        for row in "healthy $gateway" "fin $fin" "reset $reset"; do
            set -- $row
            for protocol in openai-chat anthropic; do
                case $protocol in
                openai-chat) base="http://127.0.0.1:$2/v1" model=chat ;;
                anthropic) base="http://127.0.0.1:$2" model=messages ;;
                esac
                echo '[[provider]]'
                echo "id = \"$protocol-$1\""
                echo "protocol = \"$protocol\""
                echo "base_url = \"$base\""
                echo 'api_key = { env = "ENDTURN_REAL_KEY" }'
                echo "models = [\"$model\"]"
                echo 'free = true'
                echo 'reach = false'
            done
        done
    } >"$work/endturn.toml"

    for row in "healthy complete" "fin truncated" "reset truncated"; do
        set -- $row
        for target in openai-chat-$1/chat anthropic-$1/messages; do
            ENDTURN_REAL_KEY="$key" "$binary" probe "$target" -c "$work/endturn.toml" --json \
                >"$work/probe.json" || true
            check "probe $target" "$("$venv/bin/python" "$here/litellm.py" verdict "$work/probe.json")" "$2"
        done
    done
fi

[ "$failures" -eq 0 ]
