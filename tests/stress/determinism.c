/* determinism.c: the proof that the number of workers changes nothing.
 *
 * A seed makes a plan: a world with random limits, phases, and systems with random access,
 * order, times, failures and commands. The plan runs on the blocking backend, which writes down
 * what happened in each tick; then on 1 to 16 workers with random delays, and must do the same:
 * hash, report, counters, the order of commands (a log that custom commands and hooks append
 * to), what each system saw (sums over its rows), and the order of systems that conflict.
 * Counters inside the bodies show that nothing overlaps that must not. All code of the bodies
 * is a function of (seed, system, tick, row); the delays alone are not.
 *
 * A failure names its seed; `stress.determinism --seed N determinism_replays_a_seed` runs that
 * one alone. */

#define ECS_IMPLEMENTATION
#include "../test.h"

#include <pthread.h>
#include <sched.h>

enum {
    DATA = 10, /* components with a value, the last one larger... */
    TYPES = 12, /* ...and tags */
    NOTICED = 7, /* the component with on_add, on_set, on_remove */
    OWNED = 8, /* with init, copy, destroy */
    RESOURCES = 3,
    EVENTS = 3,
    SYSTEMS = 20,
    PHASES = 8,
    TICKS = 16,
    KNOWN = 64, /* handles that all bodies know */
    TERMS = 14,
    RUNS = 8 /* backends that a plan runs on */
};

typedef struct { uint64_t value; ecs_entity ref; } Cell;
typedef struct { Cell cell; uint64_t more[4]; } Wide;

static const ecs_member cell_members[2] = {{"value", 0, 8, ECS_KIND_U64},
                                           {"ref", 8, 8, ECS_KIND_ENTITY}};
static const ecs_member wide_members[3] = {{"value", 0, 8, ECS_KIND_U64},
                                           {"ref", 8, 8, ECS_KIND_ENTITY},
                                           {"more", 16, 32, ECS_KIND_U64}};

static ecs_type types[TYPES], resources[RESOURCES], events[EVENTS];
static ecs_hooks noticed_hooks, owned_hooks;

typedef enum { COLUMNS, TASK, EXCLUSIVE } plan_kind;

typedef struct {
    char name[16];
    plan_kind kind;
    uint32_t index, phase; /* number of the phase */
    ecs_term terms[TERMS];
    uint32_t term_count;
    ecs_system system;
    ecs_system_desc desc;
    uint32_t command_one_in, fail_one_in, if_one_in;
    uint32_t emits;        /* events that it may emit, as bits */
    bool nested;           /* uses jobs and loops inside */
    uint64_t seed;
} plan_system;

typedef struct {
    ecs_world_desc desc;
    plan_system systems[SYSTEMS];
    uint32_t system_count;
    ecs_phase_desc phases[2];
    uint32_t phase_count;
    uint32_t entity_count, entity_limit, tick_count;
    bool excludes[SYSTEMS][SYSTEMS]; /* they conflict, or one is said to come before */
    bool first[SYSTEMS][SYSTEMS];    /* said: row before column */
    uint64_t seed;
} plan;

typedef struct {
    uint64_t hash, log, drops;
    ecs_tick_report report;
    ecs_stats stats;
    uint64_t sum[SYSTEMS], rows[SYSTEMS], spans[SYSTEMS];
    uint64_t begin[SYSTEMS], end[SYSTEMS]; /* tickets: of the first span, after the last one */
} tick_trace;

typedef struct {
    const plan *p;
    ecs_world *world;
    pthread_t ticking;
    uint64_t variation; /* 0: blocking, no delays */
    uint32_t active[SYSTEMS], phase_active[PHASES], all_active;
    uint64_t ticket, log, delays, shared_spans;
    int64_t owned; /* values of OWNED that live */
    ecs_entity known[KNOWN];
    tick_trace *trace;
} run_state;

static run_state now;
static plan the_plan;
static tick_trace wanted[TICKS], had[TICKS];

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = (a ^ (b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2))) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 29)) * 0x94d049bb133111ebu;
    return z ^ (z >> 32);
}

static void say(const char *what)
{
    printf("    schedule seed %llu: %s\n", (unsigned long long)the_plan.seed, what);
}

/* ---- Types ----------------------------------------------------------------------------------- */

static void owned_init(void *dst, uint32_t count, void *user)
{
    Cell *cells = (Cell *)dst;
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        cells[i].value = 8;
        cells[i].ref = ecs_null();
    }
    __atomic_fetch_add(&now.owned, (int64_t)count, __ATOMIC_RELAXED);
}

static void owned_copy(void *dst, const void *src, uint32_t count, void *user)
{
    (void)user;
    memcpy(dst, src, count * sizeof(Cell));
    __atomic_fetch_add(&now.owned, (int64_t)count, __ATOMIC_RELAXED);
}

static void owned_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    memset(values, 0xdd, count * sizeof(Cell));
    __atomic_fetch_sub(&now.owned, (int64_t)count, __ATOMIC_RELAXED);
}

/* The order of commands: whoever applies one appends to this. */
static void log_add(uint64_t kind, uint64_t word)
{
    now.log = mix(now.log, mix(kind, word));
}

static void noticed_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    Cell cell = *(const Cell *)value;
    (void)user;
    log_add(1, mix(entity.bits, cell.value));
    cell.value = mix(cell.value, 1);
    if (entity.bits % 3 == 0) {
        (void)ecs_cmd_set_type(ecs_world_commands(world), entity, &types[0], &cell);
    }
}

static void noticed_set(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)user;
    log_add(2, mix(entity.bits, ((const Cell *)value)->value));
    if (entity.bits % 5 == 0) {
        (void)ecs_cmd_add_type(ecs_world_commands(world), entity, &types[DATA]);
    }
}

static void noticed_remove(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)world;
    (void)user;
    log_add(3, mix(entity.bits, ((const Cell *)value)->value));
}

static void type_fill(ecs_type *type, const char *name, bool wide)
{
    type->name = name;
    type->bytes = wide ? (uint32_t)sizeof(Wide) : (uint32_t)sizeof(Cell);
    type->align = 8;
    type->members = wide ? wide_members : cell_members;
    type->member_count = wide ? 3 : 2;
}

static void types_make(void)
{
    static const char *const names[TYPES] = {"D0", "D1", "D2", "D3", "D4",   "D5",
                                             "D6", "D7", "D8", "D9", "TagA", "TagB"};
    static const char *const resource_names[RESOURCES] = {"R0", "R1", "R2"};
    static const char *const event_names[EVENTS] = {"E0", "E1", "E2"};
    for (uint32_t i = 0; i < DATA; i++) type_fill(&types[i], names[i], i == DATA - 1);
    for (uint32_t i = DATA; i < TYPES; i++) {
        types[i].name = names[i];
        types[i].align = 1;
    }
    for (uint32_t i = 0; i < RESOURCES; i++) type_fill(&resources[i], resource_names[i], false);
    for (uint32_t i = 0; i < EVENTS; i++) type_fill(&events[i], event_names[i], false);
    noticed_hooks.on_add = noticed_add;
    noticed_hooks.on_set = noticed_set;
    noticed_hooks.on_remove = noticed_remove;
    owned_hooks.init = owned_init;
    owned_hooks.copy = owned_copy;
    owned_hooks.destroy = owned_destroy;
    types[NOTICED].hooks = &noticed_hooks;
    types[OWNED].hooks = &owned_hooks;
}

/* ---- Guards ---------------------------------------------------------------------------------- */

/* Loses some time, at random: the only thing here that differs from run to run. */
static void delay(uint64_t word)
{
    volatile uint32_t sink = 0;
    if (now.variation == 0) return;
    word = mix(mix(word, now.variation), __atomic_fetch_add(&now.delays, 1, __ATOMIC_RELAXED));
    if (word % 8 < 3) {
        for (uint32_t i = 0; i < (word >> 8) % 3000; i++) sink = sink + i;
    } else if (word % 8 == 3) {
        sched_yield();
    } else if (word % 512 == 4) {
        usleep((useconds_t)((word >> 10) % 200));
    }
}

/* A body begins: nobody may be inside whom it excludes, and nobody of another phase. */
static void guard_enter(const plan_system *s)
{
    uint64_t ticket, none = 0;
    __atomic_fetch_add(&now.all_active, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&now.active[s->index], 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&now.phase_active[s->phase], 1, __ATOMIC_SEQ_CST);
    ticket = __atomic_add_fetch(&now.ticket, 1, __ATOMIC_SEQ_CST);
    (void)__atomic_compare_exchange_n(&now.trace->begin[s->index], &none, ticket, false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < now.p->system_count; i++) {
        if (!now.p->excludes[s->index][i]) continue;
        if (CHECK(__atomic_load_n(&now.active[i], __ATOMIC_SEQ_CST) == 0)) continue;
        say("two systems overlap that must not");
    }
    for (uint32_t i = 0; i < PHASES; i++) {
        if (i == s->phase) continue;
        if (CHECK(__atomic_load_n(&now.phase_active[i], __ATOMIC_SEQ_CST) == 0)) continue;
        say("two phases overlap");
    }
    if (s->kind == EXCLUSIVE) {
        CHECK_EQ_U64(__atomic_load_n(&now.all_active, __ATOMIC_SEQ_CST), 1);
    }
    if (s->desc.main_thread || s->kind == EXCLUSIVE || now.variation == 0) {
        CHECK(pthread_equal(now.ticking, pthread_self()));
    } else if (!pthread_equal(now.ticking, pthread_self())) {
        __atomic_fetch_add(&now.shared_spans, 1, __ATOMIC_RELAXED);
    }
    if (s->desc.unsplit || s->desc.main_thread || s->kind != COLUMNS) {
        CHECK_EQ_U64(__atomic_load_n(&now.active[s->index], __ATOMIC_SEQ_CST), 1);
    }
}

static void guard_leave(const plan_system *s, uint64_t sum, uint32_t rows)
{
    uint64_t *end = &now.trace->end[s->index];
    uint64_t ticket = __atomic_add_fetch(&now.ticket, 1, __ATOMIC_SEQ_CST);
    uint64_t seen = __atomic_load_n(end, __ATOMIC_SEQ_CST);
    while (seen < ticket && !__atomic_compare_exchange_n(end, &seen, ticket, false,
                                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    __atomic_fetch_add(&now.trace->sum[s->index], sum, __ATOMIC_RELAXED);
    __atomic_fetch_add(&now.trace->rows[s->index], rows, __ATOMIC_RELAXED);
    __atomic_fetch_add(&now.trace->spans[s->index], 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&now.phase_active[s->phase], 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&now.active[s->index], 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&now.all_active, 1, __ATOMIC_SEQ_CST);
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

typedef struct {
    const plan_system *s;
    const ecs_view *view;
    uint64_t sum;     /* of all that was seen and answered */
    ecs_entity spawned; /* the last one */
} body;

static Cell *cell_at(const ecs_view *view, uint32_t term, uint32_t type, uint32_t row)
{
    unsigned char *column = (unsigned char *)view->columns[term];
    return column == NULL ? NULL : (Cell *)(void *)(column + (size_t)row * types[type].bytes);
}

static uint32_t type_index(const ecs_type *type, const ecs_type *list, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && &list[i] != type) i++;
    return i;
}

static ecs_entity known_at(uint64_t word)
{
    return now.known[word % KNOWN];
}

static bool is_column(ecs_access access)
{
    return access == ECS_ACCESS_READ || access == ECS_ACCESS_WRITE ||
           access == ECS_ACCESS_OPTIONAL || access == ECS_ACCESS_OPTIONAL_WRITE ||
           access == ECS_ACCESS_ANY || access == ECS_ACCESS_ANY_MORE;
}

/* What a body sees of one row; what is the same for all rows if it has no columns. */
static uint64_t body_see(const body *b, uint32_t row)
{
    const ecs_view *view = b->view;
    uint64_t seen = view->count > 0 ? mix(view->entities[row].bits, view->base + row) : 1;
    ecs_entity ref = known_at(seen);
    for (uint32_t t = 0; t < b->s->term_count; t++) {
        const ecs_term *term = &b->s->terms[t];
        uint32_t type = type_index(term->type, types, TYPES);
        const Cell *cell = NULL;
        if (is_column(term->access)) {
            cell = cell_at(view, t, type, row);
        } else if (term->access == ECS_ACCESS_RES_READ || term->access == ECS_ACCESS_RES_WRITE) {
            cell = (const Cell *)view->columns[t];
        } else if (term->access == ECS_ACCESS_LOOKUP) {
            const ecs_getter *getter = (const ecs_getter *)view->columns[t];
            cell = (const Cell *)ecs_getter_find(*getter, ref, types[type].bytes);
        }
        if (cell == NULL) continue;
        seen = mix(mix(seen, cell->value), cell->ref.bits);
        if (!ecs_is_null(cell->ref)) ref = cell->ref;
    }
    return seen;
}

static void body_write(const body *b, uint32_t row, uint64_t seen)
{
    for (uint32_t t = 0; t < b->s->term_count; t++) {
        const ecs_term *term = &b->s->terms[t];
        uint32_t type = type_index(term->type, types, TYPES);
        Cell *cell = NULL;
        if (term->access == ECS_ACCESS_WRITE || term->access == ECS_ACCESS_OPTIONAL_WRITE) {
            cell = cell_at(b->view, t, type, row);
        } else if (term->access == ECS_ACCESS_RES_WRITE) {
            cell = (Cell *)b->view->columns[t];
        }
        if (cell == NULL) continue;
        cell->value = mix(seen, cell->value);
        if (seen % 7 == 0) cell->ref = b->spawned;
        if (seen % 7 == 1) cell->ref = known_at(seen >> 8);
        if (type == DATA - 1) ((Wide *)(void *)cell)->more[seen % 4] ^= seen;
    }
}

/* A value for a component, on `out`. */
static const void *value_make(Wide *out, uint64_t word, ecs_entity ref)
{
    memset(out, 0, sizeof *out);
    out->cell.value = word;
    out->cell.ref = ref;
    out->more[word % 4] = word;
    return out;
}

typedef struct { uint64_t tag; ecs_entity entity; } Note;

/* A custom command: the order in which these run is in the log, and they edit directly. */
static void custom_run(ecs_world *world, void *payload, uint32_t bytes)
{
    Note note = *(const Note *)payload;
    ecs_entity e = ecs_cmd_resolve(world, note.entity);
    Wide value;
    CHECK_EQ_U64(bytes, sizeof note);
    log_add(4, mix(note.tag, e.bits));
    if (note.tag % 4 == 0) {
        log_add(5, (uint64_t)ecs_set_type(world, e, &types[note.tag % 6],
                                          value_make(&value, note.tag, e)));
    } else if (note.tag % 4 == 1) {
        log_add(6, ecs_spawn(world).bits);
    }
}

static void body_spawn(body *b, uint64_t word)
{
    ecs_commands *cmd = b->view->cmd;
    Wide values[3];
    ecs_value list[3];
    uint32_t count = (uint32_t)(word >> 20) % 4;
    ecs_entity e;
    if (ecs_entity_count(b->view->world) > now.p->entity_limit) return;
    if (count == 0) {
        e = ecs_cmd_spawn(cmd);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t type = ((uint32_t)(word >> 24) + i * 5) % DATA;
            list[i].type = &types[type];
            list[i].data = (word >> (30 + i)) % 3 == 0 ? NULL
                                                       : value_make(&values[i], word, b->spawned);
        }
        e = ecs_cmd_spawn_values(cmd, list, count);
    }
    b->sum = mix(b->sum, mix(e.bits, (uint64_t)ecs_cmd_status(cmd)));
    if (!ecs_is_null(e)) b->spawned = e;
}

/* One random command about `target`. */
static void body_command(body *b, ecs_entity target, uint64_t word)
{
    ecs_commands *cmd = b->view->cmd;
    uint32_t kind = (uint32_t)(word >> 10) % 16;
    const ecs_type *type = &types[(word >> 16) % TYPES];
    ecs_status status = ECS_OK;
    Wide value;
    Note note;
    note.tag = word;
    note.entity = target;
    if (kind < 4) {
        body_spawn(b, word);
    } else if (kind == 4) {
        status = ecs_cmd_despawn(cmd, target);
    } else if (kind < 7) {
        status = ecs_cmd_add_type(cmd, target, type);
    } else if (kind < 9) {
        status = ecs_cmd_remove_type(cmd, target, type);
    } else if (kind < 13 && type->bytes > 0) {
        status = ecs_cmd_set_type(cmd, target, type, value_make(&value, word, b->spawned));
    } else {
        status = ecs_cmd_custom(cmd, custom_run, &note, (uint32_t)sizeof note);
    }
    b->sum = mix(b->sum, (uint64_t)status);
}

static void body_emit(body *b, ecs_entity who, uint64_t word)
{
    Cell event;
    uint32_t type = (uint32_t)(word >> 40) % EVENTS;
    if ((b->s->emits >> type & 1u) == 0) return;
    event.value = word;
    event.ref = (word >> 50) % 2 == 0 ? who : b->spawned;
    b->sum = mix(b->sum, (uint64_t)ecs_cmd_emit_type(b->view->cmd, &events[type], &event));
}

static void body_row(body *b, uint32_t row)
{
    const ecs_view *view = b->view;
    ecs_entity self = view->count > 0 ? view->entities[row] : known_at(view->tick);
    uint64_t seen = body_see(b, row);
    uint64_t word = mix(mix(b->s->seed, seen), view->tick);
    if (word % b->s->command_one_in == 0) {
        uint64_t pick = word >> 4;
        ecs_entity target = pick % 4 == 0 ? known_at(pick) : pick % 4 == 1 ? b->spawned : self;
        body_command(b, target, mix(word, 1));
    }
    if (word % 8 == 3) body_emit(b, self, mix(word, 2));
    body_write(b, row, mix(seen, (uint64_t)(view->dt * 1048576.0f)));
    b->sum += seen;
}

static void body_events(body *b)
{
    for (uint32_t t = 0; t < b->s->term_count; t++) {
        const ecs_events *list;
        if (b->s->terms[t].access != ECS_ACCESS_ON) continue;
        list = (const ecs_events *)b->view->columns[t];
        b->sum = mix(b->sum, mix(list->count, list->missed));
        for (uint32_t i = 0; i < list->count; i++) {
            const Cell *event = (const Cell *)list->data + i;
            b->sum = mix(b->sum, mix(event->value, event->ref.bits));
        }
    }
}

static void nested_body(ecs_worker *worker, ecs_range range, void *data)
{
    uint64_t sum = 0;
    (void)worker;
    for (uint32_t i = range.first; i < range.first + range.count; i++) sum += mix(i, i);
    __atomic_fetch_add((uint64_t *)data, sum, __ATOMIC_RELAXED);
    delay(range.first);
}

static void nested_job(ecs_worker *worker, void *data)
{
    ecs_loop loop = {40, 7};
    delay(11);
    ecs_parallel_for(worker, loop, nested_body, data);
}

/* Work inside of a system: others may take parts of it, but no other system runs here. */
static uint64_t nested_run(ecs_worker *worker)
{
    uint64_t sums[2] = {0, 0};
    ecs_job job;
    ecs_loop loop = {64, 5};
    ecs_job_run(worker, &job, nested_job, &sums[0]);
    ecs_parallel_for(worker, loop, nested_body, &sums[1]);
    ecs_job_wait(worker, &job);
    return mix(sums[0], sums[1]);
}

static bool body_fails(const plan_system *s, const ecs_view *view)
{
    return s->fail_one_in != 0 && mix(mix(s->seed, view->tick), view->base) % s->fail_one_in == 0;
}

static ecs_status system_run(const ecs_view *view)
{
    const plan_system *s = (const plan_system *)view->user;
    body b = {s, view, 0, ecs_null()};
    uint32_t rows = view->count > 0 ? view->count : 1;
    guard_enter(s);
    b.spawned = known_at(s->index);
    b.sum = mix(s->index, (uint64_t)(view->dt * 1048576.0f));
    CHECK(view->count <= now.p->desc.row_block_rows);
    CHECK(s->kind == TASK || view->count > 0);
    CHECK(view->world == now.world && view->tick == ecs_world_tick(now.world));
    delay(mix(s->seed, view->base));
    body_events(&b);
    if (s->nested) b.sum = mix(b.sum, nested_run(view->worker));
    for (uint32_t i = 0; i < rows; i++) {
        if (i == rows / 2) delay(mix(view->base, i));
        body_row(&b, i);
    }
    delay(b.sum);
    guard_leave(s, b.sum, rows);
    if (!body_fails(s, view)) return ECS_OK;
    return view->base % 2 == 0 ? ECS_FAILED : ECS_NOT_FOUND;
}

static ecs_status system_exclusive(ecs_world *world, const ecs_view *view)
{
    const plan_system *s = (const plan_system *)view->user;
    body b = {s, view, 0, ecs_null()};
    uint64_t word = mix(s->seed, view->tick);
    Wide value;
    guard_enter(s);
    for (uint32_t i = 0; i < 3; i++, word = mix(word, i)) {
        ecs_entity e = known_at(word >> 3);
        ecs_status status = ECS_OK;
        const ecs_type *type = &types[(word >> 12) % DATA];
        switch (word % 6) {
        case 0: b.spawned = ecs_spawn(world); break;
        case 1: status = ecs_set_type(world, e, type, value_make(&value, word, e)); break;
        case 2: status = ecs_remove_type(world, e, type); break;
        case 3: status = ecs_flush(world); break;
        default: body_command(&b, e, word); break;
        }
        b.sum = mix(b.sum, mix((uint64_t)status, b.spawned.bits));
        CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
    }
    if (s->nested) b.sum = mix(b.sum, nested_run(view->worker));
    guard_leave(s, b.sum, 1);
    return body_fails(s, view) ? ECS_FAILED : ECS_OK;
}

static bool system_if(const ecs_world *world, void *user)
{
    const plan_system *s = (const plan_system *)user;
    const Cell *resource = (const Cell *)ecs_resource_get_type(world, &resources[0]);
    uint64_t word = mix(mix(s->seed, ecs_world_tick(world)), ecs_entity_count(world));
    CHECK(pthread_equal(now.ticking, pthread_self()));
    if (resource != NULL) word = mix(word, resource->value);
    return word % s->if_one_in != 0;
}

/* ---- Plans ----------------------------------------------------------------------------------- */

static uint32_t below(uint64_t *state, uint32_t limit)
{
    return test_random_below(state, limit);
}

static void term_add(plan_system *s, const ecs_type *type, ecs_access access)
{
    if (s->term_count == TERMS) return;
    memset(&s->terms[s->term_count], 0, sizeof(ecs_term));
    s->terms[s->term_count].type = type;
    s->terms[s->term_count++].access = access;
}

static void plan_columns(uint64_t *state, plan_system *s)
{
    static const ecs_access ways[8] = {ECS_ACCESS_READ,     ECS_ACCESS_READ,
                                       ECS_ACCESS_WRITE,    ECS_ACCESS_WRITE,
                                       ECS_ACCESS_OPTIONAL, ECS_ACCESS_OPTIONAL_WRITE,
                                       ECS_ACCESS_WITH,     ECS_ACCESS_NOT};
    uint32_t required = 0;
    for (uint32_t c = 0; c < DATA; c++) {
        ecs_access access = ways[below(state, 8)];
        if (below(state, 100) >= 26) continue;
        if (access == ECS_ACCESS_READ || access == ECS_ACCESS_WRITE || access == ECS_ACCESS_WITH) {
            if (++required > 2) access = ECS_ACCESS_OPTIONAL;
        }
        if (access == ECS_ACCESS_NOT && below(state, 3) != 0) access = ECS_ACCESS_OPTIONAL_WRITE;
        term_add(s, &types[c], access);
    }
    if (below(state, 8) == 0) term_add(s, &types[DATA], ECS_ACCESS_NOT);
    if (below(state, 8) == 0) term_add(s, &types[DATA + 1], ECS_ACCESS_NOT);
    if (required == 0) {
        uint32_t c = below(state, DATA);
        uint32_t t = 0;
        while (t < s->term_count && s->terms[t].type != &types[c]) t++;
        if (t < s->term_count) {
            s->terms[t].access = ECS_ACCESS_WRITE;
        } else {
            term_add(s, &types[c], ECS_ACCESS_WRITE);
        }
    }
    if (below(state, 6) == 0 && s->term_count + 2 < TERMS) {
        uint32_t free_types = 0;
        const ecs_type *pair[2] = {NULL, NULL};
        for (uint32_t c = 0; c < DATA && free_types < 2; c++) {
            uint32_t t = 0;
            while (t < s->term_count && s->terms[t].type != &types[c]) t++;
            if (t == s->term_count) pair[free_types++] = &types[c];
        }
        if (free_types == 2) {
            term_add(s, pair[0], ECS_ACCESS_ANY);
            term_add(s, pair[1], ECS_ACCESS_ANY_MORE);
        }
    }
}

static void plan_terms(uint64_t *state, plan_system *s)
{
    if (s->kind == COLUMNS) plan_columns(state, s);
    for (uint32_t i = 0; i < RESOURCES; i++) {
        uint32_t way = below(state, 16);
        if (way < 2) term_add(s, &resources[i], ECS_ACCESS_RES_READ);
        if (way == 2) term_add(s, &resources[i], ECS_ACCESS_RES_WRITE);
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint32_t way = below(state, 12);
        if (way < 3) term_add(s, &events[i], ECS_ACCESS_ON);
        if (way >= 3 && way < 6 && s->term_count < TERMS) {
            term_add(s, &events[i], ECS_ACCESS_EMIT);
            s->emits |= 1u << i;
        }
    }
    if (below(state, 4) == 0) term_add(s, &types[below(state, DATA)], ECS_ACCESS_LOOKUP);
}

static void plan_times(uint64_t *state, plan_system *s)
{
    ecs_system_desc *d = &s->desc;
    uint32_t way = below(state, 12);
    if (way == 0) d->every_ticks = 1 + below(state, 3);
    if (way == 1) d->interval_s = 0.05f;
    if (way == 2 || way == 3) {
        d->step_s = 0.01f * (float)(1 + below(state, 2));
        d->steps_max = 1 + below(state, 4);
    }
    if (below(state, 8) == 0) {
        d->run_if = system_if;
        s->if_one_in = 2 + below(state, 3);
    }
    s->fail_one_in = below(state, 5) == 0 ? 2 + below(state, 20) : 0;
    d->on_error = below(state, 2) == 0 ? ECS_FAIL_FAST : ECS_SKIP;
    if (below(state, 8) == 0) d->stream_bytes_max = 100 + below(state, 3000);
    if (s->kind != EXCLUSIVE) {
        d->unsplit = below(state, 8) == 0;
        d->main_thread = below(state, 10) == 0;
    }
    d->disabled = below(state, 30) == 0;
}

static void plan_system_make(uint64_t *state, plan *p, uint32_t index)
{
    static const uint32_t phases[8] = {ECS_UPDATE, ECS_UPDATE, ECS_UPDATE,      ECS_UPDATE,
                                       6,          7,          ECS_POST_UPDATE, ECS_PRE_UPDATE};
    plan_system *s = &p->systems[index];
    uint32_t way = below(state, 14);
    memset(s, 0, sizeof *s);
    snprintf(s->name, sizeof s->name, "s%u", (unsigned)index);
    s->index = index;
    s->seed = test_random_u64(state);
    s->kind = way == 0 ? EXCLUSIVE : way < 3 ? TASK : COLUMNS;
    s->phase = phases[below(state, 8)];
    if (s->phase > 5 + p->phase_count) s->phase = ECS_UPDATE;
    s->command_one_in = 4u << below(state, 6);
    s->nested = below(state, 6) == 0;
    if (s->kind != EXCLUSIVE) plan_terms(state, s);
    plan_times(state, s);
    s->system.name = s->name;
    s->system.terms = s->terms;
    s->system.term_count = s->term_count;
    if (s->kind == EXCLUSIVE) {
        s->system.run_exclusive = system_exclusive;
    } else {
        s->system.run = system_run;
    }
    s->desc.system = &s->system;
    s->desc.phase = s->phase;
    s->desc.user = s;
}

/* 2: writes it, 1: reads it, 0: neither. */
static uint32_t access_strength(ecs_access access)
{
    if (access == ECS_ACCESS_WRITE || access == ECS_ACCESS_OPTIONAL_WRITE ||
        access == ECS_ACCESS_RES_WRITE) {
        return 2;
    }
    return is_column(access) || access == ECS_ACCESS_LOOKUP || access == ECS_ACCESS_RES_READ;
}

static bool plan_conflict(const plan_system *a, const plan_system *b)
{
    if (a->kind == EXCLUSIVE || b->kind == EXCLUSIVE) return true;
    for (uint32_t i = 0; i < a->term_count; i++) {
        for (uint32_t k = 0; k < b->term_count; k++) {
            uint32_t x = access_strength(a->terms[i].access);
            uint32_t y = access_strength(b->terms[k].access);
            if (a->terms[i].type == b->terms[k].type && x > 0 && y > 0 && x + y > 2) return true;
        }
    }
    return false;
}

/* Orders that are said agree with a random rank, so they have no cycle. */
static void plan_orders(uint64_t *state, plan *p)
{
    uint32_t rank[SYSTEMS], before[SYSTEMS] = {0}, after[SYSTEMS] = {0};
    for (uint32_t i = 0; i < p->system_count; i++) rank[i] = below(state, 1000000);
    for (uint32_t n = below(state, 8); n > 0; n--) {
        uint32_t a = below(state, p->system_count);
        uint32_t b = below(state, p->system_count);
        plan_system *x = &p->systems[a], *y = &p->systems[b];
        if (rank[a] >= rank[b] || x->phase != y->phase || p->first[a][b]) continue;
        if (before[a] == ECS_ORDER_MAX || after[b] == ECS_ORDER_MAX) continue;
        p->first[a][b] = true;
        if (below(state, 2) == 0) {
            x->desc.before[before[a]++] = y->name;
        } else {
            y->desc.after[after[b]++] = x->name;
        }
    }
    for (uint32_t a = 0; a < p->system_count; a++) {
        for (uint32_t b = 0; b < p->system_count; b++) {
            p->excludes[a][b] = a != b && (plan_conflict(&p->systems[a], &p->systems[b]) ||
                                           p->first[a][b] || p->first[b][a]);
        }
    }
}

static void plan_world(uint64_t *state, plan *p)
{
    ecs_world_desc *d = &p->desc;
    d->row_block_rows = 64u << below(state, 3);
    if (below(state, 6) == 0) d->row_block_rows = 4096;
    d->seed = p->seed;
    d->components_max = 64;
    d->systems_max = SYSTEMS + 4;
    if (below(state, 3) == 0) {
        d->memory = ECS_MEMORY_FIXED;
        d->entities_max = 4096;
        d->tables_max = 400;
        d->chunk_bytes = 16384;
        d->chunks_max = 500;
        d->queries_max = 40;
    }
    if (below(state, 3) == 0) d->command_bytes_max = 4096u << below(state, 6);
    if (below(state, 3) == 0) d->stream_bytes_max = 200 + below(state, 4000);
    if (below(state, 3) == 0) d->stream_spawns_max = 1 + below(state, 8);
}

static void plan_make(plan *p, uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    memset(p, 0, sizeof *p);
    p->seed = seed;
    plan_world(&state, p);
    p->phase_count = below(&state, 3);
    for (uint32_t i = 0; i < p->phase_count; i++) {
        ecs_phase_desc *d = &p->phases[i];
        d->name = i == 0 ? "extra" : "more";
        if (below(&state, 2) == 0) d->after = ECS_UPDATE;
        else d->before = ECS_UPDATE;
        if (below(&state, 3) != 0) d->step_s = 0.01f * (float)(1 + below(&state, 4));
        d->steps_max = below(&state, 4);
    }
    p->system_count = 5 + below(&state, SYSTEMS - 4);
    p->entity_count = 300 + below(&state, 1500);
    p->entity_limit = 2500;
    p->tick_count = 4 + below(&state, TICKS - 3);
    for (uint32_t i = 0; i < p->system_count; i++) plan_system_make(&state, p, i);
    plan_orders(&state, p);
}

/* ---- Running --------------------------------------------------------------------------------- */

static void quiet(ecs_log_level level, const char *text, void *user)
{
    (void)level;
    (void)text;
    (void)user;
}

/* Entities of a few shapes, so that tables have several row blocks. */
static void world_fill(ecs_world *world, const plan *p)
{
    uint64_t state = p->seed ^ 0x5bd1e995u;
    uint32_t shapes[3];
    for (uint32_t i = 0; i < 3; i++) shapes[i] = (uint32_t)test_random_u64(&state);
    for (uint32_t i = 0; i < p->entity_count; i++) {
        uint32_t shape = shapes[i < p->entity_count / 2 ? 0 : 1 + i % 2];
        ecs_entity e = ecs_spawn(world);
        Wide value;
        REQUIRE(!ecs_is_null(e));
        if (i < KNOWN * 3 && i % 3 == 0) now.known[i / 3] = e;
        for (uint32_t c = 0; c < DATA; c++) {
            if ((shape >> c * 2 & 3u) == 0) continue;
            REQUIRE_STATUS(ecs_set_type(world, e, &types[c],
                                        value_make(&value, i * 31 + c, known_at(i))), ECS_OK);
        }
        if (i % 17 == 0) (void)ecs_add_type(world, e, &types[DATA]);
    }
}

static ecs_world *world_make(const plan *p, const ecs_world_desc *desc)
{
    static const ecs_event_desc kinds[EVENTS] = {{64, 0, ECS_EVENT_REFUSE},
                                                 {32, 5, ECS_EVENT_OVERWRITE},
                                                 {256, 3, ECS_EVENT_REFUSE}};
    ecs_world *world = ecs_world_create(desc);
    ecs_component id;
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < TYPES; i++) {
        REQUIRE_STATUS(ecs_component_register(world, &types[i], &id), ECS_OK);
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        REQUIRE_STATUS(ecs_event_configure_type(world, &events[i], &kinds[i]), ECS_OK);
    }
    for (uint32_t i = 0; i < RESOURCES; i++) {
        REQUIRE(ecs_resource_mut_type(world, &resources[i]) != NULL);
    }
    world_fill(world, p);
    for (uint32_t i = 0; i < p->phase_count; i++) {
        REQUIRE(ecs_phase_add(world, &p->phases[i]) == 6 + i);
    }
    for (uint32_t i = 0; i < p->system_count; i++) {
        REQUIRE_STATUS(ecs_system_add_desc(world, &p->systems[i].desc), ECS_OK);
    }
    return world;
}

/* What comes from outside between two ticks: a function of the tick, like all of it. */
static void world_inputs(ecs_world *world, const plan *p, uint32_t tick)
{
    uint64_t word = mix(p->seed, tick);
    Wide value;
    if (word % 3 == 0) {
        (void)ecs_event_send_type(world, &events[word % EVENTS],
                                  value_make(&value, word, ecs_null()));
    }
    if (word % 4 == 1) {
        ecs_commands *cmd = ecs_world_commands(world);
        ecs_entity e = ecs_cmd_spawn(cmd);
        (void)ecs_cmd_set_type(cmd, e, &types[1], value_make(&value, word, e));
        (void)ecs_cmd_set_type(cmd, known_at(word), &types[NOTICED], value_make(&value, word, e));
    }
    if (word % 5 == 2) (void)ecs_despawn(world, known_at(word >> 8));
    if (word % 7 == 3) (void)ecs_shrink(world);
    if (word % 11 == 4) {
        (void)ecs_system_enable(world, p->systems[0].name, word % 2 == 0);
    }
}

static uint64_t drops_text(const ecs_world *world)
{
    static char text[8192];
    uint64_t sum = 1;
    (void)ecs_explain_drops(world, text, sizeof text);
    for (const char *at = text; *at != 0; at++) sum = mix(sum, (uint64_t)(unsigned char)*at);
    return sum;
}

/* The world's names end with it: those of the plan stay. */
static void report_keep(tick_trace *trace, const plan *p, const ecs_tick_report *report)
{
    static const char *const phases[7] = {"first", "pre_update", "update", "post_update",
                                          "last",  "extra",      "more"};
    trace->report = *report;
    for (uint32_t i = 0; i < report->failure_count; i++) {
        ecs_failure *failure = &trace->report.failures[i];
        uint32_t s = 0, f = 0;
        while (s < p->system_count && strcmp(p->systems[s].name, failure->system) != 0) s++;
        while (f < 7 && strcmp(phases[f], failure->phase) != 0) f++;
        REQUIRE(s < p->system_count && f < 7);
        failure->system = p->systems[s].name;
        failure->phase = phases[f];
    }
}

static void world_run(const plan *p, const ecs_world_desc *desc, uint64_t variation,
                      tick_trace *traces)
{
    static const float times[6] = {0.016f, 0.016f, 0.033f, 0.005f, 0.1f, 0.0f};
    memset(&now, 0, sizeof now);
    memset(traces, 0, sizeof(tick_trace) * TICKS);
    now.p = p;
    now.ticking = pthread_self();
    now.variation = variation;
    now.trace = &traces[0];
    now.world = world_make(p, desc);
    for (uint32_t i = 0; i < p->tick_count; i++) {
        tick_trace *trace = &traces[i];
        now.trace = trace;
        now.ticket = 0;
        world_inputs(now.world, p, i);
        (void)ecs_tick(now.world, times[mix(p->seed, i) % 6]);
        CHECK_EQ_U64(now.all_active, 0);
        trace->hash = ecs_world_hash(now.world);
        trace->log = now.log;
        trace->drops = drops_text(now.world);
        report_keep(trace, p, ecs_tick_last(now.world));
        trace->stats = ecs_world_stats(now.world);
    }
    ecs_world_destroy(now.world);
    CHECK_EQ_I64(now.owned, 0);
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static bool same_report(const ecs_tick_report *a, const ecs_tick_report *b)
{
    bool good = CHECK_EQ_U64(a->status, b->status);
    good = CHECK_EQ_U64(a->tick, b->tick) && good;
    good = CHECK_EQ_U64(a->systems_run, b->systems_run) && good;
    good = CHECK_EQ_U64(a->systems_skipped, b->systems_skipped) && good;
    good = CHECK_EQ_U64(a->failures_lost, b->failures_lost) && good;
    good = CHECK_EQ_U64(a->commands_applied, b->commands_applied) && good;
    good = CHECK_EQ_U64(a->commands_dropped, b->commands_dropped) && good;
    good = CHECK_EQ_U64(a->commands_refused, b->commands_refused) && good;
    good = CHECK_EQ_U64(a->events_sent, b->events_sent) && good;
    good = CHECK_EQ_U64(a->events_dropped, b->events_dropped) && good;
    if (!CHECK_EQ_U64(a->failure_count, b->failure_count)) return false;
    for (uint32_t i = 0; i < a->failure_count; i++) {
        const ecs_failure *x = &a->failures[i];
        const ecs_failure *y = &b->failures[i];
        good = CHECK_STR(x->system, y->system) && good;
        good = CHECK_STR(x->phase, y->phase) && good;
        good = CHECK_EQ_U64(x->tick, y->tick) && good;
        good = CHECK_EQ_U64(x->status, y->status) && good;
        good = CHECK_EQ_U64(x->row_block, y->row_block) && good;
    }
    return good;
}

static bool same_stats(const ecs_stats *a, const ecs_stats *b)
{
    bool good = CHECK_EQ_U64(a->entity_count, b->entity_count);
    good = CHECK_EQ_U64(a->table_count, b->table_count) && good;
    good = CHECK_EQ_U64(a->chunk_count, b->chunk_count) && good;
    good = CHECK_EQ_U64(a->bytes_live, b->bytes_live) && good;
    good = CHECK_EQ_U64(a->commands_recorded, b->commands_recorded) && good;
    good = CHECK_EQ_U64(a->commands_applied, b->commands_applied) && good;
    good = CHECK_EQ_U64(a->commands_dropped, b->commands_dropped) && good;
    good = CHECK_EQ_U64(a->commands_refused, b->commands_refused) && good;
    good = CHECK_EQ_U64(a->events_sent, b->events_sent) && good;
    return CHECK_EQ_U64(a->events_dropped, b->events_dropped) && good;
}

/* In one phase that runs once a tick: whoever conflicts has one order, the one that was said
 * where something was said. */
static bool same_order(const plan *p, const tick_trace *want, const tick_trace *have)
{
    for (uint32_t a = 0; a < p->system_count; a++) {
        for (uint32_t b = 0; b < p->system_count; b++) {
            uint32_t phase = p->systems[a].phase;
            bool before = have->end[a] < have->begin[b];
            if (!p->excludes[a][b] || phase != p->systems[b].phase) continue;
            if (phase > 5 && p->phases[phase - 6].step_s > 0) continue;
            if (have->begin[a] == 0 || have->begin[b] == 0) continue;
            if (p->first[a][b] && !CHECK(before)) return false;
            if (!CHECK_EQ_U64(before, want->end[a] < want->begin[b])) return false;
        }
    }
    return true;
}

static bool same_tick(const plan *p, const tick_trace *want, const tick_trace *have)
{
    bool good = same_report(&want->report, &have->report);
    for (uint32_t i = 0; i < p->system_count; i++) {
        good = CHECK_EQ_U64(want->rows[i], have->rows[i]) && good;
        good = CHECK_EQ_U64(want->spans[i], have->spans[i]) && good;
        good = CHECK_EQ_U64(want->sum[i], have->sum[i]) && good;
    }
    good = CHECK_EQ_U64(want->log, have->log) && good;
    good = CHECK_EQ_U64(want->drops, have->drops) && good;
    good = CHECK_EQ_U64(want->hash, have->hash) && good;
    good = same_stats(&want->stats, &have->stats) && good;
    return same_order(p, want, have) && good;
}

typedef struct { uint32_t workers, share_ns; } way;

static const way ways[RUNS] = {{1, 1}, {2, 1}, {3, 1}, {4, 1}, {8, 1}, {16, 1}, {4, 0}, {2, 0}};

typedef struct {
    uint64_t ticks, rows, applied, dropped, refused, failures, skipped, events, shared;
} totals;

static void totals_add(totals *t, const plan *p, const tick_trace *traces)
{
    for (uint32_t i = 0; i < p->tick_count; i++) {
        const ecs_tick_report *r = &traces[i].report;
        t->ticks++;
        for (uint32_t s = 0; s < p->system_count; s++) t->rows += traces[i].rows[s];
        t->applied += r->commands_applied;
        t->dropped += r->commands_dropped;
        t->refused += r->commands_refused;
        t->failures += r->failure_count;
        t->skipped += r->systems_skipped;
        t->events += r->events_sent;
    }
}

/* Runs one plan on every backend; `pools` are shared by half of the plans. */
static bool plan_check(uint64_t seed, ecs_pool **pools, totals *t)
{
    plan *p = &the_plan;
    uint32_t w, i;
    plan_make(p, seed);
    p->desc.log = quiet;
    world_run(p, &p->desc, 0, wanted);
    totals_add(t, p, wanted);
    for (w = 0; w < RUNS; w++) {
        ecs_world_desc desc = p->desc;
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = ways[w].workers;
        desc.share_ns = ways[w].share_ns;
        if (pools != NULL && seed % 2 == 0) desc.pool = pools[w];
        world_run(p, &desc, mix(seed, w) | 1, had);
        t->shared += now.shared_spans;
        for (i = 0; i < p->tick_count && same_tick(p, &wanted[i], &had[i]); i++) {
        }
        if (i == p->tick_count) continue;
        printf("    schedule seed %llu: %u workers, share_ns %u: tick %u differs\n",
               (unsigned long long)seed, ways[w].workers, ways[w].share_ns, i + 1);
        return false;
    }
    return true;
}

/* TSan is some ten times slower; it gets more than a tenth of the rounds all the same. */
static uint32_t rounds(void)
{
    if (test_long()) return test_rounds(50, 1000);
    return TEST_SANITIZED != 0 ? 25 : 50;
}

TEST(determinism_random_schedules_are_equal_on_any_workers)
{
    ecs_pool *pools[RUNS];
    totals t;
    uint32_t done = 0;
    memset(&t, 0, sizeof t);
    types_make();
    for (uint32_t w = 0; w < RUNS; w++) {
        ecs_pool_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.workers = ways[w].workers;
        pools[w] = ecs_pool_create(&desc);
        REQUIRE(pools[w] != NULL);
    }
    while (done < rounds() && plan_check(test_seed() + done, pools, &t)) done++;
    for (uint32_t w = 0; w < RUNS; w++) CHECK_STATUS(ecs_pool_destroy(pools[w]), ECS_OK);
    printf("    %u schedules, %llu ticks, %llu rows: %llu applied, %llu dropped, %llu refused, "
           "%llu failed, %llu skipped, %llu events; %llu spans on other threads\n",
           done, (unsigned long long)t.ticks, (unsigned long long)t.rows,
           (unsigned long long)t.applied, (unsigned long long)t.dropped,
           (unsigned long long)t.refused, (unsigned long long)t.failures,
           (unsigned long long)t.skipped, (unsigned long long)t.events,
           (unsigned long long)t.shared);
    /* A proof about nothing would be none. */
    CHECK(t.applied > 1000 && t.dropped > 100 && t.refused > 100 && t.failures > 10);
    CHECK(t.skipped > 0 && t.events > 100 && t.shared > 1000);
}

TEST(determinism_replays_a_seed)
{
    totals t;
    memset(&t, 0, sizeof t);
    types_make();
    CHECK(plan_check(test_seed(), NULL, &t));
}
