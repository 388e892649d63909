/* The module c. */
/* floor: 4 */

#ifndef C_H
#define C_H

#include "b.h"
static int ecsi_c(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
