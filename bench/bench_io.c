/* Input and output: what a request costs beside the call that it stands for.
 *
 *     bench_io [options of bench.h]
 *
 * Each pass is a tick with a system that queues as many requests as there are rows, and the phase
 * waits for them. ECS_IO_ENGINE chooses the engine. */
#define ECS_IMPLEMENTATION
#include "bench.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct { uint64_t offset; } Place;
ECS_COMPONENT(Place, offset);

enum { FILE_BYTES = 16 << 20, READ_MAX = 64 << 10 };

typedef struct scene {
    ecs_world *world;
    unsigned char *buffers; /* `bytes` for each row */
    uint64_t done;
    uint32_t size;
    uint32_t bytes;         /* 0: no operation but the way there and back */
    int file;
} scene;

static void count(ecs_world *world, const ecs_io_completion *done)
{
    (void)world;
    bench_need(done->result >= 0, "an operation");
    ((scene *)done->user)->done++;
}

ECS_SYSTEM(asks, READ(Place))
{
    const scene *s = (const scene *)view->user;
    ecs_io_request r;
    memset(&r, 0, sizeof r);
    r.op = s->bytes == 0 ? ECS_IO_NOP : ECS_IO_READ;
    r.flags = ECS_IO_JOIN;
    r.handle = s->file;
    r.length = s->bytes;
    r.done = count;
    r.user = view->user;
    for (uint32_t i = 0; i < view->count; i++) {
        r.offset = ecs_read(view, Place)[i].offset;
        r.buffer = s->bytes == 0 ? NULL : s->buffers + (size_t)(view->base + i) * s->bytes;
        if (ecs_io_queue(view->cmd, &r).bits == 0) return ecs_cmd_status(view->cmd);
    }
    return ECS_OK;
}

static scene *open_with(uint32_t size, uint32_t bytes)
{
    scene *s = (scene *)calloc(1, sizeof *s);
    char name[] = "/tmp/ecs_bench_io_XXXXXX";
    ecs_system_desc desc;
    bench_need(s != NULL, "calloc");
    s->size = size;
    s->bytes = bytes;
    s->file = mkstemp(name);
    bench_need(s->file >= 0, "mkstemp");
    (void)unlink(name);
    s->buffers = (unsigned char *)bench_array(READ_MAX, 1);
    for (size_t at = 0; at < FILE_BYTES; at += READ_MAX) {
        bench_need(pwrite(s->file, s->buffers, READ_MAX, (off_t)at) == READ_MAX, "pwrite");
    }
    free(s->buffers);
    s->buffers = (unsigned char *)bench_array((size_t)size * (bytes == 0 ? 1 : bytes), 1);
    s->world = ecs_world_create(NULL);
    bench_need(s->world != NULL, "ecs_world_create");
    for (uint32_t i = 0; i < size; i++) {
        uint64_t at = bytes == 0 ? 0 : (uint64_t)i * 7919u % (FILE_BYTES / bytes) * bytes;
        (void)ecs_spawn_with(s->world, (Place, {at}));
    }
    memset(&desc, 0, sizeof desc);
    desc.system = &asks;
    desc.user = s;
    bench_ok(ecs_system_add_desc(s->world, &desc), "ecs_system_add_desc");
    bench_ok(ecs_tick(s->world, 0), "ecs_tick");
    bench_need(s->done == size, "all operations");
    return s;
}

static void *open_nop(uint32_t size)
{
    return open_with(size, 0);
}

static void *open_1k(uint32_t size)
{
    return open_with(size, 1024);
}

static void *open_64k(uint32_t size)
{
    return open_with(size, READ_MAX);
}

static void close_scene(void *state)
{
    scene *s = (scene *)state;
    ecs_world_destroy(s->world);
    (void)close(s->file);
    free(s->buffers);
    free(s);
}

static double tick_pass(void *state, uint64_t repeats)
{
    scene *s = (scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) bench_ok(ecs_tick(s->world, 0), "ecs_tick");
    return bench_since(start);
}

/* The same calls, one after the other. */
static double call_pass(void *state, uint64_t repeats)
{
    const scene *s = (const scene *)state;
    uint64_t start = bench_now_ns();
    for (uint64_t r = 0; r < repeats; r++) {
        for (uint32_t i = 0; i < s->size; i++) {
            uint64_t at = (uint64_t)i * 7919u % (FILE_BYTES / s->bytes) * s->bytes;
            ssize_t got = pread(s->file, s->buffers + (size_t)i * s->bytes, s->bytes, (off_t)at);
            bench_need(got == (ssize_t)s->bytes, "pread");
        }
    }
    return bench_since(start);
}

static const uint32_t sizes[] = {1000, 10000, 0};
static const uint32_t sizes_small[] = {100, 1000, 0};

static const bench_case cases[] = {
    {"io_nop", NULL, open_nop, close_scene, NULL, tick_pass, NULL, sizes, BENCH_REPEAT, 0, 0, 0},
    {"io_read_1k", "pread", open_1k, close_scene, NULL, tick_pass, call_pass, sizes,
     BENCH_REPEAT, 0, 0, 0},
    {"io_read_64k", "pread", open_64k, close_scene, NULL, tick_pass, call_pass, sizes_small,
     BENCH_REPEAT, 0, 0, 0},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, (uint32_t)(sizeof cases / sizeof cases[0]));
}
