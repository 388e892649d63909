/* expect-warning: ecsg_add_Loose */
/* A type that is no component cannot be added. */
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
    return ecs_add(world, e, Position);
#else
    return ecs_add(world, e, Loose);
#endif
}
