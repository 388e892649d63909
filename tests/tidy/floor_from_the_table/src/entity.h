/* The module entity. */

#ifndef ENTITY_H
#define ENTITY_H

static int ecsi_b(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
