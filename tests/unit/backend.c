/* backend.c: directed cases of the work-stealing backend: pools, workers, threads that the
 * system refuses, nested work, memory, and allocations that fail. That the result is the same
 * on any number of workers is proved by stress/determinism.c. */

#define ECS_IMPLEMENTATION

/* pthread_create goes through a function that can refuse; before ecs.h sees it. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1
#endif
#include <pthread.h>
#include <stdint.h>

/* Threads that the system still gives; UINT32_MAX: all. */
static uint32_t threads_left = UINT32_MAX;

static int counted_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *data)
{
    if (threads_left == 0) return 11;
    if (threads_left != UINT32_MAX) threads_left--;
    return pthread_create(thread, attributes, run, data);
}

#define pthread_create counted_create
#include "../test.h"
#undef pthread_create

#include <sched.h>
#include <time.h>

typedef struct { uint64_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint64_t value; ecs_entity child; } Parent;
ECS_COMPONENT(Parent, value, child);
typedef struct { uint64_t value; } Side;
ECS_COMPONENT(Side, value);
typedef struct { uint64_t word; } Owned; /* copied and destroyed by hooks: see the ledger */
ECS_COMPONENT(Owned, word);
ECS_TAG(Old);

static const uint32_t ROWS = 700;

static ecs_world_desc desc_of(uint32_t workers, ecs_pool *pool)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    if (workers > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = workers;
        desc.pool = pool;
        desc.share_ns = 1;
    }
    return desc;
}

/* ---- A program that uses a bit of all -------------------------------------------------------- */

ECS_SYSTEM(grow, WRITE(Number))
{
    Number *n = ecs_write(view, Number);
    for (uint32_t i = 0; i < view->count; i++) {
        n[i].value = ecs_random_u64(n[i].value, view->tick, view->entities[i], view->base + i);
    }
    return ECS_OK;
}

ECS_SYSTEM(breed, READ(Number), WRITE(Parent))
{
    const Number *n = ecs_read(view, Number);
    Parent *p = ecs_write(view, Parent);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].value += n[i].value;
        if (n[i].value % 16 != 0) continue;
        p[i].child = ecs_cmd_spawn_with(view->cmd, (Number, {n[i].value}), (Side, {view->tick}),
                                        (Owned, {n[i].value}));
    }
    return ECS_OK;
}

ECS_SYSTEM(bury, READ(Number), WITH(Side))
{
    const Number *n = ecs_read(view, Number);
    for (uint32_t i = 0; i < view->count; i++) {
        if (n[i].value % 8 == 1) ecs_cmd_despawn(view->cmd, view->entities[i]);
        if (n[i].value % 8 == 2) ecs_cmd_add(view->cmd, view->entities[i], Old);
    }
    return ECS_OK;
}

ECS_SYSTEM(side, WRITE(Side))
{
    Side *s = ecs_write(view, Side);
    for (uint32_t i = 0; i < view->count; i++) s[i].value = s[i].value * 3 + view->tick;
    return ECS_OK;
}

static bool program_fill(ecs_world *world, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        ecs_entity e = ecs_spawn(world);
        if (ecs_is_null(e)) return false;
        if (ecs_set(world, e, Number, {i * 7}) != ECS_OK) return false;
        if (ecs_set(world, e, Parent, {i, ecs_null()}) != ECS_OK) return false;
    }
    return true;
}

static bool program_add(ecs_world *world)
{
    return ecs_system_add(world, &grow, ECS_UPDATE) == ECS_OK &&
           ecs_system_add(world, &breed, ECS_UPDATE) == ECS_OK &&
           ecs_system_add(world, &bury, ECS_UPDATE) == ECS_OK &&
           ecs_system_add(world, &side, ECS_UPDATE) == ECS_OK;
}

static ecs_world *program_make(const ecs_world_desc *desc, uint32_t rows)
{
    ecs_world *world = ecs_world_create(desc);
    REQUIRE(world != NULL);
    REQUIRE(program_fill(world, rows));
    REQUIRE(program_add(world));
    return world;
}

static void program_tick(ecs_world *world, uint32_t ticks)
{
    for (; ticks > 0; ticks--) CHECK_STATUS(ecs_tick(world, 1 / 60.0f), ECS_OK);
}

/* The hash of the program on the blocking backend. */
static uint64_t program_hash(uint32_t rows, uint32_t ticks)
{
    ecs_world_desc desc = desc_of(0, NULL);
    ecs_world *world = program_make(&desc, rows);
    program_tick(world, ticks);
    uint64_t hash = ecs_world_hash(world);
    ecs_world_destroy(world);
    return hash;
}

static ecs_pool *pool_make(uint32_t workers, uint32_t guests_max)
{
    ecs_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.workers = workers;
    desc.guests_max = guests_max;
    ecs_pool *pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    return pool;
}

static char log_text[512];
static uint32_t log_count;

static void log_keep(ecs_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == ECS_LOG_INFO) return;
    log_count++;
    snprintf(log_text, sizeof log_text, "%s", text);
}

/* ---- Pools and worlds ------------------------------------------------------------------------ */

typedef struct {
    ecs_pool *pool;
    uint64_t wanted;
    uint64_t got;
} sharer;

static void *sharer_run(void *data)
{
    sharer *s = (sharer *)data;
    ecs_world_desc desc = desc_of(3, s->pool);
    ecs_world *world = program_make(&desc, ROWS);
    program_tick(world, 60);
    s->got = ecs_world_hash(world);
    ecs_world_destroy(world);
    return NULL;
}

TEST(backend_two_worlds_share_a_pool_at_the_same_time)
{
    ecs_pool *pool = pool_make(3, 0);
    uint64_t wanted = program_hash(ROWS, 60);
    sharer sharers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        sharers[i].pool = pool;
        sharers[i].got = 0;
        REQUIRE(pthread_create(&threads[i], NULL, sharer_run, &sharers[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ_U64(sharers[i].got, wanted);
    }
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(backend_worlds_use_a_pool_one_after_the_other)
{
    ecs_pool *pool = pool_make(4, 0);
    uint64_t wanted = program_hash(ROWS, 20);
    for (int i = 0; i < 5; i++) {
        ecs_world_desc desc = desc_of(4, pool);
        ecs_world *world = program_make(&desc, ROWS);
        CHECK(ecs_world_pool(world) == pool);
        program_tick(world, 20);
        CHECK_EQ_U64(ecs_world_hash(world), wanted);
        ecs_world_destroy(world);
    }
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(backend_world_has_a_pool_of_its_own)
{
    ecs_world_desc desc = desc_of(3, NULL);
    ecs_world *world = program_make(&desc, 10);
    ecs_worker *worker;
    REQUIRE(ecs_world_pool(world) != NULL);
    CHECK_EQ_U64(ecs_pool_workers(ecs_world_pool(world)), 3);
    worker = ecs_pool_enter(ecs_world_pool(world));
    CHECK(worker != NULL);
    ecs_pool_leave(worker);
    ecs_world_destroy(world);
#ifndef ECSI_FORCE_SHARING
    world = ecs_world_create(NULL);
    CHECK(ecs_world_pool(world) == NULL);
    ecs_world_destroy(world);
#endif
}

TEST(backend_counts_of_workers)
{
    static const uint32_t counts[5] = {0, 1, 2, 40, 256};
    uint64_t wanted = program_hash(ROWS, 5);
    for (int i = 0; i < 5; i++) {
        ecs_world_desc desc = desc_of(1, NULL);
        desc.workers = counts[i];
        ecs_world *world = program_make(&desc, ROWS);
        uint32_t workers = ecs_pool_workers(ecs_world_pool(world));
        CHECK(counts[i] == 0 ? workers >= 1 : workers == counts[i]);
        program_tick(world, 5);
        CHECK_EQ_U64(ecs_world_hash(world), wanted);
        ecs_world_destroy(world);
    }
    ecs_world_desc desc = desc_of(257, NULL);
    desc.log = log_keep;
    CHECK(ecs_world_create(&desc) == NULL);
    desc.workers = UINT32_MAX;
    CHECK(ecs_world_create(&desc) == NULL);
}

TEST(backend_more_workers_than_rows)
{
    static const uint32_t rows[5] = {0, 1, 2, 64, 65};
    for (int i = 0; i < 5; i++) {
        ecs_world_desc desc = desc_of(16, NULL);
        ecs_world *world = program_make(&desc, rows[i]);
        program_tick(world, 10);
        CHECK_EQ_U64(ecs_world_hash(world), program_hash(rows[i], 10));
        ecs_world_destroy(world);
    }
}

TEST(backend_world_ends_before_its_shared_pool)
{
    ecs_pool *pool = pool_make(3, 0);
    ecs_world_desc desc = desc_of(3, pool);
    ecs_world *a = program_make(&desc, ROWS);
    ecs_world *b = program_make(&desc, ROWS);
    program_tick(a, 3);
    ecs_world_destroy(a);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    program_tick(b, 3);
    CHECK_EQ_U64(ecs_world_hash(b), program_hash(ROWS, 3));
    ecs_world_destroy(b);
    ecs_worker *guest = ecs_pool_enter(pool);
    REQUIRE(guest != NULL);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    ecs_pool_leave(guest);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* No place for who ticks: the tick is blocking, and view->worker is NULL. */
static uint32_t null_workers;

ECS_SYSTEM(look_worker, READ(Number))
{
    if (view->worker == NULL) __atomic_fetch_add(&null_workers, 1, __ATOMIC_RELAXED);
    return ECS_OK;
}

TEST(backend_without_a_free_guest_ticks_blocking)
{
    ecs_pool *pool = pool_make(3, 1);
    ecs_world_desc desc = desc_of(3, pool);
    ecs_world *world = program_make(&desc, ROWS);
    ecs_worker *guest = ecs_pool_enter(pool);
    REQUIRE(guest != NULL);
    CHECK(ecs_pool_enter(pool) == NULL);
    program_tick(world, 5);
    ecs_pool_leave(guest);
    program_tick(world, 5);
    CHECK_EQ_U64(ecs_world_hash(world), program_hash(ROWS, 10));
    guest = ecs_pool_enter(pool);
    REQUIRE_STATUS(ecs_system_add(world, &look_worker, ECS_LAST), ECS_OK);
    null_workers = 0;
    program_tick(world, 1);
    CHECK(null_workers > 0);
    ecs_pool_leave(guest);
    null_workers = 0;
    program_tick(world, 1);
    CHECK_EQ_U64(null_workers, 0);
    ecs_world_destroy(world);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* ---- Threads that the system refuses --------------------------------------------------------- */

TEST(backend_pool_runs_with_the_threads_that_it_got)
{
    uint64_t wanted = program_hash(ROWS, 10);
    for (uint32_t given = 0; given < 5; given++) {
        ecs_pool_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.workers = 5;
        desc.log = log_keep;
        log_count = 0;
        threads_left = given;
        ecs_pool *pool = ecs_pool_create(&desc);
        threads_left = UINT32_MAX;
        REQUIRE(pool != NULL);
        CHECK_EQ_U64(ecs_pool_workers(pool), given + 1);
        CHECK_EQ_U64(log_count, given < 4 ? 1 : 0);
        if (given < 4) CHECK_CONTAINS(log_text, "threads");
        ecs_world_desc world_desc = desc_of(5, pool);
        ecs_world *world = program_make(&world_desc, ROWS);
        program_tick(world, 10);
        CHECK_EQ_U64(ecs_world_hash(world), wanted);
        ecs_world_destroy(world);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
}

TEST(backend_own_pool_runs_with_the_threads_that_it_got)
{
    uint64_t wanted = program_hash(ROWS, 10);
    for (uint32_t given = 0; given < 5; given++) {
        ecs_world_desc desc = desc_of(5, NULL);
        desc.log = log_keep;
        log_count = 0;
        threads_left = given;
        ecs_world *world = ecs_world_create(&desc);
        threads_left = UINT32_MAX;
        REQUIRE(world != NULL);
        CHECK_EQ_U64(ecs_pool_workers(ecs_world_pool(world)), given + 1);
        CHECK_EQ_U64(log_count, given < 4 ? 1 : 0);
        REQUIRE(program_fill(world, ROWS));
        REQUIRE(program_add(world));
        program_tick(world, 10);
        CHECK_EQ_U64(ecs_world_hash(world), wanted);
        ecs_world_destroy(world);
    }
}

/* ---- Ticks inside of ticks ------------------------------------------------------------------- */

static ecs_world *nested_world;
static uint32_t nested_refused;

/* For exclusive systems, which may flush. */
static void tick_job_only(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    CHECK_STATUS(ecs_tick(nested_world, 0), ECS_LOCKED);
    __atomic_fetch_add(&nested_refused, 1, __ATOMIC_RELAXED);
}

static void tick_refused(void)
{
    CHECK_STATUS(ecs_tick(nested_world, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_flush(nested_world), ECS_LOCKED);
    __atomic_fetch_add(&nested_refused, 1, __ATOMIC_RELAXED);
}

static void tick_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    tick_refused();
}

ECS_SYSTEM(tick_inside, READ(Number))
{
    ecs_job job;
    (void)ecs_read(view, Number);
    tick_refused();
    ecs_job_run(view->worker, &job, tick_job, NULL);
    ecs_job_wait(view->worker, &job);
    return ECS_OK;
}

static ecs_status tick_exclusive(ecs_world *world, const ecs_view *view)
{
    ecs_job job;
    CHECK(world == nested_world);
    tick_job_only(view->worker, NULL);
    ecs_job_run(view->worker, &job, tick_job_only, NULL);
    ecs_job_wait(view->worker, &job);
    return ECS_OK;
}

static bool tick_if(const ecs_world *world, void *user)
{
    (void)world;
    (void)user;
    tick_refused();
    return true;
}

TEST(backend_tick_inside_a_tick_is_refused)
{
    ecs_world_desc desc = desc_of(4, NULL);
    ecs_system exclusive = {"exclusive", NULL, 0, NULL, tick_exclusive};
    ecs_system_desc with_if;
    nested_world = ecs_world_create(&desc);
    REQUIRE(nested_world != NULL && program_fill(nested_world, ROWS));
    memset(&with_if, 0, sizeof with_if);
    with_if.system = &tick_inside;
    with_if.run_if = tick_if;
    REQUIRE_STATUS(ecs_system_add_desc(nested_world, &with_if), ECS_OK);
    CHECK_STATUS(ecs_tick(nested_world, 0), ECS_OK);
    CHECK_EQ_U64(nested_refused, 1 + 2 * ((ROWS + 63) / 64));
    CHECK_EQ_U64(ecs_world_tick(nested_world), 1);
    ecs_world_destroy(nested_world);
    /* A job of an exclusive system asks while nobody edits. */
    nested_world = ecs_world_create(&desc);
    nested_refused = 0;
    REQUIRE_STATUS(ecs_system_add(nested_world, &exclusive, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(nested_world, 0), ECS_OK);
    CHECK_EQ_U64(nested_refused, 2);
    CHECK_EQ_U64(ecs_world_tick(nested_world), 1);
    ecs_world_destroy(nested_world);
}

/* ---- A system that never yields -------------------------------------------------------------- */

static uint32_t others_done;
static uint32_t others_seen;

static uint64_t clock_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

/* At least 200 ms; longer only where nobody gave the others a processor, 20 s at most. */
ECS_SYSTEM(stubborn, WRITE(Number))
{
    uint64_t begin = clock_ms();
    uint64_t spent = 0;
    (void)ecs_write(view, Number);
    if (view->base != 0) return ECS_OK;
    while (spent < 200 || (spent < 20000 &&
                           __atomic_load_n(&others_done, __ATOMIC_ACQUIRE) < 3)) {
        spent = clock_ms() - begin;
    }
    others_seen = __atomic_load_n(&others_done, __ATOMIC_ACQUIRE);
    return ECS_OK;
}

static ecs_status other_run(const ecs_view *view)
{
    (void)view;
    __atomic_fetch_add(&others_done, 1, __ATOMIC_ACQ_REL);
    return ECS_OK;
}

TEST(backend_others_go_on_while_one_never_yields)
{
    static const char *const names[3] = {"first", "second", "third"};
    ecs_world_desc desc = desc_of(2, NULL);
    ecs_world *world = ecs_world_create(&desc);
    ecs_term terms[1];
    REQUIRE(world != NULL);
    ecs_spawn_with(world, (Number, {1}), (Side, {1}));
    REQUIRE_STATUS(ecs_system_add(world, &stubborn, ECS_UPDATE), ECS_OK);
    memset(terms, 0, sizeof terms);
    terms[0].type = ecs_type_of(Side);
    terms[0].access = ECS_ACCESS_READ;
    for (int i = 0; i < 3; i++) {
        ecs_system other = {names[i], terms, 1, other_run, NULL};
        REQUIRE_STATUS(ecs_system_add(world, &other, ECS_UPDATE), ECS_OK);
    }
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(others_seen, 3);
    ecs_world_destroy(world);
}

/* ---- Work inside of systems ------------------------------------------------------------------ */

typedef struct {
    uint64_t sum;
    uint32_t count;
} summing;

static void sum_range(ecs_worker *worker, ecs_range range, void *data)
{
    summing *s = (summing *)data;
    uint64_t sum = 0;
    (void)worker;
    for (uint32_t i = range.first; i < range.first + range.count; i++) sum += i;
    __atomic_fetch_add(&s->sum, sum, __ATOMIC_RELAXED);
}

/* A job that starts a loop and a job of its own, some levels deep. */
static void sum_job(ecs_worker *worker, void *data)
{
    summing *s = (summing *)data;
    ecs_loop loop = {100, 9};
    summing inner = {0, s->count - 1};
    ecs_job job;
    if (s->count > 0) ecs_job_run(worker, &job, sum_job, &inner);
    ecs_parallel_for(worker, loop, sum_range, s);
    if (s->count == 0) return;
    ecs_job_wait(worker, &job);
    __atomic_fetch_add(&s->sum, inner.sum, __ATOMIC_RELAXED);
}

static uint64_t sum_nested(ecs_worker *worker)
{
    summing two[2] = {{0, 3}, {0, 1}};
    ecs_job jobs[2];
    for (int i = 0; i < 2; i++) ecs_job_run(worker, &jobs[i], sum_job, &two[i]);
    for (int i = 1; i >= 0; i--) ecs_job_wait(worker, &jobs[i]);
    CHECK(ecs_job_done(&jobs[0]) && ecs_job_done(&jobs[1]));
    return two[0].sum + two[1].sum;
}

static pthread_t ticking;

static const uint64_t SUM_NESTED = (4 + 2) * 4950;

/* Records before, between and after what it waits for: its stream stays its own. */
ECS_SYSTEM(nesting, READ(Number), WRITE(Parent))
{
    const Number *n = ecs_read(view, Number);
    Parent *p = ecs_write(view, Parent);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_entity child = ecs_cmd_spawn(view->cmd);
        if (i % 16 == 0) CHECK_EQ_U64(sum_nested(view->worker), SUM_NESTED);
        CHECK_STATUS(ecs_cmd_set(view->cmd, child, Side, {n[i].value + i}), ECS_OK);
        if (i % 32 == 5) CHECK_EQ_U64(sum_nested(view->worker), SUM_NESTED);
        CHECK_STATUS(ecs_cmd_set(view->cmd, child, Owned, {view->base + i}), ECS_OK);
        p[i].child = child;
    }
    return ECS_OK;
}

ECS_SYSTEM(nesting_main, WRITE(Side))
{
    Side *s = ecs_write(view, Side);
    CHECK(pthread_equal(ticking, pthread_self()));
    for (uint32_t i = 0; i < view->count && i < 3; i++) s[i].value += sum_nested(view->worker);
    CHECK_STATUS(ecs_cmd_add(view->cmd, view->entities[0], Old), ECS_OK);
    return ECS_OK;
}

static ecs_status nesting_exclusive(ecs_world *world, const ecs_view *view)
{
    CHECK(pthread_equal(ticking, pthread_self()));
    ecs_entity e = ecs_spawn(world);
    CHECK_EQ_U64(sum_nested(view->worker), SUM_NESTED);
    CHECK_STATUS(ecs_cmd_set(view->cmd, e, Side, {4}), ECS_OK);
    return ECS_OK;
}

static uint64_t nesting_hash(uint32_t workers)
{
    ecs_system exclusive = {"exclusive", NULL, 0, NULL, nesting_exclusive};
    ecs_world_desc desc = desc_of(workers, NULL);
    ecs_world *world = ecs_world_create(&desc);
    ecs_system_desc main_desc;
    REQUIRE(world != NULL && program_fill(world, 300));
    ticking = pthread_self();
    memset(&main_desc, 0, sizeof main_desc);
    main_desc.system = &nesting_main;
    main_desc.main_thread = true;
    REQUIRE_STATUS(ecs_system_add(world, &nesting, ECS_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add_desc(world, &main_desc), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &exclusive, ECS_POST_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &grow, ECS_POST_UPDATE), ECS_OK);
    program_tick(world, 4);
    uint64_t hash = ecs_world_hash(world);
    ecs_world_destroy(world);
    return hash;
}

TEST(backend_jobs_and_loops_inside_of_systems)
{
    static const uint32_t workers[4] = {1, 2, 4, 9};
    uint64_t wanted = nesting_hash(0);
    for (int i = 0; i < 4; i++) CHECK_EQ_U64(nesting_hash(workers[i]), wanted);
}

/* ---- Recording ------------------------------------------------------------------------------- */

static uint32_t spawn_refusals;

ECS_SYSTEM(overflow, READ(Number))
{
    uint32_t good = 0;
    (void)ecs_read(view, Number);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_entity e = ecs_cmd_spawn(view->cmd);
        CHECK_STATUS(ecs_cmd_status(view->cmd), ecs_is_null(e) ? ECS_FULL : ECS_OK);
        if (!ecs_is_null(e)) good++;
    }
    CHECK_EQ_U64(good, view->count < 5 ? view->count : 5);
    __atomic_fetch_add(&spawn_refusals, view->count - good, __ATOMIC_RELAXED);
    return ECS_OK;
}

TEST(backend_quota_is_that_of_a_row_block)
{
    ecs_world_desc desc = desc_of(4, NULL);
    desc.stream_spawns_max = 5;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL && program_fill(world, ROWS));
    REQUIRE_STATUS(ecs_system_add(world, &overflow, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    const ecs_tick_report *report = ecs_tick_last(world);
    CHECK_EQ_U64(spawn_refusals, ROWS - (ROWS + 63) / 64 * 5);
    CHECK_EQ_U64(report->commands_refused, spawn_refusals);
    CHECK_EQ_U64(report->commands_applied, (ROWS + 63) / 64 * 5);
    ecs_world_destroy(world);
}

/* Values that workers copy at the same time: the ledger adds up, and no lock stays behind. */
static int64_t ledger;

static void ledger_copy(void *dst, const void *src, uint32_t count, void *user)
{
    (void)user;
    memcpy(dst, src, count * sizeof(Owned));
    __atomic_fetch_add(&ledger, (int64_t)count, __ATOMIC_RELAXED);
}

static void ledger_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    memset(values, 0xdd, count * sizeof(Owned));
    __atomic_fetch_sub(&ledger, (int64_t)count, __ATOMIC_RELAXED);
}

static ecs_status ledger_hooks(ecs_world *world)
{
    ecs_hooks hooks;
    ecs_component id;
    ecs_status status = ecs_component_register(world, ecs_type_of(Owned), &id);
    memset(&hooks, 0, sizeof hooks);
    hooks.copy = ledger_copy;
    hooks.destroy = ledger_destroy;
    return status == ECS_OK ? ecs_component_hooks(world, id, &hooks) : status;
}

static ecs_status ledger_record(const ecs_view *view)
{
    const Number *n = (const Number *)view->columns[0];
    for (uint32_t i = 0; i < view->count; i++) {
        Owned owned = {n[i].value};
        CHECK_STATUS(ecs_cmd_set_type(view->cmd, view->entities[i], ecs_type_of(Owned), &owned),
                     ECS_OK);
    }
    return ECS_OK;
}

TEST(backend_values_with_hooks_are_recorded_by_many_workers)
{
    static const char *const names[4] = {"a", "b", "c", "d"};
    ecs_world_desc desc = desc_of(4, NULL);
    ecs_world *world = ecs_world_create(&desc);
    ecs_term terms[1];
    memset(terms, 0, sizeof terms);
    REQUIRE(world != NULL && program_fill(world, ROWS * 4));
    REQUIRE_STATUS(ledger_hooks(world), ECS_OK);
    terms[0].type = ecs_type_of(Number);
    terms[0].access = ECS_ACCESS_READ;
    for (int i = 0; i < 4; i++) {
        ecs_system system = {names[i], terms, 1, ledger_record, NULL};
        REQUIRE_STATUS(ecs_system_add(world, &system, ECS_UPDATE), ECS_OK);
    }
    for (uint32_t i = 0; i < test_rounds(100, 2000); i++) {
        REQUIRE_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_I64(ledger, ROWS * 4);
        REQUIRE(!ecs_is_null(ecs_spawn(world)));
    }
    ecs_world_destroy(world);
    CHECK_EQ_I64(ledger, 0);
}

/* What a failed run recorded is forgotten, without a trace in memory or in quotas. */
static ecs_status failing_run(const ecs_view *view)
{
    for (uint32_t i = 0; i < view->count; i++) {
        Parent value = {i, ecs_null()};
        CHECK_STATUS(ecs_cmd_set_type(view->cmd, view->entities[i], ecs_type_of(Parent), &value),
                     ECS_OK);
    }
    return view->base == 0 ? ECS_OK : view->base == 64 ? ECS_NOT_FOUND : ECS_FAILED;
}

TEST(backend_what_a_failed_run_recorded_is_forgotten)
{
    ecs_world_desc desc = desc_of(3, NULL);
    ecs_term terms[1];
    ecs_system system = {"failing", terms, 1, failing_run, NULL};
    ecs_system_desc with_skip;
    size_t bytes = 0;
    desc.command_bytes_max = 512 * 1024;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL && program_fill(world, ROWS));
    memset(terms, 0, sizeof terms);
    memset(&with_skip, 0, sizeof with_skip);
    terms[0].type = ecs_type_of(Number);
    terms[0].access = ECS_ACCESS_READ;
    with_skip.system = &system;
    with_skip.on_error = ECS_SKIP;
    REQUIRE_STATUS(ecs_system_add_desc(world, &with_skip), ECS_OK);
    for (uint32_t i = 0; i < 100; i++) {
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        const ecs_tick_report *report = ecs_tick_last(world);
        CHECK_EQ_U64(report->commands_refused, 0);
        CHECK_EQ_U64(report->commands_dropped, ROWS);
        CHECK_EQ_U64(report->commands_applied, 0);
        CHECK_EQ_U64(report->systems_run, 1);
        REQUIRE(report->failure_count == 1);
        CHECK_EQ_U64(report->failures[0].row_block, 1);
        CHECK_STATUS(report->failures[0].status, ECS_NOT_FOUND);
        CHECK_STR(report->failures[0].system, "failing");
        CHECK_STR(report->failures[0].phase, "update");
        CHECK_EQ_U64(report->failures[0].tick, i + 1);
        if (i == 0) bytes = ecs_world_stats(world).bytes_allocated;
    }
    /* At most a few blocks for each worker, whoever ran what. */
    CHECK(ecs_world_stats(world).bytes_allocated < bytes + 3 * 200000);
    ecs_world_destroy(world);
}

/* A phase's bytes are shared out over all that records before the next flush: an exclusive
 * system that is not due flushes nothing. */
ECS_SYSTEM(fill_up, READ(Number))
{
    (void)ecs_read(view, Number);
    for (uint32_t i = 0; i < view->count * 4; i++) (void)ecs_cmd_spawn(view->cmd);
    usleep(300); /* so that others get a row block */
    return ECS_OK;
}

static ecs_status nothing_exclusive(ecs_world *world, const ecs_view *view)
{
    (void)world;
    (void)view;
    return ECS_OK;
}

TEST(backend_bytes_of_a_phase_are_shared_past_an_exclusive_system_that_is_not_due)
{
    uint64_t refused[2];
    for (uint32_t w = 0; w < 2; w++) {
        ecs_system nothing = {"nothing", NULL, 0, NULL, nothing_exclusive};
        ecs_system_desc desc, again;
        ecs_world_desc world_desc = desc_of(w * 3, NULL);
        world_desc.command_bytes_max = 40000;
        ecs_world *world = ecs_world_create(&world_desc);
        REQUIRE(world != NULL && program_fill(world, ROWS));
        memset(&desc, 0, sizeof desc);
        memset(&again, 0, sizeof again);
        desc.system = &nothing;
        desc.every_ticks = 1000;
        again.system = &fill_up;
        again.name = "again";
        REQUIRE_STATUS(ecs_system_add(world, &fill_up, ECS_UPDATE), ECS_OK);
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        REQUIRE_STATUS(ecs_system_add_desc(world, &again), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        refused[w] = ecs_tick_last(world)->commands_refused;
        ecs_world_destroy(world);
    }
    CHECK(refused[0] > 0);
    CHECK_EQ_U64(refused[0], refused[1]);
}

/* ---- Figures --------------------------------------------------------------------------------- */

TEST(backend_figures_of_workers_add_up)
{
    ecs_world_desc desc = desc_of(4, NULL);
    ecs_world *world = program_make(&desc, ROWS);
    const ecs_pool *pool = ecs_world_pool(world);
    ecs_worker_stats one;
    uint64_t executed = 0, stolen = 0, commands = 0;
    uint32_t i;
    program_tick(world, 50);
    const ecs_tick_report *report = ecs_tick_last(world);
    CHECK_STATUS(report->status, ECS_OK);
    CHECK_EQ_U64(report->tick, 50);
    CHECK_EQ_U64(report->systems_run, 4);
    CHECK_EQ_U64(report->systems_skipped + report->failure_count + report->failures_lost, 0);
    for (i = 0; ecs_pool_stats(pool, i, &one) == ECS_OK; i++) {
        executed += one.executed;
        stolen += one.stolen;
        commands += one.commands;
        CHECK(one.stolen <= one.steal_attempts * 64);
    }
    CHECK(i > 4);
    CHECK_STATUS(ecs_pool_stats(pool, i, &one), ECS_NOT_FOUND);
    CHECK(executed >= 4 * 50);
    CHECK(stolen <= executed);
    CHECK(commands > 0);
    CHECK_EQ_U64(commands, ecs_world_stats(world).commands_recorded);
    CHECK_EQ_U64(ecs_world_stats(world).commands_recorded,
                 ecs_world_stats(world).commands_applied +
                     ecs_world_stats(world).commands_dropped);
    ecs_world_destroy(world);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Every block that a queue takes first has this size; one tick records less. */
enum { QUEUE_BLOCK_BYTES = 16384 };

ECS_SYSTEM(steady, READ(Number))
{
    const Number *n = ecs_read(view, Number);
    for (uint32_t i = 0; i < view->count; i += 16) {
        (void)ecs_cmd_set(view->cmd, view->entities[i], Side, {n[i].value});
    }
    return ECS_OK;
}

TEST(backend_memory_is_stable_over_a_thousand_ticks)
{
    ecs_world_desc desc = desc_of(4, NULL);
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL && program_fill(world, ROWS));
    REQUIRE_STATUS(ecs_system_add(world, &grow, ECS_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &steady, ECS_UPDATE), ECS_OK);
    program_tick(world, 50);
    size_t bytes = ecs_world_stats(world).bytes_allocated;
    for (int i = 0; i < 1000; i++) {
        program_tick(world, 1);
        size_t more = ecs_world_stats(world).bytes_allocated - bytes;
        /* Nothing, but for the first block of a worker that had recorded nothing so far. */
        CHECK(more % QUEUE_BLOCK_BYTES == 0 && more <= 4 * QUEUE_BLOCK_BYTES);
    }
    ecs_world_destroy(world);
}

static ecs_world_desc desc_fixed(uint32_t workers)
{
    ecs_world_desc desc = desc_of(workers, NULL);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 8192;
    desc.tables_max = 64;
    desc.components_max = 64;
    desc.queries_max = 32;
    desc.systems_max = 16;
    return desc;
}

#if TEST_SANITIZED == 0 && defined(__GLIBC__)
/* As in memory.c; atomic, for workers may ask as well. Blocks of mmap come through malloc. */
static uint64_t system_calls;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);
extern void __libc_free(void *memory);

static void system_called(void)
{
    __atomic_fetch_add(&system_calls, 1, __ATOMIC_SEQ_CST);
}

void *malloc(size_t bytes)
{
    system_called();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    system_called();
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    system_called();
    return __libc_realloc(memory, bytes);
}

void free(void *memory)
{
    system_called();
    __libc_free(memory);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    system_called();
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    system_called();
    *out = __libc_memalign(align, bytes);
    return *out == NULL ? 12 : 0;
}

TEST(backend_fixed_world_allocates_nothing_after_creation)
{
    uint64_t start = __atomic_load_n(&system_calls, __ATOMIC_SEQ_CST);
    void *volatile probe = malloc(10);
    free(probe);
    if (__atomic_load_n(&system_calls, __ATOMIC_SEQ_CST) != start + 2) {
        SKIP("malloc cannot be counted here");
    }
    ecs_world_desc desc = desc_fixed(4);
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    uint64_t before = __atomic_load_n(&system_calls, __ATOMIC_SEQ_CST);
    CHECK(before > start + 2);
    REQUIRE(program_fill(world, ROWS));
    REQUIRE(program_add(world));
    program_tick(world, 100);
    CHECK_EQ_U64(__atomic_load_n(&system_calls, __ATOMIC_SEQ_CST), before);
    ecs_world_destroy(world);
}
#endif

TEST(backend_fixed_world_is_equal_to_its_blocking_twin)
{
    uint64_t hashes[2];
    uint64_t records[2];
    for (uint32_t w = 0; w < 2; w++) {
        ecs_world_desc desc = desc_fixed(w * 4);
        ecs_world *world = program_make(&desc, ROWS);
        size_t bytes = ecs_world_stats(world).bytes_allocated;
        program_tick(world, 60);
        hashes[w] = ecs_world_hash(world);
        records[w] = ecs_world_stats(world).commands_recorded;
        CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, bytes);
        ecs_world_destroy(world);
    }
    CHECK_EQ_U64(hashes[0], hashes[1]);
    CHECK_EQ_U64(records[0], records[1]);
}

TEST(backend_world_and_its_workers_live_in_a_buffer)
{
    static const uint32_t workers[3] = {1, 4, 16};
    for (int i = 0; i < 3; i++) {
        ecs_world_desc desc = desc_fixed(workers[i]);
        size_t bytes = ecs_world_bytes(&desc);
        unsigned char *raw;
        REQUIRE(bytes > 0);
        raw = (unsigned char *)malloc(bytes + 128);
        REQUIRE(raw != NULL);
        desc.buffer = raw + (64 - (uintptr_t)raw % 64) % 64;
        desc.buffer_bytes = bytes;
        unsigned char *guard = (unsigned char *)desc.buffer + bytes;
        memset(guard, 0x7e, 32);
        ecs_world *world = program_make(&desc, ROWS);
        program_tick(world, 30);
        CHECK_EQ_U64(ecs_pool_workers(ecs_world_pool(world)), workers[i]);
        ecs_world_destroy(world);
        for (int k = 0; k < 32; k++) CHECK_EQ_U64(guard[k], 0x7e);
        desc.buffer_bytes = bytes - 64;
        desc.log = log_keep;
        CHECK(ecs_world_create(&desc) == NULL);
        free(raw);
    }
}

/* ---- What is left behind --------------------------------------------------------------------- */

static ecs_worker *wait_guest;
static ecs_latch wait_latch;
static ecs_signal wait_entered;
static ecs_signal wait_ticked;
static ecs_signal wait_over;
static ecs_status wait_status;

static void sleep_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

/* On the guest: ends its wait in the midst of the tick. */
ECS_SYSTEM(wait_first, WRITE(Number))
{
    sleep_ms(20);
    if (view->worker == wait_guest && view->entities != NULL) {
        ecs_latch_down(view->worker, &wait_latch);
        wait_guest = NULL;
    }
    return ECS_OK;
}

ECS_SYSTEM(wait_second, WRITE(Number))
{
    ecs_write(view, Number)->value++;
    return ECS_OK;
}

ECS_TASK(wait_busy)
{
    sleep_ms(5);
    return ECS_OK;
}

/* Keeps the pool's own thread away from the tick. */
static void keep_busy(ecs_worker *worker, void *data)
{
    (void)worker;
    ecs_signal_set((ecs_signal *)data);
    ecs_signal_wait(&wait_over, ECS_FOREVER);
}

static void *guest_main(void *data)
{
    ecs_worker *guest = ecs_pool_enter((ecs_pool *)data);
    ecs_signal busy;
    ecs_job job;
    ecs_signal_init(&busy);
    ecs_job_run(guest, &job, keep_busy, &busy);
    ecs_signal_wait(&busy, ECS_FOREVER);
    wait_guest = guest;
    ecs_signal_set(&wait_entered);
    ecs_latch_wait(guest, &wait_latch);
    /* Not a wait that helps: whatever is in its deque is for others now. */
    wait_status = ecs_signal_wait(&wait_ticked, 5000000000u);
    ecs_signal_set(&wait_over);
    ecs_job_wait(guest, &job);
    ecs_pool_leave(guest);
    return NULL;
}

TEST(backend_guest_whose_wait_is_over_keeps_no_job_of_a_tick)
{
    ecs_pool_desc desc;
    ecs_system_desc main_desc;
    pthread_t thread;
    memset(&desc, 0, sizeof desc);
    desc.workers = 2;
    ecs_pool *pool = ecs_pool_create(&desc);
    ecs_world_desc world_desc = desc_of(2, pool);
    ecs_world *world = ecs_world_create(&world_desc);
    ecs_spawn_with(world, (Number, {0}));
    ecs_system_add(world, &wait_first, ECS_UPDATE);
    ecs_system_add(world, &wait_second, ECS_UPDATE);
    memset(&main_desc, 0, sizeof main_desc);
    main_desc.system = &wait_busy;
    main_desc.main_thread = true;
    ecs_system_add_desc(world, &main_desc);
    ecs_latch_init(&wait_latch, 1);
    ecs_signal_init(&wait_entered);
    ecs_signal_init(&wait_ticked);
    ecs_signal_init(&wait_over);
    REQUIRE(pthread_create(&thread, NULL, guest_main, pool) == 0);
    REQUIRE_STATUS(ecs_signal_wait(&wait_entered, ECS_FOREVER), ECS_OK);
    uint32_t ticks = 0;
    for (; wait_guest != NULL && ticks < 400; ticks++) {
        REQUIRE_STATUS(ecs_tick(world, 0), ECS_OK);
    }
    REQUIRE(ticks < 400);
    ecs_signal_set(&wait_ticked);
    pthread_join(thread, NULL);
    CHECK_STATUS(wait_status, ECS_OK);
    ecs_world_destroy(world);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* Records a little and fails. */
ECS_SYSTEM(try_and_fail, READ(Number))
{
    for (int i = 0; i < 4; i++) ecs_cmd_set(view->cmd, view->entities[0], Side, {1});
    return ECS_FAILED;
}

/* Its spawns are refused half way. */
ECS_SYSTEM(spawn_too_much, READ(Number))
{
    for (int i = 0; i < 600; i++) {
        ecs_cmd_spawn_with(view->cmd, (Number, {1}), (Side, {1}), (Parent, {1, {0}}), (Old));
    }
    return ECS_OK;
}

static uint32_t recorded_well;

ECS_SYSTEM(record_well, READ(Number))
{
    recorded_well = 0;
    for (int i = 0; i < 100; i++) {
        if (ecs_cmd_set(view->cmd, view->entities[0], Side, {1}) == ECS_OK) recorded_well++;
    }
    return ECS_OK;
}

static ecs_world *bounded(uint32_t share_ns)
{
    ecs_world_desc desc = desc_of(2, NULL);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 1000;
    desc.share_ns = share_ns;
    ecs_world *world = ecs_world_create(&desc);
    if (world != NULL) ecs_spawn_with(world, (Number, {0}));
    return world;
}

TEST(backend_fixed_world_gets_back_what_failed_runs_recorded)
{
    for (uint32_t share_ns = 0; share_ns < 2; share_ns++) {
        ecs_world *world = bounded(share_ns);
        ecs_system_desc desc;
        REQUIRE(world != NULL);
        memset(&desc, 0, sizeof desc);
        desc.system = &try_and_fail;
        desc.on_error = ECS_SKIP;
        REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
        for (int i = 0; i < 1500; i++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ecs_world_stats(world).commands_refused, 0);
        ecs_world_destroy(world);
    }
}

TEST(backend_fixed_world_has_room_beside_spawns_that_are_refused)
{
    ecs_world *world = bounded(1);
    ecs_system_desc desc;
    REQUIRE(world != NULL);
    memset(&desc, 0, sizeof desc);
    desc.system = &spawn_too_much;
    desc.stream_bytes_max = 160;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    ecs_system_add(world, &record_well, ECS_UPDATE);
    for (int i = 0; i < 5; i++) {
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(recorded_well, 100);
    }
    ecs_world_destroy(world);
}

TEST_DEATH(backend_world_with_a_guest_in_its_pool_is_not_destroyed)
{
    ecs_world_desc desc = desc_of(2, NULL);
    ecs_world *world = ecs_world_create(&desc);
    ecs_pool_enter(ecs_world_pool(world));
    ecs_world_destroy(world);
}

/* ---- Allocations that fail ------------------------------------------------------------------- */

typedef struct {
    uint64_t calls;
    uint64_t fail_at; /* 0: never */
    bool rest_fails;
    uint64_t failures;
    int64_t live_bytes;
} oom_book;

/* Workers ask one after the other, but the compiler of a race finder does not know why. */
static void *oom_alloc(size_t bytes, size_t align, void *user)
{
    oom_book *book = (oom_book *)user;
    void *memory = NULL;
    book->calls++;
    if (book->fail_at != 0 && (book->calls == book->fail_at ||
                               (book->rest_fails && book->calls > book->fail_at))) {
        book->failures++;
        return NULL;
    }
    REQUIRE(posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, bytes) == 0);
    memset(memory, 0xa5, bytes);
    book->live_bytes += (int64_t)bytes;
    return memory;
}

static void oom_release(void *memory, size_t bytes, size_t align, void *user)
{
    oom_book *book = (oom_book *)user;
    (void)align;
    book->live_bytes -= (int64_t)bytes;
    free(memory);
}

/* The program once more; what is refused while it is set up is asked for again. */
static bool oom_setup(ecs_world *world)
{
    int tries;
    ecs_status status = ECS_NO_MEMORY;
    for (tries = 0; tries < 3 && status == ECS_NO_MEMORY; tries++) status = ledger_hooks(world);
    if (status != ECS_OK) return false;
    for (uint32_t i = 0; i < 200; i++) {
        ecs_entity e = ecs_null();
        for (tries = 0; tries < 3 && ecs_is_null(e); tries++) e = ecs_spawn(world);
        if (ecs_is_null(e)) return false;
        status = ECS_NO_MEMORY;
        for (tries = 0; tries < 3 && status == ECS_NO_MEMORY; tries++) {
            status = ecs_set(world, e, Number, {i * 7});
        }
        if (status != ECS_OK) return false;
        status = ECS_NO_MEMORY;
        for (tries = 0; tries < 3 && status == ECS_NO_MEMORY; tries++) {
            status = ecs_set(world, e, Parent, {i, ecs_null()});
        }
        if (status != ECS_OK) return false;
    }
    const ecs_system *systems[4] = {&grow, &breed, &bury, &side};
    for (int s = 0; s < 4; s++) {
        status = ECS_NO_MEMORY;
        for (tries = 0; tries < 3 && status == ECS_NO_MEMORY; tries++) {
            status = ecs_system_add(world, systems[s], ECS_UPDATE);
        }
        if (status != ECS_OK) return false;
    }
    return true;
}

typedef struct {
    bool made, clean; /* nothing was refused in a tick, and no flush was late */
    uint64_t hash, dropped;
    uint32_t owned;
} oom_result;

static oom_result oom_run(oom_book *book, uint32_t workers)
{
    ecs_allocator allocator = {oom_alloc, NULL, oom_release, book};
    ecs_world_desc desc = desc_of(workers, NULL);
    oom_result result = {false, true, 0, 0, 0};
    desc.allocator = &allocator;
    desc.log = log_keep;
    log_count = 0;
    ecs_world *world = ecs_world_create(&desc);
    if (world == NULL || !oom_setup(world)) {
        ecs_world_destroy(world);
        return result;
    }
    result.made = true;
    log_count = 0;
    for (uint32_t i = 0; i < 5; i++) {
        ecs_status status = ecs_tick(world, 0);
        if (status == ECS_NO_MEMORY && ecs_world_tick(world) == i) status = ecs_tick(world, 0);
        if (status != ECS_OK || ecs_tick_last(world)->commands_refused != 0) result.clean = false;
    }
    if (log_count != 0) result.clean = false;
    if (ecs_flush(world) == ECS_OK) {
        ecs_stats stats = ecs_world_stats(world);
        CHECK_EQ_U64(stats.commands_recorded, stats.commands_applied + stats.commands_dropped);
        result.owned = ecs_component_count(world, ecs_component_of(world, ecs_type_of(Owned)));
        CHECK_EQ_I64(ledger, result.owned);
    }
    result.dropped = ecs_world_stats(world).commands_dropped;
    result.hash = ecs_world_hash(world);
    ecs_world_destroy(world);
    return result;
}

TEST(backend_every_allocation_fails_once)
{
    oom_book book;
    uint32_t clean = 0, late = 0, refused = 0;
    memset(&book, 0, sizeof book);
    oom_result wanted = oom_run(&book, 0);
    REQUIRE(wanted.made && wanted.clean && wanted.owned > 0);
    for (uint32_t rest = 0; rest < 2; rest++) {
        uint64_t n = 0;
        do {
            memset(&book, 0, sizeof book);
            book.fail_at = ++n;
            book.rest_fails = rest == 1;
            oom_result got = oom_run(&book, 3);
            CHECK_EQ_I64(ledger, 0);
            CHECK_EQ_I64(book.live_bytes, 0);
            if (got.dropped != wanted.dropped) got.clean = false; /* no room for a move */
            if (!got.made) refused++;
            if (got.made && !got.clean) late++;
            if (got.made && got.clean) clean++;
            if (got.made && got.clean) CHECK_EQ_U64(got.hash, wanted.hash);
            ledger = 0;
        } while (book.failures > 0 && n < 2000);
        CHECK(n > 10 && n < 2000);
    }
    CHECK(clean > 5 && refused > 5 && late > 0);
}
