/* hash.h: the world hash, the oracle of determinism.
 *
 * It sees what programs can see and nothing else: no address, no capacity, no padding of
 * listed types. Components count by the hash of their name; tables count in order of
 * creation, because that is the order of iteration, and columns by id: the order in which
 * types are registered is an input like any other. */
/* floor: 12 */
#ifndef ECS_HASH_H
#define ECS_HASH_H

#include "schedule.h"

#ifndef ECS_NO_HASH

/* `count` values of a component: by hook, as a whole, or by field. */
static uint64_t ecsi_hash_values(uint64_t h, const ecsi_component *c, const void *values,
                                 uint32_t count)
{
    const unsigned char *p = (const unsigned char *)values;
    uint32_t i;
    uint32_t m;
    ECSI_CHECK(c->type.bytes > 0);
    ECSI_CHECK(values != NULL || count == 0);
    if (c->hooks.hash != NULL) {
        for (i = 0; i < count; i++) {
            h = ecsi_mix(h, c->hooks.hash(p + (size_t)i * c->type.bytes, h, c->hooks.user));
        }
        return h;
    }
    if (c->hash_whole) return ecsi_hash_bytes(h, values, (size_t)count * c->type.bytes);
    for (i = 0; i < count; i++, p += c->type.bytes) {
        for (m = 0; m < c->type.member_count; m++) {
            const ecs_member *member = &c->type.members[m];
            if (member->bytes <= 8) {
                h = ecsi_mix(h, ecsi_load_le(p + member->offset, member->bytes));
            } else {
                h = ecsi_hash_bytes(h, p + member->offset, member->bytes);
            }
        }
    }
    return h;
}

static uint64_t ecsi_hash_entities(uint64_t h, const ecsi_entities *entities)
{
    uint32_t i;
    h = ecsi_mix(h, entities->front.record_count);
    for (i = 0; i < entities->front.record_count; i++) {
        const ecsi_record *record = ecsi_entities_record(entities, i);
        h = h * 0xbf58476d1ce4e5b9u + record->generation * 2u + (record->place != 0 ? 1u : 0u);
    }
    ECSI_CHECK(entities->front.alive_count <= entities->front.record_count);
    ECSI_CHECK(entities->free_list.count <= entities->front.record_count);
    return ecsi_hash_bytes(h, entities->free_list.data,
                           entities->free_list.count * sizeof(ecs_entity));
}

/* Rows that are hashed as one piece: chunks of all sizes are made of such pieces. */
#define ECSI_HASH_ROWS 64u

/* An empty table cannot be seen: it counts for nothing. */
static uint64_t ecsi_hash_table(uint64_t h, const ecsi_storage *storage, const ecsi_table *table)
{
    ecsi_chunk *chunk;
    uint32_t i;
    uint32_t row;
    if (table->row_count == 0) return h;
    h = ecsi_mix(h, (uint64_t)table->component_count << 32 | table->row_count);
    for (i = 0; i < table->component_count; i++) {
        h = ecsi_mix(h, ecsi_component_at(storage->components, table->ids[i])->name_hash);
    }
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        for (row = 0; row < chunk->count; row += ECSI_HASH_ROWS) {
            uint32_t count = ecsi_min_u32(ECSI_HASH_ROWS, chunk->count - row);
            ECSI_CHECK(chunk->table == table);
            h = ecsi_hash_bytes(h, ecsi_chunk_entities(chunk) + row, count * sizeof(ecs_entity));
            h = ecsi_mix(h, *ecsi_chunk_row_tick(chunk, row));
            for (i = 0; i < table->column_count; i++) {
                const ecsi_column *column = &table->columns[i];
                h = ecsi_mix(h, *ecsi_chunk_tick(chunk, i, row));
                h = ecsi_hash_values(h, ecsi_component_at(storage->components,
                                                          column->component),
                                     ecsi_chunk_value(chunk, column, row), count);
            }
        }
    }
    ECSI_CHECK(table->first != NULL);
    return h;
}

static uint64_t ecsi_hash_resources(uint64_t h, const ecsi_components *components)
{
    uint32_t id;
    ECSI_CHECK(components->list.count <= components->max);
    for (id = 1; id <= components->list.count; id++) {
        const ecsi_component *c = ecsi_component_at(components, id);
        if (c->resource == NULL) continue;
        ECSI_CHECK(c->type.bytes > 0);
        h = ecsi_hash_values(ecsi_mix(h, c->name_hash), c, c->resource, 1);
    }
    return h;
}

#ifndef ECS_NO_EVENTS
static uint64_t ecsi_hash_events(uint64_t h, const ecsi_events *events)
{
    uint32_t i;
    ECSI_CHECK(events->list.count <= events->components->max);
    for (i = 0; i < events->list.count; i++) {
        const ecsi_event *event = ecsi_event_at(events, i);
        const ecsi_component *c = ecsi_component_at(events->components, event->component);
        h = ecsi_mix(ecsi_mix(h, c->name_hash), event->position);
        h = ecsi_mix(ecsi_mix(h, event->count), event->reader_count);
        h = ecsi_hash_values(h, c, event->data + (size_t)event->begin * event->bytes,
                             event->count);
    }
    for (i = 1; i <= events->readers.count; i++) {
        const ecsi_reader *reader = ecsi_reader_at(events, i);
        ECSI_CHECK(reader->event <= events->list.count);
        h = ecsi_mix(ecsi_mix(h, reader->event), reader->event == 0 ? 0 : reader->position);
    }
    return h;
}
#endif

/* Bits of a time. */
static uint64_t ecsi_hash_time(uint64_t h, double seconds)
{
    uint64_t bits;
    ECSI_CHECK(sizeof bits == sizeof seconds);
    memcpy(&bits, &seconds, sizeof bits);
    ECSI_CHECK(seconds >= 0);
    return ecsi_mix(h, bits);
}

/* What a launch will answer follows from the world as it was in the tick of the launch. One that
 * is applied when it is ready is an input, and does not count. */
static uint64_t ecsi_hash_group(uint64_t h, const ecsi_group *group)
{
    uint32_t i;
    h = ecsi_mix(ecsi_mix(h, ecsi_hash_text(group->name)), group->enabled ? 1u : 0u);
    ECSI_CHECK(group->under_way == 0 || group->launches != NULL);
    for (i = 0; i < group->under_way && !group->desc.when_ready; i++) {
        const ecsi_launch *launch = &group->launches[(group->first + i) % group->desc.depth];
        ECSI_CHECK(launch->number != 0);
        h = ecsi_mix(ecsi_mix(h, launch->number), launch->tick);
    }
    return h;
}

#ifndef ECS_NO_IO
/* Requests under way; when they end is an input. Handles and addresses are not of this world. */
static uint64_t ecsi_hash_io(uint64_t h, const ecsi_io *io)
{
    const ecs_io_operation *op;
    ECSI_CHECK(io->entered == 0 || io->oldest != NULL);
    for (op = io->oldest; op != NULL; op = op->ecsi_order[1]) {
        const ecs_io_request *r = &op->request;
        ECSI_CHECK(op->ecsi_state != ECSI_IO_FREE);
        h = ecsi_mix(ecsi_mix(h, op->done.id.bits), (uint64_t)op->done.op << 32 | op->done.flags);
        h = ecsi_mix(ecsi_mix(h, op->ecsi_length), r->entity.bits);
        h = ecsi_mix(ecsi_mix(h, r->timeout_ns), r->member_offset);
    }
    return h;
}
#endif

static uint64_t ecsi_hash_schedule(uint64_t h, const ecsi_schedule *schedule)
{
    uint32_t i;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    for (i = 1; i <= schedule->phases.count; i++) {
        h = ecsi_hash_time(h, ecsi_phase_at(schedule, i)->fixed.saved_s);
    }
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        h = ecsi_mix(h, ecsi_hash_text(system->name));
        h = ecsi_hash_time(ecsi_hash_time(h, system->since_s), system->fixed.saved_s);
        h = ecsi_mix(h, (uint64_t)system->ticks << 1 | (system->enabled ? 1u : 0u));
        h = ecsi_mix(h, (uint64_t)system->wait_ticks << 32 | (uint64_t)system->retried << 2 |
                        (system->broken ? 2u : 0u) | (system->probing ? 1u : 0u));
        h = ecsi_mix(h, system->failed_in_row);
        ECSI_CHECK(system->phase <= schedule->phases.count);
    }
    for (i = 0; i < schedule->groups.count; i++) {
        h = ecsi_hash_group(h, ecsi_group_at(schedule, i));
    }
    return h;
}

#endif /* ECS_NO_HASH */

#endif /* ECS_HASH_H */
