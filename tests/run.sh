#!/bin/sh
# Runs the checks. Needs sh, make, a C compiler and coreutils; what else is missing is skipped
# by name. Ends with "N passed, N failed, N skipped". tests/README.md explains the design.
#
#     tests/run.sh [GROUP ...]          all groups if none is named
#
# Environment: CC, CFLAGS, JOBS, CHECK_NO_SKIPS=1 (a skip is a failure), ECS_TEST_LONG=1,
# ECS_FUZZ_RUNS, ECS_TEST_LIMIT_S, ONLY (a part of the step names: runs these steps only).
#
# First the steps are planned, one line each: id, kind, arguments. A makefile made of them runs
# them in parallel, each as `run.sh --step`, writing a log and a result "passed failed skipped".
# A step that leaves no result has failed.

set -u
cd "$(dirname "$0")/.." || exit 2
unset MAKEFLAGS MFLAGS MAKELEVEL
LC_ALL=C
export LC_ALL

groups_all="fresh tidy tools names unit sanitize msan tsan sharing compile docs examples bench"
groups_all="$groups_all fuzz scripts"
b=build/check
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"

: "${CC:=cc}" "${CFLAGS:=-O2 -g}" "${MAKE:=make}" "${CHECK_NO_SKIPS:=0}" "${ECS_TEST_LONG:=0}"
: "${ECS_FUZZ_RUNS:=3000}" "${ONLY:=}"
: "${JOBS:=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}"
export CC CFLAGS MAKE ECS_TEST_LONG

# The build uses these two everywhere: floating point must not depend on fused operations.
base_c="-std=c11 -ffp-contract=off $warnings -Wvla -I."
base_cxx="-std=c++17 -ffp-contract=off $warnings -I."

have() {
    command -v "$1" >/dev/null 2>&1
}

# ---- results -----------------------------------------------------------------------------

passed=0
failed=0
skipped=0

pass() {
    passed=$((passed + 1))
}

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

skip() {
    skipped=$((skipped + 1))
    echo "skip: $*"
}

# Runs a program that prints "name: N passed, N failed, N skipped" and takes its counts.
run_counted() {
    counted=$b/log/$step.counted
    with_limit "$@" >"$counted" 2>&1
    code=$?
    cat "$counted"
    line='\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped'
    counts=$(sed -n "s/^[^ ].*: $line\$/\1 \2 \3/p" "$counted" | tail -n 1)
    rm -f "$counted"
    if [ -z "$counts" ]; then
        fail "$* ended without its counts (exit $code)"
        return
    fi
    set -- $counts "$@"
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
    [ $(($1 + $2 + $3)) -gt 0 ] || fail "$4 has no cases"
    [ $code -eq 0 ] || [ "$2" -gt 0 ] || fail "$4 exited with $code"
}

# A last resort against what hangs outside the time limit of a test case.
with_limit() {
    if have timeout; then
        limit=900
        [ "$ECS_TEST_LONG" = 1 ] && limit=7200
        timeout $limit "$@"
    else
        "$@"
    fi
}

# ---- building ----------------------------------------------------------------------------

# build OUT SOURCE COMMAND...: runs the command unless OUT was made by the same command from the
# same bytes. `headers_key` stands for every header and compiler, computed once per run.
build() {
    out=$1
    source=$2
    shift 2
    key=$({ echo "$headers_key $*"; cat "$source"; } | cksum)
    if [ -f "$out" ] && [ -f "$out.key" ] && [ "$(cat "$out.key")" = "$key" ]; then
        return 0
    fi
    mkdir -p "$(dirname "$out")"
    rm -f "$out" "$out.key"
    if "$@"; then
        echo "$key" >"$out.key"
        return 0
    fi
    echo "command: $*"
    return 1
}

# ---- steps -------------------------------------------------------------------------------

step_missing() {
    skip "$(echo "$1" | tr '~' ' ')"
}

step_fresh() {
    if ! build/tools/amalgamate src/ecs_dev.h >$b/ecs.h; then
        fail "src/ cannot be put together"
    elif cmp $b/ecs.h ecs.h; then
        pass
    else
        fail "ecs.h is stale: edit src/, run \`make ecs.h\`"
    fi
}

step_tidy() {
    if build/tools/tidy --stats $(tidy_files); then pass; else fail "tidy"; fi
}

tidy_files() {
    for file in src/*.h tools/*.c tools/*.py tools/*.sh tests/*.c tests/*.h tests/*.sh \
        tests/[a-su-z]*/*.[ch] tests/t[a-hj-z]*/*.[ch] tests/*/*.sh bench/*.[ch] \
        bench/*.sh bench/jobs/*.h \
        examples/*/*.[ch] ecs.h ecs_io_uring.h ecs_cluster.h .ci/run Makefile CMakeLists.txt; do
        [ -f "$file" ] && echo "$file"
    done
}

step_tidyrules() {
    run_counted sh tests/tidy/run.sh "$(pwd)/build/tools/tidy"
}

# Every symbol that an object exports begins with ecs_.
step_names() {
    object=$b/names.o
    if ! $CC -std=c11 -O0 -I. -DECS_IMPLEMENTATION -x c -c ecs.h -o $object; then
        fail "ecs.h does not compile by itself"
        return
    fi
    defined=$(nm -g $object | grep -v ' [Uwv] ' | sed -n 's/^.* //p')
    count=$(echo "$defined" | grep -c '^_*ecs_')
    bad=$(echo "$defined" | grep -v '^_*ecs_')
    [ "$count" -gt 0 ] || fail "ecs.h exports nothing"
    if [ -n "$bad" ]; then fail "exported names without ecs_: $(echo $bad)"; else pass; fi
}

variant_cc=
variant_flags=
variant_header='"src/ecs_dev.h"'
variant_run=

# Compiling the library takes longer than running most tests, and five times longer with a
# sanitizer that optimises. So only dev, cxx and tsan are optimised, and the long form.
set_variant() {
    level="-O0 -g"
    [ "$ECS_TEST_LONG" = 1 ] && level="-O1 -g"
    [ "$1" = tsan ] && level="-O1 -g"
    san="-std=c11 $level -fno-omit-frame-pointer -fno-sanitize-recover=all -ffp-contract=off"
    san="$san $warnings -I."
    variant_cc=$CC
    variant_flags="$base_c $CFLAGS"
    case $1 in
    dev) ;;
    one) variant_flags="$base_c $level" variant_header='"ecs.h"' ;;
    cxx)
        variant_cc="$cxx_cc -x c++"
        variant_flags="$base_cxx $CFLAGS"
        variant_header='"ecs.h"'
        ;;
    sanitize) variant_flags="$san -fsanitize=address,undefined" ;;
    asan) variant_flags="$san -fsanitize=address" ;;
    ubsan) variant_flags="$san -fsanitize=undefined" ;;
    msan) variant_flags="$san -fsanitize=memory -fsanitize-memory-track-origins" ;;
    tsan) variant_flags="$san -fsanitize=thread" ;;
    share) variant_flags="$san -fsanitize=address,undefined -DECSI_FORCE_SHARING=3" ;;
    race) variant_flags="$san -fsanitize=thread -DECSI_FORCE_SHARING=4" ;;
    lone) variant_flags="$base_c $level -DECS_NO_THREADS" ;;
    esac
    case $1 in
    sanitize | share | asan | ubsan) variant_cc=$san_cc variant_run=$san_run ;;
    msan) variant_cc=$msan_cc variant_run=$msan_run ;;
    tsan | race) variant_cc=$tsan_cc variant_run=$tsan_run ;;
    esac
}

# The long form is for depth: once more what one, cxx and lone show about the build is enough.
step_unit() {
    case $1 in one | cxx | lone) ECS_TEST_LONG=0 ;; esac
    set_variant "$1"
    out=$b/bin/$1/$(basename "$(dirname "$2")").$(basename "$2" .c)
    if build "$out" "$2" $variant_cc $variant_flags -DECS_TEST_HEADER="$variant_header" "$2" \
        -o "$out" -lm -lpthread; then
        run_counted $variant_run "$out"
    else
        fail "$2 does not build ($1)"
    fi
}

# The compilers that compile tests are tried with, and whether each speaks C or C++.
compilers() {
    for each in gcc clang g++ clang++; do
        have $each && echo $each
    done
    have gcc || have clang || echo "$CC"
}

language_flags() {
    case $1 in
    *++) echo "-x c++ $base_cxx" ;;
    *) echo "-x c $base_c" ;;
    esac
}

step_pass() {
    for each in $(compilers); do
        if $each $(language_flags $each) -O1 -c "$1" -o "$b/log/$step.o"; then
            pass
        else
            fail "$1 with $each"
        fi
    done
    rm -f "$b/log/$step.o"
}

# A fail test must be refused, in the words that it expects, and be good with -DECS_GOOD: or it
# might be refused for another reason. An error that only -Werror makes needs expect-warning.
step_fail() {
    expect=$(sed -n '1s:^/\* expect\(-warning\)\{0,1\}\: \(.*\) \*/$:\2:p' "$1")
    strict=$(sed -n '1s:^/\* expect-warning.*:yes:p' "$1")
    if [ -z "$expect" ]; then
        fail "$1: the first line is no /* expect: regex */"
        return
    fi
    for each in $(compilers); do
        case $each in
        *++) head -n 5 "$1" | grep -q 'c-only' && continue ;;
        *) head -n 5 "$1" | grep -q 'c++-only' && continue ;;
        esac
        flags=$(language_flags $each)
        [ -n "$strict" ] || bad_flags=$(echo "$flags" | sed 's/-Werror//')
        [ -n "$strict" ] && bad_flags=$flags
        if $each $bad_flags -fsyntax-only "$1" >"$b/log/$step.said" 2>&1; then
            fail "$1 compiles with $each"
        elif ! grep -E -q -e "$expect" "$b/log/$step.said"; then
            cat "$b/log/$step.said"
            fail "$1 with $each: refused, but not in the words: $expect"
        elif ! $each $flags -DECS_GOOD -fsyntax-only "$1"; then
            fail "$1 with $each: refused even with -DECS_GOOD"
        else
            pass
        fi
    done
    rm -f "$b/log/$step.said"
}

step_docs() {
    dir=$b/docs/$step
    mkdir -p "$dir"
    rm -f "$dir"/*
    if ! build/tools/docblocks "$dir" "$1" >"$dir/list"; then
        fail "$1: code blocks"
        return
    fi
    while read -r block; do
        if $CC $base_c -Wno-unused -fsyntax-only "$block"; then pass; else fail "$block"; fi
        [ -n "$cxx_cc" ] || continue
        if $cxx_cc -x c++ $base_cxx -Wno-unused -fsyntax-only "$block"; then
            pass
        else
            fail "$block as C++"
        fi
    done <"$dir/list"
    [ -s "$dir/list" ] || pass # a page without code is good
}

step_example() {
    if $MAKE -s "build/examples/$1"; then pass; else fail "examples/$1 does not build"; fi
}

step_bench() {
    out=$b/bin/bench/$(basename "$1" .c)
    if ! build "$out" "$1" $CC $base_c -O1 "$1" -o "$out" -lm -lpthread; then
        fail "$1 does not build"
        return
    fi
    case $1 in
    */bench_parallel.c) set -- "$1" --quick --workers 1,2,3 ;; # all worlds have one hash
    */bench_adaptive.c) set -- "$1" --quick --workers 2 --scenario skewed ;; # here as well
    */bench_core.c | */bench_schedule.c | */bench_io.c)
        set -- "$1" --quick --size 1000 --rounds 1
        ;;
    *)
        pass
        return
        ;;
    esac
    name=$1
    shift
    if with_limit "$out" "$@"; then pass; else fail "$name $* exited with $?"; fi
}

# The programs of bench/jobs, each scenario once; those whose library is missing are skipped.
step_jobs() {
    JOBS_OUT=$b/bin/bench/jobs JOBS_FLAGS="-O1 $warnings" CXX=${cxx_cc:-c++} \
        with_limit sh bench/jobs.sh --quick --rounds 1 --workers 2 >"$b/log/$step.jobs"
    code=$?
    cat "$b/log/$step.jobs"
    if [ $code -eq 0 ]; then pass; else fail "bench/jobs.sh exited with $code"; fi
    while read -r line; do
        case $line in "jobs.sh: missing: "*) skip "${line#jobs.sh: missing: }" ;; esac
    done <"$b/log/$step.jobs"
    rm -f "$b/log/$step.jobs"
}

step_fuzz() {
    if [ -n "$san_cc" ]; then set_variant sanitize; else set_variant dev; fi
    name=$(basename "$1" .c)
    out=$b/bin/fuzz/$name
    runs=$ECS_FUZZ_RUNS
    [ "$ECS_TEST_LONG" = 1 ] && runs=$((runs * 100))
    if ! build "$out" "$1" $variant_cc $variant_flags -DECS_TEST_HEADER="$variant_header" "$1" \
        tests/fuzz_driver.c -o "$out" -lm -lpthread; then
        fail "$1 does not build"
        return
    fi
    if [ -d "tests/fuzz/corpus/$name" ]; then
        if $variant_run "$out" "tests/fuzz/corpus/$name"/*; then pass; else fail "$1: corpus"; fi
    fi
    run_counted $variant_run "$out" --runs "$runs" --seed "${ECS_TEST_SEED:-1}"
}

# A script passes with 0 and skips with 77; one that counts cases prints the line of counts.
step_script() {
    log=$b/log/$step.script
    with_limit sh "$1" >"$log" 2>&1
    code=$?
    counts=' passed, [0-9]* failed, [0-9]* skipped$'
    if [ $code -ne 77 ] && tail -n 1 "$log" | grep -q "$counts"; then
        printf '#!/bin/sh\ncat "%s"\nexit %s\n' "$log" "$code" >"$log.sh"
        run_counted sh "$log.sh"
    else
        cat "$log"
        case $code in
        0) pass ;;
        77) skip "$1: $(tail -n 1 "$log")" ;;
        *) fail "$1 exited with $code" ;;
        esac
    fi
    rm -f "$log" "$log.sh"
}

# One step: its log, its result, one line on the terminal.
run_step() {
    step=$1
    kind=$2
    shift 2
    . $b/config.sh
    {
        "step_$kind" "$@"
        echo "$passed $failed $skipped" >"$b/result/$step"
    } >"$b/log/$step" 2>&1
    if [ ! -f "$b/result/$step" ]; then
        word="BAD "
    elif [ "$(cut -d ' ' -f 2 "$b/result/$step")" -ne 0 ]; then
        word=FAIL
    else
        word="ok  "
    fi
    counts=$(cat "$b/result/$step" 2>/dev/null || echo "- - -")
    printf '%s  %-48s %s\n' "$word" "$step" "$(echo "$counts" | tr ' ' '/')"
}

# ---- planning ----------------------------------------------------------------------------

# probe COMPILER FLAGS: can it build a program, and does that run? Prints how to run it: newer
# kernels need a fixed address space for the sanitizers of older compilers.
probe() {
    echo 'int main(void) { return 0; }' >$b/probe.c
    "$1" $2 $b/probe.c -o $b/probe >/dev/null 2>&1 || return 1
    if $b/probe >/dev/null 2>&1; then
        echo ""
    elif setarch "$(uname -m)" -R $b/probe >/dev/null 2>&1; then
        echo "setarch $(uname -m) -R"
    else
        return 1
    fi
}

# find_compiler VARIABLE FLAGS COMPILER...: the first that works becomes VARIABLE_cc.
find_compiler() {
    variable=$1
    flags=$2
    shift 2
    eval "${variable}_cc= ${variable}_run="
    for each in "$@"; do
        have "$each" || continue
        if runner=$(probe "$each" "$flags"); then
            eval "${variable}_cc=\$each ${variable}_run=\$runner"
            return
        fi
    done
}

configure() {
    find_compiler san "-fsanitize=address,undefined" clang "$CC" gcc
    find_compiler msan "-fsanitize=memory" clang
    find_compiler tsan "-fsanitize=thread" clang gcc
    cxx_cc=
    for each in g++ clang++ c++; do
        [ -z "$cxx_cc" ] && have $each && cxx_cc=$each
    done
    headers_key=$({
        cat src/*.h ./*.h tests/*.h tests/fuzz_driver.c tests/*/*.h bench/*.h bench/*/*.h
        for each in "$CC" gcc clang g++; do "$each" --version; done
    } 2>/dev/null | cksum)
    {
        echo "san_cc='$san_cc' san_run='$san_run' msan_cc='$msan_cc' msan_run='$msan_run'"
        echo "tsan_cc='$tsan_cc' tsan_run='$tsan_run' cxx_cc='$cxx_cc'"
        echo "headers_key='$headers_key'"
    } >$b/config.sh
}

plan() {
    [ -z "$ONLY" ] || case "$1" in *"$ONLY"*) ;; *) return ;; esac
    echo "$*" >>$b/steps
}

# Missing tools are skips with a name; spaces travel as ~.
plan_missing() {
    plan "missing.$1" missing "$(echo "$2" | tr ' ' '~')"
}

plan_programs() {
    variant=$1
    shift
    for file in "$@"; do
        [ -f "$file" ] || continue
        name=$(basename "$(dirname "$file")").$(basename "$file" .c)
        plan "$variant.$name" unit "$variant" "$file"
    done
}

unit_files="tests/unit/*.c tests/model/*.c tests/sim/*.c"

plan_group() {
    case $1 in
    fresh) plan fresh fresh ;;
    tidy) plan tidy tidy ;;
    tools) plan tidy.rules tidyrules ;;
    names)
        if have nm; then plan names names; else plan_missing names "exported names: no nm"; fi
        ;;
    unit)
        plan_programs dev $unit_files tests/stress/*.c
        plan_programs one $unit_files
        for file in $unit_files; do
            [ -f "$file" ] && head -n 5 "$file" | grep -q 'also: c++' || continue
            if [ -n "$cxx_cc" ]; then
                plan_programs cxx "$file"
            else
                plan_missing "cxx.$(basename "$file" .c)" "$file as C++: no C++ compiler"
            fi
        done
        ;;
    sanitize | asan | ubsan)
        if [ -n "$san_cc" ]; then
            plan_programs "$1" $unit_files
        else
            plan_missing "$1" "address and undefined sanitizer: no compiler has them"
        fi
        ;;
    msan)
        if [ -n "$msan_cc" ]; then
            plan_programs msan $unit_files
        else
            plan_missing msan "memory sanitizer: needs clang and its runtime"
        fi
        ;;
    tsan | tsan-all)
        files="tests/stress/*.c"
        [ "$1" = tsan-all ] && files="$files $unit_files"
        if [ -n "$tsan_cc" ]; then
            plan_programs tsan $files
        elif ls $files >/dev/null 2>&1; then
            plan_missing tsan "thread sanitizer: no compiler has it"
        fi
        ;;
    sharing) plan_sharing ;;
    compile) plan_compile ;;
    docs)
        for file in README.md docs/*.md docs/*/*.md; do
            [ -f "$file" ] && plan "docs.$(echo "$file" | tr '/' '.')" docs "$file"
        done
        ;;
    examples)
        for dir in examples/*/; do
            [ -d "$dir" ] && plan "example.$(basename "$dir")" example "$(basename "$dir")"
        done
        ;;
    bench)
        for file in bench/*.c; do
            [ -f "$file" ] && plan "bench.$(basename "$file" .c)" bench "$file"
        done
        plan bench.jobs jobs
        ;;
    fuzz)
        for file in tests/fuzz/*.c; do
            [ -f "$file" ] && plan "fuzz.$(basename "$file" .c)" fuzz "$file"
        done
        ;;
    scripts)
        for file in tests/scripts/*.sh; do
            [ -f "$file" ] && plan "script.$(basename "$file" .sh)" script "$file"
        done
        ;;
    *)
        echo "run.sh: no group $1; there are: $groups_all asan ubsan tsan-all" >&2
        exit 2
        ;;
    esac
}

# The tests of worlds once more: every world on 3 workers that always share (src/world.h), some
# of them on 4 with the thread sanitizer, and some in a build that has no threads.
plan_sharing() {
    if [ -n "$san_cc" ]; then
        for file in tests/unit/*.c; do
            grep -Eq 'ecs_world_create|model\.h' "$file" && plan_programs share "$file"
        done
    else
        plan_missing share "every world on several workers: no compiler has the sanitizers"
    fi
    if [ -n "$tsan_cc" ]; then
        for name in command event hook io schedule tick query model runner worlds; do
            plan_programs race "tests/unit/$name.c"
        done
    else
        plan_missing race "thread sanitizer: no compiler has it"
    fi
    for name in bad_input command edge entity event hash hook io memory model oom query resource \
        runner schedule storage tick worlds; do
        plan_programs lone "tests/unit/$name.c"
    done
}

plan_compile() {
    for file in tests/compile/*.pass.c; do
        [ -f "$file" ] && plan "compile.$(basename "$file" .c)" pass "$file"
    done
    for file in tests/compile/*.fail.c; do
        [ -f "$file" ] && plan "compile.$(basename "$file" .c)" fail "$file"
    done
    for each in gcc clang g++ clang++; do
        have $each || plan_missing "compile.$each" "compile tests with $each: not installed"
    done
}

# Scripts may use the examples, so these are built before anything else runs; the step of an
# example then finds it made, or shows why it cannot be.
prepare() {
    for tool in amalgamate tidy docblocks; do
        $MAKE -s build/tools/$tool || exit 1
    done
    case " $* " in
    *" examples "* | *" scripts "*) $MAKE -s -k -j "$JOBS" examples >/dev/null 2>&1 ;;
    esac
}

# ---- all ---------------------------------------------------------------------------------

make_steps() {
    {
        printf 'all:'
        while read -r id rest; do printf ' %s' "$id"; done <$b/steps
        printf '\n'
        while read -r id rest; do
            printf '.PHONY: %s\n%s:\n\t@sh tests/run.sh --step %s %s\n' "$id" "$id" "$id" "$rest"
        done <$b/steps
    } >$b/steps.mk
}

summarise() {
    while read -r id rest; do
        if [ -f "$b/result/$id" ]; then
            read -r p f s <"$b/result/$id"
        else
            p=0 f=1 s=0
            echo "FAILED: the step ended without a result" >>"$b/log/$id"
        fi
        passed=$((passed + p))
        failed=$((failed + f))
        skipped=$((skipped + s))
        if [ "$f" -ne 0 ]; then
            echo
            echo "==== $id ($b/log/$id) ===="
            tail -n 60 "$b/log/$id"
        fi
    done <$b/steps
    if [ $skipped -gt 0 ]; then
        echo
        while read -r id rest; do
            sed -n "s/^ *skip: /skipped: $id: /p" "$b/log/$id"
        done <$b/steps
    fi
    if [ "$CHECK_NO_SKIPS" = 1 ] && [ $skipped -gt 0 ]; then
        echo "CHECK_NO_SKIPS: each of these $skipped skips counts as a failure"
        failed=$((failed + skipped))
        skipped=0
    fi
    echo
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ] && [ $passed -gt 0 ]
}

if [ "${1:-}" = --step ]; then
    shift
    run_step "$@"
    exit 0
fi
[ $# -gt 0 ] || set -- $groups_all
mkdir -p $b/log $b/result $b/bin
rm -rf $b/log/* $b/result/* $b/steps
: >$b/steps
prepare "$@"
configure
for group in "$@"; do plan_group "$group"; done
make_steps
$MAKE -s -k -j "$JOBS" -f $b/steps.mk all
summarise
