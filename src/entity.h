/* entity.h: handles, generations, the free list and the records.
 *
 * A record of 8 bytes a slot says where the entity's row is. Free slots lie on a stack, each
 * with the generation that its next owner gets; so the same edits hand out the same
 * handles, and freeing writes to one place in memory. */
/* floor: 4 */
#ifndef ECS_ENTITY_H
#define ECS_ENTITY_H

#include "container.h"

typedef struct ecsi_entities {
    ecsi_front front;   /* must be first: the inlined getter reads it */
    ecsi_vec records;   /* of ecsi_record; front.records is its data */
    ecsi_vec free_list; /* of ecs_entity: handles to come, newest last; has room for all */
    uint32_t max;
    uint32_t reserved_count; /* taken by a flush that has not placed them yet */
} ecsi_entities;

static ecs_status ecsi_entities_create(ecsi_memory *memory, ecsi_entities *entities, uint32_t max)
{
    ecs_status status;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(max <= ECS_ENTITIES_MAX);
    ECSI_CHECK(entities->front.record_count == 0);
    entities->max = max;
    status = ecsi_vec_create(memory, &entities->records, max, sizeof(ecsi_record));
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &entities->free_list, max, sizeof(ecs_entity));
    }
    entities->front.records = (ecsi_record *)entities->records.data;
    return status;
}

static void ecsi_entities_destroy(ecsi_memory *memory, ecsi_entities *entities)
{
    ECSI_CHECK(entities->front.record_count <= entities->max);
    ECSI_CHECK(entities->front.alive_count <= entities->front.record_count);
    ECSI_CHECK(entities->reserved_count == 0);
    ecsi_vec_destroy(memory, &entities->records, sizeof(ecsi_record));
    ecsi_vec_destroy(memory, &entities->free_list, sizeof(ecs_entity));
    entities->front.records = NULL;
}

static inline ecsi_record *ecsi_entities_record(const ecsi_entities *entities, uint32_t index)
{
    ECSI_CHECK(index < entities->front.record_count);
    return &entities->front.records[index];
}

/* Chunk id and row of a record; the id is 0 when the entity has no row. */
static inline uint32_t ecsi_record_chunk(const ecsi_entities *entities,
                                         const ecsi_record *record)
{
    return record->place >> entities->front.row_bits;
}

static inline uint32_t ecsi_record_row(const ecsi_entities *entities, const ecsi_record *record)
{
    return record->place & ((1u << entities->front.row_bits) - 1u);
}

static inline void ecsi_record_place(const ecsi_entities *entities, ecsi_record *record,
                                     uint32_t chunk, uint32_t row)
{
    ECSI_CHECK(chunk != 0);
    ECSI_CHECK(row >> entities->front.row_bits == 0);
    record->place = chunk << entities->front.row_bits | row;
}

/* The record of a living entity, or NULL. */
static inline ecsi_record *ecsi_entities_find(const ecsi_entities *entities, ecs_entity entity)
{
    uint32_t index = ecs_index(entity);
    ecsi_record *record;
    if (ECSI_UNLIKELY(index >= entities->front.record_count)) return NULL;
    record = &entities->front.records[index];
    if (ECSI_UNLIKELY(record->generation != ecs_generation(entity))) return NULL;
    ECSI_CHECK(record->place == 0 || record->generation != 0);
    ECSI_CHECK(record->place == 0 || ecsi_record_chunk(entities, record) != 0);
    return ECSI_LIKELY(record->place != 0) ? record : NULL;
}

static inline ecs_entity ecsi_entities_handle(const ecsi_entities *entities, uint32_t index)
{
    ecs_entity e;
    ECSI_CHECK(index < entities->front.record_count);
    ECSI_CHECK(entities->front.records[index].generation != 0);
    e.bits = (uint64_t)entities->front.records[index].generation << 32 | index;
    return e;
}

/* Makes sure that `count` slots can be taken, and that every slot can be freed later without
 * memory. ECS_FULL or ECS_NO_MEMORY: nothing changed. */
static inline ecs_status ecsi_entities_reserve(ecsi_memory *memory, ecsi_entities *entities,
                                               uint32_t count)
{
    uint64_t need;
    ecs_status status;
    if (ECSI_LIKELY(entities->free_list.count >= count)) return ECS_OK;
    need = (uint64_t)entities->front.record_count + (count - entities->free_list.count);
    if (ECSI_LIKELY(need <= entities->records.capacity &&
                    need <= entities->free_list.capacity)) {
        return ECS_OK;
    }
    ECSI_CHECK(entities->free_list.count <= entities->front.record_count);
    if (need > entities->max) return ECS_FULL;
    status = ecsi_vec_reserve(memory, &entities->free_list, (uint32_t)need, entities->max,
                              sizeof(ecs_entity));
    if (status != ECS_OK) return status;
    entities->records.count = entities->front.record_count;
    status = ecsi_vec_reserve(memory, &entities->records, (uint32_t)need, entities->max,
                              sizeof(ecsi_record));
    entities->front.records = (ecsi_record *)entities->records.data;
    ECSI_CHECK(status != ECS_OK || need <= entities->records.capacity);
    return status;
}

/* Takes the newest free slot, or a new one. It has no row yet. */
static inline ecs_entity ecsi_entities_take(ecsi_entities *entities)
{
    ecsi_record *record;
    ecs_entity e;
    if (entities->free_list.count > 0) {
        e = *ECSI_VEC_AT(ecs_entity, &entities->free_list, --entities->free_list.count);
    } else {
        ECSI_CHECK(entities->front.record_count < entities->records.capacity);
        e.bits = (uint64_t)1 << 32 | entities->front.record_count++;
    }
    record = ecsi_entities_record(entities, ecs_index(e));
    ECSI_CHECK(ecs_generation(e) != 0);
    record->generation = ecs_generation(e);
    record->place = 0;
    entities->front.alive_count++;
    ECSI_CHECK(entities->free_list.count <=
               entities->front.record_count - entities->front.alive_count);
    return e;
}

/* Frees a slot. One whose generation would wrap is retired: never handed out again. */
static inline void ecsi_entities_give(ecsi_entities *entities, uint32_t index)
{
    ecsi_record *record = ecsi_entities_record(entities, index);
    uint32_t generation = record->generation + 1;
    ecs_entity next;
    ECSI_CHECK(entities->front.alive_count > 0);
    ECSI_CHECK(record->generation != 0);
    entities->front.alive_count--;
    record->generation = 0;
    record->place = 0;
    if (ECSI_UNLIKELY(generation == 0)) return;
    ECSI_CHECK(entities->free_list.count < entities->free_list.capacity);
    next.bits = (uint64_t)generation << 32 | index;
    *ECSI_VEC_AT(ecs_entity, &entities->free_list, entities->free_list.count++) = next;
}

#endif /* ECS_ENTITY_H */
