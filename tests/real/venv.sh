# shellcheck shell=sh disable=SC2034 # its variables are those of who sources it
# Virtual environments for those who source this after setting $here: $root, $cache and the function.
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
export PYTHONDONTWRITEBYTECODE=1

# venv NAME PACKAGE..: $venv, with these packages of these versions. A newer version is a change of its own.
venv() {
    venv=$cache/$1
    shift
    [ "$(cat "$venv/packages" 2>/dev/null || true)" = "$*" ] && return
    mkdir -p "$cache"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    echo "$*" >"$venv/packages"
}
