/* jobs.c: jobs, latches, parallel loops and reductions, on any number of workers and on none.
 * Built with -DECS_NO_THREADS as well, by scripts/no_threads.sh: then only the forms of one
 * thread are left. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

enum { WORKER_COUNTS = 4, ITEMS_MAX = 1000000 };

static const uint32_t worker_counts[WORKER_COUNTS] = {1, 2, 4, 16};

/* ---- helpers ----------------------------------------------------------------------------- */

static ecs_pool *make(uint32_t workers, uint32_t deque_capacity, uint32_t injector_capacity)
{
    ecs_pool_desc desc;
    ecs_pool *pool;
    memset(&desc, 0, sizeof desc);
    desc.workers = workers;
    desc.deque_capacity = deque_capacity;
    desc.injector_capacity = injector_capacity;
    pool = ecs_pool_create(&desc);
    REQUIRE(pool != NULL);
    return pool;
}

/* Worker and pool of a round: round 0 has neither. */
static ecs_worker *enter_round(uint32_t round, ecs_pool **pool)
{
    ecs_worker *worker;
    *pool = NULL;
    if (round == 0) return NULL;
    *pool = make(worker_counts[round - 1], 0, 0);
    worker = ecs_pool_enter(*pool);
    REQUIRE(worker != NULL);
    return worker;
}

static void leave_round(ecs_worker *worker, ecs_pool *pool)
{
    ecs_pool_leave(worker);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

static uint32_t count_up(uint32_t *word)
{
    return __atomic_fetch_add(word, 1u, __ATOMIC_ACQ_REL);
}

static uint32_t value_of(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void count_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)count_up((uint32_t *)data);
}

/* ---- jobs -------------------------------------------------------------------------------- */

TEST(job_without_worker_runs_at_once)
{
    ecs_job job;
    uint32_t count = 0;
    memset(&job, 0xff, sizeof job);
    ecs_job_run(NULL, &job, count_job, &count);
    CHECK_EQ_U64(count, 1);
    CHECK(ecs_job_done(&job));
    ecs_job_wait(NULL, &job);
    CHECK_EQ_U64(count, 1);
}

TEST(job_is_done_when_it_was_waited_for)
{
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        ecs_job job;
        uint32_t count = 0;
        for (uint32_t i = 1; i <= 1000; i++) {
            ecs_job_run(worker, &job, count_job, &count);
            ecs_job_wait(worker, &job);
            CHECK_EQ_U64(value_of(&count), i);
            CHECK(ecs_job_done(&job));
        }
        leave_round(worker, pool);
    }
}

typedef struct fib {
    uint32_t n;
    uint32_t value;
} fib;

static void fib_job(ecs_worker *worker, void *data)
{
    fib *f = (fib *)data;
    fib left = {f->n - 1, 0};
    fib right = {f->n - 2, 0};
    ecs_job jobs[2];
    f->value = f->n;
    if (f->n < 2) return;
    ecs_job_run(worker, &jobs[0], fib_job, &left);
    ecs_job_run(worker, &jobs[1], fib_job, &right);
    ecs_job_wait(worker, &jobs[1]);
    ecs_job_wait(worker, &jobs[0]);
    f->value = left.value + right.value;
}

TEST(job_recursion_gives_fibonacci)
{
    uint32_t rounds = test_rounds(10, 200);
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (uint32_t i = 0; i < rounds; i++) {
            fib f = {20, 0};
            fib_job(worker, &f);
            CHECK_EQ_U64(f.value, 6765);
        }
        leave_round(worker, pool);
    }
}

/* Each starts the next one and waits for it. */
static void chain_job(ecs_worker *worker, void *data)
{
    uint32_t *depth = (uint32_t *)data;
    ecs_job job;
    if (*depth == 500) return;
    *depth += 1;
    ecs_job_run(worker, &job, chain_job, depth);
    ecs_job_wait(worker, &job);
}

TEST(job_chain_of_five_hundred_ends)
{
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (int i = 0; i < 20; i++) {
            uint32_t depth = 0;
            chain_job(worker, &depth);
            CHECK_EQ_U64(depth, 500);
        }
        leave_round(worker, pool);
    }
}

enum { TREE_WIDTH = 5, TREE_DEPTH = 4, TREE_JOBS = 5 + 25 + 125 + 625 };

typedef struct branch {
    uint32_t depth;
    uint32_t *count;
} branch;

/* Starts five, waits for them from the oldest to the newest. */
static void tree_job(ecs_worker *worker, void *data)
{
    const branch *at = (const branch *)data;
    branch below = {at->depth + 1, at->count};
    ecs_job jobs[TREE_WIDTH];
    if (at->depth > 0) (void)count_up(at->count);
    if (at->depth == TREE_DEPTH) return;
    for (int i = 0; i < TREE_WIDTH; i++) ecs_job_run(worker, &jobs[i], tree_job, &below);
    for (int i = 0; i < TREE_WIDTH; i++) ecs_job_wait(worker, &jobs[i]);
}

TEST(job_tree_of_small_queues_runs_each_once)
{
    static const uint32_t capacities[] = {1, 2, 4, 256};
    uint32_t rounds = test_rounds(10, 300);
    for (uint32_t w = 0; w < WORKER_COUNTS; w++) {
        for (uint32_t c = 0; c < 4; c++) {
            ecs_pool *pool = make(worker_counts[w], capacities[c], 2);
            ecs_worker *worker = ecs_pool_enter(pool);
            for (uint32_t i = 0; i < rounds; i++) {
                uint32_t count = 0;
                branch root = {0, &count};
                tree_job(worker, &root);
                CHECK_EQ_U64(value_of(&count), TREE_JOBS);
            }
            leave_round(worker, pool);
        }
    }
}

enum { MANY = 1000 };

static struct {
    ecs_job jobs[MANY];
    uint32_t counts[MANY];
    uint32_t order[MANY];
} many;

static void check_many(void)
{
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK(ecs_job_done(&many.jobs[i]));
        CHECK_EQ_U64(value_of(&many.counts[i]), 1);
        many.counts[i] = 0;
    }
}

TEST(job_overflow_runs_each_once)
{
    for (uint32_t w = 0; w < WORKER_COUNTS; w++) {
        ecs_pool *pool = make(worker_counts[w], 2, 2);
        ecs_worker *worker = ecs_pool_enter(pool);
        for (int round = 0; round < 5; round++) {
            for (uint32_t i = 0; i < MANY; i++) {
                ecs_job_run(worker, &many.jobs[i], count_job, &many.counts[i]);
            }
            for (uint32_t i = 0; i < MANY; i++) ecs_job_wait(worker, &many.jobs[i]);
            check_many();
        }
        leave_round(worker, pool);
    }
}

TEST(job_wait_in_any_order_runs_each_once)
{
    uint64_t state = test_seed();
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (int again = 0; again < 10; again++) {
            for (uint32_t i = 0; i < MANY; i++) {
                uint32_t k = test_random_below(&state, i + 1);
                many.order[i] = many.order[k];
                many.order[k] = i;
                ecs_job_run(worker, &many.jobs[i], count_job, &many.counts[i]);
            }
            for (uint32_t i = 0; i < MANY; i++) {
                ecs_job_wait(worker, &many.jobs[many.order[i]]);
                CHECK_EQ_U64(value_of(&many.counts[many.order[i]]), 1);
            }
            check_many();
        }
        leave_round(worker, pool);
    }
}

static struct {
    uint32_t places[16];
    uint32_t count;
} noted;

static void note_job(ecs_worker *worker, void *data)
{
    (void)worker;
    noted.places[noted.count++] = *(const uint32_t *)data;
}

/* Without threads a job runs at once, and so with none to steal it the newest is first. */
TEST(job_newest_runs_first)
{
    static const uint32_t names[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    ecs_pool *pool = make(1, 0, 0);
    ecs_worker *worker = ecs_pool_enter(pool);
    for (int i = 0; i < 16; i++) {
        ecs_job_run(worker, &many.jobs[i], note_job, (void *)(uintptr_t)&names[i]);
    }
    ecs_job_wait(worker, &many.jobs[0]);
    CHECK_EQ_U64(noted.count, 16);
    for (uint32_t i = 0; i < 16; i++) {
#ifdef ECS_NO_THREADS
        CHECK_EQ_U64(noted.places[i], i);
#else
        CHECK_EQ_U64(noted.places[i], 15 - i);
#endif
        CHECK(ecs_job_done(&many.jobs[i]));
    }
    leave_round(worker, pool);
}

/* ---- latches ----------------------------------------------------------------------------- */

enum { GRAPH_ROWS = 20, GRAPH_COLUMNS = 20 };

/* Each job of a row starts the next one in its column; nobody waits for any of them. */
typedef struct cell {
    ecs_job job;
    ecs_latch *latch;
    uint32_t *count;
    uint32_t row;
    uint64_t value;
} cell;

static cell graph[GRAPH_COLUMNS][GRAPH_ROWS];

/* A job counts down before it is done, and before that it cannot be used again. */
static void until_done(const ecs_job *job)
{
    while (!ecs_job_done(job)) usleep(1);
}

static void cell_job(ecs_worker *worker, void *data)
{
    cell *c = (cell *)data;
    (void)count_up(c->count);
    c->value = c->row == 0 ? 1 : c[-1].value + 1;
    if (c->row + 1 < GRAPH_ROWS) ecs_job_run(worker, &c[1].job, cell_job, &c[1]);
    ecs_latch_down(worker, c->latch);
}

TEST(latch_opens_when_all_have_counted_down)
{
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (int again = 0; again < 50; again++) {
            ecs_latch latch;
            uint32_t count = 0;
            ecs_latch_init(&latch, GRAPH_ROWS * GRAPH_COLUMNS);
            for (uint32_t i = 0; i < GRAPH_COLUMNS; i++) {
                for (uint32_t k = 0; k < GRAPH_ROWS; k++) {
                    graph[i][k].latch = &latch;
                    graph[i][k].count = &count;
                    graph[i][k].row = k;
                }
                ecs_job_run(worker, &graph[i][0].job, cell_job, &graph[i][0]);
            }
            ecs_latch_wait(worker, &latch);
            CHECK_EQ_U64(value_of(&count), GRAPH_ROWS * GRAPH_COLUMNS);
            for (uint32_t i = 0; i < GRAPH_COLUMNS; i++) {
                CHECK_EQ_U64(graph[i][GRAPH_ROWS - 1].value, GRAPH_ROWS);
                for (uint32_t k = 0; k < GRAPH_ROWS; k++) until_done(&graph[i][k].job);
            }
        }
        leave_round(worker, pool);
    }
}

TEST(latch_of_nothing_is_open)
{
    ecs_pool *pool;
    ecs_worker *worker = enter_round(2, &pool);
    ecs_latch latch;
    ecs_latch_init(&latch, 0);
    ecs_latch_wait(NULL, &latch);
    ecs_latch_wait(worker, &latch);
    ecs_latch_init(&latch, 1);
    ecs_latch_down(NULL, &latch);
    ecs_latch_wait(NULL, &latch);
    ecs_latch_wait(worker, &latch);
    leave_round(worker, pool);
}

/* ---- loops ------------------------------------------------------------------------------- */

static unsigned char item_counts[ITEMS_MAX];

typedef struct loop_check {
    uint32_t count;
    uint32_t grain; /* 0: any */
    uint32_t ranges;
} loop_check;

static void count_items(ecs_worker *worker, ecs_range range, void *data)
{
    loop_check *check = (loop_check *)data;
    (void)worker;
    (void)count_up(&check->ranges);
    CHECK(range.count > 0);
    REQUIRE(range.first < check->count && range.count <= check->count - range.first);
    CHECK(range.count >= check->grain || range.first + range.count == check->count);
    for (uint32_t i = range.first; i < range.first + range.count; i++) item_counts[i]++;
}

static void check_loop(ecs_worker *worker, uint32_t count, uint32_t grain)
{
    ecs_loop loop = {count, grain};
    loop_check check = {count, grain, 0};
    memset(item_counts, 0, count);
    ecs_parallel_for(worker, loop, count_items, &check);
    CHECK((count == 0) == (check.ranges == 0));
    for (uint32_t i = 0; i < count; i++) {
        if (item_counts[i] == 1) continue;
        CHECK_EQ_U64(item_counts[i], 1);
        printf("    item %u of %u, grain %u\n", (unsigned)i, (unsigned)count, (unsigned)grain);
    }
}

TEST(for_runs_each_item_once)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 7, 8, 63, 64, 65, 1000, 4096, ITEMS_MAX};
    static const uint32_t grains[] = {0, 1, 2, 7, 64, 1000, 999999, UINT32_MAX};
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (uint32_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            for (uint32_t g = 0; g < sizeof grains / sizeof *grains; g++) {
                if (TEST_SANITIZED != 0 && counts[c] == ITEMS_MAX && grains[g] < 7) continue;
                check_loop(worker, counts[c], grains[g]);
            }
        }
        leave_round(worker, pool);
    }
}

TEST(for_random_runs_each_item_once)
{
    uint64_t state = test_seed();
    uint32_t rounds = test_rounds(500, 20000);
    for (uint32_t w = 1; w < WORKER_COUNTS; w++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(w + 1, &pool);
        for (uint32_t i = 0; i < rounds; i++) {
            uint32_t count = test_random_below(&state, 3000);
            check_loop(worker, count, test_random_below(&state, 2) * test_random_below(&state, 70));
        }
        leave_round(worker, pool);
    }
}

enum { SIDE = 12 };

typedef struct nest {
    unsigned char *counts;
    uint32_t depth;
    uint32_t first;
    uint32_t grain;
} nest;

static void nest_body(ecs_worker *worker, ecs_range range, void *data)
{
    const nest *outer = (const nest *)data;
    for (uint32_t i = range.first; i < range.first + range.count; i++) {
        nest inner = *outer;
        ecs_loop loop = {SIDE, outer->grain};
        inner.depth++;
        inner.first = outer->first * SIDE + i;
        if (inner.depth == 3) {
            inner.counts[inner.first]++;
        } else {
            ecs_parallel_for(worker, loop, nest_body, &inner);
        }
    }
}

TEST(for_nested_three_deep_runs_each_item_once)
{
    static unsigned char counts[SIDE * SIDE * SIDE];
    uint32_t rounds = test_rounds(30, 1000);
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (uint32_t k = 0; k < rounds; k++) {
            nest root = {counts, 0, 0, k % 3};
            ecs_loop loop = {SIDE, root.grain};
            memset(counts, 0, sizeof counts);
            ecs_parallel_for(worker, loop, nest_body, &root);
            for (uint32_t i = 0; i < sizeof counts; i++) CHECK_EQ_U64(counts[i], 1);
        }
        leave_round(worker, pool);
    }
}

/* A loop inside of a loop in a pool whose deques hold one job. */
TEST(for_nested_without_room_runs_each_item_once)
{
    static unsigned char counts[SIDE * SIDE * SIDE];
    for (uint32_t w = 0; w < WORKER_COUNTS; w++) {
        ecs_pool *pool = make(worker_counts[w], 1, 2);
        ecs_worker *worker = ecs_pool_enter(pool);
        nest root = {counts, 0, 0, 1};
        ecs_loop loop = {SIDE, 1};
        memset(counts, 0, sizeof counts);
        ecs_parallel_for(worker, loop, nest_body, &root);
        for (uint32_t i = 0; i < sizeof counts; i++) CHECK_EQ_U64(counts[i], 1);
        leave_round(worker, pool);
    }
}

/* ---- reductions -------------------------------------------------------------------------- */

static float numbers[ITEMS_MAX];

typedef struct shape {
    uint32_t leaves;
    uint32_t items;
    uint32_t smallest; /* of all leaves but the last */
    uint32_t largest;
    uint32_t count;
    uint64_t disturb; /* 0: not */
} shape;

static void note_leaf(shape *s, ecs_range range)
{
    (void)count_up(&s->leaves);
    __atomic_fetch_add(&s->items, range.count, __ATOMIC_RELAXED);
    if (s->disturb != 0) {
        uint64_t state = s->disturb + range.first;
        if (test_random_below(&state, 4) == 0) usleep(test_random_below(&state, 100));
    }
}

static void sum_leaf(ecs_worker *worker, ecs_range range, void *value, void *data)
{
    float sum = 0;
    (void)worker;
    note_leaf((shape *)data, range);
    for (uint32_t i = range.first; i < range.first + range.count; i++) sum += numbers[i];
    memcpy(value, &sum, sizeof sum);
}

static void sum_combine(void *left, const void *right, void *data)
{
    float a;
    float b;
    (void)data;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    a += b;
    memcpy(left, &a, sizeof a);
}

static uint32_t sum_bits(ecs_worker *worker, uint32_t count, uint32_t grain, uint64_t disturb)
{
    shape s;
    ecs_reduce reduce;
    float value = -1;
    uint32_t bits;
    memset(&s, 0, sizeof s);
    memset(&reduce, 0, sizeof reduce);
    s.disturb = disturb;
    reduce.count = count;
    reduce.grain = grain;
    reduce.bytes = sizeof value;
    reduce.leaf = sum_leaf;
    reduce.combine = sum_combine;
    reduce.data = &s;
    CHECK_STATUS(ecs_parallel_reduce(worker, &reduce, &value), ECS_OK);
    CHECK_EQ_U64(s.items, count);
    CHECK(s.leaves <= ECS_REDUCE_LEAVES_MAX);
    CHECK_EQ_U64(s.leaves == 0, count == 0);
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const uint32_t reduce_counts[] = {0,    1,    2,    1023,   1024,   1025,
                                         2048, 5000, 9999, 262144, 262145, ITEMS_MAX};
static const uint32_t reduce_grains[] = {0, 1, 3, 100, UINT32_MAX};

enum { REDUCE_COUNTS = 12, REDUCE_GRAINS = 5 };

TEST(reduce_of_floats_is_equal_to_the_bit)
{
    static uint32_t first[REDUCE_COUNTS][REDUCE_GRAINS];
    float minus_one = -1;
    uint32_t untouched;
    uint64_t state = test_seed();
    uint32_t differ = 0;
    memcpy(&untouched, &minus_one, sizeof untouched);
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        uint32_t r = test_random_below(&state, 1u << 24);
        numbers[i] = (float)r * (i % 7 == 0 ? 1e-9f : i % 3 == 0 ? -1.0f : 1e3f);
    }
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (uint32_t c = 0; c < REDUCE_COUNTS; c++) {
            for (uint32_t g = 0; g < REDUCE_GRAINS; g++) {
                uint32_t bits = sum_bits(worker, reduce_counts[c], reduce_grains[g], 0);
                if (round == 0) first[c][g] = bits;
                CHECK_EQ_U64(bits, first[c][g]);
                if (bits != first[c][0]) differ++;
            }
        }
        for (uint32_t again = 1; again < 5; again++) {
            CHECK_EQ_U64(sum_bits(worker, 9999, 100, test_random_u64(&state)), first[8][3]);
        }
        leave_round(worker, pool);
    }
    CHECK_EQ_U64(first[0][0], untouched); /* of no items */
    CHECK(differ > 0); /* the grain matters, so these numbers can tell */
}

/* A value that knows which items it is made of: combined out of order it is broken. */
typedef struct stretch {
    uint32_t first;
    uint32_t end;
    uint32_t leaves;
    uint32_t good;
    uint64_t product[4]; /* of 2 by 2 matrices modulo 2^64 */
} stretch;

static void multiply(uint64_t *a, const uint64_t *b)
{
    uint64_t c[4];
    c[0] = a[0] * b[0] + a[1] * b[2];
    c[1] = a[0] * b[1] + a[1] * b[3];
    c[2] = a[2] * b[0] + a[3] * b[2];
    c[3] = a[2] * b[1] + a[3] * b[3];
    memcpy(a, c, sizeof c);
}

static void matrix_of(uint32_t i, uint64_t *m)
{
    m[0] = i + 1;
    m[1] = i % 5;
    m[2] = 2;
    m[3] = 7 * (uint64_t)i + 3;
}

static void stretch_items(ecs_range range, stretch *s)
{
    uint64_t m[4];
    memset(s, 0, sizeof *s);
    s->first = range.first;
    s->end = range.first + range.count;
    s->leaves = 1;
    s->good = 1;
    matrix_of(range.first, s->product);
    for (uint32_t i = range.first + 1; i < s->end; i++) {
        matrix_of(i, m);
        multiply(s->product, m);
    }
}

static void stretch_leaf(ecs_worker *worker, ecs_range range, void *value, void *data)
{
    (void)worker;
    note_leaf((shape *)data, range);
    stretch_items(range, (stretch *)value);
}

static void stretch_combine(void *left, const void *right, void *data)
{
    stretch *a = (stretch *)left;
    const stretch *b = (const stretch *)right;
    (void)data;
    a->good = a->good != 0 && b->good != 0 && a->end == b->first;
    a->end = b->end;
    a->leaves += b->leaves;
    multiply(a->product, b->product);
}

TEST(reduce_combines_in_order)
{
    for (uint32_t round = 0; round <= WORKER_COUNTS; round++) {
        ecs_pool *pool;
        ecs_worker *worker = enter_round(round, &pool);
        for (uint32_t c = 1; c < REDUCE_COUNTS * REDUCE_GRAINS; c++) {
            uint32_t count = reduce_counts[c / REDUCE_GRAINS];
            shape s;
            stretch got;
            stretch wanted;
            ecs_range all = {0, count};
            ecs_reduce reduce = {count, reduce_grains[c % REDUCE_GRAINS], sizeof got,
                                 stretch_leaf, stretch_combine, &s};
            if (count == 0 || (TEST_SANITIZED != 0 && count > 9999)) continue;
            memset(&s, 0, sizeof s);
            s.disturb = c % 4 == 0 ? test_seed() + c : 0;
            CHECK_STATUS(ecs_parallel_reduce(worker, &reduce, &got), ECS_OK);
            stretch_items(all, &wanted);
            CHECK_EQ_U64(got.good, 1);
            CHECK_EQ_U64(got.first, 0);
            CHECK_EQ_U64(got.end, count);
            CHECK_EQ_U64(got.leaves, s.leaves);
            CHECK(memcmp(got.product, wanted.product, sizeof got.product) == 0);
        }
        leave_round(worker, pool);
    }
}

static void bytes_leaf(ecs_worker *worker, ecs_range range, void *value, void *data)
{
    const shape *s = (const shape *)data;
    (void)worker;
    memset(value, (int)(range.count & 0x7f), s->count);
}

static void bytes_combine(void *left, const void *right, void *data)
{
    const shape *s = (const shape *)data;
    for (uint32_t i = 0; i < s->count; i++) {
        ((unsigned char *)left)[i] =
            (unsigned char)(((unsigned char *)left)[i] + ((const unsigned char *)right)[i]);
    }
}

TEST(reduce_of_any_size_up_to_the_limit_works)
{
    unsigned char value[ECS_REDUCE_BYTES_MAX + 16];
    ecs_pool *pool;
    ecs_worker *worker = enter_round(3, &pool);
    shape s;
    ecs_reduce reduce = {50, 10, 0, bytes_leaf, bytes_combine, &s};
    memset(&s, 0, sizeof s);
    for (uint32_t bytes = 0; bytes <= ECS_REDUCE_BYTES_MAX + 1; bytes++) {
        bool good = bytes > 0 && bytes <= ECS_REDUCE_BYTES_MAX;
        memset(value, 0xee, sizeof value);
        reduce.bytes = bytes;
        s.count = bytes;
        CHECK_STATUS(ecs_parallel_reduce(worker, &reduce, value), good ? ECS_OK : ECS_TOO_LARGE);
        for (uint32_t i = 0; i < sizeof value; i++) {
            CHECK_EQ_U64(value[i], good && i < bytes ? 50 : 0xee);
        }
    }
    reduce.bytes = UINT32_MAX;
    CHECK_STATUS(ecs_parallel_reduce(worker, &reduce, value), ECS_TOO_LARGE);
    leave_round(worker, pool);
}

static void shape_leaf(ecs_worker *worker, ecs_range range, void *value, void *data)
{
    shape *s = (shape *)data;
    (void)worker;
    memset(value, 0, 4);
    s->leaves++;
    s->items += range.count;
    if (range.first + range.count != s->count && range.count < s->smallest) {
        s->smallest = range.count;
    }
    if (range.count > s->largest) s->largest = range.count;
}

static void shape_combine(void *left, const void *right, void *data)
{
    (void)left;
    (void)right;
    (void)data;
}

static shape shape_of(uint32_t count, uint32_t grain)
{
    uint32_t value = 0;
    shape s;
    ecs_reduce reduce = {count, grain, 4, shape_leaf, shape_combine, &s};
    memset(&s, 0, sizeof s);
    s.smallest = UINT32_MAX;
    s.count = count;
    CHECK_STATUS(ecs_parallel_reduce(NULL, &reduce, &value), ECS_OK);
    CHECK_EQ_U64(s.items, count);
    CHECK(s.leaves <= ECS_REDUCE_LEAVES_MAX);
    if (s.leaves > 1) CHECK_EQ_U64(s.smallest, s.largest); /* all but the last are equal */
    return s;
}

TEST(reduce_has_leaves_of_its_grain_or_the_limit)
{
    CHECK_EQ_U64(shape_of(0, 0).leaves, 0);
    CHECK_EQ_U64(shape_of(1, 0).leaves, 1);
    CHECK_EQ_U64(shape_of(1023, 0).leaves, 1);
    CHECK_EQ_U64(shape_of(1024, 0).leaves, 1);
    CHECK_EQ_U64(shape_of(1025, 0).leaves, 2);
    CHECK_EQ_U64(shape_of(1025, 0).largest, 1024);
    CHECK_EQ_U64(shape_of(1000000, 0).leaves, 256);
    CHECK_EQ_U64(shape_of(1000000, 0).largest, 3907);
    CHECK_EQ_U64(shape_of(256, 1).leaves, 256);
    CHECK_EQ_U64(shape_of(257, 1).leaves, 129);
    CHECK_EQ_U64(shape_of(257, 1).largest, 2);
    CHECK_EQ_U64(shape_of(1000000, UINT32_MAX).leaves, 1);
    CHECK_EQ_U64(shape_of(UINT32_MAX, 0).leaves, 256);
    CHECK_EQ_U64(shape_of(UINT32_MAX, UINT32_MAX - 1).leaves, 2);
    CHECK_EQ_U64(shape_of(UINT32_MAX, UINT32_MAX).leaves, 1);
}

/* ---- a caller's bugs ----------------------------------------------------------------------- */

TEST_DEATH(job_run_without_function_asserts)
{
    ecs_job job;
    ecs_job_run(NULL, &job, NULL, NULL);
}

TEST_DEATH(for_without_body_asserts)
{
    ecs_loop loop = {1, 1};
    ecs_parallel_for(NULL, loop, NULL, NULL);
}

TEST_DEATH(reduce_without_leaf_asserts)
{
    uint32_t value = 0;
    ecs_reduce reduce = {1, 1, 4, NULL, shape_combine, NULL};
    (void)ecs_parallel_reduce(NULL, &reduce, &value);
}

#ifndef ECS_NO_THREADS
TEST_DEATH(latch_wait_without_worker_asserts)
{
    ecs_latch latch;
    ecs_latch_init(&latch, 1);
    ecs_latch_wait(NULL, &latch);
}
#endif

/* ---- threads ----------------------------------------------------------------------------- */

#ifndef ECS_NO_THREADS

#define LATE_NS 20000000000u /* who waits that long waits for ever */

static bool reaches(const uint32_t *word, uint32_t value)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    for (uint32_t spins = 1; value_of(word) < value; spins++) {
        if (spins % 64 == 0) ecsi_yield();
        if (spins % 4096 == 0) usleep(50);
        if (ecsi_clock_ns() > end) return false;
    }
    return true;
}

/* True when the worker of a job has gone to sleep for it, or the job is done. */
static bool sleeps_for(const ecs_job *job)
{
    uint64_t end = ecsi_clock_ns() + LATE_NS;
    while (ECSI_LOAD(&job->state, acquire) == NULL) {
        if (ecsi_clock_ns() > end) return false;
        usleep(50);
    }
    return true;
}

static struct {
    uint32_t told;
    uint32_t payload;
    uint32_t stop;
    ecs_job job;
} poll_state;

static void payload_job(ecs_worker *worker, void *data)
{
    (void)worker;
    poll_state.payload = *(const uint32_t *)data;
}

/* No worker: it only looks. */
static void *run_poller(void *data)
{
    uint32_t rounds = *(const uint32_t *)data;
    for (uint32_t i = 1; i <= rounds; i++) {
        if (!reaches(&poll_state.told, i)) test_stop();
        while (!ecs_job_done(&poll_state.job)) ecsi_yield();
        CHECK_EQ_U64(poll_state.payload, i);
        (void)count_up(&poll_state.stop);
    }
    return NULL;
}

TEST(job_done_is_seen_by_a_thread_without_a_worker)
{
    uint32_t rounds = test_rounds(1000, 20000);
    ecs_pool *pool = make(3, 0, 0);
    ecs_worker *worker = ecs_pool_enter(pool);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run_poller, &rounds) == 0);
    for (uint32_t i = 1; i <= rounds; i++) {
        ecs_job_run(worker, &poll_state.job, payload_job, &i);
        (void)count_up(&poll_state.told);
        ecs_job_wait(worker, &poll_state.job);
        REQUIRE(reaches(&poll_state.stop, i));
    }
    pthread_join(thread, NULL);
    leave_round(worker, pool);
}

static struct {
    uint32_t arrived;
    uint32_t wanted;
} party;

/* Ends when all are at it at the same time. */
static void party_job(ecs_worker *worker, void *data)
{
    (void)worker;
    (void)data;
    (void)count_up(&party.arrived);
    if (!reaches(&party.arrived, party.wanted)) {
        CHECK_EQ_U64(value_of(&party.arrived), party.wanted);
        test_stop();
    }
}

/* The worker that starts them is busy elsewhere, so each must come to a thread of its own: a
 * job behind another one in a deque is stolen, and who has found work wakes the next. */
static void hold_parties(uint32_t threads, uint32_t rounds, uint32_t pause_us)
{
    ecs_job jobs[16];
    ecs_pool *pool = make(threads + 1, 0, 0);
    ecs_worker *worker = ecs_pool_enter(pool);
    party.wanted = threads;
    for (uint32_t i = 0; i < rounds; i++) {
        if (pause_us > 0 && i % 4 == 0) usleep(pause_us);
        party.arrived = 0;
        for (uint32_t k = 0; k < threads; k++) ecs_job_run(worker, &jobs[k], party_job, NULL);
        REQUIRE(reaches(&party.arrived, threads));
        for (uint32_t k = 0; k < threads; k++) ecs_job_wait(worker, &jobs[k]);
    }
    leave_round(worker, pool);
}

TEST(job_of_a_busy_worker_is_stolen)
{
    hold_parties(1, test_rounds(2000, 100000), 0);
    hold_parties(1, test_rounds(200, 10000), 300);
}

TEST(job_behind_a_long_one_is_stolen)
{
    static const uint32_t threads[] = {2, 3, 4, 7, 16};
    for (uint32_t i = 0; i < 5; i++) {
        hold_parties(threads[i], test_rounds(300, 20000), 0);
        hold_parties(threads[i], test_rounds(100, 5000), 300);
    }
}

/* The parties are started by one job, on a thread of the pool. */
static void host_job(ecs_worker *worker, void *data)
{
    ecs_job jobs[16];
    uint32_t rounds = *(const uint32_t *)data;
    for (uint32_t i = 0; i < rounds; i++) {
        party.arrived = 0;
        for (uint32_t k = 0; k < party.wanted; k++) {
            ecs_job_run(worker, &jobs[k], party_job, NULL);
        }
        for (uint32_t k = 0; k < party.wanted; k++) ecs_job_wait(worker, &jobs[k]);
    }
}

TEST(job_of_a_waiting_worker_is_stolen_from_it)
{
    uint32_t rounds = test_rounds(300, 20000);
    for (uint32_t threads = 2; threads < 6; threads++) {
        ecs_pool *pool = make(threads + 1, 0, 0);
        ecs_worker *worker = ecs_pool_enter(pool);
        ecs_job job;
        party.wanted = threads;
        ecs_job_run(worker, &job, host_job, &rounds);
        while (!ecs_job_done(&job)) usleep(100);
        ecs_job_wait(worker, &job);
        leave_round(worker, pool);
    }
}

/* Each range holds its worker until all of them hold one: that takes a helper for each. */
static void party_range(ecs_worker *worker, ecs_range range, void *data)
{
    (void)data;
    CHECK_EQ_U64(range.count, 1);
    party_job(worker, NULL);
}

TEST(for_wakes_a_helper_for_each_range)
{
    for (uint32_t workers = 2; workers < 6; workers++) {
        ecs_pool *pool = make(workers, 0, 0);
        ecs_worker *worker = ecs_pool_enter(pool);
        ecs_loop loop = {workers, 1};
        party.wanted = workers;
        for (uint32_t i = 0; i < test_rounds(200, 10000); i++) {
            if (i % 4 == 0) usleep(300);
            party.arrived = 0;
            ecs_parallel_for(worker, loop, party_range, NULL);
            CHECK_EQ_U64(party.arrived, workers);
        }
        leave_round(worker, pool);
    }
}

/* The caller has nothing left to do long before its helper is at its end, and sleeps. */
static void slow_helper(ecs_worker *worker, ecs_range range, void *data)
{
    uint32_t *ends = (uint32_t *)data;
    (void)range;
    party_job(worker, NULL);
    if (worker->index < worker->pool->thread_count) usleep(20000);
    (void)count_up(ends);
}

TEST(for_sleeps_until_its_helpers_have_ended)
{
    ecs_pool *pool = make(2, 0, 0);
    ecs_worker *worker = ecs_pool_enter(pool);
    ecs_loop loop = {2, 1};
    ecs_worker_stats stats;
    uint32_t parks;
    party.wanted = 2;
    CHECK_STATUS(ecs_pool_stats(pool, 1, &stats), ECS_OK);
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t ends = 0;
        party.arrived = 0;
        ecs_parallel_for(worker, loop, slow_helper, &ends);
        CHECK_EQ_U64(ends, 2);
    }
    parks = (uint32_t)stats.parks;
    CHECK_STATUS(ecs_pool_stats(pool, 1, &stats), ECS_OK);
    CHECK(stats.parks > parks);
    leave_round(worker, pool);
}

/* The same for who waits for a job, and for a latch. */
static void slow_job(ecs_worker *worker, void *data)
{
    (void)count_up((uint32_t *)data);
    usleep(10000);
    (void)worker;
    (void)count_up((uint32_t *)data);
}

typedef struct latched {
    ecs_latch latch;
    uint32_t count;
} latched;

static void slow_latch_job(ecs_worker *worker, void *data)
{
    latched *l = (latched *)data;
    slow_job(worker, &l->count);
    ecs_latch_down(worker, &l->latch);
}

TEST(wait_sleeps_until_the_thief_has_ended)
{
    ecs_pool *pool = make(2, 0, 0);
    ecs_worker *worker = ecs_pool_enter(pool);
    for (int i = 0; i < 5; i++) {
        ecs_job job;
        latched l;
        uint32_t count = 0;
        ecs_job_run(worker, &job, slow_job, &count);
        REQUIRE(reaches(&count, 1));
        ecs_job_wait(worker, &job);
        CHECK_EQ_U64(count, 2);
        l.count = 0;
        ecs_latch_init(&l.latch, 1);
        ecs_job_run(worker, &job, slow_latch_job, &l);
        REQUIRE(reaches(&l.count, 1));
        ecs_latch_wait(worker, &l.latch);
        CHECK_EQ_U64(value_of(&l.count), 2);
        ecs_job_wait(worker, &job);
    }
    leave_round(worker, pool);
}

/* Its starter waits for `asleep`, in the deque of who stole it together with this one. */
typedef struct trap {
    ecs_job *asleep;
    uint32_t count;
} trap;

/* Fills its deque of four above a stolen job; the last job overflows. Waiting for that one it
 * runs all of its deque, the stolen one too, whose starter sleeps. */
static void trap_job(ecs_worker *worker, void *data)
{
    trap *t = (trap *)data;
    ecs_job jobs[4];
    if (!sleeps_for(t->asleep)) test_stop();
    for (int i = 0; i < 4; i++) ecs_job_run(worker, &jobs[i], count_job, &t->count);
    for (int i = 4; i-- > 0;) ecs_job_wait(worker, &jobs[i]);
}

static struct {
    ecs_worker *from;
    ecs_worker *worker;
    uint32_t ready;
    uint32_t count;
} thief;

/* Steals once, by hand. */
static void *run_thief(void *data)
{
    ecs_job *job;
    (void)data;
    do {
        job = ecsi_worker_rob(thief.worker, thief.from->index);
    } while (job == NULL);
    (void)count_up(&thief.ready);
    ecsi_job_execute(thief.worker, job);
    ecs_pool_leave(thief.worker);
    return NULL;
}

static void thief_start(ecs_worker *from, pthread_t *thread)
{
    memset(&thief, 0, sizeof thief);
    thief.from = from;
    thief.worker = ecs_pool_enter(from->pool);
    REQUIRE(thief.worker != NULL);
    REQUIRE(pthread_create(thread, NULL, run_thief, NULL) == 0);
    REQUIRE(reaches(&thief.ready, 1));
}

TEST(job_stolen_in_a_batch_wakes_its_starter)
{
    ecs_pool *pool = make(1, 4, 2);
    ecs_worker *worker = ecs_pool_enter(pool);
    ecs_job jobs[4];
    pthread_t thread;
    uint32_t count = 0;
    trap t = {&jobs[1], 0};
    ecs_job_run(worker, &jobs[0], trap_job, &t);
    for (int i = 1; i < 4; i++) ecs_job_run(worker, &jobs[i], count_job, &count);
    thief_start(worker, &thread);
    for (int i = 4; i-- > 0;) ecs_job_wait(worker, &jobs[i]);
    pthread_join(thread, NULL);
    CHECK_EQ_U64(count, 3);
    CHECK_EQ_U64(t.count, 4);
    leave_round(worker, pool);
}

/* Holds its thief until the others have run. */
static void holding_job(ecs_worker *worker, void *data)
{
    (void)worker;
    if (!reaches((const uint32_t *)data, 3)) {
        CHECK_EQ_U64(value_of((const uint32_t *)data), 3);
        test_stop();
    }
}

TEST(job_in_the_deque_of_a_busy_thief_is_taken_back)
{
    ecs_pool *pool = make(1, 0, 0);
    ecs_worker *worker = ecs_pool_enter(pool);
    ecs_job jobs[4];
    pthread_t thread;
    uint32_t count = 0;
    ecs_job_run(worker, &jobs[0], holding_job, &count);
    for (int i = 1; i < 4; i++) ecs_job_run(worker, &jobs[i], count_job, &count);
    thief_start(worker, &thread);
    for (int i = 4; i-- > 0;) ecs_job_wait(worker, &jobs[i]);
    pthread_join(thread, NULL);
    CHECK_EQ_U64(count, 3);
    leave_round(worker, pool);
}

/* The thief may have a job of its own, older than what it steals. */
typedef struct leaping {
    ecs_job *unrelated; /* or NULL */
    uint32_t parts;
    uint32_t taken; /* parts, when the thief had not waited for its part yet */
    uint32_t early; /* the unrelated one ran meanwhile */
} leaping;

/* Starts a part, and lets the one who waits for us steal it. */
static void leap_job(ecs_worker *worker, void *data)
{
    leaping *l = (leaping *)data;
    ecs_job part;
    ecs_job_run(worker, &part, count_job, &l->parts);
    if (l->unrelated == NULL) {
        (void)reaches(&l->parts, 1);
    } else {
        usleep(5000); /* time to steal what it should not */
        l->early = ecs_job_done(l->unrelated) ? 1 : 0;
    }
    l->taken = value_of(&l->parts);
    ecs_job_wait(worker, &part);
}

static void leap_round(ecs_pool *pool, bool unrelated)
{
    ecs_worker *worker = ecs_pool_enter(pool);
    ecs_worker *other = ecs_pool_enter(pool);
    ecs_job older;
    ecs_job job;
    pthread_t thread;
    uint32_t count = 0;
    leaping l = {unrelated ? &older : NULL, 0, 0, 0};
    memset(&thief, 0, sizeof thief);
    thief.from = worker;
    thief.worker = other;
    if (unrelated) ecs_job_run(other, &older, count_job, &count);
    ecs_job_run(worker, &job, leap_job, &l);
    REQUIRE(pthread_create(&thread, NULL, run_thief, NULL) == 0);
    REQUIRE(reaches(&thief.ready, 1));
    ecs_job_wait(worker, &job);
    CHECK_EQ_U64(l.parts, 1);
    CHECK_EQ_U64(l.early, 0);
    if (!unrelated) CHECK_EQ_U64(l.taken, 1);
    pthread_join(thread, NULL); /* leaves, and so runs what it has */
    CHECK_EQ_U64(count, unrelated ? 1 : 0);
    ecs_pool_leave(worker);
}

TEST(wait_steals_back_parts_and_nothing_else)
{
    ecs_pool *pool = make(1, 0, 0);
    for (int round = 0; round < 20; round++) leap_round(pool, round % 2 == 1);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* A job starts others and does not wait for them: whoever waits for all counts. */
typedef struct spread {
    ecs_job job;
    uint32_t left;
    uint32_t *count;
} spread;

static spread spreads[4096];

static void spread_job(ecs_worker *worker, void *data)
{
    spread *s = (spread *)data;
    uint32_t *count = s->count;
    uint32_t left = s->left;
    while (left > 1) {
        uint32_t half = left / 2;
        s[half].left = left - half;
        s[half].count = count;
        left = half;
        ecs_job_run(worker, &s[half].job, spread_job, &s[half]);
    }
    (void)count_up(count);
}

TEST(job_that_nobody_waits_for_runs)
{
    for (uint32_t w = 1; w < WORKER_COUNTS; w++) {
        ecs_pool *pool = make(worker_counts[w], 64, 64);
        ecs_worker *worker = ecs_pool_enter(pool);
        for (uint32_t round = 0; round < test_rounds(20, 1000); round++) {
            uint32_t count = 0;
            ecs_job root;
            spreads[0].left = 4096;
            spreads[0].count = &count;
            ecs_job_run(worker, &root, spread_job, &spreads[0]);
            while (!ecs_job_done(&root)) ecsi_yield(); /* by a thread */
            REQUIRE(reaches(&count, 4096));
            ecs_job_wait(worker, &root);
            for (uint32_t i = 1; i < 4096; i++) until_done(&spreads[i].job);
        }
        leave_round(worker, pool);
    }
}

/* ---- several at once ----------------------------------------------------------------------- */

typedef struct guest_work {
    ecs_pool *pool;
    uint64_t seed;
    uint32_t rounds;
    unsigned char counts[2000];
    unsigned char cubes[SIDE * SIDE * SIDE];
} guest_work;

static void guest_items(ecs_worker *worker, ecs_range range, void *data)
{
    guest_work *g = (guest_work *)data;
    (void)worker;
    for (uint32_t i = range.first; i < range.first + range.count; i++) g->counts[i]++;
}

static void *run_guest(void *data)
{
    guest_work *g = (guest_work *)data;
    ecs_worker *worker = ecs_pool_enter(g->pool);
    uint64_t state = g->seed;
    REQUIRE(worker != NULL);
    for (uint32_t k = 0; k < g->rounds; k++) {
        ecs_loop loop = {test_random_below(&state, 2000), test_random_below(&state, 40)};
        nest root = {g->cubes, 0, 0, k % 3};
        ecs_loop outer = {SIDE, 1};
        fib f = {10, 0};
        memset(g->counts, 0, sizeof g->counts);
        memset(g->cubes, 0, sizeof g->cubes);
        ecs_parallel_for(worker, loop, guest_items, g);
        for (uint32_t i = 0; i < 2000; i++) CHECK_EQ_U64(g->counts[i], i < loop.count ? 1 : 0);
        ecs_parallel_for(worker, outer, nest_body, &root);
        for (uint32_t i = 0; i < sizeof g->cubes; i++) CHECK_EQ_U64(g->cubes[i], 1);
        fib_job(worker, &f);
        CHECK_EQ_U64(f.value, 55);
    }
    ecs_pool_leave(worker);
    return NULL;
}

TEST(for_of_several_guests_at_once_runs_each_item_once)
{
    static guest_work work[4];
    pthread_t threads[4];
    ecs_pool *pool = make(3, 0, 0);
    for (uint32_t i = 0; i < 4; i++) {
        work[i].pool = pool;
        work[i].seed = test_seed() + i;
        work[i].rounds = test_rounds(100, 5000);
        REQUIRE(pthread_create(&threads[i], NULL, run_guest, &work[i]) == 0);
    }
    for (uint32_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

#endif /* ECS_NO_THREADS */
