#!/bin/sh
# Makes the pictures of the status page anew, from the demo: docs/page*.png. Takes a minute and a half.
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
rm -rf "$ENDTURN_PICTURES"
node "$here/screenshots.mjs"
for picture in "$ENDTURN_PICTURES"/*.png; do
    pngquant --force --speed 1 --strip --output "$root/docs/$(basename "$picture")" 256 "$picture"
done
ls -l "$root"/docs/page*.png
