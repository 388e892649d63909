/* pool.c: the life of a pool: what it refuses, threads that the system refuses, guests, what is
 * left in the queues at the end, sleep and statistics. What it runs is in jobs.c. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include <pthread.h>

/* The system refuses from the n-th on; 0 is never. */
static struct {
    unsigned thread_at;
    unsigned threads;
    unsigned condition_at;
    unsigned conditions;
} refuse;

static int thread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*run)(void *), void *data)
{
    refuse.threads++;
    if (refuse.thread_at != 0 && refuse.threads >= refuse.thread_at) return 11; /* EAGAIN */
    return pthread_create(thread, attributes, run, data);
}

__attribute__((unused)) static int condition_init(pthread_cond_t *condition,
                                                  const pthread_condattr_t *attributes)
{
    refuse.conditions++;
    if (refuse.condition_at != 0 && refuse.conditions >= refuse.condition_at) return 12;
    return pthread_cond_init(condition, attributes);
}

#define pthread_create thread_create
#define pthread_cond_init condition_init
#define ECS_IMPLEMENTATION
#include "../test.h"

#include <dirent.h>

#define LATE_NS 20000000000u /* who waits that long waits for ever */

enum { THREADS_MAX = 16, JOBS_MAX = 4096 };

/* ---- helpers ----------------------------------------------------------------------------- */

static struct {
    ecsi_atomic_u64 bytes;
    ecsi_atomic_u32 blocks;
    ecsi_atomic_u32 calls;
    bool refuses;
} heap;

static void *heap_alloc(size_t bytes, size_t align, void *user)
{
    (void)user;
    (void)ECSI_ADD(&heap.calls, 1u, relaxed);
    if (heap.refuses) return NULL;
    (void)ECSI_ADD(&heap.bytes, (uint64_t)bytes, relaxed);
    (void)ECSI_ADD(&heap.blocks, 1u, relaxed);
    return ecsi_aligned_alloc(bytes, align);
}

static void heap_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)user;
    (void)align;
    REQUIRE(memory != NULL);
    (void)ECSI_SUB(&heap.bytes, (uint64_t)bytes, relaxed);
    (void)ECSI_SUB(&heap.blocks, 1u, relaxed);
    ecsi_aligned_free(memory);
}

static const ecs_allocator counted = {heap_alloc, NULL, heap_release, NULL};

static ecs_pool_desc desc_of(uint32_t workers)
{
    ecs_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.workers = workers;
    desc.allocator = &counted;
    return desc;
}

static ecs_pool *make(uint32_t workers)
{
    ecs_pool_desc desc = desc_of(workers);
    ecs_pool *pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    return pool;
}

static void check_gone(void)
{
    CHECK_EQ_U64(ECSI_LOAD(&heap.blocks, relaxed), 0);
    CHECK_EQ_U64(ECSI_LOAD(&heap.bytes, relaxed), 0);
}

static bool reaches(const ecsi_atomic_u32 *word, uint32_t value)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    while (ECSI_LOAD(word, acquire) < value) {
        if (ecsi_clock_ns() > end) return false;
        usleep(50);
    }
    return true;
}

static ecs_job jobs[JOBS_MAX];
static ecsi_atomic_u32 ran;
static ecsi_atomic_u32 gate;

static void count_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    (void)ECSI_ADD(&ran, 1u, acq_rel);
}

/* Stays until somebody opens the gate. */
static void gate_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    (void)ECSI_ADD(&ran, 1u, acq_rel);
    if (!reaches(&gate, 1)) test_stop();
}

static void open_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    (void)ECSI_ADD(&ran, 1u, acq_rel);
    ECSI_STORE(&gate, 1u, release);
}

/* Runs some jobs on a pool, from this thread. */
static void use(ecs_pool *pool, uint32_t count)
{
    ecs_worker *worker = ecs_pool_enter(pool);
    uint32_t before = ECSI_LOAD(&ran, relaxed);
    REQUIRE(worker != NULL);
    REQUIRE(count <= JOBS_MAX);
    for (uint32_t i = 0; i < count; i++) ecs_job_run(worker, &jobs[i], count_job, NULL);
    for (uint32_t i = 0; i < count; i++) ecs_job_wait(worker, &jobs[i]);
    CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed) - before, count);
    ecs_pool_leave(worker);
}

/* ---- create ------------------------------------------------------------------------------ */

TEST(create_without_description_takes_all_processors)
{
    uint64_t mask[ECSI_CPU_WORDS];
    uint32_t processors = ecsi_min_u32(ecsi_cpu_mask(mask), ECS_WORKERS_MAX);
    ecs_pool *pool = ecs_pool_create(NULL);
    REQUIRE(pool != NULL);
    CHECK_EQ_U64(ecs_pool_workers(pool), processors);
    CHECK_EQ_U64(refuse.threads, processors - 1);
    use(pool, 100);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    pool = make(0);
    CHECK_EQ_U64(ecs_pool_workers(pool), processors);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    check_gone();
}

TEST(create_of_one_worker_has_no_threads)
{
    ecs_pool *pool = make(1);
    CHECK_EQ_U64(ecs_pool_workers(pool), 1);
    CHECK_EQ_U64(refuse.threads, 0);
    use(pool, 300); /* more than the deque holds */
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    check_gone();
}

TEST(create_of_many_workers_has_one_thread_less)
{
    static const uint32_t counts[] = {2, 3, 16, ECS_WORKERS_MAX};
    for (uint32_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint32_t before = refuse.threads;
        ecs_pool *pool = make(counts[i]);
        CHECK_EQ_U64(ecs_pool_workers(pool), counts[i]);
        CHECK_EQ_U64(refuse.threads - before, counts[i] - 1);
        use(pool, 500);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
        check_gone();
    }
}

TEST(create_of_too_many_workers_is_refused)
{
    ecs_pool_desc desc = desc_of(ECS_WORKERS_MAX + 1);
    CHECK(ecs_pool_create(&desc) == NULL);
    desc.workers = UINT32_MAX;
    CHECK(ecs_pool_create(&desc) == NULL);
    CHECK_EQ_U64(refuse.threads, 0);
    CHECK_EQ_U64(ECSI_LOAD(&heap.calls, relaxed), 0);
}

static void try_bad(const ecs_pool_desc *desc, int line)
{
    ecs_pool *pool = ecs_pool_create(desc);
    if (pool == NULL) return;
    printf("    line %d: not refused\n", line);
    CHECK(pool == NULL);
    (void)ecs_pool_destroy(pool);
}

TEST(create_with_bad_capacities_is_refused)
{
    static const uint32_t bad[] = {3, 5, 6, 255, 257, UINT32_MAX, 1u << 25, 1u << 31};
    ecs_pool_desc desc;
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        desc = desc_of(2);
        desc.deque_capacity = bad[i];
        try_bad(&desc, __LINE__);
        desc = desc_of(2);
        desc.injector_capacity = bad[i];
        try_bad(&desc, __LINE__);
    }
    desc = desc_of(2);
    desc.injector_capacity = 1;
    try_bad(&desc, __LINE__);
    desc = desc_of(2);
    desc.spins = (1u << 20) + 1;
    try_bad(&desc, __LINE__);
    desc = desc_of(2);
    desc.guests_max = 65537;
    try_bad(&desc, __LINE__);
    desc.guests_max = UINT32_MAX;
    try_bad(&desc, __LINE__);
    CHECK_EQ_U64(refuse.threads, 0);
    CHECK_EQ_U64(ECSI_LOAD(&heap.calls, relaxed), 0);
}

static void *no_enqueue(void (*run)(void *data), void *data, void *user)
{
    (void)run;
    (void)data;
    (void)user;
    return NULL;
}

static void no_wait(void *task, void *user)
{
    (void)task;
    (void)user;
}

TEST(create_with_bad_tasks_is_refused)
{
    ecs_task_api tasks = {4, NULL, NULL, NULL};
    ecs_pool_desc desc = desc_of(2);
    ecs_pool *pool;
    desc.tasks = &tasks;
    try_bad(&desc, __LINE__);
    tasks.enqueue = no_enqueue;
    try_bad(&desc, __LINE__);
    tasks.enqueue = NULL;
    tasks.wait = no_wait;
    try_bad(&desc, __LINE__);
    tasks.enqueue = no_enqueue;
    tasks.workers = ECS_WORKERS_MAX + 1;
    try_bad(&desc, __LINE__);
    tasks.workers = 4;
    desc.guests_max = UINT32_MAX;
    try_bad(&desc, __LINE__);
    desc.guests_max = 0;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    CHECK_EQ_U64(ecs_pool_workers(pool), 4);
    CHECK_EQ_U64(refuse.threads, 0);
    use(pool, 10);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    check_gone();
}

TEST(create_with_smallest_capacities_works)
{
    ecs_pool_desc desc = desc_of(3);
    ecs_pool *pool;
    desc.deque_capacity = 1;
    desc.injector_capacity = 2;
    desc.guests_max = 1;
    desc.spins = 1;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    use(pool, 1000);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    check_gone();
}

TEST(create_without_memory_is_refused)
{
    ecs_pool_desc desc = desc_of(4);
    heap.refuses = true;
    CHECK(ecs_pool_create(&desc) == NULL);
    CHECK_EQ_U64(ECSI_LOAD(&heap.calls, relaxed), 1);
    CHECK_EQ_U64(refuse.threads, 0);
    heap.refuses = false;
    CHECK_STATUS(ecs_pool_destroy(make(4)), ECS_OK);
    CHECK_EQ_U64(ECSI_LOAD(&heap.calls, relaxed), 2);
    check_gone();
}

TEST_DEATH(create_with_empty_allocator_asserts)
{
    static const ecs_allocator empty = {NULL, NULL, NULL, NULL};
    ecs_pool_desc desc = desc_of(2);
    desc.allocator = &empty;
    (void)ecs_pool_create(&desc);
}

/* ---- threads that the system refuses ----------------------------------------------------- */

static struct {
    uint32_t count;
    ecs_log_level level;
    char text[256];
} heard;

static void hear(ecs_log_level level, const char *text, void *user)
{
    CHECK(user == &heard);
    heard.count++;
    heard.level = level;
    snprintf(heard.text, sizeof heard.text, "%s", text);
}

TEST(create_runs_with_the_threads_that_it_got)
{
    for (uint32_t got = 0; got < 5; got++) {
        ecs_pool_desc desc = desc_of(5);
        ecs_pool *pool;
        char wanted[32];
        memset(&heard, 0, sizeof heard);
        desc.log = hear;
        desc.log_user = &heard;
        refuse.threads = 0;
        refuse.thread_at = got + 1;
        pool = ecs_pool_create(&desc);
        REQUIRE(pool != NULL);
        refuse.thread_at = 0;
        CHECK_EQ_U64(ecs_pool_workers(pool), got + 1);
        CHECK_EQ_U64(heard.count, got < 4 ? 1 : 0);
        if (got < 4) {
            snprintf(wanted, sizeof wanted, "%u of 4 threads", (unsigned)got);
            CHECK(heard.level == ECS_LOG_WARNING);
            CHECK_CONTAINS(heard.text, wanted);
        }
        use(pool, 700);
        use(pool, 10);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
        check_gone();
    }
}

#ifdef ECS_PARK_COND
TEST(create_without_conditions_is_refused)
{
    for (uint32_t n = 1; n <= 12; n++) {
        ecs_pool_desc desc = desc_of(5); /* with 8 guests */
        refuse.conditions = 0;
        refuse.condition_at = n;
        CHECK(ecs_pool_create(&desc) == NULL);
        CHECK_EQ_U64(refuse.threads, 0);
        check_gone();
    }
    refuse.condition_at = 13;
    refuse.conditions = 0;
    CHECK_STATUS(ecs_pool_destroy(make(5)), ECS_OK);
    check_gone();
}
#endif

/* ---- guests ------------------------------------------------------------------------------ */

TEST(enter_beyond_guests_max_is_null)
{
    static const uint32_t maxima[] = {1, 2, 8};
    for (uint32_t m = 0; m < 3; m++) {
        ecs_pool_desc desc = desc_of(2);
        ecs_pool *pool;
        ecs_worker *inside[8];
        desc.guests_max = maxima[m] == 8 ? 0 : maxima[m];
        pool = ecs_pool_create(&desc);
        REQUIRE(pool != NULL);
        for (uint32_t i = 0; i < maxima[m]; i++) {
            inside[i] = ecs_pool_enter(pool);
            REQUIRE(inside[i] != NULL);
            for (uint32_t k = 0; k < i; k++) CHECK(inside[k] != inside[i]);
        }
        CHECK(ecs_pool_enter(pool) == NULL);
        ecs_pool_leave(inside[0]);
        inside[0] = ecs_pool_enter(pool);
        CHECK(inside[0] != NULL);
        CHECK(ecs_pool_enter(pool) == NULL);
        for (uint32_t i = 0; i < maxima[m]; i++) ecs_pool_leave(inside[i]);
        use(pool, 10);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
    check_gone();
}

TEST(leave_of_nobody_is_fine)
{
    ecs_pool_leave(NULL);
}

TEST_DEATH(leave_of_a_thread_of_the_pool_asserts)
{
    ecs_pool *pool = make(2);
    ecs_pool_leave(&pool->slots[0]);
}

static struct {
    ecs_pool *pool;
    ecsi_atomic_u32 inside;
    ecsi_atomic_u32 refused;
    ecsi_atomic_u32 done;
    uint32_t rounds;
    uint32_t places;
} visit;

static void *run_visitor(void *data)
{
    ecs_job own[4];
    (void)data;
    for (uint32_t i = 0; i < visit.rounds;) {
        ecs_worker *worker = ecs_pool_enter(visit.pool);
        if (worker == NULL) {
            (void)ECSI_ADD(&visit.refused, 1u, relaxed);
            ecsi_yield();
            continue;
        }
        CHECK(ECSI_ADD(&visit.inside, 1u, relaxed) < visit.places);
        for (int k = 0; k < 4; k++) ecs_job_run(worker, &own[k], count_job, NULL);
        for (int k = 0; k < 4; k++) ecs_job_wait(worker, &own[k]);
        (void)ECSI_SUB(&visit.inside, 1u, relaxed);
        ecs_pool_leave(worker);
        i++;
    }
    (void)ECSI_ADD(&visit.done, 1u, release);
    return NULL;
}

TEST(enter_of_several_threads_at_once_gives_each_its_worker)
{
    pthread_t threads[6];
    ecs_pool_desc desc = desc_of(2);
    visit.places = 3;
    visit.rounds = test_rounds(2000, 50000);
    desc.guests_max = visit.places;
    visit.pool = ecs_pool_create(&desc);
    REQUIRE(visit.pool != NULL);
    for (int i = 0; i < 6; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_visitor, NULL) == 0);
    }
    for (int i = 0; i < 6; i++) pthread_join(threads[i], NULL);
    CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed), 6 * 4 * (uint64_t)visit.rounds);
    CHECK_STATUS(ecs_pool_destroy(visit.pool), ECS_OK);
    check_gone();
}

/* ---- destroy ----------------------------------------------------------------------------- */

TEST(destroy_of_nothing_is_fine)
{
    CHECK_STATUS(ecs_pool_destroy(NULL), ECS_OK);
}

TEST(destroy_with_a_guest_inside_is_locked)
{
    ecs_pool *pool = make(2);
    ecs_worker *a = ecs_pool_enter(pool);
    ecs_worker *b = ecs_pool_enter(pool);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    ecs_pool_leave(a);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    ecs_job_run(b, &jobs[0], count_job, NULL);
    ecs_job_wait(b, &jobs[0]);
    ecs_pool_leave(b);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed), 1);
    check_gone();
}

TEST(destroy_with_a_world_is_locked)
{
    ecs_pool *pool = make(2);
    ecs_world_desc desc;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    desc.backend = ECS_BACKEND_WORK_STEALING;
    desc.pool = pool;
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    CHECK(ecs_world_pool(world) == pool);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    ecs_world_destroy(world);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    check_gone();
}

/* A thread leaves, and nobody tells who destroys but the pool itself. */
static void *run_leaver(void *data)
{
    ecs_worker *worker = (ecs_worker *)data;
    ecs_pool_leave(worker);
    return NULL;
}

TEST(destroy_as_soon_as_the_last_guest_has_left_is_safe)
{
    uint32_t rounds = test_rounds(300, 20000);
    for (uint32_t i = 0; i < rounds; i++) {
        ecs_pool_desc desc = desc_of(1);
        ecs_pool *pool;
        ecs_worker *guest;
        pthread_t thread;
        ecs_status status;
        desc.guests_max = 1;
        pool = ecs_pool_create(&desc);
        REQUIRE(pool != NULL);
        guest = ecs_pool_enter(pool);
        REQUIRE(pthread_create(&thread, NULL, run_leaver, guest) == 0);
        do {
            status = ecs_pool_destroy(pool);
            CHECK(status == ECS_OK || status == ECS_LOCKED);
        } while (status == ECS_LOCKED);
        pthread_join(thread, NULL);
    }
    check_gone();
}

/* The only thread is busy until the last of the jobs opens its gate: destroy must run them, and
 * before it waits for the thread. */
TEST(destroy_runs_what_is_left_in_the_injector)
{
    ecs_pool_desc desc = desc_of(2);
    ecs_pool *pool;
    ecs_worker *guest;
    desc.deque_capacity = 2;
    desc.injector_capacity = 128;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    guest = ecs_pool_enter(pool);
    ecs_job_run(guest, &jobs[0], gate_job, NULL);
    REQUIRE(reaches(&ran, 1));
    for (int i = 1; i < 101; i++) {
        ecs_job_run(guest, &jobs[i], i == 100 ? open_job : count_job, NULL);
    }
    CHECK(!ecs_job_done(&jobs[100]));
    ecs_pool_leave(guest); /* runs the two of its deque */
    CHECK(!ecs_job_done(&jobs[100]));
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    for (int i = 0; i < 101; i++) CHECK(ecs_job_done(&jobs[i]));
    CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed), 101);
    check_gone();
}

/* Starts jobs after the pool was told to stop: they lie in the deque of its thread. */
static void late_job(ecs_worker *worker, void *data)
{
    uint32_t count = *(const uint32_t *)data;
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    (void)ECSI_ADD(&ran, 1u, acq_rel);
    while (ECSI_LOAD(&worker->pool->stop, acquire) == 0) {
        REQUIRE(ecsi_clock_ns() < end);
        ecsi_yield();
    }
    for (uint32_t i = 0; i < count; i++) ecs_job_run(worker, &jobs[i], count_job, NULL);
}

TEST(destroy_runs_what_the_last_jobs_have_started)
{
    static ecs_job late;
    static uint32_t count;
    for (count = 1; count < 5; count++) {
        ecs_pool *pool = make(2);
        ecs_worker *guest = ecs_pool_enter(pool);
        ECSI_STORE(&ran, 0u, relaxed);
        ecs_job_run(guest, &late, late_job, &count);
        REQUIRE(reaches(&ran, 1));
        ecs_pool_leave(guest);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed), count + 1);
    }
    check_gone();
}

TEST(leave_runs_what_lies_in_its_deque)
{
    ecs_pool *pool = make(1);
    ecs_worker *guest = ecs_pool_enter(pool);
    for (int i = 0; i < 100; i++) ecs_job_run(guest, &jobs[i], count_job, NULL);
    CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed), 0);
    ecs_pool_leave(guest);
    CHECK_EQ_U64(ECSI_LOAD(&ran, relaxed), 100);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* ---- processors, sleep, statistics --------------------------------------------------------- */

static ecsi_atomic_u32 processors[THREADS_MAX];

/* Four of these run at the same time, so each pool thread has one. */
static void look_job(ecs_worker *worker, void *data)
{
    uint64_t mask[ECSI_CPU_WORDS];
    (void)data;
    ECSI_STORE(&processors[worker->index], ecsi_cpu_mask(mask), relaxed);
    (void)ECSI_ADD(&ran, 1u, acq_rel);
    if (!reaches(&gate, 1)) test_stop();
}

TEST(affinity_binds_each_thread_to_one_processor)
{
    for (uint32_t bound = 0; bound < 2; bound++) {
        ecs_pool_desc desc = desc_of(4);
        uint64_t mask[ECSI_CPU_WORDS];
        uint32_t all = ecsi_cpu_mask(mask);
        ecs_worker *guest;
        ecs_pool *pool;
        desc.affinity = bound == 1;
        pool = ecs_pool_create(&desc);
        REQUIRE(pool != NULL);
        guest = ecs_pool_enter(pool);
        ECSI_STORE(&ran, 0u, relaxed);
        ECSI_STORE(&gate, 0u, relaxed);
        for (int i = 0; i < 3; i++) ecs_job_run(guest, &jobs[i], look_job, NULL);
        REQUIRE(reaches(&ran, 3));
        ECSI_STORE(&gate, 1u, release);
        for (int i = 0; i < 3; i++) ecs_job_wait(guest, &jobs[i]);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ_U64(ECSI_LOAD(&processors[i], relaxed), bound == 1 ? 1 : all);
        }
        CHECK_EQ_U64(ecsi_cpu_mask(mask), all);
        ecs_pool_leave(guest);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
}

static uint64_t cpu_us(void)
{
    struct rusage usage;
    REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

TEST(idle_pool_uses_no_processor)
{
    static const uint32_t counts[] = {2, 4, 16};
    for (uint32_t i = 0; i < 3; i++) {
        ecs_pool *pool = make(counts[i]);
        uint64_t before;
        use(pool, JOBS_MAX);
        usleep(30000);
        before = cpu_us();
        usleep(300000);
        before = cpu_us() - before;
        if (before >= 5000) printf("    %u workers: %u us\n", counts[i], (unsigned)before);
        CHECK(before < (TEST_SANITIZED != 0 ? 50000u : 5000u));
        use(pool, 100);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
}

static void add_stats(const ecs_pool *pool, ecs_worker_stats *sum)
{
    ecs_worker_stats one;
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; ecs_pool_stats(pool, i, &one) == ECS_OK; i++) {
        REQUIRE(i < 1000);
        sum->executed += one.executed;
        sum->stolen += one.stolen;
        sum->steal_attempts += one.steal_attempts;
        sum->parks += one.parks;
        sum->spins += one.spins;
        sum->commands += one.commands;
    }
}

TEST(stats_count_what_was_run)
{
    static const uint32_t counts[] = {1, 2, 4};
    for (uint32_t i = 0; i < 3; i++) {
        ecs_pool *pool = make(counts[i]);
        ecs_worker_stats sum;
        ecs_worker *guest;
        uint32_t threads = counts[i] - 1;
        CHECK_STATUS(ecs_pool_stats(pool, threads, &sum), ECS_OK);
        CHECK_EQ_U64(sum.executed + sum.stolen + sum.steal_attempts + sum.commands, 0);
        CHECK_STATUS(ecs_pool_stats(pool, threads + 7, &sum), ECS_OK);
        CHECK_STATUS(ecs_pool_stats(pool, threads + 8, &sum), ECS_NOT_FOUND);
        CHECK_STATUS(ecs_pool_stats(pool, UINT32_MAX, &sum), ECS_NOT_FOUND);
        use(pool, 3000);
        add_stats(pool, &sum);
        CHECK_EQ_U64(sum.executed, 3000);
        CHECK_EQ_U64(sum.commands, 0);
        CHECK(sum.stolen == 0 || sum.steal_attempts > 0);
        guest = ecs_pool_enter(pool);
        ECSI_STORE(&ran, 0u, relaxed);
        ECSI_STORE(&gate, 0u, relaxed);
        for (uint32_t k = 0; k < threads; k++) ecs_job_run(guest, &jobs[k], gate_job, NULL);
        REQUIRE(reaches(&ran, threads)); /* each was stolen */
        ECSI_STORE(&gate, 1u, release);
        for (uint32_t k = 0; k < threads; k++) ecs_job_wait(guest, &jobs[k]);
        add_stats(pool, &sum);
        CHECK_EQ_U64(sum.executed, 3000 + threads);
        CHECK(sum.stolen >= threads);
        CHECK(sum.steal_attempts >= threads);
        ecs_pool_leave(guest);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
}

/* A sleep counts when it has ended. */
TEST(stats_count_sleep)
{
    ecs_pool *pool = make(3);
    ecs_worker_stats sum;
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    do {
        REQUIRE(ecsi_clock_ns() < end);
        usleep(1000);
        use(pool, 4);
        add_stats(pool, &sum);
    } while (sum.parks < 4 || sum.spins == 0);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* Threads of this process; 0 where there is no /proc. */
static uint32_t task_count(void)
{
    DIR *dir = opendir("/proc/self/task");
    uint32_t count = 0;
    if (dir == NULL) return 0;
    for (const struct dirent *each = readdir(dir); each != NULL; each = readdir(dir)) {
        count += each->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

TEST(create_and_destroy_a_thousand_times_leaks_nothing)
{
    uint32_t rounds = test_rounds(1000, 20000);
    uint32_t before;
    uint64_t end;
    CHECK_STATUS(ecs_pool_destroy(make(2)), ECS_OK); /* a sanitizer starts a thread of its own */
    before = task_count();
    for (uint32_t i = 0; i < rounds; i++) {
        ecs_pool *pool = make(1 + i % 5);
        if (i % 3 == 0) use(pool, i % 17);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
        CHECK_EQ_U64(ECSI_LOAD(&heap.blocks, relaxed), 0);
    }
    check_gone();
    CHECK_EQ_U64(ECSI_LOAD(&heap.calls, relaxed), rounds + 1);
    /* A thread that was joined may be listed a moment longer. */
    end = ecsi_clock_ns() + LATE_NS;
    while (task_count() > before && ecsi_clock_ns() < end) usleep(1000);
    CHECK_EQ_U64(task_count(), before);
}
