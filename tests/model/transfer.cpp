/* transfer.cpp: batches over the ring of src/ring.h, as the routes between worlds send them: any
 * number of senders claim positions that follow each other, write what lies there and publish;
 * one taker finds all of a batch with its first, and holds it before it lets go. */
#include "library.h"

#include "ring.h"

enum { VALUES_MAX = 16 };

template <unsigned CAPACITY> struct way {
    ecsi_ring ring;
    ecsi_turn turns[CAPACITY];
    model_field<int> values[CAPACITY]; /* plain: the turns alone say who may touch them */
    model_field<int> counts[CAPACITY]; /* of the batch, from here on */
    unsigned sent;
    unsigned got[VALUES_MAX];

    explicit way(bool single = false) : sent(0), got()
    {
        ecsi_ring_create(&ring, turns, CAPACITY, ((uint64_t)1 << 32) - 1);
        ring.single = single;
    }
    /* Answers how many were sent. */
    unsigned send(unsigned least, unsigned most)
    {
        uint64_t at = 0;
        unsigned n = ecsi_ring_claim(&ring, least, most, &at);
        MODEL_REQUIRE(n == 0 || n >= least);
        MODEL_REQUIRE(n <= most);
        if (n == 0) return 0;
        for (unsigned i = 0; i < n; i++) {
            values[(at + i) % CAPACITY] = 100 + (int)sent++;
            counts[(at + i) % CAPACITY] = (int)(n - i);
        }
        ecsi_ring_publish_all(&ring, at, n);
        return n;
    }
    unsigned receive()
    {
        uint64_t at = 0;
        uint64_t next = 0;
        if (!ecsi_ring_take(&ring, &at)) return 0;
        int n = counts[at % CAPACITY];
        MODEL_REQUIRE(n >= 1 && n <= (int)CAPACITY);
        for (int i = 1; i < n; i++) {
            MODEL_REQUIRE(ecsi_ring_take(&ring, &next));
            MODEL_REQUIRE(next == at + (uint64_t)i);
        }
        for (int i = 0; i < n; i++) {
            int value = values[(at + (uint64_t)i) % CAPACITY];
            MODEL_REQUIRE(value >= 100 && value < 100 + (int)sent);
            got[value - 100]++;
            MODEL_REQUIRE(got[value - 100] == 1);
            values[(at + (uint64_t)i) % CAPACITY] = 0;
        }
        for (int i = 0; i < n; i++) ecsi_ring_release(&ring, at + (uint64_t)i);
        return (unsigned)n;
    }
    void after()
    {
        uint64_t at = 0;
        while (receive() > 0) {
        }
        for (unsigned i = 0; i < sent; i++) MODEL_REQUIRE(got[i] == 1);
        MODEL_REQUIRE(ecsi_ring_count(&ring) == 0);
        MODEL_REQUIRE(ecsi_ring_claim(&ring, CAPACITY, CAPACITY, &at) == CAPACITY);
    }
};

/* Batches that come round to where the taker still reads. */
struct transfer_two_senders : way<2> {
    void thread(unsigned index)
    {
        if (index < 2) {
            (void)send(1, 2);
            (void)send(2, 2);
        } else {
            (void)receive();
            (void)receive();
        }
    }
};

/* Groups: all of it or nothing, beside singles that take what is left. */
struct transfer_groups : way<4> {
    void thread(unsigned index)
    {
        if (index == 0) {
            (void)send(3, 3);
            (void)send(3, 3);
        } else if (index == 1) {
            (void)send(1, 4);
        } else {
            (void)receive();
            (void)receive();
        }
    }
};

/* There is room for both, so neither may be refused. */
struct transfer_progress : way<4> {
    void thread(unsigned)
    {
        MODEL_REQUIRE(send(2, 2) == 2);
    }
};

struct transfer_single : way<2> {
    transfer_single() : way<2>(true) {}
    void thread(unsigned index)
    {
        for (unsigned i = 0; i < 3; i++) {
            if (index == 0) {
                (void)send(1 + i % 2, 2);
            } else {
                (void)receive();
            }
        }
    }
};

const model_scenario model_scenarios[] = {
    MODEL_SCENARIO(transfer_two_senders, 3),
    MODEL_SCENARIO(transfer_groups, 3),
    MODEL_SCENARIO(transfer_progress, 2),
    MODEL_SCENARIO(transfer_single, 2),
};
const unsigned model_scenario_count = sizeof model_scenarios / sizeof model_scenarios[0];
