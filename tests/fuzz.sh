#!/bin/sh
# Runs each fuzz target with clang's libFuzzer for FUZZ_SECONDS; keeps what it learns in
# build/fuzz/NAME. What it finds belongs into tests/fuzz/corpus/NAME, where `make check` tries
# it for ever after.

set -u
cd "$(dirname "$0")/.." || exit 2
seconds=${FUZZ_SECONDS:-60}
command -v clang >/dev/null 2>&1 || { echo "fuzz: needs clang"; exit 1; }
count=0
for source in tests/fuzz/*.c; do
    [ -f "$source" ] || continue
    name=$(basename "$source" .c)
    corpus=build/fuzz/$name
    mkdir -p "$corpus" "tests/fuzz/corpus/$name"
    clang -std=c11 -O1 -g -ffp-contract=off -I. -DECS_TEST_HEADER='"src/ecs_dev.h"' \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "$source" \
        -o "build/fuzz/$name.run" -lm -lpthread || exit 1
    "build/fuzz/$name.run" -max_total_time="$seconds" -artifact_prefix="build/fuzz/$name." \
        "$corpus" "tests/fuzz/corpus/$name" || exit 1
    rmdir "tests/fuzz/corpus/$name" 2>/dev/null
    count=$((count + 1))
done
[ $count -gt 0 ] || { echo "fuzz: no targets in tests/fuzz"; exit 1; }
echo "fuzz: $count targets, $seconds s each, nothing found"
