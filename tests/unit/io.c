/* io.c: requests on each engine of this header: what every operation answers, order, chains,
 * timers, cancelling, joining, delivery, quotas, the end of a world, recording. */

#define ECS_IMPLEMENTATION
#include "../test.h"

#if ECSI_SYS

#include <netinet/in.h>
#include <sys/un.h>

typedef struct { int64_t result; uint64_t value; } Answer;
ECS_COMPONENT(Answer, result, value);

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
    CHECK(id.bits != 0);
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

#endif /* ECSI_SYS */
