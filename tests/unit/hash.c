/* hash.c: what the world hash sees, and what it does not. */

#define ECS_IMPLEMENTATION
#include "../test.h"
#include "../model.h"

typedef struct A { int32_t number; } A;
ECS_COMPONENT(A, number);
typedef struct B { int32_t number; } B;
ECS_COMPONENT(B, number);
/* 3 bytes of padding after `small`, 4 before `end`. */
typedef struct Holes { uint8_t small; uint32_t middle; uint16_t list[3]; double end; } Holes;
ECS_COMPONENT(Holes, small, middle, list, end);
typedef struct Raw { uint32_t a; uint32_t b; } Raw; /* no list: bytes */
ECS_COMPONENT(Raw);
typedef struct Ref { ecs_entity to; } Ref;
ECS_COMPONENT(Ref, to);
typedef struct Named { const char *text; uint32_t number; uint32_t rest; } Named;
ECS_COMPONENT(Named);
ECS_TAG(Marked);
typedef struct Score { int64_t value; } Score;
ECS_RESOURCE(Score, value);
typedef struct Hit { uint32_t number; } Hit;
ECS_EVENT(Hit, number);

/* Two worlds with the same past; a case changes one and looks. */
typedef struct twins {
    ecs_world *a;
    ecs_world *b;
    ecs_entity e[10];
    ecs_event_reader reader_a;
    ecs_event_reader reader_b;
} twins;

ECS_SYSTEM(idle, READ(A))
{
    return view->count == 0 ? ECS_FAILED : ECS_OK;
}

static ecs_world *twin(ecs_entity *e, ecs_event_reader *reader)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc;
    REQUIRE(world != NULL);
    memset(&desc, 0, sizeof desc);
    desc.system = &idle;
    desc.name = "fixed";
    desc.step_s = 0.25f;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    desc.name = "interval";
    desc.step_s = 0;
    desc.interval_s = 10;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    desc.name = "seldom";
    desc.interval_s = 0;
    desc.every_ticks = 100;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    for (int i = 0; i < 10; i++) {
        e[i] = i % 2 == 0 ? ecs_spawn_with(world, (A, {i}))
                          : ecs_spawn_with(world, (A, {i}), (B, {i}));
    }
    ecs_resource_set(world, Score, {5});
    *reader = ecs_event_reader_open(world, Hit);
    ecs_event_send(world, Hit, {1});
    ecs_event_send(world, Hit, {2});
    return world;
}

static twins twins_make(void)
{
    twins t;
    t.a = twin(t.e, &t.reader_a);
    t.b = twin(t.e, &t.reader_b);
    CHECK_EQ_U64(ecs_world_hash(t.a), ecs_world_hash(t.b));
    return t;
}

static void twins_end(twins *t)
{
    ecs_world_destroy(t->a);
    ecs_world_destroy(t->b);
}

#define CHECK_SAME(t) CHECK_EQ_U64(ecs_world_hash((t).a), ecs_world_hash((t).b))
#define CHECK_DIFFERENT(t) CHECK(ecs_world_hash((t).a) != ecs_world_hash((t).b))

/* ---- What it sees ------------------------------------------------------------------------- */

TEST(hash_sees_values)
{
    twins t = twins_make();
    ecs_set(t.a, t.e[3], B, {99});
    CHECK_DIFFERENT(t);
    ecs_set(t.a, t.e[3], B, {3}); /* undone */
    CHECK_SAME(t);
    ecs_get_mut(t.a, t.e[0], A)->number = -1;
    CHECK_DIFFERENT(t);
    ecs_set(t.b, t.e[0], A, {-1});
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_sees_components)
{
    twins t = twins_make();
    ecs_add(t.a, t.e[0], Marked);
    CHECK_DIFFERENT(t);
    ecs_add(t.b, t.e[0], Marked);
    CHECK_SAME(t);
    ecs_remove(t.a, t.e[1], B);
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

TEST(hash_sees_entities_and_generations)
{
    twins t = twins_make();
    ecs_entity e = ecs_spawn(t.a);
    CHECK_DIFFERENT(t);
    ecs_despawn(t.a, e); /* the slot is free again, with another generation */
    CHECK_DIFFERENT(t);
    ecs_despawn(t.b, ecs_spawn(t.b));
    CHECK_SAME(t);
    ecs_despawn(t.a, ecs_spawn(t.a));
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

TEST(hash_sees_the_order_of_the_free_list)
{
    twins t = twins_make();
    ecs_entity a[2] = {ecs_spawn(t.a), ecs_spawn(t.a)};
    ecs_entity b[2] = {ecs_spawn(t.b), ecs_spawn(t.b)};
    ecs_despawn(t.a, a[0]);
    ecs_despawn(t.a, a[1]);
    ecs_despawn(t.b, b[1]);
    ecs_despawn(t.b, b[0]);
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

TEST(hash_sees_the_order_of_rows)
{
    twins t = twins_make();
    /* The same entities and values, but the rows of 0 and 2 come back in another order. */
    ecs_remove(t.a, t.e[0], A);
    ecs_remove(t.a, t.e[2], A);
    ecs_remove(t.b, t.e[0], A);
    ecs_remove(t.b, t.e[2], A);
    CHECK_SAME(t);
    ecs_set(t.a, t.e[0], A, {5}); /* equal values: only the handles tell */
    ecs_set(t.a, t.e[2], A, {5});
    ecs_set(t.b, t.e[2], A, {5});
    ecs_set(t.b, t.e[0], A, {5});
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

TEST(hash_sees_the_order_of_tables)
{
    twins t = twins_make();
    ecs_spawn_with(t.a, (Marked));
    ecs_spawn_with(t.a, (Raw, {1, 2}));
    ecs_entity b = ecs_spawn(t.b); /* the same in the end, but {Raw} is older than {Marked} */
    ecs_spawn_with(t.b, (Raw, {1, 2}));
    ecs_add(t.b, b, Marked);
    CHECK_EQ_U64(ecs_entity_count(t.a), ecs_entity_count(t.b));
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

TEST(hash_sees_resources)
{
    twins t = twins_make();
    ecs_resource_set(t.a, Score, {6});
    CHECK_DIFFERENT(t);
    ecs_resource_mut(t.b, Score)->value = 6;
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_sees_events_and_readers)
{
    twins t = twins_make();
    ecs_event_send(t.a, Hit, {3});
    CHECK_DIFFERENT(t);
    ecs_event_send(t.b, Hit, {4});
    CHECK_DIFFERENT(t); /* the values */
    twins_end(&t);
    t = twins_make();
    ecs_event_read(t.a, t.reader_a);
    CHECK_DIFFERENT(t); /* the cursor */
    ecs_event_read(t.b, t.reader_b);
    CHECK_SAME(t);
    ecs_event_reader slow_a = ecs_event_reader_open(t.a, Hit);
    CHECK_DIFFERENT(t);
    ecs_event_reader slow_b = ecs_event_reader_open(t.b, Hit);
    ecs_event_send(t.a, Hit, {9});
    ecs_event_send(t.b, Hit, {9});
    CHECK_SAME(t);
    CHECK_EQ_U64(ecs_event_read(t.a, t.reader_a).count, 1); /* the other still wants it */
    CHECK_DIFFERENT(t);
    CHECK_EQ_U64(ecs_event_read(t.b, slow_b).count, 1); /* as many, but not the same reader */
    CHECK_DIFFERENT(t);
    CHECK_EQ_U64(ecs_event_read(t.a, slow_a).count, 1);
    CHECK_EQ_U64(ecs_event_read(t.b, t.reader_b).count, 1);
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_sees_the_tick)
{
    twins t; /* without systems, whose counters would tell as well */
    t.a = ecs_world_create(NULL);
    t.b = ecs_world_create(NULL);
    CHECK_SAME(t);
    ecs_tick(t.a, 0);
    CHECK_DIFFERENT(t);
    ecs_tick(t.b, 0);
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_sees_change_ticks)
{
    twins t = twins_make();
    ecs_tick(t.a, 0);
    ecs_tick(t.b, 0);
    CHECK_SAME(t);
    ecs_get_mut(t.a, t.e[0], A); /* writes what is there already, but marks it */
    CHECK_DIFFERENT(t);
    ecs_get_mut(t.b, t.e[2], A); /* the same row block */
    CHECK_SAME(t);
    ecs_set(t.a, t.e[1], B, {1});
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

/* The pieces are exact in binary, so that only the accumulators differ. */
TEST(hash_sees_accumulators_and_intervals)
{
    twins t = twins_make();
    ecs_system_enable(t.a, "interval", false);
    ecs_system_enable(t.a, "seldom", false);
    ecs_system_enable(t.b, "interval", false);
    ecs_system_enable(t.b, "seldom", false);
    ecs_tick(t.a, 0.125f);
    ecs_tick(t.b, 0.0625f);
    CHECK_DIFFERENT(t); /* the fixed step's */
    ecs_tick(t.a, 0.0625f);
    ecs_tick(t.b, 0.125f);
    CHECK_SAME(t);
    ecs_system_enable(t.a, "fixed", false);
    ecs_system_enable(t.b, "fixed", false);
    ecs_system_enable(t.a, "interval", true);
    ecs_system_enable(t.b, "interval", true);
    ecs_tick(t.a, 0.5f);
    ecs_tick(t.b, 0.25f);
    CHECK_DIFFERENT(t); /* the interval's */
    ecs_tick(t.a, 0.25f);
    ecs_tick(t.b, 0.5f);
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_sees_what_is_enabled)
{
    twins t = twins_make();
    ecs_system_enable(t.a, "seldom", false);
    CHECK_DIFFERENT(t);
    ecs_tick(t.a, 0);
    ecs_tick(t.b, 0);
    ecs_system_enable(t.a, "seldom", true);
    CHECK_DIFFERENT(t); /* it has counted one tick less */
    twins_end(&t);
}

TEST(hash_sees_references)
{
    twins t = twins_make();
    ecs_set(t.a, t.e[0], Ref, {t.e[1]});
    ecs_set(t.b, t.e[0], Ref, {t.e[2]});
    CHECK_DIFFERENT(t);
    ecs_set(t.b, t.e[0], Ref, {t.e[1]});
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_sees_every_member)
{
    Holes value = {1, 2, {3, 4, 5}, 6.0};
    Holes other[6] = {{9, 2, {3, 4, 5}, 6.0}, {1, 9, {3, 4, 5}, 6.0}, {1, 2, {9, 4, 5}, 6.0},
                      {1, 2, {3, 9, 5}, 6.0}, {1, 2, {3, 4, 9}, 6.0}, {1, 2, {3, 4, 5}, 9.0}};
    twins t = twins_make();
    ecs_set(t.b, t.e[0], Holes, value);
    for (int i = 0; i < 6; i++) {
        ecs_set(t.a, t.e[0], Holes, other[i]);
        CHECK_DIFFERENT(t);
    }
    ecs_set(t.a, t.e[0], Holes, value);
    CHECK_SAME(t);
    Raw raw = {1, 2};
    ecs_set(t.a, t.e[1], Raw, raw);
    raw.b = 3;
    ecs_set(t.b, t.e[1], Raw, raw);
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

/* ---- What it does not see ----------------------------------------------------------------- */

static Holes holes_with(int garbage)
{
    Holes value;
    memset(&value, garbage, sizeof value);
    value.small = 1;
    value.middle = 2;
    value.list[0] = value.list[1] = value.list[2] = 3;
    value.end = 4.0;
    return value;
}

/* Writes the padding too, which an assignment might not. */
static void set_bytes(ecs_world *world, ecs_entity entity, int garbage)
{
    Holes value = holes_with(garbage);
    REQUIRE_STATUS(ecs_set_type(world, entity, ecs_type_of(Holes), &value), ECS_OK);
    memcpy(ecs_get_mut(world, entity, Holes), &value, sizeof value);
}

TEST(hash_does_not_see_padding)
{
    twins t = twins_make();
    set_bytes(t.a, t.e[0], 0x00);
    set_bytes(t.b, t.e[0], 0xff);
    CHECK(memcmp(ecs_get(t.a, t.e[0], Holes), ecs_get(t.b, t.e[0], Holes), sizeof(Holes)) != 0);
    CHECK_SAME(t);
    Holes *resource_a = (Holes *)ecs_resource_mut_type(t.a, ecs_type_of(Holes));
    Holes *resource_b = (Holes *)ecs_resource_mut_type(t.b, ecs_type_of(Holes));
    Holes value = holes_with(0xaa);
    REQUIRE(resource_a != NULL && resource_b != NULL);
    memcpy(resource_a, &value, sizeof value);
    value = holes_with(0x55);
    memcpy(resource_b, &value, sizeof value);
    CHECK_SAME(t);
    twins_end(&t);
}

static uint64_t named_hash(const void *value, uint64_t seed, void *user)
{
    const Named *named = (const Named *)value;
    (void)user;
    for (const char *c = named->text; c != NULL && *c != 0; c++) seed = seed * 31 + (uint8_t)*c;
    return seed * 31 + named->number;
}

TEST(hash_hook_replaces_the_bytes)
{
    twins t = twins_make();
    ecs_hooks hooks;
    ecs_component id;
    static char one[] = "name";
    static char two[] = "name";
    memset(&hooks, 0, sizeof hooks);
    hooks.hash = named_hash;
    REQUIRE_STATUS(ecs_component_register(t.a, ecs_type_of(Named), &id), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(t.a, id, &hooks), ECS_OK);
    REQUIRE_STATUS(ecs_component_register(t.b, ecs_type_of(Named), &id), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(t.b, id, &hooks), ECS_OK);
    ecs_set(t.a, t.e[0], Named, {one, 7, 1});
    ecs_set(t.b, t.e[0], Named, {two, 7, 2}); /* other address, other bytes that do not count */
    CHECK_SAME(t);
    ecs_set(t.b, t.e[0], Named, {two, 8, 2});
    CHECK_DIFFERENT(t);
    two[0] = 'g';
    ecs_set(t.b, t.e[0], Named, {two, 7, 2});
    CHECK_DIFFERENT(t);
    twins_end(&t);
}

ECS_QUERY(with_a, READ(A));

TEST(hash_does_not_see_reading)
{
    twins t = twins_make();
    ecs_query query = ecs_query_of(t.a, &with_a);
    CHECK_EQ_U64(ecs_query_count(t.a, query), 10);
    ECS_EACH(t.a, with_a, view) {
        CHECK(ecs_read(view, A) != NULL);
    }
    CHECK(ecs_get(t.a, t.e[0], A) != NULL);
    ecs_shrink(t.a);
    CHECK_SAME(t);
    CHECK_EQ_U64(ecs_world_hash(t.a), ecs_world_hash(t.a));
    twins_end(&t);
}

TEST(hash_of_cleared_worlds_is_equal)
{
    twins t = twins_make();
    CHECK_STATUS(ecs_world_clear(t.a), ECS_OK);
    CHECK_DIFFERENT(t);
    CHECK_STATUS(ecs_world_clear(t.b), ECS_OK);
    CHECK_SAME(t);
    ecs_entity a = ecs_spawn_with(t.a, (A, {1}));
    ecs_entity b = ecs_spawn_with(t.b, (A, {1}));
    CHECK(ecs_equal(a, b));
    CHECK_SAME(t);
    twins_end(&t);
}

TEST(hash_after_refused_edits_is_the_same)
{
    twins t = twins_make();
    CHECK_STATUS(ecs_set(t.a, ecs_null(), A, {1}), ECS_STALE);
    CHECK(ecs_is_null(ecs_clone(t.a, ecs_null())));
    CHECK_STATUS(ecs_remove(t.a, t.e[0], B), ECS_OK); /* it has none */
    CHECK_STATUS(ecs_add(t.a, t.e[0], A), ECS_OK);    /* it has one */
    CHECK_SAME(t);
    twins_end(&t);
}

/* ---- Equal histories ---------------------------------------------------------------------- */

/* Memory full of garbage, at other addresses than malloc's. */
static void *garbage_alloc(size_t bytes, size_t align, void *user)
{
    void *memory = NULL;
    if (posix_memalign(&memory, align < 64 ? 64 : align, bytes + 128) != 0) return NULL;
    memset(memory, *(const int *)user, bytes + 128);
    return memory;
}

static void garbage_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)align;
    (void)user;
    free(memory);
}

enum { TRACE_COUNT = 60 };

/* Hashes along a random history of the model's operations. */
static void trace_run(uint64_t seed, model_config config, uint64_t *hashes)
{
    static model m;
    model_source source;
    memset(&source, 0, sizeof source);
    source.state = seed;
    source.name = seed;
    config.steps = TRACE_COUNT * 20;
    model_open(&m, &source, &config);
    for (uint32_t i = 0; i < TRACE_COUNT; i++) {
        for (uint32_t k = 0; k < 20; k++) (void)model_step(&m);
        hashes[i] = ecs_world_hash(m.world);
    }
    model_close(&m);
}

static model_config trace_config(void)
{
    model_config config;
    memset(&config, 0, sizeof config);
    config.desc.entities_max = 200;
    config.desc.row_block_rows = 64;
    return config;
}

TEST(hash_of_equal_histories_is_equal_whatever_the_memory)
{
    uint64_t state = test_seed();
    for (uint32_t round = 0; round < test_rounds(30, 3000); round++) {
        int garbage = 0xcc;
        ecs_allocator allocator = {garbage_alloc, NULL, garbage_release, &garbage};
        uint64_t seed = test_random_u64(&state) >> 40;
        uint64_t plain[TRACE_COUNT];
        uint64_t other[TRACE_COUNT];
        model_config config = trace_config();
        trace_run(seed, config, plain);
        config.desc.allocator = &allocator;
        trace_run(seed, config, other);
        CHECK(memcmp(plain, other, sizeof plain) == 0);
        config.desc.allocator = NULL;
        config.desc.memory = ECS_MEMORY_FIXED;
        config.desc.tables_max = 8192;
        config.desc.chunks_max = 1024;
        config.desc.chunk_bytes = 1u << 16;
        trace_run(seed, config, other);
        CHECK(memcmp(plain, other, sizeof plain) == 0);
    }
}

TEST(hash_of_different_histories_differs)
{
    uint64_t one[TRACE_COUNT];
    uint64_t two[TRACE_COUNT];
    trace_run(1, trace_config(), one);
    trace_run(2, trace_config(), two);
    for (uint32_t i = 0; i < TRACE_COUNT; i++) CHECK(one[i] != two[i]);
}
