#!/bin/sh
# Jobs, loops, reductions and the adaptive backend in a build without threads: the same files, on
# one thread.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=build/check/no_threads
mkdir -p "$dir"
header=${ECS_TEST_HEADER_FILE:-src/ecs_dev.h}
flags="-std=c11 -O2 -g -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla"
flags="$flags -Werror -I. -DECS_NO_THREADS"

passed=0
failed=0
skipped=0
line='\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped'
for name in jobs adaptive; do
    set -- 0 1 0
    if ${CC:-cc} $flags -DECS_TEST_HEADER="\"$header\"" "tests/unit/$name.c" -o "$dir/$name" -lm
    then
        "$dir/$name" >"$dir/$name.log" 2>&1
        cat "$dir/$name.log"
        counts=$(sed -n "s/^[^ ].*: $line\$/\1 \2 \3/p" "$dir/$name.log" | tail -n 1)
        [ -n "$counts" ] && set -- $counts
    fi
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
done
echo "no_threads: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
