/* The scenarios by OpenMP: tasks, static loops, and depend clauses for the graph. See jobs.h. */
#include "jobs.h"

#include <omp.h>

static int team;

static void spawn(void *state, uint64_t repeats)
{
    (void)state;
#pragma omp parallel num_threads(team)
#pragma omp single
    for (uint64_t r = 0; r < repeats; r++) {
#pragma omp task
        jobs_nothing();
#pragma omp taskwait
    }
}

static void spawn100(void *state, uint64_t repeats)
{
    (void)state;
#pragma omp parallel num_threads(team)
#pragma omp single
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < JOBS_BATCH; i++) {
#pragma omp task
            jobs_nothing();
        }
#pragma omp taskwait
    }
}

static uint64_t fib_of(uint32_t n)
{
    uint64_t x, y;
    if (n < 2) return n;
#pragma omp task shared(x) firstprivate(n)
    x = fib_of(n - 1);
    y = fib_of(n - 2);
#pragma omp taskwait
    return x + y;
}

static void fib(void *state, uint64_t repeats)
{
    uint32_t n = *(uint32_t *)state;
    uint64_t value = 0;
#pragma omp parallel num_threads(team)
#pragma omp single
    for (uint64_t r = 0; r < repeats; r++) value = fib_of(n);
    jobs_need(value == jobs_fib(n), "fib");
}

static uint64_t sky_of(uint64_t first, uint64_t size)
{
    uint64_t parts[10], sum = 0;
    if (size == 1) return first;
    for (uint64_t i = 0; i < 10; i++) {
#pragma omp task shared(parts) firstprivate(i, first, size)
        parts[i] = sky_of(first + i * (size / 10), size / 10);
    }
#pragma omp taskwait
    for (uint32_t i = 0; i < 10; i++) sum += parts[i];
    return sum;
}

static void skynet(void *state, uint64_t repeats)
{
    uint64_t value = 0;
    (void)state;
#pragma omp parallel num_threads(team)
#pragma omp single
    for (uint64_t r = 0; r < repeats; r++) value = sky_of(0, JOBS_LEAVES);
    jobs_need(value == jobs_leaves_sum(), "skynet");
}

/* What schedule(static) gives each thread, handed to the body as a range. */
static void loop(void *state, uint64_t repeats)
{
    size_t count = *(uint32_t *)state;
    for (uint64_t r = 0; r < repeats; r++) {
#pragma omp parallel num_threads(team)
        {
            size_t parts = (size_t)omp_get_num_threads();
#pragma omp for schedule(static)
            for (size_t i = 0; i < parts; i++) {
                jobs_for_body(count * i / parts, count * (i + 1) / parts);
            }
        }
    }
}

static void heavy(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
#pragma omp parallel for num_threads(team) schedule(static)
        for (uint32_t i = 0; i < JOBS_HEAVY; i++) jobs_heavy_values[i] = jobs_heavy((float)i);
    }
}

/* The graph is made again for each run: that is the model. */
static void wavefront(void *state, uint64_t repeats)
{
    static char done[JOBS_SIDE + 1][JOBS_SIDE + 1];
    (void)state;
    (void)done;
#pragma omp parallel num_threads(team)
#pragma omp single
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < JOBS_BLOCKS; i++) {
            uint32_t row = i / JOBS_SIDE, column = i % JOBS_SIDE;
            (void)row, (void)column;
#pragma omp task depend(in : done[row][column + 1], done[row + 1][column]) \
    depend(out : done[row + 1][column + 1]) firstprivate(i)
            jobs_wave_body(i);
        }
#pragma omp taskwait
    }
}

static double pingpong(void)
{
#pragma omp parallel num_threads(team)
#pragma omp master
    for (int32_t k = -JOBS_PINGS_WARM; k < jobs_ping_count(); k++) {
        uint64_t start_ns = jobs_ping_begin(k);
#pragma omp task
        jobs_ping_hit();
        jobs_ping_end(k, start_ns);
#pragma omp taskwait
    }
    return jobs_ping_result();
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
        value = jobs_measure(wavefront, NULL, JOBS_BLOCKS);
        jobs_wave_check();
        return value;
    }
    if (jobs_is(scenario, "pingpong") && team > 1) return pingpong();
    if (jobs_is(scenario, "idlecpu")) {
        fib(&n, 1);
        return jobs_idle_ms();
    }
    return -1;
}

int main(int argc, char **argv)
{
    uint32_t workers = jobs_arguments(argc, argv);
    double value;
    if (workers == 0) return 2;
    omp_set_dynamic(0);
    team = (int)workers;
    value = measure(argv[1]);
    if (value < 0) jobs_print_none(argv[1], workers);
    else jobs_print(argv[1], workers, value);
    return 0;
}
