#!/bin/sh
# The status page in a real browser: live changes, themes, narrow and wide windows, keyboard, screen readers' rules
# (axe-core), no script, lost connection, weight, and nothing asked of any other host.
# Usage: tests/real/browser/run.sh [BINARY [--test-name-pattern=PATTERN]]
#
# BINARY is the debug build unless given. Needs Chromium (/usr/bin/chromium, or $ENDTURN_CHROMIUM), Node.js 20 and npm;
# the two packages are kept in $ENDTURN_REAL_CACHE (default target/real). Takes about two minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/prepare.sh"
prepare "${1:-}"
shift $(($# > 0 ? 1 : 0))
exec node --test-reporter=spec "$@" "$here/main.mjs"
