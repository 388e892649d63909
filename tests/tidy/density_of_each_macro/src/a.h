/* The module a. */
/* floor: 3 */

#ifndef A_H
#define A_H

static int ecsi_a(int a)
{
    ECS_ASSERT(a);
    ECSI_ASSERT(a);
    ECSI_CHECK(a);
    ECSI_CHECK_SLOW(a);
    ECSI_REQUIRE(a);
    return a;
}
static int ecsi_b(int a)
{
    a++;
    a++;
    a++;
    return a;
}
static int ecsi_c(int a)
{
    a++;
    a++;
    a++;
    return a;
}

#endif
