/* hook.c: the life of values and the notices about it.
 *
 * A ledger counts every value: it is built once, ended once, and nothing else is ever
 * ended. A Guarded value knows its own address, so a move by bytes past its move hook is
 * seen as well; a Taken value has only `destroy` and is taken over by its bytes.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct {
    uint64_t self; /* its address */
    uint32_t serial;
    uint32_t number;
} Guarded;
ECS_COMPONENT(Guarded, number);
typedef struct {
    uint32_t serial;
    uint32_t number;
} Taken;
ECS_COMPONENT(Taken, number);
typedef struct { uint32_t value; } Plain;
ECS_COMPONENT(Plain, value);
ECS_TAG(Marked);
ECS_TAG(Echo);

ECS_QUERY(guarded, WRITE(Guarded));
ECS_QUERY(taken, READ(Taken));

/* ---- the ledger ---- */

enum { SERIALS_MAX = 1 << 20 };

typedef struct {
    uint8_t live[SERIALS_MAX];
    uint32_t next;
    uint32_t live_count;
} value_ledger;

static value_ledger ledger;

static uint32_t ledger_open(void)
{
    uint32_t serial = ++ledger.next;
    REQUIRE(serial < SERIALS_MAX);
    ledger.live[serial] = 1;
    ledger.live_count++;
    return serial;
}

static void ledger_close(uint32_t serial)
{
    REQUIRE(serial != 0);
    REQUIRE(serial < SERIALS_MAX);
    if (CHECK(ledger.live[serial] == 1)) ledger.live_count--; /* else: ended twice */
    ledger.live[serial] = 0;
}

static void guarded_make(Guarded *value, uint32_t number)
{
    value->self = (uint64_t)(uintptr_t)value;
    value->serial = ledger_open();
    value->number = number;
}

static void guarded_check(const Guarded *value)
{
    CHECK_EQ_U64(value->self, (uint64_t)(uintptr_t)value);
    CHECK_EQ_U64(ledger.live[value->serial % SERIALS_MAX], 1);
}

static void guarded_init(void *dst, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) guarded_make((Guarded *)dst + i, 0);
}

static void guarded_copy(void *dst, const void *src, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        guarded_check((const Guarded *)src + i);
        guarded_make((Guarded *)dst + i, ((const Guarded *)src + i)->number);
    }
}

static void guarded_move(void *dst, void *src, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        Guarded *from = (Guarded *)src + i;
        Guarded *to = (Guarded *)dst + i;
        guarded_check(from);
        *to = *from;
        to->self = (uint64_t)(uintptr_t)to;
        memset(from, 0xdd, sizeof *from);
    }
}

static void guarded_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    CHECK(count > 0);
    for (uint32_t i = 0; i < count; i++) {
        Guarded *value = (Guarded *)values + i;
        guarded_check(value);
        ledger_close(value->serial);
        memset(value, 0xdd, sizeof *value);
    }
}

/* Zero is a value that owns nothing: what a type without `init` starts as. */
static void taken_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) {
        Taken *value = (Taken *)values + i;
        if (value->serial != 0) ledger_close(value->serial);
        memset(value, 0xdd, sizeof *value);
    }
}

static Taken taken_make(uint32_t number)
{
    Taken value;
    value.serial = ledger_open();
    value.number = number;
    return value;
}

static ecs_hooks hooks_of_guarded(void)
{
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.init = guarded_init;
    hooks.copy = guarded_copy;
    hooks.move = guarded_move;
    hooks.destroy = guarded_destroy;
    return hooks;
}

static void install(ecs_world *world, const ecs_type *type, const ecs_hooks *hooks)
{
    ecs_component component = {0};
    REQUIRE_STATUS(ecs_component_register(world, type, &component), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, component, hooks), ECS_OK);
}

static ecs_world *world_with_ledger(void)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.chunk_bytes = 4096;
    desc.row_block_rows = 64;
    desc.entities_max = 20000;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    ecs_hooks hooks = hooks_of_guarded();
    install(world, ecs_type_of(Guarded), &hooks);
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = taken_destroy;
    install(world, ecs_type_of(Taken), &hooks);
    ledger.live_count = 0;
    return world;
}

/* Every Guarded value in the world is alive and at home; the world holds no other. */
static void check_values(ecs_world *world, uint32_t live_outside)
{
    uint32_t taken_live = 0;
    ECS_EACH(world, guarded, view) {
        for (uint32_t i = 0; i < view->count; i++) guarded_check(&ecs_read(view, Guarded)[i]);
    }
    ECS_EACH(world, taken, view) {
        for (uint32_t i = 0; i < view->count; i++) {
            if (ecs_read(view, Taken)[i].serial != 0) taken_live++;
        }
    }
    uint32_t guarded_live = ecs_component_count(world, ecs_component_id(world, Guarded));
    CHECK_EQ_U64(ledger.live_count, guarded_live + taken_live + live_outside);
}

static void world_end(ecs_world *world)
{
    ecs_world_destroy(world);
    CHECK_EQ_U64(ledger.live_count, 0);
}

/* Sets a Guarded component from a value of our own. */
static ecs_status set_guarded(ecs_world *world, ecs_entity entity, uint32_t number)
{
    Guarded value;
    guarded_make(&value, number);
    ecs_status status = ecs_set_type(world, entity, ecs_type_of(Guarded), &value);
    guarded_destroy(&value, 1, NULL);
    return status;
}

/* ---- life of values ---- */

TEST(hook_life_add_overwrite_remove)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, Guarded), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 1);
    CHECK_STATUS(set_guarded(world, entity, 5), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 1);
    CHECK_EQ_U64(ecs_get(world, entity, Guarded)->number, 5);
    CHECK_STATUS(ecs_add(world, entity, Guarded), ECS_OK);
    check_values(world, 0);
    CHECK_EQ_U64(ecs_get(world, entity, Guarded)->number, 5);
    CHECK_STATUS(ecs_remove(world, entity, Guarded), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 0);
    CHECK_STATUS(ecs_remove(world, entity, Guarded), ECS_OK);
    CHECK_STATUS(set_guarded(world, entity, 6), ECS_OK);
    check_values(world, 0);
    CHECK_EQ_U64(ecs_get(world, entity, Guarded)->number, 6);
    world_end(world);
}

/* Setting a value from the very place where it is. */
TEST(hook_life_set_from_own_column)
{
    ecs_world *world = world_with_ledger();
    ecs_entity first = ecs_spawn(world);
    ecs_entity second = ecs_spawn(world);
    CHECK_STATUS(set_guarded(world, first, 5), ECS_OK);
    CHECK_STATUS(ecs_set_type(world, second, ecs_type_of(Guarded),
                              ecs_get(world, first, Guarded)), ECS_OK);
    CHECK_EQ_U64(ecs_get(world, second, Guarded)->number, 5);
    CHECK_STATUS(ecs_set_type(world, first, ecs_type_of(Guarded),
                              ecs_get(world, first, Guarded)), ECS_OK);
    CHECK_EQ_U64(ecs_get(world, first, Guarded)->number, 5);
    check_values(world, 0);
    world_end(world);
}

TEST(hook_life_taken_value_is_owned_after_ok)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_set(world, entity, Taken, taken_make(1)), ECS_OK);
    CHECK_STATUS(ecs_set(world, entity, Taken, taken_make(2)), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 1);
    CHECK_EQ_U64(ecs_get(world, entity, Taken)->number, 2);
    ecs_entity other = ecs_spawn_with(world, (Taken, taken_make(3)), (Plain, {1}));
    check_values(world, 0);
    CHECK_STATUS(ecs_remove(world, entity, Taken), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 1);
    CHECK_STATUS(ecs_despawn(world, other), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 0);
    world_end(world);
}

TEST(hook_life_refused_value_stays_with_caller)
{
    ecs_world *world = world_with_ledger();
    ecs_entity dead = ecs_spawn(world);
    CHECK_STATUS(ecs_despawn(world, dead), ECS_OK);
    Taken value = taken_make(1);
    CHECK_STATUS(ecs_set(world, dead, Taken, value), ECS_STALE);
    CHECK_EQ_U64(ledger.live_count, 1);
    CHECK_STATUS(set_guarded(world, dead, 1), ECS_STALE);
    CHECK_EQ_U64(ledger.live_count, 1);
    for (uint32_t i = 0; i < 20000; i++) (void)ecs_spawn(world);
    CHECK(ecs_is_null(ecs_spawn_with(world, (Taken, value))));
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    ecs_value values[2] = {{ecs_type_of(Taken), &value}, {ecs_type_of(Guarded), NULL}};
    CHECK_STATUS(ecs_spawn_bulk(world, 1, values, 2, NULL), ECS_FULL);
    CHECK_EQ_U64(ledger.live_count, 1);
    taken_destroy(&value, 1, NULL);
    world_end(world);
}

TEST(hook_life_despawn_and_swap_remove)
{
    enum { COUNT = 1000 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_with_ledger();
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = ecs_spawn_with(world, (Plain, {i}), (Taken, taken_make(i)), (Guarded));
        ecs_get_mut(world, all[i], Guarded)->number = i;
    }
    check_values(world, 0);
    for (uint32_t i = 0; i < COUNT; i += 3) CHECK_STATUS(ecs_despawn(world, all[i]), ECS_OK);
    check_values(world, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        if (i % 3 == 0) continue;
        CHECK_EQ_U64(ecs_get(world, all[i], Guarded)->number, i);
        CHECK_EQ_U64(ecs_get(world, all[i], Taken)->number, i);
    }
    world_end(world);
}

TEST(hook_life_moves_between_tables)
{
    enum { COUNT = 500 };
    static ecs_entity all[COUNT];
    ecs_world *world = world_with_ledger();
    for (uint32_t i = 0; i < COUNT; i++) {
        all[i] = ecs_spawn_with(world, (Taken, taken_make(i)), (Guarded));
        ecs_get_mut(world, all[i], Guarded)->number = i;
    }
    for (uint32_t i = 0; i < COUNT; i += 2) CHECK_STATUS(ecs_add(world, all[i], Plain), ECS_OK);
    for (uint32_t i = 0; i < COUNT; i += 3) CHECK_STATUS(ecs_add(world, all[i], Marked), ECS_OK);
    check_values(world, 0);
    for (uint32_t i = 0; i < COUNT; i += 4) CHECK_STATUS(ecs_remove(world, all[i], Plain), ECS_OK);
    for (uint32_t i = 0; i < COUNT; i += 5) CHECK_STATUS(ecs_remove(world, all[i], Taken), ECS_OK);
    check_values(world, 0);
    (void)ecs_shrink(world);
    check_values(world, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ_U64(ecs_get(world, all[i], Guarded)->number, i);
        CHECK(ecs_has(world, all[i], Taken) == (i % 5 != 0));
    }
    world_end(world);
}

TEST(hook_life_growing_small_table)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    ecs_world *world = ecs_world_create(&desc); /* large chunks: the first one grows */
    ecs_hooks hooks = hooks_of_guarded();
    install(world, ecs_type_of(Guarded), &hooks);
    ledger.live_count = 0;
    for (uint32_t i = 0; i < 30000; i++) (void)ecs_spawn_with(world, (Guarded), (Plain, {i}));
    CHECK_EQ_U64(ledger.live_count, 30000);
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &guarded), NULL), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 0);
    for (uint32_t i = 0; i < 100; i++) (void)ecs_spawn_with(world, (Guarded), (Plain, {i}));
    CHECK(ecs_shrink(world) > 0);
    ECS_EACH(world, guarded, view) {
        for (uint32_t i = 0; i < view->count; i++) guarded_check(&ecs_read(view, Guarded)[i]);
    }
    world_end(world);
}

TEST(hook_life_bulk_spawn_copies_takes_and_inits)
{
    enum { COUNT = 1500 };
    static Guarded sources[COUNT];
    static Taken given[COUNT];
    static ecs_entity all[COUNT];
    ecs_world *world = world_with_ledger();
    for (uint32_t i = 0; i < COUNT; i++) {
        guarded_make(&sources[i], i);
        given[i] = taken_make(i);
    }
    ecs_value values[2] = {{ecs_type_of(Guarded), sources}, {ecs_type_of(Taken), given}};
    CHECK_STATUS(ecs_spawn_bulk(world, COUNT, values, 2, all), ECS_OK);
    check_values(world, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ_U64(ecs_get(world, all[i], Guarded)->number, i);
        CHECK_EQ_U64(ecs_get(world, all[i], Taken)->number, i);
    }
    guarded_destroy(sources, COUNT, NULL);
    values[0].data = NULL;
    values[1].data = NULL;
    CHECK_STATUS(ecs_spawn_bulk(world, COUNT, values, 2, NULL), ECS_OK);
    check_values(world, 0);
    CHECK_EQ_U64(ledger.live_count, 3 * COUNT);
    world_end(world);
}

TEST(hook_life_bulk_despawn)
{
    ecs_world *world = world_with_ledger();
    for (uint32_t i = 0; i < 900; i++) {
        ecs_entity entity = ecs_spawn_with(world, (Plain, {i}), (Taken, taken_make(i)));
        if (i % 2 == 0) CHECK_STATUS(ecs_add(world, entity, Guarded), ECS_OK);
        if (i % 3 == 0) CHECK_STATUS(ecs_add(world, entity, Marked), ECS_OK);
    }
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &guarded), NULL), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 450);
    check_values(world, 0);
    world_end(world);
}

TEST(hook_life_clear_and_use_again)
{
    ecs_world *world = world_with_ledger();
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 400; i++) {
            ecs_entity entity = ecs_spawn_with(world, (Guarded), (Taken, taken_make(i)));
            if (i % 2 == 0) CHECK_STATUS(ecs_add(world, entity, Marked), ECS_OK);
        }
        check_values(world, 0);
        CHECK_STATUS(ecs_world_clear(world), ECS_OK);
        CHECK_EQ_U64(ledger.live_count, 0);
    }
    world_end(world);
}

TEST(hook_life_clone_copies)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn_with(world, (Plain, {3}), (Guarded), (Marked));
    ecs_get_mut(world, entity, Guarded)->number = 8;
    for (uint32_t i = 0; i < 300; i++) {
        ecs_entity copy = ecs_clone(world, entity);
        REQUIRE(!ecs_is_null(copy));
        CHECK_EQ_U64(ecs_get(world, copy, Guarded)->number, 8);
        CHECK(ecs_get(world, copy, Guarded)->serial != ecs_get(world, entity, Guarded)->serial);
        entity = copy;
    }
    check_values(world, 0);
    CHECK_EQ_U64(ledger.live_count, 301);
    world_end(world);
}

/* Bytes with a destructor and without a copy must not be doubled. */
TEST(hook_life_clone_of_taken_value_is_no_double)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn_with(world, (Taken, taken_make(8)));
    ecs_entity copy = ecs_clone(world, entity);
    if (ecs_is_null(copy)) CHECK_STATUS(ecs_world_status(world), ECS_UNSUPPORTED);
    else CHECK_EQ_U64(ecs_get(world, copy, Taken)->serial, 0);
    world_end(world);
}

TEST(hook_life_required_component_is_built)
{
    ecs_world *world = world_with_ledger();
    ecs_component plain = {0};
    ecs_component guarded_id = ecs_component_id(world, Guarded);
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Plain), &plain), ECS_OK);
    REQUIRE_STATUS(ecs_component_require(world, plain, guarded_id), ECS_OK);
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, Plain), ECS_OK);
    (void)ecs_spawn_with(world, (Plain, {1}));
    ecs_value value = {ecs_type_of(Plain), NULL};
    CHECK_STATUS(ecs_spawn_bulk(world, 200, &value, 1, NULL), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 202);
    check_values(world, 0);
    world_end(world);
}

TEST(hook_life_without_init_starts_as_zero)
{
    ecs_world *world = world_with_ledger();
    for (uint32_t round = 0; round < 2; round++) {
        ecs_entity entity = ecs_spawn_with(world, (Taken));
        CHECK_EQ_U64(ecs_get(world, entity, Taken)->serial, 0);
        CHECK_EQ_U64(ecs_get(world, entity, Taken)->number, 0);
        CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    }
    world_end(world);
}

TEST(hook_life_commands_own_recorded_values)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn(world);
    ecs_entity dead = ecs_spawn(world);
    ecs_commands *cmd = ecs_world_commands(world);
    CHECK_STATUS(ecs_despawn(world, dead), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, taken_make(1)), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, taken_make(2)), ECS_OK); /* supersedes */
    CHECK_STATUS(ecs_cmd_set(cmd, dead, Taken, taken_make(3)), ECS_OK);   /* dropped */
    CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (Taken, taken_make(4)), (Guarded))));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_get(world, entity, Taken)->number, 2);
    check_values(world, 0);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, taken_make(5)), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, entity, Taken), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(!ecs_has(world, entity, Taken));
    check_values(world, 0);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, taken_make(6)), ECS_OK);
    CHECK_STATUS(ecs_cmd_despawn(cmd, entity), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    check_values(world, 0);
    world_end(world);
}

TEST(hook_life_commands_copy_guarded_values)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn(world);
    ecs_commands *cmd = ecs_world_commands(world);
    Guarded value;
    guarded_make(&value, 9);
    for (uint32_t i = 0; i < 500; i++) {
        CHECK_STATUS(ecs_cmd_set_type(cmd, entity, ecs_type_of(Guarded), &value), ECS_OK);
        CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (Guarded), (Plain, {i}))));
    }
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_get(world, entity, Guarded)->number, 9);
    CHECK_EQ_U64(ecs_entity_count(world), 501);
    check_values(world, 1);
    guarded_destroy(&value, 1, NULL);
    world_end(world);
}

TEST(hook_life_commands_never_flushed)
{
    ecs_world *world = world_with_ledger();
    ecs_entity entity = ecs_spawn_with(world, (Taken, taken_make(1)));
    ecs_commands *cmd = ecs_world_commands(world);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, taken_make(2)), ECS_OK);
    CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (Taken, taken_make(3)), (Guarded))));
    world_end(world);
}

TEST(hook_life_refused_command_leaves_value_with_caller)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.command_bytes_max = 4096;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = taken_destroy;
    install(world, ecs_type_of(Taken), &hooks);
    ecs_entity entity = ecs_spawn(world);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        Taken value = taken_make(i);
        ecs_status status = ecs_cmd_set(ecs_world_commands(world), entity, Taken, value);
        if (status == ECS_OK) continue;
        CHECK_STATUS(status, ECS_FULL);
        taken_destroy(&value, 1, NULL);
        refused++;
    }
    CHECK(refused > 100);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 1);
    world_end(world);
}

/* ---- hooks of an over-aligned type always see aligned memory ---- */

typedef struct {
    unsigned char bytes[512];
} __attribute__((aligned(512))) Page;
ECS_COMPONENT(Page, bytes);

static int32_t page_live;

static void page_check(const void *values, uint32_t count)
{
    CHECK_EQ_U64((uintptr_t)values % 512, 0);
    CHECK(count > 0);
}

static void page_init(void *dst, uint32_t count, void *user)
{
    (void)user;
    page_check(dst, count);
    memset(dst, 3, count * sizeof(Page));
    page_live += (int32_t)count;
}

static void page_copy(void *dst, const void *src, uint32_t count, void *user)
{
    (void)user;
    page_check(dst, count);
    page_check(src, count);
    memcpy(dst, src, count * sizeof(Page));
    page_live += (int32_t)count;
}

static void page_move(void *dst, void *src, uint32_t count, void *user)
{
    (void)user;
    page_check(dst, count);
    page_check(src, count);
    memcpy(dst, src, count * sizeof(Page));
}

static void page_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    page_check(values, count);
    page_live -= (int32_t)count;
}

TEST(hook_life_over_aligned_is_aligned_everywhere)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_hooks hooks;
    REQUIRE(world != NULL);
    memset(&hooks, 0, sizeof hooks);
    hooks.init = page_init;
    hooks.copy = page_copy;
    hooks.move = page_move;
    hooks.destroy = page_destroy;
    install(world, ecs_type_of(Page), &hooks);
    static Page page;
    memset(&page, 5, sizeof page);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity all[30];
    for (uint32_t i = 0; i < 30; i++) {
        all[i] = ecs_spawn_with(world, (Plain, {i}), (Page));
        CHECK_STATUS(ecs_cmd_set(cmd, all[i], Page, page), ECS_OK);
        CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (Page, page), (Plain, {i}))));
        CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (Plain), (Page))));
    }
    CHECK_STATUS(ecs_resource_set(world, Page, page), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_I64(page_live, 91);
    CHECK_EQ_U64(ecs_get(world, all[7], Page)->bytes[511], 5);
    for (uint32_t i = 0; i < 30; i += 2) CHECK_STATUS(ecs_add(world, all[i], Marked), ECS_OK);
    (void)ecs_shrink(world);
    CHECK(!ecs_is_null(ecs_clone(world, all[3])));
    ecs_world_destroy(world);
    CHECK_EQ_I64(page_live, 0);
}

/* Everything at random; the ledger knows at each step how many values there must be. */
TEST(hook_life_random_edits_balance)
{
    enum { ROWS_MAX = 300 };
    static ecs_entity rows[ROWS_MAX];
    uint32_t count = 0;
    uint64_t random = test_seed();
    uint32_t rounds = test_rounds(60000, 300000);
    ecs_world *world = world_with_ledger();
    for (uint32_t i = 0; i < rounds; i++) {
        ecs_entity entity = count == 0 ? ecs_null() : rows[test_random_below(&random, count)];
        uint32_t action = test_random_below(&random, 12);
        if (action == 0 && count < ROWS_MAX) {
            rows[count++] = ecs_spawn_with(world, (Guarded), (Taken, taken_make(i)));
        } else if (action == 1 && count < ROWS_MAX) {
            rows[count++] = ecs_spawn(world);
        } else if (action == 2 && count > 50) {
            uint32_t victim = test_random_below(&random, count);
            CHECK_STATUS(ecs_despawn(world, rows[victim]), ECS_OK);
            rows[victim] = rows[--count];
        } else if (count > 0) {
            switch (action) {
            case 3: CHECK_STATUS(ecs_add(world, entity, Guarded), ECS_OK); break;
            case 4: CHECK_STATUS(ecs_remove(world, entity, Guarded), ECS_OK); break;
            case 5: CHECK_STATUS(ecs_set(world, entity, Taken, taken_make(i)), ECS_OK); break;
            case 6: CHECK_STATUS(ecs_remove(world, entity, Taken), ECS_OK); break;
            case 7: CHECK_STATUS(ecs_add(world, entity, Marked), ECS_OK); break;
            case 8: CHECK_STATUS(ecs_remove(world, entity, Marked), ECS_OK); break;
            case 9: CHECK_STATUS(ecs_add(world, entity, Plain), ECS_OK); break;
            case 10: CHECK_STATUS(ecs_remove(world, entity, Plain), ECS_OK); break;
            default: CHECK_STATUS(set_guarded(world, entity, i), ECS_OK); break;
            }
        }
        if (i % 500 == 0) check_values(world, 0);
        if (i % 5000 == 0) (void)ecs_shrink(world);
    }
    check_values(world, 0);
    world_end(world);
}

/* ---- notices ---- */

enum { LOG_BYTES = 4096 };

static char notice_log[LOG_BYTES];

static void note(const char *what, const char *name)
{
    size_t used = strlen(notice_log);
    (void)snprintf(notice_log + used, LOG_BYTES - used, "%s%s(%s)", used == 0 ? "" : " ", what,
                   name);
}

static void note_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    CHECK(ecs_alive(world, entity));
    CHECK(ecs_has_id(world, entity, ecs_component_find(world, (const char *)user)));
    CHECK(value == ecs_get_id(world, entity, ecs_component_find(world, (const char *)user)));
    note("add", (const char *)user);
}

static void note_set(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    CHECK(value != NULL);
    CHECK(value == ecs_get_id(world, entity, ecs_component_find(world, (const char *)user)));
    note("set", (const char *)user);
}

static void note_remove(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    CHECK(ecs_alive(world, entity));
    CHECK(ecs_has_id(world, entity, ecs_component_find(world, (const char *)user)));
    CHECK(value == ecs_get_id(world, entity, ecs_component_find(world, (const char *)user)));
    note("remove", (const char *)user);
}

static void note_destroy(void *values, uint32_t count, void *user)
{
    CHECK(values != NULL);
    for (uint32_t i = 0; i < count; i++) note("destroy", (const char *)user);
}

static ecs_world *world_with_notices(void)
{
    static char plain[] = "Plain";
    static char taken_name[] = "Taken";
    static char marked[] = "Marked";
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = note_add;
    hooks.on_set = note_set;
    hooks.on_remove = note_remove;
    hooks.destroy = note_destroy;
    hooks.user = plain;
    install(world, ecs_type_of(Plain), &hooks);
    hooks.user = taken_name;
    install(world, ecs_type_of(Taken), &hooks);
    hooks.user = marked;
    hooks.destroy = NULL;
    install(world, ecs_type_of(Marked), &hooks);
    return world;
}

static void check_notices(const char *wanted)
{
    CHECK_STR(notice_log, wanted);
    notice_log[0] = 0;
}

/* Where one notice stands in the log; -1: nowhere. */
static long notice_at(const char *text)
{
    const char *found = strstr(notice_log, text);
    return found == NULL ? -1 : (long)(found - notice_log);
}

TEST(hook_notice_add_set_remove_in_order)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn(world);
    check_notices("");
    CHECK_STATUS(ecs_add(world, entity, Plain), ECS_OK);
    check_notices("add(Plain)");
    CHECK_STATUS(ecs_add(world, entity, Plain), ECS_OK);
    check_notices("");
    CHECK_STATUS(ecs_set(world, entity, Plain, {1}), ECS_OK);
    CHECK(notice_at("set(Plain)") >= 0);
    CHECK(notice_at("add(Plain)") < 0);
    notice_log[0] = 0;
    CHECK_STATUS(ecs_remove(world, entity, Plain), ECS_OK);
    check_notices("remove(Plain) destroy(Plain)");
    CHECK_STATUS(ecs_remove(world, entity, Plain), ECS_OK);
    check_notices("");
    CHECK_STATUS(ecs_set(world, entity, Plain, {2}), ECS_OK);
    check_notices("add(Plain) set(Plain)");
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    check_notices("remove(Plain) destroy(Plain)");
    ecs_world_destroy(world);
    check_notices("");
}

TEST(hook_notice_overwrite_destroys_old_value_once)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn_with(world, (Plain, {1}));
    notice_log[0] = 0;
    CHECK_STATUS(ecs_set(world, entity, Plain, {2}), ECS_OK);
    check_notices("destroy(Plain) set(Plain)");
    notice_log[0] = 0;
    ecs_world_destroy(world);
    check_notices("remove(Plain) destroy(Plain)");
}

TEST(hook_notice_spawn_with_adds_then_sets)
{
    ecs_world *world = world_with_notices();
    (void)ecs_spawn_with(world, (Plain, {1}));
    check_notices("add(Plain) set(Plain)");
    (void)ecs_spawn_with(world, (Plain));
    check_notices("add(Plain)");
    (void)ecs_spawn_with(world, (Plain, {1}), (Marked), (Taken));
    CHECK(notice_at("add(Plain)") >= 0);
    CHECK(notice_at("add(Plain)") < notice_at("set(Plain)"));
    CHECK(notice_at("add(Marked)") >= 0);
    CHECK(notice_at("add(Taken)") >= 0);
    CHECK(notice_at("set(Taken)") < 0);
    CHECK(notice_at("set(Marked)") < 0);
    notice_log[0] = 0;
    ecs_world_destroy(world);
}

TEST(hook_notice_despawn_removes_then_destroys_each)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn_with(world, (Plain, {1}), (Marked), (Taken));
    notice_log[0] = 0;
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    CHECK(notice_at("remove(Plain)") >= 0);
    CHECK(notice_at("remove(Plain)") < notice_at("destroy(Plain)"));
    CHECK(notice_at("remove(Taken)") >= 0);
    CHECK(notice_at("remove(Taken)") < notice_at("destroy(Taken)"));
    CHECK(notice_at("remove(Marked)") >= 0);
    notice_log[0] = 0;
    ecs_world_destroy(world);
}

static uint32_t notice_count(const char *text)
{
    uint32_t count = 0;
    for (const char *at = strstr(notice_log, text); at != NULL; at = strstr(at + 1, text)) count++;
    return count;
}

TEST(hook_notice_bulk_calls_for_each_entity)
{
    ecs_world *world = world_with_notices();
    Plain data[5] = {{1}, {2}, {3}, {4}, {5}};
    ecs_value values[2] = {{ecs_type_of(Plain), data}, {ecs_type_of(Marked), NULL}};
    CHECK_STATUS(ecs_spawn_bulk(world, 5, values, 2, NULL), ECS_OK);
    CHECK_EQ_U64(notice_count("add(Plain)"), 5);
    CHECK_EQ_U64(notice_count("set(Plain)"), 5);
    CHECK_EQ_U64(notice_count("add(Marked)"), 5);
    notice_log[0] = 0;
    static const ecs_term terms[1] = {{ecs_type_of(Plain), {0}, ECS_ACCESS_WITH}};
    static const ecs_query_info info = {"all plain", terms, 1};
    ecs_query query = {0};
    REQUIRE_STATUS(ecs_query_make(world, &info, &query), ECS_OK);
    CHECK_STATUS(ecs_query_despawn(world, query, NULL), ECS_OK);
    CHECK_EQ_U64(notice_count("remove(Plain)"), 5);
    CHECK_EQ_U64(notice_count("remove(Marked)"), 5);
    CHECK_EQ_U64(notice_count("destroy(Plain)"), 5);
    notice_log[0] = 0;
    ecs_world_destroy(world);
    check_notices("");
}

TEST(hook_notice_clear_and_destroy_remove_all)
{
    ecs_world *world = world_with_notices();
    for (uint32_t i = 0; i < 3; i++) (void)ecs_spawn_with(world, (Plain, {i}), (Marked));
    notice_log[0] = 0;
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(notice_count("remove(Plain)"), 3);
    CHECK_EQ_U64(notice_count("destroy(Plain)"), 3);
    CHECK_EQ_U64(notice_count("remove(Marked)"), 3);
    for (uint32_t i = 0; i < 4; i++) (void)ecs_spawn_with(world, (Plain, {i}), (Marked));
    notice_log[0] = 0;
    ecs_world_destroy(world);
    CHECK_EQ_U64(notice_count("remove(Plain)"), 4);
    CHECK_EQ_U64(notice_count("destroy(Plain)"), 4);
    CHECK_EQ_U64(notice_count("remove(Marked)"), 4);
}

TEST(hook_notice_clone_tells_of_the_new_one)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn_with(world, (Marked));
    notice_log[0] = 0;
    CHECK(!ecs_is_null(ecs_clone(world, entity)));
    CHECK_EQ_U64(notice_count("add(Marked)"), 1);
    ecs_world_destroy(world);
}

TEST(hook_notice_failed_calls_tell_nothing)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn_with(world, (Plain, {1}));
    CHECK_STATUS(ecs_despawn(world, entity), ECS_OK);
    notice_log[0] = 0;
    CHECK_STATUS(ecs_set(world, entity, Plain, {1}), ECS_STALE);
    CHECK_STATUS(ecs_add(world, entity, Plain), ECS_STALE);
    CHECK_STATUS(ecs_remove(world, entity, Plain), ECS_STALE);
    CHECK_STATUS(ecs_despawn(world, entity), ECS_STALE);
    check_notices("");
    ecs_world_destroy(world);
}

/* Rows move for many reasons; components that stay hear nothing of it. */
TEST(hook_notice_moves_tell_nothing)
{
    ecs_world *world = world_with_notices();
    ecs_entity first = ecs_spawn_with(world, (Plain, {1}), (Marked));
    ecs_entity second = ecs_spawn_with(world, (Plain, {2}), (Marked));
    notice_log[0] = 0;
    CHECK_STATUS(ecs_add(world, first, Taken), ECS_OK);
    check_notices("add(Taken)");
    CHECK_STATUS(ecs_remove(world, first, Taken), ECS_OK);
    check_notices("remove(Taken) destroy(Taken)");
    CHECK_STATUS(ecs_add(world, second, Echo), ECS_OK);
    (void)ecs_shrink(world);
    check_notices("");
    CHECK_STATUS(ecs_cmd_add(ecs_world_commands(world), first, Echo), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(ecs_world_commands(world), second, Echo), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    check_notices("");
    CHECK_STATUS(ecs_remove(world, first, Plain), ECS_OK);
    check_notices("remove(Plain) destroy(Plain)");
    for (uint32_t i = 0; i < 100; i++) (void)ecs_spawn_with(world, (Echo), (Plain));
    CHECK_EQ_U64(notice_count("add(Plain)"), 100);
    CHECK_EQ_U64(notice_count("("), 100);
    notice_log[0] = 0;
    ecs_world_destroy(world);
}

TEST(hook_notice_flush_removes_then_adds_then_sets)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn_with(world, (Plain, {1}));
    ecs_commands *cmd = ecs_world_commands(world);
    notice_log[0] = 0;
    CHECK_STATUS(ecs_cmd_add(cmd, entity, Marked), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, {0, 7}), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, entity, Plain), ECS_OK);
    check_notices("");
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(notice_at("remove(Plain)") == 0);
    CHECK(notice_at("remove(Plain)") < notice_at("add(Marked)"));
    CHECK(notice_at("add(Marked)") < notice_at("set(Taken)"));
    CHECK(notice_at("add(Taken)") < notice_at("set(Taken)"));
    CHECK_EQ_U64(notice_count("set(Taken)"), 1);
    notice_log[0] = 0;
    ecs_world_destroy(world);
}

TEST(hook_notice_flush_cancels_add_and_remove)
{
    ecs_world *world = world_with_notices();
    ecs_entity entity = ecs_spawn(world);
    ecs_commands *cmd = ecs_world_commands(world);
    CHECK_STATUS(ecs_cmd_add(cmd, entity, Plain), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, entity, Plain), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    check_notices("");
    CHECK(!ecs_has(world, entity, Plain));
    ecs_world_destroy(world);
}

/* ---- hooks installed late, by description, and refused ---- */

TEST(hook_install_after_values_exist_is_refused)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_hooks hooks = hooks_of_guarded();
    (void)ecs_spawn_with(world, (Guarded, {0, 1, 2}));
    ecs_component component = ecs_component_id(world, Guarded);
    CHECK_STATUS(ecs_component_hooks(world, component, &hooks), ECS_EXISTS);
    ecs_world_destroy(world);
    CHECK_EQ_U64(ledger.next, 0);
}

TEST(hook_by_description_is_used)
{
    static char name[] = "Described";
    static ecs_hooks hooks;
    hooks = hooks_of_guarded();
    ecs_type type = {name, sizeof(Guarded), (uint32_t)ECSI_ALIGNOF(Guarded), NULL, 0u, &hooks};
    ecs_world *world = ecs_world_create(NULL);
    ecs_component component = {0};
    REQUIRE_STATUS(ecs_component_define(world, &type, &component), ECS_OK);
    memset(&hooks, 0, sizeof hooks); /* the world has its own copy */
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add_id(world, entity, component), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 1);
    guarded_check((const Guarded *)ecs_get_id(world, entity, component));
    world_end(world);
}

/* ---- hooks that edit ---- */

typedef struct {
    ecs_entity other; /* an entity to edit from inside a hook */
    uint32_t calls;
    bool record;      /* record a command that adds Echo */
    bool kill;        /* record the despawn of the hook's own entity */
    bool ending;      /* the world ends: commands may be refused */
} hook_state;

static void edit_in_hook(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    hook_state *state = (hook_state *)user;
    ecs_value data = {ecs_type_of(Plain), NULL};
    uint32_t count = ecs_entity_count(world);
    (void)value;
    state->calls++;
    CHECK(ecs_is_null(ecs_spawn(world)));
    CHECK_STATUS(ecs_world_status(world), ECS_LOCKED);
    CHECK(ecs_is_null(ecs_spawn_with(world, (Plain, {1}))));
    CHECK(ecs_is_null(ecs_clone(world, state->other)));
    CHECK_STATUS(ecs_world_status(world), ECS_LOCKED);
    CHECK_STATUS(ecs_spawn_bulk(world, 1, &data, 1, NULL), ECS_LOCKED);
    CHECK_STATUS(ecs_despawn(world, state->other), ECS_LOCKED);
    CHECK_STATUS(ecs_despawn(world, entity), ECS_LOCKED);
    CHECK_STATUS(ecs_add(world, state->other, Marked), ECS_LOCKED);
    CHECK_STATUS(ecs_set(world, state->other, Plain, {3}), ECS_LOCKED);
    CHECK_STATUS(ecs_remove(world, state->other, Plain), ECS_LOCKED);
    CHECK_STATUS(ecs_world_clear(world), ECS_LOCKED);
    CHECK_STATUS(ecs_flush(world), ECS_LOCKED);
    CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
    CHECK_EQ_U64(ecs_shrink(world), 0);
    CHECK_EQ_U64(ecs_entity_count(world), count);
    ecs_commands *cmd = ecs_world_commands(world);
    if (state->record) CHECK(ecs_cmd_add(cmd, entity, Echo) == ECS_OK || state->ending);
    if (state->kill) CHECK(ecs_cmd_despawn(cmd, entity) == ECS_OK || state->ending);
}

static ecs_world *world_with_editing_hooks(hook_state *state)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_hooks hooks;
    REQUIRE(world != NULL);
    memset(state, 0, sizeof *state);
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = edit_in_hook;
    hooks.on_set = edit_in_hook;
    hooks.on_remove = edit_in_hook;
    hooks.user = state;
    install(world, ecs_type_of(Taken), &hooks);
    state->other = ecs_spawn_with(world, (Plain, {77}));
    return world;
}

TEST(hook_edit_inside_is_locked_in_every_way)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_set(world, entity, Taken, {0, 5}), ECS_OK);
    CHECK_EQ_U64(state.calls, 2);
    CHECK_STATUS(ecs_set(world, entity, Taken, {0, 6}), ECS_OK);
    CHECK_EQ_U64(state.calls, 3);
    CHECK_STATUS(ecs_remove(world, entity, Taken), ECS_OK);
    CHECK_EQ_U64(state.calls, 4);
    ecs_entity second = ecs_spawn_with(world, (Taken, {0, 1}));
    CHECK_STATUS(ecs_despawn(world, second), ECS_OK);
    CHECK_EQ_U64(state.calls, 7);
    CHECK(ecs_alive(world, state.other));
    CHECK_EQ_U64(ecs_get(world, state.other, Plain)->value, 77);
    CHECK_STATUS(ecs_set(world, state.other, Plain, {78}), ECS_OK); /* the lock is gone */
    CHECK(!ecs_is_null(ecs_spawn(world)));
    ecs_world_destroy(world);
}

TEST(hook_edit_inside_flush_is_locked)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_entity entity = ecs_spawn(world);
    ecs_commands *cmd = ecs_world_commands(world);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Taken, {0, 5}), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(state.calls, 2);
    CHECK_STATUS(ecs_cmd_despawn(cmd, entity), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(state.calls, 3);
    ecs_world_destroy(world);
}

TEST(hook_commands_after_direct_edit_wait_for_flush)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    state.record = true;
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, Taken), ECS_OK);
    CHECK(!ecs_has(world, entity, Echo));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_has(world, entity, Echo));
    CHECK(ecs_has(world, entity, Taken));
    CHECK_STATUS(ecs_remove(world, entity, Echo), ECS_OK);
    CHECK_STATUS(ecs_set(world, entity, Taken, {0, 9}), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_has(world, entity, Echo));
    CHECK_EQ_U64(ecs_get(world, entity, Taken)->number, 9);
    CHECK_STATUS(ecs_remove(world, entity, Echo), ECS_OK);
    CHECK_STATUS(ecs_remove(world, entity, Taken), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK); /* flushes as well */
    CHECK(ecs_has(world, entity, Echo));
    ecs_world_destroy(world);
}

TEST(hook_commands_in_bulk_are_applied)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_value value = {ecs_type_of(Taken), NULL};
    ecs_entity all[50];
    state.record = true;
    CHECK_STATUS(ecs_spawn_bulk(world, 50, &value, 1, all), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    for (uint32_t i = 0; i < 50; i++) CHECK(ecs_has(world, all[i], Echo));
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Echo)), 50);
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &taken), NULL), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    CHECK_STATUS(ecs_flush(world), ECS_OK); /* their targets are dead */
    CHECK_EQ_U64(ecs_world_stats(world).commands_dropped, 50);
    ecs_world_destroy(world);
}

TEST(hook_command_may_despawn_its_own_entity)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_entity entity = ecs_spawn(world);
    state.kill = true;
    CHECK_STATUS(ecs_add(world, entity, Taken), ECS_OK);
    ecs_entity other = ecs_spawn_with(world, (Taken, {0, 1}), (Plain));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(!ecs_alive(world, entity));
    CHECK(!ecs_alive(world, other));
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    ecs_world_destroy(world);
}

TEST(hook_commands_in_flush_are_applied_by_it)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_entity entity = ecs_spawn(world);
    state.record = true;
    CHECK_STATUS(ecs_cmd_add(ecs_world_commands(world), entity, Taken), ECS_OK);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_has(world, entity, Taken));
    CHECK(ecs_has(world, entity, Echo));
    ecs_world_destroy(world);
}

ECS_TASK(spawn_taken)
{
    CHECK(!ecs_is_null(ecs_cmd_spawn_with(view->cmd, (Taken, {0, 1}))));
    return ECS_OK;
}

TEST(hook_commands_in_tick_are_applied_by_it)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    state.record = true;
    CHECK_STATUS(ecs_system_add(world, &spawn_taken, ECS_UPDATE), ECS_OK);
    for (uint32_t i = 1; i <= 3; i++) {
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Taken)), i);
        CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Echo)), i);
    }
    ecs_world_destroy(world);
}

TEST(hook_commands_at_clear_and_destroy_are_harmless)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, Taken), ECS_OK);
    state.record = true;
    state.kill = true;
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 0);
    state.other = ecs_spawn(world);
    (void)ecs_spawn_with(world, (Taken, {0, 1}));
    state.ending = true;
    ecs_world_destroy(world);
    CHECK(state.calls >= 5);
}

/* A chain of hooks: Taken brings Echo, Echo brings Marked. */
static void bring_marked(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)value;
    (void)user;
    CHECK_STATUS(ecs_cmd_add(ecs_world_commands(world), entity, Marked), ECS_OK);
}

TEST(hook_commands_cascade_in_one_flush)
{
    hook_state state;
    ecs_world *world = world_with_editing_hooks(&state);
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = bring_marked;
    install(world, ecs_type_of(Echo), &hooks);
    state.record = true;
    ecs_entity entity = ecs_spawn_with(world, (Taken));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_has(world, entity, Echo));
    CHECK(ecs_has(world, entity, Marked));
    ecs_world_destroy(world);
}

/* Hooks that wake each other for ever: a flush ends all the same. */
static void toggle_plain(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    (void)value;
    (void)user;
    if (ecs_has(world, entity, Echo)) {
        CHECK_STATUS(ecs_cmd_remove(ecs_world_commands(world), entity, Echo), ECS_OK);
    }
    CHECK_STATUS(ecs_cmd_add(ecs_world_commands(world), entity, Echo), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(ecs_world_commands(world), entity, Taken, {0, 1}), ECS_OK);
}

TEST(hook_commands_without_end_do_not_hang)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_set = toggle_plain;
    install(world, ecs_type_of(Taken), &hooks);
    ecs_entity entity = ecs_spawn_with(world, (Taken, {0, 1}));
    (void)ecs_flush(world);
    (void)ecs_tick(world, 0);
    CHECK(ecs_alive(world, entity));
    CHECK(ecs_has(world, entity, Taken));
    ecs_world_destroy(world);
}

/* ---- hash ---- */

static uint64_t hash_number(const void *value, uint64_t seed, void *user)
{
    (void)user;
    return seed * 31 + ((const Taken *)value)->number;
}

static uint64_t hash_of_taken(const ecs_hooks *hooks, uint32_t serial, uint32_t number)
{
    static char name[] = "Hashed";
    ecs_type type = {name, sizeof(Taken), 4, NULL, 0u, hooks};
    Taken value = {serial, number};
    ecs_world *world = ecs_world_create(NULL);
    ecs_component component = {0};
    REQUIRE_STATUS(ecs_component_define(world, &type, &component), ECS_OK);
    CHECK_STATUS(ecs_set_id(world, ecs_spawn(world), component, &value), ECS_OK);
    uint64_t hash = ecs_world_hash(world);
    ecs_world_destroy(world);
    return hash;
}

TEST(hook_hash_replaces_hash_of_bytes)
{
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    CHECK(hash_of_taken(&hooks, 1, 5) != hash_of_taken(&hooks, 2, 5));
    CHECK(hash_of_taken(&hooks, 1, 5) == hash_of_taken(&hooks, 1, 5));
    hooks.hash = hash_number;
    CHECK(hash_of_taken(&hooks, 1, 5) == hash_of_taken(&hooks, 2, 5));
    CHECK(hash_of_taken(&hooks, 1, 5) != hash_of_taken(&hooks, 1, 6));
}
