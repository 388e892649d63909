/* oom.c: every allocation fails once.
 *
 * One scenario uses nearly all of the interface. It is run with the n-th allocation failing,
 * n = 1, 2, ... until a run meets no failure; and again with all allocations failing from the
 * n-th on. A refused call must answer ECS_NO_MEMORY and leave the world as it was (equal
 * hash), no value may be lost or ended twice (a ledger), and in the end all memory is back.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { uint32_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint64_t a, b; } Wide;
ECS_COMPONENT(Wide, a, b);
typedef struct { uint32_t serial; } Taken; /* owned, taken over by its bytes */
ECS_COMPONENT(Taken);
typedef struct { uint32_t serial; } Copied; /* owned, copied */
ECS_COMPONENT(Copied);
typedef struct { uint32_t count; } Counter;
ECS_RESOURCE(Counter, count);
typedef struct { uint32_t number; } Hit;
ECS_EVENT(Hit, number);
ECS_TAG(Marked);
ECS_TAG(Other);
ECS_TAG(Needed);

ECS_QUERY(numbers, READ(Number));
ECS_QUERY(marked, WITH(Marked), NOT(Other));
ECS_QUERY(everything, OPTIONAL(Number));

/* ---- the allocator ---- */

typedef struct {
    uint64_t calls;
    uint64_t fail_at; /* 0: never */
    bool rest_fails;
    uint64_t failures;
    size_t live_bytes;
    uint32_t live_blocks;
} oom_book;

enum { HEAD_BYTES = 32 };

static bool oom_fails(oom_book *book)
{
    book->calls++;
    if (book->fail_at == 0 || book->calls < book->fail_at) return false;
    if (book->calls > book->fail_at && !book->rest_fails) return false;
    book->failures++;
    return true;
}

/* The block's raw address stands right before it, its size before that. */
static void *oom_take(oom_book *book, size_t bytes, size_t align)
{
    size_t step = align < HEAD_BYTES ? (size_t)HEAD_BYTES : align;
    unsigned char *raw = (unsigned char *)malloc(bytes + 2 * step);
    REQUIRE(raw != NULL);
    uintptr_t at = ((uintptr_t)raw + HEAD_BYTES + step - 1) & ~(uintptr_t)(step - 1);
    unsigned char *memory = raw + (at - (uintptr_t)raw);
    memcpy(memory - sizeof raw, &raw, sizeof raw);
    memcpy(memory - HEAD_BYTES, &bytes, sizeof bytes);
    memset(memory, 0xa5, bytes);
    book->live_bytes += bytes;
    book->live_blocks++;
    return memory;
}

static void *oom_alloc(size_t bytes, size_t align, void *user)
{
    oom_book *book = (oom_book *)user;
    return oom_fails(book) ? NULL : oom_take(book, bytes, align);
}

static void oom_release(void *memory, size_t bytes, size_t align, void *user)
{
    oom_book *book = (oom_book *)user;
    unsigned char *raw;
    size_t known;
    (void)align;
    memcpy(&raw, (unsigned char *)memory - sizeof raw, sizeof raw);
    memcpy(&known, (unsigned char *)memory - HEAD_BYTES, sizeof known);
    CHECK_EQ_U64(known, bytes);
    book->live_bytes -= bytes;
    book->live_blocks--;
    free(raw);
}

static void *oom_resize(void *memory, size_t old_bytes, size_t new_bytes, void *user)
{
    oom_book *book = (oom_book *)user;
    if (oom_fails(book)) return NULL;
    void *moved = oom_take(book, new_bytes, 16);
    memcpy(moved, memory, old_bytes < new_bytes ? old_bytes : new_bytes);
    oom_release(memory, old_bytes, 16, user);
    return moved;
}

/* ---- the ledger ---- */

enum { SERIALS_MAX = 1 << 16 };

static uint8_t ledger_live[SERIALS_MAX];
static uint32_t ledger_next;
static uint32_t ledger_count;

static uint32_t ledger_open(void)
{
    ledger_next = ledger_next % (SERIALS_MAX - 1) + 1;
    CHECK_EQ_U64(ledger_live[ledger_next], 0);
    ledger_live[ledger_next] = 1;
    ledger_count++;
    return ledger_next;
}

static void ledger_close(uint32_t serial)
{
    REQUIRE(serial < SERIALS_MAX);
    if (serial == 0) return; /* zero owns nothing */
    if (CHECK(ledger_live[serial] == 1)) ledger_count--;
    ledger_live[serial] = 0;
}

static void owned_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        ledger_close(((Taken *)values)[i].serial);
        ((Taken *)values)[i].serial = SERIALS_MAX; /* whoever ends it again is caught */
    }
}

static void owned_copy(void *dst, const void *src, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t serial = ((const Copied *)src)[i].serial;
        REQUIRE(serial < SERIALS_MAX);
        ((Copied *)dst)[i].serial = serial == 0 ? 0 : ledger_open();
    }
}

/* ---- one run ---- */

enum { LIVE_MAX = 1024 };

typedef struct {
    ecs_world *world;
    oom_book book;
    ecs_entity live[LIVE_MAX];
    uint32_t number[LIVE_MAX]; /* what its Number must be */
    uint32_t live_count;
    uint32_t refused;
    uint64_t hash;
    uint32_t inits, finis;
} oom_run;

static oom_run *current_run; /* for systems */

static void before(oom_run *run)
{
    run->hash = ecs_world_hash(run->world);
}

static bool settle(oom_run *run, ecs_status status)
{
    if (status == ECS_OK) return true;
    CHECK_STATUS(status, ECS_NO_MEMORY);
    CHECK(ecs_world_hash(run->world) == run->hash);
    run->refused++;
    return false;
}

/* A call that may be refused, and must not be twice when one allocation only fails. */
#define TRY_ONCE(run, call) (before(run), settle(run, (call)))
#define TRY(run, call) \
    (TRY_ONCE(run, call) || (!(run)->book.rest_fails && CHECK(TRY_ONCE(run, call))))

static ecs_status null_status(oom_run *run, bool is_null)
{
    return is_null ? ecs_world_status(run->world) : ECS_OK;
}

static void live_add(oom_run *run, ecs_entity entity, uint32_t number)
{
    REQUIRE(run->live_count < LIVE_MAX);
    run->live[run->live_count] = entity;
    run->number[run->live_count++] = number;
}

static void check_world(oom_run *run)
{
    const ecs_world *world = run->world;
    uint32_t iterated = 0;
    uint32_t rows = 0;
    ecs_table_stats table;
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e)) {
        CHECK(ecs_alive(world, e));
        iterated++;
    }
    for (uint32_t i = 0; ecs_world_table_stats(world, i, &table) == ECS_OK; i++) {
        rows += table.row_count;
    }
    CHECK_EQ_U64(ecs_entity_count(world), iterated);
    CHECK_EQ_U64(rows, iterated);
    CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, run->book.live_bytes);
}

static void check_live(oom_run *run)
{
    CHECK_EQ_U64(ecs_entity_count(run->world), run->live_count);
    for (uint32_t i = 0; i < run->live_count; i++) {
        const Number *number = ecs_get(run->world, run->live[i], Number);
        if (CHECK(number != NULL)) CHECK_EQ_U64(number->value, run->number[i]);
    }
    check_world(run);
}

/* ---- the scenario, part by part ---- */

static bool part_types(oom_run *run)
{
    ecs_world *world = run->world;
    ecs_component taken = {0};
    ecs_component copied = {0};
    ecs_component needed = {0};
    ecs_component defined = {0};
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = owned_destroy;
    if (!TRY(run, ecs_component_register(world, ecs_type_of(Taken), &taken))) return false;
    if (!TRY(run, ecs_component_hooks(world, taken, &hooks))) return false;
    hooks.copy = owned_copy;
    if (!TRY(run, ecs_component_register(world, ecs_type_of(Copied), &copied))) return false;
    if (!TRY(run, ecs_component_hooks(world, copied, &hooks))) return false;
    if (!TRY(run, ecs_component_register(world, ecs_type_of(Needed), &needed))) return false;
    if (!TRY(run, ecs_component_require(world, taken, needed))) return false;
    for (uint32_t i = 0; i < 40; i++) {
        char name[16];
        ecs_member member = {"m", 0, 4, ECS_KIND_U32};
        snprintf(name, sizeof name, "defined%u", (unsigned)i);
        ecs_type type = {name, 8, 4, &member, 1, NULL};
        (void)TRY(run, ecs_component_define(world, &type, &defined));
    }
    return true;
}

static void part_spawn(oom_run *run)
{
    ecs_world *world = run->world;
    for (uint32_t i = 0; i < 100; i++) {
        Taken value = {ledger_open()};
        ecs_entity e = ecs_null();
        if (TRY(run, null_status(run, ecs_is_null(
                e = ecs_spawn_with(world, (Number, {i}), (Taken, value), (Copied)))))) {
            live_add(run, e, i);
        } else {
            ledger_close(value.serial); /* still ours */
        }
    }
    for (uint32_t i = 0; i < 20; i++) {
        ecs_entity e = ecs_null();
        if (!TRY(run, null_status(run, ecs_is_null(e = ecs_spawn(world))))) continue;
        if (TRY(run, ecs_set(world, e, Number, {i}))) live_add(run, e, i);
        else CHECK_STATUS(ecs_despawn(world, e), ECS_OK);
    }
    check_live(run);
}

static void part_bulk(oom_run *run)
{
    enum { COUNT = 500 }; /* several chunks */
    Number data[COUNT];
    Taken owned[COUNT];
    ecs_entity all[COUNT];
    uint32_t gone = 0;
    ecs_value values[3] = {{ecs_type_of(Number), data}, {ecs_type_of(Taken), owned},
                           {ecs_type_of(Wide), NULL}};
    for (uint32_t i = 0; i < COUNT; i++) {
        data[i].value = 1000 + i;
        owned[i].serial = ledger_open();
    }
    if (TRY(run, ecs_spawn_bulk(run->world, COUNT, values, 3, all))) {
        for (uint32_t i = 0; i < COUNT; i++) live_add(run, all[i], 1000 + i);
    } else {
        for (uint32_t i = 0; i < COUNT; i++) ledger_close(owned[i].serial);
    }
    values[1].type = ecs_type_of(Marked);
    values[1].data = NULL;
    if (TRY(run, ecs_spawn_bulk(run->world, COUNT, values, 3, NULL))) {
        ecs_query query = {0};
        if (TRY(run, null_status(run, (query = ecs_query_of(run->world, &marked)).id == 0))) {
            CHECK(TRY(run, ecs_query_despawn(run->world, query, &gone)) || run->book.rest_fails);
        }
        if (gone != COUNT) { /* not possible: by hand, which takes no memory */
            ecs_entity e = ecs_entity_next(run->world, ecs_null());
            for (; !ecs_is_null(e); e = ecs_entity_next(run->world, e)) {
                if (!ecs_has(run->world, e, Marked)) continue;
                CHECK_STATUS(ecs_despawn(run->world, e), ECS_OK);
            }
        }
    }
    check_live(run);
}

static void part_edit(oom_run *run)
{
    ecs_world *world = run->world;
    for (uint32_t i = 0; i < run->live_count; i += 3) {
        ecs_entity e = run->live[i];
        Taken taken = {ledger_open()};
        if (!TRY(run, ecs_set(world, e, Taken, taken))) ledger_close(taken.serial);
        Copied copied = {ledger_open()};
        (void)TRY(run, ecs_set(world, e, Copied, copied));
        ledger_close(copied.serial); /* it was copied */
        if (TRY(run, ecs_set(world, e, Number, {i + 5}))) run->number[i] = i + 5;
        (void)TRY(run, ecs_add(world, e, Wide));
        if (i % 2 == 0) (void)TRY(run, ecs_add(world, e, Other));
        if (i % 4 == 0) (void)TRY(run, ecs_remove(world, e, Taken));
        if (i % 5 == 0) (void)TRY(run, ecs_remove(world, e, Copied));
    }
    for (uint32_t i = 0; i < 8 && i < run->live_count; i++) {
        ecs_entity e = ecs_null();
        if (!ecs_has(world, run->live[i], Copied)) continue;
        if (ecs_has(world, run->live[i], Taken)) continue; /* it cannot be copied */
        if (!TRY(run, null_status(run, ecs_is_null(e = ecs_clone(world, run->live[i]))))) continue;
        live_add(run, e, run->number[i]);
    }
    for (uint32_t i = 0; i < run->live_count / 4; i++) {
        CHECK_STATUS(ecs_despawn(world, run->live[run->live_count - 1]), ECS_OK);
        run->live_count--;
    }
    check_live(run);
}

static void part_queries(oom_run *run)
{
    ecs_world *world = run->world;
    ecs_term terms[2] = {{ecs_type_of(Number), {0}, ECS_ACCESS_WRITE},
                         {ecs_type_of(Needed), {0}, ECS_ACCESS_NOT}};
    ecs_query_info info = {"made", terms, 2};
    ecs_query query = {0};
    for (uint32_t i = 0; i < 10; i++) {
        if (!TRY(run, ecs_query_make(world, &info, &query))) continue;
        CHECK(ecs_query_count(world, query) <= run->live_count);
    }
    uint32_t rows = 0;
    ECS_EACH(world, everything, view) rows += view->count;
    if (ecs_query_find(world, &everything).id != 0) CHECK_EQ_U64(rows, run->live_count);
    else CHECK_EQ_U64(rows, 0);
    ecs_getter getter;
    if (TRY(run, ecs_getter_make(world, ecs_type_of(Number), &getter))) {
        for (uint32_t i = 0; i < run->live_count; i++) {
            const Number *number =
                (const Number *)ecs_getter_find(getter, run->live[i], sizeof(Number));
            if (CHECK(number != NULL)) CHECK_EQ_U64(number->value, run->number[i]);
        }
    }
    (void)ecs_shrink(world);
    check_live(run);
}

static void part_resources_and_events(oom_run *run)
{
    ecs_world *world = run->world;
    ecs_event_desc desc = {64, 0, ECS_EVENT_OVERWRITE};
    ecs_event_reader reader = {0};
    if (TRY(run, ecs_resource_set(world, Counter, {5}))) {
        CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 5);
    }
    (void)TRY(run, ecs_event_configure(world, Hit, &desc));
    if (!TRY(run, null_status(run, (reader = ecs_event_reader_open(world, Hit)).id == 0))) return;
    uint32_t sent = 0;
    for (uint32_t i = 0; i < 50; i++) {
        if (TRY(run, ecs_event_send(world, Hit, {i}))) sent++;
    }
    ecs_events events = ecs_event_read(world, reader);
    CHECK_EQ_U64(events.count, sent);
    CHECK_STATUS(ecs_event_reader_close(world, reader), ECS_OK);
}

static void part_commands(oom_run *run)
{
    ecs_world *world = run->world;
    ecs_commands *cmd = ecs_world_commands(world);
    if (cmd == NULL) return;
    ecs_stats stats = ecs_world_stats(world);
    for (uint32_t i = 0; i < 60; i++) {
        Taken value = {ledger_open()};
        ecs_entity fresh = ecs_cmd_spawn_with(cmd, (Number, {i}), (Taken, value));
        if (ecs_is_null(fresh)) ledger_close(value.serial);
        else (void)ecs_cmd_add(cmd, fresh, Wide);
        if (i >= run->live_count) continue;
        Copied copied = {ledger_open()};
        (void)ecs_cmd_set(cmd, run->live[i], Copied, copied);
        ledger_close(copied.serial);
        (void)ecs_cmd_remove(cmd, run->live[i], Taken);
        if (i % 4 == 0) (void)ecs_cmd_despawn(cmd, run->live[i]);
        if (i % 4 == 0) (void)ecs_cmd_despawn(cmd, run->live[i]); /* twice */
        if (i % 5 == 0) (void)ecs_cmd_add(cmd, run->live[i], Marked);
    }
    ecs_status status = ecs_flush(world);
    CHECK(status == ECS_OK || status == ECS_NO_MEMORY);
    ecs_stats after = ecs_world_stats(world);
    CHECK(after.commands_applied + after.commands_dropped <=
          after.commands_recorded + stats.commands_dropped + stats.commands_applied);
    CHECK(after.entity_count <= stats.entity_count + 60);
    check_world(run);
}

/* ---- systems ---- */

ECS_SYSTEM(spawner, READ(Number), EMIT(Hit), RES_WRITE(Counter))
{
    for (uint32_t i = 0; i < view->count; i += 8) {
        Taken value = {ledger_open()};
        ecs_entity fresh = ecs_cmd_spawn_with(view->cmd, (Taken, value), (Other));
        if (ecs_is_null(fresh)) ledger_close(value.serial);
        (void)ecs_cmd_set(view->cmd, view->entities[i], Wide, {1, 2});
        (void)ecs_emit(view, Hit, {i});
    }
    ecs_res_write(view, Counter)->count++;
    return ECS_OK;
}

ECS_SYSTEM(reaper, WITH(Other), ON(Hit), LOOKUP(Number))
{
    for (uint32_t i = 0; i < view->count; i += 2) {
        if (ecs_lookup(view, Number, view->entities[i]) != NULL) continue;
        (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
    }
    return ecs_on_count(view, Hit) < 100000 ? ECS_OK : ECS_FAILED;
}

static void edit_custom(ecs_world *world, void *payload, uint32_t bytes)
{
    CHECK_EQ_U64(bytes, 4);
    (void)payload;
    ecs_entity e = ecs_spawn(world);
    if (!ecs_is_null(e)) (void)ecs_add(world, e, Marked);
}

ECS_TASK(custom)
{
    uint32_t payload = 7;
    (void)ecs_cmd_custom(view->cmd, edit_custom, &payload, sizeof payload);
    return ECS_OK;
}

ECS_EXCLUSIVE(whole)
{
    (void)ecs_spawn_with(world, (Number, {1}), (Wide, {1, 2}));
    return ECS_OK;
}

static ecs_status system_init(ecs_world *world, void *user)
{
    CHECK(world == current_run->world);
    CHECK(user == current_run);
    current_run->inits++;
    return ECS_OK;
}

static void system_fini(ecs_world *world, void *user)
{
    CHECK(world == current_run->world);
    CHECK(user == current_run);
    current_run->finis++;
}

static void part_systems(oom_run *run)
{
    ecs_world *world = run->world;
    ecs_phase_desc phase;
    ecs_system_desc desc;
    memset(&phase, 0, sizeof phase);
    memset(&desc, 0, sizeof desc);
    phase.name = "late";
    phase.after = ECS_UPDATE;
    (void)TRY(run, null_status(run, ecs_phase_add(world, &phase) == 0));
    desc.system = &custom;
    desc.init = system_init;
    desc.fini = system_fini;
    desc.user = run;
    (void)TRY(run, ecs_system_add(world, &spawner, ECS_UPDATE));
    (void)TRY(run, ecs_system_add(world, &reaper, ECS_POST_UPDATE));
    (void)TRY(run, ecs_system_add(world, &whole, ECS_LAST));
    uint32_t inits = run->inits;
    if (TRY(run, ecs_system_add_desc(world, &desc))) CHECK_EQ_U64(run->inits, inits + 1);
    for (uint32_t i = 0; i < 6; i++) {
        ecs_status status = ecs_tick(world, 0.1f);
        CHECK(status == ECS_OK || status == ECS_NO_MEMORY);
        check_world(run);
        (void)ecs_world_hash(world);
    }
    char text[64];
    (void)ecs_explain_schedule(world, text, sizeof text);
    (void)ecs_explain_drops(world, text, sizeof text);
}

/* With memory again, everything works. */
static void part_afterwards(oom_run *run)
{
    ecs_world *world = run->world;
    run->book.fail_at = 0;
    (void)ecs_world_hash(world);
    check_world(run);
    uint32_t count = ecs_entity_count(world);
    ecs_entity e = ecs_spawn_with(world, (Number, {1}), (Wide, {1, 2}), (Marked));
    CHECK(!ecs_is_null(e));
    CHECK_STATUS(ecs_add(world, e, Other), ECS_OK);
    CHECK_STATUS(ecs_remove(world, e, Wide), ECS_OK);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &everything)), count + 1);
    CHECK_STATUS(ecs_cmd_despawn(ecs_world_commands(world), e), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(!ecs_alive(world, e));
    CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    check_world(run);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
}

/* One run; answers whether an allocation was refused. */
static bool run_scenario(uint64_t fail_at, bool rest_fails)
{
    static oom_run storage;
    oom_run *run = &storage;
    ecs_allocator allocator = {oom_alloc, oom_resize, oom_release, &run->book};
    ecs_world_desc desc;
    memset(run, 0, sizeof *run);
    memset(&desc, 0, sizeof desc);
    desc.allocator = &allocator;
    desc.chunk_bytes = 4096;
    desc.row_block_rows = 64;
    run->book.fail_at = fail_at;
    run->book.rest_fails = rest_fails;
    current_run = run;
    run->world = ecs_world_create(&desc);
    if (run->world != NULL) {
        if (part_types(run)) {
            part_spawn(run);
            part_bulk(run);
            part_edit(run);
            part_queries(run);
            part_resources_and_events(run);
            part_commands(run);
            part_systems(run);
        }
        if (!rest_fails) CHECK(run->refused <= 1);
        part_afterwards(run);
        ecs_world_destroy(run->world);
    } else {
        CHECK(run->book.failures > 0);
    }
    CHECK_EQ_U64(run->inits, run->finis);
    CHECK_EQ_U64(ledger_count, 0);
    CHECK_EQ_U64(run->book.live_bytes, 0);
    CHECK_EQ_U64(run->book.live_blocks, 0);
    return run->book.failures > 0;
}

enum { ALLOCATIONS_MAX = 20000 };

static void sweep(bool rest_fails)
{
    uint64_t n = 1;
    while (n < ALLOCATIONS_MAX && run_scenario(n, rest_fails)) {
        n++;
        if (test_state.failure_count == 0) continue;
        printf("    (allocation %llu refused)\n", (unsigned long long)n - 1);
        break;
    }
    CHECK(n > 30); /* or the scenario has become too poor */
    CHECK(n < ALLOCATIONS_MAX);
}

TEST(oom_no_failure_runs_through)
{
    CHECK(!run_scenario(0, false));
}

TEST(oom_each_allocation_fails_once)
{
    sweep(false);
}

TEST(oom_all_allocations_fail_from_one_on)
{
    sweep(true);
}

/* A query that could not be made matches nothing; the loop must not abort. */
TEST(oom_loop_over_refused_query_shows_nothing)
{
    oom_book book;
    ecs_allocator allocator = {oom_alloc, oom_resize, oom_release, &book};
    ecs_world_desc desc;
    memset(&book, 0, sizeof book);
    memset(&desc, 0, sizeof desc);
    desc.allocator = &allocator;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    (void)ecs_spawn_with(world, (Number, {1}));
    book.fail_at = book.calls + 1;
    book.rest_fails = true;
    uint32_t rows = 0;
    ECS_EACH(world, numbers, view) rows += view->count;
    CHECK_EQ_U64(rows, ecs_query_find(world, &numbers).id == 0 ? 0 : 1);
    book.fail_at = 0;
    ECS_EACH(world, numbers, view) rows += view->count;
    CHECK(rows >= 1);
    CHECK(!ecs_is_null(ecs_spawn(world)));
    ecs_world_destroy(world);
    CHECK_EQ_U64(book.live_bytes, 0);
}

/* What was refused for want of memory must not count against the limits for ever. */
TEST(oom_refused_calls_use_up_no_limit)
{
    oom_book book;
    ecs_allocator allocator = {oom_alloc, oom_resize, oom_release, &book};
    ecs_world_desc desc;
    memset(&book, 0, sizeof book);
    memset(&desc, 0, sizeof desc);
    desc.allocator = &allocator;
    desc.chunk_bytes = 4096;
    desc.chunks_max = 6;
    desc.queries_max = 4;
    desc.entities_max = 1000;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    (void)ecs_spawn_with(world, (Wide), (Number));
    ecs_value values[2] = {{ecs_type_of(Wide), NULL}, {ecs_type_of(Number), NULL}};
    ecs_query query = {0};
    for (uint32_t i = 0; i < 200; i++) {
        book.rest_fails = true;
        book.fail_at = book.calls + 1 + i % 7; /* some succeed, and go back with the rest */
        (void)ecs_spawn_bulk(world, 400, values, 2, NULL);
        if (i % 7 == 0) CHECK(ecs_query_make(world, &marked, &query) != ECS_OK);
        (void)ecs_spawn_with(world, (Marked), (Wide));
        book.fail_at = 0;
        CHECK_STATUS(ecs_world_clear(world), ECS_OK);
        (void)ecs_shrink(world);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_STATUS(ecs_query_make(world, &marked, &query), ECS_OK);
    }
    uint32_t count = 0;
    while (count < 1000 && !ecs_is_null(ecs_spawn_with(world, (Wide), (Number)))) count++;
    CHECK(count >= 5 * 64);
    ecs_world_destroy(world);
    CHECK_EQ_U64(book.live_bytes, 0);
}
