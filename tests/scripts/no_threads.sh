#!/bin/sh
# Jobs, loops and reductions in a build without threads: the same file, on one thread.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=build/check/no_threads
mkdir -p "$dir"
header=${ECS_TEST_HEADER_FILE:-src/ecs_dev.h}
flags="-std=c11 -O2 -g -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla"
flags="$flags -Werror -I. -DECS_NO_THREADS"

if ! ${CC:-cc} $flags -DECS_TEST_HEADER="\"$header\"" tests/unit/jobs.c -o "$dir/jobs" -lm; then
    echo "no_threads: 0 passed, 1 failed, 0 skipped"
    exit 1
fi
"$dir/jobs"
