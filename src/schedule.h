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

#include "adaptive.h"
#include "flush.h"
#include "io_flow.h"
#include "pool.h"

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
#ifndef ECS_NO_IO
    ecsi_io *io;
#endif
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
