/* level.h: the world in which game_loop.c is played: heroes come and go, the rest lives here. */
#ifndef GAME_LOOP_LEVEL_H
#define GAME_LOOP_LEVEL_H

#include "paths.h"

enum {
    COINS = 24, ENEMIES = 4, LIVES = 3,
    SAFE_TICKS = 40,      /* after a bite, and at first */
    STORM_TICKS = 25,     /* the radio fails in some stretches of that length */
    FAILURES_MAX = 3,     /* in a row, then it is switched off */
    OFF_TICKS = 60
};

/* ---- Components, events, resources -------------------------------------------------- */

/* What a hero takes along from world to world. */
typedef struct { uint32_t number; float speed; } Hero; /* cells in a second */
ECS_COMPONENT(Hero, number, speed);
typedef struct { uint32_t coins, won, lost; } Score;
ECS_COMPONENT(Score, coins, won, lost);
typedef struct { char glyph[2]; uint8_t colour; } Look;
ECS_COMPONENT(Look, glyph, colour);

/* What only a level knows. */
typedef struct { float x, y; } Previous; /* before the last tick: drawing starts from there */
ECS_COMPONENT(Previous, x, y);
typedef struct { uint32_t lives, safe_ticks; } Visit; /* of a hero */
ECS_COMPONENT(Visit, lives, safe_ticks);
ECS_TAG(Enemy);
ECS_TAG(Coin);

typedef struct { ecs_entity coin; } Picked;
ECS_EVENT(Picked, coin);
typedef struct { ecs_entity enemy; } Bitten;
ECS_EVENT(Bitten, enemy);

/* dx, dy: the last direction, since terminals do not tell when a key ends. */
typedef struct { int32_t dx, dy; uint32_t leave; } Input;
ECS_RESOURCE(Input, dx, dy, leave);
typedef struct { ecs_entity hero; uint32_t coins_left, over; } Level; /* hero: stale without one */
ECS_RESOURCE(Level, hero, coins_left, over);
typedef struct { float distance; } Radio; /* to the nearest coin */
ECS_RESOURCE(Radio, distance);

/* ---- Systems ------------------------------------------------------------------------ */

/* Runs before anything moves: what is drawn lies between here and where the tick leads. */
ECS_SYSTEM(remember, WRITE(Previous), READ(Position))
{
    const Position *p = ecs_read(view, Position);
    for (uint32_t i = 0; i < view->count; i++) {
        Previous previous = {p[i].x, p[i].y};
        ecs_write(view, Previous)[i] = previous;
    }
    return ECS_OK;
}

/* A hero that has arrived gets what a level needs. */
ECS_SYSTEM(welcome, READ(Hero), NOT(Visit), NOT(ecs_transfer), RES_WRITE(Level))
{
    const Hero *hero = ecs_read(view, Hero);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_entity e = view->entities[i];
        Walk walk = {COLUMNS / 2, ROWS / 2 + 1, 0, 0, hero[i].speed};
        Position p = {(float)walk.x, (float)walk.y};
        bool good = ecs_cmd_set(view->cmd, e, Visit, {LIVES, SAFE_TICKS}) == ECS_OK &&
                    ecs_cmd_set(view->cmd, e, Walk, walk) == ECS_OK &&
                    ecs_cmd_set(view->cmd, e, Position, p) == ECS_OK &&
                    ecs_cmd_set(view->cmd, e, Previous, {p.x, p.y}) == ECS_OK;
        if (!good) return ECS_FULL;
        ecs_res_write(view, Level)->hero = e;
    }
    return ECS_OK;
}

/* Tells the search where the hero is. */
ECS_SYSTEM(aim, WRITE(Search), RES_READ(Level), LOOKUP(Walk))
{
    const Walk *hero = ecs_lookup(view, Walk, ecs_res_read(view, Level)->hero);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_write(view, Search)[i].goal = hero != NULL ? cell_at(hero->x, hero->y) : NOWHERE;
    }
    return ECS_OK;
}

/* In the wanted direction if there is no wall, else on as before. */
ECS_SYSTEM(steer, READ(Position), WRITE(Walk), WITH(Visit), RES_READ(Maze), RES_READ(Input))
{
    const Input *input = ecs_res_read(view, Input);
    for (uint32_t i = 0; i < view->count; i++) {
        Walk *walk = &ecs_write(view, Walk)[i];
        if (!has_arrived(ecs_read(view, Position)[i], walk)) continue;
        if (!walk_turn(ecs_res_read(view, Maze), walk, input->dx, input->dy)) {
            (void)walk_turn(ecs_res_read(view, Maze), walk, walk->dx, walk->dy);
        }
    }
    return ECS_OK;
}

/* By the paths that were found last; while there is nobody to chase straight on, and anywhere at
 * a wall. */
ECS_SYSTEM(chase, READ(Position), WRITE(Walk), WITH(Enemy), RES_READ(Maze), LOOKUP(Paths))
{
    const Maze *maze = ecs_res_read(view, Maze);
    const Paths *paths = ecs_lookup(view, Paths, maze->guide);
    for (uint32_t i = 0; i < view->count && paths != NULL; i++) {
        Walk *walk = &ecs_write(view, Walk)[i];
        int32_t d;
        if (!has_arrived(ecs_read(view, Position)[i], walk)) continue;
        d = paths_direction(paths, cell_at(walk->x, walk->y));
        if (d < 0 && walk_turn(maze, walk, walk->dx, walk->dy)) continue;
        if (d < 0) {
            d = (int32_t)(ecs_random_u64(ecs_world_seed(view->world), view->tick,
                                         view->entities[i], 0) % 4);
        }
        (void)walk_turn(maze, walk, direction_x[d], direction_y[d]);
    }
    return ECS_OK;
}

ECS_SYSTEM(walk_on, WRITE(Position), READ(Walk))
{
    Position *p = ecs_write(view, Position);
    const Walk *walk = ecs_read(view, Walk);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x = approach(p[i].x, (float)walk[i].x, walk[i].speed * view->dt);
        p[i].y = approach(p[i].y, (float)walk[i].y, walk[i].speed * view->dt);
    }
    return ECS_OK;
}

ECS_SYSTEM(pick_up, READ(Position), WITH(Coin), RES_READ(Level), LOOKUP(Position), EMIT(Picked))
{
    const Position *hero = ecs_lookup(view, Position, ecs_res_read(view, Level)->hero);
    for (uint32_t i = 0; i < view->count; i++) {
        if (distance(ecs_read(view, Position)[i], hero) > 0.6f) continue;
        (void)ecs_emit(view, Picked, {view->entities[i]}); /* the buffer holds every coin */
        (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ECS_OK;
}

ECS_SYSTEM(bite, READ(Position), WITH(Enemy), RES_READ(Level), LOOKUP(Position), EMIT(Bitten))
{
    const Position *hero = ecs_lookup(view, Position, ecs_res_read(view, Level)->hero);
    for (uint32_t i = 0; i < view->count; i++) {
        if (distance(ecs_read(view, Position)[i], hero) > 0.7f) continue;
        (void)ecs_emit(view, Bitten, {view->entities[i]});
    }
    return ECS_OK;
}

/* Fails in a storm, each tick of it. Nobody else is harmed, for it is added with ECS_SKIP; and
 * after some failures in a row its breaker switches it off for a while. */
ECS_SYSTEM(radio, READ(Position), WITH(Coin), RES_READ(Level), LOOKUP(Position), RES_WRITE(Radio))
{
    const Position *hero = ecs_lookup(view, Position, ecs_res_read(view, Level)->hero);
    Radio *out = ecs_res_write(view, Radio);
    uint64_t weather = view->tick / STORM_TICKS;
    if (ecs_random_float(ecs_world_seed(view->world), weather, ecs_null(), 0) < 0.35f) {
        return ECS_FAILED;
    }
    if (view->base == 0) out->distance = (float)CELLS;
    for (uint32_t i = 0; i < view->count; i++) {
        float d = distance(ecs_read(view, Position)[i], hero);
        if (d < out->distance) out->distance = d;
    }
    return ECS_OK;
}

/* The level is over when the coins or the lives are gone. */
ECS_SYSTEM(keep_score, WRITE(Visit), WRITE(Score), ON(Picked), ON(Bitten), RES_WRITE(Level))
{
    Level *level = ecs_res_write(view, Level);
    for (uint32_t i = 0; i < view->count; i++) {
        Visit *visit = &ecs_write(view, Visit)[i];
        Score *score = &ecs_write(view, Score)[i];
        bool bitten = ecs_on_count(view, Bitten) > 0 && visit->safe_ticks == 0;
        if (visit->safe_ticks > 0) visit->safe_ticks--;
        if (bitten) visit->safe_ticks = SAFE_TICKS;
        if (bitten) visit->lives--;
        score->coins += ecs_on_count(view, Picked);
        level->coins_left -= ecs_on_count(view, Picked);
        level->over = level->coins_left == 0 || visit->lives == 0;
        score->won += level->coins_left == 0;
        score->lost += level->coins_left > 0 && visit->lives == 0;
    }
    return ECS_OK;
}

/* Who has lost, won or had enough leaves behind what the menu does not know, and is marked: the
 * coordinator sends what is marked after the tick. A target of 0 is the default one, the menu. */
ECS_SYSTEM(farewell, READ(Visit), RES_READ(Level), RES_READ(Input))
{
    if (ecs_res_read(view, Level)->over == 0 && ecs_res_read(view, Input)->leave == 0) {
        return ECS_OK;
    }
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_entity e = view->entities[i];
        bool good = ecs_cmd_remove(view->cmd, e, Visit) == ECS_OK &&
                    ecs_cmd_remove(view->cmd, e, Walk) == ECS_OK &&
                    ecs_cmd_remove(view->cmd, e, Position) == ECS_OK &&
                    ecs_cmd_remove(view->cmd, e, Previous) == ECS_OK &&
                    ecs_cmd_set(view->cmd, e, ecs_transfer, {0}) == ECS_OK;
        if (!good) return ECS_FULL;
    }
    return ECS_OK;
}

/* ---- The world ---------------------------------------------------------------------- */

/* In one phase, what conflicts runs in this order. Only the radio may fail. */
static const ecs_system_desc level_systems[] = {
    {.system = &remember, .phase = ECS_PRE_UPDATE},
    {.system = &welcome, .phase = ECS_PRE_UPDATE},
    {.system = &aim, .phase = ECS_PRE_UPDATE},
    {.system = &steer, .phase = ECS_UPDATE},
    {.system = &chase, .phase = ECS_UPDATE},
    {.system = &walk_on, .phase = ECS_UPDATE},
    {.system = &pick_up, .phase = ECS_POST_UPDATE},
    {.system = &bite, .phase = ECS_POST_UPDATE},
    {.system = &radio, .phase = ECS_POST_UPDATE, .on_error = ECS_SKIP,
     .breaker_failures = FAILURES_MAX, .breaker_ticks = OFF_TICKS},
    {.system = &keep_score, .phase = ECS_LAST},
    {.system = &farewell, .phase = ECS_LAST},
};

static bool level_fill(ecs_world *world)
{
    Draw from = {ecs_world_seed(world), 1};
    Maze maze;
    bool good = true;
    memset(&maze, 0, sizeof maze);
    maze_make(&maze, &from);
    for (uint32_t i = 0; i < COINS; i++) {
        Position p = {(float)(draw(&from, COLUMNS / 2) * 2 + 1),
                      (float)(draw(&from, ROWS / 2) * 2 + 1)};
        good &= !ecs_is_null(ecs_spawn_with(world, (Position, p), (Previous, {p.x, p.y}),
                                            (Look, {{'o', ' '}, 33}), (Coin)));
    }
    for (int32_t i = 0; i < ENEMIES; i++) {
        Walk walk = {i % 2 == 0 ? 1 : COLUMNS - 2, i / 2 == 0 ? 1 : ROWS - 2, 0, 0,
                     2.5f + 0.5f * (float)i}; /* different, so that they do not become one */
        good &= !ecs_is_null(ecs_spawn_with(world, (Position, {(float)walk.x, (float)walk.y}),
                                            (Previous), (Walk, walk), (Look, {{'}', '{'}, 31}),
                                            (Enemy)));
    }
    maze.guide = paths_make(world, &maze);
    return good && !ecs_is_null(maze.guide) && ecs_resource_set(world, Maze, maze) == ECS_OK &&
           ecs_resource_set(world, Input, {0, 0, 0}) == ECS_OK &&
           ecs_resource_set(world, Radio, {0}) == ECS_OK &&
           ecs_resource_set(world, Level, {ecs_null(), COINS, 0}) == ECS_OK;
}

/* NULL: no memory. */
static ecs_world *level_create(const ecs_world_desc *desc)
{
    ecs_world *world = ecs_world_create(desc);
    bool good = world != NULL;
    for (size_t i = 0; good && i < sizeof level_systems / sizeof level_systems[0]; i++) {
        good = ecs_system_add_desc(world, &level_systems[i]) == ECS_OK;
    }
    if (good && level_fill(world)) return world;
    ecs_world_destroy(world);
    return NULL;
}

#endif
