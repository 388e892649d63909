/* The adaptive backend beside the fixed ones, over five workloads. All worlds of a case run in
 * turns in one process, and do the same ticks, so that at the end they must have one hash. The
 * limit is the best of the fixed ones.
 *
 *     bench_adaptive [options of bench.h] [--workers N]
 *
 * `--size N` is `--workers N`; default: one for each processor.
 *
 * I/O goes to a device that is not there: who asks it waits, and uses no processor meanwhile. A
 * request alone takes REQUEST_US. A batch takes BATCH_US, whatever is in it, and BATCHED_US for
 * each request. The lane `batched` shares work like `stealing`, and always makes batches; it runs
 * where a case has I/O. The others do not, but for the adaptive one when it has chosen to. */
#define ECS_IMPLEMENTATION
#include "bench.h"

#include <stdatomic.h>
#include <sys/select.h>

enum {
    LANES = 4,
    ADAPTIVE = LANES - 1,
    SYSTEMS_MAX = 16,
    NAME_BYTES = 16,
    REQUEST_US = 20,
    BATCH_US = 600,
    BATCHED_US = 2,
    PHASE_TICKS = 300,  /* of the workload that alternates */
    PHASES = 3,
    CYCLE_TICKS = PHASES * PHASE_TICKS,
    WARM_TICKS = 250,   /* two windows and more: the first choice is made */
    ROUND_NS = 1000000, /* at least: short, so that a slow phase of the machine meets all */
    ROUNDS_USUAL = 201,
    CYCLES_USUAL = 5,   /* rounds of the workload that alternates: each is seconds */
    EXPLAIN_BYTES = 8192
};

#define STEP_S 0.015625f

/* Of the workload that alternates: all tiny, heavy work, much I/O. */
typedef enum phase { PHASE_TINY, PHASE_WORK, PHASE_IO } phase;

/* What a system of a case does. */
typedef struct part {
    ecs_status (*run)(const ecs_view *view);
    uint32_t rows;
    bool unsplit;
    uint32_t requests; /* that it makes... */
    uint32_t quiet;    /* ...and outside of the phase of I/O */
} part;

typedef struct adaptive_case {
    const char *name;
    const char *text;
    double bar;       /* adaptive by the best fixed one, at most */
    bool alternates;
    bool io;
    uint32_t block_rows;
    part parts[SYSTEMS_MAX];
} adaptive_case;

/* Who asks for how much: the `user` of a system. */
typedef struct client {
    struct lane *lane;
    const part *part;
} client;

typedef struct lane {
    const adaptive_case *test;
    ecs_world *world;     /* NULL: this lane does not run in this case */
    bool batches;         /* always */
    atomic_uint asked;    /* requests of this tick */
    client clients[SYSTEMS_MAX];
    bench_side ticks;
} lane;

static const char *const lane_names[LANES] = {"blocking", "stealing", "batched", "adaptive"};
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

static phase phase_of(uint64_t tick)
{
    return (phase)(tick / PHASE_TICKS % PHASES);
}

/* All of its rows in one phase, one of 64 in the others. */
static ecs_status run_phases(const ecs_view *view)
{
    bool heavy = phase_of(view->tick) == PHASE_WORK;
    rows_chain((float *)view->columns[0], heavy ? view->count : (view->count + 63) / 64);
    return ECS_OK;
}

/* Nobody ever writes into this pipe. */
static ecs_status device_wait(uint32_t us)
{
    struct timeval wait = {0, (suseconds_t)us};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    return select(pipe_ends[0] + 1, &set, NULL, NULL, &wait) == 0 ? ECS_OK : ECS_INVALID;
}

/* How it waits is nothing but time: no result depends on the choice. */
static ecs_status run_io(const ecs_view *view)
{
    client *c = (client *)view->user;
    lane *l = c->lane;
    bool quiet = l->test->alternates && phase_of(view->tick) != PHASE_IO;
    uint32_t requests = quiet ? c->part->quiet : c->part->requests;
    if (requests == 0) return ECS_OK;
    (void)atomic_fetch_add_explicit(&l->asked, requests, memory_order_relaxed);
    if (l->batches || ecs_world_backend(view->world) == ECS_BACKEND_BATCHED_IO) {
        return device_wait(BATCH_US + requests * BATCHED_US);
    }
    return device_wait(requests * REQUEST_US);
}

/* What the device has been asked for, the adaptive backend is told after each tick. */
static uint32_t device_depth(const ecs_world *world, void *user)
{
    (void)world;
    return atomic_load_explicit(&((lane *)user)->asked, memory_order_relaxed);
}

/* ---- Cases ------------------------------------------------------------------------------ */

#define LIGHT(rows) {run_light, rows, false, 0, 0}
#define CHAIN(rows) {run_chain, rows, false, 0, 0}
#define WHOLE(rows) {run_chain, rows, true, 0, 0}
#define PHASED(rows) {run_phases, rows, false, 0, 0}
#define IO(requests, quiet) {run_io, 0, false, requests, quiet}

static const adaptive_case cases[] = {
    {"tiny", "ten systems of some hundred nanoseconds", 1.10, false, false, 4096,
     {LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000), LIGHT(1000),
      LIGHT(1000), LIGHT(1000), LIGHT(1000)}},
    {"wide", "one system of many row blocks", 1.10, false, false, 1024, {CHAIN(64 * 1024)}},
    {"skewed", "one large system in one piece, and small ones", 1.10, false, false, 1024,
     {WHOLE(20 * 1024), CHAIN(12 * 1024), CHAIN(6 * 1024), CHAIN(1024), CHAIN(1024)}},
    {"io", "four systems of 64 requests each", 1.10, false, true, 4096,
     {IO(64, 0), IO(64, 0), IO(64, 0), IO(64, 0)}},
    {"phases", "300 ticks each of little, of work, and of I/O, in turns", 1.00, true, true, 1024,
     {PHASED(16384), PHASED(16384), PHASED(16384), PHASED(16384), IO(64, 2), IO(64, 0), IO(64, 0),
      IO(64, 0)}},
};

static void build(lane *l)
{
    const adaptive_case *test = l->test;
    ecs_world *world = l->world;
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
        desc.io_intents = p->requests;
        desc.user = &l->clients[i];
        l->clients[i].lane = l;
        l->clients[i].part = p;
        bench_ok(ecs_system_add_desc(world, &desc), "ecs_system_add_desc");
    }
}

/* ---- Measuring -------------------------------------------------------------------------- */

static double ticks_pass(void *state, uint64_t repeats)
{
    lane *l = (lane *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        atomic_store_explicit(&l->asked, 0, memory_order_relaxed);
        bench_ok(ecs_tick(l->world, STEP_S), "ecs_tick");
    }
    return bench_since(start);
}

static void lanes_open(lane *lanes, const adaptive_case *test, uint32_t workers)
{
    static const ecs_backend backends[LANES] = {
        ECS_BACKEND_BLOCKING, ECS_BACKEND_WORK_STEALING, ECS_BACKEND_WORK_STEALING,
        ECS_BACKEND_ADAPTIVE};
    for (uint32_t i = 0; i < LANES; i++) {
        ecs_world_desc desc = {0};
        lane *l = &lanes[i];
        l->test = test;
        l->batches = i == 2;
        l->ticks.pass = ticks_pass;
        if (l->batches && !test->io) continue;
        desc.backend = backends[i];
        desc.workers = workers;
        desc.row_block_rows = test->block_rows;
        if (test->io) desc.io_pending = device_depth;
        desc.io_user = l;
        l->world = ecs_world_create(&desc);
        bench_need(l->world != NULL, "ecs_world_create");
        build(l);
    }
}

/* How often each round ticks, found out on the blocking world; then all are as far as that. */
static void lanes_prepare(lane *lanes, const adaptive_case *test, const bench_options *options)
{
    double enough_ns = options->quick ? ROUND_NS / 10 : ROUND_NS;
    uint64_t repeats = CYCLE_TICKS;
    uint64_t most;
    if (!test->alternates) {
        repeats = 1;
        while (repeats < 1u << 16 && ticks_pass(&lanes[0], repeats) < enough_ns) repeats *= 2;
    }
    most = ecs_world_tick(lanes[0].world) + (test->alternates ? CYCLE_TICKS : WARM_TICKS);
    for (uint32_t i = 0; i < LANES; i++) {
        lane *l = &lanes[i];
        if (l->world == NULL) continue;
        (void)ticks_pass(l, most - ecs_world_tick(l->world));
        l->ticks.repeats = repeats;
    }
}

/* All in turns; another one is the first in each round. */
static void lanes_measure(lane *lanes, const bench_options *options)
{
    uint32_t rounds = lanes[0].test->alternates ? CYCLES_USUAL : ROUNDS_USUAL;
    if (options->quick) rounds = lanes[0].test->alternates ? 1 : 3;
    if (options->rounds > 0) rounds = options->rounds;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t turn = 0; turn < LANES; turn++) {
            lane *next = &lanes[(turn + round) % LANES];
            if (next->world == NULL) continue;
            (void)bench_round(&next->ticks, next, 1, BENCH_REPEAT);
        }
    }
}

/* The median of the rounds' ratios, for both sides of one were measured at about the same time.
 * Before the samples are sorted. */
static double lanes_ratio(const lane *subject, const lane *limit)
{
    static bench_side ratios; /* large */
    ratios.count = subject->ticks.count;
    bench_need(limit->ticks.count == ratios.count, "as many rounds for all");
    for (uint32_t i = 0; i < ratios.count; i++) {
        ratios.samples[i] = subject->ticks.samples[i] / limit->ticks.samples[i];
    }
    return bench_median(&ratios);
}

/* Same ticks, same world: whatever ran it. */
static bool lanes_agree(const adaptive_case *test, const lane *lanes)
{
    bool agree = true;
#ifndef ECS_NO_HASH
    uint64_t want = ecs_world_hash(lanes[0].world);
    for (uint32_t i = 1; i < LANES; i++) {
        uint64_t hash = lanes[i].world != NULL ? ecs_world_hash(lanes[i].world) : want;
        if (hash == want) continue;
        fprintf(stderr, "bench_adaptive: %s: %s has hash %016" PRIx64 ", blocking %016" PRIx64
                        "\n", test->name, lane_names[i], hash, want);
        agree = false;
    }
#endif
    return agree;
}

/* ---- Output ----------------------------------------------------------------------------- */

static void case_print(const adaptive_case *test, lane *lanes, const bench_options *options)
{
    char figures[LANES][BENCH_LINE_BYTES];
    double ratio = 0; /* the largest: to the best of the fixed ones */
    for (uint32_t i = 0; i < ADAPTIVE; i++) {
        double one = lanes[i].world != NULL ? lanes_ratio(&lanes[ADAPTIVE], &lanes[i]) : 0;
        if (one > ratio) ratio = one;
    }
    for (uint32_t i = 0; i < LANES; i++) {
        (void)snprintf(figures[i], BENCH_LINE_BYTES, options->csv ? "" : "-");
        if (lanes[i].world != NULL) bench_figure(figures[i], bench_median(&lanes[i].ticks));
    }
    if (options->plain) {
        printf("%s 0 %s\n", test->name, figures[ADAPTIVE]);
    } else if (options->csv) {
        printf("%s,ns,%s,%s,%s,%s,%.3f,%.2f\n", test->name, figures[0], figures[1], figures[2],
               figures[3], ratio, test->bar);
    } else {
        printf("%-8s %12s %12s %12s %12s ns %8.3f  %s %.2f\n", test->name, figures[0], figures[1],
               figures[2], figures[3], ratio, ratio <= test->bar ? "within" : "OVER", test->bar);
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
        (void)ecs_explain_adaptive(lanes[ADAPTIVE].world, text, sizeof text);
        printf("%s", text);
    }
#endif
    for (uint32_t i = 0; i < LANES; i++) ecs_world_destroy(lanes[i].world); /* NULL is fine */
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
        printf("subject,unit,blocking,stealing,batched,adaptive,ratio,bar\n");
    } else if (!options.plain && !options.list) {
        printf("%-8s %12s %12s %12s %12s    %8s  %s\n", "subject", lane_names[0], lane_names[1],
               lane_names[2], lane_names[3], "by best", "bar");
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
