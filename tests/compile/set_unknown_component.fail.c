/* expect-warning: ecsg_(set|address)_Loose */
/* A type that is no component cannot be set. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { float x, y; } Loose;

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    return ecs_set(world, e, Position, {1, 2});
#else
    return ecs_set(world, e, Loose, {1, 2});
#endif
}
