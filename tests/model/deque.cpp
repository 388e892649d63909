/* deque.cpp: the work-stealing deque and the injector of src/deque.h. Every item comes out
 * exactly once, and what was written before the push is there. */
#include "library.h"

/* For a mutant: one CAS for two items. The owner takes without a CAS while it sees two. */
#define MODEL_CLAIM_TWO(from, to)                                                              \
    ({                                                                                         \
        int64_t at = ECSI_LOAD(&(from)->top, acquire);                                         \
        void *claimed = NULL;                                                                  \
        ECSI_FENCE(seq_cst);                                                                   \
        if (at + 2 <= ECSI_LOAD(&(from)->bottom, acquire)) {                                   \
            void *second = ECSI_LOAD(ecsi_deque_slot(from, at + 1), relaxed);                  \
            claimed = ECSI_LOAD(ecsi_deque_slot(from, at), relaxed);                           \
            if (!ECSI_CAS(&(from)->top, &at, at + 2, seq_cst, relaxed)) {                      \
                claimed = ECSI_STEAL_LOST;                                                     \
            } else {                                                                           \
                (void)ecsi_deque_push(to, second);                                             \
            }                                                                                  \
        }                                                                                      \
        claimed;                                                                               \
    })

#include "deque.h"

enum { ITEMS_MAX = 8 };

/* Things to be handed over. Who gets one owns it: it reads what the pusher wrote, and writes. */
struct items {
    model_field<int> payload[ITEMS_MAX];
    unsigned pushed;
    unsigned got[ITEMS_MAX];

    items() : pushed(0), got() {}

    void *next()
    {
        payload[pushed] = 100 + (int)pushed;
        return &payload[pushed++];
    }
    unsigned get(void *item)
    {
        unsigned n = (unsigned)((model_field<int> *)item - payload);
        MODEL_REQUIRE(n < pushed);
        MODEL_REQUIRE(payload[n] == 100 + (int)n);
        payload[n] = 0;
        got[n]++;
        MODEL_REQUIRE(got[n] == 1);
        return n;
    }
    bool all() const
    {
        for (unsigned i = 0; i < pushed; i++) {
            if (got[i] != 1) return false;
        }
        return true;
    }
};

template <unsigned CAPACITY> struct ring {
    ecsi_deque deque;
    ecsi_atomic_ptr slots[CAPACITY];
    items all;

    explicit ring(int64_t start = ((int64_t)1 << 32) - 1)
    {
        for (unsigned i = 0; i < CAPACITY; i++) {
            ECSI_STORE(&slots[i], NULL, relaxed);
            model_cell_kind(slots[i].value.cell, MODEL_CLAIMED);
        }
        ecsi_deque_create(&deque, slots, CAPACITY, start);
    }
    /* What does not fit is used at once, as the pool does. */
    void push()
    {
        void *item = all.next();
        if (!ecsi_deque_push(&deque, item)) all.get(item);
    }
    bool take()
    {
        void *item = ecsi_deque_take(&deque);
        if (item != NULL) all.get(item);
        return item != NULL;
    }
    bool steal()
    {
        void *item = ecsi_deque_steal(&deque);
        if (item == NULL || item == ECSI_STEAL_LOST) return false;
        all.get(item);
        return true;
    }
    void after()
    {
        while (take()) {
        }
        MODEL_REQUIRE(ecsi_deque_size(&deque) == 0);
        MODEL_REQUIRE(all.all());
    }
};

/* One item, one thief: the fight for the last one. */
struct deque_last : ring<2> {
    void thread(unsigned index)
    {
        if (index == 0) {
            push();
            (void)take();
        } else {
            (void)steal();
        }
    }
};

struct deque_last_of_three : ring<2> {
    void thread(unsigned index)
    {
        if (index == 0) {
            push();
            push();
            (void)take();
            (void)take();
        } else {
            (void)steal();
        }
    }
};

/* Two items are seen by the owner, which takes the newer one without a CAS. */
struct deque_two : ring<2> {
    void thread(unsigned index)
    {
        if (index == 0) {
            push();
            push();
            (void)take();
            push();
            (void)take();
            (void)take();
        } else {
            (void)steal();
            (void)steal();
        }
    }
};

struct deque_three_threads : ring<4> {
    void thread(unsigned index)
    {
        if (index == 0) {
            push();
            push();
            push();
            (void)take();
            (void)take();
        } else {
            (void)steal();
            (void)steal();
        }
    }
};

/* Slots are written again after they were stolen. */
struct deque_wrap : ring<2> {
    void thread(unsigned index)
    {
        for (unsigned i = 0; i < 4; i++) {
            if (index == 0) {
                push();
            } else {
                (void)steal();
            }
        }
    }
};

struct deque_wrap_three : ring<2> {
    void thread(unsigned index)
    {
        if (index == 0) {
            for (unsigned i = 0; i < 5; i++) push();
            (void)take();
            push();
        } else {
            (void)steal();
            (void)steal();
        }
    }
};

/* Empty again and again: take on nothing must leave nothing behind. */
struct deque_empty : ring<2> {
    void thread(unsigned index)
    {
        if (index == 0) {
            (void)take();
            push();
            (void)take();
            (void)take();
            push();
        } else {
            (void)steal();
            (void)steal();
        }
    }
};

/* A waiter helps with what was pushed after its own start, never with older work. */
struct deque_from : ring<4> {
    int64_t from;

    deque_from() : from(0)
    {
        push();
        from = ECSI_LOAD(&deque.bottom, relaxed);
    }
    void thread(unsigned index)
    {
        void *item;
        if (index == 0) {
            push();
            push();
            (void)take();
        } else if (index == 1) {
            item = ecsi_deque_steal_from(&deque, from);
            if (item != NULL && item != ECSI_STEAL_LOST) MODEL_REQUIRE(all.get(item) > 0);
        } else {
            (void)steal();
        }
    }
};

/* A thief takes a batch into its own deque, from which another one steals. */
struct deque_batch : ring<4> {
    ring<2> pool;

    void thread(unsigned index)
    {
        void *item;
        uint32_t more = 9;
        if (index == 0) {
            push();
            push();
            push();
            (void)take();
        } else if (index == 1) {
            item = ecsi_deque_steal_batch(&deque, &pool.deque, 2, &more);
            MODEL_REQUIRE(more <= 1);
            if (item == NULL || item == ECSI_STEAL_LOST) MODEL_REQUIRE(more == 0);
            if (item != NULL && item != ECSI_STEAL_LOST) all.get(item);
            item = ecsi_deque_take(&pool.deque);
            if (item != NULL) all.get(item);
        } else {
            item = ecsi_deque_steal(&pool.deque);
            if (item != NULL && item != ECSI_STEAL_LOST) all.get(item);
        }
    }
    void after()
    {
        void *item;
        while ((item = ecsi_deque_take(&pool.deque)) != NULL) all.get(item);
        ring<4>::after();
    }
};

/* Four items are waiting; half of them at most goes in one batch. */
struct deque_batch_half : ring<4> {
    ring<4> pool;

    deque_batch_half()
    {
        for (unsigned i = 0; i < 4; i++) push();
    }
    void thread(unsigned index)
    {
        void *item;
        uint32_t more;
        if (index == 0) {
            (void)take();
            (void)take();
            (void)take();
        } else {
            item = ecsi_deque_steal_batch(&deque, &pool.deque, ECSI_BATCH_MAX, &more);
            if (item != NULL && item != ECSI_STEAL_LOST) all.get(item);
            MODEL_REQUIRE(more <= 1);
        }
    }
    void after()
    {
        void *item;
        while ((item = ecsi_deque_take(&pool.deque)) != NULL) all.get(item);
        ring<4>::after();
    }
};

/* ---- The injector ------------------------------------------------------------------------ */

struct turns {
    ecsi_injector queue;
    ecsi_turn slots[2];
    items all;

    turns()
    {
        ecsi_injector_create(&queue, slots, 2, ((uint64_t)1 << 32) - 1);
        /* By its turn only one thread at a time may touch an item. */
        for (unsigned i = 0; i < 2; i++) {
            model_cell_kind(slots[i].item.value.cell, MODEL_PLAIN);
        }
    }
    /* With `n` its number. */
    bool pop(unsigned *n)
    {
        void *item = ecsi_injector_pop(&queue);
        if (item != NULL) *n = all.get(item);
        return item != NULL;
    }
    void after()
    {
        unsigned n;
        while (pop(&n)) {
        }
        MODEL_REQUIRE(ecsi_injector_empty(&queue));
        /* It still has room for two. */
        for (unsigned i = 0; i < 2; i++) {
            MODEL_REQUIRE(ecsi_injector_push(&queue, &queue));
        }
        for (unsigned i = 0; i < 2; i++) MODEL_REQUIRE(ecsi_injector_pop(&queue) == &queue);
        MODEL_REQUIRE(ecsi_injector_pop(&queue) == NULL);
        MODEL_REQUIRE(all.all());
    }
};

/* Each round of the ring hands the slot to a producer that has not seen the former one. */
struct injector_two_two : turns {
    void thread(unsigned index)
    {
        unsigned n;
        if (index < 2) {
            for (unsigned i = 0; i < 2; i++) {
                void *item = all.next();
                if (!ecsi_injector_push(&queue, item)) all.get(item);
            }
        } else {
            (void)pop(&n);
            (void)pop(&n);
        }
    }
};

/* First in, first out. */
struct injector_order : turns {
    void thread(unsigned index)
    {
        unsigned last = 0;
        unsigned n;
        for (unsigned i = 0; i < 4; i++) {
            if (index == 0) {
                void *item = all.next();
                if (!ecsi_injector_push(&queue, item)) all.get(item);
            } else if (pop(&n)) {
                MODEL_REQUIRE(n >= last);
                last = n;
            }
        }
    }
};

struct injector_both_ways : turns {
    void thread(unsigned)
    {
        unsigned n;
        for (unsigned i = 0; i < 2; i++) {
            void *item = all.next();
            if (!ecsi_injector_push(&queue, item)) all.get(item);
            (void)pop(&n);
        }
    }
};

/* Room and items are found: with one item in it a push and a pop succeed. */
struct injector_progress : turns {
    injector_progress()
    {
        (void)ecsi_injector_push(&queue, all.next());
    }
    void thread(unsigned index)
    {
        unsigned n;
        if (index == 0) {
            MODEL_REQUIRE(ecsi_injector_push(&queue, all.next()));
        } else {
            MODEL_REQUIRE(pop(&n));
        }
    }
};

const model_scenario model_scenarios[] = {
    MODEL_SCENARIO(deque_last, 2),
    MODEL_SCENARIO(deque_last_of_three, 3),
    MODEL_SCENARIO(deque_two, 2),
    MODEL_SCENARIO(deque_three_threads, 3),
    MODEL_SCENARIO(deque_wrap, 2),
    MODEL_SCENARIO(deque_wrap_three, 3),
    MODEL_SCENARIO(deque_empty, 2),
    MODEL_SCENARIO(deque_from, 3),
    MODEL_SCENARIO(deque_batch, 3),
    MODEL_SCENARIO(deque_batch_half, 2),
    MODEL_SCENARIO(injector_two_two, 4),
    MODEL_SCENARIO(injector_order, 2),
    MODEL_SCENARIO(injector_both_ways, 3),
    MODEL_SCENARIO(injector_progress, 2),
};
const unsigned model_scenario_count = sizeof model_scenarios / sizeof model_scenarios[0];
