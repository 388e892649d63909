/* failure.h: policies for systems that fail, on the blocking backend and on several workers. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint64_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint64_t value; } Side;
ECS_COMPONENT(Side, value);
typedef struct { uint64_t total; } Sum;
ECS_COMPONENT(Sum, total);
typedef struct { uint64_t value; } Ping;
ECS_COMPONENT(Ping, value);

ECS_QUERY(numbers, READ(Number));

static const uint32_t ROWS = 300;
static const uint32_t WORKERS[] = {0, 1, 3};
#define BACKENDS 3u

/* What the bodies do: set before each tick. */
static uint64_t fail_row;        /* the base of the span that fails; UINT64_MAX: none */
static uint32_t fail_times;      /* tries that fail from now on */
static ecsi_atomic_u32 tries;    /* spans at row 0: tries */
static float last_dt;
static uint64_t pings_seen;

static ecs_world *make(uint32_t backend, ecs_memory memory, size_t restore_bytes)
{
    ecs_world_desc desc;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    desc.memory = memory;
    desc.entities_max = 2000;
    desc.row_block_rows = 64;
    desc.restore_bytes_max = restore_bytes;
    if (WORKERS[backend] > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = WORKERS[backend];
        desc.share_ns = 1;
    }
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < ROWS; i++) ecs_spawn_with(world, (Number, {i}));
    fail_row = UINT64_MAX;
    fail_times = 0;
    ECSI_STORE(&tries, 0u, relaxed);
    return world;
}

static ecs_status verdict(uint32_t base)
{
    if (base == 0) (void)ECSI_ADD(&tries, 1u, relaxed);
    return fail_row == base && ECSI_LOAD(&tries, relaxed) <= fail_times ? ECS_FAILED : ECS_OK;
}

/* Unsplit where the number of tries decides: then the first span is seen first. */
ECS_SYSTEM(step, WRITE(Number), RES_WRITE(Sum))
{
    Number *number = ecs_write(view, Number);
    for (uint32_t i = 0; i < view->count; i++) number[i].value += 1000;
    ecs_res_write(view, Sum)->total += view->count;
    last_dt = view->dt;
    ecs_cmd_set(view->cmd, view->entities[0], Side, {number[0].value});
    return verdict(view->base);
}

ECS_SYSTEM(split, WRITE(Number))
{
    Number *number = ecs_write(view, Number);
    for (uint32_t i = 0; i < view->count; i++) number[i].value += 1000;
    ecs_cmd_set(view->cmd, view->entities[0], Side, {number[0].value});
    return fail_row == view->base ? ECS_FAILED : ECS_OK;
}

ECS_SYSTEM(hear, ON(Ping))
{
    pings_seen += ecs_on_count(view, Ping);
    (void)ECSI_ADD(&tries, 1u, relaxed);
    return ECSI_LOAD(&tries, relaxed) <= fail_times ? ECS_FAILED : ECS_OK;
}

ECS_EXCLUSIVE(whole)
{
    (void)view;
    (void)ECSI_ADD(&tries, 1u, relaxed);
    if (ECSI_LOAD(&tries, relaxed) <= fail_times) return ECS_FAILED;
    ecs_resource_mut(world, Sum)->total += 1;
    return ECS_OK;
}

static ecs_system_desc desc_of(const ecs_system *system, ecs_on_error on_error)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.on_error = on_error;
    desc.idempotent = on_error == ECS_RETRY;
    return desc;
}

static ecs_system_state state_of(const ecs_world *world, const char *name)
{
    ecs_system_state state;
    memset(&state, 0, sizeof state);
    CHECK_STATUS(ecs_system_state_get(world, name, &state), ECS_OK);
    return state;
}

static uint64_t sum_of(ecs_world *world)
{
    const Sum *sum = ecs_resource_get(world, Sum);
    return sum != NULL ? sum->total : 0;
}

static uint64_t numbers_of(ecs_world *world)
{
    uint64_t total = 0;
    ECS_EACH(world, numbers, view)
    {
        for (uint32_t i = 0; i < view->count; i++) total += ecs_read(view, Number)[i].value;
    }
    return total;
}

static void fail_now(uint32_t times)
{
    ECSI_STORE(&tries, 0u, relaxed);
    fail_times = times;
    fail_row = 0;
}

/* ---- At once ------------------------------------ */

TEST(failure_retry_at_once_runs_again_until_it_works)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&step, ECS_RETRY);
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        fail_now(2);
        CHECK_STATUS(ecs_tick(world, 0.5f), ECS_OK);
        const ecs_tick_report *report = ecs_tick_last(world);
        CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 3);
        CHECK_EQ_U64(report->systems_run, 3);
        REQUIRE(report->failure_count == 2);
        CHECK_EQ_U64(report->failures[0].attempt, 0);
        CHECK_EQ_U64(report->failures[1].attempt, 1);
        CHECK(report->failures[0].again);
        CHECK(report->failures[1].again);
        /* What was written stays: three times; what was recorded counts once. */
        CHECK_EQ_U64(sum_of(world), 3u * ROWS);
        CHECK_EQ_U64(report->commands_applied, 5);
        CHECK_EQ_U64(report->commands_dropped, 10);
        ecs_system_state state = state_of(world, "step");
        CHECK_EQ_U64(state.runs, 3);
        CHECK_EQ_U64(state.failures, 2);
        CHECK_EQ_U64(state.retries, 2);
        CHECK_STATUS(state.last, ECS_FAILED);
        ecs_world_destroy(world);
    }
}

TEST(failure_retry_that_never_succeeds_ends_by_its_policy)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (int skip = 0; skip < 2; skip++) {
            ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
            ecs_system_desc desc = desc_of(&step, ECS_RETRY);
            desc.on_exhausted = skip ? ECS_SKIP : ECS_ERROR_DEFAULT;
            desc.retries = 5;
            REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
            for (int tick = 0; tick < 3; tick++) {
                fail_now(UINT32_MAX);
                CHECK_STATUS(ecs_tick(world, 0), skip ? ECS_OK : ECS_FAILED);
                CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 6);
                CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 6);
                CHECK(!ecs_tick_last(world)->failures[5].again);
                CHECK_EQ_U64(ecs_tick_last(world)->commands_applied, 0);
            }
            ecs_world_destroy(world);
        }
    }
}

TEST(failure_report_is_bounded_and_counts_the_rest)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&step, ECS_RETRY);
        desc.on_exhausted = ECS_SKIP;
        desc.retries = ECS_RETRIES_MAX;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        fail_now(UINT32_MAX);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, ECS_FAILURES_MAX);
        CHECK_EQ_U64(ecs_tick_last(world)->failures_lost, ECS_RETRIES_MAX + 1 - ECS_FAILURES_MAX);
        ecs_world_destroy(world);
    }
}

TEST(failure_retry_sees_the_events_of_its_run)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (uint32_t wait = 0; wait < 3; wait++) {
            ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
            ecs_system_desc desc = desc_of(&hear, ECS_RETRY);
            desc.retry_ticks = wait;
            REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
            ecs_event_send(world, Ping, {1});
            fail_now(1);
            pings_seen = 0;
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_EQ_U64(pings_seen, wait == 0 ? 2 : 1);
            for (int tick = 0; tick < 4; tick++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_EQ_U64(pings_seen, 2); /* by the try that failed, and by the one that did not */
            ecs_world_destroy(world);
        }
    }
}

TEST(failure_system_of_several_steps_sees_an_event_once)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&hear, ECS_FAIL_FAST);
        desc.step_s = 0.25f;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        ecs_event_send(world, Ping, {1});
        pings_seen = 0;
        for (int tick = 0; tick < 3; tick++) CHECK_STATUS(ecs_tick(world, 0.75f), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 9);
        CHECK_EQ_U64(pings_seen, 1);
        ecs_world_destroy(world);
    }
}

TEST(failure_exclusive_system_is_run_again)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&whole, ECS_RETRY);
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        fail_now(2);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(sum_of(world), 1);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 2);
        ecs_world_destroy(world);
    }
}

/* ---- With a wait ------------------------------------ */

TEST(failure_retry_waits_and_doubles)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&step, ECS_RETRY);
        desc.retry_ticks = 2;
        desc.retries = 2;
        desc.on_exhausted = ECS_SKIP;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        fail_now(UINT32_MAX);
        /* Fails in ticks 1, 3 (2 later) and 7 (4 later); then it is skipped, and starts anew. */
        static const uint32_t runs[] = {1, 1, 2, 2, 2, 2, 3, 4};
        static const bool again[] = {true, false, true, false, false, false, false, true};
        for (uint32_t tick = 0; tick < 8; tick++) {
            CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
            CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), runs[tick]);
            const ecs_tick_report *report = ecs_tick_last(world);
            if (report->failure_count > 0) CHECK(report->failures[0].again == again[tick]);
            if (tick == 2) CHECK_EQ_U64(report->failures[0].attempt, 1);
        }
        ecs_world_destroy(world);
    }
}

TEST(failure_retry_that_waited_gets_the_time)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (int fixed = 0; fixed < 2; fixed++) {
            ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
            ecs_system_desc desc = desc_of(&step, ECS_RETRY);
            desc.retry_ticks = 3;
            if (fixed) desc.step_s = 0.25f;
            desc.steps_max = 10;
            REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
            fail_now(1);
            CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
            for (int tick = 0; tick < 2; tick++) CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
            CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 1);
            CHECK_EQ_U64(state_of(world, "step").wait_ticks, 1);
            CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
            if (fixed) {
                CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 5); /* the failed step and three */
                CHECK(last_dt > 0.24f && last_dt < 0.26f);
            } else {
                CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 2);
                CHECK(last_dt > 0.99f && last_dt < 1.01f);
            }
            ecs_world_destroy(world);
        }
    }
}

TEST(failure_wait_and_breaker_are_in_the_hash)
{
    for (int breaker = 0; breaker < 2; breaker++) {
        ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
        ecs_world *other = make(0, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&split, breaker ? ECS_SKIP : ECS_RETRY);
        desc.retry_ticks = 4;
        desc.breaker_failures = 1;
        desc.restore = true;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        desc.retry_ticks = 5;
        desc.breaker_failures = 2;
        REQUIRE_STATUS(ecs_system_add_desc(other, &desc), ECS_OK);
        fail_row = 0;
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_STATUS(ecs_tick(other, 0), ECS_OK);
        CHECK(ecs_world_hash(world) != ecs_world_hash(other));
        ecs_world_destroy(world);
        ecs_world_destroy(other);
    }
}

TEST(failure_open_breaker_is_in_the_hash)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&split, ECS_SKIP);
    desc.breaker_failures = 1;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    fail_row = 0;
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    uint64_t open = ecs_world_hash(world);
    REQUIRE_STATUS(ecs_system_enable(world, "split", true), ECS_OK);
    CHECK(ecs_world_hash(world) != open);
    ecs_world_destroy(world);
}

/* All that a stream may hold, and then it fails. */
ECS_SYSTEM(greedy, WRITE(Number))
{
    if (view->base == 0) (void)ECSI_ADD(&tries, 1u, relaxed);
    while (ecs_cmd_set(view->cmd, view->entities[0], Side, {view->base}) == ECS_OK) {}
    return ECSI_LOAD(&tries, relaxed) <= fail_times ? ECS_FAILED : ECS_OK;
}

static ecs_status patient_status;

/* The last one of the phase: its share is there whatever others did. */
ECS_SYSTEM(patient, READ(Number))
{
    (void)ecs_read(view, Number);
    for (int i = 0; i < 4 && patient_status == ECS_OK; i++) {
        patient_status = ecs_cmd_set(view->cmd, view->entities[0], Side, {7});
    }
    return ECS_OK;
}

TEST(failure_tries_leave_the_shares_of_others_alone)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        uint64_t applied[2];
        for (int fails = 0; fails < 2; fails++) {
            ecs_world *world = make(b, ECS_MEMORY_FIXED, 0);
            ecs_system_desc desc = desc_of(&greedy, ECS_RETRY);
            desc.unsplit = true;
            REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
            ecs_system_add(world, &patient, ECS_UPDATE);
            fail_now(fails ? 3 : 0);
            patient_status = ECS_OK;
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_STATUS(patient_status, ECS_OK);
            applied[fails] = ecs_tick_last(world)->commands_applied;
            ecs_world_destroy(world);
        }
        CHECK_EQ_U64(applied[0], applied[1]);
    }
}

TEST(failure_enable_ends_a_wait)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&step, ECS_RETRY);
    desc.retry_ticks = 100;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    fail_now(1);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(state_of(world, "step").wait_ticks, 100);
    CHECK_STATUS(ecs_system_enable(world, "step", true), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 2);
    ecs_world_destroy(world);
}

/* ---- Restore ------------------------------------ */

TEST(failure_restore_puts_back_what_was_written)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (int memory = 0; memory < 2; memory++) {
            ecs_world *world = make(b, memory ? ECS_MEMORY_FIXED : ECS_MEMORY_GROW, 65536);
            ecs_system_desc desc = desc_of(&step, ECS_SKIP);
            desc.restore = true;
            REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
            desc = desc_of(&split, ECS_SKIP);
            desc.restore = true;
            REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
            uint64_t before = numbers_of(world);
            fail_now(UINT32_MAX);
            fail_row = 64;
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 2);
            CHECK_EQ_U64(ecs_tick_last(world)->failures[0].row_block, 1);
            CHECK_EQ_U64(numbers_of(world), before);
            CHECK_EQ_U64(sum_of(world), 0);
            fail_row = UINT64_MAX;
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_EQ_U64(numbers_of(world), before + 2u * 1000u * ROWS);
            CHECK_EQ_U64(sum_of(world), ROWS);
            ecs_world_destroy(world);
        }
    }
}

TEST(failure_restore_puts_change_ticks_back)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_world *other = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&split, ECS_SKIP);
        desc.restore = true;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        desc.disabled = true;
        REQUIRE_STATUS(ecs_system_add_desc(other, &desc), ECS_OK);
        fail_row = 0;
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_STATUS(ecs_tick(other, 0), ECS_OK);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 1);
        /* As if it had never run. */
        REQUIRE_STATUS(ecs_system_enable(other, "split", true), ECS_OK);
        CHECK_EQ_U64(ecs_world_hash(world), ecs_world_hash(other));
        ecs_world_destroy(world);
        ecs_world_destroy(other);
    }
}

TEST(failure_restore_and_retry_are_one_run)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&step, ECS_RETRY);
        desc.idempotent = false;
        desc.restore = true;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        uint64_t before = numbers_of(world);
        fail_now(3);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 3);
        CHECK_EQ_U64(numbers_of(world), before + 1000u * ROWS);
        CHECK_EQ_U64(sum_of(world), ROWS);
        ecs_world_destroy(world);
    }
}

TEST(failure_restore_without_room_does_not_run)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        /* Room for one of the two: 300 rows of 8 bytes, and their ticks. */
        ecs_world *world = make(b, ECS_MEMORY_FIXED, 4096);
        ecs_system_desc desc = desc_of(&split, ECS_SKIP);
        desc.restore = true;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        desc.name = "second";
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        uint64_t before = numbers_of(world);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        REQUIRE(ecs_tick_last(world)->failure_count == 1);
        CHECK_STATUS(ecs_tick_last(world)->failures[0].status, ECS_FULL);
        CHECK(strcmp(ecs_tick_last(world)->failures[0].system, "second") == 0);
        CHECK_EQ_U64(numbers_of(world), before + 1000u * ROWS);
        ecs_world_destroy(world);
    }
}

static void copy_bytes(void *to, const void *from, uint32_t count, void *user)
{
    (void)user;
    memcpy(to, from, count * sizeof(Number));
}

TEST(failure_restore_of_a_type_with_hooks_is_refused)
{
    ecs_world_desc world_desc;
    memset(&world_desc, 0, sizeof world_desc);
    for (int late = 0; late < 2; late++) {
        ecs_world *world = ecs_world_create(&world_desc);
        ecs_hooks hooks;
        ecs_component id;
        ecs_system_desc desc = desc_of(&split, ECS_SKIP);
        desc.restore = true;
        memset(&hooks, 0, sizeof hooks);
        hooks.copy = copy_bytes;
        REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Number), &id), ECS_OK);
        if (late) CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        REQUIRE_STATUS(ecs_component_hooks(world, id, &hooks), ECS_OK);
        if (!late) CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_UNSUPPORTED);
        if (late) {
            ecs_spawn_with(world, (Number, {1}));
            fail_row = UINT64_MAX;
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_STATUS(ecs_tick_last(world)->failures[0].status, ECS_UNSUPPORTED);
            CHECK_EQ_U64(numbers_of(world), 1);
        }
        ecs_world_destroy(world);
    }
}

/* ---- The breaker ------------------------------------ */

TEST(failure_breaker_opens_waits_and_probes)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&step, ECS_SKIP);
        desc.breaker_failures = 3;
        desc.breaker_ticks = 4;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        fail_now(4);
        /* Ticks 1 to 3 fail; it opens. Tick 7 probes and fails: it opens again at once. Tick 11
         * probes and works: closed. */
        static const uint32_t runs[] = {1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 6};
        for (uint32_t tick = 0; tick < 12; tick++) {
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), runs[tick]);
            bool open = (tick >= 2 && tick < 10);
            CHECK(state_of(world, "step").broken == open);
            if (tick == 2 || tick == 6) CHECK(ecs_tick_last(world)->failures[0].broken);
        }
        CHECK_EQ_U64(state_of(world, "step").breaks, 2);
        ecs_world_destroy(world);
    }
}

TEST(failure_breaker_without_ticks_waits_to_be_enabled)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&step, ECS_SKIP);
        desc.breaker_failures = 1;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        fail_now(1);
        for (int tick = 0; tick < 20; tick++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 1);
        CHECK(state_of(world, "step").broken);
        REQUIRE_STATUS(ecs_system_enable(world, "step", true), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 2);
        CHECK(!state_of(world, "step").broken);
        ecs_world_destroy(world);
    }
}

TEST(failure_breaker_counts_failures_in_a_row_only)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&split, ECS_SKIP);
    desc.breaker_failures = 2;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    for (int tick = 0; tick < 10; tick++) {
        fail_row = tick % 2 == 0 ? 0 : UINT64_MAX;
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    }
    CHECK_EQ_U64(state_of(world, "split").failures, 5);
    CHECK(!state_of(world, "split").broken);
    ecs_world_destroy(world);
}

/* ---- Budgets and cancelling ------------------------------------ */

static void burn(uint64_t ns)
{
    uint64_t end = ecsi_clock_ns() + ns;
    while (ecsi_clock_ns() < end) {}
}

ECS_SYSTEM(slow, WRITE(Number))
{
    ecs_write(view, Number)->value++;
    if (view->base == 0) burn(3000000);
    ecs_cmd_set(view->cmd, view->entities[0], Side, {1});
    return ECS_OK;
}

TEST(failure_budget_overrun_is_counted)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&slow, ECS_FAIL_FAST);
        desc.budget_ns = 1000000;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        desc = desc_of(&split, ECS_FAIL_FAST);
        desc.budget_ns = 10000000000u;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ecs_tick_last(world)->overruns, 1);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 0);
        CHECK_EQ_U64(state_of(world, "slow").overruns, 1);
        CHECK(state_of(world, "slow").overrun_ns >= 2000000);
        CHECK_EQ_U64(state_of(world, "split").overruns, 0);
        ecs_world_destroy(world);
    }
}

TEST(failure_budget_that_fails_drops_the_run)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        ecs_system_desc desc = desc_of(&slow, ECS_SKIP);
        desc.budget_ns = 1000000;
        desc.budget_fails = true;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        REQUIRE(ecs_tick_last(world)->failure_count == 1);
        CHECK_STATUS(ecs_tick_last(world)->failures[0].status, ECS_TIMEOUT);
        CHECK_EQ_U64(ecs_tick_last(world)->commands_applied, 0);
        ecs_world_destroy(world);
    }
}

static ecs_world *cancel_world;

ECS_SYSTEM(cancels, READ(Number))
{
    (void)ecs_read(view, Number);
    CHECK(!ecs_tick_cancelled(view->world) || view->base > 0);
    if (view->base == 0) ecs_tick_cancel(cancel_world);
    ecs_cmd_set(view->cmd, view->entities[0], Side, {1});
    return ECS_OK;
}

TEST(failure_cancelled_tick_finishes_what_has_begun)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b, ECS_MEMORY_GROW, 0);
        cancel_world = world;
        ecs_system_add(world, &cancels, ECS_UPDATE);
        ecs_system_desc desc = desc_of(&split, ECS_FAIL_FAST);
        desc.after[0] = "cancels";
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        ecs_system_add(world, &whole, ECS_UPDATE);
        ecs_system_add(world, &step, ECS_LAST);
        uint64_t before = numbers_of(world);
        CHECK_STATUS(ecs_tick(world, 0), ECS_CANCELLED);
        CHECK(ecs_tick_last(world)->cancelled);
        CHECK_EQ_U64(ecs_tick_last(world)->commands_applied, 5);
        CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 1);
        CHECK_EQ_U64(numbers_of(world), before);
        CHECK_EQ_U64(ECSI_LOAD(&tries, relaxed), 0);
        CHECK(!ecs_tick_cancelled(world));
        REQUIRE_STATUS(ecs_system_enable(world, "cancels", false), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK(!ecs_tick_last(world)->cancelled);
        CHECK_EQ_U64(sum_of(world), ROWS + 1);
        /* Between ticks: the next one. */
        ecs_tick_cancel(world);
        CHECK_STATUS(ecs_tick(world, 0), ECS_CANCELLED);
        CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 0);
        CHECK_EQ_U64(ecs_world_tick(world), 3);
        ecs_world_destroy(world);
    }
}

/* ---- Equal on all backends ------------------------------------ */

static uint64_t random_seed;

ECS_SYSTEM(random_fails, WRITE(Number))
{
    Number *number = ecs_write(view, Number);
    uint64_t r = 0;
    for (uint32_t i = 0; i < view->count; i++) number[i].value = number[i].value * 31 + view->tick;
    ecs_cmd_set(view->cmd, view->entities[0], Side, {number[0].value});
    if (number[0].value % 5 == 0) ecs_cmd_spawn_with(view->cmd, (Side, {number[0].value}));
    r = ecs_random_u64(random_seed, view->tick, view->entities[0], (uint32_t)(uintptr_t)view->user);
    return r % 7 == 0 ? ECS_FAILED : ECS_OK;
}

static uint64_t random_run(uint32_t b, uint64_t seed, uint64_t *hashes, uint32_t ticks)
{
    ecs_world *world = make(b, seed % 2 ? ECS_MEMORY_FIXED : ECS_MEMORY_GROW, 20000);
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    uint64_t failures = 0;
    random_seed = seed;
    for (uint32_t i = 0; i < 6; i++) {
        uint64_t r = ecs_random_u64(seed, i, ecs_null(), 1);
        ecs_system_desc desc = desc_of(&random_fails, r % 3 == 0 ? ECS_SKIP : ECS_RETRY);
        desc.name = names[i];
        desc.user = (void *)(uintptr_t)(i + 2);
        desc.restore = r >> 8 & 1;
        desc.retries = (uint32_t)(r >> 9 & 3);
        desc.retry_ticks = (uint32_t)(r >> 11 & 3);
        desc.on_exhausted = ECS_SKIP;
        desc.breaker_failures = (uint32_t)(r >> 13 & 3);
        desc.breaker_ticks = (uint32_t)(r >> 15 & 7);
        if (r >> 18 & 1) desc.step_s = 0.3f;
        if (r >> 19 & 1) desc.every_ticks = 3;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    }
    for (uint32_t t = 0; t < ticks; t++) {
        CHECK_STATUS(ecs_tick(world, 0.25f), ECS_OK);
        failures += ecs_tick_last(world)->failure_count;
        hashes[t] = ecs_world_hash(world);
    }
    ecs_world_destroy(world);
    return failures;
}

TEST(failure_policies_give_one_result_on_all_backends)
{
    enum { TICKS = 40 };
    uint64_t failures = 0;
    for (uint64_t seed = 0; seed < 12; seed++) {
        uint64_t first[TICKS];
        uint64_t other[TICKS];
        uint64_t failed = random_run(0, test_seed() + seed, first, TICKS);
        failures += failed;
        for (uint32_t b = 1; b < BACKENDS; b++) {
            CHECK_EQ_U64(random_run(b, test_seed() + seed, other, TICKS), failed);
            for (uint32_t t = 0; t < TICKS; t++) {
                if (first[t] == other[t]) continue;
                CHECK_EQ_U64(first[t], other[t]);
                break;
            }
        }
    }
    CHECK(failures > 100);
}

/* ---- Bad input ------------------------------------ */

TEST(failure_restore_of_an_exclusive_system_is_refused)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&whole, ECS_SKIP);
    ecs_system_state state;
    desc.restore = true;
    CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_UNSUPPORTED);
    CHECK_STATUS(ecs_system_state_get(world, "none", &state), ECS_NOT_FOUND);
    ecs_world_destroy(world);
}

TEST_DEATH(failure_retry_of_what_may_not_run_twice_asserts)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&step, ECS_RETRY);
    desc.idempotent = false;
    ecs_system_add_desc(world, &desc);
}

TEST_DEATH(failure_unknown_policy_asserts)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&step, ECS_SKIP);
    int unknown = 9;
    memcpy(&desc.on_error, &unknown, sizeof desc.on_error);
    ecs_system_add_desc(world, &desc);
}

TEST_DEATH(failure_retry_as_the_end_of_retries_asserts)
{
    ecs_world *world = make(0, ECS_MEMORY_GROW, 0);
    ecs_system_desc desc = desc_of(&step, ECS_RETRY);
    desc.on_exhausted = ECS_RETRY;
    ecs_system_add_desc(world, &desc);
}
