/* runner.c: the main loop on a scripted clock: rates, catching up, alpha, the ends of a run, bad
 * input and bad clocks; and a few runs on the machine's own clock: stopping from threads and
 * signal handlers, and sleeping instead of spinning.
 * also: c++ */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
static void assert_failed(void);
#define ECS_ASSERT(c) ((c) ? (void)0 : assert_failed())
#define ECS_IMPLEMENTATION
#include "../test.h"

#include <math.h>
#include <time.h>
#ifndef _WIN32
#include <sys/time.h>
#endif

#define STEP_S 0.015625 /* 1/64: exact in binary, and in nanoseconds */
#define STEP_NS 15625000u
#define START_NS 1000000000u
#define HOUR_NS 3600000000000u

enum { LOG_MAX = 512 };

/* ---- helpers ----------------------------------------------------------------------------- */

/* Asserts that a case expects are counted; others end it. */
static struct {
    bool expected;
    uint32_t count;
} asserts;

static void assert_failed(void)
{
    if (!asserts.expected) abort();
    asserts.count++;
}

typedef struct { float sum; uint32_t ticks; } Count;
ECS_COMPONENT(Count, sum, ticks);

/* A clock that moves only when it is told to, and what happened by it. */
typedef struct {
    uint64_t now;
    uint64_t oversleep_ns;  /* each sleep is so much too long */
    uint64_t nap_max_ns;    /* 0: none; a sleep ends early after that */
    uint64_t tick_cost_ns;  /* of each tick */
    uint32_t slow_tick;     /* number of one that costs more */
    uint64_t slow_cost_ns;
    uint64_t frame_cost_ns; /* of each frame_end */
    uint64_t look_cost_ns;  /* of each look at the clock */
    uint32_t looks;
    uint32_t sleeps;
    uint64_t longest_ns;    /* sleep that was asked for */
    uint32_t ticks;
    uint64_t tick_at[LOG_MAX];
    float tick_dt[LOG_MAX];
    uint32_t frames;
    uint32_t begins;
    uint32_t steps[LOG_MAX];
    float alpha[LOG_MAX];
    float frame_dt[LOG_MAX];
    uint32_t end_after_begins; /* 0: never */
    uint32_t end_after_frames;
    uint32_t end_at_tick;
    uint32_t fail_every; /* 0: never */
    uint32_t stop_at_tick;
    ecs_run_flag flag;
} script_state;

static script_state script;

static uint64_t script_now(void *user)
{
    script_state *s = (script_state *)user;
    s->looks++;
    s->now += s->look_cost_ns;
    return s->now;
}

static void script_sleep(uint64_t until_ns, void *user)
{
    script_state *s = (script_state *)user;
    uint64_t left = until_ns - s->now;
    REQUIRE(until_ns > s->now); /* never asked to sleep until what has passed */
    if (left > s->longest_ns) s->longest_ns = left;
    if (s->nap_max_ns != 0 && left > s->nap_max_ns) left = s->nap_max_ns;
    s->now += left + s->oversleep_ns;
    s->sleeps++;
    REQUIRE(s->sleeps < 1000000);
}

static const ecs_run_clock script_clock = {script_now, script_sleep, &script};

static ecs_status work_run(const ecs_view *view)
{
    script_state *s = (script_state *)view->user;
    uint32_t n = s->ticks++;
    if (n < LOG_MAX) {
        s->tick_at[n] = s->now;
        s->tick_dt[n] = view->dt;
    }
    s->now += n + 1 == s->slow_tick ? s->slow_cost_ns : s->tick_cost_ns;
    if (n + 1 == s->stop_at_tick) ecs_run_stop(&s->flag);
    if (s->fail_every != 0 && (n + 1) % s->fail_every == 0) return ECS_FAILED;
    return ECS_OK;
}

ECS_SYSTEM(add_up, WRITE(Count))
{
    Count *c = ecs_write(view, Count);
    for (uint32_t i = 0; i < view->count; i++) {
        c[i].sum += view->dt * (float)(view->tick % 7u);
        c[i].ticks++;
    }
    return ECS_OK;
}

static ecs_world *world_make(void)
{
    static const ecs_system work = {"work", NULL, 0, work_run, NULL};
    ecs_system_desc desc;
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    memset(&desc, 0, sizeof desc);
    desc.system = &work;
    desc.user = &script;
    desc.main_thread = true;
    REQUIRE_STATUS(ecs_system_add_desc(world, &desc), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(world, &add_up, ECS_UPDATE), ECS_OK);
    REQUIRE(!ecs_is_null(ecs_spawn_with(world, (Count))));
    memset(&script, 0, sizeof script);
    script.now = START_NS;
    return world;
}

static bool on_begin(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    script_state *s = (script_state *)user;
    REQUIRE(world != NULL);
    REQUIRE(frame->report != NULL);
    CHECK_EQ_U64(frame->number, s->frames);
    CHECK_EQ_U64(frame->report->frames, s->frames);
    s->begins++;
    return s->begins != s->end_after_begins;
}

static bool on_tick(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    script_state *s = (script_state *)user;
    CHECK_EQ_U64(ecs_world_tick(world), s->ticks);
    CHECK_EQ_U64(frame->report->ticks, s->ticks);
    return s->end_at_tick == 0 || s->ticks + 1 != s->end_at_tick;
}

static bool on_end(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    script_state *s = (script_state *)user;
    REQUIRE(world != NULL);
    if (s->frames < LOG_MAX) {
        s->steps[s->frames] = frame->steps;
        s->alpha[s->frames] = frame->alpha;
        s->frame_dt[s->frames] = frame->dt;
    }
    s->frames++;
    s->now += s->frame_cost_ns;
    return s->frames != s->end_after_frames;
}

static ecs_run_desc desc_of(uint64_t ticks_max)
{
    ecs_run_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.step_s = STEP_S;
    desc.ticks_max = ticks_max;
    desc.frame_begin = on_begin;
    desc.tick_begin = on_tick;
    desc.frame_end = on_end;
    desc.user = &script;
    desc.stop = &script.flag;
    desc.clock = &script_clock;
    return desc;
}

/* Runs and takes the report; the frames were called in pairs. */
static ecs_run_report go(ecs_world *world, const ecs_run_desc *desc)
{
    ecs_run_report report;
    memset(&report, 0xa5, sizeof report);
    ecs_status status = ecs_run(world, desc, &report);
    CHECK_STATUS(report.status, status);
    CHECK(report.end != ECS_RUN_GOES_ON);
    CHECK_EQ_U64(report.ticks, script.ticks);
    CHECK_EQ_U64(report.frames, script.frames);
    CHECK_EQ_U64(script.begins - script.frames, report.end == ECS_RUN_CALLBACK &&
                                                    script.begins == script.end_after_begins);
    return report;
}

/* ---- fixed steps ------------------------------------------------------------------------- */

TEST(runner_fixed_ticks_at_each_deadline)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(100);
    ecs_run_report report = go(world, &desc);
    CHECK_STATUS(report.status, ECS_OK);
    CHECK_EQ_U64(report.end, ECS_RUN_TICKS);
    CHECK_EQ_U64(report.ticks, 100);
    CHECK_EQ_U64(report.frames, 100);
    CHECK_EQ_U64(script.sleeps, 99); /* the first is due at once */
    for (uint32_t i = 0; i < 100; i++) {
        CHECK_EQ_U64(script.tick_at[i], START_NS + (uint64_t)i * STEP_NS);
        CHECK(script.tick_dt[i] == (float)STEP_S);
        CHECK_EQ_U64(script.steps[i], 1);
        CHECK(script.alpha[i] == 0.0f);
        CHECK(script.frame_dt[i] == (i == 0 ? 0.0f : (float)STEP_S));
    }
    CHECK_EQ_U64(report.ticks_late, 0);
    CHECK_EQ_U64(report.ticks_dropped, 0);
    CHECK_EQ_U64(report.late_max_ns, 0);
    CHECK_EQ_U64(report.clock_back, 0);
    ecs_world_destroy(world);
}

TEST(runner_sleeps_too_long_do_not_drift)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(200);
    script.oversleep_ns = 300000;
    script.tick_cost_ns = 700000;
    ecs_run_report report = go(world, &desc);
    for (uint32_t i = 1; i < 200; i++) {
        CHECK_EQ_U64(script.tick_at[i], START_NS + (uint64_t)i * STEP_NS + 300000u);
    }
    CHECK_EQ_U64(report.ticks_late, 0); /* less than a step */
    CHECK_EQ_U64(report.late_max_ns, 300000);
    ecs_world_destroy(world);
}

TEST(runner_sleeps_that_end_early_are_slept_again)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(5);
    script.nap_max_ns = 1000000;
    (void)go(world, &desc);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_EQ_U64(script.tick_at[i], START_NS + (uint64_t)i * STEP_NS);
    }
    CHECK_EQ_U64(script.sleeps, 4 * 16);
    ecs_world_destroy(world);
}

TEST(runner_after_a_delay_catches_up)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(8);
    script.slow_tick = 2;
    script.slow_cost_ns = 3 * STEP_NS + STEP_NS / 2;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(script.steps[0], 1);
    CHECK_EQ_U64(script.steps[1], 1);
    CHECK_EQ_U64(script.steps[2], 3); /* three and a half steps have passed */
    CHECK(script.alpha[2] == 0.5f);
    CHECK_EQ_U64(script.steps[3], 1); /* and it is back on its grid */
    CHECK_EQ_U64(script.tick_at[5], START_NS + (uint64_t)5 * STEP_NS);
    CHECK_EQ_U64(report.ticks_late, 2); /* by 2.5 and 1.5 steps; the third by less than one */
    CHECK_EQ_U64(report.late_max_ns, 2 * STEP_NS + STEP_NS / 2);
    CHECK_EQ_U64(report.ticks_dropped, 0);
    ecs_world_destroy(world);
}

TEST(runner_beyond_steps_max_drops_and_counts)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(8);
    script.slow_tick = 1;
    script.slow_cost_ns = 10 * (uint64_t)STEP_NS + STEP_NS / 4;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(script.steps[1], 4); /* the default */
    CHECK(script.alpha[1] == 0.25f);
    CHECK_EQ_U64(report.ticks_dropped, 6);
    CHECK_EQ_U64(report.dropped_ns, 6 * (uint64_t)STEP_NS);
    CHECK_EQ_U64(report.late_max_ns, 9 * (uint64_t)STEP_NS + STEP_NS / 4);
    CHECK_EQ_U64(script.steps[2], 1);
    CHECK_EQ_U64(script.tick_at[5], START_NS + 11 * (uint64_t)STEP_NS); /* the same grid */
    ecs_world_destroy(world);
}

TEST(runner_ticks_that_take_too_long_do_not_spiral)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(300);
    desc.steps_max = 2;
    script.tick_cost_ns = 3 * (uint64_t)STEP_NS;
    ecs_run_report report = go(world, &desc);
    for (uint32_t i = 1; i < script.frames; i++) CHECK_EQ_U64(script.steps[i], 2);
    CHECK_EQ_U64(script.sleeps, 0);
    /* All time is accounted for: run, dropped, or the cost of the last frame. */
    CHECK(report.ticks + report.ticks_dropped + 2 * 3 + 1 >= (script.now - START_NS) / STEP_NS);
    CHECK(report.late_max_ns <= 2 * 3 * (uint64_t)STEP_NS);
    ecs_world_destroy(world);
}

TEST(runner_late_s_says_what_is_late)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(20);
    desc.late_s = 0.0001;
    script.oversleep_ns = 300000;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.ticks_late, 19);
    ecs_world_destroy(world);
}

/* ---- frames ------------------------------------------------------------------------------ */

TEST(runner_frames_between_steps_have_alpha)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    desc.frame_s = STEP_S / 4;
    script.end_after_frames = 41;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_CALLBACK);
    CHECK_EQ_U64(report.ticks, 11);
    for (uint32_t i = 0; i < 41; i++) {
        CHECK_EQ_U64(script.steps[i], i % 4 == 0 ? 1 : 0);
        CHECK(script.alpha[i] == (float)(i % 4) * 0.25f);
    }
    CHECK_EQ_U64(script.now, START_NS + 10 * (uint64_t)STEP_NS);
    ecs_world_destroy(world);
}

TEST(runner_frames_longer_than_steps_run_several)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    desc.frame_s = STEP_S * 2.5;
    script.end_after_frames = 9;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.ticks, 1 + 20);
    CHECK_EQ_U64(report.ticks_dropped, 0);
    CHECK(script.alpha[1] == 0.5f);
    CHECK(script.alpha[2] == 0.0f);
    ecs_world_destroy(world);
}

TEST(runner_frames_that_were_missed_are_not_made_up_for)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    desc.frame_s = STEP_S / 4;
    script.frame_cost_ns = STEP_NS / 4 * 10 + 1000;
    script.end_after_frames = 6;
    (void)go(world, &desc);
    for (uint32_t i = 1; i < 6; i++) CHECK(script.steps[i] == 2 || script.steps[i] == 3);
    CHECK_EQ_U64(script.sleeps, 0); /* each is due again when it has ended */
    ecs_world_destroy(world);
}

TEST(runner_unpaced_never_sleeps)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    desc.unpaced = true;
    script.frame_cost_ns = STEP_NS / 8; /* the callback waits for its screen */
    script.end_after_frames = 81;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(script.sleeps, 0);
    CHECK_EQ_U64(report.ticks, 11);
    CHECK(script.alpha[3] == 0.375f);
    CHECK_EQ_U64(report.ticks_late, 0);
    ecs_world_destroy(world);
}

/* ---- other modes ------------------------------------------------------------------------- */

TEST(runner_free_takes_the_time_that_passed)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(6);
    desc.mode = ECS_RUN_FREE;
    desc.dt_max_s = 0.5;
    script.slow_tick = 3;
    script.slow_cost_ns = 2000000000u;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.frames, 6);
    CHECK(script.tick_dt[0] == 0.0f);
    CHECK(script.tick_dt[1] == (float)STEP_S); /* at most that rate */
    CHECK(script.tick_dt[2] == (float)STEP_S);
    CHECK(script.tick_dt[3] == 0.5f); /* two seconds, cut off */
    CHECK(script.tick_dt[4] <= (float)STEP_S);
    CHECK_EQ_U64(report.dropped_ns, 1500000000u);
    CHECK_EQ_U64(report.ticks_dropped, 0);
    CHECK_EQ_U64(report.ticks_late, 1);
    CHECK_EQ_U64(report.late_max_ns, 2000000000u - STEP_NS);
    for (uint32_t i = 0; i < 6; i++) CHECK(script.alpha[i] == 1.0f && script.steps[i] == 1);
    ecs_world_destroy(world);
}

TEST(runner_free_unpaced_takes_what_a_frame_takes)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(5);
    desc.mode = ECS_RUN_FREE;
    desc.unpaced = true;
    script.frame_cost_ns = 4000000;
    ecs_run_report report = go(world, &desc);
    CHECK(script.tick_dt[0] == 0.0f);
    for (uint32_t i = 1; i < 5; i++) CHECK(script.tick_dt[i] == 0.004f);
    CHECK_EQ_U64(script.sleeps, 0);
    CHECK_EQ_U64(report.late_max_ns, 0);
    ecs_world_destroy(world);
}

TEST(runner_untimed_never_looks_at_a_clock)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(300);
    desc.mode = ECS_RUN_UNTIMED;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.ticks, 300);
    CHECK_EQ_U64(report.frames, 300);
    CHECK_EQ_U64(script.looks, 0);
    CHECK_EQ_U64(script.sleeps, 0);
    CHECK(script.alpha[7] == 1.0f);
    CHECK(script.tick_dt[299] == (float)STEP_S);
    CHECK(script.frame_dt[0] == 0.0f);
    CHECK(script.frame_dt[1] == (float)STEP_S);
    ecs_world_destroy(world);
}

TEST(runner_any_way_of_running_gives_the_hash_of_plain_ticks)
{
    ecs_world *world = world_make();
    uint64_t want;
    for (uint32_t i = 0; i < 60; i++) CHECK_STATUS(ecs_tick(world, (float)STEP_S), ECS_OK);
    want = ecs_world_hash(world);
    ecs_world_destroy(world);
    for (int way = 0; way < 3; way++) {
        ecs_run_desc desc = desc_of(60);
        world = world_make();
        if (way == 0) desc.mode = ECS_RUN_UNTIMED;
        if (way == 1) script.tick_cost_ns = 2 * (uint64_t)STEP_NS;
        if (way == 2) script.oversleep_ns = STEP_NS;
        (void)go(world, &desc);
        CHECK_EQ_U64(ecs_world_hash(world), want);
        ecs_world_destroy(world);
    }
}

/* ---- the ends of a run ------------------------------------------------------------------- */

TEST(runner_callbacks_that_answer_false_end_it)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    script.end_after_begins = 4;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_CALLBACK);
    CHECK_STATUS(report.status, ECS_OK);
    CHECK_EQ_U64(report.ticks, 3);
    ecs_world_destroy(world);

    world = world_make();
    script.end_at_tick = 4;
    report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_CALLBACK);
    CHECK_EQ_U64(report.ticks, 3);
    CHECK_EQ_U64(report.frames, 4); /* its frame ended as it should */
    ecs_world_destroy(world);

    world = world_make();
    script.end_after_frames = 4;
    report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_CALLBACK);
    CHECK_EQ_U64(report.ticks, 4);
    ecs_world_destroy(world);
}

TEST(runner_ticks_max_cuts_a_frame_short)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(3);
    script.slow_tick = 1;
    script.slow_cost_ns = 4 * (uint64_t)STEP_NS;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.ticks, 3);
    CHECK_EQ_U64(report.frames, 2);
    ecs_world_destroy(world);
}

TEST(runner_failed_tick_ends_it)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    script.fail_every = 5;
    ecs_run_report report = go(world, &desc);
    CHECK_STATUS(report.status, ECS_FAILED);
    CHECK_STATUS(report.tick_status, ECS_FAILED);
    CHECK_EQ_U64(report.end, ECS_RUN_TICK_FAILED);
    CHECK_EQ_U64(report.ticks, 5);
    CHECK_EQ_U64(report.ticks_failed, 1);
    ecs_world_destroy(world);
}

TEST(runner_go_on_counts_failed_ticks)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(23);
    desc.go_on = true;
    script.fail_every = 5;
    ecs_run_report report = go(world, &desc);
    CHECK_STATUS(report.status, ECS_OK);
    CHECK_STATUS(report.tick_status, ECS_FAILED);
    CHECK_EQ_U64(report.end, ECS_RUN_TICKS);
    CHECK_EQ_U64(report.ticks, 23);
    CHECK_EQ_U64(report.ticks_failed, 4);
    ecs_world_destroy(world);
}

TEST(runner_failure_in_the_last_tick_is_a_failure)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(5);
    script.fail_every = 5;
    ecs_run_report report = go(world, &desc);
    CHECK_STATUS(report.status, ECS_FAILED);
    CHECK_EQ_U64(report.end, ECS_RUN_TICK_FAILED); /* the first reason counts */
    ecs_world_destroy(world);
}

TEST(runner_flag_that_is_set_runs_nothing)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    CHECK(!ecs_run_stopped(&script.flag));
    ecs_run_stop(&script.flag);
    ecs_run_stop(&script.flag);
    CHECK(ecs_run_stopped(&script.flag));
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_STOPPED);
    CHECK_EQ_U64(report.ticks, 0);
    CHECK_EQ_U64(report.frames, 0);
    desc.mode = ECS_RUN_UNTIMED;
    report = go(world, &desc);
    CHECK_EQ_U64(report.ticks, 0);
    ecs_world_destroy(world);
}

TEST(runner_stop_from_a_system_ends_before_the_next_tick)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    script.slow_tick = 1;
    script.slow_cost_ns = 4 * (uint64_t)STEP_NS;
    script.stop_at_tick = 3; /* the second of four in this frame */
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_STOPPED);
    CHECK_STATUS(report.status, ECS_OK);
    CHECK_EQ_U64(report.ticks, 3);
    CHECK_EQ_U64(script.steps[1], 4);
    ecs_world_destroy(world);
}

static void sleep_and_stop(uint64_t until_ns, void *user)
{
    script_sleep(until_ns, user);
    if (script.sleeps == 3) ecs_run_stop(&script.flag);
}

TEST(runner_stop_while_it_sleeps_is_seen_soon)
{
    static const ecs_run_clock clock = {script_now, sleep_and_stop, &script};
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    desc.clock = &clock;
    desc.step_s = 3600;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.ticks, 1);
    CHECK_EQ_U64(script.sleeps, 3);
    CHECK(script.longest_ns <= 50000000u);
    ecs_world_destroy(world);
}

/* ---- clocks that misbehave --------------------------------------------------------------- */

static uint64_t jump_now(void *user)
{
    script_state *s = (script_state *)user;
    s->looks++;
    if (s->looks == 10) s->now -= 500000000u;
    if (s->looks == 21) s->now -= START_NS / 4;
    return s->now;
}

TEST(runner_clock_that_goes_back_is_no_time)
{
    static const ecs_run_clock clock = {jump_now, script_sleep, &script};
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(100);
    desc.clock = &clock;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.clock_back, 2);
    CHECK_EQ_U64(report.ticks_dropped, 0);
    CHECK_EQ_U64(report.ticks, 100);
    CHECK_EQ_U64(script.sleeps, 99 + 2); /* the two that seemed to take no time, again */
    for (uint32_t i = 0; i < script.frames; i++) CHECK_EQ_U64(script.steps[i], 1);
    ecs_world_destroy(world);
}

TEST(runner_machine_that_slept_for_hours_drops_them)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(50);
    script.slow_tick = 10;
    script.slow_cost_ns = 5 * HOUR_NS;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(script.steps[10], 4);
    CHECK_EQ_U64(report.ticks_dropped, 5 * HOUR_NS / STEP_NS - 4);
    CHECK_EQ_U64(report.dropped_ns, report.ticks_dropped * STEP_NS);
    CHECK(script.frame_dt[10] == 0.25f);
    for (uint32_t i = 11; i < script.frames; i++) CHECK_EQ_U64(script.steps[i], 1);
    ecs_world_destroy(world);
}

static uint64_t wild_now(void *user)
{
    script_state *s = (script_state *)user;
    static const uint64_t at[] = {0, UINT64_MAX, 1, UINT64_MAX - 1, UINT64_MAX / 2, 0,
                                  UINT64_MAX / 4 * 3};
    return at[s->looks++ % 7u];
}

static void wild_sleep(uint64_t until_ns, void *user)
{
    (void)until_ns;
    (void)user;
}

TEST(runner_clock_without_sense_does_no_harm)
{
    static const ecs_run_clock clock = {wild_now, wild_sleep, &script};
    for (int mode = ECS_RUN_FIXED; mode <= ECS_RUN_FREE; mode++) {
        ecs_world *world = world_make();
        ecs_run_desc desc = desc_of(200);
        desc.clock = &clock;
        desc.mode = (ecs_run_mode)mode;
        ecs_run_report report = go(world, &desc);
        CHECK_EQ_U64(report.ticks, 200);
        CHECK(report.clock_back > 0);
        for (uint32_t i = 0; i < script.frames; i++) {
            CHECK(script.steps[i] <= 4);
            CHECK(script.alpha[i] >= 0.0f && script.alpha[i] <= 1.0f);
        }
        ecs_world_destroy(world);
    }
}

static void last_sleep(uint64_t until_ns, void *user)
{
    script_state *s = (script_state *)user;
    CHECK_EQ_U64(until_ns, UINT64_MAX);
    s->now = until_ns;
    s->sleeps++;
    ecs_run_stop(&s->flag);
}

TEST(runner_clock_at_its_end_does_not_wrap)
{
    static const ecs_run_clock clock = {script_now, last_sleep, &script};
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(0);
    desc.clock = &clock;
    script.now = UINT64_MAX - STEP_NS / 2;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.end, ECS_RUN_STOPPED);
    CHECK_EQ_U64(report.ticks, 1);
    CHECK_EQ_U64(script.sleeps, 1);
    CHECK_EQ_U64(report.clock_back, 0);
    ecs_world_destroy(world);
}

/* ---- bad input --------------------------------------------------------------------------- */

static void refused(ecs_world *world, const ecs_run_desc *desc)
{
    ecs_run_report report;
    asserts.expected = true;
    asserts.count = 0;
    CHECK_STATUS(ecs_run(world, desc, &report), ECS_INVALID);
    asserts.expected = false;
    CHECK_EQ_U64(asserts.count, 1);
    if (world != NULL) {
        CHECK_STATUS(report.status, ECS_INVALID);
        CHECK_EQ_U64(report.end, ECS_RUN_GOES_ON);
    }
    CHECK_EQ_U64(script.ticks + script.frames + script.looks, 0);
}

TEST(runner_bad_times_are_refused)
{
    static const double bad[] = {-1.0, -1e-300, (double)NAN, (double)INFINITY,
                                 -(double)INFINITY, 3601.0, 1e300};
    ecs_world *world = world_make();
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ecs_run_desc desc = desc_of(1);
        desc.step_s = bad[i];
        refused(world, &desc);
        desc = desc_of(1);
        desc.frame_s = bad[i];
        refused(world, &desc);
        desc = desc_of(1);
        desc.dt_max_s = bad[i];
        refused(world, &desc);
        desc = desc_of(1);
        desc.late_s = bad[i];
        refused(world, &desc);
    }
    ecs_run_desc desc = desc_of(1);
    desc.step_s = 9e-7;
    refused(world, &desc);
    desc = desc_of(1);
    desc.frame_s = 1e-300;
    refused(world, &desc);
    ecs_world_destroy(world);
}

TEST(runner_bad_descriptions_are_refused)
{
    static const ecs_run_clock no_sleep = {script_now, NULL, NULL};
    static const ecs_run_clock no_clock = {NULL, script_sleep, NULL};
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(1);
    refused(NULL, &desc);
    desc.clock = &no_sleep;
    refused(world, &desc);
    desc.clock = &no_clock;
    refused(world, &desc);
    desc = desc_of(1);
    memset(&desc.mode, 0x7f, sizeof desc.mode);
    refused(world, &desc);
    asserts.expected = true;
    ecs_run_stop(NULL);
    CHECK(!ecs_run_stopped(NULL));
    asserts.expected = false;
    CHECK_EQ_U64(asserts.count, 3);
    ecs_world_destroy(world);
}

TEST(runner_zero_is_sixty_hertz)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(4);
    desc.step_s = 0;
    ecs_run_report report = go(world, &desc);
    CHECK_EQ_U64(report.ticks, 4);
    CHECK_EQ_U64(script.tick_at[3], START_NS + 3 * (uint64_t)16666667u);
    CHECK(script.tick_dt[3] == 1 / 60.0f);
    ecs_world_destroy(world);
}

TEST(runner_without_a_description_has_defaults)
{
    ecs_world *world = world_make();
    script.fail_every = 2;
    CHECK_STATUS(ecs_run(world, NULL, NULL), ECS_FAILED);
    CHECK_EQ_U64(script.ticks, 2);
    ecs_world_destroy(world);
}

TEST(runner_extreme_rates_run)
{
    static const double steps[] = {1e-6, 3600.0};
    for (uint32_t i = 0; i < 2; i++) {
        ecs_world *world = world_make();
        ecs_run_desc desc = desc_of(10);
        desc.step_s = steps[i];
        desc.steps_max = UINT32_MAX;
        ecs_run_report report = go(world, &desc);
        CHECK_EQ_U64(report.ticks, 10);
        CHECK_EQ_U64(script.now, START_NS + (uint64_t)(9 * steps[i] * 1e9 + 0.5));
        ecs_world_destroy(world);
    }
}

/* ---- runs inside of other things --------------------------------------------------------- */

static ecs_status nested[3];

ECS_EXCLUSIVE(run_inside)
{
    ecs_run_desc desc = desc_of(1);
    ecs_run_report report;
    (void)view;
    nested[0] = ecs_run(world, &desc, &report);
    nested[1] = report.status;
    return ECS_OK;
}

static void run_in_hook(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    ecs_run_desc desc = desc_of(1);
    (void)entity;
    (void)value;
    (void)user;
    nested[2] = ecs_run(world, &desc, NULL);
}

ECS_QUERY(counts, READ(Count));

TEST(runner_inside_a_tick_hook_or_iteration_is_refused)
{
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(3);
    ecs_hooks hooks;
    REQUIRE_STATUS(ecs_system_add(world, &run_inside, ECS_UPDATE), ECS_OK);
    (void)go(world, &desc);
    CHECK_STATUS(nested[0], ECS_LOCKED);
    CHECK_STATUS(nested[1], ECS_LOCKED);
    ECS_EACH(world, counts, view) CHECK_STATUS(ecs_run(world, &desc, NULL), ECS_LOCKED);
    CHECK_EQ_U64(script.ticks, 3);
    ecs_world_destroy(world);

    world = ecs_world_create(NULL);
    memset(&hooks, 0, sizeof hooks);
    hooks.on_add = run_in_hook;
    ecs_component id;
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Count), &id), ECS_OK);
    REQUIRE_STATUS(ecs_component_hooks(world, id, &hooks), ECS_OK);
    CHECK(!ecs_is_null(ecs_spawn_with(world, (Count))));
    CHECK_STATUS(nested[2], ECS_LOCKED);
    ecs_world_destroy(world);
}

static bool run_other(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    ecs_run_desc desc;
    (void)world;
    memset(&desc, 0, sizeof desc);
    desc.mode = ECS_RUN_UNTIMED;
    desc.ticks_max = 7;
    if (frame->number == 1) CHECK_STATUS(ecs_run((ecs_world *)user, &desc, NULL), ECS_OK);
    return true;
}

TEST(runner_inside_a_callback_of_another_world_runs)
{
    ecs_world *other = ecs_world_create(NULL);
    ecs_world *world = world_make();
    ecs_run_desc desc = desc_of(3);
    desc.frame_begin = run_other;
    desc.tick_begin = NULL;
    desc.frame_end = NULL;
    desc.user = other;
    CHECK_STATUS(ecs_run(world, &desc, NULL), ECS_OK);
    CHECK_EQ_U64(ecs_world_tick(world), 3);
    CHECK_EQ_U64(ecs_world_tick(other), 7);
    ecs_world_destroy(world);
    ecs_world_destroy(other);
}

/* ---- ticks of one's own ------------------------------------------------------------------- */

static ecs_status tick_alone(ecs_world *world, float dt, void *user)
{
    script_state *s = (script_state *)user;
    CHECK(world == NULL);
    CHECK(dt == (float)STEP_S);
    s->now += s->tick_cost_ns;
    s->ticks++;
    return s->fail_every != 0 && s->ticks % s->fail_every == 0 ? ECS_CANCELLED : ECS_OK;
}

TEST(runner_tick_of_ones_own_needs_no_world)
{
    ecs_run_desc desc = desc_of(0);
    memset(&script, 0, sizeof script);
    desc.frame_begin = NULL;
    desc.tick_begin = NULL;
    desc.frame_end = NULL;
    desc.tick = tick_alone;
    script.fail_every = 12;
    ecs_run_report report;
    CHECK_STATUS(ecs_run(NULL, &desc, &report), ECS_CANCELLED);
    CHECK_EQ_U64(report.end, ECS_RUN_TICK_FAILED);
    CHECK_EQ_U64(report.ticks, 12);
    CHECK_EQ_U64(script.ticks, 12);
    CHECK_EQ_U64(script.now, 11 * (uint64_t)STEP_NS);
}

#ifndef ECS_NO_WORLDS
typedef struct {
    ecs_worlds *worlds;
    ecs_world *to;
    ecs_entity sent;
} journey;

static ecs_status tick_together(ecs_world *world, float dt, void *user)
{
    journey *j = (journey *)user;
    if (ecs_world_tick(world) == 2) {
        CHECK_STATUS(ecs_worlds_send(j->worlds, world, j->sent,
                                     ecs_worlds_number(j->worlds, j->to)), ECS_OK);
    }
    return ecs_worlds_tick(j->worlds, dt);
}

TEST(runner_ticks_worlds_together)
{
    ecs_world *from = ecs_world_create(NULL);
    journey j = {ecs_worlds_create(NULL), ecs_world_create(NULL), {0}};
    ecs_worlds_member_desc member;
    ecs_route_desc route;
    ecs_run_desc desc;
    REQUIRE_STATUS(ecs_system_add(from, &add_up, ECS_UPDATE), ECS_OK);
    REQUIRE_STATUS(ecs_system_add(j.to, &add_up, ECS_UPDATE), ECS_OK);
    j.sent = ecs_spawn_with(from, (Count));
    memset(&member, 0, sizeof member);
    member.name = "from";
    REQUIRE_STATUS(ecs_worlds_add(j.worlds, from, &member), ECS_OK);
    member.name = "to";
    REQUIRE_STATUS(ecs_worlds_add(j.worlds, j.to, &member), ECS_OK);
    memset(&route, 0, sizeof route);
    route.from = "from";
    route.to = "to";
    REQUIRE_STATUS(ecs_worlds_route(j.worlds, &route), ECS_OK);
    memset(&desc, 0, sizeof desc);
    desc.mode = ECS_RUN_UNTIMED;
    desc.tick = tick_together;
    desc.user = &j;
    desc.ticks_max = 7;
    CHECK_STATUS(ecs_run(from, &desc, NULL), ECS_OK);
    CHECK_EQ_U64(ecs_world_tick(from), 7);
    CHECK_EQ_U64(ecs_world_tick(j.to), 7);
    CHECK_EQ_U64(ecs_entity_count(from), 0);
    CHECK_EQ_U64(ecs_entity_count(j.to), 1);
    ECS_EACH_ROW(j.to, counts, view) {
        CHECK(ecs_read(view, Count)[view->row].ticks == 7); /* two there, five here */
    }
    CHECK_STATUS(ecs_worlds_destroy(j.worlds), ECS_OK);
    ecs_world_destroy(from);
    ecs_world_destroy(j.to);
}
#endif

/* ---- the machine's clock ----------------------------------------------------------------- */

TEST(runner_margin_rises_at_once_and_falls_slowly)
{
    ecs_run_report report;
    ecsi_runner run;
    memset(&run, 0, sizeof run);
    memset(&report, 0, sizeof report);
    run.own_clock = true;
    run.report = &report;
    ecsi_run_margin(&run, 30000);
    CHECK_EQ_U64(run.margin_ns, 30000);
    ecsi_run_margin(&run, 50000000); /* somebody took the processor: not the timer's fault */
    CHECK_EQ_U64(run.margin_ns, ECSI_RUN_MARGIN_NS);
    ecsi_run_margin(&run, 11000);
    CHECK(run.margin_ns > 60000 && run.margin_ns < ECSI_RUN_MARGIN_NS);
    for (int i = 0; i < 200; i++) ecsi_run_margin(&run, 11000);
    CHECK(run.margin_ns >= 11000 && run.margin_ns < 11020);
}

/* Time on the processor; clock() of Windows is that of the wall. */
static uint64_t cpu_ns(void)
{
#ifdef _WIN32
    FILETIME t[4];
    CHECK(GetProcessTimes(GetCurrentProcess(), &t[0], &t[1], &t[2], &t[3]));
    return 100u * ((((uint64_t)t[2].dwHighDateTime + t[3].dwHighDateTime) << 32) +
                   t[2].dwLowDateTime + t[3].dwLowDateTime);
#else
    return (uint64_t)((double)clock() * 1e9 / CLOCKS_PER_SEC);
#endif
}

/* Seven ticks of 1/60 s lie in 100 ms. The bounds hold on a busy machine: ticks may be late there,
 * but never early, and sleeping takes no processor time. */
TEST(runner_hundred_milliseconds_are_slept)
{
    ecs_world *world = world_make();
    ecs_run_desc desc;
    ecs_run_report report;
    uint64_t begin = ecsi_clock_ns();
    uint64_t used = cpu_ns();
    memset(&desc, 0, sizeof desc);
    desc.ticks_max = 7;
    CHECK_STATUS(ecs_run(world, &desc, &report), ECS_OK);
    used = cpu_ns() - used;
    begin = ecsi_clock_ns() - begin;
    CHECK_EQ_U64(report.ticks, 7);
    CHECK(begin + 1000 >= (6 - report.ticks_dropped) * (uint64_t)16666667u ||
          report.ticks_dropped > 6);
    if (TEST_SANITIZED == 0 && begin < 200000000u) CHECK(used < 50000000u);
    CHECK_EQ_U64(report.clock_back, 0);
    ecs_world_destroy(world);
}

/* No tick begins before its moment on the grid, whatever the sleeps before it did; and in the
 * quietest of a few runs the last one is not far behind it. */
TEST(runner_deadlines_hold_on_the_real_clock)
{
    uint64_t least = UINT64_MAX;
    for (int round = 0; round < 20 && least > 5000000u; round++) {
        ecs_world *world = world_make();
        ecs_run_desc desc;
        ecs_run_report report;
        memset(&desc, 0, sizeof desc);
        desc.step_s = 0.002;
        desc.ticks_max = 40;
        desc.steps_max = 1000;
        uint64_t begin = ecsi_clock_ns();
        CHECK_STATUS(ecs_run(world, &desc, &report), ECS_OK);
        uint64_t took = ecsi_clock_ns() - begin;
        CHECK_EQ_U64(report.ticks_dropped, 0);
        CHECK(took >= 39 * (uint64_t)2000000u);
        if (took - 39 * (uint64_t)2000000u < least) least = took - 39 * (uint64_t)2000000u;
        ecs_world_destroy(world);
    }
    CHECK(least <= 5000000u);
}

#ifndef _WIN32
static ecs_run_flag handler_flag;
static volatile sig_atomic_t handled;

static void stop_handler(int number)
{
    (void)number;
    handled++;
    ecs_run_stop(&handler_flag);
}

static bool raise_in_frame(ecs_world *world, const ecs_run_frame *frame, void *user)
{
    (void)world;
    (void)user;
    if (frame->number == 2) CHECK_EQ_I64(raise(SIGUSR1), 0);
    return true;
}

TEST(runner_stop_from_a_signal_handler_ends_it)
{
    ecs_world *world = world_make();
    ecs_run_desc desc;
    ecs_run_report report;
    signal(SIGUSR1, stop_handler);
    memset(&desc, 0, sizeof desc);
    desc.step_s = 0.001;
    desc.stop = &handler_flag;
    desc.frame_begin = raise_in_frame;
    CHECK_STATUS(ecs_run(world, &desc, &report), ECS_OK);
    CHECK_EQ_U64(report.end, ECS_RUN_STOPPED);
    CHECK_EQ_U64(report.frames, 3);
    CHECK_EQ_I64(handled, 1);
    ecs_world_destroy(world);
}

/* The signal comes while the runner sleeps, for an hour if nothing woke it. */
TEST(runner_stop_by_an_alarm_wakes_it)
{
    ecs_world *world = world_make();
    ecs_run_desc desc;
    ecs_run_report report;
    struct itimerval timer;
    signal(SIGALRM, stop_handler);
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_usec = 30000;
    memset(&desc, 0, sizeof desc);
    desc.step_s = 3600;
    desc.stop = &handler_flag;
    CHECK_EQ_I64(setitimer(ITIMER_REAL, &timer, NULL), 0);
    CHECK_STATUS(ecs_run(world, &desc, &report), ECS_OK);
    CHECK_EQ_U64(report.end, ECS_RUN_STOPPED);
    CHECK_EQ_U64(report.ticks, 1);
    CHECK_EQ_I64(handled, 1);
    ecs_world_destroy(world);
}

/* Signals that are none of its business wake it as well: it sleeps again. */
static void other_handler(int number)
{
    (void)number;
    handled++;
}

TEST(runner_other_signals_do_not_end_it)
{
    ecs_world *world = world_make();
    ecs_run_desc desc;
    ecs_run_report report;
    struct itimerval timer;
    uint64_t begin = ecsi_clock_ns();
    signal(SIGALRM, other_handler);
    memset(&timer, 0, sizeof timer);
    timer.it_value.tv_usec = 1000;
    timer.it_interval.tv_usec = 1000;
    memset(&desc, 0, sizeof desc);
    desc.step_s = 0.02;
    desc.steps_max = 1000;
    desc.ticks_max = 4;
    CHECK_EQ_I64(setitimer(ITIMER_REAL, &timer, NULL), 0);
    CHECK_STATUS(ecs_run(world, &desc, &report), ECS_OK);
    CHECK_EQ_U64(report.ticks, 4);
    CHECK(ecsi_clock_ns() - begin >= 60000000u);
    CHECK(handled > 0);
    memset(&timer, 0, sizeof timer);
    CHECK_EQ_I64(setitimer(ITIMER_REAL, &timer, NULL), 0);
    ecs_world_destroy(world);
}
#endif

#ifndef ECS_NO_THREADS
static uint32_t told; /* not atomic: the flag hands it over */

static ECSI_THREAD_ANSWER stop_thread(void *data)
{
    ecsi_sleeper sleeper = ecsi_sleeper_open();
    ecsi_sleep_until(sleeper, ecsi_clock_ns() + 20000000u);
    ecsi_sleeper_close(sleeper);
    told = 7;
    ecs_run_stop((ecs_run_flag *)data);
    return 0;
}

TEST(runner_stop_from_a_thread_ends_it)
{
    ecs_world *world = world_make();
    ecs_run_flag flag = {{0}};
    ecs_run_desc desc;
    ecs_run_report report;
    ecsi_thread thread;
    memset(&desc, 0, sizeof desc);
    desc.step_s = 3600;
    desc.stop = &flag;
    REQUIRE(ecsi_thread_start(&thread, stop_thread, &flag));
    CHECK_STATUS(ecs_run(world, &desc, &report), ECS_OK);
    CHECK_EQ_U64(report.end, ECS_RUN_STOPPED);
    CHECK_EQ_U64(told, 7);
    ecsi_thread_join(thread);
    ecs_world_destroy(world);
}
#endif
