#!/usr/bin/env bash
# The unit files against systemd's own checks: no complaint of `systemd-analyze verify`, and an exposure of at most 1.2.
# Usage: tests/real/units.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# verify looks for the program, which is not installed here. The drop-in is for newer versions than some that run this.
version=$(systemd-analyze --version | awk 'NR == 1 { print $2 }')
mkdir "$place/user"
for unit in systemd/*.service systemd/*.socket; do
  of=$place
  if grep -q graphical-session.target "$unit"; then of=$place/user; fi
  sed "s|/usr/bin/endturn|$binary|" "$unit" >"$of/$(basename "$unit")"
done
if [ "$version" -ge 253 ]; then cp -r systemd/endturn.service.d "$place/"; fi

complaints=$(systemd-analyze verify --man=no "$place"/*.service "$place"/*.socket 2>&1 || true)
# A unit of a user's own manager. It wants a runtime directory, even to look.
complaints+=$'\n'$(XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$place} systemd-analyze --user verify --man=no "$place"/user/*.service 2>&1 || true)
# Only what is said about ours: a machine may have units of its own to complain about.
complaints=$(grep -F -e "$place" -e endturn <<<"$complaints" || true)
if [ -n "$complaints" ]; then
  printf 'systemd-analyze verify complains:\n%s\n' "$complaints" >&2
  exit 1
fi
systemd-analyze security --offline=true --threshold=12 "$place/endturn.service" | tail -n 1
echo "units: systemd $version has no complaint"
