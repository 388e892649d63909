/* waiter.c: sixteen threads on waiter queues, semaphores, events and futures. What is given must
 * be had: wakes are counted on both sides, permits are back at the end, and nobody sleeps
 * longer than LATE_NS. Plain data behind each of them is for ThreadSanitizer. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#define LATE_NS 20000000000u

enum { THREADS = 16, SEMAPHORES = 4, CHAIN = 2000 };

static pthread_t threads[THREADS];
static ecsi_atomic_u32 places;

static void run_threads(void *(*run)(void *))
{
    ECSI_STORE(&places, 0u, relaxed);
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run, NULL) == 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

/* The number of the calling thread; all go on when all are there. */
static uint32_t take_place(void)
{
    uint32_t me = ECSI_ADD(&places, 1u, relaxed);
    while (ECSI_LOAD(&places, relaxed) < THREADS) ecsi_yield();
    return me;
}

static void tell(uint64_t count, const char *what)
{
    printf("    %llu %s, seed %llu\n", (unsigned long long)count, what,
           (unsigned long long)test_seed());
}

/* ---- wakes ------------------------------------------------------------------------------- */

static struct {
    ecs_waiters queues[2];
    ecsi_atomic_u64 given;
    ecsi_atomic_u64 had;
    ecsi_atomic_u64 slept;
    ecsi_atomic_u32 running;
    uint32_t steps;
} storm;

/* Waits in one of four ways; true when it was woken. */
static bool storm_wait(ecs_waiters *queue, ecsi_waiter *waiter, uint64_t *state)
{
    uint32_t kind = test_random_below(state, 4);
    ecsi_waiter_enter(queue, waiter);
    if (kind == 0) {
        if (test_random_below(state, 4) == 0) ecsi_yield();
        if (ecsi_waiter_cancel(queue, waiter)) return false;
        REQUIRE(ecsi_park(waiter->parker, 0)); /* its token */
        return true;
    }
    (void)ECSI_ADD(&storm.slept, (uint64_t)1, relaxed);
    if (kind == 1) {
        bool woken = ecsi_waiter_sleep(queue, waiter, test_random_below(state, 50000));
        (void)ecsi_park(waiter->parker, 0); /* woken after the time was up: the token is left */
        return woken;
    }
    REQUIRE(ecsi_waiter_sleep(queue, waiter, kind == 2 ? LATE_NS : ECSI_FOREVER));
    return true;
}

static void *run_storm(void *data)
{
    uint32_t me = take_place();
    uint64_t state = test_seed() + me;
    ecsi_parker parker;
    ecsi_waiter waiter;
    (void)data;
    REQUIRE(ecsi_parker_create(&parker));
    waiter.parker = &parker;
    for (uint32_t i = 0; i < storm.steps; i++) {
        ecs_waiters *queue = &storm.queues[test_random_below(&state, 2)];
        uint32_t kind = test_random_below(&state, 8);
        if (kind < 3) {
            bool woken = storm_wait(queue, &waiter, &state);
            (void)ECSI_ADD(&storm.had, woken ? (uint64_t)1 : 0, relaxed);
        } else if (kind < 7) {
            (void)ECSI_ADD(&storm.given, ecsi_wake_one(queue) ? (uint64_t)1 : 0, relaxed);
        } else {
            (void)ECSI_ADD(&storm.given, (uint64_t)ecsi_wake_all(queue), relaxed);
        }
    }
    CHECK(!ecsi_park(&parker, 0)); /* no token is left */
    ecsi_parker_destroy(&parker);
    (void)ECSI_SUB(&storm.running, 1u, release);
    return NULL;
}

/* Wakes the last ones, who have nobody else. */
static void *run_keeper(void *data)
{
    ecsi_parker parker;
    (void)data;
    REQUIRE(ecsi_parker_create(&parker));
    while (ECSI_LOAD(&storm.running, acquire) > 0) {
        (void)ecsi_park(&parker, 200000);
        for (int i = 0; i < 2; i++) {
            (void)ECSI_ADD(&storm.given, (uint64_t)ecsi_wake_all(&storm.queues[i]), relaxed);
        }
    }
    ecsi_parker_destroy(&parker);
    return NULL;
}

TEST(storm_of_wakes_gives_what_is_had)
{
    pthread_t keeper;
    storm.steps = test_rounds(30000, 500000);
    ECSI_STORE(&storm.running, (uint32_t)THREADS, relaxed);
    REQUIRE(pthread_create(&keeper, NULL, run_keeper, NULL) == 0);
    run_threads(run_storm);
    pthread_join(keeper, NULL);
    CHECK_EQ_U64(ECSI_LOAD(&storm.given, relaxed), ECSI_LOAD(&storm.had, relaxed));
    for (int i = 0; i < 2; i++) {
        CHECK(ECSI_LOAD(&storm.queues[i].word, relaxed) == NULL);
        CHECK(storm.queues[i].first == NULL);
        CHECK_EQ_U64(ECSI_LOAD(&storm.queues[i].count, relaxed), 0);
    }
    tell(ECSI_LOAD(&storm.slept, relaxed), "sleeps");
    tell(ECSI_LOAD(&storm.had, relaxed), "wakes");
}

/* Fifteen wait, one wakes all, again and again. */
static struct {
    ecs_waiters queue;
    ecsi_atomic_u32 epoch;
    ecsi_atomic_u32 arrived; /* in this epoch */
    ecsi_atomic_u64 woken;
    ecsi_atomic_u64 waked;
    uint64_t written; /* by the waker, before the epoch */
    uint32_t epochs;
} tide;

static void tide_turn(uint32_t epoch)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    while (ECSI_LOAD(&tide.arrived, acquire) < (THREADS - 1) * epoch) {
        REQUIRE(ecsi_clock_ns() < end);
        ecsi_yield();
    }
    tide.written = epoch;
    ECSI_STORE(&tide.epoch, epoch, release);
    (void)ECSI_ADD(&tide.waked, (uint64_t)ecsi_wake_all(&tide.queue), relaxed);
}

/* Waits until the epoch has come. A wake may be that of the epoch before, whose waker had not
 * looked at the queue yet. Answers how many wakes it had. */
static uint32_t tide_wait(ecsi_waiter *waiter, uint32_t epoch)
{
    uint32_t woken = 0;
    while (ECSI_LOAD(&tide.epoch, acquire) < epoch) {
        ecsi_waiter_enter(&tide.queue, waiter);
        if (ECSI_LOAD(&tide.epoch, acquire) < epoch) {
            REQUIRE(ecsi_waiter_sleep(&tide.queue, waiter, LATE_NS));
            woken++;
        } else if (!ecsi_waiter_cancel(&tide.queue, waiter)) {
            REQUIRE(ecsi_park(waiter->parker, 0));
            woken++;
        }
    }
    return woken;
}

static void *run_tide(void *data)
{
    uint32_t me = take_place();
    ecsi_parker parker;
    ecsi_waiter waiter;
    uint64_t woken = 0;
    (void)data;
    REQUIRE(ecsi_parker_create(&parker));
    waiter.parker = &parker;
    for (uint32_t epoch = 1; epoch <= tide.epochs; epoch++) {
        if (me == 0) {
            tide_turn(epoch);
            continue;
        }
        (void)ECSI_ADD(&tide.arrived, 1u, acq_rel);
        woken += tide_wait(&waiter, epoch);
        CHECK(ECSI_LOAD(&tide.epoch, acquire) == epoch);
        CHECK_EQ_U64(tide.written, epoch);
    }
    (void)ECSI_ADD(&tide.woken, woken, relaxed);
    ecsi_parker_destroy(&parker);
    return NULL;
}

TEST(storm_of_wake_all_leaves_nobody_asleep)
{
    tide.epochs = test_rounds(10000, 200000);
    run_threads(run_tide);
    CHECK_EQ_U64(ECSI_LOAD(&tide.woken, relaxed), ECSI_LOAD(&tide.waked, relaxed));
    CHECK(ECSI_LOAD(&tide.queue.word, relaxed) == NULL);
    tell(ECSI_LOAD(&tide.woken, relaxed), "wakes");
}

/* ---- semaphores -------------------------------------------------------------------------- */

static struct {
    ecs_semaphore semaphores[SEMAPHORES]; /* with 1, 2, 3, 4 permits */
    ecsi_atomic_u32 inside[SEMAPHORES];
    ecsi_atomic_u64 got;
    uint64_t written; /* under the one with 1 permit */
    uint32_t steps;
} market;

static void *run_market(void *data)
{
    uint32_t me = take_place();
    uint64_t state = test_seed() + me;
    uint64_t count = 0;
    (void)data;
    for (uint32_t i = 0; i < market.steps; i++) {
        uint32_t which = test_random_below(&state, SEMAPHORES);
        ecs_semaphore *s = &market.semaphores[which];
        uint32_t kind = test_random_below(&state, 4);
        uint64_t timeout_ns = kind == 0 ? test_random_below(&state, 50000) : LATE_NS;
        ecs_status status;
        if (kind == 1) {
            status = ecs_semaphore_try_acquire(s) ? ECS_OK : ECS_TIMEOUT;
        } else {
            status = ecs_semaphore_acquire(s, timeout_ns);
        }
        if (status != ECS_OK) {
            REQUIRE(kind < 2 && status == ECS_TIMEOUT);
            continue;
        }
        CHECK(ECSI_ADD(&market.inside[which], 1u, relaxed) < which + 1);
        if (which == 0) market.written++;
        if (test_random_below(&state, 32) == 0) ecsi_yield();
        (void)ECSI_SUB(&market.inside[which], 1u, relaxed);
        if (which == 0) count++;
        ecs_semaphore_release(s, 1);
    }
    (void)ECSI_ADD(&market.got, count, relaxed);
    return NULL;
}

TEST(semaphores_of_few_permits_serve_sixteen)
{
    market.steps = test_rounds(20000, 200000);
    for (uint32_t i = 0; i < SEMAPHORES; i++) ecs_semaphore_init(&market.semaphores[i], i + 1);
    run_threads(run_market);
    CHECK_EQ_U64(market.written, ECSI_LOAD(&market.got, relaxed));
    for (uint32_t i = 0; i < SEMAPHORES; i++) {
        CHECK_EQ_U64(ECSI_LOAD(&market.semaphores[i].permits, relaxed), i + 1);
        CHECK(ECSI_LOAD(&market.semaphores[i].waiters.word, relaxed) == NULL);
    }
    tell(market.written, "permits of one");
}

/* A ring of sixteen, and four permits that go round. */
static struct {
    ecs_semaphore semaphores[THREADS];
    ecsi_atomic_u64 moves;
    uint32_t rounds;
} ring;

static void *run_ring(void *data)
{
    uint32_t me = take_place();
    (void)data;
    for (uint32_t i = 0; i < ring.rounds; i++) {
        REQUIRE(ecs_semaphore_acquire(&ring.semaphores[me], LATE_NS) == ECS_OK);
        (void)ECSI_ADD(&ring.moves, (uint64_t)1, relaxed);
        ecs_semaphore_release(&ring.semaphores[(me + 1) % THREADS], 1);
    }
    return NULL;
}

TEST(semaphores_in_a_ring_move_on)
{
    ring.rounds = test_rounds(4000, 50000);
    for (uint32_t i = 0; i < THREADS; i++) {
        ecs_semaphore_init(&ring.semaphores[i], i % 4 == 0 ? 1 : 0);
    }
    run_threads(run_ring);
    CHECK_EQ_U64(ECSI_LOAD(&ring.moves, relaxed), (uint64_t)THREADS * ring.rounds);
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK_EQ_U64(ECSI_LOAD(&ring.semaphores[i].permits, relaxed), i % 4 == 0 ? 1 : 0);
    }
}

/* ---- events and futures -------------------------------------------------------------------- */

static struct {
    ecs_signal signals[CHAIN];
    ecs_future futures[CHAIN];
    uint64_t written[CHAIN];
    ecsi_atomic_u32 winners[CHAIN];
} chain;

/* Each event is set by one thread when the one before has come; all wait for all. */
static void *run_signals(void *data)
{
    uint32_t me = take_place();
    (void)data;
    for (uint32_t i = 0; i < CHAIN; i++) {
        if (i % THREADS == me) {
            chain.written[i] = i == 0 ? 1 : chain.written[i - 1] + 1;
            ecs_signal_set(&chain.signals[i]);
        }
        REQUIRE(ecs_signal_wait(&chain.signals[i], i % 2 == 0 ? LATE_NS : ECS_FOREVER) == ECS_OK);
        CHECK_EQ_U64(chain.written[i], i + 1);
    }
    return NULL;
}

TEST(signals_in_a_chain_are_seen_by_all)
{
    uint32_t rounds = test_rounds(3, 200);
    for (uint32_t round = 0; round < rounds; round++) {
        memset(&chain, 0, sizeof chain);
        for (uint32_t i = 0; i < CHAIN; i++) ecs_signal_init(&chain.signals[i]);
        run_threads(run_signals);
    }
    tell((uint64_t)rounds * CHAIN, "events");
}

/* Two threads want to set each future, with themselves as its value. */
static void *run_futures(void *data)
{
    static const uint32_t names[THREADS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint32_t me = take_place();
    (void)data;
    for (uint32_t i = 0; i < CHAIN; i++) {
        void *value = NULL;
        uint32_t who;
        if (i % (THREADS / 2) == me / 2) {
            ecs_status status = ecs_future_set(&chain.futures[i], ECS_OK,
                                               (void *)(uintptr_t)&names[me]);
            CHECK(status == ECS_OK || status == ECS_EXISTS);
            if (status == ECS_OK) (void)ECSI_ADD(&chain.winners[i], 1u, relaxed);
        }
        REQUIRE(ecs_future_wait(&chain.futures[i], LATE_NS, &value) == ECS_OK);
        REQUIRE(value != NULL);
        who = *(const uint32_t *)value;
        CHECK_EQ_U64(who / 2, i % (THREADS / 2));
    }
    return NULL;
}

TEST(futures_with_two_setters_have_one_winner)
{
    uint32_t rounds = test_rounds(3, 200);
    for (uint32_t round = 0; round < rounds; round++) {
        memset(&chain, 0, sizeof chain);
        for (uint32_t i = 0; i < CHAIN; i++) ecs_future_init(&chain.futures[i]);
        run_threads(run_futures);
        for (uint32_t i = 0; i < CHAIN; i++) {
            CHECK_EQ_U64(ECSI_LOAD(&chain.winners[i], relaxed), 1);
        }
    }
    tell((uint64_t)rounds * CHAIN, "futures");
}
