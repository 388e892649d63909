/* request.h: the public functions of input and output. */
/* floor: 14 */
#ifndef ECS_REQUEST_H
#define ECS_REQUEST_H

#include "world.h"

#ifndef ECS_NO_IO

/* ---- Queueing ------------------------------------------------------------------------- */

/* What an operation cannot do without. */
static bool ecsi_request_needs_buffer(const ecs_io_request *r)
{
    ECSI_CHECK(r->op < ECS_IO_OPS);
    ECSI_CHECK(r->length <= ECS_IO_LENGTH_MAX);
    switch (r->op) {
    case ECS_IO_OPEN:
    case ECS_IO_CONNECT:
    case ECS_IO_SENDMSG:
    case ECS_IO_RECVMSG: return true;
    case ECS_IO_READ:
    case ECS_IO_WRITE:
    case ECS_IO_SEND:
    case ECS_IO_RECV: return r->length > 0;
    default: return false;
    }
}

/* Flags that an operation knows. */
static uint32_t ecsi_request_flags(uint32_t op)
{
    uint32_t flags = ECS_IO_JOIN | ECS_IO_LINK | ECS_IO_NOTIFY;
    ECSI_CHECK(op < ECS_IO_OPS);
    switch (op) {
    case ECS_IO_READ:
    case ECS_IO_WRITE:
    case ECS_IO_SEND: return flags | ECS_IO_WHOLE;
    case ECS_IO_RECV: return flags | ECS_IO_WHOLE;
    case ECS_IO_ACCEPT:
    case ECS_IO_POLL: return flags | ECS_IO_MULTI;
    case ECS_IO_TIMER: return flags | ECS_IO_ABSOLUTE;
    default: return flags;
    }
}

/* Whether a member of eight bytes for the result lies there. */
static bool ecsi_request_member(const ecs_io_request *r)
{
    if (r->type == NULL) return r->member_offset == 0;
    ECSI_CHECK(r->op < ECS_IO_OPS);
    ECSI_CHECK(r->type->bytes > 0 || r->type->name != NULL);
    return !ecs_is_null(r->entity) && r->type->bytes >= 8 && r->member_offset <= r->type->bytes - 8;
}

static ecs_status ecsi_request_check(const ecs_io_request *r)
{
    ECSI_CHECK(r != NULL);
    ECSI_CHECK(ECS_IO_LENGTH_MAX <= SIZE_MAX / 2);
    if (r->op >= ECS_IO_OPS || (r->flags & ~ecsi_request_flags(r->op)) != 0) return ECS_INVALID;
    if (r->length > ECS_IO_LENGTH_MAX) return ECS_TOO_LARGE;
    if (ecsi_io_has_handle(r->op) && r->handle < 0) return ECS_INVALID;
    if (r->op == ECS_IO_SPLICE && r->peer < 0) return ECS_INVALID;
    if (r->buffer == NULL && ecsi_request_needs_buffer(r)) return ECS_INVALID;
    if ((uintptr_t)r->buffer > UINTPTR_MAX - r->length) return ECS_INVALID;
    if (r->op == ECS_IO_POLL && (r->offset == 0 || r->offset > 3)) return ECS_INVALID;
    if (r->region > ECS_IO_REGIONS_MAX || !ecsi_request_member(r)) return ECS_INVALID;
    if ((r->flags & (uint32_t)ECS_IO_MULTI) != 0 && (r->flags & (uint32_t)ECS_IO_JOIN) != 0) {
        return ECS_INVALID;
    }
    return ECS_OK;
}

ECS_API ecs_io_id ecs_io_queue(ecs_commands *cmd, const ecs_io_request *request)
{
    ecs_io_id id = {0};
    ecsi_command *command = NULL;
    uint64_t number;
    ECSI_REQUIRE(cmd != NULL, id);
    ECSI_REQUIRE(request != NULL, id);
    if (!ECSI_RECORDS(cmd)) {
        ecsi_spawn_status(cmd, ECS_INVALID);
        return id;
    }
    cmd->status = ecsi_request_check(request);
    if (ECSI_UNLIKELY(cmd->flush->world->io.ending)) cmd->status = ECS_CANCELLED;
    number = cmd->serial << ECSI_ORDINAL_BITS | cmd->request_count;
    if (cmd->status == ECS_OK && (cmd->request_count >= cmd->flush->requests_max ||
                                  cmd->serial >= ECSI_SERIAL_MAX)) {
        cmd->status = ECS_FULL;
    }
    if (cmd->status == ECS_OK) {
        cmd->status = ecsi_command_record(
            cmd, ecsi_shape_make(ECSI_COMMAND_REQUEST, sizeof *request, 8), number, &command);
    } else {
        cmd->queue->refused++;
    }
    ecsi_spawn_status(cmd, cmd->status);
    if (cmd->status != ECS_OK) {
        /* What comes next is no part of the chain that this one was in, but may be of its own. */
        cmd->request_marks = ECSI_IO_CUT;
        if ((request->flags & (uint32_t)ECS_IO_LINK) != 0) cmd->request_marks |= ECSI_IO_ORPHAN;
        return id;
    }
    ECSI_CHECK(command != NULL);
    ECSI_CHECK(cmd->request_count < cmd->flush->requests_max);
    memcpy(ecsi_command_payload(command), request, sizeof *request);
    ((ecs_io_request *)ecsi_command_payload(command))->flags |= cmd->request_marks;
    cmd->request_marks = 0;
    cmd->request_count++;
    id.bits = number;
    return id;
}

ECS_API ecs_io_id ecs_io_cancel(ecs_commands *cmd, ecs_io_id id)
{
    ecs_io_request request;
    memset(&request, 0, sizeof request);
    request.op = ECS_IO_CANCEL;
    request.offset = id.bits;
    return ecs_io_queue(cmd, &request);
}

/* ---- Waiting -------------------------------------------------------------------------- */

ECS_API uint64_t ecs_io_now(void)
{
    return ecsi_clock_ns();
}

ECS_API void ecs_io_wake(ecs_world *world)
{
    ECSI_REQUIRE_VOID(world != NULL);
    /* Release: what was done before is seen by who is woken. */
    ECSI_STORE(&world->io.woken, 1u, release);
    ecsi_io_rouse(&world->io);
}

ECS_API ecs_status ecs_io_wait(ecs_world *world, uint64_t timeout_ns)
{
    ecsi_io *io;
    uint64_t begin = ecsi_clock_ns();
    ecs_status status;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    io = &world->io;
    if (world->locks != 0 || world->flush.running || io->delivering) return ECS_LOCKED;
    if (world->schedule.ticking) return ECS_LOCKED;
    status = ecsi_world_settle(world);
    if (status != ECS_OK) return status;
    ecsi_io_submit(io);
    if (io->replaying) return ECS_OK;
    for (;;) {
        uint64_t spent = ecsi_clock_ns() - begin;
        uint64_t left = spent < timeout_ns ? timeout_ns - spent : 0;
        /* Acquire: pairs with the release of ecs_io_wake. */
        if (ECSI_SWAP(&io->woken, 0u, acq_rel) != 0) return ECS_CANCELLED;
        if (io->ended.count > 0) return ECS_OK;
        ECSI_CHECK(io->ready.count == 0);
        if (io->entered == 0) return ECS_NOT_FOUND;
        ecsi_io_reap(io, timeout_ns == ECS_IO_FOREVER ? ECS_IO_FOREVER : left);
        ecsi_io_submit(io);
        if (io->ended.count == 0 && left == 0) return ECS_TIMEOUT;
    }
}

/* ---- Regions -------------------------------------------------------------------------- */

ECS_API ecs_status ecs_io_region_add(ecs_world *world, void *memory, size_t bytes, uint32_t *out)
{
    ecsi_io *io;
    uint32_t place = ECS_IO_REGIONS_MAX;
    uint32_t i;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    io = &world->io;
    *out = 0;
    if (memory == NULL || bytes == 0) return ECS_INVALID;
    if (ecsi_io_open(io) != 0) return ECS_UNSUPPORTED;
    for (i = ECS_IO_REGIONS_MAX; i > 0; i--) {
        const ecsi_io_region *r = &io->book->regions[i - 1];
        const unsigned char *from = (const unsigned char *)memory;
        if (r->memory == NULL) {
            place = i - 1;
        } else if (from < r->memory + r->bytes && r->memory < from + bytes) {
            return ECS_INVALID;
        }
    }
    if (place == ECS_IO_REGIONS_MAX) return ECS_FULL;
    ECSI_CHECK(io->book->regions[place].users == 0);
    ECSI_CHECK(io->open);
    io->book->regions[place].memory = (unsigned char *)memory;
    io->book->regions[place].bytes = bytes;
    io->book->regions[place].users = 0;
    *out = place + 1;
    if (io->engine != NULL && io->engine->region != NULL) {
        io->engine->region(io->state, place, memory, bytes);
    }
    return ECS_OK;
}

ECS_API ecs_status ecs_io_region_remove(ecs_world *world, uint32_t region)
{
    ecsi_io_region *r;
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    if (region == 0 || region > ECS_IO_REGIONS_MAX || !world->io.open) return ECS_NOT_FOUND;
    r = &world->io.book->regions[region - 1];
    if (r->memory == NULL) return ECS_NOT_FOUND;
    ECSI_CHECK(r->bytes > 0);
    ECSI_CHECK(r->users <= world->io.entered + world->io.shots);
    if (r->users > 0) return ECS_LOCKED;
    r->memory = NULL;
    if (world->io.engine != NULL && world->io.engine->region != NULL) {
        world->io.engine->region(world->io.state, region - 1, NULL, 0);
    }
    return ECS_OK;
}

/* ---- Statistics ----------------------------------------------------------------------- */

ECS_API ecs_io_stats ecs_io_stats_of(const ecs_world *world)
{
    ecs_io_stats stats;
    memset(&stats, 0, sizeof stats);
    ECSI_REQUIRE(world != NULL, stats);
    stats = world->io.stats;
    stats.engine = world->io.replaying ? "replay" : "none";
    if (world->io.engine == NULL) return stats;
    stats.engine = world->io.engine->name;
    world->io.engine->stats(world->io.state, &stats);
    ECSI_CHECK(stats.peak >= stats.under_way);
    return stats;
}

ECS_API ecs_status ecs_io_latency(const ecs_world *world, ecs_io_op op,
                                  uint64_t out[ECS_IO_LATENCIES])
{
    ECSI_REQUIRE(world != NULL, ECS_INVALID);
    ECSI_REQUIRE(out != NULL, ECS_INVALID);
    if ((uint32_t)op >= (uint32_t)ECS_IO_OPS) return ECS_INVALID;
    memset(out, 0, ECS_IO_LATENCIES * sizeof *out);
    if (world->io.book == NULL) return ECS_OK;
    memcpy(out, world->io.book->latency[op], ECS_IO_LATENCIES * sizeof *out);
    return ECS_OK;
}

#endif /* ECS_NO_IO */

#endif /* ECS_REQUEST_H */
