/* command.c: recorded edits: provisional handles, patching, folding, hook order, drops, quotas,
 * custom commands, and commands from systems and hooks. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct A { int32_t number; } A;
ECS_COMPONENT(A, number);
typedef struct B { int32_t number; } B;
ECS_COMPONENT(B, number);
typedef struct C { int32_t number; } C;
ECS_COMPONENT(C, number);
ECS_TAG(Marked);
typedef struct Link { ecs_entity to; ecs_entity more[2]; } Link;
ECS_COMPONENT(Link, to, more);
typedef struct Box { int32_t *number; } Box; /* owns memory, copied when set */
ECS_COMPONENT(Box);
typedef struct Loot { int32_t *number; } Loot; /* owns memory, taken over when set */
ECS_COMPONENT(Loot);
typedef struct Owner { ecs_entity of; } Owner;
ECS_RESOURCE(Owner, of);
typedef struct Born { ecs_entity who; int64_t order; } Born;
ECS_EVENT(Born, who, order);

/* ---- What the hooks saw: "+A1" on_add, "=A1" on_set, "-A1" on_remove, with the value ------ */

static char heard[1024];
static char no_name[1];
static int32_t boxes; /* Box and Loot values in existence */
static int32_t moves;

static void hear(char what, void *value, void *user)
{
    size_t at = strlen(heard);
    int32_t number = value == NULL ? 0 : *(int32_t *)value;
    snprintf(heard + at, sizeof heard - at, "%s%c%s%d", at == 0 ? "" : " ", what,
             (const char *)user, number);
}

static void hear_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    CHECK(ecs_alive(world, entity));
    hear('+', value, user);
}

static void hear_set(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    CHECK(ecs_alive(world, entity));
    hear('=', value, user);
}

static void hear_remove(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    CHECK(ecs_alive(world, entity));
    hear('-', value, user);
}

static void box_copy(void *to, const void *from, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        ((Box *)to)[i].number = (int32_t *)malloc(sizeof(int32_t));
        *((Box *)to)[i].number = *((const Box *)from)[i].number;
        boxes++;
    }
}

static void box_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        if (((Box *)values)[i].number != NULL) boxes--;
        free(((Box *)values)[i].number);
    }
}

static void count_move(void *to, void *from, uint32_t count, void *user)
{
    (void)user;
    memcpy(to, from, count * sizeof(A));
    moves += (int32_t)count;
}

static int32_t *box_new(int32_t number)
{
    int32_t *box = (int32_t *)malloc(sizeof *box);
    REQUIRE(box != NULL);
    *box = number;
    boxes++;
    return box;
}

static void set_hooks(ecs_world *world, const ecs_type *type, ecs_hooks hooks)
{
    ecs_component component;
    REQUIRE_STATUS(ecs_component_register(world, type, &component), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, component, &hooks), ECS_OK);
}

/* A, B, C tell what happens to them, in that order of ids; Box and Loot are counted. */
static ecs_world *world_that_tells(const ecs_world_desc *desc)
{
    static char name_a[] = "A", name_b[] = "B", name_c[] = "C";
    ecs_hooks hooks = {NULL, NULL, NULL, NULL, hear_add, hear_set, hear_remove, NULL, name_a};
    ecs_hooks box = {NULL, box_copy, NULL, box_destroy, NULL, NULL, NULL, NULL, NULL};
    ecs_hooks loot = {NULL, NULL, NULL, box_destroy, NULL, NULL, NULL, NULL, NULL};
    ecs_world *world = ecs_world_create(desc);
    REQUIRE(world != NULL);
    set_hooks(world, ecs_type_of(A), hooks);
    hooks.user = name_b;
    set_hooks(world, ecs_type_of(B), hooks);
    hooks.user = name_c;
    set_hooks(world, ecs_type_of(C), hooks);
    set_hooks(world, ecs_type_of(Box), box);
    set_hooks(world, ecs_type_of(Loot), loot);
    heard[0] = 0;
    boxes = 0;
    return world;
}

static uint64_t dropped(const ecs_world *world)
{
    return ecs_world_stats(world).commands_dropped;
}

/* ---- Spawning ----------------------------------------------------------------------------- */

TEST(command_spawn_is_provisional_until_the_flush)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_cmd_spawn(cmd);
    CHECK(!ecs_is_null(e));
    CHECK(ecs_is_provisional(e));
    CHECK(!ecs_alive(world, e));
    CHECK_STATUS(ecs_add(world, e, Marked), ECS_STALE);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    CHECK(!ecs_alive(world, e));
    CHECK(!ecs_is_provisional(ecs_entity_next(world, ecs_null())));
    ecs_world_destroy(world);
}

TEST(command_spawn_with_values_arrives)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity p = ecs_cmd_spawn_with(ecs_world_commands(world), (A, {7}), (B), (Marked));
    CHECK(ecs_is_provisional(p));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity e = ecs_entity_next(world, ecs_null());
    REQUIRE(!ecs_is_null(e));
    CHECK_EQ_I64(ecs_get(world, e, A)->number, 7);
    CHECK_EQ_I64(ecs_get(world, e, B)->number, 0);
    CHECK(ecs_has(world, e, Marked));
    CHECK(!ecs_has(world, e, C));
    ecs_world_destroy(world);
}

TEST(command_provisional_handle_is_usable_at_once)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity p = ecs_cmd_spawn(cmd);
    CHECK_STATUS(ecs_cmd_set(cmd, p, A, {1}), ECS_OK);
    CHECK_STATUS(ecs_cmd_add(cmd, p, Marked), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, p, B, {2}), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, p, A), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity e = ecs_entity_next(world, ecs_null());
    CHECK(!ecs_has(world, e, A));
    CHECK(ecs_has(world, e, Marked));
    REQUIRE(ecs_get(world, e, B) != NULL);
    CHECK_EQ_I64(ecs_get(world, e, B)->number, 2);
    CHECK_EQ_U64(dropped(world), 0);
    ecs_world_destroy(world);
}

TEST(command_spawns_get_handles_in_order)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity p[3];
    for (int i = 0; i < 3; i++) p[i] = ecs_cmd_spawn(cmd);
    /* Touched the other way round, which must not matter. */
    for (int i = 2; i >= 0; i--) ecs_cmd_set(cmd, p[i], A, {i});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity e = ecs_null();
    for (int i = 0; i < 3; i++) {
        e = ecs_entity_next(world, e);
        REQUIRE(ecs_get(world, e, A) != NULL);
        CHECK_EQ_I64(ecs_get(world, e, A)->number, i);
    }
    ecs_world_destroy(world);
}

TEST(command_slots_freed_in_a_flush_are_used_from_the_next_on)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity old = ecs_spawn(world);
    ecs_cmd_despawn(cmd, old);
    ecs_cmd_spawn(cmd);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity first = ecs_entity_next(world, ecs_null());
    CHECK(ecs_index(first) != ecs_index(old));
    CHECK(!ecs_alive(world, old));
    ecs_cmd_spawn(cmd);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity again = ecs_entity_at(world, ecs_index(old));
    CHECK(!ecs_is_null(again));
    CHECK_EQ_U64(ecs_generation(again), ecs_generation(old) + 1);
    ecs_world_destroy(world);
}

TEST(command_old_provisional_handle_is_dead)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity p = ecs_cmd_spawn(cmd);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity q = ecs_cmd_spawn(cmd);
    CHECK(!ecs_equal(p, q));
    ecs_cmd_set(cmd, p, A, {1});
    ecs_cmd_despawn(cmd, p);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 2);
    CHECK_EQ_U64(dropped(world), 2);
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, A)), 0);
    ecs_world_destroy(world);
}

/* ---- References --------------------------------------------------------------------------- */

TEST(command_payload_references_are_patched)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity real = ecs_spawn(world);
    ecs_entity p = ecs_cmd_spawn_with(cmd, (A, {1}));
    ecs_entity q = ecs_cmd_spawn_with(cmd, (A, {2}), (Link, {p, {real, ecs_null()}}));
    ecs_cmd_set(cmd, real, Link, {q, {p, q}});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    const Link *link = ecs_get(world, real, Link);
    REQUIRE(link != NULL);
    CHECK_EQ_I64(ecs_get(world, link->to, A)->number, 2);
    CHECK_EQ_I64(ecs_get(world, link->more[0], A)->number, 1);
    CHECK(ecs_equal(link->more[1], link->to));
    const Link *back = ecs_get(world, link->to, Link);
    REQUIRE(back != NULL);
    CHECK(ecs_equal(back->to, link->more[0]));
    CHECK(ecs_equal(back->more[0], real));
    CHECK(ecs_is_null(back->more[1]));
    ecs_world_destroy(world);
}

TEST(command_reference_to_itself_is_patched)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity p = ecs_cmd_spawn(cmd);
    ecs_cmd_set(cmd, p, Link, {p, {p, p}});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_entity e = ecs_entity_next(world, ecs_null());
    REQUIRE(ecs_get(world, e, Link) != NULL);
    CHECK(ecs_equal(ecs_get(world, e, Link)->to, e));
    CHECK(ecs_equal(ecs_get(world, e, Link)->more[1], e));
    ecs_world_destroy(world);
}

TEST(command_reference_to_a_dropped_spawn_is_null)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.entities_max = 2;
    ecs_world *world = ecs_world_create(&desc);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity real = ecs_spawn(world);
    ecs_entity fits = ecs_cmd_spawn(cmd);
    ecs_entity lost = ecs_cmd_spawn(cmd);
    ecs_cmd_set(cmd, lost, A, {1});
    ecs_cmd_set(cmd, real, Link, {lost, {fits, lost}});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 2);
    CHECK_EQ_U64(dropped(world), 2);
    REQUIRE(ecs_get(world, real, Link) != NULL);
    CHECK(ecs_is_null(ecs_get(world, real, Link)->to));
    CHECK(ecs_alive(world, ecs_get(world, real, Link)->more[0]));
    CHECK(ecs_is_null(ecs_get(world, real, Link)->more[1]));
    ecs_world_destroy(world);
}

TEST(command_reference_to_what_dies_in_the_same_flush_is_stale)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity real = ecs_spawn(world);
    ecs_entity p = ecs_cmd_spawn(cmd);
    ecs_cmd_set(cmd, real, Link, {p, {p, p}});
    ecs_cmd_despawn(cmd, p);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    REQUIRE(ecs_get(world, real, Link) != NULL);
    CHECK(!ecs_is_provisional(ecs_get(world, real, Link)->to));
    CHECK(!ecs_alive(world, ecs_get(world, real, Link)->to));
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    ecs_world_destroy(world);
}

ECS_SYSTEM(point_column, WRITE(Link))
{
    Link *link = ecs_write(view, Link);
    for (uint32_t i = 0; i < view->count; i++) {
        link[i].to = ecs_cmd_spawn_with(view->cmd, (A, {(int32_t)(view->base + i)}));
        link[i].more[1] = link[i].to;
    }
    return ECS_OK;
}

TEST(command_written_columns_are_patched)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    ecs_entity e[200];
    for (int i = 0; i < 200; i++) e[i] = ecs_spawn_with(world, (Link));
    ecs_system_add(world, &point_column, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 400);
    for (int i = 0; i < 200; i++) {
        const Link *link = ecs_get(world, e[i], Link);
        REQUIRE(ecs_get(world, link->to, A) != NULL);
        CHECK_EQ_I64(ecs_get(world, link->to, A)->number, i);
        CHECK(ecs_equal(link->to, link->more[1]));
        CHECK(ecs_is_null(link->more[0]));
    }
    ecs_world_destroy(world);
}

ECS_SYSTEM(point_optional, WITH(A), OPTIONAL_WRITE(Link))
{
    Link *link = ecs_optional_write(view, Link);
    if (link == NULL) return ECS_OK;
    for (uint32_t i = 0; i < view->count; i++) link[i].to = ecs_cmd_spawn(view->cmd);
    return ECS_OK;
}

TEST(command_optional_written_columns_are_patched)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (A), (Link));
    ecs_spawn_with(world, (A));
    ecs_system_add(world, &point_optional, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK(ecs_alive(world, ecs_get(world, e, Link)->to));
    CHECK_EQ_U64(ecs_entity_count(world), 3);
    ecs_world_destroy(world);
}

ECS_SYSTEM(point_resource, RES_WRITE(Owner), EMIT(Born))
{
    ecs_res_write(view, Owner)->of = ecs_cmd_spawn_with(view->cmd, (A, {3}));
    CHECK_STATUS(ecs_emit(view, Born, {ecs_res_write(view, Owner)->of, 9}), ECS_OK);
    return ECS_OK;
}

TEST(command_written_resources_and_events_are_patched)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader reader = ecs_event_reader_open(world, Born);
    ecs_system_add(world, &point_resource, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    ecs_entity e = ecs_entity_next(world, ecs_null());
    CHECK(ecs_equal(ecs_resource_get(world, Owner)->of, e));
    ecs_events events = ecs_event_read(world, reader);
    REQUIRE(events.count == 1);
    CHECK(ecs_equal(((const Born *)events.data)->who, e));
    CHECK_EQ_I64(((const Born *)events.data)->order, 9);
    ecs_world_destroy(world);
}

ECS_SYSTEM(point_and_fail, WRITE(Link), RES_WRITE(Owner))
{
    Link *link = ecs_write(view, Link);
    for (uint32_t i = 0; i < view->count; i++) link[i].to = ecs_cmd_spawn(view->cmd);
    ecs_res_write(view, Owner)->of = link[0].to;
    return ECS_FAILED;
}

/* Its writes stay, its spawns are dropped: what it wrote becomes null. */
TEST(command_handles_of_a_failed_system_become_null)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (Link));
    ecs_entity other = ecs_spawn(world);
    ecs_system_desc system;
    memset(&system, 0, sizeof system);
    system.system = &point_and_fail;
    system.on_error = ECS_SKIP;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 2);
    CHECK(ecs_is_null(ecs_get(world, e, Link)->to));
    CHECK(ecs_is_null(ecs_resource_get(world, Owner)->of));
    system.system = &point_column; /* the same in a phase that spawns as well */
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    ecs_set(world, other, Link, {e, {e, e}});
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 4);
    CHECK(ecs_alive(world, ecs_get(world, e, Link)->to));
    CHECK(ecs_is_null(ecs_resource_get(world, Owner)->of));
    ecs_world_destroy(world);
}

ECS_TASK(point_too_far)
{
    ecs_entity *target = (ecs_entity *)view->user;
    ecs_entity fits = ecs_cmd_spawn(view->cmd);
    ecs_entity lost = ecs_cmd_spawn(view->cmd);
    ecs_cmd_set(view->cmd, *target, Link, {lost, {fits, lost}});
    return ECS_OK;
}

TEST(command_dropped_spawn_of_a_system_becomes_null)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.entities_max = 2;
    ecs_world *world = ecs_world_create(&desc);
    ecs_entity e = ecs_spawn(world);
    ecs_system_desc system;
    memset(&system, 0, sizeof system);
    system.system = &point_too_far;
    system.user = &e;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    REQUIRE(ecs_get(world, e, Link) != NULL);
    CHECK(ecs_is_null(ecs_get(world, e, Link)->to));
    CHECK(ecs_alive(world, ecs_get(world, e, Link)->more[0]));
    CHECK_EQ_U64(ecs_tick_last(world)->commands_dropped, 1);
    ecs_world_destroy(world);
}

/* ---- Order and folding -------------------------------------------------------------------- */

TEST(command_entities_are_taken_in_order_of_first_touch)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity x = ecs_spawn(world);
    ecs_entity y = ecs_spawn(world);
    ecs_cmd_set(cmd, y, A, {1});
    ecs_cmd_set(cmd, x, A, {2});
    ecs_cmd_set(cmd, y, B, {3});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A1 +B3 =A1 =B3 +A2 =A2");
    ecs_world_destroy(world);
}

TEST(command_hooks_are_removed_added_set_by_rising_id)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {1}), (B, {2}));
    heard[0] = 0;
    ecs_cmd_set(cmd, e, C, {3});
    ecs_cmd_remove(cmd, e, B);
    ecs_cmd_remove(cmd, e, A);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "-A1 -B2 +C3 =C3");
    heard[0] = 0;
    ecs_cmd_remove(cmd, e, C);
    ecs_cmd_set(cmd, e, B, {5});
    ecs_cmd_set(cmd, e, A, {4});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "-C3 +A4 +B5 =A4 =B5");
    ecs_world_destroy(world);
}

TEST(command_entity_moves_once)
{
    ecs_hooks hooks = {NULL, NULL, count_move, NULL, NULL, NULL, NULL, NULL, NULL};
    ecs_world *world = ecs_world_create(NULL);
    set_hooks(world, ecs_type_of(A), hooks);
    ecs_entity e = ecs_spawn_with(world, (A, {1}));
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_cmd_set(cmd, e, B, {1});
    ecs_cmd_set(cmd, e, C, {1});
    ecs_cmd_add(cmd, e, Marked);
    ecs_cmd_add(cmd, e, Link);
    ecs_cmd_remove(cmd, e, C);
    moves = 0;
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_I64(moves, 1);
    CHECK_EQ_I64(ecs_get(world, e, A)->number, 1);
    ecs_world_destroy(world);
}

TEST(command_add_and_remove_cancel_without_hooks)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn(world);
    Box box = {box_new(1)};
    ecs_cmd_add(cmd, e, A);
    ecs_cmd_remove(cmd, e, A);
    ecs_cmd_set(cmd, e, B, {1});
    ecs_cmd_remove(cmd, e, B);
    ecs_cmd_set(cmd, e, Box, box);
    CHECK_EQ_I64(boxes, 2);
    ecs_cmd_remove(cmd, e, Box);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_I64(boxes, 1);
    CHECK_STR(heard, "");
    CHECK_EQ_U64(ecs_entity_components(world, e, NULL, 0), 0);
    CHECK_EQ_U64(dropped(world), 0);
    ecs_world_destroy(world);
    free(box.number);
}

TEST(command_remove_and_add_keep_the_value)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {7}));
    heard[0] = 0;
    ecs_cmd_remove(cmd, e, A);
    ecs_cmd_add(cmd, e, A);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "");
    REQUIRE(ecs_get(world, e, A) != NULL);
    CHECK_EQ_I64(ecs_get(world, e, A)->number, 7);
    ecs_cmd_set(cmd, e, A, {8}); /* taken back by the remove */
    ecs_cmd_remove(cmd, e, A);
    ecs_cmd_add(cmd, e, A);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "");
    CHECK_EQ_I64(ecs_get(world, e, A)->number, 7);
    ecs_world_destroy(world);
}

TEST(command_remove_and_set_overwrite)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {7}));
    heard[0] = 0;
    ecs_cmd_remove(cmd, e, A);
    ecs_cmd_set(cmd, e, A, {8});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "=A8");
    ecs_world_destroy(world);
}

TEST(command_last_set_wins_and_the_others_end)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {1}));
    heard[0] = 0;
    for (int32_t i = 0; i < 5; i++) {
        Box box = {box_new(i)};
        CHECK_STATUS(ecs_cmd_set(cmd, e, Box, box), ECS_OK);
        box_destroy(&box, 1, NULL);
        Loot loot = {box_new(10 + i)};
        CHECK_STATUS(ecs_cmd_set(cmd, e, Loot, loot), ECS_OK);
        CHECK_STATUS(ecs_cmd_set(cmd, e, A, {i}), ECS_OK);
    }
    CHECK_EQ_I64(boxes, 10);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_I64(boxes, 2);
    CHECK_STR(heard, "=A4");
    CHECK_EQ_I64(*ecs_get(world, e, Box)->number, 4);
    CHECK_EQ_I64(*ecs_get(world, e, Loot)->number, 14);
    ecs_world_destroy(world);
    CHECK_EQ_I64(boxes, 0);
}

TEST(command_overwrite_ends_the_old_value)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_entity e = ecs_spawn(world);
    for (int32_t i = 0; i < 3; i++) {
        Loot loot = {box_new(i)};
        CHECK_STATUS(ecs_cmd_set(ecs_world_commands(world), e, Loot, loot), ECS_OK);
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        CHECK_EQ_I64(boxes, 1);
        CHECK_EQ_I64(*ecs_get(world, e, Loot)->number, i);
    }
    ecs_world_destroy(world);
    CHECK_EQ_I64(boxes, 0);
}

TEST(command_set_of_a_missing_component_adds_it)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_entity e = ecs_spawn(world);
    ecs_cmd_set(ecs_world_commands(world), e, A, {5});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A5 =A5");
    ecs_world_destroy(world);
}

TEST(command_add_of_what_is_there_and_remove_of_what_is_not_do_nothing)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {5}));
    heard[0] = 0;
    CHECK_STATUS(ecs_cmd_add(cmd, e, A), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, e, B), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "");
    CHECK_EQ_I64(ecs_get(world, e, A)->number, 5);
    CHECK_EQ_U64(dropped(world), 0);
    ecs_world_destroy(world);
}

TEST(command_required_components_come_along)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_component a = ecs_component_id(world, A);
    ecs_component b = ecs_component_id(world, B);
    ecs_component c = ecs_component_id(world, C);
    REQUIRE_STATUS(ecs_component_require(world, c, a), ECS_OK);
    REQUIRE_STATUS(ecs_component_require(world, a, b), ECS_OK);
    ecs_entity e = ecs_spawn(world);
    ecs_entity f = ecs_spawn(world);
    ecs_cmd_set(cmd, e, C, {3});
    ecs_cmd_add(cmd, f, C);
    ecs_cmd_remove(cmd, f, B); /* the required one alone may go */
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A0 +B0 +C3 =C3 +A0 +C0");
    CHECK(ecs_has(world, e, B));
    CHECK(!ecs_has(world, f, B));
    ecs_world_destroy(world);
}

TEST(command_required_component_that_goes_afterwards_is_gone)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    REQUIRE_STATUS(ecs_component_require(world, ecs_component_id(world, A),
                                         ecs_component_id(world, B)), ECS_OK);
    ecs_entity e = ecs_spawn(world);
    ecs_entity f = ecs_spawn_with(world, (B, {7}));
    ecs_entity g = ecs_spawn(world);
    heard[0] = 0;
    ecs_cmd_set(cmd, e, B, {1});
    ecs_cmd_add(cmd, e, A);
    ecs_cmd_remove(cmd, e, B); /* the last word */
    ecs_cmd_remove(cmd, f, B);
    ecs_cmd_add(cmd, f, A); /* needs it after all: it stays */
    ecs_cmd_add(cmd, g, A);
    ecs_cmd_remove(cmd, g, B);
    ecs_cmd_set(cmd, g, A, {3}); /* is there already: requires nothing again */
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A0 +A0 +A3 =A3");
    CHECK(!ecs_has(world, e, B));
    CHECK(!ecs_has(world, g, B));
    REQUIRE(ecs_get(world, f, B) != NULL);
    CHECK_EQ_I64(ecs_get(world, f, B)->number, 7);
    ecs_world_destroy(world);
}

/* ---- Despawning --------------------------------------------------------------------------- */

TEST(command_after_a_despawn_is_dropped)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {1}));
    Loot loot = {box_new(1)};
    heard[0] = 0;
    CHECK_STATUS(ecs_cmd_set(cmd, e, A, {2}), ECS_OK);
    CHECK_STATUS(ecs_cmd_despawn(cmd, e), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, e, Loot, loot), ECS_OK);
    CHECK_STATUS(ecs_cmd_add(cmd, e, B), ECS_OK);
    CHECK_STATUS(ecs_cmd_despawn(cmd, e), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(!ecs_alive(world, e));
    CHECK_STR(heard, "-A1");
    CHECK_EQ_U64(dropped(world), 3);
    CHECK_EQ_I64(boxes, 0);
    ecs_world_destroy(world);
}

TEST(command_spawn_and_despawn_in_one_flush_leave_nothing)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    Loot loot = {box_new(1)};
    ecs_entity p = ecs_cmd_spawn_with(cmd, (A, {1}), (Loot, loot));
    CHECK_STATUS(ecs_cmd_despawn(cmd, p), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    CHECK_STR(heard, "");
    CHECK_EQ_I64(boxes, 0);
    CHECK_EQ_U64(dropped(world), 0);
    ecs_world_destroy(world);
}

TEST(command_on_a_stale_or_null_entity_is_dropped)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity dead = ecs_spawn(world);
    ecs_despawn(world, dead);
    ecs_entity dies = ecs_spawn(world);
    Loot loot = {box_new(1)};
    CHECK_STATUS(ecs_cmd_set(cmd, dead, Loot, loot), ECS_OK);
    CHECK_STATUS(ecs_cmd_add(cmd, dead, A), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, dead, A), ECS_OK);
    CHECK_STATUS(ecs_cmd_despawn(cmd, ecs_null()), ECS_STALE); /* known at once */
    CHECK_STATUS(ecs_cmd_add(cmd, ecs_null(), A), ECS_STALE);
    CHECK_STATUS(ecs_cmd_remove(cmd, ecs_null(), A), ECS_STALE);
    Loot kept = {box_new(2)};
    CHECK_STATUS(ecs_cmd_set(cmd, ecs_null(), Loot, kept), ECS_STALE);
    box_destroy(&kept, 1, NULL); /* still ours */
    CHECK_STATUS(ecs_cmd_add(cmd, dies, A), ECS_OK);
    ecs_despawn(world, dies); /* dead by the flush */
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(dropped(world), 4);
    CHECK_EQ_I64(boxes, 0);
    CHECK_STR(heard, "");
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    ecs_world_destroy(world);
}

TEST(command_that_waits_at_the_end_of_the_world_ends_its_value)
{
    ecs_world *world = world_that_tells(NULL);
    Loot loot = {box_new(1)};
    ecs_cmd_spawn_with(ecs_world_commands(world), (Loot, loot), (A, {1}));
    ecs_world_destroy(world);
    CHECK_EQ_I64(boxes, 0);
    CHECK_STR(heard, "");
}

/* ---- Custom commands ---------------------------------------------------------------------- */

typedef struct Probe {
    ecs_entity entity;
    ecs_entity provisional;
    double wide[2];
} Probe;

static ecs_entity probe_found;

static void probe_run(ecs_world *world, void *payload, uint32_t bytes)
{
    Probe *probe = (Probe *)payload;
    CHECK_EQ_U64(bytes, sizeof *probe);
    CHECK_EQ_U64((uintptr_t)payload % 16, 0);
    CHECK(probe->wide[1] > 2.4 && probe->wide[1] < 2.6);
    /* What was recorded before is there, what was recorded after is not. */
    REQUIRE(ecs_get(world, probe->entity, A) != NULL);
    CHECK_EQ_I64(ecs_get(world, probe->entity, A)->number, 1);
    CHECK(!ecs_has(world, probe->entity, B));
    probe_found = ecs_cmd_resolve(world, probe->provisional);
    CHECK(ecs_alive(world, probe_found));
    CHECK(ecs_equal(ecs_cmd_resolve(world, probe->entity), probe->entity));
    CHECK_STATUS(ecs_set(world, probe->entity, C, {9}), ECS_OK);
    ecs_entity direct = ecs_spawn_with(world, (Marked));
    CHECK(ecs_alive(world, direct));
}

TEST(command_custom_runs_at_its_place)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    Probe probe;
    memset(&probe, 0, sizeof probe);
    probe.entity = ecs_spawn(world);
    ecs_cmd_set(cmd, probe.entity, A, {1});
    probe.provisional = ecs_cmd_spawn(cmd);
    probe.wide[1] = 2.5;
    CHECK_STATUS(ecs_cmd_custom(cmd, probe_run, &probe, sizeof probe), ECS_OK);
    probe.wide[1] = 0; /* it was copied */
    ecs_cmd_set(cmd, probe.entity, A, {2});
    ecs_cmd_set(cmd, probe.entity, B, {3});
    ecs_cmd_set(cmd, probe.provisional, A, {4});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A1 =A1 +C9 =C9 +B3 =A2 =B3 +A4 =A4");
    CHECK_EQ_I64(ecs_get(world, probe_found, A)->number, 4);
    CHECK_EQ_U64(ecs_entity_count(world), 3);
    ecs_world_destroy(world);
}

static void count_run(ecs_world *world, void *payload, uint32_t bytes)
{
    CHECK_EQ_U64(bytes, 2 * sizeof(ecs_entity));
    ecs_entity before = ecs_cmd_resolve(world, ((ecs_entity *)payload)[0]);
    ecs_entity later = ecs_cmd_resolve(world, ((ecs_entity *)payload)[1]);
    CHECK(ecs_alive(world, before));
    CHECK(!ecs_is_null(later)); /* it has its handle, but is not there yet */
    CHECK(!ecs_alive(world, later));
    CHECK_STATUS(ecs_add(world, later, A), ECS_STALE);
    CHECK_STATUS(ecs_despawn(world, later), ECS_STALE);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    CHECK(ecs_equal(ecs_entity_next(world, ecs_null()), before));
    CHECK(ecs_is_null(ecs_entity_next(world, before)));
}

static ecs_entity count_list[2];

static void count_record(ecs_world *world, void *payload, uint32_t bytes)
{
    (void)payload;
    (void)bytes;
    count_run(world, count_list, sizeof count_list);
}

TEST(command_custom_does_not_see_what_is_spawned_later)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    count_list[0] = ecs_cmd_spawn(cmd);
    ecs_cmd_custom(cmd, count_record, NULL, 0);
    count_list[1] = ecs_cmd_spawn(cmd);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 2);
    ecs_world_destroy(world);
}

static void resolve_run(ecs_world *world, void *payload, uint32_t bytes)
{
    ecs_entity *list = (ecs_entity *)payload;
    CHECK_EQ_U64(bytes, 2 * sizeof *list);
    CHECK(ecs_alive(world, ecs_cmd_resolve(world, list[0])));
    CHECK(ecs_is_null(ecs_cmd_resolve(world, list[1])));
    CHECK(ecs_is_null(ecs_cmd_resolve(world, ecs_null())));
    heard[0] = '!';
    heard[1] = 0;
}

TEST(command_custom_resolves_a_dropped_spawn_to_null)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.entities_max = 1;
    ecs_world *world = world_that_tells(&desc);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity list[2];
    list[0] = ecs_cmd_spawn(cmd);
    list[1] = ecs_cmd_spawn(cmd);
    CHECK_STATUS(ecs_cmd_custom(cmd, resolve_run, list, sizeof list), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "!");
    ecs_world_destroy(world);
}

static void despawn_run(ecs_world *world, void *payload, uint32_t bytes)
{
    CHECK_EQ_U64(bytes, sizeof(ecs_entity));
    CHECK_STATUS(ecs_despawn(world, *(ecs_entity *)payload), ECS_OK);
}

TEST(command_custom_may_kill_what_later_commands_are_for)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn(world);
    ecs_cmd_add(cmd, e, A);
    ecs_cmd_custom(cmd, despawn_run, &e, sizeof e);
    ecs_cmd_add(cmd, e, B);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A0 -A0");
    CHECK_EQ_U64(dropped(world), 1);
    ecs_world_destroy(world);
}

static void empty_run(ecs_world *world, void *payload, uint32_t bytes)
{
    (void)payload;
    CHECK(world != NULL);
    CHECK_EQ_U64(bytes, 0);
    hear('!', NULL, no_name);
}

TEST(command_custom_without_payload_runs)
{
    ecs_world *world = world_that_tells(NULL);
    CHECK_STATUS(ecs_cmd_custom(ecs_world_commands(world), empty_run, NULL, 0), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "!0");
    ecs_world_destroy(world);
}

static void nested_run(ecs_world *world, void *payload, uint32_t bytes)
{
    (void)payload;
    (void)bytes;
    CHECK_STATUS(ecs_flush(world), ECS_LOCKED);
    CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
    hear('!', NULL, no_name);
}

TEST(command_flush_inside_a_flush_is_refused)
{
    ecs_world *world = world_that_tells(NULL);
    CHECK_STATUS(ecs_cmd_custom(ecs_world_commands(world), nested_run, NULL, 0), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "!0");
    ecs_world_destroy(world);
}

static void record_run(ecs_world *world, void *payload, uint32_t bytes)
{
    CHECK_EQ_U64(bytes, sizeof(ecs_entity));
    CHECK_STATUS(ecs_cmd_set(ecs_world_commands(world), *(ecs_entity *)payload, C, {3}), ECS_OK);
}

TEST(command_recorded_by_a_custom_command_is_applied_too)
{
    ecs_world *world = world_that_tells(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn(world);
    ecs_cmd_custom(cmd, record_run, &e, sizeof e);
    ecs_cmd_set(cmd, e, A, {1});
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_STR(heard, "+A1 =A1 +C3 =C3");
    ecs_world_destroy(world);
}

/* ---- Quotas ------------------------------------------------------------------------------- */

static void any_run(ecs_world *world, void *payload, uint32_t bytes)
{
    CHECK(world != NULL);
    CHECK(payload != NULL || bytes == 0);
}

TEST(command_quota_refuses_and_counts)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.command_bytes_max = 4096;
    ecs_world *world = ecs_world_create(&desc);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (A, {1})); /* a known type takes less room */
    uint32_t taken = 0;
    for (int round = 0; round < 3; round++) {
        ecs_status status = ECS_OK;
        uint32_t count = 0;
        while (count < 10000 && status == ECS_OK) {
            status = ecs_cmd_set(cmd, e, A, {(int32_t)count});
            if (status == ECS_OK) count++;
        }
        CHECK_STATUS(status, ECS_FULL);
        CHECK(count > 10 && count <= 4096 / sizeof(A));
        CHECK(taken == 0 || taken == count); /* nothing of the refused ones stays behind */
        taken = count;
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        CHECK_EQ_I64(ecs_get(world, e, A)->number, (int32_t)count - 1);
        CHECK_EQ_U64(ecs_world_stats(world).commands_refused, round + 1);
    }
    ecs_world_destroy(world);
}

/* `shift` moves the end of the quota, so that each value of the spawn is once the refused. */
static void fill_with_spawns(uint32_t shift)
{
    static char payload[512];
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.command_bytes_max = 4096;
    ecs_world *world = world_that_tells(&desc);
    ecs_commands *cmd = ecs_world_commands(world);
    uint32_t count = 0;
    CHECK_STATUS(ecs_cmd_custom(cmd, any_run, payload, shift), ECS_OK);
    for (; count < 1000; count++) {
        Loot loot = {box_new(1)};
        Box box = {box_new(2)};
        ecs_entity made = ecs_cmd_spawn_with(cmd, (A, {1}), (Loot, loot), (Box, box), (B));
        box_destroy(&box, 1, NULL); /* it was copied, or it was not; this one is ours */
        if (!ecs_is_null(made)) continue;
        CHECK_EQ_I64(*loot.number, 1);
        box_destroy(&loot, 1, NULL); /* refused: still ours */
        break;
    }
    CHECK(count > 1 && count < 1000);
    CHECK_EQ_I64(boxes, (int32_t)count * 2);
    CHECK_EQ_U64(ecs_world_stats(world).commands_recorded, 1 + count * 5);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), count);
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Loot)), count);
    CHECK_EQ_U64(dropped(world), 0);
    ecs_world_destroy(world);
    CHECK_EQ_I64(boxes, 0);
}

TEST(command_quota_refuses_a_spawn_as_a_whole)
{
    for (uint32_t shift = 0; shift <= 400; shift += 8) fill_with_spawns(shift);
}

TEST(command_quota_of_spawns)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.stream_spawns_max = 3;
    ecs_world *world = ecs_world_create(&desc);
    ecs_commands *cmd = ecs_world_commands(world);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) CHECK(!ecs_is_null(ecs_cmd_spawn(cmd)));
        CHECK(ecs_is_null(ecs_cmd_spawn(cmd)));
        CHECK(ecs_is_null(ecs_cmd_spawn_with(cmd, (A, {1}))));
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        CHECK_EQ_U64(ecs_entity_count(world), 3 * (round + 1));
    }
    CHECK_EQ_U64(ecs_world_stats(world).commands_refused, 4);
    ecs_world_destroy(world);
}

TEST(command_too_large_payload_is_refused)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.command_bytes_max = 4096;
    ecs_world *world = ecs_world_create(&desc);
    static char large[8192];
    ecs_status status = ecs_cmd_custom(ecs_world_commands(world), empty_run, large, sizeof large);
    CHECK_STATUS(status, ECS_FULL);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_world_destroy(world);
}

/* ---- When they are applied ---------------------------------------------------------------- */

TEST(command_counts_add_up)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_cmd_spawn_with(cmd, (A, {1}), (B));
    ecs_cmd_set(cmd, e, C, {1});
    ecs_entity dead = ecs_spawn(world);
    ecs_despawn(world, dead);
    ecs_cmd_despawn(cmd, dead);
    CHECK_EQ_U64(ecs_world_stats(world).commands_recorded, 5); /* each value is one */
    CHECK_EQ_U64(ecs_world_stats(world).commands_applied, 0);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_world_stats(world).commands_recorded, 5);
    CHECK_EQ_U64(ecs_world_stats(world).commands_applied, 4);
    CHECK_EQ_U64(ecs_world_stats(world).commands_dropped, 1);
    ecs_world_destroy(world);
}

ECS_QUERY(with_a, READ(A));

TEST(command_flush_is_refused_while_the_world_is_iterated)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_spawn_with(world, (A, {1}));
    ECS_EACH(world, with_a, view) {
        for (uint32_t i = 0; i < view->count; i++) {
            ecs_commands *cmd = ecs_world_commands(world);
            CHECK_STATUS(ecs_cmd_set(cmd, view->entities[i], B, {2}), ECS_OK);
        }
        CHECK_STATUS(ecs_flush(world), ECS_LOCKED);
        CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
        CHECK(!ecs_has(world, view->entities[0], B));
    }
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_has(world, ecs_entity_next(world, ecs_null()), B));
    ecs_world_destroy(world);
}

static ecs_entity seen_marked;

ECS_SYSTEM(see_marked, WITH(Marked))
{
    seen_marked = view->entities[0];
    return ECS_OK;
}

TEST(command_of_the_world_is_applied_at_the_start_of_a_tick)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn(world);
    ecs_system_add(world, &see_marked, ECS_FIRST);
    ecs_cmd_add(ecs_world_commands(world), e, Marked);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK(ecs_equal(seen_marked, e));
    ecs_world_destroy(world);
}

static void follow_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)value;
    (void)user;
    CHECK_STATUS(ecs_set(world, entity, B, {1}), ECS_LOCKED);
    CHECK_STATUS(ecs_cmd_set(ecs_world_commands(world), entity, B, {1}), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_LOCKED);
}

/* B follows A by a hook, C follows B by a hook. */
static ecs_world *world_that_follows(void)
{
    ecs_hooks hooks = {NULL, NULL, NULL, NULL, follow_add, NULL, NULL, NULL, NULL};
    ecs_world *world = ecs_world_create(NULL);
    set_hooks(world, ecs_type_of(A), hooks);
    return world;
}

TEST(command_of_a_hook_after_a_direct_edit_waits_for_the_flush)
{
    ecs_world *world = world_that_follows();
    ecs_entity e[4];
    e[0] = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, e[0], A), ECS_OK);
    e[1] = ecs_spawn(world);
    CHECK_STATUS(ecs_set(world, e[1], A, {1}), ECS_OK);
    e[2] = ecs_spawn_with(world, (A, {1}));
    e[3] = ecs_clone(world, e[2]);
    for (int i = 0; i < 4; i++) CHECK(!ecs_has(world, e[i], B));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    for (int i = 0; i < 4; i++) CHECK(ecs_has(world, e[i], B));
    ecs_world_destroy(world);
}

TEST(command_of_a_hook_in_a_bulk_spawn_is_applied)
{
    ecs_world *world = world_that_follows();
    ecs_entity e[300];
    ecs_value value = {ecs_type_of(A), NULL};
    CHECK_STATUS(ecs_spawn_bulk(world, 300, &value, 1, e), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    for (int i = 0; i < 300; i++) CHECK(ecs_has(world, e[i], B));
    ecs_world_destroy(world);
}

TEST(command_of_a_hook_in_a_flush_is_applied_by_that_flush)
{
    ecs_world *world = world_that_follows();
    ecs_entity e = ecs_spawn(world);
    ecs_cmd_add(ecs_world_commands(world), e, A);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_has(world, e, B));
    ecs_world_destroy(world);
}

static void flood_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)value;
    (void)user;
    for (int32_t i = 0; i < 2000; i++) {
        CHECK_STATUS(ecs_cmd_set(ecs_world_commands(world), entity, B, {i}), ECS_OK);
        CHECK(!ecs_is_null(ecs_cmd_spawn(ecs_world_commands(world))));
    }
}

static void *no_resize_alloc(size_t bytes, size_t align, void *user)
{
    void *memory = NULL;
    (void)user;
    if (posix_memalign(&memory, align < 64 ? 64 : align, bytes) != 0) return NULL;
    memset(memory, 0xa5, bytes);
    return memory;
}

static void no_resize_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)align;
    (void)user;
    memset(memory, 0x5a, bytes);
    free(memory);
}

/* Recording makes lists grow; those of the flush that runs must not suffer. */
static void flood(const ecs_allocator *allocator)
{
    ecs_hooks hooks = {NULL, NULL, NULL, NULL, flood_add, NULL, NULL, NULL, NULL};
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.allocator = allocator;
    ecs_world *world = ecs_world_create(&desc);
    set_hooks(world, ecs_type_of(A), hooks);
    ecs_entity e[8];
    for (int i = 0; i < 8; i++) e[i] = ecs_spawn(world);
    for (int i = 0; i < 8; i++) {
        ecs_cmd_add(ecs_world_commands(world), e[i], A);
        ecs_entity p = ecs_cmd_spawn(ecs_world_commands(world));
        ecs_cmd_set(ecs_world_commands(world), e[i], Link, {p, {p, p}});
    }
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    for (int i = 0; i < 8; i++) {
        REQUIRE(ecs_get(world, e[i], B) != NULL);
        CHECK_EQ_I64(ecs_get(world, e[i], B)->number, 1999);
        CHECK(ecs_alive(world, ecs_get(world, e[i], Link)->more[1]));
    }
    CHECK_EQ_U64(ecs_entity_count(world), 16 + 16000);
    ecs_world_destroy(world);
}

TEST(command_of_a_hook_may_be_many)
{
    flood(NULL);
}

TEST(command_of_a_hook_may_be_many_without_resize)
{
    ecs_allocator allocator = {no_resize_alloc, NULL, no_resize_release, NULL};
    flood(&allocator);
}

ECS_SYSTEM(add_a, WITH(Marked))
{
    for (uint32_t i = 0; i < view->count; i++) ecs_cmd_add(view->cmd, view->entities[i], A);
    return ECS_OK;
}

TEST(command_of_a_hook_in_a_tick_is_applied_in_that_tick)
{
    ecs_world *world = world_that_follows();
    ecs_entity e = ecs_spawn_with(world, (Marked));
    ecs_system_add(world, &add_a, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK(ecs_has(world, e, B));
    ecs_world_destroy(world);
}

/* ---- Streams of systems ------------------------------------------------------------------- */

static ecs_entity stream_target;

static ecs_status set_target(const ecs_view *view)
{
    const int32_t *number = (const int32_t *)view->user;
    return ecs_cmd_set(view->cmd, stream_target, A, {*number});
}

TEST(command_streams_are_applied_in_the_order_of_the_systems)
{
    static int32_t numbers[3] = {1, 2, 3};
    static const char *const names[3] = {"one", "two", "three"};
    ecs_world *world = world_that_tells(NULL);
    stream_target = ecs_spawn(world);
    for (int i = 0; i < 3; i++) {
        ecs_system system = {names[i], NULL, 0, set_target, NULL};
        ecs_system_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.system = &system;
        desc.user = &numbers[i];
        if (i == 2) desc.before[0] = "one";
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    }
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_STR(heard, "+A1 =A1"); /* two, three, one: the last set wins */
    ecs_world_destroy(world);
}

ECS_SYSTEM(number_rows, WITH(Marked))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_cmd_set(view->cmd, stream_target, A, {(int32_t)(view->base + i)});
        ecs_cmd_spawn_with(view->cmd, (B, {(int32_t)(view->base + i)}));
    }
    return ECS_OK;
}

TEST(command_streams_of_row_blocks_are_applied_in_row_order)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    stream_target = ecs_spawn(world);
    for (int i = 0; i < 300; i++) ecs_spawn_with(world, (Marked));
    for (int i = 0; i < 100; i++) ecs_spawn_with(world, (Marked), (C));
    uint32_t last = ecs_entity_count(world);
    ecs_system_add(world, &number_rows, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_I64(ecs_get(world, stream_target, A)->number, 399);
    for (uint32_t i = 0; i < 400; i++) {
        ecs_entity e = ecs_entity_at(world, ecs_index(stream_target) + last + i);
        REQUIRE(ecs_get(world, e, B) != NULL);
        CHECK_EQ_I64(ecs_get(world, e, B)->number, (int32_t)i);
    }
    ecs_world_destroy(world);
}

TEST(command_provisional_handles_of_two_streams_differ)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    ecs_entity e[130];
    for (int i = 0; i < 130; i++) e[i] = ecs_spawn_with(world, (Link));
    ecs_system_add(world, &point_column, ECS_UPDATE);
    ecs_system_add(world, &point_resource, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 261);
    CHECK_EQ_I64(ecs_get(world, ecs_resource_get(world, Owner)->of, A)->number, 3);
    for (int i = 0; i < 130; i++) {
        for (int k = 0; k < i; k++) {
            CHECK(!ecs_equal(ecs_get(world, e[i], Link)->to, ecs_get(world, e[k], Link)->to));
        }
    }
    ecs_world_destroy(world);
}

TEST(command_in_fixed_memory_works)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 1000;
    ecs_world *world = world_that_tells(&desc);
    REQUIRE(world != NULL);
    for (int round = 0; round < 20; round++) {
        ecs_commands *cmd = ecs_world_commands(world);
        for (int i = 0; i < 50; i++) {
            ecs_entity p = ecs_cmd_spawn_with(cmd, (B, {i}));
            CHECK(!ecs_is_null(p));
            if (i % 2 == 0) ecs_cmd_despawn(cmd, p);
        }
        heard[0] = 0;
        CHECK_STATUS(ecs_flush(world), ECS_OK);
    }
    CHECK_EQ_U64(ecs_entity_count(world), 500);
    CHECK_EQ_U64(dropped(world), 0);
    ecs_world_destroy(world);
}

/* ---- A caller's bugs ---------------------------------------------------------------------- */

TEST_DEATH(command_null_stream_asserts)
{
    (void)ecs_cmd_spawn(NULL);
}

TEST_DEATH(command_unknown_component_asserts)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_component unknown = {77};
    (void)ecs_cmd_add_id(ecs_world_commands(world), ecs_spawn(world), unknown);
}

TEST_DEATH(command_set_without_value_asserts)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (A));
    (void)ecs_cmd_set_type(ecs_world_commands(world), e, ecs_type_of(A), NULL);
}

TEST_DEATH(command_custom_without_function_asserts)
{
    ecs_world *world = ecs_world_create(NULL);
    (void)ecs_cmd_custom(ecs_world_commands(world), NULL, NULL, 0);
}
