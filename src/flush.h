/* flush.h: applies recorded edits, in passes over a batch:
 *
 *   1  every spawn gets its real handle; provisional handles in columns and resources are
 *      patched
 *   2  each command joins the chain of its entity, in order of first touch; dead targets
 *      are dropped; events go to their buffers
 *   3  each chain becomes one net change of one entity, and one move
 *
 * A custom command ends a segment: 2 and 3 are done for what came before it.
 *
 * The order is that of the batch. All workers take part where it cannot be seen: handles are
 * patched in all columns at once, and spawns of one shape that follow each other are filled in
 * at once, for their rows are known before. */
/* floor: 8 */
#ifndef ECS_FLUSH_H
#define ECS_FLUSH_H

#include "command.h"

/* ---- Pass 1: handles --------------------------------------------------------------- */

/* What a provisional handle became: itself when its stream still records, null when its spawn
 * was dropped. */
static ecs_entity ecsi_flush_resolve(const ecsi_flush *flush, ecs_entity entity)
{
    const ecsi_spawn_range *ranges = (const ecsi_spawn_range *)flush->ranges.data;
    uint64_t number;
    uint64_t serial;
    uint32_t low = 0;
    uint32_t high = flush->ranges.count;
    if (!ecs_is_provisional(entity)) return entity;
    number = (entity.bits >> 32) << 31 | (entity.bits & 0x7fffffffu);
    serial = number >> ECSI_ORDINAL_BITS;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ranges[middle].serial < serial) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ECSI_CHECK(low <= flush->ranges.count);
    if (low == flush->ranges.count || ranges[low].serial != serial) {
        /* A stream that still records is flushed later; any other one is gone for ever. */
        return serial == *flush->open_serial ? entity : ecs_null();
    }
    number &= ECSI_ORDINALS_MAX - 1;
    if (number >= ranges[low].count) return ecs_null();
    ECSI_CHECK(ranges[low].count <= flush->spawn_map.count - ranges[low].first);
    return *ECSI_VEC_AT(ecs_entity, &flush->spawn_map, ranges[low].first + number);
}

/* Gives every recorded spawn its real handle, in order. One for which there is no slot
 * becomes null. */
static void ecsi_flush_spawns(ecsi_flush *flush, const ecsi_batch *batch)
{
    ecsi_entities *entities = flush->storage->entities;
    ecsi_cursor cursor = ecsi_batch_begin(batch);
    ecsi_command *command;
    ecsi_spawn_range *range = NULL;
    ECSI_CHECK(flush->running);
    flush->ranges.count = 0;
    flush->spawn_map.count = 0;
    if (batch->spawn_count == 0) return;
    for (command = ecsi_cursor_next(&cursor); command != NULL;
         command = ecsi_cursor_next(&cursor)) {
        ecs_entity real = {0};
        if (command->kind == ECSI_COMMAND_STREAM &&
            (range == NULL || range->serial != command->entity)) {
            ECSI_CHECK(flush->ranges.count < flush->ranges.capacity);
            range = ECSI_VEC_AT(ecsi_spawn_range, &flush->ranges, flush->ranges.count++);
            range->serial = command->entity;
            range->first = flush->spawn_map.count;
            range->count = 0;
        }
        if (command->kind != ECSI_COMMAND_SPAWN) continue;
        if (ecsi_entities_reserve(flush->memory, entities, 1) == ECS_OK) {
            real = ecsi_entities_take(entities);
            entities->reserved_count++;
        }
        ECSI_CHECK(range != NULL);
        ECSI_CHECK(flush->spawn_map.count < flush->spawn_map.capacity);
        *ECSI_VEC_AT(ecs_entity, &flush->spawn_map, flush->spawn_map.count++) = real;
        range->count++;
    }
    ECSI_CHECK(flush->spawn_map.count == batch->spawn_count);
}

/* Patches the references in `count` values. */
static void ecsi_patch_values(const ecsi_flush *flush, const ecsi_component *component,
                              void *values, uint32_t count)
{
    uint32_t m;
    uint32_t i;
    ECSI_CHECK(component->references);
    ECSI_CHECK(values != NULL);
    for (m = 0; m < component->type.member_count; m++) {
        const ecs_member *member = &component->type.members[m];
        if (member->kind != ECS_KIND_ENTITY) continue;
        for (i = 0; i < count; i++) {
            unsigned char *at = (unsigned char *)values +
                                (size_t)i * component->type.bytes + member->offset;
            uint32_t left;
            for (left = member->bytes; left > 0; left -= (uint32_t)sizeof(ecs_entity)) {
                ecs_entity e;
                memcpy(&e, at, sizeof e);
                if (ecs_is_provisional(e)) {
                    e = ecsi_flush_resolve(flush, e);
                    memcpy(at, &e, sizeof e);
                }
                at += sizeof(ecs_entity);
            }
        }
    }
}

/* Patches one column of a chunk, in the row blocks that were written since `since`. */
static void ecsi_patch_column(const ecsi_flush *flush, const ecsi_component *component,
                              ecsi_chunk *chunk, uint32_t column, uint64_t since)
{
    const ecsi_table *table = chunk->table;
    uint32_t row;
    ECSI_CHECK(column < table->column_count);
    ECSI_CHECK(component->references);
    ECSI_CHECK(table->block_rows > 0);
    for (row = 0; row < chunk->count; row += table->block_rows) {
        uint32_t count = ecsi_min_u32(table->block_rows, chunk->count - row);
        if (*ecsi_chunk_tick(chunk, column, row) < since &&
            *ecsi_chunk_row_tick(chunk, row) < since) {
            continue;
        }
        ecsi_patch_values(flush, component,
                          ecsi_chunk_value(chunk, &table->columns[column], row), count);
    }
}

#ifndef ECS_NO_EVENTS
/* Patches events that were sent from outside systems and are still kept. */
static void ecsi_patch_events(const ecsi_flush *flush)
{
    uint32_t i;
    ECSI_CHECK(flush->events != NULL);
    for (i = 0; i < flush->events->list.count; i++) {
        const ecsi_event *event = ecsi_event_at(flush->events, i);
        const ecsi_component *c = ecsi_component_at(flush->components, event->component);
        if (!c->references || event->count == 0) continue;
        ECSI_CHECK(event->bytes == c->type.bytes);
        ecsi_patch_values(flush, c, event->data + (size_t)event->begin * event->bytes,
                          event->count);
    }
}
#endif

/* Chunks that are patched by all workers at once. Tables are independent, and so are the
 * columns of one: the map of handles is only read. */
#define ECSI_PATCH_UNITS_MAX 64u

typedef struct ecsi_patch_unit {
    ecsi_chunk *chunk;
    const ecsi_component *component;
    uint32_t column;
} ecsi_patch_unit;

typedef struct ecsi_patch {
    const ecsi_flush *flush;
    uint64_t since;
    uint32_t count;
    ecsi_patch_unit units[ECSI_PATCH_UNITS_MAX];
} ecsi_patch;

static void ecsi_patch_range(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_patch *patch = (const ecsi_patch *)data;
    uint32_t i;
    (void)worker;
    ECSI_CHECK(range.count > 0);
    ECSI_CHECK(range.first + range.count <= patch->count);
    for (i = range.first; i < range.first + range.count; i++) {
        const ecsi_patch_unit *unit = &patch->units[i];
        ecsi_patch_column(patch->flush, unit->component, unit->chunk, unit->column, patch->since);
    }
}

/* Patches the chunks that were collected. */
static void ecsi_patch_units(ecsi_patch *patch)
{
    ecs_loop loop;
    ECSI_CHECK(patch->count <= ECSI_PATCH_UNITS_MAX);
    ECSI_CHECK(patch->flush->running);
    loop.count = patch->count;
    loop.grain = 0;
    ecs_parallel_for(patch->flush->worker, loop, ecsi_patch_range, patch);
    patch->count = 0;
}

/* Patches provisional handles that were written into columns and resources. */
static void ecsi_flush_patch(const ecsi_flush *flush, uint64_t since)
{
    ecsi_patch patch;
    uint32_t t;
    uint32_t id;
    bool any = false;
    patch.flush = flush;
    patch.since = since;
    patch.count = 0;
    ECSI_CHECK(flush->running);
    ECSI_CHECK(since <= *flush->storage->tick);
#ifndef ECS_NO_EVENTS
    ecsi_patch_events(flush);
#endif
    for (id = 1; id <= flush->components->list.count; id++) {
        const ecsi_component *c = ecsi_component_at(flush->components, id);
        any = any || c->references;
        if (c->references && c->resource != NULL) ecsi_patch_values(flush, c, c->resource, 1);
    }
    for (t = 0; t < flush->storage->tables.count && any; t++) {
        ecsi_table *table = ecsi_table_at(flush->storage, t);
        uint32_t i;
        for (i = 0; i < table->column_count; i++) {
            const ecsi_component *c = ecsi_component_at(flush->components,
                                                        table->columns[i].component);
            ecsi_chunk *chunk = c->references ? table->first : NULL;
            for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
                ecsi_patch_unit *unit = &patch.units[patch.count++];
                unit->chunk = chunk;
                unit->component = c;
                unit->column = i;
                if (patch.count == ECSI_PATCH_UNITS_MAX) ecsi_patch_units(&patch);
            }
        }
    }
    ecsi_patch_units(&patch);
}

/* ---- Pass 3: one entity ------------------------------------------------------------- */

/* Room in the lists by component, for all that are registered. */
static ecs_status ecsi_flush_components(ecsi_flush *flush)
{
    uint32_t count = flush->components->list.count + 1;
    uint32_t max = flush->components->max + 1;
    uint32_t old = flush->fold_of.count;
    ecs_status status =
        ecsi_vec_reserve(flush->memory, &flush->fold_of, count, max, sizeof(uint32_t));
    ECSI_CHECK(flush->folds.count == 0);
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(flush->memory, &flush->marks, count, max, 1);
    }
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(flush->memory, &flush->folds, count, max, sizeof(ecsi_fold));
    }
    if (status != ECS_OK) return status;
    ECSI_CHECK(old <= count);
    if (count > old) {
        memset(ECSI_VEC_AT(uint32_t, &flush->fold_of, old), 0, (count - old) * sizeof(uint32_t));
        memset(ECSI_VEC_AT(unsigned char, &flush->marks, old), 0, count - old);
    }
    flush->fold_of.count = count;
    flush->marks.count = count;
    return ECS_OK;
}

/* Room in the list by entity, for all slots and `more` new ones. Custom commands may spawn as
 * well: what they need is added at the next touch. */
static ecs_status ecsi_flush_entities(ecsi_flush *flush, uint32_t more)
{
    const ecsi_entities *entities = flush->storage->entities;
    uint64_t need = (uint64_t)entities->front.record_count + more;
    uint32_t old = flush->touch_of.count;
    ecs_status status;
    ECSI_CHECK(old <= entities->max);
    if (need > entities->max) need = entities->max;
    if (ECSI_LIKELY(need <= old)) return ECS_OK;
    status = ecsi_vec_reserve(flush->memory, &flush->touch_of, (uint32_t)need, entities->max,
                              sizeof(uint32_t));
    if (status != ECS_OK) return status;
    memset(ECSI_VEC_AT(uint32_t, &flush->touch_of, old), 0,
           ((size_t)need - old) * sizeof(uint32_t));
    flush->touch_of.count = (uint32_t)need;
    ECSI_CHECK(flush->touch_of.count >= entities->front.record_count);
    return ECS_OK;
}

/* Joins one command to the folds. */
static void ecsi_fold_add(ecsi_flush *flush, ecsi_command *command)
{
    uint32_t *index = ECSI_VEC_AT(uint32_t, &flush->fold_of, command->component);
    unsigned char *mark = ECSI_VEC_AT(unsigned char, &flush->marks, command->component);
    ecsi_fold *fold;
    ECSI_CHECK(command->component != 0);
    ECSI_CHECK(command->component < flush->fold_of.count);
    if (*index == 0) {
        fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, flush->folds.count++);
        *index = flush->folds.count;
        fold->component = command->component;
        fold->payload = NULL;
        fold->present = false;
    }
    fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, *index - 1);
    ECSI_CHECK(fold->component == command->component);
    if (fold->payload != NULL && command->kind != ECSI_COMMAND_ADD) {
        ecsi_values_destroy(ecsi_component_at(flush->components, fold->component), fold->payload,
                            1);
        fold->payload = NULL;
    }
    if (command->kind == ECSI_COMMAND_REMOVE || !fold->present) {
        fold->order = ++flush->fold_order;
    }
    fold->present = command->kind != ECSI_COMMAND_REMOVE;
    if (command->kind == ECSI_COMMAND_SET) fold->payload = ecsi_command_payload(command);
    *mark = fold->payload != NULL;
    flush->applied++;
}

/* Forgets the folds; payloads that are left end. */
static void ecsi_folds_end(ecsi_flush *flush)
{
    uint32_t i;
    ECSI_CHECK(flush->folds.count <= flush->components->list.count);
    for (i = 0; i < flush->folds.count; i++) {
        const ecsi_fold *fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, i);
        if (fold->payload != NULL) {
            ecsi_values_destroy(ecsi_component_at(flush->components, fold->component),
                                fold->payload, 1);
        }
        ECSI_CHECK(fold->component != 0);
        *ECSI_VEC_AT(uint32_t, &flush->fold_of, fold->component) = 0;
        *ECSI_VEC_AT(unsigned char, &flush->marks, fold->component) = 0;
    }
    flush->folds.count = 0;
}

/* Joins a chain to the folds; what follows a despawn is dropped. Answers whether the entity
 * is despawned. */
static bool ecsi_fold_chain(ecsi_flush *flush, const ecsi_touch *touch, ecs_entity entity)
{
    ecsi_command *command;
    bool dead = false;
    ECSI_CHECK(flush->folds.count == 0);
    ECSI_CHECK(touch->first != NULL);
    flush->fold_order = 0;
    for (command = touch->first; command != NULL; command = command->next) {
        if (dead) {
            ecsi_command_drop(flush, command, ECS_STALE);
        } else if (command->kind == ECSI_COMMAND_DESPAWN) {
            ecsi_flush_kill(flush, entity, command->system);
            dead = true;
            flush->applied++;
        } else if (command->kind == ECSI_COMMAND_SPAWN) {
            flush->applied++;
        } else {
            ecsi_fold_add(flush, command);
        }
    }
    if (dead) ecsi_folds_end(flush);
    return dead;
}

/* The fold whose last command comes next after `order`, or NULL. */
static const ecsi_fold *ecsi_fold_next(const ecsi_flush *flush, uint32_t order)
{
    const ecsi_fold *next = NULL;
    uint32_t i;
    ECSI_CHECK(order <= flush->fold_order);
    for (i = 0; i < flush->folds.count; i++) {
        const ecsi_fold *fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, i);
        if (fold->order <= order) continue;
        if (next == NULL || fold->order < next->order) next = fold;
        if (fold->order == order + 1) break;
    }
    ECSI_CHECK(next == NULL || next->order > order);
    return next;
}

/* The table that the folds lead to from `from` (NULL: a new entity). */
static ecs_status ecsi_fold_table(ecsi_flush *flush, ecsi_table *from, ecsi_table **out)
{
    ecsi_storage *storage = flush->storage;
    uint32_t count = from == NULL ? 0 : from->component_count;
    uint32_t *set = ecsi_scratch_set(storage, from, flush->components->list.count + 1);
    const ecsi_fold *fold;
    if (set == NULL) return ECS_NO_MEMORY;
    ECSI_CHECK(out != NULL);
    for (fold = ecsi_fold_next(flush, 0); fold != NULL;
         fold = ecsi_fold_next(flush, fold->order)) {
        if (!fold->present) {
            count = ecsi_set_erase(set, count, fold->component);
        } else if (from == NULL || ecsi_table_find(from, fold->component) == NULL) {
            uint32_t added[ECSI_REQUIRE_MAX];
            uint32_t n = ecsi_require_closure(flush->components, fold->component, added);
            uint32_t k;
            for (k = 0; k < n; k++) count = ecsi_set_insert(set, count, added[k]);
        }
    }
    ECSI_CHECK(count <= flush->components->list.count);
    return ecsi_table_of_set(storage, set, count, out);
}

/* Puts the payloads into the entity's row, which is in its final table. */
static void ecsi_fold_build(ecsi_flush *flush, const ecsi_record *record,
                            const ecsi_table *from)
{
    uint32_t i;
    for (i = 0; i < flush->folds.count; i++) {
        ecsi_fold *fold = ECSI_VEC_AT(ecsi_fold, &flush->folds, i);
        const ecsi_component *c = ecsi_component_at(flush->components, fold->component);
        void *value;
        if (fold->payload == NULL) continue;
        value = ecsi_row_value(flush->storage, record, fold->component);
        ECSI_CHECK(value != NULL);
        ECSI_CHECK(fold->present);
        if (c->references) ecsi_patch_values(flush, c, fold->payload, 1);
        if (from != NULL && ecsi_table_find(from, fold->component) != NULL) {
            ecsi_values_destroy(c, value, 1);
            ecsi_row_touch(flush->storage, record, fold->component);
        }
        ecsi_value_build(c, value, fold->payload, true);
        fold->payload = NULL;
    }
}

/* on_set for all that got a value, by rising id. */
static void ecsi_fold_notify_set(ecsi_flush *flush, ecs_entity entity,
                                 const ecsi_record *record)
{
    const ecsi_table *table = ecsi_record_table(flush->storage, record);
    uint32_t i;
    if (!table->notify) return;
    ECSI_CHECK(!ecs_is_null(entity));
    for (i = 0; i < table->component_count; i++) {
        uint32_t id = table->ids[i];
        if (*ECSI_VEC_AT(unsigned char, &flush->marks, id) == 0) continue;
        ECSI_CHECK(*ECSI_VEC_AT(uint32_t, &flush->fold_of, id) != 0);
        ecsi_notify_set(flush->storage, entity, ecsi_component_at(flush->components, id),
                        ecsi_row_value(flush->storage, record, id));
    }
}

/* All of a chain was lost: the last command stands for it in the report. */
static void ecsi_chain_lost(ecsi_flush *flush, const ecsi_touch *touch, ecs_status why)
{
    ecsi_command *command;
    ECSI_CHECK(why != ECS_OK);
    ecsi_folds_end(flush);
    for (command = touch->first; command != NULL; command = command->next) {
        command->payload_offset = 0; /* ended with its fold */
        ECSI_CHECK(flush->applied > 0);
        flush->applied--;
        ecsi_command_drop(flush, command, why);
    }
}

/* Applies one entity's chain as one change. */
static void ecsi_flush_chain(ecsi_flush *flush, const ecsi_touch *touch)
{
    ecsi_storage *storage = flush->storage;
    ecsi_record *record = ecsi_entities_record(storage->entities, touch->index);
    ecs_entity entity = ecsi_entities_handle(storage->entities, touch->index);
    ecsi_table *from = record->place == 0 ? NULL : ecsi_record_table(storage, record);
    ecsi_table *to = from;
    ecsi_raw raw;
    ecs_status status = ECS_OK;
    ECSI_CHECK(from != NULL || storage->entities->reserved_count > 0);
    if (from == NULL) storage->entities->reserved_count--;
    if (ecsi_fold_chain(flush, touch, entity)) {
        if (from == NULL) {
            ecsi_entities_give(storage->entities, touch->index);
        } else {
            ecsi_edit_despawn(storage, entity, record);
        }
        return;
    }
    status = ecsi_fold_table(flush, from, &to);
    if (status == ECS_OK && to != from) status = ecsi_row_reserve(storage, to);
    if (status != ECS_OK) {
        ecsi_chain_lost(flush, touch, status);
        if (from == NULL) ecsi_entities_give(storage->entities, touch->index);
        return;
    }
    raw.one = 0;
    raw.marks = (const unsigned char *)flush->marks.data;
    if (from == NULL) {
        ecsi_chunk *chunk = ecsi_row_push(storage, to, entity, record);
        ecsi_row_init(storage, chunk, chunk->count - 1, raw);
    } else if (to != from) {
        ecsi_notify_removed(storage, entity, record, from, to);
        ecsi_row_move(storage, entity, record, to, raw);
    }
    ECSI_CHECK(ecsi_record_table(storage, record) == to);
    ecsi_fold_build(flush, record, from);
    if (to != from) ecsi_notify_added(storage, entity, record, from, to);
    ecsi_fold_notify_set(flush, entity, record);
    ecsi_folds_end(flush);
    ECSI_CHECK(flush->folds.count == 0);
}

/* A chain of one command on a living entity: no folding. */
static void ecsi_flush_single(ecsi_flush *flush, const ecsi_touch *touch)
{
    ecsi_storage *storage = flush->storage;
    ecsi_command *command = touch->first;
    ecsi_record *record = ecsi_entities_record(storage->entities, touch->index);
    ecs_entity entity = ecsi_entities_handle(storage->entities, touch->index);
    ecs_status status = ECS_OK;
    ECSI_CHECK(command->next == NULL);
    ECSI_CHECK(record->place != 0);
    switch (command->kind) {
    case ECSI_COMMAND_ADD:
        status = ecsi_edit_add(storage, entity, record, command->component);
        break;
    case ECSI_COMMAND_REMOVE:
        status = ecsi_edit_remove(storage, entity, record, command->component);
        break;
    case ECSI_COMMAND_SET: {
        const ecsi_component *c = ecsi_component_at(flush->components, command->component);
        void *payload = ecsi_command_payload(command);
        if (c->references) ecsi_patch_values(flush, c, payload, 1);
        status = ecsi_edit_set(storage, entity, record, command->component, payload, true);
        break;
    }
    default:
        ECSI_CHECK(command->kind == ECSI_COMMAND_DESPAWN);
        ecsi_flush_kill(flush, entity, command->system);
        ecsi_edit_despawn(storage, entity, record);
        break;
    }
    if (ECSI_LIKELY(status == ECS_OK)) {
        flush->applied++;
    } else {
        ecsi_command_drop(flush, command, status);
    }
}

/* The place of the entity of a touch. */
static inline ecsi_record *ecsi_touch_record(const ecsi_flush *flush, uint32_t at)
{
    const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, at);
    return ecsi_entities_record(flush->storage->entities, touch->index);
}

/* How many touches from `at` on are the same single command on entities of one table. */
static uint32_t ecsi_flush_alike(const ecsi_flush *flush, uint32_t at, uint32_t count,
                                 const ecsi_table *table)
{
    const ecsi_storage *storage = flush->storage;
    const ecsi_command *like = ECSI_VEC_AT(ecsi_touch, &flush->touches, at)->first;
    uint32_t i;
    ECSI_CHECK(like->next == NULL);
    for (i = 0; i < count; i++) {
        const ecsi_command *command = ECSI_VEC_AT(ecsi_touch, &flush->touches, at + i)->first;
        const ecsi_record *record = ecsi_touch_record(flush, at + i);
        if (command->kind != like->kind || command->component != like->component) break;
        if (command->next != NULL || record->place == 0) break;
        if (ecsi_record_chunk_at(storage, record)->table != table) break;
    }
    ECSI_CHECK(i > 0);
    return i;
}

/* Moves the `count` rows of a table, which are all it has, in order of touch. */
static void ecsi_flush_rows(ecsi_flush *flush, uint32_t at, uint32_t count, ecsi_table *from,
                            ecsi_table *to)
{
    ecsi_storage *storage = flush->storage;
    uint32_t i = 0;
    ECSI_CHECK(from->row_count == count);
    ECSI_CHECK(count > 0);
    while (i < count) {
        const ecsi_record *record = ecsi_touch_record(flush, at + i);
        ecsi_chunk *old = ecsi_record_chunk_at(storage, record);
        uint32_t row = ecsi_record_row(storage->entities, record);
        uint32_t room = to->last->capacity - to->last->count;
        uint32_t max = ecsi_min_u32(ecsi_min_u32(count - i, old->count - row), room);
        uint32_t n = 1;
        if (max == 0) {
            ECSI_CHECK(to->last->next != NULL);
            to->last = to->last->next;
            continue;
        }
        while (n < max && ecsi_touch_record(flush, at + i + n)->place == record->place + n) n++;
        ecsi_rows_copy(storage, old, row, n, to);
        i += n;
    }
    ecsi_table_leave(storage, from);
    for (i = 0; i < count; i++) {
        const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, at + i);
        *ECSI_VEC_AT(uint32_t, &flush->touch_of, touch->index) = 0;
    }
    flush->applied += count;
}

/* Tries to apply the same add or remove to a whole table at once: what a system that touches
 * every row of a table records. The result is that of one by one: rows arrive in order of
 * touch and none is left behind. Answers how many touches were applied, 0 for none; `looked`
 * is how many were looked at. */
static uint32_t ecsi_flush_whole(ecsi_flush *flush, uint32_t at, uint32_t left,
                                 uint32_t *looked)
{
    ecsi_storage *storage = flush->storage;
    const ecsi_command *command = ECSI_VEC_AT(ecsi_touch, &flush->touches, at)->first;
    bool remove = command->kind == ECSI_COMMAND_REMOVE;
    ecsi_table *from = ecsi_record_table(storage, ecsi_touch_record(flush, at));
    ecsi_table *to;
    ECSI_CHECK(left > 0);
    ECSI_CHECK(from->row_count > 0);
    *looked = 1;
    if (command->next != NULL || (command->kind != ECSI_COMMAND_ADD && !remove)) return 0;
    if (from->row_count > left || from->lifecycle || from->notify) return 0;
    if ((ecsi_table_find(from, command->component) != NULL) != remove) return 0;
    *looked = ecsi_flush_alike(flush, at, from->row_count, from);
    if (*looked < from->row_count) return 0;
    if (ecsi_table_edge(storage, from, command->component, remove, &to) != ECS_OK) return 0;
    if (to->lifecycle || to->notify) return 0;
    if (ecsi_table_reserve(storage, to, *looked) != ECS_OK) return 0;
    ECSI_CHECK(to != from);
    ecsi_flush_rows(flush, at, *looked, from, to);
    return *looked;
}

/* ---- Runs of spawns ----------------------------------------------------------------- */

/* Spawns of one shape that follow each other: shorter runs go one by one, and so do spawns
 * of nothing. */
#define ECSI_RUN_MIN 4u
/* Commands of one of them after the spawn, and columns of their table. */
#define ECSI_RUN_COMMANDS_MAX 16u
#define ECSI_RUN_COLUMNS_MAX 32u

/* What all spawns of a run are alike in: each component comes once, by an add or a set. */
typedef struct ecsi_run {
    ecsi_flush *flush;
    ecsi_table *table;
    uint32_t at;        /* touch of the first row that is filled in... */
    ecsi_chunk *chunk;  /* ...here... */
    uint32_t row;       /* ...and its row */
    uint32_t count;     /* commands after the spawn */
    uint32_t zero_count;
    uint32_t kinds[ECSI_RUN_COMMANDS_MAX];
    uint32_t components[ECSI_RUN_COMMANDS_MAX];
    const ecsi_column *columns[ECSI_RUN_COMMANDS_MAX]; /* NULL: nothing to copy */
    const ecsi_column *zeros[ECSI_RUN_COLUMNS_MAX];    /* that no command sets */
} ecsi_run;

/* Learns the run's shape from a chain whose entity is in its table. False: it has none that a
 * run can have. */
static bool ecsi_run_learn(ecsi_run *run, ecsi_flush *flush, const ecsi_touch *touch,
                           ecsi_table *table)
{
    uint64_t set = 0; /* columns, by bit */
    const ecsi_command *command = touch->first;
    uint32_t i;
    ECSI_CHECK(command->kind == ECSI_COMMAND_SPAWN);
    if (table->lifecycle || table->notify || table->column_count > ECSI_RUN_COLUMNS_MAX) {
        return false;
    }
    run->flush = flush;
    run->table = table;
    run->count = 0;
    run->zero_count = 0;
    for (command = command->next; command != NULL; command = command->next) {
        const ecsi_table_slot *slot = ecsi_table_find(table, command->component);
        uint32_t n = run->count++;
        if (n == ECSI_RUN_COMMANDS_MAX || slot == NULL) return false;
        if (command->kind != ECSI_COMMAND_ADD && command->kind != ECSI_COMMAND_SET) return false;
        for (i = 0; i < n; i++) {
            if (run->components[i] == command->component) return false;
        }
        run->kinds[n] = command->kind;
        run->components[n] = command->component;
        run->columns[n] = NULL;
        if (command->kind == ECSI_COMMAND_ADD || slot->column == ECSI_NO_COLUMN) continue;
        run->columns[n] = &table->columns[slot->column];
        set |= (uint64_t)1 << slot->column;
    }
    for (i = 0; i < table->column_count; i++) {
        if ((set >> i & 1u) == 0) run->zeros[run->zero_count++] = &table->columns[i];
    }
    ECSI_CHECK(run->zero_count <= ECSI_RUN_COLUMNS_MAX);
    return true;
}

/* Whether a touch is a spawn of that shape. */
static inline bool ecsi_run_matches(const ecsi_run *run, const ecsi_touch *touch)
{
    const ecsi_command *command = touch->first;
    uint32_t i;
    ECSI_CHECK(command != NULL);
    ECSI_CHECK(run->count <= ECSI_RUN_COMMANDS_MAX);
    if (command->kind != ECSI_COMMAND_SPAWN) return false;
    for (i = 0; i < run->count; i++) {
        command = command->next;
        if (command == NULL || command->component != run->components[i]) return false;
        if (command->kind != run->kinds[i]) return false;
    }
    return command->next == NULL;
}

/* Fills in some rows of a run. Any worker: each row, record and touch is one entity's. */
static void ecsi_run_fill(ecs_worker *worker, ecs_range range, void *data)
{
    const ecsi_run *run = (const ecsi_run *)data;
    ecsi_flush *flush = run->flush;
    ecsi_entities *entities = flush->storage->entities;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(run->chunk->table == run->table);
    (void)worker;
    ECSI_CHECK(run->row + range.first + range.count <= run->chunk->capacity);
    for (i = range.first; i < range.first + range.count; i++) {
        const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, run->at + i);
        ecsi_command *command = touch->first;
        uint32_t row = run->row + i;
        ecsi_chunk_entities(run->chunk)[row] = ecsi_entities_handle(entities, touch->index);
        ecsi_record_place(entities, ecsi_entities_record(entities, touch->index), run->chunk->id,
                          row);
        *ECSI_VEC_AT(uint32_t, &flush->touch_of, touch->index) = 0;
        for (k = 0; k < run->count; k++) {
            const ecsi_column *column = run->columns[k];
            const ecsi_component *c;
            command = command->next;
            if (column == NULL) continue;
            c = ecsi_component_at(flush->components, column->component);
            if (c->references) ecsi_patch_values(flush, c, ecsi_command_payload(command), 1);
            ecsi_bytes_move(ecsi_chunk_value(run->chunk, column, row),
                            ecsi_command_payload(command), column->bytes);
        }
        for (k = 0; k < run->zero_count; k++) {
            ecsi_bytes_zero(ecsi_chunk_value(run->chunk, run->zeros[k], row),
                            run->zeros[k]->bytes);
        }
    }
}

/* Fills the touches from `at` on, which are `count` spawns of the run's shape, into the table. */
static void ecsi_run_apply(ecsi_run *run, uint32_t at, uint32_t count)
{
    ecsi_flush *flush = run->flush;
    ecsi_storage *storage = flush->storage;
    ecsi_table *table = run->table;
    uint32_t done = 0;
    ECSI_CHECK(storage->entities->reserved_count >= count);
    while (done < count) {
        ecsi_chunk *chunk = table->last;
        ecs_loop loop;
        uint32_t block;
        loop.count = ecsi_min_u32(chunk->capacity - chunk->count, count - done);
        loop.grain = 0;
        if (loop.count == 0) {
            ECSI_CHECK(chunk->next != NULL);
            table->last = chunk->next;
            continue;
        }
        run->at = at + done;
        run->chunk = chunk;
        run->row = chunk->count;
        ecs_parallel_for(flush->worker, loop, ecsi_run_fill, run);
        block = run->row >> table->block_shift;
        for (; block <= (run->row + loop.count - 1) >> table->block_shift; block++) {
            ecsi_chunk_ticks(chunk)[block] = *storage->tick;
        }
        chunk->count += loop.count;
        table->row_count += loop.count;
        done += loop.count;
    }
    storage->entities->reserved_count -= count;
    flush->applied += (uint64_t)count * (run->count + 1);
}

/* The touch at `at` was a spawn and is applied: applies those that follow and are like it at
 * once. Answers how many. The result is that of one by one: rows arrive in order of touch. */
static uint32_t ecsi_flush_alike_spawns(ecsi_flush *flush, uint32_t at, uint32_t left)
{
    const ecsi_touch *touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, at);
    const ecsi_record *record = ecsi_entities_record(flush->storage->entities, touch->index);
    const ecsi_command *next;
    ecsi_run run;
    uint32_t count = 0;
    ECSI_CHECK(left < flush->touches.count);
    ECSI_CHECK(touch->first->kind == ECSI_COMMAND_SPAWN);
    if (left < ECSI_RUN_MIN || record->place == 0 || touch->first->next == NULL) return 0;
    next = ECSI_VEC_AT(ecsi_touch, &flush->touches, at + 1)->first;
    if (next->kind != ECSI_COMMAND_SPAWN || next->next == NULL) return 0;
    if (next->next->component != touch->first->next->component) return 0;
    if (!ecsi_run_learn(&run, flush, touch, ecsi_record_table(flush->storage, record))) return 0;
    while (count < left &&
           ecsi_run_matches(&run, ECSI_VEC_AT(ecsi_touch, &flush->touches, at + 1 + count))) {
        count++;
    }
    if (count < ECSI_RUN_MIN) return 0;
    if (ecsi_table_reserve(flush->storage, run.table, count) != ECS_OK) return 0;
    ecsi_run_apply(&run, at + 1, count);
    return count;
}

/* Applies all chains that were collected. */
static void ecsi_flush_apply(ecsi_flush *flush)
{
    ecsi_entities *entities = flush->storage->entities;
    uint32_t count = flush->touches.count;
    uint32_t look_again = 0; /* where it is worth looking for a whole table again */
    uint32_t looked = 0;
    uint32_t i;
    ECSI_CHECK(count <= flush->touches.capacity);
    for (i = 0; i < count; i++) {
        uint32_t done = 0;
        if (i >= look_again && ecsi_touch_record(flush, i)->place != 0) {
            done = ecsi_flush_whole(flush, i, count - i, &looked);
            look_again = i + looked;
        }
        if (done > 0) {
            i += done - 1;
            continue;
        }
        ecsi_touch touch = *ECSI_VEC_AT(ecsi_touch, &flush->touches, i);
        ecsi_record *record = ecsi_entities_record(entities, touch.index);
        *ECSI_VEC_AT(uint32_t, &flush->touch_of, touch.index) = 0;
        if (touch.first->next == NULL && record->place != 0) {
            ecsi_flush_single(flush, &touch);
        } else {
            bool spawn = touch.first->kind == ECSI_COMMAND_SPAWN;
            ecsi_flush_chain(flush, &touch);
            if (spawn) {
                done = ecsi_flush_alike_spawns(flush, i, count - i - 1);
                i += done;
            }
        }
    }
    ECSI_CHECK(flush->touches.count == count);
    flush->touches.count = 0;
}

/* ---- Pass 2: chains ----------------------------------------------------------------- */

/* Registers the type of a command that was recorded before it was known. */
static ecs_status ecsi_command_type(ecsi_flush *flush, ecsi_command *command)
{
    uint32_t id;
    ecs_status status;
    if (ECSI_LIKELY(command->component != 0)) return ECS_OK;
    if (command->kind == ECSI_COMMAND_SPAWN || command->kind == ECSI_COMMAND_DESPAWN) {
        return ECS_OK;
    }
    ECSI_CHECK(*ecsi_command_type_at(command) != NULL);
    status = ecsi_component_need(flush->components, *ecsi_command_type_at(command), &id);
    if (status != ECS_OK) return status;
    ECSI_CHECK(id != 0);
    status = ecsi_flush_components(flush);
    if (status == ECS_OK) command->component = id;
    return status;
}

/* Joins a command to the chain of its entity. */
static void ecsi_flush_touch(ecsi_flush *flush, ecsi_command *command)
{
    ecsi_entities *entities = flush->storage->entities;
    ecs_entity entity;
    ecsi_record *record;
    ecsi_touch *touch;
    uint32_t *touch_of;
    ecs_status status = ecsi_command_type(flush, command);
    ECSI_CHECK(command->next == NULL);
    entity.bits = command->entity;
    if (ECSI_UNLIKELY(ecs_is_provisional(entity))) entity = ecsi_flush_resolve(flush, entity);
    /* A custom command may have registered types and spawned. */
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_flush_components(flush);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_flush_entities(flush, 0);
    if (ECSI_UNLIKELY(status != ECS_OK)) {
        if (command->kind == ECSI_COMMAND_SPAWN && !ecs_is_null(entity)) {
            entities->reserved_count--;
            ecsi_entities_give(entities, ecs_index(entity));
        }
        ecsi_command_drop(flush, command, status);
        return;
    }
    if (ecs_index(entity) >= entities->front.record_count ||
        ecsi_entities_record(entities, ecs_index(entity))->generation !=
            ecs_generation(entity) || ecs_is_null(entity)) {
        ecsi_command_drop(flush, command,
                          command->kind == ECSI_COMMAND_SPAWN ? ECS_FULL : ECS_STALE);
        return;
    }
    record = ecsi_entities_record(entities, ecs_index(entity));
    touch_of = ECSI_VEC_AT(uint32_t, &flush->touch_of, ecs_index(entity));
    if (*touch_of != 0) {
        touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, *touch_of - 1);
        ECSI_CHECK(touch->index == ecs_index(entity));
        touch->last->next = command;
        touch->last = command;
        return;
    }
    /* A slot without a row is a spawn of this flush, whose command comes first; anything
     * else there is a dead or forged handle. */
    if (record->place == 0 && command->kind != ECSI_COMMAND_SPAWN) {
        ecsi_command_drop(flush, command, ECS_STALE);
        return;
    }
    ECSI_CHECK(flush->touches.count < flush->touches.capacity);
    touch = ECSI_VEC_AT(ecsi_touch, &flush->touches, flush->touches.count++);
    touch->first = command;
    touch->last = command;
    touch->index = ecs_index(entity);
    *touch_of = flush->touches.count;
}

#ifndef ECS_NO_EVENTS
static void ecsi_flush_event(ecsi_flush *flush, ecsi_command *command)
{
    const ecsi_component *c;
    ecsi_event *event;
    ecs_status status = ecsi_command_type(flush, command);
    ECSI_CHECK(command->payload_offset != 0);
    if (status == ECS_OK) status = ecsi_event_need(flush->events, command->component, &event);
    if (status != ECS_OK) flush->events_dropped++;
    if (status == ECS_OK) {
        c = ecsi_component_at(flush->components, command->component);
        if (c->references) ecsi_patch_values(flush, c, ecsi_command_payload(command), 1);
        /* A full buffer counts for itself. */
        (void)ecsi_event_append(flush->events, event, ecsi_command_payload(command));
    }
    ECSI_CHECK(status != ECS_INVALID);
}
#endif

#ifndef ECS_NO_IO
/* Hands a request over. One that cannot be taken is answered here: its callback may edit. */
static void ecsi_flush_request(ecsi_flush *flush, ecsi_command *command)
{
    ecs_io_request *request = (ecs_io_request *)ecsi_command_payload(command);
    uint32_t locks = *flush->locks;
    int64_t why;
    ECSI_CHECK(request != NULL);
    ECSI_CHECK(flush->io_take != NULL);
    if (ecs_is_provisional(request->entity)) {
        request->entity = ecsi_flush_resolve(flush, request->entity);
    }
    flush->applied++;
    why = flush->io_take(flush->io, request, command->entity);
    if (ECSI_LIKELY(why == 0)) return;
    ecsi_flush_apply(flush);
    *flush->locks = 0;
    flush->io_refuse(flush->io, request, command->entity, why);
    ECSI_CHECK(*flush->locks == 0);
    *flush->locks = locks;
}
#endif

/* Runs a custom command: the world is open for edits. */
static void ecsi_flush_custom(ecsi_flush *flush, ecsi_command *command)
{
    ecsi_custom custom;
    unsigned char *payload = (unsigned char *)ecsi_command_payload(command);
    uint32_t locks = *flush->locks;
    ECSI_CHECK(sizeof custom <= ECSI_CUSTOM_BYTES);
    memcpy(&custom, payload, sizeof custom);
    ECSI_CHECK(custom.run != NULL);
    *flush->locks = 0;
    custom.run(flush->world, payload + ECSI_CUSTOM_BYTES, custom.bytes);
    ECSI_CHECK(*flush->locks == 0);
    *flush->locks = locks;
    flush->applied++;
}

/* Room for everything that a flush of these commands needs of its own: then it cannot fail. */
static ecs_status ecsi_flush_prepare(ecsi_flush *flush, const ecsi_batch *batch)
{
    uint32_t max = flush->commands_max;
    ecs_status status = ecsi_flush_components(flush);
    ECSI_CHECK(!flush->running);
    if (status == ECS_OK) status = ecsi_flush_entities(flush, batch->spawn_count);
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(flush->memory, &flush->touches, batch->command_count, max,
                                  sizeof(ecsi_touch));
    }
    if (status == ECS_OK && batch->spawn_count > 0) {
        status = ecsi_vec_reserve(flush->memory, &flush->spawn_map, batch->spawn_count, max,
                                  sizeof(ecs_entity));
        if (status == ECS_OK) {
            status = ecsi_vec_reserve(flush->memory, &flush->ranges, batch->stream_count, max,
                                      sizeof(ecsi_spawn_range));
        }
    }
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

/* Applies a batch that was prepared. `since`: columns written at or after this tick may hold
 * provisional handles. */
static void ecsi_flush_batch(ecsi_flush *flush, const ecsi_batch *batch, uint64_t since)
{
    ecsi_cursor cursor = ecsi_batch_begin(batch);
    ecsi_command *command;
    if (batch->command_count == 0 && !batch->spawned) return;
    ECSI_CHECK(!flush->running);
    flush->running = true;
    *flush->locks += 1;
    ecsi_flush_spawns(flush, batch);
    if (batch->spawned) ecsi_flush_patch(flush, since);
    for (command = ecsi_cursor_next(&cursor); command != NULL;
         command = ecsi_cursor_next(&cursor)) {
        switch (command->kind) {
        case ECSI_COMMAND_STREAM: break;
        case ECSI_COMMAND_CUSTOM:
            ecsi_flush_apply(flush);
            ecsi_flush_custom(flush, command);
            break;
#ifndef ECS_NO_EVENTS
        case ECSI_COMMAND_EVENT: ecsi_flush_event(flush, command); break;
#endif
#ifndef ECS_NO_IO
        case ECSI_COMMAND_REQUEST: ecsi_flush_request(flush, command); break;
#endif
        default: ecsi_flush_touch(flush, command); break;
        }
    }
    ecsi_flush_apply(flush);
    *flush->locks -= 1;
    flush->running = false;
    ECSI_CHECK(flush->touches.count == 0);
    ECSI_CHECK(flush->storage->entities->reserved_count == 0);
}

/* ---- Life --------------------------------------------------------------------------- */

static ecs_status ecsi_flush_create(ecsi_flush *flush, size_t queue_bytes)
{
    ecsi_memory *memory = flush->memory;
    uint32_t components = flush->components->max + 1;
    uint32_t commands = memory->fixed ? (uint32_t)(queue_bytes / sizeof(ecsi_command)) + 1
                                      : 0xfffffffeu;
    ecs_status status;
    ECSI_CHECK(queue_bytes > 0);
    flush->commands_max = commands;
    status = ecsi_vec_create(memory, &flush->ranges, commands, sizeof(ecsi_spawn_range));
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->spawn_map, commands, sizeof(ecs_entity));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->touches, commands, sizeof(ecsi_touch));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->touch_of, flush->storage->entities->max,
                                 sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->folds, components, sizeof(ecsi_fold));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &flush->fold_of, components, sizeof(uint32_t));
    }
    if (status == ECS_OK) status = ecsi_vec_create(memory, &flush->marks, components, 1);
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

static void ecsi_flush_destroy(ecsi_flush *flush)
{
    ecsi_memory *memory = flush->memory;
    ECSI_CHECK(!flush->running);
    ECSI_CHECK(flush->touches.count == 0);
    ECSI_CHECK(flush->folds.count == 0);
    ecsi_vec_destroy(memory, &flush->ranges, sizeof(ecsi_spawn_range));
    ecsi_vec_destroy(memory, &flush->spawn_map, sizeof(ecs_entity));
    ecsi_vec_destroy(memory, &flush->touches, sizeof(ecsi_touch));
    ecsi_vec_destroy(memory, &flush->touch_of, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &flush->folds, sizeof(ecsi_fold));
    ecsi_vec_destroy(memory, &flush->fold_of, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &flush->marks, 1);
}

#endif /* ECS_FLUSH_H */
