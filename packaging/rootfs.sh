#!/usr/bin/env bash
# What a binary needs to run and nothing else, as a root of files: its libraries, certificates, a user, a place for its state.
# The Containerfile makes an image of it.
# Usage: packaging/rootfs.sh BINARY FOLDER
#
# Needs strip (binutils), ldd and the system's certificates (ca-certificates).
set -euo pipefail
binary=$1 root=$2
user=65532

install -d "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/endturn" "$root/var/lib"
install -d -m 1777 "$root/tmp"
strip -o "$root/usr/bin/endturn" "$binary"
# The loader and the libraries, where it looks for them.
ldd "$root/usr/bin/endturn" | grep -o '/[^ ]*' | while read -r library; do
  install -D -m 755 "$(realpath "$library")" "$root$library"
done
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/:/nonexistent\nendturn:x:%s:%s:endturn:/var/lib/endturn:/nonexistent\n' "$user" "$user" >"$root/etc/passwd"
printf 'root:x:0:\nendturn:x:%s:\n' "$user" >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
# Only root may give files away; an image is made by root.
install -d -m 700 "$root/var/lib/endturn"
[ "$(id -u)" != 0 ] || chown "$user:$user" "$root/var/lib/endturn"
