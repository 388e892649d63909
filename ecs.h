/* ecs.h: an Entity Component System for C and C++ in one header.
 *
 * GENERATED from src/ by tools/amalgamate.c: do not edit it, edit src/, run
 * `make ecs.h`. Sections begin with a marker: search for >> and a module's
 * name, as in ">>api".
 *
 * SPDX-License-Identifier: MIT OR Unlicense (both texts stand at the end).
 */

/* >>api ========================================================== src/api.h */

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
#define ECSI_CONFIG_NAME_(major, minor, a, b, c, d, e, f, g, h, i, j)             \
    ecs_config_##major##_##minor##_##a##b##c##d##e##f##g##h##i##j
#define ECSI_CONFIG_NAME(major, minor, a, b, c, d, e, f, g, h, i, j)              \
    ECSI_CONFIG_NAME_(major, minor, a, b, c, d, e, f, g, h, i, j)
#define ECSI_CONFIG                                                               \
    ECSI_CONFIG_NAME(ECS_VERSION_MAJOR, ECS_VERSION_MINOR, ECSI_CONFIG_ADAPTIVE,  \
                     ECSI_CONFIG_EVENTS, ECSI_CONFIG_EXPLAIN, ECSI_CONFIG_HASH,   \
                     ECSI_CONFIG_RUN, ECSI_CONFIG_WORLDS, ECSI_CONFIG_ASSERT,     \
                     ECSI_CONFIG_LOG, ECSI_CONFIG_THREADS, ECSI_CONFIG_DEBUG)
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
                                ECS_BACKEND_ADAPTIVE */
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
 * 15  Explain, hash, random
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

/* >>macros ==================================================== src/macros.h */

/* macros.h: section 15 of the public interface, the typed macros.
 *
 * ECS_COMPONENT(T, members...)   ECS_TAG(T)   ECS_RESOURCE(T, ...)   ECS_EVENT(T, ...)
 * ECS_SYSTEM(name, terms...)     ECS_TASK(name)     ECS_EXCLUSIVE(name)
 * ECS_QUERY(name, terms...)      ECS_EACH(world, name, view)
 *
 * Terms are pasted to a prefix before anything expands them, so that READ or WRITE of
 * some platform header do no harm, and nothing of that name is defined here.
 *
 * A view is a struct type of its own for each system or query; its members are the
 * declared columns. What was not declared is not there: the compiler refuses it. */
/* floor: 0 */
#ifndef ECS_MACROS_H
#define ECS_MACROS_H

#define ECSI_CAT(a, b) ECSI_CAT_(a, b)
#define ECSI_CAT_(a, b) a##b

/* Number of arguments, 1 to 64. */
#define ECSI_COUNT(...) ECSI_COUNT_(__VA_ARGS__, ECSI_COUNT_DOWN)
#define ECSI_COUNT_(...) ECSI_COUNT_PICK(__VA_ARGS__)
#define ECSI_COUNT_DOWN 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, \
    47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, \
    25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, \
    1, 0
#define ECSI_COUNT_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, \
    a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, \
    a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, \
    a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, n, ...) n
/* ecsi1 or ecsiM: words that no program defines. */
#define ECSI_ONE_OR_MANY(...) ECSI_COUNT_(__VA_ARGS__, ECSI_MANY_DOWN)
#define ECSI_MANY_DOWN ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsi1, ecsi0

/* m(a) for each argument after the first; d(x, a) with a fixed first one. */
#define ECSI_MAP_1(m, a) m(a)
#define ECSI_MAP_2(m, a, ...) m(a) ECSI_MAP_1(m, __VA_ARGS__)
#define ECSI_MAP_3(m, a, ...) m(a) ECSI_MAP_2(m, __VA_ARGS__)
#define ECSI_MAP_4(m, a, ...) m(a) ECSI_MAP_3(m, __VA_ARGS__)
#define ECSI_MAP_5(m, a, ...) m(a) ECSI_MAP_4(m, __VA_ARGS__)
#define ECSI_MAP_6(m, a, ...) m(a) ECSI_MAP_5(m, __VA_ARGS__)
#define ECSI_MAP_7(m, a, ...) m(a) ECSI_MAP_6(m, __VA_ARGS__)
#define ECSI_MAP_8(m, a, ...) m(a) ECSI_MAP_7(m, __VA_ARGS__)
#define ECSI_MAP_9(m, a, ...) m(a) ECSI_MAP_8(m, __VA_ARGS__)
#define ECSI_MAP_10(m, a, ...) m(a) ECSI_MAP_9(m, __VA_ARGS__)
#define ECSI_MAP_11(m, a, ...) m(a) ECSI_MAP_10(m, __VA_ARGS__)
#define ECSI_MAP_12(m, a, ...) m(a) ECSI_MAP_11(m, __VA_ARGS__)
#define ECSI_MAP_13(m, a, ...) m(a) ECSI_MAP_12(m, __VA_ARGS__)
#define ECSI_MAP_14(m, a, ...) m(a) ECSI_MAP_13(m, __VA_ARGS__)
#define ECSI_MAP_15(m, a, ...) m(a) ECSI_MAP_14(m, __VA_ARGS__)
#define ECSI_MAP_16(m, a, ...) m(a) ECSI_MAP_15(m, __VA_ARGS__)
#define ECSI_MAP_17(m, a, ...) m(a) ECSI_MAP_16(m, __VA_ARGS__)
#define ECSI_MAP_18(m, a, ...) m(a) ECSI_MAP_17(m, __VA_ARGS__)
#define ECSI_MAP_19(m, a, ...) m(a) ECSI_MAP_18(m, __VA_ARGS__)
#define ECSI_MAP_20(m, a, ...) m(a) ECSI_MAP_19(m, __VA_ARGS__)
#define ECSI_MAP_21(m, a, ...) m(a) ECSI_MAP_20(m, __VA_ARGS__)
#define ECSI_MAP_22(m, a, ...) m(a) ECSI_MAP_21(m, __VA_ARGS__)
#define ECSI_MAP_23(m, a, ...) m(a) ECSI_MAP_22(m, __VA_ARGS__)
#define ECSI_MAP_24(m, a, ...) m(a) ECSI_MAP_23(m, __VA_ARGS__)
#define ECSI_MAP_25(m, a, ...) m(a) ECSI_MAP_24(m, __VA_ARGS__)
#define ECSI_MAP_26(m, a, ...) m(a) ECSI_MAP_25(m, __VA_ARGS__)
#define ECSI_MAP_27(m, a, ...) m(a) ECSI_MAP_26(m, __VA_ARGS__)
#define ECSI_MAP_28(m, a, ...) m(a) ECSI_MAP_27(m, __VA_ARGS__)
#define ECSI_MAP_29(m, a, ...) m(a) ECSI_MAP_28(m, __VA_ARGS__)
#define ECSI_MAP_30(m, a, ...) m(a) ECSI_MAP_29(m, __VA_ARGS__)
#define ECSI_MAP_31(m, a, ...) m(a) ECSI_MAP_30(m, __VA_ARGS__)
#define ECSI_MAP_32(m, a, ...) m(a) ECSI_MAP_31(m, __VA_ARGS__)
#define ECSI_WITH_1(m, x, a) m(x, a)
#define ECSI_WITH_2(m, x, a, ...) m(x, a) ECSI_WITH_1(m, x, __VA_ARGS__)
#define ECSI_WITH_3(m, x, a, ...) m(x, a) ECSI_WITH_2(m, x, __VA_ARGS__)
#define ECSI_WITH_4(m, x, a, ...) m(x, a) ECSI_WITH_3(m, x, __VA_ARGS__)
#define ECSI_WITH_5(m, x, a, ...) m(x, a) ECSI_WITH_4(m, x, __VA_ARGS__)
#define ECSI_WITH_6(m, x, a, ...) m(x, a) ECSI_WITH_5(m, x, __VA_ARGS__)
#define ECSI_WITH_7(m, x, a, ...) m(x, a) ECSI_WITH_6(m, x, __VA_ARGS__)
#define ECSI_WITH_8(m, x, a, ...) m(x, a) ECSI_WITH_7(m, x, __VA_ARGS__)
#define ECSI_WITH_9(m, x, a, ...) m(x, a) ECSI_WITH_8(m, x, __VA_ARGS__)
#define ECSI_WITH_10(m, x, a, ...) m(x, a) ECSI_WITH_9(m, x, __VA_ARGS__)
#define ECSI_WITH_11(m, x, a, ...) m(x, a) ECSI_WITH_10(m, x, __VA_ARGS__)
#define ECSI_WITH_12(m, x, a, ...) m(x, a) ECSI_WITH_11(m, x, __VA_ARGS__)
#define ECSI_WITH_13(m, x, a, ...) m(x, a) ECSI_WITH_12(m, x, __VA_ARGS__)
#define ECSI_WITH_14(m, x, a, ...) m(x, a) ECSI_WITH_13(m, x, __VA_ARGS__)
#define ECSI_WITH_15(m, x, a, ...) m(x, a) ECSI_WITH_14(m, x, __VA_ARGS__)
#define ECSI_WITH_16(m, x, a, ...) m(x, a) ECSI_WITH_15(m, x, __VA_ARGS__)
#define ECSI_WITH_17(m, x, a, ...) m(x, a) ECSI_WITH_16(m, x, __VA_ARGS__)
#define ECSI_WITH_18(m, x, a, ...) m(x, a) ECSI_WITH_17(m, x, __VA_ARGS__)
#define ECSI_WITH_19(m, x, a, ...) m(x, a) ECSI_WITH_18(m, x, __VA_ARGS__)
#define ECSI_WITH_20(m, x, a, ...) m(x, a) ECSI_WITH_19(m, x, __VA_ARGS__)
#define ECSI_WITH_21(m, x, a, ...) m(x, a) ECSI_WITH_20(m, x, __VA_ARGS__)
#define ECSI_WITH_22(m, x, a, ...) m(x, a) ECSI_WITH_21(m, x, __VA_ARGS__)
#define ECSI_WITH_23(m, x, a, ...) m(x, a) ECSI_WITH_22(m, x, __VA_ARGS__)
#define ECSI_WITH_24(m, x, a, ...) m(x, a) ECSI_WITH_23(m, x, __VA_ARGS__)
#define ECSI_WITH_25(m, x, a, ...) m(x, a) ECSI_WITH_24(m, x, __VA_ARGS__)
#define ECSI_WITH_26(m, x, a, ...) m(x, a) ECSI_WITH_25(m, x, __VA_ARGS__)
#define ECSI_WITH_27(m, x, a, ...) m(x, a) ECSI_WITH_26(m, x, __VA_ARGS__)
#define ECSI_WITH_28(m, x, a, ...) m(x, a) ECSI_WITH_27(m, x, __VA_ARGS__)
#define ECSI_WITH_29(m, x, a, ...) m(x, a) ECSI_WITH_28(m, x, __VA_ARGS__)
#define ECSI_WITH_30(m, x, a, ...) m(x, a) ECSI_WITH_29(m, x, __VA_ARGS__)
#define ECSI_WITH_31(m, x, a, ...) m(x, a) ECSI_WITH_30(m, x, __VA_ARGS__)
#define ECSI_WITH_32(m, x, a, ...) m(x, a) ECSI_WITH_31(m, x, __VA_ARGS__)

/* ---- Types -------------------------------------------------------------------- */
/* tidy: compiler begin */
#ifdef __cplusplus
#include <new>
template <typename ecsiU> struct ecsi_kind { enum { value = ECS_KIND_OPAQUE }; };
template <typename ecsiU, size_t ecsiN> struct ecsi_kind<ecsiU[ecsiN]> {
    enum { value = ecsi_kind<ecsiU>::value };
};
template <typename ecsiU> struct ecsi_signed { enum { value = (ecsiU)-1 < (ecsiU)1 }; };
#define ECSI_KIND_OF(ecsiU, k)                                                         \
    template <> struct ecsi_kind<ecsiU> { enum { value = (k) }; };
#define ECSI_KIND_OF_INT(ecsiU)                                                        \
    ECSI_KIND_OF(ecsiU, (sizeof(ecsiU) == 1   ? ECS_KIND_U8                                 \
                     : sizeof(ecsiU) == 2 ? ECS_KIND_U16                                \
                     : sizeof(ecsiU) == 4 ? ECS_KIND_U32                                \
                                      : ECS_KIND_U64) - (ecsi_signed<ecsiU>::value ? 1 : 0))
ECSI_KIND_OF(bool, ECS_KIND_BOOL)
ECSI_KIND_OF_INT(char)
ECSI_KIND_OF_INT(signed char)
ECSI_KIND_OF_INT(unsigned char)
ECSI_KIND_OF_INT(short)
ECSI_KIND_OF_INT(unsigned short)
ECSI_KIND_OF_INT(int)
ECSI_KIND_OF_INT(unsigned int)
ECSI_KIND_OF_INT(long)
ECSI_KIND_OF_INT(unsigned long)
ECSI_KIND_OF_INT(long long)
ECSI_KIND_OF_INT(unsigned long long)
ECSI_KIND_OF(float, ECS_KIND_F32)
ECSI_KIND_OF(double, ECS_KIND_F64)
ECSI_KIND_OF(ecs_entity, ECS_KIND_ENTITY)
#define ECSI_KIND(T, m) ((uint32_t)ecsi_kind<decltype(T::m)>::value)
#define ECSI_TRIVIAL(T)                                                            \
    static_assert(__is_trivially_copyable(T),                                      \
                  "component " #T " must be trivially copyable, or ECS_COMPONENT_CLASS")
/* What the world calls for a C++ class: its own constructors and destructor. */
template <typename ecsiU> struct ecsi_class {
    static void init(void *to, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) new ((ecsiU *)to + i) ecsiU();
    }
    static void copy(void *to, const void *from, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) new ((ecsiU *)to + i) ecsiU(((const ecsiU *)from)[i]);
    }
    static void move(void *to, void *from, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) {
            new ((ecsiU *)to + i) ecsiU((ecsiU &&)((ecsiU *)from)[i]);
            ((ecsiU *)from)[i].~ecsiU();
        }
    }
    static void destroy(void *values, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) ((ecsiU *)values)[i].~ecsiU();
    }
};
/* A class as component: default and copy constructible; they must not throw. The hash needs
 * a hook of its own: ecs_component_hooks. */
#define ECS_COMPONENT_CLASS(T)                                                     \
    static const ecs_hooks ecsg_hooks_##T = {                                      \
        ecsi_class<T>::init, ecsi_class<T>::copy, ecsi_class<T>::move,             \
        ecsi_class<T>::destroy, NULL, NULL, NULL, NULL, NULL};                     \
    ECSI_TYPE_INFO(T, NULL, 0u, &ecsg_hooks_##T)                                   \
    ECSI_TYPE_EDITS(T)                                                             \
    ECSI_TYPE_VALUES(T)                                                            \
    struct ecsg_end_##T
#else
#define ECSI_INT_KIND(ecsiU, s)                                                        \
    (sizeof(ecsiU) == 1   ? ECS_KIND_U8 - (s)                                          \
     : sizeof(ecsiU) == 2 ? ECS_KIND_U16 - (s)                                         \
     : sizeof(ecsiU) == 4 ? ECS_KIND_U32 - (s)                                         \
                      : ECS_KIND_U64 - (s))
/* `e` has type pointer to the member, or to its elements when it is an array. */
#define ECSI_POINTER_KIND(e, other)                                                \
    _Generic((e), bool *: ECS_KIND_BOOL, char *: ECSI_INT_KIND(char, (char)-1 < 0),\
        signed char *: ECS_KIND_I8, unsigned char *: ECS_KIND_U8,                  \
        short *: ECSI_INT_KIND(short, 1), unsigned short *: ECSI_INT_KIND(short, 0), \
        int *: ECSI_INT_KIND(int, 1), unsigned int *: ECSI_INT_KIND(int, 0),       \
        long *: ECSI_INT_KIND(long, 1), unsigned long *: ECSI_INT_KIND(long, 0),   \
        long long *: ECS_KIND_I64, unsigned long long *: ECS_KIND_U64,             \
        float *: ECS_KIND_F32, double *: ECS_KIND_F64,                             \
        ecs_entity *: ECS_KIND_ENTITY, default: (other))
#define ECSI_KIND(T, m)                                                            \
    ((uint32_t)ECSI_POINTER_KIND(&((T *)0)->m,                                     \
                                 ECSI_POINTER_KIND(((T *)0)->m, ECS_KIND_OPAQUE)))
#define ECSI_TRIVIAL(T) _Static_assert(sizeof(T) > 0, "component " #T)
#endif
/* tidy: compiler end */

/* ECS_COMPONENT(T) or ECS_COMPONENT(T, member, ...). */
#define ECS_COMPONENT(...) ECSI_CAT(ECSI_TYPE_, ECSI_ONE_OR_MANY(__VA_ARGS__))(__VA_ARGS__)
#define ECS_RESOURCE(...) ECS_COMPONENT(__VA_ARGS__)
#define ECS_EVENT(...) ECS_COMPONENT(__VA_ARGS__)
/* A type without value. It is declared here; use its name only. */
#define ECS_TAG(T)                                                                 \
    typedef struct T T;                                                            \
    ECSI_UNUSED static const ecs_type ecsg_type_##T = {#T, 0u, 1u, NULL, 0u, NULL}; \
    ECSI_TYPE_EDITS(T)                                                             \
    struct ecsg_tag_##T

#define ECSI_TYPE_ecsi1(T)                                                           \
    ECSI_TRIVIAL(T);                                                               \
    ECSI_TYPE_INFO(T, NULL, 0u, NULL)                                              \
    ECSI_TYPE_EDITS(T)                                                             \
    ECSI_TYPE_VALUES(T)                                                            \
    struct ecsg_end_##T
#define ECSI_TYPE_ecsiM(T, ...)                                                     \
    ECSI_TRIVIAL(T);                                                               \
    ECSI_UNUSED static const ecs_member ecsg_members_##T[] = {ECSI_CAT(            \
        ECSI_WITH_, ECSI_COUNT(__VA_ARGS__))(ECSI_MEMBER, T, __VA_ARGS__)};        \
    ECSI_TYPE_INFO(T, ecsg_members_##T, ECSI_COUNT(__VA_ARGS__), NULL)             \
    ECSI_TYPE_EDITS(T)                                                             \
    ECSI_TYPE_VALUES(T)                                                            \
    struct ecsg_end_##T
#define ECSI_MEMBER(T, m)                                                          \
    {#m, (uint32_t)offsetof(T, m), (uint32_t)sizeof(((T *)0)->m), ECSI_KIND(T, m)},
#define ECSI_TYPE_INFO(T, members, count, hooks)                                   \
    ECSI_UNUSED static const ecs_type ecsg_type_##T = {                            \
        #T, (uint32_t)sizeof(T), (uint32_t)ECSI_ALIGNOF(T), members, count, hooks};
#define ECSI_TYPE_EDITS(T)                                                         \
    ECSI_INLINE ecs_status ecsg_add_##T(ecs_world *w, ecs_entity e)                \
    {                                                                              \
        return ecs_add_type(w, e, &ecsg_type_##T);                                 \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_remove_##T(ecs_world *w, ecs_entity e)             \
    {                                                                              \
        return ecs_remove_type(w, e, &ecsg_type_##T);                              \
    }                                                                              \
    ECSI_INLINE bool ecsg_has_##T(const ecs_world *w, ecs_entity e)                \
    {                                                                              \
        return ecs_has_type(w, e, &ecsg_type_##T);                                 \
    }
#define ECSI_TYPE_VALUES(T)                                                        \
    ECSI_INLINE ecs_status ecsg_set_##T(ecs_world *w, ecs_entity e, const T *v)    \
    {                                                                              \
        return ecs_set_type(w, e, &ecsg_type_##T, v);                              \
    }                                                                              \
    ECSI_INLINE const T *ecsg_get_##T(const ecs_world *w, ecs_entity e)            \
    {                                                                              \
        return (const T *)ecs_get_type(w, e, &ecsg_type_##T);                      \
    }                                                                              \
    ECSI_INLINE T *ecsg_mut_##T(ecs_world *w, ecs_entity e)                        \
    {                                                                              \
        return (T *)ecs_get_mut_type(w, e, &ecsg_type_##T);                        \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_cmd_set_##T(ecs_commands *c, ecs_entity e, const T *v) \
    {                                                                              \
        return ecs_cmd_set_type(c, e, &ecsg_type_##T, v);                          \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_res_set_##T(ecs_world *w, const T *v)              \
    {                                                                              \
        return ecs_resource_set_type(w, &ecsg_type_##T, v);                        \
    }                                                                              \
    ECSI_INLINE const T *ecsg_res_get_##T(const ecs_world *w)                      \
    {                                                                              \
        return (const T *)ecs_resource_get_type(w, &ecsg_type_##T);                \
    }                                                                              \
    ECSI_INLINE T *ecsg_res_mut_##T(ecs_world *w)                                  \
    {                                                                              \
        return (T *)ecs_resource_mut_type(w, &ecsg_type_##T);                      \
    }                                                                              \
    ECSI_EVENT_VALUES(T)                                                           \
    ECSI_ADDRESS(T)                                                                \
    struct ecsg_getter_##T {                                                       \
        ecs_getter getter;                                                         \
    };                                                                             \
    ECSI_INLINE struct ecsg_getter_##T ecsg_bind_##T(ecs_world *w)                 \
    {                                                                              \
        struct ecsg_getter_##T g;                                                  \
        (void)ecs_getter_make(w, &ecsg_type_##T, &g.getter);                       \
        return g;                                                                  \
    }                                                                              \
    ECSI_INLINE const T *ecsg_find_##T(struct ecsg_getter_##T g, ecs_entity e)     \
    {                                                                              \
        return (const T *)ecs_getter_find(g.getter, e, sizeof(T));                 \
    }
#ifndef ECS_NO_EVENTS
#define ECSI_EVENT_VALUES(T)                                                       \
    ECSI_INLINE ecs_status ecsg_send_##T(ecs_world *w, const T *v)                 \
    {                                                                              \
        return ecs_event_send_type(w, &ecsg_type_##T, v);                          \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_cmd_emit_##T(ecs_commands *c, const T *v)          \
    {                                                                              \
        return ecs_cmd_emit_type(c, &ecsg_type_##T, v);                            \
    }
#else
#define ECSI_EVENT_VALUES(T)
#endif

/* A value written in a call: braces or an expression of the type. */
#ifdef __cplusplus
#define ECSI_ADDRESS(T)                                                            \
    ECSI_INLINE const T *ecsg_address_##T(const T &v) { return &v; }
#define ECSI_VALUE_AT(T, ...) ecsg_address_##T(__VA_ARGS__)
template <uint32_t ecsiN>
inline ecs_entity ecsi_spawn_list(ecs_world *world, const ecs_value (&values)[ecsiN])
{
    return ecs_spawn_values(world, values, ecsiN);
}
template <uint32_t ecsiN>
inline ecs_entity ecsi_cmd_spawn_list(ecs_commands *cmd, const ecs_value (&values)[ecsiN])
{
    return ecs_cmd_spawn_values(cmd, values, ecsiN);
}
#else
#define ECSI_ADDRESS(T)
#define ECSI_VALUE_AT(T, ...) ((const T[1]){__VA_ARGS__})
#endif
#define ECSI_VALUE(pair) ECSI_VALUE_ pair,
#define ECSI_VALUE_(...) ECSI_CAT(ECSI_VALUE_, ECSI_ONE_OR_MANY(__VA_ARGS__))(__VA_ARGS__)
#define ECSI_VALUE_ecsi1(T) {&ecsg_type_##T, NULL}
#define ECSI_VALUE_ecsiM(T, ...) {&ecsg_type_##T, ECSI_VALUE_AT(T, __VA_ARGS__)}
#define ECSI_VALUES(...)                                                           \
    ECSI_CAT(ECSI_MAP_, ECSI_COUNT(__VA_ARGS__))(ECSI_VALUE, __VA_ARGS__)

/* ecs_spawn_with(world, (Position, {1, 2}), (Velocity, v), (Player)): (T) alone is init or
 * zero. Null when refused. At most 32 values with 63 commas each. */
#ifdef __cplusplus
#define ecs_spawn_with(world, ...) ecsi_spawn_list((world), {ECSI_VALUES(__VA_ARGS__)})
#define ecs_cmd_spawn_with(cmd, ...) ecsi_cmd_spawn_list((cmd), {ECSI_VALUES(__VA_ARGS__)})
#else
#define ecs_spawn_with(world, ...)                                                 \
    ecs_spawn_values((world), (const ecs_value[]){ECSI_VALUES(__VA_ARGS__)},       \
                     ECSI_COUNT(__VA_ARGS__))
#define ecs_cmd_spawn_with(cmd, ...)                                               \
    ecs_cmd_spawn_values((cmd), (const ecs_value[]){ECSI_VALUES(__VA_ARGS__)},     \
                         ECSI_COUNT(__VA_ARGS__))
#endif

/* The typed calls of sections 5, 7 and 10. */
#define ecs_type_of(T) (&ecsg_type_##T)
#define ecs_component_id(world, T) ecs_component_of((world), &ecsg_type_##T)
#define ecs_add(world, entity, T) ecsg_add_##T((world), (entity))
#define ecs_remove(world, entity, T) ecsg_remove_##T((world), (entity))
#define ecs_has(world, entity, T) ecsg_has_##T((world), (entity))
#define ecs_set(world, entity, T, ...)                                             \
    ecsg_set_##T((world), (entity), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_get(world, entity, T) ecsg_get_##T((world), (entity))
#define ecs_get_mut(world, entity, T) ecsg_mut_##T((world), (entity))
#define ECS_GETTER(T) struct ecsg_getter_##T
/* When it is refused (ECS_FULL, ECS_NO_MEMORY) it finds nothing; ecs_getter_make says why. */
#define ecs_getter_bind(world, T) ecsg_bind_##T(world)
#define ecs_getter_get(getter, T, entity) ecsg_find_##T((getter), (entity))
#define ecs_cmd_add(cmd, entity, T) ecs_cmd_add_type((cmd), (entity), &ecsg_type_##T)
#define ecs_cmd_remove(cmd, entity, T) ecs_cmd_remove_type((cmd), (entity), &ecsg_type_##T)
#define ecs_cmd_set(cmd, entity, T, ...)                                           \
    ecsg_cmd_set_##T((cmd), (entity), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_resource_set(world, T, ...) ecsg_res_set_##T((world), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_resource_get(world, T) ecsg_res_get_##T(world)
#define ecs_resource_mut(world, T) ecsg_res_mut_##T(world)
#define ecs_event_configure(world, T, desc)                                        \
    ecs_event_configure_type((world), &ecsg_type_##T, (desc))
#define ecs_event_send(world, T, ...) ecsg_send_##T((world), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_event_reader_open(world, T) ecs_event_reader_open_type((world), &ecsg_type_##T)

/* ---- Columns of a view -------------------------------------------------------- */

#define ecs_read(view, T) ((view)->ecsg_read_##T)
#define ecs_write(view, T) ((view)->ecsg_write_##T)
#define ecs_optional(view, T) ((view)->ecsg_optional_##T)
#define ecs_optional_write(view, T) ((view)->ecsg_optional_write_##T)
#define ecs_res_read(view, T) ((view)->ecsg_res_read_##T)
#define ecs_res_write(view, T) ((view)->ecsg_res_write_##T)
/* The events of type T that this system has not seen: an array and its length. */
#define ecs_on(view, T) ((view)->ecsg_on_##T)
#define ecs_on_count(view, T) ((view)->ecsg_on_count_##T)
#define ecs_emit(view, T, ...)                                                     \
    ecsg_cmd_emit_##T((view)->ecsg_emit_##T, ECSI_VALUE_AT(T, __VA_ARGS__))
/* Component T of any entity: const T *, NULL when it is stale or has none. */
#define ecs_lookup(view, T, entity) ecsg_find_##T((view)->ecsg_lookup_##T, (entity))

/* Stage 1: each term becomes an inert (KIND, T) pair. */
#define ECSI_TERM_READ(T) (ecsiR, T)
#define ECSI_TERM_WRITE(T) (ecsiW, T)
#define ECSI_TERM_WITH(T) (ecsiH, T)
#define ECSI_TERM_NOT(T) (ecsiN, T)
#define ECSI_TERM_OPTIONAL(T) (ecsiO, T)
#define ECSI_TERM_OPTIONAL_WRITE(T) (ecsiP, T)
#define ECSI_TERM_ANY(...) ECSI_CAT(ECSI_ANY_, ECSI_COUNT(__VA_ARGS__))(__VA_ARGS__)
#define ECSI_ANY_2(a, b) (ecsiY, a), (ecsiZ, b)
#define ECSI_ANY_3(a, b, c) (ecsiY, a), (ecsiZ, b), (ecsiZ, c)
#define ECSI_ANY_4(a, b, c, d) (ecsiY, a), (ecsiZ, b), (ecsiZ, c), (ecsiZ, d)
#define ECSI_TERM_RES_READ(T) (ecsiRR, T)
#define ECSI_TERM_RES_WRITE(T) (ecsiRW, T)
#define ECSI_TERM_ON(T) (ecsiON, T)
#define ECSI_TERM_EMIT(T) (ecsiEM, T)
#define ECSI_TERM_LOOKUP(T) (ecsiLU, T)
/* Picks the number of terms. It must get the terms as they were written, never through another
 * macro: arguments that a macro passes on are expanded first, and a hostile READ with them. */
#define ECSI_TERM_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
                       n, ...) n
#define ECSI_TERMS_1(m, n, a1) m(n, a1)
#define ECSI_TERMS_2(m, n, a1, a2) \
    m(n, a1, ECSI_TERM_##a2)
#define ECSI_TERMS_3(m, n, a1, a2, a3) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3)
#define ECSI_TERMS_4(m, n, a1, a2, a3, a4) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4)
#define ECSI_TERMS_5(m, n, a1, a2, a3, a4, a5) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5)
#define ECSI_TERMS_6(m, n, a1, a2, a3, a4, a5, a6) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, ECSI_TERM_##a6)
#define ECSI_TERMS_7(m, n, a1, a2, a3, a4, a5, a6, a7) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7)
#define ECSI_TERMS_8(m, n, a1, a2, a3, a4, a5, a6, a7, a8) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8)
#define ECSI_TERMS_9(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9)
#define ECSI_TERMS_10(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10)
#define ECSI_TERMS_11(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11)
#define ECSI_TERMS_12(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12)
#define ECSI_TERMS_13(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13)
#define ECSI_TERMS_14(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13, ECSI_TERM_##a14)
#define ECSI_TERMS_15(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13, ECSI_TERM_##a14, ECSI_TERM_##a15)
#define ECSI_TERMS_16(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, \
    a15, a16) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13, ECSI_TERM_##a14, ECSI_TERM_##a15, \
    ECSI_TERM_##a16)

/* Stage 2: members, their filling, and the table of terms. `ecsi_term_T` makes a doubled
 * type a doubled member. */
#define ECSI_FIELD(t) ECSI_FIELD_ t
#define ECSI_FIELD_(k, T) ECSI_FIELD_##k(T)
#define ECSI_FIELD_ecsiR(T) unsigned ecsg_term_##T : 1; const T *ecsg_read_##T;
#define ECSI_FIELD_ecsiW(T) unsigned ecsg_term_##T : 1; T *ecsg_write_##T; const T *ecsg_read_##T;
#define ECSI_FIELD_ecsiH(T) unsigned ecsg_term_##T : 1;
#define ECSI_FIELD_ecsiN(T) unsigned ecsg_term_##T : 1;
#define ECSI_FIELD_ecsiO(T) unsigned ecsg_term_##T : 1; const T *ecsg_optional_##T;
#define ECSI_FIELD_ecsiP(T)                                                            \
    unsigned ecsg_term_##T : 1; T *ecsg_optional_write_##T; const T *ecsg_optional_##T;
#define ECSI_FIELD_ecsiY(T) ECSI_FIELD_ecsiO(T)
#define ECSI_FIELD_ecsiZ(T) ECSI_FIELD_ecsiO(T)
#define ECSI_FIELD_ecsiRR(T) const T *ecsg_res_read_##T;
#define ECSI_FIELD_ecsiRW(T) T *ecsg_res_write_##T; const T *ecsg_res_read_##T;
#define ECSI_FIELD_ecsiON(T) const T *ecsg_on_##T; uint32_t ecsg_on_count_##T;
#define ECSI_FIELD_ecsiEM(T) ecs_commands *ecsg_emit_##T;
#define ECSI_FIELD_ecsiLU(T) struct ecsg_getter_##T ecsg_lookup_##T;
#define ECSI_FILL(t) ECSI_FILL_ t
#define ECSI_FILL_(k, T) ECSI_FILL_##k(T) ecsi_cell++;
#define ECSI_FILL_ecsiR(T) ecsi_v->ecsg_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiW(T)                                                             \
    ecsi_v->ecsg_write_##T = (T *)*ecsi_cell; ecsi_v->ecsg_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiH(T)
#define ECSI_FILL_ecsiN(T)
#define ECSI_FILL_ecsiO(T) ecsi_v->ecsg_optional_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiP(T)                                                             \
    ecsi_v->ecsg_optional_write_##T = (T *)*ecsi_cell;                           \
    ecsi_v->ecsg_optional_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiY(T) ECSI_FILL_ecsiO(T)
#define ECSI_FILL_ecsiZ(T) ECSI_FILL_ecsiO(T)
#define ECSI_FILL_ecsiRR(T) ecsi_v->ecsg_res_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiRW(T)                                                            \
    ecsi_v->ecsg_res_write_##T = (T *)*ecsi_cell;                                \
    ecsi_v->ecsg_res_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiON(T)                                                            \
    ecsi_v->ecsg_on_##T = (const T *)((const ecs_events *)*ecsi_cell)->data;     \
    ecsi_v->ecsg_on_count_##T = ((const ecs_events *)*ecsi_cell)->count;
#define ECSI_FILL_ecsiEM(T) ecsi_v->ecsg_emit_##T = ecsi_v->cmd;
#define ECSI_FILL_ecsiLU(T) ecsi_v->ecsg_lookup_##T.getter = *(const ecs_getter *)*ecsi_cell;
#define ECSI_ENTRY(t) ECSI_ENTRY_ t
#define ECSI_ENTRY_(k, T) {&ecsg_type_##T, {0}, ECSI_ACCESS_##k},
#define ECSI_ACCESS_ecsiR ECS_ACCESS_READ
#define ECSI_ACCESS_ecsiW ECS_ACCESS_WRITE
#define ECSI_ACCESS_ecsiH ECS_ACCESS_WITH
#define ECSI_ACCESS_ecsiN ECS_ACCESS_NOT
#define ECSI_ACCESS_ecsiO ECS_ACCESS_OPTIONAL
#define ECSI_ACCESS_ecsiP ECS_ACCESS_OPTIONAL_WRITE
#define ECSI_ACCESS_ecsiY ECS_ACCESS_ANY
#define ECSI_ACCESS_ecsiZ ECS_ACCESS_ANY_MORE
#define ECSI_ACCESS_ecsiRR ECS_ACCESS_RES_READ
#define ECSI_ACCESS_ecsiRW ECS_ACCESS_RES_WRITE
#define ECSI_ACCESS_ecsiON ECS_ACCESS_ON
#define ECSI_ACCESS_ecsiEM ECS_ACCESS_EMIT
#define ECSI_ACCESS_ecsiLU ECS_ACCESS_LOOKUP
#define ECSI_FOR_TERMS(k, m, ...) ECSI_CAT(ECSI_MAP_, k)(m, __VA_ARGS__)

/* ---- Systems ------------------------------------------------------------------ */

/* ECS_SYSTEM(name, 1 to 16 terms) { body; return ECS_OK; }. In the body, `view` points to
 * the system's view. The name becomes a constant of type ecs_system, so it must be free:
 * `remove` of stdio.h is not, nor is `move` under `using namespace std`. */
#define ECS_SYSTEM(name, ...)          \
    ECSI_CAT(ECSI_TERMS_,                                                          \
             ECSI_TERM_PICK(ECSI_TERM_##__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10,   \
                            9, 8, 7, 6, 5, 4, 3, 2, 1, 0))(                        \
        ECSI_SYSTEM, name, ECSI_TERM_##__VA_ARGS__)
#define ECSI_SYSTEM(n, ...) ECSI_SYSTEM_(n, ECSI_COUNT(__VA_ARGS__), __VA_ARGS__)
#define ECSI_SYSTEM_(n, k, ...)                                                    \
    struct ecsg_view_##n {                                                         \
        ECSI_VIEW_FIELDS                                                           \
        ECSI_FOR_TERMS(k, ECSI_FIELD, __VA_ARGS__)                                 \
    };                                                                             \
    static ecs_status ecsg_body_##n(const struct ecsg_view_##n *view);             \
    static ecs_status ecsg_run_##n(const ecs_view *ecsi_from)                      \
    {                                                                              \
        struct ecsg_view_##n ecsi_to;                                              \
        struct ecsg_view_##n *ecsi_v = &ecsi_to;                                   \
        void *const *ecsi_cell = ecsi_from->columns;                             \
        ECSI_COPY_VIEW(ecsi_to, *ecsi_from)                                        \
        ECSI_FOR_TERMS(k, ECSI_FILL, __VA_ARGS__)                                  \
        (void)ecsi_cell;                                                         \
        return ecsg_body_##n(ecsi_v);                                              \
    }                                                                              \
    static const ecs_term ecsg_terms_##n[] = {ECSI_FOR_TERMS(k, ECSI_ENTRY, __VA_ARGS__)}; \
    static const ecs_system n = {#n, ecsg_terms_##n, k, ecsg_run_##n, NULL};       \
    static ecs_status ecsg_body_##n(ECSI_UNUSED const struct ecsg_view_##n *view)
#define ECSI_COPY_VIEW(to, from)                                                   \
    (to).world = (from).world; (to).cmd = (from).cmd; (to).entities = (from).entities; \
    (to).worker = (from).worker;                                                  \
    (to).user = (from).user; (to).tick = (from).tick; (to).count = (from).count;   \
    (to).base = (from).base; (to).dt = (from).dt;

/* A system without terms: runs once, with commands only. `view` is an ecs_view. */
#define ECS_TASK(n)                                                                \
    static ecs_status ecsg_body_##n(const ecs_view *view);                         \
    static const ecs_system n = {#n, NULL, 0u, ecsg_body_##n, NULL};               \
    static ecs_status ecsg_body_##n(ECSI_UNUSED const ecs_view *view)

/* A system that has the whole world, mutable, to itself. In the body: `world`, `view`. */
#define ECS_EXCLUSIVE(n)                                                           \
    static ecs_status ecsg_body_##n(ecs_world *world, const ecs_view *view);       \
    static const ecs_system n = {#n, NULL, 0u, NULL, ecsg_body_##n};               \
    static ecs_status ecsg_body_##n(ECSI_UNUSED ecs_world *world,                  \
                                    ECSI_UNUSED const ecs_view *view)

/* ---- Queries ------------------------------------------------------------------ */

#define ECS_QUERY(name, ...)          \
    ECSI_CAT(ECSI_TERMS_,                                                          \
             ECSI_TERM_PICK(ECSI_TERM_##__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10,   \
                            9, 8, 7, 6, 5, 4, 3, 2, 1, 0))(                        \
        ECSI_QUERY, name, ECSI_TERM_##__VA_ARGS__)
#define ECSI_QUERY(n, ...) ECSI_QUERY_(n, ECSI_COUNT(__VA_ARGS__), __VA_ARGS__)
#define ECSI_QUERY_(n, k, ...)                                                     \
    struct ecsg_view_##n {                                                         \
        const ecs_entity *entities;                                                \
        uint32_t count;                                                            \
        uint32_t base;                                                             \
        uint32_t row;                                                              \
        ECSI_FOR_TERMS(k, ECSI_FIELD, __VA_ARGS__)                                 \
        ecs_iter iter;                                                             \
    };                                                                             \
    ECSI_UNUSED static const ecs_term ecsg_terms_##n[] = {                         \
        ECSI_FOR_TERMS(k, ECSI_ENTRY, __VA_ARGS__)};                               \
    ECSI_UNUSED static const ecs_query_info n = {#n, ecsg_terms_##n, k};           \
    ECSI_INLINE bool ecsg_next_##n(struct ecsg_view_##n *ecsi_v)                   \
    {                                                                              \
        void *const *ecsi_cell = ecsi_v->iter.columns;                           \
        if (!ecs_iter_next(&ecsi_v->iter)) return false;                           \
        ecsi_v->entities = ecsi_v->iter.entities;                                  \
        ecsi_v->count = ecsi_v->iter.count;                                        \
        ecsi_v->base = ecsi_v->iter.base;                                          \
        ecsi_v->row = 0;                                                           \
        ECSI_FOR_TERMS(k, ECSI_FILL, __VA_ARGS__)                                  \
        (void)ecsi_cell;                                                         \
        return true;                                                               \
    }                                                                              \
    ECSI_INLINE bool ecsg_next_row_##n(struct ecsg_view_##n *ecsi_v)               \
    {                                                                              \
        ecsi_v->row++;                                                             \
        return ecsi_v->row < ecsi_v->count || ecsg_next_##n(ecsi_v);               \
    }                                                                              \
    ECSI_INLINE struct ecsg_view_##n *ecsg_begin_##n(struct ecsg_view_##n *v, ecs_world *w) \
    {                                                                              \
        v->count = 0;                                                              \
        v->row = 0;                                                                \
        ecs_iter_begin(w, ecs_query_of(w, &n), &v->iter);                          \
        return v;                                                                  \
    }                                                                              \
    ECSI_INLINE struct ecsg_view_##n *ecsg_begin_const_##n(struct ecsg_view_##n *v, \
                                                           const ecs_world *w)     \
    {                                                                              \
        v->count = 0;                                                              \
        v->row = 0;                                                                \
        ecs_iter_begin_const(w, ecs_query_find(w, &n), &v->iter);                  \
        return v;                                                                  \
    }                                                                              \
    ECSI_INLINE void ecsg_end_##n(struct ecsg_view_##n *v)                         \
    {                                                                              \
        ecs_iter_end(&v->iter);                                                    \
    }                                                                              \
    struct ecsg_query_##n

#define ECSI_EACH(world, name, view, begin, next)                                  \
    for (struct ecsg_view_##name ecsg_loop_##view ECSI_CLEANUP(ecsg_end_##name),   \
         *view = begin##name(&ecsg_loop_##view, (world));                          \
         next##name(view);)
/* For each span: `view` has count, entities, base and the columns. */
#define ECS_EACH(world, name, view)                                                \
    ECSI_EACH(world, name, view, ecsg_begin_, ecsg_next_)
/* For each entity: the same, and view->row says which row of the span it is. */
#define ECS_EACH_ROW(world, name, view)                                            \
    ECSI_EACH(world, name, view, ecsg_begin_, ecsg_next_row_)
/* On a const world, without lock: for queries that write nothing. The query must exist
 * already (ecs_query_of), otherwise nothing matches. */
#define ECS_EACH_CONST(world, name, view)                                          \
    ECSI_EACH(world, name, view, ecsg_begin_const_, ecsg_next_)

#ifndef ECS_NO_WORLDS
ECS_COMPONENT(ecs_transfer, target, priority, group, status, retry);
#endif

#endif /* ECS_MACROS_H */

#ifdef ECS_IMPLEMENTATION

/* >>platform ================================================ src/platform.h */

/* platform.h: the ground floor, and the only module that asks which system and compiler
 * this is. Everything above sees the same few functions everywhere. */
/* floor: 0 */
#ifndef ECS_PLATFORM_H
#define ECS_PLATFORM_H

#if defined(__STRICT_ANSI__) && !defined(__cplusplus) && !defined(_WIN32) && \
    !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE) && !defined(_DEFAULT_SOURCE)
#error "ecs.h: a system header came first; include ecs.h first or define _POSIX_C_SOURCE=200809L"
#endif

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include <malloc.h>
#elif defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ECSI_NOINLINE __attribute__((noinline))
#define ECSI_COLD __attribute__((noinline, cold))
/* Functions that copy a caller's value of a size known at run time only: inlined into the
 * caller, they make gcc warn of sizes that never occur. */
#define ECSI_TAKES_DATA __attribute__((noinline))
#else
#define ECSI_NOINLINE
#define ECSI_COLD
#define ECSI_TAKES_DATA
#endif

#if defined(__clang__)
#define ECSI_NO_MSAN __attribute__((no_sanitize("memory")))
#else
#define ECSI_NO_MSAN
#endif

/* Memory of an alignment that malloc does not promise; NULL when refused. `align` is a
 * power of two and at least that of a pointer. */
static void *ecsi_aligned_alloc(size_t bytes, size_t align)
{
#if defined(_WIN32)
    return _aligned_malloc(bytes, align);
#else
    void *memory = NULL;
    return posix_memalign(&memory, align, bytes) == 0 ? memory : NULL;
#endif
}

/* Bytes of a huge page where they are usual. */
#define ECSI_HUGE_BYTES ((size_t)2 << 20)
#if defined(__linux__) && defined(MADV_HUGEPAGE)
#define ECSI_HUGE_PAGES 1
#else
#define ECSI_HUGE_PAGES 0
#endif

/* Asks for huge pages inside of large memory: random access to millions of rows then misses
 * the cache only, not the page table as well. A wish that may be ignored. */
static void ecsi_huge_pages(void *memory, size_t bytes)
{
#if ECSI_HUGE_PAGES
    uintptr_t from = ((uintptr_t)memory + ECSI_HUGE_BYTES - 1) & ~(ECSI_HUGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)memory + bytes) & ~(ECSI_HUGE_BYTES - 1);
    if (from < to) (void)madvise((void *)from, (size_t)(to - from), MADV_HUGEPAGE);
#else
    (void)memory;
    (void)bytes;
#endif
}

static void ecsi_aligned_free(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

/* Number of zero bits below the lowest set bit. `bits` is not 0. */
static inline uint32_t ecsi_lowest_bit(uint64_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return (uint32_t)__builtin_ctzll(bits);
#else
    uint32_t n = 0;
    while ((bits >> n & 1u) == 0) n++;
    return n;
#endif
}

#endif /* ECS_PLATFORM_H */

/* >>atomic ==================================================== src/atomic.h */

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

/* >>thread ==================================================== src/thread.h */

/* thread.h: the clock and its sleep; threads, locks, parking, the processors of this machine.
 *
 * A parker is one token: unpark puts it there, park takes it or sleeps until it comes. Three
 * implementations stand behind it, chosen at build time and on Windows at run time:
 *
 *   futex            Linux: a word that the kernel compares and sleeps on
 *   WaitOnAddress    Windows 8 and later, the same idea; looked up when it is first needed
 *   condition        a mutex and a condition variable, everywhere else, or with ECS_PARK_COND
 *
 * A lock is a word too (Drepper, "Futexes Are Tricky", 2011): 0 free, 1 taken, 2 taken and
 * somebody sleeps. Where there is no futex it yields instead of sleeping: the sections that it
 * guards are a few instructions long. */
/* floor: 0 */
#ifndef ECS_THREAD_H
#define ECS_THREAD_H

#ifndef ECSI_ATOMIC_MODEL

#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <time.h>
#if !defined(ECS_NO_THREADS)
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#if !defined(__cplusplus)
long syscall(long number, ...); /* unistd.h has it only beyond POSIX */
#endif
#endif
#endif
#endif

#if defined(__linux__) && !defined(ECS_PARK_COND)
#define ECSI_FUTEX 1
#else
#define ECSI_FUTEX 0
#endif

/* ---- The clock ------------------------------------------------------------------------- */

/* Nanoseconds of a clock that never goes back. */
static uint64_t ecsi_clock_ns(void)
{
#if defined(_WIN32)
    LARGE_INTEGER now;
    LARGE_INTEGER per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (uint64_t)((double)now.QuadPart * 1e9 / (double)per_second.QuadPart);
#else
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

#if !defined(ECS_NO_THREADS) || !defined(ECS_NO_RUN)
/* Tells the core that this is a spinning loop. */
static inline void ecsi_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}
#endif

#ifndef ECS_NO_RUN
#if defined(_WIN32)
/* A waitable timer; NULL: the system refused one. */
typedef HANDLE ecsi_sleeper;

static ecsi_sleeper ecsi_sleeper_open(void)
{
    /* Flag 2 is a timer of high resolution: from Windows 10, version 1803, on. */
    HANDLE timer = CreateWaitableTimerExW(NULL, NULL, 2, TIMER_ALL_ACCESS);
    return timer != NULL ? timer : CreateWaitableTimerExW(NULL, NULL, 0, TIMER_ALL_ACCESS);
}

static void ecsi_sleeper_close(ecsi_sleeper sleeper)
{
    if (sleeper != NULL) (void)CloseHandle(sleeper);
}
#else
typedef char ecsi_sleeper;

static ecsi_sleeper ecsi_sleeper_open(void)
{
    return 0;
}

static void ecsi_sleeper_close(ecsi_sleeper sleeper)
{
    (void)sleeper;
}
#endif

/* Sleeps until the clock shows `until_ns`. It may wake late; a signal wakes it early. */
static void ecsi_sleep_until(ecsi_sleeper sleeper, uint64_t until_ns)
{
#if defined(_WIN32)
    uint64_t now = ecsi_clock_ns();
    LARGE_INTEGER due; /* hundreds of nanoseconds; negative: from now on */
    if (until_ns <= now) return;
    due.QuadPart = -(LONGLONG)((until_ns - now + 99u) / 100u);
    if (sleeper != NULL && SetWaitableTimer(sleeper, &due, 0, NULL, NULL, FALSE) != 0) {
        (void)WaitForSingleObject(sleeper, INFINITE);
    } else {
        Sleep((DWORD)((until_ns - now + 999999u) / 1000000u));
    }
#else
    struct timespec time;
    (void)sleeper;
#if defined(TIMER_ABSTIME) && !defined(__APPLE__) && !defined(__OpenBSD__)
    time.tv_sec = (time_t)(until_ns / 1000000000u);
    time.tv_nsec = (long)(until_ns % 1000000000u);
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
#else
    {
        uint64_t now = ecsi_clock_ns();
        if (until_ns <= now) return;
        time.tv_sec = (time_t)((until_ns - now) / 1000000000u);
        time.tv_nsec = (long)((until_ns - now) % 1000000000u);
        (void)nanosleep(&time, NULL);
    }
#endif
#endif
}
#endif /* ECS_NO_RUN */

#ifndef ECS_NO_THREADS

/* ---- Processors ------------------------------------------------------------------------ */

static void ecsi_yield(void)
{
#if defined(_WIN32)
    (void)SwitchToThread();
#else
    (void)sched_yield();
#endif
}

/* Words of a processor mask: 1,024 processors. */
#define ECSI_CPU_WORDS 16u

/* The processors that this thread may use; answers how many, at least 1. */
static uint32_t ecsi_cpu_mask(uint64_t *mask)
{
    uint32_t count = 0;
    uint32_t i;
    memset(mask, 0, ECSI_CPU_WORDS * sizeof *mask);
#if defined(__linux__)
    if (syscall(SYS_sched_getaffinity, 0, ECSI_CPU_WORDS * sizeof *mask, mask) < 0) mask[0] = 1;
#elif defined(_WIN32)
    {
        SYSTEM_INFO info;
        GetSystemInfo(&info);
        mask[0] = (uint64_t)info.dwActiveProcessorMask;
    }
#else
    {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        for (i = 0; i < ECSI_CPU_WORDS * 64 && (long)i < online; i++) {
            mask[i / 64] |= (uint64_t)1 << (i % 64);
        }
    }
#endif
    for (i = 0; i < ECSI_CPU_WORDS * 64; i++) count += (uint32_t)(mask[i / 64] >> (i % 64) & 1u);
    return count == 0 ? 1 : count;
}

/* Binds the calling thread to the n-th processor that it may use, counted round. A wish. */
static void ecsi_cpu_bind(uint32_t n)
{
    uint64_t mask[ECSI_CPU_WORDS];
    uint32_t left = n % ecsi_cpu_mask(mask);
    uint32_t i;
    for (i = 0; i < ECSI_CPU_WORDS * 64; i++) {
        if ((mask[i / 64] >> (i % 64) & 1u) == 0) continue;
        if (left == 0) break;
        left--;
    }
    if (i == ECSI_CPU_WORDS * 64) return;
    memset(mask, 0, sizeof mask);
    mask[i / 64] = (uint64_t)1 << (i % 64);
#if defined(__linux__)
    (void)syscall(SYS_sched_setaffinity, 0, sizeof mask, mask);
#elif defined(_WIN32)
    (void)SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)mask[0]);
#endif
}

/* ---- Threads ----------------------------------------------------------------------------- */

#if defined(_WIN32)
typedef HANDLE ecsi_thread;
#define ECSI_THREAD_ANSWER DWORD WINAPI
#else
typedef pthread_t ecsi_thread;
#define ECSI_THREAD_ANSWER void *
#endif

#if defined(_WIN32)
typedef DWORD ecsi_thread_id;
#else
typedef pthread_t ecsi_thread_id;
#endif

static ecsi_thread_id ecsi_thread_self(void)
{
#if defined(_WIN32)
    return GetCurrentThreadId();
#else
    return pthread_self();
#endif
}

/* Whether this thread is the one of that id. */
static bool ecsi_thread_is(ecsi_thread_id id)
{
#if defined(_WIN32)
    return GetCurrentThreadId() == id;
#else
    return pthread_equal(pthread_self(), id) != 0;
#endif
}

/* Its id as a number, for atomics; never 0 while it runs. */
static inline uint64_t ecsi_thread_number(void)
{
    return (uint64_t)(uintptr_t)ecsi_thread_self();
}

/* False when the system refuses. */
static bool ecsi_thread_start(ecsi_thread *thread, ECSI_THREAD_ANSWER (*run)(void *), void *data)
{
#if defined(_WIN32)
    *thread = CreateThread(NULL, 0, run, data, 0, NULL);
    return *thread != NULL;
#else
    return pthread_create(thread, NULL, run, data) == 0;
#endif
}

static void ecsi_thread_join(ecsi_thread thread)
{
#if defined(_WIN32)
    (void)WaitForSingleObject(thread, INFINITE);
    (void)CloseHandle(thread);
#else
    (void)pthread_join(thread, NULL);
#endif
}

/* ---- A word that threads sleep on ---------------------------------------------------------- */

/* No time limit. */
#define ECSI_FOREVER UINT64_MAX

#if ECSI_FUTEX
#define ECSI_WORD_WAIT 1
/* 32-bit machines with 64-bit times have a call of their own. */
#if defined(SYS_futex_time64)
#define ECSI_FUTEX_TIME64 SYS_futex_time64
#else
#define ECSI_FUTEX_TIME64 SYS_futex
#endif
#define ECSI_FUTEX_WAIT_PRIVATE 128
#define ECSI_FUTEX_WAKE_PRIVATE 129

/* Sleeps while *word is `seen`, until a wake, a signal or the time: callers look again. */
static void ecsi_word_wait(const ecsi_atomic_u32 *word, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec time;
    time.tv_sec = (time_t)(timeout_ns / 1000000000u);
    time.tv_nsec = (long)(timeout_ns % 1000000000u);
    (void)syscall(sizeof time.tv_sec > sizeof(long) ? ECSI_FUTEX_TIME64 : SYS_futex, &word->value,
                  ECSI_FUTEX_WAIT_PRIVATE, seen, timeout_ns == ECSI_FOREVER ? NULL : &time, NULL,
                  0);
}

/* Only the address is used: the word may be gone already. */
static void ecsi_word_wake(const ecsi_atomic_u32 *word)
{
    (void)syscall(SYS_futex, &word->value, ECSI_FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
#elif defined(_WIN32) && !defined(ECS_PARK_COND)
#define ECSI_WORD_WAIT 1
typedef BOOL(WINAPI *ecsi_wait_on)(volatile VOID *, PVOID, SIZE_T, DWORD);
typedef VOID(WINAPI *ecsi_wake_by)(PVOID);

/* A function of the synchronisation library, or NULL before Windows 8. */
static FARPROC ecsi_sync_function(const char *name)
{
    HMODULE library = GetModuleHandleA("api-ms-win-core-synch-l1-2-0.dll");
    if (library == NULL) library = LoadLibraryA("api-ms-win-core-synch-l1-2-0.dll");
    return library == NULL ? NULL : GetProcAddress(library, name);
}

/* Without WaitOnAddress it sleeps in steps of a millisecond. */
static void ecsi_word_wait(const ecsi_atomic_u32 *word, uint32_t seen, uint64_t timeout_ns)
{
    ecsi_wait_on wait = (ecsi_wait_on)(void (*)(void))ecsi_sync_function("WaitOnAddress");
    DWORD time = timeout_ns == ECSI_FOREVER
                     ? INFINITE
                     : (DWORD)((timeout_ns > 1000000000000u ? 1000000000000u
                                                            : timeout_ns + 999999u) / 1000000u);
    if (wait == NULL) {
        Sleep(1);
    } else {
        (void)wait((volatile VOID *)(uintptr_t)&word->value, &seen, sizeof seen, time);
    }
}

static void ecsi_word_wake(const ecsi_atomic_u32 *word)
{
    ecsi_wake_by wake = (ecsi_wake_by)(void (*)(void))ecsi_sync_function("WakeByAddressSingle");
    if (wake != NULL) wake((PVOID)(uintptr_t)&word->value);
}
#else
#define ECSI_WORD_WAIT 0
#endif

/* ---- Locks --------------------------------------------------------------------------------- */

/* Tries before a lock sleeps. */
#define ECSI_LOCK_SPINS 64u

/* The lock is taken by somebody else. */
static ECSI_NOINLINE void ecsi_lock_slow(ecsi_atomic_u32 *lock)
{
    uint32_t spins;
    for (spins = 0; spins < ECSI_LOCK_SPINS; spins++) {
        uint32_t seen = 0;
        if (ECSI_CAS(lock, &seen, 1u, acquire, relaxed)) return;
        ecsi_pause();
    }
#if ECSI_WORD_WAIT
    while (ECSI_SWAP(lock, 2u, acquire) != 0) ecsi_word_wait(lock, 2, ECSI_FOREVER);
#else
    while (ECSI_SWAP(lock, 1u, acquire) != 0) ecsi_yield();
#endif
}

static inline void ecsi_lock(ecsi_atomic_u32 *lock)
{
    uint32_t seen = 0;
    /* Pairs with the release of ecsi_unlock. */
    if (ECSI_UNLIKELY(!ECSI_CAS(lock, &seen, 1u, acquire, relaxed))) ecsi_lock_slow(lock);
}

static inline void ecsi_unlock(ecsi_atomic_u32 *lock)
{
#if ECSI_WORD_WAIT
    if (ECSI_UNLIKELY(ECSI_SWAP(lock, 0u, release) == 2)) ecsi_word_wake(lock);
#else
    (void)ECSI_SWAP(lock, 0u, release); /* no store: ECSI_RMW_FENCE may follow */
#endif
}

/* ---- Parking ------------------------------------------------------------------------------- */

enum { ECSI_TOKEN_NONE, ECSI_TOKEN_HERE, ECSI_TOKEN_AWAITED };

typedef struct ecsi_parker {
    ecsi_atomic_u32 token;
#if !ECSI_WORD_WAIT
#if defined(_WIN32)
    SRWLOCK mutex;
    CONDITION_VARIABLE condition;
#else
    pthread_mutex_t mutex;
    pthread_cond_t condition;
#endif
#endif
} ecsi_parker;

/* False when the system refuses. */
static bool ecsi_parker_create(ecsi_parker *parker)
{
    ECSI_STORE(&parker->token, (uint32_t)ECSI_TOKEN_NONE, relaxed);
#if !ECSI_WORD_WAIT
#if defined(_WIN32)
    InitializeSRWLock(&parker->mutex);
    InitializeConditionVariable(&parker->condition);
#else
    {
        pthread_condattr_t attributes;
        bool made = pthread_condattr_init(&attributes) == 0;
        if (!made) return false;
#if !defined(__APPLE__)
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
        made = pthread_cond_init(&parker->condition, &attributes) == 0;
        (void)pthread_condattr_destroy(&attributes);
        if (!made) return false;
        if (pthread_mutex_init(&parker->mutex, NULL) == 0) return true;
        (void)pthread_cond_destroy(&parker->condition);
        return false;
    }
#endif
#endif
    return true;
}

static void ecsi_parker_destroy(ecsi_parker *parker)
{
#if !ECSI_WORD_WAIT && !defined(_WIN32)
    (void)pthread_mutex_destroy(&parker->mutex);
    (void)pthread_cond_destroy(&parker->condition);
#else
    (void)parker;
#endif
}

/* Takes the token if it is there: pairs with the release of ecsi_unpark. */
static inline bool ecsi_token_take(ecsi_parker *parker)
{
    uint32_t seen = ECSI_TOKEN_HERE;
    return ECSI_CAS(&parker->token, &seen, (uint32_t)ECSI_TOKEN_NONE, acquire, relaxed);
}

#if ECSI_WORD_WAIT
/* Sleeps until the token is there, and takes it. False: the time was up. */
static bool ecsi_park(ecsi_parker *parker, uint64_t timeout_ns)
{
    uint64_t end = 0;
    uint32_t seen = ECSI_TOKEN_NONE;
    if (timeout_ns != ECSI_FOREVER) {
        uint64_t now = ecsi_clock_ns();
        end = timeout_ns > ECSI_FOREVER - 1 - now ? ECSI_FOREVER - 1 : now + timeout_ns;
    }
    if (!ECSI_CAS(&parker->token, &seen, (uint32_t)ECSI_TOKEN_AWAITED, acquire, acquire)) {
        /* By an exchange: another token may come right now, and this one is for both then. */
        (void)ECSI_SWAP(&parker->token, (uint32_t)ECSI_TOKEN_NONE, acquire);
        return true;
    }
    for (;;) {
        ecsi_word_wait(&parker->token, ECSI_TOKEN_AWAITED, timeout_ns);
        if (ecsi_token_take(parker)) return true;
        if (timeout_ns == ECSI_FOREVER) continue;
        timeout_ns = ecsi_clock_ns();
        if (timeout_ns >= end) break;
        timeout_ns = end - timeout_ns;
    }
    /* The token may have come at this moment. */
    return ECSI_SWAP(&parker->token, (uint32_t)ECSI_TOKEN_NONE, acquire) == ECSI_TOKEN_HERE;
}

/* Puts the token there. The parker may be gone when the sleeper is woken: only its address is
 * used then. */
static void ecsi_unpark(ecsi_parker *parker)
{
    if (ECSI_SWAP(&parker->token, (uint32_t)ECSI_TOKEN_HERE, release) == ECSI_TOKEN_AWAITED) {
        ecsi_word_wake(&parker->token);
    }
}
#else
#if defined(_WIN32)
#define ECSI_MUTEX_LOCK(p) AcquireSRWLockExclusive(&(p)->mutex)
#define ECSI_MUTEX_UNLOCK(p) ReleaseSRWLockExclusive(&(p)->mutex)
#else
#define ECSI_MUTEX_LOCK(p) ((void)pthread_mutex_lock(&(p)->mutex))
#define ECSI_MUTEX_UNLOCK(p) ((void)pthread_mutex_unlock(&(p)->mutex))
#endif

/* One sleep of ecsi_park, with the mutex held; false: the time was up. */
static bool ecsi_condition_wait(ecsi_parker *parker, uint64_t end, uint64_t now)
{
#if defined(_WIN32)
    DWORD time = end == ECSI_FOREVER ? INFINITE : (DWORD)((end - now + 999999u) / 1000000u);
    return SleepConditionVariableSRW(&parker->condition, &parker->mutex, time, 0) != 0;
#else
    struct timespec until;
    if (end == ECSI_FOREVER) {
        return pthread_cond_wait(&parker->condition, &parker->mutex) == 0;
    }
#if defined(__APPLE__)
    until.tv_sec = (time_t)((end - now) / 1000000000u);
    until.tv_nsec = (long)((end - now) % 1000000000u);
    return pthread_cond_timedwait_relative_np(&parker->condition, &parker->mutex, &until) == 0;
#else
    (void)now;
    until.tv_sec = (time_t)(end / 1000000000u);
    until.tv_nsec = (long)(end % 1000000000u);
    return pthread_cond_timedwait(&parker->condition, &parker->mutex, &until) == 0;
#endif
#endif
}

/* Sleeps until the token is there, and takes it. False: the time was up. */
static bool ecsi_park(ecsi_parker *parker, uint64_t timeout_ns)
{
    uint64_t now = timeout_ns == ECSI_FOREVER ? 0 : ecsi_clock_ns();
    uint64_t end = timeout_ns >= ECSI_FOREVER - 1 - now ? ECSI_FOREVER : now + timeout_ns;
    bool taken = ecsi_token_take(parker);
    if (taken) return true;
    ECSI_MUTEX_LOCK(parker);
    for (;;) {
        taken = ecsi_token_take(parker);
        if (taken || (end != ECSI_FOREVER && now >= end)) break;
        (void)ecsi_condition_wait(parker, end, now);
        if (end != ECSI_FOREVER) now = ecsi_clock_ns();
    }
    ECSI_MUTEX_UNLOCK(parker);
    return taken;
}

static void ecsi_unpark(ecsi_parker *parker)
{
    ECSI_MUTEX_LOCK(parker);
    ECSI_STORE(&parker->token, (uint32_t)ECSI_TOKEN_HERE, release);
#if defined(_WIN32)
    WakeConditionVariable(&parker->condition);
#else
    (void)pthread_cond_signal(&parker->condition);
#endif
    ECSI_MUTEX_UNLOCK(parker);
}
#endif

#else
static inline uint64_t ecsi_thread_number(void)
{
    return 1;
}
#endif /* ECS_NO_THREADS */
#endif /* ECSI_ATOMIC_MODEL */

#endif /* ECS_THREAD_H */

/* >>base ======================================================== src/base.h */

/* base.h: asserts, small arithmetic, hashing, status texts, bounded text, log. */
/* floor: 1 */
#ifndef ECS_BASE_H
#define ECS_BASE_H

/* ---- Asserts -------------------------------------------------------------------
 *
 * ECS_ASSERT      the caller's contract; cheap, on unless ECS_NO_ASSERT
 * ECSI_REQUIRE    the same, and with asserts off the call answers `answer`
 * ECSI_CHECK      our own invariants; with ECS_DEBUG
 * ECSI_CHECK_SLOW walks structures; with ECS_DEBUG_SLOW */

#ifndef ECS_ASSERT
#ifdef ECS_NO_ASSERT
#define ECS_ASSERT(c) ((void)0)
#else
#define ECS_ASSERT(c) ((c) ? (void)0 : ecsi_assert_failed(#c, __FILE__, __LINE__))
#endif
#endif
#ifdef ECS_DEBUG
#define ECSI_CHECK(c) ((c) ? (void)0 : ecsi_assert_failed(#c, __FILE__, __LINE__))
#else
#define ECSI_CHECK(c) ((void)sizeof(c))
#endif
#ifdef ECS_DEBUG_SLOW
#define ECSI_CHECK_SLOW(c) ECSI_CHECK(c)
#else
#define ECSI_CHECK_SLOW(c) ((void)sizeof(c))
#endif
#define ECSI_REQUIRE(c, answer)                                                    \
    do {                                                                           \
        if (ECSI_UNLIKELY(!(c))) {                                                 \
            ECS_ASSERT(c);                                                         \
            return answer;                                                         \
        }                                                                          \
    } while (0)
/* In functions without an answer. */
#define ECSI_REQUIRE_VOID(c)                                                       \
    do {                                                                           \
        if (ECSI_UNLIKELY(!(c))) {                                                 \
            ECS_ASSERT(c);                                                         \
            return;                                                                \
        }                                                                          \
    } while (0)

ECSI_UNUSED ECSI_COLD static void ecsi_assert_failed(const char *what, const char *file,
                                                     int line)
{
    (void)fprintf(stderr, "ecs: assert failed: %s (%s:%d)\n", what, file, line);
    abort();
}

/* ---- Arithmetic ---------------------------------------------------------------- */

static inline bool ecsi_is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static inline size_t ecsi_align_up(size_t n, size_t align)
{
    ECSI_CHECK(ecsi_is_power_of_two(align));
    return (n + align - 1) & ~(align - 1);
}

static inline uint32_t ecsi_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t ecsi_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The smallest power of two that is at least n; n is at most 2^31. */
static inline uint32_t ecsi_round_up_power(uint32_t n)
{
    uint32_t power = 1;
    ECSI_CHECK(n <= 0x80000000u);
    while (power < n) power *= 2u;
    ECSI_CHECK(ecsi_is_power_of_two(power));
    return power;
}

/* ---- Hashing ------------------------------------------------------------------- */

/* One word into a running hash: the finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t ecsi_mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) + 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* Up to 8 bytes as a little-endian word. */
static inline uint64_t ecsi_load_le(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    size_t i;
    ECSI_CHECK(count <= 8);
    ECSI_CHECK(bytes != NULL || count == 0);
    for (i = 0; i < count; i++) word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/* Bytes in four independent lanes, so that a long column is hashed at the speed of the
 * multiplier and not at its latency. Each step is invertible in the lane. */
static uint64_t ecsi_hash_bytes(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)data;
    uint64_t lane[4];
    size_t left = bytes;
    int i;
    ECSI_CHECK(data != NULL || bytes == 0);
    for (i = 0; i < 4; i++) lane[i] = h + (uint64_t)i * 0x9e3779b97f4a7c15u;
    for (; left >= 32; left -= 32, p += 32) {
        for (i = 0; i < 4; i++) {
            uint64_t x = (lane[i] ^ ecsi_load_le(p + 8 * i, 8)) * 0xbf58476d1ce4e5b9u;
            lane[i] = x ^ (x >> 32);
        }
    }
    for (i = 0; i < 4; i++) h = ecsi_mix(h, lane[i]);
    for (; left >= 8; left -= 8, p += 8) h = ecsi_mix(h, ecsi_load_le(p, 8));
    ECSI_CHECK(left < 8);
    h = ecsi_mix(h, ecsi_load_le(p, left));
    return ecsi_mix(h, (uint64_t)bytes);
}

static uint64_t ecsi_hash_text(const char *text)
{
    ECSI_CHECK(text != NULL);
    return ecsi_hash_bytes(0x6563735f6e616d65u, text, strlen(text));
}

/* ---- Status and text ----------------------------------------------------------- */

ECS_API const char *ecs_status_text(ecs_status status)
{
    switch (status) {
#define ECSI_STATUS_CASE(name, text)                                               \
    case name: return text;
        ECS_STATUS_LIST(ECSI_STATUS_CASE)
#undef ECSI_STATUS_CASE
    case ECS_STATUS_COUNT: break;
    }
    return "unknown status";
}

/* Copies a name into a field of ECS_NAME_BYTES_MAX: ECS_INVALID when it is empty,
 * ECS_TOO_LARGE when it does not fit. */
static ecs_status ecsi_name_copy(char *to, const char *from)
{
    size_t bytes = strlen(from) + 1;
    ECSI_CHECK(to != NULL);
    ECSI_CHECK(from != NULL);
    if (bytes == 1) return ECS_INVALID;
    if (bytes > ECS_NAME_BYTES_MAX) return ECS_TOO_LARGE;
    memcpy(to, from, bytes);
    ECSI_CHECK(to[bytes - 1] == 0);
    return ECS_OK;
}

/* Bounded text: what does not fit is counted, so that the caller can ask for more. */
typedef struct ecsi_text {
    char *at;
    size_t room;  /* bytes left, the closing zero included */
    size_t total; /* bytes of the whole text */
} ecsi_text;

static ecsi_text ecsi_text_begin(char *text, size_t bytes)
{
    ecsi_text t;
    t.at = text;
    t.room = text == NULL ? 0 : bytes;
    t.total = 0;
    if (t.room > 0) t.at[0] = 0;
    return t;
}

ECSI_PRINTF(2, 3) static void ecsi_print(ecsi_text *t, const char *format, ...)
{
    va_list arguments;
    int count;
    ECSI_CHECK(t != NULL);
    ECSI_CHECK(format != NULL);
    ECSI_CHECK(t->room == 0 || t->at != NULL);
    va_start(arguments, format);
    count = vsnprintf(t->room > 0 ? t->at : NULL, t->room, format, arguments);
    va_end(arguments);
    if (count <= 0) return;
    t->total += (size_t)count;
    if ((size_t)count < t->room) {
        t->at += count;
        t->room -= (size_t)count;
    } else if (t->room > 0) {
        t->at += t->room - 1;
        t->room = 1;
    }
    ECSI_CHECK(t->room == 0 || *t->at == 0);
}

/* ---- Log ----------------------------------------------------------------------- */

typedef struct ecsi_log {
    void (*write)(ecs_log_level level, const char *text, void *user);
    void *user;
} ecsi_log;

static void ecsi_log_stderr(ecs_log_level level, const char *text, void *user)
{
    static const char *const name[] = {"error", "warning", "info"};
    (void)user;
    (void)level;
    (void)text;
    ECS_ASSERT(text != NULL);
    ECS_ASSERT((unsigned)level < 3u);
#ifndef ECS_NO_LOG
    (void)fprintf(stderr, "ecs: %s: %s\n", name[level], text);
#else
    (void)name;
#endif
}

/* Longest line of the log, in bytes. */
#define ECSI_LOG_BYTES_MAX 512u

ECSI_PRINTF(3, 4) static void ecsi_log_print(const ecsi_log *log, ecs_log_level level,
                                             const char *format, ...)
{
    char line[ECSI_LOG_BYTES_MAX];
    va_list arguments;
    ECSI_CHECK(log != NULL);
    ECSI_CHECK(format != NULL);
    ECSI_CHECK(log->write != NULL);
    ECSI_CHECK((unsigned)level < 3u);
    va_start(arguments, format);
    if (vsnprintf(line, sizeof line, format, arguments) < 0) line[0] = 0;
    va_end(arguments);
    log->write(level, line, log->user);
}

#endif /* ECS_BASE_H */

/* >>memory ==================================================== src/memory.h */

/* memory.h: where all memory of a world comes from.
 *
 * Grow mode: the allocator, as needed. Fixed mode: one block that is made at creation and
 * cut into pieces by `ecsi_alloc`; when creation is done the block is sealed, and every
 * vector has its final capacity. How large the block must be is found by running the same
 * creation code over a memory that only measures, so the two cannot disagree.
 *
 * Four ways to hold memory:
 *   ecsi_alloc / ecsi_release   one piece
 *   ecsi_vec                    an array that grows to a maximum
 *   ecsi_keep                   small things that live as long as the world
 *   ecsi_slab                   things of one kind that come and go */
/* floor: 2 */
#ifndef ECS_MEMORY_H
#define ECS_MEMORY_H

/* Bytes of one block of ecsi_keep in grow mode. */
#define ECSI_KEEP_BLOCK_BYTES 16384u
/* Alignment that malloc promises on every machine that we know. */
#define ECSI_MALLOC_ALIGN 16u

typedef struct ecsi_keep_block {
    struct ecsi_keep_block *next;
    size_t bytes;
    size_t used; /* offset from the block's start */
} ecsi_keep_block;

typedef struct ecsi_memory {
    ecs_allocator allocator;
    size_t bytes_allocated;
    bool fixed;
    bool measuring;         /* fixed: add up, hand out nothing */
    unsigned char *block;   /* fixed: the one block */
    size_t block_bytes;
    size_t block_used;
    ecsi_keep_block *keep;  /* newest first */
} ecsi_memory;

/* Memory of at least a huge page; free() gives it back. */
static void *ecsi_large_alloc(size_t bytes)
{
    void *memory = ECSI_HUGE_PAGES ? ecsi_aligned_alloc(bytes, ECSI_HUGE_BYTES) : malloc(bytes);
    ECSI_CHECK(bytes >= ECSI_HUGE_BYTES);
    ECSI_CHECK(!ECSI_HUGE_PAGES || (uintptr_t)memory % ECSI_HUGE_BYTES == 0);
    if (memory != NULL) ecsi_huge_pages(memory, bytes);
    return memory;
}

static void *ecsi_default_alloc(size_t bytes, size_t align, void *user)
{
    (void)user;
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    if (bytes >= ECSI_HUGE_BYTES && ECSI_HUGE_PAGES) return ecsi_large_alloc(bytes);
    return align <= ECSI_MALLOC_ALIGN ? malloc(bytes) : ecsi_aligned_alloc(bytes, align);
}

/* Large memory moves to memory of its own instead of being stretched: only what is new to the
 * system from its first touch on gets huge pages. */
static void *ecsi_default_resize(void *memory, size_t old_bytes, size_t new_bytes, void *user)
{
    void *moved;
    (void)user;
    ECSI_CHECK(memory != NULL);
    ECSI_CHECK(old_bytes > 0);
    ECSI_CHECK(new_bytes > 0);
    if (new_bytes < ECSI_HUGE_BYTES || new_bytes < old_bytes) return realloc(memory, new_bytes);
    moved = ecsi_large_alloc(new_bytes);
    if (moved == NULL) return NULL;
    memcpy(moved, memory, old_bytes);
    free(memory);
    return moved;
}

static void ecsi_default_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)user;
    ECSI_CHECK(memory != NULL);
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    if (align <= ECSI_MALLOC_ALIGN) {
        free(memory);
    } else {
        ecsi_aligned_free(memory);
    }
}

static ecs_allocator ecsi_default_allocator(void)
{
    ecs_allocator a;
    a.alloc = ecsi_default_alloc;
    a.resize = ecsi_default_resize;
    a.release = ecsi_default_release;
    a.user = NULL;
    return a;
}

/* ---- One piece ----------------------------------------------------------------- */

/* NULL when refused; in fixed mode only creation may ask. While measuring the answer is
 * NULL as well and means nothing: callers there use ecsi_vec_reserve's status. */
static void *ecsi_alloc(ecsi_memory *memory, size_t bytes, size_t align)
{
    void *piece;
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    if (memory->fixed) {
        size_t at;
        if (align < 64) align = 64;
        if (memory->measuring) {
            /* The block is aligned to 64 only: leave room for what is missing. */
            memory->block_used = ecsi_align_up(memory->block_used, 64) + (align - 64) + bytes;
            return NULL;
        }
        ECSI_CHECK(memory->block != NULL);
        ECSI_CHECK(memory->block_used <= memory->block_bytes);
        at = ecsi_align_up((size_t)(uintptr_t)memory->block + memory->block_used, align) -
             (size_t)(uintptr_t)memory->block;
        if (at + bytes > memory->block_bytes) return NULL;
        memory->block_used = at + bytes;
        return memory->block + at;
    }
    piece = memory->allocator.alloc(bytes, align, memory->allocator.user);
    if (piece != NULL) memory->bytes_allocated += bytes;
    ECSI_CHECK((uintptr_t)piece % align == 0);
    return piece;
}

/* Gives a piece back; the pieces of a fixed world go back with its block. */
static void ecsi_release(ecsi_memory *memory, void *piece, size_t bytes, size_t align)
{
    if (piece == NULL || memory->fixed) return;
    ECSI_CHECK(memory->bytes_allocated >= bytes);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    memory->bytes_allocated -= bytes;
    memory->allocator.release(piece, bytes, align, memory->allocator.user);
}

/* ---- Vectors ------------------------------------------------------------------- */

typedef struct ecsi_vec {
    void *data;
    uint32_t count;
    uint32_t capacity;
} ecsi_vec;

#define ECSI_VEC_AT(T, vec, index) (&((T *)(vec)->data)[index])

/* Makes room for `capacity` items in all, exactly. The items stay; on failure nothing
 * changes. Alignment is that of malloc. */
static ecs_status ecsi_vec_resize(ecsi_memory *memory, ecsi_vec *vec, uint32_t capacity,
                                  size_t item_bytes)
{
    size_t old_bytes = vec->capacity * item_bytes;
    size_t bytes = capacity * item_bytes;
    void *data;
    ECSI_CHECK(item_bytes > 0);
    ECSI_CHECK(vec->count <= vec->capacity);
    ECSI_CHECK(vec->data != NULL || vec->capacity == 0);
    ECSI_CHECK(capacity >= vec->count);
    if (capacity == vec->capacity) return ECS_OK;
    if (bytes / item_bytes != capacity) return ECS_NO_MEMORY;
    if (vec->data != NULL && !memory->fixed && memory->allocator.resize != NULL) {
        data = memory->allocator.resize(vec->data, old_bytes, bytes, memory->allocator.user);
        if (data == NULL) return ECS_NO_MEMORY;
        memory->bytes_allocated += bytes - old_bytes;
    } else {
        data = ecsi_alloc(memory, bytes, ECSI_MALLOC_ALIGN);
        if (memory->measuring) return ECS_OK;
        if (data == NULL) return ECS_NO_MEMORY;
        if (vec->count > 0) memcpy(data, vec->data, vec->count * item_bytes);
        ecsi_release(memory, vec->data, old_bytes, ECSI_MALLOC_ALIGN);
    }
    vec->data = data;
    vec->capacity = capacity;
    return ECS_OK;
}

/* Makes room for `need` items: doubles, up to `max`. ECS_FULL beyond it. */
static ecs_status ecsi_vec_reserve(ecsi_memory *memory, ecsi_vec *vec, uint32_t need,
                                   uint32_t max, size_t item_bytes)
{
    uint32_t capacity;
    if (ECSI_LIKELY(need <= vec->capacity)) return ECS_OK;
    if (need > max || memory->fixed) return ECS_FULL;
    capacity = ecsi_max_u32(vec->capacity, 4);
    while (capacity < need) capacity = capacity > max / 2 ? max : capacity * 2;
    ECSI_CHECK(vec->count <= vec->capacity);
    ECSI_CHECK(capacity <= max || max < 4);
    ECSI_CHECK(capacity >= need);
    return ecsi_vec_resize(memory, vec, ecsi_min_u32(capacity, max), item_bytes);
}

/* At creation: the final capacity in fixed mode, nothing in grow mode. */
static ecs_status ecsi_vec_create(ecsi_memory *memory, ecsi_vec *vec, uint32_t max,
                                  size_t item_bytes)
{
    ECSI_CHECK(item_bytes > 0);
    ECSI_CHECK(vec->data == NULL);
    ECSI_CHECK(vec->count == 0 && vec->capacity == 0);
    if (!memory->fixed || max == 0) return ECS_OK;
    return ecsi_vec_resize(memory, vec, max, item_bytes);
}

static void ecsi_vec_destroy(ecsi_memory *memory, ecsi_vec *vec, size_t item_bytes)
{
    ECSI_CHECK(item_bytes > 0);
    ECSI_CHECK(vec->count <= vec->capacity);
    ECSI_CHECK(vec->data != NULL || vec->capacity == 0);
    ecsi_release(memory, vec->data, vec->capacity * item_bytes, ECSI_MALLOC_ALIGN);
    vec->data = NULL;
    vec->count = 0;
    vec->capacity = 0;
}

/* ---- Things that live as long as the world -------------------------------------- */

/* Where ecsi_keep stands, to take back what was kept since. */
typedef struct ecsi_keep_mark {
    ecsi_keep_block *block;
    size_t used;
} ecsi_keep_mark;

static ecsi_keep_mark ecsi_keep_where(const ecsi_memory *memory)
{
    ecsi_keep_mark mark;
    ECSI_CHECK(memory->keep == NULL || memory->keep->used <= memory->keep->bytes);
    mark.block = memory->keep;
    mark.used = memory->keep == NULL ? 0 : memory->keep->used;
    return mark;
}

/* Makes a new block the newest one. */
static ecsi_keep_block *ecsi_keep_block_make(ecsi_memory *memory, size_t bytes)
{
    ecsi_keep_block *block = (ecsi_keep_block *)ecsi_alloc(memory, bytes, ECSI_MALLOC_ALIGN);
    ECSI_CHECK(bytes > sizeof *block);
    ECSI_CHECK(!memory->fixed || memory->keep == NULL);
    if (block == NULL) return NULL;
    block->next = memory->keep;
    block->bytes = bytes;
    block->used = sizeof *block;
    memory->keep = block;
    return block;
}

/* Zeroed memory that goes away with the world; NULL when refused. */
static void *ecsi_keep(ecsi_memory *memory, size_t bytes, size_t align)
{
    ecsi_keep_block *block = memory->keep;
    size_t at;
    ECSI_CHECK(align <= 64);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    ECSI_CHECK(block == NULL || block->used <= block->bytes);
    if (bytes == 0) bytes = 1;
    if (block != NULL) {
        at = ecsi_align_up((size_t)(uintptr_t)block + block->used, align) -
             (size_t)(uintptr_t)block;
        if (at + bytes <= block->bytes) {
            block->used = at + bytes;
            return memset((unsigned char *)block + at, 0, bytes);
        }
    }
    if (memory->fixed) return NULL;
    at = sizeof *block + align + bytes;
    block = ecsi_keep_block_make(memory, at > ECSI_KEEP_BLOCK_BYTES ? at : ECSI_KEEP_BLOCK_BYTES);
    if (block == NULL) return NULL;
    at = ecsi_align_up((size_t)(uintptr_t)block + block->used, align) - (size_t)(uintptr_t)block;
    ECSI_CHECK(at + bytes <= block->bytes);
    block->used = at + bytes;
    return memset((unsigned char *)block + at, 0, bytes);
}

/* Takes back everything that was kept after the mark. */
static void ecsi_keep_rewind(ecsi_memory *memory, ecsi_keep_mark mark)
{
    ECSI_CHECK(mark.block == NULL || mark.block->used >= mark.used);
    ECSI_CHECK(mark.block == NULL || mark.used >= sizeof *mark.block);
    while (memory->keep != mark.block) {
        ecsi_keep_block *block = memory->keep;
        ECSI_CHECK(block != NULL);
        memory->keep = block->next;
        ecsi_release(memory, block, block->bytes, ECSI_MALLOC_ALIGN);
    }
    if (mark.block != NULL) mark.block->used = mark.used;
}

/* At creation: one block for all of it in fixed mode. */
static ecs_status ecsi_keep_create(ecsi_memory *memory, size_t bytes_max)
{
    ECSI_CHECK(memory->keep == NULL);
    ECSI_CHECK(bytes_max > 0);
    if (!memory->fixed) return ECS_OK;
    if (memory->measuring) {
        (void)ecsi_alloc(memory, bytes_max + sizeof(ecsi_keep_block), ECSI_MALLOC_ALIGN);
        return ECS_OK;
    }
    return ecsi_keep_block_make(memory, bytes_max + sizeof(ecsi_keep_block)) != NULL
               ? ECS_OK
               : ECS_NO_MEMORY;
}

static void ecsi_keep_destroy(ecsi_memory *memory)
{
    ecsi_keep_mark nothing;
    nothing.block = NULL;
    nothing.used = 0;
    ECSI_CHECK(memory != NULL);
    ecsi_keep_rewind(memory, nothing);
    ECSI_CHECK(memory->keep == NULL);
}

/* ---- Things of one kind that come and go ------------------------------------------ */

/* Grow mode: each has exactly its bytes and gives them back. Fixed mode: each takes a slot of
 * `bytes`, the most that one can need, and a slot that was given back serves whoever comes next;
 * so what is refused depends on how many there are and never on what there was before. */
typedef struct ecsi_slab {
    size_t bytes; /* of a slot, a multiple of 64 */
    void *free;   /* slots that were given back; each begins with the address of the next one */
} ecsi_slab;

/* Zeroed memory, aligned to 64; NULL when refused. */
static void *ecsi_slab_take(ecsi_memory *memory, ecsi_slab *slab, size_t bytes)
{
    void *piece = slab->free;
    ECSI_CHECK(bytes >= sizeof piece);
    ECSI_CHECK(bytes <= slab->bytes);
    if (!memory->fixed) {
        piece = ecsi_alloc(memory, bytes, 64);
        return piece == NULL ? NULL : memset(piece, 0, bytes);
    }
    if (piece == NULL) return ecsi_keep(memory, slab->bytes, 64);
    memcpy(&slab->free, piece, sizeof piece);
    return memset(piece, 0, slab->bytes);
}

/* Gives back what ecsi_slab_take answered for so many bytes. NULL is fine. */
static void ecsi_slab_give(ecsi_memory *memory, ecsi_slab *slab, void *piece, size_t bytes)
{
    if (piece == NULL) return;
    ECSI_CHECK(bytes <= slab->bytes);
    ECSI_CHECK((uintptr_t)piece % 64 == 0);
    if (!memory->fixed) {
        ecsi_release(memory, piece, bytes, 64);
        return;
    }
    memcpy(piece, &slab->free, sizeof slab->free);
    slab->free = piece;
}

#endif /* ECS_MEMORY_H */

/* >>container ============================================== src/container.h */

/* container.h: the hash map that everything is found by. */
/* floor: 3 */
#ifndef ECS_CONTAINER_H
#define ECS_CONTAINER_H

/* Open addressing with linear probing over 64-bit keys; at most half full. Keys may repeat:
 * where a key is a hash, the caller compares what the values stand for and goes on. There
 * is no removal. Key and value 0xffffffff are never stored. */

#define ECSI_MAP_NONE 0xffffffffu

typedef struct ecsi_map_slot {
    uint64_t key;
    uint32_t value; /* ECSI_MAP_NONE: free */
} ecsi_map_slot;

typedef struct ecsi_map {
    ecsi_map_slot *slots;
    uint32_t slot_count; /* power of two; 0 before the first insert */
    uint32_t shift;      /* 64 - log2(slot_count) */
    uint32_t count;
} ecsi_map;

static inline uint32_t ecsi_map_home(const ecsi_map *map, uint64_t key)
{
    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> map->shift);
}

/* The first value of `key`, or ECSI_MAP_NONE. `at` remembers where, for ecsi_map_next. */
static inline uint32_t ecsi_map_find(const ecsi_map *map, uint64_t key, uint32_t *at)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t i;
    if (map->slot_count == 0) return ECSI_MAP_NONE;
    ECSI_CHECK(map->count <= map->slot_count / 2);
    ECSI_CHECK(ecsi_is_power_of_two(map->slot_count));
    for (i = ecsi_map_home(map, key);; i = (i + 1) & mask) {
        const ecsi_map_slot *slot = &map->slots[i];
        if (slot->value == ECSI_MAP_NONE || slot->key == key) {
            *at = i;
            return slot->value;
        }
    }
}

/* The next value of the same key. */
static inline uint32_t ecsi_map_next(const ecsi_map *map, uint64_t key, uint32_t *at)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t i;
    ECSI_CHECK(map->slot_count > 0);
    ECSI_CHECK(*at < map->slot_count);
    ECSI_CHECK(map->slots[*at].key == key);
    for (i = (*at + 1) & mask;; i = (i + 1) & mask) {
        const ecsi_map_slot *slot = &map->slots[i];
        if (slot->value == ECSI_MAP_NONE || slot->key == key) {
            *at = i;
            return slot->value;
        }
    }
}

static void ecsi_map_put(ecsi_map *map, uint64_t key, uint32_t value)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t i = ecsi_map_home(map, key);
    ECSI_CHECK(map->count < map->slot_count / 2);
    ECSI_CHECK(value != ECSI_MAP_NONE);
    while (map->slots[i].value != ECSI_MAP_NONE) i = (i + 1) & mask;
    map->slots[i].key = key;
    map->slots[i].value = value;
    map->count++;
}

/* Gives the map `slot_count` empty slots and puts in what it held. */
static ecs_status ecsi_map_rehash(ecsi_memory *memory, ecsi_map *map, uint32_t slot_count)
{
    ecsi_map old = *map;
    size_t bytes = slot_count * sizeof(ecsi_map_slot);
    uint32_t i;
    ECSI_CHECK(ecsi_is_power_of_two(slot_count));
    ECSI_CHECK(slot_count >= old.slot_count);
    map->slots = (ecsi_map_slot *)ecsi_alloc(memory, bytes, ECSI_MALLOC_ALIGN);
    if (map->slots == NULL) {
        *map = old;
        return memory->measuring ? ECS_OK : ECS_NO_MEMORY;
    }
    memset(map->slots, 0xff, bytes);
    map->slot_count = slot_count;
    map->shift = 64 - ecsi_lowest_bit(slot_count);
    map->count = 0;
    for (i = 0; i < old.slot_count; i++) {
        if (old.slots[i].value != ECSI_MAP_NONE) {
            ecsi_map_put(map, old.slots[i].key, old.slots[i].value);
        }
    }
    ECSI_CHECK(map->count == old.count);
    ecsi_release(memory, old.slots, old.slot_count * sizeof(ecsi_map_slot), ECSI_MALLOC_ALIGN);
    return ECS_OK;
}

/* Makes sure that one more can be put. */
static ecs_status ecsi_map_reserve(ecsi_memory *memory, ecsi_map *map)
{
    if (ECSI_LIKELY(map->count + 1 <= map->slot_count / 2)) return ECS_OK;
    if (memory->fixed) return ECS_FULL;
    ECSI_CHECK(map->slot_count < 0x80000000u);
    ECSI_CHECK(map->count <= map->slot_count);
    return ecsi_map_rehash(memory, map, map->slot_count == 0 ? 16 : map->slot_count * 2);
}

/* At creation: room for `max` in fixed mode. */
static ecs_status ecsi_map_create(ecsi_memory *memory, ecsi_map *map, uint32_t max)
{
    ECSI_CHECK(map->slots == NULL);
    ECSI_CHECK(max < 0x20000000u);
    if (!memory->fixed) return ECS_OK;
    return ecsi_map_rehash(memory, map, ecsi_round_up_power(ecsi_max_u32(max, 4) * 2 + 2));
}

static void ecsi_map_destroy(ecsi_memory *memory, ecsi_map *map)
{
    ECSI_CHECK(map->count <= map->slot_count);
    ECSI_CHECK(map->slot_count == 0 || map->slots != NULL);
    ecsi_release(memory, map->slots, map->slot_count * sizeof(ecsi_map_slot), ECSI_MALLOC_ALIGN);
    map->slots = NULL;
    map->slot_count = 0;
    map->count = 0;
}

#endif /* ECS_CONTAINER_H */

/* >>ring ======================================================== src/ring.h */

/* ring.h: the bounded queue of Vyukov (2010), for any number of threads on both sides.
 *
 * Each slot carries the number of the turn in which it may be written or read. The ring hands
 * out positions, and what lies at a position is its user's: the injector keeps a pointer in the
 * slot, a route between worlds has a descriptor and a body for each slot. Between claim and
 * publish a position belongs to who writes it, between take and release to who reads it, for as
 * long as they like; others go on, until they come round to that slot.
 *
 * Positions are 64-bit, only grow and are never reset. Positions that follow each other can be
 * claimed at once. With `single` one thread at a time claims and one takes, and no position
 * has to be fought for. */
/* floor: 3 */
#ifndef ECS_RING_H
#define ECS_RING_H

/* Bytes that cores hand to each other at once; two lines, for they are fetched in pairs. */
#define ECSI_LINE_BYTES 128u

typedef struct ecsi_turn {
    ecsi_atomic_u64 turn; /* position: may be written; position + 1: may be read */
    ecsi_atomic_ptr item; /* the injector's */
} ecsi_turn;

typedef struct ecsi_ring {
    ecsi_atomic_u64 head; /* next to be read */
    unsigned char pad_head[ECSI_LINE_BYTES - sizeof(ecsi_atomic_u64)];
    ecsi_atomic_u64 tail; /* next to be written */
    unsigned char pad_tail[ECSI_LINE_BYTES - sizeof(ecsi_atomic_u64)];
    ecsi_turn *slots;
    uint32_t capacity; /* a power of two, at least 2 */
    bool single;
} ecsi_ring;

static inline void ecsi_ring_create(ecsi_ring *ring, ecsi_turn *slots, uint32_t capacity,
                                    uint64_t start)
{
    uint64_t i;
    ECSI_CHECK(slots != NULL);
    ECSI_CHECK(capacity >= 2 && ecsi_is_power_of_two(capacity));
    for (i = start; i != start + capacity; i++) {
        ECSI_STORE(&slots[i & (capacity - 1)].turn, i, relaxed);
        ECSI_STORE(&slots[i & (capacity - 1)].item, NULL, relaxed);
    }
    ECSI_STORE(&ring->head, start, relaxed);
    ECSI_STORE(&ring->tail, start, relaxed);
    ring->slots = slots;
    ring->capacity = capacity;
    ring->single = false;
}

static inline ecsi_turn *ecsi_ring_slot(const ecsi_ring *ring, uint64_t at)
{
    return &ring->slots[at & (ring->capacity - 1)];
}

/* Positions that were claimed and not taken, as far as a look can tell. Any thread. */
static inline uint32_t ecsi_ring_count(const ecsi_ring *ring)
{
    uint64_t head = ECSI_LOAD(&ring->head, relaxed);
    uint64_t tail = ECSI_LOAD(&ring->tail, relaxed);
    ECSI_CHECK(ring->capacity >= 2);
    if ((int64_t)(tail - head) <= 0) return 0;
    return tail - head < ring->capacity ? (uint32_t)(tail - head) : ring->capacity;
}

/* Any thread. Claims positions that follow each other, as many as are free from `least` to
 * `most`; *out is the first. Answers how many; 0: so many are not free. */
static inline uint32_t ecsi_ring_claim(ecsi_ring *ring, uint32_t least, uint32_t most,
                                       uint64_t *out)
{
    uint64_t at = ECSI_LOAD(&ring->tail, relaxed);
    ECSI_CHECK(least >= 1 && least <= most);
    ECSI_CHECK(ring->capacity >= 2);
    if (most > ring->capacity) most = ring->capacity;
    for (;;) {
        uint32_t free_count = 0;
        uint64_t turn = at;
        for (; free_count < most; free_count++) {
            /* Pairs with the release of ecsi_ring_release: the slot was read before it is
             * written again. */
            turn = ECSI_LOAD(&ecsi_ring_slot(ring, at + free_count)->turn, acquire);
            if (turn != at + free_count) break;
        }
        /* A turn that is ahead: somebody else has claimed this position. */
        if (free_count < most && (int64_t)(turn - (at + free_count)) > 0) {
            at = ECSI_LOAD(&ring->tail, relaxed);
            continue;
        }
        if (free_count < least) return 0;
        if (ring->single) {
            ECSI_STORE(&ring->tail, at + free_count, relaxed);
        } else if (!ECSI_CAS(&ring->tail, &at, at + free_count, relaxed, relaxed)) {
            continue;
        }
        *out = at;
        return free_count;
    }
}

/* Who claimed it: what lies at the position may be read. */
static inline void ecsi_ring_publish(ecsi_ring *ring, uint64_t at)
{
    ECSI_CHECK(ECSI_LOAD(&ecsi_ring_slot(ring, at)->turn, relaxed) == at);
    /* Pairs with the acquire of ecsi_ring_take. */
    ECSI_STORE(&ecsi_ring_slot(ring, at)->turn, at + 1, release);
}

/* The same for positions that were claimed at once, from the last to the first: who takes the
 * first of them finds all. */
static inline void ecsi_ring_publish_all(ecsi_ring *ring, uint64_t at, uint32_t count)
{
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= ring->capacity);
    for (; count > 0; count--) ecsi_ring_publish(ring, at + count - 1);
}

/* Any thread. The next position; false: nothing is published there. */
static inline bool ecsi_ring_take(ecsi_ring *ring, uint64_t *out)
{
    uint64_t at = ECSI_LOAD(&ring->head, relaxed);
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(ring->capacity >= 2);
    for (;;) {
        /* Pairs with the release of ecsi_ring_publish. */
        uint64_t turn = ECSI_LOAD(&ecsi_ring_slot(ring, at)->turn, acquire);
        if (turn == at + 1) {
            if (ring->single) {
                ECSI_STORE(&ring->head, at + 1, relaxed);
            } else if (!ECSI_CAS(&ring->head, &at, at + 1, relaxed, relaxed)) {
                continue;
            }
            *out = at;
            return true;
        }
        if ((int64_t)(turn - (at + 1)) < 0) return false;
        at = ECSI_LOAD(&ring->head, relaxed);
    }
}

/* Who took it: the slot may be written again. */
static inline void ecsi_ring_release(ecsi_ring *ring, uint64_t at)
{
    ECSI_CHECK(ECSI_LOAD(&ecsi_ring_slot(ring, at)->turn, relaxed) == at + 1);
    /* Pairs with the acquire of ecsi_ring_claim. */
    ECSI_STORE(&ecsi_ring_slot(ring, at)->turn, at + ring->capacity, release);
}

#endif /* ECS_RING_H */

/* >>deque ====================================================== src/deque.h */

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

/* >>waiter ==================================================== src/waiter.h */

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

/* >>idle ======================================================== src/idle.h */

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

/* >>entity ==================================================== src/entity.h */

/* entity.h: handles, generations, the free list and the records.
 *
 * A record of 8 bytes a slot says where the entity's row is. Free slots lie on a stack, each
 * with the generation that its next owner gets; so the same edits hand out the same
 * handles, and freeing writes to one place in memory. */
/* floor: 4 */
#ifndef ECS_ENTITY_H
#define ECS_ENTITY_H

typedef struct ecsi_entities {
    ecsi_front front;   /* must be first: the inlined getter reads it */
    ecsi_vec records;   /* of ecsi_record; front.records is its data */
    ecsi_vec free_list; /* of ecs_entity: handles to come, newest last; has room for all */
    uint32_t max;
    uint32_t reserved_count; /* taken by a flush that has not placed them yet */
} ecsi_entities;

static ecs_status ecsi_entities_create(ecsi_memory *memory, ecsi_entities *entities, uint32_t max)
{
    ecs_status status;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(max <= ECS_ENTITIES_MAX);
    ECSI_CHECK(entities->front.record_count == 0);
    entities->max = max;
    status = ecsi_vec_create(memory, &entities->records, max, sizeof(ecsi_record));
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &entities->free_list, max, sizeof(ecs_entity));
    }
    entities->front.records = (ecsi_record *)entities->records.data;
    return status;
}

static void ecsi_entities_destroy(ecsi_memory *memory, ecsi_entities *entities)
{
    ECSI_CHECK(entities->front.record_count <= entities->max);
    ECSI_CHECK(entities->front.alive_count <= entities->front.record_count);
    ECSI_CHECK(entities->reserved_count == 0);
    ecsi_vec_destroy(memory, &entities->records, sizeof(ecsi_record));
    ecsi_vec_destroy(memory, &entities->free_list, sizeof(ecs_entity));
    entities->front.records = NULL;
}

static inline ecsi_record *ecsi_entities_record(const ecsi_entities *entities, uint32_t index)
{
    ECSI_CHECK(index < entities->front.record_count);
    return &entities->front.records[index];
}

/* Chunk id and row of a record; the id is 0 when the entity has no row. */
static inline uint32_t ecsi_record_chunk(const ecsi_entities *entities,
                                         const ecsi_record *record)
{
    return record->place >> entities->front.row_bits;
}

static inline uint32_t ecsi_record_row(const ecsi_entities *entities, const ecsi_record *record)
{
    return record->place & ((1u << entities->front.row_bits) - 1u);
}

static inline void ecsi_record_place(const ecsi_entities *entities, ecsi_record *record,
                                     uint32_t chunk, uint32_t row)
{
    ECSI_CHECK(chunk != 0);
    ECSI_CHECK(row >> entities->front.row_bits == 0);
    record->place = chunk << entities->front.row_bits | row;
}

/* The record of a living entity, or NULL. */
static inline ecsi_record *ecsi_entities_find(const ecsi_entities *entities, ecs_entity entity)
{
    uint32_t index = ecs_index(entity);
    ecsi_record *record;
    if (ECSI_UNLIKELY(index >= entities->front.record_count)) return NULL;
    record = &entities->front.records[index];
    if (ECSI_UNLIKELY(record->generation != ecs_generation(entity))) return NULL;
    ECSI_CHECK(record->place == 0 || record->generation != 0);
    ECSI_CHECK(record->place == 0 || ecsi_record_chunk(entities, record) != 0);
    return ECSI_LIKELY(record->place != 0) ? record : NULL;
}

static inline ecs_entity ecsi_entities_handle(const ecsi_entities *entities, uint32_t index)
{
    ecs_entity e;
    ECSI_CHECK(index < entities->front.record_count);
    ECSI_CHECK(entities->front.records[index].generation != 0);
    e.bits = (uint64_t)entities->front.records[index].generation << 32 | index;
    return e;
}

/* Makes sure that `count` slots can be taken, and that every slot can be freed later without
 * memory. ECS_FULL or ECS_NO_MEMORY: nothing changed. */
static inline ecs_status ecsi_entities_reserve(ecsi_memory *memory, ecsi_entities *entities,
                                               uint32_t count)
{
    uint64_t need;
    ecs_status status;
    if (ECSI_LIKELY(entities->free_list.count >= count)) return ECS_OK;
    need = (uint64_t)entities->front.record_count + (count - entities->free_list.count);
    if (ECSI_LIKELY(need <= entities->records.capacity &&
                    need <= entities->free_list.capacity)) {
        return ECS_OK;
    }
    ECSI_CHECK(entities->free_list.count <= entities->front.record_count);
    if (need > entities->max) return ECS_FULL;
    status = ecsi_vec_reserve(memory, &entities->free_list, (uint32_t)need, entities->max,
                              sizeof(ecs_entity));
    if (status != ECS_OK) return status;
    entities->records.count = entities->front.record_count;
    status = ecsi_vec_reserve(memory, &entities->records, (uint32_t)need, entities->max,
                              sizeof(ecsi_record));
    entities->front.records = (ecsi_record *)entities->records.data;
    ECSI_CHECK(status != ECS_OK || need <= entities->records.capacity);
    return status;
}

/* Takes the newest free slot, or a new one. It has no row yet. */
static inline ecs_entity ecsi_entities_take(ecsi_entities *entities)
{
    ecsi_record *record;
    ecs_entity e;
    if (entities->free_list.count > 0) {
        e = *ECSI_VEC_AT(ecs_entity, &entities->free_list, --entities->free_list.count);
    } else {
        ECSI_CHECK(entities->front.record_count < entities->records.capacity);
        e.bits = (uint64_t)1 << 32 | entities->front.record_count++;
    }
    record = ecsi_entities_record(entities, ecs_index(e));
    ECSI_CHECK(ecs_generation(e) != 0);
    record->generation = ecs_generation(e);
    record->place = 0;
    entities->front.alive_count++;
    ECSI_CHECK(entities->free_list.count <=
               entities->front.record_count - entities->front.alive_count);
    return e;
}

/* Frees a slot. One whose generation would wrap is retired: never handed out again. */
static inline void ecsi_entities_give(ecsi_entities *entities, uint32_t index)
{
    ecsi_record *record = ecsi_entities_record(entities, index);
    uint32_t generation = record->generation + 1;
    ecs_entity next;
    ECSI_CHECK(entities->front.alive_count > 0);
    ECSI_CHECK(record->generation != 0);
    entities->front.alive_count--;
    record->generation = 0;
    record->place = 0;
    if (ECSI_UNLIKELY(generation == 0)) return;
    ECSI_CHECK(entities->free_list.count < entities->free_list.capacity);
    next.bits = (uint64_t)generation << 32 | index;
    *ECSI_VEC_AT(ecs_entity, &entities->free_list, entities->free_list.count++) = next;
}

#endif /* ECS_ENTITY_H */

/* >>component ============================================== src/component.h */

/* component.h: types as a world knows them: identity, hooks, required components. */
/* floor: 5 */
#ifndef ECS_COMPONENT_H
#define ECS_COMPONENT_H

/* Bytes of one value. */
#define ECSI_TYPE_BYTES_MAX (1u << 28)

/* Required pairs: what one component brings along. */
typedef struct ecsi_require {
    uint32_t component;
    uint32_t required;
} ecsi_require;

typedef struct ecsi_component {
    ecs_type type; /* name points to `name`, hooks to `hooks` or NULL */
    ecs_hooks hooks;
    char name[ECS_NAME_BYTES_MAX];
    uint64_t name_hash;
    uint32_t getter;      /* slot plus one; 0: none */
    uint32_t event;       /* index plus one */
    void *resource;       /* its value, once it is one */
    uint32_t *locks;      /* the world's: counts while a hook runs */
    bool lifecycle;       /* copy, move or destroy */
    bool notify;          /* on_add, on_set or on_remove */
    bool references;      /* members of kind ENTITY */
    bool requires_others;
    bool hash_whole;      /* its bytes can be hashed in one go: no padding that we know of */
} ecsi_component;

typedef struct ecsi_components {
    ecsi_memory *memory;
    ecs_world *world;      /* for hooks */
    ecsi_vec list;         /* of ecsi_component *; id minus one */
    ecsi_vec requires_list;
    ecsi_map by_address;
    ecsi_map by_name;
    uint32_t max;
    uint32_t *locks;       /* the world's: counts while a hook runs */
    size_t resource_bytes;
    size_t resource_bytes_max;
    ecsi_atomic_u32 lock;  /* see ecsi_registry_lock */
} ecsi_components;

/* Bytes that ecsi_keep may need for one component, its copied members included. */
#define ECSI_COMPONENT_KEEP_BYTES (sizeof(ecsi_component) + 8 * sizeof(ecs_member) + 64)

static ecs_status ecsi_components_create(ecsi_components *components, uint32_t max)
{
    ecsi_memory *memory = components->memory;
    ecs_status status;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(components->list.data == NULL);
    components->max = max;
    status = ecsi_vec_create(memory, &components->list, max, sizeof(ecsi_component *));
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &components->requires_list, max, sizeof(ecsi_require));
    }
    /* Several units may describe one type: each has an address of its own. */
    if (status == ECS_OK) status = ecsi_map_create(memory, &components->by_address, max * 4);
    if (status == ECS_OK) status = ecsi_map_create(memory, &components->by_name, max);
    return status;
}

static inline ecsi_component *ecsi_component_at(const ecsi_components *components, uint32_t id)
{
    ECSI_CHECK(id != 0 && id <= components->list.count);
    return *ECSI_VEC_AT(ecsi_component *, &components->list, id - 1);
}

static inline bool ecsi_component_known(const ecsi_components *components, uint32_t id)
{
    return id != 0 && id <= components->list.count;
}

/* ---- Values ---------------------------------------------------------------------- */

/* Locks the world while a hook runs. Workers that record must not count: in a tick it is locked
 * already. */
static inline uint32_t ecsi_hook_lock(const ecsi_component *component)
{
    ECSI_CHECK(component->locks != NULL);
    if (*component->locks != 0) return 0;
    *component->locks = 1;
    return 1;
}

static inline void ecsi_hook_unlock(const ecsi_component *component, uint32_t locked)
{
    ECSI_CHECK(locked <= 1);
    if (locked != 0) *component->locks = 0;
}

/* Builds `count` values in raw memory: init, or zero. */
static void ecsi_values_init(const ecsi_component *component, void *values, uint32_t count)
{
    ECSI_CHECK(component->type.bytes > 0);
    ECSI_CHECK(values != NULL);
    if (component->hooks.init != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.init(values, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    } else {
        memset(values, 0, (size_t)count * component->type.bytes);
    }
}

/* Builds copies in raw memory. */
static void ecsi_values_copy(const ecsi_component *component, void *to, const void *from,
                             uint32_t count)
{
    ECSI_CHECK(to != from);
    ECSI_CHECK(from != NULL);
    if (component->hooks.copy != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.copy(to, from, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    } else {
        memcpy(to, from, (size_t)count * component->type.bytes);
    }
}

/* Builds in raw memory what `from` held; `from` is raw memory afterwards. */
static void ecsi_values_move(const ecsi_component *component, void *to, void *from,
                             uint32_t count)
{
    ECSI_CHECK(to != from);
    ECSI_CHECK(to != NULL);
    if (component->hooks.move != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.move(to, from, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    } else {
        memcpy(to, from, (size_t)count * component->type.bytes);
    }
}

static void ecsi_values_destroy(const ecsi_component *component, void *values, uint32_t count)
{
    ECSI_CHECK(values != NULL);
    ECSI_CHECK(count > 0);
    if (component->hooks.destroy != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.destroy(values, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    }
}

/* A notice to the user; the world is locked while it runs. */
static void ecsi_notify(const ecsi_components *components,
                        void (*hook)(ecs_world *, ecs_entity, void *, void *),
                        const ecsi_component *component, ecs_entity entity, void *value)
{
    if (hook == NULL) return;
    ECSI_CHECK(components->locks != NULL);
    ECSI_CHECK(!ecs_is_null(entity));
    *components->locks += 1;
    hook(components->world, entity, value, component->hooks.user);
    ECSI_CHECK(*components->locks > 0);
    *components->locks -= 1;
}

/* Systems of asynchronous groups look types up while the world's thread may register some: they
 * lock, and so does who registers. All others need no lock, for only that thread changes it. */
static inline void ecsi_registry_lock(ecsi_components *components)
{
    ECSI_CHECK(components->memory != NULL);
#ifndef ECS_NO_THREADS
    ecsi_lock(&components->lock);
#endif
}

static inline void ecsi_registry_unlock(ecsi_components *components)
{
    ECSI_CHECK(components->memory != NULL);
#ifndef ECS_NO_THREADS
    ecsi_unlock(&components->lock);
#endif
}

/* ---- Registration ---------------------------------------------------------------- */

/* Sizes, alignment and members within the limits, and consistent. */
static ecs_status ecsi_type_check(const ecs_type *type)
{
    uint32_t i;
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_REQUIRE(type->name != NULL, ECS_INVALID);
    if (!ecsi_is_power_of_two(type->align)) return ECS_INVALID;
    if (type->bytes > ECSI_TYPE_BYTES_MAX) return ECS_TOO_LARGE;
    if (type->align > ECS_ALIGN_MAX || type->member_count > ECS_MEMBERS_MAX) return ECS_TOO_LARGE;
    if (type->bytes % type->align != 0) return ECS_INVALID;
    if (type->member_count > 0 && type->members == NULL) return ECS_INVALID;
    for (i = 0; i < type->member_count; i++) {
        const ecs_member *m = &type->members[i];
        if (m->offset > type->bytes || m->bytes > type->bytes - m->offset) return ECS_INVALID;
        if (m->kind > ECS_KIND_ENTITY || m->name == NULL) return ECS_INVALID;
        if (m->kind == ECS_KIND_ENTITY && m->bytes % sizeof(ecs_entity) != 0) return ECS_INVALID;
    }
    return ECS_OK;
}

/* One shape: equal size, alignment and members. */
static bool ecsi_type_equal(const ecs_type *a, const ecs_type *b)
{
    uint32_t i;
    ECSI_CHECK(a != NULL);
    ECSI_CHECK(b != NULL);
    if (a->bytes != b->bytes || a->align != b->align) return false;
    if (a->member_count != b->member_count) return false;
    for (i = 0; i < a->member_count; i++) {
        const ecs_member *x = &a->members[i];
        const ecs_member *y = &b->members[i];
        if (x->offset != y->offset || x->bytes != y->bytes) return false;
        if (strcmp(x->name, y->name) != 0) return false;
        if (x->kind == y->kind) continue;
        /* An enumeration is an integer in C and opaque in C++; references must agree. */
        if (x->kind == ECS_KIND_ENTITY || y->kind == ECS_KIND_ENTITY) return false;
        if (x->kind != ECS_KIND_OPAQUE && y->kind != ECS_KIND_OPAQUE) return false;
    }
    return true;
}

/* Id of a registered name, or 0. */
static uint32_t ecsi_component_by_name(const ecsi_components *components, const char *name)
{
    uint64_t hash = ecsi_hash_text(name);
    uint32_t at = 0;
    uint32_t id = ecsi_map_find(&components->by_name, hash, &at);
    ECSI_CHECK(components->by_name.count == components->list.count);
    while (id != ECSI_MAP_NONE) {
        ECSI_CHECK(ecsi_component_known(components, id));
        if (strcmp(ecsi_component_at(components, id)->name, name) == 0) return id;
        id = ecsi_map_next(&components->by_name, hash, &at);
    }
    return 0;
}

/* Id of a description that was registered by its address, or 0. */
static inline uint32_t ecsi_component_by_address(const ecsi_components *components,
                                                 const ecs_type *type)
{
    uint32_t at;
    uint32_t id = ecsi_map_find(&components->by_address, (uint64_t)(uintptr_t)type, &at);
    return ECSI_LIKELY(id != ECSI_MAP_NONE) ? id : 0;
}

/* Follows from the hooks: which paths must call them. */
static void ecsi_component_hooks_set(ecsi_component *component, const ecs_hooks *hooks)
{
    ECSI_CHECK(component != NULL);
    ECSI_CHECK(hooks != NULL);
    component->hooks = *hooks;
    component->type.hooks = &component->hooks;
    component->lifecycle = hooks->init != NULL || hooks->copy != NULL || hooks->move != NULL ||
                           hooks->destroy != NULL;
    component->notify =
        hooks->on_add != NULL || hooks->on_set != NULL || hooks->on_remove != NULL;
}

/* Follows from the members: references, and whether they leave no gap. */
static void ecsi_component_members_read(ecsi_component *component)
{
    const ecs_type *type = &component->type;
    uint32_t covered = 0;
    uint32_t i;
    ECSI_CHECK(type->member_count <= ECS_MEMBERS_MAX);
    ECSI_CHECK(!component->references);
    for (i = 0; i < type->member_count; i++) {
        if (type->members[i].offset == covered) covered += type->members[i].bytes;
        if (type->members[i].kind == ECS_KIND_ENTITY) component->references = true;
    }
    ECSI_CHECK(covered <= type->bytes);
    component->hash_whole = type->member_count == 0 || covered == type->bytes;
}

/* Makes the new entry. Nothing is changed on failure. */
static ecs_status ecsi_component_insert(ecsi_components *components, const ecs_type *type,
                                        bool copy_members, uint32_t *out)
{
    ecsi_memory *memory = components->memory;
    ecsi_keep_mark mark = ecsi_keep_where(memory);
    ecsi_component *c;
    ecs_status status = ecsi_vec_reserve(memory, &components->list, components->list.count + 1,
                                         components->max, sizeof(ecsi_component *));
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(type->name != NULL);
    if (status == ECS_OK) status = ecsi_map_reserve(memory, &components->by_name);
    if (status != ECS_OK) return status;
    c = (ecsi_component *)ecsi_keep(memory, sizeof *c, 16);
    if (c == NULL) return ECS_NO_MEMORY;
    c->type = *type;
    c->locks = components->locks;
    status = ecsi_name_copy(c->name, type->name);
    if (status != ECS_OK) {
        ecsi_keep_rewind(memory, mark);
        return status;
    }
    c->type.name = c->name;
    c->type.hooks = NULL;
    if (copy_members && type->member_count > 0) {
        size_t bytes = type->member_count * sizeof(ecs_member);
        ecs_member *members = (ecs_member *)ecsi_keep(memory, bytes, 16);
        if (members == NULL) {
            ecsi_keep_rewind(memory, mark);
            return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
        }
        memcpy(members, type->members, bytes);
        c->type.members = members;
    }
    c->name_hash = ecsi_hash_text(c->name);
    if (type->hooks != NULL) ecsi_component_hooks_set(c, type->hooks);
    ecsi_component_members_read(c);
    *ECSI_VEC_AT(ecsi_component *, &components->list, components->list.count++) = c;
    ecsi_map_put(&components->by_name, c->name_hash, components->list.count);
    *out = components->list.count;
    ECSI_CHECK(components->by_name.count == components->list.count);
    return ECS_OK;
}

/* ecsi_component_register for who holds the lock; the type is checked. */
static ecs_status ecsi_component_enter(ecsi_components *components, const ecs_type *type,
                                          bool by_address, uint32_t *out)
{
    ecsi_memory *memory = components->memory;
    ecs_status status;
    uint32_t id;
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(type->name != NULL);
    if (by_address) {
        status = ecsi_map_reserve(memory, &components->by_address);
        /* A full map of addresses only means that this unit is looked up by name. */
        if (status == ECS_FULL) by_address = false;
        if (status == ECS_NO_MEMORY) return status;
    }
    id = ecsi_component_by_name(components, type->name);
    if (id == 0) {
        status = ecsi_component_insert(components, type, !by_address, &id);
        if (status != ECS_OK) return status;
    } else if (!ecsi_type_equal(&ecsi_component_at(components, id)->type, type)) {
        return ECS_MISMATCH;
    }
    if (by_address) ecsi_map_put(&components->by_address, (uint64_t)(uintptr_t)type, id);
    *out = id;
    ECSI_CHECK(ecsi_component_known(components, id));
    return ECS_OK;
}

/* Finds or makes the entry of a description; `by_address` remembers where it stands. */
static ecs_status ecsi_component_register(ecsi_components *components, const ecs_type *type,
                                          bool by_address, uint32_t *out)
{
    ecs_status status = ecsi_type_check(type);
    ECSI_CHECK(out != NULL);
    *out = 0;
    if (status != ECS_OK) return status;
    ecsi_registry_lock(components);
    status = ecsi_component_enter(components, type, by_address, out);
    ecsi_registry_unlock(components);
    ECSI_CHECK(status != ECS_OK || *out != 0);
    return status;
}

/* The id for a call that edits: registers a type at its first use. */
static inline ecs_status ecsi_component_need(ecsi_components *components, const ecs_type *type,
                                             uint32_t *out)
{
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_CHECK(out != NULL);
    *out = ecsi_component_by_address(components, type);
    ECSI_CHECK(*out == 0 || ecsi_component_known(components, *out));
    if (ECSI_LIKELY(*out != 0)) return ECS_OK;
    return ecsi_component_register(components, type, true, out);
}

/* The id for a call that reads: 0 when the type is not registered. */
static inline uint32_t ecsi_component_seek(const ecsi_components *components,
                                           const ecs_type *type)
{
    uint32_t id = ecsi_component_by_address(components, type);
    ECSI_CHECK(type != NULL);
    ECSI_CHECK(id == 0 || ecsi_component_known(components, id));
    if (ECSI_LIKELY(id != 0)) return id;
    id = ecsi_component_by_name(components, type->name);
    if (id != 0 && !ecsi_type_equal(&ecsi_component_at(components, id)->type, type)) return 0;
    return id;
}

/* ---- Required components --------------------------------------------------------- */

/* Largest number of components that one component brings along, itself included. */
#define ECSI_REQUIRE_MAX 64u

/* What `component` brings along, itself first; answers how many, or ECSI_REQUIRE_MAX + 1
 * when they do not fit `out`, which has room for ECSI_REQUIRE_MAX. */
static uint32_t ecsi_require_closure(const ecsi_components *components, uint32_t component,
                                     uint32_t *out)
{
    uint32_t count = 1;
    uint32_t done;
    out[0] = component;
    ECSI_CHECK(ecsi_component_known(components, component));
    if (!ecsi_component_at(components, component)->requires_others) return 1;
    for (done = 0; done < count; done++) {
        uint32_t i;
        for (i = 0; i < components->requires_list.count; i++) {
            const ecsi_require *r = ECSI_VEC_AT(ecsi_require, &components->requires_list, i);
            uint32_t at = 0;
            if (r->component != out[done]) continue;
            while (at < count && out[at] != r->required) at++;
            if (at < count) continue;
            if (count == ECSI_REQUIRE_MAX) return ECSI_REQUIRE_MAX + 1;
            out[count++] = r->required;
        }
    }
    ECSI_CHECK(count <= ECSI_REQUIRE_MAX);
    return count;
}

/* Puts `id` into a sorted set that has room for it; answers the new length. */
static uint32_t ecsi_set_insert(uint32_t *ids, uint32_t count, uint32_t id)
{
    uint32_t at = count;
    ECSI_CHECK(ids != NULL);
    ECSI_CHECK(id != 0);
    while (at > 0 && ids[at - 1] > id) at--;
    if (at > 0 && ids[at - 1] == id) return count;
    memmove(&ids[at + 1], &ids[at], (count - at) * sizeof *ids);
    ids[at] = id;
    return count + 1;
}

/* Takes `id` out of a sorted set; answers the new length. */
static uint32_t ecsi_set_erase(uint32_t *ids, uint32_t count, uint32_t id)
{
    uint32_t at = 0;
    ECSI_CHECK(ids != NULL);
    ECSI_CHECK(id != 0);
    while (at < count && ids[at] != id) at++;
    if (at == count) return count;
    memmove(&ids[at], &ids[at + 1], (count - at - 1) * sizeof *ids);
    return count - 1;
}

static void ecsi_components_destroy(ecsi_components *components)
{
    ecsi_memory *memory = components->memory;
    ECSI_CHECK(components->list.count <= components->max);
    ECSI_CHECK(components->by_name.count == components->list.count);
    ecsi_vec_destroy(memory, &components->list, sizeof(ecsi_component *));
    ecsi_vec_destroy(memory, &components->requires_list, sizeof(ecsi_require));
    ecsi_map_destroy(memory, &components->by_address);
    ecsi_map_destroy(memory, &components->by_name);
}

#endif /* ECS_COMPONENT_H */

/* >>storage ================================================== src/storage.h */

/* storage.h: tables, chunks and rows. The store that components live in by default.
 *
 * A table holds the entities of one set of components: one column a component, struct of
 * arrays. Its rows lie in chunks. A chunk is one piece of memory: a header, the change
 * ticks of its row blocks, the handles, the columns. The first chunk starts small and
 * doubles until it has the table's full chunk size; then more chunks follow, and rows
 * never move again for growth. In fixed mode all chunks have one size and come from a pool,
 * so that what is refused follows from the number of rows alone.
 *
 * Everything above asks for rows and values through the functions at the end of this file
 * and never computes an address from a layout; only the iterator of query.h reads columns
 * directly. That is the interface another store has to offer. */
/* floor: 6 */
#ifndef ECS_STORAGE_H
#define ECS_STORAGE_H

/* Rows of the first chunk in grow mode. */
#define ECSI_FIRST_ROWS 16u
/* It grows by this factor: rows are copied a third of a time on average, and memory that is
 * not used yet is not touched. */
#define ECSI_GROWTH 4u
/* Columns of long chunks are moved apart by this much, so that equal rows of two columns
 * do not fall on the same set of the first-level cache. */
#define ECSI_SKEW_BYTES 192u
#define ECSI_SKEW_ROWS_MIN 1024u
/* Bytes of a chunk's header; the change ticks follow it. */
#define ECSI_CHUNK_HEADER_BYTES 64u
/* No column: a tag, or a term without one. */
#define ECSI_NO_COLUMN 0xffffu
/* Components of one table: a column's index must fit 16 bits. */
#define ECSI_TABLE_COMPONENTS_MAX 0xfffeu

struct ecsi_table;

typedef struct ecsi_chunk {
    struct ecsi_table *table;
    struct ecsi_chunk *next;
    struct ecsi_chunk *prev;
    size_t bytes;
    uint32_t id;
    uint32_t count; /* rows in use */
    uint32_t capacity;
    uint32_t number; /* of the chunk in its table: 0, 1, ... */
} ecsi_chunk;

typedef struct ecsi_column {
    uint32_t offset; /* from the chunk's start */
    uint32_t bytes;  /* of one value */
    uint32_t component;
    bool lifecycle;
} ecsi_column;

typedef struct ecsi_table_slot {
    uint32_t component; /* 0: free */
    uint32_t column;    /* ECSI_NO_COLUMN: a tag */
} ecsi_table_slot;

typedef struct ecsi_table {
    ecsi_chunk *first;
    ecsi_chunk *last; /* the last with rows, or the first; one empty spare may follow */
    uint32_t row_count;
    uint32_t column_count;
    uint32_t block_rows; /* rows of one row block */
    uint32_t block_shift; /* row to block in its chunk */
    uint32_t blocks;     /* row blocks of one chunk, at its capacity */
    ecsi_column *columns;
    uint32_t entities_offset;
    uint32_t edge_key; /* the edge that was followed last: component * 2 + (1: remove) */
    struct ecsi_table *edge_to;
    uint32_t id;
    bool lifecycle; /* some component has such hooks */
    bool notify;
    uint32_t capacity;   /* of its chunks now */
    uint32_t chunk_rows; /* that it grows to */
    uint32_t chunk_count;
    uint32_t align;
    uint32_t component_count;
    uint32_t slot_count; /* power of two */
    uint32_t slot_shift;
    uint32_t *ids; /* sorted, tags included */
    ecsi_table_slot *slots;
    uint64_t hash;
    uint64_t bloom; /* one bit a component, of 64 */
} ecsi_table;

typedef struct ecsi_storage {
    ecsi_memory *memory;
    ecsi_entities *entities;
    ecsi_components *components;
    const uint64_t *tick;
    ecs_status (*on_table)(void *user, ecsi_table *table); /* query.h: match it */
    void *on_table_user;
    ecsi_vec tables;   /* of ecsi_table *, by id */
    ecsi_map by_set;   /* hash of the set */
    ecsi_map edges;    /* table id and edge key */
    ecsi_vec chunks;   /* of ecsi_chunk *, by id; 0 is none */
    ecsi_vec free_ids; /* of uint32_t, a stack */
    ecsi_vec scratch;  /* of uint32_t: a set of components */
    ecsi_getter_slot *getters;
    uint32_t *getter_capacity; /* entries of each slot's bases */
    uint32_t getter_count;
    uint32_t getters_max;
    uint32_t tables_max;
    uint32_t slots_max; /* components of all tables */
    uint32_t slot_total;
    uint32_t chunk_bytes;
    uint32_t chunks_max;
    uint32_t row_block_rows;
    uint32_t chunk_count;
    size_t chunk_bytes_total;
    unsigned char *pool; /* fixed: chunks_max pieces of chunk_bytes */
    ecsi_chunk *retired; /* replaced by a larger one; only its bytes count */
    uint32_t retired_align;
} ecsi_storage;

/* Bytes that ecsi_keep may need for one table, and for each of its components. */
#define ECSI_TABLE_KEEP_BYTES (sizeof(ecsi_table) + 4 * sizeof(ecsi_table_slot) + 256)
#define ECSI_SLOT_KEEP_BYTES                                                       \
    (sizeof(uint32_t) + sizeof(ecsi_column) + 4 * sizeof(ecsi_table_slot))

/* ---- Addresses -------------------------------------------------------------------- */

static inline unsigned char *ecsi_chunk_bytes(ecsi_chunk *chunk)
{
    return (unsigned char *)chunk;
}

static inline ecs_entity *ecsi_chunk_entities(ecsi_chunk *chunk)
{
    return (ecs_entity *)(void *)(ecsi_chunk_bytes(chunk) + chunk->table->entities_offset);
}

static inline void *ecsi_chunk_value(ecsi_chunk *chunk, const ecsi_column *column, uint32_t row)
{
    ECSI_CHECK(row < chunk->capacity);
    return ecsi_chunk_bytes(chunk) + column->offset + (size_t)row * column->bytes;
}

/* Change ticks of a row block: one for rows that came or moved, then one for each column whose
 * values were written. A value counts as changed when either of them is new. */
static inline uint64_t *ecsi_chunk_ticks(ecsi_chunk *chunk)
{
    return (uint64_t *)(void *)(ecsi_chunk_bytes(chunk) + ECSI_CHUNK_HEADER_BYTES);
}

/* The tick at which a row came to this row block last. */
static inline uint64_t *ecsi_chunk_row_tick(ecsi_chunk *chunk, uint32_t row)
{
    ECSI_CHECK(row >> chunk->table->block_shift < chunk->table->blocks);
    return &ecsi_chunk_ticks(chunk)[row >> chunk->table->block_shift];
}

/* The tick at which something in this row block of this column was written last. */
static inline uint64_t *ecsi_chunk_tick(ecsi_chunk *chunk, uint32_t column, uint32_t row)
{
    const ecsi_table *table = chunk->table;
    ECSI_CHECK(column < table->column_count);
    ECSI_CHECK(row < chunk->capacity);
    return &ecsi_chunk_ticks(chunk)[((size_t)column + 1) * table->blocks +
                                    (row >> table->block_shift)];
}

static inline ecsi_table *ecsi_table_at(const ecsi_storage *storage, uint32_t id)
{
    ECSI_CHECK(id < storage->tables.count);
    return *ECSI_VEC_AT(ecsi_table *, &storage->tables, id);
}

static inline ecsi_chunk *ecsi_chunk_at(const ecsi_storage *storage, uint32_t id)
{
    ECSI_CHECK(id != 0 && id < storage->chunks.count);
    return *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, id);
}

/* The chunk of an entity that has a row. */
static inline ecsi_chunk *ecsi_record_chunk_at(const ecsi_storage *storage,
                                               const ecsi_record *record)
{
    return ecsi_chunk_at(storage, ecsi_record_chunk(storage->entities, record));
}

/* Where a component is in a table, or NULL. */
static inline const ecsi_table_slot *ecsi_table_find(const ecsi_table *table, uint32_t component)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t i = (component * 0x9e3779b1u) >> table->slot_shift;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(table->slot_count > table->component_count);
    for (;; i++) {
        const ecsi_table_slot *slot = &table->slots[i & mask];
        if (ECSI_LIKELY(slot->component == component)) return slot;
        if (slot->component == 0) return NULL;
    }
}

/* ---- Layout ----------------------------------------------------------------------- */

static uint32_t ecsi_component_align(const ecsi_storage *storage, uint32_t component)
{
    uint32_t align = ecsi_component_at(storage->components, component)->type.align;
    ECSI_CHECK(align <= ECS_ALIGN_MAX);
    return ecsi_max_u32(align, 64);
}

/* Where column `index` starts, when what stands before it ends at `end`. */
static size_t ecsi_layout_column(const ecsi_storage *storage, const ecsi_table *table,
                                 uint32_t index, size_t end, uint32_t capacity)
{
    if (capacity >= ECSI_SKEW_ROWS_MIN) end += ECSI_SKEW_BYTES;
    ECSI_CHECK(index < table->column_count);
    return ecsi_align_up(end, ecsi_component_align(storage, table->columns[index].component));
}

static uint32_t ecsi_layout_blocks(const ecsi_table *table, uint32_t capacity)
{
    ECSI_CHECK(table->block_rows > 0);
    return ecsi_max_u32(1, (capacity + table->block_rows - 1) / table->block_rows);
}

/* Where the handles start. */
static size_t ecsi_layout_entities(const ecsi_table *table, uint32_t capacity)
{
    size_t ticks = ((size_t)table->column_count + 1) * ecsi_layout_blocks(table, capacity) * 8;
    ECSI_CHECK(sizeof(ecsi_chunk) <= ECSI_CHUNK_HEADER_BYTES);
    return ecsi_align_up(ECSI_CHUNK_HEADER_BYTES + ticks, 64);
}

/* Bytes of a chunk of so many rows. */
static size_t ecsi_layout_bytes(const ecsi_storage *storage, const ecsi_table *table,
                                uint32_t capacity)
{
    size_t end = ecsi_layout_entities(table, capacity) + (size_t)capacity * sizeof(ecs_entity);
    uint32_t i;
    ECSI_CHECK(capacity > 0);
    ECSI_CHECK(ecsi_is_power_of_two(table->align));
    for (i = 0; i < table->column_count; i++) {
        end = ecsi_layout_column(storage, table, i, end, capacity) +
              (size_t)capacity * table->columns[i].bytes;
    }
    return ecsi_align_up(end, table->align);
}

/* Sets the offsets for chunks of so many rows. */
static void ecsi_layout_set(const ecsi_storage *storage, ecsi_table *table, uint32_t capacity)
{
    size_t end;
    uint32_t i;
    table->capacity = capacity;
    table->blocks = ecsi_layout_blocks(table, capacity);
    table->entities_offset = (uint32_t)ecsi_layout_entities(table, capacity);
    end = table->entities_offset + (size_t)capacity * sizeof(ecs_entity);
    for (i = 0; i < table->column_count; i++) {
        end = ecsi_layout_column(storage, table, i, end, capacity);
        table->columns[i].offset = (uint32_t)end;
        end += (size_t)capacity * table->columns[i].bytes;
    }
    ECSI_CHECK(end <= 0xffffffffu);
    ECSI_CHECK(capacity <= table->chunk_rows);
    ECSI_CHECK(table->entities_offset % 64 == 0);
}

/* The largest number of rows whose chunk fits `chunk_bytes`: whole row blocks when there is
 * room for one; 0 when not even one row fits. */
static uint32_t ecsi_layout_rows(const ecsi_storage *storage, ecsi_table *table)
{
    size_t bytes = sizeof(ecs_entity);
    uint32_t rows;
    uint32_t i;
    ECSI_CHECK(ecsi_is_power_of_two(storage->row_block_rows));
    table->block_rows = storage->row_block_rows;
    for (i = 0; i < table->column_count; i++) bytes += table->columns[i].bytes;
    rows = (uint32_t)(storage->chunk_bytes / bytes);
    rows = ecsi_min_u32(rows, 1u << storage->entities->front.row_bits);
    if (rows >= storage->row_block_rows) rows -= rows % storage->row_block_rows;
    table->block_shift = 31u;
    if (rows == 0) return 0;
    /* Headers and alignment take their part; each round takes a step of it away. */
    while (rows > 0 && ecsi_layout_bytes(storage, table, rows) > storage->chunk_bytes) {
        uint32_t step = rows > storage->row_block_rows ? storage->row_block_rows : rows / 8 + 1;
        rows -= ecsi_min_u32(step, rows);
    }
    if (rows < storage->row_block_rows && rows >= 64) rows -= rows % 64;
    table->block_rows = ecsi_max_u32(1, ecsi_min_u32(storage->row_block_rows, rows));
    table->block_shift = rows > storage->row_block_rows
                             ? ecsi_lowest_bit(storage->row_block_rows) : 31u;
    ECSI_CHECK(table->block_shift == 31u || table->block_rows == 1u << table->block_shift);
    ECSI_CHECK(rows == 0 || ecsi_layout_bytes(storage, table, rows) <= storage->chunk_bytes);
    return rows;
}

/* ---- Getters: the columns of one component by chunk id ---------------------------- */

/* Tells the getters where a chunk's columns are; `here` false: nowhere. */
static void ecsi_getters_note(ecsi_storage *storage, ecsi_chunk *chunk, bool here)
{
    const ecsi_table *table = chunk->table;
    uint32_t i;
    ECSI_CHECK(chunk->id != 0);
    ECSI_CHECK(chunk->id < storage->chunks.count);
    if (storage->getter_count == 0) return;
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        uint32_t getter = ecsi_component_at(storage->components, column->component)->getter;
        if (getter == 0) continue;
        ECSI_CHECK(chunk->id < storage->getter_capacity[getter - 1]);
        storage->getters[getter - 1].bases[chunk->id] =
            here ? ecsi_chunk_bytes(chunk) + column->offset : NULL;
    }
}

/* Gives a getter room for `capacity` chunk ids. */
static ecs_status ecsi_getter_reserve(ecsi_storage *storage, uint32_t index, uint32_t capacity)
{
    ecsi_getter_slot *slot = &storage->getters[index];
    uint32_t old = storage->getter_capacity[index];
    unsigned char **bases;
    ECSI_CHECK(index < storage->getters_max);
    ECSI_CHECK(slot->bases != NULL || old == 0);
    if (capacity <= old) return ECS_OK;
    bases = (unsigned char **)ecsi_alloc(storage->memory, capacity * sizeof *bases, 16);
    if (bases == NULL) return ECS_NO_MEMORY;
    memset(bases, 0, capacity * sizeof *bases);
    if (old > 0) memcpy(bases, slot->bases, old * sizeof *bases);
    ecsi_release(storage->memory, slot->bases, old * sizeof *bases, 16);
    slot->bases = bases;
    storage->getter_capacity[index] = capacity;
    return ECS_OK;
}

/* The slot of a component's getter; made at the first call. */
static ecs_status ecsi_getter_need(ecsi_storage *storage, uint32_t component,
                                   const ecsi_getter_slot **out)
{
    ecsi_component *c = ecsi_component_at(storage->components, component);
    uint32_t index = storage->getter_count;
    uint32_t t;
    ECSI_CHECK(out != NULL);
    if (c->type.bytes == 0) return ECS_UNSUPPORTED;
    if (c->getter == 0) {
        ecs_status status;
        if (index == storage->getters_max) return ECS_FULL;
        status = ecsi_getter_reserve(storage, index, ecsi_max_u32(storage->chunks.capacity, 1));
        if (status != ECS_OK) return status;
        storage->getters[index].component = component;
        storage->getter_count++;
        c->getter = storage->getter_count;
        for (t = 0; t < storage->tables.count; t++) {
            ecsi_chunk *chunk = ecsi_table_at(storage, t)->first;
            for (; chunk != NULL; chunk = chunk->next) ecsi_getters_note(storage, chunk, true);
        }
    }
    ECSI_CHECK(c->getter <= storage->getter_count);
    ECSI_CHECK(storage->getters[c->getter - 1].component == component);
    *out = &storage->getters[c->getter - 1];
    return ECS_OK;
}

/* ---- Chunks ----------------------------------------------------------------------- */

/* Makes sure that a chunk id is free. */
static ecs_status ecsi_chunk_id_reserve(ecsi_storage *storage)
{
    ecsi_memory *memory = storage->memory;
    uint32_t need = ecsi_max_u32(storage->chunks.count, 1); /* id 0 is none */
    uint32_t i;
    ecs_status status;
    ECSI_CHECK(storage->chunks.count <= storage->chunks_max + 1);
    if (storage->free_ids.count > 0) return ECS_OK;
    if (need > storage->chunks_max) return ECS_FULL;
    status = ecsi_vec_reserve(memory, &storage->chunks, need + 1, storage->chunks_max + 1,
                              sizeof(ecsi_chunk *));
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(memory, &storage->free_ids, need + 1,
                                  storage->chunks_max + 1, sizeof(uint32_t));
    }
    for (i = 0; i < storage->getter_count && status == ECS_OK; i++) {
        status = ecsi_getter_reserve(storage, i, storage->chunks.capacity);
    }
    ECSI_CHECK(status == ECS_OK || storage->free_ids.count == 0);
    return status;
}

static uint32_t ecsi_chunk_id_take(ecsi_storage *storage)
{
    ECSI_CHECK(storage->chunks.capacity > 0);
    if (storage->free_ids.count > 0) {
        storage->free_ids.count--;
        return *ECSI_VEC_AT(uint32_t, &storage->free_ids, storage->free_ids.count);
    }
    if (storage->chunks.count == 0) storage->chunks.count = 1;
    ECSI_CHECK(storage->chunks.count < storage->chunks.capacity);
    return storage->chunks.count++;
}

/* Memory for the chunk of that id. */
static ecsi_chunk *ecsi_chunk_memory(ecsi_storage *storage, uint32_t id, size_t bytes,
                                     uint32_t align)
{
    ecsi_memory *memory = storage->memory;
    ecsi_chunk *chunk;
    ECSI_CHECK(id != 0);
    ECSI_CHECK(id <= storage->chunks_max);
    ECSI_CHECK(!memory->fixed || bytes <= storage->chunk_bytes);
    if (memory->fixed) {
        chunk = (ecsi_chunk *)(void *)(storage->pool + (size_t)(id - 1) * storage->chunk_bytes);
        bytes = storage->chunk_bytes;
    } else {
        chunk = (ecsi_chunk *)ecsi_alloc(memory, bytes, align);
        if (chunk == NULL) return NULL;
    }
    ECSI_CHECK((uintptr_t)chunk % align == 0);
    memset(chunk, 0, sizeof *chunk);
    chunk->bytes = bytes;
    chunk->id = id;
    storage->chunk_bytes_total += bytes;
    return chunk;
}

static void ecsi_chunk_memory_free(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t align)
{
    ECSI_CHECK(storage->chunk_bytes_total >= chunk->bytes);
    ECSI_CHECK(chunk->bytes > 0);
    storage->chunk_bytes_total -= chunk->bytes;
    ecsi_release(storage->memory, chunk, chunk->bytes, align);
}

/* Takes an empty chunk out of its table and gives it back. */
static void ecsi_chunk_free(ecsi_storage *storage, ecsi_chunk *chunk)
{
    ecsi_table *table = chunk->table;
    ECSI_CHECK(chunk->count == 0);
    ECSI_CHECK(chunk == ecsi_chunk_at(storage, chunk->id));
    ECSI_CHECK(table->chunk_count > 0);
    ECSI_CHECK(chunk->next == NULL);
    ecsi_getters_note(storage, chunk, false);
    if (chunk->prev != NULL) chunk->prev->next = NULL;
    if (table->first == chunk) table->first = NULL;
    if (table->last == chunk) table->last = chunk->prev;
    table->chunk_count--;
    storage->chunk_count--;
    *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, chunk->id) = NULL;
    *ECSI_VEC_AT(uint32_t, &storage->free_ids, storage->free_ids.count++) = chunk->id;
    ecsi_chunk_memory_free(storage, chunk, table->align);
}

/* Frees the chunks of a table that hold no row: the spare, or what was reserved and is not used
 * yet, and the first of an empty one. */
static void ecsi_table_trim(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *tail = table->last;
    while (tail != NULL && tail->next != NULL) tail = tail->next;
    while (tail != table->last) {
        tail = tail->prev;
        ecsi_chunk_free(storage, tail->next);
    }
    if (table->row_count == 0 && table->first != NULL) ecsi_chunk_free(storage, table->first);
    ECSI_CHECK(table->last == NULL || table->last->next == NULL);
    ECSI_CHECK((table->first == NULL) == (table->last == NULL));
}

/* Fixed mode, no free chunk: takes back what empty tables and spares hold, so that only
 * rows count and never who was first. */
static void ecsi_storage_trim(ecsi_storage *storage, const ecsi_table *except)
{
    uint32_t t;
    ECSI_CHECK(storage->memory->fixed);
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table *table = ecsi_table_at(storage, t);
        if (table != except) ecsi_table_trim(storage, table);
    }
    ECSI_CHECK(storage->chunk_count <= storage->chunks_max);
}

/* A new chunk of the table's capacity at its end. */
static ecs_status ecsi_chunk_make(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *chunk;
    uint32_t id;
    ecs_status status = ecsi_chunk_id_reserve(storage);
    ECSI_CHECK(table->last == NULL || table->last->next == NULL);
    ECSI_CHECK((table->first == NULL) == (table->chunk_count == 0));
    if (status == ECS_FULL && storage->memory->fixed) {
        ecsi_storage_trim(storage, table);
        status = ecsi_chunk_id_reserve(storage);
    }
    if (status != ECS_OK) return status;
    id = ecsi_chunk_id_take(storage);
    ECSI_CHECK(id != 0 && id < storage->chunks.count);
    chunk = ecsi_chunk_memory(storage, id, ecsi_layout_bytes(storage, table, table->capacity),
                              table->align);
    if (chunk == NULL) {
        *ECSI_VEC_AT(uint32_t, &storage->free_ids, storage->free_ids.count++) = id;
        return ECS_NO_MEMORY;
    }
    chunk->table = table;
    chunk->capacity = table->capacity;
    chunk->number = table->chunk_count;
    memset(ecsi_chunk_ticks(chunk), 0,
           ((size_t)table->column_count + 1) * table->blocks * sizeof(uint64_t));
    chunk->prev = table->last;
    if (table->last != NULL) table->last->next = chunk;
    if (table->first == NULL) table->first = chunk;
    if (table->last == NULL) table->last = chunk;
    table->chunk_count++;
    storage->chunk_count++;
    *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, id) = chunk;
    ecsi_getters_note(storage, chunk, true);
    return ECS_OK;
}

/* Keeps a replaced chunk until the next one is replaced: the values of the call that made the
 * table grow may lie in it. */
static void ecsi_chunk_retire(ecsi_storage *storage, ecsi_chunk *old, uint32_t align)
{
    ECSI_CHECK(!storage->memory->fixed);
    ECSI_CHECK(old != storage->retired);
    if (storage->retired != NULL) {
        ecsi_release(storage->memory, storage->retired, storage->retired->bytes,
                     storage->retired_align);
    }
    storage->chunk_bytes_total -= old == NULL ? 0 : old->bytes;
    storage->retired = old;
    storage->retired_align = align;
}

/* Where a caller's value is now: growth may have moved the row that it lies in. */
static const void *ecsi_storage_follow(const ecsi_storage *storage, const void *value)
{
    ecsi_chunk *old = storage->retired;
    size_t at = old == NULL ? 0 : (size_t)((uintptr_t)value - (uintptr_t)old);
    const ecsi_table *table;
    size_t end;
    uint32_t i;
    if (old == NULL || (uintptr_t)value < (uintptr_t)old || at >= old->bytes) return value;
    table = old->table;
    end = ecsi_layout_entities(table, old->capacity) + (size_t)old->capacity * sizeof(ecs_entity);
    ECSI_CHECK(table->first != NULL);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        end = ecsi_layout_column(storage, table, i, end, old->capacity);
        if (at >= end && at < end + (size_t)old->capacity * column->bytes) {
            return ecsi_chunk_bytes(table->first) + column->offset + (at - end);
        }
        end += (size_t)old->capacity * column->bytes;
    }
    ECSI_CHECK(i == table->column_count);
    return value;
}

/* Replaces the only chunk by one of another capacity, with all its rows. */
static ecs_status ecsi_chunk_resize(ecsi_storage *storage, ecsi_table *table, uint32_t capacity)
{
    ecsi_chunk *old = table->first;
    uint32_t old_entities = table->entities_offset;
    uint32_t old_blocks = table->blocks;
    uint32_t blocks = ecsi_layout_blocks(table, capacity);
    size_t end = ecsi_layout_entities(table, capacity);
    ecsi_chunk *chunk = ecsi_chunk_memory(
        storage, old->id, ecsi_layout_bytes(storage, table, capacity), table->align);
    uint32_t i;
    ECSI_CHECK(!storage->memory->fixed);
    ECSI_CHECK(capacity <= table->chunk_rows);
    ECSI_CHECK(old == table->last && old->next == NULL && old->count <= capacity);
    if (chunk == NULL) return ECS_NO_MEMORY;
    chunk->table = table;
    chunk->capacity = capacity;
    chunk->count = old->count;
    memset(ecsi_chunk_ticks(chunk), 0,
           ((size_t)table->column_count + 1) * blocks * sizeof(uint64_t));
    for (i = 0; i <= table->column_count; i++) {
        memcpy(ecsi_chunk_ticks(chunk) + (size_t)i * blocks,
               ecsi_chunk_ticks(old) + (size_t)i * old_blocks,
               ecsi_min_u32(blocks, old_blocks) * sizeof(uint64_t));
    }
    memcpy(ecsi_chunk_bytes(chunk) + end, ecsi_chunk_bytes(old) + old_entities,
           old->count * sizeof(ecs_entity));
    end += (size_t)capacity * sizeof(ecs_entity);
    for (i = 0; i < table->column_count; i++) {
        ecsi_column *column = &table->columns[i];
        void *from = ecsi_chunk_bytes(old) + column->offset;
        end = ecsi_layout_column(storage, table, i, end, capacity);
        if (old->count > 0) {
            ecsi_values_move(ecsi_component_at(storage->components, column->component),
                             ecsi_chunk_bytes(chunk) + end, from, old->count);
        }
        end += (size_t)capacity * column->bytes;
    }
    ECSI_CHECK(end <= chunk->bytes);
    ecsi_layout_set(storage, table, capacity);
    table->first = chunk;
    table->last = chunk;
    *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, chunk->id) = chunk;
    ecsi_getters_note(storage, chunk, true);
    ecsi_chunk_retire(storage, old, table->align);
    return ECS_OK;
}

/* Makes room for at least one more row behind the last one, `want` if it is easy. */
static ECSI_NOINLINE ecs_status ecsi_table_grow(ecsi_storage *storage, ecsi_table *table,
                                                uint32_t want)
{
    ecsi_chunk *last = table->last;
    uint32_t capacity = table->capacity;
    ECSI_CHECK(want > 0);
    ECSI_CHECK(capacity > 0 && capacity <= table->chunk_rows);
    ECSI_CHECK(last == NULL || last->table == table);
    if (last != NULL && last->count < last->capacity) return ECS_OK;
    if (last != NULL && last->next != NULL) {
        table->last = last->next;
        return ECS_OK;
    }
    want = ecsi_min_u32(want, table->chunk_rows);
    if (last == NULL) {
        while (capacity < want) capacity = ecsi_min_u32(capacity * ECSI_GROWTH, table->chunk_rows);
        if (capacity != table->capacity) ecsi_layout_set(storage, table, capacity);
        return ecsi_chunk_make(storage, table);
    }
    if (capacity < table->chunk_rows) {
        want = ecsi_min_u32(last->count + want, table->chunk_rows);
        while (capacity < want) capacity = ecsi_min_u32(capacity * ECSI_GROWTH, table->chunk_rows);
        return ecsi_chunk_resize(storage, table, capacity);
    }
    {
        ecs_status status = ecsi_chunk_make(storage, table);
        if (status == ECS_OK) table->last = last->next;
        ECSI_CHECK(status != ECS_OK || table->last != NULL);
        return status;
    }
}

/* Makes room for `count` more rows, or for none: all the chunks that they need follow `last`
 * afterwards. */
static ecs_status ecsi_table_reserve(ecsi_storage *storage, ecsi_table *table, uint32_t count)
{
    ecsi_chunk *last;
    uint64_t room;
    ecs_status status = ecsi_table_grow(storage, table, count);
    ECSI_CHECK(count > 0);
    if (status != ECS_OK) return status;
    ECSI_CHECK(table->last->next == NULL || table->last->next->count == 0);
    last = table->last;
    /* A chunk that can still grow does so first: this is its last chance. */
    if (table->capacity < table->chunk_rows && table->capacity - last->count < count) {
        uint32_t capacity = table->capacity;
        uint64_t want = (uint64_t)last->count + count;
        while (capacity < want && capacity < table->chunk_rows) {
            capacity = ecsi_min_u32(capacity * ECSI_GROWTH, table->chunk_rows);
        }
        status = ecsi_chunk_resize(storage, table, capacity);
        if (status != ECS_OK) return status;
        last = table->last;
    }
    room = last->capacity - last->count;
    if (last->next != NULL) {
        room += last->next->capacity;
        table->last = last->next;
    }
    while (room < count && status == ECS_OK) {
        status = ecsi_chunk_make(storage, table);
        if (status == ECS_OK) {
            if (table->last->next != NULL) table->last = table->last->next;
            room += table->capacity;
        }
    }
    while (status != ECS_OK && table->last != last) ecsi_chunk_free(storage, table->last);
    table->last = last;
    /* Refused: the last chunk is again the last one with rows. */
    if (status != ECS_OK && last->count == 0 && last->prev != NULL) table->last = last->prev;
    ECSI_CHECK(status != ECS_OK || room >= count);
    return status;
}

/* ---- Tables ----------------------------------------------------------------------- */

static uint64_t ecsi_set_hash(const uint32_t *ids, uint32_t count)
{
    ECSI_CHECK(ids != NULL || count == 0);
    return ecsi_hash_bytes(0x7461626c65u, ids, count * sizeof *ids);
}

/* Flags that follow from the components' hooks; again when hooks are set later. */
static void ecsi_table_flags(const ecsi_storage *storage, ecsi_table *table)
{
    uint32_t i;
    table->lifecycle = false;
    table->notify = false;
    ECSI_CHECK(table->component_count >= table->column_count);
    for (i = 0; i < table->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, table->ids[i]);
        table->notify = table->notify || c->notify;
    }
    for (i = 0; i < table->column_count; i++) {
        ecsi_column *column = &table->columns[i];
        column->lifecycle = ecsi_component_at(storage->components, column->component)->lifecycle;
        table->lifecycle = table->lifecycle || column->lifecycle;
    }
}

/* Fills what follows from the sorted set. */
static void ecsi_table_fill(const ecsi_storage *storage, ecsi_table *table, const uint32_t *ids)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t i;
    ECSI_CHECK(table->slot_count > table->component_count);
    ECSI_CHECK(table->column_count == 0);
    table->align = 64;
    for (i = 0; i < table->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, ids[i]);
        uint32_t at = (ids[i] * 0x9e3779b1u) >> table->slot_shift;
        ECSI_CHECK(i == 0 || ids[i - 1] < ids[i]);
        while (table->slots[at & mask].component != 0) at++;
        table->slots[at & mask].component = ids[i];
        table->slots[at & mask].column = ECSI_NO_COLUMN;
        table->ids[i] = ids[i];
        table->bloom |= (uint64_t)1 << (ids[i] & 63u);
        if (c->type.bytes == 0) continue;
        table->slots[at & mask].column = table->column_count;
        table->columns[table->column_count].component = ids[i];
        table->columns[table->column_count].bytes = c->type.bytes;
        table->column_count++;
        table->align = ecsi_max_u32(table->align, c->type.align);
    }
    ecsi_table_flags(storage, table);
}

/* Memory for a table of so many components, from ecsi_keep. */
static ecsi_table *ecsi_table_alloc(ecsi_storage *storage, uint32_t count)
{
    ecsi_memory *memory = storage->memory;
    ecsi_table *table = (ecsi_table *)ecsi_keep(memory, sizeof *table, 64);
    ECSI_CHECK(count <= ECSI_TABLE_COMPONENTS_MAX);
    if (table == NULL) return NULL;
    table->component_count = count;
    table->slot_count = ecsi_round_up_power(ecsi_max_u32(count * 2, 2));
    table->slot_shift = 32 - ecsi_lowest_bit(table->slot_count);
    table->columns = (ecsi_column *)ecsi_keep(memory, count * sizeof(ecsi_column), 16);
    table->slots =
        (ecsi_table_slot *)ecsi_keep(memory, table->slot_count * sizeof(ecsi_table_slot), 16);
    table->ids = (uint32_t *)ecsi_keep(memory, count * sizeof(uint32_t), 4);
    ECSI_CHECK(ecsi_is_power_of_two(table->slot_count));
    return table->columns != NULL && table->slots != NULL && table->ids != NULL ? table : NULL;
}

/* The components that are used first get a getter each, which makes plain access fast; when
 * one is refused they do without. */
static void ecsi_table_getters(ecsi_storage *storage, const ecsi_table *table)
{
    uint32_t i;
    ECSI_CHECK(storage->getter_count <= storage->getters_max);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_getter_slot *slot;
        uint32_t id = table->columns[i].component;
        if (storage->getter_count >= storage->getters_max / 2) return;
        if (ecsi_component_at(storage->components, id)->getter != 0) continue;
        if (ecsi_getter_need(storage, id, &slot) != ECS_OK) return;
        ECSI_CHECK(slot->component == id);
    }
}

/* Makes the table of a sorted set that has none. Nothing is changed on failure. */
static ecs_status ecsi_table_make(ecsi_storage *storage, const uint32_t *ids, uint32_t count,
                                  uint64_t hash, ecsi_table **out)
{
    ecsi_memory *memory = storage->memory;
    ecsi_keep_mark mark = ecsi_keep_where(memory);
    ecsi_table *table;
    ecs_status status;
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(ids != NULL || count == 0);
    ECSI_CHECK(storage->slot_total <= storage->slots_max);
    if (storage->slots_max - storage->slot_total < count) return ECS_FULL;
    if (count > ECSI_TABLE_COMPONENTS_MAX) return ECS_TOO_LARGE;
    status = ecsi_vec_reserve(memory, &storage->tables, storage->tables.count + 1,
                              storage->tables_max, sizeof(ecsi_table *));
    if (status == ECS_OK) status = ecsi_map_reserve(memory, &storage->by_set);
    if (status != ECS_OK) return status;
    table = ecsi_table_alloc(storage, count);
    status = table != NULL ? ECS_OK : memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    if (status == ECS_OK) {
        table->id = storage->tables.count;
        table->hash = hash;
        ecsi_table_fill(storage, table, ids);
        table->chunk_rows = ecsi_layout_rows(storage, table);
        if (table->chunk_rows == 0 && !memory->fixed) table->chunk_rows = table->block_rows = 1;
        if (table->chunk_rows == 0 ||
            ecsi_layout_bytes(storage, table, table->chunk_rows) > 0x7fffffffu) {
            status = ECS_TOO_LARGE;
        }
    }
    if (status == ECS_OK) {
        uint32_t rows = memory->fixed ? table->chunk_rows : ECSI_FIRST_ROWS;
        ecsi_layout_set(storage, table, ecsi_min_u32(rows, table->chunk_rows));
        if (storage->on_table != NULL) status = storage->on_table(storage->on_table_user, table);
    }
    if (status != ECS_OK) {
        ecsi_keep_rewind(memory, mark);
        return status;
    }
    *ECSI_VEC_AT(ecsi_table *, &storage->tables, storage->tables.count++) = table;
    ecsi_map_put(&storage->by_set, hash, table->id);
    storage->slot_total += count;
    ecsi_table_getters(storage, table);
    ECSI_CHECK(storage->by_set.count == storage->tables.count);
    *out = table;
    return ECS_OK;
}

/* The table of a sorted set of components; made when there is none. */
static ecs_status ecsi_table_of_set(ecsi_storage *storage, const uint32_t *ids, uint32_t count,
                                    ecsi_table **out)
{
    uint64_t hash = ecsi_set_hash(ids, count);
    uint32_t at = 0;
    uint32_t id = ecsi_map_find(&storage->by_set, hash, &at);
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(storage->by_set.count == storage->tables.count);
    while (id != ECSI_MAP_NONE) {
        ecsi_table *table = ecsi_table_at(storage, id);
        ECSI_CHECK(table->hash == hash);
        if (table->component_count == count &&
            (count == 0 || memcmp(table->ids, ids, count * sizeof *ids) == 0)) {
            *out = table;
            return ECS_OK;
        }
        id = ecsi_map_next(&storage->by_set, hash, &at);
    }
    return ecsi_table_make(storage, ids, count, hash, out);
}

/* Room in the scratch set for the components of `table` and `more`; NULL when refused. */
static uint32_t *ecsi_scratch_set(ecsi_storage *storage, const ecsi_table *table, uint32_t more)
{
    uint32_t need = (table == NULL ? 0 : table->component_count) + more;
    ecs_status status;
    ECSI_CHECK(need < 0x7fffffffu);
    storage->scratch.count = 0;
    status = ecsi_vec_reserve(storage->memory, &storage->scratch, ecsi_max_u32(need, 1),
                              0x7fffffffu, sizeof(uint32_t));
    if (status != ECS_OK) return NULL;
    if (table != NULL && table->component_count > 0) {
        memcpy(storage->scratch.data, table->ids, table->component_count * sizeof(uint32_t));
    }
    ECSI_CHECK(storage->scratch.capacity >= need);
    return (uint32_t *)storage->scratch.data;
}

/* The slow way over an edge: builds the set and looks for its table. */
static ECSI_NOINLINE ecs_status ecsi_table_edge_slow(ecsi_storage *storage, ecsi_table *table,
                                                     uint32_t component, bool remove,
                                                     ecsi_table **out)
{
    uint64_t key = (uint64_t)table->id << 32 | component * 2u | (remove ? 1u : 0u);
    uint32_t at;
    uint32_t id = ecsi_map_find(&storage->edges, key, &at);
    uint32_t *set;
    uint32_t count = table->component_count;
    ecs_status status;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(ecsi_component_known(storage->components, component));
    if (id != ECSI_MAP_NONE) {
        *out = ecsi_table_at(storage, id);
        return ECS_OK;
    }
    set = ecsi_scratch_set(storage, table, ECSI_REQUIRE_MAX);
    if (set == NULL) return ECS_NO_MEMORY;
    if (remove) {
        count = ecsi_set_erase(set, count, component);
    } else {
        uint32_t added[ECSI_REQUIRE_MAX];
        uint32_t added_count = ecsi_require_closure(storage->components, component, added);
        uint32_t i;
        ECSI_CHECK(added_count <= ECSI_REQUIRE_MAX);
        for (i = 0; i < added_count; i++) count = ecsi_set_insert(set, count, added[i]);
    }
    status = ecsi_table_of_set(storage, set, count, out);
    /* An edge that cannot be remembered is found again the slow way. */
    if (status == ECS_OK && ecsi_map_reserve(storage->memory, &storage->edges) == ECS_OK) {
        ecsi_map_put(&storage->edges, key, (*out)->id);
    }
    return status;
}

/* The table that an entity of `table` gets to when a component is added or removed. */
static inline ecs_status ecsi_table_edge(ecsi_storage *storage, ecsi_table *table,
                                         uint32_t component, bool remove, ecsi_table **out)
{
    uint32_t key = component * 2u | (remove ? 1u : 0u);
    ecs_status status;
    if (ECSI_LIKELY(table->edge_key == key)) {
        *out = table->edge_to;
        return ECS_OK;
    }
    status = ecsi_table_edge_slow(storage, table, component, remove, out);
    ECSI_CHECK(status != ECS_OK || *out != NULL);
    ECSI_CHECK(status != ECS_OK || (ecsi_table_find(*out, component) == NULL) == remove);
    if (status == ECS_OK) {
        table->edge_key = key;
        table->edge_to = *out;
    }
    return status;
}

/* A component requires more from now on: edges that add it are found anew. */
static void ecsi_storage_edges_forget(ecsi_storage *storage)
{
    uint32_t t;
    ECSI_CHECK(storage->edges.count <= storage->edges.slot_count);
    if (storage->edges.slot_count > 0) {
        memset(storage->edges.slots, 0xff, storage->edges.slot_count * sizeof(ecsi_map_slot));
        storage->edges.count = 0;
    }
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table_at(storage, t)->edge_key = 0;
        ECSI_CHECK(ecsi_table_at(storage, t)->id == t);
    }
}

/* ---- Rows: the store's interface --------------------------------------------------- */

/* Makes sure that a row can be added. */
static inline ecs_status ecsi_row_reserve(ecsi_storage *storage, ecsi_table *table)
{
    ECSI_CHECK(table->last == NULL || table->last->table == table);
    ECSI_CHECK(table->capacity <= table->chunk_rows);
    if (ECSI_LIKELY(table->last != NULL && table->last->count < table->last->capacity)) {
        return ECS_OK;
    }
    return ecsi_table_grow(storage, table, 1);
}

/* Adds a row for an entity; ecsi_row_reserve was ECS_OK. Its values are raw memory. */
static inline ecsi_chunk *ecsi_row_push(ecsi_storage *storage, ecsi_table *table,
                                        ecs_entity entity, ecsi_record *record)
{
    ecsi_chunk *chunk = table->last;
    uint32_t row = chunk->count;
    ECSI_CHECK(row < chunk->capacity);
    ECSI_CHECK(chunk->table == table);
    ECSI_CHECK(!ecs_is_null(entity));
    ECSI_CHECK(record == ecsi_entities_record(storage->entities, ecs_index(entity)));
    chunk->count = row + 1;
    table->row_count++;
    *(ecs_entity *)(void *)(ecsi_chunk_bytes(chunk) + table->entities_offset +
                            (size_t)row * sizeof(ecs_entity)) = entity;
    ecsi_record_place(storage->entities, record, chunk->id, row);
    ecsi_chunk_ticks(chunk)[row >> table->block_shift] = *storage->tick;
    return chunk;
}

/* Moves one plain value of the usual sizes without a call. */
static inline void ecsi_bytes_move(void *to, const void *from, uint32_t bytes)
{
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(to != NULL && from != NULL && to != from);
    if (ECSI_LIKELY(bytes == 8)) {
        memcpy(to, from, 8);
        return;
    }
    switch (bytes) {
    case 4: memcpy(to, from, 4); break;
    case 12: memcpy(to, from, 12); break;
    case 16: memcpy(to, from, 16); break;
    case 32: memcpy(to, from, 32); break;
    default: memcpy(to, from, bytes); break;
    }
}

static inline void ecsi_bytes_zero(void *to, uint32_t bytes)
{
    ECSI_CHECK(to != NULL);
    ECSI_CHECK(bytes > 0);
    switch (bytes) {
    case 4: memset(to, 0, 4); break;
    case 8: memset(to, 0, 8); break;
    case 16: memset(to, 0, 16); break;
    default: memset(to, 0, bytes); break;
    }
}

static inline void ecsi_column_move(const ecsi_storage *storage, const ecsi_column *column,
                                    void *to, void *from)
{
    ECSI_CHECK(to != from);
    ECSI_CHECK(column->lifecycle ==
               ecsi_component_at(storage->components, column->component)->lifecycle);
    if (ECSI_UNLIKELY(column->lifecycle)) {
        ecsi_values_move(ecsi_component_at(storage->components, column->component), to, from, 1);
    } else {
        ecsi_bytes_move(to, from, column->bytes);
    }
}

/* The last chunk became empty: it stays as the one spare, an older spare goes. */
static ECSI_NOINLINE void ecsi_table_retreat(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *last = table->last;
    ECSI_CHECK(last->count == 0);
    ECSI_CHECK(table->first != NULL);
    if (last->next != NULL) ecsi_chunk_free(storage, last->next);
    if (last->prev != NULL) table->last = last->prev;
    ECSI_CHECK(table->last->next == NULL || table->last->next->count == 0);
}

/* Takes a row out whose values are gone: the table's last row takes its place. */
static inline void ecsi_row_pop(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t row)
{
    ecsi_table *table = chunk->table;
    ecsi_chunk *last = table->last;
    uint32_t last_row = last->count - 1;
    uint32_t i;
    ECSI_CHECK(last->count > 0);
    ECSI_CHECK(table->row_count >= chunk->count);
    ECSI_CHECK(row < chunk->count);
    if (chunk != last || row != last_row) {
        ecs_entity moved = ecsi_chunk_entities(last)[last_row];
        ecsi_record *record = ecsi_entities_record(storage->entities, ecs_index(moved));
        ECSI_CHECK(ecsi_record_chunk(storage->entities, record) == last->id);
        ECSI_CHECK(ecsi_record_row(storage->entities, record) == last_row);
        ecsi_chunk_entities(chunk)[row] = moved;
        for (i = 0; i < table->column_count; i++) {
            const ecsi_column *column = &table->columns[i];
            void *to = ecsi_chunk_value(chunk, column, row);
            void *from = ecsi_chunk_value(last, column, last_row);
            if (ECSI_UNLIKELY(table->lifecycle)) {
                ecsi_column_move(storage, column, to, from);
            } else {
                ecsi_bytes_move(to, from, column->bytes);
            }
        }
        ecsi_record_place(storage->entities, record, chunk->id, row);
        *ecsi_chunk_row_tick(chunk, row) = *storage->tick;
    }
    last->count = last_row;
    table->row_count--;
    if (ECSI_UNLIKELY(last_row == 0)) ecsi_table_retreat(storage, table);
}

/* Which new values stay raw for the caller to build: one, or those with a mark. */
typedef struct ecsi_raw {
    uint32_t one;
    const unsigned char *marks; /* by component id, or NULL */
} ecsi_raw;

static inline void ecsi_column_init(ecsi_storage *storage, const ecsi_column *column,
                                    void *value, ecsi_raw raw)
{
    if (column->component == raw.one) return;
    if (raw.marks != NULL && raw.marks[column->component] != 0) return;
    ecsi_values_init(ecsi_component_at(storage->components, column->component), value, 1);
}

/* Builds the values of a new row. */
static void ecsi_row_init(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t row, ecsi_raw raw)
{
    const ecsi_table *table = chunk->table;
    uint32_t i;
    ECSI_CHECK(row < chunk->count);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        ecsi_column_init(storage, column, ecsi_chunk_value(chunk, column, row), raw);
    }
}

/* The values of a row on its way to another table, where some have hooks. */
static ECSI_NOINLINE void ecsi_row_move_hooked(ecsi_storage *storage, ecsi_chunk *old,
                                               uint32_t old_row, ecsi_chunk *chunk,
                                               ecsi_raw raw)
{
    const ecsi_column *a = old->table->columns;
    const ecsi_column *a_end = a + old->table->column_count;
    const ecsi_column *b = chunk->table->columns;
    const ecsi_column *b_end = b + chunk->table->column_count;
    uint32_t row = chunk->count - 1;
    ECSI_CHECK(old->table != chunk->table);
    ECSI_CHECK(old_row < old->count);
    while (a < a_end || b < b_end) {
        if (a < a_end && b < b_end && a->component == b->component) {
            ecsi_column_move(storage, a, ecsi_chunk_value(chunk, b, row),
                             ecsi_chunk_value(old, a, old_row));
            a++;
            b++;
        } else if (b == b_end || (a < a_end && a->component < b->component)) {
            if (ECSI_UNLIKELY(a->lifecycle)) {
                ecsi_values_destroy(ecsi_component_at(storage->components, a->component),
                                    ecsi_chunk_value(old, a, old_row), 1);
            }
            a++;
        } else {
            ecsi_column_init(storage, b, ecsi_chunk_value(chunk, b, row), raw);
            b++;
        }
    }
}

/* Moves an entity's row to another table: shared values go along, others end, new ones are
 * built. `ecsi_row_reserve(to)` was ECS_OK. */
static inline void ecsi_row_move(ecsi_storage *storage, ecs_entity entity, ecsi_record *record,
                                 ecsi_table *to, ecsi_raw raw)
{
    ecsi_chunk *old = ecsi_record_chunk_at(storage, record);
    uint32_t old_row = ecsi_record_row(storage->entities, record);
    ecsi_table *from = old->table;
    ecsi_chunk *chunk = ecsi_row_push(storage, to, entity, record);
    uint32_t row = ecsi_record_row(storage->entities, record);
    const ecsi_column *a = from->columns;
    const ecsi_column *a_end = a + from->column_count;
    const ecsi_column *b = to->columns;
    const ecsi_column *b_end = b + to->column_count;
    ECSI_CHECK(from != to);
    ECSI_CHECK(ecs_index(ecsi_chunk_entities(old)[old_row]) == ecs_index(entity));
    ECSI_CHECK(chunk->table == to && row + 1 == chunk->count);
    if (ECSI_UNLIKELY(from->lifecycle || to->lifecycle)) {
        ecsi_row_move_hooked(storage, old, old_row, chunk, raw);
    } else {
        while (b < b_end) {
            unsigned char *value = ecsi_chunk_bytes(chunk) + b->offset + (size_t)row * b->bytes;
            while (a < a_end && a->component < b->component) a++;
            if (a < a_end && a->component == b->component) {
                ecsi_bytes_move(value, ecsi_chunk_bytes(old) + a->offset +
                                           (size_t)old_row * a->bytes, a->bytes);
                a++;
            } else if (b->component != raw.one &&
                       (raw.marks == NULL || raw.marks[b->component] == 0)) {
                ecsi_bytes_zero(value, b->bytes);
            }
            b++;
        }
    }
    ecsi_row_pop(storage, old, old_row);
}

/* Ends all values of rows first to first + count - 1. */
static void ecsi_rows_destroy(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t first,
                              uint32_t count)
{
    const ecsi_table *table = chunk->table;
    uint32_t i;
    ECSI_CHECK(first + count <= chunk->count);
    if (!table->lifecycle || count == 0) return;
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        if (!column->lifecycle) continue;
        ecsi_values_destroy(ecsi_component_at(storage->components, column->component),
                            ecsi_chunk_value(chunk, column, first), count);
    }
}

/* An entity's value of a component, or NULL. */
static inline void *ecsi_row_value(const ecsi_storage *storage, const ecsi_record *record,
                                   uint32_t component)
{
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    const ecsi_table_slot *slot = ecsi_table_find(chunk->table, component);
    ECSI_CHECK(record->place != 0);
    if (slot == NULL || slot->column == ECSI_NO_COLUMN) return NULL;
    ECSI_CHECK(ecsi_record_row(storage->entities, record) < chunk->count);
    return ecsi_chunk_value(chunk, &chunk->table->columns[slot->column],
                            ecsi_record_row(storage->entities, record));
}

/* The row block of a value counts as changed. */
static inline void ecsi_row_touch(const ecsi_storage *storage, const ecsi_record *record,
                                  uint32_t component)
{
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    const ecsi_table_slot *slot = ecsi_table_find(chunk->table, component);
    ECSI_CHECK(record->place != 0);
    ECSI_CHECK(ecsi_record_row(storage->entities, record) < chunk->count);
    if (slot == NULL || slot->column == ECSI_NO_COLUMN) return;
    *ecsi_chunk_tick(chunk, slot->column, ecsi_record_row(storage->entities, record)) =
        *storage->tick;
}

/* ---- Life ------------------------------------------------------------------------- */

/* Gives back what rows do not need; answers the bytes. */
static size_t ecsi_storage_shrink(ecsi_storage *storage)
{
    size_t before = storage->chunk_bytes_total;
    size_t given = storage->retired == NULL ? 0 : storage->retired->bytes;
    uint32_t t;
    if (storage->retired != NULL) ecsi_chunk_retire(storage, NULL, 1);
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table *table = ecsi_table_at(storage, t);
        uint32_t capacity = ECSI_FIRST_ROWS;
        ecsi_table_trim(storage, table);
        if (storage->memory->fixed || table->chunk_count > 1) continue;
        while (capacity < table->row_count) capacity *= ECSI_GROWTH;
        capacity = ecsi_min_u32(capacity, table->chunk_rows);
        if (table->first == NULL) {
            ecsi_layout_set(storage, table, capacity);
        } else if (capacity < table->capacity) {
            /* When there is no memory to move to, the table stays as large as it is. */
            (void)ecsi_chunk_resize(storage, table, capacity);
        }
        ECSI_CHECK(table->row_count <= table->capacity || table->chunk_count > 1);
    }
    ECSI_CHECK(storage->chunk_bytes_total <= before);
    if (storage->retired != NULL) ecsi_chunk_retire(storage, NULL, 1);
    return given + (before - storage->chunk_bytes_total);
}

static ecs_status ecsi_storage_create(ecsi_storage *storage)
{
    ecsi_memory *memory = storage->memory;
    uint32_t bases = storage->chunks_max + 1;
    uint32_t i;
    ecs_status status = ecsi_vec_create(memory, &storage->tables, storage->tables_max,
                                        sizeof(ecsi_table *));
    ECSI_CHECK(ecsi_is_power_of_two(storage->row_block_rows));
    if (status == ECS_OK) status = ecsi_map_create(memory, &storage->by_set, storage->tables_max);
    if (status == ECS_OK) {
        status = ecsi_map_create(memory, &storage->edges, storage->tables_max * 4);
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &storage->chunks, bases, sizeof(ecsi_chunk *));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &storage->free_ids, bases, sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &storage->scratch,
                                 storage->components->max * 2 + ECSI_REQUIRE_MAX,
                                 sizeof(uint32_t));
    }
    if (status != ECS_OK || !memory->fixed) return status;
    for (i = 0; i < storage->getters_max; i++) {
        unsigned char **p = (unsigned char **)ecsi_alloc(memory, bases * sizeof *p, 16);
        if (memory->measuring) continue;
        if (p == NULL) return ECS_NO_MEMORY;
        memset(p, 0, bases * sizeof *p);
        storage->getters[i].bases = p;
        storage->getter_capacity[i] = bases;
    }
    storage->pool = (unsigned char *)ecsi_alloc(
        memory, (size_t)storage->chunks_max * storage->chunk_bytes, ECS_ALIGN_MAX);
    ECSI_CHECK(storage->free_ids.count == 0);
    return storage->pool != NULL || memory->measuring ? ECS_OK : ECS_NO_MEMORY;
}

/* Gives all memory back; the values in it must have ended. */
static void ecsi_storage_destroy(ecsi_storage *storage)
{
    ecsi_memory *memory = storage->memory;
    uint32_t i;
    for (i = 0; i < storage->tables.count; i++) {
        ecsi_table *table = ecsi_table_at(storage, i);
        ECSI_CHECK(table->row_count == 0);
        ecsi_table_trim(storage, table);
    }
    ECSI_CHECK(storage->chunk_count == 0);
    if (storage->retired != NULL) ecsi_chunk_retire(storage, NULL, 1);
    ECSI_CHECK(storage->chunk_bytes_total == 0);
    for (i = 0; i < storage->getter_count; i++) {
        ecsi_release(memory, storage->getters[i].bases,
                     storage->getter_capacity[i] * sizeof(unsigned char *), 16);
    }
    ecsi_vec_destroy(memory, &storage->tables, sizeof(ecsi_table *));
    ecsi_map_destroy(memory, &storage->by_set);
    ecsi_map_destroy(memory, &storage->edges);
    ecsi_vec_destroy(memory, &storage->chunks, sizeof(ecsi_chunk *));
    ecsi_vec_destroy(memory, &storage->free_ids, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &storage->scratch, sizeof(uint32_t));
}

#endif /* ECS_STORAGE_H */

/* >>edit ======================================================== src/edit.h */

/* edit.h: what happens to one entity, or to many of one shape: values, rows, hooks.
 *
 * Direct edits and the flush both come here, so an entity's life is written once. None of
 * these look at locks; the public entry points in world.h do. */
/* floor: 6 */
#ifndef ECS_EDIT_H
#define ECS_EDIT_H

/* Shapes of spawns that are remembered, and the values that one of them may have. */
#define ECSI_SHAPES 32u
#define ECSI_SHAPE_VALUES_MAX 32u
/* Plain values up to this size may be set from anywhere in the world. */
#define ECSI_LOCAL_BYTES_MAX 256u

/* A list of types that was spawned before: found again by the addresses of the types. */
typedef struct ecsi_shape {
    const ecs_type *types[ECSI_SHAPE_VALUES_MAX];
    uint32_t components[ECSI_SHAPE_VALUES_MAX];
    uint16_t columns[ECSI_SHAPE_VALUES_MAX];
    ecsi_table *table;
    uint32_t count; /* 0: free */
    bool plain;     /* no hook, and every column has its value */
} ecsi_shape;

typedef struct ecsi_editor {
    ecsi_storage *storage;
    ecsi_shape shapes[ECSI_SHAPES];
} ecsi_editor;

static const ecsi_raw ecsi_raw_none = {0, NULL};

/* ---- Notices ---------------------------------------------------------------------- */

/* on_add for what `to` has and `from` (or nothing) has not, by rising id. */
static void ecsi_notify_added(const ecsi_storage *storage, ecs_entity entity,
                              const ecsi_record *record, const ecsi_table *from,
                              const ecsi_table *to)
{
    uint32_t i;
    if (!to->notify) return;
    ECSI_CHECK(!ecs_is_null(entity));
    ECSI_CHECK(ecsi_record_chunk_at(storage, record)->table == to);
    for (i = 0; i < to->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, to->ids[i]);
        if (c->hooks.on_add == NULL) continue;
        if (from != NULL && ecsi_table_find(from, to->ids[i]) != NULL) continue;
        ecsi_notify(storage->components, c->hooks.on_add, c, entity,
                    ecsi_row_value(storage, record, to->ids[i]));
    }
}

/* on_remove for what `from` has and `to` (or nothing) has not, by rising id. */
static void ecsi_notify_removed(const ecsi_storage *storage, ecs_entity entity,
                                const ecsi_record *record, const ecsi_table *from,
                                const ecsi_table *to)
{
    uint32_t i;
    if (!from->notify) return;
    ECSI_CHECK(!ecs_is_null(entity));
    ECSI_CHECK(ecsi_record_chunk_at(storage, record)->table == from);
    for (i = 0; i < from->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, from->ids[i]);
        if (c->hooks.on_remove == NULL) continue;
        if (to != NULL && ecsi_table_find(to, from->ids[i]) != NULL) continue;
        ecsi_notify(storage->components, c->hooks.on_remove, c, entity,
                    ecsi_row_value(storage, record, from->ids[i]));
    }
}

static inline void ecsi_notify_set(const ecsi_storage *storage, ecs_entity entity,
                                   const ecsi_component *c, void *value)
{
    if (ECSI_UNLIKELY(c->hooks.on_set != NULL)) {
        ecsi_notify(storage->components, c->hooks.on_set, c, entity, value);
    }
}

/* ---- One entity ------------------------------------------------------------------- */

/* Builds a value in raw memory from one that a call brought: `take` moves it out of a
 * command's payload; otherwise it is copied, or taken over by its bytes. */
static inline void ecsi_value_build(const ecsi_component *c, void *to, void *from, bool take)
{
    ECSI_CHECK(to != NULL && to != from);
    ECSI_CHECK(c->type.bytes > 0);
    if (ECSI_LIKELY(!c->lifecycle)) {
        ecsi_bytes_move(to, from, c->type.bytes);
    } else if (take) {
        ecsi_values_move(c, to, from, 1);
    } else {
        ecsi_values_copy(c, to, from, 1);
    }
}

static inline ecsi_table *ecsi_record_table(const ecsi_storage *storage,
                                            const ecsi_record *record)
{
    return ecsi_record_chunk_at(storage, record)->table;
}

/* Adds a component whose value is built, or left raw when `raw` says so. Answers the table
 * that it came from through `from`, NULL when it was there already. */
static inline ecs_status ecsi_edit_enter(ecsi_storage *storage, ecs_entity entity,
                                         ecsi_record *record, uint32_t component, ecsi_raw raw,
                                         ecsi_table **from)
{
    ecsi_table *table = ecsi_record_table(storage, record);
    ecsi_table *to;
    ecs_status status;
    ECSI_CHECK(record->place != 0);
    ECSI_CHECK(ecsi_component_known(storage->components, component));
    *from = NULL;
    if (table->edge_key != component * 2u && ecsi_table_find(table, component) != NULL) {
        return ECS_OK;
    }
    status = ecsi_table_edge(storage, table, component, false, &to);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    ECSI_CHECK(to != table);
    status = ecsi_row_reserve(storage, to);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    ecsi_row_move(storage, entity, record, to, raw);
    ECSI_CHECK(ecsi_record_table(storage, record) == to);
    *from = table;
    return ECS_OK;
}

static ecs_status ecsi_edit_add(ecsi_storage *storage, ecs_entity entity, ecsi_record *record,
                                uint32_t component)
{
    ecsi_table *from;
    ecs_status status;
    ECSI_CHECK(record->place != 0);
    status = ecsi_edit_enter(storage, entity, record, component, ecsi_raw_none, &from);
    ECSI_CHECK(status != ECS_OK ||
               ecsi_table_find(ecsi_record_table(storage, record), component) != NULL);
    if (status == ECS_OK && from != NULL) {
        ecsi_table *to = ecsi_record_table(storage, record);
        if (ECSI_UNLIKELY(to->notify)) ecsi_notify_added(storage, entity, record, from, to);
    }
    return status;
}

static ecs_status ecsi_edit_set(ecsi_storage *storage, ecs_entity entity, ecsi_record *record,
                                uint32_t component, void *value, bool take)
{
    const ecsi_component *c = ecsi_component_at(storage->components, component);
    void *to = ecsi_row_value(storage, record, component);
    ECSI_CHECK(value != NULL);
    ECSI_CHECK(c->type.bytes > 0);
    if (to == NULL) {
        ecsi_raw raw = {0, NULL};
        unsigned char local[ECSI_LOCAL_BYTES_MAX];
        ecsi_table *from;
        ecs_status status;
        raw.one = component;
        if (!c->lifecycle && c->type.bytes <= sizeof local) {
            /* The value may lie in the row that is about to move. */
            ecsi_bytes_move(local, value, c->type.bytes);
            value = local;
        }
        status = ecsi_edit_enter(storage, entity, record, component, raw, &from);
        if (status != ECS_OK) return status;
        to = ecsi_row_value(storage, record, component);
        ECSI_CHECK(to != NULL && from != NULL);
        ecsi_value_build(c, to, (void *)(uintptr_t)ecsi_storage_follow(storage, value), take);
        ecsi_notify_added(storage, entity, record, from, ecsi_record_table(storage, record));
    } else if (to != value) {
        if (c->lifecycle) ecsi_values_destroy(c, to, 1);
        ecsi_value_build(c, to, value, take);
        ecsi_row_touch(storage, record, component);
    }
    ecsi_notify_set(storage, entity, c, to);
    return ECS_OK;
}

static ecs_status ecsi_edit_remove(ecsi_storage *storage, ecs_entity entity,
                                   ecsi_record *record, uint32_t component)
{
    ecsi_table *table = ecsi_record_table(storage, record);
    ecsi_table *to;
    ecs_status status;
    ECSI_CHECK(record->place != 0);
    if (table->edge_key != (component * 2u | 1u) && ecsi_table_find(table, component) == NULL) {
        return ECS_OK;
    }
    status = ecsi_table_edge(storage, table, component, true, &to);
    if (status == ECS_OK) status = ecsi_row_reserve(storage, to);
    if (status != ECS_OK) return status;
    ECSI_CHECK(to != table);
    if (ECSI_UNLIKELY(table->notify)) ecsi_notify_removed(storage, entity, record, table, to);
    ecsi_row_move(storage, entity, record, to, ecsi_raw_none);
    ECSI_CHECK(ecsi_record_table(storage, record) == to);
    return ECS_OK;
}

static void ecsi_edit_despawn(ecsi_storage *storage, ecs_entity entity, ecsi_record *record)
{
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    uint32_t row = ecsi_record_row(storage->entities, record);
    ECSI_CHECK(record->generation == ecs_generation(entity));
    ECSI_CHECK(ecs_index(ecsi_chunk_entities(chunk)[row]) == ecs_index(entity));
    if (ECSI_UNLIKELY(chunk->table->notify)) {
        ecsi_notify_removed(storage, entity, record, chunk->table, NULL);
    }
    if (ECSI_UNLIKELY(chunk->table->lifecycle)) ecsi_rows_destroy(storage, chunk, row, 1);
    ecsi_row_pop(storage, chunk, row);
    ecsi_entities_give(storage->entities, ecs_index(entity));
    ECSI_CHECK(ecsi_entities_find(storage->entities, entity) == NULL);
}

/* A new entity with a row in `table`; its values are raw. */
static inline ecs_status ecsi_edit_spawn(ecsi_storage *storage, ecsi_table *table,
                                         ecs_entity *out)
{
    ecs_status status = ecsi_entities_reserve(storage->memory, storage->entities, 1);
    ECSI_CHECK(out != NULL);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_row_reserve(storage, table);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    *out = ecsi_entities_take(storage->entities);
    (void)ecsi_row_push(storage, table, *out,
                        ecsi_entities_record(storage->entities, ecs_index(*out)));
    ECSI_CHECK(ecsi_entities_find(storage->entities, *out) != NULL);
    return ECS_OK;
}

/* ---- Shapes ----------------------------------------------------------------------- */

/* Finds the table of the listed types, and what each of them is there. */
static ecs_status ecsi_shape_resolve(ecsi_storage *storage, const ecs_value *values,
                                     uint32_t count, ecsi_shape *shape)
{
    uint32_t *set;
    uint32_t set_count = 0;
    uint32_t i;
    bool plain = true;
    ecs_status status;
    ECSI_CHECK(count <= ECSI_SHAPE_VALUES_MAX);
    ECSI_CHECK(shape->count == 0);
    for (i = 0; i < count; i++) {
        status = ecsi_component_need(storage->components, values[i].type, &shape->components[i]);
        if (status != ECS_OK) return status;
    }
    /* No set is larger than all components together. */
    set = ecsi_scratch_set(storage, NULL, storage->components->list.count + 1);
    if (set == NULL) return ECS_NO_MEMORY;
    for (i = 0; i < count; i++) {
        uint32_t before = set_count;
        set_count = ecsi_set_insert(set, set_count, shape->components[i]);
        if (set_count == before) return ECS_INVALID;
    }
    for (i = 0; i < count; i++) {
        uint32_t added[ECSI_REQUIRE_MAX];
        uint32_t n = ecsi_require_closure(storage->components, shape->components[i], added);
        uint32_t k;
        for (k = 0; k < n; k++) set_count = ecsi_set_insert(set, set_count, added[k]);
    }
    status = ecsi_table_of_set(storage, set, set_count, &shape->table);
    if (status != ECS_OK) return status;
    for (i = 0; i < count; i++) {
        const ecsi_table_slot *slot = ecsi_table_find(shape->table, shape->components[i]);
        ECSI_CHECK(slot != NULL);
        shape->types[i] = values[i].type;
        shape->columns[i] = (uint16_t)slot->column;
        if (slot->column == ECSI_NO_COLUMN && values[i].data != NULL) plain = false;
    }
    shape->count = count;
    shape->plain = plain && set_count == count && !shape->table->lifecycle &&
                   !shape->table->notify;
    return ECS_OK;
}

/* The remembered shape of a list, or the newly resolved one, which takes its place. */
static inline ecs_status ecsi_shape_of(ecsi_editor *editor, const ecs_value *values,
                                       uint32_t count, ecsi_shape **out)
{
    uintptr_t key = count;
    ecsi_shape *shape;
    uint32_t i;
    ecs_status status;
    ECSI_CHECK(values != NULL || count == 0);
    if (count > ECSI_SHAPE_VALUES_MAX) return ECS_TOO_LARGE;
    for (i = 0; i < count; i++) key = key * 31u + ((uintptr_t)values[i].type >> 4);
    shape = &editor->shapes[(key ^ key >> 6 ^ key >> 12) & (ECSI_SHAPES - 1)];
    *out = shape;
    if (ECSI_LIKELY(shape->count == count)) {
        for (i = 0; i < count && shape->types[i] == values[i].type; i++) {}
        if (ECSI_LIKELY(i == count && count > 0)) return ECS_OK;
    }
    shape->count = 0;
    status = ecsi_shape_resolve(editor->storage, values, count, shape);
    if (status != ECS_OK) shape->count = 0;
    ECSI_CHECK(status != ECS_OK || shape->table != NULL);
    return status;
}

/* Hooks or requirements changed: shapes are resolved anew. */
static void ecsi_shapes_forget(ecsi_editor *editor)
{
    uint32_t i;
    ECSI_CHECK(editor->storage != NULL);
    for (i = 0; i < ECSI_SHAPES; i++) editor->shapes[i].count = 0;
    ECSI_CHECK(ecsi_is_power_of_two(ECSI_SHAPES));
}

/* Builds the values of rows `row` to row + count - 1: the listed ones from `values` with
 * `skip` of them left out, all others by init. */
static void ecsi_shape_fill(ecsi_storage *storage, const ecsi_shape *shape,
                            const ecs_value *values, ecsi_chunk *chunk, uint32_t row,
                            uint32_t count, uint32_t skip)
{
    const ecsi_table *table = shape->table;
    uint32_t c;
    ECSI_CHECK(chunk->table == table);
    ECSI_CHECK(row + count <= chunk->capacity);
    for (c = 0; c < table->column_count; c++) {
        const ecsi_column *column = &table->columns[c];
        const ecsi_component *component = ecsi_component_at(storage->components,
                                                            column->component);
        void *to = ecsi_chunk_value(chunk, column, row);
        const unsigned char *data = NULL;
        uint32_t i;
        for (i = 0; i < shape->count; i++) {
            if (shape->columns[i] == c) data = (const unsigned char *)values[i].data;
        }
        if (data == NULL) {
            ecsi_values_init(component, to, count);
        } else {
            data += (size_t)skip * column->bytes;
            ecsi_values_copy(component, to, ecsi_storage_follow(storage, data), count);
        }
    }
}

/* on_add, then on_set of the values that came with data. */
static void ecsi_shape_notify(ecsi_storage *storage, const ecsi_shape *shape,
                              const ecs_value *values, ecs_entity entity)
{
    const ecsi_record *record = ecsi_entities_find(storage->entities, entity);
    uint32_t i;
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(ecsi_record_table(storage, record) == shape->table);
    if (!shape->table->notify) return;
    ecsi_notify_added(storage, entity, record, NULL, shape->table);
    for (i = 0; i < shape->count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, shape->components[i]);
        if (values[i].data == NULL || shape->columns[i] == ECSI_NO_COLUMN) continue;
        ecsi_notify_set(storage, entity, c,
                        ecsi_row_value(storage, record, shape->components[i]));
    }
}

static ecs_status ecsi_edit_spawn_shape(ecsi_editor *editor, const ecs_value *values,
                                        uint32_t count, ecs_entity *out)
{
    ecsi_storage *storage = editor->storage;
    ecsi_shape *shape;
    ecsi_chunk *chunk;
    uint32_t row;
    uint32_t i;
    ecs_status status = ecsi_entities_reserve(storage->memory, storage->entities, 1);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_shape_of(editor, values, count, &shape);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_edit_spawn(storage, shape->table, out);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    chunk = shape->table->last;
    row = chunk->count - 1;
    ECSI_CHECK(ecs_equal(ecsi_chunk_entities(chunk)[row], *out));
    ECSI_CHECK(shape->count == count);
    if (ECSI_LIKELY(shape->plain)) {
        for (i = 0; i < count; i++) {
            const ecsi_column *column;
            void *to;
            if (shape->columns[i] == ECSI_NO_COLUMN) continue;
            column = &shape->table->columns[shape->columns[i]];
            to = ecsi_chunk_value(chunk, column, row);
            if (values[i].data != NULL) {
                ecsi_bytes_move(to, values[i].data, column->bytes);
            } else {
                memset(to, 0, column->bytes);
            }
        }
        return ECS_OK;
    }
    ecsi_shape_fill(storage, shape, values, chunk, row, 1, 0);
    ecsi_shape_notify(storage, shape, values, *out);
    return ECS_OK;
}

/* ---- Many of one shape ------------------------------------------------------------ */

/* Adds `count` rows to the last chunk with new entities; their values are raw. */
static void ecsi_rows_push(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t count,
                           ecs_entity *out)
{
    ecsi_table *table = chunk->table;
    ecs_entity *entities = ecsi_chunk_entities(chunk);
    uint32_t first = chunk->count;
    uint32_t i;
    ECSI_CHECK(count <= chunk->capacity - first);
    ECSI_CHECK(count > 0);
    ECSI_CHECK(table->last == chunk);
    for (i = 0; i < count; i++) {
        ecs_entity e = ecsi_entities_take(storage->entities);
        ecsi_record *record = ecsi_entities_record(storage->entities, ecs_index(e));
        ecsi_record_place(storage->entities, record, chunk->id, first + i);
        entities[first + i] = e;
    }
    if (out != NULL) memcpy(out, entities + first, count * sizeof *out);
    chunk->count += count;
    table->row_count += count;
    for (i = first >> table->block_shift; i <= (first + count - 1) >> table->block_shift; i++) {
        ecsi_chunk_ticks(chunk)[i] = *storage->tick;
    }
}

static ecs_status ecsi_edit_spawn_bulk(ecsi_editor *editor, uint32_t entity_count,
                                       const ecs_value *values, uint32_t value_count,
                                       ecs_entity *out)
{
    ecsi_storage *storage = editor->storage;
    ecsi_shape *shape;
    uint32_t done = 0;
    ecs_status status =
        ecsi_entities_reserve(storage->memory, storage->entities, entity_count);
    ECSI_CHECK(entity_count > 0);
    ECSI_CHECK(values != NULL || value_count == 0);
    if (status == ECS_OK) status = ecsi_shape_of(editor, values, value_count, &shape);
    if (status == ECS_OK) status = ecsi_table_reserve(storage, shape->table, entity_count);
    if (status != ECS_OK) return status;
    while (done < entity_count) {
        ecsi_chunk *chunk = shape->table->last;
        uint32_t row = chunk->count;
        uint32_t count = ecsi_min_u32(chunk->capacity - row, entity_count - done);
        if (count > 0) {
            ecsi_rows_push(storage, chunk, count, out == NULL ? NULL : out + done);
            ecsi_shape_fill(storage, shape, values, chunk, row, count, done);
            done += count;
        }
        ECSI_CHECK(done == entity_count || chunk->next != NULL);
        if (done < entity_count) shape->table->last = chunk->next;
    }
    return ECS_OK;
}

/* The notices of a bulk spawn: rows from `first` of the table on, as they were made. */
static void ecsi_edit_bulk_notify(ecsi_editor *editor, const ecs_value *values,
                                  uint32_t value_count, uint32_t entity_count)
{
    ecsi_storage *storage = editor->storage;
    ecsi_shape *shape;
    ecsi_chunk *chunk;
    uint32_t left = entity_count;
    uint32_t skip;
    if (ecsi_shape_of(editor, values, value_count, &shape) != ECS_OK) return;
    if (!shape->table->notify) return;
    ECSI_CHECK(shape->table->row_count >= entity_count);
    skip = shape->table->row_count - left;
    for (chunk = shape->table->first; chunk != NULL && left > 0; chunk = chunk->next) {
        uint32_t row = ecsi_min_u32(skip, chunk->count);
        skip -= row;
        for (; row < chunk->count && left > 0; row++, left--) {
            ecsi_shape_notify(storage, shape, values, ecsi_chunk_entities(chunk)[row]);
        }
    }
    ECSI_CHECK(left == 0);
}

/* Copies `count` rows that follow each other to the end of another table's last chunk, which
 * has room: plain values only. The old rows are left as they are; ecsi_table_leave ends them. */
static void ecsi_rows_copy(ecsi_storage *storage, ecsi_chunk *old, uint32_t old_row,
                           uint32_t count, ecsi_table *to)
{
    const ecsi_table *from = old->table;
    ecsi_chunk *chunk = to->last;
    uint32_t row = chunk->count;
    const ecs_entity *entities = ecsi_chunk_entities(old) + old_row;
    uint32_t a = 0;
    uint32_t b;
    uint32_t i;
    ECSI_CHECK(count <= chunk->capacity - row);
    ECSI_CHECK(count <= old->count - old_row);
    ECSI_CHECK(!from->lifecycle && !to->lifecycle);
    memcpy(ecsi_chunk_entities(chunk) + row, entities, count * sizeof *entities);
    for (b = 0; b < to->column_count; b++) {
        const ecsi_column *column = &to->columns[b];
        void *value = ecsi_chunk_value(chunk, column, row);
        while (a < from->column_count && from->columns[a].component < column->component) a++;
        if (a < from->column_count && from->columns[a].component == column->component) {
            memcpy(value, ecsi_chunk_value(old, &from->columns[a], old_row),
                   (size_t)count * column->bytes);
        } else {
            memset(value, 0, (size_t)count * column->bytes);
        }
    }
    for (i = 0; i < count; i++) {
        ecsi_record_place(storage->entities,
                          ecsi_entities_record(storage->entities, ecs_index(entities[i])),
                          chunk->id, row + i);
    }
    for (i = row >> to->block_shift; i <= (row + count - 1) >> to->block_shift; i++) {
        ecsi_chunk_ticks(chunk)[i] = *storage->tick;
    }
    chunk->count = row + count;
    to->row_count += count;
}

/* All rows of a table have gone elsewhere: it is empty, and keeps its first chunk. */
static void ecsi_table_leave(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *chunk;
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        ECSI_CHECK(table->row_count >= chunk->count);
        table->row_count -= chunk->count;
        chunk->count = 0;
    }
    ECSI_CHECK(table->row_count == 0);
    if (table->first == NULL) return;
    if (table->last->next != NULL) ecsi_chunk_free(storage, table->last->next);
    while (table->last != table->first) ecsi_chunk_free(storage, table->last);
    ECSI_CHECK(table->last == table->first);
}

/* Despawns all rows of a table, in order. */
static void ecsi_edit_clear(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *chunk;
    uint32_t row;
    ECSI_CHECK(storage->entities->front.alive_count >= table->row_count);
    for (chunk = table->first; chunk != NULL && table->notify; chunk = chunk->next) {
        for (row = 0; row < chunk->count; row++) {
            ecs_entity e = ecsi_chunk_entities(chunk)[row];
            ecsi_notify_removed(storage, e, ecsi_entities_find(storage->entities, e), table,
                                NULL);
        }
    }
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        ecsi_rows_destroy(storage, chunk, 0, chunk->count);
        for (row = 0; row < chunk->count; row++) {
            ecsi_entities_give(storage->entities, ecs_index(ecsi_chunk_entities(chunk)[row]));
        }
    }
    ecsi_table_leave(storage, table);
    ECSI_CHECK(table->row_count == 0);
}

/* A copy of an entity. ECS_UNSUPPORTED: a value that can be ended but not copied. */
static ecs_status ecsi_edit_clone(ecsi_storage *storage, ecs_entity entity, ecs_entity *out)
{
    const ecsi_record *record = ecsi_entities_find(storage->entities, entity);
    ecsi_table *table;
    ecsi_chunk *to;
    ecsi_chunk *from;
    uint32_t row;
    uint32_t i;
    ecs_status status;
    ECSI_CHECK(out != NULL);
    if (record == NULL) return ECS_STALE;
    table = ecsi_record_table(storage, record);
    for (i = 0; i < table->column_count; i++) {
        const ecs_hooks *hooks =
            &ecsi_component_at(storage->components, table->columns[i].component)->hooks;
        if (hooks->copy == NULL && (hooks->move != NULL || hooks->destroy != NULL)) {
            return ECS_UNSUPPORTED;
        }
    }
    status = ecsi_edit_spawn(storage, table, out);
    if (status != ECS_OK) return status;
    record = ecsi_entities_find(storage->entities, entity); /* records may have moved */
    ECSI_CHECK(record != NULL);
    from = ecsi_record_chunk_at(storage, record);
    row = ecsi_record_row(storage->entities, record);
    to = table->last;
    ECSI_CHECK(ecs_equal(ecsi_chunk_entities(to)[to->count - 1], *out));
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        ecsi_values_copy(ecsi_component_at(storage->components, column->component),
                         ecsi_chunk_value(to, column, to->count - 1),
                         ecsi_chunk_value(from, column, row), 1);
    }
    record = ecsi_entities_find(storage->entities, *out);
    ecsi_notify_added(storage, *out, record, NULL, table);
    for (i = 0; i < table->column_count && table->notify; i++) {
        uint32_t id = table->columns[i].component;
        ecsi_notify_set(storage, *out, ecsi_component_at(storage->components, id),
                        ecsi_row_value(storage, record, id));
    }
    return ECS_OK;
}

#endif /* ECS_EDIT_H */

/* >>route ====================================================== src/route.h */

/* route.h: the way from one world to another: a ring of descriptors with a body for each.
 *
 * Positions of the ring, descriptors (ecsi_transit) and bodies go together, so whoever has
 * claimed a position has room for all of an entity, and nothing can be refused half-way. A body
 * begins with its parts, one for each component; the values follow. A batch is claimed at once
 * and published from its last position to its first: who sees the first sees all of it. The
 * taker holds a batch until its world has room for it; the positions stay in use so long.
 *
 * Any thread may send over a route, one at a time takes from it. */
/* floor: 7 */
#ifndef ECS_ROUTE_H
#define ECS_ROUTE_H

#ifndef ECS_NO_WORLDS

#define ECSI_ROUTE_CAPACITY 4096u
#define ECSI_ROUTE_CAPACITY_MAX (1u << 20)
#define ECSI_ROUTE_BATCH 64u
/* A group is looked through for doubles, each with each. */
#define ECSI_ROUTE_BATCH_MAX 4096u
#define ECSI_ROUTE_BODY_BYTES 256u
#define ECSI_ROUTE_BODY_BYTES_MAX (1u << 24)
/* Bodies are aligned to this; values that want more are put where the address fits. */
#define ECSI_BODY_ALIGN 64u
/* Index of what is not there. */
#define ECSI_NO_MEMBER 0xffffffffu

typedef struct ecsi_cargo {
    uint32_t component; /* as the target knows it */
    uint32_t offset;    /* of its value in the body; 0: a tag */
} ecsi_cargo;

typedef struct ecsi_transit {
    uint64_t tick;     /* with source and sequence: the order of arrival in lockstep */
    uint64_t sequence;
    ecs_entity entity;  /* at the source; null: discarded */
    ecs_entity arrived; /* at the target, while its batch is put in */
    ecsi_table *table;  /* the same */
    uint32_t source;
    uint32_t batch_count; /* entities from this one on that came together */
    uint32_t group;
    uint32_t part_count;
} ecsi_transit;

/* A table of the target, and the rows of it that a batch needs. */
typedef struct ecsi_need {
    ecsi_table *table;
    uint32_t count;
} ecsi_need;

/* Handles of a batch: at the source, and at the target. */
typedef struct ecsi_remap {
    uint64_t from; /* 0: free */
    ecs_entity to;
} ecsi_remap;

typedef struct ecsi_route {
    ecsi_ring ring;
    ecsi_transit *transits;
    unsigned char *bodies;
    uint32_t from; /* index of a member; ECSI_NO_MEMBER: shared */
    uint32_t to;
    uint32_t batch;
    uint32_t body_bytes;
    uint32_t priority;
    uint32_t high;
    uint32_t low;
    size_t bytes; /* of all that it takes */
    /* The taker's. */
    ecsi_need *needs;
    ecsi_remap *remaps;
    uint32_t remap_count; /* a power of two */
    uint32_t held_count;  /* taken and not put in */
    uint64_t held_at;
    bool stuck;           /* no room for the first batch, in this round */
    /* Counters, by whoever sends or takes. */
    ecsi_atomic_u32 closed; /* does not admit */
    ecsi_atomic_u64 sent;
    ecsi_atomic_u64 arrived;
    ecsi_atomic_u64 discarded;
    ecsi_atomic_u64 refused;
    ecsi_atomic_u64 refused_full;
    ecsi_atomic_u64 dropped;
    ecsi_atomic_u64 stalled;
} ecsi_route;

/* The description with its defaults; false when it makes no sense. */
static bool ecsi_route_resolve(const ecs_route_desc *from, ecs_route_desc *d)
{
    ECSI_CHECK(from != d);
    ECSI_CHECK(from->to != NULL);
    *d = *from;
    if (d->capacity == 0) d->capacity = ECSI_ROUTE_CAPACITY;
    if (d->batch == 0) d->batch = ecsi_min_u32(ECSI_ROUTE_BATCH, d->capacity);
    if (d->body_bytes == 0) d->body_bytes = ECSI_ROUTE_BODY_BYTES;
    if (d->high == 0) d->high = d->capacity - d->capacity / 4;
    if (d->low == 0) d->low = ecsi_max_u32(d->high / 2, 1);
    if (!ecsi_is_power_of_two(d->capacity) || d->capacity < 2) return false;
    if (d->capacity > ECSI_ROUTE_CAPACITY_MAX || d->batch > d->capacity) return false;
    if (d->batch > ECSI_ROUTE_BATCH_MAX) return false;
    if (d->body_bytes > ECSI_ROUTE_BODY_BYTES_MAX) return false;
    d->body_bytes = (uint32_t)ecsi_align_up(d->body_bytes, ECSI_BODY_ALIGN);
    if (d->spsc && d->from == NULL) return false;
    return d->high <= d->capacity && d->low <= d->high;
}

/* Cuts a piece off a block that is laid out; with `base` NULL it only measures. */
static void *ecsi_route_piece(unsigned char *base, size_t *at, size_t bytes)
{
    size_t begin = ecsi_align_up(*at, ECSI_LINE_BYTES);
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(begin >= *at);
    *at = begin + bytes;
    return base == NULL ? NULL : base + begin;
}

/* Lays a route out in a block, or measures that block: answers its bytes. */
static size_t ecsi_route_layout(unsigned char *base, const ecs_route_desc *d, ecsi_route *route)
{
    size_t at = sizeof *route;
    size_t n = d->capacity;
    uint32_t remaps = ecsi_round_up_power(d->batch) * 2u;
    ecsi_turn *turns;
    ECSI_CHECK(d->capacity >= 2 && d->batch >= 1);
    ECSI_CHECK(d->body_bytes % ECSI_BODY_ALIGN == 0);
    turns = (ecsi_turn *)ecsi_route_piece(base, &at, n * sizeof *turns);
    route->transits = (ecsi_transit *)ecsi_route_piece(base, &at, n * sizeof(ecsi_transit));
    route->bodies = (unsigned char *)ecsi_route_piece(base, &at, n * d->body_bytes);
    route->needs = (ecsi_need *)ecsi_route_piece(base, &at, d->batch * sizeof(ecsi_need));
    route->remaps = (ecsi_remap *)ecsi_route_piece(base, &at, remaps * sizeof(ecsi_remap));
    route->remap_count = remaps;
    route->batch = d->batch;
    route->body_bytes = d->body_bytes;
    route->priority = d->priority;
    route->high = d->high;
    route->low = d->low;
    if (base != NULL) ecsi_ring_create(&route->ring, turns, d->capacity, 0);
    route->ring.single = d->spsc;
    return at;
}

/* NULL: the allocator refused. */
static ecsi_route *ecsi_route_make(ecsi_memory *memory, const ecs_route_desc *d)
{
    ecsi_route measured;
    ecsi_route *route;
    size_t bytes;
    ECSI_CHECK(!memory->fixed);
    if ((uint64_t)d->capacity * d->body_bytes > SIZE_MAX / 4) return NULL;
    memset(&measured, 0, sizeof measured);
    bytes = ecsi_route_layout(NULL, d, &measured);
    ECSI_CHECK(bytes > sizeof *route);
    route = (ecsi_route *)ecsi_alloc(memory, bytes, ECSI_LINE_BYTES);
    if (route == NULL) return NULL;
    memset(route, 0, sizeof *route);
    route->bytes = ecsi_route_layout((unsigned char *)route, d, route);
    ECSI_CHECK(route->bytes == bytes);
    return route;
}

static inline ecsi_transit *ecsi_route_transit(const ecsi_route *route, uint64_t at)
{
    return &route->transits[at & (route->ring.capacity - 1)];
}

static inline unsigned char *ecsi_route_body(const ecsi_route *route, uint64_t at)
{
    return route->bodies + (size_t)(at & (route->ring.capacity - 1)) * route->body_bytes;
}

/* Where the next value of a body goes. `body` NULL: the most that it may take is reckoned. */
static inline size_t ecsi_body_place(const unsigned char *body, size_t at, size_t align)
{
    ECSI_CHECK(ecsi_is_power_of_two(align));
    ECSI_CHECK((uintptr_t)body % ECSI_BODY_ALIGN == 0);
    if (align <= ECSI_BODY_ALIGN) return ecsi_align_up(at, align);
    if (body == NULL) return ecsi_align_up(at, ECSI_BODY_ALIGN) + (align - ECSI_BODY_ALIGN);
    return ecsi_align_up((size_t)(uintptr_t)body + at, align) - (size_t)(uintptr_t)body;
}

/* Entities that were sent and have not arrived. Any thread: never less than none. */
static uint64_t ecsi_route_in_flight(const ecsi_route *route)
{
    /* Pair with the releases of those who take: they have seen that it was sent. */
    uint64_t gone = ECSI_LOAD(&route->arrived, acquire);
    uint64_t sent;
    gone += ECSI_LOAD(&route->discarded, acquire);
    sent = ECSI_LOAD(&route->sent, relaxed);
    ECSI_CHECK(sent >= gone);
    ECSI_CHECK(route->batch > 0);
    return sent - gone;
}

/* Whether it is below its watermark; between the two marks it stays as it was. */
static bool ecsi_route_admits(ecsi_route *route)
{
    uint64_t count = ecsi_route_in_flight(route);
    ECSI_CHECK(route->low <= route->high);
    ECSI_CHECK(route->high > 0);
    if (count >= route->high) ECSI_STORE(&route->closed, 1u, relaxed);
    if (count < route->low) ECSI_STORE(&route->closed, 0u, relaxed);
    return ECSI_LOAD(&route->closed, relaxed) == 0;
}

/* Gives `count` positions that are held back to the senders. */
static void ecsi_route_release(ecsi_route *route, uint32_t count)
{
    uint32_t i;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= route->held_count);
    for (i = 0; i < count; i++) ecsi_ring_release(&route->ring, route->held_at + i);
    route->held_at += count;
    route->held_count -= count;
}

/* The first entity that is to be put in, with its batch held; NULL when there is none. */
static ecsi_transit *ecsi_route_head(ecsi_route *route)
{
    uint32_t round;
    ECSI_CHECK(route->held_count <= route->ring.capacity);
    for (round = 0; round <= route->ring.capacity; round++) {
        ecsi_transit *first;
        uint64_t at;
        if (route->held_count == 0) {
            uint32_t i;
            if (!ecsi_ring_take(&route->ring, &route->held_at)) return NULL;
            route->held_count = ecsi_route_transit(route, route->held_at)->batch_count;
            ECSI_CHECK(route->held_count >= 1 && route->held_count <= route->batch);
            for (i = 1; i < route->held_count; i++) {
                bool taken = ecsi_ring_take(&route->ring, &at);
                ECSI_CHECK(taken && at == route->held_at + i);
                (void)taken;
            }
        }
        first = ecsi_route_transit(route, route->held_at);
        if (!ecs_is_null(first->entity)) return first;
        ecsi_route_release(route, 1); /* discarded */
    }
    return NULL;
}

/* ---- References ---------------------------------------------------------------------- */

static inline uint32_t ecsi_remap_home(const ecsi_route *route, uint64_t from)
{
    return (uint32_t)((from * 0x9e3779b97f4a7c15u) >> 32) & (route->remap_count - 1);
}

/* Notes the new handles of the first `count` entities that are held. */
static void ecsi_remap_fill(ecsi_route *route, uint32_t count)
{
    uint32_t i;
    ECSI_CHECK(count <= route->batch);
    ECSI_CHECK(count * 2 <= route->remap_count);
    memset(route->remaps, 0, route->remap_count * sizeof *route->remaps);
    for (i = 0; i < count; i++) {
        const ecsi_transit *transit = ecsi_route_transit(route, route->held_at + i);
        uint32_t at = ecsi_remap_home(route, transit->entity.bits);
        while (route->remaps[at].from != 0) at = (at + 1) & (route->remap_count - 1);
        route->remaps[at].from = transit->entity.bits;
        route->remaps[at].to = transit->arrived;
    }
}

/* The new handle of one that travelled along, else null, or the old one with `keep`. */
static inline ecs_entity ecsi_remap_find(const ecsi_route *route, ecs_entity entity, bool keep)
{
    uint32_t at = ecsi_remap_home(route, entity.bits);
    ECSI_CHECK(!ecs_is_null(entity));
    for (; route->remaps[at].from != 0; at = (at + 1) & (route->remap_count - 1)) {
        if (route->remaps[at].from == entity.bits) return route->remaps[at].to;
    }
    return keep ? entity : ecs_null();
}

/* Puts the new handles into the references of one value. */
static void ecsi_remap_value(const ecsi_route *route, const ecsi_component *component,
                             unsigned char *value, bool keep)
{
    uint32_t m;
    ECSI_CHECK(component->references);
    ECSI_CHECK(value != NULL);
    for (m = 0; m < component->type.member_count; m++) {
        const ecs_member *member = &component->type.members[m];
        uint32_t at;
        if (member->kind != ECS_KIND_ENTITY) continue;
        for (at = 0; at < member->bytes; at += (uint32_t)sizeof(ecs_entity)) {
            ecs_entity e;
            memcpy(&e, value + member->offset + at, sizeof e);
            if (ecs_is_null(e)) continue;
            e = ecsi_remap_find(route, e, keep);
            memcpy(value + member->offset + at, &e, sizeof e);
        }
    }
}

#endif /* ECS_NO_WORLDS */

#endif /* ECS_ROUTE_H */

/* >>resource ================================================ src/resource.h */

/* resource.h: values of which a world has one. */
/* floor: 6 */
#ifndef ECS_RESOURCE_H
#define ECS_RESOURCE_H

/* A type's value; made by init, or zero, at the first call. */
static ecs_status ecsi_resource_need(ecsi_components *components, uint32_t id, void **out)
{
    ecsi_component *c = ecsi_component_at(components, id);
    uint32_t align = ecsi_max_u32(c->type.align, 16);
    ECSI_CHECK(out != NULL);
    if (c->resource == NULL) {
        size_t bytes = ecsi_align_up((size_t)c->type.bytes + align, 16);
        unsigned char *memory;
        if (c->type.bytes == 0) return ECS_UNSUPPORTED;
        if (bytes > components->resource_bytes_max - components->resource_bytes) return ECS_FULL;
        memory = (unsigned char *)ecsi_keep(components->memory, bytes, 16);
        if (memory == NULL) return components->memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
        components->resource_bytes += bytes;
        c->resource = memory + (ecsi_align_up((size_t)(uintptr_t)memory, align) -
                                (size_t)(uintptr_t)memory);
        ecsi_values_init(c, c->resource, 1);
    }
    ECSI_CHECK((uintptr_t)c->resource % c->type.align == 0);
    *out = c->resource;
    return ECS_OK;
}

/* Ends all resources. */
static void ecsi_resources_destroy(ecsi_components *components)
{
    uint32_t id;
    ECSI_CHECK(components->list.count <= components->max);
    ECSI_CHECK(components->resource_bytes <= components->resource_bytes_max);
    for (id = 1; id <= components->list.count; id++) {
        ecsi_component *c = ecsi_component_at(components, id);
        if (c->resource != NULL) ecsi_values_destroy(c, c->resource, 1);
        c->resource = NULL;
    }
}

#endif /* ECS_RESOURCE_H */

/* >>event ====================================================== src/event.h */

/* event.h: bounded event buffers and their readers.
 *
 * A buffer has room for twice its capacity, so that the events that are kept are always one
 * array: they move to the front when the end is reached, which costs each event at most one
 * copy. Positions are 64-bit numbers that never repeat. */
/* floor: 6 */
#ifndef ECS_EVENT_H
#define ECS_EVENT_H

#ifndef ECS_NO_EVENTS

#define ECSI_EVENT_CAPACITY 1024u
#define ECSI_EVENT_CAPACITY_MAX 0x10000000u

typedef struct ecsi_event {
    unsigned char *data;
    uint32_t component;
    uint32_t bytes;    /* of one event */
    uint32_t capacity;
    uint32_t quota;
    uint32_t policy;
    uint32_t begin;    /* index of the oldest in data */
    uint32_t count;
    uint32_t reader_count;
    uint64_t position; /* of the oldest */
    uint64_t sent;
    uint64_t refused;
    uint64_t overwritten;
    uint64_t unread;
} ecsi_event;

typedef struct ecsi_reader {
    uint32_t event;    /* index plus one; 0: free */
    uint64_t position; /* of the first that it has not seen */
} ecsi_reader;

typedef struct ecsi_events {
    ecsi_components *components;
    ecsi_vec list;    /* of ecsi_event */
    ecsi_vec readers; /* of ecsi_reader */
    uint32_t readers_max;
    size_t bytes;
    size_t bytes_max;
} ecsi_events;

static ecs_status ecsi_events_create(ecsi_events *events)
{
    ecsi_memory *memory = events->components->memory;
    ecs_status status = ecsi_vec_create(memory, &events->list, events->components->max,
                                        sizeof(ecsi_event));
    ECSI_CHECK(events->readers_max > 0);
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &events->readers, events->readers_max,
                                 sizeof(ecsi_reader));
    }
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

static void ecsi_events_destroy(ecsi_events *events)
{
    ecsi_memory *memory = events->components->memory;
    ECSI_CHECK(events->list.count <= events->components->max);
    ECSI_CHECK(events->readers.count <= events->readers_max);
    ecsi_vec_destroy(memory, &events->list, sizeof(ecsi_event));
    ecsi_vec_destroy(memory, &events->readers, sizeof(ecsi_reader));
}

static inline ecsi_event *ecsi_event_at(const ecsi_events *events, uint32_t index)
{
    ECSI_CHECK(index < events->list.count);
    return ECSI_VEC_AT(ecsi_event, &events->list, index);
}

static inline ecsi_reader *ecsi_reader_at(const ecsi_events *events, uint32_t id)
{
    ECSI_CHECK(id != 0 && id <= events->readers.count);
    return ECSI_VEC_AT(ecsi_reader, &events->readers, id - 1);
}

/* Makes the buffer of a type. */
static ecs_status ecsi_event_make(ecsi_events *events, uint32_t id, const ecs_event_desc *desc)
{
    ecsi_memory *memory = events->components->memory;
    ecsi_component *c = ecsi_component_at(events->components, id);
    uint32_t capacity = desc->capacity == 0 ? ECSI_EVENT_CAPACITY : desc->capacity;
    size_t bytes = (size_t)capacity * 2 * c->type.bytes;
    uint32_t align = ecsi_max_u32(c->type.align, 16);
    unsigned char *data;
    ecsi_event *event;
    ecs_status status;
    ECSI_CHECK(c->event == 0);
    ECSI_CHECK(events->bytes <= events->bytes_max);
    if (c->type.bytes == 0) return ECS_UNSUPPORTED;
    if (capacity > ECSI_EVENT_CAPACITY_MAX) return ECS_TOO_LARGE;
    if ((size_t)capacity * 2 > (SIZE_MAX / 2) / c->type.bytes) return ECS_TOO_LARGE;
    bytes = ecsi_align_up(bytes + align, 16);
    if (bytes > events->bytes_max - events->bytes) return ECS_FULL;
    ecsi_registry_lock(events->components);
    status = ecsi_vec_reserve(memory, &events->list, events->list.count + 1,
                              events->components->max, sizeof(ecsi_event));
    ecsi_registry_unlock(events->components);
    if (status != ECS_OK) return status;
    data = (unsigned char *)ecsi_keep(memory, bytes, 16);
    if (data == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    events->bytes += bytes;
    event = ECSI_VEC_AT(ecsi_event, &events->list, events->list.count);
    memset(event, 0, sizeof *event);
    event->data = data + (ecsi_align_up((size_t)(uintptr_t)data, align) -
                          (size_t)(uintptr_t)data);
    event->component = id;
    event->bytes = c->type.bytes;
    event->capacity = capacity;
    event->quota = desc->quota == 0 ? capacity : desc->quota;
    event->policy = (uint32_t)desc->policy;
    ecsi_registry_lock(events->components);
    c->event = ++events->list.count;
    ecsi_registry_unlock(events->components);
    ECSI_CHECK((uintptr_t)event->data % align == 0);
    return ECS_OK;
}

/* The buffer of a type; made with the defaults at the first call. */
static ecs_status ecsi_event_need(ecsi_events *events, uint32_t id, ecsi_event **out)
{
    ecsi_component *c = ecsi_component_at(events->components, id);
    ECSI_CHECK(out != NULL);
    if (c->event == 0) {
        ecs_event_desc desc;
        ecs_status status;
        memset(&desc, 0, sizeof desc);
        status = ecsi_event_make(events, id, &desc);
        if (status != ECS_OK) return status;
    }
    *out = ecsi_event_at(events, c->event - 1);
    ECSI_CHECK((*out)->component == id);
    return ECS_OK;
}

/* Forgets the oldest `count`. */
static void ecsi_event_forget(ecsi_event *event, uint32_t count)
{
    ECSI_CHECK(count <= event->count);
    event->begin += count;
    event->count -= count;
    event->position += count;
    if (event->count == 0) event->begin = 0;
    ECSI_CHECK(event->begin <= event->capacity * 2);
}

/* Forgets what every reader has seen; all of it when there is no reader. */
static void ecsi_event_tidy(ecsi_events *events, ecsi_event *event)
{
    uint64_t oldest = event->position + event->count;
    uint32_t i;
    ECSI_CHECK(event->begin + event->count <= event->capacity * 2);
    if (event->count == 0) return;
    for (i = 1; i <= events->readers.count && event->reader_count > 0; i++) {
        const ecsi_reader *reader = ecsi_reader_at(events, i);
        if (reader->event == 0 || ecsi_event_at(events, reader->event - 1) != event) continue;
        if (reader->position < oldest) oldest = reader->position;
    }
    if (event->reader_count == 0) event->unread += event->count;
    if (oldest > event->position) ecsi_event_forget(event, (uint32_t)(oldest - event->position));
    ECSI_CHECK(event->count <= event->capacity);
}

/* Appends one. ECS_FULL: lost, by the type's policy. */
static ecs_status ecsi_event_append(ecsi_events *events, ecsi_event *event, const void *value)
{
    ECSI_CHECK(value != NULL);
    ECSI_CHECK(event->bytes > 0);
    if (event->count == event->capacity) ecsi_event_tidy(events, event);
    if (event->count == event->capacity) {
        if (event->policy == ECS_EVENT_REFUSE) {
            event->refused++;
            return ECS_FULL;
        }
        ecsi_event_forget(event, 1);
        event->overwritten++;
    }
    if (event->begin + event->count == event->capacity * 2) {
        memmove(event->data, event->data + (size_t)event->begin * event->bytes,
                (size_t)event->count * event->bytes);
        event->begin = 0;
    }
    ECSI_CHECK(event->count < event->capacity);
    ECSI_CHECK(event->begin + event->count < event->capacity * 2);
    memcpy(event->data + (size_t)(event->begin + event->count) * event->bytes, value,
           event->bytes);
    event->count++;
    event->sent++;
    if (event->reader_count == 0) ecsi_event_tidy(events, event);
    return ECS_OK;
}

/* A new reader that sees what comes from now on. */
static ecs_status ecsi_reader_open(ecsi_events *events, uint32_t component, uint32_t *out)
{
    ecsi_memory *memory = events->components->memory;
    ecsi_event *event;
    ecsi_reader *reader;
    uint32_t id = 1;
    ecs_status status = ecsi_event_need(events, component, &event);
    ECSI_CHECK(out != NULL);
    if (status != ECS_OK) return status;
    while (id <= events->readers.count && ecsi_reader_at(events, id)->event != 0) id++;
    if (id > events->readers.count) {
        status = ecsi_vec_reserve(memory, &events->readers, id, events->readers_max,
                                  sizeof(ecsi_reader));
        if (status != ECS_OK) return status;
        events->readers.count = id;
    }
    ECSI_CHECK(id <= events->readers_max);
    reader = ecsi_reader_at(events, id);
    reader->event = ecsi_component_at(events->components, component)->event;
    reader->position = event->position + event->count;
    event->reader_count++;
    ECSI_CHECK(reader->event != 0);
    *out = id;
    return ECS_OK;
}

static void ecsi_reader_close(ecsi_events *events, uint32_t id)
{
    ecsi_reader *reader = ecsi_reader_at(events, id);
    ecsi_event *event = ecsi_event_at(events, reader->event - 1);
    ECSI_CHECK(event->reader_count > 0);
    ECSI_CHECK(reader->position <= event->position + event->count);
    ecsi_event_tidy(events, event);
    event->reader_count--;
    reader->event = 0;
    ecsi_event_tidy(events, event);
}

/* What a reader has not seen. */
static ecs_events ecsi_reader_peek(const ecsi_events *events, uint32_t id)
{
    const ecsi_reader *reader = ecsi_reader_at(events, id);
    const ecsi_event *event = ecsi_event_at(events, reader->event - 1);
    uint64_t from = reader->position;
    uint64_t end = event->position + event->count;
    ecs_events answer;
    ECSI_CHECK(reader->event != 0);
    ECSI_CHECK(from <= end);
    answer.missed = 0;
    if (from < event->position) {
        answer.missed = event->position - from;
        from = event->position;
    }
    answer.count = (uint32_t)(end - from);
    ECSI_CHECK(answer.count <= event->count);
    answer.data = event->data +
                  (size_t)(event->begin + (uint32_t)(from - event->position)) * event->bytes;
    return answer;
}

/* It has seen the first `count` of what ecsi_reader_peek answered. */
static void ecsi_reader_advance(ecsi_events *events, uint32_t id, uint32_t count)
{
    ecsi_reader *reader = ecsi_reader_at(events, id);
    ecsi_event *event = ecsi_event_at(events, reader->event - 1);
    ECSI_CHECK(reader->event != 0);
    if (reader->position < event->position) reader->position = event->position;
    reader->position += count;
    ECSI_CHECK(reader->position <= event->position + event->count);
    ecsi_event_tidy(events, event);
}

#endif /* ECS_NO_EVENTS */

#endif /* ECS_EVENT_H */

/* >>query ====================================================== src/query.h */

/* query.h: which tables a set of terms matches, and walking over them.
 *
 * A query keeps the list of its tables. A new table is offered to every query once, when it
 * is made; so walking never searches, and reading a world writes nothing. */
/* floor: 7 */
#ifndef ECS_QUERY_H
#define ECS_QUERY_H

typedef struct ecsi_query_term {
    uint32_t component;
    uint16_t access;  /* ecs_access */
    uint16_t writes;  /* marks its row blocks as changed */
} ecsi_query_term;

/* One table of a query: the table, then a column index for each term. */
typedef struct ecsi_match {
    ecsi_table *table;
    uint16_t columns[ECS_TERMS_MAX]; /* really term_count, rounded up: see match_bytes */
} ecsi_match;

typedef struct ecsi_query {
    char name[ECS_NAME_BYTES_MAX];
    ecsi_query_term *terms;
    uint32_t term_count;
    uint32_t match_bytes;
    uint64_t bloom;      /* of components that must be there */
    bool writes;
    bool system;         /* has no columns to walk: runs once */
    ecsi_vec matches;    /* of bytes; count and capacity in matches */
    uint32_t id;
    struct ecsi_query *next; /* fixed: whose match list lies behind this one's */
} ecsi_query;

typedef struct ecsi_queries {
    ecsi_storage *storage;
    ecsi_vec list;       /* of ecsi_query *, by id minus one; NULL: the id is free */
    uint32_t live;       /* that are not NULL */
    ecsi_slab slab;
    ecsi_map by_address; /* of typed descriptions */
    uint32_t max;
    /* Fixed: all match lists lie in one piece of memory without gaps. When one goes, those
     * behind it move up. */
    unsigned char *match_data;
    size_t match_bytes_max;
    size_t match_bytes;
    ecsi_query *match_first;
    ecsi_query *match_last;
} ecsi_queries;

/* Bytes of a query with so many terms, and what ecsi_keep may need for one. */
#define ECSI_QUERY_BYTES(terms)                                                    \
    (((sizeof(ecsi_query) + 7) & ~(size_t)7) + (terms) * sizeof(ecsi_query_term))
#define ECSI_QUERY_SLOT_BYTES ((ECSI_QUERY_BYTES(ECS_TERMS_MAX) + 63) & ~(size_t)63)
#define ECSI_QUERY_KEEP_BYTES (ECSI_QUERY_SLOT_BYTES + 64)

static inline bool ecsi_access_is_column(uint32_t access)
{
    return access == ECS_ACCESS_READ || access == ECS_ACCESS_WRITE ||
           access == ECS_ACCESS_OPTIONAL || access == ECS_ACCESS_OPTIONAL_WRITE ||
           access == ECS_ACCESS_ANY || access == ECS_ACCESS_ANY_MORE;
}

/* Terms that decide about tables. */
static inline bool ecsi_access_is_match(uint32_t access)
{
    return ecsi_access_is_column(access) || access == ECS_ACCESS_WITH || access == ECS_ACCESS_NOT;
}

static inline bool ecsi_access_is_resource(uint32_t access)
{
    return access == ECS_ACCESS_RES_READ || access == ECS_ACCESS_RES_WRITE;
}

static inline bool ecsi_access_is_required(uint32_t access)
{
    return access == ECS_ACCESS_READ || access == ECS_ACCESS_WRITE || access == ECS_ACCESS_WITH;
}

/* NULL when the id is free. */
static inline ecsi_query *ecsi_query_at(const ecsi_queries *queries, uint32_t id)
{
    ECSI_CHECK(id != 0 && id <= queries->list.count);
    return *ECSI_VEC_AT(ecsi_query *, &queries->list, id - 1);
}

static inline ecsi_match *ecsi_match_at(const ecsi_query *query, uint32_t index)
{
    ECSI_CHECK(index < query->matches.count);
    return (ecsi_match *)(void *)((unsigned char *)query->matches.data +
                                  (size_t)index * query->match_bytes);
}

/* ---- Matching ---------------------------------------------------------------------- */

static bool ecsi_query_matches(const ecsi_query *query, const ecsi_table *table)
{
    bool group_open = false;
    bool group_met = true;
    uint32_t t;
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    if (query->system || (table->bloom & query->bloom) != query->bloom) return false;
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        bool has;
        if (!ecsi_access_is_match(term->access)) continue;
        has = ecsi_table_find(table, term->component) != NULL;
        if (ecsi_access_is_required(term->access) && !has) return false;
        if (term->access == ECS_ACCESS_NOT && has) return false;
        if (term->access == ECS_ACCESS_ANY) {
            if (group_open && !group_met) return false;
            group_open = true;
            group_met = has;
        } else if (term->access == ECS_ACCESS_ANY_MORE) {
            group_met = group_met || has;
        }
    }
    ECSI_CHECK(group_open || group_met);
    return group_met;
}

/* Appends a table; there is room for it. */
static void ecsi_query_push(ecsi_query *query, ecsi_table *table)
{
    ecsi_match *match;
    uint32_t t;
    ECSI_CHECK(query->matches.count < query->matches.capacity);
    ECSI_CHECK_SLOW(ecsi_query_matches(query, table));
    query->matches.count++;
    match = ecsi_match_at(query, query->matches.count - 1);
    match->table = table;
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        const ecsi_table_slot *slot = NULL;
        if (ecsi_access_is_column(term->access)) slot = ecsi_table_find(table, term->component);
        match->columns[t] = (uint16_t)(slot == NULL ? ECSI_NO_COLUMN : slot->column);
    }
    ECSI_CHECK(match->table->component_count <= ECSI_TABLE_COMPONENTS_MAX);
}

/* A new table: first makes room in every list that wants it, then appends; so it is in all
 * lists or in none. */
static ecs_status ecsi_queries_on_table(void *user, ecsi_table *table)
{
    ecsi_queries *queries = (ecsi_queries *)user;
    ecsi_storage *storage = queries->storage;
    uint32_t i;
    ECSI_CHECK(table != NULL);
    ECSI_CHECK(table->id == storage->tables.count);
    for (i = 1; i <= queries->list.count; i++) {
        ecsi_query *query = ecsi_query_at(queries, i);
        ecs_status status;
        if (query == NULL || !ecsi_query_matches(query, table)) continue;
        status = ecsi_vec_reserve(storage->memory, &query->matches, query->matches.count + 1,
                                  storage->tables_max, query->match_bytes);
        if (status != ECS_OK) return status;
    }
    for (i = 1; i <= queries->list.count; i++) {
        ecsi_query *query = ecsi_query_at(queries, i);
        if (query != NULL && ecsi_query_matches(query, table)) ecsi_query_push(query, table);
    }
    return ECS_OK;
}

/* ---- Making ------------------------------------------------------------------------- */

/* Resolves the terms' components. */
static ecs_status ecsi_query_resolve(ecsi_queries *queries, const ecs_query_info *info,
                                     ecsi_query_term *terms)
{
    ecsi_components *components = queries->storage->components;
    uint32_t t;
    ECSI_CHECK(info->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < info->term_count; t++) {
        const ecs_term *from = &info->terms[t];
        uint32_t id = from->component.id;
        ECSI_REQUIRE((uint32_t)from->access > 0 && from->access < ECS_ACCESS_COUNT, ECS_INVALID);
        if (id == 0) {
            ecs_status status = ecsi_component_need(components, from->type, &id);
            if (status != ECS_OK) return status;
        }
        ECSI_REQUIRE(ecsi_component_known(components, id), ECS_INVALID);
        terms[t].component = id;
        terms[t].access = (uint16_t)from->access;
        terms[t].writes = from->access == ECS_ACCESS_WRITE ||
                          from->access == ECS_ACCESS_OPTIONAL_WRITE;
    }
    return ECS_OK;
}

/* No type twice among the terms that match; groups begin with their first term. */
static ecs_status ecsi_query_check(const ecsi_query_term *terms, uint32_t count, bool system)
{
    uint32_t a;
    uint32_t b;
    ECSI_CHECK(count <= ECS_TERMS_MAX);
    ECSI_CHECK(terms != NULL || count == 0);
    for (a = 0; a < count; a++) {
        bool match = ecsi_access_is_match(terms[a].access);
        if (!match && !system) return ECS_INVALID;
        if (terms[a].access == ECS_ACCESS_ANY_MORE) {
            if (a == 0) return ECS_INVALID;
            if (terms[a - 1].access != ECS_ACCESS_ANY &&
                terms[a - 1].access != ECS_ACCESS_ANY_MORE) {
                return ECS_INVALID;
            }
        }
        for (b = 0; b < a; b++) {
            if (terms[a].component != terms[b].component) continue;
            if (match && ecsi_access_is_match(terms[b].access)) return ECS_INVALID;
            if (!match && terms[a].access == terms[b].access) return ECS_INVALID;
            if (ecsi_access_is_resource(terms[a].access) &&
                ecsi_access_is_resource(terms[b].access)) {
                return ECS_INVALID;
            }
        }
    }
    return ECS_OK;
}

/* The last match list goes at the end of those that are there. */
static void ecsi_match_append(ecsi_queries *queries, ecsi_query *query, size_t bytes)
{
    ECSI_CHECK(bytes <= queries->match_bytes_max - queries->match_bytes);
    ECSI_CHECK(queries->match_data != NULL);
    query->matches.data = queries->match_data + queries->match_bytes;
    query->matches.capacity = queries->storage->tables_max;
    queries->match_bytes += bytes;
    if (queries->match_last == NULL) {
        queries->match_first = query;
    } else {
        queries->match_last->next = query;
    }
    queries->match_last = query;
}

/* Takes a match list out; those behind it move up. Only what is in them is touched. */
static void ecsi_match_remove(ecsi_queries *queries, ecsi_query *query)
{
    size_t bytes = (size_t)query->match_bytes * query->matches.capacity;
    ecsi_query *before = queries->match_first == query ? NULL : queries->match_first;
    ecsi_query *each;
    ECSI_CHECK(bytes <= queries->match_bytes);
    ECSI_CHECK(queries->match_first != NULL);
    while (before != NULL && before->next != query) before = before->next;
    for (each = query->next; each != NULL; each = each->next) {
        unsigned char *to = (unsigned char *)each->matches.data - bytes;
        memmove(to, each->matches.data, (size_t)each->match_bytes * each->matches.count);
        each->matches.data = to;
    }
    if (before == NULL) {
        queries->match_first = query->next;
    } else {
        before->next = query->next;
    }
    if (queries->match_last == query) queries->match_last = before;
    queries->match_bytes -= bytes;
}

/* Gives a query's memory back; it is in no list of queries. */
static void ecsi_query_free(ecsi_queries *queries, ecsi_query *query)
{
    ecsi_memory *memory = queries->storage->memory;
    ECSI_CHECK(query != NULL);
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    if (!memory->fixed) {
        ecsi_vec_destroy(memory, &query->matches, query->match_bytes);
    } else if (query->matches.data != NULL) {
        ecsi_match_remove(queries, query);
    }
    ecsi_slab_give(memory, &queries->slab, query, ECSI_QUERY_BYTES(query->term_count));
}

/* Memory for a query and, in fixed mode, for as many matches as there can be tables. */
static ecs_status ecsi_query_alloc(ecsi_queries *queries, const ecsi_query_term *terms,
                                   uint32_t count, ecsi_query **out)
{
    ecsi_memory *memory = queries->storage->memory;
    ecsi_query *query =
        (ecsi_query *)ecsi_slab_take(memory, &queries->slab, ECSI_QUERY_BYTES(count));
    ECSI_CHECK(out != NULL);
    if (query == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    query->terms = (ecsi_query_term *)(void *)((unsigned char *)query + ECSI_QUERY_BYTES(0));
    if (count > 0) memcpy(query->terms, terms, count * sizeof *terms);
    query->term_count = count;
    query->match_bytes = (uint32_t)ecsi_align_up(sizeof(ecsi_table *) + count * 2u, 8);
    *out = query;
    if (memory->fixed) {
        size_t bytes = (size_t)query->match_bytes * queries->storage->tables_max;
        if (bytes > queries->match_bytes_max - queries->match_bytes) return ECS_FULL;
        ecsi_match_append(queries, query, bytes);
    }
    ECSI_CHECK(query->matches.count == 0);
    return ECS_OK;
}

/* Fills a new query's match list with the tables that are there. */
static ecs_status ecsi_query_fill(ecsi_queries *queries, ecsi_query *query)
{
    ecsi_storage *storage = queries->storage;
    bool walks = false;
    uint32_t t;
    ECSI_CHECK(query->matches.count == 0);
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        walks = walks || ecsi_access_is_match(term->access);
        query->writes = query->writes || term->writes != 0;
        if (ecsi_access_is_required(term->access)) {
            query->bloom |= (uint64_t)1 << (term->component & 63u);
        }
    }
    query->system = !walks;
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table *table = ecsi_table_at(storage, t);
        ecs_status status;
        if (!ecsi_query_matches(query, table)) continue;
        status = ecsi_vec_reserve(storage->memory, &query->matches, query->matches.count + 1,
                                  storage->tables_max, query->match_bytes);
        if (status != ECS_OK) return status;
        ecsi_query_push(query, table);
    }
    ECSI_CHECK(query->matches.count <= storage->tables.count);
    return ECS_OK;
}

/* The lowest id that is free. */
static uint32_t ecsi_query_id(const ecsi_queries *queries)
{
    uint32_t id = 1;
    ECSI_CHECK(queries->live <= queries->list.count);
    if (queries->live == queries->list.count) return queries->list.count + 1;
    while (ecsi_query_at(queries, id) != NULL) id++;
    ECSI_CHECK(id <= queries->list.count);
    return id;
}

/* Nothing is changed on failure, except that types may have been registered. */
static ecs_status ecsi_query_make(ecsi_queries *queries, const ecs_query_info *info, bool system,
                                  ecsi_query **out)
{
    ecsi_memory *memory = queries->storage->memory;
    ecsi_query_term terms[ECS_TERMS_MAX];
    ecsi_query *query = NULL;
    uint32_t id;
    ecs_status status;
    ECSI_REQUIRE(info->name != NULL, ECS_INVALID);
    ECSI_CHECK(out != NULL);
    ECSI_REQUIRE(info->terms != NULL || info->term_count == 0, ECS_INVALID);
    if (info->term_count > ECS_TERMS_MAX) return ECS_INVALID;
    status = ecsi_query_resolve(queries, info, terms);
    if (status == ECS_OK) status = ecsi_query_check(terms, info->term_count, system);
    if (status != ECS_OK) return status;
    id = ecsi_query_id(queries);
    status = ecsi_vec_reserve(memory, &queries->list, id, queries->max, sizeof(ecsi_query *));
    if (status == ECS_OK) status = ecsi_query_alloc(queries, terms, info->term_count, &query);
    if (status == ECS_OK) status = ecsi_name_copy(query->name, info->name);
    if (status == ECS_OK) status = ecsi_query_fill(queries, query);
    if (status != ECS_OK) {
        if (query != NULL) ecsi_query_free(queries, query);
        return status;
    }
    if (id > queries->list.count) queries->list.count = id;
    *ECSI_VEC_AT(ecsi_query *, &queries->list, id - 1) = query;
    queries->live++;
    query->id = id;
    *out = query;
    return ECS_OK;
}

/* Forgets a query and gives its memory and its id back. Nobody walks over it. */
static void ecsi_query_drop(ecsi_queries *queries, ecsi_query *query)
{
    ECSI_CHECK(query->id != 0);
    ECSI_CHECK(ecsi_query_at(queries, query->id) == query);
    *ECSI_VEC_AT(ecsi_query *, &queries->list, query->id - 1) = NULL;
    queries->live--;
    ecsi_query_free(queries, query);
}

static ecs_status ecsi_queries_create(ecsi_queries *queries)
{
    ecsi_memory *memory = queries->storage->memory;
    ecs_status status =
        ecsi_vec_create(memory, &queries->list, queries->max, sizeof(ecsi_query *));
    ECSI_CHECK(queries->max > 0);
    ECSI_CHECK(queries->storage->on_table == NULL);
    queries->slab.bytes = ECSI_QUERY_SLOT_BYTES;
    if (status == ECS_OK) status = ecsi_map_create(memory, &queries->by_address, queries->max);
    if (status == ECS_OK && memory->fixed) {
        queries->match_data = (unsigned char *)ecsi_alloc(memory, queries->match_bytes_max, 64);
        if (queries->match_data == NULL && !memory->measuring) status = ECS_NO_MEMORY;
    }
    queries->storage->on_table = ecsi_queries_on_table;
    queries->storage->on_table_user = queries;
    return status;
}

static void ecsi_queries_destroy(ecsi_queries *queries)
{
    ecsi_memory *memory = queries->storage->memory;
    uint32_t i;
    ECSI_CHECK(queries->list.count <= queries->max);
    ECSI_CHECK(queries->by_address.count <= queries->list.count);
    for (i = 1; i <= queries->list.count && !memory->fixed; i++) {
        if (ecsi_query_at(queries, i) != NULL) ecsi_query_drop(queries, ecsi_query_at(queries, i));
    }
    ecsi_vec_destroy(memory, &queries->list, sizeof(ecsi_query *));
    ecsi_map_destroy(memory, &queries->by_address);
}

/* ---- Walking ------------------------------------------------------------------------ */

static uint32_t ecsi_query_row_count(const ecsi_query *query)
{
    uint32_t rows = 0;
    uint32_t i;
    ECSI_CHECK(query != NULL);
    for (i = 0; i < query->matches.count; i++) {
        rows += ecsi_match_at(query, i)->table->row_count;
    }
    return rows;
}

/* `query` NULL walks over nothing; `lock` NULL locks and marks nothing. */
static inline void ecsi_iter_start(ecs_iter *iter, const ecsi_query *query, uint32_t *lock,
                                   uint64_t tick)
{
    ECSI_CHECK(iter != NULL);
    ECSI_CHECK(query == NULL || query->match_bytes >= sizeof(ecsi_table *));
    iter->count = 0;
    iter->base = 0;
    iter->row = 0;
    iter->ecsi_query = query;
    iter->ecsi_chunk = NULL;
    iter->ecsi_chunk_row = 0;
    iter->ecsi_lock = lock;
    iter->ecsi_tick = tick;
    iter->ecsi_match = NULL;
    iter->ecsi_match_end = NULL;
    if (lock != NULL) *lock += 1;
    if (query == NULL || query->matches.count == 0) return;
    /* One before the first: ecs_iter_next steps first. */
    iter->ecsi_match = (const unsigned char *)query->matches.data;
    iter->ecsi_match_end = iter->ecsi_match + (size_t)query->matches.count * query->match_bytes;
}

/* Fills the span's columns, and marks what is written. */
static inline void ecsi_iter_columns(ecs_iter *iter, const ecsi_query *query,
                                     const ecsi_match *match, ecsi_chunk *chunk, uint32_t row)
{
    const ecsi_table *table = match->table;
    uint32_t t;
    ECSI_CHECK(row < chunk->count);
    ECSI_CHECK(chunk->table == table);
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < query->term_count; t++) {
        uint32_t c = match->columns[t];
        if (c == ECSI_NO_COLUMN) {
            iter->columns[t] = NULL;
            continue;
        }
        iter->columns[t] = ecsi_chunk_value(chunk, &table->columns[c], row);
        if (query->terms[t].writes && iter->ecsi_tick != UINT64_MAX) {
            *ecsi_chunk_tick(chunk, c, row) = iter->ecsi_tick;
        }
    }
}

/* Steps to the next span; `ecsi_match` is the match after the current chunk's. */
static inline bool ecsi_iter_step(ecs_iter *iter)
{
    const ecsi_query *query = (const ecsi_query *)iter->ecsi_query;
    ecsi_chunk *chunk = (ecsi_chunk *)(void *)(uintptr_t)iter->ecsi_chunk;
    uint32_t row = iter->ecsi_chunk_row + iter->count;
    const ecsi_match *match;
    ECSI_CHECK(query != NULL || iter->ecsi_match == iter->ecsi_match_end);
    iter->base += iter->count;
    iter->row = 0;
    if (chunk != NULL && row >= chunk->count) {
        chunk = chunk->next;
        row = 0;
    }
    while (chunk == NULL || chunk->count == 0) {
        if (iter->ecsi_match == iter->ecsi_match_end) {
            ecs_iter_end(iter);
            return false;
        }
        match = (const ecsi_match *)(const void *)iter->ecsi_match;
        iter->ecsi_match += query->match_bytes;
        chunk = match->table->first;
        row = 0;
    }
    match = (const ecsi_match *)(const void *)(iter->ecsi_match - query->match_bytes);
    ECSI_CHECK(chunk->table == match->table);
    iter->ecsi_chunk = chunk;
    iter->ecsi_chunk_row = row;
    iter->count = ecsi_min_u32(match->table->block_rows, chunk->count - row);
    ECSI_CHECK(iter->count > 0);
    iter->entities = ecsi_chunk_entities(chunk) + row;
    ecsi_iter_columns(iter, query, match, chunk, row);
    return true;
}

#endif /* ECS_QUERY_H */

/* >>command ================================================== src/command.h */

/* command.h: recorded edits. flush.h applies them.
 *
 * A queue is a list of blocks that never move, so a recorded value may know its address.
 * Each worker has one, and streams (one a system and row block) record into that of the worker
 * that runs them; a marker with the stream's serial says where each begins. Serials are given
 * by the schedule and not by time, so the flush puts the markers of all queues in one order,
 * which is the same on any number of workers. */
/* floor: 8 */
#ifndef ECS_COMMAND_H
#define ECS_COMMAND_H

/* Bytes of the first block in grow mode; the next ones are larger. */
#define ECSI_BLOCK_BYTES_MIN 16384u
#define ECSI_BLOCK_BYTES_MAX ((size_t)4 << 20)
/* A provisional handle is 45 bits of stream and 18 bits of ordinal. */
#define ECSI_ORDINAL_BITS 18u
#define ECSI_ORDINALS_MAX (1u << ECSI_ORDINAL_BITS)
#define ECSI_SERIAL_MAX ((uint64_t)1 << 45)
/* Drops that ecs_explain_drops remembers. */
#define ECSI_DROPS_MAX 32u
/* Rounds of one flush: commands that hooks and custom commands record go into the next. */
#define ECSI_FLUSH_ROUNDS_MAX 64u
/* Event types that one stream may emit. */
#define ECSI_EMIT_TYPES_MAX 16u
/* No system: the world's own stream. */
#define ECSI_NO_SYSTEM 0xffffffffu

typedef enum ecsi_command_kind {
    ECSI_COMMAND_STREAM,  /* entity: serial; next: the next marker; its block follows */
    ECSI_COMMAND_SPAWN,   /* entity: provisional */
    ECSI_COMMAND_DESPAWN,
    ECSI_COMMAND_ADD,
    ECSI_COMMAND_REMOVE,
    ECSI_COMMAND_SET,
    ECSI_COMMAND_CUSTOM,
    ECSI_COMMAND_EVENT
} ecsi_command_kind;

typedef struct ecsi_command {
    uint32_t bytes;          /* to the next command of the block */
    uint16_t kind;
    uint16_t payload_offset; /* 0: none, or it has ended */
    uint64_t entity;
    struct ecsi_command *next; /* of the same entity */
    uint32_t component;      /* 0: not registered when it was recorded; its type follows */
    uint32_t system;         /* that recorded it */
} ecsi_command;

static inline void *ecsi_command_payload(ecsi_command *command)
{
    if (command->payload_offset == 0) return NULL;
    return (unsigned char *)command + command->payload_offset;
}

/* Behind a command whose component was not known: the type. */
static inline const ecs_type **ecsi_command_type_at(ecsi_command *command)
{
    return (const ecs_type **)(void *)(command + 1);
}

/* Behind a marker: the block that it is in. */
static inline struct ecsi_block **ecsi_marker_block(ecsi_command *marker)
{
    return (struct ecsi_block **)(void *)(marker + 1);
}

/* The head of a custom command's payload; the user's part follows at ECSI_CUSTOM_BYTES. */
typedef struct ecsi_custom {
    void (*run)(ecs_world *world, void *payload, uint32_t bytes);
    uint32_t bytes;
} ecsi_custom;

#define ECSI_CUSTOM_BYTES 16u

typedef struct ecsi_block {
    struct ecsi_block *next;
    size_t bytes;
    size_t used;
} ecsi_block;

/* In fixed mode with several workers: the memory that their queues cut their blocks from.
 * A queue leaves less room unused than the command takes that did not fit there, and two
 * neighbouring blocks hold more than 4,072 bytes; so twice the bytes that may be recorded, a 64th
 * for the heads of blocks, and one block for each queue, are enough. */
typedef struct ecsi_arena {
    unsigned char *data;
    size_t bytes;
    ecsi_atomic_u64 used;
} ecsi_arena;

#define ECSI_ARENA_BLOCK_BYTES ((size_t)4096)

typedef struct ecsi_queue {
    ecsi_block *first;
    ecsi_block *last; /* that is written to; later ones are empty */
    size_t bytes;     /* recorded */
    size_t bytes_max;
    ecsi_command *marker_first;
    ecsi_command *marker_last;
    ecsi_arena *arena;
    uint64_t open;    /* serial of the stream that recorded last */
    uint32_t command_count;
    uint32_t spawn_count;
    uint32_t stream_count;
    bool spawned; /* provisional handles are about, even of spawns that were taken back */
    uint64_t recorded; /* what is not in the flush's counters yet */
    uint64_t refused;
    uint64_t events_dropped;
} ecsi_queue;

/* Where a queue stands, to take back a failed system's commands. */
typedef struct ecsi_queue_mark {
    ecsi_block *block;
    size_t used;
    size_t bytes;
    ecsi_command *marker_last;
    uint64_t open;
    uint32_t command_count;
    uint32_t spawn_count;
    uint32_t stream_count;
} ecsi_queue_mark;

/* Queues that are flushed together: their markers in order of serial. */
typedef struct ecsi_batch {
    ecsi_command *first;
    uint32_t command_count;
    uint32_t spawn_count;
    uint32_t stream_count;
    bool spawned;
} ecsi_batch;

/* A stream whose spawns are known: provisional to real. */
typedef struct ecsi_spawn_range {
    uint64_t serial;
    uint32_t first; /* in spawn_map */
    uint32_t count;
} ecsi_spawn_range;

/* An entity that the flush touches, in order of first touch. */
typedef struct ecsi_touch {
    ecsi_command *first;
    ecsi_command *last;
    uint32_t index;
} ecsi_touch;

/* Several commands on one component of one entity, folded. */
typedef struct ecsi_fold {
    uint32_t component;
    uint32_t order; /* when it became present, or was last removed: later ones have their way */
    bool present;
    void *payload; /* the last value, or NULL */
} ecsi_fold;

typedef struct ecsi_drop {
    uint64_t entity;
    uint64_t tick;
    uint32_t kind;
    uint32_t component;
    uint32_t system;
    uint32_t killer; /* system that despawned it, when that is known: with ECS_DEBUG */
    ecs_status why;
} ecsi_drop;

typedef struct ecsi_flush {
    ecsi_storage *storage;
    ecsi_components *components;
#ifndef ECS_NO_EVENTS
    ecsi_events *events;
#endif
    ecsi_memory *memory;
    ecs_world *world;
    ecs_worker *worker; /* inside a tick: of the thread that ticks; may be NULL */
    uint32_t *locks;
    ecsi_vec ranges;    /* of ecsi_spawn_range, by rising serial */
    ecsi_vec spawn_map; /* of ecs_entity */
    ecsi_vec touches;   /* of ecsi_touch */
    ecsi_vec touch_of;  /* of uint32_t by entity: index into touches plus one */
    ecsi_vec folds;     /* of ecsi_fold */
    ecsi_vec fold_of;   /* of uint32_t by component: index plus one */
    uint32_t fold_order;
    ecsi_vec marks;     /* of unsigned char by component: has a payload */
    uint64_t serial_next;
    const uint64_t *open_serial; /* of the world's own stream */
    uint32_t commands_max; /* of one batch, in fixed mode */
    ecsi_atomic_u32 lock;  /* of the allocator, while systems record */
    bool running;
    bool watched;          /* access is checked: streams know their thread */
    uint64_t recorded;
    uint64_t applied;
    uint64_t dropped;
    uint64_t refused;
    uint64_t events_dropped;
    uint32_t drop_count;   /* ever; the last ones are kept */
    ecsi_drop drops[ECSI_DROPS_MAX];
#ifdef ECS_DEBUG
    uint32_t kill_count;
    uint64_t kills[ECSI_DROPS_MAX];
    uint32_t killers[ECSI_DROPS_MAX];
#endif
} ecsi_flush;

/* The owner of the world's own stream when access is checked: whoever has the world. */
#define ECSI_OWNER_ANY UINT64_MAX

/* A stream: what records. */
struct ecs_commands {
    ecsi_flush *flush;
    ecsi_queue *queue;
    uint64_t serial;
    size_t bytes_left;
    uint32_t spawn_count;
    uint32_t spawns_max;
    uint32_t system;
    uint64_t owner;    /* number of the thread that may record; 0: nobody asks */
    ecs_status status; /* of the last spawn */
    bool begun; /* it has a marker */
    bool detached; /* of an asynchronous group: the world goes on meanwhile... */
    uint32_t components_known; /* ...and this is what it knew at the launch: what came since */
    uint32_t events_known;     /* must not show in what is recorded, or when that is would */
    uint32_t emit_type_count;
    uint32_t emit_types[ECSI_EMIT_TYPES_MAX]; /* component ids that were emitted */
    uint32_t emit_counts[ECSI_EMIT_TYPES_MAX];
};

/* ---- Queues ----------------------------------------------------------------------- */

/* Makes a block of memory. */
static ecsi_block *ecsi_block_put(void *memory, size_t bytes)
{
    ecsi_block *block = (ecsi_block *)memory;
    ECSI_CHECK(bytes > sizeof *block);
    if (block == NULL) return NULL;
    ECSI_CHECK((uintptr_t)memory % 16 == 0);
    block->next = NULL;
    block->bytes = bytes;
    block->used = sizeof *block;
    return block;
}

/* At creation: the whole queue is one block in fixed mode. */
static ecs_status ecsi_queue_create(ecsi_memory *memory, ecsi_queue *queue, size_t bytes_max)
{
    ECSI_CHECK(queue->first == NULL);
    ECSI_CHECK(bytes_max > 0);
    queue->bytes_max = bytes_max;
    if (!memory->fixed) return ECS_OK;
    if (memory->measuring) {
        (void)ecsi_alloc(memory, bytes_max + sizeof(ecsi_block) + 4096, ECSI_MALLOC_ALIGN);
        return ECS_OK;
    }
    queue->first = ecsi_block_put(
        ecsi_alloc(memory, bytes_max + sizeof(ecsi_block) + 4096, ECSI_MALLOC_ALIGN),
        bytes_max + sizeof(ecsi_block) + 4096);
    queue->last = queue->first;
    return queue->first != NULL ? ECS_OK : ECS_NO_MEMORY;
}

static void ecsi_queue_destroy(ecsi_memory *memory, ecsi_queue *queue)
{
    ecsi_block *block = queue->first;
    ECSI_CHECK(queue->command_count == 0);
    ECSI_CHECK(queue->bytes == 0);
    while (block != NULL && queue->arena == NULL) {
        ecsi_block *next = block->next;
        ecsi_release(memory, block, block->bytes, ECSI_MALLOC_ALIGN);
        block = next;
    }
    queue->first = NULL;
    queue->last = NULL;
}

/* A new block: workers may ask at the same time, so one after the other. */
static ecsi_block *ecsi_block_make(ecsi_flush *flush, size_t bytes)
{
    void *memory;
    ECSI_CHECK(bytes > sizeof(ecsi_block));
    ECSI_CHECK(!flush->memory->fixed);
#ifndef ECS_NO_THREADS
    ecsi_lock(&flush->lock);
#endif
    memory = ecsi_alloc(flush->memory, bytes, ECSI_MALLOC_ALIGN);
#ifndef ECS_NO_THREADS
    ecsi_unlock(&flush->lock);
#endif
    return ecsi_block_put(memory, bytes);
}

/* A block of the arena. */
static ecsi_block *ecsi_arena_block(ecsi_arena *arena, size_t bytes)
{
    uint64_t at;
    ECSI_CHECK(arena->data != NULL);
    bytes = ecsi_align_up(bytes + sizeof(ecsi_block), 16);
    if (bytes < ECSI_ARENA_BLOCK_BYTES) bytes = ECSI_ARENA_BLOCK_BYTES;
    if (bytes > arena->bytes) return NULL;
    at = ECSI_ADD(&arena->used, (uint64_t)bytes, relaxed);
    if (at > arena->bytes - bytes) return NULL;
    ECSI_CHECK(at % 16 == 0);
    return ecsi_block_put(arena->data + at, bytes);
}

/* Room for `bytes` in the block that is written to, going on to the next or a new one. */
static ECSI_NOINLINE ecs_status ecsi_queue_advance(ecsi_flush *flush, ecsi_queue *queue,
                                                   size_t bytes)
{
    size_t want = queue->last == NULL ? ECSI_BLOCK_BYTES_MIN : queue->last->bytes * 2;
    ecsi_block *block;
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(queue->last == NULL || queue->last->used <= queue->last->bytes);
    if (queue->arena == NULL && flush->memory->fixed) return ECS_FULL;
    if (queue->last != NULL && queue->last->next != NULL &&
        queue->last->next->bytes - sizeof *block >= bytes) {
        queue->last = queue->last->next;
        queue->last->used = sizeof *block;
        return ECS_OK;
    }
    if (want > ECSI_BLOCK_BYTES_MAX) want = ECSI_BLOCK_BYTES_MAX;
    if (want < bytes + sizeof *block) want = bytes + sizeof *block;
    block = queue->arena != NULL ? ecsi_arena_block(queue->arena, bytes)
                                 : ecsi_block_make(flush, want);
    if (block == NULL) return queue->arena != NULL ? ECS_FULL : ECS_NO_MEMORY;
    if (queue->last == NULL) {
        queue->first = block;
    } else {
        block->next = queue->last->next;
        queue->last->next = block;
    }
    queue->last = block;
    ECSI_CHECK(block->bytes - block->used >= bytes);
    return ECS_OK;
}

static ecsi_queue_mark ecsi_queue_where(const ecsi_queue *queue)
{
    ecsi_queue_mark mark;
    ECSI_CHECK((queue->first == NULL) == (queue->last == NULL));
    ECSI_CHECK(queue->last == NULL || queue->last->used <= queue->last->bytes);
    mark.block = queue->last;
    mark.used = queue->last == NULL ? 0 : queue->last->used;
    mark.bytes = queue->bytes;
    mark.marker_last = queue->marker_last;
    mark.open = queue->open;
    mark.command_count = queue->command_count;
    mark.spawn_count = queue->spawn_count;
    mark.stream_count = queue->stream_count;
    return mark;
}

/* Walks over what one queue recorded since a mark, markers included. */
typedef struct ecsi_walk {
    ecsi_block *block;
    size_t at;
} ecsi_walk;

static ecsi_walk ecsi_walk_begin(const ecsi_queue *queue, ecsi_queue_mark mark)
{
    ecsi_walk walk;
    ECSI_CHECK(queue->last != NULL || queue->command_count == 0);
    ECSI_CHECK(mark.block == NULL || mark.used <= mark.block->used);
    walk.block = mark.block != NULL ? mark.block : queue->first;
    walk.at = mark.block != NULL ? mark.used : sizeof(ecsi_block);
    return walk;
}

/* The next command, or NULL at the end. Blocks behind the last one are empty. */
static inline ecsi_command *ecsi_walk_next(ecsi_walk *walk)
{
    ecsi_command *command;
    while (walk->block != NULL && walk->at >= walk->block->used) {
        walk->block = walk->block->next;
        walk->at = sizeof(ecsi_block);
    }
    if (walk->block == NULL) return NULL;
    command = (ecsi_command *)(void *)((unsigned char *)walk->block + walk->at);
    ECSI_CHECK(command->bytes >= sizeof *command);
    ECSI_CHECK(command->bytes <= walk->block->used - walk->at);
    walk->at += command->bytes;
    return command;
}

/* Walks over the commands of a batch, each marker before its stream. */
typedef struct ecsi_cursor {
    ecsi_command *marker; /* of the next stream */
    ecsi_block *block;
    unsigned char *at;
    unsigned char *end; /* of what is used of the block */
} ecsi_cursor;

static ecsi_cursor ecsi_batch_begin(const ecsi_batch *batch)
{
    ecsi_cursor cursor;
    ECSI_CHECK(batch->first == NULL || batch->first->kind == ECSI_COMMAND_STREAM);
    ECSI_CHECK(batch->spawn_count <= batch->command_count);
    cursor.marker = batch->first;
    cursor.block = NULL;
    cursor.at = NULL;
    cursor.end = NULL;
    return cursor;
}

/* Goes on to a block of the same queue. */
static inline void ecsi_cursor_enter(ecsi_cursor *cursor, ecsi_block *block)
{
    cursor->block = block;
    cursor->at = (unsigned char *)block + sizeof *block;
    cursor->end = (unsigned char *)block + block->used;
}

/* The next command, or NULL at the end. */
static inline ecsi_command *ecsi_cursor_next(ecsi_cursor *cursor)
{
    ecsi_command *command;
    for (;;) {
        if (ECSI_LIKELY(cursor->at < cursor->end)) {
            command = (ecsi_command *)(void *)cursor->at;
            ECSI_CHECK(command->bytes >= sizeof *command);
            ECSI_CHECK(command->kind <= ECSI_COMMAND_EVENT);
            if (ECSI_UNLIKELY(command->kind == ECSI_COMMAND_STREAM)) break;
            cursor->at += command->bytes;
            return command;
        }
        if (cursor->block == NULL || cursor->block->next == NULL) break;
        ecsi_cursor_enter(cursor, cursor->block->next);
    }
    /* This stream has ended, here at least. */
    command = cursor->marker;
    if (command == NULL) return NULL;
    ecsi_cursor_enter(cursor, *ecsi_marker_block(command));
    cursor->at = (unsigned char *)command + command->bytes;
    cursor->marker = command->next;
    return command;
}

/* Nothing to flush or to take back. */
static inline bool ecsi_queue_empty(const ecsi_queue *queue)
{
    ECSI_CHECK(queue->bytes > 0 || queue->command_count == 0);
    return queue->bytes == 0 && !queue->spawned;
}

/* Everything in it has been applied or dropped. */
static void ecsi_queue_reset(ecsi_queue *queue)
{
    ecsi_block *block;
    ECSI_CHECK(queue->last != NULL || queue->bytes == 0);
    for (block = queue->first; block != NULL; block = block->next) {
        block->used = sizeof *block;
        ECSI_CHECK(block->bytes >= block->used);
    }
    /* Blocks of an arena go back all together. */
    if (queue->arena != NULL) queue->first = NULL;
    queue->last = queue->first;
    queue->bytes = 0;
    queue->marker_first = NULL;
    queue->marker_last = NULL;
    queue->open = 0;
    queue->command_count = 0;
    queue->spawn_count = 0;
    queue->stream_count = 0;
    queue->spawned = false;
}

/* Adds what a queue counted to the flush's counters. */
static void ecsi_queue_count(ecsi_flush *flush, ecsi_queue *queue)
{
    ECSI_CHECK(flush != NULL);
    flush->recorded += queue->recorded;
    flush->refused += queue->refused;
    flush->events_dropped += queue->events_dropped;
    queue->recorded = 0;
    queue->refused = 0;
    queue->events_dropped = 0;
}

/* ---- Batches ---------------------------------------------------------------------- */

/* Merges two lists of markers; of equal serials those of `a` come first. */
static ecsi_command *ecsi_markers_merge(ecsi_command *a, ecsi_command *b)
{
    ecsi_command *first = NULL;
    ecsi_command **tail = &first;
    while (a != NULL && b != NULL) {
        ecsi_command **from = b->entity < a->entity ? &b : &a;
        ECSI_CHECK((*from)->kind == ECSI_COMMAND_STREAM);
        *tail = *from;
        tail = &(*from)->next;
        *from = (*from)->next;
    }
    *tail = a != NULL ? a : b;
    ECSI_CHECK(first != NULL || (a == NULL && b == NULL));
    return first;
}

/* Sorts markers by serial: a merge sort from the bottom up, in the list itself. */
static ecsi_command *ecsi_markers_sort(ecsi_command *list)
{
    ecsi_command *runs[33]; /* of 2^i markers each */
    uint32_t i;
    ECSI_CHECK(list != NULL);
    memset(runs, 0, sizeof runs);
    while (list != NULL) {
        ecsi_command *run = list;
        list = list->next;
        run->next = NULL;
        for (i = 0; i < 32 && runs[i] != NULL; i++) {
            run = ecsi_markers_merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
        ECSI_CHECK(i < 32);
    }
    for (i = 0; i < 33; i++) {
        if (runs[i] != NULL) list = ecsi_markers_merge(runs[i], list);
    }
    return list;
}

/* Adds up what a queue holds; its markers stay where they are. */
static void ecsi_batch_add(ecsi_batch *batch, const ecsi_queue *queue)
{
    ECSI_CHECK(queue->spawn_count <= queue->command_count);
    batch->command_count += queue->command_count;
    batch->spawn_count += queue->spawn_count;
    batch->stream_count += queue->stream_count;
    batch->spawned = batch->spawned || queue->spawned;
    ECSI_CHECK(batch->command_count >= queue->command_count);
}

/* Takes the markers of a queue. */
static void ecsi_batch_take(ecsi_batch *batch, ecsi_queue *queue)
{
    const ecsi_command *marker;
    bool sorted = true;
    ECSI_CHECK(queue->marker_first == NULL || queue->marker_last != NULL);
    ECSI_CHECK(queue->marker_last == NULL || queue->marker_last->next == NULL);
    if (queue->marker_first == NULL) return;
    for (marker = queue->marker_first; marker->next != NULL && sorted; marker = marker->next) {
        sorted = marker->entity <= marker->next->entity;
    }
    if (!sorted) queue->marker_first = ecsi_markers_sort(queue->marker_first);
    batch->first = ecsi_markers_merge(batch->first, queue->marker_first);
    queue->marker_first = NULL;
    queue->marker_last = NULL;
    queue->open = 0;
}

/* ---- Recording -------------------------------------------------------------------- */

/* What a command needs in its block. */
typedef struct ecsi_command_shape {
    uint32_t kind;
    uint32_t payload_bytes;
    uint32_t align;
    bool typed; /* the type follows the head */
} ecsi_command_shape;

static inline ecsi_command_shape ecsi_shape_make(uint32_t kind, uint32_t payload_bytes,
                                                 uint32_t align)
{
    ecsi_command_shape shape;
    ECSI_CHECK(ecsi_is_power_of_two(align));
    ECSI_CHECK(align <= ECS_ALIGN_MAX);
    shape.kind = kind;
    shape.payload_bytes = payload_bytes;
    shape.align = align;
    shape.typed = false;
    return shape;
}

/* A command in the stream, or a status: nothing is recorded then. */
static inline ecs_status ecsi_command_put(ecs_commands *cmd, ecsi_command_shape shape,
                                          uint64_t entity, ecsi_command **out)
{
    ecsi_queue *queue = cmd->queue;
    uint32_t align = shape.align;
    size_t head = sizeof(ecsi_command) + (shape.typed ? sizeof(ecs_type *) : 0);
    size_t need = head + shape.payload_bytes + (align > 8 ? align : 0);
    ecsi_command *command;
    uintptr_t at;
    ecs_status status;
    ECSI_CHECK(shape.kind <= ECSI_COMMAND_EVENT);
    ECSI_CHECK(queue->bytes <= queue->bytes_max);
    need = (need + 7) & ~(size_t)7;
    if (ECSI_UNLIKELY(need > cmd->bytes_left || need > queue->bytes_max - queue->bytes)) {
        return ECS_FULL;
    }
    if (ECSI_UNLIKELY(queue->last == NULL || queue->last->bytes - queue->last->used < need)) {
        status = ecsi_queue_advance(cmd->flush, queue, need);
        if (status != ECS_OK) return status;
    }
    command = (ecsi_command *)(void *)((unsigned char *)queue->last + queue->last->used);
    command->bytes = (uint32_t)need;
    command->kind = (uint16_t)shape.kind;
    command->entity = entity;
    command->next = NULL;
    command->component = 0;
    command->system = cmd->system;
    command->payload_offset = 0;
    if (shape.payload_bytes > 0) {
        at = ((uintptr_t)command + head + (align - 1)) & ~(uintptr_t)(align - 1);
        command->payload_offset = (uint16_t)(at - (uintptr_t)command);
        ECSI_CHECK(command->payload_offset + (size_t)shape.payload_bytes <= need);
    }
    queue->last->used += need;
    ECSI_CHECK(queue->last->used <= queue->last->bytes);
    queue->bytes += need;
    queue->command_count++;
    cmd->bytes_left -= need;
    *out = command;
    return ECS_OK;
}

/* A marker: before the stream's first command, and before each that follows another stream's
 * in this queue. */
static ECSI_NOINLINE ecs_status ecsi_stream_begin(ecs_commands *cmd)
{
    ecsi_queue *queue = cmd->queue;
    ecsi_command_shape shape = ecsi_shape_make(ECSI_COMMAND_STREAM, 0, 1);
    ecsi_command *marker;
    ecs_status status;
    ECSI_CHECK(queue->open != cmd->serial);
    ECSI_CHECK(cmd->begun || cmd->spawn_count == 0);
    shape.typed = true;
    status = ecsi_command_put(cmd, shape, cmd->serial, &marker);
    if (status != ECS_OK) return status;
    /* Only the first one counts: whether there are more may depend on time. */
    if (cmd->begun) cmd->bytes_left += marker->bytes;
    *ecsi_marker_block(marker) = queue->last;
    if (queue->marker_last == NULL) {
        queue->marker_first = marker;
    } else {
        queue->marker_last->next = marker;
    }
    queue->marker_last = marker;
    queue->open = cmd->serial;
    queue->stream_count++;
    queue->command_count--; /* it is none */
    cmd->begun = true;
    ECSI_CHECK(marker->payload_offset == 0);
    return ECS_OK;
}

/* Counts what a call answers. */
static inline ecs_status ecsi_recorded(ecs_commands *cmd, ecs_status status)
{
    ECSI_CHECK(cmd->begun || status != ECS_OK);
    if (ECSI_LIKELY(status == ECS_OK)) {
        cmd->queue->recorded++;
    } else {
        cmd->queue->refused++;
    }
    return status;
}

static inline ecs_status ecsi_command_record(ecs_commands *cmd, ecsi_command_shape shape,
                                             uint64_t entity, ecsi_command **out)
{
    ecs_status status = ECS_OK;
    ECSI_CHECK(shape.kind != ECSI_COMMAND_STREAM);
    ECSI_CHECK(cmd->serial != 0);
    if (ECSI_UNLIKELY(cmd->queue->open != cmd->serial)) status = ecsi_stream_begin(cmd);
    if (ECSI_LIKELY(status == ECS_OK)) {
        status = ecsi_command_put(cmd, shape, entity, out);
    }
    return ecsi_recorded(cmd, status);
}

/* Locks the types for a stream that records beside the world's thread. */
static inline void ecsi_stream_lock(const ecs_commands *cmd)
{
    ECSI_CHECK(cmd->flush != NULL);
    if (ECSI_UNLIKELY(cmd->detached)) ecsi_registry_lock(cmd->flush->components);
}

static inline void ecsi_stream_unlock(const ecs_commands *cmd)
{
    ECSI_CHECK(cmd->flush != NULL);
    if (ECSI_UNLIKELY(cmd->detached)) ecsi_registry_unlock(cmd->flush->components);
}

/* The component of an id, or of a type where `id` is 0; NULL: it is not known. Entries never move
 * and do not change while an asynchronous group is under way. */
static inline const ecsi_component *ecsi_stream_component(const ecs_commands *cmd, uint32_t *id,
                                                          const ecs_type *type)
{
    const ecsi_components *components = cmd->flush->components;
    const ecsi_component *c = NULL;
    ECSI_CHECK(*id != 0 || type != NULL);
    ecsi_stream_lock(cmd);
    if (*id == 0) {
        *id = ecsi_component_seek(components, type);
        if (ECSI_UNLIKELY(cmd->detached && *id > cmd->components_known)) *id = 0;
    }
    if (ECSI_LIKELY(ecsi_component_known(components, *id))) {
        c = ecsi_component_at(components, *id);
    }
    ecsi_stream_unlock(cmd);
    ECSI_CHECK(c == NULL || c->type.name != NULL);
    return c;
}

/* Copies a value into a command. A hook of a detached stream cannot lock the world: it is somebody
 * else's. */
static inline void ecsi_stream_copy(const ecs_commands *cmd, const ecsi_component *c,
                                    const ecs_type *type, void *to, const void *from)
{
    const ecs_hooks *hooks = c != NULL ? &c->hooks : type->hooks;
    ECSI_CHECK(to != NULL);
    ECSI_CHECK(from != NULL);
    if (c != NULL && c->lifecycle && !cmd->detached) {
        ecsi_values_copy(c, to, from, 1);
    } else if (hooks != NULL && hooks->copy != NULL) {
        hooks->copy(to, from, 1, hooks->user);
    } else {
        ecsi_bytes_move(to, from, type->bytes);
    }
}

/* A command about a component: by id, or by a type that may not be registered yet (systems
 * cannot register: the flush does). */
static inline ecs_status ecsi_record_component(ecs_commands *cmd, uint32_t kind,
                                               ecs_entity entity, uint32_t id,
                                               const ecs_type *type, const void *value)
{
    const ecsi_component *c;
    ecsi_command_shape shape;
    ecsi_command *command;
    ecs_status status;
    ECSI_CHECK(id != 0 || type != NULL);
    ECSI_CHECK((kind == ECSI_COMMAND_SET) == (value != NULL));
    if (id == 0) {
        ECSI_REQUIRE(type != NULL, ECS_INVALID);
        ECSI_REQUIRE(type->name != NULL, ECS_INVALID);
    }
    c = ecsi_stream_component(cmd, &id, type);
    if (ECSI_LIKELY(c != NULL)) {
        type = &c->type;
    } else {
        status = ecsi_type_check(type);
        if (status != ECS_OK) return status;
    }
    if (value != NULL && ECSI_UNLIKELY(type->bytes == 0)) return ECS_UNSUPPORTED;
    if (ecs_is_null(entity)) return ECS_STALE;
    shape = ecsi_shape_make(kind, value == NULL ? 0 : type->bytes, type->align);
    shape.typed = id == 0;
    status = ecsi_command_record(cmd, shape, entity.bits, &command);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    command->component = id;
    if (id == 0) *ecsi_command_type_at(command) = type;
    if (value == NULL) return ECS_OK;
    ECSI_CHECK(ecsi_command_payload(command) != NULL);
    if (ECSI_LIKELY(c != NULL && !c->lifecycle)) {
        ecsi_bytes_move(ecsi_command_payload(command), value, type->bytes);
    } else {
        ecsi_stream_copy(cmd, c, type, ecsi_command_payload(command), value);
    }
    return ECS_OK;
}

static ecs_entity ecsi_record_spawn(ecs_commands *cmd, ecs_status *status)
{
    ecs_entity e = {0};
    ecsi_command *command;
    uint64_t number = cmd->serial << ECSI_ORDINAL_BITS | cmd->spawn_count;
    ECSI_CHECK(cmd->spawn_count <= cmd->spawns_max);
    if (cmd->spawn_count == cmd->spawns_max || cmd->serial >= ECSI_SERIAL_MAX) {
        *status = ecsi_recorded(cmd, ECS_FULL);
        return e;
    }
    ECSI_CHECK(cmd->spawns_max <= ECSI_ORDINALS_MAX);
    e.bits = (number >> 31) << 32 | 0x80000000u | (number & 0x7fffffffu);
    *status = ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_SPAWN, 0, 1), e.bits,
                                  &command);
    if (*status != ECS_OK) return ecs_null();
    cmd->spawn_count++;
    cmd->queue->spawn_count++;
    cmd->queue->spawned = true;
    ECSI_CHECK(ecs_is_provisional(e));
    return e;
}

/* Starts a stream: quotas are whole, and its spawns get handles of their own. */
static inline void ecsi_stream_open(ecs_commands *cmd, uint64_t serial, uint32_t system,
                                    size_t bytes_max)
{
    ECSI_CHECK(cmd->flush != NULL);
    ECSI_CHECK(cmd->queue != NULL);
    ECSI_CHECK(cmd->spawns_max <= ECSI_ORDINALS_MAX);
    ECSI_CHECK(serial != 0);
    cmd->serial = serial;
    cmd->bytes_left = bytes_max;
    cmd->spawn_count = 0;
    cmd->system = system;
    cmd->begun = false;
    cmd->emit_type_count = 0;
    cmd->owner = ECSI_UNLIKELY(cmd->flush->watched) ? ecsi_thread_number() : 0;
}

/* ---- Dropping --------------------------------------------------------------------- */

/* Ends a payload that nobody takes over. */
static void ecsi_payload_end(const ecsi_flush *flush, ecsi_command *command)
{
    void *payload = ecsi_command_payload(command);
    if (command->kind != ECSI_COMMAND_SET || payload == NULL) return;
    ECSI_CHECK(command->payload_offset >= sizeof *command);
    ECSI_CHECK(command->payload_offset < command->bytes);
    if (command->component != 0) {
        ecsi_values_destroy(ecsi_component_at(flush->components, command->component), payload, 1);
    } else {
        const ecs_hooks *hooks = (*ecsi_command_type_at(command))->hooks;
        if (hooks != NULL && hooks->destroy != NULL) hooks->destroy(payload, 1, hooks->user);
    }
    command->payload_offset = 0;
}

static uint32_t ecsi_flush_killer(const ecsi_flush *flush, uint64_t entity)
{
    (void)flush;
    (void)entity;
#ifdef ECS_DEBUG
    for (uint32_t i = 0; i < ECSI_DROPS_MAX; i++) {
        if (flush->kills[i] == entity && entity != 0) return flush->killers[i];
    }
#endif
    return ECSI_NO_SYSTEM;
}

/* Notes who despawned it, for the report about a later command on it. */
static void ecsi_flush_kill(ecsi_flush *flush, ecs_entity entity, uint32_t system)
{
    (void)flush;
    (void)entity;
    (void)system;
    ECSI_CHECK(!ecs_is_null(entity));
#ifdef ECS_DEBUG
    flush->kills[flush->kill_count % ECSI_DROPS_MAX] = entity.bits;
    flush->killers[flush->kill_count % ECSI_DROPS_MAX] = system;
    flush->kill_count++;
#endif
}

static void ecsi_command_drop(ecsi_flush *flush, ecsi_command *command, ecs_status why)
{
    ecsi_drop *drop = &flush->drops[flush->drop_count % ECSI_DROPS_MAX];
    ECSI_CHECK(why != ECS_OK);
    ECSI_CHECK(command->kind != ECSI_COMMAND_STREAM);
    drop->entity = command->entity;
    drop->tick = *flush->storage->tick;
    drop->kind = command->kind;
    drop->component = command->component;
    drop->system = command->system;
    drop->killer = ecsi_flush_killer(flush, command->entity);
    drop->why = why;
    flush->drop_count++;
    flush->dropped++;
    ecsi_payload_end(flush, command);
    ECSI_CHECK(flush->drop_count > 0);
}

/* Puts a queue back to a mark; what was recorded since has ended. */
static void ecsi_queue_restore(ecsi_queue *queue, ecsi_queue_mark mark)
{
    ecsi_block *block;
    ECSI_CHECK(queue->command_count >= mark.command_count);
    ECSI_CHECK(queue->spawn_count >= mark.spawn_count);
    ECSI_CHECK(queue->bytes >= mark.bytes);
    if (mark.block == NULL) {
        bool spawned = queue->spawned;
        block = queue->first;
        ecsi_queue_reset(queue);
        queue->spawned = spawned;
        /* What was cut from an arena stays here, or every undone run would take a new piece. */
        queue->first = block;
        queue->last = block;
        return;
    }
    queue->last = mark.block;
    queue->last->used = mark.used;
    for (block = queue->last->next; block != NULL; block = block->next) block->used = sizeof *block;
    queue->bytes = mark.bytes;
    queue->marker_last = mark.marker_last;
    if (queue->marker_last != NULL) {
        queue->marker_last->next = NULL;
    } else {
        queue->marker_first = NULL;
    }
    queue->open = mark.open;
    queue->command_count = mark.command_count;
    queue->spawn_count = mark.spawn_count;
    queue->stream_count = mark.stream_count;
}

/* A failed system's command or event. */
static void ecsi_command_fail(ecsi_flush *flush, ecsi_command *command)
{
    ECSI_CHECK(!flush->running);
    if (command->kind == ECSI_COMMAND_STREAM) return;
    if (command->kind == ECSI_COMMAND_EVENT) {
        flush->events_dropped++;
    } else {
        ecsi_command_drop(flush, command, ECS_FAILED);
    }
}

/* Takes back what was recorded since the mark: a failed system's commands and events. */
static void ecsi_queue_rewind(ecsi_flush *flush, ecsi_queue *queue, ecsi_queue_mark mark)
{
    ecsi_walk walk = ecsi_walk_begin(queue, mark);
    ecsi_command *command;
    ECSI_CHECK(queue->spawn_count >= mark.spawn_count);
    ECSI_CHECK(queue->command_count >= mark.command_count);
    for (command = ecsi_walk_next(&walk); command != NULL; command = ecsi_walk_next(&walk)) {
        ecsi_command_fail(flush, command);
    }
    ecsi_queue_restore(queue, mark);
}

/* Takes back what the streams `first` to `end` recorded, and their markers. */
static void ecsi_batch_fail(ecsi_flush *flush, ecsi_batch *batch, uint64_t first, uint64_t end)
{
    ecsi_command **link = &batch->first;
    ECSI_CHECK(first <= end);
    while (*link != NULL) {
        ecsi_batch one;
        ecsi_command *marker = *link;
        ecsi_cursor cursor;
        ecsi_command *command;
        if (marker->entity < first || marker->entity >= end) {
            link = &marker->next;
            continue;
        }
        *link = marker->next;
        memset(&one, 0, sizeof one);
        marker->next = NULL;
        one.first = marker;
        cursor = ecsi_batch_begin(&one);
        for (command = ecsi_cursor_next(&cursor); command != NULL;
             command = ecsi_cursor_next(&cursor)) {
            if (command->kind == ECSI_COMMAND_SPAWN) batch->spawn_count--;
            if (command->kind != ECSI_COMMAND_STREAM) batch->command_count--;
            ecsi_command_fail(flush, command);
        }
    }
}

/* A value of a spawn that is taken back: a copy ends; one that was taken over is the caller's
 * again. */
static void ecsi_stream_payload_end(const ecs_commands *cmd, ecsi_command *command)
{
    uint32_t id = command->component;
    void *payload = ecsi_command_payload(command);
    const ecs_hooks *hooks;
    ECSI_CHECK(command->kind == ECSI_COMMAND_SET);
    ECSI_CHECK(payload != NULL);
    hooks = id == 0 ? (*ecsi_command_type_at(command))->hooks
                    : &ecsi_stream_component(cmd, &id, NULL)->hooks;
    if (hooks == NULL || hooks->copy == NULL) return;
    if (!cmd->detached) {
        ecsi_payload_end(cmd->flush, command);
    } else if (hooks->destroy != NULL) {
        hooks->destroy(payload, 1, hooks->user);
    }
}

/* Takes back a spawn of which a part was refused: it counts as one command that was. */
static void ecsi_spawn_undo(ecs_commands *cmd, ecsi_queue_mark mark, const ecs_commands *before)
{
    ecsi_queue *queue = cmd->queue;
    ecsi_walk walk = ecsi_walk_begin(queue, mark);
    ecsi_command *command;
    ECSI_CHECK(cmd->begun);
    ECSI_CHECK(queue->spawn_count > mark.spawn_count);
    for (command = ecsi_walk_next(&walk); command != NULL; command = ecsi_walk_next(&walk)) {
        if (command->kind == ECSI_COMMAND_SET) ecsi_stream_payload_end(cmd, command);
        if (command->kind != ECSI_COMMAND_STREAM) queue->recorded--;
    }
    ecsi_queue_restore(queue, mark);
    *cmd = *before;
}

#endif /* ECS_COMMAND_H */

/* >>flush ====================================================== src/flush.h */

/* flush.h: applies recorded edits, in passes over a batch:
 *
 *   1  every spawn gets its real handle; provisional handles in columns and resources are
 *      patched
 *   2  each command joins the chain of its entity, in order of first touch; dead targets
 *      are dropped; events go to their buffers
 *   3  each chain becomes one net change of one entity, and one move
 *
 * A custom command ends a segment: 2 and 3 are done for what came before it.
 *
 * The order is that of the batch. All workers take part where it cannot be seen: handles are
 * patched in all columns at once, and spawns of one shape that follow each other are filled in
 * at once, for their rows are known before. */
/* floor: 8 */
#ifndef ECS_FLUSH_H
#define ECS_FLUSH_H

/* ---- Pass 1: handles --------------------------------------------------------------- */

/* What a provisional handle became: itself when its stream still records, null when its spawn
 * was dropped. */
static ecs_entity ecsi_flush_resolve(const ecsi_flush *flush, ecs_entity entity)
{
    const ecsi_spawn_range *ranges = (const ecsi_spawn_range *)flush->ranges.data;
    uint64_t number;
    uint64_t serial;
    uint32_t low = 0;
    uint32_t high = flush->ranges.count;
    if (!ecs_is_provisional(entity)) return entity;
    number = (entity.bits >> 32) << 31 | (entity.bits & 0x7fffffffu);
    serial = number >> ECSI_ORDINAL_BITS;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ranges[middle].serial < serial) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ECSI_CHECK(low <= flush->ranges.count);
    if (low == flush->ranges.count || ranges[low].serial != serial) {
        /* A stream that still records is flushed later; any other one is gone for ever. */
        return serial == *flush->open_serial ? entity : ecs_null();
    }
    number &= ECSI_ORDINALS_MAX - 1;
    if (number >= ranges[low].count) return ecs_null();
    ECSI_CHECK(ranges[low].count <= flush->spawn_map.count - ranges[low].first);
    return *ECSI_VEC_AT(ecs_entity, &flush->spawn_map, ranges[low].first + number);
}

/* Gives every recorded spawn its real handle, in order. One for which there is no slot
 * becomes null. */
static void ecsi_flush_spawns(ecsi_flush *flush, const ecsi_batch *batch)
{
    ecsi_entities *entities = flush->storage->entities;
    ecsi_cursor cursor = ecsi_batch_begin(batch);
    ecsi_command *command;
    ecsi_spawn_range *range = NULL;
    ECSI_CHECK(flush->running);
    flush->ranges.count = 0;
    flush->spawn_map.count = 0;
    if (batch->spawn_count == 0) return;
    for (command = ecsi_cursor_next(&cursor); command != NULL;
         command = ecsi_cursor_next(&cursor)) {
        ecs_entity real = {0};
        if (command->kind == ECSI_COMMAND_STREAM &&
            (range == NULL || range->serial != command->entity)) {
            ECSI_CHECK(flush->ranges.count < flush->ranges.capacity);
            range = ECSI_VEC_AT(ecsi_spawn_range, &flush->ranges, flush->ranges.count++);
            range->serial = command->entity;
            range->first = flush->spawn_map.count;
            range->count = 0;
        }
        if (command->kind != ECSI_COMMAND_SPAWN) continue;
        if (ecsi_entities_reserve(flush->memory, entities, 1) == ECS_OK) {
            real = ecsi_entities_take(entities);
            entities->reserved_count++;
        }
        ECSI_CHECK(range != NULL);
        ECSI_CHECK(flush->spawn_map.count < flush->spawn_map.capacity);
        *ECSI_VEC_AT(ecs_entity, &flush->spawn_map, flush->spawn_map.count++) = real;
        range->count++;
    }
    ECSI_CHECK(flush->spawn_map.count == batch->spawn_count);
}

/* Patches the references in `count` values. */
static void ecsi_patch_values(const ecsi_flush *flush, const ecsi_component *component,
                              void *values, uint32_t count)
{
    uint32_t m;
    uint32_t i;
    ECSI_CHECK(component->references);
    ECSI_CHECK(values != NULL);
    for (m = 0; m < component->type.member_count; m++) {
        const ecs_member *member = &component->type.members[m];
        if (member->kind != ECS_KIND_ENTITY) continue;
        for (i = 0; i < count; i++) {
            unsigned char *at = (unsigned char *)values +
                                (size_t)i * component->type.bytes + member->offset;
            uint32_t left;
            for (left = member->bytes; left > 0; left -= (uint32_t)sizeof(ecs_entity)) {
                ecs_entity e;
                memcpy(&e, at, sizeof e);
                if (ecs_is_provisional(e)) {
                    e = ecsi_flush_resolve(flush, e);
                    memcpy(at, &e, sizeof e);
                }
                at += sizeof(ecs_entity);
            }
        }
    }
}

/* Patches one column of a chunk, in the row blocks that were written since `since`. */
static void ecsi_patch_column(const ecsi_flush *flush, const ecsi_component *component,
                              ecsi_chunk *chunk, uint32_t column, uint64_t since)
{
    const ecsi_table *table = chunk->table;
    uint32_t row;
    ECSI_CHECK(column < table->column_count);
    ECSI_CHECK(component->references);
    ECSI_CHECK(table->block_rows > 0);
    for (row = 0; row < chunk->count; row += table->block_rows) {
        uint32_t count = ecsi_min_u32(table->block_rows, chunk->count - row);
        if (*ecsi_chunk_tick(chunk, column, row) < since &&
            *ecsi_chunk_row_tick(chunk, row) < since) {
            continue;
        }
        ecsi_patch_values(flush, component,
                          ecsi_chunk_value(chunk, &table->columns[column], row), count);
    }
}

#ifndef ECS_NO_EVENTS
/* Patches events that were sent from outside systems and are still kept. */
static void ecsi_patch_events(const ecsi_flush *flush)
{
    uint32_t i;
    ECSI_CHECK(flush->events != NULL);
    for (i = 0; i < flush->events->list.count; i++) {
        const ecsi_event *event = ecsi_event_at(flush->events, i);
        const ecsi_component *c = ecsi_component_at(flush->components, event->component);
        if (!c->references || event->count == 0) continue;
        ECSI_CHECK(event->bytes == c->type.bytes);
        ecsi_patch_values(flush, c, event->data + (size_t)event->begin * event->bytes,
                          event->count);
    }
}
#endif

/* Chunks that are patched by all workers at once. Tables are independent, and so are the
 * columns of one: the map of handles is only read. */
#define ECSI_PATCH_UNITS_MAX 64u

typedef struct ecsi_patch_unit {
    ecsi_chunk *chunk;
    const ecsi_component *component;
    uint32_t column;
} ecsi_patch_unit;

typedef struct ecsi_patch {
    const ecsi_flush *flush;
    uint64_t since;
    uint32_t count;
    ecsi_patch_unit units[ECSI_PATCH_UNITS_MAX];
} ecsi_patch;

static void ecsi_patch_range(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_patch *patch = (const ecsi_patch *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= patch->count);
    for (i = range.first; i < range.first + range.count; i++) {
        const ecsi_patch_unit *unit = &patch->units[i];
        ecsi_patch_column(patch->flush, unit->component, unit->chunk, unit->column, patch->since);
    }
}

/* Patches the chunks that were collected. */
static void ecsi_patch_units(ecsi_patch *patch)
{
    ecs_loop loop;
    ECSI_CHECK(patch->count <= ECSI_PATCH_UNITS_MAX);
    ECSI_CHECK(patch->flush->running);
    loop.count = patch->count;
    loop.grain = 0;
    ecs_parallel_for(patch->flush->worker, loop, ecsi_patch_range, patch);
    patch->count = 0;
}

/* Patches provisional handles that were written into columns and resources. */
static void ecsi_flush_patch(const ecsi_flush *flush, uint64_t since)
{
    ecsi_patch patch;
    uint32_t t;
    uint32_t id;
    bool any = false;
    patch.flush = flush;
    patch.since = since;
    patch.count = 0;
    ECSI_CHECK(flush->running);
    ECSI_CHECK(since <= *flush->storage->tick);
#ifndef ECS_NO_EVENTS
    ecsi_patch_events(flush);
#endif
    for (id = 1; id <= flush->components->list.count; id++) {
        const ecsi_component *c = ecsi_component_at(flush->components, id);
        any = any || c->references;
        if (c->references && c->resource != NULL) ecsi_patch_values(flush, c, c->resource, 1);
    }
    for (t = 0; t < flush->storage->tables.count && any; t++) {
        ecsi_table *table = ecsi_table_at(flush->storage, t);
        uint32_t i;
        for (i = 0; i < table->column_count; i++) {
            const ecsi_component *c = ecsi_component_at(flush->components,
                                                        table->columns[i].component);
            ecsi_chunk *chunk = c->references ? table->first : NULL;
            for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
                ecsi_patch_unit *unit = &patch.units[patch.count++];
                unit->chunk = chunk;
                unit->component = c;
                unit->column = i;
                if (patch.count == ECSI_PATCH_UNITS_MAX) ecsi_patch_units(&patch);
            }
        }
    }
    ecsi_patch_units(&patch);
}

/* ---- Pass 3: one entity ------------------------------------------------------------- */

/* Room in the lists by component, for all that are registered. */
static ecs_status ecsi_flush_components(ecsi_flush *flush)
{
    uint32_t count = flush->components->list.count + 1;
    uint32_t max = flush->components->max + 1;
    uint32_t old = flush->fold_of.count;
    ecs_status status =
        ecsi_vec_reserve(flush->memory, &flush->fold_of, count, max, sizeof(uint32_t));
    ECSI_CHECK(flush->folds.count == 0);
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(flush->memory, &flush->marks, count, max, 1);
    }
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(flush->memory, &flush->folds, count, max, sizeof(ecsi_fold));
    }
    if (status != ECS_OK) return status;
    ECSI_CHECK(old <= count);
    if (count > old) {
        memset(ECSI_VEC_AT(uint32_t, &flush->fold_of, old), 0, (count - old) * sizeof(uint32_t));
        memset(ECSI_VEC_AT(unsigned char, &flush->marks, old), 0, count - old);
    }
    flush->fold_of.count = count;
    flush->marks.count = count;
    return ECS_OK;
}

/* Room in the list by entity, for all slots and `more` new ones. Custom commands may spawn as
 * well: what they need is added at the next touch. */
static ecs_status ecsi_flush_entities(ecsi_flush *flush, uint32_t more)
{
    const ecsi_entities *entities = flush->storage->entities;
    uint64_t need = (uint64_t)entities->front.record_count + more;
    uint32_t old = flush->touch_of.count;
    ecs_status status;
    ECSI_CHECK(old <= entities->max);
    if (need > entities->max) need = entities->max;
    if (ECSI_LIKELY(need <= old)) return ECS_OK;
    status = ecsi_vec_reserve(flush->memory, &flush->touch_of, (uint32_t)need, entities->max,
                              sizeof(uint32_t));
    if (status != ECS_OK) return status;
    memset(ECSI_VEC_AT(uint32_t, &flush->touch_of, old), 0,
           ((size_t)need - old) * sizeof(uint32_t));
    flush->touch_of.count = (uint32_t)need;
    ECSI_CHECK(flush->touch_of.count >= entities->front.record_count);
    return ECS_OK;
}

/* Joins one command to the folds. */
static void ecsi_fold_add(ecsi_flush *flush, ecsi_command *command)
{
    uint32_t *index = ECSI_VEC_AT(uint32_t, &flush->fold_of, command->component);
    unsigned char *mark = ECSI_VEC_AT(unsigned char, &flush->marks, command->component);
    ecsi_fold *fold;
    ECSI_CHECK(command->component != 0);
    ECSI_CHECK(command->component < flush->fold_of.count);
    if (*index == 0) {
        fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, flush->folds.count++);
        *index = flush->folds.count;
        fold->component = command->component;
        fold->payload = NULL;
        fold->present = false;
    }
    fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, *index - 1);
    ECSI_CHECK(fold->component == command->component);
    if (fold->payload != NULL && command->kind != ECSI_COMMAND_ADD) {
        ecsi_values_destroy(ecsi_component_at(flush->components, fold->component), fold->payload,
                            1);
        fold->payload = NULL;
    }
    if (command->kind == ECSI_COMMAND_REMOVE || !fold->present) {
        fold->order = ++flush->fold_order;
    }
    fold->present = command->kind != ECSI_COMMAND_REMOVE;
    if (command->kind == ECSI_COMMAND_SET) fold->payload = ecsi_command_payload(command);
    *mark = fold->payload != NULL;
    flush->applied++;
}

/* Forgets the folds; payloads that are left end. */
static void ecsi_folds_end(ecsi_flush *flush)
{
    uint32_t i;
    ECSI_CHECK(flush->folds.count <= flush->components->list.count);
    for (i = 0; i < flush->folds.count; i++) {
        const ecsi_fold *fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, i);
        if (fold->payload != NULL) {
            ecsi_values_destroy(ecsi_component_at(flush->components, fold->component),
                                fold->payload, 1);
        }
        ECSI_CHECK(fold->component != 0);
        *ECSI_VEC_AT(uint32_t, &flush->fold_of, fold->component) = 0;
        *ECSI_VEC_AT(unsigned char, &flush->marks, fold->component) = 0;
    }
    flush->folds.count = 0;
}

/* Joins a chain to the folds; what follows a despawn is dropped. Answers whether the entity
 * is despawned. */
static bool ecsi_fold_chain(ecsi_flush *flush, const ecsi_touch *touch, ecs_entity entity)
{
    ecsi_command *command;
    bool dead = false;
    ECSI_CHECK(flush->folds.count == 0);
    ECSI_CHECK(touch->first != NULL);
    flush->fold_order = 0;
    for (command = touch->first; command != NULL; command = command->next) {
        if (dead) {
            ecsi_command_drop(flush, command, ECS_STALE);
        } else if (command->kind == ECSI_COMMAND_DESPAWN) {
            ecsi_flush_kill(flush, entity, command->system);
            dead = true;
            flush->applied++;
        } else if (command->kind == ECSI_COMMAND_SPAWN) {
            flush->applied++;
        } else {
            ecsi_fold_add(flush, command);
        }
    }
    if (dead) ecsi_folds_end(flush);
    return dead;
}

/* The fold whose last command comes next after `order`, or NULL. */
static const ecsi_fold *ecsi_fold_next(const ecsi_flush *flush, uint32_t order)
{
    const ecsi_fold *next = NULL;
    uint32_t i;
    ECSI_CHECK(order <= flush->fold_order);
    for (i = 0; i < flush->folds.count; i++) {
        const ecsi_fold *fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, i);
        if (fold->order <= order) continue;
        if (next == NULL || fold->order < next->order) next = fold;
        if (fold->order == order + 1) break;
    }
    ECSI_CHECK(next == NULL || next->order > order);
    return next;
}

/* The table that the folds lead to from `from` (NULL: a new entity). */
static ecs_status ecsi_fold_table(ecsi_flush *flush, ecsi_table *from, ecsi_table **out)
{
    ecsi_storage *storage = flush->storage;
    uint32_t count = from == NULL ? 0 : from->component_count;
    uint32_t *set = ecsi_scratch_set(storage, from, flush->components->list.count + 1);
    const ecsi_fold *fold;
    if (set == NULL) return ECS_NO_MEMORY;
    ECSI_CHECK(out != NULL);
    for (fold = ecsi_fold_next(flush, 0); fold != NULL;
         fold = ecsi_fold_next(flush, fold->order)) {
        if (!fold->present) {
            count = ecsi_set_erase(set, count, fold->component);
        } else if (from == NULL || ecsi_table_find(from, fold->component) == NULL) {
            uint32_t added[ECSI_REQUIRE_MAX];
            uint32_t n = ecsi_require_closure(flush->components, fold->component, added);
            uint32_t k;
            for (k = 0; k < n; k++) count = ecsi_set_insert(set, count, added[k]);
        }
    }
    ECSI_CHECK(count <= flush->components->list.count);
    return ecsi_table_of_set(storage, set, count, out);
}

/* Puts the payloads into the entity's row, which is in its final table. */
static void ecsi_fold_build(ecsi_flush *flush, const ecsi_record *record,
                            const ecsi_table *from)
{
    uint32_t i;
    for (i = 0; i < flush->folds.count; i++) {
        ecsi_fold *fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, i);
        const ecsi_component *c = ecsi_component_at(flush->components, fold->component);
        void *value;
        if (fold->payload == NULL) continue;
        value = ecsi_row_value(flush->storage, record, fold->component);
        ECSI_CHECK(value != NULL);
        ECSI_CHECK(fold->present);
        if (c->references) ecsi_patch_values(flush, c, fold->payload, 1);
        if (from != NULL && ecsi_table_find(from, fold->component) != NULL) {
            ecsi_values_destroy(c, value, 1);
            ecsi_row_touch(flush->storage, record, fold->component);
        }
        ecsi_value_build(c, value, fold->payload, true);
        fold->payload = NULL;
    }
}

/* on_set for all that got a value, by rising id. */
static void ecsi_fold_notify_set(ecsi_flush *flush, ecs_entity entity,
                                 const ecsi_record *record)
{
    const ecsi_table *table = ecsi_record_table(flush->storage, record);
    uint32_t i;
    if (!table->notify) return;
    ECSI_CHECK(!ecs_is_null(entity));
    for (i = 0; i < table->component_count; i++) {
        uint32_t id = table->ids[i];
        if (*ECSI_VEC_AT(unsigned char, &flush->marks, id) == 0) continue;
        ECSI_CHECK(*ECSI_VEC_AT(uint32_t, &flush->fold_of, id) != 0);
        ecsi_notify_set(flush->storage, entity, ecsi_component_at(flush->components, id),
                        ecsi_row_value(flush->storage, record, id));
    }
}

/* All of a chain was lost: the last command stands for it in the report. */
static void ecsi_chain_lost(ecsi_flush *flush, const ecsi_touch *touch, ecs_status why)
{
    ecsi_command *command;
    ECSI_CHECK(why != ECS_OK);
    ecsi_folds_end(flush);
    for (command = touch->first; command != NULL; command = command->next) {
        command->payload_offset = 0; /* ended with its fold */
        ECSI_CHECK(flush->applied > 0);
        flush->applied--;
        ecsi_command_drop(flush, command, why);
    }
}

/* Applies one entity's chain as one change. */
static void ecsi_flush_chain(ecsi_flush *flush, const ecsi_touch *touch)
{
    ecsi_storage *storage = flush->storage;
    ecsi_record *record = ecsi_entities_record(storage->entities, touch->index);
    ecs_entity entity = ecsi_entities_handle(storage->entities, touch->index);
    ecsi_table *from = record->place == 0 ? NULL : ecsi_record_table(storage, record);
    ecsi_table *to = from;
    ecsi_raw raw;
    ecs_status status = ECS_OK;
    ECSI_CHECK(from != NULL || storage->entities->reserved_count > 0);
    if (from == NULL) storage->entities->reserved_count--;
    if (ecsi_fold_chain(flush, touch, entity)) {
        if (from == NULL) {
            ecsi_entities_give(storage->entities, touch->index);
        } else {
            ecsi_edit_despawn(storage, entity, record);
        }
        return;
    }
    status = ecsi_fold_table(flush, from, &to);
    if (status == ECS_OK && to != from) status = ecsi_row_reserve(storage, to);
    if (status != ECS_OK) {
        ecsi_chain_lost(flush, touch, status);
        if (from == NULL) ecsi_entities_give(storage->entities, touch->index);
        return;
    }
    raw.one = 0;
    raw.marks = (const unsigned char *)flush->marks.data;
    if (from == NULL) {
        ecsi_chunk *chunk = ecsi_row_push(storage, to, entity, record);
        ecsi_row_init(storage, chunk, chunk->count - 1, raw);
    } else if (to != from) {
        ecsi_notify_removed(storage, entity, record, from, to);
        ecsi_row_move(storage, entity, record, to, raw);
    }
    ECSI_CHECK(ecsi_record_table(storage, record) == to);
    ecsi_fold_build(flush, record, from);
    if (to != from) ecsi_notify_added(storage, entity, record, from, to);
    ecsi_fold_notify_set(flush, entity, record);
    ecsi_folds_end(flush);
    ECSI_CHECK(flush->folds.count == 0);
}

/* A chain of one command on a living entity: no folding. */
static void ecsi_flush_single(ecsi_flush *flush, const ecsi_touch *touch)
{
    ecsi_storage *storage = flush->storage;
    ecsi_command *command = touch->first;
    ecsi_record *record = ecsi_entities_record(storage->entities, touch->index);
    ecs_entity entity = ecsi_entities_handle(storage->entities, touch->index);
    ecs_status status = ECS_OK;
    ECSI_CHECK(command->next == NULL);
    ECSI_CHECK(record->place != 0);
    switch (command->kind) {
    case ECSI_COMMAND_ADD:
        status = ecsi_edit_add(storage, entity, record, command->component);
        break;
    case ECSI_COMMAND_REMOVE:
        status = ecsi_edit_remove(storage, entity, record, command->component);
        break;
    case ECSI_COMMAND_SET: {
        const ecsi_component *c = ecsi_component_at(flush->components, command->component);
        void *payload = ecsi_command_payload(command);
        if (c->references) ecsi_patch_values(flush, c, payload, 1);
        status = ecsi_edit_set(storage, entity, record, command->component, payload, true);
        break;
    }
    default:
        ECSI_CHECK(command->kind == ECSI_COMMAND_DESPAWN);
        ecsi_flush_kill(flush, entity, command->system);
        ecsi_edit_despawn(storage, entity, record);
        break;
    }
    if (ECSI_LIKELY(status == ECS_OK)) {
        flush->applied++;
    } else {
        ecsi_command_drop(flush, command, status);
    }
}

/* The place of the entity of a touch. */
static inline ecsi_record *ecsi_touch_record(const ecsi_flush *flush, uint32_t at)
{
    const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, at);
    return ecsi_entities_record(flush->storage->entities, touch->index);
}

/* How many touches from `at` on are the same single command on entities of one table. */
static uint32_t ecsi_flush_alike(const ecsi_flush *flush, uint32_t at, uint32_t count,
                                 const ecsi_table *table)
{
    const ecsi_storage *storage = flush->storage;
    const ecsi_command *like = ECSI_VEC_AT(ecsi_touch, &flush->touches, at)->first;
    uint32_t i;
    ECSI_CHECK(like->next == NULL);
    for (i = 0; i < count; i++) {
        const ecsi_command *command = ECSI_VEC_AT(ecsi_touch, &flush->touches, at + i)->first;
        const ecsi_record *record = ecsi_touch_record(flush, at + i);
        if (command->kind != like->kind || command->component != like->component) break;
        if (command->next != NULL || record->place == 0) break;
        if (ecsi_record_chunk_at(storage, record)->table != table) break;
    }
    ECSI_CHECK(i > 0);
    return i;
}

/* Moves the `count` rows of a table, which are all it has, in order of touch. */
static void ecsi_flush_rows(ecsi_flush *flush, uint32_t at, uint32_t count, ecsi_table *from,
                            ecsi_table *to)
{
    ecsi_storage *storage = flush->storage;
    uint32_t i = 0;
    ECSI_CHECK(from->row_count == count);
    ECSI_CHECK(count > 0);
    while (i < count) {
        const ecsi_record *record = ecsi_touch_record(flush, at + i);
        ecsi_chunk *old = ecsi_record_chunk_at(storage, record);
        uint32_t row = ecsi_record_row(storage->entities, record);
        uint32_t room = to->last->capacity - to->last->count;
        uint32_t max = ecsi_min_u32(ecsi_min_u32(count - i, old->count - row), room);
        uint32_t n = 1;
        if (max == 0) {
            ECSI_CHECK(to->last->next != NULL);
            to->last = to->last->next;
            continue;
        }
        while (n < max && ecsi_touch_record(flush, at + i + n)->place == record->place + n) n++;
        ecsi_rows_copy(storage, old, row, n, to);
        i += n;
    }
    ecsi_table_leave(storage, from);
    for (i = 0; i < count; i++) {
        const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, at + i);
        *ECSI_VEC_AT(uint32_t, &flush->touch_of, touch->index) = 0;
    }
    flush->applied += count;
}

/* Tries to apply the same add or remove to a whole table at once: what a system that touches
 * every row of a table records. The result is that of one by one: rows arrive in order of
 * touch and none is left behind. Answers how many touches were applied, 0 for none; `looked`
 * is how many were looked at. */
static uint32_t ecsi_flush_whole(ecsi_flush *flush, uint32_t at, uint32_t left,
                                 uint32_t *looked)
{
    ecsi_storage *storage = flush->storage;
    const ecsi_command *command = ECSI_VEC_AT(ecsi_touch, &flush->touches, at)->first;
    bool remove = command->kind == ECSI_COMMAND_REMOVE;
    ecsi_table *from = ecsi_record_table(storage, ecsi_touch_record(flush, at));
    ecsi_table *to;
    ECSI_CHECK(left > 0);
    ECSI_CHECK(from->row_count > 0);
    *looked = 1;
    if (command->next != NULL || (command->kind != ECSI_COMMAND_ADD && !remove)) return 0;
    if (from->row_count > left || from->lifecycle || from->notify) return 0;
    if ((ecsi_table_find(from, command->component) != NULL) != remove) return 0;
    *looked = ecsi_flush_alike(flush, at, from->row_count, from);
    if (*looked < from->row_count) return 0;
    if (ecsi_table_edge(storage, from, command->component, remove, &to) != ECS_OK) return 0;
    if (to->lifecycle || to->notify) return 0;
    if (ecsi_table_reserve(storage, to, *looked) != ECS_OK) return 0;
    ECSI_CHECK(to != from);
    ecsi_flush_rows(flush, at, *looked, from, to);
    return *looked;
}

/* ---- Runs of spawns ----------------------------------------------------------------- */

/* Spawns of one shape that follow each other: shorter runs go one by one, and so do spawns
 * of nothing. */
#define ECSI_RUN_MIN 4u
/* Commands of one of them after the spawn, and columns of their table. */
#define ECSI_RUN_COMMANDS_MAX 16u
#define ECSI_RUN_COLUMNS_MAX 32u

/* What all spawns of a run are alike in: each component comes once, by an add or a set. */
typedef struct ecsi_run {
    ecsi_flush *flush;
    ecsi_table *table;
    uint32_t at;        /* touch of the first row that is filled in... */
    ecsi_chunk *chunk;  /* ...here... */
    uint32_t row;       /* ...and its row */
    uint32_t count;     /* commands after the spawn */
    uint32_t zero_count;
    uint32_t kinds[ECSI_RUN_COMMANDS_MAX];
    uint32_t components[ECSI_RUN_COMMANDS_MAX];
    const ecsi_column *columns[ECSI_RUN_COMMANDS_MAX]; /* NULL: nothing to copy */
    const ecsi_column *zeros[ECSI_RUN_COLUMNS_MAX];    /* that no command sets */
} ecsi_run;

/* Learns the run's shape from a chain whose entity is in its table. False: it has none that a
 * run can have. */
static bool ecsi_run_learn(ecsi_run *run, ecsi_flush *flush, const ecsi_touch *touch,
                           ecsi_table *table)
{
    uint64_t set = 0; /* columns, by bit */
    const ecsi_command *command = touch->first;
    uint32_t i;
    ECSI_CHECK(command->kind == ECSI_COMMAND_SPAWN);
    if (table->lifecycle || table->notify || table->column_count > ECSI_RUN_COLUMNS_MAX) {
        return false;
    }
    run->flush = flush;
    run->table = table;
    run->count = 0;
    run->zero_count = 0;
    for (command = command->next; command != NULL; command = command->next) {
        const ecsi_table_slot *slot = ecsi_table_find(table, command->component);
        uint32_t n = run->count++;
        if (n == ECSI_RUN_COMMANDS_MAX || slot == NULL) return false;
        if (command->kind != ECSI_COMMAND_ADD && command->kind != ECSI_COMMAND_SET) return false;
        for (i = 0; i < n; i++) {
            if (run->components[i] == command->component) return false;
        }
        run->kinds[n] = command->kind;
        run->components[n] = command->component;
        run->columns[n] = NULL;
        if (command->kind == ECSI_COMMAND_ADD || slot->column == ECSI_NO_COLUMN) continue;
        run->columns[n] = &table->columns[slot->column];
        set |= (uint64_t)1 << slot->column;
    }
    for (i = 0; i < table->column_count; i++) {
        if ((set >> i & 1u) == 0) run->zeros[run->zero_count++] = &table->columns[i];
    }
    ECSI_CHECK(run->zero_count <= ECSI_RUN_COLUMNS_MAX);
    return true;
}

/* Whether a touch is a spawn of that shape. */
static inline bool ecsi_run_matches(const ecsi_run *run, const ecsi_touch *touch)
{
    const ecsi_command *command = touch->first;
    uint32_t i;
    ECSI_CHECK(command != NULL);
    ECSI_CHECK(run->count <= ECSI_RUN_COMMANDS_MAX);
    if (command->kind != ECSI_COMMAND_SPAWN) return false;
    for (i = 0; i < run->count; i++) {
        command = command->next;
        if (command == NULL || command->component != run->components[i]) return false;
        if (command->kind != run->kinds[i]) return false;
    }
    return command->next == NULL;
}

/* Fills in some rows of a run. Any worker: each row, record and touch is one entity's. */
static void ecsi_run_fill(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_run *run = (const ecsi_run *)data;
    ecsi_flush *flush = run->flush;
    ecsi_entities *entities = flush->storage->entities;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(run->chunk->table == run->table);
    (void)worker;
    ECSI_CHECK(run->row + range.first + range.count <= run->chunk->capacity);
    for (i = range.first; i < range.first + range.count; i++) {
        const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, run->at + i);
        ecsi_command *command = touch->first;
        uint32_t row = run->row + i;
        ecsi_chunk_entities(run->chunk)[row] = ecsi_entities_handle(entities, touch->index);
        ecsi_record_place(entities, ecsi_entities_record(entities, touch->index), run->chunk->id,
                          row);
        *ECSI_VEC_AT(uint32_t, &flush->touch_of, touch->index) = 0;
        for (k = 0; k < run->count; k++) {
            const ecsi_column *column = run->columns[k];
            const ecsi_component *c;
            command = command->next;
            if (column == NULL) continue;
            c = ecsi_component_at(flush->components, column->component);
            if (c->references) ecsi_patch_values(flush, c, ecsi_command_payload(command), 1);
            ecsi_bytes_move(ecsi_chunk_value(run->chunk, column, row),
                            ecsi_command_payload(command), column->bytes);
        }
        for (k = 0; k < run->zero_count; k++) {
            ecsi_bytes_zero(ecsi_chunk_value(run->chunk, run->zeros[k], row),
                            run->zeros[k]->bytes);
        }
    }
}

/* Fills the touches from `at` on, which are `count` spawns of the run's shape, into the table. */
static void ecsi_run_apply(ecsi_run *run, uint32_t at, uint32_t count)
{
    ecsi_flush *flush = run->flush;
    ecsi_storage *storage = flush->storage;
    ecsi_table *table = run->table;
    uint32_t done = 0;
    ECSI_CHECK(storage->entities->reserved_count >= count);
    while (done < count) {
        ecsi_chunk *chunk = table->last;
        ecs_loop loop;
        uint32_t block;
        loop.count = ecsi_min_u32(chunk->capacity - chunk->count, count - done);
        loop.grain = 0;
        if (loop.count == 0) {
            ECSI_CHECK(chunk->next != NULL);
            table->last = chunk->next;
            continue;
        }
        run->at = at + done;
        run->chunk = chunk;
        run->row = chunk->count;
        ecs_parallel_for(flush->worker, loop, ecsi_run_fill, run);
        block = run->row >> table->block_shift;
        for (; block <= (run->row + loop.count - 1) >> table->block_shift; block++) {
            ecsi_chunk_ticks(chunk)[block] = *storage->tick;
        }
        chunk->count += loop.count;
        table->row_count += loop.count;
        done += loop.count;
    }
    storage->entities->reserved_count -= count;
    flush->applied += (uint64_t)count * (run->count + 1);
}

/* The touch at `at` was a spawn and is applied: applies those that follow and are like it at
 * once. Answers how many. The result is that of one by one: rows arrive in order of touch. */
static uint32_t ecsi_flush_alike_spawns(ecsi_flush *flush, uint32_t at, uint32_t left)
{
    const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, at);
    const ecsi_record *record = ecsi_entities_record(flush->storage->entities, touch->index);
    const ecsi_command *next;
    ecsi_run run;
    uint32_t count = 0;
    ECSI_CHECK(left < flush->touches.count);
    ECSI_CHECK(touch->first->kind == ECSI_COMMAND_SPAWN);
    if (left < ECSI_RUN_MIN || record->place == 0 || touch->first->next == NULL) return 0;
    next = ECSI_VEC_AT(ecsi_touch, &flush->touches, at + 1)->first;
    if (next->kind != ECSI_COMMAND_SPAWN || next->next == NULL) return 0;
    if (next->next->component != touch->first->next->component) return 0;
    if (!ecsi_run_learn(&run, flush, touch, ecsi_record_table(flush->storage, record))) return 0;
    while (count < left &&
           ecsi_run_matches(&run, ECSI_VEC_AT(ecsi_touch, &flush->touches, at + 1 + count))) {
        count++;
    }
    if (count < ECSI_RUN_MIN) return 0;
    if (ecsi_table_reserve(flush->storage, run.table, count) != ECS_OK) return 0;
    ecsi_run_apply(&run, at + 1, count);
    return count;
}

/* Applies all chains that were collected. */
static void ecsi_flush_apply(ecsi_flush *flush)
{
    ecsi_entities *entities = flush->storage->entities;
    uint32_t count = flush->touches.count;
    uint32_t look_again = 0; /* where it is worth looking for a whole table again */
    uint32_t looked = 0;
    uint32_t i;
    ECSI_CHECK(count <= flush->touches.capacity);
    for (i = 0; i < count; i++) {
        uint32_t done = 0;
        if (i >= look_again && ecsi_touch_record(flush, i)->place != 0) {
            done = ecsi_flush_whole(flush, i, count - i, &looked);
            look_again = i + looked;
        }
        if (done > 0) {
            i += done - 1;
            continue;
        }
        ecsi_touch touch = *ECSI_VEC_AT(ecsi_touch, &flush->touches, i);
        ecsi_record *record = ecsi_entities_record(entities, touch.index);
        *ECSI_VEC_AT(uint32_t, &flush->touch_of, touch.index) = 0;
        if (touch.first->next == NULL && record->place != 0) {
            ecsi_flush_single(flush, &touch);
        } else {
            bool spawn = touch.first->kind == ECSI_COMMAND_SPAWN;
            ecsi_flush_chain(flush, &touch);
            if (spawn) {
                done = ecsi_flush_alike_spawns(flush, i, count - i - 1);
                i += done;
            }
        }
    }
    ECSI_CHECK(flush->touches.count == count);
    flush->touches.count = 0;
}

/* ---- Pass 2: chains ----------------------------------------------------------------- */

/* Registers the type of a command that was recorded before it was known. */
static ecs_status ecsi_command_type(ecsi_flush *flush, ecsi_command *command)
{
    uint32_t id;
    ecs_status status;
    if (ECSI_LIKELY(command->component != 0)) return ECS_OK;
    if (command->kind == ECSI_COMMAND_SPAWN || command->kind == ECSI_COMMAND_DESPAWN) {
        return ECS_OK;
    }
    ECSI_CHECK(*ecsi_command_type_at(command) != NULL);
    status = ecsi_component_need(flush->components, *ecsi_command_type_at(command), &id);
    if (status != ECS_OK) return status;
    ECSI_CHECK(id != 0);
    status = ecsi_flush_components(flush);
    if (status == ECS_OK) command->component = id;
    return status;
}

/* Joins a command to the chain of its entity. */
static void ecsi_flush_touch(ecsi_flush *flush, ecsi_command *command)
{
    ecsi_entities *entities = flush->storage->entities;
    ecs_entity entity;
    ecsi_record *record;
    ecsi_touch *touch;
    uint32_t *touch_of;
    ecs_status status = ecsi_command_type(flush, command);
    ECSI_CHECK(command->next == NULL);
    entity.bits = command->entity;
    if (ECSI_UNLIKELY(ecs_is_provisional(entity))) entity = ecsi_flush_resolve(flush, entity);
    /* A custom command may have registered types and spawned. */
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_flush_components(flush);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_flush_entities(flush, 0);
    if (ECSI_UNLIKELY(status != ECS_OK)) {
        if (command->kind == ECSI_COMMAND_SPAWN && !ecs_is_null(entity)) {
            entities->reserved_count--;
            ecsi_entities_give(entities, ecs_index(entity));
        }
        ecsi_command_drop(flush, command, status);
        return;
    }
    if (ecs_index(entity) >= entities->front.record_count ||
        ecsi_entities_record(entities, ecs_index(entity))->generation !=
            ecs_generation(entity) || ecs_is_null(entity)) {
        ecsi_command_drop(flush, command,
                          command->kind == ECSI_COMMAND_SPAWN ? ECS_FULL : ECS_STALE);
        return;
    }
    record = ecsi_entities_record(entities, ecs_index(entity));
    touch_of = ECSI_VEC_AT(uint32_t, &flush->touch_of, ecs_index(entity));
    if (*touch_of != 0) {
        touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, *touch_of - 1);
        ECSI_CHECK(touch->index == ecs_index(entity));
        touch->last->next = command;
        touch->last = command;
        return;
    }
    /* A slot without a row is a spawn of this flush, whose command comes first; anything
     * else there is a dead or forged handle. */
    if (record->place == 0 && command->kind != ECSI_COMMAND_SPAWN) {
        ecsi_command_drop(flush, command, ECS_STALE);
        return;
    }
    ECSI_CHECK(flush->touches.count < flush->touches.capacity);
    touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, flush->touches.count++);
    touch->first = command;
    touch->last = command;
    touch->index = ecs_index(entity);
    *touch_of = flush->touches.count;
}

#ifndef ECS_NO_EVENTS
static void ecsi_flush_event(ecsi_flush *flush, ecsi_command *command)
{
    const ecsi_component *c;
    ecsi_event *event;
    ecs_status status = ecsi_command_type(flush, command);
    ECSI_CHECK(command->payload_offset != 0);
    if (status == ECS_OK) status = ecsi_event_need(flush->events, command->component, &event);
    if (status != ECS_OK) flush->events_dropped++;
    if (status == ECS_OK) {
        c = ecsi_component_at(flush->components, command->component);
        if (c->references) ecsi_patch_values(flush, c, ecsi_command_payload(command), 1);
        /* A full buffer counts for itself. */
        (void)ecsi_event_append(flush->events, event, ecsi_command_payload(command));
    }
    ECSI_CHECK(status != ECS_INVALID);
}
#endif

/* Runs a custom command: the world is open for edits. */
static void ecsi_flush_custom(ecsi_flush *flush, ecsi_command *command)
{
    ecsi_custom custom;
    unsigned char *payload = (unsigned char *)ecsi_command_payload(command);
    uint32_t locks = *flush->locks;
    ECSI_CHECK(sizeof custom <= ECSI_CUSTOM_BYTES);
    memcpy(&custom, payload, sizeof custom);
    ECSI_CHECK(custom.run != NULL);
    *flush->locks = 0;
    custom.run(flush->world, payload + ECSI_CUSTOM_BYTES, custom.bytes);
    ECSI_CHECK(*flush->locks == 0);
    *flush->locks = locks;
    flush->applied++;
}

/* Room for everything that a flush of these commands needs of its own: then it cannot fail. */
static ecs_status ecsi_flush_prepare(ecsi_flush *flush, const ecsi_batch *batch)
{
    uint32_t max = flush->commands_max;
    ecs_status status = ecsi_flush_components(flush);
    ECSI_CHECK(!flush->running);
    if (status == ECS_OK) status = ecsi_flush_entities(flush, batch->spawn_count);
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(flush->memory, &flush->touches, batch->command_count, max,
                                  sizeof(ecsi_touch));
    }
    if (status == ECS_OK && batch->spawn_count > 0) {
        status = ecsi_vec_reserve(flush->memory, &flush->spawn_map, batch->spawn_count, max,
                                  sizeof(ecs_entity));
        if (status == ECS_OK) {
            status = ecsi_vec_reserve(flush->memory, &flush->ranges, batch->stream_count, max,
                                      sizeof(ecsi_spawn_range));
        }
    }
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

/* Applies a batch that was prepared. `since`: columns written at or after this tick may hold
 * provisional handles. */
static void ecsi_flush_batch(ecsi_flush *flush, const ecsi_batch *batch, uint64_t since)
{
    ecsi_cursor cursor = ecsi_batch_begin(batch);
    ecsi_command *command;
    if (batch->command_count == 0 && !batch->spawned) return;
    ECSI_CHECK(!flush->running);
    flush->running = true;
    *flush->locks += 1;
    ecsi_flush_spawns(flush, batch);
    if (batch->spawned) ecsi_flush_patch(flush, since);
    for (command = ecsi_cursor_next(&cursor); command != NULL;
         command = ecsi_cursor_next(&cursor)) {
        switch (command->kind) {
        case ECSI_COMMAND_STREAM: break;
        case ECSI_COMMAND_CUSTOM:
            ecsi_flush_apply(flush);
            ecsi_flush_custom(flush, command);
            break;
#ifndef ECS_NO_EVENTS
        case ECSI_COMMAND_EVENT: ecsi_flush_event(flush, command); break;
#endif
        default: ecsi_flush_touch(flush, command); break;
        }
    }
    ecsi_flush_apply(flush);
    *flush->locks -= 1;
    flush->running = false;
    ECSI_CHECK(flush->touches.count == 0);
    ECSI_CHECK(flush->storage->entities->reserved_count == 0);
}

/* ---- Life --------------------------------------------------------------------------- */

static ecs_status ecsi_flush_create(ecsi_flush *flush, size_t queue_bytes)
{
    ecsi_memory *memory = flush->memory;
    uint32_t components = flush->components->max + 1;
    uint32_t commands = memory->fixed ? (uint32_t)(queue_bytes / sizeof(ecsi_command)) + 1
                                      : 0xfffffffeu;
    ecs_status status;
    ECSI_CHECK(queue_bytes > 0);
    flush->commands_max = commands;
    status = ecsi_vec_create(memory, &flush->ranges, commands, sizeof(ecsi_spawn_range));
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->spawn_map, commands, sizeof(ecs_entity));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->touches, commands, sizeof(ecsi_touch));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->touch_of, flush->storage->entities->max,
                                 sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->folds, components, sizeof(ecsi_fold));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->fold_of, components, sizeof(uint32_t));
    }
    if (status == ECS_OK) status = ecsi_vec_create(memory, &flush->marks, components, 1);
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

static void ecsi_flush_destroy(ecsi_flush *flush)
{
    ecsi_memory *memory = flush->memory;
    ECSI_CHECK(!flush->running);
    ECSI_CHECK(flush->touches.count == 0);
    ECSI_CHECK(flush->folds.count == 0);
    ecsi_vec_destroy(memory, &flush->ranges, sizeof(ecsi_spawn_range));
    ecsi_vec_destroy(memory, &flush->spawn_map, sizeof(ecs_entity));
    ecsi_vec_destroy(memory, &flush->touches, sizeof(ecsi_touch));
    ecsi_vec_destroy(memory, &flush->touch_of, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &flush->folds, sizeof(ecsi_fold));
    ecsi_vec_destroy(memory, &flush->fold_of, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &flush->marks, 1);
}

#endif /* ECS_FLUSH_H */

/* >>pool ======================================================== src/pool.h */

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

/* >>adaptive ================================================ src/adaptive.h */

/* adaptive.h: chooses how the next tick runs, from what the last ones took. Numbers in, a choice
 * out: no clock and no world, so that tests script it. gauge.h measures.
 *
 * Two questions are answered between two ticks, each with a threshold to begin and a lower one
 * to end (hysteresis), and no answer changes twice within the cooldown:
 *
 *   batching  does I/O go in batches?           when many requests are pending
 *   sharing   do segments go to all workers?    when there is work, and it could be spread
 *
 * Batching is shown as ECS_BACKEND_BATCHED_IO, else sharing as work stealing, else blocking. A
 * window of ticks stands behind all figures. It holds whole numbers: sums that take an entry out
 * as they took it in never drift. */
/* floor: 11 */
#ifndef ECS_ADAPTIVE_H
#define ECS_ADAPTIVE_H

#ifndef ECS_NO_ADAPTIVE

/* The thresholds of the design, section 5: a batch of requests, and almost a third of the
 * busiest worker's time. */
#define ECSI_ADAPTIVE_IO 64u
#define ECSI_ADAPTIVE_IMBALANCE 0.3
/* What waking a worker is worth: ECSI_SHARE_ASLEEP_NS, decision 0017. */
#define ECSI_ADAPTIVE_LIGHT_NS 50000u
/* The noise of a mean over 100 ticks is a tenth of one tick's: with 5 % that is 0.5 %. A quarter
 * is far beyond what noise can cross, and far below what a load that changes does. */
#define ECSI_ADAPTIVE_HYSTERESIS 0.25
/* Of the design: what fits the fixed window, and how often a choice may change. */
#define ECSI_WINDOW_MAX 100u
#define ECSI_ADAPTIVE_COOLDOWN 10u
/* Switches that are kept for who asks. */
#define ECSI_DECISIONS_MAX 16u
/* Ticks between two that are measured because the load has changed. */
#define ECSI_LOOK_TICKS 4u
/* Larger figures count as these: a thousand seconds, 16 million requests. Sums of squares over a
 * window fit 64 bits then. */
#define ECSI_FIGURE_NS_MAX ((uint64_t)1000 * 1000 * 1000 * 1000)
#define ECSI_FIGURE_IO_MAX ((uint32_t)1 << 24)
/* Newton steps of a square root. */
#define ECSI_ROOT_STEPS 40u

typedef enum ecsi_why {
    ECSI_WHY_IO_MANY,
    ECSI_WHY_IO_FEW,
    ECSI_WHY_IMBALANCE,
    ECSI_WHY_LIGHT,
    ECSI_WHY_ALONE
} ecsi_why;

/* What one tick took. */
typedef struct ecsi_sample {
    double cost_ns;    /* work of all workers together */
    double top_ns;     /* of it: of the busiest worker... */
    double mean_ns;    /* ...and what each would have if it were spread evenly */
    uint32_t declared; /* I/O requests that systems say they make */
    uint32_t measured; /* that are queued; ECS_IO_UNKNOWN: not known */
    bool shared;       /* some segment went to all workers */
} ecsi_sample;

/* The same in the window. */
typedef struct ecsi_entry {
    uint64_t cost_ns;
    uint64_t top_ns;
    uint64_t gap_ns;
    uint32_t io;
    bool measured;
    bool shared;
} ecsi_entry;

/* What the window says. */
typedef struct ecsi_figures {
    double cost_ns;    /* of a tick */
    double imbalance;  /* 0: all had the same to do; near 1: one did everything */
    double io_pending;
    double io_weight;  /* of what was declared */
    uint32_t ticks;    /* in the window... */
    uint32_t shared;   /* ...and of these that were shared */
} ecsi_figures;

typedef struct ecsi_choice {
    bool sharing;
    bool batching;
} ecsi_choice;

typedef struct ecsi_decision {
    uint64_t tick; /* after it */
    ecsi_choice from;
    ecsi_choice to;
    ecsi_why why;
    ecsi_figures figures;
} ecsi_decision;

typedef struct ecsi_adaptive {
    ecs_adaptive_desc rules; /* with the defaults */
    uint32_t workers;
    ecsi_choice choice;
    uint32_t since;          /* ticks since the last switch */
    uint32_t next;           /* entry of the window that is written next */
    uint32_t count;          /* entries that are filled */
    uint64_t cost_ns;        /* sums over the window, and so on */
    uint64_t top_ns;
    uint64_t gap_ns;
    uint64_t io_measured;
    uint64_t io_declared;
    uint64_t io_squares;     /* of what was declared */
    uint32_t declared_count; /* ticks without a measured depth */
    uint32_t shared_count;
    uint64_t looked_ns;      /* cost of the tick that was measured last... */
    uint32_t looked_ago;     /* ...so many ticks ago */
    bool look;               /* the next tick should be measured: the load has changed */
    uint64_t last_ns;        /* cost of the last tick */
    uint32_t decision_count;
    ecsi_entry window[ECSI_WINDOW_MAX];
    ecsi_decision decisions[ECSI_DECISIONS_MAX];
} ecsi_adaptive;

/* ---- Thresholds ---------------------------------------- */

/* Fills in the defaults; false when a value makes no sense. */
static bool ecsi_adaptive_resolve(ecs_adaptive_desc *d, uint32_t share_ns)
{
    ECSI_CHECK(d != NULL);
    if (!(d->imbalance_min >= 0.0f && d->imbalance_min < 1.0f)) return false;
    if (!(d->hysteresis >= 0.0f && d->hysteresis < 1.0f)) return false;
    if (d->window_ticks > ECSI_WINDOW_MAX) return false;
    if (d->io_pending_min == 0) d->io_pending_min = ECSI_ADAPTIVE_IO;
    if (d->imbalance_min <= 0) d->imbalance_min = (float)ECSI_ADAPTIVE_IMBALANCE;
    if (d->light_ns == 0) d->light_ns = share_ns != 0 ? share_ns : ECSI_ADAPTIVE_LIGHT_NS;
    if (d->hysteresis <= 0) d->hysteresis = (float)ECSI_ADAPTIVE_HYSTERESIS;
    if (d->window_ticks == 0) d->window_ticks = ECSI_WINDOW_MAX;
    if (d->cooldown_ticks == 0) d->cooldown_ticks = ECSI_ADAPTIVE_COOLDOWN;
    ECSI_CHECK(d->window_ticks > 0 && d->light_ns > 0);
    return true;
}

/* The initial choice is blocking: nothing has been measured, and nothing is shared before. */
static void ecsi_adaptive_init(ecsi_adaptive *a, const ecs_adaptive_desc *rules, uint32_t workers)
{
    ECSI_CHECK(rules->window_ticks > 0 && rules->window_ticks <= ECSI_WINDOW_MAX);
    ECSI_CHECK(workers > 0);
    memset(a, 0, sizeof *a);
    a->rules = *rules;
    a->workers = workers;
}

static ecs_backend ecsi_choice_backend(ecsi_choice choice)
{
    if (choice.batching) return ECS_BACKEND_BATCHED_IO;
    return choice.sharing ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING;
}

/* ---- The window ---------------------------------------- */

/* A time that counts: no negative one, no NaN, none that is too large. */
static uint64_t ecsi_figure_ns(double ns)
{
    if (!(ns > 0)) return 0;
    return ns < (double)ECSI_FIGURE_NS_MAX ? (uint64_t)ns : ECSI_FIGURE_NS_MAX;
}

static void ecsi_window_take(ecsi_adaptive *a, const ecsi_entry *entry)
{
    ECSI_CHECK(a->cost_ns >= entry->cost_ns);
    ECSI_CHECK(a->top_ns >= entry->top_ns && a->gap_ns >= entry->gap_ns);
    a->cost_ns -= entry->cost_ns;
    a->top_ns -= entry->top_ns;
    a->gap_ns -= entry->gap_ns;
    if (entry->shared) a->shared_count--;
    if (entry->measured) {
        a->io_measured -= entry->io;
    } else {
        a->declared_count--;
        a->io_declared -= entry->io;
        a->io_squares -= (uint64_t)entry->io * entry->io;
    }
}

static void ecsi_window_put(ecsi_adaptive *a, const ecsi_sample *sample)
{
    ecsi_entry *entry = &a->window[a->next];
    uint64_t mean_ns = ecsi_figure_ns(sample->mean_ns);
    ECSI_CHECK(a->next < a->rules.window_ticks);
    ECSI_CHECK(a->count <= a->rules.window_ticks);
    if (a->count == a->rules.window_ticks) {
        ecsi_window_take(a, entry);
    } else {
        a->count++;
    }
    entry->cost_ns = ecsi_figure_ns(sample->cost_ns);
    entry->top_ns = ecsi_figure_ns(sample->top_ns);
    entry->gap_ns = entry->top_ns > mean_ns ? entry->top_ns - mean_ns : 0;
    entry->measured = sample->measured != ECS_IO_UNKNOWN;
    entry->io = ecsi_min_u32(entry->measured ? sample->measured : sample->declared,
                             ECSI_FIGURE_IO_MAX);
    entry->shared = sample->shared;
    a->cost_ns += entry->cost_ns;
    a->top_ns += entry->top_ns;
    a->gap_ns += entry->gap_ns;
    if (entry->shared) a->shared_count++;
    if (entry->measured) {
        a->io_measured += entry->io;
    } else {
        a->declared_count++;
        a->io_declared += entry->io;
        a->io_squares += (uint64_t)entry->io * entry->io;
    }
    a->next = a->next + 1 == a->rules.window_ticks ? 0 : a->next + 1;
}

/* ---- Figures ---------------------------------------- */

/* The square root of 0 to 1, by Newton's method from above: libm is not needed for it. */
static double ecsi_root(double x)
{
    double root = 1;
    uint32_t i;
    ECSI_CHECK(x >= 0 && x <= 1);
    if (x <= 0) return 0;
    for (i = 0; i < ECSI_ROOT_STEPS; i++) root = 0.5 * (root + x / root);
    ECSI_CHECK(root >= 0 && root <= 1);
    return root;
}

/* How much of what systems declare counts: twice the coefficient of variation of the window's
 * counts, 1 at most. A count that never changes is a constant of somebody's source: nothing has
 * been observed, and it weighs nothing. One that varies by half of its mean or more follows what
 * really happens. */
static double ecsi_io_weight(const ecsi_adaptive *a)
{
    double sum = (double)a->io_declared;
    double spread; /* the variance by the squared mean */
    if (a->io_declared == 0) return 0;
    ECSI_CHECK(a->declared_count > 0);
    ECSI_CHECK(a->io_squares * a->declared_count >= a->io_declared * a->io_declared);
    spread = (double)(a->io_squares * a->declared_count - a->io_declared * a->io_declared) /
             (sum * sum);
    return spread >= 0.25 ? 1.0 : ecsi_root(4.0 * spread);
}

/* Imbalance is the busiest worker's time less the mean, by the busiest worker's time, added up
 * over the window before it is divided: a long tick counts for more than a short one, and the
 * busiest worker may be another one in each tick. */
static ecsi_figures ecsi_adaptive_figures(const ecsi_adaptive *a)
{
    ecsi_figures f;
    ECSI_CHECK(a->gap_ns <= a->top_ns);
    ECSI_CHECK(a->shared_count <= a->count);
    memset(&f, 0, sizeof f);
    if (a->count == 0) return f;
    f.ticks = a->count;
    f.shared = a->shared_count;
    f.cost_ns = (double)a->cost_ns / a->count;
    if (a->top_ns > 0) f.imbalance = (double)a->gap_ns / (double)a->top_ns;
    f.io_weight = ecsi_io_weight(a);
    f.io_pending = ((double)a->io_measured + f.io_weight * (double)a->io_declared) / a->count;
    return f;
}

/* ---- The choice ---------------------------------------- */

/* What the figures say now, whatever the cooldown says; and why. Sharing ends when the load is
 * light, or when for a whole window nothing was shared and little could be: that the workers'
 * times are even is what sharing is for, and no reason to end it. */
static ecsi_choice ecsi_adaptive_choose(const ecsi_adaptive *a, const ecsi_figures *f,
                                        ecsi_why *why)
{
    const ecs_adaptive_desc *rules = &a->rules;
    double stay = 1.0 - (double)rules->hysteresis;
    double io_min = (double)rules->io_pending_min * (a->choice.batching ? stay : 1.0);
    double light_ns = (double)rules->light_ns * (a->choice.sharing ? stay : 1.0);
    double uneven = (double)rules->imbalance_min * (a->choice.sharing ? stay : 1.0);
    bool light = f->cost_ns < light_ns;
    ecsi_choice to;
    ECSI_CHECK(f->imbalance >= 0 && f->imbalance <= 1);
    ECSI_CHECK(stay > 0);
    to.batching = f->io_pending >= io_min;
    to.sharing = a->workers > 1 && !light &&
                 (f->imbalance > uneven || (a->choice.sharing && f->shared > 0));
    if (to.batching != a->choice.batching) {
        *why = to.batching ? ECSI_WHY_IO_MANY : ECSI_WHY_IO_FEW;
    } else {
        *why = to.sharing ? ECSI_WHY_IMBALANCE : light ? ECSI_WHY_LIGHT : ECSI_WHY_ALONE;
    }
    return to;
}

/* Whether the next tick should be measured system by system: when the load is twice or half of
 * what it was when that was done last. A load that is light before and after need not. */
static bool ecsi_adaptive_looks(ecsi_adaptive *a, uint64_t cost_ns, bool measured)
{
    uint64_t light_ns = a->rules.light_ns / 2;
    ECSI_CHECK(cost_ns <= ECSI_FIGURE_NS_MAX);
    ECSI_CHECK(a->looked_ago <= ECSI_LOOK_TICKS);
    if (measured) {
        a->looked_ns = cost_ns;
        a->looked_ago = 0;
        return false;
    }
    if (a->looked_ago < ECSI_LOOK_TICKS) a->looked_ago++;
    if (a->looked_ago < ECSI_LOOK_TICKS) return false;
    if (cost_ns < light_ns && a->looked_ns < light_ns) return false;
    return cost_ns > a->looked_ns * 2 || cost_ns < a->looked_ns / 2;
}

/* Takes in what a tick took, and chooses for the next one. Answers whether that is a switch. */
static bool ecsi_adaptive_step(ecsi_adaptive *a, const ecsi_sample *sample, uint64_t tick,
                               bool measured)
{
    ecsi_decision *decision;
    ecsi_figures figures;
    ecsi_choice to;
    ecsi_why why;
    ECSI_CHECK(a->workers > 0);
    ECSI_CHECK(a->rules.cooldown_ticks > 0);
    ecsi_window_put(a, sample);
    a->last_ns = ecsi_figure_ns(sample->cost_ns);
    a->look = ecsi_adaptive_looks(a, a->last_ns, measured);
    if (a->since < a->rules.cooldown_ticks) a->since++;
    if (a->since < a->rules.cooldown_ticks) return false;
    figures = ecsi_adaptive_figures(a);
    to = ecsi_adaptive_choose(a, &figures, &why);
    if (to.sharing == a->choice.sharing && to.batching == a->choice.batching) return false;
    decision = &a->decisions[a->decision_count++ % ECSI_DECISIONS_MAX];
    decision->tick = tick;
    decision->from = a->choice;
    decision->to = to;
    decision->why = why;
    decision->figures = figures;
    a->choice = to;
    a->since = 0;
    return true;
}

#endif /* ECS_NO_ADAPTIVE */

#endif /* ECS_ADAPTIVE_H */

/* >>schedule ================================================ src/schedule.h */

/* schedule.h: phases, systems, and their order. backend.h runs them.
 *
 * The order of a phase is a graph. Explicit edges come first. Then every two systems that
 * conflict get an edge, in the order of registration, unless the edges before already say
 * otherwise; so it can never become a cycle, and what is not explicit follows the order of
 * registration. Reachability is kept as a bit matrix: an edge that follows from others is
 * not added again. */
/* floor: 11 */
#ifndef ECS_SCHEDULE_H
#define ECS_SCHEDULE_H

/* Catch-up cap of fixed steps when none is given. */
#define ECSI_STEPS_MAX 4u
/* Bytes of the text about what is wrong with a schedule. */
#define ECSI_SCHEDULE_TEXT_BYTES 2048u
/* Rows that a system without columns counts for, when a phase's commands are shared out. */
#define ECSI_TASK_ROWS 4096u
#define ECSI_STREAM_BYTES ((size_t)64 << 20)
/* Ticks that are measured after the schedule was built, and then one of 2^ECSI_SAMPLE_BITS. */
#define ECSI_SAMPLE_FIRST 3u
#define ECSI_SAMPLE_BITS 4u
/* Access checks: systems that may run at the same time, places that one thread looks at, and
 * findings that are logged once each and not again. */
#define ECSI_WATCH_SLOTS 512u
#define ECSI_WATCH_PROBES 16u
#define ECSI_WATCH_REPORTS 64u
/* Systems that were not added and are remembered by name. */
#define ECSI_REFUSED_MAX 16u
/* What a look at the clock takes itself. */
#define ECSI_CLOCK_NS 20u
/* Retries when none are given. */
#define ECSI_RETRIES 3u
/* Copies of what systems write are reserved in units of so many bytes. */
#define ECSI_SAVE_UNIT 16u
/* Waits for a retry double up to so many ticks. */
#define ECSI_RETRY_TICKS_MAX (1u << 20)

/* A fixed step: time is saved up and spent in equal pieces. */
typedef struct ecsi_fixed {
    float step_s; /* 0: none */
    uint32_t steps_max;
    double saved_s;
} ecsi_fixed;

typedef struct ecsi_phase {
    char name[ECS_NAME_BYTES_MAX];
    ecsi_fixed fixed;
    uint32_t first; /* in the schedule's order */
    uint32_t count;
    uint32_t reach; /* its bit matrix in the schedule's, in words */
} ecsi_phase;

/* What a term that is no column hands to the view. */
typedef struct ecsi_term_slot {
    ecs_getter getter;
    uint32_t reader;
#ifndef ECS_NO_EVENTS
    ecs_events events;
    uint32_t seen; /* of them in this tick, by its first run */
#endif
} ecsi_term_slot;

typedef struct ecsi_system {
    char name[ECS_NAME_BYTES_MAX];
    uint32_t bytes; /* of its memory: this, slots, columns, order_names */
    uint32_t stamp; /* tells it from all others, removed ones too; commands carry it */
    ecs_system_desc desc; /* names inside are copied into order_names */
    char (*order_names)[ECS_NAME_BYTES_MAX]; /* before, then after */
    ecs_status (*run)(const ecs_view *view);
    ecs_status (*run_exclusive)(ecs_world *world, const ecs_view *view);
    ecsi_query *query;
    ecsi_term_slot *slots;
    void **columns;
    uint32_t before_count;
    uint32_t after_count;
    uint32_t phase;
    struct ecsi_group *group; /* NULL: none */
    bool unsplit;
    bool enabled;    /* it, and its group */
    bool disabled;   /* by its own switch */
    bool detached;   /* of an asynchronous group: in no phase's order */
    bool has_events;
    bool failed;     /* in this phase, fast */
    uint32_t ticks;  /* since its last run */
    double since_s;  /* time since its last run */
    ecsi_fixed fixed;
    double cost_ns;  /* of one tick, by all workers: an average that forgets; 0: not measured */
    uint32_t attempts;      /* tries of one run in one tick at most */
    uint32_t wait_ticks;    /* until it runs again after a failure */
    uint32_t retried;       /* retries with a wait in between, in a row */
    uint32_t failed_in_row; /* that count for the breaker */
    bool broken;            /* its breaker is open */
    bool probing;           /* and was until now: one failure opens it again */
    ecs_system_state state; /* what it counts */
    uint32_t cost_runs; /* in the tick that was measured last */
} ecsi_system;

/* A system in the tick that runs: one for each, at its member's number in schedule->order. */
typedef struct ecsi_node {
    struct ecsi_schedule *schedule;
    ecsi_system *system;
    uint32_t index;        /* of the system */
    uint32_t phase;        /* first of its phase in schedule->order */
    uint32_t member;       /* of the phase */
    uint32_t before_count; /* members of its segment that must end before it */
    uint32_t runs;         /* that are due */
    uint32_t run;          /* that have ended */
    uint32_t attempt;      /* of the next run: 0 for its first try */
    uint32_t tries;        /* that have ended */
    uint32_t overruns;
    ecs_status refused;    /* why it cannot run: no room to save what it writes */
    size_t saved_at;       /* in schedule->saved */
    uint64_t begin_ns;     /* of the try, with a budget */
    float dt;
    bool cut;              /* no further run in this tick */
    bool skipped;          /* after a failure */
    bool ran;              /* got a row: it has seen its events */
    uint32_t saved_ticks;  /* its time before it was planned: a skipped one has it back */
    double saved_since_s;
    double saved_fixed_s;
    double segment_ns;     /* of the segment that begins with it: that could be shared... */
#ifndef ECS_NO_ADAPTIVE
    double segment_saves;  /* ...and how much shorter it would be, as a part of itself */
#endif
    double path_ns;        /* of those before it, at least: see ecsi_segment_saves */
    uint64_t serial;       /* of its first stream */
    uint32_t stream_count; /* of one run */
    uint32_t block_count;
    uint32_t grain;        /* blocks of one grab */
    struct ecsi_node *next; /* in a list of its worker */
#ifndef ECS_NO_THREADS
    ecs_job begin;
    ecs_job help;          /* pushed once for each worker that may help */
    unsigned char pad[ECSI_LINE_BYTES];
    ecsi_atomic_u64 grabbed; /* blocks */
    ecsi_atomic_u64 failed;  /* lowest block that failed above, its status below */
    ecsi_atomic_u64 busy_ns;
    ecsi_atomic_u32 active;  /* workers that are at it, or will come */
    ecsi_atomic_u32 before;  /* nodes that have not ended */
    ecsi_atomic_u32 got_rows;
#endif
} ecsi_node;

/* A run that failed while others ran. */
typedef struct ecsi_fail {
    uint64_t first; /* its streams... */
    uint64_t end;   /* ...up to here */
    ecs_failure failure;
    bool fast;
} ecsi_fail;

/* What one worker records into. */
typedef struct ecsi_lane {
    ecsi_queue queue;
#ifndef ECS_NO_ADAPTIVE
    uint64_t busy_ns; /* of its worker, in segments that were shared */
#endif
    unsigned char pad[128];
} ecsi_lane;

/* One row block of a copy; the columns follow, one a term. */
typedef struct ecsi_span {
    struct ecsi_span *next;
    const ecs_entity *entities;
    uint32_t count;
    uint32_t base;
} ecsi_span;

typedef enum ecsi_work_state {
    ECSI_WORK_ENDED,
    ECSI_WORK_DUE,    /* nobody has begun it */
    ECSI_WORK_RUNNING
} ecsi_work_state;

/* One system of a launch. */
typedef struct ecsi_work {
    struct ecsi_launch *launch;     /* these two never change */
    struct ecsi_schedule *schedule;
    ecsi_system *system;   /* NULL: removed since */
    ecs_status (*run)(const ecs_view *view);
    void *user;
    ecsi_span *first;
    uint64_t serial;       /* of its first stream */
    uint32_t streams;      /* of one try */
    uint32_t attempts;
    uint32_t stamp;
    uint32_t components_known; /* see ecs_commands */
    uint32_t events_known;
    bool unsplit;
    bool budget_fails;
    float dt;
    size_t stream_bytes;
    uint64_t budget_ns;
    uint64_t overrun_ns;   /* the longest; these are what its tries came to */
    uint32_t overruns;
    uint32_t fail_count;   /* tries that failed; the first ones and the last are described */
    bool failed;           /* the last one did */
    ecs_status statuses[ECS_FAILURES_MAX + 1];
    uint32_t blocks[ECS_FAILURES_MAX + 1];
    ecsi_queue queue;
    ecsi_arena arena;      /* used up by the queue's only block */
    ecs_job job;
    ecsi_atomic_u32 state; /* ecsi_work_state */
    ecsi_atomic_u32 queued; /* the job lies in the pool */
    ecsi_atomic_u64 runner; /* the thread, while it runs */
} ecsi_work;

/* What a group was launched with, and its results. */
typedef struct ecsi_launch {
    ecs_latch latch;    /* works that have not ended */
    uint64_t number;    /* 0: never used */
    uint64_t tick;      /* of the launch */
    bool held;          /* its commands are in the schedule's batch, which could not be applied */
    unsigned char *copies;
    size_t copied;
    unsigned char *commands;
    uint32_t work_count;
    ecsi_work works[ECS_GROUP_SYSTEMS_MAX];
} ecsi_launch;

typedef struct ecsi_group {
    char name[ECS_NAME_BYTES_MAX];
    ecs_group_desc desc; /* names inside are copied into order_names */
    char order_names[2 * ECS_ORDER_MAX][ECS_NAME_BYTES_MAX];
    uint32_t before_count;
    uint32_t after_count;
    uint32_t number;     /* index plus one */
    bool enabled;
    bool detached;       /* asynchronous, as built */
    uint32_t phase;      /* of all its systems; 0: there are none, or in several */
    uint32_t system_count;
    char reason[2 * ECS_NAME_BYTES_MAX + 64]; /* why it is synchronous; empty: it should be */
    ecsi_launch *launches; /* a ring of desc.depth; NULL: never asynchronous */
    size_t bytes;          /* of their memory */
    uint32_t first;        /* the oldest one under way */
    uint32_t under_way;
    ecs_group_state state;
} ecsi_group;

#ifndef ECS_NO_ADAPTIVE
/* What gauge.h measures in one tick. */
typedef struct ecsi_gauge {
    bool on;            /* the backend is adaptive */
    bool declares;      /* some system declares I/O */
    bool counts;        /* this tick does */
    bool shared;        /* some segment was */
    uint64_t begin_ns;
    uint64_t shared_ns; /* of segments that were shared, until all their systems had ended */
    uint64_t intents;   /* declared by systems that ran */
    double due_ns;      /* that the systems that are due took before... */
    double saved_ns;    /* ...and how much of it sharing would save... */
    double spread;      /* ...as a part of the tick */
    uint32_t (*io_pending)(const ecs_world *world, void *user);
    void *io_user;
} ecsi_gauge;
#endif

/* For access.h: which thread runs which system, and what was found. */
typedef struct ecsi_watch_entry {
    ecsi_atomic_u64 thread; /* 0: free */
    ecsi_atomic_ptr system;
    bool beside; /* it runs beside the ticks: its thread's alone, as long as it has the entry */
} ecsi_watch_entry;

typedef struct ecsi_watch {
    bool stops; /* asserts fail */
    ecsi_atomic_u64 violations;
    ecsi_atomic_u64 reported[ECSI_WATCH_REPORTS];
    ecsi_watch_entry entries[ECSI_WATCH_SLOTS];
} ecsi_watch;

/* A system that was not added. */
typedef struct ecsi_refused {
    char name[ECS_NAME_BYTES_MAX];
    ecs_status status;
} ecsi_refused;

typedef struct ecsi_schedule {
    ecsi_flush *flush;
    ecsi_watch *watch;    /* NULL: access is not checked */
    ecsi_queries *queries;
    ecsi_memory *memory;
    ecs_world *world;
    const ecsi_log *log;
    ecsi_vec phases;      /* of ecsi_phase, by number minus one */
    ecsi_vec phase_order; /* of uint32_t: numbers */
    ecsi_vec systems;     /* of ecsi_system *, in order of registration */
    ecsi_slab system_slab;
    uint32_t stamp_next;
    ecsi_vec groups;      /* of ecsi_group * */
    uint32_t groups_max;
    size_t group_bytes;   /* taken by asynchronous ones */
    size_t group_bytes_max;
    uint32_t under_way;   /* launches of all groups */
    ecsi_vec order;       /* of uint32_t: systems, phase by phase */
    ecsi_vec reach;       /* of uint64_t */
    ecsi_vec direct;      /* of uint64_t: the same without what follows from others */
    ecsi_vec nodes;       /* of ecsi_node, in the order of `order`'s first half */
    ecsi_vec fails;       /* of ecsi_fail */
    ecsi_vec before;      /* of uint32_t: how many are still to come before each */
    uint32_t phases_max;
    uint32_t systems_max;
    size_t stream_bytes_max;
    uint32_t spawns_max;
    size_t bytes_max;     /* recorded in one phase; SIZE_MAX / 4 and more: no limit */
    size_t share_bytes;   /* with a limit: what the running segment's streams share... */
    uint64_t share_rows;  /* ...by their rows... */
    bool share_stale;     /* the world has changed since these were counted */
    double share_scale;   /* ...and what those with a quota of their own get of it */
    ecsi_vec saved;       /* of ECSI_SAVE_UNIT bytes: see failure.h */
    size_t restore_bytes_max;
    bool restores;        /* a system has `restore` */
    bool strict;
    bool built;
    bool ticking;
    bool adding;          /* a system's init or fini runs: none can be added or removed */
    bool ending;          /* the world is destroyed: no tick begins */
    uint64_t since;       /* columns written since this tick may hold provisional handles */
    bool stop;            /* a system failed fast */
    uint64_t tick;
    ecsi_lane *lanes;
    uint32_t lane_count;
    ecsi_arena arena;
    ecsi_batch batch;     /* what was recorded and could not be applied yet */
    ecs_pool *pool;       /* NULL: blocking */
    ecs_worker *worker;   /* of the thread that ticks */
    uint32_t share_ns;    /* 0: measured costs decide; 1: always shared */
    bool alone;           /* adaptive: this tick shares nothing */
    uint32_t samples;     /* ticks since the schedule was built */
    bool sample;          /* this tick is measured */
#ifndef ECS_NO_THREADS
    ecs_latch latch;     /* nodes of the running segment */
    ecsi_atomic_u32 fail_count;
    ecsi_atomic_u32 stopping; /* `stop`, for those who ask while others run */
#endif
#ifndef ECS_NO_ADAPTIVE
    ecsi_adaptive adaptive;
    ecsi_gauge gauge;
#endif
    ecs_status (*settle)(ecs_world *world); /* world.h: applies this queue, then the world's */
    ecsi_atomic_u32 cancel; /* this tick, or the next one */
    ecs_tick_report report;
    char gone_names[ECS_FAILURES_MAX][ECS_NAME_BYTES_MAX]; /* in the report, of removed ones */
    char error[ECSI_SCHEDULE_TEXT_BYTES]; /* why the last build was refused */
    uint32_t refused_count; /* calls that add a system and were refused, and the first of them */
    ecsi_refused refused[ECSI_REFUSED_MAX];
} ecsi_schedule;

/* Bytes of a system with so many terms and names, and what ecsi_keep may need for one. */
#define ECSI_SYSTEM_HEAD_BYTES ((sizeof(ecsi_system) + 15) & ~(size_t)15)
#define ECSI_SYSTEM_BYTES(terms, names)                                            \
    (ECSI_SYSTEM_HEAD_BYTES + (terms) * (sizeof(ecsi_term_slot) + sizeof(void *)) + \
     (names) * ECS_NAME_BYTES_MAX)
#define ECSI_SYSTEM_SLOT_BYTES                                                     \
    ((ECSI_SYSTEM_BYTES(ECS_TERMS_MAX, 2 * ECS_ORDER_MAX) + 63) & ~(size_t)63)
#define ECSI_SYSTEM_KEEP_BYTES (ECSI_SYSTEM_SLOT_BYTES + 64)

static inline ecsi_system *ecsi_system_at(const ecsi_schedule *schedule, uint32_t index)
{
    ECSI_CHECK(index < schedule->systems.count);
    return *ECSI_VEC_AT(ecsi_system *, &schedule->systems, index);
}

static inline ecsi_phase *ecsi_phase_at(const ecsi_schedule *schedule, uint32_t number)
{
    ECSI_CHECK(number != 0 && number <= schedule->phases.count);
    return ECSI_VEC_AT(ecsi_phase, &schedule->phases, number - 1);
}

static uint32_t ecsi_system_find(const ecsi_schedule *schedule, const char *name)
{
    uint32_t i;
    ECSI_CHECK(name != NULL);
    ECSI_CHECK(schedule->systems.count <= schedule->systems_max);
    for (i = 0; i < schedule->systems.count; i++) {
        if (strcmp(ecsi_system_at(schedule, i)->name, name) == 0) return i;
    }
    return ECSI_NO_SYSTEM;
}

/* ---- Groups ------------------------------------------------------------------------- */

/* Bytes that ecsi_keep may need for one group, without its launches. */
#define ECSI_GROUP_KEEP_BYTES (sizeof(ecsi_group) + 64)

static inline ecsi_group *ecsi_group_at(const ecsi_schedule *schedule, uint32_t index)
{
    ECSI_CHECK(index < schedule->groups.count);
    return *ECSI_VEC_AT(ecsi_group *, &schedule->groups, index);
}

/* NULL: there is none. */
static ecsi_group *ecsi_group_find(const ecsi_schedule *schedule, const char *name)
{
    uint32_t i;
    ECSI_CHECK(name != NULL);
    for (i = 0; i < schedule->groups.count; i++) {
        if (strcmp(ecsi_group_at(schedule, i)->name, name) == 0) return ecsi_group_at(schedule, i);
    }
    return NULL;
}

/* Whether a name of an order list means this system: its own, or its group's. */
static inline bool ecsi_system_named(const ecsi_system *system, const char *name)
{
    ECSI_CHECK(name != NULL);
    if (strcmp(system->name, name) == 0) return true;
    return system->group != NULL && strcmp(system->group->name, name) == 0;
}

/* Names in a system's order lists, and in those of its group, which follow. */
static inline uint32_t ecsi_order_count(const ecsi_system *system)
{
    uint32_t count = system->before_count + system->after_count;
    ECSI_CHECK(count <= 2 * ECS_ORDER_MAX);
    if (system->group != NULL) count += system->group->before_count + system->group->after_count;
    return count;
}

/* One of them; whether it stands in `before`, and whether in the system's own list. */
static inline const char *ecsi_order_name(const ecsi_system *system, uint32_t n, bool *before,
                                          bool *own)
{
    const ecsi_group *group = system->group;
    uint32_t count = system->before_count + system->after_count;
    ECSI_CHECK(n < ecsi_order_count(system));
    *own = n < count;
    *before = n < system->before_count;
    if (*own) return system->order_names[n];
    ECSI_CHECK(group != NULL);
    *before = n - count < group->before_count;
    return group->order_names[n - count];
}

/* Whether system `a` names `b` in `before`, or `b` names `a` in `after`; or their groups do. */
static bool ecsi_system_precedes(const ecsi_system *a, const ecsi_system *b)
{
    uint32_t i;
    bool before;
    bool own;
    ECSI_CHECK(a != b);
    for (i = 0; i < ecsi_order_count(a); i++) {
        const char *name = ecsi_order_name(a, i, &before, &own);
        if (before && ecsi_system_named(b, name)) return true;
    }
    for (i = 0; i < ecsi_order_count(b); i++) {
        const char *name = ecsi_order_name(b, i, &before, &own);
        if (!before && ecsi_system_named(a, name)) return true;
    }
    return false;
}

/* What follows from the switches of a system and its group. */
static void ecsi_system_switch(ecsi_system *system)
{
    ECSI_CHECK(system->name[0] != 0);
    ECSI_CHECK(system->group == NULL || system->group->number != 0);
    system->enabled = !system->disabled && (system->group == NULL || system->group->enabled);
}

/* What a group hands down to a system that says nothing of its own. */
static void ecsi_group_inherit(const ecsi_group *group, ecs_system_desc *desc)
{
    const ecs_group_desc *from = &group->desc;
    ECSI_CHECK(group->number != 0);
    ECSI_CHECK((uint32_t)from->on_error <= ECS_RETRY);
    if (desc->on_error == ECS_ERROR_DEFAULT) {
        desc->on_error = from->on_error;
        desc->on_exhausted = from->on_exhausted;
        desc->retries = from->retries;
        desc->retry_ticks = from->retry_ticks;
        desc->breaker_failures = from->breaker_failures;
        desc->breaker_ticks = from->breaker_ticks;
    }
    if (desc->budget_ns == 0) {
        desc->budget_ns = from->budget_ns;
        desc->budget_fails = from->budget_fails;
    }
}

/* ---- Phases ------------------------------------------------------------------------- */

static uint32_t ecsi_phase_by_name(const ecsi_schedule *schedule, const char *name)
{
    uint32_t i;
    ECSI_CHECK(name != NULL);
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    for (i = 1; i <= schedule->phases.count; i++) {
        if (strcmp(ecsi_phase_at(schedule, i)->name, name) == 0) return i;
    }
    return 0;
}

/* Place of a phase in the order. */
static uint32_t ecsi_phase_place(const ecsi_schedule *schedule, uint32_t number)
{
    uint32_t at = 0;
    ECSI_CHECK(number != 0 && number <= schedule->phases.count);
    while (*ECSI_VEC_AT(uint32_t, &schedule->phase_order, at) != number) at++;
    ECSI_CHECK(at < schedule->phase_order.count);
    return at;
}

static ecs_status ecsi_fixed_set(ecsi_fixed *fixed, float step_s, uint32_t steps_max)
{
    ECSI_CHECK(fixed != NULL);
    ECSI_REQUIRE(step_s >= 0.0f && step_s < 1e9f, ECS_INVALID);
    fixed->step_s = step_s;
    fixed->steps_max = steps_max == 0 ? ECSI_STEPS_MAX : steps_max;
    fixed->saved_s = 0;
    return ECS_OK;
}

/* The phases lie elsewhere now: the last report points to names in them. */
static void ecsi_report_follow(ecsi_schedule *schedule, uintptr_t from)
{
    ecs_tick_report *report = &schedule->report;
    uint32_t i;
    ECSI_CHECK(report->failure_count <= ECS_FAILURES_MAX);
    ECSI_CHECK(!schedule->ticking);
    if ((uintptr_t)schedule->phases.data == from) return;
    for (i = 0; i < report->failure_count; i++) {
        report->failures[i].phase = (const char *)schedule->phases.data +
                                    ((uintptr_t)report->failures[i].phase - from);
    }
}

static ecs_status ecsi_phase_insert(ecsi_schedule *schedule, const ecs_phase_desc *desc,
                                    uint32_t *out)
{
    uint32_t count = schedule->phases.count;
    uint32_t at = count;
    uint32_t *order;
    ecsi_phase phase;
    ecs_status status;
    ECSI_REQUIRE(desc->name != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->after <= count, ECS_INVALID);
    ECSI_REQUIRE(desc->before <= count, ECS_INVALID);
    if (ecsi_phase_by_name(schedule, desc->name) != 0) return ECS_EXISTS;
    memset(&phase, 0, sizeof phase);
    status = ecsi_name_copy(phase.name, desc->name);
    if (status != ECS_OK) return status;
    status = ecsi_fixed_set(&phase.fixed, desc->step_s, desc->steps_max);
    if (status == ECS_OK) {
        uintptr_t from = (uintptr_t)schedule->phases.data;
        status = ecsi_vec_reserve(schedule->memory, &schedule->phases, count + 1,
                                  schedule->phases_max, sizeof phase);
        ecsi_report_follow(schedule, from);
    }
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(schedule->memory, &schedule->phase_order, count + 1,
                                  schedule->phases_max, sizeof(uint32_t));
    }
    if (status != ECS_OK) return status;
    if (desc->after != 0) at = ecsi_phase_place(schedule, desc->after) + 1;
    if (desc->after == 0 && desc->before != 0) at = ecsi_phase_place(schedule, desc->before);
    ECSI_CHECK(at <= count);
    order = (uint32_t *)schedule->phase_order.data;
    memmove(&order[at + 1], &order[at], (count - at) * sizeof *order);
    *ECSI_VEC_AT(ecsi_phase, &schedule->phases, count) = phase;
    order[at] = count + 1;
    schedule->phases.count = count + 1;
    schedule->phase_order.count = count + 1;
    schedule->built = false;
    *out = count + 1;
    return ECS_OK;
}

/* ---- Systems ------------------------------------------------------------------------ */

/* Copies the names of one order list. */
static ecs_status ecsi_order_copy(char (*to)[ECS_NAME_BYTES_MAX], const char *const *names,
                                  uint32_t *count)
{
    uint32_t i;
    ECSI_CHECK(names != NULL);
    ECSI_CHECK(*count == 0);
    for (i = 0; i < ECS_ORDER_MAX && names[i] != NULL; i++) {
        ecs_status status = ecsi_name_copy(to[i], names[i]);
        if (status != ECS_OK) return status;
        *count = i + 1;
    }
    return ECS_OK;
}

/* Memory for a system with so many terms and names, in one piece. */
static ecsi_system *ecsi_system_alloc(ecsi_schedule *schedule, const ecs_system_desc *desc)
{
    uint32_t terms = desc->system->term_count;
    uint32_t names = 0;
    uint32_t i;
    ecsi_system *system;
    unsigned char *at;
    ECSI_CHECK(terms <= ECS_TERMS_MAX);
    for (i = 0; i < ECS_ORDER_MAX && desc->before[i] != NULL; i++) names++;
    for (i = 0; i < ECS_ORDER_MAX && desc->after[i] != NULL; i++) names++;
    ECSI_CHECK(names <= 2 * ECS_ORDER_MAX);
    at = (unsigned char *)ecsi_slab_take(schedule->memory, &schedule->system_slab,
                                         ECSI_SYSTEM_BYTES(terms, names));
    if (at == NULL) return NULL;
    system = (ecsi_system *)(void *)at;
    system->bytes = (uint32_t)ECSI_SYSTEM_BYTES(terms, names);
    at += ECSI_SYSTEM_HEAD_BYTES;
    system->slots = (ecsi_term_slot *)(void *)at;
    at += terms * sizeof(ecsi_term_slot);
    system->columns = (void **)(void *)at;
    system->order_names = (char(*)[ECS_NAME_BYTES_MAX])(void *)(at + terms * sizeof(void *));
    return system;
}

/* Gives back what a system holds, and itself. It is in no list. */
static void ecsi_system_free(ecsi_schedule *schedule, ecsi_system *system)
{
    uint32_t t;
    ECSI_CHECK(schedule->flush != NULL);
    ECSI_CHECK(system->slots != NULL);
#ifndef ECS_NO_EVENTS
    for (t = 0; system->query != NULL && t < system->query->term_count; t++) {
        if (system->slots[t].reader != 0) {
            ecsi_reader_close(schedule->flush->events, system->slots[t].reader);
        }
    }
#else
    (void)t;
#endif
    if (system->query != NULL) ecsi_query_drop(schedule->queries, system->query);
    ecsi_slab_give(schedule->memory, &schedule->system_slab, system, system->bytes);
}

/* Binds the terms that are no columns: resources, readers, getters; and finds out whether the
 * row blocks must stay together. */
static ecs_status ecsi_system_bind(ecsi_schedule *schedule, ecsi_system *system)
{
    ecsi_storage *storage = schedule->queries->storage;
    uint32_t t;
    uint32_t o;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->slots != NULL && system->columns != NULL);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        ecsi_term_slot *slot = &system->slots[t];
        ecs_status status = ECS_OK;
        if (term->access == ECS_ACCESS_RES_READ || term->access == ECS_ACCESS_RES_WRITE) {
            status = ecsi_resource_need(storage->components, term->component,
                                        &system->columns[t]);
            if (term->access == ECS_ACCESS_RES_WRITE) system->unsplit = true;
        } else if (term->access == ECS_ACCESS_LOOKUP) {
            status = ecsi_getter_need(storage, term->component, &slot->getter.slot);
            slot->getter.front = &storage->entities->front;
            system->columns[t] = &slot->getter;
            for (o = 0; o < system->query->term_count; o++) {
                const ecsi_query_term *other = &system->query->terms[o];
                if (other->component == term->component && other->writes) system->unsplit = true;
            }
        } else if (term->access == ECS_ACCESS_ON || term->access == ECS_ACCESS_EMIT) {
#ifndef ECS_NO_EVENTS
            ecsi_event *event;
            status = ecsi_event_need(schedule->flush->events, term->component, &event);
            if (status == ECS_OK && term->access == ECS_ACCESS_ON) {
                status = ecsi_reader_open(schedule->flush->events, term->component,
                                          &slot->reader);
                system->columns[t] = &slot->events;
                system->has_events = true;
            }
#else
            status = ECS_UNSUPPORTED;
#endif
        }
        if (status != ECS_OK) return status;
    }
    return ECS_OK;
}

/* Whether the bytes of all that a system may write can be copied back over its values. */
static bool ecsi_system_restores(const ecsi_schedule *schedule, const ecsi_system *system)
{
    uint32_t t;
    ECSI_CHECK(system->desc.restore);
    ECSI_CHECK(system->query != NULL);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        if (!term->writes && term->access != ECS_ACCESS_RES_WRITE) continue;
        if (ecsi_component_at(schedule->flush->components, term->component)->lifecycle) {
            return false;
        }
    }
    return true;
}

/* Checks what a description says about failures. */
static ecs_status ecsi_failure_check(const ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    bool exclusive = system->run_exclusive != NULL;
    ECSI_CHECK(exclusive != (system->run != NULL));
    ECSI_REQUIRE((uint32_t)desc->on_error <= ECS_RETRY, ECS_INVALID);
    ECSI_REQUIRE((uint32_t)desc->on_exhausted < ECS_RETRY, ECS_INVALID);
    ECSI_REQUIRE(desc->retries <= ECS_RETRIES_MAX, ECS_INVALID);
    ECSI_REQUIRE(desc->retry_ticks <= ECSI_RETRY_TICKS_MAX, ECS_INVALID);
    if (desc->on_error == ECS_RETRY) {
        ECSI_REQUIRE(desc->idempotent || desc->restore, ECS_INVALID);
    }
    return exclusive && desc->restore ? ECS_UNSUPPORTED : ECS_OK;
}

/* Takes it over; the system's terms are bound. */
static ecs_status ecsi_failure_fill(ecsi_schedule *schedule, ecsi_system *system)
{
    ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK((uint32_t)desc->on_error <= ECS_RETRY);
    if (desc->on_error == ECS_ERROR_DEFAULT) desc->on_error = ECS_FAIL_FAST;
    if (desc->on_exhausted == ECS_ERROR_DEFAULT) desc->on_exhausted = ECS_FAIL_FAST;
    system->attempts = 1;
    if (desc->on_error == ECS_RETRY) {
        if (desc->retries == 0) desc->retries = ECSI_RETRIES;
        if (desc->retry_ticks == 0) system->attempts = desc->retries + 1;
    }
    if (!desc->restore) return ECS_OK;
    if (!ecsi_system_restores(schedule, system)) return ECS_UNSUPPORTED;
    schedule->restores = true;
    return ECS_OK;
}

/* What a description says about time and order. */
static ecs_status ecsi_system_fill(ecsi_schedule *schedule, ecsi_system *system,
                                   const ecs_system_desc *desc)
{
    const char *name = desc->name != NULL ? desc->name : desc->system->name;
    ecs_status status;
    ECSI_REQUIRE(desc->interval_s >= 0.0f && desc->interval_s < 1e9f, ECS_INVALID);
    ECSI_CHECK(schedule->phases.count > 0);
    status = ecsi_name_copy(system->name, name);
    if (status != ECS_OK) return status;
    system->desc = *desc;
    system->desc.system = NULL;
    system->desc.name = system->name;
    system->phase = desc->phase == ECS_PHASE_DEFAULT ? (uint32_t)ECS_UPDATE : desc->phase;
    if (system->phase > schedule->phases.count) return ECS_INVALID;
    system->run = desc->system->run;
    system->run_exclusive = desc->system->run_exclusive;
    system->disabled = desc->disabled;
    system->unsplit = desc->unsplit || desc->main_thread;
    if (desc->group != NULL) {
        system->group = ecsi_group_find(schedule, desc->group);
        if (system->group == NULL) return ECS_NOT_FOUND;
        system->desc.group = system->group->name;
        ecsi_group_inherit(system->group, &system->desc);
    }
    ecsi_system_switch(system);
    status = ecsi_failure_check(system);
    if (status == ECS_OK) status = ecsi_fixed_set(&system->fixed, desc->step_s, desc->steps_max);
    if (status == ECS_OK) {
        status = ecsi_order_copy(system->order_names, desc->before, &system->before_count);
    }
    if (status == ECS_OK) {
        status = ecsi_order_copy(system->order_names + system->before_count, desc->after,
                                 &system->after_count);
    }
    return status;
}

static ecs_status ecsi_system_insert(ecsi_schedule *schedule, const ecs_system_desc *desc)
{
    ecsi_memory *memory = schedule->memory;
    const ecs_system *from = desc->system;
    const char *name = desc->name != NULL ? desc->name : from->name;
    ecsi_system *system;
    ecs_query_info info;
    ecs_status status;
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    ECSI_REQUIRE((from->run != NULL) != (from->run_exclusive != NULL), ECS_INVALID);
    if (from->term_count > ECS_TERMS_MAX) return ECS_INVALID;
    if (from->run_exclusive != NULL && from->term_count > 0) return ECS_INVALID;
    if (ecsi_system_find(schedule, name) != ECSI_NO_SYSTEM) return ECS_EXISTS;
    if (ecsi_group_find(schedule, name) != NULL) return ECS_EXISTS;
    status = ecsi_vec_reserve(memory, &schedule->systems, schedule->systems.count + 1,
                              schedule->systems_max, sizeof(ecsi_system *));
    if (status != ECS_OK) return status;
    system = ecsi_system_alloc(schedule, desc);
    if (system == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    status = ecsi_system_fill(schedule, system, desc);
    info.name = system->name;
    info.terms = from->terms;
    info.term_count = from->term_count;
    if (status == ECS_OK) {
        status = ecsi_query_make(schedule->queries, &info, true, &system->query);
    }
    if (status == ECS_OK) status = ecsi_system_bind(schedule, system);
    if (status == ECS_OK) status = ecsi_failure_fill(schedule, system);
    if (status == ECS_OK && desc->init != NULL) {
        schedule->adding = true;
        status = desc->init(schedule->world, desc->user);
        schedule->adding = false;
    }
    if (status != ECS_OK) {
        ecsi_system_free(schedule, system);
        return status;
    }
    ECSI_CHECK(system->query != NULL);
    if (schedule->stamp_next == ECSI_NO_SYSTEM) schedule->stamp_next = 0;
    system->stamp = schedule->stamp_next++;
    *ECSI_VEC_AT(ecsi_system *, &schedule->systems, schedule->systems.count++) = system;
    schedule->built = false;
    return ECS_OK;
}

/* ---- Conflicts ------------------------------------------------------------------------ */

/* 0: touches no shared value; 1: reads it; 2: writes it. */
static uint32_t ecsi_access_strength(uint32_t access)
{
    ECSI_CHECK(access != ECS_ACCESS_NONE);
    ECSI_CHECK(access < ECS_ACCESS_COUNT);
    switch (access) {
    case ECS_ACCESS_WRITE:
    case ECS_ACCESS_OPTIONAL_WRITE:
    case ECS_ACCESS_RES_WRITE: return 2;
    case ECS_ACCESS_READ:
    case ECS_ACCESS_OPTIONAL:
    case ECS_ACCESS_ANY:
    case ECS_ACCESS_ANY_MORE:
    case ECS_ACCESS_RES_READ:
    case ECS_ACCESS_LOOKUP: return 1;
    default: return 0;
    }
}

/* Whether two terms of different systems touch one value, and at least one of them writes it. */
static inline bool ecsi_terms_conflict(const ecsi_query_term *x, const ecsi_query_term *y)
{
    uint32_t strength = ecsi_access_strength(x->access);
    uint32_t other = ecsi_access_strength(y->access);
    ECSI_CHECK(x != y);
    if (x->component != y->component) return false;
    if (strength == 0 || other == 0 || strength + other < 3) return false;
    return ecsi_access_is_resource(x->access) == ecsi_access_is_resource(y->access);
}

/* Whether two systems may not run at the same time; `component` says because of what, 0 for
 * an exclusive one. */
static bool ecsi_systems_conflict(const ecsi_system *a, const ecsi_system *b,
                                  uint32_t *component)
{
    uint32_t i;
    uint32_t k;
    *component = 0;
    ECSI_CHECK(a != b);
    ECSI_CHECK(a->phase == b->phase);
    ECSI_CHECK(a->query != NULL && b->query != NULL);
    if (a->run_exclusive != NULL || b->run_exclusive != NULL) return true;
    for (i = 0; i < a->query->term_count; i++) {
        const ecsi_query_term *x = &a->query->terms[i];
        if (ecsi_access_strength(x->access) == 0) continue;
        for (k = 0; k < b->query->term_count; k++) {
            if (x->component != b->query->terms[k].component) continue;
            if (!ecsi_terms_conflict(x, &b->query->terms[k])) continue;
            *component = x->component;
            return true;
        }
    }
    return false;
}

/* ---- The graph ------------------------------------------------------------------------ */

/* One phase while it is ordered: `members` are its systems in order of registration. */
typedef struct ecsi_graph {
    ecsi_schedule *schedule;
    const uint32_t *members;
    uint64_t *reach; /* row i: what comes after member i */
    uint32_t count;
    uint32_t words; /* of one row */
    uint32_t edge_count; /* explicit ones */
    ecs_status status; /* the first error; validate.h finds all of them, with names */
} ecsi_graph;

static inline bool ecsi_graph_has(const ecsi_graph *graph, uint32_t from, uint32_t to)
{
    ECSI_CHECK(from < graph->count && to < graph->count);
    return (graph->reach[(size_t)from * graph->words + to / 64] >> (to % 64) & 1u) != 0;
}

/* Everything that reaches `from`, and itself, reaches `to` and what that reaches. */
static void ecsi_graph_add(ecsi_graph *graph, uint32_t from, uint32_t to)
{
    uint32_t i;
    uint32_t w;
    ECSI_CHECK(from != to);
    ECSI_CHECK(!ecsi_graph_has(graph, to, from));
    if (ecsi_graph_has(graph, from, to)) return;
    for (i = 0; i < graph->count; i++) {
        uint64_t *row = &graph->reach[(size_t)i * graph->words];
        const uint64_t *more = &graph->reach[(size_t)to * graph->words];
        if (i != from && !ecsi_graph_has(graph, i, from)) continue;
        for (w = 0; w < graph->words; w++) row[w] |= more[w];
        row[to / 64] |= (uint64_t)1 << (to % 64);
    }
    ECSI_CHECK(ecsi_graph_has(graph, from, to) && !ecsi_graph_has(graph, from, from));
}

/* The first member from `k` on that a name means, or count. */
static uint32_t ecsi_graph_next(const ecsi_graph *graph, const char *name, uint32_t k)
{
    ECSI_CHECK(name != NULL);
    ECSI_CHECK(k <= graph->count);
    while (k < graph->count &&
           !ecsi_system_named(ecsi_system_at(graph->schedule, graph->members[k]), name)) {
        k++;
    }
    return k;
}

/* One name of an order list. */
static void ecsi_graph_explicit(ecsi_graph *graph, uint32_t member, uint32_t n)
{
    const ecsi_system *system = ecsi_system_at(graph->schedule, graph->members[member]);
    bool before;
    bool own;
    const char *name = ecsi_order_name(system, n, &before, &own);
    uint32_t other = ecsi_graph_next(graph, name, 0);
    ECSI_CHECK(member < graph->count);
    ECSI_CHECK(name[0] != 0);
    for (; other < graph->count; other = ecsi_graph_next(graph, name, other + 1)) {
        uint32_t from = before ? member : other;
        uint32_t to = before ? other : member;
        if (from == to || ecsi_graph_has(graph, to, from)) {
            if (graph->status == ECS_OK) graph->status = ECS_CYCLE;
        } else {
            ecsi_graph_add(graph, from, to);
            graph->edge_count++;
        }
    }
}

/* The same as ecsi_graph_conflicts for a phase without explicit edges. From the last member to
 * the first, each row is complete before another one needs it, so nothing is updated twice. */
static void ecsi_graph_conflicts_plain(ecsi_graph *graph)
{
    uint32_t a;
    uint32_t b;
    uint32_t w;
    ECSI_CHECK(graph->edge_count == 0);
    for (a = graph->count; a-- > 0;) {
        const ecsi_system *first = ecsi_system_at(graph->schedule, graph->members[a]);
        uint64_t *row = &graph->reach[(size_t)a * graph->words];
        for (b = a + 1; b < graph->count; b++) {
            const uint64_t *more = &graph->reach[(size_t)b * graph->words];
            uint32_t component;
            if (ecsi_graph_has(graph, a, b)) continue;
            if (!ecsi_systems_conflict(first,
                                       ecsi_system_at(graph->schedule, graph->members[b]),
                                       &component)) {
                continue;
            }
            for (w = b / 64; w < graph->words; w++) row[w] |= more[w];
            row[b / 64] |= (uint64_t)1 << (b % 64);
        }
        ECSI_CHECK(!ecsi_graph_has(graph, a, a));
    }
}

/* Every two that conflict get an order; strict: they must have one. */
static void ecsi_graph_conflicts(ecsi_graph *graph, bool strict)
{
    uint32_t a;
    uint32_t b;
    ECSI_CHECK(graph->status == ECS_OK || strict);
    for (a = 0; a < graph->count; a++) {
        const ecsi_system *first = ecsi_system_at(graph->schedule, graph->members[a]);
        for (b = a + 1; b < graph->count; b++) {
            const ecsi_system *second = ecsi_system_at(graph->schedule, graph->members[b]);
            uint32_t component;
            if (ecsi_graph_has(graph, a, b) || ecsi_graph_has(graph, b, a)) continue;
            if (!ecsi_systems_conflict(first, second, &component)) continue;
            if (!strict) {
                ecsi_graph_add(graph, a, b);
            } else if (graph->status == ECS_OK) {
                graph->status = ECS_CONFLICT;
            }
        }
    }
    ECSI_CHECK(a == graph->count);
}

/* Topological order, always the one that was registered first of those that may come. */
static void ecsi_graph_sort(const ecsi_graph *graph, uint32_t *out)
{
    uint32_t *before = (uint32_t *)graph->schedule->before.data;
    uint32_t done;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(graph->count <= graph->schedule->before.capacity);
    for (i = 0; i < graph->count; i++) {
        before[i] = 0;
        for (k = 0; k < graph->count; k++) before[i] += ecsi_graph_has(graph, k, i) ? 1u : 0u;
    }
    for (done = 0; done < graph->count; done++) {
        i = 0;
        while (before[i] != 0) i++;
        ECSI_CHECK(i < graph->count);
        before[i] = 0xffffffffu;
        out[done] = i;
        for (k = 0; k < graph->count; k++) {
            if (ecsi_graph_has(graph, i, k)) before[k]--;
        }
    }
}

/* The systems of a phase are in `order` from phase->first on. */
static void ecsi_graph_begin(ecsi_graph *graph, ecsi_schedule *schedule, const ecsi_phase *phase)
{
    ECSI_CHECK(phase->count > 0);
    ECSI_CHECK(phase->first + phase->count <= schedule->systems.count);
    graph->schedule = schedule;
    graph->members = ECSI_VEC_AT(uint32_t, &schedule->order, phase->first);
    graph->count = phase->count;
    graph->words = (phase->count + 63) / 64;
    graph->edge_count = 0;
    graph->reach = ECSI_VEC_AT(uint64_t, &schedule->reach, phase->reach);
    graph->status = ECS_OK;
    memset(graph->reach, 0, (size_t)graph->count * graph->words * sizeof(uint64_t));
}

/* All explicit edges. */
static void ecsi_graph_names(ecsi_graph *graph)
{
    uint32_t i;
    uint32_t n;
    ECSI_CHECK(graph->edge_count == 0);
    for (i = 0; i < graph->count; i++) {
        const ecsi_system *system = ecsi_system_at(graph->schedule, graph->members[i]);
        for (n = 0; n < ecsi_order_count(system); n++) ecsi_graph_explicit(graph, i, n);
    }
}

/* Orders one phase. */
static ecs_status ecsi_phase_build(ecsi_schedule *schedule, ecsi_phase *phase, uint32_t *sorted)
{
    ecsi_graph graph;
    ecsi_graph_begin(&graph, schedule, phase);
    ecsi_graph_names(&graph);
    if (schedule->strict) ecsi_graph_conflicts(&graph, true);
    if (graph.status == ECS_OK) {
        if (graph.edge_count == 0) {
            ecsi_graph_conflicts_plain(&graph);
        } else {
            ecsi_graph_conflicts(&graph, false);
        }
        ecsi_graph_sort(&graph, sorted);
        /* The rows of the matrix stay in order of registration: see ecsi_phase_after. */
    }
    ECSI_CHECK(graph.status != ECS_INVALID);
    return graph.status;
}

/* The edges of a phase that do not follow from others. */
static void ecsi_phase_direct(ecsi_schedule *schedule, const ecsi_phase *phase)
{
    uint32_t words = (phase->count + 63) / 64;
    const uint64_t *reach = ECSI_VEC_AT(uint64_t, &schedule->reach, phase->reach);
    uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct, phase->reach);
    uint32_t i;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(phase->count > 0);
    memcpy(direct, reach, (size_t)phase->count * words * sizeof *direct);
    for (i = 0; i < phase->count; i++) {
        for (k = 0; k < phase->count; k++) {
            if ((reach[i * words + k / 64] >> (k % 64) & 1u) == 0) continue;
            ECSI_CHECK(k != i);
            for (w = 0; w < words; w++) direct[i * words + w] &= ~reach[k * words + w];
        }
    }
}

static inline ecsi_node *ecsi_node_at(const ecsi_schedule *schedule, uint32_t index)
{
    ECSI_CHECK(index < schedule->systems.count);
    return ECSI_VEC_AT(ecsi_node, &schedule->nodes, index);
}

/* Makes the nodes of a phase. Exclusive systems are between segments: they count for nothing. */
static void ecsi_phase_nodes(ecsi_schedule *schedule, const ecsi_phase *phase)
{
    uint32_t words = (phase->count + 63) / 64;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(phase->first + phase->count <= schedule->systems.count);
    for (i = 0; i < phase->count; i++) {
        ecsi_node *node = ecsi_node_at(schedule, phase->first + i);
        memset(node, 0, sizeof *node);
        node->schedule = schedule;
        node->index = *ECSI_VEC_AT(uint32_t, &schedule->order, phase->first + i);
        node->system = ecsi_system_at(schedule, node->index);
        node->phase = phase->first;
        node->member = i;
        for (k = 0; k < phase->count && node->system->run_exclusive == NULL; k++) {
            const uint64_t *row = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                              phase->reach + k * words);
            uint32_t other = *ECSI_VEC_AT(uint32_t, &schedule->order, phase->first + k);
            if ((row[i / 64] >> (i % 64) & 1u) == 0) continue;
            if (ecsi_system_at(schedule, other)->run_exclusive == NULL) node->before_count++;
        }
    }
}

/* Why a system cannot run beside the ticks; NULL: it can. `what` is what that is about. */
static const char *ecsi_system_attached(const ecsi_schedule *schedule, const ecsi_system *system,
                                        const char **what)
{
    uint32_t i;
    ECSI_CHECK(system->query != NULL);
    *what = "";
    if (system->run_exclusive != NULL) return "is exclusive";
    if (system->desc.main_thread) return "runs on the main thread";
    if (system->fixed.step_s > 0) return "has a fixed step";
    for (i = 0; i < system->query->term_count; i++) {
        const ecsi_query_term *term = &system->query->terms[i];
        const ecsi_component *c = ecsi_component_at(schedule->flush->components, term->component);
        *what = c->name;
        if (ecsi_access_strength(term->access) == 2) return "writes ";
        if (term->access == ECS_ACCESS_LOOKUP) return "looks up ";
        if (!c->lifecycle) continue;
        if (ecsi_access_strength(term->access) == 1) return "reads a type with hooks, ";
        if (term->access == ECS_ACCESS_ON) return "reads events of a type with hooks, ";
    }
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *other = ecsi_system_at(schedule, i);
        if (other == system || other->phase != system->phase) continue;
        *what = other->name;
        if (ecsi_system_precedes(other, system)) return "comes after another system of its phase, ";
    }
    *what = "";
    return NULL;
}

/* Decides whether a group runs beside the ticks. */
static void ecsi_group_decide(const ecsi_schedule *schedule, ecsi_group *group)
{
    char before[sizeof group->reason];
    const char *what = "";
    uint32_t i;
    ECSI_CHECK(sizeof before == sizeof group->reason);
    memcpy(before, group->reason, sizeof before);
    group->reason[0] = 0;
    group->system_count = 0;
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        const char *why;
        if (system->group != group) continue;
        if (group->system_count++ == 0) group->phase = system->phase;
        if (group->launches == NULL || group->reason[0] != 0) continue;
        why = ecsi_system_attached(schedule, system, &what);
        if (why == NULL && system->phase != group->phase) why = "is in another phase";
        if (why == NULL && group->system_count > ECS_GROUP_SYSTEMS_MAX) why = "is one too many";
        if (why == NULL) continue;
        (void)snprintf(group->reason, sizeof group->reason, "%s %s%s", system->name, why, what);
    }
    group->detached = group->launches != NULL && group->reason[0] == 0;
    ECSI_CHECK(group->phase <= schedule->phases.count);
    if (group->reason[0] == 0 || strcmp(before, group->reason) == 0) return;
    ecsi_log_print(schedule->log, ECS_LOG_WARNING,
                   "group %s is asynchronous, but runs synchronously: %s", group->name,
                   group->reason);
}

/* Decides for all groups. */
static void ecsi_groups_decide(const ecsi_schedule *schedule)
{
    uint32_t i;
    ECSI_CHECK(!schedule->ticking);
    ECSI_CHECK(!schedule->built);
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_group_decide(schedule, ecsi_group_at(schedule, i));
    }
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_system *system = ecsi_system_at(schedule, i);
        system->detached = system->group != NULL && system->group->detached;
    }
}

/* Room for the lists of a schedule of all systems. */
static ecs_status ecsi_schedule_reserve(ecsi_schedule *schedule)
{
    ecsi_memory *memory = schedule->memory;
    uint32_t n = schedule->systems.count;
    uint32_t words = n * ((n + 63) / 64);
    ecs_status status;
    ECSI_CHECK(n <= schedule->systems_max);
    if (n == 0) return ECS_OK;
    status = ecsi_vec_reserve(memory, &schedule->order, n * 2, schedule->systems_max * 2,
                              sizeof(uint32_t));
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(memory, &schedule->before, n, schedule->systems_max,
                                  sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(memory, &schedule->reach, words, 0x7fffffffu,
                                  sizeof(uint64_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(memory, &schedule->direct, words, 0x7fffffffu,
                                  sizeof(uint64_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(memory, &schedule->nodes, n, schedule->systems_max,
                                  sizeof(ecsi_node));
    }
    ECSI_CHECK(status != ECS_FULL || memory->fixed);
    return status;
}

/* Whether a name of an order list is one: of a system of that phase, of a group that has some
 * there or none at all; in a group's list of any other system or group as well. */
static bool ecsi_order_known(const ecsi_schedule *schedule, const char *name, uint32_t phase,
                             bool own)
{
    const ecsi_group *group = ecsi_group_find(schedule, name);
    uint32_t i;
    ECSI_CHECK(name[0] != 0);
    ECSI_CHECK(phase <= schedule->phases.count);
    if (group != NULL && group->system_count == 0) return true;
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        if (!ecsi_system_named(system, name)) continue;
        if (!own || system->phase == phase) return true;
    }
    return false;
}

/* Checks the names of all order lists. */
static ecs_status ecsi_schedule_names(const ecsi_schedule *schedule)
{
    uint32_t i;
    uint32_t n;
    ECSI_CHECK(!schedule->built);
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        for (n = 0; n < ecsi_order_count(system); n++) {
            bool before;
            bool own;
            const char *name = ecsi_order_name(system, n, &before, &own);
            if (ecsi_system_named(system, name)) return ECS_CYCLE;
            if (!ecsi_order_known(schedule, name, system->phase, own)) return ECS_NOT_FOUND;
        }
    }
    ECSI_CHECK(i == schedule->systems.count);
    return ECS_OK;
}

/* Checks and orders all phases. Answers the first error; validate.h says what they are. */
static ecs_status ecsi_schedule_order(ecsi_schedule *schedule)
{
    uint32_t first = 0;
    uint32_t reach = 0;
    uint32_t p;
    uint32_t s;
    ecs_status status;
    ECSI_CHECK(!schedule->ticking);
    if (schedule->built) return ECS_OK;
    status = ecsi_schedule_reserve(schedule);
    if (status != ECS_OK) return status;
#ifndef ECS_NO_ADAPTIVE
    schedule->gauge.declares = false;
    for (s = 0; s < schedule->systems.count; s++) {
        if (ecsi_system_at(schedule, s)->desc.io_intents > 0) schedule->gauge.declares = true;
    }
#endif
    ecsi_groups_decide(schedule);
    status = ecsi_schedule_names(schedule);
    for (p = 1; p <= schedule->phases.count; p++) {
        ecsi_phase *phase = ecsi_phase_at(schedule, p);
        phase->first = first;
        phase->count = 0;
        phase->reach = reach;
        for (s = 0; s < schedule->systems.count; s++) {
            const ecsi_system *system = ecsi_system_at(schedule, s);
            if (system->phase != p || system->detached) continue;
            *ECSI_VEC_AT(uint32_t, &schedule->order, first++) = s;
            phase->count++;
        }
        reach += phase->count * ((phase->count + 63) / 64);
        if (phase->count > 0) {
            /* The second half of `order` says in which order the first half runs. */
            uint32_t *sorted = ECSI_VEC_AT(uint32_t, &schedule->order,
                                           schedule->systems.count + phase->first);
            ecs_status one = ecsi_phase_build(schedule, phase, sorted);
            if (status == ECS_OK) status = one;
            if (status == ECS_OK) ecsi_phase_direct(schedule, phase);
            if (status == ECS_OK) ecsi_phase_nodes(schedule, phase);
        }
    }
    ECSI_CHECK(first <= schedule->systems.count);
    ECSI_CHECK(reach <= schedule->reach.capacity);
    if (status != ECS_OK) return status;
    schedule->built = true;
    schedule->samples = 0;
    return ECS_OK;
}

/* The system that runs at `place` of a phase, and its number among the phase's members. */
static inline uint32_t ecsi_phase_member(const ecsi_schedule *schedule, const ecsi_phase *phase,
                                         uint32_t place)
{
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(place < phase->count);
    return *ECSI_VEC_AT(uint32_t, &schedule->order,
                        schedule->systems.count + phase->first + place);
}

static inline uint32_t ecsi_phase_system(const ecsi_schedule *schedule, const ecsi_phase *phase,
                                         uint32_t member)
{
    ECSI_CHECK(member < phase->count);
    return *ECSI_VEC_AT(uint32_t, &schedule->order, phase->first + member);
}

/* Whether member `b` must come after member `a`. */
static bool ecsi_phase_after(const ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t a,
                             uint32_t b)
{
    uint32_t words = (phase->count + 63) / 64;
    const uint64_t *row = ECSI_VEC_AT(uint64_t, &schedule->reach, phase->reach + a * words);
    ECSI_CHECK(a < phase->count && b < phase->count);
    ECSI_CHECK(schedule->built);
    return (row[b / 64] >> (b % 64) & 1u) != 0;
}

/* The node that runs at `place` of a phase. */
static inline ecsi_node *ecsi_phase_node(const ecsi_schedule *schedule, const ecsi_phase *phase,
                                         uint32_t place)
{
    ecsi_node *node = ecsi_node_at(schedule, phase->first +
                                   ecsi_phase_member(schedule, phase, place));
    ECSI_CHECK(node->schedule == schedule);
    ECSI_CHECK(node->phase == phase->first);
    return node;
}

/* Whether somebody has cancelled the tick. */
static inline bool ecsi_tick_cancelled(const ecsi_schedule *schedule)
{
    /* Relaxed: it says when to stop, and hands nothing over. */
    return ECSI_UNLIKELY(ECSI_LOAD(&schedule->cancel, relaxed) != 0);
}

/* ---- Life ------------------------------------------------------------------------------- */

static inline uint32_t ecsi_save_units(size_t bytes)
{
    return bytes / ECSI_SAVE_UNIT < UINT32_MAX ? (uint32_t)(bytes / ECSI_SAVE_UNIT) : UINT32_MAX;
}

/* One lane for each worker that may run systems. */
static ecs_status ecsi_lanes_create(ecsi_schedule *schedule)
{
    ecsi_memory *memory = schedule->memory;
    size_t bytes = schedule->lane_count * sizeof(ecsi_lane);
    uint32_t i;
    ECSI_CHECK(schedule->lane_count > 0);
    ECSI_CHECK(schedule->bytes_max > 0);
    schedule->lanes = (ecsi_lane *)ecsi_alloc(memory, bytes, 64);
    if (!memory->measuring && schedule->lanes == NULL) return ECS_NO_MEMORY;
    if (memory->fixed && schedule->lane_count > 1) {
        size_t bytes_max = schedule->bytes_max;
        schedule->arena.bytes = ecsi_align_up(bytes_max * 2 + bytes_max / 64 +
                                              schedule->lane_count * ECSI_ARENA_BLOCK_BYTES, 64);
        schedule->arena.data = (unsigned char *)ecsi_alloc(memory, schedule->arena.bytes, 64);
        if (!memory->measuring && schedule->arena.data == NULL) return ECS_NO_MEMORY;
    }
    if (memory->measuring) {
        ecsi_queue one;
        memset(&one, 0, sizeof one);
        return schedule->lane_count > 1 ? ECS_OK
                                        : ecsi_queue_create(memory, &one, schedule->bytes_max);
    }
    memset(schedule->lanes, 0, bytes);
    for (i = 0; i < schedule->lane_count; i++) {
        ecsi_queue *queue = &schedule->lanes[i].queue;
        queue->bytes_max = schedule->bytes_max;
        if (schedule->arena.data != NULL) queue->arena = &schedule->arena;
    }
    if (schedule->arena.data != NULL) return ECS_OK;
    return ecsi_queue_create(memory, &schedule->lanes[0].queue, schedule->bytes_max);
}

static void ecsi_lanes_destroy(ecsi_schedule *schedule)
{
    ecsi_memory *memory = schedule->memory;
    uint32_t i;
    if (schedule->lanes == NULL) return;
    ECSI_CHECK(schedule->lane_count > 0);
    for (i = 0; i < schedule->lane_count; i++) {
        ecsi_queue_destroy(memory, &schedule->lanes[i].queue);
    }
    ecsi_release(memory, schedule->lanes, schedule->lane_count * sizeof(ecsi_lane), 64);
    schedule->lanes = NULL;
}

static ecs_status ecsi_schedule_create(ecsi_schedule *schedule)
{
    static const char *const names[] = {"first", "pre_update", "update", "post_update", "last"};
    ecsi_memory *memory = schedule->memory;
    uint32_t n = schedule->systems_max;
    uint32_t i;
    ecs_status status =
        ecsi_vec_create(memory, &schedule->phases, schedule->phases_max, sizeof(ecsi_phase));
    ECSI_CHECK(schedule->phases_max >= 5);
    schedule->system_slab.bytes = ECSI_SYSTEM_SLOT_BYTES;
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->phase_order, schedule->phases_max,
                                 sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->systems, n, sizeof(ecsi_system *));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->groups, schedule->groups_max,
                                 sizeof(ecsi_group *));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->order, n * 2, sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->before, n, sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->reach, n * ((n + 63) / 64), sizeof(uint64_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->direct, n * ((n + 63) / 64), sizeof(uint64_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &schedule->nodes, n, sizeof(ecsi_node));
    }
    if (status == ECS_OK) status = ecsi_vec_create(memory, &schedule->fails, n, sizeof(ecsi_fail));
    if (status == ECS_OK && memory->fixed) {
        status = ecsi_vec_create(memory, &schedule->saved,
                                 ecsi_save_units(schedule->restore_bytes_max), ECSI_SAVE_UNIT);
    }
    if (status == ECS_OK) status = ecsi_lanes_create(schedule);
    for (i = 0; i < 5 && status == ECS_OK && !memory->measuring; i++) {
        ecs_phase_desc desc;
        uint32_t number;
        memset(&desc, 0, sizeof desc);
        desc.name = names[i];
        status = ecsi_phase_insert(schedule, &desc, &number);
        ECSI_CHECK(status != ECS_OK || number == i + 1);
    }
    return status;
}

static void ecsi_schedule_destroy(ecsi_schedule *schedule)
{
    ecsi_memory *memory = schedule->memory;
    uint32_t i;
    ECSI_CHECK(!schedule->ticking);
    ECSI_CHECK(schedule->systems.count <= schedule->systems_max);
    for (i = 0; i < schedule->systems.count && !memory->fixed; i++) {
        ecsi_system_free(schedule, ecsi_system_at(schedule, i));
    }
    schedule->systems.count = 0;
    ecsi_lanes_destroy(schedule);
    ecsi_vec_destroy(memory, &schedule->phases, sizeof(ecsi_phase));
    ecsi_vec_destroy(memory, &schedule->phase_order, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &schedule->systems, sizeof(ecsi_system *));
    ecsi_vec_destroy(memory, &schedule->groups, sizeof(ecsi_group *));
    ecsi_vec_destroy(memory, &schedule->order, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &schedule->before, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &schedule->reach, sizeof(uint64_t));
    ecsi_vec_destroy(memory, &schedule->direct, sizeof(uint64_t));
    ecsi_vec_destroy(memory, &schedule->nodes, sizeof(ecsi_node));
    ecsi_vec_destroy(memory, &schedule->fails, sizeof(ecsi_fail));
    ecsi_vec_destroy(memory, &schedule->saved, ECSI_SAVE_UNIT);
}

#endif /* ECS_SCHEDULE_H */

/* >>failure ================================================== src/failure.h */

/* failure.h: what follows when a system fails: skip, retry, restore, the breaker.
 *
 * All of it is counted in ticks and runs, never in time, so that it is the same on any number
 * of workers. Each try of a run has streams of its own: what a failed one recorded is dropped
 * by their serials. What a system with `restore` writes is copied before a run into memory that
 * was shared out when its segment was planned, so that whether there is room does not depend
 * on which worker comes first. */
/* floor: 11 */
#ifndef ECS_FAILURE_H
#define ECS_FAILURE_H

/* ---- Time ---------------------------------------------------------------------------------- */

/* Whether a system that failed must wait in this tick. Counts the tick; its time is kept. */
static bool ecsi_system_waits(ecsi_system *system, float dt)
{
    ECSI_CHECK(system->enabled);
    ECSI_CHECK(dt >= 0);
    if (ECSI_LIKELY(system->wait_ticks == 0 && !system->broken)) return false;
    if (system->wait_ticks > 0 && --system->wait_ticks == 0) {
        system->probing = system->broken;
        system->broken = false;
        return false;
    }
    system->since_s += (double)dt;
    if (system->fixed.step_s > 0) system->fixed.saved_s += (double)dt;
    if (system->ticks < UINT32_MAX) system->ticks++;
    return true;
}

/* It was enabled by hand: as if it had never failed. */
static void ecsi_system_forgive(ecsi_system *system)
{
    ECSI_CHECK(system->enabled);
    ECSI_CHECK(!system->failed);
    system->wait_ticks = 0;
    system->retried = 0;
    system->failed_in_row = 0;
    system->broken = false;
    system->probing = false;
}

/* The runs of this tick that did not happen, the failed one included, are due later. */
static void ecsi_node_postpone(ecsi_node *node)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(node->dt >= 0);
    if (system->fixed.step_s > 0) {
        system->fixed.saved_s += (double)system->fixed.step_s * (node->runs - node->run);
        return;
    }
    system->since_s += (double)node->dt;
    system->ticks = system->desc.every_ticks;
}

/* ---- What follows -------------------------------------------------------------------------- */

typedef enum ecsi_outcome {
    ECSI_GO_ON, /* to the node's next run */
    ECSI_AGAIN, /* the same run once more */
    ECSI_CUT,   /* no further run in this tick */
    ECSI_STOP   /* it failed fast */
} ecsi_outcome;

/* A failure that counts, for a system that is skipped. */
static ecsi_outcome ecsi_node_skipped(ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(!system->broken);
    ECSI_CHECK(system->wait_ticks == 0);
    if (desc->breaker_failures == 0) return ECSI_GO_ON;
    system->failed_in_row++;
    if (!system->probing && system->failed_in_row < desc->breaker_failures) return ECSI_GO_ON;
    system->broken = true;
    system->probing = false;
    system->failed_in_row = 0;
    system->wait_ticks = desc->breaker_ticks;
    system->state.breaks++;
    return ECSI_CUT;
}

/* A try has failed; `run` still counts the ended ones. The failure is described for the report. */
static ecsi_outcome ecsi_node_failed(ecsi_node *node, ecs_failure *failure)
{
    ecsi_system *system = node->system;
    const ecs_system_desc *desc = &system->desc;
    ecs_on_error policy = desc->on_error;
    ecsi_outcome outcome = ECSI_GO_ON;
    ECSI_CHECK(node->attempt < system->attempts);
    ECSI_CHECK(failure->status != ECS_OK);
    system->state.failures++;
    system->state.last = failure->status;
    system->state.last_tick = node->schedule->tick;
    failure->attempt = desc->retry_ticks == 0 ? node->attempt : system->retried;
    failure->again = false;
    failure->broken = false;
    if (policy == ECS_RETRY) {
        if (node->attempt + 1 < system->attempts) {
            failure->again = true;
            return ECSI_AGAIN;
        }
        if (desc->retry_ticks > 0 && system->retried < desc->retries) {
            uint32_t shift = ecsi_min_u32(system->retried, 20);
            uint64_t ticks = (uint64_t)desc->retry_ticks << shift;
            system->wait_ticks = ticks < ECSI_RETRY_TICKS_MAX ? (uint32_t)ticks
                                                              : ECSI_RETRY_TICKS_MAX;
            system->retried++;
            ecsi_node_postpone(node);
            failure->again = true;
            return ECSI_CUT;
        }
        system->retried = 0;
        policy = desc->on_exhausted;
    }
    if (policy == ECS_SKIP) {
        outcome = ecsi_node_skipped(system);
        failure->broken = outcome == ECSI_CUT;
        return outcome;
    }
    system->failed = true;
    return ECSI_STOP;
}

static void ecsi_node_succeeded(ecsi_node *node)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(node->attempt < system->attempts);
    ECSI_CHECK(!system->failed);
    if (ECSI_LIKELY((system->retried | system->failed_in_row) == 0 && !system->probing)) return;
    system->retried = 0;
    system->failed_in_row = 0;
    system->probing = false;
}

/* One try has ended: counts it, and goes on to the next one. Answers whether there is one in
 * this tick. */
static bool ecsi_node_step(ecsi_node *node, ecsi_outcome outcome)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(outcome != ECSI_AGAIN || node->attempt + 1 < system->attempts);
    system->state.runs++;
    node->tries++;
    if (outcome == ECSI_AGAIN) {
        node->attempt++;
        system->state.retries++;
        return true;
    }
    node->attempt = 0;
    node->run++;
    if (outcome == ECSI_CUT || outcome == ECSI_STOP) node->cut = true;
    return node->run < node->runs && !node->cut;
}

/* A run took so long. Answers whether that makes it a failure. */
static bool ecsi_node_overran(ecsi_node *node, uint64_t ns)
{
    ecsi_system *system = node->system;
    const ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(desc->budget_ns > 0);
    ECSI_CHECK(node->run < node->runs);
    if (ns <= desc->budget_ns) return false;
    ns -= desc->budget_ns;
    node->overruns++;
    system->state.overruns++;
    if (ns > system->state.overrun_ns) system->state.overrun_ns = ns;
    return desc->budget_fails;
}

/* ---- Saving and putting back --------------------------------------------------------------- */

typedef enum ecsi_save_mode { ECSI_SAVE_MEASURE, ECSI_SAVE_COPY, ECSI_SAVE_BACK } ecsi_save_mode;

/* One piece; answers the offset behind it. */
static size_t ecsi_save_piece(unsigned char *data, size_t at, void *live, size_t bytes,
                              ecsi_save_mode mode)
{
    ECSI_CHECK(live != NULL);
    ECSI_CHECK(mode == ECSI_SAVE_MEASURE || data != NULL);
    if (mode == ECSI_SAVE_COPY) memcpy(data + at, live, bytes);
    if (mode == ECSI_SAVE_BACK) memcpy(live, data + at, bytes);
    return ecsi_align_up(at + bytes, 16);
}

/* One column, with the change ticks of its row blocks. */
static size_t ecsi_save_column(unsigned char *data, size_t at, const ecsi_match *match, uint32_t c,
                               ecsi_save_mode mode)
{
    const ecsi_table *table = match->table;
    ecsi_chunk *chunk = table->row_count == 0 ? NULL : table->first;
    ECSI_CHECK(c < table->column_count);
    for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
        uint32_t blocks = ((chunk->count - 1) >> table->block_shift) + 1;
        ECSI_CHECK(blocks <= table->blocks);
        at = ecsi_save_piece(data, at, ecsi_chunk_value(chunk, &table->columns[c], 0),
                             (size_t)chunk->count * table->columns[c].bytes, mode);
        at = ecsi_save_piece(data, at, ecsi_chunk_tick(chunk, c, 0), blocks * sizeof(uint64_t),
                             mode);
    }
    return at;
}

/* Everything that a system may write; answers the bytes. */
static size_t ecsi_system_save(const ecsi_schedule *schedule, const ecsi_system *system,
                               unsigned char *data, ecsi_save_mode mode)
{
    const ecsi_query *query = system->query;
    size_t at = 0;
    uint32_t t;
    uint32_t m;
    ECSI_CHECK(system->desc.restore);
    ECSI_CHECK(query != NULL);
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        if (term->access == ECS_ACCESS_RES_WRITE) {
            const ecsi_component *c = ecsi_component_at(schedule->flush->components,
                                                        term->component);
            at = ecsi_save_piece(data, at, system->columns[t], c->type.bytes, mode);
        }
        for (m = 0; term->writes && m < query->matches.count; m++) {
            const ecsi_match *match = ecsi_match_at(query, m);
            if (match->columns[t] == ECSI_NO_COLUMN) continue;
            at = ecsi_save_column(data, at, match, match->columns[t], mode);
        }
    }
    return at;
}

/* Gives each system of a segment that is due its part of the memory for copies. One for which
 * there is none fails without having run. */
static void ecsi_segment_reserve(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                                 uint32_t end)
{
    size_t used = 0;
    ECSI_CHECK(place < end);
    ECSI_CHECK(end <= phase->count);
    for (; place < end; place++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        size_t bytes;
        node->refused = ECS_OK;
        if (node->runs == 0 || !node->system->desc.restore) continue;
        if (!ecsi_system_restores(schedule, node->system)) { /* they have hooks by now */
            node->refused = ECS_UNSUPPORTED;
            continue;
        }
        bytes = ecsi_system_save(schedule, node->system, NULL, ECSI_SAVE_MEASURE);
        if (bytes > schedule->restore_bytes_max - used ||
            used + bytes > (size_t)UINT32_MAX * ECSI_SAVE_UNIT) {
            node->refused = ECS_FULL;
            continue;
        }
        node->refused = ecsi_vec_reserve(
            schedule->memory, &schedule->saved, (uint32_t)((used + bytes) / ECSI_SAVE_UNIT),
            ecsi_save_units(schedule->restore_bytes_max), ECSI_SAVE_UNIT);
        if (node->refused != ECS_OK) continue;
        node->saved_at = used;
        used += bytes;
    }
}

/* Before the first try of a run, and after each that failed. */
static void ecsi_node_save(const ecsi_node *node, ecsi_save_mode mode)
{
    const ecsi_schedule *schedule = node->schedule;
    unsigned char *data = (unsigned char *)schedule->saved.data;
    ECSI_CHECK(mode != ECSI_SAVE_MEASURE);
    if (ECSI_LIKELY(!node->system->desc.restore) || node->refused != ECS_OK) return;
    if (data == NULL) return; /* nothing to save */
    ECSI_CHECK(node->saved_at <= (size_t)schedule->saved.capacity * ECSI_SAVE_UNIT);
    (void)ecsi_system_save(schedule, node->system, data + node->saved_at, mode);
}

#endif /* ECS_FAILURE_H */

/* >>gauge ====================================================== src/gauge.h */

/* gauge.h: measures ticks for the adaptive backend, and asks adaptive.h what that means.
 *
 * The clock is read when a tick begins and ends, and at the two ends of each segment that goes
 * to all workers. What single systems cost is known from the ticks that are measured anyway:
 * the first three, one of sixteen, one in which a system runs for the first time, and one more
 * when the load has changed. A world that is blocking, far from having enough to share, and
 * without I/O is left alone in most ticks: there all of this would be a tenth of the tick. */
/* floor: 11 */
#ifndef ECS_GAUGE_H
#define ECS_GAUGE_H

/* Costs are measured with this clock: tests put one there that they can set. */
#ifndef ECSI_COST_CLOCK
#define ECSI_COST_CLOCK ecsi_clock_ns
#endif

/* The clock where there are threads to share with. */
static inline uint64_t ecsi_cost_clock(void)
{
#ifndef ECS_NO_THREADS
    return ECSI_COST_CLOCK();
#else
    return 0;
#endif
}

/* From one look to the other; nothing where the clock went back. */
static inline uint64_t ecsi_cost_between(uint64_t begin_ns, uint64_t end_ns)
{
    return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

static inline uint64_t ecsi_cost_since(uint64_t begin_ns)
{
    return ecsi_cost_between(begin_ns, ecsi_cost_clock());
}

/* Whether a tick is the one that is measured of each group of 2^bits. Which one is drawn anew in
 * each group: of a fixed one systems that run every second tick might never be part. */
static inline bool ecsi_tick_drawn(uint32_t tick, uint32_t bits)
{
    uint32_t x = ((tick >> bits) + 1) * 0x9e3779b9u;
    ECSI_CHECK(bits > 0 && bits < 32);
    x = (x ^ x >> 16) * 0x85ebca6bu;
    return (tick & ((1u << bits) - 1)) == x >> (32 - bits);
}

#ifndef ECS_NO_ADAPTIVE

/* Of the ticks of a light load one in 2^so many counts, and in one in 2^so many its systems are
 * measured. */
#define ECSI_LIGHT_BITS 3u
#define ECSI_LIGHT_SAMPLE_BITS 6u

/* Whether nothing is shared or batched, and what it takes is far from that. */
static inline bool ecsi_gauge_light(const ecsi_schedule *schedule)
{
    const ecsi_gauge *gauge = &schedule->gauge;
    const ecsi_adaptive *adaptive = &schedule->adaptive;
    ECSI_CHECK(gauge->on);
    if (adaptive->choice.sharing || adaptive->choice.batching || adaptive->look) return false;
    if (gauge->declares || gauge->io_pending != NULL) return false;
    if (schedule->samples <= ECSI_SAMPLE_FIRST) return false;
    return adaptive->last_ns < adaptive->rules.light_ns / 2;
}

/* Begins a tick. Answers whether it needs a worker: where the load is light and nothing is
 * shared there is nobody to ask for help. */
static bool ecsi_gauge_begin(ecsi_schedule *schedule)
{
    ecsi_gauge *gauge = &schedule->gauge;
    const ecsi_adaptive *adaptive = &schedule->adaptive;
    ECSI_CHECK(schedule->ticking);
    if (!gauge->on) return true;
    schedule->alone = !adaptive->choice.sharing;
    schedule->sample = schedule->sample || (adaptive->look && schedule->pool != NULL);
    gauge->counts = true;
    if (ecsi_gauge_light(schedule)) {
        schedule->sample = schedule->pool != NULL &&
                           ecsi_tick_drawn(schedule->samples, ECSI_LIGHT_SAMPLE_BITS);
        gauge->counts = schedule->sample || ecsi_tick_drawn(schedule->samples, ECSI_LIGHT_BITS);
        if (!gauge->counts) return false;
    }
    gauge->shared = false;
    gauge->shared_ns = 0;
    gauge->due_ns = 0;
    gauge->saved_ns = 0;
    gauge->intents = 0;
    gauge->begin_ns = ecsi_cost_clock();
    ECSI_CHECK(schedule->worker == NULL);
    return !schedule->alone || adaptive->last_ns >= adaptive->rules.light_ns;
}

/* A system has run in this tick: it has made the requests that it declares. */
static inline void ecsi_gauge_ran(ecsi_schedule *schedule, const ecsi_system *system)
{
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(system->enabled);
    schedule->gauge.intents += system->desc.io_intents;
}

/* Adds up what the workers did in shared segments, and forgets it. */
static void ecsi_gauge_busy(ecsi_schedule *schedule, double *sum_ns, double *top_ns)
{
    uint32_t i;
    *sum_ns = 0;
    *top_ns = 0;
    ECSI_CHECK(schedule->gauge.shared);
    ECSI_CHECK(schedule->lane_count > 0);
    for (i = 0; i < schedule->lane_count; i++) {
        ecsi_lane *lane = &schedule->lanes[i];
        double ns = (double)lane->busy_ns;
        lane->busy_ns = 0;
        *sum_ns += ns;
        if (ns > *top_ns) *top_ns = ns;
    }
}

/* Ends a tick: what it took goes to adaptive.h, which chooses for the next one. Where nothing
 * was shared one worker did everything, and the imbalance is the part of it that others could
 * have taken, by what the systems took when they were measured. */
static void ecsi_gauge_end(ecsi_schedule *schedule)
{
    ecsi_gauge *gauge = &schedule->gauge;
    ecsi_adaptive *adaptive = &schedule->adaptive;
    double sum_ns;
    ecsi_sample sample;
    if (!gauge->counts) return;
    ECSI_CHECK(gauge->on);
    memset(&sample, 0, sizeof sample); /* gcc does not see that both cases set it */
    sample.cost_ns = (double)ecsi_cost_between(gauge->shared_ns, ecsi_cost_since(gauge->begin_ns));
    sample.shared = gauge->shared;
    if (gauge->shared) {
        ecsi_gauge_busy(schedule, &sum_ns, &sample.top_ns);
        sample.cost_ns += sum_ns;
        sample.mean_ns = sum_ns / adaptive->workers;
    } else {
        double all_ns = gauge->due_ns > sample.cost_ns ? gauge->due_ns : sample.cost_ns;
        gauge->spread = all_ns > 0 ? gauge->saved_ns / all_ns : 0;
        sample.top_ns = sample.cost_ns;
        sample.mean_ns = sample.cost_ns * (1.0 - gauge->spread);
    }
    sample.declared = gauge->intents < ECSI_FIGURE_IO_MAX ? (uint32_t)gauge->intents
                                                          : ECSI_FIGURE_IO_MAX;
    sample.measured = ECS_IO_UNKNOWN;
    if (gauge->io_pending != NULL) {
        sample.measured = gauge->io_pending(schedule->world, gauge->io_user);
    }
    (void)ecsi_adaptive_step(adaptive, &sample, schedule->tick, schedule->sample);
    ECSI_CHECK(!adaptive->choice.sharing || schedule->pool != NULL);
}

#endif /* ECS_NO_ADAPTIVE */

#endif /* ECS_GAUGE_H */

/* >>access ==================================================== src/access.h */

/* access.h: catches systems that touch what they did not declare.
 *
 * On with ECS_DEBUG, or by check_access in the world's description. The compiler refuses what a
 * typed view does not have; what is left are reads through view->world, through getters that were
 * bound outside, writes through a pointer whose const was cast away, commands of another stream or
 * thread, and calls on a mutable world that came from somewhere else. While a system's body runs,
 * its thread is noted in a small table; the calls that reach values ask it which system runs here,
 * and compare with its terms. Whether a call is allowed depends on the terms only and never on what
 * else runs, so the answers are the same on every backend. The table belongs to the world, so a
 * world that is ticked from inside a system of another one has its own.
 *
 * Parts of a system's parallel loops are noted on the workers that run them. A job that another
 * worker has stolen is not, whoever it belongs to: what it does with the world is not seen.
 *
 * Row blocks and resources that a system may only read are hashed before and after its body. That
 * finds a write after it was done; of two readers that run at once both may be named for it.
 *
 * When it is off, a call costs one compare of a pointer beside what it loads anyway; a bound
 * getter costs nothing, because in a world that checks it gets a front without records, and so
 * fails the compare that every access has. */
/* floor: 11 */
#ifndef ECS_ACCESS_H
#define ECS_ACCESS_H

/* What a call wants, or a body has done. */
typedef enum ecsi_want {
    ECSI_WANT_VALUE,
    ECSI_WANT_OTHERS,   /* as VALUE, of what the system's own row blocks write meanwhile */
    ECSI_WANT_RESOURCE,
    ECSI_WANT_MUTABLE,
    ECSI_WANT_EVENTS,
    ECSI_WANT_WORLD,
    ECSI_WANT_STREAM,   /* records where or as whom it may not */
    ECSI_WANT_EMIT,
    ECSI_WANT_COLUMN,   /* of a view, by a wrong number or type */
    ECSI_WANT_WRITE,    /* the same for writing what is only read */
    ECSI_WANT_CONST,    /* has written what it may only read */
    ECSI_WANT_COUNT
} ecsi_want;

/* Where a thread's system is noted, and which one ran around it. */
typedef struct ecsi_seat {
    ecsi_watch_entry *entry; /* NULL: there was no room */
    void *outer;
    bool found;              /* it was this thread's already */
    bool outer_beside;
} ecsi_seat;

#ifndef ECS_NO_THREADS
/* Goes with the worker into loops. */
typedef struct ecsi_access_guard {
    ecsi_guard guard; /* must be first */
    ecsi_watch *watch;
    const ecsi_system *system;
    bool beside;
} ecsi_access_guard;
#endif

/* The slots that a thread may have. */
static inline ecsi_watch_entry *ecsi_watch_slot(const ecsi_watch *watch, uint64_t self,
                                                uint32_t probe)
{
    uint32_t slot = ((uint32_t)ecsi_mix(0, self) + probe) % ECSI_WATCH_SLOTS;
    ECSI_CHECK(self != 0);
    ECSI_CHECK(probe < ECSI_WATCH_PROBES);
    return (ecsi_watch_entry *)(uintptr_t)&watch->entries[slot];
}

/* The entry of this thread, or NULL. */
static ecsi_watch_entry *ecsi_watch_find(const ecsi_watch *watch, uint64_t self)
{
    uint32_t i;
    ECSI_CHECK(watch != NULL);
    for (i = 0; i < ECSI_WATCH_PROBES; i++) {
        ecsi_watch_entry *entry = ecsi_watch_slot(watch, self, i);
        /* Relaxed: it looks for what this thread itself has written. */
        if (ECSI_LOAD(&entry->thread, relaxed) == self) return entry;
    }
    return NULL;
}

/* Notes that this thread runs a system, beside the ticks or in one (it may be in a phase's order by
 * then); NULL: code of none. When all slots that it may have are taken, this run is not
 * checked. */
static ecsi_seat ecsi_watch_enter(ecsi_watch *watch, const ecsi_system *system, bool beside)
{
    uint64_t self = ecsi_thread_number();
    ecsi_seat seat;
    uint32_t i;
    ECSI_CHECK(self != 0);
    seat.entry = ecsi_watch_find(watch, self);
    seat.outer = NULL;
    seat.outer_beside = false;
    seat.found = seat.entry != NULL;
    if (seat.found) {
        seat.outer = ECSI_LOAD(&seat.entry->system, relaxed);
        seat.outer_beside = seat.entry->beside;
    }
    for (i = 0; i < ECSI_WATCH_PROBES && seat.entry == NULL; i++) {
        ecsi_watch_entry *entry = ecsi_watch_slot(watch, self, i);
        uint64_t seen = 0;
        /* Acquire: pairs with the release of the thread that had it before. */
        if (ECSI_CAS(&entry->thread, &seen, self, acquire, relaxed)) seat.entry = entry;
    }
    /* Relaxed: only this thread reads it. */
    if (seat.entry != NULL) {
        ECSI_STORE(&seat.entry->system, (void *)(uintptr_t)system, relaxed);
        seat.entry->beside = beside;
    }
    return seat;
}

static void ecsi_watch_leave(ecsi_seat seat)
{
    if (seat.entry == NULL) return;
    ECSI_CHECK(seat.found || seat.outer == NULL);
    ECSI_CHECK(ECSI_LOAD(&seat.entry->thread, relaxed) == ecsi_thread_number());
    ECSI_STORE(&seat.entry->system, seat.outer, relaxed); /* for this thread */
    seat.entry->beside = seat.outer_beside;
    if (seat.found) return;
    /* Pairs with the acquire of the thread that takes it next. */
    ECSI_STORE(&seat.entry->thread, (uint64_t)0, release);
}

/* The system whose body this thread runs, or NULL. */
static const ecsi_system *ecsi_watch_running(const ecsi_watch *watch)
{
    const ecsi_watch_entry *entry = ecsi_watch_find(watch, ecsi_thread_number());
    ECSI_CHECK(watch != NULL);
    /* Relaxed: this thread has written it. */
    return entry == NULL ? NULL : (const ecsi_system *)ECSI_LOAD(&entry->system, relaxed);
}

/* Whether that is one that runs beside the ticks. */
static bool ecsi_watch_beside(const ecsi_watch *watch)
{
    const ecsi_watch_entry *entry = ecsi_watch_find(watch, ecsi_thread_number());
    ECSI_CHECK(entry != NULL);
    return entry != NULL && entry->beside;
}

/* Whether a finding is new. The table keeps the first ones; what is not in it any more is only
 * counted. */
static bool ecsi_watch_new(ecsi_watch *watch, uint64_t key)
{
    uint32_t i;
    ECSI_CHECK(key != 0);
    ECSI_CHECK(watch != NULL);
    for (i = 0; i < ECSI_WATCH_REPORTS; i++) {
        uint64_t seen = ECSI_LOAD(&watch->reported[i], relaxed);
        /* Relaxed: the key is all that there is to see. */
        if (seen == 0 && ECSI_CAS(&watch->reported[i], &seen, key, relaxed, relaxed)) return true;
        if (seen == key) return false;
    }
    return false;
}

/* Findings since the world was made. */
static uint64_t ecsi_watch_violations(const ecsi_schedule *schedule)
{
    ECSI_CHECK(schedule != NULL);
    ECSI_CHECK(schedule->watch == NULL || schedule->flush->watched);
    /* Relaxed: a counter; the end of a phase has brought together those who counted. */
    return schedule->watch == NULL ? 0 : ECSI_LOAD(&schedule->watch->violations, relaxed);
}

/* Counts what a system should not have done, logs it the first time, and stops the program where
 * the world says so. Answers false. */
ECSI_COLD static bool ecsi_access_tell(const ecsi_schedule *schedule, const ecsi_system *system,
                                       uint32_t component, const char *name, ecsi_want want)
{
    static const char *const texts[][2] = {
        {"reads", ", which it does not declare: READ or LOOKUP"},
        {"reads", " of other entities while its own row blocks write it: declare LOOKUP as well"},
        {"reads the resource", ", which it does not declare: RES_READ"},
        {"asks the world for a mutable", ": WRITE columns and commands are what it may write by"},
        {"reads the events", " from the world: declare ON"},
        {"uses", " from inside: only exclusive systems may"},
        {"records", " in a stream or on a thread that is not its own"},
        {"emits the event", ", which it does not declare: EMIT"},
        {"takes the column of", " by a number that is not that term of its own"},
        {"takes the column of", " for writing, which it declares to be read only"},
        {"has written", ", which it declares to be read only"}};
    ecsi_watch *watch = schedule->watch;
    uint64_t key = (uint64_t)(system->stamp + 1) << 32 | (uint64_t)component << 4 | (uint64_t)want;
    bool declared = false;
    ECSI_CHECK(sizeof texts / sizeof *texts == ECSI_WANT_COUNT);
    ECSI_CHECK(ECSI_WANT_COUNT <= 16);
    ECSI_CHECK(watch != NULL);
    /* Relaxed: a counter. */
    (void)ECSI_ADD(&watch->violations, (uint64_t)1, relaxed);
    if (ecsi_watch_new(watch, key)) {
        ecsi_log_print(schedule->log, ECS_LOG_ERROR, "access: system %s %s %s%s", system->name,
                       texts[want][0], name, texts[want][1]);
    }
    if (watch->stops) ECS_ASSERT(declared); /* the line before says who, and what */
    return declared;
}

static bool ecsi_access_refuse(const ecsi_schedule *schedule, const ecsi_system *system,
                               uint32_t component, ecsi_want want)
{
    const ecsi_components *components = schedule->queries->storage->components;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(system != NULL);
    return ecsi_access_tell(schedule, system, component,
                            ecsi_component_at(components, component)->name, want);
}

/* What the terms of a system say about a value of the world. */
static bool ecsi_access_declared(const ecsi_system *system, uint32_t component, ecsi_want *want)
{
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(*want == ECSI_WANT_VALUE || *want == ECSI_WANT_RESOURCE);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        uint32_t strength = ecsi_access_strength(term->access);
        if (term->component != component || strength == 0) continue;
        if (ecsi_access_is_resource(term->access) != (*want == ECSI_WANT_RESOURCE)) continue;
        if (*want == ECSI_WANT_RESOURCE || strength == 1 || system->unsplit) return true;
        *want = ECSI_WANT_OTHERS;
    }
    return false;
}

/* Whether the code that calls may have what it wants: it is outside of all systems, or declared.
 * Component 0 is the whole world. */
ECSI_COLD static bool ecsi_access_ask(const ecsi_schedule *schedule, uint32_t component,
                                      ecsi_want want)
{
    const ecsi_system *system = ecsi_watch_running(schedule->watch);
    ECSI_CHECK(want < ECSI_WANT_STREAM);
    ECSI_CHECK(want == ECSI_WANT_WORLD || component != 0);
    if (system == NULL) return true;
    /* Beside the ticks there is no world to ask. */
    if (component == 0 || ecsi_watch_beside(schedule->watch)) {
        return ecsi_access_tell(schedule, system, 0, "the whole world", ECSI_WANT_WORLD);
    }
    if ((want == ECSI_WANT_VALUE || want == ECSI_WANT_RESOURCE) &&
        ecsi_access_declared(system, component, &want)) {
        return true;
    }
    return ecsi_access_refuse(schedule, system, component, want);
}

/* The same for all columns of a query. One that is iterated for writing is at least counted by
 * the world. */
ECSI_COLD static bool ecsi_access_columns(const ecsi_schedule *schedule, const ecsi_query *query,
                                          ecsi_want want)
{
    bool allowed = true;
    uint32_t count = 0;
    uint32_t t;
    ECSI_CHECK(query != NULL);
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < query->term_count; t++) {
        if (!ecsi_access_is_column(query->terms[t].access)) continue;
        count++;
        if (!ecsi_access_ask(schedule, query->terms[t].component, want)) allowed = false;
    }
    if (count == 0 && want == ECSI_WANT_MUTABLE) {
        return ecsi_access_ask(schedule, 0, ECSI_WANT_WORLD);
    }
    return allowed;
}

/* Whether the code that calls may record into a stream: a system only into the one of its row
 * block, on the thread that runs it; the world's own one is for all who are outside. */
ECSI_COLD static bool ecsi_access_records(const ecsi_schedule *schedule, const ecs_commands *cmd)
{
    const ecsi_system *system = ecsi_watch_running(schedule->watch);
    uint32_t i;
    ECSI_CHECK(cmd->owner != 0);
    ECSI_CHECK(cmd->flush == schedule->flush);
    if (ECSI_UNLIKELY(cmd->detached)) { /* beside ticks, when systems come and go: no names */
        if (cmd->owner == ecsi_thread_number()) return true;
        (void)ECSI_ADD(&schedule->watch->violations, (uint64_t)1, relaxed); /* a counter */
        return false;
    }
    if (cmd->owner == ECSI_OWNER_ANY) {
        if (system == NULL) return true;
    } else if (cmd->owner == ecsi_thread_number()) {
        if (system == NULL || system->stamp == cmd->system) return true;
    }
    for (i = 0; i < schedule->systems.count && system == NULL; i++) {
        if (ecsi_system_at(schedule, i)->stamp == cmd->system) system = ecsi_system_at(schedule, i);
    }
    return system != NULL &&
           ecsi_access_tell(schedule, system, 0, "commands", ECSI_WANT_STREAM);
}

#ifndef ECS_NO_EVENTS
/* Whether it may emit an event into a stream that it may record into. */
ECSI_COLD static bool ecsi_access_emits(const ecsi_schedule *schedule, uint32_t component)
{
    const ecsi_system *system = ecsi_watch_running(schedule->watch);
    uint32_t t;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(schedule->watch != NULL);
    if (system == NULL) return true;
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        if (term->component == component && term->access == ECS_ACCESS_EMIT) return true;
    }
    return ecsi_access_refuse(schedule, system, component, ECSI_WANT_EMIT);
}
#endif

/* Whether a term of the view is of that type, and may be written if that is wanted. */
ECSI_COLD static bool ecsi_access_column(const ecsi_schedule *schedule, uint32_t t,
                                         const ecs_type *type, bool writes)
{
    const ecsi_system *system = ecsi_watch_running(schedule->watch);
    ecsi_components *components = schedule->queries->storage->components;
    uint32_t component;
    uint32_t strength = 0;
    ECSI_CHECK(type != NULL);
    ECSI_CHECK(schedule->watch != NULL);
    if (system == NULL) return true;
    ecsi_registry_lock(components); /* it may run beside the ticks */
    component = ecsi_component_seek(components, type);
    ecsi_registry_unlock(components);
    if (t < system->query->term_count && system->query->terms[t].component == component &&
        system->query->terms[t].access != ECS_ACCESS_LOOKUP) {
        strength = ecsi_access_strength(system->query->terms[t].access);
    }
    if (strength == 2 || (strength == 1 && !writes)) return true;
    return ecsi_access_tell(schedule, system, component, type->name,
                            strength == 0 ? ECSI_WANT_COLUMN : ECSI_WANT_WRITE);
}

/* Bytes as they are, padding as well, which is why the sanitizer must not look. */
ECSI_NO_MSAN static uint64_t ecsi_watch_hash(const unsigned char *bytes, size_t count)
{
    uint64_t h = 0x6163636573730001u;
    uint64_t word;
    size_t i;
    ECSI_CHECK(bytes != NULL);
    for (i = 0; i + 8 <= count; i += 8) {
        memcpy(&word, bytes + i, 8);
        h = (h ^ word) * 0xbf58476d1ce4e5b9u;
        h ^= h >> 32;
    }
    for (; i < count; i++) h = (h ^ bytes[i]) * 0x94d049bb133111ebu;
    return h ^ h >> 29;
}

/* Hash of what a view may only read by one term; 0 when that is nothing. */
static uint64_t ecsi_watch_term(const ecsi_schedule *schedule, const ecsi_query_term *term,
                                const ecs_view *view, const void *value)
{
    const ecsi_component *c;
    ECSI_CHECK(term->component != 0);
    ECSI_CHECK(view != NULL);
    if (value == NULL || ecsi_access_strength(term->access) != 1) return 0;
    if (term->access == ECS_ACCESS_LOOKUP) return 0;
    c = ecsi_component_at(schedule->queries->storage->components, term->component);
    return ecsi_watch_hash((const unsigned char *)value,
                           (size_t)c->type.bytes *
                               (term->access == ECS_ACCESS_RES_READ ? 1 : view->count));
}

#ifndef ECS_NO_THREADS
/* A worker that helps with a loop of a system works as that system. */
static void ecsi_access_help(const ecsi_guard *guard, ecs_worker *worker, ecs_job_function work,
                             void *data)
{
    const ecsi_access_guard *access = (const ecsi_access_guard *)(const void *)guard;
    const ecsi_guard *held = worker->guard;
    ecsi_seat seat = ecsi_watch_enter(access->watch, access->system, access->beside);
    ECSI_CHECK(work != NULL);
    ECSI_CHECK(access->watch != NULL);
    worker->guard = guard;
    work(worker, data);
    worker->guard = held;
    ecsi_watch_leave(seat);
}

/* A job that a system's worker took from another one while it waits, perhaps one of another
 * system: what it does is not seen. */
static void ecsi_access_apart(const ecsi_guard *guard, ecs_worker *worker, ecs_job_function work,
                              void *data)
{
    const ecsi_access_guard *access = (const ecsi_access_guard *)(const void *)guard;
    ecsi_seat seat = ecsi_watch_enter(access->watch, NULL, false);
    ECSI_CHECK(worker->guard == guard);
    worker->guard = NULL;
    work(worker, data);
    worker->guard = guard;
    ecsi_watch_leave(seat);
}
#endif

/* The body itself, noted. */
static ecs_status ecsi_access_noted(const ecsi_schedule *schedule, const ecsi_system *system,
                                    const ecs_view *view)
{
    bool beside = view->cmd->detached;
    ecsi_seat seat = ecsi_watch_enter(schedule->watch, system, beside);
    ecs_status status;
#ifndef ECS_NO_THREADS
    ecsi_access_guard access;
    const ecsi_guard *held = NULL;
    access.guard.help = ecsi_access_help;
    access.guard.apart = ecsi_access_apart;
    access.watch = schedule->watch;
    access.system = system;
    access.beside = beside;
    if (view->worker != NULL) {
        held = view->worker->guard;
        view->worker->guard = &access.guard;
    }
#endif
    ECSI_CHECK(schedule->watch != NULL);
    status = system->run(view);
#ifndef ECS_NO_THREADS
    if (view->worker != NULL) view->worker->guard = held;
#endif
    ecsi_watch_leave(seat);
    return status;
}

/* Runs a body in a world that checks. What it has written and may only read is told; the status
 * stays its own, for which of two readers wrote may depend on time. */
ECSI_COLD static ecs_status ecsi_access_run(const ecsi_schedule *schedule,
                                            const ecsi_system *system, const ecs_view *view)
{
    const ecsi_query *query = system->query;
    uint64_t before[ECS_TERMS_MAX];
    ecs_status status;
    uint32_t t;
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    ECSI_CHECK(schedule->watch != NULL);
    for (t = 0; t < query->term_count; t++) {
        before[t] = ecsi_watch_term(schedule, &query->terms[t], view, view->columns[t]);
    }
    status = ecsi_access_noted(schedule, system, view);
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        if (before[t] == ecsi_watch_term(schedule, term, view, view->columns[t])) continue;
        (void)ecsi_access_refuse(schedule, system, term->component, ECSI_WANT_CONST);
    }
    return status;
}

/* Every call of a body that may run beside others. */
static inline ecs_status ecsi_system_call(const ecsi_schedule *schedule,
                                          const ecsi_system *system, const ecs_view *view)
{
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(view->world == schedule->world);
    if (ECSI_UNLIKELY(schedule->watch != NULL)) return ecsi_access_run(schedule, system, view);
    return system->run(view);
}

/* Memory for a world that checks. */
static ecs_status ecsi_watch_create(ecsi_schedule *schedule, ecs_access_check check)
{
    ecsi_memory *memory = schedule->memory;
    ECSI_CHECK(schedule->watch == NULL);
    ECSI_CHECK(check != ECS_CHECK_DEFAULT);
    if (check == ECS_CHECK_OFF) return ECS_OK;
    schedule->watch = (ecsi_watch *)ecsi_alloc(memory, sizeof(ecsi_watch), 64);
    if (memory->measuring) return ECS_OK;
    if (schedule->watch == NULL) return ECS_NO_MEMORY;
    memset(schedule->watch, 0, sizeof(ecsi_watch));
    schedule->watch->stops = check == ECS_CHECK_STOP;
    return ECS_OK;
}

static void ecsi_watch_destroy(ecsi_schedule *schedule)
{
    ECSI_CHECK(!schedule->ticking);
    ecsi_release(schedule->memory, schedule->watch, sizeof(ecsi_watch), 64);
    schedule->watch = NULL;
}

#endif /* ECS_ACCESS_H */

/* >>backend ================================================== src/backend.h */

/* backend.h: runs the systems of a tick: one after the other, or on all workers of a pool.
 *
 * Exclusive systems cut a phase into segments. A segment is planned on the thread that ticks:
 * which systems are due and how often. Then it runs in one of two ways, with one result:
 *
 *   blocking       in the order of the schedule
 *   work stealing  a system whose predecessors have ended becomes a job; its row blocks are
 *                  handed out by a counter to the worker that began it and to those who steal a
 *                  part in it; who ends the last one counts down the successors
 *
 * Why the result is one: systems that run at the same time do not conflict; a span never
 * exceeds a row block; each row block records into a stream whose serial was given before
 * (system by system in the order of the schedule, run by run, block by block), and the flush
 * goes by serials; quotas are given before; what a failed run recorded is dropped by its
 * serials. What a worker does more than another shows in nothing but time.
 *
 * Which way: waking a worker costs tens of microseconds, so costs are measured in some ticks,
 * and a segment that is not worth it runs blocking. */
/* floor: 11 */
#ifndef ECS_BACKEND_H
#define ECS_BACKEND_H

/* ---- Time ---------------------------------------- */

/* Saves up time; answers how many steps are due. What is beyond the cap is dropped. */
static uint32_t ecsi_fixed_steps(ecsi_fixed *fixed, float dt)
{
    double step = (double)fixed->step_s;
    uint32_t steps = 0;
    ECSI_CHECK(step > 0);
    ECSI_CHECK(dt >= 0);
    fixed->saved_s += (double)dt;
    while (fixed->saved_s >= step && steps < fixed->steps_max) {
        fixed->saved_s -= step;
        steps++;
    }
    if (fixed->saved_s >= step) {
        double left = fixed->saved_s / step;
        fixed->saved_s = left < 1e15 ? (left - (double)(uint64_t)left) * step : 0;
    }
    ECSI_CHECK(fixed->saved_s >= 0);
    return steps;
}

/* How often an enabled system runs in this tick, and with which time. */
static uint32_t ecsi_node_due(const ecsi_schedule *schedule, ecsi_node *node, float dt)
{
    ecsi_system *system = node->system;
    const ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(system->enabled);
    ECSI_CHECK(dt >= 0);
    node->saved_ticks = system->ticks;
    node->saved_since_s = system->since_s;
    node->saved_fixed_s = system->fixed.saved_s;
    if (ecsi_system_waits(system, dt)) return 0;
    if (system->fixed.step_s > 0) {
        uint32_t steps = ecsi_fixed_steps(&system->fixed, dt);
        node->dt = system->fixed.step_s;
        if (steps == 0 || desc->run_if == NULL) return steps;
        return desc->run_if(schedule->world, desc->user) ? steps : 0;
    }
    system->ticks++;
    system->since_s += (double)dt;
    if (system->ticks < desc->every_ticks) return 0;
    system->ticks = 0;
    if (desc->interval_s > 0 && system->since_s < (double)desc->interval_s) return 0;
    if (desc->run_if != NULL && !desc->run_if(schedule->world, desc->user)) return 0;
    node->dt = (float)system->since_s;
    system->since_s = 0;
    return 1;
}

/* A node before its phase runs: how often it is due. */
static void ecsi_node_plan(const ecsi_schedule *schedule, ecsi_node *node, float dt)
{
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(!node->system->failed);
    node->skipped = false;
    node->cut = false;
    node->run = 0;
    node->attempt = 0;
    node->tries = 0;
    node->overruns = 0;
    node->runs = node->system->enabled ? ecsi_node_due(schedule, node, dt) : 0;
}

/* A node that was planned does not run, because one before it failed. */
static void ecsi_node_skip(ecsi_node *node)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(!node->skipped);
    if (!system->enabled) return;
    ECSI_CHECK(!system->failed);
    node->skipped = true;
    system->ticks = node->saved_ticks;
    system->since_s = node->saved_since_s;
    system->fixed.saved_s = node->saved_fixed_s;
}

/* ---- Streams ---------------------------------------- */

/* Row blocks of a chunk. */
static inline uint32_t ecsi_chunk_blocks(const ecsi_table *table, const ecsi_chunk *chunk)
{
    ECSI_CHECK(table->block_rows > 0);
    return chunk->count == 0 ? 0 : ((chunk->count - 1) >> table->block_shift) + 1;
}

static uint32_t ecsi_query_block_count(const ecsi_query *query)
{
    uint32_t blocks = 0;
    uint32_t m;
    ECSI_CHECK(query != NULL);
    ECSI_CHECK(!query->system);
    for (m = 0; m < query->matches.count; m++) {
        const ecsi_table *table = ecsi_match_at(query, m)->table;
        const ecsi_chunk *chunk = table->row_count == 0 ? NULL : table->first;
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            blocks += ecsi_chunk_blocks(table, chunk);
        }
    }
    return blocks;
}

/* Streams of one run of a system. */
static uint32_t ecsi_system_streams(const ecsi_system *system)
{
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->run != NULL);
    return system->unsplit || system->query->system ? 1 : ecsi_query_block_count(system->query);
}

/* Rows that a run counts for when a phase's bytes are shared out. */
static uint32_t ecsi_system_rows(const ecsi_system *system)
{
    ECSI_CHECK(system->query != NULL);
    if (system->query->system) return ECSI_TASK_ROWS;
    if (!system->unsplit) return ecsi_query_row_count(system->query);
    return ecsi_max_u32(ecsi_query_row_count(system->query), 1);
}

static inline bool ecsi_schedule_limited(const ecsi_schedule *schedule)
{
    return schedule->bytes_max < SIZE_MAX / 4;
}

/* Quota of a stream: what the system or the world says; where a phase has a limit no more than
 * its share, so that all together always fit, whoever is first. */
static size_t ecsi_stream_bytes(const ecsi_schedule *schedule, const ecsi_system *system,
                                uint32_t rows)
{
    size_t bytes = system->desc.stream_bytes_max;
    ECSI_CHECK(rows > 0);
    ECSI_CHECK(schedule->share_bytes <= schedule->bytes_max);
    if (bytes != 0) {
        return ecsi_schedule_limited(schedule) ? (size_t)((double)bytes * schedule->share_scale)
                                               : bytes;
    }
    bytes = schedule->stream_bytes_max != 0 ? schedule->stream_bytes_max : ECSI_STREAM_BYTES;
    if (ecsi_schedule_limited(schedule)) {
        size_t share = (size_t)((double)schedule->share_bytes * rows /
                                (double)(schedule->share_rows + 1));
        if (share < bytes) bytes = share;
    }
    return bytes;
}

/* Shares the phase's bytes out over the systems from `place` on, whether they are due or not: a
 * system's share does not change with what others do. An exclusive one may flush before the
 * last of them, and then what is left is shared anew. */
static void ecsi_segment_shares(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                                uint32_t end)
{
    uint64_t rows = 0;
    double taken = 0;
    double max = (double)schedule->bytes_max;
    ECSI_CHECK(place <= end && end <= phase->count);
    ECSI_CHECK(ecsi_schedule_limited(schedule));
    for (; place < end; place++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        const ecsi_system *system = node->system;
        uint32_t runs = system->fixed.step_s > 0 ? system->fixed.steps_max : 1;
        runs *= system->attempts;
        if (system->run_exclusive != NULL) continue;
        if (system->desc.stream_bytes_max != 0) {
            taken += (double)system->desc.stream_bytes_max * ecsi_system_streams(system) * runs;
        } else {
            rows += (uint64_t)ecsi_system_rows(system) * runs;
        }
    }
    schedule->share_rows = rows;
    schedule->share_bytes = taken < max ? schedule->bytes_max - (size_t)taken : 0;
    schedule->share_scale = taken <= max ? 1.0 : max / taken;
}

/* ---- One worker's part in a run ---------------------------------------- */

typedef struct ecsi_part {
    ecsi_schedule *schedule;
    ecsi_node *node;
    ecsi_queue *queue;
    uint64_t serial;   /* of the run's first stream */
    uint32_t match;    /* where it is: the match, ... */
    uint32_t number;   /* ...the number of the first block of `chunk`, ... */
    uint32_t base;     /* ...the rows before it */
    ecsi_chunk *chunk; /* NULL: the match's first */
    ecs_view view;
    ecs_commands cmd;
    void *columns[ECS_TERMS_MAX];
} ecsi_part;

static void ecsi_part_begin(ecsi_part *part, ecsi_node *node, ecs_worker *worker, uint32_t lane,
                            uint64_t serial)
{
    ecsi_schedule *schedule = node->schedule;
    const ecsi_system *system = node->system;
    ecs_view *view = &part->view;
    uint32_t t;
    ECSI_CHECK(lane < schedule->lane_count);
    ECSI_CHECK(system->query->term_count <= ECS_TERMS_MAX);
    part->schedule = schedule;
    part->node = node;
    part->queue = &schedule->lanes[lane].queue;
    part->serial = serial;
    part->match = 0;
    part->number = 0;
    part->base = 0;
    part->chunk = NULL;
    part->cmd.flush = schedule->flush;
    part->cmd.queue = part->queue;
    part->cmd.spawns_max = schedule->spawns_max;
    part->cmd.status = ECS_OK;
    part->cmd.detached = false;
    for (t = 0; t < system->query->term_count; t++) part->columns[t] = system->columns[t];
    if (ECSI_UNLIKELY(schedule->watch != NULL)) { /* a column too far is none */
        for (; t < ECS_TERMS_MAX; t++) part->columns[t] = NULL;
    }
    view->world = schedule->world;
    view->cmd = &part->cmd;
    view->worker = worker;
    view->entities = NULL;
    view->user = system->desc.user;
    view->tick = schedule->tick;
    view->count = 0;
    view->base = 0;
    view->dt = node->dt;
    view->columns = part->columns;
}

static inline void ecsi_part_stream(ecsi_part *part, uint32_t number, uint32_t rows)
{
    ECSI_CHECK(part->serial > 0);
    ecsi_stream_open(&part->cmd, part->serial + number, part->node->system->stamp,
                     ecsi_stream_bytes(part->schedule, part->node->system, rows));
}

/* Runs the body over one row block. */
static inline ecs_status ecsi_part_block(ecsi_part *part, const ecsi_match *match, uint32_t row,
                                         uint32_t number)
{
    const ecsi_system *system = part->node->system;
    const ecsi_query *query = system->query;
    const ecsi_table *table = match->table;
    ecsi_chunk *chunk = part->chunk;
    uint32_t t;
    part->view.count = ecsi_min_u32(table->block_rows, chunk->count - row);
    part->view.base = part->base + row;
    part->view.entities = ecsi_chunk_entities(chunk) + row;
    ECSI_CHECK(row < chunk->count);
    ECSI_CHECK(number >= part->number);
    for (t = 0; t < query->term_count; t++) {
        uint32_t c = match->columns[t];
        if (c == ECSI_NO_COLUMN) {
            if (ecsi_access_is_column(query->terms[t].access)) part->columns[t] = NULL;
            continue;
        }
        part->columns[t] = ecsi_chunk_value(chunk, &table->columns[c], row);
        if (query->terms[t].writes) *ecsi_chunk_tick(chunk, c, row) = part->view.tick;
    }
    if (!system->unsplit) ecsi_part_stream(part, number, part->view.count);
    return ecsi_system_call(part->schedule, system, &part->view);
}

/* Runs the body over the blocks `first` to `end` (that one not). All of them run; the lowest
 * that failed is in *failed. A part only goes forward. */
static ecs_status ecsi_part_run(ecsi_part *part, uint32_t first, uint32_t end, uint32_t *failed)
{
    const ecsi_query *query = part->node->system->query;
    ecs_status status = ECS_OK;
    ECSI_CHECK(!query->system);
    ECSI_CHECK(first >= part->number);
    for (; part->match < query->matches.count; part->match++) {
        const ecsi_match *match = ecsi_match_at(query, part->match);
        const ecsi_table *table = match->table;
        if (part->chunk == NULL && table->row_count > 0) part->chunk = table->first;
        while (part->chunk != NULL && part->chunk->count > 0) {
            uint32_t after = part->number + ecsi_chunk_blocks(table, part->chunk);
            uint32_t number = ecsi_min_u32(ecsi_max_u32(first, part->number), after);
            uint32_t row = (number - part->number) * table->block_rows;
            for (; number < after; row += table->block_rows, number++) {
                ecs_status one;
                if (number >= end) return status;
                one = ecsi_part_block(part, match, row, number);
                if (ECSI_LIKELY(one == ECS_OK) || status != ECS_OK) continue;
                status = one;
                *failed = number;
            }
            part->number = after;
            part->base += part->chunk->count;
            part->chunk = part->chunk->next;
        }
        part->chunk = NULL;
    }
    return status;
}

#ifndef ECS_NO_EVENTS
/* Hands the unseen events to the system's slots; a later run of the same tick sees none. */
static void ecsi_system_events(const ecsi_schedule *schedule, ecsi_system *system, bool later)
{
    uint32_t t;
    ECSI_CHECK(system->has_events);
    for (t = 0; t < system->query->term_count; t++) {
        ecsi_term_slot *slot = &system->slots[t];
        if (slot->reader == 0) continue;
        ECSI_CHECK(system->columns[t] == &slot->events);
        if (later) {
            slot->events.count = 0;
            slot->events.missed = 0;
        } else {
            slot->events = ecsi_reader_peek(schedule->flush->events, slot->reader);
            slot->seen = slot->events.count;
        }
    }
}

/* The system has seen its events. */
static void ecsi_system_seen(const ecsi_schedule *schedule, const ecsi_system *system)
{
    uint32_t t;
    ECSI_CHECK(system->has_events);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_term_slot *slot = &system->slots[t];
        if (slot->reader == 0) continue;
        ECSI_CHECK(system->columns[t] == &slot->events);
        ecsi_reader_advance(schedule->flush->events, slot->reader, slot->seen);
    }
}
#endif

/* ---- Failures ---------------------------------------- */

/* Names a failure. */
static ecs_failure ecsi_failure_make(const ecsi_node *node, ecs_status status, uint32_t block)
{
    const ecsi_schedule *schedule = node->schedule;
    ecs_failure failure;
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(schedule->ticking);
    memset(&failure, 0, sizeof failure);
    failure.system = node->system->name;
    failure.phase = ecsi_phase_at(schedule, node->system->phase)->name;
    failure.tick = schedule->tick;
    failure.status = status;
    failure.row_block = block;
    return failure;
}

static void ecsi_report_failure(ecsi_schedule *schedule, const ecs_failure *failure, bool fast)
{
    ecs_tick_report *report = &schedule->report;
    ECSI_CHECK(failure->status != ECS_OK);
    ECSI_CHECK(report->failure_count <= ECS_FAILURES_MAX);
    if (fast && report->status == ECS_OK) report->status = failure->status;
    if (report->failure_count == ECS_FAILURES_MAX) {
        report->failures_lost++;
        return;
    }
    report->failures[report->failure_count++] = *failure;
}

/* Whether a node must not run: one that failed fast must come before it, or all is over. */
static bool ecsi_node_blocked(const ecsi_schedule *schedule, const ecsi_phase *phase,
                              const ecsi_node *node)
{
    uint32_t i;
    ECSI_CHECK(node->member < phase->count);
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(node->phase == phase->first);
    if (ecsi_tick_cancelled(schedule)) return true;
    for (i = 0; i < phase->count; i++) {
        if (i == node->member || !ecsi_phase_after(schedule, phase, i, node->member)) continue;
        if (ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, i))->failed) return true;
    }
    return false;
}

/* ---- Applying ---------------------------------------- */

/* Puts what all lanes recorded into the schedule's batch. Answers whether any has recorded. A
 * thread that is no worker of the pool works alone, in the first lane. */
static bool ecsi_lanes_gather(ecsi_schedule *schedule)
{
    uint32_t count = schedule->worker != NULL ? schedule->lane_count : 1;
    bool any = false;
    uint32_t i;
    ECSI_CHECK(schedule->lanes != NULL);
    ECSI_CHECK(schedule->lane_count > 0);
    for (i = 0; i < count; i++) {
        ecsi_queue *queue = &schedule->lanes[i].queue;
        ecsi_queue_count(schedule->flush, queue);
        if (ecsi_queue_empty(queue)) continue;
        any = true;
        ecsi_batch_add(&schedule->batch, queue);
        ecsi_batch_take(&schedule->batch, queue);
        queue->command_count = 0;
        queue->spawn_count = 0;
        queue->stream_count = 0;
    }
    return any;
}

/* Applies what systems recorded. When that is refused for want of memory nothing is lost: the
 * next call tries again. */
static ecs_status ecsi_schedule_settle(ecsi_schedule *schedule)
{
    ecsi_batch *batch = &schedule->batch;
    ecs_status status;
    uint32_t i;
    ECSI_CHECK(schedule->lane_count > 0);
    ECSI_CHECK(!schedule->flush->running);
    if (!ecsi_lanes_gather(schedule) && batch->first == NULL && !batch->spawned) return ECS_OK;
    /* What failed runs recorded is in no batch, but in the queues. */
    if (batch->first != NULL || batch->spawned) {
        status = ecsi_flush_prepare(schedule->flush, batch);
        if (status != ECS_OK) return status;
        ecsi_flush_batch(schedule->flush, batch, schedule->since);
        schedule->since = schedule->tick;
    }
    memset(batch, 0, sizeof *batch);
    for (i = 0; i < schedule->lane_count; i++) ecsi_queue_reset(&schedule->lanes[i].queue);
    ECSI_STORE(&schedule->arena.used, (uint64_t)0, relaxed);
    return ECS_OK;
}

/* Applies what the phase recorded so far, and what hooks recorded meanwhile. */
static void ecsi_schedule_flush(ecsi_schedule *schedule)
{
    ecs_status status = schedule->settle(schedule->world);
    ECSI_CHECK(!schedule->flush->running);
    if (status != ECS_OK) {
        ecsi_log_print(schedule->log, ECS_LOG_WARNING, "flush: %s; tried again later",
                       ecs_status_text(status));
    }
    ECSI_CHECK(status != ECS_INVALID);
}

/* ---- Blocking ---------------------------------------- */

/* An average that forgets; at once where the load is another one: twice or half of it. */
static void ecsi_node_cost(const ecsi_node *node, double ns)
{
    ecsi_system *system = node->system;
    double was = system->cost_ns;
    ECSI_CHECK(was >= 0);
    ECSI_CHECK(ns >= 0);
    system->cost_runs = node->runs;
    system->cost_ns = ns < was / 2 || ns > was * 2 ? ns : was * 0.5 + ns * 0.5;
}

/* Streams of a node in one tick: each try of each run has its own. */
static inline uint64_t ecsi_node_streams(const ecsi_node *node)
{
    ECSI_CHECK(node->system->attempts > 0);
    ECSI_CHECK(node->system->run != NULL);
    return (uint64_t)node->runs * node->system->attempts * ecsi_system_streams(node->system);
}

/* Runs a system once, here. */
static ecs_status ecsi_node_run_once(ecsi_node *node, uint64_t serial, uint32_t *block)
{
    ecsi_schedule *schedule = node->schedule;
    const ecsi_system *system = node->system;
    ecsi_part part;
    ecs_status status;
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(serial > 0);
    ECSI_CHECK(node->run < node->runs);
    ecsi_part_begin(&part, node, schedule->worker, 0, serial);
    if (system->unsplit || system->query->system) {
        ecsi_part_stream(&part, 0, ecsi_system_rows(system));
    }
    ecsi_worker_busy(schedule->worker, 1);
    if (system->query->system) {
        node->ran = true;
        status = ecsi_system_call(schedule, system, &part.view);
        schedule->flush->serial_next = serial;
    } else {
        status = ecsi_part_run(&part, 0, UINT32_MAX, block);
        node->ran = node->ran || part.base > 0;
        schedule->flush->serial_next = system->unsplit ? serial : serial - 1 + part.number;
    }
    ecsi_worker_busy(schedule->worker, -1);
    return status;
}

/* One try, with what a system may ask for: copies, a budget. */
static ecs_status ecsi_node_try(ecsi_node *node, uint64_t serial, uint32_t *block)
{
    uint64_t budget_ns = node->system->desc.budget_ns;
    uint64_t begin_ns;
    ecs_status status;
    ECSI_CHECK(node->attempt < node->system->attempts);
    ECSI_CHECK(node->run < node->runs);
    if (ECSI_UNLIKELY(node->refused != ECS_OK)) return node->refused;
    if (node->attempt == 0) ecsi_node_save(node, ECSI_SAVE_COPY);
    begin_ns = budget_ns != 0 ? ecsi_clock_ns() : 0;
    status = ecsi_node_run_once(node, serial, block);
    if (budget_ns != 0 && ecsi_node_overran(node, ecsi_clock_ns() - begin_ns) &&
        status == ECS_OK) {
        status = ECS_TIMEOUT;
    }
    return status;
}

/* Runs a system as often as planned. Streams of runs that a failure cut off count as well. */
static void ecsi_node_run(ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    ecsi_system *system = node->system;
    ecsi_flush *flush = schedule->flush;
    bool simple = node->runs == 1 && system->attempts == 1;
    uint64_t streams = simple ? 1 : ecsi_system_streams(system);
    uint64_t serial = flush->serial_next + 1;
    ecsi_outcome outcome;
    ECSI_CHECK(node->runs > 0);
    ECSI_CHECK(!system->failed);
    node->ran = false;
    do {
        ecsi_queue *queue = &schedule->lanes[0].queue;
        ecsi_queue_mark mark = ecsi_queue_where(queue);
        uint64_t slot = (uint64_t)node->run * system->attempts + node->attempt;
        uint32_t block = 0;
        ecs_status status;
#ifndef ECS_NO_EVENTS
        if (ECSI_UNLIKELY(system->has_events)) {
            ecsi_system_events(schedule, system, node->run > 0 && node->ran);
        }
#endif
        status = ecsi_node_try(node, serial + slot * streams, &block);
        outcome = ECSI_GO_ON;
        if (ECSI_LIKELY(status == ECS_OK)) {
            ecsi_node_succeeded(node);
        } else {
            ecs_failure failure = ecsi_failure_make(node, status, block);
            ecsi_queue_rewind(flush, queue, mark);
            ecsi_node_save(node, ECSI_SAVE_BACK);
            outcome = ecsi_node_failed(node, &failure);
            ecsi_report_failure(schedule, &failure, outcome == ECSI_STOP);
            schedule->stop = schedule->stop || outcome == ECSI_STOP;
        }
    } while (ecsi_node_step(node, outcome) && !ecsi_tick_cancelled(schedule));
    schedule->report.systems_run += node->tries;
    schedule->report.overruns += node->overruns;
    if (!simple) flush->serial_next = serial - 1 + ecsi_node_streams(node);
#ifndef ECS_NO_EVENTS
    if (ECSI_UNLIKELY(system->has_events) && node->ran && system->retried == 0) {
        ecsi_system_seen(schedule, system);
    }
#endif
}

/* Runs a segment's systems one after the other. */
static void ecsi_segment_blocking(ecsi_schedule *schedule, const ecsi_phase *phase,
                                  uint32_t place, uint32_t end)
{
    uint64_t before = schedule->sample ? ecsi_cost_clock() : 0;
    ECSI_CHECK(place <= end);
    ECSI_CHECK(end <= phase->count);
    for (; place < end; place++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        if (ECSI_UNLIKELY(schedule->stop || ecsi_tick_cancelled(schedule)) &&
            ecsi_node_blocked(schedule, phase, node)) {
            ecsi_node_skip(node);
            if (node->skipped) schedule->report.systems_skipped++;
            if (node->runs > 0) schedule->flush->serial_next += ecsi_node_streams(node);
            continue;
        }
        if (node->runs > 0) ecsi_node_run(node);
        if (ECSI_UNLIKELY(schedule->sample)) {
            uint64_t now = ecsi_cost_clock();
            if (node->runs > 0) {
                uint64_t ns = ecsi_cost_between(before, now);
                ns = ns > ECSI_CLOCK_NS ? ns - ECSI_CLOCK_NS : 0;
                ecsi_node_cost(node, (double)ns);
            }
            before = now;
        }
    }
}

static ecs_status ecsi_system_exclusive(ecsi_schedule *schedule, ecsi_system *system,
                                        ecs_view *view, uint32_t *locks)
{
    uint32_t held = *locks;
    ecs_commands before;
    ecsi_queue_mark mark;
    ecs_status status;
    ECSI_CHECK(system->run_exclusive != NULL);
    ecsi_schedule_flush(schedule);
    schedule->share_stale = true;
    before = *view->cmd;
    mark = ecsi_queue_where(view->cmd->queue);
    *locks = 0;
    status = system->run_exclusive(schedule->world, view);
    ECSI_CHECK(*locks == 0);
    *locks = held;
    /* Its commands are dropped when it fails, but for those that it has flushed itself. */
    if (status != ECS_OK && view->cmd->serial == before.serial) {
        ecsi_queue_rewind(schedule->flush, before.queue, mark);
        *view->cmd = before;
    }
    return status;
}

/* Runs an exclusive system as often as it is due. */
static void ecsi_exclusive_run(ecsi_schedule *schedule, ecsi_node *node, float dt)
{
    ecsi_system *system = node->system;
    bool more;
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(system->run_exclusive != NULL);
    ECSI_CHECK(!system->failed);
    ecsi_node_plan(schedule, node, dt);
#ifndef ECS_NO_ADAPTIVE
    if (node->runs > 0) ecsi_gauge_ran(schedule, system);
#endif
    for (more = node->runs > 0; more; more = more && !ecsi_tick_cancelled(schedule)) {
        ecsi_outcome outcome = ECSI_GO_ON;
        uint64_t begin_ns = system->desc.budget_ns != 0 ? ecsi_clock_ns() : 0;
        ecs_view view;
        ecs_status status;
        memset(&view, 0, sizeof view);
        view.world = schedule->world;
        view.cmd = ecs_world_commands(schedule->world);
        view.worker = schedule->worker;
        view.user = system->desc.user;
        view.tick = schedule->tick;
        view.dt = node->dt;
        schedule->report.systems_run++;
        status = ecsi_system_exclusive(schedule, system, &view, schedule->flush->locks);
        if (system->desc.budget_ns != 0 && ecsi_node_overran(node, ecsi_clock_ns() - begin_ns) &&
            status == ECS_OK) {
            status = ECS_TIMEOUT;
        }
        if (status == ECS_OK) {
            ecsi_node_succeeded(node);
        } else {
            ecs_failure failure = ecsi_failure_make(node, status, 0);
            outcome = ecsi_node_failed(node, &failure);
            ecsi_report_failure(schedule, &failure, outcome == ECSI_STOP);
            schedule->stop = schedule->stop || outcome == ECSI_STOP;
        }
        more = ecsi_node_step(node, outcome);
    }
    schedule->report.overruns += node->overruns;
}

/* ---- Work stealing ---------------------------------------- */

#ifndef ECS_NO_THREADS

/* A failed block above its status: the smallest is the lowest block. */
#define ECSI_NOT_FAILED UINT64_MAX

static void ecsi_node_fail(ecsi_node *node, uint32_t block, ecs_status status)
{
    uint64_t mine = (uint64_t)block << 32 | (uint32_t)status;
    uint64_t seen = ECSI_LOAD(&node->failed, relaxed);
    ECSI_CHECK(mine != ECSI_NOT_FAILED);
    ECSI_CHECK(status != ECS_OK);
    while (mine < seen) {
        /* Published by the count-down of `active`. */
        if (ECSI_CAS(&node->failed, &seen, mine, relaxed, relaxed)) return;
    }
}

/* The first stream of the try that runs. */
static inline uint64_t ecsi_node_serial(const ecsi_node *node)
{
    uint64_t slot = (uint64_t)node->run * node->system->attempts + node->attempt;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(node->attempt < node->system->attempts);
    return node->serial + slot * node->stream_count;
}

/* This worker's part of a run. Answers whether it was the last one at it. */
static bool ecsi_node_work(ecs_worker *worker, ecsi_node *node)
{
    const ecsi_system *system = node->system;
    uint64_t serial = ecsi_node_serial(node);
    uint64_t begin = ecsi_cost_clock();
    uint64_t busy_ns;
    ecsi_part part;
    uint64_t recorded;
    uint32_t block = 0;
    ecs_status status = ECS_OK;
    ecsi_part_begin(&part, node, worker, worker->index, serial);
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(node->serial > 0);
    recorded = part.queue->recorded;
    ecsi_worker_busy(worker, 1);
    if (ECSI_UNLIKELY(node->refused != ECS_OK)) {
        ecsi_node_fail(node, 0, node->refused);
    } else if (system->unsplit || system->query->system) {
        ecsi_part_stream(&part, 0, ecsi_system_rows(system));
        status = system->query->system ? ecsi_system_call(node->schedule, system, &part.view)
                                       : ecsi_part_run(&part, 0, UINT32_MAX, &block);
        if (status != ECS_OK) ecsi_node_fail(node, block, status);
        if (system->query->system || part.base > 0) ECSI_STORE(&node->got_rows, 1u, relaxed);
    } else {
        for (;;) {
            /* Relaxed: what a block needs was published when its node was begun. */
            uint64_t first = ECSI_ADD(&node->grabbed, (uint64_t)node->grain, relaxed);
            uint32_t end;
            if (first >= node->block_count) break;
            end = ecsi_min_u32((uint32_t)first + node->grain, node->block_count);
            status = ecsi_part_run(&part, (uint32_t)first, end, &block);
            if (ECSI_UNLIKELY(status != ECS_OK)) ecsi_node_fail(node, block, status);
        }
        if (node->block_count > 0) ECSI_STORE(&node->got_rows, 1u, relaxed);
    }
    ecsi_worker_busy(worker, -1);
    ECSI_COUNT_UP(&worker->commands, part.queue->recorded - recorded);
    busy_ns = ecsi_cost_since(begin);
    (void)ECSI_ADD(&node->busy_ns, busy_ns, relaxed);
#ifndef ECS_NO_ADAPTIVE
    node->schedule->lanes[worker->index].busy_ns += busy_ns;
#endif
    /* What each part wrote is visible to the last one, and through it to the successors. */
    return ECSI_SUB(&node->active, 1u, acq_rel) == 1;
}

/* How a run is cut: workers that may help, none where it stays in one piece, and row blocks of
 * one grab. */
typedef struct ecsi_split {
    uint32_t helpers;
    uint32_t grain;
} ecsi_split;

/* From what a run costs, how many row blocks it has, and how many workers there are. That the
 * segment is worth waking somebody was decided before. */
static ecsi_split ecsi_split_of(double run_ns, uint32_t blocks, uint32_t workers, bool always)
{
    uint32_t most = blocks > 0 ? ecsi_min_u32(workers - 1, blocks - 1) : 0;
    double helpers = run_ns / (2.0 * ECSI_SHARE_AWAKE_NS);
    ecsi_split split;
    ECSI_CHECK(workers > 0);
    ECSI_CHECK(run_ns >= 0);
    split.helpers = always || helpers >= most ? most : (uint32_t)helpers;
    split.grain = 1;
    if (split.helpers == 0) {
        split.grain = ecsi_max_u32(blocks, 1);
    } else if (!always) {
        double block_ns = run_ns / blocks;
        double grain = block_ns <= 0 ? 1 : ECSI_GRAB_NS / block_ns;
        most = blocks / ((split.helpers + 1) * 4) + 1;
        split.grain = grain > most ? most : grain < 1 ? 1 : (uint32_t)grain;
    }
    return split;
}

/* What an unsplit system, or one without columns, offers to others: nothing. */
static inline uint32_t ecsi_split_blocks(const ecsi_system *system, uint32_t blocks)
{
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(system->query != NULL);
    return system->unsplit || system->query->system ? 1 : blocks;
}

/* Begins a run: hands parts of it out. */
static void ecsi_node_open(ecs_worker *worker, ecsi_node *node)
{
    const ecsi_system *system = node->system;
    uint32_t pushed = 0;
    uint32_t helpers;
    ecsi_split split;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(worker->pool == node->schedule->pool);
#ifndef ECS_NO_EVENTS
    if (system->has_events) {
        ecsi_system_events(node->schedule, node->system,
                           node->run > 0 && ECSI_LOAD(&node->got_rows, relaxed) != 0);
    }
#endif
    if (node->attempt == 0) ecsi_node_save(node, ECSI_SAVE_COPY);
    if (system->desc.budget_ns != 0) node->begin_ns = ecsi_clock_ns();
    ECSI_STORE(&node->grabbed, (uint64_t)0, relaxed);
    ECSI_STORE(&node->failed, ECSI_NOT_FAILED, relaxed);
    split = ecsi_split_of(system->cost_ns / node->runs,
                          ecsi_split_blocks(system, node->block_count),
                          worker->pool->worker_count, node->schedule->share_ns == 1);
    helpers = split.helpers;
    node->grain = helpers == 0 ? ecsi_max_u32(node->block_count, 1) : split.grain;
    ECSI_STORE(&node->active, helpers + 1, relaxed);
    while (pushed < helpers && ecsi_deque_push(&worker->deque, &node->help)) pushed++;
    if (pushed < helpers) (void)ECSI_SUB(&node->active, helpers - pushed, relaxed);
    if (pushed > 0) (void)ecsi_idle_notify(&worker->pool->idle);
}

/* The last part of a try has ended. Answers whether another one follows. */
static bool ecsi_node_close(ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    ecsi_system *system = node->system;
    uint64_t failed = ECSI_LOAD(&node->failed, relaxed);
    ecsi_outcome outcome = ECSI_GO_ON;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(ECSI_LOAD(&node->active, relaxed) == 0);
    if (system->desc.budget_ns != 0 &&
        ecsi_node_overran(node, ecsi_clock_ns() - node->begin_ns) && failed == ECSI_NOT_FAILED) {
        failed = (uint32_t)ECS_TIMEOUT;
    }
    if (ECSI_LIKELY(failed == ECSI_NOT_FAILED)) {
        ecsi_node_succeeded(node);
    } else {
        uint32_t at = ECSI_ADD(&schedule->fail_count, 1u, relaxed);
        ecsi_fail *fail = ECSI_VEC_AT(ecsi_fail, &schedule->fails, at);
        ECSI_CHECK(at < schedule->fails.capacity);
        fail->first = ecsi_node_serial(node);
        fail->end = fail->first + node->stream_count;
        fail->failure = ecsi_failure_make(node, (ecs_status)(uint32_t)failed,
                                          (uint32_t)(failed >> 32));
        ecsi_node_save(node, ECSI_SAVE_BACK);
        outcome = ecsi_node_failed(node, &fail->failure);
        fail->fast = outcome == ECSI_STOP;
        /* This and `failed` are published to the successors by the count-down of `before`. */
        if (outcome == ECSI_STOP) ECSI_STORE(&schedule->stopping, 1u, relaxed);
    }
    return ecsi_node_step(node, outcome) && !ecsi_tick_cancelled(schedule);
}

/* Makes a node's job known: to the thread that ticks, or to all. Its cost if others may take
 * it. */
static double ecsi_node_release(ecs_worker *worker, ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    ECSI_CHECK(node->runs > 0);
    ECSI_CHECK(node->system->run != NULL);
    if (node->system->desc.main_thread) {
        ecsi_worker_pin(schedule->worker, &node->begin);
        return 0;
    }
    if (ECSI_LIKELY(ecsi_deque_push(&worker->deque, &node->begin))) {
        return node->system->cost_ns > 0 ? node->system->cost_ns : 1;
    }
    /* No room: the thread that ticks looks into its inbox for as long as the segment runs. */
    ecsi_worker_pin(schedule->worker, &node->begin);
    return 0;
}

/* Whether a node whose predecessors have ended has nothing to do. */
static bool ecsi_node_passes(ecsi_node *node)
{
    const ecsi_schedule *schedule = node->schedule;
    const ecsi_phase *phase = ecsi_phase_at(schedule, node->system->phase);
    ECSI_CHECK(ECSI_LOAD(&node->before, relaxed) == 0);
    ECSI_CHECK(node->system->run != NULL);
    if (ECSI_UNLIKELY(ECSI_LOAD(&schedule->stopping, relaxed) != 0 ||
                      ecsi_tick_cancelled(schedule)) &&
        ecsi_node_blocked(schedule, phase, node)) {
        ecsi_node_skip(node);
        return true;
    }
    return node->runs == 0;
}

/* Tells somebody about jobs that were pushed, when that is worth it. */
static void ecsi_release_notify(ecs_worker *worker, const ecsi_schedule *schedule, double ns)
{
    ECSI_CHECK(worker->pool == schedule->pool);
    ECSI_CHECK(ns >= 0);
    if (ns <= 0) return;
    if (schedule->share_ns == 1 || ns >= ECSI_SHARE_AWAKE_NS) {
        (void)ecsi_idle_notify(&worker->pool->idle);
    }
}

/* A node has ended: counts down its successors, and those of such as have nothing to do. */
static void ecsi_node_complete(ecs_worker *worker, ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    const ecsi_phase *phase = ecsi_phase_at(schedule, node->system->phase);
    ecs_pool *pool = worker->pool;
    uint32_t words = (phase->count + 63) / 64;
    uint32_t ended = 0;
    double pushed_ns = 0;
    double largest_ns = 0;
    ECSI_CHECK(node->run <= node->runs);
    node->next = NULL;
    ECSI_CHECK(node->system->run != NULL);
    for (; node != NULL; ended++) {
        const uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                             phase->reach + node->member * words);
        uint32_t w;
        node = node->next;
        for (w = 0; w < words; w++) {
            uint64_t bits = direct[w];
            for (; bits != 0; bits &= bits - 1) {
                uint32_t member = w * 64 + ecsi_lowest_bit(bits);
                ecsi_node *after = ecsi_node_at(schedule, phase->first + member);
                double ns;
                if (after->system->run_exclusive != NULL) continue;
                /* Releases what we wrote to whoever counts down last, and acquires what the
                 * other predecessors wrote. */
                if (ECSI_SUB(&after->before, 1u, acq_rel) != 1) continue;
                if (ecsi_node_passes(after)) {
                    after->next = node;
                    node = after;
                    continue;
                }
                ns = ecsi_node_release(worker, after);
                pushed_ns += ns;
                if (ns > largest_ns) largest_ns = ns;
            }
        }
    }
    /* The largest one we take ourselves. */
    ecsi_release_notify(worker, schedule, pushed_ns - largest_ns);
    /* The last access: behind an open latch all of this belongs to the thread that ticks. */
    ecsi_latch_down(pool, &schedule->latch, ended);
}

/* Works at a node's runs until others are still at one, or all have ended. */
static void ecsi_node_drive(ecs_worker *worker, ecsi_node *node, bool open)
{
    ECSI_CHECK(node->runs > 0);
    ECSI_CHECK(worker->pool == node->schedule->pool);
    for (;;) {
        if (open) ecsi_node_open(worker, node);
        if (!ecsi_node_work(worker, node)) return;
        if (!ecsi_node_close(node)) break;
        open = true;
    }
    ecsi_node_complete(worker, node);
}

static void ecsi_node_begin_job(ecs_worker *worker, void *data)
{
    ecsi_node_drive(worker, (ecsi_node *)data, true);
}

static void ecsi_node_help_job(ecs_worker *worker, void *data)
{
    ecsi_node_drive(worker, (ecsi_node *)data, false);
}

/* Prepares the nodes of a segment. Serials are those of the order in which a blocking tick
 * would run them. Answers how many, 0 when there is no room to note failures. */
static uint32_t ecsi_segment_prepare(ecsi_schedule *schedule, const ecsi_phase *phase,
                                     uint32_t place, uint32_t end)
{
    uint64_t serial = schedule->flush->serial_next + 1;
    uint64_t runs = 0;
    uint32_t p;
    ECSI_CHECK(place < end);
    ECSI_CHECK(end <= phase->count);
    for (p = place; p < end; p++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, p);
        runs += (uint64_t)node->runs * node->system->attempts;
        node->stream_count = 0;
        node->block_count = 0;
        ECSI_STORE(&node->before, node->before_count, relaxed);
        ECSI_STORE(&node->busy_ns, (uint64_t)0, relaxed);
        ECSI_STORE(&node->got_rows, 0u, relaxed);
        if (node->runs == 0) continue;
        if (!node->system->query->system) {
            node->block_count = ecsi_query_block_count(node->system->query);
        }
        node->stream_count = ecsi_system_streams(node->system);
        node->serial = serial;
        serial += (uint64_t)node->stream_count * node->runs * node->system->attempts;
        node->begin.run = ecsi_node_begin_job;
        node->begin.data = node;
        node->begin.kind = ECSI_JOB_SYSTEM;
        node->help.run = ecsi_node_help_job;
        node->help.data = node;
        node->help.kind = ECSI_JOB_SYSTEM;
    }
    if (runs > UINT32_MAX ||
        ecsi_vec_reserve(schedule->memory, &schedule->fails, (uint32_t)runs, UINT32_MAX - 1,
                         sizeof(ecsi_fail)) != ECS_OK) {
        return 0;
    }
    schedule->flush->serial_next = serial - 1;
    return end - place;
}

/* After a segment: failures in the order of the schedule, events that were seen, costs. */
static void ecsi_segment_end(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                             uint32_t end)
{
    uint32_t count = ECSI_LOAD(&schedule->fail_count, relaxed);
    ecsi_fail *fails = (ecsi_fail *)schedule->fails.data;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(ecsi_latch_open(&schedule->latch));
    ECSI_CHECK(place < end);
    if (count > 0) (void)ecsi_lanes_gather(schedule);
    for (i = 0; i < count; i++) {
        ecsi_fail least;
        for (k = i + 1; k < count; k++) {
            if (fails[k].first >= fails[i].first) continue;
            least = fails[k];
            fails[k] = fails[i];
            fails[i] = least;
        }
        ecsi_report_failure(schedule, &fails[i].failure, fails[i].fast);
        ecsi_batch_fail(schedule->flush, &schedule->batch, fails[i].first, fails[i].end);
    }
    schedule->stop = schedule->stop || ECSI_LOAD(&schedule->stopping, relaxed) != 0;
    for (; place < end; place++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        schedule->report.systems_run += node->tries;
        schedule->report.overruns += node->overruns;
        if (node->skipped) schedule->report.systems_skipped++;
        if (node->tries > 0) {
            ecsi_node_cost(node, (double)ECSI_LOAD(&node->busy_ns, relaxed));
        }
#ifndef ECS_NO_EVENTS
        if (node->system->has_events && ECSI_LOAD(&node->got_rows, relaxed) != 0 &&
            node->system->retried == 0) {
            ecsi_system_seen(schedule, node->system);
        }
#endif
    }
}

/* Runs a segment on all workers. False: it was not run. */
static bool ecsi_segment_steal(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                               uint32_t end)
{
    ecs_worker *worker = schedule->worker;
    uint32_t count = ecsi_segment_prepare(schedule, phase, place, end);
    ecsi_summon summon;
    ecsi_node *passing = NULL;
    double pushed_ns = 0;
    double largest_ns = 0;
    bool pinned = false;
    uint32_t p;
#ifndef ECS_NO_ADAPTIVE
    uint64_t start = schedule->gauge.on ? ecsi_cost_clock() : 0;
#endif
    if (count == 0) return false;
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(worker->pool == schedule->pool);
    ECSI_STORE(&schedule->fail_count, 0u, relaxed);
    ECSI_STORE(&schedule->stopping, schedule->stop ? 1u : 0u, relaxed);
    ecsi_latch_set(&schedule->latch, count);
    /* From the last to the first: the end of a deque is taken first. Those that are first are
     * told by before_count, for `before` changes as soon as one has ended. */
    for (p = end; p-- > place;) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, p);
        if (node->before_count != 0) continue;
        if (ecsi_node_passes(node)) {
            node->next = passing;
            passing = node;
        } else {
            double ns = ecsi_node_release(worker, node);
            pinned = pinned || node->system->desc.main_thread;
            pushed_ns += ns;
            if (ns > largest_ns) largest_ns = ns;
        }
    }
    /* The largest one we take ourselves, unless we are busy with what only we may run. */
    ecsi_release_notify(worker, schedule, pinned ? pushed_ns : pushed_ns - largest_ns);
    ecsi_summon_call(&summon, worker, &schedule->latch);
    while (passing != NULL) {
        ecsi_node *node = passing;
        passing = node->next;
        ecsi_node_complete(worker, node);
    }
    ecsi_latch_help(worker, &schedule->latch);
    ecsi_summon_end(&summon);
#ifndef ECS_NO_ADAPTIVE
    schedule->gauge.shared = true;
    if (schedule->gauge.on) schedule->gauge.shared_ns += ecsi_cost_since(start);
#endif
    ecsi_segment_end(schedule, phase, place, end);
    return true;
}

/* What of a segment's cost others could take: all but the largest piece that is in one. Systems
 * that were not due this time count with what they took before: they may be due the next time. */
static double ecsi_segment_shareable(const ecsi_schedule *schedule, const ecsi_phase *phase,
                                     uint32_t place, uint32_t end)
{
    double total = 0;
    double largest = 0;
    ECSI_CHECK(schedule->sample);
    ECSI_CHECK(place <= end && end <= phase->count);
    for (; place < end; place++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        const ecsi_system *system = node->system;
        double piece = system->cost_ns;
        if (!system->enabled || piece < ECSI_PIECE_NS) continue;
        if (!system->unsplit && !system->query->system) {
            piece /= ecsi_max_u32(ecsi_query_block_count(system->query), 1);
        }
        total += system->cost_ns;
        if (piece > largest) largest = piece;
    }
    return total - largest;
}

#ifndef ECS_NO_ADAPTIVE
/* How much shorter a segment would be if all workers shared it, as a part of itself. What remains
 * is at least the work by the number of workers, and at least the longest chain of systems that
 * wait for each other, each spread over as many workers as it has row blocks for (the bounds of
 * R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", 1969). Work that n workers can
 * spread evenly saves 1 - 1/n: what (max - mean) / max says when one does all of it. What must go
 * one after the other saves nothing, and systems too small to share stay where they are. */
static double ecsi_segment_saves(ecsi_schedule *schedule, const ecsi_phase *phase,
                                 uint32_t place, uint32_t end)
{
    uint32_t workers = schedule->adaptive.workers;
    uint32_t words = (phase->count + 63) / 64;
    double all_ns = 0;
    double total_ns = 0;
    double least_ns = 0;
    uint32_t p;
    ECSI_CHECK(schedule->sample);
    ECSI_CHECK(place <= end && end <= phase->count);
    for (p = place; p < end; p++) ecsi_phase_node(schedule, phase, p)->path_ns = 0;
    for (p = place; p < end; p++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, p);
        const ecsi_system *system = node->system;
        const uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                             phase->reach + node->member * words);
        double path_ns = node->path_ns;
        uint32_t w;
        if (system->enabled) all_ns += system->cost_ns;
        if (system->enabled && system->cost_ns >= ECSI_PIECE_NS) {
            uint32_t parts = system->unsplit || system->query->system
                                 ? 1 : ecsi_max_u32(ecsi_query_block_count(system->query), 1);
            total_ns += system->cost_ns;
            path_ns += system->cost_ns / ecsi_min_u32(parts, workers);
        }
        if (path_ns > least_ns) least_ns = path_ns;
        for (w = 0; w < words; w++) {
            uint64_t bits = direct[w];
            for (; bits != 0; bits &= bits - 1) {
                ecsi_node *after = ecsi_node_at(schedule, phase->first + w * 64 +
                                                ecsi_lowest_bit(bits));
                if (path_ns > after->path_ns) after->path_ns = path_ns;
            }
        }
    }
    if (total_ns / workers > least_ns) least_ns = total_ns / workers;
    return total_ns > least_ns ? (total_ns - least_ns) / all_ns : 0;
}
#endif

/* Whether a segment should be shared, whose systems that are due took `due_ns` before. */
static bool ecsi_segment_worth(const ecsi_schedule *schedule, const ecsi_phase *phase,
                               uint32_t place, double due_ns)
{
    const ecsi_node *first = ecsi_phase_node(schedule, phase, place);
    ecs_worker *worker = schedule->worker;
    double ns = first->segment_ns < due_ns ? first->segment_ns : due_ns;
    ECSI_CHECK(first->system->run != NULL);
    ECSI_CHECK(place < phase->count);
    if (worker == NULL || worker->pool->worker_count == 1 || schedule->alone) return false;
    if (schedule->share_ns == 1) return true;
    if (schedule->share_ns != 0) return ns >= schedule->share_ns;
    if (ns < ECSI_SHARE_AWAKE_NS) return false;
    return ecsi_worker_shares(worker, (uint64_t)ns, ecsi_clock_ns());
}
#endif

/* ---- Segments ---------------------------------------- */

/* Runs the systems from `place` up to the next exclusive one; answers its place. */
static uint32_t ecsi_segment_run(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                                 float dt)
{
    double due_ns = 0;
    bool fresh = false; /* one is due that was never measured */
    uint32_t end;
    ECSI_CHECK(place < phase->count);
    ECSI_CHECK(schedule->ticking);
    for (end = place; end < phase->count; end++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, end);
        if (node->system->run_exclusive != NULL) break;
        ecsi_node_plan(schedule, node, dt);
        ECSI_CHECK(!node->system->failed);
        if (node->runs == 0) continue;
        due_ns += node->system->cost_ns;
        fresh = fresh || node->system->cost_runs == 0;
    }
    if (end == place) return end;
    schedule->sample = schedule->sample || (fresh && schedule->pool != NULL);
    if (ECSI_UNLIKELY(schedule->restores)) ecsi_segment_reserve(schedule, phase, place, end);
    /* Until the next flush: whether the exclusive systems in between are due is not known. */
    if (ecsi_schedule_limited(schedule) && schedule->share_stale) {
        ecsi_segment_shares(schedule, phase, place, phase->count);
        schedule->share_stale = false;
    }
#ifndef ECS_NO_THREADS
    if (!ecsi_segment_worth(schedule, phase, place, due_ns) ||
        !ecsi_segment_steal(schedule, phase, place, end)) {
        ecsi_segment_blocking(schedule, phase, place, end);
    }
    if (schedule->sample) {
        ecsi_phase_node(schedule, phase, place)->segment_ns =
            ecsi_segment_shareable(schedule, phase, place, end);
#ifndef ECS_NO_ADAPTIVE
        if (schedule->gauge.on) {
            ecsi_phase_node(schedule, phase, place)->segment_saves =
                ecsi_segment_saves(schedule, phase, place, end);
        }
#endif
    }
#else
    (void)due_ns;
    ecsi_segment_blocking(schedule, phase, place, end);
#endif
#ifndef ECS_NO_ADAPTIVE
    schedule->gauge.due_ns += due_ns;
    schedule->gauge.saved_ns += due_ns * ecsi_phase_node(schedule, phase, place)->segment_saves;
    for (; schedule->gauge.declares && place < end; place++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        if (node->runs > 0 && !node->skipped) ecsi_gauge_ran(schedule, node->system);
    }
#endif
    return end;
}

#endif /* ECS_BACKEND_H */

/* >>launch ==================================================== src/launch.h */

/* launch.h: asynchronous groups: what they read is copied, they run beside the ticks, and what
 * they recorded is applied when the tick comes that was named at the launch.
 *
 * Each system of a launch is a work. It is due, then somebody claims it and runs it, then it has
 * ended. A thread of the pool that has nothing else to do claims it, or the thread that
 * needs the results and finds it still due; so a busy pool only makes the tick wait, and no
 * pool at all is the same as one worker.
 *
 * Why the result is one: the copies are made at a defined place of the schedule, the streams'
 * serials are given there, each work records into memory of its own, and failures are judged
 * when the results are applied. What a work does in between nobody can see. */
/* floor: 11 */
#ifndef ECS_LAUNCH_H
#define ECS_LAUNCH_H

/* ---- Copies --------------------------------------------------------------------------- */

/* Copies what one system reads into a launch. */
typedef struct ecsi_copier {
    ecsi_launch *launch;
    const ecsi_system *system;
    const ecsi_components *components;
    size_t bytes_max;
    ecsi_span **link;               /* where the next span goes */
    void *columns[ECS_TERMS_MAX];   /* of terms that are no columns */
} ecsi_copier;

/* Memory for a copy; NULL: there is no room. Whether there is must not depend on the address of
 * the copies, which is a multiple of 64: above that a copy counts with all that it may skip. */
static void *ecsi_copy_take(const ecsi_copier *copier, size_t bytes, size_t align)
{
    ecsi_launch *launch = copier->launch;
    size_t start = ecsi_align_up(launch->copied, ecsi_min_u32(ecsi_max_u32((uint32_t)align, 16),
                                                              64));
    size_t slack = align > 64 ? align - 64 : 0;
    size_t at = (size_t)(uintptr_t)launch->copies + start;
    ECSI_CHECK(align <= ECS_ALIGN_MAX);
    ECSI_CHECK(launch->copied <= copier->bytes_max);
    if (start > copier->bytes_max || slack > copier->bytes_max - start) return NULL;
    if (bytes > copier->bytes_max - start - slack) return NULL;
    launch->copied = start + slack + bytes;
    if (slack > 0) start += ecsi_align_up(at, align) - at;
    ECSI_CHECK(start + bytes <= launch->copied);
    return launch->copies + start;
}

static void *ecsi_copy_bytes(const ecsi_copier *copier, const void *from, size_t bytes,
                             size_t align)
{
    void *to = ecsi_copy_take(copier, bytes, align);
    ECSI_CHECK(from != NULL || bytes == 0);
    if (to != NULL && bytes > 0) memcpy(to, from, bytes);
    return to;
}

#ifndef ECS_NO_EVENTS
/* The events that a system has not seen. */
static void *ecsi_copy_events(const ecsi_copier *copier, const ecsi_term_slot *slot,
                              const ecsi_component *c)
{
    ecs_events *events = (ecs_events *)ecsi_copy_bytes(copier, &slot->events,
                                                       sizeof slot->events, 16);
    ECSI_CHECK(slot->reader != 0);
    ECSI_CHECK(c->type.bytes > 0);
    if (events == NULL) return NULL;
    events->data = ecsi_copy_bytes(copier, slot->events.data,
                                   (size_t)events->count * c->type.bytes, c->type.align);
    return events->data != NULL ? events : NULL;
}
#endif

/* Terms that are no columns: resources and events. False: there is no room. */
static bool ecsi_copy_terms(ecsi_copier *copier)
{
    const ecsi_system *system = copier->system;
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        const ecsi_component *c = ecsi_component_at(copier->components, term->component);
        copier->columns[t] = NULL;
        if (term->access == ECS_ACCESS_RES_READ) {
            copier->columns[t] = ecsi_copy_bytes(copier, system->columns[t], c->type.bytes,
                                                 c->type.align);
#ifndef ECS_NO_EVENTS
        } else if (term->access == ECS_ACCESS_ON) {
            copier->columns[t] = ecsi_copy_events(copier, &system->slots[t], c);
#endif
        } else {
            continue;
        }
        if (copier->columns[t] == NULL) return false;
    }
    return true;
}

/* A span with room for the addresses of its columns. NULL: there is no room. */
static ecsi_span *ecsi_copy_span(ecsi_copier *copier, uint32_t count, uint32_t base)
{
    uint32_t terms = copier->system->query->term_count;
    ecsi_span *span = (ecsi_span *)ecsi_copy_take(copier, sizeof *span + terms * sizeof(void *),
                                                  16);
    ECSI_CHECK(*copier->link == NULL);
    if (span == NULL) return NULL;
    span->next = NULL;
    span->entities = NULL;
    span->count = count;
    span->base = base;
    memcpy(span + 1, copier->columns, terms * sizeof(void *));
    *copier->link = span;
    copier->link = &span->next;
    ECSI_CHECK(sizeof *span % sizeof(void *) == 0);
    return span;
}

/* One row block. False: there is no room. */
static bool ecsi_copy_block(ecsi_copier *copier, const ecsi_match *match, ecsi_chunk *chunk,
                            uint32_t row, uint32_t base)
{
    const ecsi_query *query = copier->system->query;
    const ecsi_table *table = match->table;
    uint32_t count = ecsi_min_u32(table->block_rows, chunk->count - row);
    ecsi_span *span = ecsi_copy_span(copier, count, base);
    void **columns;
    uint32_t t;
    ECSI_CHECK(row < chunk->count);
    if (span == NULL) return false;
    columns = (void **)(void *)(span + 1);
    span->entities = (const ecs_entity *)ecsi_copy_bytes(
        copier, ecsi_chunk_entities(chunk) + row, count * sizeof(ecs_entity), 16);
    if (span->entities == NULL) return false;
    for (t = 0; t < query->term_count; t++) {
        const ecsi_component *c = ecsi_component_at(copier->components,
                                                    query->terms[t].component);
        if (match->columns[t] == ECSI_NO_COLUMN) continue;
        ECSI_CHECK(!query->terms[t].writes);
        columns[t] = ecsi_copy_bytes(
            copier, ecsi_chunk_value(chunk, &table->columns[match->columns[t]], row),
            (size_t)count * c->type.bytes, c->type.align);
        if (columns[t] == NULL) return false;
    }
    return true;
}

/* All that a work reads. False: there is no room. */
static bool ecsi_work_copy(ecsi_schedule *schedule, ecsi_work *work, size_t bytes_max)
{
    const ecsi_query *query = work->system->query;
    ecsi_copier copier;
    uint32_t base = 0;
    uint32_t m;
    copier.launch = work->launch;
    copier.system = work->system;
    copier.components = schedule->flush->components;
    copier.bytes_max = bytes_max;
    copier.link = &work->first;
    ECSI_CHECK(work->first == NULL);
#ifndef ECS_NO_EVENTS
    if (work->system->has_events) ecsi_system_events(schedule, work->system, false);
#endif
    if (!ecsi_copy_terms(&copier)) return false;
    if (query->system) return ecsi_copy_span(&copier, 0, 0) != NULL;
    for (m = 0; m < query->matches.count; m++) {
        const ecsi_match *match = ecsi_match_at(query, m);
        const ecsi_table *table = match->table;
        ecsi_chunk *chunk = table->row_count == 0 ? NULL : table->first;
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            uint32_t row;
            ECSI_CHECK(table->block_rows > 0);
            for (row = 0; row < chunk->count; row += table->block_rows) {
                if (!ecsi_copy_block(&copier, match, chunk, row, base + row)) return false;
            }
            base += chunk->count;
        }
    }
    return true;
}

/* ---- Running -------------------------------------------------------------------------- */

/* One try over all spans; answers the status of the lowest row block that failed. */
static ecs_status ecsi_work_try(ecsi_work *work, ecs_worker *worker, uint32_t attempt,
                                uint32_t *block)
{
    ecsi_schedule *schedule = work->schedule;
    uint64_t serial = work->serial + (uint64_t)attempt * work->streams;
    ecs_status status = ECS_OK;
    ecs_commands cmd;
    ecs_view view;
    const ecsi_span *span;
    uint32_t number = 0;
    ECSI_CHECK(attempt < work->attempts);
    memset(&cmd, 0, sizeof cmd);
    cmd.flush = schedule->flush;
    cmd.queue = &work->queue;
    cmd.spawns_max = schedule->spawns_max;
    cmd.detached = true;
    cmd.components_known = work->components_known;
    cmd.events_known = work->events_known;
    memset(&view, 0, sizeof view);
    view.cmd = &cmd;
    view.worker = worker;
    view.user = work->user;
    view.tick = work->launch->tick;
    view.dt = work->dt;
    for (span = work->first; span != NULL; span = span->next, number++) {
        ecs_status one;
        if (number == 0 || !work->unsplit) {
            ecsi_stream_open(&cmd, serial + number, work->stamp, work->stream_bytes);
        }
        view.entities = span->entities;
        view.count = span->count;
        view.base = span->base;
        view.columns = (void *const *)(const void *)(span + 1);
        one = ECSI_UNLIKELY(schedule->watch != NULL)
                  ? ecsi_access_noted(schedule, work->system, &view)
                  : work->run(&view);
        if (ECSI_LIKELY(one == ECS_OK) || status != ECS_OK) continue;
        status = one;
        *block = number;
    }
    ECSI_CHECK(number <= work->streams || work->unsplit);
    return status;
}

/* Who has claimed a work runs it, with the retries that follow at once. */
static void ecsi_work_run(ecsi_work *work, ecs_worker *worker)
{
    uint32_t attempt;
    ECSI_CHECK(ECSI_LOAD(&work->state, relaxed) == ECSI_WORK_RUNNING);
    ECSI_CHECK(work->attempts > 0);
    ecsi_worker_busy(worker, 1);
    for (attempt = 0; attempt < work->attempts; attempt++) {
        uint64_t begin_ns = work->budget_ns != 0 ? ecsi_clock_ns() : 0;
        uint32_t block = 0;
        ecs_status status = ecsi_work_try(work, worker, attempt, &block);
        uint64_t ns = work->budget_ns != 0 ? ecsi_clock_ns() - begin_ns : 0;
        if (ns > work->budget_ns) {
            work->overruns++;
            if (ns - work->budget_ns > work->overrun_ns) work->overrun_ns = ns - work->budget_ns;
            if (work->budget_fails && status == ECS_OK) status = ECS_TIMEOUT;
        }
        work->failed = status != ECS_OK;
        if (!work->failed) break;
        /* The last one counts, even where the report has no room for all before it. */
        work->statuses[ecsi_min_u32(work->fail_count, ECS_FAILURES_MAX)] = status;
        work->blocks[ecsi_min_u32(work->fail_count, ECS_FAILURES_MAX)] = block;
        work->fail_count++;
    }
    ecsi_worker_busy(worker, -1);
}

/* Takes a work that is due. */
static bool ecsi_work_claim(ecsi_work *work)
{
    uint32_t due = ECSI_WORK_DUE;
    ECSI_CHECK(work->launch != NULL);
    /* Acquire: pairs with the release of ecsi_launch_begin, that filled it. */
    return ECSI_CAS(&work->state, &due, (uint32_t)ECSI_WORK_RUNNING, acquire, relaxed);
}

/* A claimed work has ended, run or not. */
static void ecsi_work_end(ecsi_work *work)
{
    ecs_latch *latch = &work->launch->latch;
    ECSI_CHECK(ECSI_LOAD(&work->state, relaxed) == ECSI_WORK_RUNNING);
    ECSI_CHECK((uint32_t)ECSI_LOAD(&latch->word, relaxed) > 0);
    /* Relaxed: the latch publishes it with the rest. */
    ECSI_STORE(&work->state, (uint32_t)ECSI_WORK_ENDED, relaxed);
#ifndef ECS_NO_THREADS
    if (work->schedule->pool != NULL) {
        ecsi_latch_down(work->schedule->pool, latch, 1);
        return;
    }
#endif
    ecs_latch_down(NULL, latch);
}

/* Claims it and runs it here, if it is still due. */
static void ecsi_work_begin(ecsi_work *work, ecs_worker *worker)
{
    ECSI_CHECK(work->launch != NULL);
    if (!ecsi_work_claim(work)) return;
    ECSI_CHECK(work->run != NULL);
#ifndef ECS_NO_THREADS
    /* Relaxed: only this thread must find itself there. */
    ECSI_STORE(&work->runner, ecsi_thread_number(), relaxed);
    ecsi_work_run(work, worker);
    ECSI_STORE(&work->runner, (uint64_t)0, relaxed);
#else
    ecsi_work_run(work, worker);
#endif
    ecsi_work_end(work);
}

static inline bool ecsi_launch_ended(const ecsi_launch *launch)
{
    ECSI_CHECK(launch->number != 0);
    /* Pairs with the count-down of ecsi_work_end: what the works wrote is visible. */
    return (uint32_t)ECSI_LOAD(&launch->latch.word, acquire) == 0;
}

#ifndef ECS_NO_THREADS
/* In the pool. `queued` counts the launches that this job stands for: one that comes while it
 * runs is looked at before it goes. The exchange at the end is the last access. */
static void ecsi_work_job(ecs_worker *worker, void *data)
{
    ecsi_work *work = (ecsi_work *)data;
    uint32_t seen = ECSI_LOAD(&work->queued, acquire);
    ECSI_CHECK(seen > 0);
    do {
        ecsi_work_begin(work, worker);
        ECSI_CHECK(work->schedule != NULL);
        /* Acquire: pairs with the release of ecsi_work_offer, whose work is due by then. Release:
         * pairs with the acquire of ecsi_groups_end, that frees the memory. */
    } while (!ECSI_CAS(&work->queued, &seen, 0u, acq_rel, acquire));
}

/* Hands a work that is due to the pool, if it is not there already. */
static void ecsi_work_offer(ecsi_work *work, bool again)
{
    ecs_pool *pool = work->schedule->pool;
    ECSI_CHECK(pool != NULL);
    ECSI_CHECK(work->job.run == ecsi_work_job);
    if (again && ECSI_LOAD(&work->queued, relaxed) != 0) {
        (void)ecsi_idle_notify(&pool->idle);
        return;
    }
    if (ECSI_ADD(&work->queued, 1u, acq_rel) != 0) return;
    /* Not in the pool: nobody else changes it. */
    if (!ecsi_job_background(pool, &work->job)) ECSI_STORE(&work->queued, 0u, relaxed);
}
#endif

/* Waits until all works of a launch have ended; runs those that nobody has begun. */
static void ecsi_launch_finish(ecsi_launch *launch, ecs_worker *worker)
{
    uint32_t i;
    ECSI_CHECK(launch->number != 0);
    ECSI_CHECK(launch->work_count > 0);
    for (i = 0; i < launch->work_count; i++) ecsi_work_begin(&launch->works[i], worker);
#ifndef ECS_NO_THREADS
    if (!ecsi_launch_ended(launch)) {
        ecs_worker *guest = worker;
        if (guest == NULL) guest = ecs_pool_enter(launch->works[0].schedule->pool);
        if (guest != NULL) ecs_latch_wait(guest, &launch->latch);
        if (worker == NULL) ecs_pool_leave(guest);
        while (!ecsi_launch_ended(launch)) ecsi_yield(); /* as many guests as may be */
    }
#endif
    ECSI_CHECK(ecsi_launch_ended(launch));
}

/* ---- Launching ------------------------------------------------------------------------ */

/* The place of the i-th launch under way, from the oldest on. */
static inline ecsi_launch *ecsi_group_launch(const ecsi_group *group, uint32_t i)
{
    ECSI_CHECK(i < group->desc.depth);
    ECSI_CHECK(group->launches != NULL);
    return &group->launches[(group->first + i) % group->desc.depth];
}

/* Fills a work that has ended but for its copies; `share` are its bytes for commands. A job of an
 * earlier launch may still lie in the pool: it reads nothing of this, for it finds no work that
 * is due. */
static void ecsi_work_fill(ecsi_schedule *schedule, ecsi_work *work, const ecsi_node *node,
                           unsigned char *commands, size_t share)
{
    ecsi_system *system = node->system;
    size_t stream_bytes = system->desc.stream_bytes_max;
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(share > sizeof(ecsi_block));
    work->system = system;
    work->run = system->run;
    work->user = system->desc.user;
    work->first = NULL;
    work->streams = ecsi_system_streams(system);
    work->attempts = system->attempts;
    work->stamp = system->stamp;
    work->components_known = schedule->flush->components->list.count;
#ifndef ECS_NO_EVENTS
    work->events_known = schedule->flush->events->list.count;
#endif
    work->unsplit = system->unsplit;
    work->dt = node->dt;
    work->budget_ns = system->desc.budget_ns;
    work->budget_fails = system->desc.budget_fails;
    work->overrun_ns = 0;
    work->overruns = 0;
    work->fail_count = 0;
    work->failed = false;
    if (stream_bytes == 0) stream_bytes = schedule->stream_bytes_max;
    work->stream_bytes = stream_bytes != 0 ? stream_bytes : ECSI_STREAM_BYTES;
    memset(&work->queue, 0, sizeof work->queue);
    work->queue.first = ecsi_block_put(commands, share);
    work->queue.last = work->queue.first;
    work->queue.bytes_max = share;
    work->queue.arena = &work->arena;
    work->arena.data = commands;
    work->arena.bytes = share;
    ECSI_STORE(&work->arena.used, (uint64_t)share, relaxed);
}

/* Copies what all systems that are due read. False: there is no room. */
static bool ecsi_launch_fill(ecsi_schedule *schedule, const ecsi_group *group,
                             ecsi_launch *launch, const ecsi_node *nodes)
{
    size_t share = group->desc.command_bytes_max / group->system_count & ~(size_t)63;
    uint32_t i;
    ECSI_CHECK(group->system_count > 0 && group->system_count <= ECS_GROUP_SYSTEMS_MAX);
    ECSI_CHECK(launch->number == 0 || ecsi_launch_ended(launch));
    launch->copied = 0;
    launch->work_count = 0;
    for (i = 0; i < group->system_count; i++) {
        ecsi_work *work = &launch->works[launch->work_count];
        if (nodes[i].runs == 0) continue;
        ecsi_work_fill(schedule, work, &nodes[i], launch->commands + share * i, share);
        if (!ecsi_work_copy(schedule, work, group->desc.copy_bytes_max)) return false;
        launch->work_count++;
    }
    return true;
}

/* Begins a launch that is filled: serials, events that were seen, jobs. */
static void ecsi_launch_begin(ecsi_schedule *schedule, ecsi_group *group, ecsi_launch *launch)
{
    uint32_t i;
    bool here = true;
    ECSI_CHECK(launch->work_count > 0);
    ECSI_CHECK(group->under_way < group->desc.depth);
    launch->number = ++group->state.launched;
    launch->tick = schedule->tick;
    launch->held = false;
    group->under_way++;
    schedule->under_way++;
    ECSI_STORE(&launch->latch.word, (uint64_t)launch->work_count, relaxed);
#ifndef ECS_NO_THREADS
    here = schedule->pool == NULL || schedule->pool->started == 0;
#endif
    for (i = 0; i < launch->work_count; i++) {
        ecsi_work *work = &launch->works[i];
        work->serial = schedule->flush->serial_next + 1;
        schedule->flush->serial_next += (uint64_t)work->streams * work->attempts;
#ifndef ECS_NO_EVENTS
        if (work->system->has_events) ecsi_system_seen(schedule, work->system);
#endif
#ifndef ECS_NO_ADAPTIVE
        if (schedule->gauge.declares) ecsi_gauge_ran(schedule, work->system);
#endif
        /* Release: pairs with the acquire of ecsi_work_claim. */
        ECSI_STORE(&work->state, (uint32_t)ECSI_WORK_DUE, release);
        if (here) ecsi_work_begin(work, schedule->worker);
#ifndef ECS_NO_THREADS
        if (!here) ecsi_work_offer(work, false);
#endif
    }
}

/* Launches a group if one of its systems is due. One that is refused is due again. */
static void ecsi_group_start(ecsi_schedule *schedule, ecsi_group *group, float dt)
{
    ecsi_node nodes[ECS_GROUP_SYSTEMS_MAX];
    ecsi_launch *launch = NULL;
    uint32_t count = 0;
    uint32_t due = 0;
    uint32_t i;
    ECSI_CHECK(group->detached);
    ECSI_CHECK(group->system_count <= ECS_GROUP_SYSTEMS_MAX);
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_node *node = &nodes[count];
        if (ecsi_system_at(schedule, i)->group != group) continue;
        memset(node, 0, sizeof *node);
        node->schedule = schedule;
        node->system = ecsi_system_at(schedule, i);
        ecsi_node_plan(schedule, node, dt);
        due += node->runs > 0 ? 1u : 0u;
        count++;
    }
    ECSI_CHECK(count == group->system_count);
    if (due == 0) return;
    if (group->under_way == group->desc.depth) {
        group->state.refused++;
    } else {
        launch = ecsi_group_launch(group, group->under_way);
        if (!ecsi_launch_fill(schedule, group, launch, nodes)) {
            group->state.too_large++;
            launch = NULL;
        }
    }
    if (launch != NULL) {
        ecsi_launch_begin(schedule, group, launch);
        return;
    }
    for (i = 0; i < count; i++) {
        if (nodes[i].runs > 0) ecsi_node_postpone(&nodes[i]);
    }
}

/* ---- Results -------------------------------------------------------------------------- */

/* A try that failed: what follows, unless the system is already waiting because of a launch
 * before this one. Answers whether it failed fast. */
static bool ecsi_work_failed(ecsi_work *work, ecsi_node *node, uint32_t k)
{
    ecsi_schedule *schedule = work->schedule;
    ecsi_system *system = node->system;
    uint32_t kept = ecsi_min_u32(k, ECS_FAILURES_MAX);
    ecs_failure failure = ecsi_failure_make(node, work->statuses[kept], work->blocks[kept]);
    ecsi_outcome outcome = ECSI_GO_ON;
    ECSI_CHECK(k < work->fail_count);
    ECSI_CHECK(!system->failed);
    failure.tick = work->launch->tick;
    if (system->broken || system->wait_ticks > 0) {
        failure.attempt = k;
        system->state.failures++;
        system->state.runs++;
        system->state.last = failure.status;
        system->state.last_tick = schedule->tick;
    } else {
        outcome = ecsi_node_failed(node, &failure);
        (void)ecsi_node_step(node, outcome);
        system->failed = false;
    }
    ecsi_report_failure(schedule, &failure, outcome == ECSI_STOP);
    return outcome == ECSI_STOP;
}

/* Does what follows from how a work went. Answers whether it failed fast. */
static bool ecsi_work_judge(ecsi_work *work)
{
    ecsi_system *system = work->system;
    ecs_tick_report *report = &work->schedule->report;
    ecsi_node node;
    bool fast = false;
    uint32_t k;
    ECSI_CHECK(work->fail_count <= work->attempts);
    if (system == NULL) return false; /* removed since */
    memset(&node, 0, sizeof node);
    node.schedule = work->schedule;
    node.system = system;
    node.runs = 1;
    node.dt = work->dt;
    report->systems_run += work->fail_count + (work->failed ? 0u : 1u);
    report->overruns += work->overruns;
    system->state.overruns += work->overruns;
    if (work->overrun_ns > system->state.overrun_ns) system->state.overrun_ns = work->overrun_ns;
    for (k = 0; k < work->fail_count; k++) fast = ecsi_work_failed(work, &node, k) || fast;
    if (work->failed) return fast;
    ECSI_CHECK(!fast);
    if (system->broken || system->wait_ticks > 0) {
        system->state.runs++;
    } else {
        ecsi_node_succeeded(&node);
        (void)ecsi_node_step(&node, ECSI_GO_ON);
    }
    return false;
}

static inline bool ecsi_batch_empty(const ecsi_batch *batch)
{
    return batch->first == NULL && !batch->spawned;
}

/* Applies what a launch recorded; the schedule's batch is empty. Answers whether a system of it
 * failed fast. */
static bool ecsi_launch_apply(ecsi_schedule *schedule, ecsi_launch *launch)
{
    ecsi_batch *batch = &schedule->batch;
    bool fast = false;
    uint32_t i;
    ECSI_CHECK(ecsi_launch_ended(launch));
    ECSI_CHECK(ecsi_batch_empty(batch));
    memset(batch, 0, sizeof *batch);
    for (i = 0; i < launch->work_count; i++) {
        ecsi_work *work = &launch->works[i];
        ecsi_queue_count(schedule->flush, &work->queue);
        ecsi_batch_add(batch, &work->queue);
        ecsi_batch_take(batch, &work->queue);
        fast = ecsi_work_judge(work) || fast;
    }
    for (i = 0; i < launch->work_count; i++) {
        const ecsi_work *work = &launch->works[i];
        if (work->fail_count == 0) continue;
        ecsi_batch_fail(schedule->flush, batch, work->serial,
                        work->serial + (uint64_t)work->fail_count * work->streams);
    }
    if (ecsi_batch_empty(batch)) memset(batch, 0, sizeof *batch);
    ecsi_schedule_flush(schedule);
    return fast;
}

/* Takes the results of all launches whose tick has come. Answers whether a system failed fast. */
static bool ecsi_group_collect(ecsi_schedule *schedule, ecsi_group *group)
{
    bool fast = false;
    ECSI_CHECK(group->under_way <= group->desc.depth);
    ECSI_CHECK(schedule->ticking);
    while (group->under_way > 0) {
        ecsi_launch *launch = ecsi_group_launch(group, 0);
        uint64_t after = group->desc.when_ready ? 1 : group->desc.apply_after;
        if (!launch->held) {
            if (schedule->tick - launch->tick < after) break;
            if (group->desc.when_ready && !ecsi_launch_ended(launch)) break;
            if (!ecsi_batch_empty(&schedule->batch)) ecsi_schedule_flush(schedule);
            if (!ecsi_batch_empty(&schedule->batch)) break;
            if (!ecsi_launch_ended(launch)) {
                group->state.waited++;
                ecsi_launch_finish(launch, schedule->worker);
            }
            fast = ecsi_launch_apply(schedule, launch) || fast;
            group->state.applied++;
        }
        /* Its memory is needed until its commands are applied. */
        launch->held = !ecsi_batch_empty(&schedule->batch);
        if (launch->held) break;
        group->first = (group->first + 1) % group->desc.depth;
        group->under_way--;
        schedule->under_way--;
    }
    return fast;
}

/* Begins a phase: results first, then new launches. Answers whether a system failed fast. */
static bool ecsi_groups_begin(ecsi_schedule *schedule, uint32_t phase, float dt)
{
    bool fast = false;
    uint32_t i;
    ECSI_CHECK(schedule->ticking);
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_group *group = ecsi_group_at(schedule, i);
        if (group->launches == NULL || group->phase != phase) continue;
        fast = ecsi_group_collect(schedule, group) || fast;
        if (group->detached && group->enabled) ecsi_group_start(schedule, group, dt);
    }
    ECSI_CHECK(schedule->under_way == 0 || schedule->groups.count > 0);
    return fast;
}

/* Begins a tick: works that nobody has begun, because the queue was full or those who were woken
 * had something else to do, are offered again. */
static void ecsi_groups_tick(const ecsi_schedule *schedule)
{
#ifndef ECS_NO_THREADS
    uint32_t i;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(schedule->groups.count <= schedule->groups_max);
    for (i = 0; i < schedule->groups.count && schedule->under_way > 0; i++) {
        const ecsi_group *group = ecsi_group_at(schedule, i);
        for (k = 0; k < group->under_way; k++) {
            ecsi_launch *launch = ecsi_group_launch(group, k);
            for (w = 0; w < launch->work_count && schedule->pool != NULL; w++) {
                ecsi_work *work = &launch->works[w];
                if (ECSI_LOAD(&work->state, relaxed) != ECSI_WORK_DUE) continue;
                ecsi_work_offer(work, true);
            }
        }
    }
#else
    (void)schedule;
#endif
}

/* ---- Life ------------------------------------------------------------------------------ */

/* A system goes away between ticks: its works end first, and what they recorded stays. */
static void ecsi_groups_forget(const ecsi_schedule *schedule, const ecsi_system *system)
{
    ecsi_group *group = system->group;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(!schedule->ticking);
    if (group == NULL) return;
    for (k = 0; k < group->under_way; k++) {
        ecsi_launch *launch = ecsi_group_launch(group, k);
        for (w = 0; w < launch->work_count; w++) {
            if (launch->works[w].system != system) continue;
            ecsi_launch_finish(launch, NULL);
            launch->works[w].system = NULL;
        }
    }
    ECSI_CHECK(group->under_way <= group->desc.depth);
}

#ifndef ECS_NO_THREADS
/* Waits until no job of an ended work is left in the pool. It looks through the queue itself, for
 * the thread that should may be this one; what belongs to other worlds goes back. */
static void ecsi_work_withdraw(ecsi_work *work)
{
    ecs_pool *pool = work->schedule->pool;
    ECSI_CHECK(ECSI_LOAD(&work->state, relaxed) == ECSI_WORK_ENDED);
    /* Acquire: pairs with the release of ecsi_work_job, which is gone then. */
    while (ECSI_LOAD(&work->queued, acquire) != 0) {
        ecs_job *job = (ecs_job *)ecsi_injector_pop(&pool->background);
        ecsi_work *found = job != NULL ? (ecsi_work *)job->data : NULL;
        ECSI_CHECK(job == NULL || job->run == ecsi_work_job);
        if (found != NULL && found->schedule == work->schedule) {
            ecsi_work_job(NULL, found);
        } else if (found != NULL && !ecsi_injector_push(&pool->background, job)) {
            /* No room any more: its world offers it again. Release: the last access. */
            ECSI_STORE(&found->queued, 0u, release);
        } else {
            if (found != NULL) (void)ecsi_idle_notify(&pool->idle);
            ecsi_yield();
        }
    }
}
#endif

/* Ends what is under way: works that run are waited for, others do not begin any more, and what
 * was recorded is dropped. */
static void ecsi_groups_end(ecsi_schedule *schedule)
{
    ecsi_queue_mark start;
    uint32_t i;
    uint32_t k;
    uint32_t w;
    memset(&start, 0, sizeof start);
    ECSI_CHECK(!schedule->ticking);
    /* What could not be applied, launches that are held included, is in no batch any more. */
    for (i = 0; i < schedule->lane_count && !ecsi_batch_empty(&schedule->batch); i++) {
        ecsi_queue_rewind(schedule->flush, &schedule->lanes[i].queue, start);
    }
    memset(&schedule->batch, 0, sizeof schedule->batch);
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_group *group = ecsi_group_at(schedule, i);
        for (k = 0; k < group->under_way; k++) {
            ecsi_launch *launch = ecsi_group_launch(group, k);
            for (w = 0; w < launch->work_count; w++) {
                if (ecsi_work_claim(&launch->works[w])) ecsi_work_end(&launch->works[w]);
            }
            ecsi_launch_finish(launch, NULL);
            for (w = 0; w < launch->work_count; w++) {
                ecsi_queue_rewind(schedule->flush, &launch->works[w].queue, start);
            }
        }
        schedule->under_way -= group->under_way;
        group->under_way = 0;
#ifndef ECS_NO_THREADS
        for (k = 0; group->launches != NULL && k < group->desc.depth; k++) {
            for (w = 0; w < ECS_GROUP_SYSTEMS_MAX; w++) {
                ecsi_work_withdraw(&group->launches[k].works[w]);
            }
        }
#endif
    }
    ECSI_CHECK(schedule->under_way == 0);
}

/* Whether the calling thread runs a system of an asynchronous group of this world. The world's
 * thread may add a group meanwhile. */
static bool ecsi_groups_inside(const ecsi_schedule *schedule)
{
    bool inside = false;
#ifndef ECS_NO_THREADS
    uint64_t self = ecsi_thread_number();
    uint32_t i;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(self != 0);
    ecsi_registry_lock(schedule->flush->components);
    for (i = 0; i < schedule->groups.count && !inside; i++) {
        const ecsi_group *group = ecsi_group_at(schedule, i);
        for (k = 0; group->launches != NULL && k < group->desc.depth; k++) {
            for (w = 0; w < ECS_GROUP_SYSTEMS_MAX; w++) {
                if (ECSI_LOAD(&group->launches[k].works[w].runner, relaxed) == self) inside = true;
            }
        }
    }
    ECSI_CHECK(schedule->groups.count <= schedule->groups_max);
    ecsi_registry_unlock(schedule->flush->components);
#else
    (void)schedule;
#endif
    return inside;
}

/* ---- Adding ----------------------------------------------------------------------------- */

/* The description with its defaults. */
static ecs_status ecsi_group_resolve(const ecsi_schedule *schedule, ecs_group_desc *d)
{
    ECSI_CHECK(schedule->memory != NULL);
    ECSI_REQUIRE(d->name != NULL && d->name[0] != 0, ECS_INVALID);
    ECSI_REQUIRE((uint32_t)d->on_error <= ECS_RETRY, ECS_INVALID);
    ECSI_REQUIRE((uint32_t)d->on_exhausted < ECS_RETRY, ECS_INVALID);
    ECSI_REQUIRE(d->retries <= ECS_RETRIES_MAX, ECS_INVALID);
    ECSI_REQUIRE(d->command_bytes_max == 0 || d->command_bytes_max >= 4096, ECS_INVALID);
    if (ecsi_group_find(schedule, d->name) != NULL) return ECS_EXISTS;
    if (ecsi_system_find(schedule, d->name) != ECSI_NO_SYSTEM) return ECS_EXISTS;
    if (d->depth > ECS_LAUNCHES_MAX || d->apply_after > UINT32_MAX / 2) return ECS_TOO_LARGE;
    if (d->apply_after == 0) d->apply_after = 1;
    if (d->depth == 0) d->depth = 1;
    if (d->copy_bytes_max == 0) d->copy_bytes_max = (size_t)1 << 20;
    if (d->command_bytes_max == 0) d->command_bytes_max = (size_t)256 << 10;
    if (d->copy_bytes_max > SIZE_MAX / 256 || d->command_bytes_max > UINT32_MAX / 2) {
        return ECS_TOO_LARGE;
    }
    if (d->asynchronous && schedule->memory->fixed &&
        d->command_bytes_max > schedule->bytes_max) {
        return ECS_TOO_LARGE;
    }
    return ECS_OK;
}

/* Memory for the launches of a group. */
static ecs_status ecsi_group_reserve(ecsi_schedule *schedule, ecsi_group *group)
{
    const ecs_group_desc *d = &group->desc;
    ecsi_memory *memory = schedule->memory;
    size_t copies = ecsi_align_up(d->copy_bytes_max, 64);
    size_t commands = ecsi_align_up(d->command_bytes_max, 64);
    size_t heads = d->depth * ecsi_align_up(sizeof(ecsi_launch), 64);
    unsigned char *data;
    uint32_t i;
    uint32_t w;
    ECSI_CHECK(d->depth > 0 && d->depth <= ECS_LAUNCHES_MAX);
    ECSI_CHECK(group->launches == NULL);
    group->bytes = heads + d->depth * (copies + commands);
    if (group->bytes > schedule->group_bytes_max - schedule->group_bytes) return ECS_FULL;
    data = (unsigned char *)(memory->fixed ? ecsi_keep(memory, group->bytes, 64)
                                           : ecsi_alloc(memory, group->bytes, 64));
    if (data == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    schedule->group_bytes += group->bytes;
    memset(data, 0, heads);
    group->launches = (ecsi_launch *)(void *)data;
    data += heads;
    for (i = 0; i < d->depth; i++, data += copies + commands) {
        ecsi_launch *launch = &group->launches[i];
        launch->copies = data;
        launch->commands = data + copies;
        for (w = 0; w < ECS_GROUP_SYSTEMS_MAX; w++) {
            launch->works[w].schedule = schedule;
            launch->works[w].launch = launch;
#ifndef ECS_NO_THREADS
            launch->works[w].job.run = ecsi_work_job;
            launch->works[w].job.data = &launch->works[w];
#endif
        }
    }
    return ECS_OK;
}

/* Nothing is changed on failure. */
static ecs_status ecsi_group_insert(ecsi_schedule *schedule, const ecs_group_desc *desc)
{
    ecsi_memory *memory = schedule->memory;
    ecsi_keep_mark mark = ecsi_keep_where(memory);
    ecs_group_desc d = *desc;
    ecsi_group *group;
    ecs_status status = ecsi_group_resolve(schedule, &d);
    ECSI_CHECK(!schedule->ticking);
    if (status == ECS_OK) { /* works may look for themselves in the list meanwhile */
        ecsi_registry_lock(schedule->flush->components);
        status = ecsi_vec_reserve(memory, &schedule->groups, schedule->groups.count + 1,
                                  schedule->groups_max, sizeof(ecsi_group *));
        ecsi_registry_unlock(schedule->flush->components);
    }
    if (status != ECS_OK) return status;
    group = (ecsi_group *)ecsi_keep(memory, sizeof *group, 64);
    if (group == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    status = ecsi_name_copy(group->name, d.name);
    if (status == ECS_OK) {
        status = ecsi_order_copy(group->order_names, d.before, &group->before_count);
    }
    if (status == ECS_OK) {
        status = ecsi_order_copy(group->order_names + group->before_count, d.after,
                                 &group->after_count);
    }
    group->desc = d;
    group->desc.name = group->name;
    group->enabled = !d.disabled;
    if (status == ECS_OK && d.asynchronous) status = ecsi_group_reserve(schedule, group);
    if (status != ECS_OK) {
        ecsi_keep_rewind(memory, mark);
        return status;
    }
    ecsi_registry_lock(schedule->flush->components);
    *ECSI_VEC_AT(ecsi_group *, &schedule->groups, schedule->groups.count++) = group;
    ecsi_registry_unlock(schedule->flush->components);
    group->number = schedule->groups.count;
    schedule->built = false;
    ECSI_CHECK(group->launches != NULL || !d.asynchronous);
    return ECS_OK;
}

/* Gives the launches' memory back; nothing is under way. */
static void ecsi_groups_release(const ecsi_schedule *schedule)
{
    uint32_t i;
    ECSI_CHECK(schedule->under_way == 0);
    ECSI_CHECK(schedule->memory != NULL);
    for (i = 0; i < schedule->groups.count && !schedule->memory->fixed; i++) {
        ecsi_group *group = ecsi_group_at(schedule, i);
        if (group->launches == NULL) continue;
        ecsi_release(schedule->memory, group->launches, group->bytes, 64);
        group->launches = NULL;
    }
}

#endif /* ECS_LAUNCH_H */

/* >>tick ======================================================== src/tick.h */

/* tick.h: a tick: the phases in their order, each with its groups and segments. */
/* floor: 11 */
#ifndef ECS_TICK_H
#define ECS_TICK_H

/* Runs all systems of a phase once, and applies what they recorded. */
static void ecsi_phase_run(ecsi_schedule *schedule, uint32_t number, float dt)
{
    const ecsi_phase *phase = ecsi_phase_at(schedule, number);
    uint32_t place = 0;
    bool fast = false;
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(!schedule->stop);
    if (schedule->groups.count > 0) fast = ecsi_groups_begin(schedule, number, dt);
    if (phase->count == 0) {
        schedule->stop = fast;
        return;
    }
    schedule->share_stale = true;
    while (place < phase->count) {
        ecsi_node *node;
        place = ecsi_segment_run(schedule, phase, place, dt);
        if (place == phase->count) break;
        node = ecsi_phase_node(schedule, phase, place);
        ECSI_CHECK(node->system->run_exclusive != NULL);
        place++;
        if (!node->system->enabled) continue;
        if (ECSI_UNLIKELY(schedule->stop || ecsi_tick_cancelled(schedule)) &&
            ecsi_node_blocked(schedule, phase, node)) {
            schedule->report.systems_skipped++;
            continue;
        }
        ecsi_exclusive_run(schedule, node, dt);
    }
    ecsi_schedule_flush(schedule);
    for (place = 0; place < phase->count && schedule->stop; place++) {
        ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, place))->failed = false;
    }
    schedule->stop = schedule->stop || fast;
}

/* No phase begins any more. */
static inline bool ecsi_tick_over(const ecsi_schedule *schedule)
{
    return schedule->stop || ecsi_tick_cancelled(schedule);
}

/* All phases in order, until a system fails fast. The schedule is built. */
static ecs_status ecsi_schedule_tick(ecsi_schedule *schedule, float dt)
{
    const ecsi_flush *flush = schedule->flush;
    uint64_t applied = flush->applied;
    uint64_t dropped = flush->dropped;
    uint64_t refused = flush->refused;
    ecs_tick_report *report = &schedule->report;
    bool enters = schedule->pool != NULL;
    uint32_t p;
    ECSI_CHECK(!schedule->ticking);
    ECSI_CHECK(schedule->built);
    report->status = ECS_OK;
    report->tick = schedule->tick;
    report->systems_run = 0;
    report->systems_skipped = 0;
    report->failure_count = 0;
    report->failures_lost = 0;
    report->overruns = 0;
    report->cancelled = false;
    schedule->ticking = true;
    schedule->stop = false;
    schedule->sample = schedule->pool != NULL &&
                       (schedule->samples < ECSI_SAMPLE_FIRST ||
                        ecsi_tick_drawn(schedule->samples, ECSI_SAMPLE_BITS));
    schedule->samples++;
#ifndef ECS_NO_ADAPTIVE
    if (!ecsi_gauge_begin(schedule)) enters = false;
#endif
    if (enters) schedule->worker = ecs_pool_enter(schedule->pool);
    schedule->flush->worker = schedule->worker;
    if (ECSI_UNLIKELY(schedule->under_way > 0)) ecsi_groups_tick(schedule);
    for (p = 0; p < schedule->phase_order.count && !ecsi_tick_over(schedule); p++) {
        uint32_t number = *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p);
        ecsi_phase *phase = ecsi_phase_at(schedule, number);
        uint32_t steps = 1;
        if (phase->fixed.step_s > 0) {
            steps = ecsi_fixed_steps(&phase->fixed, dt);
        }
        for (; steps > 0 && !ecsi_tick_over(schedule); steps--) {
            ecsi_phase_run(schedule, number, phase->fixed.step_s > 0 ? phase->fixed.step_s : dt);
        }
    }
    if (ecsi_tick_cancelled(schedule)) {
        ECSI_STORE(&schedule->cancel, 0u, relaxed);
        report->cancelled = true;
        if (report->status == ECS_OK) report->status = ECS_CANCELLED;
    }
    ecs_pool_leave(schedule->worker);
    schedule->worker = NULL;
    schedule->flush->worker = NULL;
#ifndef ECS_NO_ADAPTIVE
    ecsi_gauge_end(schedule);
#endif
    schedule->ticking = false;
    report->commands_applied = flush->applied - applied;
    report->commands_dropped = flush->dropped - dropped;
    report->commands_refused = flush->refused - refused;
    return report->status;
}

#endif /* ECS_TICK_H */

/* >>remove ==================================================== src/remove.h */

/* remove.h: takes systems out between ticks.
 *
 * What a system has is given back: its event readers, its query, its memory. Getters stay, for
 * they belong to the component. The order in which the others were registered stays as it is,
 * so what they do next is what they would have done without it. Commands that are recorded
 * already carry the system's stamp, which no other system ever gets. */
/* floor: 11 */
#ifndef ECS_REMOVE_H
#define ECS_REMOVE_H

/* The last report holds pointers to names: those of this system go into the schedule. */
static void ecsi_report_detach(ecsi_schedule *schedule, const ecsi_system *system)
{
    ecs_tick_report *report = &schedule->report;
    uint32_t i;
    ECSI_CHECK(report->failure_count <= ECS_FAILURES_MAX);
    ECSI_CHECK(system != NULL);
    for (i = 0; i < report->failure_count; i++) {
        if (report->failures[i].system != system->name) continue;
        memcpy(schedule->gone_names[i], system->name, sizeof system->name);
        report->failures[i].system = schedule->gone_names[i];
    }
}

/* Its fini may edit the world and tick it, but not add or remove systems. */
static void ecsi_system_take_out(ecsi_schedule *schedule, uint32_t index)
{
    ecsi_system *system = ecsi_system_at(schedule, index);
    ecsi_system **list = (ecsi_system **)schedule->systems.data;
    uint32_t after = schedule->systems.count - index - 1;
    ECSI_CHECK(!schedule->ticking);
    ECSI_CHECK(!schedule->adding);
    memmove(&list[index], &list[index + 1], after * sizeof *list);
    schedule->systems.count--;
    schedule->built = false;
    ecsi_report_detach(schedule, system);
    ecsi_groups_forget(schedule, system);
    if (system->desc.fini != NULL) {
        schedule->adding = true;
        system->desc.fini(schedule->world, system->desc.user);
        schedule->adding = false;
    }
    ecsi_system_free(schedule, system);
}

#endif /* ECS_REMOVE_H */

/* >>validate ================================================ src/validate.h */

/* validate.h: says what is wrong with a schedule, all of it at once and by name.
 *
 * schedule.h builds and stops at a status; this module looks for the reasons:
 *
 *   errors     names that are not there or in another phase, a system that is ordered against
 *              itself, cycles, and in strict mode conflicts without an order
 *   warnings   doubled names, what a description says without effect, events that nobody emits or
 *              reads, systems that were refused
 *   notes      phases without systems
 *
 * Cycles are found shortest first from each system on; the edges of one that was found count no
 * more, so cycles that share a system are found as well, and each edge is in one cycle at most. */
/* floor: 11 */
#ifndef ECS_VALIDATE_H
#define ECS_VALIDATE_H

/* Bytes of the last line of a text that did not fit. */
#define ECSI_TEXT_TAIL_BYTES 48u
/* Bytes of a line in the log. */
#define ECSI_LOG_LINE_BYTES 400
#define ECSI_NO_MEMBER 0xffffffffu

typedef struct ecsi_findings {
    const ecsi_schedule *schedule;
    ecsi_text text;
    uint32_t counts[3]; /* by ecs_log_level */
} ecsi_findings;

/* Ends a text: where it did not fit, its last line says how much is missing. */
static void ecsi_text_end(char *text, size_t bytes, const ecsi_text *t)
{
    size_t kept;
    if (text == NULL || t->total < bytes || bytes <= ECSI_TEXT_TAIL_BYTES) return;
    kept = bytes - ECSI_TEXT_TAIL_BYTES;
    ECSI_CHECK(kept > 0);
    ECSI_CHECK(t->total > kept);
    (void)snprintf(text + kept, ECSI_TEXT_TAIL_BYTES, "\n... %llu bytes more\n",
                   (unsigned long long)(t->total - kept));
}

static void ecsi_finding(ecsi_findings *findings, ecs_log_level level)
{
    static const char *const names[] = {"error", "warning", "note"};
    ECSI_CHECK((uint32_t)level < 3);
    ECSI_CHECK(findings->schedule != NULL);
    findings->counts[level]++;
    ecsi_print(&findings->text, "%s: ", names[level]);
}

static const char *ecsi_access_name(uint32_t access)
{
    static const char *const names[] = {"?",         "READ",     "WRITE",          "WITH",
                                        "NOT",       "OPTIONAL", "OPTIONAL_WRITE", "ANY",
                                        "ANY",       "RES_READ", "RES_WRITE",      "ON",
                                        "EMIT",      "LOOKUP"};
    ECSI_CHECK(access < ECS_ACCESS_COUNT);
    ECSI_CHECK(sizeof names / sizeof *names == ECS_ACCESS_COUNT);
    return names[access];
}

/* What two systems both touch: every component once, with how the first and the second use it. */
static void ecsi_conflict_print(ecsi_text *text, const ecsi_schedule *schedule,
                                const ecsi_system *a, const ecsi_system *b, bool accesses)
{
    const ecsi_components *components = schedule->queries->storage->components;
    uint32_t last = 0;
    uint32_t count = 0;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(a != b);
    if (a->run_exclusive != NULL || b->run_exclusive != NULL) {
        ecsi_print(text, "the whole world");
        return;
    }
    for (i = 0; i < a->query->term_count; i++) {
        const ecsi_query_term *x = &a->query->terms[i];
        for (k = 0; k < b->query->term_count; k++) {
            const ecsi_query_term *y = &b->query->terms[k];
            if (x->component == last || !ecsi_terms_conflict(x, y)) continue;
            last = x->component;
            ecsi_print(text, "%s%s", count == 0 ? "" : ", ",
                       ecsi_component_at(components, last)->name);
            if (accesses) {
                ecsi_print(text, " (%s, %s)", ecsi_access_name(x->access),
                           ecsi_access_name(y->access));
            }
            count++;
        }
    }
    ECSI_CHECK(count > 0);
}

/* ---- Names ---------------------------------------------------------------------------- */

/* One name of an order list, the `n`-th of the system's. */
static void ecsi_validate_name(ecsi_findings *findings, const ecsi_system *system, uint32_t n)
{
    const ecsi_schedule *schedule = findings->schedule;
    const char *name = system->order_names[n];
    const char *list = n < system->before_count ? "before" : "after";
    uint32_t from = n < system->before_count ? 0 : system->before_count;
    uint32_t other = ecsi_system_find(schedule, name);
    ECSI_CHECK(n < system->before_count + system->after_count);
    ECSI_CHECK(name[0] != 0);
    for (; from < n; from++) {
        if (strcmp(system->order_names[from], name) != 0) continue;
        ecsi_finding(findings, ECS_LOG_WARNING);
        ecsi_print(&findings->text, "system %s: '%s' names %s twice\n", system->name, list, name);
        return;
    }
    if (strcmp(system->name, name) == 0) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "system %s: '%s' names itself\n", system->name, list);
    } else if (ecsi_system_named(system, name)) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "system %s: '%s' names its own group %s\n", system->name,
                   list, name);
    } else if (ecsi_order_known(schedule, name, system->phase, true)) {
        return;
    } else if (ecsi_group_find(schedule, name) != NULL) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text,
                   "system %s of phase %s: '%s' names the group %s, which has no system there\n",
                   system->name, ecsi_phase_at(schedule, system->phase)->name, list, name);
    } else if (other == ECSI_NO_SYSTEM) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "system %s: '%s' names %s, and no system has that name\n",
                   system->name, list, name);
    } else {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text,
                   "system %s of phase %s: '%s' names %s, which is not in its phase but in %s\n",
                   system->name, ecsi_phase_at(schedule, system->phase)->name, list, name,
                   ecsi_phase_at(schedule, ecsi_system_at(schedule, other)->phase)->name);
    }
}

/* ---- Descriptions --------------------------------------------------------------------- */

/* Whether there is anything that `restore` would save. */
static bool ecsi_validate_writes(const ecsi_system *system)
{
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        if (term->writes || term->access == ECS_ACCESS_RES_WRITE) return true;
    }
    return false;
}

static void ecsi_validate_warn(ecsi_findings *findings, const ecsi_system *system, bool is,
                               const char *text)
{
    ECSI_CHECK(system->name[0] != 0);
    ECSI_CHECK(text != NULL);
    if (!is) return;
    ecsi_finding(findings, ECS_LOG_WARNING);
    ecsi_print(&findings->text, "system %s %s\n", system->name, text);
}

/* What a description asks for and cannot have, or says without effect. */
static void ecsi_validate_desc(ecsi_findings *findings, const ecsi_system *system)
{
    const ecsi_schedule *schedule = findings->schedule;
    const ecs_system_desc *desc = &system->desc;
    bool retries = desc->on_error == ECS_RETRY;
    bool skips = desc->on_error == ECS_SKIP || (retries && desc->on_exhausted == ECS_SKIP);
    bool steps = system->fixed.step_s > 0;
    ECSI_CHECK((uint32_t)desc->on_error >= ECS_FAIL_FAST);
    ECSI_CHECK(schedule->bytes_max > 0);
    ecsi_validate_warn(findings, system,
                       desc->restore && schedule->restore_bytes_max == 0 &&
                           ecsi_validate_writes(system),
                       "has restore, but restore_bytes_max is 0: it fails once there are rows");
    ecsi_validate_warn(findings, system, desc->stream_bytes_max > schedule->bytes_max,
                       "has a stream_bytes_max above command_bytes_max of the world");
    ecsi_validate_warn(findings, system, (desc->retries > 0 || desc->retry_ticks > 0) && !retries,
                       "has retries, but its on_error is not ECS_RETRY");
    ecsi_validate_warn(findings, system, desc->breaker_failures > 0 && !skips,
                       "has breaker_failures, but no failure of it is skipped");
    ecsi_validate_warn(findings, system, desc->breaker_ticks > 0 && desc->breaker_failures == 0,
                       "has breaker_ticks, but no breaker_failures");
    ecsi_validate_warn(findings, system, desc->budget_fails && desc->budget_ns == 0,
                       "has budget_fails, but no budget_ns");
    ecsi_validate_warn(findings, system, steps && (desc->every_ticks > 1 || desc->interval_s > 0),
                       "has a fixed step: its every_ticks and interval_s have no effect");
    ecsi_validate_warn(findings, system, desc->steps_max > 0 && !steps,
                       "has steps_max, but no step_s");
}

/* Calls that should have added a system. */
static void ecsi_validate_refused(ecsi_findings *findings)
{
    const ecsi_schedule *schedule = findings->schedule;
    uint32_t kept = ecsi_min_u32(schedule->refused_count, ECSI_REFUSED_MAX);
    uint32_t i;
    for (i = 0; i < kept; i++) {
        const ecsi_refused *refused = &schedule->refused[i];
        ECSI_CHECK(refused->status != ECS_OK);
        ecsi_finding(findings, ECS_LOG_WARNING);
        ecsi_print(&findings->text, "system %s was not added: %s\n", refused->name,
                   ecs_status_text(refused->status));
    }
    if (schedule->refused_count == kept) return;
    ECSI_CHECK(kept == ECSI_REFUSED_MAX);
    ecsi_finding(findings, ECS_LOG_WARNING);
    ecsi_print(&findings->text, "%u more systems were not added\n",
               schedule->refused_count - kept);
}

/* A group: its order lists, and whether it does what it should. */
static void ecsi_validate_group(ecsi_findings *findings, const ecsi_group *group)
{
    const ecsi_schedule *schedule = findings->schedule;
    uint32_t n;
    ECSI_CHECK(group->number != 0);
    for (n = 0; n < group->before_count + group->after_count && group->system_count > 0; n++) {
        const char *name = group->order_names[n];
        const char *list = n < group->before_count ? "before" : "after";
        uint32_t other = ecsi_system_find(schedule, name);
        if (strcmp(group->name, name) == 0 ||
            (other != ECSI_NO_SYSTEM && ecsi_system_at(schedule, other)->group == group)) {
            ecsi_finding(findings, ECS_LOG_ERROR);
            ecsi_print(&findings->text, "group %s: '%s' names %s\n", group->name, list,
                       other == ECSI_NO_SYSTEM ? "itself" : "one of its own systems");
        } else if (!ecsi_order_known(schedule, name, 0, false)) {
            ecsi_finding(findings, ECS_LOG_ERROR);
            ecsi_print(&findings->text,
                       "group %s: '%s' names %s, and no system or group has that name\n",
                       group->name, list, name);
        }
    }
    if (group->reason[0] != 0) {
        ecsi_finding(findings, ECS_LOG_WARNING);
        ecsi_print(&findings->text, "group %s is asynchronous, but runs synchronously: %s\n",
                   group->name, group->reason);
    }
    if (group->system_count == 0) {
        ecsi_finding(findings, ECS_LOG_INFO);
        ecsi_print(&findings->text, "group %s has no systems\n", group->name);
    }
    ECSI_CHECK(group->system_count <= schedule->systems.count);
}

/* ---- Cycles --------------------------------------------------------------------------- */

/* The explicit edges of a phase; `graph->reach` holds them and not what follows from them. */
static void ecsi_validate_edges(ecsi_graph *graph)
{
    uint32_t i;
    uint32_t n;
    ECSI_CHECK(graph->count > 0);
    memset(graph->reach, 0, (size_t)graph->count * graph->words * sizeof(uint64_t));
    for (i = 0; i < graph->count; i++) {
        const ecsi_system *system = ecsi_system_at(graph->schedule, graph->members[i]);
        for (n = 0; n < ecsi_order_count(system); n++) {
            bool before;
            bool own;
            const char *name = ecsi_order_name(system, n, &before, &own);
            uint32_t k = ecsi_graph_next(graph, name, 0);
            for (; k < graph->count; k = ecsi_graph_next(graph, name, k + 1)) {
                uint32_t from = before ? i : k;
                uint32_t to = before ? k : i;
                if (from == to) continue;
                graph->reach[(size_t)from * graph->words + to / 64] |= (uint64_t)1 << (to % 64);
            }
        }
    }
    ECSI_CHECK(graph->words > 0);
}

/* The shortest way from `start` back to it, breadth first. `parent` says where each member was
 * reached from. Answers the last member of the way, or ECSI_NO_MEMBER. */
static uint32_t ecsi_validate_search(const ecsi_graph *graph, uint32_t start, uint32_t *queue,
                                     uint32_t *parent)
{
    uint32_t count = 1;
    uint32_t i;
    uint32_t w;
    ECSI_CHECK(start < graph->count);
    ECSI_CHECK(queue != parent);
    for (i = 0; i < graph->count; i++) parent[i] = ECSI_NO_MEMBER;
    queue[0] = start;
    for (i = 0; i < count; i++) {
        const uint64_t *row = &graph->reach[(size_t)queue[i] * graph->words];
        if (ecsi_graph_has(graph, queue[i], start)) return queue[i];
        for (w = 0; w < graph->words; w++) {
            uint64_t bits = row[w];
            for (; bits != 0; bits &= bits - 1) {
                uint32_t to = w * 64 + ecsi_lowest_bit(bits);
                if (parent[to] != ECSI_NO_MEMBER) continue;
                parent[to] = queue[i];
                queue[count++] = to;
            }
        }
    }
    ECSI_CHECK(count <= graph->count);
    return ECSI_NO_MEMBER;
}

/* Prints the way from `start` to `end` and back, and takes its edges out of the graph. */
static void ecsi_validate_cycle(ecsi_findings *findings, ecsi_graph *graph, uint32_t start,
                                uint32_t end, uint32_t *way, const uint32_t *parent)
{
    uint32_t count = 0;
    uint32_t at = end;
    ECSI_CHECK(start < graph->count);
    ECSI_CHECK(end < graph->count);
    for (; at != start; at = parent[at]) way[count++] = at;
    ECSI_CHECK(count < graph->count);
    ecsi_finding(findings, ECS_LOG_ERROR);
    ecsi_print(&findings->text, "cycle: %s",
               ecsi_system_at(graph->schedule, graph->members[start])->name);
    for (at = start; ; at = way[count]) {
        uint32_t to = count == 0 ? start : way[count - 1];
        graph->reach[(size_t)at * graph->words + to / 64] &= ~((uint64_t)1 << (to % 64));
        ecsi_print(&findings->text, " -> %s",
                   ecsi_system_at(graph->schedule, graph->members[to])->name);
        if (count == 0) break;
        count--;
    }
    ecsi_print(&findings->text, "\n");
}

/* ---- One phase ------------------------------------------------------------------------ */

/* The pairs that conflict and have no order, in strict mode. */
static void ecsi_validate_conflicts(ecsi_findings *findings, ecsi_graph *graph)
{
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(graph->schedule->strict);
    memset(graph->reach, 0, (size_t)graph->count * graph->words * sizeof(uint64_t));
    ecsi_graph_names(graph);
    for (i = 0; i < graph->count; i++) {
        const ecsi_system *first = ecsi_system_at(graph->schedule, graph->members[i]);
        for (k = i + 1; k < graph->count; k++) {
            const ecsi_system *second = ecsi_system_at(graph->schedule, graph->members[k]);
            uint32_t component;
            if (ecsi_graph_has(graph, i, k) || ecsi_graph_has(graph, k, i)) continue;
            if (!ecsi_systems_conflict(first, second, &component)) continue;
            ecsi_finding(findings, ECS_LOG_ERROR);
            ecsi_print(&findings->text, "conflict: %s and %s both touch ", first->name,
                       second->name);
            ecsi_conflict_print(&findings->text, graph->schedule, first, second, true);
            ecsi_print(&findings->text, " and have no order\n");
        }
    }
    ECSI_CHECK(i == graph->count);
}

/* Cycles and conflicts of a phase whose members are known. What it writes to is rebuilt before
 * it is used. */
static void ecsi_validate_phase(ecsi_findings *findings, ecsi_schedule *schedule,
                                const ecsi_phase *phase)
{
    uint32_t *way = ECSI_VEC_AT(uint32_t, &schedule->order,
                                schedule->systems.count + phase->first);
    uint32_t *parent = (uint32_t *)schedule->before.data;
    ecsi_graph graph;
    uint32_t start = 0;
    ECSI_CHECK(!schedule->built);
    ECSI_CHECK(phase->count > 0);
    ecsi_graph_begin(&graph, schedule, phase);
    ecsi_validate_edges(&graph);
    while (start < graph.count) {
        uint32_t end = ecsi_validate_search(&graph, start, way, parent);
        if (end == ECSI_NO_MEMBER) {
            start++;
        } else {
            ecsi_validate_cycle(findings, &graph, start, end, way, parent);
        }
    }
    if (schedule->strict) ecsi_validate_conflicts(findings, &graph);
}

/* ---- Events --------------------------------------------------------------------------- */

#ifndef ECS_NO_EVENTS
/* Whether a system has a term. */
static bool ecsi_schedule_uses(const ecsi_schedule *schedule, uint32_t component,
                               uint32_t access)
{
    uint32_t i;
    uint32_t t;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(access < ECS_ACCESS_COUNT);
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_query *query = ecsi_system_at(schedule, i)->query;
        for (t = 0; t < query->term_count; t++) {
            if (query->terms[t].component != component) continue;
            if (query->terms[t].access == access) return true;
        }
    }
    return false;
}

/* Events that go from nobody, or to nobody. */
static void ecsi_validate_events(ecsi_findings *findings, const ecsi_system *system)
{
    const ecsi_schedule *schedule = findings->schedule;
    const ecsi_components *components = schedule->queries->storage->components;
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        const ecsi_component *c = ecsi_component_at(components, term->component);
        const ecsi_event *event;
        if (c->event == 0) continue;
        event = ecsi_event_at(schedule->flush->events, c->event - 1);
        if (term->access == ECS_ACCESS_ON && event->sent == 0 &&
            !ecsi_schedule_uses(schedule, term->component, ECS_ACCESS_EMIT)) {
            ecsi_finding(findings, ECS_LOG_WARNING);
            ecsi_print(&findings->text, "system %s reads the event %s, which no system emits\n",
                       system->name, c->name);
        } else if (term->access == ECS_ACCESS_EMIT && event->reader_count == 0) {
            ecsi_finding(findings, ECS_LOG_WARNING);
            ecsi_print(&findings->text, "system %s emits the event %s, which nobody reads\n",
                       system->name, c->name);
        }
    }
    ECSI_CHECK(t == system->query->term_count);
}
#endif

/* ---- All of it ------------------------------------------------------------------------ */

static void ecsi_validate_phases(ecsi_findings *findings)
{
    const ecsi_schedule *schedule = findings->schedule;
    uint32_t empty = 0;
    uint32_t p;
    uint32_t s;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    for (p = 0; p < schedule->phase_order.count; p++) {
        uint32_t number = *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p);
        for (s = 0; s < schedule->systems.count; s++) {
            if (ecsi_system_at(schedule, s)->phase == number) break;
        }
        if (s < schedule->systems.count) continue;
        if (empty == 0) {
            ecsi_finding(findings, ECS_LOG_INFO);
            ecsi_print(&findings->text, "no systems in phase ");
        }
        ecsi_print(&findings->text, "%s%s", empty == 0 ? "" : ", ",
                   ecsi_phase_at(schedule, number)->name);
        empty++;
    }
    if (empty > 0) ecsi_print(&findings->text, "\n");
    ECSI_CHECK(empty <= schedule->phases.count);
}

/* Everything that is to be said, in a fixed order. `status` is the answer of the build. */
static void ecsi_validate_all(ecsi_findings *findings, ecsi_schedule *schedule,
                              ecs_status status)
{
    bool ordered = status == ECS_NOT_FOUND || status == ECS_CYCLE || status == ECS_CONFLICT;
    uint32_t i;
    uint32_t n;
    ECSI_CHECK(findings->schedule == schedule);
    ECSI_CHECK(schedule->built == (status == ECS_OK));
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        for (n = 0; n < system->before_count + system->after_count; n++) {
            ecsi_validate_name(findings, system, n);
        }
        ecsi_validate_desc(findings, system);
    }
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_validate_group(findings, ecsi_group_at(schedule, i));
    }
    for (i = 1; i <= schedule->phases.count && ordered; i++) {
        const ecsi_phase *phase = ecsi_phase_at(schedule, i);
        if (phase->count > 0) ecsi_validate_phase(findings, schedule, phase);
    }
    if (status != ECS_OK && !ordered) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "%s\n", ecs_status_text(status));
    }
#ifndef ECS_NO_EVENTS
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_validate_events(findings, ecsi_system_at(schedule, i));
    }
#endif
    ecsi_validate_refused(findings);
    ecsi_validate_phases(findings);
}

/* Builds, and writes all findings behind a line that counts them. */
static ecs_status ecsi_schedule_validate(ecsi_schedule *schedule, char *text, size_t bytes)
{
    ecs_status status = ecsi_schedule_order(schedule);
    ecsi_findings findings;
    ECSI_CHECK(!schedule->ticking);
    memset(&findings, 0, sizeof findings);
    findings.schedule = schedule;
    ecsi_validate_all(&findings, schedule, status);
    findings.text = ecsi_text_begin(text, bytes);
    ecsi_print(&findings.text, "schedule: %u systems in %u phases, %u errors, %u warnings\n",
               schedule->systems.count, schedule->phases.count, findings.counts[ECS_LOG_ERROR],
               findings.counts[ECS_LOG_WARNING]);
    ECSI_CHECK((findings.counts[ECS_LOG_ERROR] == 0) == (status == ECS_OK));
    ecsi_validate_all(&findings, schedule, status);
    ecsi_text_end(text, bytes, &findings.text);
    return status;
}

/* Builds; what is wrong goes into schedule->error and, the errors line by line, into the log. */
static ecs_status ecsi_schedule_build(ecsi_schedule *schedule)
{
    const char *line = schedule->error;
    ecs_status status;
    if (ECSI_LIKELY(schedule->built)) return ECS_OK;
    status = ecsi_schedule_order(schedule);
    schedule->error[0] = 0;
    if (status == ECS_OK) return ECS_OK;
    (void)ecsi_schedule_validate(schedule, schedule->error, sizeof schedule->error);
    while (*line != 0) {
        const char *end = strchr(line, '\n');
        size_t bytes = end == NULL ? strlen(line) : (size_t)(end - line);
        size_t more = bytes > ECSI_LOG_LINE_BYTES ? bytes - ECSI_LOG_LINE_BYTES : 0;
        ECSI_CHECK(bytes < sizeof schedule->error);
        if (strncmp(line, "error", 5) == 0 || strncmp(line, "...", 3) == 0) {
            ecsi_log_print(schedule->log, ECS_LOG_ERROR, "schedule: %.*s", (int)(bytes - more),
                           line);
            if (more > 0) {
                ecsi_log_print(schedule->log, ECS_LOG_ERROR, "schedule: ... %u bytes more",
                               (uint32_t)more);
            }
        }
        line += bytes + (end != NULL ? 1 : 0);
    }
    return status;
}

#endif /* ECS_VALIDATE_H */

/* >>hash ======================================================== src/hash.h */

/* hash.h: the world hash, the oracle of determinism.
 *
 * It sees what programs can see and nothing else: no address, no capacity, no padding of
 * listed types. Components count by the hash of their name; tables count in order of
 * creation, because that is the order of iteration, and columns by id: the order in which
 * types are registered is an input like any other. */
/* floor: 12 */
#ifndef ECS_HASH_H
#define ECS_HASH_H

#ifndef ECS_NO_HASH

/* `count` values of a component: by hook, as a whole, or by field. */
static uint64_t ecsi_hash_values(uint64_t h, const ecsi_component *c, const void *values,
                                 uint32_t count)
{
    const unsigned char *p = (const unsigned char *)values;
    uint32_t i;
    uint32_t m;
    ECSI_CHECK(c->type.bytes > 0);
    ECSI_CHECK(values != NULL || count == 0);
    if (c->hooks.hash != NULL) {
        for (i = 0; i < count; i++) {
            h = ecsi_mix(h, c->hooks.hash(p + (size_t)i * c->type.bytes, h, c->hooks.user));
        }
        return h;
    }
    if (c->hash_whole) return ecsi_hash_bytes(h, values, (size_t)count * c->type.bytes);
    for (i = 0; i < count; i++, p += c->type.bytes) {
        for (m = 0; m < c->type.member_count; m++) {
            const ecs_member *member = &c->type.members[m];
            if (member->bytes <= 8) {
                h = ecsi_mix(h, ecsi_load_le(p + member->offset, member->bytes));
            } else {
                h = ecsi_hash_bytes(h, p + member->offset, member->bytes);
            }
        }
    }
    return h;
}

static uint64_t ecsi_hash_entities(uint64_t h, const ecsi_entities *entities)
{
    uint32_t i;
    h = ecsi_mix(h, entities->front.record_count);
    for (i = 0; i < entities->front.record_count; i++) {
        const ecsi_record *record = ecsi_entities_record(entities, i);
        h = h * 0xbf58476d1ce4e5b9u + record->generation * 2u + (record->place != 0 ? 1u : 0u);
    }
    ECSI_CHECK(entities->front.alive_count <= entities->front.record_count);
    ECSI_CHECK(entities->free_list.count <= entities->front.record_count);
    return ecsi_hash_bytes(h, entities->free_list.data,
                           entities->free_list.count * sizeof(ecs_entity));
}

/* Rows that are hashed as one piece: chunks of all sizes are made of such pieces. */
#define ECSI_HASH_ROWS 64u

/* An empty table cannot be seen: it counts for nothing. */
static uint64_t ecsi_hash_table(uint64_t h, const ecsi_storage *storage, const ecsi_table *table)
{
    ecsi_chunk *chunk;
    uint32_t i;
    uint32_t row;
    if (table->row_count == 0) return h;
    h = ecsi_mix(h, (uint64_t)table->component_count << 32 | table->row_count);
    for (i = 0; i < table->component_count; i++) {
        h = ecsi_mix(h, ecsi_component_at(storage->components, table->ids[i])->name_hash);
    }
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        for (row = 0; row < chunk->count; row += ECSI_HASH_ROWS) {
            uint32_t count = ecsi_min_u32(ECSI_HASH_ROWS, chunk->count - row);
            ECSI_CHECK(chunk->table == table);
            h = ecsi_hash_bytes(h, ecsi_chunk_entities(chunk) + row, count * sizeof(ecs_entity));
            h = ecsi_mix(h, *ecsi_chunk_row_tick(chunk, row));
            for (i = 0; i < table->column_count; i++) {
                const ecsi_column *column = &table->columns[i];
                h = ecsi_mix(h, *ecsi_chunk_tick(chunk, i, row));
                h = ecsi_hash_values(h, ecsi_component_at(storage->components,
                                                          column->component),
                                     ecsi_chunk_value(chunk, column, row), count);
            }
        }
    }
    ECSI_CHECK(table->first != NULL);
    return h;
}

static uint64_t ecsi_hash_resources(uint64_t h, const ecsi_components *components)
{
    uint32_t id;
    ECSI_CHECK(components->list.count <= components->max);
    for (id = 1; id <= components->list.count; id++) {
        const ecsi_component *c = ecsi_component_at(components, id);
        if (c->resource == NULL) continue;
        ECSI_CHECK(c->type.bytes > 0);
        h = ecsi_hash_values(ecsi_mix(h, c->name_hash), c, c->resource, 1);
    }
    return h;
}

#ifndef ECS_NO_EVENTS
static uint64_t ecsi_hash_events(uint64_t h, const ecsi_events *events)
{
    uint32_t i;
    ECSI_CHECK(events->list.count <= events->components->max);
    for (i = 0; i < events->list.count; i++) {
        const ecsi_event *event = ecsi_event_at(events, i);
        const ecsi_component *c = ecsi_component_at(events->components, event->component);
        h = ecsi_mix(ecsi_mix(h, c->name_hash), event->position);
        h = ecsi_mix(ecsi_mix(h, event->count), event->reader_count);
        h = ecsi_hash_values(h, c, event->data + (size_t)event->begin * event->bytes,
                             event->count);
    }
    for (i = 1; i <= events->readers.count; i++) {
        const ecsi_reader *reader = ecsi_reader_at(events, i);
        ECSI_CHECK(reader->event <= events->list.count);
        h = ecsi_mix(ecsi_mix(h, reader->event), reader->event == 0 ? 0 : reader->position);
    }
    return h;
}
#endif

/* Bits of a time. */
static uint64_t ecsi_hash_time(uint64_t h, double seconds)
{
    uint64_t bits;
    ECSI_CHECK(sizeof bits == sizeof seconds);
    memcpy(&bits, &seconds, sizeof bits);
    ECSI_CHECK(seconds >= 0);
    return ecsi_mix(h, bits);
}

/* What a launch will answer follows from the world as it was in the tick of the launch. One that
 * is applied when it is ready is an input, and does not count. */
static uint64_t ecsi_hash_group(uint64_t h, const ecsi_group *group)
{
    uint32_t i;
    h = ecsi_mix(ecsi_mix(h, ecsi_hash_text(group->name)), group->enabled ? 1u : 0u);
    ECSI_CHECK(group->under_way == 0 || group->launches != NULL);
    for (i = 0; i < group->under_way && !group->desc.when_ready; i++) {
        const ecsi_launch *launch = &group->launches[(group->first + i) % group->desc.depth];
        ECSI_CHECK(launch->number != 0);
        h = ecsi_mix(ecsi_mix(h, launch->number), launch->tick);
    }
    return h;
}

static uint64_t ecsi_hash_schedule(uint64_t h, const ecsi_schedule *schedule)
{
    uint32_t i;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    for (i = 1; i <= schedule->phases.count; i++) {
        h = ecsi_hash_time(h, ecsi_phase_at(schedule, i)->fixed.saved_s);
    }
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        h = ecsi_mix(h, ecsi_hash_text(system->name));
        h = ecsi_hash_time(ecsi_hash_time(h, system->since_s), system->fixed.saved_s);
        h = ecsi_mix(h, (uint64_t)system->ticks << 1 | (system->enabled ? 1u : 0u));
        h = ecsi_mix(h, (uint64_t)system->wait_ticks << 32 | (uint64_t)system->retried << 2 |
                        (system->broken ? 2u : 0u) | (system->probing ? 1u : 0u));
        h = ecsi_mix(h, system->failed_in_row);
        ECSI_CHECK(system->phase <= schedule->phases.count);
    }
    for (i = 0; i < schedule->groups.count; i++) {
        h = ecsi_hash_group(h, ecsi_group_at(schedule, i));
    }
    return h;
}

#endif /* ECS_NO_HASH */

#endif /* ECS_HASH_H */

/* >>explain ================================================== src/explain.h */

/* explain.h: says in words why a query matches, a schedule has its order, an entity is
 * where it is, and commands were dropped. */
/* floor: 12 */
#ifndef ECS_EXPLAIN_H
#define ECS_EXPLAIN_H

#ifndef ECS_NO_EXPLAIN

/* Tables of a query that are listed one by one. */
#define ECSI_EXPLAIN_TABLES_MAX 256u

static const char *ecsi_component_name(const ecsi_components *components, uint32_t id)
{
    ECSI_CHECK(components != NULL);
    return ecsi_component_known(components, id) ? ecsi_component_at(components, id)->name : "?";
}

static void ecsi_explain_set(ecsi_text *text, const ecsi_components *components,
                             const ecsi_table *table)
{
    uint32_t i;
    ECSI_CHECK(table != NULL);
    ECSI_CHECK(text != NULL);
    ecsi_print(text, "{");
    for (i = 0; i < table->component_count; i++) {
        ecsi_print(text, "%s%s", i == 0 ? "" : ", ",
                   ecsi_component_name(components, table->ids[i]));
    }
    ecsi_print(text, "}");
}

static void ecsi_explain_terms(ecsi_text *text, const ecsi_components *components,
                               const ecsi_query *query)
{
    uint32_t t;
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    ECSI_CHECK(query->terms != NULL || query->term_count == 0);
    if (query->term_count == 0) ecsi_print(text, " no terms");
    for (t = 0; t < query->term_count; t++) {
        ecsi_print(text, " %s(%s)", ecsi_access_name(query->terms[t].access),
                   ecsi_component_name(components, query->terms[t].component));
    }
}

/* The first term that a table fails. */
static void ecsi_explain_mismatch(ecsi_text *text, const ecsi_components *components,
                                  const ecsi_query *query, const ecsi_table *table)
{
    uint32_t t;
    ECSI_CHECK(!ecsi_query_matches(query, table));
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        bool has = ecsi_table_find(table, term->component) != NULL;
        const char *name = ecsi_component_name(components, term->component);
        if (ecsi_access_is_required(term->access) && !has) {
            ecsi_print(text, "no: %s(%s) is missing", ecsi_access_name(term->access), name);
            return;
        }
        if (term->access == ECS_ACCESS_NOT && has) {
            ecsi_print(text, "no: it has NOT(%s)", name);
            return;
        }
    }
    ecsi_print(text, "no: none of an ANY group");
    ECSI_CHECK(t == query->term_count);
}

static void ecsi_explain_query_text(ecsi_text *text, const ecsi_queries *queries,
                                    const ecsi_query *query)
{
    const ecsi_storage *storage = queries->storage;
    uint32_t t;
    ECSI_CHECK(query != NULL);
    ecsi_print(text, "query %s:", query->name);
    ecsi_explain_terms(text, storage->components, query);
    ecsi_print(text, "\n%u of %u tables match, %u rows\n", query->matches.count,
               storage->tables.count, ecsi_query_row_count(query));
    for (t = 0; t < storage->tables.count && t < ECSI_EXPLAIN_TABLES_MAX; t++) {
        const ecsi_table *table = ecsi_table_at(storage, t);
        ecsi_print(text, "  table %u ", t);
        ecsi_explain_set(text, storage->components, table);
        ecsi_print(text, " %u rows: ", table->row_count);
        if (ecsi_query_matches(query, table)) {
            ecsi_print(text, "yes");
        } else {
            ecsi_explain_mismatch(text, storage->components, query, table);
        }
        ecsi_print(text, "\n");
    }
    ECSI_CHECK(t <= storage->tables.count);
}

static void ecsi_explain_entity_text(ecsi_text *text, const ecsi_storage *storage,
                                     ecs_entity entity)
{
    const ecsi_entities *entities = storage->entities;
    const ecsi_record *record = ecsi_entities_find(entities, entity);
    uint32_t index = ecs_index(entity);
    ECSI_CHECK(entities->front.record_count <= entities->max);
    if (record != NULL) {
        const ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
        ecsi_print(text, "entity %u generation %u: alive, table %u, row %u of chunk %u\n", index,
                   ecs_generation(entity), chunk->table->id, ecsi_record_row(entities, record),
                   chunk->number);
        ecsi_explain_set(text, storage->components, chunk->table);
        ecsi_print(text, "\n");
    } else if (ecs_is_null(entity)) {
        ecsi_print(text, "the null entity\n");
    } else if (ecs_is_provisional(entity)) {
        ecsi_print(text, "a provisional handle: its spawn is recorded, or its flush is over\n");
    } else if (index >= entities->front.record_count) {
        ecsi_print(text, "entity %u: this world never had such a slot\n", index);
    } else {
        uint32_t generation = ecsi_entities_record(entities, index)->generation;
        ecsi_print(text, "entity %u generation %u: stale; ", index, ecs_generation(entity));
        if (generation == 0) {
            ecsi_print(text, "the slot is free\n");
        } else {
            ecsi_print(text, "generation %u lives there\n", generation);
        }
    }
    ECSI_CHECK(text->total > 0);
}

/* What follows when a system fails, and where it stands after failures. */
static void ecsi_explain_failure(ecsi_text *text, const ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    ecs_on_error policy = desc->on_error;
    ECSI_CHECK((uint32_t)policy >= ECS_FAIL_FAST);
    ECSI_CHECK(system->attempts > 0);
    ecsi_print(text, " a failure%s", desc->restore ? " is undone and" : "");
    if (policy == ECS_RETRY) {
        ecsi_print(text, " is retried up to %u times", desc->retries);
        if (desc->retry_ticks == 0) {
            ecsi_print(text, " at once, then");
        } else {
            ecsi_print(text, ", after %u ticks and twice as many each time, then",
                       desc->retry_ticks);
        }
        policy = desc->on_exhausted;
    }
    ecsi_print(text, policy == ECS_SKIP ? " is skipped" : " stops the tick");
    if (policy == ECS_SKIP && desc->breaker_failures > 0) {
        ecsi_print(text, ", %u in a row break it until ", desc->breaker_failures);
        if (desc->breaker_ticks == 0) {
            ecsi_print(text, "it is enabled");
        } else {
            ecsi_print(text, "%u ticks later", desc->breaker_ticks);
        }
    }
    if (system->broken) ecsi_print(text, "; it is broken");
    if (system->wait_ticks > 0) ecsi_print(text, "; it waits for %u ticks", system->wait_ticks);
}

/* What a description says about when and how a system runs, where that is not the default. */
static void ecsi_explain_policy(ecsi_text *text, const ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    size_t total = text->total;
    ECSI_CHECK(system->name[0] != 0);
    ecsi_print(text, "    runs:");
    if (!system->enabled) ecsi_print(text, " disabled;");
    if (desc->run_if != NULL) ecsi_print(text, " when run_if says so;");
    if (desc->every_ticks > 1) ecsi_print(text, " every %u ticks;", desc->every_ticks);
    if (desc->interval_s > 0) ecsi_print(text, " after %g s;", (double)desc->interval_s);
    if (system->fixed.step_s > 0) {
        ecsi_print(text, " in steps of %g s, at most %u a tick;", (double)system->fixed.step_s,
                   system->fixed.steps_max);
    }
    if (desc->main_thread) {
        ecsi_print(text, " on the thread that ticks;");
    } else if (system->unsplit && system->run != NULL) {
        ecsi_print(text, " unsplit;");
    }
    if (desc->stream_bytes_max != 0) {
        ecsi_print(text, " at most %llu bytes of commands a row block;",
                   (unsigned long long)desc->stream_bytes_max);
    }
    if (desc->io_intents > 0) ecsi_print(text, " declares %u I/O requests;", desc->io_intents);
    if (desc->budget_ns > 0) {
        ecsi_print(text, " more than %llu ns %s;", (unsigned long long)desc->budget_ns,
                   desc->budget_fails ? "are a failure" : "are counted");
    }
    ecsi_explain_failure(text, system);
    ecsi_print(text, "\n");
    ECSI_CHECK(text->total > total);
}

/* Why one system comes where it comes: what it must wait for, directly. */
static void ecsi_explain_system(ecsi_text *text, const ecsi_schedule *schedule,
                                const ecsi_phase *phase, uint32_t member)
{
    const ecsi_components *components = schedule->queries->storage->components;
    const ecsi_system *system =
        ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, member));
    uint32_t i;
    ECSI_CHECK(schedule->built);
    ecsi_print(text, "  %s%s%s:", system->name, system->run_exclusive != NULL ? " exclusive" : "",
               system->enabled ? "" : " disabled");
    ecsi_explain_terms(text, components, system->query);
    ecsi_print(text, "\n");
    ecsi_explain_policy(text, system);
    for (i = 0; i < phase->count; i++) {
        const ecsi_system *other =
            ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, i));
        uint32_t component;
        if (i == member || !ecsi_phase_after(schedule, phase, i, member)) continue;
        if (ecsi_system_precedes(other, system)) {
            ecsi_print(text, "    after %s: explicit order\n", other->name);
        } else if (ecsi_systems_conflict(other, system, &component)) {
            ecsi_print(text, "    after %s: both touch ", other->name);
            ecsi_conflict_print(text, schedule, other, system, true);
            ecsi_print(text, "\n");
        }
    }
    ECSI_CHECK(i == phase->count);
}

/* A group, and those of its systems that are in no phase's order. */
static void ecsi_explain_group(ecsi_text *text, const ecsi_schedule *schedule,
                               const ecsi_group *group)
{
    const ecsi_components *components = schedule->queries->storage->components;
    const ecs_group_desc *desc = &group->desc;
    uint32_t i;
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(group->number != 0);
    ecsi_print(text, "group %s:%s %u systems", group->name, group->enabled ? "" : " disabled,",
               group->system_count);
    if (group->reason[0] != 0) {
        ecsi_print(text, ", asynchronous, but runs synchronously: %s", group->reason);
    } else if (group->detached && group->phase != 0) {
        ecsi_print(text, ", asynchronous, launched when %s begins, applied ",
                   ecsi_phase_at(schedule, group->phase)->name);
        if (desc->when_ready) {
            ecsi_print(text, "when ready");
        } else {
            ecsi_print(text, "%u ticks later", desc->apply_after);
        }
        ecsi_print(text, ", %u of %u under way", group->under_way, desc->depth);
    }
    ecsi_print(text, "\n");
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        if (system->group != group) continue;
        ecsi_print(text, "  %s%s:", system->name, system->enabled ? "" : " disabled");
        ecsi_explain_terms(text, components, system->query);
        ecsi_print(text, "\n");
        if (system->detached) ecsi_explain_policy(text, system);
    }
}

static void ecsi_explain_schedule_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    uint32_t p;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    if (!schedule->built) {
        ecsi_print(text, "not built%s%s", schedule->error[0] == 0 ? " yet\n" : ":\n",
                   schedule->error);
        return;
    }
    for (p = 0; p < schedule->phase_order.count; p++) {
        const ecsi_phase *phase =
            ecsi_phase_at(schedule, *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p));
        uint32_t place;
        ecsi_print(text, "phase %s: %u systems", phase->name, phase->count);
        if (phase->fixed.step_s > 0) {
            ecsi_print(text, ", fixed step %g s, at most %u a tick",
                       (double)phase->fixed.step_s, phase->fixed.steps_max);
        }
        ecsi_print(text, "\n");
        for (place = 0; place < phase->count; place++) {
            ecsi_explain_system(text, schedule, phase,
                                ecsi_phase_member(schedule, phase, place));
        }
    }
    ECSI_CHECK(p == schedule->phase_order.count);
    for (p = 0; p < schedule->groups.count; p++) {
        ecsi_explain_group(text, schedule, ecsi_group_at(schedule, p));
    }
}

static const char *ecsi_explain_recorder(const ecsi_schedule *schedule, uint32_t system)
{
    uint32_t i;
    ECSI_CHECK(schedule != NULL);
    if (system == ECSI_NO_SYSTEM) return "the world's stream";
    for (i = 0; i < schedule->systems.count; i++) {
        if (ecsi_system_at(schedule, i)->stamp == system) return ecsi_system_at(schedule, i)->name;
    }
    return "a system that was removed";
}

static void ecsi_explain_drops_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    static const char *const kinds[] = {"stream", "spawn", "despawn", "add",
                                        "remove", "set",   "custom",  "event"};
    const ecsi_flush *flush = schedule->flush;
    uint32_t kept = ecsi_min_u32(flush->drop_count, ECSI_DROPS_MAX);
    uint32_t i;
    ecsi_print(text, "%u commands dropped, the last %u:\n", flush->drop_count, kept);
    for (i = flush->drop_count - kept; i != flush->drop_count; i++) {
        const ecsi_drop *drop = &flush->drops[i % ECSI_DROPS_MAX];
        ECSI_CHECK(drop->kind <= ECSI_COMMAND_EVENT);
        ecsi_print(text, "  tick %llu: %s", (unsigned long long)drop->tick, kinds[drop->kind]);
        if (drop->component != 0) {
            ecsi_print(text, " %s", ecsi_component_name(flush->components, drop->component));
        }
        if ((drop->entity >> 31 & 1u) != 0) {
            ecsi_print(text, " on a provisional entity");
        } else {
            ecsi_print(text, " on entity %u generation %u", (uint32_t)drop->entity,
                       (uint32_t)(drop->entity >> 32));
        }
        ecsi_print(text, ", recorded by %s: %s", ecsi_explain_recorder(schedule, drop->system),
                   ecs_status_text(drop->why));
        if (drop->killer != ECSI_NO_SYSTEM) {
            ecsi_print(text, "; despawned by %s",
                       ecsi_explain_recorder(schedule, drop->killer));
        }
        ecsi_print(text, "\n");
    }
    ECSI_CHECK(kept <= ECSI_DROPS_MAX);
}

#endif /* ECS_NO_EXPLAIN */

#endif /* ECS_EXPLAIN_H */

/* >>dot ========================================================== src/dot.h */

/* dot.h: a built schedule as a graph for Graphviz.
 *
 * Phases are clusters, in their order. A solid edge is an explicit order, a dashed one a
 * conflict, with what both touch as its label. A conflict that follows from other edges is left
 * out. Exclusive systems are boxes, disabled ones grey, broken ones red, those that run beside the
 * ticks have a dashed frame and no edges; when a system runs and what follows when it fails is its
 * tooltip. Names are escaped. */
/* floor: 12 */
#ifndef ECS_DOT_H
#define ECS_DOT_H

#ifndef ECS_NO_EXPLAIN

/* Of a line about a system's policy. */
#define ECSI_DOT_INDENT 4

/* A name as it may stand in a quoted string: control characters become spaces. */
static void ecsi_dot_name(ecsi_text *text, const char *name)
{
    ECSI_CHECK(text != NULL);
    ECSI_CHECK(name != NULL);
    for (; *name != 0; name++) {
        if (*name == '"' || *name == '\\') {
            ecsi_print(text, "\\%c", *name);
        } else {
            ecsi_print(text, "%c", (unsigned char)*name < 32 ? ' ' : *name);
        }
    }
}

static void ecsi_dot_node(ecsi_text *text, const ecsi_system *system, uint32_t index)
{
    char what[ECSI_SCHEDULE_TEXT_BYTES];
    const char *color = !system->enabled ? "grey" : system->broken ? "red" : "black";
    ecsi_text policy = ecsi_text_begin(what, sizeof what);
    ECSI_CHECK(system->name[0] != 0);
    ecsi_explain_policy(&policy, system);
    ECSI_CHECK(policy.total > ECSI_DOT_INDENT);
    ecsi_print(text, "    n%u [label=\"", index);
    ecsi_dot_name(text, system->name);
    ecsi_print(text, "\", shape=%s, color=%s, fontcolor=%s%s, tooltip=\"",
               system->run_exclusive != NULL ? "box" : "ellipse", color, color,
               system->detached ? ", style=dashed" : "");
    ecsi_dot_name(text, what + ECSI_DOT_INDENT);
    ecsi_print(text, "\"];\n");
}

/* The edges that leave member `from`. */
static void ecsi_dot_edges(ecsi_text *text, const ecsi_schedule *schedule,
                           const ecsi_phase *phase, uint32_t from)
{
    uint32_t words = (phase->count + 63) / 64;
    const uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                         phase->reach + from * words);
    uint32_t index = ecsi_phase_system(schedule, phase, from);
    const ecsi_system *system = ecsi_system_at(schedule, index);
    char what[ECSI_SCHEDULE_TEXT_BYTES];
    uint32_t to;
    ECSI_CHECK(from < phase->count);
    for (to = 0; to < phase->count; to++) {
        uint32_t other_index = ecsi_phase_system(schedule, phase, to);
        const ecsi_system *other = ecsi_system_at(schedule, other_index);
        ecsi_text label;
        if (to == from || !ecsi_phase_after(schedule, phase, from, to)) continue;
        if (ecsi_system_precedes(system, other)) {
            ecsi_print(text, "  n%u -> n%u;\n", index, other_index);
            continue;
        }
        if ((direct[to / 64] >> (to % 64) & 1u) == 0) continue;
        label = ecsi_text_begin(what, sizeof what);
        ecsi_conflict_print(&label, schedule, system, other, false);
        ECSI_CHECK(label.total > 0);
        ecsi_print(text, "  n%u -> n%u [style=dashed, label=\"", index, other_index);
        ecsi_dot_name(text, what);
        ecsi_print(text, "\"];\n");
    }
}

static void ecsi_dot_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    uint32_t p;
    uint32_t i;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    ecsi_print(text, "digraph schedule {\n  rankdir=LR;\n");
    if (!schedule->built) ecsi_print(text, "  label=\"not built\";\n");
    for (p = 0; p < schedule->phase_order.count && schedule->built; p++) {
        const ecsi_phase *phase =
            ecsi_phase_at(schedule, *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p));
        ecsi_print(text, "  subgraph cluster_%u {\n    label=\"", p);
        ecsi_dot_name(text, phase->name);
        ecsi_print(text, "\";\n");
        for (i = 0; i < phase->count; i++) {
            uint32_t index = ecsi_phase_system(schedule, phase, i);
            ecsi_dot_node(text, ecsi_system_at(schedule, index), index);
        }
        /* They are in no phase's order: each stands where its group is launched. */
        for (i = 0; i < schedule->systems.count; i++) {
            const ecsi_system *system = ecsi_system_at(schedule, i);
            if (!system->detached || ecsi_phase_at(schedule, system->phase) != phase) continue;
            ecsi_dot_node(text, system, i);
        }
        ecsi_print(text, "  }\n");
        for (i = 0; i < phase->count; i++) ecsi_dot_edges(text, schedule, phase, i);
    }
    ecsi_print(text, "}\n");
    ECSI_CHECK(text->total > 0);
}

#endif /* ECS_NO_EXPLAIN */

#endif /* ECS_DOT_H */

/* >>explain_adaptive ================================ src/explain_adaptive.h */

/* explain_adaptive.h: says in words what the adaptive backend measured, what it chose and why,
 * and how each system is cut. */
/* floor: 12 */
#ifndef ECS_EXPLAIN_ADAPTIVE_H
#define ECS_EXPLAIN_ADAPTIVE_H

#if !defined(ECS_NO_EXPLAIN) && !defined(ECS_NO_ADAPTIVE)

static const char *ecsi_backend_name(ecs_backend backend)
{
    static const char *const names[] = {"blocking", "work stealing", "adaptive", "batched I/O"};
    ECSI_CHECK((uint32_t)backend < sizeof names / sizeof *names);
    ECSI_CHECK(sizeof names / sizeof *names == (size_t)ECS_BACKEND_BATCHED_IO + 1);
    return names[backend];
}

static const char *ecsi_choice_name(ecsi_choice choice)
{
    if (choice.batching && choice.sharing) return "batched I/O with work stealing";
    return ecsi_backend_name(ecsi_choice_backend(choice));
}

static void ecsi_explain_figures(ecsi_text *text, const ecsi_figures *f)
{
    ECSI_CHECK(f->shared <= f->ticks);
    ECSI_CHECK(f->ticks <= ECSI_WINDOW_MAX);
    ecsi_print(text, "%.1f us a tick, imbalance %.2f, %.1f requests pending (weight %.2f), "
                     "%u of %u ticks shared\n", f->cost_ns / 1000, f->imbalance, f->io_pending,
               f->io_weight, f->shared, f->ticks);
}

/* The reason in words, with the threshold that was crossed. */
static void ecsi_explain_why(ecsi_text *text, const ecsi_adaptive *a, const ecsi_decision *d)
{
    double stay = 1.0 - (double)a->rules.hysteresis;
    double io = a->rules.io_pending_min;
    double light_us = a->rules.light_ns / 1000.0;
    double uneven = (double)a->rules.imbalance_min;
    ECSI_CHECK(stay > 0);
    ECSI_CHECK(light_us > 0);
    switch (d->why) {
    case ECSI_WHY_IO_MANY: ecsi_print(text, "at least %g requests are pending", io); break;
    case ECSI_WHY_IO_FEW:
        ecsi_print(text, "less than %g requests are pending", io * stay);
        break;
    case ECSI_WHY_IMBALANCE:
        ecsi_print(text, "the imbalance is above %.2f", d->from.sharing ? uneven * stay : uneven);
        break;
    case ECSI_WHY_LIGHT:
        ecsi_print(text, "a tick takes less than %g us", d->from.sharing ? light_us * stay
                                                                         : light_us);
        break;
    case ECSI_WHY_ALONE:
        ecsi_print(text, "nothing was shared, and the imbalance is not above %.2f",
                   uneven * stay);
        break;
    }
}

/* How a system is cut in the next tick. */
static void ecsi_explain_cut(ecsi_text *text, const ecsi_schedule *schedule,
                             const ecsi_system *system, bool shares)
{
    uint32_t blocks = system->run == NULL || system->query->system
                          ? 0 : ecsi_query_block_count(system->query);
    ECSI_CHECK(system->cost_ns >= 0);
    ecsi_print(text, "  %s: ", system->name);
    if (system->run_exclusive != NULL) {
        ecsi_print(text, "not measured, inline: exclusive\n");
        return;
    }
    if (system->cost_ns > 0) {
        ecsi_print(text, "%.1f us, ", system->cost_ns / 1000);
    } else {
        ecsi_print(text, "not measured, ");
    }
    ECSI_CHECK(system->run != NULL);
    if (!system->enabled) {
        ecsi_print(text, "disabled\n");
    } else if (!shares) {
        ecsi_print(text, "inline: nothing is shared\n");
    } else if (system->unsplit) {
        ecsi_print(text, "inline: unsplit\n");
    } else if (blocks < 2) {
        ecsi_print(text, "inline: %u row blocks\n", blocks);
    } else {
#ifndef ECS_NO_THREADS
        uint32_t runs = ecsi_max_u32(system->cost_runs, 1);
        ecsi_split split = ecsi_split_of(system->cost_ns / runs, blocks,
                                         schedule->pool->worker_count, schedule->share_ns == 1);
        if (split.helpers > 0) {
            ecsi_print(text, "split: %u helpers, grain %u of %u row blocks\n", split.helpers,
                       split.grain, blocks);
        } else {
            ecsi_print(text, "inline: a helper takes %g us of work\n",
                       2.0 * ECSI_SHARE_AWAKE_NS / 1000);
        }
#else
        ECSI_CHECK(schedule->pool == NULL);
#endif
    }
}

static void ecsi_explain_switches(ecsi_text *text, const ecsi_adaptive *a)
{
    uint32_t kept = ecsi_min_u32(a->decision_count, ECSI_DECISIONS_MAX);
    double stay = 1.0 - (double)a->rules.hysteresis;
    ecsi_figures now = ecsi_adaptive_figures(a);
    uint32_t i;
    ecsi_print(text, "adaptive: %s, with %u workers; the next switch in %u ticks at the earliest\n",
               ecsi_choice_name(a->choice), a->workers, a->rules.cooldown_ticks - a->since);
    ecsi_print(text, "  now: ");
    ecsi_explain_figures(text, &now);
    ecsi_print(text, "  batched I/O from %u requests on, down to %g; work stealing from %g us "
                     "on and above imbalance %g, down to %g us or %g\n", a->rules.io_pending_min,
               a->rules.io_pending_min * stay, a->rules.light_ns / 1000.0,
               (double)a->rules.imbalance_min, a->rules.light_ns * stay / 1000.0,
               (double)a->rules.imbalance_min * stay);
    ecsi_print(text, "%u switches, the last %u:\n", a->decision_count, kept);
    for (i = a->decision_count - kept; i != a->decision_count; i++) {
        const ecsi_decision *d = &a->decisions[i % ECSI_DECISIONS_MAX];
        ecsi_print(text, "  after tick %llu: %s -> %s: ", (unsigned long long)d->tick,
                   ecsi_choice_name(d->from), ecsi_choice_name(d->to));
        ecsi_explain_why(text, a, d);
        ecsi_print(text, "\n    ");
        ecsi_explain_figures(text, &d->figures);
    }
    ECSI_CHECK(kept <= ECSI_DECISIONS_MAX);
    ECSI_CHECK(a->since <= a->rules.cooldown_ticks);
}

static void ecsi_explain_adaptive_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    bool shares = schedule->pool != NULL;
    uint32_t i;
    ECSI_CHECK(schedule->systems.count <= schedule->systems_max);
    if (schedule->gauge.on) {
        ecsi_explain_switches(text, &schedule->adaptive);
        shares = schedule->adaptive.choice.sharing;
    } else {
        ecsi_print(text, "not adaptive: %s\n",
                   ecsi_backend_name(shares ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING));
    }
    ECSI_CHECK(!shares || schedule->pool != NULL);
    ecsi_print(text, "%u systems:\n", schedule->systems.count);
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_explain_cut(text, schedule, ecsi_system_at(schedule, i), shares);
    }
}

#endif

#endif /* ECS_EXPLAIN_ADAPTIVE_H */

/* >>world ====================================================== src/world.h */

/* world.h: the roof: a world is made, and the public functions go to their modules. */
/* floor: 13 */
#ifndef ECS_WORLD_H
#define ECS_WORLD_H

/* Whether a call may go on that reaches values of a component, or of the whole world (0). One
 * compare where access is not checked. */
#define ECSI_ALLOWED(world, component, want)                                       \
    (ECSI_LIKELY((world)->entities.front.checked == NULL) ||                       \
     ecsi_access_ask(&(world)->schedule, (component), (want)))
#define ECSI_ALLOWED_ALL(world, query, want)                                       \
    (ECSI_LIKELY((world)->entities.front.checked == NULL) ||                       \
     ecsi_access_columns(&(world)->schedule, (query), (want)))
/* The same for a stream that is to record. */
#define ECSI_RECORDS(cmd)                                                          \
    (ECSI_LIKELY((cmd)->owner == 0) ||                                             \
     ecsi_access_records(&(cmd)->flush->world->schedule, (cmd)))

struct ecs_world {
    ecsi_entities entities; /* must be first: it begins with the ecsi_front */
    ecsi_memory memory;
    ecsi_log log;
    ecs_world_desc desc;    /* with the defaults filled in */
    ecsi_components components;
    ecsi_storage storage;
    ecsi_editor editor;
#ifndef ECS_NO_EVENTS
    ecsi_events events;
#endif
    ecsi_queries queries;
    ecsi_flush flush;
    ecsi_schedule schedule;
    ecsi_queue own[2];      /* the world's stream records in one while the other is applied */
    uint32_t own_current;
    uint64_t own_since;     /* tick of its last flush */
    ecs_commands own_cmd;
    ecsi_front shadow;      /* of bound getters when access is checked: it has no records */
    ecs_pool *pool;         /* NULL: blocking */
    bool own_pool;          /* made for this world */
    uint32_t locks;         /* iterations, hooks, tick, flush */
    bool member;            /* of worlds together, which must let it go first */
    ecs_status status;      /* of the last call that answers a handle */
};

#ifndef ECS_STATIC
ECSI_EXTERN const int ECSI_CONFIG;
const int ECSI_CONFIG = 1;
#endif

/* ---- Descriptions ------------------------------------------------------------------- */

static uint32_t ecsi_default_u32(uint32_t given, uint32_t otherwise)
{
    return given != 0 ? given : otherwise;
}

static ecs_access_check ecsi_default_check(ecs_access_check given)
{
    if (given != ECS_CHECK_DEFAULT) return given;
#ifdef ECS_DEBUG
    return ECS_CHECK_STOP;
#else
    return ECS_CHECK_OFF;
#endif
}

/* Fills in the defaults of a fixed world's storage. */
static void ecsi_desc_fixed(ecs_world_desc *d)
{
    uint64_t chunks;
    ECSI_CHECK(d->memory == ECS_MEMORY_FIXED);
    d->entities_max = ecsi_default_u32(d->entities_max, 65536);
    d->tables_max = ecsi_default_u32(d->tables_max, 1024);
    if (d->table_slots_max == 0) {
        d->table_slots_max = d->tables_max > 0x0fffffffu ? 0xffffffffu : d->tables_max * 16u;
    }
    d->chunk_bytes = ecsi_default_u32(d->chunk_bytes, 65536);
    chunks = (uint64_t)d->entities_max * 64u / d->chunk_bytes + d->tables_max / 16u + 8u;
    d->chunks_max = ecsi_default_u32(d->chunks_max, (uint32_t)chunks);
    d->queries_max = ecsi_default_u32(d->queries_max, 256);
    d->systems_max = ecsi_default_u32(d->systems_max, 128);
    d->groups_max = ecsi_default_u32(d->groups_max, 16);
    d->resource_bytes_max = ecsi_default_u32(d->resource_bytes_max, 65536);
    d->event_bytes_max = ecsi_default_u32(d->event_bytes_max, 262144);
    if (d->command_bytes_max == 0) {
        d->command_bytes_max = (size_t)d->entities_max * 64u;
        if (d->command_bytes_max < (size_t)1 << 20) d->command_bytes_max = (size_t)1 << 20;
    }
    ECSI_CHECK(d->chunks_max > 0);
}

static void ecsi_desc_grow(ecs_world_desc *d)
{
    ECSI_CHECK(d->memory == ECS_MEMORY_GROW);
    d->entities_max = ecsi_default_u32(d->entities_max, ECS_ENTITIES_MAX);
    d->tables_max = ecsi_default_u32(d->tables_max, 65536);
    d->table_slots_max = ecsi_default_u32(d->table_slots_max, 0xffffffffu);
    d->chunk_bytes = ecsi_default_u32(d->chunk_bytes, 2u << 20);
    d->chunks_max = ecsi_default_u32(d->chunks_max, 65535);
    d->queries_max = ecsi_default_u32(d->queries_max, 4096);
    d->systems_max = ecsi_default_u32(d->systems_max, 1024);
    d->groups_max = ecsi_default_u32(d->groups_max, 256);
    if (d->group_bytes_max == 0) d->group_bytes_max = SIZE_MAX / 4;
    d->resource_bytes_max = ecsi_default_u32(d->resource_bytes_max, 0xffffffffu);
    d->event_bytes_max = ecsi_default_u32(d->event_bytes_max, 0xffffffffu);
    if (d->command_bytes_max == 0) d->command_bytes_max = SIZE_MAX / 4;
    if (d->restore_bytes_max == 0) d->restore_bytes_max = SIZE_MAX / 4;
    ECSI_CHECK(d->systems_max > 0);
}

/* About what a fixed world takes, and at least that much: only to refuse what cannot be. */
static double ecsi_desc_bytes(const ecs_world_desc *d)
{
    double tables = (double)d->tables_max * (1024.0 + 16.0 * d->queries_max);
    double rest = (double)d->components_max * 2048.0 + (double)d->systems_max * 8192.0 +
                  (double)d->systems_max * d->systems_max + (double)d->entities_max * 32.0;
    ECSI_CHECK(d->memory == ECS_MEMORY_FIXED);
    ECSI_CHECK(d->chunk_bytes > 0);
    return tables + rest + (double)d->chunks_max * d->chunk_bytes +
           (double)d->chunks_max * 8.0 * d->getters_max + (double)d->table_slots_max * 128.0 +
           (double)d->command_bytes_max * 8.0 + (double)d->resource_bytes_max +
           (double)d->event_bytes_max + (double)d->restore_bytes_max +
           (double)d->groups_max * 4096.0 + (double)d->group_bytes_max;
}

/* Bits of a row in an entity's place: enough for the largest chunk, and no more than the ids
 * of chunks leave over; 0 when that is too few. */
static uint32_t ecsi_row_bits(const ecs_world_desc *d)
{
    uint32_t bits = 16;
    ECSI_CHECK(d->chunks_max > 0);
    ECSI_CHECK(ecsi_is_power_of_two(d->chunk_bytes));
    while (bits > 6 && (sizeof(ecs_entity) << bits) > d->chunk_bytes) bits--;
    while (bits >= 6 && d->chunks_max >> (32 - bits) != 0) bits--;
    return bits >= 6 ? bits : 0;
}

#ifndef ECS_NO_THREADS
/* The description of the world's own pool; false when it makes no sense. */
static bool ecsi_own_pool_desc(const ecs_world_desc *d, ecs_pool_desc *out)
{
    ecs_pool_desc given;
    ECSI_CHECK(d->backend != ECS_BACKEND_BLOCKING);
    ECSI_CHECK(d->pool == NULL);
    memset(&given, 0, sizeof given);
    given.workers = d->workers;
    given.tasks = d->tasks;
    given.log = d->log;
    given.log_user = d->log_user;
    return ecsi_pool_resolve(&given, out);
}
#endif

/* The description with its defaults; false when it makes no sense. */
static bool ecsi_desc_resolve(const ecs_world_desc *from, ecs_world_desc *d)
{
    ECSI_CHECK(d != NULL);
    ECSI_CHECK(from != d);
    memset(d, 0, sizeof *d);
    if (from != NULL) *d = *from;
#ifdef ECSI_FORCE_SHARING
    /* All tests run once more with every world on several workers. */
    if (d->backend != ECS_BACKEND_ADAPTIVE) {
        if (d->backend == ECS_BACKEND_BLOCKING) d->workers = ECSI_FORCE_SHARING;
        d->backend = ECS_BACKEND_WORK_STEALING;
        d->share_ns = 1;
    }
#endif
    if (d->memory != ECS_MEMORY_GROW && d->memory != ECS_MEMORY_FIXED) return false;
    if (d->memory == ECS_MEMORY_FIXED) {
        ecsi_desc_fixed(d);
    } else {
        ecsi_desc_grow(d);
    }
    d->components_max = ecsi_default_u32(d->components_max, 1024);
    d->row_block_rows = ecsi_default_u32(d->row_block_rows, 4096);
    d->getters_max =
        ecsi_default_u32(d->getters_max, d->memory == ECS_MEMORY_GROW ? 256 : 64);
    d->phases_max = ecsi_default_u32(d->phases_max, 32);
    d->check_access = ecsi_default_check(d->check_access);
    d->stream_spawns_max = ecsi_default_u32(d->stream_spawns_max, ECSI_ORDINALS_MAX);
    if (d->entities_max > ECS_ENTITIES_MAX || d->components_max >= 1u << 24) return false;
    if (d->tables_max >= 1u << 26 || d->chunks_max > 0x7ffffffeu) return false;
    if (d->queries_max >= 1u << 26 || d->systems_max > 1u << 16) return false;
    if (d->groups_max > 1u << 16) return false;
    if (d->getters_max > 1u << 20 || d->phases_max < 5 || d->phases_max > 1u << 16) return false;
    if (!ecsi_is_power_of_two(d->row_block_rows) || d->row_block_rows < 64) return false;
    if (!ecsi_is_power_of_two(d->chunk_bytes) || d->chunk_bytes < 4096) return false;
    if (d->chunk_bytes > 1u << 30 || d->stream_spawns_max > ECSI_ORDINALS_MAX) return false;
    if (d->memory == ECS_MEMORY_FIXED && ecsi_desc_bytes(d) > (double)(SIZE_MAX / 4)) return false;
    if (d->command_bytes_max < 4096 || ecsi_row_bits(d) == 0) return false;
    if ((uint32_t)d->backend > (uint32_t)ECS_BACKEND_ADAPTIVE) return false;
    if ((uint32_t)d->check_access > (uint32_t)ECS_CHECK_STOP) return false;
#ifndef ECS_NO_ADAPTIVE
    if (!ecsi_adaptive_resolve(&d->adaptive, d->share_ns)) return false;
#else
    if (d->backend == ECS_BACKEND_ADAPTIVE) return false;
#endif
    if (d->workers > ECS_WORKERS_MAX || (d->pool != NULL && d->tasks != NULL)) return false;
#ifndef ECS_NO_THREADS
    if (d->backend != ECS_BACKEND_BLOCKING && d->pool == NULL) {
        ecs_pool_desc pool;
        if (!ecsi_own_pool_desc(d, &pool)) return false;
        d->workers = pool.workers; /* asked once: the answer may change */
    }
#endif
    return d->buffer == NULL || d->memory == ECS_MEMORY_FIXED;
}

/* Bytes that the world's own stream may record; the world has two queues for it. */
static size_t ecsi_own_bytes(const ecs_world_desc *d)
{
    size_t bytes = d->command_bytes_max / 4;
    ECSI_CHECK(d->command_bytes_max >= 4096);
    if (d->memory == ECS_MEMORY_GROW) return d->command_bytes_max;
    return bytes < 65536 ? d->command_bytes_max : bytes;
}

/* What ecsi_keep needs at most, for everything that the limits allow. */
static size_t ecsi_keep_bytes(const ecs_world_desc *d)
{
    size_t bytes = 4096;
    ECSI_CHECK(d->memory == ECS_MEMORY_FIXED);
    ECSI_CHECK(d->tables_max > 0 && d->components_max > 0);
    bytes += (size_t)d->components_max * ECSI_COMPONENT_KEEP_BYTES;
    bytes += (size_t)d->tables_max * ECSI_TABLE_KEEP_BYTES;
    bytes += (size_t)d->table_slots_max * ECSI_SLOT_KEEP_BYTES;
    bytes += (size_t)d->queries_max * ECSI_QUERY_KEEP_BYTES;
    bytes += (size_t)d->systems_max * ECSI_SYSTEM_KEEP_BYTES;
    bytes += (size_t)d->groups_max * (ECSI_GROUP_KEEP_BYTES + 64) + d->group_bytes_max;
    return bytes + d->resource_bytes_max + d->event_bytes_max;
}

/* ---- Making ------------------------------------------------------------------------- */

/* Opens the world's own stream anew. */
static void ecsi_own_open(ecs_world *world)
{
    ecs_commands *cmd = &world->own_cmd;
    ECSI_CHECK(world->own_current < 2);
    cmd->flush = &world->flush;
    cmd->queue = &world->own[world->own_current];
    cmd->spawns_max = world->desc.stream_spawns_max;
    ECSI_CHECK(cmd->queue->bytes == 0);
    ecsi_stream_open(cmd, ++world->flush.serial_next, ECSI_NO_SYSTEM, SIZE_MAX);
    if (cmd->owner != 0) cmd->owner = ECSI_OWNER_ANY;
}

/* Applies the world's own stream, and what hooks and custom commands record meanwhile. */
static ecs_status ecsi_world_settle(ecs_world *world)
{
    uint32_t round;
    ECSI_CHECK(world->own_current < 2);
    /* What a phase could not apply for want of memory comes first. */
    ecs_status status = ecsi_schedule_settle(&world->schedule);
    ECSI_CHECK(!world->flush.running);
    if (status != ECS_OK) return status;
    for (round = 0; round < ECSI_FLUSH_ROUNDS_MAX; round++) {
        ecsi_queue *queue = &world->own[world->own_current];
        ecsi_batch batch;
        ecsi_queue_count(&world->flush, queue);
        if (ecsi_queue_empty(queue)) return ECS_OK;
        memset(&batch, 0, sizeof batch);
        ecsi_batch_add(&batch, queue);
        status = ecsi_flush_prepare(&world->flush, &batch);
        if (status != ECS_OK) return status;
        world->own_current ^= 1u;
        ecsi_own_open(world);
        ecsi_batch_take(&batch, queue);
        ecsi_flush_batch(&world->flush, &batch, world->own_since);
        ecsi_queue_reset(queue);
        world->own_since = world->schedule.tick;
    }
    return ECS_OK;
}

/* Workers that may run this world's systems. */
static uint32_t ecsi_lane_count(const ecs_world_desc *d)
{
#ifndef ECS_NO_THREADS
    ecs_pool_desc pool;
    if (d->backend == ECS_BACKEND_BLOCKING) return 1;
    if (d->pool != NULL) return d->pool->slot_count;
    if (ecsi_own_pool_desc(d, &pool)) return ecsi_pool_threads(&pool) + pool.guests_max;
#else
    (void)d;
#endif
    return 1;
}

/* The pool: shared, or made of the world's own memory. Its threads do not run yet. */
static ecs_status ecsi_world_pool_make(ecs_world *world)
{
    const ecs_world_desc *d = &world->desc;
    ECSI_CHECK(world->pool == NULL);
    ECSI_CHECK(!world->own_pool);
    if (d->backend == ECS_BACKEND_BLOCKING) return ECS_OK;
    if (d->pool != NULL) {
        if (world->memory.measuring) return ECS_OK;
        world->pool = d->pool;
        ecsi_pool_attach(world->pool, 1);
        return ECS_OK;
    }
#ifndef ECS_NO_THREADS
    {
        ecs_pool_desc desc;
        void *memory;
        if (!ecsi_own_pool_desc(d, &desc)) return ECS_INVALID;
        memory = ecsi_alloc(&world->memory, ecsi_pool_bytes(&desc), ECSI_LINE_BYTES);
        if (world->memory.measuring) return ECS_OK;
        if (memory == NULL) return ECS_NO_MEMORY;
        world->pool = ecsi_pool_make(memory, &desc);
        world->own_pool = true;
        ecsi_pool_attach(world->pool, 1); /* it cannot be destroyed by itself */
    }
#endif
    return ECS_OK;
}

/* Starts the threads of the world's own pool. */
static ecs_status ecsi_world_pool_start(ecs_world *world)
{
#ifndef ECS_NO_THREADS
    if (world->own_pool && !ecsi_pool_start(world->pool)) {
        ecsi_release(&world->memory, world->pool, world->pool->bytes, ECSI_LINE_BYTES);
        world->own_pool = false;
        world->pool = NULL;
        return ECS_NO_MEMORY;
    }
    world->schedule.pool = world->pool;
#else
    ECSI_CHECK(!world->own_pool);
#endif
    return ECS_OK;
}

#ifndef ECS_NO_ADAPTIVE
/* Begins to measure, when the pool has its threads. */
static void ecsi_world_adapt(ecs_world *world)
{
    ecsi_schedule *schedule = &world->schedule;
    uint32_t workers = schedule->pool != NULL ? ecs_pool_workers(schedule->pool) : 1;
    ECSI_CHECK(!schedule->gauge.on);
    if (world->desc.backend != ECS_BACKEND_ADAPTIVE) return;
    schedule->gauge.on = true;
    schedule->gauge.io_pending = world->desc.io_pending;
    schedule->gauge.io_user = world->desc.io_user;
    ecsi_adaptive_init(&schedule->adaptive, &world->desc.adaptive, workers);
    ECSI_CHECK(schedule->adaptive.workers > 0);
}
#endif

static void ecsi_world_pool_release(ecs_world *world)
{
    if (world->pool == NULL) return;
    ECSI_CHECK(!world->schedule.ticking);
    ecsi_pool_attach(world->pool, -1);
#ifndef ECS_NO_THREADS
    if (world->own_pool) {
        size_t bytes = world->pool->bytes;
        if (world->schedule.pool != NULL) ecsi_pool_end(world->pool);
        ecsi_release(&world->memory, world->pool, bytes, ECSI_LINE_BYTES);
    }
#endif
    world->pool = NULL;
}

/* Ties the modules together; no memory is taken. */
static void ecsi_world_wire(ecs_world *world)
{
    const ecs_world_desc *d = &world->desc;
    ecsi_memory *memory = &world->memory;
    ECSI_CHECK(d->entities_max > 0);
    world->log.write = d->log != NULL ? d->log : ecsi_log_stderr;
    world->log.user = d->log_user;
    world->components.memory = memory;
    world->components.world = world;
    world->components.locks = &world->locks;
    world->components.resource_bytes_max = d->resource_bytes_max;
    world->storage.memory = memory;
    world->storage.entities = &world->entities;
    world->storage.components = &world->components;
    world->storage.tick = &world->schedule.tick;
    world->storage.getters_max = d->getters_max;
    world->storage.tables_max = d->tables_max;
    world->storage.slots_max = d->table_slots_max;
    world->storage.chunk_bytes = d->chunk_bytes;
    world->storage.chunks_max = d->chunks_max;
    world->storage.row_block_rows = d->row_block_rows;
    world->entities.front.row_bits = ecsi_row_bits(d);
    world->entities.front.checked = d->check_access != ECS_CHECK_OFF ? world : NULL;
    world->shadow.checked = world;
    world->flush.watched = d->check_access != ECS_CHECK_OFF;
    world->editor.storage = &world->storage;
#ifndef ECS_NO_EVENTS
    world->events.components = &world->components;
    world->events.readers_max = d->systems_max * 4u + 64u;
    world->events.bytes_max = d->event_bytes_max;
    world->flush.events = &world->events;
#endif
    world->queries.storage = &world->storage;
    world->queries.max = d->queries_max;
    world->queries.match_bytes_max = (size_t)d->queries_max * d->tables_max * 16u;
    world->flush.storage = &world->storage;
    world->flush.components = &world->components;
    world->flush.memory = memory;
    world->flush.world = world;
    world->flush.locks = &world->locks;
    world->flush.open_serial = &world->own_cmd.serial;
    world->schedule.flush = &world->flush;
    world->schedule.queries = &world->queries;
    world->schedule.memory = memory;
    world->schedule.world = world;
    world->schedule.log = &world->log;
    world->schedule.phases_max = d->phases_max;
    world->schedule.systems_max = d->systems_max;
    world->schedule.groups_max = d->groups_max;
    world->schedule.group_bytes_max = d->group_bytes_max;
    world->schedule.stream_bytes_max = d->stream_bytes_max;
    world->schedule.spawns_max = d->stream_spawns_max;
    world->schedule.strict = d->strict;
    world->schedule.settle = ecsi_world_settle;
    world->schedule.bytes_max = d->command_bytes_max;
    world->schedule.restore_bytes_max = d->restore_bytes_max;
    world->schedule.lane_count = ecsi_lane_count(d);
    world->schedule.share_ns = d->share_ns;
    ECSI_CHECK(world->locks == 0);
}

/* Takes the memory that a new world needs; measures it when `memory` measures. */
static ecs_status ecsi_world_reserve(ecs_world *world)
{
    ecsi_memory *memory = &world->memory;
    const ecs_world_desc *d = &world->desc;
    size_t own = ecsi_own_bytes(d);
    size_t getters = d->getters_max;
    ecs_status status = ecsi_keep_create(memory, memory->fixed ? ecsi_keep_bytes(d) : 1);
    ECSI_CHECK(own <= d->command_bytes_max);
    if (status == ECS_OK) status = ecsi_entities_create(memory, &world->entities, d->entities_max);
    if (status == ECS_OK) status = ecsi_components_create(&world->components, d->components_max);
    if (status == ECS_OK) {
        world->storage.getters =
            (ecsi_getter_slot *)ecsi_alloc(memory, getters * sizeof(ecsi_getter_slot), 16);
        world->storage.getter_capacity =
            (uint32_t *)ecsi_alloc(memory, getters * sizeof(uint32_t), 16);
        if (!memory->measuring && (world->storage.getters == NULL ||
                                   world->storage.getter_capacity == NULL)) {
            return ECS_NO_MEMORY;
        }
    }
    if (status == ECS_OK && !memory->measuring) {
        memset(world->storage.getters, 0, getters * sizeof(ecsi_getter_slot));
        memset(world->storage.getter_capacity, 0, getters * sizeof(uint32_t));
    }
    if (status == ECS_OK) status = ecsi_storage_create(&world->storage);
#ifndef ECS_NO_EVENTS
    if (status == ECS_OK) status = ecsi_events_create(&world->events);
#endif
    if (status == ECS_OK) status = ecsi_queries_create(&world->queries);
    /* No queue is larger than a phase's: see the check above. */
    if (status == ECS_OK) status = ecsi_flush_create(&world->flush, d->command_bytes_max);
    if (status == ECS_OK) status = ecsi_queue_create(memory, &world->own[0], own);
    if (status == ECS_OK) status = ecsi_queue_create(memory, &world->own[1], own);
    if (status == ECS_OK) status = ecsi_schedule_create(&world->schedule);
    if (status == ECS_OK) status = ecsi_watch_create(&world->schedule, d->check_access);
    if (status == ECS_OK) status = ecsi_world_pool_make(world);
    ECSI_CHECK(status != ECS_INVALID);
    return status;
}

ECS_API size_t ecs_world_bytes(const ecs_world_desc *desc)
{
    ecs_world_desc resolved;
    ecs_world_desc given;
    ecs_world world;
    memset(&given, 0, sizeof given);
    if (desc != NULL) given = *desc;
    given.memory = ECS_MEMORY_FIXED;
    if (!ecsi_desc_resolve(&given, &resolved)) return 0;
    ECSI_CHECK(resolved.memory == ECS_MEMORY_FIXED);
    memset(&world, 0, sizeof world);
    world.desc = resolved;
    ecsi_world_wire(&world);
    world.memory.fixed = true;
    world.memory.measuring = true;
    world.memory.block_used = sizeof world;
    if (ecsi_world_reserve(&world) != ECS_OK) return 0;
    ECSI_CHECK(world.memory.block_used > sizeof world);
    return ecsi_align_up(world.memory.block_used, 64);
}

static void ecsi_desc_complain(const ecs_world_desc *d, const char *what)
{
    ecsi_log log;
    ECSI_CHECK(d != NULL);
    ECSI_CHECK(what != NULL);
    log.write = d->log != NULL ? d->log : ecsi_log_stderr;
    log.user = d->log_user;
    ecsi_log_print(&log, ECS_LOG_ERROR, "ecs_world_create: %s", what);
}

/* Memory for the world itself, and in fixed mode for all that it will ever have. */
static ecs_world *ecsi_world_memory(const ecs_world_desc *d, const ecs_allocator *allocator,
                                    size_t *bytes)
{
    void *memory = d->buffer;
    ECSI_CHECK(bytes != NULL);
    ECSI_CHECK(allocator->alloc != NULL);
    *bytes = sizeof(ecs_world);
    if (d->memory == ECS_MEMORY_FIXED) {
        *bytes = ecs_world_bytes(d);
        if (*bytes == 0) return NULL;
        if (d->buffer != NULL && (d->buffer_bytes < *bytes ||
                                  (uintptr_t)d->buffer % 64 != 0)) {
            ecsi_desc_complain(d, "the buffer is too small, or not aligned to 64");
            return NULL;
        }
    }
    if (memory == NULL) memory = allocator->alloc(*bytes, 64, allocator->user);
    if (memory != NULL) memset(memory, 0, sizeof(ecs_world));
    return (ecs_world *)memory;
}

/* Everything of a world but its entities and systems goes away. */
static void ecsi_world_release(ecs_world *world)
{
    ecsi_memory *memory = &world->memory;
    ecs_allocator allocator = memory->allocator;
    size_t bytes = memory->fixed ? memory->block_bytes : sizeof *world;
    bool own = world->desc.buffer == NULL;
    size_t getters = world->desc.getters_max;
    ECSI_CHECK(world->locks == 0);
    ECSI_CHECK(world->entities.front.alive_count == 0);
    ecsi_world_pool_release(world);
    ecsi_groups_release(&world->schedule);
    ecsi_watch_destroy(&world->schedule);
    ecsi_schedule_destroy(&world->schedule);
    ecsi_queue_destroy(memory, &world->own[0]);
    ecsi_queue_destroy(memory, &world->own[1]);
    ecsi_flush_destroy(&world->flush);
    ecsi_queries_destroy(&world->queries);
#ifndef ECS_NO_EVENTS
    ecsi_events_destroy(&world->events);
#endif
    ecsi_storage_destroy(&world->storage);
    ecsi_release(memory, world->storage.getters, getters * sizeof(ecsi_getter_slot), 16);
    ecsi_release(memory, world->storage.getter_capacity, getters * sizeof(uint32_t), 16);
    ecsi_components_destroy(&world->components);
    ecsi_entities_destroy(memory, &world->entities);
    ecsi_keep_destroy(memory);
    ECSI_CHECK(memory->fixed || memory->bytes_allocated == sizeof *world);
    ECSI_CHECK(world->pool == NULL);
    if (own) allocator.release(world, bytes, 64, allocator.user);
}

ECS_API ecs_world *ecs_world_create(const ecs_world_desc *desc)
{
    ecs_world_desc d;
    ecs_allocator allocator = ecsi_default_allocator();
    ecs_world *world;
    ecsi_table *root;
    size_t bytes;
    ecs_status status;
    if (!ecsi_desc_resolve(desc, &d)) {
        ecsi_desc_complain(desc, "the description is not valid");
        return NULL;
    }
    if (d.allocator != NULL) allocator = *d.allocator;
    ECSI_REQUIRE(allocator.alloc != NULL, NULL);
    ECSI_REQUIRE(allocator.release != NULL, NULL);
    world = ecsi_world_memory(&d, &allocator, &bytes);
    if (world == NULL) return NULL;
    world->desc = d;
    ecsi_world_wire(world);
    world->memory.allocator = allocator;
    world->memory.fixed = d.memory == ECS_MEMORY_FIXED;
    world->memory.bytes_allocated = bytes;
    world->memory.block = (unsigned char *)world;
    world->memory.block_bytes = world->memory.fixed ? bytes : 0;
    world->memory.block_used = sizeof *world;
    status = ecsi_world_reserve(world);
    ecsi_own_open(world);
    if (status == ECS_OK) status = ecsi_table_of_set(&world->storage, NULL, 0, &root);
    if (status == ECS_OK) status = ecsi_world_pool_start(world);
    if (status != ECS_OK) {
        ecsi_world_release(world);
        return NULL;
    }
#ifndef ECS_NO_ADAPTIVE
    ecsi_world_adapt(world);
#endif
    ECSI_CHECK(root->id == 0 && root->component_count == 0);
    ECSI_CHECK(world->locks == 0);
    return world;
}

/* Drops what was recorded and never applied. */
static void ecsi_own_drop(ecs_world *world)
{
    ecsi_queue_mark start;
    uint32_t i;
    ECSI_CHECK(world->locks == 0);
    memset(&start, 0, sizeof start);
    for (i = 0; i < 2; i++) ecsi_queue_rewind(&world->flush, &world->own[i], start);
    for (i = 0; i < world->schedule.lane_count; i++) {
        ecsi_queue_rewind(&world->flush, &world->schedule.lanes[i].queue, start);
    }
    ECSI_CHECK(!world->flush.running);
}

ECS_API void ecs_world_destroy(ecs_world *world)
{
    uint32_t i;
    if (world == NULL) return;
    ECSI_REQUIRE_VOID(world->locks == 0);
    ECSI_REQUIRE_VOID(!world->schedule.ticking);
    ECSI_REQUIRE_VOID(!world->flush.running);
    ECSI_REQUIRE_VOID(!world->member);
    ECSI_REQUIRE_VOID(!world->schedule.adding);
#ifndef ECS_NO_THREADS
    /* Guests of the world's own pool must have left it. */
    ECSI_REQUIRE_VOID(!world->own_pool || ECSI_LOAD(&world->pool->inside, acquire) == 0);
#endif
    ecsi_groups_end(&world->schedule);
    /* Each fini is called once, and nothing runs whose fini was called. */
    world->schedule.adding = true;
    world->schedule.ending = true;
    for (i = world->schedule.systems.count; i > 0; i--) {
        const ecsi_system *system = ecsi_system_at(&world->schedule, i - 1);
        if (system->desc.fini != NULL) system->desc.fini(world, system->desc.user);
    }
    ecsi_own_drop(world);
    for (i = 0; i < world->storage.tables.count; i++) {
        ecsi_edit_clear(&world->storage, ecsi_table_at(&world->storage, i));
    }
    ecsi_own_drop(world);
    ecsi_resources_destroy(&world->components);
    ECSI_CHECK(world->entities.front.alive_count == 0);
    ecsi_world_release(world);
}

ECS_API ecs_status ecs_world_clear(ecs_world *world)
{
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    for (i = 0; i < world->storage.tables.count; i++) {
        ecsi_edit_clear(&world->storage, ecsi_table_at(&world->storage, i));
    }
    ECSI_CHECK(ecs_entity_count(world) == 0);
    return ECS_OK;
}

ECS_API size_t ecs_shrink(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    if (world->locks != 0) return 0;
    return ecsi_storage_shrink(&world->storage);
}

ECS_API ecs_pool *ecs_world_pool(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, NULL);
    return world->pool;
}

ECS_API ecs_backend ecs_world_backend(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_BACKEND_BLOCKING);
#ifndef ECS_NO_ADAPTIVE
    if (world->schedule.gauge.on) return ecsi_choice_backend(world->schedule.adaptive.choice);
#endif
    return world->schedule.pool != NULL ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING;
}

ECS_API ecs_status ecs_world_status(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    return world->status;
}

ECS_API uint64_t ecs_world_tick(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    return world->schedule.tick;
}

ECS_API uint64_t ecs_world_seed(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    return world->desc.seed;
}

/* ---- Statistics --------------------------------------------------------------------- */

/* Bytes of one row. */
static size_t ecsi_table_row_bytes(const ecsi_table *table)
{
    size_t bytes = sizeof(ecs_entity);
    uint32_t i;
    ECSI_CHECK(table->column_count <= table->component_count);
    for (i = 0; i < table->column_count; i++) bytes += table->columns[i].bytes;
    return bytes;
}

ECS_API ecs_status ecs_world_table_stats(const ecs_world *world, uint32_t index,
                                         ecs_table_stats *out)
{
    const ecsi_table *table;
    const ecsi_chunk *chunk;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    if (index >= world->storage.tables.count) return ECS_NOT_FOUND;
    table = ecsi_table_at(&world->storage, index);
    memset(out, 0, sizeof *out);
    out->component_count = table->component_count;
    out->row_count = table->row_count;
    out->chunk_count = table->chunk_count;
    out->bytes_live = table->row_count * ecsi_table_row_bytes(table);
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        out->row_capacity += chunk->capacity;
        out->bytes_storage += chunk->bytes;
    }
    ECSI_CHECK(out->row_capacity >= out->row_count);
    return ECS_OK;
}

#ifndef ECS_NO_EVENTS
/* Events of all types so far: accepted, and lost for whatever reason. */
static void ecsi_events_sum(const ecs_world *world, uint64_t *sent, uint64_t *lost)
{
    uint32_t i;
    *sent = 0;
    *lost = world->flush.events_dropped;
    ECSI_CHECK(world->events.list.count <= world->components.max);
    for (i = 0; i < world->events.list.count; i++) {
        const ecsi_event *event = ecsi_event_at(&world->events, i);
        *sent += event->sent;
        *lost += event->overwritten + event->refused;
        ECSI_CHECK(event->count <= event->capacity);
    }
}
#endif

ECS_API ecs_stats ecs_world_stats(const ecs_world *world)
{
    ecs_stats stats;
    uint32_t i;
    memset(&stats, 0, sizeof stats);
    ECSI_REQUIRE(world != NULL, stats);
    stats.entity_count = ecs_entity_count(world);
    stats.component_count = world->components.list.count;
    stats.table_count = world->storage.tables.count;
    stats.chunk_count = world->storage.chunk_count;
    stats.query_count = world->queries.live;
    stats.system_count = world->schedule.systems.count;
    stats.bytes_allocated = world->memory.bytes_allocated;
    stats.bytes_storage = world->storage.chunk_bytes_total;
    for (i = 0; i < world->storage.tables.count; i++) {
        const ecsi_table *table = ecsi_table_at(&world->storage, i);
        stats.bytes_live += table->row_count * ecsi_table_row_bytes(table);
    }
    ECSI_CHECK(stats.bytes_live <= stats.bytes_storage);
    stats.access_violations = ecsi_watch_violations(&world->schedule);
    stats.commands_recorded = world->flush.recorded;
    stats.commands_applied = world->flush.applied;
    stats.commands_dropped = world->flush.dropped;
    stats.commands_refused = world->flush.refused;
#ifndef ECS_NO_EVENTS
    ecsi_events_sum(world, &stats.events_sent, &stats.events_dropped);
#endif
    for (i = 0; i < 2 + world->schedule.lane_count; i++) {
        const ecsi_queue *queue = i < 2 ? &world->own[i] : &world->schedule.lanes[i - 2].queue;
        stats.commands_recorded += queue->recorded;
        stats.commands_refused += queue->refused;
        stats.events_dropped += queue->events_dropped;
    }
    return stats;
}

/* ---- Components ----------------------------------------------------------------------- */

ECS_API ecs_status ecs_component_register(ecs_world *world, const ecs_type *type,
                                          ecs_component *out)
{
    uint32_t id = 0;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    status = ecsi_component_need(&world->components, type, &id);
    ECSI_CHECK(status != ECS_OK || ecsi_component_known(&world->components, id));
    if (out != NULL) out->id = id;
    return status;
}

ECS_API ecs_status ecs_component_define(ecs_world *world, const ecs_type *type,
                                        ecs_component *out)
{
    uint32_t id = 0;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    status = ecsi_component_register(&world->components, type, false, &id);
    if (out != NULL) out->id = id;
    return status;
}

ECS_API ecs_component ecs_component_of(const ecs_world *world, const ecs_type *type)
{
    ecs_component c = {0};
    ECSI_REQUIRE(world != NULL, c);
    ECSI_REQUIRE(type != NULL, c);
    ECSI_REQUIRE(type->name != NULL, c);
    c.id = ecsi_component_seek(&world->components, type);
    return c;
}

ECS_API ecs_component ecs_component_find(const ecs_world *world, const char *name)
{
    ecs_component c = {0};
    ECSI_REQUIRE(world != NULL, c);
    ECSI_REQUIRE(name != NULL, c);
    c.id = ecsi_component_by_name(&world->components, name);
    return c;
}

ECS_API const ecs_type *ecs_component_type(const ecs_world *world, ecs_component component)
{
    ECSI_REQUIRE(world != NULL, NULL);
    if (!ecsi_component_known(&world->components, component.id)) return NULL;
    return &ecsi_component_at(&world->components, component.id)->type;
}

ECS_API uint32_t ecs_component_count(const ecs_world *world, ecs_component component)
{
    uint32_t count = 0;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(ecsi_component_known(&world->components, component.id), 0);
    for (i = 0; i < world->storage.tables.count; i++) {
        const ecsi_table *table = ecsi_table_at(&world->storage, i);
        if (ecsi_table_find(table, component.id) != NULL) count += table->row_count;
    }
    ECSI_CHECK(count <= world->entities.front.alive_count);
    return count;
}

ECS_API ecs_status ecs_component_hooks(ecs_world *world, ecs_component component,
                                       const ecs_hooks *hooks)
{
    ecsi_component *c;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(hooks != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_component_known(&world->components, component.id), ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    c = ecsi_component_at(&world->components, component.id);
    if (world->schedule.under_way > 0) return ECS_LOCKED;
    if (c->resource != NULL || ecs_component_count(world, component) > 0) return ECS_EXISTS;
    ecsi_component_hooks_set(c, hooks);
    world->schedule.built = false; /* what asynchronous groups may read has changed */
    for (i = 0; i < world->storage.tables.count; i++) {
        ecsi_table *table = ecsi_table_at(&world->storage, i);
        if (ecsi_table_find(table, component.id) != NULL) ecsi_table_flags(&world->storage, table);
    }
    ecsi_shapes_forget(&world->editor);
    return ECS_OK;
}

/* Whether every component's closure still fits. */
static bool ecsi_requires_fit(const ecsi_components *components)
{
    uint32_t closure[ECSI_REQUIRE_MAX];
    uint32_t id;
    ECSI_CHECK(components->list.count <= components->max);
    for (id = 1; id <= components->list.count; id++) {
        if (!ecsi_component_at(components, id)->requires_others) continue;
        if (ecsi_require_closure(components, id, closure) > ECSI_REQUIRE_MAX) return false;
    }
    return true;
}

ECS_API ecs_status ecs_component_require(ecs_world *world, ecs_component component,
                                         ecs_component required)
{
    ecsi_components *components;
    uint32_t closure[ECSI_REQUIRE_MAX];
    uint32_t count;
    uint32_t i;
    ecsi_require pair;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    components = &world->components;
    ECSI_REQUIRE(ecsi_component_known(components, component.id), ECS_INVALID);
    ECSI_REQUIRE(ecsi_component_known(components, required.id), ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    count = ecsi_require_closure(components, required.id, closure);
    for (i = 0; i < count && i < ECSI_REQUIRE_MAX; i++) {
        if (closure[i] == component.id) return ECS_CYCLE;
    }
    for (i = 0; i < components->requires_list.count; i++) {
        const ecsi_require *r = ECSI_VEC_AT(ecsi_require, &components->requires_list, i);
        if (r->component == component.id && r->required == required.id) return ECS_OK;
    }
    status = ecsi_vec_reserve(&world->memory, &components->requires_list,
                              components->requires_list.count + 1,
                              world->memory.fixed ? components->max : 0x7fffffffu, sizeof pair);
    if (status != ECS_OK) return status;
    pair.component = component.id;
    pair.required = required.id;
    *ECSI_VEC_AT(ecsi_require, &components->requires_list, components->requires_list.count++) =
        pair;
    ecsi_component_at(components, component.id)->requires_others = true;
    if (!ecsi_requires_fit(components)) {
        components->requires_list.count--;
        return ECS_FULL;
    }
    ecsi_storage_edges_forget(&world->storage);
    ecsi_shapes_forget(&world->editor);
    return ECS_OK;
}

/* ---- Entities ------------------------------------------------------------------------- */

/* For calls that answer a handle. */
static inline ecs_entity ecsi_answer(ecs_world *world, ecs_status status, ecs_entity entity)
{
    ECSI_CHECK(status != ECS_OK || !ecs_is_null(entity));
    world->status = status;
    return ECSI_LIKELY(status == ECS_OK) ? entity : ecs_null();
}

ECS_API ecs_entity ecs_spawn(ecs_world *world)
{
    ecs_entity e = {0};
    ECSI_REQUIRE(world != NULL, e);
    ECSI_CHECK(world->storage.tables.count > 0);
    if (ECSI_UNLIKELY(world->locks != 0)) return ecsi_answer(world, ECS_LOCKED, e);
    return ecsi_answer(
        world, ecsi_edit_spawn(&world->storage, ecsi_table_at(&world->storage, 0), &e), e);
}

ECS_API ECSI_TAKES_DATA
ecs_entity ecs_spawn_values(ecs_world *world, const ecs_value *values, uint32_t count)
{
    ecs_entity e = {0};
    ECSI_REQUIRE(world != NULL, e);
    ECSI_REQUIRE(values != NULL || count == 0, e);
    if (count == 0) return ecs_spawn(world);
    if (ECSI_UNLIKELY(world->locks != 0)) return ecsi_answer(world, ECS_LOCKED, e);
    return ecsi_answer(world, ecsi_edit_spawn_shape(&world->editor, values, count, &e), e);
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_spawn_bulk(ecs_world *world, uint32_t entity_count,
                                  const ecs_value *values, uint32_t value_count,
                                  ecs_entity *out)
{
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(values != NULL || value_count == 0, ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    if (entity_count == 0) return ECS_OK;
    status = ecsi_edit_spawn_bulk(&world->editor, entity_count, values, value_count, out);
    if (status == ECS_OK) {
        ecsi_edit_bulk_notify(&world->editor, values, value_count, entity_count);
    }
    return status;
}

ECS_API ecs_status ecs_despawn(ecs_world *world, ecs_entity entity)
{
    ecsi_record *record;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (ECSI_UNLIKELY(world->locks != 0)) return ECS_LOCKED;
    record = ecsi_entities_find(&world->entities, entity);
    if (ECSI_UNLIKELY(record == NULL)) return ECS_STALE;
    ecsi_edit_despawn(&world->storage, entity, record);
    return ECS_OK;
}

ECS_API bool ecs_alive(const ecs_world *world, ecs_entity entity)
{
    ECSI_REQUIRE(world != NULL, false);
    return ecsi_entities_find(&world->entities, entity) != NULL;
}

ECS_API uint32_t ecs_entity_count(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    return world->entities.front.alive_count - world->entities.reserved_count;
}

ECS_API ecs_entity ecs_entity_at(const ecs_world *world, uint32_t index)
{
    ECSI_REQUIRE(world != NULL, ecs_null());
    if (index >= world->entities.front.record_count) return ecs_null();
    if (ecsi_entities_record(&world->entities, index)->place == 0) return ecs_null();
    return ecsi_entities_handle(&world->entities, index);
}

ECS_API ecs_entity ecs_entity_next(const ecs_world *world, ecs_entity previous)
{
    uint32_t index = ecs_is_null(previous) ? 0 : ecs_index(previous) + 1;
    ECSI_REQUIRE(world != NULL, ecs_null());
    if (ecs_index(previous) == 0xffffffffu) return ecs_null();
    for (; index < world->entities.front.record_count; index++) {
        if (ecsi_entities_record(&world->entities, index)->place != 0) {
            return ecsi_entities_handle(&world->entities, index);
        }
    }
    return ecs_null();
}

ECS_API ecs_entity ecs_clone(ecs_world *world, ecs_entity entity)
{
    ecs_entity e = {0};
    ECSI_REQUIRE(world != NULL, e);
    if (world->locks != 0) return ecsi_answer(world, ECS_LOCKED, e);
    return ecsi_answer(world, ecsi_edit_clone(&world->storage, entity, &e), e);
}

/* ---- Components of one entity ----------------------------------------------------------- */

/* What the edits of one component have in common. */
static inline ecs_status ecsi_edit_begin(ecs_world *world, ecs_entity entity,
                                         ecs_component component, ecsi_record **out)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_CHECK(out != NULL);
    ECSI_REQUIRE(ecsi_component_known(&world->components, component.id), ECS_INVALID);
    if (ECSI_UNLIKELY(world->locks != 0)) return ECS_LOCKED;
    *out = ecsi_entities_find(&world->entities, entity);
    return ECSI_LIKELY(*out != NULL) ? ECS_OK : ECS_STALE;
}

ECS_API ecs_status ecs_add_id(ecs_world *world, ecs_entity entity, ecs_component component)
{
    ecsi_record *record;
    ecs_status status = ecsi_edit_begin(world, entity, component, &record);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    status = ecsi_edit_add(&world->storage, entity, record, component.id);
    ECSI_CHECK(status != ECS_OK || ecs_has_id(world, entity, component));
    return status;
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_set_id(ecs_world *world, ecs_entity entity, ecs_component component,
                              const void *value)
{
    ecsi_record *record;
    ecs_status status = ecsi_edit_begin(world, entity, component, &record);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (ecsi_component_at(&world->components, component.id)->type.bytes == 0) {
        return ECS_UNSUPPORTED;
    }
    status = ecsi_edit_set(&world->storage, entity, record, component.id,
                           (void *)(uintptr_t)value, false);
    ECSI_CHECK(status != ECS_OK || ecs_has_id(world, entity, component));
    return status;
}

ECS_API ecs_status ecs_remove_id(ecs_world *world, ecs_entity entity, ecs_component component)
{
    ecsi_record *record;
    ecs_status status = ecsi_edit_begin(world, entity, component, &record);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    status = ecsi_edit_remove(&world->storage, entity, record, component.id);
    ECSI_CHECK(status != ECS_OK || !ecs_has_id(world, entity, component));
    return status;
}

ECS_API bool ecs_has_id(const ecs_world *world, ecs_entity entity, ecs_component component)
{
    const ecsi_record *record;
    ECSI_REQUIRE(world != NULL, false);
    record = ecsi_entities_find(&world->entities, entity);
    if (record == NULL || component.id == 0) return false;
    return ecsi_table_find(ecsi_record_table(&world->storage, record), component.id) != NULL;
}

ECS_API const void *ecs_get_id(const ecs_world *world, ecs_entity entity,
                               ecs_component component)
{
    const ecsi_record *record;
    ECSI_REQUIRE(world != NULL, NULL);
    record = ecsi_entities_find(&world->entities, entity);
    if (ECSI_UNLIKELY(record == NULL || component.id == 0)) return NULL;
    if (!ECSI_ALLOWED(world, component.id, ECSI_WANT_VALUE)) return NULL;
    return ecsi_row_value(&world->storage, record, component.id);
}

ECS_API void *ecs_get_mut_id(ecs_world *world, ecs_entity entity, ecs_component component)
{
    ecsi_record *record;
    void *value;
    ECSI_REQUIRE(world != NULL, NULL);
    record = ecsi_entities_find(&world->entities, entity);
    if (record == NULL || component.id == 0) return NULL;
    if (!ECSI_ALLOWED(world, component.id, ECSI_WANT_MUTABLE)) return NULL;
    value = ecsi_row_value(&world->storage, record, component.id);
    if (value != NULL) ecsi_row_touch(&world->storage, record, component.id);
    return value;
}

ECS_API uint32_t ecs_entity_components(const ecs_world *world, ecs_entity entity,
                                       ecs_component *out, uint32_t max)
{
    const ecsi_record *record;
    const ecsi_table *table;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(out != NULL || max == 0, 0);
    record = ecsi_entities_find(&world->entities, entity);
    if (record == NULL) return 0;
    table = ecsi_record_table(&world->storage, record);
    for (i = 0; i < table->component_count && i < max; i++) out[i].id = table->ids[i];
    return table->component_count;
}

/* The id of a type for an edit; a locked world registers nothing. */
static inline ecs_status ecsi_edit_type(ecs_world *world, const ecs_type *type,
                                        ecs_component *out)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    if (ECSI_UNLIKELY(world->locks != 0)) return ECS_LOCKED;
    return ecsi_component_need(&world->components, type, &out->id);
}

ECS_API ecs_status ecs_add_type(ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    return ECSI_LIKELY(status == ECS_OK) ? ecs_add_id(world, entity, c) : status;
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_set_type(ecs_world *world, ecs_entity entity, const ecs_type *type,
                                const void *value)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    return ECSI_LIKELY(status == ECS_OK) ? ecs_set_id(world, entity, c, value) : status;
}

ECS_API ecs_status ecs_remove_type(ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    return ECSI_LIKELY(status == ECS_OK) ? ecs_remove_id(world, entity, c) : status;
}

ECS_API bool ecs_has_type(const ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    return ecs_has_id(world, entity, ecs_component_of(world, type));
}

ECS_API const void *ecs_get_type(const ecs_world *world, ecs_entity entity,
                                 const ecs_type *type)
{
    const ecsi_component *c;
    uint32_t id;
    ECSI_REQUIRE(world != NULL, NULL);
    ECSI_REQUIRE(type != NULL, NULL);
    ECSI_REQUIRE(type->name != NULL, NULL);
    id = ecsi_component_seek(&world->components, type);
    if (ECSI_UNLIKELY(id == 0)) return NULL;
    if (!ECSI_ALLOWED(world, id, ECSI_WANT_VALUE)) return NULL;
    c = ecsi_component_at(&world->components, id);
    if (ECSI_LIKELY(c->getter != 0)) {
        ecs_getter getter;
        ECSI_CHECK(c->getter <= world->storage.getter_count);
        getter.front = &world->entities.front;
        getter.slot = &world->storage.getters[c->getter - 1];
        return ecs_getter_find(getter, entity, c->type.bytes);
    }
    return ecs_get_id(world, entity, ecs_component_of(world, type));
}

ECS_API void *ecs_get_mut_type(ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    return ecs_get_mut_id(world, entity, ecs_component_of(world, type));
}

ECS_API ecs_status ecs_getter_make(ecs_world *world, const ecs_type *type, ecs_getter *out)
{
    static const ecsi_front nothing = {NULL, 0, 0, 0, NULL};
    uint32_t id;
    ecs_status status;
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    out->front = &nothing;
    out->slot = NULL;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    status = ecsi_component_need(&world->components, type, &id);
    if (status == ECS_OK) status = ecsi_getter_need(&world->storage, id, &out->slot);
    if (status == ECS_OK) {
        out->front = world->entities.front.checked != NULL ? &world->shadow
                                                           : &world->entities.front;
    }
    return status;
}

ECS_API const void *ecs_getter_find_checked(ecs_getter getter, ecs_entity entity)
{
    const ecs_world *world;
    ecs_component component;
    ECSI_REQUIRE(getter.front != NULL, NULL);
    ECSI_REQUIRE(getter.slot != NULL, NULL);
    world = getter.front->checked;
    ECSI_REQUIRE(world != NULL, NULL);
    component.id = getter.slot->component;
    return ecs_get_id(world, entity, component);
}

/* ---- Queries ------------------------------------------------------------------------------ */

ECS_API ecs_status ecs_query_make(ecs_world *world, const ecs_query_info *info, ecs_query *out)
{
    ecsi_query *query;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(info != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    out->id = 0;
    status = ecsi_query_make(&world->queries, info, false, &query);
    if (status == ECS_OK) out->id = query->id;
    return status;
}

ECS_API ecs_query ecs_query_find(const ecs_world *world, const ecs_query_info *info)
{
    ecs_query query = {0};
    uint32_t at;
    uint32_t id;
    ECSI_REQUIRE(world != NULL, query);
    ECSI_REQUIRE(info != NULL, query);
    id = ecsi_map_find(&world->queries.by_address, (uint64_t)(uintptr_t)info, &at);
    if (id != ECSI_MAP_NONE) query.id = id;
    return query;
}

ECS_API ecs_query ecs_query_of(ecs_world *world, const ecs_query_info *info)
{
    ecs_query query = ecs_query_find(world, info);
    ecs_status status;
    if (ECSI_LIKELY(query.id != 0)) return query;
    ECSI_REQUIRE(world != NULL, query);
    ECSI_REQUIRE(info != NULL, query);
    status = ecsi_map_reserve(&world->memory, &world->queries.by_address);
    if (status == ECS_OK) status = ecs_query_make(world, info, &query);
    if (status == ECS_OK) {
        ecsi_map_put(&world->queries.by_address, (uint64_t)(uintptr_t)info, query.id);
    }
    ECSI_CHECK(status != ECS_OK || query.id != 0);
    world->status = status;
    return query;
}

/* The query of a handle; NULL for null and unknown ones. */
static inline ecsi_query *ecsi_query_get(const ecs_world *world, ecs_query query)
{
    if (query.id == 0 || query.id > world->queries.list.count) return NULL;
    return ecsi_query_at(&world->queries, query.id);
}

ECS_API uint32_t ecs_query_count(const ecs_world *world, ecs_query query)
{
    const ecsi_query *q;
    ECSI_REQUIRE(world != NULL, 0);
    q = ecsi_query_get(world, query);
    return q == NULL ? 0 : ecsi_query_row_count(q);
}

ECS_API ecs_status ecs_query_first(const ecs_world *world, ecs_query query, ecs_entity *out)
{
    const ecsi_query *q;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    *out = ecs_null();
    q = ecsi_query_get(world, query);
    for (i = 0; q != NULL && i < q->matches.count; i++) {
        const ecsi_table *table = ecsi_match_at(q, i)->table;
        if (table->row_count == 0) continue;
        ECSI_CHECK(table->first->count > 0);
        *out = ecsi_chunk_entities(table->first)[0];
        return ECS_OK;
    }
    return ECS_NOT_FOUND;
}

ECS_API ecs_status ecs_query_single(const ecs_world *world, ecs_query query, ecs_entity *out)
{
    ecs_status status = ecs_query_first(world, query, out);
    if (status != ECS_OK) return status;
    ECSI_CHECK(!ecs_is_null(*out));
    if (ecs_query_count(world, query) == 1) return ECS_OK;
    *out = ecs_null();
    return ECS_MANY;
}

ECS_API ecs_status ecs_query_despawn(ecs_world *world, ecs_query query, uint32_t *out_count)
{
    ecsi_query *q;
    uint32_t count = 0;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (out_count != NULL) *out_count = 0;
    if (world->locks != 0) return ECS_LOCKED;
    q = ecsi_query_get(world, query);
    ECSI_REQUIRE(q != NULL, ECS_INVALID);
    for (i = 0; i < q->matches.count; i++) {
        ecsi_table *table = ecsi_match_at(q, i)->table;
        count += table->row_count;
        ecsi_edit_clear(&world->storage, table);
    }
    ECSI_CHECK(ecsi_query_row_count(q) == 0);
    if (out_count != NULL) *out_count = count;
    return ECS_OK;
}

ECS_API void ecs_iter_begin(ecs_world *world, ecs_query query, ecs_iter *iter)
{
    const ecsi_query *q;
    ECSI_REQUIRE_VOID(iter != NULL);
    ecsi_iter_start(iter, NULL, NULL, 0);
    ECSI_REQUIRE_VOID(world != NULL);
    q = ecsi_query_get(world, query);
    if (q != NULL && !ECSI_ALLOWED_ALL(world, q, ECSI_WANT_MUTABLE)) return;
    ecsi_iter_start(iter, q, &world->locks, world->schedule.tick);
}

ECS_API void ecs_iter_begin_const(const ecs_world *world, ecs_query query, ecs_iter *iter)
{
    const ecsi_query *q;
    ECSI_REQUIRE_VOID(iter != NULL);
    ecsi_iter_start(iter, NULL, NULL, 0);
    ECSI_REQUIRE_VOID(world != NULL);
    q = ecsi_query_get(world, query);
    if (q != NULL && q->writes) {
        ECS_ASSERT(!q->writes);
        q = NULL;
    }
    if (q != NULL && !ECSI_ALLOWED_ALL(world, q, ECSI_WANT_VALUE)) q = NULL;
    ecsi_iter_start(iter, q, NULL, UINT64_MAX);
}

ECS_API bool ecs_iter_next(ecs_iter *iter)
{
    return ECSI_LIKELY(iter != NULL) && ecsi_iter_step(iter);
}

ECS_API uint32_t ecs_query_slices(const ecs_world *world, ecs_query query, uint32_t term,
                                  ecs_slice *out, uint32_t max)
{
    const ecsi_query *q;
    uint32_t count = 0;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(out != NULL || max == 0, 0);
    q = ecsi_query_get(world, query);
    if (q == NULL || term >= q->term_count) return 0;
    if (ecsi_access_is_column(q->terms[term].access) &&
        !ECSI_ALLOWED(world, q->terms[term].component, ECSI_WANT_VALUE)) {
        return 0;
    }
    for (i = 0; i < q->matches.count; i++) {
        const ecsi_match *match = ecsi_match_at(q, i);
        ecsi_chunk *chunk = match->table->first;
        uint32_t c = match->columns[term];
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next, count++) {
            const ecsi_column *column =
                c == ECSI_NO_COLUMN ? NULL : &match->table->columns[c];
            if (count >= max) continue;
            out[count].data = column == NULL ? NULL : ecsi_chunk_value(chunk, column, 0);
            out[count].count = chunk->count;
            out[count].stride = column == NULL ? 0 : column->bytes;
        }
    }
    return count;
}

/* ---- Commands ------------------------------------------------------------------------------ */

ECS_API ecs_commands *ecs_world_commands(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, NULL);
    if (!ECSI_ALLOWED(world, 0, ECSI_WANT_WORLD)) return NULL;
    return &world->own_cmd;
}

ECS_API ecs_status ecs_flush(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->locks != 0 || world->flush.running) return ECS_LOCKED;
    return ecsi_world_settle(world);
}

/* What a spawn answers. The world's field is for its own stream only: systems run at the same
 * time. */
static void ecsi_spawn_status(ecs_commands *cmd, ecs_status status)
{
    ECSI_CHECK(cmd->flush != NULL);
    cmd->status = status;
    if (cmd->system == ECSI_NO_SYSTEM) cmd->flush->world->status = status;
}

ECS_API ecs_status ecs_cmd_status(const ecs_commands *cmd)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    return cmd->status;
}

ECS_API ecs_entity ecs_cmd_spawn(ecs_commands *cmd)
{
    ecs_status status;
    ecs_entity e;
    ECSI_REQUIRE(cmd != NULL, ecs_null());
    if (!ECSI_RECORDS(cmd)) return ecs_null();
    e = ecsi_record_spawn(cmd, &status);
    ECSI_CHECK(status != ECS_OK || ecs_is_provisional(e));
    ecsi_spawn_status(cmd, status);
    return e;
}

ECS_API ECSI_TAKES_DATA ecs_entity ecs_cmd_spawn_values(ecs_commands *cmd, const ecs_value *values,
                                        uint32_t count)
{
    ecsi_queue_mark mark;
    ecs_commands before;
    ecs_status status;
    ecs_entity e;
    uint32_t i;
    ECSI_REQUIRE(cmd != NULL, ecs_null());
    if (!ECSI_RECORDS(cmd)) return ecs_null();
    ECSI_REQUIRE(values != NULL || count == 0, ecs_null());
    mark = ecsi_queue_where(cmd->queue);
    before = *cmd;
    e = ecsi_record_spawn(cmd, &status);
    ecsi_spawn_status(cmd, status);
    if (status != ECS_OK) return ecs_null();
    for (i = 0; i < count && status == ECS_OK; i++) {
        status = ecsi_record_component(cmd,
                                       values[i].data == NULL ? ECSI_COMMAND_ADD
                                                              : ECSI_COMMAND_SET,
                                       e, 0, values[i].type, values[i].data);
    }
    if (status == ECS_OK) return e;
    ecsi_spawn_undo(cmd, mark, &before);
    ecsi_spawn_status(cmd, status);
    return ecs_null();
}

ECS_API ecs_status ecs_cmd_despawn(ecs_commands *cmd, ecs_entity entity)
{
    ecsi_command *command;
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    if (ecs_is_null(entity)) return ECS_STALE;
    return ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_DESPAWN, 0, 1), entity.bits,
                               &command);
}

/* Apart, so that the calls below need no frame for it. */
ECSI_COLD static ecs_status ecsi_record_watched(ecs_commands *cmd, uint32_t kind,
                                                ecs_entity entity, uint32_t id,
                                                const ecs_type *type, const void *value)
{
    ECSI_CHECK(cmd->owner != 0);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    return ecsi_record_component(cmd, kind, entity, id, type, value);
}

static inline ecs_status ecsi_record_asked(ecs_commands *cmd, uint32_t kind, ecs_entity entity,
                                           uint32_t id, const ecs_type *type, const void *value)
{
    ECSI_CHECK(cmd->flush != NULL);
    if (ECSI_UNLIKELY(cmd->owner != 0)) {
        return ecsi_record_watched(cmd, kind, entity, id, type, value);
    }
    return ecsi_record_component(cmd, kind, entity, id, type, value);
}

/* Whether an id is one of a component. */
static inline bool ecsi_stream_knows(const ecs_commands *cmd, ecs_component component)
{
    uint32_t id = component.id;
    ECSI_CHECK(cmd != NULL);
    return id != 0 && ecsi_stream_component(cmd, &id, NULL) != NULL;
}

ECS_API ecs_status ecs_cmd_add_id(ecs_commands *cmd, ecs_entity entity, ecs_component component)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_stream_knows(cmd, component), ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_ADD, entity, component.id, NULL, NULL);
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_cmd_set_id(ecs_commands *cmd, ecs_entity entity, ecs_component component,
                                  const void *value)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_stream_knows(cmd, component), ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_SET, entity, component.id, NULL, value);
}

ECS_API ecs_status ecs_cmd_remove_id(ecs_commands *cmd, ecs_entity entity,
                                     ecs_component component)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_stream_knows(cmd, component), ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_REMOVE, entity, component.id, NULL, NULL);
}

ECS_API ecs_status ecs_cmd_add_type(ecs_commands *cmd, ecs_entity entity, const ecs_type *type)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_ADD, entity, 0, type, NULL);
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_cmd_set_type(ecs_commands *cmd, ecs_entity entity, const ecs_type *type,
                                    const void *value)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_SET, entity, 0, type, value);
}

ECS_API ecs_status ecs_cmd_remove_type(ecs_commands *cmd, ecs_entity entity,
                                       const ecs_type *type)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_REMOVE, entity, 0, type, NULL);
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_cmd_custom(ecs_commands *cmd,
                                  void (*run)(ecs_world *world, void *payload, uint32_t bytes),
                                  const void *payload, uint32_t bytes)
{
    ecsi_command *command;
    ecsi_custom custom;
    unsigned char *to;
    ecs_status status;
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    ECSI_REQUIRE(run != NULL, ECS_INVALID);
    ECSI_REQUIRE(payload != NULL || bytes == 0, ECS_INVALID);
    if (bytes > 1u << 30) return ECS_TOO_LARGE;
    status = ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_CUSTOM,
                                                      bytes + ECSI_CUSTOM_BYTES, 16), 0,
                                 &command);
    if (status != ECS_OK) return status;
    memset(&custom, 0, sizeof custom);
    custom.run = run;
    custom.bytes = bytes;
    to = (unsigned char *)ecsi_command_payload(command);
    ECSI_CHECK(to != NULL);
    memcpy(to, &custom, sizeof custom);
    if (bytes > 0) memcpy(to + ECSI_CUSTOM_BYTES, payload, bytes);
    return ECS_OK;
}

ECS_API ecs_entity ecs_cmd_resolve(const ecs_world *world, ecs_entity entity)
{
    ECSI_REQUIRE(world != NULL, ecs_null());
    return ecsi_flush_resolve(&world->flush, entity);
}

/* ---- Resources ------------------------------------------------------------------------------ */

ECS_API ECSI_TAKES_DATA ecs_status ecs_resource_set_type(ecs_world *world, const ecs_type *type,
                                         const void *value)
{
    ecs_component c;
    void *to;
    ecs_status status = ecsi_edit_type(world, type, &c);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (status == ECS_OK) status = ecsi_resource_need(&world->components, c.id, &to);
    if (status != ECS_OK) return status;
    ECSI_CHECK(to != NULL);
    if (to != value) {
        const ecsi_component *info = ecsi_component_at(&world->components, c.id);
        ecsi_values_destroy(info, to, 1);
        ecsi_values_copy(info, to, value, 1);
    }
    return ECS_OK;
}

ECS_API const void *ecs_resource_get_type(const ecs_world *world, const ecs_type *type)
{
    ecs_component c = ecs_component_of(world, type);
    if (c.id == 0 || !ECSI_ALLOWED(world, c.id, ECSI_WANT_RESOURCE)) return NULL;
    return ecsi_component_at(&world->components, c.id)->resource;
}

ECS_API void *ecs_resource_mut_type(ecs_world *world, const ecs_type *type)
{
    ecs_component c;
    void *value = NULL;
    ecs_status status = ecsi_edit_type(world, type, &c);
    if (status == ECS_OK) status = ecsi_resource_need(&world->components, c.id, &value);
    ECSI_CHECK(status != ECS_OK || value != NULL);
    if (world != NULL) world->status = status;
    return status == ECS_OK ? value : NULL;
}

/* ---- Events ---------------------------------------------------------------------------------- */

#ifndef ECS_NO_EVENTS
ECS_API ecs_status ecs_event_configure_type(ecs_world *world, const ecs_type *type,
                                            const ecs_event_desc *desc)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->policy == ECS_EVENT_REFUSE || desc->policy == ECS_EVENT_OVERWRITE,
                 ECS_INVALID);
    if (status != ECS_OK) return status;
    if (ecsi_component_at(&world->components, c.id)->event != 0) return ECS_EXISTS;
    return ecsi_event_make(&world->events, c.id, desc);
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_event_send_type(ecs_world *world, const ecs_type *type,
                                       const void *value)
{
    ecs_component c;
    ecsi_event *event;
    ecs_status status = ecsi_edit_type(world, type, &c);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (status == ECS_OK) status = ecsi_event_need(&world->events, c.id, &event);
    if (status != ECS_OK) return status;
    return ecsi_event_append(&world->events, event, value);
}

/* The stream's count of an event type; NULL when its quota is used up. */
static uint32_t *ecsi_emit_count(ecs_commands *cmd, uint32_t id)
{
    const ecsi_component *c = ecsi_stream_component(cmd, &id, NULL);
    uint32_t quota = ECSI_EVENT_CAPACITY;
    uint32_t i = 0;
    ecsi_stream_lock(cmd);
    if (c->event != 0 && (!cmd->detached || c->event <= cmd->events_known)) {
        quota = ecsi_event_at(cmd->flush->events, c->event - 1)->quota;
    }
    ecsi_stream_unlock(cmd);
    ECSI_CHECK(quota > 0);
    ECSI_CHECK(cmd->emit_type_count <= ECSI_EMIT_TYPES_MAX);
    while (i < cmd->emit_type_count && cmd->emit_types[i] != id) i++;
    if (i == ECSI_EMIT_TYPES_MAX) return NULL;
    if (i == cmd->emit_type_count) {
        cmd->emit_types[i] = id;
        cmd->emit_counts[i] = 0;
        cmd->emit_type_count++;
    }
    ECSI_CHECK(cmd->emit_counts[i] <= quota);
    return cmd->emit_counts[i] == quota ? NULL : &cmd->emit_counts[i];
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_cmd_emit_type(ecs_commands *cmd, const ecs_type *type,
                                                     const void *value)
{
    ecsi_command *command;
    uint32_t *count;
    uint32_t id;
    ecs_status status;
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    id = 0;
    if (ecsi_stream_component(cmd, &id, type) == NULL) return ECS_NOT_FOUND;
    if (type->bytes == 0) return ECS_UNSUPPORTED;
    if (cmd->owner != 0 && !cmd->detached &&
        !ecsi_access_emits(&cmd->flush->world->schedule, id)) {
        return ECS_INVALID;
    }
    count = ecsi_emit_count(cmd, id);
    if (count == NULL) {
        cmd->queue->events_dropped++;
        return ECS_FULL;
    }
    status = ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_EVENT, type->bytes,
                                                      type->align), 0, &command);
    if (status != ECS_OK) return status;
    *count += 1;
    command->component = id;
    memcpy(ecsi_command_payload(command), value, type->bytes);
    return ECS_OK;
}

ECS_API ecs_event_reader ecs_event_reader_open_type(ecs_world *world, const ecs_type *type)
{
    ecs_event_reader reader = {0};
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    if (status == ECS_OK) status = ecsi_reader_open(&world->events, c.id, &reader.id);
    ECSI_CHECK(status != ECS_OK || reader.id != 0);
    if (world != NULL) world->status = status;
    return reader;
}

/* The reader of a handle; ids are used again after a close. */
static bool ecsi_reader_known(const ecs_world *world, ecs_event_reader reader)
{
    if (reader.id == 0 || reader.id > world->events.readers.count) return false;
    return ecsi_reader_at(&world->events, reader.id)->event != 0;
}

ECS_API ecs_status ecs_event_reader_close(ecs_world *world, ecs_event_reader reader)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_reader_known(world, reader), ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    ecsi_reader_close(&world->events, reader.id);
    return ECS_OK;
}

ECS_API ecs_events ecs_event_read(ecs_world *world, ecs_event_reader reader)
{
    ecs_events answer;
    memset(&answer, 0, sizeof answer);
    ECSI_REQUIRE(world != NULL, answer);
    ECSI_REQUIRE(ecsi_reader_known(world, reader), answer);
    if (!ECSI_ALLOWED(world, ecsi_event_at(&world->events, ecsi_reader_at(
                                 &world->events, reader.id)->event - 1)->component,
                      ECSI_WANT_EVENTS)) {
        return answer;
    }
    answer = ecsi_reader_peek(&world->events, reader.id);
    ecsi_reader_advance(&world->events, reader.id, answer.count);
    return answer;
}

ECS_API ecs_event_stats ecs_event_stats_type(const ecs_world *world, const ecs_type *type)
{
    ecs_event_stats stats;
    ecs_component c = ecs_component_of(world, type);
    const ecsi_event *event;
    memset(&stats, 0, sizeof stats);
    if (c.id == 0 || ecsi_component_at(&world->components, c.id)->event == 0) return stats;
    event = ecsi_event_at(&world->events, ecsi_component_at(&world->components, c.id)->event - 1);
    ECSI_CHECK(event->count <= event->capacity);
    stats.count = event->count;
    stats.sent = event->sent;
    stats.refused = event->refused;
    stats.overwritten = event->overwritten;
    stats.unread = event->unread;
    return stats;
}
#endif

/* ---- Systems and phases ---------------------------------------------------------------------- */

/* Remembers that a system was not added, for a program that does not look at the answer. */
static void ecsi_system_refused(ecsi_schedule *schedule, const ecs_system_desc *desc,
                                ecs_status status)
{
    const char *name = desc->name != NULL ? desc->name : desc->system->name;
    ecsi_refused *refused;
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(desc->system != NULL);
    if (schedule->refused_count < ECSI_REFUSED_MAX) {
        refused = &schedule->refused[schedule->refused_count];
        refused->status = status;
        (void)snprintf(refused->name, sizeof refused->name, "%s", name != NULL ? name : "?");
    }
    if (schedule->refused_count < UINT32_MAX) schedule->refused_count++;
}

ECS_API ecs_status ecs_system_add_desc(ecs_world *world, const ecs_system_desc *desc)
{
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->system != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->schedule.adding) return ECS_LOCKED;
    status = ecsi_system_insert(&world->schedule, desc);
    if (status != ECS_OK) ecsi_system_refused(&world->schedule, desc, status);
    return status;
}

ECS_API ecs_status ecs_system_add(ecs_world *world, const ecs_system *system, ecs_phase phase)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.phase = phase;
    return ecs_system_add_desc(world, &desc);
}

ECS_API ecs_status ecs_system_enable(ecs_world *world, const char *name, bool enabled)
{
    uint32_t index;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking) return ECS_LOCKED;
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return ECS_NOT_FOUND;
    ecsi_system_at(&world->schedule, index)->disabled = !enabled;
    ecsi_system_switch(ecsi_system_at(&world->schedule, index));
    if (ecsi_system_at(&world->schedule, index)->enabled) {
        ecsi_system_forgive(ecsi_system_at(&world->schedule, index));
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_system_state_get(const ecs_world *world, const char *name,
                                        ecs_system_state *out)
{
    const ecsi_system *system;
    uint32_t index;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return ECS_NOT_FOUND;
    system = ecsi_system_at(&world->schedule, index);
    *out = system->state;
    out->enabled = system->enabled;
    out->broken = system->broken;
    out->wait_ticks = system->wait_ticks;
    return ECS_OK;
}

ECS_API void ecs_tick_cancel(ecs_world *world)
{
    ECSI_REQUIRE_VOID(world != NULL);
    /* Relaxed: it says when to stop, and hands nothing over. */
    ECSI_STORE(&world->schedule.cancel, 1u, relaxed);
}

ECS_API bool ecs_tick_cancelled(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, false);
    return ecsi_tick_cancelled(&world->schedule);
}

ECS_API ecs_status ecs_system_remove(ecs_world *world, const char *name)
{
    uint32_t index;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->schedule.adding) return ECS_LOCKED;
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return ECS_NOT_FOUND;
    ecsi_system_take_out(&world->schedule, index);
    return ECS_OK;
}

ECS_API ecs_status ecs_group_add(ecs_world *world, const ecs_group_desc *desc)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->schedule.adding) return ECS_LOCKED;
    return ecsi_group_insert(&world->schedule, desc);
}

ECS_API ecs_status ecs_group_enable(ecs_world *world, const char *name, bool enabled)
{
    ecsi_group *group;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking) return ECS_LOCKED;
    group = ecsi_group_find(&world->schedule, name);
    if (group == NULL) return ECS_NOT_FOUND;
    group->enabled = enabled;
    for (i = 0; i < world->schedule.systems.count; i++) {
        ecsi_system *system = ecsi_system_at(&world->schedule, i);
        if (system->group != group) continue;
        ecsi_system_switch(system);
        if (system->enabled) ecsi_system_forgive(system);
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_group_state_get(const ecs_world *world, const char *name,
                                       ecs_group_state *out)
{
    const ecsi_group *group;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    group = ecsi_group_find(&world->schedule, name);
    if (group == NULL) return ECS_NOT_FOUND;
    *out = group->state;
    out->enabled = group->enabled;
    out->asynchronous = group->detached && world->schedule.built;
    out->under_way = group->under_way;
    out->systems = 0;
    for (i = 0; i < world->schedule.systems.count; i++) {
        if (ecsi_system_at(&world->schedule, i)->group == group) out->systems++;
    }
    return ECS_OK;
}

ECS_API ecs_launch ecs_group_last(const ecs_world *world, const char *name)
{
    ecs_launch launch = {0, 0};
    const ecsi_group *group;
    ECSI_REQUIRE(world != NULL, launch);
    ECSI_REQUIRE(name != NULL, launch);
    group = ecsi_group_find(&world->schedule, name);
    if (group == NULL) return launch;
    launch.number = group->state.launched;
    launch.group = group->number;
    return launch;
}

/* The launch of a future; NULL: there was none, or it is applied. */
static ecsi_launch *ecsi_launch_get(const ecs_world *world, ecs_launch launch)
{
    const ecsi_group *group;
    uint64_t behind;
    ECSI_CHECK(world != NULL);
    if (launch.group == 0 || launch.group > world->schedule.groups.count) return NULL;
    group = ecsi_group_at(&world->schedule, launch.group - 1);
    if (launch.number == 0 || launch.number > group->state.launched) return NULL;
    behind = group->state.launched - launch.number;
    ECSI_CHECK(group->under_way <= group->desc.depth);
    if (behind >= group->under_way) return NULL;
    return ecsi_group_launch(group, group->under_way - 1 - (uint32_t)behind);
}

ECS_API bool ecs_launch_ended(const ecs_world *world, ecs_launch launch)
{
    const ecsi_launch *found;
    ECSI_REQUIRE(world != NULL, false);
    ECSI_REQUIRE(launch.number != 0, false);
    found = ecsi_launch_get(world, launch);
    return found == NULL || ecsi_launch_ended(found);
}

ECS_API ecs_status ecs_launch_wait(ecs_world *world, ecs_launch launch)
{
    const ecsi_group *group;
    ecsi_launch *found;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    /* First of all: this thread may have nothing to do with the world's. */
    if (ecsi_groups_inside(&world->schedule)) return ECS_LOCKED;
    if (world->locks != 0) return ECS_LOCKED;
    if (launch.group == 0 || launch.group > world->schedule.groups.count) return ECS_INVALID;
    group = ecsi_group_at(&world->schedule, launch.group - 1);
    if (launch.number == 0 || launch.number > group->state.launched) return ECS_INVALID;
    found = ecsi_launch_get(world, launch);
    if (found != NULL) ecsi_launch_finish(found, world->schedule.worker);
    ECSI_CHECK(found == NULL || ecsi_launch_ended(found));
    return ECS_OK;
}

ECS_API float ecs_system_alpha(const ecs_world *world, const char *name)
{
    const ecsi_system *system;
    const ecsi_fixed *fixed;
    uint32_t index;
    ECSI_REQUIRE(world != NULL, 0.0f);
    ECSI_REQUIRE(name != NULL, 0.0f);
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return 0.0f;
    system = ecsi_system_at(&world->schedule, index);
    fixed = &system->fixed;
    if (fixed->step_s <= 0) fixed = &ecsi_phase_at(&world->schedule, system->phase)->fixed;
    ECSI_CHECK(fixed->saved_s >= 0);
    return fixed->step_s > 0 ? (float)(fixed->saved_s / (double)fixed->step_s) : 0.0f;
}

/* The world's schedule is asked, when it checks. A view of an asynchronous group has no world to
 * show, but its commands know one. */
static void *ecsi_view_column(const ecs_view *view, uint32_t term, const ecs_type *type,
                              bool writes)
{
    const ecs_world *world = view->world != NULL ? view->world : view->cmd->flush->world;
    ECSI_REQUIRE(view->columns != NULL, NULL);
    ECSI_REQUIRE(type != NULL, NULL);
    ECSI_REQUIRE(term < ECS_TERMS_MAX, NULL);
    if (ECSI_UNLIKELY(world->entities.front.checked != NULL) &&
        !ecsi_access_column(&world->schedule, term, type, writes)) {
        return NULL;
    }
    return view->columns[term];
}

ECS_API const void *ecs_view_read(const ecs_view *view, uint32_t term, const ecs_type *type)
{
    ECSI_REQUIRE(view != NULL, NULL);
    return ecsi_view_column(view, term, type, false);
}

ECS_API void *ecs_view_write(const ecs_view *view, uint32_t term, const ecs_type *type)
{
    ECSI_REQUIRE(view != NULL, NULL);
    return ecsi_view_column(view, term, type, true);
}

ECS_API ecs_phase ecs_phase_add(ecs_world *world, const ecs_phase_desc *desc)
{
    uint32_t number = 0;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(desc != NULL, 0);
    world->status = ECS_LOCKED;
    if (world->locks != 0 || world->schedule.ticking) return 0;
    world->status = ecsi_phase_insert(&world->schedule, desc, &number);
    return world->status == ECS_OK ? number : 0;
}

ECS_API ecs_phase ecs_phase_find(const ecs_world *world, const char *name)
{
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(name != NULL, 0);
    return ecsi_phase_by_name(&world->schedule, name);
}

ECS_API ecs_status ecs_schedule_build(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->schedule.ticking) return ECS_LOCKED;
    return ecsi_schedule_build(&world->schedule);
}

ECS_API ecs_status ecs_schedule_validate(ecs_world *world, char *text, size_t bytes)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(text != NULL || bytes == 0, ECS_INVALID);
    if (world->schedule.ticking) return ECS_LOCKED;
    return ecsi_schedule_validate(&world->schedule, text, bytes);
}

ECS_API ecs_status ecs_tick(ecs_world *world, float dt)
{
    uint64_t sent = 0;
    uint64_t lost = 0;
    uint64_t found;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(dt >= 0.0f && dt <= 3.0e38f, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->flush.running) return ECS_LOCKED;
    if (ECSI_UNLIKELY(world->schedule.ending)) return ECS_LOCKED;
    status = ecsi_schedule_build(&world->schedule);
    if (status == ECS_OK) status = ecsi_world_settle(world);
    if (status != ECS_OK) return status;
    world->schedule.tick++;
    world->locks++;
    found = ecsi_watch_violations(&world->schedule);
#ifndef ECS_NO_EVENTS
    ecsi_events_sum(world, &sent, &lost);
#endif
    status = ecsi_schedule_tick(&world->schedule, dt);
#ifndef ECS_NO_EVENTS
    ecsi_events_sum(world, &world->schedule.report.events_sent,
                    &world->schedule.report.events_dropped);
#endif
    world->schedule.report.events_sent -= sent;
    world->schedule.report.events_dropped -= lost;
    world->schedule.report.access_violations = ecsi_watch_violations(&world->schedule) - found;
    ECSI_CHECK(world->locks == 1);
    world->locks--;
    return status;
}

ECS_API const ecs_tick_report *ecs_tick_last(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, NULL);
    return &world->schedule.report;
}

/* ---- Explain and hash ------------------------------------------------------------------------ */

#ifndef ECS_NO_EXPLAIN
ECS_API size_t ecs_explain_schedule(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_schedule_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}

ECS_API size_t ecs_explain_schedule_dot(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_dot_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}

ECS_API size_t ecs_explain_query(const ecs_world *world, ecs_query query, char *text,
                                 size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    const ecsi_query *q;
    ECSI_REQUIRE(world != NULL, 0);
    q = ecsi_query_get(world, query);
    if (q == NULL) {
        ecsi_print(&t, "no such query\n");
    } else {
        ecsi_explain_query_text(&t, &world->queries, q);
    }
    ECSI_CHECK(t.total > 0);
    return t.total;
}

ECS_API size_t ecs_explain_entity(const ecs_world *world, ecs_entity entity, char *text,
                                  size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_entity_text(&t, &world->storage, entity);
    return t.total;
}

ECS_API size_t ecs_explain_drops(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_drops_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}

#ifndef ECS_NO_ADAPTIVE
ECS_API size_t ecs_explain_adaptive(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_adaptive_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}
#endif
#endif

#ifndef ECS_NO_HASH
ECS_API uint64_t ecs_world_hash(const ecs_world *world)
{
    uint64_t h;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    if (!ECSI_ALLOWED(world, 0, ECSI_WANT_WORLD)) return 0;
    h = ecsi_mix(ecsi_mix(0x6563732e68u, world->desc.seed), world->schedule.tick);
    h = ecsi_hash_entities(h, &world->entities);
    for (i = 0; i < world->storage.tables.count; i++) {
        h = ecsi_hash_table(h, &world->storage, ecsi_table_at(&world->storage, i));
    }
    h = ecsi_hash_resources(h, &world->components);
#ifndef ECS_NO_EVENTS
    h = ecsi_hash_events(h, &world->events);
#endif
    return ecsi_hash_schedule(h, &world->schedule);
}
#endif

#endif /* ECS_WORLD_H */

/* >>worlds ==================================================== src/worlds.h */

/* worlds.h: worlds that hand entities to each other: members, routing, the two ends of a
 * transfer, and the tick of all.
 *
 * A sender must know whether the target has a component without looking into the target, which
 * another thread may tick. So each member publishes its components: a list that only grows, of
 * pointers to entries that stay and whose names and shapes never change. The sender looks into
 * the list once for each of its components and remembers the answer (ecsi_pair).
 *
 * What can be refused is found out before anything changes: components and sizes first, then
 * positions of the ring are claimed, and only then the entities leave their rows. The other end
 * puts in singles one by one, as far as there is room; for a group it reserves handles, tables
 * and rows for all before it puts in the first. */
/* floor: 14 */
#ifndef ECS_WORLDS_H
#define ECS_WORLDS_H

#ifndef ECS_NO_WORLDS

#define ECSI_TRANSFERS 4096u
#define ECSI_TRANSFERS_MAX (1u << 20)
#define ECSI_RETRY_LIMIT 16u
#define ECSI_RETRY_FIRST 1u
#define ECSI_RETRY_MOST 64u
/* The target knows the name with another shape. */
#define ECSI_DIFFERS 0xffffffffu
/* Row of the routes that members share. */
#define ECSI_SHARED ECS_WORLDS_MAX

/* What a component of a source is at a target. */
typedef struct ecsi_pair {
    uint32_t id;       /* 0: not known yet; ECSI_DIFFERS */
    uint32_t searched; /* of the target's list */
    uint32_t told;     /* the log has it */
} ecsi_pair;

/* A marked entity that is to be sent. Must begin with the handle: see ecsi_entity_of. */
typedef struct ecsi_pick {
    ecs_entity entity;
    uint32_t priority;
    uint32_t to;
    uint32_t group;
} ecsi_pick;

typedef struct ecsi_member_choice {
    const ecs_type *type;
    char target[ECS_NAME_BYTES_MAX];
    uint32_t to;
} ecsi_member_choice;

typedef struct ecsi_member {
    ecs_world *world; /* NULL: free */
    char name[ECS_NAME_BYTES_MAX];
    ecs_world_role role;
    char target[ECS_NAME_BYTES_MAX]; /* empty: by role */
    uint32_t to;                     /* index of the default target */
    uint32_t choice_count;
    ecsi_member_choice choices[ECS_WORLDS_CHOICES_MAX];
    ecsi_component **known; /* published for senders, by id minus one */
    uint32_t known_max;
    ecsi_atomic_u32 known_count;
    ecsi_route *in[ECS_WORLDS_MAX + 1]; /* routes that end here */
    uint32_t in_count;
    uint32_t turn;        /* of `in`: who was served last */
    ecsi_pick *picks;     /* of transfers_max */
    uint64_t sequence;
    ecs_status status;    /* of its last tick */
    bool told;            /* the log has that it gave up */
    ecsi_atomic_u32 busy; /* it is ticked */
    ecsi_atomic_u64 sent;
    ecsi_atomic_u64 left;      /* of these: arrived somewhere, or discarded */
    ecsi_atomic_u64 arrived;
    ecsi_atomic_u64 discarded; /* on the way to it */
    ecsi_atomic_u64 refused;
    ecsi_atomic_u64 dropped;
    ecsi_atomic_u64 given_up;
} ecsi_member;

struct ecs_worlds {
    ecsi_memory memory;
    ecsi_log log;
    ecs_worlds_desc desc; /* with the defaults filled in */
    uint64_t tick;        /* lockstep */
    ecsi_atomic_u32 busy; /* calls that tick */
    uint32_t member_count;
    uint32_t order[ECS_WORLDS_MAX]; /* indices of the members, rising */
    ecsi_member members[ECS_WORLDS_MAX];
    ecsi_route *routes[ECS_WORLDS_MAX + 1][ECS_WORLDS_MAX]; /* from, to */
    ecsi_pair *pairs[ECS_WORLDS_MAX][ECS_WORLDS_MAX];       /* by the source's ids minus one */
};

/* ---- Retries ---------------------------------------------------------------------------- */

ECS_API bool ecs_retry_due(const ecs_retry *retry, uint64_t tick)
{
    ECSI_REQUIRE(retry != NULL, false);
    return retry->given_up == 0 && tick >= retry->due;
}

ECS_API bool ecs_retry_refused(ecs_retry *retry, const ecs_retry_desc *desc, uint64_t tick)
{
    uint32_t limit = ECSI_RETRY_LIMIT;
    uint64_t wait = ECSI_RETRY_FIRST;
    uint64_t most = ECSI_RETRY_MOST;
    uint32_t i;
    ECSI_REQUIRE(retry != NULL, false);
    if (desc != NULL) {
        limit = ecsi_default_u32(desc->limit, limit);
        wait = ecsi_default_u32(desc->first, (uint32_t)wait);
        most = ecsi_default_u32(desc->most, (uint32_t)most);
    }
    for (i = 0; i < retry->tries && wait < most; i++) wait *= 2u;
    if (wait > most) wait = most;
    ECSI_CHECK(wait > 0);
    if (retry->tries < UINT32_MAX) retry->tries++;
    if (limit != ECS_RETRY_FOREVER && retry->tries > limit) {
        retry->given_up = 1;
        return false;
    }
    retry->due = tick + wait;
    return true;
}

/* ---- Members ---------------------------------------------------------------------------- */

static uint32_t ecsi_member_of(const ecs_worlds *worlds, const ecs_world *world)
{
    uint32_t i;
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (worlds->members[worlds->order[i]].world == world) return worlds->order[i];
    }
    ECSI_CHECK(i == worlds->member_count);
    return ECSI_NO_MEMBER;
}

static uint32_t ecsi_member_by_name(const ecs_worlds *worlds, const char *name)
{
    uint32_t i;
    ECSI_CHECK(name != NULL);
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (strcmp(worlds->members[worlds->order[i]].name, name) == 0) return worlds->order[i];
    }
    return ECSI_NO_MEMBER;
}

static uint32_t ecsi_member_by_role(const ecs_worlds *worlds, ecs_world_role role)
{
    uint32_t i;
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (worlds->members[worlds->order[i]].role == role) return worlds->order[i];
    }
    return ECSI_NO_MEMBER;
}

/* The index of a number that a user gave. */
static inline uint32_t ecsi_member_numbered(const ecs_worlds *worlds, uint32_t number)
{
    if (number == 0 || number > ECS_WORLDS_MAX) return ECSI_NO_MEMBER;
    return worlds->members[number - 1].world != NULL ? number - 1 : ECSI_NO_MEMBER;
}

/* The route that an entity takes, or NULL. */
static inline ecsi_route *ecsi_route_between(const ecs_worlds *worlds, uint32_t from,
                                             uint32_t to)
{
    ecsi_route *route;
    ECSI_CHECK(from < ECS_WORLDS_MAX);
    if (to >= ECS_WORLDS_MAX || from == to) return NULL;
    route = worlds->routes[from][to];
    if (route != NULL) return route;
    return worlds->members[from].role == ECS_ROLE_STANDALONE ? NULL
                                                             : worlds->routes[ECSI_SHARED][to];
}

/* Lets senders see what is registered by now. The owner of the world. */
static void ecsi_member_publish(ecsi_member *member)
{
    const ecsi_components *components = &member->world->components;
    uint32_t count = ECSI_LOAD(&member->known_count, relaxed);
    ECSI_CHECK(components->list.count <= member->known_max);
    ECSI_CHECK(count <= components->list.count);
    if (count == components->list.count) return;
    for (; count < components->list.count; count++) {
        member->known[count] = ecsi_component_at(components, count + 1);
    }
    /* Pairs with the acquire of ecsi_sending_begin. */
    ECSI_STORE(&member->known_count, count, release);
}

/* After members or routes came or went: who is there, where routes end, default targets. */
static void ecsi_worlds_arrange(ecs_worlds *worlds)
{
    uint32_t i;
    uint32_t c;
    worlds->member_count = 0;
    for (i = 0; i < ECS_WORLDS_MAX; i++) {
        if (worlds->members[i].world != NULL) worlds->order[worlds->member_count++] = i;
    }
    for (i = 0; i < worlds->member_count; i++) {
        ecsi_member *member = &worlds->members[worlds->order[i]];
        uint32_t from;
        member->in_count = 0;
        member->turn = 0;
        for (from = 0; from <= ECSI_SHARED; from++) {
            ecsi_route *route = worlds->routes[from][worlds->order[i]];
            if (route != NULL) member->in[member->in_count++] = route;
        }
        for (c = 0; c < member->choice_count; c++) {
            member->choices[c].to = ecsi_member_by_name(worlds, member->choices[c].target);
        }
        member->to = ECSI_NO_MEMBER;
        if (member->target[0] != 0) {
            member->to = ecsi_member_by_name(worlds, member->target);
        } else if (member->role == ECS_ROLE_ACCEPT) {
            member->to = ecsi_member_by_role(worlds, ECS_ROLE_IO);
        } else if (member->role == ECS_ROLE_IO) {
            member->to = ecsi_member_by_role(worlds, ECS_ROLE_COMPUTE);
        }
        ECSI_CHECK(member->in_count <= ECS_WORLDS_MAX + 1);
    }
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
}

/* A world that takes no direct edits now. */
static bool ecsi_member_locked(const ecsi_member *member)
{
    const ecs_world *world = member->world;
    ECSI_CHECK(world != NULL);
    return world->locks != 0 || world->schedule.ticking || world->flush.running;
}

/* A member is iterated, or one of its hooks runs, perhaps in the midst of a send. Who asks has
 * all of them to itself. */
static bool ecsi_worlds_held(const ecs_worlds *worlds)
{
    uint32_t i;
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (ecsi_member_locked(&worlds->members[worlds->order[i]])) return true;
    }
    return false;
}

/* Somebody ticks. */
static inline bool ecsi_worlds_busy(const ecs_worlds *worlds)
{
    return ECSI_LOAD(&worlds->busy, acquire) != 0; /* pairs with the releases of ticks */
}

/* Nothing may be declared. */
static bool ecsi_worlds_locked(const ecs_worlds *worlds)
{
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    return ecsi_worlds_busy(worlds) || ecsi_worlds_held(worlds);
}

/* Nothing may be sent from it or put in by a call. In lockstep so for all members in a tick:
 * whether another one is ticked just then depends on the workers. */
static bool ecsi_member_closed(const ecs_worlds *worlds, const ecsi_member *member)
{
    ECSI_CHECK(member->world != NULL);
    if (worlds->desc.lockstep && ecsi_worlds_busy(worlds)) return true;
    /* No more than a hint: who may ask has the member to itself. */
    return ECSI_LOAD(&member->busy, relaxed) != 0 || ecsi_member_locked(member);
}

/* ---- Sending ---------------------------------------------------------------------------- */

/* One round of sends from one member to another. */
typedef struct ecsi_sending {
    ecs_worlds *worlds;
    ecsi_member *source;
    ecsi_route *route;
    ecsi_pair *pairs;
    uint32_t from;
    uint32_t limit;    /* components of the target that count: the same for a whole round, or
                          what was measured could grow */
    uint32_t transfer; /* id of ecs_transfer at the source; 0: none */
    const ecsi_table *table; /* measured last, and what came of it */
    ecs_status status;
} ecsi_sending;

static ecsi_sending ecsi_sending_begin(ecs_worlds *worlds, uint32_t from, ecsi_route *route)
{
    ecsi_sending sending;
    ecsi_member *source = &worlds->members[from];
    ecsi_member *target = &worlds->members[route->to];
    ECSI_CHECK(source->world != NULL && target->world != NULL);
    ECSI_CHECK(worlds->pairs[from][route->to] != NULL);
    memset(&sending, 0, sizeof sending);
    sending.worlds = worlds;
    sending.source = source;
    sending.route = route;
    sending.pairs = worlds->pairs[from][route->to];
    sending.from = from;
    /* Pairs with the release of ecsi_member_publish. */
    sending.limit = ECSI_LOAD(&target->known_count, acquire);
    sending.transfer = ecsi_component_seek(&source->world->components,
                                           ecs_type_of(ecs_transfer));
    return sending;
}

/* What a component of the source is at the target: its id there, 0, or ECSI_DIFFERS. */
static uint32_t ecsi_sending_find(ecsi_sending *sending, uint32_t component)
{
    ecsi_pair *pair = &sending->pairs[component - 1];
    const ecsi_member *target = &sending->worlds->members[sending->route->to];
    const ecsi_component *c;
    uint32_t i;
    if (ECSI_LIKELY(pair->id != 0)) return pair->id;
    c = ecsi_component_at(&sending->source->world->components, component);
    ECSI_CHECK(component <= sending->source->known_max);
    ECSI_CHECK(pair->searched <= sending->limit);
    for (i = pair->searched; i < sending->limit; i++) {
        const ecsi_component *other = target->known[i];
        if (other->name_hash != c->name_hash || strcmp(other->name, c->name) != 0) continue;
        pair->id = ecsi_type_equal(&other->type, &c->type) ? i + 1 : ECSI_DIFFERS;
        break;
    }
    pair->searched = i;
    if (pair->id == 0 && pair->told == 0) {
        pair->told = 1;
        ecsi_log_print(&sending->worlds->log, ECS_LOG_WARNING,
                       "worlds: %s does not know %s of %s: %s", target->name, c->name,
                       sending->source->name,
                       sending->worlds->desc.unknown == ECS_UNKNOWN_DROP ? "dropped"
                                                                         : "refused");
    }
    return pair->id;
}

/* Whether entities of a table can travel, and fit a body. */
static ecs_status ecsi_sending_measure(ecsi_sending *sending, const ecsi_table *table)
{
    const ecs_worlds *worlds = sending->worlds;
    size_t bytes = table->component_count * sizeof(ecsi_cargo);
    uint32_t i;
    ECSI_CHECK(table != NULL);
    if (sending->table == table) return sending->status;
    sending->table = table;
    sending->status = ECS_OK;
    for (i = 0; i < table->component_count && sending->status == ECS_OK; i++) {
        const ecsi_component *c;
        uint32_t id;
        if (table->ids[i] == sending->transfer) continue;
        c = ecsi_component_at(&sending->source->world->components, table->ids[i]);
        id = ecsi_sending_find(sending, table->ids[i]);
        if (id == ECSI_DIFFERS) sending->status = ECS_MISMATCH;
        if (id == 0 && worlds->desc.unknown == ECS_UNKNOWN_REFUSE) {
            sending->status = ECS_UNSUPPORTED;
        }
        if (id == 0 || c->type.bytes == 0) continue;
        bytes = ecsi_body_place(NULL, bytes, c->type.align) + c->type.bytes;
    }
    if (sending->status == ECS_OK && bytes > sending->route->body_bytes) {
        sending->status = ECS_TOO_LARGE;
    }
    ECSI_CHECK(sending->status != ECS_FULL);
    return sending->status;
}

/* Takes the values of a row apart: into a body, or to their end. */
static void ecsi_cargo_load(ecsi_sending *sending, ecsi_transit *transit, unsigned char *body,
                            ecsi_chunk *chunk, uint32_t row)
{
    const ecsi_table *table = chunk->table;
    ecsi_cargo *parts = (ecsi_cargo *)(void *)body;
    size_t at = table->component_count * sizeof *parts;
    uint64_t dropped = 0;
    uint32_t i;
    ECSI_CHECK(transit->part_count == 0);
    ECSI_CHECK(row < chunk->count);
    for (i = 0; i < table->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(&sending->source->world->components,
                                                    table->ids[i]);
        const ecsi_table_slot *slot = ecsi_table_find(table, table->ids[i]);
        bool marker = table->ids[i] == sending->transfer;
        uint32_t to = marker ? 0 : sending->pairs[table->ids[i] - 1].id;
        void *value = NULL;
        ecsi_cargo *part = &parts[transit->part_count];
        if (slot->column != ECSI_NO_COLUMN) {
            value = ecsi_chunk_value(chunk, &table->columns[slot->column], row);
        }
        if (to == 0) {
            if (value != NULL) ecsi_values_destroy(c, value, 1);
            dropped += marker ? 0u : 1u;
            continue;
        }
        part->component = to;
        part->offset = 0;
        transit->part_count++;
        if (value == NULL) continue;
        at = ecsi_body_place(body, at, c->type.align);
        ECSI_CHECK(at + c->type.bytes <= sending->route->body_bytes);
        ecsi_values_move(c, body + at, value, 1);
        part->offset = (uint32_t)at;
        at += c->type.bytes;
    }
    if (dropped == 0) return;
    (void)ECSI_ADD(&sending->route->dropped, dropped, relaxed);
    ECSI_COUNT_UP(&sending->source->dropped, dropped);
}

/* Takes an entity out of its world and puts it at a position that was claimed. */
static void ecsi_cargo_leave(ecsi_sending *sending, ecs_entity entity, uint64_t at)
{
    ecs_world *world = sending->source->world;
    ecsi_storage *storage = &world->storage;
    ecsi_record *record = ecsi_entities_find(&world->entities, entity);
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    uint32_t row = ecsi_record_row(&world->entities, record);
    ecsi_transit *transit = ecsi_route_transit(sending->route, at);
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(sending->status == ECS_OK);
    if (chunk->table->notify) {
        ecsi_notify_removed(storage, entity, record, chunk->table, NULL);
    }
    transit->tick = sending->worlds->desc.lockstep ? sending->worlds->tick
                                                   : world->schedule.tick;
    transit->sequence = sending->source->sequence++;
    transit->entity = entity;
    transit->source = sending->from;
    transit->part_count = 0;
    ecsi_cargo_load(sending, transit, ecsi_route_body(sending->route, at), chunk, row);
    ecsi_row_pop(storage, chunk, row);
    ecsi_entities_give(&world->entities, ecs_index(entity));
    ECSI_CHECK(ecsi_entities_find(&world->entities, entity) == NULL);
}

/* The entity of element `i` of handles, or of picks, which begin with them. */
static inline ecs_entity ecsi_entity_of(const void *list, size_t stride, uint32_t i)
{
    ecs_entity e;
    ECSI_CHECK(stride >= sizeof e);
    memcpy(&e, (const unsigned char *)list + i * stride, sizeof e);
    return e;
}

/* Sends from `least` to `most` entities as one batch, as many as there is room for; all of
 * them were measured. Answers how many. */
static uint32_t ecsi_sending_batch(ecsi_sending *sending, const void *list, size_t stride,
                                   uint32_t least, uint32_t most)
{
    ecsi_route *route = sending->route;
    uint32_t group = least > 1 ? 1u : 0u;
    uint64_t at;
    uint32_t count = ecsi_ring_claim(&route->ring, least, most, &at);
    uint32_t i;
    ECSI_CHECK(most <= route->batch);
    ECSI_CHECK(count == 0 || count >= least);
    if (count == 0) return 0;
    for (i = 0; i < count; i++) {
        ecsi_transit *transit = ecsi_route_transit(route, at + i);
        ecsi_cargo_leave(sending, ecsi_entity_of(list, stride, i), at + i);
        transit->batch_count = count - i;
        transit->group = group;
    }
    (void)ECSI_ADD(&route->sent, (uint64_t)count, relaxed);
    ECSI_COUNT_UP(&sending->source->sent, (uint64_t)count);
    ecsi_ring_publish_all(&route->ring, at, count);
    return count;
}

/* Counts entities that stay. */
static void ecsi_refused_count(ecsi_member *source, ecsi_route *route, ecs_status status,
                               uint32_t count)
{
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(count > 0);
    ECSI_COUNT_UP(&source->refused, (uint64_t)count);
    if (route == NULL) return;
    (void)ECSI_ADD(&route->refused, (uint64_t)count, relaxed);
    if (status == ECS_FULL) (void)ECSI_ADD(&route->refused_full, (uint64_t)count, relaxed);
}

/* Where the entities of a table go by the member's own routing. */
static uint32_t ecsi_member_routing(const ecsi_member *member, const ecsi_table *table)
{
    uint32_t i;
    ECSI_CHECK(member->choice_count <= ECS_WORLDS_CHOICES_MAX);
    ECSI_CHECK(table != NULL);
    for (i = 0; i < member->choice_count; i++) {
        uint32_t id = ecsi_component_seek(&member->world->components, member->choices[i].type);
        if (id != 0 && ecsi_table_find(table, id) != NULL) return member->choices[i].to;
    }
    return member->to;
}

/* All alive, and none of them twice. */
static ecs_status ecsi_together_check(const ecs_world *world, const ecs_entity *entities,
                                   uint32_t count)
{
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= ECSI_ROUTE_BATCH_MAX);
    for (i = 0; i < count; i++) {
        if (ecsi_entities_find(&world->entities, entities[i]) == NULL) return ECS_STALE;
        for (k = 0; k < i; k++) {
            if (ecs_equal(entities[i], entities[k])) return ECS_INVALID;
        }
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_worlds_send_group(ecs_worlds *worlds, ecs_world *from,
                                         const ecs_entity *entities, uint32_t entity_count,
                                         uint32_t to)
{
    ecsi_sending sending;
    ecsi_route *route;
    ecsi_member *source;
    const ecsi_record *record;
    uint32_t s;
    uint32_t t = to - 1;
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(from != NULL, ECS_INVALID);
    ECSI_REQUIRE(entities != NULL || entity_count == 0, ECS_INVALID);
    s = ecsi_member_of(worlds, from);
    if (s == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    source = &worlds->members[s];
    if (ecsi_member_closed(worlds, source)) return ECS_LOCKED;
    if (entity_count == 0) return ECS_INVALID;
    record = ecsi_entities_find(&from->entities, entities[0]);
    if (record == NULL) return ECS_STALE;
    if (to == 0) t = ecsi_member_routing(source, ecsi_record_table(&from->storage, record));
    route = ecsi_route_between(worlds, s, t);
    if (route == NULL) status = ECS_NOT_FOUND;
    if (status == ECS_OK && entity_count > route->batch) status = ECS_TOO_LARGE;
    if (status == ECS_OK) {
        status = ecsi_together_check(from, entities, entity_count);
        if (status != ECS_OK) return status;
        /* In lockstep everything belongs to this thread. */
        if (worlds->desc.lockstep) ecsi_member_publish(&worlds->members[t]);
        sending = ecsi_sending_begin(worlds, s, route);
        for (i = 0; i < entity_count && status == ECS_OK; i++) {
            record = ecsi_entities_find(&from->entities, entities[i]);
            status = ecsi_sending_measure(&sending, ecsi_record_table(&from->storage, record));
        }
    }
    if (status == ECS_OK && ecsi_sending_batch(&sending, entities, sizeof *entities,
                                               entity_count, entity_count) == 0) {
        status = ECS_FULL;
    }
    if (status != ECS_OK) ecsi_refused_count(source, route, status, entity_count);
    return status;
}

ECS_API ecs_status ecs_worlds_send(ecs_worlds *worlds, ecs_world *from, ecs_entity entity,
                                   uint32_t to)
{
    return ecs_worlds_send_group(worlds, from, &entity, 1, to);
}

/* ---- Marked entities ---------------------------------------------------------------------- */

/* The order in which they are sent. */
static inline bool ecsi_pick_before(const ecsi_pick *a, const ecsi_pick *b)
{
    if (a->priority != b->priority) return a->priority > b->priority;
    if (a->to != b->to) return a->to < b->to;
    if (a->group != b->group) return a->group < b->group;
    return ecs_index(a->entity) < ecs_index(b->entity);
}

/* Puts the pick at the root of a heap of `count` where it belongs; the last one is on top. */
static void ecsi_picks_sink(ecsi_pick *picks, uint32_t count, uint32_t at)
{
    ecsi_pick sunk = picks[at];
    ECSI_CHECK(at < count);
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= count) break;
        if (child + 1 < count && ecsi_pick_before(&picks[child], &picks[child + 1])) child++;
        if (!ecsi_pick_before(&sunk, &picks[child])) break;
        picks[at] = picks[child];
        at = child;
    }
    picks[at] = sunk;
    ECSI_CHECK(at < count);
}

/* Adds a pick to the heap, which keeps the first `max` of all; *left is the first one that was
 * left out. */
static void ecsi_picks_add(ecsi_pick *picks, uint32_t *count, uint32_t max, ecsi_pick pick,
                           ecsi_pick *left)
{
    uint32_t at = *count;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(*count <= max);
    if (*count == max) {
        ecsi_pick out = pick;
        if (ecsi_pick_before(&pick, &picks[0])) {
            out = picks[0];
            picks[0] = pick;
            ecsi_picks_sink(picks, max, 0);
        }
        if (left->to == ECSI_NO_MEMBER || ecsi_pick_before(&out, left)) *left = out;
        return;
    }
    *count += 1;
    while (at > 0 && ecsi_pick_before(&picks[(at - 1) / 2], &pick)) {
        picks[at] = picks[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    picks[at] = pick;
}

/* The heap becomes the list in order. */
static void ecsi_picks_sort(ecsi_pick *picks, uint32_t count)
{
    uint32_t left = count;
    ECSI_CHECK(picks != NULL);
    while (left > 1) {
        ecsi_pick last = picks[0];
        picks[0] = picks[--left];
        picks[left] = last;
        ecsi_picks_sink(picks, left, 0);
    }
    ECSI_CHECK(count < 2 || !ecsi_pick_before(&picks[1], &picks[0]));
}

/* A marked entity stays: its marker says why, and when it is tried again. */
static void ecsi_transfer_refused(ecs_worlds *worlds, ecsi_member *source,
                                  ecs_transfer *transfer, ecs_status status)
{
    uint64_t tick = source->world->schedule.tick;
    ECSI_CHECK(transfer != NULL);
    ECSI_CHECK(status != ECS_OK);
    transfer->status = (uint32_t)status;
    if (ecs_retry_refused(&transfer->retry, &worlds->desc.retry, tick)) return;
    ECSI_COUNT_UP(&source->given_up, 1u);
    if (source->told) return;
    source->told = true;
    ecsi_log_print(&worlds->log, ECS_LOG_WARNING,
                   "worlds: %s gives up on sending an entity after %u tries: %s", source->name,
                   transfer->retry.tries, ecs_status_text(status));
}

/* The rows of one chunk with markers that are due: into the heap, or refused without a route. */
static void ecsi_picks_of_chunk(ecs_worlds *worlds, uint32_t from, ecsi_chunk *chunk,
                                uint32_t column, uint32_t *count, ecsi_pick *left)
{
    ecsi_member *source = &worlds->members[from];
    const ecsi_table *table = chunk->table;
    uint64_t tick = source->world->schedule.tick;
    uint32_t routing = ecsi_member_routing(source, table);
    uint32_t row;
    ECSI_CHECK(column < table->column_count);
    for (row = 0; row < chunk->count; row++) {
        ecs_transfer *transfer =
            (ecs_transfer *)ecsi_chunk_value(chunk, &table->columns[column], row);
        ecsi_pick pick;
        if (!ecs_retry_due(&transfer->retry, tick)) continue;
        pick.entity = ecsi_chunk_entities(chunk)[row];
        pick.priority = transfer->priority;
        pick.group = transfer->group;
        pick.to = transfer->target == 0 ? routing
                                        : ecsi_member_numbered(worlds, transfer->target);
        if (ecsi_route_between(worlds, from, pick.to) == NULL) {
            *ecsi_chunk_tick(chunk, column, row) = tick;
            ecsi_refused_count(source, NULL, ECS_NOT_FOUND, 1);
            ecsi_transfer_refused(worlds, source, transfer, ECS_NOT_FOUND);
            continue;
        }
        ecsi_picks_add(source->picks, count, worlds->desc.transfers_max, pick, left);
    }
    ECSI_CHECK(*count <= worlds->desc.transfers_max);
}

/* Collects what is marked and due, in order; *left is what comes next and did not fit. */
static uint32_t ecsi_picks_collect(ecs_worlds *worlds, uint32_t from, ecsi_pick *left)
{
    ecsi_member *source = &worlds->members[from];
    const ecsi_storage *storage = &source->world->storage;
    uint32_t id = ecsi_component_seek(&source->world->components, ecs_type_of(ecs_transfer));
    uint32_t count = 0;
    uint32_t t;
    memset(left, 0, sizeof *left);
    left->to = ECSI_NO_MEMBER; /* nothing */
    ECSI_CHECK(source->world != NULL);
    if (id == 0) return 0;
    for (t = 0; t < storage->tables.count; t++) {
        const ecsi_table *table = ecsi_table_at(storage, t);
        const ecsi_table_slot *slot;
        ecsi_chunk *chunk;
        if (table->row_count == 0) continue;
        slot = ecsi_table_find(table, id);
        if (slot == NULL) continue;
        ECSI_CHECK(slot->column != ECSI_NO_COLUMN);
        for (chunk = table->first; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            ecsi_picks_of_chunk(worlds, from, chunk, slot->column, &count, left);
        }
    }
    ecsi_picks_sort(source->picks, count);
    return count;
}

/* Marked entities that stay. */
static void ecsi_picks_refused(ecsi_sending *sending, const ecsi_pick *picks, uint32_t count,
                               ecs_status status)
{
    const ecs_world *world = sending->source->world;
    uint32_t i;
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(sending->transfer != 0);
    if (count == 0) return;
    ecsi_refused_count(sending->source, sending->route, status, count);
    for (i = 0; i < count; i++) {
        const ecsi_record *record = ecsi_entities_find(&world->entities, picks[i].entity);
        ecsi_transfer_refused(sending->worlds, sending->source,
                              (ecs_transfer *)ecsi_row_value(&world->storage, record,
                                                             sending->transfer), status);
        ecsi_row_touch(&world->storage, record, sending->transfer);
    }
}

/* A group that no tick can take up is refused as a whole, with those that were left out: else
 * they would be tried at another time, and go without the others. */
static void ecsi_picks_refuse_group(ecsi_sending *sending, const ecsi_pick *of)
{
    const ecs_worlds *worlds = sending->worlds;
    const ecsi_member *source = sending->source;
    const ecsi_storage *storage = &source->world->storage;
    uint32_t t;
    ECSI_CHECK(of->group != 0);
    ECSI_CHECK(sending->transfer != 0);
    for (t = 0; t < storage->tables.count; t++) {
        const ecsi_table *table = ecsi_table_at(storage, t);
        const ecsi_table_slot *slot = ecsi_table_find(table, sending->transfer);
        ecsi_chunk *chunk = table->row_count == 0 || slot == NULL ? NULL : table->first;
        uint32_t row;
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            for (row = 0; row < chunk->count; row++) {
                const ecs_transfer *transfer = (const ecs_transfer *)ecsi_chunk_value(
                    chunk, &table->columns[slot->column], row);
                ecsi_pick pick = *of;
                if (transfer->group != of->group || transfer->priority != of->priority) continue;
                if (!ecs_retry_due(&transfer->retry, source->world->schedule.tick)) continue;
                pick.to = transfer->target == 0 ? ecsi_member_routing(source, table)
                                                : ecsi_member_numbered(worlds, transfer->target);
                pick.entity = ecsi_chunk_entities(chunk)[row];
                if (pick.to == of->to) ecsi_picks_refused(sending, &pick, 1, ECS_TOO_LARGE);
            }
        }
    }
}

static ecs_status ecsi_pick_measure(ecsi_sending *sending, const ecsi_pick *pick)
{
    const ecs_world *world = sending->source->world;
    const ecsi_record *record = ecsi_entities_find(&world->entities, pick->entity);
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(sending->route->to == pick->to);
    return ecsi_sending_measure(sending, ecsi_record_table(&world->storage, record));
}

/* Picks from the first one on that are sent together: a whole group, or a batch of singles. */
static uint32_t ecsi_picks_run(const ecsi_sending *sending, const ecsi_pick *picks,
                               uint32_t count)
{
    uint32_t n = 1;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(sending->route->batch > 0);
    while (n < count && picks[n].to == picks[0].to && picks[n].group == picks[0].group) {
        if (picks[0].group == 0 ? n == sending->route->batch
                                : picks[n].priority != picks[0].priority) break;
        n++;
    }
    return n;
}

/* Sends a run of singles: those that cannot travel are refused by themselves. Answers false
 * when the route is full. */
static bool ecsi_picks_singles(ecsi_sending *sending, const ecsi_pick *picks, uint32_t count)
{
    uint32_t done = 0;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= sending->route->batch);
    while (done < count) {
        ecs_status status = ECS_OK;
        uint32_t n = done;
        uint32_t sent = 0;
        for (; n < count; n++) {
            status = ecsi_pick_measure(sending, &picks[n]);
            if (status != ECS_OK) break;
        }
        sending->status = ECS_OK;
        if (n > done) {
            sent = ecsi_sending_batch(sending, &picks[done], sizeof *picks, 1, n - done);
        }
        sending->table = NULL; /* it may have been measured with another answer */
        if (sent < n - done) {
            ecsi_picks_refused(sending, &picks[done + sent], count - done - sent, ECS_FULL);
            return false;
        }
        if (n < count) ecsi_picks_refused(sending, &picks[n], 1, status);
        done = n + 1;
    }
    return true;
}

/* Sends a whole group, or refuses all of it. Answers false when the route is full. */
static bool ecsi_picks_group(ecsi_sending *sending, const ecsi_pick *picks, uint32_t count)
{
    ecs_status status = count > sending->route->batch ? ECS_TOO_LARGE : ECS_OK;
    uint32_t i;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(picks[0].group != 0);
    for (i = 0; i < count && status == ECS_OK; i++) {
        status = ecsi_pick_measure(sending, &picks[i]);
    }
    if (status == ECS_OK && ecsi_sending_batch(sending, picks, sizeof *picks, count, count) == 0) {
        status = ECS_FULL;
    }
    if (status != ECS_OK) ecsi_picks_refused(sending, picks, count, status);
    return status != ECS_FULL;
}

/* Sends what is marked in one member. After the first refusal for want of room nothing more
 * goes over that route in this round: what comes later must not overtake. */
static void ecsi_worlds_send_marked(ecs_worlds *worlds, uint32_t from)
{
    ecsi_member *source = &worlds->members[from];
    ecsi_pick left;
    uint32_t count = ecsi_picks_collect(worlds, from, &left);
    uint64_t full = 0; /* bits of targets */
    uint32_t at = 0;
    ECSI_CHECK(source->world != NULL);
    ECSI_CHECK(count <= worlds->desc.transfers_max);
    while (at < count) {
        const ecsi_pick *picks = &source->picks[at];
        ecsi_sending sending = ecsi_sending_begin(
            worlds, from, ecsi_route_between(worlds, from, picks->to));
        uint64_t bit = (uint64_t)1 << picks->to;
        uint32_t n = ecsi_picks_run(&sending, picks, count - at);
        bool good = true;
        if (picks->group != 0 && at + n == count && left.to == picks->to &&
            left.group == picks->group && left.priority == picks->priority) {
            /* The rest of this group is what did not fit. */
            if (at == 0) ecsi_picks_refuse_group(&sending, picks);
        } else if ((full & bit) != 0) {
            ecsi_picks_refused(&sending, picks, n, ECS_FULL);
        } else if (picks->group != 0) {
            good = ecsi_picks_group(&sending, picks, n);
        } else {
            good = ecsi_picks_singles(&sending, picks, n);
        }
        if (!good) full |= bit;
        at += n;
    }
}

/* ---- Arriving ----------------------------------------------------------------------------- */

/* The table of what came, with what its components require here; made when there is none. */
static ecs_status ecsi_arrival_table(ecsi_storage *storage, const ecsi_cargo *parts,
                                     uint32_t part_count, ecsi_table **out)
{
    const ecsi_components *components = storage->components;
    uint32_t *set = ecsi_scratch_set(storage, NULL, components->list.count + 1);
    uint32_t count = 0;
    uint32_t i;
    if (set == NULL) return ECS_NO_MEMORY;
    ECSI_CHECK(part_count <= components->list.count);
    for (i = 0; i < part_count; i++) {
        uint32_t added[ECSI_REQUIRE_MAX];
        uint32_t n = ecsi_require_closure(components, parts[i].component, added);
        uint32_t k;
        ECSI_CHECK(n <= ECSI_REQUIRE_MAX);
        for (k = 0; k < n; k++) count = ecsi_set_insert(set, count, added[k]);
    }
    return ecsi_table_of_set(storage, set, count, out);
}

/* The same set of components, so the same table. */
static bool ecsi_parts_equal(const ecsi_cargo *a, const ecsi_cargo *b, uint32_t count)
{
    uint32_t i;
    ECSI_CHECK(a != NULL);
    ECSI_CHECK(b != NULL);
    for (i = 0; i < count; i++) {
        if (a[i].component != b[i].component) return false;
    }
    return true;
}

/* Finds the table of the i-th that is held. Those before it have theirs. */
static ecs_status ecsi_arrival_find(ecsi_storage *storage, const ecsi_route *route, uint32_t i)
{
    uint64_t at = route->held_at + i; /* positions may begin again at zero */
    ecsi_transit *transit = ecsi_route_transit(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)ecsi_route_body(route, at);
    ECSI_CHECK(i < route->held_count);
    ECSI_CHECK(!ecs_is_null(transit->entity));
    if (i > 0) {
        const ecsi_transit *before = ecsi_route_transit(route, at - 1);
        const ecsi_cargo *others = (const ecsi_cargo *)(void *)ecsi_route_body(route, at - 1);
        if (transit->part_count == before->part_count &&
            ecsi_parts_equal(parts, others, transit->part_count)) {
            transit->table = before->table;
            return ECS_OK;
        }
    }
    return ecsi_arrival_table(storage, parts, transit->part_count, &transit->table);
}

/* Gives an entity its row and moves its values in; refused, nothing has changed. */
static ecs_status ecsi_arrival_place(ecsi_storage *storage, ecsi_route *route, uint64_t at)
{
    ecsi_transit *transit = ecsi_route_transit(route, at);
    unsigned char *body = ecsi_route_body(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)body;
    const ecsi_table *table = transit->table;
    ecs_status status = ecsi_edit_spawn(storage, transit->table, &transit->arrived);
    const ecsi_chunk *last = table->last;
    uint32_t i;
    if (status != ECS_OK) return status;
    ECSI_CHECK(ecs_equal(ecsi_chunk_entities(table->last)[last->count - 1], transit->arrived));
    ECSI_CHECK(transit->part_count <= table->component_count);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        const ecsi_component *c = ecsi_component_at(storage->components, column->component);
        void *to = ecsi_chunk_value(table->last, column, last->count - 1);
        uint32_t k = 0;
        while (k < transit->part_count && parts[k].component != column->component) k++;
        if (k == transit->part_count) {
            ecsi_values_init(c, to, 1);
        } else {
            ecsi_values_move(c, to, body + parts[k].offset, 1);
        }
    }
    return ECS_OK;
}

/* Puts in what is held, one by one, as far as there is room; answers how many. */
static uint32_t ecsi_arrival_singles(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t count = 0;
    ECSI_CHECK(route->held_count > 0);
    ECSI_CHECK(route->held_count <= route->batch);
    while (count < route->held_count) {
        ecs_status status = ecsi_arrival_find(storage, route, count);
        if (status == ECS_OK) status = ecsi_arrival_place(storage, route, route->held_at + count);
        if (status != ECS_OK) break;
        count++;
    }
    return count;
}

/* Rows that a table has room for without memory. */
static uint64_t ecsi_table_room(const ecsi_table *table)
{
    const ecsi_chunk *chunk = table->last;
    uint64_t room = 0;
    ECSI_CHECK(table->capacity > 0);
    for (; chunk != NULL; chunk = chunk->next) room += chunk->capacity - chunk->count;
    return room;
}

/* Gives up rooms that were reserved: the last chunk is again the last one with rows, and one
 * spare may follow. */
static void ecsi_table_unreserve(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *tail = table->last;
    if (tail == NULL) return;
    while (tail->next != NULL) tail = tail->next;
    while (tail->count == 0 && tail->prev != NULL && tail->prev->count == 0) {
        tail = tail->prev;
        table->last = tail;
        ecsi_chunk_free(storage, tail->next);
    }
    table->last = tail->count == 0 && tail->prev != NULL ? tail->prev : tail;
    ECSI_CHECK(table->last->count > 0 || table->last->prev == NULL);
    ECSI_CHECK(table->last->next == NULL || table->last->next->next == NULL);
}

/* Counts the rows that a group needs of each table; answers how many tables, or 0: refused. */
static uint32_t ecsi_arrival_needs(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t needs = 0;
    uint32_t i;
    uint32_t k = 0;
    ECSI_CHECK(route->held_count > 0);
    for (i = 0; i < route->held_count; i++) {
        const ecsi_transit *transit = ecsi_route_transit(route, route->held_at + i);
        if (ecsi_arrival_find(storage, route, i) != ECS_OK) return 0;
        if (k == needs || route->needs[k].table != transit->table) {
            for (k = 0; k < needs && route->needs[k].table != transit->table; k++) {}
        }
        if (k == needs) {
            route->needs[needs].table = transit->table;
            route->needs[needs++].count = 0;
        }
        route->needs[k].count++;
    }
    ECSI_CHECK(needs > 0 && needs <= route->held_count);
    return needs;
}

/* Reserves handles and rows for all of a group, or nothing. With fixed memory, room for one table
 * may have been made of what another had got before. The second time nobody has a spare any more
 * that could be taken so, and the answer stands. */
static bool ecsi_arrival_reserve(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t needs = ecsi_arrival_needs(storage, route);
    uint32_t again;
    uint32_t k;
    ECSI_CHECK(route->held_count <= route->batch);
    ECSI_CHECK(needs <= route->batch);
    if (needs == 0) return false;
    if (ecsi_entities_reserve(storage->memory, storage->entities, route->held_count) != ECS_OK) {
        return false;
    }
    for (again = 0; again < 2; again++) {
        bool good = true;
        for (k = 0; k < needs && good; k++) {
            good = ecsi_table_reserve(storage, route->needs[k].table, route->needs[k].count) ==
                   ECS_OK;
        }
        for (k = 0; k < needs && good; k++) {
            good = ecsi_table_room(route->needs[k].table) >= route->needs[k].count;
        }
        if (good) return true;
        for (k = 0; k < needs; k++) ecsi_table_unreserve(storage, route->needs[k].table);
    }
    return false;
}

/* Puts in all of a group, or nothing; answers how many. */
static uint32_t ecsi_arrival_group(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t i;
    ECSI_CHECK(ecsi_route_transit(route, route->held_at)->group != 0);
    if (!ecsi_arrival_reserve(storage, route)) return 0;
    for (i = 0; i < route->held_count; i++) {
        ecs_status status = ecsi_arrival_place(storage, route, route->held_at + i);
        ECSI_CHECK(status == ECS_OK); /* it was reserved */
        (void)status;
    }
    return route->held_count;
}

/* Puts new handles into the references that an entity brought. */
static void ecsi_arrival_remap(const ecsi_storage *storage, const ecsi_route *route,
                               uint64_t at, bool keep)
{
    const ecsi_transit *transit = ecsi_route_transit(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)ecsi_route_body(route, at);
    const ecsi_record *record = ecsi_entities_find(storage->entities, transit->arrived);
    uint32_t i;
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(!ecs_is_null(transit->entity));
    for (i = 0; i < transit->part_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, parts[i].component);
        if (!c->references || parts[i].offset == 0) continue;
        ecsi_remap_value(route, c,
                         (unsigned char *)ecsi_row_value(storage, record, parts[i].component),
                         keep);
    }
}

/* on_add for all that it has now, on_set for the values that it brought. */
static void ecsi_arrival_notify(const ecsi_storage *storage, const ecsi_route *route,
                                uint64_t at)
{
    const ecsi_transit *transit = ecsi_route_transit(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)ecsi_route_body(route, at);
    const ecsi_record *record = ecsi_entities_find(storage->entities, transit->arrived);
    uint32_t i;
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(ecsi_record_table(storage, record) == transit->table);
    if (!transit->table->notify) return;
    ecsi_notify_added(storage, transit->arrived, record, NULL, transit->table);
    for (i = 0; i < transit->part_count; i++) {
        if (parts[i].offset == 0) continue;
        ecsi_notify_set(storage, transit->arrived,
                        ecsi_component_at(storage->components, parts[i].component),
                        ecsi_row_value(storage, record, parts[i].component));
    }
}

/* Puts in what is held of a route, as far as there is room; answers how many. */
static uint32_t ecsi_arrival_batch(ecs_worlds *worlds, ecsi_member *target, ecsi_route *route)
{
    ecsi_storage *storage = &target->world->storage;
    ecsi_transit *first = ecsi_route_transit(route, route->held_at);
    ecsi_member *source = &worlds->members[first->source];
    bool keep = worlds->desc.references == ECS_REFERENCES_KEEP;
    uint32_t count = first->group != 0 ? ecsi_arrival_group(storage, route)
                                       : ecsi_arrival_singles(storage, route);
    uint32_t i;
    ECSI_CHECK(source->world != NULL);
    ECSI_CHECK(count <= route->held_count);
    if (count < route->held_count) {
        route->stuck = true;
        ECSI_COUNT_UP(&route->stalled, 1u);
    }
    if (count == 0) return 0;
    ecsi_remap_fill(route, count);
    for (i = 0; i < count; i++) ecsi_arrival_remap(storage, route, route->held_at + i, keep);
    for (i = 0; i < count; i++) ecsi_arrival_notify(storage, route, route->held_at + i);
    ecsi_route_release(route, count);
    ECSI_COUNT_UP(&target->arrived, (uint64_t)count);
    /* Pair with the acquires of ecsi_route_in_flight and ecsi_member_in_flight. */
    (void)ECSI_ADD(&route->arrived, (uint64_t)count, release);
    (void)ECSI_ADD(&source->left, (uint64_t)count, release);
    return count;
}

/* Whether the head of route a comes before that of route b, in lockstep. */
static bool ecsi_transit_before(const ecsi_transit *a, const ecsi_transit *b)
{
    ECSI_CHECK(a != NULL);
    ECSI_CHECK(b != NULL);
    if (a->tick != b->tick) return a->tick < b->tick;
    if (a->source != b->source) return a->source < b->source;
    return a->sequence < b->sequence;
}

/* The route that is served next: by priority, then in lockstep by what it brings, else in
 * turns. NULL: nothing has arrived that there is room for. */
static ecsi_route *ecsi_member_next(ecsi_member *member, bool lockstep)
{
    ecsi_route *best = NULL;
    const ecsi_transit *best_head = NULL;
    uint32_t best_at = 0;
    uint32_t i;
    ECSI_CHECK(member->in_count <= ECS_WORLDS_MAX + 1);
    for (i = 0; i < member->in_count; i++) {
        uint32_t at = member->turn + 1 + i;
        ecsi_route *route;
        const ecsi_transit *head;
        while (at >= member->in_count) at -= member->in_count;
        route = member->in[at];
        if (route->stuck || (best != NULL && route->priority < best->priority)) continue;
        head = ecsi_route_head(route);
        if (head == NULL) continue;
        if (best != NULL && route->priority == best->priority &&
            (!lockstep || !ecsi_transit_before(head, best_head))) continue;
        best = route;
        best_head = head;
        best_at = at;
    }
    if (best != NULL) member->turn = best_at;
    ECSI_CHECK(best == NULL || best->held_count > 0);
    return best;
}

/* Puts in what had been sent to a member when it began; a batch of each source in turn. */
static uint32_t ecsi_member_receive(ecs_worlds *worlds, ecsi_member *member)
{
    uint64_t left = 0;
    uint32_t count = 0;
    uint32_t i;
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK(!ecsi_member_locked(member));
    for (i = 0; i < member->in_count; i++) {
        member->in[i]->stuck = false;
        left += ecsi_route_in_flight(member->in[i]);
    }
    while (count < left) {
        ecsi_route *route = ecsi_member_next(member, worlds->desc.lockstep);
        if (route == NULL) break;
        count += ecsi_arrival_batch(worlds, member, route);
    }
    return count;
}

ECS_API uint32_t ecs_worlds_receive(ecs_worlds *worlds, ecs_world *world)
{
    uint32_t m;
    ECSI_REQUIRE(worlds != NULL, 0);
    ECSI_REQUIRE(world != NULL, 0);
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER || ecsi_member_closed(worlds, &worlds->members[m])) return 0;
    ecsi_member_publish(&worlds->members[m]);
    return ecsi_member_receive(worlds, &worlds->members[m]);
}

ECS_API uint64_t ecs_worlds_settle(ecs_worlds *worlds)
{
    uint64_t left = 0;
    uint32_t i;
    uint32_t k;
    bool locked;
    ECSI_REQUIRE(worlds != NULL, 0);
    locked = ecsi_worlds_locked(worlds);
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *member = &worlds->members[worlds->order[i]];
        if (!locked) (void)ecs_worlds_receive(worlds, member->world);
        for (k = 0; k < member->in_count; k++) left += ecsi_route_in_flight(member->in[k]);
    }
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    return left;
}

/* Ends one entity on the way; its position stays until the taker comes to it. */
static void ecsi_transit_discard(ecs_worlds *worlds, ecsi_route *route, uint64_t at)
{
    ecsi_transit *transit = ecsi_route_transit(route, at);
    ecsi_member *target = &worlds->members[route->to];
    unsigned char *body = ecsi_route_body(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)body;
    uint32_t i;
    ECSI_CHECK(!ecs_is_null(transit->entity));
    ECSI_CHECK(target->world != NULL);
    for (i = 0; i < transit->part_count; i++) {
        if (parts[i].offset == 0) continue;
        ecsi_values_destroy(ecsi_component_at(&target->world->components, parts[i].component),
                            body + parts[i].offset, 1);
    }
    transit->entity = ecs_null();
    ECSI_COUNT_UP(&target->discarded, 1u);
    /* Pair with the acquires of ecsi_route_in_flight and ecsi_member_in_flight. */
    (void)ECSI_ADD(&route->discarded, 1u, release);
    (void)ECSI_ADD(&worlds->members[transit->source].left, 1u, release);
}

ECS_API uint64_t ecs_worlds_discard(ecs_worlds *worlds, ecs_world *world)
{
    uint64_t count = 0;
    uint32_t m;
    uint32_t i;
    uint32_t k;
    ECSI_REQUIRE(worlds != NULL, 0);
    ECSI_REQUIRE(world != NULL, 0);
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER || ecsi_worlds_locked(worlds)) return 0;
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *target = &worlds->members[worlds->order[i]];
        for (k = 0; k < target->in_count; k++) {
            ecsi_route *route = target->in[k];
            uint64_t head = ECSI_LOAD(&route->ring.head, relaxed);
            uint64_t at = head - route->held_count;
            uint64_t end = head + ecsi_ring_count(&route->ring);
            for (; at != end; at++) {
                const ecsi_transit *transit = ecsi_route_transit(route, at);
                if (ecs_is_null(transit->entity)) continue;
                if (route->to != m && transit->source != m) continue;
                ecsi_transit_discard(worlds, route, at);
                count++;
            }
            (void)ecsi_route_head(route); /* lets go of what it can */
        }
    }
    return count;
}

/* ---- The tick ------------------------------------------------------------------------------- */

typedef struct ecsi_round {
    ecs_worlds *worlds;
    float dt;
} ecsi_round;

static void ecsi_round_tick(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        ecsi_member *member = &round->worlds->members[round->worlds->order[i]];
        ECSI_CHECK(member->world != NULL);
        member->status = ecs_tick(member->world, round->dt);
        ecsi_member_publish(member);
    }
}

static void ecsi_round_send(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        uint32_t from = round->worlds->order[i];
        if (!ecsi_member_locked(&round->worlds->members[from])) {
            ecsi_worlds_send_marked(round->worlds, from);
        }
    }
}

static void ecsi_round_receive(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        ecsi_member *member = &round->worlds->members[round->worlds->order[i]];
        if (!ecsi_member_locked(member)) (void)ecsi_member_receive(round->worlds, member);
    }
}

/* The tick of one member by itself. */
static ecs_status ecsi_member_tick(ecs_worlds *worlds, uint32_t index, float dt)
{
    ecsi_member *member = &worlds->members[index];
    uint32_t idle = 0;
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK(!worlds->desc.lockstep);
    /* Pairs with the release below: one tick after the other. */
    if (!ECSI_CAS(&member->busy, &idle, 1u, acquire, relaxed)) return ECS_LOCKED;
    member->status = ECS_LOCKED;
    if (!ecsi_member_locked(member)) {
        ecsi_member_publish(member);
        (void)ecsi_member_receive(worlds, member);
        member->status = ecs_tick(member->world, dt);
        ecsi_member_publish(member);
        if (!ecsi_member_locked(member)) ecsi_worlds_send_marked(worlds, index);
    }
    {
        ecs_status status = member->status;
        ECSI_STORE(&member->busy, 0u, release);
        return status;
    }
}

static void ecsi_round_free(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        (void)ecsi_member_tick(round->worlds, round->worlds->order[i], round->dt);
    }
}

/* Shared routes take what comes in the order of the senders: in lockstep that must be theirs. */
static bool ecsi_worlds_share(const ecs_worlds *worlds)
{
    uint32_t i;
    ECSI_CHECK(worlds->desc.lockstep);
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (worlds->routes[ECSI_SHARED][worlds->order[i]] != NULL) return true;
    }
    return false;
}

ECS_API ecs_status ecs_worlds_tick(ecs_worlds *worlds, float dt)
{
    ecsi_round round;
    ecs_loop loop;
    ecs_worker *worker = NULL;
    uint32_t idle = 0;
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(dt >= 0.0f, ECS_INVALID);
    ECSI_REQUIRE(dt <= 3.0e38f, ECS_INVALID);
    /* Pairs with the releases of ticks. */
    if (!ECSI_CAS(&worlds->busy, &idle, 1u, acquire, relaxed)) return ECS_LOCKED;
    if (worlds->desc.lockstep && ecsi_worlds_held(worlds)) {
        ECSI_STORE(&worlds->busy, 0u, release); /* pairs as below; a world would be left behind */
        return ECS_LOCKED;
    }
    round.worlds = worlds;
    round.dt = dt;
    loop.count = worlds->member_count;
    loop.grain = 1;
    if (worlds->desc.pool != NULL) worker = ecs_pool_enter(worlds->desc.pool);
    if (worlds->desc.lockstep) {
        worlds->tick++;
        ecs_parallel_for(worker, loop, ecsi_round_tick, &round);
        ecs_parallel_for(ecsi_worlds_share(worlds) ? NULL : worker, loop, ecsi_round_send,
                         &round);
        ecs_parallel_for(worker, loop, ecsi_round_receive, &round);
    } else {
        ecs_parallel_for(worker, loop, ecsi_round_free, &round);
    }
    ecs_pool_leave(worker);
    for (i = 0; i < worlds->member_count && status == ECS_OK; i++) {
        status = worlds->members[worlds->order[i]].status;
    }
    ECSI_CHECK((ECSI_LOAD(&worlds->busy, relaxed) & 1u) != 0);
    /* By one, for ecs_worlds_tick_one may be just looking. Pairs with who looks whether somebody
     * ticks. */
    (void)ECSI_SUB(&worlds->busy, 1u, release);
    return status;
}

ECS_API ecs_status ecs_worlds_tick_one(ecs_worlds *worlds, ecs_world *world, float dt)
{
    ecs_status status;
    uint32_t m;
    uint32_t seen;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(dt >= 0.0f, ECS_INVALID);
    ECSI_REQUIRE(dt <= 3.0e38f, ECS_INVALID);
    if (worlds->desc.lockstep) return ECS_UNSUPPORTED;
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    /* By twos: the lowest bit is that of ecs_worlds_tick, which wants to be alone. */
    seen = ECSI_ADD(&worlds->busy, 2u, acquire);
    status = (seen & 1u) != 0 ? ECS_LOCKED : ecsi_member_tick(worlds, m, dt);
    (void)ECSI_SUB(&worlds->busy, 2u, release); /* pairs with who looks whether somebody ticks */
    return status;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static bool ecsi_worlds_resolve(const ecs_worlds_desc *from, ecs_worlds_desc *d)
{
    ECSI_CHECK(d != NULL);
    ECSI_CHECK(from != d);
    memset(d, 0, sizeof *d);
    if (from != NULL) *d = *from;
    d->transfers_max = ecsi_default_u32(d->transfers_max, ECSI_TRANSFERS);
    if (d->transfers_max > ECSI_TRANSFERS_MAX) return false;
    if (d->unknown != ECS_UNKNOWN_REFUSE && d->unknown != ECS_UNKNOWN_DROP) return false;
    if (d->references != ECS_REFERENCES_NULL && d->references != ECS_REFERENCES_KEEP) {
        return false;
    }
    return true;
}

ECS_API ecs_worlds *ecs_worlds_create(const ecs_worlds_desc *desc)
{
    ecs_worlds_desc d;
    ecs_allocator allocator = ecsi_default_allocator();
    ecs_worlds *worlds;
    if (!ecsi_worlds_resolve(desc, &d)) return NULL;
    if (d.allocator != NULL) allocator = *d.allocator;
    ECSI_REQUIRE(allocator.alloc != NULL, NULL);
    ECSI_REQUIRE(allocator.release != NULL, NULL);
    worlds = (ecs_worlds *)allocator.alloc(sizeof *worlds, ECSI_LINE_BYTES, allocator.user);
    if (worlds == NULL) return NULL;
    memset(worlds, 0, sizeof *worlds);
    worlds->memory.allocator = allocator;
    worlds->desc = d;
    worlds->log.write = d.log != NULL ? d.log : ecsi_log_stderr;
    worlds->log.user = d.log_user;
    if (d.pool != NULL) ecsi_pool_attach(d.pool, 1);
    return worlds;
}

/* Gives back what a member and its routes hold. Nothing is on the way over them. */
static void ecsi_member_release(ecs_worlds *worlds, uint32_t m)
{
    ecsi_memory *memory = &worlds->memory;
    ecsi_member *member = &worlds->members[m];
    uint32_t i;
    ECSI_CHECK(m < ECS_WORLDS_MAX);
    for (i = 0; i <= ECSI_SHARED; i++) {
        ecsi_route **in = &worlds->routes[i][m];
        if (*in != NULL) ecsi_release(memory, *in, (*in)->bytes, ECSI_LINE_BYTES);
        *in = NULL;
        if (i < ECS_WORLDS_MAX) {
            ecsi_route **out = &worlds->routes[m][i];
            ecsi_pair **to = &worlds->pairs[m][i];
            ecsi_pair **from = &worlds->pairs[i][m];
            if (*out != NULL) ecsi_release(memory, *out, (*out)->bytes, ECSI_LINE_BYTES);
            *out = NULL;
            ecsi_release(memory, *to, member->known_max * sizeof **to, ECSI_MALLOC_ALIGN);
            *to = NULL;
            ecsi_release(memory, *from, worlds->members[i].known_max * sizeof **from,
                         ECSI_MALLOC_ALIGN);
            *from = NULL;
        }
    }
    ecsi_release(memory, member->known, member->known_max * sizeof *member->known,
                 ECSI_MALLOC_ALIGN);
    ecsi_release(memory, member->picks, worlds->desc.transfers_max * sizeof *member->picks,
                 ECSI_MALLOC_ALIGN);
    member->world->member = false;
    memset(member, 0, sizeof *member);
    ECSI_CHECK(member->world == NULL);
}

/* Entities that are on the way from a member, by any route. */
static uint64_t ecsi_member_in_flight(const ecsi_member *member)
{
    /* Pairs with the releases of those who take. */
    uint64_t left = ECSI_LOAD(&member->left, acquire);
    uint64_t sent = ECSI_LOAD(&member->sent, relaxed);
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK(sent >= left);
    return sent - left;
}

ECS_API ecs_status ecs_worlds_destroy(ecs_worlds *worlds)
{
    ecs_allocator allocator;
    uint32_t i;
    if (worlds == NULL) return ECS_OK;
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    for (i = 0; i < worlds->member_count; i++) {
        if (ecsi_member_in_flight(&worlds->members[worlds->order[i]]) != 0) return ECS_LOCKED;
    }
    for (i = 0; i < worlds->member_count; i++) {
        ecsi_member_release(worlds, worlds->order[i]);
    }
    ECSI_CHECK(worlds->memory.bytes_allocated == 0);
    if (worlds->desc.pool != NULL) ecsi_pool_attach(worlds->desc.pool, -1);
    allocator = worlds->memory.allocator;
    allocator.release(worlds, sizeof *worlds, ECSI_LINE_BYTES, allocator.user);
    return ECS_OK;
}

/* What a source knows about the components of a target. */
static ecs_status ecsi_pairs_need(ecs_worlds *worlds, uint32_t from, uint32_t to)
{
    ecsi_pair **pairs = &worlds->pairs[from][to];
    size_t bytes = worlds->members[from].known_max * sizeof **pairs;
    ECSI_CHECK(from < ECS_WORLDS_MAX && to < ECS_WORLDS_MAX);
    ECSI_CHECK(bytes > 0);
    if (*pairs != NULL || from == to) return ECS_OK;
    *pairs = (ecsi_pair *)ecsi_alloc(&worlds->memory, bytes, ECSI_MALLOC_ALIGN);
    if (*pairs == NULL) return ECS_NO_MEMORY;
    memset(*pairs, 0, bytes);
    return ECS_OK;
}

/* Takes over a description's names. */
static ecs_status ecsi_member_describe(ecsi_member *member, const ecs_worlds_member_desc *desc)
{
    ecs_status status = ecsi_name_copy(member->name, desc->name);
    uint32_t i;
    ECSI_CHECK(member->world == NULL);
    if (status != ECS_OK) return status;
    if ((unsigned)desc->role > (unsigned)ECS_ROLE_STANDALONE) return ECS_INVALID;
    if (desc->choice_count > ECS_WORLDS_CHOICES_MAX) return ECS_TOO_LARGE;
    ECSI_REQUIRE(desc->choices != NULL || desc->choice_count == 0, ECS_INVALID);
    member->role = desc->role;
    if (desc->target != NULL) status = ecsi_name_copy(member->target, desc->target);
    for (i = 0; i < desc->choice_count && status == ECS_OK; i++) {
        ECSI_REQUIRE(desc->choices[i].type != NULL, ECS_INVALID);
        ECSI_REQUIRE(desc->choices[i].target != NULL, ECS_INVALID);
        member->choices[i].type = desc->choices[i].type;
        status = ecsi_name_copy(member->choices[i].target, desc->choices[i].target);
    }
    member->choice_count = desc->choice_count;
    ECSI_CHECK(member->choice_count <= ECS_WORLDS_CHOICES_MAX);
    return status;
}

/* The memory of a new member; its world is set. */
static ecs_status ecsi_member_reserve(ecs_worlds *worlds, uint32_t m)
{
    ecsi_member *member = &worlds->members[m];
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_CHECK(member->known == NULL);
    ECSI_CHECK(member->world != NULL);
    member->known_max = member->world->components.max;
    member->known = (ecsi_component **)ecsi_alloc(
        &worlds->memory, member->known_max * sizeof *member->known, ECSI_MALLOC_ALIGN);
    member->picks = (ecsi_pick *)ecsi_alloc(
        &worlds->memory, worlds->desc.transfers_max * sizeof *member->picks, ECSI_MALLOC_ALIGN);
    if (member->known == NULL || member->picks == NULL) return ECS_NO_MEMORY;
    for (i = 0; i < ECS_WORLDS_MAX && status == ECS_OK; i++) {
        if (worlds->routes[ECSI_SHARED][i] != NULL) status = ecsi_pairs_need(worlds, m, i);
    }
    return status;
}

ECS_API ecs_status ecs_worlds_add(ecs_worlds *worlds, ecs_world *world,
                                  const ecs_worlds_member_desc *desc)
{
    ecsi_member *member;
    uint32_t m = 0;
    ecs_status status;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->name != NULL, ECS_INVALID);
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    if (world->member) return ECS_EXISTS;
    if (ecsi_member_by_name(worlds, desc->name) != ECSI_NO_MEMBER) return ECS_EXISTS;
    if (worlds->member_count == ECS_WORLDS_MAX) return ECS_FULL;
    while (worlds->members[m].world != NULL) m++;
    ECSI_CHECK(m < ECS_WORLDS_MAX);
    member = &worlds->members[m];
    status = ecsi_member_describe(member, desc);
    member->world = world;
    if (status == ECS_OK) status = ecsi_member_reserve(worlds, m);
    if (status != ECS_OK) {
        ecsi_member_release(worlds, m);
        return status;
    }
    world->member = true;
    ecsi_member_publish(member);
    ecsi_worlds_arrange(worlds);
    return ECS_OK;
}

ECS_API ecs_status ecs_worlds_remove(ecs_worlds *worlds, ecs_world *world)
{
    const ecsi_member *member;
    uint32_t m;
    uint32_t i;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    member = &worlds->members[m];
    if (ecsi_member_in_flight(member) != 0) return ECS_LOCKED;
    for (i = 0; i < member->in_count; i++) {
        if (ecsi_route_in_flight(member->in[i]) != 0) return ECS_LOCKED;
    }
    ecsi_member_release(worlds, m);
    ecsi_worlds_arrange(worlds);
    ECSI_CHECK(ecsi_member_of(worlds, world) == ECSI_NO_MEMBER);
    return ECS_OK;
}

ECS_API uint32_t ecs_worlds_number(const ecs_worlds *worlds, const ecs_world *world)
{
    ECSI_REQUIRE(worlds != NULL, 0);
    return ecsi_member_of(worlds, world) + 1; /* none is 2^32 - 1 */
}

ECS_API uint32_t ecs_worlds_find(const ecs_worlds *worlds, const char *name)
{
    ECSI_REQUIRE(worlds != NULL, 0);
    ECSI_REQUIRE(name != NULL, 0);
    return ecsi_member_by_name(worlds, name) + 1;
}

ECS_API ecs_world *ecs_worlds_world(const ecs_worlds *worlds, uint32_t number)
{
    uint32_t m;
    ECSI_REQUIRE(worlds != NULL, NULL);
    m = ecsi_member_numbered(worlds, number);
    return m == ECSI_NO_MEMBER ? NULL : worlds->members[m].world;
}

ECS_API ecs_status ecs_worlds_route(ecs_worlds *worlds, const ecs_route_desc *desc)
{
    ecs_route_desc d;
    ecsi_route *route;
    uint32_t from = ECSI_SHARED;
    uint32_t to;
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->to != NULL, ECS_INVALID);
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    if (!ecsi_route_resolve(desc, &d)) return ECS_INVALID;
    to = ecsi_member_by_name(worlds, d.to);
    if (d.from != NULL) from = ecsi_member_by_name(worlds, d.from);
    if (to == ECSI_NO_MEMBER || from == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    if (from == to || worlds->members[to].role == ECS_ROLE_STANDALONE) return ECS_INVALID;
    if (d.from != NULL && worlds->members[from].role == ECS_ROLE_STANDALONE) return ECS_INVALID;
    if (worlds->routes[from][to] != NULL) return ECS_EXISTS;
    for (i = 0; i < worlds->member_count && status == ECS_OK; i++) {
        if (d.from != NULL && worlds->order[i] != from) continue;
        status = ecsi_pairs_need(worlds, worlds->order[i], to);
    }
    if (status != ECS_OK) return status;
    route = ecsi_route_make(&worlds->memory, &d);
    if (route == NULL) return ECS_NO_MEMORY;
    route->from = d.from == NULL ? ECSI_NO_MEMBER : from;
    route->to = to;
    worlds->routes[from][to] = route;
    ecsi_worlds_arrange(worlds);
    ECSI_CHECK(ecsi_route_in_flight(route) == 0);
    return ECS_OK;
}

/* ---- Looking -------------------------------------------------------------------------------- */

ECS_API bool ecs_worlds_admits(ecs_worlds *worlds, const ecs_world *from, uint32_t to)
{
    const ecsi_member *target;
    bool admits = true;
    uint32_t t;
    uint32_t i;
    ECSI_REQUIRE(worlds != NULL, false);
    t = ecsi_member_numbered(worlds, to);
    if (t == ECSI_NO_MEMBER) return false;
    target = &worlds->members[t];
    if (from != NULL) {
        uint32_t s = ecsi_member_of(worlds, from);
        ecsi_route *route = s == ECSI_NO_MEMBER ? NULL : ecsi_route_between(worlds, s, t);
        return route != NULL && ecsi_route_admits(route);
    }
    for (i = 0; i < target->in_count; i++) {
        if (!ecsi_route_admits(target->in[i])) admits = false;
    }
    ECSI_CHECK(target->in_count <= ECS_WORLDS_MAX + 1);
    return admits && target->in_count > 0;
}

static void ecsi_route_stats_read(const ecsi_route *route, ecs_route_stats *out)
{
    memset(out, 0, sizeof *out);
    ECSI_CHECK(route != NULL);
    out->in_flight = ecsi_route_in_flight(route);
    out->sent = ECSI_LOAD(&route->sent, relaxed);
    out->arrived = ECSI_LOAD(&route->arrived, relaxed);
    out->discarded = ECSI_LOAD(&route->discarded, relaxed);
    out->refused = ECSI_LOAD(&route->refused, relaxed);
    out->refused_full = ECSI_LOAD(&route->refused_full, relaxed);
    out->components_dropped = ECSI_LOAD(&route->dropped, relaxed);
    out->stalled = ECSI_LOAD(&route->stalled, relaxed);
    out->capacity = route->ring.capacity;
    ECSI_CHECK(out->capacity >= 2);
}

ECS_API ecs_status ecs_worlds_route_stats(const ecs_worlds *worlds, const ecs_world *from,
                                          uint32_t to, ecs_route_stats *out)
{
    const ecsi_route *route = NULL;
    uint32_t s = ECSI_SHARED;
    uint32_t t;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    t = ecsi_member_numbered(worlds, to);
    if (from != NULL) s = ecsi_member_of(worlds, from);
    if (t != ECSI_NO_MEMBER && s != ECSI_NO_MEMBER) route = worlds->routes[s][t];
    if (route == NULL) return ECS_NOT_FOUND;
    ecsi_route_stats_read(route, out);
    return ECS_OK;
}

static void ecsi_member_stats_add(const ecsi_member *member, ecs_worlds_stats *out)
{
    uint32_t i;
    ECSI_CHECK(member->world != NULL);
    out->in_flight_from += ecsi_member_in_flight(member);
    for (i = 0; i < member->in_count; i++) {
        out->in_flight_to += ecsi_route_in_flight(member->in[i]);
    }
    out->sent += ECSI_LOAD(&member->sent, relaxed);
    out->arrived += ECSI_LOAD(&member->arrived, relaxed);
    out->discarded += ECSI_LOAD(&member->discarded, relaxed);
    out->refused += ECSI_LOAD(&member->refused, relaxed);
    out->components_dropped += ECSI_LOAD(&member->dropped, relaxed);
    out->given_up += ECSI_LOAD(&member->given_up, relaxed);
    ECSI_CHECK(member->in_count <= ECS_WORLDS_MAX + 1);
}

ECS_API ecs_worlds_stats ecs_worlds_stats_of(const ecs_worlds *worlds, const ecs_world *world)
{
    ecs_worlds_stats stats;
    uint32_t i;
    memset(&stats, 0, sizeof stats);
    ECSI_REQUIRE(worlds != NULL, stats);
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *member = &worlds->members[worlds->order[i]];
        if (world == NULL || member->world == world) ecsi_member_stats_add(member, &stats);
    }
    return stats;
}

/* ---- Explain -------------------------------------------------------------------------------- */

#ifndef ECS_NO_EXPLAIN
static void ecsi_explain_member(ecsi_text *text, const ecs_worlds *worlds, uint32_t m)
{
    static const char *const roles[] = {"custom", "accept", "io", "compute", "standalone"};
    const ecsi_member *member = &worlds->members[m];
    ecs_worlds_stats stats;
    uint32_t i;
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK((unsigned)member->role < sizeof roles / sizeof *roles);
    memset(&stats, 0, sizeof stats);
    ecsi_member_stats_add(member, &stats);
    ecsi_print(text, "%u %s: %s, tick %llu, %u entities\n", m + 1, member->name,
               roles[member->role], (unsigned long long)member->world->schedule.tick,
               member->world->entities.front.alive_count);
    for (i = 0; i < member->choice_count; i++) {
        ecsi_print(text, "    with %s to %s%s\n", member->choices[i].type->name,
                   member->choices[i].target,
                   member->choices[i].to == ECSI_NO_MEMBER ? " (not there)" : "");
    }
    if (member->to != ECSI_NO_MEMBER) {
        ecsi_print(text, "    default to %s%s\n", worlds->members[member->to].name,
                   member->target[0] == 0 ? " (by role)" : "");
    } else if (member->target[0] != 0) {
        ecsi_print(text, "    default to %s (not there)\n", member->target);
    }
    ecsi_print(text, "    sent %llu, arrived %llu, refused %llu, given up %llu, "
               "components dropped %llu, on the way from it %llu, to it %llu\n",
               (unsigned long long)stats.sent, (unsigned long long)stats.arrived,
               (unsigned long long)stats.refused, (unsigned long long)stats.given_up,
               (unsigned long long)stats.components_dropped,
               (unsigned long long)stats.in_flight_from,
               (unsigned long long)stats.in_flight_to);
}

static void ecsi_explain_route(ecsi_text *text, const ecs_worlds *worlds,
                               const ecsi_route *route)
{
    ecs_route_stats stats;
    const char *from = "(all)";
    ECSI_CHECK(route->to < ECS_WORLDS_MAX);
    ECSI_CHECK(worlds->members[route->to].world != NULL);
    ecsi_route_stats_read(route, &stats);
    if (route->from != ECSI_NO_MEMBER) from = worlds->members[route->from].name;
    ecsi_print(text, "%s -> %s: capacity %u%s, batch %u, body %u bytes, priority %u, "
               "marks %u and %u%s\n",
               from, worlds->members[route->to].name, stats.capacity,
               route->ring.single ? " (one sender)" : "", route->batch, route->body_bytes,
               route->priority, route->high, route->low,
               ECSI_LOAD(&route->closed, relaxed) != 0 ? ", does not admit" : "");
    ecsi_print(text, "    sent %llu, arrived %llu, on the way %llu, discarded %llu, "
               "refused %llu (no room %llu), components dropped %llu, stalled %llu\n",
               (unsigned long long)stats.sent, (unsigned long long)stats.arrived,
               (unsigned long long)stats.in_flight, (unsigned long long)stats.discarded,
               (unsigned long long)stats.refused, (unsigned long long)stats.refused_full,
               (unsigned long long)stats.components_dropped,
               (unsigned long long)stats.stalled);
}

ECS_API size_t ecs_explain_worlds(const ecs_worlds *worlds, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    uint32_t i;
    uint32_t k;
    ECSI_REQUIRE(worlds != NULL, 0);
    ecsi_print(&t, "%u worlds, %s\n", worlds->member_count,
               worlds->desc.lockstep ? "in lockstep" : "each at its own pace");
    for (i = 0; i < worlds->member_count; i++) {
        ecsi_explain_member(&t, worlds, worlds->order[i]);
    }
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *target = &worlds->members[worlds->order[i]];
        for (k = 0; k < target->in_count; k++) ecsi_explain_route(&t, worlds, target->in[k]);
    }
    ECSI_CHECK(t.total > 0);
    return t.total;
}
#endif

#endif /* ECS_NO_WORLDS */

#endif /* ECS_WORLDS_H */

/* >>runner ==================================================== src/runner.h */

/* runner.h: the main loop: fixed steps, catching up, sleeping until the next frame is due.
 *
 * Time is kept as what is owed: how long ago the last tick and the last frame were due. Each
 * look at the clock adds what has passed, and each step takes exactly its length away; so
 * moments lie on a grid that begins with the run, and a late wake-up is not carried on. A clock
 * that goes backwards adds nothing.
 *
 * A sleep ends a little late, by the slack of the system's timers and the time to wake up. The
 * runner measures by how much, sleeps for so much less, and spins for the rest. */
/* floor: 14 */
#ifndef ECS_RUNNER_H
#define ECS_RUNNER_H

#ifndef ECS_NO_RUN

/* Else a signal handler that stops a run could meet a lock that its own thread holds. */
ECSI_STATIC_ASSERT(__GCC_ATOMIC_INT_LOCK_FREE == 2, "words of 32 bits are lock-free");

#define ECSI_RUN_STEPS_MAX 4u                   /* default catch-up cap */
#define ECSI_RUN_STEP_S (1.0 / 60.0)            /* default step */
#define ECSI_RUN_DT_MAX_S 0.25                  /* default of the longest dt */
#define ECSI_RUN_S_MIN 1e-6                     /* shortest step and frame */
#define ECSI_RUN_S_MAX 3600.0                   /* longest of all times in a description */
#define ECSI_RUN_NAP_NS 50000000u               /* longest sleep without a look at the flag */
#define ECSI_RUN_MARGIN_NS 75000u               /* longest wait awake */
#define ECSI_RUN_SPINS_MAX 4096u                /* looks at the clock in it */
#define ECSI_RUN_PASSED_NS ((uint64_t)1 << 60)  /* longest time between two looks: 36 years */

typedef struct ecsi_runner {
    ecs_world *world;
    ecs_run_report *report;
    ecs_run_desc desc;      /* with the defaults filled in */
    ecs_run_clock clock;    /* the caller's */
    ecsi_sleeper sleeper;   /* of the machine's */
    bool own_clock;         /* the machine's */
    uint64_t step_ns;
    uint64_t frame_ns;
    uint64_t late_ns;
    uint64_t dt_max_ns;
    uint64_t now_ns;        /* what the clock showed last */
    uint64_t owed_ns;       /* since the last tick was due; only with ECS_RUN_FIXED */
    uint64_t frame_owed_ns; /* since the last frame was due */
    uint64_t since_ns;      /* since the last frame began */
    uint64_t margin_ns;     /* how much earlier to wake */
    uint64_t lateness_ns;   /* of the next tick */
    float tick_dt;
} ecsi_runner;

/* ---- Time --------------------------------------------------------------------------- */

static uint64_t ecsi_run_ns(double seconds)
{
    ECSI_CHECK(seconds >= 0.0);
    ECSI_CHECK(seconds <= ECSI_RUN_S_MAX);
    return (uint64_t)(seconds * 1e9 + 0.5);
}

static uint64_t ecsi_run_look(const ecsi_runner *run)
{
    return run->own_clock ? ecsi_clock_ns() : run->clock.now_ns(run->clock.user);
}

/* Looks at the clock and adds what has passed. */
static void ecsi_run_pass(ecsi_runner *run)
{
    uint64_t now = ecsi_run_look(run);
    uint64_t passed = now - run->now_ns;
    ECSI_CHECK(run->desc.mode != ECS_RUN_UNTIMED);
    if (now < run->now_ns) {
        run->report->clock_back++;
        passed = 0;
    }
    if (passed > ECSI_RUN_PASSED_NS) passed = ECSI_RUN_PASSED_NS;
    run->now_ns = now;
    run->owed_ns += passed;
    run->frame_owed_ns += passed;
    run->since_ns += passed;
    ECSI_CHECK(run->owed_ns <= 2 * ECSI_RUN_PASSED_NS);
}

/* Takes in by how much a sleep was too long: up at once, because a late tick is worse than a
 * little spinning, and down slowly. */
static void ecsi_run_margin(ecsi_runner *run, uint64_t overslept_ns)
{
    ECSI_CHECK(run->own_clock);
    if (overslept_ns > ECSI_RUN_MARGIN_NS) overslept_ns = ECSI_RUN_MARGIN_NS;
    if (overslept_ns >= run->margin_ns) {
        run->margin_ns = overslept_ns;
    } else {
        run->margin_ns -= (run->margin_ns - overslept_ns) / 16u;
    }
    ECSI_CHECK(run->margin_ns <= ECSI_RUN_MARGIN_NS);
}

/* Sleeps for a part of the time that is left, or waits awake for all of it. */
static void ecsi_run_rest(ecsi_runner *run, uint64_t left_ns)
{
    uint64_t nap;
    uint64_t until;
    ECSI_CHECK(left_ns > 0);
    if (left_ns <= run->margin_ns) {
        uint32_t spins;
        until = run->now_ns + left_ns;
        for (spins = 0; spins < ECSI_RUN_SPINS_MAX && ecsi_clock_ns() < until; spins++) {
            ecsi_pause();
        }
        return;
    }
    nap = left_ns - run->margin_ns;
    if (nap > ECSI_RUN_NAP_NS) nap = ECSI_RUN_NAP_NS;
    until = nap > UINT64_MAX - run->now_ns ? UINT64_MAX : run->now_ns + nap;
    if (run->own_clock) {
        uint64_t woke;
        ecsi_sleep_until(run->sleeper, until);
        woke = ecsi_clock_ns();
        if (woke >= until) ecsi_run_margin(run, woke - until);
    } else {
        run->clock.sleep_until_ns(until, run->clock.user);
    }
    ECSI_CHECK(nap > 0);
}

static void ecsi_run_ends(ecsi_runner *run, ecs_run_end why)
{
    ECSI_CHECK(why != ECS_RUN_GOES_ON);
    if (run->report->end == ECS_RUN_GOES_ON) run->report->end = why;
    ECSI_CHECK(run->report->end != ECS_RUN_GOES_ON);
}

/* Sees whether the flag is set. */
static bool ecsi_run_told(ecsi_runner *run)
{
    ECSI_CHECK(run->report != NULL);
    if (run->desc.stop == NULL || !ecs_run_stopped(run->desc.stop)) return false;
    ecsi_run_ends(run, ECS_RUN_STOPPED);
    return true;
}

/* Waits for the time of the next frame; false: the flag was set first. The clock bounds the
 * loop, in steps of ECSI_RUN_NAP_NS. */
static bool ecsi_run_wait(ecsi_runner *run)
{
    ECSI_CHECK(run->report->end == ECS_RUN_GOES_ON);
    ECSI_CHECK(run->frame_ns > 0);
    for (;;) {
        if (ecsi_run_told(run)) return false;
        if (run->desc.mode == ECS_RUN_UNTIMED) return true;
        ecsi_run_pass(run);
        if (run->desc.unpaced || run->frame_owed_ns >= run->frame_ns) return true;
        ecsi_run_rest(run, run->frame_ns - run->frame_owed_ns);
    }
}

/* ---- Frames ------------------------------------------------------------------------- */

/* Takes the steps that are due off what is owed. */
static void ecsi_run_plan_fixed(ecsi_runner *run, ecs_run_frame *frame)
{
    uint64_t due = run->owed_ns / run->step_ns;
    ECSI_CHECK(run->desc.mode == ECS_RUN_FIXED);
    run->lateness_ns = due > 0 ? run->owed_ns - run->step_ns : 0;
    run->owed_ns -= due * run->step_ns;
    if (due > run->desc.steps_max) {
        uint64_t dropped = due - run->desc.steps_max;
        run->report->ticks_dropped += dropped;
        run->report->dropped_ns += dropped * run->step_ns;
        due = run->desc.steps_max;
    }
    frame->steps = (uint32_t)due;
    frame->alpha = (float)((double)run->owed_ns / (double)run->step_ns);
    ECSI_CHECK(run->owed_ns < run->step_ns);
    ECSI_CHECK(frame->alpha >= 0.0f && frame->alpha <= 1.0f);
}

/* What the frame that begins now has to do. */
static void ecsi_run_plan(ecsi_runner *run, ecs_run_frame *frame)
{
    ecs_run_report *report = run->report;
    uint64_t passed = run->since_ns < run->dt_max_ns ? run->since_ns : run->dt_max_ns;
    memset(frame, 0, sizeof *frame);
    frame->number = report->frames;
    frame->report = report;
    frame->steps = 1;
    frame->alpha = 1.0f;
    frame->dt = (float)((double)passed * 1e-9);
    run->lateness_ns = 0;
    if (run->desc.mode == ECS_RUN_UNTIMED) {
        frame->dt = report->frames > 0 ? run->tick_dt : 0.0f;
        return;
    }
    if (run->desc.mode == ECS_RUN_FIXED) {
        ecsi_run_plan_fixed(run, frame);
    } else {
        run->owed_ns = 0;
        run->tick_dt = frame->dt;
        report->dropped_ns += run->since_ns - passed;
        if (!run->desc.unpaced) run->lateness_ns = run->frame_owed_ns - run->frame_ns;
    }
    run->since_ns = 0;
    /* Frames that were missed are not made up for: the next one is due at the next place of the
     * grid. */
    run->frame_owed_ns %= run->frame_ns;
    ECSI_CHECK(frame->steps <= run->desc.steps_max);
    ECSI_CHECK(frame->dt >= 0.0f);
}

/* One tick of the frame; false: no other. */
static bool ecsi_run_tick(ecsi_runner *run, const ecs_run_frame *frame)
{
    const ecs_run_desc *d = &run->desc;
    ecs_run_report *report = run->report;
    ecs_status status;
    if (ecsi_run_told(run)) return false;
    if (d->tick_begin != NULL && !d->tick_begin(run->world, frame, d->user)) {
        ecsi_run_ends(run, ECS_RUN_CALLBACK);
        return false;
    }
    if (run->lateness_ns > run->late_ns) report->ticks_late++;
    if (run->lateness_ns > report->late_max_ns) report->late_max_ns = run->lateness_ns;
    run->lateness_ns -= run->lateness_ns < run->step_ns ? run->lateness_ns : run->step_ns;
    status = d->tick != NULL ? d->tick(run->world, run->tick_dt, d->user)
                             : ecs_tick(run->world, run->tick_dt);
    report->ticks++;
    if (status != ECS_OK) {
        report->ticks_failed++;
        report->tick_status = status;
        if (!d->go_on) {
            report->status = status;
            ecsi_run_ends(run, ECS_RUN_TICK_FAILED);
        }
    }
    if (report->ticks == d->ticks_max) ecsi_run_ends(run, ECS_RUN_TICKS);
    ECSI_CHECK(d->ticks_max == 0 || report->ticks <= d->ticks_max);
    ECSI_CHECK(report->ticks_failed <= report->ticks);
    return report->end == ECS_RUN_GOES_ON;
}

/* One frame; false: the last. */
static bool ecsi_run_frame(ecsi_runner *run)
{
    const ecs_run_desc *d = &run->desc;
    ecs_run_frame frame;
    uint32_t i;
    ECSI_CHECK(run->report->end == ECS_RUN_GOES_ON);
    if (!ecsi_run_wait(run)) return false;
    ecsi_run_plan(run, &frame);
    if (d->frame_begin != NULL && !d->frame_begin(run->world, &frame, d->user)) {
        ecsi_run_ends(run, ECS_RUN_CALLBACK);
        return false;
    }
    for (i = 0; i < frame.steps && ecsi_run_tick(run, &frame); i++) ECSI_CHECK(i < d->steps_max);
    if (d->frame_end != NULL && !d->frame_end(run->world, &frame, d->user)) {
        ecsi_run_ends(run, ECS_RUN_CALLBACK);
    }
    run->report->frames++;
    return run->report->end == ECS_RUN_GOES_ON;
}

/* ---- Entry points ------------------------------------------------------------------- */

ECS_API void ecs_run_stop(ecs_run_flag *flag)
{
    ECSI_REQUIRE_VOID(flag != NULL);
    /* Pairs with the load of ecs_run_stopped. */
    ECSI_STORE(&flag->word, 1u, release);
}

ECS_API bool ecs_run_stopped(const ecs_run_flag *flag)
{
    ECSI_REQUIRE(flag != NULL, false);
    /* Pairs with the store of ecs_run_stop. */
    return ECSI_LOAD(&flag->word, acquire) != 0;
}

/* Whether a time is one that a description may have. NaN is none. */
static bool ecsi_run_time_is_good(double seconds, double min)
{
    ECSI_CHECK(min >= 0.0);
    return seconds == 0.0 || (seconds >= min && seconds <= ECSI_RUN_S_MAX);
}

/* Fills in the defaults. */
static ecs_status ecsi_run_resolve(ecsi_runner *run)
{
    ecs_run_desc *d = &run->desc;
    ECSI_REQUIRE((unsigned)d->mode <= (unsigned)ECS_RUN_UNTIMED, ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->step_s, ECSI_RUN_S_MIN), ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->frame_s, ECSI_RUN_S_MIN), ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->dt_max_s, 0.0), ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->late_s, 0.0), ECS_INVALID);
    if (d->clock != NULL) {
        ECSI_REQUIRE(d->clock->now_ns != NULL, ECS_INVALID);
        ECSI_REQUIRE(d->clock->sleep_until_ns != NULL, ECS_INVALID);
        run->clock = *d->clock;
    }
    if (d->step_s == 0.0) d->step_s = ECSI_RUN_STEP_S;
    if (d->frame_s == 0.0) d->frame_s = d->step_s;
    if (d->dt_max_s == 0.0) d->dt_max_s = ECSI_RUN_DT_MAX_S;
    if (d->late_s == 0.0) d->late_s = d->mode == ECS_RUN_FREE ? d->frame_s : d->step_s;
    d->steps_max = ecsi_default_u32(d->steps_max, ECSI_RUN_STEPS_MAX);
    run->step_ns = ecsi_run_ns(d->step_s);
    run->frame_ns = ecsi_run_ns(d->frame_s);
    run->dt_max_ns = ecsi_run_ns(d->dt_max_s);
    run->late_ns = ecsi_run_ns(d->late_s);
    run->tick_dt = (float)d->step_s;
    run->own_clock = d->clock == NULL;
    /* The first frame and the first tick are due now. */
    run->owed_ns = run->step_ns;
    run->frame_owed_ns = run->frame_ns;
    run->margin_ns = run->own_clock ? ECSI_RUN_MARGIN_NS : 0;
    return ECS_OK;
}

ECS_API ecs_status ecs_run(ecs_world *world, const ecs_run_desc *desc, ecs_run_report *report)
{
    ecs_run_report unread;
    ecsi_runner run;
    ECSI_REQUIRE(world != NULL || (desc != NULL && desc->tick != NULL), ECS_INVALID);
    memset(&run, 0, sizeof run);
    run.world = world;
    run.report = report != NULL ? report : &unread;
    if (desc != NULL) run.desc = *desc;
    memset(run.report, 0, sizeof *run.report);
    run.report->status = ecsi_run_resolve(&run);
    if (run.report->status != ECS_OK) return run.report->status;
    if (world != NULL &&
        (world->locks != 0 || world->schedule.ticking || world->schedule.ending ||
         world->flush.running)) {
        run.report->status = ECS_LOCKED;
        return ECS_LOCKED;
    }
    if (run.desc.mode != ECS_RUN_UNTIMED) run.now_ns = ecsi_run_look(&run);
    if (run.own_clock) run.sleeper = ecsi_sleeper_open();
    while (ecsi_run_frame(&run)) ECSI_CHECK(run.report->end == ECS_RUN_GOES_ON);
    if (run.own_clock) ecsi_sleeper_close(run.sleeper);
    ECSI_CHECK(run.report->end != ECS_RUN_GOES_ON);
    return run.report->status;
}

#endif /* ECS_NO_RUN */

#endif /* ECS_RUNNER_H */
#endif

/*
 * ecs.h is available under two licences. Choose the one that you prefer.
 *
 * ALTERNATIVE A - MIT License
 *
 * Copyright (c) 2026 the ecs.h authors
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of
 * this software and associated documentation files (the "Software"), to deal in
 * the Software without restriction, including without limitation the rights to
 * use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies
 * of the Software, and to permit persons to whom the Software is furnished to do
 * so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all
 * copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 * SOFTWARE.
 *
 * ALTERNATIVE B - Unlicense (public domain)
 *
 * This is free and unencumbered software released into the public domain.
 *
 * Anyone is free to copy, modify, publish, use, compile, sell, or distribute this
 * software, either in source code form or as a compiled binary, for any purpose,
 * commercial or non-commercial, and by any means.
 *
 * In jurisdictions that recognize copyright laws, the author or authors of this
 * software dedicate any and all copyright interest in the software to the public
 * domain. We make this dedication for the benefit of the public at large and to
 * the detriment of our heirs and successors. We intend this dedication to be an
 * overt act of relinquishment in perpetuity of all present and future rights to
 * this software under copyright law.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN
 * ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
 * WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
 *
 * For more information, please refer to <https://unlicense.org/>
 */
