/* tasks.c: pools whose work is run by the job system of a host (ecs_task_api). Hosts of all
 * kinds: threads with a queue, one that runs tasks only while it is waited for, one that
 * refuses, one that is late, one that runs a task inside of enqueue. Worlds on them have the
 * hashes of a blocking world. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

enum { HOST_THREADS_MAX = 8, TASKS_MAX = 65536, ENTITIES = 2000, TICKS = 25, SIDE = 10 };

typedef enum host_kind {
    HOST_THREADS, /* a queue and threads; wait sleeps */
    HOST_IN_WAIT, /* no threads: tasks run when they are waited for */
    HOST_LATE,    /* threads that take their time before a task */
    HOST_AT_ONCE, /* runs the task inside of enqueue */
    HOST_KINDS
} host_kind;

typedef struct task {
    void (*run)(void *data);
    void *data;
    uint32_t runs;
    uint32_t waits;
} task;

typedef struct host {
    host_kind kind;
    uint32_t refuse_every; /* 0: never; 1: each; 2: each second one */
    uint32_t asked;
    uint32_t strangers; /* calls of other threads than the owner */
    pthread_t owner;
    bool one_owner;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    task *tasks;
    uint32_t count; /* of tasks that were taken */
    uint32_t begun;
    uint32_t ended;
    uint32_t waited;
    bool stop;
    pthread_t threads[HOST_THREADS_MAX];
    uint32_t thread_count;
} host;

static void host_run(host *h, task *t)
{
    if (h->kind == HOST_LATE) usleep(300);
    t->run(t->data);
    pthread_mutex_lock(&h->mutex);
    t->runs++;
    h->ended++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
}

static void *host_thread(void *data)
{
    host *h = (host *)data;
    for (;;) {
        task *t = NULL;
        pthread_mutex_lock(&h->mutex);
        while (h->begun == h->count && !h->stop) pthread_cond_wait(&h->changed, &h->mutex);
        if (h->begun < h->count) t = &h->tasks[h->begun++];
        pthread_mutex_unlock(&h->mutex);
        if (t == NULL) return NULL;
        host_run(h, t);
    }
}

static void *host_enqueue(void (*run)(void *data), void *data, void *user)
{
    host *h = (host *)user;
    task *t = NULL;
    pthread_mutex_lock(&h->mutex);
    if (h->one_owner && !pthread_equal(h->owner, pthread_self())) h->strangers++;
    h->asked++;
    if (h->refuse_every == 0 || h->asked % h->refuse_every != 0) {
        REQUIRE(h->count < TASKS_MAX);
        t = &h->tasks[h->count++];
        t->run = run;
        t->data = data;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->mutex);
    if (t != NULL && h->kind == HOST_AT_ONCE) host_run(h, t);
    return t;
}

static void host_wait(void *waited, void *user)
{
    host *h = (host *)user;
    task *t = (task *)waited;
    REQUIRE(t != NULL);
    if (h->kind == HOST_IN_WAIT) host_run(h, t);
    pthread_mutex_lock(&h->mutex);
    if (h->one_owner && !pthread_equal(h->owner, pthread_self())) h->strangers++;
    CHECK_EQ_U64(t->waits, 0);
    t->waits++;
    h->waited++;
    while (t->runs == 0) pthread_cond_wait(&h->changed, &h->mutex);
    CHECK_EQ_U64(t->runs, 1);
    pthread_mutex_unlock(&h->mutex);
}

static void host_start(host *h, host_kind kind, uint32_t threads, uint32_t refuse_every)
{
    memset(h, 0, sizeof *h);
    h->kind = kind;
    h->refuse_every = refuse_every;
    h->owner = pthread_self();
    h->one_owner = true;
    h->tasks = (task *)calloc(TASKS_MAX, sizeof *h->tasks);
    REQUIRE(h->tasks != NULL && threads <= HOST_THREADS_MAX);
    REQUIRE(pthread_mutex_init(&h->mutex, NULL) == 0);
    REQUIRE(pthread_cond_init(&h->changed, NULL) == 0);
    if (kind != HOST_THREADS && kind != HOST_LATE) return;
    for (; h->thread_count < threads; h->thread_count++) {
        REQUIRE(pthread_create(&h->threads[h->thread_count], NULL, host_thread, h) == 0);
    }
}

/* Nothing that was taken is still to be run or waited for. */
static void host_check(host *h)
{
    pthread_mutex_lock(&h->mutex);
    CHECK_EQ_U64(h->ended, h->count);
    CHECK_EQ_U64(h->waited, h->count);
    CHECK_EQ_U64(h->strangers, 0);
    pthread_mutex_unlock(&h->mutex);
}

static void host_end(host *h)
{
    host_check(h);
    for (uint32_t i = 0; i < h->count; i++) {
        CHECK_EQ_U64(h->tasks[i].runs, 1);
        CHECK_EQ_U64(h->tasks[i].waits, 1);
    }
    pthread_mutex_lock(&h->mutex);
    h->stop = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->mutex);
    for (uint32_t i = 0; i < h->thread_count; i++) pthread_join(h->threads[i], NULL);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->mutex);
    free(h->tasks);
}

static ecs_task_api host_api(host *h, uint32_t workers)
{
    ecs_task_api api = {workers, host_enqueue, host_wait, NULL};
    api.user = h;
    return api;
}

/* ---- a world of some systems --------------------------------------------------------------- */

typedef struct { float x, y; } Place;
ECS_COMPONENT(Place, x, y);
typedef struct { float x, y; } Speed;
ECS_COMPONENT(Speed, x, y);
typedef struct { uint32_t left; uint32_t children; } Age;
ECS_COMPONENT(Age, left, children);
typedef struct { uint64_t bits; } Mark;
ECS_COMPONENT(Mark, bits);
typedef struct { uint64_t value; } Sum;
ECS_RESOURCE(Sum, value);

static bool nested; /* systems have loops inside */

ECS_SYSTEM(drift, WRITE(Place), READ(Speed))
{
    Place *p = ecs_write(view, Place);
    const Speed *v = ecs_read(view, Speed);
    for (uint32_t i = 0; i < view->count; i++) {
        p[i].x += v[i].x * view->dt;
        p[i].y += v[i].y * view->dt;
    }
    return ECS_OK;
}

typedef struct mark_rows {
    Mark *marks;
    const ecs_entity *entities;
    uint64_t tick;
} mark_rows;

static void mark_range(ecs_worker *worker, ecs_range range, void *data)
{
    const mark_rows *rows = (const mark_rows *)data;
    (void)worker;
    for (uint32_t i = range.first; i < range.first + range.count; i++) {
        rows->marks[i].bits = ecs_random_u64(rows->marks[i].bits, rows->tick, rows->entities[i], 1);
    }
}

ECS_SYSTEM(mark, WRITE(Mark))
{
    mark_rows rows = {ecs_write(view, Mark), view->entities, view->tick};
    ecs_range all = {0, view->count};
    ecs_loop loop = {view->count, 8};
    if (nested) {
        ecs_parallel_for(view->worker, loop, mark_range, &rows);
    } else {
        mark_range(view->worker, all, &rows);
    }
    return ECS_OK;
}

ECS_SYSTEM(grow_old, WRITE(Age))
{
    Age *age = ecs_write(view, Age);
    for (uint32_t i = 0; i < view->count; i++) {
        if (--age[i].left > 0) continue;
        ecs_cmd_despawn(view->cmd, view->entities[i]);
        if (age[i].children == 0) continue;
        ecs_cmd_spawn_with(view->cmd, (Age, {9, age[i].children - 1}), (Mark, {view->tick}),
                           (Place, {0, 1}), (Speed, {(float)age[i].children, 2}));
    }
    return ECS_OK;
}

ECS_SYSTEM(add_up, READ(Mark), RES_WRITE(Sum))
{
    const Mark *marks = ecs_read(view, Mark);
    Sum *sum = ecs_res_write(view, Sum);
    for (uint32_t i = 0; i < view->count; i++) sum->value = sum->value * 31 + marks[i].bits;
    return ECS_OK;
}

static pthread_t ticking;

ECS_SYSTEM(at_home, READ(Place), WRITE(Speed))
{
    const Place *p = ecs_read(view, Place);
    Speed *v = ecs_write(view, Speed);
    CHECK(pthread_equal(ticking, pthread_self()));
    for (uint32_t i = 0; i < view->count; i++) v[i].y += p[i].x * 0.01f;
    return ECS_OK;
}

static ecs_world *world_make(const ecs_task_api *tasks)
{
    ecs_world_desc desc;
    ecs_system_desc home;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    memset(&home, 0, sizeof home);
    desc.row_block_rows = 64;
    desc.seed = 7;
    desc.share_ns = 1;
    if (tasks != NULL) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.tasks = tasks;
    }
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    REQUIRE_STATUS(ecs_system_add(world, &drift, ECS_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &mark, ECS_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &grow_old, ECS_UPDATE), ECS_OK);
    home.system = &at_home;
    home.phase = ECS_UPDATE;
    home.main_thread = true;
    REQUIRE_STATUS(ecs_system_add_desc(world, &home), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &add_up, ECS_POST_UPDATE), ECS_OK);
    for (uint32_t i = 0; i < ENTITIES; i++) {
        ecs_spawn_with(world, (Place, {(float)i, 1}), (Speed, {1, (float)(i % 5)}),
                       (Age, {3 + i % 40, i % 3}), (Mark, {i}));
    }
    ticking = pthread_self();
    return world;
}

/* Ticks a world on a host beside a blocking one. */
static void check_world(host *h, uint32_t workers)
{
    ecs_task_api api = host_api(h, workers);
    ecs_world *plain = world_make(NULL);
    ecs_world *world = world_make(&api);
    CHECK(ecs_pool_workers(ecs_world_pool(world)) == workers);
    for (int tick = 0; tick < TICKS; tick++) {
        uint32_t asked = h->asked;
        CHECK_STATUS(ecs_tick(plain, 0.1f), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
        REQUIRE(CHECK_EQ_U64(ecs_world_hash(world), ecs_world_hash(plain)));
        host_check(h);
        CHECK((workers > 1) == (h->asked > asked));
    }
    ecs_world_destroy(world);
    ecs_world_destroy(plain);
}

static void check_worlds(host_kind kind, uint32_t refuse_every)
{
    for (uint32_t workers = 1; workers <= 4; workers++) {
        host h;
        host_start(&h, kind, workers - 1, refuse_every);
        check_world(&h, workers);
        host_end(&h);
    }
}

TEST(world_on_threads_of_a_host_is_the_blocking_one)
{
    check_worlds(HOST_THREADS, 0);
}

TEST(world_on_a_host_that_works_in_wait_is_the_blocking_one)
{
    check_worlds(HOST_IN_WAIT, 0);
}

TEST(world_on_a_host_that_is_late_is_the_blocking_one)
{
    check_worlds(HOST_LATE, 0);
}

TEST(world_on_a_host_that_refuses_is_the_blocking_one)
{
    check_worlds(HOST_THREADS, 1);
    check_worlds(HOST_THREADS, 2);
    check_worlds(HOST_IN_WAIT, 2);
}

TEST(world_on_a_host_that_works_in_enqueue_is_the_blocking_one)
{
    check_worlds(HOST_AT_ONCE, 0);
    check_worlds(HOST_AT_ONCE, 2);
}

/* Fewer threads than it said, so some tasks begin when all is over. */
TEST(world_on_a_host_with_too_few_threads_is_the_blocking_one)
{
    host h;
    host_start(&h, HOST_THREADS, 1, 0);
    check_world(&h, 8);
    host_end(&h);
}

TEST(world_with_loops_in_systems_is_the_blocking_one)
{
    nested = true;
    check_worlds(HOST_THREADS, 0);
    check_worlds(HOST_LATE, 2);
}

TEST(world_with_loops_in_systems_on_any_host_is_the_blocking_one)
{
    nested = true;
    check_worlds(HOST_IN_WAIT, 0);
    check_worlds(HOST_AT_ONCE, 0);
}

TEST(world_of_many_helpers_asks_for_no_more_than_it_has_room_for)
{
    host h;
    ecs_task_api api;
    ecs_world *world;
    host_start(&h, HOST_THREADS, 2, 0);
    api = host_api(&h, ECS_WORKERS_MAX);
    world = world_make(&api);
    CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    host_check(&h);
    CHECK(h.asked > 0);
    ecs_world_destroy(world);
    host_end(&h);
}

/* ---- a pool ------------------------------------------------------------------------------ */

static ecs_pool *pool_make(const ecs_task_api *api)
{
    ecs_pool_desc desc;
    ecs_pool *pool;
    memset(&desc, 0, sizeof desc);
    desc.tasks = api;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    CHECK_EQ_U64(ecs_pool_workers(pool), api->workers);
    return pool;
}

static struct {
    uint32_t arrived;
    uint32_t wanted;
} party;

/* Holds its worker until each has a range. */
static void party_range(ecs_worker *worker, ecs_range range, void *data)
{
    uint64_t end = ecsi_clock_ns() + 20000000000u;
    (void)worker;
    (void)data;
    CHECK_EQ_U64(range.count, 1);
    __atomic_fetch_add(&party.arrived, 1u, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&party.arrived, __ATOMIC_ACQUIRE) < party.wanted) {
        REQUIRE(ecsi_clock_ns() < end);
        ecsi_yield();
    }
}

TEST(for_uses_all_helpers_of_a_host)
{
    for (uint32_t kind = HOST_THREADS; kind <= HOST_LATE; kind += HOST_LATE - HOST_THREADS) {
        for (uint32_t workers = 2; workers <= 5; workers++) {
            host h;
            ecs_task_api api;
            ecs_pool *pool;
            ecs_worker *worker;
            ecs_loop loop = {workers, 1};
            host_start(&h, (host_kind)kind, workers - 1, 0);
            api = host_api(&h, workers);
            pool = pool_make(&api);
            worker = ecs_pool_enter(pool);
            party.wanted = workers;
            for (uint32_t i = 1; i <= 20; i++) {
                party.arrived = 0;
                ecs_parallel_for(worker, loop, party_range, NULL);
                CHECK_EQ_U64(party.arrived, workers);
                CHECK_EQ_U64(h.asked, i * (workers - 1));
                host_check(&h);
            }
            ecs_pool_leave(worker);
            CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
            host_end(&h);
        }
    }
}

typedef struct nest {
    unsigned char *counts;
    uint32_t depth;
    uint32_t first;
} nest;

static void nest_body(ecs_worker *worker, ecs_range range, void *data)
{
    const nest *outer = (const nest *)data;
    for (uint32_t i = range.first; i < range.first + range.count; i++) {
        nest inner = {outer->counts, outer->depth + 1, outer->first * SIDE + i};
        ecs_loop loop = {SIDE, 1};
        if (inner.depth == 3) {
            inner.counts[inner.first]++;
        } else {
            ecs_parallel_for(worker, loop, nest_body, &inner);
        }
    }
}

static void check_nest(host_kind kind, uint32_t refuse_every, uint32_t workers)
{
    static unsigned char counts[SIDE * SIDE * SIDE];
    host h;
    ecs_task_api api;
    ecs_pool *pool;
    ecs_worker *worker;
    ecs_loop loop = {SIDE, 1};
    host_start(&h, kind, workers - 1, refuse_every);
    api = host_api(&h, workers);
    pool = pool_make(&api);
    worker = ecs_pool_enter(pool);
    for (int round = 0; round < 5; round++) {
        nest root = {counts, 0, 0};
        memset(counts, 0, sizeof counts);
        ecs_parallel_for(worker, loop, nest_body, &root);
        for (uint32_t i = 0; i < sizeof counts; i++) CHECK_EQ_U64(counts[i], 1);
        host_check(&h);
    }
    ecs_pool_leave(worker);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    host_end(&h);
}

TEST(for_nested_on_threads_of_a_host_runs_each_item_once)
{
    for (uint32_t workers = 1; workers <= 4; workers++) {
        check_nest(HOST_THREADS, 0, workers);
        check_nest(HOST_THREADS, 1, workers);
        check_nest(HOST_THREADS, 2, workers);
    }
}

TEST(for_nested_on_a_host_that_works_in_wait_runs_each_item_once)
{
    for (uint32_t workers = 1; workers <= 4; workers++) check_nest(HOST_IN_WAIT, 0, workers);
}

TEST(for_nested_on_a_host_that_works_in_enqueue_runs_each_item_once)
{
    for (uint32_t workers = 1; workers <= 4; workers++) check_nest(HOST_AT_ONCE, 0, workers);
}

static void sum_leaf(ecs_worker *worker, ecs_range range, void *value, void *data)
{
    float sum = 0;
    (void)worker;
    (void)data;
    for (uint32_t i = range.first; i < range.first + range.count; i++) sum += 1.0f / (float)(i + 1);
    memcpy(value, &sum, sizeof sum);
}

static void sum_combine(void *left, const void *right, void *data)
{
    float a;
    float b;
    (void)data;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    a += b;
    memcpy(left, &a, sizeof a);
}

TEST(reduce_on_any_host_is_equal_to_the_bit)
{
    ecs_reduce reduce = {100000, 0, sizeof(float), sum_leaf, sum_combine, NULL};
    float wanted = 0;
    CHECK_STATUS(ecs_parallel_reduce(NULL, &reduce, &wanted), ECS_OK);
    for (uint32_t kind = 0; kind < HOST_KINDS; kind++) {
        host h;
        ecs_task_api api;
        ecs_pool *pool;
        ecs_worker *worker;
        float got = -1;
        host_start(&h, (host_kind)kind, 3, 0);
        api = host_api(&h, 4);
        pool = pool_make(&api);
        worker = ecs_pool_enter(pool);
        CHECK_STATUS(ecs_parallel_reduce(worker, &reduce, &got), ECS_OK);
        CHECK(memcmp(&got, &wanted, sizeof got) == 0);
        ecs_pool_leave(worker);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
        host_end(&h);
    }
}

static void count_job(ecs_worker *worker, void *data)
{
    (void)worker;
    __atomic_fetch_add((uint32_t *)data, 1u, __ATOMIC_RELAXED);
}

/* Without a loop or a tick nobody is asked: who enters does it all. */
TEST(jobs_alone_ask_no_host)
{
    static ecs_job jobs[2000];
    host h;
    ecs_task_api api;
    ecs_pool *pool;
    ecs_worker *worker;
    uint32_t count = 0;
    host_start(&h, HOST_THREADS, 2, 0);
    api = host_api(&h, 3);
    pool = pool_make(&api);
    worker = ecs_pool_enter(pool);
    for (int i = 0; i < 2000; i++) ecs_job_run(worker, &jobs[i], count_job, &count);
    for (int i = 0; i < 2000; i++) ecs_job_wait(worker, &jobs[i]);
    CHECK_EQ_U64(count, 2000);
    CHECK_EQ_U64(h.asked, 0);
    ecs_pool_leave(worker);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    host_end(&h);
}

/* ---- several threads on one pool of a host ------------------------------------------------- */

static ecs_pool *shared;

static void *run_guest(void *data)
{
    unsigned char counts[SIDE * SIDE * SIDE];
    ecs_worker *worker = ecs_pool_enter(shared);
    ecs_loop loop = {SIDE, 1};
    (void)data;
    REQUIRE(worker != NULL);
    for (int round = 0; round < 10; round++) {
        nest root = {counts, 0, 0};
        memset(counts, 0, sizeof counts);
        ecs_parallel_for(worker, loop, nest_body, &root);
        for (uint32_t i = 0; i < sizeof counts; i++) CHECK_EQ_U64(counts[i], 1);
    }
    ecs_pool_leave(worker);
    return NULL;
}

TEST(for_of_several_guests_on_one_host_runs_each_item_once)
{
    pthread_t threads[3];
    host h;
    ecs_task_api api;
    host_start(&h, HOST_THREADS, 2, 0);
    h.one_owner = false;
    api = host_api(&h, 3);
    shared = pool_make(&api);
    for (int i = 0; i < 3; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_guest, NULL) == 0);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK_STATUS(ecs_pool_destroy(shared), ECS_OK);
    host_end(&h);
}
