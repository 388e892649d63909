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

#include "schedule.h"

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
