/* entity.c: handles, generations, reuse of slots, iteration over all, counts, exhaustion.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint32_t value; } Number;
ECS_COMPONENT(Number, value);
ECS_TAG(Marked);

static ecs_world *world_of_capacity(uint32_t entities_max, ecs_memory memory)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.entities_max = entities_max;
    desc.memory = memory;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

static ecs_entity entity_forge(uint32_t index, uint32_t generation)
{
    ecs_entity entity;
    entity.bits = (uint64_t)generation << 32 | index;
    return entity;
}

ECS_QUERY(anything, OPTIONAL(Number));

/* Makes a living entity old: its slot and its row get the generation; answers the handle. */
static ecs_entity entity_age(ecs_world *world, ecs_entity entity, uint32_t generation)
{
    ecsi_front *front = (ecsi_front *)(void *)world;
    ecs_entity aged = entity_forge(ecs_index(entity), generation);
    uint32_t found = 0;
    REQUIRE(ecs_index(entity) < front->record_count);
    ECS_EACH_ROW(world, anything, view) {
        ecs_entity *row = (ecs_entity *)(uintptr_t)&view->entities[view->row];
        if (!ecs_equal(*row, entity)) continue;
        *row = aged;
        found++;
    }
    REQUIRE(found == 1);
    front->records[ecs_index(entity)].generation = generation;
    return aged;
}

/* Every call that takes a handle must recognise that `entity` is not alive. */
static void check_stale(ecs_world *world, ecs_entity entity)
{
    uint32_t count_before = ecs_entity_count(world);
    ecs_component found[4];
    CHECK(!ecs_alive(world, entity));
    CHECK_STATUS(ecs_despawn(world, entity), ECS_STALE);
    CHECK_STATUS(ecs_add(world, entity, Number), ECS_STALE);
    CHECK_STATUS(ecs_add(world, entity, Marked), ECS_STALE);
    CHECK_STATUS(ecs_set(world, entity, Number, {1}), ECS_STALE);
    CHECK_STATUS(ecs_remove(world, entity, Number), ECS_STALE);
    CHECK(!ecs_has(world, entity, Number));
    CHECK(ecs_get(world, entity, Number) == NULL);
    CHECK(ecs_get_mut(world, entity, Number) == NULL);
    CHECK_EQ_U64(ecs_entity_components(world, entity, found, 4), 0);
    CHECK(ecs_is_null(ecs_clone(world, entity)));
    CHECK_STATUS(ecs_world_status(world), ECS_STALE);
    CHECK_EQ_U64(ecs_entity_count(world), count_before);
}

/* Goes through all living entities; they must come by rising index and be alive. */
static uint32_t count_by_iteration(const ecs_world *world)
{
    uint32_t count = 0;
    ecs_entity last = ecs_null();
    for (ecs_entity e = ecs_entity_next(world, last); !ecs_is_null(e);
         e = ecs_entity_next(world, e)) {
        if (count > 0) CHECK(ecs_index(last) < ecs_index(e));
        CHECK(ecs_alive(world, e));
        CHECK(ecs_equal(ecs_entity_at(world, ecs_index(e)), e));
        last = e;
        count++;
        REQUIRE(count <= ecs_entity_count(world));
    }
    return count;
}

TEST(entity_null_is_zero_and_dead)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    CHECK(ecs_is_null(ecs_null()));
    CHECK_EQ_U64(ecs_null().bits, 0);
    check_stale(world, ecs_null());
    ecs_entity entity = ecs_spawn(world);
    CHECK(!ecs_is_null(entity));
    check_stale(world, ecs_null());
    CHECK(ecs_alive(world, entity));
    ecs_world_destroy(world);
}

TEST(entity_handle_parts_are_index_and_generation)
{
    ecs_entity entity = entity_forge(0x12345678u, 0x9abcdef0u);
    CHECK_EQ_U64(ecs_index(entity), 0x12345678u);
    CHECK_EQ_U64(ecs_generation(entity), 0x9abcdef0u);
    CHECK(!ecs_is_provisional(entity));
    CHECK(ecs_is_provisional(entity_forge(0x80000000u, 1)));
    CHECK(ecs_equal(entity, entity));
    CHECK(!ecs_equal(entity, entity_forge(0x12345678u, 0x9abcdef1u)));
    CHECK_EQ_U64(sizeof(ecs_entity), 8);
}

TEST(entity_spawn_first_generation_is_one)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    for (uint32_t i = 0; i < 100; i++) {
        ecs_entity entity = ecs_spawn(world);
        CHECK_EQ_U64(ecs_generation(entity), 1);
        CHECK(!ecs_is_provisional(entity));
        CHECK(ecs_alive(world, entity));
    }
    CHECK_EQ_U64(ecs_entity_count(world), 100);
    ecs_world_destroy(world);
}

TEST(entity_despawn_makes_stale_and_twice_is_refused)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_entity entity = ecs_spawn_with(world, (Number, {7}));
    ecs_entity other = ecs_spawn_with(world, (Number, {8}));
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    CHECK_STATUS(ecs_despawn(world, entity), ECS_STALE);
    check_stale(world, entity);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    CHECK_EQ_U64(ecs_get(world, other, Number)->value, 8);
    ecs_world_destroy(world);
}

TEST(entity_slot_reused_old_handle_stays_stale)
{
    ecs_world *world = world_of_capacity(1, ECS_MEMORY_GROW);
    ecs_entity old[8];
    for (uint32_t i = 0; i < 8; i++) {
        old[i] = ecs_spawn_with(world, (Number, {i}));
        CHECK_EQ_U64(ecs_index(old[i]), ecs_index(old[0]));
        CHECK_EQ_U64(ecs_generation(old[i]), i + 1);
        for (uint32_t j = 0; j < i; j++) check_stale(world, old[j]);
        CHECK_EQ_U64(ecs_get(world, old[i], Number)->value, i);
        CHECK_STATUS(ecs_despawn(world, old[i]), ECS_OK);
    }
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    ecs_world_destroy(world);
}

/* A dead slot's record holds the generation of the entity that will live there next: a
 * handle that guesses it must not find anything. */
TEST(entity_forged_next_generation_is_stale)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_entity entity = ecs_spawn_with(world, (Number, {7}));
    ecs_entity keeper = ecs_spawn_with(world, (Number, {8}));
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    for (uint32_t step = 0; step < 4; step++) {
        check_stale(world, entity_forge(ecs_index(entity), ecs_generation(entity) + step));
    }
    check_stale(world, entity_forge(ecs_index(entity), 0));
    check_stale(world, entity_forge(ecs_index(keeper), ecs_generation(keeper) + 1));
    check_stale(world, entity_forge(ecs_index(keeper), 0));
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    ecs_world_destroy(world);
}

TEST(entity_forged_index_beyond_all_is_stale)
{
    ecs_world *world = world_of_capacity(16, ECS_MEMORY_FIXED);
    static const uint32_t indices[] = {1, 2, 15, 16, 17, 4096, 0x7fffffffu, 0x80000000u,
                                       0xffffffffu};
    (void)ecs_spawn(world);
    for (size_t i = 0; i < sizeof indices / sizeof indices[0]; i++) {
        check_stale(world, entity_forge(indices[i], 1));
        check_stale(world, entity_forge(indices[i], 0xffffffffu));
        CHECK(ecs_is_null(ecs_entity_at(world, indices[i])));
    }
    ecs_world_destroy(world);
}

TEST(entity_generation_wrap_retires_slot)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_entity young = ecs_spawn_with(world, (Number, {7}));
    ecs_entity last = entity_age(world, young, 0xffffffffu);
    CHECK(ecs_alive(world, last));
    CHECK_STATUS(ecs_despawn(world, last), ECS_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK(ecs_index(ecs_spawn(world)) != ecs_index(young));
    }
    check_stale(world, last);
    check_stale(world, young);
    check_stale(world, ecs_null());
    check_stale(world, entity_forge(ecs_index(young), 0));
    CHECK(ecs_is_null(ecs_entity_at(world, ecs_index(young))));
    CHECK_EQ_U64(count_by_iteration(world), 1000);
    ecs_world_destroy(world);
}

TEST(entity_generation_before_last_is_reused)
{
    ecs_world *world = world_of_capacity(1, ECS_MEMORY_GROW);
    ecs_entity entity = entity_age(world, ecs_spawn(world), 0xfffffffeu);
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    ecs_entity last = ecs_spawn(world);
    REQUIRE(!ecs_is_null(last));
    CHECK_EQ_U64(ecs_generation(last), 0xffffffffu);
    check_stale(world, entity);
    ecs_world_destroy(world);
}

TEST(entity_all_slots_retired_is_full)
{
    ecs_world *world = world_of_capacity(2, ECS_MEMORY_FIXED);
    ecs_entity first = entity_age(world, ecs_spawn(world), 0xffffffffu);
    ecs_entity second = entity_age(world, ecs_spawn(world), 0xffffffffu);
    CHECK_STATUS(ecs_despawn(world, second), ECS_OK);
    CHECK_STATUS(ecs_despawn(world, first), ECS_OK);
    CHECK(ecs_is_null(ecs_spawn(world)));
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK(ecs_is_null(ecs_entity_next(world, ecs_null())));
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    check_stale(world, ecs_null());
    ecs_world_destroy(world);
}

TEST(entity_clear_retires_wrapped_slot)
{
    ecs_world *world = world_of_capacity(3, ECS_MEMORY_GROW);
    ecs_entity old = entity_age(world, ecs_spawn(world), 0xffffffffu);
    (void)ecs_spawn(world);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK(!ecs_is_null(ecs_spawn(world)));
    CHECK(!ecs_is_null(ecs_spawn(world)));
    CHECK(ecs_is_null(ecs_spawn(world)));
    CHECK_EQ_U64(ecs_entity_count(world), 2);
    check_stale(world, old);
    ecs_world_destroy(world);
}

static void check_exhaustion(uint32_t capacity, ecs_memory memory)
{
    ecs_world *world = world_of_capacity(capacity, memory);
    ecs_value value = {ecs_type_of(Number), NULL};
    ecs_entity first = ecs_null();
    for (uint32_t i = 0; i < capacity; i++) {
        ecs_entity entity = ecs_spawn_with(world, (Number, {i}));
        REQUIRE(!ecs_is_null(entity));
        if (i == 0) first = entity;
    }
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(ecs_is_null(ecs_spawn(world)));
        CHECK_STATUS(ecs_world_status(world), ECS_FULL);
        CHECK(ecs_is_null(ecs_spawn_with(world, (Number, {1}))));
        CHECK_STATUS(ecs_world_status(world), ECS_FULL);
        CHECK(ecs_is_null(ecs_clone(world, first)));
        CHECK_STATUS(ecs_world_status(world), ECS_FULL);
        CHECK_STATUS(ecs_spawn_bulk(world, 1, &value, 1, NULL), ECS_FULL);
    }
    CHECK_EQ_U64(count_by_iteration(world), capacity);
    CHECK_STATUS(ecs_despawn(world, first), ECS_OK);
    CHECK_STATUS(ecs_spawn_bulk(world, 2, &value, 1, NULL), ECS_FULL);
    CHECK_EQ_U64(ecs_entity_count(world), capacity - 1);
    CHECK(!ecs_is_null(ecs_spawn_with(world, (Number, {1}))));
    CHECK(ecs_is_null(ecs_spawn(world)));
    CHECK_EQ_U64(count_by_iteration(world), capacity);
    ecs_world_destroy(world);
}

TEST(entity_capacity_of_one_is_exact)
{
    check_exhaustion(1, ECS_MEMORY_GROW);
    check_exhaustion(1, ECS_MEMORY_FIXED);
}

TEST(entity_capacity_odd_is_exact)
{
    check_exhaustion(97, ECS_MEMORY_GROW);
    check_exhaustion(97, ECS_MEMORY_FIXED);
    check_exhaustion(4097, ECS_MEMORY_GROW);
    check_exhaustion(4097, ECS_MEMORY_FIXED);
}

static void quiet(ecs_log_level level, const char *text, void *user)
{
    CHECK(level == ECS_LOG_ERROR);
    CHECK(text != NULL);
    (void)user;
}

TEST(entity_capacity_beyond_handles_is_refused)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.entities_max = ECS_ENTITIES_MAX + 1u;
    desc.log = quiet;
    CHECK(ecs_world_create(&desc) == NULL);
    CHECK_EQ_U64(ecs_world_bytes(&desc), 0);
}

TEST(entity_iteration_empty_world_ends_at_once)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    CHECK(ecs_is_null(ecs_entity_next(world, ecs_null())));
    CHECK(ecs_is_null(ecs_entity_next(world, entity_forge(77, 1))));
    CHECK(ecs_is_null(ecs_entity_next(world, entity_forge(0xffffffffu, 1))));
    CHECK(ecs_is_null(ecs_entity_at(world, 0)));
    ecs_world_destroy(world);
}

TEST(entity_iteration_skips_holes)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_entity all[200];
    for (uint32_t i = 0; i < 200; i++) all[i] = ecs_spawn(world);
    for (uint32_t i = 0; i < 200; i++) {
        if (i % 3 != 1) CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
    }
    CHECK_EQ_U64(count_by_iteration(world), 67);
    CHECK_EQ_U64(ecs_entity_count(world), 67);
    CHECK(ecs_equal(ecs_entity_next(world, all[1]), all[4]));
    CHECK(ecs_equal(ecs_entity_next(world, all[2]), all[4])); /* from a dead one */
    CHECK(ecs_is_null(ecs_entity_next(world, all[199])));
    ecs_world_destroy(world);
}

TEST(entity_iteration_may_despawn)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 500; i++) (void)ecs_spawn_with(world, (Number, {i}));
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e)) {
        seen++;
        if (seen % 2 == 0) CHECK_STATUS(ecs_despawn(world, e), ECS_OK);
    }
    CHECK_EQ_U64(seen, 500);
    CHECK_EQ_U64(count_by_iteration(world), 250);
    ecs_world_destroy(world);
}

TEST(entity_clear_kills_all_and_generations_grow)
{
    ecs_world *world = world_of_capacity(100, ECS_MEMORY_FIXED);
    ecs_entity old[100];
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 100; i++) {
            old[i] = ecs_spawn_with(world, (Number, {i}), (Marked));
            CHECK_EQ_U64(ecs_generation(old[i]), round + 1);
        }
        CHECK_EQ_U64(ecs_entity_count(world), 100);
        CHECK_STATUS(ecs_world_clear(world), ECS_OK);
        CHECK_EQ_U64(ecs_entity_count(world), 0);
        CHECK(ecs_is_null(ecs_entity_next(world, ecs_null())));
        for (uint32_t i = 0; i < 100; i += 9) check_stale(world, old[i]);
    }
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK(!ecs_is_null(ecs_spawn(world)));
    ecs_world_destroy(world);
}

TEST(entity_worlds_do_not_share_handles)
{
    ecs_world *first = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_world *second = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_entity entity = ecs_spawn_with(first, (Number, {1}));
    CHECK(!ecs_alive(second, entity));
    CHECK_STATUS(ecs_despawn(second, entity), ECS_STALE);
    CHECK(ecs_alive(first, entity));
    ecs_world_destroy(second);
    CHECK_EQ_U64(ecs_get(first, entity, Number)->value, 1);
    ecs_world_destroy(first);
}

TEST(entity_one_slot_spawned_millions_of_times)
{
    ecs_world *world = world_of_capacity(1, ECS_MEMORY_FIXED);
    uint32_t rounds = test_rounds(2000000, 10000000);
    for (uint32_t i = 0; i < rounds; i++) {
        ecs_entity entity = ecs_spawn(world);
        CHECK_EQ_U64(ecs_generation(entity), i + 1);
        CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    }
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    ecs_world_destroy(world);
}

static void shuffle(ecs_entity *all, uint32_t count, uint64_t *random)
{
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = test_random_below(random, i + 1);
        ecs_entity swap = all[i];
        all[i] = all[j];
        all[j] = swap;
    }
}

TEST(entity_million_despawned_in_random_order)
{
    uint32_t count = test_rounds(1000000, 4000000);
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_entity *all = (ecs_entity *)malloc((size_t)count * sizeof *all);
    uint64_t random = test_seed();
    REQUIRE(all != NULL);
    for (uint32_t i = 0; i < count; i++) all[i] = ecs_spawn_with(world, (Number, {i}));
    CHECK_EQ_U64(ecs_entity_count(world), count);
    shuffle(all, count, &random);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(ecs_alive(world, all[i]));
        CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
        CHECK(!ecs_alive(world, all[i]));
        if (i == count / 2) CHECK_EQ_U64(ecs_entity_count(world), count - i - 1);
    }
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(ecs_index(ecs_spawn(world)) < count); /* a slot that was freed */
    }
    CHECK_EQ_U64(ecs_entity_count(world), count);
    free(all);
    ecs_world_destroy(world);
}

/* Random spawn and despawn against a plain list; a long memory of dead handles. */
TEST(entity_random_churn_equals_model)
{
    enum { LIVE_MAX = 300, DEAD_MAX = 1024 };
    static ecs_entity live[LIVE_MAX];
    static ecs_entity dead[DEAD_MAX];
    uint32_t live_count = 0;
    uint32_t dead_count = 0;
    uint64_t random = test_seed();
    uint32_t rounds = test_rounds(300000, 3000000);
    ecs_world *world = world_of_capacity(LIVE_MAX, ECS_MEMORY_GROW);
    for (uint32_t i = 0; i < rounds; i++) {
        if (live_count < LIVE_MAX && (live_count == 0 || test_random_below(&random, 2) == 0)) {
            live[live_count] = ecs_spawn(world);
            CHECK(!ecs_is_null(live[live_count]));
            live_count++;
        } else {
            uint32_t victim = test_random_below(&random, live_count);
            CHECK_STATUS(ecs_despawn(world, live[victim]), ECS_OK);
            dead[dead_count++ % DEAD_MAX] = live[victim];
            live[victim] = live[--live_count];
        }
        if (live_count > 0) CHECK(ecs_alive(world, live[test_random_below(&random, live_count)]));
        uint32_t dead_known = dead_count < DEAD_MAX ? dead_count : (uint32_t)DEAD_MAX;
        if (dead_known > 0) CHECK(!ecs_alive(world, dead[test_random_below(&random, dead_known)]));
        CHECK_EQ_U64(ecs_entity_count(world), live_count);
    }
    CHECK_EQ_U64(count_by_iteration(world), live_count);
    ecs_world_destroy(world);
}

TEST(entity_components_are_listed_by_rising_id)
{
    ecs_world *world = world_of_capacity(0, ECS_MEMORY_GROW);
    ecs_component found[3] = {{0}, {0}, {0}};
    ecs_entity entity = ecs_spawn(world);
    CHECK_EQ_U64(ecs_entity_components(world, entity, found, 3), 0);
    CHECK_STATUS(ecs_add(world, entity, Marked), ECS_OK);
    CHECK_STATUS(ecs_add(world, entity, Number), ECS_OK);
    CHECK_EQ_U64(ecs_entity_components(world, entity, found, 1), 2);
    CHECK_EQ_U64(found[1].id, 0);
    CHECK_EQ_U64(ecs_entity_components(world, entity, found, 3), 2);
    CHECK(found[0].id < found[1].id);
    CHECK_EQ_U64(found[2].id, 0);
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), 2);
    ecs_world_destroy(world);
}
