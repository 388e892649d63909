/* storage.c: tables, chunks, moves, swap-remove, bulk edits, clone, shrink, byte counts.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint32_t value; } Index;
ECS_COMPONENT(Index, value);
typedef struct { uint64_t a, b; } Pair;
ECS_COMPONENT(Pair, a, b);
typedef struct { unsigned char bytes[3]; } Odd;
ECS_COMPONENT(Odd, bytes);
ECS_TAG(Marked);
ECS_TAG(Other);

ECS_QUERY(indexed, READ(Index));
ECS_QUERY(marked, WITH(Marked));
ECS_QUERY(indexed_not_marked, READ(Index), NOT(Marked));
ECS_QUERY(pair_or_odd, ANY(Pair, Odd));

enum { SMALL_CHUNK_BYTES = 4096, SMALL_BLOCK_ROWS = 64 };

static ecs_world_desc desc_small_chunks(void)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.chunk_bytes = SMALL_CHUNK_BYTES;
    desc.row_block_rows = SMALL_BLOCK_ROWS;
    return desc;
}

static ecs_world *world_small_chunks(void)
{
    ecs_world_desc desc = desc_small_chunks();
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

/* Statistics of the tables add up to those of the world. */
static void check_stats(const ecs_world *world)
{
    ecs_stats stats = ecs_world_stats(world);
    uint32_t row_count = 0;
    uint32_t chunk_count = 0;
    size_t bytes_storage = 0;
    size_t bytes_live = 0;
    ecs_table_stats table;
    for (uint32_t i = 0; i < stats.table_count; i++) {
        memset(&table, 0xff, sizeof table);
        REQUIRE_STATUS(ecs_world_table_stats(world, i, &table), ECS_OK);
        CHECK(table.row_count <= table.row_capacity);
        CHECK(table.bytes_live <= table.bytes_storage);
        CHECK((table.chunk_count == 0) == (table.bytes_storage == 0));
        row_count += table.row_count;
        chunk_count += table.chunk_count;
        bytes_storage += table.bytes_storage;
        bytes_live += table.bytes_live;
    }
    CHECK_STATUS(ecs_world_table_stats(world, stats.table_count, &table), ECS_NOT_FOUND);
    CHECK_EQ_U64(row_count, ecs_entity_count(world));
    CHECK_EQ_U64(stats.entity_count, ecs_entity_count(world));
    CHECK_EQ_U64(chunk_count, stats.chunk_count);
    CHECK_EQ_U64(bytes_storage, stats.bytes_storage);
    CHECK_EQ_U64(bytes_live, stats.bytes_live);
    CHECK(stats.bytes_storage <= stats.bytes_allocated);
}

/* The table that holds rows of `component_count` components, for worlds with one such. */
static ecs_table_stats table_of(const ecs_world *world, uint32_t component_count)
{
    ecs_table_stats table;
    ecs_table_stats found;
    memset(&found, 0, sizeof found);
    for (uint32_t i = 0; ecs_world_table_stats(world, i, &table) == ECS_OK; i++) {
        if (table.component_count == component_count) found = table;
    }
    return found;
}

/* ---- growth ---- */

TEST(storage_growth_over_chunks_keeps_values)
{
    enum { COUNT = 5000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks();
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = ecs_spawn_with(world, (Index, {i}), (Pair, {i, ~(uint64_t)i}),
                                (Odd, {{(unsigned char)i, 1, 2}}), (Marked));
        REQUIRE(!ecs_is_null(all[i]));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ_U64(ecs_get(world, all[i], Index)->value, i);
        CHECK_EQ_U64(ecs_get(world, all[i], Pair)->b, ~(uint64_t)i);
        CHECK_EQ_U64(ecs_get(world, all[i], Odd)->bytes[0], i & 0xffu);
        CHECK_EQ_U64(ecs_get(world, all[i], Odd)->bytes[2], 2);
    }
    CHECK(table_of(world, 4).chunk_count > 30);
    CHECK_EQ_U64(table_of(world, 4).row_count, COUNT);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_small_table_takes_little_memory)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    (void)ecs_spawn_with(world, (Index, {1}));
    ecs_table_stats table = table_of(world, 1);
    CHECK_EQ_U64(table.chunk_count, 1);
    CHECK(table.bytes_storage <= 16384); /* thousands of tiny tables must stay cheap */
    for (uint32_t i = 0; i < 100000; i++) (void)ecs_spawn_with(world, (Index, {i}));
    table = table_of(world, 1);
    CHECK_EQ_U64(table.row_count, 100001);
    CHECK(table.chunk_count <= 4); /* long columns: 1.2 MB fit into one chunk of 2 MiB */
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_live_bytes_are_exact)
{
    ecs_world *world = world_small_chunks();
    CHECK_EQ_U64(ecs_world_stats(world).bytes_live, 0);
    for (uint32_t i = 0; i < 1000; i++) (void)ecs_spawn_with(world, (Index, {i}), (Pair));
    CHECK_EQ_U64(table_of(world, 2).bytes_live, 1000 * (8 + 4 + 16));
    for (uint32_t i = 0; i < 10; i++) (void)ecs_spawn(world);
    CHECK_EQ_U64(ecs_world_stats(world).bytes_live, 1000 * (8 + 4 + 16) + 10 * 8);
    ecs_entity entity = ecs_entity_next(world, ecs_null());
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    CHECK_EQ_U64(table_of(world, 2).bytes_live, 999 * (8 + 4 + 16));
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_columns_are_aligned_to_64)
{
    ecs_world *world = world_small_chunks();
    ecs_slice slices[256];
    for (uint32_t i = 0; i < 2000; i++) {
        (void)ecs_spawn_with(world, (Index, {i}), (Odd), (Pair));
    }
    uint32_t count = ecs_query_slices(world, ecs_query_of(world, &indexed), 0, slices, 256);
    REQUIRE(count > 1);
    REQUIRE(count <= 256);
    for (uint32_t i = 0; i < count; i++) CHECK_EQ_U64((uintptr_t)slices[i].data % 64, 0);
    ecs_world_destroy(world);
}

static void check_over_aligned_column(uint32_t align)
{
    ecs_world_desc desc = desc_small_chunks();
    desc.chunk_bytes = 65536;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    ecs_type type = {"Aligned", 2 * align, align, NULL, 0u, NULL};
    ecs_component aligned = {0};
    REQUIRE_STATUS(ecs_component_define(world, &type, &aligned), ECS_OK);
    ecs_entity all[64];
    for (uint32_t i = 0; i < 64; i++) {
        all[i] = ecs_spawn_with(world, (Odd, {{1, 2, 3}}), (Index, {i}));
        CHECK_STATUS(ecs_add_id(world, all[i], aligned), ECS_OK);
        unsigned char *value = (unsigned char *)ecs_get_mut_id(world, all[i], aligned);
        REQUIRE(value != NULL);
        for (uint32_t j = 0; j < 2 * align; j++) CHECK_EQ_U64(value[j], 0);
        memset(value, (int)(i + 1), 2 * align);
    }
    for (uint32_t i = 0; i < 64; i++) {
        const unsigned char *value =
            (const unsigned char *)ecs_get_id(world, all[i], aligned);
        CHECK_EQ_U64((uintptr_t)value % align, 0);
        CHECK_EQ_U64(value[0], i + 1);
        CHECK_EQ_U64(value[2 * align - 1], i + 1);
        CHECK_EQ_U64(ecs_get(world, all[i], Index)->value, i);
        CHECK_EQ_U64(ecs_get(world, all[i], Odd)->bytes[2], 3);
    }
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_over_aligned_columns_are_aligned)
{
    for (uint32_t align = 64; align <= ECS_ALIGN_MAX; align *= 2) {
        check_over_aligned_column(align);
    }
}

TEST(storage_large_component_keeps_values)
{
    enum { BYTES = 100000 };
    static unsigned char value[BYTES];
    ecs_world *world = ecs_world_create(NULL);
    ecs_type type = {"Large", BYTES, 1, NULL, 0u, NULL};
    ecs_component large = {0};
    REQUIRE_STATUS(ecs_component_define(world, &type, &large), ECS_OK);
    ecs_entity all[50];
    for (uint32_t i = 0; i < 50; i++) {
        all[i] = ecs_spawn(world);
        memset(value, (int)i, BYTES);
        CHECK_STATUS(ecs_set_id(world, all[i], large, value), ECS_OK);
    }
    for (uint32_t i = 0; i < 50; i++) {
        const unsigned char *found = (const unsigned char *)ecs_get_id(world, all[i], large);
        REQUIRE(found != NULL);
        CHECK_EQ_U64(found[0], i);
        CHECK_EQ_U64(found[BYTES - 1], i);
    }
    check_stats(world);
    ecs_world_destroy(world);
}

/* A component that fits no chunk: whatever is answered, nothing breaks. */
TEST(storage_component_larger_than_chunk_is_refused_or_works)
{
    static unsigned char value[3 * SMALL_CHUNK_BYTES];
    ecs_world *world = world_small_chunks();
    ecs_entity entity = ecs_spawn_with(world, (Index, {5}));
    ecs_type type = {"TooLarge", sizeof value, 1, NULL, 0u, NULL};
    ecs_component large = {0};
    ecs_status status = ecs_component_define(world, &type, &large);
    memset(value, 7, sizeof value);
    if (status == ECS_OK) status = ecs_set_id(world, entity, large, value);
    if (status == ECS_OK) {
        CHECK(memcmp(ecs_get_id(world, entity, large), value, sizeof value) == 0);
    } else {
        CHECK_STATUS(status, ECS_TOO_LARGE);
        CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), 1);
    }
    CHECK_EQ_U64(ecs_get(world, entity, Index)->value, 5);
    check_stats(world);
    ecs_world_destroy(world);
}

/* ---- moves and order ---- */

TEST(storage_moves_keep_values)
{
    enum { COUNT = 1000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks();
    for (uint32_t i = 0; i < COUNT; i++) all[i] = ecs_spawn_with(world, (Index, {i}));
    for (uint32_t i = 0; i < COUNT; i += 2) {
        CHECK_STATUS(ecs_set(world, all[i], Pair, {i, i + 1}), ECS_OK);
    }
    for (uint32_t i = 0; i < COUNT; i += 3) CHECK_STATUS(ecs_add(world, all[i], Marked), ECS_OK);
    for (uint32_t i = 0; i < COUNT; i += 4) CHECK_STATUS(ecs_remove(world, all[i], Pair), ECS_OK);
    for (uint32_t i = 0; i < COUNT; i += 5) CHECK_STATUS(ecs_add(world, all[i], Odd), ECS_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        const Pair *pair = ecs_get(world, all[i], Pair);
        CHECK_EQ_U64(ecs_get(world, all[i], Index)->value, i);
        CHECK((pair != NULL) == (i % 2 == 0 && i % 4 != 0));
        if (pair != NULL) CHECK_EQ_U64(pair->b, i + 1);
        CHECK(ecs_has(world, all[i], Marked) == (i % 3 == 0));
        CHECK(ecs_has(world, all[i], Odd) == (i % 5 == 0));
    }
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_added_component_is_zero_in_used_memory)
{
    ecs_world *world = world_small_chunks();
    for (uint32_t round = 0; round < 3; round++) {
        ecs_entity all[300];
        for (uint32_t i = 0; i < 300; i++) {
            all[i] = ecs_spawn_with(world, (Index, {i}), (Marked));
            CHECK_STATUS(ecs_add(world, all[i], Pair), ECS_OK);
            Pair *pair = ecs_get_mut(world, all[i], Pair);
            CHECK_EQ_U64(pair->a | pair->b, 0);
            pair->a = UINT64_MAX;
            pair->b = UINT64_MAX;
        }
        for (uint32_t i = 0; i < 300; i++) CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
    }
    check_stats(world);
    ecs_world_destroy(world);
}

/* Rows of a table in order are what a query over it shows. */
static void check_order(ecs_world *world, const ecs_entity *model, uint32_t count)
{
    uint32_t at = 0;
    ECS_EACH(world, indexed, view) {
        for (uint32_t i = 0; i < view->count; i++, at++) {
            REQUIRE(at < count);
            CHECK(ecs_equal(view->entities[i], model[at]));
        }
    }
    CHECK_EQ_U64(at, count);
}

TEST(storage_despawn_moves_last_row_into_hole)
{
    enum { COUNT = 700 };
    static ecs_entity model[COUNT];
    uint64_t random = test_seed();
    uint32_t count = COUNT;
    ecs_world *world = world_small_chunks();
    for (uint32_t i = 0; i < COUNT; i++) model[i] = ecs_spawn_with(world, (Index, {i}), (Pair));
    check_order(world, model, count);
    while (count > 0) {
        uint32_t hole = test_random_below(&random, count);
        CHECK_STATUS(ecs_despawn(world, model[hole]), ECS_OK);
        model[hole] = model[--count];
        if (count % 16 == 0) check_order(world, model, count);
    }
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_move_appends_to_new_table_and_fills_hole)
{
    ecs_world *world = world_small_chunks();
    ecs_entity all[6];
    for (uint32_t i = 0; i < 6; i++) all[i] = ecs_spawn_with(world, (Index, {i}));
    CHECK_STATUS(ecs_add(world, all[1], Marked), ECS_OK); /* 0 5 2 3 4 | 1 */
    CHECK_STATUS(ecs_add(world, all[0], Marked), ECS_OK); /* 4 5 2 3 | 1 0 */
    ecs_entity order[6] = {all[4], all[5], all[2], all[3], all[1], all[0]};
    check_order(world, order, 6);
    CHECK_STATUS(ecs_remove(world, all[1], Marked), ECS_OK); /* 4 5 2 3 1 | 0 */
    check_order(world, order, 6);
    ecs_world_destroy(world);
}

/* The value may be one of the world's own, in memory that moves for the new row. */
TEST(storage_set_from_own_column_is_safe)
{
    enum { COUNT = 2000 };
    static ecs_entity all[COUNT];
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    all[0] = ecs_spawn_with(world, (Pair, {7, 8}));
    for (uint32_t i = 1; i < COUNT; i++) {
        all[i] = ecs_spawn(world);
        const Pair *own = ecs_get(world, all[i - 1], Pair);
        CHECK_STATUS(ecs_set_type(world, all[i], ecs_type_of(Pair), own), ECS_OK);
        CHECK_EQ_U64(ecs_get(world, all[i], Pair)->b, 8);
    }
    for (uint32_t i = 0; i < COUNT; i++) CHECK_EQ_U64(ecs_get(world, all[i], Pair)->a, 7);
    ecs_world_destroy(world);
}

TEST(storage_spawn_from_own_column_is_safe)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    ecs_entity last = ecs_spawn_with(world, (Pair, {7, 8}));
    for (uint32_t i = 1; i < 2000; i++) {
        last = ecs_spawn_with(world, (Pair, *ecs_get(world, last, Pair)));
        ecs_value value = {ecs_type_of(Pair), ecs_get(world, last, Pair)};
        last = ecs_spawn_values(world, &value, 1);
        CHECK_EQ_U64(ecs_get(world, last, Pair)->b, 8);
    }
    ecs_world_destroy(world);
}

/* ---- bulk ---- */

TEST(storage_bulk_spawn_copies_arrays)
{
    enum { COUNT = 3000 };
    static Index numbers[COUNT];
    static Pair pairs[COUNT];
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks();
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i].value = i;
        pairs[i].a = i * 3;
        pairs[i].b = i * 5;
    }
    ecs_value values[4] = {{ecs_type_of(Index), numbers}, {ecs_type_of(Marked), NULL},
                           {ecs_type_of(Pair), pairs}, {ecs_type_of(Odd), NULL}};
    CHECK_STATUS(ecs_spawn_bulk(world, COUNT, values, 4, all), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK(ecs_alive(world, all[i]));
        CHECK(ecs_has(world, all[i], Marked));
        CHECK_EQ_U64(ecs_get(world, all[i], Index)->value, i);
        CHECK_EQ_U64(ecs_get(world, all[i], Pair)->b, i * 5);
        CHECK_EQ_U64(ecs_get(world, all[i], Odd)->bytes[1], 0);
    }
    check_order(world, all, COUNT);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_bulk_spawn_zeroes_used_memory)
{
    ecs_world *world = world_small_chunks();
    static Pair pairs[500];
    ecs_entity all[500];
    ecs_value value = {ecs_type_of(Pair), pairs};
    memset(pairs, 0xff, sizeof pairs);
    CHECK_STATUS(ecs_spawn_bulk(world, 500, &value, 1, NULL), ECS_OK);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    value.data = NULL;
    CHECK_STATUS(ecs_spawn_bulk(world, 500, &value, 1, all), ECS_OK);
    for (uint32_t i = 0; i < 500; i++) {
        const Pair *pair = ecs_get(world, all[i], Pair);
        CHECK_EQ_U64(pair->a | pair->b, 0);
    }
    ecs_world_destroy(world);
}

TEST(storage_bulk_spawn_of_nothing_is_ok)
{
    ecs_world *world = world_small_chunks();
    ecs_value value = {ecs_type_of(Index), NULL};
    ecs_entity all[10];
    CHECK_STATUS(ecs_spawn_bulk(world, 0, &value, 1, NULL), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    CHECK_STATUS(ecs_spawn_bulk(world, 10, NULL, 0, all), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 10);
    CHECK_EQ_U64(ecs_entity_components(world, all[9], NULL, 0), 0);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_bulk_spawn_reuses_freed_slots)
{
    ecs_world_desc desc = desc_small_chunks();
    desc.entities_max = 300;
    ecs_world *world = ecs_world_create(&desc);
    ecs_value value = {ecs_type_of(Index), NULL};
    ecs_entity all[300];
    for (uint32_t round = 1; round < 5; round++) {
        CHECK_STATUS(ecs_spawn_bulk(world, 150, &value, 1, all), ECS_OK);
        CHECK_STATUS(ecs_spawn_bulk(world, 150, NULL, 0, all + 150), ECS_OK);
        CHECK_STATUS(ecs_spawn_bulk(world, 1, NULL, 0, NULL), ECS_FULL);
        for (uint32_t i = 0; i < 300; i++) {
            CHECK_EQ_U64(ecs_generation(all[i]), round);
            CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
        }
    }
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    ecs_world_destroy(world);
}

TEST(storage_bulk_despawn_by_query_takes_all_that_match)
{
    enum { COUNT = 2000 };
    static ecs_entity all[COUNT];
    uint32_t gone = 77;
    ecs_world *world = world_small_chunks();
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = ecs_spawn_with(world, (Index, {i}));
        if (i % 3 == 0) CHECK_STATUS(ecs_add(world, all[i], Marked), ECS_OK);
        if (i % 5 == 0) CHECK_STATUS(ecs_add(world, all[i], Other), ECS_OK);
    }
    ecs_query query = ecs_query_of(world, &marked);
    CHECK_STATUS(ecs_query_despawn(world, query, &gone), ECS_OK);
    CHECK_EQ_U64(gone, 667);
    CHECK_STATUS(ecs_query_despawn(world, query, &gone), ECS_OK);
    CHECK_EQ_U64(gone, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK(ecs_alive(world, all[i]) == (i % 3 != 0));
        if (i % 3 == 0) continue;
        CHECK_EQ_U64(ecs_get(world, all[i], Index)->value, i);
        CHECK(ecs_has(world, all[i], Other) == (i % 5 == 0));
    }
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &indexed_not_marked), NULL), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_bulk_despawn_by_any_group)
{
    ecs_world *world = world_small_chunks();
    uint32_t gone = 0;
    for (uint32_t i = 0; i < 30; i++) {
        (void)ecs_spawn_with(world, (Pair));
        (void)ecs_spawn_with(world, (Odd));
        (void)ecs_spawn_with(world, (Odd), (Pair));
        (void)ecs_spawn_with(world, (Index));
    }
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &pair_or_odd), &gone), ECS_OK);
    CHECK_EQ_U64(gone, 90);
    CHECK_EQ_U64(ecs_entity_count(world), 30);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &indexed)), 30);
    check_stats(world);
    ecs_world_destroy(world);
}

/* ---- clone ---- */

TEST(storage_clone_copies_all_components)
{
    ecs_world *world = world_small_chunks();
    ecs_entity first = ecs_spawn_with(world, (Index, {3}), (Pair, {4, 5}), (Marked));
    ecs_entity second = ecs_clone(world, first);
    REQUIRE(!ecs_is_null(second));
    CHECK(!ecs_equal(first, second));
    CHECK(ecs_has(world, second, Marked));
    CHECK_EQ_U64(ecs_entity_components(world, second, NULL, 0), 3);
    CHECK_EQ_U64(ecs_get(world, second, Index)->value, 3);
    CHECK_EQ_U64(ecs_get(world, second, Pair)->b, 5);
    ecs_get_mut(world, second, Pair)->b = 6;
    CHECK_EQ_U64(ecs_get(world, first, Pair)->b, 5);
    CHECK_STATUS(ecs_despawn(world, first), ECS_OK);
    CHECK_EQ_U64(ecs_get(world, second, Pair)->b, 6);
    ecs_world_destroy(world);
}

/* The source's own row may lie in memory that grows for the copy. */
TEST(storage_clone_many_times_keeps_values)
{
    ecs_world *world = world_small_chunks();
    ecs_entity last = ecs_spawn_with(world, (Index, {9}), (Pair, {1, 2}));
    for (uint32_t i = 0; i < 2000; i++) {
        last = ecs_clone(world, last);
        CHECK_EQ_U64(ecs_get(world, last, Index)->value, 9);
        CHECK_EQ_U64(ecs_get(world, last, Pair)->b, 2);
    }
    CHECK_EQ_U64(ecs_entity_count(world), 2001);
    CHECK(!ecs_is_null(ecs_clone(world, ecs_spawn(world))));
    check_stats(world);
    ecs_world_destroy(world);
}

/* ---- shrink ---- */

TEST(storage_shrink_gives_back_what_it_says)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    ecs_entity kept = ecs_spawn_with(world, (Index, {5}), (Marked));
    for (uint32_t i = 0; i < 300000; i++) (void)ecs_spawn_with(world, (Index, {i}), (Pair));
    for (uint32_t i = 0; i < 1000; i++) (void)ecs_spawn_with(world, (Pair, {i, i}));
    ecs_stats most = ecs_world_stats(world);
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &indexed_not_marked), NULL), ECS_OK);
    ecs_stats before = ecs_world_stats(world);
    size_t given = ecs_shrink(world);
    ecs_stats after = ecs_world_stats(world);
    CHECK(given > 0);
    CHECK(most.bytes_storage - after.bytes_storage >= 300000 * (8 + 4 + 16));
    CHECK_EQ_U64(before.bytes_allocated - after.bytes_allocated, given);
    CHECK(after.bytes_storage < 200000);
    CHECK_EQ_U64(before.bytes_live, after.bytes_live);
    CHECK_EQ_U64(ecs_get(world, kept, Index)->value, 5);
    CHECK_EQ_U64(ecs_shrink(world), 0);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_shrink_keeps_values_and_world_goes_on)
{
    enum { COUNT = 3000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_small_chunks();
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            all[i] = ecs_spawn_with(world, (Index, {i}), (Pair, {i, round}));
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            if (i % 7 != 0) CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
        }
        (void)ecs_shrink(world);
        check_stats(world);
        for (uint32_t i = 0; i < COUNT; i += 7) {
            CHECK_EQ_U64(ecs_get(world, all[i], Index)->value, i);
            CHECK_EQ_U64(ecs_get(world, all[i], Pair)->b, round);
            CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
        }
        CHECK(ecs_shrink(world) > 0);
        CHECK_EQ_U64(ecs_world_stats(world).bytes_live, 0);
    }
    ecs_world_destroy(world);
}

TEST(storage_shrink_fixed_gives_chunks_to_other_tables)
{
    ecs_world_desc desc = desc_small_chunks();
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 100000;
    desc.chunks_max = 8;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    uint32_t first_count = 0;
    uint32_t second_count = 0;
    while (!ecs_is_null(ecs_spawn_with(world, (Index, {1})))) first_count++;
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK(first_count > 256);
    CHECK(ecs_is_null(ecs_spawn_with(world, (Pair, {1, 2}))));
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &indexed), NULL), ECS_OK);
    CHECK(ecs_shrink(world) > 0);
    while (!ecs_is_null(ecs_spawn_with(world, (Pair, {1, 2})))) second_count++;
    CHECK(second_count > 128);
    CHECK_EQ_U64(ecs_entity_count(world), second_count);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_shrink_of_empty_world_is_harmless)
{
    ecs_world *world = world_small_chunks();
    (void)ecs_shrink(world);
    CHECK_EQ_U64(ecs_shrink(world), 0);
    CHECK(!ecs_is_null(ecs_spawn_with(world, (Index, {1}))));
    ecs_world_destroy(world);
}

/* ---- many tables ---- */

enum { BITS = 15 };

/* Entity i has component b if bit b of its shape is set; its value is 100 * shape + b. */
static void check_shapes(uint32_t shape_count, uint32_t entities_each)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    static char names[BITS][8];
    static ecs_type types[BITS];
    uint32_t before = ecs_world_stats(world).table_count;
    for (uint32_t b = 0; b < BITS; b++) {
        snprintf(names[b], sizeof names[b], "bit%u", (unsigned)b);
        ecs_type type = {names[b], 4, 4, NULL, 0u, NULL};
        types[b] = type;
    }
    for (uint32_t i = 0; i < shape_count * entities_each; i++) {
        uint32_t shape = i % shape_count + 1;
        uint32_t data[BITS];
        ecs_value values[BITS];
        uint32_t count = 0;
        for (uint32_t b = 0; b < BITS; b++) {
            if ((shape >> b & 1) == 0) continue;
            data[b] = 100 * shape + b;
            values[count].type = &types[b];
            values[count++].data = &data[b];
        }
        REQUIRE(!ecs_is_null(ecs_spawn_values(world, values, count)));
    }
    CHECK_EQ_U64(ecs_world_stats(world).table_count - before, shape_count);
    uint32_t i = 0;
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e), i++) {
        uint32_t shape = i % shape_count + 1;
        for (uint32_t b = 0; b < BITS; b++) {
            const uint32_t *value = (const uint32_t *)ecs_get_type(world, e, &types[b]);
            CHECK((value != NULL) == ((shape >> b & 1) != 0));
            if (value != NULL) CHECK_EQ_U64(*value, 100 * shape + b);
        }
    }
    CHECK_EQ_U64(i, shape_count * entities_each);
    check_stats(world);
    ecs_world_destroy(world);
}

TEST(storage_26_tables_keep_values)
{
    check_shapes(26, 200);
}

TEST(storage_3000_tables_keep_values)
{
    check_shapes(3000, 3);
}

TEST(storage_30000_tables_keep_values)
{
    check_shapes(30000, 1);
}

TEST(storage_3000_tables_stay_small)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    static char names[BITS][8];
    for (uint32_t shape = 1; shape <= 3000; shape++) {
        ecs_entity entity = ecs_spawn(world);
        for (uint32_t b = 0; b < BITS; b++) {
            if ((shape >> b & 1) == 0) continue;
            snprintf(names[b], sizeof names[b], "bit%u", (unsigned)b);
            ecs_type type = {names[b], 0, 1, NULL, 0u, NULL};
            ecs_component tag = {0};
            CHECK_STATUS(ecs_component_define(world, &type, &tag), ECS_OK);
            CHECK_STATUS(ecs_add_id(world, entity, tag), ECS_OK);
        }
        CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0),
                     (unsigned)__builtin_popcount(shape));
    }
    CHECK(ecs_world_stats(world).bytes_storage <= 4096u * 8192u);
    check_stats(world);
    ecs_world_destroy(world);
}

/* The order in which components came does not make another table. */
TEST(storage_same_set_is_same_table)
{
    ecs_world *world = world_small_chunks();
    (void)ecs_spawn_with(world, (Index, {1}), (Pair), (Marked));
    uint32_t before = ecs_world_stats(world).table_count;
    (void)ecs_spawn_with(world, (Marked), (Pair), (Index, {2}));
    CHECK_EQ_U64(ecs_world_stats(world).table_count, before);
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, Pair), ECS_OK);
    CHECK_STATUS(ecs_add(world, entity, Marked), ECS_OK);
    CHECK_STATUS(ecs_set(world, entity, Index, {3}), ECS_OK);
    CHECK_EQ_U64(table_of(world, 3).row_count, 3);
    uint32_t count = 0;
    for (uint32_t i = 0; i < ecs_world_stats(world).table_count; i++) {
        ecs_table_stats table;
        CHECK_STATUS(ecs_world_table_stats(world, i, &table), ECS_OK);
        if (table.component_count == 3) count++;
    }
    CHECK_EQ_U64(count, 1);
    ecs_world_destroy(world);
}

TEST(storage_spawn_of_32_types_works_33_are_too_large)
{
    enum { COUNT = 33 };
    ecs_world *world = world_small_chunks();
    static char names[COUNT][8];
    static ecs_type types[COUNT];
    uint32_t data[COUNT];
    ecs_value values[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i);
        ecs_type type = {names[i], 4, 4, NULL, 0u, NULL};
        types[i] = type;
        data[i] = i;
        values[i].type = &types[i];
        values[i].data = &data[i];
    }
    ecs_entity entity = ecs_spawn_values(world, values, 32);
    for (uint32_t i = 0; i < 32; i++) {
        CHECK_EQ_U64(*(const uint32_t *)ecs_get_type(world, entity, &types[i]), i);
    }
    CHECK(ecs_is_null(ecs_spawn_values(world, values, 33)));
    CHECK_STATUS(ecs_world_status(world), ECS_TOO_LARGE);
    CHECK_STATUS(ecs_spawn_bulk(world, 1, values, 33, NULL), ECS_TOO_LARGE);
    CHECK_STATUS(ecs_set_type(world, entity, &types[32], &data[32]), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    ecs_world_destroy(world);
}

/* ---- random edits against a model ---- */

typedef struct {
    ecs_entity entity;
    bool has_pair, has_marked, has_odd;
    uint32_t number, pair;
} model_row;

static void check_model_row(const ecs_world *world, const model_row *row)
{
    const Pair *pair = ecs_get(world, row->entity, Pair);
    CHECK(ecs_alive(world, row->entity));
    CHECK_EQ_U64(ecs_get(world, row->entity, Index)->value, row->number);
    CHECK((pair != NULL) == row->has_pair);
    if (pair != NULL) CHECK_EQ_U64(pair->a, row->pair);
    CHECK(ecs_has(world, row->entity, Marked) == row->has_marked);
    CHECK(ecs_has(world, row->entity, Odd) == row->has_odd);
}

static void model_edit(ecs_world *world, model_row *row, uint32_t action, uint32_t value)
{
    switch (action) {
    case 0:
        CHECK_STATUS(ecs_set(world, row->entity, Pair, {value, 0}), ECS_OK);
        row->has_pair = true;
        row->pair = value;
        break;
    case 1:
        CHECK_STATUS(ecs_remove(world, row->entity, Pair), ECS_OK);
        row->has_pair = false;
        break;
    case 2:
        CHECK_STATUS(ecs_add(world, row->entity, Marked), ECS_OK);
        row->has_marked = true;
        break;
    case 3:
        CHECK_STATUS(ecs_remove(world, row->entity, Marked), ECS_OK);
        row->has_marked = false;
        break;
    case 4:
        CHECK_STATUS(ecs_add(world, row->entity, Odd), ECS_OK);
        row->has_odd = true;
        break;
    default:
        CHECK_STATUS(ecs_remove(world, row->entity, Odd), ECS_OK);
        row->has_odd = false;
        break;
    }
}

TEST(storage_random_edits_equal_model)
{
    enum { ROWS_MAX = 600 };
    static model_row rows[ROWS_MAX];
    uint64_t random = test_seed();
    uint32_t count = 0;
    uint32_t rounds = test_rounds(200000, 2000000);
    ecs_world *world = world_small_chunks();
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t action = test_random_below(&random, 16);
        if (count == 0 || (action == 15 && count < ROWS_MAX)) {
            memset(&rows[count], 0, sizeof rows[count]);
            rows[count].number = i;
            rows[count++].entity = ecs_spawn_with(world, (Index, {i}));
        } else if (action == 14 && count > 100) {
            uint32_t victim = test_random_below(&random, count);
            CHECK_STATUS(ecs_despawn(world, rows[victim].entity), ECS_OK);
            rows[victim] = rows[--count];
        } else {
            model_edit(world, &rows[test_random_below(&random, count)], action % 6, i);
        }
        check_model_row(world, &rows[test_random_below(&random, count)]);
        if (i % 5000 == 0) (void)ecs_shrink(world);
    }
    for (uint32_t i = 0; i < count; i++) check_model_row(world, &rows[i]);
    CHECK_EQ_U64(ecs_entity_count(world), count);
    check_stats(world);
    ecs_world_destroy(world);
}
