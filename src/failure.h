/* failure.h: what follows when a system fails: skip, retry, restore, the breaker.
 *
 * All of it is counted in ticks and runs, never in time, so that it is the same on any number
 * of workers. Each try of a run has streams of its own: what a failed one recorded is dropped
 * by their serials. What a system with `restore` writes is copied before a run into memory that
 * was shared out when its segment was planned, so that whether there is room does not depend
 * on which worker comes first. */
/* floor: 11 */
#ifndef ECS_FAILURE_H
#define ECS_FAILURE_H

#include "schedule.h"

/* ---- Time ---------------------------------------------------------------------------------- */

/* Whether a system that failed must wait in this tick. Counts the tick; its time is kept. */
static bool ecsi_system_waits(ecsi_system *system, float dt)
{
    ECSI_CHECK(system->enabled);
    ECSI_CHECK(dt >= 0);
    if (ECSI_LIKELY(system->wait_ticks == 0 && !system->broken)) return false;
    if (system->wait_ticks > 0 && --system->wait_ticks == 0) {
        system->probing = system->broken;
        system->broken = false;
        return false;
    }
    system->since_s += (double)dt;
    if (system->fixed.step_s > 0) system->fixed.saved_s += (double)dt;
    if (system->ticks < UINT32_MAX) system->ticks++;
    return true;
}

/* It was enabled by hand: as if it had never failed. */
static void ecsi_system_forgive(ecsi_system *system)
{
    ECSI_CHECK(system->enabled);
    ECSI_CHECK(!system->failed);
    system->wait_ticks = 0;
    system->retried = 0;
    system->failed_in_row = 0;
    system->broken = false;
    system->probing = false;
}

/* The runs of this tick that did not happen, the failed one included, are due later. */
static void ecsi_node_postpone(ecsi_node *node)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(node->dt >= 0);
    if (system->fixed.step_s > 0) {
        system->fixed.saved_s += (double)system->fixed.step_s * (node->runs - node->run);
        return;
    }
    system->since_s += (double)node->dt;
    system->ticks = system->desc.every_ticks;
}

/* ---- What follows -------------------------------------------------------------------------- */

typedef enum ecsi_outcome {
    ECSI_GO_ON, /* to the node's next run */
    ECSI_AGAIN, /* the same run once more */
    ECSI_CUT,   /* no further run in this tick */
    ECSI_STOP   /* it failed fast */
} ecsi_outcome;

/* A failure that counts, for a system that is skipped. */
static ecsi_outcome ecsi_node_skipped(ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(!system->broken);
    ECSI_CHECK(system->wait_ticks == 0);
    if (desc->breaker_failures == 0) return ECSI_GO_ON;
    system->failed_in_row++;
    if (!system->probing && system->failed_in_row < desc->breaker_failures) return ECSI_GO_ON;
    system->broken = true;
    system->probing = false;
    system->failed_in_row = 0;
    system->wait_ticks = desc->breaker_ticks;
    system->state.breaks++;
    return ECSI_CUT;
}

/* A try has failed; `run` still counts the ended ones. The failure is described for the report. */
static ecsi_outcome ecsi_node_failed(ecsi_node *node, ecs_failure *failure)
{
    ecsi_system *system = node->system;
    const ecs_system_desc *desc = &system->desc;
    ecs_on_error policy = desc->on_error;
    ecsi_outcome outcome = ECSI_GO_ON;
    ECSI_CHECK(node->attempt < system->attempts);
    ECSI_CHECK(failure->status != ECS_OK);
    system->state.failures++;
    system->state.last = failure->status;
    system->state.last_tick = node->schedule->tick;
    failure->attempt = desc->retry_ticks == 0 ? node->attempt : system->retried;
    failure->again = false;
    failure->broken = false;
    if (policy == ECS_RETRY) {
        if (node->attempt + 1 < system->attempts) {
            failure->again = true;
            return ECSI_AGAIN;
        }
        if (desc->retry_ticks > 0 && system->retried < desc->retries) {
            uint32_t shift = ecsi_min_u32(system->retried, 20);
            uint64_t ticks = (uint64_t)desc->retry_ticks << shift;
            system->wait_ticks = ticks < ECSI_RETRY_TICKS_MAX ? (uint32_t)ticks
                                                              : ECSI_RETRY_TICKS_MAX;
            system->retried++;
            ecsi_node_postpone(node);
            failure->again = true;
            return ECSI_CUT;
        }
        system->retried = 0;
        policy = desc->on_exhausted;
    }
    if (policy == ECS_SKIP) {
        outcome = ecsi_node_skipped(system);
        failure->broken = outcome == ECSI_CUT;
        return outcome;
    }
    system->failed = true;
    return ECSI_STOP;
}

static void ecsi_node_succeeded(ecsi_node *node)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(node->attempt < system->attempts);
    ECSI_CHECK(!system->failed);
    if (ECSI_LIKELY((system->retried | system->failed_in_row) == 0 && !system->probing)) return;
    system->retried = 0;
    system->failed_in_row = 0;
    system->probing = false;
}

/* One try has ended: counts it, and goes on to the next one. Answers whether there is one in
 * this tick. */
static bool ecsi_node_step(ecsi_node *node, ecsi_outcome outcome)
{
    ecsi_system *system = node->system;
    ECSI_CHECK(node->run < node->runs);
    ECSI_CHECK(outcome != ECSI_AGAIN || node->attempt + 1 < system->attempts);
    system->state.runs++;
    node->tries++;
    if (outcome == ECSI_AGAIN) {
        node->attempt++;
        system->state.retries++;
        return true;
    }
    node->attempt = 0;
    node->run++;
    if (outcome == ECSI_CUT || outcome == ECSI_STOP) node->cut = true;
    return node->run < node->runs && !node->cut;
}

/* A run took so long. Answers whether that makes it a failure. */
static bool ecsi_node_overran(ecsi_node *node, uint64_t ns)
{
    ecsi_system *system = node->system;
    const ecs_system_desc *desc = &system->desc;
    ECSI_CHECK(desc->budget_ns > 0);
    ECSI_CHECK(node->run < node->runs);
    if (ns <= desc->budget_ns) return false;
    ns -= desc->budget_ns;
    node->overruns++;
    system->state.overruns++;
    if (ns > system->state.overrun_ns) system->state.overrun_ns = ns;
    return desc->budget_fails;
}

/* ---- Saving and putting back --------------------------------------------------------------- */

typedef enum ecsi_save_mode { ECSI_SAVE_MEASURE, ECSI_SAVE_COPY, ECSI_SAVE_BACK } ecsi_save_mode;

/* One piece; answers the offset behind it. */
static size_t ecsi_save_piece(unsigned char *data, size_t at, void *live, size_t bytes,
                              ecsi_save_mode mode)
{
    ECSI_CHECK(live != NULL);
    ECSI_CHECK(mode == ECSI_SAVE_MEASURE || data != NULL);
    if (mode == ECSI_SAVE_COPY) memcpy(data + at, live, bytes);
    if (mode == ECSI_SAVE_BACK) memcpy(live, data + at, bytes);
    return ecsi_align_up(at + bytes, 16);
}

/* One column, with the change ticks of its row blocks. */
static size_t ecsi_save_column(unsigned char *data, size_t at, const ecsi_match *match, uint32_t c,
                               ecsi_save_mode mode)
{
    const ecsi_table *table = match->table;
    ecsi_chunk *chunk = table->row_count == 0 ? NULL : table->first;
    ECSI_CHECK(c < table->column_count);
    for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
        uint32_t blocks = ((chunk->count - 1) >> table->block_shift) + 1;
        ECSI_CHECK(blocks <= table->blocks);
        at = ecsi_save_piece(data, at, ecsi_chunk_value(chunk, &table->columns[c], 0),
                             (size_t)chunk->count * table->columns[c].bytes, mode);
        at = ecsi_save_piece(data, at, ecsi_chunk_tick(chunk, c, 0), blocks * sizeof(uint64_t),
                             mode);
    }
    return at;
}

/* Everything that a system may write; answers the bytes. */
static size_t ecsi_system_save(const ecsi_schedule *schedule, const ecsi_system *system,
                               unsigned char *data, ecsi_save_mode mode)
{
    const ecsi_query *query = system->query;
    size_t at = 0;
    uint32_t t;
    uint32_t m;
    ECSI_CHECK(system->desc.restore);
    ECSI_CHECK(query != NULL);
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        if (term->access == ECS_ACCESS_RES_WRITE) {
            const ecsi_component *c = ecsi_component_at(schedule->flush->components,
                                                        term->component);
            at = ecsi_save_piece(data, at, system->columns[t], c->type.bytes, mode);
        }
        for (m = 0; term->writes && m < query->matches.count; m++) {
            const ecsi_match *match = ecsi_match_at(query, m);
            if (match->columns[t] == ECSI_NO_COLUMN) continue;
            at = ecsi_save_column(data, at, match, match->columns[t], mode);
        }
    }
    return at;
}

/* Gives each system of a segment that is due its part of the memory for copies. One for which
 * there is none fails without having run. */
static void ecsi_segment_reserve(ecsi_schedule *schedule, const ecsi_phase *phase, uint32_t place,
                                 uint32_t end)
{
    size_t used = 0;
    ECSI_CHECK(place < end);
    ECSI_CHECK(end <= phase->count);
    for (; place < end; place++) {
        ecsi_node *node = ecsi_phase_node(schedule, phase, place);
        size_t bytes;
        node->refused = ECS_OK;
        if (node->runs == 0 || !node->system->desc.restore) continue;
        if (!ecsi_system_restores(schedule, node->system)) { /* they have hooks by now */
            node->refused = ECS_UNSUPPORTED;
            continue;
        }
        bytes = ecsi_system_save(schedule, node->system, NULL, ECSI_SAVE_MEASURE);
        if (bytes > schedule->restore_bytes_max - used ||
            used + bytes > (size_t)UINT32_MAX * ECSI_SAVE_UNIT) {
            node->refused = ECS_FULL;
            continue;
        }
        node->refused = ecsi_vec_reserve(
            schedule->memory, &schedule->saved, (uint32_t)((used + bytes) / ECSI_SAVE_UNIT),
            ecsi_save_units(schedule->restore_bytes_max), ECSI_SAVE_UNIT);
        if (node->refused != ECS_OK) continue;
        node->saved_at = used;
        used += bytes;
    }
}

/* Before the first try of a run, and after each that failed. */
static void ecsi_node_save(const ecsi_node *node, ecsi_save_mode mode)
{
    const ecsi_schedule *schedule = node->schedule;
    unsigned char *data = (unsigned char *)schedule->saved.data;
    ECSI_CHECK(mode != ECSI_SAVE_MEASURE);
    if (ECSI_LIKELY(!node->system->desc.restore) || node->refused != ECS_OK) return;
    if (data == NULL) return; /* nothing to save */
    ECSI_CHECK(node->saved_at <= (size_t)schedule->saved.capacity * ECSI_SAVE_UNIT);
    (void)ecsi_system_save(schedule, node->system, data + node->saved_at, mode);
}

#endif /* ECS_FAILURE_H */
