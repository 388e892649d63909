/* The module b. */
/* floor: 4 */

#ifndef B_H
#define B_H

static int ecsi_b(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
