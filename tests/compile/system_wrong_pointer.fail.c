/* expect-warning: incompatible|cannot convert|cannot initialize */
/* A column has the type of its term. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ECS_SYSTEM(subject, WRITE(Position))
{
#ifdef ECS_GOOD
    Position *p = ecs_write(view, Position);
#else
    Velocity *p = ecs_write(view, Position);
#endif
    p[0].x = 1;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
