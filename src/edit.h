/* edit.h: what happens to one entity, or to many of one shape: values, rows, hooks.
 *
 * Direct edits and the flush both come here, so an entity's life is written once. None of
 * these look at locks; the public entry points in world.h do. */
/* floor: 6 */
#ifndef ECS_EDIT_H
#define ECS_EDIT_H

#include "storage.h"

/* Shapes of spawns that are remembered, and the values that one of them may have. */
#define ECSI_SHAPES 32u
#define ECSI_SHAPE_VALUES_MAX 32u
/* Plain values up to this size may be set from anywhere in the world. */
#define ECSI_LOCAL_BYTES_MAX 256u

/* A list of types that was spawned before: found again by the addresses of the types. */
typedef struct ecsi_shape {
    const ecs_type *types[ECSI_SHAPE_VALUES_MAX];
    uint32_t components[ECSI_SHAPE_VALUES_MAX];
    uint16_t columns[ECSI_SHAPE_VALUES_MAX];
    ecsi_table *table;
    uint32_t count; /* 0: free */
    bool plain;     /* no hook, and every column has its value */
} ecsi_shape;

typedef struct ecsi_editor {
    ecsi_storage *storage;
    ecsi_shape shapes[ECSI_SHAPES];
} ecsi_editor;

static const ecsi_raw ecsi_raw_none = {0, NULL};

/* ---- Notices ---------------------------------------------------------------------- */

/* on_add for what `to` has and `from` (or nothing) has not, by rising id. */
static void ecsi_notify_added(const ecsi_storage *storage, ecs_entity entity,
                              const ecsi_record *record, const ecsi_table *from,
                              const ecsi_table *to)
{
    uint32_t i;
    if (!to->notify) return;
    ECSI_CHECK(!ecs_is_null(entity));
    ECSI_CHECK(ecsi_record_chunk_at(storage, record)->table == to);
    for (i = 0; i < to->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, to->ids[i]);
        if (c->hooks.on_add == NULL) continue;
        if (from != NULL && ecsi_table_find(from, to->ids[i]) != NULL) continue;
        ecsi_notify(storage->components, c->hooks.on_add, c, entity,
                    ecsi_row_value(storage, record, to->ids[i]));
    }
}

/* on_remove for what `from` has and `to` (or nothing) has not, by rising id. */
static void ecsi_notify_removed(const ecsi_storage *storage, ecs_entity entity,
                                const ecsi_record *record, const ecsi_table *from,
                                const ecsi_table *to)
{
    uint32_t i;
    if (!from->notify) return;
    ECSI_CHECK(!ecs_is_null(entity));
    ECSI_CHECK(ecsi_record_chunk_at(storage, record)->table == from);
    for (i = 0; i < from->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, from->ids[i]);
        if (c->hooks.on_remove == NULL) continue;
        if (to != NULL && ecsi_table_find(to, from->ids[i]) != NULL) continue;
        ecsi_notify(storage->components, c->hooks.on_remove, c, entity,
                    ecsi_row_value(storage, record, from->ids[i]));
    }
}

static inline void ecsi_notify_set(const ecsi_storage *storage, ecs_entity entity,
                                   const ecsi_component *c, void *value)
{
    if (ECSI_UNLIKELY(c->hooks.on_set != NULL)) {
        ecsi_notify(storage->components, c->hooks.on_set, c, entity, value);
    }
}

/* ---- One entity ------------------------------------------------------------------- */

/* Builds a value in raw memory from one that a call brought: `take` moves it out of a
 * command's payload; otherwise it is copied, or taken over by its bytes. */
static inline void ecsi_value_build(const ecsi_component *c, void *to, void *from, bool take)
{
    ECSI_CHECK(to != NULL && to != from);
    ECSI_CHECK(c->type.bytes > 0);
    if (ECSI_LIKELY(!c->lifecycle)) {
        ecsi_bytes_move(to, from, c->type.bytes);
    } else if (take) {
        ecsi_values_move(c, to, from, 1);
    } else {
        ecsi_values_copy(c, to, from, 1);
    }
}

static inline ecsi_table *ecsi_record_table(const ecsi_storage *storage,
                                            const ecsi_record *record)
{
    return ecsi_record_chunk_at(storage, record)->table;
}

/* Adds a component whose value is built, or left raw when `raw` says so. Answers the table
 * that it came from through `from`, NULL when it was there already. */
static inline ecs_status ecsi_edit_enter(ecsi_storage *storage, ecs_entity entity,
                                         ecsi_record *record, uint32_t component, ecsi_raw raw,
                                         ecsi_table **from)
{
    ecsi_table *table = ecsi_record_table(storage, record);
    ecsi_table *to;
    ecs_status status;
    ECSI_CHECK(record->place != 0);
    ECSI_CHECK(ecsi_component_known(storage->components, component));
    *from = NULL;
    if (table->edge_key != component * 2u && ecsi_table_find(table, component) != NULL) {
        return ECS_OK;
    }
    status = ecsi_table_edge(storage, table, component, false, &to);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    ECSI_CHECK(to != table);
    status = ecsi_row_reserve(storage, to);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    ecsi_row_move(storage, entity, record, to, raw);
    ECSI_CHECK(ecsi_record_table(storage, record) == to);
    *from = table;
    return ECS_OK;
}

static ecs_status ecsi_edit_add(ecsi_storage *storage, ecs_entity entity, ecsi_record *record,
                                uint32_t component)
{
    ecsi_table *from;
    ecs_status status;
    ECSI_CHECK(record->place != 0);
    status = ecsi_edit_enter(storage, entity, record, component, ecsi_raw_none, &from);
    ECSI_CHECK(status != ECS_OK ||
               ecsi_table_find(ecsi_record_table(storage, record), component) != NULL);
    if (status == ECS_OK && from != NULL) {
        ecsi_table *to = ecsi_record_table(storage, record);
        if (ECSI_UNLIKELY(to->notify)) ecsi_notify_added(storage, entity, record, from, to);
    }
    return status;
}

static ecs_status ecsi_edit_set(ecsi_storage *storage, ecs_entity entity, ecsi_record *record,
                                uint32_t component, void *value, bool take)
{
    const ecsi_component *c = ecsi_component_at(storage->components, component);
    void *to = ecsi_row_value(storage, record, component);
    ECSI_CHECK(value != NULL);
    ECSI_CHECK(c->type.bytes > 0);
    if (to == NULL) {
        ecsi_raw raw = {0, NULL};
        unsigned char local[ECSI_LOCAL_BYTES_MAX];
        ecsi_table *from;
        ecs_status status;
        raw.one = component;
        if (!c->lifecycle && c->type.bytes <= sizeof local) {
            /* The value may lie in the row that is about to move. */
            ecsi_bytes_move(local, value, c->type.bytes);
            value = local;
        }
        status = ecsi_edit_enter(storage, entity, record, component, raw, &from);
        if (status != ECS_OK) return status;
        to = ecsi_row_value(storage, record, component);
        ECSI_CHECK(to != NULL && from != NULL);
        ecsi_value_build(c, to, (void *)(uintptr_t)ecsi_storage_follow(storage, value), take);
        ecsi_notify_added(storage, entity, record, from, ecsi_record_table(storage, record));
    } else if (to != value) {
        if (c->lifecycle) ecsi_values_destroy(c, to, 1);
        ecsi_value_build(c, to, value, take);
        ecsi_row_touch(storage, record, component);
    }
    ecsi_notify_set(storage, entity, c, to);
    return ECS_OK;
}

static ecs_status ecsi_edit_remove(ecsi_storage *storage, ecs_entity entity,
                                   ecsi_record *record, uint32_t component)
{
    ecsi_table *table = ecsi_record_table(storage, record);
    ecsi_table *to;
    ecs_status status;
    ECSI_CHECK(record->place != 0);
    if (table->edge_key != (component * 2u | 1u) && ecsi_table_find(table, component) == NULL) {
        return ECS_OK;
    }
    status = ecsi_table_edge(storage, table, component, true, &to);
    if (status == ECS_OK) status = ecsi_row_reserve(storage, to);
    if (status != ECS_OK) return status;
    ECSI_CHECK(to != table);
    if (ECSI_UNLIKELY(table->notify)) ecsi_notify_removed(storage, entity, record, table, to);
    ecsi_row_move(storage, entity, record, to, ecsi_raw_none);
    ECSI_CHECK(ecsi_record_table(storage, record) == to);
    return ECS_OK;
}

static void ecsi_edit_despawn(ecsi_storage *storage, ecs_entity entity, ecsi_record *record)
{
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    uint32_t row = ecsi_record_row(storage->entities, record);
    ECSI_CHECK(record->generation == ecs_generation(entity));
    ECSI_CHECK(ecs_index(ecsi_chunk_entities(chunk)[row]) == ecs_index(entity));
    if (ECSI_UNLIKELY(chunk->table->notify)) {
        ecsi_notify_removed(storage, entity, record, chunk->table, NULL);
    }
    if (ECSI_UNLIKELY(chunk->table->lifecycle)) ecsi_rows_destroy(storage, chunk, row, 1);
    ecsi_row_pop(storage, chunk, row);
    ecsi_entities_give(storage->entities, ecs_index(entity));
    ECSI_CHECK(ecsi_entities_find(storage->entities, entity) == NULL);
}

/* A new entity with a row in `table`; its values are raw. */
static inline ecs_status ecsi_edit_spawn(ecsi_storage *storage, ecsi_table *table,
                                         ecs_entity *out)
{
    ecs_status status = ecsi_entities_reserve(storage->memory, storage->entities, 1);
    ECSI_CHECK(out != NULL);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_row_reserve(storage, table);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    *out = ecsi_entities_take(storage->entities);
    (void)ecsi_row_push(storage, table, *out,
                        ecsi_entities_record(storage->entities, ecs_index(*out)));
    ECSI_CHECK(ecsi_entities_find(storage->entities, *out) != NULL);
    return ECS_OK;
}

/* ---- Shapes ----------------------------------------------------------------------- */

/* Finds the table of the listed types, and what each of them is there. */
static ecs_status ecsi_shape_resolve(ecsi_storage *storage, const ecs_value *values,
                                     uint32_t count, ecsi_shape *shape)
{
    uint32_t *set;
    uint32_t set_count = 0;
    uint32_t i;
    bool plain = true;
    ecs_status status;
    ECSI_CHECK(count <= ECSI_SHAPE_VALUES_MAX);
    ECSI_CHECK(shape->count == 0);
    for (i = 0; i < count; i++) {
        status = ecsi_component_need(storage->components, values[i].type, &shape->components[i]);
        if (status != ECS_OK) return status;
    }
    /* No set is larger than all components together. */
    set = ecsi_scratch_set(storage, NULL, storage->components->list.count + 1);
    if (set == NULL) return ECS_NO_MEMORY;
    for (i = 0; i < count; i++) {
        uint32_t before = set_count;
        set_count = ecsi_set_insert(set, set_count, shape->components[i]);
        if (set_count == before) return ECS_INVALID;
    }
    for (i = 0; i < count; i++) {
        uint32_t added[ECSI_REQUIRE_MAX];
        uint32_t n = ecsi_require_closure(storage->components, shape->components[i], added);
        uint32_t k;
        for (k = 0; k < n; k++) set_count = ecsi_set_insert(set, set_count, added[k]);
    }
    status = ecsi_table_of_set(storage, set, set_count, &shape->table);
    if (status != ECS_OK) return status;
    for (i = 0; i < count; i++) {
        const ecsi_table_slot *slot = ecsi_table_find(shape->table, shape->components[i]);
        ECSI_CHECK(slot != NULL);
        shape->types[i] = values[i].type;
        shape->columns[i] = (uint16_t)slot->column;
        if (slot->column == ECSI_NO_COLUMN && values[i].data != NULL) plain = false;
    }
    shape->count = count;
    shape->plain = plain && set_count == count && !shape->table->lifecycle &&
                   !shape->table->notify;
    return ECS_OK;
}

/* The remembered shape of a list, or the newly resolved one, which takes its place. */
static inline ecs_status ecsi_shape_of(ecsi_editor *editor, const ecs_value *values,
                                       uint32_t count, ecsi_shape **out)
{
    uintptr_t key = count;
    ecsi_shape *shape;
    uint32_t i;
    ecs_status status;
    ECSI_CHECK(values != NULL || count == 0);
    if (count > ECSI_SHAPE_VALUES_MAX) return ECS_TOO_LARGE;
    for (i = 0; i < count; i++) key = key * 31u + ((uintptr_t)values[i].type >> 4);
    shape = &editor->shapes[(key ^ key >> 6 ^ key >> 12) & (ECSI_SHAPES - 1)];
    *out = shape;
    if (ECSI_LIKELY(shape->count == count)) {
        for (i = 0; i < count && shape->types[i] == values[i].type; i++) {}
        if (ECSI_LIKELY(i == count && count > 0)) return ECS_OK;
    }
    shape->count = 0;
    status = ecsi_shape_resolve(editor->storage, values, count, shape);
    if (status != ECS_OK) shape->count = 0;
    ECSI_CHECK(status != ECS_OK || shape->table != NULL);
    return status;
}

/* Hooks or requirements changed: shapes are resolved anew. */
static void ecsi_shapes_forget(ecsi_editor *editor)
{
    uint32_t i;
    ECSI_CHECK(editor->storage != NULL);
    for (i = 0; i < ECSI_SHAPES; i++) editor->shapes[i].count = 0;
    ECSI_CHECK(ecsi_is_power_of_two(ECSI_SHAPES));
}

/* Builds the values of rows `row` to row + count - 1: the listed ones from `values` with
 * `skip` of them left out, all others by init. */
static void ecsi_shape_fill(ecsi_storage *storage, const ecsi_shape *shape,
                            const ecs_value *values, ecsi_chunk *chunk, uint32_t row,
                            uint32_t count, uint32_t skip)
{
    const ecsi_table *table = shape->table;
    uint32_t c;
    ECSI_CHECK(chunk->table == table);
    ECSI_CHECK(row + count <= chunk->capacity);
    for (c = 0; c < table->column_count; c++) {
        const ecsi_column *column = &table->columns[c];
        const ecsi_component *component = ecsi_component_at(storage->components,
                                                            column->component);
        void *to = ecsi_chunk_value(chunk, column, row);
        const unsigned char *data = NULL;
        uint32_t i;
        for (i = 0; i < shape->count; i++) {
            if (shape->columns[i] == c) data = (const unsigned char *)values[i].data;
        }
        if (data == NULL) {
            ecsi_values_init(component, to, count);
        } else {
            data += (size_t)skip * column->bytes;
            ecsi_values_copy(component, to, ecsi_storage_follow(storage, data), count);
        }
    }
}

/* on_add, then on_set of the values that came with data. */
static void ecsi_shape_notify(ecsi_storage *storage, const ecsi_shape *shape,
                              const ecs_value *values, ecs_entity entity)
{
    const ecsi_record *record = ecsi_entities_find(storage->entities, entity);
    uint32_t i;
    ECSI_CHECK(record != NULL);
    ECSI_CHECK(ecsi_record_table(storage, record) == shape->table);
    if (!shape->table->notify) return;
    ecsi_notify_added(storage, entity, record, NULL, shape->table);
    for (i = 0; i < shape->count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, shape->components[i]);
        if (values[i].data == NULL || shape->columns[i] == ECSI_NO_COLUMN) continue;
        ecsi_notify_set(storage, entity, c,
                        ecsi_row_value(storage, record, shape->components[i]));
    }
}

static ecs_status ecsi_edit_spawn_shape(ecsi_editor *editor, const ecs_value *values,
                                        uint32_t count, ecs_entity *out)
{
    ecsi_storage *storage = editor->storage;
    ecsi_shape *shape;
    ecsi_chunk *chunk;
    uint32_t row;
    uint32_t i;
    ecs_status status = ecsi_entities_reserve(storage->memory, storage->entities, 1);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_shape_of(editor, values, count, &shape);
    if (ECSI_LIKELY(status == ECS_OK)) status = ecsi_edit_spawn(storage, shape->table, out);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    chunk = shape->table->last;
    row = chunk->count - 1;
    ECSI_CHECK(ecs_equal(ecsi_chunk_entities(chunk)[row], *out));
    ECSI_CHECK(shape->count == count);
    if (ECSI_LIKELY(shape->plain)) {
        for (i = 0; i < count; i++) {
            const ecsi_column *column;
            void *to;
            if (shape->columns[i] == ECSI_NO_COLUMN) continue;
            column = &shape->table->columns[shape->columns[i]];
            to = ecsi_chunk_value(chunk, column, row);
            if (values[i].data != NULL) {
                ecsi_bytes_move(to, values[i].data, column->bytes);
            } else {
                memset(to, 0, column->bytes);
            }
        }
        return ECS_OK;
    }
    ecsi_shape_fill(storage, shape, values, chunk, row, 1, 0);
    ecsi_shape_notify(storage, shape, values, *out);
    return ECS_OK;
}

/* ---- Many of one shape ------------------------------------------------------------ */

/* Adds `count` rows to the last chunk with new entities; their values are raw. */
static void ecsi_rows_push(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t count,
                           ecs_entity *out)
{
    ecsi_table *table = chunk->table;
    ecs_entity *entities = ecsi_chunk_entities(chunk);
    uint32_t first = chunk->count;
    uint32_t i;
    ECSI_CHECK(count <= chunk->capacity - first);
    ECSI_CHECK(count > 0);
    ECSI_CHECK(table->last == chunk);
    for (i = 0; i < count; i++) {
        ecs_entity e = ecsi_entities_take(storage->entities);
        ecsi_record *record = ecsi_entities_record(storage->entities, ecs_index(e));
        ecsi_record_place(storage->entities, record, chunk->id, first + i);
        entities[first + i] = e;
    }
    if (out != NULL) memcpy(out, entities + first, count * sizeof *out);
    chunk->count += count;
    table->row_count += count;
    for (i = first >> table->block_shift; i <= (first + count - 1) >> table->block_shift; i++) {
        ecsi_chunk_ticks(chunk)[i] = *storage->tick;
    }
}

static ecs_status ecsi_edit_spawn_bulk(ecsi_editor *editor, uint32_t entity_count,
                                       const ecs_value *values, uint32_t value_count,
                                       ecs_entity *out)
{
    ecsi_storage *storage = editor->storage;
    ecsi_shape *shape;
    uint32_t done = 0;
    ecs_status status =
        ecsi_entities_reserve(storage->memory, storage->entities, entity_count);
    ECSI_CHECK(entity_count > 0);
    ECSI_CHECK(values != NULL || value_count == 0);
    if (status == ECS_OK) status = ecsi_shape_of(editor, values, value_count, &shape);
    if (status == ECS_OK) status = ecsi_table_reserve(storage, shape->table, entity_count);
    if (status != ECS_OK) return status;
    while (done < entity_count) {
        ecsi_chunk *chunk = shape->table->last;
        uint32_t row = chunk->count;
        uint32_t count = ecsi_min_u32(chunk->capacity - row, entity_count - done);
        if (count > 0) {
            ecsi_rows_push(storage, chunk, count, out == NULL ? NULL : out + done);
            ecsi_shape_fill(storage, shape, values, chunk, row, count, done);
            done += count;
        }
        ECSI_CHECK(done == entity_count || chunk->next != NULL);
        if (done < entity_count) shape->table->last = chunk->next;
    }
    return ECS_OK;
}

/* The notices of a bulk spawn: rows from `first` of the table on, as they were made. */
static void ecsi_edit_bulk_notify(ecsi_editor *editor, const ecs_value *values,
                                  uint32_t value_count, uint32_t entity_count)
{
    ecsi_storage *storage = editor->storage;
    ecsi_shape *shape;
    ecsi_chunk *chunk;
    uint32_t left = entity_count;
    uint32_t skip;
    if (ecsi_shape_of(editor, values, value_count, &shape) != ECS_OK) return;
    if (!shape->table->notify) return;
    ECSI_CHECK(shape->table->row_count >= entity_count);
    skip = shape->table->row_count - left;
    for (chunk = shape->table->first; chunk != NULL && left > 0; chunk = chunk->next) {
        uint32_t row = ecsi_min_u32(skip, chunk->count);
        skip -= row;
        for (; row < chunk->count && left > 0; row++, left--) {
            ecsi_shape_notify(storage, shape, values, ecsi_chunk_entities(chunk)[row]);
        }
    }
    ECSI_CHECK(left == 0);
}

/* Copies `count` rows that follow each other to the end of another table's last chunk, which
 * has room: plain values only. The old rows are left as they are; ecsi_table_leave ends them. */
static void ecsi_rows_copy(ecsi_storage *storage, ecsi_chunk *old, uint32_t old_row,
                           uint32_t count, ecsi_table *to)
{
    const ecsi_table *from = old->table;
    ecsi_chunk *chunk = to->last;
    uint32_t row = chunk->count;
    const ecs_entity *entities = ecsi_chunk_entities(old) + old_row;
    uint32_t a = 0;
    uint32_t b;
    uint32_t i;
    ECSI_CHECK(count <= chunk->capacity - row);
    ECSI_CHECK(count <= old->count - old_row);
    ECSI_CHECK(!from->lifecycle && !to->lifecycle);
    memcpy(ecsi_chunk_entities(chunk) + row, entities, count * sizeof *entities);
    for (b = 0; b < to->column_count; b++) {
        const ecsi_column *column = &to->columns[b];
        void *value = ecsi_chunk_value(chunk, column, row);
        while (a < from->column_count && from->columns[a].component < column->component) a++;
        if (a < from->column_count && from->columns[a].component == column->component) {
            memcpy(value, ecsi_chunk_value(old, &from->columns[a], old_row),
                   (size_t)count * column->bytes);
        } else {
            memset(value, 0, (size_t)count * column->bytes);
        }
    }
    for (i = 0; i < count; i++) {
        ecsi_record_place(storage->entities,
                          ecsi_entities_record(storage->entities, ecs_index(entities[i])),
                          chunk->id, row + i);
    }
    for (i = row >> to->block_shift; i <= (row + count - 1) >> to->block_shift; i++) {
        ecsi_chunk_ticks(chunk)[i] = *storage->tick;
    }
    chunk->count = row + count;
    to->row_count += count;
}

/* All rows of a table have gone elsewhere: it is empty, and keeps its first chunk. */
static void ecsi_table_leave(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *chunk;
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        ECSI_CHECK(table->row_count >= chunk->count);
        table->row_count -= chunk->count;
        chunk->count = 0;
    }
    ECSI_CHECK(table->row_count == 0);
    if (table->first == NULL) return;
    if (table->last->next != NULL) ecsi_chunk_free(storage, table->last->next);
    while (table->last != table->first) ecsi_chunk_free(storage, table->last);
    ECSI_CHECK(table->last == table->first);
}

/* Despawns all rows of a table, in order. */
static void ecsi_edit_clear(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *chunk;
    uint32_t row;
    ECSI_CHECK(storage->entities->front.alive_count >= table->row_count);
    for (chunk = table->first; chunk != NULL && table->notify; chunk = chunk->next) {
        for (row = 0; row < chunk->count; row++) {
            ecs_entity e = ecsi_chunk_entities(chunk)[row];
            ecsi_notify_removed(storage, e, ecsi_entities_find(storage->entities, e), table,
                                NULL);
        }
    }
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        ecsi_rows_destroy(storage, chunk, 0, chunk->count);
        for (row = 0; row < chunk->count; row++) {
            ecsi_entities_give(storage->entities, ecs_index(ecsi_chunk_entities(chunk)[row]));
        }
    }
    ecsi_table_leave(storage, table);
    ECSI_CHECK(table->row_count == 0);
}

/* A copy of an entity. ECS_UNSUPPORTED: a value that can be ended but not copied. */
static ecs_status ecsi_edit_clone(ecsi_storage *storage, ecs_entity entity, ecs_entity *out)
{
    const ecsi_record *record = ecsi_entities_find(storage->entities, entity);
    ecsi_table *table;
    ecsi_chunk *to;
    ecsi_chunk *from;
    uint32_t row;
    uint32_t i;
    ecs_status status;
    ECSI_CHECK(out != NULL);
    if (record == NULL) return ECS_STALE;
    table = ecsi_record_table(storage, record);
    for (i = 0; i < table->column_count; i++) {
        const ecs_hooks *hooks =
            &ecsi_component_at(storage->components, table->columns[i].component)->hooks;
        if (hooks->copy == NULL && (hooks->move != NULL || hooks->destroy != NULL)) {
            return ECS_UNSUPPORTED;
        }
    }
    status = ecsi_edit_spawn(storage, table, out);
    if (status != ECS_OK) return status;
    record = ecsi_entities_find(storage->entities, entity); /* records may have moved */
    ECSI_CHECK(record != NULL);
    from = ecsi_record_chunk_at(storage, record);
    row = ecsi_record_row(storage->entities, record);
    to = table->last;
    ECSI_CHECK(ecs_equal(ecsi_chunk_entities(to)[to->count - 1], *out));
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        ecsi_values_copy(ecsi_component_at(storage->components, column->component),
                         ecsi_chunk_value(to, column, to->count - 1),
                         ecsi_chunk_value(from, column, row), 1);
    }
    record = ecsi_entities_find(storage->entities, *out);
    ecsi_notify_added(storage, *out, record, NULL, table);
    for (i = 0; i < table->column_count && table->notify; i++) {
        uint32_t id = table->columns[i].component;
        ecsi_notify_set(storage, *out, ecsi_component_at(storage->components, id),
                        ecsi_row_value(storage, record, id));
    }
    return ECS_OK;
}

#endif /* ECS_EDIT_H */
