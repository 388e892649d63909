/* gauge.h: measures ticks for the adaptive backend, and asks adaptive.h what that means.
 *
 * The clock is read when a tick begins and ends, and at the two ends of each segment that goes
 * to all workers. What single systems cost is known from the ticks that are measured anyway:
 * the first three, one of sixteen, and one more when the load has changed. */
/* floor: 11 */
#ifndef ECS_GAUGE_H
#define ECS_GAUGE_H

#include "schedule.h"

/* Costs are measured with this clock: tests put one there that they can set. */
#ifndef ECSI_COST_CLOCK
#define ECSI_COST_CLOCK ecsi_clock_ns
#endif

/* The clock where there are threads to share with. */
static inline uint64_t ecsi_cost_clock(void)
{
#ifndef ECS_NO_THREADS
    return ECSI_COST_CLOCK();
#else
    return 0;
#endif
}

#ifndef ECS_NO_ADAPTIVE

/* Begins a tick. Answers whether it needs a worker: where the load is light and nothing is
 * shared there is nobody to ask for help. */
static bool ecsi_gauge_begin(ecsi_schedule *schedule)
{
    ecsi_gauge *gauge = &schedule->gauge;
    const ecsi_adaptive *adaptive = &schedule->adaptive;
    ECSI_CHECK(schedule->ticking);
    if (!gauge->on) return true;
    gauge->shared = false;
    gauge->shared_ns = 0;
    gauge->saved_ns = 0;
    gauge->intents = 0;
    schedule->alone = !adaptive->choice.sharing;
    schedule->sample = schedule->sample || (adaptive->look && schedule->pool != NULL);
    gauge->begin_ns = ecsi_cost_clock();
    ECSI_CHECK(schedule->worker == NULL);
    return !schedule->alone || adaptive->last_ns >= adaptive->rules.light_ns;
}

/* A system has run in this tick: it has made the requests that it declares. */
static inline void ecsi_gauge_ran(ecsi_schedule *schedule, const ecsi_system *system)
{
    ECSI_CHECK(schedule->ticking);
    ECSI_CHECK(system->enabled);
    schedule->gauge.intents += system->desc.io_intents;
}

/* Adds up what the workers did in shared segments, and forgets it. */
static void ecsi_gauge_busy(ecsi_schedule *schedule, double *sum_ns, double *top_ns)
{
    uint32_t i;
    *sum_ns = 0;
    *top_ns = 0;
    ECSI_CHECK(schedule->gauge.shared);
    ECSI_CHECK(schedule->lane_count > 0);
    for (i = 0; i < schedule->lane_count; i++) {
        ecsi_lane *lane = &schedule->lanes[i];
        double ns = (double)lane->busy_ns;
        lane->busy_ns = 0;
        *sum_ns += ns;
        if (ns > *top_ns) *top_ns = ns;
    }
}

/* Ends a tick: what it took goes to adaptive.h, which chooses for the next one. Where nothing
 * was shared one worker did everything, and the imbalance is the part of it that the last
 * measured tick says others could have taken. */
static void ecsi_gauge_end(ecsi_schedule *schedule)
{
    ecsi_gauge *gauge = &schedule->gauge;
    ecsi_adaptive *adaptive = &schedule->adaptive;
    uint64_t now;
    double sum_ns;
    ecsi_sample sample;
    if (!gauge->on) return;
    now = ecsi_cost_clock();
    memset(&sample, 0, sizeof sample); /* gcc does not see that both cases set it */
    ECSI_CHECK(now - gauge->begin_ns >= gauge->shared_ns);
    sample.cost_ns = (double)(now - gauge->begin_ns - gauge->shared_ns);
    sample.shared = gauge->shared;
    if (gauge->shared) {
        ecsi_gauge_busy(schedule, &sum_ns, &sample.top_ns);
        sample.cost_ns += sum_ns;
        sample.mean_ns = sum_ns / adaptive->workers;
    }
    if (schedule->sample) {
        gauge->spread = sample.cost_ns > 0 ? gauge->saved_ns / sample.cost_ns : 0;
        if (gauge->spread > 1) gauge->spread = 1;
    }
    if (!gauge->shared) {
        sample.top_ns = sample.cost_ns;
        sample.mean_ns = sample.cost_ns * (1.0 - gauge->spread);
    }
    sample.declared = gauge->intents < ECSI_FIGURE_IO_MAX ? (uint32_t)gauge->intents
                                                          : ECSI_FIGURE_IO_MAX;
    sample.measured = ECS_IO_UNKNOWN;
    if (gauge->io_pending != NULL) {
        sample.measured = gauge->io_pending(schedule->world, gauge->io_user);
    }
    (void)ecsi_adaptive_step(adaptive, &sample, schedule->tick, schedule->sample);
    ECSI_CHECK(!adaptive->choice.sharing || schedule->pool != NULL);
}

#endif /* ECS_NO_ADAPTIVE */

#endif /* ECS_GAUGE_H */
