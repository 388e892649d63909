/* api.h: what a user of ecs.h sees. Read it from top to bottom, like a book.
 *
 *   1  Configuration        the switches that may be defined before the include
 *   2  Compiler             what differs between C, C++ and compilers
 *   3  Status               what a call can answer
 *   4  Entities             handles
 *   5  Types                components, tags, resources and events by their C type
 *   6  World                limits, memory, life cycle, statistics
 *   7  Editing              spawn, despawn, add, set, remove, read, bulk
 *   8  Queries              terms, typed views, iteration, slices
 *   9  Commands             edits that are recorded now and applied later
 *  10  Resources and events
 *  11  Systems and phases   the schedule and the tick
 *  12  Workers and jobs     pools of threads, parallel loops, waiting
 *  13  Worlds together      entities that travel from world to world
 *  14  Running              the main loop
 *  15  Explain, hash, random
 *  16  Typed macros         what turns C types into the calls above
 *
 * Thread rules. A world belongs to one thread at a time. Functions that take a
 * `const ecs_world *` write nothing: any number of threads may call them while
 * nobody calls the others. Inside a system use only what its view offers. What is made for
 * several threads (sections 12 and 13) says so.
 *
 * Errors. A caller's bug (a null pointer, an unknown id, a wrong size) fails an
 * assert; with asserts off it answers ECS_INVALID where there is a status.
 * Everything that can happen in a correct program is a status. A stale or null
 * entity handle is data, not a bug: it answers ECS_STALE.
 */
/* floor: 0 */
#ifndef ECS_H
#define ECS_H

/* ---------------------------------------------------------------------------
 * 1  Configuration
 *
 * ECS_IMPLEMENTATION  define in exactly one translation unit before the include
 * ECS_STATIC          everything is private to this unit (implies the implementation)
 * ECS_NO_ASSERT       asserts off: a caller's bug answers ECS_INVALID
 * ECS_DEBUG           more asserts (ECSI_CHECK), texts about dropped commands, access checks
 * ECS_DEBUG_SLOW      asserts that walk whole structures (implies ECS_DEBUG)
 * ECS_ASSERT(c)       your own assert
 * ECS_NO_ADAPTIVE     removes ECS_BACKEND_ADAPTIVE: a world with it is refused
 * ECS_NO_EVENTS       removes events
 * ECS_NO_EXPLAIN      removes ecs_explain_*
 * ECS_NO_HASH         removes ecs_world_hash
 * ECS_NO_IO           removes input and output
 * ECS_NO_RUN          removes ecs_run
 * ECS_NO_LOG          removes the default log to stderr (the hook stays)
 * ECS_NO_WORLDS       removes ecs_worlds and its routes
 * ECS_NO_THREADS      removes threads: jobs run at once, every backend is blocking
 * ECS_PARK_COND       sleep on mutex and condition variable even where there is a futex
 *
 * All units of a program must agree on the switches: a symbol that carries them makes the
 * link fail otherwise.
 * ------------------------------------------------------------------------- */

#if defined(ECS_STATIC) && !defined(ECS_IMPLEMENTATION)
#define ECS_IMPLEMENTATION
#endif
#if defined(ECS_DEBUG_SLOW) && !defined(ECS_DEBUG)
#define ECS_DEBUG
#endif

/* tidy: compiler begin */
/* Under -std=c11 the implementation needs POSIX declared; before any system header. */
#if defined(__STRICT_ANSI__) && !defined(__cplusplus) && !defined(_WIN32) && \
    !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE) && !defined(_DEFAULT_SOURCE)
#if defined(_FEATURES_H) && defined(ECS_IMPLEMENTATION)
#error "ecs.h: a system header came first; include ecs.h first or define _POSIX_C_SOURCE=200809L"
#elif !defined(_FEATURES_H)
#define _POSIX_C_SOURCE 200809L
#ifdef ECS_IMPLEMENTATION
#define _DEFAULT_SOURCE 1 /* madvise */
#endif
#endif
#endif
/* tidy: compiler end */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ECS_VERSION_MAJOR 0
#define ECS_VERSION_MINOR 2
#define ECS_VERSION_PATCH 0

/* Terms of one query or system, counted after ANY is spread. */
#define ECS_TERMS_MAX 32u
/* Bytes of a name (component, system, phase) with its closing zero. */
#define ECS_NAME_BYTES_MAX 64u
/* Members listed for one type. */
#define ECS_MEMBERS_MAX 32u
/* Names in a system's `before` and `after` lists. */
#define ECS_ORDER_MAX 8u
/* Failures kept in a tick report; more are counted. */
#define ECS_FAILURES_MAX 16u
/* Systems of one asynchronous group, and launches of it that are under way. */
#define ECS_GROUP_SYSTEMS_MAX 16u
#define ECS_LAUNCHES_MAX 64u
/* Largest alignment of a component, in bytes. */
#define ECS_ALIGN_MAX 4096u

/* ---------------------------------------------------------------------------
 * 2  Compiler
 * ------------------------------------------------------------------------- */

/* tidy: compiler begin */
#ifdef __cplusplus
#define ECSI_ALIGNOF(T) alignof(T)
#define ECSI_STATIC_ASSERT(c, text) static_assert(c, text)
#define ECSI_EXTERN extern "C"
#else
#define ECSI_ALIGNOF(T) _Alignof(T)
#define ECSI_STATIC_ASSERT(c, text) _Static_assert(c, text)
#define ECSI_EXTERN extern
#endif
#if defined(__GNUC__) || defined(__clang__)
#define ECSI_UNUSED __attribute__((unused))
#define ECSI_USED __attribute__((used))
#define ECSI_CLEANUP(f) __attribute__((cleanup(f)))
#define ECSI_LIKELY(c) __builtin_expect(!!(c), 1)
#define ECSI_UNLIKELY(c) __builtin_expect(!!(c), 0)
#define ECSI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define ECSI_UNUSED
#define ECSI_USED
#define ECSI_CLEANUP(f)
#define ECSI_LIKELY(c) (c)
#define ECSI_UNLIKELY(c) (c)
#define ECSI_PRINTF(text, first)
#endif
/* tidy: compiler end */
#define ECSI_INLINE static inline ECSI_UNUSED

/* Atomics inside of public structs. Not for use: all access is in the implementation. */
#ifndef ECSI_ATOMIC_MODEL
typedef struct ecsi_atomic_u32 {
    uint32_t value;
} ecsi_atomic_u32;
typedef struct ecsi_atomic_u64 {
    uint64_t value;
} ecsi_atomic_u64;
typedef struct ecsi_atomic_ptr {
    void *value;
} ecsi_atomic_ptr;
#endif

/* Public functions. In a private copy they are static and may stay unused. */
#ifdef ECS_STATIC
#define ECS_API ECSI_UNUSED static
#else
#define ECS_API ECSI_EXTERN
#endif

/* A symbol that carries the switches: every unit asks for the one of its own switches, so
 * units that were compiled with different ones do not link. */
#ifdef ECS_NO_ADAPTIVE
#define ECSI_CONFIG_ADAPTIVE 0
#else
#define ECSI_CONFIG_ADAPTIVE 1
#endif
#ifdef ECS_NO_EVENTS
#define ECSI_CONFIG_EVENTS 0
#else
#define ECSI_CONFIG_EVENTS 1
#endif
#ifdef ECS_NO_EXPLAIN
#define ECSI_CONFIG_EXPLAIN 0
#else
#define ECSI_CONFIG_EXPLAIN 1
#endif
#ifdef ECS_NO_HASH
#define ECSI_CONFIG_HASH 0
#else
#define ECSI_CONFIG_HASH 1
#endif
#ifdef ECS_NO_IO
#define ECSI_CONFIG_IO 0
#else
#define ECSI_CONFIG_IO 1
#endif
#ifdef ECS_NO_RUN
#define ECSI_CONFIG_RUN 0
#else
#define ECSI_CONFIG_RUN 1
#endif
#ifdef ECS_NO_WORLDS
#define ECSI_CONFIG_WORLDS 0
#else
#define ECSI_CONFIG_WORLDS 1
#endif
#ifdef ECS_NO_ASSERT
#define ECSI_CONFIG_ASSERT 0
#else
#define ECSI_CONFIG_ASSERT 1
#endif
#ifdef ECS_NO_LOG
#define ECSI_CONFIG_LOG 0
#else
#define ECSI_CONFIG_LOG 1
#endif
#if defined(ECS_NO_THREADS)
#define ECSI_CONFIG_THREADS 0
#elif defined(ECS_PARK_COND)
#define ECSI_CONFIG_THREADS 2
#else
#define ECSI_CONFIG_THREADS 1
#endif
#if defined(ECS_DEBUG_SLOW)
#define ECSI_CONFIG_DEBUG 2
#elif defined(ECS_DEBUG)
#define ECSI_CONFIG_DEBUG 1
#else
#define ECSI_CONFIG_DEBUG 0
#endif
#define ECSI_CONFIG_NAME_(major, minor, a, b, c, d, e, f, g, h, i, j, k)          \
    ecs_config_##major##_##minor##_##a##b##c##d##e##f##g##h##i##j##k
#define ECSI_CONFIG_NAME(major, minor, a, b, c, d, e, f, g, h, i, j, k)           \
    ECSI_CONFIG_NAME_(major, minor, a, b, c, d, e, f, g, h, i, j, k)
#define ECSI_CONFIG                                                               \
    ECSI_CONFIG_NAME(ECS_VERSION_MAJOR, ECS_VERSION_MINOR, ECSI_CONFIG_ADAPTIVE,  \
                     ECSI_CONFIG_EVENTS, ECSI_CONFIG_EXPLAIN, ECSI_CONFIG_HASH,   \
                     ECSI_CONFIG_IO, ECSI_CONFIG_RUN, ECSI_CONFIG_WORLDS,         \
                     ECSI_CONFIG_ASSERT, ECSI_CONFIG_LOG, ECSI_CONFIG_THREADS,    \
                     ECSI_CONFIG_DEBUG)
#ifndef ECS_STATIC
ECSI_EXTERN const int ECSI_CONFIG;
ECSI_USED static const int *const ecsi_config = &ECSI_CONFIG;
#endif

/* ---------------------------------------------------------------------------
 * 3  Status
 * ------------------------------------------------------------------------- */

/* Every status with its text: the one list that makes both. */
#define ECS_STATUS_LIST(X)                                                     \
    X(ECS_OK, "ok")                                                            \
    X(ECS_INVALID, "invalid argument: a bug in the caller")                    \
    X(ECS_STALE, "the entity is null, dead or not known here")                 \
    X(ECS_NOT_FOUND, "not found")                                              \
    X(ECS_EXISTS, "exists already")                                            \
    X(ECS_MANY, "more than one")                                               \
    X(ECS_FULL, "a configured limit is reached")                               \
    X(ECS_NO_MEMORY, "the allocator refused")                                  \
    X(ECS_LOCKED, "refused while the world is iterated or a hook runs")        \
    X(ECS_MISMATCH, "the same name with another size, alignment or members")   \
    X(ECS_TOO_LARGE, "larger than a limit of the library")                     \
    X(ECS_CYCLE, "the order of systems has a cycle")                           \
    X(ECS_CONFLICT, "two conflicting systems have no order (strict mode)")     \
    X(ECS_FAILED, "a system failed")                                           \
    X(ECS_UNSUPPORTED, "not supported by this build or kind of component")     \
    X(ECS_TIMEOUT, "the time was up")                                          \
    X(ECS_CANCELLED, "cancelled")

typedef enum ecs_status {
#define ECSI_STATUS_ENUM(name, text) name,
    ECS_STATUS_LIST(ECSI_STATUS_ENUM)
#undef ECSI_STATUS_ENUM
    ECS_STATUS_COUNT
} ecs_status;

/* The text of a status; "unknown status" for any other value. Never NULL. */
ECS_API const char *ecs_status_text(ecs_status status);

/* ---------------------------------------------------------------------------
 * 4  Entities
 *
 * A handle is 64 bits: the low half is the slot's index, the high half its
 * generation, which starts at 1 and grows whenever the slot is freed; a slot
 * whose generation would wrap is retired. All zero is the null handle. Bit 31
 * marks a provisional handle: what ecs_cmd_spawn answers, good for later commands
 * and for storing in components until the flush puts the real handle there.
 * ------------------------------------------------------------------------- */

typedef struct ecs_entity {
    uint64_t bits;
} ecs_entity;

/* Largest number of entity slots: bit 31 of an index marks provisional handles. */
#define ECS_ENTITIES_MAX 0x7fffffffu

ECSI_INLINE ecs_entity ecs_null(void)
{
    ecs_entity e = {0};
    return e;
}

ECSI_INLINE bool ecs_is_null(ecs_entity e)
{
    return e.bits == 0;
}

ECSI_INLINE bool ecs_equal(ecs_entity a, ecs_entity b)
{
    return a.bits == b.bits;
}

ECSI_INLINE bool ecs_is_provisional(ecs_entity e)
{
    return (e.bits >> 31 & 1u) != 0;
}

ECSI_INLINE uint32_t ecs_index(ecs_entity e)
{
    return (uint32_t)e.bits;
}

ECSI_INLINE uint32_t ecs_generation(ecs_entity e)
{
    return (uint32_t)(e.bits >> 32);
}

typedef struct ecs_world ecs_world;
typedef struct ecs_commands ecs_commands;
typedef struct ecs_pool ecs_pool;
typedef struct ecs_worker ecs_worker;
typedef struct ecs_task_api ecs_task_api;

/* Where an entity lives: 8 bytes, so that a million of them stay in the cache. Not for use:
 * public so that accessors can be inlined. */
typedef struct ecsi_record {
    uint32_t generation; /* of the living entity; 0: the slot is free */
    uint32_t place;      /* chunk id above row_bits, row in that chunk below; 0: no row */
} ecsi_record;

/* The first bytes of every world. Not for use. */
typedef struct ecsi_front {
    ecsi_record *records;
    uint32_t record_count; /* slots ever used */
    uint32_t alive_count;
    uint32_t row_bits;
    const ecs_world *checked; /* NULL: access is not checked */
} ecsi_front;

/* ---------------------------------------------------------------------------
 * 5  Types
 *
 * A component, resource or event is named by its C type:
 *
 *     typedef struct { float x, y; } Position;   ECS_COMPONENT(Position, x, y);
 *     ECS_TAG(Player);
 *
 * Listed members are hashed and dumped by field and members of type ecs_entity
 * are known as references, which the flush patches. A type without a list is
 * opaque bytes: it must have no padding, or bring a hash hook. Do not list
 * pointers: addresses differ from run to run.
 *
 * Identity is the name. Two units that register one name with different size,
 * alignment or members get ECS_MISMATCH.
 * ------------------------------------------------------------------------- */

/* What a listed member is. An array of one dimension has the kind of its elements. */
typedef enum ecs_kind {
    ECS_KIND_OPAQUE,
    ECS_KIND_BOOL,
    ECS_KIND_I8,
    ECS_KIND_U8,
    ECS_KIND_I16,
    ECS_KIND_U16,
    ECS_KIND_I32,
    ECS_KIND_U32,
    ECS_KIND_I64,
    ECS_KIND_U64,
    ECS_KIND_F32,
    ECS_KIND_F64,
    ECS_KIND_ENTITY
} ecs_kind;

typedef struct ecs_member {
    const char *name; /* must outlive the world */
    uint32_t offset;  /* bytes from the start of the type */
    uint32_t bytes;   /* of the whole member, arrays included */
    uint32_t kind;    /* ecs_kind */
} ecs_member;

/* Called by the world around a component's life. All may be NULL.
 *
 * Life: `init` builds `count` values in raw memory (NULL: all zero); `copy`
 * builds copies of `src` (NULL: bytes); `move` builds in `dst` what `src` held and
 * ends `src` (NULL: bytes, as if a value did not know its address); `destroy` ends
 * values. Every value that the world holds is destroyed exactly once: at remove,
 * overwrite, despawn, world destruction, and when a recorded value is superseded
 * or dropped.
 *
 * A type with `copy` is copied when it is set; one without is taken over by its
 * bytes: when the call answers ECS_OK the value is the world's, else still yours.
 *
 * Notice: `on_add` after a component was added, `on_set` after a value was
 * written by a set, `on_remove` before it is removed (also at despawn and at world
 * destruction). In a hook, direct edits answer ECS_LOCKED; record commands with
 * ecs_world_commands instead: they are applied at the end of the flush that runs, or
 * at the next one after a direct edit.
 *
 * `hash` replaces the hash of the bytes. */
typedef struct ecs_hooks {
    void (*init)(void *dst, uint32_t count, void *user);
    void (*copy)(void *dst, const void *src, uint32_t count, void *user);
    void (*move)(void *dst, void *src, uint32_t count, void *user);
    void (*destroy)(void *values, uint32_t count, void *user);
    void (*on_add)(ecs_world *world, ecs_entity entity, void *value, void *user);
    void (*on_set)(ecs_world *world, ecs_entity entity, void *value, void *user);
    void (*on_remove)(ecs_world *world, ecs_entity entity, void *value, void *user);
    uint64_t (*hash)(const void *value, uint64_t seed, void *user);
    void *user;
} ecs_hooks;

/* A type's description. The macros emit one constant for each unit; a world
 * recognises them by address first and by name second. */
typedef struct ecs_type {
    const char *name;
    uint32_t bytes; /* 0: a tag */
    uint32_t align; /* power of two, at most ECS_ALIGN_MAX; 1 for a tag */
    const ecs_member *members;
    uint32_t member_count;
    const ecs_hooks *hooks; /* NULL: none; ecs_component_hooks can install them later */
} ecs_type;

/* A type as one world knows it. All zero is null. */
typedef struct ecs_component {
    uint32_t id;
} ecs_component;

/* Registers `type`, or finds it again. `type` must outlive the world.
 * ECS_MISMATCH: the name is known with another shape. ECS_FULL: components_max.
 * ECS_TOO_LARGE: name, alignment or members beyond the limits. */
ECS_API ecs_status ecs_component_register(ecs_world *world, const ecs_type *type,
                                          ecs_component *out);
/* The same for a type that is described at run time: name and members are copied
 * (not the members' names); `type` may be gone afterwards. */
ECS_API ecs_status ecs_component_define(ecs_world *world, const ecs_type *type,
                                        ecs_component *out);
/* The id of a registered type; null when it is not registered. */
ECS_API ecs_component ecs_component_of(const ecs_world *world, const ecs_type *type);
ECS_API ecs_component ecs_component_find(const ecs_world *world, const char *name);
/* What is known about a component; NULL for an unknown id. */
ECS_API const ecs_type *ecs_component_type(const ecs_world *world, ecs_component component);
/* Hooks of a component. ECS_EXISTS once values of it exist. */
ECS_API ecs_status ecs_component_hooks(ecs_world *world, ecs_component component,
                                       const ecs_hooks *hooks);
/* From now on, adding `component` adds `required` as well (and what that requires).
 * Removing the required one alone is allowed. ECS_CYCLE: it requires itself. ECS_FULL: more
 * than 64 components would come along. */
ECS_API ecs_status ecs_component_require(ecs_world *world, ecs_component component,
                                         ecs_component required);
/* Entities that have the component. O(tables). */
ECS_API uint32_t ecs_component_count(const ecs_world *world, ecs_component component);

/* ---------------------------------------------------------------------------
 * 6  World
 * ------------------------------------------------------------------------- */

typedef enum ecs_memory {
    ECS_MEMORY_GROW,  /* allocate as needed, up to the limits */
    ECS_MEMORY_FIXED  /* allocate once, at creation; nothing afterwards */
} ecs_memory;

/* Where memory comes from. `align` is a power of two. `resize` may be NULL. */
typedef struct ecs_allocator {
    void *(*alloc)(size_t bytes, size_t align, void *user);
    /* Like realloc for memory whose align is at most 16; NULL when refused. */
    void *(*resize)(void *memory, size_t old_bytes, size_t new_bytes, void *user);
    void (*release)(void *memory, size_t bytes, size_t align, void *user);
    void *user;
} ecs_allocator;

typedef enum ecs_log_level { ECS_LOG_ERROR, ECS_LOG_WARNING, ECS_LOG_INFO } ecs_log_level;

/* What runs the systems of a tick. The result is the same: section 11 says why. */
typedef enum ecs_backend {
    ECS_BACKEND_BLOCKING,      /* one after the other, on the thread that ticks */
    ECS_BACKEND_WORK_STEALING, /* by all workers of a pool where that is faster */
    ECS_BACKEND_ADAPTIVE,      /* one of the others, chosen between two ticks by measurement */
    ECS_BACKEND_BATCHED_IO     /* only as a choice of the adaptive one: I/O goes in batches,
                                  systems run as in one of the first two */
} ecs_backend;

/* An answer of io_pending: not known, what the systems declare counts. */
#define ECS_IO_UNKNOWN UINT32_MAX

/* When the adaptive backend chooses what: docs/execution-models.md. Zero means the default.
 * Refused: an imbalance_min or a hysteresis that is negative, 1 or more, or no number; more than
 * 100 window_ticks. */
typedef struct ecs_adaptive_desc {
    uint32_t io_pending_min;  /* 64: from so many pending requests on I/O goes in batches */
    float imbalance_min;      /* 0.3: above it workers are used; 0 all have the same to do, near 1
                                 one does everything */
    uint32_t light_ns;        /* share_ns, or 50,000: a tick with less work runs blocking */
    float hysteresis;         /* 0.25: a choice is given up when its figure has fallen that part
                                 below the threshold */
    uint32_t window_ticks;    /* 100: figures are those of so many ticks */
    uint32_t cooldown_ticks;  /* 10: from one switch to the next, and before the first, at least */
} ecs_adaptive_desc;

/* What happens when a system touches what it did not declare: docs/scheduling.md has what is
 * found. The call is refused (NULL, null, ECS_INVALID), the log names system and component, once
 * for each way, and the tick's report counts. */
typedef enum ecs_access_check {
    ECS_CHECK_DEFAULT, /* ECS_CHECK_STOP with ECS_DEBUG, otherwise ECS_CHECK_OFF */
    ECS_CHECK_OFF,     /* nothing is looked at */
    ECS_CHECK_REPORT,
    ECS_CHECK_STOP     /* the same, and an assert fails */
} ecs_access_check;

#ifndef ECS_NO_IO
typedef struct ecs_io_engine ecs_io_engine;

/* Input and output: section 15. */
typedef struct ecs_io_desc {
    uint32_t requests_max;        /* 65,536; fixed: 0, none. Under way at a time */
    uint32_t stream_requests_max; /* requests_max, 262,143 at most: quota of one system in one row
                                     block */
    uint32_t batch;               /* 64: operations of one system call, 4,096 at most */
    uint32_t threshold;           /* so many are sent at a place inside the phase; 0: found from
                                     the last phases, 1: at once */
    const ecs_io_engine *engine;  /* NULL: the best of this header */
    const void *options;          /* of that engine */
    /* Completions are an input of the world. With `record` each is told before its delivery;
     * with `replay`, that gives the same bytes back (false: there are no more), nothing goes to
     * the operating system, and what was recorded is delivered where it was then. */
    void (*record)(const void *data, size_t bytes, void *user);
    bool (*replay)(void *data, size_t bytes, void *user);
    void *user;
} ecs_io_desc;
#endif

/* How to make a world. Zero means the default that stands behind each field; where there are
 * two, the second is for ECS_MEMORY_FIXED. Refused: a chunk_bytes below 4,096 or above 2^30,
 * command_bytes_max below 4,096, phases_max below 5, row_block_rows below 64. */
typedef struct ecs_world_desc {
    ecs_memory memory;
    const ecs_allocator *allocator; /* malloc and free; copied */
    void *buffer;                   /* fixed only: use this memory, no allocator at all */
    size_t buffer_bytes;            /* at least ecs_world_bytes(desc), aligned to 64 */
    uint32_t entities_max;          /* 2^31-1, 65,536 */
    uint32_t components_max;        /* 1,024: types of all kinds */
    uint32_t tables_max;            /* 65,536, 1,024 */
    uint32_t table_slots_max;       /* no limit, 16 for each table: components of all tables */
    uint32_t chunk_bytes;           /* 2 MiB, 64 KiB: power of two, largest piece of a table */
    uint32_t chunks_max;            /* 65,535 (4 G rows at 65,536 each; more chunks: fewer rows
                                       in each); fixed: room for the entities at 64 bytes each,
                                       8, and one for every 16 tables */
    uint32_t row_block_rows;        /* 4,096: power of two, at least 64 */
    uint32_t queries_max;           /* 4,096, 256: those of systems included */
    uint32_t getters_max;           /* 256, 64: component types with direct access by handle;
                                       half of them go to those that are used first */
    uint32_t systems_max;           /* 1,024, 128 */
    uint32_t phases_max;            /* 32 */
    uint32_t resource_bytes_max;    /* no limit, 64 KiB: of all resources together */
    uint32_t event_bytes_max;       /* no limit, 256 KiB: of all event buffers together */
    size_t command_bytes_max;       /* no limit; fixed: 64 for each entity, at least 1 MiB:
                                       recorded in one phase */
    size_t stream_bytes_max;        /* 64 MiB; fixed: a share by rows: recorded by one system
                                       in one row block */
    uint32_t stream_spawns_max;     /* 262,144: spawns of one stream, 262,144 at most */
    size_t restore_bytes_max;       /* no limit, 0: copies of what systems with `restore` write,
                                       all those that are due in one phase */
    uint32_t groups_max;            /* 256; 16: work groups */
    size_t group_bytes_max;         /* no limit; 0: what asynchronous groups take: see
                                       ecs_group_desc */
    uint64_t seed;                  /* for ecs_random_* */
    bool strict;                    /* conflicting systems without an order are an error */
    ecs_access_check check_access;  /* ECS_CHECK_DEFAULT: systems that touch what they did not
                                       declare. Slow; any worker calls `log` then */
    ecs_backend backend;            /* ECS_BACKEND_BLOCKING */
    uint32_t workers;               /* one for each processor: threads of the world's own pool,
                                       the one that ticks counts as one; 256 at most */
    ecs_pool *pool;                 /* share this pool, which must outlive the world; NULL: the
                                       world makes its own */
    const ecs_task_api *tasks;      /* the world's own pool has no threads and runs its work by
                                       these calls; copied */
    uint32_t share_ns;              /* nanoseconds of a phase's work that are worth waking a
                                       worker: 50,000, or 3,000 where one is awake; 1: always
                                       share, whatever it costs */
    ecs_adaptive_desc adaptive;     /* for ECS_BACKEND_ADAPTIVE */
    uint32_t (*io_pending)(const ecs_world *world, void *user); /* NULL: what systems declare;
                                       requests that are queued: asked by the adaptive backend
                                       after each tick, on the thread that ticks; or
                                       ECS_IO_UNKNOWN. It must not edit the world */
    void *io_user;
#ifndef ECS_NO_IO
    ecs_io_desc io;
#endif
    void (*log)(ecs_log_level level, const char *text, void *user); /* stderr */
    void *log_user;
} ecs_world_desc;

/* Bytes that a fixed world of this description takes; 0 for a bad description. */
ECS_API size_t ecs_world_bytes(const ecs_world_desc *desc);
/* NULL description: all defaults. NULL answer: a bad description (logged), or the
 * allocator refused. */
ECS_API ecs_world *ecs_world_create(const ecs_world_desc *desc);
/* Ends every value and system and gives all memory back; nobody may be inside the world's own
 * pool. NULL is fine. */
ECS_API void ecs_world_destroy(ecs_world *world);
/* Despawns everything; types, queries, systems and resources stay. */
ECS_API ecs_status ecs_world_clear(ecs_world *world);
/* Gives memory of empty and oversized tables back (grow: to the allocator; fixed: to
 * the pool of chunks). Answers the bytes given back. */
ECS_API size_t ecs_shrink(ecs_world *world);
/* The pool that runs its systems; NULL when its backend is blocking. */
ECS_API ecs_pool *ecs_world_pool(const ecs_world *world);
/* What runs its systems: never ECS_BACKEND_ADAPTIVE, but what that one chose for the next tick.
 * Blocking with ECS_NO_THREADS, unless I/O goes in batches. */
ECS_API ecs_backend ecs_world_backend(const ecs_world *world);
/* Why the last call that answers a handle answered null. */
ECS_API ecs_status ecs_world_status(const ecs_world *world);
ECS_API uint64_t ecs_world_tick(const ecs_world *world);
ECS_API uint64_t ecs_world_seed(const ecs_world *world);

typedef struct ecs_stats {
    uint32_t entity_count;
    uint32_t component_count;
    uint32_t table_count;
    uint32_t chunk_count;
    uint32_t query_count;
    uint32_t system_count;
    size_t bytes_allocated;     /* held by the world: from its allocator, or its buffer */
    size_t bytes_storage;       /* of that: chunks */
    size_t bytes_live;          /* in rows that exist: component values and handles */
    uint64_t commands_recorded; /* these count from the world's creation */
    uint64_t commands_applied;
    uint64_t commands_dropped;  /* dead target, failed system, or no room at the flush */
    uint64_t commands_refused;  /* did not fit a quota; the call said so */
    uint64_t events_sent;
    uint64_t events_dropped;    /* full buffer: refused or overwritten, or a failed system */
    uint64_t access_violations; /* that check_access found */
} ecs_stats;

/* Not inside a system: others record at the same time. */
ECS_API ecs_stats ecs_world_stats(const ecs_world *world);

typedef struct ecs_table_stats {
    uint32_t component_count;
    uint32_t row_count;
    uint32_t row_capacity;
    uint32_t chunk_count;
    size_t bytes_storage; /* held */
    size_t bytes_live;    /* in rows that exist */
} ecs_table_stats;

/* Table `index` of table_count, in order of creation. ECS_NOT_FOUND past the end. */
ECS_API ecs_status ecs_world_table_stats(const ecs_world *world, uint32_t index,
                                         ecs_table_stats *out);

/* ---------------------------------------------------------------------------
 * 7  Editing
 *
 * Direct edits take effect at once. They answer ECS_LOCKED while the world is
 * iterated, while a hook runs, and inside a tick except from exclusive systems:
 * use commands there. Adding what is there, or removing what is not, is ECS_OK.
 *
 * The typed calls of section 15 (ecs_set, ecs_get, ...) take C types; these
 * take ids, or descriptions, and are what other languages bind to.
 * ------------------------------------------------------------------------- */

/* One value of a spawn: data NULL means init or zero. */
typedef struct ecs_value {
    const ecs_type *type;
    const void *data;
} ecs_value;

/* O(1). Null when refused: see ecs_world_status (ECS_FULL, ECS_NO_MEMORY, ECS_LOCKED). */
ECS_API ecs_entity ecs_spawn(ecs_world *world);
/* Straight into the table of all `count` types (32 at most), which must differ; on_add by
 * rising id, then on_set in the order of the list. A value's data may lie in the world. */
ECS_API ecs_entity ecs_spawn_values(ecs_world *world, const ecs_value *values, uint32_t count);
/* `entity_count` entities of one shape: each value's data is an array of that many, or
 * NULL for zero. All or nothing. `out` may be NULL. Values with a `copy` hook are
 * copied, others taken over. */
ECS_API ecs_status ecs_spawn_bulk(ecs_world *world, uint32_t entity_count,
                                  const ecs_value *values, uint32_t value_count,
                                  ecs_entity *out);
ECS_API ecs_status ecs_despawn(ecs_world *world, ecs_entity entity);
ECS_API bool ecs_alive(const ecs_world *world, ecs_entity entity);
ECS_API uint32_t ecs_entity_count(const ecs_world *world);
/* All living entities by rising index: start with null, ends with null. A dead
 * handle goes on from its slot, so the loop may despawn. */
ECS_API ecs_entity ecs_entity_next(const ecs_world *world, ecs_entity previous);
/* The living entity in a slot, or null. */
ECS_API ecs_entity ecs_entity_at(const ecs_world *world, uint32_t index);

ECS_API ecs_status ecs_add_id(ecs_world *world, ecs_entity entity, ecs_component component);
/* Adds it when it is missing. The value may lie in the world if its type has no hooks and at
 * most 256 bytes. */
ECS_API ecs_status ecs_set_id(ecs_world *world, ecs_entity entity, ecs_component component,
                              const void *value);
ECS_API ecs_status ecs_remove_id(ecs_world *world, ecs_entity entity, ecs_component component);
ECS_API bool ecs_has_id(const ecs_world *world, ecs_entity entity, ecs_component component);
/* NULL when the entity is stale or has no such component, or it is a tag. */
ECS_API const void *ecs_get_id(const ecs_world *world, ecs_entity entity,
                               ecs_component component);
/* The same for writing; marks the row block as changed. Not inside a tick. */
ECS_API void *ecs_get_mut_id(ecs_world *world, ecs_entity entity, ecs_component component);
/* The entity's components by rising id; answers how many there are, and writes at
 * most `max` of them. */
ECS_API uint32_t ecs_entity_components(const ecs_world *world, ecs_entity entity,
                                       ecs_component *out, uint32_t max);
/* A copy of all components. Null when refused: ECS_STALE, ECS_FULL, ECS_NO_MEMORY, ECS_LOCKED,
 * or ECS_UNSUPPORTED when a value has a destroy or move hook but no copy hook. */
ECS_API ecs_entity ecs_clone(ecs_world *world, ecs_entity entity);

/* By description; those that edit register the type when it is new. */
ECS_API ecs_status ecs_add_type(ecs_world *world, ecs_entity entity, const ecs_type *type);
ECS_API ecs_status ecs_set_type(ecs_world *world, ecs_entity entity, const ecs_type *type,
                                const void *value);
ECS_API ecs_status ecs_remove_type(ecs_world *world, ecs_entity entity, const ecs_type *type);
ECS_API bool ecs_has_type(const ecs_world *world, ecs_entity entity, const ecs_type *type);
ECS_API const void *ecs_get_type(const ecs_world *world, ecs_entity entity,
                                 const ecs_type *type);
ECS_API void *ecs_get_mut_type(ecs_world *world, ecs_entity entity, const ecs_type *type);

/* Bound accessor for hot random access: three loads from handle to value. Valid as long
 * as the world. The typed ECS_GETTER(T) wraps it. */
typedef struct ecsi_getter_slot {
    unsigned char **bases; /* by chunk id: the column's first byte there, or NULL */
    uint32_t component;
} ecsi_getter_slot;

typedef struct ecs_getter {
    const ecsi_front *front;
    const ecsi_getter_slot *slot;
} ecs_getter;

/* ECS_FULL: getters_max. ECS_UNSUPPORTED: a tag has no value. */
ECS_API ecs_status ecs_getter_make(ecs_world *world, const ecs_type *type, ecs_getter *out);
/* The same for a world that checks access. Not for use. */
ECS_API const void *ecs_getter_find_checked(ecs_getter getter, ecs_entity entity);
/* The value, or NULL: stale handle, or no such component. `bytes` is the type's size. */
ECSI_INLINE const void *ecs_getter_find(ecs_getter getter, ecs_entity entity, size_t bytes)
{
    const ecsi_record *record;
    const unsigned char *base;
    if (ECSI_UNLIKELY((uint32_t)entity.bits >= getter.front->record_count)) {
        return getter.front->checked == NULL ? NULL : ecs_getter_find_checked(getter, entity);
    }
    record = &getter.front->records[(uint32_t)entity.bits];
    if (ECSI_UNLIKELY(record->generation != (uint32_t)(entity.bits >> 32))) return NULL;
    base = getter.slot->bases[record->place >> getter.front->row_bits];
    if (ECSI_UNLIKELY(base == NULL)) return NULL;
    return base + (record->place & ((1u << getter.front->row_bits) - 1u)) * bytes;
}

/* ---------------------------------------------------------------------------
 * 8  Queries
 *
 * A term names a type and what is done with it:
 *
 *   READ(T)            must be there; const T * column
 *   WRITE(T)           must be there; T * column (and the const one)
 *   WITH(T)  NOT(T)    must, must not be there; no column
 *   OPTIONAL(T)        const T * column, or NULL in tables without it
 *   OPTIONAL_WRITE(T)  T * column, or NULL
 *   ANY(A, B, ...)     at least one of 2 to 4; const columns, NULL where missing
 *
 * and in systems only:
 *
 *   RES_READ(T) RES_WRITE(T)   resources
 *   ON(T) EMIT(T)              events
 *   LOOKUP(T)                  read component T of any entity, by handle
 *
 *     ECS_QUERY(moving, WRITE(Position), READ(Velocity));
 *
 *     ECS_EACH(world, moving, view) {
 *         Position *p = ecs_write(view, Position);
 *         const Velocity *v = ecs_read(view, Velocity);
 *         for (uint32_t i = 0; i < view->count; i++) p[i].x += v[i].x;
 *     }
 *
 * The loop's body runs once a span: rows of one table, at most one row block. Tables
 * come in order of creation. The world is locked against direct edits until the
 * loop ends; `break` and `return` end it as well (where the compiler has the cleanup
 * attribute: gcc, clang; elsewhere call ecs_iter_end(&view->iter) first).
 * ------------------------------------------------------------------------- */

typedef enum ecs_access {
    ECS_ACCESS_NONE,
    ECS_ACCESS_READ,
    ECS_ACCESS_WRITE,
    ECS_ACCESS_WITH,
    ECS_ACCESS_NOT,
    ECS_ACCESS_OPTIONAL,
    ECS_ACCESS_OPTIONAL_WRITE,
    ECS_ACCESS_ANY,      /* the first of a group */
    ECS_ACCESS_ANY_MORE, /* the others of it */
    ECS_ACCESS_RES_READ,
    ECS_ACCESS_RES_WRITE,
    ECS_ACCESS_ON,
    ECS_ACCESS_EMIT,
    ECS_ACCESS_LOOKUP,
    ECS_ACCESS_COUNT
} ecs_access;

/* Give the type, or the id of one that is registered. */
typedef struct ecs_term {
    const ecs_type *type;
    ecs_component component;
    ecs_access access;
} ecs_term;

typedef struct ecs_query_info {
    const char *name;
    const ecs_term *terms;
    uint32_t term_count;
} ecs_query_info;

typedef struct ecs_query {
    uint32_t id;
} ecs_query;

/* Makes a query at run time; `info` and its terms are copied. Kept until the world
 * ends; equal queries are not merged. ECS_INVALID: a doubled type, a term that only
 * systems may have, more than ECS_TERMS_MAX; ECS_FULL: queries_max. */
ECS_API ecs_status ecs_query_make(ecs_world *world, const ecs_query_info *info, ecs_query *out);
/* The query of a typed description; made at the first call. Null when refused. */
ECS_API ecs_query ecs_query_of(ecs_world *world, const ecs_query_info *info);
/* The same without making it: null when there is none. */
ECS_API ecs_query ecs_query_find(const ecs_world *world, const ecs_query_info *info);
ECS_API uint32_t ecs_query_count(const ecs_world *world, ecs_query query);
/* The first row of the first table: ECS_NOT_FOUND when nothing matches. */
ECS_API ecs_status ecs_query_first(const ecs_world *world, ecs_query query, ecs_entity *out);
/* The only row: ECS_NOT_FOUND, or ECS_MANY when there are more. */
ECS_API ecs_status ecs_query_single(const ecs_world *world, ecs_query query, ecs_entity *out);
/* Despawns all that match; answers through `out_count` (may be NULL) how many. */
ECS_API ecs_status ecs_query_despawn(ecs_world *world, ecs_query query, uint32_t *out_count);

/* Iteration by span. The first five fields are for users; columns[t] is the first value of
 * term t in the span, NULL where it has none. */
typedef struct ecs_iter {
    const ecs_entity *entities;
    uint32_t count; /* rows in this span */
    uint32_t base;  /* rows of all spans before this one */
    uint32_t row;   /* row in the span, when iterating entity by entity */
    void *columns[ECS_TERMS_MAX];
    const void *ecsi_query; /* from here on not for use */
    const unsigned char *ecsi_match;
    const unsigned char *ecsi_match_end;
    const void *ecsi_chunk;
    uint32_t ecsi_chunk_row;
    uint32_t *ecsi_lock;
    uint64_t ecsi_tick;
} ecs_iter;

/* Starts, and locks the world until ecs_iter_next answers false or ecs_iter_end. */
ECS_API void ecs_iter_begin(ecs_world *world, ecs_query query, ecs_iter *iter);
/* The same on a const world, without lock and without change marks: for queries that
 * write nothing. Nothing refuses edits meanwhile: the world must not change, and no system
 * be removed, before it has ended. */
ECS_API void ecs_iter_begin_const(const ecs_world *world, ecs_query query, ecs_iter *iter);
ECS_API bool ecs_iter_next(ecs_iter *iter);
/* Ends early; harmless when it has ended. */
ECSI_INLINE void ecs_iter_end(ecs_iter *iter)
{
    if (iter->ecsi_lock != NULL) *iter->ecsi_lock -= 1;
    iter->ecsi_lock = NULL;
    iter->ecsi_match = iter->ecsi_match_end;
    iter->ecsi_chunk = NULL;
    iter->count = 0;
}
/* Entity by entity: `row` goes through each span. */
ECSI_INLINE bool ecs_iter_next_row(ecs_iter *iter)
{
    iter->row++;
    if (ECSI_LIKELY(iter->row < iter->count)) return true;
    return ecs_iter_next(iter);
}

/* A piece of a column as raw memory: for a GPU upload or hand-written SIMD. Pointers are
 * aligned to at least 64 bytes at the start of a chunk. Valid until the next edit. */
typedef struct ecs_slice {
    const void *data;
    uint32_t count;  /* values */
    uint32_t stride; /* bytes from one to the next */
} ecs_slice;

/* The slices of term `term` over all that matches; answers how many there are and writes
 * at most `max`. Tables without an optional column give data NULL. */
ECS_API uint32_t ecs_query_slices(const ecs_world *world, ecs_query query, uint32_t term,
                                  ecs_slice *out, uint32_t max);

/* ---------------------------------------------------------------------------
 * 9  Commands
 *
 * Recorded in order, applied at the flush: at the end of the phase for systems, at
 * ecs_flush (or the start of the next tick) for ecs_world_commands. Entities are
 * taken in order of first touch; for each: on_remove, one move, on_add, on_set with
 * the last value. An add and a remove of one component cancel without hooks. A
 * command on an entity that is dead by then is dropped and counted. Slots freed
 * in a flush are used again from the next flush on.
 *
 * Every call answers ECS_FULL when its stream's quota is used up; nothing is
 * recorded then. The world's own stream has no quota but command_bytes_max. Each value of a
 * spawn counts as one command. A recorded value with a `copy` hook is copied, others are
 * taken over. Adding what is there brings nothing along; an add and a remove cancel what the
 * component requires as well.
 * ------------------------------------------------------------------------- */

/* The world's own stream, for code outside systems and for hooks. */
ECS_API ecs_commands *ecs_world_commands(ecs_world *world);
/* Applies it now. ECS_LOCKED while the world is iterated or ticks. */
ECS_API ecs_status ecs_flush(ecs_world *world);

/* A provisional handle; null when refused: see ecs_cmd_status. */
ECS_API ecs_entity ecs_cmd_spawn(ecs_commands *cmd);
/* Why the last ecs_cmd_spawn* of this stream answered null. */
ECS_API ecs_status ecs_cmd_status(const ecs_commands *cmd);
ECS_API ecs_entity ecs_cmd_spawn_values(ecs_commands *cmd, const ecs_value *values,
                                        uint32_t count);
ECS_API ecs_status ecs_cmd_despawn(ecs_commands *cmd, ecs_entity entity);
ECS_API ecs_status ecs_cmd_add_id(ecs_commands *cmd, ecs_entity entity, ecs_component component);
ECS_API ecs_status ecs_cmd_set_id(ecs_commands *cmd, ecs_entity entity, ecs_component component,
                                  const void *value);
ECS_API ecs_status ecs_cmd_remove_id(ecs_commands *cmd, ecs_entity entity,
                                     ecs_component component);
ECS_API ecs_status ecs_cmd_add_type(ecs_commands *cmd, ecs_entity entity, const ecs_type *type);
ECS_API ecs_status ecs_cmd_set_type(ecs_commands *cmd, ecs_entity entity, const ecs_type *type,
                                    const void *value);
ECS_API ecs_status ecs_cmd_remove_type(ecs_commands *cmd, ecs_entity entity,
                                       const ecs_type *type);
/* `run` is called at its place in the order, after what was recorded before it was
 * applied; the world may be edited directly. The payload is copied; it is aligned to 16.
 * References in it are not patched: resolve them with ecs_cmd_resolve. */
ECS_API ecs_status ecs_cmd_custom(ecs_commands *cmd,
                                  void (*run)(ecs_world *world, void *payload, uint32_t bytes),
                                  const void *payload, uint32_t bytes);
/* In a custom command: the entity that a provisional handle of this flush became; a
 * real handle is itself; null when its spawn was dropped. */
ECS_API ecs_entity ecs_cmd_resolve(const ecs_world *world, ecs_entity entity);

/* ---------------------------------------------------------------------------
 * 10  Resources and events
 *
 * A resource is one value of a type for the whole world. It exists, zero or built
 * by `init`, from its first use on.
 *
 * An event type has a bounded buffer. Events that systems emit become visible at
 * the next phase, in the order of their streams. Every reader (a system with ON(T),
 * or one that was opened by hand) sees each event once; what all readers have seen
 * is forgotten, and with no reader nothing is kept. When the buffer is full the
 * type's policy decides, and the loss is counted. Event types are bytes: hooks are
 * not called for them.
 * ------------------------------------------------------------------------- */

ECS_API ecs_status ecs_resource_set_type(ecs_world *world, const ecs_type *type,
                                         const void *value);
/* NULL when it was never used as a resource. */
ECS_API const void *ecs_resource_get_type(const ecs_world *world, const ecs_type *type);
/* Registers it when needed; NULL when refused or inside a tick. */
ECS_API void *ecs_resource_mut_type(ecs_world *world, const ecs_type *type);

#ifndef ECS_NO_EVENTS
typedef enum ecs_event_policy {
    ECS_EVENT_REFUSE,   /* a full buffer refuses what is new */
    ECS_EVENT_OVERWRITE /* the oldest makes room, whether it was seen or not */
} ecs_event_policy;

typedef struct ecs_event_desc {
    uint32_t capacity; /* events kept; 0: 1,024 */
    uint32_t quota;    /* that one system may emit in one row block; 0: capacity */
    ecs_event_policy policy;
} ecs_event_desc;

typedef struct ecs_event_reader {
    uint32_t id;
} ecs_event_reader;

typedef struct ecs_event_stats {
    uint32_t count;       /* in the buffer */
    uint64_t sent;        /* accepted */
    uint64_t refused;     /* full buffer, new event lost */
    uint64_t overwritten; /* full buffer, oldest event lost */
    uint64_t unread;      /* forgotten because there was no reader */
} ecs_event_stats;

/* What a reader gets: an array. */
typedef struct ecs_events {
    const void *data;
    uint32_t count;
    uint64_t missed; /* overwritten before this reader saw them, since its last read */
} ecs_events;

/* Before the first use of T as event, otherwise the defaults hold. ECS_EXISTS later. */
ECS_API ecs_status ecs_event_configure_type(ecs_world *world, const ecs_type *type,
                                            const ecs_event_desc *desc);
/* From outside systems: visible at once. ECS_FULL by policy. */
ECS_API ecs_status ecs_event_send_type(ecs_world *world, const ecs_type *type,
                                       const void *value);
/* From a system: visible at the next phase. ECS_FULL: the quota, or a 17th event type. */
ECS_API ecs_status ecs_cmd_emit_type(ecs_commands *cmd, const ecs_type *type, const void *value);
/* A reader for code outside systems: it sees what is sent from now on. Null: refused. */
ECS_API ecs_event_reader ecs_event_reader_open_type(ecs_world *world, const ecs_type *type);
ECS_API ecs_status ecs_event_reader_close(ecs_world *world, ecs_event_reader reader);
/* All unseen events; valid until the next call that edits or ticks. */
ECS_API ecs_events ecs_event_read(ecs_world *world, ecs_event_reader reader);
ECS_API ecs_event_stats ecs_event_stats_type(const ecs_world *world, const ecs_type *type);
#endif

/* ---------------------------------------------------------------------------
 * 11  Systems and phases
 *
 * A tick runs the phases in order. In a phase, systems that conflict (one writes what
 * the other touches) run in the order of their registration unless `before` or
 * `after` says otherwise; the rest may run at the same time. Commands and events
 * of a phase are applied at its end, and before each exclusive system.
 * ------------------------------------------------------------------------- */

typedef uint32_t ecs_phase;
enum {
    ECS_PHASE_DEFAULT = 0, /* ECS_UPDATE */
    ECS_FIRST = 1,
    ECS_PRE_UPDATE = 2,
    ECS_UPDATE = 3,
    ECS_POST_UPDATE = 4,
    ECS_LAST = 5
};

typedef struct ecs_phase_desc {
    const char *name;
    ecs_phase after;    /* runs right after that one; 0: see `before` */
    ecs_phase before;   /* runs right before that one; both 0: last */
    float step_s;       /* fixed step: seconds; 0: once a tick with the tick's dt */
    uint32_t steps_max; /* catch-up cap: runs in one tick at most; 0: 4 */
} ecs_phase_desc;

/* The view that every system body gets. ECS_SYSTEM makes a typed one of the same fields. */
#define ECSI_VIEW_FIELDS                                                          \
    const ecs_world *world;     /* NULL in asynchronous groups */                 \
    ecs_commands *cmd;          /* this row block's stream */                     \
    ecs_worker *worker;         /* for ecs_parallel_for and ecs_job_run; may be NULL */ \
    const ecs_entity *entities; /* of the rows */                                 \
    void *user;                                                                   \
    uint64_t tick;                                                                \
    uint32_t count; /* rows in this span; 0 for systems without columns */        \
    uint32_t base;  /* rows of all spans before this one */                       \
    float dt;       /* seconds: the step of a fixed step, else since the system's last run */

typedef struct ecs_view {
    ECSI_VIEW_FIELDS
    void *const *columns; /* one a term: column, resource, ecs_events or ecs_getter */
} ecs_view;

/* Columns and resources for systems without typed views: those of term number `term`. NULL where
 * an optional one is missing. In a world that checks access NULL as well when that term is of
 * another type, is no column or resource, or is not for writing; in others `term` must be right. */
ECS_API const void *ecs_view_read(const ecs_view *view, uint32_t term, const ecs_type *type);
ECS_API void *ecs_view_write(const ecs_view *view, uint32_t term, const ecs_type *type);

typedef struct ecs_system {
    const char *name;
    const ecs_term *terms;
    uint32_t term_count;
    ecs_status (*run)(const ecs_view *view);
    ecs_status (*run_exclusive)(ecs_world *world, const ecs_view *view); /* instead of run */
} ecs_system;

/* What follows when a system answers something else than ECS_OK. All its row blocks finish, its
 * commands and events of that run are dropped, and what it wrote into columns stays, unless it
 * says `restore`. */
typedef enum ecs_on_error {
    ECS_ERROR_DEFAULT, /* ECS_FAIL_FAST */
    ECS_FAIL_FAST, /* its successors are skipped, the phase is finished, the tick stops */
    ECS_SKIP,      /* counted and reported; everything goes on */
    ECS_RETRY      /* run again, as a whole; when that is used up `on_exhausted` follows */
} ecs_on_error;

/* Runs again of a failed system at most. */
#define ECS_RETRIES_MAX 255u

typedef struct ecs_system_desc {
    const ecs_system *system; /* copied, with its terms */
    const char *name;         /* NULL: the system's own */
    ecs_phase phase;          /* 0: ECS_UPDATE */
    const char *group;        /* NULL: none; of ecs_group_add */
    const char *before[ECS_ORDER_MAX]; /* names of systems and groups of the same phase */
    const char *after[ECS_ORDER_MAX];
    bool (*run_if)(const ecs_world *world, void *user); /* NULL: always; asked on the thread
                                 that ticks, when the phase begins or an exclusive system of
                                 it has run, before any system after that */
    ecs_status (*init)(ecs_world *world, void *user);   /* at once; not ECS_OK: not added; it
                                                           cannot add systems: ECS_LOCKED */
    void (*fini)(ecs_world *world, void *user);         /* when it is removed, or the world
                                                           ends; it cannot add or remove
                                                           systems: ECS_LOCKED */
    void *user;
    uint32_t every_ticks; /* 0 or 1: each tick; n: ticks n, 2n, ... since it was added */
    float interval_s;     /* runs when so much time has passed; dt is the time since */
    float step_s;         /* fixed step: runs 0 to steps_max times a tick */
    uint32_t steps_max;   /* 0: 4; time beyond it is dropped */
    ecs_on_error on_error;
    ecs_on_error on_exhausted; /* of ECS_RETRY: ECS_FAIL_FAST or ECS_SKIP */
    bool idempotent;      /* running it twice is like running it once; ECS_RETRY needs this... */
    bool restore;         /* ...or this: what it wrote into columns and resources, and their
                             change ticks, is put back when it fails. Copies them before each
                             run: see restore_bytes_max. ECS_UNSUPPORTED for types with hooks. */
    uint32_t retries;     /* 0: 3; at most ECS_RETRIES_MAX. With a quota, the commands of one
                             phase are shared out as if each of them happened. */
    uint32_t retry_ticks; /* 0: at once. n: n ticks later, then 2n, 4n, ...; meanwhile the system
                             waits, and neither its time nor its events are lost. */
    uint32_t breaker_failures; /* of ECS_SKIP: after so many in a row it no longer runs; 0: never */
    uint32_t breaker_ticks;    /* for so many ticks, then one run decides; 0: until it is enabled */
    uint64_t budget_ns;        /* of one run; longer ones are counted and reported; 0: none */
    bool budget_fails;         /* and are failures with ECS_TIMEOUT: outside of what is the same
                                  on every run and backend */
    size_t stream_bytes_max; /* 0: the world's; quota of one row block */
    bool unsplit;            /* one stream and one worker for all its row blocks */
    bool main_thread;        /* only on the thread that called ecs_tick; unsplit as well */
    uint32_t io_intents;     /* I/O requests of one tick in which it runs: a hint for
                                ECS_BACKEND_ADAPTIVE, where they do not go through the world */
    bool disabled;
} ecs_system_desc;

/* ECS_EXISTS: the name is taken. ECS_NOT_FOUND: no such group. ECS_INVALID: unknown phase, doubled
 * or contradicting terms. ECS_FULL: systems_max. */
ECS_API ecs_status ecs_system_add(ecs_world *world, const ecs_system *system, ecs_phase phase);
ECS_API ecs_status ecs_system_add_desc(ecs_world *world, const ecs_system_desc *desc);
/* ECS_NOT_FOUND. Not inside a tick. Enabling closes its breaker and ends a wait for a retry. */
ECS_API ecs_status ecs_system_enable(ecs_world *world, const char *name, bool enabled);

typedef struct ecs_system_state {
    bool enabled;
    bool broken;           /* its breaker is open: it does not run */
    uint32_t wait_ticks;   /* until it is run again after a failure; 0 when broken: for ever */
    uint64_t runs;         /* these count from when it was added */
    uint64_t failures;     /* failed runs, each try for itself */
    uint64_t retries;      /* runs that followed a failure */
    uint64_t breaks;       /* times that its breaker opened */
    uint64_t overruns;     /* runs over budget_ns */
    uint64_t overrun_ns;   /* the longest of them took so much more */
    ecs_status last;       /* of the last failure */
    uint64_t last_tick;    /* of the last failure; 0: none */
} ecs_system_state;

/* ECS_NOT_FOUND. Between ticks. */
ECS_API ecs_status ecs_system_state_get(const ecs_world *world, const char *name,
                                        ecs_system_state *out);
/* Calls its fini, and gives its query, its event readers and its memory back; the others stay in
 * the order of their registration. Commands that it recorded are still applied. ECS_NOT_FOUND;
 * ECS_LOCKED inside a tick, an iteration, a hook, or a system's init or fini. */
ECS_API ecs_status ecs_system_remove(ecs_world *world, const char *name);
/* Work groups. A group is a name for systems that belong together: they share a policy for
 * failures, can be ordered and switched as one, and, when it is asynchronous, run beside the
 * ticks.
 *
 * An asynchronous group is launched when its phase begins: what its systems read (columns,
 * resources, events) is copied, and they run on the pool while this tick and the next ones go on.
 * They have no world (view->world is NULL), only their copies and their commands. Those are
 * applied when the phase begins in the tick `apply_after` ticks later, which waits for them: so
 * the result is the same on any number of workers, and on one that runs them at once. Then it is
 * launched anew, if one of its systems is due.
 *
 * Its systems must be in one phase, and must not write, look up, read types with life hooks, be
 * exclusive, on the main thread, in fixed steps of their own, or after another system of their
 * phase: where one is, the whole group runs synchronously, as if `asynchronous` were not
 * set. That is decided when the schedule is built, and said once in the log.
 *
 * A failure counts in the tick in which the results are applied. Retries at once run on the same
 * copies, later ones are launches of their own, for which the events of the failed one are seen;
 * ECS_FAIL_FAST lets the phase finish and stops that tick. */
typedef struct ecs_group_desc {
    const char *name; /* no system's and no other group's */
    const char *before[ECS_ORDER_MAX]; /* names of systems and groups: in each phase that both */
    const char *after[ECS_ORDER_MAX];  /* are in, all of one come before all of the other */
    ecs_on_error on_error;     /* for systems whose own is ECS_ERROR_DEFAULT, with what belongs */
    ecs_on_error on_exhausted; /* to it, as in ecs_system_desc */
    uint32_t retries;
    uint32_t retry_ticks;
    uint32_t breaker_failures;
    uint32_t breaker_ticks;
    uint64_t budget_ns;        /* for systems whose own is 0 */
    bool budget_fails;
    bool disabled;
    bool asynchronous;
    bool when_ready;           /* applied by the first tick that finds it ended. When that is
                                  depends on time: such a result is an input, like one from the
                                  network */
    uint32_t apply_after;      /* 0: 1; ticks */
    uint32_t depth;            /* 0: 1; launches under way. While there are so many a launch that
                                  is due is refused and counted; its systems are due again in
                                  the next tick */
    size_t copy_bytes_max;     /* 0: 1 MiB; copies of one launch; refused and counted beyond it */
    size_t command_bytes_max;  /* 0: 256 KiB; commands of one launch, shared out evenly over its
                                  systems; ECS_FULL beyond it */
} ecs_group_desc;

/* Takes all the memory that it will need: depth times copies and commands. ECS_EXISTS: the name is
 * taken. ECS_INVALID. ECS_TOO_LARGE: more launches than ECS_LAUNCHES_MAX, or in fixed memory more
 * commands than the world's. ECS_FULL: groups_max or group_bytes_max. ECS_NO_MEMORY. ECS_LOCKED. */
ECS_API ecs_status ecs_group_add(ecs_world *world, const ecs_group_desc *desc);
/* All its systems; each of them also has a switch of its own. What is under way is still applied.
 * ECS_NOT_FOUND; ECS_LOCKED inside a tick. */
ECS_API ecs_status ecs_group_enable(ecs_world *world, const char *name, bool enabled);

typedef struct ecs_group_state {
    bool enabled;
    bool asynchronous;  /* and it has not fallen back; known when the schedule is built */
    uint32_t systems;
    uint32_t under_way; /* launches that are not applied */
    uint64_t launched;
    uint64_t applied;
    uint64_t refused;   /* it was due, and `depth` launches were under way */
    uint64_t too_large; /* it was due, and the copies did not fit */
    uint64_t waited;    /* ticks that had to wait for it */
} ecs_group_state;

/* ECS_NOT_FOUND. Between ticks. */
ECS_API ecs_status ecs_group_state_get(const ecs_world *world, const char *name,
                                       ecs_group_state *out);

/* A future: one launch of a group. */
typedef struct ecs_launch {
    uint64_t number; /* of this group's launches, from 1 on; 0: none */
    uint32_t group;
} ecs_launch;

/* The newest one. Between ticks, and in exclusive systems; so are the next two. */
ECS_API ecs_launch ecs_group_last(const ecs_world *world, const char *name);
/* Whether its systems have run; what they recorded may still wait for its tick. */
ECS_API bool ecs_launch_ended(const ecs_world *world, ecs_launch launch);
/* Waits until they have, and runs those that nobody has begun. ECS_LOCKED from inside of a system,
 * one of the same group above all. ECS_INVALID: no such launch. */
ECS_API ecs_status ecs_launch_wait(ecs_world *world, ecs_launch launch);

/* Part of the next fixed step that has passed, 0 to 1: for drawing between two steps.
 * 0 for a system without a step of its own or of its phase. */
ECS_API float ecs_system_alpha(const ecs_world *world, const char *name);

/* The new phase's number; 0 when refused: see ecs_world_status. */
ECS_API ecs_phase ecs_phase_add(ecs_world *world, const ecs_phase_desc *desc);
ECS_API ecs_phase ecs_phase_find(const ecs_world *world, const char *name);

/* Checks and orders everything now; ecs_tick does it when needed. ECS_CYCLE,
 * ECS_CONFLICT, ECS_NOT_FOUND (an unknown name): logged, and in ecs_explain_schedule. */
ECS_API ecs_status ecs_schedule_build(ecs_world *world);
/* The same without the log, and writes everything that is to be said about the schedule into
 * `text`, at most `bytes` with the closing zero: errors, warnings and notes, one a line, with the
 * names of systems, phases and components. What does not fit is counted in the last line. */
ECS_API ecs_status ecs_schedule_validate(ecs_world *world, char *text, size_t bytes);

/* One tick. Applies ecs_world_commands first. ECS_OK, the status of the first system
 * that failed fast, or of a schedule that could not be built; ECS_LOCKED from inside a
 * tick or an iteration, and while the world ends. `dt` is seconds, finite, not negative. */
ECS_API ecs_status ecs_tick(ecs_world *world, float dt);

/* Ends the tick that runs, or the next one when none does, with ECS_CANCELLED: systems that
 * have begun finish, no other begins, and what was recorded is applied. Any thread, a system
 * included. Which systems had begun depends on time, and so does the result. */
ECS_API void ecs_tick_cancel(ecs_world *world);
/* For systems that take long. */
ECS_API bool ecs_tick_cancelled(const ecs_world *world);

typedef struct ecs_failure {
    const char *system;
    const char *phase;
    uint64_t tick;
    ecs_status status;  /* of the lowest row block that failed; ECS_FULL: no room to save what
                           `restore` asks for, and then it did not run */
    uint32_t row_block; /* its number */
    uint32_t attempt;   /* 0: the first run, 1: the first retry, ... */
    bool again;         /* it is run again, at once or after retry_ticks */
    bool broken;        /* its breaker opened */
} ecs_failure;

typedef struct ecs_tick_report {
    ecs_status status;
    uint64_t tick;
    uint32_t systems_run;
    uint32_t systems_skipped; /* after a failure, or cancelled */
    uint32_t overruns;        /* runs over their budget_ns */
    bool cancelled;
    uint32_t failure_count;   /* kept below */
    uint32_t failures_lost;   /* beyond ECS_FAILURES_MAX */
    uint64_t commands_applied;
    uint64_t commands_dropped;
    uint64_t commands_refused;
    uint64_t events_sent;
    uint64_t events_dropped;
    uint64_t access_violations; /* that check_access found */
    ecs_failure failures[ECS_FAILURES_MAX];
} ecs_tick_report;

/* About the last tick. */
ECS_API const ecs_tick_report *ecs_tick_last(const ecs_world *world);

/* ---------------------------------------------------------------------------
 * 12  Workers and jobs
 *
 * A pool is a number of threads that steal work from each other. Worlds with
 * ECS_BACKEND_WORK_STEALING use one, their own or a shared one, and so can you.
 *
 * A thread that wants to hand out work enters the pool and gets a worker; inside a job
 * and in a system's view (view->worker) it is there already. NULL stands for no pool: then
 * everything runs at once, in the calling thread.
 *
 * A job is memory of yours. It must stay where it is until it is done, and the worker that
 * started it waits for it; so jobs on the stack of a function that waits are fine, as deep
 * as you like. While it waits the worker runs other jobs: its own, or parts of what it
 * waits for. A worker that waits in the body of a system never runs another system.
 * ------------------------------------------------------------------------- */

/* Workers of one pool, guests not counted. */
#define ECS_WORKERS_MAX 256u

/* The job system of a host: the pool then has no threads of its own. `enqueue` is called
 * by the thread that ticks or enters, and so is `wait`, once for each answer of enqueue, before
 * the tick or the loop returns. Nothing is lost when a task runs late, or only inside of `wait`;
 * `wait` must run a task that nobody else will run. */
struct ecs_task_api {
    uint32_t workers; /* that may run tasks at the same time, the caller counted */
    /* Sees to it that run(data) is called once, on any thread; inside of this call it does
     * nothing. The answer goes to wait. NULL: refused; it will not run. */
    void *(*enqueue)(void (*run)(void *data), void *data, void *user);
    void (*wait)(void *task, void *user); /* returns when the task has run */
    void *user;
};

typedef struct ecs_pool_desc {
    uint32_t workers;           /* 0: one for each processor this thread may use; the thread
                                   that enters counts as one, so 1 has no threads */
    uint32_t guests_max;        /* 0: 8; threads that may be inside at the same time */
    uint32_t deque_capacity;    /* 0: 256; jobs of one worker; a power of two */
    uint32_t injector_capacity; /* 0: 1,024; jobs that did not fit there; a power of two */
    uint32_t spins;             /* 0: 100; looks for work before a worker sleeps; adapts */
    bool affinity;              /* bind each thread to one processor */
    const ecs_allocator *allocator; /* malloc and free; copied; used at creation only */
    const ecs_task_api *tasks;  /* copied; `workers` is then that of the tasks */
    void (*log)(ecs_log_level level, const char *text, void *user); /* stderr */
    void *log_user;
} ecs_pool_desc;

/* NULL: a bad description (more than ECS_WORKERS_MAX workers, capacities that are no power of
 * two), or the allocator refused. When the system refuses a thread the pool has those that it
 * got, and says so in the log. */
ECS_API ecs_pool *ecs_pool_create(const ecs_pool_desc *desc);
/* ECS_LOCKED while a thread is inside or a world uses it. Otherwise runs what is left in the
 * queues, and ends the threads. NULL is fine. */
ECS_API ecs_status ecs_pool_destroy(ecs_pool *pool);
/* Threads that it got, and one for the thread that enters. */
ECS_API uint32_t ecs_pool_workers(const ecs_pool *pool);
/* A worker for the calling thread, until it leaves. NULL: guests_max are inside. Any thread. */
ECS_API ecs_worker *ecs_pool_enter(ecs_pool *pool);
/* All jobs that were started with this worker must have been waited for. */
ECS_API void ecs_pool_leave(ecs_worker *worker);

typedef void (*ecs_job_function)(ecs_worker *worker, void *data);

/* Not for use but as memory. */
typedef struct ecs_job {
    ecs_job_function run;
    void *data;
    ecsi_atomic_ptr state; /* NULL: to do; ECSI_JOB_DONE; or the worker that sleeps for it */
    ecsi_atomic_u64 base;  /* of its runner's deque when it began */
    ecsi_atomic_u32 runner; /* index plus one of the worker that stole it */
    uint32_t kind;
} ecs_job;

/* Starts run(worker, data), now or soon, here or on another worker. Never refused: with all
 * queues full it runs at once. */
ECS_API void ecs_job_run(ecs_worker *worker, ecs_job *job, ecs_job_function run, void *data);
/* The same for a job that nobody waits for: its memory is yours again as soon as it runs, so it
 * may start itself anew. A latch can tell when it has run. */
ECS_API void ecs_job_send(ecs_worker *worker, ecs_job *job, ecs_job_function run, void *data);
/* Returns when the job has run. Only for the worker that started it, once. */
ECS_API void ecs_job_wait(ecs_worker *worker, ecs_job *job);
/* Any thread. What the job wrote is visible when the answer is true. */
ECS_API bool ecs_job_done(const ecs_job *job);

/* Counts down to zero: for graphs of jobs that were sent, and nobody waits for each. One word. */
typedef struct ecs_latch {
    ecsi_atomic_u64 word;
} ecs_latch;

ECS_API void ecs_latch_init(ecs_latch *latch, uint32_t count);
/* From any worker of the pool, and NULL only without one. After the last call the latch may be
 * gone. */
ECS_API void ecs_latch_down(ecs_worker *worker, ecs_latch *latch);
/* Runs any jobs until the count is zero; inside a system it only waits. What was written before
 * each count-down is visible then. One worker at a time. */
ECS_API void ecs_latch_wait(ecs_worker *worker, ecs_latch *latch);

typedef struct ecs_range {
    uint32_t first;
    uint32_t count;
} ecs_range;

typedef struct ecs_loop {
    uint32_t count; /* items */
    uint32_t grain; /* items of one call at least, but for the last; 0: measured */
} ecs_loop;

/* Calls body for ranges that make up 0 to count, in no order, on any worker; returns when all
 * have run. With grain 0 the first ranges are timed and what is too small to share is not. */
ECS_API void ecs_parallel_for(ecs_worker *worker, ecs_loop loop,
                              void (*body)(ecs_worker *worker, ecs_range range, void *data),
                              void *data);

/* Bytes of a reduction's value, and its leaves. */
#define ECS_REDUCE_BYTES_MAX 64u
#define ECS_REDUCE_LEAVES_MAX 256u

typedef struct ecs_reduce {
    uint32_t count;  /* items */
    uint32_t grain;  /* items of a leaf; 0: 1,024; more when there would be too many leaves */
    uint32_t bytes;  /* of a value; values are aligned to 64 */
    /* Makes the value of some items from scratch. */
    void (*leaf)(ecs_worker *worker, ecs_range range, void *value, void *data);
    /* left = left and right, which stand in this order. */
    void (*combine)(void *left, const void *right, void *data);
    void *data;
} ecs_reduce;

/* Reduces all items to one value: leaves in parallel, combined in a tree that depends on count
 * and grain only, so that sums of floats are the same on any number of workers. `value` is
 * left alone when count is 0. ECS_TOO_LARGE: the value has too many bytes, or none. */
ECS_API ecs_status ecs_parallel_reduce(ecs_worker *worker, const ecs_reduce *reduce,
                                       void *value);

typedef struct ecs_worker_stats {
    uint64_t executed;       /* jobs, and parts that it had in systems */
    uint64_t stolen;         /* of these: from other workers */
    uint64_t steal_attempts;
    uint64_t parks;          /* times that it slept */
    uint64_t spins;          /* looks for work that found none */
    uint64_t commands;       /* recorded by systems that were shared */
} ecs_worker_stats;

/* Of worker `index`: threads first, then guests. ECS_NOT_FOUND past the end. Any thread; the
 * figures of a busy worker may lag behind. */
ECS_API ecs_status ecs_pool_stats(const ecs_pool *pool, uint32_t index, ecs_worker_stats *out);

#ifndef ECS_NO_THREADS
/* Threads that wait for something; part of what follows. Zero is an empty one. */
typedef struct ecs_waiters {
    ecsi_atomic_ptr word;
    void *first;
    void *last;
    ecsi_atomic_u32 lock;
    ecsi_atomic_u32 count;
} ecs_waiters;

/* Times are in nanoseconds, from now on; this one never ends. 0 only looks. */
#define ECS_FOREVER UINT64_MAX

/* A counting semaphore, first come first served: a permit that is released goes to the one who
 * waits longest, unless somebody who does not wait takes it in that moment. Any thread may call
 * all of it. It must live until all calls have returned. Waiting stops the thread: in a job it
 * stops the worker. 2^32 - 1 permits at most. */
typedef struct ecs_semaphore {
    ecsi_atomic_u32 permits;
    ecs_waiters waiters;
} ecs_semaphore;

ECS_API void ecs_semaphore_init(ecs_semaphore *semaphore, uint32_t permits);
ECS_API bool ecs_semaphore_try_acquire(ecs_semaphore *semaphore);
/* ECS_TIMEOUT: no permit was taken. ECS_NO_MEMORY: the system refused a condition variable. */
ECS_API ecs_status ecs_semaphore_acquire(ecs_semaphore *semaphore, uint64_t timeout_ns);
ECS_API void ecs_semaphore_release(ecs_semaphore *semaphore, uint32_t permits);
/* How many wait, at some moment of the call. */
ECS_API uint32_t ecs_semaphore_waiting(const ecs_semaphore *semaphore);

/* A one-shot event: once set it stays set, and all who wait go on. The same rules. What the
 * setter wrote before is visible to those who saw it set. */
typedef struct ecs_signal {
    ecsi_atomic_u32 state;
    ecs_waiters waiters;
} ecs_signal;

ECS_API void ecs_signal_init(ecs_signal *signal);
ECS_API void ecs_signal_set(ecs_signal *signal);
ECS_API bool ecs_signal_is_set(const ecs_signal *signal);
/* ECS_OK, ECS_TIMEOUT, ECS_NO_MEMORY. */
ECS_API ecs_status ecs_signal_wait(ecs_signal *signal, uint64_t timeout_ns);

/* A value that comes later, with a status. The same rules. */
typedef struct ecs_future {
    ecs_signal done;
    ecsi_atomic_u32 claimed;
    ecs_status status;
    void *value;
} ecs_future;

ECS_API void ecs_future_init(ecs_future *future);
/* ECS_EXISTS: somebody has set it before, and that stays. */
ECS_API ecs_status ecs_future_set(ecs_future *future, ecs_status status, void *value);
ECS_API bool ecs_future_poll(const ecs_future *future);
/* ECS_TIMEOUT, ECS_NO_MEMORY, or the status that was set, and then *value (value may be
 * NULL). */
ECS_API ecs_status ecs_future_wait(ecs_future *future, uint64_t timeout_ns, void **value);
#endif

/* ---------------------------------------------------------------------------
 * 13  Worlds together
 *
 * Up to 64 worlds hand entities to each other. Each way from one to another is a route: a
 * bounded queue with room for what travels. A send takes the entity out of its world (on_remove,
 * its values moved, the handle is dead), and the target puts it in when it takes its arrivals
 * (a new handle, values moved, on_add, on_set). In between it lies in the route. When there is
 * no room the send is refused and counted, and the entity stays where it was, untouched. So the
 * living entities of all worlds and those on the way are constant under transfers.
 *
 *     ecs_worlds *worlds = ecs_worlds_create(NULL);
 *     ecs_worlds_add(worlds, menu, &(ecs_worlds_member_desc){.name = "menu"});
 *     ecs_worlds_add(worlds, level, &(ecs_worlds_member_desc){.name = "level"});
 *     ecs_worlds_route(worlds, &(ecs_route_desc){.from = "menu", .to = "level"});
 *     ecs_worlds_send(worlds, menu, player, ecs_worlds_number(worlds, level));
 *     ecs_worlds_tick(worlds, dt);
 *
 * Systems set an ecs_transfer on an entity; after the tick of its world the coordinator sends
 * what is marked: the highest priority first, then by route, group and slot of the entity.
 *
 * Lockstep: ecs_worlds_tick ticks all worlds, then all that is marked is sent, then all that
 * arrives is put in, by (route's priority, tick, source, sequence). The result is the same on
 * any number of workers. Without lockstep each world may be ticked by a thread of its own with
 * ecs_worlds_tick_one, which puts in what has arrived, ticks and sends; what arrives when
 * depends on time.
 *
 * Batches. What one source sends over one route at once goes in batches of at most `batch`
 * entities. References between entities that arrive together are remapped (members of type
 * ecs_entity that were listed); others become null, or stay as they are. Entities with the same
 * group (not 0) travel in one batch and arrive together: all or none. Of other batches those may
 * have to wait that the target has no room for.
 *
 * Components are the same when their names are. A target knows a component once it is
 * registered there: at ecs_worlds_add, after each of its ticks, and in lockstep always. The hooks
 * of the source move values out of its rows, those of the target move them in.
 *
 * Threads. What declares (create, add, remove, route, destroy) and what looks at everything
 * (settle, discard, explain) only while nobody ticks or sends, nor in a hook or an iteration of
 * a member: ECS_LOCKED. Otherwise a member belongs to one thread at a time, and all members at
 * the same time may be ticked, sent from and received in; in lockstep all of them belong to one
 * thread, and inside of ecs_worlds_tick nothing is sent or put in by calls. With a pool a member
 * is ticked by any thread of it, and its hooks run there. Statistics and admission: any thread.
 * All memory is taken by create, add and route.
 * ------------------------------------------------------------------------- */

#ifndef ECS_NO_WORLDS
typedef struct ecs_worlds ecs_worlds;

/* Members of one coordinator, and the routes by component of one member. */
#define ECS_WORLDS_MAX 64u
#define ECS_WORLDS_CHOICES_MAX 8u
/* A retry_limit without end. */
#define ECS_RETRY_FOREVER UINT32_MAX

/* A component that the target does not know. A tag counts as one. */
typedef enum ecs_unknown {
    ECS_UNKNOWN_REFUSE, /* the send answers ECS_UNSUPPORTED, the entity stays */
    ECS_UNKNOWN_DROP    /* the component ends at the source and is counted */
} ecs_unknown;

/* References to entities that are not in the same batch. */
typedef enum ecs_references {
    ECS_REFERENCES_NULL, /* become null */
    ECS_REFERENCES_KEEP  /* stay: the bits mean what your program says */
} ecs_references;

/* Retries of refused sends, in ticks. */
typedef struct ecs_retry_desc {
    uint32_t limit; /* 0: 16; retries before it is given up; ECS_RETRY_FOREVER */
    uint32_t first; /* 0: 1; ticks until the first retry; doubles with each one */
    uint32_t most;  /* 0: 64; ticks between two retries */
} ecs_retry_desc;

/* Where a retry stands; all zero is a send that was never refused. */
typedef struct ecs_retry {
    uint64_t due;       /* tick of the next try */
    uint32_t tries;     /* that were refused */
    uint32_t given_up;  /* 1: the limit is reached */
} ecs_retry;

/* Whether to try now. */
ECS_API bool ecs_retry_due(const ecs_retry *retry, uint64_t tick);
/* A try was refused: sets when the next one is due. False: given up. NULL: the defaults. */
ECS_API bool ecs_retry_refused(ecs_retry *retry, const ecs_retry_desc *desc, uint64_t tick);

/* The component that asks the coordinator to send an entity. Set the first three. It does not
 * travel. When the send is refused the others say why, and when it is tried again; a system that
 * sets the component anew starts over. */
typedef struct ecs_transfer {
    uint32_t target;   /* number of a member; 0: by component, then the default target */
    uint32_t priority; /* the highest goes first */
    uint32_t group;    /* not 0: all of this group, priority and target that are due in a tick go
                          in one batch */
    uint32_t status;   /* ecs_status of the last try */
    ecs_retry retry;
} ecs_transfer;

typedef struct ecs_worlds_desc {
    const ecs_allocator *allocator; /* malloc and free; copied */
    ecs_pool *pool;                 /* ticks the members at the same time; NULL: one by one. It
                                       must outlive the coordinator */
    bool lockstep;
    ecs_unknown unknown;
    ecs_references references;
    ecs_retry_desc retry;           /* of marked entities */
    uint32_t transfers_max;         /* 0: 4,096; marked entities of one world that are sent in
                                       one tick, the first ones in their order */
    void (*log)(ecs_log_level level, const char *text, void *user); /* stderr; any thread */
    void *log_user;
} ecs_worlds_desc;

/* NULL: a bad description, or the allocator refused. */
ECS_API ecs_worlds *ecs_worlds_create(const ecs_worlds_desc *desc);
/* Ends the coordinator; the worlds are yours. ECS_LOCKED while something is on the way (see
 * ecs_worlds_settle and ecs_worlds_discard), or while somebody ticks. NULL is fine. */
ECS_API ecs_status ecs_worlds_destroy(ecs_worlds *worlds);

/* What a member is there for. Without a default target an accepting one sends to the first
 * member for I/O, and that one to the first one that computes. */
typedef enum ecs_world_role {
    ECS_ROLE_CUSTOM,
    ECS_ROLE_ACCEPT,
    ECS_ROLE_IO,
    ECS_ROLE_COMPUTE,
    ECS_ROLE_STANDALONE /* ticks with the others; no route begins or ends here */
} ecs_world_role;

/* Where entities with a component go. */
typedef struct ecs_world_choice {
    const ecs_type *type; /* must outlive the coordinator */
    const char *target;
} ecs_world_choice;

typedef struct ecs_worlds_member_desc {
    const char *name;           /* names are copied */
    ecs_world_role role;
    const char *target;         /* the default target; may be added later; NULL: by role */
    const ecs_world_choice *choices; /* routes by component, the first that fits */
    uint32_t choice_count;
} ecs_worlds_member_desc;

/* ECS_FULL: a 65th world. ECS_EXISTS: the name is there, or the world is, here or in another
 * coordinator. ECS_INVALID, ECS_TOO_LARGE: the name, or too many choices. ECS_NO_MEMORY.
 * ECS_LOCKED. The world must outlive its membership, and while it lasts be ticked through the
 * coordinator only. */
ECS_API ecs_status ecs_worlds_add(ecs_worlds *worlds, ecs_world *world,
                                  const ecs_worlds_member_desc *desc);
/* The routes from and to it go as well. ECS_LOCKED while something is on the way over them:
 * ecs_worlds_settle puts it in. ECS_NOT_FOUND: no member. */
ECS_API ecs_status ecs_worlds_remove(ecs_worlds *worlds, ecs_world *world);
/* The number of a member, from 1 on, until it is removed; 0: no member. */
ECS_API uint32_t ecs_worlds_number(const ecs_worlds *worlds, const ecs_world *world);
ECS_API uint32_t ecs_worlds_find(const ecs_worlds *worlds, const char *name);
/* NULL: no member has this number. */
ECS_API ecs_world *ecs_worlds_world(const ecs_worlds *worlds, uint32_t number);

typedef struct ecs_route_desc {
    const char *from;    /* name of a member; NULL: all members that have no route of their own
                            to `to` share this one */
    const char *to;
    uint32_t capacity;   /* 0: 4,096; entities on the way; a power of two, 2 to 2^20 */
    uint32_t batch;      /* 0: 64, or the capacity where that is less; at most 4,096 */
    uint32_t body_bytes; /* 0: 256; of one entity: its values, and 8 for each component */
    uint32_t priority;   /* the highest arrives first */
    uint32_t high;       /* entities on the way at which it stops admitting; 0: 3/4 of capacity */
    uint32_t low;        /* below which it admits again; 0: half of high, at least 1 */
    bool spsc;           /* one sender, no compare and swap; needs a `from` */
} ecs_route_desc;

/* ECS_NOT_FOUND: a name. ECS_EXISTS: there is such a route. ECS_INVALID: from a world to itself,
 * a standalone one, or sizes that make no sense. ECS_NO_MEMORY. ECS_LOCKED. */
ECS_API ecs_status ecs_worlds_route(ecs_worlds *worlds, const ecs_route_desc *desc);

/* Sends one entity between ticks of `from`; to: a number, or 0 for its route. ECS_STALE.
 * ECS_NOT_FOUND: no member, or no route. ECS_FULL: counted, the entity stays. ECS_UNSUPPORTED: a
 * component that the target does not know. ECS_MISMATCH: one that it knows with another shape.
 * ECS_TOO_LARGE: more than body_bytes. ECS_LOCKED: in a tick, an iteration or a hook. */
ECS_API ecs_status ecs_worlds_send(ecs_worlds *worlds, ecs_world *from, ecs_entity entity,
                                   uint32_t to);
/* Sends all of them in one batch, or none: ECS_TOO_LARGE when there are more than `batch`.
 * With to 0 the first one's route. ECS_INVALID: none, or one of them twice. */
ECS_API ecs_status ecs_worlds_send_group(ecs_worlds *worlds, ecs_world *from,
                                         const ecs_entity *entities, uint32_t entity_count,
                                         uint32_t to);

/* Ticks all members; answers the first status that was not ECS_OK, by number. ECS_LOCKED: inside
 * of a tick; in lockstep also while a member is iterated or in a hook, and then no world is
 * ticked. */
ECS_API ecs_status ecs_worlds_tick(ecs_worlds *worlds, float dt);
/* Puts in what has arrived, ticks and sends what is marked. ECS_UNSUPPORTED in lockstep. */
ECS_API ecs_status ecs_worlds_tick_one(ecs_worlds *worlds, ecs_world *world, float dt);
/* Puts in what has arrived; answers how many entities. What the world has no room for waits. */
ECS_API uint32_t ecs_worlds_receive(ecs_worlds *worlds, ecs_world *world);
/* The same for all members: nothing is on the way afterwards but what the targets have no room
 * for. Answers how many entities still wait. In a tick or a hook it only counts. */
ECS_API uint64_t ecs_worlds_settle(ecs_worlds *worlds);
/* Ends what is on the way from and to a member; answers how many entities. */
ECS_API uint64_t ecs_worlds_discard(ecs_worlds *worlds, ecs_world *world);

/* False from `high` entities on the way on, until there are fewer than `low`; ask before
 * making work for `to`. from NULL: whether all routes to it admit. False when there is no route.
 * A system may ask. */
ECS_API bool ecs_worlds_admits(ecs_worlds *worlds, const ecs_world *from, uint32_t to);

typedef struct ecs_route_stats {
    uint64_t sent;
    uint64_t arrived;
    uint64_t discarded;
    uint64_t in_flight;          /* sent, and neither arrived nor discarded */
    uint64_t refused;            /* entities, counted at each try, for whatever reason */
    uint64_t refused_full;       /* of these: no room */
    uint64_t components_dropped; /* that the target does not know */
    uint64_t stalled;            /* times that the target had no room for a batch */
    uint32_t capacity;
} ecs_route_stats;

/* from NULL: the route that members share. ECS_NOT_FOUND. */
ECS_API ecs_status ecs_worlds_route_stats(const ecs_worlds *worlds, const ecs_world *from,
                                          uint32_t to, ecs_route_stats *out);

typedef struct ecs_worlds_stats {
    uint64_t sent;
    uint64_t arrived;
    uint64_t discarded;          /* that were on the way to it */
    uint64_t in_flight_from;
    uint64_t in_flight_to;
    uint64_t refused;            /* its sends, those without a route included */
    uint64_t components_dropped; /* of its entities */
    uint64_t given_up;           /* marked entities whose retries were used up */
} ecs_worlds_stats;

/* Of one member, from its adding on. NULL: all of them. */
ECS_API ecs_worlds_stats ecs_worlds_stats_of(const ecs_worlds *worlds, const ecs_world *world);

#ifndef ECS_NO_EXPLAIN
/* Members, routes and counters, as the calls of section 15. */
ECS_API size_t ecs_explain_worlds(const ecs_worlds *worlds, char *text, size_t bytes);
#endif
#endif /* ECS_NO_WORLDS */

/* ---------------------------------------------------------------------------
 * 14  Running
 *
 * The main loop, for programs that have none: a game, a simulation, a server. It ticks the
 * world at a fixed rate, catches up when it is late, sleeps in between, and ends when it is
 * told to. A program that is called by somebody else's loop calls ecs_tick itself;
 * docs/running.md has both.
 *
 * The loop goes through frames. A frame waits for its time, calls frame_begin, runs the ticks
 * that are due, each after tick_begin, and calls frame_end. With ECS_RUN_FIXED that is none,
 * one, or after a delay several, at most steps_max; whole steps beyond that are dropped and
 * counted, so neither ticks that take too long nor a machine that slept for hours make it run
 * behind its own delay.
 *
 * Times are kept in whole nanoseconds, and every moment is counted from the start and not from
 * the end of a sleep, so the rate does not drift.
 * ------------------------------------------------------------------------- */

#ifndef ECS_NO_RUN
/* Tells a run to end. Zero to begin with; once set it stays set. */
typedef struct ecs_run_flag {
    ecsi_atomic_u32 word;
} ecs_run_flag;

/* Sets it: from any thread, from a system, and from a signal handler, for all that it does is
 * one lock-free atomic store. What was written before is visible when the run has ended. It ends
 * before its next tick; when it sleeps meanwhile, after at most 50 ms, or at once if the
 * signal came to its thread. */
ECS_API void ecs_run_stop(ecs_run_flag *flag);
ECS_API bool ecs_run_stopped(const ecs_run_flag *flag);

typedef enum ecs_run_mode {
    ECS_RUN_FIXED,  /* ticks of step_s, as many as the time that has passed is worth */
    ECS_RUN_FREE,   /* a tick in each frame; dt is the time since the frame before, 0 at first */
    ECS_RUN_UNTIMED /* a tick of step_s in each frame, one after the other, without a clock: for
                       tests, replays, and simulations that nobody watches */
} ecs_run_mode;

/* Why a run ended. */
typedef enum ecs_run_end {
    ECS_RUN_GOES_ON,    /* it has not, or it was refused */
    ECS_RUN_STOPPED,    /* the flag */
    ECS_RUN_TICKS,      /* ticks_max */
    ECS_RUN_CALLBACK,   /* a callback answered false */
    ECS_RUN_TICK_FAILED /* and go_on was not set */
} ecs_run_end;

typedef struct ecs_run_report {
    ecs_status status;      /* what ecs_run answered */
    ecs_run_end end;
    ecs_status tick_status; /* of the last tick that failed; ECS_OK: none did */
    uint64_t frames;
    uint64_t ticks;         /* those that failed as well */
    uint64_t ticks_failed;
    uint64_t ticks_late;    /* their frame began more than late_s after they were due */
    uint64_t ticks_dropped; /* whole steps beyond steps_max */
    uint64_t dropped_ns;    /* the same as time, and with ECS_RUN_FREE what is beyond dt_max_s */
    uint64_t late_max_ns;   /* the latest tick; what was dropped before it counts as well */
    uint64_t clock_back;    /* times that the clock went backwards: taken as no time at all */
} ecs_run_report;

/* What callbacks are told of a frame. */
typedef struct ecs_run_frame {
    uint64_t number; /* of frames before this one */
    uint32_t steps;  /* ticks that are due in it */
    float alpha;     /* part of the next step that has passed, 0 to 1: draw what lies between the
                        state before the last tick and the state after it. 1 but for
                        ECS_RUN_FIXED: draw the state after it */
    float dt;        /* seconds since the last frame, at most dt_max_s; 0 at first */
    const ecs_run_report *report; /* so far */
} ecs_run_frame;

/* A clock and its sleep, so that tests can script time. */
typedef struct ecs_run_clock {
    uint64_t (*now_ns)(void *user);
    /* Returns when the clock shows that or more; it may return early. */
    void (*sleep_until_ns)(uint64_t until_ns, void *user);
    void *user;
} ecs_run_clock;

/* Zero means the default that stands behind each field. Times are finite and not negative; those
 * of steps and frames are 0, or a microsecond to an hour. */
typedef struct ecs_run_desc {
    ecs_run_mode mode;        /* ECS_RUN_FIXED */
    double step_s;            /* 1/60: seconds of a tick */
    double frame_s;           /* step_s: seconds from one frame to the next, at least */
    bool unpaced;             /* frames do not wait, because a callback does: for the vertical
                                 blank of a screen, or for input */
    uint32_t steps_max;       /* 4: ticks in one frame */
    double dt_max_s;          /* 0.25 */
    double late_s;            /* one step, or frame with ECS_RUN_FREE */
    uint64_t ticks_max;       /* no limit: ends after so many ticks */
    bool go_on;               /* a tick that failed does not end the run */
    const ecs_run_flag *stop; /* may be NULL */
    /* What is a tick; NULL: ecs_tick of the world. For several worlds it is ecs_worlds_tick. */
    ecs_status (*tick)(ecs_world *world, float dt, void *user);
    /* All may be NULL, are called by the thread that runs, outside of ticks: they may edit
     * the world. False ends the run. After each frame_begin that answers true comes one
     * frame_end, whatever its ticks do. */
    bool (*frame_begin)(ecs_world *world, const ecs_run_frame *frame, void *user);
    bool (*tick_begin)(ecs_world *world, const ecs_run_frame *frame, void *user);
    bool (*frame_end)(ecs_world *world, const ecs_run_frame *frame, void *user);
    void *user;
    const ecs_run_clock *clock; /* the machine's */
} ecs_run_desc;

/* Runs until the flag, ticks_max, a callback or a failed tick ends it. ECS_OK, or the status of
 * the tick that ended it. ECS_LOCKED from inside a tick, an iteration or a hook. `world` is only
 * handed on when the description has a tick, and may be NULL then. `desc` NULL: all defaults.
 * `report` may be NULL. It takes no memory, and sleeps until shortly before a frame is due; the
 * rest, less than 0.1 ms, it waits awake. */
ECS_API ecs_status ecs_run(ecs_world *world, const ecs_run_desc *desc, ecs_run_report *report);
#endif

/* ---------------------------------------------------------------------------
 * 15  Input and output
 *
 * Systems queue requests like commands: read this, accept a connection, wake me in a second.
 * When the phase ends they go to the operating system together, in the order of the commands,
 * and while they are under way systems run. What has ended is delivered at the next boundary,
 * before the first phase of a tick or after any phase, in the order of the requests: first the
 * result, into a member of a component or into memory, then the callback, then the event.
 *
 *     static void answered(ecs_world *world, const ecs_io_completion *done) { ... }
 *
 *     ECS_SYSTEM(ask, WRITE(Connection))
 *     {
 *         Connection *c = ecs_write(view, Connection);
 *         for (uint32_t i = 0; i < view->count; i++) {
 *             ecs_io_request r = {.op = ECS_IO_RECV, .handle = c[i].socket,
 *                                 .buffer = c[i].memory, .length = 4096,
 *                                 .entity = view->entities[i], .done = answered};
 *             ecs_io_queue(view->cmd, &r);
 *         }
 *         return ECS_OK;
 *     }
 *
 * Memory. Whatever a request points to belongs to it from the call until it is delivered, and
 * lies outside the world: columns move, so an address inside them is refused (-EFAULT).
 *
 * Results. `result` is what the operation gives (bytes, a handle, what is ready), or an error
 * below 0: an errno of this system, negative, as Linux writes it. -ECANCELED: cancelled, the
 * request before it in the chain failed, or the world ended. -ETIMEDOUT: its time was up.
 * -ENOBUFS: requests_max are under way.
 *
 * Chains. With ECS_IO_LINK the next request of the same stream begins when this one has succeeded
 * in full; else, or when this one was refused, it and the rest of the chain are cancelled.
 *
 * Determinism. Which requests are made and in which order follows from the world; when they end
 * and how is an input, which can be recorded and replayed: see ecs_io_desc. A failed system's
 * requests are dropped with its commands.
 *
 * Threads. Requests are recorded wherever commands are. Callbacks run on the thread that ticks,
 * between phases: the world is open for edits and more requests, but it cannot be ticked or
 * destroyed by them.
 *
 * Engines carry requests out: blocking (one call after the other, and poll for what would wait),
 * evented (epoll), or one of a companion header such as ecs_io_uring.h. They differ in speed, not
 * in what a program sees. The environment variable ECS_IO_ENGINE names one to begin with; when
 * the system refuses it, the next one in this list is taken, and the log says so.
 * docs/io.md has more.
 * ------------------------------------------------------------------------- */

#ifndef ECS_NO_IO
/* A file descriptor; on Windows a HANDLE or a SOCKET. */
typedef intptr_t ecs_handle;

typedef enum ecs_io_op {
    ECS_IO_NOP,      /* 0 */
    ECS_IO_READ,     /* bytes; 0 at the end. At `offset`, or ECS_IO_HERE */
    ECS_IO_WRITE,    /* bytes */
    ECS_IO_FSYNC,    /* 0 */
    ECS_IO_OPEN,     /* a handle. buffer: path; offset: O_* of the system; length: mode */
    ECS_IO_CLOSE,    /* 0. What else is under way on the handle is cancelled first */
    ECS_IO_ACCEPT,   /* a handle, close-on-exec. buffer: NULL, or `length` bytes for the address */
    ECS_IO_CONNECT,  /* 0. buffer, length: the address */
    ECS_IO_SEND,     /* bytes. offset: MSG_* flags. It never raises SIGPIPE */
    ECS_IO_RECV,     /* bytes; 0: the peer has closed its side. offset: MSG_* flags */
    ECS_IO_SENDMSG,  /* bytes. buffer: a struct msghdr; offset: MSG_* flags */
    ECS_IO_RECVMSG,
    ECS_IO_SHUTDOWN, /* 0. offset: SHUT_* */
    ECS_IO_SPLICE,   /* bytes moved from `handle` to `peer`, one of them a pipe; from `offset`, or
                        ECS_IO_HERE */
    ECS_IO_POLL,     /* ECS_IO_READABLE | ECS_IO_WRITABLE. offset: which are wanted */
    ECS_IO_TIMER,    /* 0, when timeout_ns are over */
    ECS_IO_CANCEL,   /* 0, or -ENOENT: it has ended. offset: the ecs_io_id. The other one ends as
                        well: -ECANCELED, or what it came to */
    ECS_IO_OPS
} ecs_io_op;

enum {
    ECS_IO_JOIN = 1,       /* the phase waits until it is delivered */
    ECS_IO_LINK = 2,       /* begins a chain, or goes on with it: see above */
    ECS_IO_NOTIFY = 4,     /* ends with an event, ecs_io_completion */
    ECS_IO_WHOLE = 8,      /* read, write, send, recv: goes on until `length`, an end or an error */
    ECS_IO_MULTI = 16,     /* accept, poll: goes on until it fails or is cancelled; what it gives is
                              delivered one by one, with ECS_IO_MORE but for the last */
    ECS_IO_ABSOLUTE = 32,  /* timer: timeout_ns is a time of ecs_io_now */
    ECS_IO_MORE = 64,      /* of a completion: the request goes on */
    ECS_IO_READABLE = 1,
    ECS_IO_WRITABLE = 2
};

/* Offset of a file that is not given: where it stands, or a stream. */
#define ECS_IO_HERE UINT64_MAX
/* Bytes of one request. */
#define ECS_IO_LENGTH_MAX ((size_t)0x7ffff000)
/* A timeout that never comes. */
#define ECS_IO_FOREVER UINT64_MAX

/* Names a request as long as it is under way; all zero: none. Never given twice in a world. */
typedef struct ecs_io_id {
    uint64_t bits;
} ecs_io_id;

typedef struct ecs_io_completion {
    ecs_io_id id;
    int64_t result;
    ecs_entity entity;
    void *user;
    void *buffer;         /* of the request */
    uint64_t duration_ns; /* since it went to the operating system */
    uint32_t op;
    uint32_t flags;       /* of the request; ECS_IO_MORE */
} ecs_io_completion;

typedef void (*ecs_io_callback)(ecs_world *world, const ecs_io_completion *done);

typedef struct ecs_io_request {
    uint32_t op;              /* ecs_io_op */
    uint32_t flags;           /* ECS_IO_* */
    ecs_handle handle;
    ecs_handle peer;          /* splice */
    void *buffer;
    size_t length;            /* bytes */
    uint64_t offset;
    uint64_t timeout_ns;      /* 0: none */
    ecs_entity entity;        /* null: none */
    const ecs_type *type;     /* at delivery the result goes into this component of the entity... */
    uint32_t member_offset;   /* ...an int64_t at this offset; NULL: nowhere */
    uint32_t region;          /* ecs_io_region_add: number of the region that holds the buffer; 0 */
    ecs_io_completion *into;  /* or into memory outside the world: `id` is written last */
    ecs_io_callback done;
    void *user;
} ecs_io_request;

/* Queues a request; from outside systems with ecs_world_commands. Null: refused, and ecs_cmd_status
 * says why: ECS_INVALID (unknown operation or flags, no handle, no buffer, a member that is not
 * there), ECS_TOO_LARGE (more than ECS_IO_LENGTH_MAX bytes), ECS_FULL (quota), ECS_NO_MEMORY,
 * ECS_CANCELLED (the world ends). */
ECS_API ecs_io_id ecs_io_queue(ecs_commands *cmd, const ecs_io_request *request);
/* The same as a request for ECS_IO_CANCEL. */
ECS_API ecs_io_id ecs_io_cancel(ecs_commands *cmd, ecs_io_id id);
/* Between ticks: sends what is queued, and waits until something has ended that a tick would
 * deliver, but no longer than `timeout_ns`; 0 only looks. ECS_TIMEOUT: nothing has ended.
 * ECS_CANCELLED: ecs_io_wake. ECS_NOT_FOUND: nothing is under way. ECS_LOCKED: inside a tick, an
 * iteration or a callback. */
ECS_API ecs_status ecs_io_wait(ecs_world *world, uint64_t timeout_ns);
/* Wakes ecs_io_wait, or the next one; any thread, also a signal handler. */
ECS_API void ecs_io_wake(ecs_world *world);
/* Nanoseconds of the clock of timers. */
ECS_API uint64_t ecs_io_now(void);

/* Tells the engine of memory that many requests will use, such as for registered buffers; the
 * region must outlive its requests. *out: for ecs_io_request.region. Engines without a use for it
 * take it as well. ECS_FULL: ECS_IO_REGIONS_MAX. ECS_INVALID: null, or inside another region. */
#define ECS_IO_REGIONS_MAX 64
ECS_API ecs_status ecs_io_region_add(ecs_world *world, void *memory, size_t bytes, uint32_t *out);
/* ECS_LOCKED: requests that name it are under way. */
ECS_API ecs_status ecs_io_region_remove(ecs_world *world, uint32_t region);

/* Buckets of the latency histogram: from 2^n ns on; the last one holds the rest. */
#define ECS_IO_LATENCIES 40

typedef struct ecs_io_stats {
    const char *engine;
    uint64_t queued;
    uint64_t refused;         /* by the flush: -ENOBUFS, or no memory; at the call it is a command
                                 that was refused */
    uint64_t started;         /* given to the engine */
    uint64_t batched;         /* of these, in one call with others */
    uint64_t system_calls;    /* of the engine */
    uint64_t delivered;
    uint64_t lost;            /* results whose entity or component was gone */
    uint32_t under_way;       /* queued in the world, not delivered */
    uint32_t peak;
    uint32_t threshold;       /* so many are sent before the phase ends */
} ecs_io_stats;

ECS_API ecs_io_stats ecs_io_stats_of(const ecs_world *world);
/* Completions of an operation by their duration. */
ECS_API ecs_status ecs_io_latency(const ecs_world *world, ecs_io_op op,
                                  uint64_t out[ECS_IO_LATENCIES]);

/* ---- Engines, for those who write one ------------------------------------------------- */

/* A request under way. The engine reads `request`, keeps what it likes in `engine`, and ends it
 * once with ecs_io_end; between start and end it is the engine's. */
typedef struct ecs_io_operation {
    ecs_io_request request; /* what is left to do: buffer, length and offset move on */
    ecs_io_completion done;
    uint64_t serial;        /* rises in the order of the requests */
    void *engine[4];
    uint64_t engine_word[2];
    void *ecsi_owner;       /* from here on not for engines */
    struct ecs_io_operation *ecsi_next;
    struct ecs_io_operation *ecsi_order[2]; /* before, after */
    struct ecs_io_operation *ecsi_chain;
    struct ecs_io_operation *ecsi_named;
    struct ecs_io_operation *ecsi_handled[2]; /* before, after */
    uint64_t ecsi_deadline;
    uint64_t ecsi_begin;
    uint64_t ecsi_length;
    uint32_t ecsi_timer;
    uint16_t ecsi_state;
    uint16_t ecsi_bits;
} ecs_io_operation;

typedef struct ecs_io_engine_desc {
    ecs_world *world;
    uint32_t requests_max;       /* operations that it may have at a time */
    uint32_t batch;              /* operations that go in one system call */
    void *memory;                /* `bytes` of them, aligned to 64; until close */
    size_t bytes;
    void (*log)(ecs_log_level level, const char *text, void *user);
    void *log_user;
    const void *options;         /* of ecs_io_desc */
} ecs_io_engine_desc;

/* All calls come from the thread that ticks, but for `wake`. */
struct ecs_io_engine {
    const char *name;
    /* Bytes of memory that it needs; `memory` and `bytes` of the description are not set yet. */
    size_t (*bytes)(const ecs_io_engine_desc *desc);
    /* 0, or an errno: another engine is tried. What it answers may not allocate in fixed mode. */
    int (*open)(void *state, const ecs_io_engine_desc *desc);
    /* Nothing is under way any more. */
    void (*close)(void *state);
    /* Takes an operation; it may end it at once, or wait for `submit`. */
    void (*start)(void *state, ecs_io_operation *operation);
    /* All that was taken goes to the operating system. */
    void (*submit)(void *state);
    /* Ends what has ended. Waits for the first of them up to `wait_ns` (0: not at all;
     * ECS_IO_FOREVER), or until `wake`. */
    void (*reap)(void *state, uint64_t wait_ns);
    /* Ends it with -ECANCELED or what it came to, now or when it can be reaped. */
    void (*cancel)(void *state, ecs_io_operation *operation);
    /* Makes a `reap` that waits return, or the next one; any thread or signal handler. */
    void (*wake)(void *state);
    /* NULL: no use for it. With memory NULL: it goes. */
    void (*region)(void *state, uint32_t number, void *memory, size_t bytes);
    /* Adds its system calls. */
    void (*stats)(const void *state, ecs_io_stats *out);
};

/* How an operation ended. ECS_IO_MORE in `flags`: one of several of ECS_IO_MULTI, and the engine
 * goes on with it; false then: there is no room, and it has to be told again later. */
ECS_API bool ecs_io_end(ecs_io_operation *operation, int64_t result, uint32_t flags);

/* The engines of this header: the best of the system, and plain calls. */
ECS_API const ecs_io_engine *ecs_io_evented(void);
ECS_API const ecs_io_engine *ecs_io_blocking(void);
#endif

/* ---------------------------------------------------------------------------
 * 16  Explain, hash, random
 * ------------------------------------------------------------------------- */

#ifndef ECS_NO_EXPLAIN
/* Text into `text`, at most `bytes` with the closing zero; the answer is the bytes that
 * the whole text takes without it, as snprintf does. */
ECS_API size_t ecs_explain_schedule(const ecs_world *world, char *text, size_t bytes);
/* The same as a graph for Graphviz: phases are clusters, explicit order is a solid edge, a
 * conflict a dashed one with what both touch; exclusive systems are boxes, disabled ones grey,
 * broken ones red; those of asynchronous groups have a dashed frame and no edges. */
ECS_API size_t ecs_explain_schedule_dot(const ecs_world *world, char *text, size_t bytes);
ECS_API size_t ecs_explain_query(const ecs_world *world, ecs_query query, char *text,
                                 size_t bytes);
ECS_API size_t ecs_explain_entity(const ecs_world *world, ecs_entity entity, char *text,
                                  size_t bytes);
/* The last drops of commands: target, command, system that recorded it, and why. */
ECS_API size_t ecs_explain_drops(const ecs_world *world, char *text, size_t bytes);
#ifndef ECS_NO_ADAPTIVE
/* What ECS_BACKEND_ADAPTIVE measured, its last 16 switches with the figures and the reason, and
 * for each system its cost, whether it is split, and into which pieces. */
ECS_API size_t ecs_explain_adaptive(const ecs_world *world, char *text, size_t bytes);
#endif
#endif

#ifndef ECS_NO_HASH
/* The determinism oracle: equal builds that got equal inputs have equal hashes after
 * every tick. Covers handles, generations, free list, table and row order, values (by
 * field where members are listed, else their bytes), resources, events and readers,
 * change ticks, accumulators and intervals. Addresses, padding and capacities are not in
 * it; the order in which types were registered is, and so is the length of row blocks.
 * Equal between compilers under the flags of docs/determinism.md. O(everything). */
ECS_API uint64_t ecs_world_hash(const ecs_world *world);
#endif

/* Counter-based random numbers: a pure function of its arguments, so equal on every
 * thread. `stream` separates uses. The mixing is SplitMix64's finaliser (Steele, Lea,
 * Flood 2014), applied to each word. */
ECSI_INLINE uint64_t ecs_random_u64(uint64_t seed, uint64_t tick, ecs_entity entity,
                                    uint64_t stream)
{
    uint64_t word[4];
    uint64_t h = 0x9e3779b97f4a7c15u;
    int i;
    word[0] = seed;
    word[1] = tick;
    word[2] = entity.bits;
    word[3] = stream;
    for (i = 0; i < 4; i++) {
        h = (h ^ word[i]) + 0x9e3779b97f4a7c15u;
        h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
        h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
        h = h ^ (h >> 31);
    }
    return h;
}

/* 0 <= x < 1, 24 bits. */
ECSI_INLINE float ecs_random_float(uint64_t seed, uint64_t tick, ecs_entity entity,
                                   uint64_t stream)
{
    return (float)(ecs_random_u64(seed, tick, entity, stream) >> 40) * (1.0f / 16777216.0f);
}

#endif /* ECS_H */
