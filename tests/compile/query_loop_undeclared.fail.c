/* expect: no member named .?ecsg_write_Position */
/* A loop over a query has the columns of the query, too. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

ECS_QUERY(moving, READ(Position));
ECS_QUERY(moved, WRITE(Position));

ecs_status use(ecs_world *world, ecs_entity e);
ecs_status use(ecs_world *world, ecs_entity e)
{
#ifdef ECS_GOOD
    ECS_EACH(world, moved, view) ecs_write(view, Position)[0].x = 1;
    return ecs_despawn(world, e);
#else
    ECS_EACH(world, moving, view) ecs_write(view, Position)[0].x = 1;
    return ecs_despawn(world, e);
#endif
}
