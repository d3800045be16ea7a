#!/usr/bin/env bash
# Runs the tests of src/util and src/proto in Miri, which watches every access for undefined behaviour: the unsafe code
# of ours that has no system below it, and what zlib-rs and simdutf8 do with what the protocol gives them. What needs the
# system (fork, epoll, timers of the kernel) is beyond Miri, and skipped by name below; so is what asks for more memory than
# there is, which ends Miri itself.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "skipped: Miri: $1"
    exit 0
}

toolchain=${MIRI_TOOLCHAIN:-nightly}
rustc "+$toolchain" --version || skip "it wants a nightly Rust: rustup toolchain install nightly --component miri rust-src"
cargo "+$toolchain" miri --version 2>/dev/null ||
    skip "rustup component add miri rust-src --toolchain $toolchain"

# The same library without what only other tests of it need: rcgen brings C along, and forty crates.
mkdir -p target/miri/crate
sed -e '/^\[build-dependencies\]/,/^$/d' -e '/^rcgen /d' -e '/^\[\[/,/^$/d' -e '/^readme /d' -e '/^include /d' \
    -e 's|^\[package\]|&\nbuild = false|' -e "s|^crate-type .*|path = \"$PWD/src/lib.rs\"|" Cargo.toml >target/miri/crate/Cargo.toml
cp Cargo.lock target/miri/crate/

# Time and files of this machine may be asked for. Random tests are the same few each time.
export MIRIFLAGS="-Zmiri-disable-isolation" PROPTEST_CASES=${PROPTEST_CASES:-4} PROPTEST_RNG_SEED=1
export CARGO_TARGET_DIR=$PWD/target/miri
[ $# -gt 0 ] || set -- util:: proto::
system=(--skip util::forks --skip a_child_draws --skip util::beacon --skip util::bell --skip util::descriptor
    --skip util::inherited --skip util::offer)
memory=(--skip what_is_not_to_be_had --skip a_large_buffer_comes_back --skip what_grows_takes
    --skip more_than_there_is_is_an_error)
# Megabytes, and millions of anything, take Miri hours; AddressSanitizer sees them, and the fuzz targets.
large=(--skip a_bomb --skip every_window --skip long_messages --skip parts_that_a_compressor_failed_on
    --skip truncated_data_is_invalid_data --skip a_few_buffers_are_kept --skip a_slot_retires_when
    --skip it_is_a_faster_list --skip no_more_than_a_mebibyte --skip our_client_and_our_server_always_agree
    --skip codes_of_the_peer --skip a_piece_may_be_read_elsewhere)
exec cargo "+$toolchain" miri test --manifest-path target/miri/crate/Cargo.toml --lib --no-default-features \
    --features deflate -- "$@" "${system[@]}" "${memory[@]}" "${large[@]}"
