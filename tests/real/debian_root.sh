# A small Debian with systemd as its first process, in a container without a network: for systemd.sh and deb.sh, which
# source this from the top of the tree.
#
# Needs root, mmdebstrap and systemd-nspawn (packages mmdebstrap, systemd-container). The root is kept in
# $ENDTURN_REAL_CACHE (target/real unless set), 240 MB, and made anew where it is missing or has not all packages.
cache=${ENDTURN_REAL_CACHE:-$PWD/target/real}/systemd
base=$cache/base
mkdir -p "$cache"

# new_root NAME: a fresh copy of the root at $root.
new_root() {
  local packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,ca-certificates,curl,procps
  root=$cache/$1
  if [ "$(cat "$cache/packages" 2>/dev/null || true)" != "$packages" ]; then
    rm -rf "$base" "$cache/packages"
    mmdebstrap --variant=minbase --include="$packages" bookworm "$base" 2>"$cache/mmdebstrap.log" \
      || { tail -n 20 "$cache/mmdebstrap.log" >&2; exit 1; }
    echo "$packages" >"$cache/packages"
  fi
  rm -rf "$root"
  cp -a "$base" "$root"
}

# Boots $root. At the end of the script it goes down and its files with it.
boot() {
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -D "$root" --register=no --keep-unit --private-network --console=passive -b \
    >"$cache/boot.log" 2>&1 &
  nspawn=$!
  trap 'kill "$nspawn" 2>/dev/null || true; wait "$nspawn" 2>/dev/null || true; rm -rf "$root"' EXIT
  until_so "systemd is up" 60 booted
  nsenter -t "$leader" -n ip link set lo up 2>/dev/null || in_it sh -c 'ip link set lo up' 2>/dev/null || true
}
booted() { leader=$(pgrep -P "$nspawn" | head -n 1) && [ -n "$leader" ] && in_it systemctl is-system-running; }
in_it() { nsenter -t "$leader" -m -u -i -n -p -C -- "$@"; }

# until_so WHAT SECONDS COMMAND..: as often as needed, ten times a second.
until_so() {
  local what=$1 left=$(($2 * 10))
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    if [ "$left" -le 0 ]; then
      echo "not in time: $what" >&2
      in_it journalctl -u endturn --no-pager -n 30 >&2 || true
      exit 1
    fi
    sleep 0.1
  done
  echo "ok: $what"
}
# property NAME: of the service.
property() { in_it systemctl show endturn -p "$1" --value; }
