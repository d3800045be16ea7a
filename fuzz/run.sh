#!/usr/bin/env bash
# Fuzzes with libFuzzer on the installed stable toolchain: run.sh SECONDS [TARGET...]
# What it finds is kept in fuzz/corpus (not committed); inputs that fail go to fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")"

seconds=$1
shift
[ "$seconds" -gt 0 ] || { echo "the seconds must be at least 1"; exit 1; }
[ $# -gt 0 ] || set -- $(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' Cargo.toml)

command -v "${CXX:-c++}" >/dev/null || { echo "libFuzzer needs a C++ compiler: apt-get install g++"; exit 1; }
host=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-target}/fuzz

# What cargo fuzz does: coverage of edges and comparisons. With --target it is left out of build scripts.
export RUSTFLAGS="--cfg fuzzing -C codegen-units=1 -C passes=sancov-module \
-C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --bins --target "$host" --target-dir "$target"

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
