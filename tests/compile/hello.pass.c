/* The program that the README starts with, unchanged. */
#define ECS_IMPLEMENTATION
#include "ecs.h"

typedef struct { float x, y; } Position;   ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;   ECS_COMPONENT(Velocity, x, y);
typedef struct { float left; } Lifetime;   ECS_COMPONENT(Lifetime, left);

ECS_SYSTEM(drift, WRITE(Position), READ(Velocity))   /* once per span of rows */
{
    Position *p = ecs_write(view, Position);
    const Velocity *v = ecs_read(view, Velocity);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x += v[i].x * view->dt;
        p[i].y += v[i].y * view->dt;
    }
    return ECS_OK;
}

ECS_SYSTEM(expire, WRITE(Lifetime))
{
    Lifetime *l = ecs_write(view, Lifetime);
    for (uint32_t i = 0; i < view->count; i++) {
        l[i].left -= view->dt;
        if (l[i].left <= 0) ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ECS_OK;
}

int main(void)
{
    ecs_world *world = ecs_world_create(NULL);            /* NULL: defaults */
    ecs_system_add(world, &drift, ECS_UPDATE);
    ecs_system_add(world, &expire, ECS_UPDATE);

    for (int i = 0; i < 1000; i++) {
        ecs_spawn_with(world, (Position, {0, (float)i}), (Velocity, {1, 0}),
                       (Lifetime, {(float)i / 100}));
    }
    for (int frame = 0; frame < 600; frame++) ecs_tick(world, 1 / 60.0f);
    ecs_world_destroy(world);
    return 0;
}
