/* io_flow.h: the way of a request: taken by the flush, started, reaped, delivered at a boundary;
 * and the engine behind it, from the first request to the end of the world. */
/* floor: 10 */
#ifndef ECS_IO_FLOW_H
#define ECS_IO_FLOW_H

#include "io_poll.h"

#ifndef ECS_NO_IO

/* ---- Starting ------------------------------------------------------------------------- */

/* Closing a handle ends what was asked of it before. */
static void ecsi_io_close_others(ecsi_io *io, const ecs_io_operation *closing)
{
    ecs_io_operation *op = io->handled[ecsi_io_home(io, (uint64_t)closing->request.handle)];
    ECSI_CHECK(closing->request.op == ECS_IO_CLOSE);
    ECSI_CHECK(closing->ecsi_state == ECSI_IO_READY);
    for (; op != NULL; op = op->ecsi_handled[1]) {
        if (op->request.handle == closing->request.handle && op->serial < closing->serial) {
            ecsi_io_stop(io, op, 0);
        }
    }
}

static void ecsi_io_start_cancel(ecsi_io *io, ecs_io_operation *op)
{
    ecs_io_operation *other = ecsi_io_find(io, op->request.offset);
    bool found = other != NULL && other != op && other->ecsi_state != ECSI_IO_ENDED;
    ECSI_CHECK(op->request.op == ECS_IO_CANCEL);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_READY);
    if (found) ecsi_io_stop(io, other, 0);
    ecsi_io_finish(io, op, found ? 0 : -ENOENT);
}

/* A deadline in the clock of ecs_io_now. */
static uint64_t ecsi_io_deadline(const ecsi_io *io, const ecs_io_request *request)
{
    uint64_t ns = request->timeout_ns;
    if ((request->flags & ECS_IO_ABSOLUTE) != 0) return ns;
    ECSI_CHECK(io->now > 0);
    ECSI_CHECK(ns > 0 || request->op == ECS_IO_TIMER);
    return ns > UINT64_MAX - io->now ? UINT64_MAX : io->now + ns;
}

/* Starts one that was ready. */
static void ecsi_io_start(ecsi_io *io, ecs_io_operation *op)
{
    const ecs_io_request *request = &op->request;
    bool first = op->ecsi_begin == 0;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_READY);
    ECSI_CHECK(io->now > 0);
    if (first) op->ecsi_begin = io->now;
    if ((op->ecsi_bits & (ECSI_IO_CANCELLED | ECSI_IO_MISPLACED)) != 0) {
        int64_t result = (op->ecsi_bits & ECSI_IO_EXPIRED) != 0 ? -ETIMEDOUT : -ECANCELED;
        if ((op->ecsi_bits & ECSI_IO_CANCELLED) == 0) result = -EFAULT;
        ecsi_io_finish(io, op, ecsi_io_so_far(op, result));
        return;
    }
    if (request->op == ECS_IO_CANCEL) {
        ecsi_io_start_cancel(io, op);
        return;
    }
    if (first && (request->timeout_ns != 0 || request->op == ECS_IO_TIMER)) {
        op->ecsi_deadline = ecsi_io_deadline(io, request);
        ecsi_io_timer_add(io, op);
    }
    if (request->op == ECS_IO_TIMER) {
        op->ecsi_state = ECSI_IO_TIMING;
        return;
    }
    if (request->op == ECS_IO_CLOSE) ecsi_io_close_others(io, op);
    op->ecsi_state = ECSI_IO_STARTED;
    io->engaged++;
    if (first) io->stats.started++;
    io->engine->start(io->state, op);
}

/* Starts all that is ready, and what becomes ready by that: chains go on, transfers too. */
static void ecsi_io_submit(ecsi_io *io)
{
    uint64_t started = io->stats.started;
    uint64_t steps;
    if (io->ready.count == 0) return;
    if (io->replaying) {
        while (io->ready.count > 0) ecsi_io_list_take(&io->ready)->ecsi_state = ECSI_IO_STARTED;
        return;
    }
    ECSI_CHECK(io->engine != NULL);
    ECSI_CHECK(io->engaged <= io->entered);
    io->now = ecsi_clock_ns();
    /* Each step begins an operation or moves bytes of one. */
    for (steps = 0; io->ready.count > 0 && steps < ECSI_IO_STEPS_MAX; steps++) {
        ecsi_io_start(io, ecsi_io_list_take(&io->ready));
        if (io->ready.count == 0) io->engine->submit(io->state);
    }
    if (io->stats.started - started > 1) io->stats.batched += io->stats.started - started;
}

/* ---- Reaping -------------------------------------------------------------------------- */

/* Ends timers that are due, and what has no time left. */
static void ecsi_io_expire(ecsi_io *io)
{
    while (io->timers.count > 0) {
        ecs_io_operation *op = *ecsi_io_timer_at(io, 0);
        if (op->ecsi_deadline > io->now) return;
        if (op->request.op == ECS_IO_TIMER) {
            ecsi_io_finish(io, op, 0);
        } else {
            ecsi_io_stop(io, op, ECSI_IO_EXPIRED);
        }
        ECSI_CHECK(op->ecsi_timer == ECSI_IO_UNTIMED);
    }
}

/* Nanoseconds until the first timer, `most` at most. */
static uint64_t ecsi_io_until_timer(const ecsi_io *io, uint64_t most)
{
    uint64_t deadline;
    if (io->timers.count == 0) return most;
    deadline = (*ecsi_io_timer_at(io, 0))->ecsi_deadline;
    if (deadline <= io->now) return 0;
    ECSI_CHECK(io->now > 0);
    return deadline - io->now < most ? deadline - io->now : most;
}

/* Takes what has ended; waits up to `wait_ns` until something more has. */
static void ecsi_io_reap(ecsi_io *io, uint64_t wait_ns)
{
    uint32_t ended = io->ended.count;
    ECSI_CHECK(!io->replaying);
    ECSI_CHECK(io->engine != NULL || io->entered == 0);
    /* The rest of a transfer comes before what was asked of the same stream later. */
    ecsi_io_submit(io);
    if (io->engaged == 0 && io->timers.count == 0 && wait_ns == 0) return;
    io->now = ecsi_clock_ns();
    if (io->timers.count > 0) ecsi_io_expire(io);
    /* What ended before this look is no reason not to wait: who calls knows of it. */
    if (io->ended.count > ended || io->ready.count > 0) wait_ns = 0;
    if (wait_ns > 0) wait_ns = ecsi_io_until_timer(io, wait_ns);
    if (io->engaged == 0 && wait_ns == 0) return;
    io->stale = wait_ns > 0;
    io->engine->reap(io->state, wait_ns);
    io->stale = false;
    if (wait_ns > 0 && io->timers.count > 0) {
        io->now = ecsi_clock_ns();
        ecsi_io_expire(io);
    }
}

/* Takes what has ended, without waiting, and lets transfers go on as far as they can. */
static void ecsi_io_look(ecsi_io *io)
{
    uint32_t round;
    ECSI_CHECK(!io->replaying);
    ECSI_CHECK(!io->delivering);
    ECSI_CHECK(io->open);
    for (round = 0; round < ECSI_IO_ROUNDS_MAX; round++) {
        ecsi_io_reap(io, 0);
        if (io->ready.count == 0) return;
        ecsi_io_submit(io);
    }
}

/* ---- Recording ------------------------------------------------------------------------ */

/* Bytes that an operation has brought into its buffer. */
static uint32_t ecsi_io_brought(const ecs_io_operation *op)
{
    bool reads = op->request.op == ECS_IO_READ || op->request.op == ECS_IO_RECV;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_ENDED);
    ECSI_CHECK(op->serial != 0);
    if (op->request.op == ECS_IO_ACCEPT && op->done.result >= 0 && op->done.buffer != NULL) {
        return (uint32_t)op->request.length;
    }
    if (!reads || op->done.result <= 0) return 0;
    /* With MSG_TRUNC the result may be more than there was room for. */
    if ((uint64_t)op->done.result > op->ecsi_length) return (uint32_t)op->ecsi_length;
    return (uint32_t)op->done.result;
}

static void ecsi_io_note_put(const ecsi_io *io, const ecs_io_operation *op)
{
    ecsi_io_note note;
    memset(&note, 0, sizeof note);
    note.boundary = io->boundary;
    note.serial = op->serial;
    note.result = op->done.result;
    note.duration_ns = op->done.duration_ns;
    note.flags = op->done.flags;
    note.bytes = ecsi_io_brought(op);
    ECSI_CHECK(io->desc.record != NULL);
    ECSI_CHECK(note.boundary > 0);
    io->desc.record(&note, sizeof note, io->desc.user);
    if (note.bytes > 0) io->desc.record(op->done.buffer, note.bytes, io->desc.user);
}

/* ---- Delivery ------------------------------------------------------------------------- */

/* Puts a result into the component that waits for it. */
static void ecsi_io_store(ecsi_io *io, const ecs_io_operation *op)
{
    const ecsi_storage *storage = io->flush->storage;
    ecsi_record *record = ecsi_entities_find(storage->entities, op->done.entity);
    uint32_t id = ecsi_component_seek(io->flush->components, op->request.type);
    unsigned char *value = NULL;
    ECSI_CHECK(op->request.type != NULL);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_ENDED || op->serial == 0);
    if (record != NULL && id != 0) value = (unsigned char *)ecsi_row_value(storage, record, id);
    if (value == NULL) {
        io->stats.lost++;
        return;
    }
    ECSI_CHECK(op->request.member_offset + sizeof op->done.result <= op->request.type->bytes);
    memcpy(value + op->request.member_offset, &op->done.result, sizeof op->done.result);
    ecsi_row_touch(storage, record, id);
}

static uint32_t ecsi_io_bucket(uint64_t ns)
{
    uint32_t bucket = ns == 0 ? 0 : ecsi_highest_bit(ns);
    return ecsi_min_u32(bucket, ECS_IO_LATENCIES - 1);
}

/* Delivers one: result, callback, event. The world is open for edits. */
static void ecsi_io_deliver_one(ecsi_io *io, const ecs_io_operation *op)
{
    const ecs_io_request *request = &op->request;
    ECSI_CHECK(*io->flush->locks == 0);
    ECSI_CHECK(request->op < ECS_IO_OPS);
    ECSI_CHECK(op->done.op == request->op);
    io->stats.delivered++;
    if (io->book != NULL) io->book->latency[request->op][ecsi_io_bucket(op->done.duration_ns)]++;
    if (request->type != NULL) ecsi_io_store(io, op);
    if (request->into != NULL) {
        ecs_io_id id = op->done.id;
        *request->into = op->done;
        request->into->id = id;
    }
    if (request->done != NULL) request->done(io->flush->world, &op->done);
#ifndef ECS_NO_EVENTS
    if ((request->flags & ECS_IO_NOTIFY) != 0) io->notify(io->flush->world, &op->done);
#endif
}

/* A result that found no slot may find one now. False: it rests again, or was the last one because
 * there is no memory. */
static bool ecsi_io_unload(ecsi_io *io, ecs_io_operation *op)
{
    ECSI_CHECK((op->ecsi_bits & ECSI_IO_LADEN) != 0);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_RESTING);
    op->ecsi_state = ECSI_IO_STARTED;
    if (ecsi_io_shoot(io, op, op->done.result)) {
        op->ecsi_bits &= (uint16_t)~ECSI_IO_LADEN;
        return true;
    }
    if (io->shots == 0) {
        ecsi_io_finish(io, op, op->done.result);
        return false;
    }
    op->ecsi_state = ECSI_IO_RESTING;
    op->ecsi_next = io->resting;
    io->resting = op;
    return false;
}

/* Those that rested go on: all results that had ended are delivered, and their slots are free. */
static void ecsi_io_rested(ecsi_io *io)
{
    ecs_io_operation *op = io->resting;
    io->resting = NULL;
    ECSI_CHECK(io->shots == 0 || op == NULL);
    while (op != NULL) {
        ecs_io_operation *next = op->ecsi_next;
        ECSI_CHECK(op->ecsi_state == ECSI_IO_RESTING);
        if ((op->ecsi_bits & ECSI_IO_LADEN) == 0 || ecsi_io_unload(io, op)) {
            op->ecsi_state = ECSI_IO_READY;
            ecsi_io_list_add(&io->ready, op);
        }
        op = next;
    }
}

/* Delivers all that has ended, in the order of the requests. Callbacks run, so the world is as
 * open as for a custom command. */
static void ecsi_io_deliver(ecsi_io *io)
{
    uint32_t locks = *io->flush->locks;
    ecsi_io_list list;
    ecs_io_operation *op;
    ECSI_CHECK(!io->delivering);
    ECSI_CHECK(!io->flush->running);
    ECSI_CHECK(io->open);
    io->boundary++;
    if (io->ended.count == 0) return;
    if (io->unsorted) ecsi_io_sort(&io->ended);
    io->unsorted = false;
    list = io->ended;
    memset(&io->ended, 0, sizeof io->ended);
    io->delivering = true;
    *io->flush->locks = 0;
    while ((op = ecsi_io_list_take(&list)) != NULL) {
        if ((op->ecsi_bits & ECSI_IO_SHOT) == 0) ecsi_io_leave(io, op);
        if (op->request.region != 0) io->book->regions[op->request.region - 1].users--;
        if (io->desc.record != NULL) ecsi_io_note_put(io, op);
        ecsi_io_deliver_one(io, op);
        ecsi_io_slot_give(io, op);
    }
    if (io->resting != NULL) ecsi_io_rested(io);
    ECSI_CHECK(*io->flush->locks == 0);
    *io->flush->locks = locks;
    io->delivering = false;
}

/* ---- Engines -------------------------------------------------------------------------- */

static void ecsi_io_describe(const ecsi_io *io, ecs_io_engine_desc *d)
{
    memset(d, 0, sizeof *d);
    d->world = io->flush->world;
    d->requests_max = io->desc.requests_max;
    d->batch = io->desc.batch;
    d->log = io->log->write;
    d->log_user = io->log->user;
    d->options = io->desc.options;
    ECSI_CHECK(d->requests_max > 0);
    ECSI_CHECK(d->batch > 0);
}

/* The engines that are tried, from the wanted one on; `count` of them. */
static uint32_t ecsi_io_candidates(const ecsi_io *io, const ecs_io_engine *out[3])
{
    const ecs_io_engine *all[3];
    const char *forced = getenv("ECS_IO_ENGINE");
    uint32_t count = 0;
    uint32_t from = 0;
    uint32_t i;
    all[0] = io->desc.engine;
    all[1] = ecs_io_evented();
    all[2] = ecs_io_blocking();
    for (i = 0; i < 3 && forced != NULL; i++) {
        if (all[i] != NULL && strcmp(all[i]->name, forced) == 0) from = i;
    }
    for (i = from; i < 3; i++) {
        bool known = all[i] == NULL;
        uint32_t k;
        for (k = 0; k < count; k++) known = known || out[k] == all[i];
        if (!known) out[count++] = all[i];
    }
    ECSI_CHECK(count <= 3);
    return count;
}

/* Bytes that the largest of the engines needs. */
static size_t ecsi_io_state_bytes(const ecsi_io *io)
{
    const ecs_io_engine *engines[3];
    ecs_io_engine_desc d;
    size_t most = 64;
    uint32_t count = ecsi_io_candidates(io, engines);
    uint32_t i;
    ecsi_io_describe(io, &d);
    for (i = 0; i < count; i++) {
        size_t bytes = engines[i]->bytes(&d);
        if (bytes > most) most = bytes;
    }
    ECSI_CHECK(most >= 64);
    return most;
}

/* Opens the first engine that this system lets us have. 0, or the last one's errno. */
static int64_t ecsi_io_engage(ecsi_io *io)
{
    const ecs_io_engine *engines[3];
    ecs_io_engine_desc d;
    uint32_t count = ecsi_io_candidates(io, engines);
    uint32_t i;
    int error = ENOSYS;
    ECSI_CHECK(io->engine == NULL);
    ECSI_CHECK(io->state != NULL);
    ECSI_CHECK(!io->replaying);
    ecsi_io_describe(io, &d);
    d.memory = io->state;
    d.bytes = io->state_bytes;
    for (i = 0; i < count; i++) {
        memset(io->state, 0, io->state_bytes);
        error = engines[i]->open(io->state, &d);
        if (error == 0) {
            io->engine = engines[i];
            return 0;
        }
        if (io->complained) continue;
        ecsi_log_print(io->log, ECS_LOG_WARNING, "I/O: no %s: %s", engines[i]->name,
                       strerror(error));
    }
    /* The next request tries again: what was in the way may be gone. Once is enough to say. */
    io->complained = true;
    return -(int64_t)error;
}

/* Gives back what ecsi_io_reserve took. */
static void ecsi_io_release(ecsi_io *io)
{
    size_t homes = ((size_t)io->table_mask + 1) * 2;
    ECSI_CHECK(!io->open);
    ecsi_release(io->memory, io->state, io->state_bytes, 64);
    ecsi_release(io->memory, io->named, homes * sizeof(ecs_io_operation *), 64);
    ecsi_release(io->memory, io->book, sizeof *io->book, 64);
    io->state = NULL;
    io->named = NULL;
    io->book = NULL;
}

/* Memory of all that is not a slot. */
static ecs_status ecsi_io_reserve(ecsi_io *io)
{
    ecsi_memory *memory = io->memory;
    uint32_t homes = ecsi_round_up_power(ecsi_min_u32(io->desc.requests_max, 16384));
    size_t bytes = homes * sizeof(ecs_io_operation *);
    ECSI_CHECK(io->state == NULL);
    ECSI_CHECK(ecsi_is_power_of_two(homes));
    io->state_bytes = ecsi_io_state_bytes(io);
    io->state = ecsi_alloc(memory, io->state_bytes, 64);
    io->book = (ecsi_io_book *)ecsi_alloc(memory, sizeof *io->book, 64);
    io->named = (ecs_io_operation **)ecsi_alloc(memory, bytes * 2, 64);
    if (memory->measuring) return ECS_OK;
    io->table_mask = homes - 1;
    if (io->state == NULL || io->named == NULL || io->book == NULL) {
        ecsi_io_release(io);
        return ECS_NO_MEMORY;
    }
    memset(io->book, 0, sizeof *io->book);
    memset(io->named, 0, bytes * 2);
    memset(io->state, 0, io->state_bytes);
    io->handled = io->named + homes;
    return ECS_OK;
}

/* When the first request comes: the engine may be one that belongs to the thread. 0 or an error. */
static int64_t ecsi_io_open(ecsi_io *io)
{
    if (ECSI_LIKELY(io->open)) return 0;
    if (io->ending) return -ECANCELED;
    if (io->desc.requests_max == 0) return -ENOBUFS;
    ECSI_CHECK(io->stats.under_way == 0);
    ECSI_CHECK(io->engine == NULL);
    if (io->state == NULL && ecsi_io_reserve(io) != ECS_OK) return -ENOMEM;
    if (!io->replaying) {
        int64_t why = ecsi_io_engage(io);
        if (why != 0) return why;
    }
    io->open = true;
    /* Release: pairs with the acquire of ecsi_io_wake, which comes from any thread. */
    ECSI_STORE(&io->wakeable, io->replaying ? 0u : 1u, release);
    return 0;
}

/* The description with its defaults; false when it makes no sense. */
static bool ecsi_io_resolve(ecs_io_desc *d, bool fixed)
{
    if (d->requests_max == 0 && !fixed) d->requests_max = 65536;
    if (d->stream_requests_max == 0) d->stream_requests_max = d->requests_max;
    if (d->batch == 0) d->batch = 64;
    if (d->stream_requests_max >= ECSI_ORDINALS_MAX) d->stream_requests_max = ECSI_ORDINALS_MAX - 1;
    ECSI_CHECK(d->batch > 0);
    return d->requests_max <= 1u << 24 && d->batch <= 4096;
}

/* Wakes who waits in the engine; any thread, also a signal handler. */
static void ecsi_io_rouse(ecsi_io *io)
{
    ECSI_CHECK(io->memory != NULL);
    ECSI_CHECK(io->flush != NULL);
    /* Acquire: pairs with the release of ecsi_io_open. */
    if (ECSI_LOAD(&io->wakeable, acquire) != 0) io->engine->wake(io->state);
}

/* ---- Life ----------------------------------------------------------------------------- */

/* At creation: in fixed mode everything. */
static ecs_status ecsi_io_create(ecsi_io *io)
{
    ecsi_memory *memory = io->memory;
    uint32_t count = io->desc.requests_max + ecsi_io_shots_max(io);
    ecs_status status;
    ECSI_CHECK(io->flush != NULL);
    ECSI_CHECK(!io->open);
    io->replaying = io->desc.replay != NULL;
    if (!memory->fixed || io->desc.requests_max == 0) return ECS_OK;
    status = ecsi_io_reserve(io);
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &io->pages, 1, sizeof(ecs_io_operation *));
    }
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &io->timers, count, sizeof(ecs_io_operation *));
    }
    if (status == ECS_OK) status = ecsi_io_page_add(io, count);
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

/* Cancels all that is under way and waits for it; each is delivered. What is queued by that is
 * refused. */
static void ecsi_io_end_all(ecsi_io *io)
{
    ecs_io_operation *op;
    uint32_t rounds;
    if (!io->open) return;
    ECSI_CHECK(!io->delivering);
    ECSI_CHECK(!io->ending);
    io->ending = true;
    io->now = ecsi_clock_ns();
    io->replayed = true;
    if (io->replaying) ecsi_io_submit(io);
    for (op = io->oldest; op != NULL; op = op->ecsi_order[1]) {
        if (!io->replaying) {
            ecsi_io_stop(io, op, 0);
        } else if (op->ecsi_state != ECSI_IO_ENDED) {
            ecsi_io_end_one(io, op, -ECANCELED);
        }
    }
    for (rounds = 0; io->stats.under_way > io->ended.count && rounds < ECSI_IO_END_ROUNDS;
         rounds++) {
        ecsi_io_submit(io);
        ecsi_io_reap(io, io->stats.under_way > io->ended.count ? ECSI_IO_END_NS : 0);
    }
    ecsi_io_deliver(io);
    if (io->stats.under_way > 0) {
        ecsi_log_print(io->log, ECS_LOG_ERROR, "I/O: %u operations do not end",
                       io->stats.under_way);
    }
    ECSI_STORE(&io->wakeable, 0u, relaxed);
    if (io->engine != NULL) io->engine->close(io->state);
    io->engine = NULL;
    io->open = false;
}

static void ecsi_io_destroy(ecsi_io *io)
{
    ecsi_memory *memory = io->memory;
    uint32_t i;
    ECSI_CHECK(io->engine == NULL);
    ECSI_CHECK(!io->open);
    for (i = 0; i < io->pages.count; i++) {
        uint32_t left = io->desc.requests_max + ecsi_io_shots_max(io) - i * ECSI_IO_PAGE;
        ecsi_release(memory, *ECSI_VEC_AT(ecs_io_operation *, &io->pages, i),
                     ecsi_min_u32(left, ECSI_IO_PAGE) * sizeof(ecs_io_operation), 64);
    }
    ecsi_vec_destroy(memory, &io->pages, sizeof(ecs_io_operation *));
    ecsi_vec_destroy(memory, &io->timers, sizeof(ecs_io_operation *));
    ecsi_io_release(io);
}

/* ---- Taking --------------------------------------------------------------------------- */

/* A request that cannot be: its answer comes at once, for there is no slot to keep it in. */
static void ecsi_io_refuse(void *taker, const ecs_io_request *request, uint64_t id,
                           int64_t result)
{
    ecsi_io *io = (ecsi_io *)taker;
    ecs_io_operation op;
    bool delivering = io->delivering;
    ECSI_CHECK(result < 0);
    ECSI_CHECK(id != 0);
    memset(&op, 0, sizeof op);
    op.request = *request;
    op.done.id.bits = id;
    op.done.entity = request->entity;
    op.done.user = request->user;
    op.done.buffer = request->buffer;
    op.done.op = request->op;
    op.done.flags = request->flags & ~(ECSI_IO_CUT | ECSI_IO_ORPHAN);
    op.done.result = result;
    if (request->into != NULL && ecsi_storage_holds(io->flush->storage, &io->gap, request->into,
                                                    sizeof *request->into)) {
        op.request.into = NULL;
    }
    io->stats.refused++;
    io->delivering = true;
    ecsi_io_deliver_one(io, &op);
    io->delivering = delivering;
}

/* Fills a slot. */
static void ecsi_io_fill(ecsi_io *io, ecs_io_operation *op, const ecs_io_request *request,
                         uint64_t id)
{
    op->request = *request;
    op->done.id.bits = id;
    op->done.result = 0;
    op->done.entity = request->entity;
    op->done.user = request->user;
    op->done.buffer = request->buffer;
    op->done.duration_ns = 0;
    op->done.op = request->op;
    op->done.flags = request->flags;
    op->serial = ++io->serial;
    op->ecsi_chain = NULL;
    op->ecsi_begin = 0;
    op->ecsi_length = request->length;
    op->ecsi_bits = 0;
    op->ecsi_state = ECSI_IO_READY;
    if ((request->flags & ECS_IO_JOIN) != 0) io->joined++;
    if (request->region != 0) io->book->regions[request->region - 1].users++;
    ECSI_CHECK(op->serial != 0);
    ECSI_CHECK(request->region <= ECS_IO_REGIONS_MAX);
    ecsi_io_enter(io, op);
}

/* Bytes behind the buffer of a request; of what the buffer itself points to nothing is known. */
static inline size_t ecsi_io_bytes(const ecs_io_request *request)
{
    bool message = request->op == ECS_IO_SENDMSG || request->op == ECS_IO_RECVMSG;
    ECSI_CHECK(request->length <= ECS_IO_LENGTH_MAX);
    if (request->op == ECS_IO_OPEN) return strlen((const char *)request->buffer) + 1;
    return message || request->length == 0 ? 1 : request->length;
}

/* Ties a request to the one before it in its chain. Answers whether that one was refused. */
static bool ecsi_io_link(ecsi_io *io, ecs_io_operation *op, uint64_t stream)
{
    bool cut = io->chain_stream != stream || (op->request.flags & ECSI_IO_CUT) != 0;
    ecs_io_operation *before = cut ? NULL : io->chain;
    bool broken = (!cut && io->chain_broken) || (op->request.flags & ECSI_IO_ORPHAN) != 0;
    op->request.flags &= ~(ECSI_IO_CUT | ECSI_IO_ORPHAN);
    op->done.flags = op->request.flags;
    ECSI_CHECK(before == NULL || before->ecsi_state != ECSI_IO_FREE);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_READY);
    if (before != NULL && !broken) {
        before->ecsi_chain = op;
        op->ecsi_state = ECSI_IO_CHAINED;
    }
    io->chain = NULL;
    io->chain_broken = false;
    if ((op->request.flags & ECS_IO_LINK) != 0) {
        io->chain = op;
        io->chain_broken = broken;
        io->chain_stream = stream;
    }
    return broken;
}

/* Looks where the memory of a request lies. Columns move, so nothing may be in one. */
static void ecsi_io_place(ecsi_io *io, ecs_io_operation *op)
{
    const ecs_io_request *r = &op->request;
    const ecsi_storage *storage = io->flush->storage;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_READY || op->ecsi_state == ECSI_IO_CHAINED);
    if (r->buffer != NULL &&
        ecsi_storage_holds(storage, &io->gap, r->buffer, ecsi_io_bytes(r))) {
        op->ecsi_bits |= ECSI_IO_MISPLACED;
    }
    if (r->into != NULL && ecsi_storage_holds(storage, &io->gap, r->into, sizeof *r->into)) {
        op->ecsi_bits |= ECSI_IO_MISPLACED;
        op->request.into = NULL;
    }
}

/* Takes a request from the flush. 0, or why it was refused: nothing is kept of it then. */
static int64_t ecsi_io_take(void *taker, const ecs_io_request *request, uint64_t id)
{
    ecsi_io *io = (ecsi_io *)taker;
    ecs_io_operation *op = NULL;
    uint64_t stream = id >> ECSI_ORDINAL_BITS;
    int64_t why = 0;
    ECSI_CHECK(id != 0);
    ECSI_CHECK(request->op < ECS_IO_OPS);
    io->stats.queued++;
    io->phase_count++;
    why = io->ending ? -ECANCELED : ecsi_io_open(io);
    if (why == 0) {
        if (io->entered < io->desc.requests_max) op = ecsi_io_slot_take(io);
        if (op == NULL) why = -ENOBUFS;
    }
    if (op == NULL) {
        io->chain_stream = stream;
        io->chain = NULL;
        io->chain_broken = (request->flags & (uint32_t)ECS_IO_LINK) != 0;
        return why;
    }
    ecsi_io_fill(io, op, request, id);
    if (ecsi_io_link(io, op, stream)) op->ecsi_bits |= ECSI_IO_CANCELLED;
    ecsi_io_place(io, op);
    if (op->ecsi_state == ECSI_IO_READY) ecsi_io_list_add(&io->ready, op);
    return 0;
}

/* ---- Replaying ----------------------------------------------------------------------- */

/* An operation under way by its number, or NULL. */
static ecs_io_operation *ecsi_io_numbered(const ecsi_io *io, uint64_t serial)
{
    ecs_io_operation *op = io->oldest;
    ECSI_CHECK(serial != 0);
    ECSI_CHECK(io->replaying);
    while (op != NULL && op->serial < serial) op = op->ecsi_order[1];
    ECSI_CHECK(op == NULL || op->ecsi_state != ECSI_IO_FREE);
    return op != NULL && op->serial == serial ? op : NULL;
}

/* Bytes that an operation may bring into its buffer. */
static size_t ecsi_io_room(const ecs_io_operation *op)
{
    uint32_t what = op->request.op;
    ECSI_CHECK(what < ECS_IO_OPS);
    if (what != ECS_IO_READ && what != ECS_IO_RECV && what != ECS_IO_ACCEPT) return 0;
    return op->done.buffer != NULL ? op->request.length : 0;
}

/* Ends an operation as the recording says. False: this is not the run that was recorded. */
static bool ecsi_io_replay_one(ecsi_io *io, const ecsi_io_note *note)
{
    ecs_io_operation *op = ecsi_io_numbered(io, note->serial);
    if (op == NULL || op->ecsi_state == ECSI_IO_ENDED) return false;
    if (note->bytes > ecsi_io_room(op)) return false;
    ECSI_CHECK(io->replaying);
    ECSI_CHECK(note->boundary == io->boundary + 1);
    if (note->bytes > 0 && !io->desc.replay(op->done.buffer, note->bytes, io->desc.user)) {
        return false;
    }
    if ((note->flags & (uint32_t)ECS_IO_MORE) != 0) {
        op->ecsi_state = ECSI_IO_STARTED;
        if (!ecsi_io_shoot(io, op, note->result)) return false;
    } else {
        ecsi_io_end_one(io, op, note->result);
    }
    io->ended.last->done.duration_ns = note->duration_ns;
    return true;
}

/* Ends what ended before this boundary when it was recorded. */
static void ecsi_io_replay(ecsi_io *io)
{
    ECSI_CHECK(io->replaying);
    ECSI_CHECK(io->ready.count == 0);
    ECSI_CHECK(io->ended.count == 0);
    while (!io->replayed) {
        if (!io->note_held) {
            io->note_held = io->desc.replay(&io->note, sizeof io->note, io->desc.user);
            io->replayed = !io->note_held;
        }
        if (!io->note_held || io->note.boundary > io->boundary + 1) return;
        io->note_held = false;
        if (io->note.boundary <= io->boundary || !ecsi_io_replay_one(io, &io->note)) {
            ecsi_log_print(io->log, ECS_LOG_ERROR,
                           "I/O: this is not the run that was recorded: operation %llu, boundary "
                           "%llu", (unsigned long long)io->note.serial,
                           (unsigned long long)io->note.boundary);
            io->replayed = true;
        }
    }
}

/* ---- Boundaries ----------------------------------------------------------------------- */

/* So many are sent before the phase ends: 60 % of what the last phases had. */
static uint32_t ecsi_io_threshold(const ecsi_io *io)
{
    uint32_t most = ecsi_min_u32(ECSI_IO_THRESHOLD_MAX,
                                 ecsi_max_u32(io->desc.batch, ECSI_IO_THRESHOLD_MIN));
    uint32_t known = ecsi_min_u32(io->history_count, ECSI_IO_PHASES);
    uint64_t sum = 0;
    uint32_t i;
    if (io->desc.threshold != 0) return io->desc.threshold;
    if (!io->batching) return 1;
    if (known == 0) return ECSI_IO_THRESHOLD_MIN;
    for (i = 0; i < known; i++) sum += io->history[i];
    sum = sum * 6 / ((uint64_t)known * 10);
    ECSI_CHECK(most >= ECSI_IO_THRESHOLD_MIN);
    ECSI_CHECK(most <= ECSI_IO_THRESHOLD_MAX);
    if (sum < ECSI_IO_THRESHOLD_MIN) return ECSI_IO_THRESHOLD_MIN;
    return sum > most ? most : (uint32_t)sum;
}

/* A place inside a phase where commands were applied: a batch that is large enough goes. */
static inline void ecsi_io_inner(ecsi_io *io)
{
    ECSI_CHECK(!io->delivering);
    ECSI_CHECK(io->open || io->ready.count == 0);
    if (ECSI_LIKELY(io->ready.count == 0)) return;
    if (io->ready.count >= ecsi_io_threshold(io)) ecsi_io_submit(io);
}

/* The end of a phase: all goes. */
static void ecsi_io_phase_end(ecsi_io *io)
{
    ECSI_CHECK(!io->delivering);
    ECSI_CHECK(io->open || io->ready.count == 0);
    if (io->phase_count > 0) {
        io->history[io->history_count++ % ECSI_IO_PHASES] = io->phase_count;
        io->phase_count = 0;
        io->stats.threshold = ecsi_io_threshold(io);
    }
    ecsi_io_submit(io);
}

#endif /* ECS_NO_IO */

#endif /* ECS_IO_FLOW_H */
