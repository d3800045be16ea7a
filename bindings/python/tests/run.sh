#!/usr/bin/env bash
# Builds the wheel, installs it beside the libraries it is tested with, and runs the tests: over the glue, then over ctypes
# alone; and the manual's first example with every Python
# that is here.   run.sh LIBWSOCK.SO WORK_DIRECTORY
set -euo pipefail
library=$(realpath "$1")
mkdir -p "$2"
work=$(realpath "$2")
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
unset WSOCK_PURE WSOCK_GLUE PYTHONPATH

venv=$work/venv
if [ ! -x "$venv/bin/pyright" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check build hatchling pytest mypy pyright uvloop websockets aiohttp picows
fi
rm -rf "$work/dist"
WSOCK_LIBRARY=$library "$venv/bin/python" -m build --wheel --no-isolation --outdir "$work/dist" "$here" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log"; exit 1; }
wheel=$(echo "$work"/dist/*.whl)
echo "built ${wheel##*/}"
"$venv/bin/pip" install -q --disable-pip-version-check --force-reinstall --no-deps "$wheel"

echo "== mypy --strict"
(cd "$here" && "$venv/bin/mypy" --cache-dir "$work/mypy" --config-file pyproject.toml)
echo "== pyright"
# It is a program for Node.js, which it fetches itself where there is none.
if version=$("$venv/bin/pyright" --version 2>/dev/null); then
    echo "$version"
    (cd "$here" && "$venv/bin/pyright" --pythonpath "$venv/bin/python" wsock)
else
    echo "skipped: pyright, which found no Node.js and could not fetch it"
fi
for pure in 0 1; do
    echo "== pytest, WSOCK_PURE=$pure"
    # Not from beside the source, where that would be imported.
    (cd "$work" && WSOCK_PURE=$pure "$venv/bin/pytest" -c "$here/pyproject.toml" -p no:cacheprovider "$here/tests")
done

echo "== the three lines, in an empty environment and with every Python"
# The first example of the manual.
awk '/^```/ { if (inside) exit; inside = 1; next } inside' "$here/README.md" >"$work/lines.py"
check() { # PYTHON: runs them, and tells whether the glue is in use
    [ "$("$1" "$work/lines.py")" = "Hello Server!" ] || { echo "$1: the three lines do not work"; exit 1; }
    "$1" -c 'import sys; from wsock import _glue
print("ok: Python", sys.version.split()[0], "with" if _glue.make else "without", "the glue")'
}
rm -rf "$work/empty"
"$python" -m venv "$work/empty"
"$work/empty/bin/pip" install -q --disable-pip-version-check --no-index "$wheel"
check "$work/empty/bin/python"
for minor in 8 9 10 11 12 13 14 13t 14t; do
    for each in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.${minor%t}".*/bin/"python3.$minor"; do
        command -v "$each" >/dev/null && "$each" -c 'import ctypes' 2>/dev/null || continue
        # A wheel is an archive of what belongs into site-packages.
        rm -rf "$work/other"
        "$each" -m zipfile -e "$wheel" "$work/other"
        PYTHONPATH=$work/other check "$each"
        break
    done
done
