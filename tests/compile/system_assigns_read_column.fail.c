/* expect: read-only|const-qualified|cannot assign */
/* The column of READ is const. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Velocity), WRITE(Position))
#else
ECS_SYSTEM(subject, WRITE(Velocity), READ(Position))
#endif
{
#ifdef ECS_GOOD
    ecs_write(view, Position)[0].x = ecs_read(view, Velocity)[0].x;
#else
    ecs_read(view, Position)[0].x = ecs_read(view, Velocity)[0].x;
#endif
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
