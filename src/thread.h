/* thread.h: the clock and its sleep; threads, locks, parking, the processors of this machine.
 *
 * A parker is one token: unpark puts it there, park takes it or sleeps until it comes. Three
 * implementations stand behind it, chosen at build time and on Windows at run time:
 *
 *   futex            Linux: a word that the kernel compares and sleeps on
 *   WaitOnAddress    Windows 8 and later, the same idea; looked up when it is first needed
 *   condition        a mutex and a condition variable, everywhere else, or with ECS_PARK_COND
 *
 * A lock is a word too (Drepper, "Futexes Are Tricky", 2011): 0 free, 1 taken, 2 taken and
 * somebody sleeps. Where there is no futex it yields instead of sleeping: the sections that it
 * guards are a few instructions long. */
/* floor: 0 */
#ifndef ECS_THREAD_H
#define ECS_THREAD_H

#include "atomic.h"

#ifndef ECSI_ATOMIC_MODEL

#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <time.h>
#if !defined(ECS_NO_THREADS)
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#if !defined(__cplusplus)
long syscall(long number, ...); /* unistd.h has it only beyond POSIX */
#endif
#endif
#endif
#endif

#if defined(__linux__) && !defined(ECS_PARK_COND)
#define ECSI_FUTEX 1
#else
#define ECSI_FUTEX 0
#endif

/* ---- The clock ------------------------------------------------------------------------- */

/* Nanoseconds of a clock that never goes back. */
static uint64_t ecsi_clock_ns(void)
{
#if defined(_WIN32)
    LARGE_INTEGER now;
    LARGE_INTEGER per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (uint64_t)((double)now.QuadPart * 1e9 / (double)per_second.QuadPart);
#else
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

#if !defined(ECS_NO_THREADS) || !defined(ECS_NO_RUN)
/* Tells the core that this is a spinning loop. */
static inline void ecsi_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}
#endif

#ifndef ECS_NO_RUN
#if defined(_WIN32)
/* A waitable timer; NULL: the system refused one. */
typedef HANDLE ecsi_sleeper;

static ecsi_sleeper ecsi_sleeper_open(void)
{
    /* Flag 2 is a timer of high resolution: from Windows 10, version 1803, on. */
    HANDLE timer = CreateWaitableTimerExW(NULL, NULL, 2, TIMER_ALL_ACCESS);
    return timer != NULL ? timer : CreateWaitableTimerExW(NULL, NULL, 0, TIMER_ALL_ACCESS);
}

static void ecsi_sleeper_close(ecsi_sleeper sleeper)
{
    if (sleeper != NULL) (void)CloseHandle(sleeper);
}
#else
typedef char ecsi_sleeper;

static ecsi_sleeper ecsi_sleeper_open(void)
{
    return 0;
}

static void ecsi_sleeper_close(ecsi_sleeper sleeper)
{
    (void)sleeper;
}
#endif

/* Sleeps until the clock shows `until_ns`. It may wake late; a signal wakes it early. */
static void ecsi_sleep_until(ecsi_sleeper sleeper, uint64_t until_ns)
{
#if defined(_WIN32)
    uint64_t now = ecsi_clock_ns();
    LARGE_INTEGER due; /* hundreds of nanoseconds; negative: from now on */
    if (until_ns <= now) return;
    due.QuadPart = -(LONGLONG)((until_ns - now + 99u) / 100u);
    if (sleeper != NULL && SetWaitableTimer(sleeper, &due, 0, NULL, NULL, FALSE) != 0) {
        (void)WaitForSingleObject(sleeper, INFINITE);
    } else {
        Sleep((DWORD)((until_ns - now + 999999u) / 1000000u));
    }
#else
    struct timespec time;
    (void)sleeper;
#if defined(TIMER_ABSTIME) && !defined(__APPLE__) && !defined(__OpenBSD__)
    time.tv_sec = (time_t)(until_ns / 1000000000u);
    time.tv_nsec = (long)(until_ns % 1000000000u);
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
#else
    {
        uint64_t now = ecsi_clock_ns();
        if (until_ns <= now) return;
        time.tv_sec = (time_t)((until_ns - now) / 1000000000u);
        time.tv_nsec = (long)((until_ns - now) % 1000000000u);
        (void)nanosleep(&time, NULL);
    }
#endif
#endif
}
#endif /* ECS_NO_RUN */

#ifndef ECS_NO_THREADS

/* ---- Processors ------------------------------------------------------------------------ */

static void ecsi_yield(void)
{
#if defined(_WIN32)
    (void)SwitchToThread();
#else
    (void)sched_yield();
#endif
}

/* Words of a processor mask: 1,024 processors. */
#define ECSI_CPU_WORDS 16u

/* The processors that this thread may use; answers how many, at least 1. */
static uint32_t ecsi_cpu_mask(uint64_t *mask)
{
    uint32_t count = 0;
    uint32_t i;
    memset(mask, 0, ECSI_CPU_WORDS * sizeof *mask);
#if defined(__linux__)
    if (syscall(SYS_sched_getaffinity, 0, ECSI_CPU_WORDS * sizeof *mask, mask) < 0) mask[0] = 1;
#elif defined(_WIN32)
    {
        SYSTEM_INFO info;
        GetSystemInfo(&info);
        mask[0] = (uint64_t)info.dwActiveProcessorMask;
    }
#else
    {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        for (i = 0; i < ECSI_CPU_WORDS * 64 && (long)i < online; i++) {
            mask[i / 64] |= (uint64_t)1 << (i % 64);
        }
    }
#endif
    for (i = 0; i < ECSI_CPU_WORDS * 64; i++) count += (uint32_t)(mask[i / 64] >> (i % 64) & 1u);
    return count == 0 ? 1 : count;
}

/* Binds the calling thread to the n-th processor that it may use, counted round. A wish. */
static void ecsi_cpu_bind(uint32_t n)
{
    uint64_t mask[ECSI_CPU_WORDS];
    uint32_t left = n % ecsi_cpu_mask(mask);
    uint32_t i;
    for (i = 0; i < ECSI_CPU_WORDS * 64; i++) {
        if ((mask[i / 64] >> (i % 64) & 1u) == 0) continue;
        if (left == 0) break;
        left--;
    }
    if (i == ECSI_CPU_WORDS * 64) return;
    memset(mask, 0, sizeof mask);
    mask[i / 64] = (uint64_t)1 << (i % 64);
#if defined(__linux__)
    (void)syscall(SYS_sched_setaffinity, 0, sizeof mask, mask);
#elif defined(_WIN32)
    (void)SetThreadAffinityMask(GetCurrentThread(), (DWORD_PTR)mask[0]);
#endif
}

/* ---- Threads ----------------------------------------------------------------------------- */

#if defined(_WIN32)
typedef HANDLE ecsi_thread;
#define ECSI_THREAD_ANSWER DWORD WINAPI
#else
typedef pthread_t ecsi_thread;
#define ECSI_THREAD_ANSWER void *
#endif

#if defined(_WIN32)
typedef DWORD ecsi_thread_id;
#else
typedef pthread_t ecsi_thread_id;
#endif

static ecsi_thread_id ecsi_thread_self(void)
{
#if defined(_WIN32)
    return GetCurrentThreadId();
#else
    return pthread_self();
#endif
}

/* Whether this thread is the one of that id. */
static bool ecsi_thread_is(ecsi_thread_id id)
{
#if defined(_WIN32)
    return GetCurrentThreadId() == id;
#else
    return pthread_equal(pthread_self(), id) != 0;
#endif
}

/* Its id as a number, for atomics; never 0 while it runs. */
static inline uint64_t ecsi_thread_number(void)
{
    return (uint64_t)(uintptr_t)ecsi_thread_self();
}

/* False when the system refuses. */
static bool ecsi_thread_start(ecsi_thread *thread, ECSI_THREAD_ANSWER (*run)(void *), void *data)
{
#if defined(_WIN32)
    *thread = CreateThread(NULL, 0, run, data, 0, NULL);
    return *thread != NULL;
#else
    return pthread_create(thread, NULL, run, data) == 0;
#endif
}

static void ecsi_thread_join(ecsi_thread thread)
{
#if defined(_WIN32)
    (void)WaitForSingleObject(thread, INFINITE);
    (void)CloseHandle(thread);
#else
    (void)pthread_join(thread, NULL);
#endif
}

/* ---- A word that threads sleep on ---------------------------------------------------------- */

/* No time limit. */
#define ECSI_FOREVER UINT64_MAX

#if ECSI_FUTEX
#define ECSI_WORD_WAIT 1
/* 32-bit machines with 64-bit times have a call of their own. */
#if defined(SYS_futex_time64)
#define ECSI_FUTEX_TIME64 SYS_futex_time64
#else
#define ECSI_FUTEX_TIME64 SYS_futex
#endif
#define ECSI_FUTEX_WAIT_PRIVATE 128
#define ECSI_FUTEX_WAKE_PRIVATE 129

/* Sleeps while *word is `seen`, until a wake, a signal or the time: callers look again. */
static void ecsi_word_wait(const ecsi_atomic_u32 *word, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec time;
    time.tv_sec = (time_t)(timeout_ns / 1000000000u);
    time.tv_nsec = (long)(timeout_ns % 1000000000u);
    (void)syscall(sizeof time.tv_sec > sizeof(long) ? ECSI_FUTEX_TIME64 : SYS_futex, &word->value,
                  ECSI_FUTEX_WAIT_PRIVATE, seen, timeout_ns == ECSI_FOREVER ? NULL : &time, NULL,
                  0);
}

/* Only the address is used: the word may be gone already. */
static void ecsi_word_wake(const ecsi_atomic_u32 *word)
{
    (void)syscall(SYS_futex, &word->value, ECSI_FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
#elif defined(_WIN32) && !defined(ECS_PARK_COND)
#define ECSI_WORD_WAIT 1
typedef BOOL(WINAPI *ecsi_wait_on)(volatile VOID *, PVOID, SIZE_T, DWORD);
typedef VOID(WINAPI *ecsi_wake_by)(PVOID);

/* A function of the synchronisation library, or NULL before Windows 8. */
static FARPROC ecsi_sync_function(const char *name)
{
    HMODULE library = GetModuleHandleA("api-ms-win-core-synch-l1-2-0.dll");
    if (library == NULL) library = LoadLibraryA("api-ms-win-core-synch-l1-2-0.dll");
    return library == NULL ? NULL : GetProcAddress(library, name);
}

/* Without WaitOnAddress it sleeps in steps of a millisecond. */
static void ecsi_word_wait(const ecsi_atomic_u32 *word, uint32_t seen, uint64_t timeout_ns)
{
    ecsi_wait_on wait = (ecsi_wait_on)(void (*)(void))ecsi_sync_function("WaitOnAddress");
    DWORD time = timeout_ns == ECSI_FOREVER
                     ? INFINITE
                     : (DWORD)((timeout_ns > 1000000000000u ? 1000000000000u
                                                            : timeout_ns + 999999u) / 1000000u);
    if (wait == NULL) {
        Sleep(1);
    } else {
        (void)wait((volatile VOID *)(uintptr_t)&word->value, &seen, sizeof seen, time);
    }
}

static void ecsi_word_wake(const ecsi_atomic_u32 *word)
{
    ecsi_wake_by wake = (ecsi_wake_by)(void (*)(void))ecsi_sync_function("WakeByAddressSingle");
    if (wake != NULL) wake((PVOID)(uintptr_t)&word->value);
}
#else
#define ECSI_WORD_WAIT 0
#endif

/* ---- Locks --------------------------------------------------------------------------------- */

/* Tries before a lock sleeps. */
#define ECSI_LOCK_SPINS 64u

/* The lock is taken by somebody else. */
static ECSI_NOINLINE void ecsi_lock_slow(ecsi_atomic_u32 *lock)
{
    uint32_t spins;
    for (spins = 0; spins < ECSI_LOCK_SPINS; spins++) {
        uint32_t seen = 0;
        if (ECSI_CAS(lock, &seen, 1u, acquire, relaxed)) return;
        ecsi_pause();
    }
#if ECSI_WORD_WAIT
    while (ECSI_SWAP(lock, 2u, acquire) != 0) ecsi_word_wait(lock, 2, ECSI_FOREVER);
#else
    while (ECSI_SWAP(lock, 1u, acquire) != 0) ecsi_yield();
#endif
}

static inline void ecsi_lock(ecsi_atomic_u32 *lock)
{
    uint32_t seen = 0;
    /* Pairs with the release of ecsi_unlock. */
    if (ECSI_UNLIKELY(!ECSI_CAS(lock, &seen, 1u, acquire, relaxed))) ecsi_lock_slow(lock);
}

static inline void ecsi_unlock(ecsi_atomic_u32 *lock)
{
#if ECSI_WORD_WAIT
    if (ECSI_UNLIKELY(ECSI_SWAP(lock, 0u, release) == 2)) ecsi_word_wake(lock);
#else
    (void)ECSI_SWAP(lock, 0u, release); /* no store: ECSI_RMW_FENCE may follow */
#endif
}

/* ---- Parking ------------------------------------------------------------------------------- */

enum { ECSI_TOKEN_NONE, ECSI_TOKEN_HERE, ECSI_TOKEN_AWAITED };

typedef struct ecsi_parker {
    ecsi_atomic_u32 token;
#if !ECSI_WORD_WAIT
#if defined(_WIN32)
    SRWLOCK mutex;
    CONDITION_VARIABLE condition;
#else
    pthread_mutex_t mutex;
    pthread_cond_t condition;
#endif
#endif
} ecsi_parker;

/* False when the system refuses. */
static bool ecsi_parker_create(ecsi_parker *parker)
{
    ECSI_STORE(&parker->token, (uint32_t)ECSI_TOKEN_NONE, relaxed);
#if !ECSI_WORD_WAIT
#if defined(_WIN32)
    InitializeSRWLock(&parker->mutex);
    InitializeConditionVariable(&parker->condition);
#else
    {
        pthread_condattr_t attributes;
        bool made = pthread_condattr_init(&attributes) == 0;
        if (!made) return false;
#if !defined(__APPLE__)
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
        made = pthread_cond_init(&parker->condition, &attributes) == 0;
        (void)pthread_condattr_destroy(&attributes);
        if (!made) return false;
        if (pthread_mutex_init(&parker->mutex, NULL) == 0) return true;
        (void)pthread_cond_destroy(&parker->condition);
        return false;
    }
#endif
#endif
    return true;
}

static void ecsi_parker_destroy(ecsi_parker *parker)
{
#if !ECSI_WORD_WAIT && !defined(_WIN32)
    (void)pthread_mutex_destroy(&parker->mutex);
    (void)pthread_cond_destroy(&parker->condition);
#else
    (void)parker;
#endif
}

/* Takes the token if it is there: pairs with the release of ecsi_unpark. */
static inline bool ecsi_token_take(ecsi_parker *parker)
{
    uint32_t seen = ECSI_TOKEN_HERE;
    return ECSI_CAS(&parker->token, &seen, (uint32_t)ECSI_TOKEN_NONE, acquire, relaxed);
}

#if ECSI_WORD_WAIT
/* Sleeps until the token is there, and takes it. False: the time was up. */
static bool ecsi_park(ecsi_parker *parker, uint64_t timeout_ns)
{
    uint64_t end = 0;
    uint32_t seen = ECSI_TOKEN_NONE;
    if (timeout_ns != ECSI_FOREVER) {
        uint64_t now = ecsi_clock_ns();
        end = timeout_ns > ECSI_FOREVER - 1 - now ? ECSI_FOREVER - 1 : now + timeout_ns;
    }
    if (!ECSI_CAS(&parker->token, &seen, (uint32_t)ECSI_TOKEN_AWAITED, acquire, acquire)) {
        /* By an exchange: another token may come right now, and this one is for both then. */
        (void)ECSI_SWAP(&parker->token, (uint32_t)ECSI_TOKEN_NONE, acquire);
        return true;
    }
    for (;;) {
        ecsi_word_wait(&parker->token, ECSI_TOKEN_AWAITED, timeout_ns);
        if (ecsi_token_take(parker)) return true;
        if (timeout_ns == ECSI_FOREVER) continue;
        timeout_ns = ecsi_clock_ns();
        if (timeout_ns >= end) break;
        timeout_ns = end - timeout_ns;
    }
    /* The token may have come at this moment. */
    return ECSI_SWAP(&parker->token, (uint32_t)ECSI_TOKEN_NONE, acquire) == ECSI_TOKEN_HERE;
}

/* Puts the token there. The parker may be gone when the sleeper is woken: only its address is
 * used then. */
static void ecsi_unpark(ecsi_parker *parker)
{
    if (ECSI_SWAP(&parker->token, (uint32_t)ECSI_TOKEN_HERE, release) == ECSI_TOKEN_AWAITED) {
        ecsi_word_wake(&parker->token);
    }
}
#else
#if defined(_WIN32)
#define ECSI_MUTEX_LOCK(p) AcquireSRWLockExclusive(&(p)->mutex)
#define ECSI_MUTEX_UNLOCK(p) ReleaseSRWLockExclusive(&(p)->mutex)
#else
#define ECSI_MUTEX_LOCK(p) ((void)pthread_mutex_lock(&(p)->mutex))
#define ECSI_MUTEX_UNLOCK(p) ((void)pthread_mutex_unlock(&(p)->mutex))
#endif

/* One sleep of ecsi_park, with the mutex held; false: the time was up. */
static bool ecsi_condition_wait(ecsi_parker *parker, uint64_t end, uint64_t now)
{
#if defined(_WIN32)
    DWORD time = end == ECSI_FOREVER ? INFINITE : (DWORD)((end - now + 999999u) / 1000000u);
    return SleepConditionVariableSRW(&parker->condition, &parker->mutex, time, 0) != 0;
#else
    struct timespec until;
    if (end == ECSI_FOREVER) {
        return pthread_cond_wait(&parker->condition, &parker->mutex) == 0;
    }
#if defined(__APPLE__)
    until.tv_sec = (time_t)((end - now) / 1000000000u);
    until.tv_nsec = (long)((end - now) % 1000000000u);
    return pthread_cond_timedwait_relative_np(&parker->condition, &parker->mutex, &until) == 0;
#else
    (void)now;
    until.tv_sec = (time_t)(end / 1000000000u);
    until.tv_nsec = (long)(end % 1000000000u);
    return pthread_cond_timedwait(&parker->condition, &parker->mutex, &until) == 0;
#endif
#endif
}

/* Sleeps until the token is there, and takes it. False: the time was up. */
static bool ecsi_park(ecsi_parker *parker, uint64_t timeout_ns)
{
    uint64_t now = timeout_ns == ECSI_FOREVER ? 0 : ecsi_clock_ns();
    uint64_t end = timeout_ns >= ECSI_FOREVER - 1 - now ? ECSI_FOREVER : now + timeout_ns;
    bool taken = ecsi_token_take(parker);
    if (taken) return true;
    ECSI_MUTEX_LOCK(parker);
    for (;;) {
        taken = ecsi_token_take(parker);
        if (taken || (end != ECSI_FOREVER && now >= end)) break;
        (void)ecsi_condition_wait(parker, end, now);
        if (end != ECSI_FOREVER) now = ecsi_clock_ns();
    }
    ECSI_MUTEX_UNLOCK(parker);
    return taken;
}

static void ecsi_unpark(ecsi_parker *parker)
{
    ECSI_MUTEX_LOCK(parker);
    ECSI_STORE(&parker->token, (uint32_t)ECSI_TOKEN_HERE, release);
#if defined(_WIN32)
    WakeConditionVariable(&parker->condition);
#else
    (void)pthread_cond_signal(&parker->condition);
#endif
    ECSI_MUTEX_UNLOCK(parker);
}
#endif

#else
static inline uint64_t ecsi_thread_number(void)
{
    return 1;
}
#endif /* ECS_NO_THREADS */
#endif /* ECSI_ATOMIC_MODEL */

#endif /* ECS_THREAD_H */
