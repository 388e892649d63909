#!/bin/sh
# game_loop.sh: examples/game_loop plays by itself the same way on any number of workers, shared by
# force, at -O0 and -O3, by gcc and clang, and with the sanitizers; something happens in it; bad
# options are refused; signals end it in order. On a terminal, where script(1) gives one, it is
# played by keys, put aside and taken up again, and ended by a key and by signals: the terminal is
# as it was each time.
# Exit: 0 and the line of counts, else failed.
set -u
LC_ALL=C
export LC_ALL
CC=${CC:-cc}
INC=${ECS_INC:-.} # where ecs.h is
SRC=examples/game_loop/game_loop.c
ENDLESS=900000000000
AWAIT_TENTHS=300

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-game.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
passed=0
skipped=0

fail() {
    echo "game_loop.sh: $*"
    exit 1
}

pass() {
    passed=$((passed + 1))
    echo "game_loop.sh: good: $*"
}

skip() {
    skipped=$((skipped + 1))
    echo "game_loop.sh: skip: $*"
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
    $run "$program" --headless --ticks 1500 "$@" >"$tmp/have" 2>"$tmp/err" || {
        cat "$tmp/have" "$tmp/err"
        fail "$* fails"
    }
    [ -s "$tmp/err" ] && fail "$* writes to stderr: $(cat "$tmp/err")"
    [ "$(wc -l <"$tmp/have")" -eq 1 ] || fail "$* says more than one line"
}
run=

# ---- without a terminal ------------------------------------------------------------------

build "$CC" -O2 "$tmp/game"
plays "$tmp/game"
cp "$tmp/have" "$tmp/want"
tr -d '\n -~' <"$tmp/want" | cmp -s - /dev/null || fail "control characters without a terminal"
hash='[0-9a-f]\{16\}'
grep -q ", menu $hash, level $hash, past $hash\$" "$tmp/want" || fail "hash: $(cat "$tmp/want")"
# Heroes come back and go again, win and lose; the radio fails, comes back, and fails again.
more='([2-9]|[1-9][0-9]+)'
some='[1-9][0-9]*'
played="$more visits, $more levels, $some won, $some lost, $some coins"
grep -Eq "^game_loop: 1500 ticks, $played, " "$tmp/want" ||
    fail "nothing happens: $(cat "$tmp/want")"
grep -Eq ", radio off $more times, " "$tmp/want" || fail "the radio never fails"

plays "$tmp/game"
cmp -s "$tmp/want" "$tmp/have" || fail "two runs differ"
for workers in 0 1 2 4; do
    plays "$tmp/game" --workers $workers
    cmp -s "$tmp/want" "$tmp/have" || fail "$workers workers have other hashes"
done
plays "$tmp/game" --seed 2
cmp -s "$tmp/want" "$tmp/have" && fail "another seed gives equal hashes"
"$tmp/game" --headless --ticks 1 >/dev/null || fail "one tick fails"
pass "equal hashes in two runs and on 0, 1, 2, 4 workers"

for bad in --ticks "--ticks 0" "--ticks x" "--ticks 7x" "--ticks 9999999999999999999" \
    "--seed -1" "--workers 257" "--nonsense 1" 7 --seed; do
    # shellcheck disable=SC2086
    "$tmp/game" --headless $bad >"$tmp/have" 2>"$tmp/err"
    [ $? -eq 2 ] || fail "$bad is not refused"
    grep -q usage "$tmp/err" || fail "$bad: no usage"
    [ -s "$tmp/have" ] && fail "$bad: plays all the same"
done
"$tmp/game" >"$tmp/have" 2>"$tmp/err" </dev/null && fail "it plays without a terminal"
grep -q headless "$tmp/err" || fail "without a terminal it does not say what to do"
pass "bad options are refused"

# The first signals may come before it listens: longer waits then.
for signal in TERM INT HUP; do
    code=143
    for wait_s in 1 2 4 8; do
        "$tmp/game" --headless --ticks $ENDLESS --workers 2 >"$tmp/have" 2>"$tmp/err" &
        pid=$!
        sleep $wait_s
        kill -s $signal $pid
        wait $pid
        code=$?
        [ $code -eq 0 ] && break
    done
    [ $code -eq 0 ] || fail "$signal: exit $code"
    [ -s "$tmp/err" ] && fail "$signal: $(cat "$tmp/err")"
    grep -Eq "^game_loop: $some ticks, .* past [0-9a-f]{16}\$" "$tmp/have" || fail "$signal: no end"
    grep -q " $ENDLESS ticks" "$tmp/have" && fail "$signal does not stop it"
done
pass "signals end it in order"

# Every compiler and level: the same game.
compared=""
for each in gcc:-O0 clang:-O3; do
    compiler=${each%%:*}
    command -v "$compiler" >/dev/null 2>&1 || continue
    build "$compiler" "${each#*:}" "$tmp/other"
    plays "$tmp/other" --workers 2
    cmp -s "$tmp/want" "$tmp/have" || fail "$each has other hashes than $CC -O2"
    compared="$compared $each"
done
if [ -n "$compared" ]; then pass "equal hashes:$compared"; else skip "gcc, clang: not there"; fi

# Newer kernels need a fixed address space for the sanitizers of older compilers. So small a world
# is not worth sharing; here all of it is shared all the same.
san="-g -fsanitize=address,undefined -fno-sanitize-recover=all"
echo 'int main(void) { return 0; }' >"$tmp/probe.c"
sanitized=""
for compiler in $CC gcc clang; do
    # shellcheck disable=SC2086
    $compiler $san "$tmp/probe.c" -o "$tmp/probe" >/dev/null 2>&1 || continue
    for run in "" "setarch $(uname -m) -R"; do
        $run "$tmp/probe" >/dev/null 2>&1 || continue
        # shellcheck disable=SC2086
        build "$compiler" -O1 "$tmp/safe" $san -DECS_DEBUG -DECSI_FORCE_SHARING=3
        sanitized=yes
        break 2
    done
done
if [ -n "$sanitized" ]; then
    for workers in 0 2; do
        plays "$tmp/safe" --workers $workers
        cmp -s "$tmp/want" "$tmp/have" || fail "sanitizers, $workers workers: other hashes"
    done
    pass "address and undefined sanitizer, with work that is shared by force"
else
    skip "address and undefined sanitizer: no compiler has them"
fi

# ---- on a terminal -----------------------------------------------------------------------

finish() {
    echo "game_loop.sh: $passed passed, 0 failed, $skipped skipped"
    exit 0
}

if ! command -v script >/dev/null 2>&1 || ! script -qec true /dev/null </dev/null >/dev/null 2>&1
then
    skip "on a terminal: no script(1) of util-linux"
    finish
fi

cat >"$tmp/terminal.sh" <<'END_TERMINAL'
stty -g >"$1/before"
sh -c 'echo $$ >"$0/pid"; exec "$0/game"' "$1"
echo $? >"$1/code"
stty -g >"$1/after"
END_TERMINAL

# await TEXT: until the game has written that since the last key or signal.
await() {
    tenths=0
    until tail -c "+$from" "$tmp/out" 2>/dev/null | grep -q "$1"; do
        tenths=$((tenths + 1))
        [ $tenths -lt $AWAIT_TENTHS ] || {
            echo "$1" >>"$tmp/missed"
            break
        }
        sleep 0.1
    done
}

mark() {
    from=$(($(wc -c <"$tmp/out") + 1))
}

press() { # press KEYS TEXT: and what the game answers
    mark
    # shellcheck disable=SC2059
    printf "$1"
    await "$2"
}

signal() { # signal NAME TEXT
    mark
    kill -s "$1" "$(cat "$tmp/pid")"
    await "$2"
}

# terminal CODE COMMAND: what it writes are the keys.
terminal() {
    code=$1
    rm -f "$tmp/before" "$tmp/after" "$tmp/code" "$tmp/missed"
    : >"$tmp/out"
    from=1
    {
        await 'F E T C H'
        $2
        tenths=0
        until [ -s "$tmp/code" ] || [ $tenths -ge $AWAIT_TENTHS ]; do
            tenths=$((tenths + 1))
            sleep 0.1
        done
    } | timeout 120 script -qec "sh $tmp/terminal.sh $tmp" /dev/null >"$tmp/out" 2>&1
    [ ! -f "$tmp/missed" ] || fail "$2: it never shows $(cat "$tmp/missed")"
    [ "$(cat "$tmp/code")" = "$code" ] || fail "$2: exit $(cat "$tmp/code"), not $code"
    cmp -s "$tmp/before" "$tmp/after" || fail "$2: the terminal is not as it was"
    for text in '\[?1049h' '\[?1049l' '\[?25h'; do
        grep -q "$text" "$tmp/out" || fail "$2: no $text"
    done
}

by_keys() {
    press '\r' 'lives 3'
    press d 'lives'
    press s 'lives'
    press '\033[A' 'radio: '
    press q 'F E T C H'
    press '\033[B' '37m> [^A-Z]*Bob'
    press '\r' 'lives 3'
    press q 'F E T C H'
    press q 'game_loop: '
}

by_choice() {
    press '\033[A' '>    quit'
    press '\r' 'game_loop: '
}

by_stops() {
    signal TSTP '\[?1049l'
    signal CONT 'F E T C H'
    signal TSTP '\[?1049l'
    signal CONT 'F E T C H'
    press '\r' 'lives 3'
    signal TERM 'game_loop: '
}

by_int() {
    signal INT 'game_loop: '
}

by_segv() {
    press '\r' 'lives 3'
    signal SEGV '\[?1049l'
}

by_abort() {
    signal ABRT '\[?1049l'
}

terminal 0 by_keys
grep -q 'game_loop: [0-9]* ticks, 2 visits, 1 levels, ' "$tmp/out" || fail "not two visits"
grep -q '\[?1049lgame_loop: ' "$tmp/out" || fail "its last words are lost with its screen"
terminal 0 by_choice
terminal 0 by_stops
terminal 0 by_int
terminal 139 by_segv
terminal 134 by_abort
pass "played on a terminal, which is as it was"
finish
