/* Short macros of the user's, such as a program's N, do no harm. */
#define A 1
#define B 2
#define C 3
#define E 4
#define H 5
#define M 6
#define N 100
#define O 7
#define P 8
#define R 9
#define S 10
#define T 11
#define U 12
#define V 13
#define W 14
#define X 15
#define Y 16
#define Z 17
#define EM 18
#define LU 19
#define RR 20
#define RW 21
#define ONE 22
#define MANY 23
#define NONE 24
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { float pull; } Gravity;
ECS_RESOURCE(Gravity);
typedef struct { int damage; } Hit;
ECS_EVENT(Hit, damage);
ECS_TAG(Player);
ECS_TAG(Dead);

ECS_SYSTEM(all_kinds, READ(Position), WITH(Player), NOT(Dead), ANY(Velocity, Hit),
           RES_READ(Gravity), ON(Hit), EMIT(Gravity), LOOKUP(Velocity))
{
    if (ecs_read(view, Position)[0].x > 0) return ecs_emit(view, Gravity, {1});
    return ECS_OK;
}
ECS_SYSTEM(the_rest, WRITE(Position), OPTIONAL(Velocity), OPTIONAL_WRITE(Hit), RES_WRITE(Gravity))
{
    ecs_write(view, Position)[0].x = N;
    return ECS_OK;
}
ECS_QUERY(query, WRITE(Position), NOT(Dead));

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    ecs_entity e = ecs_spawn_with(world, (Position, {1, 2}), (Player));
    ECS_EACH(world, query, view) ecs_write(view, Position)[0].y = 2;
    (void)ecs_system_add(world, &all_kinds, ECS_UPDATE);
    (void)ecs_system_add(world, &the_rest, ECS_UPDATE);
    return ecs_set(world, e, Velocity, {1, 2});
}
