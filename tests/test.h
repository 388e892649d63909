/* The test framework: one header, C11 and C++17.
 *
 *     #define ECS_IMPLEMENTATION
 *     #include "../test.h"                    includes ecs.h (or src/ecs_dev.h) as well
 *
 *     TEST(spawn_full_world_is_refused)       named module_condition_result
 *     {
 *         ecs_world *world = ecs_world_create(NULL);
 *         REQUIRE(world != NULL);             a failure ends the case
 *         CHECK(ecs_world_alive(world) == 0); a failure is noted, the case goes on
 *         ...
 *     }
 *
 *     TEST_DEATH(world_null_asserts)          passes if the case aborts (SIGABRT)
 *
 * Each case runs in its own process with a time limit, so that a crash, a hang or a leak is
 * one failed case and nothing is inherited from the case before. There is no list to keep:
 * cases register themselves before main.
 *
 *     program [--list] [--seed N] [--no-fork] [part of a name ...]
 *
 * Windows has no fork: all cases run in one process, and those that die are left out.
 *
 * Environment: ECS_TEST_LIMIT_S (60), ECS_TEST_SLOW=1 (limit times ten, for valgrind; builds
 * with a sanitizer do that by themselves), ECS_TEST_SEED, ECS_TEST_LONG=1 (longer modes).
 */

#ifndef ECS_TEST_H
#define ECS_TEST_H

/* ecs.h comes before any system header: it sets the feature-test macros that it needs. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1
#endif
#ifdef ECS_TEST_HEADER
#include ECS_TEST_HEADER
#else
#include "../ecs.h"
#define ECS_TEST_HEADER "../../ecs.h" /* for a case file that includes it once more */
#endif

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef TEST_SANITIZED
#define TEST_SANITIZED 1
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

#define TEST_UNUSED __attribute__((unused))

enum {
    TEST_EXIT_PASS = 0,
    TEST_EXIT_FAIL = 1,
    TEST_EXIT_SKIP = 77,
    TEST_LIMIT_DEFAULT_S = 60,
    TEST_REPORT_COUNT_MAX = 20 /* failures printed per case; a loop may fail a million times */
};

typedef struct test_case {
    const char *name;
    const char *file;
    int line;
    bool dies;
    void (*run)(void);
    struct test_case *next;
} test_case;

typedef struct test_context {
    test_case *first;
    test_case *last;
    const char *current;
    uint64_t seed;
    uint32_t failure_count; /* of the running case; changed atomically, threads may fail */
    bool skipped;
    bool fork_cases;
} test_context;

static test_context test_state;

TEST_UNUSED static void test_add(test_case *added)
{
    if (test_state.last == NULL) {
        test_state.first = added;
    } else {
        test_state.last->next = added;
    }
    test_state.last = added;
}

#define TEST(name) TEST_DEFINE_(name, false)
#define TEST_DEATH(name) TEST_DEFINE_(name, true)
#define TEST_DEFINE_(name, dies) \
    static void test_run_##name(void); \
    static test_case test_case_##name = {#name, __FILE__, __LINE__, dies, test_run_##name, NULL}; \
    __attribute__((constructor)) static void test_add_##name(void) \
    { \
        test_add(&test_case_##name); \
    } \
    static void test_run_##name(void)

/* ---- checks ------------------------------------------------------------------------------ */

/* Counts a failure; true if it is still to be printed. */
TEST_UNUSED static bool test_failed(const char *file, int line)
{
    uint32_t before = __atomic_fetch_add(&test_state.failure_count, 1u, __ATOMIC_RELAXED);
    if (before == TEST_REPORT_COUNT_MAX) printf("    (more failures are not shown)\n");
    if (before >= TEST_REPORT_COUNT_MAX) return false;
    printf("    %s:%d: %s: ", file, line, test_state.current);
    return true;
}

TEST_UNUSED static bool test_check(bool good, const char *file, int line, const char *text)
{
    if (!good && test_failed(file, line)) printf("failed: %s\n", text);
    return good;
}

TEST_UNUSED static bool test_check_u64(uint64_t a, uint64_t b, const char *file, int line,
                                       const char *text)
{
    if (a != b && test_failed(file, line)) {
        printf("failed: %s: %llu (0x%llx) against %llu (0x%llx)\n", text, (unsigned long long)a,
               (unsigned long long)a, (unsigned long long)b, (unsigned long long)b);
    }
    return a == b;
}

TEST_UNUSED static bool test_check_i64(int64_t a, int64_t b, const char *file, int line,
                                       const char *text)
{
    if (a != b && test_failed(file, line)) {
        printf("failed: %s: %lld against %lld\n", text, (long long)a, (long long)b);
    }
    return a == b;
}

TEST_UNUSED static bool test_check_status(int got, int wanted, const char *file, int line,
                                          const char *text)
{
    if (got != wanted && test_failed(file, line)) {
        printf("failed: %s: %d (%s), wanted %d (%s)\n", text, got,
               ecs_status_text((ecs_status)got), wanted, ecs_status_text((ecs_status)wanted));
    }
    return got == wanted;
}

TEST_UNUSED static bool test_check_text(const char *a, const char *b, const char *file, int line,
                                        const char *text)
{
    bool good = a != NULL && b != NULL && strcmp(a, b) == 0;
    if (!good && test_failed(file, line)) {
        printf("failed: %s: \"%s\" against \"%s\"\n", text, a == NULL ? "(null)" : a,
               b == NULL ? "(null)" : b);
    }
    return good;
}

TEST_UNUSED static bool test_check_contains(const char *text_in, const char *part,
                                            const char *file, int line, const char *text)
{
    bool good = text_in != NULL && part != NULL && strstr(text_in, part) != NULL;
    if (!good && test_failed(file, line)) {
        printf("failed: %s: no \"%s\" in \"%s\"\n", text, part == NULL ? "(null)" : part,
               text_in == NULL ? "(null)" : text_in);
    }
    return good;
}

/* Ends the case from any depth. exit() rather than _exit(): leak checks and coverage counters
 * are written by exit handlers. */
TEST_UNUSED __attribute__((noreturn)) static void test_stop(void)
{
    fflush(stdout);
    exit(TEST_EXIT_FAIL);
}

#define CHECK(condition) test_check((condition) ? true : false, __FILE__, __LINE__, #condition)
#define CHECK_EQ_U64(a, b) \
    test_check_u64((uint64_t)(a), (uint64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_EQ_I64(a, b) \
    test_check_i64((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_STATUS(call, status) \
    test_check_status((int)(call), (int)(status), __FILE__, __LINE__, #call)
#define CHECK_STR(a, b) test_check_text((a), (b), __FILE__, __LINE__, #a " is " #b)
#define CHECK_CONTAINS(text, part) \
    test_check_contains((text), (part), __FILE__, __LINE__, #text " contains " #part)

#define REQUIRE(condition) \
    do { \
        if (!CHECK(condition)) test_stop(); \
    } while (0)
#define REQUIRE_STATUS(call, status) \
    do { \
        if (!CHECK_STATUS(call, status)) test_stop(); \
    } while (0)

/* Only in the body of a case: it returns from it. */
#define SKIP(reason) \
    do { \
        printf("skip: %s: %s\n", test_state.current, (reason)); \
        test_state.skipped = true; \
        return; \
    } while (0)

/* ---- seeds and modes --------------------------------------------------------------------- */

TEST_UNUSED static uint64_t test_seed(void)
{
    return test_state.seed;
}

/* splitmix64 (Steele, Lea, Flood 2014): any state is a good one, zero as well. */
TEST_UNUSED static uint64_t test_random_u64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Below the limit, which is not zero. The bias is at most 2^-32 and does not matter here. */
TEST_UNUSED static uint32_t test_random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(((test_random_u64(state) >> 32) * (uint64_t)limit) >> 32);
}

TEST_UNUSED static bool test_flag(const char *variable)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != 0 && strcmp(text, "0") != 0;
}

/* True in `make check-long`. */
TEST_UNUSED static bool test_long(void)
{
    return test_flag("ECS_TEST_LONG");
}

/* How many rounds: the short number, or the long one in `make check-long`. Sanitized builds
 * are some ten times slower and take a tenth of either. */
TEST_UNUSED static uint32_t test_rounds(uint32_t few, uint32_t many)
{
    uint32_t rounds = test_long() ? many : few;
    return TEST_SANITIZED != 0 && rounds >= 10 ? rounds / 10 : rounds;
}

/* ---- running ----------------------------------------------------------------------------- */

#ifndef TEST_NO_MAIN

typedef struct test_totals {
    uint32_t passed;
    uint32_t failed;
    uint32_t skipped;
} test_totals;

#ifndef _WIN32
static const char *test_signal_name(int number)
{
    switch (number) {
    case SIGABRT: return "SIGABRT";
    case SIGALRM: return "SIGALRM";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGINT: return "SIGINT";
    case SIGKILL: return "SIGKILL";
    case SIGPIPE: return "SIGPIPE";
    case SIGSEGV: return "SIGSEGV";
    case SIGTERM: return "SIGTERM";
    case SIGTRAP: return "SIGTRAP";
    default: return "a signal";
    }
}

static uint32_t test_limit_s(void)
{
    const char *text = getenv("ECS_TEST_LIMIT_S");
    long limit = text == NULL ? 0 : strtol(text, NULL, 10);
    if (limit <= 0 || limit > 100000) limit = TEST_LIMIT_DEFAULT_S;
    if (TEST_SANITIZED != 0 || test_flag("ECS_TEST_SLOW")) limit *= 10;
    return (uint32_t)limit;
}

#ifdef ECS_TEST_COVERAGE
#ifdef __cplusplus
extern "C"
#endif
void __gcov_dump(void);

/* A case that aborts would lose what it covered. */
static void test_abort_handler(int number)
{
    __gcov_dump();
    signal(number, SIG_DFL);
    raise(number);
}
#endif

/* What the child process does; never returns. */
static void test_child(const test_case *running, uint32_t limit_s)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (running->dies) {
        /* The text of the expected assertion would only confuse whoever reads the log. */
        int null_file = open("/dev/null", O_WRONLY);
        if (null_file >= 0) dup2(null_file, 2);
    }
#ifdef ECS_TEST_COVERAGE
    signal(SIGABRT, test_abort_handler);
#else
    signal(SIGABRT, SIG_DFL);
#endif
    signal(SIGALRM, SIG_DFL);
    alarm(limit_s);
    running->run();
    fflush(stdout);
    if (test_state.failure_count != 0) exit(TEST_EXIT_FAIL);
    exit(test_state.skipped ? TEST_EXIT_SKIP : TEST_EXIT_PASS);
}

/* Turns the state of a finished child into one of the three exits, and says why it failed. */
static int test_verdict(const test_case *ran, int status, uint32_t limit_s)
{
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);
        if (ran->dies && number == SIGABRT) return TEST_EXIT_PASS;
        printf("    %s:%d: %s: killed by %s (%d)", ran->file, ran->line, ran->name,
               test_signal_name(number), number);
        if (number == SIGALRM) printf(", the time limit of %u s", (unsigned)limit_s);
        printf("\n");
        return TEST_EXIT_FAIL;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == TEST_EXIT_SKIP) return TEST_EXIT_SKIP;
    if (ran->dies) {
        printf("    %s:%d: %s: should have aborted, exited with %d\n", ran->file, ran->line,
               ran->name, code);
        return TEST_EXIT_FAIL;
    }
    if (code != TEST_EXIT_PASS && code != TEST_EXIT_FAIL) {
        printf("    %s:%d: %s: exited with %d (a sanitizer?)\n", ran->file, ran->line, ran->name,
               code);
    }
    return code == TEST_EXIT_PASS ? TEST_EXIT_PASS : TEST_EXIT_FAIL;
}

static int test_run_forked(const test_case *running)
{
    uint32_t limit_s = test_limit_s();
    int status = 0;
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    if (child < 0) {
        printf("    %s: cannot fork\n", running->name);
        return TEST_EXIT_FAIL;
    }
    if (child == 0) test_child(running, limit_s);
    while (waitpid(child, &status, 0) < 0) {
    }
    return test_verdict(running, status, limit_s);
}
#else
static int test_run_forked(const test_case *running)
{
    (void)running;
    return TEST_EXIT_FAIL;
}
#endif

/* For a debugger: all in this process, no limit; a REQUIRE that fails ends the program. */
static int test_run_here(const test_case *running)
{
    if (running->dies) {
        printf("skip: %s: needs its own process\n", running->name);
        return TEST_EXIT_SKIP;
    }
    test_state.failure_count = 0;
    test_state.skipped = false;
    running->run();
    if (test_state.failure_count != 0) return TEST_EXIT_FAIL;
    return test_state.skipped ? TEST_EXIT_SKIP : TEST_EXIT_PASS;
}

static void test_run_case(const test_case *running, test_totals *totals)
{
    test_state.current = running->name;
    int verdict = test_state.fork_cases ? test_run_forked(running) : test_run_here(running);
    if (verdict == TEST_EXIT_PASS) {
        totals->passed++;
    } else if (verdict == TEST_EXIT_SKIP) {
        totals->skipped++;
    } else {
        totals->failed++;
        printf("FAILED: %s (--seed %llu)\n", running->name, (unsigned long long)test_state.seed);
    }
}

static bool test_selected(const test_case *candidate, char **filters, int filter_count)
{
#ifdef _WIN32
    if (candidate->dies) return false;
#endif
    for (int i = 0; i < filter_count; i++) {
        if (strstr(candidate->name, filters[i]) != NULL) return true;
    }
    return filter_count == 0;
}

typedef struct test_options {
    bool list;
    bool usable;
    char **filters;
    int filter_count;
} test_options;

/* Options may stand anywhere; what is none is a filter and moves to the front of argv. */
static test_options test_parse(int argc, char **argv)
{
    test_options options = {false, true, argv + 1, 0};
    const char *seed_text = getenv("ECS_TEST_SEED");
    test_state.seed = seed_text == NULL ? 24301u : strtoull(seed_text, NULL, 0);
#ifdef _WIN32
    test_state.fork_cases = false;
#else
    test_state.fork_cases = true;
#endif
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            options.list = true;
        } else if (strcmp(argv[i], "--no-fork") == 0) {
            test_state.fork_cases = false;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            test_state.seed = strtoull(argv[++i], NULL, 0);
        } else if (argv[i][0] == '-') {
            options.usable = false;
        } else {
            options.filters[options.filter_count++] = argv[i];
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    test_totals totals = {0, 0, 0};
    test_options options = test_parse(argc, argv);
    const char *slash = strrchr(argv[0], '/');
    const char *program = slash == NULL ? argv[0] : slash + 1;
    if (!options.usable) {
        printf("usage: %s [--list] [--seed N] [--no-fork] [part of a name ...]\n", program);
        return 2;
    }
    if (!options.list) printf("%s: seed %llu\n", program, (unsigned long long)test_state.seed);
    for (const test_case *each = test_state.first; each != NULL; each = each->next) {
        if (!test_selected(each, options.filters, options.filter_count)) continue;
        if (options.list) {
            printf("%s\n", each->name);
        } else {
            test_run_case(each, &totals);
        }
    }
    if (options.list) return 0;
    printf("%s: %u passed, %u failed, %u skipped\n", program, (unsigned)totals.passed,
           (unsigned)totals.failed, (unsigned)totals.skipped);
    return totals.failed == 0 ? 0 : 1;
}

#endif /* TEST_NO_MAIN */
#endif /* ECS_TEST_H */
