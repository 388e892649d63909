/* worlds.c: worlds that are ticked by threads of their own and send each other entities over
 * routes of 64 places, and the ring below by itself, with several threads on both sides.
 *
 * Eight worlds of eight threads; once all of them also share a pool of eight workers.
 *
 * Each entity carries a number. After each round all threads have joined: the living and those
 * on the way are counted, summed and XORed, and each number is there once. What the threads saw
 * refused must be what the counters say. Positions begin shortly before 2^31, 2^32 and the end. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#include <pthread.h>

enum {
    WORLDS = 8,
    CITIZENS = 300, /* of each world at first: more than its seven routes of 64 hold */
    PEOPLE = WORLDS * CITIZENS,
    TICKS = 200,    /* of one world in one round */
    RING_THREADS = 8,
    RING_CAPACITY = 64,
    RING_ITEMS = 20000, /* of one sender */
    RING_BATCH = 7,
    RING_HOLD = 5
};

static const uint64_t boundaries[] = {(uint64_t)1 << 31, (uint64_t)1 << 32, 0};

/* Threads are more than cores, and spin where they wait. */
static void shy(uint32_t *vain)
{
    if (++*vain % 64 == 0) {
        ecsi_yield();
    } else {
        ecsi_pause();
    }
}

/* ---- The ring by itself --------------------------------------------------------------- */

static struct {
    ecsi_ring ring;
    ecsi_turn turns[RING_CAPACITY];
    uint64_t values[RING_CAPACITY]; /* plain: TSan sees whether the ring orders them */
    uint32_t batch_counts[RING_CAPACITY];
    uint8_t got[RING_THREADS * RING_ITEMS];
    uint64_t sums[RING_THREADS];
    uint64_t refusals[RING_THREADS];
    uint32_t senders;
    uint32_t takers;
    ecsi_atomic_u32 left; /* not yet taken */
    ecsi_atomic_u32 place;
    ecsi_atomic_u32 take_place;
} q;

static void *ring_send(void *data)
{
    uint32_t me = ECSI_ADD(&q.place, 1u, relaxed);
    uint64_t state = test_seed() + me;
    uint32_t sent = 0;
    uint32_t vain = 0;
    (void)data;
    while (sent < RING_ITEMS) {
        uint32_t want = 1 + test_random_below(&state, RING_BATCH);
        uint32_t least = test_random_below(&state, 2) == 0 ? 1 : want;
        uint64_t at = 0;
        uint32_t count;
        if (want > RING_ITEMS - sent) want = RING_ITEMS - sent;
        if (least > want) least = want;
        count = ecsi_ring_claim(&q.ring, least, want, &at);
        if (count == 0) {
            q.refusals[me]++;
            shy(&vain);
            continue;
        }
        CHECK(count >= least && count <= want);
        for (uint32_t i = 0; i < count; i++) {
            q.values[(at + i) % RING_CAPACITY] = (uint64_t)me * RING_ITEMS + sent + i;
            q.batch_counts[(at + i) % RING_CAPACITY] = count - i;
        }
        ecsi_ring_publish_all(&q.ring, at, count);
        sent += count;
    }
    return NULL;
}

/* Takes, and lets go of what it took only some takes later. */
static void *ring_take(void *data)
{
    uint32_t me = ECSI_ADD(&q.take_place, 1u, relaxed);
    uint64_t state = test_seed() + 100 + me;
    uint64_t held[RING_HOLD];
    uint32_t held_count = 0;
    uint32_t vain = 0;
    (void)data;
    while (ECSI_LOAD(&q.left, relaxed) > 0) {
        uint64_t at;
        bool taken = ecsi_ring_take(&q.ring, &at);
        if (taken) {
            uint64_t value = q.values[at % RING_CAPACITY];
            REQUIRE(value < (uint64_t)RING_THREADS * RING_ITEMS);
            REQUIRE(q.got[value] == 0);
            q.got[value] = 1;
            q.sums[me] += value;
            held[held_count++] = at;
            (void)ECSI_SUB(&q.left, 1u, relaxed);
        } else {
            shy(&vain);
        }
        if (held_count == RING_HOLD || (!taken && held_count > 0) ||
            test_random_below(&state, 4) == 0) {
            while (held_count > 0) ecsi_ring_release(&q.ring, held[--held_count]);
        }
    }
    while (held_count > 0) ecsi_ring_release(&q.ring, held[--held_count]);
    return NULL;
}

static void run_ring(uint32_t senders, uint32_t takers, bool single, uint64_t boundary)
{
    pthread_t threads[2 * RING_THREADS];
    uint32_t total = senders * RING_ITEMS;
    uint64_t sum = 0;
    memset(&q, 0, sizeof q);
    ecsi_ring_create(&q.ring, q.turns, RING_CAPACITY, boundary - total / 2);
    q.ring.single = single;
    ECSI_STORE(&q.left, total, relaxed);
    for (uint32_t i = 0; i < senders + takers; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, i < senders ? ring_send : ring_take, NULL) == 0);
    }
    for (uint32_t i = 0; i < senders + takers; i++) pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < takers; i++) sum += q.sums[i];
    for (uint32_t i = 0; i < total; i++) REQUIRE(q.got[i] == 1);
    CHECK_EQ_U64(sum, (uint64_t)total * (total - 1) / 2);
    CHECK_EQ_U64(ecsi_ring_count(&q.ring), 0);
    /* Every place is free again. */
    CHECK_EQ_U64(ecsi_ring_claim(&q.ring, RING_CAPACITY, RING_CAPACITY, &sum), RING_CAPACITY);
}

TEST(ring_8_senders_8_takers)
{
    uint32_t rounds = test_rounds(2, 200);
    for (uint32_t i = 0; i < rounds * 3; i++) run_ring(8, 8, false, boundaries[i % 3]);
    printf("    %u rounds of %u items\n", rounds * 3, 8 * RING_ITEMS);
}

TEST(ring_3_senders_1_taker)
{
    uint32_t rounds = test_rounds(2, 200);
    for (uint32_t i = 0; i < rounds * 3; i++) run_ring(3, 1, false, boundaries[i % 3]);
}

TEST(ring_1_sender_1_taker_without_cas)
{
    uint32_t rounds = test_rounds(4, 400);
    for (uint32_t i = 0; i < rounds * 3; i++) run_ring(1, 1, true, boundaries[i % 3]);
}

/* ---- Worlds --------------------------------------------------------------------------- */

#ifndef ECS_NO_WORLDS

typedef struct { uint64_t number; uint64_t check; } Citizen;
ECS_COMPONENT(Citizen, number, check);
typedef struct { ecs_entity friend_of; } Friend;
ECS_COMPONENT(Friend, friend_of);

/* A system to be split: what it reads must be whole wherever it runs. */
ECS_SYSTEM(grow_old, READ(Citizen))
{
    const Citizen *c = ecs_read(view, Citizen);
    for (uint32_t i = 0; i < view->count; i++) {
        if (c[i].check != c[i].number * 0x9e3779b97f4a7c15u) return ECS_FAILED;
    }
    return ECS_OK;
}

typedef struct {
    ecs_world *world;
    uint32_t number; /* of the member */
    uint64_t state;
    uint64_t refused; /* as seen by its thread */
    bool marks;       /* sends by marker, else by call */
} crew;

static struct {
    ecs_worlds *worlds;
    crew crews[WORLDS];
    ecsi_atomic_u32 stop;
    uint32_t ticks;
} s;

static const ecs_worlds_member_desc *member_named(const char *name)
{
    static ecs_worlds_member_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = name;
    return &desc;
}

/* How many it likes to send in this tick, and to whom: now and then all to one. */
static uint32_t target_of(crew *c, uint32_t fashion)
{
    uint32_t to = fashion != 0 ? fashion : 1 + test_random_below(&c->state, WORLDS);
    return to == c->number ? to % WORLDS + 1 : to;
}

/* Sends up to `count` by calls; counts what is refused. */
static void crew_sends(crew *c, uint32_t count, uint32_t fashion)
{
    ecs_entity group[4];
    ecs_entity e = ecs_entity_next(c->world, ecs_null());
    for (; count > 0 && !ecs_is_null(e); count--) {
        uint32_t to = target_of(c, fashion);
        uint32_t n = 0;
        ecs_status status;
        for (; n < 1 + count % 4 && !ecs_is_null(e); n++) {
            group[n] = e;
            e = ecs_entity_next(c->world, e);
        }
        status = ecs_worlds_send_group(s.worlds, c->world, group, n, to);
        if (status == ECS_OK) continue;
        REQUIRE_STATUS(status, ECS_FULL);
        REQUIRE(ecs_alive(c->world, group[n - 1]));
        c->refused += n;
    }
}

/* Marks up to `count`, some of them in groups. */
static void crew_marks(crew *c, uint32_t count, uint32_t fashion)
{
    ecs_entity e = ecs_entity_next(c->world, ecs_null());
    for (; count > 0 && !ecs_is_null(e); count--, e = ecs_entity_next(c->world, e)) {
        ecs_transfer t;
        if (ecs_has_type(c->world, e, ecs_type_of(ecs_transfer))) continue;
        memset(&t, 0, sizeof t);
        t.target = target_of(c, fashion);
        t.priority = test_random_below(&c->state, 3);
        t.group = test_random_below(&c->state, 8) == 0 ? t.target : 0;
        REQUIRE_STATUS(ecs_set_type(c->world, e, ecs_type_of(ecs_transfer), &t), ECS_OK);
    }
}

static void *crew_main(void *data)
{
    crew *c = (crew *)data;
    ecs_component marker = ecs_component_of(c->world, ecs_type_of(ecs_transfer));
    for (uint32_t i = 0; i < s.ticks; i++) {
        uint32_t count = test_random_below(&c->state, 120);
        uint32_t fashion = test_random_below(&c->state, 4) == 0 ? 1 + i / 8 % WORLDS : 0;
        uint64_t refused = c->refused;
        uint64_t sent;
        uint64_t due;
        if (c->marks) {
            crew_marks(c, count, fashion);
        } else {
            crew_sends(c, count, fashion);
        }
        /* The retries are set so that all that are marked are tried in each tick; nobody who
         * arrives is marked. */
        sent = ecs_worlds_stats_of(s.worlds, c->world).sent;
        due = ecs_component_count(c->world, marker);
        REQUIRE_STATUS(ecs_worlds_tick_one(s.worlds, c->world, 0.01f), ECS_OK);
        c->refused += due - (ecs_worlds_stats_of(s.worlds, c->world).sent - sent);
        (void)ecs_worlds_admits(s.worlds, c->world, target_of(c, 0));
        /* Routes are full: others must tick before more can be sent. */
        if (c->refused - refused > 50 || test_random_below(&c->state, 16) == 0) ecsi_yield();
    }
    return NULL;
}

/* Looks on: counters never say that more has arrived than was sent (asserts in the library). */
static void *look_on(void *data)
{
    uint32_t vain = 0;
    (void)data;
    while (ECSI_LOAD(&s.stop, relaxed) == 0) {
        ecs_route_stats stats;
        uint32_t from = vain % WORLDS;
        uint32_t to = vain / WORLDS % WORLDS;
        ecs_worlds_stats all = ecs_worlds_stats_of(s.worlds, s.crews[from].world);
        CHECK(all.in_flight_from <= PEOPLE && all.in_flight_to <= PEOPLE);
        if (ecs_worlds_route_stats(s.worlds, s.crews[from].world, s.crews[to].number, &stats) ==
            ECS_OK) {
            CHECK(stats.in_flight <= PEOPLE);
        }
        shy(&vain);
    }
    return NULL;
}

/* Each number is once among the living, and with `on_the_way` the count makes it whole. */
static void check_people(uint64_t on_the_way)
{
    static uint8_t seen[PEOPLE];
    uint64_t living = 0;
    uint64_t sum = 0;
    uint64_t xors = 0;
    uint64_t refused = 0;
    memset(seen, 0, sizeof seen);
    for (uint32_t w = 0; w < WORLDS; w++) {
        ecs_world *world = s.crews[w].world;
        ecs_entity e = ecs_entity_next(world, ecs_null());
        for (; !ecs_is_null(e); e = ecs_entity_next(world, e)) {
            const Citizen *c = (const Citizen *)ecs_get_type(world, e, ecs_type_of(Citizen));
            REQUIRE(c != NULL && c->number < PEOPLE);
            REQUIRE(c->check == c->number * 0x9e3779b97f4a7c15u);
            REQUIRE(seen[c->number] == 0);
            seen[c->number] = 1;
            sum += c->number;
            xors ^= c->check;
            living++;
        }
        refused += s.crews[w].refused;
        CHECK_EQ_U64(ecs_worlds_stats_of(s.worlds, world).refused, s.crews[w].refused);
    }
    REQUIRE(CHECK_EQ_U64(living + on_the_way, PEOPLE));
    CHECK_EQ_U64(ecs_worlds_stats_of(s.worlds, NULL).refused, refused);
    if (on_the_way > 0) return;
    for (uint64_t i = 0; i < PEOPLE; i++) xors ^= i * 0x9e3779b97f4a7c15u;
    CHECK_EQ_U64(xors, 0);
    CHECK_EQ_U64(sum, (uint64_t)PEOPLE * (PEOPLE - 1) / 2);
}

static void settle_in(uint32_t w, ecs_pool *pool)
{
    crew *c = &s.crews[w];
    ecs_world_desc desc;
    char name[8];
    memset(&desc, 0, sizeof desc);
    if (pool != NULL) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.pool = pool;
        desc.share_ns = 1;
        desc.row_block_rows = 64;
    }
    c->world = ecs_world_create(&desc);
    REQUIRE(c->world != NULL);
    REQUIRE_STATUS(ecs_component_register(c->world, ecs_type_of(Citizen), NULL), ECS_OK);
    REQUIRE_STATUS(ecs_component_register(c->world, ecs_type_of(Friend), NULL), ECS_OK);
    REQUIRE_STATUS(ecs_component_register(c->world, ecs_type_of(ecs_transfer), NULL), ECS_OK);
    for (uint32_t i = 0; i < CITIZENS; i++) {
        Citizen citizen;
        Friend other;
        ecs_entity e = ecs_spawn(c->world);
        citizen.number = (uint64_t)w * CITIZENS + i;
        citizen.check = citizen.number * 0x9e3779b97f4a7c15u;
        other.friend_of = e;
        REQUIRE_STATUS(ecs_set_type(c->world, e, ecs_type_of(Citizen), &citizen), ECS_OK);
        if (i % 3 > 0) continue;
        REQUIRE_STATUS(ecs_set_type(c->world, e, ecs_type_of(Friend), &other), ECS_OK);
    }
    if (pool != NULL) REQUIRE_STATUS(ecs_system_add(c->world, &grow_old, ECS_UPDATE), ECS_OK);
    (void)snprintf(name, sizeof name, "w%u", w);
    REQUIRE_STATUS(ecs_worlds_add(s.worlds, c->world, member_named(name)), ECS_OK);
    c->number = ecs_worlds_number(s.worlds, c->world);
    c->state = test_seed() + w;
    c->marks = w % 2 == 1;
}

/* What the test of the worlds varies. */
typedef struct {
    uint32_t shared; /* so many worlds have one route for all that send to them */
    bool pool;       /* their systems run on a pool of eight workers */
} plan;

/* Routes of 64 places each way; those between neighbours have one sender and do without compare
 * and swap. */
static void lay_routes(uint32_t shared)
{
    for (uint32_t i = 0; i < WORLDS * WORLDS; i++) {
        uint32_t from = i / WORLDS;
        uint32_t to = i % WORLDS;
        ecs_route_desc desc;
        ecsi_route *route;
        char names[2][8];
        bool all = to < shared;
        if (from == to || (all && from != (to == 0))) continue; /* one for all: once */
        (void)snprintf(names[0], sizeof names[0], "w%u", from);
        (void)snprintf(names[1], sizeof names[1], "w%u", to);
        memset(&desc, 0, sizeof desc);
        desc.from = all ? NULL : names[0];
        desc.to = names[1];
        desc.capacity = 64;
        desc.batch = i % 3 == 0 ? 5 : 64;
        desc.spsc = !all && (from + 1) % WORLDS == to;
        REQUIRE_STATUS(ecs_worlds_route(s.worlds, &desc), ECS_OK);
        route = s.worlds->routes[all ? ECSI_SHARED : from][to];
        route->ring.single = false;
        ecsi_ring_create(&route->ring, route->ring.slots, 64, boundaries[i % 3] - 100 - i);
        route->ring.single = desc.spsc;
    }
}

/* After a settling nothing is on the way, and all positions have gone on by what was sent. */
static void check_routes(void)
{
    uint32_t crossed = 0;
    for (uint32_t i = 0; i < (ECS_WORLDS_MAX + 1) * WORLDS; i++) {
        const ecsi_route *route = s.worlds->routes[i / WORLDS][i % WORLDS];
        if (route == NULL) continue;
        CHECK_EQ_U64(ecsi_route_in_flight(route), 0);
        CHECK_EQ_U64(ecsi_ring_count(&route->ring), 0);
        CHECK_EQ_U64(ECSI_LOAD(&route->sent, relaxed), ECSI_LOAD(&route->arrived, relaxed));
        if (ECSI_LOAD(&route->sent, relaxed) > 300) crossed++;
    }
    CHECK(crossed > 0);
}

static void run_worlds(uint32_t rounds, uint32_t ticks, plan how)
{
    ecs_pool *pool = NULL;
    ecs_pool_desc pool_desc;
    ecs_worlds_desc desc;
    ecs_worlds_stats stats;
    memset(&s, 0, sizeof s);
    memset(&desc, 0, sizeof desc);
    desc.retry.limit = ECS_RETRY_FOREVER;
    desc.retry.most = 1;
    desc.transfers_max = PEOPLE;
    s.worlds = ecs_worlds_create(&desc);
    s.ticks = ticks;
    REQUIRE(s.worlds != NULL);
    if (how.pool) {
        memset(&pool_desc, 0, sizeof pool_desc);
        pool_desc.workers = WORLDS;
        pool_desc.guests_max = WORLDS + 1;
        pool = ecs_pool_create(&pool_desc);
    }
    for (uint32_t w = 0; w < WORLDS; w++) settle_in(w, pool);
    lay_routes(how.shared);
    for (uint32_t round = 0; round < rounds; round++) {
        pthread_t threads[WORLDS + 1];
        ECSI_STORE(&s.stop, 0u, relaxed);
        for (uint32_t w = 0; w < WORLDS; w++) {
            REQUIRE(pthread_create(&threads[w], NULL, crew_main, &s.crews[w]) == 0);
        }
        REQUIRE(pthread_create(&threads[WORLDS], NULL, look_on, NULL) == 0);
        for (uint32_t w = 0; w < WORLDS; w++) pthread_join(threads[w], NULL);
        ECSI_STORE(&s.stop, 1u, relaxed);
        pthread_join(threads[WORLDS], NULL);
        stats = ecs_worlds_stats_of(s.worlds, NULL);
        CHECK_EQ_U64(stats.in_flight_from, stats.in_flight_to);
        CHECK_EQ_U64(stats.sent, stats.arrived + stats.in_flight_to);
        check_people(stats.in_flight_to);
    }
    REQUIRE(CHECK_EQ_U64(ecs_worlds_settle(s.worlds), 0));
    check_people(0);
    check_routes();
    stats = ecs_worlds_stats_of(s.worlds, NULL);
    CHECK(stats.refused > 0);
    printf("    %llu transfers, %llu refused, seed %llu\n", (unsigned long long)stats.sent,
           (unsigned long long)stats.refused, (unsigned long long)test_seed());
    CHECK_STATUS(ecs_worlds_destroy(s.worlds), ECS_OK);
    for (uint32_t w = 0; w < WORLDS; w++) ecs_world_destroy(s.crews[w].world);
    CHECK_STATUS(ecs_pool_destroy(pool), ECS_OK);
}

TEST(worlds_8_by_8_routes_of_64)
{
    static const plan how = {0, false};
    run_worlds(test_rounds(40, 2000), TICKS, how);
}

TEST(worlds_with_routes_that_all_share)
{
    static const plan how = {WORLDS, false};
    run_worlds(test_rounds(40, 2000), TICKS, how);
}

TEST(worlds_with_both_kinds_of_routes)
{
    static const plan how = {1, false};
    run_worlds(test_rounds(20, 1000), TICKS, how);
}

/* Eight threads that tick, and eight workers that they share. */
TEST(worlds_8_on_a_pool_of_8)
{
    static const plan how = {2, true};
    run_worlds(test_rounds(20, 500), TICKS, how);
}

#endif /* ECS_NO_WORLDS */
