#!/usr/bin/env bash
# Install what the bad networks want: nftables and tc by apt-get, Python's websockets, of the interop tests' version, into VENV.
#
#   install.sh VENV      a second call returns at once
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 VENV" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
version=$(sed -n 's/^WEBSOCKETS=//p' "$here/../interop/install.sh")

missing=()
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need ip iproute2
need nft nftables
need sysctl procps
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]} ..."
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! "$1/bin/python" -c "import websockets, sys; sys.exit(websockets.__version__ != '$version')" 2>/dev/null; then
    python3 -m venv "$1"
    "$1/bin/pip" install -q --disable-pip-version-check "websockets==$version"
fi
