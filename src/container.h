/* container.h: the hash map that everything is found by. */
/* floor: 3 */
#ifndef ECS_CONTAINER_H
#define ECS_CONTAINER_H

#include "memory.h"

/* Open addressing with linear probing over 64-bit keys; at most half full. Keys may repeat:
 * where a key is a hash, the caller compares what the values stand for and goes on. There
 * is no removal. Key and value 0xffffffff are never stored. */

#define ECSI_MAP_NONE 0xffffffffu

typedef struct ecsi_map_slot {
    uint64_t key;
    uint32_t value; /* ECSI_MAP_NONE: free */
} ecsi_map_slot;

typedef struct ecsi_map {
    ecsi_map_slot *slots;
    uint32_t slot_count; /* power of two; 0 before the first insert */
    uint32_t shift;      /* 64 - log2(slot_count) */
    uint32_t count;
} ecsi_map;

static inline uint32_t ecsi_map_home(const ecsi_map *map, uint64_t key)
{
    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> map->shift);
}

/* The first value of `key`, or ECSI_MAP_NONE. `at` remembers where, for ecsi_map_next. */
static inline uint32_t ecsi_map_find(const ecsi_map *map, uint64_t key, uint32_t *at)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t i;
    if (map->slot_count == 0) return ECSI_MAP_NONE;
    ECSI_CHECK(map->count <= map->slot_count / 2);
    ECSI_CHECK(ecsi_is_power_of_two(map->slot_count));
    for (i = ecsi_map_home(map, key);; i = (i + 1) & mask) {
        const ecsi_map_slot *slot = &map->slots[i];
        if (slot->value == ECSI_MAP_NONE || slot->key == key) {
            *at = i;
            return slot->value;
        }
    }
}

/* The next value of the same key. */
static inline uint32_t ecsi_map_next(const ecsi_map *map, uint64_t key, uint32_t *at)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t i;
    ECSI_CHECK(map->slot_count > 0);
    ECSI_CHECK(*at < map->slot_count);
    ECSI_CHECK(map->slots[*at].key == key);
    for (i = (*at + 1) & mask;; i = (i + 1) & mask) {
        const ecsi_map_slot *slot = &map->slots[i];
        if (slot->value == ECSI_MAP_NONE || slot->key == key) {
            *at = i;
            return slot->value;
        }
    }
}

static void ecsi_map_put(ecsi_map *map, uint64_t key, uint32_t value)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t i = ecsi_map_home(map, key);
    ECSI_CHECK(map->count < map->slot_count / 2);
    ECSI_CHECK(value != ECSI_MAP_NONE);
    while (map->slots[i].value != ECSI_MAP_NONE) i = (i + 1) & mask;
    map->slots[i].key = key;
    map->slots[i].value = value;
    map->count++;
}

/* Gives the map `slot_count` empty slots and puts in what it held. */
static ecs_status ecsi_map_rehash(ecsi_memory *memory, ecsi_map *map, uint32_t slot_count)
{
    ecsi_map old = *map;
    size_t bytes = slot_count * sizeof(ecsi_map_slot);
    uint32_t i;
    ECSI_CHECK(ecsi_is_power_of_two(slot_count));
    ECSI_CHECK(slot_count >= old.slot_count);
    map->slots = (ecsi_map_slot *)ecsi_alloc(memory, bytes, ECSI_MALLOC_ALIGN);
    if (map->slots == NULL) {
        *map = old;
        return memory->measuring ? ECS_OK : ECS_NO_MEMORY;
    }
    memset(map->slots, 0xff, bytes);
    map->slot_count = slot_count;
    map->shift = 64 - ecsi_lowest_bit(slot_count);
    map->count = 0;
    for (i = 0; i < old.slot_count; i++) {
        if (old.slots[i].value != ECSI_MAP_NONE) {
            ecsi_map_put(map, old.slots[i].key, old.slots[i].value);
        }
    }
    ECSI_CHECK(map->count == old.count);
    ecsi_release(memory, old.slots, old.slot_count * sizeof(ecsi_map_slot), ECSI_MALLOC_ALIGN);
    return ECS_OK;
}

/* Makes sure that one more can be put. */
static ecs_status ecsi_map_reserve(ecsi_memory *memory, ecsi_map *map)
{
    if (ECSI_LIKELY(map->count + 1 <= map->slot_count / 2)) return ECS_OK;
    if (memory->fixed) return ECS_FULL;
    ECSI_CHECK(map->slot_count < 0x80000000u);
    ECSI_CHECK(map->count <= map->slot_count);
    return ecsi_map_rehash(memory, map, map->slot_count == 0 ? 16 : map->slot_count * 2);
}

/* At creation: room for `max` in fixed mode. */
static ecs_status ecsi_map_create(ecsi_memory *memory, ecsi_map *map, uint32_t max)
{
    ECSI_CHECK(map->slots == NULL);
    ECSI_CHECK(max < 0x20000000u);
    if (!memory->fixed) return ECS_OK;
    return ecsi_map_rehash(memory, map, ecsi_round_up_power(ecsi_max_u32(max, 4) * 2 + 2));
}

static void ecsi_map_destroy(ecsi_memory *memory, ecsi_map *map)
{
    ECSI_CHECK(map->count <= map->slot_count);
    ECSI_CHECK(map->slot_count == 0 || map->slots != NULL);
    ecsi_release(memory, map->slots, map->slot_count * sizeof(ecsi_map_slot), ECSI_MALLOC_ALIGN);
    map->slots = NULL;
    map->slot_count = 0;
    map->count = 0;
}

#endif /* ECS_CONTAINER_H */
