#!/usr/bin/env bash
# The C compiler of tests/asan.sh: instruments for addresses and undefined behaviour, and links the runtime that
# comes with rustc, in $ASAN_RUNTIME, instead of the compiler's own. Undefined behaviour ends the program.
set -euo pipefail

program=
source=
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    -o) program=$2 && shift ;;
    *.c) source=$1 ;;
    *) arguments+=("$1") ;;
    esac
    shift
done
# What gcc warns of depends on what it has instrumented; that nothing is to be warned of is checked elsewhere.
cc -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer \
    "${arguments[@]}" -w -c "$source" -o "$program.o"
# The library finds the runtime in the program, hence -rdynamic.
cc "$program.o" "${arguments[@]}" -rdynamic -Wl,--whole-archive "$ASAN_RUNTIME" -Wl,--no-whole-archive \
    -pthread -ldl -lm -lrt -lresolv -o "$program"
