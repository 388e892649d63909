// The scenarios by oneTBB: task groups, parallel_for, a flow graph. Where there is more than one
// usual form the faster one counts. See jobs.h.
#include "jobs.h"

#include <memory>
#include <vector>

#include <oneapi/tbb.h>

namespace {

void spawn(void *, uint64_t repeats)
{
    tbb::task_group group;
    for (uint64_t r = 0; r < repeats; r++) {
        group.run([] { jobs_nothing(); });
        group.wait();
    }
}

void spawn100(void *, uint64_t repeats)
{
    tbb::task_group group;
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < JOBS_BATCH; i++) group.run([] { jobs_nothing(); });
        group.wait();
    }
}

uint64_t fib_of(uint32_t n)
{
    if (n < 2) return n;
    uint64_t x = 0;
    tbb::task_group group;
    group.run([&x, n] { x = fib_of(n - 1); });
    uint64_t y = fib_of(n - 2);
    group.wait();
    return x + y;
}

void fib(void *state, uint64_t repeats)
{
    uint32_t n = *static_cast<uint32_t *>(state);
    for (uint64_t r = 0; r < repeats; r++) jobs_need(fib_of(n) == jobs_fib(n), "fib");
}

uint64_t sky_of(uint64_t first, uint64_t size)
{
    if (size == 1) return first;
    uint64_t parts[10], sum = 0;
    tbb::task_group group;
    for (uint64_t i = 0; i < 10; i++) {
        group.run([&parts, i, first, size] {
            parts[i] = sky_of(first + i * (size / 10), size / 10);
        });
    }
    group.wait();
    for (uint64_t part : parts) sum += part;
    return sum;
}

void skynet(void *, uint64_t repeats)
{
    for (uint64_t r = 0; r < repeats; r++) {
        jobs_need(sky_of(0, JOBS_LEAVES) == jobs_leaves_sum(), "skynet");
    }
}

struct for_range {
    void operator()(const tbb::blocked_range<size_t> &range) const
    {
        jobs_for_body(range.begin(), range.end());
    }
};

void loop_auto(void *state, uint64_t repeats)
{
    tbb::blocked_range<size_t> all(0, *static_cast<uint32_t *>(state));
    for (uint64_t r = 0; r < repeats; r++) {
        tbb::parallel_for(all, for_range(), tbb::auto_partitioner());
    }
}

void loop_static(void *state, uint64_t repeats)
{
    tbb::blocked_range<size_t> all(0, *static_cast<uint32_t *>(state));
    for (uint64_t r = 0; r < repeats; r++) {
        tbb::parallel_for(all, for_range(), tbb::static_partitioner());
    }
}

void heavy(void *, uint64_t repeats)
{
    tbb::blocked_range<size_t> all(0, JOBS_HEAVY);
    auto body = [](const tbb::blocked_range<size_t> &r) { jobs_heavy_body(r.begin(), r.end()); };
    for (uint64_t r = 0; r < repeats; r++) {
        tbb::parallel_for(all, body, tbb::auto_partitioner());
    }
}

// The wavefront as a flow graph that is built once...
using wave_message = tbb::flow::continue_msg;
using wave_node = tbb::flow::continue_node<wave_message>;

struct wave_graph {
    tbb::flow::graph graph;
    std::vector<std::unique_ptr<wave_node>> nodes;

    wave_graph() : nodes(JOBS_BLOCKS)
    {
        for (uint32_t i = JOBS_BLOCKS; i-- > 0;) {
            nodes[i] = std::make_unique<wave_node>(
                graph, [i](const wave_message &) { jobs_wave_body(i); });
            if (i + JOBS_SIDE < JOBS_BLOCKS) tbb::flow::make_edge(*nodes[i], *nodes[i + JOBS_SIDE]);
            if ((i + 1) % JOBS_SIDE != 0) tbb::flow::make_edge(*nodes[i], *nodes[i + 1]);
        }
    }
};

void wave_by_graph(void *state, uint64_t repeats)
{
    wave_graph *wave = static_cast<wave_graph *>(state);
    for (uint64_t r = 0; r < repeats; r++) {
        wave->nodes[0]->try_put(wave_message());
        wave->graph.wait_for_all();
    }
}

// ...and as a task group with a counter for each block.
void wave_task(tbb::task_group *group, uint32_t block)
{
    uint32_t below = block + JOBS_SIDE, right = block + 1;
    jobs_wave_body(block);
    jobs_wave_arm(block);
    if (below < JOBS_BLOCKS && jobs_wave_ready(below)) {
        group->run([group, below] { wave_task(group, below); });
    }
    if (right % JOBS_SIDE != 0 && jobs_wave_ready(right)) {
        group->run([group, right] { wave_task(group, right); });
    }
}

void wave_by_counts(void *, uint64_t repeats)
{
    tbb::task_group group;
    for (uint64_t r = 0; r < repeats; r++) {
        group.run([&group] { wave_task(&group, 0); });
        group.wait();
    }
}

double wavefront()
{
    wave_graph graph;
    jobs_wave_open();
    double by_graph = jobs_measure(wave_by_graph, &graph, JOBS_BLOCKS);
    jobs_wave_check();
    jobs_wave_open();
    double by_counts = jobs_measure(wave_by_counts, nullptr, JOBS_BLOCKS);
    jobs_wave_check();
    return by_graph < by_counts ? by_graph : by_counts;
}

double loops(uint32_t count)
{
    jobs_for_open(count);
    loop_auto(&count, 1);
    jobs_for_check(count);
    double by_auto = jobs_measure(loop_auto, &count, count);
    jobs_for_open(count);
    loop_static(&count, 1);
    jobs_for_check(count);
    double by_static = jobs_measure(loop_static, &count, count);
    return by_auto < by_static ? by_auto : by_static;
}

double pingpong()
{
    tbb::task_group group;
    for (int32_t k = -JOBS_PINGS_WARM; k < jobs_ping_count(); k++) {
        uint64_t start_ns = jobs_ping_begin(k);
        group.run([] { jobs_ping_hit(); });
        jobs_ping_end(k, start_ns);
        group.wait();
    }
    return jobs_ping_result();
}

double measure(const char *scenario, uint32_t workers)
{
    uint32_t n = jobs_fib_of(scenario);
    uint32_t count = jobs_for_count(scenario);
    if (jobs_is(scenario, "spawn")) return jobs_measure(spawn, nullptr, 1);
    if (jobs_is(scenario, "spawn100")) return jobs_measure(spawn100, nullptr, JOBS_BATCH);
    if (jobs_is(scenario, "fib") || jobs_is(scenario, "oversub")) {
        return jobs_measure(fib, &n, jobs_fib_items(n));
    }
    if (count > 0) return loops(count);
    if (jobs_is(scenario, "heavy10k")) {
        jobs_heavy_open();
        double value = jobs_measure(heavy, nullptr, JOBS_HEAVY);
        jobs_heavy_check();
        return value;
    }
    if (jobs_is(scenario, "skynet")) return jobs_measure(skynet, nullptr, JOBS_LEAVES);
    if (jobs_is(scenario, "wavefront")) return wavefront();
    if (jobs_is(scenario, "pingpong") && workers > 1) return pingpong();
    return -1;
}

} // namespace

int main(int argc, char **argv)
{
    uint32_t workers = jobs_arguments(argc, argv);
    if (workers == 0) return 2;
    tbb::global_control control(tbb::global_control::max_allowed_parallelism, workers);
    // The arena that is there already has no more slots than processors: oversub needs more.
    tbb::task_arena arena(static_cast<int>(workers));
    double value = -1;
    if (jobs_is(argv[1], "idlecpu")) {
        uint32_t n = jobs_fib_of(argv[1]);
        arena.execute([&] { fib(&n, 1); });
        value = jobs_idle_ms();
    } else {
        arena.execute([&] { value = measure(argv[1], workers); });
    }
    if (value < 0) jobs_print_none(argv[1], workers);
    else jobs_print(argv[1], workers, value);
    return 0;
}
