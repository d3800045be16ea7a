#!/bin/bash
# Builds the targets as OSS-Fuzz wants them: programs and their seeds in $OUT. The image sets $SRC, $OUT, $CC, $CXX,
# $CFLAGS, $CXXFLAGS, which the C below (aws-lc) is built with, $SANITIZER and $LIB_FUZZING_ENGINE.
set -euo pipefail
cd "$SRC/wsock/fuzz"
source ./flags.sh

# An engine of theirs is a file; -fsanitize=fuzzer is libFuzzer, which libfuzzer-sys brings along.
[ ! -f "${LIB_FUZZING_ENGINE:-}" ] || export CUSTOM_LIBFUZZER_PATH=$LIB_FUZZING_ENGINE
# Takes the nightly Rust of their image.
[ "${SANITIZER:-none}" != address ] || RUSTFLAGS+=" -Zsanitizer=address"

target=${CARGO_TARGET_DIR:-target}/oss-fuzz
for crate in . differential; do
    cargo build --release $(bins_of $crate) --manifest-path $crate/Cargo.toml --target "$host" --target-dir "$target"
    for name in $(targets_of $crate); do
        cp "$target/$host/release/$name" "$OUT/"
        rm -f "$OUT/${name}_seed_corpus.zip"
        zip -qj "$OUT/${name}_seed_corpus.zip" "seeds/$name"/*
        # As in fuzz/run.sh: nothing may need longer.
        printf '[libfuzzer]\ntimeout = 10\n' >"$OUT/$name.options"
    done
done
