#!/usr/bin/env bash
# Install the Autobahn WebSocket test suite (wstest) for Python 3 into a virtual environment.
#
#   install.sh DIR                      leaves DIR/bin/wstest; a second call returns at once
#   PYTHON=python3.12 install.sh DIR    another interpreter than python3
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
python=${PYTHON:-python3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$1

command -v "$python" >/dev/null || { echo "Autobahn needs $python: apt-get install python3 python3-venv" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    { echo "Autobahn needs Python 3.10 or newer; set PYTHON" >&2; exit 1; }
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    { echo "Autobahn needs Python's venv module: apt-get install python3-venv" >&2; exit 1; }

# The same files and the same interpreter: nothing to do.
stamp=$("$python" --version; cd "$here" && sha256sum install.sh requirements*.txt convert.py py3compat.py selfcheck.py)
if [ -x "$dir/bin/wstest" ] && [ "$(cat "$dir/.installed" 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi
if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ] && [ -n "$(ls -A "$dir")" ]; then
    echo "$0: $dir exists, is not empty and is not a virtual environment" >&2
    exit 2
fi

echo "setting up the Autobahn test suite in $dir (about 20 s, once) ..."
rm -f "$dir/.installed"
"$python" -m venv --clear "$dir"
dir=$(cd "$dir" && pwd)
vpy=$dir/bin/python
pip() { "$vpy" -m pip --disable-pip-version-check install -q --no-deps "$@"; }
pip --only-binary :all: -r "$here/requirements.txt"
pip --no-compile --use-pep517 --no-build-isolation --require-hashes --no-binary :all: -r "$here/requirements-source.txt"

site=$("$vpy" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$vpy" "$here/convert.py" "$site"
# The parts that wstest does not use stay Python 2 and do not compile; the self-check covers the others.
"$vpy" -W ignore -m compileall -qq "$site/txaio" "$site/autobahn" "$site/autobahntestsuite" || true
"$vpy" -W ignore "$here/selfcheck.py"
printf '%s\n' "$stamp" > "$dir/.installed"
