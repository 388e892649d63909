/* storage.h: tables, chunks and rows. The store that components live in by default.
 *
 * A table holds the entities of one set of components: one column a component, struct of
 * arrays. Its rows lie in chunks. A chunk is one piece of memory: a header, the change
 * ticks of its row blocks, the handles, the columns. The first chunk starts small and
 * doubles until it has the table's full chunk size; then more chunks follow, and rows
 * never move again for growth. In fixed mode all chunks have one size and come from a pool,
 * so that what is refused follows from the number of rows alone.
 *
 * Everything above asks for rows and values through the functions at the end of this file
 * and never computes an address from a layout; only the iterator of query.h reads columns
 * directly. That is the interface another store has to offer. */
/* floor: 6 */
#ifndef ECS_STORAGE_H
#define ECS_STORAGE_H

#include "component.h"

/* Rows of the first chunk in grow mode. */
#define ECSI_FIRST_ROWS 16u
/* It grows by this factor: rows are copied a third of a time on average, and memory that is
 * not used yet is not touched. */
#define ECSI_GROWTH 4u
/* Columns of long chunks are moved apart by this much, so that equal rows of two columns
 * do not fall on the same set of the first-level cache. */
#define ECSI_SKEW_BYTES 192u
#define ECSI_SKEW_ROWS_MIN 1024u
/* Bytes of a chunk's header; the change ticks follow it. */
#define ECSI_CHUNK_HEADER_BYTES 64u
/* No column: a tag, or a term without one. */
#define ECSI_NO_COLUMN 0xffffu
/* Components of one table: a column's index must fit 16 bits. */
#define ECSI_TABLE_COMPONENTS_MAX 0xfffeu

struct ecsi_table;

typedef struct ecsi_chunk {
    struct ecsi_table *table;
    struct ecsi_chunk *next;
    struct ecsi_chunk *prev;
    size_t bytes;
    uint32_t id;
    uint32_t count; /* rows in use */
    uint32_t capacity;
    uint32_t number; /* of the chunk in its table: 0, 1, ... */
} ecsi_chunk;

typedef struct ecsi_column {
    uint32_t offset; /* from the chunk's start */
    uint32_t bytes;  /* of one value */
    uint32_t component;
    bool lifecycle;
} ecsi_column;

typedef struct ecsi_table_slot {
    uint32_t component; /* 0: free */
    uint32_t column;    /* ECSI_NO_COLUMN: a tag */
} ecsi_table_slot;

typedef struct ecsi_table {
    ecsi_chunk *first;
    ecsi_chunk *last; /* the last with rows, or the first; one empty spare may follow */
    uint32_t row_count;
    uint32_t column_count;
    uint32_t block_rows; /* rows of one row block */
    uint32_t block_shift; /* row to block in its chunk */
    uint32_t blocks;     /* row blocks of one chunk, at its capacity */
    ecsi_column *columns;
    uint32_t entities_offset;
    uint32_t edge_key; /* the edge that was followed last: component * 2 + (1: remove) */
    struct ecsi_table *edge_to;
    uint32_t id;
    bool lifecycle; /* some component has such hooks */
    bool notify;
    uint32_t capacity;   /* of its chunks now */
    uint32_t chunk_rows; /* that it grows to */
    uint32_t chunk_count;
    uint32_t align;
    uint32_t component_count;
    uint32_t slot_count; /* power of two */
    uint32_t slot_shift;
    uint32_t *ids; /* sorted, tags included */
    ecsi_table_slot *slots;
    uint64_t hash;
    uint64_t bloom; /* one bit a component, of 64 */
} ecsi_table;

typedef struct ecsi_storage {
    ecsi_memory *memory;
    ecsi_entities *entities;
    ecsi_components *components;
    const uint64_t *tick;
    ecs_status (*on_table)(void *user, ecsi_table *table); /* query.h: match it */
    void *on_table_user;
    ecsi_vec tables;   /* of ecsi_table *, by id */
    ecsi_map by_set;   /* hash of the set */
    ecsi_map edges;    /* table id and edge key */
    ecsi_vec chunks;   /* of ecsi_chunk *, by id; 0 is none */
    ecsi_vec free_ids; /* of uint32_t, a stack */
    ecsi_vec scratch;  /* of uint32_t: a set of components */
    ecsi_getter_slot *getters;
    uint32_t *getter_capacity; /* entries of each slot's bases */
    uint32_t getter_count;
    uint32_t getters_max;
    uint32_t tables_max;
    uint32_t slots_max; /* components of all tables */
    uint32_t slot_total;
    uint32_t chunk_bytes;
    uint32_t chunks_max;
    uint32_t row_block_rows;
    uint32_t chunk_count;
    size_t chunk_bytes_total;
    uint64_t chunk_changes; /* chunks made and freed so far */
    unsigned char *pool; /* fixed: chunks_max pieces of chunk_bytes */
    ecsi_chunk *retired; /* replaced by a larger one; only its bytes count */
    uint32_t retired_align;
} ecsi_storage;

/* Bytes that ecsi_keep may need for one table, and for each of its components. */
#define ECSI_TABLE_KEEP_BYTES (sizeof(ecsi_table) + 4 * sizeof(ecsi_table_slot) + 256)
#define ECSI_SLOT_KEEP_BYTES                                                       \
    (sizeof(uint32_t) + sizeof(ecsi_column) + 4 * sizeof(ecsi_table_slot))

/* ---- Addresses -------------------------------------------------------------------- */

static inline unsigned char *ecsi_chunk_bytes(ecsi_chunk *chunk)
{
    return (unsigned char *)chunk;
}

static inline ecs_entity *ecsi_chunk_entities(ecsi_chunk *chunk)
{
    return (ecs_entity *)(void *)(ecsi_chunk_bytes(chunk) + chunk->table->entities_offset);
}

static inline void *ecsi_chunk_value(ecsi_chunk *chunk, const ecsi_column *column, uint32_t row)
{
    ECSI_CHECK(row < chunk->capacity);
    return ecsi_chunk_bytes(chunk) + column->offset + (size_t)row * column->bytes;
}

/* Change ticks of a row block: one for rows that came or moved, then one for each column whose
 * values were written. A value counts as changed when either of them is new. */
static inline uint64_t *ecsi_chunk_ticks(ecsi_chunk *chunk)
{
    return (uint64_t *)(void *)(ecsi_chunk_bytes(chunk) + ECSI_CHUNK_HEADER_BYTES);
}

/* The tick at which a row came to this row block last. */
static inline uint64_t *ecsi_chunk_row_tick(ecsi_chunk *chunk, uint32_t row)
{
    ECSI_CHECK(row >> chunk->table->block_shift < chunk->table->blocks);
    return &ecsi_chunk_ticks(chunk)[row >> chunk->table->block_shift];
}

/* The tick at which something in this row block of this column was written last. */
static inline uint64_t *ecsi_chunk_tick(ecsi_chunk *chunk, uint32_t column, uint32_t row)
{
    const ecsi_table *table = chunk->table;
    ECSI_CHECK(column < table->column_count);
    ECSI_CHECK(row < chunk->capacity);
    return &ecsi_chunk_ticks(chunk)[((size_t)column + 1) * table->blocks +
                                    (row >> table->block_shift)];
}

static inline ecsi_table *ecsi_table_at(const ecsi_storage *storage, uint32_t id)
{
    ECSI_CHECK(id < storage->tables.count);
    return *ECSI_VEC_AT(ecsi_table *, &storage->tables, id);
}

static inline ecsi_chunk *ecsi_chunk_at(const ecsi_storage *storage, uint32_t id)
{
    ECSI_CHECK(id != 0 && id < storage->chunks.count);
    return *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, id);
}

/* The chunk of an entity that has a row. */
static inline ecsi_chunk *ecsi_record_chunk_at(const ecsi_storage *storage,
                                               const ecsi_record *record)
{
    return ecsi_chunk_at(storage, ecsi_record_chunk(storage->entities, record));
}

/* Where a component is in a table, or NULL. */
static inline const ecsi_table_slot *ecsi_table_find(const ecsi_table *table, uint32_t component)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t i = (component * 0x9e3779b1u) >> table->slot_shift;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(table->slot_count > table->component_count);
    for (;; i++) {
        const ecsi_table_slot *slot = &table->slots[i & mask];
        if (ECSI_LIKELY(slot->component == component)) return slot;
        if (slot->component == 0) return NULL;
    }
}

/* ---- Layout ----------------------------------------------------------------------- */

static uint32_t ecsi_component_align(const ecsi_storage *storage, uint32_t component)
{
    uint32_t align = ecsi_component_at(storage->components, component)->type.align;
    ECSI_CHECK(align <= ECS_ALIGN_MAX);
    return ecsi_max_u32(align, 64);
}

/* Where column `index` starts, when what stands before it ends at `end`. */
static size_t ecsi_layout_column(const ecsi_storage *storage, const ecsi_table *table,
                                 uint32_t index, size_t end, uint32_t capacity)
{
    if (capacity >= ECSI_SKEW_ROWS_MIN) end += ECSI_SKEW_BYTES;
    ECSI_CHECK(index < table->column_count);
    return ecsi_align_up(end, ecsi_component_align(storage, table->columns[index].component));
}

static uint32_t ecsi_layout_blocks(const ecsi_table *table, uint32_t capacity)
{
    ECSI_CHECK(table->block_rows > 0);
    return ecsi_max_u32(1, (capacity + table->block_rows - 1) / table->block_rows);
}

/* Where the handles start. */
static size_t ecsi_layout_entities(const ecsi_table *table, uint32_t capacity)
{
    size_t ticks = ((size_t)table->column_count + 1) * ecsi_layout_blocks(table, capacity) * 8;
    ECSI_CHECK(sizeof(ecsi_chunk) <= ECSI_CHUNK_HEADER_BYTES);
    return ecsi_align_up(ECSI_CHUNK_HEADER_BYTES + ticks, 64);
}

/* Bytes of a chunk of so many rows. */
static size_t ecsi_layout_bytes(const ecsi_storage *storage, const ecsi_table *table,
                                uint32_t capacity)
{
    size_t end = ecsi_layout_entities(table, capacity) + (size_t)capacity * sizeof(ecs_entity);
    uint32_t i;
    ECSI_CHECK(capacity > 0);
    ECSI_CHECK(ecsi_is_power_of_two(table->align));
    for (i = 0; i < table->column_count; i++) {
        end = ecsi_layout_column(storage, table, i, end, capacity) +
              (size_t)capacity * table->columns[i].bytes;
    }
    return ecsi_align_up(end, table->align);
}

/* Sets the offsets for chunks of so many rows. */
static void ecsi_layout_set(const ecsi_storage *storage, ecsi_table *table, uint32_t capacity)
{
    size_t end;
    uint32_t i;
    table->capacity = capacity;
    table->blocks = ecsi_layout_blocks(table, capacity);
    table->entities_offset = (uint32_t)ecsi_layout_entities(table, capacity);
    end = table->entities_offset + (size_t)capacity * sizeof(ecs_entity);
    for (i = 0; i < table->column_count; i++) {
        end = ecsi_layout_column(storage, table, i, end, capacity);
        table->columns[i].offset = (uint32_t)end;
        end += (size_t)capacity * table->columns[i].bytes;
    }
    ECSI_CHECK(end <= 0xffffffffu);
    ECSI_CHECK(capacity <= table->chunk_rows);
    ECSI_CHECK(table->entities_offset % 64 == 0);
}

/* The largest number of rows whose chunk fits `chunk_bytes`: whole row blocks when there is
 * room for one; 0 when not even one row fits. */
static uint32_t ecsi_layout_rows(const ecsi_storage *storage, ecsi_table *table)
{
    size_t bytes = sizeof(ecs_entity);
    uint32_t rows;
    uint32_t i;
    ECSI_CHECK(ecsi_is_power_of_two(storage->row_block_rows));
    table->block_rows = storage->row_block_rows;
    for (i = 0; i < table->column_count; i++) bytes += table->columns[i].bytes;
    rows = (uint32_t)(storage->chunk_bytes / bytes);
    rows = ecsi_min_u32(rows, 1u << storage->entities->front.row_bits);
    if (rows >= storage->row_block_rows) rows -= rows % storage->row_block_rows;
    table->block_shift = 31u;
    if (rows == 0) return 0;
    /* Headers and alignment take their part; each round takes a step of it away. */
    while (rows > 0 && ecsi_layout_bytes(storage, table, rows) > storage->chunk_bytes) {
        uint32_t step = rows > storage->row_block_rows ? storage->row_block_rows : rows / 8 + 1;
        rows -= ecsi_min_u32(step, rows);
    }
    if (rows < storage->row_block_rows && rows >= 64) rows -= rows % 64;
    table->block_rows = ecsi_max_u32(1, ecsi_min_u32(storage->row_block_rows, rows));
    table->block_shift = rows > storage->row_block_rows
                             ? ecsi_lowest_bit(storage->row_block_rows) : 31u;
    ECSI_CHECK(table->block_shift == 31u || table->block_rows == 1u << table->block_shift);
    ECSI_CHECK(rows == 0 || ecsi_layout_bytes(storage, table, rows) <= storage->chunk_bytes);
    return rows;
}

/* ---- Getters: the columns of one component by chunk id ---------------------------- */

/* Tells the getters where a chunk's columns are; `here` false: nowhere. */
static void ecsi_getters_note(ecsi_storage *storage, ecsi_chunk *chunk, bool here)
{
    const ecsi_table *table = chunk->table;
    uint32_t i;
    ECSI_CHECK(chunk->id != 0);
    ECSI_CHECK(chunk->id < storage->chunks.count);
    if (storage->getter_count == 0) return;
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        uint32_t getter = ecsi_component_at(storage->components, column->component)->getter;
        if (getter == 0) continue;
        ECSI_CHECK(chunk->id < storage->getter_capacity[getter - 1]);
        storage->getters[getter - 1].bases[chunk->id] =
            here ? ecsi_chunk_bytes(chunk) + column->offset : NULL;
    }
}

/* Gives a getter room for `capacity` chunk ids. */
static ecs_status ecsi_getter_reserve(ecsi_storage *storage, uint32_t index, uint32_t capacity)
{
    ecsi_getter_slot *slot = &storage->getters[index];
    uint32_t old = storage->getter_capacity[index];
    unsigned char **bases;
    ECSI_CHECK(index < storage->getters_max);
    ECSI_CHECK(slot->bases != NULL || old == 0);
    if (capacity <= old) return ECS_OK;
    bases = (unsigned char **)ecsi_alloc(storage->memory, capacity * sizeof *bases, 16);
    if (bases == NULL) return ECS_NO_MEMORY;
    memset(bases, 0, capacity * sizeof *bases);
    if (old > 0) memcpy(bases, slot->bases, old * sizeof *bases);
    ecsi_release(storage->memory, slot->bases, old * sizeof *bases, 16);
    slot->bases = bases;
    storage->getter_capacity[index] = capacity;
    return ECS_OK;
}

/* The slot of a component's getter; made at the first call. */
static ecs_status ecsi_getter_need(ecsi_storage *storage, uint32_t component,
                                   const ecsi_getter_slot **out)
{
    ecsi_component *c = ecsi_component_at(storage->components, component);
    uint32_t index = storage->getter_count;
    uint32_t t;
    ECSI_CHECK(out != NULL);
    if (c->type.bytes == 0) return ECS_UNSUPPORTED;
    if (c->getter == 0) {
        ecs_status status;
        if (index == storage->getters_max) return ECS_FULL;
        status = ecsi_getter_reserve(storage, index, ecsi_max_u32(storage->chunks.capacity, 1));
        if (status != ECS_OK) return status;
        storage->getters[index].component = component;
        storage->getter_count++;
        c->getter = storage->getter_count;
        for (t = 0; t < storage->tables.count; t++) {
            ecsi_chunk *chunk = ecsi_table_at(storage, t)->first;
            for (; chunk != NULL; chunk = chunk->next) ecsi_getters_note(storage, chunk, true);
        }
    }
    ECSI_CHECK(c->getter <= storage->getter_count);
    ECSI_CHECK(storage->getters[c->getter - 1].component == component);
    *out = &storage->getters[c->getter - 1];
    return ECS_OK;
}

/* ---- Chunks ----------------------------------------------------------------------- */

/* Makes sure that a chunk id is free. */
static ecs_status ecsi_chunk_id_reserve(ecsi_storage *storage)
{
    ecsi_memory *memory = storage->memory;
    uint32_t need = ecsi_max_u32(storage->chunks.count, 1); /* id 0 is none */
    uint32_t i;
    ecs_status status;
    ECSI_CHECK(storage->chunks.count <= storage->chunks_max + 1);
    if (storage->free_ids.count > 0) return ECS_OK;
    if (need > storage->chunks_max) return ECS_FULL;
    status = ecsi_vec_reserve(memory, &storage->chunks, need + 1, storage->chunks_max + 1,
                              sizeof(ecsi_chunk *));
    if (status == ECS_OK) {
        status = ecsi_vec_reserve(memory, &storage->free_ids, need + 1,
                                  storage->chunks_max + 1, sizeof(uint32_t));
    }
    for (i = 0; i < storage->getter_count && status == ECS_OK; i++) {
        status = ecsi_getter_reserve(storage, i, storage->chunks.capacity);
    }
    ECSI_CHECK(status == ECS_OK || storage->free_ids.count == 0);
    return status;
}

static uint32_t ecsi_chunk_id_take(ecsi_storage *storage)
{
    ECSI_CHECK(storage->chunks.capacity > 0);
    if (storage->free_ids.count > 0) {
        storage->free_ids.count--;
        return *ECSI_VEC_AT(uint32_t, &storage->free_ids, storage->free_ids.count);
    }
    if (storage->chunks.count == 0) storage->chunks.count = 1;
    ECSI_CHECK(storage->chunks.count < storage->chunks.capacity);
    return storage->chunks.count++;
}

/* Memory for the chunk of that id. */
static ecsi_chunk *ecsi_chunk_memory(ecsi_storage *storage, uint32_t id, size_t bytes,
                                     uint32_t align)
{
    ecsi_memory *memory = storage->memory;
    ecsi_chunk *chunk;
    ECSI_CHECK(id != 0);
    ECSI_CHECK(id <= storage->chunks_max);
    ECSI_CHECK(!memory->fixed || bytes <= storage->chunk_bytes);
    if (memory->fixed) {
        chunk = (ecsi_chunk *)(void *)(storage->pool + (size_t)(id - 1) * storage->chunk_bytes);
        bytes = storage->chunk_bytes;
    } else {
        chunk = (ecsi_chunk *)ecsi_alloc(memory, bytes, align);
        if (chunk == NULL) return NULL;
    }
    ECSI_CHECK((uintptr_t)chunk % align == 0);
    memset(chunk, 0, sizeof *chunk);
    chunk->bytes = bytes;
    chunk->id = id;
    storage->chunk_bytes_total += bytes;
    storage->chunk_changes++;
    return chunk;
}

static void ecsi_chunk_memory_free(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t align)
{
    ECSI_CHECK(storage->chunk_bytes_total >= chunk->bytes);
    ECSI_CHECK(chunk->bytes > 0);
    storage->chunk_bytes_total -= chunk->bytes;
    storage->chunk_changes++;
    ecsi_release(storage->memory, chunk, chunk->bytes, align);
}

/* Takes an empty chunk out of its table and gives it back. */
static void ecsi_chunk_free(ecsi_storage *storage, ecsi_chunk *chunk)
{
    ecsi_table *table = chunk->table;
    ECSI_CHECK(chunk->count == 0);
    ECSI_CHECK(chunk == ecsi_chunk_at(storage, chunk->id));
    ECSI_CHECK(table->chunk_count > 0);
    ECSI_CHECK(chunk->next == NULL);
    ecsi_getters_note(storage, chunk, false);
    if (chunk->prev != NULL) chunk->prev->next = NULL;
    if (table->first == chunk) table->first = NULL;
    if (table->last == chunk) table->last = chunk->prev;
    table->chunk_count--;
    storage->chunk_count--;
    *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, chunk->id) = NULL;
    *ECSI_VEC_AT(uint32_t, &storage->free_ids, storage->free_ids.count++) = chunk->id;
    ecsi_chunk_memory_free(storage, chunk, table->align);
}

/* Frees the chunks of a table that hold no row: the spare, or what was reserved and is not used
 * yet, and the first of an empty one. */
static void ecsi_table_trim(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *tail = table->last;
    while (tail != NULL && tail->next != NULL) tail = tail->next;
    while (tail != table->last) {
        tail = tail->prev;
        ecsi_chunk_free(storage, tail->next);
    }
    if (table->row_count == 0 && table->first != NULL) ecsi_chunk_free(storage, table->first);
    ECSI_CHECK(table->last == NULL || table->last->next == NULL);
    ECSI_CHECK((table->first == NULL) == (table->last == NULL));
}

/* Fixed mode, no free chunk: takes back what empty tables and spares hold, so that only
 * rows count and never who was first. */
static void ecsi_storage_trim(ecsi_storage *storage, const ecsi_table *except)
{
    uint32_t t;
    ECSI_CHECK(storage->memory->fixed);
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table *table = ecsi_table_at(storage, t);
        if (table != except) ecsi_table_trim(storage, table);
    }
    ECSI_CHECK(storage->chunk_count <= storage->chunks_max);
}

/* A new chunk of the table's capacity at its end. */
static ecs_status ecsi_chunk_make(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *chunk;
    uint32_t id;
    ecs_status status = ecsi_chunk_id_reserve(storage);
    ECSI_CHECK(table->last == NULL || table->last->next == NULL);
    ECSI_CHECK((table->first == NULL) == (table->chunk_count == 0));
    if (status == ECS_FULL && storage->memory->fixed) {
        ecsi_storage_trim(storage, table);
        status = ecsi_chunk_id_reserve(storage);
    }
    if (status != ECS_OK) return status;
    id = ecsi_chunk_id_take(storage);
    ECSI_CHECK(id != 0 && id < storage->chunks.count);
    chunk = ecsi_chunk_memory(storage, id, ecsi_layout_bytes(storage, table, table->capacity),
                              table->align);
    if (chunk == NULL) {
        *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, id) = NULL;
        *ECSI_VEC_AT(uint32_t, &storage->free_ids, storage->free_ids.count++) = id;
        return ECS_NO_MEMORY;
    }
    chunk->table = table;
    chunk->capacity = table->capacity;
    chunk->number = table->chunk_count;
    memset(ecsi_chunk_ticks(chunk), 0,
           ((size_t)table->column_count + 1) * table->blocks * sizeof(uint64_t));
    chunk->prev = table->last;
    if (table->last != NULL) table->last->next = chunk;
    if (table->first == NULL) table->first = chunk;
    if (table->last == NULL) table->last = chunk;
    table->chunk_count++;
    storage->chunk_count++;
    *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, id) = chunk;
    ecsi_getters_note(storage, chunk, true);
    return ECS_OK;
}

/* Keeps a replaced chunk until the next one is replaced: the values of the call that made the
 * table grow may lie in it. */
static void ecsi_chunk_retire(ecsi_storage *storage, ecsi_chunk *old, uint32_t align)
{
    ECSI_CHECK(!storage->memory->fixed);
    ECSI_CHECK(old != storage->retired);
    if (storage->retired != NULL) {
        ecsi_release(storage->memory, storage->retired, storage->retired->bytes,
                     storage->retired_align);
    }
    storage->chunk_bytes_total -= old == NULL ? 0 : old->bytes;
    storage->retired = old;
    storage->retired_align = align;
}

/* Where a caller's value is now: growth may have moved the row that it lies in. */
static const void *ecsi_storage_follow(const ecsi_storage *storage, const void *value)
{
    ecsi_chunk *old = storage->retired;
    size_t at = old == NULL ? 0 : (size_t)((uintptr_t)value - (uintptr_t)old);
    const ecsi_table *table;
    size_t end;
    uint32_t i;
    if (old == NULL || (uintptr_t)value < (uintptr_t)old || at >= old->bytes) return value;
    table = old->table;
    end = ecsi_layout_entities(table, old->capacity) + (size_t)old->capacity * sizeof(ecs_entity);
    ECSI_CHECK(table->first != NULL);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        end = ecsi_layout_column(storage, table, i, end, old->capacity);
        if (at >= end && at < end + (size_t)old->capacity * column->bytes) {
            return ecsi_chunk_bytes(table->first) + column->offset + (at - end);
        }
        end += (size_t)old->capacity * column->bytes;
    }
    ECSI_CHECK(i == table->column_count);
    return value;
}

#ifndef ECS_NO_IO
/* A stretch of addresses without chunks, as long as these are the same. */
typedef struct ecsi_gap {
    uint64_t changes;
    uintptr_t from;
    uintptr_t to;
} ecsi_gap;

/* Whether some of these bytes lie in a chunk. `gap` remembers where none do. */
static bool ecsi_storage_holds(const ecsi_storage *storage, ecsi_gap *gap, const void *data,
                               size_t bytes)
{
    uintptr_t from = (uintptr_t)data;
    uintptr_t to = from + bytes;
    uint32_t i;
    ECSI_CHECK(to >= from);
    if (ECSI_LIKELY(gap->changes == storage->chunk_changes && gap->from <= from && to <= gap->to)) {
        return false;
    }
    gap->changes = storage->chunk_changes;
    gap->from = 0;
    gap->to = UINTPTR_MAX;
    for (i = 1; i < storage->chunks.count; i++) { /* ids begin with 1 */
        const ecsi_chunk *chunk = *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, i);
        uintptr_t begin = (uintptr_t)chunk;
        uintptr_t end = chunk == NULL ? 0 : begin + chunk->bytes;
        if (chunk == NULL) continue;
        if (from < end && begin < to) {
            gap->to = 0;
            return true;
        }
        if (end <= from && end > gap->from) gap->from = end;
        if (begin >= to && begin < gap->to) gap->to = begin;
    }
    ECSI_CHECK(gap->from <= from && to <= gap->to);
    return false;
}
#endif

/* Replaces the only chunk by one of another capacity, with all its rows. */
static ecs_status ecsi_chunk_resize(ecsi_storage *storage, ecsi_table *table, uint32_t capacity)
{
    ecsi_chunk *old = table->first;
    uint32_t old_entities = table->entities_offset;
    uint32_t old_blocks = table->blocks;
    uint32_t blocks = ecsi_layout_blocks(table, capacity);
    size_t end = ecsi_layout_entities(table, capacity);
    ecsi_chunk *chunk = ecsi_chunk_memory(
        storage, old->id, ecsi_layout_bytes(storage, table, capacity), table->align);
    uint32_t i;
    ECSI_CHECK(!storage->memory->fixed);
    ECSI_CHECK(capacity <= table->chunk_rows);
    ECSI_CHECK(old == table->last && old->next == NULL && old->count <= capacity);
    if (chunk == NULL) return ECS_NO_MEMORY;
    chunk->table = table;
    chunk->capacity = capacity;
    chunk->count = old->count;
    memset(ecsi_chunk_ticks(chunk), 0,
           ((size_t)table->column_count + 1) * blocks * sizeof(uint64_t));
    for (i = 0; i <= table->column_count; i++) {
        memcpy(ecsi_chunk_ticks(chunk) + (size_t)i * blocks,
               ecsi_chunk_ticks(old) + (size_t)i * old_blocks,
               ecsi_min_u32(blocks, old_blocks) * sizeof(uint64_t));
    }
    memcpy(ecsi_chunk_bytes(chunk) + end, ecsi_chunk_bytes(old) + old_entities,
           old->count * sizeof(ecs_entity));
    end += (size_t)capacity * sizeof(ecs_entity);
    for (i = 0; i < table->column_count; i++) {
        ecsi_column *column = &table->columns[i];
        void *from = ecsi_chunk_bytes(old) + column->offset;
        end = ecsi_layout_column(storage, table, i, end, capacity);
        if (old->count > 0) {
            ecsi_values_move(ecsi_component_at(storage->components, column->component),
                             ecsi_chunk_bytes(chunk) + end, from, old->count);
        }
        end += (size_t)capacity * column->bytes;
    }
    ECSI_CHECK(end <= chunk->bytes);
    ecsi_layout_set(storage, table, capacity);
    table->first = chunk;
    table->last = chunk;
    *ECSI_VEC_AT(ecsi_chunk *, &storage->chunks, chunk->id) = chunk;
    ecsi_getters_note(storage, chunk, true);
    ecsi_chunk_retire(storage, old, table->align);
    return ECS_OK;
}

/* Makes room for at least one more row behind the last one, `want` if it is easy. */
static ECSI_NOINLINE ecs_status ecsi_table_grow(ecsi_storage *storage, ecsi_table *table,
                                                uint32_t want)
{
    ecsi_chunk *last = table->last;
    uint32_t capacity = table->capacity;
    ECSI_CHECK(want > 0);
    ECSI_CHECK(capacity > 0 && capacity <= table->chunk_rows);
    ECSI_CHECK(last == NULL || last->table == table);
    if (last != NULL && last->count < last->capacity) return ECS_OK;
    if (last != NULL && last->next != NULL) {
        table->last = last->next;
        return ECS_OK;
    }
    want = ecsi_min_u32(want, table->chunk_rows);
    if (last == NULL) {
        while (capacity < want) capacity = ecsi_min_u32(capacity * ECSI_GROWTH, table->chunk_rows);
        if (capacity != table->capacity) ecsi_layout_set(storage, table, capacity);
        return ecsi_chunk_make(storage, table);
    }
    if (capacity < table->chunk_rows) {
        want = ecsi_min_u32(last->count + want, table->chunk_rows);
        while (capacity < want) capacity = ecsi_min_u32(capacity * ECSI_GROWTH, table->chunk_rows);
        return ecsi_chunk_resize(storage, table, capacity);
    }
    {
        ecs_status status = ecsi_chunk_make(storage, table);
        if (status == ECS_OK) table->last = last->next;
        ECSI_CHECK(status != ECS_OK || table->last != NULL);
        return status;
    }
}

/* Makes room for `count` more rows, or for none: all the chunks that they need follow `last`
 * afterwards. */
static ecs_status ecsi_table_reserve(ecsi_storage *storage, ecsi_table *table, uint32_t count)
{
    ecsi_chunk *last;
    uint64_t room;
    ecs_status status = ecsi_table_grow(storage, table, count);
    ECSI_CHECK(count > 0);
    if (status != ECS_OK) return status;
    ECSI_CHECK(table->last->next == NULL || table->last->next->count == 0);
    last = table->last;
    /* A chunk that can still grow does so first: this is its last chance. */
    if (table->capacity < table->chunk_rows && table->capacity - last->count < count) {
        uint32_t capacity = table->capacity;
        uint64_t want = (uint64_t)last->count + count;
        while (capacity < want && capacity < table->chunk_rows) {
            capacity = ecsi_min_u32(capacity * ECSI_GROWTH, table->chunk_rows);
        }
        status = ecsi_chunk_resize(storage, table, capacity);
        if (status != ECS_OK) return status;
        last = table->last;
    }
    room = last->capacity - last->count;
    if (last->next != NULL) {
        room += last->next->capacity;
        table->last = last->next;
    }
    while (room < count && status == ECS_OK) {
        status = ecsi_chunk_make(storage, table);
        if (status == ECS_OK) {
            if (table->last->next != NULL) table->last = table->last->next;
            room += table->capacity;
        }
    }
    while (status != ECS_OK && table->last != last) ecsi_chunk_free(storage, table->last);
    table->last = last;
    /* Refused: the last chunk is again the last one with rows. */
    if (status != ECS_OK && last->count == 0 && last->prev != NULL) table->last = last->prev;
    ECSI_CHECK(status != ECS_OK || room >= count);
    return status;
}

/* ---- Tables ----------------------------------------------------------------------- */

static uint64_t ecsi_set_hash(const uint32_t *ids, uint32_t count)
{
    ECSI_CHECK(ids != NULL || count == 0);
    return ecsi_hash_bytes(0x7461626c65u, ids, count * sizeof *ids);
}

/* Flags that follow from the components' hooks; again when hooks are set later. */
static void ecsi_table_flags(const ecsi_storage *storage, ecsi_table *table)
{
    uint32_t i;
    table->lifecycle = false;
    table->notify = false;
    ECSI_CHECK(table->component_count >= table->column_count);
    for (i = 0; i < table->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, table->ids[i]);
        table->notify = table->notify || c->notify;
    }
    for (i = 0; i < table->column_count; i++) {
        ecsi_column *column = &table->columns[i];
        column->lifecycle = ecsi_component_at(storage->components, column->component)->lifecycle;
        table->lifecycle = table->lifecycle || column->lifecycle;
    }
}

/* Fills what follows from the sorted set. */
static void ecsi_table_fill(const ecsi_storage *storage, ecsi_table *table, const uint32_t *ids)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t i;
    ECSI_CHECK(table->slot_count > table->component_count);
    ECSI_CHECK(table->column_count == 0);
    table->align = 64;
    for (i = 0; i < table->component_count; i++) {
        const ecsi_component *c = ecsi_component_at(storage->components, ids[i]);
        uint32_t at = (ids[i] * 0x9e3779b1u) >> table->slot_shift;
        ECSI_CHECK(i == 0 || ids[i - 1] < ids[i]);
        while (table->slots[at & mask].component != 0) at++;
        table->slots[at & mask].component = ids[i];
        table->slots[at & mask].column = ECSI_NO_COLUMN;
        table->ids[i] = ids[i];
        table->bloom |= (uint64_t)1 << (ids[i] & 63u);
        if (c->type.bytes == 0) continue;
        table->slots[at & mask].column = table->column_count;
        table->columns[table->column_count].component = ids[i];
        table->columns[table->column_count].bytes = c->type.bytes;
        table->column_count++;
        table->align = ecsi_max_u32(table->align, c->type.align);
    }
    ecsi_table_flags(storage, table);
}

/* Memory for a table of so many components, from ecsi_keep. */
static ecsi_table *ecsi_table_alloc(ecsi_storage *storage, uint32_t count)
{
    ecsi_memory *memory = storage->memory;
    ecsi_table *table = (ecsi_table *)ecsi_keep(memory, sizeof *table, 64);
    ECSI_CHECK(count <= ECSI_TABLE_COMPONENTS_MAX);
    if (table == NULL) return NULL;
    table->component_count = count;
    table->slot_count = ecsi_round_up_power(ecsi_max_u32(count * 2, 2));
    table->slot_shift = 32 - ecsi_lowest_bit(table->slot_count);
    table->columns = (ecsi_column *)ecsi_keep(memory, count * sizeof(ecsi_column), 16);
    table->slots =
        (ecsi_table_slot *)ecsi_keep(memory, table->slot_count * sizeof(ecsi_table_slot), 16);
    table->ids = (uint32_t *)ecsi_keep(memory, count * sizeof(uint32_t), 4);
    ECSI_CHECK(ecsi_is_power_of_two(table->slot_count));
    return table->columns != NULL && table->slots != NULL && table->ids != NULL ? table : NULL;
}

/* The components that are used first get a getter each, which makes plain access fast; when
 * one is refused they do without. */
static void ecsi_table_getters(ecsi_storage *storage, const ecsi_table *table)
{
    uint32_t i;
    ECSI_CHECK(storage->getter_count <= storage->getters_max);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_getter_slot *slot;
        uint32_t id = table->columns[i].component;
        if (storage->getter_count >= storage->getters_max / 2) return;
        if (ecsi_component_at(storage->components, id)->getter != 0) continue;
        if (ecsi_getter_need(storage, id, &slot) != ECS_OK) return;
        ECSI_CHECK(slot->component == id);
    }
}

/* Makes the table of a sorted set that has none. Nothing is changed on failure. */
static ecs_status ecsi_table_make(ecsi_storage *storage, const uint32_t *ids, uint32_t count,
                                  uint64_t hash, ecsi_table **out)
{
    ecsi_memory *memory = storage->memory;
    ecsi_keep_mark mark = ecsi_keep_where(memory);
    ecsi_table *table;
    ecs_status status;
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(ids != NULL || count == 0);
    ECSI_CHECK(storage->slot_total <= storage->slots_max);
    if (storage->slots_max - storage->slot_total < count) return ECS_FULL;
    if (count > ECSI_TABLE_COMPONENTS_MAX) return ECS_TOO_LARGE;
    status = ecsi_vec_reserve(memory, &storage->tables, storage->tables.count + 1,
                              storage->tables_max, sizeof(ecsi_table *));
    if (status == ECS_OK) status = ecsi_map_reserve(memory, &storage->by_set);
    if (status != ECS_OK) return status;
    table = ecsi_table_alloc(storage, count);
    status = table != NULL ? ECS_OK : memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    if (status == ECS_OK) {
        table->id = storage->tables.count;
        table->hash = hash;
        ecsi_table_fill(storage, table, ids);
        table->chunk_rows = ecsi_layout_rows(storage, table);
        if (table->chunk_rows == 0 && !memory->fixed) table->chunk_rows = table->block_rows = 1;
        if (table->chunk_rows == 0 ||
            ecsi_layout_bytes(storage, table, table->chunk_rows) > 0x7fffffffu) {
            status = ECS_TOO_LARGE;
        }
    }
    if (status == ECS_OK) {
        uint32_t rows = memory->fixed ? table->chunk_rows : ECSI_FIRST_ROWS;
        ecsi_layout_set(storage, table, ecsi_min_u32(rows, table->chunk_rows));
        if (storage->on_table != NULL) status = storage->on_table(storage->on_table_user, table);
    }
    if (status != ECS_OK) {
        ecsi_keep_rewind(memory, mark);
        return status;
    }
    *ECSI_VEC_AT(ecsi_table *, &storage->tables, storage->tables.count++) = table;
    ecsi_map_put(&storage->by_set, hash, table->id);
    storage->slot_total += count;
    ecsi_table_getters(storage, table);
    ECSI_CHECK(storage->by_set.count == storage->tables.count);
    *out = table;
    return ECS_OK;
}

/* The table of a sorted set of components; made when there is none. */
static ecs_status ecsi_table_of_set(ecsi_storage *storage, const uint32_t *ids, uint32_t count,
                                    ecsi_table **out)
{
    uint64_t hash = ecsi_set_hash(ids, count);
    uint32_t at = 0;
    uint32_t id = ecsi_map_find(&storage->by_set, hash, &at);
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(storage->by_set.count == storage->tables.count);
    while (id != ECSI_MAP_NONE) {
        ecsi_table *table = ecsi_table_at(storage, id);
        ECSI_CHECK(table->hash == hash);
        if (table->component_count == count &&
            (count == 0 || memcmp(table->ids, ids, count * sizeof *ids) == 0)) {
            *out = table;
            return ECS_OK;
        }
        id = ecsi_map_next(&storage->by_set, hash, &at);
    }
    return ecsi_table_make(storage, ids, count, hash, out);
}

/* Room in the scratch set for the components of `table` and `more`; NULL when refused. */
static uint32_t *ecsi_scratch_set(ecsi_storage *storage, const ecsi_table *table, uint32_t more)
{
    uint32_t need = (table == NULL ? 0 : table->component_count) + more;
    ecs_status status;
    ECSI_CHECK(need < 0x7fffffffu);
    storage->scratch.count = 0;
    status = ecsi_vec_reserve(storage->memory, &storage->scratch, ecsi_max_u32(need, 1),
                              0x7fffffffu, sizeof(uint32_t));
    if (status != ECS_OK) return NULL;
    if (table != NULL && table->component_count > 0) {
        memcpy(storage->scratch.data, table->ids, table->component_count * sizeof(uint32_t));
    }
    ECSI_CHECK(storage->scratch.capacity >= need);
    return (uint32_t *)storage->scratch.data;
}

/* The slow way over an edge: builds the set and looks for its table. */
static ECSI_NOINLINE ecs_status ecsi_table_edge_slow(ecsi_storage *storage, ecsi_table *table,
                                                     uint32_t component, bool remove,
                                                     ecsi_table **out)
{
    uint64_t key = (uint64_t)table->id << 32 | component * 2u | (remove ? 1u : 0u);
    uint32_t at;
    uint32_t id = ecsi_map_find(&storage->edges, key, &at);
    uint32_t *set;
    uint32_t count = table->component_count;
    ecs_status status;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(ecsi_component_known(storage->components, component));
    if (id != ECSI_MAP_NONE) {
        *out = ecsi_table_at(storage, id);
        return ECS_OK;
    }
    set = ecsi_scratch_set(storage, table, ECSI_REQUIRE_MAX);
    if (set == NULL) return ECS_NO_MEMORY;
    if (remove) {
        count = ecsi_set_erase(set, count, component);
    } else {
        uint32_t added[ECSI_REQUIRE_MAX];
        uint32_t added_count = ecsi_require_closure(storage->components, component, added);
        uint32_t i;
        ECSI_CHECK(added_count <= ECSI_REQUIRE_MAX);
        for (i = 0; i < added_count; i++) count = ecsi_set_insert(set, count, added[i]);
    }
    status = ecsi_table_of_set(storage, set, count, out);
    /* An edge that cannot be remembered is found again the slow way. */
    if (status == ECS_OK && ecsi_map_reserve(storage->memory, &storage->edges) == ECS_OK) {
        ecsi_map_put(&storage->edges, key, (*out)->id);
    }
    return status;
}

/* The table that an entity of `table` gets to when a component is added or removed. */
static inline ecs_status ecsi_table_edge(ecsi_storage *storage, ecsi_table *table,
                                         uint32_t component, bool remove, ecsi_table **out)
{
    uint32_t key = component * 2u | (remove ? 1u : 0u);
    ecs_status status;
    if (ECSI_LIKELY(table->edge_key == key)) {
        *out = table->edge_to;
        return ECS_OK;
    }
    status = ecsi_table_edge_slow(storage, table, component, remove, out);
    ECSI_CHECK(status != ECS_OK || *out != NULL);
    ECSI_CHECK(status != ECS_OK || (ecsi_table_find(*out, component) == NULL) == remove);
    if (status == ECS_OK) {
        table->edge_key = key;
        table->edge_to = *out;
    }
    return status;
}

/* A component requires more from now on: edges that add it are found anew. */
static void ecsi_storage_edges_forget(ecsi_storage *storage)
{
    uint32_t t;
    ECSI_CHECK(storage->edges.count <= storage->edges.slot_count);
    if (storage->edges.slot_count > 0) {
        memset(storage->edges.slots, 0xff, storage->edges.slot_count * sizeof(ecsi_map_slot));
        storage->edges.count = 0;
    }
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table_at(storage, t)->edge_key = 0;
        ECSI_CHECK(ecsi_table_at(storage, t)->id == t);
    }
}

/* ---- Rows: the store's interface --------------------------------------------------- */

/* Makes sure that a row can be added. */
static inline ecs_status ecsi_row_reserve(ecsi_storage *storage, ecsi_table *table)
{
    ECSI_CHECK(table->last == NULL || table->last->table == table);
    ECSI_CHECK(table->capacity <= table->chunk_rows);
    if (ECSI_LIKELY(table->last != NULL && table->last->count < table->last->capacity)) {
        return ECS_OK;
    }
    return ecsi_table_grow(storage, table, 1);
}

/* Adds a row for an entity; ecsi_row_reserve was ECS_OK. Its values are raw memory. */
static inline ecsi_chunk *ecsi_row_push(ecsi_storage *storage, ecsi_table *table,
                                        ecs_entity entity, ecsi_record *record)
{
    ecsi_chunk *chunk = table->last;
    uint32_t row = chunk->count;
    ECSI_CHECK(row < chunk->capacity);
    ECSI_CHECK(chunk->table == table);
    ECSI_CHECK(!ecs_is_null(entity));
    ECSI_CHECK(record == ecsi_entities_record(storage->entities, ecs_index(entity)));
    chunk->count = row + 1;
    table->row_count++;
    *(ecs_entity *)(void *)(ecsi_chunk_bytes(chunk) + table->entities_offset +
                            (size_t)row * sizeof(ecs_entity)) = entity;
    ecsi_record_place(storage->entities, record, chunk->id, row);
    ecsi_chunk_ticks(chunk)[row >> table->block_shift] = *storage->tick;
    return chunk;
}

/* Moves one plain value of the usual sizes without a call. */
static inline void ecsi_bytes_move(void *to, const void *from, uint32_t bytes)
{
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(to != NULL && from != NULL && to != from);
    if (ECSI_LIKELY(bytes == 8)) {
        memcpy(to, from, 8);
        return;
    }
    switch (bytes) {
    case 4: memcpy(to, from, 4); break;
    case 12: memcpy(to, from, 12); break;
    case 16: memcpy(to, from, 16); break;
    case 32: memcpy(to, from, 32); break;
    default: memcpy(to, from, bytes); break;
    }
}

static inline void ecsi_bytes_zero(void *to, uint32_t bytes)
{
    ECSI_CHECK(to != NULL);
    ECSI_CHECK(bytes > 0);
    switch (bytes) {
    case 4: memset(to, 0, 4); break;
    case 8: memset(to, 0, 8); break;
    case 16: memset(to, 0, 16); break;
    default: memset(to, 0, bytes); break;
    }
}

static inline void ecsi_column_move(const ecsi_storage *storage, const ecsi_column *column,
                                    void *to, void *from)
{
    ECSI_CHECK(to != from);
    ECSI_CHECK(column->lifecycle ==
               ecsi_component_at(storage->components, column->component)->lifecycle);
    if (ECSI_UNLIKELY(column->lifecycle)) {
        ecsi_values_move(ecsi_component_at(storage->components, column->component), to, from, 1);
    } else {
        ecsi_bytes_move(to, from, column->bytes);
    }
}

/* The last chunk became empty: it stays as the one spare, an older spare goes. */
static ECSI_NOINLINE void ecsi_table_retreat(ecsi_storage *storage, ecsi_table *table)
{
    ecsi_chunk *last = table->last;
    ECSI_CHECK(last->count == 0);
    ECSI_CHECK(table->first != NULL);
    if (last->next != NULL) ecsi_chunk_free(storage, last->next);
    if (last->prev != NULL) table->last = last->prev;
    ECSI_CHECK(table->last->next == NULL || table->last->next->count == 0);
}

/* Takes a row out whose values are gone: the table's last row takes its place. */
static inline void ecsi_row_pop(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t row)
{
    ecsi_table *table = chunk->table;
    ecsi_chunk *last = table->last;
    uint32_t last_row = last->count - 1;
    uint32_t i;
    ECSI_CHECK(last->count > 0);
    ECSI_CHECK(table->row_count >= chunk->count);
    ECSI_CHECK(row < chunk->count);
    if (chunk != last || row != last_row) {
        ecs_entity moved = ecsi_chunk_entities(last)[last_row];
        ecsi_record *record = ecsi_entities_record(storage->entities, ecs_index(moved));
        ECSI_CHECK(ecsi_record_chunk(storage->entities, record) == last->id);
        ECSI_CHECK(ecsi_record_row(storage->entities, record) == last_row);
        ecsi_chunk_entities(chunk)[row] = moved;
        for (i = 0; i < table->column_count; i++) {
            const ecsi_column *column = &table->columns[i];
            void *to = ecsi_chunk_value(chunk, column, row);
            void *from = ecsi_chunk_value(last, column, last_row);
            if (ECSI_UNLIKELY(table->lifecycle)) {
                ecsi_column_move(storage, column, to, from);
            } else {
                ecsi_bytes_move(to, from, column->bytes);
            }
        }
        ecsi_record_place(storage->entities, record, chunk->id, row);
        *ecsi_chunk_row_tick(chunk, row) = *storage->tick;
    }
    last->count = last_row;
    table->row_count--;
    if (ECSI_UNLIKELY(last_row == 0)) ecsi_table_retreat(storage, table);
}

/* Which new values stay raw for the caller to build: one, or those with a mark. */
typedef struct ecsi_raw {
    uint32_t one;
    const unsigned char *marks; /* by component id, or NULL */
} ecsi_raw;

static inline void ecsi_column_init(ecsi_storage *storage, const ecsi_column *column,
                                    void *value, ecsi_raw raw)
{
    if (column->component == raw.one) return;
    if (raw.marks != NULL && raw.marks[column->component] != 0) return;
    ecsi_values_init(ecsi_component_at(storage->components, column->component), value, 1);
}

/* Builds the values of a new row. */
static void ecsi_row_init(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t row, ecsi_raw raw)
{
    const ecsi_table *table = chunk->table;
    uint32_t i;
    ECSI_CHECK(row < chunk->count);
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        ecsi_column_init(storage, column, ecsi_chunk_value(chunk, column, row), raw);
    }
}

/* The values of a row on its way to another table, where some have hooks. */
static ECSI_NOINLINE void ecsi_row_move_hooked(ecsi_storage *storage, ecsi_chunk *old,
                                               uint32_t old_row, ecsi_chunk *chunk,
                                               ecsi_raw raw)
{
    const ecsi_column *a = old->table->columns;
    const ecsi_column *a_end = a + old->table->column_count;
    const ecsi_column *b = chunk->table->columns;
    const ecsi_column *b_end = b + chunk->table->column_count;
    uint32_t row = chunk->count - 1;
    ECSI_CHECK(old->table != chunk->table);
    ECSI_CHECK(old_row < old->count);
    while (a < a_end || b < b_end) {
        if (a < a_end && b < b_end && a->component == b->component) {
            ecsi_column_move(storage, a, ecsi_chunk_value(chunk, b, row),
                             ecsi_chunk_value(old, a, old_row));
            a++;
            b++;
        } else if (b == b_end || (a < a_end && a->component < b->component)) {
            if (ECSI_UNLIKELY(a->lifecycle)) {
                ecsi_values_destroy(ecsi_component_at(storage->components, a->component),
                                    ecsi_chunk_value(old, a, old_row), 1);
            }
            a++;
        } else {
            ecsi_column_init(storage, b, ecsi_chunk_value(chunk, b, row), raw);
            b++;
        }
    }
}

/* Moves an entity's row to another table: shared values go along, others end, new ones are
 * built. `ecsi_row_reserve(to)` was ECS_OK. */
static inline void ecsi_row_move(ecsi_storage *storage, ecs_entity entity, ecsi_record *record,
                                 ecsi_table *to, ecsi_raw raw)
{
    ecsi_chunk *old = ecsi_record_chunk_at(storage, record);
    uint32_t old_row = ecsi_record_row(storage->entities, record);
    ecsi_table *from = old->table;
    ecsi_chunk *chunk = ecsi_row_push(storage, to, entity, record);
    uint32_t row = ecsi_record_row(storage->entities, record);
    const ecsi_column *a = from->columns;
    const ecsi_column *a_end = a + from->column_count;
    const ecsi_column *b = to->columns;
    const ecsi_column *b_end = b + to->column_count;
    ECSI_CHECK(from != to);
    ECSI_CHECK(ecs_index(ecsi_chunk_entities(old)[old_row]) == ecs_index(entity));
    ECSI_CHECK(chunk->table == to && row + 1 == chunk->count);
    if (ECSI_UNLIKELY(from->lifecycle || to->lifecycle)) {
        ecsi_row_move_hooked(storage, old, old_row, chunk, raw);
    } else {
        while (b < b_end) {
            unsigned char *value = ecsi_chunk_bytes(chunk) + b->offset + (size_t)row * b->bytes;
            while (a < a_end && a->component < b->component) a++;
            if (a < a_end && a->component == b->component) {
                ecsi_bytes_move(value, ecsi_chunk_bytes(old) + a->offset +
                                           (size_t)old_row * a->bytes, a->bytes);
                a++;
            } else if (b->component != raw.one &&
                       (raw.marks == NULL || raw.marks[b->component] == 0)) {
                ecsi_bytes_zero(value, b->bytes);
            }
            b++;
        }
    }
    ecsi_row_pop(storage, old, old_row);
}

/* Ends all values of rows first to first + count - 1. */
static void ecsi_rows_destroy(ecsi_storage *storage, ecsi_chunk *chunk, uint32_t first,
                              uint32_t count)
{
    const ecsi_table *table = chunk->table;
    uint32_t i;
    ECSI_CHECK(first + count <= chunk->count);
    if (!table->lifecycle || count == 0) return;
    for (i = 0; i < table->column_count; i++) {
        const ecsi_column *column = &table->columns[i];
        if (!column->lifecycle) continue;
        ecsi_values_destroy(ecsi_component_at(storage->components, column->component),
                            ecsi_chunk_value(chunk, column, first), count);
    }
}

/* An entity's value of a component, or NULL. */
static inline void *ecsi_row_value(const ecsi_storage *storage, const ecsi_record *record,
                                   uint32_t component)
{
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    const ecsi_table_slot *slot = ecsi_table_find(chunk->table, component);
    ECSI_CHECK(record->place != 0);
    if (slot == NULL || slot->column == ECSI_NO_COLUMN) return NULL;
    ECSI_CHECK(ecsi_record_row(storage->entities, record) < chunk->count);
    return ecsi_chunk_value(chunk, &chunk->table->columns[slot->column],
                            ecsi_record_row(storage->entities, record));
}

/* The row block of a value counts as changed. */
static inline void ecsi_row_touch(const ecsi_storage *storage, const ecsi_record *record,
                                  uint32_t component)
{
    ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
    const ecsi_table_slot *slot = ecsi_table_find(chunk->table, component);
    ECSI_CHECK(record->place != 0);
    ECSI_CHECK(ecsi_record_row(storage->entities, record) < chunk->count);
    if (slot == NULL || slot->column == ECSI_NO_COLUMN) return;
    *ecsi_chunk_tick(chunk, slot->column, ecsi_record_row(storage->entities, record)) =
        *storage->tick;
}

/* ---- Life ------------------------------------------------------------------------- */

/* Gives back what rows do not need; answers the bytes. */
static size_t ecsi_storage_shrink(ecsi_storage *storage)
{
    size_t before = storage->chunk_bytes_total;
    size_t given = storage->retired == NULL ? 0 : storage->retired->bytes;
    uint32_t t;
    if (storage->retired != NULL) ecsi_chunk_retire(storage, NULL, 1);
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table *table = ecsi_table_at(storage, t);
        uint32_t capacity = ECSI_FIRST_ROWS;
        ecsi_table_trim(storage, table);
        if (storage->memory->fixed || table->chunk_count > 1) continue;
        while (capacity < table->row_count) capacity *= ECSI_GROWTH;
        capacity = ecsi_min_u32(capacity, table->chunk_rows);
        if (table->first == NULL) {
            ecsi_layout_set(storage, table, capacity);
        } else if (capacity < table->capacity) {
            /* When there is no memory to move to, the table stays as large as it is. */
            (void)ecsi_chunk_resize(storage, table, capacity);
        }
        ECSI_CHECK(table->row_count <= table->capacity || table->chunk_count > 1);
    }
    ECSI_CHECK(storage->chunk_bytes_total <= before);
    if (storage->retired != NULL) ecsi_chunk_retire(storage, NULL, 1);
    return given + (before - storage->chunk_bytes_total);
}

static ecs_status ecsi_storage_create(ecsi_storage *storage)
{
    ecsi_memory *memory = storage->memory;
    uint32_t bases = storage->chunks_max + 1;
    uint32_t i;
    ecs_status status = ecsi_vec_create(memory, &storage->tables, storage->tables_max,
                                        sizeof(ecsi_table *));
    ECSI_CHECK(ecsi_is_power_of_two(storage->row_block_rows));
    if (status == ECS_OK) status = ecsi_map_create(memory, &storage->by_set, storage->tables_max);
    if (status == ECS_OK) {
        status = ecsi_map_create(memory, &storage->edges, storage->tables_max * 4);
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &storage->chunks, bases, sizeof(ecsi_chunk *));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &storage->free_ids, bases, sizeof(uint32_t));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &storage->scratch,
                                 storage->components->max * 2 + ECSI_REQUIRE_MAX,
                                 sizeof(uint32_t));
    }
    if (status != ECS_OK || !memory->fixed) return status;
    for (i = 0; i < storage->getters_max; i++) {
        unsigned char **p = (unsigned char **)ecsi_alloc(memory, bases * sizeof *p, 16);
        if (memory->measuring) continue;
        if (p == NULL) return ECS_NO_MEMORY;
        memset(p, 0, bases * sizeof *p);
        storage->getters[i].bases = p;
        storage->getter_capacity[i] = bases;
    }
    storage->pool = (unsigned char *)ecsi_alloc(
        memory, (size_t)storage->chunks_max * storage->chunk_bytes, ECS_ALIGN_MAX);
    ECSI_CHECK(storage->free_ids.count == 0);
    return storage->pool != NULL || memory->measuring ? ECS_OK : ECS_NO_MEMORY;
}

/* Gives all memory back; the values in it must have ended. */
static void ecsi_storage_destroy(ecsi_storage *storage)
{
    ecsi_memory *memory = storage->memory;
    uint32_t i;
    for (i = 0; i < storage->tables.count; i++) {
        ecsi_table *table = ecsi_table_at(storage, i);
        ECSI_CHECK(table->row_count == 0);
        ecsi_table_trim(storage, table);
    }
    ECSI_CHECK(storage->chunk_count == 0);
    if (storage->retired != NULL) ecsi_chunk_retire(storage, NULL, 1);
    ECSI_CHECK(storage->chunk_bytes_total == 0);
    for (i = 0; i < storage->getter_count; i++) {
        ecsi_release(memory, storage->getters[i].bases,
                     storage->getter_capacity[i] * sizeof(unsigned char *), 16);
    }
    ecsi_vec_destroy(memory, &storage->tables, sizeof(ecsi_table *));
    ecsi_map_destroy(memory, &storage->by_set);
    ecsi_map_destroy(memory, &storage->edges);
    ecsi_vec_destroy(memory, &storage->chunks, sizeof(ecsi_chunk *));
    ecsi_vec_destroy(memory, &storage->free_ids, sizeof(uint32_t));
    ecsi_vec_destroy(memory, &storage->scratch, sizeof(uint32_t));
}

#endif /* ECS_STORAGE_H */
