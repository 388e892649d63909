/* Worlds together: entities that go from one world to another and back, in batches as the
 * coordinator sends them, and by calls of one thread or two. An item is one transfer. The limit is
 * a despawn and a spawn of the same entity in one world: what is to be done at both ends anyway. */
#define ECS_IMPLEMENTATION
#include "bench.h"

#include <pthread.h>

enum { TRAVELLERS_MAX = 4096 };

typedef struct { float x, y, z; } Place;        ECS_COMPONENT(Place, x, y, z);
typedef struct { uint64_t number; } Number;     ECS_COMPONENT(Number, number);

typedef struct scene {
    ecs_worlds *worlds;
    ecs_world *world[2];
    uint32_t size;
    uint32_t from; /* of the next pass */
    uint64_t repeats;
    ecsi_atomic_u32 ready; /* threads that have sent all that they should */
    ecs_entity *entities;
} scene;

static void travel(scene *s, const char *from, const char *to)
{
    ecs_route_desc route;
    memset(&route, 0, sizeof route);
    route.from = from;
    route.to = to;
    bench_ok(ecs_worlds_route(s->worlds, &route), "route");
}

/* So many in each world: a pass moves as many, from one and then from the other. */
static void *open_scene(uint32_t size)
{
    static const char *const names[] = {"a", "b"};
    scene *s = (scene *)bench_array(1, sizeof *s);
    ecs_worlds_desc desc;
    memset(&desc, 0, sizeof desc);
    bench_need(size <= TRAVELLERS_MAX, "travellers");
    s->size = size;
    s->worlds = ecs_worlds_create(&desc);
    bench_need(s->worlds != NULL, "ecs_worlds_create");
    s->entities = (ecs_entity *)bench_array(size, sizeof *s->entities);
    for (uint32_t w = 0; w < 2; w++) {
        ecs_worlds_member_desc member;
        memset(&member, 0, sizeof member);
        member.name = names[w];
        s->world[w] = ecs_world_create(NULL);
        bench_need(s->world[w] != NULL, "ecs_world_create");
        bench_ok(ecs_component_register(s->world[w], ecs_type_of(Place), NULL), "register");
        bench_ok(ecs_component_register(s->world[w], ecs_type_of(Number), NULL), "register");
        for (uint32_t i = 0; i < size; i++) {
            ecs_spawn_with(s->world[w], (Place, {1, 2, 3}), (Number, {i}));
        }
        bench_ok(ecs_worlds_add(s->worlds, s->world[w], &member), "add");
    }
    travel(s, "a", "b");
    travel(s, "b", "a");
    return s;
}

static void close_scene(void *state)
{
    scene *s = (scene *)state;
    bench_need(ecs_worlds_settle(s->worlds) == 0, "settle");
    bench_ok(ecs_worlds_destroy(s->worlds), "ecs_worlds_destroy");
    for (uint32_t w = 0; w < 2; w++) ecs_world_destroy(s->world[w]);
    free(s->entities);
    free(s);
}

static uint32_t collect(const scene *s, uint32_t w, ecs_entity *out, uint32_t max)
{
    uint32_t count = 0;
    ecs_entity e = ecs_entity_next(s->world[w], ecs_null());
    for (; !ecs_is_null(e) && count < max; e = ecs_entity_next(s->world[w], e)) out[count++] = e;
    return count;
}

/* One thread, one call for each. */
static double calls_pass(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double total = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint32_t from = s->from;
        uint32_t count = collect(s, from, s->entities, s->size);
        uint64_t start = bench_now_ns();
        for (uint32_t i = 0; i < count; i++) {
            bench_ok(ecs_worlds_send(s->worlds, s->world[from], s->entities[i], 2 - from), "send");
        }
        bench_need(ecs_worlds_receive(s->worlds, s->world[1 - from]) == count, "receive");
        total += bench_since(start);
        s->from = 1 - from;
    }
    return total;
}

/* The same as batches of 64. */
static double batches_pass(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double total = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint32_t from = s->from;
        uint32_t count = collect(s, from, s->entities, s->size);
        uint64_t start = bench_now_ns();
        for (uint32_t i = 0; i < count; i += 64) {
            uint32_t n = count - i < 64 ? count - i : 64;
            bench_ok(ecs_worlds_send_group(s->worlds, s->world[from], &s->entities[i], n, 2 - from),
                     "send");
        }
        bench_need(ecs_worlds_receive(s->worlds, s->world[1 - from]) == count, "receive");
        total += bench_since(start);
        s->from = 1 - from;
    }
    return total;
}

static double limit_pass(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double total = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint32_t from = s->from;
        uint32_t count = collect(s, from, s->entities, s->size);
        uint64_t start = bench_now_ns();
        for (uint32_t i = 0; i < count; i++) {
            bench_ok(ecs_despawn(s->world[from], s->entities[i]), "despawn");
        }
        for (uint32_t i = 0; i < count; i++) {
            ecs_spawn_with(s->world[from], (Place, {1, 2, 3}), (Number, {i}));
        }
        total += bench_since(start);
    }
    return total;
}

/* ---- two threads --------------------------------------------------------------------------- */

typedef struct side {
    scene *s;
    uint32_t w;
} side;

/* Sends its share, takes what comes, and goes on taking until the other one has sent all. */
static void *side_work(void *data)
{
    const side *me = (const side *)data;
    scene *s = me->s;
    ecs_world *world = s->world[me->w];
    uint64_t left = s->repeats * (s->size / 2);
    while (ECSI_LOAD(&s->ready, acquire) < 2) {
        ecs_entity batch[64];
        uint32_t n = collect(s, me->w, batch, left < 64 ? (uint32_t)left : 64);
        ecs_status status = ECS_FULL;
        if (n > 0) status = ecs_worlds_send_group(s->worlds, world, batch, n, 2 - me->w);
        if (status == ECS_OK) left -= n;
        if (status != ECS_FULL) bench_ok(status, "send");
        if (left == 0 && status == ECS_OK) (void)ECSI_ADD(&s->ready, 1u, release);
        if (ecs_worlds_receive(s->worlds, world) == 0 && status == ECS_FULL) ecsi_yield();
    }
    return NULL;
}

/* Each thread owns a world. */
static double threads_pass(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    side sides[2] = {{s, 0}, {s, 1}};
    uint64_t start;
    double total;
    pthread_t other;
    s->repeats = repeats;
    ECSI_STORE(&s->ready, 0u, relaxed);
    start = bench_now_ns();
    bench_need(pthread_create(&other, NULL, side_work, &sides[1]) == 0, "pthread_create");
    (void)side_work(&sides[0]);
    (void)pthread_join(other, NULL);
    total = bench_since(start);
    bench_need(ecs_worlds_settle(s->worlds) == 0, "settle");
    return total;
}

static const uint32_t sizes[] = {64, 4096, 0};
static const uint32_t sizes_large[] = {4096, 0};

#define CASE(name, text, subject, limit, sizes) \
    {name, text, open_scene, close_scene, NULL, subject, limit, sizes, BENCH_REPEAT, 0, 0, 0}

static const bench_case cases[] = {
    CASE("transfer_calls", "despawn and spawn", calls_pass, limit_pass, sizes),
    CASE("transfer_batches", "despawn and spawn", batches_pass, limit_pass, sizes),
    CASE("transfer_two_threads", NULL, threads_pass, NULL, sizes_large),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, (uint32_t)(sizeof cases / sizeof cases[0]));
}
