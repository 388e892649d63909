/* idle.h: which workers look for work, which sleep, and who must be woken.
 *
 * `searching` counts the tokens of those who look for work, or were woken to do so. Whoever
 * publishes work wakes a sleeper only while nobody searches: one who searches will find it, and
 * then wakes the next if there is more. So waking spreads as fast as there is work for it, and
 * a stream of small jobs wakes one worker, not all.
 *
 * No wake is lost because whoever drops a token looks again behind a full fence:
 *
 *   publisher   publishes, full fence, reads `searching`, reads the sleepers
 *   searcher    drops its token, announces itself as a sleeper, full fence, looks at all
 *               queues, sleeps
 *   finder      drops its token, full fence, looks at all queues, wakes one if it was the last
 *               searcher and there is work
 *   waker       that found no sleeper drops the token that it took, full fence, reads the
 *               sleepers again */
/* floor: 3 */
#ifndef ECS_IDLE_H
#define ECS_IDLE_H

#include "waiter.h"

#ifndef ECS_NO_THREADS

typedef struct ecsi_idle {
    ecsi_atomic_u32 searching;
    unsigned char pad[124]; /* sleepers are written seldom, searching often */
    ecs_waiters sleepers;
} ecsi_idle;

static void ecsi_idle_create(ecsi_idle *idle)
{
    ECSI_STORE(&idle->searching, 0u, relaxed);
    ecsi_waiters_create(&idle->sleepers);
}

/* Wakes a sleeper, which gets a token, unless somebody searches. */
static ECSI_NOINLINE bool ecsi_idle_wake(ecsi_idle *idle)
{
    ECSI_CHECK(idle != NULL);
    for (;;) {
        uint32_t none = 0;
        if (!ECSI_CAS(&idle->searching, &none, 1u, acq_rel, relaxed)) return false;
        if (ecsi_wake_one(&idle->sleepers)) return true;
        (void)ECSI_SUB(&idle->searching, 1u, acq_rel);
        /* Pairs with the fence of a publisher that saw our token and did not look further. */
        ECSI_RMW_FENCE(seq_cst);
        if (ECSI_LOAD(&idle->sleepers.word, relaxed) == NULL) return false;
    }
}

/* After work was published. Answers whether a sleeper was woken. */
static inline bool ecsi_idle_notify(ecsi_idle *idle)
{
    ECSI_CHECK(idle != NULL);
    /* Pairs with the fences of ecsi_idle_sleep and ecsi_idle_found. */
    ECSI_FENCE(seq_cst);
    if (ECSI_LOAD(&idle->searching, relaxed) != 0) return false;
    if (ECSI_LIKELY(ECSI_LOAD(&idle->sleepers.word, relaxed) == NULL)) return false;
    return ecsi_idle_wake(idle);
}

/* Takes a token to search with. False: `limit` have one. */
static inline bool ecsi_idle_search(ecsi_idle *idle, uint32_t limit)
{
    ECSI_CHECK(limit > 0);
    if (ECSI_LOAD(&idle->searching, relaxed) >= limit) return false;
    (void)ECSI_ADD(&idle->searching, 1u, acq_rel);
    return true;
}

/* A searcher found work, which it has taken: it drops its token. */
static inline void ecsi_idle_found(ecsi_idle *idle, bool (*visible)(void *), void *data)
{
    uint32_t before = ECSI_SUB(&idle->searching, 1u, acq_rel);
    ECSI_CHECK(visible != NULL);
    ECSI_CHECK(before > 0);
    if (before != 1) return;
    /* Pairs with the fence of ecsi_idle_notify: it saw our token, or we see its work. */
    ECSI_RMW_FENCE(seq_cst);
    if (ECSI_LOAD(&idle->sleepers.word, relaxed) == NULL || !visible(data)) return;
    (void)ecsi_idle_wake(idle);
}

/* Drops the token, if it has one, and sleeps unless there is work. Answers whether it has a
 * token now; *slept is whether it went to sleep. */
static bool ecsi_idle_sleep(ecsi_idle *idle, ecsi_waiter *waiter, bool token,
                            bool (*visible)(void *), void *data, bool *slept)
{
    ECSI_CHECK(visible != NULL);
    ECSI_CHECK(waiter->parker != NULL);
    ECSI_CHECK(!waiter->listed);
    *slept = false;
    if (token) (void)ECSI_SUB(&idle->searching, 1u, acq_rel);
    ecsi_waiter_enter(&idle->sleepers, waiter); /* with the full fence */
    if (visible(data)) {
        if (!ecsi_waiter_cancel(&idle->sleepers, waiter)) return true;
        (void)ECSI_ADD(&idle->searching, 1u, acq_rel);
        return true;
    }
    *slept = true;
    return ecsi_waiter_sleep(&idle->sleepers, waiter, ECSI_FOREVER);
}

#endif /* ECS_NO_THREADS */

#endif /* ECS_IDLE_H */
