/* tick.c: whole programs: the one of the README, change of state over many ticks, and random
 * schedules whose order is known. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { float left; } Lifetime;
ECS_COMPONENT(Lifetime, left);

ECS_SYSTEM(drift, WRITE(Position), READ(Velocity))
{
    Position *p = ecs_write(view, Position);
    const Velocity *v = ecs_read(view, Velocity);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x += v[i].x * view->dt;
        p[i].y += v[i].y * view->dt;
    }
    return ECS_OK;
}

ECS_SYSTEM(expire, WRITE(Lifetime))
{
    Lifetime *l = ecs_write(view, Lifetime);
    for (uint32_t i = 0; i < view->count; i++) {
        l[i].left -= view->dt;
        if (l[i].left <= 0) ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ECS_OK;
}

static ecs_world *program_make(ecs_memory memory, uint32_t row_block_rows, ecs_entity *out)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.memory = memory;
    desc.row_block_rows = row_block_rows;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    REQUIRE_STATUS(ecs_system_add(world, &drift, ECS_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &expire, ECS_UPDATE), ECS_OK);
    for (int i = 0; i < 1000; i++) {
        ecs_entity e = ecs_spawn_with(world, (Position, {0, (float)i}), (Velocity, {1, 0}),
                                      (Lifetime, {(float)i / 100}));
        if (out != NULL) out[i] = e;
    }
    return world;
}

/* Entity i lives for i/100 s: it is dead after the first tick whose time reaches that. */
static void check_program(ecs_world *world, const ecs_entity *e, int frames)
{
    float time_s = 0;
    float left[1000];
    for (int i = 0; i < 1000; i++) left[i] = (float)i / 100;
    for (int frame = 0; frame < frames; frame++) {
        uint32_t alive = 0;
        CHECK_STATUS(ecs_tick(world, 1 / 60.0f), ECS_OK);
        time_s += 1 / 60.0f;
        for (int i = 0; i < 1000; i++) {
            bool was = left[i] > 0 || frame == 0;
            if (was) left[i] -= 1 / 60.0f;
            if (left[i] > 0) alive++;
            CHECK(ecs_alive(world, e[i]) == (left[i] > 0));
            if (left[i] <= 0) continue;
            const Position *p = ecs_get(world, e[i], Position);
            REQUIRE(p != NULL);
            CHECK(p->x > time_s - 0.01f && p->x < time_s + 0.01f);
            CHECK(p->y > (float)i - 0.01f && p->y < (float)i + 0.01f);
        }
        CHECK_EQ_U64(ecs_entity_count(world), alive);
    }
}

TEST(tick_program_of_the_readme_works)
{
    static const uint32_t blocks[3] = {0, 64, 256};
    ecs_entity e[1000];
    for (int i = 0; i < 6; i++) {
        ecs_world *world = program_make(i % 2 == 0 ? ECS_MEMORY_GROW : ECS_MEMORY_FIXED,
                                        blocks[i / 2], e);
        check_program(world, e, 120);
        ecs_world_destroy(world);
    }
}

TEST(tick_program_ends_with_nobody)
{
    ecs_world *world = program_make(ECS_MEMORY_GROW, 0, NULL);
    for (int frame = 0; frame < 650; frame++) CHECK_STATUS(ecs_tick(world, 1 / 60.0f), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    CHECK_EQ_U64(ecs_world_stats(world).commands_applied, 1000);
    CHECK_EQ_U64(ecs_world_tick(world), 650);
    ecs_world_destroy(world);
}

/* A span never exceeds a row block, and spans come in row order. */
static uint32_t base_wanted;

ECS_SYSTEM(check_spans, READ(Position))
{
    CHECK(view->count > 0 && view->count <= 64);
    uint32_t before = __atomic_fetch_add(&base_wanted, view->count, __ATOMIC_RELAXED);
#ifdef ECSI_FORCE_SHARING
    CHECK(view->base % 64 == 0 && before < 1000); /* on several workers in any order */
#else
    CHECK_EQ_U64(view->base, before);
#endif
    for (uint32_t i = 0; i < view->count; i++) {
        CHECK_EQ_I64(ecs_read(view, Position)[i].y, view->base + i);
    }
    return ECS_OK;
}

TEST(tick_spans_are_row_blocks)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    for (int i = 0; i < 1000; i++) ecs_spawn_with(world, (Position, {0, (float)i}));
    ecs_system_add(world, &check_spans, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(base_wanted, 1000);
    ecs_world_destroy(world);
}

TEST(tick_of_an_empty_world_is_fine)
{
    ecs_world *world = ecs_world_create(NULL);
    for (int i = 0; i < 10; i++) CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 0);
    ecs_world_destroy(world);
}

/* Systems write what they see into each other's columns, entities come and go: two worlds with
 * the same inputs stay equal, whatever their row blocks. */
ECS_SYSTEM(breed, READ(Position), READ(Velocity))
{
    for (uint32_t i = 0; i < view->count; i++) {
        uint64_t word = ecs_random_u64(7, view->tick, view->entities[i], 1);
        Position p = ecs_read(view, Position)[i];
        p.x += 1;
        if (word % 50 == 0) {
            ecs_cmd_spawn_with(view->cmd, (Position, p), (Velocity), (Lifetime, {1}));
        }
        if (word % 51 == 0) ecs_cmd_remove(view->cmd, view->entities[i], Velocity);
    }
    return ECS_OK;
}

TEST(tick_equal_inputs_give_equal_worlds)
{
    static const uint32_t blocks[2] = {64, 4096};
    uint64_t hashes[2][60];
    uint32_t counts[2];
    for (int run = 0; run < 2; run++) {
        ecs_world *world = program_make(ECS_MEMORY_GROW, 64, NULL);
        ecs_system_add(world, &breed, ECS_POST_UPDATE);
        for (int frame = 0; frame < 60; frame++) {
            CHECK_STATUS(ecs_tick(world, 1 / 60.0f), ECS_OK);
            hashes[run][frame] = ecs_world_hash(world);
        }
        counts[run] = ecs_entity_count(world);
        ecs_world_destroy(world);
    }
    CHECK(memcmp(hashes[0], hashes[1], sizeof hashes[0]) == 0);
    /* Another size of row blocks changes no value, only what the hash says of changes. */
    for (int run = 0; run < 2; run++) {
        ecs_world *world = program_make(ECS_MEMORY_GROW, blocks[run], NULL);
        ecs_system_add(world, &breed, ECS_POST_UPDATE);
        for (int frame = 0; frame < 60; frame++) ecs_tick(world, 1 / 60.0f);
        CHECK_EQ_U64(ecs_entity_count(world), counts[run]);
        ecs_world_destroy(world);
    }
}

/* ---- Random schedules --------------------------------------------------------------------- */

enum { RANDOM_TYPES = 6, RANDOM_SYSTEMS = 24 };

static char random_names[RANDOM_SYSTEMS][16];
static ecs_type random_types[RANDOM_TYPES];
static uint32_t random_order[RANDOM_SYSTEMS];
static uint32_t random_ran;

typedef struct random_system {
    ecs_access access[RANDOM_TYPES]; /* NONE, READ or WRITE */
    bool before[RANDOM_SYSTEMS];     /* said so */
} random_system;

static random_system random_systems[RANDOM_SYSTEMS];
static uint32_t random_count;

static ecs_status random_run(const ecs_view *view)
{
    uint32_t number = (uint32_t)((const random_system *)view->user - random_systems);
    uint32_t at = __atomic_fetch_add(&random_ran, 1, __ATOMIC_RELAXED);
    if (at < RANDOM_SYSTEMS) random_order[at] = number;
    return ECS_OK;
}

static bool random_conflict(const random_system *a, const random_system *b)
{
    for (uint32_t t = 0; t < RANDOM_TYPES; t++) {
        if (a->access[t] == ECS_ACCESS_NONE || b->access[t] == ECS_ACCESS_NONE) continue;
        if (a->access[t] == ECS_ACCESS_WRITE || b->access[t] == ECS_ACCESS_WRITE) return true;
    }
    return false;
}

/* Accesses of all systems; `orders` explicit pairs, none of which can close a cycle because
 * they follow a random ranking. */
static void random_make(uint64_t *state, uint32_t orders)
{
    uint32_t rank[RANDOM_SYSTEMS];
    random_count = 2 + test_random_below(state, RANDOM_SYSTEMS - 1);
    memset(random_systems, 0, sizeof random_systems);
    for (uint32_t i = 0; i < random_count; i++) {
        for (uint32_t t = 0; t < RANDOM_TYPES; t++) {
            uint32_t way = test_random_below(state, 6);
            random_systems[i].access[t] = way == 0   ? ECS_ACCESS_WRITE
                                          : way == 1 ? ECS_ACCESS_READ
                                                     : ECS_ACCESS_NONE;
        }
        rank[i] = test_random_below(state, 1000000);
    }
    for (uint32_t i = 0; i < orders; i++) {
        uint32_t a = test_random_below(state, random_count);
        uint32_t b = test_random_below(state, random_count);
        uint32_t said = 0;
        for (uint32_t k = 0; k < random_count; k++) said += random_systems[a].before[k] ? 1 : 0;
        if (rank[a] < rank[b] && said < ECS_ORDER_MAX) random_systems[a].before[b] = true;
    }
}

static ecs_world *random_build(void)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_component ids[RANDOM_TYPES];
    ecs_entity all = ecs_spawn(world);
    for (uint32_t t = 0; t < RANDOM_TYPES; t++) {
        static const char *const names[RANDOM_TYPES] = {"T0", "T1", "T2", "T3", "T4", "T5"};
        random_types[t].name = names[t];
        random_types[t].bytes = 4;
        random_types[t].align = 4;
        REQUIRE_STATUS(ecs_component_register(world, &random_types[t], &ids[t]), ECS_OK);
        REQUIRE_STATUS(ecs_add_id(world, all, ids[t]), ECS_OK);
    }
    for (uint32_t i = 0; i < random_count; i++) {
        ecs_term terms[RANDOM_TYPES];
        ecs_system system = {random_names[i], terms, 0, random_run, NULL};
        ecs_system_desc desc;
        memset(terms, 0, sizeof terms);
        memset(&desc, 0, sizeof desc);
        snprintf(random_names[i], sizeof random_names[i], "s%u", (unsigned)i);
        for (uint32_t t = 0; t < RANDOM_TYPES; t++) {
            if (random_systems[i].access[t] == ECS_ACCESS_NONE) continue;
            terms[system.term_count].component = ids[t];
            terms[system.term_count++].access = random_systems[i].access[t];
        }
        desc.system = &system;
        desc.user = &random_systems[i];
        for (uint32_t k = 0, said = 0; k < random_count; k++) {
            if (!random_systems[i].before[k]) continue;
            snprintf(random_names[k], sizeof random_names[k], "s%u", (unsigned)k);
            desc.before[said++] = random_names[k];
        }
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    }
    random_ran = 0;
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(random_ran, random_count);
    return world;
}

TEST(tick_random_schedules_follow_registration)
{
    uint64_t state = test_seed();
    for (uint32_t round = 0; round < test_rounds(500, 50000); round++) {
        random_make(&state, 0);
        ecs_world *world = random_build();
        /* All edges point from earlier to later; on one thread the lowest that is free is
         * next. */
        for (uint32_t i = 0; i < random_ran; i++) {
            for (uint32_t k = i + 1; k < random_ran; k++) {
                uint32_t a = random_order[i];
                uint32_t b = random_order[k];
                if (random_conflict(&random_systems[a], &random_systems[b])) CHECK(a < b);
            }
#ifndef ECSI_FORCE_SHARING
            CHECK_EQ_U64(random_order[i], i);
#endif
        }
        ecs_world_destroy(world);
    }
}

/* Everything that must come before `to` and after `from`, by what was said and by conflicts
 * as they were resolved: without such a path a conflict follows registration. */
static bool random_reaches(const uint32_t *place, uint32_t from, uint32_t to)
{
    bool reached[RANDOM_SYSTEMS] = {false};
    reached[from] = true;
    for (uint32_t step = place[from]; step < place[to]; step++) {
        uint32_t at = random_order[step];
        if (!reached[at]) continue;
        for (uint32_t k = 0; k < random_count; k++) {
            if (place[k] <= step || (at == from && k == to)) continue;
            if (random_systems[at].before[k]) reached[k] = true;
            if (random_conflict(&random_systems[at], &random_systems[k])) reached[k] = true;
        }
    }
    return reached[to];
}

TEST(tick_random_explicit_orders_hold)
{
    uint64_t state = test_seed() + 1;
    uint32_t reversed = 0;
    for (uint32_t round = 0; round < test_rounds(500, 50000); round++) {
        uint32_t place[RANDOM_SYSTEMS] = {0};
        random_make(&state, 12);
        ecs_world *world = random_build();
        for (uint32_t i = 0; i < random_ran; i++) place[random_order[i]] = i;
        for (uint32_t i = 0; i < random_count; i++) {
            for (uint32_t k = 0; k < random_count; k++) {
                if (random_systems[i].before[k]) CHECK(place[i] < place[k]);
                if (i >= k || place[i] < place[k]) continue;
                if (!random_conflict(&random_systems[i], &random_systems[k])) continue;
                CHECK(random_systems[k].before[i] || random_reaches(place, k, i));
                reversed++;
            }
        }
        ecs_world_destroy(world);
    }
    CHECK(reversed > 0);
}
