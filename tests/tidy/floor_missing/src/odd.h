/* The module odd. */

#ifndef ODD_H
#define ODD_H

static int ecsi_a(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
