/* expect: no member named .?ecsg_res_read_Position */
/* READ of a type is about components, not about the resource of that type. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, RES_READ(Position))
#else
ECS_SYSTEM(subject, READ(Position))
#endif
{
    if (ecs_res_read(view, Position)->x > 0) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
