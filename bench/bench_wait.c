/* Waiting: the semaphore against one of a mutex and a condition variable, which is what one
 * writes by hand; and the steps of the waiter queue by themselves. Items are pairs of acquire
 * and release, or turns there and back; the size is the number of threads. */
#define ECS_IMPLEMENTATION
#include "bench.h"

#include <pthread.h>

enum { THREADS_MAX = 4 };

/* By hand, in the usual way. */
typedef struct plain {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    uint32_t permits;
} plain;

static void plain_init(plain *p, uint32_t permits)
{
    bench_need(pthread_mutex_init(&p->mutex, NULL) == 0, "pthread_mutex_init");
    bench_need(pthread_cond_init(&p->condition, NULL) == 0, "pthread_cond_init");
    p->permits = permits;
}

static BENCH_NOINLINE void plain_acquire(plain *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    while (p->permits == 0) (void)pthread_cond_wait(&p->condition, &p->mutex);
    p->permits--;
    (void)pthread_mutex_unlock(&p->mutex);
}

static BENCH_NOINLINE void plain_release(plain *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->permits++;
    (void)pthread_cond_signal(&p->condition);
    (void)pthread_mutex_unlock(&p->mutex);
}

typedef struct scene {
    ecs_semaphore semaphores[2];
    plain plains[2];
    ecs_waiters queue;
    ecsi_waiter waiter;
    ecsi_parker parker;
    uint32_t threads;
    uint64_t repeats;
    pthread_t idler;
    ecs_signal end;
} scene;

/* While a process has one thread only, glibc's mutex does without atomic operations. */
static void *idle_work(void *state)
{
    bench_ok(ecs_signal_wait(&((scene *)state)->end, ECS_FOREVER), "ecs_signal_wait");
    return NULL;
}

static void *open_scene(uint32_t size)
{
    scene *s = (scene *)bench_array(1, sizeof *s);
    bench_need(size <= THREADS_MAX, "threads");
    s->threads = size;
    ecs_semaphore_init(&s->semaphores[0], 1);
    ecs_semaphore_init(&s->semaphores[1], 0);
    plain_init(&s->plains[0], 1);
    plain_init(&s->plains[1], 0);
    ecsi_waiters_create(&s->queue);
    bench_need(ecsi_parker_create(&s->parker), "ecsi_parker_create");
    s->waiter.parker = &s->parker;
    ecs_signal_init(&s->end);
    bench_need(pthread_create(&s->idler, NULL, idle_work, s) == 0, "pthread_create");
    return s;
}

static void close_scene(void *state)
{
    scene *s = (scene *)state;
    ecs_signal_set(&s->end);
    (void)pthread_join(s->idler, NULL);
    ecsi_parker_destroy(&s->parker);
    for (int i = 0; i < 2; i++) {
        (void)pthread_mutex_destroy(&s->plains[i].mutex);
        (void)pthread_cond_destroy(&s->plains[i].condition);
    }
    free(s);
}

/* ---- acquire and release ------------------------------------------------------------------- */

static void *semaphore_work(void *state)
{
    scene *s = (scene *)state;
    for (uint64_t i = 0; i < s->repeats; i++) {
        bench_ok(ecs_semaphore_acquire(&s->semaphores[0], ECS_FOREVER), "acquire");
        ecs_semaphore_release(&s->semaphores[0], 1);
    }
    return NULL;
}

static void *plain_work(void *state)
{
    scene *s = (scene *)state;
    for (uint64_t i = 0; i < s->repeats; i++) {
        plain_acquire(&s->plains[0]);
        plain_release(&s->plains[0]);
    }
    return NULL;
}

/* On this thread and so many others. */
static double run_threads(scene *s, uint64_t repeats, uint32_t others, void *(*work)(void *),
                          void *(*other)(void *))
{
    pthread_t threads[THREADS_MAX];
    uint64_t start;
    s->repeats = repeats;
    start = bench_now_ns();
    for (uint32_t i = 0; i < others; i++) {
        bench_need(pthread_create(&threads[i], NULL, other, s) == 0, "pthread_create");
    }
    (void)work(s);
    for (uint32_t i = 0; i < others; i++) (void)pthread_join(threads[i], NULL);
    return bench_since(start);
}

static double semaphore_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    return run_threads(s, repeats, s->threads - 1, semaphore_work, semaphore_work);
}

static double semaphore_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    return run_threads(s, repeats, s->threads - 1, plain_work, plain_work);
}

/* ---- there and back ------------------------------------------------------------------------ */

static void *semaphore_there(void *state)
{
    scene *s = (scene *)state;
    for (uint64_t i = 0; i < s->repeats; i++) {
        bench_ok(ecs_semaphore_acquire(&s->semaphores[0], ECS_FOREVER), "acquire");
        ecs_semaphore_release(&s->semaphores[1], 1);
    }
    return NULL;
}

static void *semaphore_back(void *state)
{
    scene *s = (scene *)state;
    for (uint64_t i = 0; i < s->repeats; i++) {
        bench_ok(ecs_semaphore_acquire(&s->semaphores[1], ECS_FOREVER), "acquire");
        ecs_semaphore_release(&s->semaphores[0], 1);
    }
    return NULL;
}

static void *plain_there(void *state)
{
    scene *s = (scene *)state;
    for (uint64_t i = 0; i < s->repeats; i++) {
        plain_acquire(&s->plains[0]);
        plain_release(&s->plains[1]);
    }
    return NULL;
}

static void *plain_back(void *state)
{
    scene *s = (scene *)state;
    for (uint64_t i = 0; i < s->repeats; i++) {
        plain_acquire(&s->plains[1]);
        plain_release(&s->plains[0]);
    }
    return NULL;
}

static double ping_pong_subject(void *state, uint64_t repeats)
{
    return run_threads((scene *)state, repeats, 1, semaphore_there, semaphore_back);
}

static double ping_pong_limit(void *state, uint64_t repeats)
{
    return run_threads((scene *)state, repeats, 1, plain_there, plain_back);
}

/* ---- steps --------------------------------------------------------------------------------- */

static double announce_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < repeats; i++) {
        ecsi_waiter_enter(&s->queue, &s->waiter);
        bench_need(ecsi_waiter_cancel(&s->queue, &s->waiter), "cancel");
    }
    return bench_since(start);
}

static double wake_none_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < repeats; i++) bench_keep(ecsi_wake_one(&s->queue) ? 1 : 0);
    return bench_since(start);
}

/* Announced, woken, and the token taken, on one thread: no sleep. */
static double wake_here_subject(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < repeats; i++) {
        ecsi_waiter_enter(&s->queue, &s->waiter);
        bench_need(ecsi_wake_one(&s->queue), "wake");
        bench_need(ecsi_waiter_sleep(&s->queue, &s->waiter, ECSI_FOREVER), "sleep");
    }
    return bench_since(start);
}

/* The parts of a mutex and a condition variable in their place. */
static double lock_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < repeats; i++) {
        (void)pthread_mutex_lock(&s->plains[1].mutex);
        bench_barrier();
        (void)pthread_mutex_unlock(&s->plains[1].mutex);
    }
    return bench_since(start);
}

static double signal_limit(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < repeats; i++) (void)pthread_cond_signal(&s->plains[1].condition);
    return bench_since(start);
}

static const uint32_t sizes_one[] = {1, 0};
static const uint32_t sizes_two[] = {2, 0};
static const uint32_t sizes_many[] = {2, 4, 0};

#define CASE(name, text, subject, limit, sizes, items) \
    {name, text, open_scene, close_scene, NULL, subject, limit, sizes, BENCH_REPEAT, items, 0, 0}

static const bench_case cases[] = {
    CASE("semaphore", "mutex and condition", semaphore_subject, semaphore_limit, sizes_one, 1),
    CASE("semaphore_contended", "mutex and condition", semaphore_subject, semaphore_limit,
         sizes_many, 0),
    CASE("ping_pong", "mutex and condition", ping_pong_subject, ping_pong_limit, sizes_two, 1),
    CASE("announce_cancel", "lock and unlock", announce_subject, lock_limit, sizes_one, 1),
    CASE("wake_none", "signal of a condition", wake_none_subject, signal_limit, sizes_one, 1),
    CASE("wake_here", NULL, wake_here_subject, NULL, sizes_one, 1),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, (uint32_t)(sizeof cases / sizeof cases[0]));
}
