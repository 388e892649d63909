/* expect: no member named .?ecsg_read_Position */
/* An optional column has its own accessor, so that NULL is not forgotten. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position))
#else
ECS_SYSTEM(subject, OPTIONAL(Position))
#endif
{
    if (ecs_read(view, Position)[0].x > 0) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
