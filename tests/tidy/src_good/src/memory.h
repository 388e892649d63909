/* The module memory. */
/* floor: 2 */

#ifndef MEMORY_H
#define MEMORY_H

#include "platform.h"
static int ecsi_m(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    free(a);
    return 1;
}

#endif
