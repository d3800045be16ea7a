#!/usr/bin/env bash
# Builds the library, with the C in it and Rust's standard library, for AddressSanitizer, and runs with it the whole
# C suite, which is watched for undefined behaviour, too, and the Rust tests of the library and of the protocol. Leaks
# count; nothing is suppressed. With names, only those C programs.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "skipped: AddressSanitizer: $1"
    exit 0
}

toolchain=${ASAN_TOOLCHAIN:-nightly}
target=$(uname -m)-unknown-linux-gnu
sysroot=$(rustc "+$toolchain" --print sysroot 2>/dev/null) ||
    skip "it wants a nightly Rust: rustup toolchain install nightly --component rust-src"
[ -d "$sysroot/lib/rustlib/src/rust/library" ] ||
    skip "it wants the source of the standard library: rustup component add rust-src --toolchain $toolchain"
ASAN_RUNTIME=$(find "$sysroot/lib/rustlib/$target/lib" -name 'librustc*_rt.asan.a' | head -1)
[ -n "$ASAN_RUNTIME" ] || skip "$toolchain has no runtime of it for $target"
export ASAN_RUNTIME
# Two copies of the library in one process are a test of ours, and no violation.
export ASAN_OPTIONS="exitcode=98:detect_leaks=1:detect_odr_violation=0:strict_string_checks=1"
export UBSAN_OPTIONS="print_stacktrace=1"

out=$PWD/target/asan
build() { # CARGO_ARGUMENT...
    CARGO_TARGET_DIR=$out RUSTFLAGS="-Zsanitizer=address" \
        env "CFLAGS_${target//-/_}=-fsanitize=address -fno-omit-frame-pointer -g1" \
        cargo "+$toolchain" "$@" -Zbuild-std --target "$target"
}
echo "$(rustc "+$toolchain" --version), $(cc --version | head -1)"
build build --lib
compiler=$PWD/tests/asan_cc.sh

# What finds nothing where there is something would find nothing anywhere.
ln -sf libwsock.so "$out/$target/debug/libwsock.so.0"
must_find() { # WHAT TEXT: a program that does WHAT wrong ends with TEXT
    local code=0
    "$out/wrong" "$1" >"$out/wrong.log" 2>&1 || code=$?
    if [ "$code" = 0 ] || ! grep -q "$2" "$out/wrong.log"; then
        cat "$out/wrong.log"
        echo "$1: is there, and was not found (exit status $code)"
        exit 1
    fi
}
cat >"$out/wrong.c" <<'END'
#include "wsock.h"
#include <stdlib.h>
#include <string.h>
static void task(wsock_loop *loop, void *arg) { (void)loop, (void)arg; }
static void *lost;
int main(int argc, char **argv) {
  wsock_loop *loop;
  wsock_event *events = malloc(4 * sizeof *events);
  wsock_handlers h = {0};
  wsock_server *server;
  h.struct_size = sizeof h;
  if (argc != 2 || wsock_loop_new(&loop) != WSOCK_OK) return 1;
  if (strcmp(argv[1], "overflow") == 0) argc += 2147483647;
  if (strcmp(argv[1], "leak") == 0) lost = malloc(100), lost = NULL;
  wsock_loop_use_events(loop, events, sizeof *events, 4);
  wsock_loop_post(loop, task, NULL, NULL);
  wsock_listen(loop, "127.0.0.1", 0, NULL, &h, NULL, &server);
  wsock_conn *conn;
  char url[] = "ws://127.0.0.1:1/";
  wsock_connect(loop, url, NULL, &h, NULL, &conn);
  if (strcmp(argv[1], "freed") == 0) free(events);
  for (int i = 0; i < 20; i++) wsock_loop_events(loop, 10);
  wsock_loop_free(loop);
  if (strcmp(argv[1], "freed") != 0) free(events);
  return argc < 0;
}
END
"$compiler" -g -O0 -Iinclude "$out/wrong.c" -o "$out/wrong" -L"$out/$target/debug" -lwsock -Wl,-rpath,"$out/$target/debug"
"$out/wrong" nothing
must_find freed "heap-use-after-free"
must_find leak "detected memory leaks"
must_find overflow "signed integer overflow"

# Built first: cargo must not take that compiler for the C in crates.
suite=$(CARGO_TARGET_DIR=$PWD/target cargo test --test c_suite --no-run --message-format=json |
    sed -n 's|.*"executable":"\([^"]*/c_suite-[^"]*\)".*|\1|p')
[ $# = 0 ] || exact=--exact
WSOCK_TEST_LIBRARY=$out/$target/debug/libwsock.so CC=$compiler "$suite" ${exact:-} "$@"
[ $# = 0 ] || exit 0
build test --lib --test proto
