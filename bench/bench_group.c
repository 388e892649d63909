/* Asynchronous groups: what a launch costs the tick, how soon its results are there, and what is
 * won by running beside the ticks.
 *
 *     bench_group [options of bench.h] */
#define ECS_IMPLEMENTATION
#include "bench.h"

typedef struct { float x, y; } Place;
typedef struct { float x, y; } Speed;
typedef struct { float sum; } Found;
ECS_COMPONENT(Place, x, y);
ECS_COMPONENT(Speed, x, y);
ECS_COMPONENT(Found, sum);

enum { WORLDS = 3 };

typedef struct scene {
    ecs_world *worlds[WORLDS]; /* on two workers; blocking; a copy without bodies, blocking */
    unsigned char *from;       /* as many bytes as a launch copies */
    unsigned char *to;
    size_t bytes;
    uint32_t size;
} scene;

/* Multiply-adds that depend on each other, for each row. */
static float work_on(float x, float y)
{
    for (uint32_t i = 0; i < 64; i++) x = x * 0.999f + y;
    return x;
}

ECS_SYSTEM(search, READ(Place), READ(Speed))
{
    const Place *place = ecs_read(view, Place);
    const Speed *speed = ecs_read(view, Speed);
    float sum = 0;
    for (uint32_t i = 0; i < view->count; i++) sum += work_on(place[i].x, speed[i].y);
    return ecs_cmd_set(view->cmd, view->entities[0], Found, {sum});
}

ECS_SYSTEM(look_only, READ(Place), READ(Speed))
{
    bench_keep((uint64_t)view->count);
    return ECS_OK;
}

ECS_SYSTEM(walk, WRITE(Place), READ(Speed))
{
    Place *place = ecs_write(view, Place);
    const Speed *speed = ecs_read(view, Speed);
    for (uint32_t i = 0; i < view->count; i++) place[i].y = work_on(place[i].y, speed[i].x);
    return ECS_OK;
}

static void add_group(ecs_world *world, const ecs_system *system, bool asynchronous)
{
    ecs_group_desc group;
    ecs_system_desc desc;
    memset(&group, 0, sizeof group);
    group.name = "beside";
    group.asynchronous = asynchronous;
    group.copy_bytes_max = (size_t)64 << 20;
    bench_ok(ecs_group_add(world, &group), "ecs_group_add");
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.group = "beside";
    bench_ok(ecs_system_add_desc(world, &desc), "ecs_system_add_desc");
}

static void *open_scene(uint32_t size)
{
    scene *s = (scene *)calloc(1, sizeof *s);
    bench_need(s != NULL, "calloc");
    s->size = size;
    s->bytes = (size_t)size * (sizeof(ecs_entity) + sizeof(Place) + sizeof(Speed));
    s->from = (unsigned char *)bench_array(s->bytes, 1);
    s->to = (unsigned char *)bench_array(s->bytes, 1);
    memset(s->from, 1, s->bytes);
    memset(s->to, 2, s->bytes);
    for (uint32_t w = 0; w < WORLDS; w++) {
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        if (w == 0) {
            desc.backend = ECS_BACKEND_WORK_STEALING;
            desc.workers = 2;
            desc.share_ns = UINT32_MAX; /* the tick itself stays on its thread */
        }
        s->worlds[w] = ecs_world_create(&desc);
        bench_need(s->worlds[w] != NULL, "ecs_world_create");
        for (uint32_t i = 0; i < size; i++) {
            (void)ecs_spawn_with(s->worlds[w], (Place, {1, (float)i}), (Speed, {0.5f, 0.25f}));
        }
        add_group(s->worlds[w], w == 2 ? &look_only : &search, w != 1);
        if (w < 2) bench_ok(ecs_system_add(s->worlds[w], &walk, ECS_UPDATE), "ecs_system_add");
        bench_ok(ecs_tick(s->worlds[w], 0.015625f), "ecs_tick");
    }
    return s;
}

static void close_scene(void *state)
{
    scene *s = (scene *)state;
    for (uint32_t w = 0; w < WORLDS; w++) ecs_world_destroy(s->worlds[w]);
    free(s->from);
    free(s->to);
    free(s);
}

static double tick_pass(ecs_world *world, uint64_t repeats)
{
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_tick(world, 0.015625f), "ecs_tick");
    return bench_since(start);
}

/* Launch and results, run at once: all that the tick pays but the bodies. */
static double launch_pass(void *state, uint64_t repeats)
{
    return tick_pass(((scene *)state)->worlds[2], repeats);
}

static double copy_pass(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        memcpy(s->to, s->from, s->bytes);
        bench_keep_pointer(s->to);
    }
    return bench_since(start);
}

/* Two systems of the same cost: one beside the tick. */
static double beside_pass(void *state, uint64_t repeats)
{
    return tick_pass(((scene *)state)->worlds[0], repeats);
}

static double together_pass(void *state, uint64_t repeats)
{
    return tick_pass(((scene *)state)->worlds[1], repeats);
}

/* From the end of the tick that launches until the results are there. */
static double latency_pass(void *state, uint64_t repeats)
{
    ecs_world *world = ((scene *)state)->worlds[0];
    double total = 0;
    bench_ok(ecs_system_enable(world, "walk", false), "ecs_system_enable");
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        bench_ok(ecs_tick(world, 0.015625f), "ecs_tick");
        start = bench_now_ns();
        while (!ecs_launch_ended(world, ecs_group_last(world, "beside"))) ecsi_pause();
        total += bench_since(start);
    }
    bench_ok(ecs_system_enable(world, "walk", true), "ecs_system_enable");
    return total;
}

static const uint32_t sizes[] = {1000, 10000, 100000, 0};
static const uint32_t sizes_small[] = {1, 0};

#define CASE(name, text, subject, limit, sizes) \
    {name, text, open_scene, close_scene, NULL, subject, limit, sizes, BENCH_REPEAT, 0, 0, 0}

static const bench_case cases[] = {
    CASE("group_launch", "memcpy", launch_pass, copy_pass, sizes),
    CASE("group_beside", "one after the other", beside_pass, together_pass, sizes),
    CASE("group_latency", NULL, latency_pass, NULL, sizes_small),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, (uint32_t)(sizeof cases / sizeof cases[0]));
}
