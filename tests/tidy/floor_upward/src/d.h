/* The module d. */
/* floor: 3 */

#ifndef D_H
#define D_H

#include "a.h"
#include "b.h"
static int ecsi_d(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
