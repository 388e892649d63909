/* deque.c: the work-stealing deque and the injector, one thread at a time: order, limits,
 * wrap-around, indices that cross 2^31 and 2^32, batches. tests/stress/deque.c has the races. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

enum { RING_MAX = 1024, STARTS = 5 };

/* Indices that a narrower type would wrap at. */
static const int64_t starts[STARTS] = {0, 0x7fffffff - 2, 0xffffffff - 2, (int64_t)1 << 52, 12345};

typedef struct ring {
    ecsi_deque deque;
    ecsi_atomic_ptr slots[RING_MAX];
} ring;

typedef struct turns {
    ecsi_injector queue;
    ecsi_turn slots[RING_MAX];
} turns;

static ring ring_a;
static ring ring_b;
static turns shared;

/* Numbers travel as pointers that are neither NULL nor ECSI_STEAL_LOST. */
static void *item(uint64_t number)
{
    return (void *)(uintptr_t)((number + 1) * 16);
}

static uint64_t number_of(const void *pointer)
{
    CHECK(pointer != NULL && pointer != ECSI_STEAL_LOST);
    return (uint64_t)(uintptr_t)pointer / 16 - 1;
}

static ecsi_deque *open_ring(ring *r, uint32_t capacity, int64_t start)
{
    memset(r, 0xa5, sizeof *r);
    ecsi_deque_create(&r->deque, r->slots, capacity, start);
    return &r->deque;
}

static void fill(ecsi_deque *deque, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) CHECK(ecsi_deque_push(deque, item(first + i)));
}

static void expect_empty(ecsi_deque *deque)
{
    CHECK(ecsi_deque_take(deque) == NULL);
    CHECK(ecsi_deque_steal(deque) == NULL);
    CHECK_EQ_I64(ecsi_deque_size(deque), 0);
}

/* ---- one deque --------------------------------------------------------------------------- */

TEST(deque_empty_answers_null)
{
    for (int s = 0; s < STARTS; s++) {
        ecsi_deque *d = open_ring(&ring_a, 4, starts[s]);
        for (int i = 0; i < 100; i++) expect_empty(d);
        fill(d, 0, 4);
        CHECK_EQ_I64(ecsi_deque_size(d), 4);
    }
}

TEST(deque_single_item_is_taken_once)
{
    for (int s = 0; s < STARTS; s++) {
        ecsi_deque *d = open_ring(&ring_a, 8, starts[s]);
        for (uint64_t i = 0; i < 100; i++) {
            CHECK(ecsi_deque_push(d, item(i)));
            CHECK_EQ_I64(ecsi_deque_size(d), 1);
            CHECK_EQ_U64(number_of(ecsi_deque_take(d)), i);
            expect_empty(d);
        }
    }
}

TEST(deque_single_item_is_stolen_once)
{
    for (int s = 0; s < STARTS; s++) {
        ecsi_deque *d = open_ring(&ring_a, 8, starts[s]);
        for (uint64_t i = 0; i < 100; i++) {
            CHECK(ecsi_deque_push(d, item(i)));
            CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), i);
            expect_empty(d);
        }
    }
}

TEST(deque_capacity_one_works)
{
    ecsi_deque *d = open_ring(&ring_a, 1, 0);
    for (uint64_t i = 0; i < 50; i++) {
        CHECK(ecsi_deque_push(d, item(i)));
        CHECK(!ecsi_deque_push(d, item(1000)));
        CHECK_EQ_U64(number_of(i % 2 == 0 ? ecsi_deque_take(d) : ecsi_deque_steal(d)), i);
        expect_empty(d);
    }
}

TEST(deque_full_refuses_and_loses_nothing)
{
    for (uint32_t capacity = 1; capacity <= RING_MAX; capacity *= 2) {
        for (int s = 0; s < STARTS; s++) {
            ecsi_deque *d = open_ring(&ring_a, capacity, starts[s]);
            fill(d, 0, capacity);
            for (int i = 0; i < 5; i++) CHECK(!ecsi_deque_push(d, item(5000)));
            CHECK_EQ_I64(ecsi_deque_size(d), capacity);
            for (uint32_t i = capacity; i-- > 0;) {
                CHECK_EQ_U64(number_of(ecsi_deque_take(d)), i);
            }
            expect_empty(d);
        }
    }
}

TEST(deque_full_has_room_after_one_leaves)
{
    ecsi_deque *d = open_ring(&ring_a, 4, starts[2]);
    fill(d, 0, 4);
    CHECK(!ecsi_deque_push(d, item(4)));
    CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), 0);
    CHECK(ecsi_deque_push(d, item(4)));
    CHECK(!ecsi_deque_push(d, item(5)));
    CHECK_EQ_U64(number_of(ecsi_deque_take(d)), 4);
    CHECK(ecsi_deque_push(d, item(5)));
    CHECK(!ecsi_deque_push(d, item(6)));
    CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), 1);
    CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), 2);
    CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), 3);
    CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), 5);
    expect_empty(d);
}

TEST(deque_empty_takes_leave_the_whole_room)
{
    ecsi_deque *d = open_ring(&ring_a, 16, starts[1]);
    for (int i = 0; i < 1000; i++) CHECK(ecsi_deque_take(d) == NULL);
    fill(d, 0, 16);
    CHECK(!ecsi_deque_push(d, item(16)));
    for (uint64_t i = 0; i < 16; i++) CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), i);
    expect_empty(d);
}

TEST(deque_owner_takes_newest_first)
{
    ecsi_deque *d = open_ring(&ring_a, 256, 0);
    fill(d, 0, 200);
    for (uint64_t i = 200; i-- > 0;) CHECK_EQ_U64(number_of(ecsi_deque_take(d)), i);
    expect_empty(d);
}

TEST(deque_thief_steals_oldest_first)
{
    ecsi_deque *d = open_ring(&ring_a, 256, 0);
    fill(d, 0, 200);
    for (uint64_t i = 0; i < 200; i++) CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), i);
    expect_empty(d);
}

TEST(deque_both_ends_meet)
{
    for (uint32_t count = 1; count < 40; count++) {
        ecsi_deque *d = open_ring(&ring_a, 64, starts[count % STARTS]);
        uint32_t low = 0;
        uint32_t high = count;
        fill(d, 0, count);
        while (low < high) {
            CHECK_EQ_I64(ecsi_deque_size(d), high - low);
            CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), low);
            low++;
            if (low == high) break;
            high--;
            CHECK_EQ_U64(number_of(ecsi_deque_take(d)), high);
        }
        expect_empty(d);
    }
}

TEST(deque_wraps_around_many_times)
{
    for (uint32_t fill_count = 1; fill_count <= 8; fill_count++) {
        ecsi_deque *d = open_ring(&ring_a, 8, starts[fill_count % STARTS]);
        uint64_t in = 0;
        uint64_t out = 0;
        while (in < 20000) {
            while (in - out < fill_count) CHECK(ecsi_deque_push(d, item(in++)));
            CHECK_EQ_U64(number_of(ecsi_deque_steal(d)), out);
            out++;
        }
        CHECK_EQ_I64(ecsi_deque_size(d), (int64_t)(in - out));
    }
}

/* An array with two ends, plainly right. */
typedef struct plain {
    uint64_t items[RING_MAX];
    uint32_t count;
} plain;

static void plain_step(ecsi_deque *d, plain *p, uint64_t *state, uint64_t *next)
{
    uint32_t kind = test_random_below(state, 8);
    if (kind < 4) {
        bool pushed = ecsi_deque_push(d, item(*next));
        CHECK(pushed == (p->count < d->capacity));
        if (pushed) p->items[p->count++] = *next;
        *next += 1;
    } else if (kind < 6) {
        void *got = ecsi_deque_take(d);
        if (p->count == 0) {
            CHECK(got == NULL);
        } else {
            p->count--;
            CHECK_EQ_U64(number_of(got), p->items[p->count]);
        }
    } else {
        void *got = ecsi_deque_steal(d);
        if (p->count == 0) {
            CHECK(got == NULL);
        } else {
            CHECK_EQ_U64(number_of(got), p->items[0]);
            p->count--;
            memmove(p->items, p->items + 1, p->count * sizeof p->items[0]);
        }
    }
    CHECK_EQ_I64(ecsi_deque_size(d), p->count);
}

TEST(deque_random_steps_match_an_array)
{
    uint64_t state = test_seed();
    uint32_t steps = test_rounds(5000, 500000);
    for (uint32_t capacity = 1; capacity <= 64; capacity *= 2) {
        for (int s = 0; s < STARTS; s++) {
            /* So far below that the boundary is crossed while there are items. */
            ecsi_deque *d = open_ring(&ring_a, capacity, starts[s]);
            plain p;
            uint64_t next = 0;
            p.count = 0;
            for (uint32_t i = 0; i < steps; i++) plain_step(d, &p, &state, &next);
        }
    }
}

TEST(deque_ends_lie_on_lines_of_their_own)
{
    size_t top = offsetof(ecsi_deque, top);
    size_t bottom = offsetof(ecsi_deque, bottom);
    CHECK(bottom / ECSI_LINE_BYTES > top / ECSI_LINE_BYTES);
    CHECK_EQ_U64(sizeof(ecsi_deque) % ECSI_LINE_BYTES, 0);
    CHECK(offsetof(ecsi_ring, tail) / ECSI_LINE_BYTES >
          offsetof(ecsi_ring, head) / ECSI_LINE_BYTES);
    CHECK(offsetof(ecsi_ring, slots) / ECSI_LINE_BYTES >
          offsetof(ecsi_ring, tail) / ECSI_LINE_BYTES);
}

/* ---- stealing from an index on ----------------------------------------------------------- */

TEST(steal_from_takes_nothing_below)
{
    for (int s = 0; s < STARTS; s++) {
        int64_t start = starts[s];
        ecsi_deque *d = open_ring(&ring_a, 8, start);
        fill(d, 0, 5);
        CHECK(ecsi_deque_steal_from(d, start + 1) == NULL);
        CHECK(ecsi_deque_steal_from(d, start + 5) == NULL);
        CHECK(ecsi_deque_steal_from(d, INT64_MAX) == NULL);
        CHECK_EQ_I64(ecsi_deque_size(d), 5);
        CHECK_EQ_U64(number_of(ecsi_deque_steal_from(d, start)), 0);
        CHECK(ecsi_deque_steal_from(d, start + 2) == NULL);
        CHECK_EQ_U64(number_of(ecsi_deque_steal_from(d, start)), 1);
        CHECK_EQ_U64(number_of(ecsi_deque_steal_from(d, start + 2)), 2);
        CHECK_EQ_U64(number_of(ecsi_deque_steal_from(d, INT64_MIN)), 3);
        CHECK_EQ_U64(number_of(ecsi_deque_take(d)), 4);
        CHECK(ecsi_deque_steal_from(d, start) == NULL);
        CHECK(ecsi_deque_steal_from(d, start + 5) == NULL);
    }
}

/* ---- batches ----------------------------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Steals from `count` items to a target with `room`; checks what went where. */
static void try_batch(uint32_t count, uint32_t max, uint32_t room, int64_t start)
{
    ecsi_deque *from = open_ring(&ring_a, 256, start);
    ecsi_deque *to = open_ring(&ring_b, 64, start);
    uint32_t more = 77;
    uint32_t wanted = count == 0 ? 0 : smaller(smaller((count + 1) / 2, max) - 1, room);
    void *first;
    fill(to, 1000, 64 - room);
    fill(from, 0, count);
    first = ecsi_deque_steal_batch(from, to, max, &more);
    CHECK_EQ_U64(more, wanted);
    if (count == 0) {
        CHECK(first == NULL);
        return;
    }
    CHECK_EQ_U64(number_of(first), 0);
    CHECK_EQ_I64(ecsi_deque_size(from), count - 1 - wanted);
    CHECK_EQ_I64(ecsi_deque_size(to), 64 - room + wanted);
    for (uint64_t i = wanted; i > 0; i--) CHECK_EQ_U64(number_of(ecsi_deque_take(to)), i);
    for (uint64_t i = 64 - room; i > 0; i--) {
        CHECK_EQ_U64(number_of(ecsi_deque_take(to)), 999 + i);
    }
    for (uint64_t i = 1 + wanted; i < count; i++) {
        CHECK_EQ_U64(number_of(ecsi_deque_steal(from)), i);
    }
    expect_empty(from);
    expect_empty(to);
}

TEST(batch_takes_half_rounded_up)
{
    for (uint32_t count = 0; count <= 62; count++) {
        try_batch(count, ECSI_BATCH_MAX, 64, starts[count % STARTS]);
    }
}

TEST(batch_takes_32_at_most)
{
    for (uint32_t count = 63; count <= 256; count++) {
        try_batch(count, ECSI_BATCH_MAX, 64, starts[count % STARTS]);
    }
    for (uint32_t max = 1; max <= ECSI_BATCH_MAX; max++) try_batch(200, max, 64, starts[1]);
}

TEST(batch_takes_what_the_target_has_room_for)
{
    for (uint32_t room = 0; room <= 40; room++) try_batch(200, ECSI_BATCH_MAX, room, starts[2]);
    for (uint32_t room = 0; room <= 4; room++) try_batch(5, ECSI_BATCH_MAX, room, starts[0]);
}

TEST(batch_from_one_item_takes_it)
{
    try_batch(1, ECSI_BATCH_MAX, 64, 0);
    try_batch(1, ECSI_BATCH_MAX, 0, 0);
    try_batch(1, 1, 0, 0);
}

TEST(batch_wraps_around_in_both_rings)
{
    ecsi_deque *from = open_ring(&ring_a, 16, starts[2]);
    ecsi_deque *to = open_ring(&ring_b, 16, starts[1]);
    uint64_t in = 0;
    uint64_t out = 0;
    for (int round = 0; round < 2000; round++) {
        uint32_t more;
        void *first;
        while (ecsi_deque_push(from, item(in))) in++;
        first = ecsi_deque_steal_batch(from, to, ECSI_BATCH_MAX, &more);
        CHECK_EQ_U64(number_of(first), out);
        CHECK_EQ_U64(more, 7);
        for (uint32_t i = 1; i <= more; i++) CHECK_EQ_U64(number_of(ecsi_deque_steal(to)), out + i);
        out += 1 + more;
    }
    CHECK_EQ_I64(ecsi_deque_size(from), (int64_t)(in - out));
}

/* ---- the injector ------------------------------------------------------------------------ */

static ecsi_injector *open_turns(uint32_t capacity, uint64_t start)
{
    memset(&shared, 0xa5, sizeof shared);
    ecsi_injector_create(&shared.queue, shared.slots, capacity, start);
    return &shared.queue;
}

TEST(injector_empty_answers_null)
{
    for (int s = 0; s < STARTS; s++) {
        ecsi_injector *q = open_turns(8, (uint64_t)starts[s]);
        for (int i = 0; i < 20; i++) CHECK(ecsi_injector_pop(q) == NULL);
        CHECK(ecsi_injector_empty(q));
        CHECK(ecsi_injector_push(q, item(3)));
        CHECK(!ecsi_injector_empty(q));
        CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), 3);
        CHECK(ecsi_injector_empty(q));
        CHECK(ecsi_injector_pop(q) == NULL);
    }
}

TEST(injector_full_refuses_and_loses_nothing)
{
    for (uint32_t capacity = 2; capacity <= RING_MAX; capacity *= 2) {
        for (int s = 0; s < STARTS; s++) {
            ecsi_injector *q = open_turns(capacity, (uint64_t)starts[s]);
            for (uint64_t i = 0; i < capacity; i++) CHECK(ecsi_injector_push(q, item(i)));
            for (int i = 0; i < 5; i++) CHECK(!ecsi_injector_push(q, item(5000)));
            for (uint64_t i = 0; i < capacity; i++) {
                CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), i);
            }
            CHECK(ecsi_injector_pop(q) == NULL);
        }
    }
}

TEST(injector_first_in_first_out_over_many_wraps)
{
    for (uint32_t fill_count = 1; fill_count <= 8; fill_count++) {
        ecsi_injector *q = open_turns(8, (uint64_t)starts[fill_count % STARTS]);
        uint64_t in = 0;
        uint64_t out = 0;
        while (in < 20000) {
            while (in - out < fill_count) CHECK(ecsi_injector_push(q, item(in++)));
            CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), out);
            out++;
        }
    }
}

TEST(injector_random_steps_match_an_array)
{
    uint64_t state = test_seed();
    uint32_t steps = test_rounds(5000, 500000);
    for (uint32_t capacity = 2; capacity <= 64; capacity *= 2) {
        for (int s = 0; s < STARTS; s++) {
            ecsi_injector *q = open_turns(capacity, (uint64_t)starts[s]);
            uint64_t in = 0;
            uint64_t out = 0;
            for (uint32_t i = 0; i < steps; i++) {
                if (test_random_below(&state, 2) == 0) {
                    bool pushed = ecsi_injector_push(q, item(in));
                    CHECK(pushed == (in - out < capacity));
                    if (pushed) in++;
                } else if (in == out) {
                    CHECK(ecsi_injector_pop(q) == NULL);
                } else {
                    CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), out);
                    out++;
                }
                CHECK(ecsi_injector_empty(q) == (in == out));
            }
        }
    }
}

/* A thread that has its place but has not written yet: nobody may read past it. */
TEST(injector_slow_writer_is_waited_for)
{
    ecsi_injector *q = open_turns(4, 0xffffffff);
    uint64_t mine = ECSI_ADD(&q->ring.tail, 1u, relaxed);
    ecsi_turn *slot = &q->ring.slots[mine & 3];
    CHECK(ecsi_injector_push(q, item(1)));
    CHECK(ecsi_injector_push(q, item(2)));
    CHECK(ecsi_injector_pop(q) == NULL);
    CHECK(!ecsi_injector_empty(q));
    ECSI_STORE(&slot->item, item(0), relaxed);
    ECSI_STORE(&slot->turn, mine + 1, release);
    for (uint64_t i = 0; i < 3; i++) CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), i);
    CHECK(ecsi_injector_pop(q) == NULL);
}

/* A thread that has its place but has not read yet: its slot may not be written. */
TEST(injector_slow_reader_keeps_its_slot)
{
    ecsi_injector *q = open_turns(4, 0xffffffff);
    uint64_t mine;
    ecsi_turn *slot;
    for (uint64_t i = 0; i < 4; i++) CHECK(ecsi_injector_push(q, item(i)));
    mine = ECSI_ADD(&q->ring.head, 1u, relaxed);
    slot = &q->ring.slots[mine & 3];
    CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), 1);
    CHECK(!ecsi_injector_push(q, item(4)));
    CHECK_EQ_U64(number_of(ECSI_LOAD(&slot->item, relaxed)), 0);
    ECSI_STORE(&slot->turn, mine + 4, release);
    CHECK(ecsi_injector_push(q, item(4)));
    CHECK(ecsi_injector_push(q, item(5)));
    CHECK(!ecsi_injector_push(q, item(6)));
    for (uint64_t i = 2; i < 6; i++) CHECK_EQ_U64(number_of(ecsi_injector_pop(q)), i);
    CHECK(ecsi_injector_pop(q) == NULL);
}

/* ---- what the asserts refuse -------------------------------------------------------------- */

TEST_DEATH(deque_capacity_no_power_of_two_asserts)
{
    (void)open_ring(&ring_a, 3, 0);
}

TEST_DEATH(deque_push_null_asserts)
{
    (void)ecsi_deque_push(open_ring(&ring_a, 4, 0), NULL);
}

TEST_DEATH(deque_push_of_the_lost_mark_asserts)
{
    (void)ecsi_deque_push(open_ring(&ring_a, 4, 0), ECSI_STEAL_LOST);
}

TEST_DEATH(batch_into_itself_asserts)
{
    ecsi_deque *d = open_ring(&ring_a, 4, 0);
    uint32_t more;
    (void)ecsi_deque_steal_batch(d, d, 4, &more);
}

TEST_DEATH(injector_capacity_one_asserts)
{
    (void)open_turns(1, 0);
}
