/* tick.h: a tick: the phases in their order, each with its groups and segments. */
/* floor: 11 */
#ifndef ECS_TICK_H
#define ECS_TICK_H

#include "launch.h"

#ifndef ECS_NO_IO
/* Waits for what the phase waits for, unless the tick is cancelled. */
static void ecsi_tick_join(ecsi_schedule *schedule)
{
    ecsi_io *io = schedule->io;
    uint64_t begin_ns;
    ECSI_CHECK(!io->replaying);
    if (io->joined == 0) return;
    begin_ns = ecsi_cost_clock();
    while (io->joined > 0 && !ecsi_tick_cancelled(schedule)) {
        ecsi_io_submit(io);
        if (io->joined > 0) ecsi_io_reap(io, ECS_IO_FOREVER);
    }
    ECSI_CHECK(!io->delivering);
#ifndef ECS_NO_ADAPTIVE
    schedule->gauge.begin_ns += ecsi_cost_since(begin_ns); /* waiting is no load */
#else
    (void)begin_ns;
#endif
}

/* Between two phases: requests go out, and what has ended is delivered. What callbacks ask for
 * goes out as well, and is waited for if they say so. */
static void ecsi_tick_boundary(ecsi_schedule *schedule)
{
    ecsi_io *io = schedule->io;
    uint32_t round;
    ECSI_CHECK(schedule->ticking);
    if (ECSI_LIKELY(!io->open)) {
        io->boundary++;
        return;
    }
    ecsi_io_phase_end(io);
    for (round = 0; round < ECSI_IO_ROUNDS_MAX; round++) {
        uint64_t before = io->stats.delivered;
        if (io->replaying) {
            ecsi_io_replay(io);
        } else {
            ecsi_tick_join(schedule);
            ecsi_io_look(io);
        }
        ecsi_io_deliver(io);
        if (io->stats.delivered == before) break;
        ecsi_schedule_flush(schedule);
        ecsi_io_submit(io);
        if (io->joined == 0) break;
    }
    ECSI_CHECK(io->replaying || io->joined == 0 || round > 0 || ecsi_tick_cancelled(schedule));
}
#endif

/* Runs all systems of a phase once, and applies what they recorded. */
static void ecsi_phase_run(ecsi_schedule *schedule, uint32_t number, float dt)
{
    const ecsi_phase *phase = ecsi_phase_at(schedule, number);
    uint32_t place = 0;
    bool fast = false;
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(!schedule->stop);
    if (schedule->groups.count > 0) fast = ecsi_groups_begin(schedule, number, dt);
    if (phase->count == 0) {
        schedule->stop = fast;
        return;
    }
    schedule->share_stale = true;
    while (place < phase->count) {
        ecsi_node *node;
        place = ecsi_segment_run(schedule, phase, place, dt);
        if (place == phase->count) break;
        node = ecsi_phase_node(schedule, phase, place);
        ECSI_CHECK(node->system->run_exclusive != NULL);
        place++;
        if (!node->system->enabled) continue;
        if (ECSI_UNLIKELY(schedule->stop || ecsi_tick_cancelled(schedule)) &&
            ecsi_node_blocked(schedule, phase, node)) {
            schedule->report.systems_skipped++;
            continue;
        }
        ecsi_exclusive_run(schedule, node, dt);
#ifndef ECS_NO_IO
        ecsi_io_inner(schedule->io);
#endif
    }
    ecsi_schedule_flush(schedule);
#ifndef ECS_NO_IO
    ecsi_tick_boundary(schedule);
#endif
    for (place = 0; place < phase->count && schedule->stop; place++) {
        ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, place))->failed = false;
    }
    schedule->stop = schedule->stop || fast;
}

/* No phase begins any more. */
static inline bool ecsi_tick_over(const ecsi_schedule *schedule)
{
    return schedule->stop || ecsi_tick_cancelled(schedule);
}

/* All phases in order, until a system fails fast. The schedule is built. */
static ecs_status ecsi_schedule_tick(ecsi_schedule *schedule, float dt)
{
    const ecsi_flush *flush = schedule->flush;
    uint64_t applied = flush->applied;
    uint64_t dropped = flush->dropped;
    uint64_t refused = flush->refused;
    ecs_tick_report *report = &schedule->report;
    bool enters = schedule->pool != NULL;
    uint32_t p;
    ECSI_CHECK(!schedule->ticking);
    ECSI_CHECK(schedule->built);
    report->status = ECS_OK;
    report->tick = schedule->tick;
    report->systems_run = 0;
    report->systems_skipped = 0;
    report->failure_count = 0;
    report->failures_lost = 0;
    report->overruns = 0;
    report->cancelled = false;
    schedule->ticking = true;
    schedule->stop = false;
    schedule->sample = schedule->pool != NULL &&
                       (schedule->samples < ECSI_SAMPLE_FIRST ||
                        ecsi_tick_drawn(schedule->samples, ECSI_SAMPLE_BITS));
    schedule->samples++;
#ifndef ECS_NO_ADAPTIVE
    if (!ecsi_gauge_begin(schedule)) enters = false;
#endif
    if (enters) schedule->worker = ecs_pool_enter(schedule->pool);
    schedule->flush->worker = schedule->worker;
    if (ECSI_UNLIKELY(schedule->under_way > 0)) ecsi_groups_tick(schedule);
#ifndef ECS_NO_IO
    ecsi_tick_boundary(schedule);
    schedule->io->tick_peak = schedule->io->entered;
#endif
    for (p = 0; p < schedule->phase_order.count && !ecsi_tick_over(schedule); p++) {
        uint32_t number = *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p);
        ecsi_phase *phase = ecsi_phase_at(schedule, number);
        uint32_t steps = 1;
        if (phase->fixed.step_s > 0) {
            steps = ecsi_fixed_steps(&phase->fixed, dt);
        }
        for (; steps > 0 && !ecsi_tick_over(schedule); steps--) {
            ecsi_phase_run(schedule, number, phase->fixed.step_s > 0 ? phase->fixed.step_s : dt);
        }
    }
    if (ecsi_tick_cancelled(schedule)) {
        ECSI_STORE(&schedule->cancel, 0u, relaxed);
        report->cancelled = true;
        if (report->status == ECS_OK) report->status = ECS_CANCELLED;
    }
    ecs_pool_leave(schedule->worker);
    schedule->worker = NULL;
    schedule->flush->worker = NULL;
#ifndef ECS_NO_ADAPTIVE
    ecsi_gauge_end(schedule);
#endif
    schedule->ticking = false;
    report->commands_applied = flush->applied - applied;
    report->commands_dropped = flush->dropped - dropped;
    report->commands_refused = flush->refused - refused;
    return report->status;
}

#endif /* ECS_TICK_H */
