/* bad_input.c: what the header calls a caller's bug fails an assert, at the call.
 * bad_input_no_assert.c has the same calls with asserts off.
 * also: c++ */

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

/* Everything that a bad call may need besides its bug. */
typedef struct {
    ecs_world *world;
    ecs_commands *cmd;
    ecs_entity e;
    ecs_component a;
    ecs_component out;
    ecs_query query;
    ecs_iter iter;
    ecs_getter getter;
    ecs_table_stats stats;
    ecs_entity found;
    A value;
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
    return s;
}

#define DIES(name, call) \
    TEST_DEATH(bad_##name##_asserts) \
    { \
        bad_setup s = setup(); \
        (void)(call); \
        ecs_world_destroy(s.world); \
    } \
    struct bad_##name##_end
#define DIES_VOID(name, call) \
    TEST_DEATH(bad_##name##_asserts) \
    { \
        bad_setup s = setup(); \
        call; \
        ecs_world_destroy(s.world); \
    } \
    struct bad_##name##_end

/* A death test that dies in `setup` would prove nothing. */
TEST(bad_input_setup_is_good)
{
    bad_setup s = setup();
    CHECK(ecs_alive(s.world, s.e));
    CHECK(s.a.id != 0);
    CHECK(s.query.id != 0);
    CHECK_EQ_U64(s.out.id + s.found.bits + s.value.value, 0);
    CHECK(s.cmd != NULL);
    ecs_world_destroy(s.world);
    ecs_world_destroy(NULL); /* fine */
}

/* ---- no world ---- */

DIES(spawn_without_world, ecs_spawn(NULL));
DIES(spawn_values_without_world, ecs_spawn_with((ecs_world *)NULL, (A, {1})));
DIES(spawn_bulk_without_world, ecs_spawn_bulk(NULL, 1, NULL, 0, NULL));
DIES(despawn_without_world, ecs_despawn(NULL, s.e));
DIES(alive_without_world, ecs_alive(NULL, s.e));
DIES(entity_count_without_world, ecs_entity_count(NULL));
DIES(entity_next_without_world, ecs_entity_next(NULL, s.e));
DIES(entity_at_without_world, ecs_entity_at(NULL, 0));
DIES(add_without_world, ecs_add_id(NULL, s.e, s.a));
DIES(set_without_world, ecs_set_id(NULL, s.e, s.a, &s.value));
DIES(remove_without_world, ecs_remove_id(NULL, s.e, s.a));
DIES(has_without_world, ecs_has_id(NULL, s.e, s.a));
DIES(get_without_world, ecs_get_id(NULL, s.e, s.a));
DIES(get_mut_without_world, ecs_get_mut_id(NULL, s.e, s.a));
DIES(add_type_without_world, ecs_add((ecs_world *)NULL, s.e, A));
DIES(set_type_without_world, ecs_set((ecs_world *)NULL, s.e, A, {1}));
DIES(remove_type_without_world, ecs_remove((ecs_world *)NULL, s.e, A));
DIES(has_type_without_world, ecs_has((const ecs_world *)NULL, s.e, A));
DIES(get_type_without_world, ecs_get((const ecs_world *)NULL, s.e, A));
DIES(get_mut_type_without_world, ecs_get_mut((ecs_world *)NULL, s.e, A));
DIES(clone_without_world, ecs_clone(NULL, s.e));
DIES(components_without_world, ecs_entity_components(NULL, s.e, &s.out, 1));
DIES(clear_without_world, ecs_world_clear(NULL));
DIES(shrink_without_world, ecs_shrink(NULL));
DIES(status_without_world, ecs_world_status(NULL));
DIES(stats_without_world, ecs_world_stats(NULL));
DIES(table_stats_without_world, ecs_world_table_stats(NULL, 0, &s.stats));
DIES(tick_number_without_world, ecs_world_tick(NULL));
DIES(seed_without_world, ecs_world_seed(NULL));
DIES(register_without_world, ecs_component_register(NULL, ecs_type_of(B), &s.out));
DIES(define_without_world, ecs_component_define(NULL, ecs_type_of(B), &s.out));
DIES(component_of_without_world, ecs_component_of(NULL, ecs_type_of(A)));
DIES(find_without_world, ecs_component_find(NULL, "A"));
DIES(require_without_world, ecs_component_require(NULL, s.a, s.a));
DIES(component_count_without_world, ecs_component_count(NULL, s.a));
DIES(getter_without_world, ecs_getter_make(NULL, ecs_type_of(A), &s.getter));
DIES(query_make_without_world, ecs_query_make(NULL, &read_a, &s.query));
DIES(query_of_without_world, ecs_query_of(NULL, &read_a));
DIES(query_find_without_world, ecs_query_find(NULL, &read_a));
DIES(query_count_without_world, ecs_query_count(NULL, s.query));
DIES(query_first_without_world, ecs_query_first(NULL, s.query, &s.found));
DIES(query_single_without_world, ecs_query_single(NULL, s.query, &s.found));
DIES(query_despawn_without_world, ecs_query_despawn(NULL, s.query, NULL));
DIES(query_slices_without_world, ecs_query_slices(NULL, s.query, 0, NULL, 0));
DIES_VOID(iter_begin_without_world, ecs_iter_begin(NULL, s.query, &s.iter));
DIES(commands_without_world, ecs_world_commands(NULL));
DIES(flush_without_world, ecs_flush(NULL));
DIES(resource_set_without_world, ecs_resource_set((ecs_world *)NULL, A, {1}));
DIES(resource_get_without_world, ecs_resource_get((const ecs_world *)NULL, A));
DIES(resource_mut_without_world, ecs_resource_mut((ecs_world *)NULL, A));
DIES(event_send_without_world, ecs_event_send((ecs_world *)NULL, A, {1}));
DIES(event_reader_without_world, ecs_event_reader_open((ecs_world *)NULL, A));
DIES(tick_without_world, ecs_tick(NULL, 0));
DIES(tick_last_without_world, ecs_tick_last(NULL));
DIES(schedule_without_world, ecs_schedule_build(NULL));
DIES(phase_find_without_world, ecs_phase_find(NULL, "update"));
DIES(hash_without_world, ecs_world_hash(NULL));
DIES(explain_without_world, ecs_explain_schedule(NULL, NULL, 0));

/* ---- no type, name, value or place for the answer ---- */

DIES(register_without_type, ecs_component_register(s.world, NULL, &s.out));
DIES(define_without_type, ecs_component_define(s.world, NULL, &s.out));
DIES(component_of_without_type, ecs_component_of(s.world, NULL));
DIES(find_without_name, ecs_component_find(s.world, NULL));
DIES(hooks_without_hooks, ecs_component_hooks(s.world, s.a, NULL));
DIES(add_without_type, ecs_add_type(s.world, s.e, NULL));
DIES(set_without_type, ecs_set_type(s.world, s.e, NULL, &s.value));
DIES(set_without_value, ecs_set_type(s.world, s.e, ecs_type_of(A), NULL));
DIES(set_id_without_value, ecs_set_id(s.world, s.e, s.a, NULL));
DIES(remove_without_type, ecs_remove_type(s.world, s.e, NULL));
DIES(has_without_type, ecs_has_type(s.world, s.e, NULL));
DIES(get_without_type, ecs_get_type(s.world, s.e, NULL));
DIES(spawn_values_without_values, ecs_spawn_values(s.world, NULL, 1));
DIES(spawn_bulk_without_values, ecs_spawn_bulk(s.world, 1, NULL, 1, NULL));
DIES(components_without_out, ecs_entity_components(s.world, s.e, NULL, 1));
DIES(table_stats_without_out, ecs_world_table_stats(s.world, 0, NULL));
DIES(getter_without_type, ecs_getter_make(s.world, NULL, &s.getter));
DIES(getter_without_out, ecs_getter_make(s.world, ecs_type_of(A), NULL));
DIES(query_make_without_info, ecs_query_make(s.world, NULL, &s.query));
DIES(query_make_without_out, ecs_query_make(s.world, &read_a, NULL));
DIES(query_of_without_info, ecs_query_of(s.world, NULL));
DIES(query_first_without_out, ecs_query_first(s.world, s.query, NULL));
DIES(query_single_without_out, ecs_query_single(s.world, s.query, NULL));
DIES(query_slices_without_out, ecs_query_slices(s.world, s.query, 0, NULL, 1));
DIES_VOID(iter_begin_without_iter, ecs_iter_begin(s.world, s.query, NULL));
DIES(resource_set_without_value, ecs_resource_set_type(s.world, ecs_type_of(A), NULL));
DIES(resource_set_without_type, ecs_resource_set_type(s.world, NULL, &s.value));
DIES(event_send_without_value, ecs_event_send_type(s.world, ecs_type_of(A), NULL));
DIES(event_configure_without_desc, ecs_event_configure_type(s.world, ecs_type_of(A), NULL));
DIES(system_add_without_system, ecs_system_add(s.world, NULL, ECS_UPDATE));
DIES(system_add_without_desc, ecs_system_add_desc(s.world, NULL));
DIES(system_enable_without_name, ecs_system_enable(s.world, NULL, true));
DIES(phase_add_without_desc, ecs_phase_add(s.world, NULL));
DIES(phase_find_without_name, ecs_phase_find(s.world, NULL));

/* ---- commands ---- */

DIES(cmd_spawn_without_cmd, ecs_cmd_spawn(NULL));
DIES(cmd_spawn_values_without_cmd, ecs_cmd_spawn_values(NULL, NULL, 0));
DIES(cmd_despawn_without_cmd, ecs_cmd_despawn(NULL, s.e));
DIES(cmd_add_without_cmd, ecs_cmd_add_id(NULL, s.e, s.a));
DIES(cmd_set_without_cmd, ecs_cmd_set_id(NULL, s.e, s.a, &s.value));
DIES(cmd_remove_without_cmd, ecs_cmd_remove_id(NULL, s.e, s.a));
DIES(cmd_set_without_value, ecs_cmd_set_id(s.cmd, s.e, s.a, NULL));
DIES(cmd_add_of_unknown, ecs_cmd_add_id(s.cmd, s.e, unknown));
DIES(cmd_set_of_unknown, ecs_cmd_set_id(s.cmd, s.e, unknown, &s.value));
DIES(cmd_remove_of_unknown, ecs_cmd_remove_id(s.cmd, s.e, unknown));
DIES(cmd_add_without_type, ecs_cmd_add_type(s.cmd, s.e, NULL));
DIES(cmd_custom_without_function, ecs_cmd_custom(s.cmd, NULL, NULL, 0));
DIES(cmd_emit_without_value, ecs_cmd_emit_type(s.cmd, ecs_type_of(A), NULL));

/* ---- unknown ids ---- */

DIES(add_of_unknown, ecs_add_id(s.world, s.e, unknown));
DIES(add_of_null, ecs_add_id(s.world, s.e, null_component));
DIES(set_of_unknown, ecs_set_id(s.world, s.e, unknown, &s.value));
DIES(remove_of_unknown, ecs_remove_id(s.world, s.e, unknown));
DIES(require_of_unknown, ecs_component_require(s.world, unknown, s.a));
DIES(require_unknown, ecs_component_require(s.world, s.a, unknown));
DIES(query_despawn_of_unknown, ecs_query_despawn(s.world, unknown_query, NULL));
DIES(count_of_unknown, ecs_component_count(s.world, unknown));
DIES_VOID(iter_begin_const_of_writing_query,
          ecs_iter_begin_const(s.world, ecs_query_of(s.world, &write_a), &s.iter));

/* Reads may be asked about what is not registered: there is nothing. */
TEST(bad_ids_in_reads_find_nothing)
{
    bad_setup s = setup();
    ecs_component found[4];
    CHECK(!ecs_has_id(s.world, s.e, unknown));
    CHECK(!ecs_has_id(s.world, s.e, null_component));
    CHECK(ecs_get_id(s.world, s.e, unknown) == NULL);
    CHECK(ecs_get_id(s.world, s.e, null_component) == NULL);
    CHECK(ecs_get_mut_id(s.world, s.e, unknown) == NULL);
    CHECK(ecs_component_type(s.world, unknown) == NULL);
    CHECK_EQ_U64(ecs_entity_components(s.world, s.e, found, 4), 1);
    ecs_world_destroy(s.world);
}

TEST(bad_query_matches_nothing)
{
    bad_setup s = setup();
    ecs_slice slice;
    CHECK_EQ_U64(ecs_query_count(s.world, unknown_query), 0);
    CHECK_STATUS(ecs_query_first(s.world, unknown_query, &s.found), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_query_single(s.world, unknown_query, &s.found), ECS_NOT_FOUND);
    CHECK_EQ_U64(ecs_query_slices(s.world, unknown_query, 0, &slice, 1), 0);
    CHECK_EQ_U64(ecs_query_slices(s.world, s.query, 7, &slice, 1), 0);
    ecs_iter_begin(s.world, unknown_query, &s.iter);
    CHECK(!ecs_iter_next(&s.iter));
    CHECK_STATUS(ecs_despawn(s.world, s.e), ECS_OK); /* and nothing stays locked */
    ecs_world_destroy(s.world);
}

/* ---- time ---- */

DIES(tick_negative, ecs_tick(s.world, -0.5f));
DIES(tick_nan, ecs_tick(s.world, (float)NAN));
DIES(tick_infinite, ecs_tick(s.world, (float)INFINITY));

/* ---- not an assert: stale handles are data ---- */

TEST(bad_handle_is_a_status)
{
    bad_setup s = setup();
    CHECK_STATUS(ecs_despawn(s.world, ecs_null()), ECS_STALE);
    CHECK_STATUS(ecs_add(s.world, ecs_null(), A), ECS_STALE);
    CHECK_STATUS(ecs_cmd_despawn(s.cmd, ecs_null()), ECS_STALE);
    CHECK(!ecs_has(s.world, ecs_null(), A));
    CHECK(ecs_get(s.world, ecs_null(), A) == NULL);
    ecs_world_destroy(s.world);
}

/* ---- not an assert: a bad description of a world is refused, with a line in the log ---- */

static uint32_t log_lines;

static void count_log(ecs_log_level level, const char *text, void *user)
{
    CHECK(level == ECS_LOG_ERROR);
    CHECK(text != NULL && text[0] != 0);
    CHECK(user == (void *)&log_lines);
    log_lines++;
}

static void check_bad_desc(ecs_world_desc desc)
{
    uint32_t before = log_lines;
    desc.log = count_log;
    desc.log_user = &log_lines;
    CHECK(ecs_world_create(&desc) == NULL);
    CHECK(log_lines > before);
}

TEST(bad_world_description_is_refused)
{
    ecs_world_desc zero;
    memset(&zero, 0, sizeof zero);
    ecs_world_desc desc = zero;
    desc.entities_max = ECS_ENTITIES_MAX + 1u;
    check_bad_desc(desc);
    desc = zero;
    desc.chunk_bytes = 100000;
    check_bad_desc(desc);
    desc = zero;
    desc.row_block_rows = 100;
    check_bad_desc(desc);
    desc = zero;
    desc.row_block_rows = 32;
    check_bad_desc(desc);
    desc = zero;
    desc.stream_spawns_max = 262145;
    check_bad_desc(desc);
    CHECK_EQ_U64(ecs_world_bytes(&desc), 0);
    desc = zero;
    memset(&desc.memory, 7, sizeof desc.memory);
    check_bad_desc(desc);
}

TEST(bad_world_buffer_is_refused)
{
    static unsigned char buffer[4096 + 64];
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.log = count_log;
    desc.log_user = &log_lines;
    desc.memory = ECS_MEMORY_FIXED;
    desc.buffer = buffer;
    desc.buffer_bytes = 4096;
    CHECK(ecs_world_create(&desc) == NULL); /* far too small */
    CHECK_EQ_U64(log_lines, 1);
}

/* ---- not an assert: descriptions of types may come from data ---- */

static ecs_status define(ecs_world *world, const char *name, uint32_t bytes, uint32_t align,
                         const ecs_member *member)
{
    ecs_type type = {name, bytes, align, member, member == NULL ? 0u : 1u, NULL};
    ecs_component out = {77};
    ecs_status status = ecs_component_define(world, &type, &out);
    CHECK_EQ_U64(ecs_world_stats(world).component_count, 1);
    return status;
}

TEST(bad_type_description_is_invalid)
{
    bad_setup s = setup();
    static const ecs_member beyond = {"m", 4, 4, ECS_KIND_U32};
    static const ecs_member wraps = {"m", 0xfffffffcu, 8, ECS_KIND_U32};
    static const ecs_member strange = {"m", 0, 4, 99};
    static const ecs_member half = {"m", 0, 4, ECS_KIND_ENTITY};
    CHECK_STATUS(define(s.world, "x", 4, 0, NULL), ECS_INVALID);
    CHECK_STATUS(define(s.world, "x", 12, 3, NULL), ECS_INVALID);
    CHECK_STATUS(define(s.world, "x", 6, 4, NULL), ECS_INVALID);
    CHECK_STATUS(define(s.world, "x", 4, 4, &beyond), ECS_INVALID);
    CHECK_STATUS(define(s.world, "x", 4, 4, &wraps), ECS_INVALID);
    CHECK_STATUS(define(s.world, "x", 4, 4, &strange), ECS_INVALID);
    CHECK_STATUS(define(s.world, "x", 4, 4, &half), ECS_INVALID);
    CHECK(define(s.world, "", 4, 4, NULL) != ECS_OK);
    ecs_world_destroy(s.world);
}

TEST(bad_spawn_with_doubled_type_is_invalid)
{
    bad_setup s = setup();
    A data[2] = {{1}, {2}};
    ecs_value values[3] = {{ecs_type_of(A), &data[0]}, {ecs_type_of(B), NULL},
                           {ecs_type_of(A), &data[1]}};
    CHECK(ecs_is_null(ecs_spawn_values(s.world, values, 3)));
    CHECK_STATUS(ecs_world_status(s.world), ECS_INVALID);
    CHECK_STATUS(ecs_spawn_bulk(s.world, 1, values, 3, NULL), ECS_INVALID);
    CHECK_EQ_U64(ecs_entity_count(s.world), 1);
    ecs_world_destroy(s.world);
}

ECS_TASK(nothing)
{
    return ECS_OK;
}

TEST(bad_system_description_is_refused)
{
    bad_setup s = setup();
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = &nothing;
    CHECK_STATUS(ecs_system_add(s.world, &nothing, 999), ECS_INVALID);
    CHECK_STATUS(ecs_system_add(s.world, &nothing, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(s.world, &nothing, ECS_UPDATE), ECS_EXISTS);
    CHECK_STATUS(ecs_system_enable(s.world, "nobody", true), ECS_NOT_FOUND);
    static const ecs_term doubled[2] = {{ecs_type_of(A), {0}, ECS_ACCESS_READ},
                                        {ecs_type_of(A), {0}, ECS_ACCESS_WRITE}};
    const ecs_system twice = {"twice", doubled, 2, nothing.run, NULL};
    CHECK_STATUS(ecs_system_add(s.world, &twice, ECS_UPDATE), ECS_INVALID);
    CHECK_EQ_U64(ecs_world_stats(s.world).system_count, 1);
    CHECK_STATUS(ecs_tick(s.world, 0), ECS_OK);
    ecs_world_destroy(s.world);
}

TEST(bad_status_has_a_text)
{
    for (int i = -1; i <= (int)ECS_STATUS_COUNT + 1; i++) {
        const char *text = ecs_status_text((ecs_status)i);
        REQUIRE(text != NULL);
        CHECK(text[0] != 0);
        bool known = i >= 0 && i < (int)ECS_STATUS_COUNT;
        CHECK((strcmp(text, "unknown status") != 0) == known);
    }
}
