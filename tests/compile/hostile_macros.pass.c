/* Macros of platform headers that have the names of terms do no harm: before the include,
 * after it, with arguments or without. */
#define READ 0x80000000L
#define WRITE 0x40000000L
#define WITH(x) x,
#define NOT !
#define OPTIONAL
#define OPTIONAL_WRITE
#define ANY (~0)
#define RES_READ 1
#define RES_WRITE 2
#define ON 1
#define EMIT emit
#define LOOKUP(a, b) a ## b
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { float pull; } Gravity;
ECS_RESOURCE(Gravity, pull);
typedef struct { int damage; } Hit;
ECS_EVENT(Hit, damage);
ECS_TAG(Player);
ECS_TAG(Dead);
ECS_TAG(Boss);

ECS_SYSTEM(first_read, READ(Position), WRITE(Velocity), NOT(Dead))
{
    ecs_write(view, Velocity)[0].x = ecs_read(view, Position)[0].x;
    return ECS_OK;
}
ECS_SYSTEM(first_write, WRITE(Position), READ(Velocity))
{
    return ECS_OK;
}

ECS_SYSTEM(first_not, NOT(Dead), OPTIONAL(Position))
{
    return ECS_OK;
}

ECS_SYSTEM(first_optional, OPTIONAL(Velocity), OPTIONAL_WRITE(Position))
{
    return ECS_OK;
}

ECS_SYSTEM(first_any, ANY(Position, Velocity), NOT(Dead))
{
    return ECS_OK;
}

ECS_SYSTEM(first_resource, RES_READ(Gravity), ANY(Position, Velocity))
{
    return ECS_OK;
}

ECS_SYSTEM(first_event, ON(Hit), RES_WRITE(Gravity))
{
    return ECS_OK;
}

ECS_SYSTEM(first_with, WITH(Player))
{
    return ECS_OK;
}

ECS_QUERY(query, READ(Position), NOT(Dead), ANY(Velocity, Player));

#undef READ
#define READ(x) nonsense x
ECS_SYSTEM(redefined, READ(Position), READ(Velocity))
{
    return ECS_OK;
}

const ecs_system *list(ecs_world *world, uint32_t index);
const ecs_system *list(ecs_world *world, uint32_t index)
{
    static const ecs_system *const all[] = {&first_read, &first_write, &first_not,
                                            &first_optional, &first_any, &first_resource,
                                            &first_event, &first_with, &redefined};
    ECS_EACH(world, query, view) {
        if (ecs_read(view, Position)[0].x > 0) return all[0];
    }
    return all[index % (sizeof all / sizeof all[0])];
}
