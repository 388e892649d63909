/* expect: ecsg_type_Loose */
/* A type that is no component cannot be in a term. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { int a; } Loose;

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position))
#else
ECS_SYSTEM(subject, READ(Loose))
#endif
{
    if (view->count > 4096) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
