/* platform.h: the ground floor, and the only module that asks which system and compiler
 * this is. Everything above sees the same few functions everywhere. */
/* floor: 0 */
#ifndef ECS_PLATFORM_H
#define ECS_PLATFORM_H

#include "macros.h"

#if defined(__STRICT_ANSI__) && !defined(__cplusplus) && !defined(_WIN32) && \
    !defined(_POSIX_C_SOURCE) && !defined(_GNU_SOURCE) && !defined(_DEFAULT_SOURCE)
#error "ecs.h: a system header came first; include ecs.h first or define _POSIX_C_SOURCE=200809L"
#endif

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include <malloc.h>
#elif defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ECSI_NOINLINE __attribute__((noinline))
#define ECSI_COLD __attribute__((noinline, cold))
/* Functions that copy a caller's value of a size known at run time only: inlined into the
 * caller, they make gcc warn of sizes that never occur. */
#define ECSI_TAKES_DATA __attribute__((noinline))
#else
#define ECSI_NOINLINE
#define ECSI_COLD
#define ECSI_TAKES_DATA
#endif

#if defined(__clang__)
#define ECSI_NO_MSAN __attribute__((no_sanitize("memory")))
#else
#define ECSI_NO_MSAN
#endif

/* Memory of an alignment that malloc does not promise; NULL when refused. `align` is a
 * power of two and at least that of a pointer. */
static void *ecsi_aligned_alloc(size_t bytes, size_t align)
{
#if defined(_WIN32)
    return _aligned_malloc(bytes, align);
#else
    void *memory = NULL;
    return posix_memalign(&memory, align, bytes) == 0 ? memory : NULL;
#endif
}

/* Bytes of a huge page where they are usual. */
#define ECSI_HUGE_BYTES ((size_t)2 << 20)
#if defined(__linux__) && defined(MADV_HUGEPAGE)
#define ECSI_HUGE_PAGES 1
#else
#define ECSI_HUGE_PAGES 0
#endif

/* Asks for huge pages inside of large memory: random access to millions of rows then misses
 * the cache only, not the page table as well. A wish that may be ignored. */
static void ecsi_huge_pages(void *memory, size_t bytes)
{
#if ECSI_HUGE_PAGES
    uintptr_t from = ((uintptr_t)memory + ECSI_HUGE_BYTES - 1) & ~(ECSI_HUGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)memory + bytes) & ~(ECSI_HUGE_BYTES - 1);
    if (from < to) (void)madvise((void *)from, (size_t)(to - from), MADV_HUGEPAGE);
#else
    (void)memory;
    (void)bytes;
#endif
}

static void ecsi_aligned_free(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

/* Number of zero bits below the lowest set bit. `bits` is not 0. */
static inline uint32_t ecsi_lowest_bit(uint64_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return (uint32_t)__builtin_ctzll(bits);
#else
    uint32_t n = 0;
    while ((bits >> n & 1u) == 0) n++;
    return n;
#endif
}

#ifndef ECS_NO_IO
/* Number of the highest set bit. `bits` is not 0. */
static inline uint32_t ecsi_highest_bit(uint64_t bits)
{
#if defined(__GNUC__) || defined(__clang__)
    return 63u - (uint32_t)__builtin_clzll(bits);
#else
    uint32_t n = 0;
    while (bits >> n > 1u) n++;
    return n;
#endif
}
#endif

#endif /* ECS_PLATFORM_H */
