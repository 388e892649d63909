/* validate.h: says what is wrong with a schedule, all of it at once and by name.
 *
 * schedule.h builds and stops at a status; this module looks for the reasons:
 *
 *   errors     names that are not there or in another phase, a system that is ordered against
 *              itself, cycles, and in strict mode conflicts without an order
 *   warnings   doubled names, what a description says without effect, events that nobody emits or
 *              reads, systems that were refused
 *   notes      phases without systems
 *
 * Cycles are found shortest first from each system on; the edges of one that was found count no
 * more, so cycles that share a system are found as well, and each edge is in one cycle at most. */
/* floor: 11 */
#ifndef ECS_VALIDATE_H
#define ECS_VALIDATE_H

#include "schedule.h"

/* Bytes of the last line of a text that did not fit. */
#define ECSI_TEXT_TAIL_BYTES 48u
/* Bytes of a line in the log. */
#define ECSI_LOG_LINE_BYTES 400
#define ECSI_NO_MEMBER 0xffffffffu

typedef struct ecsi_findings {
    const ecsi_schedule *schedule;
    ecsi_text text;
    uint32_t counts[3]; /* by ecs_log_level */
} ecsi_findings;

/* Ends a text: where it did not fit, its last line says how much is missing. */
static void ecsi_text_end(char *text, size_t bytes, const ecsi_text *t)
{
    size_t kept;
    if (text == NULL || t->total < bytes || bytes <= ECSI_TEXT_TAIL_BYTES) return;
    kept = bytes - ECSI_TEXT_TAIL_BYTES;
    ECSI_CHECK(kept > 0);
    ECSI_CHECK(t->total > kept);
    (void)snprintf(text + kept, ECSI_TEXT_TAIL_BYTES, "\n... %llu bytes more\n",
                   (unsigned long long)(t->total - kept));
}

static void ecsi_finding(ecsi_findings *findings, ecs_log_level level)
{
    static const char *const names[] = {"error", "warning", "note"};
    ECSI_CHECK((uint32_t)level < 3);
    ECSI_CHECK(findings->schedule != NULL);
    findings->counts[level]++;
    ecsi_print(&findings->text, "%s: ", names[level]);
}

static const char *ecsi_access_name(uint32_t access)
{
    static const char *const names[] = {"?",         "READ",     "WRITE",          "WITH",
                                        "NOT",       "OPTIONAL", "OPTIONAL_WRITE", "ANY",
                                        "ANY",       "RES_READ", "RES_WRITE",      "ON",
                                        "EMIT",      "LOOKUP"};
    ECSI_CHECK(access < ECS_ACCESS_COUNT);
    ECSI_CHECK(sizeof names / sizeof *names == ECS_ACCESS_COUNT);
    return names[access];
}

/* What two systems both touch: every component once, with how the first and the second use it. */
static void ecsi_conflict_print(ecsi_text *text, const ecsi_schedule *schedule,
                                const ecsi_system *a, const ecsi_system *b, bool accesses)
{
    const ecsi_components *components = schedule->queries->storage->components;
    uint32_t last = 0;
    uint32_t count = 0;
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(a != b);
    if (a->run_exclusive != NULL || b->run_exclusive != NULL) {
        ecsi_print(text, "the whole world");
        return;
    }
    for (i = 0; i < a->query->term_count; i++) {
        const ecsi_query_term *x = &a->query->terms[i];
        for (k = 0; k < b->query->term_count; k++) {
            const ecsi_query_term *y = &b->query->terms[k];
            if (x->component == last || !ecsi_terms_conflict(x, y)) continue;
            last = x->component;
            ecsi_print(text, "%s%s", count == 0 ? "" : ", ",
                       ecsi_component_at(components, last)->name);
            if (accesses) {
                ecsi_print(text, " (%s, %s)", ecsi_access_name(x->access),
                           ecsi_access_name(y->access));
            }
            count++;
        }
    }
    ECSI_CHECK(count > 0);
}

/* ---- Names ---------------------------------------------------------------------------- */

/* One name of an order list, the `n`-th of the system's. */
static void ecsi_validate_name(ecsi_findings *findings, const ecsi_system *system, uint32_t n)
{
    const ecsi_schedule *schedule = findings->schedule;
    const char *name = system->order_names[n];
    const char *list = n < system->before_count ? "before" : "after";
    uint32_t from = n < system->before_count ? 0 : system->before_count;
    uint32_t other = ecsi_system_find(schedule, name);
    ECSI_CHECK(n < system->before_count + system->after_count);
    ECSI_CHECK(name[0] != 0);
    for (; from < n; from++) {
        if (strcmp(system->order_names[from], name) != 0) continue;
        ecsi_finding(findings, ECS_LOG_WARNING);
        ecsi_print(&findings->text, "system %s: '%s' names %s twice\n", system->name, list, name);
        return;
    }
    if (strcmp(system->name, name) == 0) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "system %s: '%s' names itself\n", system->name, list);
    } else if (ecsi_system_named(system, name)) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "system %s: '%s' names its own group %s\n", system->name,
                   list, name);
    } else if (ecsi_order_known(schedule, name, system->phase, true)) {
        return;
    } else if (ecsi_group_find(schedule, name) != NULL) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text,
                   "system %s of phase %s: '%s' names the group %s, which has no system there\n",
                   system->name, ecsi_phase_at(schedule, system->phase)->name, list, name);
    } else if (other == ECSI_NO_SYSTEM) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "system %s: '%s' names %s, and no system has that name\n",
                   system->name, list, name);
    } else {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text,
                   "system %s of phase %s: '%s' names %s, which is not in its phase but in %s\n",
                   system->name, ecsi_phase_at(schedule, system->phase)->name, list, name,
                   ecsi_phase_at(schedule, ecsi_system_at(schedule, other)->phase)->name);
    }
}

/* ---- Descriptions --------------------------------------------------------------------- */

/* Whether there is anything that `restore` would save. */
static bool ecsi_validate_writes(const ecsi_system *system)
{
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        if (term->writes || term->access == ECS_ACCESS_RES_WRITE) return true;
    }
    return false;
}

static void ecsi_validate_warn(ecsi_findings *findings, const ecsi_system *system, bool is,
                               const char *text)
{
    ECSI_CHECK(system->name[0] != 0);
    ECSI_CHECK(text != NULL);
    if (!is) return;
    ecsi_finding(findings, ECS_LOG_WARNING);
    ecsi_print(&findings->text, "system %s %s\n", system->name, text);
}

/* What a description asks for and cannot have, or says without effect. */
static void ecsi_validate_desc(ecsi_findings *findings, const ecsi_system *system)
{
    const ecsi_schedule *schedule = findings->schedule;
    const ecs_system_desc *desc = &system->desc;
    bool retries = desc->on_error == ECS_RETRY;
    bool skips = desc->on_error == ECS_SKIP || (retries && desc->on_exhausted == ECS_SKIP);
    bool steps = system->fixed.step_s > 0;
    ECSI_CHECK((uint32_t)desc->on_error >= ECS_FAIL_FAST);
    ECSI_CHECK(schedule->bytes_max > 0);
    ecsi_validate_warn(findings, system,
                       desc->restore && schedule->restore_bytes_max == 0 &&
                           ecsi_validate_writes(system),
                       "has restore, but restore_bytes_max is 0: it fails once there are rows");
    ecsi_validate_warn(findings, system, desc->stream_bytes_max > schedule->bytes_max,
                       "has a stream_bytes_max above command_bytes_max of the world");
    ecsi_validate_warn(findings, system, (desc->retries > 0 || desc->retry_ticks > 0) && !retries,
                       "has retries, but its on_error is not ECS_RETRY");
    ecsi_validate_warn(findings, system, desc->breaker_failures > 0 && !skips,
                       "has breaker_failures, but no failure of it is skipped");
    ecsi_validate_warn(findings, system, desc->breaker_ticks > 0 && desc->breaker_failures == 0,
                       "has breaker_ticks, but no breaker_failures");
    ecsi_validate_warn(findings, system, desc->budget_fails && desc->budget_ns == 0,
                       "has budget_fails, but no budget_ns");
    ecsi_validate_warn(findings, system, steps && (desc->every_ticks > 1 || desc->interval_s > 0),
                       "has a fixed step: its every_ticks and interval_s have no effect");
    ecsi_validate_warn(findings, system, desc->steps_max > 0 && !steps,
                       "has steps_max, but no step_s");
}

/* Calls that should have added a system. */
static void ecsi_validate_refused(ecsi_findings *findings)
{
    const ecsi_schedule *schedule = findings->schedule;
    uint32_t kept = ecsi_min_u32(schedule->refused_count, ECSI_REFUSED_MAX);
    uint32_t i;
    for (i = 0; i < kept; i++) {
        const ecsi_refused *refused = &schedule->refused[i];
        ECSI_CHECK(refused->status != ECS_OK);
        ecsi_finding(findings, ECS_LOG_WARNING);
        ecsi_print(&findings->text, "system %s was not added: %s\n", refused->name,
                   ecs_status_text(refused->status));
    }
    if (schedule->refused_count == kept) return;
    ECSI_CHECK(kept == ECSI_REFUSED_MAX);
    ecsi_finding(findings, ECS_LOG_WARNING);
    ecsi_print(&findings->text, "%u more systems were not added\n",
               schedule->refused_count - kept);
}

/* A group: its order lists, and whether it does what it should. */
static void ecsi_validate_group(ecsi_findings *findings, const ecsi_group *group)
{
    const ecsi_schedule *schedule = findings->schedule;
    uint32_t n;
    ECSI_CHECK(group->number != 0);
    for (n = 0; n < group->before_count + group->after_count && group->system_count > 0; n++) {
        const char *name = group->order_names[n];
        const char *list = n < group->before_count ? "before" : "after";
        uint32_t other = ecsi_system_find(schedule, name);
        if (strcmp(group->name, name) == 0 ||
            (other != ECSI_NO_SYSTEM && ecsi_system_at(schedule, other)->group == group)) {
            ecsi_finding(findings, ECS_LOG_ERROR);
            ecsi_print(&findings->text, "group %s: '%s' names %s\n", group->name, list,
                       other == ECSI_NO_SYSTEM ? "itself" : "one of its own systems");
        } else if (!ecsi_order_known(schedule, name, 0, false)) {
            ecsi_finding(findings, ECS_LOG_ERROR);
            ecsi_print(&findings->text,
                       "group %s: '%s' names %s, and no system or group has that name\n",
                       group->name, list, name);
        }
    }
    if (group->reason[0] != 0) {
        ecsi_finding(findings, ECS_LOG_WARNING);
        ecsi_print(&findings->text, "group %s is asynchronous, but runs synchronously: %s\n",
                   group->name, group->reason);
    }
    if (group->system_count == 0) {
        ecsi_finding(findings, ECS_LOG_INFO);
        ecsi_print(&findings->text, "group %s has no systems\n", group->name);
    }
    ECSI_CHECK(group->system_count <= schedule->systems.count);
}

/* ---- Cycles --------------------------------------------------------------------------- */

/* The explicit edges of a phase; `graph->reach` holds them and not what follows from them. */
static void ecsi_validate_edges(ecsi_graph *graph)
{
    uint32_t i;
    uint32_t n;
    ECSI_CHECK(graph->count > 0);
    memset(graph->reach, 0, (size_t)graph->count * graph->words * sizeof(uint64_t));
    for (i = 0; i < graph->count; i++) {
        const ecsi_system *system = ecsi_system_at(graph->schedule, graph->members[i]);
        for (n = 0; n < ecsi_order_count(system); n++) {
            bool before;
            bool own;
            const char *name = ecsi_order_name(system, n, &before, &own);
            uint32_t k = ecsi_graph_next(graph, name, 0);
            for (; k < graph->count; k = ecsi_graph_next(graph, name, k + 1)) {
                uint32_t from = before ? i : k;
                uint32_t to = before ? k : i;
                if (from == to) continue;
                graph->reach[(size_t)from * graph->words + to / 64] |= (uint64_t)1 << (to % 64);
            }
        }
    }
    ECSI_CHECK(graph->words > 0);
}

/* The shortest way from `start` back to it, breadth first. `parent` says where each member was
 * reached from. Answers the last member of the way, or ECSI_NO_MEMBER. */
static uint32_t ecsi_validate_search(const ecsi_graph *graph, uint32_t start, uint32_t *queue,
                                     uint32_t *parent)
{
    uint32_t count = 1;
    uint32_t i;
    uint32_t w;
    ECSI_CHECK(start < graph->count);
    ECSI_CHECK(queue != parent);
    for (i = 0; i < graph->count; i++) parent[i] = ECSI_NO_MEMBER;
    queue[0] = start;
    for (i = 0; i < count; i++) {
        const uint64_t *row = &graph->reach[(size_t)queue[i] * graph->words];
        if (ecsi_graph_has(graph, queue[i], start)) return queue[i];
        for (w = 0; w < graph->words; w++) {
            uint64_t bits = row[w];
            for (; bits != 0; bits &= bits - 1) {
                uint32_t to = w * 64 + ecsi_lowest_bit(bits);
                if (parent[to] != ECSI_NO_MEMBER) continue;
                parent[to] = queue[i];
                queue[count++] = to;
            }
        }
    }
    ECSI_CHECK(count <= graph->count);
    return ECSI_NO_MEMBER;
}

/* Prints the way from `start` to `end` and back, and takes its edges out of the graph. */
static void ecsi_validate_cycle(ecsi_findings *findings, ecsi_graph *graph, uint32_t start,
                                uint32_t end, uint32_t *way, const uint32_t *parent)
{
    uint32_t count = 0;
    uint32_t at = end;
    ECSI_CHECK(start < graph->count);
    ECSI_CHECK(end < graph->count);
    for (; at != start; at = parent[at]) way[count++] = at;
    ECSI_CHECK(count < graph->count);
    ecsi_finding(findings, ECS_LOG_ERROR);
    ecsi_print(&findings->text, "cycle: %s",
               ecsi_system_at(graph->schedule, graph->members[start])->name);
    for (at = start; ; at = way[count]) {
        uint32_t to = count == 0 ? start : way[count - 1];
        graph->reach[(size_t)at * graph->words + to / 64] &= ~((uint64_t)1 << (to % 64));
        ecsi_print(&findings->text, " -> %s",
                   ecsi_system_at(graph->schedule, graph->members[to])->name);
        if (count == 0) break;
        count--;
    }
    ecsi_print(&findings->text, "\n");
}

/* ---- One phase ------------------------------------------------------------------------ */

/* The pairs that conflict and have no order, in strict mode. */
static void ecsi_validate_conflicts(ecsi_findings *findings, ecsi_graph *graph)
{
    uint32_t i;
    uint32_t k;
    ECSI_CHECK(graph->schedule->strict);
    memset(graph->reach, 0, (size_t)graph->count * graph->words * sizeof(uint64_t));
    ecsi_graph_names(graph);
    for (i = 0; i < graph->count; i++) {
        const ecsi_system *first = ecsi_system_at(graph->schedule, graph->members[i]);
        for (k = i + 1; k < graph->count; k++) {
            const ecsi_system *second = ecsi_system_at(graph->schedule, graph->members[k]);
            uint32_t component;
            if (ecsi_graph_has(graph, i, k) || ecsi_graph_has(graph, k, i)) continue;
            if (!ecsi_systems_conflict(first, second, &component)) continue;
            ecsi_finding(findings, ECS_LOG_ERROR);
            ecsi_print(&findings->text, "conflict: %s and %s both touch ", first->name,
                       second->name);
            ecsi_conflict_print(&findings->text, graph->schedule, first, second, true);
            ecsi_print(&findings->text, " and have no order\n");
        }
    }
    ECSI_CHECK(i == graph->count);
}

/* Cycles and conflicts of a phase whose members are known. What it writes to is rebuilt before
 * it is used. */
static void ecsi_validate_phase(ecsi_findings *findings, ecsi_schedule *schedule,
                                const ecsi_phase *phase)
{
    uint32_t *way = ECSI_VEC_AT(uint32_t, &schedule->order,
                                schedule->systems.count + phase->first);
    uint32_t *parent = (uint32_t *)schedule->before.data;
    ecsi_graph graph;
    uint32_t start = 0;
    ECSI_CHECK(!schedule->built);
    ECSI_CHECK(phase->count > 0);
    ecsi_graph_begin(&graph, schedule, phase);
    ecsi_validate_edges(&graph);
    while (start < graph.count) {
        uint32_t end = ecsi_validate_search(&graph, start, way, parent);
        if (end == ECSI_NO_MEMBER) {
            start++;
        } else {
            ecsi_validate_cycle(findings, &graph, start, end, way, parent);
        }
    }
    if (schedule->strict) ecsi_validate_conflicts(findings, &graph);
}

/* ---- Events --------------------------------------------------------------------------- */

#ifndef ECS_NO_EVENTS
/* Whether a system has a term. */
static bool ecsi_schedule_uses(const ecsi_schedule *schedule, uint32_t component,
                               uint32_t access)
{
    uint32_t i;
    uint32_t t;
    ECSI_CHECK(component != 0);
    ECSI_CHECK(access < ECS_ACCESS_COUNT);
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_query *query = ecsi_system_at(schedule, i)->query;
        for (t = 0; t < query->term_count; t++) {
            if (query->terms[t].component != component) continue;
            if (query->terms[t].access == access) return true;
        }
    }
    return false;
}

/* Events that go from nobody, or to nobody. */
static void ecsi_validate_events(ecsi_findings *findings, const ecsi_system *system)
{
    const ecsi_schedule *schedule = findings->schedule;
    const ecsi_components *components = schedule->queries->storage->components;
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        const ecsi_component *c = ecsi_component_at(components, term->component);
        const ecsi_event *event;
        if (c->event == 0) continue;
        event = ecsi_event_at(schedule->flush->events, c->event - 1);
        if (term->access == ECS_ACCESS_ON && event->sent == 0 &&
            !ecsi_schedule_uses(schedule, term->component, ECS_ACCESS_EMIT)) {
            ecsi_finding(findings, ECS_LOG_WARNING);
            ecsi_print(&findings->text, "system %s reads the event %s, which no system emits\n",
                       system->name, c->name);
        } else if (term->access == ECS_ACCESS_EMIT && event->reader_count == 0) {
            ecsi_finding(findings, ECS_LOG_WARNING);
            ecsi_print(&findings->text, "system %s emits the event %s, which nobody reads\n",
                       system->name, c->name);
        }
    }
    ECSI_CHECK(t == system->query->term_count);
}
#endif

/* ---- All of it ------------------------------------------------------------------------ */

static void ecsi_validate_phases(ecsi_findings *findings)
{
    const ecsi_schedule *schedule = findings->schedule;
    uint32_t empty = 0;
    uint32_t p;
    uint32_t s;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    for (p = 0; p < schedule->phase_order.count; p++) {
        uint32_t number = *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p);
        for (s = 0; s < schedule->systems.count; s++) {
            if (ecsi_system_at(schedule, s)->phase == number) break;
        }
        if (s < schedule->systems.count) continue;
        if (empty == 0) {
            ecsi_finding(findings, ECS_LOG_INFO);
            ecsi_print(&findings->text, "no systems in phase ");
        }
        ecsi_print(&findings->text, "%s%s", empty == 0 ? "" : ", ",
                   ecsi_phase_at(schedule, number)->name);
        empty++;
    }
    if (empty > 0) ecsi_print(&findings->text, "\n");
    ECSI_CHECK(empty <= schedule->phases.count);
}

/* Everything that is to be said, in a fixed order. `status` is the answer of the build. */
static void ecsi_validate_all(ecsi_findings *findings, ecsi_schedule *schedule,
                              ecs_status status)
{
    bool ordered = status == ECS_NOT_FOUND || status == ECS_CYCLE || status == ECS_CONFLICT;
    uint32_t i;
    uint32_t n;
    ECSI_CHECK(findings->schedule == schedule);
    ECSI_CHECK(schedule->built == (status == ECS_OK));
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        for (n = 0; n < system->before_count + system->after_count; n++) {
            ecsi_validate_name(findings, system, n);
        }
        ecsi_validate_desc(findings, system);
    }
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_validate_group(findings, ecsi_group_at(schedule, i));
    }
    for (i = 1; i <= schedule->phases.count && ordered; i++) {
        const ecsi_phase *phase = ecsi_phase_at(schedule, i);
        if (phase->count > 0) ecsi_validate_phase(findings, schedule, phase);
    }
    if (status != ECS_OK && !ordered) {
        ecsi_finding(findings, ECS_LOG_ERROR);
        ecsi_print(&findings->text, "%s\n", ecs_status_text(status));
    }
#ifndef ECS_NO_EVENTS
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_validate_events(findings, ecsi_system_at(schedule, i));
    }
#endif
    ecsi_validate_refused(findings);
    ecsi_validate_phases(findings);
}

/* Builds, and writes all findings behind a line that counts them. */
static ecs_status ecsi_schedule_validate(ecsi_schedule *schedule, char *text, size_t bytes)
{
    ecs_status status = ecsi_schedule_order(schedule);
    ecsi_findings findings;
    ECSI_CHECK(!schedule->ticking);
    memset(&findings, 0, sizeof findings);
    findings.schedule = schedule;
    ecsi_validate_all(&findings, schedule, status);
    findings.text = ecsi_text_begin(text, bytes);
    ecsi_print(&findings.text, "schedule: %u systems in %u phases, %u errors, %u warnings\n",
               schedule->systems.count, schedule->phases.count, findings.counts[ECS_LOG_ERROR],
               findings.counts[ECS_LOG_WARNING]);
    ECSI_CHECK((findings.counts[ECS_LOG_ERROR] == 0) == (status == ECS_OK));
    ecsi_validate_all(&findings, schedule, status);
    ecsi_text_end(text, bytes, &findings.text);
    return status;
}

/* Builds; what is wrong goes into schedule->error and, the errors line by line, into the log. */
static ecs_status ecsi_schedule_build(ecsi_schedule *schedule)
{
    const char *line = schedule->error;
    ecs_status status;
    if (ECSI_LIKELY(schedule->built)) return ECS_OK;
    status = ecsi_schedule_order(schedule);
    schedule->error[0] = 0;
    if (status == ECS_OK) return ECS_OK;
    (void)ecsi_schedule_validate(schedule, schedule->error, sizeof schedule->error);
    while (*line != 0) {
        const char *end = strchr(line, '\n');
        size_t bytes = end == NULL ? strlen(line) : (size_t)(end - line);
        size_t more = bytes > ECSI_LOG_LINE_BYTES ? bytes - ECSI_LOG_LINE_BYTES : 0;
        ECSI_CHECK(bytes < sizeof schedule->error);
        if (strncmp(line, "error", 5) == 0 || strncmp(line, "...", 3) == 0) {
            ecsi_log_print(schedule->log, ECS_LOG_ERROR, "schedule: %.*s", (int)(bytes - more),
                           line);
            if (more > 0) {
                ecsi_log_print(schedule->log, ECS_LOG_ERROR, "schedule: ... %u bytes more",
                               (uint32_t)more);
            }
        }
        line += bytes + (end != NULL ? 1 : 0);
    }
    return status;
}

#endif /* ECS_VALIDATE_H */
