/* The module b. */
/* floor: 3 */

#ifndef B_H
#define B_H

static int ecsi_b(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    p = malloc(1);
    p = calloc(1, 1);
    p = realloc(p, 1);
    free(p);
    h->free(p);
    return 1;
}

#endif
