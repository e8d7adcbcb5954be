#!/usr/bin/env bash
# Builds the Debian package of a binary that is built already: what it ships besides comes from the binary itself (manual
# pages, completions) and from this tree.
# Usage: packaging/deb.sh [BINARY [FOLDER [VERSION]]]
#
# BINARY is target/release/endturn by default, FOLDER target/debian. Needs cargo-deb 3 (cargo install cargo-deb), and strip
# and dpkg-shlibdeps (binutils, dpkg-dev). MAINTAINER="Name <address>" names whoever distributes it.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-target/release/endturn}
out=${2:-target/debian}
version=${3:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)-1}
maintainer=${MAINTAINER:-$(sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml)}
assets=target/package

rm -rf "$assets"
mkdir -p "$assets/man" "$assets/completions" "$out"
strip -o "$assets/endturn" "$binary"
"$binary" man --out "$assets/man"
"$binary" completions bash >"$assets/completions/endturn"
"$binary" completions zsh >"$assets/completions/_endturn"
"$binary" completions fish >"$assets/completions/endturn.fish"
# The day of the last change, so that the same tree gives the same package.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
cat >"$assets/changelog" <<TEXT
endturn ($version) unstable; urgency=medium

  * What has changed: /usr/share/doc/endturn/changelog.gz

 -- $maintainer  $(date -R -u -d "@$SOURCE_DATE_EPOCH")
TEXT
cargo deb --no-build --no-strip --deb-version "$version" --maintainer "$maintainer" -o "$out/"
