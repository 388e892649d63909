/* In C++ a lambda without captures is a job, a loop's body, a leaf; in C there is nothing here.
 * (Compiled by the C compilers as well: then it is a program that does nothing.) */
#include "ecs.h"

#ifdef __cplusplus
#include <cstring>

struct Work {
    ecs_job job;
    unsigned items[100];
    unsigned total;
};

static bool lambdas(ecs_worker *worker)
{
    Work work = {};
    const ecs_loop loop = {100, 7};
    ecs_reduce reduce = {};
    ecs_job_run(
        worker, &work.job,
        [](ecs_worker *, void *data) { static_cast<Work *>(data)->total = 1; }, &work);
    ecs_job_wait(worker, &work.job);
    ecs_parallel_for(
        worker, loop,
        [](ecs_worker *, ecs_range range, void *data) {
            for (auto i = range.first; i < range.first + range.count; i++) {
                static_cast<Work *>(data)->items[i]++;
            }
        },
        &work);
    reduce.count = 100;
    reduce.bytes = sizeof(unsigned);
    reduce.data = &work;
    reduce.leaf = [](ecs_worker *, ecs_range range, void *value, void *data) {
        unsigned sum = 0;
        for (auto i = range.first; i < range.first + range.count; i++) {
            sum += static_cast<Work *>(data)->items[i];
        }
        std::memcpy(value, &sum, sizeof sum);
    };
    reduce.combine = [](void *left, const void *right, void *) {
        *static_cast<unsigned *>(left) += *static_cast<const unsigned *>(right);
    };
    return ecs_parallel_reduce(worker, &reduce, &work.total) == ECS_OK && work.total == 100;
}

static bool hosted()
{
    ecs_task_api tasks = {};
    ecs_pool_desc desc = {};
    tasks.workers = 1;
    tasks.enqueue = [](void (*)(void *), void *, void *) -> void * { return nullptr; };
    tasks.wait = [](void *, void *) {};
    desc.tasks = &tasks;
    ecs_pool *pool = ecs_pool_create(&desc);
    ecs_worker *worker = ecs_pool_enter(pool);
    bool good = lambdas(nullptr) && lambdas(worker);
    ecs_pool_leave(worker);
    return ecs_pool_destroy(pool) == ECS_OK && good;
}

int main()
{
    return hosted() ? 0 : 1;
}
#else
int main(void)
{
    return 0;
}
#endif
