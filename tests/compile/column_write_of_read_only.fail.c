/* expect: no member named .?ecsg_write_Position */
/* READ gives no column to write to. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, WRITE(Position))
#else
ECS_SYSTEM(subject, READ(Position))
#endif
{
    for (uint32_t i = 0; i < view->count; i++) ecs_write(view, Position)[i].x = 1;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
