/* remove.h: takes systems out between ticks.
 *
 * What a system has is given back: its event readers, its query, its memory. Getters stay, for
 * they belong to the component. The order in which the others were registered stays as it is,
 * so what they do next is what they would have done without it. Commands that are recorded
 * already carry the system's stamp, which no other system ever gets. */
/* floor: 11 */
#ifndef ECS_REMOVE_H
#define ECS_REMOVE_H

#include "launch.h"

/* The last report holds pointers to names: those of this system go into the schedule. */
static void ecsi_report_detach(ecsi_schedule *schedule, const ecsi_system *system)
{
    ecs_tick_report *report = &schedule->report;
    uint32_t i;
    ECSI_CHECK(report->failure_count <= ECS_FAILURES_MAX);
    ECSI_CHECK(system != NULL);
    for (i = 0; i < report->failure_count; i++) {
        if (report->failures[i].system != system->name) continue;
        memcpy(schedule->gone_names[i], system->name, sizeof system->name);
        report->failures[i].system = schedule->gone_names[i];
    }
}

/* Its fini may edit the world and tick it, but not add or remove systems. */
static void ecsi_system_take_out(ecsi_schedule *schedule, uint32_t index)
{
    ecsi_system *system = ecsi_system_at(schedule, index);
    ecsi_system **list = (ecsi_system **)schedule->systems.data;
    uint32_t after = schedule->systems.count - index - 1;
    ECSI_CHECK(!schedule->ticking);
    ECSI_CHECK(!schedule->adding);
    memmove(&list[index], &list[index + 1], after * sizeof *list);
    schedule->systems.count--;
    schedule->built = false;
    ecsi_report_detach(schedule, system);
    ecsi_groups_forget(schedule, system);
    if (system->desc.fini != NULL) {
        schedule->adding = true;
        system->desc.fini(schedule->world, system->desc.user);
        schedule->adding = false;
    }
    ecsi_system_free(schedule, system);
}

#endif /* ECS_REMOVE_H */
