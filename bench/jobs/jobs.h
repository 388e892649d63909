/* The scenarios of the job engines: the measured bodies, the clock, the rounds and the protocol.
 * Each program does the same work by its own means (ours, OpenMP, TBB, plain threads):
 *
 *     PROGRAM SCENARIO WORKERS        prints one line: scenario workers value
 *
 * The value is nanoseconds an item (idlecpu: milliseconds of processor time), the median of the
 * rounds; "-" where the program cannot do it. Every scenario checks its result. JOBS_QUICK in
 * the environment: as short as possible, figures mean nothing.
 *
 * C11 and C++17. It comes first: it sets _GNU_SOURCE. Compile all programs by the same flags,
 * -ffp-contract=off among them: a fused multiply-add is half as long as heavy() is elsewhere. */
#ifndef JOBS_H
#define JOBS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <dirent.h>
#endif

#define JOBS_UNUSED __attribute__((unused))
#define JOBS_NOINLINE __attribute__((noinline))

enum {
    JOBS_ROUNDS = 7,
    JOBS_PINGS = 200,
    JOBS_PINGS_WARM = 10,
    JOBS_BATCH = 100,       /* spawn100 */
    JOBS_HEAVY = 10000,     /* items of heavy10k */
    JOBS_HEAVY_STEPS = 300, /* dependent steps of a heavy item and of a wavefront block */
    JOBS_LEAVES = 100000,   /* skynet */
    JOBS_SIDE = 64,         /* wavefront: blocks of a side */
    JOBS_BLOCKS = JOBS_SIDE * JOBS_SIDE,
    JOBS_WORKERS_MAX = 256
};

/* Does the work `repeats` times. */
typedef void (*jobs_pass)(void *state, uint64_t repeats);

/* ---- Clock, rounds, the line ------------------------------------------------------------ */

static inline uint64_t jobs_now_ns(void)
{
    struct timespec now;
    __asm__ volatile("" ::: "memory");
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    __asm__ volatile("" ::: "memory");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void jobs_sleep_us(uint32_t us)
{
    struct timespec pause;
    pause.tv_sec = (time_t)(us / 1000000u);
    pause.tv_nsec = (long)(us % 1000000u) * 1000;
    (void)nanosleep(&pause, NULL);
}

static inline void jobs_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* What a job does that does nothing. */
static inline void jobs_nothing(void)
{
    __asm__ volatile("");
}

static inline void jobs_keep(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

static JOBS_UNUSED void jobs_need(bool condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "jobs: wrong: %s\n", what);
    exit(1);
}

static inline bool jobs_quick(void)
{
    return getenv("JOBS_QUICK") != NULL;
}

static inline bool jobs_is(const char *scenario, const char *name)
{
    return strcmp(scenario, name) == 0;
}

static JOBS_UNUSED void *jobs_array(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    jobs_need(memory != NULL, "aligned_alloc");
    memset(memory, 0, bytes);
    return memory;
}

static int jobs_compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static JOBS_UNUSED double jobs_median(double *values, uint32_t count)
{
    uint32_t middle = count / 2;
    qsort(values, count, sizeof *values, jobs_compare);
    if (count % 2 == 1) return values[middle];
    return (values[middle - 1] + values[middle]) / 2;
}

static double jobs_timed(jobs_pass pass, void *state, uint64_t repeats)
{
    uint64_t start = jobs_now_ns();
    pass(state, repeats);
    return (double)(jobs_now_ns() - start);
}

/* Doubles the repetitions until a round is long enough, twice over the line, for the first may
 * include page faults and the start of threads. Then the median of the rounds, at least three,
 * more while they take less than a second together. Nanoseconds an item. */
static JOBS_UNUSED double jobs_measure(jobs_pass pass, void *state, double items)
{
    double enough_ns = jobs_quick() ? 2e5 : 2e7;
    double samples[JOBS_ROUNDS];
    double total_ns = 0;
    uint64_t repeats = 1;
    uint32_t rounds = 0;
    while (jobs_timed(pass, state, repeats) < enough_ns ||
           jobs_timed(pass, state, repeats) < enough_ns) {
        repeats *= 2;
    }
    while (rounds < JOBS_ROUNDS && (rounds < 3 || total_ns < 1e9)) {
        double elapsed = jobs_timed(pass, state, repeats);
        total_ns += elapsed;
        samples[rounds++] = elapsed / (double)repeats / items;
    }
    return jobs_median(samples, rounds);
}

static JOBS_UNUSED void jobs_print(const char *scenario, uint32_t workers, double value)
{
    printf("%s %u %.4f\n", scenario, workers, value);
    (void)fflush(stdout);
}

static JOBS_UNUSED void jobs_print_none(const char *scenario, uint32_t workers)
{
    printf("%s %u -\n", scenario, workers);
}

/* The program's arguments; 0 workers: they are wrong, and it was said. */
static JOBS_UNUSED uint32_t jobs_arguments(int argc, char **argv)
{
    unsigned long workers = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (workers > 0 && workers <= JOBS_WORKERS_MAX) return (uint32_t)workers;
    fprintf(stderr, "usage: %s SCENARIO WORKERS (1 to %d)\n", argv[0], (int)JOBS_WORKERS_MAX);
    return 0;
}

/* ---- fib, oversub, idlecpu; skynet ------------------------------------------------------ */

static JOBS_UNUSED uint32_t jobs_fib_of(const char *scenario)
{
    if (jobs_quick()) return 16;
    return jobs_is(scenario, "oversub") ? 27 : jobs_is(scenario, "idlecpu") ? 25 : 30;
}

static JOBS_UNUSED uint64_t jobs_fib(uint32_t n)
{
    uint64_t a = 0, b = 1;
    while (n-- > 0) {
        uint64_t c = a + b;
        a = b;
        b = c;
    }
    return a;
}

/* Jobs spawned and one: F(n + 1). Calls are twice as many. */
static JOBS_UNUSED double jobs_fib_items(uint32_t n)
{
    return (double)jobs_fib(n + 1);
}

static JOBS_UNUSED uint64_t jobs_leaves_sum(void)
{
    return (uint64_t)JOBS_LEAVES * (JOBS_LEAVES - 1) / 2;
}

/* ---- for1k, for100k, for10m ------------------------------------------------------------- */

static JOBS_UNUSED float *jobs_a;
static JOBS_UNUSED float *jobs_b;

static JOBS_UNUSED uint32_t jobs_for_count(const char *scenario)
{
    if (jobs_is(scenario, "for1k")) return 1000;
    if (jobs_is(scenario, "for100k")) return 100000;
    return jobs_is(scenario, "for10m") ? 10000000 : 0;
}

static JOBS_UNUSED void jobs_for_open(uint32_t count)
{
    if (jobs_a == NULL) {
        jobs_a = (float *)jobs_array(count * sizeof(float));
        jobs_b = (float *)jobs_array(count * sizeof(float));
    }
    for (uint32_t i = 0; i < count; i++) {
        jobs_a[i] = (float)(i % 1000);
        jobs_b[i] = 0.5f;
    }
}

static JOBS_NOINLINE JOBS_UNUSED void jobs_for_body(size_t first, size_t end)
{
    float *__restrict a = jobs_a;
    const float *__restrict b = jobs_b;
    for (size_t i = first; i < end; i++) a[i] = a[i] * 1.0001f + b[i];
}

/* After one run since it was opened. */
static JOBS_UNUSED void jobs_for_check(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float off = jobs_a[i] - ((float)(i % 1000) * 1.0001f + 0.5f);
        jobs_need(off < 0.001f && off > -0.001f, "for");
    }
}

/* ---- heavy10k, wavefront ---------------------------------------------------------------- */

static JOBS_UNUSED float *jobs_heavy_values;
static JOBS_UNUSED float jobs_wave_values[JOBS_BLOCKS];
static JOBS_UNUSED int32_t jobs_wave_left[JOBS_BLOCKS]; /* neighbours that a block waits for */

static JOBS_NOINLINE JOBS_UNUSED float jobs_heavy(float x)
{
    for (int i = 0; i < JOBS_HEAVY_STEPS; i++) x = x * 0.9999f + 0.0001f;
    return x;
}

static JOBS_UNUSED void jobs_heavy_open(void)
{
    jobs_heavy_values = (float *)jobs_array(JOBS_HEAVY * sizeof(float));
}

static JOBS_NOINLINE JOBS_UNUSED void jobs_heavy_body(size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) jobs_heavy_values[i] = jobs_heavy((float)i);
}

static JOBS_UNUSED void jobs_heavy_check(void)
{
    for (uint32_t i = 0; i < JOBS_HEAVY; i++) {
        jobs_need(jobs_heavy_values[i] == jobs_heavy((float)i), "heavy10k");
    }
}

static inline float jobs_wave_value(const float *values, uint32_t block)
{
    float left = block % JOBS_SIDE > 0 ? values[block - 1] : 0;
    float above = block >= JOBS_SIDE ? values[block - JOBS_SIDE] : 0;
    return jobs_heavy(left + above + 1);
}

/* A block needs its left and its upper neighbour. */
static JOBS_NOINLINE JOBS_UNUSED void jobs_wave_body(uint32_t block)
{
    jobs_wave_values[block] = jobs_wave_value(jobs_wave_values, block);
}

/* Sets the count for the next run; nobody looks at it any more in this one. */
static inline JOBS_UNUSED void jobs_wave_arm(uint32_t block)
{
    int32_t count = (block >= JOBS_SIDE) + (block % JOBS_SIDE > 0);
    __atomic_store_n(&jobs_wave_left[block], count, __ATOMIC_RELAXED);
}

/* One neighbour is done; true: it was the last. */
static inline JOBS_UNUSED bool jobs_wave_ready(uint32_t block)
{
    return __atomic_fetch_sub(&jobs_wave_left[block], 1, __ATOMIC_ACQ_REL) == 1;
}

static JOBS_UNUSED void jobs_wave_open(void)
{
    for (uint32_t i = 0; i < JOBS_BLOCKS; i++) jobs_wave_arm(i);
    memset(jobs_wave_values, 0, sizeof jobs_wave_values);
}

static JOBS_UNUSED void jobs_wave_check(void)
{
    static float want[JOBS_BLOCKS];
    for (uint32_t i = 0; i < JOBS_BLOCKS; i++) want[i] = jobs_wave_value(want, i);
    jobs_need(memcmp(want, jobs_wave_values, sizeof want) == 0, "wavefront");
}

/* ---- idlecpu ---------------------------------------------------------------------------- */

static JOBS_UNUSED double jobs_cpu_ms(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* What all threads take while there is nothing to do for a second. */
static JOBS_UNUSED double jobs_idle_ms(void)
{
    double start_ms = jobs_cpu_ms();
    jobs_sleep_us(jobs_quick() ? 20000 : 999999);
    return jobs_cpu_ms() - start_ms;
}

/* ---- pingpong ------------------------------------------------------------------------------
 *
 * From handing out one job, after 5 ms without any, to its first instruction on another thread.
 * The caller waits without helping. A program does this for k from -JOBS_PINGS_WARM:
 *
 *     start = jobs_ping_begin(k); hand out a job that calls jobs_ping_hit;
 *     jobs_ping_end(k, start); wait for the job by the means of the library */

static uint64_t jobs_ping_stamp;
static double jobs_ping_samples[JOBS_PINGS];

static inline JOBS_UNUSED void jobs_ping_hit(void)
{
    __atomic_store_n(&jobs_ping_stamp, jobs_now_ns(), __ATOMIC_RELEASE);
}

/* The calling thread onto the first processor that it may use, all others onto the others.
 * Otherwise the kernel may wake a worker where the caller spins, and the figure is a time slice,
 * whatever the library does. */
static JOBS_UNUSED void jobs_pin(void)
{
#ifdef __linux__
    static cpu_set_t first, others;
    DIR *tasks;
    if (CPU_COUNT(&others) == 0) {
        uint32_t cpu = 0;
        (void)sched_getaffinity(0, sizeof others, &others);
        while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &others)) cpu++;
        CPU_SET(cpu, &first);
        CPU_CLR(cpu, &others);
    }
    tasks = opendir("/proc/self/task");
    if (CPU_COUNT(&others) == 0 || tasks == NULL) return;
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        pid_t task = (pid_t)strtol(entry->d_name, NULL, 10);
        if (task <= 0) continue;
        (void)sched_setaffinity(task, sizeof first, task == gettid() ? &first : &others);
    }
    (void)closedir(tasks);
#endif
}

static JOBS_UNUSED int32_t jobs_ping_count(void)
{
    return jobs_quick() ? 3 : JOBS_PINGS;
}

/* Pins when the workers are there for sure. Answers when the job is handed out. */
static JOBS_UNUSED uint64_t jobs_ping_begin(int32_t k)
{
    if (k == -JOBS_PINGS_WARM / 2 || k == 0) jobs_pin();
    jobs_sleep_us(5000);
    __atomic_store_n(&jobs_ping_stamp, 0u, __ATOMIC_RELEASE);
    return jobs_now_ns();
}

static JOBS_UNUSED void jobs_ping_end(int32_t k, uint64_t start_ns)
{
    uint64_t stamp = __atomic_load_n(&jobs_ping_stamp, __ATOMIC_ACQUIRE);
    while (stamp == 0) {
        jobs_relax();
        stamp = __atomic_load_n(&jobs_ping_stamp, __ATOMIC_ACQUIRE);
    }
    if (k >= 0) jobs_ping_samples[k] = (double)(stamp - start_ns);
}

static JOBS_UNUSED double jobs_ping_result(void)
{
    return jobs_median(jobs_ping_samples, (uint32_t)jobs_ping_count());
}

#endif /* JOBS_H */
