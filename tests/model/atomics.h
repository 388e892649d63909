/* atomics.h: the atomics of the library on top of a model checker, for the files of this folder.
 *
 * Taken by src/atomic.h (ECSI_ATOMIC_MODEL) and before src/api.h, whose types need it. Each
 * operation is a call into checker.cpp, the only file that sees relacy: so a suite compiles in
 * a moment, and a hundred mutants of it too.
 *
 * What the library does not name atomic is checked for data races where it is a model_field,
 * and an access to something that is gone already is an error. */
#ifndef MODEL_ATOMICS_H
#define MODEL_ATOMICS_H

#include <stddef.h>
#include <stdint.h>

enum model_order {
    model_relaxed,
    model_acquire,
    model_release,
    model_acq_rel,
    model_seq_cst
};

/* Where an operation stands: the checker's trace of a failure names it. */
struct model_here {
    const char *function;
    const char *file;
    unsigned line;
};
#define MODEL_HERE (model_here{__func__, __FILE__, __LINE__})

/* How accesses to an atomic are checked beyond its values. The checker runs loads in program
 * order, so it cannot show that a load is delayed until after a later store. Where that would
 * be the bug, we demand the order in which the load must have happened instead:
 *
 *   FREE     nothing more
 *   PLAIN    as if it was not atomic: two accesses, one of them a write, have an order
 *   CLAIMED  a load that is followed by a won CAS of the same thread has an order with the
 *            stores; one whose CAS is lost has none, its value is thrown away */
enum model_kind { MODEL_FREE, MODEL_PLAIN, MODEL_CLAIMED };

struct model_cell; /* in checker.cpp */

model_cell *model_cell_new(void);
void model_cell_end(model_cell *cell);
void model_cell_kind(model_cell *cell, model_kind kind);
uint64_t model_load(model_cell *cell, model_order order, model_here here);
void model_store(model_cell *cell, uint64_t to, model_order order, model_here here);
uint64_t model_add(model_cell *cell, uint64_t more, model_order order, model_here here);
uint64_t model_sub(model_cell *cell, uint64_t less, model_order order, model_here here);
uint64_t model_swap(model_cell *cell, uint64_t to, model_order order, model_here here);
bool model_cas(model_cell *cell, uint64_t *seen, uint64_t to, model_order order,
               model_order failed, model_here here);
void model_fence(model_order order, model_here here);
/* Sleeps while the newest value is `value`. False: the time was up, which may be any moment. */
bool model_sleep(model_cell *cell, uint64_t value, bool timed, model_here here);
void model_wake_all(model_cell *cell, model_here here);
void model_yield(model_here here);
/* Checks and records an access that is not atomic. */
void model_touch(model_cell *cell, bool write, model_here here);
void model_fail(const char *what, model_here here);

#define MODEL_REQUIRE(c) ((c) ? (void)0 : model_fail(#c, MODEL_HERE))

/* ---- Types ------------------------------------------------------------------------------- */

static inline uint64_t model_bits(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}
static inline uint64_t model_bits(uint64_t number)
{
    return number;
}
static inline void model_value(uint64_t bits, void **to)
{
    *to = (void *)(uintptr_t)bits;
}
template <typename T> static inline void model_value(uint64_t bits, T *to)
{
    *to = (T)bits;
}

template <typename T> struct model_atomic {
    model_cell *cell;

    model_atomic() : cell(model_cell_new()) {}
    ~model_atomic() { model_cell_end(cell); }
    model_atomic(const model_atomic &) = delete;
    model_atomic &operator=(const model_atomic &) = delete;

    static T number(uint64_t bits)
    {
        T value;
        model_value(bits, &value);
        return value;
    }
    T load(model_order order, model_here here) const
    {
        return number(model_load(cell, order, here));
    }
    void store(T to, model_order order, model_here here)
    {
        model_store(cell, model_bits(to), order, here);
    }
    T add(T more, model_order order, model_here here)
    {
        return number(model_add(cell, model_bits(more), order, here));
    }
    T sub(T less, model_order order, model_here here)
    {
        return number(model_sub(cell, model_bits(less), order, here));
    }
    T swap(T to, model_order order, model_here here)
    {
        return number(model_swap(cell, model_bits(to), order, here));
    }
    bool cas(T *seen, T to, model_order order, model_order failed, model_here here)
    {
        uint64_t bits = model_bits(*seen);
        bool won = model_cas(cell, &bits, model_bits(to), order, failed, here);
        *seen = number(bits);
        return won;
    }
};

typedef struct ecsi_atomic_u32 {
    model_atomic<uint32_t> value;
} ecsi_atomic_u32;
typedef struct ecsi_atomic_u64 {
    model_atomic<uint64_t> value;
} ecsi_atomic_u64;
typedef struct ecsi_atomic_i64 {
    model_atomic<int64_t> value;
} ecsi_atomic_i64;
typedef struct ecsi_atomic_ptr {
    model_atomic<void *> value;
} ecsi_atomic_ptr;

/* A field that only one thread at a time may touch. The script puts it in the place of fields
 * of the library. */
template <typename T> struct model_field {
    T value;
    model_cell *cell;

    model_field() : value(), cell(model_cell_new()) {}
    ~model_field() { model_cell_end(cell); }
    model_field(const model_field &) = delete;

    T get(void) const
    {
        model_touch(cell, false, MODEL_HERE);
        return value;
    }
    model_field &operator=(T to)
    {
        model_touch(cell, true, MODEL_HERE);
        value = to;
        return *this;
    }
    model_field &operator=(const model_field &other)
    {
        return *this = other.get();
    }
    operator T() const { return get(); }
    T operator->() const { return get(); }
    template <typename U> explicit operator U *() const { return (U *)get(); }
};

/* ---- The names of src/atomic.h ------------------------------------------------------------- */

#define ECSI_LOAD(a, order) ((a)->value.load(model_##order, MODEL_HERE))
#define ECSI_STORE(a, to, order) ((a)->value.store((to), model_##order, MODEL_HERE))
#define ECSI_ADD(a, more, order) ((a)->value.add((more), model_##order, MODEL_HERE))
#define ECSI_SUB(a, less, order) ((a)->value.sub((less), model_##order, MODEL_HERE))
#define ECSI_SWAP(a, to, order) ((a)->value.swap((to), model_##order, MODEL_HERE))
#define ECSI_CAS(a, seen, to, order, failed)                                                   \
    ((a)->value.cas((seen), (to), model_##order, model_##failed, MODEL_HERE))
#define ECSI_FENCE(order) model_fence(model_##order, MODEL_HERE)
#define ECSI_RMW_FENCE(order) model_fence(model_##order, MODEL_HERE)
#define ECSI_COUNT_UP(a, more) ECSI_STORE(a, ECSI_LOAD(a, relaxed) + (more), relaxed)

/* ---- The names of src/thread.h ------------------------------------------------------------- */

#define ECSI_FOREVER UINT64_MAX
#define ECSI_LOCK_SPINS 1u

static inline void ecsi_pause(void)
{
    model_yield(MODEL_HERE);
}

static inline void ecsi_yield(void)
{
    model_yield(MODEL_HERE);
}

static inline void ecsi_lock(ecsi_atomic_u32 *lock)
{
    for (;;) {
        uint32_t seen = 0;
        if (ECSI_CAS(lock, &seen, 1u, acquire, relaxed)) return;
        (void)model_sleep(lock->value.cell, 1, false, MODEL_HERE);
    }
}

static inline void ecsi_unlock(ecsi_atomic_u32 *lock)
{
    ECSI_STORE(lock, 0u, release);
    model_wake_all(lock->value.cell, MODEL_HERE);
}

/* Like the one with mutex and condition variable: unpark is not done with the parker when the
 * token is there. `use` stands for what it still does then. */
typedef struct ecsi_parker {
    ecsi_atomic_u32 token;
    model_cell *use;
} ecsi_parker;

static inline bool ecsi_parker_create(ecsi_parker *parker)
{
    ECSI_STORE(&parker->token, 0u, relaxed);
    parker->use = model_cell_new();
    model_touch(parker->use, true, MODEL_HERE);
    return true;
}

static inline void ecsi_parker_destroy(ecsi_parker *parker)
{
    model_touch(parker->use, true, MODEL_HERE);
    model_cell_end(parker->use);
}

static inline bool ecsi_park(ecsi_parker *parker, uint64_t timeout_ns)
{
    for (;;) {
        uint32_t seen = 1;
        if (ECSI_CAS(&parker->token, &seen, 0u, acquire, relaxed)) return true;
        if (model_sleep(parker->token.value.cell, 0, timeout_ns != ECSI_FOREVER, MODEL_HERE)) {
            continue;
        }
        return ECSI_SWAP(&parker->token, 0u, acquire) != 0;
    }
}

static inline void ecsi_unpark(ecsi_parker *parker)
{
    ECSI_STORE(&parker->token, 1u, release);
    model_wake_all(parker->token.value.cell, MODEL_HERE);
    model_touch(parker->use, false, MODEL_HERE);
}

/* ---- Scenarios --------------------------------------------------------------------------- */

/* A scenario is a struct with a constructor, thread(index) and after(): constructed anew for
 * each execution; threads run; after() sees everything that they did. */
struct model_scenario {
    const char *name;
    unsigned threads; /* 2, 3 or 4 */
    size_t bytes;
    void (*begin)(void *room);
    void (*thread)(void *room, unsigned index);
    void (*after)(void *room); /* and the destructor */
};

struct model_place {};
inline void *operator new(size_t, void *room, model_place)
{
    return room;
}

template <typename T> struct model_calls {
    static void begin(void *room) { new (room, model_place()) T(); }
    static void thread(void *room, unsigned index) { ((T *)room)->thread(index); }
    static void after(void *room)
    {
        ((T *)room)->after();
        ((T *)room)->~T();
    }
};

#define MODEL_SCENARIO(type, threads)                                                          \
    {#type, threads, sizeof(type), model_calls<type>::begin, model_calls<type>::thread,        \
     model_calls<type>::after}

/* Each suite defines these. */
extern const model_scenario model_scenarios[];
extern const unsigned model_scenario_count;

/* Whatever the suites of src/ need of its settings. */
#define ECS_STATIC
#define ECS_DEBUG
#define ECS_ASSERT(c) MODEL_REQUIRE(c)

#endif /* MODEL_ATOMICS_H */
