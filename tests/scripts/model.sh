#!/bin/sh
# The model checks of the concurrent parts: tests/model/ runs the sources of src/ under relacy,
# first as they are, then broken on purpose in all the ways that tests/model/mutants.txt lists.
#
#     tests/scripts/model.sh [NAME ...]     all suites and mutants, or the mutants of these names
#
# Environment: ECS_TEST_LONG=1, JOBS, MODEL_CXX (a C++ compiler).
#
# The copies differ from src/ in this: fields that only one thread at a time may touch are
# checked for that, and threads spin once before they sleep.

set -u
cd "$(dirname "$0")/../.." || exit 2
LC_ALL=C
export LC_ALL

b=build/check/model
: "${MODEL_CXX:=g++}" "${ECS_TEST_LONG:=0}"
: "${JOBS:=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"
suites="deque transfer waiter idle"
flags="-Itests/model -w"

# How long: random executions of each scenario, preemptions and cap of the exhaustive search,
# and both for mutants that should be caught and for those that cannot be.
random=20000 bound=1 cap=100000 caught="100000 3000" missed="1000 300"
if [ "$ECS_TEST_LONG" = 1 ]; then
    random=1000000 bound=2 cap=3000000 caught="1000000 100000" missed="50000 30000"
fi

# Whose rules for release sequences: a thread's own relaxed store continues one in C11 to C17,
# not in C++20. The second column is stricter.
rules_deque=c20
rules_transfer=c20
rules_waiter=c20
rules_idle=c20

passed=0
failed=0

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

# edit FILE FUNCTION SED: inside of this function or struct, and changes just one place.
edit() {
    sed "/^[^ ].*[ *]$2[ (].*[^;]\$/,/^}/{
$3
}" "$1" >"$1.new" || return 1
    hunks=$(diff -U5 "$1" "$1.new" | grep -c '^@@')
    mv "$1.new" "$1"
    [ "$hunks" -eq 1 ] || return 1
}

# A copy of what the suites include.
copy() {
    rm -rf "$1"
    mkdir -p "$1"
    cp $b/base/*.h "$1"
}

make_base() {
    rm -rf $b/base
    mkdir -p $b/base
    for file in api macros platform base atomic ring thread deque waiter idle; do
        cp src/$file.h $b/base/ || return 1
    done
    w=$b/base/waiter.h
    a=$b/base/api.h
    edit $w 'struct ecsi_waiter' 's/struct ecsi_waiter \*next;/model_field<ecsi_waiter *> next;/' &&
        edit $w 'struct ecsi_waiter' \
            's/struct ecsi_waiter \*previous;/model_field<ecsi_waiter *> previous;/' &&
        edit $w 'struct ecsi_waiter' \
            's/ecsi_parker \*parker;/model_field<ecsi_parker *> parker;/' &&
        edit $w 'struct ecsi_waiter' 's/bool listed;/model_field<bool> listed;/' &&
        edit $a 'struct ecs_waiters' 's/void \*first;/model_field<void *> first;/' &&
        edit $a 'struct ecs_waiters' 's/void \*last;/model_field<void *> last;/' &&
        edit $a 'struct ecs_future' 's/ecs_status status;/model_field<ecs_status> status;/' &&
        edit $a 'struct ecs_future' 's/void \*value;/model_field<void *> value;/' &&
        sed -i 's/^#define ECSI_WAIT_SPINS .*/#define ECSI_WAIT_SPINS 1u/' $w
}

# The checker by both rules: relacy's own are those of C11.
make_checker() {
    relacy=$(printf '#include <relacy/relacy.hpp>\n' | $MODEL_CXX -std=c++14 -w -M -x c++ - |
        tr ' ' '\n' | sed -n 's:/relacy\.hpp$::p' | head -n 1)
    key=$({ $MODEL_CXX --version; cat tests/model/checker.cpp tests/model/atomics.h; } | cksum)
    if [ -f $b/checker.key ] && [ "$(cat $b/checker.key)" = "$key" ]; then return 0; fi
    rm -rf $b/rules
    mkdir -p $b/rules
    cp -r "$relacy" $b/rules/relacy || return 1
    file=$b/rules/relacy/thread.hpp
    sed -i 's/prev\.busy_ && (rmw || (index_ == prev\.thread_id_));/prev.busy_ \&\& rmw;/' $file
    cmp -s $file "$relacy/thread.hpp" && return 1
    how="-std=c++14 -O2 -fno-lifetime-dse -c tests/model/checker.cpp"
    $MODEL_CXX $flags $how -o $b/checker.c17.o &
    first=$!
    $MODEL_CXX -I$b/rules $flags $how -o $b/checker.c20.o || return 1
    wait $first || return 1
    echo "$key" >$b/checker.key
}

# build DIR SUITE FLAG: DIR/SUITE from the sources in DIR.
build() {
    eval "rules=\$rules_$2"
    $MODEL_CXX -std=c++17 "$3" $flags -I"$1" -DECSI_ATOMIC_MODEL='"atomics.h"' \
        "tests/model/$2.cpp" $b/checker.$rules.o -o "$1/$2"
}

# One mutant, in the background: its result is a line in its folder.
mutant() {
    case $expected in
    missed*) hunt=$missed ;;
    *) hunt=$caught ;;
    esac
    dir=$b/mutant/$name
    copy "$dir"
    if ! edit "$dir/$file" "$function" "$change"; then
        echo "broken: the sed does not change one place" >"$dir/result"
    elif ! build "$dir" "$suite" -O0 >"$dir/log" 2>&1; then
        echo "broken: does not compile" >"$dir/result"
    elif timeout 300 "$dir/$suite" hunt $hunt >"$dir/log" 2>&1; then
        echo "missed:" >"$dir/result"
    else
        code=$?
        case $code in
        1) echo "caught: $(tail -n 1 "$dir/log")" >"$dir/result" ;;
        *) echo "caught: exit $code after $(tail -n 1 "$dir/log")" >"$dir/result" ;;
        esac
    fi
    rm -f "$dir"/*.h "$dir/$suite"
}

# Each mutant on a line: name, expectation, suite, file, function, sed.
list() {
    while read -r name expected change; do
        case $name in
        '' | '#'*) ;;
        @) where="$expected $change" ;;
        *) printf '%s\n' "$name $expected $where $change" ;;
        esac
    done <tests/model/mutants.txt
}

# In the background, as the mutants.
suite() {
    : >$b/log.$1
    build $b/base "$1" -O1 >>$b/log.$1 2>&1 &&
        $b/base/"$1" random 1 $random >>$b/log.$1 2>&1 &&
        $b/base/"$1" bound $bound $cap >>$b/log.$1 2>&1
    echo $? >$b/code.$1
}

run_suites() {
    rm -f $b/code.*
    for each in $suites; do suite "$each" & done
    wait
    for each in $suites; do
        sed 's/^/    /' $b/log.$each
        if [ "$(cat $b/code.$each)" = 0 ]; then
            passed=$((passed + $(wc -l <$b/log.$each)))
        else
            fail "$each: $(tail -n 1 $b/log.$each)"
        fi
    done
}

if ! command -v "$MODEL_CXX" >/dev/null 2>&1; then
    echo "the model checks need $MODEL_CXX"
    exit 77
fi
if ! printf '#include <relacy/relacy.hpp>\n' |
    $MODEL_CXX -std=c++14 -w -fsyntax-only -x c++ - >/dev/null 2>&1; then
    echo "the model checks need relacy (Debian: relacy-dev)"
    exit 77
fi
mkdir -p $b
if ! make_base || ! make_checker; then
    echo "model: 0 passed, 1 failed, 0 skipped"
    exit 1
fi
if [ $# -eq 0 ]; then run_suites; fi

rm -rf $b/mutant
mkdir -p $b/mutant
list >$b/list
if [ $# -gt 0 ]; then
    for name in "$@"; do grep "^$name " $b/list; done >$b/list.some
    mv $b/list.some $b/list
fi
# As many at a time as there are jobs: each takes every JOBS-th line.
job=0
while [ $job -lt "$JOBS" ]; do
    (
        n=0
        while read -r name expected suite file function change; do
            n=$((n + 1))
            [ $((n % JOBS)) -eq $job ] && mutant
        done <$b/list
    ) &
    job=$((job + 1))
done
wait

while read -r name expected rest; do
    result=$(cat "$b/mutant/$name/result" 2>/dev/null || echo "broken: no result")
    if [ "${expected%%:*}" = "${result%%:*}" ]; then
        passed=$((passed + 1))
    else
        fail "$name: $result, expected $expected"
        continue
    fi
    case $result in
    missed*) result="missed: ${expected#missed:}" ;;
    esac
    printf '    %-28s %s\n' "$name" "$result"
done <$b/list

echo "model: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
