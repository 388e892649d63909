/* expect: ecsg_(set|address)_Player|incomplete.*Player */
/* A tag has no value. */
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
    return ecs_add(world, e, Player);
#else
    return ecs_set(world, e, Player, {1});
#endif
}
