/* sys.h: the system calls behind files, sockets and readiness, one after the other and never
 * waiting where the system has a way not to.
 *
 * Each answers what the call answers, or a negative errno; -EAGAIN: it would have to wait, and
 * `ecsi_sys_waits` says for what. Whatever a caller can get wrong in a handle or an address is
 * found by the kernel. */
/* floor: 1 */
#ifndef ECS_SYS_H
#define ECS_SYS_H

#include "base.h"
#include "thread.h"

#if !defined(ECS_NO_IO) && !defined(ECSI_ATOMIC_MODEL)

#include <errno.h>

#if !defined(_WIN32)
#define ECSI_SYS 1
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/syscall.h>
#if !defined(__cplusplus) && defined(ECS_NO_THREADS)
long syscall(long number, ...); /* unistd.h has it only beyond POSIX */
#endif
#endif
#else
#define ECSI_SYS 0
#endif
#if ECSI_SYS && defined(__linux__)
#define ECSI_EPOLL 1
#else
#define ECSI_EPOLL 0
#endif

#if ECSI_SYS

#if defined(MSG_NOSIGNAL)
#define ECSI_SYS_SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)
#else
#define ECSI_SYS_SEND_FLAGS MSG_DONTWAIT
#endif

/* What poll shall watch for an operation; 0: it never waits. */
static uint32_t ecsi_sys_waits(const ecs_io_request *r)
{
    ECSI_CHECK(r != NULL);
    ECSI_CHECK(r->op < ECS_IO_OPS);
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

/* Whether a call may be made before poll has said that it will not wait. */
static bool ecsi_sys_asks_itself(const ecs_io_request *r)
{
    ECSI_CHECK(r != NULL);
    ECSI_CHECK(r->op < ECS_IO_OPS);
    switch (r->op) {
    case ECS_IO_RECV:
    case ECS_IO_RECVMSG:
    case ECS_IO_SEND:
    case ECS_IO_SENDMSG:
    case ECS_IO_CONNECT: return true;
    default: return ecsi_sys_waits(r) == 0;
    }
}

/* Whether its handles can be descriptors: a larger number would be taken for another one. */
static bool ecsi_sys_fits(const ecs_io_request *r)
{
    return (int)r->handle == r->handle && (r->op != ECS_IO_SPLICE || (int)r->peer == r->peer);
}

static inline int64_t ecsi_sys_answer(int64_t answer)
{
    return answer >= 0 ? answer : -(int64_t)errno;
}

static int64_t ecsi_sys_accept(int fd, void *address, size_t bytes)
{
    socklen_t length = (socklen_t)bytes;
    int64_t got;
    ECSI_CHECK(fd >= 0);
    ECSI_CHECK(address != NULL || bytes == 0);
#if defined(__linux__) && defined(SYS_accept4)
    got = syscall(SYS_accept4, fd, address, address != NULL ? &length : NULL, SOCK_CLOEXEC);
#else
    got = accept(fd, (struct sockaddr *)address, address != NULL ? &length : NULL);
    if (got >= 0) (void)fcntl((int)got, F_SETFD, FD_CLOEXEC);
#endif
    return ecsi_sys_answer(got);
}

/* Begins to connect; later asks how it went. The socket is as it was when it is done. */
static int64_t ecsi_sys_connect(int fd, const void *address, size_t bytes, bool begun)
{
    int flags = fcntl(fd, F_GETFL);
    int error = 0;
    socklen_t length = sizeof error;
    ECSI_CHECK(fd >= 0);
    ECSI_CHECK(address != NULL);
    if (flags < 0) return -errno;
    if (begun) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
        return -(int64_t)error;
    }
    if ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
    if (connect(fd, (const struct sockaddr *)address, (socklen_t)bytes) < 0) error = errno;
    if ((flags & O_NONBLOCK) == 0) (void)fcntl(fd, F_SETFL, flags);
    /* Linux says so of a local socket whose peer accepts nothing, and poll would call it ready at
     * once. Other systems answer this: */
    if (error == EAGAIN) error = ECONNREFUSED;
    return error == EINPROGRESS || error == EINTR ? -EAGAIN : -(int64_t)error;
}

/* Reads from where the file stands, or a stream that is ready. */
static int64_t ecsi_sys_read(int fd, void *buffer, size_t length, uint64_t offset)
{
    ECSI_CHECK(fd >= 0);
    ECSI_CHECK(buffer != NULL || length == 0);
    if (offset == ECS_IO_HERE) return ecsi_sys_answer(read(fd, buffer, length));
    if (offset > (uint64_t)INT64_MAX) return -EINVAL;
    return ecsi_sys_answer(pread(fd, buffer, length, (off_t)offset));
}

/* A pipe that poll calls writable takes 4,096 bytes (PIPE_BUF) without waiting, and one that may
 * block would wait for the rest. */
static int64_t ecsi_sys_write(int fd, const void *buffer, size_t length, uint64_t offset)
{
    ECSI_CHECK(fd >= 0);
    ECSI_CHECK(buffer != NULL || length == 0);
    if (offset == ECS_IO_HERE) {
        struct stat what;
        int flags = fcntl(fd, F_GETFL);
        if (length > 4096 && flags >= 0 && (flags & O_NONBLOCK) == 0 && fstat(fd, &what) == 0 &&
            !S_ISREG(what.st_mode)) {
            length = 4096;
        }
        return ecsi_sys_answer(write(fd, buffer, length));
    }
    if (offset > (uint64_t)INT64_MAX) return -EINVAL;
    return ecsi_sys_answer(pwrite(fd, buffer, length, (off_t)offset));
}

static int64_t ecsi_sys_splice(const ecs_io_request *r)
{
    ECSI_CHECK(r->op == ECS_IO_SPLICE);
    ECSI_CHECK(r->peer >= 0);
#if defined(__linux__) && defined(SYS_splice)
    int64_t from = (int64_t)r->offset;
    /* 2: SPLICE_F_NONBLOCK; it is about the pipe. */
    return ecsi_sys_answer(syscall(SYS_splice, (int)r->handle,
                                   r->offset == ECS_IO_HERE ? NULL : &from, (int)r->peer, NULL,
                                   r->length, 2u));
#else
    (void)r;
    return -ENOSYS;
#endif
}

/* Makes the call of a request; `again` when it has been begun, and poll has answered since. */
static int64_t ecsi_sys_call(const ecs_io_request *r, bool again)
{
    int fd = (int)r->handle;
    int flags = (int)r->offset;
    struct msghdr *message = (struct msghdr *)r->buffer;
    ECSI_CHECK(r->op < ECS_IO_OPS);
    ECSI_CHECK(r->length <= ECS_IO_LENGTH_MAX);
    switch (r->op) {
    case ECS_IO_NOP: return 0;
    case ECS_IO_READ: return ecsi_sys_read(fd, r->buffer, r->length, r->offset);
    case ECS_IO_WRITE: return ecsi_sys_write(fd, r->buffer, r->length, r->offset);
    case ECS_IO_FSYNC: return ecsi_sys_answer(fsync(fd));
    case ECS_IO_OPEN:
        return ecsi_sys_answer(open((const char *)r->buffer, flags | O_CLOEXEC, (mode_t)r->length));
    case ECS_IO_CLOSE:
        /* After EINTR the handle is gone on Linux, and must not be closed again elsewhere. */
        return close(fd) == 0 || errno == EINTR ? 0 : -(int64_t)errno;
    case ECS_IO_ACCEPT: return ecsi_sys_accept(fd, r->buffer, r->length);
    case ECS_IO_CONNECT: return ecsi_sys_connect(fd, r->buffer, r->length, again);
    case ECS_IO_SEND:
        return ecsi_sys_answer(send(fd, r->buffer, r->length, flags | ECSI_SYS_SEND_FLAGS));
    case ECS_IO_RECV:
        return ecsi_sys_answer(recv(fd, r->buffer, r->length, flags | MSG_DONTWAIT));
    case ECS_IO_SENDMSG: return ecsi_sys_answer(sendmsg(fd, message, flags | ECSI_SYS_SEND_FLAGS));
    case ECS_IO_RECVMSG: return ecsi_sys_answer(recvmsg(fd, message, flags | MSG_DONTWAIT));
    case ECS_IO_SHUTDOWN: return ecsi_sys_answer(shutdown(fd, flags));
    case ECS_IO_SPLICE: return ecsi_sys_splice(r);
    default: return -ENOSYS;
    }
}

/* A call that was interrupted is made again, so often at most. */
#define ECSI_SYS_TRIES 100u

/* The same, and -EAGAIN under one name. */
static int64_t ecsi_sys_try(const ecs_io_request *r, bool again)
{
    int64_t answer = -EINTR;
    uint32_t i;
    for (i = 0; i < ECSI_SYS_TRIES && answer == -EINTR; i++) answer = ecsi_sys_call(r, again);
    return answer == -EWOULDBLOCK || answer == -EINTR ? -EAGAIN : answer;
}

static short ecsi_sys_events(uint32_t wants)
{
    return (short)(((wants & ECS_IO_READABLE) != 0 ? POLLIN : 0) |
                   ((wants & ECS_IO_WRITABLE) != 0 ? POLLOUT : 0));
}

/* What poll has said: an error or the end is for all who wait. */
static uint32_t ecsi_sys_wants(short events)
{
    uint32_t wants = 0;
    if ((events & (POLLIN | POLLHUP | POLLERR | POLLNVAL)) != 0) wants |= ECS_IO_READABLE;
    if ((events & (POLLOUT | POLLHUP | POLLERR | POLLNVAL)) != 0) wants |= ECS_IO_WRITABLE;
    return wants;
}

/* What of it is ready now. A handle that is none is ready: the call will say so. */
static uint32_t ecsi_sys_ready(ecs_handle handle, uint32_t wants)
{
    struct pollfd one;
    one.fd = (int)handle;
    one.events = ecsi_sys_events(wants);
    one.revents = 0;
    ECSI_CHECK(handle >= 0);
    ECSI_CHECK(wants != 0);
    if (poll(&one, 1, 0) <= 0) return 0;
    return ecsi_sys_wants(one.revents) & wants;
}

/* Milliseconds for poll, rounded up; -1: for ever. */
static int ecsi_sys_ms(uint64_t wait_ns)
{
    ECSI_CHECK(ECS_IO_FOREVER > (uint64_t)INT32_MAX * 1000000u);
    if (wait_ns == ECS_IO_FOREVER) return -1;
    if (wait_ns > (uint64_t)INT32_MAX * 1000000u) return INT32_MAX;
    return (int)((wait_ns + 999999u) / 1000000u);
}

/* A pipe by which a thread that polls is woken: pipe[0] becomes readable. 0, or an errno. */
static int ecsi_sys_pipe_open(int pipe_fd[2])
{
    int i;
    ECSI_CHECK(pipe_fd != NULL);
    if (pipe(pipe_fd) < 0) return errno;
    ECSI_CHECK(pipe_fd[0] >= 0 && pipe_fd[1] >= 0);
    for (i = 0; i < 2; i++) {
        (void)fcntl(pipe_fd[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(pipe_fd[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

static void ecsi_sys_pipe_close(const int pipe_fd[2])
{
    ECSI_CHECK(pipe_fd[0] >= 0);
    ECSI_CHECK(pipe_fd[1] >= 0);
    (void)close(pipe_fd[0]);
    (void)close(pipe_fd[1]);
}

/* Any thread, also a signal handler. A pipe that is full has woken it already. */
static void ecsi_sys_pipe_put(const int pipe_fd[2])
{
    int was = errno;
    ssize_t put;
    ECSI_CHECK(pipe_fd[1] >= 0);
    put = write(pipe_fd[1], "", 1);
    ECSI_CHECK(put <= 1);
    (void)put;
    errno = was;
}

static void ecsi_sys_pipe_drain(const int pipe_fd[2])
{
    char bytes[64];
    ssize_t got;
    ECSI_CHECK(pipe_fd[0] >= 0);
    do {
        got = read(pipe_fd[0], bytes, sizeof bytes);
    } while (got == (ssize_t)sizeof bytes);
}

#endif /* ECSI_SYS */

#endif

#endif /* ECS_SYS_H */
