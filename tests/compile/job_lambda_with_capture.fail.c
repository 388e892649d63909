/* expect: cannot convert|no matching function|no viable conversion */
/* A job is a function and a pointer; what a lambda captures would have no place. c++-only */
#include "ecs.h"

#ifdef __cplusplus
void use(ecs_worker *worker, ecs_job *job, int *count);
void use(ecs_worker *worker, ecs_job *job, int *count)
{
#ifdef ECS_GOOD
    ecs_job_run(
        worker, job, [](ecs_worker *, void *data) { ++*static_cast<int *>(data); }, count);
#else
    ecs_job_run(
        worker, job, [count](ecs_worker *, void *) { ++*count; }, nullptr);
#endif
    ecs_job_wait(worker, job);
}
#endif
