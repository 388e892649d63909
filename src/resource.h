/* resource.h: values of which a world has one. */
/* floor: 6 */
#ifndef ECS_RESOURCE_H
#define ECS_RESOURCE_H

#include "edit.h"

/* A type's value; made by init, or zero, at the first call. */
static ecs_status ecsi_resource_need(ecsi_components *components, uint32_t id, void **out)
{
    ecsi_component *c = ecsi_component_at(components, id);
    uint32_t align = ecsi_max_u32(c->type.align, 16);
    ECSI_CHECK(out != NULL);
    if (c->resource == NULL) {
        size_t bytes = ecsi_align_up((size_t)c->type.bytes + align, 16);
        unsigned char *memory;
        if (c->type.bytes == 0) return ECS_UNSUPPORTED;
        if (bytes > components->resource_bytes_max - components->resource_bytes) return ECS_FULL;
        memory = (unsigned char *)ecsi_keep(components->memory, bytes, 16);
        if (memory == NULL) return components->memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
        components->resource_bytes += bytes;
        c->resource = memory + (ecsi_align_up((size_t)(uintptr_t)memory, align) -
                                (size_t)(uintptr_t)memory);
        ecsi_values_init(c, c->resource, 1);
    }
    ECSI_CHECK((uintptr_t)c->resource % c->type.align == 0);
    *out = c->resource;
    return ECS_OK;
}

/* Ends all resources. */
static void ecsi_resources_destroy(ecsi_components *components)
{
    uint32_t id;
    ECSI_CHECK(components->list.count <= components->max);
    ECSI_CHECK(components->resource_bytes <= components->resource_bytes_max);
    for (id = 1; id <= components->list.count; id++) {
        ecsi_component *c = ecsi_component_at(components, id);
        if (c->resource != NULL) ecsi_values_destroy(c, c->resource, 1);
        c->resource = NULL;
    }
}

#endif /* ECS_RESOURCE_H */
