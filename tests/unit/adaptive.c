/* adaptive.c: what the adaptive backend chooses, and that no choice changes a result. The first
 * part scripts samples; the second one scripts what systems cost, by a clock of each thread that
 * only they move on. No case depends on how fast the machine is. */

#define ECS_IMPLEMENTATION

/* Before ecs.h sees the clock. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1
#endif
#include <stdint.h>

/* What this thread's systems said that they took. */
static __thread uint64_t script_ns;
static __thread uint32_t script_looks;

static inline uint64_t script_clock(void)
{
    script_looks++;
    return script_ns;
}

#define ECSI_COST_CLOCK script_clock
#include "../test.h"

#ifndef ECS_NO_THREADS
#include <pthread.h>
enum { THREADS = 1 };
#else
enum { THREADS = 0 }; /* everything is blocking then, but for I/O in batches */
#endif

#define CHECK_NEAR(a, b, most) CHECK((a) - (b) <= (most) && (b) - (a) <= (most))

/* ---- Scripted samples ------------------------------------------------------------------------ */

static ecsi_adaptive made;

static ecsi_adaptive *adaptive_of(const ecs_adaptive_desc *from, uint32_t workers)
{
    ecs_adaptive_desc rules;
    memset(&rules, 0, sizeof rules);
    if (from != NULL) rules = *from;
    REQUIRE(ecsi_adaptive_resolve(&rules, 0));
    ecsi_adaptive_init(&made, &rules, workers);
    return &made;
}

/* A tick of one worker, of which `spread` could be spread. */
static ecsi_sample alone(double cost_ns, double spread)
{
    ecsi_sample s;
    memset(&s, 0, sizeof s);
    s.cost_ns = cost_ns;
    s.top_ns = cost_ns;
    s.mean_ns = cost_ns * (1 - spread);
    s.measured = ECS_IO_UNKNOWN;
    return s;
}

/* A tick of several workers, who were busy for so long. */
static ecsi_sample shared(const double *busy_ns, uint32_t workers)
{
    ecsi_sample s;
    memset(&s, 0, sizeof s);
    for (uint32_t i = 0; i < workers; i++) {
        s.cost_ns += busy_ns[i];
        if (busy_ns[i] > s.top_ns) s.top_ns = busy_ns[i];
    }
    s.mean_ns = s.cost_ns / workers;
    s.measured = ECS_IO_UNKNOWN;
    s.shared = true;
    return s;
}

static ecsi_sample pending(uint32_t measured)
{
    ecsi_sample s = alone(1000, 0);
    s.measured = measured;
    return s;
}

static ecsi_sample declared(uint32_t count)
{
    ecsi_sample s = alone(1000, 0);
    s.declared = count;
    return s;
}

static uint64_t steps;

/* The same tick again and again; answers the switches. */
static uint32_t step(ecsi_adaptive *a, ecsi_sample s, uint32_t ticks)
{
    uint32_t switches = 0;
    for (; ticks > 0; ticks--) switches += ecsi_adaptive_step(a, &s, ++steps, false) ? 1 : 0;
    return switches;
}

static ecs_backend mode(const ecsi_adaptive *a)
{
    return ecsi_choice_backend(a->choice);
}

static ecsi_why why(const ecsi_adaptive *a)
{
    REQUIRE(a->decision_count > 0);
    return a->decisions[(a->decision_count - 1) % ECSI_DECISIONS_MAX].why;
}

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 33) / 2147483648.0;
}

TEST(adaptive_first_choice_is_blocking_and_waits_for_the_cooldown)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    CHECK_EQ_U64(step(a, alone(1e6, 0.75), 9), 0);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    CHECK_EQ_U64(step(a, alone(1e6, 0.75), 1), 1);
    CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
    CHECK(why(a) == ECSI_WHY_IMBALANCE);
}

TEST(adaptive_64_pending_chooses_batching_and_63_does_not)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    CHECK_EQ_U64(step(a, pending(63), 500), 0);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    a = adaptive_of(NULL, 4);
    CHECK_EQ_U64(step(a, pending(64), 500), 1);
    CHECK(mode(a) == ECS_BACKEND_BATCHED_IO);
    CHECK(why(a) == ECSI_WHY_IO_MANY);
    /* Once it batches it goes on down to 48, a quarter less. */
    CHECK_EQ_U64(step(a, pending(63), 500), 0);
    CHECK_EQ_U64(step(a, pending(48), 500), 0);
    CHECK(mode(a) == ECS_BACKEND_BATCHED_IO);
    CHECK_EQ_U64(step(a, pending(47), 500), 1);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    CHECK(why(a) == ECSI_WHY_IO_FEW);
    CHECK_EQ_U64(step(a, pending(63), 500), 0);
    CHECK_EQ_U64(step(a, pending(64), 500), 1);
}

TEST(adaptive_one_worker_batches_but_never_shares)
{
    ecsi_adaptive *a = adaptive_of(NULL, 1);
    ecsi_sample s = alone(1e9, 0.9);
    CHECK_EQ_U64(step(a, s, 500), 0);
    s.measured = 1000;
    CHECK_EQ_U64(step(a, s, 500), 1);
    CHECK(mode(a) == ECS_BACKEND_BATCHED_IO);
    CHECK(!a->choice.sharing);
}

TEST(adaptive_skewed_workers_choose_stealing)
{
    static const double skewed[4] = {400e3, 10e3, 10e3, 10e3};
    static const double even[4] = {100e3, 105e3, 95e3, 100e3};
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    CHECK_EQ_U64(step(a, shared(skewed, 4), 100), 1);
    CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
    CHECK(why(a) == ECSI_WHY_IMBALANCE);
    /* (max - mean) / max */
    CHECK_NEAR(a->decisions[0].figures.imbalance, (400 - 107.5) / 400, 1e-6);
    /* Even workers are what stealing is for: it stays. */
    CHECK_EQ_U64(step(a, shared(even, 4), 1000), 0);
    CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
    CHECK(ecsi_adaptive_figures(a).imbalance < 0.06);
    /* Until there is nothing to share, and that for a whole window. */
    CHECK_EQ_U64(step(a, alone(400e3, 0), 99), 0);
    CHECK_EQ_U64(step(a, alone(400e3, 0), 1), 1);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    CHECK(why(a) == ECSI_WHY_ALONE);
    /* From blocking, even workers are no reason to begin. */
    a = adaptive_of(NULL, 4);
    CHECK_EQ_U64(step(a, shared(even, 4), 1000), 0);
}

TEST(adaptive_imbalance_has_a_threshold_and_hysteresis)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    CHECK_EQ_U64(step(a, alone(1e6, 0.29), 500), 0);
    CHECK_EQ_U64(step(a, alone(1e6, 0.32), 500), 1);
    CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
    CHECK_EQ_U64(step(a, alone(1e6, 0.24), 500), 0);
    CHECK_EQ_U64(step(a, alone(1e6, 0.22), 500), 1);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
}

TEST(adaptive_light_load_is_blocking)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    CHECK_EQ_U64(step(a, alone(49999, 0.75), 500), 0);
    CHECK_EQ_U64(step(a, alone(50000, 0.75), 500), 1);
    CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
    CHECK_EQ_U64(step(a, alone(37500, 0.75), 500), 0);
    CHECK_EQ_U64(step(a, alone(37499, 0.75), 500), 1);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    CHECK(why(a) == ECSI_WHY_LIGHT);
}

/* A long tick counts for more than a short one: one in ten is enough to see it. */
TEST(adaptive_imbalance_is_weighted_by_cost)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    uint32_t switches = 0;
    for (uint32_t i = 0; i < 30; i++) {
        switches += step(a, alone(1000, 0), 9);
        switches += step(a, alone(1e6, 0.5), 1);
    }
    CHECK_EQ_U64(switches, 1);
    CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
}

TEST(adaptive_declared_io_is_weighted_by_its_variation)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    /* Always the same: nothing was observed. */
    CHECK_EQ_U64(step(a, declared(100000), 500), 0);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_pending, 0, 1e-9);
    /* 0 and 200 in turns: the coefficient of variation is 1, all of the mean counts. */
    a = adaptive_of(NULL, 4);
    for (uint32_t i = 0; i < 200; i++) (void)step(a, declared(i % 2 * 200), 1);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_weight, 1, 1e-9);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_pending, 100, 1e-9);
    CHECK(mode(a) == ECS_BACKEND_BATCHED_IO);
    /* 120 and 80: it is 0.2, so 0.4 of the mean. */
    a = adaptive_of(NULL, 4);
    for (uint32_t i = 0; i < 200; i++) (void)step(a, declared(80 + i % 2 * 40), 1);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_weight, 0.4, 1e-9);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_pending, 40, 1e-9);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    /* 150 and 50: 0.5, and twice that is 1. Further than that the weight does not grow. */
    a = adaptive_of(NULL, 4);
    for (uint32_t i = 0; i < 200; i++) (void)step(a, declared(50 + i % 2 * 100), 1);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_weight, 1, 1e-9);
    for (uint32_t i = 0; i < 200; i++) (void)step(a, declared(i % 10 == 0 ? 1000 : 0), 1);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_weight, 1, 1e-9);
}

TEST(adaptive_measured_depth_replaces_what_is_declared)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    ecsi_sample s = alone(1000, 0);
    for (uint32_t i = 0; i < 200; i++) {
        s.declared = i % 2 * 1000;
        s.measured = 3;
        (void)step(a, s, 1);
    }
    CHECK_NEAR(ecsi_adaptive_figures(a).io_pending, 3, 1e-9);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
    s.declared = 0;
    s.measured = 64;
    (void)step(a, s, 200);
    CHECK(mode(a) == ECS_BACKEND_BATCHED_IO);
    /* Half of the window each: measured ones as they are, declared ones by their weight. */
    for (uint32_t i = 0; i < 50; i++) (void)step(a, declared(i % 2 * 20), 1);
    CHECK_NEAR(ecsi_adaptive_figures(a).io_pending, 32 + 5, 1e-9);
}

TEST(adaptive_never_two_switches_within_the_cooldown)
{
    uint64_t random = test_seed();
    uint64_t last = 0;
    uint32_t switches = 0;
    uint32_t count = test_rounds(1000000, 10000000);
    ecs_adaptive_desc rules;
    memset(&rules, 0, sizeof rules);
    rules.window_ticks = 2; /* as nervous as it gets */
    rules.hysteresis = 0.001f;
    ecsi_adaptive *a = adaptive_of(&rules, 4);
    for (uint64_t tick = 1; tick <= count; tick++) {
        ecsi_sample s;
        ecsi_choice before = a->choice;
        memset(&s, 0, sizeof s);
        s.cost_ns = uniform(&random) * 1e5;
        s.top_ns = s.cost_ns;
        s.mean_ns = s.top_ns * uniform(&random);
        s.declared = (uint32_t)(uniform(&random) * 200);
        s.measured = uniform(&random) < 0.5 ? ECS_IO_UNKNOWN : (uint32_t)(uniform(&random) * 128);
        s.shared = uniform(&random) < 0.5;
        bool switched = ecsi_adaptive_step(a, &s, tick, uniform(&random) < 0.1);
        CHECK(switched == (before.sharing != a->choice.sharing ||
                           before.batching != a->choice.batching));
        if (!switched) continue;
        CHECK(tick - last >= 10);
        last = tick;
        switches++;
    }
    CHECK(switches > count / 1000);
    CHECK_EQ_U64(switches, a->decision_count);
}

/* Figures just at a threshold, with 5 % noise: 1,000 ticks, many times. */
TEST(adaptive_noise_at_a_threshold_hardly_switches)
{
    uint64_t random = test_seed();
    for (uint32_t round = 0; round < 300; round++) {
        ecsi_adaptive *a = adaptive_of(NULL, 4);
        uint32_t switches = 0;
        for (uint32_t tick = 0; tick < 1000; tick++) {
            double noise = 0.95 + 0.1 * uniform(&random);
            ecsi_sample s = round % 3 == 0   ? alone(50000 * noise, 0.6)
                            : round % 3 == 1 ? alone(1e6, 0.3 * noise)
                                             : pending((uint32_t)(64 * noise + 0.5));
            switches += step(a, s, 1);
        }
        CHECK(switches <= 2);
    }
}

TEST(adaptive_nonsense_counts_as_nothing_and_too_much_as_the_most)
{
    double nan = 0.0;
    double huge = 1e308;
    nan = (huge * 10) - (huge * 10);
    const double values[] = {nan, -nan, huge * 10, -huge * 10, huge, -huge, 0, -1, 1e-300, 1e12};
    const uint32_t counts[] = {0, 1, UINT32_MAX - 1, UINT32_MAX, 1u << 24};
    enum { VALUES = sizeof values / sizeof values[0], COUNTS = sizeof counts / sizeof counts[0] };
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    uint64_t random = test_seed();
    for (uint32_t i = 0; i < 20000; i++) {
        ecsi_sample s;
        ecsi_figures f;
        s.cost_ns = values[(uint32_t)(uniform(&random) * VALUES)];
        s.top_ns = values[(uint32_t)(uniform(&random) * VALUES)];
        s.mean_ns = values[(uint32_t)(uniform(&random) * VALUES)];
        s.declared = counts[(uint32_t)(uniform(&random) * COUNTS)];
        s.measured = counts[(uint32_t)(uniform(&random) * COUNTS)];
        s.shared = uniform(&random) < 0.5;
        (void)step(a, s, 1);
        f = ecsi_adaptive_figures(a);
        CHECK(f.cost_ns >= 0 && f.cost_ns <= 1e12);
        CHECK(f.imbalance >= 0 && f.imbalance <= 1);
        CHECK(f.io_pending >= 0 && f.io_pending <= 1 << 24);
        CHECK(f.io_weight >= 0 && f.io_weight <= 1);
    }
    /* All of it goes out of the window again. */
    (void)step(a, alone(0, 0), 110);
    CHECK_EQ_U64(a->cost_ns + a->top_ns + a->gap_ns, 0);
    CHECK_EQ_U64(a->io_declared + a->io_squares + a->io_measured + a->shared_count, 0);
    CHECK(mode(a) == ECS_BACKEND_BLOCKING);
}

TEST(adaptive_phases_that_alternate_switch_twice_each)
{
    static const double even[2] = {500e3, 500e3};
    ecsi_adaptive *a = adaptive_of(NULL, 2);
    uint32_t switches = 0;
    for (uint32_t phase = 0; phase < 20; phase++) {
        switches += step(a, alone(10e3, 0.3), 300);
        CHECK(mode(a) == ECS_BACKEND_BLOCKING);
        for (uint32_t tick = 0; tick < 300; tick++) {
            switches += step(a, a->choice.sharing ? shared(even, 2) : alone(1e6, 0.5), 1);
            if (tick == 5) CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
        }
        CHECK(mode(a) == ECS_BACKEND_WORK_STEALING);
    }
    CHECK_EQ_U64(switches, 39);
}

TEST(adaptive_load_that_doubles_is_looked_at)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    ecsi_sample s = alone(100e3, 0);
    (void)ecsi_adaptive_step(a, &s, 1, true);
    CHECK(!a->look);
    (void)step(a, alone(190e3, 0), 20);
    CHECK(!a->look);
    (void)step(a, alone(210e3, 0), 1);
    CHECK(a->look);
    s = alone(210e3, 0);
    (void)ecsi_adaptive_step(a, &s, 1, true);
    CHECK(!a->look);
    /* Not again before the fourth tick after. */
    (void)step(a, alone(20e3, 0), 3);
    CHECK(!a->look);
    (void)step(a, alone(20e3, 0), 1);
    CHECK(a->look);
    /* Light before and light after: it does not matter. */
    s = alone(5e3, 0);
    (void)ecsi_adaptive_step(a, &s, 1, true);
    (void)step(a, alone(20e3, 0), 20);
    CHECK(!a->look);
}

TEST(adaptive_keeps_the_last_decisions)
{
    ecsi_adaptive *a = adaptive_of(NULL, 4);
    for (uint32_t i = 0; i < 40; i++) (void)step(a, pending(i % 2 == 0 ? 1000 : 0), 200);
    CHECK_EQ_U64(a->decision_count, 40);
    for (uint32_t i = 0; i < ECSI_DECISIONS_MAX; i++) {
        const ecsi_decision *d = &a->decisions[i];
        CHECK(d->from.batching != d->to.batching);
        CHECK(d->to.batching ? d->figures.io_pending >= 64 : d->figures.io_pending < 48);
    }
}

/* ---- Worlds ---------------------------------------------------------------------------------- */

typedef struct { uint64_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint64_t value; ecs_entity child; } Parent;
ECS_COMPONENT(Parent, value, child);
typedef struct { uint64_t value; } Side;
ECS_COMPONENT(Side, value);

enum { ROWS = 640, BLOCK_ROWS = 64 };

static uint32_t row_ns; /* that a row of `work` takes; set between two ticks */

static ecs_status work_rows(uint64_t *value, uint32_t count, uint64_t tick)
{
    for (uint32_t i = 0; i < count; i++) value[i] = value[i] * 3 + tick;
    script_ns += (uint64_t)count * row_ns;
    return ECS_OK;
}

ECS_SYSTEM(work, WRITE(Number))
{
    return work_rows(&ecs_write(view, Number)->value, view->count, view->tick);
}

/* Together with `work`: two of the same length that may run beside each other. */
ECS_SYSTEM(work_beside, WRITE(Side))
{
    return work_rows(&ecs_write(view, Side)->value, view->count, view->tick);
}

static ecs_world_desc desc_of(uint32_t workers)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.backend = ECS_BACKEND_ADAPTIVE;
    desc.row_block_rows = BLOCK_ROWS;
    desc.workers = workers;
    return desc;
}

static ecs_world *world_of(const ecs_world_desc *desc)
{
    ecs_world *world = ecs_world_create(desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < ROWS; i++) {
        REQUIRE(!ecs_is_null(ecs_spawn_with(world, (Number, {i}), (Side, {i * 5}))));
    }
    return world;
}

static void add(ecs_world *world, const ecs_system *system, bool unsplit, uint32_t io_intents)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.unsplit = unsplit;
    desc.io_intents = io_intents;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

static void tick(ecs_world *world, uint32_t ticks)
{
    for (; ticks > 0; ticks--) CHECK_STATUS(ecs_tick(world, 1 / 64.0f), ECS_OK);
}

static char text[16384];

static const char *explain(const ecs_world *world)
{
    size_t bytes = ecs_explain_adaptive(world, text, sizeof text);
    CHECK_EQ_U64(bytes, strlen(text));
    return text;
}

#ifndef ECS_NO_THREADS
/* The successor of `work`. */
ECS_SYSTEM(work_after, READ(Number), WRITE(Side))
{
    return work_rows(&ecs_write(view, Side)->value, view->count, view->tick);
}

TEST(adaptive_world_shares_heavy_work_and_stops_when_it_is_light)
{
    for (uint32_t workers = 2; workers <= 4; workers++) {
        ecs_world_desc desc = desc_of(workers);
        ecs_world *world = world_of(&desc);
        add(world, &work, false, 0);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
        row_ns = 1000; /* 640 us */
        tick(world, 9);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
        tick(world, 1);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
        CHECK_CONTAINS(explain(world), "after tick 10: blocking -> work stealing: the imbalance "
                                       "is above 0.30\n    640.0 us a tick, imbalance ");
        /* The work is the same whoever does it. */
        tick(world, 200);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
        CHECK_CONTAINS(explain(world), "now: 640.0 us a tick");
        CHECK_CONTAINS(text, "100 of 100 ticks shared");
        CHECK_CONTAINS(text, "work: 640.0 us, split: ");
        CHECK_CONTAINS(text, "grain 1 of 10 row blocks");
        row_ns = 10;
        tick(world, 110);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
        CHECK_CONTAINS(explain(world), "work stealing -> blocking: a tick takes less than 37.5 us");
        CHECK_CONTAINS(text, "inline: nothing is shared");
        ecs_world_destroy(world);
    }
}

/* Two systems that cannot be split are work for two, one is not, and a chain is not. */
TEST(adaptive_world_shares_only_what_can_be_spread)
{
    for (uint32_t kind = 0; kind < 3; kind++) {
        ecs_world_desc desc = desc_of(3);
        ecs_world *world = world_of(&desc);
        row_ns = 1000;
        add(world, &work, true, 0);
        if (kind == 1) add(world, &work_beside, true, 0);
        if (kind == 2) add(world, &work_after, true, 0);
        tick(world, 40);
        CHECK(ecs_world_backend(world) ==
              (kind == 1 ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING));
        if (kind == 1) CHECK_CONTAINS(explain(world), "inline: unsplit");
        /* Half of it can go elsewhere: no more, whatever the number of workers. */
        CHECK_NEAR(world->schedule.gauge.spread, kind == 1 ? 0.5 : 0.0, 0.01);
        ecs_world_destroy(world);
    }
}

/* A load that comes suddenly is measured at once, not in the next of sixteen ticks. */
TEST(adaptive_world_notices_a_load_that_comes)
{
    ecs_world_desc desc = desc_of(2);
    ecs_world *world = world_of(&desc);
    add(world, &work, false, 0);
    row_ns = 10;
    tick(world, 17 + 32 * 4);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
    CHECK_EQ_U64(world->schedule.adaptive.decision_count, 0);
    row_ns = 2000;
    tick(world, 20);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
    ecs_world_destroy(world);
}

/* The clock is read at the two ends of a tick, and around systems only in some; and where the
 * load is light not even that. */
TEST(adaptive_world_hardly_looks_at_the_clock)
{
    ecs_world_desc desc = desc_of(2);
    ecs_world *world = world_of(&desc);
    add(world, &work, true, 0);
    add(world, &work_after, true, 0);
    row_ns = 1000;
    tick(world, 17);
    script_looks = 0;
    uint32_t measured = 0;
    for (uint32_t i = 0; i < 1600; i++) {
        tick(world, 1);
        if (world->schedule.sample) measured++;
    }
    CHECK_EQ_U64(script_looks, 1600 * 2 + measured * 3);
    CHECK(measured >= 98 && measured <= 102);
    row_ns = 1;
    tick(world, 16);
    script_looks = 0;
    tick(world, 1600);
    CHECK(script_looks >= 199 * 2 + 24 * 3);
    CHECK(script_looks <= (201 + 26) * 2 + 26 * 3);
    ecs_world_destroy(world);
}

/* Systems that run every second, or every fourth tick are not overlooked. */
TEST(adaptive_world_sees_what_runs_in_few_ticks)
{
    for (uint32_t every = 2; every <= 16; every *= 2) {
        ecs_world_desc desc = desc_of(2);
        ecs_system_desc system;
        ecs_world *world = world_of(&desc);
        memset(&system, 0, sizeof system);
        system.system = &work;
        system.every_ticks = every;
        REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
        row_ns = 4000; /* 2.56 ms, every so often */
        tick(world, 400);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
        ecs_world_destroy(world);
    }
}

/* One tick of each group is drawn, and none is always left out. */
TEST(adaptive_drawn_ticks_meet_all_that_run_every_so_often)
{
    for (uint32_t bits = 1; bits <= 6; bits++) {
        for (uint32_t every = 1; every <= 64; every++) {
            uint32_t met[64] = {0};
            for (uint32_t t = 0; t < 1u << 16; t++) {
                if (ecsi_tick_drawn(t, bits)) met[t % every]++;
            }
            uint32_t want = (1u << 16 >> bits) / every;
            for (uint32_t i = 0; i < every; i++) {
                CHECK(met[i] > 0);
                CHECK(met[i] < want * 3 + 1);
            }
        }
        for (uint32_t t = 0; t < 1u << 16; t += 1u << bits) {
            uint32_t drawn = 0;
            for (uint32_t i = 0; i < 1u << bits; i++) drawn += ecsi_tick_drawn(t + i, bits);
            CHECK_EQ_U64(drawn, 1);
        }
    }
}

/* What runs in few ticks is shared in these, and the others are not: also without the adaptive
 * backend. */
TEST(adaptive_stealing_shares_what_runs_in_few_ticks)
{
    for (uint32_t every = 1; every <= 16; every++) {
        ecs_world_desc desc = desc_of(2);
        ecs_system_desc system;
        uint32_t shared_ticks = 0;
        desc.backend = ECS_BACKEND_WORK_STEALING;
#ifndef ECSI_FORCE_SHARING
        desc.share_ns = 50000;
#endif
        ecs_world *world = world_of(&desc);
        memset(&system, 0, sizeof system);
        system.system = &work;
        system.every_ticks = every;
        REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
        row_ns = 1000;
        tick(world, 3 * every);
        for (uint32_t i = 0; i < 10 * every; i++) {
            world->schedule.gauge.shared = false;
            tick(world, 1);
            if (world->schedule.gauge.shared) shared_ticks++;
        }
#ifndef ECSI_FORCE_SHARING
        CHECK_EQ_U64(shared_ticks, 10);
#endif
        ecs_world_destroy(world);
    }
}

/* Just at the threshold with 5 % of noise, as the world measures it. */
TEST(adaptive_world_at_a_threshold_hardly_switches)
{
    uint64_t random = test_seed();
    for (uint32_t round = 0; round < 8; round++) {
        ecs_world_desc desc = desc_of(2);
        desc.share_ns = round % 2; /* shares whatever there is, or what is worth it */
        desc.adaptive.light_ns = 64000;
        ecs_world *world = world_of(&desc);
        add(world, &work, false, 0);
        for (uint32_t i = 0; i < 1000; i++) {
            row_ns = 95 + (uint32_t)(uniform(&random) * 11); /* of 640: 64 us */
            tick(world, 1);
        }
        CHECK(world->schedule.adaptive.decision_count <= 2);
        ecs_world_destroy(world);
    }
}

static uint64_t back_ns; /* that `work_back` turns the clock back by */

ECS_SYSTEM(work_back, WRITE(Number))
{
    ecs_status status = work_rows(&ecs_write(view, Number)->value, view->count, view->tick);
    script_ns -= back_ns < script_ns ? back_ns : script_ns;
    return status;
}

/* A clock that goes back says nothing; it does not say six hundred years. */
TEST(adaptive_clock_that_goes_back_counts_as_nothing)
{
    for (uint32_t sharing = 0; sharing < 2; sharing++) {
        ecs_world_desc desc = desc_of(2);
        ecs_world *world = world_of(&desc);
        const ecsi_adaptive *a = &world->schedule.adaptive;
        script_ns = (uint64_t)1 << 60;
        add(world, &work_back, false, 0);
        row_ns = 1000;
        back_ns = 0;
        if (sharing == 1) tick(world, 100);
        CHECK(world->schedule.adaptive.choice.sharing == (sharing == 1));
        back_ns = (uint64_t)1 << 20;
        for (uint32_t i = 0; i < 300; i++) {
            tick(world, 1);
            CHECK(ecsi_adaptive_figures(a).cost_ns <= 640e3);
            CHECK(ecsi_system_at(&world->schedule, 0)->cost_ns <= 640e3);
        }
        CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
        ecs_world_destroy(world);
    }
}

#endif /* ECS_NO_THREADS */

static uint32_t depth(const ecs_world *world, void *user)
{
    CHECK(ecs_tick((ecs_world *)(uintptr_t)world, 0) == ECS_LOCKED);
    return *(const uint32_t *)user;
}

/* However light the load is: where there is I/O every tick counts. */
TEST(adaptive_world_with_io_counts_every_tick)
{
    uint32_t answer = 64;
    for (uint32_t kind = 0; kind < 2; kind++) {
        ecs_world_desc desc = desc_of(2);
        if (kind == 0) desc.io_pending = depth;
        desc.io_user = &answer;
        ecs_world *world = world_of(&desc);
        add(world, &work, false, kind == 0 ? 0 : 1000);
        row_ns = 1;
        tick(world, 9);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
        CHECK_EQ_U64(world->schedule.adaptive.count, 9);
        tick(world, 1);
        CHECK(ecs_world_backend(world) ==
              (kind == 0 ? ECS_BACKEND_BATCHED_IO : ECS_BACKEND_BLOCKING));
        CHECK_EQ_U64(world->schedule.adaptive.count, 10);
        ecs_world_destroy(world);
    }
}

/* What a callback must not do is refused, and no answer of it breaks anything. */
static uint32_t lie(const ecs_world *world, void *user)
{
    ecs_world *w = (ecs_world *)(uintptr_t)world;
    uint64_t *random = (uint64_t *)user;
    static const uint32_t lies[] = {0, 1, 63, 64, 1u << 24, (1u << 24) + 1, UINT32_MAX - 1,
                                    ECS_IO_UNKNOWN};
    CHECK(ecs_is_null(ecs_spawn(w)));
    CHECK_STATUS(ecs_system_remove(w, "work"), ECS_LOCKED);
    CHECK_STATUS(ecs_system_enable(w, "work", false), ECS_LOCKED);
    CHECK_STATUS(ecs_system_add(w, &work_beside, ECS_UPDATE), ECS_LOCKED);
#ifndef ECS_NO_EXPLAIN
    CHECK(ecs_explain_adaptive(world, NULL, 0) > 0);
#endif
    CHECK(ecs_world_backend(world) != ECS_BACKEND_ADAPTIVE);
    return lies[(uint32_t)(uniform(random) * 8)];
}

TEST(adaptive_callback_that_lies_changes_no_result)
{
    uint64_t random = test_seed();
    ecs_world_desc desc = desc_of(2);
    desc.io_pending = lie;
    desc.io_user = &random;
    ecs_world *world = world_of(&desc);
    desc = desc_of(2);
    desc.backend = ECS_BACKEND_BLOCKING;
    ecs_world *honest = world_of(&desc);
    add(world, &work, false, 7);
    add(honest, &work, false, 7);
    row_ns = 1000;
    for (uint32_t i = 0; i < 500; i++) {
        ecsi_figures f;
        tick(world, 1);
        tick(honest, 1);
        f = ecsi_adaptive_figures(&world->schedule.adaptive);
        CHECK(f.io_pending >= 0 && f.io_pending <= ECSI_FIGURE_IO_MAX);
        CHECK_EQ_U64(ecs_world_hash(world), ecs_world_hash(honest));
    }
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BATCHED_IO);
    ecs_world_destroy(world);
    ecs_world_destroy(honest);
}

TEST(adaptive_world_asks_for_the_depth_of_its_queue)
{
    uint32_t answer = 63;
    for (uint32_t workers = 1; workers < 2 + THREADS; workers++) {
        ecs_world_desc desc = desc_of(workers);
        desc.io_pending = depth;
        desc.io_user = &answer;
        ecs_world *world = world_of(&desc);
        add(world, &work, false, 1000);
        row_ns = 1000;
        answer = 63;
        tick(world, 150);
        CHECK(ecs_world_backend(world) ==
              (workers == 1 ? ECS_BACKEND_BLOCKING : ECS_BACKEND_WORK_STEALING));
        answer = 64;
        tick(world, 100);
        CHECK(ecs_world_backend(world) == ECS_BACKEND_BATCHED_IO);
        CHECK_CONTAINS(explain(world), "at least 64 requests are pending");
        CHECK_CONTAINS(text, workers == 1 ? "blocking -> batched I/O:"
                                          : "work stealing -> batched I/O with work stealing:");
        answer = ECS_IO_UNKNOWN; /* a constant of 1,000 then, and that weighs nothing */
        tick(world, 100);
        CHECK(ecs_world_backend(world) != ECS_BACKEND_BATCHED_IO);
        CHECK_CONTAINS(explain(world), "less than 48 requests are pending");
        ecs_world_destroy(world);
    }
}

static bool every_other(const ecs_world *world, void *user)
{
    (void)user;
    return ecs_world_tick(world) % 2 == 0;
}

ECS_TASK(idle)
{
    (void)view;
    return ECS_OK;
}

ECS_TASK(idle_too)
{
    (void)view;
    return ECS_OK;
}

ECS_EXCLUSIVE(idle_alone)
{
    (void)world;
    (void)view;
    return ECS_OK;
}

TEST(adaptive_world_counts_the_intents_of_systems_that_ran)
{
    ecs_world_desc desc = desc_of(2);
    ecs_world *world = world_of(&desc);
    ecs_system_desc system;
    memset(&system, 0, sizeof system);
    system.system = &idle;
    system.io_intents = 100;
    system.run_if = every_other;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    system.system = &idle_alone;
    system.io_intents = 60;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    system.system = &idle_too;
    system.io_intents = 70000;
    system.disabled = true;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    tick(world, 100);
    /* 160 and 0 in turns: the mean, and all of it. */
    CHECK_NEAR(ecsi_adaptive_figures(&world->schedule.adaptive).io_pending, 80, 1e-9);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BATCHED_IO);
    CHECK_CONTAINS(explain(world), "80.0 requests pending (weight 1.00)");
    CHECK_CONTAINS(text, "idle_too: not measured, disabled");
    CHECK_CONTAINS(text, "idle_alone: not measured, inline: exclusive");
    ecs_world_destroy(world);
}

/* A system that is taken out takes its cost and its declarations along. */
TEST(adaptive_world_forgets_systems_that_are_removed)
{
    ecs_world_desc desc = desc_of(2);
    ecs_world *world = world_of(&desc);
    ecs_system_desc system;
    add(world, &work, false, 0);
    memset(&system, 0, sizeof system);
    system.system = &idle;
    system.io_intents = 400;
    system.run_if = every_other;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    row_ns = 1000;
    tick(world, 50);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BATCHED_IO);
    CHECK(world->schedule.adaptive.choice.sharing == (THREADS == 1));
    CHECK(world->schedule.gauge.declares);
    CHECK_STATUS(ecs_system_remove(world, "work"), ECS_OK);
    CHECK_STATUS(ecs_system_remove(world, "idle"), ECS_OK);
    CHECK_CONTAINS(explain(world), "\n0 systems:\n");
    tick(world, 1000);
    CHECK(!world->schedule.gauge.declares);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
    CHECK_NEAR(ecsi_adaptive_figures(&world->schedule.adaptive).cost_ns, 0, 1e-9);
    ecs_world_destroy(world);
}

#ifndef ECS_NO_THREADS
/* A world inside of another one's tick: each measures its own, the outer one both. */
ECS_EXCLUSIVE(tick_inner)
{
    (void)world;
    return ecs_tick((ecs_world *)view->user, view->dt);
}

TEST(adaptive_tick_inside_a_tick_is_measured_twice)
{
    ecs_pool_desc pool_desc;
    memset(&pool_desc, 0, sizeof pool_desc);
    pool_desc.workers = 2;
    ecs_pool *pool = ecs_pool_create(&pool_desc);
    REQUIRE(pool != NULL);
    ecs_world_desc desc = desc_of(0);
    desc.pool = pool;
    ecs_world *inner = world_of(&desc);
    ecs_world *outer = world_of(&desc);
    ecs_system_desc system;
    memset(&system, 0, sizeof system);
    add(inner, &work, true, 0);
    add(outer, &work, true, 0);
    system.system = &tick_inner;
    system.user = inner;
    REQUIRE_STATUS(ecs_system_add_desc(outer, &system), ECS_OK);
    row_ns = 1000;
    tick(outer, 200);
    CHECK_NEAR(ecsi_adaptive_figures(&inner->schedule.adaptive).cost_ns, 640e3, 1);
    CHECK_NEAR(ecsi_adaptive_figures(&outer->schedule.adaptive).cost_ns, 1280e3, 1);
    CHECK(ecs_world_backend(inner) == ECS_BACKEND_BLOCKING);
    ecs_world_destroy(outer);
    ecs_world_destroy(inner);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}
#endif

/* ---- No choice changes a result -------------------------------------------------------------- */

ECS_SYSTEM(breed, READ(Number), WRITE(Parent))
{
    const Number *n = ecs_read(view, Number);
    Parent *p = ecs_write(view, Parent);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].value += n[i].value;
        if (ecs_random_u64(n[i].value, view->tick, view->entities[i], 0) % 16 != 0) continue;
        p[i].child = ecs_cmd_spawn_with(view->cmd, (Number, {n[i].value}), (Side, {view->tick}));
    }
    return view->tick % 7 == 0 && view->base == BLOCK_ROWS ? ECS_FULL : ECS_OK;
}

ECS_SYSTEM(bury, READ(Number), WITH(Side))
{
    const Number *n = ecs_read(view, Number);
    for (uint32_t i = 0; i < view->count; i++) {
        uint64_t r = ecs_random_u64(n[i].value, view->tick, view->entities[i], 1);
        if (r % 32 == 0) (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
        if (r % 32 == 1) (void)ecs_cmd_add(view->cmd, view->entities[i], Parent);
    }
    return view->tick % 11 == 0 ? ECS_FULL : ECS_OK;
}

static ecs_world *program_of(const ecs_world_desc *desc)
{
    ecs_world *world = world_of(desc);
    ecs_system_desc system;
    memset(&system, 0, sizeof system);
    add(world, &work, false, 10);
    add(world, &work_beside, false, 0);
    system.system = &breed;
    system.on_error = ECS_SKIP;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    system.system = &bury;
    system.on_error = ECS_FAIL_FAST;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    for (uint32_t i = 0; i < ROWS; i++) {
        (void)ecs_spawn_with(world, (Number, {i}), (Parent, {i, ecs_null()}));
    }
    return world;
}

TEST(adaptive_choices_at_random_do_not_change_the_result)
{
    enum { TICKS = 60 };
    static uint64_t wanted[TICKS];
    uint64_t random = test_seed();
    ecs_world_desc desc = desc_of(0);
    desc.backend = ECS_BACKEND_BLOCKING;
    ecs_world *world = program_of(&desc);
    row_ns = 100;
    for (uint32_t i = 0; i < TICKS; i++) {
        (void)ecs_tick(world, 1 / 64.0f);
        wanted[i] = ecs_world_hash(world);
    }
    ecs_world_destroy(world);
    uint32_t runs = test_rounds(120, 1200); /* a tenth with sanitizers: all kinds even then */
    for (uint32_t run = 0; run < runs; run++) {
        uint32_t shared_ticks = 0;
        desc = desc_of(1 + run % 4);
        desc.share_ns = run % 3 == 2 ? 0 : 1;
        world = program_of(&desc);
        for (uint32_t i = 0; i < TICKS; i++) {
            ecsi_adaptive *a = &world->schedule.adaptive;
            if (run % 2 == 0) { /* forced; else its own choice */
                a->choice.sharing = a->workers > 1 && uniform(&random) < 0.5;
                a->choice.batching = uniform(&random) < 0.5;
            }
            (void)ecs_tick(world, 1 / 64.0f);
            if (world->schedule.gauge.shared) shared_ticks++;
            CHECK_EQ_U64(ecs_world_hash(world), wanted[i]);
        }
        if (THREADS && desc.workers > 1 && desc.share_ns == 1) CHECK(shared_ticks > 5);
        if (desc.workers == 1) CHECK_EQ_U64(shared_ticks, 0);
        ecs_world_destroy(world);
    }
}

#ifndef ECS_NO_THREADS
enum { SHARED_TICKS = 150 };

typedef struct ticker {
    ecs_world *world;
    uint64_t hashes[SHARED_TICKS];
} ticker;

static void *ticker_main(void *data)
{
    ticker *t = (ticker *)data;
    for (uint32_t i = 0; i < SHARED_TICKS; i++) {
        (void)ecs_tick(t->world, 1 / 64.0f);
        t->hashes[i] = ecs_world_hash(t->world);
    }
    return NULL;
}

/* Worlds that share a pool, and tick at the same time: their workers run each other's systems,
 * and each counts only its own. */
TEST(adaptive_worlds_that_share_a_pool_choose_for_themselves)
{
    static ticker tickers[3];
    pthread_t threads[3];
    ecs_pool_desc pool_desc;
    memset(&pool_desc, 0, sizeof pool_desc);
    pool_desc.workers = 3;
    ecs_pool *pool = ecs_pool_create(&pool_desc);
    REQUIRE(pool != NULL);
    row_ns = 300;
    for (uint32_t i = 0; i < 3; i++) {
        ecs_world_desc desc = desc_of(0);
        if (i < 2) desc.pool = pool;
        if (i == 2) desc.backend = ECS_BACKEND_BLOCKING;
        desc.share_ns = i == 0 ? 1 : 0;
        tickers[i].world = program_of(&desc);
    }
    for (uint32_t i = 0; i < 3; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, ticker_main, &tickers[i]) == 0);
    }
    for (uint32_t i = 0; i < 3; i++) (void)pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < SHARED_TICKS; i++) {
        CHECK_EQ_U64(tickers[0].hashes[i], tickers[2].hashes[i]);
        CHECK_EQ_U64(tickers[1].hashes[i], tickers[2].hashes[i]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(tickers[i].world->schedule.adaptive.choice.sharing);
        CHECK(tickers[i].world->schedule.adaptive.shared_count > 0);
    }
    for (uint32_t i = 0; i < 3; i++) ecs_world_destroy(tickers[i].world);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}
#endif

/* ---- Descriptions, memory, text -------------------------------------------------------------- */

static void quiet(ecs_log_level level, const char *line, void *user)
{
    (void)level;
    (void)line;
    (void)user;
}

static bool accepts(const ecs_world_desc *desc)
{
    ecs_world *world = ecs_world_create(desc);
    bool accepted = world != NULL;
    ecs_world_destroy(world);
    return accepted;
}

TEST(adaptive_descriptions_that_make_no_sense_are_refused)
{
    double huge = 1e308;
    float nan = (float)(huge * 10 - huge * 10);
    const float bad[] = {-0.001f, 1.0f, 2.0f, nan, -nan, 1e30f};
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ecs_world_desc desc = desc_of(1);
        desc.log = quiet;
        desc.adaptive.imbalance_min = bad[i];
        CHECK(!accepts(&desc));
        CHECK_EQ_U64(ecs_world_bytes(&desc), 0);
        desc.adaptive.imbalance_min = 0;
        desc.adaptive.hysteresis = bad[i];
        CHECK(!accepts(&desc));
        desc.backend = ECS_BACKEND_BLOCKING;
        CHECK(!accepts(&desc));
    }
    ecs_world_desc desc = desc_of(1);
    desc.log = quiet;
    desc.adaptive.window_ticks = 101;
    CHECK(!accepts(&desc));
    desc.adaptive.window_ticks = 100;
    desc.adaptive.imbalance_min = 0.999f;
    desc.adaptive.hysteresis = 0.999f;
    desc.adaptive.cooldown_ticks = UINT32_MAX;
    desc.adaptive.light_ns = UINT32_MAX;
    desc.adaptive.io_pending_min = UINT32_MAX;
    CHECK(accepts(&desc));
#ifndef ECSI_FORCE_SHARING /* it puts another one there */
    desc.backend = ECS_BACKEND_BATCHED_IO; /* that one is only chosen */
    CHECK(!accepts(&desc));
#endif
}

#ifndef ECS_NO_THREADS
TEST(adaptive_thresholds_of_the_description_hold)
{
    ecs_world_desc desc = desc_of(2);
    desc.adaptive.light_ns = 1000000;
    desc.adaptive.cooldown_ticks = 30;
    desc.adaptive.window_ticks = 1;
    ecs_world *world = world_of(&desc);
    add(world, &work, false, 0);
    row_ns = 1000; /* 640 us: light now */
    tick(world, 50);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
    row_ns = 2001;
    tick(world, 4);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
    row_ns = 1000;
    tick(world, 30 - world->schedule.adaptive.since - 1);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
    tick(world, 1);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
    CHECK_CONTAINS(explain(world), "less than 750 us");
    ecs_world_destroy(world);
    /* share_ns stands for light_ns where there is none. */
    desc = desc_of(2);
    desc.share_ns = 700000;
    world = world_of(&desc);
    CHECK_EQ_U64(world->schedule.adaptive.rules.light_ns, 700000);
    ecs_world_destroy(world);
}

TEST(adaptive_other_backends_are_what_they_are)
{
    ecs_world_desc desc = desc_of(2);
    desc.backend = ECS_BACKEND_WORK_STEALING;
    ecs_world *world = world_of(&desc);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_WORK_STEALING);
    add(world, &work, false, 0);
    tick(world, 20);
    CHECK_CONTAINS(explain(world), "not adaptive: work stealing\n1 systems:\n  work: ");
    CHECK_EQ_U64(world->schedule.adaptive.count, 0);
    ecs_world_destroy(world);
#ifndef ECSI_FORCE_SHARING
    world = ecs_world_create(NULL);
    CHECK(ecs_world_backend(world) == ECS_BACKEND_BLOCKING);
    CHECK_CONTAINS(explain(world), "not adaptive: blocking");
    ecs_world_destroy(world);
#endif
}
#endif /* ECS_NO_THREADS */

static uint32_t allocations;

static void *counted_alloc(size_t bytes, size_t align, void *user)
{
    (void)user;
    allocations++;
    return aligned_alloc(align < 64 ? 64 : align, (bytes + 63) / 64 * 64);
}

static void counted_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    (void)user;
    free(memory);
}

TEST(adaptive_fixed_world_allocates_nothing_later)
{
    ecs_allocator allocator = {counted_alloc, NULL, counted_release, NULL};
    ecs_world_desc desc = desc_of(2);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 4096;
    desc.tables_max = 64;
    desc.systems_max = 8;
    desc.queries_max = 16;
    desc.chunks_max = 64;
    desc.allocator = &allocator;
    ecs_world *world = world_of(&desc);
    CHECK_EQ_U64(allocations, 1);
    add(world, &work, false, 0);
    for (uint32_t i = 0; i < 6; i++) {
        row_ns = i % 2 * 1000;
        tick(world, 120);
        (void)explain(world);
    }
    CHECK_EQ_U64(world->schedule.adaptive.decision_count, THREADS ? 5 : 0);
    CHECK_EQ_U64(allocations, 1);
    ecs_world_destroy(world);
}

TEST(adaptive_explain_fits_the_buffer)
{
    ecs_world_desc desc = desc_of(2);
    ecs_world *world = world_of(&desc);
    char small[32];
    add(world, &work, false, 0);
    for (uint32_t i = 0; i < 40; i++) {
        world->schedule.adaptive.choice.batching = i % 2 == 0;
        world->schedule.adaptive.since = 10;
        tick(world, 1);
    }
    size_t bytes = ecs_explain_adaptive(world, NULL, 0);
    CHECK_EQ_U64(ecs_explain_adaptive(world, small, sizeof small), bytes);
    CHECK_EQ_U64(strlen(small), sizeof small - 1);
    CHECK_CONTAINS(explain(world), "20 switches, the last 16:");
    CHECK(strstr(text, "after tick 7:") == NULL);
    CHECK_CONTAINS(text, "after tick 39:");
    ecs_world_destroy(world);
}

TEST_DEATH(adaptive_explain_without_a_world_asserts)
{
    (void)ecs_explain_adaptive(NULL, text, sizeof text);
}

TEST_DEATH(adaptive_backend_without_a_world_asserts)
{
    (void)ecs_world_backend(NULL);
}
