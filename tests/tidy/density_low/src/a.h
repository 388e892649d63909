/* The module a. */
/* floor: 3 */

#ifndef A_H
#define A_H

static int ecsi_a(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}
static int ecsi_b(int a)
{
    ECSI_CHECK(a);
    ECSI_CHECKED(a); /* ECSI_CHECK(a) */
    g();
    return 1;
}

#endif
