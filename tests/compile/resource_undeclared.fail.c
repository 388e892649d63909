/* expect: no member named .?ecsg_res_read_Gravity */
/* A resource that the system did not declare is not there. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { float pull; } Gravity;
ECS_RESOURCE(Gravity, pull);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, WRITE(Position), RES_READ(Gravity))
#else
ECS_SYSTEM(subject, WRITE(Position))
#endif
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_write(view, Position)[i].y += ecs_res_read(view, Gravity)->pull;
    }
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
