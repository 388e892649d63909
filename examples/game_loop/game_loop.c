/* game_loop.c: a small game for the terminal: fetch the coins, and do not be bitten.
 *
 *   cc -std=c11 -O2 -ffp-contract=off -I../.. game_loop.c -o game_loop -lm -lpthread && ./game_loop
 *
 * What it shows, because that is what you would start from:
 *
 *   two worlds      the menu lives as long as the program, a level from play to its end
 *   one main loop   ecs_run: ticks of 1/20 s, drawn 60 times a second between two of them
 *   input           read before the ticks of a frame, and handed to systems as a resource
 *   path finding    one breadth-first search leads all enemies: see find_paths
 *   a weak part     the radio fails now and then; when it does so too often it is switched off
 *                   for a while, between two ticks, and the game goes on: see breaker_watch
 *   leaving         keys, signals and crashes all give the terminal back as it was
 *
 * With --headless a scripted player takes the keys and nothing is drawn: the same frames, ticks
 * and systems, without a clock. One seed gives one hash, whatever the number of workers. */
#define ECS_IMPLEMENTATION
#include "ecs.h"

#include "maze.h"
#include "terminal.h"

/* ---- Limits and tuning -------------------------------------------------------------- */

enum {
    COINS = 24, ENEMIES = 4, STARS = 40, LIVES = 3,
    SAFE_TICKS = 40,      /* after a bite */
    SEARCH_EVERY = 4,     /* ticks from one search for paths to the next */
    STORM_TICKS = 25,     /* the radio fails in some stretches of that length */
    FAILURES_MAX = 3,     /* in a row, then it is switched off */
    OFF_TICKS = 60,
    MENU_TICKS = 10       /* that the scripted player looks at the menu */
};

#define STEP_S (1.0 / 20.0)
#define FRAME_S (1.0 / 60.0)

/* ---- Components, events, resources -------------------------------------------------- */

typedef struct { float x, y; } Previous; /* before the last tick: drawing starts from there */
ECS_COMPONENT(Previous, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { char glyph[2]; uint8_t colour; } Look;
ECS_COMPONENT(Look, glyph, colour);
ECS_TAG(Player);
ECS_TAG(Enemy);
ECS_TAG(Coin);

typedef struct { ecs_entity coin; } Picked;
ECS_EVENT(Picked, coin);
typedef struct { ecs_entity enemy; } Bitten;
ECS_EVENT(Bitten, enemy);

typedef struct { int32_t dx, dy; } Input; /* the last direction: terminals tell no key's end */
ECS_RESOURCE(Input, dx, dy);
typedef struct { uint32_t coins, lives, safe_ticks; } Score;
ECS_RESOURCE(Score, coins, lives, safe_ticks);
typedef struct { float distance; } Radio; /* to the nearest coin */
ECS_RESOURCE(Radio, distance);

/* ---- Finding paths ------------------------------------------------------------------ */

/* Reads only, and answers by a command. */
ECS_SYSTEM(find_paths, READ(Walk), WITH(Player), RES_READ(Maze))
{
    const Maze *maze = ecs_res_read(view, Maze);
    Paths paths;
    paths_clear(&paths);
    for (uint32_t i = 0; i < view->count; i++) {
        const Walk *walk = &ecs_read(view, Walk)[i];
        paths.steps[cell_at(walk->x, walk->y)] = 0;
    }
    paths_spread(maze, &paths);
    return ecs_cmd_set(view->cmd, maze->paths, Paths, paths);
}

/* ---- Systems of a level ------------------------------------------------------------- */

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

/* In the wanted direction if there is no wall, else on as before. */
ECS_SYSTEM(steer, READ(Position), WRITE(Walk), WITH(Player), RES_READ(Maze), RES_READ(Input))
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

ECS_SYSTEM(chase, READ(Position), WRITE(Walk), WITH(Enemy), RES_READ(Maze), LOOKUP(Paths))
{
    const Maze *maze = ecs_res_read(view, Maze);
    const Paths *paths = ecs_lookup(view, Paths, maze->paths);
    for (uint32_t i = 0; i < view->count && paths != NULL; i++) {
        Walk *walk = &ecs_write(view, Walk)[i];
        if (!has_arrived(ecs_read(view, Position)[i], walk)) continue;
        int32_t d = paths_direction(paths, cell_at(walk->x, walk->y));
        if (d >= 0) (void)walk_turn(maze, walk, direction_x[d], direction_y[d]);
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

ECS_SYSTEM(pick_up, READ(Position), WITH(Coin), RES_READ(Maze), LOOKUP(Position), EMIT(Picked))
{
    const Position *player = ecs_lookup(view, Position, ecs_res_read(view, Maze)->player);
    for (uint32_t i = 0; i < view->count; i++) {
        if (distance(ecs_read(view, Position)[i], player) > 0.6f) continue;
        (void)ecs_emit(view, Picked, {view->entities[i]}); /* the buffer holds every coin */
        (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ECS_OK;
}

ECS_SYSTEM(bite, READ(Position), WITH(Enemy), RES_READ(Maze), LOOKUP(Position), EMIT(Bitten))
{
    const Position *player = ecs_lookup(view, Position, ecs_res_read(view, Maze)->player);
    for (uint32_t i = 0; i < view->count; i++) {
        if (distance(ecs_read(view, Position)[i], player) > 0.7f) continue;
        (void)ecs_emit(view, Bitten, {view->entities[i]});
    }
    return ECS_OK;
}

/* Fails in a storm, each tick of it: nobody else is harmed, since it is added with ECS_SKIP. */
ECS_SYSTEM(radio, READ(Position), WITH(Coin), RES_READ(Maze), LOOKUP(Position), RES_WRITE(Radio))
{
    const Position *player = ecs_lookup(view, Position, ecs_res_read(view, Maze)->player);
    Radio *out = ecs_res_write(view, Radio);
    uint64_t weather = view->tick / STORM_TICKS;
    if (ecs_random_float(ecs_world_seed(view->world), weather, ecs_null(), 0) < 0.35f) {
        return ECS_FAILED;
    }
    if (view->base == 0) out->distance = (float)CELLS;
    for (uint32_t i = 0; i < view->count; i++) {
        float d = distance(ecs_read(view, Position)[i], player);
        if (d < out->distance) out->distance = d;
    }
    return ECS_OK;
}

ECS_SYSTEM(keep_score, ON(Picked), ON(Bitten), RES_WRITE(Score))
{
    Score *score = ecs_res_write(view, Score);
    score->coins += ecs_on_count(view, Picked);
    if (score->safe_ticks > 0) {
        score->safe_ticks--;
    } else if (ecs_on_count(view, Bitten) > 0 && score->lives > 0) {
        score->lives--;
        score->safe_ticks = SAFE_TICKS;
    }
    return ECS_OK;
}

/* ---- The two worlds ----------------------------------------------------------------- */

static bool level_fill(ecs_world *world)
{
    Draw from = {ecs_world_seed(world), 1};
    Maze maze;
    Walk walk = {COLUMNS / 2, ROWS / 2 + 1, 0, 0, 6.0f};
    bool good = true;
    memset(&maze, 0, sizeof maze);
    maze_make(&maze, &from);
    for (uint32_t i = 0; i < COINS; i++) {
        Position p = {(float)(draw(&from, COLUMNS / 2) * 2 + 1),
                      (float)(draw(&from, ROWS / 2) * 2 + 1)};
        good &= !ecs_is_null(ecs_spawn_with(world, (Position, p), (Previous, {p.x, p.y}),
                                            (Look, {{'o', ' '}, 33}), (Coin)));
    }
    maze.paths = ecs_spawn_with(world, (Paths));
    maze.player = ecs_spawn_with(world, (Position, {(float)walk.x, (float)walk.y}), (Previous),
                                 (Walk, walk), (Look, {{'(', ')'}, 32}), (Player));
    for (int32_t i = 0; i < ENEMIES; i++) {
        walk.x = i % 2 == 0 ? 1 : COLUMNS - 2;
        walk.y = i / 2 == 0 ? 1 : ROWS - 2;
        walk.speed = 2.5f + 0.5f * (float)i; /* so that they do not become one */
        good &= !ecs_is_null(ecs_spawn_with(world, (Position, {(float)walk.x, (float)walk.y}),
                                            (Previous), (Walk, walk), (Look, {{'}', '{'}, 31}),
                                            (Enemy)));
    }
    return good && !ecs_is_null(maze.paths) && !ecs_is_null(maze.player) &&
           ecs_resource_set(world, Maze, maze) == ECS_OK &&
           ecs_resource_set(world, Input, {0, 0}) == ECS_OK &&
           ecs_resource_set(world, Radio, {0}) == ECS_OK &&
           ecs_resource_set(world, Score, {0, LIVES, 0}) == ECS_OK;
}

/* In one phase, what conflicts runs in this order. The radio may fail without ending the tick. */
static const ecs_system_desc level_systems[] = {
    {.system = &remember, .phase = ECS_PRE_UPDATE},
    {.system = &find_paths, .phase = ECS_PRE_UPDATE, .every_ticks = SEARCH_EVERY},
    {.system = &steer, .phase = ECS_UPDATE},
    {.system = &chase, .phase = ECS_UPDATE},
    {.system = &walk_on, .phase = ECS_UPDATE},
    {.system = &pick_up, .phase = ECS_POST_UPDATE},
    {.system = &bite, .phase = ECS_POST_UPDATE},
    {.system = &radio, .phase = ECS_POST_UPDATE, .on_error = ECS_SKIP},
    {.system = &keep_score, .phase = ECS_LAST},
};

static ecs_world *level_create(uint64_t seed, uint32_t workers)
{
    ecs_world_desc desc = {.seed = seed, .workers = workers};
    if (workers > 0) desc.backend = ECS_BACKEND_WORK_STEALING;
    ecs_world *world = ecs_world_create(&desc);
    bool good = world != NULL && level_fill(world);
    for (size_t i = 0; good && i < sizeof level_systems / sizeof level_systems[0]; i++) {
        good = ecs_system_add_desc(world, &level_systems[i]) == ECS_OK;
    }
    if (good) return world;
    ecs_world_destroy(world);
    return NULL;
}

/* Stars behind the menu. One that comes back on the other side is not drawn on the way there:
 * so its previous place moves along. */
ECS_SYSTEM(drift, WRITE(Position), WRITE(Previous), READ(Velocity))
{
    Position *p = ecs_write(view, Position);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x += ecs_read(view, Velocity)[i].x * view->dt;
        if (p[i].x < (float)COLUMNS) continue;
        p[i].x -= (float)COLUMNS;
        ecs_write(view, Previous)[i].x = p[i].x;
    }
    return ECS_OK;
}

static ecs_world *menu_create(void)
{
    Draw from = {7, 1};
    ecs_world *world = ecs_world_create(NULL);
    bool good = world != NULL && ecs_system_add(world, &remember, ECS_PRE_UPDATE) == ECS_OK &&
                ecs_system_add(world, &drift, ECS_UPDATE) == ECS_OK;
    for (uint32_t i = 0; i < STARS && good; i++) {
        Position p = {(float)draw(&from, COLUMNS), (float)draw(&from, ROWS)};
        Velocity v = {(float)(1 + draw(&from, 5)), 0};
        good = !ecs_is_null(ecs_spawn_with(world, (Position, p), (Previous, {p.x, p.y}),
                                           (Velocity, v), (Look, {{'.', ' '}, 90})));
    }
    if (good) return world;
    ecs_world_destroy(world);
    return NULL;
}

/* ---- The game: what is outside of the worlds ------------------------------------------ */

typedef struct {
    uint64_t seed, ticks_left; /* ticks: only without a terminal */
    uint32_t workers;
    bool headless, playing, quit;
    int32_t choice;            /* of the menu: 0 plays, 1 quits */
    uint32_t levels, won, coins;
    uint32_t failures, trips;  /* of the radio: in a row, and times it was switched off */
    uint64_t off_until;        /* tick; 0: it is on */
    uint64_t hash;             /* of the last level, at its end */
    Screen screen;
} Game;

ECS_QUERY(looks, READ(Position), READ(Previous), READ(Look));
ECS_QUERY(coins_left, READ(Position), WITH(Coin));
ECS_QUERY(enemies, READ(Walk), WITH(Enemy));

/* Systems are switched off and on between ticks, and what the last one reported says when. */
static void breaker_watch(Game *game, ecs_world *world)
{
    const ecs_tick_report *report = ecs_tick_last(world);
    uint64_t now = ecs_world_tick(world);
    bool failed = false;
    for (uint32_t i = 0; i < report->failure_count; i++) {
        failed |= strcmp(report->failures[i].system, "radio") == 0;
    }
    game->failures = failed ? game->failures + 1 : 0;
    if (game->off_until != 0 && now >= game->off_until) {
        game->off_until = 0;
        (void)ecs_system_enable(world, "radio", true);
    } else if (game->failures == FAILURES_MAX) {
        game->off_until = now + OFF_TICKS;
        game->trips++;
        (void)ecs_system_enable(world, "radio", false);
    }
}

/* The scripted player goes to the nearest coin, and not where an enemy is or soon will be. */
static Key key_scripted(Game *game, ecs_world *world)
{
    Maze maze;
    Paths paths;
    if (!game->playing) return ecs_world_tick(world) % MENU_TICKS == 9 ? KEY_ENTER : KEY_NONE;
    maze = *ecs_resource_get(world, Maze);
    const Walk *me = ecs_get(world, maze.player, Walk);
    int32_t here = cell_at(me->x, me->y), d;
    ECS_EACH_ROW(world, enemies, view) {
        const Walk *walk = &ecs_read(view, Walk)[view->row];
        maze.wall[cell_at(walk->x, walk->y)] = 1;
        for (d = 0; d < 4; d++) maze.wall[cell_beside(cell_at(walk->x, walk->y), d)] = 1;
    }
    paths_clear(&paths);
    ECS_EACH_ROW(world, coins_left, view) {
        const Position *p = &ecs_read(view, Position)[view->row];
        paths.steps[cell_at((int32_t)p->x, (int32_t)p->y)] = 0;
    }
    paths_spread(&maze, &paths);
    d = paths_direction(&paths, here);
    return d < 0 ? KEY_NONE : (Key)(KEY_RIGHT + d);
}

/* ---- Drawing ------------------------------------------------------------------------ */

/* Everything lies between where it was before the last tick and where it is after it. */
static void entities_draw(Screen *screen, ecs_world *world, float alpha)
{
    ECS_EACH_ROW(world, looks, view) {
        const Position *p = &ecs_read(view, Position)[view->row];
        const Previous *q = &ecs_read(view, Previous)[view->row];
        const Look *look = &ecs_read(view, Look)[view->row];
        int column = (int)((q->x + (p->x - q->x) * alpha) * 2.0f + 0.5f);
        int row = (int)(q->y + (p->y - q->y) * alpha + 0.5f);
        for (int i = 0; i < 2; i++, column++) {
            if (look->glyph[i] == ' ' || column >= WIDTH || row >= ROWS) continue;
            screen->glyph[row][column] = look->glyph[i];
            screen->colour[row][column] = look->colour;
        }
    }
}

static void level_draw(Game *game, ecs_world *world, const ecs_run_frame *frame)
{
    Screen *screen = &game->screen;
    const Maze *maze = ecs_resource_get(world, Maze);
    const Score *score = ecs_resource_get(world, Score);
    uint64_t now = ecs_world_tick(world);
    for (int i = 0; i < CELLS * 2; i++) {
        if (maze->wall[i / 2] == 0) continue;
        screen->glyph[i / WIDTH][i % WIDTH] = ' ';
        screen->colour[i / WIDTH][i % WIDTH] = 44;
    }
    entities_draw(screen, world, frame->alpha);
    screen_text(screen, ROWS, 0, "coins %u of %u  lives %u%s  late ticks %llu", score->coins, COINS,
                score->lives, score->safe_ticks > 0 ? " (safe)" : "",
                (unsigned long long)frame->report->ticks_late);
    if (game->off_until != 0) {
        screen_text(screen, ROWS + 1, 0, "radio: off, again in %u ticks",
                    (unsigned)(game->off_until > now ? game->off_until - now : 0));
    } else {
        screen_text(screen, ROWS + 1, 0, "radio: nearest coin %.0f%s",
                    (double)ecs_resource_get(world, Radio)->distance,
                    game->failures > 0 ? " (noise)" : "");
    }
}

static void menu_draw(Game *game, ecs_world *world, const ecs_run_frame *frame)
{
    entities_draw(&game->screen, world, frame->alpha);
    screen_text(&game->screen, 5, 24, "F E T C H");
    screen_text(&game->screen, 8, 24, "%s play", game->choice == 0 ? ">" : " ");
    screen_text(&game->screen, 9, 24, "%s quit", game->choice == 1 ? ">" : " ");
    screen_text(&game->screen, 12, 12, "arrows or wasd, enter, q to leave");
    screen_text(&game->screen, ROWS, 0, "levels %u  won %u  coins %u", game->levels, game->won,
                game->coins);
}

/* ---- The loop ------------------------------------------------------------------------- */

/* Input, before the ticks of a frame. */
static bool on_begin(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    Game *game = (Game *)user;
    Key key = game->headless ? key_scripted(game, world) : key_typed();
    (void)frame;
    if (key == KEY_QUIT) {
        game->quit = !game->playing; /* from a level it leads back to the menu */
        return false;
    }
    if (key >= KEY_RIGHT && key <= KEY_UP && game->playing) {
        int32_t d = (int32_t)(key - KEY_RIGHT);
        return ecs_resource_set(world, Input, {direction_x[d], direction_y[d]}) == ECS_OK;
    }
    if (game->playing) return true;
    if (key == KEY_UP || key == KEY_DOWN) game->choice = key == KEY_DOWN;
    if (key == KEY_ENTER) game->quit = game->choice == 1;
    return key != KEY_ENTER;
}

/* Between two ticks: systems may be switched, and the level may be over. */
static bool on_tick(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    Game *game = (Game *)user;
    (void)frame;
    if (!game->playing) return true;
    breaker_watch(game, world);
    const Score *score = ecs_resource_get(world, Score);
    return score->lives > 0 && score->coins < COINS;
}

static bool on_end(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    Game *game = (Game *)user;
    if (game->headless) return true;
    memset(game->screen.glyph, ' ', sizeof game->screen.glyph);
    memset(game->screen.colour, 0, sizeof game->screen.colour);
    if (game->playing) {
        level_draw(game, world, frame);
    } else {
        menu_draw(game, world, frame);
    }
    screen_show(&game->screen);
    return true;
}

static void leave(const char *why)
{
    terminal_restore();
    fprintf(stderr, "game_loop: %s\n", why);
    exit(1);
}

/* Runs one of the worlds until it is over. False: it is time to leave. */
static bool scene_run(Game *game, ecs_world *world)
{
    ecs_run_desc desc = {.step_s = STEP_S, .frame_s = FRAME_S, .stop = &stop_flag,
                         .frame_begin = on_begin, .tick_begin = on_tick, .frame_end = on_end,
                         .user = game};
    ecs_run_report report;
    if (game->headless) {
        desc.mode = ECS_RUN_UNTIMED; /* a tick a frame, as fast as it goes */
        desc.ticks_max = game->ticks_left;
    }
    if (ecs_run(world, &desc, &report) != ECS_OK) leave(ecs_status_text(report.status));
    game->ticks_left -= game->headless ? report.ticks : 0;
    return report.end == ECS_RUN_CALLBACK && !game->quit;
}

/* Builds a level, plays it to its end, and keeps what the menu shows. */
static bool level_play(Game *game)
{
    ecs_world *world = level_create(game->seed + game->levels, game->workers);
    if (world == NULL) leave("not enough memory");
    game->playing = true;
    game->failures = 0;
    game->off_until = 0;
    game->levels++;
    bool goes_on = scene_run(game, world);
    const Score *score = ecs_resource_get(world, Score);
    game->coins += score->coins;
    game->won += score->coins == COINS;
    game->hash = ecs_world_hash(world);
    game->playing = false;
    ecs_world_destroy(world);
    return goes_on;
}

/* An option and its number. */
static bool option_parse(Game *game, const char *name, const char *value)
{
    char *end = NULL;
    uint64_t number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0') return false;
    if (strcmp(name, "--seed") == 0) game->seed = number;
    if (strcmp(name, "--ticks") == 0) game->ticks_left = number;
    if (strcmp(name, "--workers") == 0) game->workers = (uint32_t)number;
    return (strcmp(name, "--seed") == 0) | (strcmp(name, "--ticks") == 0 && number > 0) |
           (strcmp(name, "--workers") == 0 && number <= ECS_WORKERS_MAX);
}

int main(int argc, char **argv)
{
    Game game = {.seed = 1, .ticks_left = 1000};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--headless") == 0) {
            game.headless = true;
        } else if (i + 1 == argc || !option_parse(&game, argv[i], argv[i + 1])) {
            fputs("usage: game_loop [--headless] [--ticks N] [--seed N] [--workers N]\n", stderr);
            return 2;
        } else {
            i++;
        }
    }
    ecs_world *menu = menu_create();
    if (menu == NULL) leave("not enough memory");
    if (!game.headless && !terminal_open()) leave("no terminal; --headless plays without one");
    while (scene_run(&game, menu) && level_play(&game)) continue;
    terminal_restore();
    ecs_world_destroy(menu);
    printf("game_loop: %u levels, %u won, %u coins, radio off %u times\n", game.levels, game.won,
           game.coins, game.trips);
    if (game.headless) printf("hash %016llx\n", (unsigned long long)game.hash);
    return 0;
}
