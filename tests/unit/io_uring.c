/* io_uring.c: the engine of ecs_io_uring.h: on the real kernel, on the real kernel with what is
 * newer than some old one left out, and on a fake one that does on demand what the real one does
 * once in a blue moon. */

#define ECS_IMPLEMENTATION
#include "../test.h"
#include "../../ecs_io_uring.h"

#if defined(__linux__) && !defined(ECS_NO_IO)

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <time.h>

/* ---- The fake kernel ------------------------------------------------------------------ */

enum {
    FAKE_WAITING_MAX = 20000,
    FAKE_OVERFLOW_MAX = 20000,
    FAKE_BYTES = 1 << 18,
    FAKE_ENTRIES = 1024
};

typedef struct fake_waiting {
    ecsi_uring_sqe sqe;
    uint32_t ends_in; /* enters until it ends by itself although it was cancelled; 0: it was not */
} fake_waiting;

/* Carries entries out by plain calls that do not wait; what would wait is tried at each enter. */
static struct {
    /* faults: so often */
    uint32_t eintr, eagain, ebusy, eexist, enomem_setup;
    uint32_t submit_most;   /* entries of one enter; 0: all */
    size_t transfer_most;   /* bytes; 0: all */
    bool no_more;           /* a multishot ends with its first result */
    bool no_buffers;        /* RLIMIT_MEMLOCK */
    bool no_multishot;      /* EINVAL */
    bool slow;              /* an enter that waits takes 3 ms at least */
    bool late_cancel;       /* -EALREADY, and it ends later */
    uint32_t spurious;      /* so many results of operations are -EINTR, without any work */
    uint32_t refuse_flags;  /* setup: EINVAL */
    uint32_t fatal;         /* errno of all enters */
    uint32_t features;
    /* state */
    uint64_t memory[FAKE_BYTES / 8];
    ecsi_uring_sqe sqes[FAKE_ENTRIES];
    uint32_t sq_entries, cq_entries;
    fake_waiting waiting[FAKE_WAITING_MAX];
    uint32_t waiting_count;
    ecsi_uring_cqe overflow[FAKE_OVERFLOW_MAX];
    uint32_t overflow_count;
    uint32_t array_at;
    /* what was seen */
    uint32_t enters, submits_most, setups, setup_flags, overflowed, cancels, entries;
    uint32_t multishots;
    uint32_t seen_ops[64];
} fake;

static uint32_t *fake_word(uint32_t at)
{
    return (uint32_t *)(void *)((unsigned char *)fake.memory + at);
}

static int fake_setup(uint32_t entries, void *params, void *user)
{
    ecsi_uring_params *p = (ecsi_uring_params *)params;
    (void)user;
    fake.setups++;
    if (fake.enomem_setup > 0) {
        fake.enomem_setup--;
        return -ENOMEM;
    }
    if ((p->flags & fake.refuse_flags) != 0) return -EINVAL;
    fake.setup_flags = p->flags;
    fake.sq_entries = entries;
    fake.cq_entries = (p->flags & ECSI_URING_SETUP_CQSIZE) != 0 ? p->cq_entries : 2 * entries;
    REQUIRE(entries <= FAKE_ENTRIES);
    memset(fake.memory, 0, FAKE_BYTES);
    fake.waiting_count = 0; /* of a ring that was closed */
    fake.overflow_count = 0;
    p->sq_entries = fake.sq_entries;
    p->cq_entries = fake.cq_entries;
    p->features = fake.features;
    p->sq.head = 0;
    p->sq.tail = 4;
    p->sq.word[0] = 8;
    p->cq.head = 16;
    p->cq.tail = 20;
    p->cq.word[1] = 64;
    fake.array_at = 64 + fake.cq_entries * 16;
    p->sq.word[2] = fake.array_at;
    return eventfd(1, EFD_CLOEXEC); /* always readable, as for poll */
}

static void *fake_map(int fd, size_t bytes, uint64_t offset, void *user)
{
    (void)fd;
    (void)user;
    REQUIRE(bytes <= FAKE_BYTES);
    return offset == ECSI_URING_MAP_SQES ? (void *)fake.sqes : (void *)fake.memory;
}

static void fake_unmap(void *memory, size_t bytes, void *user)
{
    (void)memory;
    (void)bytes;
    (void)user;
}

static int fake_control(int fd, uint32_t what, void *arg, uint32_t count, void *user)
{
    ecsi_uring_probe *probe = (ecsi_uring_probe *)arg;
    uint32_t i;
    (void)fd;
    (void)user;
    if (what == ECSI_URING_REGISTER_BUFFERS_UPDATE && fake.no_buffers) return -ENOMEM;
    if (what != ECSI_URING_REGISTER_PROBE) return 0;
    probe->last_op = 63;
    for (i = 0; i < count; i++) probe->ops[i].flags = 1;
    return 0;
}

static void fake_post(uint64_t name, int64_t res, uint32_t flags)
{
    uint32_t tail = *fake_word(20);
    ecsi_uring_cqe *cqe = (ecsi_uring_cqe *)(void *)((unsigned char *)fake.memory + 64);
    ecsi_uring_cqe one;
    one.user_data = name;
    one.res = (int32_t)res;
    one.flags = flags;
    if (fake.overflow_count > 0 || tail - *fake_word(16) >= fake.cq_entries) {
        if ((fake.features & ECSI_URING_NODROP) == 0) {
            fake.overflowed++; /* lost, as on the oldest ones */
            return;
        }
        REQUIRE(fake.overflow_count < FAKE_OVERFLOW_MAX);
        fake.overflow[fake.overflow_count++] = one;
        fake.overflowed++;
        *fake_word(8) |= ECSI_URING_CQ_OVERFLOW;
        return;
    }
    cqe[tail & (fake.cq_entries - 1)] = one;
    ecsi_uring_store(fake_word(20), tail + 1);
}

static void fake_flush_overflow(void)
{
    uint32_t count = fake.overflow_count;
    uint32_t i;
    fake.overflow_count = 0;
    *fake_word(8) &= ~(uint32_t)ECSI_URING_CQ_OVERFLOW;
    for (i = 0; i < count; i++) {
        ecsi_uring_cqe one = fake.overflow[i];
        if (*fake_word(20) - *fake_word(16) >= fake.cq_entries) {
            memmove(fake.overflow, fake.overflow + i, (count - i) * sizeof one);
            fake.overflow_count = count - i;
            *fake_word(8) |= ECSI_URING_CQ_OVERFLOW;
            return;
        }
        fake_post(one.user_data, one.res, one.flags);
    }
}

static bool fake_is_ready(int fd, short events, short *found)
{
    struct pollfd one;
    one.fd = fd;
    one.events = events;
    one.revents = 0;
    if (poll(&one, 1, 0) <= 0) return false;
    *found = one.revents;
    return true;
}

/* What an entry comes to now; -EAGAIN: it would wait. */
static int64_t fake_transfer(const ecsi_uring_sqe *q)
{
    void *buffer = (void *)(uintptr_t)q->addr;
    size_t length = q->len;
    int flags = (int)q->op_flags | MSG_DONTWAIT;
    short found = 0;
    bool here = q->off == UINT64_MAX;
    if (q->opcode == ECSI_URING_READV || q->opcode == ECSI_URING_WRITEV) {
        const struct iovec *vec = (const struct iovec *)(uintptr_t)q->addr;
        buffer = vec->iov_base;
        length = vec->iov_len;
    }
    if (fake.transfer_most != 0 && length > fake.transfer_most) length = fake.transfer_most;
    switch (q->opcode) {
    case ECSI_URING_SEND: return ecsi_uring_answer(send(q->fd, buffer, length, flags));
    case ECSI_URING_RECV: return ecsi_uring_answer(recv(q->fd, buffer, length, flags));
    case ECSI_URING_READ:
    case ECSI_URING_READV:
    case ECSI_URING_READ_FIXED:
        if (!here) return ecsi_uring_answer(pread(q->fd, buffer, length, (off_t)q->off));
        if (!fake_is_ready(q->fd, POLLIN, &found)) return -EAGAIN;
        return ecsi_uring_answer(read(q->fd, buffer, length));
    default:
        if (!here) return ecsi_uring_answer(pwrite(q->fd, buffer, length, (off_t)q->off));
        if (!fake_is_ready(q->fd, POLLOUT, &found)) return -EAGAIN;
        return ecsi_uring_answer(write(q->fd, buffer, length));
    }
}

static int64_t fake_carry_out(const ecsi_uring_sqe *q)
{
    short found = 0;
    switch (q->opcode) {
    case ECSI_URING_NOP: return 0;
    case ECSI_URING_FSYNC: return ecsi_uring_answer(fsync(q->fd));
    case ECSI_URING_POLL_ADD:
        return fake_is_ready(q->fd, (short)q->op_flags, &found) ? (int64_t)found : -EAGAIN;
    case ECSI_URING_ACCEPT:
        if (!fake_is_ready(q->fd, POLLIN, &found)) return -EAGAIN;
        return ecsi_uring_answer(accept(q->fd, (struct sockaddr *)(uintptr_t)q->addr,
                                        (socklen_t *)(uintptr_t)q->off));
    case ECSI_URING_CLOSE: return ecsi_uring_answer(close(q->fd));
    case ECSI_URING_SHUTDOWN: return ecsi_uring_answer(shutdown(q->fd, (int)q->len));
    default: return fake_transfer(q);
    }
}

/* Tries one. False: it waits on. */
static bool fake_try(const ecsi_uring_sqe *q)
{
    bool multi = q->opcode == ECSI_URING_ACCEPT && q->ioprio != 0;
    int64_t res;
    if (multi && fake.no_multishot) {
        fake_post(q->user_data, -EINVAL, 0);
        return true;
    }
    if (fake.spurious > 0 && q->user_data >> 32 == 0 && q->opcode != ECSI_URING_CLOSE) {
        fake.spurious--;
        fake_post(q->user_data, -EINTR, 0);
        return true;
    }
    res = fake_carry_out(q);
    while (multi && res >= 0 && !fake.no_more) {
        fake_post(q->user_data, res, ECSI_URING_F_MORE);
        res = fake_carry_out(q);
    }
    if (res == -EAGAIN) return false;
    fake_post(q->user_data, res, 0);
    return true;
}

static void fake_cancel(const ecsi_uring_sqe *q)
{
    uint32_t i;
    fake.cancels++;
    for (i = 0; i < fake.waiting_count; i++) {
        fake_waiting *w = &fake.waiting[i];
        if (w->sqe.user_data != q->addr) continue;
        if (fake.late_cancel) {
            w->ends_in = 3;
            fake_post(q->user_data, -EALREADY, 0);
            return;
        }
        fake_post(w->sqe.user_data, -ECANCELED, 0);
        fake.waiting[i] = fake.waiting[--fake.waiting_count];
        fake_post(q->user_data, 0, 0);
        return;
    }
    fake_post(q->user_data, -ENOENT, 0);
}

static void fake_take(const ecsi_uring_sqe *q)
{
    fake.entries++;
    fake.seen_ops[q->opcode & 63]++;
    if (q->opcode == ECSI_URING_ACCEPT && q->ioprio != 0) fake.multishots++;
    if (q->opcode == ECSI_URING_CANCEL || q->opcode == ECSI_URING_POLL_REMOVE) {
        fake_cancel(q);
    } else if (!fake_try(q)) {
        REQUIRE(fake.waiting_count < FAKE_WAITING_MAX);
        memset(&fake.waiting[fake.waiting_count], 0, sizeof fake.waiting[0]);
        fake.waiting[fake.waiting_count++].sqe = *q;
    }
}

static void fake_retry(void)
{
    uint32_t i = 0;
    while (i < fake.waiting_count) {
        fake_waiting *w = &fake.waiting[i];
        ecsi_uring_sqe sqe = w->sqe;
        if (w->ends_in > 0 && --w->ends_in == 0) {
            fake_post(sqe.user_data, -EINTR, 0);
        } else if (!fake_try(&sqe)) {
            i++;
            continue;
        }
        fake.waiting[i] = fake.waiting[fake.waiting_count - 1];
        fake.waiting_count--;
    }
    if (fake.waiting_count > 0) {
        *fake_word(8) |= ECSI_URING_TASKRUN;
    } else {
        *fake_word(8) &= ~(uint32_t)ECSI_URING_TASKRUN;
    }
}

static bool fake_fault(uint32_t *count)
{
    if (*count == 0) return false;
    (*count)--;
    return true;
}

static int fake_submit(uint32_t submit)
{
    uint32_t head = *fake_word(0);
    uint32_t tail = ecsi_uring_load(fake_word(4));
    const uint32_t *array = fake_word(fake.array_at);
    bool listed = (fake.setup_flags & ECSI_URING_SETUP_NO_SQARRAY) == 0;
    uint32_t done = 0;
    REQUIRE(submit <= tail - head);
    if (fake.submit_most != 0 && submit > fake.submit_most) submit = fake.submit_most;
    for (; done < submit; done++) {
        uint32_t at = head & (fake.sq_entries - 1);
        fake_take(&fake.sqes[listed ? array[at] : at]);
        ecsi_uring_store(fake_word(0), ++head);
    }
    return (int)done;
}

static int fake_enter(int fd, uint32_t submit, uint32_t wait, uint32_t flags, const void *arg,
                      size_t bytes, void *user)
{
    const ecsi_uring_wait_arg *limit = (const ecsi_uring_wait_arg *)arg;
    uint64_t until = UINT64_MAX;
    int done = 0;
    (void)fd;
    (void)user;
    (void)bytes;
    fake.enters++;
    if (fake.fatal != 0) return -(int)fake.fatal;
    if (fake_fault(&fake.eexist)) return -EEXIST;
    if (fake_fault(&fake.eintr)) return -EINTR;
    if (submit > fake.submits_most) fake.submits_most = submit;
    if (submit > 0) {
        if (fake_fault(&fake.eagain)) return -EAGAIN;
        if (fake_fault(&fake.ebusy) || fake.overflow_count > 0) return -EBUSY;
        done = fake_submit(submit);
    }
    if ((flags & ECSI_URING_ENTER_GETEVENTS) == 0) {
        fake_retry();
        return done;
    }
    if ((flags & ECSI_URING_ENTER_EXT_ARG) != 0) {
        const ecsi_uring_timespec *t = (const ecsi_uring_timespec *)(uintptr_t)limit->time;
        until = ecs_io_now() + (uint64_t)t->seconds * 1000000000u + (uint64_t)t->nanoseconds;
    }
    if (fake.slow && wait > 0) {
        struct timespec long_pause = {0, 3000000};
        (void)nanosleep(&long_pause, NULL);
    }
    for (;;) {
        struct timespec pause = {0, 50000};
        fake_flush_overflow();
        fake_retry();
        if (wait == 0 || *fake_word(20) - *fake_word(16) >= wait) return done;
        if (ecs_io_now() >= until) return -ETIME;
        (void)nanosleep(&pause, NULL);
    }
}

static const ecs_io_uring_system fake_system = {fake_setup, fake_enter, fake_control, fake_map,
                                                fake_unmap, NULL};

/* ---- Worlds --------------------------------------------------------------------------- */

enum { LOG_MAX = 32768 };

static struct {
    ecs_io_completion done[LOG_MAX];
    uint32_t count;
} seen;

static ecs_io_uring_desc options;

static void note(ecs_world *world, const ecs_io_completion *done)
{
    (void)world;
    if (seen.count < LOG_MAX) seen.done[seen.count] = *done;
    seen.count++;
}

static void quiet(ecs_log_level level, const char *text, void *user)
{
    (void)level;
    (void)text;
    (void)user;
}

static ecs_world *make_of(uint32_t requests_max)
{
    ecs_world_desc desc;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    desc.io.engine = ecs_io_uring();
    desc.io.options = &options;
    desc.io.requests_max = requests_max;
    desc.log = quiet;
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    memset(&seen, 0, sizeof seen);
    return world;
}

static ecs_world *make(void)
{
    return make_of(0);
}

/* A world on a fake kernel that can all. */
static ecs_world *make_fake(void)
{
    fake.features = ECSI_URING_SINGLE_MMAP | ECSI_URING_NODROP | ECSI_URING_FAST_POLL |
                    ECSI_URING_SQPOLL_NONFIXED | ECSI_URING_EXT_ARG;
    options.system = &fake_system;
    return make();
}

/* Whether this machine lets us have a ring. */
static bool real(void)
{
    ecsi_uring_params params;
    int fd;
    memset(&params, 0, sizeof params);
    fd = ecsi_uring_sys_setup(4, &params, NULL);
    if (fd >= 0) (void)close(fd);
    return fd >= 0;
}

/* Where io_uring is refused, as in many containers, the next engine has to do the same. */
#define REAL_OR_NEXT() \
    do { \
        if (!real()) printf("    io_uring is refused here: on the next engine\n"); \
    } while (0)
/* What is about the ring itself has nothing to look at then. */
#define REQUIRE_RING() \
    do { \
        if (!real()) { \
            printf("    io_uring is refused here: there is no ring\n"); \
            return; \
        } \
    } while (0)

static const uint32_t ages[] = {0, 501, 504, 505, 506, 510, 515, 601, 607};
enum { AGES = sizeof ages / sizeof ages[0] };

static ecs_io_request ask(ecs_io_op op, int handle, void *buffer, size_t length)
{
    ecs_io_request r;
    memset(&r, 0, sizeof r);
    r.op = (uint32_t)op;
    r.handle = handle;
    r.buffer = buffer;
    r.length = length;
    r.offset = op == ECS_IO_READ || op == ECS_IO_WRITE ? ECS_IO_HERE : 0;
    r.done = note;
    return r;
}

static ecs_io_request ask_at(ecs_io_op op, int handle, void *buffer, size_t length, uint64_t at)
{
    ecs_io_request r = ask(op, handle, buffer, length);
    r.offset = at;
    return r;
}

static ecs_io_id put(ecs_world *world, ecs_io_request r)
{
    ecs_io_id id = ecs_io_queue(ecs_world_commands(world), &r);
    CHECK(id.bits != 0);
    return id;
}

static void until(ecs_world *world, uint32_t count)
{
    uint64_t end = ecs_io_now() + 10000000000u;
    while (seen.count < count && ecs_io_now() < end) {
        (void)ecs_io_wait(world, 10000000);
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    }
    CHECK_EQ_U64(seen.count, count);
}

/* The result of the request with this user pointer. */
static int64_t result_of(uintptr_t user)
{
    uint32_t i;
    for (i = 0; i < seen.count && i < LOG_MAX; i++) {
        if ((uintptr_t)seen.done[i].user == user) return seen.done[i].result;
    }
    return INT64_MIN;
}

static void sockets(int fd[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
}

static int scratch(const char *text)
{
    char name[] = "/tmp/ecs_io_XXXXXX";
    int fd = mkstemp(name);
    REQUIRE(fd >= 0);
    (void)unlink(name);
    REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static int listener(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(fd >= 0);
    REQUIRE(bind(fd, (struct sockaddr *)address, bytes) == 0);
    REQUIRE(listen(fd, 512) == 0);
    REQUIRE(getsockname(fd, (struct sockaddr *)address, &bytes) == 0);
    return fd;
}

static int connected(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0);
    REQUIRE(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0);
    return fd;
}

static void *text_of(const char *text)
{
    return (void *)(uintptr_t)text;
}

/* ---- Operations, on each kernel ------------------------------------------------------- */

static void files_case(ecs_world *world)
{
    char text[64] = {0};
    char more[8] = "abcdZY";
    int fd = scratch("0123456789");
    uint32_t i;
    put(world, ask_at(ECS_IO_READ, fd, text, 4, 3));
    until(world, 1);
    CHECK_EQ_I64(seen.done[0].result, 4);
    CHECK(memcmp(text, "3456", 4) == 0);
    /* All at once: each sees what was written before it. */
    put(world, ask_at(ECS_IO_WRITE, fd, more, 4, 8));
    put(world, ask_at(ECS_IO_WRITE, fd, more + 4, 2, 9));
    put(world, ask(ECS_IO_FSYNC, fd, NULL, 0));
    put(world, ask_at(ECS_IO_READ, fd, text, 20, 6));
    for (i = 0; i < 2; i++) {
        ecs_io_request r = ask(ECS_IO_READ, fd, text + 32 + i * 2, 2);
        r.user = (void *)(uintptr_t)(10 + i);
        put(world, r);
    }
    until(world, 7);
    CHECK(memcmp(text, "67aZYd", 6) == 0);
    CHECK(memcmp(text + 32, "0123", 4) == 0);
    CHECK_EQ_I64(result_of(10), 2);
    CHECK_EQ_I64(result_of(11), 2);
    put(world, ask_at(ECS_IO_READ, fd, text, 4, 1000));
    until(world, 8);
    CHECK_EQ_I64(seen.done[7].result, 0);
    put(world, ask(ECS_IO_CLOSE, fd, NULL, 0));
    until(world, 9);
    CHECK_EQ_I64(seen.done[8].result, 0);
    CHECK(close(fd) < 0);
    put(world, ask_at(ECS_IO_READ, fd, text, 4, 0));
    put(world, ask(ECS_IO_READ, fd, text, 4));
    put(world, ask(ECS_IO_RECV, fd, text, 4));
    put(world, ask(ECS_IO_FSYNC, fd, NULL, 0));
    until(world, 13);
    for (i = 9; i < 13; i++) CHECK_EQ_I64(seen.done[i].result, -EBADF);
}

static void open_case(ecs_world *world)
{
    char name[] = "/tmp/ecs_io_XXXXXX";
    int fd = mkstemp(name);
    ecs_io_request r = ask_at(ECS_IO_OPEN, 0, name, 0, O_RDWR);
    (void)close(fd);
    put(world, r);
    put(world, ask_at(ECS_IO_OPEN, 0, text_of("/nowhere/at/all"), 0, O_RDONLY));
    until(world, 2);
    CHECK_EQ_I64(seen.done[1].result, -ENOENT);
    fd = (int)seen.done[0].result;
    REQUIRE(fd >= 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    put(world, ask(ECS_IO_CLOSE, fd, NULL, 0));
    until(world, 4);
    CHECK_EQ_I64(seen.done[2].result, 0);
    CHECK_EQ_I64(seen.done[3].result, 0);
    (void)unlink(name);
}

static void streams_case(ecs_world *world)
{
    char text[3][16];
    int fd[2];
    uint32_t i;
    sockets(fd);
    memset(text, 0, sizeof text);
    for (i = 0; i < 3; i++) {
        ecs_io_request r = ask(ECS_IO_RECV, fd[0], text[i], i == 2 ? 16 : 5);
        r.user = (void *)(uintptr_t)(i + 1);
        put(world, r);
    }
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    CHECK_STATUS(ecs_io_wait(world, 1000000), ECS_TIMEOUT);
    CHECK_EQ_U64(seen.count, 0);
    put(world, ask(ECS_IO_SEND, fd[1], text_of("hello"), 5));
    put(world, ask(ECS_IO_SEND, fd[1], text_of("world"), 5));
    until(world, 4);
    CHECK(memcmp(text[0], "hello", 5) == 0);
    CHECK(memcmp(text[1], "world", 5) == 0); /* who asked first is first */
    put(world, ask(ECS_IO_SEND, fd[1], text_of("end"), 3));
    put(world, ask_at(ECS_IO_SHUTDOWN, fd[1], NULL, 0, SHUT_WR));
    until(world, 7);
    CHECK_EQ_I64(result_of(3), 3);
    put(world, ask(ECS_IO_RECV, fd[0], text[0], 16));
    until(world, 8);
    CHECK_EQ_I64(seen.done[7].result, 0);
    put(world, ask(ECS_IO_SEND, fd[1], text_of("no"), 2)); /* no signal */
    until(world, 9);
    CHECK_EQ_I64(seen.done[8].result, -EPIPE);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void pipes_case(ecs_world *world)
{
    static char big[200000], back[200000];
    char text[16] = {0};
    int fd[2];
    uint32_t i;
    ecs_io_request r;
    REQUIRE(pipe(fd) == 0);
    (void)fcntl(fd[0], F_SETFL, O_NONBLOCK); /* it waits nevertheless */
    put(world, ask(ECS_IO_READ, fd[0], text, 16));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    CHECK_STATUS(ecs_io_wait(world, 1000000), ECS_TIMEOUT);
    put(world, ask(ECS_IO_WRITE, fd[1], text_of("abc"), 3));
    until(world, 2);
    CHECK(memcmp(text, "abc", 3) == 0);
    for (i = 0; i < sizeof big; i++) big[i] = (char)(i * 7);
    r = ask(ECS_IO_WRITE, fd[1], big, sizeof big);
    r.flags = ECS_IO_WHOLE;
    put(world, r);
    r = ask(ECS_IO_READ, fd[0], back, sizeof back);
    r.flags = ECS_IO_WHOLE;
    put(world, r);
    until(world, 4);
    CHECK_EQ_I64(seen.done[2].result, sizeof big);
    CHECK_EQ_I64(seen.done[3].result, sizeof big);
    CHECK(memcmp(big, back, sizeof big) == 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void connections_case(ecs_world *world)
{
    struct sockaddr_in address, peer;
    int server = listener(&address);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    int other;
    ecs_io_request r = ask(ECS_IO_ACCEPT, server, &peer, sizeof peer);
    memset(&peer, 0, sizeof peer);
    r.user = (void *)(uintptr_t)1;
    put(world, r);
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    r = ask(ECS_IO_CONNECT, client, &address, sizeof address);
    r.user = (void *)(uintptr_t)2;
    put(world, r);
    until(world, 2);
    CHECK_EQ_I64(result_of(2), 0);
    other = (int)result_of(1);
    REQUIRE(other >= 0);
    CHECK_EQ_I64(peer.sin_family, AF_INET);
    (void)close(other);
    (void)close(client);
    (void)close(server);
    client = socket(AF_INET, SOCK_STREAM, 0);
    put(world, ask(ECS_IO_CONNECT, client, &address, sizeof address));
    until(world, 3);
    CHECK_EQ_I64(seen.done[2].result, -ECONNREFUSED);
    (void)close(client);
}

static void messages_case(ecs_world *world)
{
    char text[16] = {0};
    struct msghdr out, in;
    struct iovec a, b;
    int fd[2];
    sockets(fd);
    memset(&out, 0, sizeof out);
    memset(&in, 0, sizeof in);
    a.iov_base = text_of("message");
    a.iov_len = 7;
    b.iov_base = text;
    b.iov_len = sizeof text;
    out.msg_iov = &a;
    out.msg_iovlen = 1;
    in.msg_iov = &b;
    in.msg_iovlen = 1;
    put(world, ask(ECS_IO_RECVMSG, fd[0], &in, 0));
    put(world, ask(ECS_IO_SENDMSG, fd[1], &out, 0));
    until(world, 2);
    CHECK_EQ_I64(seen.done[0].result, 7);
    CHECK_EQ_I64(seen.done[1].result, 7);
    CHECK(memcmp(text, "message", 7) == 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void splice_case(ecs_world *world)
{
    int file = scratch("0123456789");
    char text[16] = {0};
    int fd[2];
    ecs_io_request r = ask_at(ECS_IO_SPLICE, file, NULL, 6, 2);
    REQUIRE(pipe(fd) == 0);
    r.peer = fd[1];
    put(world, r);
    until(world, 1);
    CHECK_EQ_I64(seen.done[0].result, 6);
    CHECK(read(fd[0], text, 16) == 6);
    CHECK(memcmp(text, "234567", 6) == 0);
    r = ask_at(ECS_IO_SPLICE, file, NULL, 4, ECS_IO_HERE);
    r.peer = fd[1];
    put(world, r);
    until(world, 2);
    CHECK_EQ_I64(seen.done[1].result, 4);
    CHECK(read(fd[0], text, 16) == 4);
    CHECK(memcmp(text, "0123", 4) == 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
    (void)close(file);
}

static void polls_case(ecs_world *world)
{
    int fd[2];
    ecs_io_request r;
    sockets(fd);
    put(world, ask_at(ECS_IO_POLL, fd[0], NULL, 0, ECS_IO_READABLE | ECS_IO_WRITABLE));
    put(world, ask_at(ECS_IO_POLL, 9999, NULL, 0, ECS_IO_READABLE)); /* ready: the call says why */
    until(world, 2);
    CHECK_EQ_I64(seen.done[0].result, ECS_IO_WRITABLE);
    CHECK_EQ_I64(seen.done[1].result, ECS_IO_READABLE);
    r = ask_at(ECS_IO_POLL, fd[0], NULL, 0, ECS_IO_READABLE);
    r.timeout_ns = 5000000;
    put(world, r);
    until(world, 3);
    CHECK_EQ_I64(seen.done[2].result, -ETIMEDOUT);
    put(world, ask_at(ECS_IO_POLL, fd[0], NULL, 0, ECS_IO_READABLE));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    CHECK(write(fd[1], "x", 1) == 1);
    until(world, 4);
    CHECK_EQ_I64(seen.done[3].result, ECS_IO_READABLE);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* Operations that wait, wait behind another, are in the ring, or have just been asked for. */
static void cancels_case(ecs_world *world)
{
    char text[4][8];
    ecs_io_id id[4];
    int fd[2];
    uint32_t i;
    sockets(fd);
    for (i = 0; i < 3; i++) id[i] = put(world, ask(ECS_IO_RECV, fd[0], text[i], 8));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    (void)ecs_io_cancel(ecs_world_commands(world), id[1]);
    until(world, 1);
    CHECK(seen.done[0].id.bits == id[1].bits);
    CHECK_EQ_I64(seen.done[0].result, -ECANCELED);
    (void)ecs_io_cancel(ecs_world_commands(world), id[0]);
    id[3] = put(world, ask_at(ECS_IO_POLL, fd[0], NULL, 0, ECS_IO_READABLE));
    (void)ecs_io_cancel(ecs_world_commands(world), id[3]);
    until(world, 3);
    CHECK_EQ_I64(seen.done[1].result, -ECANCELED);
    CHECK_EQ_I64(seen.done[2].result, -ECANCELED);
    CHECK(write(fd[1], "x", 1) == 1); /* the third goes on */
    until(world, 4);
    CHECK(seen.done[3].id.bits == id[2].bits);
    CHECK_EQ_I64(seen.done[3].result, 1);
    /* Closing ends what was asked before. */
    put(world, ask(ECS_IO_RECV, fd[0], text[0], 8));
    put(world, ask(ECS_IO_RECV, fd[0], text[1], 8));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    put(world, ask(ECS_IO_CLOSE, fd[0], NULL, 0));
    until(world, 7);
    /* In any order; a late one is tried again by the fake, on a handle that is none. */
    for (i = 4; i < 7; i++) {
        bool closed = seen.done[i].op == ECS_IO_CLOSE;
        int64_t result = seen.done[i].result;
        bool cancelled = result == -ECANCELED || (fake.late_cancel && result == -EBADF);
        CHECK(closed ? result == 0 : cancelled);
    }
    (void)close(fd[1]);
}

static void many_accepts_case(ecs_world *world, uint32_t count)
{
    struct sockaddr_in address;
    int server = listener(&address);
    int clients[64];
    ecs_io_request r = ask(ECS_IO_ACCEPT, server, NULL, 0);
    ecs_io_id id;
    uint32_t i;
    REQUIRE(count <= 64);
    r.flags = ECS_IO_MULTI;
    id = put(world, r);
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    for (i = 0; i < count; i++) {
        clients[i] = connected(&address);
        if (i % 7 == 0) CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    }
    until(world, count);
    for (i = 0; i < count; i++) {
        CHECK(seen.done[i].result >= 0);
        CHECK((seen.done[i].flags & ECS_IO_MORE) != 0);
        (void)close((int)seen.done[i].result);
        (void)close(clients[i]);
    }
    (void)ecs_io_cancel(ecs_world_commands(world), id);
    until(world, count + 1);
    CHECK_EQ_I64(seen.done[count].result, -ECANCELED);
    (void)close(server);
}

static void few_accepts_case(ecs_world *world)
{
    many_accepts_case(world, 20);
}

/* Large transfers that come in pieces do not mix, also when one is cancelled half-way. */
static void pieces_case(ecs_world *world)
{
    enum { LARGE = 400000 };
    static char out[3][LARGE], in[3 * LARGE];
    ecs_io_id id[3];
    ecs_io_request r;
    uint32_t i;
    int64_t first;
    int fd[2];
    sockets(fd);
    for (i = 0; i < 3; i++) memset(out[i], 'a' + (int)i, LARGE);
    for (i = 0; i < 3; i++) {
        r = ask(ECS_IO_SEND, fd[1], out[i], LARGE);
        r.flags = ECS_IO_WHOLE;
        r.user = (void *)(uintptr_t)(i + 1);
        id[i] = put(world, r);
    }
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    r = ask(ECS_IO_RECV, fd[0], in, LARGE + 1000);
    r.flags = ECS_IO_WHOLE;
    r.user = (void *)(uintptr_t)4;
    put(world, r);
    until(world, 2);
    CHECK_EQ_I64(result_of(1), LARGE);
    CHECK_EQ_I64(result_of(4), LARGE + 1000);
    CHECK(memcmp(in, out[0], LARGE) == 0);
    CHECK(in[LARGE] == 'b' && in[LARGE + 999] == 'b');
    (void)ecs_io_cancel(ecs_world_commands(world), id[1]);
    until(world, 3);
    first = result_of(2);
    CHECK(first > 0 && first < LARGE);
    r = ask(ECS_IO_RECV, fd[0], in, (size_t)(first - 1000 + LARGE));
    r.flags = ECS_IO_WHOLE;
    put(world, r);
    until(world, 5);
    CHECK(memcmp(in, out[1], (size_t)first - 1000) == 0);
    CHECK(memcmp(in + first - 1000, out[2], LARGE) == 0);
    CHECK_EQ_I64(result_of(3), LARGE);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* A local socket whose peer has no room waits until it has. */
/* The plain engines are told of no room, and cannot wait for it: there it is -ECONNREFUSED. */
static void crowded_case(ecs_world *world)
{
    struct sockaddr_un address;
    int server = real() ? socket(AF_UNIX, SOCK_STREAM, 0) : -1;
    int clients[8];
    uint32_t count = 0;
    if (server < 0) return;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    (void)snprintf(address.sun_path + 1, 64, "ecs_io_uring_%d", (int)getpid()); /* no file */
    REQUIRE(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(server, 0) == 0);
    for (; count < 8; count++) {
        clients[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(clients[count], (struct sockaddr *)&address, sizeof address) < 0) break;
    }
    REQUIRE(count < 8);
    put(world, ask(ECS_IO_CONNECT, clients[count], &address, sizeof address));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    (void)ecs_io_wait(world, 2000000);
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    CHECK_EQ_U64(seen.count, 0);
    (void)close(accept(server, NULL, NULL));
    until(world, 1);
    CHECK_EQ_I64(seen.done[0].result, 0);
    for (; count != UINT32_MAX; count--) (void)close(clients[count]);
    (void)close(server);
}

/* Streams of random pieces both ways, with time limits and cancelled requests among them: each
 * ends once, and every byte arrives in its place. */
static void random_case(ecs_world *world)
{
    enum { PAIRS = 12, PIECE = 600, ROUNDS = 60 };
    static unsigned char out[PAIRS][ROUNDS][PIECE], in[PAIRS][ROUNDS][PIECE];
    static uint32_t sent[PAIRS], got[PAIRS];
    uint64_t seed = test_seed();
    uint32_t asked = 0;
    int fd[PAIRS][2];
    uint32_t i, k;
    memset(sent, 0, sizeof sent);
    memset(got, 0, sizeof got);
    for (i = 0; i < PAIRS; i++) sockets(fd[i]);
    for (k = 0; k < ROUNDS; k++) {
        uint32_t first = seen.count;
        ecs_io_id last = {0};
        for (i = 0; i < PAIRS; i++) {
            uint32_t length = test_random_below(&seed, PIECE) + 1;
            uint32_t b;
            ecs_io_request r = ask(ECS_IO_RECV, fd[i][0], in[i][k], PIECE);
            r.user = (void *)(uintptr_t)(i + 1);
            if (test_random_below(&seed, 4) == 0) r.timeout_ns = 1;
            last = put(world, r);
            asked++;
            if (test_random_below(&seed, 4) == 0) {
                put(world, ask_at(ECS_IO_POLL, fd[i][0], NULL, 0, ECS_IO_WRITABLE));
                asked++;
            }
            if (test_random_below(&seed, 3) == 0) continue;
            for (b = 0; b < length; b++) out[i][k][b] = (unsigned char)((sent[i] + b) * 31);
            sent[i] += length;
            r = ask(ECS_IO_SEND, fd[i][1], out[i][k], length);
            put(world, r);
            asked++;
        }
        (void)ecs_io_cancel(ecs_world_commands(world), last);
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        if (k % 3 == 0) (void)ecs_io_wait(world, 100000);
        for (i = first; i < seen.count && i < LOG_MAX; i++) {
            const ecs_io_completion *done = &seen.done[i];
            uint32_t pair = (uint32_t)(uintptr_t)done->user;
            int64_t b;
            if (done->op != ECS_IO_RECV || done->result <= 0) continue;
            for (b = 0; b < done->result; b++) {
                if (((unsigned char *)done->buffer)[b] != (unsigned char)(got[pair - 1] * 31)) {
                    CHECK_EQ_U64(((unsigned char *)done->buffer)[b], got[pair - 1] * 31 & 255u);
                    return;
                }
                got[pair - 1]++;
            }
        }
    }
    for (i = 0; i < PAIRS; i++) {
        put(world, ask(ECS_IO_CLOSE, fd[i][0], NULL, 0));
        put(world, ask(ECS_IO_CLOSE, fd[i][1], NULL, 0));
    }
    until(world, asked + PAIRS * 2);
}

static void on_each_kernel(void (*run)(ecs_world *world))
{
    uint32_t i;
    for (i = 0; i < AGES + 2; i++) {
        ecs_world *world;
        memset(&options, 0, sizeof options);
        options.kernel = i < AGES ? ages[i] : 0;
        if (i == AGES) options.flags = ECS_IO_URING_ANY_THREAD;
        if (i == AGES + 1) options.flags = ECS_IO_URING_SQPOLL;
        world = make();
        run(world);
        if (real()) CHECK_STR(ecs_io_stats_of(world).engine, "io_uring");
        ecs_world_destroy(world);
    }
}

#define EACH_KERNEL(name, run) \
    TEST(name) \
    { \
        REAL_OR_NEXT(); \
        on_each_kernel(run); \
    }

EACH_KERNEL(io_uring_files_are_read_and_written_in_order, files_case)
EACH_KERNEL(io_uring_paths_are_opened, open_case)
EACH_KERNEL(io_uring_streams_keep_their_order, streams_case)
EACH_KERNEL(io_uring_pipes_wait_even_when_they_do_not_block, pipes_case)
EACH_KERNEL(io_uring_connections_are_made, connections_case)
EACH_KERNEL(io_uring_messages_are_sent, messages_case)
EACH_KERNEL(io_uring_pieces_of_transfers_do_not_mix, pieces_case)
EACH_KERNEL(io_uring_connecting_waits_for_room, crowded_case)
EACH_KERNEL(io_uring_random_streams_keep_every_byte, random_case)
EACH_KERNEL(io_uring_splice_moves_bytes, splice_case)
EACH_KERNEL(io_uring_polls_tell_what_is_ready, polls_case)
EACH_KERNEL(io_uring_cancel_ends_whatever_it_meets, cancels_case)
EACH_KERNEL(io_uring_multishot_accepts_all, few_accepts_case)

/* ---- More than the rings hold --------------------------------------------------------- */

static void storm_case(ecs_world *world)
{
    static char bytes[10000];
    char text[4097];
    int fd;
    uint32_t i;
    memset(text, 'x', 4096);
    text[4096] = 0;
    fd = scratch(text);
    for (i = 0; i < 10000; i++) {
        ecs_io_request r = i % 2 == 0 ? ask_at(ECS_IO_READ, fd, &bytes[i], 1, i % 4096)
                                      : ask(ECS_IO_NOP, 0, NULL, 0);
        r.flags = ECS_IO_JOIN;
        r.user = (void *)(uintptr_t)(i + 1);
        put(world, r);
    }
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK); /* all complete before the phase ends */
    CHECK_EQ_U64(seen.count, 10000);
    for (i = 0; i < 10000 && i < seen.count; i++) {
        CHECK_EQ_I64(seen.done[i].result, i % 2 == 0 ? 1 : 0);
        CHECK_EQ_U64((uintptr_t)seen.done[i].user, i + 1);
        if (i % 2 == 0) CHECK(bytes[i] == 'x');
    }
    (void)close(fd);
}

TEST(io_uring_ten_thousand_joined_all_complete)
{
    uint32_t i;
    REAL_OR_NEXT();
    for (i = 0; i < AGES; i += 2) {
        ecs_world *world;
        memset(&options, 0, sizeof options);
        options.kernel = ages[i];
        options.flags = i % 4 == 0 ? ECS_IO_URING_NO_WARM : 0;
        world = make();
        storm_case(world);
        ecs_world_destroy(world);
    }
}

/* 1,000 that wait, cancelled in one go, through a small ring. */
static void cancel_storm_case(ecs_world *world)
{
    enum { COUNT = 400 };
    ecs_io_id id[COUNT];
    char text[COUNT];
    int fd[COUNT / 4][2];
    uint32_t i;
    uint32_t ended = 0;
    for (i = 0; i < COUNT / 4; i++) sockets(fd[i]);
    for (i = 0; i < COUNT; i++) {
        id[i] = put(world, ask(ECS_IO_RECV, fd[i % (COUNT / 4)][0], &text[i], 1));
    }
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    for (i = 0; i < COUNT; i++) {
        if (i % 16 == 0) CHECK(write(fd[i % (COUNT / 4)][1], "y", 1) == 1);
        (void)ecs_io_cancel(ecs_world_commands(world), id[i]);
    }
    until(world, COUNT);
    for (i = 0; i < COUNT; i++) {
        CHECK(seen.done[i].result == -ECANCELED || seen.done[i].result == 1);
        ended += seen.done[i].result == 1;
    }
    CHECK(ended <= COUNT / 16 + 1);
    for (i = 0; i < COUNT / 4; i++) {
        (void)close(fd[i][0]);
        (void)close(fd[i][1]);
    }
}

TEST(io_uring_cancelling_all_ends_all)
{
    uint32_t i;
    REAL_OR_NEXT();
    for (i = 0; i < AGES; i++) {
        ecs_world *world;
        memset(&options, 0, sizeof options);
        options.kernel = ages[i];
        options.sq_entries = 16;
        options.cq_entries = 32;
        world = make();
        cancel_storm_case(world);
        ecs_world_destroy(world);
    }
}

TEST(io_uring_the_end_of_a_world_cancels_all)
{
    static char text[2000];
    uint32_t age;
    REAL_OR_NEXT();
    for (age = 0; age < AGES; age++) {
        int fd[50][2];
        uint32_t i;
        uint64_t begin;
        ecs_world *world;
        memset(&options, 0, sizeof options);
        options.kernel = ages[age];
        world = make();
        for (i = 0; i < 50; i++) sockets(fd[i]);
        for (i = 0; i < 2000; i++) put(world, ask(ECS_IO_RECV, fd[i % 50][0], &text[i], 1));
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        begin = ecs_io_now();
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 2000);
        CHECK(ecs_io_now() - begin < 5000000000u);
        for (i = 0; i < 50; i++) {
            (void)close(fd[i][0]);
            (void)close(fd[i][1]);
        }
    }
}

/* ---- Waiting -------------------------------------------------------------------------- */

static void *wake_later(void *world)
{
    struct timespec pause = {0, 20000000};
    (void)nanosleep(&pause, NULL);
    ecs_io_wake((ecs_world *)world);
    return NULL;
}

static void waits_case(ecs_world *world)
{
    char text[8];
    int fd[2];
    uint64_t begin;
    uint32_t i;
    sockets(fd);
    put(world, ask(ECS_IO_RECV, fd[0], text, 8));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    begin = ecs_io_now();
    CHECK_STATUS(ecs_io_wait(world, 30000000), ECS_TIMEOUT);
    CHECK(ecs_io_now() - begin >= 29000000);
    for (i = 0; i < 3; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, wake_later, world) == 0);
        CHECK_STATUS(ecs_io_wait(world, 10000000000u), ECS_CANCELLED);
        REQUIRE(pthread_join(thread, NULL) == 0);
    }
    CHECK(ecs_io_now() - begin < 5000000000u);
    CHECK(write(fd[1], "x", 1) == 1);
    CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_OK);
    until(world, 1);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

EACH_KERNEL(io_uring_waiting_ends_by_time_by_waking_and_by_results, waits_case)

/* ---- Setting up ----------------------------------------------------------------------- */

TEST(io_uring_refused_flags_go_newest_first)
{
    static const uint32_t refused[] = {
        0, ECSI_URING_SETUP_NO_SQARRAY, ECSI_URING_SETUP_NO_SQARRAY | ECSI_URING_SETUP_DEFER,
        ECSI_URING_SETUP_SINGLE | ECSI_URING_SETUP_NO_SQARRAY | ECSI_URING_SETUP_DEFER,
        0x1ffff & ~(uint32_t)(ECSI_URING_SETUP_CQSIZE | ECSI_URING_SETUP_CLAMP),
        0x1ffff};
    static const uint32_t setups[] = {1, 2, 3, 4, 6, 8};
    uint32_t i;
    for (i = 0; i < 6; i++) {
        ecs_world *world;
        memset(&fake, 0, sizeof fake);
        memset(&options, 0, sizeof options);
        fake.refuse_flags = refused[i];
        world = make_fake();
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 1);
        CHECK_EQ_U64(fake.setup_flags & refused[i], 0);
        CHECK_EQ_U64(fake.setups, setups[i]);
        if (i == 0) CHECK((fake.setup_flags & ECSI_URING_SETUP_DEFER) != 0);
        ecs_world_destroy(world);
    }
}

TEST(io_uring_refused_falls_back)
{
    ecs_world *world;
    fake.enomem_setup = 1;
    world = make_fake();
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 1);
    CHECK_STR(ecs_io_stats_of(world).engine, ecs_io_evented()->name);
    ecs_world_destroy(world);
}

TEST(io_uring_engine_lives_in_the_memory_that_it_asked_for)
{
    const ecs_io_engine *engine = ecs_io_uring();
    ecs_io_engine_desc desc;
    ecs_io_stats stats;
    size_t bytes;
    uint32_t requests;
    REQUIRE_RING();
    for (requests = 1; requests <= 1000; requests = requests * 3 + 1) {
        memset(&desc, 0, sizeof desc);
        memset(&stats, 0, sizeof stats);
        desc.requests_max = requests;
        desc.batch = 1;
        bytes = engine->bytes(&desc);
        desc.memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
        desc.bytes = bytes;
        memset(desc.memory, 0, bytes);
        REQUIRE(engine->open(desc.memory, &desc) == 0);
        engine->region(desc.memory, 63, &stats, sizeof stats);
        engine->region(desc.memory, 63, NULL, 0);
        engine->wake(desc.memory);
        engine->reap(desc.memory, ECS_IO_FOREVER);
        engine->submit(desc.memory);
        engine->stats(desc.memory, &stats);
        CHECK(stats.system_calls > 0);
        engine->close(desc.memory);
        free(desc.memory);
    }
}

/* A sandbox that refuses io_uring_setup, as containers do. */
TEST(io_uring_in_a_sandbox_falls_back)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ECSI_URING_NR, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program;
    ecs_world *world;
    program.len = 4;
    program.filter = filter;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp");
    }
    CHECK(!real());
    world = make();
    streams_case(world);
    CHECK_STR(ecs_io_stats_of(world).engine, ecs_io_evented()->name);
    ecs_world_destroy(world);
}

/* With every number of handles that are left there is an engine. */
TEST(io_uring_without_handles_answers)
{
    struct rlimit before;
    rlim_t first = (rlim_t)dup(0);
    rlim_t left;
    (void)close((int)first);
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    for (left = 0; left < 8; left++) {
        struct rlimit limit = before;
        ecs_world *world = make();
        limit.rlim_cur = first + left;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        (void)ecs_tick(world, 0.01f);
        until(world, 1);
        CHECK_EQ_I64(seen.done[0].result, 0); /* the last engine needs none */
        ecs_world_destroy(world);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK_EQ_U64((uint64_t)dup(0), first); /* nothing was left open */
        (void)close((int)first);
    }
}

/* ---- Faults --------------------------------------------------------------------------- */

static void mixed_case(ecs_world *world)
{
    files_case(world);
    memset(&seen, 0, sizeof seen);
    streams_case(world);
    memset(&seen, 0, sizeof seen);
    cancels_case(world);
    memset(&seen, 0, sizeof seen);
}

TEST(io_uring_interrupted_enter_is_made_again)
{
    ecs_world *world;
    fake.eintr = 20;
    world = make_fake();
    mixed_case(world);
    CHECK_EQ_U64(fake.eintr, 0);
    ecs_world_destroy(world);
}

TEST(io_uring_enter_without_memory_is_made_again)
{
    ecs_world *world;
    fake.eagain = 30;
    world = make_fake();
    mixed_case(world);
    CHECK_EQ_U64(fake.eagain, 0);
    ecs_world_destroy(world);
}

TEST(io_uring_busy_enter_reaps_first)
{
    ecs_world *world;
    fake.ebusy = 30;
    world = make_fake();
    mixed_case(world);
    CHECK_EQ_U64(fake.ebusy, 0);
    ecs_world_destroy(world);
}

TEST(io_uring_partial_submit_goes_on)
{
    ecs_world *world;
    fake.submit_most = 3;
    world = make_fake();
    mixed_case(world);
    storm_case(world);
    ecs_world_destroy(world);
}

TEST(io_uring_batches_are_as_large_as_asked)
{
    ecs_world *world;
    options.flags = ECS_IO_URING_NO_WARM;
    world = make_fake();
    storm_case(world);
    CHECK_EQ_U64(fake.submits_most, 64);
    CHECK(fake.enters < 10000 / 64 * 3);
    CHECK_EQ_U64(fake.entries >= 10000, 1);
    ecs_world_destroy(world);
}

TEST(io_uring_interrupted_operations_are_started_again)
{
    ecs_world *world;
    fake.spurious = 50;
    world = make_fake();
    mixed_case(world);
    storm_case(world);
    CHECK_EQ_U64(fake.spurious, 0);
    ecs_world_destroy(world);
}

TEST(io_uring_overflow_loses_nothing)
{
    enum { COUNT = 2000 };
    static char text[COUNT];
    static int fd[COUNT / 10][2];
    ecs_world *world;
    uint32_t i;
    options.sq_entries = 8;
    options.cq_entries = 16;
    world = make_fake();
    /* Many at once become ready. */
    for (i = 0; i < COUNT / 10; i++) sockets(fd[i]);
    for (i = 0; i < COUNT / 10; i++) put(world, ask(ECS_IO_RECV, fd[i][0], &text[i], 1));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    for (i = 0; i < COUNT / 10; i++) CHECK(write(fd[i][1], "z", 1) == 1);
    until(world, COUNT / 10);
    CHECK(fake.overflowed > 0);
    for (i = 0; i < COUNT / 10; i++) {
        CHECK_EQ_I64(seen.done[i].result, 1);
        (void)close(fd[i][0]);
        (void)close(fd[i][1]);
    }
    ecs_world_destroy(world);
}

TEST(io_uring_without_nodrop_never_overflows)
{
    static int fd[100][2];
    static char text[100];
    ecs_world *world;
    uint32_t i;
    options.sq_entries = 8;
    options.cq_entries = 16;
    options.kernel = 504;
    world = make_fake();
    for (i = 0; i < 100; i++) sockets(fd[i]);
    for (i = 0; i < 100; i++) put(world, ask(ECS_IO_RECV, fd[i][0], &text[i], 1));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    fake.features &= ~(uint32_t)ECSI_URING_NODROP;
    /* Only some can be watched at a time, so those become ready one after the other. */
    for (i = 0; i < 100; i++) CHECK(write(fd[i][1], "z", 1) == 1);
    until(world, 100);
    CHECK_EQ_U64(fake.overflowed, 0);
    for (i = 0; i < 100; i++) {
        (void)close(fd[i][0]);
        (void)close(fd[i][1]);
    }
    ecs_world_destroy(world);
}

TEST(io_uring_old_kernel_cancels_more_than_its_ring_holds)
{
    static int fd[100][2];
    static char text[100];
    uint32_t i;
    uint64_t begin;
    ecs_world *world;
    REAL_OR_NEXT();
    options.sq_entries = 8;
    options.cq_entries = 16;
    options.kernel = 501;
    world = make();
    for (i = 0; i < 100; i++) sockets(fd[i]);
    for (i = 0; i < 100; i++) put(world, ask(ECS_IO_RECV, fd[i][0], &text[i], 1));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    begin = ecs_io_now();
    ecs_world_destroy(world);
    CHECK(ecs_io_now() - begin < 2000000000u);
    CHECK_EQ_U64(seen.count, 100);
    for (i = 0; i < 100; i++) {
        CHECK_EQ_I64(seen.done[i].result, -ECANCELED);
        (void)close(fd[i][0]);
        (void)close(fd[i][1]);
    }
}

TEST(io_uring_short_transfers_are_continued)
{
    static char big[50000], back[50000];
    ecs_world *world;
    ecs_io_request r;
    int fd[2];
    uint32_t i;
    fake.transfer_most = 700;
    world = make_fake();
    sockets(fd);
    for (i = 0; i < sizeof big; i++) big[i] = (char)(i * 13);
    r = ask(ECS_IO_SEND, fd[1], big, sizeof big);
    r.flags = ECS_IO_WHOLE;
    put(world, r);
    r = ask(ECS_IO_RECV, fd[0], back, sizeof back);
    r.flags = ECS_IO_WHOLE;
    put(world, r);
    until(world, 2);
    CHECK_EQ_I64(seen.done[0].result, sizeof big);
    CHECK_EQ_I64(seen.done[1].result, sizeof big);
    CHECK(memcmp(big, back, sizeof big) == 0);
    ecs_world_destroy(world);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

TEST(io_uring_missing_more_is_armed_again)
{
    ecs_world *world;
    fake.no_more = true;
    world = make_fake();
    many_accepts_case(world, 30);
    CHECK(fake.multishots >= 30);
    ecs_world_destroy(world);
    memset(&fake, 0, sizeof fake);
    world = make_fake();
    many_accepts_case(world, 30);
    CHECK_EQ_U64(fake.multishots, 1);
    ecs_world_destroy(world);
}

TEST(io_uring_refused_multishot_is_one_by_one)
{
    ecs_world *world;
    fake.no_multishot = true;
    world = make_fake();
    many_accepts_case(world, 30);
    CHECK_EQ_U64(fake.multishots, 1);
    ecs_world_destroy(world);
}

/* The time is up between a short transfer and the rest of it: the next one has its turn. */
TEST(io_uring_rest_that_does_not_come_gives_its_turn_away)
{
    static char big[50000];
    char back[4096];
    ecs_world *world;
    ecs_io_request r;
    int fd[2];
    fake.transfer_most = 700;
    fake.slow = true;
    world = make_fake();
    sockets(fd);
    r = ask(ECS_IO_RECV, fd[0], big, sizeof big);
    r.flags = ECS_IO_WHOLE;
    r.timeout_ns = 2000000;
    put(world, r);
    put(world, ask(ECS_IO_RECV, fd[0], back, 100));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    CHECK(write(fd[1], big, 1500) == 1500);
    until(world, 1);
    CHECK(write(fd[1], big, 100) == 100);
    until(world, 2);
    CHECK(seen.done[0].result == -ETIMEDOUT || seen.done[0].result >= 700);
    CHECK_EQ_I64(seen.done[1].result, 100);
    ecs_world_destroy(world);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

/* Writes that meet wait for each other; one that waits can be cancelled, and is not written. */
TEST(io_uring_file_operations_that_wait_are_cancelled)
{
    char text[16] = {0};
    char a[4] = "aaa", b[4] = "bbb", c[4] = "ccc";
    int fd = scratch("0123456789");
    ecs_world *world = make_fake();
    ecs_io_id id;
    put(world, ask_at(ECS_IO_WRITE, fd, a, 3, 0));
    id = put(world, ask_at(ECS_IO_WRITE, fd, b, 3, 2));
    put(world, ask_at(ECS_IO_WRITE, fd, c, 3, 4));
    (void)ecs_io_cancel(ecs_world_commands(world), id);
    until(world, 3);
    CHECK_EQ_I64(seen.done[0].result, 3);
    CHECK(pread(fd, text, 10, 0) == 10);
    CHECK(memcmp(text, "aaa3ccc789", 10) == 0);
    ecs_world_destroy(world);
    (void)close(fd);
}

TEST(io_uring_kernel_thread_that_is_refused_is_done_without)
{
    ecs_world *world;
    fake.features = ECSI_URING_SINGLE_MMAP | ECSI_URING_NODROP | ECSI_URING_FAST_POLL;
    options.system = &fake_system;
    options.flags = ECS_IO_URING_SQPOLL;
    world = make();
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 1);
    CHECK_EQ_U64(fake.setup_flags & ECSI_URING_SETUP_SQPOLL, 0);
    CHECK_STR(ecs_io_stats_of(world).engine, "io_uring");
    ecs_world_destroy(world);
}

TEST(io_uring_kernel_thread_takes_a_storm)
{
    ecs_world *world;
    REAL_OR_NEXT();
    options.flags = ECS_IO_URING_SQPOLL | ECS_IO_URING_NO_WARM;
    options.sq_entries = 8;
    options.cq_entries = 16;
    options.sqpoll_idle_ms = 1;
    world = make();
    storm_case(world);
    ecs_world_destroy(world);
}

/* What never ended is let go before the memory is. */
TEST(io_uring_closing_lets_go_of_what_is_under_way)
{
    const ecs_io_engine *engine = ecs_io_uring();
    static char text[8];
    ecs_io_engine_desc desc;
    ecs_io_operation op;
    int fd[2];
    REQUIRE_RING();
    sockets(fd);
    memset(&desc, 0, sizeof desc);
    memset(&op, 0, sizeof op);
    desc.requests_max = 16;
    desc.batch = 4;
    desc.bytes = engine->bytes(&desc);
    desc.memory = aligned_alloc(64, (desc.bytes + 63) / 64 * 64);
    memset(desc.memory, 0, desc.bytes);
    REQUIRE(engine->open(desc.memory, &desc) == 0);
    op.request = ask(ECS_IO_RECV, fd[0], text, 8);
    engine->start(desc.memory, &op);
    engine->submit(desc.memory);
    engine->close(desc.memory);
    free(desc.memory);
    CHECK(write(fd[1], "hello", 5) == 5);
    CHECK_EQ_I64(text[0], 0);
    CHECK(read(fd[0], text, 8) == 5);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

TEST(io_uring_late_cancellation_ends_once)
{
    ecs_world *world;
    fake.late_cancel = true;
    world = make_fake();
    cancels_case(world);
    memset(&seen, 0, sizeof seen);
    cancel_storm_case(world);
    CHECK(fake.cancels > 50);
    ecs_world_destroy(world);
}

TEST(io_uring_lost_ring_ends_what_comes)
{
    ecs_world *world = make_fake();
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 1);
    fake.fatal = ENXIO;
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 3);
    CHECK_EQ_I64(seen.done[1].result, -ENXIO);
    CHECK_EQ_I64(seen.done[2].result, -ENXIO);
    ecs_world_destroy(world);
}

/* More connections than the world has room to tell of: none is lost. */
static void flood_case(void)
{
    struct sockaddr_in address;
    int server = listener(&address);
    int clients[60];
    ecs_world *world = make_of(8);
    ecs_io_request r = ask(ECS_IO_ACCEPT, server, NULL, 0);
    ecs_io_id id;
    uint32_t i;
    r.flags = ECS_IO_MULTI;
    id = put(world, r);
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    for (i = 0; i < 60; i++) clients[i] = connected(&address);
    /* A joined request ends although nobody can be told of the connections meanwhile. */
    r = ask(ECS_IO_FSYNC, clients[0], NULL, 0);
    r.flags = ECS_IO_JOIN;
    r.done = NULL;
    put(world, r);
    until(world, 60);
    for (i = 0; i < 60; i++) {
        CHECK(seen.done[i].result >= 0);
        (void)close((int)seen.done[i].result);
        (void)close(clients[i]);
    }
    (void)ecs_io_cancel(ecs_world_commands(world), id);
    until(world, 61);
    CHECK_EQ_I64(seen.done[60].result, -ECANCELED);
    ecs_world_destroy(world);
    (void)close(server);
}

TEST(io_uring_multishot_without_room_is_told_later)
{
    options.system = &fake_system;
    ecs_world_destroy(make_fake());
    flood_case();
    memset(&options, 0, sizeof options);
    REAL_OR_NEXT();
    flood_case();
    options.kernel = 510;
    flood_case();
}

TEST(io_uring_held_connections_of_a_cancelled_request_are_closed)
{
    struct sockaddr_in address;
    int before = dup(0);
    int server = listener(&address);
    int clients[60];
    ecs_world *world;
    ecs_io_request r = ask(ECS_IO_ACCEPT, server, NULL, 0);
    uint64_t begin;
    uint32_t i;
    ecs_world_destroy(make_fake());
    world = make_of(8);
    r.flags = ECS_IO_MULTI;
    put(world, r);
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    for (i = 0; i < 60; i++) clients[i] = connected(&address);
    begin = ecs_io_now();
    ecs_world_destroy(world);
    CHECK(ecs_io_now() - begin < 3000000000u);
    for (i = 0; i < seen.count; i++) {
        if (seen.done[i].result >= 0) (void)close((int)seen.done[i].result);
    }
    for (i = 0; i < 60; i++) (void)close(clients[i]);
    (void)close(server);
    /* What was told and what was closed: no handle is left open. */
    (void)close(before);
    CHECK_EQ_I64(dup(0), before);
    (void)close(before);
}

/* ---- Warm reads, regions -------------------------------------------------------------- */

TEST(io_uring_warm_reads_pass_the_ring)
{
    char text[16];
    int fd = scratch("0123456789");
    ecs_world *world = make_fake();
    uint32_t i;
    for (i = 0; i < 100; i++) {
        memset(text, 0, sizeof text);
        put(world, ask_at(ECS_IO_READ, fd, text, 4, i % 6));
        until(world, i + 1);
        CHECK(memcmp(text, &"0123456789"[i % 6], 4) == 0);
    }
    CHECK_EQ_U64(fake.seen_ops[ECSI_URING_READ], 0);
    ecs_world_destroy(world);
    memset(&fake, 0, sizeof fake);
    options.flags = ECS_IO_URING_NO_WARM;
    world = make_fake();
    put(world, ask_at(ECS_IO_READ, fd, text, 4, 0));
    until(world, 1);
    CHECK_EQ_U64(fake.seen_ops[ECSI_URING_READ], 1);
    ecs_world_destroy(world);
    (void)close(fd);
}

TEST(io_uring_regions_are_read_as_fixed)
{
    static char memory[8192];
    char other[8];
    int fd = scratch("0123456789");
    uint32_t region = 0;
    uint32_t i;
    for (i = 0; i < 2; i++) {
        ecs_world *world;
        ecs_io_request r = ask_at(ECS_IO_READ, fd, memory + 100, 4, 2);
        memset(&options, 0, sizeof options);
        options.flags = ECS_IO_URING_NO_WARM;
        if (i == 1 && !real()) break; /* the second half is about a real ring */
        world = i == 0 ? make_fake() : make();
        CHECK_STATUS(ecs_io_region_add(world, memory, sizeof memory, &region), ECS_OK);
        r.region = region;
        put(world, r);
        r.buffer = other; /* not in it */
        put(world, r);
        r = ask_at(ECS_IO_WRITE, fd, memory + 100, 4, 6);
        r.region = region;
        put(world, r);
        until(world, 3);
        if (i == 1) CHECK(memcmp(memory + 100, "2345", 4) == 0);
        CHECK(memcmp(other, "2345", 4) == 0);
        if (i == 0) CHECK_EQ_U64(fake.seen_ops[ECSI_URING_READ_FIXED], 1);
        if (i == 0) CHECK_EQ_U64(fake.seen_ops[ECSI_URING_WRITE_FIXED], 1);
        if (i == 0) CHECK_EQ_U64(fake.seen_ops[ECSI_URING_READ], 1);
        CHECK_STATUS(ecs_io_region_remove(world, region), ECS_OK);
        ecs_world_destroy(world);
    }
    (void)close(fd);
}

TEST(io_uring_refused_region_is_read_as_ever)
{
    static char memory[4096];
    int fd = scratch("0123456789");
    uint32_t region = 0;
    ecs_io_request r = ask_at(ECS_IO_READ, fd, memory, 4, 2);
    ecs_world *world;
    fake.no_buffers = true;
    options.flags = ECS_IO_URING_NO_WARM;
    world = make_fake();
    CHECK_STATUS(ecs_io_region_add(world, memory, sizeof memory, &region), ECS_OK);
    r.region = region;
    put(world, r);
    until(world, 1);
    CHECK(memcmp(memory, "2345", 4) == 0);
    CHECK_EQ_U64(fake.seen_ops[ECSI_URING_READ], 1);
    ecs_world_destroy(world);
    (void)close(fd);
}

/* Files may be told not to wait, which means nothing to reads at an offset. */
TEST(io_uring_file_that_does_not_block_is_read)
{
    char text[8] = {0};
    char name[] = "/tmp/ecs_io_XXXXXX";
    ecs_world *world;
    int fd = mkstemp(name);
    REQUIRE_RING();
    REQUIRE(write(fd, "0123456789", 10) == 10);
    REQUIRE(fsync(fd) == 0);
    REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    world = make();
    put(world, ask_at(ECS_IO_READ, fd, text, 4, 3));
    until(world, 1);
    CHECK_EQ_I64(seen.done[0].result, 4);
    CHECK(memcmp(text, "3456", 4) == 0);
    ecs_world_destroy(world);
    (void)close(fd);
    (void)unlink(name);
}

/* ---- Threads and processes ------------------------------------------------------------ */

static struct {
    ecs_world *world;
    int fd[2];
    char text[8];
    uint32_t from;
} other;

/* Lives here for a while, with something under way, and goes. */
static void *live(void *unused)
{
    (void)unused;
    other.world = make();
    put(other.world, ask(ECS_IO_RECV, other.fd[0], other.text, 8));
    CHECK_STATUS(ecs_tick(other.world, 0.01f), ECS_OK);
    put(other.world, ask(ECS_IO_NOP, 0, NULL, 0));
    CHECK_STATUS(ecs_tick(other.world, 0.01f), ECS_OK);
    return NULL;
}

TEST(io_uring_a_world_moves_to_another_thread)
{
    uint32_t i;
    REAL_OR_NEXT();
    for (i = 0; i < 4; i++) {
        pthread_t thread;
        memset(&options, 0, sizeof options);
        if (i == 1) options.flags = ECS_IO_URING_ANY_THREAD;
        if (i == 2) options.kernel = 510;
        if (i == 3) options.kernel = 600;
        sockets(other.fd);
        REQUIRE(pthread_create(&thread, NULL, live, NULL) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
        put(other.world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(other.world, 2);
        CHECK(write(other.fd[1], "hello", 5) == 5);
        until(other.world, 3);
        CHECK_EQ_I64(seen.done[2].result, 5);
        CHECK(memcmp(other.text, "hello", 5) == 0);
        ecs_world_destroy(other.world);
        (void)close(other.fd[0]);
        (void)close(other.fd[1]);
    }
}

/* Ticks there once, while the thread of the ring lives on. */
static void *visit(void *unused)
{
    uint32_t i;
    (void)unused;
    for (i = 0; i < 100; i++) put(other.world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(other.world, other.from + 100);
    return NULL;
}

TEST(io_uring_a_world_visits_another_thread)
{
    pthread_t thread;
    static char memory[4096];
    uint32_t region = 0;
    int ends[2], more[2];
    int file = scratch("0123456789");
    ecs_io_request r;
    REQUIRE_RING();
    options.flags = ECS_IO_URING_NO_WARM;
    REQUIRE(pipe(ends) == 0);
    REQUIRE(pipe(more) == 0);
    sockets(other.fd);
    other.world = make();
    CHECK_STATUS(ecs_io_region_add(other.world, memory, sizeof memory, &region), ECS_OK);
    r = ask(ECS_IO_SPLICE, ends[0], NULL, 10);
    r.offset = ECS_IO_HERE;
    r.peer = more[1];
    r.user = (void *)(uintptr_t)7;
    put(other.world, r);
    put(other.world, ask(ECS_IO_RECV, other.fd[0], other.text, 8));
    CHECK_STATUS(ecs_tick(other.world, 0.01f), ECS_OK);
    other.from = 1; /* the splice ends */
    REQUIRE(pthread_create(&thread, NULL, visit, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    CHECK_EQ_I64(result_of(7), -ECANCELED);
    CHECK(write(other.fd[1], "hello", 5) == 5);
    until(other.world, 102);
    CHECK_EQ_I64(seen.done[101].result, 5);
    r = ask_at(ECS_IO_READ, file, memory, 4, 2);
    r.region = region;
    put(other.world, r);
    until(other.world, 103);
    CHECK(memcmp(memory, "2345", 4) == 0);
    ecs_world_destroy(other.world);
    (void)close(file);
    for (uint32_t i = 0; i < 2; i++) {
        (void)close(ends[i]);
        (void)close(more[i]);
    }
    (void)close(other.fd[0]);
    (void)close(other.fd[1]);
}

TEST(io_uring_refused_thread_takes_back_what_was_not_sent)
{
    ecs_world *world = make_fake();
    uint32_t i;
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 1);
    fake.eexist = 1;
    for (i = 0; i < 40; i++) {
        ecs_io_request r = ask(ECS_IO_NOP, 0, NULL, 0);
        r.user = (void *)(uintptr_t)(i + 1);
        put(world, r);
    }
    until(world, 41);
    CHECK_EQ_U64(fake.setups, 2);
    CHECK_EQ_U64(fake.setup_flags & (ECSI_URING_SETUP_SINGLE | ECSI_URING_SETUP_DEFER), 0);
    for (i = 0; i < 40; i++) CHECK_EQ_I64(result_of(i + 1), 0);
    ecs_world_destroy(world);
}

TEST(io_uring_refused_thread_without_a_second_ring_ends_all)
{
    ecs_world *world = make_fake();
    uint32_t i;
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 1);
    fake.eexist = 1;
    fake.enomem_setup = 1;
    for (i = 0; i < 40; i++) put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 41);
    for (i = 1; i < 41; i++) CHECK_EQ_I64(seen.done[i].result, -ENOMEM);
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    (void)ecs_io_wait(world, 1000000);
    until(world, 42);
    ecs_world_destroy(world);
}

TEST(io_uring_a_child_leaves_the_ring_alone)
{
    char text[8] = {0};
    ecs_world *world;
    int fd[2];
    int status = 0;
    pid_t child;
    REQUIRE_RING();
    sockets(fd);
    world = make();
    put(world, ask(ECS_IO_RECV, fd[0], text, 8));
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        bool good;
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 2);
        good = seen.done[0].result == -EOWNERDEAD && seen.done[1].result == -EOWNERDEAD;
        ecs_io_wake(world);
        ecs_world_destroy(world);
        _exit(good ? 0 : 1);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ_I64(status, 0);
    CHECK_EQ_U64(seen.count, 0);
    CHECK_STATUS(ecs_io_wait(world, 5000000), ECS_TIMEOUT);
    CHECK(write(fd[1], "hello", 5) == 5);
    until(world, 1);
    CHECK_EQ_I64(seen.done[0].result, 5);
    ecs_world_destroy(world);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

#else

TEST(io_uring_is_not_there)
{
#ifndef ECS_NO_IO
    CHECK(ecs_io_uring() == NULL);
#endif
}

#endif
