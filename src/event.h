/* event.h: bounded event buffers and their readers.
 *
 * A buffer has room for twice its capacity, so that the events that are kept are always one
 * array: they move to the front when the end is reached, which costs each event at most one
 * copy. Positions are 64-bit numbers that never repeat. */
/* floor: 6 */
#ifndef ECS_EVENT_H
#define ECS_EVENT_H

#include "component.h"

#ifndef ECS_NO_EVENTS

#define ECSI_EVENT_CAPACITY 1024u
#define ECSI_EVENT_CAPACITY_MAX 0x10000000u

typedef struct ecsi_event {
    unsigned char *data;
    uint32_t component;
    uint32_t bytes;    /* of one event */
    uint32_t capacity;
    uint32_t quota;
    uint32_t policy;
    uint32_t begin;    /* index of the oldest in data */
    uint32_t count;
    uint32_t reader_count;
    uint64_t position; /* of the oldest */
    uint64_t sent;
    uint64_t refused;
    uint64_t overwritten;
    uint64_t unread;
} ecsi_event;

typedef struct ecsi_reader {
    uint32_t event;    /* index plus one; 0: free */
    uint64_t position; /* of the first that it has not seen */
} ecsi_reader;

typedef struct ecsi_events {
    ecsi_components *components;
    ecsi_vec list;    /* of ecsi_event */
    ecsi_vec readers; /* of ecsi_reader */
    uint32_t readers_max;
    size_t bytes;
    size_t bytes_max;
} ecsi_events;

static ecs_status ecsi_events_create(ecsi_events *events)
{
    ecsi_memory *memory = events->components->memory;
    ecs_status status = ecsi_vec_create(memory, &events->list, events->components->max,
                                        sizeof(ecsi_event));
    ECSI_CHECK(events->readers_max > 0);
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &events->readers, events->readers_max,
                                 sizeof(ecsi_reader));
    }
    ECSI_CHECK(status != ECS_FULL);
    return status;
}

static void ecsi_events_destroy(ecsi_events *events)
{
    ecsi_memory *memory = events->components->memory;
    ECSI_CHECK(events->list.count <= events->components->max);
    ECSI_CHECK(events->readers.count <= events->readers_max);
    ecsi_vec_destroy(memory, &events->list, sizeof(ecsi_event));
    ecsi_vec_destroy(memory, &events->readers, sizeof(ecsi_reader));
}

static inline ecsi_event *ecsi_event_at(const ecsi_events *events, uint32_t index)
{
    ECSI_CHECK(index < events->list.count);
    return ECSI_VEC_AT(ecsi_event, &events->list, index);
}

static inline ecsi_reader *ecsi_reader_at(const ecsi_events *events, uint32_t id)
{
    ECSI_CHECK(id != 0 && id <= events->readers.count);
    return ECSI_VEC_AT(ecsi_reader, &events->readers, id - 1);
}

/* Makes the buffer of a type. */
static ecs_status ecsi_event_make(ecsi_events *events, uint32_t id, const ecs_event_desc *desc)
{
    ecsi_memory *memory = events->components->memory;
    ecsi_component *c = ecsi_component_at(events->components, id);
    uint32_t capacity = desc->capacity == 0 ? ECSI_EVENT_CAPACITY : desc->capacity;
    size_t bytes = (size_t)capacity * 2 * c->type.bytes;
    uint32_t align = ecsi_max_u32(c->type.align, 16);
    unsigned char *data;
    ecsi_event *event;
    ecs_status status;
    ECSI_CHECK(c->event == 0);
    ECSI_CHECK(events->bytes <= events->bytes_max);
    if (c->type.bytes == 0) return ECS_UNSUPPORTED;
    if (capacity > ECSI_EVENT_CAPACITY_MAX) return ECS_TOO_LARGE;
    if ((size_t)capacity * 2 > (SIZE_MAX / 2) / c->type.bytes) return ECS_TOO_LARGE;
    bytes = ecsi_align_up(bytes + align, 16);
    if (bytes > events->bytes_max - events->bytes) return ECS_FULL;
    ecsi_registry_lock(events->components);
    status = ecsi_vec_reserve(memory, &events->list, events->list.count + 1,
                              events->components->max, sizeof(ecsi_event));
    ecsi_registry_unlock(events->components);
    if (status != ECS_OK) return status;
    data = (unsigned char *)ecsi_keep(memory, bytes, 16);
    if (data == NULL) return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
    events->bytes += bytes;
    event = ECSI_VEC_AT(ecsi_event, &events->list, events->list.count);
    memset(event, 0, sizeof *event);
    event->data = data + (ecsi_align_up((size_t)(uintptr_t)data, align) -
                          (size_t)(uintptr_t)data);
    event->component = id;
    event->bytes = c->type.bytes;
    event->capacity = capacity;
    event->quota = desc->quota == 0 ? capacity : desc->quota;
    event->policy = (uint32_t)desc->policy;
    ecsi_registry_lock(events->components);
    c->event = ++events->list.count;
    ecsi_registry_unlock(events->components);
    ECSI_CHECK((uintptr_t)event->data % align == 0);
    return ECS_OK;
}

/* The buffer of a type; made with the defaults at the first call. */
static ecs_status ecsi_event_need(ecsi_events *events, uint32_t id, ecsi_event **out)
{
    ecsi_component *c = ecsi_component_at(events->components, id);
    ECSI_CHECK(out != NULL);
    if (c->event == 0) {
        ecs_event_desc desc;
        ecs_status status;
        memset(&desc, 0, sizeof desc);
        status = ecsi_event_make(events, id, &desc);
        if (status != ECS_OK) return status;
    }
    *out = ecsi_event_at(events, c->event - 1);
    ECSI_CHECK((*out)->component == id);
    return ECS_OK;
}

/* Forgets the oldest `count`. */
static void ecsi_event_forget(ecsi_event *event, uint32_t count)
{
    ECSI_CHECK(count <= event->count);
    event->begin += count;
    event->count -= count;
    event->position += count;
    if (event->count == 0) event->begin = 0;
    ECSI_CHECK(event->begin <= event->capacity * 2);
}

/* Forgets what every reader has seen; all of it when there is no reader. */
static void ecsi_event_tidy(ecsi_events *events, ecsi_event *event)
{
    uint64_t oldest = event->position + event->count;
    uint32_t i;
    ECSI_CHECK(event->begin + event->count <= event->capacity * 2);
    if (event->count == 0) return;
    for (i = 1; i <= events->readers.count && event->reader_count > 0; i++) {
        const ecsi_reader *reader = ecsi_reader_at(events, i);
        if (reader->event == 0 || ecsi_event_at(events, reader->event - 1) != event) continue;
        if (reader->position < oldest) oldest = reader->position;
    }
    if (event->reader_count == 0) event->unread += event->count;
    if (oldest > event->position) ecsi_event_forget(event, (uint32_t)(oldest - event->position));
    ECSI_CHECK(event->count <= event->capacity);
}

/* Appends one. ECS_FULL: lost, by the type's policy. */
static ecs_status ecsi_event_append(ecsi_events *events, ecsi_event *event, const void *value)
{
    ECSI_CHECK(value != NULL);
    ECSI_CHECK(event->bytes > 0);
    if (event->count == event->capacity) ecsi_event_tidy(events, event);
    if (event->count == event->capacity) {
        if (event->policy == ECS_EVENT_REFUSE) {
            event->refused++;
            return ECS_FULL;
        }
        ecsi_event_forget(event, 1);
        event->overwritten++;
    }
    if (event->begin + event->count == event->capacity * 2) {
        memmove(event->data, event->data + (size_t)event->begin * event->bytes,
                (size_t)event->count * event->bytes);
        event->begin = 0;
    }
    ECSI_CHECK(event->count < event->capacity);
    ECSI_CHECK(event->begin + event->count < event->capacity * 2);
    memcpy(event->data + (size_t)(event->begin + event->count) * event->bytes, value,
           event->bytes);
    event->count++;
    event->sent++;
    if (event->reader_count == 0) ecsi_event_tidy(events, event);
    return ECS_OK;
}

/* A new reader that sees what comes from now on. */
static ecs_status ecsi_reader_open(ecsi_events *events, uint32_t component, uint32_t *out)
{
    ecsi_memory *memory = events->components->memory;
    ecsi_event *event;
    ecsi_reader *reader;
    uint32_t id = 1;
    ecs_status status = ecsi_event_need(events, component, &event);
    ECSI_CHECK(out != NULL);
    if (status != ECS_OK) return status;
    while (id <= events->readers.count && ecsi_reader_at(events, id)->event != 0) id++;
    if (id > events->readers.count) {
        status = ecsi_vec_reserve(memory, &events->readers, id, events->readers_max,
                                  sizeof(ecsi_reader));
        if (status != ECS_OK) return status;
        events->readers.count = id;
    }
    ECSI_CHECK(id <= events->readers_max);
    reader = ecsi_reader_at(events, id);
    reader->event = ecsi_component_at(events->components, component)->event;
    reader->position = event->position + event->count;
    event->reader_count++;
    ECSI_CHECK(reader->event != 0);
    *out = id;
    return ECS_OK;
}

static void ecsi_reader_close(ecsi_events *events, uint32_t id)
{
    ecsi_reader *reader = ecsi_reader_at(events, id);
    ecsi_event *event = ecsi_event_at(events, reader->event - 1);
    ECSI_CHECK(event->reader_count > 0);
    ECSI_CHECK(reader->position <= event->position + event->count);
    ecsi_event_tidy(events, event);
    event->reader_count--;
    reader->event = 0;
    ecsi_event_tidy(events, event);
}

/* What a reader has not seen. */
static ecs_events ecsi_reader_peek(const ecsi_events *events, uint32_t id)
{
    const ecsi_reader *reader = ecsi_reader_at(events, id);
    const ecsi_event *event = ecsi_event_at(events, reader->event - 1);
    uint64_t from = reader->position;
    uint64_t end = event->position + event->count;
    ecs_events answer;
    ECSI_CHECK(reader->event != 0);
    ECSI_CHECK(from <= end);
    answer.missed = 0;
    if (from < event->position) {
        answer.missed = event->position - from;
        from = event->position;
    }
    answer.count = (uint32_t)(end - from);
    ECSI_CHECK(answer.count <= event->count);
    answer.data = event->data +
                  (size_t)(event->begin + (uint32_t)(from - event->position)) * event->bytes;
    return answer;
}

/* It has seen the first `count` of what ecsi_reader_peek answered. */
static void ecsi_reader_advance(ecsi_events *events, uint32_t id, uint32_t count)
{
    ecsi_reader *reader = ecsi_reader_at(events, id);
    ecsi_event *event = ecsi_event_at(events, reader->event - 1);
    ECSI_CHECK(reader->event != 0);
    if (reader->position < event->position) reader->position = event->position;
    reader->position += count;
    ECSI_CHECK(reader->position <= event->position + event->count);
    ecsi_event_tidy(events, event);
}

#endif /* ECS_NO_EVENTS */

#endif /* ECS_EVENT_H */
