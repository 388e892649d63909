/* io.h: requests for input and output, from the flush that takes them to their delivery.
 *
 * A request is an operation as long as it is under way: a slot that never moves, in the order in
 * which the flush took it. It goes through these states:
 *
 *   chained    waits for the one before it
 *   ready      goes to the engine when the batch does
 *   started    the engine has it; or it is a timer, and waits in the heap
 *   resting    a poll that goes on, until what it found is delivered: it would find it again
 *   ended      waits for its delivery
 *
 * What engines would do each in their own way is done here, once for all of them: chains, timers
 * and timeouts, going on after short transfers, repeating, the order of delivery. An engine
 * starts, ends and cancels single operations.
 *
 * All of this is on the thread that ticks. Time decides only when an operation ends. */
/* floor: 10 */
#ifndef ECS_IO_H
#define ECS_IO_H

#include "edit.h"
#include "flush.h"
#include "sys.h"

#ifndef ECS_NO_IO

/* Operations of one page of slots. */
#define ECSI_IO_PAGE 256u
/* Callbacks may queue requests that the phase waits for as well; so often at most. */
#define ECSI_IO_ROUNDS_MAX 64u
/* Phases behind the threshold. */
#define ECSI_IO_PHASES 8u
#define ECSI_IO_THRESHOLD_MIN 8u
#define ECSI_IO_THRESHOLD_MAX 128u
/* Operations that one submit begins or lets go on. */
#define ECSI_IO_STEPS_MAX ((uint64_t)1 << 40)
/* Waiting for what was cancelled when the world ends. */
#define ECSI_IO_END_ROUNDS 1000u
#define ECSI_IO_END_NS 10000000u
/* Not in the heap of timers. */
#define ECSI_IO_UNTIMED 0xffffffffu

typedef enum ecsi_io_state {
    ECSI_IO_FREE,
    ECSI_IO_CHAINED,
    ECSI_IO_READY,
    ECSI_IO_STARTED,
    ECSI_IO_TIMING,
    ECSI_IO_RESTING,
    ECSI_IO_ENDED
} ecsi_io_state;

/* Bits of an operation. */
enum {
    ECSI_IO_CANCELLED = 1, /* the engine was asked to */
    ECSI_IO_EXPIRED = 2,   /* because its time was up */
    ECSI_IO_SHOT = 4,      /* a result of an operation that goes on */
    ECSI_IO_MISPLACED = 8, /* its buffer lies in a column */
    ECSI_IO_LADEN = 16     /* it rests with a result that found no slot */
};

/* Flags of a recorded request that only the flush sees. */
#define ECSI_IO_CUT 0x40000000u    /* not a follower of the request before it */
#define ECSI_IO_ORPHAN 0x80000000u /* it follows one that was refused: it is cancelled */

typedef struct ecsi_io_list {
    ecs_io_operation *first;
    ecs_io_operation *last;
    uint32_t count;
} ecsi_io_list;

typedef struct ecsi_io_region {
    unsigned char *memory; /* NULL: free */
    size_t bytes;
    uint32_t users;        /* operations that name it */
} ecsi_io_region;

/* What is told of a completion; `bytes` of the buffer follow. */
typedef struct ecsi_io_note {
    uint64_t boundary;
    uint64_t serial;
    int64_t result;
    uint64_t duration_ns;
    uint32_t flags;
    uint32_t bytes;
} ecsi_io_note;

/* What is large and only there when there is I/O. */
typedef struct ecsi_io_book {
    ecsi_io_region regions[ECS_IO_REGIONS_MAX];
    uint64_t latency[ECS_IO_OPS][ECS_IO_LATENCIES];
} ecsi_io_book;

typedef struct ecsi_io {
    ecsi_memory *memory;
    ecsi_flush *flush;
    const ecsi_log *log;
    void (*notify)(ecs_world *world, const ecs_io_completion *done);
    ecs_io_desc desc;             /* with the defaults filled in */
    const ecs_io_engine *engine;  /* NULL: not opened yet */
    ecsi_io_book *book;
    void *state;
    size_t state_bytes;
    ecsi_vec pages;               /* of ecs_io_operation * */
    ecsi_vec timers;              /* of ecs_io_operation *, a heap by deadline */
    ecs_io_operation **named;     /* chains by id and by handle, each of table_mask + 1 */
    ecs_io_operation **handled;
    uint32_t table_mask;
    ecs_io_operation *free;
    ecs_io_operation *oldest;     /* under way, in the order of the requests */
    ecs_io_operation *newest;
    ecsi_io_list ready;
    ecs_io_operation *resting;    /* that go on when what has ended is delivered */
    ecsi_io_list ended;
    bool unsorted;                /* the ended ones are not in order */
    uint64_t now;                 /* clock of the last look */
    bool stale;                   /* the engine may have waited since then */
    ecs_io_operation *chain;      /* the last request of a chain that may go on... */
    bool chain_broken;            /* ...but was refused */
    uint64_t chain_stream;
    uint64_t serial;
    uint64_t boundary;            /* deliveries so far */
    ecsi_gap gap;                 /* of the last buffer */
    uint32_t entered;             /* operations; requests_max at most */
    uint32_t shots;               /* slots with results of operations that go on */
    uint32_t joined;              /* that the phase waits for */
    uint32_t engaged;             /* that the engine has */
    bool open;
    bool complained;              /* the log knows that there is no engine */
    bool delivering;
    bool ending;
    bool batching;                /* false: the adaptive backend sends at once */
    bool replaying;
    bool replayed;                /* to the end */
    bool note_held;               /* `note` is of a later boundary */
    uint32_t history[ECSI_IO_PHASES]; /* requests of the last phases that had some */
    uint32_t history_count;
    uint32_t phase_count;         /* of this phase */
    uint32_t tick_peak;           /* most that were under way in this tick */
    ecsi_atomic_u32 wakeable;     /* there is an engine */
    ecsi_atomic_u32 woken;
    ecsi_io_note note;
    ecs_io_stats stats;
} ecsi_io;

/* ---- Lists ---------------------------------------------------------------------------- */

static void ecsi_io_list_add(ecsi_io_list *list, ecs_io_operation *op)
{
    ECSI_CHECK(op != NULL);
    ECSI_CHECK(op->ecsi_state != ECSI_IO_FREE);
    ECSI_CHECK((list->first == NULL) == (list->count == 0));
    op->ecsi_next = NULL;
    if (list->first == NULL) {
        list->first = op;
    } else {
        list->last->ecsi_next = op;
    }
    list->last = op;
    list->count++;
}

/* Puts it before all others. */
static void ecsi_io_list_push(ecsi_io_list *list, ecs_io_operation *op)
{
    ECSI_CHECK(op != NULL);
    ECSI_CHECK((list->first == NULL) == (list->count == 0));
    op->ecsi_next = list->first;
    if (list->first == NULL) list->last = op;
    list->first = op;
    list->count++;
}

static ecs_io_operation *ecsi_io_list_take(ecsi_io_list *list)
{
    ecs_io_operation *op = list->first;
    ECSI_CHECK((list->first == NULL) == (list->count == 0));
    if (op == NULL) return NULL;
    list->first = op->ecsi_next;
    list->count--;
    op->ecsi_next = NULL;
    ECSI_CHECK(list->first != NULL || list->count == 0);
    return op;
}

/* Merges two lists that are in order. */
static ecs_io_operation *ecsi_io_merge(ecs_io_operation *a, ecs_io_operation *b)
{
    ecs_io_operation *first = NULL;
    ecs_io_operation **link = &first;
    while (a != NULL && b != NULL) {
        /* Shots of one operation have its serial, and stay as they came. */
        ecs_io_operation **from = b->serial < a->serial ? &b : &a;
        *link = *from;
        link = &(*from)->ecsi_next;
        *from = *link;
    }
    *link = a != NULL ? a : b;
    ECSI_CHECK(first != NULL);
    ECSI_CHECK(first->ecsi_state == ECSI_IO_ENDED);
    return first;
}

/* Puts a list in the order of the requests: a merge sort from below, with a list of 2^i runs at
 * place i. What comes in order is one run. */
static void ecsi_io_sort(ecsi_io_list *list)
{
    ecs_io_operation *runs[33];
    ecs_io_operation *op = list->first;
    uint32_t i;
    memset(runs, 0, sizeof runs);
    while (op != NULL) {
        ecs_io_operation *run = op;
        while (op->ecsi_next != NULL && op->ecsi_next->serial >= op->serial) op = op->ecsi_next;
        list->last = op;
        op = op->ecsi_next;
        list->last->ecsi_next = NULL;
        for (i = 0; i < 32 && runs[i] != NULL; i++) {
            run = ecsi_io_merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    list->first = NULL;
    for (i = 0; i < 33; i++) {
        if (runs[i] == NULL) continue;
        list->first = list->first == NULL ? runs[i] : ecsi_io_merge(runs[i], list->first);
    }
    for (op = list->first; op != NULL; op = op->ecsi_next) list->last = op;
    ECSI_CHECK((list->first == NULL) == (list->count == 0));
    ECSI_CHECK(list->last == NULL || list->last->ecsi_next == NULL);
}

/* ---- Timers --------------------------------------------------------------------------- */

static inline ecs_io_operation **ecsi_io_timer_at(const ecsi_io *io, uint32_t i)
{
    ECSI_CHECK(i < io->timers.count);
    return ECSI_VEC_AT(ecs_io_operation *, &io->timers, i);
}

/* Earlier, or asked for earlier. */
static inline bool ecsi_io_sooner(const ecs_io_operation *a, const ecs_io_operation *b)
{
    ECSI_CHECK(a != b);
    ECSI_CHECK(a->serial != b->serial);
    if (a->ecsi_deadline != b->ecsi_deadline) return a->ecsi_deadline < b->ecsi_deadline;
    return a->serial < b->serial;
}

static void ecsi_io_timer_put(const ecsi_io *io, uint32_t place, ecs_io_operation *op)
{
    ECSI_CHECK(op->ecsi_state != ECSI_IO_FREE);
    ECSI_CHECK(op->ecsi_state != ECSI_IO_ENDED);
    *ecsi_io_timer_at(io, place) = op;
    op->ecsi_timer = place;
}

/* Moves it up or down to where it belongs. */
static void ecsi_io_timer_sift(const ecsi_io *io, uint32_t place)
{
    ecs_io_operation *op = *ecsi_io_timer_at(io, place);
    uint32_t count = io->timers.count;
    while (place > 0 && ecsi_io_sooner(op, *ecsi_io_timer_at(io, (place - 1) / 2))) {
        ecsi_io_timer_put(io, place, *ecsi_io_timer_at(io, (place - 1) / 2));
        place = (place - 1) / 2;
    }
    for (;;) {
        uint32_t child = place * 2 + 1;
        if (child >= count) break;
        if (child + 1 < count && ecsi_io_sooner(*ecsi_io_timer_at(io, child + 1),
                                                *ecsi_io_timer_at(io, child))) {
            child++;
        }
        if (!ecsi_io_sooner(*ecsi_io_timer_at(io, child), op)) break;
        ecsi_io_timer_put(io, place, *ecsi_io_timer_at(io, child));
        place = child;
    }
    ecsi_io_timer_put(io, place, op);
    ECSI_CHECK(op->ecsi_timer < count);
    ECSI_CHECK(*ecsi_io_timer_at(io, op->ecsi_timer) == op);
}

/* The heap has room for all slots. */
static void ecsi_io_timer_add(ecsi_io *io, ecs_io_operation *op)
{
    ECSI_CHECK(op->ecsi_timer == ECSI_IO_UNTIMED);
    ECSI_CHECK(io->timers.count < io->timers.capacity);
    io->timers.count++;
    ecsi_io_timer_put(io, io->timers.count - 1, op);
    ecsi_io_timer_sift(io, io->timers.count - 1);
}

static void ecsi_io_timer_remove(ecsi_io *io, ecs_io_operation *op)
{
    uint32_t place = op->ecsi_timer;
    ecs_io_operation *last;
    if (place == ECSI_IO_UNTIMED) return;
    ECSI_CHECK(*ecsi_io_timer_at(io, place) == op);
    last = *ecsi_io_timer_at(io, io->timers.count - 1);
    io->timers.count--;
    op->ecsi_timer = ECSI_IO_UNTIMED;
    if (last == op) return;
    ECSI_CHECK(place < io->timers.count);
    ecsi_io_timer_put(io, place, last);
    ecsi_io_timer_sift(io, place);
}

/* ---- Slots ---------------------------------------------------------------------------- */

/* Results that may wait for their delivery while their operations go on. */
static inline uint32_t ecsi_io_shots_max(const ecsi_io *io)
{
    ECSI_CHECK(io->desc.requests_max <= 1u << 24);
    return io->desc.requests_max / 4 + 16;
}

/* One more page of slots, and room for their timers. */
static ecs_status ecsi_io_page_add(ecsi_io *io, uint32_t count)
{
    ecsi_memory *memory = io->memory;
    uint32_t slots_max = io->desc.requests_max + ecsi_io_shots_max(io);
    uint32_t pages_max = slots_max / ECSI_IO_PAGE + 1;
    ecs_io_operation *page;
    ecs_status status;
    uint32_t i;
    ECSI_CHECK(count > 0);
    ECSI_CHECK(count <= slots_max);
    /* In fixed mode both have their room, and measuring knows of none. */
    status = memory->fixed ? ECS_OK
                           : ecsi_vec_reserve(memory, &io->pages, io->pages.count + 1, pages_max,
                                              sizeof(ecs_io_operation *));
    if (status == ECS_OK && !memory->fixed) {
        status = ecsi_vec_reserve(memory, &io->timers, io->pages.count * ECSI_IO_PAGE + count,
                                  slots_max, sizeof(ecs_io_operation *));
    }
    if (status != ECS_OK) return status;
    page = (ecs_io_operation *)ecsi_alloc(memory, count * sizeof *page, 64);
    if (page == NULL) return memory->measuring ? ECS_OK : ECS_NO_MEMORY;
    memset(page, 0, count * sizeof *page);
    *ECSI_VEC_AT(ecs_io_operation *, &io->pages, io->pages.count++) = page;
    for (i = count; i > 0; i--) {
        page[i - 1].ecsi_next = io->free;
        page[i - 1].ecsi_owner = io;
        io->free = &page[i - 1];
    }
    return ECS_OK;
}

static inline uint32_t ecsi_io_home(const ecsi_io *io, uint64_t key)
{
    ECSI_CHECK(io->named != NULL);
    ECSI_CHECK(ecsi_is_power_of_two((size_t)io->table_mask + 1));
    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & io->table_mask;
}

/* A slot, or NULL: there is none. */
static ecs_io_operation *ecsi_io_slot_take(ecsi_io *io)
{
    ecs_io_operation *op = io->free;
    ECSI_CHECK(io->open);
    if (ECSI_UNLIKELY(op == NULL)) {
        uint32_t had = io->pages.count * ECSI_IO_PAGE;
        uint32_t most = io->desc.requests_max + ecsi_io_shots_max(io);
        uint32_t more = had < most ? most - had : 0;
        if (io->memory->fixed || more == 0) return NULL;
        if (ecsi_io_page_add(io, ecsi_min_u32(more, ECSI_IO_PAGE)) != ECS_OK) return NULL;
        op = io->free;
    }
    ECSI_CHECK(op->ecsi_state == ECSI_IO_FREE);
    ECSI_CHECK(op->ecsi_owner == io);
    io->free = op->ecsi_next;
    op->ecsi_next = NULL;
    op->ecsi_timer = ECSI_IO_UNTIMED;
    io->stats.under_way++;
    if (io->stats.under_way > io->stats.peak) io->stats.peak = io->stats.under_way;
    if (io->stats.under_way > io->tick_peak) io->tick_peak = io->stats.under_way;
    return op;
}

static void ecsi_io_slot_give(ecsi_io *io, ecs_io_operation *op)
{
    ECSI_CHECK(op->ecsi_state == ECSI_IO_ENDED);
    ECSI_CHECK(io->stats.under_way > 0);
    ECSI_CHECK(op->ecsi_timer == ECSI_IO_UNTIMED);
    op->ecsi_state = ECSI_IO_FREE;
    op->ecsi_next = io->free;
    io->free = op;
    io->stats.under_way--;
    if ((op->ecsi_bits & ECSI_IO_SHOT) != 0) io->shots--;
}

/* Whether an operation is about its handle: closing it ends the others. */
static inline bool ecsi_io_has_handle(uint32_t op)
{
    ECSI_CHECK(op < ECS_IO_OPS);
    switch (op) {
    case ECS_IO_NOP:
    case ECS_IO_OPEN:
    case ECS_IO_TIMER:
    case ECS_IO_CANCEL: return false;
    default: return true;
    }
}

/* Enters it at the end of the order, under its id and its handle. */
static void ecsi_io_enter(ecsi_io *io, ecs_io_operation *op)
{
    ecs_io_operation **home = &io->named[ecsi_io_home(io, op->done.id.bits)];
    io->entered++;
    ECSI_CHECK(io->newest == NULL || io->newest->serial < op->serial);
    op->ecsi_order[0] = io->newest;
    op->ecsi_order[1] = NULL;
    if (io->newest != NULL) {
        io->newest->ecsi_order[1] = op;
    } else {
        io->oldest = op;
    }
    io->newest = op;
    op->ecsi_named = *home;
    *home = op;
    if (!ecsi_io_has_handle(op->request.op)) return;
    /* Many may have one handle, and the oldest goes first: a list of both directions. */
    home = &io->handled[ecsi_io_home(io, (uint64_t)op->request.handle)];
    op->ecsi_handled[0] = NULL;
    op->ecsi_handled[1] = *home;
    if (*home != NULL) (*home)->ecsi_handled[0] = op;
    *home = op;
}

/* And out again, when it has ended. */
static void ecsi_io_leave(ecsi_io *io, ecs_io_operation *op)
{
    ecs_io_operation **link = &io->named[ecsi_io_home(io, op->done.id.bits)];
    ecs_io_operation *before = op->ecsi_order[0];
    ecs_io_operation *after = op->ecsi_order[1];
    io->entered--;
    while (*link != op) link = &(*link)->ecsi_named;
    *link = op->ecsi_named;
    if (ecsi_io_has_handle(op->request.op)) {
        ecs_io_operation *next = op->ecsi_handled[1];
        link = &io->handled[ecsi_io_home(io, (uint64_t)op->request.handle)];
        if (op->ecsi_handled[0] != NULL) link = &op->ecsi_handled[0]->ecsi_handled[1];
        ECSI_CHECK(*link == op);
        *link = next;
        if (next != NULL) next->ecsi_handled[0] = op->ecsi_handled[0];
    }
    if (before != NULL) before->ecsi_order[1] = after;
    if (after != NULL) after->ecsi_order[0] = before;
    if (io->oldest == op) io->oldest = after;
    if (io->newest == op) io->newest = before;
    ECSI_CHECK((io->oldest == NULL) == (io->newest == NULL));
    ECSI_CHECK((io->oldest == NULL) == (io->entered == 0));
}

static ecs_io_operation *ecsi_io_find(const ecsi_io *io, uint64_t id)
{
    ecs_io_operation *op = io->named[ecsi_io_home(io, id)];
    ECSI_CHECK(io->named != NULL);
    while (op != NULL && op->done.id.bits != id) op = op->ecsi_named;
    ECSI_CHECK(op == NULL || op->ecsi_state != ECSI_IO_FREE);
    return op;
}

/* ---- Ending --------------------------------------------------------------------------- */

/* Whether it did all that it was asked to, so that its chain goes on. */
static bool ecsi_io_succeeded(const ecs_io_operation *op)
{
    ECSI_CHECK(op->ecsi_state == ECSI_IO_ENDED);
    if (op->done.result < 0) return false;
    switch (op->request.op) {
    case ECS_IO_READ:
    case ECS_IO_WRITE:
    case ECS_IO_SEND:
    case ECS_IO_RECV:
    case ECS_IO_SPLICE: return (uint64_t)op->done.result == op->ecsi_length;
    default: return true;
    }
}

/* It has ended: it waits for its delivery. What follows it in the chain is left to the caller. */
static void ecsi_io_end_one(ecsi_io *io, ecs_io_operation *op, int64_t result)
{
    ECSI_CHECK(op->ecsi_state != ECSI_IO_FREE);
    ECSI_CHECK(op->ecsi_state != ECSI_IO_ENDED);
    ECSI_CHECK((op->request.flags & ECS_IO_JOIN) == 0 || io->joined > 0);
    ecsi_io_timer_remove(io, op);
    op->ecsi_state = ECSI_IO_ENDED;
    op->done.result = result;
    op->done.duration_ns = op->ecsi_begin != 0 && io->now > op->ecsi_begin
                               ? io->now - op->ecsi_begin
                               : 0;
    if ((op->request.flags & ECS_IO_JOIN) != 0) io->joined--;
    if (io->ended.count > 0 && io->ended.last->serial > op->serial) io->unsorted = true;
    ecsi_io_list_add(&io->ended, op);
}

/* Ends an operation, and lets the next one of its chain begin, or ends the rest of it. */
static void ecsi_io_finish(ecsi_io *io, ecs_io_operation *op, int64_t result)
{
    ecs_io_operation *next = op->ecsi_chain;
    ecsi_io_end_one(io, op, result);
    ECSI_CHECK(op->ecsi_state == ECSI_IO_ENDED);
    ECSI_CHECK(next == NULL || next->ecsi_state == ECSI_IO_CHAINED);
    if (next != NULL && ecsi_io_succeeded(op)) {
        next->ecsi_state = ECSI_IO_READY;
        /* Before those that were asked for later: they may be about the same stream. */
        ecsi_io_list_push(&io->ready, next);
        return;
    }
    for (; next != NULL; next = next->ecsi_chain) ecsi_io_end_one(io, next, -ECANCELED);
}

/* One result of an operation that goes on. False: there is no slot for it. */
static bool ecsi_io_shoot(ecsi_io *io, const ecs_io_operation *op, int64_t result)
{
    ecs_io_operation *shot = io->shots < ecsi_io_shots_max(io) ? ecsi_io_slot_take(io) : NULL;
    if (shot == NULL) return false;
    io->shots++;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_STARTED);
    ECSI_CHECK((op->ecsi_bits & ECSI_IO_SHOT) == 0);
    ECSI_CHECK(io->shots <= ecsi_io_shots_max(io));
    shot->request = op->request;
    shot->request.flags &= ~(uint32_t)ECS_IO_JOIN;
    shot->request.region = 0; /* its operation is the user of the region */
    shot->done = op->done;
    shot->done.flags |= (uint32_t)ECS_IO_MORE;
    shot->serial = op->serial;
    shot->ecsi_begin = op->ecsi_begin;
    shot->ecsi_bits = ECSI_IO_SHOT;
    shot->ecsi_chain = NULL;
    shot->ecsi_state = ECSI_IO_STARTED;
    ecsi_io_end_one(io, shot, result);
    return true;
}

/* Whether it reads or writes at an offset. */
static inline bool ecsi_io_is_file(const ecs_io_request *request)
{
    bool file = request->op == ECS_IO_READ || request->op == ECS_IO_WRITE;
    return file && request->offset != ECS_IO_HERE;
}

/* What a transfer of all bytes has come to: what was moved counts more than why it ended. */
static int64_t ecsi_io_so_far(const ecs_io_operation *op, int64_t result)
{
    uint64_t moved = op->ecsi_length - op->request.length;
    ECSI_CHECK(op->request.length <= op->ecsi_length);
    ECSI_CHECK(moved == 0 || (op->request.flags & ECS_IO_WHOLE) != 0);
    return moved > 0 ? (int64_t)moved : result;
}

/* Whether it goes on by itself: the rest of a short transfer, the next result of a request that
 * repeats. It is ready then. */
static bool ecsi_io_goes_on(ecsi_io *io, ecs_io_operation *op, int64_t *result)
{
    uint32_t flags = op->request.flags;
    bool ends = *result < 0 || (op->ecsi_bits & ECSI_IO_CANCELLED) != 0;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_STARTED);
    ECSI_CHECK((flags & ECS_IO_WHOLE) == 0 || (flags & ECS_IO_MULTI) == 0);
    if ((flags & ECS_IO_WHOLE) != 0) {
        if (*result > 0) {
            size_t more = (size_t)*result;
            /* With MSG_TRUNC it may be told of more than there was room for. */
            if (more > op->request.length) more = op->request.length;
            op->request.buffer = (unsigned char *)op->request.buffer + more;
            op->request.length -= more;
            if (ecsi_io_is_file(&op->request)) op->request.offset += more;
        }
        ends = ends || *result == 0 || op->request.length == 0;
        if (ends) *result = ecsi_io_so_far(op, *result);
        return !ends;
    }
    if ((flags & ECS_IO_MULTI) == 0 || ends) return false;
    if (op->request.op == ECS_IO_RECV && *result == 0) return false;
    /* Without a slot for this result it rests with it. */
    if (!ecsi_io_shoot(io, op, *result)) op->ecsi_bits |= ECSI_IO_LADEN;
    op->done.result = *result;
    return true;
}

/* Leaves those that rest. */
static void ecsi_io_rouse_one(ecsi_io *io, const ecs_io_operation *op)
{
    ecs_io_operation **link = &io->resting;
    ECSI_CHECK(op->ecsi_state == ECSI_IO_RESTING);
    while (*link != op) link = &(*link)->ecsi_next;
    *link = op->ecsi_next;
    ECSI_CHECK(*link != op);
}

ECS_API bool ecs_io_end(ecs_io_operation *operation, int64_t result, uint32_t flags)
{
    ecsi_io *io;
    ECSI_REQUIRE(operation != NULL, false);
    ECSI_REQUIRE(operation->ecsi_state == ECSI_IO_STARTED, false);
    io = (ecsi_io *)operation->ecsi_owner;
    if (io->stale) io->now = ecsi_clock_ns();
    io->stale = false;
    if ((flags & ECS_IO_MORE) != 0) return ecsi_io_shoot(io, operation, result);
    ECSI_CHECK(io->engaged > 0);
    ECSI_CHECK(io->open && !io->replaying);
    io->engaged--;
    if (result == -ECANCELED && (operation->ecsi_bits & ECSI_IO_EXPIRED) != 0) {
        result = -ETIMEDOUT;
    }
    if (ecsi_io_goes_on(io, operation, &result)) {
        /* A poll has nothing new to say before what it said is delivered. */
        bool rests = operation->request.op == ECS_IO_POLL ||
                     (operation->ecsi_bits & ECSI_IO_LADEN) != 0;
        operation->ecsi_state = rests ? ECSI_IO_RESTING : ECSI_IO_READY;
        if (rests) {
            operation->ecsi_next = io->resting;
            io->resting = operation;
        } else {
            ecsi_io_list_push(&io->ready, operation);
        }
    } else {
        ecsi_io_finish(io, operation, result);
    }
    return true;
}

/* Ends an operation before its time, because it is not wanted any more or its time is up. */
static void ecsi_io_stop(ecsi_io *io, ecs_io_operation *op, uint32_t why)
{
    ECSI_CHECK(op->ecsi_state != ECSI_IO_FREE);
    ECSI_CHECK(!io->replaying);
    if (op->ecsi_state == ECSI_IO_ENDED || (op->ecsi_bits & ECSI_IO_CANCELLED) != 0) return;
    op->ecsi_bits |= (uint16_t)(ECSI_IO_CANCELLED | why);
    ecsi_io_timer_remove(io, op);
    /* One that is ready or in a chain ends when its turn comes. */
    if (op->ecsi_state == ECSI_IO_TIMING || op->ecsi_state == ECSI_IO_RESTING) {
        int64_t result = (op->ecsi_bits & ECSI_IO_EXPIRED) != 0 ? -ETIMEDOUT : -ECANCELED;
        if ((op->ecsi_bits & ECSI_IO_LADEN) != 0) result = op->done.result;
        if (op->ecsi_state == ECSI_IO_RESTING) ecsi_io_rouse_one(io, op);
        ecsi_io_finish(io, op, result);
        return;
    }
    if (op->ecsi_state == ECSI_IO_STARTED) io->engine->cancel(io->state, op);
}

#endif /* ECS_NO_IO */

#endif /* ECS_IO_H */
