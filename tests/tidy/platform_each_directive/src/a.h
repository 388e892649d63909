/* The module a. */
/* floor: 3 */

#ifndef A_H
#define A_H

#ifdef __linux__
#elif defined(_WIN32)
#endif
#ifndef __APPLE__
#endif
#  if FOO && \
      defined(__GNUC__)
#endif
/* #if __linux__ */
#define X __GNUC__
static int ecsi_a(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
