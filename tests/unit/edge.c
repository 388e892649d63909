/* edge.c: cases where several parts meet: refusals half way, hooks that edit, late types. */

#define ECS_IMPLEMENTATION
#include "../test.h"

#include <string.h>

typedef struct A { int32_t number; } A;
ECS_COMPONENT(A, number);
typedef struct B { int32_t number; } B;
ECS_COMPONENT(B, number);
typedef struct Late { int32_t number; } Late;
ECS_COMPONENT(Late, number);
typedef struct Note { ecs_entity about; } Note;
ECS_EVENT(Note, about);
ECS_TAG(Marked);

static ecs_world *fixed_world(ecs_world_desc desc)
{
    ecs_world *world;
    desc.memory = ECS_MEMORY_FIXED;
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

TEST(edge_refused_bulk_on_full_chunk_leaves_table_whole)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.chunk_bytes = 4096;
    desc.chunks_max = 3;
    ecs_world *world = fixed_world(desc);
    uint32_t count = 0;
    ecs_entity first = ecs_spawn(world);
    ecs_table_stats table;
    do {
        CHECK(!ecs_is_null(ecs_spawn(world)));
        count++;
        REQUIRE_STATUS(ecs_world_table_stats(world, 0, &table), ECS_OK);
    } while (table.row_count < table.row_capacity);
    CHECK_STATUS(ecs_spawn_bulk(world, 5 * count, NULL, 0, NULL), ECS_FULL);
    CHECK_STATUS(ecs_despawn(world, first), ECS_OK);
    CHECK(!ecs_is_null(ecs_spawn(world)));
    CHECK_EQ_U64(ecs_entity_count(world), count + 1);
    ecs_world_destroy(world);
}

/* ---- Systems that are added while a system is added ------------------------------------------ */

ECS_TASK(inner)
{
    return ECS_OK;
}

ECS_TASK(outer)
{
    return ECS_OK;
}

static ecs_status inner_status;

static ecs_status add_inner(ecs_world *world, void *user)
{
    (void)user;
    inner_status = ecs_system_add(world, &inner, ECS_UPDATE);
    return ECS_OK;
}

TEST(edge_system_added_by_init_is_refused)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = &outer;
    desc.init = add_inner;
    CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(inner_status, ECS_LOCKED);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    ecs_world_destroy(world);
}

static ecs_status refuse(ecs_world *world, void *user)
{
    (void)world;
    (void)user;
    return ECS_FAILED;
}

TEST(edge_refused_system_keeps_no_query)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = &outer;
    desc.init = refuse;
    for (int i = 0; i < 10; i++) CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_FAILED);
    CHECK_EQ_U64(ecs_world_stats(world).query_count, 0);
    ecs_world_destroy(world);
}

/* ---- Life hooks that edit ----------------------------------------------------------------- */

static ecs_world *hook_world;
static ecs_entity hook_victim;
static ecs_status hook_status;

static void destroy_edits(void *values, uint32_t count, void *user)
{
    (void)values;
    (void)count;
    (void)user;
    if (!ecs_is_null(hook_victim)) hook_status = ecs_despawn(hook_world, hook_victim);
}

TEST(edge_life_hook_that_edits_is_refused)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_hooks hooks;
    ecs_component a;
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = destroy_edits;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(A), &a), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, a, &hooks), ECS_OK);
    ecs_entity first = ecs_spawn_with(world, (A, {1}));
    ecs_entity second = ecs_spawn_with(world, (A, {2}));
    hook_world = world;
    hook_victim = first;
    hook_status = ECS_OK;
    CHECK_STATUS(ecs_despawn(world, second), ECS_OK);
    CHECK_STATUS(hook_status, ECS_LOCKED);
    CHECK(ecs_alive(world, first));
    CHECK(!ecs_alive(world, second));
    hook_victim = ecs_null();
    ecs_world_destroy(world);
}

/* ---- Types that appear in the middle of a flush ---------------------------------------------- */

static uint32_t late_sets;

static void late_was_set(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)world;
    (void)entity;
    (void)value;
    (void)user;
    late_sets++;
}

static void add_late(ecs_world *world, void *payload, uint32_t bytes)
{
    ecs_entity e;
    ecs_component late;
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_set = late_was_set;
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Late), &late), ECS_OK);
    CHECK_STATUS(ecs_component_hooks(world, late, &hooks), ECS_OK);
    CHECK_EQ_U64(bytes, sizeof e);
    memcpy(&e, payload, sizeof e);
    CHECK_STATUS(ecs_set(world, e, Late, {7}), ECS_OK);
}

TEST(edge_type_registered_by_custom_command_is_known_to_later_ones)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {1}));
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(B), NULL), ECS_OK);
    late_sets = 0;
    CHECK_STATUS(ecs_cmd_custom(cmd, add_late, &e, sizeof e), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, e, B, {2}), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, e, A, {3}), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    REQUIRE(ecs_get(world, e, Late) != NULL);
    CHECK_EQ_I64(ecs_get(world, e, Late)->number, 7);
    CHECK_EQ_I64(ecs_get(world, e, B)->number, 2);
    CHECK_EQ_I64(ecs_get(world, e, A)->number, 3);
    CHECK_EQ_U64(late_sets, 1); /* by the custom command, not by what follows it */
    ecs_world_destroy(world);
}

TEST(edge_bad_type_in_command_is_refused)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn(world);
    int64_t value = 1;
    ecs_type type = {"odd", 8, 0, NULL, 0, NULL};
    CHECK_STATUS(ecs_cmd_set_type(cmd, e, &type, &value), ECS_INVALID);
    type.align = 1u << 20;
    CHECK_STATUS(ecs_cmd_set_type(cmd, e, &type, &value), ECS_TOO_LARGE);
    type.align = 16;
    type.bytes = 0xfffffff0u;
    CHECK_STATUS(ecs_cmd_set_type(cmd, e, &type, &value), ECS_TOO_LARGE);
    CHECK_STATUS(ecs_resource_set_type(world, &type, &value), ECS_TOO_LARGE);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_world_destroy(world);
}

/* ---- Events --------------------------------------------------------------------------------- */

TEST(edge_provisional_handle_in_sent_event_is_patched)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader reader = ecs_event_reader_open(world, Note);
    ecs_entity e = ecs_cmd_spawn(ecs_world_commands(world));
    CHECK_STATUS(ecs_event_send(world, Note, {e}), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_events events = ecs_event_read(world, reader);
    REQUIRE(events.count == 1);
    CHECK(ecs_alive(world, ((const Note *)events.data)[0].about));
    ecs_world_destroy(world);
}

static ecs_status tag_status;

ECS_TASK(emits_a_tag)
{
    int nothing = 0;
    tag_status = ecs_cmd_emit_type(view->cmd, ecs_type_of(Marked), &nothing);
    return ECS_OK;
}

TEST(edge_tag_is_no_event)
{
    ecs_world *world = ecs_world_create(NULL);
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Marked), NULL), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &emits_a_tag, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_STATUS(tag_status, ECS_UNSUPPORTED);
    ecs_world_destroy(world);
}

/* ---- Exclusive systems ------------------------------------------------------------------ */

ECS_EXCLUSIVE(spawns_and_fails)
{
    (void)world;
    CHECK(!ecs_is_null(ecs_cmd_spawn(view->cmd)));
    return ECS_FAILED;
}

TEST(edge_failed_exclusive_system_loses_its_commands)
{
    ecs_world *world = ecs_world_create(NULL);
    CHECK_STATUS(ecs_system_add(world, &spawns_and_fails, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_FAILED);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    CHECK_EQ_U64(ecs_world_stats(world).commands_dropped, 1);
    ecs_world_destroy(world);
}

static uint64_t ran_at[16];
static uint32_t ran_count;

ECS_TASK(notes_its_tick)
{
    if (ran_count < 16) ran_at[ran_count++] = view->tick;
    return ECS_OK;
}

static bool from_tick_three(const ecs_world *world, void *user)
{
    (void)user;
    return ecs_world_tick(world) >= 3;
}

TEST(edge_every_ticks_keeps_its_beat_when_a_condition_skips)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = &notes_its_tick;
    desc.every_ticks = 2;
    desc.run_if = from_tick_three;
    ran_count = 0;
    CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    for (int i = 0; i < 8; i++) CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    REQUIRE(ran_count == 3);
    CHECK_EQ_U64(ran_at[0], 4);
    CHECK_EQ_U64(ran_at[1], 6);
    CHECK_EQ_U64(ran_at[2], 8);
    ecs_world_destroy(world);
}

/* ---- Sizes that no memory has ------------------------------------------------------------ */

TEST(edge_world_bytes_of_impossible_limits_is_zero)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.command_bytes_max = SIZE_MAX / 3 * 2;
    CHECK_EQ_U64(ecs_world_bytes(&desc), 0);
    desc.command_bytes_max = 0;
    desc.chunks_max = 500000;
    desc.chunk_bytes = 1u << 13;
    CHECK(ecs_world_bytes(&desc) > (size_t)500000 << 13);
}
