/* route.h: the way from one world to another: a ring of descriptors with a body for each.
 *
 * Positions of the ring, descriptors (ecsi_transit) and bodies go together, so whoever has
 * claimed a position has room for all of an entity, and nothing can be refused half-way. A body
 * begins with its parts, one for each component; the values follow. A batch is claimed at once
 * and published from its last position to its first: who sees the first sees all of it. The
 * taker holds a batch until its world has room for it; the positions stay in use so long.
 *
 * Any thread may send over a route, one at a time takes from it. */
/* floor: 7 */
#ifndef ECS_ROUTE_H
#define ECS_ROUTE_H

#include "edit.h"
#include "ring.h"

#ifndef ECS_NO_WORLDS

#define ECSI_ROUTE_CAPACITY 4096u
#define ECSI_ROUTE_CAPACITY_MAX (1u << 20)
#define ECSI_ROUTE_BATCH 64u
/* A group is looked through for doubles, each with each. */
#define ECSI_ROUTE_BATCH_MAX 4096u
#define ECSI_ROUTE_BODY_BYTES 256u
#define ECSI_ROUTE_BODY_BYTES_MAX (1u << 24)
/* Bodies are aligned to this; values that want more are put where the address fits. */
#define ECSI_BODY_ALIGN 64u
/* Index of what is not there. */
#define ECSI_NO_MEMBER 0xffffffffu

typedef struct ecsi_cargo {
    uint32_t component; /* as the target knows it */
    uint32_t offset;    /* of its value in the body; 0: a tag */
} ecsi_cargo;

typedef struct ecsi_transit {
    uint64_t tick;     /* with source and sequence: the order of arrival in lockstep */
    uint64_t sequence;
    ecs_entity entity;  /* at the source; null: discarded */
    ecs_entity arrived; /* at the target, while its batch is put in */
    ecsi_table *table;  /* the same */
    uint32_t source;
    uint32_t batch_count; /* entities from this one on that came together */
    uint32_t group;
    uint32_t part_count;
} ecsi_transit;

/* A table of the target, and the rows of it that a batch needs. */
typedef struct ecsi_need {
    ecsi_table *table;
    uint32_t count;
} ecsi_need;

/* Handles of a batch: at the source, and at the target. */
typedef struct ecsi_remap {
    uint64_t from; /* 0: free */
    ecs_entity to;
} ecsi_remap;

typedef struct ecsi_route {
    ecsi_ring ring;
    ecsi_transit *transits;
    unsigned char *bodies;
    uint32_t from; /* index of a member; ECSI_NO_MEMBER: shared */
    uint32_t to;
    uint32_t batch;
    uint32_t body_bytes;
    uint32_t priority;
    uint32_t high;
    uint32_t low;
    size_t bytes; /* of all that it takes */
    /* The taker's. */
    ecsi_need *needs;
    ecsi_remap *remaps;
    uint32_t remap_count; /* a power of two */
    uint32_t held_count;  /* taken and not put in */
    uint64_t held_at;
    bool stuck;           /* no room for the first batch, in this round */
    /* Counters, by whoever sends or takes. */
    ecsi_atomic_u32 closed; /* does not admit */
    ecsi_atomic_u64 sent;
    ecsi_atomic_u64 arrived;
    ecsi_atomic_u64 discarded;
    ecsi_atomic_u64 refused;
    ecsi_atomic_u64 refused_full;
    ecsi_atomic_u64 dropped;
    ecsi_atomic_u64 stalled;
} ecsi_route;

/* The description with its defaults; false when it makes no sense. */
static bool ecsi_route_resolve(const ecs_route_desc *from, ecs_route_desc *d)
{
    ECSI_CHECK(from != d);
    ECSI_CHECK(from->to != NULL);
    *d = *from;
    if (d->capacity == 0) d->capacity = ECSI_ROUTE_CAPACITY;
    if (d->batch == 0) d->batch = ecsi_min_u32(ECSI_ROUTE_BATCH, d->capacity);
    if (d->body_bytes == 0) d->body_bytes = ECSI_ROUTE_BODY_BYTES;
    if (d->high == 0) d->high = d->capacity - d->capacity / 4;
    if (d->low == 0) d->low = ecsi_max_u32(d->high / 2, 1);
    if (!ecsi_is_power_of_two(d->capacity) || d->capacity < 2) return false;
    if (d->capacity > ECSI_ROUTE_CAPACITY_MAX || d->batch > d->capacity) return false;
    if (d->batch > ECSI_ROUTE_BATCH_MAX) return false;
    if (d->body_bytes > ECSI_ROUTE_BODY_BYTES_MAX) return false;
    d->body_bytes = (uint32_t)ecsi_align_up(d->body_bytes, ECSI_BODY_ALIGN);
    if (d->spsc && d->from == NULL) return false;
    return d->high <= d->capacity && d->low <= d->high;
}

/* Cuts a piece off a block that is laid out; with `base` NULL it only measures. */
static void *ecsi_route_piece(unsigned char *base, size_t *at, size_t bytes)
{
    size_t begin = ecsi_align_up(*at, ECSI_LINE_BYTES);
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(begin >= *at);
    *at = begin + bytes;
    return base == NULL ? NULL : base + begin;
}

/* Lays a route out in a block, or measures that block: answers its bytes. */
static size_t ecsi_route_layout(unsigned char *base, const ecs_route_desc *d, ecsi_route *route)
{
    size_t at = sizeof *route;
    size_t n = d->capacity;
    uint32_t remaps = ecsi_round_up_power(d->batch) * 2u;
    ecsi_turn *turns;
    ECSI_CHECK(d->capacity >= 2 && d->batch >= 1);
    ECSI_CHECK(d->body_bytes % ECSI_BODY_ALIGN == 0);
    turns = (ecsi_turn *)ecsi_route_piece(base, &at, n * sizeof *turns);
    route->transits = (ecsi_transit *)ecsi_route_piece(base, &at, n * sizeof(ecsi_transit));
    route->bodies = (unsigned char *)ecsi_route_piece(base, &at, n * d->body_bytes);
    route->needs = (ecsi_need *)ecsi_route_piece(base, &at, d->batch * sizeof(ecsi_need));
    route->remaps = (ecsi_remap *)ecsi_route_piece(base, &at, remaps * sizeof(ecsi_remap));
    route->remap_count = remaps;
    route->batch = d->batch;
    route->body_bytes = d->body_bytes;
    route->priority = d->priority;
    route->high = d->high;
    route->low = d->low;
    if (base != NULL) ecsi_ring_create(&route->ring, turns, d->capacity, 0);
    route->ring.single = d->spsc;
    return at;
}

/* NULL: the allocator refused. */
static ecsi_route *ecsi_route_make(ecsi_memory *memory, const ecs_route_desc *d)
{
    ecsi_route measured;
    ecsi_route *route;
    size_t bytes;
    ECSI_CHECK(!memory->fixed);
    if ((uint64_t)d->capacity * d->body_bytes > SIZE_MAX / 4) return NULL;
    memset(&measured, 0, sizeof measured);
    bytes = ecsi_route_layout(NULL, d, &measured);
    ECSI_CHECK(bytes > sizeof *route);
    route = (ecsi_route *)ecsi_alloc(memory, bytes, ECSI_LINE_BYTES);
    if (route == NULL) return NULL;
    memset(route, 0, sizeof *route);
    route->bytes = ecsi_route_layout((unsigned char *)route, d, route);
    ECSI_CHECK(route->bytes == bytes);
    return route;
}

static inline ecsi_transit *ecsi_route_transit(const ecsi_route *route, uint64_t at)
{
    return &route->transits[at & (route->ring.capacity - 1)];
}

static inline unsigned char *ecsi_route_body(const ecsi_route *route, uint64_t at)
{
    return route->bodies + (size_t)(at & (route->ring.capacity - 1)) * route->body_bytes;
}

/* Where the next value of a body goes. `body` NULL: the most that it may take is reckoned. */
static inline size_t ecsi_body_place(const unsigned char *body, size_t at, size_t align)
{
    ECSI_CHECK(ecsi_is_power_of_two(align));
    ECSI_CHECK((uintptr_t)body % ECSI_BODY_ALIGN == 0);
    if (align <= ECSI_BODY_ALIGN) return ecsi_align_up(at, align);
    if (body == NULL) return ecsi_align_up(at, ECSI_BODY_ALIGN) + (align - ECSI_BODY_ALIGN);
    return ecsi_align_up((size_t)(uintptr_t)body + at, align) - (size_t)(uintptr_t)body;
}

/* Entities that were sent and have not arrived. Any thread: never less than none. */
static uint64_t ecsi_route_in_flight(const ecsi_route *route)
{
    /* Pair with the releases of those who take: they have seen that it was sent. */
    uint64_t gone = ECSI_LOAD(&route->arrived, acquire);
    uint64_t sent;
    gone += ECSI_LOAD(&route->discarded, acquire);
    sent = ECSI_LOAD(&route->sent, relaxed);
    ECSI_CHECK(sent >= gone);
    ECSI_CHECK(route->batch > 0);
    return sent - gone;
}

/* Whether it is below its watermark; between the two marks it stays as it was. */
static bool ecsi_route_admits(ecsi_route *route)
{
    uint64_t count = ecsi_route_in_flight(route);
    ECSI_CHECK(route->low <= route->high);
    ECSI_CHECK(route->high > 0);
    if (count >= route->high) ECSI_STORE(&route->closed, 1u, relaxed);
    if (count < route->low) ECSI_STORE(&route->closed, 0u, relaxed);
    return ECSI_LOAD(&route->closed, relaxed) == 0;
}

/* Gives `count` positions that are held back to the senders. */
static void ecsi_route_release(ecsi_route *route, uint32_t count)
{
    uint32_t i;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= route->held_count);
    for (i = 0; i < count; i++) ecsi_ring_release(&route->ring, route->held_at + i);
    route->held_at += count;
    route->held_count -= count;
}

/* The first entity that is to be put in, with its batch held; NULL when there is none. */
static ecsi_transit *ecsi_route_head(ecsi_route *route)
{
    uint32_t round;
    ECSI_CHECK(route->held_count <= route->ring.capacity);
    for (round = 0; round <= route->ring.capacity; round++) {
        ecsi_transit *first;
        uint64_t at;
        if (route->held_count == 0) {
            uint32_t i;
            if (!ecsi_ring_take(&route->ring, &route->held_at)) return NULL;
            route->held_count = ecsi_route_transit(route, route->held_at)->batch_count;
            ECSI_CHECK(route->held_count >= 1 && route->held_count <= route->batch);
            for (i = 1; i < route->held_count; i++) {
                bool taken = ecsi_ring_take(&route->ring, &at);
                ECSI_CHECK(taken && at == route->held_at + i);
                (void)taken;
            }
        }
        first = ecsi_route_transit(route, route->held_at);
        if (!ecs_is_null(first->entity)) return first;
        ecsi_route_release(route, 1); /* discarded */
    }
    return NULL;
}

/* ---- References ---------------------------------------------------------------------- */

static inline uint32_t ecsi_remap_home(const ecsi_route *route, uint64_t from)
{
    return (uint32_t)((from * 0x9e3779b97f4a7c15u) >> 32) & (route->remap_count - 1);
}

/* Notes the new handles of the first `count` entities that are held. */
static void ecsi_remap_fill(ecsi_route *route, uint32_t count)
{
    uint32_t i;
    ECSI_CHECK(count <= route->batch);
    ECSI_CHECK(count * 2 <= route->remap_count);
    memset(route->remaps, 0, route->remap_count * sizeof *route->remaps);
    for (i = 0; i < count; i++) {
        const ecsi_transit *transit = ecsi_route_transit(route, route->held_at + i);
        uint32_t at = ecsi_remap_home(route, transit->entity.bits);
        while (route->remaps[at].from != 0) at = (at + 1) & (route->remap_count - 1);
        route->remaps[at].from = transit->entity.bits;
        route->remaps[at].to = transit->arrived;
    }
}

/* The new handle of one that travelled along, else null, or the old one with `keep`. */
static inline ecs_entity ecsi_remap_find(const ecsi_route *route, ecs_entity entity, bool keep)
{
    uint32_t at = ecsi_remap_home(route, entity.bits);
    ECSI_CHECK(!ecs_is_null(entity));
    for (; route->remaps[at].from != 0; at = (at + 1) & (route->remap_count - 1)) {
        if (route->remaps[at].from == entity.bits) return route->remaps[at].to;
    }
    return keep ? entity : ecs_null();
}

/* Puts the new handles into the references of one value. */
static void ecsi_remap_value(const ecsi_route *route, const ecsi_component *component,
                             unsigned char *value, bool keep)
{
    uint32_t m;
    ECSI_CHECK(component->references);
    ECSI_CHECK(value != NULL);
    for (m = 0; m < component->type.member_count; m++) {
        const ecs_member *member = &component->type.members[m];
        uint32_t at;
        if (member->kind != ECS_KIND_ENTITY) continue;
        for (at = 0; at < member->bytes; at += (uint32_t)sizeof(ecs_entity)) {
            ecs_entity e;
            memcpy(&e, value + member->offset + at, sizeof e);
            if (ecs_is_null(e)) continue;
            e = ecsi_remap_find(route, e, keep);
            memcpy(value + member->offset + at, &e, sizeof e);
        }
    }
}

#endif /* ECS_NO_WORLDS */

#endif /* ECS_ROUTE_H */
