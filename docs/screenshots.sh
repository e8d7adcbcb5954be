#!/bin/sh
# Makes the pictures of the status page anew, docs/page*.png: the demo's targets and outage
# over a seeded past of 90 days. Takes a minute.
# Usage: docs/screenshots.sh [BINARY]
#
# BINARY is the release build unless given. Needs what tests/real/browser/run.sh needs, and pngquant (to 256 colours).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
here=$root/tests/real/browser
. "$here/prepare.sh"
prepare "${1:-$root/target/release/endturn}"
ENDTURN_PICTURES=$cache/pictures
export ENDTURN_PICTURES
[ -n "${ENDTURN_PAST:-}" ] || { echo "no past: cargo build --example past" >&2; exit 1; }
rm -rf "$ENDTURN_PICTURES"
node "$here/screenshots.mjs"
for picture in "$ENDTURN_PICTURES"/*.png; do
    pngquant --force --speed 1 --strip --output "$root/docs/$(basename "$picture")" 256 "$picture"
done
ls -l "$root"/docs/page*.png
