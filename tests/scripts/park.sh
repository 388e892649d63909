#!/bin/sh
# The waiter suite on the condition variable instead of the futex: plain, and with clang's
# ThreadSanitizer where that works.

set -u
cd "$(dirname "$0")/../.." || exit 2
dir=build/check/park
mkdir -p "$dir"
header=${ECS_TEST_HEADER_FILE:-src/ecs_dev.h}
flags="-std=c11 -ffp-contract=off -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Werror"
flags="$flags -g -I. -DECS_PARK_COND"
passed=0
failed=0
skipped=0

# suite COMMAND...: builds both halves by this command, runs them and takes their counts.
suite() {
    for half in waiter waiting pool jobs; do
        if ! "$@" $flags -DECS_TEST_HEADER="\"$header\"" "tests/unit/$half.c" -o "$dir/$half" \
            -lm -lpthread; then
            failed=$((failed + 1))
            echo "FAILED: $half.c does not build: $*"
            continue
        fi
        $runner "$dir/$half" >"$dir/$half.log" 2>&1
        code=$?
        cat "$dir/$half.log"
        line='\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped'
        counts=$(sed -n "s/^[^ ].*: $line\$/\1 \2 \3/p" "$dir/$half.log" | tail -n 1)
        [ -n "$counts" ] || counts="0 1 0"
        read -r p f s <<COUNTS
$counts
COUNTS
        [ $code -eq 0 ] || [ "$f" -gt 0 ] || f=1
        [ "$p" -gt 0 ] || f=$((f + 1))
        passed=$((passed + p))
        failed=$((failed + f))
        skipped=$((skipped + s))
    done
}

runner=
suite ${CC:-cc} -O2

# Newer kernels need a fixed address space for the sanitizers of older compilers.
echo 'int main(void) { return 0; }' >"$dir/probe.c"
if ! clang -fsanitize=thread "$dir/probe.c" -o "$dir/probe" >/dev/null 2>&1; then
    echo "skip: condition variable: ThreadSanitizer needs clang and its runtime"
    skipped=$((skipped + 1))
else
    "$dir/probe" >/dev/null 2>&1 || runner="setarch $(uname -m) -R"
    suite clang -O1 -fsanitize=thread -fno-sanitize-recover=all
fi

echo "park: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
