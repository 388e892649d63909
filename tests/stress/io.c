/* io.c: many requests at a time on each engine of this header: reads that a phase waits for, peers
 * that reset, close one half and send byte by byte, worlds that end with everything under way,
 * systems on several workers while another thread wakes. Each request that was taken is delivered
 * once; what was sent arrives, or an error says that it does not. */

#ifndef ECS_DEBUG
#define ECS_DEBUG
#endif
#define ECS_IMPLEMENTATION
#include "../test.h"

#if ECSI_SYS

#include <netinet/in.h>

typedef struct { uint64_t number; } Row;
ECS_COMPONENT(Row, number);

enum { ENGINES = 2, PAIRS = 16, IDS = 4096 };

static struct {
    uint64_t asked;
    uint64_t delivered;
    uint64_t good;
    uint64_t bytes;
} count;

static const ecs_io_engine *engine_of(uint32_t i)
{
    return i == 0 || ecs_io_evented() == NULL ? ecs_io_blocking() : ecs_io_evented();
}

static ecs_world *make(uint32_t engine, uint32_t workers)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    memset(&count, 0, sizeof count);
    desc.io.engine = engine_of(engine);
    desc.row_block_rows = 64;
    if (workers > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = workers;
        desc.share_ns = 1;
    }
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

static void done(ecs_world *world, const ecs_io_completion *what)
{
    (void)world;
    if ((what->flags & ECS_IO_MORE) == 0) count.delivered++;
    if (what->result > 0) count.bytes += (uint64_t)what->result;
    if (what->result >= 0) count.good++;
}

static ecs_io_request ask(ecs_io_op op, int handle, void *buffer, size_t length)
{
    ecs_io_request r;
    memset(&r, 0, sizeof r);
    r.op = (uint32_t)op;
    r.handle = handle;
    r.buffer = buffer;
    r.length = length;
    r.offset = op == ECS_IO_READ || op == ECS_IO_WRITE ? ECS_IO_HERE : 0;
    r.done = done;
    return r;
}

static ecs_io_id put(ecs_world *world, const ecs_io_request *r)
{
    ecs_io_id id = ecs_io_queue(ecs_world_commands(world), r);
    REQUIRE(id.bits != 0);
    count.asked++;
    return id;
}

static void tell(uint32_t rounds, const char *what)
{
    printf("    %u %s, seed %llu\n", rounds, what, (unsigned long long)test_seed());
}

/* ---- Reads that a phase waits for --------------------------------------------------------- */

TEST(io_stress_ten_thousand_joined_reads)
{
    enum { READS = 10000, BYTES = 64 };
    static char from[READS], to[READS][BYTES];
    char name[] = "/tmp/ecs_io_XXXXXX";
    uint32_t rounds = test_rounds(4, 100);
    int fd = mkstemp(name);
    REQUIRE(fd >= 0);
    (void)unlink(name);
    for (uint32_t i = 0; i < READS; i++) from[i] = (char)(i * 7 % 251);
    REQUIRE(write(fd, from, READS) == READS);
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e, 0);
        for (uint32_t round = 0; round < rounds + 1; round++) {
            uint32_t wrong = 0;
            memset(to, 0, sizeof to);
            for (uint32_t i = 0; i < READS; i++) {
                ecs_io_request r = ask(ECS_IO_READ, fd, to[i], BYTES);
                r.offset = i * 13 % (READS - BYTES);
                r.flags = ECS_IO_JOIN | (i % 5 == 0 ? (uint32_t)ECS_IO_LINK : 0);
                put(world, &r);
            }
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            for (uint32_t i = 0; i < READS; i++) {
                wrong += memcmp(to[i], from + i * 13 % (READS - BYTES), BYTES) != 0;
            }
            CHECK_EQ_U64(wrong, 0);
            CHECK_EQ_U64(count.delivered, (round + 1) * (uint64_t)READS);
            CHECK_EQ_U64(count.good, count.delivered);
        }
        ecs_world_destroy(world);
    }
    close(fd);
    tell(rounds, "rounds of 10,000 joined reads");
}

/* ---- Peers ---------------------------------------------------------------------------------- */

static void tcp_pair(int fd[2])
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
    REQUIRE(listen(server, 8) == 0);
    REQUIRE(getsockname(server, (struct sockaddr *)&address, &length) == 0);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(connect(fd[0], (struct sockaddr *)&address, sizeof address) == 0);
    fd[1] = accept(server, NULL, NULL);
    REQUIRE(fd[1] >= 0);
    close(server);
}

typedef struct {
    int fd[PAIRS][2]; /* [1] is the peer; -1: closed */
    char in[PAIRS][256];
    ecs_io_id ids[IDS];
    uint32_t id_count;
    uint64_t random;
} party;

/* What a peer does between two ticks. */
static void peer_acts(party *p, uint32_t i)
{
    struct linger reset = {1, 0};
    char text[64] = "peer";
    int fd = p->fd[i][1];
    if (fd < 0) return;
    switch (test_random_below(&p->random, 12)) {
    case 0:
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        p->fd[i][1] = -1;
        break;
    case 1: (void)shutdown(fd, SHUT_WR); break;
    case 2: (void)recv(fd, text, sizeof text, MSG_DONTWAIT); break;
    case 3: (void)send(fd, text, sizeof text, MSG_DONTWAIT | MSG_NOSIGNAL); break;
    default: (void)send(fd, text, 1, MSG_DONTWAIT | MSG_NOSIGNAL); break;
    }
}

static void party_asks(ecs_world *world, party *p, uint32_t i)
{
    static char out[20000];
    ecs_io_request r = ask(ECS_IO_RECV, p->fd[i][0], p->in[i], 256);
    switch (test_random_below(&p->random, 9)) {
    case 0: r.flags = ECS_IO_WHOLE; break;
    case 1: r = ask(ECS_IO_SEND, p->fd[i][0], out, sizeof out); r.flags = ECS_IO_WHOLE; break;
    case 2: r = ask(ECS_IO_SEND, p->fd[i][0], out, 1); break;
    case 3: r = ask(ECS_IO_TIMER, 0, NULL, 0); break;
    case 4: r = ask(ECS_IO_POLL, p->fd[i][0], NULL, 0); r.offset = 1; r.flags = ECS_IO_MULTI; break;
    case 5: r = ask(ECS_IO_CANCEL, 0, NULL, 0); break;
    case 6: r = ask(ECS_IO_READ, p->fd[i][0], p->in[i], 3); break;
    default: break;
    }
    if (test_random_below(&p->random, 4) == 0) r.flags |= ECS_IO_LINK;
    if (test_random_below(&p->random, 3) == 0) {
        r.timeout_ns = 1 + test_random_below(&p->random, 2000000);
    }
    if (r.op == ECS_IO_CANCEL && p->id_count > 0) {
        r.offset = p->ids[test_random_below(&p->random, p->id_count)].bits;
    }
    p->ids[test_random_below(&p->random, IDS)] = put(world, &r);
    if (p->id_count < IDS) p->ids[p->id_count++] = p->ids[0];
}

static void party_round(uint32_t engine, uint64_t seed)
{
    static party p;
    ecs_world *world = make(engine, 0);
    memset(&p, 0, sizeof p);
    p.random = seed;
    for (uint32_t i = 0; i < PAIRS; i++) {
        if (i % 2 == 0) tcp_pair(p.fd[i]);
        else REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, p.fd[i]) == 0);
    }
    for (uint32_t step = 0; step < 60; step++) {
        for (uint32_t i = 0; i < PAIRS; i++) {
            if (test_random_below(&p.random, 2) == 0) party_asks(world, &p, i);
            if (test_random_below(&p.random, 2) == 0) peer_acts(&p, i);
        }
        if (step % 4 == 0) (void)ecs_io_wait(world, 100000);
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    }
    /* One half is closed by requests, the rest is in flight when the world ends. */
    for (uint32_t i = 0; i < PAIRS / 2; i++) {
        ecs_io_request r = ask(ECS_IO_CLOSE, p.fd[i][0], NULL, 0);
        put(world, &r);
    }
    CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    ecs_world_destroy(world);
    CHECK_EQ_U64(count.delivered, count.asked);
    for (uint32_t i = 0; i < PAIRS; i++) {
        if (i >= PAIRS / 2) close(p.fd[i][0]);
        if (p.fd[i][1] >= 0) close(p.fd[i][1]);
    }
}

TEST(io_stress_peers_that_reset_and_dawdle)
{
    uint32_t rounds = test_rounds(30, 1000);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t e = 0; e < ENGINES; e++) party_round(e, test_seed() + round * 2 + e);
    }
    tell(rounds, "rounds of peers");
}

/* Bytes that two sides send each other in whole transfers, cut into pieces by small buffers. */
TEST(io_stress_streams_keep_their_order)
{
    enum { SENDS = 40, BYTES = 30000 };
    static unsigned char out[SENDS][BYTES], in[SENDS * BYTES];
    uint32_t rounds = test_rounds(10, 100);
    for (uint32_t i = 0; i < SENDS; i++) memset(out[i], (int)i + 1, BYTES);
    for (uint32_t round = 0; round < rounds * ENGINES; round++) {
        ecs_world *world = make(round % ENGINES, 0);
        uint64_t random = test_seed() + round;
        uint32_t wrong = 0;
        size_t at = 0;
        int fd[2], small = 4096;
        tcp_pair(fd);
        (void)setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        for (uint32_t i = 0; i < SENDS; i++) {
            ecs_io_request r = ask(ECS_IO_SEND, fd[0], out[i], BYTES);
            r.flags = ECS_IO_WHOLE | (i % 4 < 2 ? (uint32_t)ECS_IO_LINK : 0);
            put(world, &r);
            if (test_random_below(&random, 5) == 0) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        }
        while (at < sizeof in) {
            size_t bytes = 1 + test_random_below(&random, 60000);
            ecs_io_request r = ask(ECS_IO_RECV, fd[1], in + at,
                                   bytes < sizeof in - at ? bytes : sizeof in - at);
            r.flags = ECS_IO_WHOLE | ECS_IO_JOIN;
            put(world, &r);
            at += r.length;
            if (test_random_below(&random, 3) == 0) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        }
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        for (size_t i = 0; i < sizeof in; i++) wrong += in[i] != i / BYTES + 1;
        CHECK_EQ_U64(wrong, 0);
        ecs_world_destroy(world);
        CHECK_EQ_U64(count.delivered, count.asked);
        close(fd[0]);
        close(fd[1]);
    }
    tell(rounds, "rounds of streams");
}

/* ---- Threads --------------------------------------------------------------------------------- */

static ecsi_atomic_u32 stop;
static ecsi_atomic_u32 asked_by_systems;

ECS_SYSTEM(each_row_asks, READ(Row))
{
    const Row *row = ecs_read(view, Row);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_io_request r = ask(row[i].number % 2 == 0 ? ECS_IO_NOP : ECS_IO_TIMER, 0, NULL, 0);
        r.timeout_ns = r.op == ECS_IO_TIMER ? row[i].number * 100 : 0;
        r.flags = row[i].number % 3 == 0 ? (uint32_t)ECS_IO_JOIN : 0;
        if (ecs_io_queue(view->cmd, &r).bits != 0) ECSI_ADD(&asked_by_systems, 1u, relaxed);
    }
    return ECS_OK;
}

static void *waker(void *data)
{
    ecs_world *world = (ecs_world *)data;
    while (ECSI_LOAD(&stop, relaxed) == 0) {
        ecs_io_wake(world);
        usleep(100);
    }
    return NULL;
}

TEST(io_stress_workers_ask_while_a_thread_wakes)
{
    uint32_t rounds = test_rounds(100, 2000);
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e, 4);
        uint32_t woken = 0;
        pthread_t thread;
        ECSI_STORE(&stop, 0u, relaxed);
        ECSI_STORE(&asked_by_systems, 0u, relaxed);
        for (uint32_t i = 0; i < 600; i++) ecs_spawn_with(world, (Row, {i}));
        REQUIRE_STATUS(ecs_system_add(world, &each_row_asks, ECS_UPDATE), ECS_OK);
        REQUIRE(pthread_create(&thread, NULL, waker, world) == 0);
        for (uint32_t i = 0; i < rounds; i++) {
            CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            woken += ecs_io_wait(world, 100000) == ECS_CANCELLED;
        }
        for (uint32_t i = 0; i < 10000 && woken == 0; i++) {
            woken += ecs_io_wait(world, 100000) == ECS_CANCELLED;
        }
        CHECK(woken > 0);
        ECSI_STORE(&stop, 1u, relaxed);
        pthread_join(thread, NULL);
        ecs_world_destroy(world);
        CHECK_EQ_U64(count.delivered, ECSI_LOAD(&asked_by_systems, relaxed));
        CHECK_EQ_U64(count.delivered, rounds * 600u);
    }
    tell(rounds, "rounds of workers");
}

#endif /* ECSI_SYS */
