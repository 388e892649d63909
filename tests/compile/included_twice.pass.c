/* Twice before the implementation, twice with it, and between C headers. */
#include "ecs.h"
#include <stdio.h>
#include "ecs.h"
#define ECS_IMPLEMENTATION
#include "ecs.h"
#include <stdlib.h>
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);

int main(void)
{
    ecs_world *world = ecs_world_create(NULL);
    (void)ecs_spawn_with(world, (Position, {1, 2}));
    (void)printf("%u\n", (unsigned)ecs_entity_count(world));
    ecs_world_destroy(world);
    return EXIT_SUCCESS;
}
