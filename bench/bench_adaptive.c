/* The adaptive backend beside the two that it chooses from, over five workloads. All three worlds
 * of a case run in turns in one process, and do the same ticks, so that at the end they must have
 * one hash. The limit is the better one of the fixed backends.
 *
 *     bench_adaptive [options of bench.h] [--workers N]
 *
 * `--size N` is `--workers N`; default: one for each processor. Waiting in a system is what the
 * io case is about: its ticks are measured in waits, not in work. */
#define ECS_IMPLEMENTATION
#include "bench.h"

#include <sys/select.h>

enum {
    LANES = 3,          /* blocking, work stealing, adaptive */
    SYSTEMS_MAX = 16,
    NAME_BYTES = 16,
    PHASE_TICKS = 300,  /* of the workload that alternates */
    CYCLE_TICKS = 2 * PHASE_TICKS,
    WAIT_US = 200,      /* of one system of the io case */
    WARM_TICKS = 250,   /* two windows and more: the first choice is made */
    ROUNDS_USUAL = 21,
    EXPLAIN_BYTES = 8192
};

#define STEP_S 0.015625f

/* What a system of a case does, and for how many rows. */
typedef struct part {
    ecs_status (*run)(const ecs_view *view);
    uint32_t rows;
    bool unsplit;
    uint32_t io_intents;
    uint32_t every_ticks;
} part;

typedef struct adaptive_case {
    const char *name;
    const char *text;
    double bar;           /* adaptive by the better fixed one, at most */
    uint32_t round_ticks; /* 0: as many as a round needs */
    uint32_t block_rows;
    part parts[SYSTEMS_MAX];
} adaptive_case;

typedef struct lane {
    ecs_world *world;
    bench_side ticks;
} lane;

static char names[SYSTEMS_MAX][NAME_BYTES];
static int pipe_ends[2];

/* ---- Systems ---------------------------------------------------------------------------- */

BENCH_NOINLINE static void rows_light(float *v, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) v[i] = v[i] * 0.75f + 1.0f;
}

/* Dependent steps, for work that is not bound by memory. */
BENCH_NOINLINE static void rows_chain(float *v, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float x = v[i];
        for (uint32_t k = 0; k < 128; k++) x = x * 0.75f + 1.0f;
        v[i] = x;
    }
}

static ecs_status run_light(const ecs_view *view)
{
    rows_light((float *)view->columns[0], view->count);
    return ECS_OK;
}

static ecs_status run_chain(const ecs_view *view)
{
    rows_chain((float *)view->columns[0], view->count);
    return ECS_OK;
}

/* All of its rows in one phase, one of 64 in the other. */
static ecs_status run_phases(const ecs_view *view)
{
    bool heavy = view->tick / PHASE_TICKS % 2 == 1;
    rows_chain((float *)view->columns[0], heavy ? view->count : (view->count + 63) / 64);
    return ECS_OK;
}

/* Nobody ever writes into this pipe. */
static ecs_status run_wait(const ecs_view *view)
{
    struct timeval wait = {0, WAIT_US};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    bench_keep(view->count);
    return select(pipe_ends[0] + 1, &set, NULL, NULL, &wait) == 0 ? ECS_OK : ECS_INVALID;
}

/* ---- Cases ------------------------------------------------------------------------------ */

#define LIGHT(rows) {run_light, rows, false, 0, 0}
#define CHAIN(rows) {run_chain, rows, false, 0, 0}
#define WHOLE(rows) {run_chain, rows, true, 0, 0}
#define WAIT(intents, every) {run_wait, 0, false, intents, every}
#define PHASES(rows) {run_phases, rows, false, 0, 0}

static const adaptive_case cases[] = {
    {"tiny", "ten systems of some hundred nanoseconds", 1.10, 0, 4096,
     {LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000),
      LIGHT(1000), LIGHT(1000), LIGHT(1000)}},
    {"wide", "one system of many row blocks", 1.10, 0, 1024, {CHAIN(64 * 1024)}},
    {"skewed", "one large system in one piece, and small ones", 1.10, 0, 1024,
     {WHOLE(20 * 1024), CHAIN(12 * 1024), CHAIN(6 * 1024), CHAIN(1024), CHAIN(1024)}},
    {"io", "four systems that wait for a pipe", 1.10, 0, 4096,
     {WAIT(32, 1), WAIT(32, 1), WAIT(64, 2), WAIT(64, 2)}},
    {"phases", "300 tiny ticks and 300 heavy ones in turns", 1.00, CYCLE_TICKS, 512,
     {PHASES(4096), PHASES(4096), PHASES(4096), PHASES(4096)}},
};

static void build(ecs_world *world, const adaptive_case *test)
{
    for (uint32_t i = 0; i < SYSTEMS_MAX && test->parts[i].run != NULL; i++) {
        const part *p = &test->parts[i];
        ecs_type type = {0};
        ecs_term term = {0};
        ecs_system system = {0};
        ecs_system_desc desc = {0};
        (void)snprintf(names[i], NAME_BYTES, "part_%" PRIu32, i);
        system.name = names[i];
        system.run = p->run;
        if (p->rows > 0) {
            type.name = names[i];
            type.bytes = sizeof(float);
            type.align = (uint32_t)_Alignof(float);
            bench_ok(ecs_component_define(world, &type, &term.component), "define");
            term.access = ECS_ACCESS_WRITE;
            system.terms = &term;
            system.term_count = 1;
        }
        for (uint32_t r = 0; r < p->rows; r++) {
            bench_ok(ecs_add_id(world, ecs_spawn(world), term.component), "add");
        }
        desc.system = &system;
        desc.unsplit = p->unsplit;
        desc.io_intents = p->io_intents;
        desc.every_ticks = p->every_ticks;
        bench_ok(ecs_system_add_desc(world, &desc), "ecs_system_add_desc");
    }
}

/* ---- Measuring -------------------------------------------------------------------------- */

static double ticks_pass(void *state, uint64_t repeats)
{
    ecs_world *world = ((lane *)state)->world;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_tick(world, STEP_S), "ecs_tick");
    return bench_since(start);
}

static void lanes_open(lane *lanes, const adaptive_case *test, uint32_t workers)
{
    static const ecs_backend backends[LANES] = {ECS_BACKEND_BLOCKING, ECS_BACKEND_WORK_STEALING,
                                                ECS_BACKEND_ADAPTIVE};
    for (uint32_t i = 0; i < LANES; i++) {
        ecs_world_desc desc = {0};
        desc.backend = backends[i];
        desc.workers = workers;
        desc.row_block_rows = test->block_rows;
        lanes[i].world = ecs_world_create(&desc);
        bench_need(lanes[i].world != NULL, "ecs_world_create");
        build(lanes[i].world, test);
        lanes[i].ticks.pass = ticks_pass;
    }
}

/* How often each round ticks, found out on the blocking world; then all are as far as that. */
static void lanes_prepare(lane *lanes, const adaptive_case *test, const bench_options *options)
{
    double enough_ns = options->quick ? 5e5 : 2e7;
    uint64_t repeats = test->round_ticks;
    uint64_t most = 0;
    if (repeats == 0) {
        repeats = 1;
        while (repeats < 1u << 16 && ticks_pass(&lanes[0], repeats) < enough_ns) repeats *= 2;
    }
    most = ecs_world_tick(lanes[0].world) + WARM_TICKS;
    if (test->round_ticks > 0) most = test->round_ticks;
    for (uint32_t i = 0; i < LANES; i++) {
        while (ecs_world_tick(lanes[i].world) < most) {
            bench_ok(ecs_tick(lanes[i].world, STEP_S), "ecs_tick");
        }
        lanes[i].ticks.repeats = repeats;
    }
}

/* All in turns; another one is the first in each round. */
static void lanes_measure(lane *lanes, const bench_options *options)
{
    uint32_t rounds = options->rounds > 0 ? options->rounds : options->quick ? 3 : ROUNDS_USUAL;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t turn = 0; turn < LANES; turn++) {
            lane *next = &lanes[(turn + round) % LANES];
            (void)bench_round(&next->ticks, next, 1, BENCH_REPEAT);
        }
    }
}

/* Same ticks, same world: whatever ran it. */
static bool lanes_agree(const adaptive_case *test, const lane *lanes)
{
    bool agree = true;
#ifndef ECS_NO_HASH
    uint64_t want = ecs_world_hash(lanes[0].world);
    for (uint32_t i = 1; i < LANES; i++) {
        uint64_t hash = ecs_world_hash(lanes[i].world);
        if (hash == want) continue;
        fprintf(stderr, "bench_adaptive: %s: hash %016" PRIx64 ", blocking %016" PRIx64 "\n",
                test->name, hash, want);
        agree = false;
    }
#endif
    return agree;
}

/* ---- Output ----------------------------------------------------------------------------- */

static void case_print(const adaptive_case *test, lane *lanes, const bench_options *options)
{
    char figures[LANES][BENCH_LINE_BYTES];
    double ns[LANES];
    double best_ns;
    double ratio;
    for (uint32_t i = 0; i < LANES; i++) {
        ns[i] = bench_median(&lanes[i].ticks);
        bench_figure(figures[i], ns[i]);
    }
    best_ns = ns[0] < ns[1] ? ns[0] : ns[1];
    ratio = ns[2] / best_ns;
    if (options->plain) {
        printf("%s 0 %s\n", test->name, figures[2]);
    } else if (options->csv) {
        printf("%s,ns,%s,%s,%s,%.3f,%.2f\n", test->name, figures[0], figures[1], figures[2], ratio,
               test->bar);
    } else {
        printf("%-8s %12s %12s %12s ns %8.3f  %s %.2f\n", test->name, figures[0], figures[1],
               figures[2], ratio, ratio <= test->bar ? "within" : "OVER", test->bar);
    }
    (void)fflush(stdout);
}

static bool case_run(const adaptive_case *test, const bench_options *options)
{
    static lane lanes[LANES]; /* large, and one case runs at a time */
    bool agree;
    memset(lanes, 0, sizeof lanes);
    bench_need(pipe(pipe_ends) == 0, "pipe");
    lanes_open(lanes, test, options->size);
    lanes_prepare(lanes, test, options);
    lanes_measure(lanes, options);
    agree = lanes_agree(test, lanes);
    case_print(test, lanes, options);
#if !defined(ECS_NO_EXPLAIN) && !defined(ECS_NO_ADAPTIVE)
    if (options->scenario != NULL && !options->plain && !options->csv) {
        static char text[EXPLAIN_BYTES];
        (void)ecs_explain_adaptive(lanes[2].world, text, sizeof text);
        printf("%s", text);
    }
#endif
    for (uint32_t i = 0; i < LANES; i++) ecs_world_destroy(lanes[i].world);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    return agree;
}

/* In a process of its own, so that no heap and no thread is left over from the one before. */
static bool case_run_apart(const adaptive_case *test, const bench_options *options)
{
    int status = 0;
    pid_t child;
    (void)fflush(stdout);
    child = fork();
    bench_need(child >= 0, "fork");
    if (child == 0) exit(case_run(test, options) ? 0 : 1);
    bench_need(waitpid(child, &status, 0) == child, "waitpid");
    if (status == 0) return true;
    fprintf(stderr, "bench_adaptive: %s failed\n", test->name);
    return false;
}

/* Takes --workers N out; the rest is for bench.h. */
static bool parse(bench_options *options, int argc, char **argv)
{
    uint32_t workers = 0;
    int left = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--workers") == 0) {
            if (++i >= argc) return false;
            workers = (uint32_t)strtoul(argv[i], NULL, 10);
        } else {
            argv[left++] = argv[i];
        }
    }
    if (!bench_parse(options, left, argv)) return false;
    if (workers > 0) options->size = workers;
    return options->size <= ECS_WORKERS_MAX;
}

int main(int argc, char **argv)
{
    bench_options options = {0};
    bool found = false;
    bool ok = true;
    if (!parse(&options, argc, argv)) {
        fprintf(stderr, "usage: %s [--scenario NAME] [--workers N] [--rounds N] [--quick]"
                        " [--csv | --plain] [--list]\n", argv[0]);
        return 2;
    }
    if (options.csv) {
        printf("subject,unit,blocking,stealing,adaptive,ratio,bar\n");
    } else if (!options.plain && !options.list) {
        printf("%-8s %12s %12s %12s    %8s  %s\n", "subject", "blocking", "stealing", "adaptive",
               "by best", "bar");
    }
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const adaptive_case *test = &cases[i];
        if (options.scenario != NULL && strcmp(options.scenario, test->name) != 0) continue;
        found = true;
        if (options.list) printf("%-8s %s\n", test->name, test->text);
        else if (options.scenario != NULL) ok = case_run(test, &options);
        else ok = case_run_apart(test, &options) && ok;
    }
    if (!ok) return 1;
    if (found || options.plain) return 0;
    fprintf(stderr, "%s: no scenario %s\n", argv[0], options.scenario);
    return 2;
}
