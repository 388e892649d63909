/* The module b. */
/* floor: 4 */

#ifndef B_H
#define B_H

#include "a.h"
static int ecsi_b(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return ecsi_a(a);
}

#endif
