#!/usr/bin/env bash
# The same inputs to wsock, tungstenite and Python's websockets: run.sh MUTATIONS. Installs websockets in a venv.
set -euo pipefail
cd "$(dirname "$0")"

# As in tests/interop/install.sh.
WEBSOCKETS=17.4
target=${CARGO_TARGET_DIR:-target}/differential
python=$target/venv/bin/python
"${CARGO:-cargo}" build --bin differential --target-dir "$target"
if ! "$python" -c "import importlib.metadata as m; assert m.version('websockets') == '$WEBSOCKETS'" 2>/dev/null; then
    rm -rf "$target/venv"
    "${PYTHON:-python3}" -m venv "$target/venv"
    "$python" -m pip --disable-pip-version-check install -q "websockets==$WEBSOCKETS"
fi
"$target/debug/differential" "$1" "$python"
