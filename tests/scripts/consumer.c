/* What a stranger would write first; built by the scripts beside this file. */

#define ECS_IMPLEMENTATION
#include <ecs.h>

int main(void)
{
    ecs_world *world = ecs_world_create(NULL);
    if (world == NULL) return 1;
    ecs_world_destroy(world);
    return 0;
}
