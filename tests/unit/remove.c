/* remove.c: systems that are added, removed, enabled and disabled between ticks: what is given
 * back, what stays, who is refused, fixed memory, allocations that fail, and equal hashes on
 * every backend. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct A { uint64_t value; } A;
ECS_COMPONENT(A, value);
typedef struct B { uint64_t value; } B;
ECS_COMPONENT(B, value);
typedef struct C { uint64_t value; } C;
ECS_COMPONENT(C, value);
ECS_TAG(Old);
typedef struct Score { uint64_t value; } Score;
ECS_RESOURCE(Score, value);
typedef struct Ping { uint64_t value; } Ping;
ECS_EVENT(Ping, value);

ECS_QUERY(has_a, READ(A));
ECS_QUERY(has_ab, READ(A), READ(B));

static char ran[256];

static void note(char letter)
{
    size_t at = strlen(ran);
    REQUIRE(at + 1 < sizeof ran);
    ran[at] = letter;
    ran[at + 1] = 0;
}

#define CHECK_RAN(text)                                                            \
    do {                                                                           \
        CHECK_STR(ran, text);                                                      \
        ran[0] = 0;                                                                \
    } while (0)

static ecs_status letter_run(ecs_world *world, const ecs_view *view)
{
    (void)world;
    note(*(const char *)view->user);
    return ECS_OK;
}

/* Exclusive systems of one letter run in order of registration. */
static void letter_add(ecs_world *world, const char *name)
{
    ecs_system system;
    ecs_system_desc desc;
    memset(&system, 0, sizeof system);
    memset(&desc, 0, sizeof desc);
    system.name = name;
    system.run_exclusive = letter_run;
    desc.system = &system;
    desc.user = (void *)(uintptr_t)name;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

/* ---- What stays, what goes --------------------------------------------------------------- */

TEST(remove_keeps_the_order_of_the_others)
{
    ecs_world *world = ecs_world_create(NULL);
    letter_add(world, "a");
    letter_add(world, "b");
    letter_add(world, "c");
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("abc");
    CHECK_STATUS(ecs_system_remove(world, "b"), ECS_OK);
    CHECK_EQ_U64(ecs_world_stats(world).system_count, 2);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("ac");
    CHECK_STATUS(ecs_system_remove(world, "b"), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_system_enable(world, "b", true), ECS_NOT_FOUND);
    letter_add(world, "b"); /* the name is free; it is the newest now */
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("acb");
    CHECK_STATUS(ecs_system_remove(world, "a"), ECS_OK);
    CHECK_STATUS(ecs_system_remove(world, "c"), ECS_OK);
    CHECK_STATUS(ecs_system_remove(world, "b"), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_RAN("");
    CHECK_EQ_U64(ecs_world_stats(world).system_count, 0);
    CHECK_EQ_U64(ecs_world_stats(world).query_count, 0);
    ecs_world_destroy(world);
}

static ecs_status fini_status;

static void fini_note(ecs_world *world, void *user)
{
    note(*(const char *)user);
    REQUIRE(!ecs_is_null(ecs_spawn(world))); /* it may edit */
    fini_status = ecs_system_remove(world, "other");
}

static ecs_status init_removes(ecs_world *world, void *user)
{
    *(ecs_status *)user = ecs_system_remove(world, "other");
    return ECS_OK;
}

ECS_TASK(idle)
{
    return ECS_OK;
}

TEST(remove_calls_fini_once_and_at_once)
{
    static const char letter[] = "f";
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    letter_add(world, "other");
    desc.system = &idle;
    desc.fini = fini_note;
    desc.user = (void *)(uintptr_t)letter;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(ecs_system_remove(world, "idle"), ECS_OK);
    CHECK_STATUS(fini_status, ECS_LOCKED);
    CHECK_RAN("f");
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    CHECK_EQ_U64(ecs_world_stats(world).system_count, 1);
    ecs_status init_status = ECS_OK;
    desc.init = init_removes;
    desc.fini = NULL;
    desc.user = &init_status;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    CHECK_STATUS(init_status, ECS_LOCKED);
    ecs_world_destroy(world);
    CHECK_RAN("");
}

TEST(remove_in_the_fini_of_a_world_that_ends_is_locked)
{
    static const char letter[] = "f";
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = &idle;
    desc.fini = fini_note;
    desc.user = (void *)(uintptr_t)letter;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    desc.name = "other"; /* that fini_note removes */
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    fini_status = ECS_OK;
    ecs_world_destroy(world);
    CHECK_STATUS(fini_status, ECS_LOCKED);
    CHECK_RAN("ff");
}

static ecs_status inside[2];

ECS_TASK(removes_in_tick)
{
    inside[0] = ecs_system_remove((ecs_world *)(uintptr_t)view->world, "removes_in_tick");
    return ECS_OK;
}

ECS_EXCLUSIVE(removes_exclusively)
{
    inside[1] = ecs_system_remove(world, "removes_in_tick");
    return ECS_OK;
}

static ecs_status hooked;

static void on_add_removes(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)entity;
    (void)value;
    (void)user;
    hooked = ecs_system_remove(world, "removes_in_tick");
}

TEST(remove_inside_tick_loop_or_hook_is_locked)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_hooks hooks;
    ecs_component a;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = on_add_removes;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(A), &a), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, a, &hooks), ECS_OK);
    ecs_system_add(world, &removes_in_tick, ECS_UPDATE);
    ecs_system_add(world, &removes_exclusively, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_STATUS(inside[0], ECS_LOCKED);
    CHECK_STATUS(inside[1], ECS_LOCKED);
    ecs_spawn_with(world, (A, {1}));
    CHECK_STATUS(hooked, ECS_LOCKED);
    uint32_t rounds = 0;
    ECS_EACH(world, has_a, view) {
        CHECK_STATUS(ecs_system_remove(world, "removes_in_tick"), ECS_LOCKED);
        rounds += view->count;
    }
    CHECK_EQ_U64(rounds, 1);
    CHECK_STATUS(ecs_system_remove(world, "removes_in_tick"), ECS_OK);
    ecs_world_destroy(world);
}

#ifndef ECS_NO_EVENTS
ECS_SYSTEM(hears, ON(Ping))
{
    (void)ecs_on_count(view, Ping);
    return ECS_OK;
}

TEST(remove_closes_event_readers)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_add(world, &hears, ECS_UPDATE);
    CHECK_STATUS(ecs_event_send(world, Ping, {1}), ECS_OK);
    CHECK_EQ_U64(ecs_event_stats_type(world, ecs_type_of(Ping)).count, 1);
    CHECK_STATUS(ecs_system_remove(world, "hears"), ECS_OK);
    CHECK_EQ_U64(ecs_event_stats_type(world, ecs_type_of(Ping)).count, 0);
    CHECK_STATUS(ecs_event_send(world, Ping, {2}), ECS_OK);
    CHECK_EQ_U64(ecs_event_stats_type(world, ecs_type_of(Ping)).count, 0);
    ecs_world_destroy(world);
}
#endif

/* ---- Names in reports ---------------------------------------------------------------------- */

ECS_SYSTEM(fails, READ(A))
{
    return view->count > 0 ? ECS_FAILED : ECS_OK;
}

TEST(remove_leaves_the_names_in_the_report)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_spawn_with(world, (A));
    letter_add(world, "a");
    ecs_system_add(world, &fails, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_FAILED);
    CHECK_STATUS(ecs_system_remove(world, "fails"), ECS_OK);
    letter_add(world, "another");
    REQUIRE(ecs_tick_last(world)->failure_count == 1);
    CHECK_STR(ecs_tick_last(world)->failures[0].system, "fails");
    CHECK_STATUS(ecs_system_remove(world, "another"), ECS_OK);
    CHECK_STR(ecs_tick_last(world)->failures[0].system, "fails");
    ecs_world_destroy(world);
}

#ifndef ECS_NO_EXPLAIN
ECS_SYSTEM(buries, READ(A))
{
    for (uint32_t i = 0; i < view->count; i++) ecs_cmd_despawn(view->cmd, view->entities[i]);
    return ECS_OK;
}

ECS_SYSTEM(decorates, READ(A))
{
    for (uint32_t i = 0; i < view->count; i++) ecs_cmd_add(view->cmd, view->entities[i], Old);
    return ECS_OK;
}

TEST(remove_does_not_mix_up_who_recorded_what)
{
    static char text[4096];
    ecs_world *world = ecs_world_create(NULL);
    ecs_spawn_with(world, (A));
    letter_add(world, "a");
    ecs_system_add(world, &buries, ECS_UPDATE);
    ecs_system_add(world, &decorates, ECS_UPDATE);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_STATUS(ecs_system_remove(world, "a"), ECS_OK);
    ecs_explain_drops(world, text, sizeof text);
    CHECK_CONTAINS(text, "recorded by decorates");
    CHECK_STATUS(ecs_system_remove(world, "decorates"), ECS_OK);
    letter_add(world, "b"); /* in the same place */
    ecs_explain_drops(world, text, sizeof text);
    CHECK_CONTAINS(text, "recorded by a system that was removed");
    ecs_world_destroy(world);
}
#endif

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Terms for a system of `count` terms, each of a type of its own. */
typedef struct shape {
    char names[32][16];
    ecs_type types[32];
    ecs_term terms[32];
    ecs_system system;
    ecs_system_desc desc;
} shape;

static ecs_status shape_run(const ecs_view *view)
{
    (void)view;
    return ECS_OK;
}

static void shape_make(shape *s, ecs_world *world, uint32_t count, const char *name)
{
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(s->names[i], sizeof s->names[i], "T%u", (unsigned)i);
        s->types[i].name = s->names[i];
        s->types[i].bytes = 8;
        s->types[i].align = 8;
        s->terms[i].access = i % 2 == 0 ? ECS_ACCESS_READ : ECS_ACCESS_LOOKUP;
        REQUIRE_STATUS(ecs_component_define(world, &s->types[i], &s->terms[i].component), ECS_OK);
    }
    s->system.name = name;
    s->system.terms = s->terms;
    s->system.term_count = count;
    s->system.run = shape_run;
    s->desc.system = &s->system;
    for (uint32_t i = 0; i < count % 9; i++) s->desc.after[i] = i < ECS_ORDER_MAX ? "a" : NULL;
}

static const uint32_t SYSTEMS = 12;

static ecs_world *fixed_make(void)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 1024;
    desc.systems_max = SYSTEMS;
    desc.queries_max = 64;
    desc.tables_max = 32;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

/* As many of the largest systems as there can be, all at once. */
static void fill_and_empty(ecs_world *world, shape *s)
{
    char name[16];
    for (uint32_t i = 0; i < SYSTEMS; i++) {
        snprintf(name, sizeof name, "large%u", (unsigned)i);
        s->system.name = name;
        REQUIRE_STATUS(ecs_system_add_desc(world, &s->desc), ECS_OK);
    }
    s->system.name = "one more";
    CHECK_STATUS(ecs_system_add_desc(world, &s->desc), ECS_FULL);
    for (uint32_t i = SYSTEMS; i-- > 0;) {
        snprintf(name, sizeof name, "large%u", (unsigned)((i * 5) % SYSTEMS));
        CHECK_STATUS(ecs_system_remove(world, name), ECS_OK);
    }
}

TEST(remove_ten_thousand_times_in_fixed_memory)
{
    static shape shapes[5];
    static const uint32_t counts[5] = {0, 1, 4, 13, 31};
    ecs_world *world = fixed_make();
    uint64_t seed = test_seed();
    bool there[5] = {false, false, false, false, false};
    for (uint32_t i = 0; i < 5; i++) {
        static const char *const names[5] = {"s0", "s1", "s2", "s3", "s4"};
        shape_make(&shapes[i], world, counts[i], names[i]);
    }
    fill_and_empty(world, &shapes[2]);
    size_t bytes = ecs_world_stats(world).bytes_allocated;
    for (uint32_t round = 0; round < test_rounds(10000, 100000); round++) {
        uint32_t i = test_random_below(&seed, 5);
        if (there[i]) {
            REQUIRE_STATUS(ecs_system_remove(world, shapes[i].system.name), ECS_OK);
        } else {
            REQUIRE_STATUS(ecs_system_add_desc(world, &shapes[i].desc), ECS_OK);
        }
        there[i] = !there[i];
    }
    CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, bytes);
    for (uint32_t i = 0; i < 5; i++) {
        if (there[i]) CHECK_STATUS(ecs_system_remove(world, shapes[i].system.name), ECS_OK);
    }
    fill_and_empty(world, &shapes[2]); /* no room was lost */
    fill_and_empty(world, &shapes[3]);
    ecs_world_destroy(world);
}

TEST(remove_gives_memory_back_to_the_allocator)
{
    static shape s;
    ecs_world *world = ecs_world_create(NULL);
    shape_make(&s, world, 8, "shape");
    REQUIRE_STATUS(ecs_system_add_desc(world, &s.desc), ECS_OK);
    CHECK_STATUS(ecs_system_remove(world, "shape"), ECS_OK);
    size_t bytes = ecs_world_stats(world).bytes_allocated;
    REQUIRE_STATUS(ecs_system_add_desc(world, &s.desc), ECS_OK);
    CHECK(ecs_world_stats(world).bytes_allocated > bytes);
    for (uint32_t round = 0; round < 100; round++) {
        CHECK_STATUS(ecs_system_remove(world, "shape"), ECS_OK);
        CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, bytes);
        REQUIRE_STATUS(ecs_system_add_desc(world, &s.desc), ECS_OK);
    }
    ecs_world_destroy(world);
}

ECS_SYSTEM(moves_a, WRITE(A))
{
    A *a = ecs_write(view, A);
    for (uint32_t i = 0; i < view->count; i++) a[i].value++;
    return ECS_OK;
}

/* Match lists move up when one before them goes. */
TEST(remove_leaves_the_queries_of_others_whole)
{
    ecs_world *world = fixed_make();
    ecs_spawn_with(world, (A, {1}));
    ecs_spawn_with(world, (A, {2}), (B));
    ecs_system_add(world, &moves_a, ECS_UPDATE);
    ecs_query both = ecs_query_of(world, &has_ab);
    ecs_system_add(world, &fails, ECS_POST_UPDATE);
    ecs_query all = ecs_query_of(world, &has_a);
    CHECK_STATUS(ecs_system_remove(world, "moves_a"), ECS_OK);
    CHECK_EQ_U64(ecs_query_count(world, both), 1);
    CHECK_EQ_U64(ecs_query_count(world, all), 2);
    ecs_spawn_with(world, (A, {3}), (B), (C)); /* a new table goes into all lists */
    CHECK_EQ_U64(ecs_query_count(world, both), 2);
    CHECK_EQ_U64(ecs_query_count(world, all), 3);
    uint64_t sum = 0;
    ECS_EACH(world, has_a, view) {
        for (uint32_t i = 0; i < view->count; i++) sum += ecs_read(view, A)[i].value;
    }
    CHECK_EQ_U64(sum, 6);
    CHECK_STATUS(ecs_system_remove(world, "fails"), ECS_OK);
    ecs_system_add(world, &moves_a, ECS_UPDATE); /* the ids are used again */
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_world_stats(world).query_count, 3);
    CHECK_EQ_U64(ecs_query_count(world, all), 3);
    sum = 0;
    ECS_EACH(world, has_a, view) {
        for (uint32_t i = 0; i < view->count; i++) sum += ecs_read(view, A)[i].value;
    }
    CHECK_EQ_U64(sum, 9);
    ecs_world_destroy(world);
}

/* ---- Allocations that fail ------------------------------------------------------------------- */

typedef struct book {
    uint64_t calls;
    uint64_t fail_at;
    uint64_t live;
} book;

static void *book_alloc(size_t bytes, size_t align, void *user)
{
    book *b = (book *)user;
    if (++b->calls == b->fail_at) return NULL;
    b->live++;
    return ecsi_aligned_alloc(bytes, align < 16 ? 16 : align);
}

static void book_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    ((book *)user)->live--;
    ecsi_aligned_free(memory);
}

TEST(remove_and_add_with_allocations_that_fail_lose_nothing)
{
    static shape s;
    bool met = true;
    for (uint64_t n = 1; met && n < 200; n++) {
        book b = {0, 0, 0};
        ecs_allocator allocator;
        ecs_world_desc desc;
        memset(&allocator, 0, sizeof allocator);
        memset(&desc, 0, sizeof desc);
        allocator.alloc = book_alloc;
        allocator.release = book_release;
        allocator.user = &b;
        desc.allocator = &allocator;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        shape_make(&s, world, 6, "shape");
        letter_add(world, "a");
        REQUIRE_STATUS(ecs_schedule_build(world), ECS_OK);
#ifndef ECS_NO_HASH
        uint64_t hash = ecs_world_hash(world);
#endif
        uint64_t before = b.calls;
        b.fail_at = before + n;
        ecs_status status = ecs_system_add_desc(world, &s.desc);
        if (status != ECS_OK) {
            CHECK_STATUS(status, ECS_NO_MEMORY);
#ifndef ECS_NO_HASH
            CHECK_EQ_U64(ecs_world_hash(world), hash);
#endif
            CHECK_EQ_U64(ecs_world_stats(world).query_count, 1);
            b.fail_at = 0;
            REQUIRE_STATUS(ecs_system_add_desc(world, &s.desc), ECS_OK);
        }
        met = status != ECS_OK;
        uint64_t calls = b.calls;
        b.fail_at = calls + 1; /* a removal takes no memory */
        CHECK_STATUS(ecs_system_remove(world, "shape"), ECS_OK);
        CHECK_EQ_U64(b.calls, calls);
#ifndef ECS_NO_HASH
        CHECK_EQ_U64(ecs_world_hash(world), hash);
#endif
        ecs_world_destroy(world);
        CHECK_EQ_U64(b.live, 0);
    }
    CHECK(!met);
}

/* ---- One result on every backend ------------------------------------------------------------- */

#ifndef ECS_NO_HASH
ECS_SYSTEM(grow, WRITE(A), READ(B))
{
    A *a = ecs_write(view, A);
    const B *b = ecs_read(view, B);
    for (uint32_t i = 0; i < view->count; i++) {
        a[i].value = ecs_random_u64(a[i].value + b[i].value, view->tick, view->entities[i], 1);
        if (a[i].value % 32 == 0) ecs_cmd_spawn_with(view->cmd, (A, {view->base + i}), (C));
    }
    return ECS_OK;
}

ECS_SYSTEM(shrink, READ(A), WRITE(C))
{
    const A *a = ecs_read(view, A);
    C *c = ecs_write(view, C);
    for (uint32_t i = 0; i < view->count; i++) {
        c[i].value += a[i].value;
        if (c[i].value % 8 == 0) ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ECS_OK;
}

ECS_SYSTEM(tally, READ(A), RES_WRITE(Score))
{
    const A *a = ecs_read(view, A);
    for (uint32_t i = 0; i < view->count; i++) ecs_res_write(view, Score)->value += a[i].value;
    return ECS_OK;
}

#ifndef ECS_NO_EVENTS
ECS_SYSTEM(pings, READ(A), EMIT(Ping))
{
    const A *a = ecs_read(view, A);
    for (uint32_t i = 0; i < view->count; i++) {
        if (a[i].value % 64 == 0) ecs_emit(view, Ping, {a[i].value});
    }
    return ECS_OK;
}

ECS_SYSTEM(pongs, ON(Ping), RES_WRITE(Score))
{
    for (uint32_t i = 0; i < ecs_on_count(view, Ping); i++) {
        ecs_res_write(view, Score)->value ^= ecs_on(view, Ping)[i].value;
    }
    return ECS_OK;
}
#define SCRIPTED 5
#else
#define SCRIPTED 3
#endif

static const ecs_system *scripted_at(uint32_t i)
{
#ifndef ECS_NO_EVENTS
    if (i == 3) return &pings;
    if (i == 4) return &pongs;
#endif
    return i == 0 ? &grow : i == 1 ? &shrink : &tally;
}

static uint64_t scripted_run(uint32_t workers, bool fixed, uint64_t *hashes, uint32_t ticks)
{
    ecs_world_desc desc;
    uint64_t seed = test_seed();
    bool there[5] = {false, false, false, false, false};
    bool on[5] = {true, true, true, true, true};
    uint64_t changes = 0;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    if (fixed) desc.memory = ECS_MEMORY_FIXED;
    if (workers > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = workers;
        desc.share_ns = 1;
    }
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < 500; i++) {
        REQUIRE(!ecs_is_null(ecs_spawn_with(world, (A, {i * 7}), (B, {i}))));
    }
    for (uint32_t tick = 0; tick < ticks; tick++) {
        uint32_t i = test_random_below(&seed, SCRIPTED);
        const char *name = scripted_at(i)->name;
        ecs_system_desc add;
        memset(&add, 0, sizeof add);
        if (!there[i]) {
            add.system = scripted_at(i);
            add.phase = i % 2 == 0 ? ECS_UPDATE : ECS_POST_UPDATE;
            add.every_ticks = i == 2 ? 3 : 0;
            add.step_s = i == 1 ? 0.015f : 0;
            add.disabled = !on[i];
            REQUIRE_STATUS(ecs_system_add_desc(world, &add), ECS_OK);
            there[i] = true;
        } else if (test_random_below(&seed, 3) == 0) {
            REQUIRE_STATUS(ecs_system_remove(world, name), ECS_OK);
            there[i] = false;
        } else {
            on[i] = !on[i];
            REQUIRE_STATUS(ecs_system_enable(world, name, on[i]), ECS_OK);
        }
        changes++;
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        hashes[tick] = ecs_world_hash(world);
    }
    ecs_world_destroy(world);
    return changes;
}

TEST(remove_script_has_one_hash_on_every_backend)
{
    enum { TICKS = 80 };
    static uint64_t wanted[TICKS];
    static uint64_t hashes[TICKS];
    static const uint32_t workers[4] = {0, 1, 2, 4};
    CHECK_EQ_U64(scripted_run(0, false, wanted, TICKS), TICKS);
    for (uint32_t i = 0; i < 8; i++) {
        scripted_run(workers[i % 4], i >= 4, hashes, TICKS);
        for (uint32_t tick = 0; tick < TICKS; tick++) {
            if (!CHECK_EQ_U64(hashes[tick], wanted[tick])) break;
        }
    }
}

/* A system that waits for a retry, or is broken, goes and comes back as if it had never been
 * there. Stamps count on, readers and memory are used again: the hash must not see them. */
static uint32_t flaky_runs;

ECS_SYSTEM(flaky, WRITE(A), READ(B))
{
    A *a = ecs_write(view, A);
    const B *b = ecs_read(view, B);
    if (view->base == 0) __atomic_fetch_add(&flaky_runs, 1u, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < view->count; i++) {
        a[i].value = a[i].value * 5 + b[i].value + view->tick;
        if (i == 3) ecs_cmd_spawn_with(view->cmd, (A, {view->base}));
    }
    return view->tick % 8 < 6 && view->base >= 128 ? ECS_FAILED : ECS_OK;
}

static void flaky_add(ecs_world *world, bool waits)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = &flaky;
    desc.name = waits ? "waits" : "breaks";
    desc.on_error = waits ? ECS_RETRY : ECS_SKIP;
    desc.on_exhausted = ECS_SKIP;
    desc.idempotent = true;
    desc.restore = waits;
    desc.retry_ticks = waits ? 2 : 0;
    desc.breaker_failures = 2;
    desc.breaker_ticks = 4;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

static void flaky_run(uint32_t workers, uint32_t stamps, uint64_t *hashes, uint32_t ticks)
{
    ecs_world_desc desc;
    uint32_t waited = 0;
    uint32_t broken = 0;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    if (workers > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = workers;
        desc.share_ns = 1;
    }
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < 300; i++) {
        REQUIRE(!ecs_is_null(ecs_spawn_with(world, (A, {i}), (B, {i * 3}))));
    }
#ifndef ECS_NO_EVENTS
    ecs_component ping; /* known in every run: the order in which types came is in the hash */
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Ping), &ping), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &pings, ECS_UPDATE), ECS_OK);
#endif
    (void)ecs_resource_set(world, Score, {0});
    for (uint32_t i = 0; i < stamps; i++) {
#ifndef ECS_NO_EVENTS
        REQUIRE_STATUS(ecs_system_add(world, &pongs, ECS_UPDATE), ECS_OK);
        REQUIRE_STATUS(ecs_system_remove(world, "pongs"), ECS_OK);
#endif
        letter_add(world, "z");
        REQUIRE_STATUS(ecs_system_remove(world, "z"), ECS_OK);
    }
    flaky_add(world, true);
    flaky_add(world, false);
#ifndef ECS_NO_EVENTS
    REQUIRE_STATUS(ecs_system_add(world, &pongs, ECS_UPDATE), ECS_OK);
#endif
    for (uint32_t tick = 0; tick < ticks; tick++) {
        ecs_system_state state;
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        hashes[tick] = ecs_world_hash(world);
        REQUIRE_STATUS(ecs_system_state_get(world, "waits", &state), ECS_OK);
        if (state.wait_ticks > 0 && !state.broken && tick % 3 == 2) {
            REQUIRE_STATUS(ecs_system_remove(world, "waits"), ECS_OK);
            flaky_add(world, true);
            REQUIRE_STATUS(ecs_system_state_get(world, "waits", &state), ECS_OK);
            CHECK_EQ_U64(state.wait_ticks + state.failures + state.runs, 0);
            waited++;
        }
        REQUIRE_STATUS(ecs_system_state_get(world, "breaks", &state), ECS_OK);
        if (state.broken && tick % 2 == 1) {
            REQUIRE_STATUS(ecs_system_remove(world, "breaks"), ECS_OK);
            flaky_add(world, false);
            REQUIRE_STATUS(ecs_system_state_get(world, "breaks", &state), ECS_OK);
            CHECK(!state.broken && state.breaks == 0);
            broken++;
        }
#ifndef ECS_NO_EVENTS
        if (tick % 10 == 9) {
            REQUIRE_STATUS(ecs_system_remove(world, "pongs"), ECS_OK);
            REQUIRE_STATUS(ecs_system_add(world, &pongs, ECS_UPDATE), ECS_OK);
        }
#endif
    }
    CHECK(waited > 2 && broken > 2);
    ecs_world_destroy(world);
}

TEST(remove_while_waiting_or_broken_leaves_nothing_behind)
{
    enum { TICKS = 60 };
    static uint64_t wanted[TICKS];
    static uint64_t hashes[TICKS];
    static const uint32_t workers[4] = {0, 1, 2, 4};
    flaky_run(0, 0, wanted, TICKS);
    CHECK(flaky_runs > 0);
    for (uint32_t i = 0; i < 8; i++) {
        flaky_run(workers[i % 4], i >= 4 ? 70 : 1, hashes, TICKS);
        for (uint32_t tick = 0; tick < TICKS; tick++) {
            if (!CHECK_EQ_U64(hashes[tick], wanted[tick])) break;
        }
    }
}

/* The hash sees what is there: time that others saved up stays, that of a removed one goes. */
TEST(remove_changes_the_hash_by_what_was_removed_only)
{
    ecs_world *worlds[2];
    for (uint32_t i = 0; i < 2; i++) {
        ecs_system_desc desc;
        worlds[i] = ecs_world_create(NULL);
        memset(&desc, 0, sizeof desc);
        desc.system = &idle;
        desc.step_s = 1.0f;
        REQUIRE_STATUS(ecs_system_add_desc(worlds[i], &desc), ECS_OK);
        if (i == 1) letter_add(worlds[i], "a");
        CHECK_STATUS(ecs_tick(worlds[i], 0.75f), ECS_OK);
    }
    CHECK(ecs_world_hash(worlds[0]) != ecs_world_hash(worlds[1]));
    CHECK_STATUS(ecs_system_remove(worlds[1], "a"), ECS_OK);
    CHECK_EQ_U64(ecs_world_hash(worlds[0]), ecs_world_hash(worlds[1]));
    uint64_t hash = ecs_world_hash(worlds[1]);
    CHECK(ecs_system_alpha(worlds[1], "idle") > 0.7f);
    CHECK_STATUS(ecs_system_remove(worlds[1], "idle"), ECS_OK);
    CHECK(ecs_world_hash(worlds[1]) != hash);
    ecs_world_destroy(worlds[0]);
    ecs_world_destroy(worlds[1]);
}
#endif
