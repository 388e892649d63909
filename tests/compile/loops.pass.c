/* Loops over queries: nested, in one function, with break, continue, return and goto. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
ECS_QUERY(moving, WRITE(Position), READ(Velocity));
ECS_QUERY(still, READ(Position), NOT(Velocity));

uint32_t use(ecs_world *world, const ecs_world *idle);
uint32_t use(ecs_world *world, const ecs_world *idle)
{
    uint32_t rows = 0;
    ECS_EACH(world, moving, view) {
        for (uint32_t i = 0; i < view->count; i++) {
            ecs_write(view, Position)[i].x += ecs_read(view, Velocity)[i].x;
        }
    }
    ECS_EACH(world, moving, view) rows += view->count;
    ECS_EACH_ROW(world, moving, view) {
        if (view->row > 5) continue;
        ecs_write(view, Position)[view->row].y = 0;
        ECS_EACH_ROW(world, still, other) {
            if (other->entities[other->row].bits == view->entities[view->row].bits) break;
            if (ecs_read(other, Position)[other->row].x > 9) goto out;
            if (rows++ > 1000) return rows;
        }
    }
out:
    ECS_EACH_CONST(idle, still, view) {
        ECS_EACH_CONST(idle, still, inner) rows += inner->count * view->base;
    }
    if (rows > 7)
        ECS_EACH(world, still, view) rows++;
    else
        rows = 7;
    return rows;
}
