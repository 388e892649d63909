/* expect-warning: ecsg_(send|address)_Loose */
/* A type that is no event cannot be sent. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { int damage; } Hit;
ECS_EVENT(Hit, damage);
typedef struct { int damage; } Loose;

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    if (ecs_is_null(e)) return ECS_STALE;
    return ecs_event_send(world, Hit, {1});
#else
    if (ecs_is_null(e)) return ECS_STALE;
    return ecs_event_send(world, Loose, {1});
#endif
}
