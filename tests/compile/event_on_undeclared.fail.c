/* expect: no member named .?ecsg_on_(count_)?Hit */
/* EMIT does not let a system read. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { int damage; } Hit;
ECS_EVENT(Hit, damage);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, ON(Hit))
#else
ECS_SYSTEM(subject, EMIT(Hit))
#endif
{
    for (uint32_t i = 0; i < ecs_on_count(view, Hit); i++) {
        if (ecs_on(view, Hit)[i].damage > 9) return ECS_FAILED;
    }
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
