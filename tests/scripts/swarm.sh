#!/bin/sh
# swarm.sh: examples/swarm is deterministic. Equal hashes in two runs, on any number of workers,
# at -O0 and -O3, by gcc and clang; other hashes for another seed; pictures are valid and change
# nothing; in a pipe there is only the report.
# Exit: 0 passed, 77 skipped (the last line says why), else failed.
set -u
LC_ALL=C
export LC_ALL
CC=${CC:-cc}
INC=${ECS_INC:-.} # where ecs.h is
SRC=examples/swarm/swarm.c
RUN="--entities 3000 --ticks 90 --hash-every 10"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-swarm.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "swarm.sh: $*"
    exit 1
}

build() { # build COMPILER LEVEL PROGRAM
    # shellcheck disable=SC2086
    $1 -std=c11 "$2" -ffp-contract=off -I"$INC" "$SRC" -o "$3" -lm -lpthread >"$tmp/log" 2>&1 || {
        cat "$tmp/log"
        fail "$1 $2 does not compile"
    }
}

# hashes PROGRAM ARGUMENTS...: the hash lines of a run, the last one included.
hashes() {
    program=$1
    shift
    "$program" "$@" >"$tmp/run" 2>"$tmp/err" || {
        cat "$tmp/run" "$tmp/err"
        fail "$* fails"
    }
    [ -s "$tmp/err" ] && fail "$* writes to stderr: $(cat "$tmp/err")"
    sed -n 's/^tick .* hash /hash /p; s/^  hash  */hash /p' "$tmp/run"
}

build "$CC" -O2 "$tmp/swarm"
# shellcheck disable=SC2086
hashes "$tmp/swarm" $RUN >"$tmp/want"
[ "$(wc -l <"$tmp/want")" -eq 10 ] || fail "10 hashes expected, got: $(cat "$tmp/want")"
[ "$(sort -u "$tmp/want" | wc -l)" -eq 9 ] || fail "hashes do not change from tick to tick"

# What a pipe gets: no control characters, and the report is short.
tr -d '\n -~' <"$tmp/run" | cmp -s - /dev/null || fail "control characters in a pipe"
[ "$(grep -vc '^tick ' "$tmp/run")" -le 8 ] || fail "the report is long"
for key in 'entities ' 'ticks ' 'ticks/s ' 'hash ' 'checked .*: equal$'; do
    grep -q "^  $key" "$tmp/run" || fail "the report lacks $key"
done
# Something happens in it: births, deaths and meals.
"$tmp/swarm" --entities 20000 --ticks 120 >"$tmp/run" || fail "20,000 boids fail"
grep -Eq '\([1-9][0-9]* born, [1-9][0-9]* died of age, [1-9][0-9]* eaten\)' "$tmp/run" ||
    fail "nobody is born, dies or is eaten: $(cat "$tmp/run")"

# shellcheck disable=SC2086
hashes "$tmp/swarm" $RUN >"$tmp/have"
cmp -s "$tmp/want" "$tmp/have" || fail "two runs differ"
# Without workers, on all, on fewer and on more than there are processors.
for way in --blocking "--workers 1" "--workers 2" "--workers 5" "--workers 16"; do
    # shellcheck disable=SC2086
    hashes "$tmp/swarm" $RUN $way >"$tmp/have"
    cmp -s "$tmp/want" "$tmp/have" || fail "$way has other hashes"
done
# shellcheck disable=SC2086
hashes "$tmp/swarm" $RUN --seed 2 >"$tmp/have"
cat "$tmp/want" "$tmp/have" | sort | uniq -d >"$tmp/both"
[ "$(wc -l <"$tmp/both")" -eq 2 ] || fail "another seed gives equal hashes" # each its own last

# One line with --quiet, and the same hash.
"$tmp/swarm" --entities 3000 --ticks 90 --quiet >"$tmp/run" || fail "--quiet fails"
[ "$(wc -l <"$tmp/run")" -eq 1 ] || fail "--quiet prints more than a line"
[ "hash $(sed 's/.* hash //' "$tmp/run")" = "$(tail -n 1 "$tmp/want")" ] ||
    fail "--quiet has another hash"

# Pictures: as many as asked for, each of the size that its header says, not all one colour.
# shellcheck disable=SC2086
hashes "$tmp/swarm" $RUN --frames "$tmp/out" --frame-every 45 >"$tmp/have"
cmp -s "$tmp/want" "$tmp/have" || fail "drawing changes the hash"
[ "$(ls "$tmp/out" | tr '\n' ' ')" = "frame-000045.ppm frame-000090.ppm " ] ||
    fail "wrong pictures: $(ls "$tmp/out")"
for picture in "$tmp"/out/*.ppm; do
    [ "$(head -n 3 "$picture" | tr '\n' ' ')" = "P6 800 800 255 " ] || fail "bad header: $picture"
    [ "$(wc -c <"$picture")" -eq $((15 + 800 * 800 * 3)) ] || fail "bad size: $picture"
    [ "$(tail -n +4 "$picture" | od -An -v -tu1 | tr -s ' ' '\n' | sort -u | wc -l)" -gt 9 ] ||
        fail "an empty picture: $picture"
done
cmp -s "$tmp/out/frame-000045.ppm" "$tmp/out/frame-000090.ppm" && fail "the picture stands still"

# Bad input is refused with a word about it.
for bad in "--entities 0" "--entities 4000001" "--ticks x" "--ticks" "--seed -1" "--nonsense 1" \
    "--workers 257"; do
    # shellcheck disable=SC2086
    "$tmp/swarm" $bad >/dev/null 2>"$tmp/err"
    [ $? -eq 2 ] || fail "$bad is not refused"
    grep -q usage "$tmp/err" || fail "$bad: no usage"
done
"$tmp/swarm" --entities 1 --ticks 5 --quiet >/dev/null || fail "one boid fails"
"$tmp/swarm" --ticks 1 --entities 9 --frames "$tmp/no/no" >/dev/null 2>&1 &&
    fail "a directory that cannot be made is no error"

# Every compiler and level: the same hashes.
compared=""
for compiler in gcc clang; do
    command -v $compiler >/dev/null 2>&1 || continue
    for level in -O0 -O3; do
        build $compiler $level "$tmp/other"
        # shellcheck disable=SC2086
        hashes "$tmp/other" $RUN >"$tmp/have"
        cmp -s "$tmp/want" "$tmp/have" || {
            diff "$tmp/want" "$tmp/have"
            fail "$compiler $level has other hashes than $CC -O2"
        }
        compared="$compared, $compiler $level"
    done
done
echo "swarm.sh: equal hashes: $CC -O2$compared"
exit 0
