/* swarm.c: boids that flock, age, are hunted and are replaced, up to millions of them.
 *
 *   cc -std=c11 -O2 -ffp-contract=off -I../.. swarm.c -o swarm -lm -lpthread && ./swarm --help
 *
 * How the program is laid out, because that is what you would start from:
 *
 *   components   what an entity is made of: Position, Velocity, Steering, Lifetime, ...
 *   resources    what the whole world has once: Config, Grid, Tally
 *   events       Caught: a hunter got a boid
 *   systems      each declares what it reads and writes, and touches nothing else
 *
 * A tick, phase by phase (commands are applied at the end of each):
 *
 *   PRE_UPDATE   the grid is rebuilt: clear, count, sum up, fill, then mark the hunters
 *   UPDATE       flock and hunt choose a direction, breed replaces the dead
 *   POST_UPDATE  advance moves everything, bury removes what was caught
 *   LAST         age removes those whose time has passed
 *
 * The same seed gives the same world hash on any number of workers (each run checks that: see
 * equal_print), by every compiler and at every level of optimisation, as long as nothing
 * contracts a * b + c (-ffp-contract=off): the only function of libm is sqrtf, which IEEE 754
 * defines to the last bit; random numbers are a function of (seed, tick, entity); and the grid
 * is filled in row order. */
#define ECS_IMPLEMENTATION
#include "ecs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
#include <direct.h>
#include <io.h>
#else
#include <sys/stat.h>
#include <unistd.h>
#endif

/* ---- Limits and tuning -------------------------------------------------------------- */

#define ENTITIES_MAX 4000000u   /* --entities */
#define BATCH_COUNT 1024u       /* boids made by one bulk spawn */
#define BOIDS_PER_EMITTER 250u   /* emitters are where new boids come from */
#define BOIDS_PER_HUNTER 10000u
#define NEIGHBOURS_MAX 48u      /* looked at in three cells of one row, so a crowd is bounded */
#define CHECKED_TICKS 30u       /* that are run once more on one thread, see equal_print */
#define FRAME_PIXELS 800u       /* width and height of a picture */
#define PATH_BYTES 1024u

#define STEP_S (1.0f / 60.0f)
#define DENSITY 2.0f            /* boids for each square of one unit */
#define SIGHT 1.0f              /* how far a boid sees; also the size of a grid cell */
#define SPACE 0.45f             /* closer than that, boids push each other away */
#define FEAR 3.0f               /* how far a hunter scares */
#define FEAR_CELLS 3            /* the same in cells */
#define HUNT_CELLS 2            /* how far a hunter looks */
#define REACH 0.3f              /* how far a hunter grabs */
#define REST_S 0.75f            /* after a meal */
#define MARGIN 3.0f             /* where the walls begin to push */
#define SPREAD 3.0f             /* around an emitter, where its boids begin */
#define LIFE_S 12.0f            /* longest life; the shortest is a third of it */

static const float boid_speed_min = 1.5f, boid_speed_max = 4.0f;
static const float hunter_speed_min = 1.0f, hunter_speed_max = 5.5f;

/* ---- Components, events, resources -------------------------------------------------- */

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);

typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

/* The acceleration that flock and hunt have chosen and advance applies. It is a component
 * of its own so that choosing (reads all positions) and moving (writes them) do not mix. */
typedef struct { float x, y; } Steering;
ECS_COMPONENT(Steering, x, y);

typedef struct { float left_s; } Lifetime;
ECS_COMPONENT(Lifetime, left_s);

typedef struct { float rest_s; uint32_t meal_count; } Hunter;
ECS_COMPONENT(Hunter, rest_s, meal_count);

ECS_TAG(Boid);
ECS_TAG(Emitter);

typedef struct { ecs_entity hunter, prey; } Caught;
ECS_EVENT(Caught, hunter, prey);

typedef struct { float side; uint32_t boid_target, hunter_count, emitter_count; } Config;
ECS_RESOURCE(Config, side, boid_target, hunter_count, emitter_count);

typedef struct { uint64_t born_count, eaten_count; } Tally;
ECS_RESOURCE(Tally, born_count, eaten_count);

/* What a boid knows of its neighbour: copied into the grid, so that a look at nine cells
 * reads three short runs of memory and not one cache line for each neighbour. */
typedef struct { float x, y, vx, vy; } Neighbour;

/* All boids sorted by cell, in row order inside a cell: a counting sort, made anew each
 * tick. Pointers are not listed: the hash must not see addresses, and what they point to
 * follows from the positions. */
typedef struct {
    uint32_t *starts;     /* cell_count + 2: where a cell's items begin, see grid_fill */
    uint32_t *cells;      /* by row: the boid's cell */
    Neighbour *items;     /* by cell */
    ecs_entity *entities; /* by cell: whom an item shows */
    Position *threats;    /* of each cell: a hunter that is near; x < 0: none */
    uint32_t columns;     /* cells in one row of the grid, and rows */
    uint32_t cell_count;
    uint32_t item_max;
    uint32_t item_count;
} Grid;
ECS_RESOURCE(Grid, columns, cell_count, item_count);

/* The world ends the grid as it ends every value: through the type's hook. */
static void grid_destroy(void *values, uint32_t count, void *user)
{
    Grid *grid = (Grid *)values;
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        free(grid[i].starts);
        free(grid[i].cells);
        free(grid[i].items);
        free(grid[i].entities);
        free(grid[i].threats);
    }
}

static bool grid_make(Grid *grid, float side, uint32_t boids_max)
{
    memset(grid, 0, sizeof *grid);
    grid->columns = (uint32_t)(side / SIGHT) + 1u;
    grid->cell_count = grid->columns * grid->columns;
    grid->item_max = boids_max;
    grid->starts = (uint32_t *)calloc((size_t)grid->cell_count + 2u, sizeof *grid->starts);
    grid->cells = (uint32_t *)calloc(boids_max, sizeof *grid->cells);
    grid->items = (Neighbour *)calloc(boids_max, sizeof *grid->items);
    grid->entities = (ecs_entity *)calloc(boids_max, sizeof *grid->entities);
    grid->threats = (Position *)calloc(grid->cell_count, sizeof *grid->threats);
    return grid->starts != NULL && grid->cells != NULL && grid->items != NULL &&
           grid->entities != NULL && grid->threats != NULL;
}

/* The column (or row) of the grid that a coordinate lies in. advance keeps positions inside
 * the world, so this is a truncation; the bounds are for what a user may set from outside. */
static uint32_t grid_column(const Grid *grid, float at)
{
    float column = at * (1.0f / SIGHT);
    if (!(column >= 0)) return 0;
    if (column >= (float)grid->columns) return grid->columns - 1u;
    return (uint32_t)column;
}

/* Cells from..to - 1 around column `at`, cut off at the border. */
typedef struct { uint32_t from, to; } Range;

static Range grid_range(const Grid *grid, float at, uint32_t reach)
{
    uint32_t column = grid_column(grid, at);
    Range range;
    range.from = column > reach ? column - reach : 0;
    range.to = column + reach + 1u < grid->columns ? column + reach + 1u : grid->columns;
    return range;
}

/* ---- PRE_UPDATE: the grid -----------------------------------------------------------
 *
 * A counting sort needs an order: clear, count, sum up, fill. All four write the grid, so
 * they conflict and run in the order of their registration. A system that writes a resource
 * is never split, and view->base + i numbers the rows from 0 without a gap. */

ECS_SYSTEM(grid_clear, RES_WRITE(Grid))
{
    Grid *grid = ecs_res_write(view, Grid);
    memset(grid->starts, 0, ((size_t)grid->cell_count + 2u) * sizeof *grid->starts);
    for (uint32_t i = 0; i < grid->cell_count; i++) grid->threats[i].x = -1.0f;
    grid->item_count = 0;
    return ECS_OK;
}

ECS_SYSTEM(grid_count, READ(Position), WITH(Boid), RES_WRITE(Grid))
{
    Grid *grid = ecs_res_write(view, Grid);
    const Position *p = ecs_read(view, Position);
    if (view->base + view->count > grid->item_max) return ECS_FULL;
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t cell = grid_column(grid, p[i].y) * grid->columns + grid_column(grid, p[i].x);
        grid->cells[view->base + i] = cell;
        grid->starts[cell + 2u]++;
    }
    grid->item_count = view->base + view->count;
    return ECS_OK;
}

/* Counts become starts, shifted by one: starts[c + 1] is where cell c begins. */
ECS_SYSTEM(grid_sum, RES_WRITE(Grid))
{
    Grid *grid = ecs_res_write(view, Grid);
    for (uint32_t c = 2; c < grid->cell_count + 2u; c++) grid->starts[c] += grid->starts[c - 1u];
    return ECS_OK;
}

/* Filling moves starts[c + 1] from the beginning of cell c to its end, which is where cell
 * c + 1 begins: afterwards cell c is items[starts[c]] .. items[starts[c + 1]]. */
ECS_SYSTEM(grid_fill, READ(Position), READ(Velocity), WITH(Boid), RES_WRITE(Grid))
{
    Grid *grid = ecs_res_write(view, Grid);
    const Position *p = ecs_read(view, Position);
    const Velocity *v = ecs_read(view, Velocity);
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t at = grid->starts[grid->cells[view->base + i] + 1u]++;
        Neighbour item = {p[i].x, p[i].y, v[i].x, v[i].y};
        grid->items[at] = item;
        grid->entities[at] = view->entities[i];
    }
    return ECS_OK;
}

static float distance2(Position a, Position b)
{
    return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

/* Each hunter writes itself into the cells around it where no nearer one is: so a boid
 * finds what it must fear in one load, however many hunters there are. */
ECS_SYSTEM(grid_threats, READ(Position), WITH(Hunter), RES_WRITE(Grid))
{
    Grid *grid = ecs_res_write(view, Grid);
    const Position *p = ecs_read(view, Position);
    for (uint32_t i = 0; i < view->count; i++) {
        Range rows = grid_range(grid, p[i].y, FEAR_CELLS);
        Range columns = grid_range(grid, p[i].x, FEAR_CELLS);
        for (uint32_t y = rows.from; y < rows.to; y++) {
            for (uint32_t x = columns.from; x < columns.to; x++) {
                Position centre = {((float)x + 0.5f) * SIGHT, ((float)y + 0.5f) * SIGHT};
                Position *threat = &grid->threats[y * grid->columns + x];
                if (threat->x < 0 || distance2(p[i], centre) < distance2(*threat, centre)) {
                    *threat = p[i];
                }
            }
        }
    }
    return ECS_OK;
}

/* ---- UPDATE: choose a direction ----------------------------------------------------- */

/* Sums over the neighbours in sight. */
typedef struct {
    float x, y, vx, vy;   /* their positions, relative to the boid, and velocities */
    float away_x, away_y; /* from those that are too close, more the closer they are */
    float count;
} Crowd;

/* The hot loop: about twenty neighbours for each boid and tick. It has no branches, because
 * whether a neighbour is in sight cannot be predicted: `seen` is 1 or 0. */
static void crowd_add(Crowd *crowd, Position at, const Neighbour *items, uint32_t count)
{
    Crowd sum = *crowd;
    for (uint32_t i = 0; i < count; i++) {
        float dx = items[i].x - at.x;
        float dy = items[i].y - at.y;
        float d2 = dx * dx + dy * dy;
        float seen = (float)((d2 < SIGHT * SIGHT) & (d2 > 0)); /* 0: the boid itself */
        float push = (SPACE * SPACE / (d2 + 0.01f) - 0.95f) * (float)(d2 < SPACE * SPACE);
        sum.x += dx * seen;
        sum.y += dy * seen;
        sum.vx += items[i].vx * seen;
        sum.vy += items[i].vy * seen;
        sum.away_x -= dx * push;
        sum.away_y -= dy * push;
        sum.count += seen;
    }
    *crowd = sum;
}

/* Cells of one row lie side by side in memory: three cells are one run. */
static Crowd crowd_around(const Grid *grid, Position at)
{
    Crowd crowd = {0, 0, 0, 0, 0, 0, 0};
    Range rows = grid_range(grid, at.y, 1);
    Range columns = grid_range(grid, at.x, 1);
    for (uint32_t y = rows.from; y < rows.to; y++) {
        const uint32_t *starts = grid->starts + (size_t)y * grid->columns;
        uint32_t from = starts[columns.from];
        uint32_t count = starts[columns.to] - from;
        crowd_add(&crowd, at, grid->items + from, count < NEIGHBOURS_MAX ? count : NEIGHBOURS_MAX);
    }
    return crowd;
}

/* The walls push before anybody touches them, softly at first. */
static float wall_push(float at, float side)
{
    if (at < MARGIN) return (MARGIN - at) * 6.0f;
    if (at > side - MARGIN) return (side - MARGIN - at) * 6.0f;
    return 0.0f;
}

static Steering boid_steering(const Grid *grid, Position at, Velocity v, float side)
{
    Crowd crowd = crowd_around(grid, at);
    Position threat = grid->threats[grid_column(grid, at.y) * grid->columns +
                                    grid_column(grid, at.x)];
    Steering s = {wall_push(at.x, side), wall_push(at.y, side)};
    if (crowd.count > 0) {
        float share = 1.0f / crowd.count;
        s.x += crowd.away_x * 9.0f + (crowd.vx * share - v.x) * 1.6f + crowd.x * share * 1.1f;
        s.y += crowd.away_y * 9.0f + (crowd.vy * share - v.y) * 1.6f + crowd.y * share * 1.1f;
    }
    if (threat.x >= 0 && distance2(at, threat) < FEAR * FEAR) {
        s.x += (at.x - threat.x) * 7.0f;
        s.y += (at.y - threat.y) * 7.0f;
    }
    return s;
}

ECS_SYSTEM(flock, READ(Position), READ(Velocity), WRITE(Steering), WITH(Boid), RES_READ(Grid),
           RES_READ(Config))
{
    const Grid *grid = ecs_res_read(view, Grid);
    const Position *p = ecs_read(view, Position);
    const Velocity *v = ecs_read(view, Velocity);
    Steering *s = ecs_write(view, Steering);
    float side = ecs_res_read(view, Config)->side;
    for (uint32_t i = 0; i < view->count; i++) s[i] = boid_steering(grid, p[i], v[i], side);
    return ECS_OK;
}

#define NOBODY UINT32_MAX

/* The grid item nearest to a hunter, or NOBODY. */
static uint32_t prey_nearest(const Grid *grid, Position at)
{
    Range rows = grid_range(grid, at.y, HUNT_CELLS);
    Range columns = grid_range(grid, at.x, HUNT_CELLS);
    uint32_t best = NOBODY;
    float best2 = 0;
    for (uint32_t y = rows.from; y < rows.to; y++) {
        const uint32_t *starts = grid->starts + (size_t)y * grid->columns;
        for (uint32_t k = starts[columns.from]; k < starts[columns.to]; k++) {
            Position prey = {grid->items[k].x, grid->items[k].y};
            float d2 = distance2(at, prey);
            if (best == NOBODY || d2 < best2) {
                best = k;
                best2 = d2;
            }
        }
    }
    return best;
}

/* The hunter only says whom it caught: who despawns the prey, and counts it, is not its
 * business. Two hunters may catch one boid in the same tick; bury knows. */
ECS_SYSTEM(hunt, READ(Position), READ(Velocity), WRITE(Steering), WRITE(Hunter), RES_READ(Grid),
           RES_READ(Config), EMIT(Caught))
{
    const Grid *grid = ecs_res_read(view, Grid);
    const Position *p = ecs_read(view, Position);
    const Velocity *v = ecs_read(view, Velocity);
    Steering *s = ecs_write(view, Steering);
    Hunter *h = ecs_write(view, Hunter);
    float side = ecs_res_read(view, Config)->side;
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t k = h[i].rest_s > 0 ? NOBODY : prey_nearest(grid, p[i]);
        s[i].x = wall_push(p[i].x, side);
        s[i].y = wall_push(p[i].y, side);
        if (h[i].rest_s > 0) {
            h[i].rest_s -= view->dt;
            s[i].x -= v[i].x;
            s[i].y -= v[i].y;
        }
        if (k == NOBODY) continue;
        Position prey = {grid->items[k].x, grid->items[k].y};
        s[i].x += (prey.x - p[i].x) * 20.0f;
        s[i].y += (prey.y - p[i].y) * 20.0f;
        if (distance2(p[i], prey) > REACH * REACH) continue;
        if (ecs_emit(view, Caught, {view->entities[i], grid->entities[k]}) != ECS_OK) continue;
        h[i].rest_s = REST_S;
        h[i].meal_count++;
    }
    return ECS_OK;
}

/* ---- UPDATE: replace the dead ------------------------------------------------------- */

static Velocity velocity_limited(Velocity v, float low, float high)
{
    float speed = sqrtf(v.x * v.x + v.y * v.y);
    float wanted = speed < low ? low : speed > high ? high : speed;
    Velocity east = {low, 0};
    if (speed < 1e-6f) return east;
    v.x *= wanted / speed;
    v.y *= wanted / speed;
    return v;
}

/* Where random numbers come from: `who` and `stream` make the draws different. */
typedef struct { uint64_t seed, tick; ecs_entity who; uint64_t stream; } Draw;

static float draw_between(Draw *draw, float low, float high)
{
    float x = ecs_random_float(draw->seed, draw->tick, draw->who, draw->stream++);
    return low + (high - low) * x;
}

static Velocity draw_velocity(Draw *draw)
{
    Velocity v;
    v.x = draw_between(draw, -boid_speed_max, boid_speed_max);
    v.y = draw_between(draw, -boid_speed_max, boid_speed_max);
    return velocity_limited(v, boid_speed_min, boid_speed_max);
}

/* The population is kept at its target: each emitter spawns its share of what is missing,
 * and numbers (view->base + i) make shares that sum up exactly. */
ECS_SYSTEM(breed, READ(Position), WITH(Emitter), RES_READ(Grid), RES_READ(Config),
           RES_WRITE(Tally))
{
    const Position *p = ecs_read(view, Position);
    const Config *config = ecs_res_read(view, Config);
    uint64_t missing = config->boid_target - ecs_res_read(view, Grid)->item_count;
    uint64_t all = config->emitter_count;
    Tally *tally = ecs_res_write(view, Tally);
    for (uint32_t i = 0; i < view->count; i++) {
        uint64_t k = view->base + i;
        uint64_t share = missing * (k + 1u) / all - missing * k / all;
        Draw draw = {ecs_world_seed(view->world), view->tick, view->entities[i], 0};
        for (uint64_t n = 0; n < share; n++) {
            Position at;
            at.x = p[i].x + draw_between(&draw, -SPREAD, SPREAD);
            at.y = p[i].y + draw_between(&draw, -SPREAD, SPREAD);
            Velocity v = draw_velocity(&draw);
            Lifetime life = {draw_between(&draw, LIFE_S / 3.0f, LIFE_S)};
            ecs_entity e = ecs_cmd_spawn_with(view->cmd, (Position, at), (Velocity, v), (Steering),
                                              (Lifetime, life), (Boid));
            if (ecs_is_null(e)) return ECS_OK; /* the quota is used up: go on next tick */
            tally->born_count++;
        }
    }
    return ECS_OK;
}

/* ---- POST_UPDATE and LAST: move, bury, age ------------------------------------------ */

/* Keeps one coordinate inside the world and turns the velocity inwards. */
static void bounce(float *at, float *speed, float side)
{
    if (*at < 0) {
        *at = 0;
        *speed = *speed < 0 ? -*speed : *speed;
    } else if (*at > side) {
        *at = side;
        *speed = *speed > 0 ? -*speed : *speed;
    }
}

/* Everything that moves. A table has Steering or it has not (emitters drift): the question
 * is asked once a span, outside of the loop. */
ECS_SYSTEM(advance, WRITE(Position), WRITE(Velocity), OPTIONAL(Steering), OPTIONAL(Hunter),
           RES_READ(Config))
{
    Position *p = ecs_write(view, Position);
    Velocity *v = ecs_write(view, Velocity);
    const Steering *s = ecs_optional(view, Steering);
    bool hunters = ecs_optional(view, Hunter) != NULL;
    float side = ecs_res_read(view, Config)->side;
    float low = hunters ? hunter_speed_min : boid_speed_min;
    float high = hunters ? hunter_speed_max : boid_speed_max;
    if (s != NULL) {
        for (uint32_t i = 0; i < view->count; i++) {
            v[i].x += s[i].x * view->dt;
            v[i].y += s[i].y * view->dt;
            v[i] = velocity_limited(v[i], low, high);
        }
    }
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x += v[i].x * view->dt;
        p[i].y += v[i].y * view->dt;
        bounce(&p[i].x, &v[i].x, side);
        bounce(&p[i].y, &v[i].y, side);
    }
    return ECS_OK;
}

/* Events arrive in the order of their systems and rows, so this is deterministic too. */
ECS_SYSTEM(bury, ON(Caught), RES_WRITE(Tally))
{
    const Caught *caught = ecs_on(view, Caught);
    uint32_t count = ecs_on_count(view, Caught);
    Tally *tally = ecs_res_write(view, Tally);
    for (uint32_t i = 0; i < count; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i && !again; k++) {
            again = ecs_equal(caught[k].prey, caught[i].prey);
        }
        if (again) continue;
        if (ecs_cmd_despawn(view->cmd, caught[i].prey) == ECS_OK) tally->eaten_count++;
    }
    return ECS_OK;
}

ECS_SYSTEM(age, WRITE(Lifetime))
{
    Lifetime *life = ecs_write(view, Lifetime);
    for (uint32_t i = 0; i < view->count; i++) {
        life[i].left_s -= view->dt;
        if (life[i].left_s <= 0) (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ECS_OK;
}

/* ---- Setting up --------------------------------------------------------------------- */

typedef struct {
    uint32_t boid_count;
    uint32_t tick_count;
    uint32_t frame_every;
    uint32_t hash_every;
    uint64_t seed;
    const char *frames; /* directory for pictures, or NULL */
    bool quiet;
    bool blocking;      /* no workers at all */
    uint32_t workers;   /* 0: one for each processor */
} Options;

static bool systems_add(ecs_world *world)
{
    static const struct {
        const ecs_system *system;
        ecs_phase phase;
    } all[] = {
        {&grid_clear, ECS_PRE_UPDATE}, {&grid_count, ECS_PRE_UPDATE},
        {&grid_sum, ECS_PRE_UPDATE},   {&grid_fill, ECS_PRE_UPDATE},
        {&grid_threats, ECS_PRE_UPDATE},
        {&flock, ECS_UPDATE},          {&hunt, ECS_UPDATE},
        {&breed, ECS_UPDATE},
        {&advance, ECS_POST_UPDATE},   {&bury, ECS_POST_UPDATE},
        {&age, ECS_LAST},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (ecs_system_add(world, all[i].system, all[i].phase) != ECS_OK) return false;
    }
    return true;
}

static bool resources_add(ecs_world *world, uint32_t boid_count)
{
    static const ecs_hooks grid_hooks = {.destroy = grid_destroy};
    Config config = {sqrtf((float)boid_count / DENSITY) + 2.0f * MARGIN, boid_count,
                     boid_count / BOIDS_PER_HUNTER + 1u, boid_count / BOIDS_PER_EMITTER + 1u};
    ecs_component id;
    Grid grid;
    if (ecs_component_register(world, ecs_type_of(Grid), &id) != ECS_OK) return false;
    if (ecs_component_hooks(world, id, &grid_hooks) != ECS_OK) return false;
    if (!grid_make(&grid, config.side, boid_count) ||
        ecs_resource_set(world, Grid, grid) != ECS_OK) {
        grid_destroy(&grid, 1, NULL); /* refused: it is still ours */
        return false;
    }
    return ecs_resource_set(world, Config, config) == ECS_OK &&
           ecs_resource_set(world, Tally, {0, 0}) == ECS_OK;
}

/* Boids are spawned in batches, column by column: the quickest way into a table. Their lives
 * begin at different ages, so that they do not all end in one tick. */
static bool boids_spawn(ecs_world *world, const Config *config)
{
    float side = config->side;
    uint32_t boid_count = config->boid_target;
    Position p[BATCH_COUNT];
    Velocity v[BATCH_COUNT];
    Lifetime life[BATCH_COUNT];
    Draw draw = {ecs_world_seed(world), 0, ecs_null(), 0};
    for (uint32_t done = 0; done < boid_count;) {
        uint32_t count = boid_count - done < BATCH_COUNT ? boid_count - done : BATCH_COUNT;
        const ecs_value values[] = {
            {ecs_type_of(Position), p}, {ecs_type_of(Velocity), v}, {ecs_type_of(Steering), NULL},
            {ecs_type_of(Lifetime), life}, {ecs_type_of(Boid), NULL},
        };
        for (uint32_t i = 0; i < count; i++) {
            p[i].x = draw_between(&draw, MARGIN, side - MARGIN);
            p[i].y = draw_between(&draw, MARGIN, side - MARGIN);
            v[i] = draw_velocity(&draw);
            life[i].left_s = draw_between(&draw, 0, LIFE_S);
        }
        if (ecs_spawn_bulk(world, count, values, 5, NULL) != ECS_OK) return false;
        done += count;
    }
    return true;
}

static bool others_spawn(ecs_world *world, const Config *config)
{
    float side = config->side;
    Draw draw = {ecs_world_seed(world), 0, ecs_null(), UINT64_C(1) << 32};
    for (uint32_t i = 0; i < config->hunter_count + config->emitter_count; i++) {
        Position at;
        at.x = draw_between(&draw, MARGIN, side - MARGIN);
        at.y = draw_between(&draw, MARGIN, side - MARGIN);
        Velocity v = draw_velocity(&draw);
        ecs_entity e;
        if (i < config->hunter_count) {
            e = ecs_spawn_with(world, (Position, at), (Velocity, v), (Steering), (Hunter));
        } else {
            e = ecs_spawn_with(world, (Position, at), (Velocity, v), (Emitter));
        }
        if (ecs_is_null(e)) return false;
    }
    return true;
}

static ecs_world *swarm_create(const Options *options)
{
    ecs_world_desc desc = {.seed = options->seed, .workers = options->workers};
    if (!options->blocking) desc.backend = ECS_BACKEND_WORK_STEALING;
    ecs_world *world = ecs_world_create(&desc);
    if (world == NULL) return NULL;
    if (resources_add(world, options->boid_count) && systems_add(world)) {
        Config config = *ecs_resource_get(world, Config); /* a copy: spawning edits the world */
        if (boids_spawn(world, &config) && others_spawn(world, &config)) return world;
    }
    ecs_world_destroy(world);
    return NULL;
}

/* ---- Pictures ----------------------------------------------------------------------- */

ECS_QUERY(seen_boids, READ(Position), READ(Velocity), WITH(Boid));
ECS_QUERY(seen_others, READ(Position), OPTIONAL(Hunter), NOT(Boid));

typedef struct { unsigned char red, green, blue; } Pixel;

static unsigned char brighter(unsigned char old, float by)
{
    float sum = (float)old + by;
    if (sum < 0) return 0;
    return sum > 255.0f ? (unsigned char)255 : (unsigned char)sum;
}

static uint32_t pixel_at(float at, float side)
{
    uint32_t x = (uint32_t)(at * ((float)FRAME_PIXELS / side));
    return x < FRAME_PIXELS ? x : FRAME_PIXELS - 1u;
}

/* The heading is the colour, so that flocks show. */
static void boids_draw(ecs_world *world, Pixel *pixels, float side)
{
    ECS_EACH(world, seen_boids, view) {
        const Position *p = ecs_read(view, Position);
        const Velocity *v = ecs_read(view, Velocity);
        for (uint32_t i = 0; i < view->count; i++) {
            Pixel *pixel = &pixels[pixel_at(p[i].y, side) * FRAME_PIXELS + pixel_at(p[i].x, side)];
            pixel->red = brighter(pixel->red, 95.0f + v[i].x * 24.0f);
            pixel->green = brighter(pixel->green, 95.0f + v[i].y * 24.0f);
            pixel->blue = brighter(pixel->blue, 120.0f - (v[i].x + v[i].y) * 12.0f);
        }
    }
}

/* Hunters are red squares, emitters small grey ones. */
static void others_draw(ecs_world *world, Pixel *pixels, float side)
{
    static const Pixel red = {255, 40, 40}, grey = {90, 90, 90};
    ECS_EACH(world, seen_others, view) {
        const Position *p = ecs_read(view, Position);
        bool hunters = ecs_optional(view, Hunter) != NULL;
        uint32_t size = hunters ? 6u : 2u;
        for (uint32_t i = 0; i < view->count; i++) {
            uint32_t x0 = pixel_at(p[i].x, side), y0 = pixel_at(p[i].y, side);
            for (uint32_t y = y0; y < y0 + size && y < FRAME_PIXELS; y++) {
                for (uint32_t x = x0; x < x0 + size && x < FRAME_PIXELS; x++) {
                    pixels[y * FRAME_PIXELS + x] = hunters ? red : grey;
                }
            }
        }
    }
}

/* One picture in the simplest format there is; any viewer and ffmpeg read it. */
static bool frame_write(ecs_world *world, const char *directory, Pixel *pixels)
{
    size_t count = (size_t)FRAME_PIXELS * FRAME_PIXELS;
    float side = ecs_resource_get(world, Config)->side;
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/frame-%06llu.ppm", directory,
                          (unsigned long long)ecs_world_tick(world));
    if (length < 0 || (size_t)length >= sizeof path) return false;
    memset(pixels, 12, count * sizeof *pixels);
    boids_draw(world, pixels, side);
    others_draw(world, pixels, side);
    FILE *file = fopen(path, "wb");
    if (file == NULL) return false;
    bool good = fprintf(file, "P6\n%u %u\n255\n", FRAME_PIXELS, FRAME_PIXELS) > 0;
    good = fwrite(pixels, sizeof *pixels, count, file) == count && good;
    return fclose(file) == 0 && good;
}

/* ---- Running ------------------------------------------------------------------------ */

#ifdef _WIN32
static bool directory_make(const char *path)
{
    return _mkdir(path) == 0 || errno == EEXIST;
}

static bool is_terminal(void)
{
    return _isatty(1) != 0;
}
#else
static bool directory_make(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

static bool is_terminal(void)
{
    return isatty(STDOUT_FILENO) != 0;
}
#endif

static double seconds_now(void)
{
    struct timespec now;
#ifdef CLOCK_MONOTONIC
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#else
    (void)timespec_get(&now, TIME_UTC);
#endif
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void progress_print(const ecs_world *world, const Options *options, double spent_s)
{
    unsigned long long tick = ecs_world_tick(world);
    printf("\rtick %llu of %u  %u entities  %.1f ticks/s   ", tick, options->tick_count,
           ecs_entity_count(world), spent_s > 0 ? (double)tick / spent_s : 0.0);
    fflush(stdout);
}

static void report_print(const ecs_world *world, const Options *options, double spent_s)
{
    const Tally *tally = ecs_resource_get(world, Tally);
    const Config *config = ecs_resource_get(world, Config);
    uint32_t alive = ecs_entity_count(world);
    uint64_t first = (uint64_t)config->boid_target + config->hunter_count + config->emitter_count;
    uint64_t aged = first + tally->born_count - tally->eaten_count - alive;
    double rate = spent_s > 0 ? (double)options->tick_count / spent_s : 0.0;
    unsigned long long hash = ecs_world_hash(world);
    if (options->quiet) {
        printf("entities %u ticks %u ticks/s %.1f hash %016llx\n", alive, options->tick_count, rate,
               hash);
        return;
    }
    printf("swarm: %u boids, %u hunters, %u emitters, seed %llu\n", config->boid_target,
           config->hunter_count, config->emitter_count, (unsigned long long)options->seed);
    printf("  entities  %u (%llu born, %llu died of age, %llu eaten)\n", alive,
           (unsigned long long)tally->born_count, (unsigned long long)aged,
           (unsigned long long)tally->eaten_count);
    printf("  memory    %.1f MiB held by the world\n",
           (double)ecs_world_stats(world).bytes_allocated / 1048576.0);
    printf("  ticks     %u\n", options->tick_count);
    printf("  ticks/s   %.1f\n", rate);
    printf("  hash      %016llx\n", hash);
}

static void failures_print(const ecs_world *world)
{
    const ecs_tick_report *report = ecs_tick_last(world);
    for (uint32_t i = 0; i < report->failure_count; i++) {
        const ecs_failure *f = &report->failures[i];
        fprintf(stderr, "swarm: system %s failed in tick %llu: %s\n", f->system,
                (unsigned long long)f->tick, ecs_status_text(f->status));
    }
}

/* The first ticks once more, one system after the other: says whether all is as it was. */
static bool equal_print(const ecs_world *world, const Options *options, uint64_t hash)
{
    Options again = *options;
    again.blocking = true;
    ecs_world *other = swarm_create(&again);
    bool good = other != NULL;
    for (uint32_t i = 0; good && i < CHECKED_TICKS && i < options->tick_count; i++) {
        good = ecs_tick(other, STEP_S) == ECS_OK;
    }
    uint64_t wanted = good ? ecs_world_hash(other) : 0;
    uint32_t workers = ecs_world_pool(world) == NULL ? 1 : ecs_pool_workers(ecs_world_pool(world));
    printf("  checked   tick %llu: %016llx on 1 thread, %016llx on %u worker%s: %s\n",
           good ? (unsigned long long)ecs_world_tick(other) : 0, (unsigned long long)wanted,
           (unsigned long long)hash, workers, workers == 1 ? "" : "s",
           wanted == hash ? "equal" : "DIFFERENT");
    ecs_world_destroy(other);
    return good && wanted == hash;
}

static bool swarm_run(ecs_world *world, const Options *options, Pixel *pixels)
{
    bool live = !options->quiet && is_terminal();
    uint64_t hash = 0;
    double spent_s = 0, shown_at_s = 0;
    for (uint32_t tick = 1; tick <= options->tick_count; tick++) {
        double begin_s = seconds_now();
        ecs_status status = ecs_tick(world, STEP_S);
        double end_s = seconds_now();
        spent_s += end_s - begin_s;
        if (status != ECS_OK) {
            fprintf(stderr, "swarm: %s\n", ecs_status_text(status));
            failures_print(world);
            return false;
        }
        if (pixels != NULL && tick % options->frame_every == 0 &&
            !frame_write(world, options->frames, pixels)) {
            fprintf(stderr, "swarm: no picture in %s: %s\n", options->frames, strerror(errno));
            return false;
        }
        if (!options->quiet && (tick == CHECKED_TICKS || tick == options->tick_count) &&
            tick <= CHECKED_TICKS) {
            hash = ecs_world_hash(world);
        }
        if (options->hash_every > 0 && tick % options->hash_every == 0) {
            printf("%stick %u hash %016llx\n", live ? "\r\033[K" : "", tick,
                   (unsigned long long)ecs_world_hash(world));
        }
        if (live && end_s - shown_at_s > 0.1) {
            progress_print(world, options, spent_s);
            shown_at_s = end_s;
        }
    }
    if (live) printf("\r\033[K");
    report_print(world, options, spent_s);
    return options->quiet || equal_print(world, options, hash);
}

/* ---- Command line ------------------------------------------------------------------- */

static const char *const usage =
    "usage: swarm [options]\n"
    "  --entities N     boids, 1 to 4000000 (100000)\n"
    "  --ticks N        steps of 1/60 s (300)\n"
    "  --seed N         another seed, another swarm (1)\n"
    "  --frames DIR     write pictures as DIR/frame-NNNNNN.ppm\n"
    "  --frame-every N  one picture every N ticks (10)\n"
    "  --hash-every N   print the world hash every N ticks\n"
    "  --workers N      threads that run it, 256 at most (one for each processor)\n"
    "  --blocking       one system after the other, without workers\n"
    "  --quiet          one line at the end, nothing else\n";

static bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max) return false;
    *out = value;
    return true;
}

/* Reads one option and its value. */
static bool option_parse(Options *options, const char *name, const char *value)
{
    uint64_t number = 0;
    if (strcmp(name, "--frames") == 0) {
        options->frames = value;
        return value[0] != '\0';
    }
    if (strcmp(name, "--seed") == 0) return number_parse(value, 0, UINT64_MAX, &options->seed);
    if (strcmp(name, "--entities") == 0) {
        if (!number_parse(value, 1, ENTITIES_MAX, &number)) return false;
        options->boid_count = (uint32_t)number;
        return true;
    }
    if (!number_parse(value, 1, UINT32_MAX - 1u, &number)) return false;
    if (strcmp(name, "--workers") == 0) {
        options->workers = (uint32_t)number;
        return number <= ECS_WORKERS_MAX;
    }
    if (strcmp(name, "--ticks") == 0) {
        options->tick_count = (uint32_t)number;
    } else if (strcmp(name, "--frame-every") == 0) {
        options->frame_every = (uint32_t)number;
    } else if (strcmp(name, "--hash-every") == 0) {
        options->hash_every = (uint32_t)number;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    Options options = {100000, 300, 10, 0, 1, NULL, false, false, 0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--quiet") == 0) {
            options.quiet = true;
        } else if (strcmp(argv[i], "--blocking") == 0) {
            options.blocking = true;
        } else if (i + 1 < argc && option_parse(&options, argv[i], argv[i + 1])) {
            i++;
        } else {
            fprintf(stderr, "swarm: bad option or value: %s\n%s", argv[i], usage);
            return 2;
        }
    }
    Pixel *pixels = NULL;
    if (options.frames != NULL) {
        pixels = (Pixel *)malloc((size_t)FRAME_PIXELS * FRAME_PIXELS * sizeof *pixels);
        if (pixels == NULL || !directory_make(options.frames)) {
            fprintf(stderr, "swarm: %s: %s\n", options.frames, strerror(errno));
            free(pixels);
            return 1;
        }
    }
    ecs_world *world = swarm_create(&options);
    if (world == NULL) fputs("swarm: not enough memory\n", stderr);
    bool good = world != NULL && swarm_run(world, &options, pixels);
    ecs_world_destroy(world);
    free(pixels);
    return good ? 0 : 1;
}
