/* query.h: which tables a set of terms matches, and walking over them.
 *
 * A query keeps the list of its tables. A new table is offered to every query once, when it
 * is made; so walking never searches, and reading a world writes nothing. */
/* floor: 7 */
#ifndef ECS_QUERY_H
#define ECS_QUERY_H

#include "edit.h"

typedef struct ecsi_query_term {
    uint32_t component;
    uint16_t access;  /* ecs_access */
    uint16_t writes;  /* marks its row blocks as changed */
} ecsi_query_term;

/* One table of a query: the table, then a column index for each term. */
typedef struct ecsi_match {
    ecsi_table *table;
    uint16_t columns[ECS_TERMS_MAX]; /* really term_count, rounded up: see match_bytes */
} ecsi_match;

typedef struct ecsi_query {
    char name[ECS_NAME_BYTES_MAX];
    ecsi_query_term *terms;
    uint32_t term_count;
    uint32_t match_bytes;
    uint64_t bloom;      /* of components that must be there */
    bool writes;
    bool system;         /* has no columns to walk: runs once */
    ecsi_vec matches;    /* of bytes; count and capacity in matches */
    uint32_t id;
    struct ecsi_query *next; /* fixed: whose match list lies behind this one's */
} ecsi_query;

typedef struct ecsi_queries {
    ecsi_storage *storage;
    ecsi_vec list;       /* of ecsi_query *, by id minus one; NULL: the id is free */
    uint32_t live;       /* that are not NULL */
    ecsi_slab slab;
    ecsi_map by_address; /* of typed descriptions */
    uint32_t max;
    /* Fixed: all match lists lie in one piece of memory without gaps. When one goes, those
     * behind it move up. */
    unsigned char *match_data;
    size_t match_bytes_max;
    size_t match_bytes;
    ecsi_query *match_first;
    ecsi_query *match_last;
} ecsi_queries;

/* Bytes of a query with so many terms, and what ecsi_keep may need for one. */
#define ECSI_QUERY_BYTES(terms)                                                    \
    (((sizeof(ecsi_query) + 7) & ~(size_t)7) + (terms) * sizeof(ecsi_query_term))
#define ECSI_QUERY_SLOT_BYTES ((ECSI_QUERY_BYTES(ECS_TERMS_MAX) + 63) & ~(size_t)63)
#define ECSI_QUERY_KEEP_BYTES (ECSI_QUERY_SLOT_BYTES + 64)

static inline bool ecsi_access_is_column(uint32_t access)
{
    return access == ECS_ACCESS_READ || access == ECS_ACCESS_WRITE ||
           access == ECS_ACCESS_OPTIONAL || access == ECS_ACCESS_OPTIONAL_WRITE ||
           access == ECS_ACCESS_ANY || access == ECS_ACCESS_ANY_MORE;
}

/* Terms that decide about tables. */
static inline bool ecsi_access_is_match(uint32_t access)
{
    return ecsi_access_is_column(access) || access == ECS_ACCESS_WITH || access == ECS_ACCESS_NOT;
}

static inline bool ecsi_access_is_resource(uint32_t access)
{
    return access == ECS_ACCESS_RES_READ || access == ECS_ACCESS_RES_WRITE;
}

static inline bool ecsi_access_is_required(uint32_t access)
{
    return access == ECS_ACCESS_READ || access == ECS_ACCESS_WRITE || access == ECS_ACCESS_WITH;
}

/* NULL when the id is free. */
static inline ecsi_query *ecsi_query_at(const ecsi_queries *queries, uint32_t id)
{
    ECSI_CHECK(id != 0 && id <= queries->list.count);
    return *ECSI_VEC_AT(ecsi_query *, &queries->list, id - 1);
}

static inline ecsi_match *ecsi_match_at(const ecsi_query *query, uint32_t index)
{
    ECSI_CHECK(index < query->matches.count);
    return (ecsi_match *)(void *)((unsigned char *)query->matches.data +
                                  (size_t)index * query->match_bytes);
}

/* ---- Matching ---------------------------------------------------------------------- */

static bool ecsi_query_matches(const ecsi_query *query, const ecsi_table *table)
{
    bool group_open = false;
    bool group_met = true;
    uint32_t t;
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    if (query->system || (table->bloom & query->bloom) != query->bloom) return false;
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        bool has;
        if (!ecsi_access_is_match(term->access)) continue;
        has = ecsi_table_find(table, term->component) != NULL;
        if (ecsi_access_is_required(term->access) && !has) return false;
        if (term->access == ECS_ACCESS_NOT && has) return false;
        if (term->access == ECS_ACCESS_ANY) {
            if (group_open && !group_met) return false;
            group_open = true;
            group_met = has;
        } else if (term->access == ECS_ACCESS_ANY_MORE) {
            group_met = group_met || has;
        }
    }
    ECSI_CHECK(group_open || group_met);
    return group_met;
}

/* Appends a table; there is room for it. */
static void ecsi_query_push(ecsi_query *query, ecsi_table *table)
{
    ecsi_match *match;
    uint32_t t;
    ECSI_CHECK(query->matches.count < query->matches.capacity);
    ECSI_CHECK_SLOW(ecsi_query_matches(query, table));
    query->matches.count++;
    match = ecsi_match_at(query, query->matches.count - 1);
    match->table = table;
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        const ecsi_table_slot *slot = NULL;
        if (ecsi_access_is_column(term->access)) slot = ecsi_table_find(table, term->component);
        match->columns[t] = (uint16_t)(slot == NULL ? ECSI_NO_COLUMN : slot->column);
    }
    ECSI_CHECK(match->table->component_count <= ECSI_TABLE_COMPONENTS_MAX);
}

/* A new table: first makes room in every list that wants it, then appends; so it is in all
 * lists or in none. */
static ecs_status ecsi_queries_on_table(void *user, ecsi_table *table)
{
    ecsi_queries *queries = (ecsi_queries *)user;
    ecsi_storage *storage = queries->storage;
    uint32_t i;
    ECSI_CHECK(table != NULL);
    ECSI_CHECK(table->id == storage->tables.count);
    for (i = 1; i <= queries->list.count; i++) {
        ecsi_query *query = ecsi_query_at(queries, i);
        ecs_status status;
        if (query == NULL || !ecsi_query_matches(query, table)) continue;
        status = ecsi_vec_reserve(storage->memory, &query->matches, query->matches.count + 1,
                                  storage->tables_max, query->match_bytes);
        if (status != ECS_OK) return status;
    }
    for (i = 1; i <= queries->list.count; i++) {
        ecsi_query *query = ecsi_query_at(queries, i);
        if (query != NULL && ecsi_query_matches(query, table)) ecsi_query_push(query, table);
    }
    return ECS_OK;
}

/* ---- Making ------------------------------------------------------------------------- */

/* Resolves the terms' components. */
static ecs_status ecsi_query_resolve(ecsi_queries *queries, const ecs_query_info *info,
                                     ecsi_query_term *terms)
{
    ecsi_components *components = queries->storage->components;
    uint32_t t;
    ECSI_CHECK(info->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < info->term_count; t++) {
        const ecs_term *from = &info->terms[t];
        uint32_t id = from->component.id;
        ECSI_REQUIRE((uint32_t)from->access > 0 && from->access < ECS_ACCESS_COUNT, ECS_INVALID);
        if (id == 0) {
            ecs_status status = ecsi_component_need(components, from->type, &id);
            if (status != ECS_OK) return status;
        }
        ECSI_REQUIRE(ecsi_component_known(components, id), ECS_INVALID);
        terms[t].component = id;
        terms[t].access = (uint16_t)from->access;
        terms[t].writes = from->access == ECS_ACCESS_WRITE ||
                          from->access == ECS_ACCESS_OPTIONAL_WRITE;
    }
    return ECS_OK;
}

/* No type twice among the terms that match; groups begin with their first term. */
static ecs_status ecsi_query_check(const ecsi_query_term *terms, uint32_t count, bool system)
{
    uint32_t a;
    uint32_t b;
    ECSI_CHECK(count <= ECS_TERMS_MAX);
    ECSI_CHECK(terms != NULL || count == 0);
    for (a = 0; a < count; a++) {
        bool match = ecsi_access_is_match(terms[a].access);
        if (!match && !system) return ECS_INVALID;
        if (terms[a].access == ECS_ACCESS_ANY_MORE) {
            if (a == 0) return ECS_INVALID;
            if (terms[a - 1].access != ECS_ACCESS_ANY &&
                terms[a - 1].access != ECS_ACCESS_ANY_MORE) {
                return ECS_INVALID;
            }
        }
        for (b = 0; b < a; b++) {
            if (terms[a].component != terms[b].component) continue;
            if (match && ecsi_access_is_match(terms[b].access)) return ECS_INVALID;
            if (!match && terms[a].access == terms[b].access) return ECS_INVALID;
            if (ecsi_access_is_resource(terms[a].access) &&
                ecsi_access_is_resource(terms[b].access)) {
                return ECS_INVALID;
            }
        }
    }
    return ECS_OK;
}

/* The last match list goes at the end of those that are there. */
static void ecsi_match_append(ecsi_queries *queries, ecsi_query *query, size_t bytes)
{
    ECSI_CHECK(bytes <= queries->match_bytes_max - queries->match_bytes);
    ECSI_CHECK(queries->match_data != NULL);
    query->matches.data = queries->match_data + queries->match_bytes;
    query->matches.capacity = queries->storage->tables_max;
    queries->match_bytes += bytes;
    if (queries->match_last == NULL) {
        queries->match_first = query;
    } else {
        queries->match_last->next = query;
    }
    queries->match_last = query;
}

/* Takes a match list out; those behind it move up. Only what is in them is touched. */
static void ecsi_match_remove(ecsi_queries *queries, ecsi_query *query)
{
    size_t bytes = (size_t)query->match_bytes * query->matches.capacity;
    ecsi_query *before = queries->match_first == query ? NULL : queries->match_first;
    ecsi_query *each;
    ECSI_CHECK(bytes <= queries->match_bytes);
    ECSI_CHECK(queries->match_first != NULL);
    while (before != NULL && before->next != query) before = before->next;
    for (each = query->next; each != NULL; each = each->next) {
        unsigned char *to = (unsigned char *)each->matches.data - bytes;
        memmove(to, each->matches.data, (size_t)each->match_bytes * each->matches.count);
        each->matches.data = to;
    }
    if (before == NULL) {
        queries->match_first = query->next;
    } else {
        before->next = query->next;
    }
    if (queries->match_last == query) queries->match_last = before;
    queries->match_bytes -= bytes;
}

/* Gives a query's memory back; it is in no list of queries. */
static void ecsi_query_free(ecsi_queries *queries, ecsi_query *query)
{
    ecsi_memory *memory = queries->storage->memory;
    ECSI_CHECK(query != NULL);
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    if (!memory->fixed) {
        ecsi_vec_destroy(memory, &query->matches, query->match_bytes);
    } else if (query->matches.data != NULL) {
        ecsi_match_remove(queries, query);
    }
    ecsi_slab_give(memory, &queries->slab, query, ECSI_QUERY_BYTES(query->term_count));
}

/* Memory for a query and, in fixed mode, for as many matches as there can be tables. */
static ecs_status ecsi_query_alloc(ecsi_queries *queries, const ecsi_query_term *terms,
                                   uint32_t count, ecsi_query **out)
{
    ecsi_memory *memory = queries->storage->memory;
    ecsi_query *query =
        (ecsi_query *)ecsi_slab_take(memory, &queries->slab, ECSI_QUERY_BYTES(count));
    ECSI_CHECK(out != NULL);
    if (query == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    query->terms = (ecsi_query_term *)(void *)((unsigned char *)query + ECSI_QUERY_BYTES(0));
    if (count > 0) memcpy(query->terms, terms, count * sizeof *terms);
    query->term_count = count;
    query->match_bytes = (uint32_t)ecsi_align_up(sizeof(ecsi_table *) + count * 2u, 8);
    *out = query;
    if (memory->fixed) {
        size_t bytes = (size_t)query->match_bytes * queries->storage->tables_max;
        if (bytes > queries->match_bytes_max - queries->match_bytes) return ECS_FULL;
        ecsi_match_append(queries, query, bytes);
    }
    ECSI_CHECK(query->matches.count == 0);
    return ECS_OK;
}

/* Fills a new query's match list with the tables that are there. */
static ecs_status ecsi_query_fill(ecsi_queries *queries, ecsi_query *query)
{
    ecsi_storage *storage = queries->storage;
    bool walks = false;
    uint32_t t;
    ECSI_CHECK(query->matches.count == 0);
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        walks = walks || ecsi_access_is_match(term->access);
        query->writes = query->writes || term->writes != 0;
        if (ecsi_access_is_required(term->access)) {
            query->bloom |= (uint64_t)1 << (term->component & 63u);
        }
    }
    query->system = !walks;
    for (t = 0; t < storage->tables.count; t++) {
        ecsi_table *table = ecsi_table_at(storage, t);
        ecs_status status;
        if (!ecsi_query_matches(query, table)) continue;
        status = ecsi_vec_reserve(storage->memory, &query->matches, query->matches.count + 1,
                                  storage->tables_max, query->match_bytes);
        if (status != ECS_OK) return status;
        ecsi_query_push(query, table);
    }
    ECSI_CHECK(query->matches.count <= storage->tables.count);
    return ECS_OK;
}

/* The lowest id that is free. */
static uint32_t ecsi_query_id(const ecsi_queries *queries)
{
    uint32_t id = 1;
    ECSI_CHECK(queries->live <= queries->list.count);
    if (queries->live == queries->list.count) return queries->list.count + 1;
    while (ecsi_query_at(queries, id) != NULL) id++;
    ECSI_CHECK(id <= queries->list.count);
    return id;
}

/* Nothing is changed on failure, except that types may have been registered. */
static ecs_status ecsi_query_make(ecsi_queries *queries, const ecs_query_info *info, bool system,
                                  ecsi_query **out)
{
    ecsi_memory *memory = queries->storage->memory;
    ecsi_query_term terms[ECS_TERMS_MAX];
    ecsi_query *query = NULL;
    uint32_t id;
    ecs_status status;
    ECSI_REQUIRE(info->name != NULL, ECS_INVALID);
    ECSI_CHECK(out != NULL);
    ECSI_REQUIRE(info->terms != NULL || info->term_count == 0, ECS_INVALID);
    if (info->term_count > ECS_TERMS_MAX) return ECS_INVALID;
    status = ecsi_query_resolve(queries, info, terms);
    if (status == ECS_OK) status = ecsi_query_check(terms, info->term_count, system);
    if (status != ECS_OK) return status;
    id = ecsi_query_id(queries);
    status = ecsi_vec_reserve(memory, &queries->list, id, queries->max, sizeof(ecsi_query *));
    if (status == ECS_OK) status = ecsi_query_alloc(queries, terms, info->term_count, &query);
    if (status == ECS_OK) status = ecsi_name_copy(query->name, info->name);
    if (status == ECS_OK) status = ecsi_query_fill(queries, query);
    if (status != ECS_OK) {
        if (query != NULL) ecsi_query_free(queries, query);
        return status;
    }
    if (id > queries->list.count) queries->list.count = id;
    *ECSI_VEC_AT(ecsi_query *, &queries->list, id - 1) = query;
    queries->live++;
    query->id = id;
    *out = query;
    return ECS_OK;
}

/* Forgets a query and gives its memory and its id back. Nobody walks over it. */
static void ecsi_query_drop(ecsi_queries *queries, ecsi_query *query)
{
    ECSI_CHECK(query->id != 0);
    ECSI_CHECK(ecsi_query_at(queries, query->id) == query);
    *ECSI_VEC_AT(ecsi_query *, &queries->list, query->id - 1) = NULL;
    queries->live--;
    ecsi_query_free(queries, query);
}

static ecs_status ecsi_queries_create(ecsi_queries *queries)
{
    ecsi_memory *memory = queries->storage->memory;
    ecs_status status =
        ecsi_vec_create(memory, &queries->list, queries->max, sizeof(ecsi_query *));
    ECSI_CHECK(queries->max > 0);
    ECSI_CHECK(queries->storage->on_table == NULL);
    queries->slab.bytes = ECSI_QUERY_SLOT_BYTES;
    if (status == ECS_OK) status = ecsi_map_create(memory, &queries->by_address, queries->max);
    if (status == ECS_OK && memory->fixed) {
        queries->match_data = (unsigned char *)ecsi_alloc(memory, queries->match_bytes_max, 64);
        if (queries->match_data == NULL && !memory->measuring) status = ECS_NO_MEMORY;
    }
    queries->storage->on_table = ecsi_queries_on_table;
    queries->storage->on_table_user = queries;
    return status;
}

static void ecsi_queries_destroy(ecsi_queries *queries)
{
    ecsi_memory *memory = queries->storage->memory;
    uint32_t i;
    ECSI_CHECK(queries->list.count <= queries->max);
    ECSI_CHECK(queries->by_address.count <= queries->list.count);
    for (i = 1; i <= queries->list.count && !memory->fixed; i++) {
        if (ecsi_query_at(queries, i) != NULL) ecsi_query_drop(queries, ecsi_query_at(queries, i));
    }
    ecsi_vec_destroy(memory, &queries->list, sizeof(ecsi_query *));
    ecsi_map_destroy(memory, &queries->by_address);
}

/* ---- Walking ------------------------------------------------------------------------ */

static uint32_t ecsi_query_row_count(const ecsi_query *query)
{
    uint32_t rows = 0;
    uint32_t i;
    ECSI_CHECK(query != NULL);
    for (i = 0; i < query->matches.count; i++) {
        rows += ecsi_match_at(query, i)->table->row_count;
    }
    return rows;
}

/* `query` NULL walks over nothing; `lock` NULL locks and marks nothing. */
static inline void ecsi_iter_start(ecs_iter *iter, const ecsi_query *query, uint32_t *lock,
                                   uint64_t tick)
{
    ECSI_CHECK(iter != NULL);
    ECSI_CHECK(query == NULL || query->match_bytes >= sizeof(ecsi_table *));
    iter->count = 0;
    iter->base = 0;
    iter->row = 0;
    iter->ecsi_query = query;
    iter->ecsi_chunk = NULL;
    iter->ecsi_chunk_row = 0;
    iter->ecsi_lock = lock;
    iter->ecsi_tick = tick;
    iter->ecsi_match = NULL;
    iter->ecsi_match_end = NULL;
    if (lock != NULL) *lock += 1;
    if (query == NULL || query->matches.count == 0) return;
    /* One before the first: ecs_iter_next steps first. */
    iter->ecsi_match = (const unsigned char *)query->matches.data;
    iter->ecsi_match_end = iter->ecsi_match + (size_t)query->matches.count * query->match_bytes;
}

/* Fills the span's columns, and marks what is written. */
static inline void ecsi_iter_columns(ecs_iter *iter, const ecsi_query *query,
                                     const ecsi_match *match, ecsi_chunk *chunk, uint32_t row)
{
    const ecsi_table *table = match->table;
    uint32_t t;
    ECSI_CHECK(row < chunk->count);
    ECSI_CHECK(chunk->table == table);
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < query->term_count; t++) {
        uint32_t c = match->columns[t];
        if (c == ECSI_NO_COLUMN) {
            iter->columns[t] = NULL;
            continue;
        }
        iter->columns[t] = ecsi_chunk_value(chunk, &table->columns[c], row);
        if (query->terms[t].writes && iter->ecsi_tick != UINT64_MAX) {
            *ecsi_chunk_tick(chunk, c, row) = iter->ecsi_tick;
        }
    }
}

/* Steps to the next span; `ecsi_match` is the match after the current chunk's. */
static inline bool ecsi_iter_step(ecs_iter *iter)
{
    const ecsi_query *query = (const ecsi_query *)iter->ecsi_query;
    ecsi_chunk *chunk = (ecsi_chunk *)(void *)(uintptr_t)iter->ecsi_chunk;
    uint32_t row = iter->ecsi_chunk_row + iter->count;
    const ecsi_match *match;
    ECSI_CHECK(query != NULL || iter->ecsi_match == iter->ecsi_match_end);
    iter->base += iter->count;
    iter->row = 0;
    if (chunk != NULL && row >= chunk->count) {
        chunk = chunk->next;
        row = 0;
    }
    while (chunk == NULL || chunk->count == 0) {
        if (iter->ecsi_match == iter->ecsi_match_end) {
            ecs_iter_end(iter);
            return false;
        }
        match = (const ecsi_match *)(const void *)iter->ecsi_match;
        iter->ecsi_match += query->match_bytes;
        chunk = match->table->first;
        row = 0;
    }
    match = (const ecsi_match *)(const void *)(iter->ecsi_match - query->match_bytes);
    ECSI_CHECK(chunk->table == match->table);
    iter->ecsi_chunk = chunk;
    iter->ecsi_chunk_row = row;
    iter->count = ecsi_min_u32(match->table->block_rows, chunk->count - row);
    ECSI_CHECK(iter->count > 0);
    iter->entities = ecsi_chunk_entities(chunk) + row;
    ecsi_iter_columns(iter, query, match, chunk, row);
    return true;
}

#endif /* ECS_QUERY_H */
