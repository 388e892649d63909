/* Sixteen terms, the most there may be, of every kind; and every kind alone and first. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { int a; } C1;
ECS_COMPONENT(C1);
typedef struct { int a; } C2;
ECS_COMPONENT(C2);
typedef struct { int a; } C3;
ECS_COMPONENT(C3);
typedef struct { int a; } C4;
ECS_COMPONENT(C4);
typedef int Score;
ECS_COMPONENT(Score);
typedef float Vec3[3];
ECS_COMPONENT(Vec3);
typedef struct { float pull; } Gravity;
ECS_RESOURCE(Gravity, pull);
typedef struct { int seconds; } Clock;
ECS_RESOURCE(Clock, seconds);
typedef struct { int damage; } Hit;
ECS_EVENT(Hit, damage);
typedef struct { int volume; } Noise;
ECS_EVENT(Noise, volume);
ECS_TAG(Player);
ECS_TAG(Dead);

ECS_SYSTEM(sixteen, READ(C1), WRITE(C2), OPTIONAL(C3), OPTIONAL_WRITE(C4), WITH(Player), NOT(Dead),
           ANY(Position, Velocity), READ(Score), WRITE(Vec3), RES_READ(Gravity), RES_WRITE(Clock),
           ON(Hit), EMIT(Noise), LOOKUP(Position))
{
    C2 *c2 = ecs_write(view, C2);
    if (ecs_optional(view, Position) != NULL) c2[0].a = ecs_read(view, C1)[0].a;
    if (ecs_optional(view, C3) != NULL) c2[0].a += ecs_optional(view, C3)[0].a;
    if (ecs_optional_write(view, C4) != NULL) ecs_optional_write(view, C4)[0].a = 1;
    if (ecs_optional(view, Velocity) != NULL) c2[0].a += ecs_read(view, Score)[0];
    ecs_write(view, Vec3)[0][1] = ecs_res_read(view, Gravity)->pull;
    ecs_res_write(view, Clock)->seconds += (int)ecs_on_count(view, Hit);
    for (uint32_t i = 0; i < ecs_on_count(view, Hit); i++) {
        if (ecs_on(view, Hit)[i].damage > 9) return ecs_emit(view, Noise, {c2[0].a});
    }
    if (ecs_lookup(view, Position, view->entities[0]) == NULL) return ECS_NOT_FOUND;
    return ECS_OK;
}

ECS_SYSTEM(only_read, READ(C1))
{
    return ECS_OK;
}

ECS_SYSTEM(only_write, WRITE(C1))
{
    return ECS_OK;
}

ECS_SYSTEM(only_with, WITH(Player))
{
    return ECS_OK;
}

ECS_SYSTEM(only_not, NOT(Player))
{
    return ECS_OK;
}

ECS_SYSTEM(only_optional, OPTIONAL(C1))
{
    return ECS_OK;
}

ECS_SYSTEM(only_optional_write, OPTIONAL_WRITE(C1))
{
    return ECS_OK;
}

ECS_SYSTEM(only_any, ANY(C1, C2))
{
    return ECS_OK;
}

ECS_SYSTEM(only_any_three, ANY(C1, C2, C3))
{
    return ECS_OK;
}

ECS_SYSTEM(only_any_four, ANY(C1, C2, C3, C4))
{
    return ECS_OK;
}

ECS_SYSTEM(any_of_tags, ANY(Player, Dead))
{
    return ECS_OK;
}

ECS_SYSTEM(any_first, ANY(C1, C2), READ(C3), ANY(Position, Velocity))
{
    return ECS_OK;
}

ECS_SYSTEM(only_res_read, RES_READ(Gravity))
{
    return ECS_OK;
}

ECS_SYSTEM(only_res_write, RES_WRITE(Gravity))
{
    return ECS_OK;
}

ECS_SYSTEM(only_on, ON(Hit))
{
    return ECS_OK;
}

ECS_SYSTEM(only_emit, EMIT(Hit))
{
    return ECS_OK;
}

ECS_SYSTEM(only_lookup, LOOKUP(C1))
{
    return ECS_OK;
}

ECS_TASK(task)
{
    return view->count == 0 ? ECS_OK : ECS_FAILED;
}

ECS_EXCLUSIVE(exclusive)
{
    return ecs_set(world, view->entities[0], C1, {1});
}

/* One type in terms of different nature is no doubling. */
ECS_SYSTEM(natures, WRITE(C1), LOOKUP(C1), RES_READ(C1), EMIT(C1), ON(C2), RES_WRITE(C2), READ(C2))
{
    if (ecs_lookup(view, C1, view->entities[0]) == NULL) return ECS_NOT_FOUND;
    ecs_write(view, C1)[0].a = ecs_res_read(view, C1)->a;
    return ecs_emit(view, C1, {2});
}

const ecs_system *list(uint32_t index);
const ecs_system *list(uint32_t index)
{
    static const ecs_system *const all[] = {
        &sixteen, &only_read, &only_write, &only_with, &only_not, &only_optional,
        &only_optional_write, &only_any, &only_any_three, &only_any_four, &any_of_tags, &any_first,
        &only_res_read, &only_res_write, &only_on, &only_emit, &only_lookup, &task, &exclusive,
        &natures};
    return all[index % (sizeof all / sizeof all[0])];
}
