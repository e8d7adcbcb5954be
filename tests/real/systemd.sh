#!/usr/bin/env bash
# The service under a real systemd: a small Debian root, booted in a container without a network.
# Usage: tests/real/systemd.sh BINARY
#
# What it needs: tests/real/debian_root.sh.
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/../.."
. tests/real/debian_root.sh
key=planted-2b7e151628aed2a6

new_root root
install -m 755 "$binary" "$root/usr/bin/endturn"
install -m 644 systemd/endturn.service systemd/endturn.socket "$root/etc/systemd/system/"
install -D -m 644 systemd/endturn-notify.service "$root/etc/systemd/user/endturn-notify.service"
install -d "$root/etc/endturn" "$root/etc/systemd/system/endturn.service.d"
install -d -m 700 "$root/etc/endturn/keys"
printf %s "$key" >"$root/etc/endturn/keys/sim"
chmod 600 "$root/etc/endturn/keys/sim"
cat >"$root/etc/endturn/endturn.toml" <<'TOML'
[network]
anchors = []
[[provider]]
id = "anthropic"
base_url = "http://127.0.0.1:9001/anthropic"
api_key = { credential = "sim" }
models = ["claude-haiku-4-5"]
free = true
polite = false
reach = { every = "500ms" }
canary = { every = "500ms" }
TOML
printf '[Service]\nLoadCredential=sim:/etc/endturn/keys/sim\nWatchdogSec=4s\n' >"$root/etc/systemd/system/endturn.service.d/test.conf"
printf '[Service]\nExecStart=/usr/bin/endturn simulate --listen 127.0.0.1:9001\n' >"$root/etc/systemd/system/simulator.service"

tells() { [[ $(property StatusText) == *"$1"* ]]; }
restarted() { [ "$(property NRestarts)" = "$1" ] && [ "$(property ActiveState)" = active ]; }

boot
in_it systemctl start simulator
in_it systemctl enable --now endturn.socket endturn.service 2>/dev/null
[ "$(property ActiveState)" = active ] && echo "ok: started means ready"
until_so "its status tells how things stand" 20 tells "1 target, all operational"
[ "$(in_it stat -c %a /var/lib/private/endturn)" = 700 ] && echo "ok: nobody else reads its state"

in_it systemctl reload endturn
until_so "a reload is in force" 10 in_it sh -c 'journalctl -u endturn -o cat | grep -q "new configuration is in force"'

# Somebody asks all the time while it is restarted: with the socket nobody is refused.
in_it sh -c 'for i in $(seq 80); do curl -s -m 20 -o /dev/null -w "%{http_code}\n" http://127.0.0.1:7411/livez; sleep 0.05; done' >"$cache/asked" &
asking=$!
sleep 0.5
in_it systemctl restart endturn
wait "$asking"
[ "$(sort -u "$cache/asked")" = 200 ] || { echo "refused during a restart:" >&2; sort "$cache/asked" | uniq -c >&2; exit 1; }
echo "ok: 80 of 80 requests were answered over a restart"

in_it kill -STOP "$(property MainPID)"
until_so "the watchdog ends a stuck daemon, and it is back" 30 restarted 1
in_it sh -c 'journalctl -u endturn -o cat | grep -q "Failed with result .watchdog"' && echo "ok: for want of the watchdog"
until_so "it goes on where it was" 20 tells "1 target, all operational"

# The journal has every line with its fields and its priority, and finds it by them.
until_so "the start is in the journal as information" 10 in_it sh -c 'journalctl -u endturn PRIORITY=6 -o cat | grep -q "^ready"'
in_it curl -sSf -o /dev/null -X PUT -H 'content-type: application/json' -d '{"kind":"truncate","at":0.6,"how":"fin"}' \
  http://127.0.0.1:9001/control/faults/anthropic
# journal FIELD..: what it has with these fields, as JSON.
journal() { in_it journalctl -o json --no-pager SYSLOG_IDENTIFIER=endturn "$@"; }
journal_has() {
  local wanted=$1
  shift
  journal "$@" >"$cache/found" && grep -q "$wanted" "$cache/found"
}
until_so "a target that is down is found by its fields" 30 journal_has '"PRIORITY":"4"' TARGET_ID=anthropic/claude-haiku-4-5 STATE=down
until_so "and its incident with its id" 60 journal_has '"INCIDENT_ID":"[0-9a-f-]*"' TARGET_ID=anthropic/claude-haiku-4-5 WORST=down
grep -q '"_SYSTEMD_UNIT":"endturn.service"' "$cache/found" || { echo "not as words of the unit" >&2; exit 1; }
in_it curl -sSf -o /dev/null -X DELETE http://127.0.0.1:9001/control/faults/anthropic

# The user's own unit runs inside its sandbox: it follows the feed and looks for who shows notifications.
in_it useradd -m kim
in_it loginctl enable-linger kim
user_is_up() { in_it systemctl --user -M kim@ is-system-running; }
until_so "a user's own manager is up" 30 user_is_up
in_it systemctl --user -M kim@ start endturn-notify
notify_says() { in_it sh -c 'journalctl _SYSTEMD_USER_UNIT=endturn-notify.service -o cat' | grep -q "$1"; }
until_so "notify follows the feed" 20 notify_says 'following http://127.0.0.1:7411'
in_it systemctl --user -M kim@ stop endturn-notify
[ "$(in_it systemctl --user -M kim@ show endturn-notify -p Result --value)" = success ] && echo "ok: notify ends when it is told to"

in_it systemctl stop endturn.service endturn.socket
[ "$(property Result)" = success ] && echo "ok: it ends by itself when it is told to"
if in_it grep -rqs "$key" /var/lib/private/endturn || in_it sh -c "journalctl --no-pager | grep -q '$key'"; then
  echo "the key is in the state or the journal" >&2
  exit 1
fi
echo "ok: the key is in neither state nor journal"
