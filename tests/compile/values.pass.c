/* Every way to write a value in a call, in C and in C++. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float m[4]; Position p; } Nested;
ECS_COMPONENT(Nested, m);
typedef int Score;
ECS_COMPONENT(Score);
typedef struct { ecs_entity target; } Target;
ECS_COMPONENT(Target, target);
ECS_TAG(Player);

static Position make(float x, float y)
{
    Position p;
    p.x = x;
    p.y = y;
    return p;
}

ecs_status use(ecs_world *world, ecs_commands *cmd, ecs_entity e);
ecs_status use(ecs_world *world, ecs_commands *cmd, ecs_entity e)
{
    Position value = {1, 2};
    const Position constant = {1, 2};
    Position *pointer = &value;
    int number = 3;
    (void)ecs_set(world, e, Position, {1, 2});
    (void)ecs_set(world, e, Position, value);
    (void)ecs_set(world, e, Position, constant);
    (void)ecs_set(world, e, Position, *pointer);
    (void)ecs_set(world, e, Position, make(1, 2));
    (void)ecs_set(world, e, Position, number > 2 ? value : constant);
    (void)ecs_set(world, e, Position, {value.x, (float)number});
    (void)ecs_set(world, e, Nested, {{1, 2, 3, 4}, {5, 6}});
    (void)ecs_set(world, e, Score, 5);
    (void)ecs_set(world, e, Score, number);
    (void)ecs_set(world, e, Target, {e});
    (void)ecs_cmd_set(cmd, e, Nested, {{1, 2, 3, 4}, {5, 6}});
    (void)ecs_cmd_set(cmd, e, Position, make(1, 2));
    (void)ecs_resource_set(world, Position, {1, 2});
    (void)ecs_event_send(world, Position, {1, 2});
    (void)ecs_spawn_with(world, (Position, {1, 2}), (Score, 5), (Player), (Nested));
    (void)ecs_spawn_with(world, (Position, value), (Nested, {{1, 2, 3, 4}, {5, 6}}));
    (void)ecs_spawn_with(world, (Player));
    (void)ecs_cmd_spawn_with(cmd, (Position, make(1, 2)), (Target, {ecs_cmd_spawn(cmd)}));
    return ecs_spawn_with(world, (Position)).bits == 0 ? ecs_world_status(world) : ECS_OK;
}
