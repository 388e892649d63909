/* command.h: recorded edits, and the flush that applies them.
 *
 * A queue is a list of blocks that never move, so a recorded value may know its address.
 * Each worker has one, and streams (one a system and row block) record into that of the worker
 * that runs them; a marker with the stream's serial says where each begins. Serials are given
 * by the schedule and not by time, so the flush puts the markers of all queues in one order,
 * which is the same on any number of workers. Then it goes over them in passes:
 *
 *   1  every spawn gets its real handle; provisional handles in columns and resources are
 *      patched
 *   2  each command joins the chain of its entity, in order of first touch; dead targets
 *      are dropped; events go to their buffers
 *   3  each chain becomes one net change of one entity, and one move
 *
 * A custom command ends a segment: 2 and 3 are done for what came before it. */
/* floor: 8 */
#ifndef ECS_COMMAND_H
#define ECS_COMMAND_H

#include "event.h"
#include "query.h"
#include "resource.h"

/* Bytes of the first block in grow mode; the next ones are larger. */
#define ECSI_BLOCK_BYTES_MIN 16384u
#define ECSI_BLOCK_BYTES_MAX ((size_t)4 << 20)
/* A provisional handle is 45 bits of stream and 18 bits of ordinal. */
#define ECSI_ORDINAL_BITS 18u
#define ECSI_ORDINALS_MAX (1u << ECSI_ORDINAL_BITS)
#define ECSI_SERIAL_MAX ((uint64_t)1 << 45)
/* Drops that ecs_explain_drops remembers. */
#define ECSI_DROPS_MAX 32u
/* Rounds of one flush: commands that hooks and custom commands record go into the next. */
#define ECSI_FLUSH_ROUNDS_MAX 64u
/* Event types that one stream may emit. */
#define ECSI_EMIT_TYPES_MAX 16u
/* No system: the world's own stream. */
#define ECSI_NO_SYSTEM 0xffffffffu

typedef enum ecsi_command_kind {
    ECSI_COMMAND_STREAM,  /* entity: serial; next: the next marker; its block follows */
    ECSI_COMMAND_SPAWN,   /* entity: provisional */
    ECSI_COMMAND_DESPAWN,
    ECSI_COMMAND_ADD,
    ECSI_COMMAND_REMOVE,
    ECSI_COMMAND_SET,
    ECSI_COMMAND_CUSTOM,
    ECSI_COMMAND_EVENT
} ecsi_command_kind;

typedef struct ecsi_command {
    uint32_t bytes;          /* to the next command of the block */
    uint16_t kind;
    uint16_t payload_offset; /* 0: none, or it has ended */
    uint64_t entity;
    struct ecsi_command *next; /* of the same entity */
    uint32_t component;      /* 0: not registered when it was recorded; its type follows */
    uint32_t system;         /* that recorded it */
} ecsi_command;

static inline void *ecsi_command_payload(ecsi_command *command)
{
    if (command->payload_offset == 0) return NULL;
    return (unsigned char *)command + command->payload_offset;
}

/* Behind a command whose component was not known: the type. */
static inline const ecs_type **ecsi_command_type_at(ecsi_command *command)
{
    return (const ecs_type **)(void *)(command + 1);
}

/* Behind a marker: the block that it is in. */
static inline struct ecsi_block **ecsi_marker_block(ecsi_command *marker)
{
    return (struct ecsi_block **)(void *)(marker + 1);
}

/* The head of a custom command's payload; the user's part follows at ECSI_CUSTOM_BYTES. */
typedef struct ecsi_custom {
    void (*run)(ecs_world *world, void *payload, uint32_t bytes);
    uint32_t bytes;
} ecsi_custom;

#define ECSI_CUSTOM_BYTES 16u

typedef struct ecsi_block {
    struct ecsi_block *next;
    size_t bytes;
    size_t used;
} ecsi_block;

/* In fixed mode with several workers: the memory that their queues cut their blocks from.
 * A queue leaves less room unused than the command takes that did not fit there, so twice the
 * bytes that may be recorded, and one block for each queue, are always enough. */
typedef struct ecsi_arena {
    unsigned char *data;
    size_t bytes;
    ecsi_atomic_u64 used;
} ecsi_arena;

#define ECSI_ARENA_BLOCK_BYTES ((size_t)4096)

typedef struct ecsi_queue {
    ecsi_block *first;
    ecsi_block *last; /* that is written to; later ones are empty */
    size_t bytes;     /* recorded */
    size_t bytes_max;
    ecsi_command *marker_first;
    ecsi_command *marker_last;
    ecsi_arena *arena;
    uint64_t open;    /* serial of the stream that recorded last */
    uint32_t command_count;
    uint32_t spawn_count;
    uint32_t stream_count;
    bool spawned; /* provisional handles are about, even of spawns that were taken back */
    uint64_t recorded; /* what is not in the flush's counters yet */
    uint64_t refused;
    uint64_t events_dropped;
} ecsi_queue;

/* Where a queue stands, to take back a failed system's commands. */
typedef struct ecsi_queue_mark {
    ecsi_block *block;
    size_t used;
    size_t bytes;
    ecsi_command *marker_last;
    uint64_t open;
    uint32_t command_count;
    uint32_t spawn_count;
    uint32_t stream_count;
} ecsi_queue_mark;

/* Queues that are flushed together: their markers in order of serial. */
typedef struct ecsi_batch {
    ecsi_command *first;
    uint32_t command_count;
    uint32_t spawn_count;
    uint32_t stream_count;
    bool spawned;
} ecsi_batch;

/* A stream whose spawns are known: provisional to real. */
typedef struct ecsi_spawn_range {
    uint64_t serial;
    uint32_t first; /* in spawn_map */
    uint32_t count;
} ecsi_spawn_range;

/* An entity that the flush touches, in order of first touch. */
typedef struct ecsi_touch {
    ecsi_command *first;
    ecsi_command *last;
    uint32_t index;
} ecsi_touch;

/* Several commands on one component of one entity, folded. */
typedef struct ecsi_fold {
    uint32_t component;
    uint32_t order; /* when it became present, or was last removed: later ones have their way */
    bool present;
    void *payload; /* the last value, or NULL */
} ecsi_fold;

typedef struct ecsi_drop {
    uint64_t entity;
    uint64_t tick;
    uint32_t kind;
    uint32_t component;
    uint32_t system;
    uint32_t killer; /* system that despawned it, when that is known: with ECS_DEBUG */
    ecs_status why;
} ecsi_drop;

typedef struct ecsi_flush {
    ecsi_storage *storage;
    ecsi_components *components;
#ifndef ECS_NO_EVENTS
    ecsi_events *events;
#endif
    ecsi_memory *memory;
    ecs_world *world;
    ecs_worker *worker; /* inside a tick: of the thread that ticks; may be NULL */
    uint32_t *locks;
    ecsi_vec ranges;    /* of ecsi_spawn_range, by rising serial */
    ecsi_vec spawn_map; /* of ecs_entity */
    ecsi_vec touches;   /* of ecsi_touch */
    ecsi_vec touch_of;  /* of uint32_t by entity: index into touches plus one */
    ecsi_vec folds;     /* of ecsi_fold */
    ecsi_vec fold_of;   /* of uint32_t by component: index plus one */
    uint32_t fold_order;
    ecsi_vec marks;     /* of unsigned char by component: has a payload */
    uint64_t serial_next;
    const uint64_t *open_serial; /* of the world's own stream */
    uint32_t commands_max; /* of one batch, in fixed mode */
    ecsi_atomic_u32 lock;  /* of the allocator, while systems record */
    bool running;
    uint64_t recorded;
    uint64_t applied;
    uint64_t dropped;
    uint64_t refused;
    uint64_t events_dropped;
    uint32_t drop_count;   /* ever; the last ones are kept */
    ecsi_drop drops[ECSI_DROPS_MAX];
#ifdef ECS_DEBUG
    uint32_t kill_count;
    uint64_t kills[ECSI_DROPS_MAX];
    uint32_t killers[ECSI_DROPS_MAX];
#endif
} ecsi_flush;

/* A stream: what records. */
struct ecs_commands {
    ecsi_flush *flush;
    ecsi_queue *queue;
    uint64_t serial;
    size_t bytes_left;
    uint32_t spawn_count;
    uint32_t spawns_max;
    uint32_t system;
    ecs_status status; /* of the last spawn */
    bool begun; /* it has a marker */
    uint32_t emit_type_count;
    uint32_t emit_types[ECSI_EMIT_TYPES_MAX]; /* component ids that were emitted */
    uint32_t emit_counts[ECSI_EMIT_TYPES_MAX];
};

/* ---- Queues ----------------------------------------------------------------------- */

/* Makes a block of memory. */
static ecsi_block *ecsi_block_put(void *memory, size_t bytes)
{
    ecsi_block *block = (ecsi_block *)memory;
    ECSI_CHECK(bytes > sizeof *block);
    if (block == NULL) return NULL;
    ECSI_CHECK((uintptr_t)memory % 16 == 0);
    block->next = NULL;
    block->bytes = bytes;
    block->used = sizeof *block;
    return block;
}

/* At creation: the whole queue is one block in fixed mode. */
static ecs_status ecsi_queue_create(ecsi_memory *memory, ecsi_queue *queue, size_t bytes_max)
{
    ECSI_CHECK(queue->first == NULL);
    ECSI_CHECK(bytes_max > 0);
    queue->bytes_max = bytes_max;
    if (!memory->fixed) return ECS_OK;
    if (memory->measuring) {
        (void)ecsi_alloc(memory, bytes_max + sizeof(ecsi_block) + 4096, ECSI_MALLOC_ALIGN);
        return ECS_OK;
    }
    queue->first = ecsi_block_put(
        ecsi_alloc(memory, bytes_max + sizeof(ecsi_block) + 4096, ECSI_MALLOC_ALIGN),
        bytes_max + sizeof(ecsi_block) + 4096);
    queue->last = queue->first;
    return queue->first != NULL ? ECS_OK : ECS_NO_MEMORY;
}

static void ecsi_queue_destroy(ecsi_memory *memory, ecsi_queue *queue)
{
    ecsi_block *block = queue->first;
    ECSI_CHECK(queue->command_count == 0);
    ECSI_CHECK(queue->bytes == 0);
    while (block != NULL && queue->arena == NULL) {
        ecsi_block *next = block->next;
        ecsi_release(memory, block, block->bytes, ECSI_MALLOC_ALIGN);
        block = next;
    }
    queue->first = NULL;
    queue->last = NULL;
}

/* A new block: workers may ask at the same time, so one after the other. */
static ecsi_block *ecsi_block_make(ecsi_flush *flush, size_t bytes)
{
    void *memory;
    ECSI_CHECK(bytes > sizeof(ecsi_block));
    ECSI_CHECK(!flush->memory->fixed);
#ifndef ECS_NO_THREADS
    ecsi_lock(&flush->lock);
#endif
    memory = ecsi_alloc(flush->memory, bytes, ECSI_MALLOC_ALIGN);
#ifndef ECS_NO_THREADS
    ecsi_unlock(&flush->lock);
#endif
    return ecsi_block_put(memory, bytes);
}

/* A block of the arena. */
static ecsi_block *ecsi_arena_block(ecsi_arena *arena, size_t bytes)
{
    uint64_t at;
    bytes = ecsi_align_up(bytes + sizeof(ecsi_block), 16);
    if (bytes < ECSI_ARENA_BLOCK_BYTES) bytes = ECSI_ARENA_BLOCK_BYTES;
    if (bytes > arena->bytes) return NULL;
    at = ECSI_ADD(&arena->used, (uint64_t)bytes, relaxed);
    if (at > arena->bytes - bytes) return NULL;
    ECSI_CHECK(at % 16 == 0);
    return ecsi_block_put(arena->data + at, bytes);
}

/* Room for `bytes` in the block that is written to, going on to the next or a new one. */
static ECSI_NOINLINE ecs_status ecsi_queue_advance(ecsi_flush *flush, ecsi_queue *queue,
                                                   size_t bytes)
{
    size_t want = queue->last == NULL ? ECSI_BLOCK_BYTES_MIN : queue->last->bytes * 2;
    ecsi_block *block;
    ECSI_CHECK(bytes > 0);
    ECSI_CHECK(queue->last == NULL || queue->last->used <= queue->last->bytes);
    if (queue->arena == NULL && flush->memory->fixed) return ECS_FULL;
    if (queue->last != NULL && queue->last->next != NULL &&
        queue->last->next->bytes - sizeof *block >= bytes) {
        queue->last = queue->last->next;
        queue->last->used = sizeof *block;
        return ECS_OK;
    }
    if (want > ECSI_BLOCK_BYTES_MAX) want = ECSI_BLOCK_BYTES_MAX;
    if (want < bytes + sizeof *block) want = bytes + sizeof *block;
    block = queue->arena != NULL ? ecsi_arena_block(queue->arena, bytes)
                                 : ecsi_block_make(flush, want);
    if (block == NULL) return queue->arena != NULL ? ECS_FULL : ECS_NO_MEMORY;
    if (queue->last == NULL) {
        queue->first = block;
    } else {
        block->next = queue->last->next;
        queue->last->next = block;
    }
    queue->last = block;
    ECSI_CHECK(block->bytes - block->used >= bytes);
    return ECS_OK;
}

static ecsi_queue_mark ecsi_queue_where(const ecsi_queue *queue)
{
    ecsi_queue_mark mark;
    ECSI_CHECK((queue->first == NULL) == (queue->last == NULL));
    ECSI_CHECK(queue->last == NULL || queue->last->used <= queue->last->bytes);
    mark.block = queue->last;
    mark.used = queue->last == NULL ? 0 : queue->last->used;
    mark.bytes = queue->bytes;
    mark.marker_last = queue->marker_last;
    mark.open = queue->open;
    mark.command_count = queue->command_count;
    mark.spawn_count = queue->spawn_count;
    mark.stream_count = queue->stream_count;
    return mark;
}

/* Walks over what one queue recorded since a mark, markers included. */
typedef struct ecsi_walk {
    ecsi_block *block;
    size_t at;
} ecsi_walk;

static ecsi_walk ecsi_walk_begin(const ecsi_queue *queue, ecsi_queue_mark mark)
{
    ecsi_walk walk;
    ECSI_CHECK(queue->last != NULL || queue->command_count == 0);
    ECSI_CHECK(mark.block == NULL || mark.used <= mark.block->used);
    walk.block = mark.block != NULL ? mark.block : queue->first;
    walk.at = mark.block != NULL ? mark.used : sizeof(ecsi_block);
    return walk;
}

/* The next command, or NULL at the end. Blocks behind the last one are empty. */
static inline ecsi_command *ecsi_walk_next(ecsi_walk *walk)
{
    ecsi_command *command;
    while (walk->block != NULL && walk->at >= walk->block->used) {
        walk->block = walk->block->next;
        walk->at = sizeof(ecsi_block);
    }
    if (walk->block == NULL) return NULL;
    command = (ecsi_command *)(void *)((unsigned char *)walk->block + walk->at);
    ECSI_CHECK(command->bytes >= sizeof *command);
    ECSI_CHECK(command->bytes <= walk->block->used - walk->at);
    walk->at += command->bytes;
    return command;
}

/* Walks over the commands of a batch, each marker before its stream. */
typedef struct ecsi_cursor {
    ecsi_command *marker; /* of the next stream */
    ecsi_block *block;
    unsigned char *at;
    unsigned char *end; /* of what is used of the block */
} ecsi_cursor;

static ecsi_cursor ecsi_batch_begin(const ecsi_batch *batch)
{
    ecsi_cursor cursor;
    ECSI_CHECK(batch->spawn_count <= batch->command_count);
    cursor.marker = batch->first;
    cursor.block = NULL;
    cursor.at = NULL;
    cursor.end = NULL;
    return cursor;
}

/* Goes on to a block of the same queue. */
static inline void ecsi_cursor_enter(ecsi_cursor *cursor, ecsi_block *block)
{
    cursor->block = block;
    cursor->at = (unsigned char *)block + sizeof *block;
    cursor->end = (unsigned char *)block + block->used;
}

/* The next command, or NULL at the end. */
static inline ecsi_command *ecsi_cursor_next(ecsi_cursor *cursor)
{
    ecsi_command *command;
    for (;;) {
        if (ECSI_LIKELY(cursor->at < cursor->end)) {
            command = (ecsi_command *)(void *)cursor->at;
            ECSI_CHECK(command->bytes >= sizeof *command);
            ECSI_CHECK(command->kind <= ECSI_COMMAND_EVENT);
            if (ECSI_UNLIKELY(command->kind == ECSI_COMMAND_STREAM)) break;
            cursor->at += command->bytes;
            return command;
        }
        if (cursor->block == NULL || cursor->block->next == NULL) break;
        ecsi_cursor_enter(cursor, cursor->block->next);
    }
    /* This stream has ended, here at least. */
    command = cursor->marker;
    if (command == NULL) return NULL;
    ecsi_cursor_enter(cursor, *ecsi_marker_block(command));
    cursor->at = (unsigned char *)command + command->bytes;
    cursor->marker = command->next;
    return command;
}

/* Nothing to flush or to take back. */
static inline bool ecsi_queue_empty(const ecsi_queue *queue)
{
    ECSI_CHECK(queue->bytes > 0 || queue->command_count == 0);
    return queue->bytes == 0 && !queue->spawned;
}

/* Everything in it has been applied or dropped. */
static void ecsi_queue_reset(ecsi_queue *queue)
{
    ecsi_block *block;
    ECSI_CHECK(queue->last != NULL || queue->bytes == 0);
    for (block = queue->first; block != NULL; block = block->next) {
        block->used = sizeof *block;
        ECSI_CHECK(block->bytes >= block->used);
    }
    /* Blocks of an arena go back all together. */
    if (queue->arena != NULL) queue->first = NULL;
    queue->last = queue->first;
    queue->bytes = 0;
    queue->marker_first = NULL;
    queue->marker_last = NULL;
    queue->open = 0;
    queue->command_count = 0;
    queue->spawn_count = 0;
    queue->stream_count = 0;
    queue->spawned = false;
}

/* Adds what a queue counted to the flush's counters. */
static void ecsi_queue_count(ecsi_flush *flush, ecsi_queue *queue)
{
    flush->recorded += queue->recorded;
    flush->refused += queue->refused;
    flush->events_dropped += queue->events_dropped;
    queue->recorded = 0;
    queue->refused = 0;
    queue->events_dropped = 0;
}

/* ---- Batches ---------------------------------------------------------------------- */

/* Merges two lists of markers; of equal serials those of `a` come first. */
static ecsi_command *ecsi_markers_merge(ecsi_command *a, ecsi_command *b)
{
    ecsi_command *first = NULL;
    ecsi_command **tail = &first;
    while (a != NULL && b != NULL) {
        ecsi_command **from = b->entity < a->entity ? &b : &a;
        ECSI_CHECK((*from)->kind == ECSI_COMMAND_STREAM);
        *tail = *from;
        tail = &(*from)->next;
        *from = (*from)->next;
    }
    *tail = a != NULL ? a : b;
    ECSI_CHECK(first != NULL || (a == NULL && b == NULL));
    return first;
}

/* Sorts markers by serial: a merge sort from the bottom up, in the list itself. */
static ecsi_command *ecsi_markers_sort(ecsi_command *list)
{
    ecsi_command *runs[33]; /* of 2^i markers each */
    uint32_t i;
    memset(runs, 0, sizeof runs);
    while (list != NULL) {
        ecsi_command *run = list;
        list = list->next;
        run->next = NULL;
        for (i = 0; i < 32 && runs[i] != NULL; i++) {
            run = ecsi_markers_merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
        ECSI_CHECK(i < 32);
    }
    for (i = 0; i < 33; i++) {
        if (runs[i] != NULL) list = ecsi_markers_merge(runs[i], list);
    }
    return list;
}

/* Adds up what a queue holds; its markers stay where they are. */
static void ecsi_batch_add(ecsi_batch *batch, const ecsi_queue *queue)
{
    ECSI_CHECK(queue->spawn_count <= queue->command_count);
    batch->command_count += queue->command_count;
    batch->spawn_count += queue->spawn_count;
    batch->stream_count += queue->stream_count;
    batch->spawned = batch->spawned || queue->spawned;
    ECSI_CHECK(batch->command_count >= queue->command_count);
}

/* Takes the markers of a queue. */
static void ecsi_batch_take(ecsi_batch *batch, ecsi_queue *queue)
{
    const ecsi_command *marker;
    bool sorted = true;
    if (queue->marker_first == NULL) return;
    for (marker = queue->marker_first; marker->next != NULL && sorted; marker = marker->next) {
        sorted = marker->entity <= marker->next->entity;
    }
    if (!sorted) queue->marker_first = ecsi_markers_sort(queue->marker_first);
    batch->first = ecsi_markers_merge(batch->first, queue->marker_first);
    queue->marker_first = NULL;
    queue->marker_last = NULL;
    queue->open = 0;
}

/* ---- Recording -------------------------------------------------------------------- */

/* What a command needs in its block. */
typedef struct ecsi_command_shape {
    uint32_t kind;
    uint32_t payload_bytes;
    uint32_t align;
    bool typed; /* the type follows the head */
} ecsi_command_shape;

static inline ecsi_command_shape ecsi_shape_make(uint32_t kind, uint32_t payload_bytes,
                                                 uint32_t align)
{
    ecsi_command_shape shape;
    ECSI_CHECK(ecsi_is_power_of_two(align));
    ECSI_CHECK(align <= ECS_ALIGN_MAX);
    shape.kind = kind;
    shape.payload_bytes = payload_bytes;
    shape.align = align;
    shape.typed = false;
    return shape;
}

/* A command in the stream, or a status: nothing is recorded then. */
static inline ecs_status ecsi_command_put(ecs_commands *cmd, ecsi_command_shape shape,
                                          uint64_t entity, ecsi_command **out)
{
    ecsi_queue *queue = cmd->queue;
    uint32_t align = shape.align;
    size_t head = sizeof(ecsi_command) + (shape.typed ? sizeof(ecs_type *) : 0);
    size_t need = head + shape.payload_bytes + (align > 8 ? align : 0);
    ecsi_command *command;
    uintptr_t at;
    ecs_status status;
    ECSI_CHECK(shape.kind <= ECSI_COMMAND_EVENT);
    ECSI_CHECK(queue->bytes <= queue->bytes_max);
    need = (need + 7) & ~(size_t)7;
    if (ECSI_UNLIKELY(need > cmd->bytes_left || need > queue->bytes_max - queue->bytes)) {
        return ECS_FULL;
    }
    if (ECSI_UNLIKELY(queue->last == NULL || queue->last->bytes - queue->last->used < need)) {
        status = ecsi_queue_advance(cmd->flush, queue, need);
        if (status != ECS_OK) return status;
    }
    command = (ecsi_command *)(void *)((unsigned char *)queue->last + queue->last->used);
    command->bytes = (uint32_t)need;
    command->kind = (uint16_t)shape.kind;
    command->entity = entity;
    command->next = NULL;
    command->component = 0;
    command->system = cmd->system;
    command->payload_offset = 0;
    if (shape.payload_bytes > 0) {
        at = ((uintptr_t)command + head + (align - 1)) & ~(uintptr_t)(align - 1);
        command->payload_offset = (uint16_t)(at - (uintptr_t)command);
        ECSI_CHECK(command->payload_offset + (size_t)shape.payload_bytes <= need);
    }
    queue->last->used += need;
    ECSI_CHECK(queue->last->used <= queue->last->bytes);
    queue->bytes += need;
    queue->command_count++;
    cmd->bytes_left -= need;
    *out = command;
    return ECS_OK;
}

/* A marker: before the stream's first command, and before each that follows another stream's
 * in this queue. */
static ECSI_NOINLINE ecs_status ecsi_stream_begin(ecs_commands *cmd)
{
    ecsi_queue *queue = cmd->queue;
    ecsi_command_shape shape = ecsi_shape_make(ECSI_COMMAND_STREAM, 0, 1);
    ecsi_command *marker;
    ecs_status status;
    ECSI_CHECK(queue->open != cmd->serial);
    ECSI_CHECK(cmd->begun || cmd->spawn_count == 0);
    shape.typed = true;
    status = ecsi_command_put(cmd, shape, cmd->serial, &marker);
    if (status != ECS_OK) return status;
    /* Only the first one counts: whether there are more may depend on time. */
    if (cmd->begun) cmd->bytes_left += marker->bytes;
    *ecsi_marker_block(marker) = queue->last;
    if (queue->marker_last == NULL) {
        queue->marker_first = marker;
    } else {
        queue->marker_last->next = marker;
    }
    queue->marker_last = marker;
    queue->open = cmd->serial;
    queue->stream_count++;
    queue->command_count--; /* it is none */
    cmd->begun = true;
    ECSI_CHECK(marker->payload_offset == 0);
    return ECS_OK;
}

/* Counts what a call answers. */
static inline ecs_status ecsi_recorded(ecs_commands *cmd, ecs_status status)
{
    ECSI_CHECK(cmd->begun || status != ECS_OK);
    if (ECSI_LIKELY(status == ECS_OK)) {
        cmd->queue->recorded++;
    } else {
        cmd->queue->refused++;
    }
    return status;
}

static inline ecs_status ecsi_command_record(ecs_commands *cmd, ecsi_command_shape shape,
                                             uint64_t entity, ecsi_command **out)
{
    ecs_status status = ECS_OK;
    ECSI_CHECK(shape.kind != ECSI_COMMAND_STREAM);
    ECSI_CHECK(cmd->serial != 0);
    if (ECSI_UNLIKELY(cmd->queue->open != cmd->serial)) status = ecsi_stream_begin(cmd);
    if (ECSI_LIKELY(status == ECS_OK)) {
        status = ecsi_command_put(cmd, shape, entity, out);
    }
    return ecsi_recorded(cmd, status);
}

/* A command about a component: by id, or by a type that may not be registered yet (systems
 * cannot register: the flush does). */
static inline ecs_status ecsi_record_component(ecs_commands *cmd, uint32_t kind,
                                               ecs_entity entity, uint32_t id,
                                               const ecs_type *type, const void *value)
{
    const ecsi_component *c = NULL;
    ecsi_command_shape shape;
    ecsi_command *command;
    ecs_status status;
    ECSI_CHECK(id != 0 || type != NULL);
    ECSI_CHECK((kind == ECSI_COMMAND_SET) == (value != NULL));
    if (id == 0) {
        ECSI_REQUIRE(type != NULL && type->name != NULL, ECS_INVALID);
        id = ecsi_component_seek(cmd->flush->components, type);
    }
    if (ECSI_UNLIKELY(id == 0)) {
        status = ecsi_type_check(type);
        if (status != ECS_OK) return status;
    }
    if (ECSI_LIKELY(id != 0)) {
        c = ecsi_component_at(cmd->flush->components, id);
        type = &c->type;
    }
    if (value != NULL && ECSI_UNLIKELY(type->bytes == 0)) return ECS_UNSUPPORTED;
    if (ecs_is_null(entity)) return ECS_STALE;
    shape = ecsi_shape_make(kind, value == NULL ? 0 : type->bytes, type->align);
    shape.typed = id == 0;
    status = ecsi_command_record(cmd, shape, entity.bits, &command);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    command->component = id;
    if (id == 0) *ecsi_command_type_at(command) = type;
    if (value == NULL) return ECS_OK;
    ECSI_CHECK(ecsi_command_payload(command) != NULL);
    if (c != NULL && ECSI_UNLIKELY(c->lifecycle)) {
        ecsi_values_copy(c, ecsi_command_payload(command), value, 1);
    } else if (c == NULL && type->hooks != NULL && type->hooks->copy != NULL) {
        type->hooks->copy(ecsi_command_payload(command), value, 1, type->hooks->user);
    } else {
        ecsi_bytes_move(ecsi_command_payload(command), value, type->bytes);
    }
    return ECS_OK;
}

static ecs_entity ecsi_record_spawn(ecs_commands *cmd, ecs_status *status)
{
    ecs_entity e = {0};
    ecsi_command *command;
    uint64_t number = cmd->serial << ECSI_ORDINAL_BITS | cmd->spawn_count;
    ECSI_CHECK(cmd->spawn_count <= cmd->spawns_max);
    if (cmd->spawn_count == cmd->spawns_max || cmd->serial >= ECSI_SERIAL_MAX) {
        *status = ecsi_recorded(cmd, ECS_FULL);
        return e;
    }
    ECSI_CHECK(cmd->spawns_max <= ECSI_ORDINALS_MAX);
    e.bits = (number >> 31) << 32 | 0x80000000u | (number & 0x7fffffffu);
    *status = ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_SPAWN, 0, 1), e.bits,
                                  &command);
    if (*status != ECS_OK) return ecs_null();
    cmd->spawn_count++;
    cmd->queue->spawn_count++;
    cmd->queue->spawned = true;
    ECSI_CHECK(ecs_is_provisional(e));
    return e;
}

/* Starts a stream: quotas are whole, and its spawns get handles of their own. */
static inline void ecsi_stream_open(ecs_commands *cmd, uint64_t serial, uint32_t system,
                                    size_t bytes_max)
{
    ECSI_CHECK(cmd->flush != NULL);
    ECSI_CHECK(cmd->queue != NULL);
    ECSI_CHECK(cmd->spawns_max <= ECSI_ORDINALS_MAX);
    ECSI_CHECK(serial != 0);
    cmd->serial = serial;
    cmd->bytes_left = bytes_max;
    cmd->spawn_count = 0;
    cmd->system = system;
    cmd->begun = false;
    cmd->emit_type_count = 0;
}

/* ---- Dropping --------------------------------------------------------------------- */

/* Ends a payload that nobody takes over. */
static void ecsi_payload_end(const ecsi_flush *flush, ecsi_command *command)
{
    void *payload = ecsi_command_payload(command);
    if (command->kind != ECSI_COMMAND_SET || payload == NULL) return;
    ECSI_CHECK(command->payload_offset >= sizeof *command);
    ECSI_CHECK(command->payload_offset < command->bytes);
    if (command->component != 0) {
        ecsi_values_destroy(ecsi_component_at(flush->components, command->component), payload, 1);
    } else {
        const ecs_hooks *hooks = (*ecsi_command_type_at(command))->hooks;
        if (hooks != NULL && hooks->destroy != NULL) hooks->destroy(payload, 1, hooks->user);
    }
    command->payload_offset = 0;
}

static uint32_t ecsi_flush_killer(const ecsi_flush *flush, uint64_t entity)
{
    (void)flush;
    (void)entity;
#ifdef ECS_DEBUG
    for (uint32_t i = 0; i < ECSI_DROPS_MAX; i++) {
        if (flush->kills[i] == entity && entity != 0) return flush->killers[i];
    }
#endif
    return ECSI_NO_SYSTEM;
}

/* Notes who despawned it, for the report about a later command on it. */
static void ecsi_flush_kill(ecsi_flush *flush, ecs_entity entity, uint32_t system)
{
    (void)flush;
    (void)entity;
    (void)system;
    ECSI_CHECK(!ecs_is_null(entity));
#ifdef ECS_DEBUG
    flush->kills[flush->kill_count % ECSI_DROPS_MAX] = entity.bits;
    flush->killers[flush->kill_count % ECSI_DROPS_MAX] = system;
    flush->kill_count++;
#endif
}

static void ecsi_command_drop(ecsi_flush *flush, ecsi_command *command, ecs_status why)
{
    ecsi_drop *drop = &flush->drops[flush->drop_count % ECSI_DROPS_MAX];
    ECSI_CHECK(why != ECS_OK);
    ECSI_CHECK(command->kind != ECSI_COMMAND_STREAM);
    drop->entity = command->entity;
    drop->tick = *flush->storage->tick;
    drop->kind = command->kind;
    drop->component = command->component;
    drop->system = command->system;
    drop->killer = ecsi_flush_killer(flush, command->entity);
    drop->why = why;
    flush->drop_count++;
    flush->dropped++;
    ecsi_payload_end(flush, command);
    ECSI_CHECK(flush->drop_count > 0);
}

/* Puts a queue back to a mark; what was recorded since has ended. */
static void ecsi_queue_restore(ecsi_queue *queue, ecsi_queue_mark mark)
{
    ecsi_block *block;
    ECSI_CHECK(queue->command_count >= mark.command_count);
    ECSI_CHECK(queue->spawn_count >= mark.spawn_count);
    ECSI_CHECK(queue->bytes >= mark.bytes);
    if (mark.block == NULL) {
        bool spawned = queue->spawned;
        ecsi_queue_reset(queue);
        queue->spawned = spawned;
        return;
    }
    queue->last = mark.block;
    queue->last->used = mark.used;
    for (block = queue->last->next; block != NULL; block = block->next) block->used = sizeof *block;
    queue->bytes = mark.bytes;
    queue->marker_last = mark.marker_last;
    if (queue->marker_last != NULL) {
        queue->marker_last->next = NULL;
    } else {
        queue->marker_first = NULL;
    }
    queue->open = mark.open;
    queue->command_count = mark.command_count;
    queue->spawn_count = mark.spawn_count;
    queue->stream_count = mark.stream_count;
}

/* A failed system's command or event. */
static void ecsi_command_fail(ecsi_flush *flush, ecsi_command *command)
{
    ECSI_CHECK(!flush->running);
    if (command->kind == ECSI_COMMAND_STREAM) return;
    if (command->kind == ECSI_COMMAND_EVENT) {
        flush->events_dropped++;
    } else {
        ecsi_command_drop(flush, command, ECS_FAILED);
    }
}

/* Takes back what was recorded since the mark: a failed system's commands and events. */
static void ecsi_queue_rewind(ecsi_flush *flush, ecsi_queue *queue, ecsi_queue_mark mark)
{
    ecsi_walk walk = ecsi_walk_begin(queue, mark);
    ecsi_command *command;
    ECSI_CHECK(queue->command_count >= mark.command_count);
    for (command = ecsi_walk_next(&walk); command != NULL; command = ecsi_walk_next(&walk)) {
        ecsi_command_fail(flush, command);
    }
    ecsi_queue_restore(queue, mark);
}

#ifndef ECS_NO_THREADS
/* Takes back what the streams `first` to `end` recorded, and their markers. */
static void ecsi_batch_fail(ecsi_flush *flush, ecsi_batch *batch, uint64_t first, uint64_t end)
{
    ecsi_command **link = &batch->first;
    ECSI_CHECK(first <= end);
    while (*link != NULL) {
        ecsi_batch one;
        ecsi_command *marker = *link;
        ecsi_cursor cursor;
        ecsi_command *command;
        if (marker->entity < first || marker->entity >= end) {
            link = &marker->next;
            continue;
        }
        *link = marker->next;
        memset(&one, 0, sizeof one);
        marker->next = NULL;
        one.first = marker;
        cursor = ecsi_batch_begin(&one);
        for (command = ecsi_cursor_next(&cursor); command != NULL;
             command = ecsi_cursor_next(&cursor)) {
            if (command->kind == ECSI_COMMAND_SPAWN) batch->spawn_count--;
            if (command->kind != ECSI_COMMAND_STREAM) batch->command_count--;
            ecsi_command_fail(flush, command);
        }
    }
}
#endif

/* Takes back a spawn of which a part was refused: it counts as one command that was. */
static void ecsi_spawn_undo(ecs_commands *cmd, ecsi_queue_mark mark, const ecs_commands *before)
{
    ecsi_queue *queue = cmd->queue;
    ecsi_walk walk = ecsi_walk_begin(queue, mark);
    ecsi_command *command;
    ECSI_CHECK(cmd->begun);
    ECSI_CHECK(queue->spawn_count > mark.spawn_count);
    for (command = ecsi_walk_next(&walk); command != NULL; command = ecsi_walk_next(&walk)) {
        const ecs_hooks *hooks = NULL;
        if (command->kind == ECSI_COMMAND_SET) {
            hooks = command->component == 0
                        ? (*ecsi_command_type_at(command))->hooks
                        : &ecsi_component_at(cmd->flush->components, command->component)->hooks;
        }
        /* A copy ends; a value that was taken over is the caller's again. */
        if (hooks != NULL && hooks->copy != NULL) ecsi_payload_end(cmd->flush, command);
        if (command->kind != ECSI_COMMAND_STREAM) queue->recorded--;
    }
    ecsi_queue_restore(queue, mark);
    *cmd = *before;
}

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
            ecsi_flush_chain(flush, &touch);
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

#endif /* ECS_COMMAND_H */
