/* explain_adaptive.h: says in words what the adaptive backend measured, what it chose and why,
 * and how each system is cut. */
/* floor: 12 */
#ifndef ECS_EXPLAIN_ADAPTIVE_H
#define ECS_EXPLAIN_ADAPTIVE_H

#include "backend.h"

#if !defined(ECS_NO_EXPLAIN) && !defined(ECS_NO_ADAPTIVE)

static const char *ecsi_backend_name(ecs_backend backend)
{
    static const char *const names[] = {"blocking", "work stealing", "adaptive", "batched I/O"};
    ECSI_CHECK((uint32_t)backend < sizeof names / sizeof *names);
    ECSI_CHECK(sizeof names / sizeof *names == (size_t)ECS_BACKEND_BATCHED_IO + 1);
    return names[backend];
}

static const char *ecsi_choice_name(ecsi_choice choice)
{
    if (choice.batching && choice.sharing) return "batched I/O with work stealing";
    return ecsi_backend_name(ecsi_choice_backend(choice));
}

static void ecsi_explain_figures(ecsi_text *text, const ecsi_figures *f)
{
    ECSI_CHECK(f->shared <= f->ticks);
    ECSI_CHECK(f->ticks <= ECSI_WINDOW_MAX);
    ecsi_print(text, "%.1f us a tick, imbalance %.2f, %.1f requests pending (weight %.2f), "
                     "%u of %u ticks shared\n", f->cost_ns / 1000, f->imbalance, f->io_pending,
               f->io_weight, f->shared, f->ticks);
}

/* The reason in words, with the threshold that was crossed. */
static void ecsi_explain_why(ecsi_text *text, const ecsi_adaptive *a, const ecsi_decision *d)
{
    double stay = 1.0 - (double)a->rules.hysteresis;
    double io = a->rules.io_pending_min;
    double light_us = a->rules.light_ns / 1000.0;
    double uneven = (double)a->rules.imbalance_min;
    ECSI_CHECK(stay > 0);
    ECSI_CHECK(light_us > 0);
    switch (d->why) {
    case ECSI_WHY_IO_MANY: ecsi_print(text, "at least %g requests are pending", io); break;
    case ECSI_WHY_IO_FEW:
        ecsi_print(text, "less than %g requests are pending", io * stay);
        break;
    case ECSI_WHY_IMBALANCE:
        ecsi_print(text, "the imbalance is above %.2f", d->from.sharing ? uneven * stay : uneven);
        break;
    case ECSI_WHY_LIGHT:
        ecsi_print(text, "a tick takes less than %g us", d->from.sharing ? light_us * stay
                                                                         : light_us);
        break;
    case ECSI_WHY_ALONE:
        ecsi_print(text, "nothing was shared, and the imbalance is not above %.2f",
                   uneven * stay);
        break;
    }
}

/* How a system is cut in the next tick. */
static void ecsi_explain_cut(ecsi_text *text, const ecsi_schedule *schedule,
                             const ecsi_system *system, bool shares)
{
    uint32_t blocks = system->run == NULL || system->query->system
                          ? 0 : ecsi_query_block_count(system->query);
    ECSI_CHECK(system->cost_ns >= 0);
    ecsi_print(text, "  %s: ", system->name);
    if (system->run_exclusive != NULL) {
        ecsi_print(text, "not measured, inline: exclusive\n");
        return;
    }
    if (system->cost_ns > 0) {
        ecsi_print(text, "%.1f us, ", system->cost_ns / 1000);
    } else {
        ecsi_print(text, "not measured, ");
    }
    ECSI_CHECK(system->run != NULL);
    if (!system->enabled) {
        ecsi_print(text, "disabled\n");
    } else if (!shares) {
        ecsi_print(text, "inline: nothing is shared\n");
    } else if (system->unsplit) {
        ecsi_print(text, "inline: unsplit\n");
    } else if (blocks < 2) {
        ecsi_print(text, "inline: %u row blocks\n", blocks);
    } else {
#ifndef ECS_NO_THREADS
        uint32_t runs = ecsi_max_u32(system->cost_runs, 1);
        ecsi_split split = ecsi_split_of(system->cost_ns / runs, blocks,
                                         schedule->pool->worker_count, schedule->share_ns == 1);
        if (split.helpers > 0) {
            ecsi_print(text, "split: %u helpers, grain %u of %u row blocks\n", split.helpers,
                       split.grain, blocks);
        } else {
            ecsi_print(text, "inline: a helper takes %g us of work\n",
                       2.0 * ECSI_SHARE_AWAKE_NS / 1000);
        }
#else
        ECSI_CHECK(schedule->pool == NULL);
#endif
    }
}

static void ecsi_explain_switches(ecsi_text *text, const ecsi_adaptive *a)
{
    uint32_t kept = ecsi_min_u32(a->decision_count, ECSI_DECISIONS_MAX);
    double stay = 1.0 - (double)a->rules.hysteresis;
    ecsi_figures now = ecsi_adaptive_figures(a);
    uint32_t i;
    ecsi_print(text, "adaptive: %s, with %u workers; the next switch in %u ticks at the earliest\n",
               ecsi_choice_name(a->choice), a->workers, a->rules.cooldown_ticks - a->since);
    ecsi_print(text, "  now: ");
    ecsi_explain_figures(text, &now);
    ecsi_print(text, "  batched I/O from %u requests on, down to %g; work stealing from %g us "
                     "on and above imbalance %g, down to %g us or %g\n", a->rules.io_pending_min,
               a->rules.io_pending_min * stay, a->rules.light_ns / 1000.0,
               (double)a->rules.imbalance_min, a->rules.light_ns * stay / 1000.0,
               (double)a->rules.imbalance_min * stay);
    ecsi_print(text, "%u switches, the last %u:\n", a->decision_count, kept);
    for (i = a->decision_count - kept; i != a->decision_count; i++) {
        const ecsi_decision *d = &a->decisions[i % ECSI_DECISIONS_MAX];
        ecsi_print(text, "  after tick %llu: %s -> %s: ", (unsigned long long)d->tick,
                   ecsi_choice_name(d->from), ecsi_choice_name(d->to));
        ecsi_explain_why(text, a, d);
        ecsi_print(text, "\n    ");
        ecsi_explain_figures(text, &d->figures);
    }
    ECSI_CHECK(kept <= ECSI_DECISIONS_MAX);
    ECSI_CHECK(a->since <= a->rules.cooldown_ticks);
}

static void ecsi_explain_adaptive_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    bool shares = schedule->pool != NULL;
    uint32_t i;
    ECSI_CHECK(schedule->systems.count <= schedule->systems_max);
    if (schedule->gauge.on) {
        ecsi_explain_switches(text, &schedule->adaptive);
        shares = schedule->adaptive.choice.sharing;
    } else {
        ecsi_print(text, "not adaptive: %s\n",
                   ecsi_backend_name(shares ? ECS_BACKEND_WORK_STEALING : ECS_BACKEND_BLOCKING));
    }
    ECSI_CHECK(!shares || schedule->pool != NULL);
    ecsi_print(text, "%u systems:\n", schedule->systems.count);
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_explain_cut(text, schedule, ecsi_system_at(schedule, i), shares);
    }
}

#endif

#endif /* ECS_EXPLAIN_ADAPTIVE_H */
