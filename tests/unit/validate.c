/* validate.c: what a schedule says about itself: all errors at once and by name, warnings, notes,
 * texts that do not fit, the printed schedule, and the graph for Graphviz. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct X { float value; } X;
ECS_COMPONENT(X, value);
typedef struct Y { float value; } Y;
ECS_COMPONENT(Y, value);
typedef struct Score { int64_t value; } Score;
ECS_RESOURCE(Score, value);
typedef struct Ping { uint64_t value; } Ping;
ECS_EVENT(Ping, value);

static char text[65536];
static char logged[8192];

static void keep_log(ecs_log_level level, const char *line, void *user)
{
    size_t at = strlen(logged);
    (void)level;
    (void)user;
    snprintf(logged + at, sizeof logged - at, "%s\n", line);
}

static ecs_world *world_make(bool strict)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.strict = strict;
    desc.log = keep_log;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    logged[0] = 0;
    return world;
}

static ecs_status idle_run(const ecs_view *view)
{
    (void)view;
    return ECS_OK;
}

static ecs_status idle_exclusive(ecs_world *world, const ecs_view *view)
{
    (void)world;
    (void)view;
    return ECS_OK;
}

/* A system by name, with terms as text: "w" or "r" and x, y; in one phase; order as lists of one
 * name each, NULL for none. */
typedef struct plan {
    const char *name;
    const char *terms;
    const char *before;
    const char *after;
    ecs_phase phase;
} plan;

static void add_desc(ecs_world *world, ecs_system_desc *desc, const plan *p)
{
    ecs_term terms[4];
    ecs_system system;
    memset(&system, 0, sizeof system);
    memset(terms, 0, sizeof terms);
    for (const char *at = p->terms; *at != 0; at += at[2] == ' ' ? 3 : 2) {
        terms[system.term_count].type = at[1] == 'x' ? ecs_type_of(X) : ecs_type_of(Y);
        terms[system.term_count].access = at[0] == 'w' ? ECS_ACCESS_WRITE : ECS_ACCESS_READ;
        system.term_count++;
    }
    system.name = p->name;
    system.terms = terms;
    system.run = idle_run;
    desc->system = &system;
    desc->phase = p->phase;
    desc->before[0] = p->before;
    desc->after[0] = p->after;
    REQUIRE_STATUS(ecs_system_add_desc(world, desc), ECS_OK);
}

static void add(ecs_world *world, const char *name, const char *terms, const char *before,
                const char *after)
{
    ecs_system_desc desc;
    plan p = {name, terms, before, after, ECS_UPDATE};
    memset(&desc, 0, sizeof desc);
    add_desc(world, &desc, &p);
}

static uint32_t lines_with(const char *part)
{
    uint32_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) count++;
    return count;
}

/* ---- Errors --------------------------------------------------------------------------------- */

TEST(validate_reports_every_error_in_one_go)
{
    ecs_world *world = world_make(true);
    ecs_system_desc desc;
    plan other = {"elsewhere", "", NULL, NULL, ECS_LAST};
    memset(&desc, 0, sizeof desc);
    add_desc(world, &desc, &other);
    add(world, "lost", "", "nobody", NULL);
    add(world, "crossing", "", NULL, "elsewhere");
    add(world, "selfish", "", "selfish", NULL);
    add(world, "a", "", "b", NULL);
    add(world, "b", "", "a", NULL);
    add(world, "p", "", "q", NULL);
    add(world, "q", "", "r", NULL);
    add(world, "r", "", "p", NULL);
    add(world, "first", "wx ry", NULL, NULL);
    add(world, "second", "rx wy", NULL, NULL);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_NOT_FOUND);
    CHECK_CONTAINS(text, "schedule: 11 systems in 5 phases, 6 errors, 0 warnings\n");
    CHECK_CONTAINS(text, "error: system lost: 'before' names nobody, and no system has that "
                         "name\n");
    CHECK_CONTAINS(text, "error: system crossing of phase update: 'after' names elsewhere, which "
                         "is not in its phase but in last\n");
    CHECK_CONTAINS(text, "error: system selfish: 'before' names itself\n");
    CHECK_CONTAINS(text, "error: cycle: a -> b -> a\n");
    CHECK_CONTAINS(text, "error: cycle: p -> q -> r -> p\n");
    CHECK_CONTAINS(text, "error: conflict: first and second both touch X (WRITE, READ), "
                         "Y (READ, WRITE) and have no order\n");
    CHECK_STR(logged, ""); /* validating says it to the caller only */
    CHECK_STATUS(ecs_schedule_build(world), ECS_NOT_FOUND);
    CHECK_CONTAINS(logged, "schedule: error: cycle: p -> q -> r -> p\n");
    CHECK_CONTAINS(logged, "schedule: error: cycle: a -> b -> a\n");
    CHECK_CONTAINS(logged, "schedule: error: system lost");
    CHECK(strstr(logged, "note") == NULL);
    CHECK_STATUS(ecs_tick(world, 0), ECS_NOT_FOUND);
    ecs_world_destroy(world);
}

TEST(validate_finds_cycles_that_share_a_system)
{
    ecs_world *world = world_make(false);
    add(world, "hub", "", "left", "left");
    add(world, "left", "", NULL, NULL);
    add(world, "right", "", "hub", "hub");
    add(world, "tail", "", NULL, "right"); /* behind a cycle, not in one */
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_CYCLE);
    CHECK_EQ_U64(lines_with("cycle:"), 2);
    CHECK_CONTAINS(text, "cycle: hub -> left -> hub\n");
    CHECK_CONTAINS(text, "cycle: hub -> right -> hub\n");
    CHECK(strstr(text, "tail") == NULL);
    ecs_world_destroy(world);
}

TEST(validate_prints_the_shortest_way_round)
{
    ecs_world *world = world_make(false);
    ecs_system_desc desc;
    plan s = {"s", "", "a", NULL, ECS_UPDATE};
    memset(&desc, 0, sizeof desc);
    desc.before[1] = "z";
    add_desc(world, &desc, &s); /* s -> a -> b -> z, s -> z -> s */
    add(world, "a", "", "b", NULL);
    add(world, "b", "", "z", NULL);
    add(world, "z", "", "s", NULL);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_CYCLE);
    CHECK_CONTAINS(text, "cycle: s -> z -> s\n");
    CHECK_EQ_U64(lines_with("cycle:"), 1); /* the longer one shared the edge z -> s */
    ecs_world_destroy(world);
}

TEST(validate_prints_a_cycle_of_a_hundred_in_full)
{
    static char names[100][8];
    static char wanted[2048] = "cycle: s0";
    ecs_world *world = world_make(false);
    for (uint32_t i = 0; i < 100; i++) snprintf(names[i], sizeof names[i], "s%u", (unsigned)i);
    for (uint32_t i = 0; i < 100; i++) add(world, names[i], "", names[(i + 1) % 100], NULL);
    for (uint32_t i = 1; i <= 100; i++) {
        size_t at = strlen(wanted);
        snprintf(wanted + at, sizeof wanted - at, " -> %s", names[i % 100]);
    }
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_CYCLE);
    CHECK_CONTAINS(text, wanted);
    CHECK_STATUS(ecs_schedule_build(world), ECS_CYCLE);
    CHECK_CONTAINS(logged, "cycle: s0 -> s1");
    CHECK_CONTAINS(logged, "bytes more"); /* the log's lines have an end */
    ecs_world_destroy(world);
}

TEST(validate_exclusive_conflict_in_strict_mode)
{
    ecs_world *world = world_make(true);
    ecs_system_desc desc;
    ecs_system system;
    memset(&desc, 0, sizeof desc);
    memset(&system, 0, sizeof system);
    system.name = "owner";
    system.run_exclusive = idle_exclusive;
    desc.system = &system;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    add(world, "reader", "rx", NULL, NULL);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_CONFLICT);
    CHECK_CONTAINS(text, "conflict: owner and reader both touch the whole world");
    ecs_world_destroy(world);
}

/* ---- Warnings and notes ------------------------------------------------------------------- */

TEST(validate_warns_of_doubled_names_and_refused_systems)
{
    ecs_world *world = world_make(false);
    ecs_system_desc desc;
    plan p = {"a", "", "b", NULL, ECS_UPDATE};
    memset(&desc, 0, sizeof desc);
    desc.before[1] = "b";
    add_desc(world, &desc, &p);
    add(world, "b", "", NULL, NULL);
    memset(&desc, 0, sizeof desc);
    ecs_system system;
    memset(&system, 0, sizeof system);
    system.name = "b";
    system.run = idle_run;
    desc.system = &system;
    CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_EXISTS);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "2 systems in 5 phases, 0 errors, 2 warnings\n");
    CHECK_CONTAINS(text, "warning: system a: 'before' names b twice\n");
    CHECK_CONTAINS(text, "warning: system b was not added: exists already\n");
    CHECK_CONTAINS(text, "note: no systems in phase first, pre_update, post_update, last\n");
    /* All of them, by name, up to sixteen. */
    desc.phase = 99;
    for (uint32_t i = 0; i < 17; i++) {
        char name[16];
        snprintf(name, sizeof name, "late%u", (unsigned)i);
        desc.name = name;
        CHECK_STATUS(ecs_system_add_desc(world, &desc), ECS_INVALID);
    }
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_EQ_U64(lines_with("was not added: "), 16);
    CHECK_CONTAINS(text, "warning: system late0 was not added: invalid argument");
    CHECK_CONTAINS(text, "warning: 2 more systems were not added\n");
    ecs_world_destroy(world);
}

TEST(validate_warns_of_what_a_description_says_without_effect)
{
    ecs_world_desc world_desc;
    ecs_system_desc desc;
    plan p = {"unsound", "wx", NULL, NULL, ECS_UPDATE};
    memset(&world_desc, 0, sizeof world_desc);
    world_desc.memory = ECS_MEMORY_FIXED;
    world_desc.entities_max = 1024;
    world_desc.log = keep_log;
    ecs_world *world = ecs_world_create(&world_desc);
    REQUIRE(world != NULL);
    memset(&desc, 0, sizeof desc);
    desc.restore = true;
    desc.stream_bytes_max = SIZE_MAX / 8;
    desc.retries = 2;
    desc.breaker_failures = 3;
    desc.budget_fails = true;
    desc.step_s = 1;
    desc.every_ticks = 2;
    add_desc(world, &desc, &p);
    memset(&desc, 0, sizeof desc);
    p.name = "vague";
    desc.breaker_ticks = 3;
    desc.steps_max = 3;
    add_desc(world, &desc, &p);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "0 errors, 8 warnings\n");
    CHECK_CONTAINS(text, "warning: system unsound has restore, but restore_bytes_max is 0");
    CHECK_CONTAINS(text, "warning: system unsound has a stream_bytes_max above");
    CHECK_CONTAINS(text, "warning: system unsound has retries, but its on_error is not");
    CHECK_CONTAINS(text, "warning: system unsound has breaker_failures, but no failure of it");
    CHECK_CONTAINS(text, "warning: system unsound has budget_fails, but no budget_ns\n");
    CHECK_CONTAINS(text, "warning: system unsound has a fixed step: its every_ticks and");
    CHECK_CONTAINS(text, "warning: system vague has breaker_ticks, but no breaker_failures\n");
    CHECK_CONTAINS(text, "warning: system vague has steps_max, but no step_s\n");
    ecs_world_destroy(world);
    /* The same where all of it has an effect. */
    world = world_make(false);
    memset(&desc, 0, sizeof desc);
    p.name = "sound";
    desc.restore = true;
    desc.stream_bytes_max = 4096;
    desc.on_error = ECS_RETRY;
    desc.on_exhausted = ECS_SKIP;
    desc.retries = 2;
    desc.breaker_failures = 3;
    desc.breaker_ticks = 3;
    desc.budget_ns = 1000000000;
    desc.budget_fails = true;
    desc.step_s = 1;
    desc.steps_max = 3;
    add_desc(world, &desc, &p);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "0 errors, 0 warnings\n");
    ecs_world_destroy(world);
}

#ifndef ECS_NO_EVENTS
ECS_SYSTEM(hears, ON(Ping))
{
    (void)ecs_on_count(view, Ping);
    return ECS_OK;
}

ECS_SYSTEM(shouts, EMIT(Ping))
{
    return ecs_emit(view, Ping, {1});
}

TEST(validate_warns_of_events_from_nobody_and_to_nobody)
{
    ecs_world *world = world_make(false);
    ecs_system_add(world, &hears, ECS_UPDATE);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "warning: system hears reads the event Ping, which no system emits\n");
    ecs_system_add(world, &shouts, ECS_UPDATE);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK(strstr(text, "warning:") == NULL);
    CHECK_STATUS(ecs_system_remove(world, "hears"), ECS_OK);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "warning: system shouts emits the event Ping, which nobody reads\n");
    CHECK_STATUS(ecs_system_remove(world, "shouts"), ECS_OK);
    ecs_system_add(world, &hears, ECS_UPDATE);
    CHECK_STATUS(ecs_event_send(world, Ping, {1}), ECS_OK);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK(strstr(text, "warning:") == NULL); /* somebody outside sends them */
    ecs_world_destroy(world);
}
#endif

/* ---- Texts that do not fit ------------------------------------------------------------------- */

TEST(validate_text_that_does_not_fit_says_how_much_is_missing)
{
    static char names[60][16];
    static char small[256];
    unsigned missing = 0;
    ecs_world *world = world_make(false);
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(names[i], sizeof names[i], "system%u", (unsigned)i);
        add(world, names[i], "", "nobody", NULL);
    }
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_NOT_FOUND);
    CHECK_EQ_U64(lines_with("nobody"), 60);
    CHECK(strstr(text, "bytes more") == NULL);
    CHECK_STATUS(ecs_schedule_validate(world, small, sizeof small), ECS_NOT_FOUND);
    const char *tail = strstr(small, "\n... ");
    REQUIRE(tail != NULL && sscanf(tail, "\n... %u bytes more\n", &missing) == 1);
    CHECK_EQ_U64((size_t)(tail - small) + missing, strlen(text));
    CHECK(strncmp(small, text, (size_t)(tail - small)) == 0);
    CHECK_STATUS(ecs_schedule_validate(world, NULL, 0), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_schedule_validate(world, small, 1), ECS_NOT_FOUND);
    CHECK_STR(small, "");
    /* The world's own text is bounded as well. */
    CHECK_STATUS(ecs_schedule_build(world), ECS_NOT_FOUND);
    CHECK_CONTAINS(logged, "schedule: ... ");
#ifndef ECS_NO_EXPLAIN
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, "bytes more\n");
#endif
    ecs_world_destroy(world);
}

TEST(validate_leaves_a_built_schedule_as_it_is)
{
    ecs_world *world = world_make(false);
    add(world, "a", "wx", NULL, NULL);
    add(world, "b", "wx", NULL, NULL);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_CONTAINS(text, "2 systems in 5 phases, 0 errors, 0 warnings\n");
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    /* After an error the mended schedule builds. */
    add(world, "c", "wx", "d", NULL);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_NOT_FOUND);
    add(world, "d", "wx", NULL, NULL);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    ecs_world_destroy(world);
}

static ecs_status in_tick;

ECS_TASK(validates)
{
    in_tick = ecs_schedule_validate((ecs_world *)(uintptr_t)view->world, text, sizeof text);
    return ECS_OK;
}

TEST(validate_inside_a_tick_is_locked)
{
    ecs_world *world = world_make(false);
    ecs_system_add(world, &validates, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_STATUS(in_tick, ECS_LOCKED);
    ecs_world_destroy(world);
}

TEST(validate_without_memory_says_so)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 64;
    desc.log = keep_log;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    add(world, "a", "wx", "b", NULL);
    CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_NOT_FOUND);
    CHECK_CONTAINS(text, "no system has that name");
    ecs_world_destroy(world);
}

/* Memory that is refused from some call on. */
static uint64_t calls_left = UINT64_MAX;

static void *scarce_alloc(size_t bytes, size_t align, void *user)
{
    (void)user;
    if (calls_left == 0) return NULL;
    if (calls_left != UINT64_MAX) calls_left--;
    return ecsi_aligned_alloc(bytes, align < 16 ? 16 : align);
}

static void scarce_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    (void)user;
    ecsi_aligned_free(memory);
}

TEST(validate_that_gets_no_memory_says_so_and_builds_later)
{
    uint64_t n = 0;
    for (ecs_status status = ECS_NO_MEMORY; status != ECS_OK && n < 20; n++) {
        ecs_allocator allocator = {scarce_alloc, NULL, scarce_release, NULL};
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.allocator = &allocator;
        desc.log = keep_log;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        add(world, "a", "wx", NULL, NULL);
        calls_left = n;
        status = ecs_schedule_validate(world, text, sizeof text);
        calls_left = UINT64_MAX;
        if (status != ECS_OK) {
            CHECK_STATUS(status, ECS_NO_MEMORY);
            CHECK_CONTAINS(text, "error: the allocator refused\n");
        }
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        ecs_world_destroy(world);
    }
    CHECK(n > 1 && n < 20);
}

/* ---- Printed ------------------------------------------------------------------------------- */

#ifndef ECS_NO_EXPLAIN
static bool sometimes(const ecs_world *world, void *user)
{
    (void)world;
    (void)user;
    return true;
}

TEST(validate_explained_schedule_has_policies_and_reasons)
{
    ecs_world *world = world_make(false);
    ecs_system_desc desc;
    plan p = {"careful", "rx", NULL, NULL, ECS_UPDATE};
    add(world, "mover", "wx ry", NULL, NULL);
    memset(&desc, 0, sizeof desc);
    desc.run_if = sometimes;
    desc.every_ticks = 3;
    desc.interval_s = 0.5f;
    desc.on_error = ECS_SKIP;
    desc.stream_bytes_max = 4096;
    desc.unsplit = true;
    desc.disabled = true;
    add_desc(world, &desc, &p);
    memset(&desc, 0, sizeof desc);
    desc.step_s = 0.25f;
    desc.main_thread = true;
    p.name = "drawer";
    p.after = "careful";
    p.terms = "wy";
    add_desc(world, &desc, &p);
    REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, "  mover: WRITE(X) READ(Y)\n    runs: a failure stops the tick\n");
    CHECK_CONTAINS(text, "careful disabled: READ(X)\n    runs: disabled; when run_if says so; "
                         "every 3 ticks; after 0.5 s; unsplit; at most 4096 bytes of commands a "
                         "row block; a failure is skipped\n"
                         "    after mover: both touch X (WRITE, READ)\n");
    CHECK_CONTAINS(text, "drawer: WRITE(Y)\n    runs: in steps of 0.25 s, at most 4 a tick; on the "
                         "thread that ticks; a failure stops the tick\n");
    CHECK_CONTAINS(text, "    after mover: both touch Y (READ, WRITE)\n");
    CHECK_CONTAINS(text, "    after careful: explicit order\n");
    ecs_world_destroy(world);
}

static ecs_status fails(const ecs_view *view)
{
    (void)view;
    return ECS_FAILED;
}

TEST(validate_explained_schedule_has_error_policies)
{
    ecs_world *world = world_make(false);
    ecs_system_desc desc;
    ecs_system system;
    memset(&system, 0, sizeof system);
    system.run = fails;
    memset(&desc, 0, sizeof desc);
    desc.system = &system;
    system.name = "breaks";
    desc.on_error = ECS_SKIP;
    desc.breaker_failures = 1;
    desc.breaker_ticks = 9;
    desc.budget_ns = 5000000000;
    desc.io_intents = 8;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    system.name = "breaks_for_good";
    desc.breaker_failures = 2;
    desc.breaker_ticks = 0;
    desc.budget_fails = true;
    desc.io_intents = 0;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    memset(&desc, 0, sizeof desc);
    desc.system = &system;
    system.name = "waits";
    desc.on_error = ECS_RETRY;
    desc.restore = true;
    desc.retry_ticks = 4;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    system.name = "again";
    desc.restore = false;
    desc.idempotent = true;
    desc.retry_ticks = 0;
    desc.retries = 2;
    desc.on_exhausted = ECS_SKIP;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, "  breaks: no terms\n    runs: declares 8 I/O requests; more than "
                         "5000000000 ns are counted; a failure is skipped, 1 in a row break it "
                         "until 9 ticks later\n");
    CHECK_CONTAINS(text, "  breaks_for_good: no terms\n    runs: more than 5000000000 ns are a "
                         "failure; a failure is skipped, 2 in a row break it until it is "
                         "enabled\n");
    CHECK_CONTAINS(text, "  waits: no terms\n    runs: a failure is undone and is retried up to 3 "
                         "times, after 4 ticks and twice as many each time, then stops the "
                         "tick\n");
    CHECK_CONTAINS(text, "  again: no terms\n    runs: a failure is retried up to 2 times at once, "
                         "then is skipped\n");
    CHECK_STATUS(ecs_tick(world, 1), ECS_OK);
    ecs_explain_schedule(world, text, sizeof text);
    CHECK_CONTAINS(text, "until 9 ticks later; it is broken; it waits for 9 ticks\n");
    CHECK_CONTAINS(text, "then stops the tick; it waits for 4 ticks\n");
    ecs_explain_schedule_dot(world, text, sizeof text);
    CHECK_CONTAINS(text, "[label=\"breaks\", shape=ellipse, color=red, fontcolor=red, "
                         "tooltip=\"runs: declares 8 I/O requests; ");
    REQUIRE_STATUS(ecs_system_enable(world, "breaks", false), ECS_OK);
    ecs_explain_schedule_dot(world, text, sizeof text);
    CHECK_CONTAINS(text, "[label=\"breaks\", shape=ellipse, color=grey, fontcolor=grey, "
                         "tooltip=\"runs: disabled; ");
    ecs_world_destroy(world);
}

/* A small reader of what ecs_explain_schedule_dot writes. It knows the grammar of digraph,
 * subgraph, attributes, statements and quoted strings, and counts what it has seen. */
typedef struct dot {
    const char *at;
    uint32_t clusters;
    uint32_t nodes;
    uint32_t solid;
    uint32_t dashed;
    uint32_t boxes;
    bool bad;
} dot;

static void dot_space(dot *d)
{
    while (*d->at == ' ' || *d->at == '\n') d->at++;
}

static bool dot_eat(dot *d, const char *token)
{
    dot_space(d);
    if (strncmp(d->at, token, strlen(token)) != 0) return false;
    d->at += strlen(token);
    return true;
}

/* A word or a quoted string, without its escapes. */
static bool dot_id(dot *d, char *out, size_t bytes)
{
    size_t n = 0;
    dot_space(d);
    if (*d->at == '"') {
        for (d->at++; *d->at != '"'; d->at++) {
            if (*d->at == 0 || (unsigned char)*d->at < 32) return false;
            if (*d->at == '\\') {
                d->at++;
                if (*d->at != '"' && *d->at != '\\') return false;
            }
            if (n + 1 < bytes) out[n++] = *d->at;
        }
        d->at++;
        out[n] = 0;
        return true;
    }
    while ((*d->at >= 'a' && *d->at <= 'z') || (*d->at >= 'A' && *d->at <= 'Z') ||
           (*d->at >= '0' && *d->at <= '9') || *d->at == '_') {
        if (n + 1 < bytes) out[n++] = *d->at;
        d->at++;
    }
    out[n] = 0;
    return n > 0;
}

/* [a=b, c=d]; what is known is noted in the flags. */
static bool dot_attributes(dot *d, bool *dashed, bool *box)
{
    char name[64], value[256];
    *dashed = *box = false;
    if (!dot_eat(d, "[")) return true;
    do {
        if (!dot_id(d, name, sizeof name) || !dot_eat(d, "=")) return false;
        if (!dot_id(d, value, sizeof value)) return false;
        *dashed = *dashed || strcmp(value, "dashed") == 0;
        *box = *box || strcmp(value, "box") == 0;
    } while (dot_eat(d, ","));
    return dot_eat(d, "]");
}

static bool dot_statements(dot *d)
{
    uint32_t depth = 1;
    while (depth > 0) {
        char id[64], other[256];
        bool dashed, box;
        if (dot_eat(d, "}")) {
            depth--;
            continue;
        }
        if (!dot_id(d, id, sizeof id)) return false;
        if (strcmp(id, "subgraph") == 0) {
            if (!dot_id(d, id, sizeof id) || strncmp(id, "cluster_", 8) != 0) return false;
            if (!dot_eat(d, "{")) return false;
            d->clusters++;
            depth++;
            continue;
        }
        if (dot_eat(d, "=")) {
            if (!dot_id(d, other, sizeof other)) return false;
        } else if (dot_eat(d, "->")) {
            if (!dot_id(d, other, sizeof other) || !dot_attributes(d, &dashed, &box)) return false;
            if (dashed) d->dashed++;
            if (!dashed) d->solid++;
        } else {
            if (!dot_attributes(d, &dashed, &box)) return false;
            d->nodes++;
            if (box) d->boxes++;
        }
        if (!dot_eat(d, ";")) return false;
    }
    dot_space(d);
    return *d->at == 0;
}

static dot dot_read(const ecs_world *world)
{
    dot d;
    memset(&d, 0, sizeof d);
    size_t bytes = ecs_explain_schedule_dot(world, text, sizeof text);
    CHECK_EQ_U64(bytes, strlen(text));
    d.at = text;
    d.bad = !dot_eat(&d, "digraph") || !dot_eat(&d, "schedule") || !dot_eat(&d, "{") ||
            !dot_statements(&d);
    return d;
}

static ecs_world *dot_world(void)
{
    ecs_world *world = world_make(false);
    ecs_system_desc desc;
    ecs_system system;
    plan p = {"say \"hi\"\\\n", "wx", NULL, NULL, ECS_LAST};
    memset(&desc, 0, sizeof desc);
    memset(&system, 0, sizeof system);
    add(world, "a", "wx wy", NULL, NULL);
    add(world, "b", "rx", NULL, NULL);
    add(world, "c", "wx ry", NULL, NULL); /* after a by b, so no edge from a for X or Y */
    add(world, "d", "", NULL, "a");
    add_desc(world, &desc, &p);
    memset(&desc, 0, sizeof desc);
    system.name = "owner";
    system.run_exclusive = idle_exclusive;
    desc.system = &system;
    desc.disabled = true;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    return world;
}

/* Rows of the matrix are words of 64 members. */
TEST(validate_sizes_around_words_have_all_edges)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 200};
    static char names[200][16];
    for (uint32_t i = 0; i < 200; i++) snprintf(names[i], sizeof names[i], "s%u", (unsigned)i);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint32_t n = sizes[k];
        ecs_world *world = world_make(false);
        /* Each after the next one that is registered: the order is turned round. */
        for (uint32_t i = 0; i < n; i++) {
            add(world, names[i], "wx", NULL, i + 1 < n ? names[i + 1] : NULL);
        }
        REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
        dot d = dot_read(world);
        CHECK(!d.bad);
        CHECK_EQ_U64(d.nodes, n);
        CHECK_EQ_U64(d.solid, n - 1);
        CHECK_EQ_U64(d.dashed, 0);
        ecs_explain_schedule(world, text, sizeof text);
        const char *first = strstr(text, names[n - 1]);
        CHECK(first != NULL && first < text + 400); /* behind four empty phases and a head */
        ecs_world_destroy(world);
        /* Conflicts alone: a chain in the order of registration. */
        world = world_make(false);
        for (uint32_t i = 0; i < n; i++) add(world, names[i], "wx", NULL, NULL);
        REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
        d = dot_read(world);
        CHECK(!d.bad);
        CHECK_EQ_U64(d.solid, 0);
        CHECK_EQ_U64(d.dashed, n - 1);
        /* The last one before the first one: a cycle of two of them, whatever lies between. */
        ecs_world_destroy(world);
        world = world_make(true);
        for (uint32_t i = 0; i < n; i++) {
            add(world, names[i], "", i + 1 == n ? names[0] : NULL, i == n - 1 ? names[0] : NULL);
        }
        CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_CYCLE);
        CHECK_EQ_U64(lines_with("error: cycle: "), n == 1 ? 0 : 1);
        CHECK_EQ_U64(lines_with("error: "), n == 1 ? 2 : 1);
        ecs_world_destroy(world);
        /* Strict: every pair is named. */
        world = world_make(true);
        for (uint32_t i = 0; i < n && n < 70; i++) {
            add(world, names[i], i == 0 || i == n - 1 ? "wx" : "rx", NULL, NULL);
        }
        if (n > 1 && n < 70) {
            CHECK_STATUS(ecs_schedule_validate(world, text, sizeof text), ECS_CONFLICT);
            CHECK_EQ_U64(lines_with("error: conflict: "), 2 * n - 3);
        }
        ecs_world_destroy(world);
    }
}

TEST(validate_report_keeps_the_names_of_phases)
{
    ecs_world *world = world_make(false);
    ecs_phase_desc phase;
    ecs_system system;
    char name[16];
    memset(&system, 0, sizeof system);
    system.name = "fails";
    system.run = fails;
    REQUIRE_STATUS(ecs_system_add(world, &system, ECS_POST_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 1), ECS_FAILED);
    for (uint32_t i = 0; i < 27; i++) { /* the list of phases moves */
        memset(&phase, 0, sizeof phase);
        snprintf(name, sizeof name, "more%u", (unsigned)i);
        phase.name = name;
        REQUIRE(ecs_phase_add(world, &phase) != 0);
        const ecs_tick_report *report = ecs_tick_last(world);
        REQUIRE(report->failure_count == 1);
        CHECK_STR(report->failures[0].phase, "post_update");
        CHECK_STR(report->failures[0].system, "fails");
    }
    ecs_world_destroy(world);
}

TEST(validate_dot_is_well_formed_and_complete)
{
    ecs_world *world = dot_world();
    dot d = dot_read(world); /* not built yet: a graph all the same */
    CHECK(!d.bad);
    CHECK_EQ_U64(d.nodes, 0);
    CHECK_CONTAINS(text, "not built");
    REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
    d = dot_read(world);
    CHECK(!d.bad);
    CHECK_EQ_U64(d.clusters, 5);
    CHECK_EQ_U64(d.nodes, 6);
    CHECK_EQ_U64(d.boxes, 1);
    CHECK_EQ_U64(d.solid, 1);  /* a -> d */
    CHECK_EQ_U64(d.dashed, 4); /* a -> b -> c -> owner, d -> owner */
    CHECK_CONTAINS(text, "[style=dashed, label=\"X\"]");
    CHECK_CONTAINS(text, "[style=dashed, label=\"the whole world\"]");
    CHECK_CONTAINS(text, "label=\"say \\\"hi\\\"\\\\ \"");
    CHECK_CONTAINS(text, "color=grey");
    /* Like snprintf: what does not fit is counted. */
    char small[32];
    CHECK_EQ_U64(ecs_explain_schedule_dot(world, small, sizeof small), strlen(text));
    CHECK_EQ_U64(strlen(small), sizeof small - 1);
    ecs_world_destroy(world);
}

TEST(validate_dot_has_the_systems_beside_the_ticks)
{
    ecs_world *world = world_make(false);
    ecs_group_desc group;
    ecs_system_desc desc;
    plan p = {"beside", "rx", NULL, NULL, ECS_UPDATE};
    memset(&group, 0, sizeof group);
    memset(&desc, 0, sizeof desc);
    group.name = "paths";
    group.asynchronous = true;
    REQUIRE_STATUS(ecs_group_add(world, &group), ECS_OK);
    desc.group = "paths";
    add_desc(world, &desc, &p);
    add(world, "writer", "wx", NULL, NULL);
    REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
    dot d = dot_read(world);
    CHECK(!d.bad);
    CHECK_EQ_U64(d.clusters, 5);
    CHECK_EQ_U64(d.nodes, 2);
    CHECK_EQ_U64(d.solid + d.dashed, 0);
    CHECK_CONTAINS(text, "[label=\"beside\", shape=ellipse, color=black, fontcolor=black, "
                         "style=dashed, tooltip=");
    ecs_world_destroy(world);
}
#endif
