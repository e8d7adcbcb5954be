#!/usr/bin/env bash
# `endturn notify` before a real notification server: dunst under Xvfb, on a D-Bus session of its own. A simulated outage is
# shown, replaced in its place as it grows, opened in a (made-up) browser, and brief once it is over.
# Usage: tests/real/dunst.sh [BINARY]
#
# BINARY is the debug build by default. Needs dunst, dunstctl, Xvfb, dbus-run-session and curl (apt-get install dunst xvfb
# dbus-x11 curl). Takes about a minute.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
  cd "$(dirname "$0")/../.."
  binary=$(realpath "${1:-target/debug/endturn}")
  place=$(mktemp -d)
  trap 'rm -rf "$place"' EXIT
  # No services that could be started: whoever shows notifications is started here.
  cat >"$place/session.conf" <<XML
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=$place</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
XML
  # Not `exec`: the folder is to be removed afterwards.
  timeout 240 dbus-run-session --config-file="$place/session.conf" -- bash "$PWD/tests/real/dunst.sh" --inside "$binary" "$place"
  exit
fi

binary=$2 place=$3
cd "$place"
started=()
finish() {
  local status=$?
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  if [ "$status" != 0 ]; then
    for log in opened notify.err dunst.out dunst.err daemon.err; do
      echo "--- $log" >&2
      tail -n 40 "$log" >&2 || true
    done
  fi
}
trap finish EXIT

# until_so WHAT SECONDS COMMAND..: as often as needed, ten times a second.
until_so() {
  local what=$1 left=$(($2 * 10))
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then
      echo "not in time: $what" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "ok: $what"
}
fail() {
  echo "$1" >&2
  exit 1
}

Xvfb -displayfd 3 -screen 0 640x480x24 -nolisten tcp 3>display 2>xvfb.err &
started+=($!)
until_so "a screen" 20 test -s display
DISPLAY=:$(cat display)
export DISPLAY

"$binary" simulate --listen 127.0.0.1:0 >simulator.out 2>simulator.err &
started+=($!)
until_so "simulated providers" 20 grep -qo 'http://127.0.0.1:[0-9]*' simulator.out
simulator=$(grep -o 'http://127.0.0.1:[0-9]*' simulator.out | head -n 1)
fault() { curl -sSf -o fault.out -X PUT -H 'content-type: application/json' -d "$2" "$simulator/control/faults/$1"; }
well() { curl -sSf -o fault.out -X DELETE "$simulator/control/faults/$1"; }

provider() {
  cat <<TOML
[[provider]]
id = "$1"
base_url = "$simulator/$1"
api_key = { env = "SIMULATED" }
models = [$2]
free = true
polite = false
reach = { every = "500ms" }
canary = { every = "500ms" }
TOML
}
port=$((20000 + $$ % 20000))
{
  printf '[server]\nlisten = "127.0.0.1:%s"\n[store]\npath = "%s/endturn.db"\n[network]\nanchors = []\n' "$port" "$place"
  provider anthropic '"claude-haiku-4-5", "claude-sonnet-4-5"'
  provider openai '"gpt-5.2"'
  printf '[[channel]]\nname = "screen"\ntype = "desktop"\n'
  # Nothing of what happens here: whatever else is shown comes from notify.
  printf '[[alert]]\nname = "store"\non = ["store_failing"]\nchannels = ["screen"]\n'
} >endturn.toml
base=http://127.0.0.1:$port
export SIMULATED=key-of-a-simulation
daemon() {
  "$binary" run -c endturn.toml 2>>daemon.err &
  daemon=$!
  started+=("$daemon")
}
daemon
state_is() { [ "$("$binary" status --url "$base" --json "$1" | grep -o '"state":"[a-z]*","since"' | head -n 1)" = "\"state\":\"$2\",\"since\"" ]; }
until_so "a daemon that knows" 30 "$binary" status --url "$base"

mkdir bin
cat >bin/xdg-open <<SH
#!/bin/sh
printf '%s\n' "\$1" >>"$place/opened"
SH
chmod 755 bin/xdg-open

# 1. Something fails while nobody can show it: that is said once.
fault anthropic/claude-haiku-4-5 '{"kind":"truncate","at":0.6,"how":"fin"}'
env -u INVOCATION_ID PATH="$place/bin:$PATH" "$binary" notify --url "$base" 2>notify.err &
notify=$!
started+=("$notify")
until_so "without a server it says so" 30 grep -q 'no notification server answers' notify.err

# 2. It goes on when one appears.
cat >dunstrc <<'RC'
[global]
    # Its own words, nothing cut.
    format = "<b>%s</b>\n%b"
    markup = full
    history_length = 20
RC
dunst -config dunstrc -print >dunst.out 2>dunst.err &
started+=($!)
shown() { grep -qF -- "$1" dunst.out; }
displayed() { [ "$(dunstctl count displayed)" = "$1" ]; }
until_so "shown when a server appears" 40 shown 'anthropic/claude-haiku-4-5 '
[ "$(grep -c 'no notification server' notify.err)" = 1 ] || fail "said more than once that there is no server"
until_so "urgent once it is down" 30 shown 'anthropic/claude-haiku-4-5 is down'
until_so "one on the screen" 5 displayed 1

# A daemon that runs in a session shows by itself too, as a channel.
"$binary" alert test screen --url "$base" >test.out || fail "the channel failed: $(cat test.out)"
until_so "a channel of the daemon shows" 10 shown "summary: 'Test"
until_so "beside the other" 5 displayed 2
dunstctl close-all
until_so "all taken away" 5 displayed 0

# 3. Another target of the same provider: the same notification, which was taken away and comes back for what is worse.
fault anthropic/claude-sonnet-4-5 '{"kind":"status","code":529}'
until_so "it grows" 30 shown 'anthropic: 2 targets down'
until_so "one on the screen" 5 displayed 1

# 4. A click leads to our page, and to no other.
dunstctl action 0
until_so "opened in the browser" 10 test -s opened
[ "$(head -n 1 opened)" = "$base/" ] || fail "opened $(head -n 1 opened)"

# 5. One target of another provider has a notification of its own, and its incident's page.
fault openai/gpt-5.2 '{"kind":"truncate","at":0.6,"how":"fin"}'
until_so "another provider" 30 shown 'openai/gpt-5.2 is down'
has_incident() { curl -sSf "$base/v1/health/openai/gpt-5.2" | grep -q '"incident":"'; }
until_so "it counts as an incident" 30 has_incident
# The first one away: this dunst takes clicks on the first only.
dunstctl close
until_so "the first is taken off the screen" 5 displayed 1
dunstctl action 0
opened_incident() { grep -q "^$base/incidents/" opened; }
until_so "its page is opened" 10 opened_incident
page=$(grep "^$base/incidents/" opened | head -n 1)
tells_of_it() { curl -sSf -o page.html "$page" && grep -q 'openai/gpt-5.2' page.html; }
until_so "which tells of it" 10 tells_of_it

# 6. A restart of the daemon is nobody's news.
before=$(grep -c 'summary' dunst.out)
kill "$daemon"
wait "$daemon" || true
daemon
until_so "the daemon is back" 30 state_is openai/gpt-5.2 down
[ "$(grep -c 'summary' dunst.out)" = "$before" ] || fail "a restart was shown"

# 7. It is over: low, brief, and gone by itself.
well openai/gpt-5.2
well anthropic/claude-haiku-4-5
well anthropic/claude-sonnet-4-5
until_so "one is over" 60 shown 'openai/gpt-5.2 is operational again'
until_so "the other is over" 60 shown 'anthropic: all 2 targets are operational again'
until_so "the screen is empty by itself" 20 displayed 0
dunstctl history >history
grep -q 'openai/gpt-5.2 is operational again' history || fail "dunst's history does not know of the end"

# 8. Who ends takes its notifications along.
fault openai/gpt-5.2 '{"kind":"status","code":529}'
until_so "on the screen again" 30 displayed 1
kill -TERM "$notify"
wait "$notify" || fail "notify ended with $?"
until_so "taken along" 5 displayed 0
echo "dunst: $(grep -c summary dunst.out) shown:$(grep -o 'urgency: [A-Z]*' dunst.out | sort | uniq -c | tr -s ' \n' ' ')"
