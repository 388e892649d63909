/* expect: no member named .?ecsg_res_write_Gravity */
/* RES_READ gives nothing to write to. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { float pull; } Gravity;
ECS_RESOURCE(Gravity, pull);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, RES_WRITE(Gravity))
#else
ECS_SYSTEM(subject, RES_READ(Gravity))
#endif
{
    ecs_res_write(view, Gravity)->pull = 1;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
