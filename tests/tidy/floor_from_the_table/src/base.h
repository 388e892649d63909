/* The module base. */

#ifndef BASE_H
#define BASE_H

#include "entity.h"
static int ecsi_a(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
