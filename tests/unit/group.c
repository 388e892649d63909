/* launch.h and the groups of schedule.h: order, policies, switches, and what runs beside the
 * ticks: the same results on every backend, nothing lost, nothing left behind. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint64_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint64_t value; } Side;
ECS_COMPONENT(Side, value);
typedef struct { uint64_t value; } Rare;
ECS_COMPONENT(Rare, value);
typedef struct { uint64_t value; } Bias;
ECS_COMPONENT(Bias, value);
typedef struct { uint64_t value; } Ping;
ECS_COMPONENT(Ping, value);
typedef struct { uint64_t value; } Pong;
ECS_COMPONENT(Pong, value);
typedef struct { void *data; } Owned;
ECS_COMPONENT(Owned);

ECS_QUERY(numbers, READ(Number));
ECS_QUERY(sides, READ(Side), READ(Number));
ECS_QUERY(side_only, READ(Side), NOT(Number));
ECS_QUERY(rares, READ(Rare));

#define ROWS 300u
static const uint32_t WORKERS[] = {0, 1, 2, 4};
#define BACKENDS 4u

static char logged[4096];

static void keep_log(ecs_log_level level, const char *line, void *user)
{
    size_t at = strlen(logged);
    (void)level;
    (void)user;
    (void)snprintf(logged + at, sizeof logged - at, "%s\n", line);
}

static ecs_world_desc world_desc(uint32_t backend)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.entities_max = 20000;
    desc.row_block_rows = 64;
    desc.log = keep_log;
    logged[0] = 0;
    if (WORKERS[backend] > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = WORKERS[backend];
        desc.share_ns = 1;
    }
    return desc;
}

static ecs_world *make(uint32_t backend)
{
    ecs_world_desc desc = world_desc(backend);
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < ROWS; i++) ecs_spawn_with(world, (Number, {i}));
    return world;
}

static ecs_group_desc group_desc(const char *name, uint32_t apply_after, uint32_t depth)
{
    ecs_group_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    desc.asynchronous = true;
    desc.apply_after = apply_after;
    desc.depth = depth;
    return desc;
}

static void add_group(ecs_world *world, const char *name, uint32_t apply_after, uint32_t depth)
{
    ecs_group_desc desc = group_desc(name, apply_after, depth);
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
}

static ecs_system_desc system_desc(const ecs_system *system, const char *group)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.group = group;
    return desc;
}

static void add(ecs_world *world, const ecs_system *system, const char *group)
{
    ecs_system_desc desc = system_desc(system, group);
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

static ecs_group_state state_of(const ecs_world *world, const char *name)
{
    ecs_group_state state;
    memset(&state, 0, sizeof state);
    CHECK_STATUS(ecs_group_state_get(world, name, &state), ECS_OK);
    return state;
}

static void ticks(ecs_world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) CHECK_STATUS(ecs_tick(world, 1.0f), ECS_OK);
}

/* ---- bodies ----------------------------------------------------------------------------- */

ECS_SYSTEM(grow, WRITE(Number))
{
    Number *number = ecs_write(view, Number);
    for (uint32_t i = 0; i < view->count; i++) number[i].value += 1000;
    return ECS_OK;
}

/* Says what it has read. */
ECS_SYSTEM(look, READ(Number))
{
    const Number *number = ecs_read(view, Number);
    CHECK(view->world == NULL);
    CHECK(view->count > 0 && view->count <= 64);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_cmd_set(view->cmd, view->entities[i], Side, {number[i].value});
    }
    return ECS_OK;
}

static uint64_t side_max(ecs_world *world)
{
    uint64_t max = 0;
    ECS_EACH(world, sides, view) {
        const Side *side = ecs_read(view, Side);
        for (uint32_t i = 0; i < view->count; i++) {
            if (side[i].value > max) max = side[i].value;
        }
    }
    return max;
}

/* ---- results ---------------------------------------------------------------------------- */

TEST(group_results_come_as_many_ticks_later_as_it_says)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (uint32_t after = 1; after <= 3; after++) {
            ecs_world *world = make(b);
            add_group(world, "watch", after, after);
            add(world, &look, "watch");
            add(world, &grow, NULL);
            for (uint32_t t = 1; t <= 10; t++) {
                uint64_t want = t > after ? (uint64_t)(t - after - 1) * 1000 + ROWS - 1 : 0;
                ticks(world, 1);
                CHECK_EQ_U64(side_max(world), want);
            }
            CHECK(state_of(world, "watch").asynchronous);
            CHECK_EQ_U64(state_of(world, "watch").launched, 10);
            CHECK_EQ_U64(state_of(world, "watch").applied, 10 - after);
            CHECK_EQ_U64(state_of(world, "watch").under_way, after);
            CHECK_EQ_U64(state_of(world, "watch").refused, 0);
            CHECK_STR(logged, "");
            ecs_world_destroy(world);
        }
    }
}

/* A system of the same phase that comes first in the registration changes nothing: the group is
 * launched when its phase begins. */
TEST(group_is_launched_before_the_systems_of_its_phase)
{
    ecs_world *world = make(2);
    add(world, &grow, NULL);
    add_group(world, "watch", 1, 1);
    add(world, &look, "watch");
    ticks(world, 2);
    CHECK_EQ_U64(side_max(world), ROWS - 1);
    ecs_world_destroy(world);
}

static uint64_t noise(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

ECS_SYSTEM(stir, WRITE(Number), RES_WRITE(Bias))
{
    Number *number = ecs_write(view, Number);
    for (uint32_t i = 0; i < view->count; i++) {
        number[i].value = noise(number[i].value + view->tick);
    }
    ecs_res_write(view, Bias)->value += view->count;
    return ECS_OK;
}

/* Spawns, ends, tells and reads everything that an asynchronous system may. */
ECS_SYSTEM(churn, READ(Number), OPTIONAL(Rare), RES_READ(Bias), ON(Ping), EMIT(Pong))
{
    const Number *number = ecs_read(view, Number);
    const Rare *rare = ecs_optional(view, Rare);
    uint64_t seen = ecs_on_count(view, Ping) + ecs_res_read(view, Bias)->value;
    for (uint32_t i = 0; i < view->count; i++) {
        uint64_t dice = number[i].value + seen + (rare != NULL ? rare[i].value : 0);
        if (dice % 7 == 0) {
            ecs_entity e = ecs_cmd_spawn(view->cmd);
            ecs_cmd_set(view->cmd, e, Number, {dice});
            ecs_cmd_set(view->cmd, e, Side, {seen});
        }
        if (dice % 5 == 0) ecs_cmd_despawn(view->cmd, view->entities[i]);
        if (dice % 11 == 0) ecs_cmd_set(view->cmd, view->entities[i], Rare, {dice});
        if (dice % 13 == 0) (void)ecs_emit(view, Pong, {dice});
    }
    return ECS_OK;
}

ECS_SYSTEM(answer, ON(Pong), EMIT(Ping))
{
    const Pong *pong = ecs_on(view, Pong);
    for (uint32_t i = 0; i < ecs_on_count(view, Pong) && i < 20; i++) {
        (void)ecs_emit(view, Ping, {pong[i].value});
    }
    return ECS_OK;
}

static void run_mixed(uint32_t backend, uint64_t *hashes, uint32_t count)
{
    ecs_world *world = make(backend);
    ecs_group_desc desc = group_desc("slow", 3, 2);
    ecs_system_desc system = system_desc(&churn, "slow");
    desc.on_error = ECS_SKIP;
    desc.before[0] = "nobody";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_group(world, "nobody", 1, 1);
    add_group(world, "fast", 1, 1);
    system.every_ticks = 2;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    add(world, &look, "fast");
    add(world, &stir, NULL);
    add(world, &answer, NULL);
    for (uint32_t t = 0; t < count; t++) {
        ticks(world, 1);
        hashes[t] = ecs_world_hash(world);
        if (t % 16 == 15) {
            for (uint32_t i = 0; i < 50; i++) ecs_spawn_with(world, (Number, {t + i}));
        }
    }
    CHECK(state_of(world, "slow").launched > count / 3);
    CHECK(ecs_entity_count(world) > 0);
    ecs_world_destroy(world);
}

TEST(group_hashes_are_the_same_on_any_number_of_workers)
{
    uint64_t want[100];
    uint64_t got[100];
    run_mixed(0, want, 100);
    for (uint32_t b = 1; b < BACKENDS; b++) {
        run_mixed(b, got, 100);
        for (uint32_t t = 0; t < 100; t++) CHECK_EQ_U64(got[t], want[t]);
    }
}

/* ---- refusals --------------------------------------------------------------------------- */

static ecsi_atomic_u32 dt_of[16]; /* by tick, in whole seconds: launches may run side by side */

ECS_SYSTEM(clocked, READ(Number))
{
    ECSI_STORE(&dt_of[view->tick % 16], (uint32_t)view->dt, relaxed);
    if (view->base == 0) ecs_cmd_set(view->cmd, view->entities[0], Side, {view->tick});
    return ECS_OK;
}

TEST(group_without_room_refuses_counts_and_is_due_again)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ECSI_STORE(&dt_of[13], 0u, relaxed);
        add_group(world, "watch", 4, 2);
        add(world, &clocked, "watch");
        ticks(world, 9); /* launched in 1, 2, 5, 6, 9 */
        CHECK_EQ_U64(state_of(world, "watch").launched, 5);
        CHECK_EQ_U64(state_of(world, "watch").refused, 4);
        CHECK_EQ_U64(state_of(world, "watch").applied, 3);
        ticks(world, 4); /* 9, 10, 13 */
        CHECK_EQ_U64(side_max(world), 9);
        CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&dt_of[13], relaxed), 3); /* no time is lost: 13 - 10 */
        ecs_world_destroy(world);
    }
}

TEST(group_whose_copies_do_not_fit_is_not_launched)
{
    ecs_world *world = make(0);
    ecs_group_desc desc = group_desc("watch", 1, 1);
    desc.copy_bytes_max = ROWS * 16 + 100;
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add(world, &clocked, "watch");
    ticks(world, 3); /* the spans themselves need more */
    CHECK_EQ_U64(state_of(world, "watch").launched, 0);
    CHECK_EQ_U64(state_of(world, "watch").too_large, 3);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    for (uint32_t i = 0; i < 100; i++) ecs_spawn_with(world, (Number, {i}));
    ticks(world, 1);
    CHECK_EQ_U64(state_of(world, "watch").launched, 1);
    CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
    CHECK_EQ_U64(ECSI_LOAD(&dt_of[4], relaxed), 4); /* since it was added */
    ecs_world_destroy(world);
}

TEST(group_commands_that_do_not_fit_are_refused_and_counted)
{
    for (uint32_t b = 0; b < BACKENDS; b += 2) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 1, 1);
        desc.command_bytes_max = 4096;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        add(world, &look, "watch");
        ticks(world, 2);
        CHECK(ecs_tick_last(world)->commands_refused > 0);
        CHECK(ecs_tick_last(world)->commands_applied > 0);
        CHECK_EQ_U64(ecs_tick_last(world)->commands_refused +
                     ecs_tick_last(world)->commands_applied, ROWS);
        ecs_world_destroy(world);
    }
}

/* ---- falling back ----------------------------------------------------------------------- */

ECS_EXCLUSIVE(whole)
{
    (void)world;
    (void)view;
    return ECS_OK;
}

ECS_SYSTEM(biased, READ(Number), RES_WRITE(Bias))
{
    ecs_res_write(view, Bias)->value += view->count;
    return ECS_OK;
}

ECS_SYSTEM(seeker, READ(Number), LOOKUP(Side))
{
    (void)view;
    return ECS_OK;
}

ECS_SYSTEM(owner, READ(Owned))
{
    (void)view;
    return ECS_OK;
}

static void owned_destroy(void *values, uint32_t count, void *user)
{
    (void)values;
    *(uint32_t *)user += count;
}


/* A group that could be asynchronous but for this system, of which it says `why`. */
static void falls_back(const ecs_system_desc *desc, const char *why, uint32_t backend)
{
    char text[4096];
    const char *at;
    ecs_world *world = make(backend);
    add_group(world, "watch", 1, 1);
    add(world, &clocked, "watch");
    ticks(world, 1);
    CHECK(state_of(world, "watch").asynchronous);
    CHECK_STR(logged, "");
    REQUIRE_STATUS(ecs_system_add_desc(world, desc), ECS_OK);
    ticks(world, 3); /* what was launched before still comes */
    CHECK(!state_of(world, "watch").asynchronous);
    CHECK_EQ_U64(state_of(world, "watch").launched, 1);
    CHECK_EQ_U64(state_of(world, "watch").applied, 1);
    CHECK_EQ_U64(side_max(world), 4);
    CHECK_CONTAINS(logged, "group watch is asynchronous, but runs synchronously: ");
    CHECK_CONTAINS(logged, why);
    at = strstr(logged, "synchronously");
    CHECK(at != NULL && strstr(at + 1, "synchronously") == NULL); /* said once */
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, why);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "warning: group watch is asynchronous, but runs synchronously");
    /* Without that system it is asynchronous again. */
    REQUIRE_STATUS(ecs_system_remove(world, desc->system->name), ECS_OK);
    ticks(world, 1);
    CHECK(state_of(world, "watch").asynchronous);
    ecs_world_destroy(world);
}

TEST(group_with_a_system_that_must_not_falls_back)
{
    for (uint32_t b = 0; b < BACKENDS; b += 3) {
        ecs_system_desc desc = system_desc(&grow, "watch");
        falls_back(&desc, "grow writes Number", b);
        desc.system = &whole;
        falls_back(&desc, "whole is exclusive", b);
        desc.system = &biased;
        falls_back(&desc, "biased writes Bias", b);
        desc.system = &seeker;
        falls_back(&desc, "seeker looks up Side", b);
        desc = system_desc(&look, "watch");
        desc.name = "look";
        desc.main_thread = true;
        desc.run_if = NULL;
        desc.disabled = true;
        falls_back(&desc, "look runs on the main thread", b);
        desc.main_thread = false;
        desc.step_s = 0.25f;
        falls_back(&desc, "look has a fixed step", b);
        desc.step_s = 0;
        desc.phase = ECS_LAST;
        falls_back(&desc, "look is in another phase", b);
    }
}

TEST(group_that_reads_a_type_with_hooks_falls_back)
{
    ecs_world *world = make(2);
    uint32_t ended = 0;
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = owned_destroy;
    hooks.user = &ended;
    add_group(world, "watch", 1, 1);
    add(world, &owner, "watch");
    ticks(world, 1);
    CHECK(state_of(world, "watch").asynchronous);
    CHECK_STATUS(ecs_component_hooks(world, ecs_component_id(world, Owned), &hooks), ECS_LOCKED);
    CHECK_STATUS(ecs_group_enable(world, "watch", false), ECS_OK);
    ticks(world, 1);
    CHECK_STATUS(ecs_component_hooks(world, ecs_component_id(world, Owned), &hooks), ECS_OK);
    ticks(world, 1);
    CHECK(!state_of(world, "watch").asynchronous);
    CHECK_CONTAINS(logged, "owner reads a type with hooks, Owned");
    ecs_world_destroy(world);
}

/* One that comes after another system of its phase would have to be launched in the middle. */
TEST(group_after_another_system_of_its_phase_falls_back)
{
    ecs_world *world = make(0);
    ecs_system_desc desc = system_desc(&clocked, "watch");
    add_group(world, "watch", 1, 1);
    add(world, &grow, NULL);
    desc.after[0] = "grow";
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    ticks(world, 1);
    CHECK(!state_of(world, "watch").asynchronous);
    CHECK_CONTAINS(logged, "clocked comes after another system of its phase, grow");
    CHECK_EQ_U64(side_max(world), 1);
    ecs_world_destroy(world);
    /* To come before it is what it does anyway. */
    world = make(0);
    desc.after[0] = NULL;
    desc.before[0] = "grow";
    add_group(world, "watch", 1, 1);
    add(world, &grow, NULL);
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    ticks(world, 1);
    CHECK(state_of(world, "watch").asynchronous);
    ecs_world_destroy(world);
}

/* The systems of a launch run at the same time: they cannot have an order. */
TEST(group_whose_systems_have_an_order_falls_back)
{
    ecs_world *world = make(2);
    ecs_system_desc desc = system_desc(&clocked, "watch");
    add_group(world, "watch", 1, 1);
    desc.after[0] = "look";
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    desc = system_desc(&look, "watch");
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
    CHECK(!state_of(world, "watch").asynchronous);
    CHECK_CONTAINS(logged, "clocked comes after another system of its phase, look");
    CHECK_STATUS(ecs_system_remove(world, "look"), ECS_OK);
    desc.after[0] = "clocked";
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_schedule_build(world), ECS_CYCLE);
    ecs_world_destroy(world);
}

TEST(group_with_too_many_systems_falls_back)
{
    ecs_world *world = make(2);
    char names[ECS_GROUP_SYSTEMS_MAX + 1][8];
    add_group(world, "watch", 1, 1);
    for (uint32_t i = 0; i <= ECS_GROUP_SYSTEMS_MAX; i++) {
        ecs_system_desc desc = system_desc(&clocked, "watch");
        CHECK(i == 0 || state_of(world, "watch").asynchronous);
        (void)snprintf(names[i], sizeof names[i], "s%u", i);
        desc.name = names[i];
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        ticks(world, 1);
    }
    CHECK(!state_of(world, "watch").asynchronous);
    CHECK_CONTAINS(logged, "s16 is one too many");
    ecs_world_destroy(world);
}

/* ---- order ------------------------------------------------------------------------------ */

static char order[64];

ECS_SYSTEM(noter, RES_WRITE(Bias))
{
    size_t at = strlen(order);
    order[at] = *(const char *)view->user;
    order[at + 1] = 0;
    return ECS_OK;
}

static void add_noter(ecs_world *world, const char *name, const char *group, ecs_phase phase)
{
    ecs_system_desc desc = system_desc(&noter, group);
    desc.name = name;
    desc.phase = phase;
    desc.user = (void *)(uintptr_t)name;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

TEST(group_order_is_a_barrier_between_all_systems_of_two)
{
    ecs_world *world = make(0);
    ecs_group_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "early";
    desc.before[0] = "late";
    desc.before[1] = "empty"; /* nobody there yet */
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    memset(&desc, 0, sizeof desc);
    desc.name = "late";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    desc.name = "empty";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    desc.name = "last";
    desc.after[0] = "late";
    desc.after[1] = "z"; /* a system */
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "l", "last", ECS_UPDATE);
    add_noter(world, "a", "late", ECS_UPDATE);
    add_noter(world, "b", "late", ECS_UPDATE);
    add_noter(world, "z", NULL, ECS_UPDATE);
    add_noter(world, "c", "early", ECS_UPDATE);
    add_noter(world, "d", "early", ECS_UPDATE);
    add_noter(world, "p", "early", ECS_POST_UPDATE); /* in a phase of its own: no order there */
    order[0] = 0;
    ticks(world, 1);
    CHECK_STR(order, "cdabzlp");
    ecs_world_destroy(world);
}

TEST(group_names_stand_in_a_systems_lists)
{
    ecs_world *world = make(0);
    ecs_group_desc desc;
    ecs_system_desc system = system_desc(&noter, NULL);
    memset(&desc, 0, sizeof desc);
    desc.name = "pair";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "a", "pair", ECS_UPDATE);
    add_noter(world, "b", "pair", ECS_UPDATE);
    system.name = "x";
    system.user = (void *)(uintptr_t)"x";
    system.before[0] = "pair";
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    order[0] = 0;
    ticks(world, 1);
    CHECK_STR(order, "xab");
    ecs_world_destroy(world);
}

static void refused(ecs_world *world, ecs_status status, const char *text)
{
    char found[4096];
    CHECK_STATUS(ecs_tick(world, 1.0f), status);
    CHECK_STATUS(ecs_schedule_validate(world, found, sizeof found), status);
    CHECK_CONTAINS(found, text);
    ecs_world_destroy(world);
}

TEST(group_that_depends_on_itself_is_refused)
{
    ecs_group_desc desc;
    ecs_system_desc system = system_desc(&noter, "pair");
    ecs_world *world = make(0);
    memset(&desc, 0, sizeof desc);
    desc.name = "pair";
    desc.after[0] = "pair";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "a", "pair", ECS_UPDATE);
    refused(world, ECS_CYCLE, "error: group pair: 'after' names itself");
    world = make(0);
    desc.after[0] = "a";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "a", "pair", ECS_UPDATE);
    refused(world, ECS_CYCLE, "error: group pair: 'after' names one of its own systems");
    world = make(0);
    desc.after[0] = NULL;
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    system.before[0] = "pair";
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    refused(world, ECS_CYCLE, "error: system noter: 'before' names its own group pair");
    /* Two groups, each before the other. */
    world = make(0);
    desc.before[0] = "other";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    desc.name = "other";
    desc.before[0] = "pair";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "a", "pair", ECS_UPDATE);
    add_noter(world, "b", "other", ECS_UPDATE);
    refused(world, ECS_CYCLE, "error: cycle: a -> b -> a");
}

TEST(group_names_that_nobody_has_are_refused)
{
    ecs_group_desc desc;
    ecs_system_desc system = system_desc(&noter, NULL);
    ecs_world *world = make(0);
    memset(&desc, 0, sizeof desc);
    desc.name = "pair";
    desc.after[0] = "lost";
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 1.0f), ECS_OK); /* it has no systems yet */
    add_noter(world, "a", "pair", ECS_UPDATE);
    refused(world, ECS_NOT_FOUND, "error: group pair: 'after' names lost, and no system or group");
    world = make(0);
    desc.after[0] = NULL;
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "a", "pair", ECS_UPDATE);
    system.phase = ECS_LAST;
    system.after[0] = "pair";
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    refused(world, ECS_NOT_FOUND,
            "error: system noter of phase last: 'after' names the group pair, which has no system");
    /* Of a system that runs beside the ticks as well. */
    world = make(0);
    add_group(world, "watch", 1, 1);
    system = system_desc(&look, "watch");
    system.before[0] = "lost";
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    refused(world, ECS_NOT_FOUND, "error: system look: 'before' names lost");
}

TEST(group_names_are_told_from_all_others)
{
    ecs_world *world = make(0);
    ecs_group_desc desc = group_desc("one", 1, 1);
    ecs_system_desc system = system_desc(&noter, "none");
    CHECK_STATUS(ecs_group_add(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_group_add(world, &desc), ECS_EXISTS);
    CHECK_STATUS(ecs_system_add_desc(world, &system), ECS_NOT_FOUND);
    system.group = "one";
    system.name = "one";
    CHECK_STATUS(ecs_system_add_desc(world, &system), ECS_EXISTS);
    system.name = "two";
    CHECK_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    desc.name = "two";
    CHECK_STATUS(ecs_group_add(world, &desc), ECS_EXISTS);
    desc.name = "three";
    desc.depth = ECS_LAUNCHES_MAX + 1;
    CHECK_STATUS(ecs_group_add(world, &desc), ECS_TOO_LARGE);
    CHECK_STATUS(ecs_group_enable(world, "three", true), ECS_NOT_FOUND);
    CHECK_EQ_U64(ecs_group_last(world, "three").number, 0);
    ecs_world_destroy(world);
}

/* ---- policies --------------------------------------------------------------------------- */

static uint32_t fails;  /* tries that fail from now on */
static ecsi_atomic_u32 tried;

ECS_SYSTEM(fragile, READ(Number))
{
    uint32_t now = view->base == 0 ? ECSI_ADD(&tried, 1u, relaxed) + 1 : ECSI_LOAD(&tried, relaxed);
    ecs_cmd_set(view->cmd, view->entities[0], Side, {view->base + now});
    return now <= fails && view->base == 64 ? ECS_FAILED : ECS_OK;
}

static void arm(uint32_t count)
{
    fails = count;
    ECSI_STORE(&tried, 0u, relaxed);
}

static uint32_t side_count(ecs_world *world)
{
    uint32_t count = 0;
    ECS_EACH(world, sides, view) count += view->count;
    return count;
}

TEST(group_failure_counts_when_its_results_come)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        const ecs_tick_report *report = ecs_tick_last(world);
        add_group(world, "watch", 2, 1);
        add(world, &fragile, "watch");
        add_noter(world, "n", NULL, ECS_UPDATE);
        add_noter(world, "m", NULL, ECS_LAST);
        arm(1);
        ticks(world, 2);
        order[0] = 0;
        CHECK_STATUS(ecs_tick(world, 1.0f), ECS_FAILED);
        CHECK_STR(order, "n"); /* the phase finishes, and the tick ends */
        CHECK_EQ_U64(report->failure_count, 1);
        CHECK_STR(report->failures[0].system, "fragile");
        CHECK_STR(report->failures[0].phase, "update");
        CHECK_EQ_U64(report->failures[0].tick, 1);
        CHECK_EQ_U64(report->failures[0].row_block, 1);
        CHECK_EQ_U64(side_count(world), 0); /* dropped, that of all row blocks */
        CHECK_EQ_U64(report->commands_dropped, 5);
        ticks(world, 2);
        CHECK_EQ_U64(side_count(world), 5);
        ecs_world_destroy(world);
    }
}

TEST(group_hands_its_policy_down)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 1, 1);
        ecs_system_desc own = system_desc(&fragile, "watch");
        ecs_system_state state;
        desc.on_error = ECS_SKIP;
        desc.breaker_failures = 2;
        desc.breaker_ticks = 3;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        REQUIRE_STATUS(ecs_system_add_desc(world, &own), ECS_OK);
        arm(100);
        ticks(world, 3); /* launched in 1 and 2, the second one breaks it */
        REQUIRE_STATUS(ecs_system_state_get(world, "fragile", &state), ECS_OK);
        CHECK(state.broken);
        CHECK_EQ_U64(state.breaks, 1);
        CHECK_EQ_U64(state.failures, 2);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 1);
        CHECK(ecs_tick_last(world)->failures[0].broken);
        arm(0);
        ticks(world, 6); /* a probe goes well */
        REQUIRE_STATUS(ecs_system_state_get(world, "fragile", &state), ECS_OK);
        CHECK(!state.broken);
        CHECK_EQ_U64(state.failures, 2);
        CHECK(state.runs > 4);
        ecs_world_destroy(world);
    }
}

TEST(group_policy_does_not_win_over_a_systems_own)
{
    ecs_world *world = make(0);
    ecs_group_desc desc;
    ecs_system_desc own = system_desc(&fragile, "plain");
    memset(&desc, 0, sizeof desc);
    desc.name = "plain";
    desc.on_error = ECS_FAIL_FAST;
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    own.on_error = ECS_SKIP;
    REQUIRE_STATUS(ecs_system_add_desc(world, &own), ECS_OK);
    arm(100);
    CHECK_STATUS(ecs_tick(world, 1.0f), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 1);
    ecs_world_destroy(world);
}

TEST_DEATH(group_whose_retries_a_system_does_not_stand_asserts)
{
    ecs_world *world = make(0);
    ecs_group_desc desc = group_desc("watch", 1, 1);
    ecs_system_desc own = system_desc(&fragile, "watch");
    desc.on_error = ECS_RETRY;
    (void)ecs_group_add(world, &desc);
    (void)ecs_system_add_desc(world, &own);
}

TEST(group_retries_at_once_on_the_same_copies)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 1, 1);
        ecs_system_desc own = system_desc(&fragile, "watch");
        const ecs_tick_report *report = ecs_tick_last(world);
        own.idempotent = true;
        desc.on_error = ECS_RETRY;
        desc.retries = 20;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        REQUIRE_STATUS(ecs_system_add_desc(world, &own), ECS_OK);
        arm(18);
        ticks(world, 1);
        CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&tried, relaxed), 19);
        ticks(world, 1);
        CHECK_EQ_U64(report->failure_count, 16); /* as many as a report keeps */
        CHECK_EQ_U64(report->failures_lost, 2);
        CHECK_EQ_U64(report->failures[3].attempt, 3);
        CHECK(report->failures[15].again);
        CHECK_EQ_U64(report->commands_dropped, 18 * 5);
        CHECK_EQ_U64(report->systems_run, 19);
        CHECK_EQ_U64(side_count(world), 5);
        CHECK_EQ_U64(side_max(world), 256 + 19);
        ecs_world_destroy(world);
    }
}

/* Another status for the last try, behind more than a report keeps. */
ECS_SYSTEM(ends_badly, READ(Number))
{
    uint32_t now = view->base == 0 ? ECSI_ADD(&tried, 1u, relaxed) + 1 : 0;
    return now == 0 ? ECS_OK : now == 21 ? ECS_TIMEOUT : ECS_FAILED;
}

TEST(group_that_fails_for_good_says_how_its_last_try_did)
{
    for (uint32_t b = 0; b < 2 * BACKENDS; b++) {
        ecs_world *world = make(b / 2);
        ecs_group_desc desc = group_desc("watch", 1, 1);
        ecs_system_desc own = system_desc(&ends_badly, "watch");
        ecs_system_state state;
        own.idempotent = true;
        own.unsplit = true;
        desc.asynchronous = b % 2 == 0; /* the same as in a synchronous one */
        desc.on_error = ECS_RETRY;
        desc.retries = 20;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        REQUIRE_STATUS(ecs_system_add_desc(world, &own), ECS_OK);
        arm(0);
        if (desc.asynchronous) ticks(world, 1);
        CHECK_STATUS(ecs_tick(world, 1.0f), ECS_TIMEOUT);
        CHECK_EQ_U64(ecs_tick_last(world)->failures_lost, 5);
        REQUIRE_STATUS(ecs_system_state_get(world, "ends_badly", &state), ECS_OK);
        CHECK_STATUS(state.last, ECS_TIMEOUT);
        ecs_world_destroy(world);
    }
}

TEST(group_retries_later_with_a_new_launch)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 1, 1);
        ecs_system_desc own = system_desc(&fragile, "watch");
        own.idempotent = true;
        desc.on_error = ECS_RETRY;
        desc.retry_ticks = 2;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        REQUIRE_STATUS(ecs_system_add_desc(world, &own), ECS_OK);
        arm(1);
        ticks(world, 3); /* launched in 1, failed in 2, waits in 2 and 3 */
        CHECK_EQ_U64(state_of(world, "watch").launched, 2);
        ticks(world, 1);
        CHECK_EQ_U64(side_count(world), 5);
        ecs_world_destroy(world);
    }
}

/* Launches that were under way when the breaker opened fail as well: they only count. */
TEST(group_breaker_opens_once_for_all_that_is_under_way)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 4, 4);
        ecs_system_state state;
        desc.on_error = ECS_SKIP;
        desc.breaker_failures = 1;
        desc.breaker_ticks = 10;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        add(world, &fragile, "watch");
        arm(100);
        ticks(world, 8);
        REQUIRE_STATUS(ecs_system_state_get(world, "fragile", &state), ECS_OK);
        CHECK(state.broken);
        CHECK_EQ_U64(state.breaks, 1);
        CHECK_EQ_U64(state.failures, 4);
        CHECK_EQ_U64(state.runs, 4);
        CHECK_EQ_U64(state_of(world, "watch").launched, 4);
        ecs_world_destroy(world);
    }
}

ECS_SYSTEM(slow, READ(Number))
{
    uint64_t until = ecsi_clock_ns() + 2000000;
    while (view->base == 0 && ecsi_clock_ns() < until) continue;
    ecs_cmd_set(view->cmd, view->entities[0], Side, {1});
    return ECS_OK;
}

TEST(group_budget_counts_and_fails)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 1, 1);
        ecs_system_state state;
        desc.on_error = ECS_SKIP;
        desc.budget_ns = 1000000;
        desc.budget_fails = true;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        add(world, &slow, "watch");
        ticks(world, 2);
        CHECK_EQ_U64(ecs_tick_last(world)->overruns, 1);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 1);
        CHECK(ecs_tick_last(world)->failures[0].status == ECS_TIMEOUT);
        CHECK_EQ_U64(side_count(world), 0);
        REQUIRE_STATUS(ecs_system_state_get(world, "slow", &state), ECS_OK);
        CHECK_EQ_U64(state.overruns, 1);
        CHECK(state.overrun_ns > 900000);
        ecs_world_destroy(world);
    }
}

/* ---- switches --------------------------------------------------------------------------- */

TEST(group_switch_and_that_of_its_systems)
{
    ecs_world *world = make(0);
    ecs_group_desc desc;
    ecs_system_state state;
    memset(&desc, 0, sizeof desc);
    desc.name = "pair";
    desc.disabled = true;
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add_noter(world, "a", "pair", ECS_UPDATE);
    add_noter(world, "b", "pair", ECS_UPDATE);
    order[0] = 0;
    ticks(world, 1);
    CHECK_STR(order, "");
    CHECK_STATUS(ecs_system_enable(world, "a", false), ECS_OK);
    CHECK_STATUS(ecs_system_enable(world, "b", true), ECS_OK);
    REQUIRE_STATUS(ecs_system_state_get(world, "b", &state), ECS_OK);
    CHECK(!state.enabled);
    ticks(world, 1);
    CHECK_STR(order, "");
    CHECK_STATUS(ecs_group_enable(world, "pair", true), ECS_OK);
    ticks(world, 1);
    CHECK_STR(order, "b");
    CHECK_STATUS(ecs_system_enable(world, "a", true), ECS_OK);
    ticks(world, 1);
    CHECK_STR(order, "bab");
    CHECK_STATUS(ecs_group_enable(world, "pair", false), ECS_OK);
    CHECK(!state_of(world, "pair").enabled);
    ticks(world, 1);
    CHECK_STR(order, "bab");
    ecs_world_destroy(world);
}

TEST(group_that_is_disabled_still_gets_its_results)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        add_group(world, "watch", 2, 2);
        add(world, &look, "watch");
        ticks(world, 2);
        CHECK_STATUS(ecs_group_enable(world, "watch", false), ECS_OK);
        ticks(world, 3);
        CHECK_EQ_U64(state_of(world, "watch").launched, 2);
        CHECK_EQ_U64(state_of(world, "watch").applied, 2);
        CHECK_EQ_U64(side_count(world), ROWS);
        ecs_world_destroy(world);
    }
}

/* ---- futures ---------------------------------------------------------------------------- */

TEST(group_future_can_be_polled_and_waited_for)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_launch launch;
        add_group(world, "watch", 3, 1);
        add(world, &slow, "watch");
        CHECK_EQ_U64(ecs_group_last(world, "watch").number, 0);
        ticks(world, 1);
        launch = ecs_group_last(world, "watch");
        CHECK_EQ_U64(launch.number, 1);
        CHECK_STATUS(ecs_launch_wait(world, launch), ECS_OK);
        CHECK(ecs_launch_ended(world, launch));
        CHECK_EQ_U64(side_count(world), 0); /* its tick has not come */
        ticks(world, 3);
        CHECK_EQ_U64(side_count(world), 5);
        CHECK(ecs_launch_ended(world, launch));
        CHECK_STATUS(ecs_launch_wait(world, launch), ECS_OK);
        launch.number = 100;
        CHECK_STATUS(ecs_launch_wait(world, launch), ECS_INVALID);
        launch.number = 0;
        CHECK_STATUS(ecs_launch_wait(world, launch), ECS_INVALID);
        launch.group = 7;
        CHECK_STATUS(ecs_launch_wait(world, launch), ECS_INVALID);
        ecs_world_destroy(world);
    }
}

typedef struct waiting {
    ecs_world *world;
    ecsi_atomic_u32 status;
    ecsi_atomic_u32 ran;
} waiting;

ECS_SYSTEM(waits_for_itself, READ(Number))
{
    waiting *w = (waiting *)view->user;
    ecs_launch launch = {1, 1};
    if (view->base > 0) return ECS_OK;
    ECSI_STORE(&w->status, (uint32_t)ecs_launch_wait(w->world, launch), relaxed);
    ECSI_STORE(&w->ran, 1u, relaxed);
    return ECS_OK;
}

TEST(group_future_cannot_be_waited_for_inside_of_it)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_system_desc desc = system_desc(&waits_for_itself, "watch");
        waiting w;
        memset(&w, 0, sizeof w);
        w.world = world;
        desc.user = &w;
        add_group(world, "watch", 1, 1);
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        ticks(world, 2);
        CHECK_EQ_U64(ECSI_LOAD(&w.ran, relaxed), 1);
        CHECK(ECSI_LOAD(&w.status, relaxed) == (uint32_t)ECS_LOCKED);
        ecs_world_destroy(world);
    }
}

ECS_SYSTEM(waits_often, READ(Number))
{
    waiting *w = (waiting *)view->user;
    ecs_launch launch = {1, 1};
    for (uint32_t i = 0; i < 200; i++) {
        CHECK_STATUS(ecs_launch_wait(w->world, launch), ECS_LOCKED);
    }
    return ECS_OK;
}

/* The list of groups may move while somebody asks whether he is in one. */
TEST(group_can_be_added_while_another_one_waits_for_itself)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_system_desc desc = system_desc(&waits_often, "watch");
        waiting w;
        memset(&w, 0, sizeof w);
        w.world = world;
        desc.user = &w;
        add_group(world, "watch", 4, 4);
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        for (uint32_t t = 0; t < 40; t++) {
            char name[16];
            (void)snprintf(name, sizeof name, "more%u", t);
            ticks(world, 1);
            add_group(world, name, 1, 1);
        }
        ecs_world_destroy(world);
    }
}

static ecs_status waited;

ECS_EXCLUSIVE(waits_for_others)
{
    (void)view;
    waited = ecs_launch_wait(world, ecs_group_last(world, "watch"));
    return ECS_OK;
}

TEST(group_future_can_be_waited_for_in_an_exclusive_system)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        add_group(world, "watch", 1, 1);
        add(world, &slow, "watch");
        add(world, &waits_for_others, NULL);
        waited = ECS_FAILED;
        ticks(world, 1);
        CHECK_STATUS(waited, ECS_OK);
        CHECK(ecs_launch_ended(world, ecs_group_last(world, "watch")));
        ecs_world_destroy(world);
    }
}

TEST(group_applied_when_ready_comes_by_itself)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("watch", 0, 1);
        desc.when_ready = true;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        add(world, &slow, "watch");
        ticks(world, 1);
        CHECK_EQ_U64(side_count(world), 0);
        CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
        ticks(world, 1);
        CHECK_EQ_U64(side_count(world), 5);
        CHECK_EQ_U64(state_of(world, "watch").waited, 0);
        ecs_world_destroy(world);
    }
}

/* ---- what is copied --------------------------------------------------------------------- */

static uint64_t heard;
static uint64_t bias_seen;

ECS_SYSTEM(listener, RES_READ(Bias), ON(Ping), EMIT(Pong))
{
    CHECK_EQ_U64(view->count, 0);
    CHECK(view->entities == NULL);
    heard += ecs_on_count(view, Ping);
    bias_seen = ecs_res_read(view, Bias)->value;
    for (uint32_t i = 0; i < ecs_on_count(view, Ping); i++) {
        (void)ecs_emit(view, Pong, {ecs_on(view, Ping)[i].value * 2});
    }
    return ECS_OK;
}

TEST(group_copies_resources_and_events_as_they_were)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        ecs_event_reader reader = ecs_event_reader_open(world, Pong);
        ecs_events pongs;
        heard = 0;
        add_group(world, "watch", 2, 1);
        ecs_resource_set(world, Bias, {7});
        add(world, &listener, "watch");
        ecs_event_send(world, Ping, {1});
        ecs_event_send(world, Ping, {2});
        ticks(world, 1);
        ecs_resource_set(world, Bias, {8});
        ecs_event_send(world, Ping, {3});
        CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
        CHECK_EQ_U64(heard, 2);
        CHECK_EQ_U64(bias_seen, 7);
        CHECK_EQ_U64(ecs_event_read(world, reader).count, 0);
        ticks(world, 2);
        pongs = ecs_event_read(world, reader);
        CHECK_EQ_U64(pongs.count, 2);
        CHECK_EQ_U64(((const Pong *)pongs.data)[1].value, 4);
        CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
        CHECK_EQ_U64(heard, 3); /* each once */
        CHECK_EQ_U64(bias_seen, 8);
        ecs_world_destroy(world);
    }
}

ECS_SYSTEM(breeds, READ(Number))
{
    ecs_entity first = ecs_cmd_spawn_with(view->cmd, (Side, {view->base}));
    ecs_entity second = ecs_cmd_spawn(view->cmd);
    CHECK(ecs_is_provisional(first));
    CHECK_STATUS(ecs_cmd_set(view->cmd, second, Side, {view->base + 1}), ECS_OK);
    CHECK_STATUS(ecs_cmd_despawn(view->cmd, view->entities[0]), ECS_OK);
    return ECS_OK;
}

TEST(group_spawns_and_ends_through_commands)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        uint64_t sum = 0;
        add_group(world, "watch", 1, 1);
        add(world, &breeds, "watch");
        ticks(world, 1);
        CHECK_EQ_U64(ecs_entity_count(world), ROWS);
        CHECK_STATUS(ecs_group_enable(world, "watch", false), ECS_OK);
        ticks(world, 1);
        CHECK_EQ_U64(ecs_entity_count(world), ROWS + 5);
        ECS_EACH(world, side_only, view) {
            for (uint32_t i = 0; i < view->count; i++) sum += ecs_read(view, Side)[i].value;
        }
        CHECK_EQ_U64(sum, 2 * (0 + 64 + 128 + 192 + 256) + 5);
        ecs_world_destroy(world);
    }
}

/* ---- coming and going ------------------------------------------------------------------- */

TEST(group_system_that_goes_away_leaves_its_commands)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = make(b);
        add_group(world, "watch", 2, 2);
        add(world, &look, "watch");
        add(world, &fragile, "watch");
        arm(100);
        ticks(world, 2);
        CHECK_STATUS(ecs_system_remove(world, "look"), ECS_OK);
        CHECK_STATUS(ecs_system_remove(world, "fragile"), ECS_OK); /* and its failure */
        ticks(world, 3);
        CHECK_EQ_U64(side_count(world), ROWS);
        CHECK_EQ_U64(state_of(world, "watch").applied, 2);
        CHECK_EQ_U64(state_of(world, "watch").systems, 0);
        CHECK_EQ_U64(ecs_tick_last(world)->failure_count, 0);
        ecs_world_destroy(world);
    }
}

static void owned_copy(void *to, const void *from, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        ((Owned *)to)[i].data = ((const Owned *)from)[i].data != NULL ? malloc(8) : NULL;
    }
}

static void owned_move(void *to, void *from, uint32_t count, void *user)
{
    (void)user;
    memcpy(to, from, count * sizeof(Owned));
}

static void owned_free(void *values, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) free(((Owned *)values)[i].data);
}

/* Records values with hooks; what a spawn had to undo ends as well. */
ECS_SYSTEM(gives, READ(Number))
{
    char something;
    Owned owned = {&something};
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_cmd_set_type(view->cmd, view->entities[i], ecs_type_of(Owned), &owned);
        if (i % 16 == 0) (void)ecs_cmd_spawn_with(view->cmd, (Owned, {&something}), (Side, {1}));
    }
    return fails > 0 && view->base == 0 ? ECS_FAILED : ECS_OK;
}

static ecs_world *with_owned(uint32_t backend, uint32_t after, uint32_t depth)
{
    ecs_world *world = make(backend);
    ecs_component owned;
    ecs_hooks hooks;
    ecs_group_desc desc = group_desc("watch", after, depth);
    memset(&hooks, 0, sizeof hooks);
    hooks.copy = owned_copy;
    hooks.move = owned_move;
    hooks.destroy = owned_free;
    desc.on_error = ECS_SKIP;
    desc.command_bytes_max = 8192; /* not all of it fits */
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Owned), &owned), ECS_OK);
    CHECK_STATUS(ecs_component_hooks(world, owned, &hooks), ECS_OK);
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add(world, &gives, "watch");
    return world;
}

TEST(group_values_with_hooks_end_once)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        ecs_world *world = with_owned(b, 1, 1);
        fails = 0;
        ticks(world, 4);
        CHECK(ecs_tick_last(world)->commands_refused > 0);
        fails = 1;
        ticks(world, 4);
        CHECK(ecs_tick_last(world)->commands_dropped > 0);
        ecs_world_destroy(world);
    }
}

TEST(group_under_way_when_the_world_ends)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (uint32_t round = 0; round < 20; round++) {
            ecs_world *world = with_owned(b, 5, 4);
            add_group(world, "other", 3, 2);
            add(world, &slow, "other");
            fails = round % 2;
            ticks(world, 1 + round % 4);
            ecs_world_destroy(world);
        }
    }
}

TEST(group_waits_for_its_tick_when_one_is_cancelled)
{
    ecs_world *world = make(2);
    add_group(world, "watch", 1, 1);
    add(world, &look, "watch");
    ticks(world, 1);
    ecs_tick_cancel(world);
    CHECK_STATUS(ecs_tick(world, 1.0f), ECS_CANCELLED);
    CHECK_EQ_U64(side_count(world), 0);
    ticks(world, 1);
    CHECK_EQ_U64(side_count(world), ROWS);
    ecs_world_destroy(world);
}

/* ---- memory ----------------------------------------------------------------------------- */

TEST(group_in_fixed_memory_takes_its_share_and_no_more)
{
    for (uint32_t b = 0; b < BACKENDS; b += 2) {
        ecs_world_desc desc = world_desc(b);
        ecs_group_desc group = group_desc("watch", 1, 1);
        ecs_world *world;
        size_t bytes;
        desc.memory = ECS_MEMORY_FIXED;
        desc.groups_max = 3;
        desc.group_bytes_max = 400000;
        world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        bytes = ecs_world_stats(world).bytes_allocated;
        for (uint32_t i = 0; i < ROWS; i++) ecs_spawn_with(world, (Number, {i}));
        group.copy_bytes_max = 30000;
        group.command_bytes_max = 40000;
        CHECK_STATUS(ecs_group_add(world, &group), ECS_OK);
        group.name = "second";
        group.copy_bytes_max = 1000000;
        CHECK_STATUS(ecs_group_add(world, &group), ECS_FULL);
        group.copy_bytes_max = 30000;
        group.command_bytes_max = (size_t)1 << 30;
        CHECK_STATUS(ecs_group_add(world, &group), ECS_TOO_LARGE);
        group.command_bytes_max = 40000;
        CHECK_STATUS(ecs_group_add(world, &group), ECS_OK);
        group.name = "third";
        group.asynchronous = false;
        CHECK_STATUS(ecs_group_add(world, &group), ECS_OK);
        group.name = "fourth";
        CHECK_STATUS(ecs_group_add(world, &group), ECS_FULL);
        add(world, &look, "watch");
        add(world, &grow, NULL);
        add(world, &breeds, "second");
        ticks(world, 50);
        CHECK(state_of(world, "watch").applied > 40);
        CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, bytes);
        ecs_world_destroy(world);
    }
}

static int64_t alloc_left;
static int64_t alloc_live;

static void *few_alloc(size_t bytes, size_t align, void *user)
{
    void *memory = NULL;
    (void)user;
    if (alloc_left-- <= 0) return NULL;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, bytes) != 0) {
        return NULL;
    }
    alloc_live++;
    return memory;
}

static void few_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    (void)user;
    alloc_live--;
    free(memory);
}

typedef struct { _Alignas(1024) uint64_t value; } Wide;
ECS_COMPONENT(Wide, value);

ECS_SYSTEM(looks_wide, READ(Wide), READ(Number))
{
    const Wide *wide = ecs_read(view, Wide);
    CHECK((uintptr_t)wide % 1024 == 0);
    CHECK_EQ_U64(wide[0].value, 7 + view->base);
    return ECS_OK;
}

/* Memory so many bytes behind a round address. */
static size_t shift;

static void *shifted_alloc(size_t bytes, size_t align, void *user)
{
    unsigned char *memory = NULL;
    (void)user;
    if (posix_memalign((void **)&memory, 4096, bytes + 8192) != 0) return NULL;
    memory += align > 64 ? 4096 : 64 + shift;
    ((void **)(void *)memory)[-1] = memory - (align > 64 ? 4096 : 64 + shift);
    return memory;
}

static void shifted_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    (void)user;
    if (memory != NULL) free(((void **)memory)[-1]);
}

/* Whether copies fit does not depend on where their memory lies. */
TEST(group_copies_need_the_same_room_at_every_address)
{
    for (uint32_t kib = 132; kib < 142; kib++) {
        uint64_t launched = 0;
        for (shift = 0; shift < 1024; shift += 192) {
            ecs_world_desc desc = world_desc(0);
            ecs_allocator allocator = {shifted_alloc, NULL, shifted_release, NULL};
            ecs_group_desc group = group_desc("watch", 1, 1);
            ecs_world *world;
            desc.allocator = &allocator;
            world = ecs_world_create(&desc);
            REQUIRE(world != NULL);
            for (uint32_t i = 0; i < 130; i++) {
                ecs_spawn_with(world, (Number, {i}), (Wide, {7 + i}));
            }
            group.copy_bytes_max = kib * 1024;
            REQUIRE_STATUS(ecs_group_add(world, &group), ECS_OK);
            add(world, &looks_wide, "watch");
            ticks(world, 2);
            if (shift == 0) launched = state_of(world, "watch").launched;
            CHECK_EQ_U64(state_of(world, "watch").launched, launched);
            ecs_world_destroy(world);
        }
        CHECK(kib > 132 || launched == 0);
        CHECK(kib < 141 || launched > 0);
    }
}

TEST(group_whose_memory_is_refused_leaves_nothing)
{
    bool done = false;
    for (uint32_t n = 0; n < 200 && !done; n++) {
        ecs_world_desc desc = world_desc(0);
        ecs_allocator allocator = {few_alloc, NULL, few_release, NULL};
        ecs_group_desc group = group_desc("watch", 1, 2);
        ecs_world *world;
        ecs_status status;
        alloc_left = INT64_MAX;
        desc.allocator = &allocator;
        world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        alloc_left = n;
        status = ecs_group_add(world, &group);
        done = status == ECS_OK;
        CHECK(done || status == ECS_NO_MEMORY);
        alloc_left = INT64_MAX;
        CHECK_STATUS(ecs_group_add(world, &group), done ? ECS_EXISTS : ECS_OK);
        add(world, &look, "watch");
        ticks(world, 3);
        ecs_world_destroy(world);
        CHECK(alloc_live == 0);
    }
    CHECK(done);
}

ECS_SYSTEM(fills, READ(Number))
{
    for (uint32_t i = 0; i < view->count * 20; i++) {
        ecs_entity e = ecs_cmd_spawn(view->cmd);
        (void)ecs_cmd_set(view->cmd, e, Side, {view->tick});
    }
    return ECS_OK;
}

/* The flush finds no memory for what a launch recorded: it is kept, and so is its place. */
TEST(group_results_without_memory_are_applied_later)
{
    ecs_world_desc desc = world_desc(0);
    ecs_allocator allocator = {few_alloc, NULL, few_release, NULL};
    ecs_group_desc group = group_desc("watch", 1, 1);
    ecs_world *world;
    alloc_left = INT64_MAX;
    desc.allocator = &allocator;
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < 100; i++) (void)ecs_spawn_with(world, (Number, {i}));
    REQUIRE_STATUS(ecs_group_add(world, &group), ECS_OK);
    add(world, &fills, "watch");
    ticks(world, 1);
    alloc_left = 0;
    ticks(world, 1);
    CHECK_STATUS(ecs_tick(world, 1.0f), ECS_NO_MEMORY); /* what is recorded comes first */
    CHECK_EQ_U64(ecs_entity_count(world), 100);
    CHECK_EQ_U64(state_of(world, "watch").launched, 1);
    CHECK_EQ_U64(state_of(world, "watch").refused, 1);
    alloc_left = INT64_MAX;
    CHECK_STATUS(ecs_group_enable(world, "watch", false), ECS_OK);
    ticks(world, 1);
    CHECK_EQ_U64(ecs_entity_count(world), 100 + 2000);
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e)) {
        if (ecs_has(world, e, Side)) CHECK_EQ_U64(ecs_get(world, e, Side)->value, 1);
    }
    ecs_world_destroy(world);
    CHECK(alloc_live == 0);
}

/* ---- pools ------------------------------------------------------------------------------ */

/* More works than the pool's queue has room for. */
TEST(group_works_that_find_no_room_in_the_pool_run_all_the_same)
{
    ecs_world *world = make(2);
    char names[90][16];
    for (uint32_t i = 0; i < 90; i++) {
        ecs_system_desc desc = system_desc(&clocked, names[i]);
        char *system = names[i] + 8;
        (void)snprintf(names[i], 8, "g%u", i);
        (void)snprintf(system, 8, "s%u", i);
        add_group(world, names[i], 2, 1);
        desc.name = system;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    }
    ticks(world, 9);
    for (uint32_t i = 0; i < 90; i++) CHECK_EQ_U64(state_of(world, names[i]).applied, 4);
    ecs_world_destroy(world);
}

TEST(group_works_of_several_worlds_share_a_pool)
{
    ecs_pool_desc pool_desc;
    ecs_pool *pool;
    ecs_world *worlds[3];
    memset(&pool_desc, 0, sizeof pool_desc);
    pool_desc.workers = 3;
    pool = ecs_pool_create(&pool_desc);
    REQUIRE(pool != NULL);
    for (uint32_t i = 0; i < 3; i++) {
        ecs_world_desc desc = world_desc(2);
        desc.workers = 0;
        desc.pool = pool;
        worlds[i] = ecs_world_create(&desc);
        REQUIRE(worlds[i] != NULL);
        for (uint32_t k = 0; k < ROWS; k++) ecs_spawn_with(worlds[i], (Number, {k}));
        add_group(worlds[i], "watch", 2, 2);
        add(worlds[i], &look, "watch");
        add(worlds[i], &grow, NULL);
    }
    for (uint32_t t = 0; t < 50; t++) {
        for (uint32_t i = 0; i < 3; i++) ticks(worlds[i], 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ_U64(side_max(worlds[i]), 47 * 1000 + ROWS - 1);
        ecs_world_destroy(worlds[i]); /* two launches are under way */
    }
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

#ifndef ECS_NO_THREADS
static ecsi_atomic_u32 hold;

ECS_SYSTEM(held, READ(Number))
{
    if (view->base == 0) {
        while (ECSI_LOAD(&hold, acquire) == 1) ecsi_yield();
        ecs_cmd_set(view->cmd, view->entities[0], Side, {view->tick});
    }
    return ECS_OK;
}

/* A work that takes long keeps no tick from going on, and the pool's only thread being busy keeps
 * no other group from its results. */
TEST(group_that_is_slow_holds_nobody_up)
{
    ecs_world *world = make(2);
    ecs_group_desc desc = group_desc("watch", 0, 1);
    desc.when_ready = true;
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
    add(world, &held, "watch");
    add_group(world, "other", 1, 1);
    add(world, &clocked, "other");
    ECSI_STORE(&hold, 1u, release);
    ticks(world, 200);
    CHECK_EQ_U64(state_of(world, "watch").launched, 1);
    CHECK_EQ_U64(state_of(world, "watch").refused, 199);
    CHECK_EQ_U64(state_of(world, "other").applied, 199);
    CHECK(!ecs_launch_ended(world, ecs_group_last(world, "watch")));
    ECSI_STORE(&hold, 0u, release);
    CHECK_STATUS(ecs_launch_wait(world, ecs_group_last(world, "watch")), ECS_OK);
    ticks(world, 1);
    CHECK_EQ_U64(state_of(world, "watch").applied, 1);
    ecs_world_destroy(world);
}

static ecs_world *doomed;
static ecsi_atomic_u32 is_gone;

ECS_TASK(ends_another)
{
    (void)view;
    while (ECSI_LOAD(&hold, acquire) != 0) ecsi_yield();
    ecs_world_destroy(doomed);
    ECSI_STORE(&is_gone, 1u, release);
    return ECS_OK;
}

/* The only thread of the pool ends a world whose jobs nobody but it could take out of the pool. */
TEST(group_of_a_world_that_ends_on_the_only_thread_of_the_pool)
{
    ecs_pool_desc pool_desc;
    ecs_world_desc desc = world_desc(0);
    ecs_pool *pool;
    ecs_world *world;
    memset(&pool_desc, 0, sizeof pool_desc);
    pool_desc.workers = 2;
    pool = ecs_pool_create(&pool_desc);
    REQUIRE(pool != NULL);
    desc.backend = ECS_BACKEND_WORK_STEALING;
    desc.pool = pool;
    world = ecs_world_create(&desc);
    doomed = ecs_world_create(&desc);
    REQUIRE(world != NULL && doomed != NULL);
    add_group(world, "watch", 9, 1);
    add(world, &ends_another, "watch");
    add_group(doomed, "watch", 9, 1);
    add(doomed, &look, "watch");
    ecs_spawn_with(doomed, (Number, {1}));
    ECSI_STORE(&hold, 1u, release);
    ticks(world, 1);
    while (!ecsi_injector_empty(&pool->background)) ecsi_yield();
    ticks(doomed, 1);
    ECSI_STORE(&hold, 0u, release);
    while (ECSI_LOAD(&is_gone, acquire) == 0) ecsi_yield();
    ecs_world_destroy(world);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

typedef struct { uint64_t value; } Late;
ECS_COMPONENT(Late, value);
typedef struct { uint64_t value; } Later;
ECS_COMPONENT(Later, value);

ECS_SYSTEM(records_late, READ(Number), EMIT(Ping))
{
    for (uint32_t i = 0; i < view->count; i++) {
        Later later = {i};
        ecs_cmd_set(view->cmd, view->entities[i], Late, {i});
        (void)ecs_cmd_emit_type(view->cmd, ecs_type_of(Later), &later);
        (void)ecs_emit(view, Ping, {i});
    }
    return ECS_OK;
}

/* What is recorded, and how much of it fits, does not depend on what the world has come to know
 * before somebody begins with it: a type, an event with a quota of its own. */
TEST(group_records_the_same_whatever_is_registered_meanwhile)
{
    uint64_t want[3] = {0, 0, 0};
    for (uint32_t b = 0; b <= 2; b += 2) {
        ecs_world *world = make(b);
        ecs_group_desc desc = group_desc("blocker", 0, 1);
        const ecs_tick_report *report = ecs_tick_last(world);
        ecs_event_desc event;
        ecs_component c;
        uint64_t applied;
        memset(&event, 0, sizeof event);
        event.quota = 3;
        desc.when_ready = true;
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        add(world, &held, "blocker"); /* it has the only thread of the pool */
        desc = group_desc("watch", 1, 1);
        desc.command_bytes_max = 20000; /* not all of it fits */
        REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
        add(world, &records_late, "watch");
        CHECK_STATUS(ecs_component_register(world, ecs_type_of(Later), &c), ECS_OK);
        ECSI_STORE(&hold, b == 0 ? 0u : 1u, release);
        ticks(world, 1);
        if (b > 0) CHECK(!ecs_launch_ended(world, ecs_group_last(world, "blocker")));
        CHECK_STATUS(ecs_component_register(world, ecs_type_of(Late), &c), ECS_OK);
        CHECK_STATUS(ecs_event_configure_type(world, ecs_type_of(Later), &event), ECS_OK);
        ticks(world, 1);
        ECSI_STORE(&hold, 0u, release);
        applied = report->commands_applied - state_of(world, "blocker").applied; /* one each */
        if (b == 0) want[0] = report->commands_refused;
        if (b == 0) want[1] = applied;
        if (b == 0) want[2] = report->events_sent;
        CHECK(report->commands_refused > 0);
        CHECK_EQ_U64(report->commands_refused, want[0]);
        CHECK_EQ_U64(applied, want[1]);
        CHECK_EQ_U64(report->events_sent, want[2]);
        ecs_world_destroy(world);
    }
}

/* Types are registered while a system beside the ticks looks some up. */
ECS_SYSTEM(namer, READ(Number), EMIT(Ping))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_cmd_set(view->cmd, view->entities[i], Rare, {i});
        ecs_cmd_add(view->cmd, view->entities[i], Pong);
        (void)ecs_cmd_emit_type(view->cmd, ecs_type_of(Ping), &(Ping){i});
        if (i % 8 == 0) (void)ecs_cmd_spawn_with(view->cmd, (Rare, {1}), (Bias, {2}));
    }
    return ECS_OK;
}

TEST(group_looks_types_up_while_others_are_registered)
{
    ecs_world *world = make(2);
    char name[16];
    add_group(world, "watch", 2, 2);
    add(world, &namer, "watch");
    for (uint32_t t = 0; t < 60; t++) {
        ticks(world, 1);
        for (uint32_t i = 0; i < 4; i++) {
            ecs_type type;
            memset(&type, 0, sizeof type);
            (void)snprintf(name, sizeof name, "type%u", t * 4 + i);
            type.name = name;
            type.bytes = 8;
            type.align = 8;
            { ecs_component c; CHECK_STATUS(ecs_component_define(world, &type, &c), ECS_OK); }
        }
        if (t == 20) ecs_event_send(world, Ping, {1});
    }
    CHECK(state_of(world, "watch").applied > 50);
    ecs_world_destroy(world);
}
#endif

/* A system without a typed view takes its columns by number, in every mode. */
static ecs_status raw_run(const ecs_view *view)
{
    const Number *number = (const Number *)ecs_view_read(view, 0, ecs_type_of(Number));
    CHECK(view->world == NULL);
    for (uint32_t i = 0; i < view->count; i++) {
        CHECK(ecs_view_read(view, 0, ecs_type_of(Number)) == (const void *)number);
        ecs_cmd_set(view->cmd, view->entities[i], Side, {number[i].value});
    }
    return ECS_OK;
}

/* The schedule is built anew while it runs, and its group falls back and comes again. */
TEST(group_columns_of_raw_views_are_there_while_the_schedule_changes)
{
    for (uint32_t b = 0; b < BACKENDS; b++) {
        for (uint32_t checks = 0; checks < 2; checks++) {
            const ecs_term terms[1] = {{ecs_type_of(Number), {0}, ECS_ACCESS_READ}};
            const ecs_system raw = {"raw", terms, 1, raw_run, NULL};
            ecs_world_desc desc = world_desc(b);
            ecs_world *world;
            desc.check_access = checks == 0 ? ECS_CHECK_OFF : ECS_CHECK_REPORT;
            world = ecs_world_create(&desc);
            REQUIRE(world != NULL);
            for (uint32_t i = 0; i < ROWS; i++) ecs_spawn_with(world, (Number, {i}));
            add_group(world, "watch", 2, 2);
            add(world, &raw, "watch");
            for (uint32_t t = 0; t < 10; t++) {
                ticks(world, 1);
                add(world, &grow, "watch");
                CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
                CHECK_STATUS(ecs_system_remove(world, "grow"), ECS_OK);
                CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
            }
            CHECK_EQ_U64(side_count(world), ROWS);
            CHECK_EQ_U64(ecs_world_stats(world).access_violations, 0);
            ecs_world_destroy(world);
        }
    }
}

TEST(group_is_in_the_explained_schedule)
{
    ecs_world *world = make(0);
    char text[4096];
    add_group(world, "watch", 3, 2);
    add(world, &look, "watch");
    ticks(world, 1);
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, "group watch: 1 systems, asynchronous, launched when update begins, "
                         "applied 3 ticks later, 1 of 2 under way\n  look: READ(Number)\n");
    ecs_world_destroy(world);
}
