/* expect: (duplicate member|redeclaration of).*ecsg_term_Position */
/* One type in a term and in a group. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position), OPTIONAL(Velocity))
#else
ECS_SYSTEM(subject, READ(Position), ANY(Velocity, Position))
#endif
{
    if (ecs_read(view, Position)[0].x > 0) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
