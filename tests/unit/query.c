/* query.c: terms, caches, spans, rows, slices, the lock, the run-time builder.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint32_t value; } A;
ECS_COMPONENT(A, value);
typedef struct { uint64_t value; } B;
ECS_COMPONENT(B, value);
typedef struct { uint8_t value; } C;
ECS_COMPONENT(C, value);
typedef struct { float x, y, z; } D;
ECS_COMPONENT(D, x, y, z);
ECS_TAG(T);
ECS_TAG(U);

ECS_QUERY(q_read, READ(A));
ECS_QUERY(q_write, WRITE(A));
ECS_QUERY(q_two, WRITE(A), READ(B));
ECS_QUERY(q_with, READ(A), WITH(T));
ECS_QUERY(q_not, READ(A), NOT(T), NOT(B));
ECS_QUERY(q_optional, READ(A), OPTIONAL(B));
ECS_QUERY(q_optional_write, READ(A), OPTIONAL_WRITE(B));
ECS_QUERY(q_only_not, NOT(A));
ECS_QUERY(q_only_with, WITH(T));
ECS_QUERY(q_only_optional, OPTIONAL(D));
ECS_QUERY(q_any, READ(A), ANY(B, C));
ECS_QUERY(q_any_first, ANY(A, B));
ECS_QUERY(q_any_three, READ(A), ANY(B, C, D));
ECS_QUERY(q_any_four, WITH(T), ANY(A, B, C, D));
ECS_QUERY(q_any_twice, WITH(T), ANY(A, B), ANY(C, D));
ECS_QUERY(q_none, READ(A), WITH(U));

static ecs_world *world_of_blocks(uint32_t row_block_rows)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = row_block_rows;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

/* One or more entities of every subset of A, B, C, D, T. */
static ecs_world *world_of_subsets(uint32_t each)
{
    ecs_world *world = world_of_blocks(64);
    for (uint32_t i = 0; i < 32 * each; i++) {
        ecs_entity e = ecs_spawn(world);
        if ((i & 1) != 0) CHECK_STATUS(ecs_set(world, e, A, {i}), ECS_OK);
        if ((i & 2) != 0) CHECK_STATUS(ecs_set(world, e, B, {i}), ECS_OK);
        if ((i & 4) != 0) CHECK_STATUS(ecs_set(world, e, C, {(uint8_t)i}), ECS_OK);
        if ((i & 8) != 0) CHECK_STATUS(ecs_set(world, e, D, {1, 2, (float)i}), ECS_OK);
        if ((i & 16) != 0) CHECK_STATUS(ecs_add(world, e, T), ECS_OK);
    }
    return world;
}

/* ---- typed terms: each row that a query shows is checked with ecs_get ---- */

TEST(query_read_shows_column)
{
    ecs_world *world = world_of_subsets(3);
    uint32_t rows = 0;
    ECS_EACH(world, q_read, view) {
        const A *a = ecs_read(view, A);
        for (uint32_t i = 0; i < view->count; i++, rows++) {
            CHECK(&a[i] == ecs_get(world, view->entities[i], A));
            CHECK_EQ_U64(a[i].value, ecs_index(view->entities[i]));
        }
    }
    CHECK_EQ_U64(rows, 48);
    ecs_world_destroy(world);
}

TEST(query_write_changes_column)
{
    ecs_world *world = world_of_subsets(3);
    ECS_EACH(world, q_two, view) {
        A *a = ecs_write(view, A);
        const B *b = ecs_read(view, B);
        CHECK(ecs_read(view, A) == a); /* the const one as well */
        for (uint32_t i = 0; i < view->count; i++) a[i].value = (uint32_t)b[i].value + 1000;
    }
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e)) {
        const A *a = ecs_get(world, e, A);
        uint32_t expected = ecs_index(e) + (ecs_has(world, e, B) ? 1000 : 0);
        if (a != NULL) CHECK_EQ_U64(a->value, expected);
    }
    ecs_world_destroy(world);
}

TEST(query_with_and_not_filter)
{
    ecs_world *world = world_of_subsets(2);
    uint32_t rows = 0;
    ECS_EACH_ROW(world, q_with, view) {
        CHECK(ecs_has(world, view->entities[view->row], T));
        CHECK(ecs_has(world, view->entities[view->row], A));
        rows++;
    }
    CHECK_EQ_U64(rows, 16);
    rows = 0;
    ECS_EACH_ROW(world, q_not, view) {
        CHECK(!ecs_has(world, view->entities[view->row], T));
        CHECK(!ecs_has(world, view->entities[view->row], B));
        CHECK_EQ_U64(ecs_read(view, A)[view->row].value, ecs_index(view->entities[view->row]));
        rows++;
    }
    CHECK_EQ_U64(rows, 8);
    ecs_world_destroy(world);
}

TEST(query_optional_is_null_where_missing)
{
    ecs_world *world = world_of_subsets(2);
    uint32_t with = 0;
    uint32_t without = 0;
    ECS_EACH(world, q_optional, view) {
        const B *b = ecs_optional(view, B);
        for (uint32_t i = 0; i < view->count; i++) {
            CHECK((b != NULL) == ecs_has(world, view->entities[i], B));
            if (b != NULL) CHECK_EQ_U64(b[i].value, ecs_index(view->entities[i]));
        }
        *(b != NULL ? &with : &without) += view->count;
    }
    CHECK_EQ_U64(with, 16);
    CHECK_EQ_U64(without, 16);
    ECS_EACH(world, q_optional_write, view) {
        B *b = ecs_optional_write(view, B);
        CHECK(ecs_optional(view, B) == b);
        for (uint32_t i = 0; b != NULL && i < view->count; i++) b[i].value = 5;
    }
    ECS_EACH(world, q_optional, view) {
        const B *b = ecs_optional(view, B);
        for (uint32_t i = 0; b != NULL && i < view->count; i++) CHECK_EQ_U64(b[i].value, 5);
    }
    ecs_world_destroy(world);
}

TEST(query_any_shows_columns_that_are_there)
{
    ecs_world *world = world_of_subsets(2);
    uint32_t rows = 0;
    ECS_EACH(world, q_any, view) {
        CHECK(ecs_optional(view, B) != NULL || ecs_optional(view, C) != NULL);
        for (uint32_t i = 0; i < view->count; i++, rows++) {
            ecs_entity e = view->entities[i];
            CHECK((ecs_optional(view, B) != NULL) == ecs_has(world, e, B));
            CHECK((ecs_optional(view, C) != NULL) == ecs_has(world, e, C));
            if (ecs_optional(view, C) != NULL) {
                CHECK_EQ_U64(ecs_optional(view, C)[i].value, ecs_index(e) & 0xff);
            }
        }
    }
    CHECK_EQ_U64(rows, 2 * 12);
    ecs_world_destroy(world);
}

TEST(query_any_groups_of_all_sizes_count)
{
    ecs_world *world = world_of_subsets(1);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_any)), 12);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_any_first)), 24);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_any_three)), 14);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_any_four)), 15);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_any_twice)), 9);
    ecs_world_destroy(world);
}

TEST(query_without_required_term_matches_all_but)
{
    ecs_world *world = world_of_subsets(2);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_only_not)), 32);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_only_with)), 32);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_only_optional)), 64);
    ecs_world_destroy(world);
}

TEST(query_no_match_shows_nothing)
{
    ecs_world *world = world_of_subsets(2);
    ecs_entity found = ecs_null();
    ECS_EACH(world, q_none, view) CHECK(view->count == 12345);
    ECS_EACH_ROW(world, q_none, view) CHECK(view->count == 12345);
    ecs_query query = ecs_query_of(world, &q_none);
    CHECK_EQ_U64(ecs_query_count(world, query), 0);
    CHECK_STATUS(ecs_query_first(world, query, &found), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_query_single(world, query, &found), ECS_NOT_FOUND);
    CHECK_EQ_U64(ecs_query_slices(world, query, 0, NULL, 0), 0);
    CHECK(!ecs_is_null(ecs_spawn(world))); /* no lock is left */
    ecs_world_destroy(world);
}

TEST(query_empty_tables_show_no_span)
{
    ecs_world *world = world_of_blocks(64);
    ecs_entity e = ecs_spawn_with(world, (A, {1}));
    CHECK_STATUS(ecs_add(world, e, T), ECS_OK);
    CHECK_STATUS(ecs_remove(world, e, T), ECS_OK);
    uint32_t spans = 0;
    ECS_EACH(world, q_read, view) {
        CHECK(view->count > 0);
        spans++;
    }
    CHECK_EQ_U64(spans, 1);
    CHECK_STATUS(ecs_despawn(world, e), ECS_OK);
    ECS_EACH(world, q_read, view) CHECK(view->count == 12345);
    ecs_world_destroy(world);
}

/* ---- caches ---- */

TEST(query_sees_tables_made_later)
{
    ecs_world *world = world_of_blocks(64);
    ecs_query query = ecs_query_of(world, &q_any);
    CHECK_EQ_U64(ecs_query_count(world, query), 0);
    (void)ecs_spawn_with(world, (A, {1}), (B, {1}));
    CHECK_EQ_U64(ecs_query_count(world, query), 1);
    (void)ecs_spawn_with(world, (A, {1}), (C, {1}));
    CHECK_EQ_U64(ecs_query_count(world, query), 2);
    (void)ecs_spawn_with(world, (A, {1}), (C, {1}), (B), (T), (U), (D));
    CHECK_EQ_U64(ecs_query_count(world, query), 3);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_any)), 3);
    CHECK_EQ_U64(ecs_query_of(world, &q_any).id, query.id);
    CHECK_EQ_U64(ecs_query_find(world, &q_any).id, query.id);
    CHECK_EQ_U64(ecs_query_find(world, &q_none).id, 0);
    ecs_world_destroy(world);
}

/* 1,000 tables, half before the query exists and half afterwards. */
TEST(query_over_many_tables_is_complete)
{
    ecs_world *world = world_of_blocks(64);
    char name[16];
    ecs_query query = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        ecs_component tag = {0};
        snprintf(name, sizeof name, "tag%u", (unsigned)i);
        ecs_type type = {name, 0, 1, NULL, 0u, NULL};
        REQUIRE_STATUS(ecs_component_define(world, &type, &tag), ECS_OK);
        ecs_entity e = ecs_spawn(world);
        CHECK_STATUS(ecs_add_id(world, e, tag), ECS_OK);
        if (i % 4 != 0) CHECK_STATUS(ecs_set(world, e, A, {i}), ECS_OK);
        if (i == 500) query = ecs_query_of(world, &q_read);
        if (i >= 500) CHECK_EQ_U64(ecs_query_count(world, query), i + 1 - (i / 4 + 1));
    }
    uint32_t rows = 0;
    ECS_EACH(world, q_read, view) rows += view->count;
    CHECK_EQ_U64(rows, 750);
    ecs_world_destroy(world);
}

TEST(query_tables_come_in_order_of_creation)
{
    ecs_world *world = world_of_blocks(64);
    (void)ecs_spawn_with(world, (A, {0}), (T));
    (void)ecs_spawn_with(world, (A, {1}));
    (void)ecs_spawn_with(world, (A, {2}), (B));
    (void)ecs_spawn_with(world, (A, {3}));
    (void)ecs_spawn_with(world, (A, {4}), (T));
    static const uint32_t order[] = {0, 4, 1, 3, 2};
    uint32_t at = 0;
    ECS_EACH_ROW(world, q_read, view) {
        REQUIRE(at < 5);
        CHECK_EQ_U64(ecs_read(view, A)[view->row].value, order[at]);
        at++;
    }
    CHECK_EQ_U64(at, 5);
    ecs_world_destroy(world);
}

TEST(query_in_two_worlds_is_apart)
{
    ecs_world *first = world_of_subsets(1);
    ecs_world *second = world_of_blocks(64);
    CHECK_EQ_U64(ecs_query_count(first, ecs_query_of(first, &q_read)), 16);
    CHECK_EQ_U64(ecs_query_count(second, ecs_query_of(second, &q_read)), 0);
    ecs_world_destroy(first);
    (void)ecs_spawn_with(second, (A, {1}));
    CHECK_EQ_U64(ecs_query_count(second, ecs_query_of(second, &q_read)), 1);
    ecs_world_destroy(second);
}

/* ---- spans and rows ---- */

static void check_spans(uint32_t row_block_rows, uint32_t count)
{
    ecs_world *world = world_of_blocks(row_block_rows);
    ecs_value value = {ecs_type_of(A), NULL};
    ecs_value values[2] = {{ecs_type_of(A), NULL}, {ecs_type_of(T), NULL}};
    CHECK_STATUS(ecs_spawn_bulk(world, count, &value, 1, NULL), ECS_OK);
    CHECK_STATUS(ecs_spawn_bulk(world, count / 2, values, 2, NULL), ECS_OK);
    uint32_t base = 0;
    uint32_t spans = 0;
    ECS_EACH(world, q_read, view) {
        CHECK(view->count > 0);
        CHECK(view->count <= row_block_rows);
        CHECK_EQ_U64(view->base, base);
        bool tagged = ecs_has(world, view->entities[0], T);
        CHECK(ecs_has(world, view->entities[view->count - 1], T) == tagged);
        base += view->count;
        spans++;
    }
    CHECK_EQ_U64(base, count + count / 2);
    CHECK(spans >= (count + row_block_rows - 1) / row_block_rows);
    ecs_world_destroy(world);
}

TEST(query_spans_are_at_most_one_row_block)
{
    check_spans(64, 1);
    check_spans(64, 64);
    check_spans(64, 65);
    check_spans(64, 10000);
    check_spans(256, 10000);
    check_spans(4096, 300000);
}

TEST(query_spans_default_block_is_4096)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_value value = {ecs_type_of(A), NULL};
    CHECK_STATUS(ecs_spawn_bulk(world, 100000, &value, 1, NULL), ECS_OK);
    uint32_t largest = 0;
    ECS_EACH(world, q_read, view) {
        if (view->count > largest) largest = view->count;
    }
    CHECK_EQ_U64(largest, 4096);
    ecs_world_destroy(world);
}

TEST(query_rows_come_one_by_one)
{
    ecs_world *world = world_of_blocks(64);
    for (uint32_t i = 0; i < 1000; i++) {
        ecs_entity e = ecs_spawn_with(world, (A, {i}));
        if (i % 2 == 1) CHECK_STATUS(ecs_add(world, e, T), ECS_OK);
    }
    uint32_t rows = 0;
    uint64_t sum = 0;
    ECS_EACH_ROW(world, q_write, view) {
        CHECK(view->row < view->count);
        CHECK_EQ_U64(view->base + view->row, rows);
        ecs_write(view, A)[view->row].value += 1;
        sum += ecs_read(view, A)[view->row].value;
        CHECK(&ecs_read(view, A)[view->row] == ecs_get(world, view->entities[view->row], A));
        rows++;
    }
    CHECK_EQ_U64(rows, 1000);
    CHECK_EQ_U64(sum, 999 * 1000 / 2 + 1000);
    ecs_world_destroy(world);
}

TEST(query_rows_untyped_come_one_by_one)
{
    ecs_world *world = world_of_subsets(5);
    ecs_iter iter;
    uint32_t rows = 0;
    ecs_iter_begin(world, ecs_query_of(world, &q_read), &iter);
    while (ecs_iter_next_row(&iter)) {
        CHECK(iter.row < iter.count);
        CHECK((const A *)iter.columns[0] + iter.row ==
              ecs_get(world, iter.entities[iter.row], A));
        rows++;
    }
    CHECK_EQ_U64(rows, 80);
    CHECK(!ecs_iter_next_row(&iter));
    CHECK(!ecs_iter_next(&iter));
    CHECK(!ecs_is_null(ecs_spawn(world)));
    ecs_world_destroy(world);
}

/* ---- count, first, single ---- */

TEST(query_count_first_single)
{
    ecs_world *world = world_of_blocks(64);
    ecs_query query = ecs_query_of(world, &q_with);
    ecs_entity found = ecs_null();
    CHECK_STATUS(ecs_query_first(world, query, &found), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_query_single(world, query, &found), ECS_NOT_FOUND);
    ecs_entity first = ecs_spawn_with(world, (A, {1}), (T));
    CHECK_EQ_U64(ecs_query_count(world, query), 1);
    CHECK_STATUS(ecs_query_single(world, query, &found), ECS_OK);
    CHECK(ecs_equal(found, first));
    ecs_entity second = ecs_spawn_with(world, (A, {1}), (T), (B)); /* in another table */
    CHECK_STATUS(ecs_query_single(world, query, &found), ECS_MANY);
    CHECK_STATUS(ecs_query_first(world, query, &found), ECS_OK);
    CHECK(ecs_equal(found, first));
    CHECK_STATUS(ecs_despawn(world, first), ECS_OK);
    CHECK_STATUS(ecs_query_first(world, query, &found), ECS_OK);
    CHECK(ecs_equal(found, second));
    CHECK_STATUS(ecs_query_single(world, query, &found), ECS_OK);
    CHECK(ecs_equal(found, second));
    (void)ecs_spawn_with(world, (A, {1}), (T), (B));
    CHECK_STATUS(ecs_query_single(world, query, &found), ECS_MANY);
    CHECK_EQ_U64(ecs_query_count(world, query), 2);
    ecs_world_destroy(world);
}

/* ---- slices ---- */

TEST(query_slices_hold_all_values_in_order)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.chunk_bytes = 8192;
    ecs_world *world = ecs_world_create(&desc);
    ecs_slice slices[64];
    for (uint32_t i = 0; i < 5000; i++) (void)ecs_spawn_with(world, (A, {i}), (B, {i}));
    ecs_query query = ecs_query_of(world, &q_two);
    uint32_t count = ecs_query_slices(world, query, 0, slices, 64);
    REQUIRE(count > 1);
    REQUIRE(count <= 64);
    uint32_t at = 0;
    for (uint32_t s = 0; s < count; s++) {
        CHECK_EQ_U64(slices[s].stride, sizeof(A));
        CHECK_EQ_U64((uintptr_t)slices[s].data % 64, 0);
        const A *values = (const A *)slices[s].data;
        for (uint32_t i = 0; i < slices[s].count; i++, at++) CHECK_EQ_U64(values[i].value, at);
    }
    CHECK_EQ_U64(at, 5000);
    CHECK_EQ_U64(ecs_query_slices(world, query, 1, slices, 64), count);
    CHECK_EQ_U64(slices[0].stride, sizeof(B));
    CHECK_EQ_U64(((const B *)slices[0].data)[3].value, 3);
    ecs_world_destroy(world);
}

TEST(query_slices_at_most_max_are_written)
{
    ecs_world *world = world_of_subsets(1);
    ecs_slice slices[64];
    ecs_query query = ecs_query_of(world, &q_optional);
    uint32_t count = ecs_query_slices(world, query, 1, NULL, 0);
    CHECK_EQ_U64(count, 16);
    memset(slices, 0x77, sizeof slices);
    CHECK_EQ_U64(ecs_query_slices(world, query, 1, slices, 3), 16);
    CHECK_EQ_U64(slices[3].count, 0x77777777u);
    CHECK_EQ_U64(ecs_query_slices(world, query, 1, slices, 64), 16);
    uint32_t without = 0;
    for (uint32_t s = 0; s < 16; s++) {
        CHECK_EQ_U64(slices[s].count, 1);
        if (slices[s].data == NULL) without++;
    }
    CHECK_EQ_U64(without, 8);
    ecs_world_destroy(world);
}

/* ---- the lock ---- */

/* Every way to edit is refused and changes nothing. */
static void check_locked(ecs_world *world, ecs_entity e)
{
    ecs_value value = {ecs_type_of(A), NULL};
    uint32_t gone = 0;
    uint64_t hash = ecs_world_hash(world);
    CHECK(ecs_is_null(ecs_spawn(world)));
    CHECK_STATUS(ecs_world_status(world), ECS_LOCKED);
    CHECK(ecs_is_null(ecs_spawn_with(world, (A, {1}), (B, {2}))));
    CHECK_STATUS(ecs_world_status(world), ECS_LOCKED);
    CHECK(ecs_is_null(ecs_clone(world, e)));
    CHECK_STATUS(ecs_world_status(world), ECS_LOCKED);
    CHECK_STATUS(ecs_spawn_bulk(world, 3, &value, 1, NULL), ECS_LOCKED);
    CHECK_STATUS(ecs_despawn(world, e), ECS_LOCKED);
    CHECK_STATUS(ecs_add(world, e, U), ECS_LOCKED);
    CHECK_STATUS(ecs_set(world, e, A, {99}), ECS_LOCKED);
    CHECK_STATUS(ecs_set(world, e, D, {1, 2, 3}), ECS_LOCKED);
    CHECK_STATUS(ecs_remove(world, e, A), ECS_LOCKED);
    ecs_component a = ecs_component_id(world, A);
    A data = {99};
    CHECK_STATUS(ecs_add_id(world, e, a), ECS_LOCKED);
    CHECK_STATUS(ecs_set_id(world, e, a, &data), ECS_LOCKED);
    CHECK_STATUS(ecs_remove_id(world, e, a), ECS_LOCKED);
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &q_read), &gone), ECS_LOCKED);
    CHECK_STATUS(ecs_world_clear(world), ECS_LOCKED);
    CHECK_STATUS(ecs_flush(world), ECS_LOCKED);
    CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
    CHECK_EQ_U64(ecs_shrink(world), 0);
    CHECK(ecs_world_hash(world) == hash);
    CHECK(ecs_alive(world, e));
    CHECK(ecs_get(world, e, A) != NULL);
}

static void check_unlocked(ecs_world *world)
{
    ecs_entity e = ecs_spawn_with(world, (A, {1}));
    CHECK(!ecs_is_null(e));
    CHECK_STATUS(ecs_add(world, e, T), ECS_OK);
    CHECK_STATUS(ecs_set(world, e, A, {2}), ECS_OK);
    CHECK_STATUS(ecs_despawn(world, e), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
}

TEST(query_lock_refuses_every_edit)
{
    ecs_world *world = world_of_subsets(2);
    uint32_t spans = 0;
    ECS_EACH(world, q_read, view) {
        check_locked(world, view->entities[0]);
        spans++;
    }
    CHECK_EQ_U64(spans, 16);
    check_unlocked(world);
    ECS_EACH_ROW(world, q_read, view) check_locked(world, view->entities[view->row]);
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_lock_is_gone_after_break)
{
    ecs_world *world = world_of_subsets(2);
    ECS_EACH(world, q_read, view) {
        CHECK(view->count > 0);
        break;
    }
    check_unlocked(world);
    ECS_EACH_ROW(world, q_read, view) {
        CHECK(view->count > 0);
        break;
    }
    check_unlocked(world);
    ecs_world_destroy(world);
}

static uint32_t value_of_first(ecs_world *world)
{
    ECS_EACH(world, q_read, view) {
        for (uint32_t i = 0; i < view->count; i++) return ecs_read(view, A)[i].value;
    }
    return 0;
}

TEST(query_lock_is_gone_after_return)
{
    ecs_world *world = world_of_subsets(2);
    CHECK_EQ_U64(value_of_first(world), 1);
    check_unlocked(world);
    CHECK_EQ_U64(value_of_first(world), 1);
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_lock_is_gone_after_end)
{
    ecs_world *world = world_of_subsets(2);
    ecs_iter iter;
    ecs_iter_begin(world, ecs_query_of(world, &q_read), &iter);
    CHECK(ecs_is_null(ecs_spawn(world)));
    CHECK(ecs_iter_next(&iter));
    CHECK(ecs_is_null(ecs_spawn(world)));
    ecs_iter_end(&iter);
    check_unlocked(world);
    ecs_iter_end(&iter); /* harmless */
    check_unlocked(world);
    CHECK(!ecs_iter_next(&iter));
    check_unlocked(world);
    ECS_EACH(world, q_read, view) {
        ecs_iter_end(&view->iter);
        CHECK(!ecs_is_null(ecs_spawn(world)));
        break;
    }
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_lock_is_gone_after_continue_and_goto)
{
    ecs_world *world = world_of_subsets(2);
    uint32_t spans = 0;
    ECS_EACH(world, q_read, view) {
        if (view->count > 0) spans++;
        if (spans < 3) continue;
        goto out;
    }
out:
    CHECK_EQ_U64(spans, 3);
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_nested_iteration_keeps_lock_to_the_end)
{
    ecs_world *world = world_of_subsets(2);
    uint32_t pairs = 0;
    ECS_EACH(world, q_read, outer) {
        ECS_EACH(world, q_write, inner) {
            pairs += outer->count * inner->count;
            if (pairs == 4) check_locked(world, inner->entities[0]);
        }
        check_locked(world, outer->entities[0]);
    }
    CHECK_EQ_U64(pairs, 32 * 32);
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_nested_iteration_of_same_query_is_independent)
{
    ecs_world *world = world_of_subsets(1);
    uint32_t pairs = 0;
    ECS_EACH_ROW(world, q_read, outer) {
        ECS_EACH_ROW(world, q_read, inner) {
            pairs++;
            if (inner->entities[inner->row].bits == outer->entities[outer->row].bits) break;
        }
    }
    CHECK_EQ_U64(pairs, 16 * 17 / 2);
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_lock_allows_reads_and_commands)
{
    ecs_world *world = world_of_subsets(1);
    ecs_commands *cmd = ecs_world_commands(world);
    ECS_EACH_ROW(world, q_read, view) {
        ecs_entity e = view->entities[view->row];
        CHECK(ecs_get(world, e, A) != NULL);
        CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_read)), 16);
        CHECK_STATUS(ecs_cmd_despawn(cmd, e), ECS_OK);
    }
    CHECK_EQ_U64(ecs_entity_count(world), 32);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 16);
    ecs_world_destroy(world);
}

/* ---- const worlds ---- */

static uint64_t sum_const(const ecs_world *world)
{
    uint64_t sum = 0;
    ECS_EACH_CONST(world, q_read, view) {
        for (uint32_t i = 0; i < view->count; i++) sum += ecs_read(view, A)[i].value;
    }
    return sum;
}

TEST(query_const_iteration_reads_without_lock)
{
    ecs_world *world = world_of_subsets(1);
    CHECK_EQ_U64(sum_const(world), 0); /* the query is not there yet */
    (void)ecs_query_of(world, &q_read);
    CHECK_EQ_U64(sum_const(world), 256);
    ecs_iter iter;
    ecs_iter_begin_const(world, ecs_query_find(world, &q_read), &iter);
    CHECK(ecs_iter_next(&iter));
    CHECK_STATUS(ecs_set(world, iter.entities[0], A, {101}), ECS_OK); /* no lock is held */
    ecs_iter_end(&iter);
    CHECK_EQ_U64(sum_const(world), 256 + 100);
    check_unlocked(world);
    ecs_world_destroy(world);
}

TEST(query_const_iteration_changes_no_hash)
{
    ecs_world *world = world_of_subsets(3);
    (void)ecs_query_of(world, &q_read);
    uint64_t hash = ecs_world_hash(world);
    CHECK(sum_const(world) > 0);
    CHECK(ecs_world_hash(world) == hash);
    ecs_world_destroy(world);
}

/* ---- limits ---- */

TEST(query_limit_is_exact)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.queries_max = 3;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    static const ecs_term terms[1] = {{ecs_type_of(A), {0}, ECS_ACCESS_READ}};
    static const ecs_query_info info = {"made", terms, 1};
    ecs_query query = {0};
    CHECK_STATUS(ecs_query_make(world, &info, &query), ECS_OK);
    CHECK_STATUS(ecs_query_make(world, &info, &query), ECS_OK); /* not merged */
    CHECK(ecs_query_of(world, &q_read).id != 0);
    CHECK_STATUS(ecs_query_make(world, &info, &query), ECS_FULL);
    CHECK_EQ_U64(ecs_query_of(world, &q_two).id, 0);
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK(ecs_query_of(world, &q_read).id != 0);
    CHECK_EQ_U64(ecs_world_stats(world).query_count, 3);
    (void)ecs_spawn_with(world, (A, {1}));
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &q_read)), 1);
    ECS_EACH(world, q_two, view) CHECK(view->count == 12345); /* refused: matches nothing */
    CHECK(!ecs_is_null(ecs_spawn(world)));
    ecs_world_destroy(world);
}

/* ---- the run-time builder ---- */

TEST(query_built_at_run_time_copies_terms)
{
    ecs_world *world = world_of_subsets(2);
    char name[8] = "made";
    ecs_term terms[2] = {{ecs_type_of(A), {0}, ECS_ACCESS_WRITE},
                         {NULL, {0}, ECS_ACCESS_NOT}};
    terms[1].component = ecs_component_id(world, B); /* by id */
    ecs_query_info info = {name, terms, 2};
    ecs_query query = {0};
    REQUIRE_STATUS(ecs_query_make(world, &info, &query), ECS_OK);
    memset(terms, 0x55, sizeof terms);
    memset(name, 'x', sizeof name - 1);
    memset(&info, 0x55, sizeof info);
    CHECK_EQ_U64(ecs_query_count(world, query), 16);
    ecs_iter iter;
    ecs_iter_begin(world, query, &iter);
    while (ecs_iter_next(&iter)) {
        CHECK(iter.columns[1] == NULL);
        for (uint32_t i = 0; i < iter.count; i++) {
            CHECK(!ecs_has(world, iter.entities[i], B));
            ((A *)iter.columns[0])[i].value = 7;
        }
    }
    CHECK_EQ_U64(value_of_first(world), 7);
    ecs_world_destroy(world);
}

static ecs_status make_pair(ecs_world *world, const ecs_type *first, ecs_access first_access,
                            const ecs_type *second, ecs_access second_access)
{
    ecs_term terms[2] = {{first, {0}, first_access}, {second, {0}, second_access}};
    ecs_query_info info = {"pair", terms, 2};
    ecs_query query = {0};
    return ecs_query_make(world, &info, &query);
}

TEST(query_doubled_type_is_refused)
{
    static const ecs_access all[] = {ECS_ACCESS_READ, ECS_ACCESS_WRITE, ECS_ACCESS_WITH,
                                     ECS_ACCESS_NOT, ECS_ACCESS_OPTIONAL,
                                     ECS_ACCESS_OPTIONAL_WRITE, ECS_ACCESS_ANY};
    ecs_world *world = world_of_subsets(1);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            CHECK_STATUS(make_pair(world, ecs_type_of(A), all[i], ecs_type_of(A), all[j]),
                         ECS_INVALID);
        }
    }
    CHECK_STATUS(make_pair(world, ecs_type_of(A), ECS_ACCESS_ANY, ecs_type_of(A),
                           ECS_ACCESS_ANY_MORE), ECS_INVALID);
    CHECK_EQ_U64(ecs_world_stats(world).query_count, 0);
    ecs_world_destroy(world);
}

TEST(query_system_terms_are_refused)
{
    ecs_world *world = world_of_subsets(1);
    static const ecs_access all[] = {ECS_ACCESS_RES_READ, ECS_ACCESS_RES_WRITE, ECS_ACCESS_ON,
                                     ECS_ACCESS_EMIT, ECS_ACCESS_LOOKUP};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        CHECK_STATUS(make_pair(world, ecs_type_of(A), ECS_ACCESS_READ, ecs_type_of(B), all[i]),
                     ECS_INVALID);
    }
    ecs_world_destroy(world);
}

TEST(query_terms_at_limit_work_beyond_are_refused)
{
    ecs_world *world = world_of_blocks(64);
    ecs_term terms[ECS_TERMS_MAX + 1];
    ecs_value values[ECS_TERMS_MAX];
    static char names[ECS_TERMS_MAX + 1][8];
    static ecs_type types[ECS_TERMS_MAX + 1];
    memset(terms, 0, sizeof terms);
    for (uint32_t i = 0; i <= ECS_TERMS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%u", (unsigned)i);
        ecs_type type = {names[i], 4, 4, NULL, 0u, NULL};
        types[i] = type;
        terms[i].type = &types[i];
        terms[i].access = ECS_ACCESS_READ;
        if (i == ECS_TERMS_MAX) break;
        values[i].type = &types[i];
        values[i].data = NULL;
    }
    (void)ecs_spawn_values(world, values, ECS_TERMS_MAX);
    ecs_query_info info = {"many", terms, ECS_TERMS_MAX + 1};
    ecs_query query = {0};
    CHECK_STATUS(ecs_query_make(world, &info, &query), ECS_INVALID);
    info.term_count = ECS_TERMS_MAX;
    CHECK_STATUS(ecs_query_make(world, &info, &query), ECS_OK);
    CHECK_EQ_U64(ecs_query_count(world, query), 1);
    ecs_iter iter;
    ecs_iter_begin(world, query, &iter);
    CHECK(ecs_iter_next(&iter));
    for (uint32_t i = 0; i < ECS_TERMS_MAX; i++) CHECK(iter.columns[i] != NULL);
    ecs_iter_end(&iter);
    ecs_world_destroy(world);
}

/* ---- random queries against plain tests of each entity ---- */

enum { KINDS = 6 };

static const ecs_type *kind_type(uint32_t kind)
{
    switch (kind) {
    case 0: return ecs_type_of(A);
    case 1: return ecs_type_of(B);
    case 2: return ecs_type_of(C);
    case 3: return ecs_type_of(D);
    case 4: return ecs_type_of(T);
    default: return ecs_type_of(U);
    }
}

/* Random terms, each type at most once; ANY groups are of two or more. */
static uint32_t random_terms(ecs_term *terms, uint64_t *random)
{
    static const ecs_access columns[] = {ECS_ACCESS_READ, ECS_ACCESS_WRITE, ECS_ACCESS_OPTIONAL,
                                         ECS_ACCESS_OPTIONAL_WRITE, ECS_ACCESS_WITH,
                                         ECS_ACCESS_NOT};
    uint32_t count = 0;
    uint32_t first_any = KINDS;
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        uint32_t choice = test_random_below(random, 9);
        if (choice >= 8) continue;
        memset(&terms[count], 0, sizeof terms[count]);
        terms[count].type = kind_type(kind);
        if (kind < 4 && choice >= 6 && first_any == KINDS && kind < 3) {
            first_any = count;
            terms[count++].access = ECS_ACCESS_ANY;
            memset(&terms[count], 0, sizeof terms[count]);
            terms[count].type = kind_type(++kind);
            terms[count++].access = ECS_ACCESS_ANY_MORE;
        } else if (kind < 4) {
            terms[count++].access = columns[choice % 6];
        } else {
            terms[count++].access = choice % 2 == 0 ? ECS_ACCESS_WITH : ECS_ACCESS_NOT;
        }
    }
    return count;
}

static bool matches(const ecs_world *world, ecs_entity e, const ecs_term *terms, uint32_t count)
{
    bool any = true;
    for (uint32_t t = 0; t < count; t++) {
        bool has = ecs_has_type(world, e, terms[t].type);
        switch (terms[t].access) {
        case ECS_ACCESS_READ:
        case ECS_ACCESS_WRITE:
        case ECS_ACCESS_WITH: if (!has) return false; break;
        case ECS_ACCESS_NOT: if (has) return false; break;
        case ECS_ACCESS_ANY: any = has; break;
        case ECS_ACCESS_ANY_MORE: any = any || has; break;
        default: break;
        }
    }
    return any;
}

/* The column of a term at a row must be the entity's own value. */
static void check_columns(const ecs_world *world, const ecs_iter *iter, const ecs_term *terms,
                          uint32_t count)
{
    for (uint32_t t = 0; t < count; t++) {
        const unsigned char *column = (const unsigned char *)iter->columns[t];
        bool shown = terms[t].access != ECS_ACCESS_WITH && terms[t].access != ECS_ACCESS_NOT;
        for (uint32_t i = 0; i < iter->count; i++) {
            const void *own = ecs_get_type(world, iter->entities[i], terms[t].type);
            const void *wanted = shown ? own : NULL;
            const void *found = column == NULL ? NULL : column + i * terms[t].type->bytes;
            CHECK(found == wanted);
        }
    }
}

static uint32_t count_matches(const ecs_world *world, const ecs_term *terms, uint32_t count)
{
    uint32_t found = 0;
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e)) {
        if (matches(world, e, terms, count)) found++;
    }
    return found;
}

TEST(query_random_terms_equal_model)
{
    uint64_t random = test_seed();
    ecs_world *world = world_of_subsets(2);
    uint32_t rounds = test_rounds(1000, 4000);
    for (uint32_t round = 0; round < rounds; round++) {
        ecs_term terms[KINDS];
        uint32_t count = random_terms(terms, &random);
        if (count == 0) continue;
        ecs_query_info info = {"random", terms, count};
        ecs_query query = {0};
        REQUIRE_STATUS(ecs_query_make(world, &info, &query), ECS_OK);
        if (round % 10 == 0) { /* tables made after some of the queries */
            ecs_entity e = ecs_spawn_with(world, (U));
            ecs_component ids[KINDS];
            for (uint32_t k = 0; k < 5; k++) {
                REQUIRE_STATUS(ecs_component_register(world, kind_type(k), &ids[k]), ECS_OK);
                if (test_random_below(&random, 2) == 0) continue;
                CHECK_STATUS(ecs_add_id(world, e, ids[k]), ECS_OK);
            }
        }
        uint32_t rows = 0;
        ecs_iter iter;
        ecs_iter_begin(world, query, &iter);
        while (ecs_iter_next(&iter)) {
            rows += iter.count;
            check_columns(world, &iter, terms, count);
        }
        CHECK_EQ_U64(rows, count_matches(world, terms, count));
        CHECK_EQ_U64(ecs_query_count(world, query), rows);
    }
    ecs_world_destroy(world);
}
