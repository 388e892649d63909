/* getter.c: the bound accessor, against every way in which a handle can be wrong.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint32_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint64_t a, b, c; } Wide;
ECS_COMPONENT(Wide, a, b, c);
typedef struct { unsigned char bytes[3]; } Odd;
ECS_COMPONENT(Odd, bytes);
ECS_TAG(Marked);

ECS_QUERY(numbers, READ(Number));

static ecs_world *world_small_chunks(uint32_t getters_max)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.chunk_bytes = 4096;
    desc.row_block_rows = 64;
    desc.getters_max = getters_max;
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

TEST(getter_finds_what_get_finds)
{
    enum { COUNT = 3000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ECS_GETTER(Odd) odd = ecs_getter_bind(world, Odd);
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = ecs_spawn(world);
        if (i % 2 == 0) CHECK_STATUS(ecs_set(world, all[i], Number, {i}), ECS_OK);
        if (i % 3 == 0) CHECK_STATUS(ecs_set(world, all[i], Odd, {{1, 2, 3}}), ECS_OK);
        if (i % 5 == 0) CHECK_STATUS(ecs_add(world, all[i], Marked), ECS_OK);
        if (i % 7 == 0) CHECK_STATUS(ecs_add(world, all[i], Wide), ECS_OK);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        const Number *found = ecs_getter_get(number, Number, all[i]);
        CHECK(found == ecs_get(world, all[i], Number));
        CHECK(ecs_getter_get(odd, Odd, all[i]) == ecs_get(world, all[i], Odd));
        CHECK((found != NULL) == (i % 2 == 0));
        if (found != NULL) CHECK_EQ_U64(found->value, i);
    }
    ecs_world_destroy(world);
}

TEST(getter_null_and_unknown_handles_find_nothing)
{
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    CHECK(ecs_getter_get(number, Number, ecs_null()) == NULL); /* no slot was ever used */
    CHECK(ecs_getter_get(number, Number, entity_forge(0, 1)) == NULL);
    ecs_entity entity = ecs_spawn_with(world, (Number, {1}));
    CHECK(ecs_getter_get(number, Number, ecs_null()) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(ecs_index(entity), 0)) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(ecs_index(entity), 2)) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(ecs_index(entity) + 1, 1)) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(0x7fffffffu, 1)) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(0x80000000u, 1)) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(0xffffffffu, 0xffffffffu)) == NULL);
    CHECK(ecs_getter_get(number, Number, entity) != NULL);
    ecs_world_destroy(world);
}

TEST(getter_stale_handles_find_nothing)
{
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ecs_entity keeper = ecs_spawn_with(world, (Number, {1}));
    ecs_entity entity = ecs_spawn_with(world, (Number, {2}));
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    CHECK(ecs_getter_get(number, Number, entity) == NULL);
    /* The generation that the next owner will have: the slot is free all the same. */
    CHECK(ecs_getter_get(number, Number, entity_forge(ecs_index(entity), 2)) == NULL);
    ecs_entity next = ecs_spawn_with(world, (Number, {3}));
    CHECK_EQ_U64(ecs_index(next), ecs_index(entity));
    CHECK(ecs_getter_get(number, Number, entity) == NULL);
    CHECK_EQ_U64(ecs_getter_get(number, Number, next)->value, 3);
    CHECK_EQ_U64(ecs_getter_get(number, Number, keeper)->value, 1);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK(ecs_getter_get(number, Number, keeper) == NULL);
    CHECK(ecs_getter_get(number, Number, next) == NULL);
    ecs_world_destroy(world);
}

TEST(getter_retired_slot_finds_nothing)
{
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ecs_entity young = ecs_spawn_with(world, (Number, {1}));
    ecs_entity last = entity_forge(ecs_index(young), 0xffffffffu);
    ecsi_front *front = (ecsi_front *)(void *)world;
    front->records[ecs_index(young)].generation = 0xffffffffu;
    ECS_EACH(world, numbers, view) *(ecs_entity *)(uintptr_t)view->entities = last;
    CHECK_EQ_U64(ecs_getter_get(number, Number, last)->value, 1);
    CHECK_STATUS(ecs_despawn(world, last), ECS_OK);
    CHECK(ecs_getter_get(number, Number, last) == NULL);
    CHECK(ecs_getter_get(number, Number, entity_forge(ecs_index(young), 0)) == NULL);
    CHECK(ecs_getter_get(number, Number, ecs_null()) == NULL);
    ecs_world_destroy(world);
}

TEST(getter_follows_moves_and_removal)
{
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ecs_entity entity = ecs_spawn_with(world, (Number, {5}));
    CHECK_STATUS(ecs_add(world, entity, Wide), ECS_OK);
    CHECK_EQ_U64(ecs_getter_get(number, Number, entity)->value, 5);
    CHECK_STATUS(ecs_add(world, entity, Marked), ECS_OK);
    CHECK_EQ_U64(ecs_getter_get(number, Number, entity)->value, 5);
    CHECK_STATUS(ecs_set(world, entity, Number, {6}), ECS_OK);
    CHECK_EQ_U64(ecs_getter_get(number, Number, entity)->value, 6);
    CHECK_STATUS(ecs_remove(world, entity, Number), ECS_OK);
    CHECK(ecs_getter_get(number, Number, entity) == NULL);
    CHECK_STATUS(ecs_add(world, entity, Number), ECS_OK);
    CHECK_EQ_U64(ecs_getter_get(number, Number, entity)->value, 0);
    ecs_world_destroy(world);
}

/* Bound after the tables and chunks exist, and before others do. */
TEST(getter_knows_old_and_new_chunks)
{
    enum { COUNT = 4000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks(0);
    for (uint32_t i = 0; i < COUNT / 2; i++) {
        all[i] = ecs_spawn_with(world, (Number, {i}), (Wide));
    }
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    for (uint32_t i = COUNT / 2; i < COUNT; i++) {
        if (i % 2 == 0) all[i] = ecs_spawn_with(world, (Number, {i}), (Wide));
        else all[i] = ecs_spawn_with(world, (Number, {i}), (Odd));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        REQUIRE(ecs_getter_get(number, Number, all[i]) != NULL);
        CHECK_EQ_U64(ecs_getter_get(number, Number, all[i])->value, i);
    }
    ecs_world_destroy(world);
}

/* A chunk's number goes from a table with the component to one without. */
TEST(getter_survives_chunks_used_again)
{
    enum { COUNT = 2000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ECS_GETTER(Wide) wide = ecs_getter_bind(world, Wide);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            if ((i + round) % 2 == 0) all[i] = ecs_spawn_with(world, (Number, {i}));
            else all[i] = ecs_spawn_with(world, (Wide, {i, i, i}));
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            CHECK((ecs_getter_get(number, Number, all[i]) != NULL) == ((i + round) % 2 == 0));
            CHECK((ecs_getter_get(wide, Wide, all[i]) != NULL) == ((i + round) % 2 != 0));
        }
        CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &numbers), NULL), ECS_OK);
        (void)ecs_shrink(world);
        for (uint32_t i = 0; i < COUNT; i++) {
            CHECK(ecs_getter_get(number, Number, all[i]) == NULL);
            const Wide *found = ecs_getter_get(wide, Wide, all[i]);
            if (found != NULL) CHECK_EQ_U64(found->c, i);
        }
        CHECK_STATUS(ecs_world_clear(world), ECS_OK);
        (void)ecs_shrink(world);
    }
    ecs_world_destroy(world);
}

/* Shrinking moves the rows of a table with one chunk to a smaller one. */
TEST(getter_survives_shrink)
{
    enum { COUNT = 20000 };
    static ecs_entity all[COUNT];
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    for (uint32_t i = 0; i < COUNT; i++) all[i] = ecs_spawn_with(world, (Number, {i}), (Odd));
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % 100 != 0) CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
    }
    CHECK(ecs_shrink(world) > 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        const Number *found = ecs_getter_get(number, Number, all[i]);
        CHECK(found == ecs_get(world, all[i], Number));
        if (found != NULL) CHECK_EQ_U64(found->value, i);
    }
    uint32_t rows = 0;
    ECS_EACH(world, numbers, view) rows += view->count;
    CHECK_EQ_U64(rows, COUNT / 100);
    ecs_world_destroy(world);
}

TEST(getter_survives_growth_of_records)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ecs_entity first = ecs_spawn_with(world, (Number, {42}));
    for (uint32_t i = 0; i < 100000; i++) (void)ecs_spawn_with(world, (Number, {i}));
    CHECK_EQ_U64(ecs_getter_get(number, Number, first)->value, 42);
    CHECK(ecs_getter_get(number, Number, first) == ecs_get(world, first, Number));
    ecs_world_destroy(world);
}

TEST(getter_of_two_worlds_are_apart)
{
    ecs_world *first = world_small_chunks(0);
    ecs_world *second = world_small_chunks(0);
    ECS_GETTER(Number) in_first = ecs_getter_bind(first, Number);
    ECS_GETTER(Number) in_second = ecs_getter_bind(second, Number);
    ecs_entity entity = ecs_spawn_with(first, (Number, {1}));
    CHECK(ecs_getter_get(in_first, Number, entity) != NULL);
    CHECK(ecs_getter_get(in_second, Number, entity) == NULL);
    ecs_world_destroy(first);
    entity = ecs_spawn_with(second, (Number, {2}));
    CHECK_EQ_U64(ecs_getter_get(in_second, Number, entity)->value, 2);
    ecs_world_destroy(second);
}

TEST(getter_of_tag_is_unsupported)
{
    ecs_world *world = world_small_chunks(0);
    ecs_getter getter;
    CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Marked), &getter), ECS_UNSUPPORTED);
    CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Number), &getter), ECS_OK);
    ecs_world_destroy(world);
}

TEST(getter_limit_counts_component_types)
{
    ecs_world *world = world_small_chunks(2);
    ecs_getter getter;
    ecs_entity entity = ecs_spawn_with(world, (Number, {1}), (Odd, {{7, 8, 9}}));
    for (uint32_t i = 0; i < 10; i++) {
        CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Number), &getter), ECS_OK);
    }
    CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Wide), &getter), ECS_OK);
    CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Odd), &getter), ECS_FULL);
    CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Number), &getter), ECS_OK);
    const Number *found = (const Number *)ecs_getter_find(getter, entity, sizeof(Number));
    REQUIRE(found != NULL);
    CHECK_EQ_U64(found->value, 1);
    ecs_world_destroy(world);
}

/* One that could not be bound finds nothing; it does not point anywhere. */
TEST(getter_refused_finds_nothing)
{
    ecs_world *world = world_small_chunks(1);
    ecs_entity entity = ecs_spawn_with(world, (Number, {1}), (Wide, {1, 2, 3}));
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ECS_GETTER(Wide) wide = ecs_getter_bind(world, Wide); /* one too many */
    CHECK(ecs_getter_get(number, Number, entity) != NULL);
    CHECK(ecs_getter_get(wide, Wide, entity) == NULL);
    CHECK(ecs_getter_get(wide, Wide, ecs_null()) == NULL);
    ecs_world_destroy(world);
}

TEST(getter_registers_new_type)
{
    ecs_world *world = world_small_chunks(0);
    CHECK_EQ_U64(ecs_component_id(world, Number).id, 0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    CHECK(ecs_component_id(world, Number).id != 0);
    CHECK_EQ_U64(ecs_getter_get(number, Number, ecs_spawn_with(world, (Number, {8})))->value, 8);
    ecs_world_destroy(world);
}

TEST(getter_random_edits_equal_get)
{
    enum { ROWS = 400 };
    static ecs_entity rows[ROWS];
    uint64_t random = test_seed();
    uint32_t rounds = test_rounds(100000, 1000000);
    ecs_world *world = world_small_chunks(0);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    ECS_GETTER(Wide) wide = ecs_getter_bind(world, Wide);
    for (uint32_t i = 0; i < ROWS; i++) rows[i] = ecs_spawn(world);
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t at = test_random_below(&random, ROWS);
        ecs_entity other = rows[test_random_below(&random, ROWS)];
        switch (test_random_below(&random, 6)) {
        case 0: CHECK_STATUS(ecs_set(world, rows[at], Number, {i}), ECS_OK); break;
        case 1: CHECK_STATUS(ecs_remove(world, rows[at], Number), ECS_OK); break;
        case 2: CHECK_STATUS(ecs_set(world, rows[at], Wide, {i, i, i}), ECS_OK); break;
        case 3: CHECK_STATUS(ecs_remove(world, rows[at], Wide), ECS_OK); break;
        case 4: CHECK_STATUS(ecs_add(world, rows[at], Marked), ECS_OK); break;
        default:
            CHECK_STATUS(ecs_despawn(world, rows[at]), ECS_OK);
            CHECK(ecs_getter_get(number, Number, rows[at]) == NULL);
            rows[at] = ecs_spawn(world);
            break;
        }
        CHECK(ecs_getter_get(number, Number, rows[at]) == ecs_get(world, rows[at], Number));
        if (!ecs_alive(world, other)) continue;
        CHECK(ecs_getter_get(wide, Wide, other) == ecs_get(world, other, Wide));
    }
    ecs_world_destroy(world);
}
