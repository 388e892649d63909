/* launch.h: asynchronous groups: what they read is copied, they run beside the ticks, and what
 * they recorded is applied when the tick comes that was named at the launch.
 *
 * Each system of a launch is a work. It is due, then somebody claims it and runs it, then it has
 * ended. A thread of the pool that has nothing else to do claims it, or the thread that
 * needs the results and finds it still due; so a busy pool only makes the tick wait, and no
 * pool at all is the same as one worker.
 *
 * Why the result is one: the copies are made at a defined place of the schedule, the streams'
 * serials are given there, each work records into memory of its own, and failures are judged
 * when the results are applied. What a work does in between nobody can see. */
/* floor: 11 */
#ifndef ECS_LAUNCH_H
#define ECS_LAUNCH_H

#include "backend.h"

/* ---- Copies --------------------------------------------------------------------------- */

/* Copies what one system reads into a launch. */
typedef struct ecsi_copier {
    ecsi_launch *launch;
    const ecsi_system *system;
    const ecsi_components *components;
    size_t bytes_max;
    ecsi_span **link;               /* where the next span goes */
    void *columns[ECS_TERMS_MAX];   /* of terms that are no columns */
} ecsi_copier;

/* Memory for a copy; NULL: there is no room. Whether there is must not depend on the address of
 * the copies, which is a multiple of 64: above that a copy counts with all that it may skip. */
static void *ecsi_copy_take(const ecsi_copier *copier, size_t bytes, size_t align)
{
    ecsi_launch *launch = copier->launch;
    size_t start = ecsi_align_up(launch->copied, ecsi_min_u32(ecsi_max_u32((uint32_t)align, 16),
                                                              64));
    size_t slack = align > 64 ? align - 64 : 0;
    size_t at = (size_t)(uintptr_t)launch->copies + start;
    ECSI_CHECK(align <= ECS_ALIGN_MAX);
    ECSI_CHECK(launch->copied <= copier->bytes_max);
    if (start > copier->bytes_max || slack > copier->bytes_max - start) return NULL;
    if (bytes > copier->bytes_max - start - slack) return NULL;
    launch->copied = start + slack + bytes;
    if (slack > 0) start += ecsi_align_up(at, align) - at;
    ECSI_CHECK(start + bytes <= launch->copied);
    return launch->copies + start;
}

static void *ecsi_copy_bytes(const ecsi_copier *copier, const void *from, size_t bytes,
                             size_t align)
{
    void *to = ecsi_copy_take(copier, bytes, align);
    ECSI_CHECK(from != NULL || bytes == 0);
    if (to != NULL && bytes > 0) memcpy(to, from, bytes);
    return to;
}

#ifndef ECS_NO_EVENTS
/* The events that a system has not seen. */
static void *ecsi_copy_events(const ecsi_copier *copier, const ecsi_term_slot *slot,
                              const ecsi_component *c)
{
    ecs_events *events = (ecs_events *)ecsi_copy_bytes(copier, &slot->events,
                                                       sizeof slot->events, 16);
    ECSI_CHECK(slot->reader != 0);
    ECSI_CHECK(c->type.bytes > 0);
    if (events == NULL) return NULL;
    events->data = ecsi_copy_bytes(copier, slot->events.data,
                                   (size_t)events->count * c->type.bytes, c->type.align);
    return events->data != NULL ? events : NULL;
}
#endif

/* Terms that are no columns: resources and events. False: there is no room. */
static bool ecsi_copy_terms(ecsi_copier *copier)
{
    const ecsi_system *system = copier->system;
    uint32_t t;
    ECSI_CHECK(system->query != NULL);
    ECSI_CHECK(system->query->term_count <= ECS_TERMS_MAX);
    for (t = 0; t < system->query->term_count; t++) {
        const ecsi_query_term *term = &system->query->terms[t];
        const ecsi_component *c = ecsi_component_at(copier->components, term->component);
        copier->columns[t] = NULL;
        if (term->access == ECS_ACCESS_RES_READ) {
            copier->columns[t] = ecsi_copy_bytes(copier, system->columns[t], c->type.bytes,
                                                 c->type.align);
#ifndef ECS_NO_EVENTS
        } else if (term->access == ECS_ACCESS_ON) {
            copier->columns[t] = ecsi_copy_events(copier, &system->slots[t], c);
#endif
        } else {
            continue;
        }
        if (copier->columns[t] == NULL) return false;
    }
    return true;
}

/* A span with room for the addresses of its columns. NULL: there is no room. */
static ecsi_span *ecsi_copy_span(ecsi_copier *copier, uint32_t count, uint32_t base)
{
    uint32_t terms = copier->system->query->term_count;
    ecsi_span *span = (ecsi_span *)ecsi_copy_take(copier, sizeof *span + terms * sizeof(void *),
                                                  16);
    ECSI_CHECK(*copier->link == NULL);
    if (span == NULL) return NULL;
    span->next = NULL;
    span->entities = NULL;
    span->count = count;
    span->base = base;
    memcpy(span + 1, copier->columns, terms * sizeof(void *));
    *copier->link = span;
    copier->link = &span->next;
    ECSI_CHECK(sizeof *span % sizeof(void *) == 0);
    return span;
}

/* One row block. False: there is no room. */
static bool ecsi_copy_block(ecsi_copier *copier, const ecsi_match *match, ecsi_chunk *chunk,
                            uint32_t row, uint32_t base)
{
    const ecsi_query *query = copier->system->query;
    const ecsi_table *table = match->table;
    uint32_t count = ecsi_min_u32(table->block_rows, chunk->count - row);
    ecsi_span *span = ecsi_copy_span(copier, count, base);
    void **columns;
    uint32_t t;
    ECSI_CHECK(row < chunk->count);
    if (span == NULL) return false;
    columns = (void **)(void *)(span + 1);
    span->entities = (const ecs_entity *)ecsi_copy_bytes(
        copier, ecsi_chunk_entities(chunk) + row, count * sizeof(ecs_entity), 16);
    if (span->entities == NULL) return false;
    for (t = 0; t < query->term_count; t++) {
        const ecsi_component *c = ecsi_component_at(copier->components,
                                                    query->terms[t].component);
        if (match->columns[t] == ECSI_NO_COLUMN) continue;
        ECSI_CHECK(!query->terms[t].writes);
        columns[t] = ecsi_copy_bytes(
            copier, ecsi_chunk_value(chunk, &table->columns[match->columns[t]], row),
            (size_t)count * c->type.bytes, c->type.align);
        if (columns[t] == NULL) return false;
    }
    return true;
}

/* All that a work reads. False: there is no room. */
static bool ecsi_work_copy(ecsi_schedule *schedule, ecsi_work *work, size_t bytes_max)
{
    const ecsi_query *query = work->system->query;
    ecsi_copier copier;
    uint32_t base = 0;
    uint32_t m;
    copier.launch = work->launch;
    copier.system = work->system;
    copier.components = schedule->flush->components;
    copier.bytes_max = bytes_max;
    copier.link = &work->first;
    ECSI_CHECK(work->first == NULL);
#ifndef ECS_NO_EVENTS
    if (work->system->has_events) ecsi_system_events(schedule, work->system, false);
#endif
    if (!ecsi_copy_terms(&copier)) return false;
    if (query->system) return ecsi_copy_span(&copier, 0, 0) != NULL;
    for (m = 0; m < query->matches.count; m++) {
        const ecsi_match *match = ecsi_match_at(query, m);
        const ecsi_table *table = match->table;
        ecsi_chunk *chunk = table->row_count == 0 ? NULL : table->first;
        for (; chunk != NULL && chunk->count > 0; chunk = chunk->next) {
            uint32_t row;
            ECSI_CHECK(table->block_rows > 0);
            for (row = 0; row < chunk->count; row += table->block_rows) {
                if (!ecsi_copy_block(&copier, match, chunk, row, base + row)) return false;
            }
            base += chunk->count;
        }
    }
    return true;
}

/* ---- Running -------------------------------------------------------------------------- */

/* One try over all spans; answers the status of the lowest row block that failed. */
static ecs_status ecsi_work_try(ecsi_work *work, ecs_worker *worker, uint32_t attempt,
                                uint32_t *block)
{
    ecsi_schedule *schedule = work->schedule;
    uint64_t serial = work->serial + (uint64_t)attempt * work->streams;
    ecs_status status = ECS_OK;
    ecs_commands cmd;
    ecs_view view;
    const ecsi_span *span;
    uint32_t number = 0;
    ECSI_CHECK(attempt < work->attempts);
    memset(&cmd, 0, sizeof cmd);
    cmd.flush = schedule->flush;
    cmd.queue = &work->queue;
    cmd.spawns_max = schedule->spawns_max;
    cmd.detached = true;
    cmd.components_known = work->components_known;
    cmd.events_known = work->events_known;
    memset(&view, 0, sizeof view);
    view.cmd = &cmd;
    view.worker = worker;
    view.user = work->user;
    view.tick = work->launch->tick;
    view.dt = work->dt;
    for (span = work->first; span != NULL; span = span->next, number++) {
        ecs_status one;
        if (number == 0 || !work->unsplit) {
            ecsi_stream_open(&cmd, serial + number, work->stamp, work->stream_bytes);
        }
        view.entities = span->entities;
        view.count = span->count;
        view.base = span->base;
        view.columns = (void *const *)(const void *)(span + 1);
        one = ECSI_UNLIKELY(schedule->watch != NULL)
                  ? ecsi_access_noted(schedule, work->system, &view)
                  : work->run(&view);
        if (ECSI_LIKELY(one == ECS_OK) || status != ECS_OK) continue;
        status = one;
        *block = number;
    }
    ECSI_CHECK(number <= work->streams || work->unsplit);
    return status;
}

/* Who has claimed a work runs it, with the retries that follow at once. */
static void ecsi_work_run(ecsi_work *work, ecs_worker *worker)
{
    uint32_t attempt;
    ECSI_CHECK(ECSI_LOAD(&work->state, relaxed) == ECSI_WORK_RUNNING);
    ECSI_CHECK(work->attempts > 0);
    ecsi_worker_busy(worker, 1);
    for (attempt = 0; attempt < work->attempts; attempt++) {
        uint64_t begin_ns = work->budget_ns != 0 ? ecsi_clock_ns() : 0;
        uint32_t block = 0;
        ecs_status status = ecsi_work_try(work, worker, attempt, &block);
        uint64_t ns = work->budget_ns != 0 ? ecsi_clock_ns() - begin_ns : 0;
        if (ns > work->budget_ns) {
            work->overruns++;
            if (ns - work->budget_ns > work->overrun_ns) work->overrun_ns = ns - work->budget_ns;
            if (work->budget_fails && status == ECS_OK) status = ECS_TIMEOUT;
        }
        work->failed = status != ECS_OK;
        if (!work->failed) break;
        /* The last one counts, even where the report has no room for all before it. */
        work->statuses[ecsi_min_u32(work->fail_count, ECS_FAILURES_MAX)] = status;
        work->blocks[ecsi_min_u32(work->fail_count, ECS_FAILURES_MAX)] = block;
        work->fail_count++;
    }
    ecsi_worker_busy(worker, -1);
}

/* Takes a work that is due. */
static bool ecsi_work_claim(ecsi_work *work)
{
    uint32_t due = ECSI_WORK_DUE;
    ECSI_CHECK(work->launch != NULL);
    /* Acquire: pairs with the release of ecsi_launch_begin, that filled it. */
    return ECSI_CAS(&work->state, &due, (uint32_t)ECSI_WORK_RUNNING, acquire, relaxed);
}

/* A claimed work has ended, run or not. */
static void ecsi_work_end(ecsi_work *work)
{
    ecs_latch *latch = &work->launch->latch;
    ECSI_CHECK(ECSI_LOAD(&work->state, relaxed) == ECSI_WORK_RUNNING);
    ECSI_CHECK((uint32_t)ECSI_LOAD(&latch->word, relaxed) > 0);
    /* Relaxed: the latch publishes it with the rest. */
    ECSI_STORE(&work->state, (uint32_t)ECSI_WORK_ENDED, relaxed);
#ifndef ECS_NO_THREADS
    if (work->schedule->pool != NULL) {
        ecsi_latch_down(work->schedule->pool, latch, 1);
        return;
    }
#endif
    ecs_latch_down(NULL, latch);
}

/* Claims it and runs it here, if it is still due. */
static void ecsi_work_begin(ecsi_work *work, ecs_worker *worker)
{
    ECSI_CHECK(work->launch != NULL);
    if (!ecsi_work_claim(work)) return;
    ECSI_CHECK(work->run != NULL);
#ifndef ECS_NO_THREADS
    /* Relaxed: only this thread must find itself there. */
    ECSI_STORE(&work->runner, ecsi_thread_number(), relaxed);
    ecsi_work_run(work, worker);
    ECSI_STORE(&work->runner, (uint64_t)0, relaxed);
#else
    ecsi_work_run(work, worker);
#endif
    ecsi_work_end(work);
}

static inline bool ecsi_launch_ended(const ecsi_launch *launch)
{
    ECSI_CHECK(launch->number != 0);
    /* Pairs with the count-down of ecsi_work_end: what the works wrote is visible. */
    return (uint32_t)ECSI_LOAD(&launch->latch.word, acquire) == 0;
}

#ifndef ECS_NO_THREADS
/* In the pool. `queued` counts the launches that this job stands for: one that comes while it
 * runs is looked at before it goes. The exchange at the end is the last access. */
static void ecsi_work_job(ecs_worker *worker, void *data)
{
    ecsi_work *work = (ecsi_work *)data;
    uint32_t seen = ECSI_LOAD(&work->queued, acquire);
    ECSI_CHECK(seen > 0);
    do {
        ecsi_work_begin(work, worker);
        ECSI_CHECK(work->schedule != NULL);
        /* Acquire: pairs with the release of ecsi_work_offer, whose work is due by then. Release:
         * pairs with the acquire of ecsi_groups_end, that frees the memory. */
    } while (!ECSI_CAS(&work->queued, &seen, 0u, acq_rel, acquire));
}

/* Hands a work that is due to the pool, if it is not there already. */
static void ecsi_work_offer(ecsi_work *work, bool again)
{
    ecs_pool *pool = work->schedule->pool;
    ECSI_CHECK(pool != NULL);
    ECSI_CHECK(work->job.run == ecsi_work_job);
    if (again && ECSI_LOAD(&work->queued, relaxed) != 0) {
        (void)ecsi_idle_notify(&pool->idle);
        return;
    }
    if (ECSI_ADD(&work->queued, 1u, acq_rel) != 0) return;
    /* Not in the pool: nobody else changes it. */
    if (!ecsi_job_background(pool, &work->job)) ECSI_STORE(&work->queued, 0u, relaxed);
}
#endif

/* Waits until all works of a launch have ended; runs those that nobody has begun. */
static void ecsi_launch_finish(ecsi_launch *launch, ecs_worker *worker)
{
    uint32_t i;
    ECSI_CHECK(launch->number != 0);
    ECSI_CHECK(launch->work_count > 0);
    for (i = 0; i < launch->work_count; i++) ecsi_work_begin(&launch->works[i], worker);
#ifndef ECS_NO_THREADS
    if (!ecsi_launch_ended(launch)) {
        ecs_worker *guest = worker;
        if (guest == NULL) guest = ecs_pool_enter(launch->works[0].schedule->pool);
        if (guest != NULL) ecs_latch_wait(guest, &launch->latch);
        if (worker == NULL) ecs_pool_leave(guest);
        while (!ecsi_launch_ended(launch)) ecsi_yield(); /* as many guests as may be */
    }
#endif
    ECSI_CHECK(ecsi_launch_ended(launch));
}

/* ---- Launching ------------------------------------------------------------------------ */

/* The place of the i-th launch under way, from the oldest on. */
static inline ecsi_launch *ecsi_group_launch(const ecsi_group *group, uint32_t i)
{
    ECSI_CHECK(i < group->desc.depth);
    ECSI_CHECK(group->launches != NULL);
    return &group->launches[(group->first + i) % group->desc.depth];
}

/* Fills a work that has ended but for its copies; `share` are its bytes for commands. A job of an
 * earlier launch may still lie in the pool: it reads nothing of this, for it finds no work that
 * is due. */
static void ecsi_work_fill(ecsi_schedule *schedule, ecsi_work *work, const ecsi_node *node,
                           unsigned char *commands, size_t share)
{
    ecsi_system *system = node->system;
    size_t stream_bytes = system->desc.stream_bytes_max;
    ECSI_CHECK(system->run != NULL);
    ECSI_CHECK(share > sizeof(ecsi_block));
    work->system = system;
    work->run = system->run;
    work->user = system->desc.user;
    work->first = NULL;
    work->streams = ecsi_system_streams(system);
    work->attempts = system->attempts;
    work->stamp = system->stamp;
    work->components_known = schedule->flush->components->list.count;
#ifndef ECS_NO_EVENTS
    work->events_known = schedule->flush->events->list.count;
#endif
    work->unsplit = system->unsplit;
    work->dt = node->dt;
    work->budget_ns = system->desc.budget_ns;
    work->budget_fails = system->desc.budget_fails;
    work->overrun_ns = 0;
    work->overruns = 0;
    work->fail_count = 0;
    work->failed = false;
    if (stream_bytes == 0) stream_bytes = schedule->stream_bytes_max;
    work->stream_bytes = stream_bytes != 0 ? stream_bytes : ECSI_STREAM_BYTES;
    memset(&work->queue, 0, sizeof work->queue);
    work->queue.first = ecsi_block_put(commands, share);
    work->queue.last = work->queue.first;
    work->queue.bytes_max = share;
    work->queue.arena = &work->arena;
    work->arena.data = commands;
    work->arena.bytes = share;
    ECSI_STORE(&work->arena.used, (uint64_t)share, relaxed);
}

/* Copies what all systems that are due read. False: there is no room. */
static bool ecsi_launch_fill(ecsi_schedule *schedule, const ecsi_group *group,
                             ecsi_launch *launch, const ecsi_node *nodes)
{
    size_t share = group->desc.command_bytes_max / group->system_count & ~(size_t)63;
    uint32_t i;
    ECSI_CHECK(group->system_count > 0 && group->system_count <= ECS_GROUP_SYSTEMS_MAX);
    ECSI_CHECK(launch->number == 0 || ecsi_launch_ended(launch));
    launch->copied = 0;
    launch->work_count = 0;
    for (i = 0; i < group->system_count; i++) {
        ecsi_work *work = &launch->works[launch->work_count];
        if (nodes[i].runs == 0) continue;
        ecsi_work_fill(schedule, work, &nodes[i], launch->commands + share * i, share);
        if (!ecsi_work_copy(schedule, work, group->desc.copy_bytes_max)) return false;
        launch->work_count++;
    }
    return true;
}

/* Begins a launch that is filled: serials, events that were seen, jobs. */
static void ecsi_launch_begin(ecsi_schedule *schedule, ecsi_group *group, ecsi_launch *launch)
{
    uint32_t i;
    bool here = true;
    ECSI_CHECK(launch->work_count > 0);
    ECSI_CHECK(group->under_way < group->desc.depth);
    launch->number = ++group->state.launched;
    launch->tick = schedule->tick;
    launch->held = false;
    group->under_way++;
    schedule->under_way++;
    ECSI_STORE(&launch->latch.word, (uint64_t)launch->work_count, relaxed);
#ifndef ECS_NO_THREADS
    here = schedule->pool == NULL || schedule->pool->started == 0;
#endif
    for (i = 0; i < launch->work_count; i++) {
        ecsi_work *work = &launch->works[i];
        work->serial = schedule->flush->serial_next + 1;
        schedule->flush->serial_next += (uint64_t)work->streams * work->attempts;
#ifndef ECS_NO_EVENTS
        if (work->system->has_events) ecsi_system_seen(schedule, work->system);
#endif
#ifndef ECS_NO_ADAPTIVE
        if (schedule->gauge.declares) ecsi_gauge_ran(schedule, work->system);
#endif
        /* Release: pairs with the acquire of ecsi_work_claim. */
        ECSI_STORE(&work->state, (uint32_t)ECSI_WORK_DUE, release);
        if (here) ecsi_work_begin(work, schedule->worker);
#ifndef ECS_NO_THREADS
        if (!here) ecsi_work_offer(work, false);
#endif
    }
}

/* Launches a group if one of its systems is due. One that is refused is due again. */
static void ecsi_group_start(ecsi_schedule *schedule, ecsi_group *group, float dt)
{
    ecsi_node nodes[ECS_GROUP_SYSTEMS_MAX];
    ecsi_launch *launch = NULL;
    uint32_t count = 0;
    uint32_t due = 0;
    uint32_t i;
    ECSI_CHECK(group->detached);
    ECSI_CHECK(group->system_count <= ECS_GROUP_SYSTEMS_MAX);
    for (i = 0; i < schedule->systems.count; i++) {
        ecsi_node *node = &nodes[count];
        if (ecsi_system_at(schedule, i)->group != group) continue;
        memset(node, 0, sizeof *node);
        node->schedule = schedule;
        node->system = ecsi_system_at(schedule, i);
        ecsi_node_plan(schedule, node, dt);
        due += node->runs > 0 ? 1u : 0u;
        count++;
    }
    ECSI_CHECK(count == group->system_count);
    if (due == 0) return;
    if (group->under_way == group->desc.depth) {
        group->state.refused++;
    } else {
        launch = ecsi_group_launch(group, group->under_way);
        if (!ecsi_launch_fill(schedule, group, launch, nodes)) {
            group->state.too_large++;
            launch = NULL;
        }
    }
    if (launch != NULL) {
        ecsi_launch_begin(schedule, group, launch);
        return;
    }
    for (i = 0; i < count; i++) {
        if (nodes[i].runs > 0) ecsi_node_postpone(&nodes[i]);
    }
}

/* ---- Results -------------------------------------------------------------------------- */

/* A try that failed: what follows, unless the system is already waiting because of a launch
 * before this one. Answers whether it failed fast. */
static bool ecsi_work_failed(ecsi_work *work, ecsi_node *node, uint32_t k)
{
    ecsi_schedule *schedule = work->schedule;
    ecsi_system *system = node->system;
    uint32_t kept = ecsi_min_u32(k, ECS_FAILURES_MAX);
    ecs_failure failure = ecsi_failure_make(node, work->statuses[kept], work->blocks[kept]);
    ecsi_outcome outcome = ECSI_GO_ON;
    ECSI_CHECK(k < work->fail_count);
    ECSI_CHECK(!system->failed);
    failure.tick = work->launch->tick;
    if (system->broken || system->wait_ticks > 0) {
        failure.attempt = k;
        system->state.failures++;
        system->state.runs++;
        system->state.last = failure.status;
        system->state.last_tick = schedule->tick;
    } else {
        outcome = ecsi_node_failed(node, &failure);
        (void)ecsi_node_step(node, outcome);
        system->failed = false;
    }
    ecsi_report_failure(schedule, &failure, outcome == ECSI_STOP);
    return outcome == ECSI_STOP;
}

/* Does what follows from how a work went. Answers whether it failed fast. */
static bool ecsi_work_judge(ecsi_work *work)
{
    ecsi_system *system = work->system;
    ecs_tick_report *report = &work->schedule->report;
    ecsi_node node;
    bool fast = false;
    uint32_t k;
    ECSI_CHECK(work->fail_count <= work->attempts);
    if (system == NULL) return false; /* removed since */
    memset(&node, 0, sizeof node);
    node.schedule = work->schedule;
    node.system = system;
    node.runs = 1;
    node.dt = work->dt;
    report->systems_run += work->fail_count + (work->failed ? 0u : 1u);
    report->overruns += work->overruns;
    system->state.overruns += work->overruns;
    if (work->overrun_ns > system->state.overrun_ns) system->state.overrun_ns = work->overrun_ns;
    for (k = 0; k < work->fail_count; k++) fast = ecsi_work_failed(work, &node, k) || fast;
    if (work->failed) return fast;
    ECSI_CHECK(!fast);
    if (system->broken || system->wait_ticks > 0) {
        system->state.runs++;
    } else {
        ecsi_node_succeeded(&node);
        (void)ecsi_node_step(&node, ECSI_GO_ON);
    }
    return false;
}

static inline bool ecsi_batch_empty(const ecsi_batch *batch)
{
    return batch->first == NULL && !batch->spawned;
}

/* Applies what a launch recorded; the schedule's batch is empty. Answers whether a system of it
 * failed fast. */
static bool ecsi_launch_apply(ecsi_schedule *schedule, ecsi_launch *launch)
{
    ecsi_batch *batch = &schedule->batch;
    bool fast = false;
    uint32_t i;
    ECSI_CHECK(ecsi_launch_ended(launch));
    ECSI_CHECK(ecsi_batch_empty(batch));
    memset(batch, 0, sizeof *batch);
    for (i = 0; i < launch->work_count; i++) {
        ecsi_work *work = &launch->works[i];
        ecsi_queue_count(schedule->flush, &work->queue);
        ecsi_batch_add(batch, &work->queue);
        ecsi_batch_take(batch, &work->queue);
        fast = ecsi_work_judge(work) || fast;
    }
    for (i = 0; i < launch->work_count; i++) {
        const ecsi_work *work = &launch->works[i];
        if (work->fail_count == 0) continue;
        ecsi_batch_fail(schedule->flush, batch, work->serial,
                        work->serial + (uint64_t)work->fail_count * work->streams);
    }
    if (ecsi_batch_empty(batch)) memset(batch, 0, sizeof *batch);
    ecsi_schedule_flush(schedule);
    return fast;
}

/* Takes the results of all launches whose tick has come. Answers whether a system failed fast. */
static bool ecsi_group_collect(ecsi_schedule *schedule, ecsi_group *group)
{
    bool fast = false;
    ECSI_CHECK(group->under_way <= group->desc.depth);
    ECSI_CHECK(schedule->ticking);
    while (group->under_way > 0) {
        ecsi_launch *launch = ecsi_group_launch(group, 0);
        uint64_t after = group->desc.when_ready ? 1 : group->desc.apply_after;
        if (!launch->held) {
            if (schedule->tick - launch->tick < after) break;
            if (group->desc.when_ready && !ecsi_launch_ended(launch)) break;
            if (!ecsi_batch_empty(&schedule->batch)) ecsi_schedule_flush(schedule);
            if (!ecsi_batch_empty(&schedule->batch)) break;
            if (!ecsi_launch_ended(launch)) {
                group->state.waited++;
                ecsi_launch_finish(launch, schedule->worker);
            }
            fast = ecsi_launch_apply(schedule, launch) || fast;
            group->state.applied++;
        }
        /* Its memory is needed until its commands are applied. */
        launch->held = !ecsi_batch_empty(&schedule->batch);
        if (launch->held) break;
        group->first = (group->first + 1) % group->desc.depth;
        group->under_way--;
        schedule->under_way--;
    }
    return fast;
}

/* Begins a phase: results first, then new launches. Answers whether a system failed fast. */
static bool ecsi_groups_begin(ecsi_schedule *schedule, uint32_t phase, float dt)
{
    bool fast = false;
    uint32_t i;
    ECSI_CHECK(schedule->ticking);
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_group *group = ecsi_group_at(schedule, i);
        if (group->launches == NULL || group->phase != phase) continue;
        fast = ecsi_group_collect(schedule, group) || fast;
        if (group->detached && group->enabled) ecsi_group_start(schedule, group, dt);
    }
    ECSI_CHECK(schedule->under_way == 0 || schedule->groups.count > 0);
    return fast;
}

/* Begins a tick: works that nobody has begun, because the queue was full or those who were woken
 * had something else to do, are offered again. */
static void ecsi_groups_tick(const ecsi_schedule *schedule)
{
#ifndef ECS_NO_THREADS
    uint32_t i;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(schedule->groups.count <= schedule->groups_max);
    for (i = 0; i < schedule->groups.count && schedule->under_way > 0; i++) {
        const ecsi_group *group = ecsi_group_at(schedule, i);
        for (k = 0; k < group->under_way; k++) {
            ecsi_launch *launch = ecsi_group_launch(group, k);
            for (w = 0; w < launch->work_count && schedule->pool != NULL; w++) {
                ecsi_work *work = &launch->works[w];
                if (ECSI_LOAD(&work->state, relaxed) != ECSI_WORK_DUE) continue;
                ecsi_work_offer(work, true);
            }
        }
    }
#else
    (void)schedule;
#endif
}

/* ---- Life ------------------------------------------------------------------------------ */

/* A system goes away between ticks: its works end first, and what they recorded stays. */
static void ecsi_groups_forget(const ecsi_schedule *schedule, const ecsi_system *system)
{
    ecsi_group *group = system->group;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(!schedule->ticking);
    if (group == NULL) return;
    for (k = 0; k < group->under_way; k++) {
        ecsi_launch *launch = ecsi_group_launch(group, k);
        for (w = 0; w < launch->work_count; w++) {
            if (launch->works[w].system != system) continue;
            ecsi_launch_finish(launch, NULL);
            launch->works[w].system = NULL;
        }
    }
    ECSI_CHECK(group->under_way <= group->desc.depth);
}

#ifndef ECS_NO_THREADS
/* Waits until no job of an ended work is left in the pool. It looks through the queue itself, for
 * the thread that should may be this one; what belongs to other worlds goes back. */
static void ecsi_work_withdraw(ecsi_work *work)
{
    ecs_pool *pool = work->schedule->pool;
    ECSI_CHECK(ECSI_LOAD(&work->state, relaxed) == ECSI_WORK_ENDED);
    /* Acquire: pairs with the release of ecsi_work_job, which is gone then. */
    while (ECSI_LOAD(&work->queued, acquire) != 0) {
        ecs_job *job = (ecs_job *)ecsi_injector_pop(&pool->background);
        ecsi_work *found = job != NULL ? (ecsi_work *)job->data : NULL;
        ECSI_CHECK(job == NULL || job->run == ecsi_work_job);
        if (found != NULL && found->schedule == work->schedule) {
            ecsi_work_job(NULL, found);
        } else if (found != NULL && !ecsi_injector_push(&pool->background, job)) {
            /* No room any more: its world offers it again. Release: the last access. */
            ECSI_STORE(&found->queued, 0u, release);
        } else {
            if (found != NULL) (void)ecsi_idle_notify(&pool->idle);
            ecsi_yield();
        }
    }
}
#endif

/* Ends what is under way: works that run are waited for, others do not begin any more, and what
 * was recorded is dropped. */
static void ecsi_groups_end(ecsi_schedule *schedule)
{
    ecsi_queue_mark start;
    uint32_t i;
    uint32_t k;
    uint32_t w;
    memset(&start, 0, sizeof start);
    ECSI_CHECK(!schedule->ticking);
    /* What could not be applied, launches that are held included, is in no batch any more. */
    for (i = 0; i < schedule->lane_count && !ecsi_batch_empty(&schedule->batch); i++) {
        ecsi_queue_rewind(schedule->flush, &schedule->lanes[i].queue, start);
    }
    memset(&schedule->batch, 0, sizeof schedule->batch);
    for (i = 0; i < schedule->groups.count; i++) {
        ecsi_group *group = ecsi_group_at(schedule, i);
        for (k = 0; k < group->under_way; k++) {
            ecsi_launch *launch = ecsi_group_launch(group, k);
            for (w = 0; w < launch->work_count; w++) {
                if (ecsi_work_claim(&launch->works[w])) ecsi_work_end(&launch->works[w]);
            }
            ecsi_launch_finish(launch, NULL);
            for (w = 0; w < launch->work_count; w++) {
                ecsi_queue_rewind(schedule->flush, &launch->works[w].queue, start);
            }
        }
        schedule->under_way -= group->under_way;
        group->under_way = 0;
#ifndef ECS_NO_THREADS
        for (k = 0; group->launches != NULL && k < group->desc.depth; k++) {
            for (w = 0; w < ECS_GROUP_SYSTEMS_MAX; w++) {
                ecsi_work_withdraw(&group->launches[k].works[w]);
            }
        }
#endif
    }
    ECSI_CHECK(schedule->under_way == 0);
}

/* Whether the calling thread runs a system of an asynchronous group of this world. The world's
 * thread may add a group meanwhile. */
static bool ecsi_groups_inside(const ecsi_schedule *schedule)
{
    bool inside = false;
#ifndef ECS_NO_THREADS
    uint64_t self = ecsi_thread_number();
    uint32_t i;
    uint32_t k;
    uint32_t w;
    ECSI_CHECK(self != 0);
    ecsi_registry_lock(schedule->flush->components);
    for (i = 0; i < schedule->groups.count && !inside; i++) {
        const ecsi_group *group = ecsi_group_at(schedule, i);
        for (k = 0; group->launches != NULL && k < group->desc.depth; k++) {
            for (w = 0; w < ECS_GROUP_SYSTEMS_MAX; w++) {
                if (ECSI_LOAD(&group->launches[k].works[w].runner, relaxed) == self) inside = true;
            }
        }
    }
    ECSI_CHECK(schedule->groups.count <= schedule->groups_max);
    ecsi_registry_unlock(schedule->flush->components);
#else
    (void)schedule;
#endif
    return inside;
}

/* ---- Adding ----------------------------------------------------------------------------- */

/* The description with its defaults. */
static ecs_status ecsi_group_resolve(const ecsi_schedule *schedule, ecs_group_desc *d)
{
    ECSI_CHECK(schedule->memory != NULL);
    ECSI_REQUIRE(d->name != NULL && d->name[0] != 0, ECS_INVALID);
    ECSI_REQUIRE((uint32_t)d->on_error <= ECS_RETRY, ECS_INVALID);
    ECSI_REQUIRE((uint32_t)d->on_exhausted < ECS_RETRY, ECS_INVALID);
    ECSI_REQUIRE(d->retries <= ECS_RETRIES_MAX, ECS_INVALID);
    ECSI_REQUIRE(d->command_bytes_max == 0 || d->command_bytes_max >= 4096, ECS_INVALID);
    if (ecsi_group_find(schedule, d->name) != NULL) return ECS_EXISTS;
    if (ecsi_system_find(schedule, d->name) != ECSI_NO_SYSTEM) return ECS_EXISTS;
    if (d->depth > ECS_LAUNCHES_MAX || d->apply_after > UINT32_MAX / 2) return ECS_TOO_LARGE;
    if (d->apply_after == 0) d->apply_after = 1;
    if (d->depth == 0) d->depth = 1;
    if (d->copy_bytes_max == 0) d->copy_bytes_max = (size_t)1 << 20;
    if (d->command_bytes_max == 0) d->command_bytes_max = (size_t)256 << 10;
    if (d->copy_bytes_max > SIZE_MAX / 256 || d->command_bytes_max > UINT32_MAX / 2) {
        return ECS_TOO_LARGE;
    }
    if (d->asynchronous && schedule->memory->fixed &&
        d->command_bytes_max > schedule->bytes_max) {
        return ECS_TOO_LARGE;
    }
    return ECS_OK;
}

/* Memory for the launches of a group. */
static ecs_status ecsi_group_reserve(ecsi_schedule *schedule, ecsi_group *group)
{
    const ecs_group_desc *d = &group->desc;
    ecsi_memory *memory = schedule->memory;
    size_t copies = ecsi_align_up(d->copy_bytes_max, 64);
    size_t commands = ecsi_align_up(d->command_bytes_max, 64);
    size_t heads = d->depth * ecsi_align_up(sizeof(ecsi_launch), 64);
    unsigned char *data;
    uint32_t i;
    uint32_t w;
    ECSI_CHECK(d->depth > 0 && d->depth <= ECS_LAUNCHES_MAX);
    ECSI_CHECK(group->launches == NULL);
    group->bytes = heads + d->depth * (copies + commands);
    if (group->bytes > schedule->group_bytes_max - schedule->group_bytes) return ECS_FULL;
    data = (unsigned char *)(memory->fixed ? ecsi_keep(memory, group->bytes, 64)
                                           : ecsi_alloc(memory, group->bytes, 64));
    if (data == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    schedule->group_bytes += group->bytes;
    memset(data, 0, heads);
    group->launches = (ecsi_launch *)(void *)data;
    data += heads;
    for (i = 0; i < d->depth; i++, data += copies + commands) {
        ecsi_launch *launch = &group->launches[i];
        launch->copies = data;
        launch->commands = data + copies;
        for (w = 0; w < ECS_GROUP_SYSTEMS_MAX; w++) {
            launch->works[w].schedule = schedule;
            launch->works[w].launch = launch;
#ifndef ECS_NO_THREADS
            launch->works[w].job.run = ecsi_work_job;
            launch->works[w].job.data = &launch->works[w];
#endif
        }
    }
    return ECS_OK;
}

/* Nothing is changed on failure. */
static ecs_status ecsi_group_insert(ecsi_schedule *schedule, const ecs_group_desc *desc)
{
    ecsi_memory *memory = schedule->memory;
    ecsi_keep_mark mark = ecsi_keep_where(memory);
    ecs_group_desc d = *desc;
    ecsi_group *group;
    ecs_status status = ecsi_group_resolve(schedule, &d);
    ECSI_CHECK(!schedule->ticking);
    if (status == ECS_OK) { /* works may look for themselves in the list meanwhile */
        ecsi_registry_lock(schedule->flush->components);
        status = ecsi_vec_reserve(memory, &schedule->groups, schedule->groups.count + 1,
                                  schedule->groups_max, sizeof(ecsi_group *));
        ecsi_registry_unlock(schedule->flush->components);
    }
    if (status != ECS_OK) return status;
    group = (ecsi_group *)ecsi_keep(memory, sizeof *group, 64);
    if (group == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    status = ecsi_name_copy(group->name, d.name);
    if (status == ECS_OK) {
        status = ecsi_order_copy(group->order_names, d.before, &group->before_count);
    }
    if (status == ECS_OK) {
        status = ecsi_order_copy(group->order_names + group->before_count, d.after,
                                 &group->after_count);
    }
    group->desc = d;
    group->desc.name = group->name;
    group->enabled = !d.disabled;
    if (status == ECS_OK && d.asynchronous) status = ecsi_group_reserve(schedule, group);
    if (status != ECS_OK) {
        ecsi_keep_rewind(memory, mark);
        return status;
    }
    ecsi_registry_lock(schedule->flush->components);
    *ECSI_VEC_AT(ecsi_group *, &schedule->groups, schedule->groups.count++) = group;
    ecsi_registry_unlock(schedule->flush->components);
    group->number = schedule->groups.count;
    schedule->built = false;
    ECSI_CHECK(group->launches != NULL || !d.asynchronous);
    return ECS_OK;
}

/* Gives the launches' memory back; nothing is under way. */
static void ecsi_groups_release(const ecsi_schedule *schedule)
{
    uint32_t i;
    ECSI_CHECK(schedule->under_way == 0);
    ECSI_CHECK(schedule->memory != NULL);
    for (i = 0; i < schedule->groups.count && !schedule->memory->fixed; i++) {
        ecsi_group *group = ecsi_group_at(schedule, i);
        if (group->launches == NULL) continue;
        ecsi_release(schedule->memory, group->launches, group->bytes, 64);
        group->launches = NULL;
    }
}

#endif /* ECS_LAUNCH_H */
