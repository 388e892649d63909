/* pool.c: many threads on one pool: random trees of jobs, loops in loops, guests that come and
 * go, workers that sleep and are woken, pools that end while there is work. What was run is
 * counted, summed and XORed; plain data behind each job is for ThreadSanitizer. A wake that is
 * lost hangs, and the time limit of the case ends that. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#define LATE_NS 20000000000u /* who waits that long waits for ever */

enum { GUESTS = 4, THREADS = 3, BRANCHES_MAX = 6, SIDE = 9 };

typedef struct guest {
    ecs_pool *pool;
    pthread_t thread;
    uint64_t seed;
    uint32_t rounds;
    bool naps; /* between rounds, so that the workers go to sleep */
    bool stays; /* inside for all rounds */
    uint64_t jobs;
} guest;

static void tell(uint64_t count, const char *what)
{
    printf("    %llu %s, seed %llu\n", (unsigned long long)count, what,
           (unsigned long long)test_seed());
}

static ecs_pool *make(uint32_t workers, uint32_t capacity, uint32_t guests_max, uint32_t spins)
{
    ecs_pool_desc desc;
    ecs_pool *pool;
    memset(&desc, 0, sizeof desc);
    desc.workers = workers;
    desc.deque_capacity = capacity;
    desc.injector_capacity = capacity < 2 ? 2 : capacity;
    desc.guests_max = guests_max;
    desc.spins = spins;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    return pool;
}

/* ---- trees of jobs ------------------------------------------------------------------------- */

/* What a subtree of jobs comes to: a function of its seed alone. */
typedef struct tree {
    uint64_t seed;
    uint32_t depth;
    uint64_t count;
    uint64_t sum;
    uint64_t xors;
} tree;

static void tree_add(tree *t, const tree *below)
{
    t->count += below->count;
    t->sum += below->sum;
    t->xors ^= below->xors;
}

static uint32_t tree_begin(tree *t, tree *below, uint64_t *state)
{
    uint32_t branches;
    *state = t->seed;
    t->count = 1;
    t->sum = test_random_u64(state);
    t->xors = t->sum;
    branches = t->depth == 0 ? 0 : test_random_below(state, BRANCHES_MAX + 1);
    for (uint32_t i = 0; i < branches; i++) {
        memset(&below[i], 0, sizeof below[i]);
        below[i].seed = test_random_u64(state);
        below[i].depth = t->depth - 1;
    }
    return branches;
}

static void tree_range(ecs_worker *worker, ecs_range range, void *data);

/* Runs the branches as jobs, waits in random order; some in a loop, some by a latch. */
static void tree_job(ecs_worker *worker, void *data)
{
    tree *t = (tree *)data;
    tree below[BRANCHES_MAX];
    ecs_job jobs[BRANCHES_MAX];
    uint32_t order[BRANCHES_MAX];
    uint64_t state;
    uint32_t branches = tree_begin(t, below, &state);
    uint32_t kind = test_random_below(&state, 8);
    if (kind == 0) {
        ecs_loop loop = {branches, test_random_below(&state, 3)};
        ecs_parallel_for(worker, loop, tree_range, below);
    } else {
        for (uint32_t i = 0; i < branches; i++) {
            uint32_t k = test_random_below(&state, i + 1);
            order[i] = order[k];
            order[k] = i;
            ecs_job_run(worker, &jobs[i], tree_job, &below[i]);
        }
        if (kind == 1) ecsi_yield();
        for (uint32_t i = 0; i < branches; i++) ecs_job_wait(worker, &jobs[order[i]]);
    }
    for (uint32_t i = 0; i < branches; i++) tree_add(t, &below[i]);
}

static void tree_range(ecs_worker *worker, ecs_range range, void *data)
{
    tree *below = (tree *)data;
    for (uint32_t i = range.first; i < range.first + range.count; i++) {
        tree_job(worker, &below[i]);
    }
}

static uint64_t check_tree(ecs_worker *worker, uint64_t seed, uint32_t depth)
{
    tree got = {seed, depth, 0, 0, 0};
    tree wanted = {seed, depth, 0, 0, 0};
    tree_job(worker, &got);
    tree_job(NULL, &wanted);
    CHECK_EQ_U64(got.count, wanted.count);
    CHECK_EQ_U64(got.sum, wanted.sum);
    CHECK_EQ_U64(got.xors, wanted.xors);
    return got.count;
}

/* ---- loops in loops ------------------------------------------------------------------------ */

typedef struct nest {
    unsigned char *counts;
    uint64_t seed;
    uint32_t depth;
    uint32_t first;
} nest;

static void nest_body(ecs_worker *worker, ecs_range range, void *data)
{
    const nest *outer = (const nest *)data;
    for (uint32_t i = range.first; i < range.first + range.count; i++) {
        nest inner = *outer;
        uint64_t state = outer->seed + i;
        ecs_loop loop = {SIDE, 0};
        loop.grain = test_random_below(&state, SIDE + 2);
        inner.depth++;
        inner.seed = test_random_u64(&state);
        inner.first = outer->first * SIDE + i;
        if (inner.depth == 3) {
            inner.counts[inner.first]++;
        } else {
            ecs_parallel_for(worker, loop, nest_body, &inner);
        }
    }
}

static void check_nest(ecs_worker *worker, uint64_t seed)
{
    unsigned char counts[SIDE * SIDE * SIDE];
    nest root = {counts, seed, 0, 0};
    ecs_loop loop = {SIDE, (uint32_t)(seed % 4)};
    memset(counts, 0, sizeof counts);
    ecs_parallel_for(worker, loop, nest_body, &root);
    for (uint32_t i = 0; i < sizeof counts; i++) CHECK_EQ_U64(counts[i], 1);
}

/* ---- guests ------------------------------------------------------------------------------ */

static void *run_guest(void *data)
{
    guest *g = (guest *)data;
    uint64_t state = g->seed;
    ecs_worker *worker = NULL;
    for (uint32_t i = 0; i < g->rounds; i++) {
        while (worker == NULL) {
            worker = ecs_pool_enter(g->pool);
            if (worker == NULL) ecsi_yield();
        }
        for (uint32_t k = test_random_below(&state, 4); k-- > 0;) {
            if (test_random_below(&state, 3) == 0) {
                check_nest(worker, test_random_u64(&state));
            } else {
                g->jobs += check_tree(worker, test_random_u64(&state),
                                      test_random_below(&state, 6));
            }
        }
        if (!g->stays) {
            ecs_pool_leave(worker);
            worker = NULL;
        }
        if (g->naps) usleep(test_random_below(&state, 400));
    }
    ecs_pool_leave(worker);
    return NULL;
}

/* Lets guests work on a pool; answers their jobs. */
static uint64_t run_guests(ecs_pool *pool, const guest *like, uint32_t count)
{
    guest guests[2 * GUESTS];
    uint64_t jobs = 0;
    REQUIRE(count <= 2 * GUESTS);
    for (uint32_t i = 0; i < count; i++) {
        guests[i] = *like;
        guests[i].pool = pool;
        guests[i].seed = test_seed() + like->seed + i;
        REQUIRE(pthread_create(&guests[i].thread, NULL, run_guest, &guests[i]) == 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(guests[i].thread, NULL);
        jobs += guests[i].jobs;
    }
    return jobs;
}

TEST(guests_that_stay_share_a_pool)
{
    ecs_pool *pool = make(THREADS + 1, 0, 0, 0);
    guest like = {NULL, 0, 1, test_rounds(150, 20000), false, true, 0};
    tell(run_guests(pool, &like, GUESTS), "jobs");
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(guests_that_come_and_go_share_a_pool)
{
    ecs_pool *pool = make(THREADS + 1, 0, 3, 0); /* fewer places than guests */
    guest like = {NULL, 0, 2, test_rounds(150, 20000), false, false, 0};
    tell(run_guests(pool, &like, 2 * GUESTS), "jobs");
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(guests_share_a_pool_of_small_queues)
{
    static const uint32_t capacities[] = {1, 2, 4};
    for (uint32_t i = 0; i < 3; i++) {
        ecs_pool *pool = make(THREADS + 1, capacities[i], 0, 0);
        guest like = {NULL, 0, 3 + i, test_rounds(60, 8000), false, i % 2 == 0, 0};
        tell(run_guests(pool, &like, GUESTS), "jobs");
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
}

TEST(guests_wake_workers_that_sleep)
{
    ecs_pool *pool = make(THREADS + 1, 0, 0, 1);
    guest like = {NULL, 0, 7, test_rounds(600, 30000), true, true, 0};
    ecs_worker_stats stats;
    uint64_t parks = 0;
    tell(run_guests(pool, &like, 2), "jobs");
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK_STATUS(ecs_pool_stats(pool, i, &stats), ECS_OK);
        parks += stats.parks;
    }
    CHECK(parks > 0);
    tell(parks, "sleeps");
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(more_workers_than_cores_share_the_work)
{
    static const uint32_t counts[] = {2, 7, 16, 40};
    for (uint32_t i = 0; i < 4; i++) {
        ecs_pool *pool = make(counts[i], 0, 0, 0);
        guest like = {NULL, 0, 8 + i, test_rounds(30, 4000), false, true, 0};
        tell(run_guests(pool, &like, GUESTS), "jobs");
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
}

/* ---- wakes ------------------------------------------------------------------------------- */

static struct {
    uint32_t told;
    uint32_t seen;
    uint32_t arrived;
    uint32_t wanted;
} wake;

static uint32_t value_of(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void wake_until(const uint32_t *word, uint32_t value)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    for (uint32_t spins = 1; value_of(word) < value; spins++) {
        if (spins % 128 != 0) continue;
        ecsi_yield();
        if (ecsi_clock_ns() <= end) continue;
        CHECK_EQ_U64(value_of(word), value);
        test_stop();
    }
}

static void seen_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    wake.seen = wake.told; /* handed over by the job, back by its end */
}

/* Who starts the job only looks whether it is done, so a thread must come. It goes to sleep at
 * its first look in vain: each start meets it somewhere on that way. */
TEST(each_job_wakes_a_worker_that_goes_to_sleep)
{
    uint32_t rounds = test_rounds(40000, 5000000);
    for (uint32_t workers = 2; workers <= 3; workers++) {
        ecs_pool *pool = make(workers, 0, 0, 1);
        ecs_worker *worker = ecs_pool_enter(pool);
        uint64_t state = test_seed();
        for (uint32_t i = 1; i <= rounds; i++) {
            uint64_t end = 0;
            ecs_job job;
            wake.told = i;
            ecs_job_run(worker, &job, seen_job, NULL);
            for (uint32_t spins = 1; !ecs_job_done(&job); spins++) {
                ecsi_pause();
                if (spins % 256 != 0) continue;
                ecsi_yield();
                if (end == 0) end = ecsi_clock_ns() + LATE_NS;
                REQUIRE(ecsi_clock_ns() < end);
            }
            CHECK_EQ_U64(wake.seen, i);
            for (uint32_t k = test_random_below(&state, 300); k-- > 0;) ecsi_pause();
        }
        ecs_pool_leave(worker);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
        tell(rounds, "wakes");
    }
}

static void party_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    __atomic_fetch_add(&wake.arrived, 1u, __ATOMIC_ACQ_REL);
    wake_until(&wake.arrived, wake.wanted);
}

/* Jobs that end only when all run at the same time: whoever found one wakes the next. */
TEST(each_job_of_a_burst_gets_a_worker)
{
    uint32_t rounds = test_rounds(1500, 100000);
    for (uint32_t threads = 2; threads <= 5; threads++) {
        ecs_pool *pool = make(threads + 1, 0, 0, 1);
        ecs_worker *worker = ecs_pool_enter(pool);
        uint64_t state = test_seed() + threads;
        ecs_job jobs[5];
        wake.wanted = threads;
        for (uint32_t i = 0; i < rounds; i++) {
            wake.arrived = 0;
            for (uint32_t k = 0; k < threads; k++) ecs_job_run(worker, &jobs[k], party_job, NULL);
            wake_until(&wake.arrived, threads);
            for (uint32_t k = 0; k < threads; k++) ecs_job_wait(worker, &jobs[k]);
            if (test_random_below(&state, 8) == 0) usleep(test_random_below(&state, 200));
        }
        ecs_pool_leave(worker);
        CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
    }
    tell(4 * (uint64_t)rounds, "bursts");
}

/* ---- ends -------------------------------------------------------------------------------- */

enum { LEFT_MAX = 3000 };

typedef struct left {
    ecs_job job;
    uint32_t runs;
    uint32_t more; /* jobs that it starts itself, behind it */
} left;

static left lefts[LEFT_MAX];

static void left_job(ecs_worker *worker, void *data)
{
    left *l = (left *)data;
    uint32_t more = l->more;
    __atomic_fetch_add(&l->runs, 1u, __ATOMIC_RELAXED);
    if (more == 0) return;
    for (uint32_t i = 1; i <= 3; i++) {
        uint32_t begin = 1 + (i - 1) * (more / 3);
        uint32_t end = i == 3 ? more : i * (more / 3);
        if (end < begin) continue;
        l[begin].more = end - begin;
        ecs_job_run(worker, &l[begin].job, left_job, &l[begin]);
    }
}

static ecs_pool *leaving;

static void *run_leaver(void *data)
{
    left *mine = (left *)data;
    ecs_worker *worker = ecs_pool_enter(leaving);
    REQUIRE(worker != NULL);
    mine->more = LEFT_MAX / GUESTS - 1;
    ecs_job_run(worker, &mine->job, left_job, mine);
    ecs_pool_leave(worker);
    return NULL;
}

/* Destroyed as soon as nobody is inside: all that was started runs, by whomever. */
TEST(pool_that_ends_under_load_runs_all)
{
    uint32_t rounds = test_rounds(300, 20000);
    for (uint32_t round = 0; round < rounds; round++) {
        pthread_t threads[GUESTS];
        ecs_status status;
        memset(lefts, 0, sizeof lefts);
        leaving = make(1 + round % 5, 1u << round % 9, 0, 1 + round % 2 * 99);
        for (uint32_t i = 0; i < GUESTS; i++) {
            REQUIRE(pthread_create(&threads[i], NULL, run_leaver,
                                   &lefts[i * (LEFT_MAX / GUESTS)]) == 0);
        }
        for (uint32_t i = 0; i < GUESTS; i++) pthread_join(threads[i], NULL);
        status = ecs_pool_destroy(leaving);
        CHECK_STATUS(status, ECS_OK);
        for (uint32_t i = 0; i < LEFT_MAX; i++) CHECK_EQ_U64(lefts[i].runs, 1);
    }
    tell((uint64_t)rounds * LEFT_MAX, "jobs");
}

static struct {
    ecs_pool *pool;
    uint64_t seed;
    uint32_t inside;
} flight;

static void *run_flight(void *data)
{
    ecs_worker *worker = ecs_pool_enter(flight.pool);
    (void)data;
    REQUIRE(worker != NULL);
    __atomic_store_n(&flight.inside, 1u, __ATOMIC_RELEASE);
    (void)check_tree(worker, flight.seed, 3);
    ecs_pool_leave(worker);
    return NULL;
}

/* The last one that leaves is followed at once by who destroys. */
TEST(pool_that_ends_behind_its_last_guest_is_whole)
{
    uint32_t rounds = test_rounds(1500, 100000);
    uint64_t state = test_seed();
    for (uint32_t round = 0; round < rounds; round++) {
        pthread_t thread;
        ecs_status status;
        flight.pool = make(1 + round % 3, 0, 1 + round % 2, 0);
        flight.seed = test_random_u64(&state);
        flight.inside = 0;
        REQUIRE(pthread_create(&thread, NULL, run_flight, NULL) == 0);
        while (value_of(&flight.inside) == 0) ecsi_yield();
        for (uint32_t tries = 1;; tries++) {
            status = ecs_pool_destroy(flight.pool);
            if (status != ECS_LOCKED) break;
            if (tries % 256 == 0) ecsi_yield();
        }
        CHECK_STATUS(status, ECS_OK);
        pthread_join(thread, NULL);
    }
    tell(rounds, "pools");
}
