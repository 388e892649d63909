#!/bin/sh
# Installs the headers and a pkg-config file. The version is read from ecs.h itself.
# usage: tools/install.sh DESTDIR PREFIX HEADER ...

set -eu
destdir=$1
prefix=$2
shift 2
[ $# -gt 0 ] || { echo "install: there is no ecs.h; run make ecs.h" >&2; exit 1; }

number() {
    found=$(sed -n "s/^#define ECS_VERSION_$1 \([0-9][0-9]*\).*/\1/p" ecs.h | head -n 1)
    echo "${found:-0}"
}

version=$(number MAJOR).$(number MINOR).$(number PATCH)
include=$destdir$prefix/include
pkgconfig=$destdir$prefix/share/pkgconfig
mkdir -p "$include" "$pkgconfig"
for header in "$@"; do
    cp "$header" "$include/$header"
    chmod 644 "$include/$header"
    echo "installed $include/$header"
done
cat >"$pkgconfig/ecs.pc" <<END
prefix=$prefix
includedir=\${prefix}/include

Name: ecs
Description: an Entity Component System for C and C++ in one header
Version: $version
Cflags: -I\${includedir}
Libs: -lpthread -lm
END
chmod 644 "$pkgconfig/ecs.pc"
echo "installed $pkgconfig/ecs.pc"
