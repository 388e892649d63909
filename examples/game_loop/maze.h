/* maze.h: the maze of game_loop.c, walking in it, and the ways through it. */
#ifndef GAME_LOOP_MAZE_H
#define GAME_LOOP_MAZE_H

#include "ecs.h"

#include <string.h>

enum {
    COLUMNS = 31, ROWS = 17, CELLS = COLUMNS * ROWS, /* odd; walls included */
    FAR_AWAY = UINT16_MAX                            /* steps to where no way leads */
};

typedef struct { uint8_t wall[CELLS]; ecs_entity player, paths; } Maze;
ECS_RESOURCE(Maze, wall, player, paths);

typedef struct { float x, y; } Position; /* in cells */
ECS_COMPONENT(Position, x, y);
typedef struct { int32_t x, y, dx, dy; float speed; } Walk; /* to this cell, in that direction */
ECS_COMPONENT(Walk, x, y, dx, dy, speed);

/* Steps from each cell to the nearest goal. Of an entity of its own, and not a resource: so a
 * search gives its result as a command, and need not be done in the tick that it began in. */
typedef struct { uint16_t steps[CELLS]; } Paths;
ECS_COMPONENT(Paths, steps);

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

/* Breadth-first from all cells that have 0 steps; the others are FAR_AWAY before. The border of
 * the maze is wall, so nothing leaves it. */
static void paths_spread(const Maze *maze, Paths *paths)
{
    int32_t queue[CELLS], head = 0, tail = 0;
    for (int32_t cell = 0; cell < CELLS; cell++) {
        if (paths->steps[cell] == 0) queue[tail++] = cell;
    }
    while (head < tail) {
        int32_t cell = queue[head++];
        for (int32_t d = 0; d < 4; d++) {
            int32_t next = cell_beside(cell, d);
            if (maze->wall[next] != 0 || paths->steps[next] != FAR_AWAY) continue;
            paths->steps[next] = (uint16_t)(paths->steps[cell] + 1);
            queue[tail++] = next;
        }
    }
}

static void paths_clear(Paths *paths)
{
    memset(paths, 0xff, sizeof *paths); /* FAR_AWAY everywhere */
}

/* The direction in which the way gets shorter, or -1. */
static int32_t paths_direction(const Paths *paths, int32_t cell)
{
    int32_t best = -1;
    uint16_t steps = paths->steps[cell];
    for (int32_t d = 0; d < 4; d++) {
        if (paths->steps[cell_beside(cell, d)] >= steps) continue;
        steps = paths->steps[cell_beside(cell, d)];
        best = d;
    }
    return best;
}

static bool has_arrived(Position p, const Walk *walk)
{
    return p.x == (float)walk->x && p.y == (float)walk->y; /* exactly: walk puts it there */
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

/* Steps of a taxi, which is how far it is in a maze without walls. */
static float distance(Position p, const Position *q)
{
    if (q == NULL) return (float)CELLS;
    return (p.x > q->x ? p.x - q->x : q->x - p.x) + (p.y > q->y ? p.y - q->y : q->y - p.y);
}

#endif
