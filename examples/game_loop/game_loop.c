/* game_loop.c: a small game for the terminal: fetch the coins, and do not be bitten.
 *
 *   cc -std=c11 -O2 -ffp-contract=off -I../.. game_loop.c -o game_loop -lm -lpthread && ./game_loop
 *
 * What it shows, because that is what you would start from:
 *
 *   two worlds      heroes wait in the menu, travel to the level that was chosen for them, and come
 *                   back with their score: ecs_transfer, here and in level.h
 *   one main loop   ecs_run ticks both worlds 20 times a second, and draws 60 times between ticks
 *   input           read before the ticks of a frame, and handed to systems as a resource
 *   path finding    a search that nothing waits for, in paths.h
 *   a weak part     the radio fails now and then; when it does so too often the library switches it
 *                   off for a while, and the game goes on: see level_systems and radio_draw
 *   leaving         keys, signals and crashes all give the terminal back as it was
 *
 * With --headless a scripted player takes the keys and nothing is drawn: the same frames, ticks
 * and systems, without a clock. One seed gives one line, whatever the number of workers. */
#define ECS_IMPLEMENTATION
#include "ecs.h"

#include "level.h"
#include "terminal.h"

/* ---- Limits and tuning -------------------------------------------------------------- */

enum {
    HEROES = 3, STARS = 40,
    QUIT = HEROES,         /* a choice of the menu, below the heroes */
    DIGITS_MAX = 18,       /* of a number behind an option */
    MENU_TICKS = 10,       /* that the scripted player looks at the menu */
    VISIT_TICKS = 300      /* after which it has had enough of a level */
};

#define STEP_S (1.0 / 20.0)
#define FRAME_S (1.0 / 60.0)

/* ---- The menu ----------------------------------------------------------------------- */

/* Behind the menu. `previous` is for drawing; one that comes back on the other side is not drawn
 * on the way there, so it moves along. */
typedef struct { float x, y, previous, speed; } Star;
ECS_COMPONENT(Star, x, y, previous, speed);

ECS_SYSTEM(drift, WRITE(Star))
{
    Star *star = ecs_write(view, Star);
    for (uint32_t i = 0; i < view->count; i++) {
        star[i].previous = star[i].x;
        star[i].x += star[i].speed * view->dt;
        if (star[i].x < (float)COLUMNS) continue;
        star[i].x -= (float)COLUMNS;
        star[i].previous = star[i].x;
    }
    return ECS_OK;
}

typedef struct { const char *name; Look look; float speed; } Kind;

static const Kind kinds[HEROES] = {
    {"Anna, who is careful", {{'(', ')'}, 32}, 5.0f},
    {"Bob, who walks fast", {{'<', '>'}, 36}, 6.5f},
    {"Cleo, who runs", {{'[', ']'}, 35}, 8.0f},
};

/* NULL: no memory. */
static ecs_world *menu_create(const ecs_world_desc *desc)
{
    Draw from = {7, 1};
    ecs_world *world = ecs_world_create(desc);
    bool good = world != NULL && ecs_system_add(world, &drift, ECS_UPDATE) == ECS_OK;
    for (uint32_t i = 0; i < STARS && good; i++) {
        Star star = {(float)draw(&from, COLUMNS), (float)draw(&from, ROWS), 0, 0};
        star.previous = star.x;
        star.speed = (float)(1 + draw(&from, 5));
        good = !ecs_is_null(ecs_spawn_with(world, (Star, star)));
    }
    for (uint32_t i = 0; i < HEROES && good; i++) {
        good = !ecs_is_null(ecs_spawn_with(world, (Hero, {i, kinds[i].speed}), (Score),
                                           (Look, kinds[i].look)));
    }
    if (good) return world;
    ecs_world_destroy(world);
    return NULL;
}

/* ---- The game: what is outside of the worlds ------------------------------------------ */

typedef struct {
    uint64_t seed, ticks_max, workers;
    bool headless;
    ecs_pool *pool;       /* of both worlds and of the coordinator; NULL: one thread does it all */
    ecs_worlds *worlds;
    ecs_world *menu;      /* as long as the program */
    ecs_world *level;     /* until it is over, then there is another one */
    uint32_t levels, breaks;
    uint64_t past;        /* hash over the levels that are over */
    uint32_t choice;      /* in the menu: a hero, or QUIT */
    uint64_t shown_ticks; /* of menu or level, for the scripted player */
    uint32_t visits;
    Screen screen;
} Game;

ECS_QUERY(waiting, READ(Hero), NOT(ecs_transfer));
ECS_QUERY(heroes, READ(Hero), READ(Score));
ECS_QUERY(visitors, READ(Hero), READ(Score), READ(Visit));
ECS_QUERY(stars, READ(Star));
ECS_QUERY(looks, READ(Position), READ(Previous), READ(Look));
ECS_QUERY(coins, READ(Position), WITH(Coin));
ECS_QUERY(enemies, READ(Walk), WITH(Enemy));

static void leave(const char *why)
{
    terminal_restore();
    fprintf(stderr, "game_loop: %s\n", why);
    exit(1);
}

static bool join(Game *game, ecs_world *world, const char *name, const char *other)
{
    ecs_worlds_member_desc desc = {.name = name, .target = other};
    return ecs_worlds_add(game->worlds, world, &desc) == ECS_OK;
}

/* Builds a level, which takes part from the next tick on. */
static void level_begin(Game *game)
{
    ecs_world_desc desc = {.seed = game->seed + game->levels, .pool = game->pool};
    ecs_route_desc there = {.from = "menu", .to = "level", .capacity = 8};
    ecs_route_desc back = {.from = "level", .to = "menu", .capacity = 8};
    if (game->pool != NULL) desc.backend = ECS_BACKEND_WORK_STEALING;
    game->level = level_create(&desc);
    game->levels++;
    if (game->level == NULL || !join(game, game->level, "level", "menu") ||
        ecs_worlds_route(game->worlds, &there) != ECS_OK ||
        ecs_worlds_route(game->worlds, &back) != ECS_OK) {
        leave("not enough memory");
    }
}

/* Keeps what the end wants to know. In lockstep nothing is on the way between two ticks, so the
 * level can be removed at once. */
static void level_end(Game *game)
{
    ecs_system_state state;
    ecs_status status = ecs_system_state_get(game->level, "radio", &state);
    if (status == ECS_OK) game->breaks += (uint32_t)state.breaks;
    game->past = ecs_random_u64(game->past, ecs_world_hash(game->level), ecs_null(), 0);
    if (status == ECS_OK) status = ecs_worlds_remove(game->worlds, game->level);
    if (status != ECS_OK) leave(ecs_status_text(status));
    ecs_world_destroy(game->level);
    game->level = NULL;
}

/* Lockstep makes arrivals the same on any number of workers. */
static void game_begin(Game *game)
{
    ecs_pool_desc pool = {.workers = (uint32_t)game->workers};
    ecs_worlds_desc desc = {.lockstep = true};
    ecs_world_desc menu = {.seed = game->seed};
    if (game->workers > 0) game->pool = ecs_pool_create(&pool);
    if (game->workers > 0 && game->pool == NULL) leave("not enough memory");
    desc.pool = game->pool;
    menu.pool = game->pool;
    if (game->pool != NULL) menu.backend = ECS_BACKEND_WORK_STEALING;
    game->worlds = ecs_worlds_create(&desc);
    game->menu = menu_create(&menu);
    if (game->worlds == NULL || game->menu == NULL || !join(game, game->menu, "menu", "level")) {
        leave("not enough memory");
    }
    level_begin(game);
}

static void game_end(Game *game)
{
    level_end(game);
    (void)ecs_worlds_destroy(game->worlds);
    ecs_world_destroy(game->menu);
    (void)ecs_pool_destroy(game->pool);
}

/* A hero who is not in the menu, or marked to leave it, is in the level. */
static bool is_playing(const Game *game)
{
    return ecs_query_count(game->menu, ecs_query_of(game->menu, &waiting)) < HEROES;
}

/* ---- The scripted player -------------------------------------------------------------- */

/* To the nearest coin, and not where an enemy is or soon will be. */
static Key key_to_coin(ecs_world *world)
{
    Paths paths;
    Maze maze = *ecs_resource_get(world, Maze);
    const Walk *me = ecs_get(world, ecs_resource_get(world, Level)->hero, Walk);
    int32_t d;
    if (me == NULL) return KEY_NONE; /* on the way */
    ECS_EACH_ROW(world, enemies, view) {
        const Walk *walk = &ecs_read(view, Walk)[view->row];
        maze.wall[cell_at(walk->x, walk->y)] = 1;
        for (d = 0; d < 4; d++) maze.wall[cell_beside(cell_at(walk->x, walk->y), d)] = 1;
    }
    paths_clear(&paths);
    ECS_EACH_ROW(world, coins, view) {
        const Position *p = &ecs_read(view, Position)[view->row];
        paths.steps[cell_at((int32_t)p->x, (int32_t)p->y)] = 0;
    }
    paths_spread(maze.wall, &paths);
    d = paths_direction(&paths, cell_at(me->x, me->y));
    return d < 0 ? KEY_NONE : (Key)(KEY_RIGHT + d);
}

/* One hero after the other; each comes back when it has won, lost or had enough. */
static Key key_scripted(Game *game)
{
    bool playing = is_playing(game);
    game->shown_ticks++;
    if (playing && game->shown_ticks <= VISIT_TICKS) return key_to_coin(game->level);
    if (playing) return KEY_QUIT;
    game->choice = game->visits % HEROES;
    return game->shown_ticks % MENU_TICKS == 0 ? KEY_ENTER : KEY_NONE;
}

/* ---- Drawing ------------------------------------------------------------------------ */

static void glyph_draw(Screen *screen, const Look *look, float x, float y)
{
    int column = (int)(x * 2.0f + 0.5f);
    int row = (int)(y + 0.5f);
    for (int i = 0; i < 2; i++, column++) {
        if (look->glyph[i] == ' ' || column >= WIDTH || row >= ROWS) continue;
        screen->glyph[row][column] = look->glyph[i];
        screen->colour[row][column] = look->colour;
    }
}

static float between(float from, float to, float alpha)
{
    return from + (to - from) * alpha;
}

/* What the library's breaker does, as a player sees it. */
static void radio_draw(Game *game)
{
    ecs_system_state state;
    if (ecs_system_state_get(game->level, "radio", &state) != ECS_OK) return;
    if (state.broken) {
        screen_text(&game->screen, ROWS + 1, 0, "radio: off after %u failures, again in %u ticks",
                    FAILURES_MAX, state.wait_ticks);
    } else if (state.failures > 0 && state.last_tick == ecs_world_tick(game->level)) {
        screen_text(&game->screen, ROWS + 1, 0, "radio: noise (%s)", ecs_status_text(state.last));
    } else {
        screen_text(&game->screen, ROWS + 1, 0, "radio: nearest coin %.0f",
                    (double)ecs_resource_get(game->level, Radio)->distance);
    }
}

/* Everything lies between where it was before the last tick and where it is after it. */
static void level_draw(Game *game, const ecs_run_frame *frame)
{
    Screen *screen = &game->screen;
    const Maze *maze = ecs_resource_get(game->level, Maze);
    for (int i = 0; i < CELLS * 2; i++) {
        if (maze->wall[i / 2] != 0) screen->colour[i / WIDTH][i % WIDTH] = 44;
    }
    ECS_EACH_ROW(game->level, looks, view) {
        const Position *p = &ecs_read(view, Position)[view->row];
        const Previous *q = &ecs_read(view, Previous)[view->row];
        glyph_draw(screen, &ecs_read(view, Look)[view->row], between(q->x, p->x, frame->alpha),
                   between(q->y, p->y, frame->alpha));
    }
    ECS_EACH_ROW(game->level, visitors, view) {
        const Visit *visit = &ecs_read(view, Visit)[view->row];
        screen_text(screen, ROWS, 0, "coins left %u  lives %u%s  coins had %u  late ticks %llu",
                    ecs_resource_get(game->level, Level)->coins_left, visit->lives,
                    visit->safe_ticks > 0 ? " (safe)" : "", ecs_read(view, Score)[view->row].coins,
                    (unsigned long long)frame->report->ticks_late);
    }
    radio_draw(game);
}

static void menu_draw(Game *game, const ecs_run_frame *frame)
{
    Screen *screen = &game->screen;
    static const Look look = {{'.', ' '}, 90};
    ECS_EACH_ROW(game->menu, stars, view) {
        const Star *star = &ecs_read(view, Star)[view->row];
        glyph_draw(screen, &look, between(star->previous, star->x, frame->alpha), star->y);
    }
    screen_text(screen, 3, 24, "F E T C H");
    ECS_EACH_ROW(game->menu, heroes, view) {
        uint32_t number = ecs_read(view, Hero)[view->row].number;
        const Score *score = &ecs_read(view, Score)[view->row];
        int row = 6 + (int)number;
        screen_text(screen, row, 8, "%s    %s", game->choice == number ? ">" : " ",
                    kinds[number].name);
        screen_text(screen, row, 36, "coins %u, won %u, lost %u", score->coins, score->won,
                    score->lost);
        glyph_draw(screen, &kinds[number].look, 5, (float)row);
    }
    screen_text(screen, 6 + QUIT, 8, "%s    quit", game->choice == QUIT ? ">" : " ");
    screen_text(screen, 12, 12, "arrows or wasd, enter, q to leave");
    screen_text(screen, ROWS, 0, "level %u, coins left %u", game->levels,
                ecs_resource_get(game->level, Level)->coins_left);
}

/* ---- The loop ------------------------------------------------------------------------- */

/* In a level a key is for its systems to see. */
static bool level_key(Game *game, Key key)
{
    if (key == KEY_QUIT) return ecs_resource_set(game->level, Input, {0, 0, 1}) == ECS_OK;
    if (key < KEY_RIGHT || key > KEY_UP) return true;
    return ecs_resource_set(game->level, Input,
                            {direction_x[key - KEY_RIGHT], direction_y[key - KEY_RIGHT], 0}) ==
           ECS_OK;
}

/* In the menu enter marks a hero. After the tick the coordinator sends it, or tries again later. */
static bool menu_key(Game *game, Key key)
{
    ecs_entity chosen = ecs_null();
    if (key == KEY_UP) game->choice = (game->choice + HEROES) % (HEROES + 1);
    if (key == KEY_DOWN) game->choice = (game->choice + 1) % (HEROES + 1);
    if (key != KEY_ENTER) return key != KEY_QUIT;
    ECS_EACH_ROW(game->menu, waiting, view) {
        if (ecs_read(view, Hero)[view->row].number == game->choice) {
            chosen = view->entities[view->row];
        }
    }
    if (ecs_is_null(chosen)) return false; /* QUIT */
    game->shown_ticks = 0;
    game->visits++;
    return ecs_resource_set(game->level, Input, {0, 0, 0}) == ECS_OK &&
           ecs_set(game->menu, chosen, ecs_transfer, {0}) == ECS_OK;
}

/* Input, before the ticks of a frame. */
static bool on_begin(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    Game *game = (Game *)user;
    Key key = game->headless ? key_scripted(game) : key_typed();
    (void)world;
    (void)frame;
    return is_playing(game) ? level_key(game, key) : menu_key(game, key);
}

/* Between two ticks: a level that is over goes, another one comes. */
static bool on_tick(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    Game *game = (Game *)user;
    (void)world;
    (void)frame;
    if (ecs_resource_get(game->level, Level)->over == 0 || is_playing(game)) return true;
    level_end(game);
    level_begin(game);
    return true;
}

static ecs_status ticks(ecs_world *world, float dt, void *user)
{
    (void)world;
    return ecs_worlds_tick(((Game *)user)->worlds, dt);
}

static bool on_end(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    Game *game = (Game *)user;
    (void)world;
    if (game->headless) return true;
    screen_clear(&game->screen);
    (is_playing(game) ? level_draw : menu_draw)(game, frame);
    screen_show(&game->screen);
    return true;
}

static void game_run(Game *game)
{
    ecs_run_desc desc = {.step_s = STEP_S, .frame_s = FRAME_S, .stop = &stop_flag,
                         .ticks_max = game->ticks_max, .frame_begin = on_begin,
                         .tick_begin = on_tick, .tick = ticks, .frame_end = on_end, .user = game};
    ecs_run_report report;
    ecs_world *both[2] = {game->menu, NULL};
    Score all = {0, 0, 0};
    uint64_t menu_hash, level_hash;
    if (game->headless) desc.mode = ECS_RUN_UNTIMED; /* a tick a frame, as fast as it goes */
    if (ecs_run(NULL, &desc, &report) != ECS_OK) leave(ecs_status_text(report.status));
    both[1] = game->level;
    menu_hash = ecs_world_hash(game->menu);
    level_hash = ecs_world_hash(game->level);
    for (int i = 0; i < 2; i++) {
        ECS_EACH_ROW(both[i], heroes, view) {
            all.coins += ecs_read(view, Score)[view->row].coins;
            all.won += ecs_read(view, Score)[view->row].won;
            all.lost += ecs_read(view, Score)[view->row].lost;
        }
    }
    game_end(game);
    terminal_restore();
    printf("game_loop: %llu ticks, %u visits, %u levels, %u won, %u lost, %u coins, "
           "radio off %u times",
           (unsigned long long)report.ticks, game->visits, game->levels, all.won, all.lost,
           all.coins, game->breaks);
    if (game->headless) {
        printf(", menu %016llx, level %016llx, past %016llx", (unsigned long long)menu_hash,
               (unsigned long long)level_hash, (unsigned long long)game->past);
    }
    printf("\n");
}

/* Where the number behind an option goes. */
static uint64_t *option_find(Game *game, const char *name)
{
    if (strcmp(name, "--seed") == 0) return &game->seed;
    if (strcmp(name, "--ticks") == 0) return &game->ticks_max;
    return strcmp(name, "--workers") == 0 ? &game->workers : NULL;
}

static bool number_parse(const char *text, uint64_t *number)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > DIGITS_MAX || text[length] != '\0') return false;
    *number = strtoull(text, NULL, 10);
    return true;
}

int main(int argc, char **argv)
{
    Game game = {.seed = 1, .ticks_max = 1000};
    bool good = true, ticks_given = false;
    for (int i = 1; i < argc && good; i++) {
        uint64_t *number = option_find(&game, argv[i]);
        ticks_given |= number == &game.ticks_max;
        if (strcmp(argv[i], "--headless") == 0) game.headless = true;
        else good = number != NULL && i + 1 < argc && number_parse(argv[++i], number);
    }
    if (!good || game.ticks_max == 0 || game.workers > ECS_WORKERS_MAX) {
        fputs("usage: game_loop [--headless] [--ticks N] [--seed N] [--workers N]\n", stderr);
        return 2;
    }
    if (!game.headless && !ticks_given) game.ticks_max = 0; /* until you leave */
    signals_take();
    game_begin(&game);
    if (!game.headless && !terminal_open()) leave("no terminal; --headless plays without one");
    game_run(&game);
    return 0;
}
