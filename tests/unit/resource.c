/* resource.c: one value of a type for the whole world.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { float x, y; } Gravity;
ECS_RESOURCE(Gravity, x, y);
typedef struct { uint32_t count; } Counter;
ECS_RESOURCE(Counter, count);
typedef struct { uint32_t serial; } Owned;
ECS_RESOURCE(Owned, serial);
typedef struct {
    unsigned char bytes[256];
} __attribute__((aligned(256))) Aligned;
ECS_RESOURCE(Aligned, bytes);
typedef struct { uint32_t value; } Number;
ECS_COMPONENT(Number, value);

static ecs_world *world_plain(void)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    return world;
}

TEST(resource_set_get_mut)
{
    ecs_world *world = world_plain();
    CHECK(ecs_resource_get(world, Gravity) == NULL);
    CHECK_STATUS(ecs_resource_set(world, Gravity, {0, -10}), ECS_OK);
    REQUIRE(ecs_resource_get(world, Gravity) != NULL);
    CHECK(ecs_resource_get(world, Gravity)->y <= -10);
    Gravity other = {1, 2};
    CHECK_STATUS(ecs_resource_set(world, Gravity, other), ECS_OK);
    CHECK(ecs_resource_get(world, Gravity)->y >= 2);
    ecs_resource_mut(world, Gravity)->y = 7;
    CHECK(ecs_resource_get(world, Gravity)->y >= 7);
    CHECK(ecs_resource_mut(world, Gravity) == ecs_resource_get(world, Gravity));
    ecs_world_destroy(world);
}

TEST(resource_mut_makes_it_zero)
{
    ecs_world *world = world_plain();
    Counter *counter = ecs_resource_mut(world, Counter);
    REQUIRE(counter != NULL);
    CHECK_EQ_U64(counter->count, 0);
    counter->count = 5;
    CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 5);
    ecs_world_destroy(world);
}

TEST(resource_worlds_have_their_own)
{
    ecs_world *first = world_plain();
    ecs_world *second = world_plain();
    CHECK_STATUS(ecs_resource_set(first, Counter, {1}), ECS_OK);
    CHECK(ecs_resource_get(second, Counter) == NULL);
    CHECK_STATUS(ecs_resource_set(second, Counter, {2}), ECS_OK);
    CHECK_EQ_U64(ecs_resource_get(first, Counter)->count, 1);
    ecs_world_destroy(first);
    CHECK_EQ_U64(ecs_resource_get(second, Counter)->count, 2);
    ecs_world_destroy(second);
}

TEST(resource_survives_clear)
{
    ecs_world *world = world_plain();
    CHECK_STATUS(ecs_resource_set(world, Counter, {3}), ECS_OK);
    (void)ecs_spawn_with(world, (Number, {1}));
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 3);
    ecs_world_destroy(world);
}

TEST(resource_over_aligned_is_aligned)
{
    ecs_world *world = world_plain();
    (void)ecs_resource_mut(world, Counter);
    Aligned *value = ecs_resource_mut(world, Aligned);
    REQUIRE(value != NULL);
    CHECK_EQ_U64((uintptr_t)value % 256, 0);
    for (uint32_t i = 0; i < 256; i++) CHECK_EQ_U64(value->bytes[i], 0);
    ecs_type page = {"Page", 4096, 4096, NULL, 0u, NULL};
    ecs_component component = {0};
    REQUIRE_STATUS(ecs_component_define(world, &page, &component), ECS_OK);
    void *at = ecs_resource_mut_type(world, ecs_component_type(world, component));
    REQUIRE(at != NULL);
    CHECK_EQ_U64((uintptr_t)at % 4096, 0);
    ecs_world_destroy(world);
}

TEST(resource_many_keep_values)
{
    enum { COUNT = 300 };
    ecs_world *world = world_plain();
    static ecs_type types[COUNT];
    static char names[COUNT][16];
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "resource %u", (unsigned)i);
        ecs_type type = {names[i], 12, 4, NULL, 0u, NULL};
        types[i] = type;
        uint32_t value[3] = {i, i + 1, i + 2};
        CHECK_STATUS(ecs_resource_set_type(world, &types[i], value), ECS_OK);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t *value = (const uint32_t *)ecs_resource_get_type(world, &types[i]);
        REQUIRE(value != NULL);
        CHECK_EQ_U64(value[0], i);
        CHECK_EQ_U64(value[2], i + 2);
    }
    ecs_world_destroy(world);
}

TEST(resource_same_name_other_shape_is_mismatch)
{
    ecs_world *world = world_plain();
    static const ecs_type other = {"Counter", 8, 8, NULL, 0u, NULL};
    uint64_t value = 1;
    CHECK_STATUS(ecs_resource_set(world, Counter, {4}), ECS_OK);
    CHECK_STATUS(ecs_resource_set_type(world, &other, &value), ECS_MISMATCH);
    CHECK(ecs_resource_mut_type(world, &other) == NULL);
    CHECK_STATUS(ecs_world_status(world), ECS_MISMATCH);
    CHECK(ecs_resource_get_type(world, &other) == NULL);
    CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 4);
    ecs_world_destroy(world);
}

/* ---- limits ---- */

static void check_limit(ecs_memory memory)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.memory = memory;
    desc.resource_bytes_max = 1024;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    static const ecs_type half = {"Half", 512, 8, NULL, 0u, NULL};
    static const ecs_type large = {"Large", 2048, 8, NULL, 0u, NULL};
    static unsigned char value[2048];
    memset(value, 9, sizeof value);
    CHECK_STATUS(ecs_resource_set_type(world, &large, value), ECS_FULL);
    CHECK(ecs_resource_get_type(world, &large) == NULL);
    CHECK(ecs_resource_mut_type(world, &large) == NULL);
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK_STATUS(ecs_resource_set_type(world, &half, value), ECS_OK);
    for (uint32_t i = 0; i < 1000; i++) { /* set again takes no more room */
        CHECK_STATUS(ecs_resource_set_type(world, &half, value), ECS_OK);
    }
    CHECK_STATUS(ecs_resource_set(world, Counter, {1}), ECS_OK);
    CHECK_STATUS(ecs_resource_set_type(world, &large, value), ECS_FULL);
    CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 1);
    const unsigned char *found = (const unsigned char *)ecs_resource_get_type(world, &half);
    REQUIRE(found != NULL);
    CHECK_EQ_U64(found[511], 9);
    ecs_world_destroy(world);
}

TEST(resource_beyond_limit_is_full)
{
    check_limit(ECS_MEMORY_GROW);
    check_limit(ECS_MEMORY_FIXED);
}

/* ---- hooks ---- */

static uint32_t owned_live;

static void owned_init(void *dst, uint32_t count, void *user)
{
    (void)user;
    for (uint32_t i = 0; i < count; i++) ((Owned *)dst)[i].serial = 1000;
    owned_live += count;
}

static void owned_copy(void *dst, const void *src, uint32_t count, void *user)
{
    (void)user;
    memcpy(dst, src, count * sizeof(Owned));
    owned_live += count;
}

static void owned_destroy(void *values, uint32_t count, void *user)
{
    (void)user;
    memset(values, 0xdd, count * sizeof(Owned));
    owned_live -= count;
}

static ecs_world *world_with_owned(void)
{
    ecs_world *world = world_plain();
    ecs_hooks hooks;
    ecs_component component = {0};
    memset(&hooks, 0, sizeof hooks);
    hooks.init = owned_init;
    hooks.copy = owned_copy;
    hooks.destroy = owned_destroy;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Owned), &component), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, component, &hooks), ECS_OK);
    return world;
}

TEST(resource_hooks_build_and_end_it_once)
{
    ecs_world *world = world_with_owned();
    CHECK_EQ_U64(owned_live, 0);
    REQUIRE(ecs_resource_mut(world, Owned) != NULL);
    CHECK_EQ_U64(ecs_resource_get(world, Owned)->serial, 1000);
    CHECK_EQ_U64(owned_live, 1);
    CHECK_STATUS(ecs_resource_set(world, Owned, {7}), ECS_OK);
    CHECK_EQ_U64(owned_live, 1);
    CHECK_EQ_U64(ecs_resource_get(world, Owned)->serial, 7);
    CHECK_STATUS(ecs_resource_set(world, Owned, {8}), ECS_OK);
    CHECK_EQ_U64(owned_live, 1);
    ecs_world_destroy(world);
    CHECK_EQ_U64(owned_live, 0);
}

TEST(resource_hooks_set_before_first_use)
{
    ecs_world *world = world_with_owned();
    CHECK_STATUS(ecs_resource_set(world, Owned, {7}), ECS_OK);
    CHECK_EQ_U64(owned_live, 1);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(owned_live, 1);
    ecs_world_destroy(world);
    CHECK_EQ_U64(owned_live, 0);
}

TEST(resource_hooks_cannot_be_installed_when_it_exists)
{
    ecs_world *world = world_plain();
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = owned_destroy;
    CHECK_STATUS(ecs_resource_set(world, Owned, {7}), ECS_OK);
    ecs_component component = ecs_component_id(world, Owned);
    CHECK_STATUS(ecs_component_hooks(world, component, &hooks), ECS_EXISTS);
    ecs_world_destroy(world);
    CHECK_EQ_U64(owned_live, 0);
}

/* ---- in systems ---- */

ECS_SYSTEM(count_up, RES_WRITE(Counter), RES_READ(Gravity))
{
    Counter *counter = ecs_res_write(view, Counter);
    CHECK(ecs_res_read(view, Counter) == counter);
    CHECK(ecs_res_read(view, Gravity) != NULL);
    counter->count += (uint32_t)ecs_res_read(view, Gravity)->x;
    return ECS_OK;
}

ECS_SYSTEM(apply_count, WRITE(Number), RES_READ(Counter))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_write(view, Number)[i].value = ecs_res_read(view, Counter)->count;
    }
    return ECS_OK;
}

TEST(resource_in_systems_is_shared_in_order)
{
    ecs_world *world = world_plain();
    ecs_entity entity = ecs_spawn_with(world, (Number, {77}));
    CHECK_STATUS(ecs_resource_set(world, Gravity, {3, 0}), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &count_up, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &apply_count, ECS_UPDATE), ECS_OK);
    for (uint32_t i = 1; i <= 5; i++) {
        CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
        CHECK_EQ_U64(ecs_get(world, entity, Number)->value, 3 * i);
    }
    ecs_world_destroy(world);
}

TEST(resource_in_systems_exists_from_registration)
{
    ecs_world *world = world_plain();
    CHECK_STATUS(ecs_system_add(world, &count_up, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    REQUIRE(ecs_resource_get(world, Counter) != NULL);
    CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 0);
    ecs_world_destroy(world);
}

static ecs_world *tick_world; /* a system sees a const world only: this goes around it */

ECS_SYSTEM(edit_resource, RES_READ(Counter))
{
    CHECK_STATUS(ecs_resource_set(tick_world, Counter, {9}), ECS_LOCKED);
    CHECK(ecs_resource_mut(tick_world, Counter) == NULL);
    CHECK_EQ_U64(ecs_resource_get(view->world, Counter)->count, 1);
    return ECS_OK;
}

TEST(resource_edit_inside_tick_is_refused)
{
    ecs_world *world = world_plain();
    tick_world = world;
    CHECK_STATUS(ecs_resource_set(world, Counter, {1}), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &edit_resource, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 1);
    CHECK_STATUS(ecs_resource_set(world, Counter, {2}), ECS_OK);
    ecs_world_destroy(world);
}

ECS_EXCLUSIVE(edit_resource_exclusive)
{
    CHECK_STATUS(ecs_resource_set(world, Counter, {9}), ECS_OK);
    return ECS_OK;
}

TEST(resource_edit_in_exclusive_system_works)
{
    ecs_world *world = world_plain();
    CHECK_STATUS(ecs_system_add(world, &edit_resource_exclusive, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_resource_get(world, Counter)->count, 9);
    ecs_world_destroy(world);
}

/* ---- hash ---- */

TEST(resource_is_in_the_hash)
{
    ecs_world *first = world_plain();
    ecs_world *second = world_plain();
    CHECK_STATUS(ecs_resource_set(first, Counter, {1}), ECS_OK);
    CHECK(ecs_world_hash(first) != ecs_world_hash(second));
    CHECK_STATUS(ecs_resource_set(second, Counter, {2}), ECS_OK);
    CHECK(ecs_world_hash(first) != ecs_world_hash(second));
    ecs_resource_mut(second, Counter)->count = 1;
    CHECK(ecs_world_hash(first) == ecs_world_hash(second));
    ecs_world_destroy(first);
    ecs_world_destroy(second);
}
