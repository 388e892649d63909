/* gauge.h: measures ticks for the adaptive backend, and asks adaptive.h what that means.
 *
 * The clock is read when a tick begins and ends, and at the two ends of each segment that goes
 * to all workers. What single systems cost is known from the ticks that are measured anyway:
 * the first three, one of sixteen, one in which a system runs for the first time, and one more
 * when the load has changed. A world that is blocking, far from having enough to share, and
 * without I/O is left alone in most ticks: there all of this would be a tenth of the tick. */
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

/* From one look to the other; nothing where the clock went back. */
static inline uint64_t ecsi_cost_between(uint64_t begin_ns, uint64_t end_ns)
{
    return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

static inline uint64_t ecsi_cost_since(uint64_t begin_ns)
{
    return ecsi_cost_between(begin_ns, ecsi_cost_clock());
}

/* Whether a tick is the one that is measured of each group of 2^bits. Which one is drawn anew in
 * each group: of a fixed one systems that run every second tick might never be part. */
static inline bool ecsi_tick_drawn(uint32_t tick, uint32_t bits)
{
    uint32_t x = ((tick >> bits) + 1) * 0x9e3779b9u;
    ECSI_CHECK(bits > 0 && bits < 32);
    x = (x ^ x >> 16) * 0x85ebca6bu;
    return (tick & ((1u << bits) - 1)) == x >> (32 - bits);
}

#ifndef ECS_NO_ADAPTIVE

/* Of the ticks of a light load one in 2^so many counts, and in one in 2^so many its systems are
 * measured. */
#define ECSI_LIGHT_BITS 3u
#define ECSI_LIGHT_SAMPLE_BITS 6u

/* Whether nothing is shared or batched, and what it takes is far from that. */
static inline bool ecsi_gauge_light(const ecsi_schedule *schedule)
{
    const ecsi_gauge *gauge = &schedule->gauge;
    const ecsi_adaptive *adaptive = &schedule->adaptive;
    ECSI_CHECK(gauge->on);
    ECSI_CHECK(adaptive->workers > 0);
    if (adaptive->choice.sharing || adaptive->choice.batching || adaptive->look) return false;
    if (gauge->declares || gauge->io_pending != NULL) return false;
#ifndef ECS_NO_IO
    if (schedule->io->open) return false;
#endif
    if (schedule->samples <= ECSI_SAMPLE_FIRST) return false;
    return adaptive->last_ns < adaptive->rules.light_ns / 2;
}

/* Begins a tick. Answers whether it needs a worker: where the load is light and nothing is
 * shared there is nobody to ask for help. */
static bool ecsi_gauge_begin(ecsi_schedule *schedule)
{
    ecsi_gauge *gauge = &schedule->gauge;
    const ecsi_adaptive *adaptive = &schedule->adaptive;
    ECSI_CHECK(schedule->ticking);
    if (!gauge->on) return true;
    schedule->alone = !adaptive->choice.sharing;
    schedule->sample = schedule->sample || (adaptive->look && schedule->pool != NULL);
    gauge->counts = true;
    if (ecsi_gauge_light(schedule)) {
        schedule->sample = schedule->pool != NULL &&
                           ecsi_tick_drawn(schedule->samples, ECSI_LIGHT_SAMPLE_BITS);
        gauge->counts = schedule->sample || ecsi_tick_drawn(schedule->samples, ECSI_LIGHT_BITS);
        if (!gauge->counts) return false;
    }
    gauge->shared = false;
    gauge->shared_ns = 0;
    gauge->due_ns = 0;
    gauge->saved_ns = 0;
    gauge->intents = 0;
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
 * was shared one worker did everything, and the imbalance is the part of it that others could
 * have taken, by what the systems took when they were measured. */
static void ecsi_gauge_end(ecsi_schedule *schedule)
{
    ecsi_gauge *gauge = &schedule->gauge;
    ecsi_adaptive *adaptive = &schedule->adaptive;
    double sum_ns;
    ecsi_sample sample;
    if (!gauge->counts) return;
    ECSI_CHECK(gauge->on);
    ECSI_CHECK(schedule->ticking);
    memset(&sample, 0, sizeof sample); /* gcc does not see that both cases set it */
    sample.cost_ns = (double)ecsi_cost_between(gauge->shared_ns, ecsi_cost_since(gauge->begin_ns));
    sample.shared = gauge->shared;
    if (gauge->shared) {
        ecsi_gauge_busy(schedule, &sum_ns, &sample.top_ns);
        sample.cost_ns += sum_ns;
        sample.mean_ns = sum_ns / adaptive->workers;
    } else {
        double all_ns = gauge->due_ns > sample.cost_ns ? gauge->due_ns : sample.cost_ns;
        gauge->spread = all_ns > 0 ? gauge->saved_ns / all_ns : 0;
        sample.top_ns = sample.cost_ns;
        sample.mean_ns = sample.cost_ns * (1.0 - gauge->spread);
    }
    sample.declared = gauge->intents < ECSI_FIGURE_IO_MAX ? (uint32_t)gauge->intents
                                                          : ECSI_FIGURE_IO_MAX;
    sample.measured = ECS_IO_UNKNOWN;
    if (gauge->io_pending != NULL) {
        sample.measured = gauge->io_pending(schedule->world, gauge->io_user);
#ifndef ECS_NO_IO
    } else if (schedule->io->open) {
        sample.measured = schedule->io->tick_peak;
#endif
    }
    (void)ecsi_adaptive_step(adaptive, &sample, schedule->tick, schedule->sample);
#ifndef ECS_NO_IO
    schedule->io->batching = adaptive->choice.batching;
#endif
    ECSI_CHECK(!adaptive->choice.sharing || schedule->pool != NULL);
}

#endif /* ECS_NO_ADAPTIVE */

#endif /* ECS_GAUGE_H */
