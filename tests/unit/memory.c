/* memory.c: allocators, fixed mode, the caller's buffer, exact sizes, exhaustion.
 *
 * At the end every function of the C library that gives memory is replaced by one that counts,
 * which proves that a fixed world allocates at creation only.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

#include <sys/mman.h>
#include <sys/syscall.h>

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);
typedef struct { uint32_t value; } Number;
ECS_COMPONENT(Number, value);
typedef struct { uint32_t moved; } Counter;
ECS_RESOURCE(Counter, moved);
typedef struct { uint32_t number; } Hit;
ECS_EVENT(Hit, number);
ECS_TAG(Marked);
ECS_TAG(Other);

ECS_QUERY(positions, WRITE(Position), READ(Velocity));
ECS_QUERY(marked, WITH(Marked));
ECS_QUERY(numbers, READ(Number));

/* ---- an allocator that checks every call ---- */

typedef struct {
    uint64_t magic;
    size_t live_bytes;
    uint32_t live_blocks;
    uint64_t calls;
    bool refuse;
} memory_book;

typedef struct {
    unsigned char *raw;
    size_t bytes;
    size_t align;
    uint64_t magic;
} block_head;

enum { HEAD_BYTES = 64 };
static const uint64_t BOOK_MAGIC = 0x6d656d6f72790001u;

static memory_book *book_of(void *user)
{
    memory_book *book = (memory_book *)user;
    REQUIRE(book != NULL);
    REQUIRE(book->magic == BOOK_MAGIC); /* the context comes with every call */
    book->calls++;
    return book;
}

static void *book_alloc(size_t bytes, size_t align, void *user)
{
    memory_book *book = book_of(user);
    CHECK(bytes > 0);
    CHECK(align > 0 && (align & (align - 1)) == 0);
    if (book->refuse) return NULL;
    size_t step = align < HEAD_BYTES ? (size_t)HEAD_BYTES : align;
    block_head head;
    head.raw = (unsigned char *)malloc(bytes + 2 * step);
    REQUIRE(head.raw != NULL);
    head.bytes = bytes;
    head.align = align;
    head.magic = BOOK_MAGIC;
    uintptr_t at = ((uintptr_t)head.raw + HEAD_BYTES + step - 1) & ~(uintptr_t)(step - 1);
    unsigned char *memory = head.raw + (at - (uintptr_t)head.raw);
    memset(memory, 0xa5, bytes); /* fresh memory is not zero */
    memcpy(memory - HEAD_BYTES, &head, sizeof head);
    book->live_bytes += bytes;
    book->live_blocks++;
    return memory;
}

static void book_release(void *memory, size_t bytes, size_t align, void *user)
{
    memory_book *book = book_of(user);
    block_head head;
    REQUIRE(memory != NULL);
    memcpy(&head, (unsigned char *)memory - HEAD_BYTES, sizeof head);
    REQUIRE(head.magic == BOOK_MAGIC);
    CHECK_EQ_U64(head.bytes, bytes);
    CHECK_EQ_U64(head.align, align);
    book->live_bytes -= head.bytes;
    book->live_blocks--;
    memset((unsigned char *)memory - HEAD_BYTES, 0xdd, head.bytes + HEAD_BYTES);
    free(head.raw);
}

static void *book_resize(void *memory, size_t old_bytes, size_t new_bytes, void *user)
{
    memory_book *book = book_of(user);
    block_head head;
    REQUIRE(memory != NULL);
    memcpy(&head, (unsigned char *)memory - HEAD_BYTES, sizeof head);
    CHECK_EQ_U64(head.bytes, old_bytes);
    CHECK(head.align <= 16);
    if (book->refuse) return NULL;
    void *moved = book_alloc(new_bytes, head.align, user);
    memcpy(moved, memory, old_bytes < new_bytes ? old_bytes : new_bytes);
    book_release(memory, old_bytes, head.align, user);
    return moved;
}

static ecs_allocator allocator_of(memory_book *book, bool with_resize)
{
    ecs_allocator allocator;
    memset(book, 0, sizeof *book);
    book->magic = BOOK_MAGIC;
    allocator.alloc = book_alloc;
    allocator.resize = with_resize ? book_resize : NULL;
    allocator.release = book_release;
    allocator.user = book;
    return allocator;
}

static ecs_world_desc desc_zero(void)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    return desc;
}

/* Worlds are refused on purpose here: their lines in the log would only confuse. */
static void quiet(ecs_log_level level, const char *text, void *user)
{
    CHECK(level == ECS_LOG_ERROR);
    CHECK(text != NULL);
    (void)user;
}

/* ---- a run that uses everything ---- */

ECS_SYSTEM(move_all, WRITE(Position), READ(Velocity), RES_WRITE(Counter))
{
    for (uint32_t i = 0; i < view->count; i++) {
        ecs_write(view, Position)[i].x += ecs_read(view, Velocity)[i].x * view->dt;
    }
    ecs_res_write(view, Counter)->moved += view->count;
    return ECS_OK;
}

/* Replaces some entities each tick, marks others and tells of it. */
ECS_SYSTEM(churn, READ(Number), EMIT(Hit))
{
    for (uint32_t i = 0; i < view->count; i++) {
        uint32_t number = ecs_read(view, Number)[i].value;
        if ((number + view->tick) % 1000 != 0) continue;
        ecs_entity fresh = ecs_cmd_spawn_with(view->cmd, (Number, {number}), (Position));
        if (ecs_is_null(fresh)) continue;
        (void)ecs_cmd_set(view->cmd, fresh, Velocity, {1, 0});
        (void)ecs_cmd_despawn(view->cmd, view->entities[i]);
        (void)ecs_emit(view, Hit, {number});
    }
    return ECS_OK;
}

ECS_SYSTEM(hear, ON(Hit), RES_WRITE(Counter))
{
    ecs_res_write(view, Counter)->moved += ecs_on_count(view, Hit);
    return ECS_OK;
}

static void run_direct(ecs_world *world, uint32_t count)
{
    ecs_value values[3] = {{ecs_type_of(Position), NULL}, {ecs_type_of(Velocity), NULL},
                           {ecs_type_of(Number), NULL}};
    REQUIRE_STATUS(ecs_spawn_bulk(world, count / 2, values, 3, NULL), ECS_OK);
    for (uint32_t i = count / 2; i < count; i++) {
        ecs_entity e = ecs_spawn_with(world, (Position), (Velocity, {1, 0}), (Number, {i}));
        REQUIRE(!ecs_is_null(e));
    }
    CHECK_EQ_U64(ecs_entity_count(world), count);
    uint32_t at = 0;
    for (ecs_entity e = ecs_entity_next(world, ecs_null()); !ecs_is_null(e);
         e = ecs_entity_next(world, e), at++) {
        if (at % 10 == 0) CHECK_STATUS(ecs_add(world, e, Marked), ECS_OK);
        if (at % 20 == 0) CHECK_STATUS(ecs_remove(world, e, Marked), ECS_OK);
        if (at % 30 == 0) CHECK_STATUS(ecs_remove(world, e, Velocity), ECS_OK);
        if (at % 17 == 0) CHECK_STATUS(ecs_despawn(world, e), ECS_OK);
    }
    CHECK_EQ_U64(at, count);
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &marked), NULL), ECS_OK);
    while (ecs_entity_count(world) < count) {
        REQUIRE(!ecs_is_null(ecs_spawn_with(world, (Number, {at++}), (Other))));
    }
    ECS_EACH(world, positions, view) ecs_write(view, Position)[0].y = 1;
}

static void run_ticks(ecs_world *world, uint32_t ticks)
{
    char text[256];
    CHECK_STATUS(ecs_system_add(world, &move_all, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &churn, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &hear, ECS_POST_UPDATE), ECS_OK);
    ECS_GETTER(Number) number = ecs_getter_bind(world, Number);
    for (uint32_t i = 0; i < ticks; i++) {
        CHECK_STATUS(ecs_tick(world, 0.01f), ECS_OK);
        ecs_commands *cmd = ecs_world_commands(world);
        ecs_entity first = ecs_entity_next(world, ecs_null());
        (void)ecs_getter_get(number, Number, first);
        CHECK_STATUS(ecs_cmd_add(cmd, first, Other), ECS_OK);
        CHECK_STATUS(ecs_cmd_remove(cmd, first, Velocity), ECS_OK);
        CHECK_STATUS(ecs_flush(world), ECS_OK);
    }
    CHECK(ecs_world_stats(world).commands_applied > ticks);
    CHECK(ecs_resource_get(world, Counter)->moved > 0);
    (void)ecs_explain_schedule(world, text, sizeof text);
    (void)ecs_world_hash(world);
    (void)ecs_shrink(world);
}

/* Entities that take part in the large run: a million unless a sanitizer slows it down. */
static uint32_t large_count(void)
{
    return TEST_SANITIZED != 0 ? 100000 : 1000000;
}

static ecs_world_desc desc_fixed_large(uint32_t count)
{
    ecs_world_desc desc = desc_zero();
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = count;
    desc.command_bytes_max = 16u << 20;
    return desc;
}

TEST(memory_fixed_calls_no_allocator_after_creation)
{
    memory_book book;
    ecs_allocator allocator = allocator_of(&book, true);
    uint32_t count = large_count() / 2;
    ecs_world_desc desc = desc_fixed_large(count);
    desc.allocator = &allocator;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, book.live_bytes);
    uint64_t before = book.calls;
    run_direct(world, count);
    run_ticks(world, 10);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(book.calls, before);
    ecs_world_destroy(world);
    CHECK_EQ_U64(book.live_bytes, 0);
    CHECK_EQ_U64(book.live_blocks, 0);
}

/* ---- grow mode with an allocator ---- */

static void check_grow(bool with_resize)
{
    memory_book book;
    ecs_allocator allocator = allocator_of(&book, with_resize);
    ecs_world_desc desc = desc_zero();
    desc.allocator = &allocator;
    ecs_world *world = ecs_world_create(&desc);
    memset(&allocator, 0, sizeof allocator); /* it was copied */
    REQUIRE(world != NULL);
    CHECK(book.calls > 0);
    CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, book.live_bytes);
    run_direct(world, 20000);
    CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, book.live_bytes);
    run_ticks(world, 5);
    CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, book.live_bytes);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    size_t before = book.live_bytes;
    size_t given = ecs_shrink(world);
    CHECK(given > 0);
    CHECK_EQ_U64(before - book.live_bytes, given);
    ecs_world_destroy(world);
    CHECK_EQ_U64(book.live_bytes, 0);
    CHECK_EQ_U64(book.live_blocks, 0);
}

TEST(memory_allocator_gets_every_call)
{
    check_grow(true);
}

TEST(memory_allocator_without_resize_works)
{
    check_grow(false);
}

TEST(memory_allocator_that_refuses_gives_no_world)
{
    memory_book book;
    ecs_allocator allocator = allocator_of(&book, true);
    ecs_world_desc desc = desc_zero();
    desc.allocator = &allocator;
    book.refuse = true;
    CHECK(ecs_world_create(&desc) == NULL);
    desc.memory = ECS_MEMORY_FIXED;
    CHECK(ecs_world_create(&desc) == NULL);
    CHECK(book.calls >= 2);
    CHECK_EQ_U64(book.live_bytes, 0);
}

TEST(memory_stats_are_exact_for_storage)
{
    ecs_world *world = ecs_world_create(NULL);
    REQUIRE(world != NULL);
    size_t before = ecs_world_stats(world).bytes_allocated;
    CHECK(before < 1u << 20); /* an empty world is small */
    for (uint32_t i = 0; i < 100000; i++) (void)ecs_spawn_with(world, (Position), (Velocity));
    ecs_stats stats = ecs_world_stats(world);
    CHECK_EQ_U64(stats.bytes_live, 100000 * 24);
    CHECK(stats.bytes_storage >= stats.bytes_live);
    CHECK(stats.bytes_allocated >= stats.bytes_storage + 100000 * 16);
    ecs_world_destroy(world);
}

/* ---- exact size and the caller's buffer ---- */

enum { GUARD_BYTES = 4096 };

static void check_buffer(ecs_world_desc desc, uint32_t spawn_count)
{
    desc.memory = ECS_MEMORY_FIXED;
    size_t bytes = ecs_world_bytes(&desc);
    REQUIRE(bytes > 0);
    unsigned char *raw = (unsigned char *)malloc(bytes + GUARD_BYTES + 64);
    REQUIRE(raw != NULL);
    unsigned char *buffer = raw + (64 - (uintptr_t)raw % 64) % 64;
    memset(buffer, 0xa5, bytes + GUARD_BYTES);
    desc.buffer = buffer;
    desc.buffer_bytes = bytes;
    CHECK_EQ_U64(ecs_world_bytes(&desc), bytes);
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    CHECK(ecs_world_stats(world).bytes_allocated <= bytes);
    for (uint32_t i = 0; i < spawn_count; i++) {
        ecs_entity e = ecs_spawn_with(world, (Number, {i}), (Position));
        if (ecs_is_null(e)) CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    }
    CHECK(ecs_entity_count(world) > 0);
    CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    ecs_world_destroy(world);
    for (size_t i = 0; i < GUARD_BYTES; i++) CHECK_EQ_U64(buffer[bytes + i], 0xa5);
    desc.buffer_bytes = bytes - 1;
    desc.log = quiet;
    CHECK(ecs_world_create(&desc) == NULL);
    free(raw);
}

TEST(memory_buffer_of_exact_size_works_one_less_is_refused)
{
    ecs_world_desc desc = desc_zero();
    check_buffer(desc, 70000);
    desc.entities_max = 1;
    check_buffer(desc, 2);
    desc.entities_max = 1001;
    desc.components_max = 33;
    desc.tables_max = 7;
    desc.chunk_bytes = 4096;
    desc.queries_max = 3;
    desc.systems_max = 1;
    desc.getters_max = 1;
    check_buffer(desc, 1100);
    desc.chunks_max = 3;
    desc.row_block_rows = 64;
    desc.command_bytes_max = 4096;
    desc.event_bytes_max = 100;
    desc.resource_bytes_max = 100;
    check_buffer(desc, 1100);
}

TEST(memory_buffer_not_aligned_is_refused)
{
    ecs_world_desc desc = desc_zero();
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 100;
    size_t bytes = ecs_world_bytes(&desc);
    unsigned char *raw = (unsigned char *)malloc(bytes + 256);
    REQUIRE(raw != NULL);
    desc.buffer = raw + (64 - (uintptr_t)raw % 64) % 64 + 8;
    desc.buffer_bytes = bytes + 64;
    desc.log = quiet;
    CHECK(ecs_world_create(&desc) == NULL);
    free(raw);
}

TEST(memory_fixed_size_grows_with_limits)
{
    ecs_world_desc desc = desc_zero();
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 1000;
    size_t small = ecs_world_bytes(&desc);
    desc.entities_max = 100000;
    size_t large = ecs_world_bytes(&desc);
    CHECK(small > 1000 * 16);
    CHECK(large - small >= 99000 * (16 + 64) / 2);
    CHECK(large - small <= 99000 * 400);
}

TEST(memory_fixed_two_runs_have_equal_hashes)
{
    uint64_t hashes[2];
    for (uint32_t i = 0; i < 2; i++) {
        ecs_world_desc desc = desc_fixed_large(20000);
        ecs_world *world = ecs_world_create(&desc);
        REQUIRE(world != NULL);
        run_direct(world, 20000);
        run_ticks(world, 3);
        hashes[i] = ecs_world_hash(world);
        ecs_world_destroy(world);
    }
    CHECK(hashes[0] == hashes[1]);
}

/* ---- exhaustion: a status, and the world as it was ---- */

static ecs_world *world_fixed(ecs_world_desc desc)
{
    desc.memory = ECS_MEMORY_FIXED;
    if (desc.entities_max == 0) desc.entities_max = 1000;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

/* The call answers `status` and leaves the hash and the bytes as they were. */
#define REFUSED(world, call, status) \
    do { \
        uint64_t hash_before = ecs_world_hash(world); \
        size_t bytes_before = ecs_world_stats(world).bytes_allocated; \
        CHECK_STATUS(call, status); \
        CHECK(ecs_world_hash(world) == hash_before); \
        CHECK_EQ_U64(ecs_world_stats(world).bytes_allocated, bytes_before); \
    } while (0)
#define REFUSED_NULL(world, call, status) \
    REFUSED(world, (ecs_is_null(call) ? ecs_world_status(world) : ECS_OK), status)

TEST(memory_full_of_entities_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.entities_max = 100;
    ecs_world *world = world_fixed(desc);
    ecs_value value = {ecs_type_of(Number), NULL};
    for (uint32_t i = 0; i < 100; i++) (void)ecs_spawn_with(world, (Number, {i}));
    ecs_entity first = ecs_entity_next(world, ecs_null());
    REFUSED_NULL(world, ecs_spawn(world), ECS_FULL);
    REFUSED_NULL(world, ecs_spawn_with(world, (Number, {1}), (Position)), ECS_FULL);
    REFUSED_NULL(world, ecs_clone(world, first), ECS_FULL);
    REFUSED(world, ecs_spawn_bulk(world, 1, &value, 1, NULL), ECS_FULL);
    CHECK_STATUS(ecs_despawn(world, first), ECS_OK);
    REFUSED(world, ecs_spawn_bulk(world, 2, &value, 1, NULL), ECS_FULL);
    CHECK(!ecs_is_null(ecs_spawn(world)));
    ecs_world_destroy(world);
}

TEST(memory_full_of_entities_at_flush_drops_and_counts)
{
    ecs_world_desc desc = desc_zero();
    desc.entities_max = 10;
    ecs_world *world = world_fixed(desc);
    for (uint32_t i = 0; i < 9; i++) (void)ecs_spawn_with(world, (Number, {i}));
    ecs_commands *cmd = ecs_world_commands(world);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (Number, {100 + i}))));
    }
    (void)ecs_flush(world);
    CHECK_EQ_U64(ecs_entity_count(world), 10);
    CHECK(ecs_world_stats(world).commands_dropped >= 2); /* a spawn and its values */
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &numbers)), 10);
    ecs_world_destroy(world);
}

static void check_full_of_tables(ecs_world_desc desc)
{
    ecs_world *world = world_fixed(desc);
    ecs_entity entity = ecs_spawn_with(world, (Number, {7}));
    ecs_component tags[20];
    uint32_t added = 0;
    for (uint32_t i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "tag%u", (unsigned)i);
        ecs_type type = {name, 0, 1, NULL, 0u, NULL};
        REQUIRE_STATUS(ecs_component_define(world, &type, &tags[i]), ECS_OK);
    }
    while (added < 20 && ecs_add_id(world, entity, tags[added]) == ECS_OK) added++;
    CHECK(added > 0);
    REQUIRE(added < 20);
    REFUSED(world, ecs_add_id(world, entity, tags[added]), ECS_FULL);
    REFUSED(world, ecs_add_id(world, entity, tags[19]), ECS_FULL);
    REFUSED(world, ecs_set(world, entity, Position, {1, 2}), ECS_FULL);
    REFUSED_NULL(world, ecs_spawn_with(world, (Marked), (Position), (Number, {1})), ECS_FULL);
    CHECK_EQ_U64(ecs_get(world, entity, Number)->value, 7);
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), added + 1);
    ecs_entity other = ecs_spawn_with(world, (Number, {8})); /* a table that exists */
    CHECK(!ecs_is_null(other));
    CHECK_STATUS(ecs_add_id(world, other, tags[0]), ECS_OK);
    ecs_world_destroy(world);
}

TEST(memory_full_of_tables_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.tables_max = 8;
    desc.chunks_max = 64;
    check_full_of_tables(desc);
}

TEST(memory_full_of_table_slots_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.table_slots_max = 30;
    check_full_of_tables(desc);
}

TEST(memory_full_of_chunks_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.entities_max = 100000;
    desc.chunk_bytes = 4096;
    desc.chunks_max = 4;
    ecs_world *world = world_fixed(desc);
    ecs_entity entity = ecs_spawn_with(world, (Position, {1, 2}));
    uint32_t count = 0;
    while (!ecs_is_null(ecs_spawn_with(world, (Number, {count})))) count++;
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK(count >= 3 * 4096 / 16);
    ecs_value value = {ecs_type_of(Number), NULL};
    REFUSED_NULL(world, ecs_spawn_with(world, (Number, {1})), ECS_FULL);
    REFUSED_NULL(world, ecs_spawn_with(world, (Velocity, {1, 1})), ECS_FULL);
    REFUSED(world, ecs_spawn_bulk(world, 10, &value, 1, NULL), ECS_FULL);
    REFUSED(world, ecs_set(world, entity, Velocity, {1, 1}), ECS_FULL);
    REFUSED(world, ecs_remove(world, entity, Position), ECS_FULL);
    CHECK(ecs_get(world, entity, Position)->y >= 2);
    CHECK_STATUS(ecs_query_despawn(world, ecs_query_of(world, &numbers), NULL), ECS_OK);
    (void)ecs_shrink(world);
    CHECK_STATUS(ecs_set(world, entity, Velocity, {1, 1}), ECS_OK);
    ecs_world_destroy(world);
}

TEST(memory_full_of_components_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.components_max = 2;
    ecs_world *world = world_fixed(desc);
    ecs_entity entity = ecs_spawn_with(world, (Number, {1}), (Position));
    ecs_component out = {0};
    REFUSED(world, ecs_component_register(world, ecs_type_of(Velocity), &out), ECS_FULL);
    REFUSED(world, ecs_component_define(world, ecs_type_of(Velocity), &out), ECS_FULL);
    REFUSED(world, ecs_add(world, entity, Marked), ECS_FULL);
    REFUSED(world, ecs_set(world, entity, Velocity, {1, 2}), ECS_FULL);
    REFUSED_NULL(world, ecs_spawn_with(world, (Number, {1}), (Velocity)), ECS_FULL);
    REFUSED(world, ecs_resource_set(world, Counter, {1}), ECS_FULL);
    REFUSED(world, ecs_event_send(world, Hit, {1}), ECS_FULL);
    REFUSED(world, ecs_system_add(world, &move_all, ECS_UPDATE), ECS_FULL);
    CHECK_EQ_U64(ecs_query_of(world, &positions).id, 0);
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK_EQ_U64(ecs_world_stats(world).component_count, 2);
    ecs_world_destroy(world);
}

TEST(memory_full_of_queries_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.queries_max = 2;
    ecs_world *world = world_fixed(desc);
    ecs_query query = {0};
    (void)ecs_spawn_with(world, (Number, {1}), (Position), (Velocity));
    CHECK_STATUS(ecs_query_make(world, &numbers, &query), ECS_OK);
    CHECK(ecs_query_of(world, &positions).id != 0);
    REFUSED(world, ecs_query_make(world, &numbers, &query), ECS_FULL);
    REFUSED(world, ecs_query_of(world, &marked).id == 0 ? ecs_world_status(world) : ECS_OK,
            ECS_FULL);
    REFUSED(world, ecs_system_add(world, &churn, ECS_UPDATE), ECS_FULL);
    CHECK_EQ_U64(ecs_world_stats(world).system_count, 0);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &positions)), 1);
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    ecs_world_destroy(world);
}

TEST(memory_full_of_systems_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.systems_max = 2;
    ecs_world *world = world_fixed(desc);
    (void)ecs_spawn_with(world, (Number, {1}), (Position), (Velocity));
    CHECK_STATUS(ecs_system_add(world, &move_all, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &churn, ECS_UPDATE), ECS_OK);
    REFUSED(world, ecs_system_add(world, &hear, ECS_UPDATE), ECS_FULL);
    CHECK_EQ_U64(ecs_world_stats(world).system_count, 2);
    CHECK_STATUS(ecs_tick(world, 0.1f), ECS_OK);
    CHECK_EQ_U64(ecs_tick_last(world)->systems_run, 2);
    ecs_world_destroy(world);
}

TEST(memory_full_of_phases_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.phases_max = 6; /* five are there from the start */
    ecs_world *world = world_fixed(desc);
    ecs_phase_desc phase;
    memset(&phase, 0, sizeof phase);
    phase.name = "one more";
    CHECK(ecs_phase_add(world, &phase) != 0);
    phase.name = "one too many";
    REFUSED(world, ecs_phase_add(world, &phase) == 0 ? ecs_world_status(world) : ECS_OK,
            ECS_FULL);
    CHECK_EQ_U64(ecs_phase_find(world, "one too many"), 0);
    CHECK(ecs_phase_find(world, "one more") != 0);
    ecs_world_destroy(world);
}

TEST(memory_full_of_getters_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.getters_max = 1;
    ecs_world *world = world_fixed(desc);
    ecs_getter getter;
    CHECK_STATUS(ecs_getter_make(world, ecs_type_of(Number), &getter), ECS_OK);
    REFUSED(world, ecs_getter_make(world, ecs_type_of(Position), &getter), ECS_FULL);
    ecs_world_destroy(world);
}

TEST(memory_full_of_commands_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.command_bytes_max = 4096;
    ecs_world *world = world_fixed(desc);
    ecs_entity entity = ecs_spawn_with(world, (Number, {1}));
    ecs_commands *cmd = ecs_world_commands(world);
    uint32_t recorded = 0;
    while (ecs_cmd_set(cmd, entity, Number, {recorded}) == ECS_OK) {
        REQUIRE(recorded < 1024);
        recorded++;
    }
    CHECK(recorded > 5);
    REFUSED(world, ecs_cmd_set(cmd, entity, Number, {9999}), ECS_FULL);
    CHECK_EQ_U64(ecs_world_stats(world).commands_recorded, recorded);
    CHECK(ecs_world_stats(world).commands_refused >= 2);
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_get(world, entity, Number)->value, recorded - 1);
    CHECK_STATUS(ecs_cmd_set(cmd, entity, Number, {5}), ECS_OK);
    ecs_world_destroy(world);
}

TEST(memory_full_of_spawns_in_stream_is_intact)
{
    ecs_world_desc desc = desc_zero();
    desc.stream_spawns_max = 4;
    ecs_world *world = world_fixed(desc);
    ecs_commands *cmd = ecs_world_commands(world);
    for (uint32_t i = 0; i < 4; i++) CHECK(!ecs_is_null(ecs_cmd_spawn(cmd)));
    CHECK(ecs_is_null(ecs_cmd_spawn(cmd)));
    CHECK(ecs_is_null(ecs_cmd_spawn_with(cmd, (Number, {1}))));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_entity_count(world), 4);
    CHECK(!ecs_is_null(ecs_cmd_spawn(cmd)));
    ecs_world_destroy(world);
}

/* Refused calls must not eat the memory that the limits promise. */
TEST(memory_refused_calls_use_nothing_up)
{
    ecs_world_desc desc = desc_zero();
    desc.components_max = 12;
    desc.queries_max = 6;
    desc.tables_max = 8;
    desc.chunk_bytes = 4096;
    ecs_world *world = world_fixed(desc);
    static const char long_name[] =
        "a name that is longer than the 63 bytes that the library allows for a name";
    ecs_type bad = {long_name, 4, 4, NULL, 0u, NULL};
    static const ecs_type large = {"Large", 8192, 4, NULL, 0u, NULL};
    ecs_query_info info = numbers;
    ecs_component component = {0};
    ecs_query query = {0};
    ecs_entity entity = ecs_spawn_with(world, (Number, {1}));
    info.name = long_name;
    for (uint32_t i = 0; i < 2000; i++) {
        CHECK_STATUS(ecs_component_define(world, &bad, &component), ECS_TOO_LARGE);
        CHECK_STATUS(ecs_query_make(world, &info, &query), ECS_TOO_LARGE);
        CHECK_STATUS(ecs_add_type(world, entity, &large), ECS_TOO_LARGE); /* fits no chunk */
    }
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_STATUS(ecs_query_make(world, &numbers, &query), ECS_OK);
    }
    for (uint32_t i = 0; i < 10; i++) { /* with Number and Large: all twelve */
        char name[16];
        snprintf(name, sizeof name, "fine%u", (unsigned)i);
        ecs_member member = {"m", 0, 4, ECS_KIND_U32};
        ecs_type good = {name, 4, 4, &member, 1, NULL};
        CHECK_STATUS(ecs_component_define(world, &good, &component), ECS_OK);
        if (i < 6) CHECK_STATUS(ecs_add_id(world, entity, component), ECS_OK);
    }
    CHECK_EQ_U64(ecs_world_stats(world).table_count, 8);
    CHECK_STATUS(ecs_add_id(world, entity, component), ECS_FULL);
    ecs_world_destroy(world);
}

/* ---- counting the C library ----
 *
 * Sanitizers have their own allocator, and C++ another declaration of it: these cases run in
 * the plain C build, the others leave them out. */

#if !defined(__cplusplus) && TEST_SANITIZED == 0

/* Calls of anything that gives or takes memory. Volatile: compilers take it for granted that
 * malloc changes nothing that they can see. */
static volatile uint64_t system_calls;

#ifdef __GLIBC__
#define COUNTS_SYSTEM_CALLS 1

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);
extern void __libc_free(void *memory);

void *malloc(size_t bytes)
{
    system_calls = system_calls + 1;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    system_calls = system_calls + 1;
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    system_calls = system_calls + 1;
    return __libc_realloc(memory, bytes);
}

void free(void *memory)
{
    system_calls = system_calls + 1;
    __libc_free(memory);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    system_calls = system_calls + 1;
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    system_calls = system_calls + 1;
    *out = __libc_memalign(align, bytes);
    return *out == NULL ? 12 : 0;
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset)
{
    system_calls = system_calls + 1;
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
}

int munmap(void *address, size_t bytes)
{
    system_calls = system_calls + 1;
    return (int)syscall(SYS_munmap, address, bytes);
}
#else
#define COUNTS_SYSTEM_CALLS 0
#endif

TEST(memory_fixed_calls_no_c_library_after_creation)
{
    if (COUNTS_SYSTEM_CALLS == 0) SKIP("needs glibc");
    uint64_t start = system_calls;
    void *volatile probe = malloc(10);
    free(probe);
    if (system_calls != start + 2) SKIP("malloc is replaced by somebody else");
    uint32_t count = large_count();
    ecs_world_desc desc = desc_fixed_large(count);
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    uint64_t before = system_calls;
    CHECK(before > start + 2);
    run_direct(world, count);
    CHECK_EQ_U64(system_calls, before);
    run_ticks(world, 10);
    CHECK_EQ_U64(system_calls, before);
    CHECK_STATUS(ecs_world_clear(world), ECS_OK);
    CHECK_EQ_U64(system_calls, before);
    ecs_world_destroy(world);
    CHECK(system_calls > before);
}

/* With an allocator of one's own, the world must not go to the C library behind its back. */
static unsigned char arena[32u << 20];
static size_t arena_used;

static void *arena_alloc(size_t bytes, size_t align, void *user)
{
    size_t at = (arena_used + align - 1) & ~(align - 1);
    size_t base = (uintptr_t)arena % align;
    (void)user;
    at += base == 0 ? 0 : align - base;
    if (at + bytes > sizeof arena) return NULL;
    arena_used = at + bytes;
    return arena + at;
}

static void arena_release(void *memory, size_t bytes, size_t align, void *user)
{
    (void)memory;
    (void)bytes;
    (void)align;
    (void)user;
}

TEST(memory_allocator_is_the_only_source)
{
    if (COUNTS_SYSTEM_CALLS == 0) SKIP("needs glibc");
    ecs_allocator allocator = {arena_alloc, NULL, arena_release, NULL};
    ecs_world_desc desc = desc_zero();
    desc.allocator = &allocator;
    uint64_t before = system_calls;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    run_direct(world, 20000);
    run_ticks(world, 3);
    ecs_world_destroy(world);
    CHECK_EQ_U64(system_calls, before);
}

TEST(memory_buffer_needs_no_allocator_at_all)
{
    if (COUNTS_SYSTEM_CALLS == 0) SKIP("needs glibc");
    ecs_world_desc desc = desc_zero();
    desc.memory = ECS_MEMORY_FIXED;
    desc.entities_max = 30000;
    size_t bytes = ecs_world_bytes(&desc);
    REQUIRE(bytes <= sizeof arena - 64);
    desc.buffer = arena + (64 - (uintptr_t)arena % 64) % 64;
    desc.buffer_bytes = bytes;
    uint64_t before = system_calls;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    run_direct(world, 20000);
    run_ticks(world, 3);
    ecs_world_destroy(world);
    CHECK_EQ_U64(system_calls, before);
}

#endif
