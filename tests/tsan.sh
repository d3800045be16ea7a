#!/usr/bin/env bash
# Builds the library, and Rust's standard library with it, for ThreadSanitizer, and runs the C programs about
# threads, or those that are named, and the Rust tests of the layers that have threads: not one report is allowed,
# and nothing is suppressed.
#
# There can be only one runtime in a process, so the C compiler instruments but does not link its own: the
# programs get the one that comes with rustc, which speaks the same language. TLS is left out, because what C
# and assembler do in it is not instrumented.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "skipped: ThreadSanitizer: $1"
    exit 0
}

toolchain=${TSAN_TOOLCHAIN:-nightly}
target=$(uname -m)-unknown-linux-gnu
sysroot=$(rustc "+$toolchain" --print sysroot 2>/dev/null) ||
    skip "it wants a nightly Rust: rustup toolchain install nightly --component rust-src"
[ -d "$sysroot/lib/rustlib/src/rust/library" ] ||
    skip "it wants the source of the standard library: rustup component add rust-src --toolchain $toolchain"
runtime=$(find "$sysroot/lib/rustlib/$target/lib" -name 'librustc*_rt.tsan.a' | head -1)
[ -n "$runtime" ] || skip "$toolchain has no runtime of it for $target"

out=target/tsan
build() { # CARGO_ARGUMENT...
    CARGO_TARGET_DIR=$out RUSTFLAGS="-Zsanitizer=thread --cfg tsan" cargo "+$toolchain" "$@"
}
options=(-Zbuild-std --target "$target" --no-default-features --features deflate)
echo "$(rustc "+$toolchain" --version), $("${CC:-cc}" --version | head -1)"
build rustc --lib --crate-type staticlib "${options[@]}"

compile() { # SOURCE PROGRAM
    "${CC:-cc}" -std=c99 -g -O1 -fsanitize=thread -pthread -Iinclude -Itests/c -c "$1" -o "$2.o"
    "${CC:-cc}" "$2.o" "$out/$target/debug/libwsock.a" -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive \
        -pthread -ldl -lm -o "$2"
}

# What finds no race where there is one would find none anywhere.
cat >"$out/race.c" <<'END'
#include "wsock.h"
#include <pthread.h>
static int shared;
static void task(wsock_loop *loop, void *arg) { (void)loop, (void)arg, shared++; }
static void *other(void *arg) {
  for (int i = 0; i < 1000; i++) shared++;
  return arg;
}
int main(void) {
  wsock_loop *loop;
  pthread_t thread;
  if (wsock_loop_new(&loop) != WSOCK_OK || pthread_create(&thread, NULL, other, NULL) != 0) return 1;
  for (int i = 0; i < 1000; i++) wsock_loop_post(loop, task, NULL, NULL), wsock_loop_poll(loop, 0);
  return pthread_join(thread, NULL);
}
END
compile "$out/race.c" "$out/race"
export TSAN_OPTIONS="exitcode=66 history_size=7"
code=0
"$out/race" >"$out/race.log" 2>&1 || code=$?
if grep -q "FATAL: ThreadSanitizer: unexpected memory mapping" "$out/race.log"; then
    skip "this kernel spreads memory further than it knows: sysctl vm.mmap_rnd_bits=28"
fi
if [ "$code" != 66 ] || ! grep -q "data race .*/race.c:" "$out/race.log"; then
    cat "$out/race.log"
    echo "a race that is there was not found"
    exit 1
fi

named=$#
[ $# -gt 0 ] || set -- events hub_threads owned races started started_meanwhile started_waits threads stress stress_started
for name; do
    compile "tests/c/$name.c" "$out/$name"
    if ! timeout 600 "$out/$name" >"$out/$name.log" 2>&1; then
        cat "$out/$name.log"
        echo "failed below ThreadSanitizer: $name"
        exit 1
    fi
    echo "$name: no report; $(tail -1 "$out/$name.log")"
done
[ "$named" = 0 ] || exit 0
# Some of them fork, and go on with threads in the child.
TSAN_OPTIONS+=":die_after_fork=0" build test --lib "${options[@]}" -- driver:: util::
