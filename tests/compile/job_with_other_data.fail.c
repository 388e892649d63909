/* expect-warning: incompatible|cannot convert|invalid conversion|no matching function */
/* A job's function takes void *: one that takes something else would be called wrongly. */
#include "ecs.h"

#ifdef ECS_GOOD
static void count_up(ecs_worker *worker, void *data)
{
    (void)worker;
    *(int *)data += 1;
}
#else
static void count_up(ecs_worker *worker, int *data)
{
    (void)worker;
    *data += 1;
}
#endif

void use(ecs_worker *worker, ecs_job *job, int *count);
void use(ecs_worker *worker, ecs_job *job, int *count)
{
    ecs_job_run(worker, job, count_up, count);
    ecs_job_wait(worker, job);
}
