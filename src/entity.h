/* entity.h: handles, generations, the free list and the records.
 *
 * A record of 16 bytes a slot says where the entity's row is. A slot that is free holds
 * the generation that its next owner gets, and in `row` the next free slot plus one: the
 * free list is a stack, so the same edits hand out the same handles. */
/* floor: 4 */
#ifndef ECS_ENTITY_H
#define ECS_ENTITY_H

#include "container.h"

typedef struct ecsi_entities {
    ecsi_front front;    /* must be first: the inlined getter reads it */
    ecsi_vec records;    /* of ecsi_record; front.records is its data */
    uint32_t free_head;  /* newest free slot plus one; 0: none */
    uint32_t free_count;
    uint32_t max;
} ecsi_entities;

static ecs_status ecsi_entities_create(ecsi_memory *memory, ecsi_entities *entities, uint32_t max)
{
    ecs_status status;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(max <= ECS_ENTITIES_MAX);
    entities->max = max;
    status = ecsi_vec_create(memory, &entities->records, max, sizeof(ecsi_record));
    entities->front.records = (ecsi_record *)entities->records.data;
    return status;
}

static void ecsi_entities_destroy(ecsi_memory *memory, ecsi_entities *entities)
{
    ECSI_CHECK(entities->front.record_count <= entities->max);
    ECSI_CHECK(entities->front.alive_count <= entities->front.record_count);
    ecsi_vec_destroy(memory, &entities->records, sizeof(ecsi_record));
    entities->front.records = NULL;
}

static inline ecsi_record *ecsi_entities_record(const ecsi_entities *entities, uint32_t index)
{
    ECSI_CHECK(index < entities->front.record_count);
    return &entities->front.records[index];
}

/* The record of a living entity, or NULL. */
static inline ecsi_record *ecsi_entities_find(const ecsi_entities *entities, ecs_entity entity)
{
    uint32_t index = ecs_index(entity);
    ecsi_record *record;
    if (ECSI_UNLIKELY(index >= entities->front.record_count)) return NULL;
    record = &entities->front.records[index];
    if (ECSI_UNLIKELY(record->generation != ecs_generation(entity))) return NULL;
    return ECSI_LIKELY(record->chunk != 0) ? record : NULL;
}

static inline ecs_entity ecsi_entities_handle(const ecsi_entities *entities, uint32_t index)
{
    ecs_entity e;
    ECSI_CHECK(index < entities->front.record_count);
    e.bits = (uint64_t)entities->front.records[index].generation << 32 | index;
    return e;
}

/* Makes sure that `count` slots can be taken. ECS_FULL or ECS_NO_MEMORY: nothing changed. */
static inline ecs_status ecsi_entities_reserve(ecsi_memory *memory, ecsi_entities *entities,
                                               uint32_t count)
{
    uint64_t need;
    ecs_status status;
    if (ECSI_LIKELY(entities->free_count >= count)) return ECS_OK;
    need = (uint64_t)entities->front.record_count + (count - entities->free_count);
    if (ECSI_LIKELY(need <= entities->records.capacity)) return ECS_OK;
    if (need > entities->max) return ECS_FULL;
    entities->records.count = entities->front.record_count;
    status = ecsi_vec_reserve(memory, &entities->records, (uint32_t)need, entities->max,
                              sizeof(ecsi_record));
    entities->front.records = (ecsi_record *)entities->records.data;
    return status;
}

/* Takes the newest free slot, or a new one. It has no row yet: chunk is 0. */
static inline ecs_entity ecsi_entities_take(ecsi_entities *entities)
{
    ecsi_record *record;
    uint32_t index;
    if (entities->free_head != 0) {
        index = entities->free_head - 1;
        record = ecsi_entities_record(entities, index);
        ECSI_CHECK(record->chunk == 0);
        entities->free_head = record->row;
        entities->free_count--;
    } else {
        index = entities->front.record_count++;
        ECSI_CHECK(index < entities->records.capacity);
        record = ecsi_entities_record(entities, index);
        record->generation = 1;
        record->chunk = 0;
        record->touch = 0;
    }
    entities->front.alive_count++;
    return ecsi_entities_handle(entities, index);
}

/* Frees a slot. One whose generation would wrap is retired: never handed out again. */
static inline void ecsi_entities_give(ecsi_entities *entities, uint32_t index)
{
    ecsi_record *record = ecsi_entities_record(entities, index);
    ECSI_CHECK(entities->front.alive_count > 0);
    ECSI_CHECK(record->generation != 0);
    entities->front.alive_count--;
    record->chunk = 0;
    record->generation++;
    if (ECSI_UNLIKELY(record->generation == 0)) {
        record->row = 0;
        return;
    }
    record->row = entities->free_head;
    entities->free_head = index + 1;
    entities->free_count++;
}

#endif /* ECS_ENTITY_H */
