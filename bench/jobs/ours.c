/* The job engine's scenarios by ecs.h: jobs, latches and parallel loops. `fence` times the
 * deque alone. See jobs.h. */
#include "jobs.h"

#define ECS_IMPLEMENTATION
#ifdef ECS_BENCH_HEADER
#include ECS_BENCH_HEADER
#else
#include "../../ecs.h"
#endif

static ecs_worker *us;

/* ---- Small jobs ------------------------------------------------------------------------- */

static void nothing(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    jobs_nothing();
}

static void spawn(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        ecs_job job;
        ecs_job_run(us, &job, nothing, NULL);
        ecs_job_wait(us, &job);
    }
}

static void spawn100(void *state, uint64_t repeats)
{
    static ecs_job jobs[JOBS_BATCH];
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < JOBS_BATCH; i++) ecs_job_run(us, &jobs[i], nothing, NULL);
        for (uint32_t i = JOBS_BATCH; i-- > 0;) ecs_job_wait(us, &jobs[i]);
    }
}

typedef struct fib_part {
    uint64_t result;
    uint32_t n;
} fib_part;

static void fib_job(ecs_worker *worker, void *data);

static uint64_t fib_of(ecs_worker *worker, uint32_t n)
{
    fib_part part = {0, n - 1};
    ecs_job job;
    uint64_t other;
    if (n < 2) return n;
    ecs_job_run(worker, &job, fib_job, &part);
    other = fib_of(worker, n - 2);
    ecs_job_wait(worker, &job);
    return part.result + other;
}

static void fib_job(ecs_worker *worker, void *data)
{
    fib_part *part = (fib_part *)data;
    part->result = fib_of(worker, part->n);
}

static void fib(void *state, uint64_t repeats)
{
    uint32_t n = *(uint32_t *)state;
    for (uint64_t r = 0; r < repeats; r++) jobs_need(fib_of(us, n) == jobs_fib(n), "fib");
}

typedef struct sky_part {
    uint64_t first, size, sum;
} sky_part;

static void sky_job(ecs_worker *worker, void *data);

static uint64_t sky_of(ecs_worker *worker, uint64_t first, uint64_t size)
{
    sky_part parts[10];
    ecs_job jobs[10];
    uint64_t sum = 0;
    if (size == 1) return first;
    for (uint32_t i = 0; i < 10; i++) {
        parts[i].first = first + i * (size / 10);
        parts[i].size = size / 10;
        ecs_job_run(worker, &jobs[i], sky_job, &parts[i]);
    }
    for (uint32_t i = 10; i-- > 0;) {
        ecs_job_wait(worker, &jobs[i]);
        sum += parts[i].sum;
    }
    return sum;
}

static void sky_job(ecs_worker *worker, void *data)
{
    sky_part *part = (sky_part *)data;
    part->sum = sky_of(worker, part->first, part->size);
}

static void skynet(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        jobs_need(sky_of(us, 0, JOBS_LEAVES) == jobs_leaves_sum(), "skynet");
    }
}

/* ---- Loops ------------------------------------------------------------------------------ */

static void for_range(ecs_worker *worker, ecs_range range, void *data)
{
    (void)worker;
    (void)data;
    jobs_for_body(range.first, (size_t)range.first + range.count);
}

static void loop(void *state, uint64_t repeats)
{
    ecs_loop all = {*(uint32_t *)state, 0};
    for (uint64_t r = 0; r < repeats; r++) ecs_parallel_for(us, all, for_range, NULL);
}

static void heavy_range(ecs_worker *worker, ecs_range range, void *data)
{
    (void)worker;
    (void)data;
    jobs_heavy_body(range.first, (size_t)range.first + range.count);
}

static void heavy(void *state, uint64_t repeats)
{
    ecs_loop all = {JOBS_HEAVY, 0};
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) ecs_parallel_for(us, all, heavy_range, NULL);
}

/* ---- A graph ---------------------------------------------------------------------------- */

static ecs_job wave_jobs[JOBS_BLOCKS];
static ecs_latch wave_latch;

static void wave_job(ecs_worker *worker, void *data);

static void wave_start(ecs_worker *worker, uint32_t block)
{
    ecs_job_send(worker, &wave_jobs[block], wave_job, (void *)(uintptr_t)block);
}

static void wave_job(ecs_worker *worker, void *data)
{
    uint32_t block = (uint32_t)(uintptr_t)data;
    uint32_t below = block + JOBS_SIDE;
    uint32_t right = block + 1;
    jobs_wave_body(block);
    jobs_wave_arm(block);
    if (below < JOBS_BLOCKS && jobs_wave_ready(below)) wave_start(worker, below);
    if (right % JOBS_SIDE != 0 && jobs_wave_ready(right)) wave_start(worker, right);
    ecs_latch_down(worker, &wave_latch);
}

static void wavefront(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        ecs_latch_init(&wave_latch, JOBS_BLOCKS);
        wave_start(us, 0);
        ecs_latch_wait(us, &wave_latch);
    }
}

/* ---- The rest --------------------------------------------------------------------------- */

static void ping_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    jobs_ping_hit();
}

static double pingpong(void)
{
    for (int32_t k = -JOBS_PINGS_WARM; k < jobs_ping_count(); k++) {
        ecs_job job;
        uint64_t start_ns = jobs_ping_begin(k);
        ecs_job_run(us, &job, ping_job, NULL);
        jobs_ping_end(k, start_ns);
        ecs_job_wait(us, &job);
    }
    return jobs_ping_result();
}

/* A push and a take of the only item, which nobody else looks at. */
static void fence(void *state, uint64_t repeats)
{
    static _Alignas(128) ecsi_deque deque;
    static ecsi_atomic_ptr slots[64];
    ecsi_deque_create(&deque, slots, 64, 0);
    for (uint64_t r = 0; r < repeats; r++) {
        (void)ecsi_deque_push(&deque, state);
        jobs_need(ecsi_deque_take(&deque) == state, "deque");
    }
}

static double measure(const char *scenario)
{
    uint32_t n = jobs_fib_of(scenario);
    uint32_t count = jobs_for_count(scenario);
    double value;
    if (jobs_is(scenario, "spawn")) return jobs_measure(spawn, NULL, 1);
    if (jobs_is(scenario, "spawn100")) return jobs_measure(spawn100, NULL, JOBS_BATCH);
    if (jobs_is(scenario, "fib") || jobs_is(scenario, "oversub")) {
        return jobs_measure(fib, &n, jobs_fib_items(n));
    }
    if (count > 0) {
        jobs_for_open(count);
        loop(&count, 1);
        jobs_for_check(count);
        return jobs_measure(loop, &count, count);
    }
    if (jobs_is(scenario, "heavy10k")) {
        jobs_heavy_open();
        value = jobs_measure(heavy, NULL, JOBS_HEAVY);
        jobs_heavy_check();
        return value;
    }
    if (jobs_is(scenario, "skynet")) return jobs_measure(skynet, NULL, JOBS_LEAVES);
    if (jobs_is(scenario, "wavefront")) {
        jobs_wave_open();
        value = jobs_measure(wavefront, NULL, JOBS_BLOCKS);
        jobs_wave_check();
        return value;
    }
    if (jobs_is(scenario, "idlecpu")) {
        fib(&n, 1);
        return jobs_idle_ms();
    }
    if (jobs_is(scenario, "fence")) return jobs_measure(fence, &n, 1);
    return -1;
}

int main(int argc, char **argv)
{
    uint32_t workers = jobs_arguments(argc, argv);
    ecs_pool_desc desc = {0};
    ecs_pool *pool;
    double value;
    if (workers == 0) return 2;
    desc.workers = workers;
    pool = ecs_pool_create(&desc);
    us = pool == NULL ? NULL : ecs_pool_enter(pool);
    jobs_need(us != NULL, "ecs_pool_create");
    if (!jobs_is(argv[1], "pingpong")) value = measure(argv[1]);
    else value = workers > 1 ? pingpong() : -1;
    ecs_pool_leave(us);
    jobs_need(ecs_pool_destroy(pool) == ECS_OK, "ecs_pool_destroy");
    if (value < 0) jobs_print_none(argv[1], workers);
    else jobs_print(argv[1], workers, value);
    return 0;
}
