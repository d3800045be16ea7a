#!/usr/bin/env bash
# Install what the interop tests talk to: servers and proxies by apt-get, the Python and Node libraries into DIR.
#
#   install.sh DIR      leaves DIR/venv and DIR/node; a second call returns at once
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
WEBSOCKETS=17.4
WS=8.23.0
PROMETHEUS=0.26.0

missing=()
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need openssl openssl
need curl curl
need nginx nginx-light
need haproxy haproxy
need apache2 apache2-bin
need squid squid-openssl
need tinyproxy tinyproxy
need microsocks microsocks
need node nodejs
need npm npm
need python3 python3

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || { echo "$0: please install ${missing[*]}" >&2; exit 1; }
    echo "installing ${missing[*]} ..."
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    # Installing them is not meant to start them: the tests start their own, on free ports.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '$sudo rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
        $sudo chmod +x $policy
    fi
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
fi

python=${PYTHON:-python3}
stamp=$("$python" --version; node --version; cat "$here/install.sh" | cksum)
if [ "$(cat "$dir/.installed" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
echo "setting up the interop tests in $dir ..."
rm -rf "$dir/.installed" "$dir/venv" "$dir/node"
"$python" -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip --disable-pip-version-check install -q "websockets==$WEBSOCKETS" "prometheus_client==$PROMETHEUS"
mkdir -p "$dir/node"
(cd "$dir/node" && npm install --no-audit --no-fund --no-save --no-package-lock --silent "ws@$WS")
printf '%s\n' "$stamp" > "$dir/.installed"
