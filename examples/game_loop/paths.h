/* paths.h: finding ways through the maze of game_loop.c: one breadth-first search leads all
 * enemies.
 *
 * The search is work that nothing has to wait for: paths that are a few ticks old lead well
 * enough. So it stands alone. What it needs is in its own row, a copy of the walls and the goal;
 * it writes nothing, and gives its result as a command. Whoever walks by the paths reads those
 * that are there. */
#ifndef GAME_LOOP_PATHS_H
#define GAME_LOOP_PATHS_H

#include "maze.h"

enum {
    FAR_AWAY = UINT16_MAX, /* steps to where no way leads */
    NOWHERE = -1,          /* a goal */
    SEARCH_EVERY = 4       /* ticks from one search to the next */
};

typedef struct { int32_t goal; uint8_t wall[CELLS]; } Search;
ECS_COMPONENT(Search, goal, wall);

typedef struct { uint16_t steps[CELLS]; } Paths; /* from each cell to the nearest goal */
ECS_COMPONENT(Paths, steps);

static void paths_clear(Paths *paths)
{
    memset(paths, 0xff, sizeof *paths); /* FAR_AWAY everywhere */
}

/* Breadth-first from all cells that have 0 steps; the others are FAR_AWAY before. The border of
 * the maze is wall, so nothing leaves it. */
static void paths_spread(const uint8_t *wall, Paths *paths)
{
    int32_t queue[CELLS], head = 0, tail = 0;
    for (int32_t cell = 0; cell < CELLS; cell++) {
        if (paths->steps[cell] == 0) queue[tail++] = cell;
    }
    while (head < tail) {
        int32_t cell = queue[head++];
        for (int32_t d = 0; d < 4; d++) {
            int32_t next = cell_beside(cell, d);
            if (wall[next] != 0 || paths->steps[next] != FAR_AWAY) continue;
            paths->steps[next] = (uint16_t)(paths->steps[cell] + 1);
            queue[tail++] = next;
        }
    }
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

ECS_SYSTEM(find_paths, READ(Search), WITH(Paths))
{
    const Search *search = ecs_read(view, Search);
    for (uint32_t i = 0; i < view->count; i++) {
        Paths paths;
        ecs_status status;
        paths_clear(&paths);
        if (search[i].goal != NOWHERE) paths.steps[search[i].goal] = 0;
        paths_spread(search[i].wall, &paths);
        status = ecs_cmd_set(view->cmd, view->entities[i], Paths, paths);
        if (status != ECS_OK) return status;
    }
    return ECS_OK;
}

/* The entity that searches, or null. */
static ecs_entity paths_make(ecs_world *world, const Maze *maze)
{
    static const ecs_system_desc desc = {
        .system = &find_paths, .phase = ECS_PRE_UPDATE, .every_ticks = SEARCH_EVERY};
    Search search;
    Paths paths;
    memset(&search, 0, sizeof search);
    memcpy(search.wall, maze->wall, sizeof search.wall);
    search.goal = NOWHERE;
    paths_clear(&paths);
    if (ecs_system_add_desc(world, &desc) != ECS_OK) return ecs_null();
    return ecs_spawn_with(world, (Search, search), (Paths, paths));
}

#endif
