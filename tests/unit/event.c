/* event.c: sending, readers, policies, quotas, visibility between phases, and a random
 * comparison with plain arrays. */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct Hit { uint32_t number; uint32_t from; } Hit;
ECS_EVENT(Hit, number, from);
typedef struct Miss { uint64_t number; } Miss;
ECS_EVENT(Miss, number);
typedef struct Row { uint32_t number; } Row;
ECS_COMPONENT(Row, number);

static ecs_world *world_with_capacity(uint32_t capacity, ecs_event_policy policy)
{
    ecs_event_desc desc = {capacity, 0, policy};
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    REQUIRE_STATUS(ecs_event_configure(world, Hit, &desc), ECS_OK);
    return world;
}

static ecs_event_stats hit_stats(const ecs_world *world)
{
    return ecs_event_stats_type(world, ecs_type_of(Hit));
}

/* Reads all, which must be `count` events numbered from `first` on. */
static void check_read(ecs_world *world, ecs_event_reader reader, uint32_t first, uint32_t count)
{
    ecs_events events = ecs_event_read(world, reader);
    const Hit *hits = (const Hit *)events.data;
    CHECK_EQ_U64(events.count, count);
    for (uint32_t i = 0; i < events.count && i < count; i++) {
        CHECK_EQ_U64(hits[i].number, first + i);
    }
}

static void send_some(ecs_world *world, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        CHECK_STATUS(ecs_event_send(world, Hit, {first + i, 0}), ECS_OK);
    }
}

/* ---- Readers ------------------------------------------------------------------------------ */

TEST(event_reader_sees_each_event_once)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 3);
    check_read(world, reader, 1, 3);
    check_read(world, reader, 0, 0);
    send_some(world, 4, 1);
    check_read(world, reader, 4, 1);
    check_read(world, reader, 0, 0);
    ecs_world_destroy(world);
}

TEST(event_reader_sees_only_what_is_sent_after_it_was_opened)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader first = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 2);
    ecs_event_reader second = ecs_event_reader_open(world, Hit);
    send_some(world, 3, 1);
    check_read(world, second, 3, 1);
    check_read(world, first, 1, 3);
    ecs_world_destroy(world);
}

TEST(event_without_reader_is_forgotten_and_counted)
{
    ecs_world *world = ecs_world_create(NULL);
    send_some(world, 1, 5);
    CHECK_EQ_U64(hit_stats(world).unread, 5);
    CHECK_EQ_U64(hit_stats(world).count, 0);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    check_read(world, reader, 0, 0);
    ecs_world_destroy(world);
}

TEST(event_seen_by_all_is_forgotten)
{
    ecs_world *world = world_with_capacity(4, ECS_EVENT_REFUSE);
    ecs_event_reader fast = ecs_event_reader_open(world, Hit);
    ecs_event_reader slow = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 4);
    check_read(world, fast, 1, 4);
    CHECK_STATUS(ecs_event_send(world, Hit, {5, 0}), ECS_FULL); /* slow has not seen them */
    CHECK_EQ_U64(hit_stats(world).count, 4);
    check_read(world, slow, 1, 4);
    send_some(world, 5, 4);
    check_read(world, slow, 5, 4);
    check_read(world, fast, 5, 4);
    ecs_world_destroy(world);
}

TEST(event_closed_reader_holds_nothing_back)
{
    ecs_world *world = world_with_capacity(2, ECS_EVENT_REFUSE);
    ecs_event_reader fast = ecs_event_reader_open(world, Hit);
    ecs_event_reader slow = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 2);
    check_read(world, fast, 1, 2);
    CHECK_STATUS(ecs_event_send(world, Hit, {3, 0}), ECS_FULL);
    CHECK_STATUS(ecs_event_reader_close(world, slow), ECS_OK);
    send_some(world, 3, 2);
    check_read(world, fast, 3, 2);
    CHECK_STATUS(ecs_event_reader_close(world, fast), ECS_OK);
    send_some(world, 5, 3);
    CHECK_EQ_U64(hit_stats(world).unread, 3);
    ecs_world_destroy(world);
}

TEST(event_reader_that_closes_can_be_opened_anew)
{
    ecs_world *world = world_with_capacity(4, ECS_EVENT_REFUSE);
    for (uint32_t i = 0; i < 1000; i++) {
        ecs_event_reader reader = ecs_event_reader_open(world, Hit);
        REQUIRE(reader.id != 0);
        send_some(world, i, 1);
        check_read(world, reader, i, 1);
        CHECK_STATUS(ecs_event_reader_close(world, reader), ECS_OK);
    }
    ecs_world_destroy(world);
}

TEST(event_types_are_apart)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader hits = ecs_event_reader_open(world, Hit);
    ecs_event_reader misses = ecs_event_reader_open(world, Miss);
    CHECK_STATUS(ecs_event_send(world, Miss, {7}), ECS_OK);
    check_read(world, hits, 0, 0);
    ecs_events events = ecs_event_read(world, misses);
    REQUIRE(events.count == 1);
    CHECK_EQ_U64(((const Miss *)events.data)->number, 7);
    ecs_world_destroy(world);
}

/* ---- Policies ----------------------------------------------------------------------------- */

TEST(event_full_buffer_refuses)
{
    ecs_world *world = world_with_capacity(3, ECS_EVENT_REFUSE);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 3);
    CHECK_STATUS(ecs_event_send(world, Hit, {4, 0}), ECS_FULL);
    CHECK_STATUS(ecs_event_send(world, Hit, {5, 0}), ECS_FULL);
    CHECK_EQ_U64(hit_stats(world).sent, 3);
    CHECK_EQ_U64(hit_stats(world).refused, 2);
    CHECK_EQ_U64(hit_stats(world).overwritten, 0);
    CHECK_EQ_U64(ecs_world_stats(world).events_dropped, 2);
    CHECK_EQ_U64(ecs_world_stats(world).events_sent, 3);
    check_read(world, reader, 1, 3);
    ecs_world_destroy(world);
}

TEST(event_full_buffer_overwrites_the_oldest)
{
    ecs_world *world = world_with_capacity(3, ECS_EVENT_OVERWRITE);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 5);
    CHECK_EQ_U64(hit_stats(world).sent, 5);
    CHECK_EQ_U64(hit_stats(world).overwritten, 2);
    CHECK_EQ_U64(hit_stats(world).count, 3);
    ecs_events events = ecs_event_read(world, reader);
    REQUIRE(events.count == 3);
    CHECK_EQ_U64(events.missed, 2);
    CHECK_EQ_U64(((const Hit *)events.data)[0].number, 3);
    CHECK_EQ_U64(((const Hit *)events.data)[2].number, 5);
    send_some(world, 6, 1);
    events = ecs_event_read(world, reader);
    CHECK_EQ_U64(events.count, 1);
    CHECK_EQ_U64(events.missed, 0); /* told once */
    ecs_world_destroy(world);
}

TEST(event_overwritten_after_it_was_seen_is_not_missed)
{
    ecs_world *world = world_with_capacity(2, ECS_EVENT_OVERWRITE);
    ecs_event_reader fast = ecs_event_reader_open(world, Hit);
    ecs_event_reader slow = ecs_event_reader_open(world, Hit);
    send_some(world, 1, 2);
    check_read(world, fast, 1, 2);
    send_some(world, 3, 1);
    ecs_events events = ecs_event_read(world, fast);
    CHECK_EQ_U64(events.count, 1);
    CHECK_EQ_U64(events.missed, 0);
    events = ecs_event_read(world, slow);
    CHECK_EQ_U64(events.count, 2);
    CHECK_EQ_U64(events.missed, 1);
    ecs_world_destroy(world);
}

TEST(event_buffer_of_one_works)
{
    ecs_world *world = world_with_capacity(1, ECS_EVENT_REFUSE);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    for (uint32_t i = 1; i < 10; i++) {
        send_some(world, i, 1);
        CHECK_STATUS(ecs_event_send(world, Hit, {99, 0}), ECS_FULL);
        check_read(world, reader, i, 1);
    }
    ecs_world_destroy(world);
}

TEST(event_configure_after_first_use_is_refused)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_desc desc = {8, 0, ECS_EVENT_REFUSE};
    CHECK_STATUS(ecs_event_send(world, Hit, {1, 0}), ECS_OK);
    CHECK_STATUS(ecs_event_configure(world, Hit, &desc), ECS_EXISTS);
    CHECK_STATUS(ecs_event_configure(world, Miss, &desc), ECS_OK);
    CHECK_STATUS(ecs_event_configure(world, Miss, &desc), ECS_EXISTS);
    ecs_world_destroy(world);
}

TEST(event_default_capacity_is_1024)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    send_some(world, 0, 1024);
    CHECK_STATUS(ecs_event_send(world, Hit, {1024, 0}), ECS_FULL);
    check_read(world, reader, 0, 1024);
    ecs_world_destroy(world);
}

TEST(event_bytes_limit_refuses_a_buffer)
{
    ecs_world_desc limits;
    memset(&limits, 0, sizeof limits);
    limits.event_bytes_max = 4096;
    ecs_world *world = ecs_world_create(&limits);
    ecs_event_desc large = {4096, 0, ECS_EVENT_REFUSE};
    ecs_event_desc fits = {16, 0, ECS_EVENT_REFUSE};
    CHECK_STATUS(ecs_event_configure(world, Hit, &large), ECS_FULL);
    CHECK_STATUS(ecs_event_configure(world, Hit, &fits), ECS_OK);
    CHECK_STATUS(ecs_event_send(world, Hit, {1, 0}), ECS_OK);
    ecs_world_destroy(world);
}

TEST(event_in_fixed_memory_works)
{
    ecs_world_desc limits;
    memset(&limits, 0, sizeof limits);
    limits.memory = ECS_MEMORY_FIXED;
    limits.entities_max = 100;
    ecs_world *world = ecs_world_create(&limits);
    REQUIRE(world != NULL);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    for (uint32_t i = 0; i < 5000; i += 100) {
        send_some(world, i, 100);
        check_read(world, reader, i, 100);
    }
    ecs_world_destroy(world);
}

/* ---- Systems ------------------------------------------------------------------------------ */

static uint32_t heard_numbers[4096];
static uint32_t heard_count;
static uint32_t heard_runs;

ECS_SYSTEM(hear_hits, ON(Hit))
{
    heard_runs++;
    CHECK_EQ_U64(view->count, 0);
    for (uint32_t i = 0; i < ecs_on_count(view, Hit) && heard_count < 4096; i++) {
        heard_numbers[heard_count++] = ecs_on(view, Hit)[i].number;
    }
    return ECS_OK;
}

static void check_heard(uint32_t first, uint32_t count)
{
    CHECK_EQ_U64(heard_count, count);
    for (uint32_t i = 0; i < heard_count && i < count; i++) {
        CHECK_EQ_U64(heard_numbers[i], first + i);
    }
    heard_count = 0;
}

ECS_SYSTEM(emit_one, EMIT(Hit))
{
    const uint32_t *number = (const uint32_t *)view->user;
    CHECK_STATUS(ecs_emit(view, Hit, {*number, 0}), ECS_OK);
    return ECS_OK;
}

static ecs_system_desc system_desc(const ecs_system *system, ecs_phase phase)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.phase = phase;
    return desc;
}

/* emit_one in ECS_UPDATE, with a number of the caller. */
static void add_emitter(ecs_world *world, uint32_t *number)
{
    ecs_system_desc desc = system_desc(&emit_one, ECS_UPDATE);
    desc.user = number;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
}

TEST(event_emitted_is_visible_at_the_next_phase)
{
    uint32_t number = 1;
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc same = system_desc(&hear_hits, ECS_UPDATE);
    same.name = "same";
    add_emitter(world, &number);
    REQUIRE_STATUS(ecs_system_add_desc(world, &same), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(0, 0); /* not in the phase that sent it, though it runs later there */
    number = 2;
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(1, 1);
    ecs_world_destroy(world);
}

TEST(event_reaches_later_phases_of_the_tick_and_earlier_ones_of_the_next)
{
    uint32_t number = 5;
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc late = system_desc(&hear_hits, ECS_POST_UPDATE);
    add_emitter(world, &number);
    REQUIRE_STATUS(ecs_system_add_desc(world, &late), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(5, 1);
    ecs_system_desc early = system_desc(&hear_hits, ECS_FIRST);
    early.name = "early";
    REQUIRE_STATUS(ecs_system_add_desc(world, &early), ECS_OK);
    ecs_system_enable(world, "hear_hits", false);
    number = 6;
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(0, 0);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(6, 1);
    ecs_world_destroy(world);
}

TEST(event_sent_from_outside_is_seen_in_the_next_tick)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_add(world, &hear_hits, ECS_FIRST);
    send_some(world, 1, 3);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(1, 3);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(0, 0);
    CHECK_EQ_U64(heard_runs, 2); /* a system of terms without columns runs once a tick */
    ecs_world_destroy(world);
}

TEST(event_waits_for_a_system_that_does_not_run)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc = system_desc(&hear_hits, ECS_UPDATE);
    desc.every_ticks = 3;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    for (uint32_t i = 0; i < 6; i++) {
        send_some(world, i, 1);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        if (i == 2) check_heard(0, 3);
        if (i == 5) check_heard(3, 3);
        CHECK_EQ_U64(heard_count, 0);
    }
    ecs_system_enable(world, "hear_hits", false);
    send_some(world, 10, 2);
    for (int i = 0; i < 6; i++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(0, 0);
    ecs_system_enable(world, "hear_hits", true);
    for (int i = 0; i < 3; i++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(10, 2);
    ecs_world_destroy(world);
}

ECS_SYSTEM(emit_rows, READ(Row), EMIT(Hit))
{
    for (uint32_t i = 0; i < view->count; i++) {
        CHECK_STATUS(ecs_emit(view, Hit, {ecs_read(view, Row)[i].number, 1}), ECS_OK);
    }
    return ECS_OK;
}

ECS_SYSTEM(emit_rows_again, READ(Row), EMIT(Hit))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_emit(view, Hit, {300 + ecs_read(view, Row)[i].number, 2});
    }
    return ECS_OK;
}

TEST(event_order_is_that_of_systems_and_row_blocks)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&desc);
    for (uint32_t i = 0; i < 300; i++) ecs_spawn_with(world, (Row, {i}));
    ecs_system_desc late = system_desc(&hear_hits, ECS_LAST);
    ecs_system_add(world, &emit_rows, ECS_UPDATE);
    ecs_system_add(world, &emit_rows_again, ECS_UPDATE);
    REQUIRE_STATUS(ecs_system_add_desc(world, &late), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->events_sent, 600);
    check_heard(0, 600);
    ecs_world_destroy(world);
}

static uint32_t emit_refused;

ECS_SYSTEM(emit_too_many, READ(Row), EMIT(Hit))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_status status = ecs_emit(view, Hit, {ecs_read(view, Row)[i].number, 0});
        if (status == ECS_FULL) __atomic_fetch_add(&emit_refused, 1, __ATOMIC_RELAXED);
    }
    return ECS_OK;
}

TEST(event_quota_is_for_each_row_block)
{
    ecs_world_desc limits;
    ecs_event_desc desc = {1000, 10, ECS_EVENT_REFUSE};
    memset(&limits, 0, sizeof limits);
    limits.row_block_rows = 64;
    ecs_world *world = ecs_world_create(&limits);
    REQUIRE_STATUS(ecs_event_configure(world, Hit, &desc), ECS_OK);
    for (uint32_t i = 0; i < 128; i++) ecs_spawn_with(world, (Row, {i}));
    ecs_system_add(world, &emit_too_many, ECS_UPDATE);
    ecs_system_add(world, &hear_hits, ECS_LAST);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_U64(heard_count, 20);
    CHECK_EQ_U64(heard_numbers[9], 9);
    CHECK_EQ_U64(heard_numbers[10], 64);
    CHECK_EQ_U64(emit_refused, 108);
    ecs_world_destroy(world);
}

TEST(event_full_buffer_at_the_merge_follows_the_policy)
{
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        ecs_world *world =
            world_with_capacity(50, overwrite != 0 ? ECS_EVENT_OVERWRITE : ECS_EVENT_REFUSE);
        for (uint32_t i = 0; i < 40; i++) ecs_spawn_with(world, (Row, {i}));
        ecs_system_desc again = system_desc(&emit_rows, ECS_UPDATE);
        again.name = "again";
        ecs_system_add(world, &emit_rows, ECS_UPDATE);
        REQUIRE_STATUS(ecs_system_add_desc(world, &again), ECS_OK);
        ecs_system_add(world, &hear_hits, ECS_LAST);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK_EQ_U64(ecs_tick_last(world)->events_dropped, 30);
        CHECK_EQ_U64(heard_count, 50);
        CHECK_EQ_U64(heard_numbers[0], overwrite != 0 ? 30 : 0);
        CHECK_EQ_U64(heard_numbers[49], overwrite != 0 ? 39 : 9);
        heard_count = 0;
        ecs_world_destroy(world);
    }
}

ECS_SYSTEM(emit_and_fail, EMIT(Hit))
{
    ecs_emit(view, Hit, {1, 0});
    return ECS_FAILED;
}

TEST(event_of_a_failed_system_is_dropped_and_counted)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_system_desc desc = system_desc(&emit_and_fail, ECS_UPDATE);
    desc.on_error = ECS_SKIP;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    ecs_system_add(world, &hear_hits, ECS_LAST);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    check_heard(0, 0);
    CHECK_EQ_U64(ecs_tick_last(world)->events_dropped, 1);
    CHECK_EQ_U64(ecs_tick_last(world)->events_sent, 0);
    ecs_world_destroy(world);
}

ECS_SYSTEM(hear_and_send, ON(Hit), EMIT(Miss))
{
    for (uint32_t i = 0; i < ecs_on_count(view, Hit); i++) {
        ecs_emit(view, Miss, {ecs_on(view, Hit)[i].number * 2u});
    }
    return ECS_OK;
}

TEST(event_chain_passes_through_systems)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_reader reader = ecs_event_reader_open(world, Miss);
    ecs_system_add(world, &hear_and_send, ECS_UPDATE);
    send_some(world, 1, 3);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    ecs_events events = ecs_event_read(world, reader);
    REQUIRE(events.count == 3);
    CHECK_EQ_U64(((const Miss *)events.data)[2].number, 6);
    ecs_world_destroy(world);
}

/* ---- Against plain arrays ----------------------------------------------------------------- */

enum { PLAIN_EVENTS_MAX = 4000, PLAIN_READERS = 5 };

/* All events ever accepted have the numbers 0, 1, 2, ...; each reader is a position. */
typedef struct plain {
    ecs_event_reader readers[PLAIN_READERS];
    uint32_t at[PLAIN_READERS];
    bool open[PLAIN_READERS];
    uint32_t sent;
    uint32_t oldest; /* in the buffer */
    uint32_t capacity;
    bool overwrite;
} plain;

static bool plain_has_reader(const plain *p)
{
    bool any = false;
    for (uint32_t i = 0; i < PLAIN_READERS; i++) any = any || p->open[i];
    return any;
}

/* Forgets what all have seen. */
static void plain_forget(plain *p)
{
    uint32_t lowest = p->sent;
    for (uint32_t i = 0; i < PLAIN_READERS; i++) {
        if (p->open[i] && p->at[i] < lowest) lowest = p->at[i];
    }
    if (lowest > p->oldest) p->oldest = lowest;
}

static void plain_send(plain *p, ecs_world *world)
{
    ecs_status status = ecs_event_send(world, Hit, {p->sent, 0});
    plain_forget(p);
    if (p->sent - p->oldest == p->capacity && !p->overwrite) {
        CHECK_STATUS(status, ECS_FULL);
        return;
    }
    CHECK_STATUS(status, ECS_OK);
    if (p->sent - p->oldest == p->capacity) p->oldest++;
    p->sent++;
}

static void plain_read(plain *p, ecs_world *world, uint32_t i)
{
    ecs_events events = ecs_event_read(world, p->readers[i]);
    uint32_t first = p->at[i] < p->oldest ? p->oldest : p->at[i];
    CHECK_EQ_U64(events.missed, first - p->at[i]);
    CHECK_EQ_U64(events.count, p->sent - first);
    for (uint32_t k = 0; k < events.count && k < p->sent - first; k++) {
        CHECK_EQ_U64(((const Hit *)events.data)[k].number, first + k);
    }
    p->at[i] = p->sent;
}

TEST(event_random_readers_agree_with_arrays)
{
    uint64_t state = test_seed();
    for (uint32_t round = 0; round < test_rounds(100, 5000); round++) {
        plain p;
        memset(&p, 0, sizeof p);
        p.capacity = 1 + test_random_below(&state, 20);
        p.overwrite = test_random_below(&state, 2) != 0;
        ecs_world *world = world_with_capacity(
            p.capacity, p.overwrite ? ECS_EVENT_OVERWRITE : ECS_EVENT_REFUSE);
        for (uint32_t step = 0; step < PLAIN_EVENTS_MAX; step++) {
            uint32_t i = test_random_below(&state, PLAIN_READERS);
            uint32_t way = test_random_below(&state, 12);
            if (way < 7) {
                plain_send(&p, world);
            } else if (way == 11 && p.open[i]) {
                CHECK_STATUS(ecs_event_reader_close(world, p.readers[i]), ECS_OK);
                p.open[i] = false;
            } else if (p.open[i]) {
                plain_read(&p, world, i);
            } else if (way == 11) {
                p.readers[i] = ecs_event_reader_open(world, Hit);
                p.open[i] = true;
                p.at[i] = p.sent;
            }
        }
        plain_forget(&p);
        /* What all have seen may be forgotten later; without a reader nothing is kept. */
        CHECK(hit_stats(world).count >= p.sent - p.oldest);
        CHECK(hit_stats(world).count <= (plain_has_reader(&p) ? p.capacity : 0));
        CHECK_EQ_U64(hit_stats(world).sent, p.sent);
        ecs_world_destroy(world);
    }
}
