/* expect: no member named .?ecsg_emit_Hit */
/* An event that the system did not declare cannot be emitted. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { int damage; } Hit;
ECS_EVENT(Hit, damage);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position), EMIT(Hit))
#else
ECS_SYSTEM(subject, READ(Position))
#endif
{
    if (ecs_read(view, Position)[0].x > 0) return ecs_emit(view, Hit, {1});
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
