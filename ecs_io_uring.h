/* ecs_io_uring.h: an engine of ecs.h for input and output through io_uring, on Linux 5.1 and later.
 *
 *     #include "ecs.h"
 *     #include "ecs_io_uring.h"
 *
 *     desc.io.engine = ecs_io_uring();     what the system refuses falls back to the next engine
 *
 * The implementation is compiled where ECS_IMPLEMENTATION (or ECS_STATIC) is defined: in the unit
 * of ecs.h or in any other one. It uses the engine interface of ecs.h, raw system calls and
 * constants of its own, so that headers of an old system do not matter.
 *
 * How it works. An operation becomes an entry of the submission ring, and ends when its
 * completion is reaped. What the ring has no room for waits in the engine, in order. What the
 * kernel has no entry for is done by a plain call; where that would wait, an entry waits for
 * readiness first.
 *
 * Order. The kernel carries entries out in any order, and a program shall not see which engine
 * it has. So the engine keeps back what must not overtake: of a stream and direction one
 * operation is under way at a time, and writes to a file and reads or writes that overlap them
 * follow each other.
 *
 * Threads. A ring that knows its thread is cheaper (SINGLE_ISSUER, DEFER_TASKRUN), and most
 * worlds stay on one thread, so this is what is opened. When another thread ticks the world, the
 * kernel refuses that ring (EEXIST), and what is ready in it is carried out by nobody any more:
 * not by the new thread, and not by the old one, which does not come back or has ended. So the
 * engine takes the completions that are there, closes the ring, which makes the kernel cancel
 * the rest, and opens one without these flags. What was cancelled is started again there, but
 * not before the kernel has let go of the buffers. This is seen by a pipe: its only writing end
 * is registered with the ring, and is closed with it. Splices, paths that are opened and handles
 * that are closed may or may not have done their work by then; if they had not been answered
 * they end with -ECANCELED. Who moves worlds often asks for ECS_IO_URING_ANY_THREAD.
 *
 * Fork. A child shares the ring with its parent, so it must not touch it: there, all operations
 * end with -EOWNERDEAD. While such a child lives without having called this engine, a ring that
 * its parent closes lives as well, so it is no time to move a world between threads. */
#ifndef ECS_IO_URING_H
#define ECS_IO_URING_H

#ifndef ECS_H
#error "ecs_io_uring.h: include ecs.h first"
#endif

#ifndef ECS_NO_IO

enum {
    ECS_IO_URING_SQPOLL = 1,     /* a thread of the kernel looks for entries */
    ECS_IO_URING_SQPOLL_CPU = 2, /* ...on the processor sqpoll_cpu */
    ECS_IO_URING_ANY_THREAD = 4, /* see above */
    ECS_IO_URING_NO_WARM = 8     /* no reads past the ring: see ecsi_uring_warm */
};

/* The system calls, for tests. Each answers what the call answers, or a negative errno. */
typedef struct ecs_io_uring_system {
    int (*setup)(uint32_t entries, void *params, void *user);
    int (*enter)(int fd, uint32_t submit, uint32_t wait, uint32_t flags, const void *arg,
                 size_t bytes, void *user);
    int (*control)(int fd, uint32_t what, void *arg, uint32_t count, void *user); /* register */
    void *(*map)(int fd, size_t bytes, uint64_t offset, void *user); /* NULL: refused */
    void (*unmap)(void *memory, size_t bytes, void *user);
    void *user;
} ecs_io_uring_system;

/* ecs_io_desc.options; all zero, or none: the defaults. It must last as long as the world. */
typedef struct ecs_io_uring_desc {
    uint32_t sq_entries;               /* 256 */
    uint32_t cq_entries;               /* 512 */
    uint32_t flags;                    /* ECS_IO_URING_* */
    uint32_t sqpoll_cpu;
    uint32_t sqpoll_idle_ms;           /* 0: as the kernel likes */
    uint32_t kernel;                   /* imitates one: 501, 510, 601, 607...; what is newer is not
                                          used. 0: this one */
    const ecs_io_uring_system *system; /* NULL: the real one */
} ecs_io_uring_desc;

/* NULL where there is no io_uring. */
ECS_API const ecs_io_engine *ecs_io_uring(void);

#endif /* ECS_NO_IO */

#endif /* ECS_IO_URING_H */

#if defined(ECS_IMPLEMENTATION) && !defined(ECS_NO_IO) && !defined(ECS_IO_URING_IMPLEMENTED)
#define ECS_IO_URING_IMPLEMENTED

#if !defined(__linux__)

ECS_API const ecs_io_engine *ecs_io_uring(void)
{
    return NULL;
}

#else

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#if !defined(__cplusplus)
long syscall(long number, ...); /* unistd.h has it only beyond POSIX */
#endif

#ifdef ECS_DEBUG
#define ECSI_URING_CHECK(c) assert(c)
#else
#define ECSI_URING_CHECK(c) ((void)sizeof(c))
#endif

/* ---- Limits --------------------------------------------------------------------------- */

/* Tries of a call that was interrupted or found no room, without any progress. */
#define ECSI_URING_TRIES 64u
/* Times that one reap looks again because what came was the engine's own business. */
#define ECSI_URING_ROUNDS 4096u
/* Results of multishot requests that the core had no room for. */
#define ECSI_URING_HELD 256u
/* Groups of files for the order of reads and writes, and handles whose reads are learned. */
#define ECSI_URING_GATES 256u
#define ECSI_URING_WARMS 64u
/* What a warm read is worth: see ecsi_uring_warm. */
#define ECSI_URING_SCORE_MAX 8
#define ECSI_URING_SCORE_NEW 4
#define ECSI_URING_SCORE_NEVER (-1)
#define ECSI_URING_PROBE_EVERY 64u
/* Waiting in `close` for what never ended. */
#define ECSI_URING_CLOSE_ROUNDS 20u
#define ECSI_URING_CLOSE_NS 5000000u
#define ECSI_URING_NONE 0xffffffffu

/* ---- The kernel's interface ----------------------------------------------------------- */

typedef struct ecsi_uring_sqe {
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t off;
    uint64_t addr;
    uint32_t len;
    uint32_t op_flags;
    uint64_t user_data;
    uint16_t buf_index;
    uint16_t personality;
    int32_t splice_fd_in;
    uint64_t pad[2];
} ecsi_uring_sqe;

typedef struct ecsi_uring_cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
} ecsi_uring_cqe;

typedef struct ecsi_uring_offsets {
    uint32_t head;
    uint32_t tail;
    uint32_t ring_mask;
    uint32_t ring_entries;
    uint32_t word[4]; /* SQ: flags, dropped, array. CQ: overflow, cqes, flags */
    uint64_t user_addr;
} ecsi_uring_offsets;

typedef struct ecsi_uring_params {
    uint32_t sq_entries;
    uint32_t cq_entries;
    uint32_t flags;
    uint32_t sq_thread_cpu;
    uint32_t sq_thread_idle;
    uint32_t features;
    uint32_t wq_fd;
    uint32_t resv[3];
    ecsi_uring_offsets sq;
    ecsi_uring_offsets cq;
} ecsi_uring_params;

typedef struct ecsi_uring_timespec {
    int64_t seconds;
    int64_t nanoseconds;
} ecsi_uring_timespec;

typedef struct ecsi_uring_wait_arg {
    uint64_t sigmask;
    uint32_t sigmask_bytes;
    uint32_t pad;
    uint64_t time;
} ecsi_uring_wait_arg;

typedef struct ecsi_uring_rsrc { /* of BUFFERS2 */
    uint32_t count;
    uint32_t flags;
    uint64_t resv;
    uint64_t data;
    uint64_t tags;
} ecsi_uring_rsrc;

typedef struct ecsi_uring_update { /* of BUFFERS_UPDATE */
    uint32_t offset;
    uint32_t resv;
    uint64_t data;
    uint64_t tags;
    uint32_t count;
    uint32_t resv2;
} ecsi_uring_update;

typedef struct ecsi_uring_probe {
    uint8_t last_op;
    uint8_t count;
    uint16_t resv;
    uint32_t resv2[3];
    struct { uint8_t op; uint8_t resv; uint16_t flags; uint32_t resv2; } ops[64];
} ecsi_uring_probe;

ECSI_STATIC_ASSERT(sizeof(ecsi_uring_sqe) == 64, "an entry");
ECSI_STATIC_ASSERT(sizeof(ecsi_uring_params) == 120, "the parameters");
ECSI_STATIC_ASSERT(sizeof(struct iovec) <= 16, "it is kept in two words of an operation");

enum { /* setup */
    ECSI_URING_SETUP_SQPOLL = 1 << 1,
    ECSI_URING_SETUP_SQ_AFF = 1 << 2,
    ECSI_URING_SETUP_CQSIZE = 1 << 3,
    ECSI_URING_SETUP_CLAMP = 1 << 4,
    ECSI_URING_SETUP_SUBMIT_ALL = 1 << 7,
    ECSI_URING_SETUP_COOP = 1 << 8,
    ECSI_URING_SETUP_TASKRUN_FLAG = 1 << 9,
    ECSI_URING_SETUP_SINGLE = 1 << 12,
    ECSI_URING_SETUP_DEFER = 1 << 13,
    ECSI_URING_SETUP_NO_SQARRAY = 1 << 16
};

enum { /* features, enter, flags in the ring, register */
    ECSI_URING_SINGLE_MMAP = 1,
    ECSI_URING_NODROP = 2,
    ECSI_URING_FAST_POLL = 32,
    ECSI_URING_SQPOLL_NONFIXED = 128,
    ECSI_URING_EXT_ARG = 256,
    ECSI_URING_ENTER_GETEVENTS = 1,
    ECSI_URING_ENTER_SQ_WAKEUP = 2,
    ECSI_URING_ENTER_SQ_WAIT = 4,
    ECSI_URING_ENTER_EXT_ARG = 8,
    ECSI_URING_NEED_WAKEUP = 1,
    ECSI_URING_CQ_OVERFLOW = 2,
    ECSI_URING_TASKRUN = 4,
    ECSI_URING_F_MORE = 2,
    ECSI_URING_MULTISHOT = 1, /* ioprio of an accept */
    ECSI_URING_REGISTER_FILES = 2,
    ECSI_URING_REGISTER_PROBE = 8,
    ECSI_URING_REGISTER_BUFFERS2 = 15,
    ECSI_URING_REGISTER_BUFFERS_UPDATE = 16
};

#define ECSI_URING_MAP_SQ 0u
#define ECSI_URING_MAP_CQ 0x8000000u
#define ECSI_URING_MAP_SQES 0x10000000u

enum { /* opcodes */
    ECSI_URING_NOP = 0,
    ECSI_URING_READV = 1,
    ECSI_URING_WRITEV = 2,
    ECSI_URING_FSYNC = 3,
    ECSI_URING_READ_FIXED = 4,
    ECSI_URING_WRITE_FIXED = 5,
    ECSI_URING_POLL_ADD = 6,
    ECSI_URING_POLL_REMOVE = 7,
    ECSI_URING_SENDMSG = 9,
    ECSI_URING_RECVMSG = 10,
    ECSI_URING_ACCEPT = 13,
    ECSI_URING_CANCEL = 14,
    ECSI_URING_CONNECT = 16,
    ECSI_URING_OPENAT = 18,
    ECSI_URING_CLOSE = 19,
    ECSI_URING_READ = 22,
    ECSI_URING_WRITE = 23,
    ECSI_URING_SEND = 26,
    ECSI_URING_RECV = 27,
    ECSI_URING_SPLICE = 30,
    ECSI_URING_SHUTDOWN = 34,
    ECSI_URING_SOCKET = 45,
    ECSI_URING_OPS = 64
};

/* When things came to the kernel: 511 is 5.11. */
typedef struct ecsi_uring_since {
    uint32_t bits;
    uint32_t kernel;
} ecsi_uring_since;

/* Newest first: what an EINVAL is blamed on. */
static const ecsi_uring_since ecsi_uring_setups[] = {
    {ECSI_URING_SETUP_NO_SQARRAY, 606}, {ECSI_URING_SETUP_DEFER, 601},
    {ECSI_URING_SETUP_SINGLE, 600},
    {ECSI_URING_SETUP_COOP | ECSI_URING_SETUP_TASKRUN_FLAG, 519},
    {ECSI_URING_SETUP_SUBMIT_ALL, 518}, {ECSI_URING_SETUP_CLAMP, 506},
    {ECSI_URING_SETUP_CQSIZE, 505}};
#define ECSI_URING_SETUPS (sizeof ecsi_uring_setups / sizeof ecsi_uring_setups[0])

static const ecsi_uring_since ecsi_uring_features[] = {
    {ECSI_URING_SINGLE_MMAP, 504}, {ECSI_URING_NODROP, 505}, {ECSI_URING_FAST_POLL, 507},
    {ECSI_URING_SQPOLL_NONFIXED, 511}, {ECSI_URING_EXT_ARG, 511}};
#define ECSI_URING_FEATURES (sizeof ecsi_uring_features / sizeof ecsi_uring_features[0])

static const struct { uint8_t op; uint16_t kernel; } ecsi_uring_ops[] = {
    {ECSI_URING_NOP, 501},       {ECSI_URING_READV, 501},       {ECSI_URING_WRITEV, 501},
    {ECSI_URING_FSYNC, 501},     {ECSI_URING_READ_FIXED, 501},  {ECSI_URING_WRITE_FIXED, 501},
    {ECSI_URING_POLL_ADD, 501},  {ECSI_URING_POLL_REMOVE, 501}, {ECSI_URING_SENDMSG, 503},
    {ECSI_URING_RECVMSG, 503},   {ECSI_URING_ACCEPT, 505},      {ECSI_URING_CANCEL, 505},
    {ECSI_URING_CONNECT, 505},   {ECSI_URING_OPENAT, 506},      {ECSI_URING_CLOSE, 506},
    {ECSI_URING_READ, 506},      {ECSI_URING_WRITE, 506},       {ECSI_URING_SEND, 506},
    {ECSI_URING_RECV, 506},      {ECSI_URING_SPLICE, 507},      {ECSI_URING_SHUTDOWN, 511},
    {ECSI_URING_SOCKET, 519}};
#define ECSI_URING_KNOWN (sizeof ecsi_uring_ops / sizeof ecsi_uring_ops[0])

/* ---- State ---------------------------------------------------------------------------- */

typedef struct ecsi_uring_ring {
    int fd;            /* -1: none */
    uint32_t setup;    /* flags that it was opened with */
    uint32_t features;
    uint32_t *sq_head;
    uint32_t *sq_tail;
    uint32_t *sq_flags;
    uint32_t sq_mask;
    uint32_t tail;     /* of what is written */
    ecsi_uring_sqe *sqes;
    uint32_t *cq_head;
    uint32_t *cq_tail;
    uint32_t cq_mask;
    uint32_t expected; /* entries whose last completion is to come */
    int gone_fd;       /* hangs up when the kernel has done with the ring; -1: nobody will ask */
    ecsi_uring_cqe *cqes;
    void *maps[3];
    size_t map_bytes[3];
} ecsi_uring_ring;

/* What an operation is at. */
enum {
    ECSI_URING_FLYING = 1,    /* it has an entry */
    ECSI_URING_CANCELLED = 2, /* the core wants it to end */
    ECSI_URING_POLLING = 4,   /* its entry only waits for readiness */
    ECSI_URING_POLLED = 8,    /* from now on readiness comes first */
    ECSI_URING_BEGUN = 16,    /* a plain call was made */
    ECSI_URING_OLD = 32,      /* its entry was in the ring of another thread */
    ECSI_URING_SHOOTING = 64, /* a multishot entry */
    ECSI_URING_PAUSED = 128,  /* which is stopped: the core has no room */
    ECSI_URING_ENTERED = 256, /* counted at its gate */
    ECSI_URING_STREAM = 512,  /* in the queue of its stream */
    ECSI_URING_TURN = 1024    /* ...and first in it */
};

typedef enum ecsi_uring_place { /* the list that it is in */
    ECSI_URING_NOWHERE,
    ECSI_URING_DUE,     /* may go on */
    ECSI_URING_BACKLOG, /* the ring had no room */
    ECSI_URING_WAITS,   /* at its gate */
    ECSI_URING_CANCELS, /* an entry that cancels it has to be made */
    ECSI_URING_RESUMES  /* it has ended, and comes back with the rest of what it is to do */
} ecsi_uring_place;

typedef struct ecsi_uring_slot {
    ecs_io_operation *op; /* NULL: free */
    uint32_t next;
    uint32_t prev;
    uint16_t flags;
    uint16_t place;
} ecsi_uring_slot;

typedef struct ecsi_uring_list {
    uint32_t first;
    uint32_t last;
} ecsi_uring_list;

/* From `from` on, before `to`; nothing when both are 0. */
typedef struct ecsi_uring_range {
    uint64_t from;
    uint64_t to;
} ecsi_uring_range;

/* Files whose handles fall together. Reads and writes that are under way lie in a range. */
typedef struct ecsi_uring_gate {
    uint32_t reads;
    uint32_t writes;
    ecsi_uring_range read;
    ecsi_uring_range written;
    ecsi_uring_list waits;
} ecsi_uring_gate;

typedef struct ecsi_uring_warmth {
    ecs_handle handle;
    int32_t score;
    uint32_t skipped;
} ecsi_uring_warmth;

typedef struct ecsi_uring_result {
    uint32_t slot;
    int32_t result;
} ecsi_uring_result;

typedef struct ecsi_uring {
    ecsi_uring_ring ring;
    ecs_io_uring_system sys;
    ecs_io_uring_desc desc;
    ecs_io_engine_desc base;
    uint64_t ops;             /* opcodes that there are */
    ecs_io_operation **homes; /* of streams, by handle and direction */
    uint32_t home_mask;
    uint32_t slot_max;
    ecsi_uring_slot *slots;
    ecsi_uring_list free;
    ecsi_uring_list due;
    ecsi_uring_list backlog;
    ecsi_uring_list cancels;
    ecsi_uring_list resumes;
    ecsi_uring_gate gates[ECSI_URING_GATES];
    ecsi_uring_warmth warm[ECSI_URING_WARMS];
    ecsi_uring_result held[ECSI_URING_HELD];
    ecsi_uring_range regions[ECS_IO_REGIONS_MAX];
    uint32_t held_count;
    uint32_t *mark;           /* 0 in a child of fork; NULL: `pid` tells */
    pid_t pid;
    int wake_fd;
    int gone_fd;              /* of the ring of another thread, which is closed; or -1 */
    int broken;               /* an errno: the ring is of no use any more */
    bool wake_armed;
    bool multishot;           /* accept can */
    bool sparse;              /* the ring has room for regions */
    bool forked;
    bool closing;
    bool running;
    uint64_t ended;
    uint64_t woken;
    uint64_t calls;
} ecsi_uring;

/* Upper half of user_data. */
enum { ECSI_URING_TAG_OP, ECSI_URING_TAG_CANCEL, ECSI_URING_TAG_WAKE };

#if defined(O_DIRECT)
#define ECSI_URING_O_DIRECT O_DIRECT
#elif defined(__O_DIRECT)
#define ECSI_URING_O_DIRECT __O_DIRECT
#else
#define ECSI_URING_O_DIRECT 0
#endif

/* ---- System calls --------------------------------------------------------------------- */

#ifdef SYS_io_uring_setup
#define ECSI_URING_NR SYS_io_uring_setup
#else
#define ECSI_URING_NR 425
#endif

static inline int64_t ecsi_uring_answer(int64_t answer)
{
    return answer >= 0 ? answer : -(int64_t)errno;
}

static int ecsi_uring_sys_setup(uint32_t entries, void *params, void *user)
{
    (void)user;
    return (int)ecsi_uring_answer(syscall(ECSI_URING_NR, entries, params));
}

static int ecsi_uring_sys_enter(int fd, uint32_t submit, uint32_t wait, uint32_t flags,
                                const void *arg, size_t bytes, void *user)
{
    (void)user;
    return (int)ecsi_uring_answer(syscall(ECSI_URING_NR + 1, fd, submit, wait, flags, arg, bytes));
}

static int ecsi_uring_sys_control(int fd, uint32_t what, void *arg, uint32_t count, void *user)
{
    (void)user;
    return (int)ecsi_uring_answer(syscall(ECSI_URING_NR + 2, fd, what, arg, count));
}

static void *ecsi_uring_sys_map(int fd, size_t bytes, uint64_t offset, void *user)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    (void)user;
    return memory == MAP_FAILED ? NULL : memory;
}

static void ecsi_uring_sys_unmap(void *memory, size_t bytes, void *user)
{
    (void)user;
    (void)munmap(memory, bytes);
}

static inline uint32_t ecsi_uring_load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void ecsi_uring_store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void ecsi_uring_log(const ecsi_uring *u, ecs_log_level level, const char *text)
{
    if (u->base.log != NULL) u->base.log(level, text, u->base.log_user);
}

/* ---- Plain calls ---------------------------------------------------------------------- */

/* What readiness an operation waits for; 0: it never waits. */
static uint32_t ecsi_uring_waits(const ecs_io_request *r)
{
    switch (r->op) {
    case ECS_IO_READ: return r->offset == ECS_IO_HERE ? ECS_IO_READABLE : 0;
    case ECS_IO_WRITE: return r->offset == ECS_IO_HERE ? ECS_IO_WRITABLE : 0;
    case ECS_IO_ACCEPT:
    case ECS_IO_RECV:
    case ECS_IO_RECVMSG:
    case ECS_IO_SPLICE: return ECS_IO_READABLE;
    case ECS_IO_CONNECT:
    case ECS_IO_SEND:
    case ECS_IO_SENDMSG: return ECS_IO_WRITABLE;
    case ECS_IO_POLL: return (uint32_t)r->offset;
    default: return 0;
    }
}

/* Whether the call itself finds out that it would wait. */
static bool ecsi_uring_asks_itself(uint32_t op)
{
    return op == ECS_IO_RECV || op == ECS_IO_RECVMSG || op == ECS_IO_SEND ||
           op == ECS_IO_SENDMSG || op == ECS_IO_CONNECT;
}

static inline uint32_t ecsi_uring_events(uint32_t wants)
{
    return (uint32_t)(((wants & ECS_IO_READABLE) != 0 ? POLLIN : 0) |
                      ((wants & ECS_IO_WRITABLE) != 0 ? POLLOUT : 0));
}

/* An error or the end is for all who wait. */
static inline uint32_t ecsi_uring_ready(uint32_t events)
{
    uint32_t ready = 0;
    if ((events & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0) ready |= ECS_IO_READABLE;
    if ((events & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) != 0) ready |= ECS_IO_WRITABLE;
    return ready;
}

static int64_t ecsi_uring_call_accept(const ecs_io_request *r)
{
    socklen_t bytes = (socklen_t)r->length;
    struct sockaddr *address = (struct sockaddr *)r->buffer;
    int64_t got;
#ifdef SYS_accept4
    got = syscall(SYS_accept4, (int)r->handle, address, address != NULL ? &bytes : NULL,
                  SOCK_CLOEXEC);
#else
    got = accept((int)r->handle, address, address != NULL ? &bytes : NULL);
    if (got >= 0) (void)fcntl((int)got, F_SETFD, FD_CLOEXEC);
#endif
    return ecsi_uring_answer(got);
}

/* Begins to connect; later asks how it went. A local socket whose peer has no room for it yet is
 * ready at once, and is not connected: it is tried again. */
static int64_t ecsi_uring_call_connect(const ecs_io_request *r, bool begun)
{
    int fd = (int)r->handle;
    int flags = fcntl(fd, F_GETFL);
    int error = 0;
    socklen_t bytes = sizeof error;
    struct sockaddr_storage peer;
    if (flags < 0) return -(int64_t)errno;
    if (begun) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0) return -(int64_t)errno;
        if (error != 0) return -(int64_t)error;
        bytes = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0) return 0;
    }
    if ((flags & O_NONBLOCK) == 0) (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (connect(fd, (const struct sockaddr *)r->buffer, (socklen_t)r->length) < 0) error = errno;
    if ((flags & O_NONBLOCK) == 0) (void)fcntl(fd, F_SETFL, flags);
    if (begun && error == EISCONN) return 0;
    if (begun && error == EALREADY) return -EAGAIN;
    return error == EINPROGRESS || error == EINTR ? -EAGAIN : -(int64_t)error;
}

/* A pipe that is writable takes 4,096 bytes without waiting, and might wait for the rest. */
static int64_t ecsi_uring_call_write(const ecs_io_request *r)
{
    size_t length = r->length;
    struct stat what;
    if (r->offset != ECS_IO_HERE) {
        if (r->offset > (uint64_t)INT64_MAX) return -EINVAL;
        return ecsi_uring_answer(pwrite((int)r->handle, r->buffer, length, (off_t)r->offset));
    }
    if (length > 4096 && (fcntl((int)r->handle, F_GETFL) & O_NONBLOCK) == 0 &&
        fstat((int)r->handle, &what) == 0 && !S_ISREG(what.st_mode)) {
        length = 4096;
    }
    return ecsi_uring_answer(write((int)r->handle, r->buffer, length));
}

static int64_t ecsi_uring_call_splice(const ecs_io_request *r)
{
    int64_t from = (int64_t)r->offset;
    /* 2: SPLICE_F_NONBLOCK */
    return ecsi_uring_answer(syscall(SYS_splice, (int)r->handle,
                                     r->offset == ECS_IO_HERE ? NULL : &from, (int)r->peer, NULL,
                                     r->length, 2u));
}

/* Flags of a message: it waits in the ring or not at all, so nothing about waiting is handed on,
 * and nothing about waiting for all: ECS_IO_WHOLE is there for that. */
static inline int ecsi_uring_message_flags(const ecs_io_request *r)
{
    int flags = (int)r->offset & ~(MSG_DONTWAIT | MSG_WAITALL);
    return r->op == ECS_IO_SEND || r->op == ECS_IO_SENDMSG ? flags | MSG_NOSIGNAL : flags;
}

static int64_t ecsi_uring_call_once(const ecs_io_request *r, bool begun)
{
    int fd = (int)r->handle;
    int now = ecsi_uring_message_flags(r) | MSG_DONTWAIT;
    switch (r->op) {
    case ECS_IO_NOP: return 0;
    case ECS_IO_READ:
        if (r->offset == ECS_IO_HERE) return ecsi_uring_answer(read(fd, r->buffer, r->length));
        if (r->offset > (uint64_t)INT64_MAX) return -EINVAL;
        return ecsi_uring_answer(pread(fd, r->buffer, r->length, (off_t)r->offset));
    case ECS_IO_WRITE: return ecsi_uring_call_write(r);
    case ECS_IO_FSYNC: return ecsi_uring_answer(fsync(fd));
    case ECS_IO_OPEN:
        return ecsi_uring_answer(open((const char *)r->buffer, (int)r->offset | O_CLOEXEC,
                                      (mode_t)r->length));
    case ECS_IO_CLOSE: return close(fd) == 0 || errno == EINTR ? 0 : -(int64_t)errno;
    case ECS_IO_ACCEPT: return ecsi_uring_call_accept(r);
    case ECS_IO_CONNECT: return ecsi_uring_call_connect(r, begun);
    case ECS_IO_SEND: return ecsi_uring_answer(send(fd, r->buffer, r->length, now));
    case ECS_IO_RECV: return ecsi_uring_answer(recv(fd, r->buffer, r->length, now));
    case ECS_IO_SENDMSG:
        return ecsi_uring_answer(sendmsg(fd, (const struct msghdr *)r->buffer, now));
    case ECS_IO_RECVMSG: return ecsi_uring_answer(recvmsg(fd, (struct msghdr *)r->buffer, now));
    case ECS_IO_SHUTDOWN: return ecsi_uring_answer(shutdown(fd, (int)r->offset));
    case ECS_IO_SPLICE: return ecsi_uring_call_splice(r);
    default: return -ENOSYS;
    }
}

/* -EAGAIN: it would wait. */
static int64_t ecsi_uring_call(ecsi_uring *u, const ecs_io_request *r, bool begun)
{
    int64_t answer = -EINTR;
    uint32_t i;
    ECSI_URING_CHECK(r->op < ECS_IO_OPS);
    ECSI_URING_CHECK(r->op != ECS_IO_POLL);
    for (i = 0; i < ECSI_URING_TRIES && answer == -EINTR; i++) {
        u->calls++;
        answer = ecsi_uring_call_once(r, begun);
    }
    return answer == -EINTR ? -EAGAIN : answer;
}

/* ---- Slots and lists ------------------------------------------------------------------ */

static inline uint32_t ecsi_uring_slot_of(const ecs_io_operation *op)
{
    return (uint32_t)(uintptr_t)op->engine[3];
}

static void ecsi_uring_list_add(const ecsi_uring *u, ecsi_uring_list *list, uint32_t slot,
                                ecsi_uring_place place)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ECSI_URING_CHECK(slot < u->slot_max);
    ECSI_URING_CHECK(s->place == ECSI_URING_NOWHERE);
    s->place = (uint16_t)place;
    s->next = ECSI_URING_NONE;
    s->prev = list->last;
    if (list->last != ECSI_URING_NONE) {
        u->slots[list->last].next = slot;
    } else {
        list->first = slot;
    }
    list->last = slot;
}

static void ecsi_uring_list_drop(const ecsi_uring *u, ecsi_uring_list *list, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ECSI_URING_CHECK(slot < u->slot_max);
    if (s->prev != ECSI_URING_NONE) {
        u->slots[s->prev].next = s->next;
    } else {
        ECSI_URING_CHECK(list->first == slot);
        list->first = s->next;
    }
    if (s->next != ECSI_URING_NONE) {
        u->slots[s->next].prev = s->prev;
    } else {
        list->last = s->prev;
    }
    s->place = ECSI_URING_NOWHERE;
}

static ecsi_uring_gate *ecsi_uring_gate_of(ecsi_uring *u, ecs_handle handle)
{
    uint64_t mixed = (uint64_t)handle * 0x9e3779b97f4a7c15u;
    ECSI_URING_CHECK((ECSI_URING_GATES & (ECSI_URING_GATES - 1)) == 0);
    return &u->gates[(mixed >> 40) & (ECSI_URING_GATES - 1)];
}

/* Takes it out of whichever list it is in. */
static void ecsi_uring_unlist(ecsi_uring *u, uint32_t slot)
{
    const ecsi_uring_slot *s = &u->slots[slot];
    ECSI_URING_CHECK(s->op != NULL);
    switch (s->place) {
    case ECSI_URING_DUE: ecsi_uring_list_drop(u, &u->due, slot); break;
    case ECSI_URING_BACKLOG: ecsi_uring_list_drop(u, &u->backlog, slot); break;
    case ECSI_URING_CANCELS: ecsi_uring_list_drop(u, &u->cancels, slot); break;
    case ECSI_URING_RESUMES: ecsi_uring_list_drop(u, &u->resumes, slot); break;
    case ECSI_URING_WAITS:
        ecsi_uring_list_drop(u, &ecsi_uring_gate_of(u, s->op->request.handle)->waits, slot);
        break;
    default: break;
    }
}

/* ---- Streams: one operation of a direction at a time ---------------------------------- */

/* 0: not of a stream. A shutdown and an fsync come after what was written before. */
static uint32_t ecsi_uring_direction(const ecs_io_request *r)
{
    if (r->op == ECS_IO_POLL) return 0;
    if (r->op == ECS_IO_FSYNC || (r->op == ECS_IO_SHUTDOWN && r->offset != SHUT_RD)) {
        return ECS_IO_WRITABLE;
    }
    return ecsi_uring_waits(r);
}

/* The link to the first of a stream; it holds NULL when there is none. engine[0] is the next
 * stream of the same home, engine[1] the next of the same stream, engine[2] the last of it. */
static ecs_io_operation **ecsi_uring_stream(const ecsi_uring *u, const ecs_io_request *r)
{
    uint32_t direction = ecsi_uring_direction(r);
    uint64_t key = (uint64_t)r->handle * 4 + direction;
    uint32_t home = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & u->home_mask;
    ecs_io_operation **link = &u->homes[home];
    ECSI_URING_CHECK(direction != 0);
    while (*link != NULL && ((*link)->request.handle != r->handle ||
                             ecsi_uring_direction(&(*link)->request) != direction)) {
        link = (ecs_io_operation **)&(*link)->engine[0];
    }
    return link;
}

/* Joins its stream. Answers whether it is its turn. */
static bool ecsi_uring_stream_join(ecsi_uring *u, ecs_io_operation *op)
{
    ecs_io_operation **link = ecsi_uring_stream(u, &op->request);
    ecs_io_operation *first = *link;
    uint32_t slot = ecsi_uring_slot_of(op);
    ECSI_URING_CHECK((u->slots[slot].flags & ECSI_URING_STREAM) == 0);
    u->slots[slot].flags |= ECSI_URING_STREAM;
    op->engine[0] = NULL;
    op->engine[1] = NULL;
    op->engine[2] = op;
    if (first == NULL) {
        *link = op;
        u->slots[slot].flags |= ECSI_URING_TURN;
        return true;
    }
    ((ecs_io_operation *)first->engine[2])->engine[1] = op;
    first->engine[2] = op;
    return false;
}

/* Leaves it. The next one is due when the first has gone. */
static void ecsi_uring_stream_leave(ecsi_uring *u, ecs_io_operation *op)
{
    ecs_io_operation **link = ecsi_uring_stream(u, &op->request);
    ecs_io_operation *before = *link;
    ecs_io_operation *next = (ecs_io_operation *)op->engine[1];
    ECSI_URING_CHECK(before != NULL);
    if (before != op) {
        while (before->engine[1] != op) before = (ecs_io_operation *)before->engine[1];
        before->engine[1] = next;
        if ((*link)->engine[2] == op) (*link)->engine[2] = before;
        return;
    }
    if (next == NULL) {
        *link = (ecs_io_operation *)op->engine[0];
        return;
    }
    next->engine[0] = op->engine[0];
    next->engine[2] = op->engine[2];
    *link = next;
    u->slots[ecsi_uring_slot_of(next)].flags |= ECSI_URING_TURN;
    ecsi_uring_list_add(u, &u->due, ecsi_uring_slot_of(next), ECSI_URING_DUE);
}

/* ---- Gates: reads and writes of files that would meet --------------------------------- */

/* What an operation touches of a file; false: nothing that has an order. */
static bool ecsi_uring_range_of(const ecs_io_request *r, ecsi_uring_range *out)
{
    out->from = 0;
    out->to = UINT64_MAX;
    if (r->op == ECS_IO_FSYNC) return true;
    if (r->op != ECS_IO_READ && r->op != ECS_IO_WRITE) return false;
    if (r->offset == ECS_IO_HERE) return false;
    out->from = r->offset;
    out->to = r->length > UINT64_MAX - r->offset ? UINT64_MAX : r->offset + r->length;
    return true;
}

static inline bool ecsi_uring_meets(const ecsi_uring_range *a, const ecsi_uring_range *b)
{
    return a->from < b->to && b->from < a->to;
}

static void ecsi_uring_widen(ecsi_uring_range *range, const ecsi_uring_range *more, bool first)
{
    ECSI_URING_CHECK(more->from <= more->to);
    if (first || more->from < range->from) range->from = more->from;
    if (first || more->to > range->to) range->to = more->to;
}

/* Passes the gate. False: something under way has to end first. */
static bool ecsi_uring_gate_pass(ecsi_uring *u, uint32_t slot)
{
    const ecs_io_request *r = &u->slots[slot].op->request;
    ecsi_uring_gate *gate;
    ecsi_uring_range range;
    if (!ecsi_uring_range_of(r, &range)) return true;
    gate = ecsi_uring_gate_of(u, r->handle);
    if (gate->writes > 0 && ecsi_uring_meets(&range, &gate->written)) return false;
    if (r->op == ECS_IO_READ) {
        ecsi_uring_widen(&gate->read, &range, gate->reads == 0);
        gate->reads++;
    } else {
        if (gate->reads > 0 && ecsi_uring_meets(&range, &gate->read)) return false;
        ecsi_uring_widen(&gate->written, &range, gate->writes == 0);
        gate->writes++;
    }
    ECSI_URING_CHECK((u->slots[slot].flags & ECSI_URING_ENTERED) == 0);
    u->slots[slot].flags |= ECSI_URING_ENTERED;
    return true;
}

/* One has gone: who waits may look again, in order. */
static void ecsi_uring_gate_leave(ecsi_uring *u, const ecs_io_request *r)
{
    ecsi_uring_gate *gate = ecsi_uring_gate_of(u, r->handle);
    uint32_t *count = r->op == ECS_IO_READ ? &gate->reads : &gate->writes;
    ECSI_URING_CHECK(*count > 0);
    (*count)--;
    while (gate->waits.first != ECSI_URING_NONE && ecsi_uring_gate_pass(u, gate->waits.first)) {
        uint32_t slot = gate->waits.first;
        ecsi_uring_list_drop(u, &gate->waits, slot);
        ecsi_uring_list_add(u, &u->due, slot, ECSI_URING_DUE);
    }
}

/* ---- Ending --------------------------------------------------------------------------- */

static void ecsi_uring_slot_give(ecsi_uring *u, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ECSI_URING_CHECK(s->op != NULL);
    ECSI_URING_CHECK(s->place == ECSI_URING_NOWHERE);
    s->op = NULL;
    s->flags = 0;
    ecsi_uring_list_add(u, &u->free, slot, ECSI_URING_NOWHERE);
}

/* Whether an operation of a stream comes back with the rest: it keeps its turn until then, or
 * the pieces of two would mix. */
static bool ecsi_uring_comes_back(const ecsi_uring *u, uint32_t slot, int64_t result)
{
    const ecs_io_request *r = &u->slots[slot].op->request;
    uint32_t flags = u->slots[slot].flags;
    ECSI_URING_CHECK(result <= (int64_t)ECS_IO_LENGTH_MAX);
    if ((flags & ECSI_URING_TURN) == 0 || (flags & ECSI_URING_CANCELLED) != 0) return false;
    if ((r->flags & (uint32_t)ECS_IO_WHOLE) == 0 || u->forked) return false;
    return result > 0 && (size_t)result < r->length;
}

/* Ends an operation, and makes due what waited for it. Starts nothing itself. */
static void ecsi_uring_finish(ecsi_uring *u, uint32_t slot, int64_t result)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ecs_io_operation *op = s->op;
    uint32_t flags = s->flags;
    ECSI_URING_CHECK(op != NULL);
    ECSI_URING_CHECK((flags & ECSI_URING_FLYING) == 0);
    ecsi_uring_unlist(u, slot);
    if (ecsi_uring_comes_back(u, slot, result)) {
        s->flags = ECSI_URING_STREAM | ECSI_URING_TURN;
        ecsi_uring_list_add(u, &u->resumes, slot, ECSI_URING_RESUMES);
    } else {
        if ((flags & ECSI_URING_STREAM) != 0) ecsi_uring_stream_leave(u, op);
        if ((flags & ECSI_URING_ENTERED) != 0) ecsi_uring_gate_leave(u, &op->request);
        ecsi_uring_slot_give(u, slot);
    }
    u->ended++;
    (void)ecs_io_end(op, result, 0);
}

/* ---- Entries -------------------------------------------------------------------------- */

static inline bool ecsi_uring_can(const ecsi_uring *u, uint32_t opcode)
{
    ECSI_URING_CHECK(opcode < ECSI_URING_OPS);
    return (u->ops >> opcode & 1) != 0;
}

static inline uint32_t ecsi_uring_pending(const ecsi_uring_ring *ring)
{
    return ring->tail - ecsi_uring_load(ring->sq_head);
}

/* The next free entry, cleared; NULL: there is no room. A kernel before 5.5 drops completions
 * when there is no room for them, so it is never given more than there is room for: half of it
 * for operations, so that all of them can be cancelled. */
static ecsi_uring_sqe *ecsi_uring_sqe_take(const ecsi_uring_ring *ring, bool cancels)
{
    ecsi_uring_sqe *sqe = &ring->sqes[ring->tail & ring->sq_mask];
    uint32_t most = cancels ? ring->cq_mask : ring->cq_mask / 2;
    ECSI_URING_CHECK(ring->fd >= 0);
    if (ecsi_uring_pending(ring) > ring->sq_mask) return NULL;
    if ((ring->features & ECSI_URING_NODROP) == 0 && ring->expected > most) return NULL;
    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

static void ecsi_uring_sqe_give(ecsi_uring_ring *ring)
{
    ECSI_URING_CHECK(ecsi_uring_pending(ring) <= ring->sq_mask);
    ring->tail++;
    ring->expected++;
    ecsi_uring_store(ring->sq_tail, ring->tail);
}

static inline uint64_t ecsi_uring_name(uint32_t tag, uint32_t slot)
{
    return (uint64_t)tag << 32 | slot;
}

static inline void ecsi_uring_sqe_poll(ecsi_uring_sqe *sqe, int fd, uint32_t events)
{
    sqe->opcode = ECSI_URING_POLL_ADD;
    sqe->fd = fd;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    events <<= 16; /* the halves are swapped, and 5.1 reads the first only */
#endif
    sqe->op_flags = events;
}

/* The opcode for an operation, or ECSI_URING_NONE: plain calls do it. */
static uint32_t ecsi_uring_opcode(const ecsi_uring *u, const ecs_io_request *r)
{
    uint32_t opcode = ECSI_URING_NONE;
    bool read = r->op == ECS_IO_READ;
    switch (r->op) {
    case ECS_IO_NOP: return ECSI_URING_NOP;
    case ECS_IO_POLL: return ECSI_URING_POLL_ADD;
    case ECS_IO_FSYNC: return ECSI_URING_FSYNC;
    case ECS_IO_READ:
    case ECS_IO_WRITE:
        opcode = read ? ECSI_URING_READ : ECSI_URING_WRITE;
        if (!ecsi_uring_can(u, opcode)) opcode = read ? ECSI_URING_READV : ECSI_URING_WRITEV;
        break;
    case ECS_IO_OPEN: opcode = ECSI_URING_OPENAT; break;
    case ECS_IO_CLOSE: opcode = ECSI_URING_CLOSE; break;
    case ECS_IO_ACCEPT: opcode = ECSI_URING_ACCEPT; break;
    case ECS_IO_CONNECT: opcode = ECSI_URING_CONNECT; break;
    case ECS_IO_SEND: opcode = ECSI_URING_SEND; break;
    case ECS_IO_RECV: opcode = ECSI_URING_RECV; break;
    case ECS_IO_SENDMSG: opcode = ECSI_URING_SENDMSG; break;
    case ECS_IO_RECVMSG: opcode = ECSI_URING_RECVMSG; break;
    case ECS_IO_SHUTDOWN: opcode = ECSI_URING_SHUTDOWN; break;
    case ECS_IO_SPLICE: opcode = ECSI_URING_SPLICE; break;
    default: return ECSI_URING_NONE;
    }
    if (!ecsi_uring_can(u, opcode)) return ECSI_URING_NONE;
    /* Without this feature what would wait blocks a thread of the kernel, beyond cancelling. */
    if (ecsi_uring_waits(r) != 0 && (u->ring.features & ECSI_URING_FAST_POLL) == 0) {
        return ECSI_URING_NONE;
    }
    return opcode;
}

/* Whether a buffer lies in its region, as the kernel knows it. */
static bool ecsi_uring_registered(const ecsi_uring *u, const ecs_io_request *r)
{
    uint64_t from = (uint64_t)(uintptr_t)r->buffer;
    const ecsi_uring_range *region;
    if (r->region == 0 || r->region > ECS_IO_REGIONS_MAX || r->length == 0) return false;
    region = &u->regions[r->region - 1];
    ECSI_URING_CHECK(region->from <= region->to);
    return from >= region->from && from < region->to && r->length <= region->to - from;
}

static void ecsi_uring_fill_transfer(const ecsi_uring *u, ecs_io_operation *op,
                                     ecsi_uring_sqe *sqe)
{
    const ecs_io_request *r = &op->request;
    ECSI_URING_CHECK(r->op == ECS_IO_READ || r->op == ECS_IO_WRITE);
    sqe->off = r->offset;
    if (ecsi_uring_registered(u, r)) {
        sqe->opcode = r->op == ECS_IO_READ ? ECSI_URING_READ_FIXED : ECSI_URING_WRITE_FIXED;
        sqe->buf_index = (uint16_t)(r->region - 1);
    } else if (sqe->opcode == ECSI_URING_READV || sqe->opcode == ECSI_URING_WRITEV) {
        struct iovec vec;
        vec.iov_base = r->buffer;
        vec.iov_len = r->length;
        /* The oldest kernels read it when they carry the entry out. */
        memcpy(op->engine_word, &vec, sizeof vec);
        sqe->addr = (uint64_t)(uintptr_t)op->engine_word;
        sqe->len = 1;
    }
}

static void ecsi_uring_fill_accept(ecsi_uring *u, ecs_io_operation *op, ecsi_uring_sqe *sqe)
{
    const ecs_io_request *r = &op->request;
    ECSI_URING_CHECK(r->op == ECS_IO_ACCEPT);
    sqe->len = 0;
    sqe->op_flags = SOCK_CLOEXEC;
    if (r->buffer != NULL) {
        socklen_t bytes = (socklen_t)r->length;
        memcpy(op->engine_word, &bytes, sizeof bytes);
        sqe->off = (uint64_t)(uintptr_t)op->engine_word;
        return;
    }
    /* One address would be written for all, so with one they come one by one. */
    if ((r->flags & (uint32_t)ECS_IO_MULTI) == 0 || !u->multishot) return;
    sqe->ioprio = ECSI_URING_MULTISHOT;
    op->engine_word[0] = 0; /* how many of its results are held */
    u->slots[ecsi_uring_slot_of(op)].flags |= ECSI_URING_SHOOTING;
}

/* Fills the entry of an operation. */
static void ecsi_uring_fill(ecsi_uring *u, ecs_io_operation *op, ecsi_uring_sqe *sqe,
                            uint32_t opcode)
{
    const ecs_io_request *r = &op->request;
    ECSI_URING_CHECK(opcode < ECSI_URING_OPS);
    sqe->opcode = (uint8_t)opcode;
    sqe->fd = (int32_t)r->handle;
    sqe->addr = (uint64_t)(uintptr_t)r->buffer;
    sqe->len = (uint32_t)r->length;
    switch (r->op) {
    case ECS_IO_READ:
    case ECS_IO_WRITE: ecsi_uring_fill_transfer(u, op, sqe); break;
    case ECS_IO_ACCEPT: ecsi_uring_fill_accept(u, op, sqe); break;
    case ECS_IO_OPEN:
        sqe->fd = AT_FDCWD;
        sqe->op_flags = (uint32_t)r->offset | O_CLOEXEC;
        break;
    case ECS_IO_CONNECT:
        sqe->off = r->length;
        sqe->len = 0;
        break;
    case ECS_IO_SEND:
    case ECS_IO_RECV: sqe->op_flags = (uint32_t)ecsi_uring_message_flags(r); break;
    case ECS_IO_SENDMSG:
    case ECS_IO_RECVMSG:
        sqe->op_flags = (uint32_t)ecsi_uring_message_flags(r);
        sqe->len = 1;
        break;
    case ECS_IO_SHUTDOWN:
        sqe->addr = 0;
        sqe->len = (uint32_t)r->offset;
        break;
    case ECS_IO_SPLICE:
        sqe->fd = (int32_t)r->peer;
        sqe->splice_fd_in = (int32_t)r->handle;
        sqe->addr = r->offset; /* ECS_IO_HERE is -1, which is what the kernel takes for it */
        sqe->off = UINT64_MAX;
        break;
    default: /* nop, fsync, close: the handle is all */
        sqe->addr = 0;
        sqe->len = 0;
        if (r->op == ECS_IO_POLL) {
            ecsi_uring_sqe_poll(sqe, (int)r->handle, ecsi_uring_events((uint32_t)r->offset));
        }
        break;
    }
}

/* Makes the entry of an operation, or of the readiness that it waits for. False: no room. */
static bool ecsi_uring_push(ecsi_uring *u, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ecsi_uring_sqe *sqe = ecsi_uring_sqe_take(&u->ring, false);
    uint32_t opcode = ecsi_uring_opcode(u, &s->op->request);
    if (sqe == NULL) return false;
    ECSI_URING_CHECK((s->flags & ECSI_URING_FLYING) == 0);
    s->flags |= ECSI_URING_FLYING;
    if ((s->flags & ECSI_URING_POLLED) != 0 || opcode == ECSI_URING_NONE) {
        ecsi_uring_sqe_poll(sqe, (int)s->op->request.handle,
                            ecsi_uring_events(ecsi_uring_waits(&s->op->request)));
        s->flags |= ECSI_URING_POLLING;
    } else {
        ecsi_uring_fill(u, s->op, sqe, opcode);
    }
    sqe->user_data = ecsi_uring_name(ECSI_URING_TAG_OP, slot);
    ecsi_uring_sqe_give(&u->ring);
    return true;
}

/* Makes the entry that cancels one. What cannot be cancelled ends by itself: on kernels without
 * the opcode only files are not waited for by a poll. False: no room. */
static bool ecsi_uring_push_cancel(ecsi_uring *u, uint32_t slot)
{
    uint32_t flags = u->slots[slot].flags;
    ecsi_uring_ring *ring = &u->ring;
    bool poll = (flags & ECSI_URING_POLLING) != 0 ||
                u->slots[slot].op->request.op == ECS_IO_POLL;
    ecsi_uring_sqe *sqe;
    ECSI_URING_CHECK((flags & ECSI_URING_FLYING) != 0);
    ECSI_URING_CHECK((flags & ECSI_URING_OLD) == 0);
    if (!poll && !ecsi_uring_can(u, ECSI_URING_CANCEL)) return true;
    sqe = ecsi_uring_sqe_take(ring, true);
    if (sqe == NULL) return false;
    sqe->opcode = poll ? ECSI_URING_POLL_REMOVE : ECSI_URING_CANCEL;
    sqe->fd = -1;
    sqe->addr = ecsi_uring_name(ECSI_URING_TAG_OP, slot);
    sqe->user_data = ecsi_uring_name(ECSI_URING_TAG_CANCEL, slot);
    ecsi_uring_sqe_give(ring);
    return true;
}

/* What waits for room goes into the ring: first what cancels, then the rest in its order. */
static void ecsi_uring_refill(ecsi_uring *u)
{
    while (u->cancels.first != ECSI_URING_NONE && ecsi_uring_push_cancel(u, u->cancels.first)) {
        ecsi_uring_list_drop(u, &u->cancels, u->cancels.first);
    }
    while (u->backlog.first != ECSI_URING_NONE && ecsi_uring_push(u, u->backlog.first)) {
        ecsi_uring_list_drop(u, &u->backlog, u->backlog.first);
    }
    ECSI_URING_CHECK(u->ring.sqes != NULL);
}

/* ---- Completions ---------------------------------------------------------------------- */

static inline void ecsi_uring_again(ecsi_uring *u, uint32_t slot)
{
    if (u->slots[slot].place == ECSI_URING_CANCELS) ecsi_uring_unlist(u, slot);
    ecsi_uring_list_add(u, &u->due, slot, ECSI_URING_DUE);
}

/* What a result means; INT64_MIN: the operation has to be tried again. */
static int64_t ecsi_uring_meaning(ecsi_uring *u, uint32_t slot, uint32_t was, int32_t res)
{
    ecsi_uring_slot *s = &u->slots[slot];
    const ecs_io_request *r = &s->op->request;
    uint32_t wants = ecsi_uring_waits(r);
    ECSI_URING_CHECK((was & ECSI_URING_POLLING) == 0);
    if (r->op == ECS_IO_CLOSE) return res == -EINTR ? 0 : res;
    if (r->op == ECS_IO_POLL && (res >= 0 || res == -EBADF)) {
        /* A handle that is none is ready, as poll has it: the call will say so. */
        uint32_t ready = res < 0 ? wants : ecsi_uring_ready((uint32_t)res) & wants;
        if (ready != 0) return (int64_t)ready;
        res = -EINTR;
    }
    if ((s->flags & ECSI_URING_CANCELLED) != 0) {
        return res == -EINTR || res == -EAGAIN ? -ECANCELED : res;
    }
    switch (res) {
    case -EINTR: return INT64_MIN;
    case -EAGAIN: /* the handle does not block, so the kernel does not wait for it */
        if (wants == 0) return ecsi_uring_call(u, r, false); /* a file: only the call waits */
        s->flags |= ECSI_URING_POLLED;
        return INT64_MIN;
    case -ECANCELED: return INT64_MIN; /* the thread that began it has ended, and took it along */
    case -EINVAL: /* perhaps because it was a multishot */
        if ((was & ECSI_URING_SHOOTING) == 0) return res;
        u->multishot = false;
        return INT64_MIN;
    default: return res;
    }
}

/* Puts a result of a multishot aside, because the core has no room. False: nor has this. */
static bool ecsi_uring_hold(ecsi_uring *u, uint32_t slot, int32_t res)
{
    ecsi_uring_slot *s = &u->slots[slot];
    if (u->held_count == ECSI_URING_HELD) return false;
    u->held[u->held_count].slot = slot;
    u->held[u->held_count].result = res;
    u->held_count++;
    s->op->engine_word[0]++;
    ECSI_URING_CHECK((s->flags & ECSI_URING_SHOOTING) != 0);
    /* It stops until there is room, so that no more than a few come to be held. */
    if ((s->flags & ECSI_URING_PAUSED) == 0 && s->place == ECSI_URING_NOWHERE &&
        (s->flags & ECSI_URING_FLYING) != 0) {
        ecsi_uring_list_add(u, &u->cancels, slot, ECSI_URING_CANCELS);
    }
    s->flags |= ECSI_URING_PAUSED;
    return true;
}

/* A multishot has stopped and nothing of it is held: it begins again, or that was all. */
static void ecsi_uring_stopped(ecsi_uring *u, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ECSI_URING_CHECK((s->flags & ECSI_URING_FLYING) == 0);
    ECSI_URING_CHECK(s->op->engine_word[0] == 0);
    s->flags &= (uint16_t)~(ECSI_URING_PAUSED | ECSI_URING_SHOOTING);
    if ((s->flags & ECSI_URING_CANCELLED) != 0) {
        ecsi_uring_finish(u, slot, -ECANCELED);
    } else {
        ecsi_uring_again(u, slot);
    }
}

/* Tells what is held, as far as there is room. A connection of a request that is cancelled is
 * closed when nobody can be told of it. */
static void ecsi_uring_tell_held(ecsi_uring *u)
{
    uint32_t kept = 0;
    uint32_t i;
    for (i = 0; i < u->held_count; i++) {
        ecsi_uring_result held = u->held[i];
        ecsi_uring_slot *s = &u->slots[held.slot];
        ECSI_URING_CHECK(s->op != NULL);
        if (ecs_io_end(s->op, held.result, ECS_IO_MORE)) {
            u->ended++;
        } else if ((s->flags & ECSI_URING_CANCELLED) != 0) {
            (void)close(held.result);
        } else {
            u->held[kept++] = held;
            continue;
        }
        s->op->engine_word[0]--;
        if (s->op->engine_word[0] == 0 && (s->flags & ECSI_URING_FLYING) == 0) {
            ecsi_uring_stopped(u, held.slot);
        }
    }
    u->held_count = kept;
}

/* A result of a multishot. False: it has to come again. */
static bool ecsi_uring_shot(ecsi_uring *u, uint32_t slot, int32_t res, bool more)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ecs_io_operation *op = s->op;
    ECSI_URING_CHECK((s->flags & ECSI_URING_SHOOTING) != 0);
    if (res >= 0) {
        if (op->engine_word[0] == 0 && ecs_io_end(op, res, ECS_IO_MORE)) {
            u->ended++;
        } else if (!ecsi_uring_hold(u, slot, res)) {
            return false;
        }
    }
    if (more) return true;
    s->flags &= (uint16_t)~ECSI_URING_FLYING;
    if (op->engine_word[0] > 0) return true;
    if (res >= 0 || (res == -ECANCELED && (s->flags & ECSI_URING_PAUSED) != 0)) {
        ecsi_uring_stopped(u, slot);
        return true;
    }
    s->flags &= (uint16_t)~(ECSI_URING_PAUSED | ECSI_URING_SHOOTING);
    return true;
}

/* Ends an operation with a result; but an accept that goes on is begun again here. It would end
 * early otherwise whenever the core has no room for its result. With an address it is left to
 * the core: the next one would overwrite it. */
static void ecsi_uring_end(ecsi_uring *u, uint32_t slot, int64_t result)
{
    ecsi_uring_slot *s = &u->slots[slot];
    const ecs_io_request *r = &s->op->request;
    bool goes_on = r->op == ECS_IO_ACCEPT && (r->flags & (uint32_t)ECS_IO_MULTI) != 0 &&
                   r->buffer == NULL && (s->flags & ECSI_URING_CANCELLED) == 0;
    ECSI_URING_CHECK((s->flags & ECSI_URING_FLYING) == 0);
    if (goes_on && result >= 0) {
        s->flags |= ECSI_URING_SHOOTING;
        s->op->engine_word[0] = 0;
        if (ecs_io_end(s->op, result, ECS_IO_MORE)) {
            u->ended++;
            ecsi_uring_stopped(u, slot);
            return;
        }
        if (ecsi_uring_hold(u, slot, (int32_t)result)) return;
    }
    ecsi_uring_finish(u, slot, result);
}

/* Readiness has come: now the call. */
static void ecsi_uring_polled(ecsi_uring *u, uint32_t slot, int32_t res)
{
    ecsi_uring_slot *s = &u->slots[slot];
    int64_t result;
    ECSI_URING_CHECK(s->op != NULL);
    if ((s->flags & ECSI_URING_CANCELLED) != 0) {
        ecsi_uring_finish(u, slot, -ECANCELED);
        return;
    }
    result = res < 0 && res != -EBADF ? -EAGAIN
                                      : ecsi_uring_call(u, &s->op->request,
                                                        (s->flags & ECSI_URING_BEGUN) != 0);
    if (result == -EAGAIN) {
        s->flags |= ECSI_URING_POLLED;
        ecsi_uring_again(u, slot);
        return;
    }
    ecsi_uring_end(u, slot, result);
}

/* One completion of an operation. False: it has to come again. */
static bool ecsi_uring_complete_op(ecsi_uring *u, const ecsi_uring_cqe *cqe)
{
    uint32_t slot = (uint32_t)cqe->user_data;
    bool more = (cqe->flags & ECSI_URING_F_MORE) != 0;
    ecsi_uring_slot *s = &u->slots[slot];
    uint32_t was = s->flags;
    int64_t result;
    ECSI_URING_CHECK(slot < u->slot_max);
    ECSI_URING_CHECK((was & ECSI_URING_FLYING) != 0);
    if ((was & ECSI_URING_SHOOTING) != 0) {
        if (!ecsi_uring_shot(u, slot, cqe->res, more)) return false;
        if (more) return true;
    }
    s->flags &= (uint16_t)~ECSI_URING_POLLING;
    if (s->place == ECSI_URING_CANCELS) ecsi_uring_unlist(u, slot);
    if ((was & ECSI_URING_SHOOTING) != 0 &&
        (s->op == NULL || s->place == ECSI_URING_DUE || (s->flags & ECSI_URING_SHOOTING) != 0)) {
        return true; /* it was dealt with, or something of it is held */
    }
    s->flags &= (uint16_t)~ECSI_URING_FLYING;
    if ((was & ECSI_URING_POLLING) != 0) {
        ecsi_uring_polled(u, slot, cqe->res);
        return true;
    }
    result = ecsi_uring_meaning(u, slot, was, cqe->res);
    if (result == INT64_MIN) {
        ecsi_uring_again(u, slot);
    } else {
        ecsi_uring_end(u, slot, result);
    }
    return true;
}

/* One completion. False: it has to come again. */
static bool ecsi_uring_complete(ecsi_uring *u, const ecsi_uring_cqe *cqe)
{
    uint32_t tag = (uint32_t)(cqe->user_data >> 32);
    bool more = (cqe->flags & ECSI_URING_F_MORE) != 0;
    uint64_t count;
    ECSI_URING_CHECK(tag <= ECSI_URING_TAG_WAKE);
    if (u->closing) {
        if (!more) u->ring.expected--;
        return true;
    }
    if (tag == ECSI_URING_TAG_OP && !ecsi_uring_complete_op(u, cqe)) return false;
    if (!more) u->ring.expected--;
    if (tag == ECSI_URING_TAG_WAKE) {
        u->wake_armed = false;
        u->woken++;
        u->calls++;
        if (read(u->wake_fd, &count, sizeof count) < 0) count = 0;
    }
    return true;
}

/* Takes the completions that are there; starts nothing. True: all of them. */
static bool ecsi_uring_consume(ecsi_uring *u)
{
    const ecsi_uring_ring *ring = &u->ring;
    uint32_t head = *ring->cq_head;
    uint32_t tail = ecsi_uring_load(ring->cq_tail);
    ECSI_URING_CHECK(ring->fd >= 0);
    ECSI_URING_CHECK(tail - head <= ring->cq_mask + 1);
    while (head != tail) {
        ecsi_uring_cqe cqe = ring->cqes[head & ring->cq_mask];
        if (!ecsi_uring_complete(u, &cqe)) return false;
        head++;
        ecsi_uring_store(ring->cq_head, head);
    }
    return true;
}

/* ---- Opening a ring ------------------------------------------------------------------- */

/* What is tried: the least that the wishes need comes last, by taking flags away. */
static uint32_t ecsi_uring_wishes(const ecsi_uring *u, bool any_thread)
{
    uint32_t flags = ECSI_URING_SETUP_NO_SQARRAY | ECSI_URING_SETUP_SUBMIT_ALL |
                     ECSI_URING_SETUP_CLAMP | ECSI_URING_SETUP_CQSIZE;
    ECSI_URING_CHECK(u->desc.sq_entries > 0);
    if (!any_thread) flags |= ECSI_URING_SETUP_SINGLE;
    if ((u->desc.flags & ECS_IO_URING_SQPOLL) != 0) {
        flags |= ECSI_URING_SETUP_SQPOLL;
        if ((u->desc.flags & ECS_IO_URING_SQPOLL_CPU) != 0) flags |= ECSI_URING_SETUP_SQ_AFF;
        return flags;
    }
    if (!any_thread) flags |= ECSI_URING_SETUP_DEFER;
    return flags | ECSI_URING_SETUP_COOP | ECSI_URING_SETUP_TASKRUN_FLAG;
}

/* One setup call, as a kernel of the age that is imitated would answer it. */
static int ecsi_uring_setup_once(ecsi_uring *u, uint32_t flags, ecsi_uring_params *params)
{
    uint32_t age = u->desc.kernel;
    int fd;
    size_t i;
    memset(params, 0, sizeof *params);
    for (i = 0; i < ECSI_URING_SETUPS && age != 0; i++) {
        if ((flags & ecsi_uring_setups[i].bits) != 0 && age < ecsi_uring_setups[i].kernel) {
            return -EINVAL;
        }
    }
    params->flags = flags;
    if ((flags & ECSI_URING_SETUP_CQSIZE) != 0) params->cq_entries = u->desc.cq_entries;
    if ((flags & ECSI_URING_SETUP_SQPOLL) != 0) {
        params->sq_thread_cpu = u->desc.sqpoll_cpu;
        params->sq_thread_idle = u->desc.sqpoll_idle_ms;
    }
    u->calls++;
    fd = u->sys.setup(u->desc.sq_entries, params, u->sys.user);
    for (i = 0; i < ECSI_URING_FEATURES && age != 0 && fd >= 0; i++) {
        if (age < ecsi_uring_features[i].kernel) params->features &= ~ecsi_uring_features[i].bits;
    }
    ECSI_URING_CHECK(fd < 0 || params->sq_entries > 0);
    return fd;
}

/* Asks until the kernel agrees: newest flags go first, then the thread of the kernel, for which
 * old ones want a privilege or registered files. A handle, or a negative errno. */
static int ecsi_uring_setup(ecsi_uring *u, bool any_thread, ecsi_uring_params *params)
{
    uint32_t flags = ecsi_uring_wishes(u, any_thread);
    uint32_t polls = ECSI_URING_SETUP_SQPOLL | ECSI_URING_SETUP_SQ_AFF;
    uint32_t round;
    int fd = ecsi_uring_setup_once(u, flags, params);
    size_t i = 0;
    for (round = 0; round < 2; round++) {
        for (; fd == -EINVAL && i < ECSI_URING_SETUPS; i++) {
            if ((flags & ecsi_uring_setups[i].bits) == 0) continue;
            flags &= ~ecsi_uring_setups[i].bits;
            fd = ecsi_uring_setup_once(u, flags, params);
        }
        if ((flags & polls) == 0) break;
        if (fd >= 0 && (params->features & ECSI_URING_SQPOLL_NONFIXED) == 0) {
            (void)close(fd);
            fd = -EPERM;
        }
        if (fd >= 0) break;
        ecsi_uring_log(u, ECS_LOG_WARNING, "I/O: io_uring without a thread of the kernel");
        u->desc.flags &= ~(uint32_t)ECS_IO_URING_SQPOLL;
        flags = ecsi_uring_wishes(u, any_thread);
        i = 0;
        fd = ecsi_uring_setup_once(u, flags, params);
    }
    ECSI_URING_CHECK(fd >= 0 || fd > -4096);
    return fd;
}

static void ecsi_uring_ring_close(ecsi_uring *u, ecsi_uring_ring *ring)
{
    uint32_t i;
    ECSI_URING_CHECK(ring->fd >= -1);
    for (i = 0; i < 3; i++) {
        if (ring->maps[i] != NULL) u->sys.unmap(ring->maps[i], ring->map_bytes[i], u->sys.user);
        ring->maps[i] = NULL;
    }
    if (ring->fd >= 0) (void)close(ring->fd);
    if (ring->gone_fd >= 0) (void)close(ring->gone_fd);
    ring->fd = -1;
    ring->gone_fd = -1;
}

/* Maps one part. NULL: refused. */
static unsigned char *ecsi_uring_map(ecsi_uring *u, ecsi_uring_ring *ring, uint32_t part,
                                     size_t bytes, uint64_t offset)
{
    ECSI_URING_CHECK(part < 3);
    ring->maps[part] = u->sys.map(ring->fd, bytes, offset, u->sys.user);
    ring->map_bytes[part] = bytes;
    return (unsigned char *)ring->maps[part];
}

static int ecsi_uring_ring_map(ecsi_uring *u, ecsi_uring_ring *ring, const ecsi_uring_params *p)
{
    bool no_array = (ring->setup & ECSI_URING_SETUP_NO_SQARRAY) != 0;
    size_t sq_bytes = no_array ? 64 : p->sq.word[2] + p->sq_entries * sizeof(uint32_t);
    size_t cq_bytes = p->cq.word[1] + p->cq_entries * sizeof(ecsi_uring_cqe);
    bool single = (p->features & ECSI_URING_SINGLE_MMAP) != 0;
    unsigned char *sq;
    unsigned char *cq;
    uint32_t i;
    ECSI_URING_CHECK(p->cq_entries >= p->sq_entries);
    if (no_array || (single && cq_bytes > sq_bytes)) sq_bytes = cq_bytes;
    sq = ecsi_uring_map(u, ring, 0, sq_bytes, ECSI_URING_MAP_SQ);
    cq = single || sq == NULL ? sq : ecsi_uring_map(u, ring, 1, cq_bytes, ECSI_URING_MAP_CQ);
    ring->sqes = (ecsi_uring_sqe *)(void *)ecsi_uring_map(
        u, ring, 2, p->sq_entries * sizeof(ecsi_uring_sqe), ECSI_URING_MAP_SQES);
    if (sq == NULL || cq == NULL || ring->sqes == NULL) return ENOMEM;
    ring->sq_head = (uint32_t *)(void *)(sq + p->sq.head);
    ring->sq_tail = (uint32_t *)(void *)(sq + p->sq.tail);
    ring->sq_flags = (uint32_t *)(void *)(sq + p->sq.word[0]);
    ring->sq_mask = p->sq_entries - 1;
    ring->cq_head = (uint32_t *)(void *)(cq + p->cq.head);
    ring->cq_tail = (uint32_t *)(void *)(cq + p->cq.tail);
    ring->cqes = (ecsi_uring_cqe *)(void *)(cq + p->cq.word[1]);
    ring->cq_mask = p->cq_entries - 1;
    for (i = 0; !no_array && i < p->sq_entries; i++) {
        ((uint32_t *)(void *)(sq + p->sq.word[2]))[i] = i; /* entries go in the order of the ring */
    }
    return 0;
}

/* Gives the ring the writing end of a pipe, so that its end can be seen. */
static bool ecsi_uring_ring_watch(ecsi_uring *u, ecsi_uring_ring *ring)
{
    int ends[2];
    int answer;
    ECSI_URING_CHECK(ring->gone_fd < 0);
    if (pipe(ends) < 0) return false;
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    u->calls++;
    answer = u->sys.control(ring->fd, ECSI_URING_REGISTER_FILES, &ends[1], 1, u->sys.user);
    (void)close(ends[1]);
    ring->gone_fd = ends[0];
    return answer >= 0;
}

/* 0 or an errno. */
static int ecsi_uring_ring_open(ecsi_uring *u, ecsi_uring_ring *ring, bool any_thread)
{
    ecsi_uring_params params;
    int error;
    int fd = ecsi_uring_setup(u, any_thread, &params);
    memset(ring, 0, sizeof *ring);
    ring->fd = fd < 0 ? -1 : fd;
    ring->gone_fd = -1;
    if (fd < 0) return -fd;
    ring->setup = params.flags;
    ring->features = params.features;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    error = ecsi_uring_ring_map(u, ring, &params);
    if (error == 0 && (ring->setup & ECSI_URING_SETUP_SINGLE) != 0 &&
        !ecsi_uring_ring_watch(u, ring)) {
        error = EXDEV; /* not of one thread then: see ecsi_uring_ring_get */
    }
    if (error != 0) ecsi_uring_ring_close(u, ring);
    ECSI_URING_CHECK(error != 0 || ring->sqes != NULL);
    return error;
}

/* A ring of this thread, or where that cannot be, of all. 0 or an errno. */
static int ecsi_uring_ring_get(ecsi_uring *u, bool any_thread)
{
    int error = ecsi_uring_ring_open(u, &u->ring, any_thread);
    if (error == EXDEV && !any_thread) error = ecsi_uring_ring_open(u, &u->ring, true);
    ECSI_URING_CHECK(error != 0 || u->ring.fd >= 0);
    return error;
}

/* Which opcodes there are. Before 5.6 nobody could ask, and the features tell the age. */
static void ecsi_uring_find_ops(ecsi_uring *u)
{
    ecsi_uring_probe probe;
    uint32_t age = u->desc.kernel == 0 ? UINT32_MAX : u->desc.kernel;
    bool probed = false;
    size_t i;
    memset(&probe, 0, sizeof probe);
    if (age >= 506) {
        u->calls++;
        probed = u->sys.control(u->ring.fd, ECSI_URING_REGISTER_PROBE, &probe, 64,
                                u->sys.user) >= 0;
    }
    if (!probed && age > 505) age = 505;
    if (age == 505 && (u->ring.features & ECSI_URING_NODROP) == 0) age = 504;
    if (age == 504 && (u->ring.features & ECSI_URING_SINGLE_MMAP) == 0) age = 501;
    u->ops = 0;
    for (i = 0; i < ECSI_URING_KNOWN; i++) {
        uint32_t op = ecsi_uring_ops[i].op;
        bool there = age >= ecsi_uring_ops[i].kernel;
        ECSI_URING_CHECK(op < ECSI_URING_OPS);
        if (probed) there = there && op <= probe.last_op && (probe.ops[op].flags & 1) != 0;
        if (there) u->ops |= (uint64_t)1 << op;
    }
    /* Multishot accept came with this one. */
    u->multishot = ecsi_uring_can(u, ECSI_URING_SOCKET);
}

/* ---- Regions -------------------------------------------------------------------------- */

/* Gives the ring places for regions, all empty. */
static bool ecsi_uring_make_sparse(ecsi_uring *u)
{
    struct iovec none[ECS_IO_REGIONS_MAX];
    ecsi_uring_rsrc rsrc;
    ECSI_URING_CHECK(u->ring.fd >= 0);
    if (u->sparse) return true;
    if (u->desc.kernel != 0 && u->desc.kernel < 513) return false;
    memset(none, 0, sizeof none);
    memset(&rsrc, 0, sizeof rsrc);
    rsrc.count = ECS_IO_REGIONS_MAX;
    rsrc.data = (uint64_t)(uintptr_t)none;
    u->calls++;
    u->sparse = u->sys.control(u->ring.fd, ECSI_URING_REGISTER_BUFFERS2, &rsrc, sizeof rsrc,
                               u->sys.user) >= 0;
    return u->sparse;
}

/* What the kernel does not take (RLIMIT_MEMLOCK, or it is too old) is read and written as ever. */
static void ecsi_uring_region_set(ecsi_uring *u, uint32_t number, void *memory, size_t bytes)
{
    ecsi_uring_update update;
    struct iovec vec;
    int answer;
    ECSI_URING_CHECK(number < ECS_IO_REGIONS_MAX);
    u->regions[number].from = 0;
    u->regions[number].to = 0;
    if (!ecsi_uring_make_sparse(u)) return;
    vec.iov_base = memory;
    vec.iov_len = memory == NULL ? 0 : bytes;
    memset(&update, 0, sizeof update);
    update.offset = number;
    update.data = (uint64_t)(uintptr_t)&vec;
    update.count = 1;
    u->calls++;
    answer = u->sys.control(u->ring.fd, ECSI_URING_REGISTER_BUFFERS_UPDATE, &update,
                            sizeof update, u->sys.user);
    if (answer < 0 || memory == NULL) return;
    u->regions[number].from = (uint64_t)(uintptr_t)memory;
    u->regions[number].to = (uint64_t)(uintptr_t)memory + bytes;
}

/* ---- Another thread ------------------------------------------------------------------- */

/* Takes back what was written for a ring but never went to the kernel. */
static void ecsi_uring_take_back(ecsi_uring *u, ecsi_uring_ring *ring)
{
    uint32_t head = ecsi_uring_load(ring->sq_head);
    ECSI_URING_CHECK(ring->tail - head <= ring->sq_mask + 1);
    while (ring->tail != head) {
        const ecsi_uring_sqe *sqe = &ring->sqes[(ring->tail - 1) & ring->sq_mask];
        uint32_t slot = (uint32_t)sqe->user_data;
        ring->tail--;
        ring->expected--;
        if (sqe->user_data >> 32 == ECSI_URING_TAG_WAKE) u->wake_armed = false;
        if (sqe->user_data >> 32 != ECSI_URING_TAG_OP) continue;
        u->slots[slot].flags &=
            (uint16_t)~(ECSI_URING_FLYING | ECSI_URING_POLLING | ECSI_URING_SHOOTING);
        ecsi_uring_unlist(u, slot);
        /* From the end on, each before the one before: they stay in order. */
        u->slots[slot].place = ECSI_URING_DUE;
        u->slots[slot].prev = ECSI_URING_NONE;
        u->slots[slot].next = u->due.first;
        if (u->due.first != ECSI_URING_NONE) u->slots[u->due.first].prev = slot;
        if (u->due.first == ECSI_URING_NONE) u->due.last = slot;
        u->due.first = slot;
    }
    ecsi_uring_store(ring->sq_tail, ring->tail);
}

/* The ring is of no use any more: who is in it and cannot be taken back ends when the kernel
 * says so, all others end now. */
static void ecsi_uring_break(ecsi_uring *u, int error)
{
    ECSI_URING_CHECK(error > 0);
    if (u->broken == 0) ecsi_uring_log(u, ECS_LOG_ERROR, "I/O: the ring of io_uring is lost");
    u->broken = error;
    if (u->ring.fd >= 0) ecsi_uring_take_back(u, &u->ring);
}

/* Another thread has come: see the top of this file. */
static void ecsi_uring_move(ecsi_uring *u)
{
    uint32_t i;
    int error;
    ECSI_URING_CHECK(u->ring.fd >= 0);
    if (u->gone_fd >= 0 || u->ring.gone_fd < 0) {
        ecsi_uring_break(u, EEXIST);
        return;
    }
    ecsi_uring_take_back(u, &u->ring);
    (void)ecsi_uring_consume(u);
    for (i = 0; i < u->slot_max; i++) {
        if (u->slots[i].op == NULL || (u->slots[i].flags & ECSI_URING_FLYING) == 0) continue;
        u->slots[i].flags |= ECSI_URING_OLD;
        if (u->slots[i].place == ECSI_URING_CANCELS) ecsi_uring_unlist(u, i);
    }
    u->wake_armed = false;
    u->gone_fd = u->ring.gone_fd;
    u->ring.gone_fd = -1;
    ecsi_uring_ring_close(u, &u->ring);
    error = ecsi_uring_ring_get(u, true);
    if (error != 0) {
        ecsi_uring_break(u, error);
        return;
    }
    u->sparse = false;
    for (i = 0; i < ECS_IO_REGIONS_MAX; i++) {
        ecsi_uring_range r = u->regions[i];
        if (r.to > r.from) {
            ecsi_uring_region_set(u, i, (void *)(uintptr_t)r.from, (size_t)(r.to - r.from));
        }
    }
    ecsi_uring_log(u, ECS_LOG_INFO, "I/O: another thread ticks: a second ring of io_uring");
}

/* An operation of a ring that is gone: it begins again, where that does the same. */
static void ecsi_uring_revive(ecsi_uring *u, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    uint32_t op = s->op->request.op;
    uint32_t was = s->flags;
    ECSI_URING_CHECK((was & ECSI_URING_OLD) != 0);
    s->flags &= (uint16_t)~(ECSI_URING_OLD | ECSI_URING_FLYING | ECSI_URING_POLLING);
    if ((was & ECSI_URING_SHOOTING) != 0 && s->op->engine_word[0] > 0) return; /* some are held */
    s->flags &= (uint16_t)~(ECSI_URING_SHOOTING | ECSI_URING_PAUSED);
    if ((was & ECSI_URING_POLLING) == 0 &&
        (op == ECS_IO_CLOSE || op == ECS_IO_OPEN || op == ECS_IO_SPLICE)) {
        ecsi_uring_finish(u, slot, -ECANCELED);
        return;
    }
    /* It may have begun to connect: readiness tells how it went. */
    if (op == ECS_IO_CONNECT) s->flags |= ECSI_URING_POLLED | ECSI_URING_BEGUN;
    ecsi_uring_again(u, slot);
}

/* Looks whether the kernel has done with the ring that was closed. */
static void ecsi_uring_mind_old(ecsi_uring *u)
{
    struct pollfd gone;
    uint32_t i;
    if (u->gone_fd < 0) return;
    gone.fd = u->gone_fd;
    gone.events = POLLIN;
    gone.revents = 0;
    u->calls++;
    if (poll(&gone, 1, 0) <= 0) return;
    (void)close(u->gone_fd);
    u->gone_fd = -1;
    for (i = 0; i < u->slot_max; i++) {
        ECSI_URING_CHECK(u->slots[i].op != NULL || u->slots[i].flags == 0);
        if ((u->slots[i].flags & ECSI_URING_OLD) != 0) ecsi_uring_revive(u, i);
    }
}

/* ---- Entering ------------------------------------------------------------------------- */

/* Enters the kernel. Negative: what is left to the caller. */
static int ecsi_uring_enter(ecsi_uring *u, uint32_t submit, uint32_t wait, uint32_t flags,
                            uint64_t wait_ns)
{
    ecsi_uring_timespec time;
    ecsi_uring_wait_arg arg;
    u->calls++;
    ECSI_URING_CHECK(u->ring.fd >= 0);
    if (wait == 0 || wait_ns == ECS_IO_FOREVER) {
        return u->sys.enter(u->ring.fd, submit, wait, flags, NULL, 0, u->sys.user);
    }
    ECSI_URING_CHECK((u->ring.features & ECSI_URING_EXT_ARG) != 0);
    memset(&arg, 0, sizeof arg);
    time.seconds = (int64_t)(wait_ns / 1000000000u);
    time.nanoseconds = (int64_t)(wait_ns % 1000000000u);
    arg.time = (uint64_t)(uintptr_t)&time;
    return u->sys.enter(u->ring.fd, submit, wait, flags | ECSI_URING_ENTER_EXT_ARG, &arg,
                        sizeof arg, u->sys.user);
}

/* Wakes the thread of the kernel, and makes it take what is there where the ring is full. */
static void ecsi_uring_flush_polled(ecsi_uring *u)
{
    uint32_t tries;
    ECSI_URING_CHECK((u->ring.setup & ECSI_URING_SETUP_SQPOLL) != 0);
    for (tries = 0; tries < ECSI_URING_TRIES; tries++) {
        uint32_t flags = 0;
        ecsi_uring_refill(u);
        /* The tail is seen by the thread before its wish to be woken is read here. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if ((ecsi_uring_load(u->ring.sq_flags) & ECSI_URING_NEED_WAKEUP) != 0) {
            flags |= ECSI_URING_ENTER_SQ_WAKEUP;
        }
        if (u->backlog.first != ECSI_URING_NONE && ecsi_uring_pending(&u->ring) > u->ring.sq_mask) {
            flags |= ECSI_URING_ENTER_SQ_WAIT;
        }
        if (flags == 0) return;
        (void)ecsi_uring_enter(u, ecsi_uring_pending(&u->ring), 0, flags, 0);
        if (u->backlog.first == ECSI_URING_NONE && u->cancels.first == ECSI_URING_NONE) return;
        (void)ecsi_uring_consume(u);
    }
}

/* What an enter has answered that submitted nothing. False: no use to try again now. */
static bool ecsi_uring_refused(ecsi_uring *u, int answer)
{
    ECSI_URING_CHECK(answer <= 0);
    switch (answer) {
    case 0:
    case -EINTR: return true;
    case -EAGAIN: /* no memory for requests: some may end */
    case -EBUSY:  /* completions have to be taken first */
        if (!ecsi_uring_consume(u)) return false;
        answer = ecsi_uring_enter(u, 0, 0, ECSI_URING_ENTER_GETEVENTS, 0);
        if (answer < 0 && answer != -EEXIST) return true;
        if (answer == -EEXIST) ecsi_uring_move(u);
        return u->broken == 0 && ecsi_uring_consume(u);
    case -EEXIST: ecsi_uring_move(u); return u->broken == 0;
    default: ecsi_uring_break(u, -answer); return false;
    }
}

/* Gives all that is written to the kernel, and what waits for room behind it. */
static void ecsi_uring_flush(ecsi_uring *u)
{
    uint32_t tries = 0;
    ECSI_URING_CHECK(!u->forked);
    if (u->broken != 0) return;
    if ((u->ring.setup & ECSI_URING_SETUP_SQPOLL) != 0) {
        ecsi_uring_flush_polled(u);
        return;
    }
    while (tries < ECSI_URING_TRIES) {
        uint32_t pending;
        uint32_t most = u->base.batch;
        int answer;
        ecsi_uring_refill(u);
        pending = ecsi_uring_pending(&u->ring);
        if (pending == 0) {
            /* A kernel that drops completions has to give some back first. */
            if (u->backlog.first == ECSI_URING_NONE) return;
            if (*u->ring.cq_head == ecsi_uring_load(u->ring.cq_tail)) return;
            if (!ecsi_uring_consume(u)) return;
            continue;
        }
        if (pending < most) most = pending;
        answer = ecsi_uring_enter(u, most, 0, 0, 0);
        if (answer > 0) {
            tries = 0;
            continue;
        }
        tries++;
        if (!ecsi_uring_refused(u, answer)) return;
    }
}

/* ---- Starting ------------------------------------------------------------------------- */

/* A read past the ring. A read of what is in the page cache costs less as a call that
 * does not wait than as an entry, even in a batch, and much less than one alone; but for what is
 * not in the cache the call is a loss. So the last reads of a handle decide: each that was warm
 * raises its score, each that was not lowers it by more, and at 0 only one read in 64 tries. Two
 * handles that fall together forget each other. A file that is read past the cache (O_DIRECT) is
 * left to the ring, for its call waits for the disk whatever it was told. What comes in part goes
 * to the ring as a whole: the kernel knows whether the file ends there. INT64_MIN: the ring shall
 * do it. */
static int64_t ecsi_uring_warm(ecsi_uring *u, const ecs_io_request *r)
{
#ifdef SYS_preadv2
    ecsi_uring_warmth *w = &u->warm[(size_t)r->handle % ECSI_URING_WARMS];
    struct iovec vec;
    int64_t got;
    ECSI_URING_CHECK(r->op == ECS_IO_READ);
    if (r->offset > (uint64_t)INT64_MAX || (u->desc.flags & ECS_IO_URING_NO_WARM) != 0) {
        return INT64_MIN;
    }
    if (w->handle != r->handle + 1) {
        w->handle = r->handle + 1;
        w->score = ECSI_URING_SCORE_NEW;
        w->skipped = 0;
        u->calls++;
        if ((fcntl((int)r->handle, F_GETFL) & ECSI_URING_O_DIRECT) != 0) {
            w->score = ECSI_URING_SCORE_NEVER;
        }
    }
    if (w->score == ECSI_URING_SCORE_NEVER) return INT64_MIN;
    if (w->score <= 0 && ++w->skipped < ECSI_URING_PROBE_EVERY) return INT64_MIN;
    w->skipped = 0;
    vec.iov_base = r->buffer;
    vec.iov_len = r->length;
    u->calls++;
    /* 8: RWF_NOWAIT. The offset is one word or two, as words are. */
    got = syscall(SYS_preadv2, (int)r->handle, &vec, 1, (long)r->offset,
                  sizeof(long) < 8 ? (long)(r->offset >> 32) : 0L, 8);
    if (got == 0 || (got > 0 && (size_t)got == r->length)) {
        if (w->score < ECSI_URING_SCORE_MAX) w->score++;
        return got;
    }
    if (got < 0) w->score -= w->score < 2 ? w->score : 2;
#else
    (void)u;
    (void)r;
#endif
    return INT64_MIN;
}

/* Lets an operation go on: to the ring, behind what waits for room, or by a call. */
static void ecsi_uring_launch(ecsi_uring *u, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    const ecs_io_request *r = &s->op->request;
    int64_t result = INT64_MIN;
    ECSI_URING_CHECK((s->flags & ECSI_URING_FLYING) == 0);
    if (r->op == ECS_IO_READ && (s->flags & ECSI_URING_ENTERED) != 0) {
        result = ecsi_uring_warm(u, r);
    } else if (r->op == ECS_IO_CLOSE) {
        u->warm[(size_t)r->handle % ECSI_URING_WARMS].handle = 0;
    }
    if (result == INT64_MIN && ecsi_uring_opcode(u, r) == ECSI_URING_NONE &&
        (ecsi_uring_waits(r) == 0 ||
         (ecsi_uring_asks_itself(r->op) && (s->flags & ECSI_URING_BEGUN) == 0))) {
        result = ecsi_uring_call(u, r, false);
        s->flags |= ECSI_URING_BEGUN;
        if (result == -EAGAIN && ecsi_uring_waits(r) != 0) result = INT64_MIN;
    }
    if (result != INT64_MIN) {
        ecsi_uring_finish(u, slot, result);
        return;
    }
    if (u->backlog.first != ECSI_URING_NONE || !ecsi_uring_push(u, slot)) {
        ecsi_uring_list_add(u, &u->backlog, slot, ECSI_URING_BACKLOG);
    }
}

/* Whether it has to wait at its gate; it is put there then. */
static bool ecsi_uring_gated(ecsi_uring *u, uint32_t slot)
{
    ecsi_uring_slot *s = &u->slots[slot];
    ecsi_uring_gate *gate = ecsi_uring_gate_of(u, s->op->request.handle);
    ecsi_uring_range range;
    ECSI_URING_CHECK(s->place == ECSI_URING_NOWHERE);
    if ((s->flags & ECSI_URING_ENTERED) != 0) return false;
    if (!ecsi_uring_range_of(&s->op->request, &range)) return false;
    if (gate->waits.first == ECSI_URING_NONE && ecsi_uring_gate_pass(u, slot)) return false;
    ecsi_uring_list_add(u, &gate->waits, slot, ECSI_URING_WAITS);
    return true;
}

/* Lets all go on that are due, and what becomes due by that. Full batches go to the kernel. */
static void ecsi_uring_run(ecsi_uring *u)
{
    ECSI_URING_CHECK(!u->running);
    u->running = true;
    while (u->due.first != ECSI_URING_NONE) {
        uint32_t slot = u->due.first;
        ecsi_uring_slot *s = &u->slots[slot];
        ecsi_uring_list_drop(u, &u->due, slot);
        if (u->broken != 0) {
            ecsi_uring_finish(u, slot, -(int64_t)u->broken);
            continue;
        }
        if ((s->flags & ECSI_URING_CANCELLED) != 0) {
            ecsi_uring_finish(u, slot, -ECANCELED);
            continue;
        }
        if (ecsi_uring_direction(&s->op->request) != 0 &&
            (s->flags & ECSI_URING_STREAM) == 0 && !ecsi_uring_stream_join(u, s->op)) {
            continue;
        }
        if (ecsi_uring_gated(u, slot)) continue;
        ecsi_uring_launch(u, slot);
        if (u->broken == 0 && ecsi_uring_pending(&u->ring) >= u->base.batch) ecsi_uring_flush(u);
    }
    while (u->broken != 0 && u->backlog.first != ECSI_URING_NONE) {
        ecsi_uring_finish(u, u->backlog.first, -(int64_t)u->broken);
    }
    u->running = false;
}

/* ---- Fork ----------------------------------------------------------------------------- */

/* Memory that a child of fork finds zeroed: asking for the process costs a system call. */
static void ecsi_uring_mark(ecsi_uring *u)
{
    u->pid = getpid();
    u->mark = NULL;
#if defined(MAP_ANONYMOUS) && defined(SYS_madvise)
    {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return;
        /* 18: MADV_WIPEONFORK, Linux 4.14 */
        if (syscall(SYS_madvise, page, (size_t)4096, 18) != 0) {
            (void)munmap(page, 4096);
            return;
        }
        u->mark = (uint32_t *)page;
        *u->mark = 1;
    }
#endif
}

/* True in a child of fork: all has ended there, and its share of the rings is given up. */
static bool ecsi_uring_lost(ecsi_uring *u)
{
    uint32_t i;
    if (u->mark != NULL ? *u->mark != 0 : getpid() == u->pid) return false;
    if (!u->forked) {
        u->forked = true;
        ecsi_uring_ring_close(u, &u->ring);
        if (u->gone_fd >= 0) (void)close(u->gone_fd);
        u->gone_fd = -1;
        u->held_count = 0;
        for (i = 0; i < u->slot_max; i++) {
            if (u->slots[i].op == NULL || u->slots[i].place == ECSI_URING_RESUMES) continue;
            u->slots[i].flags &= (uint16_t)~ECSI_URING_FLYING;
            ecsi_uring_finish(u, i, -EOWNERDEAD);
        }
    }
    ECSI_URING_CHECK(u->ring.fd < 0);
    return true;
}

/* ---- The engine ----------------------------------------------------------------------- */

static uint32_t ecsi_uring_homes(const ecs_io_engine_desc *desc)
{
    uint32_t homes = 16;
    ECSI_URING_CHECK(desc->requests_max > 0);
    while (homes < desc->requests_max && homes < 16384) homes *= 2;
    return homes;
}

#define ECSI_URING_HEAD ((sizeof(ecsi_uring) + 63) / 64 * 64)

static size_t ecsi_uring_bytes(const ecs_io_engine_desc *desc)
{
    return ECSI_URING_HEAD + ecsi_uring_homes(desc) * sizeof(ecs_io_operation *) +
           desc->requests_max * sizeof(ecsi_uring_slot);
}

/* The options with their defaults, and the system behind it. */
static void ecsi_uring_resolve(ecsi_uring *u)
{
    ecs_io_uring_system real = {ecsi_uring_sys_setup, ecsi_uring_sys_enter,
                                ecsi_uring_sys_control, ecsi_uring_sys_map,
                                ecsi_uring_sys_unmap, NULL};
    if (u->base.options != NULL) u->desc = *(const ecs_io_uring_desc *)u->base.options;
    u->sys = u->desc.system != NULL ? *u->desc.system : real;
    if (u->desc.sq_entries == 0) u->desc.sq_entries = 256;
    if (u->desc.cq_entries == 0) u->desc.cq_entries = 512;
    if (u->desc.cq_entries < u->desc.sq_entries) u->desc.cq_entries = u->desc.sq_entries;
    ECSI_URING_CHECK(u->sys.enter != NULL);
    ECSI_URING_CHECK(u->base.batch > 0);
}

/* All lists empty, but for the slots. */
static void ecsi_uring_clear(ecsi_uring *u)
{
    ecsi_uring_list none;
    uint32_t i;
    none.first = ECSI_URING_NONE;
    none.last = ECSI_URING_NONE;
    ECSI_URING_CHECK(u->slot_max > 0);
    u->free = none;
    u->due = none;
    u->backlog = none;
    u->cancels = none;
    u->resumes = none;
    for (i = 0; i < ECSI_URING_GATES; i++) u->gates[i].waits = none;
    for (i = 0; i < u->slot_max; i++) ecsi_uring_list_add(u, &u->free, i, ECSI_URING_NOWHERE);
}

static int ecsi_uring_open(void *state, const ecs_io_engine_desc *desc)
{
    ecsi_uring *u = (ecsi_uring *)state;
    unsigned char *at = (unsigned char *)state + ECSI_URING_HEAD;
    int error;
    ECSI_URING_CHECK(desc->bytes >= ecsi_uring_bytes(desc));
    u->base = *desc;
    u->homes = (ecs_io_operation **)(void *)at;
    u->home_mask = ecsi_uring_homes(desc) - 1;
    u->slots = (ecsi_uring_slot *)(void *)(at + ecsi_uring_homes(desc) * sizeof *u->homes);
    u->slot_max = desc->requests_max;
    u->ring.fd = -1;
    u->ring.gone_fd = -1;
    u->gone_fd = -1;
    ecsi_uring_resolve(u);
    ecsi_uring_clear(u);
    u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->wake_fd < 0) return errno;
    error = ecsi_uring_ring_get(u, (u->desc.flags & ECS_IO_URING_ANY_THREAD) != 0);
    if (error != 0) {
        (void)close(u->wake_fd);
        return error;
    }
    ecsi_uring_find_ops(u);
    ecsi_uring_mark(u);
    return 0;
}

static void ecsi_uring_start(void *state, ecs_io_operation *op)
{
    ecsi_uring *u = (ecsi_uring *)state;
    uint32_t slot = u->free.first;
    if (ecsi_uring_lost(u)) {
        (void)ecs_io_end(op, -EOWNERDEAD, 0);
        return;
    }
    if (ecsi_uring_slot_of(op) < u->slot_max && u->slots[ecsi_uring_slot_of(op)].op == op) {
        slot = ecsi_uring_slot_of(op);
        ECSI_URING_CHECK(u->slots[slot].place == ECSI_URING_RESUMES);
        ecsi_uring_unlist(u, slot);
        ecsi_uring_list_add(u, &u->due, slot, ECSI_URING_DUE);
        ecsi_uring_run(u);
        return;
    }
    ECSI_URING_CHECK(slot != ECSI_URING_NONE);
    ECSI_URING_CHECK(u->slots[slot].op == NULL);
    ecsi_uring_list_drop(u, &u->free, slot);
    u->slots[slot].op = op;
    u->slots[slot].flags = 0;
    op->engine[3] = (void *)(uintptr_t)slot;
    ecsi_uring_list_add(u, &u->due, slot, ECSI_URING_DUE);
    ecsi_uring_run(u);
}

/* Sends all, with what becomes due by what ends meanwhile. */
static void ecsi_uring_send(ecsi_uring *u)
{
    uint32_t rounds;
    for (rounds = 0; rounds < ECSI_URING_ROUNDS; rounds++) {
        ecsi_uring_flush(u);
        if (u->due.first == ECSI_URING_NONE) break;
        ecsi_uring_run(u);
    }
    ECSI_URING_CHECK(!u->running);
}

static void ecsi_uring_submit(void *state)
{
    ecsi_uring *u = (ecsi_uring *)state;
    if (ecsi_uring_lost(u)) return;
    ECSI_URING_CHECK(u->ring.fd >= 0 || u->broken != 0);
    /* All that comes back has come: the others were cancelled meanwhile. */
    while (u->resumes.first != ECSI_URING_NONE) {
        uint32_t slot = u->resumes.first;
        ecs_io_operation *op = u->slots[slot].op;
        ecsi_uring_unlist(u, slot);
        ecsi_uring_stream_leave(u, op);
        ecsi_uring_slot_give(u, slot);
    }
    ecsi_uring_run(u);
    ecsi_uring_send(u);
}

static void ecsi_uring_cancel(void *state, ecs_io_operation *op)
{
    ecsi_uring *u = (ecsi_uring *)state;
    uint32_t slot = ecsi_uring_slot_of(op);
    ecsi_uring_slot *s = &u->slots[slot];
    if (ecsi_uring_lost(u)) return; /* it has ended */
    ECSI_URING_CHECK(slot < u->slot_max);
    ECSI_URING_CHECK(s->op == op);
    s->flags |= ECSI_URING_CANCELLED;
    if ((s->flags & ECSI_URING_FLYING) != 0) {
        if (s->place == ECSI_URING_NOWHERE && (s->flags & ECSI_URING_OLD) == 0) {
            ecsi_uring_list_add(u, &u->cancels, slot, ECSI_URING_CANCELS);
        }
        return;
    }
    if ((s->flags & ECSI_URING_SHOOTING) != 0) {
        ecsi_uring_tell_held(u);
    } else {
        ecsi_uring_finish(u, slot, -ECANCELED);
    }
    ecsi_uring_run(u);
}

/* ---- Reaping -------------------------------------------------------------------------- */

/* Makes the kernel tell when `wake` writes. */
static void ecsi_uring_arm_wake(ecsi_uring *u)
{
    ecsi_uring_sqe *sqe;
    ECSI_URING_CHECK(u->wake_fd >= 0);
    if (u->wake_armed) return;
    sqe = ecsi_uring_sqe_take(&u->ring, true);
    if (sqe == NULL) return;
    ecsi_uring_sqe_poll(sqe, u->wake_fd, POLLIN);
    sqe->user_data = ecsi_uring_name(ECSI_URING_TAG_WAKE, 0);
    ecsi_uring_sqe_give(&u->ring);
    u->wake_armed = true;
}

/* Sleeps in poll: a ring is readable when something has completed. That is for kernels whose
 * enter has no time limit, without a request that would be left over, and for a ring that ends. */
static bool ecsi_uring_sleep_polling(ecsi_uring *u, uint64_t wait_ns)
{
    struct pollfd polls[3];
    uint64_t count;
    int ms = wait_ns > (uint64_t)INT32_MAX * 1000000u ? -1 : (int)((wait_ns + 999999u) / 1000000u);
    int got;
    memset(polls, 0, sizeof polls);
    polls[0].fd = u->wake_fd;
    polls[1].fd = u->ring.fd;
    polls[2].fd = u->gone_fd; /* poll does not look at -1 */
    polls[0].events = POLLIN;
    polls[1].events = POLLIN;
    polls[2].events = POLLIN;
    ECSI_URING_CHECK(ms >= -1);
    u->calls++;
    got = poll(polls, 3, ms);
    if (polls[0].revents != 0 && got > 0) {
        u->woken++;
        u->calls++;
        if (read(u->wake_fd, &count, sizeof count) < 0) count = 0;
    }
    return got > 0 && (polls[1].revents | polls[2].revents) != 0;
}

/* Sleeps until something completes. False: the time is over, or a signal came. */
static bool ecsi_uring_sleep(ecsi_uring *u, uint64_t wait_ns)
{
    uint32_t pending;
    int answer;
    bool timed = (u->ring.features & ECSI_URING_EXT_ARG) != 0;
    ECSI_URING_CHECK(wait_ns > 0);
    if (u->gone_fd >= 0 || !timed || u->broken != 0) return ecsi_uring_sleep_polling(u, wait_ns);
    ecsi_uring_arm_wake(u);
    if (!u->wake_armed) return ecsi_uring_sleep_polling(u, wait_ns);
    pending = ecsi_uring_pending(&u->ring);
    if ((u->ring.setup & ECSI_URING_SETUP_SQPOLL) != 0) {
        ecsi_uring_flush_polled(u);
        pending = 0;
    }
    answer = ecsi_uring_enter(u, pending, 1, ECSI_URING_ENTER_GETEVENTS, wait_ns);
    if (answer >= 0) return true;
    if (answer == -ETIME || answer == -EINTR) return false;
    return ecsi_uring_refused(u, answer);
}

/* Whether the kernel has work that only an enter does: completions beyond the ring, or what has
 * become ready and is carried out on this thread. */
static bool ecsi_uring_owes(const ecsi_uring *u)
{
    uint32_t flags = ecsi_uring_load(u->ring.sq_flags);
    ECSI_URING_CHECK(u->ring.fd >= 0);
    if ((flags & (ECSI_URING_CQ_OVERFLOW | ECSI_URING_TASKRUN)) != 0) return true;
    /* Without the flag nobody tells, so an enter has to look. */
    return (u->ring.setup & ECSI_URING_SETUP_DEFER) != 0 &&
           (u->ring.setup & ECSI_URING_SETUP_TASKRUN_FLAG) == 0 && u->ring.expected > 0;
}

/* Takes what has completed. False: something has to come again, and waiting is of no use. */
static bool ecsi_uring_look(ecsi_uring *u)
{
    bool all;
    if (u->held_count > 0) ecsi_uring_tell_held(u);
    if (u->ring.fd < 0) {
        ecsi_uring_mind_old(u);
        ecsi_uring_run(u);
        return true;
    }
    if (u->broken == 0 && ecsi_uring_owes(u)) {
        int answer = ecsi_uring_enter(u, 0, 0, ECSI_URING_ENTER_GETEVENTS, 0);
        if (answer == -EEXIST) ecsi_uring_move(u);
        if (u->ring.fd < 0) return true;
    }
    all = ecsi_uring_consume(u);
    /* What did not fit into the ring may follow now. */
    if (u->broken == 0 && all &&
        (ecsi_uring_load(u->ring.sq_flags) & ECSI_URING_CQ_OVERFLOW) != 0) {
        (void)ecsi_uring_enter(u, 0, 0, ECSI_URING_ENTER_GETEVENTS, 0);
        all = ecsi_uring_consume(u);
    }
    ecsi_uring_mind_old(u);
    ecsi_uring_run(u);
    ECSI_URING_CHECK(u->due.first == ECSI_URING_NONE);
    return all;
}

static void ecsi_uring_reap(void *state, uint64_t wait_ns)
{
    ecsi_uring *u = (ecsi_uring *)state;
    uint64_t ended = u->ended;
    uint64_t woken = u->woken;
    uint64_t until = 0;
    uint32_t rounds;
    if (ecsi_uring_lost(u)) return;
    if (wait_ns > 0 && wait_ns != ECS_IO_FOREVER) {
        uint64_t now = ecs_io_now();
        until = wait_ns > UINT64_MAX - now ? UINT64_MAX : now + wait_ns;
    }
    for (rounds = 0; rounds < ECSI_URING_ROUNDS; rounds++) {
        bool all = ecsi_uring_look(u);
        ecsi_uring_send(u);
        if (!all || u->ended != ended || u->woken != woken || wait_ns == 0) return;
        if (until != 0) {
            uint64_t now = ecs_io_now();
            if (now >= until) return;
            wait_ns = until - now;
        }
        if (!ecsi_uring_sleep(u, wait_ns)) {
            (void)ecsi_uring_look(u);
            ecsi_uring_send(u);
            return;
        }
        ECSI_URING_CHECK(u->ended == ended || !u->running);
    }
}

/* Any thread, also a signal handler. */
static void ecsi_uring_wake(void *state)
{
    const ecsi_uring *u = (const ecsi_uring *)state;
    uint64_t one = 1;
    int was = errno;
    if (u->mark != NULL && *u->mark == 0) return; /* the eventfd is that of the parent */
    if (write(u->wake_fd, &one, sizeof one) < 0) one = 0; /* it is full: that wakes as well */
    errno = was;
}

/* Nothing is under way, or something that does not end. The kernel may still write to its
 * buffers for a short time: it is asked to stop, and waited for a little. */
static void ecsi_uring_drain(ecsi_uring *u)
{
    uint32_t rounds;
    uint32_t i;
    for (i = 0; i < u->slot_max; i++) {
        ecsi_uring_slot *s = &u->slots[i];
        if (s->op == NULL || (s->flags & ECSI_URING_FLYING) == 0) continue;
        if ((s->flags & ECSI_URING_OLD) != 0) continue; /* the kernel is at it */
        s->flags |= ECSI_URING_CANCELLED;
        if (s->place == ECSI_URING_NOWHERE) {
            ecsi_uring_list_add(u, &u->cancels, i, ECSI_URING_CANCELS);
        }
    }
    u->closing = true;
    for (rounds = 0; rounds < ECSI_URING_CLOSE_ROUNDS && u->ring.fd >= 0; rounds++) {
        ecsi_uring_list none;
        none.first = ECSI_URING_NONE;
        none.last = ECSI_URING_NONE;
        u->backlog = none; /* it never goes out */
        ecsi_uring_flush(u);
        (void)ecsi_uring_consume(u);
        if (u->ring.expected <= (u->wake_armed ? 1u : 0u) || u->broken != 0) return;
        (void)ecsi_uring_sleep(u, ECSI_URING_CLOSE_NS);
    }
    ECSI_URING_CHECK(u->closing);
    ecsi_uring_log(u, ECS_LOG_WARNING, "I/O: io_uring is closed with operations under way");
}

static void ecsi_uring_close(void *state)
{
    ecsi_uring *u = (ecsi_uring *)state;
    if (!ecsi_uring_lost(u)) ecsi_uring_drain(u);
    ecsi_uring_ring_close(u, &u->ring);
    if (u->gone_fd >= 0) (void)close(u->gone_fd);
    (void)close(u->wake_fd);
    if (u->mark != NULL) (void)munmap(u->mark, 4096);
    ECSI_URING_CHECK(u->ring.fd < 0);
    u->wake_fd = -1;
}

static void ecsi_uring_region(void *state, uint32_t number, void *memory, size_t bytes)
{
    ecsi_uring *u = (ecsi_uring *)state;
    ECSI_URING_CHECK(number < ECS_IO_REGIONS_MAX);
    if (ecsi_uring_lost(u) || u->broken != 0) return;
    ecsi_uring_region_set(u, number, memory, bytes);
}

static void ecsi_uring_stats(const void *state, ecs_io_stats *out)
{
    out->system_calls += ((const ecsi_uring *)state)->calls;
}

ECS_API const ecs_io_engine *ecs_io_uring(void)
{
    static const ecs_io_engine engine = {
        "io_uring",       ecsi_uring_bytes,  ecsi_uring_open, ecsi_uring_close,
        ecsi_uring_start, ecsi_uring_submit, ecsi_uring_reap, ecsi_uring_cancel,
        ecsi_uring_wake,  ecsi_uring_region, ecsi_uring_stats};
    return &engine;
}

#endif /* __linux__ */

#endif /* the implementation */
