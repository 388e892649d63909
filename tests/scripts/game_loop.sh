#!/bin/sh
# game_loop.sh: examples/game_loop plays by itself the same way on any number of workers, at -O0
# and -O3, by gcc and clang; something happens in it; bad options are refused. On a terminal, where
# script(1) gives one, it is played by keys, and ended by a key and by signals: the terminal is
# as it was each time.
# Exit: 0 passed, 77 skipped (the last line says why), else failed.
set -u
LC_ALL=C
export LC_ALL
CC=${CC:-cc}
INC=${ECS_INC:-.} # where ecs.h is
SRC=examples/game_loop/game_loop.c

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-game.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "game_loop.sh: $*"
    exit 1
}

build() { # build COMPILER LEVEL PROGRAM FLAGS...
    compiler=$1
    level=$2
    program=$3
    shift 3
    $compiler -std=c11 "$level" -ffp-contract=off "$@" -I"$INC" "$SRC" -o "$program" -lm \
        -lpthread >"$tmp/log" 2>&1 || {
        cat "$tmp/log"
        fail "$compiler $level $* does not compile"
    }
}

# plays PROGRAM ARGUMENTS...: what it says in the end goes to $tmp/have.
plays() {
    program=$1
    shift
    "$program" --headless --ticks 1200 "$@" >"$tmp/have" 2>"$tmp/err" || {
        cat "$tmp/have" "$tmp/err"
        fail "$* fails"
    }
    [ -s "$tmp/err" ] && fail "$* writes to stderr: $(cat "$tmp/err")"
}

build "$CC" -O2 "$tmp/game"
plays "$tmp/game"
cp "$tmp/have" "$tmp/want"
tr -d '\n -~' <"$tmp/want" | cmp -s - /dev/null || fail "control characters without a terminal"
grep -Eq '^hash [0-9a-f]{16}$' "$tmp/want" || fail "no hash: $(cat "$tmp/want")"
# It plays more than one level, picks coins, and the radio fails and comes back and fails again.
grep -Eq '^game_loop: ([2-9]|[1-9][0-9]+) levels, [0-9]+ won, [1-9][0-9]* coins' "$tmp/want" ||
    fail "nothing happens: $(cat "$tmp/want")"
grep -Eq 'radio off ([2-9]|[1-9][0-9]+) times$' "$tmp/want" || fail "the radio never fails"

plays "$tmp/game"
cmp -s "$tmp/want" "$tmp/have" || fail "two runs differ"
for workers in 0 1 2 5; do
    plays "$tmp/game" --workers $workers
    cmp -s "$tmp/want" "$tmp/have" || fail "$workers workers have another hash"
done
# So small a world is not worth sharing; here all of it is shared all the same.
build "$CC" -O2 "$tmp/shared" -DECSI_FORCE_SHARING=3
plays "$tmp/shared"
cmp -s "$tmp/want" "$tmp/have" || fail "shared work has another hash"
plays "$tmp/game" --seed 2
cmp -s "$tmp/want" "$tmp/have" && fail "another seed gives an equal hash"
"$tmp/game" --headless --ticks 1 >/dev/null || fail "one tick fails"

for bad in --ticks "--ticks 0" "--ticks x" "--seed -1" "--workers 257" "--nonsense 1" 7; do
    # shellcheck disable=SC2086
    "$tmp/game" --headless $bad >/dev/null 2>"$tmp/err"
    [ $? -eq 2 ] || fail "$bad is not refused"
    grep -q usage "$tmp/err" || fail "$bad: no usage"
done
"$tmp/game" >/dev/null 2>"$tmp/err" </dev/null && fail "it plays without a terminal"
grep -q headless "$tmp/err" || fail "without a terminal it does not say what to do"

# Every compiler and level: the same game.
compared=""
for compiler in gcc clang; do
    command -v $compiler >/dev/null 2>&1 || continue
    for level in -O0 -O3; do
        build $compiler $level "$tmp/other"
        plays "$tmp/other"
        cmp -s "$tmp/want" "$tmp/have" || fail "$compiler $level has another hash than $CC -O2"
        compared="$compared, $compiler $level"
    done
done

# ---- on a terminal -----------------------------------------------------------------------

if ! command -v script >/dev/null 2>&1 || ! script -qec true /dev/null </dev/null >/dev/null 2>&1
then
    echo "game_loop.sh: equal hashes: $CC -O2$compared; no script(1): not played by keys"
    exit 0
fi

# Runs the game, and kills it after a second by signal $2 unless that is "none".
cat >"$tmp/terminal.sh" <<'END'
stty -g >"$1/before"
if [ "$2" != none ]; then (sleep 1; kill -s "$2" "$(cat "$1/pid")") & fi
sh -c 'echo $$ >"$0/pid"; exec "$0/game"' "$1"
echo $? >"$1/code"
stty -g >"$1/after"
END

# terminal SIGNAL CODE KEYS...: each key half a second after the one before it.
terminal() {
    signal=$1
    code=$2
    shift 2
    rm -f "$tmp/before" "$tmp/after" "$tmp/code"
    {
        for key in "$@"; do
            sleep 0.5
            printf "$key"
        done
        [ "$signal" = none ] || sleep 2
    } | timeout 60 script -qec "sh $tmp/terminal.sh $tmp $signal" /dev/null >"$tmp/out" 2>&1
    [ "$(cat "$tmp/code")" = "$code" ] || fail "$signal: exit $(cat "$tmp/code"), not $code"
    cmp -s "$tmp/before" "$tmp/after" || fail "$signal: the terminal is not as it was"
    for text in '\[?1049h' '\[?1049l' '\[?25h'; do
        grep -q "$text" "$tmp/out" || fail "$signal: no $text"
    done
}

terminal none 0 '\r' d s '\033[A' q q
grep -q 'F E T C H' "$tmp/out" || fail "no menu"
grep -q 'lives 3' "$tmp/out" || fail "no level"
grep -q 'game_loop: 1 levels, ' "$tmp/out" || fail "not one level"
terminal TERM 0 '\r'
terminal INT 0
terminal SEGV 139 '\r'
terminal ABRT 134
echo "game_loop.sh: equal hashes: $CC -O2$compared; played on a terminal"
exit 0
