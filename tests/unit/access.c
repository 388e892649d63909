/* access.c: systems that touch what they did not declare are caught on the access, with system
 * and component named, on every worker, and counted; what is declared is not.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

#if !defined(ECS_NO_THREADS) && !defined(_WIN32)
#include <pthread.h>
#define THREADS 1
#else
#define THREADS 0
#endif

typedef struct A { uint64_t value; } A;
ECS_COMPONENT(A, value);
typedef struct B { uint64_t value; } B;
ECS_COMPONENT(B, value);
typedef struct C { uint64_t value; } C;
ECS_COMPONENT(C, value);
typedef struct Score { uint64_t value; } Score;
ECS_RESOURCE(Score, value);
ECS_QUERY(all_b, READ(B));
ECS_QUERY(write_b, WRITE(B));

enum { ROWS = 500, BLOCK = 64, BLOCKS = 8, ITEMS = 64 };

static char logged[16384];
static bool log_taken; /* any worker logs */

static void keep_log(ecs_log_level level, const char *line, void *user)
{
    (void)level;
    (void)user;
    while (__atomic_exchange_n(&log_taken, true, __ATOMIC_ACQUIRE)) continue;
    size_t at = strlen(logged);
    snprintf(logged + at, sizeof logged - at, "%s\n", line);
    __atomic_store_n(&log_taken, false, __ATOMIC_RELEASE);
}

/* What a system answers to the test, and what it needs. */
typedef struct probe {
    ecs_world *world;
    ecs_commands *cmd;
    ecs_entity e;
    ECS_GETTER(B) b;
    uint32_t refused; /* counted by atomics: row blocks may run at the same time */
    uint32_t allowed;
    uint32_t threads;
} probe;

static void note(probe *p, bool allowed)
{
    __atomic_fetch_add(allowed ? &p->allowed : &p->refused, 1u, __ATOMIC_RELAXED);
}

static ecs_world_desc desc_of(ecs_access_check check, uint32_t workers)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.check_access = check;
    desc.log = keep_log;
    desc.row_block_rows = BLOCK;
    if (workers > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = workers;
        desc.share_ns = 1;
    }
    return desc;
}

static ecs_world *world_of(const ecs_world_desc *desc, probe *p)
{
    ecs_world *world = ecs_world_create(desc);
    REQUIRE(world != NULL);
    logged[0] = 0;
    memset(p, 0, sizeof *p);
    for (uint64_t i = 0; i < ROWS; i++) {
        p->e = ecs_spawn_with(world, (A, {i}), (B, {i}), (C, {i}));
        REQUIRE(!ecs_is_null(p->e));
    }
    REQUIRE_STATUS(ecs_resource_set(world, Score, {7}), ECS_OK);
    p->world = world;
    p->cmd = ecs_world_commands(world);
    p->b = ecs_getter_bind(world, B);
    return world;
}

static ecs_world *world_make(ecs_access_check check, uint32_t workers, probe *p)
{
    ecs_world_desc desc = desc_of(check, workers);
    return world_of(&desc, p);
}

static void add(ecs_world *world, const ecs_system *system, probe *p)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.user = p;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

static uint64_t found(const ecs_world *world)
{
    return ecs_tick_last(world)->access_violations;
}

static uint32_t lines(void)
{
    uint32_t count = 0;
    for (const char *at = logged; *at != 0; at++) count += *at == '\n' ? 1u : 0u;
    return count;
}

/* One world, one system, one tick: how often it was refused, and what the log says of it. */
static void expect_refused(const ecs_system *system, uint32_t times, const char *line)
{
    for (uint32_t workers = 0; workers <= 4; workers += 4) {
        probe p;
        ecs_world *world = world_make(ECS_CHECK_REPORT, workers, &p);
        add(world, system, &p);
        CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
        CHECK_EQ_U64(p.refused, times);
        CHECK_EQ_U64(p.allowed, 0);
        CHECK_EQ_U64(found(world), times);
        CHECK_STR(logged, line);
        CHECK_STATUS(ecs_tick(world, 1), ECS_OK); /* logged once, counted again */
        CHECK_EQ_U64(found(world), times);
        CHECK_EQ_U64(ecs_world_stats(world).access_violations, 2 * times);
        CHECK_STR(logged, line);
        ecs_world_destroy(world);
    }
}

static void expect_allowed(const ecs_system *system, uint32_t times)
{
    for (uint32_t workers = 0; workers <= 4; workers += 4) {
        probe p;
        ecs_world *world = world_make(ECS_CHECK_REPORT, workers, &p);
        add(world, system, &p);
        CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
        CHECK_EQ_U64(p.refused, 0);
        CHECK_EQ_U64(p.allowed, times);
        CHECK_EQ_U64(found(world), 0);
        CHECK_STR(logged, "");
        ecs_world_destroy(world);
    }
}

/* The program dies when a world that stops runs this system. */
static void die_of(const ecs_system *system)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_STOP, 0, &p);
    add(world, system, &p);
    (void)ecs_tick(world, 1);
    CHECK_EQ_U64(p.refused + p.allowed, UINT32_MAX); /* not reached */
}

/* ---- Values of the world ----------------------------------------------------------------- */

ECS_SYSTEM(gets, READ(A))
{
    probe *p = (probe *)view->user;
    note(p, ecs_get(view->world, p->e, B) != NULL);
    return ECS_OK;
}

TEST(access_get_of_undeclared_is_refused_and_named)
{
    expect_refused(&gets, BLOCKS,
                   "access: system gets reads B, which it does not declare: READ or LOOKUP\n");
}

TEST_DEATH(access_get_of_undeclared_stops)
{
    die_of(&gets);
}

ECS_SYSTEM(gets_with, WITH(B))
{
    probe *p = (probe *)view->user;
    note(p, ecs_get_id(view->world, p->e, ecs_component_id(view->world, B)) != NULL);
    return ECS_OK;
}

TEST(access_with_is_not_reading)
{
    expect_refused(&gets_with, BLOCKS,
                   "access: system gets_with reads B, which it does not declare: READ or LOOKUP\n");
}

ECS_SYSTEM(gets_declared, READ(A), OPTIONAL(C), LOOKUP(B))
{
    probe *p = (probe *)view->user;
    note(p, ecs_get(view->world, p->e, A) != NULL);
    note(p, ecs_get(view->world, p->e, B) != NULL);
    note(p, ecs_get(view->world, p->e, C) != NULL);
    note(p, ecs_lookup(view, B, p->e) != NULL);
    note(p, ecs_getter_get(p->b, B, p->e) != NULL);
    ECS_EACH_CONST(view->world, all_b, b) note(p, b->count > 0);
    return ECS_OK;
}

TEST(access_declared_reads_are_allowed)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    (void)ecs_query_of(world, &all_b);
    add(world, &gets_declared, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, BLOCKS * (5 + BLOCKS));
    CHECK_EQ_U64(p.refused, 0);
    CHECK_EQ_U64(found(world), 0);
    CHECK_STR(logged, "");
    ecs_world_destroy(world);
}

ECS_SYSTEM(gets_own, WRITE(B))
{
    probe *p = (probe *)view->user;
    note(p, ecs_get(view->world, p->e, B) != NULL);
    return ECS_OK;
}

TEST(access_get_of_what_other_row_blocks_write_is_refused)
{
    expect_refused(&gets_own, BLOCKS,
                   "access: system gets_own reads B of other entities while its own row blocks "
                   "write it: declare LOOKUP as well\n");
}

ECS_SYSTEM(gets_own_lookup, WRITE(B), LOOKUP(B))
{
    probe *p = (probe *)view->user;
    note(p, ecs_get(view->world, p->e, B) != NULL);
    return ECS_OK;
}

TEST(access_get_of_what_it_writes_unsplit_is_allowed)
{
    probe p;
    ecs_system_desc desc;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    expect_allowed(&gets_own_lookup, BLOCKS);
    memset(&desc, 0, sizeof desc);
    desc.system = &gets_own;
    desc.unsplit = true;
    desc.user = &p;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, BLOCKS);
    CHECK_EQ_U64(found(world), 0);
    ecs_world_destroy(world);
}

ECS_SYSTEM(getters, READ(A))
{
    probe *p = (probe *)view->user;
    note(p, ecs_getter_get(p->b, B, p->e) != NULL);
    return ECS_OK;
}

TEST(access_getter_bound_outside_is_refused_inside)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    expect_refused(&getters, BLOCKS,
                   "access: system getters reads B, which it does not declare: READ or LOOKUP\n");
    /* Outside it finds what a plain getter finds. */
    const B *b = ecs_getter_get(p.b, B, p.e);
    REQUIRE(b != NULL);
    CHECK_EQ_U64(b->value, ROWS - 1);
    CHECK(b == ecs_get(world, p.e, B));
    CHECK(ecs_getter_get(p.b, B, ecs_null()) == NULL);
    REQUIRE_STATUS(ecs_remove(world, p.e, B), ECS_OK);
    CHECK(ecs_getter_get(p.b, B, p.e) == NULL);
    REQUIRE_STATUS(ecs_despawn(world, p.e), ECS_OK);
    CHECK(ecs_getter_get(p.b, B, p.e) == NULL);
    ecs_world_destroy(world);
}

TEST_DEATH(access_getter_bound_outside_stops)
{
    die_of(&getters);
}

ECS_SYSTEM(iterates, READ(A))
{
    probe *p = (probe *)view->user;
    uint32_t spans = 0;
    ecs_slice slice;
    ECS_EACH_CONST(view->world, all_b, b) spans++;
    note(p, spans > 0);
    note(p, ecs_query_slices(view->world, ecs_query_find(view->world, &all_b), 0, &slice, 1) > 0);
    return ECS_OK;
}

TEST(access_queries_of_undeclared_find_nothing)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 4, &p);
    (void)ecs_query_of(world, &all_b);
    add(world, &iterates, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.refused, 2 * BLOCKS);
    CHECK_EQ_U64(found(world), 2 * BLOCKS);
    CHECK_STR(logged,
              "access: system iterates reads B, which it does not declare: READ or LOOKUP\n");
    ecs_world_destroy(world);
}

/* ---- Resources and events ---------------------------------------------------------------- */

ECS_SYSTEM(scores, READ(A))
{
    note((probe *)view->user, ecs_resource_get(view->world, Score) != NULL);
    return ECS_OK;
}

TEST(access_resource_undeclared_is_refused)
{
    expect_refused(&scores, BLOCKS, "access: system scores reads the resource Score, which it "
                                    "does not declare: RES_READ\n");
}

TEST_DEATH(access_resource_undeclared_stops)
{
    die_of(&scores);
}

ECS_SYSTEM(scores_declared, READ(A), RES_READ(Score))
{
    note((probe *)view->user, ecs_resource_get(view->world, Score) != NULL);
    return ECS_OK;
}

ECS_SYSTEM(scores_written, READ(A), RES_WRITE(Score))
{
    ecs_res_write(view, Score)->value++;
    note((probe *)view->user, ecs_resource_get(view->world, Score) != NULL);
    return ECS_OK;
}

TEST(access_resource_declared_is_allowed)
{
    expect_allowed(&scores_declared, BLOCKS);
    expect_allowed(&scores_written, BLOCKS);
}

#ifndef ECS_NO_EVENTS
typedef struct Ping { uint64_t value; } Ping;
ECS_EVENT(Ping, value);

ECS_SYSTEM(emits, READ(A))
{
    Ping ping = {1};
    ecs_status status = ecs_cmd_emit_type(view->cmd, ecs_type_of(Ping), &ping);
    CHECK_STATUS(status, ECS_INVALID);
    note((probe *)view->user, status == ECS_OK);
    return ECS_OK;
}

ECS_SYSTEM(emits_declared, READ(A), EMIT(Ping))
{
    Ping ping = {1};
    note((probe *)view->user,
         ecs_cmd_emit_type(view->cmd, ecs_type_of(Ping), &ping) == ECS_OK);
    return ECS_OK;
}

TEST(access_emit_without_declaring_is_refused)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    ecs_event_reader reader = ecs_event_reader_open(world, Ping);
    add(world, &emits, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.refused, BLOCKS);
    CHECK_EQ_U64(found(world), BLOCKS);
    CHECK_STR(logged,
              "access: system emits emits the event Ping, which it does not declare: EMIT\n");
    CHECK_EQ_U64(ecs_event_read(world, reader).count, 0);
    add(world, &emits_declared, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, BLOCKS);
    CHECK_EQ_U64(found(world), BLOCKS);
    CHECK_EQ_U64(ecs_event_read(world, reader).count, BLOCKS);
    ecs_world_destroy(world);
}

static void emit_death(void)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_STOP, 0, &p);
    (void)ecs_event_reader_open(world, Ping);
    add(world, &emits, &p);
    (void)ecs_tick(world, 1);
}

TEST_DEATH(access_emit_without_declaring_stops)
{
    emit_death();
}

static ecs_event_reader reader_outside;

ECS_SYSTEM(reads_events, READ(A))
{
    probe *p = (probe *)view->user;
    note(p, ecs_event_read(p->world, reader_outside).count > 0);
    return ECS_OK;
}

TEST(access_events_of_an_outside_reader_stay_unread)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    reader_outside = ecs_event_reader_open(world, Ping);
    REQUIRE_STATUS(ecs_event_send(world, Ping, {5}), ECS_OK);
    add(world, &reads_events, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.refused, BLOCKS);
    CHECK_STR(logged, "access: system reads_events reads the events Ping from the world: "
                      "declare ON\n");
    CHECK_EQ_U64(ecs_event_read(world, reader_outside).count, 1);
    ecs_world_destroy(world);
}
#endif

/* ---- A mutable world from elsewhere ------------------------------------------------------ */

ECS_SYSTEM(mutates, READ(B))
{
    probe *p = (probe *)view->user;
    uint32_t spans = 0;
    note(p, ecs_get_mut(p->world, p->e, B) != NULL);
    ECS_EACH(p->world, write_b, b) spans++;
    note(p, spans > 0);
    note(p, ecs_world_commands(p->world) != NULL);
    note(p, !ecs_is_null(ecs_cmd_spawn(p->cmd)));
#ifndef ECS_NO_HASH
    note(p, ecs_world_hash(p->world) != 0);
#else
    note(p, false);
    (void)ecs_world_commands(p->world);
#endif
    return ECS_OK;
}

TEST(access_mutable_world_is_refused)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 4, &p);
    (void)ecs_query_of(world, &write_b);
    add(world, &mutates, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.refused, 5 * BLOCKS);
    CHECK_EQ_U64(p.allowed, 0);
    CHECK_EQ_U64(found(world), 5 * BLOCKS);
    CHECK_CONTAINS(logged, "access: system mutates asks the world for a mutable B: WRITE columns "
                           "and commands are what it may write by\n");
    CHECK_CONTAINS(logged, "access: system mutates uses the whole world from inside: only "
                           "exclusive systems may\n");
    CHECK_CONTAINS(logged, "access: system mutates records commands in a stream or on a thread "
                           "that is not its own\n");
    CHECK_EQ_U64(lines(), 3);
    CHECK_EQ_U64(ecs_entity_count(world), ROWS);
    ecs_world_destroy(world);
}

TEST_DEATH(access_mutable_world_stops)
{
    die_of(&mutates);
}

/* ---- Commands ---------------------------------------------------------------------------- */

#if THREADS
typedef struct recorder {
    ecs_commands *cmd;
    ecs_entity e;
    uint32_t refused;
} recorder;

static void *record_elsewhere(void *data)
{
    recorder *r = (recorder *)data;
    A value = {1};
    ecs_value values[1] = {{ecs_type_of(A), NULL}};
    r->refused += ecs_is_null(ecs_cmd_spawn(r->cmd)) ? 1u : 0u;
    r->refused += ecs_is_null(ecs_cmd_spawn_values(r->cmd, values, 1)) ? 1u : 0u;
    r->refused += ecs_cmd_despawn(r->cmd, r->e) == ECS_INVALID ? 1u : 0u;
    r->refused += ecs_cmd_add(r->cmd, r->e, A) == ECS_INVALID ? 1u : 0u;
    r->refused += ecs_cmd_remove(r->cmd, r->e, A) == ECS_INVALID ? 1u : 0u;
    r->refused += ecs_cmd_set_type(r->cmd, r->e, ecs_type_of(A), &value) == ECS_INVALID ? 1u : 0u;
    return NULL;
}

ECS_SYSTEM(hands_out, READ(A))
{
    probe *p = (probe *)view->user;
    recorder r = {view->cmd, p->e, 0};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, record_elsewhere, &r) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    __atomic_fetch_add(&p->refused, r.refused, __ATOMIC_RELAXED);
    note(p, ecs_cmd_set(view->cmd, view->entities[0], A, {99}) == ECS_OK); /* here it may */
    return ECS_OK;
}

TEST(access_commands_on_another_thread_are_refused)
{
    for (uint32_t workers = 0; workers <= 4; workers += 4) {
        probe p;
        ecs_world *world = world_make(ECS_CHECK_REPORT, workers, &p);
        add(world, &hands_out, &p);
        CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
        CHECK_EQ_U64(p.refused, 6 * BLOCKS);
        CHECK_EQ_U64(p.allowed, BLOCKS);
        CHECK_EQ_U64(found(world), 6 * BLOCKS);
        CHECK_STR(logged, "access: system hands_out records commands in a stream or on a thread "
                          "that is not its own\n");
        CHECK_EQ_U64(ecs_tick_last(world)->commands_applied, BLOCKS);
        CHECK_EQ_U64(ecs_entity_count(world), ROWS);
        ecs_world_destroy(world);
    }
}

TEST_DEATH(access_commands_on_another_thread_stop)
{
    die_of(&hands_out);
}

static void *use_world(void *data)
{
    probe *p = (probe *)data;
    note(p, !ecs_is_null(ecs_cmd_spawn_with(ecs_world_commands(p->world), (A, {5}))));
    note(p, ecs_cmd_despawn(p->cmd, p->e) == ECS_OK);
    note(p, ecs_tick(p->world, 1) == ECS_OK);
    note(p, ecs_cmd_add(p->cmd, ecs_entity_next(p->world, ecs_null()), B) == ECS_OK);
    return NULL;
}

/* The world's own stream is for whoever has the world. */
TEST(access_world_may_move_to_another_thread)
{
    probe p;
    pthread_t thread;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    REQUIRE(pthread_create(&thread, NULL, use_world, &p) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_STATUS(ecs_cmd_remove(p.cmd, ecs_entity_next(world, ecs_null()), C), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(p.allowed, 4);
    CHECK_EQ_U64(ecs_world_stats(world).access_violations, 0);
    CHECK_EQ_U64(ecs_entity_count(world), ROWS);
    ecs_world_destroy(world);
}

/* ---- Loops on other workers -------------------------------------------------------------- */

typedef struct loop {
    const ecs_view *view;
    probe *p;
    pthread_t first;
    uint32_t others;
} loop;

static void loop_body(ecs_worker *worker, ecs_range range, void *data)
{
    loop *l = (loop *)data;
    (void)worker;
    if (!pthread_equal(pthread_self(), l->first)) {
        __atomic_fetch_add(&l->others, 1u, __ATOMIC_RELAXED);
    }
    for (uint32_t i = 0; i < range.count; i++) {
        note(l->p, ecs_get(l->view->world, l->p->e, B) != NULL);
        CHECK(ecs_get(l->view->world, l->p->e, A) != NULL);
    }
    /* The first thread leaves something for others: they come within ten seconds. */
    for (uint32_t ms = 0; ms < 10000 && __atomic_load_n(&l->others, __ATOMIC_RELAXED) == 0; ms++) {
        struct timespec time = {0, 1000000};
        nanosleep(&time, NULL);
    }
}

ECS_SYSTEM(loops, LOOKUP(A))
{
    probe *p = (probe *)view->user;
    ecs_view plain;
    loop l;
    ecs_loop items = {ITEMS, 1};
    memset(&plain, 0, sizeof plain);
    plain.world = view->world;
    l.view = &plain;
    l.p = p;
    l.first = pthread_self();
    l.others = 0;
    ecs_parallel_for(view->worker, items, loop_body, &l);
    __atomic_store_n(&p->threads, l.others, __ATOMIC_RELAXED);
    note(p, ecs_get(view->world, p->e, B) != NULL); /* it is still known here */
    return ECS_OK;
}

TEST(access_loop_of_a_system_is_checked_on_every_worker)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 4, &p);
    add(world, &loops, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK(p.threads > 0);
    CHECK_EQ_U64(p.refused, ITEMS + 1);
    CHECK_EQ_U64(p.allowed, 0);
    CHECK_EQ_U64(found(world), ITEMS + 1);
    CHECK_STR(logged, "access: system loops reads B, which it does not declare: READ or LOOKUP\n");
    ecs_world_destroy(world);
}

static void short_body(ecs_worker *worker, ecs_range range, void *data)
{
    loop *l = (loop *)data;
    (void)worker;
    for (uint32_t i = 0; i < range.count; i++) {
        note(l->p, ecs_get(l->view->world, l->p->e, B) != NULL);
    }
}

/* Helpers that nobody took are run by the thread that has the system: it has it afterwards too. */
ECS_SYSTEM(short_loops, LOOKUP(A))
{
    probe *p = (probe *)view->user;
    ecs_view plain;
    loop l;
    ecs_loop items = {2, 1};
    memset(&plain, 0, sizeof plain);
    memset(&l, 0, sizeof l);
    plain.world = view->world;
    l.view = &plain;
    l.p = p;
    for (uint32_t i = 0; i < 300; i++) {
        ecs_parallel_for(view->worker, items, short_body, &l);
        note(p, ecs_get(view->world, p->e, B) != NULL);
    }
    return ECS_OK;
}

TEST(access_system_is_known_after_its_loops)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 4, &p);
    add(world, &short_loops, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.refused, 900);
    CHECK_EQ_U64(found(world), 900);
    CHECK(ecs_get(world, p.e, B) != NULL); /* and nobody is noted when they have ended */
    ecs_world_destroy(world);
}

/* A job of `begins` that another worker runs waits, and so that worker runs a system in it. That
 * system's job is taken by the thread that waits for the first one: it is not `begins` that reads
 * B then. */
typedef struct chain {
    probe p;
    ecs_latch latch;
    pthread_t runner;    /* of the first job */
    uint32_t job_runs;
    uint32_t pushed;
    uint32_t reads;
    uint32_t holds_left; /* systems that have not ended */
} chain;

static bool chain_waits(const uint32_t *word, uint32_t until)
{
    for (uint32_t ms = 0; ms < 10000; ms++) {
        struct timespec time = {0, 1000000};
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) >= until) return true;
        nanosleep(&time, NULL);
    }
    return false;
}

static void chain_job(ecs_worker *worker, void *data)
{
    chain *c = (chain *)data;
    c->runner = pthread_self();
    __atomic_store_n(&c->job_runs, 1u, __ATOMIC_RELEASE);
    ecs_latch_wait(worker, &c->latch);
}

static void chain_reads(ecs_worker *worker, void *data)
{
    chain *c = (chain *)data;
    (void)worker;
    note(&c->p, ecs_get(c->p.world, c->p.e, B) != NULL);
    __atomic_store_n(&c->reads, 1u, __ATOMIC_RELEASE);
}

ECS_SYSTEM(begins, LOOKUP(A))
{
    chain *c = (chain *)view->user;
    ecs_job job;
    ecs_job_run(view->worker, &job, chain_job, c);
    CHECK(chain_waits(&c->pushed, 1));
    ecs_job_wait(view->worker, &job);
    note(&c->p, ecs_get(view->world, c->p.e, B) != NULL); /* it is known again */
    return ECS_OK;
}

ECS_SYSTEM(releases, WRITE(C))
{
    chain *c = (chain *)view->user;
    if (view->base == 0) CHECK(chain_waits(&c->job_runs, 1));
    return ECS_OK;
}

/* Two of them: one in the job, the other holds the third worker. */
ECS_SYSTEM(holds, LOOKUP(B))
{
    chain *c = (chain *)view->user;
    if (pthread_equal(pthread_self(), c->runner)) {
        ecs_job job;
        ecs_job_run(view->worker, &job, chain_reads, c);
        __atomic_store_n(&c->pushed, 1u, __ATOMIC_RELEASE);
        CHECK(chain_waits(&c->reads, 1)); /* somebody else takes it */
        ecs_job_wait(view->worker, &job);
    } else {
        CHECK(chain_waits(&c->reads, 1));
    }
    if (__atomic_sub_fetch(&c->holds_left, 1u, __ATOMIC_ACQ_REL) == 0) {
        ecs_latch_down(view->worker, &c->latch);
    }
    return ECS_OK;
}

TEST(access_job_of_another_system_is_not_that_of_who_waits)
{
    static const char *const names[] = {"hold1", "hold2"};
    chain c;
    ecs_world *world;
    memset(&c, 0, sizeof c);
    world = world_make(ECS_CHECK_REPORT, 3, &c.p);
    c.holds_left = 2;
    ecs_latch_init(&c.latch, 1);
    for (uint32_t i = 0; i < 4; i++) {
        ecs_system_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.system = i == 0 ? &begins : i == 1 ? &releases : &holds;
        desc.unsplit = true;
        desc.user = &c;
        if (i >= 2) desc.name = names[i - 2];
        if (i >= 2) desc.after[0] = "releases";
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    }
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(c.p.allowed, 1);
    CHECK_EQ_U64(c.p.refused, 1);
    CHECK_EQ_U64(found(world), 1);
    ecs_world_destroy(world);
}
#endif

/* ---- Writing what is only read ----------------------------------------------------------- */

ECS_SYSTEM(scribbles, READ(A), OPTIONAL(B), RES_READ(Score))
{
    ((A *)(uintptr_t)ecs_read(view, A))[view->count - 1].value = 1000000 + view->tick;
    ((B *)(uintptr_t)ecs_optional(view, B))[0].value = 1000000 + view->tick;
    if (view->base == 0) {
        ((Score *)(uintptr_t)ecs_res_read(view, Score))->value = 1000000 + view->tick;
    }
    return ECS_OK;
}

TEST(access_writes_through_read_only_columns_are_named)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    add(world, &scribbles, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK); /* told, but it is too late to refuse */
    CHECK_CONTAINS(logged, "access: system scribbles has written A, which it declares to be read "
                           "only\n");
    CHECK_CONTAINS(logged, "access: system scribbles has written B, which it declares to be read "
                           "only\n");
    CHECK_CONTAINS(logged, "access: system scribbles has written Score, which it declares to be "
                           "read only\n");
    CHECK_EQ_U64(lines(), 3);
#ifndef ECSI_FORCE_SHARING /* blocks that run beside the one that writes may be named as well */
    CHECK_EQ_U64(found(world), 2 * BLOCKS + 1);
#endif
    CHECK(found(world) >= 2 * BLOCKS + 1);
    ecs_world_destroy(world);
}

TEST_DEATH(access_write_through_read_only_column_stops)
{
    die_of(&scribbles);
}

/* Systems without typed views. */
static ecs_status raw_run(const ecs_view *view)
{
    probe *p = (probe *)view->user;
    const A *a = (const A *)ecs_view_read(view, 0, ecs_type_of(A));
    B *b = (B *)ecs_view_write(view, 1, ecs_type_of(B));
    Score *score = (Score *)ecs_view_write(view, 2, ecs_type_of(Score));
    note(p, a != NULL && a == view->columns[0] && a[0].value == view->base);
    note(p, b != NULL && b == view->columns[1]);
    note(p, ecs_view_read(view, 1, ecs_type_of(B)) == (const void *)b);
    note(p, score != NULL && score->value == 7);
    if (p->cmd == NULL) return ECS_OK; /* only what is right */
    note(p, ecs_view_write(view, 0, ecs_type_of(A)) != NULL);
    note(p, ecs_view_read(view, 1, ecs_type_of(A)) != NULL);
    note(p, ecs_view_read(view, 3, ecs_type_of(C)) != NULL); /* WITH has no column */
    note(p, ecs_view_read(view, 4, ecs_type_of(C)) != NULL);
    note(p, ecs_view_read(view, ECS_TERMS_MAX - 1, ecs_type_of(A)) != NULL);
    note(p, view->columns[4] != NULL); /* a column too far is none */
    return ECS_OK;
}

static void add_raw(ecs_world *world, probe *p)
{
    const ecs_term terms[4] = {{ecs_type_of(A), {0}, ECS_ACCESS_READ},
                               {ecs_type_of(B), {0}, ECS_ACCESS_WRITE},
                               {ecs_type_of(Score), {0}, ECS_ACCESS_RES_WRITE},
                               {ecs_type_of(C), {0}, ECS_ACCESS_WITH}};
    const ecs_system raw = {"raw", terms, 4, raw_run, NULL};
    add(world, &raw, p);
}

TEST(access_columns_by_wrong_number_or_type_are_refused)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    add_raw(world, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, 4 * BLOCKS);
    CHECK_EQ_U64(p.refused, 6 * BLOCKS);
    CHECK_EQ_U64(found(world), 5 * BLOCKS);
    CHECK_CONTAINS(logged, "access: system raw takes the column of A for writing, which it "
                           "declares to be read only\n");
    CHECK_CONTAINS(logged, "access: system raw takes the column of A by a number that is not "
                           "that term of its own\n");
    CHECK_CONTAINS(logged, "access: system raw takes the column of C by a number that is not "
                           "that term of its own\n");
    CHECK_EQ_U64(lines(), 3);
    ecs_world_destroy(world);
}

TEST(access_columns_of_raw_views_are_there_in_every_mode)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_OFF, 0, &p);
    p.cmd = NULL;
    add_raw(world, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, 4 * BLOCKS);
    CHECK_EQ_U64(p.refused, 0);
    ecs_world_destroy(world);
}

/* ---- Outside of systems ------------------------------------------------------------------ */

static uint32_t outside_reads;

static void read_outside(const ecs_world *world)
{
    ecs_entity e = ecs_entity_next(world, ecs_null());
    outside_reads += ecs_get(world, e, B) != NULL && ecs_resource_get(world, Score) != NULL;
}

static bool run_if_reads(const ecs_world *world, void *user)
{
    (void)user;
    read_outside(world);
    return true;
}

static ecs_status init_reads(ecs_world *world, void *user)
{
    (void)user;
    read_outside(world);
    return ECS_OK;
}

static void hook_reads(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)entity;
    (void)value;
    (void)user;
    read_outside(world);
    CHECK(ecs_world_commands(world) != NULL);
}

static void custom_reads(ecs_world *world, void *payload, uint32_t bytes)
{
    (void)payload;
    (void)bytes;
    read_outside(world);
    CHECK(ecs_get_mut(world, ecs_entity_next(world, ecs_null()), B) != NULL);
}

ECS_EXCLUSIVE(owns)
{
    read_outside(world);
    CHECK(ecs_get_mut(world, ecs_entity_next(world, ecs_null()), B) != NULL);
    CHECK(!ecs_is_null(ecs_cmd_spawn(view->cmd)));
    return ECS_OK;
}

ECS_TASK(records)
{
    CHECK_STATUS(ecs_cmd_custom(view->cmd, custom_reads, NULL, 0), ECS_OK);
    CHECK(!ecs_is_null(ecs_cmd_spawn_with(view->cmd, (A, {1}))));
    return ECS_OK;
}

TEST(access_what_is_no_system_may_read_everything)
{
    probe p;
    ecs_hooks hooks;
    ecs_system_desc desc;
    ecs_world_desc world_desc = desc_of(ECS_CHECK_STOP, 4);
    ecs_world *world = ecs_world_create(&world_desc);
    REQUIRE(world != NULL);
    memset(&p, 0, sizeof p);
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = hook_reads;
    ecs_component a;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(A), &a), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, a, &hooks), ECS_OK);
    REQUIRE_STATUS(ecs_resource_set(world, Score, {7}), ECS_OK);
    REQUIRE(!ecs_is_null(ecs_spawn_with(world, (B, {1}))));
    add(world, &owns, &p);
    memset(&desc, 0, sizeof desc);
    desc.system = &records;
    desc.init = init_reads;
    desc.run_if = run_if_reads;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(outside_reads, 5);
    CHECK_EQ_U64(found(world), 0);
    CHECK_STR(logged, "");
    ecs_world_destroy(world);
}

/* A world that is ticked inside of a system of another one: each has its own idea of who runs. */
ECS_SYSTEM(inner, READ(A))
{
    probe *outer = (probe *)view->user;
    CHECK(ecs_get(view->world, view->entities[0], A) != NULL);
    note(outer, ecs_get(outer->world, outer->e, B) != NULL); /* of the outer world */
    return ECS_OK;
}

ECS_SYSTEM(outer, LOOKUP(A))
{
    probe *p = (probe *)view->user;
    CHECK_STATUS(ecs_tick(p[1].world, 1), ECS_OK);
    CHECK(ecs_get(p[1].world, p[1].e, B) != NULL); /* outside of the inner world's systems */
    note(p, ecs_get(view->world, p->e, B) != NULL);
    CHECK(ecs_get(view->world, p->e, A) != NULL);
    return ECS_OK;
}

TEST(access_nested_ticks_are_told_apart)
{
    for (uint32_t workers = 0; workers <= 4; workers += 4) {
        probe p[2];
        ecs_world *world = world_make(ECS_CHECK_REPORT, workers, &p[0]);
        ecs_world_desc desc = desc_of(ECS_CHECK_REPORT, workers);
        desc.pool = ecs_world_pool(world);
        ecs_world *guest = world_of(&desc, &p[1]);
        add(world, &outer, &p[0]);
        add(guest, &inner, &p[0]);
        CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
        CHECK(p[0].refused >= 2); /* the row blocks that other workers take are not its */
        CHECK_EQ_U64(p[0].refused + p[0].allowed, BLOCKS + 1);
        CHECK_EQ_U64(found(world), p[0].refused);
        CHECK_EQ_U64(found(guest), 0);
        CHECK_STR(logged,
                  "access: system outer reads B, which it does not declare: READ or LOOKUP\n");
        ecs_world_destroy(guest);
        ecs_world_destroy(world);
    }
}

/* ---- Modes ------------------------------------------------------------------------------- */

TEST(access_off_lets_everything_pass)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_OFF, 0, &p);
    add(world, &gets, &p);
    add(world, &scores, &p);
    add(world, &getters, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, 3 * BLOCKS);
    CHECK_EQ_U64(found(world), 0);
    CHECK_EQ_U64(ecs_world_stats(world).access_violations, 0);
    ecs_world_destroy(world);
}

#ifdef ECS_DEBUG
TEST_DEATH(access_default_with_debug_stops)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_DEFAULT, 0, &p);
    add(world, &gets, &p);
    (void)ecs_tick(world, 1);
}
#else
TEST(access_default_without_debug_is_off)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_DEFAULT, 0, &p);
    add(world, &gets, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(p.allowed, BLOCKS);
    ecs_world_destroy(world);
}
#endif

TEST(access_unknown_mode_is_refused)
{
    volatile int mode = ECS_CHECK_STOP + 1;
    ecs_world_desc desc = desc_of((ecs_access_check)mode, 0);
    CHECK(ecs_world_create(&desc) == NULL);
    CHECK_EQ_U64(ecs_world_bytes(&desc), 0);
}

TEST(access_findings_beyond_the_log_are_counted)
{
    probe p;
    ecs_world *world = world_make(ECS_CHECK_REPORT, 0, &p);
    for (uint32_t i = 0; i < 100; i++) {
        ecs_system_desc desc;
        char name[16];
        snprintf(name, sizeof name, "s%u", i);
        memset(&desc, 0, sizeof desc);
        desc.system = &gets;
        desc.name = name;
        desc.user = &p;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    }
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(found(world), 100 * BLOCKS);
    CHECK_EQ_U64(lines(), ECSI_WATCH_REPORTS);
    ecs_world_destroy(world);
}

TEST(access_fixed_world_checks_in_its_buffer)
{
    probe p;
    ecs_world_desc desc = desc_of(ECS_CHECK_OFF, 0);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 1024;
    size_t without = ecs_world_bytes(&desc);
    desc.check_access = ECS_CHECK_REPORT;
    desc.buffer_bytes = ecs_world_bytes(&desc);
    CHECK(desc.buffer_bytes > without);
    desc.buffer = aligned_alloc(64, (desc.buffer_bytes + 63) & ~(size_t)63);
    REQUIRE(desc.buffer != NULL);
    ecs_world *world = world_of(&desc, &p);
    add(world, &gets, &p);
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    CHECK_EQ_U64(found(world), BLOCKS);
    ecs_world_destroy(world);
    free(desc.buffer);
}

/* Fails the allocation of that number. */
typedef struct failing {
    uint32_t left;
    uint32_t live;
} failing;

static void *failing_alloc(size_t bytes, size_t align, void *user)
{
    failing *f = (failing *)user;
    void *memory;
    if (f->left == 0) return NULL;
    f->left--;
    memory = aligned_alloc(align < 16 ? 16 : align, (bytes + align + 15) & ~(align < 16 ? 15
                                                                       : align - 1));
    if (memory != NULL) f->live++;
    return memory;
}

static void failing_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    if (memory != NULL) ((failing *)user)->live--;
    free(memory);
}

TEST(access_world_without_memory_to_check_is_not_made)
{
    failing f = {0, 0};
    ecs_allocator allocator;
    ecs_world_desc desc = desc_of(ECS_CHECK_REPORT, 0);
    ecs_world *world = NULL;
    uint32_t n;
    memset(&allocator, 0, sizeof allocator);
    allocator.alloc = failing_alloc;
    allocator.release = failing_release;
    allocator.user = &f;
    desc.allocator = &allocator;
    for (n = 0; n < 1000 && world == NULL; n++) {
        f.left = n;
        world = ecs_world_create(&desc);
        if (world == NULL) CHECK_EQ_U64(f.live, 0);
    }
    REQUIRE(world != NULL);
    CHECK(n > 2);
    ecs_world_destroy(world);
    CHECK_EQ_U64(f.live, 0);
}

/* ---- The same everywhere ----------------------------------------------------------------- */

#ifndef ECS_NO_HASH
ECS_SYSTEM(mixes, WRITE(A), READ(C))
{
    probe *p = (probe *)view->user;
    A *a = ecs_write(view, A);
    for (uint32_t i = 0; i < view->count; i++) {
        const B *b = ecs_get(view->world, view->entities[i], B); /* always refused */
        a[i].value = a[i].value * 31 + (b == NULL ? 1 : b->value);
        if (i % 50 == 0) (void)ecs_cmd_spawn_with(view->cmd, (B, {a[i].value}));
        if (i % 50 == 1) (void)ecs_cmd_spawn(p->cmd); /* refused as well */
    }
    return ECS_OK;
}

TEST(access_refusals_have_one_hash_on_every_backend)
{
    uint64_t hash = 0;
    for (uint32_t workers = 0; workers <= 4; workers++) {
        probe p;
        ecs_world *world = world_make(ECS_CHECK_REPORT, workers, &p);
        add(world, &mixes, &p);
        for (uint32_t i = 0; i < 5; i++) CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
        CHECK_EQ_U64(found(world), ROWS + 2 * (BLOCKS - 1) + 2);
        if (workers == 0) hash = ecs_world_hash(world);
        CHECK_EQ_U64(ecs_world_hash(world), hash);
        ecs_world_destroy(world);
    }
}
#endif
