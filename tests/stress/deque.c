/* deque.c: owners and thieves, more than there are cores, on deques and on the injector.
 *
 * An item is a number in memory that its pusher writes plainly: who gets the item reads it, so
 * that ThreadSanitizer sees whether the hand-over orders it. What was got is counted, summed and
 * XORed by each thread; each number has a place where the second one to get it is found. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

enum {
    OWNERS_MAX = 8,
    THIEVES_MAX = 16,
    CAPACITY_MAX = 1024,
    ITEMS_MAX = 800000, /* of all owners */
    SHY_SPINS = 64,     /* looks in vain before a thread yields */
    OWNER_STEPS = 1024  /* between two yields of an owner, or no thief would have a core */
};

typedef struct plan {
    uint32_t owners;
    uint32_t thieves;
    uint32_t items; /* of each owner */
    uint32_t capacity;
    int64_t start;
    uint32_t takes; /* of 8 steps of an owner; 0: it only pushes */
    bool batches;   /* thieves steal half */
} plan;

typedef struct tally {
    uint64_t count;
    uint64_t sum;
    uint64_t xors;
} tally;

typedef struct lane {
    ecsi_deque deque;
    ecsi_atomic_ptr slots[CAPACITY_MAX];
} lane;

typedef struct item {
    uint64_t number;
} item;

static struct {
    plan now;
    uint64_t seed;
    lane lanes[OWNERS_MAX + THIEVES_MAX]; /* of the owners, then of thieves with batches */
    tally tallies[OWNERS_MAX + THIEVES_MAX];
    item items[ITEMS_MAX];
    ecsi_atomic_u32 got[ITEMS_MAX];
    ecsi_atomic_u32 places;
    ecsi_atomic_u32 finished; /* owners whose deque is empty for good */
    ecsi_turn turns[CAPACITY_MAX];
    ecsi_injector injector;
    ecsi_atomic_u32 left; /* of the injector's items */
} all;

static void got(tally *t, const void *pointer)
{
    const item *it = (const item *)pointer;
    uint64_t number = it->number;
    t->count++;
    t->sum += number;
    t->xors ^= number * 0x9e3779b97f4a7c15u;
    REQUIRE(number >= 1 && number <= ITEMS_MAX);
    REQUIRE(ECSI_ADD(&all.got[number - 1], 1u, relaxed) == 0); /* nobody had it before */
}

static void shy(uint32_t *vain)
{
    if (++*vain % SHY_SPINS == 0) {
        ecsi_yield();
    } else {
        ecsi_pause();
    }
}

/* When it is full, the owner waits for thieves or makes room itself. */
static void owner_push(ecsi_deque *mine, tally *t, uint32_t index, uint32_t takes)
{
    uint32_t vain = 0;
    all.items[index].number = index + 1;
    while (!ecsi_deque_push(mine, &all.items[index])) {
        void *taken = NULL;
        shy(&vain);
        if (takes > 0 && vain % 16 == 0) taken = ecsi_deque_take(mine);
        if (taken != NULL) got(t, taken);
    }
}

/* Threads wait here until all have been started. */
static void wait_for_all(void)
{
    while (ECSI_LOAD(&all.places, relaxed) < all.now.owners + all.now.thieves) ecsi_yield();
}

static void *run_owner(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    ecsi_deque *mine = &all.lanes[me].deque;
    tally *t = &all.tallies[me];
    uint64_t state = all.seed + me;
    uint32_t vain = 0;
    void *taken;
    (void)data;
    wait_for_all();
    for (uint32_t i = 0; i < all.now.items; i++) {
        if (test_random_below(&state, OWNER_STEPS) == 0) ecsi_yield();
        owner_push(mine, t, me * all.now.items + i, all.now.takes);
        if (test_random_below(&state, 8) >= all.now.takes) continue;
        taken = ecsi_deque_take(mine);
        if (taken != NULL) got(t, taken);
    }
    while (all.now.takes == 0 && ecsi_deque_size(mine) > 0) shy(&vain);
    while ((taken = ecsi_deque_take(mine)) != NULL) got(t, taken);
    (void)ECSI_ADD(&all.finished, 1u, release);
    return NULL;
}

/* Steals from one of the owners; a batch goes by the thief's own deque. */
static bool thief_step(uint32_t me, tally *t, uint64_t *state)
{
    ecsi_deque *victim = &all.lanes[test_random_below(state, all.now.owners)].deque;
    void *stolen;
    if (all.now.batches) {
        ecsi_deque *mine = &all.lanes[me].deque;
        uint32_t more = 0;
        stolen = ecsi_deque_steal_batch(victim, mine, ECSI_BATCH_MAX, &more);
        if (stolen == NULL || stolen == ECSI_STEAL_LOST) return false;
        got(t, stolen);
        while ((stolen = ecsi_deque_take(mine)) != NULL) got(t, stolen);
        return true;
    }
    stolen = ecsi_deque_steal(victim);
    if (stolen == NULL || stolen == ECSI_STEAL_LOST) return false;
    got(t, stolen);
    return true;
}

/* With batches: now and then from another thief. */
static bool thief_robs_thief(uint32_t me, tally *t, uint64_t *state)
{
    uint32_t whom = all.now.owners + test_random_below(state, all.now.thieves);
    void *stolen;
    if (!all.now.batches || whom == me) return false;
    stolen = ecsi_deque_steal(&all.lanes[whom].deque);
    if (stolen == NULL || stolen == ECSI_STEAL_LOST) return false;
    got(t, stolen);
    return true;
}

static void *run_thief(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    tally *t = &all.tallies[me];
    uint64_t state = all.seed + me;
    uint32_t vain = 0;
    (void)data;
    wait_for_all();
    while (ECSI_LOAD(&all.finished, acquire) < all.now.owners) {
        bool good = thief_step(me, t, &state);
        if (thief_robs_thief(me, t, &state)) good = true;
        if (!good) shy(&vain);
    }
    return NULL;
}

static void check_sums(uint32_t threads, uint32_t total)
{
    tally sum = {0, 0, 0};
    uint64_t xors = 0;
    for (uint32_t i = 0; i < threads; i++) {
        sum.count += all.tallies[i].count;
        sum.sum += all.tallies[i].sum;
        sum.xors ^= all.tallies[i].xors;
    }
    for (uint64_t number = 1; number <= total; number++) xors ^= number * 0x9e3779b97f4a7c15u;
    REQUIRE(CHECK_EQ_U64(sum.count, total));
    REQUIRE(CHECK_EQ_U64(sum.sum, (uint64_t)total * (total + 1) / 2));
    REQUIRE(CHECK_EQ_U64(sum.xors, xors));
}

static void start_over(uint32_t total, uint64_t seed)
{
    REQUIRE(total <= ITEMS_MAX);
    all.seed = seed;
    memset(all.tallies, 0, sizeof all.tallies);
    memset(all.got, 0, total * sizeof all.got[0]);
    memset(all.items, 0, total * sizeof all.items[0]);
    ECSI_STORE(&all.places, 0u, relaxed);
    ECSI_STORE(&all.finished, 0u, relaxed);
}

static void run_plan(const plan *p, uint64_t seed)
{
    pthread_t threads[OWNERS_MAX + THIEVES_MAX];
    uint32_t count = p->owners + p->thieves;
    REQUIRE(p->owners <= OWNERS_MAX && p->thieves <= THIEVES_MAX && p->capacity <= CAPACITY_MAX);
    start_over(p->owners * p->items, seed);
    all.now = *p;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t capacity = i < p->owners ? p->capacity : 16;
        ecsi_deque_create(&all.lanes[i].deque, all.lanes[i].slots, capacity, p->start);
    }
    /* Places are given in order: owners start first, and no thief before all have theirs. */
    for (uint32_t i = 0; i < p->owners; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_owner, NULL) == 0);
    }
    while (ECSI_LOAD(&all.places, relaxed) < p->owners) ecsi_yield();
    for (uint32_t i = p->owners; i < count; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_thief, NULL) == 0);
    }
    for (uint32_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ_I64(ecsi_deque_size(&all.lanes[i].deque), 0);
        CHECK(ecsi_deque_take(&all.lanes[i].deque) == NULL);
    }
    check_sums(count, p->owners * p->items);
}

/* The share that thieves had, for the log. */
static void tell(const plan *p, uint32_t rounds)
{
    uint64_t stolen = 0;
    for (uint32_t i = p->owners; i < p->owners + p->thieves; i++) stolen += all.tallies[i].count;
    printf("    %u rounds, seed %llu, last seed %llu, stolen in the last: %llu of %llu\n",
           (unsigned)rounds, (unsigned long long)test_seed(), (unsigned long long)all.seed,
           (unsigned long long)stolen, (unsigned long long)p->owners * p->items);
}

/* The start lies so that the boundary is crossed in the middle. */
static int64_t before(int64_t boundary, uint32_t items)
{
    return boundary == 0 ? 0 : boundary - (int64_t)items / 2;
}

static void run_rounds(plan p, uint32_t rounds)
{
    static const int64_t boundaries[] = {0, (int64_t)1 << 31, (int64_t)1 << 32};
    for (uint32_t i = 0; i < rounds * 3; i++) {
        p.start = before(boundaries[i % 3], p.items);
        run_plan(&p, test_seed() + 1000u * i);
    }
    tell(&p, rounds * 3);
}

TEST(deque_8_owners_8_thieves_100k_items)
{
    plan p = {8, 8, 100000, 256, 0, 3, false};
    run_rounds(p, test_rounds(2, 100));
}

TEST(deque_8_owners_8_thieves_with_batches)
{
    plan p = {8, 8, 100000, 256, 0, 2, true};
    run_rounds(p, test_rounds(1, 100));
}

TEST(deque_1_pusher_16_thieves_10k_items)
{
    plan p = {1, 16, 10000, 256, 0, 0, false};
    run_rounds(p, test_rounds(10, 1000));
    p.takes = 4;
    run_rounds(p, test_rounds(10, 1000));
}

TEST(deque_4_owners_4_thieves_at_capacity_4)
{
    plan p = {4, 4, 20000, 4, 0, 0, false};
    run_rounds(p, test_rounds(1, 100));
    p.takes = 2;
    p.items = 100000;
    run_rounds(p, test_rounds(1, 100));
    p.capacity = 1;
    p.items = 20000;
    run_rounds(p, test_rounds(1, 100));
}

/* One item at a time: it is always the last one, for which owner and thieves fight. */
static void *run_single(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    ecsi_deque *mine = &all.lanes[0].deque;
    uint64_t state = all.seed;
    uint32_t vain = 0;
    (void)data;
    wait_for_all();
    for (uint32_t i = 0; i < all.now.items; i++) {
        void *taken;
        owner_push(mine, &all.tallies[me], i, 0);
        for (uint32_t spins = test_random_below(&state, 32); spins > 0; spins--) ecsi_pause();
        taken = ecsi_deque_take(mine);
        if (taken != NULL) got(&all.tallies[me], taken);
        CHECK(ecsi_deque_take(mine) == NULL); /* lost or taken: the deque is empty */
        if (i % 64 == 0) shy(&vain);
    }
    (void)ECSI_ADD(&all.finished, 1u, release);
    return NULL;
}

TEST(deque_1_task_8_workers)
{
    static const int64_t boundaries[] = {0, (int64_t)1 << 31, (int64_t)1 << 32};
    uint32_t rounds = test_rounds(30, 1000);
    plan p = {1, 7, 30000, 2, 0, 0, false};
    for (uint32_t round = 0; round < rounds; round++) {
        pthread_t threads[8];
        start_over(p.items, test_seed() + round);
        p.start = before(boundaries[round % 3], p.items);
        all.now = p;
        ecsi_deque_create(&all.lanes[0].deque, all.lanes[0].slots, p.capacity, p.start);
        for (int i = 0; i < 8; i++) {
            REQUIRE(pthread_create(&threads[i], NULL, i == 7 ? run_single : run_thief, NULL) == 0);
        }
        for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
        check_sums(8, p.items);
    }
    printf("    %u rounds, seed %llu\n", (unsigned)rounds, (unsigned long long)test_seed());
}

/* Two items at a time and a thief that has a core to itself: the owner takes the newer one
 * without a CAS while the thief may be on its way to it. */
static void *run_double(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    ecsi_deque *mine = &all.lanes[0].deque;
    uint64_t state = all.seed;
    (void)data;
    wait_for_all();
    for (uint32_t i = 0; i + 1 < all.now.items; i += 2) {
        void *taken;
        owner_push(mine, &all.tallies[me], i, 0);
        owner_push(mine, &all.tallies[me], i + 1, 0);
        for (uint32_t spins = test_random_below(&state, 128); spins > 0; spins--) {
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
        }
        while ((taken = ecsi_deque_take(mine)) != NULL) got(&all.tallies[me], taken);
    }
    (void)ECSI_ADD(&all.finished, 1u, release);
    return NULL;
}

TEST(deque_2_tasks_1_thief)
{
    uint32_t rounds = test_rounds(20, 1000);
    plan p = {1, 1, 400000, 4, 0, 0, false};
    for (uint32_t round = 0; round < rounds; round++) {
        pthread_t threads[2];
        start_over(p.items, test_seed() + round);
        p.start = before((int64_t)1 << (31 + round % 2), p.items);
        all.now = p;
        ecsi_deque_create(&all.lanes[0].deque, all.lanes[0].slots, p.capacity, p.start);
        REQUIRE(pthread_create(&threads[0], NULL, run_double, NULL) == 0);
        REQUIRE(pthread_create(&threads[1], NULL, run_thief, NULL) == 0);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
        check_sums(2, p.items);
    }
    tell(&p, rounds);
}

/* All eight begin at the same moment. */
static pthread_barrier_t start_line;

static void *run_once(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    bool owner = data != NULL;
    ecsi_deque *deque = &all.lanes[0].deque;
    for (uint32_t i = 0; i < all.now.items; i++) {
        void *mine;
        if (owner) {
            all.items[i].number = i + 1;
            REQUIRE(ecsi_deque_push(deque, &all.items[i]));
        }
        pthread_barrier_wait(&start_line);
        do {
            mine = owner ? ecsi_deque_take(deque) : ecsi_deque_steal(deque);
        } while (mine == ECSI_STEAL_LOST);
        if (mine != NULL) got(&all.tallies[me], mine);
        pthread_barrier_wait(&start_line);
    }
    return NULL;
}

TEST(deque_1_task_8_workers_from_one_line)
{
    plan p = {1, 7, test_rounds(1000, 100000), 2, 0xffffffff - 500, 0, false};
    pthread_t threads[8];
    start_over(p.items, test_seed());
    all.now = p;
    REQUIRE(pthread_barrier_init(&start_line, NULL, 8) == 0);
    ecsi_deque_create(&all.lanes[0].deque, all.lanes[0].slots, p.capacity, p.start);
    for (int i = 0; i < 8; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_once, i == 0 ? &all : NULL) == 0);
    }
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    check_sums(8, p.items);
    pthread_barrier_destroy(&start_line);
}

/* ---- the injector ------------------------------------------------------------------------ */

static void *run_pusher(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    uint32_t vain = 0;
    (void)data;
    wait_for_all();
    for (uint32_t i = 0; i < all.now.items; i++) {
        item *it = &all.items[me * all.now.items + i];
        it->number = me * all.now.items + i + 1;
        while (!ecsi_injector_push(&all.injector, it)) shy(&vain);
    }
    return NULL;
}

static void *run_popper(void *data)
{
    uint32_t me = ECSI_ADD(&all.places, 1u, relaxed);
    uint64_t last[OWNERS_MAX] = {0}; /* of each pusher: what one got comes in its order */
    uint32_t vain = 0;
    (void)data;
    while (ECSI_LOAD(&all.left, relaxed) > 0) {
        const item *it = (const item *)ecsi_injector_pop(&all.injector);
        if (it == NULL) {
            shy(&vain);
            continue;
        }
        got(&all.tallies[me], it);
        (void)ECSI_SUB(&all.left, 1u, relaxed);
        REQUIRE(it->number > last[(it->number - 1) / all.now.items]);
        last[(it->number - 1) / all.now.items] = it->number;
    }
    return NULL;
}

static void run_injector(const plan *p, uint64_t seed)
{
    pthread_t threads[OWNERS_MAX + THIEVES_MAX];
    uint32_t count = p->owners + p->thieves;
    start_over(p->owners * p->items, seed);
    all.now = *p;
    ecsi_injector_create(&all.injector, all.turns, p->capacity, (uint64_t)p->start);
    ECSI_STORE(&all.left, p->owners * p->items, relaxed);
    for (uint32_t i = 0; i < p->owners; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_pusher, NULL) == 0);
    }
    while (ECSI_LOAD(&all.places, relaxed) < p->owners) ecsi_yield();
    for (uint32_t i = p->owners; i < count; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run_popper, NULL) == 0);
    }
    for (uint32_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
    CHECK(ecsi_injector_pop(&all.injector) == NULL);
    CHECK(ecsi_injector_empty(&all.injector));
    check_sums(count, p->owners * p->items);
}

TEST(injector_8_pushers_8_poppers)
{
    static const uint32_t capacities[] = {2, 16, 1024};
    static const int64_t boundaries[] = {0, (int64_t)1 << 31, (int64_t)1 << 32};
    uint32_t rounds = test_rounds(3, 100);
    for (uint32_t i = 0; i < rounds * 3; i++) {
        plan p = {8, 8, 20000, capacities[i % 3], 0, 0, false};
        p.start = before(boundaries[i / 3 % 3], 8 * p.items);
        run_injector(&p, test_seed() + i);
    }
    printf("    %u rounds, seed %llu\n", (unsigned)rounds * 3, (unsigned long long)test_seed());
}

/* ---- long -------------------------------------------------------------------------------- */

/* Random plans: a second, or ten minutes in the long form (ECS_TEST_LONG_S seconds). */
TEST(deque_ten_minutes)
{
    const char *text = getenv("ECS_TEST_LONG_S");
    uint64_t seconds = !test_long() ? 1 : text != NULL ? strtoull(text, NULL, 10) : 600;
    uint64_t end = ecsi_clock_ns() + seconds * 1000000000u;
    uint64_t state = test_seed();
    uint64_t rounds = 0;
    while (ecsi_clock_ns() < end) {
        plan p;
        uint64_t seed = state;
        p.owners = 1 + test_random_below(&state, OWNERS_MAX);
        p.thieves = 1 + test_random_below(&state, THIEVES_MAX);
        p.capacity = 1u << test_random_below(&state, 9);
        p.items = 1000 + test_random_below(&state, 9000);
        p.takes = test_random_below(&state, 7);
        p.batches = test_random_below(&state, 2) == 0;
        p.start = before((int64_t)1 << (31 + test_random_below(&state, 2)), p.items);
        run_plan(&p, seed);
        p.capacity *= 2;
        run_injector(&p, seed);
        rounds++;
    }
    printf("    %llu rounds, seed %llu\n", (unsigned long long)rounds,
           (unsigned long long)test_seed());
}
