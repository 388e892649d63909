/* runner.h: the main loop: fixed steps, catching up, sleeping until the next frame is due.
 *
 * Time is kept as what is owed: how long ago the last tick and the last frame were due. Each
 * look at the clock adds what has passed, and each step takes exactly its length away; so
 * moments lie on a grid that begins with the run, and a late wake-up is not carried on. A clock
 * that goes backwards adds nothing.
 *
 * A sleep ends a little late, by the slack of the system's timers and the time to wake up. The
 * runner measures by how much, sleeps for so much less, and spins for the rest. */
/* floor: 14 */
#ifndef ECS_RUNNER_H
#define ECS_RUNNER_H

#include "world.h"

#ifndef ECS_NO_RUN

/* Else a signal handler that stops a run could meet a lock that its own thread holds. */
ECSI_STATIC_ASSERT(__GCC_ATOMIC_INT_LOCK_FREE == 2, "words of 32 bits are lock-free");

#define ECSI_RUN_STEPS_MAX 4u                   /* default catch-up cap */
#define ECSI_RUN_STEP_S (1.0 / 60.0)            /* default step */
#define ECSI_RUN_DT_MAX_S 0.25                  /* default of the longest dt */
#define ECSI_RUN_S_MIN 1e-6                     /* shortest step and frame */
#define ECSI_RUN_S_MAX 3600.0                   /* longest of all times in a description */
#define ECSI_RUN_NAP_NS 50000000u               /* longest sleep without a look at the flag */
#define ECSI_RUN_MARGIN_NS 75000u               /* longest wait awake */
#define ECSI_RUN_SPINS_MAX 4096u                /* looks at the clock in it */
#define ECSI_RUN_PASSED_NS ((uint64_t)1 << 60)  /* longest time between two looks: 36 years */

typedef struct ecsi_runner {
    ecs_world *world;
    ecs_run_report *report;
    ecs_run_desc desc;      /* with the defaults filled in */
    ecs_run_clock clock;    /* the caller's */
    ecsi_sleeper sleeper;   /* of the machine's */
    bool own_clock;         /* the machine's */
    uint64_t step_ns;
    uint64_t frame_ns;
    uint64_t late_ns;
    uint64_t dt_max_ns;
    uint64_t now_ns;        /* what the clock showed last */
    uint64_t owed_ns;       /* since the last tick was due; only with ECS_RUN_FIXED */
    uint64_t frame_owed_ns; /* since the last frame was due */
    uint64_t since_ns;      /* since the last frame began */
    uint64_t margin_ns;     /* how much earlier to wake */
    uint64_t lateness_ns;   /* of the next tick */
    float tick_dt;
} ecsi_runner;

/* ---- Time --------------------------------------------------------------------------- */

static uint64_t ecsi_run_ns(double seconds)
{
    ECSI_CHECK(seconds >= 0.0);
    ECSI_CHECK(seconds <= ECSI_RUN_S_MAX);
    return (uint64_t)(seconds * 1e9 + 0.5);
}

static uint64_t ecsi_run_look(const ecsi_runner *run)
{
    return run->own_clock ? ecsi_clock_ns() : run->clock.now_ns(run->clock.user);
}

/* Looks at the clock and adds what has passed. */
static void ecsi_run_pass(ecsi_runner *run)
{
    uint64_t now = ecsi_run_look(run);
    uint64_t passed = now - run->now_ns;
    ECSI_CHECK(run->desc.mode != ECS_RUN_UNTIMED);
    if (now < run->now_ns) {
        run->report->clock_back++;
        passed = 0;
    }
    if (passed > ECSI_RUN_PASSED_NS) passed = ECSI_RUN_PASSED_NS;
    run->now_ns = now;
    run->owed_ns += passed;
    run->frame_owed_ns += passed;
    run->since_ns += passed;
    ECSI_CHECK(run->owed_ns <= 2 * ECSI_RUN_PASSED_NS);
}

/* Takes in by how much a sleep was too long: up at once, because a late tick is worse than a
 * little spinning, and down slowly. */
static void ecsi_run_margin(ecsi_runner *run, uint64_t overslept_ns)
{
    ECSI_CHECK(run->own_clock);
    if (overslept_ns > ECSI_RUN_MARGIN_NS) overslept_ns = ECSI_RUN_MARGIN_NS;
    if (overslept_ns >= run->margin_ns) {
        run->margin_ns = overslept_ns;
    } else {
        run->margin_ns -= (run->margin_ns - overslept_ns) / 16u;
    }
    ECSI_CHECK(run->margin_ns <= ECSI_RUN_MARGIN_NS);
}

/* Sleeps for a part of the time that is left, or waits awake for all of it. */
static void ecsi_run_rest(ecsi_runner *run, uint64_t left_ns)
{
    uint64_t nap;
    uint64_t until;
    ECSI_CHECK(left_ns > 0);
    if (left_ns <= run->margin_ns) {
        uint32_t spins;
        until = run->now_ns + left_ns;
        for (spins = 0; spins < ECSI_RUN_SPINS_MAX && ecsi_clock_ns() < until; spins++) {
            ecsi_pause();
        }
        return;
    }
    nap = left_ns - run->margin_ns;
    if (nap > ECSI_RUN_NAP_NS) nap = ECSI_RUN_NAP_NS;
    until = nap > UINT64_MAX - run->now_ns ? UINT64_MAX : run->now_ns + nap;
    if (run->own_clock) {
        uint64_t woke;
        ecsi_sleep_until(run->sleeper, until);
        woke = ecsi_clock_ns();
        if (woke >= until) ecsi_run_margin(run, woke - until);
    } else {
        run->clock.sleep_until_ns(until, run->clock.user);
    }
    ECSI_CHECK(nap > 0);
}

static void ecsi_run_ends(ecsi_runner *run, ecs_run_end why)
{
    ECSI_CHECK(why != ECS_RUN_GOES_ON);
    if (run->report->end == ECS_RUN_GOES_ON) run->report->end = why;
    ECSI_CHECK(run->report->end != ECS_RUN_GOES_ON);
}

/* Sees whether the flag is set. */
static bool ecsi_run_told(ecsi_runner *run)
{
    ECSI_CHECK(run->report != NULL);
    if (run->desc.stop == NULL || !ecs_run_stopped(run->desc.stop)) return false;
    ecsi_run_ends(run, ECS_RUN_STOPPED);
    return true;
}

/* Waits for the time of the next frame; false: the flag was set first. The clock bounds the
 * loop, in steps of ECSI_RUN_NAP_NS. */
static bool ecsi_run_wait(ecsi_runner *run)
{
    ECSI_CHECK(run->report->end == ECS_RUN_GOES_ON);
    ECSI_CHECK(run->frame_ns > 0);
    for (;;) {
        if (ecsi_run_told(run)) return false;
        if (run->desc.mode == ECS_RUN_UNTIMED) return true;
        ecsi_run_pass(run);
        if (run->desc.unpaced || run->frame_owed_ns >= run->frame_ns) return true;
        ecsi_run_rest(run, run->frame_ns - run->frame_owed_ns);
    }
}

/* ---- Frames ------------------------------------------------------------------------- */

/* Takes the steps that are due off what is owed. */
static void ecsi_run_plan_fixed(ecsi_runner *run, ecs_run_frame *frame)
{
    uint64_t due = run->owed_ns / run->step_ns;
    ECSI_CHECK(run->desc.mode == ECS_RUN_FIXED);
    run->lateness_ns = due > 0 ? run->owed_ns - run->step_ns : 0;
    run->owed_ns -= due * run->step_ns;
    if (due > run->desc.steps_max) {
        uint64_t dropped = due - run->desc.steps_max;
        run->report->ticks_dropped += dropped;
        run->report->dropped_ns += dropped * run->step_ns;
        due = run->desc.steps_max;
    }
    frame->steps = (uint32_t)due;
    frame->alpha = (float)((double)run->owed_ns / (double)run->step_ns);
    ECSI_CHECK(run->owed_ns < run->step_ns);
    ECSI_CHECK(frame->alpha >= 0.0f && frame->alpha <= 1.0f);
}

/* What the frame that begins now has to do. */
static void ecsi_run_plan(ecsi_runner *run, ecs_run_frame *frame)
{
    ecs_run_report *report = run->report;
    uint64_t passed = run->since_ns < run->dt_max_ns ? run->since_ns : run->dt_max_ns;
    memset(frame, 0, sizeof *frame);
    frame->number = report->frames;
    frame->report = report;
    frame->steps = 1;
    frame->alpha = 1.0f;
    frame->dt = (float)((double)passed * 1e-9);
    run->lateness_ns = 0;
    if (run->desc.mode == ECS_RUN_UNTIMED) {
        frame->dt = report->frames > 0 ? run->tick_dt : 0.0f;
        return;
    }
    if (run->desc.mode == ECS_RUN_FIXED) {
        ecsi_run_plan_fixed(run, frame);
    } else {
        run->owed_ns = 0;
        run->tick_dt = frame->dt;
        report->dropped_ns += run->since_ns - passed;
        if (!run->desc.unpaced) run->lateness_ns = run->frame_owed_ns - run->frame_ns;
    }
    run->since_ns = 0;
    /* Frames that were missed are not made up for: the next one is due at the next place of the
     * grid. */
    run->frame_owed_ns %= run->frame_ns;
    ECSI_CHECK(frame->steps <= run->desc.steps_max);
    ECSI_CHECK(frame->dt >= 0.0f);
}

/* One tick of the frame; false: no other. */
static bool ecsi_run_tick(ecsi_runner *run, const ecs_run_frame *frame)
{
    const ecs_run_desc *d = &run->desc;
    ecs_run_report *report = run->report;
    ecs_status status;
    if (ecsi_run_told(run)) return false;
    if (d->tick_begin != NULL && !d->tick_begin(run->world, frame, d->user)) {
        ecsi_run_ends(run, ECS_RUN_CALLBACK);
        return false;
    }
    if (run->lateness_ns > run->late_ns) report->ticks_late++;
    if (run->lateness_ns > report->late_max_ns) report->late_max_ns = run->lateness_ns;
    run->lateness_ns -= run->lateness_ns < run->step_ns ? run->lateness_ns : run->step_ns;
    status = d->tick != NULL ? d->tick(run->world, run->tick_dt, d->user)
                             : ecs_tick(run->world, run->tick_dt);
    report->ticks++;
    if (status != ECS_OK) {
        report->ticks_failed++;
        report->tick_status = status;
        if (!d->go_on) {
            report->status = status;
            ecsi_run_ends(run, ECS_RUN_TICK_FAILED);
        }
    }
    if (report->ticks == d->ticks_max) ecsi_run_ends(run, ECS_RUN_TICKS);
    ECSI_CHECK(d->ticks_max == 0 || report->ticks <= d->ticks_max);
    ECSI_CHECK(report->ticks_failed <= report->ticks);
    return report->end == ECS_RUN_GOES_ON;
}

/* One frame; false: the last. */
static bool ecsi_run_frame(ecsi_runner *run)
{
    const ecs_run_desc *d = &run->desc;
    ecs_run_frame frame;
    uint32_t i;
    ECSI_CHECK(run->report->end == ECS_RUN_GOES_ON);
    if (!ecsi_run_wait(run)) return false;
    ecsi_run_plan(run, &frame);
    if (d->frame_begin != NULL && !d->frame_begin(run->world, &frame, d->user)) {
        ecsi_run_ends(run, ECS_RUN_CALLBACK);
        return false;
    }
    for (i = 0; i < frame.steps && ecsi_run_tick(run, &frame); i++) ECSI_CHECK(i < d->steps_max);
    if (d->frame_end != NULL && !d->frame_end(run->world, &frame, d->user)) {
        ecsi_run_ends(run, ECS_RUN_CALLBACK);
    }
    run->report->frames++;
    return run->report->end == ECS_RUN_GOES_ON;
}

/* ---- Entry points ------------------------------------------------------------------- */

ECS_API void ecs_run_stop(ecs_run_flag *flag)
{
    ECSI_REQUIRE_VOID(flag != NULL);
    /* Pairs with the load of ecs_run_stopped. */
    ECSI_STORE(&flag->word, 1u, release);
}

ECS_API bool ecs_run_stopped(const ecs_run_flag *flag)
{
    ECSI_REQUIRE(flag != NULL, false);
    /* Pairs with the store of ecs_run_stop. */
    return ECSI_LOAD(&flag->word, acquire) != 0;
}

/* Whether a time is one that a description may have. NaN is none. */
static bool ecsi_run_time_is_good(double seconds, double min)
{
    ECSI_CHECK(min >= 0.0);
    return seconds == 0.0 || (seconds >= min && seconds <= ECSI_RUN_S_MAX);
}

/* Fills in the defaults. */
static ecs_status ecsi_run_resolve(ecsi_runner *run)
{
    ecs_run_desc *d = &run->desc;
    ECSI_REQUIRE((unsigned)d->mode <= (unsigned)ECS_RUN_UNTIMED, ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->step_s, ECSI_RUN_S_MIN), ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->frame_s, ECSI_RUN_S_MIN), ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->dt_max_s, 0.0), ECS_INVALID);
    ECSI_REQUIRE(ecsi_run_time_is_good(d->late_s, 0.0), ECS_INVALID);
    if (d->clock != NULL) {
        ECSI_REQUIRE(d->clock->now_ns != NULL, ECS_INVALID);
        ECSI_REQUIRE(d->clock->sleep_until_ns != NULL, ECS_INVALID);
        run->clock = *d->clock;
    }
    if (d->step_s == 0.0) d->step_s = ECSI_RUN_STEP_S;
    if (d->frame_s == 0.0) d->frame_s = d->step_s;
    if (d->dt_max_s == 0.0) d->dt_max_s = ECSI_RUN_DT_MAX_S;
    if (d->late_s == 0.0) d->late_s = d->mode == ECS_RUN_FREE ? d->frame_s : d->step_s;
    d->steps_max = ecsi_default_u32(d->steps_max, ECSI_RUN_STEPS_MAX);
    run->step_ns = ecsi_run_ns(d->step_s);
    run->frame_ns = ecsi_run_ns(d->frame_s);
    run->dt_max_ns = ecsi_run_ns(d->dt_max_s);
    run->late_ns = ecsi_run_ns(d->late_s);
    run->tick_dt = (float)d->step_s;
    run->own_clock = d->clock == NULL;
    /* The first frame and the first tick are due now. */
    run->owed_ns = run->step_ns;
    run->frame_owed_ns = run->frame_ns;
    run->margin_ns = run->own_clock ? ECSI_RUN_MARGIN_NS : 0;
    return ECS_OK;
}

ECS_API ecs_status ecs_run(ecs_world *world, const ecs_run_desc *desc, ecs_run_report *report)
{
    ecs_run_report unread;
    ecsi_runner run;
    ECSI_REQUIRE(world != NULL || (desc != NULL && desc->tick != NULL), ECS_INVALID);
    memset(&run, 0, sizeof run);
    run.world = world;
    run.report = report != NULL ? report : &unread;
    if (desc != NULL) run.desc = *desc;
    memset(run.report, 0, sizeof *run.report);
    run.report->status = ecsi_run_resolve(&run);
    if (run.report->status != ECS_OK) return run.report->status;
    if (world != NULL &&
        (world->locks != 0 || world->schedule.ticking || world->schedule.ending ||
         world->flush.running)) {
        run.report->status = ECS_LOCKED;
        return ECS_LOCKED;
    }
    if (run.desc.mode != ECS_RUN_UNTIMED) run.now_ns = ecsi_run_look(&run);
    if (run.own_clock) run.sleeper = ecsi_sleeper_open();
    while (ecsi_run_frame(&run)) ECSI_CHECK(run.report->end == ECS_RUN_GOES_ON);
    if (run.own_clock) ecsi_sleeper_close(run.sleeper);
    ECSI_CHECK(run.report->end != ECS_RUN_GOES_ON);
    return run.report->status;
}

#endif /* ECS_NO_RUN */

#endif /* ECS_RUNNER_H */
