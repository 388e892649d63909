/* world.h: the roof: a world is made, and the public functions go to their modules. */
/* floor: 13 */
#ifndef ECS_WORLD_H
#define ECS_WORLD_H

#include "tick.h"
#include "dot.h"
#include "explain.h"
#include "explain_adaptive.h"
#include "hash.h"
#include "remove.h"

/* Whether a call may go on that reaches values of a component, or of the whole world (0). One
 * compare where access is not checked. */
#define ECSI_ALLOWED(world, component, want)                                       \
    (ECSI_LIKELY((world)->entities.front.checked == NULL) ||                       \
     ecsi_access_ask(&(world)->schedule, (component), (want)))
#define ECSI_ALLOWED_ALL(world, query, want)                                       \
    (ECSI_LIKELY((world)->entities.front.checked == NULL) ||                       \
     ecsi_access_columns(&(world)->schedule, (query), (want)))
/* The same for a stream that is to record. */
#define ECSI_RECORDS(cmd)                                                          \
    (ECSI_LIKELY((cmd)->owner == 0) ||                                             \
     ecsi_access_records(&(cmd)->flush->world->schedule, (cmd)))

struct ecs_world {
    ecsi_entities entities; /* must be first: it begins with the ecsi_front */
    ecsi_memory memory;
    ecsi_log log;
    ecs_world_desc desc;    /* with the defaults filled in */
    ecsi_components components;
    ecsi_storage storage;
    ecsi_editor editor;
#ifndef ECS_NO_EVENTS
    ecsi_events events;
#endif
    ecsi_queries queries;
    ecsi_flush flush;
    ecsi_schedule schedule;
    ecsi_queue own[2];      /* the world's stream records in one while the other is applied */
    uint32_t own_current;
    uint64_t own_since;     /* tick of its last flush */
    ecs_commands own_cmd;
    ecsi_front shadow;      /* of bound getters when access is checked: it has no records */
    ecs_pool *pool;         /* NULL: blocking */
    bool own_pool;          /* made for this world */
#ifndef ECS_NO_IO
    ecsi_io io;
#endif
    uint32_t locks;         /* iterations, hooks, tick, flush */
    bool member;            /* of worlds together, which must let it go first */
    ecs_status status;      /* of the last call that answers a handle */
};

#ifndef ECS_STATIC
ECSI_EXTERN const int ECSI_CONFIG;
const int ECSI_CONFIG = 1;
#endif

/* ---- Descriptions ------------------------------------------------------------------- */

static uint32_t ecsi_default_u32(uint32_t given, uint32_t otherwise)
{
    return given != 0 ? given : otherwise;
}

static ecs_access_check ecsi_default_check(ecs_access_check given)
{
    if (given != ECS_CHECK_DEFAULT) return given;
#ifdef ECS_DEBUG
    return ECS_CHECK_STOP;
#else
    return ECS_CHECK_OFF;
#endif
}

/* Fills in the defaults of a fixed world's storage. */
static void ecsi_desc_fixed(ecs_world_desc *d)
{
    uint64_t chunks;
    ECSI_CHECK(d->memory == ECS_MEMORY_FIXED);
    d->entities_max = ecsi_default_u32(d->entities_max, 65536);
    d->tables_max = ecsi_default_u32(d->tables_max, 1024);
    if (d->table_slots_max == 0) {
        d->table_slots_max = d->tables_max > 0x0fffffffu ? 0xffffffffu : d->tables_max * 16u;
    }
    d->chunk_bytes = ecsi_default_u32(d->chunk_bytes, 65536);
    chunks = (uint64_t)d->entities_max * 64u / d->chunk_bytes + d->tables_max / 16u + 8u;
    d->chunks_max = ecsi_default_u32(d->chunks_max, (uint32_t)chunks);
    d->queries_max = ecsi_default_u32(d->queries_max, 256);
    d->systems_max = ecsi_default_u32(d->systems_max, 128);
    d->groups_max = ecsi_default_u32(d->groups_max, 16);
    d->resource_bytes_max = ecsi_default_u32(d->resource_bytes_max, 65536);
    d->event_bytes_max = ecsi_default_u32(d->event_bytes_max, 262144);
    if (d->command_bytes_max == 0) {
        d->command_bytes_max = (size_t)d->entities_max * 64u;
        if (d->command_bytes_max < (size_t)1 << 20) d->command_bytes_max = (size_t)1 << 20;
    }
    ECSI_CHECK(d->chunks_max > 0);
}

static void ecsi_desc_grow(ecs_world_desc *d)
{
    ECSI_CHECK(d->memory == ECS_MEMORY_GROW);
    d->entities_max = ecsi_default_u32(d->entities_max, ECS_ENTITIES_MAX);
    d->tables_max = ecsi_default_u32(d->tables_max, 65536);
    d->table_slots_max = ecsi_default_u32(d->table_slots_max, 0xffffffffu);
    d->chunk_bytes = ecsi_default_u32(d->chunk_bytes, 2u << 20);
    d->chunks_max = ecsi_default_u32(d->chunks_max, 65535);
    d->queries_max = ecsi_default_u32(d->queries_max, 4096);
    d->systems_max = ecsi_default_u32(d->systems_max, 1024);
    d->groups_max = ecsi_default_u32(d->groups_max, 256);
    if (d->group_bytes_max == 0) d->group_bytes_max = SIZE_MAX / 4;
    d->resource_bytes_max = ecsi_default_u32(d->resource_bytes_max, 0xffffffffu);
    d->event_bytes_max = ecsi_default_u32(d->event_bytes_max, 0xffffffffu);
    if (d->command_bytes_max == 0) d->command_bytes_max = SIZE_MAX / 4;
    if (d->restore_bytes_max == 0) d->restore_bytes_max = SIZE_MAX / 4;
    ECSI_CHECK(d->systems_max > 0);
}

/* About what a fixed world takes, and at least that much: only to refuse what cannot be. */
static double ecsi_desc_bytes(const ecs_world_desc *d)
{
    double tables = (double)d->tables_max * (1024.0 + 16.0 * d->queries_max);
    double rest = (double)d->components_max * 2048.0 + (double)d->systems_max * 8192.0 +
                  (double)d->systems_max * d->systems_max + (double)d->entities_max * 32.0;
    ECSI_CHECK(d->memory == ECS_MEMORY_FIXED);
    ECSI_CHECK(d->chunk_bytes > 0);
    return tables + rest + (double)d->chunks_max * d->chunk_bytes +
           (double)d->chunks_max * 8.0 * d->getters_max + (double)d->table_slots_max * 128.0 +
           (double)d->command_bytes_max * 8.0 + (double)d->resource_bytes_max +
           (double)d->event_bytes_max + (double)d->restore_bytes_max +
           (double)d->groups_max * 4096.0 + (double)d->group_bytes_max;
}

/* Bits of a row in an entity's place: enough for the largest chunk, and no more than the ids
 * of chunks leave over; 0 when that is too few. */
static uint32_t ecsi_row_bits(const ecs_world_desc *d)
{
    uint32_t bits = 16;
    ECSI_CHECK(d->chunks_max > 0);
    ECSI_CHECK(ecsi_is_power_of_two(d->chunk_bytes));
    while (bits > 6 && (sizeof(ecs_entity) << bits) > d->chunk_bytes) bits--;
    while (bits >= 6 && d->chunks_max >> (32 - bits) != 0) bits--;
    return bits >= 6 ? bits : 0;
}

#ifndef ECS_NO_THREADS
/* The description of the world's own pool; false when it makes no sense. */
static bool ecsi_own_pool_desc(const ecs_world_desc *d, ecs_pool_desc *out)
{
    ecs_pool_desc given;
    ECSI_CHECK(d->backend != ECS_BACKEND_BLOCKING);
    ECSI_CHECK(d->pool == NULL);
    memset(&given, 0, sizeof given);
    given.workers = d->workers;
    given.tasks = d->tasks;
    given.log = d->log;
    given.log_user = d->log_user;
    return ecsi_pool_resolve(&given, out);
}
#endif

/* The description with its defaults; false when it makes no sense. */
static bool ecsi_desc_resolve(const ecs_world_desc *from, ecs_world_desc *d)
{
    ECSI_CHECK(d != NULL);
    ECSI_CHECK(from != d);
    memset(d, 0, sizeof *d);
    if (from != NULL) *d = *from;
#ifdef ECSI_FORCE_SHARING
    /* All tests run once more with every world on several workers. */
    if (d->backend != ECS_BACKEND_ADAPTIVE) {
        if (d->backend == ECS_BACKEND_BLOCKING) d->workers = ECSI_FORCE_SHARING;
        d->backend = ECS_BACKEND_WORK_STEALING;
        d->share_ns = 1;
    }
#endif
    if (d->memory != ECS_MEMORY_GROW && d->memory != ECS_MEMORY_FIXED) return false;
    if (d->memory == ECS_MEMORY_FIXED) {
        ecsi_desc_fixed(d);
    } else {
        ecsi_desc_grow(d);
    }
    d->components_max = ecsi_default_u32(d->components_max, 1024);
    d->row_block_rows = ecsi_default_u32(d->row_block_rows, 4096);
    d->getters_max =
        ecsi_default_u32(d->getters_max, d->memory == ECS_MEMORY_GROW ? 256 : 64);
    d->phases_max = ecsi_default_u32(d->phases_max, 32);
    d->check_access = ecsi_default_check(d->check_access);
    d->stream_spawns_max = ecsi_default_u32(d->stream_spawns_max, ECSI_ORDINALS_MAX);
    if (d->entities_max > ECS_ENTITIES_MAX || d->components_max >= 1u << 24) return false;
    if (d->tables_max >= 1u << 26 || d->chunks_max > 0x7ffffffeu) return false;
    if (d->queries_max >= 1u << 26 || d->systems_max > 1u << 16) return false;
    if (d->groups_max > 1u << 16) return false;
    if (d->getters_max > 1u << 20 || d->phases_max < 5 || d->phases_max > 1u << 16) return false;
    if (!ecsi_is_power_of_two(d->row_block_rows) || d->row_block_rows < 64) return false;
    if (!ecsi_is_power_of_two(d->chunk_bytes) || d->chunk_bytes < 4096) return false;
    if (d->chunk_bytes > 1u << 30 || d->stream_spawns_max > ECSI_ORDINALS_MAX) return false;
    if (d->memory == ECS_MEMORY_FIXED && ecsi_desc_bytes(d) > (double)(SIZE_MAX / 4)) return false;
    if (d->command_bytes_max < 4096 || ecsi_row_bits(d) == 0) return false;
    if ((uint32_t)d->backend > (uint32_t)ECS_BACKEND_ADAPTIVE) return false;
    if ((uint32_t)d->check_access > (uint32_t)ECS_CHECK_STOP) return false;
#ifndef ECS_NO_IO
    if (!ecsi_io_resolve(&d->io, d->memory == ECS_MEMORY_FIXED)) return false;
#endif
#ifndef ECS_NO_ADAPTIVE
    if (!ecsi_adaptive_resolve(&d->adaptive, d->share_ns)) return false;
#else
    if (d->backend == ECS_BACKEND_ADAPTIVE) return false;
#endif
    if (d->workers > ECS_WORKERS_MAX || (d->pool != NULL && d->tasks != NULL)) return false;
#ifndef ECS_NO_THREADS
    if (d->backend != ECS_BACKEND_BLOCKING && d->pool == NULL) {
        ecs_pool_desc pool;
        if (!ecsi_own_pool_desc(d, &pool)) return false;
        d->workers = pool.workers; /* asked once: the answer may change */
    }
#endif
    return d->buffer == NULL || d->memory == ECS_MEMORY_FIXED;
}

/* Bytes that the world's own stream may record; the world has two queues for it. */
static size_t ecsi_own_bytes(const ecs_world_desc *d)
{
    size_t bytes = d->command_bytes_max / 4;
    ECSI_CHECK(d->command_bytes_max >= 4096);
    if (d->memory == ECS_MEMORY_GROW) return d->command_bytes_max;
    return bytes < 65536 ? d->command_bytes_max : bytes;
}

/* What ecsi_keep needs at most, for everything that the limits allow. */
static size_t ecsi_keep_bytes(const ecs_world_desc *d)
{
    size_t bytes = 4096;
    ECSI_CHECK(d->memory == ECS_MEMORY_FIXED);
    ECSI_CHECK(d->tables_max > 0 && d->components_max > 0);
    bytes += (size_t)d->components_max * ECSI_COMPONENT_KEEP_BYTES;
    bytes += (size_t)d->tables_max * ECSI_TABLE_KEEP_BYTES;
    bytes += (size_t)d->table_slots_max * ECSI_SLOT_KEEP_BYTES;
    bytes += (size_t)d->queries_max * ECSI_QUERY_KEEP_BYTES;
    bytes += (size_t)d->systems_max * ECSI_SYSTEM_KEEP_BYTES;
    bytes += (size_t)d->groups_max * (ECSI_GROUP_KEEP_BYTES + 64) + d->group_bytes_max;
    return bytes + d->resource_bytes_max + d->event_bytes_max;
}

/* ---- Making ------------------------------------------------------------------------- */

/* Opens the world's own stream anew. */
static void ecsi_own_open(ecs_world *world)
{
    ecs_commands *cmd = &world->own_cmd;
    ECSI_CHECK(world->own_current < 2);
    cmd->flush = &world->flush;
    cmd->queue = &world->own[world->own_current];
    cmd->spawns_max = world->desc.stream_spawns_max;
    ECSI_CHECK(cmd->queue->bytes == 0);
    ecsi_stream_open(cmd, ++world->flush.serial_next, ECSI_NO_SYSTEM, SIZE_MAX);
    if (cmd->owner != 0) cmd->owner = ECSI_OWNER_ANY;
}

/* Applies the world's own stream, and what hooks and custom commands record meanwhile. */
static ecs_status ecsi_world_settle(ecs_world *world)
{
    uint32_t round;
    ECSI_CHECK(world->own_current < 2);
    /* What a phase could not apply for want of memory comes first. */
    ecs_status status = ecsi_schedule_settle(&world->schedule);
    ECSI_CHECK(!world->flush.running);
    if (status != ECS_OK) return status;
    for (round = 0; round < ECSI_FLUSH_ROUNDS_MAX; round++) {
        ecsi_queue *queue = &world->own[world->own_current];
        ecsi_batch batch;
        ecsi_queue_count(&world->flush, queue);
        if (ecsi_queue_empty(queue)) return ECS_OK;
        memset(&batch, 0, sizeof batch);
        ecsi_batch_add(&batch, queue);
        status = ecsi_flush_prepare(&world->flush, &batch);
        if (status != ECS_OK) return status;
        world->own_current ^= 1u;
        ecsi_own_open(world);
        ecsi_batch_take(&batch, queue);
        ecsi_flush_batch(&world->flush, &batch, world->own_since);
        ecsi_queue_reset(queue);
        world->own_since = world->schedule.tick;
    }
    return ECS_OK;
}

/* Workers that may run this world's systems. */
static uint32_t ecsi_lane_count(const ecs_world_desc *d)
{
#ifndef ECS_NO_THREADS
    ecs_pool_desc pool;
    if (d->backend == ECS_BACKEND_BLOCKING) return 1;
    if (d->pool != NULL) return d->pool->slot_count;
    if (ecsi_own_pool_desc(d, &pool)) return ecsi_pool_threads(&pool) + pool.guests_max;
#else
    (void)d;
#endif
    return 1;
}

/* The pool: shared, or made of the world's own memory. Its threads do not run yet. */
static ecs_status ecsi_world_pool_make(ecs_world *world)
{
    const ecs_world_desc *d = &world->desc;
    ECSI_CHECK(world->pool == NULL);
    ECSI_CHECK(!world->own_pool);
    if (d->backend == ECS_BACKEND_BLOCKING) return ECS_OK;
    if (d->pool != NULL) {
        if (world->memory.measuring) return ECS_OK;
        world->pool = d->pool;
        ecsi_pool_attach(world->pool, 1);
        return ECS_OK;
    }
#ifndef ECS_NO_THREADS
    {
        ecs_pool_desc desc;
        void *memory;
        if (!ecsi_own_pool_desc(d, &desc)) return ECS_INVALID;
        memory = ecsi_alloc(&world->memory, ecsi_pool_bytes(&desc), ECSI_LINE_BYTES);
        if (world->memory.measuring) return ECS_OK;
        if (memory == NULL) return ECS_NO_MEMORY;
        world->pool = ecsi_pool_make(memory, &desc);
        world->own_pool = true;
        ecsi_pool_attach(world->pool, 1); /* it cannot be destroyed by itself */
    }
#endif
    return ECS_OK;
}

/* Starts the threads of the world's own pool. */
static ecs_status ecsi_world_pool_start(ecs_world *world)
{
#ifndef ECS_NO_THREADS
    if (world->own_pool && !ecsi_pool_start(world->pool)) {
        ecsi_release(&world->memory, world->pool, world->pool->bytes, ECSI_LINE_BYTES);
        world->own_pool = false;
        world->pool = NULL;
        return ECS_NO_MEMORY;
    }
    world->schedule.pool = world->pool;
#else
    ECSI_CHECK(!world->own_pool);
#endif
    return ECS_OK;
}

#ifndef ECS_NO_ADAPTIVE
/* Begins to measure, when the pool has its threads. */
static void ecsi_world_adapt(ecs_world *world)
{
    ecsi_schedule *schedule = &world->schedule;
    uint32_t workers = schedule->pool != NULL ? ecs_pool_workers(schedule->pool) : 1;
    ECSI_CHECK(!schedule->gauge.on);
    if (world->desc.backend != ECS_BACKEND_ADAPTIVE) return;
    schedule->gauge.on = true;
    schedule->gauge.io_pending = world->desc.io_pending;
    schedule->gauge.io_user = world->desc.io_user;
    ecsi_adaptive_init(&schedule->adaptive, &world->desc.adaptive, workers);
    ECSI_CHECK(schedule->adaptive.workers > 0);
}
#endif

static void ecsi_world_pool_release(ecs_world *world)
{
    if (world->pool == NULL) return;
    ECSI_CHECK(!world->schedule.ticking);
    ecsi_pool_attach(world->pool, -1);
#ifndef ECS_NO_THREADS
    if (world->own_pool) {
        size_t bytes = world->pool->bytes;
        if (world->schedule.pool != NULL) ecsi_pool_end(world->pool);
        ecsi_release(&world->memory, world->pool, bytes, ECSI_LINE_BYTES);
    }
#endif
    world->pool = NULL;
}

#if !defined(ECS_NO_IO) && !defined(ECS_NO_EVENTS)
/* The event of a completion. One that is refused is counted where its events are. */
static void ecsi_world_notify(ecs_world *world, const ecs_io_completion *done)
{
    ECSI_CHECK(world->locks == 0);
    ECSI_CHECK(done != NULL);
    (void)ecs_event_send_type(world, ecs_type_of(ecs_io_completion), done);
}
#endif

#ifndef ECS_NO_IO
static void ecsi_world_wire_io(ecs_world *world)
{
    ecsi_io *io = &world->io;
    io->memory = &world->memory;
    io->flush = &world->flush;
    io->log = &world->log;
    io->desc = world->desc.io;
    io->batching = true;
#ifndef ECS_NO_EVENTS
    io->notify = ecsi_world_notify;
#endif
    world->flush.io = io;
    world->flush.io_take = ecsi_io_take;
    world->flush.io_refuse = ecsi_io_refuse;
    world->flush.requests_max = io->desc.stream_requests_max;
    world->schedule.io = io;
    ECSI_CHECK(!io->open);
    ECSI_CHECK(io->desc.batch > 0);
}
#endif

/* Ties the modules together; no memory is taken. */
static void ecsi_world_wire(ecs_world *world)
{
    const ecs_world_desc *d = &world->desc;
    ecsi_memory *memory = &world->memory;
    ECSI_CHECK(d->entities_max > 0);
    world->log.write = d->log != NULL ? d->log : ecsi_log_stderr;
    world->log.user = d->log_user;
    world->components.memory = memory;
    world->components.world = world;
    world->components.locks = &world->locks;
    world->components.resource_bytes_max = d->resource_bytes_max;
    world->storage.memory = memory;
    world->storage.entities = &world->entities;
    world->storage.components = &world->components;
    world->storage.tick = &world->schedule.tick;
    world->storage.getters_max = d->getters_max;
    world->storage.tables_max = d->tables_max;
    world->storage.slots_max = d->table_slots_max;
    world->storage.chunk_bytes = d->chunk_bytes;
    world->storage.chunks_max = d->chunks_max;
    world->storage.row_block_rows = d->row_block_rows;
    world->entities.front.row_bits = ecsi_row_bits(d);
    world->entities.front.checked = d->check_access != ECS_CHECK_OFF ? world : NULL;
    world->shadow.checked = world;
    world->flush.watched = d->check_access != ECS_CHECK_OFF;
    world->editor.storage = &world->storage;
#ifndef ECS_NO_EVENTS
    world->events.components = &world->components;
    world->events.readers_max = d->systems_max * 4u + 64u;
    world->events.bytes_max = d->event_bytes_max;
    world->flush.events = &world->events;
#endif
    world->queries.storage = &world->storage;
    world->queries.max = d->queries_max;
    world->queries.match_bytes_max = (size_t)d->queries_max * d->tables_max * 16u;
    world->flush.storage = &world->storage;
    world->flush.components = &world->components;
    world->flush.memory = memory;
    world->flush.world = world;
    world->flush.locks = &world->locks;
    world->flush.open_serial = &world->own_cmd.serial;
    world->schedule.flush = &world->flush;
#ifndef ECS_NO_IO
    ecsi_world_wire_io(world);
#endif
    world->schedule.queries = &world->queries;
    world->schedule.memory = memory;
    world->schedule.world = world;
    world->schedule.log = &world->log;
    world->schedule.phases_max = d->phases_max;
    world->schedule.systems_max = d->systems_max;
    world->schedule.groups_max = d->groups_max;
    world->schedule.group_bytes_max = d->group_bytes_max;
    world->schedule.stream_bytes_max = d->stream_bytes_max;
    world->schedule.spawns_max = d->stream_spawns_max;
    world->schedule.strict = d->strict;
    world->schedule.settle = ecsi_world_settle;
    world->schedule.bytes_max = d->command_bytes_max;
    world->schedule.restore_bytes_max = d->restore_bytes_max;
    world->schedule.lane_count = ecsi_lane_count(d);
    world->schedule.share_ns = d->share_ns;
    ECSI_CHECK(world->locks == 0);
}

/* Takes the memory that a new world needs; measures it when `memory` measures. */
static ecs_status ecsi_world_reserve(ecs_world *world)
{
    ecsi_memory *memory = &world->memory;
    const ecs_world_desc *d = &world->desc;
    size_t own = ecsi_own_bytes(d);
    size_t getters = d->getters_max;
    ecs_status status = ecsi_keep_create(memory, memory->fixed ? ecsi_keep_bytes(d) : 1);
    ECSI_CHECK(own <= d->command_bytes_max);
    if (status == ECS_OK) status = ecsi_entities_create(memory, &world->entities, d->entities_max);
    if (status == ECS_OK) status = ecsi_components_create(&world->components, d->components_max);
    if (status == ECS_OK) {
        world->storage.getters =
            (ecsi_getter_slot *)ecsi_alloc(memory, getters * sizeof(ecsi_getter_slot), 16);
        world->storage.getter_capacity =
            (uint32_t *)ecsi_alloc(memory, getters * sizeof(uint32_t), 16);
        if (!memory->measuring && (world->storage.getters == NULL ||
                                   world->storage.getter_capacity == NULL)) {
            return ECS_NO_MEMORY;
        }
    }
    if (status == ECS_OK && !memory->measuring) {
        memset(world->storage.getters, 0, getters * sizeof(ecsi_getter_slot));
        memset(world->storage.getter_capacity, 0, getters * sizeof(uint32_t));
    }
    if (status == ECS_OK) status = ecsi_storage_create(&world->storage);
#ifndef ECS_NO_EVENTS
    if (status == ECS_OK) status = ecsi_events_create(&world->events);
#endif
    if (status == ECS_OK) status = ecsi_queries_create(&world->queries);
    /* No queue is larger than a phase's: see the check above. */
    if (status == ECS_OK) status = ecsi_flush_create(&world->flush, d->command_bytes_max);
    if (status == ECS_OK) status = ecsi_queue_create(memory, &world->own[0], own);
    if (status == ECS_OK) status = ecsi_queue_create(memory, &world->own[1], own);
    if (status == ECS_OK) status = ecsi_schedule_create(&world->schedule);
#ifndef ECS_NO_IO
    if (status == ECS_OK) status = ecsi_io_create(&world->io);
#endif
    if (status == ECS_OK) status = ecsi_watch_create(&world->schedule, d->check_access);
    if (status == ECS_OK) status = ecsi_world_pool_make(world);
    ECSI_CHECK(status != ECS_INVALID);
    return status;
}

ECS_API size_t ecs_world_bytes(const ecs_world_desc *desc)
{
    ecs_world_desc resolved;
    ecs_world_desc given;
    ecs_world world;
    memset(&given, 0, sizeof given);
    if (desc != NULL) given = *desc;
    given.memory = ECS_MEMORY_FIXED;
    if (!ecsi_desc_resolve(&given, &resolved)) return 0;
    ECSI_CHECK(resolved.memory == ECS_MEMORY_FIXED);
    memset(&world, 0, sizeof world);
    world.desc = resolved;
    ecsi_world_wire(&world);
    world.memory.fixed = true;
    world.memory.measuring = true;
    world.memory.block_used = sizeof world;
    if (ecsi_world_reserve(&world) != ECS_OK) return 0;
    ECSI_CHECK(world.memory.block_used > sizeof world);
    return ecsi_align_up(world.memory.block_used, 64);
}

static void ecsi_desc_complain(const ecs_world_desc *d, const char *what)
{
    ecsi_log log;
    ECSI_CHECK(d != NULL);
    ECSI_CHECK(what != NULL);
    log.write = d->log != NULL ? d->log : ecsi_log_stderr;
    log.user = d->log_user;
    ecsi_log_print(&log, ECS_LOG_ERROR, "ecs_world_create: %s", what);
}

/* Memory for the world itself, and in fixed mode for all that it will ever have. */
static ecs_world *ecsi_world_memory(const ecs_world_desc *d, const ecs_allocator *allocator,
                                    size_t *bytes)
{
    void *memory = d->buffer;
    ECSI_CHECK(bytes != NULL);
    ECSI_CHECK(allocator->alloc != NULL);
    *bytes = sizeof(ecs_world);
    if (d->memory == ECS_MEMORY_FIXED) {
        *bytes = ecs_world_bytes(d);
        if (*bytes == 0) return NULL;
        if (d->buffer != NULL && (d->buffer_bytes < *bytes ||
                                  (uintptr_t)d->buffer % 64 != 0)) {
            ecsi_desc_complain(d, "the buffer is too small, or not aligned to 64");
            return NULL;
        }
    }
    if (memory == NULL) memory = allocator->alloc(*bytes, 64, allocator->user);
    if (memory != NULL) memset(memory, 0, sizeof(ecs_world));
    return (ecs_world *)memory;
}

/* Everything of a world but its entities and systems goes away. */
static void ecsi_world_release(ecs_world *world)
{
    ecsi_memory *memory = &world->memory;
    ecs_allocator allocator = memory->allocator;
    size_t bytes = memory->fixed ? memory->block_bytes : sizeof *world;
    bool own = world->desc.buffer == NULL;
    size_t getters = world->desc.getters_max;
    ECSI_CHECK(world->locks == 0);
    ECSI_CHECK(world->entities.front.alive_count == 0);
    ecsi_world_pool_release(world);
    ecsi_groups_release(&world->schedule);
    ecsi_watch_destroy(&world->schedule);
    ecsi_schedule_destroy(&world->schedule);
#ifndef ECS_NO_IO
    ecsi_io_destroy(&world->io);
#endif
    ecsi_queue_destroy(memory, &world->own[0]);
    ecsi_queue_destroy(memory, &world->own[1]);
    ecsi_flush_destroy(&world->flush);
    ecsi_queries_destroy(&world->queries);
#ifndef ECS_NO_EVENTS
    ecsi_events_destroy(&world->events);
#endif
    ecsi_storage_destroy(&world->storage);
    ecsi_release(memory, world->storage.getters, getters * sizeof(ecsi_getter_slot), 16);
    ecsi_release(memory, world->storage.getter_capacity, getters * sizeof(uint32_t), 16);
    ecsi_components_destroy(&world->components);
    ecsi_entities_destroy(memory, &world->entities);
    ecsi_keep_destroy(memory);
    ECSI_CHECK(memory->fixed || memory->bytes_allocated == sizeof *world);
    ECSI_CHECK(world->pool == NULL);
    if (own) allocator.release(world, bytes, 64, allocator.user);
}

ECS_API ecs_world *ecs_world_create(const ecs_world_desc *desc)
{
    ecs_world_desc d;
    ecs_allocator allocator = ecsi_default_allocator();
    ecs_world *world;
    ecsi_table *root;
    size_t bytes;
    ecs_status status;
    if (!ecsi_desc_resolve(desc, &d)) {
        ecsi_desc_complain(desc, "the description is not valid");
        return NULL;
    }
    if (d.allocator != NULL) allocator = *d.allocator;
    ECSI_REQUIRE(allocator.alloc != NULL, NULL);
    ECSI_REQUIRE(allocator.release != NULL, NULL);
    world = ecsi_world_memory(&d, &allocator, &bytes);
    if (world == NULL) return NULL;
    world->desc = d;
    ecsi_world_wire(world);
    world->memory.allocator = allocator;
    world->memory.fixed = d.memory == ECS_MEMORY_FIXED;
    world->memory.bytes_allocated = bytes;
    world->memory.block = (unsigned char *)world;
    world->memory.block_bytes = world->memory.fixed ? bytes : 0;
    world->memory.block_used = sizeof *world;
    status = ecsi_world_reserve(world);
    ecsi_own_open(world);
    if (status == ECS_OK) status = ecsi_table_of_set(&world->storage, NULL, 0, &root);
    if (status == ECS_OK) status = ecsi_world_pool_start(world);
    if (status != ECS_OK) {
        ecsi_world_release(world);
        return NULL;
    }
#ifndef ECS_NO_ADAPTIVE
    ecsi_world_adapt(world);
#endif
    ECSI_CHECK(root->id == 0 && root->component_count == 0);
    ECSI_CHECK(world->locks == 0);
    return world;
}

/* Drops what was recorded and never applied. */
static void ecsi_own_drop(ecs_world *world)
{
    ecsi_queue_mark start;
    uint32_t i;
    ECSI_CHECK(world->locks == 0);
    memset(&start, 0, sizeof start);
    for (i = 0; i < 2; i++) ecsi_queue_rewind(&world->flush, &world->own[i], start);
    for (i = 0; i < world->schedule.lane_count; i++) {
        ecsi_queue_rewind(&world->flush, &world->schedule.lanes[i].queue, start);
    }
    ECSI_CHECK(!world->flush.running);
}

ECS_API void ecs_world_destroy(ecs_world *world)
{
    uint32_t i;
    if (world == NULL) return;
    ECSI_REQUIRE_VOID(world->locks == 0);
    ECSI_REQUIRE_VOID(!world->schedule.ticking);
    ECSI_REQUIRE_VOID(!world->flush.running);
    ECSI_REQUIRE_VOID(!world->member);
    ECSI_REQUIRE_VOID(!world->schedule.adding);
#ifndef ECS_NO_IO
    ECSI_REQUIRE_VOID(!world->io.delivering);
#endif
#ifndef ECS_NO_THREADS
    /* Guests of the world's own pool must have left it. */
    ECSI_REQUIRE_VOID(!world->own_pool || ECSI_LOAD(&world->pool->inside, acquire) == 0);
#endif
    ecsi_groups_end(&world->schedule);
#ifndef ECS_NO_IO
    /* While all that callbacks may ask for is there. */
    if (world->own_cmd.request_count > 0) (void)ecsi_world_settle(world);
    ecsi_io_end_all(&world->io);
#endif
    /* Each fini is called once, and nothing runs whose fini was called. */
    world->schedule.adding = true;
    world->schedule.ending = true;
    for (i = world->schedule.systems.count; i > 0; i--) {
        const ecsi_system *system = ecsi_system_at(&world->schedule, i - 1);
        if (system->desc.fini != NULL) system->desc.fini(world, system->desc.user);
    }
    ecsi_own_drop(world);
    for (i = 0; i < world->storage.tables.count; i++) {
        ecsi_edit_clear(&world->storage, ecsi_table_at(&world->storage, i));
    }
    ecsi_own_drop(world);
    ecsi_resources_destroy(&world->components);
    ECSI_CHECK(world->entities.front.alive_count == 0);
    ecsi_world_release(world);
}

ECS_API ecs_status ecs_world_clear(ecs_world *world)
{
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    for (i = 0; i < world->storage.tables.count; i++) {
        ecsi_edit_clear(&world->storage, ecsi_table_at(&world->storage, i));
    }
    ECSI_CHECK(ecs_entity_count(world) == 0);
    return ECS_OK;
}

ECS_API size_t ecs_shrink(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    if (world->locks != 0) return 0;
    return ecsi_storage_shrink(&world->storage);
}

ECS_API ecs_pool *ecs_world_pool(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, NULL);
    return world->pool;
}

ECS_API ecs_backend ecs_world_backend(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_BACKEND_BLOCKING);
#ifndef ECS_NO_ADAPTIVE
    if (world->schedule.gauge.on) return ecsi_choice_backend(world->schedule.adaptive.choice);
#endif
    return world->schedule.pool != NULL ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING;
}

ECS_API ecs_status ecs_world_status(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    return world->status;
}

ECS_API uint64_t ecs_world_tick(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    return world->schedule.tick;
}

ECS_API uint64_t ecs_world_seed(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    return world->desc.seed;
}

/* ---- Statistics --------------------------------------------------------------------- */

/* Bytes of one row. */
static size_t ecsi_table_row_bytes(const ecsi_table *table)
{
    size_t bytes = sizeof(ecs_entity);
    uint32_t i;
    ECSI_CHECK(table->column_count <= table->component_count);
    for (i = 0; i < table->column_count; i++) bytes += table->columns[i].bytes;
    return bytes;
}

ECS_API ecs_status ecs_world_table_stats(const ecs_world *world, uint32_t index,
                                         ecs_table_stats *out)
{
    const ecsi_table *table;
    const ecsi_chunk *chunk;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    if (index >= world->storage.tables.count) return ECS_NOT_FOUND;
    table = ecsi_table_at(&world->storage, index);
    memset(out, 0, sizeof *out);
    out->component_count = table->component_count;
    out->row_count = table->row_count;
    out->chunk_count = table->chunk_count;
    out->bytes_live = table->row_count * ecsi_table_row_bytes(table);
    for (chunk = table->first; chunk != NULL; chunk = chunk->next) {
        out->row_capacity += chunk->capacity;
        out->bytes_storage += chunk->bytes;
    }
    ECSI_CHECK(out->row_capacity >= out->row_count);
    return ECS_OK;
}

#ifndef ECS_NO_EVENTS
/* Events of all types so far: accepted, and lost for whatever reason. */
static void ecsi_events_sum(const ecs_world *world, uint64_t *sent, uint64_t *lost)
{
    uint32_t i;
    *sent = 0;
    *lost = world->flush.events_dropped;
    ECSI_CHECK(world->events.list.count <= world->components.max);
    for (i = 0; i < world->events.list.count; i++) {
        const ecsi_event *event = ecsi_event_at(&world->events, i);
        *sent += event->sent;
        *lost += event->overwritten + event->refused;
        ECSI_CHECK(event->count <= event->capacity);
    }
}
#endif

ECS_API ecs_stats ecs_world_stats(const ecs_world *world)
{
    ecs_stats stats;
    uint32_t i;
    memset(&stats, 0, sizeof stats);
    ECSI_REQUIRE(world != NULL, stats);
    stats.entity_count = ecs_entity_count(world);
    stats.component_count = world->components.list.count;
    stats.table_count = world->storage.tables.count;
    stats.chunk_count = world->storage.chunk_count;
    stats.query_count = world->queries.live;
    stats.system_count = world->schedule.systems.count;
    stats.bytes_allocated = world->memory.bytes_allocated;
    stats.bytes_storage = world->storage.chunk_bytes_total;
    for (i = 0; i < world->storage.tables.count; i++) {
        const ecsi_table *table = ecsi_table_at(&world->storage, i);
        stats.bytes_live += table->row_count * ecsi_table_row_bytes(table);
    }
    ECSI_CHECK(stats.bytes_live <= stats.bytes_storage);
    stats.access_violations = ecsi_watch_violations(&world->schedule);
    stats.commands_recorded = world->flush.recorded;
    stats.commands_applied = world->flush.applied;
    stats.commands_dropped = world->flush.dropped;
    stats.commands_refused = world->flush.refused;
#ifndef ECS_NO_EVENTS
    ecsi_events_sum(world, &stats.events_sent, &stats.events_dropped);
#endif
    for (i = 0; i < 2 + world->schedule.lane_count; i++) {
        const ecsi_queue *queue = i < 2 ? &world->own[i] : &world->schedule.lanes[i - 2].queue;
        stats.commands_recorded += queue->recorded;
        stats.commands_refused += queue->refused;
        stats.events_dropped += queue->events_dropped;
    }
    return stats;
}

/* ---- Components ----------------------------------------------------------------------- */

ECS_API ecs_status ecs_component_register(ecs_world *world, const ecs_type *type,
                                          ecs_component *out)
{
    uint32_t id = 0;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    status = ecsi_component_need(&world->components, type, &id);
    ECSI_CHECK(status != ECS_OK || ecsi_component_known(&world->components, id));
    if (out != NULL) out->id = id;
    return status;
}

ECS_API ecs_status ecs_component_define(ecs_world *world, const ecs_type *type,
                                        ecs_component *out)
{
    uint32_t id = 0;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    status = ecsi_component_register(&world->components, type, false, &id);
    if (out != NULL) out->id = id;
    return status;
}

ECS_API ecs_component ecs_component_of(const ecs_world *world, const ecs_type *type)
{
    ecs_component c = {0};
    ECSI_REQUIRE(world != NULL, c);
    ECSI_REQUIRE(type != NULL, c);
    ECSI_REQUIRE(type->name != NULL, c);
    c.id = ecsi_component_seek(&world->components, type);
    return c;
}

ECS_API ecs_component ecs_component_find(const ecs_world *world, const char *name)
{
    ecs_component c = {0};
    ECSI_REQUIRE(world != NULL, c);
    ECSI_REQUIRE(name != NULL, c);
    c.id = ecsi_component_by_name(&world->components, name);
    return c;
}

ECS_API const ecs_type *ecs_component_type(const ecs_world *world, ecs_component component)
{
    ECSI_REQUIRE(world != NULL, NULL);
    if (!ecsi_component_known(&world->components, component.id)) return NULL;
    return &ecsi_component_at(&world->components, component.id)->type;
}

ECS_API uint32_t ecs_component_count(const ecs_world *world, ecs_component component)
{
    uint32_t count = 0;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(ecsi_component_known(&world->components, component.id), 0);
    for (i = 0; i < world->storage.tables.count; i++) {
        const ecsi_table *table = ecsi_table_at(&world->storage, i);
        if (ecsi_table_find(table, component.id) != NULL) count += table->row_count;
    }
    ECSI_CHECK(count <= world->entities.front.alive_count);
    return count;
}

ECS_API ecs_status ecs_component_hooks(ecs_world *world, ecs_component component,
                                       const ecs_hooks *hooks)
{
    ecsi_component *c;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(hooks != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_component_known(&world->components, component.id), ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    c = ecsi_component_at(&world->components, component.id);
    if (world->schedule.under_way > 0) return ECS_LOCKED;
    if (c->resource != NULL || ecs_component_count(world, component) > 0) return ECS_EXISTS;
    ecsi_component_hooks_set(c, hooks);
    world->schedule.built = false; /* what asynchronous groups may read has changed */
    for (i = 0; i < world->storage.tables.count; i++) {
        ecsi_table *table = ecsi_table_at(&world->storage, i);
        if (ecsi_table_find(table, component.id) != NULL) ecsi_table_flags(&world->storage, table);
    }
    ecsi_shapes_forget(&world->editor);
    return ECS_OK;
}

/* Whether every component's closure still fits. */
static bool ecsi_requires_fit(const ecsi_components *components)
{
    uint32_t closure[ECSI_REQUIRE_MAX];
    uint32_t id;
    ECSI_CHECK(components->list.count <= components->max);
    for (id = 1; id <= components->list.count; id++) {
        if (!ecsi_component_at(components, id)->requires_others) continue;
        if (ecsi_require_closure(components, id, closure) > ECSI_REQUIRE_MAX) return false;
    }
    return true;
}

ECS_API ecs_status ecs_component_require(ecs_world *world, ecs_component component,
                                         ecs_component required)
{
    ecsi_components *components;
    uint32_t closure[ECSI_REQUIRE_MAX];
    uint32_t count;
    uint32_t i;
    ecsi_require pair;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    components = &world->components;
    ECSI_REQUIRE(ecsi_component_known(components, component.id), ECS_INVALID);
    ECSI_REQUIRE(ecsi_component_known(components, required.id), ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    count = ecsi_require_closure(components, required.id, closure);
    for (i = 0; i < count && i < ECSI_REQUIRE_MAX; i++) {
        if (closure[i] == component.id) return ECS_CYCLE;
    }
    for (i = 0; i < components->requires_list.count; i++) {
        const ecsi_require *r = ECSI_VEC_AT(ecsi_require, &components->requires_list, i);
        if (r->component == component.id && r->required == required.id) return ECS_OK;
    }
    status = ecsi_vec_reserve(&world->memory, &components->requires_list,
                              components->requires_list.count + 1,
                              world->memory.fixed ? components->max : 0x7fffffffu, sizeof pair);
    if (status != ECS_OK) return status;
    pair.component = component.id;
    pair.required = required.id;
    *ECSI_VEC_AT(ecsi_require, &components->requires_list, components->requires_list.count++) =
        pair;
    ecsi_component_at(components, component.id)->requires_others = true;
    if (!ecsi_requires_fit(components)) {
        components->requires_list.count--;
        return ECS_FULL;
    }
    ecsi_storage_edges_forget(&world->storage);
    ecsi_shapes_forget(&world->editor);
    return ECS_OK;
}

/* ---- Entities ------------------------------------------------------------------------- */

/* For calls that answer a handle. */
static inline ecs_entity ecsi_answer(ecs_world *world, ecs_status status, ecs_entity entity)
{
    ECSI_CHECK(status != ECS_OK || !ecs_is_null(entity));
    world->status = status;
    return ECSI_LIKELY(status == ECS_OK) ? entity : ecs_null();
}

ECS_API ecs_entity ecs_spawn(ecs_world *world)
{
    ecs_entity e = {0};
    ECSI_REQUIRE(world != NULL, e);
    ECSI_CHECK(world->storage.tables.count > 0);
    if (ECSI_UNLIKELY(world->locks != 0)) return ecsi_answer(world, ECS_LOCKED, e);
    return ecsi_answer(
        world, ecsi_edit_spawn(&world->storage, ecsi_table_at(&world->storage, 0), &e), e);
}

ECS_API ECSI_TAKES_DATA
ecs_entity ecs_spawn_values(ecs_world *world, const ecs_value *values, uint32_t count)
{
    ecs_entity e = {0};
    ECSI_REQUIRE(world != NULL, e);
    ECSI_REQUIRE(values != NULL || count == 0, e);
    if (count == 0) return ecs_spawn(world);
    if (ECSI_UNLIKELY(world->locks != 0)) return ecsi_answer(world, ECS_LOCKED, e);
    return ecsi_answer(world, ecsi_edit_spawn_shape(&world->editor, values, count, &e), e);
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_spawn_bulk(ecs_world *world, uint32_t entity_count,
                                  const ecs_value *values, uint32_t value_count,
                                  ecs_entity *out)
{
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(values != NULL || value_count == 0, ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    if (entity_count == 0) return ECS_OK;
    status = ecsi_edit_spawn_bulk(&world->editor, entity_count, values, value_count, out);
    if (status == ECS_OK) {
        ecsi_edit_bulk_notify(&world->editor, values, value_count, entity_count);
    }
    return status;
}

ECS_API ecs_status ecs_despawn(ecs_world *world, ecs_entity entity)
{
    ecsi_record *record;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (ECSI_UNLIKELY(world->locks != 0)) return ECS_LOCKED;
    record = ecsi_entities_find(&world->entities, entity);
    if (ECSI_UNLIKELY(record == NULL)) return ECS_STALE;
    ecsi_edit_despawn(&world->storage, entity, record);
    return ECS_OK;
}

ECS_API bool ecs_alive(const ecs_world *world, ecs_entity entity)
{
    ECSI_REQUIRE(world != NULL, false);
    return ecsi_entities_find(&world->entities, entity) != NULL;
}

ECS_API uint32_t ecs_entity_count(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, 0);
    return world->entities.front.alive_count - world->entities.reserved_count;
}

ECS_API ecs_entity ecs_entity_at(const ecs_world *world, uint32_t index)
{
    ECSI_REQUIRE(world != NULL, ecs_null());
    if (index >= world->entities.front.record_count) return ecs_null();
    if (ecsi_entities_record(&world->entities, index)->place == 0) return ecs_null();
    return ecsi_entities_handle(&world->entities, index);
}

ECS_API ecs_entity ecs_entity_next(const ecs_world *world, ecs_entity previous)
{
    uint32_t index = ecs_is_null(previous) ? 0 : ecs_index(previous) + 1;
    ECSI_REQUIRE(world != NULL, ecs_null());
    if (ecs_index(previous) == 0xffffffffu) return ecs_null();
    for (; index < world->entities.front.record_count; index++) {
        if (ecsi_entities_record(&world->entities, index)->place != 0) {
            return ecsi_entities_handle(&world->entities, index);
        }
    }
    return ecs_null();
}

ECS_API ecs_entity ecs_clone(ecs_world *world, ecs_entity entity)
{
    ecs_entity e = {0};
    ECSI_REQUIRE(world != NULL, e);
    if (world->locks != 0) return ecsi_answer(world, ECS_LOCKED, e);
    return ecsi_answer(world, ecsi_edit_clone(&world->storage, entity, &e), e);
}

/* ---- Components of one entity ----------------------------------------------------------- */

/* What the edits of one component have in common. */
static inline ecs_status ecsi_edit_begin(ecs_world *world, ecs_entity entity,
                                         ecs_component component, ecsi_record **out)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_CHECK(out != NULL);
    ECSI_REQUIRE(ecsi_component_known(&world->components, component.id), ECS_INVALID);
    if (ECSI_UNLIKELY(world->locks != 0)) return ECS_LOCKED;
    *out = ecsi_entities_find(&world->entities, entity);
    return ECSI_LIKELY(*out != NULL) ? ECS_OK : ECS_STALE;
}

ECS_API ecs_status ecs_add_id(ecs_world *world, ecs_entity entity, ecs_component component)
{
    ecsi_record *record;
    ecs_status status = ecsi_edit_begin(world, entity, component, &record);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    status = ecsi_edit_add(&world->storage, entity, record, component.id);
    ECSI_CHECK(status != ECS_OK || ecs_has_id(world, entity, component));
    return status;
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_set_id(ecs_world *world, ecs_entity entity, ecs_component component,
                              const void *value)
{
    ecsi_record *record;
    ecs_status status = ecsi_edit_begin(world, entity, component, &record);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (ecsi_component_at(&world->components, component.id)->type.bytes == 0) {
        return ECS_UNSUPPORTED;
    }
    status = ecsi_edit_set(&world->storage, entity, record, component.id,
                           (void *)(uintptr_t)value, false);
    ECSI_CHECK(status != ECS_OK || ecs_has_id(world, entity, component));
    return status;
}

ECS_API ecs_status ecs_remove_id(ecs_world *world, ecs_entity entity, ecs_component component)
{
    ecsi_record *record;
    ecs_status status = ecsi_edit_begin(world, entity, component, &record);
    if (ECSI_UNLIKELY(status != ECS_OK)) return status;
    status = ecsi_edit_remove(&world->storage, entity, record, component.id);
    ECSI_CHECK(status != ECS_OK || !ecs_has_id(world, entity, component));
    return status;
}

ECS_API bool ecs_has_id(const ecs_world *world, ecs_entity entity, ecs_component component)
{
    const ecsi_record *record;
    ECSI_REQUIRE(world != NULL, false);
    record = ecsi_entities_find(&world->entities, entity);
    if (record == NULL || component.id == 0) return false;
    return ecsi_table_find(ecsi_record_table(&world->storage, record), component.id) != NULL;
}

ECS_API const void *ecs_get_id(const ecs_world *world, ecs_entity entity,
                               ecs_component component)
{
    const ecsi_record *record;
    ECSI_REQUIRE(world != NULL, NULL);
    record = ecsi_entities_find(&world->entities, entity);
    if (ECSI_UNLIKELY(record == NULL || component.id == 0)) return NULL;
    if (!ECSI_ALLOWED(world, component.id, ECSI_WANT_VALUE)) return NULL;
    return ecsi_row_value(&world->storage, record, component.id);
}

ECS_API void *ecs_get_mut_id(ecs_world *world, ecs_entity entity, ecs_component component)
{
    ecsi_record *record;
    void *value;
    ECSI_REQUIRE(world != NULL, NULL);
    record = ecsi_entities_find(&world->entities, entity);
    if (record == NULL || component.id == 0) return NULL;
    if (!ECSI_ALLOWED(world, component.id, ECSI_WANT_MUTABLE)) return NULL;
    value = ecsi_row_value(&world->storage, record, component.id);
    if (value != NULL) ecsi_row_touch(&world->storage, record, component.id);
    return value;
}

ECS_API uint32_t ecs_entity_components(const ecs_world *world, ecs_entity entity,
                                       ecs_component *out, uint32_t max)
{
    const ecsi_record *record;
    const ecsi_table *table;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(out != NULL || max == 0, 0);
    record = ecsi_entities_find(&world->entities, entity);
    if (record == NULL) return 0;
    table = ecsi_record_table(&world->storage, record);
    for (i = 0; i < table->component_count && i < max; i++) out[i].id = table->ids[i];
    return table->component_count;
}

/* The id of a type for an edit; a locked world registers nothing. */
static inline ecs_status ecsi_edit_type(ecs_world *world, const ecs_type *type,
                                        ecs_component *out)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    if (ECSI_UNLIKELY(world->locks != 0)) return ECS_LOCKED;
    return ecsi_component_need(&world->components, type, &out->id);
}

ECS_API ecs_status ecs_add_type(ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    return ECSI_LIKELY(status == ECS_OK) ? ecs_add_id(world, entity, c) : status;
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_set_type(ecs_world *world, ecs_entity entity, const ecs_type *type,
                                const void *value)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    return ECSI_LIKELY(status == ECS_OK) ? ecs_set_id(world, entity, c, value) : status;
}

ECS_API ecs_status ecs_remove_type(ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    return ECSI_LIKELY(status == ECS_OK) ? ecs_remove_id(world, entity, c) : status;
}

ECS_API bool ecs_has_type(const ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    return ecs_has_id(world, entity, ecs_component_of(world, type));
}

ECS_API const void *ecs_get_type(const ecs_world *world, ecs_entity entity,
                                 const ecs_type *type)
{
    const ecsi_component *c;
    uint32_t id;
    ECSI_REQUIRE(world != NULL, NULL);
    ECSI_REQUIRE(type != NULL, NULL);
    ECSI_REQUIRE(type->name != NULL, NULL);
    id = ecsi_component_seek(&world->components, type);
    if (ECSI_UNLIKELY(id == 0)) return NULL;
    if (!ECSI_ALLOWED(world, id, ECSI_WANT_VALUE)) return NULL;
    c = ecsi_component_at(&world->components, id);
    if (ECSI_LIKELY(c->getter != 0)) {
        ecs_getter getter;
        ECSI_CHECK(c->getter <= world->storage.getter_count);
        getter.front = &world->entities.front;
        getter.slot = &world->storage.getters[c->getter - 1];
        return ecs_getter_find(getter, entity, c->type.bytes);
    }
    return ecs_get_id(world, entity, ecs_component_of(world, type));
}

ECS_API void *ecs_get_mut_type(ecs_world *world, ecs_entity entity, const ecs_type *type)
{
    return ecs_get_mut_id(world, entity, ecs_component_of(world, type));
}

ECS_API ecs_status ecs_getter_make(ecs_world *world, const ecs_type *type, ecs_getter *out)
{
    static const ecsi_front nothing = {NULL, 0, 0, 0, NULL};
    uint32_t id;
    ecs_status status;
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    out->front = &nothing;
    out->slot = NULL;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    status = ecsi_component_need(&world->components, type, &id);
    if (status == ECS_OK) status = ecsi_getter_need(&world->storage, id, &out->slot);
    if (status == ECS_OK) {
        out->front = world->entities.front.checked != NULL ? &world->shadow
                                                           : &world->entities.front;
    }
    return status;
}

ECS_API const void *ecs_getter_find_checked(ecs_getter getter, ecs_entity entity)
{
    const ecs_world *world;
    ecs_component component;
    ECSI_REQUIRE(getter.front != NULL, NULL);
    ECSI_REQUIRE(getter.slot != NULL, NULL);
    world = getter.front->checked;
    ECSI_REQUIRE(world != NULL, NULL);
    component.id = getter.slot->component;
    return ecs_get_id(world, entity, component);
}

/* ---- Queries ------------------------------------------------------------------------------ */

ECS_API ecs_status ecs_query_make(ecs_world *world, const ecs_query_info *info, ecs_query *out)
{
    ecsi_query *query;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(info != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    out->id = 0;
    status = ecsi_query_make(&world->queries, info, false, &query);
    if (status == ECS_OK) out->id = query->id;
    return status;
}

ECS_API ecs_query ecs_query_find(const ecs_world *world, const ecs_query_info *info)
{
    ecs_query query = {0};
    uint32_t at;
    uint32_t id;
    ECSI_REQUIRE(world != NULL, query);
    ECSI_REQUIRE(info != NULL, query);
    id = ecsi_map_find(&world->queries.by_address, (uint64_t)(uintptr_t)info, &at);
    if (id != ECSI_MAP_NONE) query.id = id;
    return query;
}

ECS_API ecs_query ecs_query_of(ecs_world *world, const ecs_query_info *info)
{
    ecs_query query = ecs_query_find(world, info);
    ecs_status status;
    if (ECSI_LIKELY(query.id != 0)) return query;
    ECSI_REQUIRE(world != NULL, query);
    ECSI_REQUIRE(info != NULL, query);
    status = ecsi_map_reserve(&world->memory, &world->queries.by_address);
    if (status == ECS_OK) status = ecs_query_make(world, info, &query);
    if (status == ECS_OK) {
        ecsi_map_put(&world->queries.by_address, (uint64_t)(uintptr_t)info, query.id);
    }
    ECSI_CHECK(status != ECS_OK || query.id != 0);
    world->status = status;
    return query;
}

/* The query of a handle; NULL for null and unknown ones. */
static inline ecsi_query *ecsi_query_get(const ecs_world *world, ecs_query query)
{
    if (query.id == 0 || query.id > world->queries.list.count) return NULL;
    return ecsi_query_at(&world->queries, query.id);
}

ECS_API uint32_t ecs_query_count(const ecs_world *world, ecs_query query)
{
    const ecsi_query *q;
    ECSI_REQUIRE(world != NULL, 0);
    q = ecsi_query_get(world, query);
    return q == NULL ? 0 : ecsi_query_row_count(q);
}

ECS_API ecs_status ecs_query_first(const ecs_world *world, ecs_query query, ecs_entity *out)
{
    const ecsi_query *q;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    *out = ecs_null();
    q = ecsi_query_get(world, query);
    for (i = 0; q != NULL && i < q->matches.count; i++) {
        const ecsi_table *table = ecsi_match_at(q, i)->table;
        if (table->row_count == 0) continue;
        ECSI_CHECK(table->first->count > 0);
        *out = ecsi_chunk_entities(table->first)[0];
        return ECS_OK;
    }
    return ECS_NOT_FOUND;
}

ECS_API ecs_status ecs_query_single(const ecs_world *world, ecs_query query, ecs_entity *out)
{
    ecs_status status = ecs_query_first(world, query, out);
    if (status != ECS_OK) return status;
    ECSI_CHECK(!ecs_is_null(*out));
    if (ecs_query_count(world, query) == 1) return ECS_OK;
    *out = ecs_null();
    return ECS_MANY;
}

ECS_API ecs_status ecs_query_despawn(ecs_world *world, ecs_query query, uint32_t *out_count)
{
    ecsi_query *q;
    uint32_t count = 0;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (out_count != NULL) *out_count = 0;
    if (world->locks != 0) return ECS_LOCKED;
    q = ecsi_query_get(world, query);
    ECSI_REQUIRE(q != NULL, ECS_INVALID);
    for (i = 0; i < q->matches.count; i++) {
        ecsi_table *table = ecsi_match_at(q, i)->table;
        count += table->row_count;
        ecsi_edit_clear(&world->storage, table);
    }
    ECSI_CHECK(ecsi_query_row_count(q) == 0);
    if (out_count != NULL) *out_count = count;
    return ECS_OK;
}

ECS_API void ecs_iter_begin(ecs_world *world, ecs_query query, ecs_iter *iter)
{
    const ecsi_query *q;
    ECSI_REQUIRE_VOID(iter != NULL);
    ecsi_iter_start(iter, NULL, NULL, 0);
    ECSI_REQUIRE_VOID(world != NULL);
    q = ecsi_query_get(world, query);
    if (q != NULL && !ECSI_ALLOWED_ALL(world, q, ECSI_WANT_MUTABLE)) return;
    ecsi_iter_start(iter, q, &world->locks, world->schedule.tick);
}

ECS_API void ecs_iter_begin_const(const ecs_world *world, ecs_query query, ecs_iter *iter)
{
    const ecsi_query *q;
    ECSI_REQUIRE_VOID(iter != NULL);
    ecsi_iter_start(iter, NULL, NULL, 0);
    ECSI_REQUIRE_VOID(world != NULL);
    q = ecsi_query_get(world, query);
    if (q != NULL && q->writes) {
        ECS_ASSERT(!q->writes);
        q = NULL;
    }
    if (q != NULL && !ECSI_ALLOWED_ALL(world, q, ECSI_WANT_VALUE)) q = NULL;
    ecsi_iter_start(iter, q, NULL, UINT64_MAX);
}

ECS_API bool ecs_iter_next(ecs_iter *iter)
{
    return ECSI_LIKELY(iter != NULL) && ecsi_iter_step(iter);
}

ECS_API uint32_t ecs_query_slices(const ecs_world *world, ecs_query query, uint32_t term,
                                  ecs_slice *out, uint32_t max)
{
    const ecsi_query *q;
    uint32_t count = 0;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(out != NULL || max == 0, 0);
    q = ecsi_query_get(world, query);
    if (q == NULL || term >= q->term_count) return 0;
    if (ecsi_access_is_column(q->terms[term].access) &&
        !ECSI_ALLOWED(world, q->terms[term].component, ECSI_WANT_VALUE)) {
        return 0;
    }
    for (i = 0; i < q->matches.count; i++) {
        const ecsi_match *match = ecsi_match_at(q, i);
        ecsi_chunk *chunk = match->table->first;
        uint32_t c = match->columns[term];
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next, count++) {
            const ecsi_column *column =
                c == ECSI_NO_COLUMN ? NULL : &match->table->columns[c];
            if (count >= max) continue;
            out[count].data = column == NULL ? NULL : ecsi_chunk_value(chunk, column, 0);
            out[count].count = chunk->count;
            out[count].stride = column == NULL ? 0 : column->bytes;
        }
    }
    return count;
}

/* ---- Commands ------------------------------------------------------------------------------ */

ECS_API ecs_commands *ecs_world_commands(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, NULL);
    if (!ECSI_ALLOWED(world, 0, ECSI_WANT_WORLD)) return NULL;
    return &world->own_cmd;
}

ECS_API ecs_status ecs_flush(ecs_world *world)
{
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->locks != 0 || world->flush.running) return ECS_LOCKED;
    status = ecsi_world_settle(world);
#ifndef ECS_NO_IO
    if (!world->schedule.ticking && !world->io.delivering) ecsi_io_submit(&world->io);
#endif
    return status;
}

/* What a spawn answers. The world's field is for its own stream only: systems run at the same
 * time. */
static void ecsi_spawn_status(ecs_commands *cmd, ecs_status status)
{
    ECSI_CHECK(cmd->flush != NULL);
    cmd->status = status;
    if (cmd->system == ECSI_NO_SYSTEM) cmd->flush->world->status = status;
}

ECS_API ecs_status ecs_cmd_status(const ecs_commands *cmd)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    return cmd->status;
}

ECS_API ecs_entity ecs_cmd_spawn(ecs_commands *cmd)
{
    ecs_status status;
    ecs_entity e;
    ECSI_REQUIRE(cmd != NULL, ecs_null());
    if (!ECSI_RECORDS(cmd)) return ecs_null();
    e = ecsi_record_spawn(cmd, &status);
    ECSI_CHECK(status != ECS_OK || ecs_is_provisional(e));
    ecsi_spawn_status(cmd, status);
    return e;
}

ECS_API ECSI_TAKES_DATA ecs_entity ecs_cmd_spawn_values(ecs_commands *cmd, const ecs_value *values,
                                        uint32_t count)
{
    ecsi_queue_mark mark;
    ecs_commands before;
    ecs_status status;
    ecs_entity e;
    uint32_t i;
    ECSI_REQUIRE(cmd != NULL, ecs_null());
    if (!ECSI_RECORDS(cmd)) return ecs_null();
    ECSI_REQUIRE(values != NULL || count == 0, ecs_null());
    mark = ecsi_queue_where(cmd->queue);
    before = *cmd;
    e = ecsi_record_spawn(cmd, &status);
    ecsi_spawn_status(cmd, status);
    if (status != ECS_OK) return ecs_null();
    for (i = 0; i < count && status == ECS_OK; i++) {
        status = ecsi_record_component(cmd,
                                       values[i].data == NULL ? ECSI_COMMAND_ADD
                                                              : ECSI_COMMAND_SET,
                                       e, 0, values[i].type, values[i].data);
    }
    if (status == ECS_OK) return e;
    ecsi_spawn_undo(cmd, mark, &before);
    ecsi_spawn_status(cmd, status);
    return ecs_null();
}

ECS_API ecs_status ecs_cmd_despawn(ecs_commands *cmd, ecs_entity entity)
{
    ecsi_command *command;
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    if (ecs_is_null(entity)) return ECS_STALE;
    return ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_DESPAWN, 0, 1), entity.bits,
                               &command);
}

/* Apart, so that the calls below need no frame for it. */
ECSI_COLD static ecs_status ecsi_record_watched(ecs_commands *cmd, uint32_t kind,
                                                ecs_entity entity, uint32_t id,
                                                const ecs_type *type, const void *value)
{
    ECSI_CHECK(cmd->owner != 0);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    return ecsi_record_component(cmd, kind, entity, id, type, value);
}

static inline ecs_status ecsi_record_asked(ecs_commands *cmd, uint32_t kind, ecs_entity entity,
                                           uint32_t id, const ecs_type *type, const void *value)
{
    ECSI_CHECK(cmd->flush != NULL);
    if (ECSI_UNLIKELY(cmd->owner != 0)) {
        return ecsi_record_watched(cmd, kind, entity, id, type, value);
    }
    return ecsi_record_component(cmd, kind, entity, id, type, value);
}

/* Whether an id is one of a component. */
static inline bool ecsi_stream_knows(const ecs_commands *cmd, ecs_component component)
{
    uint32_t id = component.id;
    ECSI_CHECK(cmd != NULL);
    return id != 0 && ecsi_stream_component(cmd, &id, NULL) != NULL;
}

ECS_API ecs_status ecs_cmd_add_id(ecs_commands *cmd, ecs_entity entity, ecs_component component)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_stream_knows(cmd, component), ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_ADD, entity, component.id, NULL, NULL);
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_cmd_set_id(ecs_commands *cmd, ecs_entity entity, ecs_component component,
                                  const void *value)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_stream_knows(cmd, component), ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_SET, entity, component.id, NULL, value);
}

ECS_API ecs_status ecs_cmd_remove_id(ecs_commands *cmd, ecs_entity entity,
                                     ecs_component component)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_stream_knows(cmd, component), ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_REMOVE, entity, component.id, NULL, NULL);
}

ECS_API ecs_status ecs_cmd_add_type(ecs_commands *cmd, ecs_entity entity, const ecs_type *type)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_ADD, entity, 0, type, NULL);
}

ECS_API ECSI_TAKES_DATA
ecs_status ecs_cmd_set_type(ecs_commands *cmd, ecs_entity entity, const ecs_type *type,
                                    const void *value)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_SET, entity, 0, type, value);
}

ECS_API ecs_status ecs_cmd_remove_type(ecs_commands *cmd, ecs_entity entity,
                                       const ecs_type *type)
{
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    return ecsi_record_asked(cmd, ECSI_COMMAND_REMOVE, entity, 0, type, NULL);
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_cmd_custom(ecs_commands *cmd,
                                  void (*run)(ecs_world *world, void *payload, uint32_t bytes),
                                  const void *payload, uint32_t bytes)
{
    ecsi_command *command;
    ecsi_custom custom;
    unsigned char *to;
    ecs_status status;
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    ECSI_REQUIRE(run != NULL, ECS_INVALID);
    ECSI_REQUIRE(payload != NULL || bytes == 0, ECS_INVALID);
    if (bytes > 1u << 30) return ECS_TOO_LARGE;
    status = ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_CUSTOM,
                                                      bytes + ECSI_CUSTOM_BYTES, 16), 0,
                                 &command);
    if (status != ECS_OK) return status;
    memset(&custom, 0, sizeof custom);
    custom.run = run;
    custom.bytes = bytes;
    to = (unsigned char *)ecsi_command_payload(command);
    ECSI_CHECK(to != NULL);
    memcpy(to, &custom, sizeof custom);
    if (bytes > 0) memcpy(to + ECSI_CUSTOM_BYTES, payload, bytes);
    return ECS_OK;
}

ECS_API ecs_entity ecs_cmd_resolve(const ecs_world *world, ecs_entity entity)
{
    ECSI_REQUIRE(world != NULL, ecs_null());
    return ecsi_flush_resolve(&world->flush, entity);
}

/* ---- Resources ------------------------------------------------------------------------------ */

ECS_API ECSI_TAKES_DATA ecs_status ecs_resource_set_type(ecs_world *world, const ecs_type *type,
                                         const void *value)
{
    ecs_component c;
    void *to;
    ecs_status status = ecsi_edit_type(world, type, &c);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (status == ECS_OK) status = ecsi_resource_need(&world->components, c.id, &to);
    if (status != ECS_OK) return status;
    ECSI_CHECK(to != NULL);
    if (to != value) {
        const ecsi_component *info = ecsi_component_at(&world->components, c.id);
        ecsi_values_destroy(info, to, 1);
        ecsi_values_copy(info, to, value, 1);
    }
    return ECS_OK;
}

ECS_API const void *ecs_resource_get_type(const ecs_world *world, const ecs_type *type)
{
    ecs_component c = ecs_component_of(world, type);
    if (c.id == 0 || !ECSI_ALLOWED(world, c.id, ECSI_WANT_RESOURCE)) return NULL;
    return ecsi_component_at(&world->components, c.id)->resource;
}

ECS_API void *ecs_resource_mut_type(ecs_world *world, const ecs_type *type)
{
    ecs_component c;
    void *value = NULL;
    ecs_status status = ecsi_edit_type(world, type, &c);
    if (status == ECS_OK) status = ecsi_resource_need(&world->components, c.id, &value);
    ECSI_CHECK(status != ECS_OK || value != NULL);
    if (world != NULL) world->status = status;
    return status == ECS_OK ? value : NULL;
}

/* ---- Events ---------------------------------------------------------------------------------- */

#ifndef ECS_NO_EVENTS
ECS_API ecs_status ecs_event_configure_type(ecs_world *world, const ecs_type *type,
                                            const ecs_event_desc *desc)
{
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->policy == ECS_EVENT_REFUSE || desc->policy == ECS_EVENT_OVERWRITE,
                 ECS_INVALID);
    if (status != ECS_OK) return status;
    if (ecsi_component_at(&world->components, c.id)->event != 0) return ECS_EXISTS;
    return ecsi_event_make(&world->events, c.id, desc);
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_event_send_type(ecs_world *world, const ecs_type *type,
                                       const void *value)
{
    ecs_component c;
    ecsi_event *event;
    ecs_status status = ecsi_edit_type(world, type, &c);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (status == ECS_OK) status = ecsi_event_need(&world->events, c.id, &event);
    if (status != ECS_OK) return status;
    return ecsi_event_append(&world->events, event, value);
}

/* The stream's count of an event type; NULL when its quota is used up. */
static uint32_t *ecsi_emit_count(ecs_commands *cmd, uint32_t id)
{
    const ecsi_component *c = ecsi_stream_component(cmd, &id, NULL);
    uint32_t quota = ECSI_EVENT_CAPACITY;
    uint32_t i = 0;
    ecsi_stream_lock(cmd);
    if (c->event != 0 && (!cmd->detached || c->event <= cmd->events_known)) {
        quota = ecsi_event_at(cmd->flush->events, c->event - 1)->quota;
    }
    ecsi_stream_unlock(cmd);
    ECSI_CHECK(quota > 0);
    ECSI_CHECK(cmd->emit_type_count <= ECSI_EMIT_TYPES_MAX);
    while (i < cmd->emit_type_count && cmd->emit_types[i] != id) i++;
    if (i == ECSI_EMIT_TYPES_MAX) return NULL;
    if (i == cmd->emit_type_count) {
        cmd->emit_types[i] = id;
        cmd->emit_counts[i] = 0;
        cmd->emit_type_count++;
    }
    ECSI_CHECK(cmd->emit_counts[i] <= quota);
    return cmd->emit_counts[i] == quota ? NULL : &cmd->emit_counts[i];
}

ECS_API ECSI_TAKES_DATA ecs_status ecs_cmd_emit_type(ecs_commands *cmd, const ecs_type *type,
                                                     const void *value)
{
    ecsi_command *command;
    uint32_t *count;
    uint32_t id;
    ecs_status status;
    ECSI_REQUIRE(cmd != NULL, ECS_INVALID);
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_REQUIRE(value != NULL, ECS_INVALID);
    if (!ECSI_RECORDS(cmd)) return ECS_INVALID;
    id = 0;
    if (ecsi_stream_component(cmd, &id, type) == NULL) return ECS_NOT_FOUND;
    if (type->bytes == 0) return ECS_UNSUPPORTED;
    if (cmd->owner != 0 && !cmd->detached &&
        !ecsi_access_emits(&cmd->flush->world->schedule, id)) {
        return ECS_INVALID;
    }
    count = ecsi_emit_count(cmd, id);
    if (count == NULL) {
        cmd->queue->events_dropped++;
        return ECS_FULL;
    }
    status = ecsi_command_record(cmd, ecsi_shape_make(ECSI_COMMAND_EVENT, type->bytes,
                                                      type->align), 0, &command);
    if (status != ECS_OK) return status;
    *count += 1;
    command->component = id;
    memcpy(ecsi_command_payload(command), value, type->bytes);
    return ECS_OK;
}

ECS_API ecs_event_reader ecs_event_reader_open_type(ecs_world *world, const ecs_type *type)
{
    ecs_event_reader reader = {0};
    ecs_component c;
    ecs_status status = ecsi_edit_type(world, type, &c);
    if (status == ECS_OK) status = ecsi_reader_open(&world->events, c.id, &reader.id);
    ECSI_CHECK(status != ECS_OK || reader.id != 0);
    if (world != NULL) world->status = status;
    return reader;
}

/* The reader of a handle; ids are used again after a close. */
static bool ecsi_reader_known(const ecs_world *world, ecs_event_reader reader)
{
    if (reader.id == 0 || reader.id > world->events.readers.count) return false;
    return ecsi_reader_at(&world->events, reader.id)->event != 0;
}

ECS_API ecs_status ecs_event_reader_close(ecs_world *world, ecs_event_reader reader)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(ecsi_reader_known(world, reader), ECS_INVALID);
    if (world->locks != 0) return ECS_LOCKED;
    ecsi_reader_close(&world->events, reader.id);
    return ECS_OK;
}

ECS_API ecs_events ecs_event_read(ecs_world *world, ecs_event_reader reader)
{
    ecs_events answer;
    memset(&answer, 0, sizeof answer);
    ECSI_REQUIRE(world != NULL, answer);
    ECSI_REQUIRE(ecsi_reader_known(world, reader), answer);
    if (!ECSI_ALLOWED(world, ecsi_event_at(&world->events, ecsi_reader_at(
                                 &world->events, reader.id)->event - 1)->component,
                      ECSI_WANT_EVENTS)) {
        return answer;
    }
    answer = ecsi_reader_peek(&world->events, reader.id);
    ecsi_reader_advance(&world->events, reader.id, answer.count);
    return answer;
}

ECS_API ecs_event_stats ecs_event_stats_type(const ecs_world *world, const ecs_type *type)
{
    ecs_event_stats stats;
    ecs_component c = ecs_component_of(world, type);
    const ecsi_event *event;
    memset(&stats, 0, sizeof stats);
    if (c.id == 0 || ecsi_component_at(&world->components, c.id)->event == 0) return stats;
    event = ecsi_event_at(&world->events, ecsi_component_at(&world->components, c.id)->event - 1);
    ECSI_CHECK(event->count <= event->capacity);
    stats.count = event->count;
    stats.sent = event->sent;
    stats.refused = event->refused;
    stats.overwritten = event->overwritten;
    stats.unread = event->unread;
    return stats;
}
#endif

/* ---- Systems and phases ---------------------------------------------------------------------- */

/* Remembers that a system was not added, for a program that does not look at the answer. */
static void ecsi_system_refused(ecsi_schedule *schedule, const ecs_system_desc *desc,
                                ecs_status status)
{
    const char *name = desc->name != NULL ? desc->name : desc->system->name;
    ecsi_refused *refused;
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(desc->system != NULL);
    if (schedule->refused_count < ECSI_REFUSED_MAX) {
        refused = &schedule->refused[schedule->refused_count];
        refused->status = status;
        (void)snprintf(refused->name, sizeof refused->name, "%s", name != NULL ? name : "?");
    }
    if (schedule->refused_count < UINT32_MAX) schedule->refused_count++;
}

ECS_API ecs_status ecs_system_add_desc(ecs_world *world, const ecs_system_desc *desc)
{
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc->system != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->schedule.adding) return ECS_LOCKED;
    status = ecsi_system_insert(&world->schedule, desc);
    if (status != ECS_OK) ecsi_system_refused(&world->schedule, desc, status);
    return status;
}

ECS_API ecs_status ecs_system_add(ecs_world *world, const ecs_system *system, ecs_phase phase)
{
    ecs_system_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.system = system;
    desc.phase = phase;
    return ecs_system_add_desc(world, &desc);
}

ECS_API ecs_status ecs_system_enable(ecs_world *world, const char *name, bool enabled)
{
    uint32_t index;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking) return ECS_LOCKED;
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return ECS_NOT_FOUND;
    ecsi_system_at(&world->schedule, index)->disabled = !enabled;
    ecsi_system_switch(ecsi_system_at(&world->schedule, index));
    if (ecsi_system_at(&world->schedule, index)->enabled) {
        ecsi_system_forgive(ecsi_system_at(&world->schedule, index));
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_system_state_get(const ecs_world *world, const char *name,
                                        ecs_system_state *out)
{
    const ecsi_system *system;
    uint32_t index;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return ECS_NOT_FOUND;
    system = ecsi_system_at(&world->schedule, index);
    *out = system->state;
    out->enabled = system->enabled;
    out->broken = system->broken;
    out->wait_ticks = system->wait_ticks;
    return ECS_OK;
}

ECS_API void ecs_tick_cancel(ecs_world *world)
{
    ECSI_REQUIRE_VOID(world != NULL);
    /* Relaxed: it says when to stop, and hands nothing over. */
    ECSI_STORE(&world->schedule.cancel, 1u, relaxed);
#ifndef ECS_NO_IO
    ecsi_io_rouse(&world->io);
#endif
}

ECS_API bool ecs_tick_cancelled(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, false);
    return ecsi_tick_cancelled(&world->schedule);
}

ECS_API ecs_status ecs_system_remove(ecs_world *world, const char *name)
{
    uint32_t index;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->schedule.adding) return ECS_LOCKED;
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return ECS_NOT_FOUND;
    ecsi_system_take_out(&world->schedule, index);
    return ECS_OK;
}

ECS_API ecs_status ecs_group_add(ecs_world *world, const ecs_group_desc *desc)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(desc != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->schedule.adding) return ECS_LOCKED;
    return ecsi_group_insert(&world->schedule, desc);
}

ECS_API ecs_status ecs_group_enable(ecs_world *world, const char *name, bool enabled)
{
    ecsi_group *group;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking) return ECS_LOCKED;
    group = ecsi_group_find(&world->schedule, name);
    if (group == NULL) return ECS_NOT_FOUND;
    group->enabled = enabled;
    for (i = 0; i < world->schedule.systems.count; i++) {
        ecsi_system *system = ecsi_system_at(&world->schedule, i);
        if (system->group != group) continue;
        ecsi_system_switch(system);
        if (system->enabled) ecsi_system_forgive(system);
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_group_state_get(const ecs_world *world, const char *name,
                                       ecs_group_state *out)
{
    const ecsi_group *group;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(name != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    group = ecsi_group_find(&world->schedule, name);
    if (group == NULL) return ECS_NOT_FOUND;
    *out = group->state;
    out->enabled = group->enabled;
    out->asynchronous = group->detached && world->schedule.built;
    out->under_way = group->under_way;
    out->systems = 0;
    for (i = 0; i < world->schedule.systems.count; i++) {
        if (ecsi_system_at(&world->schedule, i)->group == group) out->systems++;
    }
    return ECS_OK;
}

ECS_API ecs_launch ecs_group_last(const ecs_world *world, const char *name)
{
    ecs_launch launch = {0, 0};
    const ecsi_group *group;
    ECSI_REQUIRE(world != NULL, launch);
    ECSI_REQUIRE(name != NULL, launch);
    group = ecsi_group_find(&world->schedule, name);
    if (group == NULL) return launch;
    launch.number = group->state.launched;
    launch.group = group->number;
    return launch;
}

/* The launch of a future; NULL: there was none, or it is applied. */
static ecsi_launch *ecsi_launch_get(const ecs_world *world, ecs_launch launch)
{
    const ecsi_group *group;
    uint64_t behind;
    ECSI_CHECK(world != NULL);
    if (launch.group == 0 || launch.group > world->schedule.groups.count) return NULL;
    group = ecsi_group_at(&world->schedule, launch.group - 1);
    if (launch.number == 0 || launch.number > group->state.launched) return NULL;
    behind = group->state.launched - launch.number;
    ECSI_CHECK(group->under_way <= group->desc.depth);
    if (behind >= group->under_way) return NULL;
    return ecsi_group_launch(group, group->under_way - 1 - (uint32_t)behind);
}

ECS_API bool ecs_launch_ended(const ecs_world *world, ecs_launch launch)
{
    const ecsi_launch *found;
    ECSI_REQUIRE(world != NULL, false);
    ECSI_REQUIRE(launch.number != 0, false);
    found = ecsi_launch_get(world, launch);
    return found == NULL || ecsi_launch_ended(found);
}

ECS_API ecs_status ecs_launch_wait(ecs_world *world, ecs_launch launch)
{
    const ecsi_group *group;
    ecsi_launch *found;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    /* First of all: this thread may have nothing to do with the world's. */
    if (ecsi_groups_inside(&world->schedule)) return ECS_LOCKED;
    if (world->locks != 0) return ECS_LOCKED;
    if (launch.group == 0 || launch.group > world->schedule.groups.count) return ECS_INVALID;
    group = ecsi_group_at(&world->schedule, launch.group - 1);
    if (launch.number == 0 || launch.number > group->state.launched) return ECS_INVALID;
    found = ecsi_launch_get(world, launch);
    if (found != NULL) ecsi_launch_finish(found, world->schedule.worker);
    ECSI_CHECK(found == NULL || ecsi_launch_ended(found));
    return ECS_OK;
}

ECS_API float ecs_system_alpha(const ecs_world *world, const char *name)
{
    const ecsi_system *system;
    const ecsi_fixed *fixed;
    uint32_t index;
    ECSI_REQUIRE(world != NULL, 0.0f);
    ECSI_REQUIRE(name != NULL, 0.0f);
    index = ecsi_system_find(&world->schedule, name);
    if (index == ECSI_NO_SYSTEM) return 0.0f;
    system = ecsi_system_at(&world->schedule, index);
    fixed = &system->fixed;
    if (fixed->step_s <= 0) fixed = &ecsi_phase_at(&world->schedule, system->phase)->fixed;
    ECSI_CHECK(fixed->saved_s >= 0);
    return fixed->step_s > 0 ? (float)(fixed->saved_s / (double)fixed->step_s) : 0.0f;
}

/* The world's schedule is asked, when it checks. A view of an asynchronous group has no world to
 * show, but its commands know one. */
static void *ecsi_view_column(const ecs_view *view, uint32_t term, const ecs_type *type,
                              bool writes)
{
    const ecs_world *world = view->world != NULL ? view->world : view->cmd->flush->world;
    ECSI_REQUIRE(view->columns != NULL, NULL);
    ECSI_REQUIRE(type != NULL, NULL);
    ECSI_REQUIRE(term < ECS_TERMS_MAX, NULL);
    if (ECSI_UNLIKELY(world->entities.front.checked != NULL) &&
        !ecsi_access_column(&world->schedule, term, type, writes)) {
        return NULL;
    }
    return view->columns[term];
}

ECS_API const void *ecs_view_read(const ecs_view *view, uint32_t term, const ecs_type *type)
{
    ECSI_REQUIRE(view != NULL, NULL);
    return ecsi_view_column(view, term, type, false);
}

ECS_API void *ecs_view_write(const ecs_view *view, uint32_t term, const ecs_type *type)
{
    ECSI_REQUIRE(view != NULL, NULL);
    return ecsi_view_column(view, term, type, true);
}

ECS_API ecs_phase ecs_phase_add(ecs_world *world, const ecs_phase_desc *desc)
{
    uint32_t number = 0;
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(desc != NULL, 0);
    world->status = ECS_LOCKED;
    if (world->locks != 0 || world->schedule.ticking) return 0;
    world->status = ecsi_phase_insert(&world->schedule, desc, &number);
    return world->status == ECS_OK ? number : 0;
}

ECS_API ecs_phase ecs_phase_find(const ecs_world *world, const char *name)
{
    ECSI_REQUIRE(world != NULL, 0);
    ECSI_REQUIRE(name != NULL, 0);
    return ecsi_phase_by_name(&world->schedule, name);
}

ECS_API ecs_status ecs_schedule_build(ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (world->schedule.ticking) return ECS_LOCKED;
    return ecsi_schedule_build(&world->schedule);
}

ECS_API ecs_status ecs_schedule_validate(ecs_world *world, char *text, size_t bytes)
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(text != NULL || bytes == 0, ECS_INVALID);
    if (world->schedule.ticking) return ECS_LOCKED;
    return ecsi_schedule_validate(&world->schedule, text, bytes);
}

ECS_API ecs_status ecs_tick(ecs_world *world, float dt)
{
    uint64_t sent = 0;
    uint64_t lost = 0;
    uint64_t found;
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(dt >= 0.0f && dt <= 3.0e38f, ECS_INVALID);
    if (world->locks != 0 || world->schedule.ticking || world->flush.running) return ECS_LOCKED;
    if (ECSI_UNLIKELY(world->schedule.ending)) return ECS_LOCKED;
#ifndef ECS_NO_IO
    if (ECSI_UNLIKELY(world->io.delivering)) return ECS_LOCKED;
#endif
    status = ecsi_schedule_build(&world->schedule);
    if (status == ECS_OK) status = ecsi_world_settle(world);
    if (status != ECS_OK) return status;
    world->schedule.tick++;
    world->locks++;
    found = ecsi_watch_violations(&world->schedule);
#ifndef ECS_NO_EVENTS
    ecsi_events_sum(world, &sent, &lost);
#endif
    status = ecsi_schedule_tick(&world->schedule, dt);
#ifndef ECS_NO_EVENTS
    ecsi_events_sum(world, &world->schedule.report.events_sent,
                    &world->schedule.report.events_dropped);
#endif
    world->schedule.report.events_sent -= sent;
    world->schedule.report.events_dropped -= lost;
    world->schedule.report.access_violations = ecsi_watch_violations(&world->schedule) - found;
    ECSI_CHECK(world->locks == 1);
    world->locks--;
    return status;
}

ECS_API const ecs_tick_report *ecs_tick_last(const ecs_world *world)
{
    ECSI_REQUIRE(world != NULL, NULL);
    return &world->schedule.report;
}

/* ---- Explain and hash ------------------------------------------------------------------------ */

#ifndef ECS_NO_EXPLAIN
ECS_API size_t ecs_explain_schedule(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_schedule_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}

ECS_API size_t ecs_explain_schedule_dot(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_dot_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}

ECS_API size_t ecs_explain_query(const ecs_world *world, ecs_query query, char *text,
                                 size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    const ecsi_query *q;
    ECSI_REQUIRE(world != NULL, 0);
    q = ecsi_query_get(world, query);
    if (q == NULL) {
        ecsi_print(&t, "no such query\n");
    } else {
        ecsi_explain_query_text(&t, &world->queries, q);
    }
    ECSI_CHECK(t.total > 0);
    return t.total;
}

ECS_API size_t ecs_explain_entity(const ecs_world *world, ecs_entity entity, char *text,
                                  size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_entity_text(&t, &world->storage, entity);
    return t.total;
}

ECS_API size_t ecs_explain_drops(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_drops_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}

#ifndef ECS_NO_ADAPTIVE
ECS_API size_t ecs_explain_adaptive(const ecs_world *world, char *text, size_t bytes)
{
    ecsi_text t = ecsi_text_begin(text, bytes);
    ECSI_REQUIRE(world != NULL, 0);
    ecsi_explain_adaptive_text(&t, &world->schedule);
    ECSI_CHECK(t.total > 0);
    return t.total;
}
#endif
#endif

#ifndef ECS_NO_HASH
ECS_API uint64_t ecs_world_hash(const ecs_world *world)
{
    uint64_t h;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, 0);
    if (!ECSI_ALLOWED(world, 0, ECSI_WANT_WORLD)) return 0;
    h = ecsi_mix(ecsi_mix(0x6563732e68u, world->desc.seed), world->schedule.tick);
    h = ecsi_hash_entities(h, &world->entities);
    for (i = 0; i < world->storage.tables.count; i++) {
        h = ecsi_hash_table(h, &world->storage, ecsi_table_at(&world->storage, i));
    }
    h = ecsi_hash_resources(h, &world->components);
#ifndef ECS_NO_EVENTS
    h = ecsi_hash_events(h, &world->events);
#endif
#ifndef ECS_NO_IO
    h = ecsi_hash_io(h, &world->io);
#endif
    return ecsi_hash_schedule(h, &world->schedule);
}
#endif

#endif /* ECS_WORLD_H */
