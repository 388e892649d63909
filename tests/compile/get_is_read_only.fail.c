/* expect: read-only|const-qualified|cannot assign */
/* ecs_get gives a const pointer; ecs_get_mut marks the change. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    ecs_get_mut(world, e, Position)->x = 1;
    return ECS_OK;
#else
    ecs_get(world, e, Position)->x = 1;
    return ECS_OK;
#endif
}
