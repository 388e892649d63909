#!/bin/sh
# hello.sh: examples/hello/hello.c compiles as C11 and as C++17 with every compiler that is
# here, without a warning, and runs. README.md begins with the same program.
# Exit: 0 passed, 77 skipped (the last line says why), else failed.
set -u
LC_ALL=C
export LC_ALL
CC=${CC:-cc}
CXX=${CXX:-c++}
INC=${ECS_INC:-.} # where ecs.h is
SRC=examples/hello/hello.c
WARN="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-hello.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

failed=0
built=0

# try COMPILER FLAGS...: builds and runs. A compiler that is not here is no failure.
try() {
    name=$1
    shift
    command -v "${name%% *}" >/dev/null 2>&1 || return 0
    # shellcheck disable=SC2086
    if ! $name "$@" $WARN -I"$INC" -o "$tmp/hello" >"$tmp/log" 2>&1 || [ -s "$tmp/log" ]; then
        echo "hello.sh: $name $* does not compile cleanly:"
        cat "$tmp/log"
        failed=1
        return 0
    fi
    if ! "$tmp/hello" >"$tmp/log" 2>&1; then
        echo "hello.sh: built by $name $*, it fails:"
        cat "$tmp/log"
        failed=1
    fi
    built=$((built + 1))
}

tried=" "
for compiler in "$CC" gcc clang; do
    case $tried in *" $compiler "*) continue ;; esac
    tried="$tried$compiler "
    try "$compiler" -std=c11 -O2 "$SRC" -lm
done
tried=" "
for compiler in "$CXX" g++ clang++; do
    case $tried in *" $compiler "*) continue ;; esac
    tried="$tried$compiler "
    try "$compiler" -std=c++17 -O2 -x c++ "$SRC" -x none -lm
done

# The first C program of the README is this one, byte for byte.
if [ -f README.md ]; then
    awk '/^```c$/ { f = 1; next } /^```$/ { if (f) exit } f' README.md >"$tmp/readme.c"
    if ! cmp -s "$tmp/readme.c" "$SRC"; then
        echo "hello.sh: the first C block of README.md differs from $SRC:"
        diff "$tmp/readme.c" "$SRC" | head -20
        failed=1
    fi
fi

if [ "$built" -eq 0 ] && [ "$failed" -eq 0 ]; then
    echo "hello.sh: no compiler"
    exit 77
fi
echo "hello.sh: $built builds"
exit "$failed"
