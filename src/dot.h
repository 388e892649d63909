/* dot.h: a built schedule as a graph for Graphviz.
 *
 * Phases are clusters, in their order. A solid edge is an explicit order, a dashed one a
 * conflict, with what both touch as its label. A conflict that follows from other edges is left
 * out. Exclusive systems are boxes, disabled ones grey, broken ones red, those that run beside the
 * ticks have a dashed frame and no edges; when a system runs and what follows when it fails is its
 * tooltip. Names are escaped. */
/* floor: 12 */
#ifndef ECS_DOT_H
#define ECS_DOT_H

#include "explain.h"

#ifndef ECS_NO_EXPLAIN

/* Of a line about a system's policy. */
#define ECSI_DOT_INDENT 4

/* A name as it may stand in a quoted string: control characters become spaces. */
static void ecsi_dot_name(ecsi_text *text, const char *name)
{
    ECSI_CHECK(text != NULL);
    ECSI_CHECK(name != NULL);
    for (; *name != 0; name++) {
        if (*name == '"' || *name == '\\') {
            ecsi_print(text, "\\%c", *name);
        } else {
            ecsi_print(text, "%c", (unsigned char)*name < 32 ? ' ' : *name);
        }
    }
}

static void ecsi_dot_node(ecsi_text *text, const ecsi_system *system, uint32_t index)
{
    char what[ECSI_SCHEDULE_TEXT_BYTES];
    const char *color = !system->enabled ? "grey" : system->broken ? "red" : "black";
    ecsi_text policy = ecsi_text_begin(what, sizeof what);
    ECSI_CHECK(system->name[0] != 0);
    ecsi_explain_policy(&policy, system);
    ECSI_CHECK(policy.total > ECSI_DOT_INDENT);
    ecsi_print(text, "    n%u [label=\"", index);
    ecsi_dot_name(text, system->name);
    ecsi_print(text, "\", shape=%s, color=%s, fontcolor=%s%s, tooltip=\"",
               system->run_exclusive != NULL ? "box" : "ellipse", color, color,
               system->detached ? ", style=dashed" : "");
    ecsi_dot_name(text, what + ECSI_DOT_INDENT);
    ecsi_print(text, "\"];\n");
}

/* The edges that leave member `from`. */
static void ecsi_dot_edges(ecsi_text *text, const ecsi_schedule *schedule,
                           const ecsi_phase *phase, uint32_t from)
{
    uint32_t words = (phase->count + 63) / 64;
    const uint64_t *direct = ECSI_VEC_AT(uint64_t, &schedule->direct,
                                         phase->reach + from * words);
    uint32_t index = ecsi_phase_system(schedule, phase, from);
    const ecsi_system *system = ecsi_system_at(schedule, index);
    char what[ECSI_SCHEDULE_TEXT_BYTES];
    uint32_t to;
    ECSI_CHECK(from < phase->count);
    for (to = 0; to < phase->count; to++) {
        uint32_t other_index = ecsi_phase_system(schedule, phase, to);
        const ecsi_system *other = ecsi_system_at(schedule, other_index);
        ecsi_text label;
        if (to == from || !ecsi_phase_after(schedule, phase, from, to)) continue;
        if (ecsi_system_precedes(system, other)) {
            ecsi_print(text, "  n%u -> n%u;\n", index, other_index);
            continue;
        }
        if ((direct[to / 64] >> (to % 64) & 1u) == 0) continue;
        label = ecsi_text_begin(what, sizeof what);
        ecsi_conflict_print(&label, schedule, system, other, false);
        ECSI_CHECK(label.total > 0);
        ecsi_print(text, "  n%u -> n%u [style=dashed, label=\"", index, other_index);
        ecsi_dot_name(text, what);
        ecsi_print(text, "\"];\n");
    }
}

static void ecsi_dot_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    uint32_t p;
    uint32_t i;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    ecsi_print(text, "digraph schedule {\n  rankdir=LR;\n");
    if (!schedule->built) ecsi_print(text, "  label=\"not built\";\n");
    for (p = 0; p < schedule->phase_order.count && schedule->built; p++) {
        const ecsi_phase *phase =
            ecsi_phase_at(schedule, *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p));
        ecsi_print(text, "  subgraph cluster_%u {\n    label=\"", p);
        ecsi_dot_name(text, phase->name);
        ecsi_print(text, "\";\n");
        for (i = 0; i < phase->count; i++) {
            uint32_t index = ecsi_phase_system(schedule, phase, i);
            ecsi_dot_node(text, ecsi_system_at(schedule, index), index);
        }
        /* They are in no phase's order: each stands where its group is launched. */
        for (i = 0; i < schedule->systems.count; i++) {
            const ecsi_system *system = ecsi_system_at(schedule, i);
            if (!system->detached || ecsi_phase_at(schedule, system->phase) != phase) continue;
            ecsi_dot_node(text, system, i);
        }
        ecsi_print(text, "  }\n");
        for (i = 0; i < phase->count; i++) ecsi_dot_edges(text, schedule, phase, i);
    }
    ecsi_print(text, "}\n");
    ECSI_CHECK(text->total > 0);
}

#endif /* ECS_NO_EXPLAIN */

#endif /* ECS_DOT_H */
