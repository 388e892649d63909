/* The module extra. */
/* floor: 5 */

#ifndef EXTRA_H
#define EXTRA_H

#include "memory.h" /* why */
static int ecsi_later(int a);
static int ecsi_x(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return ecsi_later(a);
}
static int ecsi_later(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
