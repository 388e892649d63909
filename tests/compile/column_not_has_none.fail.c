/* expect: no member named .?ecsg_optional_Velocity */
/* NOT gives no column, not even an optional one. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(Position), OPTIONAL(Velocity))
#else
ECS_SYSTEM(subject, READ(Position), NOT(Velocity))
#endif
{
    if (ecs_optional(view, Velocity) != NULL) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
