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

#endif
