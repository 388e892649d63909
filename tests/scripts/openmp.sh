#!/bin/sh
# OpenMP's tasks as the job system of a world and of a pool: openmp.c with each compiler that
# has OpenMP.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=build/check/openmp
mkdir -p "$dir"
header=${ECS_TEST_HEADER_FILE:-src/ecs_dev.h}
flags="-std=c11 -O2 -g -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla"
flags="$flags -Werror -I. -fopenmp"
passed=0
failed=0
skipped=0

echo 'int main(void) { return 0; }' >"$dir/probe.c"
for cc in gcc clang; do
    if ! $cc -fopenmp "$dir/probe.c" -o "$dir/probe" >/dev/null 2>&1 || ! "$dir/probe"; then
        echo "skip: OpenMP: not with $cc"
        skipped=$((skipped + 1))
        continue
    fi
    if ! $cc $flags -DECS_TEST_HEADER="\"$header\"" tests/scripts/openmp.c -o "$dir/openmp" \
        -lm -lpthread; then
        failed=$((failed + 1))
        echo "FAILED: openmp.c does not build with $cc"
        continue
    fi
    "$dir/openmp" >"$dir/log" 2>&1
    code=$?
    cat "$dir/log"
    line='\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped'
    counts=$(sed -n "s/^[^ ].*: $line\$/\1 \2 \3/p" "$dir/log" | tail -n 1)
    [ -n "$counts" ] || counts="0 1 0"
    read -r p f s <<COUNTS
$counts
COUNTS
    [ $code -eq 0 ] || [ "$f" -gt 0 ] || f=1
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
done

if [ $((passed + failed)) -eq 0 ]; then
    echo "OpenMP: no compiler has it"
    exit 77
fi
echo "openmp: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
