/* What the scenarios take without any library. See jobs.h.
 *
 *     spawn, spawn100               a call by pointer
 *     fib, oversub, skynet          plain recursion, divided by the processors that take part
 *     wavefront                     block by block, divided likewise
 *     for*, heavy10k                one part for each thread; they spin on a generation
 *     pingpong                      a thread that sleeps on a semaphore
 *     fence                         two fences of sequential consistency */
#include "jobs.h"

#include <pthread.h>
#include <semaphore.h>

static uint32_t team;

/* ---- Threads that are kept hot ---------------------------------------------------------- */

static void (*part_run)(size_t first, size_t end);
static size_t part_count;
static _Alignas(128) uint32_t generation;
static _Alignas(128) uint32_t done;
static bool quit;

static void part(size_t k)
{
    part_run(part_count * k / team, part_count * (k + 1) / team);
}

/* Spins; yields now and then, for there may be more threads than processors. */
static uint32_t await(const uint32_t *word, uint32_t value, bool until)
{
    for (uint32_t i = 1;; i++) {
        uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);
        if ((seen == value) == until) return seen;
        if (i % 4096 == 0) (void)sched_yield();
        jobs_relax();
    }
}

static void *hot_thread(void *data)
{
    uint32_t seen = 0;
    for (;;) {
        seen = await(&generation, seen, false);
        if (quit) return NULL;
        part((size_t)(uintptr_t)data);
        (void)__atomic_fetch_add(&done, 1, __ATOMIC_ACQ_REL);
    }
}

static void hot_run(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        __atomic_store_n(&done, 0, __ATOMIC_RELAXED);
        (void)__atomic_fetch_add(&generation, 1, __ATOMIC_ACQ_REL);
        part(0);
        (void)await(&done, team - 1, true);
    }
}

static double hot_measure(void (*run)(size_t first, size_t end), uint32_t count)
{
    pthread_t threads[JOBS_WORKERS_MAX];
    double value;
    part_run = run;
    part_count = count;
    for (uint32_t i = 1; i < team; i++) {
        int error = pthread_create(&threads[i], NULL, hot_thread, (void *)(uintptr_t)i);
        jobs_need(error == 0, "pthread_create");
    }
    hot_run(NULL, 1);
    if (run == jobs_heavy_body) jobs_heavy_check();
    else jobs_for_check(count);
    value = jobs_measure(hot_run, NULL, count);
    quit = true;
    (void)__atomic_fetch_add(&generation, 1, __ATOMIC_ACQ_REL);
    for (uint32_t i = 1; i < team; i++) (void)pthread_join(threads[i], NULL);
    return value;
}

/* ---- Serial ----------------------------------------------------------------------------- */

static void nothing(void *data)
{
    (void)data;
    jobs_nothing();
}

static void calls(void *state, uint64_t repeats)
{
    void (*volatile run)(void *data) = nothing;
    for (uint64_t r = 0; r < repeats; r++) run(state);
}

static JOBS_NOINLINE uint64_t fib_of(uint32_t n)
{
    return n < 2 ? n : fib_of(n - 1) + fib_of(n - 2);
}

static void fib(void *state, uint64_t repeats)
{
    uint64_t value = 0;
    for (uint64_t r = 0; r < repeats; r++) {
        uint32_t n = *(volatile uint32_t *)state;
        value = fib_of(n);
        jobs_keep(&value);
    }
    jobs_need(value == jobs_fib(*(uint32_t *)state), "fib");
}

static JOBS_NOINLINE uint64_t sky_of(uint64_t first, uint64_t size)
{
    uint64_t sum = 0;
    if (size == 1) return first;
    for (uint64_t i = 0; i < 10; i++) {
        sum += sky_of(first + i * (size / 10), size / 10);
        jobs_keep(&sum);
    }
    return sum;
}

static void skynet(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        jobs_need(sky_of(0, JOBS_LEAVES) == jobs_leaves_sum(), "skynet");
    }
}

static void wavefront(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < JOBS_BLOCKS; i++) jobs_wave_body(i);
    }
}

static void fence(void *state, uint64_t repeats)
{
    (void)state;
    for (uint64_t r = 0; r < repeats; r++) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        __asm__ volatile("" ::: "memory");
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

/* ---- A thread that sleeps --------------------------------------------------------------- */

static sem_t wake;

static void *ping_thread(void *data)
{
    (void)data;
    for (;;) {
        while (sem_wait(&wake) != 0) continue;
        if (quit) return NULL;
        jobs_ping_hit();
    }
}

static double pingpong(void)
{
    pthread_t thread;
    jobs_need(sem_init(&wake, 0, 0) == 0, "sem_init");
    jobs_need(pthread_create(&thread, NULL, ping_thread, NULL) == 0, "pthread_create");
    for (int32_t k = -JOBS_PINGS_WARM; k < jobs_ping_count(); k++) {
        uint64_t start_ns = jobs_ping_begin(k);
        (void)sem_post(&wake);
        jobs_ping_end(k, start_ns);
    }
    quit = true;
    (void)sem_post(&wake);
    (void)pthread_join(thread, NULL);
    return jobs_ping_result();
}

/* Processors that can take part. */
static double parts(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && (uint32_t)online < team ? (double)online : (double)team;
}

static double measure(const char *scenario)
{
    uint32_t n = jobs_fib_of(scenario);
    uint32_t count = jobs_for_count(scenario);
    if (jobs_is(scenario, "spawn") || jobs_is(scenario, "spawn100")) {
        return jobs_measure(calls, NULL, 1);
    }
    if (jobs_is(scenario, "fib") || jobs_is(scenario, "oversub")) {
        return jobs_measure(fib, &n, jobs_fib_items(n)) / parts();
    }
    if (jobs_is(scenario, "skynet")) return jobs_measure(skynet, NULL, JOBS_LEAVES) / parts();
    if (jobs_is(scenario, "wavefront")) {
        double value = jobs_measure(wavefront, NULL, JOBS_BLOCKS) / parts();
        jobs_wave_check();
        return value;
    }
    if (count > 0) {
        jobs_for_open(count);
        return hot_measure(jobs_for_body, count);
    }
    if (jobs_is(scenario, "heavy10k")) {
        jobs_heavy_open();
        return hot_measure(jobs_heavy_body, JOBS_HEAVY);
    }
    if (jobs_is(scenario, "pingpong") && team > 1) return pingpong();
    if (jobs_is(scenario, "fence")) return jobs_measure(fence, NULL, 1);
    return -1;
}

int main(int argc, char **argv)
{
    double value;
    team = jobs_arguments(argc, argv);
    if (team == 0) return 2;
    value = measure(argv[1]);
    if (value < 0) jobs_print_none(argv[1], team);
    else jobs_print(argv[1], team, value);
    return 0;
}
