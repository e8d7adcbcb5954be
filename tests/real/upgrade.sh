#!/usr/bin/env bash
# What docs/upgrade.md tells an administrator to do, done: backup, upgrade of an older file, a newer file refused, restore,
# and with an older program the way back.
# Usage: tests/real/upgrade.sh [BINARY [OLDER]]
#
# BINARY is the debug build by default. OLDER is a program with an older schema; without it the older file is made from the
# migrations, and the way back is tried with a file that claims to be newer. Needs python3 and curl. Takes some 20 s.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/endturn}")
older=${2:+$(realpath "$2")}
migrations=$PWD/src/store/migrations
place=$(mktemp -d)
started=()
finish() {
  local status=$?
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  [ "$status" = 0 ] || tail -n 20 "$place"/*.err >&2 || true
  rm -rf "$place"
}
trap finish EXIT
cd "$place"
fail() { echo "$1" >&2; exit 1; }
until_so() {
  local what=$1 left=$(($2 * 10))
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || fail "not in time: $what"
    sleep 0.1
  done
  echo "ok: $what"
}

"$binary" simulate --listen 127.0.0.1:0 >simulator.out 2>simulator.err &
started+=($!)
until_so "a simulated provider" 20 grep -q 'http://127.0.0.1:[0-9]' simulator.out
port=$((20000 + $$ % 20000))
cat >endturn.toml <<TOML
[server]
listen = "127.0.0.1:$port"
[store]
path = "$place/endturn.db"
[network]
anchors = []
[[provider]]
id = "anthropic"
base_url = "$(grep -o 'http://127.0.0.1:[0-9]*' simulator.out | head -n 1)/anthropic"
api_key = { env = "SIMULATED" }
models = ["claude-haiku-4-5"]
free = true
polite = false
reach = { every = "500ms" }
canary = { every = "500ms" }
TOML
export SIMULATED=key-of-a-simulation
ask() { curl -sSf "http://127.0.0.1:$port$1"; }
instance() { ask /v1/health | grep -o '"instance":"[^"]*"'; }
# At least that many observations are in the history.
has() { [ "$(ask '/v1/observations?limit=100' | grep -o '"verdict":' | wc -l)" -ge "$1" ]; }
start() { # PROGRAM
  "$1" run -c endturn.toml 2>>daemon.err &
  daemon=$!
  started+=("$daemon")
  until_so "$2" 20 ask /readyz
}
stop() { kill "$daemon"; wait "$daemon" || fail "it did not end well"; }
schema() { python3 -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version").fetchone()[0])' endturn.db; }

# 1. A file of an older version, with a past.
if [ -n "$older" ]; then
  start "$older" "the older program runs"
  until_so "and has a past" 20 has 10
  before=$(instance)
  # A backup before the upgrade: what leads back.
  "$older" backup -c endturn.toml before.db >backup.out
  stop
else
  python3 - "$migrations" endturn.db <<'PY'
import pathlib, sqlite3, sys
files = sorted(pathlib.Path(sys.argv[1]).glob("*.sql"))[:-1]
db = sqlite3.connect(sys.argv[2])
db.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x656e6474;")
for file in files:
    db.executescript(file.read_text())
db.executescript(f"PRAGMA user_version = {len(files)};")
PY
  before=
fi
old=$(schema)

# 2. The upgrade: the new program opens it, at once, and goes on.
start "$binary" "the new program opens a file of schema $old"
[ "$(schema)" -gt "$old" ] || fail "the file has schema $(schema), as before"
[ -z "$before" ] || [ "$(instance)" = "$before" ] || fail "another instance after the upgrade"
until_so "it has a past" 20 has 10

# 3. A backup while it runs; then the file is lost; then it is restored.
"$binary" backup -c endturn.toml good.db >backup.out
kept=$(instance)
stop
head -c 4096 /dev/urandom >endturn.db
rm -f endturn.db-wal endturn.db-shm
rm endturn.db
cp good.db endturn.db
start "$binary" "it runs from the backup"
has 10 || fail "the backup has no past"
[ "$(instance)" != "$kept" ] || fail "a restored daemon is taken for the one before"
echo "ok: restored, with its past, under an instance of its own"
stop

# 4. The way back: a newer file is refused and left as it is; the backup from before leads back.
if [ -n "$older" ]; then
  program=$older
else
  program=$binary
  python3 -c 'import sqlite3; db = sqlite3.connect("endturn.db"); db.execute("PRAGMA user_version = 9999"); db.commit()'
fi
# What still lies in the write-ahead log belongs to the file; whoever closes it last may move it there.
python3 -c 'import sqlite3; sqlite3.connect("endturn.db").execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()'
sum=$(sha256sum endturn.db)
if timeout 20 "$program" run -c endturn.toml 2>refused.err; then fail "a newer file was opened"; fi
grep -q 'this endturn knows up to' refused.err || fail "it does not say that the file is newer"
[ "$(sha256sum endturn.db)" = "$sum" ] || fail "a refused file was changed"
echo "ok: refused: $(grep -m 1 'knows up to' refused.err | sed "s|$place/||g")"
rm -f endturn.db-wal endturn.db-shm
if [ -n "$older" ]; then cp before.db endturn.db; else cp good.db endturn.db; fi
start "$program" "the way back: it runs from the backup that it can read"
has 10 || fail "the backup has no past"
stop
echo "upgrade: schema $old to $("$binary" --version), back again, nothing lost that was backed up"
