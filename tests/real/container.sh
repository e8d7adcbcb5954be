#!/usr/bin/env bash
# What the Containerfile makes an image of, run without an engine: the root of files as the user that it will have, the
# configuration of docs/install.md, the health check.
# Usage: tests/real/container.sh [BINARY]
#
# BINARY is the debug build by default. Needs root (for chroot), strip, ldd, python3 and curl. Takes a few seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/endturn}")
place=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true; rm -rf "$place"' EXIT
root=$place/root
fail() { echo "$1" >&2; tail -n 20 "$place/run.err" >&2 2>/dev/null || true; exit 1; }

packaging/rootfs.sh "$binary" "$root"
chmod 755 "$place"
[ -z "$(find "$root" \( -name sh -o -name bash -o -name busybox -o -name apt -o -name dpkg \) -print)" ] || fail "there is a shell or a package manager"
port=$((20000 + $$ % 20000))
image=(env -i PATH="$PATH" ENDTURN_CONFIG=/etc/endturn/endturn.toml STATE_DIRECTORY=/var/lib/endturn
  ENDTURN_URL="http://127.0.0.1:$port" CREDENTIALS_DIRECTORY=/run/secrets/endturn
  chroot --userspec=65532:65532 "$root" /usr/bin/endturn)
in_it() { "${image[@]}" "$@"; }
in_it --version || fail "it does not start: a library is missing"

token=et_0123456789abcdefghijklmnopqrstuvwxyz-container
install -d "$root/run/secrets/endturn"
install -m 400 -o 65532 /dev/stdin "$root/run/secrets/endturn/anthropic" <<<key-of-a-simulation
# The configuration that docs/install.md shows, with this port and this token's digest.
python3 - docs/install.md "$port" "$token" >"$root/etc/endturn/endturn.toml" <<'PY'
import hashlib, re, sys
text, port, token = open(sys.argv[1]).read(), sys.argv[2], sys.argv[3]
toml = next(block for block in re.findall(r"```toml\n(.*?)```", text, re.S) if "allowed_hosts" in block)
toml = toml.replace("0.0.0.0:7411", f"0.0.0.0:{port}")
toml = re.sub(r'sha256 = ".*"', f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"', toml)
print("official = false\n" + toml.replace('id = "anthropic"', 'id = "anthropic"\nbase_url = "http://127.0.0.1:9"\nfree = true') + "\n[network]\nanchors = []")
PY
in_it check >"$place/check" || { cat "$place/check" >&2; fail "the documented configuration is wrong"; }

[ "$(in_it status --ready || echo "exit $?")" != "endturn: ready" ] || fail "ready before it runs"
# Not by the function: the signal is for the program, not for a shell that waits for it.
"${image[@]}" run 2>"$place/run.err" &
daemon=$!
for _ in $(seq 100); do
  if in_it status --ready >"$place/ready" 2>&1; then break; fi
  sleep 0.1
done
grep -qx 'endturn: ready' "$place/ready" || fail "the health check fails: $(cat "$place/ready")"
code() { curl -sS -o /dev/null -w '%{http_code}' "$@" "http://127.0.0.1:$port/v1/health"; }
[ "$(code -H 'Host: status.example.com')" = 401 ] || fail "read without a token: $(code -H 'Host: status.example.com')"
[ "$(code -H 'Host: status.example.com' -H "Authorization: Bearer $token")" = 200 ] || fail "not read with a token"
[ "$(code -H 'Host: evil.example' -H "Authorization: Bearer $token")" = 421 ] || fail "any Host is taken"
[ "$(stat -c %u "$root/var/lib/endturn/endturn.db")" = 65532 ] || fail "its database is not its own"
kill -TERM "$daemon"
wait "$daemon" || fail "it did not end well"
daemon=
in_it status --ready >"$place/ready" && fail "ready after its end"
echo "container: $(du -sm "$root" | cut -f 1) MiB, runs as 65532, $(find "$root" -type f | wc -l) files: $(cd "$root" && find usr lib* -name '*.so*' | tr '\n' ' ')"
