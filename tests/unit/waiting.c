/* waiting.c: what is built on the waiter queue: semaphore, event, future. With waiter.c it is
 * the one suite for each implementation behind the parker. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#define MS_NS 1000000u
#define LATE_NS (20000u * (uint64_t)MS_NS) /* who waits that long waits for ever */

enum { THREADS_MAX = 64 };

typedef ECSI_THREAD_ANSWER (*thread_run)(void *data);

typedef struct crew {
    ecsi_thread threads[THREADS_MAX];
    uint32_t count;
} crew;

static void crew_start(crew *c, thread_run run, void *data)
{
    REQUIRE(c->count < THREADS_MAX);
    REQUIRE(ecsi_thread_start(&c->threads[c->count], run, data));
    c->count++;
}

static void crew_join(crew *c)
{
    for (uint32_t i = 0; i < c->count; i++) ecsi_thread_join(c->threads[i]);
    c->count = 0;
}

static void nap(uint64_t ns)
{
    ecsi_parker parker;
    REQUIRE(ecsi_parker_create(&parker));
    (void)ecsi_park(&parker, ns);
    ecsi_parker_destroy(&parker);
}

static bool queue_reaches(const ecs_waiters *queue, uint32_t count)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    while (ecsi_waiter_count(queue) != count) {
        if (ecsi_clock_ns() > end) return false;
        nap(MS_NS / 20);
    }
    return true;
}

static bool word_reaches(const ecsi_atomic_u32 *word, uint32_t value)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    while (ECSI_LOAD(word, acquire) < value) {
        if (ecsi_clock_ns() > end) return false;
        nap(MS_NS / 20);
    }
    return true;
}

static uint32_t permits_of(const ecs_semaphore *semaphore)
{
    return ECSI_LOAD(&semaphore->permits, relaxed);
}

/* ---- semaphore, one thread ----------------------------------------------------------------- */

TEST(semaphore_zero_has_no_permit)
{
    ecs_semaphore s;
    ecs_semaphore_init(&s, 0);
    CHECK(!ecs_semaphore_try_acquire(&s));
    CHECK_STATUS(ecs_semaphore_acquire(&s, 0), ECS_TIMEOUT);
    CHECK_STATUS(ecs_semaphore_acquire(&s, MS_NS), ECS_TIMEOUT);
    CHECK_EQ_U64(ecsi_waiter_count(&s.waiters), 0);
    CHECK_EQ_U64(permits_of(&s), 0);
}

TEST(semaphore_permits_are_exact)
{
    ecs_semaphore s;
    ecs_semaphore_init(&s, 5);
    for (int i = 0; i < 5; i++) {
        if (i % 2 == 0) {
            CHECK(ecs_semaphore_try_acquire(&s));
        } else {
            CHECK_STATUS(ecs_semaphore_acquire(&s, i == 1 ? 0 : ECS_FOREVER), ECS_OK);
        }
    }
    CHECK(!ecs_semaphore_try_acquire(&s));
    ecs_semaphore_release(&s, 0);
    CHECK(!ecs_semaphore_try_acquire(&s));
    ecs_semaphore_release(&s, 3);
    CHECK_EQ_U64(permits_of(&s), 3);
    for (int i = 0; i < 3; i++) CHECK_STATUS(ecs_semaphore_acquire(&s, 0), ECS_OK);
    CHECK_STATUS(ecs_semaphore_acquire(&s, 0), ECS_TIMEOUT);
}

TEST(semaphore_holds_all_permits_that_a_word_can_count)
{
    ecs_semaphore s;
    ecs_semaphore_init(&s, UINT32_MAX);
    CHECK(ecs_semaphore_try_acquire(&s));
    CHECK_STATUS(ecs_semaphore_acquire(&s, 0), ECS_OK);
    CHECK_EQ_U64(permits_of(&s), UINT32_MAX - 2);
    ecs_semaphore_release(&s, 2);
    CHECK_EQ_U64(permits_of(&s), UINT32_MAX);
}

TEST(semaphore_timeout_is_kept_and_takes_nothing)
{
    ecs_semaphore s;
    uint64_t start = ecsi_clock_ns();
    ecs_semaphore_init(&s, 0);
    CHECK_STATUS(ecs_semaphore_acquire(&s, 20 * MS_NS), ECS_TIMEOUT);
    CHECK(ecsi_clock_ns() - start >= 20 * MS_NS);
    CHECK(ecsi_clock_ns() - start < LATE_NS);
    ecs_semaphore_release(&s, 1);
    CHECK_EQ_U64(permits_of(&s), 1);
    CHECK(ecs_semaphore_try_acquire(&s));
    CHECK(!ecs_semaphore_try_acquire(&s));
}

/* ---- semaphore, threads -------------------------------------------------------------------- */

typedef struct gate {
    ecs_semaphore semaphore;
    ecsi_atomic_u32 places;
    ecsi_atomic_u32 through;
    ecsi_atomic_u32 late;
    ecsi_atomic_u32 order[THREADS_MAX]; /* place plus one, by when it came through */
    uint64_t timeout_ns;
} gate;

static ECSI_THREAD_ANSWER pass_gate(void *data)
{
    gate *g = (gate *)data;
    uint32_t place = ECSI_ADD(&g->places, 1u, relaxed);
    if (ecs_semaphore_acquire(&g->semaphore, g->timeout_ns) == ECS_OK) {
        uint32_t at = ECSI_ADD(&g->through, 1u, acq_rel);
        ECSI_STORE(&g->order[at], place + 1, release);
    } else {
        (void)ECSI_ADD(&g->late, 1u, relaxed);
    }
    return 0;
}

/* Starts `count` threads that wait at the gate, in their order. */
static void gate_fill(gate *g, crew *c, uint32_t count, uint64_t timeout_ns)
{
    memset(g, 0, sizeof *g);
    ecs_semaphore_init(&g->semaphore, 0);
    g->timeout_ns = timeout_ns;
    for (uint32_t i = 0; i < count; i++) {
        crew_start(c, pass_gate, g);
        CHECK(queue_reaches(&g->semaphore.waiters, i + 1));
    }
}

TEST(semaphore_hands_over_in_the_order_of_coming)
{
    static gate g;
    crew c = {{0}, 0};
    gate_fill(&g, &c, 12, LATE_NS);
    for (uint32_t i = 0; i < 12; i++) {
        CHECK_EQ_U64(ECSI_LOAD(&g.through, acquire), i);
        ecs_semaphore_release(&g.semaphore, 1);
        CHECK_EQ_U64(permits_of(&g.semaphore), 0);
        /* It belongs to the one who was woken, awake yet or not. */
        CHECK(!ecs_semaphore_try_acquire(&g.semaphore));
        CHECK(word_reaches(&g.order[i], i + 1));
        CHECK_EQ_U64(ECSI_LOAD(&g.order[i], acquire), i + 1);
    }
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&g.late, relaxed), 0);
    ecs_semaphore_release(&g.semaphore, 1);
    CHECK_EQ_U64(permits_of(&g.semaphore), 1);
}

TEST(semaphore_release_of_many_wakes_as_many)
{
    static gate g;
    crew c = {{0}, 0};
    gate_fill(&g, &c, 8, LATE_NS);
    ecs_semaphore_release(&g.semaphore, 5);
    CHECK(word_reaches(&g.through, 5));
    nap(20 * MS_NS);
    CHECK_EQ_U64(ECSI_LOAD(&g.through, acquire), 5);
    CHECK_EQ_U64(ecsi_waiter_count(&g.semaphore.waiters), 3);
    ecs_semaphore_release(&g.semaphore, 10);
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&g.through, acquire), 8);
    CHECK_EQ_U64(permits_of(&g.semaphore), 7);
    CHECK_EQ_U64(ECSI_LOAD(&g.late, relaxed), 0);
}

TEST(semaphore_all_time_out_and_leave_no_trace)
{
    static gate g;
    crew c = {{0}, 0};
    memset(&g, 0, sizeof g);
    g.timeout_ns = 10 * MS_NS;
    for (int i = 0; i < 16; i++) crew_start(&c, pass_gate, &g);
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&g.late, relaxed), 16);
    CHECK_EQ_U64(ecsi_waiter_count(&g.semaphore.waiters), 0);
    ecs_semaphore_release(&g.semaphore, 1);
    CHECK_EQ_U64(permits_of(&g.semaphore), 1);
}

/* The time runs out for the first in line; the permit goes to the next. */
TEST(semaphore_permit_goes_past_who_gave_up)
{
    static gate g;
    crew c = {{0}, 0};
    ecsi_waiter first;
    ecsi_parker parker;
    memset(&g, 0, sizeof g);
    g.timeout_ns = LATE_NS;
    REQUIRE(ecsi_parker_create(&parker));
    first.parker = &parker;
    ecsi_waiter_enter(&g.semaphore.waiters, &first);
    crew_start(&c, pass_gate, &g);
    CHECK(queue_reaches(&g.semaphore.waiters, 2));
    CHECK(!ecsi_waiter_sleep(&g.semaphore.waiters, &first, MS_NS));
    ecs_semaphore_release(&g.semaphore, 1);
    CHECK(word_reaches(&g.through, 1));
    crew_join(&c);
    CHECK_EQ_U64(permits_of(&g.semaphore), 0);
    ecsi_parker_destroy(&parker);
}

/* ---- one permit, many who want it ---------------------------------------------------------- */

typedef struct crowd {
    ecs_semaphore semaphore;
    ecsi_atomic_u32 inside;
    ecsi_atomic_u32 seeds;
    ecsi_atomic_u32 late;
    ecsi_atomic_u64 got;
    uint64_t written; /* by who has the permit */
    uint32_t acquires; /* of each thread */
    uint32_t kinds;    /* 4: waits of all lengths; 1: for ever */
} crowd;

/* A wait of a random length; true when it has a permit. */
static bool crowd_acquire(crowd *c, uint64_t *state)
{
    ecs_status status;
    uint64_t timeout_ns = LATE_NS;
    switch (test_random_below(state, c->kinds)) {
    case 1: return ecs_semaphore_try_acquire(&c->semaphore);
    case 2: timeout_ns = 0; break;
    case 3: timeout_ns = test_random_below(state, 60000); break;
    default: break;
    }
    status = ecs_semaphore_acquire(&c->semaphore, timeout_ns);
    CHECK(status == ECS_OK || status == ECS_TIMEOUT);
    if (status == ECS_TIMEOUT && timeout_ns == LATE_NS) (void)ECSI_ADD(&c->late, 1u, relaxed);
    return status == ECS_OK;
}

static ECSI_THREAD_ANSWER crowd_run(void *data)
{
    crowd *c = (crowd *)data;
    uint64_t state = test_seed() + 0x10000u * ECSI_ADD(&c->seeds, 1u, relaxed);
    for (uint32_t i = 0; i < c->acquires && ECSI_LOAD(&c->late, relaxed) == 0; i++) {
        if (!crowd_acquire(c, &state)) continue;
        CHECK_EQ_U64(ECSI_ADD(&c->inside, 1u, relaxed), 0);
        c->written++;
        if (test_random_below(&state, 64) == 0) ecsi_yield();
        (void)ECSI_SUB(&c->inside, 1u, relaxed);
        (void)ECSI_ADD(&c->got, (uint64_t)1, relaxed);
        ecs_semaphore_release(&c->semaphore, 1);
    }
    return 0;
}

static void crowd_check(uint32_t threads, uint32_t acquires, uint32_t kinds)
{
    static crowd shared;
    crew c = {{0}, 0};
    memset(&shared, 0, sizeof shared);
    ecs_semaphore_init(&shared.semaphore, 1);
    shared.acquires = acquires;
    shared.kinds = kinds;
    for (uint32_t i = 0; i < threads; i++) crew_start(&c, crowd_run, &shared);
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&shared.late, relaxed), 0);
    CHECK_EQ_U64(permits_of(&shared.semaphore), 1);
    CHECK_EQ_U64(ecsi_waiter_count(&shared.semaphore.waiters), 0);
    CHECK_EQ_U64(shared.written, ECSI_LOAD(&shared.got, relaxed));
    if (kinds == 1) CHECK_EQ_U64(shared.written, (uint64_t)threads * acquires);
    printf("    %u threads, %llu of %llu got it, seed %llu\n", (unsigned)threads,
           (unsigned long long)shared.written, (unsigned long long)threads * acquires,
           (unsigned long long)test_seed());
}

TEST(semaphore_one_permit_is_never_stranded)
{
    crowd_check(2, test_rounds(20000, 200000), 4);
    crowd_check(16, test_rounds(3000, 100000), 4);
    crowd_check(THREADS_MAX, test_rounds(500, 20000), 4);
}

TEST(semaphore_one_permit_serves_all_who_wait_for_ever)
{
    crowd_check(2, test_rounds(20000, 200000), 1);
    crowd_check(16, test_rounds(1000, 20000), 1);
}

TEST(semaphore_thousand_acquirers_on_one_permit)
{
    /* Threads come and go: a thousand in all, some tens at a time. */
    for (int i = 0; i < 20; i++) crowd_check(50, test_rounds(20, 1000), i % 2 == 0 ? 4 : 1);
}

/* Items through a ring of 8: one semaphore for the full places, one for the empty ones. */
typedef struct belt {
    ecs_semaphore full;
    ecs_semaphore empty;
    ecs_semaphore ends[2];
    uint32_t places[8];
    uint32_t at[2];
    uint32_t items; /* of each thread */
    ecsi_atomic_u64 sum;
} belt;

static ECSI_THREAD_ANSWER belt_put(void *data)
{
    belt *b = (belt *)data;
    for (uint32_t i = 1; i <= b->items; i++) {
        if (!CHECK(ecs_semaphore_acquire(&b->empty, LATE_NS) == ECS_OK)) break;
        if (!CHECK(ecs_semaphore_acquire(&b->ends[0], LATE_NS) == ECS_OK)) break;
        b->places[b->at[0]++ % 8] = i;
        ecs_semaphore_release(&b->ends[0], 1);
        ecs_semaphore_release(&b->full, 1);
    }
    return 0;
}

static ECSI_THREAD_ANSWER belt_get(void *data)
{
    belt *b = (belt *)data;
    uint64_t sum = 0;
    for (uint32_t i = 1; i <= b->items; i++) {
        if (!CHECK(ecs_semaphore_acquire(&b->full, LATE_NS) == ECS_OK)) break;
        if (!CHECK(ecs_semaphore_acquire(&b->ends[1], LATE_NS) == ECS_OK)) break;
        sum += b->places[b->at[1]++ % 8];
        ecs_semaphore_release(&b->ends[1], 1);
        ecs_semaphore_release(&b->empty, 1);
    }
    (void)ECSI_ADD(&b->sum, sum, relaxed);
    return 0;
}

TEST(semaphore_belt_moves_each_item_once)
{
    static belt b;
    crew c = {{0}, 0};
    b.items = test_rounds(2000, 100000);
    ecs_semaphore_init(&b.full, 0);
    ecs_semaphore_init(&b.empty, 8);
    ecs_semaphore_init(&b.ends[0], 1);
    ecs_semaphore_init(&b.ends[1], 1);
    for (int i = 0; i < 4; i++) {
        crew_start(&c, belt_put, &b);
        crew_start(&c, belt_get, &b);
    }
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&b.sum, relaxed), 2u * (uint64_t)b.items * (b.items + 1));
    CHECK_EQ_U64(permits_of(&b.full), 0);
    CHECK_EQ_U64(permits_of(&b.empty), 8);
}

/* ---- event --------------------------------------------------------------------------------- */

typedef struct news {
    ecs_signal signal;
    ecs_future future;
    ecsi_atomic_u32 heard;
    ecsi_atomic_u32 late;
    ecsi_atomic_u32 winners;
    uint64_t value; /* written before it is set */
} news;

static ECSI_THREAD_ANSWER hear_signal(void *data)
{
    news *n = (news *)data;
    if (ecs_signal_wait(&n->signal, LATE_NS) == ECS_OK) {
        CHECK_EQ_U64(n->value, 42);
        CHECK(ecs_signal_is_set(&n->signal));
        (void)ECSI_ADD(&n->heard, 1u, relaxed);
    } else {
        (void)ECSI_ADD(&n->late, 1u, relaxed);
    }
    return 0;
}

TEST(signal_set_before_is_seen_at_once)
{
    ecs_signal s;
    ecs_signal_init(&s);
    CHECK(!ecs_signal_is_set(&s));
    ecs_signal_set(&s);
    CHECK(ecs_signal_is_set(&s));
    CHECK_STATUS(ecs_signal_wait(&s, 0), ECS_OK);
    CHECK_STATUS(ecs_signal_wait(&s, ECS_FOREVER), ECS_OK);
    ecs_signal_set(&s);
    CHECK(ecs_signal_is_set(&s));
    CHECK_STATUS(ecs_signal_wait(&s, ECS_FOREVER), ECS_OK);
}

TEST(signal_not_set_times_out)
{
    ecs_signal s;
    uint64_t start = ecsi_clock_ns();
    ecs_signal_init(&s);
    CHECK_STATUS(ecs_signal_wait(&s, 0), ECS_TIMEOUT);
    CHECK_STATUS(ecs_signal_wait(&s, 1), ECS_TIMEOUT);
    CHECK_STATUS(ecs_signal_wait(&s, 20 * MS_NS), ECS_TIMEOUT);
    CHECK(ecsi_clock_ns() - start >= 20 * MS_NS);
    CHECK(ecsi_clock_ns() - start < LATE_NS);
    CHECK(!ecs_signal_is_set(&s));
    CHECK_EQ_U64(ecsi_waiter_count(&s.waiters), 0);
}

TEST(signal_set_after_wakes_all_who_wait)
{
    static news n;
    for (uint32_t threads = 1; threads <= 32; threads *= 2) {
        crew c = {{0}, 0};
        memset(&n, 0, sizeof n);
        ecs_signal_init(&n.signal);
        for (uint32_t i = 0; i < threads; i++) crew_start(&c, hear_signal, &n);
        CHECK(queue_reaches(&n.signal.waiters, threads));
        n.value = 42;
        ecs_signal_set(&n.signal);
        crew_join(&c);
        CHECK_EQ_U64(ECSI_LOAD(&n.heard, relaxed), threads);
        CHECK_EQ_U64(ECSI_LOAD(&n.late, relaxed), 0);
        CHECK_EQ_U64(ecsi_waiter_count(&n.signal.waiters), 0);
    }
}

TEST(signal_set_while_others_come_wakes_all)
{
    static news n;
    uint64_t state = test_seed();
    uint32_t rounds = test_rounds(300, 10000);
    for (uint32_t round = 0; round < rounds; round++) {
        crew c = {{0}, 0};
        memset(&n, 0, sizeof n);
        for (uint32_t i = 0; i < 4; i++) crew_start(&c, hear_signal, &n);
        for (uint32_t i = test_random_below(&state, 2000); i > 0; i--) ecsi_pause();
        n.value = 42;
        ecs_signal_set(&n.signal);
        crew_join(&c);
        CHECK_EQ_U64(ECSI_LOAD(&n.heard, relaxed), 4);
    }
}

/* ---- future -------------------------------------------------------------------------------- */

TEST(future_set_twice_keeps_the_first)
{
    ecs_future f;
    int a = 1;
    int b = 2;
    void *value = NULL;
    ecs_future_init(&f);
    CHECK_STATUS(ecs_future_set(&f, ECS_OK, &a), ECS_OK);
    CHECK_STATUS(ecs_future_set(&f, ECS_FAILED, &b), ECS_EXISTS);
    CHECK_STATUS(ecs_future_wait(&f, 0, &value), ECS_OK);
    CHECK(value == &a);
    CHECK_STATUS(ecs_future_wait(&f, ECS_FOREVER, &value), ECS_OK);
    CHECK(value == &a);
}

TEST(future_poll_tells_whether_it_is_set)
{
    ecs_future f;
    ecs_future_init(&f);
    CHECK(!ecs_future_poll(&f));
    CHECK_STATUS(ecs_future_set(&f, ECS_OK, NULL), ECS_OK);
    CHECK(ecs_future_poll(&f));
    CHECK(ecs_future_poll(&f));
}

TEST(future_status_is_handed_through)
{
    static const ecs_status all[] = {ECS_OK, ECS_FAILED, ECS_NO_MEMORY, ECS_NOT_FOUND};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        ecs_future f;
        int a = 0;
        void *value = NULL;
        ecs_future_init(&f);
        CHECK_STATUS(ecs_future_set(&f, all[i], &a), ECS_OK);
        CHECK_STATUS(ecs_future_wait(&f, 0, &value), all[i]);
        CHECK(value == &a);
        CHECK_STATUS(ecs_future_wait(&f, 0, NULL), all[i]);
    }
}

TEST(future_timeout_leaves_the_value_alone)
{
    ecs_future f;
    int a = 0;
    void *value = &a;
    ecs_future_init(&f);
    CHECK_STATUS(ecs_future_wait(&f, 0, &value), ECS_TIMEOUT);
    CHECK_STATUS(ecs_future_wait(&f, MS_NS, &value), ECS_TIMEOUT);
    CHECK(value == &a);
    CHECK_STATUS(ecs_future_set(&f, ECS_OK, NULL), ECS_OK);
    CHECK_STATUS(ecs_future_wait(&f, 0, &value), ECS_OK);
    CHECK(value == NULL);
}

static ECSI_THREAD_ANSWER hear_future(void *data)
{
    news *n = (news *)data;
    void *value = NULL;
    if (ecs_future_wait(&n->future, LATE_NS, &value) == ECS_OK) {
        CHECK(value != NULL);
        CHECK_EQ_U64(*(const uint64_t *)value, 42);
        (void)ECSI_ADD(&n->heard, 1u, relaxed);
    } else {
        (void)ECSI_ADD(&n->late, 1u, relaxed);
    }
    return 0;
}

TEST(future_wakes_all_who_wait_with_its_value)
{
    static news n;
    crew c = {{0}, 0};
    ecs_future_init(&n.future);
    for (int i = 0; i < 16; i++) crew_start(&c, hear_future, &n);
    CHECK(queue_reaches(&n.future.done.waiters, 16));
    n.value = 42;
    CHECK_STATUS(ecs_future_set(&n.future, ECS_OK, &n.value), ECS_OK);
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&n.heard, relaxed), 16);
    CHECK_EQ_U64(ECSI_LOAD(&n.late, relaxed), 0);
}

/* Each brings its own value; waits for the one that won. */
static ECSI_THREAD_ANSWER set_future(void *data)
{
    static const uint64_t answer = 42;
    news *n = (news *)data;
    ecs_status status = ecs_future_set(&n->future, ECS_OK, (void *)(uintptr_t)&answer);
    CHECK(status == ECS_OK || status == ECS_EXISTS);
    if (status == ECS_OK) (void)ECSI_ADD(&n->winners, 1u, relaxed);
    return hear_future(data);
}

TEST(future_of_several_setters_has_one_winner)
{
    static news n;
    uint32_t rounds = test_rounds(300, 10000);
    for (uint32_t round = 0; round < rounds; round++) {
        crew c = {{0}, 0};
        memset(&n, 0, sizeof n);
        ecs_future_init(&n.future);
        for (int i = 0; i < 4; i++) crew_start(&c, i == 0 ? hear_future : set_future, &n);
        crew_join(&c);
        CHECK_EQ_U64(ECSI_LOAD(&n.winners, relaxed), 1);
        CHECK_EQ_U64(ECSI_LOAD(&n.heard, relaxed), 4);
    }
}

/* ---- there and back, with real sleeping ---------------------------------------------------- */

typedef struct rally {
    ecs_semaphore sides[2];
    uint32_t rounds;
    uint64_t ball; /* of who has the turn */
} rally;

static ECSI_THREAD_ANSWER rally_back(void *data)
{
    rally *r = (rally *)data;
    for (uint32_t i = 0; i < r->rounds; i++) {
        if (!CHECK(ecs_semaphore_acquire(&r->sides[1], LATE_NS) == ECS_OK)) break;
        r->ball++;
        ecs_semaphore_release(&r->sides[0], 1);
    }
    return 0;
}

TEST(semaphore_rally_loses_no_turn)
{
    static rally r;
    crew c = {{0}, 0};
    r.rounds = test_rounds(20000, 500000);
    ecs_semaphore_init(&r.sides[0], 0);
    ecs_semaphore_init(&r.sides[1], 0);
    crew_start(&c, rally_back, &r);
    for (uint32_t i = 0; i < r.rounds; i++) {
        ecs_semaphore_release(&r.sides[1], 1);
        if (!CHECK(ecs_semaphore_acquire(&r.sides[0], ECS_FOREVER) == ECS_OK)) break;
        r.ball++;
    }
    crew_join(&c);
    CHECK_EQ_U64(r.ball, 2u * (uint64_t)r.rounds);
}

/* ---- null arguments ------------------------------------------------------------------------ */

#define DIES(name, call) \
    TEST_DEATH(name) \
    { \
        (void)(call); \
    }

DIES(semaphore_init_null_asserts, (ecs_semaphore_init(NULL, 1), 0))
DIES(semaphore_try_acquire_null_asserts, ecs_semaphore_try_acquire(NULL))
DIES(semaphore_acquire_null_asserts, ecs_semaphore_acquire(NULL, 0))
DIES(semaphore_release_null_asserts, (ecs_semaphore_release(NULL, 1), 0))
DIES(signal_init_null_asserts, (ecs_signal_init(NULL), 0))
DIES(signal_set_null_asserts, (ecs_signal_set(NULL), 0))
DIES(signal_is_set_null_asserts, ecs_signal_is_set(NULL))
DIES(signal_wait_null_asserts, ecs_signal_wait(NULL, 0))
DIES(future_init_null_asserts, (ecs_future_init(NULL), 0))
DIES(future_set_null_asserts, ecs_future_set(NULL, ECS_OK, NULL))
DIES(future_poll_null_asserts, ecs_future_poll(NULL))
DIES(future_wait_null_asserts, ecs_future_wait(NULL, 0, NULL))
