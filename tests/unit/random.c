/* random.c: the counter-based generator is a pure function with fixed values. */
/* also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

static ecs_entity entity_of(uint64_t bits)
{
    ecs_entity e;
    e.bits = bits;
    return e;
}

/* Computed by an independent program from the description in api.h. */
TEST(random_values_are_fixed)
{
    CHECK_EQ_U64(ecs_random_u64(0, 0, entity_of(0), 0),
                 0xc739f5ec15a29d83u);
    CHECK_EQ_U64(ecs_random_u64(1, 2, entity_of(3), 4),
                 0xc207722d002a03fcu);
    CHECK_EQ_U64(ecs_random_u64(42, 7, entity_of(0x100000005), 1),
                 0x1406609ab6a3254cu);
    CHECK_EQ_U64(ecs_random_u64(UINT64_MAX, UINT64_MAX, entity_of(UINT64_MAX), UINT64_MAX),
                 0xba1edac2cfc33819u);
}

TEST(random_each_argument_counts)
{
    ecs_entity e = entity_of(77);
    uint64_t base = ecs_random_u64(1, 2, e, 3);
    for (uint32_t bit = 0; bit < 64; bit++) {
        uint64_t flip = (uint64_t)1 << bit;
        CHECK(ecs_random_u64(1 ^ flip, 2, e, 3) != base);
        CHECK(ecs_random_u64(1, 2 ^ flip, e, 3) != base);
        CHECK(ecs_random_u64(1, 2, entity_of(77 ^ flip), 3) != base);
        CHECK(ecs_random_u64(1, 2, e, 3 ^ flip) != base);
    }
    CHECK(ecs_random_u64(2, 1, e, 3) != base); /* the order of the arguments as well */
    CHECK_EQ_U64(ecs_random_u64(1, 2, e, 3), base);
}

TEST(random_bits_are_balanced)
{
    uint32_t ones[64];
    enum { COUNT = 20000 };
    memset(ones, 0, sizeof ones);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint64_t word = ecs_random_u64(0, i / 100, entity_of(i % 100), 0);
        for (uint32_t bit = 0; bit < 64; bit++) ones[bit] += (uint32_t)(word >> bit & 1u);
    }
    /* Five standard deviations: sqrt(20000) / 2 = 71. */
    for (uint32_t bit = 0; bit < 64; bit++) {
        CHECK(ones[bit] > COUNT / 2 - 355 && ones[bit] < COUNT / 2 + 355);
    }
}

TEST(random_float_is_at_least_zero_and_below_one)
{
    double sum = 0;
    float least = 1;
    float most = 0;
    uint32_t tenths[10];
    memset(tenths, 0, sizeof tenths);
    for (uint32_t i = 0; i < 100000; i++) {
        float x = ecs_random_float(5, i, entity_of(1), 2);
        CHECK(x >= 0.0f && x < 1.0f);
        sum += (double)x;
        least = x < least ? x : least;
        most = x > most ? x : most;
        tenths[(uint32_t)(x * 10.0f)]++;
    }
    CHECK(sum > 49500 && sum < 50500);
    CHECK(least < 0.001f && most > 0.999f);
    for (uint32_t i = 0; i < 10; i++) CHECK(tenths[i] > 9500 && tenths[i] < 10500);
}

TEST(random_seed_of_the_world_is_kept)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.seed = 0x123456789abcdefu;
    ecs_world *world = ecs_world_create(&desc);
    CHECK_EQ_U64(ecs_world_seed(world), 0x123456789abcdefu);
    ecs_world_destroy(world);
}
