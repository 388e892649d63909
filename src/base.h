/* base.h: asserts, small arithmetic, hashing, status texts, bounded text, log. */
/* floor: 1 */
#ifndef ECS_BASE_H
#define ECS_BASE_H

#include "platform.h"

/* ---- Asserts -------------------------------------------------------------------
 *
 * ECS_ASSERT      the caller's contract; cheap, on unless ECS_NO_ASSERT
 * ECSI_REQUIRE    the same, and with asserts off the call answers `answer`
 * ECSI_CHECK      our own invariants; with ECS_DEBUG
 * ECSI_CHECK_SLOW walks structures; with ECS_DEBUG_SLOW */

#ifndef ECS_ASSERT
#ifdef ECS_NO_ASSERT
#define ECS_ASSERT(c) ((void)0)
#else
#define ECS_ASSERT(c) ((c) ? (void)0 : ecsi_assert_failed(#c, __FILE__, __LINE__))
#endif
#endif
#ifdef ECS_DEBUG
#define ECSI_CHECK(c) ((c) ? (void)0 : ecsi_assert_failed(#c, __FILE__, __LINE__))
#else
#define ECSI_CHECK(c) ((void)sizeof(c))
#endif
#ifdef ECS_DEBUG_SLOW
#define ECSI_CHECK_SLOW(c) ECSI_CHECK(c)
#else
#define ECSI_CHECK_SLOW(c) ((void)sizeof(c))
#endif
#define ECSI_REQUIRE(c, answer)                                                    \
    do {                                                                           \
        if (ECSI_UNLIKELY(!(c))) {                                                 \
            ECS_ASSERT(c);                                                         \
            return answer;                                                         \
        }                                                                          \
    } while (0)
/* In functions without an answer. */
#define ECSI_REQUIRE_VOID(c)                                                       \
    do {                                                                           \
        if (ECSI_UNLIKELY(!(c))) {                                                 \
            ECS_ASSERT(c);                                                         \
            return;                                                                \
        }                                                                          \
    } while (0)

ECSI_UNUSED ECSI_COLD static void ecsi_assert_failed(const char *what, const char *file,
                                                     int line)
{
    (void)fprintf(stderr, "ecs: assert failed: %s (%s:%d)\n", what, file, line);
    abort();
}

/* ---- Arithmetic ---------------------------------------------------------------- */

static inline bool ecsi_is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static inline size_t ecsi_align_up(size_t n, size_t align)
{
    ECSI_CHECK(ecsi_is_power_of_two(align));
    return (n + align - 1) & ~(align - 1);
}

static inline uint32_t ecsi_min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t ecsi_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The smallest power of two that is at least n; n is at most 2^31. */
static inline uint32_t ecsi_round_up_power(uint32_t n)
{
    uint32_t power = 1;
    ECSI_CHECK(n <= 0x80000000u);
    while (power < n) power *= 2u;
    ECSI_CHECK(ecsi_is_power_of_two(power));
    return power;
}

/* ---- Hashing ------------------------------------------------------------------- */

/* One word into a running hash: the finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t ecsi_mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) + 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* Up to 8 bytes as a little-endian word. */
static inline uint64_t ecsi_load_le(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;
    size_t i;
    ECSI_CHECK(count <= 8);
    ECSI_CHECK(bytes != NULL || count == 0);
    for (i = 0; i < count; i++) word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/* Bytes in four independent lanes, so that a long column is hashed at the speed of the
 * multiplier and not at its latency. Each step is invertible in the lane. */
static uint64_t ecsi_hash_bytes(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)data;
    uint64_t lane[4];
    size_t left = bytes;
    int i;
    ECSI_CHECK(data != NULL || bytes == 0);
    for (i = 0; i < 4; i++) lane[i] = h + (uint64_t)i * 0x9e3779b97f4a7c15u;
    for (; left >= 32; left -= 32, p += 32) {
        for (i = 0; i < 4; i++) {
            uint64_t x = (lane[i] ^ ecsi_load_le(p + 8 * i, 8)) * 0xbf58476d1ce4e5b9u;
            lane[i] = x ^ (x >> 32);
        }
    }
    for (i = 0; i < 4; i++) h = ecsi_mix(h, lane[i]);
    for (; left >= 8; left -= 8, p += 8) h = ecsi_mix(h, ecsi_load_le(p, 8));
    ECSI_CHECK(left < 8);
    h = ecsi_mix(h, ecsi_load_le(p, left));
    return ecsi_mix(h, (uint64_t)bytes);
}

static uint64_t ecsi_hash_text(const char *text)
{
    ECSI_CHECK(text != NULL);
    return ecsi_hash_bytes(0x6563735f6e616d65u, text, strlen(text));
}

/* ---- Status and text ----------------------------------------------------------- */

ECS_API const char *ecs_status_text(ecs_status status)
{
    switch (status) {
#define ECSI_STATUS_CASE(name, text)                                               \
    case name: return text;
        ECS_STATUS_LIST(ECSI_STATUS_CASE)
#undef ECSI_STATUS_CASE
    case ECS_STATUS_COUNT: break;
    }
    return "unknown status";
}

/* Copies a name into a field of ECS_NAME_BYTES_MAX: ECS_INVALID when it is empty,
 * ECS_TOO_LARGE when it does not fit. */
static ecs_status ecsi_name_copy(char *to, const char *from)
{
    size_t bytes = strlen(from) + 1;
    ECSI_CHECK(to != NULL);
    ECSI_CHECK(from != NULL);
    if (bytes == 1) return ECS_INVALID;
    if (bytes > ECS_NAME_BYTES_MAX) return ECS_TOO_LARGE;
    memcpy(to, from, bytes);
    ECSI_CHECK(to[bytes - 1] == 0);
    return ECS_OK;
}

/* Bounded text: what does not fit is counted, so that the caller can ask for more. */
typedef struct ecsi_text {
    char *at;
    size_t room;  /* bytes left, the closing zero included */
    size_t total; /* bytes of the whole text */
} ecsi_text;

static ecsi_text ecsi_text_begin(char *text, size_t bytes)
{
    ecsi_text t;
    t.at = text;
    t.room = text == NULL ? 0 : bytes;
    t.total = 0;
    if (t.room > 0) t.at[0] = 0;
    return t;
}

ECSI_PRINTF(2, 3) static void ecsi_print(ecsi_text *t, const char *format, ...)
{
    va_list arguments;
    int count;
    ECSI_CHECK(t != NULL);
    ECSI_CHECK(format != NULL);
    ECSI_CHECK(t->room == 0 || t->at != NULL);
    va_start(arguments, format);
    count = vsnprintf(t->room > 0 ? t->at : NULL, t->room, format, arguments);
    va_end(arguments);
    if (count <= 0) return;
    t->total += (size_t)count;
    if ((size_t)count < t->room) {
        t->at += count;
        t->room -= (size_t)count;
    } else if (t->room > 0) {
        t->at += t->room - 1;
        t->room = 1;
    }
    ECSI_CHECK(t->room == 0 || *t->at == 0);
}

/* ---- Log ----------------------------------------------------------------------- */

typedef struct ecsi_log {
    void (*write)(ecs_log_level level, const char *text, void *user);
    void *user;
} ecsi_log;

static void ecsi_log_stderr(ecs_log_level level, const char *text, void *user)
{
    static const char *const name[] = {"error", "warning", "info"};
    (void)user;
    (void)level;
    (void)text;
    ECS_ASSERT(text != NULL);
    ECS_ASSERT((unsigned)level < 3u);
#ifndef ECS_NO_LOG
    (void)fprintf(stderr, "ecs: %s: %s\n", name[level], text);
#else
    (void)name;
#endif
}

/* Longest line of the log, in bytes. */
#define ECSI_LOG_BYTES_MAX 512u

ECSI_PRINTF(3, 4) static void ecsi_log_print(const ecsi_log *log, ecs_log_level level,
                                             const char *format, ...)
{
    char line[ECSI_LOG_BYTES_MAX];
    va_list arguments;
    ECSI_CHECK(log != NULL);
    ECSI_CHECK(format != NULL);
    ECSI_CHECK(log->write != NULL);
    ECSI_CHECK((unsigned)level < 3u);
    va_start(arguments, format);
    if (vsnprintf(line, sizeof line, format, arguments) < 0) line[0] = 0;
    va_end(arguments);
    log->write(level, line, log->user);
}

#endif /* ECS_BASE_H */
