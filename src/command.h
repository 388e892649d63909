/* command.h: recorded edits. flush.h applies them.
 *
 * A queue is a list of blocks that never move, so a recorded value may know its address.
 * Each worker has one, and streams (one a system and row block) record into that of the worker
 * that runs them; a marker with the stream's serial says where each begins. Serials are given
 * by the schedule and not by time, so the flush puts the markers of all queues in one order,
 * which is the same on any number of workers. */
/* floor: 8 */
#ifndef ECS_COMMAND_H
#define ECS_COMMAND_H

#include "event.h"
#include "query.h"
#include "resource.h"
#include "thread.h"

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
    ECSI_COMMAND_EVENT,
    ECSI_COMMAND_REQUEST, /* entity: the id of the request */
    ECSI_COMMAND_KINDS
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
 * A queue leaves less room unused than the command takes that did not fit there, and two
 * neighbouring blocks hold more than 4,072 bytes; so twice the bytes that may be recorded, a 64th
 * for the heads of blocks, and one block for each queue, are enough. */
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
#ifndef ECS_NO_IO
    void *io;           /* of io.h, which installs these: takes a request, or answers at once why
                           not; 0 or a negative errno */
    int64_t (*io_take)(void *io, const ecs_io_request *request, uint64_t id);
    void (*io_refuse)(void *io, const ecs_io_request *request, uint64_t id, int64_t why);
    uint32_t requests_max; /* of one stream */
#endif
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
    bool watched;          /* access is checked: streams know their thread */
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

/* The owner of the world's own stream when access is checked: whoever has the world. */
#define ECSI_OWNER_ANY UINT64_MAX

/* A stream: what records. */
struct ecs_commands {
    ecsi_flush *flush;
    ecsi_queue *queue;
    uint64_t serial;
    size_t bytes_left;
    uint32_t spawn_count;
    uint32_t spawns_max;
    uint32_t request_count;
    uint32_t request_marks; /* for the next request: what the refusal of one before it means */
    uint32_t system;
    uint64_t owner;    /* number of the thread that may record; 0: nobody asks */
    ecs_status status; /* of the last spawn */
    bool begun; /* it has a marker */
    bool detached; /* of an asynchronous group: the world goes on meanwhile... */
    uint32_t components_known; /* ...and this is what it knew at the launch: what came since */
    uint32_t events_known;     /* must not show in what is recorded, or when that is would */
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
    ECSI_CHECK(arena->data != NULL);
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
    ECSI_CHECK(batch->first == NULL || batch->first->kind == ECSI_COMMAND_STREAM);
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
            ECSI_CHECK(command->kind < ECSI_COMMAND_KINDS);
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
    ECSI_CHECK(flush != NULL);
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
    ECSI_CHECK(list != NULL);
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
    ECSI_CHECK(queue->marker_first == NULL || queue->marker_last != NULL);
    ECSI_CHECK(queue->marker_last == NULL || queue->marker_last->next == NULL);
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
    ECSI_CHECK(shape.kind < ECSI_COMMAND_KINDS);
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

/* Locks the types for a stream that records beside the world's thread. */
static inline void ecsi_stream_lock(const ecs_commands *cmd)
{
    ECSI_CHECK(cmd->flush != NULL);
    if (ECSI_UNLIKELY(cmd->detached)) ecsi_registry_lock(cmd->flush->components);
}

static inline void ecsi_stream_unlock(const ecs_commands *cmd)
{
    ECSI_CHECK(cmd->flush != NULL);
    if (ECSI_UNLIKELY(cmd->detached)) ecsi_registry_unlock(cmd->flush->components);
}

/* The component of an id, or of a type where `id` is 0; NULL: it is not known. Entries never move
 * and do not change while an asynchronous group is under way. */
static inline const ecsi_component *ecsi_stream_component(const ecs_commands *cmd, uint32_t *id,
                                                          const ecs_type *type)
{
    const ecsi_components *components = cmd->flush->components;
    const ecsi_component *c = NULL;
    ECSI_CHECK(*id != 0 || type != NULL);
    ecsi_stream_lock(cmd);
    if (*id == 0) {
        *id = ecsi_component_seek(components, type);
        if (ECSI_UNLIKELY(cmd->detached && *id > cmd->components_known)) *id = 0;
    }
    if (ECSI_LIKELY(ecsi_component_known(components, *id))) {
        c = ecsi_component_at(components, *id);
    }
    ecsi_stream_unlock(cmd);
    ECSI_CHECK(c == NULL || c->type.name != NULL);
    return c;
}

/* Copies a value into a command. A hook of a detached stream cannot lock the world: it is somebody
 * else's. */
static inline void ecsi_stream_copy(const ecs_commands *cmd, const ecsi_component *c,
                                    const ecs_type *type, void *to, const void *from)
{
    const ecs_hooks *hooks = c != NULL ? &c->hooks : type->hooks;
    ECSI_CHECK(to != NULL);
    ECSI_CHECK(from != NULL);
    if (c != NULL && c->lifecycle && !cmd->detached) {
        ecsi_values_copy(c, to, from, 1);
    } else if (hooks != NULL && hooks->copy != NULL) {
        hooks->copy(to, from, 1, hooks->user);
    } else {
        ecsi_bytes_move(to, from, type->bytes);
    }
}

/* A command about a component: by id, or by a type that may not be registered yet (systems
 * cannot register: the flush does). */
static inline ecs_status ecsi_record_component(ecs_commands *cmd, uint32_t kind,
                                               ecs_entity entity, uint32_t id,
                                               const ecs_type *type, const void *value)
{
    const ecsi_component *c;
    ecsi_command_shape shape;
    ecsi_command *command;
    ecs_status status;
    ECSI_CHECK(id != 0 || type != NULL);
    ECSI_CHECK((kind == ECSI_COMMAND_SET) == (value != NULL));
    if (id == 0) {
        ECSI_REQUIRE(type != NULL, ECS_INVALID);
        ECSI_REQUIRE(type->name != NULL, ECS_INVALID);
    }
    c = ecsi_stream_component(cmd, &id, type);
    if (ECSI_LIKELY(c != NULL)) {
        type = &c->type;
    } else {
        status = ecsi_type_check(type);
        if (status != ECS_OK) return status;
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
    if (ECSI_LIKELY(c != NULL && !c->lifecycle)) {
        ecsi_bytes_move(ecsi_command_payload(command), value, type->bytes);
    } else {
        ecsi_stream_copy(cmd, c, type, ecsi_command_payload(command), value);
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
    cmd->request_count = 0;
    cmd->request_marks = 0;
    cmd->system = system;
    cmd->begun = false;
    cmd->emit_type_count = 0;
    cmd->owner = ECSI_UNLIKELY(cmd->flush->watched) ? ecsi_thread_number() : 0;
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
        block = queue->first;
        ecsi_queue_reset(queue);
        queue->spawned = spawned;
        /* What was cut from an arena stays here, or every undone run would take a new piece. */
        queue->first = block;
        queue->last = block;
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
    ECSI_CHECK(queue->spawn_count >= mark.spawn_count);
    ECSI_CHECK(queue->command_count >= mark.command_count);
    for (command = ecsi_walk_next(&walk); command != NULL; command = ecsi_walk_next(&walk)) {
        ecsi_command_fail(flush, command);
    }
    ecsi_queue_restore(queue, mark);
}

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

/* A value of a spawn that is taken back: a copy ends; one that was taken over is the caller's
 * again. */
static void ecsi_stream_payload_end(const ecs_commands *cmd, ecsi_command *command)
{
    uint32_t id = command->component;
    void *payload = ecsi_command_payload(command);
    const ecs_hooks *hooks;
    ECSI_CHECK(command->kind == ECSI_COMMAND_SET);
    ECSI_CHECK(payload != NULL);
    hooks = id == 0 ? (*ecsi_command_type_at(command))->hooks
                    : &ecsi_stream_component(cmd, &id, NULL)->hooks;
    if (hooks == NULL || hooks->copy == NULL) return;
    if (!cmd->detached) {
        ecsi_payload_end(cmd->flush, command);
    } else if (hooks->destroy != NULL) {
        hooks->destroy(payload, 1, hooks->user);
    }
}

/* Takes back a spawn of which a part was refused: it counts as one command that was. */
static void ecsi_spawn_undo(ecs_commands *cmd, ecsi_queue_mark mark, const ecs_commands *before)
{
    ecsi_queue *queue = cmd->queue;
    ecsi_walk walk = ecsi_walk_begin(queue, mark);
    ecsi_command *command;
    ECSI_CHECK(cmd->begun);
    ECSI_CHECK(queue->spawn_count > mark.spawn_count);
    for (command = ecsi_walk_next(&walk); command != NULL; command = ecsi_walk_next(&walk)) {
        if (command->kind == ECSI_COMMAND_SET) ecsi_stream_payload_end(cmd, command);
        if (command->kind != ECSI_COMMAND_STREAM) queue->recorded--;
    }
    ecsi_queue_restore(queue, mark);
    *cmd = *before;
}

#endif /* ECS_COMMAND_H */
