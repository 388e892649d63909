/* Pools, jobs, loops, reductions and what threads wait for, as C and as C++. */
#define ECS_IMPLEMENTATION
#include "ecs.h"

typedef struct sum {
    const int *numbers;
    int total;
} sum;

static void add_job(ecs_worker *worker, void *data)
{
    sum *s = (sum *)data;
    ecs_job inner;
    s->total += s->numbers[0];
    if (worker != NULL) {
        ecs_job_run(worker, &inner, add_job, data);
        ecs_job_wait(worker, &inner);
    }
}

static void add_range(ecs_worker *worker, ecs_range range, void *data)
{
    sum *s = (sum *)data;
    (void)worker;
    for (uint32_t i = range.first; i < range.first + range.count; i++) s->total += s->numbers[i];
}

static void leaf(ecs_worker *worker, ecs_range range, void *value, void *data)
{
    int *total = (int *)value;
    const sum *s = (const sum *)data;
    (void)worker;
    *total = 0;
    for (uint32_t i = range.first; i < range.first + range.count; i++) *total += s->numbers[i];
}

static void combine(void *left, const void *right, void *data)
{
    (void)data;
    *(int *)left += *(const int *)right;
}

static void *enqueue(void (*run)(void *data), void *data, void *user)
{
    (void)run;
    (void)data;
    (void)user;
    return NULL;
}

static void wait_task(void *task, void *user)
{
    (void)task;
    (void)user;
}

static ecs_status wait_for_all(void *value)
{
    ecs_semaphore semaphore;
    ecs_signal signal;
    ecs_future future;
    ecs_status status;
    ecs_semaphore_init(&semaphore, 1);
    ecs_signal_init(&signal);
    ecs_future_init(&future);
    status = ecs_semaphore_acquire(&semaphore, 1000);
    if (ecs_semaphore_try_acquire(&semaphore)) return ECS_FAILED;
    ecs_semaphore_release(&semaphore, ecs_semaphore_waiting(&semaphore) + 1);
    ecs_signal_set(&signal);
    if (!ecs_signal_is_set(&signal)) return ECS_FAILED;
    if (status == ECS_OK) status = ecs_signal_wait(&signal, ECS_FOREVER);
    if (status == ECS_OK) status = ecs_future_set(&future, ECS_OK, value);
    if (!ecs_future_poll(&future)) return ECS_FAILED;
    if (status == ECS_OK) status = ecs_future_wait(&future, 0, &value);
    return status;
}

static int use(ecs_pool *pool)
{
    static const int numbers[3] = {1, 2, 3};
    const ecs_loop loop = {3, 1};
    sum s = {numbers, 0};
    const ecs_reduce reduce = {3, 0, sizeof(int), leaf, combine, &s};
    ecs_worker *worker = ecs_pool_enter(pool);
    ecs_worker_stats stats;
    ecs_latch latch;
    ecs_job job;
    int total = 0;
    ecs_job_run(NULL, &job, add_job, &s);
    ecs_job_wait(worker, &job);
    ecs_parallel_for(worker, loop, add_range, &s);
    ecs_latch_init(&latch, 1);
    ecs_latch_down(worker, &latch);
    ecs_latch_wait(worker, &latch);
    if (ecs_parallel_reduce(worker, &reduce, &total) != ECS_OK) return 1;
    if (ecs_pool_stats(pool, 0, &stats) != ECS_OK || !ecs_job_done(&job)) return 1;
    ecs_pool_leave(worker);
    if (wait_for_all(&total) != ECS_OK) return 1;
    return total == 6 && s.total == 7 ? 0 : 1;
}

int main(void)
{
    ecs_task_api tasks;
    ecs_pool_desc desc;
    ecs_pool *pool;
    int bad;
    memset(&desc, 0, sizeof desc);
    tasks.workers = 2;
    tasks.enqueue = enqueue;
    tasks.wait = wait_task;
    tasks.user = NULL;
    desc.tasks = &tasks;
    pool = ecs_pool_create(&desc);
    if (pool == NULL || ecs_pool_workers(pool) != 2) return 1;
    bad = use(pool);
    return ecs_pool_destroy(pool) == ECS_OK ? bad : 1;
}
