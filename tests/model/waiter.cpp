/* waiter.cpp: the queue of waiting threads of src/waiter.h and what is built on it. A lost wake
 * is a deadlock; what a waker does to a waiter that has gone on is an access to freed memory
 * or a data race. */
#include "library.h"

#include "waiter.h"

/* A thread's waiter: gone as soon as it has gone on. */
struct sleeper {
    ecsi_parker parker;
    ecsi_waiter waiter;

    sleeper()
    {
        (void)ecsi_parker_create(&parker);
        waiter.parker = &parker;
        /* Whatever was there before. */
        waiter.listed = true;
        ECSI_STORE(&waiter.woken, 1u, relaxed);
    }
    ~sleeper()
    {
        /* Somebody else uses the memory. */
        waiter.next = NULL;
        waiter.previous = NULL;
        waiter.parker = NULL;
        waiter.listed = false;
        ecsi_parker_destroy(&parker);
    }
};

struct queue_base {
    ecs_waiters queue;

    queue_base() { ecsi_waiters_create(&queue); }
    void after()
    {
        MODEL_REQUIRE(ECSI_LOAD(&queue.word, relaxed) == NULL);
        MODEL_REQUIRE(ecsi_waiter_count(&queue) == 0);
        MODEL_REQUIRE(ECSI_LOAD(&queue.lock, relaxed) == 0);
        MODEL_REQUIRE(queue.first == NULL);
        MODEL_REQUIRE(queue.last == NULL);
    }
};

/* A condition that becomes true once. */
struct flagged : queue_base {
    ecsi_atomic_u32 flag;
    model_field<int> data;

    flagged() { ECSI_STORE(&flag, 0u, relaxed); }

    /* Announces, looks, sleeps. Woken? */
    bool wait(uint64_t timeout)
    {
        sleeper s;
        ecsi_waiter_enter(&queue, &s.waiter);
        if (ECSI_LOAD(&flag, relaxed) != 0) return !ecsi_waiter_cancel(&queue, &s.waiter);
        return ecsi_waiter_sleep(&queue, &s.waiter, timeout);
    }
    void set()
    {
        data = 7;
        ECSI_STORE(&flag, 1u, relaxed);
    }
};

struct waiter_wake_one : flagged {
    void thread(unsigned index)
    {
        if (index == 0) {
            if (wait(ECSI_FOREVER)) MODEL_REQUIRE(data == 7);
            MODEL_REQUIRE(ECSI_LOAD(&flag, relaxed) == 1);
        } else {
            set();
            (void)ecsi_wake_one(&queue);
        }
    }
};

struct waiter_wake_all : flagged {
    void thread(unsigned index)
    {
        if (index == 0) {
            if (wait(ECSI_FOREVER)) MODEL_REQUIRE(data == 7);
        } else {
            set();
            MODEL_REQUIRE(ecsi_wake_all(&queue) <= 1);
        }
    }
};

/* One wait after the other in the same memory. */
struct waiter_again : flagged {
    void thread(unsigned index)
    {
        if (index == 0) {
            (void)wait(ECSI_FOREVER);
            (void)wait(ECSI_FOREVER);
        } else {
            set();
            (void)ecsi_wake_one(&queue);
            (void)ecsi_wake_one(&queue);
        }
    }
};

struct waiter_two_wake_all : flagged {
    void thread(unsigned index)
    {
        if (index < 2) {
            if (wait(ECSI_FOREVER)) MODEL_REQUIRE(data == 7);
        } else {
            set();
            MODEL_REQUIRE(ecsi_wake_all(&queue) <= 2);
        }
    }
};

struct waiter_two_wake_two : flagged {
    void thread(unsigned index)
    {
        if (index < 2) {
            if (wait(ECSI_FOREVER)) MODEL_REQUIRE(data == 7);
        } else {
            set();
            (void)ecsi_wake_one(&queue);
            (void)ecsi_wake_one(&queue);
        }
    }
};

/* Two wakers, each with its own reason. */
struct waiter_two_wakers : flagged {
    void thread(unsigned index)
    {
        if (index < 2) {
            (void)wait(ECSI_FOREVER);
        } else {
            ECSI_STORE(&flag, 1u, relaxed);
            if (index == 2) {
                (void)ecsi_wake_one(&queue);
            } else {
                (void)ecsi_wake_all(&queue);
            }
        }
    }
};

/* Times out or is woken, beside another one that stays: single and list mode, cancelled at the
 * front, at the end and by the last. */
struct waiter_timed : flagged {
    void thread(unsigned index)
    {
        if (index == 0) {
            if (wait(ECSI_FOREVER)) MODEL_REQUIRE(data == 7);
        } else if (index == 1) {
            if (wait(1)) MODEL_REQUIRE(data == 7);
            if (wait(1)) MODEL_REQUIRE(data == 7);
        } else {
            set();
            (void)ecsi_wake_all(&queue);
        }
    }
};

/* Without a condition: one who gave up too late has the wake, and nobody else. */
struct waiter_cancel_counts : flagged {
    unsigned woken;

    waiter_cancel_counts() : woken(0) {}
    void thread(unsigned index)
    {
        if (index < 2) {
            if (wait(1)) woken++;
        } else {
            unsigned given = ecsi_wake_one(&queue) ? 1 : 0;
            given += ecsi_wake_all(&queue);
            woken -= given;
        }
    }
    void after()
    {
        MODEL_REQUIRE(woken == 0);
        flagged::after();
    }
};

/* Three in the list, taken out in any order. */
struct waiter_list_cancel : flagged {
    unsigned woken;

    waiter_list_cancel() : woken(0) {}
    void thread(unsigned index)
    {
        if (index < 3) {
            if (wait(1)) woken++;
        } else if (ecsi_wake_one(&queue)) {
            woken--;
        }
    }
    void after()
    {
        MODEL_REQUIRE(woken == 0);
        flagged::after();
    }
};

/* A wake that one could not use goes on: the one that waits for ever is always woken. */
struct waiter_hand_on : flagged {
    void thread(unsigned index)
    {
        if (index == 0) {
            sleeper s;
            ecsi_waiter_enter(&queue, &s.waiter);
            if (!ecsi_waiter_cancel(&queue, &s.waiter)) (void)ecsi_wake_one(&queue);
        } else if (index == 1) {
            (void)wait(ECSI_FOREVER);
        } else {
            set();
            (void)ecsi_wake_one(&queue);
        }
    }
};

/* Two of three are woken, those who came first. */
struct waiter_two_of_three : flagged {
    unsigned woken; /* bits */

    waiter_two_of_three() : woken(0) {}
    void thread(unsigned index)
    {
        if (index < 3) {
            sleeper s;
            while (ecsi_waiter_count(&queue) != index) ecsi_yield();
            ecsi_waiter_enter(&queue, &s.waiter);
            MODEL_REQUIRE(ecsi_waiter_sleep(&queue, &s.waiter, ECSI_FOREVER));
            woken |= 1u << index;
            return;
        }
        while (ecsi_waiter_count(&queue) != 3) ecsi_yield();
        MODEL_REQUIRE(ecsi_wake_one(&queue));
        MODEL_REQUIRE(ecsi_wake_one(&queue));
        MODEL_REQUIRE(ecsi_waiter_count(&queue) == 1);
        MODEL_REQUIRE((woken & 4u) == 0);
        MODEL_REQUIRE(ecsi_wake_all(&queue) == 1);
    }
    void after()
    {
        MODEL_REQUIRE(woken == 7);
        flagged::after();
    }
};

/* ---- Semaphore, event, future -------------------------------------------------------------- */

struct semaphore_base {
    ecs_semaphore semaphore;
    model_field<int> data;
    uint32_t expected;

    explicit semaphore_base(uint32_t permits) : expected(permits)
    {
        ecs_semaphore_init(&semaphore, permits);
        data = 0;
    }
    bool acquire(uint64_t timeout)
    {
        ecs_status status = ecs_semaphore_acquire(&semaphore, timeout);
        MODEL_REQUIRE(status == ECS_OK || (status == ECS_TIMEOUT && timeout != ECS_FOREVER));
        return status == ECS_OK;
    }
    void after()
    {
        MODEL_REQUIRE(ECSI_LOAD(&semaphore.permits, relaxed) == expected);
        MODEL_REQUIRE(ECSI_LOAD(&semaphore.waiters.word, relaxed) == NULL);
    }
};

/* As a lock: only one is inside. */
template <uint64_t TIMEOUT> struct semaphore_lock : semaphore_base {
    semaphore_lock() : semaphore_base(1) {}
    void thread(unsigned)
    {
        if (!acquire(TIMEOUT)) return;
        data = data + 1;
        ecs_semaphore_release(&semaphore, 1);
    }
};
typedef semaphore_lock<ECS_FOREVER> semaphore_lock_two;
typedef semaphore_lock<ECS_FOREVER> semaphore_lock_three;
typedef semaphore_lock<1> semaphore_lock_timed;

struct semaphore_lock_twice : semaphore_base {
    semaphore_lock_twice() : semaphore_base(1) {}
    void thread(unsigned)
    {
        for (unsigned i = 0; i < 2; i++) {
            MODEL_REQUIRE(acquire(ECS_FOREVER));
            data = data + 1;
            ecs_semaphore_release(&semaphore, 1);
        }
    }
};

/* What was written before the release is visible to the one who acquires. */
struct semaphore_hand_over : semaphore_base {
    semaphore_hand_over() : semaphore_base(0) {}
    void thread(unsigned index)
    {
        if (index == 0) {
            data = 7;
            ecs_semaphore_release(&semaphore, 1);
        } else {
            MODEL_REQUIRE(acquire(ECS_FOREVER));
            MODEL_REQUIRE(data == 7);
        }
    }
};

/* Two wait, two permits come. */
struct semaphore_two_two : semaphore_base {
    semaphore_two_two() : semaphore_base(0) {}
    void thread(unsigned index)
    {
        if (index < 2) {
            MODEL_REQUIRE(acquire(ECS_FOREVER));
        } else {
            ecs_semaphore_release(&semaphore, 2);
        }
    }
};

struct semaphore_two_givers : semaphore_base {
    semaphore_two_givers() : semaphore_base(0) {}
    void thread(unsigned index)
    {
        if (index < 2) {
            MODEL_REQUIRE(acquire(ECS_FOREVER));
        } else {
            ecs_semaphore_release(&semaphore, 1);
        }
    }
};

/* One permit; one gives up now and then. If it had the permit it gives it back. */
struct semaphore_gives_up : semaphore_base {
    semaphore_gives_up() : semaphore_base(0) {}
    void thread(unsigned index)
    {
        if (index == 0) {
            if (acquire(1)) ecs_semaphore_release(&semaphore, 1);
        } else if (index == 1) {
            MODEL_REQUIRE(acquire(ECS_FOREVER));
        } else {
            ecs_semaphore_release(&semaphore, 1);
        }
    }
};

struct semaphore_all_give_up : semaphore_base {
    unsigned got;

    semaphore_all_give_up() : semaphore_base(0), got(0) {}
    void thread(unsigned index)
    {
        if (index < 2) {
            if (acquire(1)) got++;
        } else {
            ecs_semaphore_release(&semaphore, 1);
        }
    }
    void after()
    {
        expected = 1 - got;
        semaphore_base::after();
    }
};

struct signal_wait : queue_base {
    ecs_signal signal;
    model_field<int> data;

    signal_wait() { ecs_signal_init(&signal); }
    void thread(unsigned index)
    {
        if (index == 0) {
            data = 7;
            ecs_signal_set(&signal);
        } else if (ecs_signal_wait(&signal, index == 1 ? ECS_FOREVER : 1) == ECS_OK) {
            MODEL_REQUIRE(data == 7);
        } else {
            MODEL_REQUIRE(index == 2);
        }
    }
};

/* Two set it, one is heard. */
struct future_wait : queue_base {
    ecs_future future;
    int numbers[2];
    unsigned heard;

    future_wait() : numbers(), heard(0) { ecs_future_init(&future); }
    void thread(unsigned index)
    {
        if (index < 2) {
            ecs_status status = index == 0 ? ECS_FAILED : ECS_OK;
            if (ecs_future_set(&future, status, &numbers[index]) == ECS_OK) heard++;
        } else {
            void *value = NULL;
            ecs_status status = ecs_future_wait(&future, ECS_FOREVER, &value);
            MODEL_REQUIRE(value == (status == ECS_FAILED ? &numbers[0] : &numbers[1]));
            MODEL_REQUIRE(ecs_future_poll(&future));
        }
    }
    void after()
    {
        MODEL_REQUIRE(heard == 1);
        queue_base::after();
    }
};

const model_scenario model_scenarios[] = {
    MODEL_SCENARIO(waiter_wake_one, 2),
    MODEL_SCENARIO(waiter_wake_all, 2),
    MODEL_SCENARIO(waiter_again, 2),
    MODEL_SCENARIO(waiter_two_wake_all, 3),
    MODEL_SCENARIO(waiter_two_wake_two, 3),
    MODEL_SCENARIO(waiter_two_wakers, 4),
    MODEL_SCENARIO(waiter_timed, 3),
    MODEL_SCENARIO(waiter_cancel_counts, 3),
    MODEL_SCENARIO(waiter_list_cancel, 4),
    MODEL_SCENARIO(waiter_hand_on, 3),
    MODEL_SCENARIO(waiter_two_of_three, 4),
    MODEL_SCENARIO(semaphore_lock_two, 2),
    MODEL_SCENARIO(semaphore_lock_three, 3),
    MODEL_SCENARIO(semaphore_lock_timed, 3),
    MODEL_SCENARIO(semaphore_lock_twice, 2),
    MODEL_SCENARIO(semaphore_hand_over, 2),
    MODEL_SCENARIO(semaphore_two_two, 3),
    MODEL_SCENARIO(semaphore_two_givers, 4),
    MODEL_SCENARIO(semaphore_gives_up, 3),
    MODEL_SCENARIO(semaphore_all_give_up, 3),
    MODEL_SCENARIO(signal_wait, 3),
    MODEL_SCENARIO(future_wait, 3),
};
const unsigned model_scenario_count = sizeof model_scenarios / sizeof model_scenarios[0];
