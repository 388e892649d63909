/* explain.h: says in words why a query matches, a schedule has its order, an entity is
 * where it is, and commands were dropped. */
/* floor: 12 */
#ifndef ECS_EXPLAIN_H
#define ECS_EXPLAIN_H

#include "validate.h"

#ifndef ECS_NO_EXPLAIN

/* Tables of a query that are listed one by one. */
#define ECSI_EXPLAIN_TABLES_MAX 256u

static const char *ecsi_component_name(const ecsi_components *components, uint32_t id)
{
    ECSI_CHECK(components != NULL);
    return ecsi_component_known(components, id) ? ecsi_component_at(components, id)->name : "?";
}

static void ecsi_explain_set(ecsi_text *text, const ecsi_components *components,
                             const ecsi_table *table)
{
    uint32_t i;
    ECSI_CHECK(table != NULL);
    ECSI_CHECK(text != NULL);
    ecsi_print(text, "{");
    for (i = 0; i < table->component_count; i++) {
        ecsi_print(text, "%s%s", i == 0 ? "" : ", ",
                   ecsi_component_name(components, table->ids[i]));
    }
    ecsi_print(text, "}");
}

static void ecsi_explain_terms(ecsi_text *text, const ecsi_components *components,
                               const ecsi_query *query)
{
    uint32_t t;
    ECSI_CHECK(query->term_count <= ECS_TERMS_MAX);
    ECSI_CHECK(query->terms != NULL || query->term_count == 0);
    if (query->term_count == 0) ecsi_print(text, " no terms");
    for (t = 0; t < query->term_count; t++) {
        ecsi_print(text, " %s(%s)", ecsi_access_name(query->terms[t].access),
                   ecsi_component_name(components, query->terms[t].component));
    }
}

/* The first term that a table fails. */
static void ecsi_explain_mismatch(ecsi_text *text, const ecsi_components *components,
                                  const ecsi_query *query, const ecsi_table *table)
{
    uint32_t t;
    ECSI_CHECK(!ecsi_query_matches(query, table));
    for (t = 0; t < query->term_count; t++) {
        const ecsi_query_term *term = &query->terms[t];
        bool has = ecsi_table_find(table, term->component) != NULL;
        const char *name = ecsi_component_name(components, term->component);
        if (ecsi_access_is_required(term->access) && !has) {
            ecsi_print(text, "no: %s(%s) is missing", ecsi_access_name(term->access), name);
            return;
        }
        if (term->access == ECS_ACCESS_NOT && has) {
            ecsi_print(text, "no: it has NOT(%s)", name);
            return;
        }
    }
    ecsi_print(text, "no: none of an ANY group");
    ECSI_CHECK(t == query->term_count);
}

static void ecsi_explain_query_text(ecsi_text *text, const ecsi_queries *queries,
                                    const ecsi_query *query)
{
    const ecsi_storage *storage = queries->storage;
    uint32_t t;
    ECSI_CHECK(query != NULL);
    ecsi_print(text, "query %s:", query->name);
    ecsi_explain_terms(text, storage->components, query);
    ecsi_print(text, "\n%u of %u tables match, %u rows\n", query->matches.count,
               storage->tables.count, ecsi_query_row_count(query));
    for (t = 0; t < storage->tables.count && t < ECSI_EXPLAIN_TABLES_MAX; t++) {
        const ecsi_table *table = ecsi_table_at(storage, t);
        ecsi_print(text, "  table %u ", t);
        ecsi_explain_set(text, storage->components, table);
        ecsi_print(text, " %u rows: ", table->row_count);
        if (ecsi_query_matches(query, table)) {
            ecsi_print(text, "yes");
        } else {
            ecsi_explain_mismatch(text, storage->components, query, table);
        }
        ecsi_print(text, "\n");
    }
    ECSI_CHECK(t <= storage->tables.count);
}

static void ecsi_explain_entity_text(ecsi_text *text, const ecsi_storage *storage,
                                     ecs_entity entity)
{
    const ecsi_entities *entities = storage->entities;
    const ecsi_record *record = ecsi_entities_find(entities, entity);
    uint32_t index = ecs_index(entity);
    ECSI_CHECK(entities->front.record_count <= entities->max);
    if (record != NULL) {
        const ecsi_chunk *chunk = ecsi_record_chunk_at(storage, record);
        ecsi_print(text, "entity %u generation %u: alive, table %u, row %u of chunk %u\n", index,
                   ecs_generation(entity), chunk->table->id, ecsi_record_row(entities, record),
                   chunk->number);
        ecsi_explain_set(text, storage->components, chunk->table);
        ecsi_print(text, "\n");
    } else if (ecs_is_null(entity)) {
        ecsi_print(text, "the null entity\n");
    } else if (ecs_is_provisional(entity)) {
        ecsi_print(text, "a provisional handle: its spawn is recorded, or its flush is over\n");
    } else if (index >= entities->front.record_count) {
        ecsi_print(text, "entity %u: this world never had such a slot\n", index);
    } else {
        uint32_t generation = ecsi_entities_record(entities, index)->generation;
        ecsi_print(text, "entity %u generation %u: stale; ", index, ecs_generation(entity));
        if (generation == 0) {
            ecsi_print(text, "the slot is free\n");
        } else {
            ecsi_print(text, "generation %u lives there\n", generation);
        }
    }
    ECSI_CHECK(text->total > 0);
}

/* What follows when a system fails, and where it stands after failures. */
static void ecsi_explain_failure(ecsi_text *text, const ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    ecs_on_error policy = desc->on_error;
    ECSI_CHECK((uint32_t)policy >= ECS_FAIL_FAST);
    ECSI_CHECK(system->attempts > 0);
    ecsi_print(text, " a failure%s", desc->restore ? " is undone and" : "");
    if (policy == ECS_RETRY) {
        ecsi_print(text, " is retried up to %u times", desc->retries);
        if (desc->retry_ticks == 0) {
            ecsi_print(text, " at once, then");
        } else {
            ecsi_print(text, ", after %u ticks and twice as many each time, then",
                       desc->retry_ticks);
        }
        policy = desc->on_exhausted;
    }
    ecsi_print(text, policy == ECS_SKIP ? " is skipped" : " stops the tick");
    if (policy == ECS_SKIP && desc->breaker_failures > 0) {
        ecsi_print(text, ", %u in a row break it until ", desc->breaker_failures);
        if (desc->breaker_ticks == 0) {
            ecsi_print(text, "it is enabled");
        } else {
            ecsi_print(text, "%u ticks later", desc->breaker_ticks);
        }
    }
    if (system->broken) ecsi_print(text, "; it is broken");
    if (system->wait_ticks > 0) ecsi_print(text, "; it waits for %u ticks", system->wait_ticks);
}

/* What a description says about when and how a system runs, where that is not the default. */
static void ecsi_explain_policy(ecsi_text *text, const ecsi_system *system)
{
    const ecs_system_desc *desc = &system->desc;
    size_t total = text->total;
    ECSI_CHECK(system->name[0] != 0);
    ecsi_print(text, "    runs:");
    if (!system->enabled) ecsi_print(text, " disabled;");
    if (desc->run_if != NULL) ecsi_print(text, " when run_if says so;");
    if (desc->every_ticks > 1) ecsi_print(text, " every %u ticks;", desc->every_ticks);
    if (desc->interval_s > 0) ecsi_print(text, " after %g s;", (double)desc->interval_s);
    if (system->fixed.step_s > 0) {
        ecsi_print(text, " in steps of %g s, at most %u a tick;", (double)system->fixed.step_s,
                   system->fixed.steps_max);
    }
    if (desc->main_thread) {
        ecsi_print(text, " on the thread that ticks;");
    } else if (system->unsplit && system->run != NULL) {
        ecsi_print(text, " unsplit;");
    }
    if (desc->stream_bytes_max != 0) {
        ecsi_print(text, " at most %llu bytes of commands a row block;",
                   (unsigned long long)desc->stream_bytes_max);
    }
    if (desc->io_intents > 0) ecsi_print(text, " declares %u I/O requests;", desc->io_intents);
    if (desc->budget_ns > 0) {
        ecsi_print(text, " more than %llu ns %s;", (unsigned long long)desc->budget_ns,
                   desc->budget_fails ? "are a failure" : "are counted");
    }
    ecsi_explain_failure(text, system);
    ecsi_print(text, "\n");
    ECSI_CHECK(text->total > total);
}

/* Why one system comes where it comes: what it must wait for, directly. */
static void ecsi_explain_system(ecsi_text *text, const ecsi_schedule *schedule,
                                const ecsi_phase *phase, uint32_t member)
{
    const ecsi_components *components = schedule->queries->storage->components;
    const ecsi_system *system =
        ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, member));
    uint32_t i;
    ECSI_CHECK(schedule->built);
    ecsi_print(text, "  %s%s%s:", system->name, system->run_exclusive != NULL ? " exclusive" : "",
               system->enabled ? "" : " disabled");
    ecsi_explain_terms(text, components, system->query);
    ecsi_print(text, "\n");
    ecsi_explain_policy(text, system);
    for (i = 0; i < phase->count; i++) {
        const ecsi_system *other =
            ecsi_system_at(schedule, ecsi_phase_system(schedule, phase, i));
        uint32_t component;
        if (i == member || !ecsi_phase_after(schedule, phase, i, member)) continue;
        if (ecsi_system_precedes(other, system)) {
            ecsi_print(text, "    after %s: explicit order\n", other->name);
        } else if (ecsi_systems_conflict(other, system, &component)) {
            ecsi_print(text, "    after %s: both touch ", other->name);
            ecsi_conflict_print(text, schedule, other, system, true);
            ecsi_print(text, "\n");
        }
    }
    ECSI_CHECK(i == phase->count);
}

/* A group, and those of its systems that are in no phase's order. */
static void ecsi_explain_group(ecsi_text *text, const ecsi_schedule *schedule,
                               const ecsi_group *group)
{
    const ecsi_components *components = schedule->queries->storage->components;
    const ecs_group_desc *desc = &group->desc;
    uint32_t i;
    ECSI_CHECK(schedule->built);
    ECSI_CHECK(group->number != 0);
    ecsi_print(text, "group %s:%s %u systems", group->name, group->enabled ? "" : " disabled,",
               group->system_count);
    if (group->reason[0] != 0) {
        ecsi_print(text, ", asynchronous, but runs synchronously: %s", group->reason);
    } else if (group->detached && group->phase != 0) {
        ecsi_print(text, ", asynchronous, launched when %s begins, applied ",
                   ecsi_phase_at(schedule, group->phase)->name);
        if (desc->when_ready) {
            ecsi_print(text, "when ready");
        } else {
            ecsi_print(text, "%u ticks later", desc->apply_after);
        }
        ecsi_print(text, ", %u of %u under way", group->under_way, desc->depth);
    }
    ecsi_print(text, "\n");
    for (i = 0; i < schedule->systems.count; i++) {
        const ecsi_system *system = ecsi_system_at(schedule, i);
        if (system->group != group) continue;
        ecsi_print(text, "  %s%s:", system->name, system->enabled ? "" : " disabled");
        ecsi_explain_terms(text, components, system->query);
        ecsi_print(text, "\n");
        if (system->detached) ecsi_explain_policy(text, system);
    }
}

static void ecsi_explain_schedule_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    uint32_t p;
    ECSI_CHECK(schedule->phases.count == schedule->phase_order.count);
    if (!schedule->built) {
        ecsi_print(text, "not built%s%s", schedule->error[0] == 0 ? " yet\n" : ":\n",
                   schedule->error);
        return;
    }
    for (p = 0; p < schedule->phase_order.count; p++) {
        const ecsi_phase *phase =
            ecsi_phase_at(schedule, *ECSI_VEC_AT(uint32_t, &schedule->phase_order, p));
        uint32_t place;
        ecsi_print(text, "phase %s: %u systems", phase->name, phase->count);
        if (phase->fixed.step_s > 0) {
            ecsi_print(text, ", fixed step %g s, at most %u a tick",
                       (double)phase->fixed.step_s, phase->fixed.steps_max);
        }
        ecsi_print(text, "\n");
        for (place = 0; place < phase->count; place++) {
            ecsi_explain_system(text, schedule, phase,
                                ecsi_phase_member(schedule, phase, place));
        }
    }
    ECSI_CHECK(p == schedule->phase_order.count);
    for (p = 0; p < schedule->groups.count; p++) {
        ecsi_explain_group(text, schedule, ecsi_group_at(schedule, p));
    }
}

static const char *ecsi_explain_recorder(const ecsi_schedule *schedule, uint32_t system)
{
    uint32_t i;
    ECSI_CHECK(schedule != NULL);
    if (system == ECSI_NO_SYSTEM) return "the world's stream";
    for (i = 0; i < schedule->systems.count; i++) {
        if (ecsi_system_at(schedule, i)->stamp == system) return ecsi_system_at(schedule, i)->name;
    }
    return "a system that was removed";
}

static void ecsi_explain_drops_text(ecsi_text *text, const ecsi_schedule *schedule)
{
    static const char *const kinds[] = {"stream", "spawn", "despawn", "add",
                                        "remove", "set",   "custom",  "event",
                                        "request"};
    const ecsi_flush *flush = schedule->flush;
    uint32_t kept = ecsi_min_u32(flush->drop_count, ECSI_DROPS_MAX);
    uint32_t i;
    ecsi_print(text, "%u commands dropped, the last %u:\n", flush->drop_count, kept);
    for (i = flush->drop_count - kept; i != flush->drop_count; i++) {
        const ecsi_drop *drop = &flush->drops[i % ECSI_DROPS_MAX];
        ECSI_CHECK(drop->kind < ECSI_COMMAND_KINDS);
        ecsi_print(text, "  tick %llu: %s", (unsigned long long)drop->tick, kinds[drop->kind]);
        if (drop->component != 0) {
            ecsi_print(text, " %s", ecsi_component_name(flush->components, drop->component));
        }
        if (drop->kind == ECSI_COMMAND_REQUEST) {
            ecsi_print(text, " for I/O");
        } else if ((drop->entity >> 31 & 1u) != 0) {
            ecsi_print(text, " on a provisional entity");
        } else {
            ecsi_print(text, " on entity %u generation %u", (uint32_t)drop->entity,
                       (uint32_t)(drop->entity >> 32));
        }
        ecsi_print(text, ", recorded by %s: %s", ecsi_explain_recorder(schedule, drop->system),
                   ecs_status_text(drop->why));
        if (drop->killer != ECSI_NO_SYSTEM) {
            ecsi_print(text, "; despawned by %s",
                       ecsi_explain_recorder(schedule, drop->killer));
        }
        ecsi_print(text, "\n");
    }
    ECSI_CHECK(kept <= ECSI_DROPS_MAX);
}

#endif /* ECS_NO_EXPLAIN */

#endif /* ECS_EXPLAIN_H */
