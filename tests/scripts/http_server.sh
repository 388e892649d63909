#!/bin/sh
# http_server.sh: examples/http_server on each engine of ecs.h, driven by http_client.c: what it
# gives out and what it refuses, connections that stay, hurry, dawdle, break off and are too many;
# signals end it in order with connections in every state; with the sanitizers there is no leak.
# Exit: 0 and the line of counts, 77 skipped (the last line says why), else failed.
set -u
cd "$(dirname "$0")/../.." || exit 2
LC_ALL=C
export LC_ALL
CC=${CC:-cc}
AWAIT_TENTHS=100

tmp=$(mktemp -d "${TMPDIR:-/tmp}/ecs-http.XXXXXX") || exit 1
pid=
trap '[ -z "$pid" ] || kill -s KILL "$pid" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
passed=0
failed=0
skipped=0

pass() {
    passed=$((passed + 1))
    echo "http_server.sh: good: $*"
}

fail() {
    failed=$((failed + 1))
    echo "http_server.sh: FAILED: $*"
}

skip() {
    skipped=$((skipped + 1))
    echo "http_server.sh: skip: $*"
}

finish() {
    echo "http_server: $passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ]
    exit
}

case $(uname -s) in
MINGW* | MSYS* | CYGWIN*)
    echo "http_server.sh: needs POSIX"
    exit 77
    ;;
esac

${MAKE:-make} -s build/examples/http_server >"$tmp/log" 2>&1 || {
    cat "$tmp/log"
    fail "examples/http_server does not build"
    finish
}
plain=build/examples/http_server
$CC -std=c11 -O1 -Wall -Wextra tests/scripts/http_client.c -o "$tmp/client" >"$tmp/log" 2>&1 || {
    cat "$tmp/log"
    fail "http_client.c does not build"
    finish
}
"$tmp/client" make "$tmp" || fail "no files to serve"

# start RUNNER PROGRAM ARGUMENTS...: sets pid and port. RUNNER is a command to run it by, or env.
start() {
    : >"$tmp/out"
    "$@" --port 0 --root "$tmp/root" >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    port=
    tenths=0
    while [ -z "$port" ] && [ $tenths -lt $AWAIT_TENTHS ]; do
        sleep 0.1
        tenths=$((tenths + 1))
        port=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9]*\)$/\1/p' "$tmp/out")
    done
    [ -n "$port" ] && return 0
    cat "$tmp/out" "$tmp/err"
    fail "$* does not listen"
    kill -s KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    pid=
    return 1
}

# stop SIGNAL NAME: it ends with 0, has its last words and nothing to complain of.
stop() {
    kill -s "$1" "$pid"
    wait "$pid"
    code=$?
    pid=
    if [ $code -ne 0 ] || [ -s "$tmp/err" ]; then
        cat "$tmp/err"
        fail "$2: $1 ends it with $code"
    elif ! grep -q '^http_server: [a-z_]*, [0-9]* connections, ' "$tmp/out"; then
        fail "$2: no last words after $1"
    else
        pass "$2: $1 ends it in order"
    fi
}

# client CASES NAME
client() {
    "$tmp/client" "$port" "$1" >"$tmp/said" 2>&1
    sed "s/^  /http_server.sh: $2: /" "$tmp/said"
    line='^http_client: \([0-9]*\) passed, \([0-9]*\) failed, .*'
    counts=$(sed -n "s/$line/\1 \2/p" "$tmp/said")
    if [ -z "$counts" ]; then
        fail "$2: the client gave up"
        return
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

# drive NAME COMMAND...: all that there is to be tried with one build and engine.
drive() {
    name=$1
    shift
    if start "$@" --connections 256 --idle 20; then
        client all "$name"
        stop TERM "$name"
    fi
    if start "$@" --connections 4; then
        client limit "$name"
        stop INT "$name"
    fi
    if start "$@" --idle 1 --connections 8; then
        client idle "$name"
        stop TERM "$name"
    fi
    if start "$@" --lifetime 1 --connections 8; then
        client lifetime "$name"
        stop INT "$name"
    fi
}

# Newer kernels need a fixed address space for the sanitizers of older compilers.
san="-g -fsanitize=address,undefined -fno-sanitize-recover=all"
echo 'int main(void) { return 0; }' >"$tmp/probe.c"
safe=
for compiler in $CC gcc clang; do
    # shellcheck disable=SC2086
    $compiler $san "$tmp/probe.c" -o "$tmp/probe" >/dev/null 2>&1 || continue
    for run in "env" "setarch $(uname -m) -R"; do
        $run "$tmp/probe" >/dev/null 2>&1 || continue
        # shellcheck disable=SC2086
        if $compiler -std=c11 -O1 $san -ffp-contract=off -DECS_DEBUG -I. \
            examples/http_server/http_server.c -o "$tmp/safe" -lm -lpthread >"$tmp/log" 2>&1; then
            safe="$run $tmp/safe"
        else
            cat "$tmp/log"
            fail "it does not build with $compiler and the sanitizers"
        fi
        break 2
    done
done
[ -n "$safe" ] || skip "address and undefined sanitizer: no compiler has them"

engines=blocking
[ "$(uname -s)" = Linux ] && engines="io_uring evented blocking"
for engine in $engines; do
    ECS_IO_ENGINE=$engine
    export ECS_IO_ENGINE
    drive "$engine" "$plain"
    # shellcheck disable=SC2086
    [ -z "$safe" ] || drive "$engine, sanitizers" $safe
done
unset ECS_IO_ENGINE

# A client of somebody else's, where there is one.
if command -v curl >/dev/null 2>&1 && start "$plain" --seconds 60; then
    url=http://127.0.0.1:$port
    code=$(curl -s -m 20 -o "$tmp/a" -o "$tmp/b" -w '%{http_code} ' "$url/big.bin" "$url/sub/")
    if [ "$code" = "200 200 " ] && cmp -s "$tmp/a" "$tmp/root/big.bin" &&
        cmp -s "$tmp/b" "$tmp/root/sub/index.html"; then
        pass "curl gets what is there"
    else
        fail "curl: $code"
    fi
    stop INT curl
fi

# It ends by itself, and serves figures without a directory.
if "$plain" --seconds 1 >"$tmp/out" 2>"$tmp/err" && [ ! -s "$tmp/err" ]; then
    pass "--seconds"
else
    fail "--seconds 1"
fi
bad_options=0
for bad in --port "--port 65536" "--port x" "--connections 0" "--connections 65537" "--idle -1" \
    --root "--nonsense 1" 7; do
    # shellcheck disable=SC2086
    "$plain" $bad >"$tmp/out" 2>"$tmp/err"
    if [ $? -ne 2 ] || [ -s "$tmp/out" ] || ! grep -q usage "$tmp/err"; then
        bad_options=1
        fail "$bad is not refused"
    fi
done
"$plain" --root "$tmp/root/index.html" >/dev/null 2>"$tmp/err"
[ $? -eq 1 ] && [ -s "$tmp/err" ] || fail "a file as directory is not exit 1"
[ $bad_options -eq 0 ] && pass "bad options are refused"
finish
