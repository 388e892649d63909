/* maze.h: the maze of game_loop.c, and walking in it. */
#ifndef GAME_LOOP_MAZE_H
#define GAME_LOOP_MAZE_H

#include "ecs.h"

#include <string.h>

enum { COLUMNS = 31, ROWS = 17, CELLS = COLUMNS * ROWS }; /* odd; walls included */

typedef struct { uint8_t wall[CELLS]; ecs_entity guide; } Maze; /* guide: see paths.h */
ECS_RESOURCE(Maze, wall, guide);

typedef struct { float x, y; } Position; /* in cells */
ECS_COMPONENT(Position, x, y);
typedef struct { int32_t x, y, dx, dy; float speed; } Walk; /* to this cell, in that direction */
ECS_COMPONENT(Walk, x, y, dx, dy, speed);

static const int32_t direction_x[4] = {1, 0, -1, 0}, direction_y[4] = {0, 1, 0, -1};

static int32_t cell_at(int32_t x, int32_t y)
{
    return y * COLUMNS + x;
}

static int32_t cell_beside(int32_t cell, int32_t direction)
{
    return cell + cell_at(direction_x[direction], direction_y[direction]);
}

typedef struct { uint64_t seed, count; } Draw; /* random numbers, one after the other */

static uint32_t draw(Draw *from, uint32_t limit)
{
    return (uint32_t)(ecs_random_u64(from->seed, 0, ecs_null(), from->count++) % limit);
}

/* Pillars that fall over to one side each make a maze; all of it can be reached, for walls never
 * close a ring: they fall upwards in the first row only. */
static void maze_make(Maze *maze, Draw *from)
{
    for (int32_t y = 0; y < ROWS; y++) {
        for (int32_t x = 0; x < COLUMNS; x++) {
            bool border = x == 0 || y == 0 || x == COLUMNS - 1 || y == ROWS - 1;
            if (border || (x % 2 == 0 && y % 2 == 0)) maze->wall[cell_at(x, y)] = 1;
            if (border || x % 2 != 0 || y % 2 != 0 || draw(from, 6) == 0) continue; /* stands */
            maze->wall[cell_beside(cell_at(x, y), (int32_t)draw(from, y == 2 ? 4 : 3))] = 1;
        }
    }
}

static bool has_arrived(Position p, const Walk *walk)
{
    return p.x == (float)walk->x && p.y == (float)walk->y; /* exactly: approach puts it there */
}

static bool walk_turn(const Maze *maze, Walk *walk, int32_t dx, int32_t dy)
{
    if ((dx == 0 && dy == 0) || maze->wall[cell_at(walk->x + dx, walk->y + dy)] != 0) return false;
    walk->x += dx;
    walk->y += dy;
    walk->dx = dx;
    walk->dy = dy;
    return true;
}

static float approach(float from, float to, float by)
{
    if (from < to) return to - from > by ? from + by : to;
    return from - to > by ? from - by : to;
}

/* Steps of a taxi, which is how far it is in a maze without walls; far away from nobody. */
static float distance(Position p, const Position *q)
{
    if (q == NULL) return (float)CELLS;
    return (p.x > q->x ? p.x - q->x : q->x - p.x) + (p.y > q->y ? p.y - q->y : q->y - p.y);
}

#endif
