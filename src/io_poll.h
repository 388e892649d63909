/* io_poll.h: the engines of this header. Both make plain calls; they differ in how they wait.
 *
 *   blocking   poll over all handles that somebody waits for
 *   evented    epoll, that remembers them
 *
 * An operation is tried when it is started. One that would have to wait joins the queue of its
 * handle and direction, and is tried again when the handle is ready. A queue is in the order of the
 * requests, and only its first is tried, so what was asked of a stream first is done first: also
 * when a transfer goes on, or a chain. */
/* floor: 10 */
#ifndef ECS_IO_POLL_H
#define ECS_IO_POLL_H

#include "io.h"

#ifndef ECS_NO_IO

#if ECSI_SYS

/* So long a wait may be that nobody can wake. */
#define ECSI_POLL_BLIND_NS 10000000u

/* Queues of a handle: who reads, who writes, who only asks. */
enum { ECSI_READERS, ECSI_WRITERS, ECSI_ASKERS, ECSI_DIRECTIONS };

/* The engine's part of an operation that waits. The first of a queue stands for it. */
#define ECSI_WAIT_CHAIN 0 /* engine[]: the next queue of the same home */
#define ECSI_WAIT_NEXT 1  /* engine[]: behind it in the queue */
#define ECSI_WAIT_LAST 2  /* engine[], of the first: the end of the queue */
#define ECSI_WAIT_PLACE 0 /* engine_word[], of the first: in the poll set */
#define ECSI_WAIT_BEGUN 1 /* engine_word[]: it was tried before... */
#define ECSI_WAIT_PEER 2u /* ...and this splice found its peer full */

/* Handles of one call where poll does not take them all; every process may have so many. */
#define ECSI_POLL_PIECE 16u

typedef struct ecsi_poller {
    ecs_io_operation **homes; /* of queues, by handle and direction */
    uint32_t home_mask;
    uint32_t first_count;     /* queues */
    uint32_t first_max;
    int pipe_fd[2];
    int epoll_fd;             /* -1: the blocking engine */
    struct pollfd *polls;     /* blocking: the pipe, then one for each queue */
    ecs_io_operation **firsts; /* blocking: the queue of polls[i + 1] */
    uint64_t calls;
} ecsi_poller;

static uint32_t ecsi_poller_homes(const ecs_io_engine_desc *desc)
{
    ECSI_CHECK(desc->requests_max > 0);
    return ecsi_round_up_power(ecsi_min_u32(desc->requests_max, 16384));
}

static size_t ecsi_poller_bytes(const ecs_io_engine_desc *desc)
{
    size_t each = sizeof(struct pollfd) + sizeof(ecs_io_operation *);
    ECSI_CHECK(desc->batch > 0);
    return ecsi_align_up(sizeof(ecsi_poller), 64) +
           ecsi_poller_homes(desc) * sizeof(ecs_io_operation *) +
           (desc->requests_max + 1u) * each + 64;
}

static int ecsi_poller_open(void *state, const ecs_io_engine_desc *desc)
{
    ecsi_poller *p = (ecsi_poller *)state;
    unsigned char *at = (unsigned char *)state + ecsi_align_up(sizeof *p, 64);
    uint32_t homes = ecsi_poller_homes(desc);
    ECSI_CHECK(desc->bytes >= ecsi_poller_bytes(desc));
    p->homes = (ecs_io_operation **)(void *)at;
    at += homes * sizeof *p->homes;
    p->home_mask = homes - 1;
    p->first_max = desc->requests_max;
    p->firsts = (ecs_io_operation **)(void *)at;
    at += desc->requests_max * sizeof *p->firsts;
    p->polls = (struct pollfd *)(void *)at;
    p->epoll_fd = -1;
    return ecsi_sys_pipe_open(p->pipe_fd);
}

static int ecsi_blocking_open(void *state, const ecs_io_engine_desc *desc)
{
    ecsi_poller *p = (ecsi_poller *)state;
    int error = ecsi_poller_open(state, desc);
    ECSI_CHECK(p->first_count == 0);
    ECSI_CHECK(p->epoll_fd < 0);
    /* The last engine works without descriptors of its own as well: poll leaves out a negative one,
     * and who waits looks up now and then. */
    if (error != 0) p->pipe_fd[0] = -1;
    p->polls[0].fd = p->pipe_fd[0];
    p->polls[0].events = POLLIN;
    return 0;
}

static void ecsi_poller_close(void *state)
{
    ecsi_poller *p = (ecsi_poller *)state;
    ECSI_CHECK(p->first_count == 0);
    ECSI_CHECK(p->polls != NULL);
    if (p->epoll_fd >= 0) (void)close(p->epoll_fd);
    if (p->pipe_fd[0] >= 0) ecsi_sys_pipe_close(p->pipe_fd);
}

static void ecsi_poller_wake(void *state)
{
    const ecsi_poller *p = (const ecsi_poller *)state;
    ECSI_CHECK(p->first_max > 0);
    if (p->pipe_fd[0] >= 0) ecsi_sys_pipe_put(p->pipe_fd);
}

/* ---- Queues --------------------------------------------------------------------------- */

/* What it waits for is room in its peer. */
static inline bool ecsi_poller_pours(const ecs_io_operation *op)
{
    return op->request.op == ECS_IO_SPLICE && op->engine_word[ECSI_WAIT_BEGUN] == ECSI_WAIT_PEER;
}

/* The handle that it waits for, and what for. */
static inline ecs_handle ecsi_poller_handle(const ecs_io_operation *op)
{
    return ecsi_poller_pours(op) ? op->request.peer : op->request.handle;
}

static inline uint32_t ecsi_poller_wants(const ecs_io_operation *op)
{
    return ecsi_poller_pours(op) ? (uint32_t)ECS_IO_WRITABLE : ecsi_sys_waits(&op->request);
}

static inline uint32_t ecsi_poller_direction(const ecs_io_operation *op)
{
    ECSI_CHECK(op->request.op < ECS_IO_OPS);
    if (op->request.op == ECS_IO_POLL) return ECSI_ASKERS;
    return ecsi_poller_wants(op) == ECS_IO_WRITABLE ? ECSI_WRITERS : ECSI_READERS;
}

static inline ecs_io_operation **ecsi_poller_home(const ecsi_poller *p, ecs_handle handle,
                                                  uint32_t direction)
{
    uint64_t key = (uint64_t)handle * ECSI_DIRECTIONS + direction;
    ECSI_CHECK(direction < ECSI_DIRECTIONS);
    ECSI_CHECK(ecsi_is_power_of_two((size_t)p->home_mask + 1));
    return &p->homes[(uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & p->home_mask];
}

/* The link to the first of a queue; it holds NULL when there is none. */
static ecs_io_operation **ecsi_poller_find(const ecsi_poller *p, ecs_handle handle,
                                           uint32_t direction)
{
    ecs_io_operation **link = ecsi_poller_home(p, handle, direction);
    ECSI_CHECK(handle >= 0);
    while (*link != NULL && (ecsi_poller_handle(*link) != handle ||
                             ecsi_poller_direction(*link) != direction)) {
        link = (ecs_io_operation **)&(*link)->engine[ECSI_WAIT_CHAIN];
    }
    return link;
}

/* The place of a queue in the poll set. */
static void ecsi_poller_place(ecsi_poller *p, uint32_t place, ecs_io_operation *op)
{
    ECSI_CHECK(place < p->first_count);
    ECSI_CHECK(p->first_count <= p->first_max);
    op->engine_word[ECSI_WAIT_PLACE] = place;
    p->firsts[place] = op;
    if (p->epoll_fd >= 0) return;
    p->polls[place + 1].fd = (int)ecsi_poller_handle(op);
    p->polls[place + 1].events = ecsi_sys_events(ecsi_poller_wants(op));
    p->polls[place + 1].revents = 0;
}

/* Joins a queue before its first. */
static void ecsi_poller_lead(ecsi_poller *p, ecs_io_operation **link, ecs_io_operation *op)
{
    ecs_io_operation *first = *link;
    ECSI_CHECK(op->serial < first->serial);
    ECSI_CHECK(p->firsts[first->engine_word[ECSI_WAIT_PLACE]] == first);
    op->engine[ECSI_WAIT_CHAIN] = first->engine[ECSI_WAIT_CHAIN];
    op->engine[ECSI_WAIT_NEXT] = first;
    op->engine[ECSI_WAIT_LAST] = first->engine[ECSI_WAIT_LAST];
    *link = op;
    ecsi_poller_place(p, (uint32_t)first->engine_word[ECSI_WAIT_PLACE], op);
}

/* Joins a queue that is there, behind those that were asked for before it. */
static void ecsi_poller_follow(ecs_io_operation *first, ecs_io_operation *op)
{
    ecs_io_operation *before = (ecs_io_operation *)first->engine[ECSI_WAIT_LAST];
    ECSI_CHECK(first->serial < op->serial);
    if (op->serial < before->serial) {
        ecs_io_operation *next = first;
        for (; next->serial < op->serial;
             next = (ecs_io_operation *)next->engine[ECSI_WAIT_NEXT]) {
            before = next;
        }
    } else {
        first->engine[ECSI_WAIT_LAST] = op;
    }
    op->engine[ECSI_WAIT_NEXT] = before->engine[ECSI_WAIT_NEXT];
    before->engine[ECSI_WAIT_NEXT] = op;
    ECSI_CHECK(before->serial < op->serial);
}

/* Joins the queue of its handle. */
static void ecsi_poller_wait(ecsi_poller *p, ecs_io_operation *op)
{
    ecs_io_operation **link = ecsi_poller_find(p, ecsi_poller_handle(op),
                                               ecsi_poller_direction(op));
    ecs_io_operation *first = *link;
    ECSI_CHECK(ecsi_sys_waits(&op->request) != 0);
    op->engine[ECSI_WAIT_CHAIN] = NULL;
    op->engine[ECSI_WAIT_NEXT] = NULL;
    op->engine[ECSI_WAIT_LAST] = op;
    if (first != NULL) {
        if (op->serial < first->serial) {
            ecsi_poller_lead(p, link, op);
        } else {
            ecsi_poller_follow(first, op);
        }
        return;
    }
    ECSI_CHECK(p->first_count < p->first_max);
    *link = op;
    p->first_count++;
    ecsi_poller_place(p, p->first_count - 1, op);
}

/* Takes the first out of its queue; the next one takes its place. */
static void ecsi_poller_shift(ecsi_poller *p, ecs_io_operation **link)
{
    ecs_io_operation *op = *link;
    ecs_io_operation *next = (ecs_io_operation *)op->engine[ECSI_WAIT_NEXT];
    uint32_t place = (uint32_t)op->engine_word[ECSI_WAIT_PLACE];
    ECSI_CHECK(place < p->first_count);
    ECSI_CHECK(p->firsts[place] == op);
    if (next != NULL) {
        next->engine[ECSI_WAIT_CHAIN] = op->engine[ECSI_WAIT_CHAIN];
        next->engine[ECSI_WAIT_LAST] = op->engine[ECSI_WAIT_LAST];
        *link = next;
        ecsi_poller_place(p, place, next);
        return;
    }
    *link = (ecs_io_operation *)op->engine[ECSI_WAIT_CHAIN];
    if (place + 1 < p->first_count) ecsi_poller_place(p, place, p->firsts[p->first_count - 1]);
    p->first_count--;
}

/* Takes any one out. */
static void ecsi_poller_drop(ecsi_poller *p, ecs_io_operation *op)
{
    ecs_io_operation **link = ecsi_poller_find(p, ecsi_poller_handle(op),
                                               ecsi_poller_direction(op));
    ecs_io_operation *before = *link;
    ECSI_CHECK(before != NULL);
    ECSI_CHECK(p->first_count > 0);
    if (before == op) {
        ecsi_poller_shift(p, link);
        return;
    }
    while (before->engine[ECSI_WAIT_NEXT] != op) {
        before = (ecs_io_operation *)before->engine[ECSI_WAIT_NEXT];
    }
    before->engine[ECSI_WAIT_NEXT] = op->engine[ECSI_WAIT_NEXT];
    if ((*link)->engine[ECSI_WAIT_LAST] == op) (*link)->engine[ECSI_WAIT_LAST] = before;
}

/* ---- Trying --------------------------------------------------------------------------- */

/* Tries an operation; -EAGAIN: it has to wait. `ready`: what its handle is ready for. */
static int64_t ecsi_poller_try(ecsi_poller *p, ecs_io_operation *op, uint32_t ready)
{
    const ecs_io_request *r = &op->request;
    uint32_t wants = ecsi_sys_waits(r);
    bool again = op->engine_word[ECSI_WAIT_BEGUN] != 0;
    int64_t result;
    ECSI_CHECK(r->op < ECS_IO_OPS);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_STARTED);
    p->calls++;
    if (r->op == ECS_IO_POLL) {
        ready = ecsi_sys_ready(r->handle, wants);
        return ready != 0 ? (int64_t)ready : -EAGAIN;
    }
    /* A connection that is begun has come to something when poll says so, and not before. */
    if ((ready & wants) == 0 &&
        (!ecsi_sys_asks_itself(r) || (r->op == ECS_IO_CONNECT && again))) {
        p->calls++;
        if (ecsi_sys_ready(r->handle, wants) == 0) return -EAGAIN;
    }
    op->engine_word[ECSI_WAIT_BEGUN] = 1;
    result = ecsi_sys_try(r, again);
    if (result == -EAGAIN && r->op == ECS_IO_SPLICE &&
        ecsi_sys_ready(r->peer, ECS_IO_WRITABLE) == 0) {
        op->engine_word[ECSI_WAIT_BEGUN] = ECSI_WAIT_PEER;
    }
    return result;
}

/* Whether there is more to do on this handle before others have their turn: the rest of a
 * transfer, the next one of a chain. */
static bool ecsi_poller_goes_on(const ecs_io_operation *op)
{
    const ecs_io_operation *next = op->ecsi_chain;
    ECSI_CHECK(op->ecsi_state != ECSI_IO_FREE);
    if (op->ecsi_state == ECSI_IO_READY) return true;
    return next != NULL && next->ecsi_state == ECSI_IO_READY &&
           next->request.handle == op->request.handle;
}

/* A splice waits for one of two handles, and it may be the other one's turn: it starts anew. */
static void ecsi_poller_again(ecs_io_operation *op)
{
    ecsi_io *io = (ecsi_io *)op->ecsi_owner;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_STARTED);
    ECSI_CHECK(io->engaged > 0);
    io->engaged--;
    op->ecsi_state = ECSI_IO_READY;
    ecsi_io_list_push(&io->ready, op);
}

/* Tries a queue from its first on, until one has to wait. */
static void ecsi_poller_run(ecsi_poller *p, ecs_handle handle, uint32_t direction, uint32_t ready)
{
    ecs_io_operation **link = ecsi_poller_find(p, handle, direction);
    uint32_t bound;
    ECSI_CHECK(direction != ECSI_ASKERS);
    for (bound = p->first_max; bound > 0 && *link != NULL; bound--) {
        ecs_io_operation *op = *link;
        int64_t result = ecsi_poller_try(p, op, ready);
        if (result == -EAGAIN && op->request.op != ECS_IO_SPLICE) return;
        ecsi_poller_shift(p, link);
        if (result == -EAGAIN) {
            ecsi_poller_again(op);
            return;
        }
        (void)ecs_io_end(op, result, 0);
        if (ecsi_poller_goes_on(op)) return;
        ready = 0;
        link = ecsi_poller_find(p, handle, direction);
    }
}

/* Asks for a handle that many may want to know of. */
static void ecsi_poller_ask(ecsi_poller *p, ecs_handle handle)
{
    ecs_io_operation *op = *ecsi_poller_find(p, handle, ECSI_ASKERS);
    uint32_t bound;
    ECSI_CHECK(handle >= 0);
    for (bound = p->first_max; bound > 0 && op != NULL; bound--) {
        ecs_io_operation *next = (ecs_io_operation *)op->engine[ECSI_WAIT_NEXT];
        int64_t result = ecsi_poller_try(p, op, 0);
        ECSI_CHECK(op->request.op == ECS_IO_POLL);
        if (result != -EAGAIN) {
            ecsi_poller_drop(p, op);
            (void)ecs_io_end(op, result, 0);
        }
        op = next;
    }
}

/* A handle is ready for something. `alone`: it is the only one of this look. Else what was served
 * before may be the same stream under another number, and a read that may block would. */
static void ecsi_poller_serve(ecsi_poller *p, ecs_handle handle, uint32_t ready, bool alone)
{
    uint32_t sure = alone ? ready : 0;
    ECSI_CHECK(ready != 0);
    ECSI_CHECK(handle >= 0);
    if ((ready & ECS_IO_READABLE) != 0) ecsi_poller_run(p, handle, ECSI_READERS, sure);
    if ((ready & ECS_IO_WRITABLE) != 0) ecsi_poller_run(p, handle, ECSI_WRITERS, sure);
    ecsi_poller_ask(p, handle);
}

/* Starts an operation. Answers whether it waits now. */
static bool ecsi_poller_start(ecsi_poller *p, ecs_io_operation *op)
{
    uint32_t direction = ecsi_poller_direction(op);
    bool waits = ecsi_sys_waits(&op->request) != 0;
    const ecs_io_operation *first = NULL;
    int64_t result = -EAGAIN;
    op->engine_word[ECSI_WAIT_BEGUN] = 0;
    /* Nobody overtakes on the same handle. */
    if (waits && direction != ECSI_ASKERS) {
        first = *ecsi_poller_find(p, op->request.handle, direction);
    }
    if (ecsi_io_has_handle(op->request.op) && !ecsi_sys_fits(&op->request)) {
        result = -EBADF;
    } else if (first == NULL || op->serial < first->serial) {
        result = ecsi_poller_try(p, op, 0);
    }
    if (result == -EAGAIN && waits) {
        ecsi_poller_wait(p, op);
        return true;
    }
    ECSI_CHECK(op->request.op != ECS_IO_TIMER);
    ECSI_CHECK(op->request.op != ECS_IO_CANCEL);
    (void)ecs_io_end(op, result, 0);
    return false;
}

static void ecsi_poller_cancel(void *state, ecs_io_operation *op)
{
    ECSI_CHECK(state != NULL);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_STARTED);
    ecsi_poller_drop((ecsi_poller *)state, op);
    (void)ecs_io_end(op, -ECANCELED, 0);
}

static void ecsi_poller_submit(void *state)
{
    (void)state;
}

static void ecsi_poller_stats(const void *state, ecs_io_stats *out)
{
    out->system_calls += ((const ecsi_poller *)state)->calls;
}

/* ---- Blocking ------------------------------------------------------------------------- */

static void ecsi_blocking_start(void *state, ecs_io_operation *op)
{
    (void)ecsi_poller_start((ecsi_poller *)state, op);
}

/* More of them at a time than poll takes: it takes as many as a process may have open, and one that
 * is read and written stands there twice. In pieces then, and the wait is a short one. */
static int ecsi_blocking_pieces(ecsi_poller *p, uint64_t wait_ns)
{
    uint32_t count = p->first_count + 1;
    uint32_t from;
    int found = 0;
    ECSI_CHECK(count > 0);
    for (from = 0; from < count; from += ECSI_POLL_PIECE) {
        int one;
        p->calls++;
        one = poll(&p->polls[from], ecsi_min_u32(count - from, ECSI_POLL_PIECE), 0);
        if (one > 0) found += one;
    }
    ECSI_CHECK(found >= 0);
    if (found > 0 || wait_ns == 0) return found;
    p->calls++;
    return poll(p->polls, 1, 1);
}

static void ecsi_blocking_reap(void *state, uint64_t wait_ns)
{
    ecsi_poller *p = (ecsi_poller *)state;
    uint32_t i;
    int left;
    if (p->first_count == 0 && wait_ns == 0) return;
    if (p->pipe_fd[0] < 0 && wait_ns > ECSI_POLL_BLIND_NS) wait_ns = ECSI_POLL_BLIND_NS;
    p->calls++;
    left = poll(p->polls, p->first_count + 1u, ecsi_sys_ms(wait_ns));
    if (left < 0 && errno == EINVAL) left = ecsi_blocking_pieces(p, wait_ns);
    if (left <= 0) return;
    if (p->polls[0].revents != 0) ecsi_sys_pipe_drain(p->pipe_fd);
    /* From the end on: what is served there may move a later one to its place. */
    for (i = p->first_count; i > 0; i--) {
        struct pollfd one;
        if (i > p->first_count) continue;
        one = p->polls[i];
        p->polls[i].revents = 0;
        if (one.revents == 0) continue;
        ecsi_poller_serve(p, one.fd, ecsi_sys_wants(one.revents), left == 1);
    }
    ECSI_CHECK(p->first_count <= p->first_max);
}

ECS_API const ecs_io_engine *ecs_io_blocking(void)
{
    static const ecs_io_engine engine = {
        "blocking",         ecsi_poller_bytes,    ecsi_blocking_open, ecsi_poller_close,
        ecsi_blocking_start, ecsi_poller_submit,  ecsi_blocking_reap, ecsi_poller_cancel,
        ecsi_poller_wake,   NULL,                 ecsi_poller_stats};
    return &engine;
}

/* ---- Evented -------------------------------------------------------------------------- */

#if ECSI_EPOLL

/* Events of one call. */
#define ECSI_EPOLL_EVENTS 256

static int ecsi_evented_open(void *state, const ecs_io_engine_desc *desc)
{
    ecsi_poller *p = (ecsi_poller *)state;
    struct epoll_event event;
    int error = ecsi_poller_open(state, desc);
    ECSI_CHECK(p->first_count == 0);
    if (error != 0) return error;
    ECSI_CHECK(p->pipe_fd[0] >= 0);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.fd = -1;
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd >= 0 && epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->pipe_fd[0], &event) == 0) {
        return 0;
    }
    error = errno;
    ecsi_poller_close(state);
    return error;
}

/* What a handle is waited for. */
static uint32_t ecsi_evented_wants(const ecsi_poller *p, ecs_handle handle)
{
    const ecs_io_operation *op = *ecsi_poller_find(p, handle, ECSI_ASKERS);
    uint32_t wants = 0;
    if (*ecsi_poller_find(p, handle, ECSI_READERS) != NULL) wants |= ECS_IO_READABLE;
    if (*ecsi_poller_find(p, handle, ECSI_WRITERS) != NULL) wants |= ECS_IO_WRITABLE;
    for (; op != NULL; op = (const ecs_io_operation *)op->engine[ECSI_WAIT_NEXT]) {
        wants |= ecsi_sys_waits(&op->request);
    }
    ECSI_CHECK(wants <= (uint32_t)(ECS_IO_READABLE | ECS_IO_WRITABLE));
    return wants;
}

/* Tells epoll to look once for what a handle is waited for. The handle may have been closed and
 * be another file by now, so it may be new to epoll. 0, or a negative errno. */
static int64_t ecsi_evented_arm(ecsi_poller *p, ecs_handle handle)
{
    uint32_t wants = ecsi_evented_wants(p, handle);
    struct epoll_event event;
    ECSI_CHECK(p->epoll_fd >= 0);
    ECSI_CHECK(handle >= 0);
    if (wants == 0) return 0;
    memset(&event, 0, sizeof event);
    event.events = EPOLLONESHOT;
    if ((wants & ECS_IO_READABLE) != 0) event.events |= EPOLLIN;
    if ((wants & ECS_IO_WRITABLE) != 0) event.events |= EPOLLOUT;
    event.data.fd = (int)handle;
    p->calls++;
    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, (int)handle, &event) == 0) return 0;
    if (errno != ENOENT) return -(int64_t)errno;
    p->calls++;
    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, (int)handle, &event) == 0 ? 0 : -(int64_t)errno;
}

static void ecsi_evented_start(void *state, ecs_io_operation *op)
{
    ecsi_poller *p = (ecsi_poller *)state;
    int64_t error;
    ECSI_CHECK(p->epoll_fd >= 0);
    if (!ecsi_poller_start(p, op)) return;
    error = ecsi_evented_arm(p, ecsi_poller_handle(op));
    if (error == 0) return;
    /* A file that epoll does not watch. */
    ECSI_CHECK(error < 0);
    ecsi_poller_drop(p, op);
    (void)ecs_io_end(op, error, 0);
}

/* What is left of a handle that is not watched any more, and cannot be again. */
static void ecsi_evented_fail(ecsi_poller *p, ecs_handle handle, int64_t error)
{
    uint32_t direction;
    ECSI_CHECK(error < 0);
    ECSI_CHECK(handle >= 0);
    for (direction = 0; direction < ECSI_DIRECTIONS; direction++) {
        ecs_io_operation **link = ecsi_poller_find(p, handle, direction);
        uint32_t bound;
        for (bound = p->first_max; bound > 0 && *link != NULL; bound--) {
            ecs_io_operation *op = *link;
            ecsi_poller_shift(p, link);
            (void)ecs_io_end(op, error, 0);
            link = ecsi_poller_find(p, handle, direction);
        }
    }
}

/* A handle that nobody waits for any more is forgotten. Its file may live on under another number
 * when it is closed, and would be taken for what has its number then. */
static void ecsi_evented_cancel(void *state, ecs_io_operation *op)
{
    ecsi_poller *p = (ecsi_poller *)state;
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    ECSI_CHECK(p->epoll_fd >= 0);
    ecsi_poller_drop(p, op);
    if (ecsi_evented_wants(p, ecsi_poller_handle(op)) == 0) {
        p->calls++;
        (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, (int)ecsi_poller_handle(op), &event);
    }
    ECSI_CHECK(op->request.op != ECS_IO_TIMER);
    (void)ecs_io_end(op, -ECANCELED, 0);
}

static void ecsi_evented_reap(void *state, uint64_t wait_ns)
{
    ecsi_poller *p = (ecsi_poller *)state;
    struct epoll_event events[ECSI_EPOLL_EVENTS];
    uint32_t bound;
    int count = ECSI_EPOLL_EVENTS;
    ECSI_CHECK(p->epoll_fd >= 0);
    ECSI_CHECK(p->first_count <= p->first_max);
    if (p->first_count == 0 && wait_ns == 0) return;
    for (bound = p->first_max; bound > 0 && count == ECSI_EPOLL_EVENTS; bound--) {
        int i;
        p->calls++;
        count = epoll_wait(p->epoll_fd, events, ECSI_EPOLL_EVENTS, ecsi_sys_ms(wait_ns));
        for (i = 0; i < count; i++) {
            uint32_t found = events[i].events;
            ecs_handle handle = events[i].data.fd;
            uint32_t ready = 0;
            int64_t error;
            if (handle < 0) {
                ecsi_sys_pipe_drain(p->pipe_fd);
                continue;
            }
            if ((found & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) ready |= ECS_IO_READABLE;
            if ((found & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) ready |= ECS_IO_WRITABLE;
            if (ready != 0) ecsi_poller_serve(p, handle, ready, count == 1);
            error = ecsi_evented_arm(p, handle);
            if (error != 0) ecsi_evented_fail(p, handle, error);
        }
        wait_ns = 0;
    }
}

ECS_API const ecs_io_engine *ecs_io_evented(void)
{
    static const ecs_io_engine engine = {
        "evented",          ecsi_poller_bytes,    ecsi_evented_open, ecsi_poller_close,
        ecsi_evented_start, ecsi_poller_submit,   ecsi_evented_reap, ecsi_evented_cancel,
        ecsi_poller_wake,   NULL,                 ecsi_poller_stats};
    return &engine;
}

#else

ECS_API const ecs_io_engine *ecs_io_evented(void)
{
    return NULL;
}

#endif

#else

ECS_API const ecs_io_engine *ecs_io_evented(void)
{
    return NULL;
}

ECS_API const ecs_io_engine *ecs_io_blocking(void)
{
    return NULL;
}

#endif /* ECSI_SYS */

#endif /* ECS_NO_IO */

#endif /* ECS_IO_POLL_H */
