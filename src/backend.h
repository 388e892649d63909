/* backend.h: runs the systems of a tick: one after the other, or on all workers of a pool.
 *
 * Exclusive systems cut a phase into segments. A segment is planned on the thread that ticks:
 * which systems are due and how often. Then it runs in one of two ways, with one result:
 *
 *   blocking       in the order of the schedule
 *   work stealing  a system whose predecessors have ended becomes a job; its row blocks are
 *                  handed out by a counter to the worker that began it and to those who steal a
 *                  part in it; who ends the last one counts down the successors
 *
 * Why the result is one: systems that run at the same time do not conflict; a span never
 * exceeds a row block; each row block records into a stream whose serial was given before
 * (system by system in the order of the schedule, run by run, block by block), and the flush
 * goes by serials; quotas are given before; what a failed run recorded is dropped by its
 * serials. What a worker does more than another shows in nothing but time.
 *
 * Which way: waking a worker costs tens of microseconds, so costs are measured in some ticks,
 * and a segment that is not worth it runs blocking. */
/* floor: 11 */
#ifndef ECS_BACKEND_H
#define ECS_BACKEND_H

#include "access.h"
#include "failure.h"
#include "gauge.h"

/* ---- Time ---------------------------------------- */

/* Saves up time; answers how many steps are due. What is beyond the cap is dropped. */
static uint32_t ecsi_fixed_steps(ecsi_fixed *fixed, float dt)
{
    double step = (double)fixed->step_s;
    uint32_t steps = 0;
    ECSI_CHECK(step > 0);
    ECSI_CHECK(dt >= 0);
    fixed->saved_s += (double)dt;
    while (fixed->saved_s >= step && steps < fixed->steps_max) {
        fixed->saved_s -= step;
        steps++;
    }
    if (fixed->saved_s >= step) {
        double left = fixed->saved_s / step;
        fixed->saved_s = left < 1e15 ? (left - (double)(uint64_t)left) * step : 0;
    }
    ECSI_CHECK(fixed->saved_s >= 0);
    return steps;
}

/* How often an enabled system runs in this tick, and with which time. */
static uint32_t ecsi_node_due(const ecsi_schedule *schedule, ecsi_node *node, float dt)
{
    ecsi_system *system = node->system;
    const ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(system->enabled);
    ECSI_CHECK(dt >= 0);
    node->saved_ticks = system->ticks;
    node->saved_since_s = system->since_s;
    node->saved_fixed_s = system->fixed.saved_s;
    if (ecsi_system_waits(system, dt)) return 0;
    if (system->fixed.step_s > 0) {
        uint32_t steps = ecsi_fixed_steps(&system->fixed, dt);
        node->dt = system->fixed.step_s;
        if (steps == 0 || desc->run_if == NULL) return steps;
        return desc->run_if(schedule->world, desc->user) ? steps : 0;
    }
    system->ticks++;
    system->since_s += (double)dt;
    if (system->ticks < desc->every_ticks) return 0;
    system->ticks = 0;
    if (desc->interval_s > 0 && system->since_s < (double)desc->interval_s) return 0;
    if (desc->run_if != NULL && !desc->run_if(schedule->world, desc->user)) return 0;
    node->dt = (float)system->since_s;
    system->since_s = 0;
    return 1;
}

/* A node before its phase runs: how often it is due. */
static void ecsi_node_plan(const ecsi_schedule *schedule, ecsi_node *node, float dt)
{
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(!node->system->failed);
    node->skipped = false;
    node->cut = false;
    node->run = 0;
    node->attempt = 0;
    node->tries = 0;
    node->overruns = 0;
    node->runs = node->system->enabled ? ecsi_node_due(schedule, node, dt) : 0;
}

/* A node that was planned does not run, because one before it failed. */
static void ecsi_node_skip(ecsi_node *node)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(!node->skipped);
    if (!system->enabled) return;
    ECSI_CHECK(!system->failed);
    node->skipped = true;
    system->ticks = node->saved_ticks;
    system->since_s = node->saved_since_s;
    system->fixed.saved_s = node->saved_fixed_s;
}

/* ---- Streams ---------------------------------------- */

/* Row blocks of a chunk. */
static inline uint32_t ecsi_chunk_blocks(const ecsi_table *table, const ecsi_chunk *chunk)
{
    ECSI_CHECK(table->block_rows > 0);
    return chunk->count == 0 ? 0 : ((chunk->count - 1) >> table->block_shift) + 1;
}

static uint32_t ecsi_query_block_count(const ecsi_query *query)
{
    uint32_t blocks = 0;
    uint32_t m;
    ECSI_CHECK(query != NULL);
    ECSI_CHECK(!query->system);
    for (m = 0; m < query->matches.count; m++) {
        const ecsi_table *table = ecsi_match_at(query, m)->table;
        const ecsi_chunk *chunk = table->row_count == 0 ? NULL : table->first;
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            blocks += ecsi_chunk_blocks(table, chunk);
        }
    }
    return blocks;
}

/* Streams of one run of a system. */
static uint32_t ecsi_system_streams(const ecsi_system *system)
{
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->run != NULL);
    return system->unsplit || system->query->system ? 1 : ecsi_query_block_count(system->query);
}

/* Rows that a run counts for when a phase's bytes are shared out. */
static uint32_t ecsi_system_rows(const ecsi_system *system)
{
    ECSI_CHECK(system->query != NULL);
    if (system->query->system) return ECSI_TASK_ROWS;
    if (!system->unsplit) return ecsi_query_row_count(system->query);
    return ecsi_max_u32(ecsi_query_row_count(system->query), 1);
}

static inline bool ecsi_schedule_limited(const ecsi_schedule *schedule)
{
    return schedule->bytes_max < SIZE_MAX / 4;
}

/* Quota of a stream: what the system or the world says; where a phase has a limit no more than
 * its share, so that all together always fit, whoever is first. */
static size_t ecsi_stream_bytes(const ecsi_schedule *schedule, const ecsi_system *system,
                                uint32_t rows)
{
    size_t bytes = system->desc.stream_bytes_max;
    ECSI_CHECK(rows > 0);
    ECSI_CHECK(schedule->share_bytes <= schedule->bytes_max);
    if (bytes != 0) {
        return ecsi_schedule_limited(schedule) ? (size_t)((double)bytes * schedule->share_scale)
                                               : bytes;
    }
    bytes = schedule->stream_bytes_max != 0 ? schedule->stream_bytes_max : ECSI_STREAM_BYTES;
    if (ecsi_schedule_limited(schedule)) {
        size_t share = (size_t)((double)schedule->share_bytes * rows /
                                (double)(schedule->share_rows + 1));
        if (share < bytes) bytes = share;
    }
    return bytes;
}

/* Shares the phase's bytes out over the systems from `place` on, whether they are due or not: a
 * system's share does not change with what others do. An exclusive one may flush before the
 * last of them, and then what is left is shared anew. */
static void ecsi_segment_shares(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                                uint32_t end)
{
    uint64_t rows = 0;
    double taken = 0;
    double max = (double)schedule->bytes_max;
    ECSI_CHECK(place <= end && end <= phase->count);
    ECSI_CHECK(ecsi_schedule_limited(schedule));
    for (; place < end; place++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        const ecsi_system *system = node->system;
        uint32_t runs = system->fixed.step_s > 0 ? system->fixed.steps_max : 1;
        runs *= system->attempts;
        if (system->run_exclusive != NULL) continue;
        if (system->desc.stream_bytes_max != 0) {
            taken += (double)system->desc.stream_bytes_max * ecsi_system_streams(system) * runs;
        } else {
            rows += (uint64_t)ecsi_system_rows(system) * runs;
        }
    }
    schedule->share_rows = rows;
    schedule->share_bytes = taken < max ? schedule->bytes_max - (size_t)taken : 0;
    schedule->share_scale = taken <= max ? 1.0 : max / taken;
}

/* ---- One worker's part in a run ---------------------------------------- */

typedef struct ecsi_part {
    ecsi_schedule *schedule;
    ecsi_node *node;
    ecsi_queue *queue;
    uint64_t serial;   /* of the run's first stream */
    uint32_t match;    /* where it is: the match, ... */
    uint32_t number;   /* ...the number of the first block of `chunk`, ... */
    uint32_t base;     /* ...the rows before it */
    ecsi_chunk *chunk; /* NULL: the match's first */
    ecs_view view;
    ecs_commands cmd;
    void *columns[ECS_TERMS_MAX];
} ecsi_part;

static void ecsi_part_begin(ecsi_part *part, ecsi_node *node, ecs_worker *worker, uint32_t lane,
                            uint64_t serial)
{
    ecsi_schedule *schedule = node->schedule;
    const ecsi_system *system = node->system;
    ecs_view *view = &part->view;
    uint32_t t;
    ECSI_CHECK(lane < schedule->lane_count);
    ECSI_CHECK(system->query->term_count <= ECS_TERMS_MAX);
    part->schedule = schedule;
    part->node = node;
    part->queue = &schedule->lanes[lane].queue;
    part->serial = serial;
    part->match = 0;
    part->number = 0;
    part->base = 0;
    part->chunk = NULL;
    part->cmd.flush = schedule->flush;
    part->cmd.queue = part->queue;
    part->cmd.spawns_max = schedule->spawns_max;
    part->cmd.status = ECS_OK;
    part->cmd.detached = false;
    for (t = 0; t < system->query->term_count; t++) part->columns[t] = system->columns[t];
    if (ECSI_UNLIKELY(schedule->watch != NULL)) { /* a column too far is none */
        for (; t < ECS_TERMS_MAX; t++) part->columns[t] = NULL;
    }
    view->world = schedule->world;
    view->cmd = &part->cmd;
    view->worker = worker;
    view->entities = NULL;
    view->user = system->desc.user;
    view->tick = schedule->tick;
    view->count = 0;
    view->base = 0;
    view->dt = node->dt;
    view->columns = part->columns;
}

static inline void ecsi_part_stream(ecsi_part *part, uint32_t number, uint32_t rows)
{
    ECSI_CHECK(part->serial > 0);
    ecsi_stream_open(&part->cmd, part->serial + number, part->node->system->stamp,
                     ecsi_stream_bytes(part->schedule, part->node->system, rows));
}

/* Runs the body over one row block. */
static inline ecs_status ecsi_part_block(ecsi_part *part, const ecsi_match *match, uint32_t row,
                                         uint32_t number)
{
    const ecsi_system *system = part->node->system;
    const ecsi_query *query = system->query;
    const ecsi_table *table = match->table;
    ecsi_chunk *chunk = part->chunk;
    uint32_t t;
    part->view.count = ecsi_min_u32(table->block_rows, chunk->count - row);
    part->view.base = part->base + row;
    part->view.entities = ecsi_chunk_entities(chunk) + row;
    ECSI_CHECK(row < chunk->count);
    ECSI_CHECK(number >= part->number);
    for (t = 0; t < query->term_count; t++) {
        uint32_t c = match->columns[t];
        if (c == ECSI_NO_COLUMN) {
            if (ecsi_access_is_column(query->terms[t].access)) part->columns[t] = NULL;
            continue;
        }
        part->columns[t] = ecsi_chunk_value(chunk, &table->columns[c], row);
        if (query->terms[t].writes) *ecsi_chunk_tick(chunk, c, row) = part->view.tick;
    }
    if (!system->unsplit) ecsi_part_stream(part, number, part->view.count);
    return ecsi_system_call(part->schedule, system, &part->view);
}

/* Runs the body over the blocks `first` to `end` (that one not). All of them run; the lowest
 * that failed is in *failed. A part only goes forward. */
static ecs_status ecsi_part_run(ecsi_part *part, uint32_t first, uint32_t end, uint32_t *failed)
{
    const ecsi_query *query = part->node->system->query;
    ecs_status status = ECS_OK;
    ECSI_CHECK(!query->system);
    ECSI_CHECK(first >= part->number);
    for (; part->match < query->matches.count; part->match++) {
        const ecsi_match *match = ecsi_match_at(query, part->match);
        const ecsi_table *table = match->table;
        if (part->chunk == NULL && table->row_count > 0) part->chunk = table->first;
        while (part->chunk != NULL && part->chunk->count > 0) {
            uint32_t after = part->number + ecsi_chunk_blocks(table, part->chunk);
            uint32_t number = ecsi_min_u32(ecsi_max_u32(first, part->number), after);
            uint32_t row = (number - part->number) * table->block_rows;
            for (; number < after; row += table->block_rows, number++) {
                ecs_status one;
                if (number >= end) return status;
                one = ecsi_part_block(part, match, row, number);
                if (ECSI_LIKELY(one == ECS_OK) || status != ECS_OK) continue;
                status = one;
                *failed = number;
            }
            part->number = after;
            part->base += part->chunk->count;
            part->chunk = part->chunk->next;
        }
        part->chunk = NULL;
    }
    return status;
}

#ifndef ECS_NO_EVENTS
/* Hands the unseen events to the system's slots; a later run of the same tick sees none. */
static void ecsi_system_events(const ecsi_schedule *schedule, ecsi_system *system, bool later)
{
    uint32_t t;
    ECSI_CHECK(system->has_events);
    for (t = 0; t < system->query->term_count; t++) {
        ecsi_term_slot *slot = &system->slots[t];
        if (slot->reader == 0) continue;
        ECSI_CHECK(system->columns[t] == &slot->events);
        if (later) {
            slot->events.count = 0;
            slot->events.missed = 0;
        } else {
            slot->events = ecsi_reader_peek(schedule->flush->events, slot->reader);
            slot->seen = slot->events.count;
        }
    }
}

/* The system has seen its events. */
static void ecsi_system_seen(const ecsi_schedule *schedule, const ecsi_system *system)
{
    uint32_t t;
    ECSI_CHECK(system->has_events);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_term_slot *slot = &system->slots[t];
        if (slot->reader == 0) continue;
        ECSI_CHECK(system->columns[t] == &slot->events);
        ecsi_reader_advance(schedule->flush->events, slot->reader, slot->seen);
    }
}
#endif

/* ---- Failures ---------------------------------------- */

/* Names a failure. */
static ecs_failure ecsi_failure_make(const ecsi_node *node, ecs_status status, uint32_t block)
{
    const ecsi_schedule *schedule = node->schedule;
    ecs_failure failure;
    ECSI_CHECK(status != ECS_OK);
    ECSI_CHECK(schedule->ticking);
    memset(&failure, 0, sizeof failure);
    failure.system = node->system->name;
    failure.phase = ecsi_phase_at(schedule, node->system->phase)->name;
    failure.tick = schedule->tick;
    failure.status = status;
    failure.row_block = block;
    return failure;
}

static void ecsi_report_failure(ecsi_schedule *schedule, const ecs_failure *failure, bool fast)
{
    ecs_tick_report *report = &schedule->report;
    ECSI_CHECK(failure->status != ECS_OK);
    ECSI_CHECK(report->failure_count <= ECS_FAILURES_MAX);
    if (fast && report->status == ECS_OK) report->status = failure->status;
    if (report->failure_count == ECS_FAILURES_MAX) {
        report->failures_lost++;
        return;
    }
    report->failures[report->failure_count++] = *failure;
}

/* Whether a node must not run: one that failed fast must come before it, or all is over. */
static bool ecsi_node_blocked(const ecsi_schedule *schedule, const ecsi_phase *phase,
                              const ecsi_node *node)
{
    uint32_t i;
    ECSI_CHECK(node->member < phase->count);
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(node->phase == phase->first);
    if (ecsi_tick_cancelled(schedule)) return true;
    for (i = 0; i < phase->count; i++) {
        if (i == node->member || !ecsi_phase_after(schedule, phase, i, node->member)) continue;
        if (ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, i))->failed) return true;
    }
    return false;
}

/* ---- Applying ---------------------------------------- */

/* Puts what all lanes recorded into the schedule's batch. Answers whether any has recorded. A
 * thread that is no worker of the pool works alone, in the first lane. */
static bool ecsi_lanes_gather(ecsi_schedule *schedule)
{
    uint32_t count = schedule->worker != NULL ? schedule->lane_count : 1;
    bool any = false;
    uint32_t i;
    ECSI_CHECK(schedule->lanes != NULL);
    ECSI_CHECK(schedule->lane_count > 0);
    for (i = 0; i < count; i++) {
        ecsi_queue *queue = &schedule->lanes[i].queue;
        ecsi_queue_count(schedule->flush, queue);
        if (ecsi_queue_empty(queue)) continue;
        any = true;
        ecsi_batch_add(&schedule->batch, queue);
        ecsi_batch_take(&schedule->batch, queue);
        queue->command_count = 0;
        queue->spawn_count = 0;
        queue->stream_count = 0;
    }
    return any;
}

/* Applies what systems recorded. When that is refused for want of memory nothing is lost: the
 * next call tries again. */
static ecs_status ecsi_schedule_settle(ecsi_schedule *schedule)
{
    ecsi_batch *batch = &schedule->batch;
    ecs_status status;
    uint32_t i;
    ECSI_CHECK(schedule->lane_count > 0);
    ECSI_CHECK(!schedule->flush->running);
    if (!ecsi_lanes_gather(schedule) && batch->first == NULL && !batch->spawned) return ECS_OK;
    /* What failed runs recorded is in no batch, but in the queues. */
    if (batch->first != NULL || batch->spawned) {
        status = ecsi_flush_prepare(schedule->flush, batch);
        if (status != ECS_OK) return status;
        ecsi_flush_batch(schedule->flush, batch, schedule->since);
        schedule->since = schedule->tick;
    }
    memset(batch, 0, sizeof *batch);
    for (i = 0; i < schedule->lane_count; i++) ecsi_queue_reset(&schedule->lanes[i].queue);
    ECSI_STORE(&schedule->arena.used, (uint64_t)0, relaxed);
    return ECS_OK;
}

/* Applies what the phase recorded so far, and what hooks recorded meanwhile. */
static void ecsi_schedule_flush(ecsi_schedule *schedule)
{
    ecs_status status = schedule->settle(schedule->world);
    ECSI_CHECK(!schedule->flush->running);
    if (status != ECS_OK) {
        ecsi_log_print(schedule->log, ECS_LOG_WARNING, "flush: %s; tried again later",
                       ecs_status_text(status));
    }
    ECSI_CHECK(status != ECS_INVALID);
}

/* ---- Blocking ---------------------------------------- */

/* An average that forgets; at once where the load is another one: twice or half of it. */
static void ecsi_node_cost(const ecsi_node *node, double ns)
{
    ecsi_system *system = node->system;
    double was = system->cost_ns;
    ECSI_CHECK(was >= 0);
    ECSI_CHECK(ns >= 0);
    system->cost_runs = node->runs;
    system->cost_ns = ns < was / 2 || ns > was * 2 ? ns : was * 0.5 + ns * 0.5;
}

/* Streams of a node in one tick: each try of each run has its own. */
static inline uint64_t ecsi_node_streams(const ecsi_node *node)
{
    ECSI_CHECK(node->system->attempts > 0);
    ECSI_CHECK(node->system->run != NULL);
    return (uint64_t)node->runs * node->system->attempts * ecsi_system_streams(node->system);
}

/* Runs a system once, here. */
static ecs_status ecsi_node_run_once(ecsi_node *node, uint64_t serial, uint32_t *block)
{
    ecsi_schedule *schedule = node->schedule;
    const ecsi_system *system = node->system;
    ecsi_part part;
    ecs_status status;
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(serial > 0);
    ECSI_CHECK(node->run < node->runs);
    ecsi_part_begin(&part, node, schedule->worker, 0, serial);
    if (system->unsplit || system->query->system) {
        ecsi_part_stream(&part, 0, ecsi_system_rows(system));
    }
    ecsi_worker_busy(schedule->worker, 1);
    if (system->query->system) {
        node->ran = true;
        status = ecsi_system_call(schedule, system, &part.view);
        schedule->flush->serial_next = serial;
    } else {
        status = ecsi_part_run(&part, 0, UINT32_MAX, block);
        node->ran = node->ran || part.base > 0;
        schedule->flush->serial_next = system->unsplit ? serial : serial - 1 + part.number;
    }
    ecsi_worker_busy(schedule->worker, -1);
    return status;
}

/* One try, with what a system may ask for: copies, a budget. */
static ecs_status ecsi_node_try(ecsi_node *node, uint64_t serial, uint32_t *block)
{
    uint64_t budget_ns = node->system->desc.budget_ns;
    uint64_t begin_ns;
    ecs_status status;
    ECSI_CHECK(node->attempt < node->system->attempts);
    ECSI_CHECK(node->run < node->runs);
    if (ECSI_UNLIKELY(node->refused != ECS_OK)) return node->refused;
    if (node->attempt == 0) ecsi_node_save(node, ECSI_SAVE_COPY);
    begin_ns = budget_ns != 0 ? ecsi_clock_ns() : 0;
    status = ecsi_node_run_once(node, serial, block);
    if (budget_ns != 0 && ecsi_node_overran(node, ecsi_clock_ns() - begin_ns) &&
        status == ECS_OK) {
        status = ECS_TIMEOUT;
    }
    return status;
}

/* Runs a system as often as planned. Streams of runs that a failure cut off count as well. */
static void ecsi_node_run(ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    ecsi_system *system = node->system;
    ecsi_flush *flush = schedule->flush;
    bool simple = node->runs == 1 && system->attempts == 1;
    uint64_t streams = simple ? 1 : ecsi_system_streams(system);
    uint64_t serial = flush->serial_next + 1;
    ecsi_outcome outcome;
    ECSI_CHECK(node->runs > 0);
    ECSI_CHECK(!system->failed);
    node->ran = false;
    do {
        ecsi_queue *queue = &schedule->lanes[0].queue;
        ecsi_queue_mark mark = ecsi_queue_where(queue);
        uint64_t slot = (uint64_t)node->run * system->attempts + node->attempt;
        uint32_t block = 0;
        ecs_status status;
#ifndef ECS_NO_EVENTS
        if (ECSI_UNLIKELY(system->has_events)) {
            ecsi_system_events(schedule, system, node->run > 0 && node->ran);
        }
#endif
        status = ecsi_node_try(node, serial + slot * streams, &block);
        outcome = ECSI_GO_ON;
        if (ECSI_LIKELY(status == ECS_OK)) {
            ecsi_node_succeeded(node);
        } else {
            ecs_failure failure = ecsi_failure_make(node, status, block);
            ecsi_queue_rewind(flush, queue, mark);
            ecsi_node_save(node, ECSI_SAVE_BACK);
            outcome = ecsi_node_failed(node, &failure);
            ecsi_report_failure(schedule, &failure, outcome == ECSI_STOP);
            schedule->stop = schedule->stop || outcome == ECSI_STOP;
        }
    } while (ecsi_node_step(node, outcome) && !ecsi_tick_cancelled(schedule));
    schedule->report.systems_run += node->tries;
    schedule->report.overruns += node->overruns;
    if (!simple) flush->serial_next = serial - 1 + ecsi_node_streams(node);
#ifndef ECS_NO_EVENTS
    if (ECSI_UNLIKELY(system->has_events) && node->ran && system->retried == 0) {
        ecsi_system_seen(schedule, system);
    }
#endif
}

/* Runs a segment's systems one after the other. */
static void ecsi_segment_blocking(ecsi_schedule *schedule, const ecsi_phase *phase,
                                  uint32_t place, uint32_t end)
{
    uint64_t before = schedule->sample ? ecsi_cost_clock() : 0;
    ECSI_CHECK(place <= end);
    ECSI_CHECK(end <= phase->count);
    for (; place < end; place++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        if (ECSI_UNLIKELY(schedule->stop || ecsi_tick_cancelled(schedule)) &&
            ecsi_node_blocked(schedule, phase, node)) {
            ecsi_node_skip(node);
            if (node->skipped) schedule->report.systems_skipped++;
            if (node->runs > 0) schedule->flush->serial_next += ecsi_node_streams(node);
            continue;
        }
        if (node->runs > 0) ecsi_node_run(node);
        if (ECSI_UNLIKELY(schedule->sample)) {
            uint64_t now = ecsi_cost_clock();
            if (node->runs > 0) {
                uint64_t ns = ecsi_cost_between(before, now);
                ns = ns > ECSI_CLOCK_NS ? ns - ECSI_CLOCK_NS : 0;
                ecsi_node_cost(node, (double)ns);
            }
            before = now;
        }
    }
}

static ecs_status ecsi_system_exclusive(ecsi_schedule *schedule, ecsi_system *system,
                                        ecs_view *view, uint32_t *locks)
{
    uint32_t held = *locks;
    ecs_commands before;
    ecsi_queue_mark mark;
    ecs_status status;
    ECSI_CHECK(system->run_exclusive != NULL);
    ecsi_schedule_flush(schedule);
    schedule->share_stale = true;
    before = *view->cmd;
    mark = ecsi_queue_where(view->cmd->queue);
    *locks = 0;
    status = system->run_exclusive(schedule->world, view);
    ECSI_CHECK(*locks == 0);
    *locks = held;
    /* Its commands are dropped when it fails, but for those that it has flushed itself. */
    if (status != ECS_OK && view->cmd->serial == before.serial) {
        ecsi_queue_rewind(schedule->flush, before.queue, mark);
        *view->cmd = before;
    }
    return status;
}

/* Runs an exclusive system as often as it is due. */
static void ecsi_exclusive_run(ecsi_schedule *schedule, ecsi_node *node, float dt)
{
    ecsi_system *system = node->system;
    bool more;
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(system->run_exclusive != NULL);
    ECSI_CHECK(!system->failed);
    ecsi_node_plan(schedule, node, dt);
#ifndef ECS_NO_ADAPTIVE
    if (node->runs > 0) ecsi_gauge_ran(schedule, system);
#endif
    for (more = node->runs > 0; more; more = more && !ecsi_tick_cancelled(schedule)) {
        ecsi_outcome outcome = ECSI_GO_ON;
        uint64_t begin_ns = system->desc.budget_ns != 0 ? ecsi_clock_ns() : 0;
        ecs_view view;
        ecs_status status;
        memset(&view, 0, sizeof view);
        view.world = schedule->world;
        view.cmd = ecs_world_commands(schedule->world);
        view.worker = schedule->worker;
        view.user = system->desc.user;
        view.tick = schedule->tick;
        view.dt = node->dt;
        schedule->report.systems_run++;
        status = ecsi_system_exclusive(schedule, system, &view, schedule->flush->locks);
        if (system->desc.budget_ns != 0 && ecsi_node_overran(node, ecsi_clock_ns() - begin_ns) &&
            status == ECS_OK) {
            status = ECS_TIMEOUT;
        }
        if (status == ECS_OK) {
            ecsi_node_succeeded(node);
        } else {
            ecs_failure failure = ecsi_failure_make(node, status, 0);
            outcome = ecsi_node_failed(node, &failure);
            ecsi_report_failure(schedule, &failure, outcome == ECSI_STOP);
            schedule->stop = schedule->stop || outcome == ECSI_STOP;
        }
        more = ecsi_node_step(node, outcome);
    }
    schedule->report.overruns += node->overruns;
}

/* ---- Work stealing ---------------------------------------- */

#ifndef ECS_NO_THREADS

/* A failed block above its status: the smallest is the lowest block. */
#define ECSI_NOT_FAILED UINT64_MAX

static void ecsi_node_fail(ecsi_node *node, uint32_t block, ecs_status status)
{
    uint64_t mine = (uint64_t)block << 32 | (uint32_t)status;
    uint64_t seen = ECSI_LOAD(&node->failed, relaxed);
    ECSI_CHECK(mine != ECSI_NOT_FAILED);
    ECSI_CHECK(status != ECS_OK);
    while (mine < seen) {
        /* Published by the count-down of `active`. */
        if (ECSI_CAS(&node->failed, &seen, mine, relaxed, relaxed)) return;
    }
}

/* The first stream of the try that runs. */
static inline uint64_t ecsi_node_serial(const ecsi_node *node)
{
    uint64_t slot = (uint64_t)node->run * node->system->attempts + node->attempt;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(node->attempt < node->system->attempts);
    return node->serial + slot * node->stream_count;
}

/* This worker's part of a run. Answers whether it was the last one at it. */
static bool ecsi_node_work(ecs_worker *worker, ecsi_node *node)
{
    const ecsi_system *system = node->system;
    uint64_t serial = ecsi_node_serial(node);
    uint64_t begin = ecsi_cost_clock();
    uint64_t busy_ns;
    ecsi_part part;
    uint64_t recorded;
    uint32_t block = 0;
    ecs_status status = ECS_OK;
    ecsi_part_begin(&part, node, worker, worker->index, serial);
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(node->serial > 0);
    recorded = part.queue->recorded;
    ecsi_worker_busy(worker, 1);
    if (ECSI_UNLIKELY(node->refused != ECS_OK)) {
        ecsi_node_fail(node, 0, node->refused);
    } else if (system->unsplit || system->query->system) {
        ecsi_part_stream(&part, 0, ecsi_system_rows(system));
        status = system->query->system ? ecsi_system_call(node->schedule, system, &part.view)
                                       : ecsi_part_run(&part, 0, UINT32_MAX, &block);
        if (status != ECS_OK) ecsi_node_fail(node, block, status);
        if (system->query->system || part.base > 0) ECSI_STORE(&node->got_rows, 1u, relaxed);
    } else {
        for (;;) {
            /* Relaxed: what a block needs was published when its node was begun. */
            uint64_t first = ECSI_ADD(&node->grabbed, (uint64_t)node->grain, relaxed);
            uint32_t end;
            if (first >= node->block_count) break;
            end = ecsi_min_u32((uint32_t)first + node->grain, node->block_count);
            status = ecsi_part_run(&part, (uint32_t)first, end, &block);
            if (ECSI_UNLIKELY(status != ECS_OK)) ecsi_node_fail(node, block, status);
        }
        if (node->block_count > 0) ECSI_STORE(&node->got_rows, 1u, relaxed);
    }
    ecsi_worker_busy(worker, -1);
    ECSI_COUNT_UP(&worker->commands, part.queue->recorded - recorded);
    busy_ns = ecsi_cost_since(begin);
    (void)ECSI_ADD(&node->busy_ns, busy_ns, relaxed);
#ifndef ECS_NO_ADAPTIVE
    node->schedule->lanes[worker->index].busy_ns += busy_ns;
#endif
    /* What each part wrote is visible to the last one, and through it to the successors. */
    return ECSI_SUB(&node->active, 1u, acq_rel) == 1;
}

/* How a run is cut: workers that may help, none where it stays in one piece, and row blocks of
 * one grab. */
typedef struct ecsi_split {
    uint32_t helpers;
    uint32_t grain;
} ecsi_split;

/* From what a run costs, how many row blocks it has, and how many workers there are. That the
 * segment is worth waking somebody was decided before. */
static ecsi_split ecsi_split_of(double run_ns, uint32_t blocks, uint32_t workers, bool always)
{
    uint32_t most = blocks > 0 ? ecsi_min_u32(workers - 1, blocks - 1) : 0;
    double helpers = run_ns / (2.0 * ECSI_SHARE_AWAKE_NS);
    ecsi_split split;
    ECSI_CHECK(workers > 0);
    ECSI_CHECK(run_ns >= 0);
    split.helpers = always || helpers >= most ? most : (uint32_t)helpers;
    split.grain = 1;
    if (split.helpers == 0) {
        split.grain = ecsi_max_u32(blocks, 1);
    } else if (!always) {
        double block_ns = run_ns / blocks;
        double grain = block_ns <= 0 ? 1 : ECSI_GRAB_NS / block_ns;
        most = blocks / ((split.helpers + 1) * 4) + 1;
        split.grain = grain > most ? most : grain < 1 ? 1 : (uint32_t)grain;
    }
    return split;
}

/* What an unsplit system, or one without columns, offers to others: nothing. */
static inline uint32_t ecsi_split_blocks(const ecsi_system *system, uint32_t blocks)
{
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(system->query != NULL);
    return system->unsplit || system->query->system ? 1 : blocks;
}

/* Begins a run: hands parts of it out. */
static void ecsi_node_open(ecs_worker *worker, ecsi_node *node)
{
    const ecsi_system *system = node->system;
    uint32_t pushed = 0;
    uint32_t helpers;
    ecsi_split split;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(worker->pool == node->schedule->pool);
#ifndef ECS_NO_EVENTS
    if (system->has_events) {
        ecsi_system_events(node->schedule, node->system,
                           node->run > 0 && ECSI_LOAD(&node->got_rows, relaxed) != 0);
    }
#endif
    if (node->attempt == 0) ecsi_node_save(node, ECSI_SAVE_COPY);
    if (system->desc.budget_ns != 0) node->begin_ns = ecsi_clock_ns();
    ECSI_STORE(&node->grabbed, (uint64_t)0, relaxed);
    ECSI_STORE(&node->failed, ECSI_NOT_FAILED, relaxed);
    split = ecsi_split_of(system->cost_ns / node->runs,
                          ecsi_split_blocks(system, node->block_count),
                          worker->pool->worker_count, node->schedule->share_ns == 1);
    helpers = split.helpers;
    node->grain = helpers == 0 ? ecsi_max_u32(node->block_count, 1) : split.grain;
    ECSI_STORE(&node->active, helpers + 1, relaxed);
    while (pushed < helpers && ecsi_deque_push(&worker->deque, &node->help)) pushed++;
    if (pushed < helpers) (void)ECSI_SUB(&node->active, helpers - pushed, relaxed);
    if (pushed > 0) (void)ecsi_idle_notify(&worker->pool->idle);
}

/* The last part of a try has ended. Answers whether another one follows. */
static bool ecsi_node_close(ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    ecsi_system *system = node->system;
    uint64_t failed = ECSI_LOAD(&node->failed, relaxed);
    ecsi_outcome outcome = ECSI_GO_ON;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(ECSI_LOAD(&node->active, relaxed) == 0);
    if (system->desc.budget_ns != 0 &&
        ecsi_node_overran(node, ecsi_clock_ns() - node->begin_ns) && failed == ECSI_NOT_FAILED) {
        failed = (uint32_t)ECS_TIMEOUT;
    }
    if (ECSI_LIKELY(failed == ECSI_NOT_FAILED)) {
        ecsi_node_succeeded(node);
    } else {
        uint32_t at = ECSI_ADD(&schedule->fail_count, 1u, relaxed);
        ecsi_fail *fail = ECSI_VEC_AT(ecsi_fail, &schedule->fails, at);
        ECSI_CHECK(at < schedule->fails.capacity);
        fail->first = ecsi_node_serial(node);
        fail->end = fail->first + node->stream_count;
        fail->failure = ecsi_failure_make(node, (ecs_status)(uint32_t)failed,
                                          (uint32_t)(failed >> 32));
        ecsi_node_save(node, ECSI_SAVE_BACK);
        outcome = ecsi_node_failed(node, &fail->failure);
        fail->fast = outcome == ECSI_STOP;
        /* This and `failed` are published to the successors by the count-down of `before`. */
        if (outcome == ECSI_STOP) ECSI_STORE(&schedule->stopping, 1u, relaxed);
    }
    return ecsi_node_step(node, outcome) && !ecsi_tick_cancelled(schedule);
}

/* Makes a node's job known: to the thread that ticks, or to all. Its cost if others may take
 * it. */
static double ecsi_node_release(ecs_worker *worker, ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    ECSI_CHECK(node->runs > 0);
    ECSI_CHECK(node->system->run != NULL);
    if (node->system->desc.main_thread) {
        ecsi_worker_pin(schedule->worker, &node->begin);
        return 0;
    }
    if (ECSI_LIKELY(ecsi_deque_push(&worker->deque, &node->begin))) {
        return node->system->cost_ns > 0 ? node->system->cost_ns : 1;
    }
    /* No room: the thread that ticks looks into its inbox for as long as the segment runs. */
    ecsi_worker_pin(schedule->worker, &node->begin);
    return 0;
}

/* Whether a node whose predecessors have ended has nothing to do. */
static bool ecsi_node_passes(ecsi_node *node)
{
    const ecsi_schedule *schedule = node->schedule;
    const ecsi_phase *phase = ecsi_phase_at(schedule, node->system->phase);
    ECSI_CHECK(ECSI_LOAD(&node->before, relaxed) == 0);
    ECSI_CHECK(node->system->run != NULL);
    if (ECSI_UNLIKELY(ECSI_LOAD(&schedule->stopping, relaxed) != 0 ||
                      ecsi_tick_cancelled(schedule)) &&
        ecsi_node_blocked(schedule, phase, node)) {
        ecsi_node_skip(node);
        return true;
    }
    return node->runs == 0;
}

/* Tells somebody about jobs that were pushed, when that is worth it. */
static void ecsi_release_notify(ecs_worker *worker, const ecsi_schedule *schedule, double ns)
{
    ECSI_CHECK(worker->pool == schedule->pool);
    ECSI_CHECK(ns >= 0);
    if (ns <= 0) return;
    if (schedule->share_ns == 1 || ns >= ECSI_SHARE_AWAKE_NS) {
        (void)ecsi_idle_notify(&worker->pool->idle);
    }
}

/* A node has ended: counts down its successors, and those of such as have nothing to do. */
static void ecsi_node_complete(ecs_worker *worker, ecsi_node *node)
{
    ecsi_schedule *schedule = node->schedule;
    const ecsi_phase *phase = ecsi_phase_at(schedule, node->system->phase);
    ecs_pool *pool = worker->pool;
    uint32_t words = (phase->count + 63) / 64;
    uint32_t ended = 0;
    double pushed_ns = 0;
    double largest_ns = 0;
    ECSI_CHECK(node->run <= node->runs);
    node->next = NULL;
    ECSI_CHECK(node->system->run != NULL);
    for (; node != NULL; ended++) {
        const uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                             phase->reach + node->member * words);
        uint32_t w;
        node = node->next;
        for (w = 0; w < words; w++) {
            uint64_t bits = direct[w];
            for (; bits != 0; bits &= bits - 1) {
                uint32_t member = w * 64 + ecsi_lowest_bit(bits);
                ecsi_node *after = ecsi_node_at(schedule, phase->first + member);
                double ns;
                if (after->system->run_exclusive != NULL) continue;
                /* Releases what we wrote to whoever counts down last, and acquires what the
                 * other predecessors wrote. */
                if (ECSI_SUB(&after->before, 1u, acq_rel) != 1) continue;
                if (ecsi_node_passes(after)) {
                    after->next = node;
                    node = after;
                    continue;
                }
                ns = ecsi_node_release(worker, after);
                pushed_ns += ns;
                if (ns > largest_ns) largest_ns = ns;
            }
        }
    }
    /* The largest one we take ourselves. */
    ecsi_release_notify(worker, schedule, pushed_ns - largest_ns);
    /* The last access: behind an open latch all of this belongs to the thread that ticks. */
    ecsi_latch_down(pool, &schedule->latch, ended);
}

/* Works at a node's runs until others are still at one, or all have ended. */
static void ecsi_node_drive(ecs_worker *worker, ecsi_node *node, bool open)
{
    ECSI_CHECK(node->runs > 0);
    ECSI_CHECK(worker->pool == node->schedule->pool);
    for (;;) {
        if (open) ecsi_node_open(worker, node);
        if (!ecsi_node_work(worker, node)) return;
        if (!ecsi_node_close(node)) break;
        open = true;
    }
    ecsi_node_complete(worker, node);
}

static void ecsi_node_begin_job(ecs_worker *worker, void *data)
{
    ecsi_node_drive(worker, (ecsi_node *)data, true);
}

static void ecsi_node_help_job(ecs_worker *worker, void *data)
{
    ecsi_node_drive(worker, (ecsi_node *)data, false);
}

/* Prepares the nodes of a segment. Serials are those of the order in which a blocking tick
 * would run them. Answers how many, 0 when there is no room to note failures. */
static uint32_t ecsi_segment_prepare(ecsi_schedule *schedule, const ecsi_phase *phase,
                                     uint32_t place, uint32_t end)
{
    uint64_t serial = schedule->flush->serial_next + 1;
    uint64_t runs = 0;
    uint32_t p;
    ECSI_CHECK(place < end);
    ECSI_CHECK(end <= phase->count);
    for (p = place; p < end; p++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, p);
        runs += (uint64_t)node->runs * node->system->attempts;
        node->stream_count = 0;
        node->block_count = 0;
        ECSI_STORE(&node->before, node->before_count, relaxed);
        ECSI_STORE(&node->busy_ns, (uint64_t)0, relaxed);
        ECSI_STORE(&node->got_rows, 0u, relaxed);
        if (node->runs == 0) continue;
        if (!node->system->query->system) {
            node->block_count = ecsi_query_block_count(node->system->query);
        }
        node->stream_count = ecsi_system_streams(node->system);
        node->serial = serial;
        serial += (uint64_t)node->stream_count * node->runs * node->system->attempts;
        node->begin.run = ecsi_node_begin_job;
        node->begin.data = node;
        node->begin.kind = ECSI_JOB_SYSTEM;
        node->help.run = ecsi_node_help_job;
        node->help.data = node;
        node->help.kind = ECSI_JOB_SYSTEM;
    }
    if (runs > UINT32_MAX ||
        ecsi_vec_reserve(schedule->memory, &schedule->fails, (uint32_t)runs, UINT32_MAX - 1,
                         sizeof(ecsi_fail)) != ECS_OK) {
        return 0;
    }
    schedule->flush->serial_next = serial - 1;
    return end - place;
}

/* After a segment: failures in the order of the schedule, events that were seen, costs. */
static void ecsi_segment_end(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                             uint32_t end)
{
    uint32_t count = ECSI_LOAD(&schedule->fail_count, relaxed);
    ecsi_fail *fails = (ecsi_fail *)schedule->fails.data;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(ecsi_latch_open(&schedule->latch));
    ECSI_CHECK(place < end);
    if (count > 0) (void)ecsi_lanes_gather(schedule);
    for (i = 0; i < count; i++) {
        ecsi_fail least;
        for (k = i + 1; k < count; k++) {
            if (fails[k].first >= fails[i].first) continue;
            least = fails[k];
            fails[k] = fails[i];
            fails[i] = least;
        }
        ecsi_report_failure(schedule, &fails[i].failure, fails[i].fast);
        ecsi_batch_fail(schedule->flush, &schedule->batch, fails[i].first, fails[i].end);
    }
    schedule->stop = schedule->stop || ECSI_LOAD(&schedule->stopping, relaxed) != 0;
    for (; place < end; place++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        schedule->report.systems_run += node->tries;
        schedule->report.overruns += node->overruns;
        if (node->skipped) schedule->report.systems_skipped++;
        if (node->tries > 0) {
            ecsi_node_cost(node, (double)ECSI_LOAD(&node->busy_ns, relaxed));
        }
#ifndef ECS_NO_EVENTS
        if (node->system->has_events && ECSI_LOAD(&node->got_rows, relaxed) != 0 &&
            node->system->retried == 0) {
            ecsi_system_seen(schedule, node->system);
        }
#endif
    }
}

/* Runs a segment on all workers. False: it was not run. */
static bool ecsi_segment_steal(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                               uint32_t end)
{
    ecs_worker *worker = schedule->worker;
    uint32_t count = ecsi_segment_prepare(schedule, phase, place, end);
    ecsi_summon summon;
    ecsi_node *passing = NULL;
    double pushed_ns = 0;
    double largest_ns = 0;
    bool pinned = false;
    uint32_t p;
#ifndef ECS_NO_ADAPTIVE
    uint64_t start = schedule->gauge.on ? ecsi_cost_clock() : 0;
#endif
    if (count == 0) return false;
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(worker->pool == schedule->pool);
    ECSI_STORE(&schedule->fail_count, 0u, relaxed);
    ECSI_STORE(&schedule->stopping, schedule->stop ? 1u : 0u, relaxed);
    ecsi_latch_set(&schedule->latch, count);
    /* From the last to the first: the end of a deque is taken first. Those that are first are
     * told by before_count, for `before` changes as soon as one has ended. */
    for (p = end; p-- > place;) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, p);
        if (node->before_count != 0) continue;
        if (ecsi_node_passes(node)) {
            node->next = passing;
            passing = node;
        } else {
            double ns = ecsi_node_release(worker, node);
            pinned = pinned || node->system->desc.main_thread;
            pushed_ns += ns;
            if (ns > largest_ns) largest_ns = ns;
        }
    }
    /* The largest one we take ourselves, unless we are busy with what only we may run. */
    ecsi_release_notify(worker, schedule, pinned ? pushed_ns : pushed_ns - largest_ns);
    ecsi_summon_call(&summon, worker, &schedule->latch);
    while (passing != NULL) {
        ecsi_node *node = passing;
        passing = node->next;
        ecsi_node_complete(worker, node);
    }
    ecsi_latch_help(worker, &schedule->latch);
    ecsi_summon_end(&summon);
#ifndef ECS_NO_ADAPTIVE
    schedule->gauge.shared = true;
    if (schedule->gauge.on) schedule->gauge.shared_ns += ecsi_cost_since(start);
#endif
    ecsi_segment_end(schedule, phase, place, end);
    return true;
}

/* What of a segment's cost others could take: all but the largest piece that is in one. Systems
 * that were not due this time count with what they took before: they may be due the next time. */
static double ecsi_segment_shareable(const ecsi_schedule *schedule, const ecsi_phase *phase,
                                     uint32_t place, uint32_t end)
{
    double total = 0;
    double largest = 0;
    ECSI_CHECK(schedule->sample);
    ECSI_CHECK(place <= end && end <= phase->count);
    for (; place < end; place++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        const ecsi_system *system = node->system;
        double piece = system->cost_ns;
        if (!system->enabled || piece < ECSI_PIECE_NS) continue;
        if (!system->unsplit && !system->query->system) {
            piece /= ecsi_max_u32(ecsi_query_block_count(system->query), 1);
        }
        total += system->cost_ns;
        if (piece > largest) largest = piece;
    }
    return total - largest;
}

#ifndef ECS_NO_ADAPTIVE
/* How much shorter a segment would be if all workers shared it, as a part of itself. What remains
 * is at least the work by the number of workers, and at least the longest chain of systems that
 * wait for each other, each spread over as many workers as it has row blocks for (the bounds of
 * R. L. Graham, "Bounds on Multiprocessing Timing Anomalies", 1969). Work that n workers can
 * spread evenly saves 1 - 1/n: what (max - mean) / max says when one does all of it. What must go
 * one after the other saves nothing, and systems too small to share stay where they are. */
static double ecsi_segment_saves(ecsi_schedule *schedule, const ecsi_phase *phase,
                                 uint32_t place, uint32_t end)
{
    uint32_t workers = schedule->adaptive.workers;
    uint32_t words = (phase->count + 63) / 64;
    double all_ns = 0;
    double total_ns = 0;
    double least_ns = 0;
    uint32_t p;
    ECSI_CHECK(schedule->sample);
    ECSI_CHECK(place <= end && end <= phase->count);
    for (p = place; p < end; p++) ecsi_phase_node(schedule, phase, p)->path_ns = 0;
    for (p = place; p < end; p++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, p);
        const ecsi_system *system = node->system;
        const uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                             phase->reach + node->member * words);
        double path_ns = node->path_ns;
        uint32_t w;
        if (system->enabled) all_ns += system->cost_ns;
        if (system->enabled && system->cost_ns >= ECSI_PIECE_NS) {
            uint32_t parts = system->unsplit || system->query->system
                                 ? 1 : ecsi_max_u32(ecsi_query_block_count(system->query), 1);
            total_ns += system->cost_ns;
            path_ns += system->cost_ns / ecsi_min_u32(parts, workers);
        }
        if (path_ns > least_ns) least_ns = path_ns;
        for (w = 0; w < words; w++) {
            uint64_t bits = direct[w];
            for (; bits != 0; bits &= bits - 1) {
                ecsi_node *after = ecsi_node_at(schedule, phase->first + w * 64 +
                                                ecsi_lowest_bit(bits));
                if (path_ns > after->path_ns) after->path_ns = path_ns;
            }
        }
    }
    if (total_ns / workers > least_ns) least_ns = total_ns / workers;
    return total_ns > least_ns ? (total_ns - least_ns) / all_ns : 0;
}
#endif

/* Whether a segment should be shared, whose systems that are due took `due_ns` before. */
static bool ecsi_segment_worth(const ecsi_schedule *schedule, const ecsi_phase *phase,
                               uint32_t place, double due_ns)
{
    const ecsi_node *first = ecsi_phase_node(schedule, phase, place);
    ecs_worker *worker = schedule->worker;
    double ns = first->segment_ns < due_ns ? first->segment_ns : due_ns;
    ECSI_CHECK(first->system->run != NULL);
    ECSI_CHECK(place < phase->count);
    if (worker == NULL || worker->pool->worker_count == 1 || schedule->alone) return false;
    if (schedule->share_ns == 1) return true;
    if (schedule->share_ns != 0) return ns >= schedule->share_ns;
    if (ns < ECSI_SHARE_AWAKE_NS) return false;
    return ecsi_worker_shares(worker, (uint64_t)ns, ecsi_clock_ns());
}
#endif

/* ---- Segments ---------------------------------------- */

/* Runs the systems from `place` up to the next exclusive one; answers its place. */
static uint32_t ecsi_segment_run(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                                 float dt)
{
    double due_ns = 0;
    bool fresh = false; /* one is due that was never measured */
    uint32_t end;
    ECSI_CHECK(place < phase->count);
    ECSI_CHECK(schedule->ticking);
    for (end = place; end < phase->count; end++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, end);
        if (node->system->run_exclusive != NULL) break;
        ecsi_node_plan(schedule, node, dt);
        ECSI_CHECK(!node->system->failed);
        if (node->runs == 0) continue;
        due_ns += node->system->cost_ns;
        fresh = fresh || node->system->cost_runs == 0;
    }
    if (end == place) return end;
    schedule->sample = schedule->sample || (fresh && schedule->pool != NULL);
    if (ECSI_UNLIKELY(schedule->restores)) ecsi_segment_reserve(schedule, phase, place, end);
    /* Until the next flush: whether the exclusive systems in between are due is not known. */
    if (ecsi_schedule_limited(schedule) && schedule->share_stale) {
        ecsi_segment_shares(schedule, phase, place, phase->count);
        schedule->share_stale = false;
    }
#ifndef ECS_NO_THREADS
    if (!ecsi_segment_worth(schedule, phase, place, due_ns) ||
        !ecsi_segment_steal(schedule, phase, place, end)) {
        ecsi_segment_blocking(schedule, phase, place, end);
    }
    if (schedule->sample) {
        ecsi_phase_node(schedule, phase, place)->segment_ns =
            ecsi_segment_shareable(schedule, phase, place, end);
#ifndef ECS_NO_ADAPTIVE
        if (schedule->gauge.on) {
            ecsi_phase_node(schedule, phase, place)->segment_saves =
                ecsi_segment_saves(schedule, phase, place, end);
        }
#endif
    }
#else
    (void)due_ns;
    ecsi_segment_blocking(schedule, phase, place, end);
#endif
#ifndef ECS_NO_ADAPTIVE
    schedule->gauge.due_ns += due_ns;
    schedule->gauge.saved_ns += due_ns * ecsi_phase_node(schedule, phase, place)->segment_saves;
    for (; schedule->gauge.declares && place < end; place++) {
        const ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        if (node->runs > 0 && !node->skipped) ecsi_gauge_ran(schedule, node->system);
    }
#endif
    return end;
}

#endif /* ECS_BACKEND_H */
