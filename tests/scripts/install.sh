#!/bin/sh
# `make install` into an empty folder: a consumer finds the headers through ecs.pc, and the
# installed header is the one of this tree.

set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=/opt/ecs
${MAKE:-make} -s install DESTDIR="$work/stage" PREFIX=$prefix
pc=$work/stage$prefix/share/pkgconfig/ecs.pc

for header in ecs.h ecs_io_uring.h ecs_cluster.h; do
    [ -f $header ] || continue
    cmp $header "$work/stage$prefix/include/$header"
done
grep -q '^Version: [0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*$' "$pc"
if grep -q "$work" "$pc"; then
    echo "ecs.pc names the staging folder"
    exit 1
fi

if command -v pkg-config >/dev/null 2>&1; then
    export PKG_CONFIG_PATH="$work/stage$prefix/share/pkgconfig"
    export PKG_CONFIG_SYSROOT_DIR="$work/stage"
    pkg-config --validate ecs
    flags=$(pkg-config --cflags ecs)
    libs=$(pkg-config --libs ecs)
else
    flags="-I$work/stage$(sed -n 's/^prefix=//p' "$pc")/include"
    libs=$(sed -n 's/^Libs: //p' "$pc")
fi
cp tests/scripts/consumer.c "$work/consumer.c"
cd "$work"
$CC -std=c11 $flags consumer.c -o consumer $libs
./consumer
