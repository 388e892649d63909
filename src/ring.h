/* ring.h: the bounded queue of Vyukov (2010), for any number of threads on both sides.
 *
 * Each slot carries the number of the turn in which it may be written or read. The ring hands
 * out positions, and what lies at a position is its user's: the injector keeps a pointer in the
 * slot, a route between worlds has a descriptor and a body for each slot. Between claim and
 * publish a position belongs to who writes it, between take and release to who reads it, for as
 * long as they like; others go on, until they come round to that slot.
 *
 * Positions are 64-bit, only grow and are never reset. Positions that follow each other can be
 * claimed at once. With `single` one thread at a time claims and one takes, and no position
 * has to be fought for. */
/* floor: 3 */
#ifndef ECS_RING_H
#define ECS_RING_H

#include "atomic.h"
#include "base.h"

/* Bytes that cores hand to each other at once; two lines, for they are fetched in pairs. */
#define ECSI_LINE_BYTES 128u

typedef struct ecsi_turn {
    ecsi_atomic_u64 turn; /* position: may be written; position + 1: may be read */
    ecsi_atomic_ptr item; /* the injector's */
} ecsi_turn;

typedef struct ecsi_ring {
    ecsi_atomic_u64 head; /* next to be read */
    unsigned char pad_head[ECSI_LINE_BYTES - sizeof(ecsi_atomic_u64)];
    ecsi_atomic_u64 tail; /* next to be written */
    unsigned char pad_tail[ECSI_LINE_BYTES - sizeof(ecsi_atomic_u64)];
    ecsi_turn *slots;
    uint32_t capacity; /* a power of two, at least 2 */
    bool single;
} ecsi_ring;

static inline void ecsi_ring_create(ecsi_ring *ring, ecsi_turn *slots, uint32_t capacity,
                                    uint64_t start)
{
    uint64_t i;
    ECSI_CHECK(slots != NULL);
    ECSI_CHECK(capacity >= 2 && ecsi_is_power_of_two(capacity));
    for (i = start; i != start + capacity; i++) {
        ECSI_STORE(&slots[i & (capacity - 1)].turn, i, relaxed);
        ECSI_STORE(&slots[i & (capacity - 1)].item, NULL, relaxed);
    }
    ECSI_STORE(&ring->head, start, relaxed);
    ECSI_STORE(&ring->tail, start, relaxed);
    ring->slots = slots;
    ring->capacity = capacity;
    ring->single = false;
}

static inline ecsi_turn *ecsi_ring_slot(const ecsi_ring *ring, uint64_t at)
{
    return &ring->slots[at & (ring->capacity - 1)];
}

/* Positions that were claimed and not taken, as far as a look can tell. Any thread. */
static inline uint32_t ecsi_ring_count(const ecsi_ring *ring)
{
    uint64_t head = ECSI_LOAD(&ring->head, relaxed);
    uint64_t tail = ECSI_LOAD(&ring->tail, relaxed);
    ECSI_CHECK(ring->capacity >= 2);
    if ((int64_t)(tail - head) <= 0) return 0;
    return tail - head < ring->capacity ? (uint32_t)(tail - head) : ring->capacity;
}

/* Any thread. Claims positions that follow each other, as many as are free from `least` to
 * `most`; *out is the first. Answers how many; 0: so many are not free. */
static inline uint32_t ecsi_ring_claim(ecsi_ring *ring, uint32_t least, uint32_t most,
                                       uint64_t *out)
{
    uint64_t at = ECSI_LOAD(&ring->tail, relaxed);
    ECSI_CHECK(least >= 1 && least <= most);
    ECSI_CHECK(ring->capacity >= 2);
    if (most > ring->capacity) most = ring->capacity;
    for (;;) {
        uint32_t free_count = 0;
        uint64_t turn = at;
        for (; free_count < most; free_count++) {
            /* Pairs with the release of ecsi_ring_release: the slot was read before it is
             * written again. */
            turn = ECSI_LOAD(&ecsi_ring_slot(ring, at + free_count)->turn, acquire);
            if (turn != at + free_count) break;
        }
        /* A turn that is ahead: somebody else has claimed this position. */
        if (free_count < most && (int64_t)(turn - (at + free_count)) > 0) {
            at = ECSI_LOAD(&ring->tail, relaxed);
            continue;
        }
        if (free_count < least) return 0;
        if (ring->single) {
            ECSI_STORE(&ring->tail, at + free_count, relaxed);
        } else if (!ECSI_CAS(&ring->tail, &at, at + free_count, relaxed, relaxed)) {
            continue;
        }
        *out = at;
        return free_count;
    }
}

/* Who claimed it: what lies at the position may be read. */
static inline void ecsi_ring_publish(ecsi_ring *ring, uint64_t at)
{
    ECSI_CHECK(ECSI_LOAD(&ecsi_ring_slot(ring, at)->turn, relaxed) == at);
    /* Pairs with the acquire of ecsi_ring_take. */
    ECSI_STORE(&ecsi_ring_slot(ring, at)->turn, at + 1, release);
}

/* The same for positions that were claimed at once, from the last to the first: who takes the
 * first of them finds all. */
static inline void ecsi_ring_publish_all(ecsi_ring *ring, uint64_t at, uint32_t count)
{
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= ring->capacity);
    for (; count > 0; count--) ecsi_ring_publish(ring, at + count - 1);
}

/* Any thread. The next position; false: nothing is published there. */
static inline bool ecsi_ring_take(ecsi_ring *ring, uint64_t *out)
{
    uint64_t at = ECSI_LOAD(&ring->head, relaxed);
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(ring->capacity >= 2);
    for (;;) {
        /* Pairs with the release of ecsi_ring_publish. */
        uint64_t turn = ECSI_LOAD(&ecsi_ring_slot(ring, at)->turn, acquire);
        if (turn == at + 1) {
            if (ring->single) {
                ECSI_STORE(&ring->head, at + 1, relaxed);
            } else if (!ECSI_CAS(&ring->head, &at, at + 1, relaxed, relaxed)) {
                continue;
            }
            *out = at;
            return true;
        }
        if ((int64_t)(turn - (at + 1)) < 0) return false;
        at = ECSI_LOAD(&ring->head, relaxed);
    }
}

/* Who took it: the slot may be written again. */
static inline void ecsi_ring_release(ecsi_ring *ring, uint64_t at)
{
    ECSI_CHECK(ECSI_LOAD(&ecsi_ring_slot(ring, at)->turn, relaxed) == at + 1);
    /* Pairs with the acquire of ecsi_ring_claim. */
    ECSI_STORE(&ecsi_ring_slot(ring, at)->turn, at + ring->capacity, release);
}

#endif /* ECS_RING_H */
