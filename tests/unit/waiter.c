/* waiter.c: parking and the waiter queue. With waiting.c it is the one suite for each
 * implementation behind the parker: futex here, a condition variable in tests/scripts/park.sh,
 * WaitOnAddress in windows.sh. Who sleeps longer than LATE_NS has lost a wake. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#define MS_NS 1000000u
#define LATE_NS (20000u * (uint64_t)MS_NS)

enum { THREADS_MAX = 64, SEATS_MAX = 1000 };

/* ---- threads and time --------------------------------------------------------------------- */

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

/* Spins while another thread has a step to go; yields, for there may be no core for it. */
static void turn_wait(const ecsi_atomic_u32 *word, uint32_t at_least)
{
    uint32_t spins = 0;
    while (ECSI_LOAD(word, acquire) < at_least) {
        if (++spins % 256 == 0) {
            ecsi_yield();
        } else {
            ecsi_pause();
        }
    }
}

/* True when so many wait, before it is late. */
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

/* ---- waiters without threads --------------------------------------------------------------- */

typedef struct seat {
    ecsi_waiter waiter;
    ecsi_parker parker;
} seat;

static seat seats[SEATS_MAX];

static void seats_open(uint32_t count)
{
    REQUIRE(count <= SEATS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(ecsi_parker_create(&seats[i].parker));
        seats[i].waiter.parker = &seats[i].parker;
    }
}

static void seats_close(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) ecsi_parker_destroy(&seats[i].parker);
}

static void seats_enter(ecs_waiters *queue, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) ecsi_waiter_enter(queue, &seats[i].waiter);
}

static bool seat_woken(uint32_t i)
{
    bool woken = ECSI_LOAD(&seats[i].waiter.woken, acquire) != 0;
    bool token = ECSI_LOAD(&seats[i].parker.token, acquire) == ECSI_TOKEN_HERE;
    CHECK(woken == token);
    return woken;
}

static bool seat_cancel(ecs_waiters *queue, uint32_t i)
{
    return ecsi_waiter_cancel(queue, &seats[i].waiter);
}

static bool seat_sleep(ecs_waiters *queue, uint32_t i, uint64_t timeout_ns)
{
    return ecsi_waiter_sleep(queue, &seats[i].waiter, timeout_ns);
}

static void expect_nobody(const ecs_waiters *queue)
{
    CHECK(ECSI_LOAD(&queue->word, relaxed) == NULL);
    CHECK_EQ_U64(ecsi_waiter_count(queue), 0);
    CHECK_EQ_U64(ECSI_LOAD(&queue->count, relaxed), 0);
    CHECK_EQ_U64(ECSI_LOAD(&queue->lock, relaxed), 0);
    CHECK(queue->first == NULL);
    CHECK(queue->last == NULL);
}

/* ---- parker, lock, clock ------------------------------------------------------------------- */

TEST(clock_never_goes_back)
{
    uint64_t last = ecsi_clock_ns();
    uint64_t start = last;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = ecsi_clock_ns();
        CHECK(now >= last);
        last = now;
    }
    CHECK(last > start);
}

TEST(park_timeout_is_kept)
{
    static const uint64_t times[] = {0, 1, 1000, 3 * MS_NS, 30 * MS_NS};
    ecsi_parker parker;
    REQUIRE(ecsi_parker_create(&parker));
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t start = ecsi_clock_ns();
        uint64_t passed;
        CHECK(!ecsi_park(&parker, times[i]));
        passed = ecsi_clock_ns() - start;
        CHECK(passed >= times[i]);
        CHECK(passed < times[i] + LATE_NS);
        CHECK_EQ_U64(ECSI_LOAD(&parker.token, relaxed), ECSI_TOKEN_NONE);
    }
    ecsi_parker_destroy(&parker);
}

TEST(park_finds_the_token_that_came_before)
{
    static const uint64_t times[] = {0, MS_NS, ECSI_FOREVER - 1, ECSI_FOREVER};
    ecsi_parker parker;
    REQUIRE(ecsi_parker_create(&parker));
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        ecsi_unpark(&parker);
        CHECK(ecsi_park(&parker, times[i]));
        CHECK(!ecsi_park(&parker, 0));
    }
    ecsi_parker_destroy(&parker);
}

TEST(park_tokens_do_not_add_up)
{
    ecsi_parker parker;
    REQUIRE(ecsi_parker_create(&parker));
    ecsi_unpark(&parker);
    ecsi_unpark(&parker);
    ecsi_unpark(&parker);
    CHECK(ecsi_park(&parker, ECSI_FOREVER));
    CHECK(!ecsi_park(&parker, MS_NS));
    ecsi_parker_destroy(&parker);
}

typedef struct pair {
    ecsi_parker parker;
    ecsi_atomic_u32 turn;
    ecsi_atomic_u32 first;
    ecsi_atomic_u32 second;
    uint32_t rounds;
} pair;

static ECSI_THREAD_ANSWER unpark_each_round(void *data)
{
    pair *p = (pair *)data;
    for (uint32_t round = 1; round <= p->rounds; round++) {
        turn_wait(&p->turn, round);
        if (round % 4 == 0) nap(MS_NS / 20); /* now and then it sleeps really */
        ecsi_unpark(&p->parker);
    }
    return 0;
}

TEST(park_sleeps_until_the_token_comes)
{
    pair p;
    crew c = {{0}, 0};
    memset(&p, 0, sizeof p);
    p.rounds = test_rounds(2000, 50000);
    REQUIRE(ecsi_parker_create(&p.parker));
    crew_start(&c, unpark_each_round, &p);
    for (uint32_t round = 1; round <= p.rounds; round++) {
        ECSI_STORE(&p.turn, round, release);
        REQUIRE(ecsi_park(&p.parker, round % 2 == 0 ? ECSI_FOREVER : LATE_NS));
    }
    crew_join(&c);
    CHECK(!ecsi_park(&p.parker, 0));
    ecsi_parker_destroy(&p.parker);
}

/* A random time so short that a core has it to itself. */
static void dither(uint64_t *state, uint32_t limit)
{
    for (uint32_t i = test_random_below(state, limit); i > 0; i--) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
}

/* Two things are told with a token each. The second token may come while the first one is
 * taken: it must not be lost together with what it tells. */
static ECSI_THREAD_ANSWER unpark_twice_each_round(void *data)
{
    pair *p = (pair *)data;
    uint64_t state = test_seed() + 3;
    for (uint32_t round = 1; round <= p->rounds; round++) {
        turn_wait(&p->turn, round);
        if (ECSI_LOAD(&p->turn, relaxed) == UINT32_MAX) break;
        ECSI_STORE(&p->first, round, release);
        ecsi_unpark(&p->parker);
        dither(&state, 1024);
        ECSI_STORE(&p->second, round, release);
        ecsi_unpark(&p->parker);
    }
    return 0;
}

TEST(park_second_token_is_not_lost_with_the_first)
{
    static pair p;
    crew c = {{0}, 0};
    bool good = true;
    uint64_t state = test_seed() + 4;
    uint64_t end = ecsi_clock_ns() + 2000 * (uint64_t)MS_NS;
    p.rounds = test_rounds(1000000, 5000000);
    REQUIRE(ecsi_parker_create(&p.parker));
    crew_start(&c, unpark_twice_each_round, &p);
    for (uint32_t round = 1; round <= p.rounds && good; round++) {
        ECSI_STORE(&p.turn, round, release);
        turn_wait(&p.parker.token, ECSI_TOKEN_HERE);
        dither(&state, 64);
        while (good && (ECSI_LOAD(&p.first, acquire) < round ||
                        ECSI_LOAD(&p.second, acquire) < round)) {
            good = CHECK(ecsi_park(&p.parker, LATE_NS / 10));
        }
        if (round % 1024 == 0 && !test_long() && ecsi_clock_ns() > end) break;
    }
    ECSI_STORE(&p.turn, UINT32_MAX, release);
    crew_join(&c);
    ecsi_parker_destroy(&p.parker);
}

typedef struct counted {
    ecsi_atomic_u32 lock;
    uint32_t rounds;
    uint64_t value; /* under the lock */
} counted;

static ECSI_THREAD_ANSWER count_under_lock(void *data)
{
    counted *c = (counted *)data;
    for (uint32_t i = 0; i < c->rounds; i++) {
        ecsi_lock(&c->lock);
        c->value++;
        if (i % 1000 == 999) ecsi_yield(); /* a holder that is not there */
        ecsi_unlock(&c->lock);
    }
    return 0;
}

TEST(lock_lets_one_in)
{
    counted shared;
    crew c = {{0}, 0};
    memset(&shared, 0, sizeof shared);
    shared.rounds = test_rounds(20000, 1000000);
    for (int i = 0; i < 8; i++) crew_start(&c, count_under_lock, &shared);
    crew_join(&c);
    CHECK_EQ_U64(shared.value, 8u * (uint64_t)shared.rounds);
    CHECK_EQ_U64(ECSI_LOAD(&shared.lock, relaxed), 0);
}

static uint32_t mask_bits(const uint64_t *mask)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < ECSI_CPU_WORDS * 64; i++) {
        bits += (uint32_t)(mask[i / 64] >> (i % 64) & 1u);
    }
    return bits;
}

static ECSI_THREAD_ANSWER bind_and_look(void *data)
{
    uint64_t mask[ECSI_CPU_WORDS];
    uint32_t count = ecsi_cpu_mask(mask);
    CHECK(count >= 1);
    CHECK(mask_bits(mask) == count);
    ecsi_cpu_bind(*(const uint32_t *)data);
#if defined(__linux__)
    CHECK_EQ_U64(ecsi_cpu_mask(mask), 1);
    CHECK_EQ_U64(mask_bits(mask), 1);
#endif
    return 0;
}

TEST(cpu_binding_leaves_one_processor)
{
    for (uint32_t n = 0; n < 10; n++) {
        crew c = {{0}, 0};
        crew_start(&c, bind_and_look, &n);
        crew_join(&c);
    }
}

/* ---- the queue ----------------------------------------------------------------------------- */

TEST(waiter_enter_and_cancel_leave_nobody)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(1);
    expect_nobody(&queue);
    for (int i = 0; i < 1000; i++) {
        seats_enter(&queue, 0, 1);
        CHECK_EQ_U64(ecsi_waiter_count(&queue), 1);
        CHECK(seat_cancel(&queue, 0));
        CHECK(!seat_woken(0));
        expect_nobody(&queue);
    }
    seats_close(1);
}

TEST(waiter_zero_is_an_empty_queue)
{
    static ecs_waiters queue;
    seats_open(2);
    expect_nobody(&queue);
    seats_enter(&queue, 0, 2);
    CHECK_EQ_U64(ecsi_waiter_count(&queue), 2);
    CHECK_EQ_U64(ecsi_wake_all(&queue), 2);
    expect_nobody(&queue);
    seats_close(2);
}

TEST(wake_with_nobody_does_nothing)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(1);
    for (int i = 0; i < 100; i++) {
        CHECK(!ecsi_wake_one(&queue));
        CHECK_EQ_U64(ecsi_wake_all(&queue), 0);
        CHECK(ecsi_waiters_pop(&queue) == NULL);
    }
    /* A wake is not kept for who comes later. */
    seats_enter(&queue, 0, 1);
    CHECK(!seat_sleep(&queue, 0, MS_NS));
    expect_nobody(&queue);
    seats_close(1);
}

TEST(waiter_single_is_the_word_and_no_list)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(1);
    for (int i = 0; i < 100; i++) {
        seats_enter(&queue, 0, 1);
        CHECK(ECSI_LOAD(&queue.word, relaxed) == (void *)&seats[0].waiter);
        CHECK(queue.first == NULL);
        if (i % 2 == 0) {
            CHECK(ecsi_wake_one(&queue));
        } else {
            CHECK_EQ_U64(ecsi_wake_all(&queue), 1);
        }
        CHECK(seat_woken(0));
        CHECK(seat_sleep(&queue, 0, ECSI_FOREVER));
        expect_nobody(&queue);
    }
    seats_close(1);
}

TEST(waiter_two_make_a_list_and_the_last_takes_it_away)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(3);
    for (int i = 0; i < 4; i++) {
        seats_enter(&queue, 0, 2);
        CHECK(ECSI_LOAD(&queue.word, relaxed) == ECSI_WAITERS_LIST);
        CHECK_EQ_U64(ecsi_waiter_count(&queue), 2);
        CHECK(queue.first == (void *)&seats[0].waiter);
        CHECK(queue.last == (void *)&seats[1].waiter);
        CHECK(seat_cancel(&queue, (uint32_t)i & 1));
        CHECK(ECSI_LOAD(&queue.word, relaxed) == ECSI_WAITERS_LIST);
        CHECK_EQ_U64(ecsi_waiter_count(&queue), 1);
        if (i < 2) {
            CHECK(seat_cancel(&queue, ~(uint32_t)i & 1));
        } else {
            CHECK(ecsi_wake_one(&queue));
            CHECK(seat_sleep(&queue, ~(uint32_t)i & 1, ECSI_FOREVER));
        }
        expect_nobody(&queue);
        seats_enter(&queue, 2, 1);
        CHECK(ECSI_LOAD(&queue.word, relaxed) == (void *)&seats[2].waiter);
        CHECK(seat_cancel(&queue, 2));
    }
    seats_close(3);
}

TEST(wake_one_wakes_first_who_came_first)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(10);
    seats_enter(&queue, 0, 10);
    for (uint32_t i = 0; i < 10; i++) {
        CHECK(!seat_woken(i));
        CHECK(ecsi_wake_one(&queue));
        CHECK_EQ_U64(ecsi_waiter_count(&queue), 9 - i);
        for (uint32_t k = 0; k < 10; k++) CHECK(seat_woken(k) == (k <= i));
    }
    CHECK(!ecsi_wake_one(&queue));
    expect_nobody(&queue);
    seats_close(10);
}

TEST(waiter_who_comes_back_is_last)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(3);
    seats_enter(&queue, 0, 3);
    CHECK(seat_cancel(&queue, 0));
    seats_enter(&queue, 0, 1);
    CHECK(ecsi_wake_one(&queue));
    CHECK(seat_woken(1));
    CHECK(ecsi_wake_one(&queue));
    CHECK(seat_woken(2));
    CHECK(!seat_woken(0));
    CHECK(ecsi_wake_one(&queue));
    CHECK(seat_woken(0));
    seats_close(3);
}

TEST(wake_one_three_times_of_five_wakes_exactly_three)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(5);
    seats_enter(&queue, 0, 5);
    for (int i = 0; i < 3; i++) CHECK(ecsi_wake_one(&queue));
    for (uint32_t i = 0; i < 5; i++) CHECK(seat_woken(i) == (i < 3));
    CHECK_EQ_U64(ecsi_waiter_count(&queue), 2);
    for (uint32_t i = 0; i < 3; i++) CHECK(seat_sleep(&queue, i, ECSI_FOREVER));
    CHECK(seat_cancel(&queue, 3));
    CHECK(seat_cancel(&queue, 4));
    expect_nobody(&queue);
    seats_close(5);
}

TEST(wake_all_of_a_thousand_wakes_each_once)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(SEATS_MAX);
    for (int round = 0; round < 3; round++) {
        seats_enter(&queue, 0, SEATS_MAX);
        CHECK_EQ_U64(ecsi_waiter_count(&queue), SEATS_MAX);
        CHECK_EQ_U64(ecsi_wake_all(&queue), SEATS_MAX);
        CHECK_EQ_U64(ecsi_wake_all(&queue), 0);
        CHECK(!ecsi_wake_one(&queue));
        for (uint32_t i = 0; i < SEATS_MAX; i++) {
            CHECK(seat_woken(i));
            CHECK(seat_sleep(&queue, i, ECSI_FOREVER));
            CHECK_EQ_U64(ECSI_LOAD(&seats[i].parker.token, relaxed), ECSI_TOKEN_NONE);
        }
        expect_nobody(&queue);
    }
    seats_close(SEATS_MAX);
}

TEST(waiter_count_follows)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(50);
    for (uint32_t i = 0; i < 50; i++) {
        CHECK_EQ_U64(ecsi_waiter_count(&queue), i);
        seats_enter(&queue, i, 1);
    }
    for (uint32_t i = 50; i > 0; i--) {
        CHECK_EQ_U64(ecsi_waiter_count(&queue), i);
        if (i % 2 == 0) {
            CHECK(seat_cancel(&queue, 24 + i / 2)); /* the last one */
        } else {
            CHECK(ecsi_wake_one(&queue));
        }
    }
    expect_nobody(&queue);
    seats_close(50);
}

TEST(cancel_of_any_one_keeps_the_order_of_the_others)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(5);
    for (uint32_t gone = 0; gone < 5; gone++) {
        seats_enter(&queue, 0, 5);
        CHECK(seat_cancel(&queue, gone));
        CHECK_EQ_U64(ecsi_waiter_count(&queue), 4);
        for (uint32_t i = 0; i < 5; i++) {
            if (i == gone) continue;
            CHECK(ecsi_wake_one(&queue));
            CHECK(seat_sleep(&queue, i, 0));
        }
        CHECK(!ecsi_wake_one(&queue));
        CHECK(!seat_woken(gone));
        expect_nobody(&queue);
    }
    seats_close(5);
}

TEST(cancel_after_the_wake_passes_it_on)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(3);
    for (uint32_t waiting = 1; waiting <= 3; waiting++) {
        seats_enter(&queue, 0, waiting);
        CHECK(ecsi_wake_one(&queue));
        CHECK(!seat_cancel(&queue, 0)); /* too late: the wake is ours */
        CHECK(ecsi_wake_one(&queue) == (waiting > 1));
        if (waiting > 1) CHECK(seat_sleep(&queue, 1, ECSI_FOREVER));
        if (waiting > 2) CHECK(seat_cancel(&queue, 2));
        expect_nobody(&queue);
        CHECK(ecsi_park(&seats[0].parker, 0)); /* its token is still there */
    }
    seats_close(3);
}

TEST(cancel_after_wake_all_answers_woken)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(4);
    seats_enter(&queue, 0, 4);
    CHECK_EQ_U64(ecsi_wake_all(&queue), 4);
    for (uint32_t i = 0; i < 4; i++) CHECK(!seat_cancel(&queue, i));
    expect_nobody(&queue);
    seats_close(4);
}

TEST(sleep_timeout_leaves_the_queue)
{
    static const uint64_t times[] = {0, 1, 2 * MS_NS, 20 * MS_NS};
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(3);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        for (uint32_t which = 0; which < 4; which++) {
            uint32_t waiting = which < 3 ? 3 : 1;
            uint32_t mine = which % 3;
            uint64_t start = ecsi_clock_ns();
            seats_enter(&queue, 0, waiting);
            CHECK(!seat_sleep(&queue, mine, times[i]));
            CHECK(ecsi_clock_ns() - start >= times[i]);
            CHECK(ecsi_clock_ns() - start < times[i] + LATE_NS);
            CHECK_EQ_U64(ecsi_waiter_count(&queue), waiting - 1);
            CHECK_EQ_U64(ecsi_wake_all(&queue), waiting - 1);
            CHECK(!seat_woken(mine));
            for (uint32_t k = 0; k < 3; k++) (void)ecsi_park(&seats[k].parker, 0);
        }
    }
    expect_nobody(&queue);
    seats_close(3);
}

TEST(sleep_spurious_token_leaves_the_queue)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(2);
    for (uint32_t waiting = 1; waiting <= 2; waiting++) {
        seats_enter(&queue, 0, waiting);
        ecsi_unpark(&seats[0].parker);
        CHECK(!seat_sleep(&queue, 0, ECSI_FOREVER));
        CHECK_EQ_U64(ecsi_waiter_count(&queue), waiting - 1);
        if (waiting == 2) CHECK(seat_cancel(&queue, 1));
        expect_nobody(&queue);
    }
    seats_close(2);
}

TEST(sleep_woken_and_spurious_token_is_woken)
{
    ecs_waiters queue;
    ecsi_waiters_create(&queue);
    seats_open(1);
    seats_enter(&queue, 0, 1);
    ecsi_unpark(&seats[0].parker);
    CHECK(ecsi_wake_one(&queue));
    CHECK(seat_sleep(&queue, 0, ECSI_FOREVER));
    expect_nobody(&queue);
    seats_close(1);
}

/* ---- random steps against an array --------------------------------------------------------- */

typedef struct line_up {
    uint32_t order[SEATS_MAX]; /* who waits, longest first */
    uint32_t count;
} line_up;

static void line_remove(line_up *line, uint32_t at)
{
    line->count--;
    memmove(&line->order[at], &line->order[at + 1], (line->count - at) * sizeof line->order[0]);
}

static void line_check(const ecs_waiters *queue, const line_up *line)
{
    const ecsi_waiter *each = (const ecsi_waiter *)queue->first;
    const ecsi_waiter *before = NULL;
    CHECK_EQ_U64(ecsi_waiter_count(queue), line->count);
    if (ECSI_LOAD(&queue->word, relaxed) != ECSI_WAITERS_LIST) return;
    for (uint32_t i = 0; i < line->count; i++) {
        REQUIRE(each == &seats[line->order[i]].waiter);
        CHECK(each->listed);
        CHECK(each->previous == before);
        before = each;
        each = each->next;
    }
    CHECK(each == NULL);
    CHECK(queue->last == (const void *)before);
}

static void line_step(ecs_waiters *queue, line_up *line, uint64_t *state, uint32_t seat_count)
{
    uint32_t who = test_random_below(state, seat_count);
    uint32_t at = 0;
    while (at < line->count && line->order[at] != who) at++;
    switch (test_random_below(state, 8)) {
    case 0: case 1: case 2: case 3:
        if (at == line->count) {
            seats_enter(queue, who, 1);
            line->order[line->count++] = who;
        } else if (test_random_below(state, 3) == 0) {
            CHECK(!seat_sleep(queue, who, 0));
            line_remove(line, at);
        } else {
            CHECK(seat_cancel(queue, who));
            line_remove(line, at);
        }
        break;
    case 4: case 5: case 6:
        CHECK(ecsi_wake_one(queue) == (line->count > 0));
        if (line->count == 0) break;
        CHECK(seat_sleep(queue, line->order[0], 0));
        line_remove(line, 0);
        break;
    default:
        if (test_random_below(state, 8) != 0) break;
        CHECK_EQ_U64(ecsi_wake_all(queue), line->count);
        while (line->count > 0) CHECK(seat_sleep(queue, line->order[--line->count], 0));
        break;
    }
}

TEST(waiter_random_steps_match_an_array)
{
    static const uint32_t seat_counts[] = {1, 2, 3, 8, 64};
    uint64_t state = test_seed();
    uint32_t steps = test_rounds(20000, 1000000);
    ecs_waiters queue;
    line_up line;
    ecsi_waiters_create(&queue);
    seats_open(64);
    line.count = 0;
    for (size_t n = 0; n < sizeof seat_counts / sizeof seat_counts[0]; n++) {
        for (uint32_t i = 0; i < steps; i++) {
            line_step(&queue, &line, &state, seat_counts[n]);
            line_check(&queue, &line);
        }
        while (line.count > 0) CHECK(seat_cancel(&queue, line.order[--line.count]));
        expect_nobody(&queue);
    }
    seats_close(64);
}

/* ---- every order of the steps -------------------------------------------------------------- */

/* Two waiters (enter, look) and a publisher (set, wake): in no order of these six steps does
 * one look in vain and stay asleep. `order` has two bits a step: who goes on. */
static bool order_is_good(uint32_t order, bool all)
{
    ecs_waiters queue;
    bool condition = false;
    bool saw[2] = {false, false};
    uint32_t done[3] = {0, 0, 0};
    uint32_t asleep = 0;
    uint32_t woken = 0;
    ecsi_waiters_create(&queue);
    seats_open(2);
    for (uint32_t i = 0; i < 6; i++) {
        uint32_t who = order >> (2 * i) & 3u;
        uint32_t step = done[who]++;
        if (who < 2 && step == 0) seats_enter(&queue, who, 1);
        if (who < 2 && step == 1) {
            saw[who] = condition;
            /* Who saw it gives up, and hands on what it cannot use. */
            if (saw[who] && !seat_cancel(&queue, who)) (void)ecsi_wake_one(&queue);
        }
        if (who == 2 && step == 0) condition = true;
        if (who == 2 && step == 1) (void)(all ? ecsi_wake_all(&queue) : ecsi_wake_one(&queue));
    }
    for (uint32_t who = 0; who < 2; who++) {
        if (saw[who]) continue;
        asleep++;
        woken += seat_cancel(&queue, who) ? 0 : 1;
    }
    CHECK_EQ_U64(ecsi_waiter_count(&queue), 0);
    seats_close(2);
    /* One wake is for one of those who did not see it. */
    return all ? woken == asleep : woken >= (asleep > 0 ? 1u : 0u);
}

TEST(wake_is_not_lost_in_any_order_of_steps)
{
    uint32_t tried = 0;
    for (uint32_t order = 0; order < 1u << 12; order++) {
        uint32_t counts[4] = {0, 0, 0, 0};
        for (uint32_t i = 0; i < 6; i++) counts[order >> (2 * i) & 3u]++;
        if (counts[0] != 2 || counts[1] != 2 || counts[2] != 2) continue;
        tried++;
        CHECK(order_is_good(order, true));
        CHECK(order_is_good(order, false));
    }
    CHECK_EQ_U64(tried, 90);
}

/* ---- threads ------------------------------------------------------------------------------- */

typedef struct room {
    ecs_waiters queue;
    ecsi_atomic_u32 woken;
    ecsi_atomic_u32 late;
    ecsi_atomic_u32 places;
    ecsi_atomic_u32 order[THREADS_MAX]; /* place plus one, by when it was woken */
} room;

/* Enters, sleeps once, notes when it was woken. */
static ECSI_THREAD_ANSWER sleep_once(void *data)
{
    room *r = (room *)data;
    ecsi_waiter waiter;
    ecsi_parker parker;
    uint32_t place = ECSI_ADD(&r->places, 1u, relaxed);
    REQUIRE(ecsi_parker_create(&parker));
    waiter.parker = &parker;
    ecsi_waiter_enter(&r->queue, &waiter);
    if (ecsi_waiter_sleep(&r->queue, &waiter, LATE_NS)) {
        uint32_t at = ECSI_ADD(&r->woken, 1u, acq_rel);
        ECSI_STORE(&r->order[at], place + 1, release);
    } else {
        (void)ECSI_ADD(&r->late, 1u, relaxed);
    }
    ecsi_parker_destroy(&parker);
    return 0;
}

TEST(threads_are_woken_one_by_one_in_their_order)
{
    static room r;
    crew c = {{0}, 0};
    for (uint32_t i = 0; i < 16; i++) {
        crew_start(&c, sleep_once, &r);
        CHECK(queue_reaches(&r.queue, i + 1));
    }
    for (uint32_t i = 0; i < 16; i++) {
        CHECK_EQ_U64(ECSI_LOAD(&r.woken, acquire), i);
        CHECK(ecsi_wake_one(&r.queue));
        CHECK(word_reaches(&r.order[i], i + 1));
        CHECK_EQ_U64(ECSI_LOAD(&r.order[i], acquire), i + 1);
    }
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&r.late, relaxed), 0);
    expect_nobody(&r.queue);
}

TEST(threads_are_all_woken_by_wake_all)
{
    static room r;
    for (int round = 0; round < 5; round++) {
        crew c = {{0}, 0};
        memset(&r, 0, sizeof r);
        for (int i = 0; i < 32; i++) crew_start(&c, sleep_once, &r);
        CHECK(queue_reaches(&r.queue, 32));
        CHECK_EQ_U64(ecsi_wake_all(&r.queue), 32);
        crew_join(&c);
        CHECK_EQ_U64(ECSI_LOAD(&r.woken, relaxed), 32);
        CHECK_EQ_U64(ECSI_LOAD(&r.late, relaxed), 0);
        expect_nobody(&r.queue);
    }
}

TEST(threads_three_wakes_of_five_wake_exactly_three)
{
    static room r;
    crew c = {{0}, 0};
    for (int i = 0; i < 5; i++) crew_start(&c, sleep_once, &r);
    CHECK(queue_reaches(&r.queue, 5));
    for (int i = 0; i < 3; i++) CHECK(ecsi_wake_one(&r.queue));
    CHECK(word_reaches(&r.woken, 3));
    nap(20 * MS_NS);
    CHECK_EQ_U64(ECSI_LOAD(&r.woken, acquire), 3);
    CHECK_EQ_U64(ecsi_waiter_count(&r.queue), 2);
    CHECK_EQ_U64(ecsi_wake_all(&r.queue), 2);
    crew_join(&c);
    CHECK_EQ_U64(ECSI_LOAD(&r.late, relaxed), 0);
}

/* ---- races --------------------------------------------------------------------------------- */

/* Announce and look against publish and pop, many times side by side: two threads walk along a
 * row of queues, and the one that is ahead waits, so that they meet at the same queue. */
enum { ROW = SEATS_MAX, ROW_AHEAD = 4 };

typedef struct cell {
    ecs_waiters queue;
    ecsi_atomic_u32 published; /* the condition */
    bool saw;                  /* the waiter's */
    bool popped;               /* the publisher's */
} cell;

typedef struct row {
    cell cells[ROW];
    ecsi_atomic_u32 started;     /* the waiter is at this round */
    ecsi_atomic_u32 finished;    /* the publisher is through with it */
    ecsi_atomic_u32 progress[2]; /* cells in this round, of the waiter and the publisher */
} row;

static row race_row;

static void row_keep_step(row *r, uint32_t side, uint32_t i)
{
    ECSI_STORE(&r->progress[side], i, relaxed);
    if (i > ROW_AHEAD) turn_wait(&r->progress[1 - side], i - ROW_AHEAD);
}

static ECSI_THREAD_ANSWER row_publish(void *data)
{
    row *r = (row *)data;
    for (uint32_t round = 1;; round++) {
        turn_wait(&r->started, round);
        if (ECSI_LOAD(&r->started, relaxed) == UINT32_MAX) break;
        for (uint32_t i = 0; i < ROW; i++) {
            cell *each = &r->cells[i];
            row_keep_step(r, 1, i);
            ECSI_STORE(&each->published, 1u, relaxed);
            each->popped = ecsi_wake_one(&each->queue);
        }
        ECSI_STORE(&r->progress[1], (uint32_t)ROW, relaxed);
        ECSI_STORE(&r->finished, round, release);
    }
    return 0;
}

/* The waiter's walk, and then what came of it. Answers in how many both saw each other. */
static uint32_t row_round(row *r, uint32_t round)
{
    uint32_t met = 0;
    for (uint32_t i = 0; i < ROW; i++) {
        ecsi_waiters_create(&r->cells[i].queue);
        ECSI_STORE(&r->cells[i].published, 0u, relaxed);
    }
    ECSI_STORE(&r->progress[0], 0u, relaxed);
    ECSI_STORE(&r->progress[1], 0u, relaxed);
    ECSI_STORE(&r->started, round, release);
    for (uint32_t i = 0; i < ROW; i++) {
        cell *each = &r->cells[i];
        row_keep_step(r, 0, i);
        seats_enter(&each->queue, i, 1);
        each->saw = ECSI_LOAD(&each->published, relaxed) != 0;
    }
    ECSI_STORE(&r->progress[0], (uint32_t)ROW, relaxed);
    turn_wait(&r->finished, round);
    for (uint32_t i = 0; i < ROW; i++) {
        cell *each = &r->cells[i];
        bool woken = !seat_cancel(&each->queue, i);
        CHECK(each->saw || each->popped);
        CHECK(woken == each->popped);
        if (woken) CHECK(ecsi_token_take(&seats[i].parker));
        met += each->saw && woken ? 1 : 0;
    }
    return met;
}

TEST(race_announce_and_publish_never_miss_both)
{
    uint32_t rounds = test_rounds(10000, 20000);
    uint64_t end = ecsi_clock_ns() + 5000 * (uint64_t)MS_NS;
    uint64_t met = 0;
    uint32_t round;
    crew c = {{0}, 0};
    seats_open(ROW);
    crew_start(&c, row_publish, &race_row);
    for (round = 1; round <= rounds; round++) {
        met += row_round(&race_row, round);
        if (test_state.failure_count != 0) break;
        if (!test_long() && ecsi_clock_ns() > end) break;
    }
    ECSI_STORE(&race_row.started, UINT32_MAX, release);
    crew_join(&c);
    seats_close(ROW);
    CHECK(round > 10);
    printf("    %llu races, both saw each other in %llu\n",
           (unsigned long long)(round - 1) * ROW, (unsigned long long)met);
}

/* One queue, and the waiter sleeps really. */
typedef struct race {
    ecs_waiters queue;
    ecsi_atomic_u32 started;   /* the waiter is at this round */
    ecsi_atomic_u32 published; /* the condition: at least the round */
    ecsi_atomic_u32 finished;  /* the publisher is through with the round */
    uint64_t woken;
} race;

static ECSI_THREAD_ANSWER publish_each_round(void *data)
{
    race *r = (race *)data;
    uint64_t state = test_seed() + 1;
    for (uint32_t round = 1;; round++) {
        turn_wait(&r->started, round);
        if (ECSI_LOAD(&r->started, relaxed) == UINT32_MAX) break;
        for (uint32_t i = test_random_below(&state, 64); i > 0; i--) ecsi_pause();
        if (round % 64 == 0) nap(MS_NS / 20);
        ECSI_STORE(&r->published, round, relaxed);
        if (ecsi_wake_one(&r->queue)) r->woken++;
        ECSI_STORE(&r->finished, round, release);
    }
    return 0;
}

/* True unless the wake was lost. */
static bool race_asleep(race *r, ecsi_waiter *waiter, uint32_t round, uint64_t *woken)
{
    ecsi_waiter_enter(&r->queue, waiter);
    if (ECSI_LOAD(&r->published, relaxed) < round) {
        *woken += 1;
        return ecsi_waiter_sleep(&r->queue, waiter, LATE_NS);
    }
    if (ecsi_waiter_cancel(&r->queue, waiter)) return true;
    *woken += 1;
    return ecsi_park(waiter->parker, 0); /* woken, so the token is there */
}

TEST(race_with_real_sleeping_never_misses)
{
    static race r;
    crew c = {{0}, 0};
    ecsi_parker parker;
    ecsi_waiter waiter;
    uint64_t state = test_seed();
    uint64_t woken = 0;
    uint32_t rounds = test_rounds(20000, 200000);
    bool good = true;
    REQUIRE(ecsi_parker_create(&parker));
    waiter.parker = &parker;
    crew_start(&c, publish_each_round, &r);
    for (uint32_t round = 1; round <= rounds && good; round++) {
        ECSI_STORE(&r.started, round, release);
        for (uint32_t i = test_random_below(&state, 64); i > 0; i--) ecsi_pause();
        good = CHECK(race_asleep(&r, &waiter, round, &woken));
        turn_wait(&r.finished, round);
    }
    ECSI_STORE(&r.started, UINT32_MAX, release);
    crew_join(&c);
    CHECK_EQ_U64(woken, r.woken); /* each wake that was given came, once */
    expect_nobody(&r.queue);
    ecsi_parker_destroy(&parker);
    printf("    %u rounds, woken in %llu, seed %llu\n", (unsigned)rounds,
           (unsigned long long)woken, (unsigned long long)test_seed());
}

/* The wake comes at the moment of the timeout: either side may win, but both agree. */
typedef struct edge {
    ecs_waiters queue;
    ecsi_atomic_u32 turn;
    ecsi_atomic_u32 finished;
    uint32_t rounds;
    uint64_t woken;
} edge;

static ECSI_THREAD_ANSWER wake_at_the_edge(void *data)
{
    edge *e = (edge *)data;
    uint64_t state = test_seed() + 2;
    for (uint32_t round = 1; round <= e->rounds; round++) {
        uint64_t end;
        turn_wait(&e->turn, round);
        end = ecsi_clock_ns() + test_random_below(&state, 160000);
        while (ecsi_clock_ns() < end) ecsi_pause();
        if (ecsi_wake_one(&e->queue)) e->woken++;
        ECSI_STORE(&e->finished, round, release);
    }
    return 0;
}

TEST(race_wake_at_the_timeout_is_had_by_one_side)
{
    static edge e;
    crew c = {{0}, 0};
    uint64_t woken = 0;
    e.rounds = test_rounds(5000, 100000);
    seats_open(2);
    crew_start(&c, wake_at_the_edge, &e);
    for (uint32_t round = 1; round <= e.rounds; round++) {
        uint32_t mine = round % 2; /* as the only one, and in a list */
        ECSI_STORE(&e.turn, round, release);
        seats_enter(&e.queue, 0, 1 + mine);
        if (seat_sleep(&e.queue, 0, 80000)) woken++;
        turn_wait(&e.finished, round);
        if (mine == 1 && !seat_cancel(&e.queue, 1)) {
            woken++;
            CHECK(ecsi_park(&seats[1].parker, 0));
        }
        (void)ecsi_park(&seats[0].parker, 0); /* a token that came too late */
        CHECK_EQ_U64(ECSI_LOAD(&e.queue.count, relaxed), 0);
    }
    crew_join(&c);
    CHECK_EQ_U64(woken, e.woken);
    expect_nobody(&e.queue);
    seats_close(2);
}
