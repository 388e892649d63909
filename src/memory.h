/* memory.h: where all memory of a world comes from.
 *
 * Grow mode: the allocator, as needed. Fixed mode: one block that is made at creation and
 * cut into pieces by `ecsi_alloc`; when creation is done the block is sealed, and every
 * vector has its final capacity. How large the block must be is found by running the same
 * creation code over a memory that only measures, so the two cannot disagree.
 *
 * Four ways to hold memory:
 *   ecsi_alloc / ecsi_release   one piece
 *   ecsi_vec                    an array that grows to a maximum
 *   ecsi_keep                   small things that live as long as the world
 *   ecsi_slab                   things of one kind that come and go */
/* floor: 2 */
#ifndef ECS_MEMORY_H
#define ECS_MEMORY_H

#include "base.h"

/* Bytes of one block of ecsi_keep in grow mode. */
#define ECSI_KEEP_BLOCK_BYTES 16384u
/* Alignment that malloc promises on every machine that we know. */
#define ECSI_MALLOC_ALIGN 16u

typedef struct ecsi_keep_block {
    struct ecsi_keep_block *next;
    size_t bytes;
    size_t used; /* offset from the block's start */
} ecsi_keep_block;

typedef struct ecsi_memory {
    ecs_allocator allocator;
    size_t bytes_allocated;
    bool fixed;
    bool measuring;         /* fixed: add up, hand out nothing */
    unsigned char *block;   /* fixed: the one block */
    size_t block_bytes;
    size_t block_used;
    ecsi_keep_block *keep;  /* newest first */
} ecsi_memory;

/* Memory of at least a huge page; free() gives it back. */
static void *ecsi_large_alloc(size_t bytes)
{
    void *memory = ECSI_HUGE_PAGES ? ecsi_aligned_alloc(bytes, ECSI_HUGE_BYTES) : malloc(bytes);
    ECSI_CHECK(bytes >= ECSI_HUGE_BYTES);
    ECSI_CHECK(!ECSI_HUGE_PAGES || (uintptr_t)memory % ECSI_HUGE_BYTES == 0);
    if (memory != NULL) ecsi_huge_pages(memory, bytes);
    return memory;
}

static void *ecsi_default_alloc(size_t bytes, size_t align, void *user)
{
    (void)user;
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    if (bytes >= ECSI_HUGE_BYTES && ECSI_HUGE_PAGES) return ecsi_large_alloc(bytes);
    return align <= ECSI_MALLOC_ALIGN ? malloc(bytes) : ecsi_aligned_alloc(bytes, align);
}

/* Large memory moves to memory of its own instead of being stretched: only what is new to the
 * system from its first touch on gets huge pages. */
static void *ecsi_default_resize(void *memory, size_t old_bytes, size_t new_bytes, void *user)
{
    void *moved;
    (void)user;
    ECSI_CHECK(memory != NULL);
    ECSI_CHECK(old_bytes > 0);
    ECSI_CHECK(new_bytes > 0);
    if (new_bytes < ECSI_HUGE_BYTES || new_bytes < old_bytes) return realloc(memory, new_bytes);
    moved = ecsi_large_alloc(new_bytes);
    if (moved == NULL) return NULL;
    memcpy(moved, memory, old_bytes);
    free(memory);
    return moved;
}

static void ecsi_default_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)bytes;
    (void)user;
    ECSI_CHECK(memory != NULL);
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    if (align <= ECSI_MALLOC_ALIGN) {
        free(memory);
    } else {
        ecsi_aligned_free(memory);
    }
}

static ecs_allocator ecsi_default_allocator(void)
{
    ecs_allocator a;
    a.alloc = ecsi_default_alloc;
    a.resize = ecsi_default_resize;
    a.release = ecsi_default_release;
    a.user = NULL;
    return a;
}

/* ---- One piece ----------------------------------------------------------------- */

/* NULL when refused; in fixed mode only creation may ask. While measuring the answer is
 * NULL as well and means nothing: callers there use ecsi_vec_reserve's status. */
static void *ecsi_alloc(ecsi_memory *memory, size_t bytes, size_t align)
{
    void *piece;
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    if (memory->fixed) {
        size_t at;
        if (align < 64) align = 64;
        if (memory->measuring) {
            /* The block is aligned to 64 only: leave room for what is missing. */
            memory->block_used = ecsi_align_up(memory->block_used, 64) + (align - 64) + bytes;
            return NULL;
        }
        ECSI_CHECK(memory->block != NULL);
        ECSI_CHECK(memory->block_used <= memory->block_bytes);
        at = ecsi_align_up((size_t)(uintptr_t)memory->block + memory->block_used, align) -
             (size_t)(uintptr_t)memory->block;
        if (at + bytes > memory->block_bytes) return NULL;
        memory->block_used = at + bytes;
        return memory->block + at;
    }
    piece = memory->allocator.alloc(bytes, align, memory->allocator.user);
    if (piece != NULL) memory->bytes_allocated += bytes;
    ECSI_CHECK((uintptr_t)piece % align == 0);
    return piece;
}

/* Gives a piece back; the pieces of a fixed world go back with its block. */
static void ecsi_release(ecsi_memory *memory, void *piece, size_t bytes, size_t align)
{
    if (piece == NULL || memory->fixed) return;
    ECSI_CHECK(memory->bytes_allocated >= bytes);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    memory->bytes_allocated -= bytes;
    memory->allocator.release(piece, bytes, align, memory->allocator.user);
}

/* ---- Vectors ------------------------------------------------------------------- */

typedef struct ecsi_vec {
    void *data;
    uint32_t count;
    uint32_t capacity;
} ecsi_vec;

#define ECSI_VEC_AT(T, vec, index) (&((T *)(vec)->data)[index])

/* Makes room for `capacity` items in all, exactly. The items stay; on failure nothing
 * changes. Alignment is that of malloc. */
static ecs_status ecsi_vec_resize(ecsi_memory *memory, ecsi_vec *vec, uint32_t capacity,
                                  size_t item_bytes)
{
    size_t old_bytes = vec->capacity * item_bytes;
    size_t bytes = capacity * item_bytes;
    void *data;
    ECSI_CHECK(item_bytes > 0);
    ECSI_CHECK(vec->count <= vec->capacity);
    ECSI_CHECK(vec->data != NULL || vec->capacity == 0);
    ECSI_CHECK(capacity >= vec->count);
    if (capacity == vec->capacity) return ECS_OK;
    if (bytes / item_bytes != capacity) return ECS_NO_MEMORY;
    if (vec->data != NULL && !memory->fixed && memory->allocator.resize != NULL) {
        data = memory->allocator.resize(vec->data, old_bytes, bytes, memory->allocator.user);
        if (data == NULL) return ECS_NO_MEMORY;
        memory->bytes_allocated += bytes - old_bytes;
    } else {
        data = ecsi_alloc(memory, bytes, ECSI_MALLOC_ALIGN);
        if (memory->measuring) return ECS_OK;
        if (data == NULL) return ECS_NO_MEMORY;
        if (vec->count > 0) memcpy(data, vec->data, vec->count * item_bytes);
        ecsi_release(memory, vec->data, old_bytes, ECSI_MALLOC_ALIGN);
    }
    vec->data = data;
    vec->capacity = capacity;
    return ECS_OK;
}

/* Makes room for `need` items: doubles, up to `max`. ECS_FULL beyond it. */
static ecs_status ecsi_vec_reserve(ecsi_memory *memory, ecsi_vec *vec, uint32_t need,
                                   uint32_t max, size_t item_bytes)
{
    uint32_t capacity;
    if (ECSI_LIKELY(need <= vec->capacity)) return ECS_OK;
    if (need > max || memory->fixed) return ECS_FULL;
    capacity = ecsi_max_u32(vec->capacity, 4);
    while (capacity < need) capacity = capacity > max / 2 ? max : capacity * 2;
    ECSI_CHECK(vec->count <= vec->capacity);
    ECSI_CHECK(capacity <= max || max < 4);
    ECSI_CHECK(capacity >= need);
    return ecsi_vec_resize(memory, vec, ecsi_min_u32(capacity, max), item_bytes);
}

/* At creation: the final capacity in fixed mode, nothing in grow mode. */
static ecs_status ecsi_vec_create(ecsi_memory *memory, ecsi_vec *vec, uint32_t max,
                                  size_t item_bytes)
{
    ECSI_CHECK(item_bytes > 0);
    ECSI_CHECK(vec->data == NULL);
    ECSI_CHECK(vec->count == 0 && vec->capacity == 0);
    if (!memory->fixed || max == 0) return ECS_OK;
    return ecsi_vec_resize(memory, vec, max, item_bytes);
}

static void ecsi_vec_destroy(ecsi_memory *memory, ecsi_vec *vec, size_t item_bytes)
{
    ECSI_CHECK(item_bytes > 0);
    ECSI_CHECK(vec->count <= vec->capacity);
    ECSI_CHECK(vec->data != NULL || vec->capacity == 0);
    ecsi_release(memory, vec->data, vec->capacity * item_bytes, ECSI_MALLOC_ALIGN);
    vec->data = NULL;
    vec->count = 0;
    vec->capacity = 0;
}

/* ---- Things that live as long as the world -------------------------------------- */

/* Where ecsi_keep stands, to take back what was kept since. */
typedef struct ecsi_keep_mark {
    ecsi_keep_block *block;
    size_t used;
} ecsi_keep_mark;

static ecsi_keep_mark ecsi_keep_where(const ecsi_memory *memory)
{
    ecsi_keep_mark mark;
    ECSI_CHECK(memory->keep == NULL || memory->keep->used <= memory->keep->bytes);
    mark.block = memory->keep;
    mark.used = memory->keep == NULL ? 0 : memory->keep->used;
    return mark;
}

/* Makes a new block the newest one. */
static ecsi_keep_block *ecsi_keep_block_make(ecsi_memory *memory, size_t bytes)
{
    ecsi_keep_block *block = (ecsi_keep_block *)ecsi_alloc(memory, bytes, ECSI_MALLOC_ALIGN);
    ECSI_CHECK(bytes > sizeof *block);
    ECSI_CHECK(!memory->fixed || memory->keep == NULL);
    if (block == NULL) return NULL;
    block->next = memory->keep;
    block->bytes = bytes;
    block->used = sizeof *block;
    memory->keep = block;
    return block;
}

/* Zeroed memory that goes away with the world; NULL when refused. */
static void *ecsi_keep(ecsi_memory *memory, size_t bytes, size_t align)
{
    ecsi_keep_block *block = memory->keep;
    size_t at;
    ECSI_CHECK(align <= 64);
    ECSI_CHECK(ecsi_is_power_of_two(align));
    ECSI_CHECK(block == NULL || block->used <= block->bytes);
    if (bytes == 0) bytes = 1;
    if (block != NULL) {
        at = ecsi_align_up((size_t)(uintptr_t)block + block->used, align) -
             (size_t)(uintptr_t)block;
        if (at + bytes <= block->bytes) {
            block->used = at + bytes;
            return memset((unsigned char *)block + at, 0, bytes);
        }
    }
    if (memory->fixed) return NULL;
    at = sizeof *block + align + bytes;
    block = ecsi_keep_block_make(memory, at > ECSI_KEEP_BLOCK_BYTES ? at : ECSI_KEEP_BLOCK_BYTES);
    if (block == NULL) return NULL;
    at = ecsi_align_up((size_t)(uintptr_t)block + block->used, align) - (size_t)(uintptr_t)block;
    ECSI_CHECK(at + bytes <= block->bytes);
    block->used = at + bytes;
    return memset((unsigned char *)block + at, 0, bytes);
}

/* Takes back everything that was kept after the mark. */
static void ecsi_keep_rewind(ecsi_memory *memory, ecsi_keep_mark mark)
{
    ECSI_CHECK(mark.block == NULL || mark.block->used >= mark.used);
    ECSI_CHECK(mark.block == NULL || mark.used >= sizeof *mark.block);
    while (memory->keep != mark.block) {
        ecsi_keep_block *block = memory->keep;
        ECSI_CHECK(block != NULL);
        memory->keep = block->next;
        ecsi_release(memory, block, block->bytes, ECSI_MALLOC_ALIGN);
    }
    if (mark.block != NULL) mark.block->used = mark.used;
}

/* At creation: one block for all of it in fixed mode. */
static ecs_status ecsi_keep_create(ecsi_memory *memory, size_t bytes_max)
{
    ECSI_CHECK(memory->keep == NULL);
    ECSI_CHECK(bytes_max > 0);
    if (!memory->fixed) return ECS_OK;
    if (memory->measuring) {
        (void)ecsi_alloc(memory, bytes_max + sizeof(ecsi_keep_block), ECSI_MALLOC_ALIGN);
        return ECS_OK;
    }
    return ecsi_keep_block_make(memory, bytes_max + sizeof(ecsi_keep_block)) != NULL
               ? ECS_OK
               : ECS_NO_MEMORY;
}

static void ecsi_keep_destroy(ecsi_memory *memory)
{
    ecsi_keep_mark nothing;
    nothing.block = NULL;
    nothing.used = 0;
    ECSI_CHECK(memory != NULL);
    ecsi_keep_rewind(memory, nothing);
    ECSI_CHECK(memory->keep == NULL);
}

/* ---- Things of one kind that come and go ------------------------------------------ */

/* Grow mode: each has exactly its bytes and gives them back. Fixed mode: each takes a slot of
 * `bytes`, the most that one can need, and a slot that was given back serves whoever comes next;
 * so what is refused depends on how many there are and never on what there was before. */
typedef struct ecsi_slab {
    size_t bytes; /* of a slot, a multiple of 64 */
    void *free;   /* slots that were given back; each begins with the address of the next one */
} ecsi_slab;

/* Zeroed memory, aligned to 64; NULL when refused. */
static void *ecsi_slab_take(ecsi_memory *memory, ecsi_slab *slab, size_t bytes)
{
    void *piece = slab->free;
    ECSI_CHECK(bytes >= sizeof piece);
    ECSI_CHECK(bytes <= slab->bytes);
    if (!memory->fixed) {
        piece = ecsi_alloc(memory, bytes, 64);
        return piece == NULL ? NULL : memset(piece, 0, bytes);
    }
    if (piece == NULL) return ecsi_keep(memory, slab->bytes, 64);
    memcpy(&slab->free, piece, sizeof piece);
    return memset(piece, 0, slab->bytes);
}

/* Gives back what ecsi_slab_take answered for so many bytes. NULL is fine. */
static void ecsi_slab_give(ecsi_memory *memory, ecsi_slab *slab, void *piece, size_t bytes)
{
    if (piece == NULL) return;
    ECSI_CHECK(bytes <= slab->bytes);
    ECSI_CHECK((uintptr_t)piece % 64 == 0);
    if (!memory->fixed) {
        ecsi_release(memory, piece, bytes, 64);
        return;
    }
    memcpy(piece, &slab->free, sizeof slab->free);
    slab->free = piece;
}

#endif /* ECS_MEMORY_H */
