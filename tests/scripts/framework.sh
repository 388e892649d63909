#!/bin/sh
# The test framework tested: what must fail fails, with its place, in C11 and C++17, and what
# dies, hangs or leaks takes one case with it.

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
root=$(pwd)
passed=0
failed=0

noted() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
        cat "$work/log"
    fi
}

cat >"$work/cases.c" <<'END'
#define ECS_IMPLEMENTATION
#include "tests/test.h"

static void deep(bool good)
{
    REQUIRE(good);
}

TEST(good_all_pass)
{
    uint64_t a = 1, b = 1;
    CHECK(true);
    CHECK_EQ_U64(2u, 2);
    CHECK_EQ_I64(-2, -2);
    CHECK_STATUS(ECS_OK, ECS_OK);
    CHECK_STR("a", "a");
    CHECK_CONTAINS("abc", "bc");
    REQUIRE(test_random_u64(&a) == test_random_u64(&b));
    REQUIRE_STATUS(ECS_OK, ECS_OK);
    CHECK(test_random_below(&a, 10) < 10);
    deep(true);
}
TEST(seed_is_77) { CHECK_EQ_U64(test_seed(), 77); }
TEST(bad_check) { CHECK(1 + 1 == 3); }
TEST(bad_u64) { CHECK_EQ_U64(1, 2); }
TEST(bad_i64) { CHECK_EQ_I64(-1, 2); }
TEST(bad_status) { CHECK_STATUS(ECS_STALE, ECS_OK); }
TEST(bad_text) { CHECK_STR("a", "b"); CHECK_STR(NULL, "b"); }
TEST(bad_contains) { CHECK_CONTAINS("abc", "d"); }
TEST(bad_require_stops) { deep(false); printf("went on\n"); }
TEST(bad_require_status) { REQUIRE_STATUS(ECS_STALE, ECS_OK); printf("went on\n"); }
TEST(bad_segv) { raise(SIGSEGV); }
TEST(bad_hang) { for (;;) pause(); }
TEST(bad_exit) { exit(3); }
TEST(bad_flood) { for (int i = 0; i < 100000; i++) CHECK(i < 0); }
TEST(skipped_case) { SKIP("because"); }
TEST_DEATH(death_abort) { abort(); }
TEST_DEATH(bad_death_lives) { CHECK(true); }
TEST_DEATH(bad_death_other_signal) { raise(SIGSEGV); }
END

for compiler in "$CC -std=c11" "g++ -x c++ -std=c++17"; do
    command -v ${compiler%% *} >/dev/null 2>&1 || continue
    $compiler -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I"$root" \
        -DECS_TEST_HEADER='"ecs.h"' "$work/cases.c" -o "$work/cases" -lm -lpthread \
        >"$work/log" 2>&1
    noted "builds without a warning: $compiler" $?
    ECS_TEST_LIMIT_S=1 "$work/cases" --seed 77 >"$work/log" 2>"$work/err"
    [ $? -eq 1 ]
    noted "exit status is 1" $?
    tail -n 1 "$work/log" | grep -q '^cases: 3 passed, 14 failed, 1 skipped$'
    noted "counts" $?
    head -n 1 "$work/log" | grep -q '^cases: seed 77$'
    noted "the seed is printed first" $?
    for each in $(grep -o '(bad_[a-z0-9_]*' "$work/cases.c" | tr -d '('); do
        grep -q "^FAILED: $each (--seed 77)" "$work/log" &&
            grep -q "^    .*cases.c:[0-9]*: $each: " "$work/log"
        noted "$each is named with its place" $?
    done
    grep -q 'bad_status: failed: .*: [0-9]* (..*), wanted 0 (..*)' "$work/log"
    noted "statuses are printed as text" $?
    grep -q 'bad_segv: killed by SIGSEGV' "$work/log" &&
        grep -q 'bad_hang: killed by SIGALRM.*time limit of 1 s' "$work/log"
    noted "signals are named" $?
    ! grep -q 'went on' "$work/log"
    noted "REQUIRE stops" $?
    [ "$(grep -c 'bad_flood: failed' "$work/log")" -eq 20 ]
    noted "a flood of failures is cut" $?
    grep -q '^skip: skipped_case: because$' "$work/log"
    noted "a skip has its reason" $?
    "$work/cases" --list >"$work/log" && [ "$(wc -l <"$work/log")" -eq 18 ]
    noted "list" $?
    "$work/cases" good_ death_abort >"$work/log" &&
        tail -n 1 "$work/log" | grep -q '^cases: 2 passed, 0 failed, 0 skipped$'
    noted "filters" $?
    "$work/cases" --no-fork good_all skipped_ death_abort >"$work/log" &&
        tail -n 1 "$work/log" | grep -q '^cases: 1 passed, 0 failed, 2 skipped$'
    noted "without fork" $?
    ECS_TEST_SEED=77 "$work/cases" seed_is >"$work/log"
    noted "seed from the environment" $?
    "$work/cases" --wrong >"$work/log"
    [ $? -eq 2 ]
    noted "an unknown option is refused" $?
done

echo "framework: $passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
