#!/bin/sh
# Windows, by MinGW-w64 and Wine: the examples hello and game_loop, which plays without a terminal
# there; unit tests of the library, and the waiter suite on each implementation that Windows has
# (WaitOnAddress, condition variable). Without Wine all of it is compiled only.
# Debian: gcc-mingw-w64-x86-64-win32, wine64.

set -u
cd "$(dirname "$0")/../.." || exit 2
cc=${WINDOWS_CC:-x86_64-w64-mingw32-gcc}
command -v "$cc" >/dev/null 2>&1 || cc=x86_64-w64-mingw32-gcc-win32
if ! command -v "$cc" >/dev/null 2>&1; then
    echo "Windows: no x86_64-w64-mingw32-gcc"
    exit 77
fi
dir=build/check/windows
mkdir -p "$dir"
header=${ECS_TEST_HEADER_FILE:-src/ecs_dev.h}
flags="-std=c11 -O1 -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla"
flags="$flags -Werror -I. -static"
passed=0
failed=0

# Debian's wine64 alone puts nothing into the path.
wine=
for each in wine64 /usr/lib/wine/wine64 wine; do
    [ -n "$wine" ] || ! command -v "$each" >/dev/null 2>&1 || wine=$each
done
WINEPREFIX=$(pwd)/$dir/wine
WINEDEBUG=-all
WINEDLLOVERRIDES="mscoree,mshtml="
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
limit="timeout 300"
[ "${ECS_TEST_LONG:-0}" = 1 ] && limit="timeout 7200"
command -v timeout >/dev/null 2>&1 || limit=

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

# take LOG CODE: adds the counts of a test program.
take() {
    line='\([0-9]*\) passed, \([0-9]*\) failed, [0-9]* skipped'
    counts=$(tr -d '\r' <"$1" | sed -n "s/^[^ ].*: $line\$/\1 \2/p" | tail -n 1)
    if [ -z "$counts" ] || [ "${counts%% *}" -eq 0 ]; then
        fail "$1 has no counts (exit $2)"
        return
    fi
    passed=$((passed + ${counts%% *}))
    failed=$((failed + ${counts##* }))
    [ "$2" -eq 0 ] || [ "${counts##* }" -gt 0 ] || fail "$1: exit $2"
}

# program NAME SOURCE FLAGS...: builds it; runs it where there is Wine.
program() {
    name=$1
    source=$2
    shift 2
    if ! $cc $flags "$@" -DECS_TEST_HEADER="\"$header\"" "$source" -o "$dir/$name.exe" -lm; then
        fail "$source does not build ($name)"
        return
    fi
    if [ -z "$wine" ]; then
        passed=$((passed + 1))
        return
    fi
    $limit "$wine" "$dir/$name.exe" >"$dir/$name.log" 2>&1
    code=$?
    cat "$dir/$name.log"
    take "$dir/$name.log" $code
}

# The example prints nothing; 0 says that it did what it should.
hello() {
    if ! $cc $flags examples/hello/hello.c -o "$dir/hello.exe" -lm; then
        fail "examples/hello does not build"
    elif [ -n "$wine" ] && ! $limit "$wine" "$dir/hello.exe" 2>&1; then
        fail "examples/hello does not run"
    else
        passed=$((passed + 1))
    fi
}

# Plays the same on one thread and on several.
game() {
    if ! $cc $flags examples/game_loop/game_loop.c -o "$dir/game.exe" -lm; then
        fail "examples/game_loop does not build"
        return
    fi
    passed=$((passed + 1))
    [ -n "$wine" ] || return
    for workers in 0 2; do
        $limit "$wine" "$dir/game.exe" --headless --workers $workers >"$dir/game.$workers" ||
            fail "examples/game_loop does not play on $workers workers"
    done
    grep -q 'game_loop: 1000 ticks, .* past ' "$dir/game.0" || fail "game_loop: no end"
    cmp "$dir/game.0" "$dir/game.2" || fail "game_loop: 2 workers have other hashes"
}

if [ -z "$wine" ]; then
    echo "Windows: no wine64: compiled only"
elif ! $limit "$wine" cmd /c exit >/dev/null 2>&1; then
    echo "Windows: $wine does not run here: compiled only"
    wine=
fi
hello
game
# All cases of a program run in one process there: only suites whose cases share no state.
program waiter tests/unit/waiter.c
program waiting tests/unit/waiting.c
program waiter_condition tests/unit/waiter.c -DECS_PARK_COND
program waiting_condition tests/unit/waiting.c -DECS_PARK_COND
for each in deque entity component storage query resource random runner; do
    program "$each" "tests/unit/$each.c"
done

echo "windows: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
