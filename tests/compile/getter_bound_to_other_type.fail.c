/* expect: incompatible types?|invalid initializer|conversion from|no viable conversion */
/* A getter of one type cannot be bound to another. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    ECS_GETTER(Position) getter = ecs_getter_bind(world, Position);
    return ecs_getter_get(getter, Position, e) == NULL ? ECS_NOT_FOUND : ECS_OK;
#else
    ECS_GETTER(Position) getter = ecs_getter_bind(world, Velocity);
    return ecs_getter_get(getter, Position, e) == NULL ? ECS_NOT_FOUND : ECS_OK;
#endif
}
