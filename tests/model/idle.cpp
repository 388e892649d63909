/* idle.cpp: the protocol of src/idle.h by which workers search, sleep and are woken. Those who
 * publish never do any work themselves here, so a lost wake is a deadlock. */
#include "library.h"

#include "deque.h"
#include "idle.h"

enum { JOBS_MAX = 4 };

/* Workers that look into some deques and an injector until all jobs are done. */
struct pool {
    ecsi_idle idle;
    ecsi_deque deques[2];
    ecsi_atomic_ptr slots[2][4];
    ecsi_injector injector;
    ecsi_turn turns[4];
    ecsi_atomic_u32 stop;
    model_field<int> jobs[JOBS_MAX];
    unsigned done[JOBS_MAX];
    unsigned left;  /* jobs that are not done */
    unsigned limit; /* searchers */
    unsigned used;  /* deques */

    pool(unsigned count, unsigned searchers, unsigned deques_used = 2)
        : done(), left(count), limit(searchers), used(deques_used)
    {
        ecsi_idle_create(&idle);
        ECSI_STORE(&stop, 0u, relaxed);
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned k = 0; k < 4; k++) ECSI_STORE(&slots[i][k], NULL, relaxed);
            ecsi_deque_create(&deques[i], slots[i], 4, 0);
        }
        ecsi_injector_create(&injector, turns, 4, 0);
    }

    /* As a job of the owner of this deque does. */
    void publish(unsigned deque, unsigned job)
    {
        jobs[job] = 1 + (int)job;
        MODEL_REQUIRE(ecsi_deque_push(&deques[deque], &jobs[job]));
        (void)ecsi_idle_notify(&idle);
    }
    /* As a thread outside of the pool does. */
    void inject(unsigned job)
    {
        jobs[job] = 1 + (int)job;
        MODEL_REQUIRE(ecsi_injector_push(&injector, &jobs[job]));
        (void)ecsi_idle_notify(&idle);
    }

    static bool visible(void *data)
    {
        pool *self = (pool *)data;
        if (ECSI_LOAD(&self->stop, relaxed) != 0) return true;
        for (unsigned i = 0; i < self->used; i++) {
            if (ecsi_deque_size(&self->deques[i]) > 0) return true;
        }
        return !ecsi_injector_empty(&self->injector);
    }

    void *find()
    {
        void *job;
        for (unsigned i = 0; i < used; i++) {
            do {
                job = ecsi_deque_steal(&deques[i]);
            } while (job == ECSI_STEAL_LOST);
            if (job != NULL) return job;
        }
        return ecsi_injector_pop(&injector);
    }

    /* The last one stops the pool. */
    virtual void run(unsigned job)
    {
        finish(job);
    }
    void finish(unsigned job)
    {
        done[job]++;
        if (--left > 0) return;
        ECSI_STORE(&stop, 1u, relaxed);
        (void)ecsi_wake_all(&idle.sleepers);
    }

    void worker()
    {
        ecsi_waiter waiter;
        ecsi_parker parker;
        bool token = false;
        bool slept;
        (void)ecsi_parker_create(&parker);
        waiter.parker = &parker;
        while (ECSI_LOAD(&stop, relaxed) == 0) {
            void *found = NULL;
            if (!token) token = ecsi_idle_search(&idle, limit);
            if (token) found = find();
            if (found != NULL) {
                unsigned job = (unsigned)((model_field<int> *)found - jobs);
                ecsi_idle_found(&idle, visible, this);
                token = false;
                MODEL_REQUIRE(jobs[job] == 1 + (int)job);
                run(job);
                continue;
            }
            token = ecsi_idle_sleep(&idle, &waiter, token, visible, this, &slept);
            /* What is visible may still be in the hands of one who pushes. */
            if (!slept) ecsi_yield();
        }
        ecsi_parker_destroy(&parker);
    }

    void after()
    {
        for (unsigned i = 0; i < JOBS_MAX; i++) MODEL_REQUIRE(done[i] <= 1);
        MODEL_REQUIRE(left == 0);
        MODEL_REQUIRE(ECSI_LOAD(&idle.sleepers.word, relaxed) == NULL);
    }
};

/* Waits for another job to be done, as a job may that waits: without the pool's help. So it is
 * a deadlock if only one worker is awake while there is work for two. */
struct blocked {
    ecsi_parker parker;

    blocked() { (void)ecsi_parker_create(&parker); }
    ~blocked() { ecsi_parker_destroy(&parker); }
};

struct idle_one_one : pool {
    idle_one_one() : pool(1, 1) {}
    void thread(unsigned index)
    {
        if (index == 0) {
            publish(0, 0);
        } else {
            worker();
        }
    }
};

struct idle_injector : pool {
    idle_injector() : pool(2, 1) {}
    void thread(unsigned index)
    {
        if (index == 0) {
            inject(0);
            inject(1);
        } else {
            worker();
        }
    }
};

struct idle_two_workers : pool {
    idle_two_workers() : pool(2, 1) {}
    void thread(unsigned index)
    {
        if (index == 0) {
            publish(0, 0);
            publish(0, 1);
        } else {
            worker();
        }
    }
};

struct idle_two_publishers : pool {
    idle_two_publishers() : pool(2, 1) {}
    void thread(unsigned index)
    {
        if (index < 2) {
            publish(index, index);
        } else {
            worker();
        }
    }
};

struct idle_two_two : pool {
    idle_two_two() : pool(2, 2) {}
    void thread(unsigned index)
    {
        if (index == 0) {
            publish(0, 0);
        } else if (index == 1) {
            inject(1);
        } else {
            worker();
        }
    }
};

/* The first job of two waits for the second one: both workers must be awake. */
struct idle_both_needed : pool {
    blocked second;

    explicit idle_both_needed(unsigned searchers = 1, unsigned deques_used = 2)
        : pool(2, searchers, deques_used)
    {
    }
    void run(unsigned job)
    {
        if (job == 0) {
            (void)ecsi_park(&second.parker, ECSI_FOREVER);
        } else {
            ecsi_unpark(&second.parker);
        }
        finish(job);
    }
    void thread(unsigned index)
    {
        if (index == 0) {
            publish(0, 0);
            publish(0, 1);
        } else {
            worker();
        }
    }
};

struct idle_both_needed_two : idle_both_needed {
    idle_both_needed_two() : idle_both_needed(2) {}
};

/* The same from two publishers: one sees the token that the other one's wake has taken. */
struct idle_both_published : idle_both_needed {
    void thread(unsigned index)
    {
        if (index < 2) {
            publish(index, index);
        } else {
            worker();
        }
    }
};

struct idle_both_injected : idle_both_needed {
    idle_both_injected() : idle_both_needed(2) {}
    void thread(unsigned index)
    {
        if (index < 2) {
            inject(index);
        } else {
            worker();
        }
    }
};

/* A job makes another one, and waits for it, while the publisher of the first still holds a
 * token for a sleeper that has found the work by itself. */
struct idle_job_publishes : idle_both_needed {
    idle_job_publishes() : idle_both_needed(1, 0) {}
    void run(unsigned job)
    {
        if (job == 0) inject(1);
        idle_both_needed::run(job);
    }
    void thread(unsigned index)
    {
        if (index == 0) {
            inject(0);
        } else {
            worker();
        }
    }
};

/* Three jobs, three workers, the first two wait for the last. */
struct idle_all_needed : pool {
    blocked last[2];

    idle_all_needed() : pool(3, 1) {}
    void run(unsigned job)
    {
        if (job < 2) {
            (void)ecsi_park(&last[job].parker, ECSI_FOREVER);
        } else {
            ecsi_unpark(&last[0].parker);
            ecsi_unpark(&last[1].parker);
        }
        finish(job);
    }
    void thread(unsigned index)
    {
        if (index == 0) {
            publish(0, 0);
            publish(0, 1);
            publish(0, 2);
        } else {
            worker();
        }
    }
};

const model_scenario model_scenarios[] = {
    MODEL_SCENARIO(idle_one_one, 2),
    MODEL_SCENARIO(idle_injector, 2),
    MODEL_SCENARIO(idle_two_workers, 3),
    MODEL_SCENARIO(idle_two_publishers, 3),
    MODEL_SCENARIO(idle_two_two, 4),
    MODEL_SCENARIO(idle_both_needed, 3),
    MODEL_SCENARIO(idle_both_needed_two, 3),
    MODEL_SCENARIO(idle_both_published, 4),
    MODEL_SCENARIO(idle_both_injected, 4),
    MODEL_SCENARIO(idle_job_publishes, 3),
    MODEL_SCENARIO(idle_all_needed, 4),
};
const unsigned model_scenario_count = sizeof model_scenarios / sizeof model_scenarios[0];
