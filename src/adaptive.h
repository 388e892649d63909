/* adaptive.h: chooses how the next tick runs, from what the last ones took. Numbers in, a choice
 * out: no clock and no world, so that tests script it. gauge.h measures.
 *
 * Two questions are answered between two ticks, each with a threshold to begin and a lower one
 * to end (hysteresis), and no answer changes twice within the cooldown:
 *
 *   batching  does I/O go in batches?           when many requests are pending
 *   sharing   do segments go to all workers?    when there is work, and it could be spread
 *
 * Batching is shown as ECS_BACKEND_BATCHED_IO, else sharing as work stealing, else blocking. A
 * window of ticks stands behind all figures. It holds whole numbers: sums that take an entry out
 * as they took it in never drift. */
/* floor: 11 */
#ifndef ECS_ADAPTIVE_H
#define ECS_ADAPTIVE_H

#include "base.h"

#ifndef ECS_NO_ADAPTIVE

/* The thresholds of the design, section 5: a batch of requests, and almost a third of the
 * busiest worker's time. */
#define ECSI_ADAPTIVE_IO 64u
#define ECSI_ADAPTIVE_IMBALANCE 0.3
/* What waking a worker is worth: ECSI_SHARE_ASLEEP_NS, decision 0017. */
#define ECSI_ADAPTIVE_LIGHT_NS 50000u
/* The noise of a mean over 100 ticks is a tenth of one tick's: with 5 % that is 0.5 %. A quarter
 * is far beyond what noise can cross, and far below what a load that changes does. */
#define ECSI_ADAPTIVE_HYSTERESIS 0.25
/* Of the design: what fits the fixed window, and how often a choice may change. */
#define ECSI_WINDOW_MAX 100u
#define ECSI_ADAPTIVE_COOLDOWN 10u
/* Switches that are kept for who asks. */
#define ECSI_DECISIONS_MAX 16u
/* Ticks between two that are measured because the load has changed. */
#define ECSI_LOOK_TICKS 4u
/* Larger figures count as these: a thousand seconds, 16 million requests. Sums of squares over a
 * window fit 64 bits then. */
#define ECSI_FIGURE_NS_MAX ((uint64_t)1000 * 1000 * 1000 * 1000)
#define ECSI_FIGURE_IO_MAX ((uint32_t)1 << 24)
/* Newton steps of a square root. */
#define ECSI_ROOT_STEPS 40u

typedef enum ecsi_why {
    ECSI_WHY_IO_MANY,
    ECSI_WHY_IO_FEW,
    ECSI_WHY_IMBALANCE,
    ECSI_WHY_LIGHT,
    ECSI_WHY_ALONE
} ecsi_why;

/* What one tick took. */
typedef struct ecsi_sample {
    double cost_ns;    /* work of all workers together */
    double top_ns;     /* of it: of the busiest worker... */
    double mean_ns;    /* ...and what each would have if it were spread evenly */
    uint32_t declared; /* I/O requests that systems say they make */
    uint32_t measured; /* that are queued; ECS_IO_UNKNOWN: not known */
    bool shared;       /* some segment went to all workers */
} ecsi_sample;

/* The same in the window. */
typedef struct ecsi_entry {
    uint64_t cost_ns;
    uint64_t top_ns;
    uint64_t gap_ns;
    uint32_t io;
    bool measured;
    bool shared;
} ecsi_entry;

/* What the window says. */
typedef struct ecsi_figures {
    double cost_ns;    /* of a tick */
    double imbalance;  /* 0: all had the same to do; near 1: one did everything */
    double io_pending;
    double io_weight;  /* of what was declared */
    uint32_t ticks;    /* in the window... */
    uint32_t shared;   /* ...and of these that were shared */
} ecsi_figures;

typedef struct ecsi_choice {
    bool sharing;
    bool batching;
} ecsi_choice;

typedef struct ecsi_decision {
    uint64_t tick; /* after it */
    ecsi_choice from;
    ecsi_choice to;
    ecsi_why why;
    ecsi_figures figures;
} ecsi_decision;

typedef struct ecsi_adaptive {
    ecs_adaptive_desc rules; /* with the defaults */
    uint32_t workers;
    ecsi_choice choice;
    uint32_t since;          /* ticks since the last switch */
    uint32_t next;           /* entry of the window that is written next */
    uint32_t count;          /* entries that are filled */
    uint64_t cost_ns;        /* sums over the window, and so on */
    uint64_t top_ns;
    uint64_t gap_ns;
    uint64_t io_measured;
    uint64_t io_declared;
    uint64_t io_squares;     /* of what was declared */
    uint32_t declared_count; /* ticks without a measured depth */
    uint32_t shared_count;
    uint64_t looked_ns;      /* cost of the tick that was measured last... */
    uint32_t looked_ago;     /* ...so many ticks ago */
    bool look;               /* the next tick should be measured: the load has changed */
    uint64_t last_ns;        /* cost of the last tick */
    uint32_t decision_count;
    ecsi_entry window[ECSI_WINDOW_MAX];
    ecsi_decision decisions[ECSI_DECISIONS_MAX];
} ecsi_adaptive;

/* ---- Thresholds ---------------------------------------- */

/* Fills in the defaults; false when a value makes no sense. */
static bool ecsi_adaptive_resolve(ecs_adaptive_desc *d, uint32_t share_ns)
{
    ECSI_CHECK(d != NULL);
    if (!(d->imbalance_min >= 0.0f && d->imbalance_min < 1.0f)) return false;
    if (!(d->hysteresis >= 0.0f && d->hysteresis < 1.0f)) return false;
    if (d->window_ticks > ECSI_WINDOW_MAX) return false;
    if (d->io_pending_min == 0) d->io_pending_min = ECSI_ADAPTIVE_IO;
    if (d->imbalance_min <= 0) d->imbalance_min = (float)ECSI_ADAPTIVE_IMBALANCE;
    if (d->light_ns == 0) d->light_ns = share_ns != 0 ? share_ns : ECSI_ADAPTIVE_LIGHT_NS;
    if (d->hysteresis <= 0) d->hysteresis = (float)ECSI_ADAPTIVE_HYSTERESIS;
    if (d->window_ticks == 0) d->window_ticks = ECSI_WINDOW_MAX;
    if (d->cooldown_ticks == 0) d->cooldown_ticks = ECSI_ADAPTIVE_COOLDOWN;
    ECSI_CHECK(d->window_ticks > 0 && d->light_ns > 0);
    return true;
}

/* The initial choice is blocking: nothing has been measured, and nothing is shared before. */
static void ecsi_adaptive_init(ecsi_adaptive *a, const ecs_adaptive_desc *rules, uint32_t workers)
{
    ECSI_CHECK(rules->window_ticks > 0 && rules->window_ticks <= ECSI_WINDOW_MAX);
    ECSI_CHECK(workers > 0);
    memset(a, 0, sizeof *a);
    a->rules = *rules;
    a->workers = workers;
}

static ecs_backend ecsi_choice_backend(ecsi_choice choice)
{
    if (choice.batching) return ECS_BACKEND_BATCHED_IO;
    return choice.sharing ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING;
}

/* ---- The window ---------------------------------------- */

/* A time that counts: no negative one, no NaN, none that is too large. */
static uint64_t ecsi_figure_ns(double ns)
{
    if (!(ns > 0)) return 0;
    return ns < (double)ECSI_FIGURE_NS_MAX ? (uint64_t)ns : ECSI_FIGURE_NS_MAX;
}

static void ecsi_window_take(ecsi_adaptive *a, const ecsi_entry *entry)
{
    ECSI_CHECK(a->cost_ns >= entry->cost_ns);
    ECSI_CHECK(a->top_ns >= entry->top_ns && a->gap_ns >= entry->gap_ns);
    a->cost_ns -= entry->cost_ns;
    a->top_ns -= entry->top_ns;
    a->gap_ns -= entry->gap_ns;
    if (entry->shared) a->shared_count--;
    if (entry->measured) {
        a->io_measured -= entry->io;
    } else {
        a->declared_count--;
        a->io_declared -= entry->io;
        a->io_squares -= (uint64_t)entry->io * entry->io;
    }
}

static void ecsi_window_put(ecsi_adaptive *a, const ecsi_sample *sample)
{
    ecsi_entry *entry = &a->window[a->next];
    uint64_t mean_ns = ecsi_figure_ns(sample->mean_ns);
    ECSI_CHECK(a->next < a->rules.window_ticks);
    ECSI_CHECK(a->count <= a->rules.window_ticks);
    if (a->count == a->rules.window_ticks) {
        ecsi_window_take(a, entry);
    } else {
        a->count++;
    }
    entry->cost_ns = ecsi_figure_ns(sample->cost_ns);
    entry->top_ns = ecsi_figure_ns(sample->top_ns);
    entry->gap_ns = entry->top_ns > mean_ns ? entry->top_ns - mean_ns : 0;
    entry->measured = sample->measured != ECS_IO_UNKNOWN;
    entry->io = ecsi_min_u32(entry->measured ? sample->measured : sample->declared,
                             ECSI_FIGURE_IO_MAX);
    entry->shared = sample->shared;
    a->cost_ns += entry->cost_ns;
    a->top_ns += entry->top_ns;
    a->gap_ns += entry->gap_ns;
    if (entry->shared) a->shared_count++;
    if (entry->measured) {
        a->io_measured += entry->io;
    } else {
        a->declared_count++;
        a->io_declared += entry->io;
        a->io_squares += (uint64_t)entry->io * entry->io;
    }
    a->next = a->next + 1 == a->rules.window_ticks ? 0 : a->next + 1;
}

/* ---- Figures ---------------------------------------- */

/* The square root of 0 to 1, by Newton's method from above: libm is not needed for it. */
static double ecsi_root(double x)
{
    double root = 1;
    uint32_t i;
    ECSI_CHECK(x >= 0 && x <= 1);
    if (x <= 0) return 0;
    for (i = 0; i < ECSI_ROOT_STEPS; i++) root = 0.5 * (root + x / root);
    ECSI_CHECK(root >= 0 && root <= 1);
    return root;
}

/* How much of what systems declare counts: twice the coefficient of variation of the window's
 * counts, 1 at most. A count that never changes is a constant of somebody's source: nothing has
 * been observed, and it weighs nothing. One that varies by half of its mean or more follows what
 * really happens. */
static double ecsi_io_weight(const ecsi_adaptive *a)
{
    double sum = (double)a->io_declared;
    double spread; /* the variance by the squared mean */
    if (a->io_declared == 0) return 0;
    ECSI_CHECK(a->declared_count > 0);
    ECSI_CHECK(a->io_squares * a->declared_count >= a->io_declared * a->io_declared);
    spread = (double)(a->io_squares * a->declared_count - a->io_declared * a->io_declared) /
             (sum * sum);
    return spread >= 0.25 ? 1.0 : ecsi_root(4.0 * spread);
}

/* Imbalance is the busiest worker's time less the mean, by the busiest worker's time, added up
 * over the window before it is divided: a long tick counts for more than a short one, and the
 * busiest worker may be another one in each tick. */
static ecsi_figures ecsi_adaptive_figures(const ecsi_adaptive *a)
{
    ecsi_figures f;
    ECSI_CHECK(a->gap_ns <= a->top_ns);
    ECSI_CHECK(a->shared_count <= a->count);
    memset(&f, 0, sizeof f);
    if (a->count == 0) return f;
    f.ticks = a->count;
    f.shared = a->shared_count;
    f.cost_ns = (double)a->cost_ns / a->count;
    if (a->top_ns > 0) f.imbalance = (double)a->gap_ns / (double)a->top_ns;
    f.io_weight = ecsi_io_weight(a);
    f.io_pending = ((double)a->io_measured + f.io_weight * (double)a->io_declared) / a->count;
    return f;
}

/* ---- The choice ---------------------------------------- */

/* What the figures say now, whatever the cooldown says; and why. Sharing ends when the load is
 * light, or when for a whole window nothing was shared and little could be: that the workers'
 * times are even is what sharing is for, and no reason to end it. */
static ecsi_choice ecsi_adaptive_choose(const ecsi_adaptive *a, const ecsi_figures *f,
                                        ecsi_why *why)
{
    const ecs_adaptive_desc *rules = &a->rules;
    double stay = 1.0 - (double)rules->hysteresis;
    double io_min = (double)rules->io_pending_min * (a->choice.batching ? stay : 1.0);
    double light_ns = (double)rules->light_ns * (a->choice.sharing ? stay : 1.0);
    double uneven = (double)rules->imbalance_min * (a->choice.sharing ? stay : 1.0);
    bool light = f->cost_ns < light_ns;
    ecsi_choice to;
    ECSI_CHECK(f->imbalance >= 0 && f->imbalance <= 1);
    ECSI_CHECK(stay > 0);
    to.batching = f->io_pending >= io_min;
    to.sharing = a->workers > 1 && !light &&
                 (f->imbalance > uneven || (a->choice.sharing && f->shared > 0));
    if (to.batching != a->choice.batching) {
        *why = to.batching ? ECSI_WHY_IO_MANY : ECSI_WHY_IO_FEW;
    } else {
        *why = to.sharing ? ECSI_WHY_IMBALANCE : light ? ECSI_WHY_LIGHT : ECSI_WHY_ALONE;
    }
    return to;
}

/* Whether the next tick should be measured system by system: when the load is twice or half of
 * what it was when that was done last. A load that is light before and after need not. */
static bool ecsi_adaptive_looks(ecsi_adaptive *a, uint64_t cost_ns, bool measured)
{
    uint64_t light_ns = a->rules.light_ns / 2;
    ECSI_CHECK(cost_ns <= ECSI_FIGURE_NS_MAX);
    ECSI_CHECK(a->looked_ago <= ECSI_LOOK_TICKS);
    if (measured) {
        a->looked_ns = cost_ns;
        a->looked_ago = 0;
        return false;
    }
    if (a->looked_ago < ECSI_LOOK_TICKS) a->looked_ago++;
    if (a->looked_ago < ECSI_LOOK_TICKS) return false;
    if (cost_ns < light_ns && a->looked_ns < light_ns) return false;
    return cost_ns > a->looked_ns * 2 || cost_ns < a->looked_ns / 2;
}

/* Takes in what a tick took, and chooses for the next one. Answers whether that is a switch. */
static bool ecsi_adaptive_step(ecsi_adaptive *a, const ecsi_sample *sample, uint64_t tick,
                               bool measured)
{
    ecsi_decision *decision;
    ecsi_figures figures;
    ecsi_choice to;
    ecsi_why why;
    ECSI_CHECK(a->workers > 0);
    ECSI_CHECK(a->rules.cooldown_ticks > 0);
    ecsi_window_put(a, sample);
    a->last_ns = ecsi_figure_ns(sample->cost_ns);
    a->look = ecsi_adaptive_looks(a, a->last_ns, measured);
    if (a->since < a->rules.cooldown_ticks) a->since++;
    if (a->since < a->rules.cooldown_ticks) return false;
    figures = ecsi_adaptive_figures(a);
    to = ecsi_adaptive_choose(a, &figures, &why);
    if (to.sharing == a->choice.sharing && to.batching == a->choice.batching) return false;
    decision = &a->decisions[a->decision_count++ % ECSI_DECISIONS_MAX];
    decision->tick = tick;
    decision->from = a->choice;
    decision->to = to;
    decision->why = why;
    decision->figures = figures;
    a->choice = to;
    a->since = 0;
    return true;
}

#endif /* ECS_NO_ADAPTIVE */

#endif /* ECS_ADAPTIVE_H */
