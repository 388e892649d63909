/* The limits: what a programmer would write by hand for exactly these benchmarks, on plain
 * arrays, without checks, queries or more than two tables. Also the components and the loops
 * over them; ecs.h and the limits run the very same loops, so that a ratio shows the cost
 * of the library alone. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "bench.h"

typedef struct { float x, y; } Position;
typedef struct { float x, y; } Velocity;
typedef struct { float x, y; } Accel;
typedef struct { float v; } Value;
typedef struct { int32_t thingy; double dingy; bool mingy; uint32_t seed, numgy; } Data;
typedef struct { int32_t hp, max, status; } Health;
typedef struct { int32_t attack, defence; } Damage;
typedef struct { int32_t type; } Player;
typedef struct { char c; } Sprite;
ECS_COMPONENT(Position, x, y);
ECS_COMPONENT(Velocity, x, y);
ECS_COMPONENT(Accel, x, y);
ECS_COMPONENT(Value, v);
ECS_COMPONENT(Data, thingy, dingy, mingy, seed, numgy);
ECS_COMPONENT(Health, hp, max, status);
ECS_COMPONENT(Damage, attack, defence);
ECS_COMPONENT(Player, type);
ECS_COMPONENT(Sprite, c);

enum { STATUS_SPAWN = 0, STATUS_DEAD = 1, STATUS_ALIVE = 2 };
enum { FRAME_WIDTH = 320, FRAME_HEIGHT = 240 };

/* 1/64: products with it are exact, so that compilers that fuse and those that do not agree. */
#define STEP_S 0.015625f

/* Values of the entity that was created as number `i`. */
static inline Position position_of(uint32_t i)
{
    return (Position){(float)(i % 1024), (float)(i % 512)};
}

static inline Velocity velocity_of(uint32_t i)
{
    return (Velocity){(float)(i % 5) - 2.0f, (float)(i % 7) - 3.0f};
}

static inline Accel accel_of(uint32_t i)
{
    return (Accel){(float)(i % 3) - 1.0f, (float)(i % 2)};
}

/* ---- Loops over rows ------------------------------------------------------------ */

BENCH_NOINLINE static void rows_shift(Position *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) p[i].x += 1.0f;
}

BENCH_NOINLINE static void rows_shift_both(Position *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        p[i].x += 1.0f;
        p[i].y += 1.0f;
    }
}

BENCH_NOINLINE static void rows_move(Position *p, const Velocity *v, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        p[i].x += v[i].x * STEP_S;
        p[i].y += v[i].y * STEP_S;
    }
}

BENCH_NOINLINE static void rows_accelerate(Position *p, Velocity *v, const Accel *a,
                                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        p[i].x += v[i].x * STEP_S;
        p[i].y += v[i].y * STEP_S;
        v[i].x += a[i].x * STEP_S;
        v[i].y += a[i].y * STEP_S;
    }
}

BENCH_NOINLINE static void rows_double(Value *value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) value[i].v *= 2.0f;
}

/* ---- The seven systems of `mixed7` ------------------------------------------------ */

BENCH_NOINLINE static void rows_data(Data *d, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t seed = d[i].seed;
        d[i].thingy = (d[i].thingy + 1) % 1000000;
        d[i].dingy += 0.0001 * (double)STEP_S;
        d[i].mingy = !d[i].mingy;
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        d[i].seed = seed;
        d[i].numgy = seed;
    }
}

BENCH_NOINLINE static void rows_turn(const Position *p, Velocity *v, const Data *d,
                                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        float a, b;
        if (d[i].thingy % 10 != 0) continue;
        a = (float)((int32_t)(d[i].numgy % 19u) - 10);
        b = (float)((int32_t)(d[i].numgy % 21u) - 10);
        v[i].x = p[i].x > p[i].y ? a : b;
        v[i].y = p[i].x > p[i].y ? b : a;
    }
}

BENCH_NOINLINE static void rows_health(Health *h, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (h[i].hp <= 0 && h[i].status != STATUS_DEAD) {
            h[i].hp = 0;
            h[i].status = STATUS_DEAD;
        } else if (h[i].status == STATUS_DEAD && h[i].hp == 0) {
            h[i].hp = h[i].max;
            h[i].status = STATUS_SPAWN;
        } else {
            h[i].status = STATUS_ALIVE;
        }
    }
}

BENCH_NOINLINE static void rows_damage(Health *h, const Damage *d, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int32_t total = d[i].attack - d[i].defence;
        if (h[i].hp > 0 && total > 0) h[i].hp = h[i].hp > total ? h[i].hp - total : 0;
    }
}

BENCH_NOINLINE static void rows_sprite(Sprite *s, const Player *player, const Health *h,
                                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char c = ' ';
        switch (h[i].status) {
        case STATUS_ALIVE:
            c = player[i].type == 2 ? '@' : player[i].type == 1 ? 'k' : 'h';
            break;
        case STATUS_DEAD: c = '|'; break;
        case STATUS_SPAWN: c = '_'; break;
        default: break;
        }
        s[i].c = c;
    }
}

static char bench_frame[FRAME_WIDTH * FRAME_HEIGHT];

BENCH_NOINLINE static void rows_render(const Position *p, const Sprite *s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int x = (int)p[i].x;
        int y = (int)p[i].y;
        if (y < 0 || y >= FRAME_HEIGHT || x < 0 || x >= FRAME_WIDTH) continue;
        bench_frame[x + y * FRAME_WIDTH] = s[i].c;
    }
}

/* ---- Two tables by hand ------------------------------------------------------------ */

typedef struct raw_table {
    Position *pos;
    Velocity *vel;
    Accel *acc; /* NULL: the table without */
    uint32_t *owner;
    uint32_t count, capacity;
} raw_table;

/* Table 0 holds positions and velocities, table 1 accelerations as well. */
typedef struct raw_store {
    raw_table table[2];
    uint32_t *row; /* by slot */
    uint32_t *generation;
    uint32_t *free_slots;
    uint32_t slot_count, free_count, capacity;
} raw_store;

static inline void *raw_resize(void *memory, size_t count, size_t bytes)
{
    void *answer = realloc(memory, count * bytes);
    bench_need(answer != NULL, "realloc");
    return answer;
}

static void raw_table_reserve(raw_table *table, uint32_t capacity, bool accelerated)
{
    table->pos = (Position *)raw_resize(table->pos, capacity, sizeof(Position));
    table->vel = (Velocity *)raw_resize(table->vel, capacity, sizeof(Velocity));
    table->owner = (uint32_t *)raw_resize(table->owner, capacity, sizeof(uint32_t));
    if (accelerated) table->acc = (Accel *)raw_resize(table->acc, capacity, sizeof(Accel));
    table->capacity = capacity;
}

static void raw_slots_reserve(raw_store *store, uint32_t capacity)
{
    store->row = (uint32_t *)raw_resize(store->row, capacity, sizeof(uint32_t));
    store->generation = (uint32_t *)raw_resize(store->generation, capacity, sizeof(uint32_t));
    store->free_slots = (uint32_t *)raw_resize(store->free_slots, capacity, sizeof(uint32_t));
    store->capacity = capacity;
}

static void raw_free(raw_store *store)
{
    for (uint32_t i = 0; i < 2; i++) {
        free(store->table[i].pos);
        free(store->table[i].vel);
        free(store->table[i].acc);
        free(store->table[i].owner);
    }
    free(store->row);
    free(store->generation);
    free(store->free_slots);
    memset(store, 0, sizeof *store);
}

static inline uint32_t raw_spawn(raw_store *store, Position pos, Velocity vel)
{
    raw_table *table = &store->table[0];
    uint32_t row = table->count++;
    uint32_t slot;
    if (row == table->capacity) raw_table_reserve(table, row < 16 ? 16 : row * 2, false);
    if (store->free_count > 0) {
        slot = store->free_slots[--store->free_count];
    } else {
        slot = store->slot_count++;
        if (slot == store->capacity) raw_slots_reserve(store, slot < 16 ? 16 : slot * 2);
        store->generation[slot] = 1;
    }
    table->pos[row] = pos;
    table->vel[row] = vel;
    table->owner[row] = slot;
    store->row[slot] = row;
    return slot;
}

/* The last row fills the hole. */
static inline void raw_unrow(raw_store *store, raw_table *table, uint32_t row)
{
    uint32_t last = --table->count;
    uint32_t moved = table->owner[last];
    table->pos[row] = table->pos[last];
    table->vel[row] = table->vel[last];
    if (table->acc != NULL) table->acc[row] = table->acc[last];
    table->owner[row] = moved;
    store->row[moved] = row;
}

static inline void raw_despawn(raw_store *store, uint32_t slot)
{
    raw_unrow(store, &store->table[0], store->row[slot]);
    store->generation[slot]++;
    store->free_slots[store->free_count++] = slot;
}

/* Between the tables, which have room already: `to` 1 adds the acceleration, 0 removes it. */
static inline void raw_move(raw_store *store, uint32_t slot, uint32_t to)
{
    raw_table *source = &store->table[1 - to];
    raw_table *target = &store->table[to];
    uint32_t from_row = store->row[slot];
    uint32_t to_row = target->count++;
    target->pos[to_row] = source->pos[from_row];
    target->vel[to_row] = source->vel[from_row];
    if (to == 1) target->acc[to_row] = (Accel){0, 0};
    target->owner[to_row] = slot;
    raw_unrow(store, source, from_row);
    store->row[slot] = to_row;
}

#endif /* BENCH_RAW_H */
