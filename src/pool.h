/* pool.h: workers that steal jobs from each other, and the jobs and loops that they run.
 *
 * Each worker has a deque. It takes its own newest job first (the end of its deque is its LIFO
 * slot, and every job in it can be stolen), then from the injector, then steals the oldest job
 * of another one: of the last victim that had some, then of all from a random one on. A worker
 * that finds nothing spins, longer when that paid lately, and then sleeps: see idle.h.
 *
 * Waiting for a job. The waiter takes its own jobs, newest first, until it meets the one that
 * it waits for. If its deque is empty first, the job was stolen, and everything older too; then
 * it steals back from the worker that runs the job, and only what that worker pushed since it
 * began: parts of the job (leapfrogging: Wagner and Calder, 1993). So a waiter never sinks into
 * work that has nothing to do with what it waits for, and the stack stays as deep as the jobs. */
/* floor: 9 */
#ifndef ECS_POOL_H
#define ECS_POOL_H

#include "deque.h"
#include "idle.h"
#include "memory.h"

#ifndef ECS_NO_THREADS

#define ECSI_POOL_GUESTS 8u
#define ECSI_POOL_DEQUE 256u
#define ECSI_POOL_INJECTOR 1024u
#define ECSI_POOL_SPINS 100u
/* Jobs in the background: those that do not find room wait where they come from. */
#define ECSI_POOL_BACKGROUND 64u
/* Spinning adapts up to this many times the configured number: about a fifth of a
 * millisecond, several times what waking a sleeper costs. */
#define ECSI_POOL_SPINS_GROWTH 4u
/* Pauses before a single job is stolen: some tenths of a microsecond. */
#define ECSI_LONE_PAUSES 12u
/* Pauses between two looks grow up to this: a look takes the line away from its owner. For who
 * waits for something, and for who looks for anything. */
#define ECSI_PAUSES_WAITING 4u
#define ECSI_PAUSES_SEARCHING 32u
/* Every so many looks the injector comes first, so that a busy worker does not starve it. */
#define ECSI_POOL_INJECTOR_TURN 61u
/* A system that takes less is not worth a steal: it does not count as work to share. */
#define ECSI_PIECE_NS 300u
/* Work below this is not worth sharing with a worker that is awake, or asleep: what a steal
 * and a wake cost. In nanoseconds. */
#define ECSI_SHARE_AWAKE_NS 3000u
#define ECSI_SHARE_ASLEEP_NS 50000u
/* Work that was kept back although it was worth a share with one who is awake: when so much
 * has come together within so short a time, somebody is woken after all. */
#define ECSI_DEBT_NS 200000u
#define ECSI_DEBT_WINDOW_NS 2000000u
/* What a grab of a loop's items should take. */
#define ECSI_GRAB_NS 10000u
/* Loops are timed until that much has passed. */
#define ECSI_PROBE_NS 1500u

#define ECSI_JOB_DONE ((void *)1)

enum {
    ECSI_JOB_PLAIN, /* the user's: marks itself done */
    ECSI_JOB_SENT,  /* the user's, and the loops': nobody touches it once it runs */
    ECSI_JOB_SYSTEM /* of a world's tick: the same */
};

/* Of a system that runs: `help` is called where a worker begins to work for it in a loop, `apart`
 * where its worker runs a job from elsewhere while it waits; both call work(worker, data). */
typedef struct ecsi_guard {
    void (*help)(const struct ecsi_guard *guard, ecs_worker *worker, ecs_job_function work,
                 void *data);
    void (*apart)(const struct ecsi_guard *guard, ecs_worker *worker, ecs_job_function work,
                  void *data);
} ecsi_guard;

struct ecs_worker {
    ecsi_deque deque;
    ecs_pool *pool;
    ecsi_parker parker;
    ecsi_waiter waiter;
    uint32_t index;
    uint32_t victim;    /* index of the last one that had work */
    uint32_t random;
    uint32_t turn;
    uint32_t spins;     /* limit, adapts */
    uint32_t in_system; /* depth */
    bool summoned;      /* a task of a host */
    const ecsi_guard *guard; /* of the system that it works for; NULL: none is wanted */
    uint64_t debt_ns;
    uint64_t debt_since_ns;
    ecs_job *pinned;      /* jobs for this worker alone, and what came since */
    ecsi_atomic_ptr inbox;
    ecsi_thread thread;
    ecsi_atomic_u32 used; /* by a thread of the pool, or a guest */
    ecsi_atomic_u64 executed;
    ecsi_atomic_u64 stolen;
    ecsi_atomic_u64 attempts;
    ecsi_atomic_u64 parks;
    ecsi_atomic_u64 empty;
    ecsi_atomic_u64 commands;
    unsigned char pad[ECSI_LINE_BYTES];
};

struct ecs_pool {
    ecsi_idle idle;
    ecsi_injector injector;
    ecsi_injector background; /* jobs that may take long: for threads that have nothing else */
    ecsi_turn background_turns[ECSI_POOL_BACKGROUND];
    ecs_worker *slots;        /* threads, then guests */
    uint32_t slot_count;
    uint32_t thread_count;    /* slots that are threads */
    uint32_t started;         /* threads that the system gave */
    uint32_t worker_count;    /* at the same time, with the one that enters */
    uint32_t search_limit;    /* workers that may search at the same time: half of them */
    uint32_t spins;
    uint32_t spins_max;
    bool crowded;             /* more workers than processors: yield while spinning */
    bool affinity;
    bool own_memory;
    ecs_task_api tasks;       /* workers: 0 if there is none */
    ecsi_atomic_u32 high;     /* slots that were ever used */
    ecsi_atomic_u32 stop;
    ecsi_atomic_u32 inside;   /* guests */
    ecsi_atomic_u32 worlds;
    ecs_allocator allocator;
    ecsi_log log;
    size_t bytes;
};

/* ---- Latches ------------------------------------------------------------------------------
 *
 * The word holds what is left below, and above the index plus one of the worker that sleeps for
 * it: in one word, because it may be gone at zero. */

static inline void ecsi_latch_set(ecs_latch *latch, uint32_t count)
{
    ECSI_CHECK(latch != NULL);
    ECSI_STORE(&latch->word, (uint64_t)count, relaxed);
}

/* What those who counted down wrote is visible when it is true. */
static inline bool ecsi_latch_open(const ecs_latch *latch)
{
    /* Pairs with the release of ecsi_latch_down. */
    return (uint32_t)ECSI_LOAD(&latch->word, acquire) == 0;
}

static inline void ecsi_latch_down(ecs_pool *pool, ecs_latch *latch, uint32_t count)
{
    /* Pairs with the acquire of ecsi_latch_open; each count-down publishes the ones before. */
    uint64_t before = ECSI_SUB(&latch->word, (uint64_t)count, acq_rel);
    ECSI_CHECK(count > 0);
    ECSI_CHECK((uint32_t)(before >> 32) <= pool->slot_count);
    ECSI_CHECK((uint32_t)before >= count);
    if ((uint32_t)before == count && before >> 32 != 0) {
        ecsi_unpark(&pool->slots[(uint32_t)(before >> 32) - 1].parker);
    }
}

/* A worker begins (1) or ends (-1) to run a system. NULL: no worker. */
static inline void ecsi_worker_busy(ecs_worker *worker, int32_t more)
{
    if (worker == NULL) return;
    worker->in_system += (uint32_t)more;
    ECSI_CHECK(worker->in_system < 1u << 30);
}

/* Gives a job of a tick to one worker alone. Never refused: the job itself is the link. */
static void ecsi_worker_pin(ecs_worker *worker, ecs_job *job)
{
    void *first = ECSI_LOAD(&worker->inbox, relaxed);
    ECSI_CHECK(job != NULL);
    ECSI_CHECK(job->run != NULL);
    ECSI_CHECK(job->kind == ECSI_JOB_SYSTEM);
    do {
        ECSI_STORE(&job->state, first, relaxed);
        /* Pairs with the exchange of ecsi_worker_pinned. */
    } while (!ECSI_CAS(&worker->inbox, &first, (void *)job, release, relaxed));
    ecsi_unpark(&worker->parker);
}

/* The next job that was pinned to this worker, or NULL. */
static ecs_job *ecsi_worker_pinned(ecs_worker *worker)
{
    ecs_job *job = worker->pinned;
    ECSI_CHECK(worker->pool != NULL);
    ECSI_CHECK(worker->in_system == 0);
    if (job == NULL && ECSI_LOAD(&worker->inbox, relaxed) != NULL) {
        job = (ecs_job *)ECSI_SWAP(&worker->inbox, NULL, acquire);
    }
    if (job != NULL) worker->pinned = (ecs_job *)ECSI_LOAD(&job->state, relaxed);
    return job;
}

/* ---- Finding work ---------------------------------------- */

/* Whether any queue holds something: behind a full fence, for who wants to sleep. */
static bool ecsi_pool_visible(void *data)
{
    const ecs_worker *worker = (const ecs_worker *)data;
    const ecs_pool *pool = worker->pool;
    uint32_t high = ECSI_LOAD(&pool->high, relaxed);
    uint32_t i;
    ECSI_CHECK(worker->index < pool->slot_count);
    ECSI_CHECK(high <= pool->slot_count);
    if (ECSI_LOAD(&pool->stop, relaxed) != 0 || !ecsi_injector_empty(&pool->injector)) return true;
    if (ECSI_LOAD(&worker->inbox, relaxed) != NULL) return true;
    for (i = 0; i < high; i++) {
        if (ecsi_deque_size(&pool->slots[i].deque) > 0) return true;
    }
    return false;
}

/* The same for a thread of the pool, which takes jobs in the background as well. */
static bool ecsi_thread_visible(void *data)
{
    const ecs_worker *worker = (const ecs_worker *)data;
    ECSI_CHECK(worker->index < worker->pool->slot_count);
    return !ecsi_injector_empty(&worker->pool->background) || ecsi_pool_visible(data);
}

/* Marsaglia's xorshift (2003). */
static inline uint32_t ecsi_worker_random(ecs_worker *worker)
{
    uint32_t x = worker->random;
    ECSI_CHECK(worker->pool != NULL);
    ECSI_CHECK(x != 0);
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    worker->random = x;
    return x;
}

/* Steals the oldest job of one victim. No batch: in a thief's deque a job would be neither
 * begun nor with its starter, who could then only wait for it. */
static ecs_job *ecsi_worker_rob(ecs_worker *worker, uint32_t victim)
{
    ecs_pool *pool = worker->pool;
    ecsi_deque *deque = &pool->slots[victim].deque;
    uint32_t pauses = ECSI_LONE_PAUSES;
    void *item;
    int64_t top;
    int64_t size;
    ECSI_CHECK(victim < pool->slot_count);
    ECSI_CHECK(worker->index < pool->slot_count);
    if (victim == worker->index) return NULL;
    top = ECSI_LOAD(&deque->top, relaxed);
    size = ECSI_LOAD(&deque->bottom, relaxed) - top;
    if (size <= 0) return NULL;
    /* A single job is often taken back by its owner at once: we look away for a while, and take
     * it if it still lies there. */
    if (size == 1) {
        for (; pauses > 0; pauses--) ecsi_pause();
        if (ECSI_LOAD(&deque->top, relaxed) != top) return NULL;
    }
    ECSI_COUNT_UP(&worker->attempts, 1u);
    do {
        item = ecsi_deque_steal(deque);
    } while (item == ECSI_STEAL_LOST);
    if (item == NULL) return NULL;
    worker->victim = victim;
    ECSI_COUNT_UP(&worker->stolen, 1u);
    return (ecs_job *)item;
}

static ecs_job *ecsi_worker_steal(ecs_worker *worker)
{
    uint32_t high = ECSI_LOAD(&worker->pool->high, relaxed);
    ecs_job *job = ecsi_worker_rob(worker, worker->victim);
    uint32_t start;
    uint32_t i;
    ECSI_CHECK(worker->in_system == 0);
    ECSI_CHECK(high > 0 && high <= worker->pool->slot_count);
    if (job != NULL) return job;
    start = ecsi_worker_random(worker) % high;
    for (i = 0; i < high && job == NULL; i++) {
        job = ecsi_worker_rob(worker, start + i < high ? start + i : start + i - high);
    }
    return job;
}

/* The next job for a worker that waits for nothing in particular, or NULL. */
static ecs_job *ecsi_worker_find(ecs_worker *worker)
{
    ecsi_injector *injector = &worker->pool->injector;
    ecs_job *job = ecsi_worker_pinned(worker);
    ECSI_CHECK(worker->turn < ECSI_POOL_INJECTOR_TURN);
    ECSI_CHECK(worker->in_system == 0);
    if (ECSI_UNLIKELY(job != NULL)) return job;
    if (++worker->turn >= ECSI_POOL_INJECTOR_TURN) {
        worker->turn = 0;
        if (!ecsi_injector_empty(injector)) job = (ecs_job *)ecsi_injector_pop(injector);
    }
    if (job == NULL) job = (ecs_job *)ecsi_deque_take(&worker->deque);
    if (job == NULL && !ecsi_injector_empty(injector)) {
        job = (ecs_job *)ecsi_injector_pop(injector);
    }
    if (job == NULL) job = ecsi_worker_steal(worker);
    return job;
}

/* Runs a job that this worker did not start, or may not have: its starter may sleep for it. */
static void ecsi_job_execute(ecs_worker *worker, ecs_job *job)
{
    void *state;
    ECSI_CHECK(job->run != NULL);
    ECSI_CHECK(job->kind <= ECSI_JOB_SYSTEM);
    ECSI_COUNT_UP(&worker->executed, 1u);
    if (job->kind != ECSI_JOB_PLAIN) {
        job->run(worker, job->data); /* the job may be gone now */
        return;
    }
    ECSI_STORE(&job->base, (uint64_t)ECSI_LOAD(&worker->deque.bottom, relaxed), relaxed);
    /* Pairs with the acquire of ecsi_job_leap: it reads the base. */
    ECSI_STORE(&job->runner, worker->index + 1, release);
    job->run(worker, job->data);
    /* Pairs with the acquires of ecs_job_done and of a waiter: what the job wrote is visible. */
    state = ECSI_SWAP(&job->state, ECSI_JOB_DONE, acq_rel);
    ECSI_CHECK(state != ECSI_JOB_DONE);
    if (state != NULL) ecsi_unpark(&((ecs_worker *)state)->parker);
}

/* Runs a job that this worker started: nobody sleeps for it. */
static inline void ecsi_job_execute_own(ecs_worker *worker, ecs_job *job)
{
    bool plain = job->kind == ECSI_JOB_PLAIN;
    ECSI_CHECK(job->kind <= ECSI_JOB_SYSTEM);
    ECSI_CHECK(job->run != NULL);
    ECSI_COUNT_UP(&worker->executed, 1u);
    job->run(worker, job->data);
    /* Pairs with the acquire of ecs_job_done. */
    if (plain) ECSI_STORE(&job->state, ECSI_JOB_DONE, release);
}

/* Spins once; `spins` is how often that was done. */
static inline void ecsi_worker_relax(ecs_worker *worker, uint32_t spins, uint32_t most)
{
    uint32_t pauses = ecsi_min_u32(spins / 4 + 1, most);
    ECSI_CHECK(most > 0);
    ECSI_CHECK(pauses > 0);
    ECSI_COUNT_UP(&worker->empty, 1u);
    if (ECSI_UNLIKELY(worker->pool->crowded) && spins % 16 == 15) {
        ecsi_yield();
        return;
    }
    for (; pauses > 0; pauses--) ecsi_pause();
}

/* ---- Sleeping ---------------------------------------- */

/* Work was found after so many looks: spinning longer pays. */
static inline void ecsi_worker_warm(ecs_worker *worker, uint32_t spins)
{
    ECSI_CHECK(worker->spins > 0);
    if (spins * 2 > worker->spins && worker->spins < worker->pool->spins_max) worker->spins *= 2;
}

/* Nothing was found: spin less the next time, and sleep. Answers whether it has a token. */
static bool ecsi_worker_sleep(ecs_worker *worker, bool token, bool (*visible)(void *), void *data)
{
    bool slept;
    ECSI_CHECK(visible != NULL);
    ECSI_CHECK(worker->spins >= worker->pool->spins);
    token = ecsi_idle_sleep(&worker->pool->idle, &worker->waiter, token, visible, data, &slept);
    if (!slept) return token;
    ECSI_COUNT_UP(&worker->parks, 1u);
    if (worker->spins / 2 >= worker->pool->spins) worker->spins /= 2;
    return token;
}

/* A thread of the pool. */
static ECSI_THREAD_ANSWER ecsi_worker_main(void *data)
{
    ecs_worker *worker = (ecs_worker *)data;
    ecs_pool *pool = worker->pool;
    bool token = false;
    uint32_t spins = 0;
    ECSI_CHECK(worker->in_system == 0);
    ECSI_CHECK(worker->index < pool->thread_count);
    if (pool->affinity) ecsi_cpu_bind(worker->index + 1);
    while (ECSI_LOAD(&pool->stop, relaxed) == 0) {
        ecs_job *job = ecsi_worker_find(worker);
        if (job == NULL && !ecsi_injector_empty(&pool->background)) {
            job = (ecs_job *)ecsi_injector_pop(&pool->background);
        }
        if (job != NULL) {
            if (token) ecsi_idle_found(&pool->idle, ecsi_thread_visible, worker);
            token = false;
            ecsi_worker_warm(worker, spins);
            spins = 0;
            ecsi_job_execute(worker, job);
            continue;
        }
        if (!token) token = ecsi_idle_search(&pool->idle, pool->search_limit);
        if (token && ++spins < worker->spins) {
            ecsi_worker_relax(worker, spins, ECSI_PAUSES_SEARCHING);
            continue;
        }
        token = ecsi_worker_sleep(worker, token, ecsi_thread_visible, worker);
        spins = 0;
    }
    return 0;
}

typedef struct ecsi_latch_wait {
    ecs_worker *worker;
    const ecs_latch *latch;
} ecsi_latch_wait;

static bool ecsi_latch_visible(void *data)
{
    ecsi_latch_wait *wait = (ecsi_latch_wait *)data;
    ECSI_CHECK(wait->worker != NULL);
    ECSI_CHECK(wait->latch != NULL);
    return ecsi_latch_open(wait->latch) || ecsi_pool_visible(wait->worker);
}

/* A wait is over, and its worker goes on with something else: a job of a tick that it released
 * meanwhile and did not come to is for others. */
static inline void ecsi_worker_resume(ecs_worker *worker)
{
    ECSI_CHECK(worker->pool != NULL);
    if (worker->in_system > 0 || ecsi_deque_size(&worker->deque) == 0) return;
    (void)ecsi_idle_notify(&worker->pool->idle);
}

/* Works until the latch opens: for a worker that waits for nothing else. One worker at a time
 * may do this with a latch. */
static void ecsi_latch_help(ecs_worker *worker, ecs_latch *latch)
{
    ecs_pool *pool = worker->pool;
    uint64_t self = (uint64_t)(worker->index + 1) << 32;
    bool token = false;
    bool passed = false;
    uint32_t spins = 0;
    ecsi_latch_wait wait;
    ECSI_CHECK(worker->in_system == 0);
    ECSI_CHECK(worker->index < pool->slot_count);
    wait.worker = worker;
    wait.latch = latch;
    while (!ecsi_latch_open(latch)) {
        ecs_job *job = ecsi_worker_find(worker);
        if (job != NULL) {
            if (token) ecsi_idle_found(&pool->idle, ecsi_thread_visible, worker);
            token = false;
            spins = 0;
            ecsi_job_execute(worker, job);
            continue;
        }
        if (++spins < pool->spins_max) {
            ecsi_worker_relax(worker, spins, ECSI_PAUSES_WAITING);
            continue;
        }
        /* What it was woken for may be in the background, where only threads look. */
        if (token && !passed && !ecsi_injector_empty(&pool->background)) {
            ecsi_idle_found(&pool->idle, ecsi_thread_visible, worker);
            token = false;
            passed = true;
        }
        if ((uint32_t)ECSI_ADD(&latch->word, self, acq_rel) != 0) {
            token = ecsi_worker_sleep(worker, token, ecsi_latch_visible, &wait);
        }
        (void)ECSI_SUB(&latch->word, self, acq_rel);
        spins = 0;
    }
    if (token) ecsi_idle_found(&pool->idle, ecsi_thread_visible, worker);
    ecsi_worker_resume(worker);
}

/* The newest of its own jobs, for who waits; inside a system none that belongs to a tick. */
static ecs_job *ecsi_worker_own(ecs_worker *worker)
{
    ecs_job *job = (ecs_job *)ecsi_deque_take(&worker->deque);
    bool pushed;
    ECSI_CHECK(job == NULL || job->run != NULL);
    if (job == NULL || worker->in_system == 0 || job->kind != ECSI_JOB_SYSTEM) return job;
    pushed = ecsi_deque_push(&worker->deque, job);
    ECSI_CHECK(pushed); /* we are the only one that pushes, and have just made room */
    (void)pushed;
    /* Who looked in between has seen an empty deque, and may be going to sleep. */
    (void)ecsi_idle_notify(&worker->pool->idle);
    return NULL;
}

/* Waits until the latch opens; runs only what lies in its own deque. */
static void ecsi_latch_wait_own(ecs_worker *worker, ecs_latch *latch)
{
    uint64_t self = (uint64_t)(worker->index + 1) << 32;
    uint32_t spins = 0;
    ECSI_CHECK(latch != NULL);
    ECSI_CHECK(worker->index < worker->pool->slot_count);
    while (!ecsi_latch_open(latch)) {
        ecs_job *job = ecsi_worker_own(worker);
        if (job != NULL) {
            spins = 0;
            ecsi_job_execute(worker, job);
            continue;
        }
        if (++spins < worker->pool->spins_max) {
            ecsi_worker_relax(worker, spins, ECSI_PAUSES_WAITING);
            continue;
        }
        if ((uint32_t)ECSI_ADD(&latch->word, self, acq_rel) != 0) {
            ECSI_COUNT_UP(&worker->parks, 1u);
            (void)ecsi_park(&worker->parker, ECSI_FOREVER);
        }
        (void)ECSI_SUB(&latch->word, self, acq_rel);
        spins = 0;
    }
    ecsi_worker_resume(worker);
}

ECS_API void ecs_latch_init(ecs_latch *latch, uint32_t count)
{
    ECSI_REQUIRE_VOID(latch != NULL);
    ecsi_latch_set(latch, count);
}

ECS_API void ecs_latch_down(ecs_worker *worker, ecs_latch *latch)
{
    ECSI_REQUIRE_VOID(latch != NULL);
    if (worker != NULL) {
        ecsi_latch_down(worker->pool, latch, 1);
    } else {
        uint64_t before = ECSI_SUB(&latch->word, (uint64_t)1, acq_rel);
        /* Who has no worker cannot wake one: there is no pool then, or the latch is misused. */
        ECSI_REQUIRE_VOID(before >> 32 == 0);
    }
}

ECS_API void ecs_latch_wait(ecs_worker *worker, ecs_latch *latch)
{
    ECSI_REQUIRE_VOID(latch != NULL);
    ECSI_REQUIRE_VOID(worker != NULL || ecsi_latch_open(latch));
    if (worker == NULL) return;
    if (worker->in_system == 0) {
        ecsi_latch_help(worker, latch);
    } else {
        ecsi_latch_wait_own(worker, latch);
    }
}

/* ---- Jobs ---------------------------------------- */

ECS_API bool ecs_job_done(const ecs_job *job)
{
    ECSI_REQUIRE(job != NULL, false);
    return ECSI_LOAD(&job->state, acquire) == ECSI_JOB_DONE;
}

/* The deque is full. */
static ECSI_NOINLINE void ecsi_job_overflow(ecs_worker *worker, ecs_job *job)
{
    ecs_pool *pool = worker->pool;
    ECSI_CHECK(pool->slots != NULL);
    ECSI_CHECK(job->kind != ECSI_JOB_SYSTEM);
    ECSI_CHECK(job->run != NULL);
    if (worker->in_system == 0 && ecsi_injector_push(&pool->injector, job)) {
        (void)ecsi_idle_notify(&pool->idle);
        return;
    }
    ecsi_job_execute_own(worker, job);
}

/* Starts a job of a kind. */
static inline void ecsi_job_start(ecs_worker *worker, ecs_job *job, uint32_t kind)
{
    ECSI_CHECK(kind != ECSI_JOB_SYSTEM);
    ECSI_CHECK(job->run != NULL);
    job->kind = kind;
    ECSI_STORE(&job->state, NULL, relaxed);
    ECSI_STORE(&job->runner, 0u, relaxed);
    if (ECSI_UNLIKELY(!ecsi_deque_push(&worker->deque, job))) {
        ecsi_job_overflow(worker, job);
        return;
    }
    (void)ecsi_idle_notify(&worker->pool->idle);
}

ECS_API void ecs_job_send(ecs_worker *worker, ecs_job *job, ecs_job_function run, void *data)
{
    ECSI_REQUIRE_VOID(job != NULL);
    ECSI_REQUIRE_VOID(run != NULL);
    job->run = run;
    job->data = data;
    if (ECSI_UNLIKELY(worker == NULL)) {
        run(NULL, data);
    } else {
        ecsi_job_start(worker, job, ECSI_JOB_SENT);
    }
}

ECS_API void ecs_job_run(ecs_worker *worker, ecs_job *job, ecs_job_function run, void *data)
{
    ECSI_REQUIRE_VOID(job != NULL);
    ECSI_REQUIRE_VOID(run != NULL);
    job->run = run;
    job->data = data;
    if (ECSI_UNLIKELY(worker == NULL)) {
        run(NULL, data);
        ECSI_STORE(&job->state, ECSI_JOB_DONE, release);
        return;
    }
    ecsi_job_start(worker, job, ECSI_JOB_PLAIN);
}

/* What may be stolen back from the worker that runs `job`, or from the injector; or NULL. */
static ecs_job *ecsi_job_leap(ecs_worker *worker, ecs_job *job)
{
    ecs_pool *pool = worker->pool;
    uint32_t runner = ECSI_LOAD(&job->runner, acquire); /* pairs with ecsi_job_execute */
    void *item = NULL;
    ECSI_CHECK(job->kind == ECSI_JOB_PLAIN);
    if (runner != 0) {
        int64_t base = (int64_t)ECSI_LOAD(&job->base, relaxed);
        ECSI_CHECK(runner - 1 != worker->index && runner <= pool->slot_count);
        ECSI_COUNT_UP(&worker->attempts, 1u);
        item = ecsi_deque_steal_from(&pool->slots[runner - 1].deque, base);
        if (item == ECSI_STEAL_LOST) item = NULL;
        if (item != NULL) ECSI_COUNT_UP(&worker->stolen, 1u);
    } else if (worker->in_system == 0 && !ecsi_injector_empty(&pool->injector)) {
        item = ecsi_injector_pop(&pool->injector);
    }
    /* The job may have ended just now, and its runner gone on to systems: these we hand on. */
    if (item != NULL && worker->in_system > 0 && ((ecs_job *)item)->kind == ECSI_JOB_SYSTEM) {
        if (ecsi_injector_push(&pool->injector, item) || ecsi_deque_push(&worker->deque, item)) {
            (void)ecsi_idle_notify(&pool->idle);
        } else {
            ecsi_worker_pin(worker, (ecs_job *)item);
        }
        item = NULL;
    }
    return (ecs_job *)item;
}

static void ecsi_job_execute_data(ecs_worker *worker, void *data)
{
    ECSI_CHECK(data != NULL);
    ecsi_job_execute(worker, (ecs_job *)data);
}

/* The job is not in our deque: it was stolen. What its runner has may be another system's. */
static ECSI_NOINLINE void ecsi_job_wait_stolen(ecs_worker *worker, ecs_job *job)
{
    uint32_t spins = 0;
    ECSI_CHECK(job->kind == ECSI_JOB_PLAIN);
    ECSI_CHECK(worker->pool->worker_count > 0);
    while (!ecs_job_done(job)) {
        ecs_job *other = ecsi_job_leap(worker, job);
        void *none = NULL;
        if (other != NULL) {
            const ecsi_guard *guard = worker->guard;
            spins = 0;
            if (guard == NULL) {
                ecsi_job_execute(worker, other);
            } else {
                guard->apart(guard, worker, ecsi_job_execute_data, other);
            }
            continue;
        }
        if (++spins < worker->pool->spins_max) {
            ecsi_worker_relax(worker, spins, ECSI_PAUSES_WAITING);
            continue;
        }
        /* Pairs with the exchange of ecsi_job_execute: it finds us, or we find it done. */
        if (ECSI_CAS(&job->state, &none, (void *)worker, acq_rel, acquire)) {
            ECSI_COUNT_UP(&worker->parks, 1u);
            while (!ecs_job_done(job)) (void)ecsi_park(&worker->parker, ECSI_FOREVER);
        }
    }
    ecsi_worker_resume(worker);
}

ECS_API void ecs_job_wait(ecs_worker *worker, ecs_job *job)
{
    ECSI_REQUIRE_VOID(job != NULL);
    ECSI_REQUIRE_VOID(worker != NULL || ecs_job_done(job));
    if (worker == NULL) return;
    while (!ecs_job_done(job)) {
        bool system;
        ecs_job *own = ecsi_worker_own(worker);
        if (own == NULL) {
            ecsi_job_wait_stolen(worker, job);
            return;
        }
        system = own->kind == ECSI_JOB_SYSTEM;
        ecsi_job_execute_own(worker, own);
        if (ECSI_LIKELY(own == job)) return;
        if (ECSI_UNLIKELY(system)) ecsi_worker_resume(worker);
    }
}

/* Hands out a job that may take long: a thread of the pool that has nothing else to do runs it,
 * and nobody who waits for something. False: there is no room, or no thread. */
static bool ecsi_job_background(ecs_pool *pool, ecs_job *job)
{
    ECSI_CHECK(job->run != NULL);
    ECSI_CHECK(pool->started <= pool->thread_count);
    if (pool->started == 0) return false;
    job->kind = ECSI_JOB_SENT;
    if (!ecsi_injector_push(&pool->background, job)) return false;
    (void)ecsi_idle_notify(&pool->idle);
    return true;
}

/* ---- Tasks of a host ---------------------------------------- */

/* Helpers that one loop or one segment of a tick has from a host's job system at most. */
#define ECSI_SUMMON_MAX 64u

typedef struct ecsi_summon {
    ecs_pool *pool;
    ecs_latch *latch;
    ecsi_thread_id caller;
    void *tasks[ECSI_SUMMON_MAX];
    uint32_t count;
} ecsi_summon;

/* A task of the host: works until the latch opens. Nothing to do for a host that runs it on the
 * thread that asks: that one will work itself. */
static void ecsi_summon_run(void *data)
{
    const ecsi_summon *summon = (const ecsi_summon *)data;
    ecs_worker *worker;
    uint32_t spins = 0;
    ECSI_CHECK(summon->latch != NULL);
    ECSI_CHECK(summon->pool->tasks.workers > 0);
    if (ecsi_latch_open(summon->latch) || ecsi_thread_is(summon->caller)) return;
    worker = ecs_pool_enter(summon->pool);
    if (worker == NULL) return;
    worker->summoned = true;
    while (!ecsi_latch_open(summon->latch)) {
        ecs_job *job = ecsi_worker_find(worker);
        spins = job != NULL ? 0 : spins + 1;
        if (job != NULL) {
            ecsi_job_execute(worker, job);
        } else if (spins < worker->pool->spins) {
            ecsi_worker_relax(worker, spins, ECSI_PAUSES_SEARCHING);
        } else {
            ecsi_yield();
        }
    }
    worker->summoned = false;
    ecs_pool_leave(worker);
}

/* Asks the host for helpers; nothing happens in a pool with threads of its own, nor for who is
 * a helper or inside a system: helpers are about then, and a host hears of one thread only. */
static void ecsi_summon_call(ecsi_summon *summon, const ecs_worker *worker, ecs_latch *latch)
{
    ecs_pool *pool = worker->pool;
    uint32_t want = pool->tasks.workers > 0 ? pool->tasks.workers - 1 : 0;
    ECSI_CHECK(want < ECS_WORKERS_MAX);
    ECSI_CHECK(latch != NULL);
    if (worker->summoned || worker->in_system > 0) want = 0;
    summon->pool = pool;
    summon->latch = latch;
    summon->count = 0;
    if (want > 0) summon->caller = ecsi_thread_self();
    if (want > ECSI_SUMMON_MAX) want = ECSI_SUMMON_MAX;
    for (; want > 0; want--) {
        void *task = pool->tasks.enqueue(ecsi_summon_run, summon, pool->tasks.user);
        if (task != NULL) summon->tasks[summon->count++] = task;
    }
    ECSI_CHECK(summon->count <= ECSI_SUMMON_MAX);
}

/* The latch is open: waits until no helper is left. */
static void ecsi_summon_end(ecsi_summon *summon)
{
    uint32_t i;
    ECSI_CHECK(summon->pool != NULL);
    ECSI_CHECK(summon->count == 0 || ecsi_latch_open(summon->latch));
    ECSI_CHECK(summon->count <= ECSI_SUMMON_MAX);
    for (i = 0; i < summon->count; i++) {
        summon->pool->tasks.wait(summon->tasks[i], summon->pool->tasks.user);
    }
}

/* ---- Loops ---------------------------------------- */

typedef struct ecsi_for {
    ecs_job helper; /* pushed once for each worker that may help */
    void (*body)(ecs_worker *worker, ecs_range range, void *data);
    void *data;
    ecs_pool *pool;
    const ecsi_guard *guard;
    uint32_t count;
    uint32_t grain;
    ecs_latch helpers;
    unsigned char pad[ECSI_LINE_BYTES];
    ecsi_atomic_u64 next; /* items that were handed out */
} ecsi_for;

/* Grabs items until there are none. */
static void ecsi_for_work(ecs_worker *worker, ecsi_for *loop)
{
    ECSI_CHECK(loop->body != NULL);
    ECSI_CHECK(loop->grain > 0);
    for (;;) {
        uint64_t first = ECSI_ADD(&loop->next, (uint64_t)loop->grain, relaxed);
        ecs_range range;
        if (first >= loop->count) return;
        range.first = (uint32_t)first;
        range.count = ecsi_min_u32(loop->grain, loop->count - (uint32_t)first);
        ECSI_CHECK(range.count > 0);
        loop->body(worker, range, loop->data);
    }
}

static void ecsi_for_guarded(ecs_worker *worker, void *data)
{
    ECSI_CHECK(worker != NULL);
    ecsi_for_work(worker, (ecsi_for *)data);
}

static void ecsi_for_help(ecs_worker *worker, void *data)
{
    ecsi_for *loop = (ecsi_for *)data;
    ECSI_CHECK(loop->helper.kind == ECSI_JOB_SENT);
    ECSI_CHECK(loop->pool == worker->pool);
    if (ECSI_LIKELY(loop->guard == NULL)) {
        ecsi_for_work(worker, loop);
    } else {
        loop->guard->help(loop->guard, worker, ecsi_for_guarded, loop);
    }
    ecsi_latch_down(loop->pool, &loop->helpers, 1);
}

/* Shares the items from loop->next on with up to `helpers` other workers. */
static void ecsi_for_share(ecs_worker *worker, ecsi_for *loop, uint32_t helpers)
{
    ecs_pool *pool = worker->pool;
    ecsi_summon summon;
    uint32_t pushed = 0;
    ECSI_CHECK(helpers > 0);
    ECSI_CHECK(helpers < pool->worker_count);
    loop->helper.run = ecsi_for_help;
    loop->helper.data = loop;
    loop->helper.kind = ECSI_JOB_SENT;
    loop->pool = pool;
    loop->guard = worker->guard;
    ecsi_latch_set(&loop->helpers, helpers);
    while (pushed < helpers && ecsi_deque_push(&worker->deque, &loop->helper)) pushed++;
    if (pushed < helpers) ecsi_latch_down(pool, &loop->helpers, helpers - pushed);
    (void)ecsi_idle_notify(&pool->idle);
    ecsi_summon_call(&summon, worker, &loop->helpers);
    ecsi_for_work(worker, loop);
    /* Helpers that nobody took lie at the end of our deque, above all that is older: they find
     * nothing left and count themselves. */
    ecsi_latch_wait_own(worker, &loop->helpers);
    ecsi_summon_end(&summon);
}

/* Whether work that takes so long should be shared: waking a worker costs more than a steal,
 * unless there is enough to come. */
static bool ecsi_worker_shares(ecs_worker *worker, uint64_t work_ns, uint64_t now_ns)
{
    ecs_pool *pool = worker->pool;
    ECSI_CHECK(pool->worker_count > 0);
    ECSI_CHECK(now_ns >= worker->debt_since_ns);
    if (pool->worker_count == 1 || work_ns < ECSI_SHARE_AWAKE_NS) return false;
    if (work_ns >= ECSI_SHARE_ASLEEP_NS) return true;
    if (ECSI_LOAD(&pool->idle.searching, relaxed) > 0) return true;
    if (now_ns - worker->debt_since_ns > ECSI_DEBT_WINDOW_NS) {
        worker->debt_since_ns = now_ns;
        worker->debt_ns = 0;
    }
    worker->debt_ns += work_ns;
    if (worker->debt_ns < ECSI_DEBT_NS) return false;
    worker->debt_ns = 0;
    return true;
}

/* Runs the first items, and times them. Answers how many were done, all when it is not worth
 * sharing the rest; the grain for the others is in loop->grain. */
static uint32_t ecsi_for_probe(ecs_worker *worker, ecsi_for *loop)
{
    uint64_t start = ecsi_clock_ns();
    uint32_t step = loop->count < 1024 ? (loop->count + 63) / 64 : 16;
    ecs_range range;
    ECSI_CHECK(step > 0);
    ECSI_CHECK(worker->pool->worker_count > 1);
    range.first = 0;
    while (range.first < loop->count) {
        uint64_t now;
        double item_ns;
        uint64_t left_ns;
        range.count = ecsi_min_u32(step, loop->count - range.first);
        loop->body(worker, range, loop->data);
        range.first += range.count;
        now = ecsi_clock_ns();
        item_ns = (double)(now - start + 1) / range.first;
        left_ns = (uint64_t)(item_ns * (loop->count - range.first));
        if (left_ns < ECSI_SHARE_AWAKE_NS ||
            (now - start >= ECSI_PROBE_NS && !ecsi_worker_shares(worker, left_ns, now))) {
            range.count = loop->count - range.first;
            if (range.count > 0) loop->body(worker, range, loop->data);
            return loop->count;
        }
        if (now - start >= ECSI_PROBE_NS) {
            double grain = ECSI_GRAB_NS / item_ns;
            uint32_t most = (loop->count - range.first) / (worker->pool->worker_count * 4) + 1;
            loop->grain = grain < 1 ? 1 : grain > most ? most : (uint32_t)grain;
            return range.first;
        }
        step = step > 0x3fffffffu ? step : step * 4;
    }
    return loop->count;
}

ECS_API void ecs_parallel_for(ecs_worker *worker, ecs_loop loop,
                              void (*body)(ecs_worker *worker, ecs_range range, void *data),
                              void *data)
{
    ecsi_for state;
    uint32_t done = 0;
    uint32_t helpers;
    ECSI_REQUIRE_VOID(body != NULL);
    if (loop.count == 0) return;
    if (worker == NULL || worker->pool->worker_count == 1) {
        ecs_range all;
        all.first = 0;
        all.count = loop.count;
        body(worker, all, data);
        return;
    }
    state.body = body;
    state.data = data;
    state.count = loop.count;
    state.grain = loop.grain;
    if (loop.grain == 0) done = ecsi_for_probe(worker, &state);
    if (done == loop.count) return;
    ECSI_CHECK(state.grain > 0);
    ECSI_STORE(&state.next, (uint64_t)done, relaxed);
    helpers = (loop.count - done - 1) / state.grain;
    helpers = ecsi_min_u32(helpers, worker->pool->worker_count - 1);
    if (helpers == 0) {
        ecsi_for_work(worker, &state);
    } else {
        ecsi_for_share(worker, &state, helpers);
    }
}

/* ---- Life ---------------------------------------- */

/* The description with its defaults; false when it makes no sense. */
static bool ecsi_pool_resolve(const ecs_pool_desc *from, ecs_pool_desc *d)
{
    uint64_t mask[ECSI_CPU_WORDS];
    ECSI_CHECK(d != NULL);
    memset(d, 0, sizeof *d);
    ECSI_CHECK(from != d);
    if (from != NULL) *d = *from;
    if (d->tasks != NULL) d->workers = d->tasks->workers;
    if (d->workers == 0) d->workers = ecsi_min_u32(ecsi_cpu_mask(mask), ECS_WORKERS_MAX);
    if (d->guests_max == 0) d->guests_max = ECSI_POOL_GUESTS;
    if (d->deque_capacity == 0) d->deque_capacity = ECSI_POOL_DEQUE;
    if (d->injector_capacity == 0) d->injector_capacity = ECSI_POOL_INJECTOR;
    if (d->spins == 0) d->spins = ECSI_POOL_SPINS;
    if (d->tasks != NULL) {
        if (d->tasks->enqueue == NULL || d->tasks->wait == NULL) return false;
        /* The host's threads are guests, and so is who ticks. */
        if (d->workers <= ECS_WORKERS_MAX && d->guests_max <= 65536) d->guests_max += d->workers;
    }
    if (d->workers > ECS_WORKERS_MAX || d->guests_max > 65536 || d->spins > 1u << 20) return false;
    if (!ecsi_is_power_of_two(d->deque_capacity) || d->deque_capacity > 1u << 24) return false;
    if (!ecsi_is_power_of_two(d->injector_capacity) || d->injector_capacity < 2) return false;
    return d->injector_capacity <= 1u << 24;
}

static uint32_t ecsi_pool_threads(const ecs_pool_desc *d)
{
    ECSI_CHECK(d->workers > 0);
    return d->tasks != NULL ? 0 : d->workers - 1;
}

/* Bytes of a pool of a resolved description, aligned to ECSI_LINE_BYTES. */
static size_t ecsi_pool_bytes(const ecs_pool_desc *d)
{
    size_t slots = (size_t)ecsi_pool_threads(d) + d->guests_max;
    size_t bytes = ecsi_align_up(sizeof(ecs_pool), ECSI_LINE_BYTES);
    ECSI_CHECK(slots > 0);
    ECSI_CHECK(d->deque_capacity > 0 && d->injector_capacity > 0);
    bytes += slots * ecsi_align_up(sizeof(ecs_worker), ECSI_LINE_BYTES);
    bytes += slots * ecsi_align_up(d->deque_capacity * sizeof(ecsi_atomic_ptr), ECSI_LINE_BYTES);
    return bytes + d->injector_capacity * sizeof(ecsi_turn);
}

/* Puts a pool into memory of ecsi_pool_bytes; no thread runs yet. */
static ecs_pool *ecsi_pool_make(void *memory, const ecs_pool_desc *d)
{
    unsigned char *at = (unsigned char *)memory;
    ecs_pool *pool = (ecs_pool *)memory;
    size_t ring = ecsi_align_up(d->deque_capacity * sizeof(ecsi_atomic_ptr), ECSI_LINE_BYTES);
    uint64_t mask[ECSI_CPU_WORDS];
    uint32_t i;
    ECSI_CHECK((uintptr_t)memory % 64 == 0);
    ECSI_CHECK(ecsi_is_power_of_two(d->deque_capacity));
    ECSI_CHECK(d->workers > 0 && d->spins > 0);
    memset(pool, 0, sizeof *pool);
    pool->thread_count = ecsi_pool_threads(d);
    pool->slot_count = pool->thread_count + d->guests_max;
    pool->worker_count = d->workers;
    pool->search_limit = d->workers < 4 ? 1 : d->workers / 2;
    pool->spins = d->spins;
    pool->crowded = d->workers > ecsi_cpu_mask(mask);
    pool->spins_max = d->spins * (pool->crowded ? 1u : ECSI_POOL_SPINS_GROWTH);
    pool->affinity = d->affinity;
    if (d->tasks != NULL) {
        pool->tasks = *d->tasks;
        pool->tasks.workers = d->workers;
    }
    pool->bytes = ecsi_pool_bytes(d);
    at += ecsi_align_up(sizeof *pool, ECSI_LINE_BYTES);
    pool->slots = (ecs_worker *)(void *)at;
    memset(pool->slots, 0, pool->slot_count * sizeof(ecs_worker));
    at += pool->slot_count * ecsi_align_up(sizeof(ecs_worker), ECSI_LINE_BYTES);
    for (i = 0; i < pool->slot_count; i++, at += ring) {
        ecs_worker *worker = &pool->slots[i];
        ecsi_deque_create(&worker->deque, (ecsi_atomic_ptr *)(void *)at, d->deque_capacity, 0);
        worker->pool = pool;
        worker->index = i;
        worker->victim = i;
        worker->random = 0x9e3779b9u * (i + 1) | 1u;
        worker->spins = d->spins;
        worker->waiter.parker = &worker->parker;
    }
    ecsi_injector_create(&pool->injector, (ecsi_turn *)(void *)at, d->injector_capacity, 0);
    ecsi_injector_create(&pool->background, pool->background_turns, ECSI_POOL_BACKGROUND, 0);
    ecsi_idle_create(&pool->idle);
    pool->log.write = d->log != NULL ? d->log : ecsi_log_stderr;
    pool->log.user = d->log_user;
    return pool;
}

/* Starts the parkers and the threads. False: a parker was refused. */
static bool ecsi_pool_start(ecs_pool *pool)
{
    uint32_t i;
    ECSI_CHECK(pool->slot_count > pool->thread_count);
    ECSI_CHECK(pool->started == 0);
    for (i = 0; i < pool->slot_count; i++) {
        if (ecsi_parker_create(&pool->slots[i].parker)) continue;
        while (i-- > 0) ecsi_parker_destroy(&pool->slots[i].parker);
        return false;
    }
    ECSI_STORE(&pool->high, pool->thread_count, relaxed);
    for (i = 0; i < pool->thread_count; i++) {
        ecs_worker *worker = &pool->slots[i];
        ECSI_STORE(&worker->used, 1u, relaxed);
        if (!ecsi_thread_start(&worker->thread, ecsi_worker_main, worker)) break;
    }
    pool->started = i;
    if (i < pool->thread_count) {
        ecsi_log_print(&pool->log, ECS_LOG_WARNING,
                       "pool: the system gave %u of %u threads; it runs with these", i,
                       pool->thread_count);
    }
    /* Threads do not read this before they have a job. */
    if (pool->tasks.workers == 0) pool->worker_count = pool->started + 1;
    return true;
}

/* Runs all jobs that lie in the queues. */
static void ecsi_pool_drain(ecs_pool *pool, ecs_worker *worker)
{
    bool found = true;
    ECSI_CHECK(worker->pool == pool);
    ECSI_CHECK(worker->in_system == 0);
    while (found) {
        ecs_job *job = (ecs_job *)ecsi_injector_pop(&pool->injector);
        uint32_t i;
        if (job == NULL) job = (ecs_job *)ecsi_injector_pop(&pool->background);
        if (job == NULL) job = (ecs_job *)ecsi_deque_take(&worker->deque);
        for (i = 0; i < pool->slot_count && job == NULL; i++) {
            uint32_t more;
            if (i == worker->index) continue;
            do {
                job = (ecs_job *)ecsi_deque_steal_batch(&pool->slots[i].deque, &worker->deque,
                                                        ECSI_BATCH_MAX, &more);
            } while ((void *)job == ECSI_STEAL_LOST);
        }
        found = job != NULL;
        if (found) ecsi_job_execute(worker, job);
    }
}

/* A free guest slot, or NULL. */
static ecs_worker *ecsi_pool_claim(ecs_pool *pool)
{
    uint32_t i;
    ECSI_CHECK(pool->thread_count <= pool->slot_count);
    ECSI_CHECK(pool->slots != NULL);
    for (i = pool->thread_count; i < pool->slot_count; i++) {
        ecs_worker *worker = &pool->slots[i];
        uint32_t seen = ECSI_LOAD(&worker->used, relaxed);
        uint32_t high = ECSI_LOAD(&pool->high, relaxed);
        /* Pairs with the release of ecs_pool_leave: the slot is as its last user left it. */
        if (seen != 0 || !ECSI_CAS(&worker->used, &seen, 1u, acquire, relaxed)) continue;
        (void)ECSI_ADD(&pool->inside, 1u, relaxed);
        while (high < i + 1 && !ECSI_CAS(&pool->high, &high, i + 1, relaxed, relaxed)) continue;
        ECSI_CHECK(worker->in_system == 0);
        return worker;
    }
    return NULL;
}

/* Ends the threads; what is left in the queues is run here. */
static void ecsi_pool_end(ecs_pool *pool)
{
    ecs_worker *guest = ecsi_pool_claim(pool);
    uint32_t i;
    ECSI_CHECK(guest != NULL);
    ECSI_CHECK(pool->started <= pool->thread_count);
    if (guest != NULL) ecsi_pool_drain(pool, guest);
    ECSI_STORE(&pool->stop, 1u, seq_cst);
    for (i = 0; i < pool->started; i++) ecsi_unpark(&pool->slots[i].parker);
    for (i = 0; i < pool->started; i++) ecsi_thread_join(pool->slots[i].thread);
    /* A job that ran at last may have started others that its thread did not come to. */
    if (guest != NULL) ecsi_pool_drain(pool, guest);
    ecs_pool_leave(guest);
    for (i = 0; i < pool->slot_count; i++) ecsi_parker_destroy(&pool->slots[i].parker);
}

ECS_API ecs_pool *ecs_pool_create(const ecs_pool_desc *desc)
{
    ecs_allocator allocator = ecsi_default_allocator();
    ecs_pool_desc d;
    ecs_pool *pool;
    void *memory;
    if (!ecsi_pool_resolve(desc, &d)) return NULL;
    ECSI_CHECK(d.workers > 0 && d.guests_max > 0);
    if (d.allocator != NULL) allocator = *d.allocator;
    ECSI_REQUIRE(allocator.alloc != NULL, NULL);
    ECSI_REQUIRE(allocator.release != NULL, NULL);
    memory = allocator.alloc(ecsi_pool_bytes(&d), ECSI_LINE_BYTES, allocator.user);
    if (memory == NULL) return NULL;
    pool = ecsi_pool_make(memory, &d);
    pool->allocator = allocator;
    pool->own_memory = true;
    if (ecsi_pool_start(pool)) return pool;
    allocator.release(memory, pool->bytes, ECSI_LINE_BYTES, allocator.user);
    return NULL;
}

ECS_API ecs_status ecs_pool_destroy(ecs_pool *pool)
{
    ecs_allocator allocator;
    if (pool == NULL) return ECS_OK;
    if (ECSI_LOAD(&pool->inside, acquire) != 0) return ECS_LOCKED;
    if (ECSI_LOAD(&pool->worlds, acquire) != 0) return ECS_LOCKED;
    ecsi_pool_end(pool);
    allocator = pool->allocator;
    if (pool->own_memory) allocator.release(pool, pool->bytes, ECSI_LINE_BYTES, allocator.user);
    return ECS_OK;
}

ECS_API uint32_t ecs_pool_workers(const ecs_pool *pool)
{
    ECSI_REQUIRE(pool != NULL, 0);
    return pool->worker_count;
}

ECS_API ecs_worker *ecs_pool_enter(ecs_pool *pool)
{
    ECSI_REQUIRE(pool != NULL, NULL);
    return ecsi_pool_claim(pool);
}

ECS_API void ecs_pool_leave(ecs_worker *worker)
{
    ecs_pool *pool;
    if (worker == NULL) return;
    pool = worker->pool;
    ECSI_REQUIRE_VOID(worker->index >= pool->thread_count);
    ECSI_CHECK(ECSI_LOAD(&worker->used, relaxed) == 1);
    ECSI_CHECK(worker->in_system == 0);
    /* What it sent and nobody took. */
    while (ecsi_deque_size(&worker->deque) > 0) {
        ecs_job *job = (ecs_job *)ecsi_deque_take(&worker->deque);
        if (job != NULL) ecsi_job_execute(worker, job);
    }
    ECSI_STORE(&worker->used, 0u, release); /* pairs with the acquire of ecs_pool_enter */
    /* The last access: pairs with the acquire of ecs_pool_destroy. */
    (void)ECSI_SUB(&pool->inside, 1u, release);
}

ECS_API ecs_status ecs_pool_stats(const ecs_pool *pool, uint32_t index, ecs_worker_stats *out)
{
    const ecs_worker *worker;
    ECSI_REQUIRE(pool != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    if (index >= pool->slot_count) return ECS_NOT_FOUND;
    worker = &pool->slots[index];
    out->executed = ECSI_LOAD(&worker->executed, relaxed);
    out->stolen = ECSI_LOAD(&worker->stolen, relaxed);
    out->steal_attempts = ECSI_LOAD(&worker->attempts, relaxed);
    out->parks = ECSI_LOAD(&worker->parks, relaxed);
    out->spins = ECSI_LOAD(&worker->empty, relaxed);
    out->commands = ECSI_LOAD(&worker->commands, relaxed);
    return ECS_OK;
}

#else /* ECS_NO_THREADS */

struct ecs_worker {
    ecs_pool *pool;
};

struct ecs_pool {
    ecs_worker worker;
    uint32_t inside;
    uint32_t worlds;
    ecs_allocator allocator;
};

ECS_API ecs_pool *ecs_pool_create(const ecs_pool_desc *desc)
{
    ecs_allocator allocator = ecsi_default_allocator();
    ecs_pool *pool;
    if (desc != NULL && desc->workers > ECS_WORKERS_MAX) return NULL;
    if (desc != NULL && desc->allocator != NULL) allocator = *desc->allocator;
    pool = (ecs_pool *)allocator.alloc(sizeof *pool, 64, allocator.user);
    if (pool == NULL) return NULL;
    memset(pool, 0, sizeof *pool);
    pool->worker.pool = pool;
    pool->allocator = allocator;
    return pool;
}

ECS_API ecs_status ecs_pool_destroy(ecs_pool *pool)
{
    ecs_allocator allocator;
    if (pool == NULL) return ECS_OK;
    if (pool->inside != 0 || pool->worlds != 0) return ECS_LOCKED;
    allocator = pool->allocator;
    allocator.release(pool, sizeof *pool, 64, allocator.user);
    return ECS_OK;
}

ECS_API uint32_t ecs_pool_workers(const ecs_pool *pool)
{
    ECSI_REQUIRE(pool != NULL, 0);
    return 1;
}

ECS_API ecs_worker *ecs_pool_enter(ecs_pool *pool)
{
    ECSI_REQUIRE(pool != NULL, NULL);
    pool->inside++;
    return &pool->worker;
}

ECS_API void ecs_pool_leave(ecs_worker *worker)
{
    if (worker != NULL) worker->pool->inside--;
}

ECS_API ecs_status ecs_pool_stats(const ecs_pool *pool, uint32_t index, ecs_worker_stats *out)
{
    ECSI_REQUIRE(pool != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    if (index > 0) return ECS_NOT_FOUND;
    memset(out, 0, sizeof *out);
    return ECS_OK;
}

ECS_API void ecs_job_run(ecs_worker *worker, ecs_job *job, ecs_job_function run, void *data)
{
    ECSI_REQUIRE_VOID(job != NULL);
    ECSI_REQUIRE_VOID(run != NULL);
    run(worker, data);
    job->kind = 1;
}

ECS_API void ecs_job_send(ecs_worker *worker, ecs_job *job, ecs_job_function run, void *data)
{
    ECSI_REQUIRE_VOID(job != NULL);
    ECSI_REQUIRE_VOID(run != NULL);
    run(worker, data);
}

ECS_API void ecs_job_wait(ecs_worker *worker, ecs_job *job)
{
    ECSI_REQUIRE_VOID(job != NULL);
    (void)worker;
}

ECS_API bool ecs_job_done(const ecs_job *job)
{
    ECSI_REQUIRE(job != NULL, false);
    return job->kind == 1;
}

ECS_API void ecs_latch_init(ecs_latch *latch, uint32_t count)
{
    ECSI_REQUIRE_VOID(latch != NULL);
    latch->word.value = count;
}

ECS_API void ecs_latch_down(ecs_worker *worker, ecs_latch *latch)
{
    ECSI_REQUIRE_VOID(latch != NULL);
    ECSI_REQUIRE_VOID(latch->word.value > 0);
    (void)worker;
    latch->word.value--;
}

ECS_API void ecs_latch_wait(ecs_worker *worker, ecs_latch *latch)
{
    ECSI_REQUIRE_VOID(latch != NULL);
    ECSI_REQUIRE_VOID(latch->word.value == 0);
    (void)worker;
}

ECS_API void ecs_parallel_for(ecs_worker *worker, ecs_loop loop,
                              void (*body)(ecs_worker *worker, ecs_range range, void *data),
                              void *data)
{
    ecs_range all;
    ECSI_REQUIRE_VOID(body != NULL);
    all.first = 0;
    all.count = loop.count;
    if (all.count > 0) body(worker, all, data);
}

#endif /* ECS_NO_THREADS */

/* A world begins (1) or ends (-1) to use a pool. */
static void ecsi_pool_attach(ecs_pool *pool, int32_t more)
{
    ECSI_CHECK(pool != NULL);
#ifndef ECS_NO_THREADS
    (void)ECSI_ADD(&pool->worlds, (uint32_t)more, acq_rel);
#else
    pool->worlds += (uint32_t)more;
#endif
}

#ifdef ECS_NO_THREADS
static inline void ecsi_worker_busy(ecs_worker *worker, int32_t more)
{
    (void)worker;
    (void)more;
}
#endif

/* ---- Reductions ---------------------------------------- */

typedef struct ecsi_reduction {
    const ecs_reduce *reduce;
    uint32_t leaf_items;
    unsigned char *values; /* aligned to ECS_REDUCE_BYTES_MAX, which they are apart */
    uint64_t memory[(ECS_REDUCE_LEAVES_MAX + 1) * ECS_REDUCE_BYTES_MAX / 8];
} ecsi_reduction;

static inline void *ecsi_reduce_value(const ecsi_reduction *r, uint32_t leaf)
{
    ECSI_CHECK(leaf < ECS_REDUCE_LEAVES_MAX);
    return r->values + (size_t)leaf * ECS_REDUCE_BYTES_MAX;
}

static void ecsi_reduce_leaves(ecs_worker *worker, ecs_range leaves, void *data)
{
    ecsi_reduction *r = (ecsi_reduction *)data;
    uint32_t i;
    ECSI_CHECK(r->leaf_items > 0);
    ECSI_CHECK(leaves.first + leaves.count <= ECS_REDUCE_LEAVES_MAX);
    for (i = leaves.first; i < leaves.first + leaves.count; i++) {
        ecs_range items;
        items.first = i * r->leaf_items;
        items.count = ecsi_min_u32(r->leaf_items, r->reduce->count - items.first);
        ECSI_CHECK(items.count > 0);
        r->reduce->leaf(worker, items, ecsi_reduce_value(r, i), r->reduce->data);
    }
}

ECS_API ecs_status ecs_parallel_reduce(ecs_worker *worker, const ecs_reduce *reduce, void *value)
{
    ecsi_reduction r;
    ecs_loop loop;
    uint32_t width;
    uint32_t i;
    ECSI_REQUIRE(reduce != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    ECSI_REQUIRE(reduce->leaf != NULL, ECS_INVALID);
    ECSI_REQUIRE(reduce->combine != NULL, ECS_INVALID);
    if (reduce->bytes == 0 || reduce->bytes > ECS_REDUCE_BYTES_MAX) return ECS_TOO_LARGE;
    if (reduce->count == 0) return ECS_OK;
    r.reduce = reduce;
    r.values = (unsigned char *)r.memory;
    r.values += ecsi_align_up((size_t)(uintptr_t)r.values, ECS_REDUCE_BYTES_MAX) -
                (size_t)(uintptr_t)r.values;
    r.leaf_items = ecsi_max_u32(reduce->grain == 0 ? 1024 : reduce->grain,
                                (reduce->count - 1) / ECS_REDUCE_LEAVES_MAX + 1);
    loop.count = (reduce->count - 1) / r.leaf_items + 1;
    loop.grain = 0;
    ecs_parallel_for(worker, loop, ecsi_reduce_leaves, &r);
    for (width = 1; width < loop.count; width *= 2) {
        for (i = 0; i + width < loop.count; i += 2 * width) {
            reduce->combine(ecsi_reduce_value(&r, i), ecsi_reduce_value(&r, i + width),
                            reduce->data);
        }
    }
    memcpy(value, r.values, reduce->bytes);
    return ECS_OK;
}

#endif /* ECS_POOL_H */
