/* The timing harness that all benchmark programs share.
 *
 * A case has a subject (what ecs.h does) and, where one makes sense, a limit (what a
 * hand-written loop on plain arrays takes for the same work). Both run in turns, round by
 * round, in one process, so that a slow phase of the machine meets both. The figure is the
 * median of the rounds; the ratio is subject / limit.
 *
 *     program [--scenario NAME] [--size N] [--rounds N] [--quick] [--csv | --plain] [--list]
 *
 * --plain prints `scenario size ns` for the subject only, and checksums on stderr: two
 * programs that print the same lines can be run in turns by one script.
 *
 * ecs.h comes before any system header, because it sets the feature-test macros.
 */
#ifndef BENCH_H
#define BENCH_H

#ifdef ECS_BENCH_HEADER
#include ECS_BENCH_HEADER
#else
#include "../ecs.h"
#endif

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    BENCH_ROUNDS_MAX = 2000,
    BENCH_SIZES_MAX = 8,
    BENCH_QUICK_SIZE_MAX = 100000, /* --quick skips what is larger */
    BENCH_LINE_BYTES = 64
};

#define BENCH_NOINLINE __attribute__((noinline))
#define BENCH_UNUSED __attribute__((unused))

/* Tells the compiler that memory may have changed: what was computed before must have
 * been stored, and nothing may be carried over from one repetition to the next. */
static inline void bench_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

/* The value counts as used, so that the loop that made it stays. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* Eats a running sum entity by entity, so that a loop of single reads stays one: no
 * gather instruction fetches sixteen at once. */
static inline uint64_t bench_eat(uint64_t sum)
{
    __asm__ volatile("" : "+r"(sum));
    return sum;
}

static inline void bench_keep_pointer(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

static inline uint64_t bench_now_ns(void)
{
    struct timespec now;
    bench_barrier();
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    bench_barrier();
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline double bench_since(uint64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns);
}

/* For set-up code: a benchmark has no use for an error path. */
static BENCH_UNUSED void bench_need(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "bench: failed: %s\n", what);
    exit(1);
}

static BENCH_UNUSED void bench_ok(ecs_status status, const char *what)
{
    if (status == ECS_OK) return;
    fprintf(stderr, "bench: %s: %s\n", what, ecs_status_text(status));
    exit(1);
}

/* A refused command is work that was not done: such a figure would be too good. */
static BENCH_UNUSED void bench_none_refused(const ecs_world *world)
{
    ecs_stats stats = ecs_world_stats(world);
    bench_need(stats.commands_refused == 0, "a command was refused: the figure is void");
    bench_need(stats.commands_dropped == 0, "a command was dropped: the figure is void");
}

/* Touched once, so that page faults stay out of what is measured. */
static BENCH_UNUSED void *bench_array(size_t count, size_t bytes)
{
    size_t total = (count * bytes + 63u) / 64u * 64u;
    void *memory = aligned_alloc(64, total == 0 ? 64 : total);
    bench_need(memory != NULL, "aligned_alloc");
    memset(memory, 0, total);
    return memory;
}

/* xorshift64: the same sequence in every program that is compared. */
#define BENCH_SEED 0x9E3779B97F4A7C15u
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* Runs the work `repeats` times and answers the nanoseconds of its timed part. */
typedef double (*bench_pass)(void *state, uint64_t repeats);

typedef enum bench_kind {
    BENCH_REPEAT, /* can be repeated at will: as often as a round needs to be measurable */
    BENCH_ONCE,   /* builds its own start for each pass: one repetition a round */
    BENCH_FRAMES, /* changes its own workload: fixed frames and rounds, so that all do the same */
    BENCH_VALUE   /* not a time: the pass answers the figure itself */
} bench_kind;

typedef struct bench_case {
    const char *name;
    const char *limit_text; /* what the limit is */
    void *(*open)(uint32_t size);
    void (*close)(void *state);
    void (*check)(void *state, const char *name); /* prints a checksum; NULL: none */
    bench_pass subject;
    bench_pass limit;      /* NULL: none makes sense */
    const uint32_t *sizes; /* closed by zero */
    bench_kind kind;
    uint32_t items;       /* counted per pass; 0: as many as the size */
    uint32_t warm_frames; /* BENCH_FRAMES: before the first round */
    uint32_t round_items; /* BENCH_FRAMES: a round has so many items, and one frame at least */
} bench_case;

typedef struct bench_options {
    const char *scenario;
    uint32_t size;
    uint32_t rounds;
    bool quick, csv, plain, list;
} bench_options;

/* What one side of a case has collected. */
typedef struct bench_side {
    bench_pass pass;
    uint64_t repeats;
    uint32_t count;
    double samples[BENCH_ROUNDS_MAX];
} bench_side;

static BENCH_UNUSED const uint32_t bench_sizes[] = {1000, 10000, 100000, 1000000, 0};

static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double bench_median(bench_side *side)
{
    uint32_t middle = side->count / 2;
    if (side->count == 0) return 0;
    qsort(side->samples, side->count, sizeof(double), bench_compare);
    if (side->count % 2 == 1) return side->samples[middle];
    return (side->samples[middle - 1] + side->samples[middle]) / 2;
}

/* Doubles the repetitions until a round is long against the clock's own cost. */
static void bench_calibrate(bench_side *side, void *state, const bench_options *options)
{
    double enough_ns = options->quick ? 100e3 : 500e3;
    while (side->repeats < (1u << 30) && side->pass(state, side->repeats) < enough_ns) {
        side->repeats *= 2;
    }
}

static double bench_round(bench_side *side, void *state, double items, bench_kind kind)
{
    double elapsed = side->pass(state, side->repeats);
    double each = kind == BENCH_VALUE ? elapsed : elapsed / ((double)side->repeats * items);
    side->samples[side->count++] = each;
    return elapsed;
}

static uint32_t bench_rounds_min(const bench_case *test, uint32_t size,
                                 const bench_options *options)
{
    if (options->rounds > 0) return options->rounds;
    if (test->kind == BENCH_VALUE) return 1;
    if (test->kind == BENCH_FRAMES) return options->quick ? 3 : size >= 1000000 ? 11 : 31;
    if (options->quick) return 3;
    return size >= 1000000 ? 7 : size >= 100000 ? 9 : size >= 10000 ? 15 : 31;
}

static void bench_prepare(const bench_case *test, bench_side *side, void *state,
                          uint32_t size, const bench_options *options)
{
    side->repeats = 1;
    side->count = 0;
    if (side->pass == NULL || test->kind == BENCH_VALUE) return;
    switch (test->kind) {
    case BENCH_REPEAT: bench_calibrate(side, state, options); break;
    case BENCH_FRAMES:
        (void)side->pass(state, test->warm_frames);
        side->repeats = test->round_items > size ? test->round_items / size : 1;
        break;
    case BENCH_ONCE: (void)side->pass(state, 1); break;
    case BENCH_VALUE: break;
    }
}

/* Fills both sides: rounds until the budget is spent, subject and limit in turns. */
static void bench_measure(const bench_case *test, bench_side side[2], void *state,
                          uint32_t size, const bench_options *options)
{
    double items = test->items > 0 ? (double)test->items : (double)size;
    double budget_ns = options->quick ? 5e6 : 80e6;
    uint32_t rounds_min = bench_rounds_min(test, size, options);
    bool fixed = options->rounds > 0 || test->kind == BENCH_FRAMES || test->kind == BENCH_VALUE;
    uint64_t start = bench_now_ns();
    double timed_ns = 0;
    for (uint32_t round = 0; round < BENCH_ROUNDS_MAX; round++) {
        if (round >= rounds_min) {
            if (fixed || timed_ns > budget_ns || bench_since(start) > 5 * budget_ns) break;
        }
        for (uint32_t turn = 0; turn < 2; turn++) { /* each is first in every other round */
            bench_side *next = &side[(turn + round) % 2];
            double elapsed;
            if (next->pass == NULL) continue;
            elapsed = bench_round(next, state, items, test->kind);
            if (next == &side[0]) timed_ns += elapsed;
        }
    }
}

static const char *bench_figure(char line[BENCH_LINE_BYTES], double value)
{
    const char *format = value < 1 ? "%.4f" : value < 100 ? "%.3f" : "%.1f";
    (void)snprintf(line, BENCH_LINE_BYTES, format, value);
    return line;
}

static void bench_print(const bench_case *test, uint32_t size, bench_side side[2],
                        const bench_options *options)
{
    char subject[BENCH_LINE_BYTES], limit[BENCH_LINE_BYTES], ratio[BENCH_LINE_BYTES];
    double subject_ns = bench_median(&side[0]);
    double limit_ns = bench_median(&side[1]);
    const char *unit = test->kind == BENCH_VALUE ? "B" : "ns";
    bench_figure(subject, subject_ns);
    (void)snprintf(limit, sizeof limit, "-");
    (void)snprintf(ratio, sizeof ratio, "-");
    if (side[1].count > 0) {
        bench_figure(limit, limit_ns);
        (void)snprintf(ratio, sizeof ratio, "%.2f", subject_ns / limit_ns);
    }
    if (options->plain) {
        printf("%s %" PRIu32 " %s\n", test->name, size, subject);
    } else if (options->csv) {
        printf("%s,%" PRIu32 ",%s,%s,%s,%s\n", test->name, size, unit, subject,
               side[1].count > 0 ? limit : "", side[1].count > 0 ? ratio : "");
    } else {
        printf("%-20s %8" PRIu32 " %12s %s %12s %8s\n", test->name, size, subject,
               test->kind == BENCH_VALUE ? "B " : "ns", limit, ratio);
    }
    (void)fflush(stdout);
}

static void bench_run(const bench_case *test, uint32_t size, const bench_options *options)
{
    static bench_side side[2]; /* large, and one case runs at a time */
    void *state = test->open(size);
    side[0].pass = test->subject;
    side[1].pass = options->plain ? NULL : test->limit;
    if (options->plain && test->check != NULL && test->kind != BENCH_FRAMES) {
        (void)test->subject(state, 1);
        test->check(state, test->name);
    }
    bench_prepare(test, &side[0], state, size, options);
    bench_prepare(test, &side[1], state, size, options);
    bench_measure(test, side, state, size, options);
    if (options->plain && test->check != NULL && test->kind == BENCH_FRAMES) {
        test->check(state, test->name); /* all programs have done the same frames */
    }
    bench_print(test, size, side, options);
    test->close(state);
}

static bool bench_parse(bench_options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        bool more = i + 1 < argc;
        if (strcmp(arg, "--scenario") == 0 && more) options->scenario = argv[++i];
        else if (strcmp(arg, "--size") == 0 && more)
            options->size = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(arg, "--rounds") == 0 && more)
            options->rounds = (uint32_t)strtoul(argv[++i], NULL, 10);
        else if (strcmp(arg, "--quick") == 0) options->quick = true;
        else if (strcmp(arg, "--csv") == 0) options->csv = true;
        else if (strcmp(arg, "--plain") == 0) options->plain = true;
        else if (strcmp(arg, "--list") == 0) options->list = true;
        else return false;
    }
    if (options->rounds > BENCH_ROUNDS_MAX) options->rounds = BENCH_ROUNDS_MAX;
    return true;
}

/* Each cell in a process of its own, so that no heap is inherited from the one before. */
static bool bench_run_apart(const bench_case *test, uint32_t size, const bench_options *options)
{
    int status = 0;
    pid_t child;
    (void)fflush(stdout);
    child = fork();
    bench_need(child >= 0, "fork");
    if (child == 0) {
        bench_run(test, size, options);
        exit(0);
    }
    bench_need(waitpid(child, &status, 0) == child, "waitpid");
    if (status == 0) return true;
    fprintf(stderr, "bench: %s %" PRIu32 " did not finish\n", test->name, size);
    return false;
}

/* A size that was asked for replaces the usual ones; cases with sizes of their own run
 * only when it is one of these. */
static bool bench_run_sizes(const bench_case *test, const bench_options *options)
{
    bool ok = true;
    if (options->size > 0 && test->sizes == bench_sizes) {
        if (options->scenario == NULL) return bench_run_apart(test, options->size, options);
        bench_run(test, options->size, options); /* one cell, this process: for profilers */
        return true;
    }
    for (uint32_t i = 0; i < BENCH_SIZES_MAX && test->sizes[i] > 0; i++) {
        uint32_t size = test->sizes[i];
        if (options->size > 0 && size != options->size) continue;
        if (options->size == 0 && options->quick && size > BENCH_QUICK_SIZE_MAX) continue;
        if (options->size > 0 && options->scenario != NULL) {
            bench_run(test, size, options);
            continue;
        }
        ok = bench_run_apart(test, size, options) && ok;
    }
    return ok;
}

static BENCH_UNUSED int bench_main(int argc, char **argv, const bench_case *cases,
                                   uint32_t case_count)
{
    bench_options options = {0};
    bool found = false;
    bool ok = true;
    if (!bench_parse(&options, argc, argv)) {
        fprintf(stderr, "usage: %s [--scenario NAME] [--size N] [--rounds N] [--quick]"
                        " [--csv | --plain] [--list]\n", argv[0]);
        return 2;
    }
    if (options.csv) printf("subject,size,unit,value,limit,ratio\n");
    if (!options.csv && !options.plain && !options.list) {
        printf("%-20s %8s %12s    %12s %8s\n", "subject", "size", "per item", "limit", "ratio");
    }
    for (uint32_t i = 0; i < case_count; i++) {
        const bench_case *test = &cases[i];
        if (options.scenario != NULL && strcmp(options.scenario, test->name) != 0) continue;
        found = true;
        if (options.list) {
            printf("%-20s limit: %s\n", test->name,
                   test->limit != NULL ? test->limit_text : "none");
        } else {
            ok = bench_run_sizes(test, &options) && ok;
        }
    }
    if (!ok) return 1;
    if (found || options.plain) return 0; /* plain: not to know a scenario is no error */
    fprintf(stderr, "%s: no scenario %s\n", argv[0], options.scenario);
    return 2;
}

#endif /* BENCH_H */
