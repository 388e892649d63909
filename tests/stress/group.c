/* group.c: synchronous and asynchronous groups, mixed at random, for a second or for ten minutes.
 *
 * A seed makes a plan: groups with random delays, depths and policies, and systems in them that
 * read, write, spawn, end, tell, fail, and lose time at random. Two worlds follow it, one on the
 * blocking backend and one on a pool. Between ticks groups and systems are switched, removed and
 * added again, entities come and go, launches are waited for and ticks are cancelled, the same in
 * both worlds. After each tick both must have one hash, and in the end the same counters. A
 * failure names its seed: `stress.group --seed N group_replays_a_seed`. */

#define ECS_IMPLEMENTATION
#include "../test.h"

#include <sched.h>

enum { GROUPS = 6, SYSTEMS = 12, KINDS = 5, TICKS = 60, WORLDS = 2 };

typedef struct { uint64_t value; } A;
ECS_COMPONENT(A, value);
typedef struct { uint64_t value; ecs_entity ref; } B;
ECS_COMPONENT(B, value, ref);
typedef struct { uint64_t value; } C;
ECS_COMPONENT(C, value);
typedef struct { uint64_t value; } Weather;
ECS_COMPONENT(Weather, value);
typedef struct { uint64_t value; } Call;
ECS_COMPONENT(Call, value);

typedef struct {
    char name[8];
    uint32_t kind;
    uint32_t group; /* number plus one; 0: none */
    uint64_t seed;
    bool removed; /* comes back when it is drawn again */
} planned;

typedef struct {
    uint64_t seed;
    char group_names[GROUPS][8];
    planned systems[SYSTEMS];
} plan;

static plan the_plan;
static ecsi_atomic_u64 ran; /* spans on other threads than the one that ticks */
static uint64_t ticking_thread;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ (b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2))) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 29)) * 0x94d049bb133111ebu;
    return z ^ (z >> 32);
}

/* ---- Bodies ----------------------------------------------------------------------------- */

static void delay(uint64_t word)
{
    volatile uint32_t sink = 0;
    if (ecsi_thread_number() != ticking_thread) (void)ECSI_ADD(&ran, (uint64_t)1, relaxed);
    word = mix(word, ecsi_clock_ns());
    if (word % 4 == 0) {
        for (uint32_t i = 0; i < (word >> 8) % 20000; i++) sink = sink + i;
    } else if (word % 64 == 1) {
        usleep((useconds_t)((word >> 10) % 300));
    } else if (word % 8 == 2) {
        sched_yield();
    }
}

/* All that a body does is a function of its system, the tick of the launch, and what it reads. */
static ecs_status act(const planned *s, ecs_commands *cmd, uint64_t tick, ecs_entity entity,
                      uint64_t seen)
{
    uint64_t dice = mix(mix(s->seed, tick), mix(entity.bits, seen));
    switch (dice % 16) {
    case 0: {
        ecs_entity e = ecs_cmd_spawn(cmd);
        (void)ecs_cmd_set(cmd, e, A, {dice});
        (void)ecs_cmd_set(cmd, e, B, {seen, e});
        break;
    }
    case 1: (void)ecs_cmd_despawn(cmd, entity); break;
    case 2:
    case 3: (void)ecs_cmd_set(cmd, entity, C, {dice}); break;
    case 4: (void)ecs_cmd_remove(cmd, entity, C); break;
    case 5: (void)ecs_cmd_set(cmd, entity, B, {dice, entity}); break;
    default: break;
    }
    return dice % 4001 == 0 ? ECS_FAILED : ECS_OK;
}

static ecs_status act_rows(const planned *s, ecs_commands *cmd, uint64_t tick,
                           const ecs_entity *entities, const A *a, uint32_t count, uint64_t seen)
{
    ecs_status status = ECS_OK;
    delay(s->seed);
    for (uint32_t i = 0; i < count; i++) {
        ecs_status one = act(s, cmd, tick, entities[i], a[i].value + seen);
        if (one != ECS_OK) status = one;
    }
    return status;
}

ECS_SYSTEM(reads, READ(A), OPTIONAL(C))
{
    const C *c = ecs_optional(view, C);
    return act_rows((const planned *)view->user, view->cmd, view->tick, view->entities,
                    ecs_read(view, A), view->count, c != NULL ? c[0].value : 7);
}

ECS_SYSTEM(reads_more, READ(A), READ(B), RES_READ(Weather), NOT(C))
{
    return act_rows((const planned *)view->user, view->cmd, view->tick, view->entities,
                    ecs_read(view, A), view->count, ecs_res_read(view, Weather)->value);
}

ECS_SYSTEM(hears, READ(A), ON(Call), EMIT(Call))
{
    uint64_t seen = ecs_on_count(view, Call);
    for (uint32_t i = 0; i < ecs_on_count(view, Call); i++) {
        seen = mix(seen, ecs_on(view, Call)[i].value);
    }
    if (seen % 3 == 0) (void)ecs_emit(view, Call, {seen});
    return act_rows((const planned *)view->user, view->cmd, view->tick, view->entities,
                    ecs_read(view, A), view->count, seen);
}

ECS_SYSTEM(writes, WRITE(A), READ(B))
{
    A *a = ecs_write(view, A);
    const planned *s = (const planned *)view->user;
    delay(s->seed);
    for (uint32_t i = 0; i < view->count; i++) {
        a[i].value = mix(a[i].value, ecs_read(view, B)[i].value + view->tick);
    }
    return ECS_OK;
}

ECS_SYSTEM(weathers, RES_WRITE(Weather), EMIT(Call))
{
    const planned *s = (const planned *)view->user;
    delay(s->seed);
    ecs_res_write(view, Weather)->value += mix(s->seed, view->tick) % 10;
    if (view->tick % 3 == 0) (void)ecs_emit(view, Call, {view->tick});
    return ECS_OK;
}

static const ecs_system *const kinds[KINDS] = {&reads, &reads_more, &hears, &writes, &weathers};

/* ---- Plans ------------------------------------------------------------------------------- */

static void plan_make(uint64_t seed)
{
    plan *p = &the_plan;
    memset(p, 0, sizeof *p);
    p->seed = seed;
    for (uint32_t g = 0; g < GROUPS; g++) {
        (void)snprintf(p->group_names[g], sizeof p->group_names[g], "g%u", g);
    }
    for (uint32_t i = 0; i < SYSTEMS; i++) {
        planned *s = &p->systems[i];
        uint64_t dice = mix(seed, i);
        (void)snprintf(s->name, sizeof s->name, "s%u", i);
        s->kind = (uint32_t)dice % KINDS;
        s->group = (uint32_t)(dice >> 8) % (GROUPS + 1);
        /* Two of three writers stay out of groups, or all of these would fall back. */
        if (s->kind >= 3 && (dice >> 16) % 3 != 0) s->group = 0;
        s->seed = dice;
    }
}

static void add_group(ecs_world *world, uint32_t g)
{
    uint64_t dice = mix(the_plan.seed, 1000 + g);
    ecs_group_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = the_plan.group_names[g];
    desc.asynchronous = dice % 4 != 0;
    desc.apply_after = 1 + (uint32_t)(dice >> 8) % 5;
    desc.depth = 1 + (uint32_t)(dice >> 16) % 4;
    desc.on_error = (dice >> 24) % 3 == 0 ? ECS_RETRY : ECS_SKIP;
    desc.on_exhausted = ECS_SKIP;
    desc.retries = 2;
    desc.retry_ticks = (uint32_t)(dice >> 32) % 3;
    if (desc.on_error == ECS_SKIP) {
        desc.breaker_failures = (uint32_t)(dice >> 40) % 3;
        desc.breaker_ticks = 4;
    }
    desc.copy_bytes_max = (dice >> 48) % 8 == 0 ? 6000 : 0; /* too little now and then */
    if ((dice >> 52) % 8 == 0) desc.command_bytes_max = 4096;
    if (g > 0 && (dice >> 56) % 2 == 0) desc.after[0] = the_plan.group_names[g - 1];
    REQUIRE_STATUS(ecs_group_add(world, &desc), ECS_OK);
}

static void add_system(ecs_world *world, planned *s)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = kinds[s->kind];
    desc.name = s->name;
    desc.user = s;
    desc.idempotent = true;
    if (s->group > 0) {
        desc.group = the_plan.group_names[s->group - 1];
    } else {
        desc.on_error = ECS_SKIP;
    }
    desc.phase = (s->group + s->seed) % 5 == 0 ? ECS_POST_UPDATE : ECS_UPDATE;
    desc.every_ticks = (s->seed >> 20) % 3 == 0 ? 2 : 0;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

static ecs_world *make(const ecs_world_desc *desc)
{
    ecs_world *world = ecs_world_create(desc);
    REQUIRE(world != NULL);
    for (uint32_t g = 0; g < GROUPS; g++) add_group(world, g);
    for (uint32_t i = 0; i < SYSTEMS; i++) add_system(world, &the_plan.systems[i]);
    for (uint64_t i = 0; i < 300; i++) {
        (void)ecs_spawn_with(world, (A, {i}), (B, {mix(i, 3), ecs_null()}));
    }
    return world;
}

static void quiet(ecs_log_level level, const char *text, void *user)
{
    (void)level;
    (void)text;
    (void)user;
}

/* What happens between two ticks, in one world. */
static void between(ecs_world *world, uint32_t tick, bool last)
{
    uint64_t dice = mix(mix(the_plan.seed, 77), tick);
    const char *group = the_plan.group_names[dice % GROUPS];
    planned *s = &the_plan.systems[(dice >> 8) % SYSTEMS];
    ecs_launch launch;
    switch ((dice >> 16) % 12) {
    case 0: CHECK_STATUS(ecs_group_enable(world, group, (dice >> 32) % 3 != 0), ECS_OK); break;
    case 1: (void)ecs_system_enable(world, s->name, (dice >> 32) % 3 != 0); break;
    case 2:
        if (!s->removed) {
            CHECK_STATUS(ecs_system_remove(world, s->name), ECS_OK);
        } else {
            add_system(world, s);
        }
        if (last) s->removed = !s->removed;
        break;
    case 3:
        for (uint64_t i = 0; i < 40; i++) {
            (void)ecs_spawn_with(world, (A, {dice + i}), (B, {i, ecs_null()}));
        }
        break;
    case 4:
        launch = ecs_group_last(world, group);
        if (launch.number != 0) CHECK_STATUS(ecs_launch_wait(world, launch), ECS_OK);
        break;
    case 5: ecs_tick_cancel(world); break;
    case 6: ecs_event_send(world, Call, {dice}); break;
    case 7: (void)ecs_shrink(world); break;
    default: break;
    }
}

/* ---- Running ------------------------------------------------------------------------------ */

typedef struct {
    uint64_t launched, applied, refused, too_large, failures, ticks, dropped;
} totals;

static void compare(ecs_world *const *worlds, totals *t)
{
    for (uint32_t g = 0; g < GROUPS; g++) {
        ecs_group_state state[WORLDS];
        for (uint32_t w = 0; w < WORLDS; w++) {
            CHECK_STATUS(ecs_group_state_get(worlds[w], the_plan.group_names[g], &state[w]),
                         ECS_OK);
            state[w].waited = 0; /* of time */
        }
        CHECK(memcmp(&state[0], &state[1], sizeof state[0]) == 0);
        t->launched += state[0].launched;
        t->applied += state[0].applied;
        t->refused += state[0].refused;
        t->too_large += state[0].too_large;
    }
    t->failures += ecs_tick_last(worlds[0])->failure_count;
    t->dropped += ecs_world_stats(worlds[0]).commands_dropped;
}

static bool run(uint64_t seed, ecs_pool *pool, totals *t)
{
    ecs_world *worlds[WORLDS];
    ecs_world_desc desc;
    bool same = true;
    uint32_t tick;
    plan_make(seed);
    memset(&desc, 0, sizeof desc);
    desc.log = quiet;
    desc.row_block_rows = 64;
    worlds[0] = make(&desc);
    desc.backend = ECS_BACKEND_WORK_STEALING;
    desc.pool = pool;
    desc.share_ns = seed % 2 == 0 ? 1 : 0;
    if (pool == NULL) desc.workers = 1 + (uint32_t)(seed >> 3) % 4;
    worlds[1] = make(&desc);
    ticking_thread = ecsi_thread_number();
    for (tick = 0; tick < TICKS && same; tick++) {
        ecs_status status[WORLDS];
        for (uint32_t w = 0; w < WORLDS; w++) {
            between(worlds[w], tick, w + 1 == WORLDS);
            status[w] = ecs_tick(worlds[w], 0.5f);
        }
        same = CHECK(status[0] == status[1]);
        same = CHECK(ecs_world_hash(worlds[0]) == ecs_world_hash(worlds[1])) && same;
        if (ecs_entity_count(worlds[0]) > 5000) break;
    }
    if (!same) printf("    group seed %llu: tick %u differs\n", (unsigned long long)seed, tick);
    compare(worlds, t);
    t->ticks += tick;
    for (uint32_t w = 0; w < WORLDS; w++) ecs_world_destroy(worlds[w]); /* launches are about */
    return same;
}

/* Random plans: a second, or ten minutes in the long form (ECS_TEST_LONG_S seconds). */
TEST(group_mixed_at_random_is_the_same_as_blocking)
{
    const char *text = getenv("ECS_TEST_LONG_S");
    uint64_t seconds = !test_long() ? 2 : text != NULL ? strtoull(text, NULL, 10) : 600;
    uint64_t until = ecsi_clock_ns() + seconds * 1000000000u;
    ecs_pool_desc desc;
    ecs_pool *pool;
    totals t;
    uint64_t plans = 0;
    memset(&t, 0, sizeof t);
    memset(&desc, 0, sizeof desc);
    desc.workers = 3;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    ECSI_STORE(&ran, (uint64_t)0, relaxed);
    while ((ecsi_clock_ns() < until || plans < 8) &&
           run(test_seed() + plans, plans % 2 == 0 ? pool : NULL, &t)) {
        plans++;
    }
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    printf("    %llu plans, %llu ticks: %llu launched, %llu applied, %llu refused, %llu too "
           "large, %llu commands dropped; %llu spans on other threads\n",
           (unsigned long long)plans, (unsigned long long)t.ticks,
           (unsigned long long)t.launched, (unsigned long long)t.applied,
           (unsigned long long)t.refused, (unsigned long long)t.too_large,
           (unsigned long long)t.dropped, (unsigned long long)ECSI_LOAD(&ran, relaxed));
    /* A proof about nothing would be none. */
    CHECK(t.launched > 100 && t.applied > 100 && t.refused > 10 && t.dropped > 0);
    CHECK(ECSI_LOAD(&ran, relaxed) > 100);
}

TEST(group_replays_a_seed)
{
    totals t;
    memset(&t, 0, sizeof t);
    CHECK(run(test_seed(), NULL, &t));
}
