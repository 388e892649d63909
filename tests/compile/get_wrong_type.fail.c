/* expect-warning: incompatible|cannot convert|cannot initialize */
/* What ecs_get answers has the type that was asked for. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    const Velocity *found = ecs_get(world, e, Velocity);
    return found == NULL ? ECS_NOT_FOUND : ECS_OK;
#else
    const Velocity *found = ecs_get(world, e, Position);
    return found == NULL ? ECS_NOT_FOUND : ECS_OK;
#endif
}
