#!/usr/bin/env bash
# Stage an installation, look at what is in it, and build and run a program against it as a user would:
# with pkg-config, with and without the static library.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
stage=$root/target/install
cc=${CC:-cc}
fail() { echo "tests/install.sh: $*" >&2; exit 1; }
command -v pkg-config >/dev/null || fail "pkg-config is needed: apt-get install pkg-config"
command -v readelf >/dev/null || fail "readelf is needed: apt-get install binutils"

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rm -rf "$stage"
env -u LIBDIR -u INCLUDEDIR make --no-print-directory install PREFIX=/usr DESTDIR="$stage" >/dev/null
lib=$stage/usr/lib

[ "$(readlink "$lib/libwsock.so")" = libwsock.so.0 ] || fail "libwsock.so does not point to libwsock.so.0"
[ "$(readlink "$lib/libwsock.so.0")" = "libwsock.so.$version" ] || fail "libwsock.so.0 does not point to libwsock.so.$version"
[ -f "$lib/libwsock.so.$version" ] && [ ! -L "$lib/libwsock.so.$version" ] || fail "libwsock.so.$version is missing"
readelf -d "$lib/libwsock.so.$version" | grep -q 'SONAME.*\[libwsock\.so\.0\]' || fail "the SONAME is not libwsock.so.0"
cmp -s include/wsock.h "$stage/usr/include/wsock.h" || fail "the header is not the one in include/"
for file in LICENSE-MIT LICENSE-APACHE; do
    [ -s "$stage/usr/share/doc/wsock/$file" ] || fail "$file is missing"
done
! grep -rqF "$stage" "$lib/pkgconfig" || fail "DESTDIR is recorded in wsock.pc"

# As on a machine where it was installed into /usr, which the sysroot moves to the stage.
export PKG_CONFIG_LIBDIR=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
[ "$(pkg-config --modversion wsock)" = "$version" ] || fail "pkg-config says $(pkg-config --modversion wsock), not $version"

cat > "$stage/consumer.c" <<'END'
#include <stdio.h>
#include <wsock.h>
int main(void)
{
    wsock_loop *loop;
    if (wsock_loop_new(&loop) != WSOCK_OK || wsock_loop_run(loop) != WSOCK_OK || wsock_loop_free(loop) != WSOCK_OK)
        return 1;
    return puts(wsock_version_string()) < 0;
}
END
cd "$stage"
# shellcheck disable=SC2046  # flags are meant to be split
"$cc" -std=c99 -Wall -Wextra -Werror consumer.c -o shared $(pkg-config --cflags --libs wsock)
[ "$(LD_LIBRARY_PATH=$lib ./shared)" = "$version" ] || fail "the program linked with the shared library does not run"
readelf -d shared | grep -q 'NEEDED.*\[libwsock\.so\.0\]' || fail "the program does not ask for libwsock.so.0"

# shellcheck disable=SC2046
"$cc" -std=c99 consumer.c -o static $(pkg-config --cflags wsock) \
    $(pkg-config --static --libs wsock | sed 's/-lwsock/-l:libwsock.a/')
[ "$(./static)" = "$version" ] || fail "the program linked with the static library does not run"
! readelf -d static | grep -q 'NEEDED.*libwsock' || fail "the static program asks for the shared library"

# Another place, with its own directories.
cd "$root"
PREFIX=/opt/wsock LIBDIR=/opt/wsock/lib64 INCLUDEDIR=/opt/wsock/inc DESTDIR=$stage/other packaging/install.sh >/dev/null
grep -q '^libdir=/opt/wsock/lib64$' "$stage/other/opt/wsock/lib64/pkgconfig/wsock.pc" || fail "LIBDIR is not in wsock.pc"
[ -f "$stage/other/opt/wsock/inc/wsock.h" ] || fail "INCLUDEDIR is not obeyed"
echo "install: links, SONAME, header, pkg-config, shared and static programs are as they should be"
