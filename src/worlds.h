/* worlds.h: worlds that hand entities to each other: members, routing, the two ends of a
 * transfer, and the tick of all.
 *
 * A sender must know whether the target has a component without looking into the target, which
 * another thread may tick. So each member publishes its components: a list that only grows, of
 * pointers to entries that stay and whose names and shapes never change. The sender looks into
 * the list once for each of its components and remembers the answer (ecsi_pair).
 *
 * What can be refused is found out before anything changes: components and sizes first, then
 * positions of the ring are claimed, and only then the entities leave their rows. The other end
 * puts in singles one by one, as far as there is room; for a group it reserves handles, tables
 * and rows for all before it puts in the first. */
/* floor: 14 */
#ifndef ECS_WORLDS_H
#define ECS_WORLDS_H

#include "route.h"
#include "world.h"

#ifndef ECS_NO_WORLDS

#define ECSI_TRANSFERS 4096u
#define ECSI_TRANSFERS_MAX (1u << 20)
#define ECSI_RETRY_LIMIT 16u
#define ECSI_RETRY_FIRST 1u
#define ECSI_RETRY_MOST 64u
/* The target knows the name with another shape. */
#define ECSI_DIFFERS 0xffffffffu
/* Row of the routes that members share. */
#define ECSI_SHARED ECS_WORLDS_MAX

/* What a component of a source is at a target. */
typedef struct ecsi_pair {
    uint32_t id;       /* 0: not known yet; ECSI_DIFFERS */
    uint32_t searched; /* of the target's list */
    uint32_t told;     /* the log has it */
} ecsi_pair;

/* A marked entity that is to be sent. Must begin with the handle: see ecsi_entity_of. */
typedef struct ecsi_pick {
    ecs_entity entity;
    uint32_t priority;
    uint32_t to;
    uint32_t group;
} ecsi_pick;

typedef struct ecsi_member_choice {
    const ecs_type *type;
    char target[ECS_NAME_BYTES_MAX];
    uint32_t to;
} ecsi_member_choice;

typedef struct ecsi_member {
    ecs_world *world; /* NULL: free */
    char name[ECS_NAME_BYTES_MAX];
    ecs_world_role role;
    char target[ECS_NAME_BYTES_MAX]; /* empty: by role */
    uint32_t to;                     /* index of the default target */
    uint32_t choice_count;
    ecsi_member_choice choices[ECS_WORLDS_CHOICES_MAX];
    ecsi_component **known; /* published for senders, by id minus one */
    uint32_t known_max;
    ecsi_atomic_u32 known_count;
    ecsi_route *in[ECS_WORLDS_MAX + 1]; /* routes that end here */
    uint32_t in_count;
    uint32_t turn;        /* of `in`: who was served last */
    ecsi_pick *picks;     /* of transfers_max */
    uint64_t sequence;
    ecs_status status;    /* of its last tick */
    bool told;            /* the log has that it gave up */
    ecsi_atomic_u32 busy; /* it is ticked */
    ecsi_atomic_u64 sent;
    ecsi_atomic_u64 left;      /* of these: arrived somewhere, or discarded */
    ecsi_atomic_u64 arrived;
    ecsi_atomic_u64 discarded; /* on the way to it */
    ecsi_atomic_u64 refused;
    ecsi_atomic_u64 dropped;
    ecsi_atomic_u64 given_up;
} ecsi_member;

struct ecs_worlds {
    ecsi_memory memory;
    ecsi_log log;
    ecs_worlds_desc desc; /* with the defaults filled in */
    uint64_t tick;        /* lockstep */
    ecsi_atomic_u32 busy; /* calls that tick */
    uint32_t member_count;
    uint32_t order[ECS_WORLDS_MAX]; /* indices of the members, rising */
    ecsi_member members[ECS_WORLDS_MAX];
    ecsi_route *routes[ECS_WORLDS_MAX + 1][ECS_WORLDS_MAX]; /* from, to */
    ecsi_pair *pairs[ECS_WORLDS_MAX][ECS_WORLDS_MAX];       /* by the source's ids minus one */
};

/* ---- Retries ---------------------------------------------------------------------------- */

ECS_API bool ecs_retry_due(const ecs_retry *retry, uint64_t tick)
{
    ECSI_REQUIRE(retry != NULL, false);
    return retry->given_up == 0 && tick >= retry->due;
}

ECS_API bool ecs_retry_refused(ecs_retry *retry, const ecs_retry_desc *desc, uint64_t tick)
{
    uint32_t limit = ECSI_RETRY_LIMIT;
    uint64_t wait = ECSI_RETRY_FIRST;
    uint64_t most = ECSI_RETRY_MOST;
    uint32_t i;
    ECSI_REQUIRE(retry != NULL, false);
    if (desc != NULL) {
        limit = ecsi_default_u32(desc->limit, limit);
        wait = ecsi_default_u32(desc->first, (uint32_t)wait);
        most = ecsi_default_u32(desc->most, (uint32_t)most);
    }
    for (i = 0; i < retry->tries && wait < most; i++) wait *= 2u;
    if (wait > most) wait = most;
    ECSI_CHECK(wait > 0);
    if (retry->tries < UINT32_MAX) retry->tries++;
    if (limit != ECS_RETRY_FOREVER && retry->tries > limit) {
        retry->given_up = 1;
        return false;
    }
    retry->due = tick + wait;
    return true;
}

/* ---- Members ---------------------------------------------------------------------------- */

static uint32_t ecsi_member_of(const ecs_worlds *worlds, const ecs_world *world)
{
    uint32_t i;
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (worlds->members[worlds->order[i]].world == world) return worlds->order[i];
    }
    ECSI_CHECK(i == worlds->member_count);
    return ECSI_NO_MEMBER;
}

static uint32_t ecsi_member_by_name(const ecs_worlds *worlds, const char *name)
{
    uint32_t i;
    ECSI_CHECK(name != NULL);
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (strcmp(worlds->members[worlds->order[i]].name, name) == 0) return worlds->order[i];
    }
    return ECSI_NO_MEMBER;
}

static uint32_t ecsi_member_by_role(const ecs_worlds *worlds, ecs_world_role role)
{
    uint32_t i;
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (worlds->members[worlds->order[i]].role == role) return worlds->order[i];
    }
    return ECSI_NO_MEMBER;
}

/* The index of a number that a user gave. */
static inline uint32_t ecsi_member_numbered(const ecs_worlds *worlds, uint32_t number)
{
    if (number == 0 || number > ECS_WORLDS_MAX) return ECSI_NO_MEMBER;
    return worlds->members[number - 1].world != NULL ? number - 1 : ECSI_NO_MEMBER;
}

/* The route that an entity takes, or NULL. */
static inline ecsi_route *ecsi_route_between(const ecs_worlds *worlds, uint32_t from,
                                             uint32_t to)
{
    ecsi_route *route;
    ECSI_CHECK(from < ECS_WORLDS_MAX);
    if (to >= ECS_WORLDS_MAX || from == to) return NULL;
    route = worlds->routes[from][to];
    if (route != NULL) return route;
    return worlds->members[from].role == ECS_ROLE_STANDALONE ? NULL
                                                             : worlds->routes[ECSI_SHARED][to];
}

/* Lets senders see what is registered by now. The owner of the world. */
static void ecsi_member_publish(ecsi_member *member)
{
    const ecsi_components *components = &member->world->components;
    uint32_t count = ECSI_LOAD(&member->known_count, relaxed);
    ECSI_CHECK(components->list.count <= member->known_max);
    ECSI_CHECK(count <= components->list.count);
    if (count == components->list.count) return;
    for (; count < components->list.count; count++) {
        member->known[count] = ecsi_component_at(components, count + 1);
    }
    /* Pairs with the acquire of ecsi_sending_begin. */
    ECSI_STORE(&member->known_count, count, release);
}

/* After members or routes came or went: who is there, where routes end, default targets. */
static void ecsi_worlds_arrange(ecs_worlds *worlds)
{
    uint32_t i;
    uint32_t c;
    worlds->member_count = 0;
    for (i = 0; i < ECS_WORLDS_MAX; i++) {
        if (worlds->members[i].world != NULL) worlds->order[worlds->member_count++] = i;
    }
    for (i = 0; i < worlds->member_count; i++) {
        ecsi_member *member = &worlds->members[worlds->order[i]];
        uint32_t from;
        member->in_count = 0;
        member->turn = 0;
        for (from = 0; from <= ECSI_SHARED; from++) {
            ecsi_route *route = worlds->routes[from][worlds->order[i]];
            if (route != NULL) member->in[member->in_count++] = route;
        }
        for (c = 0; c < member->choice_count; c++) {
            member->choices[c].to = ecsi_member_by_name(worlds, member->choices[c].target);
        }
        member->to = ECSI_NO_MEMBER;
        if (member->target[0] != 0) {
            member->to = ecsi_member_by_name(worlds, member->target);
        } else if (member->role == ECS_ROLE_ACCEPT) {
            member->to = ecsi_member_by_role(worlds, ECS_ROLE_IO);
        } else if (member->role == ECS_ROLE_IO) {
            member->to = ecsi_member_by_role(worlds, ECS_ROLE_COMPUTE);
        }
        ECSI_CHECK(member->in_count <= ECS_WORLDS_MAX + 1);
    }
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
}

/* A world that takes no direct edits now. */
static bool ecsi_member_locked(const ecsi_member *member)
{
    const ecs_world *world = member->world;
    ECSI_CHECK(world != NULL);
    return world->locks != 0 || world->schedule.ticking || world->flush.running;
}

/* A member is iterated, or one of its hooks runs, perhaps in the midst of a send. Who asks has
 * all of them to itself. */
static bool ecsi_worlds_held(const ecs_worlds *worlds)
{
    uint32_t i;
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (ecsi_member_locked(&worlds->members[worlds->order[i]])) return true;
    }
    return false;
}

/* Somebody ticks. */
static inline bool ecsi_worlds_busy(const ecs_worlds *worlds)
{
    return ECSI_LOAD(&worlds->busy, acquire) != 0; /* pairs with the releases of ticks */
}

/* Nothing may be declared. */
static bool ecsi_worlds_locked(const ecs_worlds *worlds)
{
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    return ecsi_worlds_busy(worlds) || ecsi_worlds_held(worlds);
}

/* Nothing may be sent from it or put in by a call. In lockstep so for all members in a tick:
 * whether another one is ticked just then depends on the workers. */
static bool ecsi_member_closed(const ecs_worlds *worlds, const ecsi_member *member)
{
    ECSI_CHECK(member->world != NULL);
    if (worlds->desc.lockstep && ecsi_worlds_busy(worlds)) return true;
    /* No more than a hint: who may ask has the member to itself. */
    return ECSI_LOAD(&member->busy, relaxed) != 0 || ecsi_member_locked(member);
}

/* ---- Sending ---------------------------------------------------------------------------- */

/* One round of sends from one member to another. */
typedef struct ecsi_sending {
    ecs_worlds *worlds;
    ecsi_member *source;
    ecsi_route *route;
    ecsi_pair *pairs;
    uint32_t from;
    uint32_t limit;    /* components of the target that count: the same for a whole round, or
                          what was measured could grow */
    uint32_t transfer; /* id of ecs_transfer at the source; 0: none */
    const ecsi_table *table; /* measured last, and what came of it */
    ecs_status status;
} ecsi_sending;

static ecsi_sending ecsi_sending_begin(ecs_worlds *worlds, uint32_t from, ecsi_route *route)
{
    ecsi_sending sending;
    ecsi_member *source = &worlds->members[from];
    ecsi_member *target = &worlds->members[route->to];
    ECSI_CHECK(source->world != NULL && target->world != NULL);
    ECSI_CHECK(worlds->pairs[from][route->to] != NULL);
    memset(&sending, 0, sizeof sending);
    sending.worlds = worlds;
    sending.source = source;
    sending.route = route;
    sending.pairs = worlds->pairs[from][route->to];
    sending.from = from;
    /* Pairs with the release of ecsi_member_publish. */
    sending.limit = ECSI_LOAD(&target->known_count, acquire);
    sending.transfer = ecsi_component_seek(&source->world->components,
                                           ecs_type_of(ecs_transfer));
    return sending;
}

/* What a component of the source is at the target: its id there, 0, or ECSI_DIFFERS. */
static uint32_t ecsi_sending_find(ecsi_sending *sending, uint32_t component)
{
    ecsi_pair *pair = &sending->pairs[component - 1];
    const ecsi_member *target = &sending->worlds->members[sending->route->to];
    const ecsi_component *c;
    uint32_t i;
    if (ECSI_LIKELY(pair->id != 0)) return pair->id;
    c = ecsi_component_at(&sending->source->world->components, component);
    ECSI_CHECK(component <= sending->source->known_max);
    ECSI_CHECK(pair->searched <= sending->limit);
    for (i = pair->searched; i < sending->limit; i++) {
        const ecsi_component *other = target->known[i];
        if (other->name_hash != c->name_hash || strcmp(other->name, c->name) != 0) continue;
        pair->id = ecsi_type_equal(&other->type, &c->type) ? i + 1 : ECSI_DIFFERS;
        break;
    }
    pair->searched = i;
    if (pair->id == 0 && pair->told == 0) {
        pair->told = 1;
        ecsi_log_print(&sending->worlds->log, ECS_LOG_WARNING,
                       "worlds: %s does not know %s of %s: %s", target->name, c->name,
                       sending->source->name,
                       sending->worlds->desc.unknown == ECS_UNKNOWN_DROP ? "dropped"
                                                                         : "refused");
    }
    return pair->id;
}

/* Whether entities of a table can travel, and fit a body. */
static ecs_status ecsi_sending_measure(ecsi_sending *sending, const ecsi_table *table)
{
    const ecs_worlds *worlds = sending->worlds;
    size_t bytes = table->component_count * sizeof(ecsi_cargo);
    uint32_t i;
    ECSI_CHECK(table != NULL);
    if (sending->table == table) return sending->status;
    sending->table = table;
    sending->status = ECS_OK;
    for (i = 0; i < table->component_count && sending->status == ECS_OK; i++) {
        const ecsi_component *c;
        uint32_t id;
        if (table->ids[i] == sending->transfer) continue;
        c = ecsi_component_at(&sending->source->world->components, table->ids[i]);
        id = ecsi_sending_find(sending, table->ids[i]);
        if (id == ECSI_DIFFERS) sending->status = ECS_MISMATCH;
        if (id == 0 && worlds->desc.unknown == ECS_UNKNOWN_REFUSE) {
            sending->status = ECS_UNSUPPORTED;
        }
        if (id == 0 || c->type.bytes == 0) continue;
        bytes = ecsi_body_place(NULL, bytes, c->type.align) + c->type.bytes;
    }
    if (sending->status == ECS_OK && bytes > sending->route->body_bytes) {
        sending->status = ECS_TOO_LARGE;
    }
    ECSI_CHECK(sending->status != ECS_FULL);
    return sending->status;
}

/* Takes the values of a row apart: into a body, or to their end. */
static void ecsi_cargo_load(ecsi_sending *sending, ecsi_transit *transit, unsigned char *body,
                            ecsi_chunk *chunk, uint32_t row)
{
    const ecsi_table *table = chunk->table;
    ecsi_cargo *parts = (ecsi_cargo *)(void *)body;
    size_t at = table->component_count * sizeof *parts;
    uint64_t dropped = 0;
    uint32_t i;
    ECSI_CHECK(transit->part_count == 0);
    ECSI_CHECK(row < chunk->count);
    for (i = 0; i < table->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(&sending->source->world->components,
                                                    table->ids[i]);
        const ecsi_table_slot *slot = ecsi_table_find(table, table->ids[i]);
        bool marker = table->ids[i] == sending->transfer;
        uint32_t to = marker ? 0 : sending->pairs[table->ids[i] - 1].id;
        void *value = NULL;
        ecsi_cargo *part = &parts[transit->part_count];
        if (slot->column != ECSI_NO_COLUMN) {
            value = ecsi_chunk_value(chunk, &table->columns[slot->column], row);
        }
        if (to == 0) {
            if (value != NULL) ecsi_values_destroy(c, value, 1);
            dropped += marker ? 0u : 1u;
            continue;
        }
        part->component = to;
        part->offset = 0;
        transit->part_count++;
        if (value == NULL) continue;
        at = ecsi_body_place(body, at, c->type.align);
        ECSI_CHECK(at + c->type.bytes <= sending->route->body_bytes);
        ecsi_values_move(c, body + at, value, 1);
        part->offset = (uint32_t)at;
        at += c->type.bytes;
    }
    if (dropped == 0) return;
    (void)ECSI_ADD(&sending->route->dropped, dropped, relaxed);
    ECSI_COUNT_UP(&sending->source->dropped, dropped);
}

/* Takes an entity out of its world and puts it at a position that was claimed. */
static void ecsi_cargo_leave(ecsi_sending *sending, ecs_entity entity, uint64_t at)
{
    ecs_world *world = sending->source->world;
    ecsi_storage *storage = &world->storage;
    ecsi_record *record = ecsi_entities_find(&world->entities, entity);
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    uint32_t row = ecsi_record_row(&world->entities, record);
    ecsi_transit *transit = ecsi_route_transit(sending->route, at);
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(sending->status == ECS_OK);
    if (chunk->table->notify) {
        ecsi_notify_removed(storage, entity, record, chunk->table, NULL);
    }
    transit->tick = sending->worlds->desc.lockstep ? sending->worlds->tick
                                                   : world->schedule.tick;
    transit->sequence = sending->source->sequence++;
    transit->entity = entity;
    transit->source = sending->from;
    transit->part_count = 0;
    ecsi_cargo_load(sending, transit, ecsi_route_body(sending->route, at), chunk, row);
    ecsi_row_pop(storage, chunk, row);
    ecsi_entities_give(&world->entities, ecs_index(entity));
    ECSI_CHECK(ecsi_entities_find(&world->entities, entity) == NULL);
}

/* The entity of element `i` of handles, or of picks, which begin with them. */
static inline ecs_entity ecsi_entity_of(const void *list, size_t stride, uint32_t i)
{
    ecs_entity e;
    ECSI_CHECK(stride >= sizeof e);
    memcpy(&e, (const unsigned char *)list + i * stride, sizeof e);
    return e;
}

/* Sends from `least` to `most` entities as one batch, as many as there is room for; all of
 * them were measured. Answers how many. */
static uint32_t ecsi_sending_batch(ecsi_sending *sending, const void *list, size_t stride,
                                   uint32_t least, uint32_t most)
{
    ecsi_route *route = sending->route;
    uint32_t group = least > 1 ? 1u : 0u;
    uint64_t at;
    uint32_t count = ecsi_ring_claim(&route->ring, least, most, &at);
    uint32_t i;
    ECSI_CHECK(most <= route->batch);
    ECSI_CHECK(count == 0 || count >= least);
    if (count == 0) return 0;
    for (i = 0; i < count; i++) {
        ecsi_transit *transit = ecsi_route_transit(route, at + i);
        ecsi_cargo_leave(sending, ecsi_entity_of(list, stride, i), at + i);
        transit->batch_count = count - i;
        transit->group = group;
    }
    (void)ECSI_ADD(&route->sent, (uint64_t)count, relaxed);
    ECSI_COUNT_UP(&sending->source->sent, (uint64_t)count);
    ecsi_ring_publish_all(&route->ring, at, count);
    return count;
}

/* Counts entities that stay. */
static void ecsi_refused_count(ecsi_member *source, ecsi_route *route, ecs_status status,
                               uint32_t count)
{
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(count > 0);
    ECSI_COUNT_UP(&source->refused, (uint64_t)count);
    if (route == NULL) return;
    (void)ECSI_ADD(&route->refused, (uint64_t)count, relaxed);
    if (status == ECS_FULL) (void)ECSI_ADD(&route->refused_full, (uint64_t)count, relaxed);
}

/* Where the entities of a table go by the member's own routing. */
static uint32_t ecsi_member_routing(const ecsi_member *member, const ecsi_table *table)
{
    uint32_t i;
    ECSI_CHECK(member->choice_count <= ECS_WORLDS_CHOICES_MAX);
    ECSI_CHECK(table != NULL);
    for (i = 0; i < member->choice_count; i++) {
        uint32_t id = ecsi_component_seek(&member->world->components, member->choices[i].type);
        if (id != 0 && ecsi_table_find(table, id) != NULL) return member->choices[i].to;
    }
    return member->to;
}

/* All alive, and none of them twice. */
static ecs_status ecsi_together_check(const ecs_world *world, const ecs_entity *entities,
                                   uint32_t count)
{
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= ECSI_ROUTE_BATCH_MAX);
    for (i = 0; i < count; i++) {
        if (ecsi_entities_find(&world->entities, entities[i]) == NULL) return ECS_STALE;
        for (k = 0; k < i; k++) {
            if (ecs_equal(entities[i], entities[k])) return ECS_INVALID;
        }
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_worlds_send_group(ecs_worlds *worlds, ecs_world *from,
                                         const ecs_entity *entities, uint32_t entity_count,
                                         uint32_t to)
{
    ecsi_sending sending;
    ecsi_route *route;
    ecsi_member *source;
    const ecsi_record *record;
    uint32_t s;
    uint32_t t = to - 1;
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(from != NULL, ECS_INVALID);
    ECSI_REQUIRE(entities != NULL || entity_count == 0, ECS_INVALID);
    s = ecsi_member_of(worlds, from);
    if (s == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    source = &worlds->members[s];
    if (ecsi_member_closed(worlds, source)) return ECS_LOCKED;
    if (entity_count == 0) return ECS_INVALID;
    record = ecsi_entities_find(&from->entities, entities[0]);
    if (record == NULL) return ECS_STALE;
    if (to == 0) t = ecsi_member_routing(source, ecsi_record_table(&from->storage, record));
    route = ecsi_route_between(worlds, s, t);
    if (route == NULL) status = ECS_NOT_FOUND;
    if (status == ECS_OK && entity_count > route->batch) status = ECS_TOO_LARGE;
    if (status == ECS_OK) {
        status = ecsi_together_check(from, entities, entity_count);
        if (status != ECS_OK) return status;
        /* In lockstep everything belongs to this thread. */
        if (worlds->desc.lockstep) ecsi_member_publish(&worlds->members[t]);
        sending = ecsi_sending_begin(worlds, s, route);
        for (i = 0; i < entity_count && status == ECS_OK; i++) {
            record = ecsi_entities_find(&from->entities, entities[i]);
            status = ecsi_sending_measure(&sending, ecsi_record_table(&from->storage, record));
        }
    }
    if (status == ECS_OK && ecsi_sending_batch(&sending, entities, sizeof *entities,
                                               entity_count, entity_count) == 0) {
        status = ECS_FULL;
    }
    if (status != ECS_OK) ecsi_refused_count(source, route, status, entity_count);
    return status;
}

ECS_API ecs_status ecs_worlds_send(ecs_worlds *worlds, ecs_world *from, ecs_entity entity,
                                   uint32_t to)
{
    return ecs_worlds_send_group(worlds, from, &entity, 1, to);
}

/* ---- Marked entities ---------------------------------------------------------------------- */

/* The order in which they are sent. */
static inline bool ecsi_pick_before(const ecsi_pick *a, const ecsi_pick *b)
{
    if (a->priority != b->priority) return a->priority > b->priority;
    if (a->to != b->to) return a->to < b->to;
    if (a->group != b->group) return a->group < b->group;
    return ecs_index(a->entity) < ecs_index(b->entity);
}

/* Puts the pick at the root of a heap of `count` where it belongs; the last one is on top. */
static void ecsi_picks_sink(ecsi_pick *picks, uint32_t count, uint32_t at)
{
    ecsi_pick sunk = picks[at];
    ECSI_CHECK(at < count);
    for (;;) {
        uint32_t child = at * 2 + 1;
        if (child >= count) break;
        if (child + 1 < count && ecsi_pick_before(&picks[child], &picks[child + 1])) child++;
        if (!ecsi_pick_before(&sunk, &picks[child])) break;
        picks[at] = picks[child];
        at = child;
    }
    picks[at] = sunk;
    ECSI_CHECK(at < count);
}

/* Adds a pick to the heap, which keeps the first `max` of all; *left is the first one that was
 * left out. */
static void ecsi_picks_add(ecsi_pick *picks, uint32_t *count, uint32_t max, ecsi_pick pick,
                           ecsi_pick *left)
{
    uint32_t at = *count;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(*count <= max);
    if (*count == max) {
        ecsi_pick out = pick;
        if (ecsi_pick_before(&pick, &picks[0])) {
            out = picks[0];
            picks[0] = pick;
            ecsi_picks_sink(picks, max, 0);
        }
        if (left->to == ECSI_NO_MEMBER || ecsi_pick_before(&out, left)) *left = out;
        return;
    }
    *count += 1;
    while (at > 0 && ecsi_pick_before(&picks[(at - 1) / 2], &pick)) {
        picks[at] = picks[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    picks[at] = pick;
}

/* The heap becomes the list in order. */
static void ecsi_picks_sort(ecsi_pick *picks, uint32_t count)
{
    uint32_t left = count;
    ECSI_CHECK(picks != NULL);
    while (left > 1) {
        ecsi_pick last = picks[0];
        picks[0] = picks[--left];
        picks[left] = last;
        ecsi_picks_sink(picks, left, 0);
    }
    ECSI_CHECK(count < 2 || !ecsi_pick_before(&picks[1], &picks[0]));
}

/* A marked entity stays: its marker says why, and when it is tried again. */
static void ecsi_transfer_refused(ecs_worlds *worlds, ecsi_member *source,
                                  ecs_transfer *transfer, ecs_status status)
{
    uint64_t tick = source->world->schedule.tick;
    ECSI_CHECK(transfer != NULL);
    ECSI_CHECK(status != ECS_OK);
    transfer->status = (uint32_t)status;
    if (ecs_retry_refused(&transfer->retry, &worlds->desc.retry, tick)) return;
    ECSI_COUNT_UP(&source->given_up, 1u);
    if (source->told) return;
    source->told = true;
    ecsi_log_print(&worlds->log, ECS_LOG_WARNING,
                   "worlds: %s gives up on sending an entity after %u tries: %s", source->name,
                   transfer->retry.tries, ecs_status_text(status));
}

/* The rows of one chunk with markers that are due: into the heap, or refused without a route. */
static void ecsi_picks_of_chunk(ecs_worlds *worlds, uint32_t from, ecsi_chunk *chunk,
                                uint32_t column, uint32_t *count, ecsi_pick *left)
{
    ecsi_member *source = &worlds->members[from];
    const ecsi_table *table = chunk->table;
    uint64_t tick = source->world->schedule.tick;
    uint32_t routing = ecsi_member_routing(source, table);
    uint32_t row;
    ECSI_CHECK(column < table->column_count);
    for (row = 0; row < chunk->count; row++) {
        ecs_transfer *transfer =
            (ecs_transfer *)ecsi_chunk_value(chunk, &table->columns[column], row);
        ecsi_pick pick;
        if (!ecs_retry_due(&transfer->retry, tick)) continue;
        pick.entity = ecsi_chunk_entities(chunk)[row];
        pick.priority = transfer->priority;
        pick.group = transfer->group;
        pick.to = transfer->target == 0 ? routing
                                        : ecsi_member_numbered(worlds, transfer->target);
        if (ecsi_route_between(worlds, from, pick.to) == NULL) {
            *ecsi_chunk_tick(chunk, column, row) = tick;
            ecsi_refused_count(source, NULL, ECS_NOT_FOUND, 1);
            ecsi_transfer_refused(worlds, source, transfer, ECS_NOT_FOUND);
            continue;
        }
        ecsi_picks_add(source->picks, count, worlds->desc.transfers_max, pick, left);
    }
    ECSI_CHECK(*count <= worlds->desc.transfers_max);
}

/* Collects what is marked and due, in order; *left is what comes next and did not fit. */
static uint32_t ecsi_picks_collect(ecs_worlds *worlds, uint32_t from, ecsi_pick *left)
{
    ecsi_member *source = &worlds->members[from];
    const ecsi_storage *storage = &source->world->storage;
    uint32_t id = ecsi_component_seek(&source->world->components, ecs_type_of(ecs_transfer));
    uint32_t count = 0;
    uint32_t t;
    memset(left, 0, sizeof *left);
    left->to = ECSI_NO_MEMBER; /* nothing */
    ECSI_CHECK(source->world != NULL);
    if (id == 0) return 0;
    for (t = 0; t < storage->tables.count; t++) {
        const ecsi_table *table = ecsi_table_at(storage, t);
        const ecsi_table_slot *slot;
        ecsi_chunk *chunk;
        if (table->row_count == 0) continue;
        slot = ecsi_table_find(table, id);
        if (slot == NULL) continue;
        ECSI_CHECK(slot->column != ECSI_NO_COLUMN);
        for (chunk = table->first; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            ecsi_picks_of_chunk(worlds, from, chunk, slot->column, &count, left);
        }
    }
    ecsi_picks_sort(source->picks, count);
    return count;
}

/* Marked entities that stay. */
static void ecsi_picks_refused(ecsi_sending *sending, const ecsi_pick *picks, uint32_t count,
                               ecs_status status)
{
    const ecs_world *world = sending->source->world;
    uint32_t i;
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(sending->transfer != 0);
    if (count == 0) return;
    ecsi_refused_count(sending->source, sending->route, status, count);
    for (i = 0; i < count; i++) {
        const ecsi_record *record = ecsi_entities_find(&world->entities, picks[i].entity);
        ecsi_transfer_refused(sending->worlds, sending->source,
                              (ecs_transfer *)ecsi_row_value(&world->storage, record,
                                                             sending->transfer), status);
        ecsi_row_touch(&world->storage, record, sending->transfer);
    }
}

/* A group that no tick can take up is refused as a whole, with those that were left out: else
 * they would be tried at another time, and go without the others. */
static void ecsi_picks_refuse_group(ecsi_sending *sending, const ecsi_pick *of)
{
    const ecs_worlds *worlds = sending->worlds;
    const ecsi_member *source = sending->source;
    const ecsi_storage *storage = &source->world->storage;
    uint32_t t;
    ECSI_CHECK(of->group != 0);
    ECSI_CHECK(sending->transfer != 0);
    for (t = 0; t < storage->tables.count; t++) {
        const ecsi_table *table = ecsi_table_at(storage, t);
        const ecsi_table_slot *slot = ecsi_table_find(table, sending->transfer);
        ecsi_chunk *chunk = table->row_count == 0 || slot == NULL ? NULL : table->first;
        uint32_t row;
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            for (row = 0; row < chunk->count; row++) {
                const ecs_transfer *transfer = (const ecs_transfer *)ecsi_chunk_value(
                    chunk, &table->columns[slot->column], row);
                ecsi_pick pick = *of;
                if (transfer->group != of->group || transfer->priority != of->priority) continue;
                if (!ecs_retry_due(&transfer->retry, source->world->schedule.tick)) continue;
                pick.to = transfer->target == 0 ? ecsi_member_routing(source, table)
                                                : ecsi_member_numbered(worlds, transfer->target);
                pick.entity = ecsi_chunk_entities(chunk)[row];
                if (pick.to == of->to) ecsi_picks_refused(sending, &pick, 1, ECS_TOO_LARGE);
            }
        }
    }
}

static ecs_status ecsi_pick_measure(ecsi_sending *sending, const ecsi_pick *pick)
{
    const ecs_world *world = sending->source->world;
    const ecsi_record *record = ecsi_entities_find(&world->entities, pick->entity);
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(sending->route->to == pick->to);
    return ecsi_sending_measure(sending, ecsi_record_table(&world->storage, record));
}

/* Picks from the first one on that are sent together: a whole group, or a batch of singles. */
static uint32_t ecsi_picks_run(const ecsi_sending *sending, const ecsi_pick *picks,
                               uint32_t count)
{
    uint32_t n = 1;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(sending->route->batch > 0);
    while (n < count && picks[n].to == picks[0].to && picks[n].group == picks[0].group) {
        if (picks[0].group == 0 ? n == sending->route->batch
                                : picks[n].priority != picks[0].priority) break;
        n++;
    }
    return n;
}

/* Sends a run of singles: those that cannot travel are refused by themselves. Answers false
 * when the route is full. */
static bool ecsi_picks_singles(ecsi_sending *sending, const ecsi_pick *picks, uint32_t count)
{
    uint32_t done = 0;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= sending->route->batch);
    while (done < count) {
        ecs_status status = ECS_OK;
        uint32_t n = done;
        uint32_t sent = 0;
        for (; n < count; n++) {
            status = ecsi_pick_measure(sending, &picks[n]);
            if (status != ECS_OK) break;
        }
        sending->status = ECS_OK;
        if (n > done) {
            sent = ecsi_sending_batch(sending, &picks[done], sizeof *picks, 1, n - done);
        }
        sending->table = NULL; /* it may have been measured with another answer */
        if (sent < n - done) {
            ecsi_picks_refused(sending, &picks[done + sent], count - done - sent, ECS_FULL);
            return false;
        }
        if (n < count) ecsi_picks_refused(sending, &picks[n], 1, status);
        done = n + 1;
    }
    return true;
}

/* Sends a whole group, or refuses all of it. Answers false when the route is full. */
static bool ecsi_picks_group(ecsi_sending *sending, const ecsi_pick *picks, uint32_t count)
{
    ecs_status status = count > sending->route->batch ? ECS_TOO_LARGE : ECS_OK;
    uint32_t i;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(picks[0].group != 0);
    for (i = 0; i < count && status == ECS_OK; i++) {
        status = ecsi_pick_measure(sending, &picks[i]);
    }
    if (status == ECS_OK && ecsi_sending_batch(sending, picks, sizeof *picks, count, count) == 0) {
        status = ECS_FULL;
    }
    if (status != ECS_OK) ecsi_picks_refused(sending, picks, count, status);
    return status != ECS_FULL;
}

/* Sends what is marked in one member. After the first refusal for want of room nothing more
 * goes over that route in this round: what comes later must not overtake. */
static void ecsi_worlds_send_marked(ecs_worlds *worlds, uint32_t from)
{
    ecsi_member *source = &worlds->members[from];
    ecsi_pick left;
    uint32_t count = ecsi_picks_collect(worlds, from, &left);
    uint64_t full = 0; /* bits of targets */
    uint32_t at = 0;
    ECSI_CHECK(source->world != NULL);
    ECSI_CHECK(count <= worlds->desc.transfers_max);
    while (at < count) {
        const ecsi_pick *picks = &source->picks[at];
        ecsi_sending sending = ecsi_sending_begin(
            worlds, from, ecsi_route_between(worlds, from, picks->to));
        uint64_t bit = (uint64_t)1 << picks->to;
        uint32_t n = ecsi_picks_run(&sending, picks, count - at);
        bool good = true;
        if (picks->group != 0 && at + n == count && left.to == picks->to &&
            left.group == picks->group && left.priority == picks->priority) {
            /* The rest of this group is what did not fit. */
            if (at == 0) ecsi_picks_refuse_group(&sending, picks);
        } else if ((full & bit) != 0) {
            ecsi_picks_refused(&sending, picks, n, ECS_FULL);
        } else if (picks->group != 0) {
            good = ecsi_picks_group(&sending, picks, n);
        } else {
            good = ecsi_picks_singles(&sending, picks, n);
        }
        if (!good) full |= bit;
        at += n;
    }
}

/* ---- Arriving ----------------------------------------------------------------------------- */

/* The table of what came, with what its components require here; made when there is none. */
static ecs_status ecsi_arrival_table(ecsi_storage *storage, const ecsi_cargo *parts,
                                     uint32_t part_count, ecsi_table **out)
{
    const ecsi_components *components = storage->components;
    uint32_t *set = ecsi_scratch_set(storage, NULL, components->list.count + 1);
    uint32_t count = 0;
    uint32_t i;
    if (set == NULL) return ECS_NO_MEMORY;
    ECSI_CHECK(part_count <= components->list.count);
    for (i = 0; i < part_count; i++) {
        uint32_t added[ECSI_REQUIRE_MAX];
        uint32_t n = ecsi_require_closure(components, parts[i].component, added);
        uint32_t k;
        ECSI_CHECK(n <= ECSI_REQUIRE_MAX);
        for (k = 0; k < n; k++) count = ecsi_set_insert(set, count, added[k]);
    }
    return ecsi_table_of_set(storage, set, count, out);
}

/* The same set of components, so the same table. */
static bool ecsi_parts_equal(const ecsi_cargo *a, const ecsi_cargo *b, uint32_t count)
{
    uint32_t i;
    ECSI_CHECK(a != NULL);
    ECSI_CHECK(b != NULL);
    for (i = 0; i < count; i++) {
        if (a[i].component != b[i].component) return false;
    }
    return true;
}

/* Finds the table of the i-th that is held. Those before it have theirs. */
static ecs_status ecsi_arrival_find(ecsi_storage *storage, const ecsi_route *route, uint32_t i)
{
    uint64_t at = route->held_at + i; /* positions may begin again at zero */
    ecsi_transit *transit = ecsi_route_transit(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)ecsi_route_body(route, at);
    ECSI_CHECK(i < route->held_count);
    ECSI_CHECK(!ecs_is_null(transit->entity));
    if (i > 0) {
        const ecsi_transit *before = ecsi_route_transit(route, at - 1);
        const ecsi_cargo *others = (const ecsi_cargo *)(void *)ecsi_route_body(route, at - 1);
        if (transit->part_count == before->part_count &&
            ecsi_parts_equal(parts, others, transit->part_count)) {
            transit->table = before->table;
            return ECS_OK;
        }
    }
    return ecsi_arrival_table(storage, parts, transit->part_count, &transit->table);
}

/* Gives an entity its row and moves its values in; refused, nothing has changed. */
static ecs_status ecsi_arrival_place(ecsi_storage *storage, ecsi_route *route, uint64_t at)
{
    ecsi_transit *transit = ecsi_route_transit(route, at);
    unsigned char *body = ecsi_route_body(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)body;
    const ecsi_table *table = transit->table;
    ecs_status status = ecsi_edit_spawn(storage, transit->table, &transit->arrived);
    const ecsi_chunk *last = table->last;
    uint32_t i;
    if (status != ECS_OK) return status;
    ECSI_CHECK(ecs_equal(ecsi_chunk_entities(table->last)[last->count - 1], transit->arrived));
    ECSI_CHECK(transit->part_count <= table->component_count);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        const ecsi_component *c = ecsi_component_at(storage->components, column->component);
        void *to = ecsi_chunk_value(table->last, column, last->count - 1);
        uint32_t k = 0;
        while (k < transit->part_count && parts[k].component != column->component) k++;
        if (k == transit->part_count) {
            ecsi_values_init(c, to, 1);
        } else {
            ecsi_values_move(c, to, body + parts[k].offset, 1);
        }
    }
    return ECS_OK;
}

/* Puts in what is held, one by one, as far as there is room; answers how many. */
static uint32_t ecsi_arrival_singles(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t count = 0;
    ECSI_CHECK(route->held_count > 0);
    ECSI_CHECK(route->held_count <= route->batch);
    while (count < route->held_count) {
        ecs_status status = ecsi_arrival_find(storage, route, count);
        if (status == ECS_OK) status = ecsi_arrival_place(storage, route, route->held_at + count);
        if (status != ECS_OK) break;
        count++;
    }
    return count;
}

/* Rows that a table has room for without memory. */
static uint64_t ecsi_table_room(const ecsi_table *table)
{
    const ecsi_chunk *chunk = table->last;
    uint64_t room = 0;
    ECSI_CHECK(table->capacity > 0);
    for (; chunk != NULL; chunk = chunk->next) room += chunk->capacity - chunk->count;
    return room;
}

/* Gives up rooms that were reserved: the last chunk is again the last one with rows, and one
 * spare may follow. */
static void ecsi_table_unreserve(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *tail = table->last;
    if (tail == NULL) return;
    while (tail->next != NULL) tail = tail->next;
    while (tail->count == 0 && tail->prev != NULL && tail->prev->count == 0) {
        tail = tail->prev;
        table->last = tail;
        ecsi_chunk_free(storage, tail->next);
    }
    table->last = tail->count == 0 && tail->prev != NULL ? tail->prev : tail;
    ECSI_CHECK(table->last->count > 0 || table->last->prev == NULL);
    ECSI_CHECK(table->last->next == NULL || table->last->next->next == NULL);
}

/* Counts the rows that a group needs of each table; answers how many tables, or 0: refused. */
static uint32_t ecsi_arrival_needs(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t needs = 0;
    uint32_t i;
    uint32_t k = 0;
    ECSI_CHECK(route->held_count > 0);
    for (i = 0; i < route->held_count; i++) {
        const ecsi_transit *transit = ecsi_route_transit(route, route->held_at + i);
        if (ecsi_arrival_find(storage, route, i) != ECS_OK) return 0;
        if (k == needs || route->needs[k].table != transit->table) {
            for (k = 0; k < needs && route->needs[k].table != transit->table; k++) {}
        }
        if (k == needs) {
            route->needs[needs].table = transit->table;
            route->needs[needs++].count = 0;
        }
        route->needs[k].count++;
    }
    ECSI_CHECK(needs > 0 && needs <= route->held_count);
    return needs;
}

/* Reserves handles and rows for all of a group, or nothing. With fixed memory, room for one table
 * may have been made of what another had got before. The second time nobody has a spare any more
 * that could be taken so, and the answer stands. */
static bool ecsi_arrival_reserve(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t needs = ecsi_arrival_needs(storage, route);
    uint32_t again;
    uint32_t k;
    ECSI_CHECK(route->held_count <= route->batch);
    ECSI_CHECK(needs <= route->batch);
    if (needs == 0) return false;
    if (ecsi_entities_reserve(storage->memory, storage->entities, route->held_count) != ECS_OK) {
        return false;
    }
    for (again = 0; again < 2; again++) {
        bool good = true;
        for (k = 0; k < needs && good; k++) {
            good = ecsi_table_reserve(storage, route->needs[k].table, route->needs[k].count) ==
                   ECS_OK;
        }
        for (k = 0; k < needs && good; k++) {
            good = ecsi_table_room(route->needs[k].table) >= route->needs[k].count;
        }
        if (good) return true;
        for (k = 0; k < needs; k++) ecsi_table_unreserve(storage, route->needs[k].table);
    }
    return false;
}

/* Puts in all of a group, or nothing; answers how many. */
static uint32_t ecsi_arrival_group(ecsi_storage *storage, ecsi_route *route)
{
    uint32_t i;
    ECSI_CHECK(ecsi_route_transit(route, route->held_at)->group != 0);
    if (!ecsi_arrival_reserve(storage, route)) return 0;
    for (i = 0; i < route->held_count; i++) {
        ecs_status status = ecsi_arrival_place(storage, route, route->held_at + i);
        ECSI_CHECK(status == ECS_OK); /* it was reserved */
        (void)status;
    }
    return route->held_count;
}

/* Puts new handles into the references that an entity brought. */
static void ecsi_arrival_remap(const ecsi_storage *storage, const ecsi_route *route,
                               uint64_t at, bool keep)
{
    const ecsi_transit *transit = ecsi_route_transit(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)ecsi_route_body(route, at);
    const ecsi_record *record = ecsi_entities_find(storage->entities, transit->arrived);
    uint32_t i;
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(!ecs_is_null(transit->entity));
    for (i = 0; i < transit->part_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, parts[i].component);
        if (!c->references || parts[i].offset == 0) continue;
        ecsi_remap_value(route, c,
                         (unsigned char *)ecsi_row_value(storage, record, parts[i].component),
                         keep);
    }
}

/* on_add for all that it has now, on_set for the values that it brought. */
static void ecsi_arrival_notify(const ecsi_storage *storage, const ecsi_route *route,
                                uint64_t at)
{
    const ecsi_transit *transit = ecsi_route_transit(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)ecsi_route_body(route, at);
    const ecsi_record *record = ecsi_entities_find(storage->entities, transit->arrived);
    uint32_t i;
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(ecsi_record_table(storage, record) == transit->table);
    if (!transit->table->notify) return;
    ecsi_notify_added(storage, transit->arrived, record, NULL, transit->table);
    for (i = 0; i < transit->part_count; i++) {
        if (parts[i].offset == 0) continue;
        ecsi_notify_set(storage, transit->arrived,
                        ecsi_component_at(storage->components, parts[i].component),
                        ecsi_row_value(storage, record, parts[i].component));
    }
}

/* Puts in what is held of a route, as far as there is room; answers how many. */
static uint32_t ecsi_arrival_batch(ecs_worlds *worlds, ecsi_member *target, ecsi_route *route)
{
    ecsi_storage *storage = &target->world->storage;
    ecsi_transit *first = ecsi_route_transit(route, route->held_at);
    ecsi_member *source = &worlds->members[first->source];
    bool keep = worlds->desc.references == ECS_REFERENCES_KEEP;
    uint32_t count = first->group != 0 ? ecsi_arrival_group(storage, route)
                                       : ecsi_arrival_singles(storage, route);
    uint32_t i;
    ECSI_CHECK(source->world != NULL);
    ECSI_CHECK(count <= route->held_count);
    if (count < route->held_count) {
        route->stuck = true;
        ECSI_COUNT_UP(&route->stalled, 1u);
    }
    if (count == 0) return 0;
    ecsi_remap_fill(route, count);
    for (i = 0; i < count; i++) ecsi_arrival_remap(storage, route, route->held_at + i, keep);
    for (i = 0; i < count; i++) ecsi_arrival_notify(storage, route, route->held_at + i);
    ecsi_route_release(route, count);
    ECSI_COUNT_UP(&target->arrived, (uint64_t)count);
    /* Pair with the acquires of ecsi_route_in_flight and ecsi_member_in_flight. */
    (void)ECSI_ADD(&route->arrived, (uint64_t)count, release);
    (void)ECSI_ADD(&source->left, (uint64_t)count, release);
    return count;
}

/* Whether the head of route a comes before that of route b, in lockstep. */
static bool ecsi_transit_before(const ecsi_transit *a, const ecsi_transit *b)
{
    ECSI_CHECK(a != NULL);
    ECSI_CHECK(b != NULL);
    if (a->tick != b->tick) return a->tick < b->tick;
    if (a->source != b->source) return a->source < b->source;
    return a->sequence < b->sequence;
}

/* The route that is served next: by priority, then in lockstep by what it brings, else in
 * turns. NULL: nothing has arrived that there is room for. */
static ecsi_route *ecsi_member_next(ecsi_member *member, bool lockstep)
{
    ecsi_route *best = NULL;
    const ecsi_transit *best_head = NULL;
    uint32_t best_at = 0;
    uint32_t i;
    ECSI_CHECK(member->in_count <= ECS_WORLDS_MAX + 1);
    for (i = 0; i < member->in_count; i++) {
        uint32_t at = member->turn + 1 + i;
        ecsi_route *route;
        const ecsi_transit *head;
        while (at >= member->in_count) at -= member->in_count;
        route = member->in[at];
        if (route->stuck || (best != NULL && route->priority < best->priority)) continue;
        head = ecsi_route_head(route);
        if (head == NULL) continue;
        if (best != NULL && route->priority == best->priority &&
            (!lockstep || !ecsi_transit_before(head, best_head))) continue;
        best = route;
        best_head = head;
        best_at = at;
    }
    if (best != NULL) member->turn = best_at;
    ECSI_CHECK(best == NULL || best->held_count > 0);
    return best;
}

/* Puts in what had been sent to a member when it began; a batch of each source in turn. */
static uint32_t ecsi_member_receive(ecs_worlds *worlds, ecsi_member *member)
{
    uint64_t left = 0;
    uint32_t count = 0;
    uint32_t i;
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK(!ecsi_member_locked(member));
    for (i = 0; i < member->in_count; i++) {
        member->in[i]->stuck = false;
        left += ecsi_route_in_flight(member->in[i]);
    }
    while (count < left) {
        ecsi_route *route = ecsi_member_next(member, worlds->desc.lockstep);
        if (route == NULL) break;
        count += ecsi_arrival_batch(worlds, member, route);
    }
    return count;
}

ECS_API uint32_t ecs_worlds_receive(ecs_worlds *worlds, ecs_world *world)
{
    uint32_t m;
    ECSI_REQUIRE(worlds != NULL, 0);
    ECSI_REQUIRE(world != NULL, 0);
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER || ecsi_member_closed(worlds, &worlds->members[m])) return 0;
    ecsi_member_publish(&worlds->members[m]);
    return ecsi_member_receive(worlds, &worlds->members[m]);
}

ECS_API uint64_t ecs_worlds_settle(ecs_worlds *worlds)
{
    uint64_t left = 0;
    uint32_t i;
    uint32_t k;
    bool locked;
    ECSI_REQUIRE(worlds != NULL, 0);
    locked = ecsi_worlds_locked(worlds);
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *member = &worlds->members[worlds->order[i]];
        if (!locked) (void)ecs_worlds_receive(worlds, member->world);
        for (k = 0; k < member->in_count; k++) left += ecsi_route_in_flight(member->in[k]);
    }
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    return left;
}

/* Ends one entity on the way; its position stays until the taker comes to it. */
static void ecsi_transit_discard(ecs_worlds *worlds, ecsi_route *route, uint64_t at)
{
    ecsi_transit *transit = ecsi_route_transit(route, at);
    ecsi_member *target = &worlds->members[route->to];
    unsigned char *body = ecsi_route_body(route, at);
    const ecsi_cargo *parts = (const ecsi_cargo *)(void *)body;
    uint32_t i;
    ECSI_CHECK(!ecs_is_null(transit->entity));
    ECSI_CHECK(target->world != NULL);
    for (i = 0; i < transit->part_count; i++) {
        if (parts[i].offset == 0) continue;
        ecsi_values_destroy(ecsi_component_at(&target->world->components, parts[i].component),
                            body + parts[i].offset, 1);
    }
    transit->entity = ecs_null();
    ECSI_COUNT_UP(&target->discarded, 1u);
    /* Pair with the acquires of ecsi_route_in_flight and ecsi_member_in_flight. */
    (void)ECSI_ADD(&route->discarded, 1u, release);
    (void)ECSI_ADD(&worlds->members[transit->source].left, 1u, release);
}

ECS_API uint64_t ecs_worlds_discard(ecs_worlds *worlds, ecs_world *world)
{
    uint64_t count = 0;
    uint32_t m;
    uint32_t i;
    uint32_t k;
    ECSI_REQUIRE(worlds != NULL, 0);
    ECSI_REQUIRE(world != NULL, 0);
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER || ecsi_worlds_locked(worlds)) return 0;
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *target = &worlds->members[worlds->order[i]];
        for (k = 0; k < target->in_count; k++) {
            ecsi_route *route = target->in[k];
            uint64_t head = ECSI_LOAD(&route->ring.head, relaxed);
            uint64_t at = head - route->held_count;
            uint64_t end = head + ecsi_ring_count(&route->ring);
            for (; at != end; at++) {
                const ecsi_transit *transit = ecsi_route_transit(route, at);
                if (ecs_is_null(transit->entity)) continue;
                if (route->to != m && transit->source != m) continue;
                ecsi_transit_discard(worlds, route, at);
                count++;
            }
            (void)ecsi_route_head(route); /* lets go of what it can */
        }
    }
    return count;
}

/* ---- The tick ------------------------------------------------------------------------------- */

typedef struct ecsi_round {
    ecs_worlds *worlds;
    float dt;
} ecsi_round;

static void ecsi_round_tick(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        ecsi_member *member = &round->worlds->members[round->worlds->order[i]];
        ECSI_CHECK(member->world != NULL);
        member->status = ecs_tick(member->world, round->dt);
        ecsi_member_publish(member);
    }
}

static void ecsi_round_send(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        uint32_t from = round->worlds->order[i];
        if (!ecsi_member_locked(&round->worlds->members[from])) {
            ecsi_worlds_send_marked(round->worlds, from);
        }
    }
}

static void ecsi_round_receive(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        ecsi_member *member = &round->worlds->members[round->worlds->order[i]];
        if (!ecsi_member_locked(member)) (void)ecsi_member_receive(round->worlds, member);
    }
}

/* The tick of one member by itself. */
static ecs_status ecsi_member_tick(ecs_worlds *worlds, uint32_t index, float dt)
{
    ecsi_member *member = &worlds->members[index];
    uint32_t idle = 0;
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK(!worlds->desc.lockstep);
    /* Pairs with the release below: one tick after the other. */
    if (!ECSI_CAS(&member->busy, &idle, 1u, acquire, relaxed)) return ECS_LOCKED;
    member->status = ECS_LOCKED;
    if (!ecsi_member_locked(member)) {
        ecsi_member_publish(member);
        (void)ecsi_member_receive(worlds, member);
        member->status = ecs_tick(member->world, dt);
        ecsi_member_publish(member);
        if (!ecsi_member_locked(member)) ecsi_worlds_send_marked(worlds, index);
    }
    {
        ecs_status status = member->status;
        ECSI_STORE(&member->busy, 0u, release);
        return status;
    }
}

static void ecsi_round_free(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_round *round = (const ecsi_round *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= round->worlds->member_count);
    for (i = range.first; i < range.first + range.count; i++) {
        (void)ecsi_member_tick(round->worlds, round->worlds->order[i], round->dt);
    }
}

/* Shared routes take what comes in the order of the senders: in lockstep that must be theirs. */
static bool ecsi_worlds_share(const ecs_worlds *worlds)
{
    uint32_t i;
    ECSI_CHECK(worlds->desc.lockstep);
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        if (worlds->routes[ECSI_SHARED][worlds->order[i]] != NULL) return true;
    }
    return false;
}

ECS_API ecs_status ecs_worlds_tick(ecs_worlds *worlds, float dt)
{
    ecsi_round round;
    ecs_loop loop;
    ecs_worker *worker = NULL;
    uint32_t idle = 0;
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(dt >= 0.0f, ECS_INVALID);
    ECSI_REQUIRE(dt <= 3.0e38f, ECS_INVALID);
    /* Pairs with the releases of ticks. */
    if (!ECSI_CAS(&worlds->busy, &idle, 1u, acquire, relaxed)) return ECS_LOCKED;
    if (worlds->desc.lockstep && ecsi_worlds_held(worlds)) {
        ECSI_STORE(&worlds->busy, 0u, release); /* pairs as below; a world would be left behind */
        return ECS_LOCKED;
    }
    round.worlds = worlds;
    round.dt = dt;
    loop.count = worlds->member_count;
    loop.grain = 1;
    if (worlds->desc.pool != NULL) worker = ecs_pool_enter(worlds->desc.pool);
    if (worlds->desc.lockstep) {
        worlds->tick++;
        ecs_parallel_for(worker, loop, ecsi_round_tick, &round);
        ecs_parallel_for(ecsi_worlds_share(worlds) ? NULL : worker, loop, ecsi_round_send,
                         &round);
        ecs_parallel_for(worker, loop, ecsi_round_receive, &round);
    } else {
        ecs_parallel_for(worker, loop, ecsi_round_free, &round);
    }
    ecs_pool_leave(worker);
    for (i = 0; i < worlds->member_count && status == ECS_OK; i++) {
        status = worlds->members[worlds->order[i]].status;
    }
    ECSI_CHECK((ECSI_LOAD(&worlds->busy, relaxed) & 1u) != 0);
    /* By one, for ecs_worlds_tick_one may be just looking. Pairs with who looks whether somebody
     * ticks. */
    (void)ECSI_SUB(&worlds->busy, 1u, release);
    return status;
}

ECS_API ecs_status ecs_worlds_tick_one(ecs_worlds *worlds, ecs_world *world, float dt)
{
    ecs_status status;
    uint32_t m;
    uint32_t seen;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(dt >= 0.0f, ECS_INVALID);
    ECSI_REQUIRE(dt <= 3.0e38f, ECS_INVALID);
    if (worlds->desc.lockstep) return ECS_UNSUPPORTED;
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    /* By twos: the lowest bit is that of ecs_worlds_tick, which wants to be alone. */
    seen = ECSI_ADD(&worlds->busy, 2u, acquire);
    status = (seen & 1u) != 0 ? ECS_LOCKED : ecsi_member_tick(worlds, m, dt);
    (void)ECSI_SUB(&worlds->busy, 2u, release); /* pairs with who looks whether somebody ticks */
    return status;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static bool ecsi_worlds_resolve(const ecs_worlds_desc *from, ecs_worlds_desc *d)
{
    ECSI_CHECK(d != NULL);
    ECSI_CHECK(from != d);
    memset(d, 0, sizeof *d);
    if (from != NULL) *d = *from;
    d->transfers_max = ecsi_default_u32(d->transfers_max, ECSI_TRANSFERS);
    if (d->transfers_max > ECSI_TRANSFERS_MAX) return false;
    if (d->unknown != ECS_UNKNOWN_REFUSE && d->unknown != ECS_UNKNOWN_DROP) return false;
    if (d->references != ECS_REFERENCES_NULL && d->references != ECS_REFERENCES_KEEP) {
        return false;
    }
    return true;
}

ECS_API ecs_worlds *ecs_worlds_create(const ecs_worlds_desc *desc)
{
    ecs_worlds_desc d;
    ecs_allocator allocator = ecsi_default_allocator();
    ecs_worlds *worlds;
    if (!ecsi_worlds_resolve(desc, &d)) return NULL;
    if (d.allocator != NULL) allocator = *d.allocator;
    ECSI_REQUIRE(allocator.alloc != NULL, NULL);
    ECSI_REQUIRE(allocator.release != NULL, NULL);
    worlds = (ecs_worlds *)allocator.alloc(sizeof *worlds, ECSI_LINE_BYTES, allocator.user);
    if (worlds == NULL) return NULL;
    memset(worlds, 0, sizeof *worlds);
    worlds->memory.allocator = allocator;
    worlds->desc = d;
    worlds->log.write = d.log != NULL ? d.log : ecsi_log_stderr;
    worlds->log.user = d.log_user;
    if (d.pool != NULL) ecsi_pool_attach(d.pool, 1);
    return worlds;
}

/* Gives back what a member and its routes hold. Nothing is on the way over them. */
static void ecsi_member_release(ecs_worlds *worlds, uint32_t m)
{
    ecsi_memory *memory = &worlds->memory;
    ecsi_member *member = &worlds->members[m];
    uint32_t i;
    ECSI_CHECK(m < ECS_WORLDS_MAX);
    for (i = 0; i <= ECSI_SHARED; i++) {
        ecsi_route **in = &worlds->routes[i][m];
        if (*in != NULL) ecsi_release(memory, *in, (*in)->bytes, ECSI_LINE_BYTES);
        *in = NULL;
        if (i < ECS_WORLDS_MAX) {
            ecsi_route **out = &worlds->routes[m][i];
            ecsi_pair **to = &worlds->pairs[m][i];
            ecsi_pair **from = &worlds->pairs[i][m];
            if (*out != NULL) ecsi_release(memory, *out, (*out)->bytes, ECSI_LINE_BYTES);
            *out = NULL;
            ecsi_release(memory, *to, member->known_max * sizeof **to, ECSI_MALLOC_ALIGN);
            *to = NULL;
            ecsi_release(memory, *from, worlds->members[i].known_max * sizeof **from,
                         ECSI_MALLOC_ALIGN);
            *from = NULL;
        }
    }
    ecsi_release(memory, member->known, member->known_max * sizeof *member->known,
                 ECSI_MALLOC_ALIGN);
    ecsi_release(memory, member->picks, worlds->desc.transfers_max * sizeof *member->picks,
                 ECSI_MALLOC_ALIGN);
    member->world->member = false;
    memset(member, 0, sizeof *member);
    ECSI_CHECK(member->world == NULL);
}

/* Entities that are on the way from a member, by any route. */
static uint64_t ecsi_member_in_flight(const ecsi_member *member)
{
    /* Pairs with the releases of those who take. */
    uint64_t left = ECSI_LOAD(&member->left, acquire);
    uint64_t sent = ECSI_LOAD(&member->sent, relaxed);
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK(sent >= left);
    return sent - left;
}

ECS_API ecs_status ecs_worlds_destroy(ecs_worlds *worlds)
{
    ecs_allocator allocator;
    uint32_t i;
    if (worlds == NULL) return ECS_OK;
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    for (i = 0; i < worlds->member_count; i++) {
        if (ecsi_member_in_flight(&worlds->members[worlds->order[i]]) != 0) return ECS_LOCKED;
    }
    for (i = 0; i < worlds->member_count; i++) {
        ecsi_member_release(worlds, worlds->order[i]);
    }
    ECSI_CHECK(worlds->memory.bytes_allocated == 0);
    if (worlds->desc.pool != NULL) ecsi_pool_attach(worlds->desc.pool, -1);
    allocator = worlds->memory.allocator;
    allocator.release(worlds, sizeof *worlds, ECSI_LINE_BYTES, allocator.user);
    return ECS_OK;
}

/* What a source knows about the components of a target. */
static ecs_status ecsi_pairs_need(ecs_worlds *worlds, uint32_t from, uint32_t to)
{
    ecsi_pair **pairs = &worlds->pairs[from][to];
    size_t bytes = worlds->members[from].known_max * sizeof **pairs;
    ECSI_CHECK(from < ECS_WORLDS_MAX && to < ECS_WORLDS_MAX);
    ECSI_CHECK(bytes > 0);
    if (*pairs != NULL || from == to) return ECS_OK;
    *pairs = (ecsi_pair *)ecsi_alloc(&worlds->memory, bytes, ECSI_MALLOC_ALIGN);
    if (*pairs == NULL) return ECS_NO_MEMORY;
    memset(*pairs, 0, bytes);
    return ECS_OK;
}

/* Takes over a description's names. */
static ecs_status ecsi_member_describe(ecsi_member *member, const ecs_worlds_member_desc *desc)
{
    ecs_status status = ecsi_name_copy(member->name, desc->name);
    uint32_t i;
    ECSI_CHECK(member->world == NULL);
    if (status != ECS_OK) return status;
    if ((unsigned)desc->role > (unsigned)ECS_ROLE_STANDALONE) return ECS_INVALID;
    if (desc->choice_count > ECS_WORLDS_CHOICES_MAX) return ECS_TOO_LARGE;
    ECSI_REQUIRE(desc->choices != NULL || desc->choice_count == 0, ECS_INVALID);
    member->role = desc->role;
    if (desc->target != NULL) status = ecsi_name_copy(member->target, desc->target);
    for (i = 0; i < desc->choice_count && status == ECS_OK; i++) {
        ECSI_REQUIRE(desc->choices[i].type != NULL, ECS_INVALID);
        ECSI_REQUIRE(desc->choices[i].target != NULL, ECS_INVALID);
        member->choices[i].type = desc->choices[i].type;
        status = ecsi_name_copy(member->choices[i].target, desc->choices[i].target);
    }
    member->choice_count = desc->choice_count;
    ECSI_CHECK(member->choice_count <= ECS_WORLDS_CHOICES_MAX);
    return status;
}

/* The memory of a new member; its world is set. */
static ecs_status ecsi_member_reserve(ecs_worlds *worlds, uint32_t m)
{
    ecsi_member *member = &worlds->members[m];
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_CHECK(member->known == NULL);
    ECSI_CHECK(member->world != NULL);
    member->known_max = member->world->components.max;
    member->known = (ecsi_component **)ecsi_alloc(
        &worlds->memory, member->known_max * sizeof *member->known, ECSI_MALLOC_ALIGN);
    member->picks = (ecsi_pick *)ecsi_alloc(
        &worlds->memory, worlds->desc.transfers_max * sizeof *member->picks, ECSI_MALLOC_ALIGN);
    if (member->known == NULL || member->picks == NULL) return ECS_NO_MEMORY;
    for (i = 0; i < ECS_WORLDS_MAX && status == ECS_OK; i++) {
        if (worlds->routes[ECSI_SHARED][i] != NULL) status = ecsi_pairs_need(worlds, m, i);
    }
    return status;
}

ECS_API ecs_status ecs_worlds_add(ecs_worlds *worlds, ecs_world *world,
                                  const ecs_worlds_member_desc *desc)
{
    ecsi_member *member;
    uint32_t m = 0;
    ecs_status status;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->name != NULL, ECS_INVALID);
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    if (world->member) return ECS_EXISTS;
    if (ecsi_member_by_name(worlds, desc->name) != ECSI_NO_MEMBER) return ECS_EXISTS;
    if (worlds->member_count == ECS_WORLDS_MAX) return ECS_FULL;
    while (worlds->members[m].world != NULL) m++;
    ECSI_CHECK(m < ECS_WORLDS_MAX);
    member = &worlds->members[m];
    status = ecsi_member_describe(member, desc);
    member->world = world;
    if (status == ECS_OK) status = ecsi_member_reserve(worlds, m);
    if (status != ECS_OK) {
        ecsi_member_release(worlds, m);
        return status;
    }
    world->member = true;
    ecsi_member_publish(member);
    ecsi_worlds_arrange(worlds);
    return ECS_OK;
}

ECS_API ecs_status ecs_worlds_remove(ecs_worlds *worlds, ecs_world *world)
{
    const ecsi_member *member;
    uint32_t m;
    uint32_t i;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    m = ecsi_member_of(worlds, world);
    if (m == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    member = &worlds->members[m];
    if (ecsi_member_in_flight(member) != 0) return ECS_LOCKED;
    for (i = 0; i < member->in_count; i++) {
        if (ecsi_route_in_flight(member->in[i]) != 0) return ECS_LOCKED;
    }
    ecsi_member_release(worlds, m);
    ecsi_worlds_arrange(worlds);
    ECSI_CHECK(ecsi_member_of(worlds, world) == ECSI_NO_MEMBER);
    return ECS_OK;
}

ECS_API uint32_t ecs_worlds_number(const ecs_worlds *worlds, const ecs_world *world)
{
    ECSI_REQUIRE(worlds != NULL, 0);
    return ecsi_member_of(worlds, world) + 1; /* none is 2^32 - 1 */
}

ECS_API uint32_t ecs_worlds_find(const ecs_worlds *worlds, const char *name)
{
    ECSI_REQUIRE(worlds != NULL, 0);
    ECSI_REQUIRE(name != NULL, 0);
    return ecsi_member_by_name(worlds, name) + 1;
}

ECS_API ecs_world *ecs_worlds_world(const ecs_worlds *worlds, uint32_t number)
{
    uint32_t m;
    ECSI_REQUIRE(worlds != NULL, NULL);
    m = ecsi_member_numbered(worlds, number);
    return m == ECSI_NO_MEMBER ? NULL : worlds->members[m].world;
}

ECS_API ecs_status ecs_worlds_route(ecs_worlds *worlds, const ecs_route_desc *desc)
{
    ecs_route_desc d;
    ecsi_route *route;
    uint32_t from = ECSI_SHARED;
    uint32_t to;
    uint32_t i;
    ecs_status status = ECS_OK;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->to != NULL, ECS_INVALID);
    if (ecsi_worlds_locked(worlds)) return ECS_LOCKED;
    if (!ecsi_route_resolve(desc, &d)) return ECS_INVALID;
    to = ecsi_member_by_name(worlds, d.to);
    if (d.from != NULL) from = ecsi_member_by_name(worlds, d.from);
    if (to == ECSI_NO_MEMBER || from == ECSI_NO_MEMBER) return ECS_NOT_FOUND;
    if (from == to || worlds->members[to].role == ECS_ROLE_STANDALONE) return ECS_INVALID;
    if (d.from != NULL && worlds->members[from].role == ECS_ROLE_STANDALONE) return ECS_INVALID;
    if (worlds->routes[from][to] != NULL) return ECS_EXISTS;
    for (i = 0; i < worlds->member_count && status == ECS_OK; i++) {
        if (d.from != NULL && worlds->order[i] != from) continue;
        status = ecsi_pairs_need(worlds, worlds->order[i], to);
    }
    if (status != ECS_OK) return status;
    route = ecsi_route_make(&worlds->memory, &d);
    if (route == NULL) return ECS_NO_MEMORY;
    route->from = d.from == NULL ? ECSI_NO_MEMBER : from;
    route->to = to;
    worlds->routes[from][to] = route;
    ecsi_worlds_arrange(worlds);
    ECSI_CHECK(ecsi_route_in_flight(route) == 0);
    return ECS_OK;
}

/* ---- Looking -------------------------------------------------------------------------------- */

ECS_API bool ecs_worlds_admits(ecs_worlds *worlds, const ecs_world *from, uint32_t to)
{
    const ecsi_member *target;
    bool admits = true;
    uint32_t t;
    uint32_t i;
    ECSI_REQUIRE(worlds != NULL, false);
    t = ecsi_member_numbered(worlds, to);
    if (t == ECSI_NO_MEMBER) return false;
    target = &worlds->members[t];
    if (from != NULL) {
        uint32_t s = ecsi_member_of(worlds, from);
        ecsi_route *route = s == ECSI_NO_MEMBER ? NULL : ecsi_route_between(worlds, s, t);
        return route != NULL && ecsi_route_admits(route);
    }
    for (i = 0; i < target->in_count; i++) {
        if (!ecsi_route_admits(target->in[i])) admits = false;
    }
    ECSI_CHECK(target->in_count <= ECS_WORLDS_MAX + 1);
    return admits && target->in_count > 0;
}

static void ecsi_route_stats_read(const ecsi_route *route, ecs_route_stats *out)
{
    memset(out, 0, sizeof *out);
    ECSI_CHECK(route != NULL);
    out->in_flight = ecsi_route_in_flight(route);
    out->sent = ECSI_LOAD(&route->sent, relaxed);
    out->arrived = ECSI_LOAD(&route->arrived, relaxed);
    out->discarded = ECSI_LOAD(&route->discarded, relaxed);
    out->refused = ECSI_LOAD(&route->refused, relaxed);
    out->refused_full = ECSI_LOAD(&route->refused_full, relaxed);
    out->components_dropped = ECSI_LOAD(&route->dropped, relaxed);
    out->stalled = ECSI_LOAD(&route->stalled, relaxed);
    out->capacity = route->ring.capacity;
    ECSI_CHECK(out->capacity >= 2);
}

ECS_API ecs_status ecs_worlds_route_stats(const ecs_worlds *worlds, const ecs_world *from,
                                          uint32_t to, ecs_route_stats *out)
{
    const ecsi_route *route = NULL;
    uint32_t s = ECSI_SHARED;
    uint32_t t;
    ECSI_REQUIRE(worlds != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    t = ecsi_member_numbered(worlds, to);
    if (from != NULL) s = ecsi_member_of(worlds, from);
    if (t != ECSI_NO_MEMBER && s != ECSI_NO_MEMBER) route = worlds->routes[s][t];
    if (route == NULL) return ECS_NOT_FOUND;
    ecsi_route_stats_read(route, out);
    return ECS_OK;
}

static void ecsi_member_stats_add(const ecsi_member *member, ecs_worlds_stats *out)
{
    uint32_t i;
    ECSI_CHECK(member->world != NULL);
    out->in_flight_from += ecsi_member_in_flight(member);
    for (i = 0; i < member->in_count; i++) {
        out->in_flight_to += ecsi_route_in_flight(member->in[i]);
    }
    out->sent += ECSI_LOAD(&member->sent, relaxed);
    out->arrived += ECSI_LOAD(&member->arrived, relaxed);
    out->discarded += ECSI_LOAD(&member->discarded, relaxed);
    out->refused += ECSI_LOAD(&member->refused, relaxed);
    out->components_dropped += ECSI_LOAD(&member->dropped, relaxed);
    out->given_up += ECSI_LOAD(&member->given_up, relaxed);
    ECSI_CHECK(member->in_count <= ECS_WORLDS_MAX + 1);
}

ECS_API ecs_worlds_stats ecs_worlds_stats_of(const ecs_worlds *worlds, const ecs_world *world)
{
    ecs_worlds_stats stats;
    uint32_t i;
    memset(&stats, 0, sizeof stats);
    ECSI_REQUIRE(worlds != NULL, stats);
    ECSI_CHECK(worlds->member_count <= ECS_WORLDS_MAX);
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *member = &worlds->members[worlds->order[i]];
        if (world == NULL || member->world == world) ecsi_member_stats_add(member, &stats);
    }
    return stats;
}

/* ---- Explain -------------------------------------------------------------------------------- */

#ifndef ECS_NO_EXPLAIN
static void ecsi_explain_member(ecsi_text *text, const ecs_worlds *worlds, uint32_t m)
{
    static const char *const roles[] = {"custom", "accept", "io", "compute", "standalone"};
    const ecsi_member *member = &worlds->members[m];
    ecs_worlds_stats stats;
    uint32_t i;
    ECSI_CHECK(member->world != NULL);
    ECSI_CHECK((unsigned)member->role < sizeof roles / sizeof *roles);
    memset(&stats, 0, sizeof stats);
    ecsi_member_stats_add(member, &stats);
    ecsi_print(text, "%u %s: %s, tick %llu, %u entities\n", m + 1, member->name,
               roles[member->role], (unsigned long long)member->world->schedule.tick,
               member->world->entities.front.alive_count);
    for (i = 0; i < member->choice_count; i++) {
        ecsi_print(text, "    with %s to %s%s\n", member->choices[i].type->name,
                   member->choices[i].target,
                   member->choices[i].to == ECSI_NO_MEMBER ? " (not there)" : "");
    }
    if (member->to != ECSI_NO_MEMBER) {
        ecsi_print(text, "    default to %s%s\n", worlds->members[member->to].name,
                   member->target[0] == 0 ? " (by role)" : "");
    } else if (member->target[0] != 0) {
        ecsi_print(text, "    default to %s (not there)\n", member->target);
    }
    ecsi_print(text, "    sent %llu, arrived %llu, refused %llu, given up %llu, "
               "components dropped %llu, on the way from it %llu, to it %llu\n",
               (unsigned long long)stats.sent, (unsigned long long)stats.arrived,
               (unsigned long long)stats.refused, (unsigned long long)stats.given_up,
               (unsigned long long)stats.components_dropped,
               (unsigned long long)stats.in_flight_from,
               (unsigned long long)stats.in_flight_to);
}

static void ecsi_explain_route(ecsi_text *text, const ecs_worlds *worlds,
                               const ecsi_route *route)
{
    ecs_route_stats stats;
    const char *from = "(all)";
    ECSI_CHECK(route->to < ECS_WORLDS_MAX);
    ECSI_CHECK(worlds->members[route->to].world != NULL);
    ecsi_route_stats_read(route, &stats);
    if (route->from != ECSI_NO_MEMBER) from = worlds->members[route->from].name;
    ecsi_print(text, "%s -> %s: capacity %u%s, batch %u, body %u bytes, priority %u, "
               "marks %u and %u%s\n",
               from, worlds->members[route->to].name, stats.capacity,
               route->ring.single ? " (one sender)" : "", route->batch, route->body_bytes,
               route->priority, route->high, route->low,
               ECSI_LOAD(&route->closed, relaxed) != 0 ? ", does not admit" : "");
    ecsi_print(text, "    sent %llu, arrived %llu, on the way %llu, discarded %llu, "
               "refused %llu (no room %llu), components dropped %llu, stalled %llu\n",
               (unsigned long long)stats.sent, (unsigned long long)stats.arrived,
               (unsigned long long)stats.in_flight, (unsigned long long)stats.discarded,
               (unsigned long long)stats.refused, (unsigned long long)stats.refused_full,
               (unsigned long long)stats.components_dropped,
               (unsigned long long)stats.stalled);
}

ECS_API size_t ecs_explain_worlds(const ecs_worlds *worlds, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    uint32_t i;
    uint32_t k;
    ECSI_REQUIRE(worlds != NULL, 0);
    ecsi_print(&t, "%u worlds, %s\n", worlds->member_count,
               worlds->desc.lockstep ? "in lockstep" : "each at its own pace");
    for (i = 0; i < worlds->member_count; i++) {
        ecsi_explain_member(&t, worlds, worlds->order[i]);
    }
    for (i = 0; i < worlds->member_count; i++) {
        const ecsi_member *target = &worlds->members[worlds->order[i]];
        for (k = 0; k < target->in_count; k++) ecsi_explain_route(&t, worlds, target->in[k]);
    }
    ECSI_CHECK(t.total > 0);
    return t.total;
}
#endif

#endif /* ECS_NO_WORLDS */

#endif /* ECS_WORLDS_H */
