/* The module c. */
/* floor: 5 */

#ifndef C_H
#define C_H

#include "b.h"
static int ecsi_c(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return ecsi_b(a) + t.ecsi_c(a);
}
static int ecsi_user(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return ecsi_c(a);
}

#endif
