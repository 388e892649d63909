/* deque.h: the work-stealing deque, and the shared injector.
 *
 * The deque is that of Chase and Lev (2005) with the C11 orders of Le, Pop, Cohen and Zappa
 * Nardelli (2013), over a ring that does not grow: what does not fit is refused, and nothing
 * has to be reclaimed. One thread owns it, pushes and takes at the bottom; any thread steals
 * at the top. Indices are 64-bit, only grow and are never reset, so no index comes twice.
 *
 *   push    writes the slot, then publishes it by the release of `bottom`
 *   take    lowers `bottom`, full fence, reads `top`. Thief and owner cannot both miss each
 *           other's write, so only the last item is fought for, by a CAS of `top`
 *   steal   reads `top`, full fence, reads `bottom`, reads the slot, then CAS of `top`. The
 *           slot is read before the CAS: once `top` has moved the owner may write there
 *
 * Half of a deque cannot be taken by one CAS: the owner takes without one as long as it sees
 * two items, so a thief that claims a range could claim what the owner has. A batch is one CAS
 * for each item.
 *
 * The injector is a ring (ring.h) of single items, for any number of threads on both sides. */
/* floor: 3 */
#ifndef ECS_DEQUE_H
#define ECS_DEQUE_H

#include "ring.h"
#include "thread.h"

#ifndef ECS_NO_THREADS

/* Items of one batch. */
#define ECSI_BATCH_MAX 32u
/* What a lost race answers: look again. */
#define ECSI_STEAL_LOST ((void *)1)

typedef struct ecsi_deque {
    ecsi_atomic_i64 top;
    unsigned char pad_top[ECSI_LINE_BYTES - sizeof(ecsi_atomic_i64)];
    ecsi_atomic_i64 bottom;
    int64_t top_seen; /* the owner's: top was at least that */
    ecsi_atomic_ptr *slots;
    uint32_t capacity; /* a power of two */
    unsigned char pad_bottom[ECSI_LINE_BYTES - sizeof(ecsi_atomic_i64) - sizeof(int64_t) -
                             sizeof(void *) - sizeof(uint32_t)];
} ecsi_deque;

static void ecsi_deque_create(ecsi_deque *deque, ecsi_atomic_ptr *slots, uint32_t capacity,
                              int64_t start)
{
    ECSI_CHECK(slots != NULL);
    ECSI_CHECK(ecsi_is_power_of_two(capacity));
    ECSI_STORE(&deque->top, start, relaxed);
    ECSI_STORE(&deque->bottom, start, relaxed);
    deque->top_seen = start;
    deque->slots = slots;
    deque->capacity = capacity;
}

static inline ecsi_atomic_ptr *ecsi_deque_slot(const ecsi_deque *deque, int64_t index)
{
    return &deque->slots[(uint64_t)index & (deque->capacity - 1)];
}

/* Items, as far as a look can tell. Any thread. */
static inline int64_t ecsi_deque_size(const ecsi_deque *deque)
{
    int64_t top = ECSI_LOAD(&deque->top, relaxed);
    int64_t bottom = ECSI_LOAD(&deque->bottom, relaxed);
    return bottom > top ? bottom - top : 0;
}

/* Owner. False: it is full. */
static inline bool ecsi_deque_push(ecsi_deque *deque, void *item)
{
    int64_t bottom = ECSI_LOAD(&deque->bottom, relaxed);
    ECSI_CHECK(deque->top_seen <= bottom);
    ECSI_CHECK(item != NULL && item != ECSI_STEAL_LOST);
    if (ECSI_UNLIKELY(bottom - deque->top_seen >= (int64_t)deque->capacity)) {
        /* Pairs with the CAS of steal: what was read from a slot was read before we write. */
        deque->top_seen = ECSI_LOAD(&deque->top, acquire);
        if (bottom - deque->top_seen >= (int64_t)deque->capacity) return false;
    }
    ECSI_STORE(ecsi_deque_slot(deque, bottom), item, relaxed);
    /* Pairs with the acquire of `bottom` in steal: slot and item are visible there. */
    ECSI_STORE(&deque->bottom, bottom + 1, release);
    return true;
}

/* Owner. The newest item, or NULL. */
static inline void *ecsi_deque_take(ecsi_deque *deque)
{
    int64_t bottom = ECSI_LOAD(&deque->bottom, relaxed) - 1;
    int64_t top;
    void *item;
    /* Release, for a thief that reads this value gets items that were pushed before: C++20 has
     * no release sequence that a relaxed store of the same thread would continue. */
    ECSI_STORE(&deque->bottom, bottom, release);
    /* Pairs with the fence of steal: either it sees this bottom, or we see its top. */
    ECSI_FENCE(seq_cst);
    top = ECSI_LOAD(&deque->top, relaxed);
    if (ECSI_UNLIKELY(top > bottom)) {
        ECSI_STORE(&deque->bottom, bottom + 1, relaxed);
        return NULL;
    }
    item = ECSI_LOAD(ecsi_deque_slot(deque, bottom), relaxed);
    if (ECSI_LIKELY(top < bottom)) return item;
    /* The last one: whoever moves `top` has it. */
    if (!ECSI_CAS(&deque->top, &top, top + 1, seq_cst, relaxed)) item = NULL;
    ECSI_STORE(&deque->bottom, bottom + 1, relaxed);
    return item;
}

/* Any thread but the owner. The oldest item; NULL when there is none; ECSI_STEAL_LOST when
 * another one was faster. Nothing below `from` is taken. */
static inline void *ecsi_deque_steal_from(ecsi_deque *deque, int64_t from)
{
    int64_t top = ECSI_LOAD(&deque->top, acquire);
    int64_t bottom;
    void *item;
    ECSI_CHECK(deque->capacity > 0);
    if (top < from) return NULL;
    ECSI_FENCE(seq_cst); /* pairs with the fence of take */
    bottom = ECSI_LOAD(&deque->bottom, acquire); /* pairs with the release of push */
    if (top >= bottom) return NULL;
    item = ECSI_LOAD(ecsi_deque_slot(deque, top), relaxed);
    if (!ECSI_CAS(&deque->top, &top, top + 1, seq_cst, relaxed)) return ECSI_STEAL_LOST;
    ECSI_CHECK(item != NULL && item != ECSI_STEAL_LOST);
    return item;
}

static inline void *ecsi_deque_steal(ecsi_deque *deque)
{
    return ecsi_deque_steal_from(deque, INT64_MIN);
}

/* Owner of `to`: steals up to half of `from` and at most `max` items. Answers the first one,
 * as ecsi_deque_steal does; the others are pushed to `to`, *more of them. */
static void *ecsi_deque_steal_batch(ecsi_deque *from, ecsi_deque *to, uint32_t max,
                                    uint32_t *more)
{
    int64_t half = (ecsi_deque_size(from) + 1) / 2;
    void *first = ecsi_deque_steal(from);
    ECSI_CHECK(from != to);
    ECSI_CHECK(max >= 1 && max <= ECSI_BATCH_MAX);
    *more = 0;
    if (first == NULL || first == ECSI_STEAL_LOST) return first;
    while (*more + 1 < max && (int64_t)*more + 1 < half &&
           ecsi_deque_size(to) < (int64_t)to->capacity) {
        void *item = ecsi_deque_steal(from);
        bool pushed;
        if (item == NULL || item == ECSI_STEAL_LOST) break;
        pushed = ecsi_deque_push(to, item);
        ECSI_CHECK(pushed);
        (void)pushed;
        *more += 1;
    }
    return first;
}

/* ---- The injector ------------------------------------------------------------------------ */

typedef struct ecsi_injector {
    ecsi_ring ring;
} ecsi_injector;

static void ecsi_injector_create(ecsi_injector *queue, ecsi_turn *slots, uint32_t capacity,
                                 uint64_t start)
{
    ECSI_CHECK(slots != NULL);
    ECSI_CHECK(queue != NULL);
    ecsi_ring_create(&queue->ring, slots, capacity, start);
}

static inline bool ecsi_injector_empty(const ecsi_injector *queue)
{
    return ecsi_ring_count(&queue->ring) == 0;
}

/* Any thread. False: it is full. */
static bool ecsi_injector_push(ecsi_injector *queue, void *item)
{
    uint64_t at;
    ECSI_CHECK(item != NULL);
    ECSI_CHECK(queue->ring.capacity >= 2);
    if (ecsi_ring_claim(&queue->ring, 1, 1, &at) == 0) return false;
    ECSI_STORE(&ecsi_ring_slot(&queue->ring, at)->item, item, relaxed);
    ecsi_ring_publish(&queue->ring, at);
    return true;
}

/* Any thread. NULL: it is empty. */
static void *ecsi_injector_pop(ecsi_injector *queue)
{
    uint64_t at;
    void *item;
    ECSI_CHECK(queue->ring.capacity >= 2);
    if (!ecsi_ring_take(&queue->ring, &at)) return NULL;
    item = ECSI_LOAD(&ecsi_ring_slot(&queue->ring, at)->item, relaxed);
    ecsi_ring_release(&queue->ring, at);
    ECSI_CHECK(item != NULL);
    return item;
}

#endif /* ECS_NO_THREADS */

#endif /* ECS_DEQUE_H */
