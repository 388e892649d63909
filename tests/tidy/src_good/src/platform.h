/* The module platform. */
/* floor: 0 */

#ifndef PLATFORM_H
#define PLATFORM_H

#if defined(__linux__) && \
    defined(__x86_64__)
#endif
static int ecsi_p(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
