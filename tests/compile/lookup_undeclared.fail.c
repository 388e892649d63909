/* expect: no member named .?ecsg_lookup_Velocity */
/* Reading a component of another entity must be declared. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position), LOOKUP(Velocity))
#else
ECS_SYSTEM(subject, READ(Position))
#endif
{
    if (ecs_read(view, Position)[0].x > 0) return ECS_OK;
    if (ecs_lookup(view, Velocity, view->entities[0]) != NULL) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
