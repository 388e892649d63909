/* bad_input_no_assert.c: with asserts off, a caller's bug answers ECS_INVALID where there is
 * a status, and something harmless elsewhere. The world stays as it was.
 * also: c++ */

#define ECS_NO_ASSERT
#define ECS_IMPLEMENTATION
#include "../test.h"

#include <math.h>

typedef struct { uint32_t value; } A;
ECS_COMPONENT(A, value);
typedef struct { uint32_t value; } B;
ECS_COMPONENT(B, value);
ECS_TAG(T);
ECS_QUERY(read_a, READ(A));
ECS_QUERY(write_a, WRITE(A));

static const ecs_component unknown = {999};
static const ecs_component null_component = {0};
static const ecs_query unknown_query = {999};
static const ecs_query null_query = {0};

typedef struct {
    ecs_world *world;
    ecs_commands *cmd;
    ecs_entity e;
    ecs_component a;
    ecs_component out;
    ecs_query query;
    uint64_t hash;
} bad_setup;

static bad_setup setup(void)
{
    bad_setup s;
    memset(&s, 0, sizeof s);
    s.world = ecs_world_create(NULL);
    REQUIRE(s.world != NULL);
    s.e = ecs_spawn_with(s.world, (A, {1}));
    s.a = ecs_component_id(s.world, A);
    s.cmd = ecs_world_commands(s.world);
    s.query = ecs_query_of(s.world, &read_a);
    s.hash = ecs_world_hash(s.world);
    return s;
}

/* Nothing was changed, and everything still works. */
static void finish(bad_setup *s)
{
    CHECK(ecs_world_hash(s->world) == s->hash);
    CHECK_EQ_U64(ecs_world_stats(s->world).commands_recorded, 0);
    CHECK_EQ_U64(ecs_world_stats(s->world).component_count, 1);
    CHECK_STATUS(ecs_set(s->world, s->e, A, {5}), ECS_OK);
    CHECK_STATUS(ecs_add(s->world, s->e, B), ECS_OK);
    CHECK_STATUS(ecs_tick(s->world, 0.5f), ECS_OK);
    CHECK_EQ_U64(ecs_get(s->world, s->e, A)->value, 5);
    ecs_world_destroy(s->world);
}

#define INVALID(call) CHECK_STATUS(call, ECS_INVALID)

TEST(no_assert_without_world_edits)
{
    bad_setup s = setup();
    A value = {1};
    CHECK(ecs_is_null(ecs_spawn(NULL)));
    CHECK(ecs_is_null(ecs_spawn_with((ecs_world *)NULL, (A, {1}))));
    CHECK(ecs_is_null(ecs_clone(NULL, s.e)));
    INVALID(ecs_spawn_bulk(NULL, 1, NULL, 0, NULL));
    INVALID(ecs_despawn(NULL, s.e));
    INVALID(ecs_add_id(NULL, s.e, s.a));
    INVALID(ecs_set_id(NULL, s.e, s.a, &value));
    INVALID(ecs_remove_id(NULL, s.e, s.a));
    INVALID(ecs_add((ecs_world *)NULL, s.e, A));
    INVALID(ecs_set((ecs_world *)NULL, s.e, A, {1}));
    INVALID(ecs_remove((ecs_world *)NULL, s.e, A));
    INVALID(ecs_world_clear(NULL));
    INVALID(ecs_flush(NULL));
    INVALID(ecs_tick(NULL, 0));
    INVALID(ecs_schedule_build(NULL));
    INVALID(ecs_query_despawn(NULL, s.query, NULL));
    CHECK_EQ_U64(ecs_shrink(NULL), 0);
    CHECK(ecs_world_commands(NULL) == NULL);
    CHECK(ecs_resource_mut((ecs_world *)NULL, A) == NULL);
    INVALID(ecs_resource_set((ecs_world *)NULL, A, {1}));
    INVALID(ecs_event_send((ecs_world *)NULL, A, {1}));
    CHECK_EQ_U64(ecs_event_reader_open((ecs_world *)NULL, A).id, 0);
    finish(&s);
}

TEST(no_assert_without_world_reads)
{
    bad_setup s = setup();
    ecs_entity found = ecs_null();
    ecs_table_stats stats;
    CHECK(!ecs_alive(NULL, s.e));
    CHECK_EQ_U64(ecs_entity_count(NULL), 0);
    CHECK(ecs_is_null(ecs_entity_next(NULL, s.e)));
    CHECK(ecs_is_null(ecs_entity_at(NULL, 0)));
    CHECK(!ecs_has_id(NULL, s.e, s.a));
    CHECK(ecs_get_id(NULL, s.e, s.a) == NULL);
    CHECK(ecs_get_mut_id(NULL, s.e, s.a) == NULL);
    CHECK(!ecs_has((const ecs_world *)NULL, s.e, A));
    CHECK(ecs_get((const ecs_world *)NULL, s.e, A) == NULL);
    CHECK(ecs_get_mut((ecs_world *)NULL, s.e, A) == NULL);
    CHECK_EQ_U64(ecs_entity_components(NULL, s.e, NULL, 0), 0);
    CHECK_STATUS(ecs_world_status(NULL), ECS_INVALID);
    CHECK_EQ_U64(ecs_world_stats(NULL).entity_count, 0);
    INVALID(ecs_world_table_stats(NULL, 0, &stats));
    CHECK_EQ_U64(ecs_world_tick(NULL) + ecs_world_seed(NULL), 0);
    CHECK_EQ_U64(ecs_component_of(NULL, ecs_type_of(A)).id, 0);
    CHECK_EQ_U64(ecs_component_find(NULL, "A").id, 0);
    CHECK(ecs_component_type(NULL, s.a) == NULL);
    CHECK_EQ_U64(ecs_component_count(NULL, s.a), 0);
    CHECK_EQ_U64(ecs_query_find(NULL, &read_a).id, 0);
    CHECK_EQ_U64(ecs_query_count(NULL, s.query), 0);
    INVALID(ecs_query_first(NULL, s.query, &found));
    INVALID(ecs_query_single(NULL, s.query, &found));
    CHECK_EQ_U64(ecs_query_slices(NULL, s.query, 0, NULL, 0), 0);
    CHECK(ecs_resource_get((const ecs_world *)NULL, A) == NULL);
    CHECK(ecs_tick_last(NULL) == NULL);
    CHECK_EQ_U64(ecs_phase_find(NULL, "update"), 0);
    (void)ecs_world_hash(NULL);
    finish(&s);
}

TEST(no_assert_without_world_registration)
{
    bad_setup s = setup();
    ecs_hooks hooks;
    ecs_getter getter;
    memset(&hooks, 0, sizeof hooks);
    INVALID(ecs_component_register(NULL, ecs_type_of(B), &s.out));
    INVALID(ecs_component_define(NULL, ecs_type_of(B), &s.out));
    INVALID(ecs_component_require(NULL, s.a, s.a));
    INVALID(ecs_component_hooks(NULL, s.a, &hooks));
    INVALID(ecs_getter_make(NULL, ecs_type_of(A), &getter));
    INVALID(ecs_query_make(NULL, &read_a, &s.query));
    CHECK_EQ_U64(ecs_query_of(NULL, &read_a).id, 0);
    INVALID(ecs_system_add(NULL, NULL, ECS_UPDATE));
    INVALID(ecs_system_enable(NULL, "x", true));
    CHECK_EQ_U64(ecs_phase_add(NULL, NULL), 0);
    finish(&s);
}

TEST(no_assert_without_argument)
{
    bad_setup s = setup();
    A value = {1};
    ecs_getter getter;
    INVALID(ecs_component_register(s.world, NULL, &s.out));
    INVALID(ecs_component_define(s.world, NULL, &s.out));
    CHECK_EQ_U64(ecs_component_of(s.world, NULL).id, 0);
    CHECK_EQ_U64(ecs_component_find(s.world, NULL).id, 0);
    INVALID(ecs_component_hooks(s.world, s.a, NULL));
    INVALID(ecs_add_type(s.world, s.e, NULL));
    INVALID(ecs_set_type(s.world, s.e, NULL, &value));
    INVALID(ecs_set_type(s.world, s.e, ecs_type_of(A), NULL));
    INVALID(ecs_set_id(s.world, s.e, s.a, NULL));
    INVALID(ecs_remove_type(s.world, s.e, NULL));
    CHECK(!ecs_has_type(s.world, s.e, NULL));
    CHECK(ecs_get_type(s.world, s.e, NULL) == NULL);
    CHECK(ecs_get_mut_type(s.world, s.e, NULL) == NULL);
    CHECK(ecs_is_null(ecs_spawn_values(s.world, NULL, 1)));
    INVALID(ecs_spawn_bulk(s.world, 1, NULL, 1, NULL));
    INVALID(ecs_world_table_stats(s.world, 0, NULL));
    INVALID(ecs_getter_make(s.world, NULL, &getter));
    INVALID(ecs_getter_make(s.world, ecs_type_of(A), NULL));
    INVALID(ecs_query_make(s.world, NULL, &s.query));
    INVALID(ecs_query_make(s.world, &read_a, NULL));
    CHECK_EQ_U64(ecs_query_of(s.world, NULL).id, 0);
    INVALID(ecs_query_first(s.world, s.query, NULL));
    INVALID(ecs_query_single(s.world, s.query, NULL));
    INVALID(ecs_resource_set_type(s.world, NULL, &value));
    INVALID(ecs_event_send_type(s.world, NULL, &value));
    INVALID(ecs_system_add(s.world, NULL, ECS_UPDATE));
    INVALID(ecs_system_add_desc(s.world, NULL));
    INVALID(ecs_system_enable(s.world, NULL, true));
    CHECK_EQ_U64(ecs_phase_add(s.world, NULL), 0);
    CHECK_EQ_U64(ecs_phase_find(s.world, NULL), 0);
    finish(&s);
}

TEST(no_assert_unknown_ids)
{
    bad_setup s = setup();
    A value = {1};
    ecs_entity found = ecs_null();
    INVALID(ecs_add_id(s.world, s.e, unknown));
    INVALID(ecs_add_id(s.world, s.e, null_component));
    INVALID(ecs_set_id(s.world, s.e, unknown, &value));
    INVALID(ecs_remove_id(s.world, s.e, unknown));
    CHECK(!ecs_has_id(s.world, s.e, unknown));
    CHECK(ecs_get_id(s.world, s.e, unknown) == NULL);
    CHECK(ecs_get_mut_id(s.world, s.e, unknown) == NULL);
    INVALID(ecs_component_require(s.world, unknown, s.a));
    INVALID(ecs_component_require(s.world, s.a, unknown));
    CHECK_EQ_U64(ecs_component_count(s.world, unknown), 0);
    CHECK_EQ_U64(ecs_query_count(s.world, unknown_query), 0);
    CHECK_EQ_U64(ecs_query_count(s.world, null_query), 0);
    CHECK_STATUS(ecs_query_first(s.world, unknown_query, &found), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_query_single(s.world, null_query, &found), ECS_NOT_FOUND);
    INVALID(ecs_query_despawn(s.world, unknown_query, NULL));
    CHECK_EQ_U64(ecs_query_slices(s.world, unknown_query, 0, NULL, 0), 0);
    CHECK_EQ_U64(ecs_query_slices(s.world, s.query, 7, NULL, 0), 0);
    finish(&s);
}

TEST(no_assert_iteration_of_unknown_query_shows_nothing)
{
    bad_setup s = setup();
    ecs_iter iter;
    ecs_iter_begin(s.world, unknown_query, &iter);
    CHECK(!ecs_iter_next(&iter));
    ecs_iter_end(&iter);
    ecs_iter_begin(s.world, null_query, &iter);
    CHECK(!ecs_iter_next(&iter));
    ecs_iter_begin_const(s.world, null_query, &iter);
    CHECK(!ecs_iter_next(&iter));
    ecs_iter_begin(s.world, s.query, NULL);
    finish(&s); /* not locked */
}

TEST(no_assert_iteration_without_world_shows_nothing)
{
    bad_setup s = setup();
    ecs_iter iter;
    memset(&iter, 0x55, sizeof iter); /* as the stack may be */
    ecs_iter_begin(NULL, s.query, &iter);
    CHECK(!ecs_iter_next(&iter));
    ecs_iter_end(&iter);
    memset(&iter, 0x55, sizeof iter);
    ecs_iter_begin_const(NULL, s.query, &iter);
    CHECK(!ecs_iter_next(&iter));
    finish(&s);
}

TEST(no_assert_const_iteration_of_writing_query_shows_nothing)
{
    bad_setup s = setup();
    ecs_iter iter;
    memset(&iter, 0x55, sizeof iter);
    ecs_iter_begin_const(s.world, ecs_query_of(s.world, &write_a), &iter);
    CHECK(!ecs_iter_next(&iter));
    finish(&s);
}

TEST(no_assert_commands)
{
    bad_setup s = setup();
    A value = {1};
    CHECK(ecs_is_null(ecs_cmd_spawn(NULL)));
    CHECK(ecs_is_null(ecs_cmd_spawn_values(NULL, NULL, 0)));
    CHECK(ecs_is_null(ecs_cmd_spawn_values(s.cmd, NULL, 1)));
    INVALID(ecs_cmd_despawn(NULL, s.e));
    INVALID(ecs_cmd_add_id(NULL, s.e, s.a));
    INVALID(ecs_cmd_set_id(NULL, s.e, s.a, &value));
    INVALID(ecs_cmd_remove_id(NULL, s.e, s.a));
    INVALID(ecs_cmd_set_id(s.cmd, s.e, s.a, NULL));
    INVALID(ecs_cmd_add_id(s.cmd, s.e, unknown));
    INVALID(ecs_cmd_set_id(s.cmd, s.e, unknown, &value));
    INVALID(ecs_cmd_remove_id(s.cmd, s.e, unknown));
    INVALID(ecs_cmd_add_type(s.cmd, s.e, NULL));
    INVALID(ecs_cmd_set_type(s.cmd, s.e, NULL, &value));
    INVALID(ecs_cmd_custom(s.cmd, NULL, NULL, 0));
    CHECK_STATUS(ecs_flush(s.world), ECS_OK);
    finish(&s);
}

TEST(no_assert_time)
{
    bad_setup s = setup();
    INVALID(ecs_tick(s.world, -0.5f));
    INVALID(ecs_tick(s.world, (float)NAN));
    INVALID(ecs_tick(s.world, (float)INFINITY));
    INVALID(ecs_tick(s.world, (float)-INFINITY));
    CHECK_EQ_U64(ecs_world_tick(s.world), 0);
    finish(&s);
}

TEST(no_assert_getter_without_world_finds_nothing)
{
    bad_setup s = setup();
    ECS_GETTER(A) a = ecs_getter_bind((ecs_world *)NULL, A);
    CHECK(ecs_getter_get(a, A, s.e) == NULL);
    finish(&s);
}

TEST(no_assert_stale_handles_are_still_a_status)
{
    bad_setup s = setup();
    CHECK_STATUS(ecs_despawn(s.world, ecs_null()), ECS_STALE);
    CHECK_STATUS(ecs_set(s.world, ecs_null(), A, {1}), ECS_STALE);
    CHECK(ecs_is_null(ecs_clone(s.world, ecs_null())));
    finish(&s);
}

#ifndef ECS_NO_WORLDS
TEST(no_assert_worlds_together)
{
    bad_setup s = setup();
    ecs_worlds *worlds = ecs_worlds_create(NULL);
    ecs_worlds_member_desc member;
    ecs_route_desc route;
    ecs_retry retry;
    memset(&member, 0, sizeof member);
    memset(&route, 0, sizeof route);
    memset(&retry, 0, sizeof retry);
    REQUIRE(worlds != NULL);
    CHECK_STATUS(ecs_worlds_add(NULL, s.world, &member), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_add(worlds, NULL, &member), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_add(worlds, s.world, NULL), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_add(worlds, s.world, &member), ECS_INVALID); /* no name */
    member.name = "a";
    member.choice_count = 1;
    CHECK_STATUS(ecs_worlds_add(worlds, s.world, &member), ECS_INVALID); /* no choices */
    member.choice_count = 0;
    CHECK_STATUS(ecs_worlds_route(NULL, &route), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_route(worlds, NULL), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_route(worlds, &route), ECS_INVALID); /* to nobody */
    CHECK_STATUS(ecs_worlds_send(NULL, s.world, s.e, 1), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_send(worlds, NULL, s.e, 1), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_send_group(worlds, s.world, NULL, 1, 1), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_tick(NULL, 0), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_tick(worlds, -1), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_tick(worlds, (float)NAN), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_tick_one(worlds, NULL, 0), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_remove(worlds, NULL), ECS_INVALID);
    CHECK_STATUS(ecs_worlds_route_stats(worlds, s.world, 1, NULL), ECS_INVALID);
    CHECK_EQ_U64(ecs_worlds_receive(worlds, NULL), 0);
    CHECK_EQ_U64(ecs_worlds_settle(NULL), 0);
    CHECK_EQ_U64(ecs_worlds_discard(worlds, NULL), 0);
    CHECK(!ecs_worlds_admits(NULL, s.world, 1));
    CHECK_EQ_U64(ecs_worlds_number(NULL, s.world), 0);
    CHECK_EQ_U64(ecs_worlds_find(worlds, NULL), 0);
    CHECK(ecs_worlds_world(NULL, 1) == NULL);
    CHECK_EQ_U64(ecs_worlds_stats_of(NULL, NULL).sent, 0);
    CHECK(!ecs_retry_due(NULL, 0));
    CHECK(!ecs_retry_refused(NULL, NULL, 0));
    CHECK_STATUS(ecs_worlds_add(worlds, s.world, &member), ECS_OK);
    ecs_world_destroy(s.world); /* a member stays */
    CHECK_STATUS(ecs_worlds_remove(worlds, s.world), ECS_OK);
    CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
    finish(&s);
}
#endif
