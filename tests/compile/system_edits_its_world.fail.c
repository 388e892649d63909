/* expect-warning: discards|invalid conversion|no matching function */
/* A view has a const world: edits do not compile. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ECS_SYSTEM(subject, READ(Position))
{
#ifdef ECS_GOOD
    ecs_status status = ecs_cmd_despawn(view->cmd, view->entities[0]);
#else
    ecs_status status = ecs_despawn(view->world, view->entities[0]);
#endif
    if (status != ECS_OK) return status;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
