# Read by run.sh and docs/screenshots.sh: finds the binary and puts the packages in place.
# shellcheck shell=sh

prepare() {
    tree=$(cd "$here/../../.." && pwd)
    cache=${ENDTURN_REAL_CACHE:-$tree/target/real}/browser
    ENDTURN_BINARY=${1:-$tree/target/debug/endturn}
    case $ENDTURN_BINARY in /*) ;; *) ENDTURN_BINARY=$PWD/$ENDTURN_BINARY ;; esac
    ENDTURN_BROWSER_MODULES=$cache
    export ENDTURN_BINARY ENDTURN_BROWSER_MODULES
    if ! cmp -s "$here/package-lock.json" "$cache/installed.json"; then
        mkdir -p "$cache"
        cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$cache/"
        (cd "$cache" && npm ci --silent)
        cp "$here/package-lock.json" "$cache/installed.json"
    fi
}
