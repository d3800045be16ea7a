#!/usr/bin/env bash
# Install and build the libraries that `make bench-peers` measures ours beside, as far as they can be had here.
#
#   install.sh [DIR]    leaves everything in DIR (target/peers), DIR/peers.json with what there is, and
#                       DIR/missing.txt with what is not, and why; a second call returns at once
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${1:-$here/../../target/peers}"
dir=$(cd "${1:-$here/../../target/peers}" && pwd)
python=${PYTHON:-python3}

BUN=1.4.5
WS=8.23.0
BUFFERUTIL=4.1.0
AIOHTTP=3.14.5
PICOWS=2.3.1
SOCKETIFY=0.0.31
UVLOOP=0.23.0
WEBSOCKETS=17.4

tools() {
    "$python" --version
    node --version
    cargo --version
    "${CXX:-c++}" --version
} 2>/dev/null
stamp=$(tools; cd "$here" && find . -type f -not -name '*.md' -not -path '*/__pycache__/*' | LC_ALL=C sort | xargs cksum)
[ "$(cat "$dir/.installed" 2>/dev/null)" != "$stamp" ] || exit 0
rm -f "$dir/.installed"

entries=()
: > "$dir/missing.txt"
missing() { # NAME REASON
    echo "$1: $2" | tee -a "$dir/missing.txt" >&2
}
peer() { # NAME VERSION MODES COMMAND
    entries+=("$(printf '{"name": "%s", "command": "%s", "modes": ["%s"], "version": "%s"}' "$1" "$4" "${3// /\", \"}" "$2")")
}
try() { # LOG COMMAND...: quiet unless it fails, when the first error is left in $why
    local log=$dir/$1.log
    shift
    "$@" > "$log" 2>&1 && return
    why="$(grep -im1 error "$log" || tail -n1 "$log") ($log)"
    return 1
}

# Debian's libraries are asked for by their headers, since websocketpp and Boost have nothing else.
headers() { # HEADER...
    for header in "$@"; do echo "#include <$header>"; done | "${CXX:-c++}" -std=c++17 -x c++ -fsyntax-only - 2>/dev/null
}
debian() {
    local wanted=()
    headers cstdio || wanted+=(g++)
    headers openssl/ssl.h || wanted+=(libssl-dev)
    headers zlib.h || wanted+=(zlib1g-dev)
    headers boost/version.hpp || wanted+=(libboost-dev)
    headers boost/system/error_code.hpp || wanted+=(libboost-system-dev)
    headers libwebsockets.h || wanted+=(libwebsockets-dev)
    headers websocketpp/version.hpp || wanted+=(libwebsocketpp-dev)
    [ ${#wanted[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || return
    echo "installing ${wanted[*]} ..."
    local sudo
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${wanted[@]}"
}

cpp() { # NAME SOURCE VERSION MODES LIBRARY...
    local name=$1 source=$2 version=$3 modes=$4
    shift 4
    if [ "$dir/$source" -nt "$here/cpp/$source.cpp" ] && [ "$dir/$source" -nt "$here/cpp/options.hpp" ] ||
        try "$source" "${CXX:-c++}" -std=c++17 -O3 -march=native -flto -DNDEBUG "$here/cpp/$source.cpp" \
        -o "$dir/$source" "$@" -lssl -lcrypto -lz -pthread; then
        peer "$name" "$version" "$modes" "$dir/$source"
    else
        missing "$name" "$why"
    fi
}
macro() { # HEADER MACRO: its value, without quotes
    echo "$2" | "${CXX:-c++}" -x c++ -E -P -include "$1" - 2>/dev/null | tail -n1 | tr -d '" '
}
c_and_cpp() {
    local version
    version=$(macro libwebsockets.h LWS_LIBRARY_VERSION_MAJOR.LWS_LIBRARY_VERSION_MINOR.LWS_LIBRARY_VERSION_PATCH)
    cpp libwebsockets libwebsockets "$version" "echo tls deflate broadcast" -lwebsockets
    cpp libwebsockets libwebsockets-client "$version" client -lwebsockets
    cpp Beast beast "$(macro boost/version.hpp BOOST_LIB_VERSION | tr _ .)" "echo tls deflate broadcast"
    version=$(sed -n 's/.*user_agent\[\] = "WebSocket++\/\(.*\)".*/\1/p' /usr/include/websocketpp/version.hpp 2>/dev/null)
    cpp websocketpp websocketpp "$version" "echo tls deflate broadcast"
}

rust() {
    local names=(fastwebsockets tokio-tungstenite tokio-websockets yawc tungstenite) name release=$dir/rust/release
    why="there is no cargo"
    if ! command -v cargo >/dev/null || ! CARGO_TARGET_DIR=$dir/rust try rust \
        cargo build --locked --release --manifest-path "$here/rust/Cargo.toml"; then
        for name in "${names[@]}"; do missing "$name" "$why"; done
        return
    fi
    crate() { # NAME: its version
        sed -n "/^name = \"$1\"\$/{n;s/version = \"\(.*\)\"/\1/p}" "$here/rust/Cargo.lock"
    }
    peer fastwebsockets "$(crate fastwebsockets)" "echo tls" "$release/fastwebsockets"
    peer fastwebsockets "$(crate fastwebsockets)" client "$release/fastwebsockets-client"
    peer tokio-tungstenite "$(crate tokio-tungstenite)" "echo tls" "$release/tokio-tungstenite"
    peer tokio-websockets "$(crate tokio-websockets)" "echo tls broadcast" "$release/tokio-websockets"
    peer tungstenite "$(crate tungstenite)" client "$release/tungstenite-client"
    peer yawc "$(crate yawc)" "echo tls deflate broadcast" "$release/yawc"
}

# The sources stand beside node_modules, since that is where Node looks for ws.
js() {
    local node=$dir/node
    mkdir -p "$node"
    cp "$here"/js/*.mjs "$node"
    why="there is no npm"
    if command -v npm >/dev/null && try bun npm install --prefix "$node/bun" --no-audit --no-fund "bun@$BUN" &&
        try bun "$node/bun/node_modules/.bin/bun" --version; then
        peer Bun "$BUN" "echo tls deflate broadcast" "$node/bun/node_modules/.bin/bun $node/bun.mjs"
    else
        missing Bun "$why"
    fi
    if command -v npm >/dev/null && command -v node >/dev/null &&
        try ws npm install --prefix "$node" --no-audit --no-fund "ws@$WS" "bufferutil@$BUFFERUTIL"; then
        peer ws "$WS" "echo tls deflate broadcast" "$(command -v node) $node/ws.mjs"
        peer ws "$WS" client "$(command -v node) $node/ws-client.mjs"
    else
        missing ws "$why"
    fi
}

python_peer() { # NAME VERSION MODES [CLIENT-MODES]
    if try "$1" "$dir/venv/bin/python" -m pip --disable-pip-version-check install -q "$1==$2" "uvloop==$UVLOOP"; then
        peer "$1" "$2" "$3" "$dir/venv/bin/python $here/python/$1_server.py"
        [ -z "${4:-}" ] || peer "$1" "$2" "$4" "$dir/venv/bin/python $here/python/$1_client.py"
    else
        missing "$1" "$why"
    fi
}
python() {
    if ! try venv "$python" -m venv --clear "$dir/venv"; then
        for name in aiohttp picows socketify websockets; do missing "$name" "$why"; done
        return
    fi
    python_peer aiohttp "$AIOHTTP" "echo tls deflate"
    python_peer picows "$PICOWS" "echo tls broadcast" client
    python_peer socketify "$SOCKETIFY" "echo tls deflate broadcast"
    python_peer websockets "$WEBSOCKETS" "echo tls deflate broadcast"
}

echo "installing the peers in $dir (some minutes, once) ..."
debian
c_and_cpp
rust
js
python

{
    echo "["
    for ((i = 0; i < ${#entries[@]}; i++)); do
        echo "  ${entries[i]}$([ $((i + 1)) -eq ${#entries[@]} ] || echo ,)"
    done
    echo "]"
} > "$dir/peers.json"
# What could not be had is tried again at the next call.
[ -s "$dir/missing.txt" ] || printf '%s\n' "$stamp" > "$dir/.installed"
