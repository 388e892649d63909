/* expect: incompatible|(could not|cannot) convert|invalid init|no matching func|no known conv */
/* The value is of another component. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    Position value = {1, 2};
    return ecs_set(world, e, Position, value);
#else
    Velocity value = {1, 2};
    return ecs_set(world, e, Position, value);
#endif
}
