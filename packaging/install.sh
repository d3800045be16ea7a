#!/bin/sh
# Copy the built library, its header and its pkg-config file into place. `make install` calls this.
#
#   PREFIX=/usr/local DESTDIR= packaging/install.sh
#
# LIBDIR and INCLUDEDIR default to lib and include below PREFIX. DESTDIR goes in front of every path that
# is written, and of none that is recorded.
set -eu
cd "$(dirname "$0")/.."
PREFIX=${PREFIX:-/usr/local}
DESTDIR=${DESTDIR:-}
LIBDIR=${LIBDIR:-$PREFIX/lib}
INCLUDEDIR=${INCLUDEDIR:-$PREFIX/include}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME=libwsock.so.0
DOCDIR=$PREFIX/share/doc/wsock

case $PREFIX in /*) ;; *) echo "PREFIX must be an absolute path, not $PREFIX" >&2; exit 2;; esac

put() { # MODE FILE DIRECTORY
    mkdir -p "$DESTDIR$3"
    install -m "$1" "$2" "$DESTDIR$3/"
}
put 644 target/release/libwsock.a "$LIBDIR"
put 755 target/release/libwsock.so "$LIBDIR"
# A program linked with -lwsock finds libwsock.so, remembers the SONAME and loads that: three names, one file.
mv "$DESTDIR$LIBDIR/libwsock.so" "$DESTDIR$LIBDIR/libwsock.so.$VERSION"
ln -sf "libwsock.so.$VERSION" "$DESTDIR$LIBDIR/$SONAME"
ln -sf "$SONAME" "$DESTDIR$LIBDIR/libwsock.so"
put 644 include/wsock.h "$INCLUDEDIR"
for file in LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md; do
    put 644 "$file" "$DOCDIR"
done
mkdir -p "$DESTDIR$LIBDIR/pkgconfig"
sed -e "s|@PREFIX@|$PREFIX|" -e "s|@LIBDIR@|$LIBDIR|" -e "s|@INCLUDEDIR@|$INCLUDEDIR|" -e "s|@VERSION@|$VERSION|" \
    packaging/wsock.pc.in > "$DESTDIR$LIBDIR/pkgconfig/wsock.pc"

echo "installed libwsock $VERSION in $DESTDIR$PREFIX"
# The loader's cache has to learn of a new library; with DESTDIR that is the packager's business.
if [ -z "$DESTDIR" ] && [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then
    ldconfig
fi
