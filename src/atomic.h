/* atomic.h: every atomic operation of the library, so that a model checker can take its place.
 *
 * An atomic is a struct of one plain member: it cannot be touched by accident, and C++ sees no
 * _Atomic. Orders are words of C11: relaxed, acquire, release, acq_rel, seq_cst. A fence
 * orders memory for the machine but never publishes data: ThreadSanitizer does not follow
 * fences, so every hand-over of data goes by an acquire that reads from a release.
 *
 * tests/model/ defines ECSI_ATOMIC_MODEL and brings the same names on top of a checker. */
/* floor: 0 */
#ifndef ECS_ATOMIC_H
#define ECS_ATOMIC_H

#include "platform.h"

#ifdef ECSI_ATOMIC_MODEL
#include ECSI_ATOMIC_MODEL
#else

/* gcc warns that its ThreadSanitizer does not follow fences: nothing relies on that here. */
#if defined(__SANITIZE_THREAD__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

/* ecsi_atomic_u32, _u64 and _ptr are in api.h: users' structs hold them. */
typedef struct ecsi_atomic_i64 {
    int64_t value;
} ecsi_atomic_i64;

#define ECSI_ORDER_relaxed __ATOMIC_RELAXED
#define ECSI_ORDER_acquire __ATOMIC_ACQUIRE
#define ECSI_ORDER_release __ATOMIC_RELEASE
#define ECSI_ORDER_acq_rel __ATOMIC_ACQ_REL
#define ECSI_ORDER_seq_cst __ATOMIC_SEQ_CST

/* a: pointer to an atomic. What reads and writes answers the value before. */
#define ECSI_LOAD(a, order) __atomic_load_n(&(a)->value, ECSI_ORDER_##order)
#define ECSI_STORE(a, to, order) __atomic_store_n(&(a)->value, (to), ECSI_ORDER_##order)
#define ECSI_ADD(a, more, order) __atomic_fetch_add(&(a)->value, (more), ECSI_ORDER_##order)
#define ECSI_SUB(a, less, order) __atomic_fetch_sub(&(a)->value, (less), ECSI_ORDER_##order)
#define ECSI_SWAP(a, to, order) __atomic_exchange_n(&(a)->value, (to), ECSI_ORDER_##order)
/* Strong; `seen` points to what is expected and gets what was there. */
#define ECSI_CAS(a, seen, to, order, failed)                                       \
    __atomic_compare_exchange_n(&(a)->value, (seen), (to), false,                  \
                                ECSI_ORDER_##order, ECSI_ORDER_##failed)
#define ECSI_FENCE(order) __atomic_thread_fence(ECSI_ORDER_##order)
/* A full fence right behind an operation that reads and writes: on x86 that is one already, so
 * only the compiler has to be told. */
#if defined(__x86_64__) || defined(__i386__)
#define ECSI_RMW_FENCE(order) __atomic_signal_fence(ECSI_ORDER_##order)
#else
#define ECSI_RMW_FENCE(order) ECSI_FENCE(order)
#endif

/* A counter that one thread writes and others may read: no locked instruction. */
#define ECSI_COUNT_UP(a, more)                                                     \
    ECSI_STORE(a, ECSI_LOAD(a, relaxed) + (more), relaxed)

#endif /* ECSI_ATOMIC_MODEL */

#endif /* ECS_ATOMIC_H */
