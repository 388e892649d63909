/* openmp.c: OpenMP's tasks as the job system of a host. Built and run by openmp.sh.
 *
 * The thread that ticks is the one of `single` in a parallel region; the others of its team run
 * the tasks. A team of one, or one with too many tasks, runs a task at once, inside of enqueue. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#include <omp.h>

enum { TASKS_MAX = 8192, ENTITIES = 2000, TICKS = 30, ITEMS = 20000 };

typedef struct task {
    void (*run)(void *data);
    void *data;
    int runs;
    int waits;
} task;

static struct {
    task tasks[TASKS_MAX];
    uint32_t count;
    int owner; /* the thread that ticks */
    int strangers;
} team;

static void *task_enqueue(void (*run)(void *data), void *data, void *user)
{
    task *t = &team.tasks[team.count++];
    (void)user;
    REQUIRE(team.count < TASKS_MAX);
    team.strangers += omp_get_thread_num() != team.owner;
    t->run = run;
    t->data = data;
#pragma omp task firstprivate(t)
    {
        t->run(t->data);
        __atomic_fetch_add(&t->runs, 1, __ATOMIC_ACQ_REL);
    }
    return t;
}

/* Waits for all tasks of this thread; each of them ends by itself. */
static void task_wait(void *waited, void *user)
{
    task *t = (task *)waited;
    (void)user;
    team.strangers += omp_get_thread_num() != team.owner;
    t->waits++;
#pragma omp taskwait
    CHECK_EQ_U64(__atomic_load_n(&t->runs, __ATOMIC_ACQUIRE), 1);
}

static void team_begin(void)
{
    memset(&team, 0, sizeof team);
    team.owner = omp_get_thread_num();
}

static void team_end(void)
{
    CHECK_EQ_U64(team.strangers, 0);
    for (uint32_t i = 0; i < team.count; i++) {
        CHECK_EQ_U64(team.tasks[i].runs, 1);
        CHECK_EQ_U64(team.tasks[i].waits, 1);
    }
}

/* ---- worlds ------------------------------------------------------------------------------ */

typedef struct { float x, y; } Place;
ECS_COMPONENT(Place, x, y);
typedef struct { uint32_t left; uint32_t children; } Age;
ECS_COMPONENT(Age, left, children);
typedef struct { uint64_t bits; } Mark;
ECS_COMPONENT(Mark, bits);

ECS_SYSTEM(drift, WRITE(Place))
{
    Place *p = ecs_write(view, Place);
    for (uint32_t i = 0; i < view->count; i++) p[i].x += p[i].y * view->dt;
    return ECS_OK;
}

typedef struct rows {
    Mark *marks;
    const ecs_entity *entities;
    uint64_t tick;
} rows;

static void mark_range(ecs_worker *worker, ecs_range range, void *data)
{
    const rows *r = (const rows *)data;
    (void)worker;
    for (uint32_t i = range.first; i < range.first + range.count; i++) {
        r->marks[i].bits = ecs_random_u64(r->marks[i].bits, r->tick, r->entities[i], 1);
    }
}

ECS_SYSTEM(mark, WRITE(Mark))
{
    rows r = {ecs_write(view, Mark), view->entities, view->tick};
    ecs_loop loop = {view->count, 8};
    ecs_parallel_for(view->worker, loop, mark_range, &r);
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
                           (Place, {0, 1}));
    }
    return ECS_OK;
}

static ecs_world *world_make(const ecs_task_api *tasks)
{
    ecs_world_desc desc;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
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
    for (uint32_t i = 0; i < ENTITIES; i++) {
        ecs_spawn_with(world, (Place, {(float)i, 1}), (Age, {3 + i % 40, i % 3}), (Mark, {i}));
    }
    return world;
}

static void tick_worlds(uint32_t workers)
{
    ecs_task_api api = {workers, task_enqueue, task_wait, NULL};
    ecs_world *plain = world_make(NULL);
    ecs_world *world = world_make(&api);
    team_begin();
    for (int tick = 0; tick < TICKS; tick++) {
        uint32_t before = team.count;
        CHECK_STATUS(ecs_tick(plain, 0.1f), ECS_OK);
        CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
        REQUIRE(CHECK_EQ_U64(ecs_world_hash(world), ecs_world_hash(plain)));
        CHECK((workers > 1) == (team.count > before));
        team_end();
    }
    ecs_world_destroy(world);
    ecs_world_destroy(plain);
}

static void try_worlds(int threads, uint32_t workers)
{
#pragma omp parallel num_threads(threads)
#pragma omp single
    tick_worlds(workers);
}

TEST(world_on_a_team_is_the_blocking_one)
{
    for (int threads = 2; threads <= 5; threads++) try_worlds(threads, (uint32_t)threads);
}

TEST(world_on_a_team_of_other_size_is_the_blocking_one)
{
    try_worlds(2, 8);
    try_worlds(4, 2);
    try_worlds(3, 1);
}

TEST(world_on_a_team_that_runs_tasks_at_once_is_the_blocking_one)
{
    try_worlds(1, 4);
}

/* Outside of a parallel region there is no team. */
TEST(world_without_a_team_is_the_blocking_one)
{
    tick_worlds(4);
}

/* ---- loops ------------------------------------------------------------------------------- */

static unsigned char counts[ITEMS];

static void count_items(ecs_worker *worker, ecs_range range, void *data)
{
    (void)worker;
    (void)data;
    for (uint32_t i = range.first; i < range.first + range.count; i++) counts[i]++;
}

static void run_loops(uint32_t workers)
{
    ecs_task_api api = {workers, task_enqueue, task_wait, NULL};
    ecs_pool_desc desc;
    ecs_pool *pool;
    ecs_worker *worker;
    memset(&desc, 0, sizeof desc);
    desc.tasks = &api;
    team_begin();
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    worker = ecs_pool_enter(pool);
    for (uint32_t round = 0; round < 100; round++) {
        ecs_loop loop = {ITEMS - round, round % 5 * 100};
        memset(counts, 0, sizeof counts);
        ecs_parallel_for(worker, loop, count_items, NULL);
        for (uint32_t i = 0; i < ITEMS; i++) CHECK_EQ_U64(counts[i], i < loop.count ? 1 : 0);
        team_end();
    }
    CHECK((workers > 1) == (team.count > 0));
    ecs_pool_leave(worker);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(for_on_a_team_runs_each_item_once)
{
    for (int threads = 1; threads <= 5; threads++) {
#pragma omp parallel num_threads(threads)
#pragma omp single
        run_loops((uint32_t)threads);
    }
#pragma omp parallel num_threads(1)
#pragma omp single
    run_loops(4);
}
