/* waiter.h: the queue of threads that wait for something, and what is built on it.
 *
 * A waiter announces itself, then looks at its condition, then sleeps; a waker makes the
 * condition true, then looks for waiters. Each has a full fence between its two steps, so one
 * of them sees the other and no wake is lost.
 *
 * The queue is one word:
 *
 *   0          nobody waits
 *   a waiter   this one waits, and nobody else: entering and waking are one CAS
 *   LIST       several wait: first come, first woken, under a lock
 *
 * Who takes a waiter out of the word or the list owns its wake: exactly one waker, or the
 * waiter itself when it gives up. A waiter that gives up too late was woken; what it cannot
 * use it hands on. The last thing that a waker does with a waiter is to set `woken`: from then
 * on the waiter may be gone. */
/* floor: 3 */
#ifndef ECS_WAITER_H
#define ECS_WAITER_H

#include "base.h"
#include "thread.h"

#ifndef ECS_NO_THREADS

typedef struct ecsi_waiter {
    struct ecsi_waiter *next;
    struct ecsi_waiter *previous;
    ecsi_parker *parker;
    ecsi_atomic_u32 woken;
    bool listed; /* under the queue's lock */
} ecsi_waiter;

/* Not the address of a waiter. */
#define ECSI_WAITERS_LIST ((void *)1)

static void ecsi_waiters_create(ecs_waiters *queue)
{
    ECSI_CHECK(queue != NULL);
    ECSI_STORE(&queue->word, NULL, relaxed);
    ECSI_STORE(&queue->lock, 0u, relaxed);
    ECSI_STORE(&queue->count, 0u, relaxed);
    queue->first = NULL;
    queue->last = NULL;
}

/* Puts a waiter at the end of the list. The lock is held. */
static void ecsi_waiters_append(ecs_waiters *queue, ecsi_waiter *waiter)
{
    ecsi_waiter *last = (ecsi_waiter *)queue->last;
    ECSI_CHECK(!waiter->listed);
    ECSI_CHECK((queue->first == NULL) == (queue->last == NULL));
    waiter->next = NULL;
    waiter->previous = last;
    waiter->listed = true;
    if (last == NULL) {
        queue->first = waiter;
    } else {
        last->next = waiter;
    }
    queue->last = waiter;
    ECSI_STORE(&queue->count, ECSI_LOAD(&queue->count, relaxed) + 1, relaxed);
}

/* Takes a waiter out of the list; the last one takes the list away. The lock is held. */
static void ecsi_waiters_unlink(ecs_waiters *queue, ecsi_waiter *waiter)
{
    ECSI_CHECK(queue->first != NULL && queue->last != NULL);
    ECSI_CHECK(waiter->listed);
    ECSI_CHECK(ECSI_LOAD(&queue->count, relaxed) > 0);
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter->next;
    } else {
        queue->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    } else {
        queue->last = waiter->previous;
    }
    waiter->listed = false;
    ECSI_STORE(&queue->count, ECSI_LOAD(&queue->count, relaxed) - 1, relaxed);
    if (queue->first == NULL) ECSI_STORE(&queue->word, NULL, release);
}

/* Somebody else waits: the word becomes a list. */
static ECSI_NOINLINE void ecsi_waiters_enter_list(ecs_waiters *queue, ecsi_waiter *waiter)
{
    void *seen;
    ECSI_CHECK(!waiter->listed);
    ecsi_lock(&queue->lock);
    seen = ECSI_LOAD(&queue->word, acquire);
    while (seen != ECSI_WAITERS_LIST) {
        /* Nobody else makes a list while we hold the lock; a waiter may come or go. */
        if (seen == NULL) {
            /* Pairs with the acquire of a waker: it sees our waiter. */
            if (!ECSI_CAS(&queue->word, &seen, (void *)waiter, acq_rel, acquire)) continue;
            ecsi_unlock(&queue->lock);
            return;
        }
        if (ECSI_CAS(&queue->word, &seen, ECSI_WAITERS_LIST, acq_rel, acquire)) {
            ecsi_waiters_append(queue, (ecsi_waiter *)seen);
            seen = ECSI_WAITERS_LIST;
        }
    }
    ecsi_waiters_append(queue, waiter);
    ECSI_CHECK(ECSI_LOAD(&queue->word, relaxed) == ECSI_WAITERS_LIST);
    ecsi_unlock(&queue->lock);
}

/* Announces a waiter. The caller must look at its condition after this, and then sleep with
 * ecsi_waiter_sleep or give up with ecsi_waiter_cancel. */
static inline void ecsi_waiter_enter(ecs_waiters *queue, ecsi_waiter *waiter)
{
    void *seen = NULL;
    ECSI_CHECK(waiter->parker != NULL);
    waiter->listed = false;
    ECSI_STORE(&waiter->woken, 0u, relaxed);
    /* Pairs with the acquire of a waker. */
    if (ECSI_UNLIKELY(!ECSI_CAS(&queue->word, &seen, (void *)waiter, release, relaxed))) {
        ecsi_waiters_enter_list(queue, waiter);
    }
    /* Pairs with the fence of ecsi_wake_one: we see its condition, or it sees us. */
    ECSI_RMW_FENCE(seq_cst);
}

/* Hands the wake over; the waiter may be gone when this returns. */
static inline void ecsi_waiter_signal(ecsi_waiter *waiter)
{
    ECSI_CHECK(waiter->parker != NULL);
    ECSI_CHECK(!waiter->listed);
    ecsi_unpark(waiter->parker);
    /* Pairs with the acquire of ecsi_waiter_finish. */
    ECSI_STORE(&waiter->woken, 1u, release);
}

/* It was taken out by a waker that has a few more steps to go. */
static void ecsi_waiter_finish(ecsi_waiter *waiter)
{
    uint32_t spins = 0;
    ECSI_CHECK(waiter->parker != NULL);
    ECSI_CHECK(!waiter->listed);
    while (ECSI_LOAD(&waiter->woken, acquire) == 0) {
        if (++spins < ECSI_LOCK_SPINS) {
            ecsi_pause();
        } else {
            ecsi_yield();
        }
    }
}

/* Gives up. True: it was not woken and never will be. False: it was woken, and the wake is the
 * caller's, to use or to hand on. */
static bool ecsi_waiter_cancel(ecs_waiters *queue, ecsi_waiter *waiter)
{
    void *seen = waiter;
    bool listed;
    ECSI_CHECK(queue != NULL);
    ECSI_CHECK(waiter != NULL);
    if (ECSI_CAS(&queue->word, &seen, NULL, acquire, relaxed)) return true;
    ecsi_lock(&queue->lock);
    listed = waiter->listed;
    if (listed) ecsi_waiters_unlink(queue, waiter);
    ecsi_unlock(&queue->lock);
    if (!listed) ecsi_waiter_finish(waiter);
    return listed;
}

/* Sleeps. True: woken. False: the time was up, or the token came from elsewhere; it is out of
 * the queue then. */
static bool ecsi_waiter_sleep(ecs_waiters *queue, ecsi_waiter *waiter, uint64_t timeout_ns)
{
    ECSI_CHECK(queue != NULL);
    ECSI_CHECK(waiter->parker != NULL);
    (void)ecsi_park(waiter->parker, timeout_ns);
    /* Pairs with the release of ecsi_waiter_signal. */
    if (ECSI_LIKELY(ECSI_LOAD(&waiter->woken, acquire) != 0)) return true;
    return !ecsi_waiter_cancel(queue, waiter);
}

static uint32_t ecsi_waiter_count(const ecs_waiters *queue)
{
    const void *word = ECSI_LOAD(&queue->word, relaxed);
    if (word == NULL) return 0;
    return word == ECSI_WAITERS_LIST ? ECSI_LOAD(&queue->count, relaxed) : 1;
}

/* Takes the waiter that came first out of the queue, or answers NULL. The caller's condition
 * must be true before: the fence is in here. */
static ecsi_waiter *ecsi_waiters_pop(ecs_waiters *queue)
{
    ecsi_waiter *waiter;
    void *seen;
    ECSI_CHECK(queue != NULL);
    /* Pairs with the fence of ecsi_waiter_enter. */
    ECSI_FENCE(seq_cst);
    seen = ECSI_LOAD(&queue->word, acquire);
    while (seen != NULL && seen != ECSI_WAITERS_LIST) {
        if (ECSI_CAS(&queue->word, &seen, NULL, acq_rel, acquire)) return (ecsi_waiter *)seen;
    }
    if (seen == NULL) return NULL;
    ecsi_lock(&queue->lock);
    waiter = (ecsi_waiter *)queue->first;
    if (waiter != NULL) ecsi_waiters_unlink(queue, waiter);
    ecsi_unlock(&queue->lock);
    /* The list may have gone meanwhile, and a single waiter may have come: it saw our
     * condition, for it came after our fence. */
    return waiter;
}

/* Wakes the one that waits longest. Answers whether there was one. */
static bool ecsi_wake_one(ecs_waiters *queue)
{
    ecsi_waiter *waiter = ecsi_waiters_pop(queue);
    ECSI_CHECK(waiter == NULL || waiter->parker != NULL);
    ECSI_CHECK(waiter == NULL || !waiter->listed);
    if (waiter == NULL) return false;
    ecsi_waiter_signal(waiter);
    return true;
}

/* Wakes all that wait now. Answers how many. */
static uint32_t ecsi_wake_all(ecs_waiters *queue)
{
    ecsi_waiter *waiter;
    uint32_t count = 0;
    void *seen;
    ECSI_CHECK(queue != NULL);
    ECSI_FENCE(seq_cst); /* pairs with the fence of ecsi_waiter_enter */
    seen = ECSI_LOAD(&queue->word, acquire);
    while (seen != NULL && seen != ECSI_WAITERS_LIST) {
        if (!ECSI_CAS(&queue->word, &seen, NULL, acq_rel, acquire)) continue;
        ecsi_waiter_signal((ecsi_waiter *)seen);
        return 1;
    }
    if (seen == NULL) return 0;
    ecsi_lock(&queue->lock);
    waiter = (ecsi_waiter *)queue->first;
    queue->first = NULL;
    queue->last = NULL;
    if (waiter != NULL) {
        ecsi_waiter *each;
        for (each = waiter; each != NULL; each = each->next) each->listed = false;
        ECSI_STORE(&queue->count, 0u, relaxed);
        ECSI_STORE(&queue->word, NULL, release);
    }
    ecsi_unlock(&queue->lock);
    while (waiter != NULL) {
        ecsi_waiter *next = waiter->next;
        ecsi_waiter_signal(waiter);
        waiter = next;
        count++;
    }
    return count;
}

/* ---- Semaphore, event, future -------------------------------------------------------------- */

/* Tries before a thread sleeps: waking it costs a thousand times more. */
#define ECSI_WAIT_SPINS 64u

/* How a wait ended: bits. */
#define ECSI_WAIT_READY 1u   /* the condition held when it was looked at */
#define ECSI_WAIT_WOKEN 2u   /* a wake was given to us */
#define ECSI_WAIT_REFUSED 4u /* the system has no room for a condition variable */

/* Waits once if `ready` says no. 0: the time was up. */
static uint32_t ecsi_wait(ecs_waiters *queue, bool (*ready)(void *), void *data,
                          uint64_t timeout_ns)
{
    ecsi_waiter waiter;
    ecsi_parker parker;
    uint32_t answer = 0;
    ECSI_CHECK(ready != NULL);
    ECSI_CHECK(timeout_ns > 0);
    if (!ecsi_parker_create(&parker)) return ECSI_WAIT_REFUSED;
    waiter.parker = &parker;
    ecsi_waiter_enter(queue, &waiter);
    if (ready(data)) {
        answer = ECSI_WAIT_READY;
        if (!ecsi_waiter_cancel(queue, &waiter)) answer |= ECSI_WAIT_WOKEN;
    } else if (ecsi_waiter_sleep(queue, &waiter, timeout_ns)) {
        answer = ECSI_WAIT_WOKEN;
    }
    ecsi_parker_destroy(&parker);
    return answer;
}

ECS_API void ecs_semaphore_init(ecs_semaphore *semaphore, uint32_t permits)
{
    ECSI_REQUIRE_VOID(semaphore != NULL);
    ECSI_STORE(&semaphore->permits, permits, relaxed);
    ecsi_waiters_create(&semaphore->waiters);
}

ECS_API bool ecs_semaphore_try_acquire(ecs_semaphore *semaphore)
{
    uint32_t seen;
    ECSI_REQUIRE(semaphore != NULL, false);
    seen = ECSI_LOAD(&semaphore->permits, relaxed);
    while (seen > 0) {
        /* Pairs with the release of ecs_semaphore_release. */
        if (ECSI_CAS(&semaphore->permits, &seen, seen - 1, acquire, relaxed)) return true;
    }
    return false;
}

static bool ecsi_semaphore_ready(void *data)
{
    return ecs_semaphore_try_acquire((ecs_semaphore *)data);
}

/* Gives one permit: a waiter that is woken has it. */
static void ecsi_semaphore_give(ecs_semaphore *semaphore)
{
    ECSI_CHECK(semaphore != NULL);
    /* Pairs with the acquire of ecs_semaphore_try_acquire. */
    (void)ECSI_ADD(&semaphore->permits, 1u, acq_rel);
    ECSI_RMW_FENCE(seq_cst); /* pairs with the fence of ecsi_waiter_enter */
    while (ECSI_LOAD(&semaphore->waiters.word, relaxed) != NULL &&
           ecs_semaphore_try_acquire(semaphore)) {
        if (ecsi_wake_one(&semaphore->waiters)) return;
        /* It gave up: the permit goes back, and we look again. */
        (void)ECSI_ADD(&semaphore->permits, 1u, acq_rel);
        ECSI_RMW_FENCE(seq_cst);
    }
}

ECS_API void ecs_semaphore_release(ecs_semaphore *semaphore, uint32_t permits)
{
    ECSI_REQUIRE_VOID(semaphore != NULL);
    for (; permits > 0; permits--) ecsi_semaphore_give(semaphore);
}

ECS_API uint32_t ecs_semaphore_waiting(const ecs_semaphore *semaphore)
{
    ECSI_REQUIRE(semaphore != NULL, 0);
    return ecsi_waiter_count(&semaphore->waiters);
}

ECS_API ecs_status ecs_semaphore_acquire(ecs_semaphore *semaphore, uint64_t timeout_ns)
{
    uint32_t spins;
    uint32_t end;
    ECSI_REQUIRE(semaphore != NULL, ECS_INVALID);
    for (spins = 0; spins < ECSI_WAIT_SPINS; spins++) {
        if (ECSI_LOAD(&semaphore->waiters.word, relaxed) == NULL &&
            ecs_semaphore_try_acquire(semaphore)) {
            return ECS_OK;
        }
        if (timeout_ns == 0) return ECS_TIMEOUT;
        ecsi_pause();
    }
    end = ecsi_wait(&semaphore->waiters, ecsi_semaphore_ready, semaphore, timeout_ns);
    ECSI_CHECK(end <= ECSI_WAIT_REFUSED);
    if (end == ECSI_WAIT_REFUSED) return ECS_NO_MEMORY;
    /* Taken and given as well: one permit goes on to the next. */
    if (end == (ECSI_WAIT_READY | ECSI_WAIT_WOKEN)) ecsi_semaphore_give(semaphore);
    return end != 0 ? ECS_OK : ECS_TIMEOUT;
}

ECS_API void ecs_signal_init(ecs_signal *signal)
{
    ECSI_REQUIRE_VOID(signal != NULL);
    ECSI_STORE(&signal->state, 0u, relaxed);
    ecsi_waiters_create(&signal->waiters);
}

ECS_API bool ecs_signal_is_set(const ecs_signal *signal)
{
    ECSI_REQUIRE(signal != NULL, false);
    return ECSI_LOAD(&signal->state, acquire) != 0; /* pairs with the release of set */
}

static bool ecsi_signal_ready(void *data)
{
    return ecs_signal_is_set((const ecs_signal *)data);
}

ECS_API void ecs_signal_set(ecs_signal *signal)
{
    ECSI_REQUIRE_VOID(signal != NULL);
    ECSI_STORE(&signal->state, 1u, release); /* pairs with the acquire of is_set */
    (void)ecsi_wake_all(&signal->waiters);
}

ECS_API ecs_status ecs_signal_wait(ecs_signal *signal, uint64_t timeout_ns)
{
    uint32_t spins;
    uint32_t end;
    ECSI_REQUIRE(signal != NULL, ECS_INVALID);
    for (spins = 0; spins < ECSI_WAIT_SPINS; spins++) {
        if (ecs_signal_is_set(signal)) return ECS_OK;
        if (timeout_ns == 0) return ECS_TIMEOUT;
        ecsi_pause();
    }
    end = ecsi_wait(&signal->waiters, ecsi_signal_ready, signal, timeout_ns);
    if (ecs_signal_is_set(signal)) return ECS_OK;
    return end == ECSI_WAIT_REFUSED ? ECS_NO_MEMORY : ECS_TIMEOUT;
}

ECS_API void ecs_future_init(ecs_future *future)
{
    ECSI_REQUIRE_VOID(future != NULL);
    future->value = NULL;
    future->status = ECS_OK;
    ecs_signal_init(&future->done);
    ECSI_STORE(&future->claimed, 0u, relaxed);
}

ECS_API ecs_status ecs_future_set(ecs_future *future, ecs_status status, void *value)
{
    ECSI_REQUIRE(future != NULL, ECS_INVALID);
    /* Only one of several setters may write; the signal publishes what it wrote. */
    if (ECSI_SWAP(&future->claimed, 1u, relaxed) != 0) return ECS_EXISTS;
    future->status = status;
    future->value = value;
    ecs_signal_set(&future->done);
    return ECS_OK;
}

ECS_API bool ecs_future_poll(const ecs_future *future)
{
    ECSI_REQUIRE(future != NULL, false);
    return ecs_signal_is_set(&future->done);
}

ECS_API ecs_status ecs_future_wait(ecs_future *future, uint64_t timeout_ns, void **value)
{
    ecs_status status;
    ECSI_REQUIRE(future != NULL, ECS_INVALID);
    status = ecs_signal_wait(&future->done, timeout_ns);
    if (status != ECS_OK) return status;
    if (value != NULL) *value = future->value;
    return future->status;
}

#endif /* ECS_NO_THREADS */

#endif /* ECS_WAITER_H */
