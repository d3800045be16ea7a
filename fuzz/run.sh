#!/usr/bin/env bash
# Fuzzes with libFuzzer on the installed stable toolchain: run.sh SECONDS [TARGET...]
# What it finds is kept in fuzz/corpus (not committed); inputs that fail go to fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")"
source ./flags.sh

seconds=$1
shift
[ "$seconds" -gt 0 ] || { echo "the seconds must be at least 1"; exit 1; }
[ $# -gt 0 ] || set -- $(targets_of .) $(targets_of differential)

command -v "${CXX:-c++}" >/dev/null || { echo "libFuzzer needs a C++ compiler: apt-get install g++"; exit 1; }
target=${CARGO_TARGET_DIR:-target}/fuzz

build() { # CRATE: if one of its targets is wanted
    grep -qxF -f <(targets_of "$1") <<<"$wanted" || return 0
    cargo build --release $(bins_of "$1") --manifest-path "$1/Cargo.toml" --target "$host" --target-dir "$target"
}
wanted=$(printf '%s\n' "$@")
build .
build differential

failed=()
for name in "$@"; do
    echo "== $name, $seconds s"
    mkdir -p "corpus/$name" "artifacts/$name"
    # Nothing may need 600 MB, or 10 seconds.
    "$target/$host/release/$name" "corpus/$name" "seeds/$name" -artifact_prefix="artifacts/$name/" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=600 -print_final_stats=1 \
        2>"artifacts/$name/log" || { failed+=("$name"); tail -n 40 "artifacts/$name/log"; }
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec)|DONE ' "artifacts/$name/log" || true
done
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}; inputs and logs are in fuzz/artifacts"; exit 1; }
