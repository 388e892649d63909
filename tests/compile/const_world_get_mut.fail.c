/* expect-warning: discards|invalid conversion|no matching function */
/* A const world cannot be edited. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    const ecs_world *view = world;
    (void)ecs_get_mut(world, e, Position);
    return ecs_alive(view, e) ? ECS_OK : ECS_STALE;
#else
    const ecs_world *view = world;
    (void)ecs_get_mut(view, e, Position);
    return ecs_alive(view, e) ? ECS_OK : ECS_STALE;
#endif
}
