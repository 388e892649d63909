/* io.c: requests on each engine of this header: what every operation answers, order, chains,
 * timers, cancelling, joining, delivery, quotas, the end of a world, recording. */

#define ECS_IMPLEMENTATION
#include "../test.h"

#if ECSI_SYS

#include <netinet/in.h>
#include <pthread.h>
#include <sys/un.h>

typedef struct { int64_t result; uint64_t value; } Answer;
ECS_COMPONENT(Answer, result, value);
typedef struct { uint64_t value; } Other;
ECS_COMPONENT(Other, value);
typedef struct { ecs_io_completion done; } Room;
ECS_COMPONENT(Room);

enum { ENGINES = 2, LOG_MAX = 256 };

/* What was delivered, in order. */
static struct {
    ecs_io_completion done[LOG_MAX];
    uint32_t count;
} seen;

static void note(ecs_world *world, const ecs_io_completion *done)
{
    (void)world;
    if (seen.count < LOG_MAX) seen.done[seen.count] = *done;
    seen.count++;
}

static const ecs_io_engine *engine_of(uint32_t i)
{
    return i == 0 || ecs_io_evented() == NULL ? ecs_io_blocking() : ecs_io_evented();
}

static ecs_world *make(uint32_t engine)
{
    ecs_world_desc desc;
    ecs_world *world;
    memset(&desc, 0, sizeof desc);
    desc.io.engine = engine_of(engine);
    world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    memset(&seen, 0, sizeof seen);
    return world;
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
    r.done = note;
    return r;
}

static ecs_io_id put(ecs_world *world, ecs_io_request r)
{
    ecs_io_id id = ecs_io_queue(ecs_world_commands(world), &r);
    /* A callback may ask for more while the world ends. */
    CHECK(id.bits != 0 || ecs_cmd_status(ecs_world_commands(world)) == ECS_CANCELLED);
    return id;
}

/* Ticks until so many were delivered, or a second is over. */
static void until(ecs_world *world, uint32_t count)
{
    uint64_t end = ecs_io_now() + 5000000000u;
    while (seen.count < count && ecs_io_now() < end) {
        (void)ecs_io_wait(world, 10000000);
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
    }
    CHECK_EQ_U64(seen.count, count);
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

TEST(io_files_are_read_and_written_where_it_says)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[16] = {0};
        int fd = scratch("0123456789");
        ecs_io_request r = ask(ECS_IO_READ, fd, text, 4);
        r.offset = 3;
        put(world, r);
        until(world, 1);
        CHECK_EQ_I64(seen.done[0].result, 4);
        CHECK(memcmp(text, "3456", 4) == 0);
        r = ask(ECS_IO_WRITE, fd, text, 4);
        r.offset = 8;
        put(world, r);
        put(world, ask(ECS_IO_FSYNC, fd, NULL, 0));
        r = ask(ECS_IO_READ, fd, text + 4, 12);
        r.offset = 6;
        put(world, r);
        put(world, ask(ECS_IO_READ, fd, text, 2)); /* where it stands */
        until(world, 5);
        CHECK_EQ_I64(seen.done[1].result, 4);
        CHECK_EQ_I64(seen.done[2].result, 0);
        CHECK_EQ_I64(seen.done[3].result, 6);
        CHECK(memcmp(text + 4, "673456", 6) == 0);
        CHECK_EQ_I64(seen.done[4].result, 2);
        CHECK(memcmp(text, "01", 2) == 0);
        put(world, ask(ECS_IO_CLOSE, fd, NULL, 0));
        until(world, 6);
        CHECK_EQ_I64(seen.done[5].result, 0);
        CHECK(close(fd) < 0);
        ecs_world_destroy(world);
    }
}

TEST(io_streams_wait_until_there_is_something)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[16] = {0};
        int fd[2];
        sockets(fd);
        put(world, ask(ECS_IO_RECV, fd[0], text, 16));
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        CHECK_STATUS(ecs_io_wait(world, 1000000), ECS_TIMEOUT);
        CHECK_EQ_U64(seen.count, 0);
        put(world, ask(ECS_IO_SEND, fd[1], (void *)(uintptr_t)"hello", 5));
        until(world, 2);
        CHECK_EQ_I64(seen.done[0].result + seen.done[1].result, 10);
        CHECK(memcmp(text, "hello", 5) == 0);
        put(world, ask(ECS_IO_READ, fd[0], text, 16));
        put(world, ask(ECS_IO_CLOSE, fd[1], NULL, 0));
        until(world, 4);
        CHECK_EQ_I64(seen.done[2].result + seen.done[3].result, 0);
        ecs_world_destroy(world);
        close(fd[0]);
    }
}

TEST(io_connections_are_accepted_and_made)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        int server = socket(AF_INET, SOCK_STREAM, 0);
        int client = socket(AF_INET, SOCK_STREAM, 0);
        memset(&address, 0, sizeof address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
        REQUIRE(listen(server, 8) == 0);
        REQUIRE(getsockname(server, (struct sockaddr *)&address, &length) == 0);
        put(world, ask(ECS_IO_ACCEPT, server, NULL, 0));
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        put(world, ask(ECS_IO_CONNECT, client, &address, sizeof address));
        until(world, 2);
        for (uint32_t i = 0; i < 2; i++) {
            if (seen.done[i].op == ECS_IO_CONNECT) CHECK_EQ_I64(seen.done[i].result, 0);
            if (seen.done[i].op == ECS_IO_ACCEPT) {
                CHECK(seen.done[i].result > 2);
                close((int)seen.done[i].result);
            }
        }
        close(server);
        close(client);
        client = socket(AF_INET, SOCK_STREAM, 0);
        put(world, ask(ECS_IO_CONNECT, client, &address, sizeof address));
        until(world, 3);
        CHECK_EQ_I64(seen.done[2].result, -ECONNREFUSED);
        close(client);
        ecs_world_destroy(world);
    }
}

/* Ticks a few times, whatever is delivered. */
static void ticks(ecs_world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
}

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

/* ---- Operations and their errors ------------------------------------------------------- */

TEST(io_bad_handles_answer_ebadf)
{
    static const ecs_io_op OPS[] = {ECS_IO_READ, ECS_IO_WRITE, ECS_IO_FSYNC, ECS_IO_CLOSE,
                                    ECS_IO_ACCEPT, ECS_IO_CONNECT, ECS_IO_SEND, ECS_IO_RECV,
                                    ECS_IO_SENDMSG, ECS_IO_RECVMSG, ECS_IO_SHUTDOWN,
                                    ECS_IO_SPLICE};
    uint32_t count = sizeof OPS / sizeof OPS[0];
    for (uint32_t e = 0; e < ENGINES * 2; e++) {
        ecs_world *world = make(e % 2);
        struct msghdr message;
        struct sockaddr_in address;
        int none = 900; /* not one that the engine gets */
        memset(&message, 0, sizeof message);
        memset(&address, 0, sizeof address);
        for (uint32_t i = 0; i < count; i++) {
            void *buffer = OPS[i] == ECS_IO_CONNECT ? (void *)&address : (void *)&message;
            ecs_io_request r = ask(OPS[i], none, buffer, sizeof address);
            /* Far above all numbers, and 0 in its lower 32 bits. */
            if (e >= ENGINES) r.handle = (ecs_handle)1 << 40;
            r.peer = none;
            put(world, r);
        }
        until(world, count);
        for (uint32_t i = 0; i < count && i < seen.count; i++) {
            CHECK_EQ_I64(seen.done[i].result, -EBADF);
            CHECK_EQ_U64(seen.done[i].op, (uint64_t)OPS[i]);
        }
        CHECK(fcntl(0, F_GETFD) >= 0);
        ecs_world_destroy(world);
    }
}

TEST(io_poll_of_no_handle_ends)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        ecs_io_request r = ask(ECS_IO_POLL, 1000, NULL, 0);
        r.offset = ECS_IO_READABLE;
        put(world, r);
        until(world, 1);
        ecs_world_destroy(world);
    }
}

TEST(io_broken_pipes_raise_no_signal_in_send)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[8] = {0};
        int fd[2];
        struct msghdr message;
        struct iovec part = {text, 8};
        memset(&message, 0, sizeof message);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        sockets(fd);
        close(fd[1]);
        put(world, ask(ECS_IO_SEND, fd[0], text, 8));
        put(world, ask(ECS_IO_SENDMSG, fd[0], &message, 0));
        put(world, ask(ECS_IO_RECV, fd[0], text, 8));
        until(world, 3);
        CHECK_EQ_I64(seen.done[0].result, -EPIPE);
        CHECK_EQ_I64(seen.done[1].result, -EPIPE);
        CHECK_EQ_I64(seen.done[2].result, 0);
        ecs_world_destroy(world);
        close(fd[0]);
    }
}

TEST(io_messages_pipes_and_splice)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char in[16] = {0}, out[] = "message";
        struct iovec to = {in, 16}, from = {out, 7};
        struct msghdr get, give;
        int fd[2], tube[2], more[2];
        memset(&get, 0, sizeof get);
        memset(&give, 0, sizeof give);
        get.msg_iov = &to;
        give.msg_iov = &from;
        get.msg_iovlen = give.msg_iovlen = 1;
        sockets(fd);
        REQUIRE(pipe(tube) == 0 && pipe(more) == 0);
        put(world, ask(ECS_IO_RECVMSG, fd[0], &get, 0));
        ticks(world, 1);
        put(world, ask(ECS_IO_SENDMSG, fd[1], &give, 0));
        until(world, 2);
        CHECK(memcmp(in, "message", 7) == 0);
        put(world, ask(ECS_IO_READ, more[0], in, 16));
        ecs_io_request r = ask(ECS_IO_SPLICE, tube[0], NULL, 5);
        r.peer = more[1];
        r.offset = ECS_IO_HERE;
        put(world, r);
        ticks(world, 1);
        put(world, ask(ECS_IO_WRITE, tube[1], (void *)(uintptr_t)"spliced", 7));
        until(world, 5);
        CHECK(memcmp(in, "splicge", 7) == 0);
        put(world, ask(ECS_IO_CLOSE, tube[1], NULL, 0));
        put(world, ask(ECS_IO_READ, tube[0], in, 16));
        put(world, ask(ECS_IO_READ, tube[0], in, 16));
        until(world, 8);
        CHECK_EQ_I64(seen.done[6].result, 2);
        CHECK_EQ_I64(seen.done[7].result, 0);
        ecs_world_destroy(world);
        close(tube[0]); close(more[0]); close(more[1]); close(fd[0]); close(fd[1]);
    }
}

TEST(io_open_shutdown_and_poll)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        int fd[2];
        char path[] = "/dev/null", none[] = "/nothing/is/here", text[4];
        sockets(fd);
        ecs_io_request r = ask(ECS_IO_OPEN, 0, path, 0);
        r.offset = O_RDWR;
        put(world, r);
        put(world, ask(ECS_IO_OPEN, 0, none, 0));
        r = ask(ECS_IO_POLL, fd[0], NULL, 0);
        r.offset = ECS_IO_READABLE | ECS_IO_WRITABLE;
        put(world, r);
        until(world, 3);
        CHECK(seen.done[0].result > 2);
        CHECK((fcntl((int)seen.done[0].result, F_GETFD) & FD_CLOEXEC) != 0);
        close((int)seen.done[0].result);
        CHECK_EQ_I64(seen.done[1].result, -ENOENT);
        CHECK_EQ_I64(seen.done[2].result, ECS_IO_WRITABLE);
        r.offset = ECS_IO_READABLE;
        put(world, r);
        put(world, r);
        ticks(world, 2);
        CHECK_EQ_U64(seen.count, 3);
        r = ask(ECS_IO_SHUTDOWN, fd[1], NULL, 0);
        r.offset = SHUT_WR;
        put(world, r);
        until(world, 6);
        CHECK_EQ_I64(seen.done[3].result + seen.done[4].result + seen.done[5].result, 2);
        put(world, ask(ECS_IO_RECV, fd[0], text, 4));
        until(world, 7);
        CHECK_EQ_I64(seen.done[6].result, 0);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

TEST(io_full_backlog_is_not_connected)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        struct sockaddr_un address;
        int server = socket(AF_UNIX, SOCK_STREAM, 0), client[4];
        uint32_t good = 0;
        memset(&address, 0, sizeof address);
        address.sun_family = AF_UNIX;
        (void)snprintf(address.sun_path, sizeof address.sun_path, "/tmp/ecs_io_%d_%u",
                       (int)getpid(), e);
        REQUIRE(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
        REQUIRE(listen(server, 0) == 0);
        for (uint32_t i = 0; i < 4; i++) {
            client[i] = socket(AF_UNIX, SOCK_STREAM, 0);
            put(world, ask(ECS_IO_CONNECT, client[i], &address, sizeof address));
        }
        until(world, 4);
        for (uint32_t i = 0; i < 4; i++) {
            struct sockaddr_un peer;
            socklen_t length = sizeof peer;
            bool there = getpeername(client[i], (struct sockaddr *)&peer, &length) == 0;
            CHECK((seen.done[i].result == 0) == there);
            good += there;
            close(client[i]);
        }
        CHECK(good > 0 && good < 4);
        close(server);
        (void)unlink(address.sun_path);
        ecs_world_destroy(world);
    }
}

/* ---- Order on a stream ----------------------------------------------------------------- */

TEST(io_reads_of_one_stream_are_served_in_order)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char in[8][2];
        int fd[2];
        sockets(fd);
        for (uint32_t i = 0; i < 8; i++) put(world, ask(ECS_IO_RECV, fd[0], in[i], 1));
        ticks(world, 1);
        for (uint32_t i = 0; i < 8; i++) {
            REQUIRE(write(fd[1], &"abcdefgh"[i], 1) == 1);
            if (i % 3 == 0) until(world, i + 1);
        }
        until(world, 8);
        for (uint32_t i = 0; i < 8; i++) CHECK(in[i][0] == (char)('a' + (int)i));
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

TEST(io_whole_transfers_do_not_interleave)
{
    enum { BYTES = 600000 };
    static char first[BYTES], second[BYTES], back[BYTES * 2];
    memset(first, 'a', BYTES);
    memset(second, 'b', BYTES);
    for (uint32_t e = 0; e < ENGINES * 2; e++) {
        ecs_world *world = make(e % 2);
        int fd[2];
        bool right = true;
        if (e < ENGINES) sockets(fd); else tcp_pair(fd);
        ecs_io_request r = ask(ECS_IO_SEND, fd[0], first, BYTES);
        r.flags = ECS_IO_WHOLE;
        put(world, r);
        r.buffer = second;
        put(world, r);
        /* Two that read as well: the first half belongs to the first. */
        r = ask(ECS_IO_RECV, fd[1], back, BYTES);
        r.flags = ECS_IO_WHOLE;
        put(world, r);
        r.buffer = back + BYTES;
        put(world, r);
        until(world, 4);
        for (uint32_t i = 0; i < 4; i++) CHECK_EQ_I64(seen.done[i].result, BYTES);
        for (uint32_t i = 0; i < BYTES * 2; i++) {
            right = right && back[i] == (i < BYTES ? 'a' : 'b');
        }
        CHECK(right);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

TEST(io_whole_ends_early_with_the_bytes_that_came)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char in[16] = {0}, other[16] = {0};
        int fd[2], file = scratch("12345");
        sockets(fd);
        ecs_io_request r = ask(ECS_IO_RECV, fd[0], in, 16);
        r.flags = ECS_IO_WHOLE;
        put(world, r);
        r = ask(ECS_IO_READ, file, other, 16);
        r.flags = ECS_IO_WHOLE;
        r.offset = 2;
        put(world, r);
        ticks(world, 1);
        for (uint32_t i = 0; i < 3; i++) {
            REQUIRE(write(fd[1], &"xyz"[i], 1) == 1);
            ticks(world, 1);
        }
        close(fd[1]);
        until(world, 2);
        CHECK_EQ_I64(seen.done[0].result, 3);
        CHECK_EQ_I64(seen.done[1].result, 3);
        CHECK(memcmp(in, "xyz", 3) == 0 || memcmp(other, "345", 3) == 0);
        CHECK(seen.done[0].buffer == other || seen.done[0].buffer == in);
        ecs_world_destroy(world);
        close(fd[0]); close(file);
    }
}

TEST(io_cancelled_transfer_tells_its_bytes)
{
    for (uint32_t e = 0; e < ENGINES * 2; e++) {
        ecs_world *world = make(e % 2);
        char in[16] = {0};
        int fd[2];
        sockets(fd);
        ecs_io_request r = ask(ECS_IO_RECV, fd[0], in, 16);
        r.flags = ECS_IO_WHOLE;
        if (e >= ENGINES) r.timeout_ns = 20000000;
        ecs_io_id id = put(world, r);
        REQUIRE(write(fd[1], "abcd", 4) == 4);
        ticks(world, 2);
        CHECK_EQ_U64(seen.count, 0);
        if (e < ENGINES) (void)ecs_io_cancel(ecs_world_commands(world), id);
        until(world, 1);
        CHECK_EQ_I64(seen.done[0].result, 4);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

TEST(io_truncated_message_stays_in_its_buffer)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char in[4] = {0};
        int fd[2];
        REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
        REQUIRE(write(fd[1], "0123456789", 10) == 10);
        ecs_io_request r = ask(ECS_IO_RECV, fd[0], in, 4);
        r.offset = MSG_TRUNC;
        r.flags = ECS_IO_WHOLE;
        put(world, r);
        until(world, 1);
        CHECK_EQ_I64(seen.done[0].result, 4);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

TEST(io_one_stream_under_two_numbers_cannot_block)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char in[2][4];
        int fd[2], other;
        sockets(fd);
        other = dup(fd[0]);
        put(world, ask(ECS_IO_READ, fd[0], in[0], 4));
        put(world, ask(ECS_IO_READ, other, in[1], 4));
        ticks(world, 1);
        REQUIRE(write(fd[1], "a", 1) == 1);
        until(world, 1);
        REQUIRE(write(fd[1], "b", 1) == 1);
        until(world, 2);
        CHECK_EQ_I64(seen.done[0].result + seen.done[1].result, 2);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]); close(other);
    }
}

TEST(io_two_worlds_wait_for_one_handle)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *a = make(e), *b = make(e);
        char in[2][4];
        int fd[2];
        sockets(fd);
        put(a, ask(ECS_IO_READ, fd[0], in[0], 4));
        put(b, ask(ECS_IO_READ, fd[0], in[1], 4));
        ticks(a, 1);
        ticks(b, 1);
        REQUIRE(write(fd[1], "a", 1) == 1);
        until(a, 1);
        ticks(b, 2);
        CHECK_EQ_U64(seen.count, 1);
        REQUIRE(write(fd[1], "b", 1) == 1);
        until(b, 2);
        ecs_world_destroy(a);
        ecs_world_destroy(b);
        close(fd[0]); close(fd[1]);
    }
}

TEST(io_closed_number_is_used_again)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char in[4];
        int old[2], fd[2], copy;
        sockets(old);
        copy = dup(old[0]); /* the old file lives on */
        put(world, ask(ECS_IO_READ, old[0], in, 4));
        ticks(world, 1);
        put(world, ask(ECS_IO_CLOSE, old[0], NULL, 0));
        until(world, 2);
        CHECK_EQ_I64(seen.done[0].result, -ECANCELED);
        CHECK_EQ_I64(seen.done[1].result, 0);
        sockets(fd);
        CHECK(fd[0] == old[0]);
        put(world, ask(ECS_IO_READ, fd[0], in, 4));
        ticks(world, 1);
        REQUIRE(write(old[1], "old", 3) == 3);
        ticks(world, 2);
        CHECK_EQ_U64(seen.count, 2);
        REQUIRE(write(fd[1], "new", 3) == 3);
        until(world, 3);
        CHECK(memcmp(in, "new", 3) == 0);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]); close(old[1]); close(copy);
    }
}

/* ---- Chains ---------------------------------------------------------------------------- */

static ecs_io_request timer(uint64_t ns)
{
    ecs_io_request r = ask(ECS_IO_TIMER, 0, NULL, 0);
    r.timeout_ns = ns;
    return r;
}

static ecs_io_request with(ecs_io_request r, uint32_t flags)
{
    r.flags |= flags;
    return r;
}

TEST(io_chains_go_on_after_success_only)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[16] = {0};
        int fd = scratch("0123456789");
        ecs_io_request full = ask(ECS_IO_READ, fd, text, 4), part = ask(ECS_IO_READ, fd, text, 16);
        full.offset = part.offset = 0;
        put(world, with(full, ECS_IO_LINK));
        put(world, with(part, ECS_IO_LINK)); /* 10 of 16 */
        put(world, with(full, ECS_IO_LINK));
        put(world, full);
        put(world, full); /* no part of the chain */
        until(world, 5);
        CHECK_EQ_I64(seen.done[0].result, 4);
        CHECK_EQ_I64(seen.done[1].result, 10);
        CHECK_EQ_I64(seen.done[2].result, -ECANCELED);
        CHECK_EQ_I64(seen.done[3].result, -ECANCELED);
        CHECK_EQ_I64(seen.done[4].result, 4);
        put(world, with(ask(ECS_IO_FSYNC, 900, NULL, 0), ECS_IO_LINK));
        put(world, with(timer(1), ECS_IO_LINK | ECS_IO_JOIN));
        put(world, ask(ECS_IO_CLOSE, fd, NULL, 0));
        until(world, 8);
        CHECK_EQ_I64(seen.done[5].result, -EBADF);
        CHECK_EQ_I64(seen.done[6].result, -ECANCELED);
        CHECK_EQ_I64(seen.done[7].result, -ECANCELED);
        CHECK(close(fd) == 0);
        ecs_world_destroy(world);
    }
}

TEST(io_chain_of_timers_takes_their_sum)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        uint64_t begin = ecs_io_now();
        for (uint32_t i = 0; i < 5; i++) put(world, with(timer(2000000), i < 4 ? ECS_IO_LINK : 0));
        until(world, 5);
        CHECK(ecs_io_now() - begin >= 10000000);
        for (uint32_t i = 0; i < 5; i++) {
            CHECK_EQ_I64(seen.done[i].result, 0);
            CHECK(seen.done[i].duration_ns >= 2000000);
        }
        ecs_world_destroy(world);
    }
}

TEST(io_chain_is_cancelled_in_the_middle)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        ecs_io_id id[4];
        for (uint32_t i = 0; i < 4; i++) {
            id[i] = put(world, with(timer(3000000), i < 3 ? ECS_IO_LINK : 0));
        }
        ticks(world, 1);
        (void)ecs_io_cancel(ecs_world_commands(world), id[2]); /* not begun */
        until(world, 4);
        CHECK_EQ_I64(seen.done[0].result, 0);
        CHECK_EQ_I64(seen.done[1].result, 0);
        CHECK_EQ_I64(seen.done[2].result, -ECANCELED);
        CHECK_EQ_I64(seen.done[3].result, -ECANCELED);
        ecs_world_destroy(world);
    }
}

TEST(io_chain_ends_where_a_request_is_refused)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.io.engine = engine_of(e);
        desc.io.requests_max = 3;
        desc.io.stream_requests_max = 100;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        memset(&seen, 0, sizeof seen);
        put(world, with(timer(1000000000), 0));
        for (uint32_t i = 0; i < 3; i++) put(world, with(timer(1000), i < 2 ? ECS_IO_LINK : 0));
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        /* The last one of the chain found no place: the two before it go on. */
        CHECK_EQ_U64(seen.count, 1);
        CHECK_EQ_I64(seen.done[0].result, -ENOBUFS);
        until(world, 3);
        CHECK_EQ_I64(seen.done[1].result, 0);
        CHECK_EQ_I64(seen.done[2].result, 0);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 4);
    }
}

TEST(io_chain_has_a_timeout)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[4];
        int fd[2];
        sockets(fd);
        ecs_io_request r = with(ask(ECS_IO_RECV, fd[0], text, 4), ECS_IO_LINK);
        r.timeout_ns = 2000000;
        put(world, r);
        put(world, ask(ECS_IO_SEND, fd[0], text, 4));
        until(world, 2);
        CHECK_EQ_I64(seen.done[0].result, -ETIMEDOUT);
        CHECK_EQ_I64(seen.done[1].result, -ECANCELED);
        CHECK(seen.done[0].duration_ns >= 1900000);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

/* ---- Requests that repeat --------------------------------------------------------------- */

TEST(io_accept_goes_on_until_cancelled)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        int server = socket(AF_INET, SOCK_STREAM, 0), client[6];
        memset(&address, 0, sizeof address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(server, (struct sockaddr *)&address, sizeof address) == 0);
        REQUIRE(listen(server, 8) == 0);
        REQUIRE(getsockname(server, (struct sockaddr *)&address, &length) == 0);
        ecs_io_id id = put(world, with(ask(ECS_IO_ACCEPT, server, NULL, 0), ECS_IO_MULTI));
        for (uint32_t i = 0; i < 6; i++) {
            client[i] = socket(AF_INET, SOCK_STREAM, 0);
            REQUIRE(connect(client[i], (struct sockaddr *)&address, sizeof address) == 0);
            if (i == 2) until(world, 3);
        }
        until(world, 6);
        (void)ecs_io_cancel(ecs_world_commands(world), id);
        until(world, 7);
        for (uint32_t i = 0; i < 7; i++) {
            CHECK(i == 6 ? seen.done[i].result == -ECANCELED : seen.done[i].result > 2);
            CHECK(((seen.done[i].flags & ECS_IO_MORE) != 0) == (i < 6));
            CHECK_EQ_U64(seen.done[i].id.bits, id.bits);
            if (i < 6) close((int)seen.done[i].result);
            if (i < 6) close(client[i]);
        }
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        close(server);
        ecs_world_destroy(world);
    }
}

TEST(io_poll_that_goes_on_tells_once_a_tick)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[4];
        int fd[2];
        sockets(fd);
        ecs_io_request r = with(ask(ECS_IO_POLL, fd[0], NULL, 0), ECS_IO_MULTI);
        r.offset = ECS_IO_READABLE;
        ecs_io_id id = put(world, r);
        ticks(world, 3);
        CHECK_EQ_U64(seen.count, 0);
        REQUIRE(write(fd[1], "x", 1) == 1);
        until(world, 1);
        until(world, 2);
        CHECK(ecs_io_stats_of(world).under_way <= 2);
        REQUIRE(read(fd[0], text, 4) == 1);
        ticks(world, 3);
        uint32_t count = seen.count;
        ticks(world, 3);
        CHECK_EQ_U64(seen.count, count);
        (void)ecs_io_cancel(ecs_world_commands(world), id);
        until(world, count + 1);
        CHECK_EQ_I64(seen.done[count].result, -ECANCELED);
        CHECK((seen.done[count].flags & ECS_IO_MORE) == 0);
        /* One that rests, because its result was not delivered yet. */
        REQUIRE(write(fd[1], "x", 1) == 1);
        id = put(world, r);
        CHECK_STATUS(ecs_io_wait(world, 0), ECS_OK);
        (void)ecs_io_cancel(ecs_world_commands(world), id);
        until(world, count + 3);
        CHECK_EQ_I64(seen.done[count + 1].result, ECS_IO_READABLE);
        CHECK_EQ_I64(seen.done[count + 2].result, -ECANCELED);
        put(world, r);
        CHECK_STATUS(ecs_io_wait(world, 0), ECS_OK);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, count + 5);
        close(fd[0]); close(fd[1]);
    }
}

/* ---- Timers ------------------------------------------------------------------------------ */

TEST(io_timers_are_delivered_in_the_order_of_requests)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        uint64_t random = 7, begin = ecs_io_now();
        uint64_t due[200];
        for (uint32_t i = 0; i < 200; i++) {
            ecs_io_request r = timer(test_random_below(&random, 5000000));
            due[i] = begin + r.timeout_ns;
            if (i % 2 != 0) {
                r.flags |= ECS_IO_ABSOLUTE;
                r.timeout_ns += begin;
            }
            r.user = &due[i];
            put(world, r);
        }
        for (uint32_t had = 0; had < 200;) {
            (void)ecs_io_wait(world, 10000000);
            ticks(world, 1);
            uint64_t now = ecs_io_now();
            for (uint32_t i = had; i < seen.count; i++) {
                CHECK(*(uint64_t *)seen.done[i].user <= now);
                CHECK(i == had || seen.done[i - 1].id.bits < seen.done[i].id.bits);
                CHECK_EQ_I64(seen.done[i].result, 0);
            }
            had = seen.count;
        }
        CHECK(ecs_io_now() - begin < 2000000000u);
        ecs_world_destroy(world);
    }
}

TEST(io_timer_heap_survives_random_cancels)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        uint64_t random = test_seed() + 1;
        ecs_io_id ids[64];
        uint32_t cancels = 0;
        memset(ids, 0, sizeof ids);
        for (uint32_t i = 0; i < 120; i++) {
            uint32_t place = test_random_below(&random, 64);
            ecs_io_request r = timer(test_random_below(&random, 3000000));
            if (ids[place].bits != 0) {
                ecs_io_cancel(ecs_world_commands(world), ids[place]);
                cancels++;
            }
            ids[place] = put(world, r);
            if (i % 4 == 0) ticks(world, 1);
        }
        until(world, 120);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        CHECK(cancels > 0);
        ecs_world_destroy(world);
    }
}

TEST(io_timers_at_the_edge_of_time)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        put(world, timer(ECS_IO_FOREVER));
        put(world, with(timer(ECS_IO_FOREVER), ECS_IO_ABSOLUTE));
        put(world, timer(0));
        put(world, with(timer(0), ECS_IO_ABSOLUTE));
        put(world, with(timer(1), ECS_IO_ABSOLUTE | ECS_IO_JOIN));
        until(world, 3);
        CHECK_STATUS(ecs_io_wait(world, 1000000), ECS_TIMEOUT);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 2);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 5);
        CHECK_EQ_I64(seen.done[4].result, -ECANCELED);
    }
}

/* ---- Cancelling -------------------------------------------------------------------------- */

TEST(io_cancel_of_each_state)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        ecs_commands *cmd = ecs_world_commands(world);
        char text[4];
        int fd[2];
        sockets(fd);
        ecs_io_id waits = put(world, ask(ECS_IO_RECV, fd[0], text, 4));
        ecs_io_id times = put(world, timer(1000000000));
        ecs_io_id chained = put(world, with(timer(1000000000), ECS_IO_LINK));
        put(world, timer(0));
        ticks(world, 1);
        ecs_io_id ready = {0};
        ecs_io_request r = ask(ECS_IO_CANCEL, 0, NULL, 0);
        r.offset = waits.bits;
        put(world, r);
        r.offset = times.bits;
        put(world, r);
        r.offset = chained.bits;
        put(world, r);
        /* One that comes after its cancel in the same batch: its name can be told. */
        r.offset = waits.bits;
        ready = put(world, r);
        r.offset = ready.bits + 2;
        put(world, r);
        put(world, timer(1000000000));
        r.offset = ready.bits + 3; /* itself */
        put(world, r);
        until(world, 11);
        uint32_t cancelled = 0, zero = 0, none = 0;
        for (uint32_t i = 0; i < 11; i++) {
            cancelled += seen.done[i].result == -ECANCELED;
            zero += seen.done[i].result == 0;
            none += seen.done[i].result == -ENOENT;
        }
        CHECK_EQ_U64(cancelled, 5);
        CHECK_EQ_U64(zero, 4);
        CHECK_EQ_U64(none, 2);
        ecs_io_id nobody = {12345};
        (void)ecs_io_cancel(cmd, nobody);
        ticks(world, 2);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

static uint32_t storm_counts[4];

static void storm_note(ecs_world *world, const ecs_io_completion *done)
{
    (void)world;
    if (done->op == ECS_IO_CANCEL) {
        storm_counts[done->result == 0 ? 0 : 1]++;
    } else {
        storm_counts[done->result == -ECANCELED ? 2 : 3]++;
    }
}

TEST(io_storm_of_cancels)
{
    enum { COUNT = 1000 };
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        uint64_t random = test_seed() + e;
        static ecs_io_id ids[COUNT];
        char text[4];
        int fd[16];
        for (uint32_t i = 0; i < 16; i += 2) sockets(fd + i);
        memset(storm_counts, 0, sizeof storm_counts);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t which = test_random_below(&random, 16);
            ecs_io_request r = ask(ECS_IO_RECV, fd[which], text, 1);
            if (i % 3 == 0) r = timer(test_random_below(&random, 2000000));
            if (i % 5 == 0) r.flags |= ECS_IO_LINK;
            r.done = storm_note;
            ids[i] = put(world, r);
            if (i % 50 == 0) ticks(world, 1);
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            ecs_io_request r = ask(ECS_IO_CANCEL, 0, NULL, 0);
            r.offset = ids[test_random_below(&random, COUNT)].bits;
            r.done = storm_note;
            put(world, r);
            r.offset = ids[i].bits;
            put(world, r);
        }
        ticks(world, 3);
        CHECK_EQ_U64(storm_counts[0] + storm_counts[1], 2 * COUNT);
        CHECK_EQ_U64(storm_counts[2] + storm_counts[3], COUNT);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        for (uint32_t i = 0; i < 16; i++) close(fd[i]);
        ecs_world_destroy(world);
    }
}

/* ---- Joining ----------------------------------------------------------------------------- */

static uint32_t joined_left;

static void join_more(ecs_world *world, const ecs_io_completion *done)
{
    note(world, done);
    if (joined_left == 0) return;
    joined_left--;
    ecs_io_request r = with(timer(100000), ECS_IO_JOIN);
    r.done = join_more;
    put(world, r);
}

TEST(io_joined_requests_end_in_their_tick)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        joined_left = 10;
        ecs_io_request r = with(timer(1000000), ECS_IO_JOIN);
        r.done = join_more;
        put(world, r);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0)); /* ended at once, and nobody waits for it */
        ticks(world, 1);
        CHECK_EQ_U64(seen.count, 12);
        joined_left = 1000; /* more than the rounds of one boundary */
        put(world, r);
        CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
        CHECK(joined_left > 0);
        joined_left = 0;
        ticks(world, 1);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        ecs_world_destroy(world);
    }
}

static void *cancel_later(void *world)
{
    ecs_io_now();
    usleep(20000);
    ecs_tick_cancel((ecs_world *)world);
    return NULL;
}

TEST(io_cancelled_tick_stops_waiting)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        pthread_t thread;
        char text[4];
        int fd[2];
        sockets(fd);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        ticks(world, 1); /* there is an engine to wake */
        put(world, with(ask(ECS_IO_RECV, fd[0], text, 4), ECS_IO_JOIN));
        REQUIRE(pthread_create(&thread, NULL, cancel_later, world) == 0);
        CHECK_STATUS(ecs_tick(world, 0), ECS_CANCELLED);
        pthread_join(thread, NULL);
        CHECK_EQ_U64(seen.count, 1);
        REQUIRE(write(fd[1], "x", 1) == 1);
        ticks(world, 1);
        CHECK_EQ_U64(seen.count, 2);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

/* ---- Delivery ---------------------------------------------------------------------------- */

TEST(io_results_come_into_components)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        ecs_entity alive = ecs_spawn_with(world, (Answer, {0, 7}));
        ecs_entity dead = ecs_spawn_with(world, (Answer, {0, 7}));
        ecs_entity bare = ecs_spawn_with(world, (Answer, {0, 7}));
        ecs_entity moved = ecs_spawn_with(world, (Answer, {0, 7}));
        ecs_entity each[4] = {alive, dead, bare, moved};
        char text[4][4];
        int fd = scratch("0123456789");
        for (uint32_t i = 0; i < 4; i++) {
            ecs_io_request r = ask(ECS_IO_READ, fd, text[i], 1 + i % 4);
            r.offset = 0;
            r.entity = each[i];
            r.type = ecs_type_of(Answer);
            r.member_offset = i == 3 ? 8 : 0;
            put(world, r);
        }
        /* Spawned in the same stream. */
        ecs_entity soon = ecs_cmd_spawn(ecs_world_commands(world));
        ecs_cmd_set(ecs_world_commands(world), soon, Answer, {1, 2});
        ecs_io_request r = ask(ECS_IO_READ, fd, text[0], 4);
        r.offset = 0;
        r.entity = soon;
        r.type = ecs_type_of(Answer);
        put(world, r);
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        ecs_despawn(world, dead);
        ecs_remove(world, bare, Answer);
        ecs_set(world, moved, Other, {3});
        until(world, 5);
        CHECK_EQ_I64(ecs_get(world, alive, Answer)->result, 1);
        CHECK_EQ_U64(ecs_get(world, alive, Answer)->value, 7);
        CHECK_EQ_U64(ecs_get(world, moved, Answer)->value, 4);
        CHECK(ecs_alive(world, seen.done[4].entity));
        CHECK(!ecs_is_provisional(seen.done[4].entity));
        CHECK_EQ_I64(ecs_get(world, seen.done[4].entity, Answer)->result, 4);
        CHECK_EQ_U64(ecs_io_stats_of(world).lost, 2);
        ecs_world_destroy(world);
        close(fd);
    }
}

TEST(io_buffers_and_results_in_columns_are_refused)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        static ecs_io_completion outside, nothing;
        ecs_world *world = make(e);
        ecs_entity one = ecs_spawn_with(world, (Answer, {5, 7}));
        ecs_entity two = ecs_spawn_with(world, (Room, {nothing}));
        Answer *column = ecs_get_mut(world, one, Answer);
        Room *room = ecs_get_mut(world, two, Room);
        int fd = scratch("0123456789");
        ecs_io_request r = ask(ECS_IO_READ, fd, column, 8);
        put(world, r);
        r = ask(ECS_IO_NOP, 0, NULL, 0);
        r.into = &room->done;
        put(world, r);
        r.into = &outside;
        ecs_io_id id = put(world, r);
        r = ask(ECS_IO_READ, fd, (char *)column + 8, 1);
        put(world, with(r, ECS_IO_LINK));
        put(world, ask(ECS_IO_CLOSE, fd, NULL, 0));
        until(world, 5);
        CHECK_EQ_I64(seen.done[0].result, -EFAULT);
        CHECK_EQ_I64(seen.done[1].result, -EFAULT);
        CHECK_EQ_I64(seen.done[2].result, 0);
        CHECK_EQ_I64(seen.done[3].result, -EFAULT);
        CHECK_EQ_I64(seen.done[4].result, -ECANCELED);
        CHECK_EQ_U64(outside.id.bits, id.bits);
        CHECK_EQ_U64(ecs_get(world, two, Room)->done.id.bits, 0);
        CHECK_EQ_I64(ecs_get(world, one, Answer)->result, 5);
        ecs_world_destroy(world);
        close(fd);
    }
}

static uint32_t heard;
static int64_t heard_results[16];

ECS_SYSTEM(hear, ON(ecs_io_completion))
{
    for (uint32_t i = 0; i < ecs_on_count(view, ecs_io_completion); i++) {
        if (heard < 16) heard_results[heard] = ecs_on(view, ecs_io_completion)[i].result;
        heard++;
    }
    return ECS_OK;
}

TEST(io_completions_are_events)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        char text[8];
        int fd = scratch("0123456789");
        heard = 0;
        REQUIRE_STATUS(ecs_system_add(world, &hear, ECS_UPDATE), ECS_OK);
        for (uint32_t i = 0; i < 3; i++) {
            ecs_io_request r = with(ask(ECS_IO_READ, fd, text, i + 1), ECS_IO_NOTIFY);
            r.done = NULL;
            put(world, r);
        }
        ticks(world, 2);
        CHECK_EQ_U64(heard, 3);
        for (int64_t i = 0; i < 3; i++) CHECK_EQ_I64(heard_results[i], i + 1);
        ecs_world_destroy(world);
        close(fd);
    }
}

/* ---- Systems ------------------------------------------------------------------------------ */

enum { ROWS = 500 };

static struct {
    uint64_t id[8 * ROWS];
    uint64_t user[8 * ROWS];
    uint32_t count;
} order;

static void note_order(ecs_world *world, const ecs_io_completion *done)
{
    (void)world;
    if (order.count < 8 * ROWS) {
        order.id[order.count] = done->entity.bits;
        order.user[order.count] = (uint64_t)(uintptr_t)done->user << 8 | done->op;
    }
    order.count++;
}

ECS_SYSTEM(ask_first, READ(Answer))
{
    const Answer *a = ecs_read(view, Answer);
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_io_request r = ask(a[i].value % 3 == 0 ? ECS_IO_TIMER : ECS_IO_NOP, 0, NULL, 0);
        r.flags = ECS_IO_JOIN | (a[i].value % 7 == 0 ? (uint32_t)ECS_IO_LINK : 0);
        r.entity = view->entities[i];
        r.type = ecs_type_of(Answer);
        r.user = (void *)(uintptr_t)a[i].value;
        r.done = note_order;
        CHECK(ecs_io_queue(view->cmd, &r).bits != 0);
    }
    return ECS_OK;
}

ECS_SYSTEM(ask_second, READ(Other))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_io_request r = ask(ECS_IO_NOP, 0, NULL, 0);
        r.entity = view->entities[i];
        r.flags = ECS_IO_JOIN;
        r.done = note_order;
        CHECK(ecs_io_queue(view->cmd, &r).bits != 0);
    }
    return ECS_OK;
}

ECS_SYSTEM(ask_and_fail, READ(Other))
{
    ecs_io_request r = ask(ECS_IO_NOP, 0, NULL, 0);
    r.done = note;
    CHECK(ecs_io_queue(view->cmd, &r).bits != 0);
    return ECS_FAILED;
}

static ecs_world *crowd(uint32_t engine, uint32_t workers)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.io.engine = engine_of(engine);
    desc.row_block_rows = 64;
    if (workers > 0) {
        desc.backend = ECS_BACKEND_WORK_STEALING;
        desc.workers = workers;
        desc.share_ns = 1;
    }
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    for (uint32_t i = 0; i < ROWS; i++) ecs_spawn_with(world, (Answer, {1, i}), (Other, {i}));
    return world;
}

TEST(io_order_is_the_same_on_any_number_of_workers)
{
    static uint64_t ids[8 * ROWS], users[8 * ROWS];
    for (uint32_t e = 0; e < ENGINES; e++) {
        uint64_t hash = 0;
        for (uint32_t workers = 0; workers < 5; workers++) {
            ecs_world *world = crowd(e, workers);
            REQUIRE_STATUS(ecs_system_add(world, &ask_first, ECS_UPDATE), ECS_OK);
            REQUIRE_STATUS(ecs_system_add(world, &ask_second, ECS_UPDATE), ECS_OK);
            order.count = 0;
            for (uint32_t i = 0; i < 4; i++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK_EQ_U64(order.count, 8 * ROWS);
            if (workers == 0) {
                memcpy(ids, order.id, sizeof ids);
                memcpy(users, order.user, sizeof users);
                hash = ecs_world_hash(world);
            }
            CHECK(memcmp(ids, order.id, sizeof ids) == 0);
            CHECK(memcmp(users, order.user, sizeof users) == 0);
            CHECK_EQ_U64(ecs_world_hash(world), hash);
            ecs_world_destroy(world);
        }
    }
}

TEST(io_requests_of_failed_systems_are_dropped)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = crowd(e, e * 2);
        memset(&seen, 0, sizeof seen);
        REQUIRE_STATUS(ecs_system_add(world, &ask_and_fail, ECS_UPDATE), ECS_OK);
        for (uint32_t i = 0; i < 3; i++) (void)ecs_tick(world, 0);
        CHECK_EQ_U64(seen.count, 0);
        CHECK_EQ_U64(ecs_io_stats_of(world).queued, 0);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 0);
    }
}

TEST(io_asynchronous_groups_make_requests)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        for (uint32_t workers = 0; workers < 3; workers++) {
            ecs_world *world = crowd(e, workers);
            ecs_group_desc group;
            ecs_system_desc system;
            memset(&group, 0, sizeof group);
            memset(&system, 0, sizeof system);
            group.name = "asks";
            group.asynchronous = true;
            group.apply_after = 1;
            group.depth = 1;
            system.system = &ask_first;
            system.group = "asks";
            order.count = 0;
            REQUIRE_STATUS(ecs_group_add(world, &group), ECS_OK);
            REQUIRE_STATUS(ecs_system_add_desc(world, &system), ECS_OK);
            for (uint32_t i = 0; i < 4; i++) CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
            CHECK(order.count >= ROWS);
            for (uint32_t i = 1; i < ROWS && i < order.count; i++) {
                CHECK(order.user[i - 1] >> 8 < order.user[i] >> 8);
            }
            ecs_world_destroy(world);
            CHECK_EQ_U64(order.count % ROWS, 0);
        }
    }
}

/* ---- Quotas and bad requests ---------------------------------------------------------------- */

TEST(io_quotas_are_kept)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.io.engine = engine_of(e);
        desc.io.requests_max = 10;
        desc.io.stream_requests_max = 6;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        ecs_commands *cmd = ecs_world_commands(world);
        ecs_io_request r = timer(500000000);
        memset(&seen, 0, sizeof seen);
        for (uint32_t i = 0; i < 6; i++) put(world, r);
        CHECK(ecs_io_queue(cmd, &r).bits == 0);
        CHECK_STATUS(ecs_cmd_status(cmd), ECS_FULL);
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        for (uint32_t i = 0; i < 6; i++) put(world, r);
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        CHECK_EQ_U64(seen.count, 2);
        CHECK_EQ_I64(seen.done[0].result, -ENOBUFS);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 10);
        CHECK_EQ_U64(ecs_io_stats_of(world).refused, 2);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 12);
    }
}

TEST(io_bad_requests_are_invalid)
{
    ecs_world *world = make(0);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity one = ecs_spawn_with(world, (Answer, {0, 0}));
    char text[8];
    ecs_io_request r[16];
    for (uint32_t i = 0; i < 16; i++) r[i] = ask(ECS_IO_READ, 0, text, 8);
    r[0].op = ECS_IO_OPS;
    r[1].flags = ECS_IO_MORE;
    r[2].flags = ECS_IO_MULTI;
    r[3].flags = ECS_IO_ABSOLUTE;
    r[4].handle = -1;
    r[5].buffer = NULL;
    r[6].region = ECS_IO_REGIONS_MAX + 1;
    r[7].type = ecs_type_of(Answer); /* no entity */
    r[8].type = ecs_type_of(Answer);
    r[8].entity = one;
    r[8].member_offset = 9;
    r[9].member_offset = 8; /* of nothing */
    r[10] = ask(ECS_IO_POLL, 0, NULL, 0);
    r[11] = ask(ECS_IO_POLL, 0, NULL, 0);
    r[11].offset = 4;
    r[12] = ask(ECS_IO_SPLICE, 0, NULL, 4);
    r[12].peer = -1;
    r[13] = ask(ECS_IO_ACCEPT, 0, NULL, 0);
    r[13].flags = ECS_IO_MULTI | ECS_IO_JOIN;
    r[14] = ask(ECS_IO_OPEN, 0, NULL, 0);
    r[15].buffer = (void *)(UINTPTR_MAX - 2);
    for (uint32_t i = 0; i < 16; i++) {
        CHECK(ecs_io_queue(cmd, &r[i]).bits == 0);
        CHECK_STATUS(ecs_cmd_status(cmd), ECS_INVALID);
    }
    r[4] = ask(ECS_IO_READ, 0, text, ECS_IO_LENGTH_MAX + 1);
    CHECK(ecs_io_queue(cmd, &r[4]).bits == 0);
    CHECK_STATUS(ecs_cmd_status(cmd), ECS_TOO_LARGE);
    CHECK_EQ_U64(ecs_io_stats_of(world).queued, 0);
    ecs_world_destroy(world);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

static uint32_t edits;

static void edit(ecs_world *world, const ecs_io_completion *done)
{
    note(world, done);
    CHECK_STATUS(ecs_tick(world, 0), ECS_LOCKED);
    CHECK_STATUS(ecs_io_wait(world, 0), ECS_LOCKED);
    ecs_status status = ecs_flush(world);
    CHECK(status == ECS_OK || status == ECS_LOCKED);
    ecs_entity e = ecs_spawn_with(world, (Answer, {1, 2}));
    ecs_set(world, e, Other, {1});
    if (seen.count % 2 == 0) ecs_despawn(world, e);
    if (edits == 0) return;
    edits--;
    ecs_io_request r = ask(ECS_IO_NOP, 0, NULL, 0);
    r.done = edit;
    r.entity = e;
    put(world, r);
    put(world, r);
    (void)ecs_flush(world); /* inside a delivery: requests enter while others leave */
}

TEST(io_callbacks_edit_and_ask_for_more)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        ecs_io_request r = ask(ECS_IO_NOP, 0, NULL, 0);
        r.done = edit;
        edits = 20;
        put(world, r);
        put(world, r);
        until(world, 42);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        CHECK_EQ_U64(ecs_io_stats_of(world).delivered, 42);
        ecs_world_destroy(world);
    }
}

/* One that is refused calls back from the flush, and asks again. */
TEST(io_refused_callbacks_ask_for_more)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.io.engine = engine_of(e);
        desc.io.requests_max = 1;
        desc.io.stream_requests_max = 100;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        ecs_io_request r = timer(1000000);
        memset(&seen, 0, sizeof seen);
        edits = 10;
        put(world, r);
        r.done = edit;
        put(world, r);
        until(world, 22);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 22);
    }
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void *wake_later(void *world)
{
    usleep(20000);
    ecs_io_wake((ecs_world *)world);
    return NULL;
}

TEST(io_wait_answers)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        pthread_t thread;
        char text[4];
        int fd[2];
        sockets(fd);
        CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_NOT_FOUND);
        ecs_io_wake(world);
        ecs_io_wake(world);
        CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_CANCELLED);
        CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_NOT_FOUND);
        put(world, ask(ECS_IO_RECV, fd[0], text, 4));
        CHECK_STATUS(ecs_io_wait(world, 0), ECS_TIMEOUT);
        uint64_t begin = ecs_io_now();
        CHECK_STATUS(ecs_io_wait(world, 5000000), ECS_TIMEOUT);
        CHECK(ecs_io_now() - begin >= 5000000);
        REQUIRE(pthread_create(&thread, NULL, wake_later, world) == 0);
        CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_CANCELLED);
        pthread_join(thread, NULL);
        CHECK_STATUS(ecs_io_wait(world, 1000000), ECS_TIMEOUT);
        REQUIRE(write(fd[1], "x", 1) == 1);
        CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_OK);
        CHECK_STATUS(ecs_io_wait(world, ECS_IO_FOREVER), ECS_OK);
        CHECK_EQ_U64(seen.count, 0);
        ticks(world, 1);
        CHECK_EQ_U64(seen.count, 1);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

/* ---- The end of a world ----------------------------------------------------------------- */

TEST(io_world_ends_with_everything_in_flight)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        static char text[64];
        char *heap = (char *)malloc(64);
        int fd[4];
        sockets(fd);
        sockets(fd + 2);
        REQUIRE(heap != NULL);
        for (uint32_t i = 0; i < 10; i++) {
            ecs_io_request r = with(ask(ECS_IO_RECV, fd[i % 4], heap, 8),
                                    i % 3 == 0 ? ECS_IO_LINK | ECS_IO_WHOLE : ECS_IO_JOIN);
            r.entity = ecs_spawn_with(world, (Answer, {0, i}));
            r.type = ecs_type_of(Answer);
            put(world, r);
            put(world, timer(1000000000u + i));
            if (i == 5) CHECK_STATUS(ecs_flush(world), ECS_OK);
        }
        ecs_io_request r = with(ask(ECS_IO_POLL, fd[0], text, 1), ECS_IO_MULTI);
        r.offset = ECS_IO_WRITABLE;
        put(world, r);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 22);
        for (uint32_t i = 0; i < 22; i++) {
            bool more = (seen.done[i].flags & ECS_IO_MORE) != 0;
            CHECK(seen.done[i].result == -ECANCELED || more || seen.done[i].op == ECS_IO_NOP);
        }
        free(heap);
        for (uint32_t i = 0; i < 4; i++) close(fd[i]);
    }
}

/* ---- Regions ---------------------------------------------------------------------------- */

TEST(io_regions_are_counted)
{
    static char memory[ECS_IO_REGIONS_MAX + 1][16];
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        uint32_t number[ECS_IO_REGIONS_MAX + 1];
        int fd[2];
        sockets(fd);
        for (uint32_t i = 0; i <= ECS_IO_REGIONS_MAX; i++) {
            CHECK_STATUS(ecs_io_region_add(world, memory[i], 16, &number[i]),
                         i < ECS_IO_REGIONS_MAX ? ECS_OK : ECS_FULL);
        }
        CHECK_STATUS(ecs_io_region_add(world, memory[3] + 8, 4, &number[64]), ECS_INVALID);
        CHECK_STATUS(ecs_io_region_remove(world, 0), ECS_NOT_FOUND);
        ecs_io_request r = ask(ECS_IO_RECV, fd[0], memory[3], 16);
        r.region = number[3];
        put(world, r);
        r = with(ask(ECS_IO_POLL, fd[0], NULL, 0), ECS_IO_MULTI);
        r.offset = ECS_IO_WRITABLE;
        r.region = number[4];
        ecs_io_id id = put(world, r);
        ticks(world, 3);
        CHECK(seen.count >= 2);
        CHECK_STATUS(ecs_io_region_remove(world, number[3]), ECS_LOCKED);
        CHECK_STATUS(ecs_io_region_remove(world, number[4]), ECS_LOCKED);
        REQUIRE(write(fd[1], "x", 1) == 1);
        (void)ecs_io_cancel(ecs_world_commands(world), id);
        ticks(world, 3);
        CHECK_STATUS(ecs_io_region_remove(world, number[3]), ECS_OK);
        CHECK_STATUS(ecs_io_region_remove(world, number[4]), ECS_OK);
        CHECK_STATUS(ecs_io_region_remove(world, number[3]), ECS_NOT_FOUND);
        ecs_world_destroy(world);
        close(fd[0]); close(fd[1]);
    }
}

/* ---- Recording and replaying ------------------------------------------------------------ */

static struct {
    unsigned char data[1 << 16];
    size_t bytes;
    size_t at;
} tape;

static void tape_put(const void *data, size_t bytes, void *user)
{
    (void)user;
    REQUIRE(tape.bytes + bytes <= sizeof tape.data);
    memcpy(tape.data + tape.bytes, data, bytes);
    tape.bytes += bytes;
}

static bool tape_get(void *data, size_t bytes, void *user)
{
    (void)user;
    if (tape.at + bytes > tape.bytes) return false;
    memcpy(data, tape.data + tape.at, bytes);
    tape.at += bytes;
    return true;
}

static char log_text[8192];

static void keep_log(ecs_log_level level, const char *text, void *user)
{
    size_t at = strlen(log_text);
    (void)level;
    (void)user;
    (void)snprintf(log_text + at, sizeof log_text - at, "%s\n", text);
}

enum { TAPE_TICKS = 12 };

static struct {
    int file, fd[2];
    char in[3][16];
    uint32_t sum;
} play;

static void play_note(ecs_world *world, const ecs_io_completion *done)
{
    note(world, done);
    if (done->op == ECS_IO_RECV && done->result > 0) {
        play.sum += (uint32_t)(unsigned char)*(char *)done->buffer;
        ecs_spawn_with(world, (Answer, {done->result, play.sum}));
    }
    if (seen.count > 20) return;
    ecs_io_request r = with(timer(100000), ECS_IO_JOIN);
    r.done = play_note;
    put(world, r);
}

/* One run: `live` writes to the other side of the socket. */
static void play_run(ecs_world *world, bool live, uint64_t hash[TAPE_TICKS], bool first)
{
    ecs_entity e = ecs_spawn_with(world, (Answer, {0, 1}));
    ecs_io_id many = {0};
    memset(&seen, 0, sizeof seen);
    memset(play.in, 0, sizeof play.in);
    play.sum = 0;
    for (uint32_t t = 0; t < TAPE_TICKS; t++) {
        ecs_io_request r = with(ask(ECS_IO_READ, play.file, play.in[0], 8), ECS_IO_LINK);
        r.offset = 1;
        r.entity = e;
        r.type = ecs_type_of(Answer);
        put(world, r);
        put(world, timer(300000));
        r = ask(ECS_IO_RECV, play.fd[0], play.in[1], 3);
        r.done = play_note;
        put(world, r);
        if (t == 1) {
            r = with(ask(ECS_IO_POLL, play.fd[0], NULL, 0), ECS_IO_MULTI);
            r.offset = ECS_IO_WRITABLE;
            many = put(world, r);
        }
        if (t == 4) (void)ecs_io_cancel(ecs_world_commands(world), many);
        if (live && t % 3 == 0) REQUIRE(write(play.fd[1], "abcdef", 6) == 6);
        if (t % 2 == 0) (void)ecs_io_wait(world, 1000000);
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        uint64_t now = ecs_world_hash(world);
        if (first) hash[t] = now; else CHECK_EQ_U64(now, hash[t]);
    }
}

static ecs_world *play_world(uint32_t engine, bool replays)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.io.engine = engine_of(engine);
    desc.log = keep_log;
    if (replays) desc.io.replay = tape_get; else desc.io.record = tape_put;
    log_text[0] = 0;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

TEST(io_recording_is_replayed_without_descriptors)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        uint64_t hash[TAPE_TICKS];
        memset(&tape, 0, sizeof tape);
        play.file = scratch("0123456789");
        sockets(play.fd);
        ecs_world *world = play_world(e, false);
        play_run(world, true, hash, true);
        uint32_t count = seen.count, sum = play.sum;
        ecs_world_destroy(world);
        close(play.file);
        close(play.fd[0]); close(play.fd[1]);
        world = play_world(e, true);
        int before = dup(0);
        play_run(world, false, hash, false);
        int after = dup(0);
        CHECK_EQ_I64(after, before + 1); /* the engine has opened nothing */
        CHECK_EQ_U64(seen.count, count);
        CHECK_EQ_U64(play.sum, sum);
        CHECK(memcmp(play.in[0], "12345678", 8) == 0);
        CHECK(log_text[0] == 0);
        ecs_world_destroy(world);
        close(before); close(after);
    }
}

TEST(io_recording_that_does_not_fit_is_told)
{
    uint64_t hash[TAPE_TICKS], random = test_seed();
    memset(&tape, 0, sizeof tape);
    play.file = scratch("0123456789");
    sockets(play.fd);
    ecs_world *world = play_world(0, false);
    play_run(world, true, hash, true);
    ecs_world_destroy(world);
    uint32_t told = 0;
    for (uint32_t round = 0; round < 60; round++) {
        size_t at = test_random_below(&random, (uint32_t)tape.bytes);
        size_t bytes = tape.bytes;
        unsigned char was = tape.data[at];
        tape.at = 0;
        if (round % 2 == 0) tape.data[at] ^= (unsigned char)(1u << test_random_below(&random, 8));
        if (round % 2 != 0) tape.bytes = at;
        world = play_world(0, true);
        uint64_t ignored[TAPE_TICKS];
        play_run(world, false, ignored, true);
        ecs_world_destroy(world);
        told += log_text[0] != 0;
        tape.data[at] = was;
        tape.bytes = bytes;
    }
    CHECK(told > 0);
    close(play.file);
    close(play.fd[0]); close(play.fd[1]);
}

/* Bytes for a request that reads nothing. */
TEST(io_recording_cannot_write_where_nothing_is_read)
{
    static const ecs_io_op OPS[] = {ECS_IO_POLL, ECS_IO_WRITE, ECS_IO_NOP, ECS_IO_ACCEPT};
    for (uint32_t i = 0; i < 4; i++) {
        char text[8] = "constant";
        uint64_t bytes[6] = {0, 0, 0, 0, 0, 0};
        memset(&tape, 0, sizeof tape);
        for (uint64_t boundary = 1; boundary < 5; boundary++) {
            uint32_t two[2] = {0, 8};
            bytes[0] = boundary;
            bytes[1] = 1;
            bytes[2] = 1;
            memcpy(bytes + 4, two, 8);
            tape_put(bytes, 40, NULL);
            tape_put("intruder", 8, NULL);
        }
        ecs_world *world = play_world(0, true);
        ecs_io_request r = ask(OPS[i], 0, OPS[i] == ECS_IO_WRITE ? text : NULL, 8);
        if (OPS[i] == ECS_IO_POLL) r.offset = ECS_IO_READABLE;
        put(world, r);
        ticks(world, 4);
        CHECK(memcmp(text, "constant", 8) == 0);
        CHECK(strstr(log_text, "not the run") != NULL);
        ecs_world_destroy(world);
    }
}

/* ---- Engines that are not there --------------------------------------------------------- */

TEST(io_engine_is_forced_by_the_environment)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        REQUIRE(setenv("ECS_IO_ENGINE", e == 0 ? "evented" : "blocking", 1) == 0);
        ecs_world *world = make(1);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 1);
        CHECK(strcmp(ecs_io_stats_of(world).engine, e == 0 ? "evented" : "blocking") == 0);
        ecs_world_destroy(world);
    }
    REQUIRE(setenv("ECS_IO_ENGINE", "unknown", 1) == 0);
    ecs_world *world = make(0);
    put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 1);
    CHECK(strcmp(ecs_io_stats_of(world).engine, "blocking") == 0);
    ecs_world_destroy(world);
}

static uint32_t lines(const char *text)
{
    uint32_t count = 0;
    for (; *text != 0; text++) count += *text == '\n';
    return count;
}

static void limit_files(rlim_t most)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = most;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST(io_engines_at_the_edge_of_descriptors)
{
    struct rlimit was;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
    for (uint32_t free_count = 0; free_count < 5; free_count++) {
        int next = dup(0);
        ecs_world_desc desc;
        REQUIRE(next >= 0 && close(next) == 0);
        memset(&desc, 0, sizeof desc);
        desc.log = keep_log;
        desc.io.engine = ecs_io_evented();
        log_text[0] = 0;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        memset(&seen, 0, sizeof seen);
        limit_files((rlim_t)next + free_count);
        for (uint32_t i = 0; i < 5; i++) put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 5);
        for (uint32_t i = 0; i < 5; i++) {
            CHECK_EQ_I64(seen.done[i].result, 0);
        }
        const char *name = ecs_io_stats_of(world).engine;
        CHECK_STR(name, free_count < 3 ? "blocking" : "evented");
        CHECK_EQ_U64(lines(log_text), free_count < 3 ? 1 : 0);
        if (free_count < 2) { /* nothing to wake it by: it looks up now and then */
            ecs_io_request forever = ask(ECS_IO_TIMER, 0, NULL, 0);
            forever.timeout_ns = ECS_IO_FOREVER;
            put(world, forever);
            CHECK_STATUS(ecs_io_wait(world, 30000000), ECS_TIMEOUT);
        }
        limit_files(was.rlim_cur);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 6);
        ecs_world_destroy(world);
        CHECK((next = dup(0)) >= 0 && close(next) == 0);
    }
}

TEST(io_more_queues_than_a_process_may_poll)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        struct rlimit was;
        ecs_world *world = make(e);
        char text[32][4];
        int fd[64];
        for (uint32_t i = 0; i < 64; i += 2) sockets(fd + i);
        REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
        for (uint32_t i = 0; i < 32; i++) put(world, ask(ECS_IO_RECV, fd[2 * i], text[i], 4));
        ticks(world, 1);
        limit_files(20);
        CHECK_STATUS(ecs_io_wait(world, 3000000), ECS_TIMEOUT);
        for (uint32_t i = 0; i < 32; i++) REQUIRE(write(fd[2 * i + 1], "x", 1) == 1);
        until(world, 32);
        limit_files(was.rlim_cur);
        ecs_world_destroy(world);
        for (uint32_t i = 0; i < 64; i++) close(fd[i]);
    }
}

/* ---- Memory ----------------------------------------------------------------------------- */

static struct {
    uint64_t calls;
    uint64_t fail_at;
    int64_t live;
} heap;

static void *heap_alloc(size_t bytes, size_t align, void *user)
{
    void *memory = NULL;
    (void)user;
    heap.calls++;
    if (heap.fail_at != 0 && heap.calls == heap.fail_at) return NULL;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, bytes) != 0) {
        return NULL;
    }
    memset(memory, 0xa5, bytes);
    heap.live += (int64_t)bytes;
    return memory;
}

static void heap_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)align;
    (void)user;
    heap.live -= (int64_t)bytes;
    free(memory);
}

static const ecs_allocator HEAP = {heap_alloc, NULL, heap_release, NULL};

/* Some of everything, whatever is refused on the way. */
static void exercise(ecs_world *world, uint32_t count)
{
    static char text[16];
    static uint32_t asked;
    int fd = scratch("0123456789");
    asked = 0;
    for (uint32_t i = 0; i < count; i++) {
        ecs_io_request r = ask(ECS_IO_READ, fd, text, 8);
        r.offset = 0;
        if (i % 3 == 1) r = timer(i * 100);
        if (i % 3 == 2) r = ask(ECS_IO_NOP, 0, NULL, 0);
        if (i % 5 == 0) r.flags |= ECS_IO_LINK;
        if (i % 7 == 0) r.flags |= ECS_IO_NOTIFY;
        asked += ecs_io_queue(ecs_world_commands(world), &r).bits != 0;
        if (i % 100 == 99) (void)ecs_tick(world, 0);
    }
    for (uint32_t i = 0; i < 1000 && seen.count < asked; i++) {
        (void)ecs_io_wait(world, 1000000);
        (void)ecs_tick(world, 0);
    }
    CHECK_EQ_U64(seen.count, asked);
    close(fd);
}

TEST(io_fixed_memory_allocates_nothing)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world_desc desc;
        memset(&desc, 0, sizeof desc);
        memset(&heap, 0, sizeof heap);
        memset(&seen, 0, sizeof seen);
        desc.memory = ECS_MEMORY_FIXED;
        desc.allocator = &HEAP;
        desc.entities_max = 1000;
        desc.io.engine = engine_of(e);
        desc.io.requests_max = 600;
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        uint64_t calls = heap.calls;
        exercise(world, 500);
        CHECK_EQ_U64(heap.calls, calls);
        /* More than there may be. */
        for (uint32_t i = 0; i < 700; i++) {
            ecs_io_request r = timer(1000000000);
            (void)ecs_io_queue(ecs_world_commands(world), &r);
            if (i == 400) CHECK_STATUS(ecs_flush(world), ECS_OK);
        }
        CHECK_STATUS(ecs_flush(world), ECS_OK);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 600);
        ecs_world_destroy(world);
        CHECK_EQ_U64(seen.count, 1200);
        CHECK_EQ_I64(heap.live, 0);
    }
}

TEST(io_fixed_memory_without_requests_refuses)
{
    ecs_world_desc desc;
    uint32_t number;
    static char memory[8];
    memset(&desc, 0, sizeof desc);
    memset(&seen, 0, sizeof seen);
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 100;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    ecs_io_request r = ask(ECS_IO_NOP, 0, NULL, 0);
    ecs_io_id id = ecs_io_queue(ecs_world_commands(world), &r);
    CHECK(id.bits == 0 || ecs_flush(world) == ECS_OK);
    CHECK(id.bits == 0 || (seen.count == 1 && seen.done[0].result == -ENOBUFS));
    CHECK_STATUS(ecs_io_region_add(world, memory, 8, &number), ECS_UNSUPPORTED);
    CHECK_STATUS(ecs_io_wait(world, 0), ECS_NOT_FOUND);
    ecs_world_destroy(world);
}

TEST(io_each_allocation_is_refused_once)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        bool met = true;
        for (uint64_t n = 1; n < 400 && met; n++) {
            ecs_world_desc desc;
            memset(&desc, 0, sizeof desc);
            memset(&heap, 0, sizeof heap);
            memset(&seen, 0, sizeof seen);
            desc.allocator = &HEAP;
            desc.io.engine = engine_of(e);
            heap.fail_at = n;
            ecs_world *world = ecs_world_create(&desc);
            if (world != NULL) {
                exercise(world, 600);
                ecs_world_destroy(world);
            }
            met = heap.calls >= n;
            CHECK_EQ_I64(heap.live, 0);
        }
        CHECK(!met);
    }
}

/* ---- An engine that behaves as badly as it may ------------------------------------------ */

enum { MOCK_MAX = 2048 };

/* What the next operations shall come to. It touches no descriptor. */
static struct {
    ecs_io_operation *held[MOCK_MAX];
    uint32_t count;
    uint32_t delay;       /* reaps until one ends; 0: in start */
    bool backwards;       /* the last one first */
    bool late_cancel;     /* a cancel is heard at the next reap */
    bool deaf;            /* and changes nothing */
    size_t piece;         /* bytes of one transfer at most */
    size_t left;          /* bytes until the end */
    int64_t last;         /* what comes then */
    int open_error;
    uint32_t shots;       /* results of one operation that goes on, before it ends */
    uint32_t opened, closed, started, ended, cancelled;
    ecsi_atomic_u32 woken;
} mock;

static size_t mock_bytes(const ecs_io_engine_desc *desc)
{
    (void)desc;
    return 128;
}

static int mock_open(void *state, const ecs_io_engine_desc *desc)
{
    (void)state;
    CHECK(desc->bytes >= 128);
    CHECK((uintptr_t)desc->memory % 64 == 0);
    if (mock.open_error != 0) return mock.open_error;
    mock.opened++;
    return 0;
}

static void mock_close(void *state)
{
    (void)state;
    CHECK_EQ_U64(mock.count, 0);
    mock.closed++;
}

static int64_t mock_result(const ecs_io_operation *op)
{
    size_t bytes = op->request.length;
    if (op->request.op == ECS_IO_POLL) return ECS_IO_READABLE;
    if (op->request.op == ECS_IO_ACCEPT) return mock.last;
    if (op->request.op != ECS_IO_READ && op->request.op != ECS_IO_SEND) return 0;
    if (bytes > mock.piece) bytes = mock.piece;
    if (bytes > mock.left) bytes = mock.left;
    if (bytes == 0) return mock.last;
    mock.left -= bytes;
    if (op->request.op == ECS_IO_READ) memset(op->request.buffer, 'm', bytes);
    return (int64_t)bytes;
}

static void mock_start(void *state, ecs_io_operation *op)
{
    (void)state;
    mock.started++;
    if (mock.delay == 0) {
        mock.ended++;
        CHECK(ecs_io_end(op, mock_result(op), 0));
        return;
    }
    REQUIRE(mock.count < MOCK_MAX);
    op->engine_word[0] = mock.delay;
    op->engine_word[1] = 0;
    op->engine[0] = (void *)(uintptr_t)mock.shots;
    mock.held[mock.count++] = op;
}

static void mock_nothing(void *state)
{
    (void)state;
}

static bool mock_due(ecs_io_operation *op)
{
    uintptr_t shots = (uintptr_t)op->engine[0];
    if (op->engine_word[0] > 0) op->engine_word[0]--;
    if (op->engine_word[1] != 0 && !mock.deaf) return true;
    if (op->engine_word[0] > 0) return false;
    if ((op->request.flags & ECS_IO_MULTI) == 0 || shots == 0) return true;
    if (ecs_io_end(op, (int64_t)shots, ECS_IO_MORE)) op->engine[0] = (void *)(shots - 1);
    return false;
}

static void mock_reap(void *state, uint64_t wait_ns)
{
    static ecs_io_operation *due[MOCK_MAX];
    uint32_t count = 0, kept = 0;
    (void)state;
    for (uint32_t i = 0; i < mock.count; i++) {
        ecs_io_operation *op = mock.held[i];
        if (mock_due(op)) due[count++] = op; else mock.held[kept++] = op;
    }
    mock.count = kept;
    for (uint32_t i = 0; i < count; i++) {
        ecs_io_operation *op = due[mock.backwards ? count - 1 - i : i];
        bool cancelled = op->engine_word[1] != 0 && !mock.deaf;
        mock.ended++;
        CHECK(ecs_io_end(op, cancelled ? -ECANCELED : mock_result(op), 0));
    }
    if (count == 0 && wait_ns > 0 && ECSI_SWAP(&mock.woken, 0u, acq_rel) == 0) usleep(200);
}

static void mock_cancel(void *state, ecs_io_operation *op)
{
    uint32_t i = 0;
    (void)state;
    mock.cancelled++;
    CHECK_EQ_U64(op->engine_word[1], 0); /* once */
    op->engine_word[1] = 1;
    if (mock.late_cancel || mock.deaf) return;
    while (i < mock.count && mock.held[i] != op) i++;
    REQUIRE(i < mock.count);
    mock.count--;
    memmove(&mock.held[i], &mock.held[i + 1], (mock.count - i) * sizeof mock.held[0]);
    mock.ended++;
    CHECK(ecs_io_end(op, -ECANCELED, 0));
}

static void mock_wake(void *state)
{
    (void)state;
    ECSI_STORE(&mock.woken, 1u, release);
}

static void mock_stats(const void *state, ecs_io_stats *out)
{
    (void)state;
    out->system_calls += 1;
}

static const ecs_io_engine MOCK = {"mock",      mock_bytes, mock_open,   mock_close,
                                   mock_start,  mock_nothing, mock_reap, mock_cancel,
                                   mock_wake,   NULL,       mock_stats};

static ecs_world *mocked(uint32_t delay, uint32_t requests_max)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    memset(&mock, 0, sizeof mock);
    memset(&seen, 0, sizeof seen);
    log_text[0] = 0;
    mock.delay = delay;
    mock.piece = mock.left = SIZE_MAX;
    desc.io.engine = &MOCK;
    desc.io.requests_max = requests_max;
    desc.log = keep_log;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

static void mock_ends(ecs_world *world)
{
    ecs_world_destroy(world);
    CHECK_EQ_U64(mock.opened, mock.closed);
    CHECK_EQ_U64(mock.started, mock.ended);
}

TEST(io_mock_reordered_ends_are_delivered_in_order)
{
    ecs_world *world = mocked(2, 0);
    mock.backwards = true;
    for (uint32_t i = 0; i < 100; i++) {
        put(world, i % 4 == 3 ? timer(1) : ask(ECS_IO_NOP, 0, NULL, 0));
        if (i == 50) ticks(world, 1);
    }
    until(world, 100);
    for (uint32_t i = 1; i < 100; i++) {
        /* Those of one boundary are in order; the first boundary had timers and the first half. */
        bool rises = seen.done[i - 1].id.bits < seen.done[i].id.bits;
        CHECK(rises || seen.done[i].op != seen.done[i - 1].op);
    }
    mock_ends(world);
}

TEST(io_mock_short_transfers_go_on)
{
    static const int64_t LAST[] = {0, -EIO};
    for (uint32_t i = 0; i < 8; i++) {
        static char text[1000];
        ecs_world *world = mocked(i / 4, 0);
        int64_t last = LAST[i % 2];
        bool some = i / 2 % 2 != 0;
        mock.piece = 7;
        mock.left = some ? 400 : 0;
        mock.last = last;
        ecs_io_request r = ask(ECS_IO_READ, 5, text, 1000);
        r.flags = ECS_IO_WHOLE | ECS_IO_LINK | ECS_IO_JOIN;
        r.offset = 100;
        put(world, r);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 2);
        CHECK_EQ_I64(seen.done[0].result, some ? 400 : last);
        CHECK_EQ_I64(seen.done[1].result, -ECANCELED);
        CHECK(seen.done[0].buffer == text);
        mock.left = 1000;
        put(world, r);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        until(world, 4);
        CHECK_EQ_I64(seen.done[2].result, 1000);
        CHECK_EQ_I64(seen.done[3].result, 0);
        mock_ends(world);
    }
}

TEST(io_mock_late_cancels_end_once)
{
    for (uint32_t i = 0; i < 4; i++) {
        ecs_world *world = mocked(3, 0);
        ecs_io_id id[10];
        mock.late_cancel = true;
        mock.deaf = i % 2 != 0;
        mock.backwards = i >= 2;
        for (uint32_t k = 0; k < 10; k++) {
            ecs_io_request r = with(ask(ECS_IO_FSYNC, 5, NULL, 0), k % 3 == 0 ? ECS_IO_LINK : 0);
            if (k == 5) r.timeout_ns = 1;
            id[k] = put(world, r);
        }
        ticks(world, 1);
        for (uint32_t k = 0; k < 10; k += 2) (void)ecs_io_cancel(ecs_world_commands(world), id[k]);
        for (uint32_t k = 0; k < 10; k += 4) (void)ecs_io_cancel(ecs_world_commands(world), id[k]);
        put(world, ask(ECS_IO_CLOSE, 5, NULL, 0));
        until(world, 11);
        CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
        CHECK(mock.cancelled <= 11);
        mock_ends(world);
    }
}

/* Time is up and it is done, in the same look. */
TEST(io_mock_result_beats_its_timeout)
{
    ecs_world *world = mocked(2, 0);
    ecs_io_request r = ask(ECS_IO_FSYNC, 5, NULL, 0);
    mock.late_cancel = mock.deaf = true;
    r.timeout_ns = 1;
    put(world, r);
    until(world, 1);
    CHECK_EQ_I64(seen.done[0].result, 0);
    mock.deaf = false;
    mock.delay = 100;
    put(world, r);
    until(world, 2);
    CHECK_EQ_I64(seen.done[1].result, -ETIMEDOUT);
    mock_ends(world);
}

TEST(io_mock_shots_run_out_of_slots)
{
    /* 8 requests: 18 results may wait. */
    ecs_world *world = mocked(1, 8);
    ecs_io_request r = with(ask(ECS_IO_ACCEPT, 5, NULL, 0), ECS_IO_MULTI);
    mock.shots = 60;
    mock.last = -EIO;
    put(world, r);
    put(world, r);
    ticks(world, 1);
    for (uint32_t i = 0; i < 40; i++) (void)ecs_io_wait(world, 1); /* nothing is delivered */
    CHECK(ecs_io_stats_of(world).under_way <= 8 + 18);
    until(world, 122);
    for (uint32_t i = 0; i < 122; i++) {
        CHECK(((seen.done[i].flags & ECS_IO_MORE) == 0) == (seen.done[i].result == -EIO));
    }
    CHECK_EQ_U64(ecs_io_stats_of(world).under_way, 0);
    /* One that is told again by the core: each of its ends is one result. */
    mock.delay = 0;
    mock.last = 3;
    put(world, r);
    ticks(world, 1);
    /* It rests while there is no slot, and goes on then: nothing of it is the last. */
    CHECK(seen.count >= 122 + 18);
    CHECK(ecs_io_stats_of(world).under_way <= 1 + 18);
    ticks(world, 2);
    for (uint32_t i = 122; i < seen.count && i < LOG_MAX; i++) {
        CHECK((seen.done[i].flags & ECS_IO_MORE) != 0);
    }
    mock_ends(world);
}

TEST(io_mock_close_follows_what_moved)
{
    static char text[100];
    ecs_world *world = mocked(0, 0);
    mock.piece = 10;
    mock.left = 30;
    mock.last = -EAGAIN;
    put(world, with(ask(ECS_IO_READ, 5, text, 100), ECS_IO_WHOLE));
    put(world, ask(ECS_IO_CLOSE, 5, NULL, 0));
    until(world, 2);
    CHECK_EQ_I64(seen.done[0].result, 30);
    CHECK_EQ_I64(seen.done[1].result, 0);
    mock_ends(world);
}

TEST(io_mock_refused_engine_falls_back_and_tells_once)
{
    ecs_world *world = mocked(0, 0);
    mock.open_error = EPERM;
    for (uint32_t i = 0; i < 5; i++) put(world, ask(ECS_IO_NOP, 0, NULL, 0));
    until(world, 5);
    CHECK_EQ_U64(lines(log_text), 1);
    CHECK(strstr(log_text, "mock") != NULL);
    CHECK(strcmp(ecs_io_stats_of(world).engine, "mock") != 0);
    mock_ends(world);
}

TEST(io_mock_world_ends_with_late_operations)
{
    for (uint32_t i = 0; i < 4; i++) {
        ecs_world *world = mocked(20, 0);
        static char text[64];
        mock.late_cancel = true;
        mock.deaf = i % 2 != 0;
        mock.piece = 3;
        mock.shots = 5;
        for (uint32_t k = 0; k < 40; k++) {
            ecs_io_request r = with(ask(ECS_IO_READ, 5, text, 64), k % 3 ? ECS_IO_WHOLE : 0);
            if (k % 4 == 0) r = with(ask(ECS_IO_POLL, 5, NULL, 0), ECS_IO_MULTI);
            if (k % 4 == 0) r.offset = 1;
            if (k % 5 == 0) r.flags |= ECS_IO_LINK;
            put(world, r);
            if (k == 20) CHECK_STATUS(ecs_flush(world), ECS_OK);
            if (k == 30 && i >= 2) ticks(world, 3);
        }
        mock_ends(world);
        uint32_t last = 0;
        for (uint32_t k = 0; k < seen.count && k < LOG_MAX; k++) {
            last += (seen.done[k].flags & ECS_IO_MORE) == 0;
        }
        CHECK_EQ_U64(last, 40);
        CHECK_EQ_U64(lines(log_text), 0);
    }
}

/* A wait for what is joined sleeps, though something else has ended. */
TEST(io_mock_joined_wait_does_not_spin)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        ticks(world, 1);
        uint64_t calls = ecs_io_stats_of(world).system_calls;
        put(world, ask(ECS_IO_NOP, 0, NULL, 0));
        put(world, with(timer(30000000), ECS_IO_JOIN));
        ticks(world, 1);
        CHECK_EQ_U64(seen.count, 3);
        CHECK(seen.done[2].duration_ns >= 30000000);
        CHECK(ecs_io_stats_of(world).system_calls - calls < 200);
        ecs_world_destroy(world);
    }
}

TEST(io_splice_waits_for_room_in_its_peer)
{
    static char junk[4096];
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        int fd[2], tube[2], file = scratch("0123456789");
        sockets(fd);
        REQUIRE(pipe(tube) == 0);
        REQUIRE(fcntl(tube[1], F_SETFL, O_NONBLOCK) == 0);
        while (write(tube[1], junk, 4096) > 0) {}
        ecs_io_request r = ask(ECS_IO_SPLICE, fd[0], NULL, 5);
        r.peer = tube[1];
        r.offset = ECS_IO_HERE;
        put(world, r);
        ticks(world, 1);
        REQUIRE(write(fd[1], "hello", 5) == 5);
        ticks(world, 2);
        uint64_t calls = ecs_io_stats_of(world).system_calls;
        CHECK_STATUS(ecs_io_wait(world, 10000000), ECS_TIMEOUT);
        CHECK(ecs_io_stats_of(world).system_calls - calls < 50);
        r.handle = file;
        r.offset = 0;
        ecs_io_id id = put(world, r);
        ticks(world, 2);
        CHECK_EQ_U64(seen.count, 0);
        (void)ecs_io_cancel(ecs_world_commands(world), id);
        until(world, 1);
        CHECK_EQ_I64(seen.done[0].result, -ECANCELED);
        put(world, r);
        for (uint32_t i = 0; i < 100 && seen.count < 3; i++) {
            REQUIRE(read(tube[0], junk, 4096) > 0);
            (void)ecs_io_wait(world, 1000000);
            ticks(world, 1);
        }
        CHECK_EQ_I64(seen.done[1].result, 5);
        CHECK_EQ_I64(seen.done[2].result, 5);
        r.handle = fd[0];
        r.offset = ECS_IO_HERE;
        put(world, r);
        ecs_world_destroy(world);
        CHECK_EQ_I64(seen.done[3].result, -ECANCELED);
        close(fd[0]); close(fd[1]); close(tube[0]); close(tube[1]); close(file);
    }
}

/* A request that is refused at the call is missing in its chain. */
TEST(io_chain_around_a_request_that_was_refused_at_the_call)
{
    for (uint32_t e = 0; e < ENGINES; e++) {
        ecs_world *world = make(e);
        ecs_io_request good = ask(ECS_IO_NOP, 0, NULL, 0);
        ecs_io_request linked = good;
        ecs_io_request bad = ask(ECS_IO_CLOSE, -1, NULL, 0);
        linked.flags = ECS_IO_LINK;
        put(world, linked);
        bad.flags = ECS_IO_LINK;
        CHECK(ecs_io_queue(ecs_world_commands(world), &bad).bits == 0);
        put(world, good); /* would have followed the bad one */
        put(world, linked);
        bad.flags = 0;
        CHECK(ecs_io_queue(ecs_world_commands(world), &bad).bits == 0);
        put(world, good); /* the chain has ended with the bad one */
        until(world, 4);
        CHECK_EQ_I64(seen.done[0].result, 0);
        CHECK_EQ_I64(seen.done[1].result, -ECANCELED);
        CHECK_EQ_I64(seen.done[2].result, 0);
        CHECK_EQ_I64(seen.done[3].result, 0);
        CHECK_EQ_U64(seen.done[1].flags, 0);
        ecs_world_destroy(world);
    }
}

#endif /* ECSI_SYS */
