/* The module a. */
/* floor: 3 */

#ifndef A_H
#define A_H

#if __linux__
#endif
#if _WIN32
#endif
#if __APPLE__
#endif
#if __GNUC__
#endif
#if __clang__
#endif
#if _MSC_VER
#endif
#if __x86_64__
#endif
#if __aarch64__
#endif
#if __SSE2__
#endif
#if __AVX2__
#endif
#if __FreeBSD__
#endif
#if __EMSCRIPTEN__
#endif
#if __SANITIZE_ADDRESS__
#endif
static int ecsi_a(int a)
{
    ECSI_ASSERT(a > 0);
    ECSI_ASSERT(a < 9);
    return a + 1;
}

#endif
