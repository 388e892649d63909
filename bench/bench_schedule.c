/* The schedule and what hangs on it: ticks, systems, flushes, events, queries. For most of
 * these there is no array loop to compare with; where a plain call or a plain buffer does the
 * same, it is the limit. Items are systems, events, commands or queries: see README.md. */
#define ECS_IMPLEMENTATION
#include "bench.h"

enum {
    SYSTEMS_MAX = 1000,
    PARTS = 16, /* components that the systems share, so that they conflict */
    QUERIES = 100,
    SPAWNS_MAX = 262144, /* of one stream between two flushes: stream_spawns_max */
    NAME_BYTES = 16
};

#define STEP_S 0.015625f

typedef struct { float v; } Value;
ECS_COMPONENT(Value, v);
typedef struct { uint32_t number; float weight; } Ping;
ECS_EVENT(Ping, number, weight);

ECS_QUERY(values, READ(Value));

typedef struct scene {
    uint32_t count;
    ecs_world *world;
    ecs_entity *handles;
    ecs_component *parts;
    ecs_event_reader reader;
    Ping *pings;
    float *weights;
    uint64_t sum;
    ecs_status (*run[SYSTEMS_MAX])(const ecs_view *view);
    char names[SYSTEMS_MAX][NAME_BYTES];
} scene;

static ecs_world *world_new(void)
{
    ecs_world_desc desc = {0};
    ecs_world *world;
    desc.components_max = 4096;
    desc.systems_max = 2048;
    world = ecs_world_create(&desc);
    bench_need(world != NULL, "ecs_world_create");
    return world;
}

static void *open_bare(uint32_t count)
{
    scene *s = (scene *)calloc(1, sizeof *s);
    bench_need(s != NULL, "calloc");
    s->count = count;
    s->world = world_new();
    s->handles = (ecs_entity *)bench_array(count, sizeof(ecs_entity));
    s->parts = (ecs_component *)bench_array(count, sizeof(ecs_component));
    s->pings = (Ping *)bench_array(count, sizeof(Ping));
    s->weights = (float *)bench_array(count, sizeof(float));
    for (uint32_t i = 0; i < SYSTEMS_MAX; i++) {
        (void)snprintf(s->names[i], NAME_BYTES, "part_%" PRIu32, i);
    }
    return s;
}

static void scene_close(void *state)
{
    scene *s = (scene *)state;
    ecs_world_destroy(s->world);
    free(s->handles);
    free(s->parts);
    free(s->pings);
    free(s->weights);
    free(s);
}

static void define_parts(scene *s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ecs_type type = {0};
        type.name = s->names[i];
        type.bytes = sizeof(float);
        type.align = (uint32_t)_Alignof(float);
        bench_ok(ecs_component_define(s->world, &type, &s->parts[i]), "define");
    }
}

/* ---- Ticks -------------------------------------------------------------------------- */

static double tick_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_tick(s->world, STEP_S), "ecs_tick");
    return bench_since(start);
}

static ecs_status run_empty(const ecs_view *view)
{
    *(uint64_t *)view->user += view->count;
    return ECS_OK;
}

/* `term_count` 0: a task, called without rows. */
static void add_system(scene *s, uint32_t i, const ecs_term *terms, uint32_t term_count)
{
    ecs_system system = {0};
    ecs_system_desc desc = {0};
    system.name = s->names[i];
    system.terms = term_count > 0 ? terms : NULL;
    system.term_count = term_count;
    system.run = run_empty;
    desc.system = &system;
    desc.user = &s->sum;
    bench_ok(ecs_system_add_desc(s->world, &desc), "ecs_system_add_desc");
    s->run[i] = run_empty;
}

/* Each system has a component and an entity of its own. */
static void *open_systems(uint32_t count)
{
    scene *s = (scene *)open_bare(count);
    define_parts(s, count);
    for (uint32_t i = 0; i < count; i++) {
        ecs_term term = {0};
        term.component = s->parts[i];
        term.access = ECS_ACCESS_READ;
        s->handles[i] = ecs_spawn(s->world);
        bench_ok(ecs_add_id(s->world, s->handles[i], s->parts[i]), "add");
        add_system(s, i, &term, 1);
    }
    return s;
}

/* The same without any entity: nothing to call. */
static void *open_systems_unmatched(uint32_t count)
{
    scene *s = (scene *)open_bare(count);
    define_parts(s, count);
    for (uint32_t i = 0; i < count; i++) {
        ecs_term term = {0};
        term.component = s->parts[i];
        term.access = ECS_ACCESS_READ;
        add_system(s, i, &term, 1);
    }
    return s;
}

static void *open_tasks(uint32_t count)
{
    scene *s = (scene *)open_bare(count);
    for (uint32_t i = 0; i < count; i++) add_system(s, i, NULL, 0);
    return s;
}

static double calls_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ecs_view view;
    uint64_t start;
    uint64_t sum = 0;
    memset(&view, 0, sizeof view);
    view.user = &sum;
    start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->count; i++) (void)s->run[i](&view);
        bench_barrier();
    }
    return bench_since(start);
}

/* ---- Building ------------------------------------------------------------------------- */

/* Systems that write one of 16 components and read another. */
static void systems_again(scene *s)
{
    ecs_world_destroy(s->world);
    s->world = world_new();
    define_parts(s, s->count < PARTS ? s->count : PARTS);
}

static void add_conflicting(scene *s)
{
    uint32_t parts = s->count < PARTS ? s->count : PARTS;
    for (uint32_t i = 0; i < s->count; i++) {
        ecs_term terms[2] = {{0}, {0}};
        terms[0].component = s->parts[i % parts];
        terms[0].access = ECS_ACCESS_WRITE;
        terms[1].component = s->parts[(i * 7 + 3 + (i * 6 + 3) / parts) % parts];
        terms[1].access = ECS_ACCESS_READ;
        add_system(s, i, terms, terms[0].component.id == terms[1].component.id ? 1 : 2);
    }
}

static double system_add_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        systems_again(s);
        start = bench_now_ns();
        add_conflicting(s);
        elapsed_ns += bench_since(start);
    }
    return elapsed_ns;
}

static double schedule_build_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        systems_again(s);
        add_conflicting(s);
        start = bench_now_ns();
        bench_ok(ecs_schedule_build(s->world), "ecs_schedule_build");
        elapsed_ns += bench_since(start);
    }
    return elapsed_ns;
}

static double world_new_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        ecs_world_destroy(s->world);
        s->world = ecs_world_create(NULL);
    }
    return bench_since(start);
}

/* ---- Commands --------------------------------------------------------------------------- */

static void *open_values(uint32_t count)
{
    scene *s = (scene *)open_bare(count);
    for (uint32_t i = 0; i < count; i++) {
        s->handles[i] = ecs_spawn_with(s->world, (Value, {1.0f}));
    }
    return s;
}

static double flush_empty_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_flush(s->world), "ecs_flush");
    return bench_since(start);
}

/* Sets a component that is there already: recording and flush, but no move. */
static double command_set_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ecs_commands *cmd = ecs_world_commands(s->world);
    uint64_t start = bench_now_ns();
    double elapsed_ns;
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->count; i++) {
            (void)ecs_cmd_set(cmd, s->handles[i], Value, {2.0f});
        }
        bench_ok(ecs_flush(s->world), "ecs_flush");
    }
    elapsed_ns = bench_since(start);
    bench_none_refused(s->world);
    return elapsed_ns;
}

/* The values into a queue, and from there into the array. */
static double command_set_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->count; i++) s->pings[i] = (Ping){i, 2.0f};
        bench_barrier();
        for (uint32_t i = 0; i < s->count; i++) {
            s->weights[s->pings[i].number] = s->pings[i].weight;
        }
        bench_barrier();
    }
    return bench_since(start);
}

static void record_spawns(ecs_world *world, uint32_t count)
{
    ecs_commands *cmd = ecs_world_commands(world);
    for (uint32_t i = 0; i < count; i++) (void)ecs_cmd_spawn_with(cmd, (Value, {1.0f}));
}

/* Spawns of one component, then in another flush their despawns: the figure is for the pair.
 * One stream takes SPAWNS_MAX spawns, so that a larger size is flushed in portions. */
static double command_spawn_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    ecs_commands *cmd = ecs_world_commands(s->world);
    uint64_t start = bench_now_ns();
    double elapsed_ns;
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t done = 0; done < s->count; done += SPAWNS_MAX) {
            uint32_t left = s->count - done;
            record_spawns(s->world, left < SPAWNS_MAX ? left : SPAWNS_MAX);
            bench_ok(ecs_flush(s->world), "ecs_flush");
        }
        bench_need(ecs_entity_count(s->world) == s->count, "all are spawned");
        ECS_EACH(s->world, values, view) {
            for (uint32_t i = 0; i < view->count; i++) {
                (void)ecs_cmd_despawn(cmd, view->entities[i]);
            }
        }
        bench_ok(ecs_flush(s->world), "ecs_flush");
    }
    elapsed_ns = bench_since(start);
    bench_need(ecs_entity_count(s->world) == 0, "all spawned are despawned");
    bench_none_refused(s->world);
    return elapsed_ns;
}

/* ---- Events ------------------------------------------------------------------------------- */

#ifndef ECS_NO_EVENTS
static void *open_events(uint32_t count)
{
    scene *s = (scene *)open_bare(count);
    ecs_event_desc desc = {0};
    desc.capacity = count;
    bench_ok(ecs_event_configure(s->world, Ping, &desc), "ecs_event_configure");
    s->reader = ecs_event_reader_open(s->world, Ping);
    return s;
}

static double events_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        const Ping *ping;
        ecs_events events;
        for (uint32_t i = 0; i < s->count; i++) {
            (void)ecs_event_send(s->world, Ping, {i, 1.0f});
        }
        events = ecs_event_read(s->world, s->reader);
        ping = (const Ping *)events.data;
        bench_need(events.count == s->count, "all events are read");
        for (uint32_t i = 0; i < events.count; i++) s->sum += ping[i].number;
        bench_barrier();
    }
    return bench_since(start);
}

static double events_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t sum = 0; /* not the scene's: that one is what the subject heard */
        for (uint32_t i = 0; i < s->count; i++) s->pings[i] = (Ping){i, 1.0f};
        bench_barrier();
        for (uint32_t i = 0; i < s->count; i++) sum += s->pings[i].number;
        bench_keep(sum);
    }
    return bench_since(start);
}

ECS_SYSTEM(shout, READ(Value), EMIT(Ping))
{
    for (uint32_t i = 0; i < view->count; i++) {
        (void)ecs_emit(view, Ping, {view->base + i, 1.0f});
    }
    return ECS_OK;
}

ECS_SYSTEM(hear, ON(Ping))
{
    const Ping *ping = ecs_on(view, Ping);
    uint64_t *sum = (uint64_t *)view->user;
    for (uint32_t i = 0; i < ecs_on_count(view, Ping); i++) *sum += ping[i].number;
    return ECS_OK;
}

/* From one system to another, through streams and the merge at the end of the phase. */
static void *open_emit(uint32_t count)
{
    scene *s = (scene *)open_events(count);
    ecs_system_desc desc = {0};
    for (uint32_t i = 0; i < count; i++) (void)ecs_spawn_with(s->world, (Value, {1.0f}));
    bench_ok(ecs_event_reader_close(s->world, s->reader), "ecs_event_reader_close");
    bench_ok(ecs_system_add(s->world, &shout, ECS_UPDATE), "add shout");
    desc.system = &hear;
    desc.phase = ECS_POST_UPDATE;
    desc.user = &s->sum;
    bench_ok(ecs_system_add_desc(s->world, &desc), "add hear");
    return s;
}

static double emit_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = tick_subject(state, repeats);
    uint64_t each = (uint64_t)s->count * (s->count - 1) / 2;
    /* The ticks since the scene was opened, each of which emits all and hears all. */
    bench_need(s->sum == each * ecs_world_tick(s->world), "all emitted events are heard once");
    return elapsed_ns;
}
#endif

/* ---- Queries ------------------------------------------------------------------------------- */

/* A fresh world with one entity in each of `count` tables that share a component. */
static void tables_again(scene *s)
{
    ecs_world_destroy(s->world);
    s->world = world_new();
    define_parts(s, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        s->handles[i] = ecs_spawn_with(s->world, (Value, {1.0f}));
        bench_ok(ecs_add_id(s->world, s->handles[i], s->parts[i]), "add");
    }
}

/* A query at run time and the first walk over it; a hundred of them, because a query lives
 * as long as its world. */
static double query_build_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        ecs_term term = {0};
        ecs_query_info info = {0};
        tables_again(s);
        term.type = ecs_type_of(Value);
        term.access = ECS_ACCESS_READ;
        info.name = "built";
        info.terms = &term;
        info.term_count = 1;
        start = bench_now_ns();
        for (uint32_t i = 0; i < QUERIES; i++) {
            ecs_query query;
            ecs_iter iter;
            bench_ok(ecs_query_make(s->world, &info, &query), "ecs_query_make");
            ecs_iter_begin_const(s->world, query, &iter);
            while (ecs_iter_next(&iter)) s->sum += iter.count;
        }
        elapsed_ns += bench_since(start);
    }
    return elapsed_ns;
}

/* New tables in a world that has a hundred queries already, none of which matches. */
static double table_new_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    double elapsed_ns = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint64_t start;
        ecs_world_destroy(s->world);
        s->world = world_new();
        define_parts(s, s->count);
        for (uint32_t i = 0; i < QUERIES; i++) {
            ecs_term term = {ecs_type_of(Value), {0}, ECS_ACCESS_READ};
            ecs_query_info info = {"built", &term, 1};
            ecs_query query;
            bench_ok(ecs_query_make(s->world, &info, &query), "ecs_query_make");
        }
        for (uint32_t i = 0; i < s->count; i++) s->handles[i] = ecs_spawn(s->world);
        start = bench_now_ns();
        for (uint32_t i = 0; i < s->count; i++) {
            bench_ok(ecs_add_id(s->world, s->handles[i], s->parts[i]), "add");
        }
        elapsed_ns += bench_since(start);
    }
    return elapsed_ns;
}

/* ---- The list ------------------------------------------------------------------------------- */

static const uint32_t sizes_one[] = {1, 0};
static const uint32_t sizes_systems[] = {10, 100, 1000, 0};
static const uint32_t sizes_tables[] = {26, 1000, 0};

#define CASE(n, text, open, subject, limit, sizes, kind, items) \
    {n, text, open, scene_close, NULL, subject, limit, sizes, kind, items, 0, 0}

static const bench_case cases[] = {
    CASE("tick_empty", NULL, open_bare, tick_subject, NULL, sizes_one, BENCH_REPEAT, 1),
    CASE("tick_systems", "calls by pointer", open_systems, tick_subject, calls_limit,
         sizes_systems, BENCH_REPEAT, 0),
    CASE("tick_unmatched", NULL, open_systems_unmatched, tick_subject, NULL, sizes_systems,
         BENCH_REPEAT, 0),
    CASE("tick_tasks", "calls by pointer", open_tasks, tick_subject, calls_limit,
         sizes_systems, BENCH_REPEAT, 0),
    CASE("system_add", NULL, open_bare, system_add_subject, NULL, sizes_systems, BENCH_ONCE, 0),
    CASE("schedule_build", NULL, open_bare, schedule_build_subject, NULL, sizes_systems,
         BENCH_ONCE, 0),
    CASE("world_new", NULL, open_bare, world_new_subject, NULL, sizes_one, BENCH_REPEAT, 1),
    CASE("flush_empty", NULL, open_bare, flush_empty_subject, NULL, sizes_one, BENCH_REPEAT, 1),
    CASE("command_set", "a queue of pairs", open_values, command_set_subject, command_set_limit,
         bench_sizes, BENCH_REPEAT, 0),
    CASE("command_spawn", NULL, open_bare, command_spawn_subject, NULL, bench_sizes,
         BENCH_REPEAT, 0),
#ifndef ECS_NO_EVENTS
    CASE("events", "a plain array", open_events, events_subject, events_limit, bench_sizes,
         BENCH_REPEAT, 0),
    CASE("events_emit", "a plain array", open_emit, emit_subject, events_limit, bench_sizes,
         BENCH_REPEAT, 0),
#endif
    CASE("query_build", NULL, open_bare, query_build_subject, NULL, sizes_tables, BENCH_ONCE,
         QUERIES),
    CASE("table_new", NULL, open_bare, table_new_subject, NULL, sizes_tables, BENCH_ONCE, 0),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, (uint32_t)(sizeof cases / sizeof cases[0]));
}
