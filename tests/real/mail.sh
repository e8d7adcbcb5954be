#!/bin/sh
# A real SMTP server (aiosmtpd) takes the mails of `endturn alert test`: by STARTTLS with a login, by TLS from the first byte,
# in the clear on loopback. Python's email package reads them. A wrong password, a server without STARTTLS and one with a
# certificate of nobody's are told nothing more than they must be.
# Usage: tests/real/mail.sh [BINARY]
#
# BINARY is the debug build by default. The virtual environment is kept in $ENDTURN_REAL_CACHE (default target/real; 30 MB).
# Takes some seconds.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/venv.sh"
binary=${1:-$root/target/debug/endturn}
# It runs in a directory of its own.
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")

venv mail aiosmtpd==1.4.6 trustme==1.2.1

exec timeout 120 "$venv/bin/python" "$here/mail.py" "$binary"
