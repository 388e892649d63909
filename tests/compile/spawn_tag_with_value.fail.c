/* expect: ecsg_address_Player|incomplete.*Player */
/* A tag has no value when spawned either. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
ECS_TAG(Player);

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    if (ecs_is_null(e)) return ECS_STALE;
    return ecs_despawn(world, ecs_spawn_with(world, (Position, {1, 2}), (Player)));
#else
    if (ecs_is_null(e)) return ECS_STALE;
    return ecs_despawn(world, ecs_spawn_with(world, (Position, {1, 2}), (Player, {1})));
#endif
}
