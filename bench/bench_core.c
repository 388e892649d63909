/* Storage and iteration: the scenarios that every ECS is compared by, each beside its limit.
 * See README.md for what each one does, and bench.h for the options. */
#define ECS_IMPLEMENTATION
#include "raw.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { KINDS = 3, BITS = 10, LETTERS = 26, SYSTEMS_MAX = 100, NAME_BYTES = 16 };

ECS_QUERY(shifted, WRITE(Position));
ECS_QUERY(moved, WRITE(Position), READ(Velocity));
ECS_QUERY(accelerated, WRITE(Position), WRITE(Velocity), READ(Accel));
ECS_QUERY(doubled, WRITE(Value));
ECS_QUERY(positions, READ(Position));
ECS_QUERY(summed, READ(Position), READ(Velocity));
ECS_QUERY(unmatched, WRITE(Accel), READ(Value));
ECS_QUERY(with_data, WRITE(Data));
ECS_QUERY(turned, READ(Position), WRITE(Velocity), READ(Data));
ECS_QUERY(healthy, WRITE(Health));
ECS_QUERY(damaged, WRITE(Health), READ(Damage));
ECS_QUERY(drawn, WRITE(Sprite), READ(Player), READ(Health));
ECS_QUERY(rendered, READ(Position), READ(Sprite));

/* The arrays of one kind of entity, for the loops by hand. */
typedef struct raw_columns {
    Position *pos;
    Velocity *vel;
    Accel *acc;
    Value *val;
    Data *data;
    Health *health;
    Damage *damage;
    Player *player;
    Sprite *sprite;
    uint32_t count;
} raw_columns;

/* Who lives, and who comes next, in the scenarios that kill at random. */
typedef struct crowd {
    uint64_t random;
    uint32_t alive, next;
} crowd;

typedef struct scene {
    uint32_t count;
    ecs_world *world;
    ecs_entity *handles; /* of the living, in the order that the scenario wants */
    ECS_GETTER(Position) getter;
    raw_columns raw[KINDS];
    raw_store store;
    uint32_t *slots; /* what handles are to the world, for the store */
    uint64_t *order; /* rows in the order of the handles */
    crowd ours, raws;
    uint64_t sum, hook_calls;
    ecs_status (*run[SYSTEMS_MAX])(const ecs_view *view);
    char names[SYSTEMS_MAX][NAME_BYTES];
} scene;

/* ---- Setting up and tearing down --------------------------------------------------- */

/* Types are registered here, so that no timed pass pays for it. */
static ecs_world *world_new(void)
{
    static const ecs_type *const types[] = {
        ecs_type_of(Position), ecs_type_of(Velocity), ecs_type_of(Accel),
        ecs_type_of(Value),    ecs_type_of(Data),     ecs_type_of(Health),
        ecs_type_of(Damage),   ecs_type_of(Player),   ecs_type_of(Sprite)};
    ecs_world *world = ecs_world_create(NULL); /* as most users do */
    bench_need(world != NULL, "ecs_world_create");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        ecs_component component;
        bench_ok(ecs_component_register(world, types[i], &component), "register");
    }
    return world;
}

static ecs_entity spawn_moving(ecs_world *world, uint32_t i)
{
    return ecs_spawn_with(world, (Position, position_of(i)), (Velocity, velocity_of(i)));
}

static scene *scene_new(uint32_t count)
{
    scene *s = (scene *)calloc(1, sizeof *s);
    bench_need(s != NULL, "calloc");
    s->count = count;
    s->handles = (ecs_entity *)bench_array(count, sizeof(ecs_entity));
    s->slots = (uint32_t *)bench_array(count, sizeof(uint32_t));
    s->order = (uint64_t *)bench_array(count, sizeof(uint64_t));
    for (uint32_t i = 0; i < count; i++) s->order[i] = i;
    return s;
}

static void raw_columns_free(raw_columns *raw)
{
    free(raw->pos);
    free(raw->vel);
    free(raw->acc);
    free(raw->val);
    free(raw->data);
    free(raw->health);
    free(raw->damage);
    free(raw->player);
    free(raw->sprite);
}

static void scene_close(void *state)
{
    scene *s = (scene *)state;
    ecs_world_destroy(s->world);
    for (uint32_t i = 0; i < KINDS; i++) raw_columns_free(&s->raw[i]);
    raw_free(&s->store);
    free(s->handles);
    free(s->slots);
    free(s->order);
    free(s);
}

static void *open_bare(uint32_t count)
{
    return scene_new(count);
}

/* `count` entities that move, in a world and by hand, as columns and as a store. */
static scene *scene_moving(uint32_t count)
{
    scene *s = scene_new(count);
    raw_columns *raw = &s->raw[0];
    s->world = world_new();
    raw->count = count;
    raw->pos = (Position *)bench_array(count, sizeof(Position));
    raw->vel = (Velocity *)bench_array(count, sizeof(Velocity));
    for (uint32_t i = 0; i < count; i++) {
        raw->pos[i] = position_of(i);
        raw->vel[i] = velocity_of(i);
        s->handles[i] = spawn_moving(s->world, i);
    }
    return s;
}

static void *open_moving(uint32_t count)
{
    return scene_moving(count);
}

static double sum_world(ecs_world *world)
{
    double sum = 0;
    ECS_EACH(world, summed, view) {
        const Position *p = ecs_read(view, Position);
        const Velocity *v = ecs_read(view, Velocity);
        for (uint32_t i = 0; i < view->count; i++) {
            sum += (double)p[i].x + 2.0 * (double)p[i].y + 3.0 * (double)v[i].x +
                   5.0 * (double)v[i].y;
        }
    }
    return sum;
}

static void print_check(const char *name, uint32_t count, double value)
{
    fprintf(stderr, "chk %s %" PRIu32 " %.17g\n", name, count, value);
}

static void check_sum(void *state, const char *name)
{
    scene *s = (scene *)state;
    print_check(name, s->count, sum_world(s->world));
}

static void check_alive(void *state, const char *name)
{
    scene *s = (scene *)state;
    bool alive = ecs_alive(s->world, s->handles[s->count - 1]);
    print_check(name, s->count, alive ? 1 : 0);
}

static void check_counter(void *state, const char *name)
{
    scene *s = (scene *)state;
    print_check(name, s->count, (double)s->sum);
}

static void check_hex(void *state, const char *name)
{
    scene *s = (scene *)state;
    fprintf(stderr, "chk %s %" PRIu32 " %016" PRIx64 "\n", name, s->count, s->sum);
}

/* ---- Creation ----------------------------------------------------------------------- */

/* The last world is kept until the next pass, so that it can be checked. */
static void world_again(scene *s)
{
    ecs_world_destroy(s->world);
    s->world = world_new();
}

static double create_empty_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        world_again(s);
        start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) s->handles[i] = ecs_spawn(s->world);
        elapsed_ns += bench_since(start);
        bench_need(ecs_entity_count(s->world) == s->count, "all are created");
    }
    return elapsed_ns;
}

/* A growing array of handles. */
static double create_empty_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t *living = NULL;
        uint32_t capacity = 0;
        uint64_t start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) {
            if (i == capacity) {
                capacity = capacity < 16 ? 16 : capacity * 2;
                living = (uint64_t *)raw_resize(living, capacity, sizeof *living);
            }
            living[i] = (uint64_t)1 << 32 | i;
            s->slots[i] = i;
        }
        elapsed_ns += bench_since(start);
        bench_keep_pointer(living);
        free(living);
    }
    return elapsed_ns;
}

static double create2_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        world_again(s);
        start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) s->handles[i] = spawn_moving(s->world, i);
        elapsed_ns += bench_since(start);
        bench_need(ecs_entity_count(s->world) == s->count, "all are created");
    }
    return elapsed_ns;
}

static double create2_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        raw_free(&s->store);
        start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) {
            s->slots[i] = raw_spawn(&s->store, position_of(i), velocity_of(i));
        }
        elapsed_ns += bench_since(start);
    }
    return elapsed_ns;
}

static double create2_bulk_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ecs_value values[2] = {{ecs_type_of(Position), NULL}, {ecs_type_of(Velocity), NULL}};
    double elapsed_ns = 0;
    values[0].data = s->raw[0].pos;
    values[1].data = s->raw[0].vel;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        ecs_status status;
        world_again(s);
        start = bench_now_ns();
        status = ecs_spawn_bulk(s->world, s->count, values, 2, s->handles);
        elapsed_ns += bench_since(start);
        bench_ok(status, "ecs_spawn_bulk");
    }
    return elapsed_ns;
}

BENCH_NOINLINE static void rows_fill(Position *p, Velocity *v, uint32_t base, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        p[i] = position_of(base + i);
        v[i] = velocity_of(base + i);
    }
}

ECS_QUERY(filled, WRITE(Position), WRITE(Velocity));

/* Zeroed first, then filled through a query: for values that no array holds yet. */
static double create2_bulk_fill_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    static const ecs_value values[2] = {{ecs_type_of(Position), NULL},
                                        {ecs_type_of(Velocity), NULL}};
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        ecs_status status;
        world_again(s);
        start = bench_now_ns();
        status = ecs_spawn_bulk(s->world, s->count, values, 2, s->handles);
        ECS_EACH(s->world, filled, view) {
            rows_fill(ecs_write(view, Position), ecs_write(view, Velocity), view->base,
                      view->count);
        }
        elapsed_ns += bench_since(start);
        bench_ok(status, "ecs_spawn_bulk");
    }
    return elapsed_ns;
}

/* Three fresh arrays: handles, positions, velocities. */
static double bulk_limit(const scene *s, bool copy)
{
    uint64_t start = bench_now_ns();
    uint64_t *ids = (uint64_t *)malloc(s->count * sizeof(uint64_t));
    Position *p = (Position *)malloc(s->count * sizeof(Position));
    Velocity *v = (Velocity *)malloc(s->count * sizeof(Velocity));
    double elapsed_ns;
    bench_need(ids != NULL && p != NULL && v != NULL, "malloc");
    for (uint32_t i = 0; i < s->count; i++) ids[i] = (uint64_t)1 << 32 | i;
    if (copy) {
        memcpy(p, s->raw[0].pos, s->count * sizeof(Position));
        memcpy(v, s->raw[0].vel, s->count * sizeof(Velocity));
    } else {
        rows_fill(p, v, 0, s->count);
    }
    bench_keep_pointer(ids);
    bench_keep_pointer(p);
    bench_keep_pointer(v);
    elapsed_ns = bench_since(start);
    free(ids);
    free(p);
    free(v);
    return elapsed_ns;
}

static double create2_bulk_limit(void *state, uint64_t repeats)
{
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) elapsed_ns += bulk_limit((scene *)state, true);
    return elapsed_ns;
}

static double create2_bulk_fill_limit(void *state, uint64_t repeats)
{
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) elapsed_ns += bulk_limit((scene *)state, false);
    return elapsed_ns;
}

static double destroy_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        world_again(s);
        for (uint32_t i = 0; i < s->count; i++) s->handles[i] = spawn_moving(s->world, i);
        start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) (void)ecs_despawn(s->world, s->handles[i]);
        elapsed_ns += bench_since(start);
        bench_need(ecs_entity_count(s->world) == 0, "all are destroyed");
    }
    return elapsed_ns;
}

static double destroy_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        raw_free(&s->store);
        for (uint32_t i = 0; i < s->count; i++) {
            s->slots[i] = raw_spawn(&s->store, position_of(i), velocity_of(i));
        }
        start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) raw_despawn(&s->store, s->slots[i]);
        elapsed_ns += bench_since(start);
    }
    return elapsed_ns;
}

/* ---- Random access -------------------------------------------------------------------- */

static void *open_get(uint32_t count)
{
    scene *s = scene_moving(count);
    s->getter = ecs_getter_bind(s->world, Position);
    return s;
}

static void *open_get_shuffled(uint32_t count)
{
    scene *s = (scene *)open_get(count);
    uint64_t random = BENCH_SEED;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)(bench_random(&random) % i);
        ecs_entity handle = s->handles[i - 1];
        uint64_t row = s->order[i - 1];
        s->handles[i - 1] = s->handles[j];
        s->handles[j] = handle;
        s->order[i - 1] = s->order[j];
        s->order[j] = row;
    }
    return s;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double get_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ECS_GETTER(Position) getter = s->getter;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            const Position *p = ecs_getter_get(getter, Position, s->handles[i]);
            if (p == NULL) continue;
            sum = bench_eat(sum + bits_of(p->x));
        }
        bench_keep(s->sum = sum);
    }
    return bench_since(start);
}

static double get_plain_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            const Position *p = ecs_get(s->world, s->handles[i], Position);
            if (p == NULL) continue;
            sum = bench_eat(sum + bits_of(p->x));
        }
        bench_keep(s->sum = sum);
    }
    return bench_since(start);
}

static double get_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    const Position *pos = s->raw[0].pos;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < s->count; i++) {
            sum = bench_eat(sum + bits_of(pos[s->order[i]].x));
        }
        bench_keep(sum);
    }
    return bench_since(start);
}

/* ---- Structural change ------------------------------------------------------------------ */

static void count_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)world;
    (void)entity;
    (void)value;
    *(uint64_t *)user += 1;
}

static scene *open_change(uint32_t count, bool hook)
{
    scene *s = scene_new(count);
    s->world = world_new();
    if (hook) {
        ecs_hooks hooks = {0};
        hooks.on_add = count_add;
        hooks.user = &s->hook_calls;
        bench_ok(ecs_component_hooks(s->world, ecs_component_id(s->world, Accel), &hooks), "hooks");
    }
    for (uint32_t i = 0; i < count; i++) {
        s->handles[i] = spawn_moving(s->world, i);
        s->slots[i] = raw_spawn(&s->store, position_of(i), velocity_of(i));
    }
    raw_table_reserve(&s->store.table[1], count, true);
    return s;
}

static void *open_add(uint32_t count)
{
    return open_change(count, false);
}

static void *open_hook(uint32_t count)
{
    return open_change(count, true);
}

static double add_remove_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->count; i++) (void)ecs_add(s->world, s->handles[i], Accel);
        for (uint32_t i = 0; i < s->count; i++) (void)ecs_remove(s->world, s->handles[i], Accel);
        bench_barrier();
    }
    return bench_since(start);
}

static double add_remove_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->count; i++) raw_move(&s->store, s->slots[i], 1);
        for (uint32_t i = 0; i < s->count; i++) raw_move(&s->store, s->slots[i], 0);
        bench_barrier();
    }
    return bench_since(start);
}

/* Only the adding is timed. */
static double add1_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) (void)ecs_add(s->world, s->handles[i], Accel);
        elapsed_ns += bench_since(start);
        for (uint32_t i = 0; i < s->count; i++) (void)ecs_remove(s->world, s->handles[i], Accel);
    }
    s->sum = s->hook_calls;
    return elapsed_ns;
}

static double add1_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) raw_move(&s->store, s->slots[i], 1);
        elapsed_ns += bench_since(start);
        for (uint32_t i = 0; i < s->count; i++) raw_move(&s->store, s->slots[i], 0);
    }
    return elapsed_ns;
}

/* The others have run twice when they print: once more makes it equal. */
static void check_hooks(void *state, const char *name)
{
    (void)add1_subject(state, 1);
    check_counter(state, name);
}

static double deferred_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ecs_commands *cmd = ecs_world_commands(s->world);
    ecs_component accel = ecs_component_id(s->world, Accel);
    uint64_t start = bench_now_ns();
    double elapsed_ns;
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH(s->world, positions, view) {
            for (uint32_t i = 0; i < view->count; i++) {
                (void)ecs_cmd_add(cmd, view->entities[i], Accel);
            }
        }
        bench_ok(ecs_flush(s->world), "ecs_flush");
        s->sum = ecs_component_count(s->world, accel);
        ECS_EACH(s->world, positions, view) {
            for (uint32_t i = 0; i < view->count; i++) {
                (void)ecs_cmd_remove(cmd, view->entities[i], Accel);
            }
        }
        bench_ok(ecs_flush(s->world), "ecs_flush");
    }
    elapsed_ns = bench_since(start);
    bench_need(s->sum == s->count, "all got the component");
    bench_need(ecs_component_count(s->world, accel) == 0, "all lost it again");
    bench_none_refused(s->world);
    return elapsed_ns;
}

/* A vector of slots, filled while iterating and worked off afterwards. */
static double deferred_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint32_t *queue = (uint32_t *)bench_array(s->count, sizeof(uint32_t));
    uint64_t start = bench_now_ns();
    double elapsed_ns;
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t to = 1; to < 2; to--) {
            const raw_table *table = &s->store.table[1 - to];
            uint32_t count = table->count;
            for (uint32_t i = 0; i < count; i++) queue[i] = table->owner[i];
            bench_keep_pointer(queue);
            for (uint32_t i = 0; i < count; i++) raw_move(&s->store, queue[i], to);
        }
    }
    elapsed_ns = bench_since(start);
    free(queue);
    return elapsed_ns;
}

ECS_SYSTEM(mark, READ(Position))
{
    for (uint32_t i = 0; i < view->count; i++) {
        (void)ecs_cmd_add(view->cmd, view->entities[i], Accel);
    }
    return ECS_OK;
}

ECS_SYSTEM(unmark, READ(Position))
{
    for (uint32_t i = 0; i < view->count; i++) {
        (void)ecs_cmd_remove(view->cmd, view->entities[i], Accel);
    }
    return ECS_OK;
}

static void *open_deferred_tick(uint32_t count)
{
    scene *s = open_change(count, false);
    bench_ok(ecs_system_add(s->world, &mark, ECS_UPDATE), "add mark");
    bench_ok(ecs_system_add(s->world, &unmark, ECS_POST_UPDATE), "add unmark");
    return s;
}

/* The same by two systems in two phases, one stream for each row block. */
static double tick_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    double elapsed_ns;
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_tick(s->world, STEP_S), "ecs_tick");
    elapsed_ns = bench_since(start);
    bench_none_refused(s->world);
    return elapsed_ns;
}

/* ---- Iteration -------------------------------------------------------------------------- */

static double iter1_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH(s->world, shifted, view) rows_shift(ecs_write(view, Position), view->count);
        bench_barrier();
    }
    return bench_since(start);
}

static double iter1_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        rows_shift(s->raw[0].pos, s->count);
        bench_barrier();
    }
    return bench_since(start);
}

static double iter1xy_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH(s->world, shifted, view) rows_shift_both(ecs_write(view, Position), view->count);
        bench_barrier();
    }
    return bench_since(start);
}

static double iter1xy_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        rows_shift_both(s->raw[0].pos, s->count);
        bench_barrier();
    }
    return bench_since(start);
}

static void iterate_moved(ecs_world *world)
{
    ECS_EACH(world, moved, view) {
        rows_move(ecs_write(view, Position), ecs_read(view, Velocity), view->count);
    }
}

static double iter2_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        iterate_moved(s->world);
        bench_barrier();
    }
    return bench_since(start);
}

static double iter2_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        rows_move(s->raw[0].pos, s->raw[0].vel, s->count);
        bench_barrier();
    }
    return bench_since(start);
}

/* Entity by entity, for those who like it better. */
static double iter2_row_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH_ROW(s->world, moved, view) {
            Position *p = &ecs_write(view, Position)[view->row];
            const Velocity *v = &ecs_read(view, Velocity)[view->row];
            p->x += v->x * STEP_S;
            p->y += v->y * STEP_S;
        }
        bench_barrier();
    }
    return bench_since(start);
}

static void *open_iter3(uint32_t count)
{
    scene *s = scene_new(count);
    raw_columns *raw = &s->raw[0];
    s->world = world_new();
    raw->pos = (Position *)bench_array(count, sizeof(Position));
    raw->vel = (Velocity *)bench_array(count, sizeof(Velocity));
    raw->acc = (Accel *)bench_array(count, sizeof(Accel));
    for (uint32_t i = 0; i < count; i++) {
        raw->pos[i] = position_of(i);
        raw->vel[i] = velocity_of(i);
        raw->acc[i] = accel_of(i);
        s->handles[i] = ecs_spawn_with(s->world, (Position, position_of(i)),
                                       (Velocity, velocity_of(i)), (Accel, accel_of(i)));
    }
    return s;
}

static double iter3_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH(s->world, accelerated, view) {
            rows_accelerate(ecs_write(view, Position), ecs_write(view, Velocity),
                            ecs_read(view, Accel), view->count);
        }
        bench_barrier();
    }
    return bench_since(start);
}

static double iter3_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        rows_accelerate(s->raw[0].pos, s->raw[0].vel, s->raw[0].acc, s->count);
        bench_barrier();
    }
    return bench_since(start);
}

/* ---- Many tables ------------------------------------------------------------------------ */

/* `count` entities over `tables` tables: one of 26 letters each, or any of ten small ones. */
static scene *open_fragments(uint32_t count, uint32_t tables)
{
    static const Value one = {1.0f};
    scene *s = scene_new(count);
    uint32_t part_count = tables == LETTERS ? LETTERS : BITS;
    ecs_component part[LETTERS];
    s->world = world_new();
    s->raw[0].val = (Value *)bench_array(count, sizeof(Value));
    for (uint32_t i = 0; i < part_count; i++) {
        char name[NAME_BYTES];
        ecs_type type = {0};
        (void)snprintf(name, sizeof name, "part_%" PRIu32, i);
        type.name = name;
        type.bytes = tables == LETTERS ? sizeof(float) : 1;
        type.align = tables == LETTERS ? (uint32_t)_Alignof(float) : 1;
        bench_ok(ecs_component_define(s->world, &type, &part[i]), "define");
    }
    for (uint32_t i = 0; i < count; i++) {
        ecs_value values[LETTERS + 1] = {{ecs_type_of(Value), &one}};
        uint32_t table = i % tables;
        uint32_t value_count = 1;
        for (uint32_t k = 0; k < part_count; k++) {
            bool has = tables == LETTERS ? table == k : (table >> k & 1u) != 0;
            if (has) values[value_count++].type = ecs_component_type(s->world, part[k]);
        }
        s->handles[i] = ecs_spawn_values(s->world, values, value_count);
        s->raw[0].val[i] = one;
    }
    return s;
}

static void *open_frag26(uint32_t count)
{
    return open_fragments(count, LETTERS);
}

static void *open_frag1000(uint32_t count)
{
    return open_fragments(count, 1000);
}

static double frag_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH(s->world, doubled, view) rows_double(ecs_write(view, Value), view->count);
        bench_barrier();
    }
    return bench_since(start);
}

static double frag_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        rows_double(s->raw[0].val, s->count);
        bench_barrier();
    }
    return bench_since(start);
}

static void check_frag(void *state, const char *name)
{
    scene *s = (scene *)state;
    double sum = 0;
    ECS_EACH(s->world, doubled, view) {
        const Value *value = ecs_read(view, Value);
        for (uint32_t i = 0; i < view->count; i++) sum += (double)value[i].v;
    }
    print_check(name, s->count, sum);
}

/* ---- Seven systems over three kinds of entities -------------------------------------------- */

/* 0: moves and thinks; 1: is a character as well; 2: only moves. */
static uint32_t mixed_kind(uint32_t i)
{
    return (i & 3u) < 2 ? 0 : (i & 3u) == 2 ? 1 : 2;
}

static Position mixed_position(uint32_t i)
{
    return (Position){(float)(i % FRAME_WIDTH), (float)(i / FRAME_WIDTH % FRAME_HEIGHT)};
}

static Data mixed_data(uint32_t i)
{
    Data data;
    memset(&data, 0, sizeof data);
    data.thingy = (int32_t)((uint64_t)i * 7 % 1000000);
    data.seed = 340383u + i * 2654435761u;
    if (data.seed == 0) data.seed = 1;
    return data;
}

static Health mixed_health(uint32_t i)
{
    int32_t most = (int32_t)(4 + i / 4 % 12);
    return (Health){most, most, STATUS_SPAWN};
}

static Damage mixed_damage(uint32_t i)
{
    return (Damage){(int32_t)(3 + i / 4 % 7), (int32_t)(2 + i / 4 % 5)};
}

static ecs_entity mixed_spawn(ecs_world *world, uint32_t i)
{
    switch (mixed_kind(i)) {
    case 0:
        return ecs_spawn_with(world, (Position, mixed_position(i)), (Velocity, velocity_of(i)),
                              (Data, mixed_data(i)));
    case 1:
        return ecs_spawn_with(world, (Position, mixed_position(i)), (Velocity, velocity_of(i)),
                              (Data, mixed_data(i)), (Player, {(int32_t)(i / 4 % 3)}),
                              (Health, mixed_health(i)), (Damage, mixed_damage(i)),
                              (Sprite, {'_'}));
    default:
        return ecs_spawn_with(world, (Position, mixed_position(i)), (Velocity, velocity_of(i)));
    }
}

static void mixed_raw(raw_columns *raw, uint32_t i)
{
    uint32_t row = raw->count++;
    raw->pos[row] = mixed_position(i);
    raw->vel[row] = velocity_of(i);
    if (raw->data != NULL) raw->data[row] = mixed_data(i);
    if (raw->player == NULL) return;
    raw->player[row] = (Player){(int32_t)(i / 4 % 3)};
    raw->health[row] = mixed_health(i);
    raw->damage[row] = mixed_damage(i);
    raw->sprite[row] = (Sprite){'_'};
}

static void *open_mixed(uint32_t count)
{
    scene *s = scene_new(count);
    s->world = world_new();
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        raw_columns *raw = &s->raw[kind];
        raw->pos = (Position *)bench_array(count, sizeof(Position));
        raw->vel = (Velocity *)bench_array(count, sizeof(Velocity));
        if (kind != 2) raw->data = (Data *)bench_array(count, sizeof(Data));
        if (kind != 1) continue;
        raw->health = (Health *)bench_array(count, sizeof(Health));
        raw->damage = (Damage *)bench_array(count, sizeof(Damage));
        raw->player = (Player *)bench_array(count, sizeof(Player));
        raw->sprite = (Sprite *)bench_array(count, sizeof(Sprite));
    }
    for (uint32_t i = 0; i < count; i++) {
        s->handles[i] = mixed_spawn(s->world, i);
        mixed_raw(&s->raw[mixed_kind(i)], i);
    }
    return s;
}

static double mixed_subject(void *state, uint64_t repeats)
{
    ecs_world *world = ((scene *)state)->world;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        iterate_moved(world);
        ECS_EACH(world, with_data, view) rows_data(ecs_write(view, Data), view->count);
        ECS_EACH(world, turned, view) {
            rows_turn(ecs_read(view, Position), ecs_write(view, Velocity),
                      ecs_read(view, Data), view->count);
        }
        ECS_EACH(world, healthy, view) rows_health(ecs_write(view, Health), view->count);
        ECS_EACH(world, damaged, view) {
            rows_damage(ecs_write(view, Health), ecs_read(view, Damage), view->count);
        }
        ECS_EACH(world, drawn, view) {
            rows_sprite(ecs_write(view, Sprite), ecs_read(view, Player),
                        ecs_read(view, Health), view->count);
        }
        ECS_EACH(world, rendered, view) {
            rows_render(ecs_read(view, Position), ecs_read(view, Sprite), view->count);
        }
        bench_barrier();
    }
    return bench_since(start);
}

static double mixed_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    const raw_columns *k = s->raw;
    const raw_columns *character = &s->raw[1];
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < 3; i++) rows_move(k[i].pos, k[i].vel, k[i].count);
        for (uint32_t i = 0; i < 2; i++) rows_data(k[i].data, k[i].count);
        for (uint32_t i = 0; i < 2; i++) rows_turn(k[i].pos, k[i].vel, k[i].data, k[i].count);
        rows_health(character->health, character->count);
        rows_damage(character->health, character->damage, character->count);
        rows_sprite(character->sprite, character->player, character->health, character->count);
        rows_render(character->pos, character->sprite, character->count);
        bench_barrier();
    }
    return bench_since(start);
}

ECS_SYSTEM(system_move, WRITE(Position), READ(Velocity))
{
    rows_move(ecs_write(view, Position), ecs_read(view, Velocity), view->count);
    return ECS_OK;
}

ECS_SYSTEM(system_data, WRITE(Data))
{
    rows_data(ecs_write(view, Data), view->count);
    return ECS_OK;
}

ECS_SYSTEM(system_turn, READ(Position), WRITE(Velocity), READ(Data))
{
    rows_turn(ecs_read(view, Position), ecs_write(view, Velocity), ecs_read(view, Data),
              view->count);
    return ECS_OK;
}

ECS_SYSTEM(system_health, WRITE(Health))
{
    rows_health(ecs_write(view, Health), view->count);
    return ECS_OK;
}

ECS_SYSTEM(system_damage, WRITE(Health), READ(Damage))
{
    rows_damage(ecs_write(view, Health), ecs_read(view, Damage), view->count);
    return ECS_OK;
}

ECS_SYSTEM(system_sprite, WRITE(Sprite), READ(Player), READ(Health))
{
    rows_sprite(ecs_write(view, Sprite), ecs_read(view, Player), ecs_read(view, Health),
                view->count);
    return ECS_OK;
}

ECS_SYSTEM(system_render, READ(Position), READ(Sprite))
{
    rows_render(ecs_read(view, Position), ecs_read(view, Sprite), view->count);
    return ECS_OK;
}

static void *open_mixed_tick(uint32_t count)
{
    const ecs_system *const systems[] = {&system_move,   &system_data,   &system_turn,
                                         &system_health, &system_damage, &system_sprite,
                                         &system_render};
    scene *s = (scene *)open_mixed(count);
    for (uint32_t i = 0; i < sizeof systems / sizeof systems[0]; i++) {
        bench_ok(ecs_system_add(s->world, systems[i], ECS_UPDATE), "ecs_system_add");
    }
    return s;
}

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * 1099511628211u;
}

static void check_mixed(void *state, const char *name)
{
    scene *s = (scene *)state;
    uint64_t hash = 14695981039346656037u;
    for (uint32_t i = 0; i < s->count; i++) {
        const Position *p = ecs_get(s->world, s->handles[i], Position);
        const Velocity *v = ecs_get(s->world, s->handles[i], Velocity);
        const Data *d = ecs_get(s->world, s->handles[i], Data);
        const Health *h = ecs_get(s->world, s->handles[i], Health);
        const Sprite *c = ecs_get(s->world, s->handles[i], Sprite);
        hash = hash_word(hash, bits_of(p->x));
        hash = hash_word(hash, bits_of(p->y));
        hash = hash_word(hash, bits_of(v->x));
        hash = hash_word(hash, bits_of(v->y));
        if (d != NULL) {
            hash = hash_word(hash, (uint32_t)d->thingy);
            hash = hash_word(hash, d->numgy);
            hash = hash_word(hash, d->mingy ? 1 : 0);
        }
        if (h != NULL) {
            hash = hash_word(hash, (uint32_t)h->hp);
            hash = hash_word(hash, (uint32_t)h->status);
        }
        if (c != NULL) hash = hash_word(hash, (uint8_t)c->c);
    }
    s->sum = hash;
    check_hex(state, name);
}

/* ---- Churn: each frame one in a hundred dies and another is born ----------------------------- */

static void *open_churn(uint32_t count)
{
    scene *s = scene_new(count);
    s->world = world_new();
    for (uint32_t i = 0; i < count; i++) {
        s->handles[i] = spawn_moving(s->world, i);
        s->slots[i] = raw_spawn(&s->store, position_of(i), velocity_of(i));
    }
    s->ours = s->raws = (crowd){BENCH_SEED, count, count};
    return s;
}

static double churn_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    crowd *c = &s->ours;
    uint32_t victims = s->count / 100;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t j = 0; j < victims; j++) {
            uint32_t k = (uint32_t)(bench_random(&c->random) % c->alive);
            (void)ecs_despawn(s->world, s->handles[k]);
            s->handles[k] = s->handles[--c->alive];
        }
        for (uint32_t j = 0; j < victims; j++) {
            s->handles[c->alive++] = spawn_moving(s->world, c->next++);
        }
        iterate_moved(s->world);
    }
    return bench_since(start);
}

static double churn_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    crowd *c = &s->raws;
    raw_table *table = &s->store.table[0];
    uint32_t victims = s->count / 100;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t j = 0; j < victims; j++) {
            uint32_t k = (uint32_t)(bench_random(&c->random) % c->alive);
            raw_despawn(&s->store, s->slots[k]);
            s->slots[k] = s->slots[--c->alive];
        }
        for (uint32_t j = 0; j < victims; j++) {
            uint32_t i = c->next++;
            s->slots[c->alive++] = raw_spawn(&s->store, position_of(i), velocity_of(i));
        }
        rows_move(table->pos, table->vel, table->count);
    }
    return bench_since(start);
}

/* ---- Overheads ------------------------------------------------------------------------------ */

static void *open_nomatch(uint32_t count)
{
    scene *s = scene_moving(1000);
    s->count = count;
    return s;
}

static double nomatch_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ECS_EACH(s->world, unmatched, view) s->sum += view->count;
        bench_barrier();
    }
    return bench_since(start);
}

/* A loop over no tables, of which the compiler does not know that there are none. */
static double nomatch_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->store.table[0].count; i++) {
            rows_move(s->raw[i].pos, s->raw[i].vel, s->raw[i].count);
        }
        bench_barrier();
    }
    return bench_since(start);
}

static ecs_status run_empty(const ecs_view *view)
{
    *(uint64_t *)view->user += view->count;
    return ECS_OK;
}

/* Each system has a component and an entity of its own. */
static void *open_systems(uint32_t count)
{
    scene *s = scene_new(count);
    bench_need(count <= SYSTEMS_MAX, "at most SYSTEMS_MAX systems");
    s->world = world_new();
    for (uint32_t i = 0; i < count; i++) {
        ecs_type type = {0};
        ecs_term term = {0};
        ecs_system system = {0};
        ecs_system_desc desc = {0};
        (void)snprintf(s->names[i], NAME_BYTES, "empty_%" PRIu32, i);
        type.name = s->names[i];
        type.bytes = sizeof(float);
        type.align = (uint32_t)_Alignof(float);
        bench_ok(ecs_component_define(s->world, &type, &term.component), "define");
        s->handles[i] = ecs_spawn(s->world);
        bench_ok(ecs_add_id(s->world, s->handles[i], term.component), "add");
        term.access = ECS_ACCESS_READ;
        system.name = s->names[i];
        system.terms = &term;
        system.term_count = 1;
        system.run = run_empty;
        desc.system = &system;
        desc.user = &s->sum;
        bench_ok(ecs_system_add_desc(s->world, &desc), "ecs_system_add_desc");
        s->run[i] = run_empty;
    }
    return s;
}

static double systems_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ecs_view view;
    uint64_t start;
    uint64_t sum = 0;
    memset(&view, 0, sizeof view);
    view.user = &sum;
    view.count = 1;
    start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->count; i++) (void)s->run[i](&view);
        bench_barrier();
    }
    return bench_since(start);
}

/* ---- Resident memory ------------------------------------------------------------------------- */

#ifdef __linux__
static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long all = 0;
    long resident = 0;
    if (file == NULL || fscanf(file, "%ld %ld", &all, &resident) != 2) resident = 0;
    if (file != NULL) (void)fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double resident_world(uint32_t count)
{
    ecs_world *world = world_new();
    double before = resident_bytes();
    for (uint32_t i = 0; i < count; i++) (void)spawn_moving(world, i);
    return (resident_bytes() - before) / (double)count;
}

/* Handles, positions, velocities. */
static double resident_raw(uint32_t count)
{
    double before = resident_bytes();
    bench_keep_pointer(bench_array(count, sizeof(uint64_t)));
    bench_keep_pointer(bench_array(count, sizeof(Position)));
    bench_keep_pointer(bench_array(count, sizeof(Velocity)));
    return (resident_bytes() - before) / (double)count;
}

/* In a process of its own, whose heap is empty, without huge pages; it never comes back. */
static double resident_apart(uint32_t count, double (*measure)(uint32_t count))
{
    int ends[2];
    double value = 0;
    pid_t child;
    bench_need(pipe(ends) == 0, "pipe");
    child = fork();
    bench_need(child >= 0, "fork");
    if (child == 0) {
        (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
        value = measure(count);
        _exit(write(ends[1], &value, sizeof value) == (ssize_t)sizeof value ? 0 : 1);
    }
    (void)close(ends[1]); /* else a child that died would leave the read waiting for ever */
    bench_need(read(ends[0], &value, sizeof value) == (ssize_t)sizeof value, "rss child");
    (void)close(ends[0]);
    (void)waitpid(child, NULL, 0);
    return value;
}

static double rss_subject(void *state, uint64_t repeats)
{
    (void)repeats;
    return resident_apart(((scene *)state)->count, resident_world);
}

static double rss_limit(void *state, uint64_t repeats)
{
    (void)repeats;
    return resident_apart(((scene *)state)->count, resident_raw);
}

/* Nothing else may be resident before the count begins. */
static void *open_rss(uint32_t count)
{
    scene *s = (scene *)calloc(1, sizeof *s);
    bench_need(s != NULL, "calloc");
    s->count = count;
    return s;
}
#endif

/* ---- The list -------------------------------------------------------------------------------- */

static const uint32_t sizes_one[] = {1, 0};
static const uint32_t sizes_systems[] = {100, 0};
static const uint32_t sizes_rss[] = {100000, 1000000, 0};

#define CASE(n, text, open, check, subject, limit, kind) \
    {n, text, open, scene_close, check, subject, limit, bench_sizes, kind, 0, 0, 0}

static const bench_case cases[] = {
    CASE("create_empty", "append to a growing array", open_bare, check_alive,
         create_empty_subject, create_empty_limit, BENCH_ONCE),
    CASE("create2", "append to growing arrays", open_bare, check_sum, create2_subject,
         create2_limit, BENCH_ONCE),
    CASE("create2_bulk", "malloc and memcpy", open_moving, check_sum, create2_bulk_subject,
         create2_bulk_limit, BENCH_ONCE),
    CASE("create2_bulk_fill", "malloc and fill", open_bare, check_sum,
         create2_bulk_fill_subject, create2_bulk_fill_limit, BENCH_ONCE),
    CASE("destroy", "swap with the last row, push the slot", open_bare, check_alive,
         destroy_subject, destroy_limit, BENCH_ONCE),
    CASE("get_order", "array[i]", open_get, check_hex, get_subject, get_limit, BENCH_REPEAT),
    CASE("get_shuffled", "array[i]", open_get_shuffled, check_hex, get_subject, get_limit,
         BENCH_REPEAT),
    CASE("get_plain_order", "array[i]", open_get, check_hex, get_plain_subject, get_limit,
         BENCH_REPEAT),
    CASE("get_plain_shuffled", "array[i]", open_get_shuffled, check_hex, get_plain_subject,
         get_limit, BENCH_REPEAT),
    CASE("add_remove", "two tables by hand", open_add, check_sum, add_remove_subject,
         add_remove_limit, BENCH_REPEAT),
    CASE("iter1", "the same loop on arrays", open_moving, check_sum, iter1_subject, iter1_limit,
         BENCH_REPEAT),
    CASE("iter1xy", "the same loop on arrays", open_moving, check_sum, iter1xy_subject,
         iter1xy_limit, BENCH_REPEAT),
    CASE("iter2", "the same loop on arrays", open_moving, check_sum, iter2_subject, iter2_limit,
         BENCH_REPEAT),
    CASE("iter2_row", "the loop of iter2", open_moving, check_sum, iter2_row_subject,
         iter2_limit, BENCH_REPEAT),
    CASE("iter3", "the same loop on arrays", open_iter3, check_sum, iter3_subject, iter3_limit,
         BENCH_REPEAT),
    CASE("frag26", "the same loop on one array", open_frag26, check_frag, frag_subject,
         frag_limit, BENCH_REPEAT),
    CASE("frag1000", "the same loop on one array", open_frag1000, check_frag, frag_subject,
         frag_limit, BENCH_REPEAT),
    {"mixed7", "the same loops on arrays", open_mixed, scene_close, check_mixed, mixed_subject,
     mixed_limit, bench_sizes, BENCH_FRAMES, 0, 10, 20000},
    {"mixed7_tick", "the same loops on arrays", open_mixed_tick, scene_close, check_mixed,
     tick_subject, mixed_limit, bench_sizes, BENCH_FRAMES, 0, 10, 20000},
    {"churn", "one table by hand", open_churn, scene_close, check_sum, churn_subject,
     churn_limit, bench_sizes, BENCH_FRAMES, 0, 20, 100000},
    CASE("deferred", "a vector of slots, two tables by hand", open_add, check_counter,
         deferred_subject, deferred_limit, BENCH_REPEAT),
    CASE("deferred_tick", "a vector of slots, two tables by hand", open_deferred_tick, NULL,
         tick_subject, deferred_limit, BENCH_REPEAT),
    CASE("add1", "two tables by hand", open_add, check_hooks, add1_subject, add1_limit,
         BENCH_REPEAT),
    CASE("hook_add1", "two tables by hand, no hook", open_hook, check_hooks, add1_subject,
         add1_limit, BENCH_REPEAT),
    {"nomatch", "a loop over no tables", open_nomatch, scene_close, check_counter,
     nomatch_subject, nomatch_limit, sizes_one, BENCH_REPEAT, 1, 0, 0},
    {"empty_systems", "calls by pointer", open_systems, scene_close, check_counter,
     tick_subject, systems_limit, sizes_systems, BENCH_REPEAT, 0, 0, 0},
#ifdef __linux__
    {"rss", "three arrays", open_rss, scene_close, NULL, rss_subject, rss_limit, sizes_rss,
     BENCH_VALUE, 0, 0, 0},
#endif
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, (uint32_t)(sizeof cases / sizeof cases[0]));
}
