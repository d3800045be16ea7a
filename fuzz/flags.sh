# To be sourced. What cargo fuzz does: coverage of edges and comparisons. With --target it is left out of build
# scripts.
export RUSTFLAGS="${RUSTFLAGS:-} --cfg fuzzing -C codegen-units=1 -C passes=sancov-module \
-C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares"
host=$(rustc -vV | sed -n 's/^host: //p')

# The targets of a crate below here, whose names its manifest has; as arguments of cargo build. (A program that is no
# target would not find what the coverage calls.)
targets_of() { sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"/\1/p' "$1/Cargo.toml"; }
bins_of() { targets_of "$1" | sed 's/^/--bin /'; }
