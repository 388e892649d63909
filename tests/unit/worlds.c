/* worlds.c: worlds that hand entities to each other: what is declared and refused, the life of
 * values on the way (the ledger of hook.c), references, marked entities and their retries,
 * priorities, groups, lockstep on any number of workers, memory that is refused at each call,
 * worlds that are full when something arrives, watermarks, and texts.
 * also: c++ */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#ifdef ECS_NO_WORLDS
TEST(worlds_removed_by_switch)
{
    SKIP("this build has no worlds together");
}
#else

typedef struct { uint64_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint32_t a, b, c; } Triple;
ECS_COMPONENT(Triple, a, b, c);
typedef struct { ecs_entity one; ecs_entity more[3]; } Links;
ECS_COMPONENT(Links, one, more);
typedef struct { uint64_t self; uint32_t serial; uint32_t number; } Guarded;
ECS_COMPONENT(Guarded, number);
typedef struct { uint32_t serial; uint32_t number; } Taken; /* destroy alone */
ECS_COMPONENT(Taken, number);
typedef struct { uint64_t words[40]; } Large;
ECS_COMPONENT(Large, words);
#if defined(__cplusplus)
typedef struct alignas(256) Wide { uint64_t value; uint64_t rest[31]; } Wide;
#else
typedef struct Wide { _Alignas(256) uint64_t value; uint64_t rest[31]; } Wide;
#endif
ECS_COMPONENT(Wide, value, rest);
ECS_TAG(Marked);
ECS_TAG(Echo);

ECS_QUERY(numbers, READ(Number));
ECS_QUERY(marked, WITH(ecs_transfer));

/* ---- helpers -------------------------------------------------------------------------- */

typedef struct {
    uint64_t calls;
    uint64_t fail_at; /* 0: never */
    uint64_t blocks;
    uint64_t bytes;
} heap_book;

static heap_book heap;

static void *heap_alloc(size_t bytes, size_t align, void *user)
{
    heap_book *book = (heap_book *)user;
    book->calls++;
    if (book->calls == book->fail_at) return NULL;
    book->blocks++;
    book->bytes += bytes;
    return ecsi_aligned_alloc(bytes, align < 16 ? 16 : align);
}

static void heap_release(void *memory, size_t bytes, size_t align, void *user)
{
    heap_book *book = (heap_book *)user;
    (void)align;
    book->blocks--;
    book->bytes -= bytes;
    ecsi_aligned_free(memory);
}

static const ecs_allocator counted = {heap_alloc, NULL, heap_release, &heap};

static char log_text[4096];
static uint32_t log_lines;

static void log_note(ecs_log_level level, const char *text, void *user)
{
    (void)level;
    (void)user;
    log_lines++;
    (void)snprintf(log_text, sizeof log_text, "%s", text);
}

static ecs_worlds_desc plain_desc(void)
{
    ecs_worlds_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.allocator = &counted;
    desc.log = log_note;
    return desc;
}

static void know(ecs_world *world)
{
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Number), NULL), ECS_OK);
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Triple), NULL), ECS_OK);
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Links), NULL), ECS_OK);
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Marked), NULL), ECS_OK);
}

typedef struct {
    ecs_worlds *worlds;
    ecs_world *a;
    ecs_world *b;
    uint32_t to_a;
    uint32_t to_b;
} duo;

static ecs_status add(ecs_worlds *worlds, ecs_world *world, const char *name)
{
    ecs_worlds_member_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    return ecs_worlds_add(worlds, world, &desc);
}

static ecs_route_desc way(const char *from, const char *to)
{
    ecs_route_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.from = from;
    desc.to = to;
    desc.capacity = 64;
    return desc;
}

static ecs_status route(ecs_worlds *worlds, const char *from, const char *to)
{
    ecs_route_desc desc = way(from, to);
    return ecs_worlds_route(worlds, &desc);
}

/* Two worlds with a route each way, of capacity 64. */
static duo make(const ecs_worlds_desc *desc)
{
    ecs_worlds_desc plain = plain_desc();
    duo d;
    d.worlds = ecs_worlds_create(desc == NULL ? &plain : desc);
    d.a = ecs_world_create(NULL);
    d.b = ecs_world_create(NULL);
    REQUIRE(d.worlds != NULL && d.a != NULL && d.b != NULL);
    know(d.a);
    know(d.b);
    REQUIRE_STATUS(add(d.worlds, d.a, "a"), ECS_OK);
    REQUIRE_STATUS(add(d.worlds, d.b, "b"), ECS_OK);
    REQUIRE_STATUS(route(d.worlds, "a", "b"), ECS_OK);
    REQUIRE_STATUS(route(d.worlds, "b", "a"), ECS_OK);
    d.to_a = ecs_worlds_number(d.worlds, d.a);
    d.to_b = ecs_worlds_number(d.worlds, d.b);
    return d;
}

static void end(duo *d)
{
    CHECK_STATUS(ecs_worlds_destroy(d->worlds), ECS_OK);
    ecs_world_destroy(d->a);
    ecs_world_destroy(d->b);
    CHECK_EQ_U64(heap.blocks, 0);
    CHECK_EQ_U64(heap.bytes, 0);
}

static ecs_route_stats stats_of(const duo *d)
{
    ecs_route_stats stats;
    REQUIRE_STATUS(ecs_worlds_route_stats(d->worlds, d->a, d->to_b, &stats), ECS_OK);
    return stats;
}

static ecs_entity numbered(ecs_world *world, uint64_t value)
{
    Number n = {value};
    ecs_entity e = ecs_spawn(world);
    REQUIRE(!ecs_is_null(e));
    REQUIRE_STATUS(ecs_set_type(world, e, ecs_type_of(Number), &n), ECS_OK);
    return e;
}

/* The n-th living entity, by slot. */
static ecs_entity nth(const ecs_world *world, uint32_t n)
{
    ecs_entity e = ecs_entity_next(world, ecs_null());
    while (n-- > 0) e = ecs_entity_next(world, e);
    return e;
}

static uint64_t number_of(const ecs_world *world, ecs_entity e)
{
    const Number *n = (const Number *)ecs_get_type(world, e, ecs_type_of(Number));
    return n == NULL ? UINT64_MAX : n->value;
}

static void mark(ecs_world *world, ecs_entity e, uint32_t target, uint32_t priority,
                 uint32_t group)
{
    ecs_transfer t;
    memset(&t, 0, sizeof t);
    t.target = target;
    t.priority = priority;
    t.group = group;
    REQUIRE_STATUS(ecs_set_type(world, e, ecs_type_of(ecs_transfer), &t), ECS_OK);
}

static uint64_t population(const duo *d)
{
    return (uint64_t)ecs_entity_count(d->a) + ecs_entity_count(d->b) +
           ecs_worlds_stats_of(d->worlds, NULL).in_flight_to;
}

/* ---- declaring ------------------------------------------------------------------------ */

TEST(worlds_bad_description_is_refused)
{
    ecs_worlds_desc desc = plain_desc();
    desc.transfers_max = (1u << 20) + 1;
    CHECK(ecs_worlds_create(&desc) == NULL);
#ifndef __cplusplus /* has no other values of these types */
    desc = plain_desc();
    desc.unknown = (ecs_unknown)7;
    CHECK(ecs_worlds_create(&desc) == NULL);
    desc = plain_desc();
    desc.references = (ecs_references)7;
    CHECK(ecs_worlds_create(&desc) == NULL);
#endif
    CHECK_EQ_U64(heap.calls, 0);
    CHECK_STATUS(ecs_worlds_destroy(NULL), ECS_OK);
    {
        ecs_worlds *worlds = ecs_worlds_create(NULL);
        REQUIRE(worlds != NULL);
        CHECK_STATUS(ecs_worlds_tick(worlds, 0), ECS_OK);
        CHECK_EQ_U64(ecs_worlds_settle(worlds), 0);
        CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
    }
}

TEST(worlds_member_twice_or_badly_named_is_refused)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_worlds_member_desc desc;
    ecs_world_choice choices[ECS_WORLDS_CHOICES_MAX + 1];
    char name[ECS_NAME_BYTES_MAX + 1];
    CHECK_STATUS(add(d.worlds, d.a, "other"), ECS_EXISTS);
    CHECK_STATUS(add(d.worlds, c, "a"), ECS_EXISTS);
    CHECK_STATUS(add(d.worlds, c, ""), ECS_INVALID);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    CHECK_STATUS(add(d.worlds, c, name), ECS_TOO_LARGE);
    name[sizeof name - 2] = 0;
    CHECK_STATUS(add(d.worlds, c, name), ECS_OK);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_OK);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_NOT_FOUND);
    memset(&desc, 0, sizeof desc);
    desc.name = "c";
    desc.target = "";
    CHECK_STATUS(ecs_worlds_add(d.worlds, c, &desc), ECS_INVALID);
    desc.target = NULL;
    desc.role = (ecs_world_role)7;
    CHECK_STATUS(ecs_worlds_add(d.worlds, c, &desc), ECS_INVALID);
    desc.role = ECS_ROLE_CUSTOM;
    memset(choices, 0, sizeof choices);
    desc.choices = choices;
    desc.choice_count = ECS_WORLDS_CHOICES_MAX + 1;
    CHECK_STATUS(ecs_worlds_add(d.worlds, c, &desc), ECS_TOO_LARGE);
    CHECK_EQ_U64(ecs_worlds_number(d.worlds, c), 0);
    CHECK_EQ_U64(ecs_worlds_find(d.worlds, "c"), 0);
    CHECK_EQ_U64(ecs_worlds_find(d.worlds, "b"), d.to_b);
    CHECK(ecs_worlds_world(d.worlds, d.to_b) == d.b);
    CHECK(ecs_worlds_world(d.worlds, 0) == NULL);
    CHECK(ecs_worlds_world(d.worlds, 3) == NULL);
    CHECK(ecs_worlds_world(d.worlds, 65) == NULL);
    ecs_world_destroy(c);
    end(&d);
}

TEST(worlds_sixty_fifth_is_full)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_world_desc small;
    ecs_worlds *worlds;
    static ecs_world *all[ECS_WORLDS_MAX + 1];
    uint32_t i;
    desc.transfers_max = 16;
    memset(&small, 0, sizeof small);
    small.components_max = 16;
    worlds = ecs_worlds_create(&desc);
    REQUIRE(worlds != NULL);
    for (i = 0; i <= ECS_WORLDS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "w%u", i);
        all[i] = ecs_world_create(&small);
        REQUIRE(all[i] != NULL);
        CHECK_STATUS(add(worlds, all[i], name), i < ECS_WORLDS_MAX ? ECS_OK : ECS_FULL);
    }
    CHECK_EQ_U64(ecs_worlds_number(worlds, all[63]), 64);
    CHECK_STATUS(ecs_worlds_remove(worlds, all[7]), ECS_OK);
    CHECK_STATUS(add(worlds, all[64], "w64"), ECS_OK); /* takes the place and the number */
    CHECK_EQ_U64(ecs_worlds_number(worlds, all[64]), 8);
    CHECK_STATUS(ecs_worlds_tick(worlds, 0.1f), ECS_OK);
    CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
    for (i = 0; i <= ECS_WORLDS_MAX; i++) ecs_world_destroy(all[i]);
    CHECK_EQ_U64(heap.blocks, 0);
}

TEST(worlds_bad_routes_are_refused)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_worlds_member_desc alone;
    ecs_route_desc desc;
    ecs_route_stats stats;
    memset(&alone, 0, sizeof alone);
    alone.name = "alone";
    alone.role = ECS_ROLE_STANDALONE;
    CHECK_STATUS(ecs_worlds_add(d.worlds, c, &alone), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "a"), ECS_INVALID);
    CHECK_STATUS(route(d.worlds, "a", "b"), ECS_EXISTS);
    CHECK_STATUS(route(d.worlds, "a", "nobody"), ECS_NOT_FOUND);
    CHECK_STATUS(route(d.worlds, "nobody", "a"), ECS_NOT_FOUND);
    CHECK_STATUS(route(d.worlds, "a", "alone"), ECS_INVALID);
    CHECK_STATUS(route(d.worlds, "alone", "a"), ECS_INVALID);
    desc = way("a", "alone");
#define BAD(member, value)                                                         \
    desc = way(NULL, "b");                                                         \
    desc.member = value;                                                           \
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_INVALID)
    BAD(capacity, 3);
    BAD(capacity, 1);
    BAD(capacity, 1u << 21);
    BAD(batch, 65);
    desc = way(NULL, "b");
    desc.capacity = 8192;
    desc.batch = 4097;
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_INVALID);
    BAD(body_bytes, (1u << 24) + 1);
    BAD(high, 65);
    BAD(low, 64);
    BAD(spsc, true); /* without a sender of its own */
    CHECK_STATUS(ecs_worlds_route_stats(d.worlds, NULL, d.to_b, &stats), ECS_NOT_FOUND);
    CHECK_STATUS(route(d.worlds, NULL, "b"), ECS_OK);
    CHECK_STATUS(route(d.worlds, NULL, "b"), ECS_EXISTS);
    CHECK_STATUS(ecs_worlds_route_stats(d.worlds, NULL, d.to_b, &stats), ECS_OK);
    CHECK_EQ_U64(stats.capacity, 64);
    /* A shared route does not lead home, and a standalone one has no part in it. */
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, numbered(d.b, 1), d.to_b), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_worlds_send(d.worlds, c, ecs_spawn(c), d.to_b), ECS_NOT_FOUND);
    end(&d);
    ecs_world_destroy(c);
}

TEST(worlds_refused_allocation_leaks_nothing)
{
    uint64_t n;
    ecs_world *a = ecs_world_create(NULL);
    ecs_world *b = ecs_world_create(NULL);
    bool refused = true;
    know(a);
    know(b);
    for (n = 1; refused; n++) {
        ecs_worlds_desc desc = plain_desc();
        ecs_worlds *worlds;
        uint32_t step;
        REQUIRE(n < 100);
        memset(&heap, 0, sizeof heap);
        heap.fail_at = n;
        worlds = ecs_worlds_create(&desc);
        refused = worlds == NULL;
        for (step = 0; worlds != NULL && step < 4; step++) {
            ecs_status status = ECS_OK;
            uint64_t blocks = heap.blocks;
            if (step == 0) status = add(worlds, a, "a");
            if (step == 1) status = add(worlds, b, "b");
            if (step == 2) status = route(worlds, "a", "b");
            if (step == 3) status = route(worlds, NULL, "a");
            if (status == ECS_OK) continue;
            CHECK_STATUS(status, ECS_NO_MEMORY);
            if (step < 2) CHECK_EQ_U64(heap.blocks, blocks);
            refused = true;
            step--; /* the second time it is good */
        }
        if (worlds != NULL) {
            uint64_t calls = heap.calls;
            CHECK_STATUS(ecs_worlds_send(worlds, a, numbered(a, n), 2), ECS_OK);
            CHECK_STATUS(ecs_worlds_tick(worlds, 0), ECS_OK);
            CHECK_EQ_U64(heap.calls, calls); /* nothing is allocated afterwards */
            CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
        }
        CHECK_EQ_U64(heap.blocks, 0);
        CHECK_EQ_U64(heap.bytes, 0);
    }
    CHECK(n > 6);
    CHECK_EQ_U64(ecs_entity_count(b), n - 2); /* each but the one without a coordinator */
    ecs_world_destroy(a);
    ecs_world_destroy(b);
}

TEST(worlds_world_of_another_coordinator_is_refused)
{
    duo d = make(NULL);
    ecs_worlds *others = ecs_worlds_create(NULL);
    REQUIRE(others != NULL);
    CHECK_STATUS(add(others, d.a, "x"), ECS_EXISTS);
    CHECK_EQ_U64(ecs_worlds_number(others, d.a), 0);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, d.a), ECS_OK);
    CHECK_STATUS(add(others, d.a, "x"), ECS_OK);
    CHECK_STATUS(add(d.worlds, d.a, "a"), ECS_EXISTS);
    CHECK_STATUS(ecs_worlds_destroy(others), ECS_OK);
    CHECK_STATUS(add(d.worlds, d.a, "a"), ECS_OK);
    end(&d);
}

TEST(worlds_pool_in_use_is_kept)
{
    ecs_pool *pool = ecs_pool_create(NULL);
    ecs_worlds_desc desc = plain_desc();
    ecs_worlds *worlds;
    desc.pool = pool;
    worlds = ecs_worlds_create(&desc);
    REQUIRE(worlds != NULL);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

/* ---- sending -------------------------------------------------------------------------- */

TEST(send_takes_the_entity_and_puts_it_in)
{
    duo d = make(NULL);
    ecs_entity e = numbered(d.a, 7);
    ecs_entity stays = numbered(d.a, 8);
    Triple t = {1, 2, 3};
    ecs_entity there;
    ecs_route_stats stats;
    CHECK_STATUS(ecs_set_type(d.a, e, ecs_type_of(Triple), &t), ECS_OK);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Marked)), ECS_OK);
    CHECK_EQ_U64(population(&d), 2);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_OK);
    CHECK(!ecs_alive(d.a, e));
    CHECK(ecs_alive(d.a, stays));
    CHECK_EQ_U64(number_of(d.a, stays), 8);
    CHECK_EQ_U64(ecs_entity_count(d.b), 0);
    CHECK_EQ_U64(population(&d), 2);
    stats = stats_of(&d);
    CHECK_EQ_U64(stats.sent, 1);
    CHECK_EQ_U64(stats.in_flight, 1);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_STALE);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 1);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 0);
    there = nth(d.b, 0);
    CHECK_EQ_U64(number_of(d.b, there), 7);
    CHECK(ecs_has_type(d.b, there, ecs_type_of(Marked)));
    CHECK_EQ_U64(((const Triple *)ecs_get_type(d.b, there, ecs_type_of(Triple)))->c, 3);
    stats = stats_of(&d);
    CHECK_EQ_U64(stats.arrived, 1);
    CHECK_EQ_U64(stats.in_flight, 0);
    CHECK_EQ_U64(stats.refused, 0);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).sent, 1);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).arrived, 0);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.b).arrived, 1);
    CHECK_EQ_U64(population(&d), 2);
    /* An entity with nothing travels as well. */
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, ecs_spawn(d.b), d.to_a), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(ecs_entity_count(d.a), 2);
    end(&d);
}

TEST(send_without_a_way_is_refused)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_entity e = numbered(d.a, 1);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_a), ECS_NOT_FOUND); /* to itself */
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 3), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 64), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 65), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, UINT32_MAX), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 0), ECS_NOT_FOUND); /* no default target */
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).refused, 6);
    CHECK_STATUS(ecs_worlds_send(d.worlds, c, ecs_spawn(c), d.to_a), ECS_NOT_FOUND);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, ecs_null(), d.to_b), ECS_STALE);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, NULL, 0, d.to_b), ECS_INVALID);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 3), ECS_NOT_FOUND); /* a member, no route */
    CHECK(ecs_alive(d.a, e));
    CHECK_EQ_U64(stats_of(&d).refused, 0);
    end(&d);
    ecs_world_destroy(c);
}

TEST(send_while_iterated_is_locked)
{
    duo d = make(NULL);
    ecs_entity e = numbered(d.a, 1);
    ecs_iter iter;
    ecs_iter_begin(d.a, ecs_query_of(d.a, &numbers), &iter);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_LOCKED);
    ecs_iter_end(&iter);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_OK);
    (void)numbered(d.b, 2);
    ecs_iter_begin(d.b, ecs_query_of(d.b, &numbers), &iter);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.b, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_LOCKED);
    ecs_iter_end(&iter);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 1);
    end(&d);
}

TEST(send_to_full_route_stays_and_is_counted)
{
    duo d = make(NULL);
    ecs_entity e = ecs_null();
    uint32_t i;
    for (i = 0; i < 64; i++) {
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, i), d.to_b), ECS_OK);
    }
    e = numbered(d.a, 64);
#ifndef ECS_NO_HASH
    {
        uint64_t hash = ecs_world_hash(d.a);
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_FULL);
        CHECK_EQ_U64(ecs_world_hash(d.a), hash); /* untouched */
    }
#else
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_FULL);
#endif
    CHECK(ecs_alive(d.a, e));
    CHECK_EQ_U64(number_of(d.a, e), 64);
    CHECK_EQ_U64(stats_of(&d).refused, 1);
    CHECK_EQ_U64(stats_of(&d).refused_full, 1);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).refused, 1);
    CHECK_EQ_U64(population(&d), 65);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 64);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    for (i = 0; i < 65; i++) CHECK_EQ_U64(number_of(d.b, nth(d.b, i)), i); /* in order */
    end(&d);
}

TEST(send_too_large_for_a_body_is_refused)
{
    duo d = make(NULL);
    ecs_entity e = numbered(d.a, 1);
    Large large;
    memset(&large, 5, sizeof large);
    CHECK_STATUS(ecs_component_register(d.b, ecs_type_of(Large), NULL), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 0); /* lets senders know of it */
    CHECK_STATUS(ecs_set_type(d.a, e, ecs_type_of(Large), &large), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_TOO_LARGE);
    CHECK(ecs_alive(d.a, e));
    CHECK_EQ_U64(stats_of(&d).refused, 1);
    CHECK_EQ_U64(stats_of(&d).refused_full, 0);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 2), d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
}

/* A body has room for its parts and values to the byte. */
TEST(send_body_that_just_fits_travels)
{
    ecs_world *c = ecs_world_create(NULL);
    uint32_t extra;
    for (extra = 0; extra < 2; extra++) {
        duo d = make(NULL);
        ecs_route_desc desc = way("a", "c");
        ecs_entity e = numbered(d.a, 9);
        Large large;
        memset(&large, 5, sizeof large);
        large.words[39] = 77;
        CHECK_STATUS(ecs_set_type(d.a, e, ecs_type_of(Large), &large), ECS_OK);
        if (extra == 1) CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Marked)), ECS_OK);
        (void)ecs_component_register(c, ecs_type_of(Large), NULL);
        know(c);
        CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
        desc.body_bytes = 384 - 40; /* becomes 384: 320 + 8 and two parts are 344 */
        CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 3), ECS_OK);
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 1);
        e = nth(c, extra);
        CHECK_EQ_U64(((const Large *)ecs_get_type(c, e, ecs_type_of(Large)))->words[39], 77);
        CHECK_EQ_U64(number_of(c, e), 9);
        end(&d);
    }
    ecs_world_destroy(c);
}

TEST(send_wide_alignment_is_kept)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_route_desc desc = way("a", "c");
    uint32_t i;
    CHECK_STATUS(ecs_component_register(c, ecs_type_of(Wide), NULL), ECS_OK);
    know(c);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    desc.body_bytes = 576; /* its 256, as much for the address, parts */
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
    for (i = 0; i < 16; i++) {
        Wide wide;
        ecs_entity e = numbered(d.a, i);
        memset(&wide, 0, sizeof wide);
        wide.value = i + 100;
        CHECK_STATUS(ecs_set_type(d.a, e, ecs_type_of(Wide), &wide), ECS_OK);
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 3), ECS_OK);
    }
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 16);
    for (i = 0; i < 16; i++) {
        const Wide *wide = (const Wide *)ecs_get_type(c, nth(c, i), ecs_type_of(Wide));
        CHECK_EQ_U64(wide->value, i + 100);
        CHECK_EQ_U64(number_of(c, nth(c, i)), i);
    }
    end(&d);
    ecs_world_destroy(c);
}

TEST(send_unknown_component_is_refused)
{
    duo d = make(NULL);
    ecs_entity e = numbered(d.a, 1);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Echo)), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_UNSUPPORTED);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_UNSUPPORTED);
    CHECK_EQ_U64(log_lines, 1); /* told once */
    CHECK_CONTAINS(log_text, "b does not know Echo of a: refused");
    CHECK(ecs_has_type(d.a, e, ecs_type_of(Echo)));
    CHECK_EQ_U64(stats_of(&d).refused, 2);
    CHECK_EQ_U64(stats_of(&d).components_dropped, 0);
    /* Once the target knows it, and has let senders know. */
    CHECK_STATUS(ecs_component_register(d.b, ecs_type_of(Echo), NULL), ECS_OK);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.b, 0), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK(ecs_has_type(d.b, nth(d.b, 0), ecs_type_of(Echo)));
    end(&d);
}

TEST(send_in_lockstep_knows_at_once)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_entity e;
    desc.lockstep = true;
    d = make(&desc);
    e = numbered(d.a, 1);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Echo)), ECS_OK);
    CHECK_STATUS(ecs_component_register(d.b, ecs_type_of(Echo), NULL), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_OK);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_UNSUPPORTED);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    CHECK(ecs_has_type(d.b, nth(d.b, 0), ecs_type_of(Echo)));
    end(&d);
}

TEST(send_unknown_component_is_dropped_and_counted)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_entity e;
    desc.unknown = ECS_UNKNOWN_DROP;
    d = make(&desc);
    e = numbered(d.a, 3);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Echo)), ECS_OK);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Taken)), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_OK);
    CHECK_EQ_U64(log_lines, 2);
    CHECK_CONTAINS(log_text, "dropped");
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    e = nth(d.b, 0);
    CHECK_EQ_U64(number_of(d.b, e), 3);
    CHECK_EQ_U64(ecs_entity_components(d.b, e, NULL, 0), 1);
    CHECK_EQ_U64(stats_of(&d).components_dropped, 2);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).components_dropped, 2);
    end(&d);
}

TEST(send_other_shape_is_a_mismatch)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_type other = *ecs_type_of(Taken);
    duo d;
    ecs_entity e;
    desc.unknown = ECS_UNKNOWN_DROP; /* even so */
    desc.lockstep = true;
    d = make(&desc);
    other.members = NULL;
    other.member_count = 0;
    other.bytes = 16;
    CHECK_STATUS(ecs_component_define(d.b, &other, NULL), ECS_OK);
    e = numbered(d.a, 3);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Taken)), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, d.to_b), ECS_MISMATCH);
    CHECK(ecs_alive(d.a, e));
    end(&d);
}

TEST(send_group_all_or_nothing)
{
    duo d = make(NULL);
    ecs_entity group[65];
    uint32_t i;
    for (i = 0; i < 65; i++) group[i] = numbered(d.a, i);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group, 65, d.to_b), ECS_TOO_LARGE);
    CHECK_EQ_U64(stats_of(&d).refused, 65);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group, 60, d.to_b), ECS_OK);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group + 60, 5, d.to_b), ECS_FULL);
    CHECK_EQ_U64(stats_of(&d).refused_full, 5);
    CHECK_EQ_U64(ecs_entity_count(d.a), 5);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group + 59, 5, d.to_b), ECS_STALE);
    group[0] = group[61];
    group[1] = group[62];
    group[2] = group[61];
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group, 3, d.to_b), ECS_INVALID);
    CHECK_EQ_U64(ecs_entity_count(d.a), 5);
    CHECK_STATUS(ecs_add_type(d.a, group[63], ecs_type_of(Echo)), ECS_OK);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group + 60, 4, d.to_b), ECS_UNSUPPORTED);
    CHECK_EQ_U64(ecs_entity_count(d.a), 5);
    CHECK_EQ_U64(population(&d), 65);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
}

TEST(ring_positions_cross_their_words)
{
    static const uint64_t starts[] = {0x7fffffe0u, 0xffffffe0u, UINT64_MAX - 31, 1};
    uint32_t s;
    for (s = 0; s < 4; s++) {
        duo d = make(NULL);
        ecsi_route *r = d.worlds->routes[0][1];
        uint32_t i;
        uint32_t round;
        ecsi_ring_create(&r->ring, r->ring.slots, r->ring.capacity, starts[s]);
        for (round = 0; round < 4; round++) {
            ecs_entity e[64];
            for (i = 0; i < 64; i++) e[i] = numbered(d.a, round * 64 + i);
            for (i = 0; i < 64 && round % 2 == 1; i++) {
                CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e[i], d.to_b), ECS_OK);
            }
            if (round % 2 == 0) {
                CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, e, 64, d.to_b), ECS_OK);
            }
            CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 0), d.to_b), ECS_FULL);
            CHECK_EQ_U64(ecs_world_clear(d.a), ECS_OK);
            CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 64);
        }
        for (i = 0; i < 256; i++) CHECK_EQ_U64(number_of(d.b, nth(d.b, i)), i);
        end(&d);
    }
}

/* ---- values and notices --------------------------------------------------------------- */

enum { SERIALS_MAX = 4096 };

static struct {
    uint8_t live[SERIALS_MAX];
    uint32_t next;
    uint32_t live_count;
    uint32_t copies;
    uint32_t moves;
} ledger;

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
    REQUIRE(serial != 0 && serial < SERIALS_MAX);
    if (CHECK(ledger.live[serial] == 1)) ledger.live_count--;
    ledger.live[serial] = 0;
}

static void guarded_init(void *dst, uint32_t count, void *user)
{
    Guarded *g = (Guarded *)dst;
    uint32_t i;
    (void)user;
    for (i = 0; i < count; i++) {
        g[i].self = (uint64_t)(uintptr_t)&g[i];
        g[i].serial = ledger_open();
        g[i].number = 0;
    }
}

static void guarded_copy(void *dst, const void *src, uint32_t count, void *user)
{
    uint32_t i;
    guarded_init(dst, count, user);
    ledger.copies += count;
    for (i = 0; i < count; i++) ((Guarded *)dst)[i].number = ((const Guarded *)src)[i].number;
}

static void guarded_move(void *dst, void *src, uint32_t count, void *user)
{
    Guarded *to = (Guarded *)dst;
    Guarded *from = (Guarded *)src;
    uint32_t i;
    (void)user;
    ledger.moves += count;
    for (i = 0; i < count; i++) {
        CHECK_EQ_U64(from[i].self, (uint64_t)(uintptr_t)&from[i]);
        to[i].self = (uint64_t)(uintptr_t)&to[i];
        to[i].serial = from[i].serial;
        to[i].number = from[i].number;
        memset(&from[i], 0xdd, sizeof from[i]);
    }
}

static void guarded_destroy(void *values, uint32_t count, void *user)
{
    Guarded *g = (Guarded *)values;
    uint32_t i;
    (void)user;
    for (i = 0; i < count; i++) {
        CHECK_EQ_U64(g[i].self, (uint64_t)(uintptr_t)&g[i]);
        ledger_close(g[i].serial);
        memset(&g[i], 0xee, sizeof g[i]);
    }
}

static void taken_destroy(void *values, uint32_t count, void *user)
{
    Taken *t = (Taken *)values;
    uint32_t i;
    (void)user;
    for (i = 0; i < count; i++) {
        if (t[i].serial != 0) ledger_close(t[i].serial);
    }
}

/* What the notices said, in order. */
static char story[8192];

static void tell(const char *what, void *user, ecs_entity e, const void *value)
{
    size_t at = strlen(story);
    (void)snprintf(story + at, sizeof story - at, "%s %s %u %u; ", (const char *)user, what,
                   ecs_index(e), value == NULL ? 0u : ((const Guarded *)value)->number);
}

static void tell_add(ecs_world *w, ecs_entity e, void *value, void *user)
{
    CHECK(ecs_alive(w, e));
    CHECK(ecs_is_null(ecs_spawn(w))); /* locked */
    tell("add", user, e, value);
}

static void tell_set(ecs_world *w, ecs_entity e, void *value, void *user)
{
    CHECK(ecs_alive(w, e));
    tell("set", user, e, value);
}

static void tell_remove(ecs_world *w, ecs_entity e, void *value, void *user)
{
    CHECK(ecs_alive(w, e));
    tell("remove", user, e, value);
}

/* Registers the guarded and the taken component; notices carry the world's name. */
static void guard(ecs_world *world, const char *name)
{
    ecs_component c;
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.init = guarded_init;
    hooks.copy = guarded_copy;
    hooks.move = guarded_move;
    hooks.destroy = guarded_destroy;
    hooks.on_add = tell_add;
    hooks.on_set = tell_set;
    hooks.on_remove = tell_remove;
    hooks.user = (void *)(uintptr_t)name;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Guarded), &c), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, c, &hooks), ECS_OK);
    memset(&hooks, 0, sizeof hooks);
    hooks.destroy = taken_destroy;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Taken), &c), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, c, &hooks), ECS_OK);
}

static ecs_entity guarded_make(ecs_world *world, uint32_t number)
{
    Taken taken;
    ecs_entity e = ecs_spawn(world);
    Guarded *g;
    REQUIRE_STATUS(ecs_add_type(world, e, ecs_type_of(Guarded)), ECS_OK);
    g = (Guarded *)ecs_get_mut_type(world, e, ecs_type_of(Guarded));
    g->number = number;
    taken.serial = ledger_open();
    taken.number = number;
    REQUIRE_STATUS(ecs_set_type(world, e, ecs_type_of(Taken), &taken), ECS_OK);
    return e;
}

TEST(values_travel_by_move_and_end_once)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_entity all[20];
    uint32_t i;
    desc.lockstep = true;
    d = make(&desc);
    guard(d.a, "a");
    guard(d.b, "b");
    for (i = 0; i < 20; i++) all[i] = guarded_make(d.a, i);
    CHECK_EQ_U64(ledger.live_count, 40);
    for (i = 0; i < 20; i += 3) {
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, all[i], d.to_b), ECS_OK);
    }
    CHECK_EQ_U64(ledger.live_count, 40);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(ledger.live_count, 40);
    CHECK_EQ_U64(ledger.copies, 0);
    CHECK(ledger.moves >= 14);
    for (i = 0; i < 7; i++) {
        const Guarded *g = (const Guarded *)ecs_get_type(d.b, nth(d.b, i), ecs_type_of(Guarded));
        CHECK_EQ_U64(g->self, (uint64_t)(uintptr_t)g);
        CHECK_EQ_U64(g->number, i * 3);
    }
    for (i = 0; i < 7; i++) {
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, nth(d.b, 0), d.to_a), ECS_OK);
    }
    CHECK_STATUS(ecs_worlds_destroy(d.worlds), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, d.a), 7);
    CHECK_EQ_U64(ledger.live_count, 26);
    end(&d);
    CHECK_EQ_U64(ledger.live_count, 0);
}

TEST(values_that_are_dropped_end_at_the_source)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    desc.unknown = ECS_UNKNOWN_DROP;
    d = make(&desc);
    guard(d.a, "a");
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, guarded_make(d.a, 5), d.to_b), ECS_OK);
    CHECK_EQ_U64(ledger.live_count, 0);
    CHECK_EQ_U64(stats_of(&d).components_dropped, 2);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(ecs_entity_count(d.b), 1);
    end(&d);
}

TEST(notices_come_at_the_right_ends)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_entity e[2];
    desc.lockstep = true;
    d = make(&desc);
    guard(d.a, "a");
    guard(d.b, "b");
    (void)ecs_spawn(d.b);
    e[0] = guarded_make(d.a, 5);
    e[1] = guarded_make(d.a, 6);
    story[0] = 0;
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, e, 2, d.to_b), ECS_OK);
    CHECK_STR(story, "a remove 0 5; a remove 1 6; ");
    story[0] = 0;
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_STR(story, "b add 1 5; b set 1 5; b add 2 6; b set 2 6; ");
    story[0] = 0;
    e[0] = nth(d.b, 1);
    CHECK_STATUS(ecs_add_type(d.b, e[0], ecs_type_of(Echo)), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, e[0], d.to_a), ECS_UNSUPPORTED);
    CHECK_STR(story, ""); /* a refusal is silent */
    end(&d);
    CHECK_EQ_U64(ledger.live_count, 0);
}

TEST(arrival_brings_what_its_components_require)
{
    duo d = make(NULL);
    ecs_component number = ecs_component_of(d.b, ecs_type_of(Number));
    ecs_component triple = ecs_component_of(d.b, ecs_type_of(Triple));
    const Triple *t;
    CHECK_STATUS(ecs_component_require(d.b, number, triple), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 1), d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    t = (const Triple *)ecs_get_type(d.b, nth(d.b, 0), ecs_type_of(Triple));
    REQUIRE(t != NULL);
    CHECK_EQ_U64(t->a, 0);
    end(&d);
}

/* ---- references ----------------------------------------------------------------------- */

static ecs_entity linked(ecs_world *world, ecs_entity one, ecs_entity two, ecs_entity three)
{
    Links links;
    ecs_entity e = ecs_spawn(world);
    memset(&links, 0, sizeof links);
    links.one = one;
    links.more[0] = two;
    links.more[2] = three;
    REQUIRE_STATUS(ecs_set_type(world, e, ecs_type_of(Links), &links), ECS_OK);
    return e;
}

static const Links *links_of(const ecs_world *world, ecs_entity e)
{
    const Links *links = (const Links *)ecs_get_type(world, e, ecs_type_of(Links));
    REQUIRE(links != NULL);
    return links;
}

static void check_references(ecs_references references)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_entity group[3];
    ecs_entity stays;
    ecs_entity self;
    const Links *links;
    Links own;
    desc.references = references;
    d = make(&desc);
    (void)ecs_spawn(d.b); /* so that handles differ */
    stays = numbered(d.a, 1);
    group[0] = numbered(d.a, 2);
    group[2] = numbered(d.a, 3);
    group[1] = linked(d.a, group[2], stays, group[0]); /* one before it, one behind it */
    memset(&own, 0, sizeof own);
    own.one = group[1];
    own.more[1] = group[2];
    CHECK_STATUS(ecs_set_type(d.a, group[2], ecs_type_of(Links), &own), ECS_OK);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group, 3, d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    links = links_of(d.b, nth(d.b, 2));
    CHECK_EQ_U64(number_of(d.b, links->one), 3);
    CHECK_EQ_U64(number_of(d.b, links->more[2]), 2);
    CHECK_EQ_U64(links->more[1].bits, 0);
    CHECK_EQ_U64(links->more[0].bits, references == ECS_REFERENCES_KEEP ? stays.bits : 0);
    self = nth(d.b, 3);
    CHECK_EQ_U64(links_of(d.b, self)->one.bits, nth(d.b, 2).bits);
    CHECK_EQ_U64(links_of(d.b, self)->more[1].bits, self.bits);
    end(&d);
}

TEST(references_in_a_batch_are_remapped_others_null)
{
    check_references(ECS_REFERENCES_NULL);
}

TEST(references_in_a_batch_are_remapped_others_kept)
{
    check_references(ECS_REFERENCES_KEEP);
}

TEST(references_across_batches_become_null)
{
    duo d = make(NULL);
    ecs_entity first = numbered(d.a, 1);
    ecs_entity second = linked(d.a, first, ecs_null(), ecs_null());
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, first, d.to_b), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, second, d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(links_of(d.b, nth(d.b, 1))->one.bits, 0);
    end(&d);
}

/* ---- marked entities ------------------------------------------------------------------ */

TEST(marked_entities_go_after_the_tick_by_priority)
{
    duo d = make(NULL);
    uint32_t i;
    for (i = 0; i < 10; i++) mark(d.a, numbered(d.a, i), d.to_b, i % 3, 0);
    (void)numbered(d.a, 99);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0.1f), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 1);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.b, 0.1f), ECS_OK);
    {
        static const uint64_t order[] = {2, 5, 8, 1, 4, 7, 0, 3, 6, 9};
        for (i = 0; i < 10; i++) CHECK_EQ_U64(number_of(d.b, nth(d.b, i)), order[i]);
    }
    /* The marker stays behind, and the target need not know it. */
    CHECK_EQ_U64(ecs_component_find(d.b, "ecs_transfer").id, 0);
    CHECK_EQ_U64(ecs_world_tick(d.a), 1);
    end(&d);
}

ECS_SYSTEM(send_away, READ(Number), NOT(ecs_transfer))
{
    const Number *n = ecs_read(view, Number);
    const uint32_t *target = (const uint32_t *)view->user;
    for (uint32_t i = 0; i < view->count; i++) {
        if (n[i].value % 2 == 0) {
            ecs_cmd_set(view->cmd, view->entities[i], ecs_transfer, {*target, 0, 0, 0, {0, 0, 0}});
        }
    }
    return ECS_OK;
}

TEST(marked_by_command_in_a_system)
{
    duo d = make(NULL);
    ecs_system_desc system;
    uint32_t i;
    memset(&system, 0, sizeof system);
    system.system = &send_away;
    system.user = &d.to_b;
    REQUIRE_STATUS(ecs_system_add_desc(d.a, &system), ECS_OK);
    for (i = 0; i < 10; i++) (void)numbered(d.a, i);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0.1f), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 5);
    CHECK_EQ_U64(population(&d), 10);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0.1f), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.b), 5);
    end(&d);
}

/* A door with routes by component, and members of the other roles. */
static void add_by_roles(ecs_worlds *worlds, ecs_world **w)
{
    static const char *const names[] = {"door", "files", "sums", "marks"};
    static const ecs_world_role roles[] = {ECS_ROLE_ACCEPT, ECS_ROLE_IO, ECS_ROLE_COMPUTE,
                                           ECS_ROLE_CUSTOM};
    ecs_worlds_member_desc desc;
    ecs_world_choice choices[2];
    uint32_t i;
    for (i = 0; i < 4; i++) {
        w[i] = ecs_world_create(NULL);
        know(w[i]);
        memset(&desc, 0, sizeof desc);
        desc.name = names[i];
        desc.role = roles[i];
        if (i == 0) {
            choices[0].type = ecs_type_of(Echo); /* not known here */
            choices[0].target = "nobody";
            choices[1].type = ecs_type_of(Marked);
            choices[1].target = "marks"; /* added later */
            desc.choices = choices;
            desc.choice_count = 2;
        }
        if (i == 3) desc.target = "later";
        CHECK_STATUS(ecs_worlds_add(worlds, w[i], &desc), ECS_OK);
        memset(&desc, 0xff, sizeof desc); /* all of it was copied */
        memset(choices, 0xff, sizeof choices);
    }
}

TEST(marked_without_target_go_by_component_then_by_default)
{
    ecs_worlds_desc plain = plain_desc();
    ecs_worlds *worlds = ecs_worlds_create(&plain);
    ecs_world *w[4];
    ecs_entity e;
    char text[4096];
    uint32_t i;
    add_by_roles(worlds, w);
    CHECK_STATUS(route(worlds, "door", "files"), ECS_OK);
    CHECK_STATUS(route(worlds, "door", "marks"), ECS_OK);
    CHECK_STATUS(route(worlds, "files", "sums"), ECS_OK);
    mark(w[0], numbered(w[0], 1), 0, 0, 0);
    e = numbered(w[0], 2);
    CHECK_STATUS(ecs_add_type(w[0], e, ecs_type_of(Marked)), ECS_OK);
    mark(w[0], e, 0, 0, 0);
    mark(w[3], numbered(w[3], 3), 0, 0, 0); /* its target is not there */
    CHECK_STATUS(ecs_worlds_tick(worlds, 0), ECS_OK);
    CHECK_STATUS(ecs_worlds_tick(worlds, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(w[0]), 0);
    CHECK_EQ_U64(number_of(w[1], nth(w[1], 0)), 1);
    CHECK_EQ_U64(ecs_entity_count(w[3]), 2);
    CHECK_EQ_U64(ecs_worlds_stats_of(worlds, w[3]).refused, 2);
    CHECK_STATUS(ecs_worlds_send(worlds, w[1], nth(w[1], 0), 0), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(worlds, w[2]), 1);
    CHECK_EQ_U64(number_of(w[2], nth(w[2], 0)), 1);
    e = numbered(w[0], 4);
    CHECK_STATUS(ecs_worlds_send(worlds, w[0], e, 0), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(worlds), 0);
#ifndef ECS_NO_EXPLAIN
    CHECK(ecs_explain_worlds(worlds, text, sizeof text) < sizeof text);
    CHECK_CONTAINS(text, "4 worlds, each at its own pace");
    CHECK_CONTAINS(text, "1 door: accept, tick 2, 0 entities");
    CHECK_CONTAINS(text, "    with Echo to nobody (not there)");
    CHECK_CONTAINS(text, "    with Marked to marks\n");
    CHECK_CONTAINS(text, "    default to files (by role)");
    CHECK_CONTAINS(text, "    default to later (not there)");
    CHECK_CONTAINS(text, "door -> files: capacity 64, batch 64, body 256 bytes, priority 0, "
                         "marks 48 and 24\n    sent 2, arrived 2, on the way 0");
    CHECK_EQ_U64(ecs_explain_worlds(worlds, NULL, 0), strlen(text));
#else
    (void)text;
#endif
    CHECK_STATUS(ecs_worlds_remove(worlds, w[3]), ECS_OK);
    CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
    for (i = 0; i < 4; i++) ecs_world_destroy(w[i]);
    CHECK_EQ_U64(heap.blocks, 0);
}

static const ecs_transfer *transfer_of(const ecs_world *world, ecs_entity e)
{
    const ecs_transfer *t = (const ecs_transfer *)ecs_get_type(world, e,
                                                               ecs_type_of(ecs_transfer));
    REQUIRE(t != NULL);
    return t;
}

TEST(marked_and_refused_is_tried_again_and_given_up)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_entity e;
    uint64_t tries[40];
    uint32_t count = 0;
    uint32_t i;
    desc.retry.limit = 5;
    desc.retry.first = 1;
    desc.retry.most = 4;
    d = make(&desc);
    e = numbered(d.a, 1);
    CHECK_STATUS(ecs_add_type(d.a, e, ecs_type_of(Echo)), ECS_OK); /* never succeeds */
    mark(d.a, e, d.to_b, 0, 0);
    for (i = 1; i <= 40; i++) {
        uint64_t before = stats_of(&d).refused;
        CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
        if (stats_of(&d).refused > before) tries[count++] = i;
    }
    CHECK_EQ_U64(count, 6); /* once, and five retries after 1, 2, 4, 4 and 4 ticks */
    CHECK_EQ_U64(tries[0], 1);
    CHECK_EQ_U64(tries[1], 2);
    CHECK_EQ_U64(tries[2], 4);
    CHECK_EQ_U64(tries[3], 8);
    CHECK_EQ_U64(tries[4], 12);
    CHECK_EQ_U64(tries[5], 16);
    CHECK_EQ_U64(transfer_of(d.a, e)->status, ECS_UNSUPPORTED);
    CHECK_EQ_U64(transfer_of(d.a, e)->retry.tries, 6);
    CHECK_EQ_U64(transfer_of(d.a, e)->retry.given_up, 1);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).given_up, 1);
    CHECK_CONTAINS(log_text, "a gives up on sending an entity after 6 tries: not supported");
    /* A new marker starts over. */
    CHECK_STATUS(ecs_remove_type(d.a, e, ecs_type_of(Echo)), ECS_OK);
    mark(d.a, e, d.to_b, 0, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK(!ecs_alive(d.a, e));
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
}

/* When the marker of an entity was written last. */
static uint64_t mark_tick(const ecs_world *world, ecs_entity e)
{
    const ecsi_record *record = ecsi_entities_find(&world->entities, e);
    ecsi_chunk *chunk = ecsi_record_chunk_at(&world->storage, record);
    uint32_t id = ecs_component_find(world, "ecs_transfer").id;
    return *ecsi_chunk_tick(chunk, ecsi_table_find(chunk->table, id)->column,
                            ecsi_record_row(&world->entities, record));
}

TEST(marked_one_that_cannot_travel_does_not_hold_the_others)
{
    duo d = make(NULL);
    ecs_entity e[12];
    uint32_t i;
    for (i = 0; i < 12; i++) {
        e[i] = numbered(d.a, i);
        if (i % 4 > 1 && i < 11) {
            CHECK_STATUS(ecs_add_type(d.a, e[i], ecs_type_of(Echo)), ECS_OK);
        }
        mark(d.a, e[i], i == 11 ? 9 : d.to_b, 0, 0); /* the last one to nobody */
    }
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 6);
    for (i = 2; i < 12; i += i % 4 == 2 ? 1 : 3) {
        CHECK_EQ_U64(transfer_of(d.a, e[i])->status, i == 11 ? ECS_NOT_FOUND : ECS_UNSUPPORTED);
    }
    CHECK_EQ_U64(stats_of(&d).sent, 6);
    CHECK_EQ_U64(stats_of(&d).refused, 5);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).refused, 6);
    /* A marker that says something new was written; the third try is due in tick 4. */
    for (i = 1; i <= 4; i++) {
        CHECK_EQ_U64(mark_tick(d.a, e[2]), i == 3 ? 2 : i);
        CHECK_EQ_U64(mark_tick(d.a, e[11]), i == 3 ? 2 : i);
        CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    }
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
}

TEST(marked_more_than_there_is_room_for_the_first_go)
{
    duo d = make(NULL);
    uint32_t i;
    for (i = 0; i < 200; i++) mark(d.a, numbered(d.a, i), d.to_b, i < 150 ? 0 : 1, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 136);
    CHECK_EQ_U64(stats_of(&d).refused_full, 136);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.b, 0), ECS_OK);
    CHECK_EQ_U64(number_of(d.b, nth(d.b, 0)), 150);
    CHECK_EQ_U64(number_of(d.b, nth(d.b, 49)), 199);
    CHECK_EQ_U64(number_of(d.b, nth(d.b, 50)), 0);
    CHECK_EQ_U64(number_of(d.b, nth(d.b, 63)), 13);
    for (i = 0; i < 20; i++) CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.b), 200);
    end(&d);
}

/* No more than transfers_max are taken up in a tick: the first of all, and nobody is refused. */
TEST(marked_more_than_one_tick_takes_up_wait)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    uint32_t i;
    desc.transfers_max = 10;
    d = make(&desc);
    for (i = 0; i < 35; i++) mark(d.a, numbered(d.a, i), d.to_b, (i * 7) % 35, 0);
    for (i = 1; i <= 4; i++) {
        CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
        CHECK_EQ_U64(ecs_entity_count(d.a), i < 4 ? 35 - 10 * i : 0);
    }
    CHECK_EQ_U64(stats_of(&d).refused, 0);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    for (i = 0; i < 35; i++) {
        uint64_t value = number_of(d.b, nth(d.b, i));
        uint64_t previous = i == 0 ? 0 : number_of(d.b, nth(d.b, i - 1));
        uint64_t want = value * 7 % 35;
        if (i > 0) CHECK(want < previous * 7 % 35 || (want == previous * 7 % 35));
    }
    end(&d);
}

/* A group that fits is not held up by what comes behind it and does not. */
TEST(marked_group_that_fills_a_tick_goes_before_what_waits)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_entity member[4];
    duo d;
    uint32_t i;
    desc.transfers_max = 4;
    d = make(&desc);
    for (i = 0; i < 3; i++) mark(d.a, numbered(d.a, i), d.to_b, 1, 0);
    for (i = 0; i < 4; i++) {
        member[i] = numbered(d.a, 10 + i);
        mark(d.a, member[i], d.to_b, 9, 7);
    }
    for (i = 3; i < 6; i++) mark(d.a, numbered(d.a, i), d.to_b, 1, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    for (i = 0; i < 4; i++) CHECK(!ecs_alive(d.a, member[i]));
    CHECK_EQ_U64(ecs_entity_count(d.a), 6);
    CHECK_EQ_U64(stats_of(&d).refused, 0);
    /* One member too many is one that can never go. */
    for (i = 0; i < 5; i++) {
        ecs_entity e = numbered(d.a, 20 + i);
        mark(d.a, e, d.to_b, 9, 8);
        if (i < 4) member[i] = e;
    }
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(transfer_of(d.a, member[0])->status, ECS_TOO_LARGE);
    CHECK_EQ_U64(ecs_entity_count(d.a), 11);
    for (i = 0; i < 40; i++) (void)ecs_worlds_tick_one(d.worlds, d.a, 0);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(ecs_entity_count(d.a), 5); /* none of them alone, and nothing else is left */
    end(&d);
}

TEST(marked_groups_travel_whole)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_route_desc narrow = way("a", "c");
    duo d;
    ecs_world *c = ecs_world_create(NULL);
    ecs_entity parent;
    ecs_entity child[5];
    uint32_t i;
    desc.transfers_max = 20;
    d = make(&desc);
    know(c);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    narrow.capacity = 8;
    narrow.batch = 6;
    CHECK_STATUS(ecs_worlds_route(d.worlds, &narrow), ECS_OK);
    /* Singles take 4 of 8 positions; the group of 6 must wait, and what comes behind it too. */
    for (i = 0; i < 4; i++) mark(d.a, numbered(d.a, i), 3, 9, 0);
    parent = numbered(d.a, 50);
    mark(d.a, parent, 3, 5, 1);
    for (i = 0; i < 5; i++) {
        child[i] = linked(d.a, parent, i == 0 ? ecs_null() : child[i - 1], ecs_null());
        mark(d.a, child[i], 3, 5, 1);
    }
    mark(d.a, numbered(d.a, 60), 3, 1, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 7);
    CHECK_EQ_U64(transfer_of(d.a, parent)->status, ECS_FULL);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, c, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(c), 4);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 0);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(number_of(c, links_of(c, nth(c, 5))->one), 50);
    CHECK_EQ_U64(number_of(c, links_of(c, nth(c, 9))->one), 50);
    CHECK_EQ_U64(links_of(c, nth(c, 9))->more[0].bits, nth(c, 8).bits);
    /* One that cannot travel keeps all of its group; a group larger than a batch never goes. */
    for (i = 0; i < 3; i++) {
        child[i] = numbered(d.a, i);
        mark(d.a, child[i], 3, 0, 2);
    }
    CHECK_STATUS(ecs_add_type(d.a, child[1], ecs_type_of(Echo)), ECS_OK);
    for (i = 0; i < 7; i++) {
        parent = numbered(d.a, i);
        mark(d.a, parent, 3, 0, 3);
    }
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 10);
    CHECK_EQ_U64(transfer_of(d.a, child[0])->status, ECS_UNSUPPORTED);
    CHECK_EQ_U64(transfer_of(d.a, parent)->status, ECS_TOO_LARGE);
    CHECK_STATUS(ecs_world_clear(d.a), ECS_OK);
    /* Larger than what one tick takes up: the same, and none of it alone. */
    for (i = 0; i < 21; i++) mark(d.a, numbered(d.a, i), d.to_b, 0, 4);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 21);
    CHECK_EQ_U64(transfer_of(d.a, nth(d.a, 0))->status, ECS_TOO_LARGE);
    /* A group that does not fit in beside others waits for the next tick, unrefused. */
    CHECK_STATUS(ecs_world_clear(d.a), ECS_OK);
    for (i = 0; i < 15; i++) mark(d.a, numbered(d.a, i), d.to_b, 0, 0);
    for (i = 0; i < 10; i++) mark(d.a, numbered(d.a, i), d.to_b, 0, 5);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 10);
    CHECK_EQ_U64(transfer_of(d.a, nth(d.a, 0))->retry.tries, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(d.a), 0);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
    ecs_world_destroy(c);
}

ECS_SYSTEM(forget, WRITE(Number), READ(ecs_transfer))
{
    Number *n = ecs_write(view, Number);
    (void)ecs_read(view, ecs_transfer);
    for (uint32_t i = 0; i < view->count; i++) {
        if (n[i].value % 3 == 0) ecs_cmd_despawn(view->cmd, view->entities[i]);
        if (n[i].value % 3 == 1) ecs_cmd_remove(view->cmd, view->entities[i], ecs_transfer);
        n[i].value += 100;
    }
    return ECS_OK;
}

/* What happens to a marked entity in the tick happens before it is sent. */
TEST(marked_and_despawned_in_the_same_tick_is_not_sent)
{
    duo d = make(NULL);
    ecs_entity e[9];
    uint32_t i;
    REQUIRE_STATUS(ecs_system_add(d.a, &forget, ECS_UPDATE), ECS_OK);
    for (i = 0; i < 9; i++) {
        e[i] = numbered(d.a, i);
        mark(d.a, e[i], d.to_b, 0, i < 6 ? 1 : 0);
    }
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(stats_of(&d).sent, 3);
    CHECK_EQ_U64(stats_of(&d).refused, 0);
    for (i = 0; i < 9; i++) CHECK(ecs_alive(d.a, e[i]) == (i % 3 == 1));
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    for (i = 0; i < 3; i++) CHECK_EQ_U64(number_of(d.b, nth(d.b, i)) % 3, 0); /* 102, 105, 108 */
    end(&d);
}

/* Nobody acts on a marker in a world that is no member, or no longer one. */
TEST(marked_in_a_world_that_is_no_member_stays)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_entity e = numbered(c, 1);
    mark(c, e, d.to_b, 0, 0);
    CHECK_STATUS(ecs_tick(c, 0), ECS_OK);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, c, 0), ECS_NOT_FOUND);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 0);
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, c), 0);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    CHECK(ecs_alive(c, e));
    CHECK_EQ_U64(transfer_of(c, e)->retry.tries, 0);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, NULL).sent, 0);
    end(&d);
    ecs_world_destroy(c);
}

/* ---- what is on the way --------------------------------------------------------------- */

TEST(member_with_transfers_on_the_way_is_locked)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    know(c);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, NULL, "c"), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 1), 3), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, numbered(d.b, 2), 3), ECS_OK);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, d.a), ECS_LOCKED); /* over the shared route */
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_destroy(d.worlds), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).in_flight_from, 1);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, c).in_flight_to, 2);
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, d.a), 1); /* the first of the shared route */
    CHECK_STATUS(ecs_worlds_remove(d.worlds, d.a), ECS_OK);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(ecs_entity_count(c), 1);
    CHECK_EQ_U64(number_of(c, nth(c, 0)), 2);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_OK);
    /* What was removed can come back, and its routes are gone. */
    CHECK_STATUS(add(d.worlds, d.a, "a"), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 1), d.to_b), ECS_NOT_FOUND);
    CHECK_STATUS(route(d.worlds, "a", "b"), ECS_OK);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, nth(d.a, 0), d.to_b), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
    ecs_world_destroy(c);
}

TEST(discarded_between_others_is_skipped)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    uint32_t i;
    know(c);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, NULL, "c"), ECS_OK);
    for (i = 0; i < 64; i++) {
        ecs_world *from = i % 2 == 0 ? d.a : d.b;
        CHECK_STATUS(ecs_worlds_send(d.worlds, from, numbered(from, i), 3), ECS_OK);
    }
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, d.b), 32);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, c).discarded, 32);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 32);
    for (i = 0; i < 32; i++) CHECK_EQ_U64(number_of(c, nth(c, i)), i * 2);
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, d.b), 0);
    end(&d);
    ecs_world_destroy(c);
}

/* ---- targets without room ------------------------------------------------------------- */

static ecs_world *small_world(uint32_t entities)
{
    ecs_world_desc desc;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = entities;
    desc.components_max = 16;
    desc.tables_max = 8;
    desc.chunk_bytes = 4096;
    desc.chunks_max = 8;
    desc.queries_max = 4;
    desc.systems_max = 4;
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    know(world);
    return world;
}

TEST(arrival_in_a_full_world_waits)
{
    duo d = make(NULL);
    ecs_world *c = small_world(10);
    ecs_route_stats stats;
    ecs_entity group[4];
    uint32_t i;
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "c"), ECS_OK);
    for (i = 0; i < 15; i++) mark(d.a, numbered(d.a, i), 3, 0, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    /* One batch of singles: the first ten of it arrive. */
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 10);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 0);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 5);
    REQUIRE_STATUS(ecs_worlds_route_stats(d.worlds, d.a, 3, &stats), ECS_OK);
    CHECK_EQ_U64(stats.in_flight, 5);
    CHECK_EQ_U64(stats.stalled, 3);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_LOCKED);
    CHECK_STATUS(ecs_despawn(c, nth(c, 4)), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 1);
    CHECK_EQ_U64(number_of(c, nth(c, 4)), 10);
    CHECK_STATUS(ecs_world_clear(c), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    for (i = 0; i < 4; i++) CHECK(number_of(c, nth(c, i)) >= 11);
    /* A group waits for room for all of it. */
    CHECK_STATUS(ecs_world_clear(c), ECS_OK);
    for (i = 0; i < 7; i++) (void)numbered(c, i);
    for (i = 0; i < 4; i++) group[i] = numbered(d.a, i);
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, group, 4, 3), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 0);
    CHECK_STATUS(ecs_despawn(c, nth(c, 0)), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 4);
    /* And what can never arrive can be discarded. */
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 0), 3), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 1);
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, c), 1);
    end(&d);
    ecs_world_destroy(c);
}

/* Chunks of 4 KiB and eight of them: rows run out before entities do, and room for one table is
 * made of what others have spare. */
TEST(arrival_in_a_world_without_chunks_waits)
{
    duo d = make(NULL);
    ecs_world *c = small_world(60000);
    uint64_t total = 0;
    uint64_t left;
    uint32_t round;
    uint32_t i;
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "c"), ECS_OK);
    for (round = 0; round < 100; round++) {
        for (i = 0; i < 40; i++) {
            ecs_entity e = numbered(d.a, total++);
            Triple t = {1, 2, 3};
            if ((i + round) % 3 == 0) (void)ecs_set_type(d.a, e, ecs_type_of(Triple), &t);
            if ((i + round) % 5 == 0) (void)ecs_add_type(d.a, e, ecs_type_of(Marked));
            mark(d.a, e, 3, 0, 0);
        }
        CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
        CHECK_STATUS(ecs_worlds_tick_one(d.worlds, c, 0), ECS_OK);
        CHECK_EQ_U64((uint64_t)ecs_entity_count(d.a) + ecs_entity_count(c) +
                     ecs_worlds_stats_of(d.worlds, c).in_flight_to, total);
    }
    left = ecs_worlds_settle(d.worlds);
    CHECK_EQ_U64(left, 64); /* the route is full behind it */
    CHECK(ecs_entity_count(c) > 500);
    CHECK_STATUS(ecs_world_clear(c), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    CHECK_EQ_U64(ecs_entity_count(c), 64);
    end(&d);
    ecs_world_destroy(c);
}

/* Null: there is no room. */
static ecs_entity large_one(ecs_world *world, uint64_t value, bool tagged)
{
    Large large;
    ecs_entity e = ecs_spawn(world);
    if (ecs_is_null(e)) return e;
    memset(&large, 0, sizeof large);
    large.words[0] = value;
    large.words[39] = ~value;
    if (ecs_set_type(world, e, ecs_type_of(Large), &large) != ECS_OK ||
        (tagged && ecs_add_type(world, e, ecs_type_of(Marked)) != ECS_OK)) {
        REQUIRE_STATUS(ecs_despawn(world, e), ECS_OK);
        return ecs_null();
    }
    return e;
}

/* Each value once; answers how many. */
static uint32_t large_count(const ecs_world *world)
{
    static uint8_t seen[1000];
    uint32_t count = 0;
    ecs_entity e = ecs_entity_next(world, ecs_null());
    memset(seen, 0, sizeof seen);
    for (; !ecs_is_null(e); e = ecs_entity_next(world, e)) {
        const Large *large = (const Large *)ecs_get_type(world, e, ecs_type_of(Large));
        if (large == NULL) continue;
        REQUIRE(large->words[0] < sizeof seen && large->words[39] == ~large->words[0]);
        REQUIRE(seen[large->words[0]] == 0);
        seen[large->words[0]] = 1;
        count++;
    }
    return count;
}

/* Eleven rows or so in a chunk, eight chunks. A batch takes several chunks of two tables; what
 * was made room for and not used must leave the tables as they were. */
static void check_large(bool group, uint32_t residents)
{
    duo d = make(NULL);
    ecs_world *c = small_world(60000);
    ecs_route_desc desc = way("a", "c");
    ecs_entity e[60];
    uint64_t value = 0;
    uint32_t waiting;
    uint32_t round;
    uint32_t i;
    desc.body_bytes = 384;
    CHECK_STATUS(ecs_component_register(c, ecs_type_of(Large), NULL), ECS_OK);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
    for (i = 0; i < residents; i++) REQUIRE(!ecs_is_null(large_one(c, value++, i % 2 == 1)));
    for (round = 0; round < 5; round++) {
        for (i = 0; i < 60; i++) {
            e[i] = large_one(d.a, value++, i % 3 == 1);
            REQUIRE(!ecs_is_null(e[i]));
            if (!group) mark(d.a, e[i], 3, 0, 0);
        }
        if (group) CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, e, 60, 3), ECS_OK);
        CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
        i = ecs_worlds_receive(d.worlds, c);
        waiting = (uint32_t)ecs_worlds_stats_of(d.worlds, c).in_flight_to;
        CHECK_EQ_U64(i + waiting, 60);
        if (group) CHECK(i == 0 || i == 60);
        /* Those who live there come and go as if nothing had been tried. */
        for (i = 0; i < 20 && ecs_entity_count(c) > 0; i++) {
            CHECK_STATUS(ecs_despawn(c, nth(c, ecs_entity_count(c) / 2)), ECS_OK);
            (void)large_count(c);
        }
        CHECK_EQ_U64(large_count(c), ecs_entity_count(c));
        (void)large_one(c, value++, true);
        CHECK_EQ_U64(large_count(c), ecs_entity_count(c));
        while (ecs_worlds_settle(d.worlds) > 0) {
            REQUIRE(ecs_entity_count(c) > 0);
            CHECK_STATUS(ecs_despawn(c, nth(c, 0)), ECS_OK);
        }
        CHECK_EQ_U64(large_count(c), ecs_entity_count(c));
    }
    end(&d);
    ecs_world_destroy(c);
}

TEST(arrival_of_singles_over_many_chunks)
{
    uint32_t residents;
    for (residents = 0; residents <= 60; residents += 6) check_large(false, residents);
}

TEST(arrival_of_a_group_over_many_chunks)
{
    uint32_t residents;
    for (residents = 0; residents <= 60; residents += 6) check_large(true, residents);
}

static uint32_t rows_free(const ecs_world *world, ecs_entity e)
{
    const ecsi_record *record = ecsi_entities_find(&world->entities, e);
    const ecsi_chunk *chunk = ecsi_record_table(&world->storage, record)->last;
    return chunk->capacity - chunk->count;
}

/* Two tables need a chunk each. One is free, and one is the spare of a third table: to get at it
 * what the first table has just got is taken back as well. There is room all the same. */
TEST(arrival_of_a_group_with_spares_elsewhere)
{
    duo d = make(NULL);
    ecs_world *c = small_world(60000);
    ecs_entity e[4];
    ecs_entity last;
    uint32_t i;
    CHECK_STATUS(ecs_component_register(c, ecs_type_of(Large), NULL), ECS_OK);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "c"), ECS_OK);
    (void)ecs_spawn(c);
    do {
        last = numbered(c, 1);
    } while (rows_free(c, last) != 1);
    do {
        last = numbered(c, 1);
        REQUIRE_STATUS(ecs_add_type(c, last, ecs_type_of(Marked)), ECS_OK);
    } while (rows_free(c, last) != 1);
    for (i = c->storage.chunk_count; c->storage.chunk_count < i + 2;) {
        Triple t = {1, 2, 3};
        last = ecs_spawn(c);
        REQUIRE_STATUS(ecs_set_type(c, last, ecs_type_of(Triple), &t), ECS_OK);
    }
    CHECK_STATUS(ecs_despawn(c, last), ECS_OK);
    for (i = 0; c->storage.chunk_count < 7; i++) REQUIRE(!ecs_is_null(large_one(c, i, false)));
    for (i = 0; i < 4; i++) {
        e[i] = numbered(d.a, i);
        if (i % 2 == 1) CHECK_STATUS(ecs_add_type(d.a, e[i], ecs_type_of(Marked)), ECS_OK);
    }
    CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, e, 4, 3), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 4);
    CHECK_EQ_U64(c->storage.chunk_count, 8);
    end(&d);
    ecs_world_destroy(c);
}

TEST(arrival_without_memory_waits)
{
    duo d = make(NULL);
    ecs_world_desc desc;
    ecs_world *c;
    uint64_t n;
    uint32_t arrived = 0;
    memset(&desc, 0, sizeof desc);
    desc.allocator = &counted;
    c = ecs_world_create(&desc);
    know(c);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "c"), ECS_OK);
    for (n = 0; n < 30; n++) {
        ecs_entity e = numbered(d.a, n);
        Triple t = {1, 2, 3};
        if (n % 2 == 1) (void)ecs_set_type(d.a, e, ecs_type_of(Triple), &t);
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, e, 3), ECS_OK);
    }
    for (n = 0; arrived < 30; n++) {
        REQUIRE(n < 100);
        heap.fail_at = heap.calls + 1 + n % 3;
        arrived += ecs_worlds_receive(d.worlds, c);
        heap.fail_at = 0;
        CHECK_EQ_U64(ecs_entity_count(c), arrived);
        CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, c).in_flight_to, 30 - arrived);
    }
    CHECK(n > 1);
    for (n = 0; n < 30; n++) CHECK_EQ_U64(number_of(c, nth(c, (uint32_t)n)), n);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, c), ECS_OK);
    ecs_world_destroy(c);
    end(&d);
}

/* Of a batch of singles some may have to wait: references arrive with those who arrive. */
TEST(references_to_one_that_waits_become_null)
{
    duo d = make(NULL);
    ecs_world *c = small_world(3);
    ecs_entity e[4];
    uint32_t i;
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "c"), ECS_OK);
    for (i = 0; i < 4; i++) e[i] = numbered(d.a, i);
    for (i = 0; i < 4; i++) {
        Links links;
        memset(&links, 0, sizeof links);
        links.one = e[0];
        links.more[0] = e[3];
        REQUIRE_STATUS(ecs_set_type(d.a, e[i], ecs_type_of(Links), &links), ECS_OK);
        mark(d.a, e[i], 3, 0, 0);
    }
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 3);
    for (i = 0; i < 3; i++) {
        CHECK_EQ_U64(links_of(c, nth(c, i))->one.bits, nth(c, 0).bits);
        CHECK_EQ_U64(links_of(c, nth(c, i))->more[0].bits, 0);
    }
    CHECK_STATUS(ecs_world_clear(c), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 1);
    CHECK_EQ_U64(number_of(c, nth(c, 0)), 3);
    CHECK_EQ_U64(links_of(c, nth(c, 0))->one.bits, 0);
    CHECK_EQ_U64(links_of(c, nth(c, 0))->more[0].bits, nth(c, 0).bits);
    end(&d);
    ecs_world_destroy(c);
}

/* A route of its own is laid while something is on the way over the shared one. */
TEST(arrivals_over_two_routes_of_one_source)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_route_desc own = way("a", "c");
    ecs_route_stats stats;
    uint32_t i;
    know(c);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, NULL, "c"), ECS_OK);
    for (i = 0; i < 3; i++) {
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, i), 3), ECS_OK);
    }
    own.spsc = true;
    own.capacity = 2;
    CHECK_STATUS(ecs_worlds_route(d.worlds, &own), ECS_OK);
    for (i = 0; i < 2; i++) {
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 3 + i), 3), ECS_OK);
    }
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 9), 3), ECS_FULL);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, numbered(d.b, 5), 3), ECS_OK);
    REQUIRE_STATUS(ecs_worlds_route_stats(d.worlds, NULL, 3, &stats), ECS_OK);
    CHECK_EQ_U64(stats.in_flight, 4);
    REQUIRE_STATUS(ecs_worlds_route_stats(d.worlds, d.a, 3, &stats), ECS_OK);
    CHECK_EQ_U64(stats.in_flight, 2);
    CHECK_EQ_U64(ecs_worlds_stats_of(d.worlds, d.a).in_flight_from, 5);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 6);
    for (i = 0; i < 6; i++) {
        uint32_t k = 0;
        while (k < 6 && number_of(c, nth(c, k)) != i) k++;
        CHECK(k < 6);
    }
    for (i = 0; i < 20; i++) { /* round and round without compare and swap */
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, i), 3), ECS_OK);
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 1);
    }
    end(&d);
    ecs_world_destroy(c);
}

/* ---- order ---------------------------------------------------------------------------- */

/* Without lockstep: a batch of each source in turn. */
TEST(arrivals_are_fair_over_sources)
{
    duo d = make(NULL);
    ecs_world *c = ecs_world_create(NULL);
    ecs_route_desc desc = way("a", "c");
    uint32_t i;
    know(c);
    desc.batch = 4;
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
    desc.from = "b";
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
    for (i = 0; i < 16; i++) mark(d.a, numbered(d.a, 100 + i), 3, 0, 0);
    for (i = 0; i < 8; i++) mark(d.b, numbered(d.b, 200 + i), 3, 0, 0);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.b, 0), ECS_OK);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 24);
    for (i = 0; i < 24; i++) {
        uint64_t source = number_of(c, nth(c, i)) / 100;
        uint64_t first = number_of(c, nth(c, 0)) / 100;
        if (i < 16) CHECK_EQ_U64(source, (i / 4) % 2 == 0 ? first : 3 - first);
        if (i >= 16) CHECK_EQ_U64(source, 1);
    }
    end(&d);
    ecs_world_destroy(c);
}

TEST(arrivals_of_a_higher_route_come_first)
{
    ecs_worlds_desc plain = plain_desc();
    uint32_t lockstep;
    for (lockstep = 0; lockstep < 2; lockstep++) {
        duo d;
        ecs_world *c = ecs_world_create(NULL);
        ecs_route_desc desc = way("a", "c");
        uint32_t i;
        plain.lockstep = lockstep == 1;
        d = make(&plain);
        know(c);
        CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
        CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
        desc.from = "b";
        desc.priority = 5;
        CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
        for (i = 0; i < 8; i++) {
            CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, i), 3), ECS_OK);
            CHECK_STATUS(ecs_worlds_send(d.worlds, d.b, numbered(d.b, i + 8), 3), ECS_OK);
        }
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 16);
        for (i = 0; i < 16; i++) CHECK_EQ_U64(number_of(c, nth(c, i)), (i + 8) % 16);
        end(&d);
        ecs_world_destroy(c);
    }
}

TEST(arrivals_in_lockstep_by_tick_source_and_sequence)
{
    ecs_worlds_desc desc = plain_desc();
    duo d;
    ecs_world *c = small_world(4);
    uint32_t i;
    desc.lockstep = true;
    d = make(&desc);
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "b", "c"), ECS_OK);
    CHECK_STATUS(route(d.worlds, "a", "c"), ECS_OK);
    for (i = 0; i < 4; i++) (void)numbered(c, 0);
    /* Tick 1: two of each, in an order of calls that must not matter. */
    for (i = 0; i < 2; i++) mark(d.b, numbered(d.b, 21 + i), 3, 0, 0);
    for (i = 0; i < 2; i++) mark(d.a, numbered(d.a, 11 + i), 3, 0, 0);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    for (i = 0; i < 2; i++) mark(d.a, numbered(d.a, 13 + i), 3, 0, 0);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    for (i = 0; i < 6; i++) {
        /* Slots are taken again newest first: 14 has the lower one. */
        static const uint64_t order[] = {11, 12, 21, 22, 14, 13};
        ecs_entity freed = nth(c, 0);
        CHECK_STATUS(ecs_despawn(c, freed), ECS_OK);
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 1);
        CHECK_EQ_U64(number_of(c, ecs_entity_at(c, ecs_index(freed))), order[i]);
    }
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    end(&d);
    ecs_world_destroy(c);
}

/* ---- hooks that meddle ------------------------------------------------------------------ */

/* Another thread ticks. */
TEST(declaring_while_somebody_ticks_is_locked)
{
    duo d = make(NULL);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 1), d.to_b), ECS_OK);
    ECSI_STORE(&d.worlds->busy, 2u, relaxed);
    CHECK_STATUS(route(d.worlds, NULL, "b"), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, d.a), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_destroy(d.worlds), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_discard(d.worlds, d.a), 0);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 1);
    ECSI_STORE(&d.worlds->busy, 0u, relaxed);
    CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
    /* The member itself is ticked by somebody. */
    ECSI_STORE(&d.worlds->members[0].busy, 1u, relaxed);
    CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, 1), d.to_b), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.a), 0);
    CHECK_EQ_U64(ecs_world_tick(d.a), 0);
    ECSI_STORE(&d.worlds->members[0].busy, 0u, relaxed);
    CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
    end(&d);
}

static struct {
    duo *d;
    uint32_t calls;
    bool answers; /* on_add: sends one from a in return, which must find its way */
} meddler;

/* Whatever a hook calls, nothing is lost, doubled or half done. */
static void meddle(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    duo *d = meddler.d;
    ecs_world *c = (ecs_world *)user;
    uint32_t number;
    uint64_t before;
    ecs_worlds_stats stats;
    (void)value;
    if (d == NULL) return; /* the worlds end */
    number = ecs_worlds_number(d->worlds, world);
    before = ecs_world_tick(d->a) + ecs_world_tick(d->b);
    stats = ecs_worlds_stats_of(d->worlds, NULL);
    meddler.calls++;
    CHECK_STATUS(ecs_worlds_send(d->worlds, world, entity, number == d->to_a ? d->to_b : d->to_a),
                 ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_receive(d->worlds, world), 0);
    CHECK_STATUS(ecs_worlds_remove(d->worlds, d->a), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_remove(d->worlds, d->b), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_destroy(d->worlds), ECS_LOCKED);
    CHECK_STATUS(add(d->worlds, c, "c"), ECS_LOCKED);
    CHECK_STATUS(route(d->worlds, NULL, "b"), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_discard(d->worlds, d->a), 0);
    CHECK_EQ_U64(ecs_worlds_discard(d->worlds, d->b), 0);
    CHECK_EQ_U64(ecs_worlds_settle(d->worlds), stats.in_flight_to);
    if (d->worlds->desc.lockstep) {
        CHECK_STATUS(ecs_worlds_tick(d->worlds, 0), ECS_LOCKED);
        CHECK_EQ_U64(ecs_world_tick(d->a) + ecs_world_tick(d->b), before);
    } else {
        CHECK_STATUS(ecs_worlds_tick_one(d->worlds, world, 0), ECS_LOCKED);
    }
}

static void meddle_and_answer(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    meddle(world, entity, value, user);
    if (meddler.answers && ecs_entity_count(meddler.d->a) > 0) {
        CHECK_STATUS(ecs_worlds_send(meddler.d->worlds, meddler.d->a, nth(meddler.d->a, 0),
                                     meddler.d->to_b), ECS_OK);
    }
}

static void meddle_in(ecs_world *world, ecs_world *c)
{
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    hooks.on_remove = meddle;
    hooks.on_add = meddle_and_answer;
    hooks.user = c;
    REQUIRE_STATUS(ecs_component_hooks(world, ecs_component_of(world, ecs_type_of(Number)),
                                       &hooks), ECS_OK);
}

TEST(hooks_that_meddle_are_refused)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_world *c = ecs_world_create(NULL);
    uint32_t lockstep;
    for (lockstep = 0; lockstep < 2; lockstep++) {
        duo d;
        ecs_entity e[4];
        uint32_t i;
        desc.lockstep = lockstep == 1;
        d = make(&desc);
        meddler.d = &d;
        meddler.answers = false;
        meddle_in(d.a, c);
        meddle_in(d.b, c);
        for (i = 0; i < 4; i++) e[i] = numbered(d.a, i);
        meddler.calls = 0;
        meddler.answers = true;
        /* Two arrive, and the hook of each sends one more on: these are for the next time. */
        CHECK_STATUS(ecs_worlds_send_group(d.worlds, d.a, e, 2, d.to_b), ECS_OK);
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 2);
        CHECK_EQ_U64(stats_of(&d).in_flight, 2);
        CHECK_EQ_U64(population(&d), 4);
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, d.b), 2);
        CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
        CHECK_EQ_U64(ecs_entity_count(d.b), 4);
        CHECK_EQ_U64(meddler.calls, 8);
        /* The same inside of the coordinator's tick. */
        meddler.answers = false;
        for (i = 0; i < 4; i++) mark(d.b, nth(d.b, i), d.to_a, 0, 0);
        CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
        CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
        CHECK_EQ_U64(ecs_entity_count(d.a), 4);
        CHECK_EQ_U64(meddler.calls, 16);
        meddler.d = NULL;
        end(&d);
    }
    ecs_world_destroy(c);
}

static void answer_in_lockstep(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    duo *d = meddler.d;
    (void)world;
    (void)entity;
    (void)value;
    (void)user;
    meddler.calls++;
    CHECK_STATUS(ecs_worlds_send(d->worlds, d->a, nth(d->a, 0), d->to_b), ECS_LOCKED);
    CHECK_EQ_U64(ecs_worlds_receive(d->worlds, d->a), 0);
}

/* Whether another member is being ticked when a hook runs depends on the workers: in lockstep
 * nothing may come of it. */
TEST(lockstep_hook_cannot_send_from_another_member)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_hooks hooks;
    duo d;
    desc.lockstep = true;
    d = make(&desc);
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = answer_in_lockstep;
    REQUIRE_STATUS(ecs_component_hooks(d.b, ecs_component_of(d.b, ecs_type_of(Number)), &hooks),
                   ECS_OK);
    meddler.d = &d;
    (void)ecs_spawn(d.a);
    mark(d.a, numbered(d.a, 1), d.to_b, 0, 0);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    CHECK_EQ_U64(meddler.calls, 1);
    CHECK_EQ_U64(ecs_entity_count(d.a), 1);
    CHECK_EQ_U64(ecs_entity_count(d.b), 1);
    end(&d);
}

TEST(lockstep_tick_with_an_iterated_member_ticks_nobody)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_iter iter;
    duo d;
    desc.lockstep = true;
    d = make(&desc);
    (void)numbered(d.b, 1);
    ecs_iter_begin(d.b, ecs_query_of(d.b, &numbers), &iter);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_remove(d.worlds, d.a), ECS_LOCKED);
    CHECK_EQ_U64(ecs_world_tick(d.a), 0);
    ecs_iter_end(&iter);
    CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
    CHECK_EQ_U64(ecs_world_tick(d.a), 1);
    CHECK_EQ_U64(ecs_world_tick(d.b), 1);
    end(&d);
}

/* ---- lockstep on any number of workers ------------------------------------------------ */

enum { TOWNS = 6, TOWN_TICKS = 40, TOWN_SHARED = 2 };

typedef struct {
    uint32_t number; /* of this world */
} town;

/* Entities wander: a pure function of value and tick says where to. */
ECS_SYSTEM(wander, WRITE(Number), OPTIONAL(ecs_transfer))
{
    Number *n = ecs_write(view, Number);
    const ecs_transfer *t = ecs_optional(view, ecs_transfer);
    const town *here = (const town *)view->user;
    for (uint32_t i = 0; i < view->count; i++) {
        uint64_t x = ecs_random_u64(n[i].value, view->tick, ecs_null(), here->number);
        n[i].value = n[i].value * 3 + 1;
        if (t == NULL && x % 4 == 0) {
            uint32_t to = (uint32_t)(x >> 8) % TOWNS + 1;
            ecs_cmd_set(view->cmd, view->entities[i], ecs_transfer,
                        {to, (uint32_t)(x >> 16) % 3, (x >> 32) % 5 == 0 ? 7u : 0u, 0, {0, 0, 0}});
        }
    }
    return ECS_OK;
}

/* How the towns are run. */
typedef struct {
    uint32_t workers; /* 0: no pool */
    bool stealing;    /* the worlds use that pool as well */
    bool shared;      /* one town has a route that most of the others share */
} town_plan;

static ecs_world *build_town(const town_plan *plan, ecs_pool *pool, town *here)
{
    ecs_world_desc desc;
    ecs_system_desc system;
    ecs_world *world;
    uint32_t k;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    desc.seed = here->number;
    if (plan->stealing && pool != NULL) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.pool = pool;
        desc.share_ns = 1;
    }
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    know(world);
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(ecs_transfer), NULL), ECS_OK);
    memset(&system, 0, sizeof system);
    system.system = &wander;
    system.user = here;
    REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
    for (k = 0; k < 200; k++) (void)numbered(world, here->number * 1000 + k);
    for (k = 0; k < 20; k++) {
        (void)linked(world, nth(world, k), nth(world, k + 100), ecs_null());
        mark(world, nth(world, 200 + k), (here->number + 1) % TOWNS + 1, 1, 9);
    }
    return world;
}

static void join_towns(ecs_worlds *worlds, bool shared)
{
    uint32_t i;
    for (i = 0; i < TOWNS * TOWNS; i++) {
        char from[8];
        char to[8];
        ecs_route_desc r;
        if (i / TOWNS == i % TOWNS) continue;
        if (shared && i % TOWNS == TOWN_SHARED && i / TOWNS > 1) continue;
        (void)snprintf(from, sizeof from, "t%u", i / TOWNS);
        (void)snprintf(to, sizeof to, "t%u", i % TOWNS);
        r = way(shared && i % TOWNS == TOWN_SHARED ? NULL : from, to);
        if (r.from == NULL && i / TOWNS > 0) continue;
        r.capacity = i % 3 == 0 ? 8 : 64;
        REQUIRE_STATUS(ecs_worlds_route(worlds, &r), ECS_OK);
    }
}

/* Runs the towns; answers a hash over all worlds and ticks, and what was refused. */
static uint64_t run_towns(town_plan plan, uint64_t *refused)
{
    ecs_worlds_desc desc = plain_desc();
    ecs_pool_desc pool_desc;
    ecs_world *w[TOWNS];
    town towns[TOWNS];
    ecs_worlds *worlds;
    uint64_t h = 0;
    uint32_t i;
    uint32_t k;
    memset(&pool_desc, 0, sizeof pool_desc);
    pool_desc.workers = plan.workers;
    desc.pool = plan.workers == 0 ? NULL : ecs_pool_create(&pool_desc);
    desc.lockstep = true;
    worlds = ecs_worlds_create(&desc);
    REQUIRE(worlds != NULL);
    for (i = 0; i < TOWNS; i++) {
        char name[8];
        towns[i].number = i;
        w[i] = build_town(&plan, desc.pool, &towns[i]);
        (void)snprintf(name, sizeof name, "t%u", i);
        REQUIRE_STATUS(add(worlds, w[i], name), ECS_OK);
    }
    join_towns(worlds, plan.shared);
    for (i = 0; i < TOWN_TICKS; i++) {
        uint64_t living = 0;
        REQUIRE_STATUS(ecs_worlds_tick(worlds, 0.1f), ECS_OK);
        for (k = 0; k < TOWNS; k++) {
#ifndef ECS_NO_HASH
            h = ecsi_mix(h, ecs_world_hash(w[k]));
#endif
            living += ecs_entity_count(w[k]);
        }
        CHECK_EQ_U64(living, TOWNS * 220);
    }
    *refused = ecs_worlds_stats_of(worlds, NULL).refused;
    CHECK(ecs_worlds_stats_of(worlds, NULL).sent > 1000);
    CHECK_STATUS(ecs_worlds_destroy(worlds), ECS_OK);
    for (i = 0; i < TOWNS; i++) ecs_world_destroy(w[i]);
    CHECK_STATUS(ecs_pool_destroy(desc.pool), ECS_OK);
    return h;
}

/* Blocking worlds one by one; then the same on 1 to 4 and 8 workers. */
static void check_towns(bool stealing, bool shared)
{
    static const uint32_t workers[] = {1, 2, 3, 4, 8};
    town_plan plan;
    uint64_t refused;
    uint64_t wanted_refused;
    uint64_t wanted;
    uint32_t i;
    memset(&plan, 0, sizeof plan);
    plan.shared = shared; /* no pool, so all worlds are blocking */
    wanted = run_towns(plan, &wanted_refused);
    CHECK(wanted_refused > 0);
#ifndef ECS_NO_HASH
    CHECK(wanted != 0);
#endif
    plan.stealing = stealing;
    for (i = 0; i < 5; i++) {
        plan.workers = workers[i];
        CHECK_EQ_U64(run_towns(plan, &refused), wanted);
        CHECK_EQ_U64(refused, wanted_refused);
    }
}

TEST(lockstep_hash_is_equal_on_any_pool)
{
    check_towns(false, false);
}

TEST(lockstep_hash_is_equal_with_worlds_that_share_the_pool)
{
    check_towns(true, false);
}

TEST(lockstep_hash_is_equal_with_a_shared_route)
{
    check_towns(true, true);
}

ECS_TASK(fails)
{
    (void)view;
    return ECS_FAILED;
}

TEST(tick_answers_the_first_failure_and_ticks_all)
{
    ecs_worlds_desc desc = plain_desc();
    uint32_t lockstep;
    for (lockstep = 0; lockstep < 2; lockstep++) {
        duo d;
        desc.lockstep = lockstep == 1;
        d = make(&desc);
        CHECK_STATUS(ecs_system_add(d.a, &fails, ECS_UPDATE), ECS_OK);
        mark(d.b, numbered(d.b, 1), d.to_a, 0, 0);
        CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_FAILED);
        CHECK_EQ_U64(ecs_world_tick(d.b), 1);
        CHECK_EQ_U64(ecs_entity_count(d.b), 0);
        CHECK_EQ_U64(ecs_worlds_settle(d.worlds), 0);
        CHECK_EQ_U64(ecs_entity_count(d.a), 1);
        end(&d);
    }
}

static duo *in_tick;

/* The coordinator is busy while a member ticks. */
ECS_TASK(meddles)
{
    CHECK_STATUS(route(in_tick->worlds, NULL, "b"), ECS_LOCKED);
    CHECK_STATUS(add(in_tick->worlds, in_tick->a, "x"), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_remove(in_tick->worlds, in_tick->b), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_destroy(in_tick->worlds), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_tick(in_tick->worlds, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_worlds_send(in_tick->worlds, in_tick->a, view->entities == NULL ?
                                 ecs_null() : ecs_null(), 1), ECS_LOCKED);
    CHECK(ecs_worlds_admits(in_tick->worlds, in_tick->a, in_tick->to_b));
    if (!in_tick->worlds->desc.lockstep) {
        CHECK_STATUS(ecs_worlds_tick_one(in_tick->worlds, in_tick->a, 0), ECS_LOCKED);
    }
    CHECK_EQ_U64(ecs_worlds_discard(in_tick->worlds, in_tick->a), 0);
    return ECS_OK;
}

TEST(declaring_inside_a_tick_is_locked)
{
    ecs_worlds_desc desc = plain_desc();
    uint32_t lockstep;
    for (lockstep = 0; lockstep < 2; lockstep++) {
        duo d;
        desc.lockstep = lockstep == 1;
        d = make(&desc);
        in_tick = &d;
        CHECK_STATUS(ecs_system_add(d.a, &meddles, ECS_UPDATE), ECS_OK);
        CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
        if (!desc.lockstep) CHECK_STATUS(ecs_worlds_tick_one(d.worlds, d.a, 0), ECS_OK);
        CHECK_STATUS(ecs_worlds_tick(d.worlds, 0), ECS_OK);
        end(&d);
    }
}

/* ---- back-pressure -------------------------------------------------------------------- */

TEST(admits_between_its_marks_stays_as_it_was)
{
    duo d = make(NULL);
    ecs_world *c = small_world(20);
    ecs_route_desc desc = way("a", "c");
    uint32_t i;
    desc.high = 20;
    desc.low = 10;
    CHECK_STATUS(add(d.worlds, c, "c"), ECS_OK);
    CHECK(!ecs_worlds_admits(d.worlds, NULL, 3)); /* no route */
    CHECK_STATUS(ecs_worlds_route(d.worlds, &desc), ECS_OK);
    CHECK(ecs_worlds_admits(d.worlds, NULL, 3));
    CHECK(!ecs_worlds_admits(d.worlds, d.b, 3));
    CHECK(!ecs_worlds_admits(d.worlds, d.a, 4));
    CHECK(!ecs_worlds_admits(d.worlds, d.a, 1));
    for (i = 0; i < 30; i++) {
        CHECK(ecs_worlds_admits(d.worlds, d.a, 3) == (i < 20));
        CHECK(ecs_worlds_admits(d.worlds, NULL, 3) == (i < 20));
        CHECK_STATUS(ecs_worlds_send(d.worlds, d.a, numbered(d.a, i), 3), ECS_OK);
    }
#ifndef ECS_NO_EXPLAIN
    {
        char text[4096];
        (void)ecs_explain_worlds(d.worlds, text, sizeof text);
        CHECK_CONTAINS(text, "marks 20 and 10, does not admit");
    }
#endif
    for (i = 0; i < 20; i++) (void)ecs_spawn(c);
    for (i = 30; i > 0; i--) {
        CHECK(ecs_worlds_admits(d.worlds, d.a, 3) == (i < 10));
        CHECK_STATUS(ecs_despawn(c, nth(c, 0)), ECS_OK);
        CHECK_EQ_U64(ecs_worlds_receive(d.worlds, c), 1);
    }
    CHECK(ecs_worlds_admits(d.worlds, d.a, 3));
    end(&d);
    ecs_world_destroy(c);
}

TEST(retry_backs_off_and_ends)
{
    ecs_retry_desc desc = {3, 2, 100};
    ecs_retry retry;
    uint32_t i;
    memset(&retry, 0, sizeof retry);
    CHECK(ecs_retry_due(&retry, 0));
    CHECK(ecs_retry_refused(&retry, &desc, 10));
    CHECK_EQ_U64(retry.due, 12);
    CHECK(!ecs_retry_due(&retry, 11));
    CHECK(ecs_retry_due(&retry, 12));
    CHECK(ecs_retry_refused(&retry, &desc, 12));
    CHECK_EQ_U64(retry.due, 16);
    CHECK(ecs_retry_refused(&retry, &desc, 16));
    CHECK_EQ_U64(retry.due, 24);
    CHECK(!ecs_retry_refused(&retry, &desc, 24));
    CHECK(!ecs_retry_due(&retry, 1000));
    /* The defaults: 16 retries, at most 64 ticks apart. */
    memset(&retry, 0, sizeof retry);
    for (i = 0; i < 16; i++) {
        CHECK(ecs_retry_refused(&retry, NULL, 0));
        CHECK_EQ_U64(retry.due, i < 6 ? 1u << i : 64);
    }
    CHECK(!ecs_retry_refused(&retry, NULL, 0));
    memset(&retry, 0, sizeof retry);
    desc.limit = ECS_RETRY_FOREVER;
    desc.most = UINT32_MAX;
    for (i = 0; i < 1000; i++) CHECK(ecs_retry_refused(&retry, &desc, 5));
    CHECK_EQ_U64(retry.due, 5 + (uint64_t)UINT32_MAX);
}

/* ---- callers' bugs -------------------------------------------------------------------- */

TEST_DEATH(send_null_worlds_asserts)
{
    ecs_world *world = ecs_world_create(NULL);
    (void)ecs_worlds_send(NULL, world, ecs_null(), 1);
}

TEST_DEATH(add_null_name_asserts)
{
    ecs_worlds *worlds = ecs_worlds_create(NULL);
    ecs_world *world = ecs_world_create(NULL);
    (void)add(worlds, world, NULL);
}

TEST_DEATH(route_null_target_asserts)
{
    ecs_worlds *worlds = ecs_worlds_create(NULL);
    (void)route(worlds, "a", NULL);
}

TEST_DEATH(world_destroyed_as_a_member_asserts)
{
    ecs_worlds *worlds = ecs_worlds_create(NULL);
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE_STATUS(add(worlds, world, "a"), ECS_OK);
    ecs_world_destroy(world);
}

TEST_DEATH(tick_negative_time_asserts)
{
    ecs_worlds *worlds = ecs_worlds_create(NULL);
    (void)ecs_worlds_tick(worlds, -1.0f);
}

#endif /* ECS_NO_WORLDS */
