# Read by run.sh and docs/screenshots.sh: finds the binary and puts the packages in place.
# shellcheck shell=sh

prepare() {
    tree=$(cd "$here/../../.." && pwd)
    cache=${ENDTURN_REAL_CACHE:-$tree/target/real}/browser
    ENDTURN_BINARY=${1:-$tree/target/debug/endturn}
    case $ENDTURN_BINARY in /*) ;; *) ENDTURN_BINARY=$PWD/$ENDTURN_BINARY ;; esac
    ENDTURN_BROWSER_MODULES=$cache
    # `cargo test` and `cargo build --example past` make it.
    if [ -z "${ENDTURN_PAST:-}" ] && [ -x "$tree/target/debug/examples/past" ]; then
        ENDTURN_PAST=$tree/target/debug/examples/past
    fi
    export ENDTURN_BINARY ENDTURN_BROWSER_MODULES ENDTURN_PAST
    if ! cmp -s "$here/package-lock.json" "$cache/installed.json"; then
        mkdir -p "$cache"
        cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$cache/"
        (cd "$cache" && npm ci --silent)
        cp "$here/package-lock.json" "$cache/installed.json"
    fi
}
