/* The module memory. */
/* floor: 2 */

#ifndef MEMORY_H
#define MEMORY_H

static int ecsi_m(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    p = malloc(1);
    return 1;
}

#endif
