/* Ticks on several workers: the work-stealing backend beside the blocking one, and beside plain
 * threads over the same arrays where that makes sense. All sides of a case run in turns in one
 * process, and do the same ticks, so that at the end all worlds must have one hash.
 *
 *     bench_parallel [options of bench.h] [--workers LIST]
 *
 * LIST: numbers with commas; default: 1, 2, 4, ... and all processors. `--size N` is
 * `--workers N`. Row `workers` 0 is the blocking backend. */
#define ECS_IMPLEMENTATION
#include "bench.h"

#include <pthread.h>
#include <sched.h>

enum {
    COUNTS_MAX = 16,    /* numbers of workers */
    LANES_MAX = 1 + COUNTS_MAX,
    SYSTEMS_MAX = 100,
    SPANS_MAX = 4096,
    TEAM_MAX = 256,
    PARTS_OF_WORK = 4,  /* systems that share the work of work5 to work200 */
    NAME_BYTES = 16,
    TICKS_WARM = 4,     /* one in so many of a round, before it, not timed */
    ROUNDS_FEW = 5,
    ROUNDS_USUAL = 25
};

#define STEP_S 0.015625f

typedef struct { float x, y; } From;
typedef struct { float x, y; } To;
typedef struct { float x, y; } Place;
typedef struct { float x, y; } Speed;
typedef struct { uint32_t ticks; } Age;
typedef struct { float degrees; } Heat;
typedef struct { uint32_t number; } Brief;
typedef struct { uint32_t number; } Lasting;
ECS_COMPONENT(From, x, y);
ECS_COMPONENT(To, x, y);
ECS_COMPONENT(Place, x, y);
ECS_COMPONENT(Speed, x, y);
ECS_COMPONENT(Age, ticks);
ECS_COMPONENT(Heat, degrees);
ECS_COMPONENT(Brief, number);
ECS_COMPONENT(Lasting, number);

typedef struct parallel_case {
    const char *name;
    const char *text;
    void (*build)(ecs_world *world, uint32_t systems, uint32_t rows);
    uint32_t systems;
    uint32_t rows;         /* of each system, or of all */
    uint32_t work_us;      /* not 0: rows are so many that a tick takes that long */
    bool raw;              /* the limit is plain threads, else the blocking backend */
    double bar;            /* ratio at most; 0: there is none */
    uint32_t bar_workers;  /* 0: for any number that the machine has processors for */
} parallel_case;

typedef struct span {
    To *to;
    const From *from;
    uint32_t count;
} span;

/* Plain threads. They spin on `go` during a round and sleep between two. */
typedef struct team {
    _Alignas(128) uint32_t go;
    _Alignas(128) uint32_t done;
    _Alignas(128) pthread_mutex_t lock;
    pthread_cond_t wake;
    uint32_t workers;
    uint32_t rows;
    uint32_t span_count;
    bool awake, quit;
    pthread_t threads[TEAM_MAX];
    span spans[SPANS_MAX];
} team;

/* A world with so many workers; 0: blocking. And the threads that do the same. */
typedef struct lane {
    uint32_t workers;
    ecs_world *world;
    team *team;
    bench_side ticks, raw;
} lane;

static char names[SYSTEMS_MAX][NAME_BYTES];

/* ---- Systems with a component each ------------------------------------------------------ */

BENCH_NOINLINE static void rows_light(float *v, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) v[i] = v[i] * 0.75f + 1.0f;
}

/* A third of a nanosecond a row, where a processor does sixteen at once. */
BENCH_NOINLINE static void rows_middle(float *v, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float x = v[i];
        for (uint32_t k = 0; k < 8; k++) x = x * 0.75f + 1.0f;
        v[i] = x;
    }
}

/* Dependent steps, for work that is not bound by memory. */
BENCH_NOINLINE static void rows_chain(float *v, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float x = v[i];
        for (uint32_t k = 0; k < 32; k++) x = x * 0.75f + 1.0f;
        v[i] = x;
    }
}

static ecs_status run_empty(const ecs_view *view)
{
    bench_keep(view->count);
    return ECS_OK;
}

static ecs_status run_light(const ecs_view *view)
{
    rows_light((float *)view->columns[0], view->count);
    return ECS_OK;
}

static ecs_status run_middle(const ecs_view *view)
{
    rows_middle((float *)view->columns[0], view->count);
    return ECS_OK;
}

static ecs_status run_chain(const ecs_view *view)
{
    rows_chain((float *)view->columns[0], view->count);
    return ECS_OK;
}

static void build_own(ecs_world *world, uint32_t systems, uint32_t rows,
                      ecs_status (*run)(const ecs_view *view))
{
    bench_need(systems <= SYSTEMS_MAX, "at most SYSTEMS_MAX systems");
    for (uint32_t i = 0; i < systems; i++) {
        ecs_type type = {0};
        ecs_term term = {0};
        ecs_system system = {0};
        (void)snprintf(names[i], NAME_BYTES, "own_%" PRIu32, i);
        type.name = names[i];
        type.bytes = sizeof(float);
        type.align = (uint32_t)_Alignof(float);
        bench_ok(ecs_component_define(world, &type, &term.component), "define");
        for (uint32_t r = 0; r < rows; r++) {
            bench_ok(ecs_add_id(world, ecs_spawn(world), term.component), "add");
        }
        term.access = run == run_empty ? ECS_ACCESS_READ : ECS_ACCESS_WRITE;
        system.name = names[i];
        system.terms = &term;
        system.term_count = 1;
        system.run = run;
        bench_ok(ecs_system_add(world, &system, ECS_UPDATE), "ecs_system_add");
    }
}

static void build_empty(ecs_world *world, uint32_t systems, uint32_t rows)
{
    build_own(world, systems, rows, run_empty);
}

static void build_light(ecs_world *world, uint32_t systems, uint32_t rows)
{
    build_own(world, systems, rows, run_light);
}

static void build_middle(ecs_world *world, uint32_t systems, uint32_t rows)
{
    build_own(world, systems, rows, run_middle);
}

static void build_chain(ecs_world *world, uint32_t systems, uint32_t rows)
{
    build_own(world, systems, rows, run_chain);
}

/* What a row of run_chain takes here: the fastest of some. */
static double chain_ns(void)
{
    enum { ROWS = 256, TRIES = 200 };
    static float v[ROWS];
    double best_ns = 1e9;
    for (uint32_t i = 0; i < TRIES; i++) {
        uint64_t start = bench_now_ns();
        rows_chain(v, ROWS);
        double elapsed = bench_since(start) / ROWS;
        if (elapsed < best_ns) best_ns = elapsed;
    }
    return best_ns;
}

/* ---- One heavy system ------------------------------------------------------------------- */

/* 50 operations a row, 25 for each of its two numbers. The same on each call, so that it does
 * not matter who has done it how often. */
BENCH_NOINLINE static void rows_heavy(To *restrict to, const From *restrict from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float x = from[i].x;
        float y = from[i].y;
        for (uint32_t k = 0; k < 12; k++) {
            x = x * 0.75f + 0.5f;
            y = y * 0.5f + 0.25f;
        }
        to[i].x = x * 2.0f;
        to[i].y = y * 2.0f;
    }
}

ECS_SYSTEM(heavy, WRITE(To), READ(From))
{
    rows_heavy(ecs_write(view, To), ecs_read(view, From), view->count);
    return ECS_OK;
}

ECS_QUERY(pairs, READ(To), READ(From));

static void build_heavy(ecs_world *world, uint32_t systems, uint32_t rows)
{
    bench_need(systems == 1, "one system");
    for (uint32_t i = 0; i < rows; i++) {
        (void)ecs_spawn_with(world, (To, {0, 0}), (From, {(float)(i % 1024), (float)(i % 512)}));
    }
    bench_ok(ecs_system_add(world, &heavy, ECS_UPDATE), "add heavy");
}

/* ---- A frame of several kinds of work --------------------------------------------------- */

static uint32_t chance(const ecs_world *world, uint64_t tick, ecs_entity entity, uint64_t stream)
{
    return (uint32_t)(ecs_random_u64(ecs_world_seed(world), tick, entity, stream) >> 32);
}

ECS_SYSTEM(move_all, WRITE(Place), READ(Speed))
{
    Place *place = ecs_write(view, Place);
    const Speed *speed = ecs_read(view, Speed);
    for (uint32_t i = 0; i < view->count; i++) {
        place[i].x += speed[i].x * view->dt;
        place[i].y += speed[i].y * view->dt;
    }
    return ECS_OK;
}

ECS_SYSTEM(steer, READ(Place), WRITE(Speed))
{
    const Place *place = ecs_read(view, Place);
    Speed *speed = ecs_write(view, Speed);
    for (uint32_t i = 0; i < view->count; i++) {
        speed[i].x += place[i].x > 0 ? -0.5f : 0.5f;
        speed[i].y += place[i].y > 0 ? -0.5f : 0.5f;
    }
    return ECS_OK;
}

ECS_SYSTEM(cool, WRITE(Heat))
{
    Heat *heat = ecs_write(view, Heat);
    for (uint32_t i = 0; i < view->count; i++) heat[i].degrees *= 0.875f;
    return ECS_OK;
}

ECS_SYSTEM(burn, READ(Speed), WRITE(Heat))
{
    const Speed *speed = ecs_read(view, Speed);
    Heat *heat = ecs_write(view, Heat);
    for (uint32_t i = 0; i < view->count; i++) {
        heat[i].degrees += speed[i].x * speed[i].x + speed[i].y * speed[i].y;
    }
    return ECS_OK;
}

/* One in a hundred ends, and another begins. */
ECS_SYSTEM(grow_old, WRITE(Age))
{
    Age *age = ecs_write(view, Age);
    for (uint32_t i = 0; i < view->count; i++) {
        age[i].ticks++;
        if (chance(view->world, view->tick, view->entities[i], 1) % 100 != 0) continue;
        (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
        (void)ecs_cmd_spawn_with(view->cmd, (Place, {0, 0}), (Speed, {1, -1}), (Age, {0}));
    }
    return ECS_OK;
}

ECS_SYSTEM(quench, READ(Heat))
{
    for (uint32_t i = 0; i < view->count; i++) {
        if (chance(view->world, view->tick, view->entities[i], 2) % 64 != 0) continue;
        (void)ecs_cmd_remove(view->cmd, view->entities[i], Heat);
    }
    return ECS_OK;
}

ECS_SYSTEM(ignite, READ(Place), NOT(Heat))
{
    const Place *place = ecs_read(view, Place);
    for (uint32_t i = 0; i < view->count; i++) {
        if (chance(view->world, view->tick, view->entities[i], 3) % 64 != 0) continue;
        (void)ecs_cmd_set(view->cmd, view->entities[i], Heat, {place[i].x});
    }
    return ECS_OK;
}

static void build_mixed(ecs_world *world, uint32_t systems, uint32_t rows)
{
    const ecs_system *const all[] = {&move_all, &steer, &cool,  &burn,
                                     &grow_old, &quench, &ignite};
    for (uint32_t i = 0; i < rows; i++) {
        Speed speed = {(float)(i % 5) - 2.0f, (float)(i % 7) - 3.0f};
        if (i % 2 == 0) (void)ecs_spawn_with(world, (Place, {0, 0}), (Speed, speed), (Age, {0}));
        else (void)ecs_spawn_with(world, (Place, {0, 0}), (Speed, speed), (Age, {0}), (Heat, {1}));
    }
    bench_need(systems == sizeof all / sizeof all[0], "as many systems as there are");
    for (uint32_t i = 0; i < systems; i++) {
        bench_ok(ecs_system_add(world, all[i], ECS_UPDATE), "ecs_system_add");
    }
}

/* ---- Mostly flush ----------------------------------------------------------------------- */

/* Each one is replaced. */
ECS_SYSTEM(respawn, READ(Brief))
{
    const Brief *brief = ecs_read(view, Brief);
    for (uint32_t i = 0; i < view->count; i++) {
        (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
        (void)ecs_cmd_spawn_with(view->cmd, (Brief, {brief[i].number + 1}));
    }
    return ECS_OK;
}

ECS_SYSTEM(set_all, READ(Lasting))
{
    const Lasting *lasting = ecs_read(view, Lasting);
    for (uint32_t i = 0; i < view->count; i++) {
        (void)ecs_cmd_set(view->cmd, view->entities[i], Lasting, {lasting[i].number + 1});
    }
    return ECS_OK;
}

static void build_flush(ecs_world *world, uint32_t systems, uint32_t rows)
{
    bench_need(systems == 2, "two systems");
    for (uint32_t i = 0; i < rows; i++) {
        (void)ecs_spawn_with(world, (Brief, {i}));
        (void)ecs_spawn_with(world, (Lasting, {i}));
    }
    bench_ok(ecs_system_add(world, &respawn, ECS_UPDATE), "add respawn");
    bench_ok(ecs_system_add(world, &set_all, ECS_UPDATE), "add set_all");
}

/* ---- Plain threads ---------------------------------------------------------------------- */

/* Where the world keeps its rows: the same arrays, so that the same pages and lines. */
static void team_spans(team *t, ecs_world *world)
{
    ECS_EACH(world, pairs, view) {
        span *last = t->span_count > 0 ? &t->spans[t->span_count - 1] : NULL;
        const To *to = ecs_read(view, To);
        const From *from = ecs_read(view, From);
        t->rows += view->count;
        if (last != NULL && last->to + last->count == to && last->from + last->count == from) {
            last->count += view->count;
            continue;
        }
        bench_need(t->span_count < SPANS_MAX, "at most SPANS_MAX spans");
        t->spans[t->span_count++] = (span){(To *)(uintptr_t)to, from, view->count};
    }
}

static void team_part(const team *t, uint32_t k)
{
    uint32_t first = (uint32_t)((uint64_t)t->rows * k / t->workers);
    uint32_t end = (uint32_t)((uint64_t)t->rows * (k + 1) / t->workers);
    uint32_t base = 0;
    for (uint32_t i = 0; i < t->span_count && base < end; i++) {
        const span *s = &t->spans[i];
        uint32_t from = first > base ? first - base : 0;
        uint32_t to = end - base < s->count ? end - base : s->count;
        if (from < to) rows_heavy(s->to + from, s->from + from, to - from);
        base += s->count;
    }
}

/* Spins; yields now and then, for there may be more threads than processors. */
static void team_await(const uint32_t *word, uint32_t value, bool until)
{
    for (uint32_t i = 1;; i++) {
        if ((__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) == until) return;
        if (i % 4096 == 0) (void)sched_yield();
        ecsi_pause();
    }
}

typedef struct member {
    team *team;
    uint32_t index;
} member;

static void *team_thread(void *data)
{
    member me = *(member *)data;
    team *t = me.team;
    uint32_t seen = 0;
    free(data);
    for (;;) {
        (void)pthread_mutex_lock(&t->lock);
        while (!t->awake && !t->quit) (void)pthread_cond_wait(&t->wake, &t->lock);
        (void)pthread_mutex_unlock(&t->lock);
        if (t->quit) return NULL;
        for (;;) {
            team_await(&t->go, seen++, false);
            if (t->awake) team_part(t, me.index);
            /* Once it counts itself, another run may begin. */
            bool more = t->awake;
            (void)__atomic_fetch_add(&t->done, 1, __ATOMIC_ACQ_REL);
            if (!more) break;
        }
    }
}

static void team_wake(team *t, bool awake, bool quit)
{
    (void)pthread_mutex_lock(&t->lock);
    t->awake = awake;
    t->quit = quit;
    (void)pthread_cond_broadcast(&t->wake);
    (void)pthread_mutex_unlock(&t->lock);
}

static void team_run(team *t)
{
    __atomic_store_n(&t->done, 0, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&t->go, 1, __ATOMIC_ACQ_REL);
    if (t->awake) team_part(t, 0);
    team_await(&t->done, t->workers - 1, true);
}

static team *team_new(ecs_world *world, uint32_t workers)
{
    team *t = (team *)bench_array(1, sizeof *t);
    t->workers = workers;
    team_spans(t, world);
    bench_need(pthread_mutex_init(&t->lock, NULL) == 0, "pthread_mutex_init");
    bench_need(pthread_cond_init(&t->wake, NULL) == 0, "pthread_cond_init");
    for (uint32_t i = 1; i < workers; i++) {
        member *next = (member *)malloc(sizeof *next);
        bench_need(next != NULL, "malloc");
        *next = (member){t, i};
        bench_need(pthread_create(&t->threads[i], NULL, team_thread, next) == 0, "thread");
    }
    return t;
}

static void team_free(team *t)
{
    if (t == NULL) return;
    team_wake(t, false, true);
    for (uint32_t i = 1; i < t->workers; i++) (void)pthread_join(t->threads[i], NULL);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

static double raw_pass(void *state, uint64_t repeats)
{
    team *t = ((lane *)state)->team;
    double elapsed_ns;
    uint64_t start;
    team_wake(t, true, false);
    for (uint64_t r = 0; r < repeats / TICKS_WARM + 1; r++) team_run(t);
    start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) team_run(t);
    elapsed_ns = bench_since(start);
    team_wake(t, false, false);
    team_run(t); /* they see that they may sleep */
    return elapsed_ns;
}

/* ---- Lanes ------------------------------------------------------------------------------ */

static double ticks_pass(void *state, uint64_t repeats)
{
    ecs_world *world = ((lane *)state)->world;
    uint64_t start;
    for (uint64_t r = 0; r < repeats / TICKS_WARM + 1; r++) {
        bench_ok(ecs_tick(world, STEP_S), "ecs_tick");
    }
    start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_tick(world, STEP_S), "ecs_tick");
    return bench_since(start);
}

static void lane_open(lane *l, const parallel_case *test, uint32_t workers, uint32_t rows)
{
    ecs_world_desc desc = {0};
    desc.backend = workers > 0 ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING;
    desc.workers = workers;
    l->workers = workers;
    l->world = ecs_world_create(&desc);
    bench_need(l->world != NULL, "ecs_world_create");
    test->build(l->world, test->systems, rows);
    l->ticks.pass = ticks_pass;
    if (!test->raw || workers == 0) return;
    l->team = team_new(l->world, workers);
    l->raw.pass = raw_pass;
}

static void lane_close(lane *l)
{
    team_free(l->team);
    ecs_world_destroy(l->world);
}

/* How often each round ticks, found out on the blocking world; then all are as far as that. */
static uint64_t lanes_prepare(lane *lanes, uint32_t lane_count, const bench_options *options)
{
    double enough_ns = options->quick ? 2e5 : 4e6;
    uint64_t repeats = 1;
    while (repeats < 1u << 20 && ticks_pass(&lanes[0], repeats) < enough_ns) repeats *= 2;
    for (uint32_t i = 1; i < lane_count; i++) {
        while (ecs_world_tick(lanes[i].world) < ecs_world_tick(lanes[0].world)) {
            bench_ok(ecs_tick(lanes[i].world, STEP_S), "ecs_tick");
        }
    }
    for (uint32_t i = 0; i < lane_count; i++) {
        lanes[i].ticks.repeats = repeats;
        lanes[i].raw.repeats = repeats;
    }
    return repeats;
}

/* All in turns; another one is the first in each round. */
static void lanes_measure(lane *lanes, uint32_t lane_count, const bench_options *options)
{
    double budget_ns = options->quick ? 1e8 : 6e9;
    uint64_t start = bench_now_ns();
    uint32_t few = options->quick ? 3 : ROUNDS_FEW;
    uint32_t rounds = options->rounds > 0 ? options->rounds : options->quick ? 3 : ROUNDS_USUAL;
    for (uint32_t round = 0; round < rounds; round++) {
        if (options->rounds == 0 && round >= few && bench_since(start) > budget_ns) break;
        for (uint32_t turn = 0; turn < lane_count; turn++) {
            lane *next = &lanes[(turn + round) % lane_count];
            (void)bench_round(&next->ticks, next, 1, BENCH_REPEAT);
            if (next->team != NULL) (void)bench_round(&next->raw, next, 1, BENCH_REPEAT);
        }
    }
}

/* Same ticks, same world: whatever the number of workers. */
static bool lanes_agree(const parallel_case *test, lane *lanes, uint32_t lane_count)
{
    bool agree = true;
#ifndef ECS_NO_HASH
    uint64_t want = ecs_world_hash(lanes[0].world);
    for (uint32_t i = 0; i < lane_count; i++) {
        uint64_t hash = ecs_world_hash(lanes[i].world);
        bench_need(ecs_world_stats(lanes[i].world).commands_refused == 0, "commands refused");
        if (hash == want) continue;
        fprintf(stderr, "bench_parallel: %s: %" PRIu32 " workers: hash %016" PRIx64
                        ", blocking %016" PRIx64 "\n",
                test->name, lanes[i].workers, hash, want);
        agree = false;
    }
#endif
    return agree;
}

/* ---- Output ----------------------------------------------------------------------------- */

static uint32_t processors(void)
{
    uint64_t mask[ECSI_CPU_WORDS];
    return ecsi_cpu_mask(mask);
}

static void ratio_text(char line[BENCH_LINE_BYTES], double value)
{
    (void)snprintf(line, BENCH_LINE_BYTES, value > 0 ? "%.2f" : "-", value);
}

static const char *bar_text(char line[BENCH_LINE_BYTES], const parallel_case *test,
                            const lane *l, double ratio)
{
    line[0] = 0;
    if (test->bar <= 0 || ratio <= 0 || l->workers > processors()) return line;
    if (test->bar_workers != 0 && test->bar_workers != l->workers) return line;
    (void)snprintf(line, BENCH_LINE_BYTES, "%s %.2f", ratio <= test->bar ? "within" : "OVER",
                   test->bar);
    return line;
}

static void lane_print(const parallel_case *test, lane *l, double blocking_ns,
                       const bench_options *options)
{
    char value[BENCH_LINE_BYTES], limit[BENCH_LINE_BYTES] = "-", ratio[BENCH_LINE_BYTES];
    char gain[BENCH_LINE_BYTES], bar[BENCH_LINE_BYTES];
    double ns = bench_median(&l->ticks);
    double limit_ns = l->workers == 0 ? 0 : test->raw ? bench_median(&l->raw) : blocking_ns;
    bench_figure(value, ns);
    if (limit_ns > 0) bench_figure(limit, limit_ns);
    ratio_text(ratio, limit_ns > 0 ? ns / limit_ns : 0);
    ratio_text(gain, blocking_ns / ns);
    bar_text(bar, test, l, limit_ns > 0 ? ns / limit_ns : 0);
    if (options->plain) {
        printf("%s %" PRIu32 " %s\n", test->name, l->workers, value);
    } else if (options->csv) {
        printf("%s,%" PRIu32 ",ns,%s,%s,%s,%s,%s\n", test->name, l->workers, value, limit, ratio,
               gain, bar);
    } else {
        printf("%-16s %7" PRIu32 " %12s ns %12s %8s %8s  %s\n", test->name, l->workers, value,
               limit, ratio, gain, bar);
    }
    (void)fflush(stdout);
}

/* ---- Running ---------------------------------------------------------------------------- */

static uint32_t counts[COUNTS_MAX];
static uint32_t count_count;

static bool case_run(const parallel_case *test, const bench_options *options)
{
    static lane lanes[LANES_MAX]; /* large, and one case runs at a time */
    uint32_t rows = options->quick && test->rows >= 10000 ? test->rows / 10 : test->rows;
    double blocking_ns;
    bool agree;
    memset(lanes, 0, sizeof lanes);
    if (test->work_us > 0) {
        rows = (uint32_t)(test->work_us * 1000.0 / PARTS_OF_WORK / chain_ns()) + 1;
    }
    lane_open(&lanes[0], test, 0, rows);
    for (uint32_t i = 0; i < count_count; i++) lane_open(&lanes[i + 1], test, counts[i], rows);
    (void)lanes_prepare(lanes, count_count + 1, options);
    lanes_measure(lanes, count_count + 1, options);
    agree = lanes_agree(test, lanes, count_count + 1);
    blocking_ns = bench_median(&lanes[0].ticks);
    for (uint32_t i = 0; i <= count_count; i++) {
        lane_print(test, &lanes[i], blocking_ns, options);
        lane_close(&lanes[i]);
    }
    return agree;
}

/* In a process of its own, so that no heap and no thread is left over from the one before. */
static bool case_run_apart(const parallel_case *test, const bench_options *options)
{
    int status = 0;
    pid_t child;
    (void)fflush(stdout);
    child = fork();
    bench_need(child >= 0, "fork");
    if (child == 0) exit(case_run(test, options) ? 0 : 1);
    bench_need(waitpid(child, &status, 0) == child, "waitpid");
    if (status == 0) return true;
    fprintf(stderr, "bench_parallel: %s failed\n", test->name);
    return false;
}

#define CASE(n, text, build, systems, rows) {n, text, build, systems, rows, 0, false, 0, 0}
#define WORK(n, us) \
    {n, "blocking; four systems share the work", build_chain, PARTS_OF_WORK, 0, us, false, 1.15, 0}

static const parallel_case cases[] = {
    {"empty100", "blocking", build_empty, 100, 1, 0, false, 1.2, 2},
    CASE("small20", "blocking", build_light, 20, 1000),
    {"heavy", "plain threads, as many, over the same arrays", build_heavy, 1, 1000000, 0, true,
     1 / 0.95, 0},
    CASE("independent8", "blocking", build_middle, 8, 100000),
    CASE("mixed7", "blocking", build_mixed, 7, 50000),
    CASE("flush", "blocking", build_flush, 2, 100000),
    WORK("work5", 5),
    WORK("work20", 20),
    WORK("work50", 50),
    WORK("work100", 100),
    WORK("work200", 200),
};

static bool add_count(unsigned long count)
{
    if (count == 0 || count > TEAM_MAX || count_count >= COUNTS_MAX) return false;
    counts[count_count++] = (uint32_t)count;
    return true;
}

static bool parse_counts(const char *list)
{
    for (;;) {
        char *end = NULL;
        if (!add_count(strtoul(list, &end, 10))) return false;
        if (*end == 0) return true;
        if (*end != ',') return false;
        list = end + 1;
    }
}

/* Takes --workers LIST out; the rest is for bench.h. */
static bool parse(bench_options *options, int argc, char **argv)
{
    int left = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--workers") == 0) {
            if (++i >= argc || !parse_counts(argv[i])) return false;
        } else {
            argv[left++] = argv[i];
        }
    }
    if (!bench_parse(options, left, argv)) return false;
    if (count_count > 0) return true;
    if (options->size > 0) return add_count(options->size);
    for (uint32_t i = 1; i < processors(); i *= 2) (void)add_count(i);
    return add_count(processors() < TEAM_MAX ? processors() : TEAM_MAX);
}

int main(int argc, char **argv)
{
    bench_options options = {0};
    bool found = false;
    bool ok = true;
    if (!parse(&options, argc, argv)) {
        fprintf(stderr, "usage: %s [--scenario NAME] [--workers LIST] [--rounds N] [--quick]"
                        " [--csv | --plain] [--list]\n", argv[0]);
        return 2;
    }
    if (options.csv) {
        printf("subject,size,unit,value,limit,ratio,speed_up,bar\n");
    } else if (!options.plain && !options.list) {
        printf("%-16s %7s %12s    %12s %8s %8s  %s\n", "subject", "workers", "per tick", "limit",
               "ratio", "speed-up", "bar");
    }
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const parallel_case *test = &cases[i];
        if (options.scenario != NULL && strcmp(options.scenario, test->name) != 0) continue;
        found = true;
        if (options.list) printf("%-16s limit: %s\n", test->name, test->text);
        else if (options.scenario != NULL) ok = case_run(test, &options);
        else ok = case_run_apart(test, &options) && ok;
    }
    if (!ok) return 1;
    if (found || options.plain) return 0;
    fprintf(stderr, "%s: no scenario %s\n", argv[0], options.scenario);
    return 2;
}
