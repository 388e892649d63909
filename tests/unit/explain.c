/* explain.c: the texts contain the names and the reasons, and fit the buffer. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct Position { float x; } Position;
ECS_COMPONENT(Position, x);
typedef struct Velocity { float x; } Velocity;
ECS_COMPONENT(Velocity, x);
typedef struct Health { int32_t left; } Health;
ECS_COMPONENT(Health, left);
ECS_TAG(Frozen);

static char text[16384];

ECS_QUERY(moving, WRITE(Position), READ(Velocity), NOT(Frozen));
ECS_QUERY(either, OPTIONAL(Position), ANY(Velocity, Health));

/* The line that starts at `line` contains `part`. */
static void check_line(const char *line, const char *part)
{
    const char *found = strstr(line, part);
    CHECK(found != NULL && found < strchr(line, '\n'));
}

TEST(explain_query_says_why_tables_match_or_not)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_spawn_with(world, (Position));
    ecs_spawn_with(world, (Position), (Velocity));
    ecs_spawn_with(world, (Position), (Velocity), (Frozen));
    ecs_query query = ecs_query_of(world, &moving);
    size_t bytes = ecs_explain_query(world, query, text, sizeof text);
    CHECK_EQ_U64(bytes, strlen(text));
    CHECK_CONTAINS(text, "moving");
    CHECK_CONTAINS(text, "WRITE(Position)");
    CHECK_CONTAINS(text, "READ(Velocity)");
    CHECK_CONTAINS(text, "NOT(Frozen)");
    /* One line a table, with its reason. */
    const char *without = strstr(text, "{Position} ");
    const char *with = strstr(text, "{Position, Velocity} ");
    const char *frozen = strstr(text, "{Position, Velocity, Frozen} ");
    REQUIRE(without != NULL && with != NULL && frozen != NULL);
    check_line(without, "Velocity");
    check_line(with, "yes");
    check_line(frozen, "NOT(Frozen)");
    ecs_explain_query(world, ecs_query_of(world, &either), text, sizeof text);
    CHECK_CONTAINS(text, "ANY");
    ecs_world_destroy(world);
}

TEST(explain_entity_says_where_and_what)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (Position), (Frozen));
    ecs_explain_entity(world, e, text, sizeof text);
    CHECK_CONTAINS(text, "alive");
    CHECK_CONTAINS(text, "Position");
    CHECK_CONTAINS(text, "Frozen");
    ecs_despawn(world, e);
    ecs_explain_entity(world, e, text, sizeof text);
    CHECK_CONTAINS(text, "stale");
    ecs_explain_entity(world, ecs_null(), text, sizeof text);
    CHECK_CONTAINS(text, "null");
    ecs_entity p = ecs_cmd_spawn(ecs_world_commands(world));
    ecs_explain_entity(world, p, text, sizeof text);
    CHECK_CONTAINS(text, "provisional");
    ecs_entity never;
    never.bits = (uint64_t)3 << 32 | 5000;
    CHECK(ecs_explain_entity(world, never, text, sizeof text) > 0);
    ecs_world_destroy(world);
}

ECS_SYSTEM(reaper, READ(Health))
{
    for (uint32_t i = 0; i < view->count; i++) ecs_cmd_despawn(view->cmd, view->entities[i]);
    return ECS_OK;
}

ECS_SYSTEM(healer, READ(Health))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_cmd_set(view->cmd, view->entities[i], Position, {1});
    }
    return ECS_OK;
}

TEST(explain_drops_names_command_target_and_recorder)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_spawn_with(world, (Health, {1}));
    ecs_system_add(world, &reaper, ECS_UPDATE);
    ecs_system_add(world, &healer, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->commands_dropped, 1);
    ecs_explain_drops(world, text, sizeof text);
    CHECK_CONTAINS(text, "set Position");
    CHECK_CONTAINS(text, "healer");
#ifdef ECS_DEBUG
    CHECK_CONTAINS(text, "reaper"); /* who despawned it */
#endif
    CHECK_CONTAINS(text, "dead");
    ecs_world_destroy(world);
}

TEST(explain_drops_of_the_world_itself)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn(world);
    ecs_despawn(world, e);
    ecs_cmd_add(ecs_world_commands(world), e, Frozen);
    ecs_cmd_despawn(ecs_world_commands(world), e);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    ecs_explain_drops(world, text, sizeof text);
    CHECK_CONTAINS(text, "add Frozen");
    CHECK_CONTAINS(text, "despawn");
    /* Many of them: the last ones are kept. */
    for (int i = 0; i < 1000; i++) ecs_cmd_remove(ecs_world_commands(world), e, Frozen);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_explain_drops(world, text, sizeof text) < sizeof text);
    CHECK_CONTAINS(text, "remove Frozen");
    CHECK_CONTAINS(text, "1002");
    ecs_world_destroy(world);
}

ECS_EXCLUSIVE(everything)
{
    return ecs_entity_count(world) > 0 ? ECS_OK : ECS_FAILED;
}

TEST(explain_schedule_names_phases_systems_terms_and_reasons)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    ecs_phase_desc phase;
    memset(&desc, 0, sizeof desc);
    memset(&phase, 0, sizeof phase);
    phase.name = "physics";
    phase.step_s = 0.5f;
    ecs_phase_add(world, &phase);
    ecs_system_add(world, &reaper, ECS_UPDATE);
    desc.system = &healer;
    desc.before[0] = "reaper";
    desc.disabled = true;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    ecs_system_add(world, &everything, ECS_UPDATE);
    ecs_explain_schedule(world, text, sizeof text);
    CHECK(strlen(text) > 0); /* not built yet, and says so */
    CHECK_STATUS(ecs_schedule_build(world), ECS_OK);
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, "physics");
    CHECK_CONTAINS(text, "0.5");
    CHECK_CONTAINS(text, "update");
    CHECK_CONTAINS(text, "READ(Health)");
    CHECK_CONTAINS(text, "disabled");
    CHECK_CONTAINS(text, "exclusive");
    CHECK_CONTAINS(text, "after healer");
    const char *first = strstr(text, "healer");
    CHECK(first != NULL && first < strstr(text, "reaper"));
    ecs_world_destroy(world);
}

TEST(explain_fits_the_buffer_like_snprintf)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (Position), (Velocity));
    ecs_query query = ecs_query_of(world, &moving);
    size_t whole = ecs_explain_entity(world, e, NULL, 0);
    CHECK(whole > 20);
    for (size_t bytes = 1; bytes < whole + 3; bytes++) {
        char *exact = (char *)malloc(bytes);
        REQUIRE(exact != NULL);
        memset(exact, 'x', bytes);
        CHECK_EQ_U64(ecs_explain_entity(world, e, exact, bytes), whole);
        CHECK_EQ_U64(strlen(exact), bytes <= whole ? bytes - 1 : whole);
        free(exact);
    }
    CHECK(ecs_explain_query(world, query, NULL, 0) > 0);
    CHECK(ecs_explain_schedule(world, NULL, 0) > 0);
    CHECK(ecs_explain_drops(world, text, 1) > 0);
    CHECK_STR(text, "");
    ecs_world_destroy(world);
}

TEST(explain_inside_a_hook_or_a_loop_works)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_spawn_with(world, (Position), (Velocity));
    ECS_EACH(world, moving, view) {
        CHECK(ecs_explain_entity(world, view->entities[0], text, sizeof text) > 0);
        CHECK_CONTAINS(text, "Velocity");
    }
    ecs_world_destroy(world);
}
