/* checker.cpp: the model checker behind atomics.h: relacy's atomics, three ways to search, and
 * the races that relacy itself would not see. Linked to each suite.
 *
 *     SUITE list
 *     SUITE random FIRST LAST [NAME]    executions FIRST to LAST of each scenario
 *     SUITE bound  SWITCHES CAP [NAME]  all executions with so many preemptions, CAP at most
 *     SUITE hunt   LAST CAP [NAME]      until something fails: random in growing rounds, then
 *                                       bounded by 1, 2 and 3
 *
 * with -v before: the trace of the failure as well. Exit 1 when a scenario fails. */
#include "atomics.h"

#include <stdlib.h>
#include <string.h>

#include <relacy/relacy.hpp>

#undef new
#undef delete
#undef malloc
#undef free
#undef assert

enum { MODEL_THREADS_MAX = 4, MODEL_CELLS_MAX = 512 };

/* Accesses by each thread, on its own clock. */
struct model_stamps {
    rl::timestamp_t read[MODEL_THREADS_MAX];
    rl::timestamp_t write[MODEL_THREADS_MAX];
};

/* Never used twice in one execution, so what is gone stays gone. */
struct model_cell {
    bool alive;
    bool is_atomic;
    model_kind kind;
    model_stamps stamps;
    alignas(16) unsigned char room[sizeof(rl::atomic<uint64_t>)];

    rl::atomic<uint64_t> &atomic() { return *(rl::atomic<uint64_t> *)(void *)room; }
};

static model_cell cells[MODEL_CELLS_MAX];
static unsigned cell_count;
/* A load of a CLAIMED atomic that waits for its CAS. */
static model_cell *claim[MODEL_THREADS_MAX];
static rl::timestamp_t claim_time[MODEL_THREADS_MAX];

static rl::debug_info info_of(model_here here)
{
    return rl::debug_info(here.function, here.file, here.line);
}

static rl::memory_order order_of(model_order order)
{
    switch (order) {
    case model_relaxed: return rl::mo_relaxed;
    case model_acquire: return rl::mo_acquire;
    case model_release: return rl::mo_release;
    case model_acq_rel: return rl::mo_acq_rel;
    case model_seq_cst: break;
    }
    return rl::mo_seq_cst;
}

void model_fail(const char *what, model_here here)
{
    rl::ctx().fail_test(what, rl::test_result_user_assert_failed, info_of(here));
}

model_cell *model_cell_new(void)
{
    if (cell_count == MODEL_CELLS_MAX) abort();
    model_cell *cell = &cells[cell_count++];
    memset((void *)cell, 0, sizeof *cell);
    cell->alive = true;
    return cell;
}

void model_cell_end(model_cell *cell)
{
    if (!cell->alive) model_fail("ended twice", MODEL_HERE);
    if (cell->is_atomic) cell->atomic().~atomic();
    cell->alive = false;
}

void model_cell_kind(model_cell *cell, model_kind kind)
{
    cell->kind = kind;
}

/* ---- Races ------------------------------------------------------------------------------- */

static void race(model_here here)
{
    rl::ctx().fail_test("data race", rl::test_result_data_race, info_of(here));
}

/* Did all accesses of these times happen before this moment of this thread? */
static bool all_before(const rl::timestamp_t *times)
{
    rl::thread_info_base &self = *rl::ctx().threadx_;
    for (rl::thread_id_t i = 0; i < rl::ctx().get_thread_count(); i++) {
        if (self.acq_rel_order_[i] < times[i]) return false;
    }
    return true;
}

static rl::timestamp_t tick(void)
{
    return ++rl::ctx().threadx_->own_acq_rel_order_;
}

void model_touch(model_cell *cell, bool write, model_here here)
{
    rl::thread_id_t self = rl::ctx().threadx_->index_;
    if (!cell->alive) {
        rl::ctx().fail_test("a field", rl::test_result_access_to_freed_memory, info_of(here));
    }
    if (!all_before(cell->stamps.write)) race(here);
    if (write && !all_before(cell->stamps.read)) race(here);
    (write ? cell->stamps.write : cell->stamps.read)[self] = tick();
}

static void checked_load(model_cell *cell, model_here here)
{
    rl::thread_id_t self = rl::ctx().threadx_->index_;
    if (cell->kind == MODEL_PLAIN) model_touch(cell, false, here);
    if (cell->kind == MODEL_CLAIMED) {
        claim[self] = cell;
        claim_time[self] = tick();
    }
}

static void checked_store(model_cell *cell, model_here here)
{
    if (cell->kind == MODEL_PLAIN) model_touch(cell, true, here);
    if (cell->kind == MODEL_CLAIMED && !all_before(cell->stamps.read)) race(here);
}

static void checked_cas(bool won)
{
    rl::thread_id_t self = rl::ctx().threadx_->index_;
    if (won && claim[self] != NULL) claim[self]->stamps.read[self] = claim_time[self];
    claim[self] = NULL;
}

/* ---- Atomics ----------------------------------------------------------------------------- */

/* Every operation may be preempted before, once; and the atomic must be there after that. */
struct step {
    explicit step(model_cell *cell, model_here here)
    {
        rl::ctx().sched();
        if (!cell->alive) {
            rl::ctx().fail_test("an atomic", rl::test_result_access_to_freed_memory,
                                info_of(here));
        }
        if (!cell->is_atomic) {
            new ((void *)cell->room, model_place()) rl::atomic<uint64_t>();
            cell->is_atomic = true;
        }
        rl::ctx().disable_preemption();
    }
    ~step() { rl::ctx().enable_preemption(); }
};

uint64_t model_load(model_cell *cell, model_order order, model_here here)
{
    step one(cell, here);
    if (order == model_release || order == model_acq_rel) abort();
    uint64_t value = cell->atomic().load(order_of(order), info_of(here));
    checked_load(cell, here);
    return value;
}

void model_store(model_cell *cell, uint64_t to, model_order order, model_here here)
{
    step one(cell, here);
    if (order == model_acquire || order == model_acq_rel) abort();
    checked_store(cell, here);
    cell->atomic().store(to, order_of(order), info_of(here));
}

uint64_t model_add(model_cell *cell, uint64_t more, model_order order, model_here here)
{
    step one(cell, here);
    return cell->atomic().fetch_add(more, order_of(order), info_of(here));
}

uint64_t model_sub(model_cell *cell, uint64_t less, model_order order, model_here here)
{
    step one(cell, here);
    return cell->atomic().fetch_sub(less, order_of(order), info_of(here));
}

uint64_t model_swap(model_cell *cell, uint64_t to, model_order order, model_here here)
{
    step one(cell, here);
    return cell->atomic().exchange(to, order_of(order), info_of(here));
}

/* A CAS that fails is a load, and a load may see an old value: relacy's always sees the newest.
 * So now and then we look first. */
static bool fails_early(model_cell *cell, uint64_t *seen, model_order failed, model_here here)
{
    if (!rl::ctx().is_random_sched() || rl::ctx().rand(4, rl::sched_type_user) != 0) return false;
    uint64_t old = cell->atomic().load(order_of(failed), info_of(here));
    if (old == *seen) return false;
    *seen = old;
    return true;
}

bool model_cas(model_cell *cell, uint64_t *seen, uint64_t to, model_order order,
               model_order failed, model_here here)
{
    step one(cell, here);
    bool won = false;
    if (failed == model_release || failed == model_acq_rel) abort();
    if (!fails_early(cell, seen, failed, here)) {
        /* relacy refuses a failure order that is stronger than the other one. */
        bool stronger = failed == model_acquire &&
                        (order == model_relaxed || order == model_release);
        won = cell->atomic().compare_exchange(rl::bool_t<false>(), *seen, to, order_of(order),
                                              stronger ? rl::mo_relaxed : order_of(failed),
                                              info_of(here));
        if (!won && stronger) rl::ctx().atomic_thread_fence_acquire();
    }
    checked_cas(won);
    return won;
}

void model_fence(model_order order, model_here here)
{
    if (order == model_relaxed) return;
    rl::atomic_thread_fence(order_of(order), info_of(here));
}

/* No step between the look and the sleep: the kernel does both under its lock. */
bool model_sleep(model_cell *cell, uint64_t value, bool timed, model_here here)
{
    rl::ctx().sched();
    if (!cell->alive || cell->atomic().debug_value() != value) return true;
    return cell->atomic().wait(rl::ctx(), timed, false, info_of(here)) !=
           rl::unpark_reason_timeout;
}

/* Only the address is used: it may be gone. */
void model_wake_all(model_cell *cell, model_here here)
{
    rl::ctx().sched();
    if (cell->alive) (void)cell->atomic().wake(rl::ctx(), MODEL_THREADS_MAX, info_of(here));
}

void model_yield(model_here here)
{
    rl::yield(1, info_of(here));
}

/* ---- A random scheduler ---------------------------------------------------------------------
 *
 * Bugs need few preemptions at the right places, and a coin toss at each step makes many at all
 * places. So executions differ in how they schedule: coin toss, seldom, or by priorities that
 * change a few times (Burckhardt et al. 2010). */

template <rl::thread_id_t N>
class model_scheduler
    : public rl::scheduler<model_scheduler<N>, rl::scheduler_thread_info, N> {
public:
    typedef rl::scheduler<model_scheduler<N>, rl::scheduler_thread_info, N> base;
    typedef typename base::thread_info_t thread_info_t;
    typedef typename base::shared_context_t shared_context_t;
    struct task_t {};

    model_scheduler(rl::test_params &params, shared_context_t &shared, rl::thread_id_t dynamic)
        : base(params, shared, dynamic)
    {
    }

    rl::thread_id_t iteration_begin_impl()
    {
        random = this->iter_ * 0x9e3779b97f4a7c15u;
        stay = this->iter_ % 4 == 1 ? 4 : 12;
        by_priority = this->iter_ % 4 == 3;
        steps = 0;
        low = 0;
        for (unsigned i = 0; i < N; i++) priority[i] = 1000 + (int)next(1000);
        for (unsigned i = 0; i < CHANGES; i++) change[i] = next(80);
        last = -1;
        rl::unpark_reason reason;
        return schedule_impl(reason, 0);
    }

    bool iteration_end_impl() { return this->iter_ == this->params_.iteration_count; }

    rl::thread_id_t schedule_impl(rl::unpark_reason &reason, unsigned yield)
    {
        rl::thread_id_t running = this->running_threads_count;
        rl::thread_id_t timed = this->timed_thread_count_;
        if (timed > 0) {
            unsigned at = next(running > 0 ? (unsigned)timed * 6 : (unsigned)timed);
            if (at < (unsigned)timed) {
                last = this->timed_threads_[at]->index_;
                this->unpark_thread(last);
                reason = rl::unpark_reason_timeout;
                return last;
            }
        }
        reason = rl::unpark_reason_normal;
        last = by_priority ? highest(yield) : tossed(yield);
        return last;
    }

    unsigned rand_impl(unsigned limit, rl::sched_type) { return next(limit); }
    rl::iteration_t iteration_count_impl() { return this->params_.iteration_count; }
    void get_state_impl(std::ostream &) {}
    void set_state_impl(std::istream &) {}
    void on_thread_block(rl::thread_id_t, bool) {}

private:
    enum { CHANGES = 3 };
    uint64_t random;
    unsigned stay;
    bool by_priority;
    unsigned steps;
    int low;
    int priority[N];
    unsigned change[CHANGES];
    rl::thread_id_t last;

    /* SplitMix64. */
    unsigned next(unsigned limit)
    {
        uint64_t x = random += 0x9e3779b97f4a7c15u;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        return (unsigned)((x ^ (x >> 31)) % limit);
    }

    rl::thread_id_t tossed(unsigned yield)
    {
        bool here = false;
        for (rl::thread_id_t i = 0; i < this->running_threads_count; i++) {
            here = here || this->running_threads[i] == last;
        }
        if (here && yield == 0 && this->iter_ % 4 != 0 && next(stay) != 0) return last;
        return this->running_threads[next((unsigned)this->running_threads_count)];
    }

    rl::thread_id_t highest(unsigned yield)
    {
        for (unsigned i = 0; i < CHANGES; i++) {
            if (last >= 0 && change[i] == steps) priority[last] = --low;
        }
        steps++;
        if (yield > 0 && last >= 0) priority[last] = --low;
        rl::thread_id_t best = this->running_threads[0];
        for (rl::thread_id_t i = 1; i < this->running_threads_count; i++) {
            if (priority[this->running_threads[i]] > priority[best]) {
                best = this->running_threads[i];
            }
        }
        return best;
    }
};

/* ---- Running ----------------------------------------------------------------------------- */

static const model_scenario *now;
static uint64_t executions;
static uint64_t executions_max;

template <rl::thread_id_t N> struct model_suite : rl::test_suite<model_suite<N>, N> {
    alignas(64) unsigned char room[8192];

    void before()
    {
        cell_count = 0;
        memset(claim, 0, sizeof claim);
        if (++executions > executions_max) {
            executions--;
            rl::ctx().fail_test("enough", rl::test_result_until_condition_hit, $);
        }
        if (now->bytes > sizeof room) abort();
        now->begin(room);
    }
    void thread(unsigned index) { now->thread(room, index); }
    void after() { now->after(room); }
};

static bool verbose;

/* One search, and with -v once more with its trace. */
template <typename suite, typename scheduler>
static rl::test_result_e search(rl::test_params &params)
{
    rl::ostringstream state;
    rl::test_result_e result = rl::run_test<suite, scheduler>(params, state, false);
    if (verbose && result != rl::test_result_success &&
        result != rl::test_result_until_condition_hit) {
        rl::ostringstream rest;
        params.initial_state = state.str();
        params.collect_history = true;
        params.output_stream = &std::cout;
        (void)rl::run_test<suite, scheduler>(params, rest, true);
    }
    return result;
}

template <rl::thread_id_t N> static rl::test_result_e search_by(rl::test_params &params)
{
    if (params.search_type == rl::random_scheduler_type) {
        return search<model_suite<N>, model_scheduler<N> >(params);
    }
    return search<model_suite<N>, rl::context_bound_scheduler<N> >(params);
}

/* True: nothing failed. */
static bool run_one(const model_scenario *scenario, bool random, uint64_t first, uint64_t last)
{
    rl::ostringstream quiet;
    rl::ostringstream begin;
    rl::test_params params;
    rl::test_result_e result = rl::test_result_success;
    now = scenario;
    executions = 0;
    executions_max = random ? UINT64_MAX : last;
    begin << first << " ";
    if (random) params.initial_state = begin.str();
    params.iteration_count = last;
    params.context_bound = (unsigned)first;
    params.search_type = random ? rl::random_scheduler_type
                                : rl::fair_context_bound_scheduler_type;
    params.output_stream = &quiet;
    params.progress_stream = &quiet;
    params.execution_depth_limit = 20000;
    switch (scenario->threads) {
    case 2: result = search_by<2>(params); break;
    case 3: result = search_by<3>(params); break;
    case 4: result = search_by<4>(params); break;
    default: abort();
    }
    bool all = result == rl::test_result_success;
    bool good = all || result == rl::test_result_until_condition_hit;
    if (!good) {
        printf("%s: %s in %s execution %llu\n", scenario->name, rl::test_result_str(result),
               random ? "random" : "bounded", (unsigned long long)params.stop_iteration);
    } else if (random) {
        printf("%s: random %llu to %llu\n", scenario->name, (unsigned long long)first,
               (unsigned long long)last);
    } else {
        printf("%s: %s%llu with %llu preemptions\n", scenario->name,
               all ? "all " : "the first ", (unsigned long long)executions,
               (unsigned long long)first);
    }
    fflush(stdout);
    return good;
}

static bool run_all(bool random, uint64_t first, uint64_t last, const char *name, bool hunting)
{
    bool good = true;
    for (unsigned i = 0; i < model_scenario_count; i++) {
        if (name != NULL && strcmp(model_scenarios[i].name, name) != 0) continue;
        if (!run_one(&model_scenarios[i], random, first, last)) good = false;
        if (hunting && !good) break;
    }
    return good;
}

static bool hunt(uint64_t last, uint64_t cap, const char *name)
{
    uint64_t first = 1;
    uint64_t until = 300;
    while (first <= last) {
        if (!run_all(true, first, until < last ? until : last, name, true)) return false;
        first = until + 1;
        until *= 4;
    }
    for (unsigned i = 1; cap > 0 && i <= 3; i++) {
        if (!run_all(false, i, cap, name, true)) return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "-v") == 0) {
        verbose = true;
        argc--;
        argv++;
    }
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t last = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    const char *name = argc > 4 ? argv[4] : NULL;
    if (argc > 1 && strcmp(argv[1], "random") == 0) {
        return !run_all(true, first, last, name, false);
    }
    if (argc > 1 && strcmp(argv[1], "bound") == 0) {
        return !run_all(false, first, last, name, false);
    }
    if (argc > 1 && strcmp(argv[1], "hunt") == 0) return !hunt(first, last, name);
    for (unsigned i = 0; i < model_scenario_count; i++) puts(model_scenarios[i].name);
    return 0;
}
