/* expect: no member named .?ecsg_read_Velocity */
/* WITH asks for a component and gives no column. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position), READ(Velocity))
#else
ECS_SYSTEM(subject, READ(Position), WITH(Velocity))
#endif
{
    if (ecs_read(view, Velocity)[0].x > ecs_read(view, Position)[0].x) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
