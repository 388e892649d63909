#!/bin/sh
# hashes.sh: between compilers and levels, on one thread and on all workers: examples/swarm has
# the same world hash after each tick, with the flags that docs/determinism.md names.
# Exit: 0 passed, 77 skipped (the last line says why), else failed.
set -u
LC_ALL=C
export LC_ALL
INC=${ECS_INC:-.} # where ecs.h is
SRC=examples/swarm/swarm.c
RUN="--entities 6000 --ticks 40 --hash-every 1"
flags="-std=c11 -ffp-contract=off"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-hashes.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

passed=0
failed=0
first=""

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

# compare NAME: the hashes in $tmp/have are those of the first run.
compare() {
    if [ "$(wc -l <"$tmp/have")" -ne 40 ]; then
        fail "$1: 40 hashes expected"
    elif [ -z "$first" ] && [ $failed -eq 0 ]; then
        first=$1
        mv "$tmp/have" "$tmp/want"
        passed=$((passed + 1))
    elif cmp -s "$tmp/want" "$tmp/have"; then
        passed=$((passed + 1))
    else
        diff "$tmp/want" "$tmp/have" | head -n 4
        fail "$1 has other hashes than $first"
    fi
}

for compiler in gcc clang; do
    command -v $compiler >/dev/null 2>&1 || continue
    for level in -O1 -O2 -O3; do
        # shellcheck disable=SC2086
        if ! $compiler $flags $level -I"$INC" "$SRC" -o "$tmp/swarm" -lm -lpthread; then
            fail "$compiler $level does not compile"
            continue
        fi
        for way in --blocking "--workers 2" "--workers 7" ""; do
            # shellcheck disable=SC2086
            "$tmp/swarm" $RUN $way >"$tmp/run" || fail "$compiler $level $way: swarm fails"
            sed -n 's/^tick .* hash /hash /p' "$tmp/run" >"$tmp/have"
            compare "$compiler $level ${way:-on all processors}"
        done
    done
done
if [ -z "$first" ] && [ $failed -eq 0 ]; then
    echo "neither gcc nor clang"
    exit 77
fi
# 40 different ticks, or the comparison would be none.
[ "$(sort -u "$tmp/want" 2>/dev/null | wc -l)" -eq 40 ] ||
    fail "hashes do not change from tick to tick"
echo "hashes: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
