#!/usr/bin/env bash
# The Debian package in a Debian root under a real systemd: installed, run, upgraded, removed, installed again, purged.
# Usage: tests/real/deb.sh [BINARY]
#
# BINARY is the debug build by default. Needs what tests/real/debian_root.sh and packaging/deb.sh need; lintian looks too
# where it is installed. Takes about two minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=$(realpath "${1:-target/debug/endturn}")
. tests/real/debian_root.sh
fail() { echo "$1" >&2; exit 1; }

packages_dir=$cache/packages.d
rm -rf "$packages_dir"
# Whoever distributes it has an address; ours here only has to look like one.
export MAINTAINER="endturn tests <tests@lists.debian.org>"
packaging/deb.sh "$binary" "$packages_dir" 0.1.0-1 >"$cache/deb.log" 2>&1 || { cat "$cache/deb.log" >&2; exit 1; }
packaging/deb.sh "$binary" "$packages_dir" 0.1.0-2 >"$cache/deb.log" 2>&1 || { cat "$cache/deb.log" >&2; exit 1; }
arch=$(dpkg --print-architecture)
if command -v lintian >/dev/null; then
  # There is no bug in Debian's tracker that this package would close.
  lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$packages_dir/endturn_0.1.0-1_$arch.deb"
  echo "ok: lintian has nothing to say"
fi

new_root deb
cp "$packages_dir"/*.deb "$root/root/"
boot
# Every file but what a running system writes by itself, and the package manager's own notes.
files() {
  in_it find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /dev -o -path /root \
    -o -path /var/log -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/tmp -o -path /var/lib/systemd/random-seed \) \
    -prune -o -print | sort
}
install_it() { in_it env DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i "/root/endturn_0.1.0-$1_$arch.deb" >"$cache/dpkg.log" 2>&1 || { cat "$cache/dpkg.log" >&2; exit 1; }; }
asked() { in_it curl -sS "http://127.0.0.1:7411$1"; }
instance() { asked /v1/health | grep -o '"instance":"[^"]*"'; }
files >"$cache/before"

install_it 1
[ "$(in_it systemctl is-enabled endturn.service || true)" = disabled ] || fail "enabled by the installation"
[ "$(property ActiveState)" = inactive ] || fail "started by the installation"
in_it endturn check -c /etc/endturn/endturn.toml >"$cache/check" || { cat "$cache/check" >&2; fail "its configuration is wrong"; }
in_it bash -c 'test -s /usr/share/man/man1/endturn.1.gz && . /usr/share/bash-completion/completions/endturn' || fail "manual or completions are missing"
echo "ok: installed, neither enabled nor started, its configuration is right"

in_it systemctl enable --now endturn.socket endturn.service 2>/dev/null
until_so "it runs" 20 asked /readyz
first=$(property MainPID) instance=$(instance)
in_it sh -c 'echo "# mine" >>/etc/endturn/endturn.toml'
install_it 2
again() { [ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != "$first" ]; }
until_so "the upgrade started it anew" 20 again
until_so "and it answers" 20 asked /readyz
[ "$(instance)" = "$instance" ] || fail "the state was lost over an upgrade"
[ "$(in_it systemctl is-enabled endturn.service)" = enabled ] || fail "the upgrade disabled it"
in_it grep -q '^# mine' /etc/endturn/endturn.toml || fail "the upgrade overwrote the configuration"
echo "ok: upgraded: running, state and configuration are kept"
install_it 1
until_so "and back again: it answers" 20 asked /readyz
[ "$(instance)" = "$instance" ] || fail "the state was lost over the way back"

# A backup, and the steps of docs/upgrade.md to restore it.
in_it endturn backup --db /var/lib/private/endturn/endturn.db /root/good.db >"$cache/backup.out"
in_it systemctl stop endturn.socket endturn.service
in_it bash -ec 'cd /var/lib/private/endturn
  mv endturn.db endturn.db.aside; rm -f endturn.db-wal endturn.db-shm
  install -m 600 /root/good.db endturn.db
  chown --reference=. endturn.db'
in_it systemctl start endturn.socket endturn.service
until_so "restored from a backup, it answers" 20 asked /readyz
[ "$(instance)" != "$instance" ] || fail "a restored daemon is taken for the one before"
instance=$(instance)
in_it rm /var/lib/private/endturn/endturn.db.aside

in_it dpkg --remove endturn >"$cache/dpkg.log" 2>&1
[ "$(property ActiveState)" = inactive ] || fail "it runs without its package"
in_it test -s /var/lib/private/endturn/endturn.db || fail "removed with its state"
in_it test -s /etc/endturn/endturn.toml || fail "removed with its configuration"
! in_it test -e /usr/bin/endturn || fail "removed without its program"
echo "ok: removed: stopped, state and configuration are kept"

install_it 2
in_it systemctl start endturn.service
until_so "installed again, it answers" 20 asked /readyz
[ "$(instance)" = "$instance" ] || fail "the state was lost over a removal"

in_it install -d -m 700 /etc/endturn/keys
in_it dpkg --purge endturn >"$cache/dpkg.log" 2>&1
files >"$cache/after"
diff "$cache/before" "$cache/after" || fail "left behind by purge"
echo "ok: purged: no file is left behind"
