/* model.c: random operations on a world and on the reference model of tests/model.h.
 *
 * A failure prints its seed: `build/check/bin/dev/unit.model --seed N model_replays_a_seed`
 * runs that one alone. */

#define ECS_IMPLEMENTATION
#include "../test.h"
#include "../model.h"

static model the_model;

/* What the scarce world allocates with: malloc that fails now and then. */
static void *scarce_alloc(size_t bytes, size_t align, void *user)
{
    model *m = (model *)user;
    void *memory = NULL;
    if (m->failing && model_pick(m->source, 4) == 0) return NULL;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, bytes) != 0) {
        return NULL;
    }
    memset(memory, 0xa5, bytes);
    return memory;
}

static void scarce_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)align;
    (void)user;
    memset(memory, 0x5a, bytes);
    free(memory);
}

static const ecs_allocator scarce_allocator = {scarce_alloc, NULL, scarce_release, &the_model};

static void source_of_seed(model_source *source, uint64_t seed)
{
    memset(source, 0, sizeof *source);
    source->state = seed;
    source->name = seed;
}

/* One world from its seed: kind 0 as configured at random, 1 fixed and tight, 2 failing. */
static void run_seed(uint64_t seed, uint32_t kind, uint32_t steps)
{
    model_source source;
    model_config config;
    source_of_seed(&source, seed);
    config = model_config_pick(&source);
    config.steps = steps;
    if (kind == 1) {
        config.scarce = true;
        config.small_quota = false;
        config.desc.memory = ECS_MEMORY_FIXED;
        config.desc.chunk_bytes = 1u << 14;
        config.desc.tables_max = 40;
        config.desc.chunks_max = 24;
        config.desc.components_max = 64;
        config.desc.queries_max = 20;
        config.desc.systems_max = 4;
    }
    if (kind == 2) {
        config.scarce = true;
        config.small_quota = false;
        config.desc.memory = ECS_MEMORY_GROW;
        config.desc.allocator = &scarce_allocator;
    }
    model_open(&the_model, &source, &config);
    while (model_step(&the_model)) {}
    model_close(&the_model);
}

static void run_seeds(uint32_t count, uint32_t kind, uint32_t steps)
{
    uint64_t state = test_seed() + kind * 1000003u;
    uint32_t i;
    for (i = 0; i < count; i++) run_seed(test_random_u64(&state) >> 40, kind, steps);
}

TEST(model_random_edits_and_commands_agree)
{
    run_seeds(test_rounds(120, 30000), 0, 4000);
}

TEST(model_many_short_worlds_agree)
{
    run_seeds(test_rounds(1000, 100000), 0, 300);
}

TEST(model_long_lives_agree)
{
    run_seeds(test_rounds(10, 300), 0, 40000);
}

/* What does not fit is refused as a whole. */
TEST(model_tight_fixed_world_refuses_whole)
{
    run_seeds(test_rounds(60, 10000), 1, 4000);
    CHECK(the_model.refusals > 0);
}

TEST(model_failing_allocator_refuses_whole)
{
    run_seeds(test_rounds(60, 10000), 2, 4000);
    CHECK(the_model.refusals > 0);
}

/* For --seed: the seed that a failure printed, with each kind of world. */
TEST(model_replays_a_seed)
{
    run_seed(test_seed(), 0, 40000);
    run_seed(test_seed(), 1, 4000);
    run_seed(test_seed(), 2, 4000);
}
