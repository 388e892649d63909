/* component.h: types as a world knows them: identity, hooks, required components. */
/* floor: 5 */
#ifndef ECS_COMPONENT_H
#define ECS_COMPONENT_H

#include "entity.h"
#include "thread.h"

/* Bytes of one value. */
#define ECSI_TYPE_BYTES_MAX (1u << 28)

/* Required pairs: what one component brings along. */
typedef struct ecsi_require {
    uint32_t component;
    uint32_t required;
} ecsi_require;

typedef struct ecsi_component {
    ecs_type type; /* name points to `name`, hooks to `hooks` or NULL */
    ecs_hooks hooks;
    char name[ECS_NAME_BYTES_MAX];
    uint64_t name_hash;
    uint32_t getter;      /* slot plus one; 0: none */
    uint32_t event;       /* index plus one */
    void *resource;       /* its value, once it is one */
    uint32_t *locks;      /* the world's: counts while a hook runs */
    bool lifecycle;       /* copy, move or destroy */
    bool notify;          /* on_add, on_set or on_remove */
    bool references;      /* members of kind ENTITY */
    bool requires_others;
    bool hash_whole;      /* its bytes can be hashed in one go: no padding that we know of */
} ecsi_component;

typedef struct ecsi_components {
    ecsi_memory *memory;
    ecs_world *world;      /* for hooks */
    ecsi_vec list;         /* of ecsi_component *; id minus one */
    ecsi_vec requires_list;
    ecsi_map by_address;
    ecsi_map by_name;
    uint32_t max;
    uint32_t *locks;       /* the world's: counts while a hook runs */
    size_t resource_bytes;
    size_t resource_bytes_max;
    ecsi_atomic_u32 lock;  /* see ecsi_registry_lock */
} ecsi_components;

/* Bytes that ecsi_keep may need for one component, its copied members included. */
#define ECSI_COMPONENT_KEEP_BYTES (sizeof(ecsi_component) + 8 * sizeof(ecs_member) + 64)

static ecs_status ecsi_components_create(ecsi_components *components, uint32_t max)
{
    ecsi_memory *memory = components->memory;
    ecs_status status;
    ECSI_CHECK(max > 0);
    ECSI_CHECK(components->list.data == NULL);
    components->max = max;
    status = ecsi_vec_create(memory, &components->list, max, sizeof(ecsi_component *));
    if (status == ECS_OK) {
        status = ecsi_vec_create(memory, &components->requires_list, max, sizeof(ecsi_require));
    }
    /* Several units may describe one type: each has an address of its own. */
    if (status == ECS_OK) status = ecsi_map_create(memory, &components->by_address, max * 4);
    if (status == ECS_OK) status = ecsi_map_create(memory, &components->by_name, max);
    return status;
}

static inline ecsi_component *ecsi_component_at(const ecsi_components *components, uint32_t id)
{
    ECSI_CHECK(id != 0 && id <= components->list.count);
    return *ECSI_VEC_AT(ecsi_component *, &components->list, id - 1);
}

static inline bool ecsi_component_known(const ecsi_components *components, uint32_t id)
{
    return id != 0 && id <= components->list.count;
}

/* ---- Values ---------------------------------------------------------------------- */

/* Locks the world while a hook runs. Workers that record must not count: in a tick it is locked
 * already. */
static inline uint32_t ecsi_hook_lock(const ecsi_component *component)
{
    ECSI_CHECK(component->locks != NULL);
    if (*component->locks != 0) return 0;
    *component->locks = 1;
    return 1;
}

static inline void ecsi_hook_unlock(const ecsi_component *component, uint32_t locked)
{
    ECSI_CHECK(locked <= 1);
    if (locked != 0) *component->locks = 0;
}

/* Builds `count` values in raw memory: init, or zero. */
static void ecsi_values_init(const ecsi_component *component, void *values, uint32_t count)
{
    ECSI_CHECK(component->type.bytes > 0);
    ECSI_CHECK(values != NULL);
    if (component->hooks.init != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.init(values, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    } else {
        memset(values, 0, (size_t)count * component->type.bytes);
    }
}

/* Builds copies in raw memory. */
static void ecsi_values_copy(const ecsi_component *component, void *to, const void *from,
                             uint32_t count)
{
    ECSI_CHECK(to != from);
    ECSI_CHECK(from != NULL);
    if (component->hooks.copy != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.copy(to, from, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    } else {
        memcpy(to, from, (size_t)count * component->type.bytes);
    }
}

/* Builds in raw memory what `from` held; `from` is raw memory afterwards. */
static void ecsi_values_move(const ecsi_component *component, void *to, void *from,
                             uint32_t count)
{
    ECSI_CHECK(to != from);
    ECSI_CHECK(to != NULL);
    if (component->hooks.move != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.move(to, from, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    } else {
        memcpy(to, from, (size_t)count * component->type.bytes);
    }
}

static void ecsi_values_destroy(const ecsi_component *component, void *values, uint32_t count)
{
    ECSI_CHECK(values != NULL);
    ECSI_CHECK(count > 0);
    if (component->hooks.destroy != NULL) {
        uint32_t locked = ecsi_hook_lock(component);
        component->hooks.destroy(values, count, component->hooks.user);
        ecsi_hook_unlock(component, locked);
    }
}

/* A notice to the user; the world is locked while it runs. */
static void ecsi_notify(const ecsi_components *components,
                        void (*hook)(ecs_world *, ecs_entity, void *, void *),
                        const ecsi_component *component, ecs_entity entity, void *value)
{
    if (hook == NULL) return;
    ECSI_CHECK(components->locks != NULL);
    ECSI_CHECK(!ecs_is_null(entity));
    *components->locks += 1;
    hook(components->world, entity, value, component->hooks.user);
    ECSI_CHECK(*components->locks > 0);
    *components->locks -= 1;
}

/* Systems of asynchronous groups look types up while the world's thread may register some: they
 * lock, and so does who registers. All others need no lock, for only that thread changes it. */
static inline void ecsi_registry_lock(ecsi_components *components)
{
    ECSI_CHECK(components->memory != NULL);
#ifndef ECS_NO_THREADS
    ecsi_lock(&components->lock);
#endif
}

static inline void ecsi_registry_unlock(ecsi_components *components)
{
    ECSI_CHECK(components->memory != NULL);
#ifndef ECS_NO_THREADS
    ecsi_unlock(&components->lock);
#endif
}

/* ---- Registration ---------------------------------------------------------------- */

/* Sizes, alignment and members within the limits, and consistent. */
static ecs_status ecsi_type_check(const ecs_type *type)
{
    uint32_t i;
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_REQUIRE(type->name != NULL, ECS_INVALID);
    if (!ecsi_is_power_of_two(type->align)) return ECS_INVALID;
    if (type->bytes > ECSI_TYPE_BYTES_MAX) return ECS_TOO_LARGE;
    if (type->align > ECS_ALIGN_MAX || type->member_count > ECS_MEMBERS_MAX) return ECS_TOO_LARGE;
    if (type->bytes % type->align != 0) return ECS_INVALID;
    if (type->member_count > 0 && type->members == NULL) return ECS_INVALID;
    for (i = 0; i < type->member_count; i++) {
        const ecs_member *m = &type->members[i];
        if (m->offset > type->bytes || m->bytes > type->bytes - m->offset) return ECS_INVALID;
        if (m->kind > ECS_KIND_ENTITY || m->name == NULL) return ECS_INVALID;
        if (m->kind == ECS_KIND_ENTITY && m->bytes % sizeof(ecs_entity) != 0) return ECS_INVALID;
    }
    return ECS_OK;
}

/* One shape: equal size, alignment and members. */
static bool ecsi_type_equal(const ecs_type *a, const ecs_type *b)
{
    uint32_t i;
    ECSI_CHECK(a != NULL);
    ECSI_CHECK(b != NULL);
    if (a->bytes != b->bytes || a->align != b->align) return false;
    if (a->member_count != b->member_count) return false;
    for (i = 0; i < a->member_count; i++) {
        const ecs_member *x = &a->members[i];
        const ecs_member *y = &b->members[i];
        if (x->offset != y->offset || x->bytes != y->bytes) return false;
        if (strcmp(x->name, y->name) != 0) return false;
        if (x->kind == y->kind) continue;
        /* An enumeration is an integer in C and opaque in C++; references must agree. */
        if (x->kind == ECS_KIND_ENTITY || y->kind == ECS_KIND_ENTITY) return false;
        if (x->kind != ECS_KIND_OPAQUE && y->kind != ECS_KIND_OPAQUE) return false;
    }
    return true;
}

/* Id of a registered name, or 0. */
static uint32_t ecsi_component_by_name(const ecsi_components *components, const char *name)
{
    uint64_t hash = ecsi_hash_text(name);
    uint32_t at = 0;
    uint32_t id = ecsi_map_find(&components->by_name, hash, &at);
    ECSI_CHECK(components->by_name.count == components->list.count);
    while (id != ECSI_MAP_NONE) {
        ECSI_CHECK(ecsi_component_known(components, id));
        if (strcmp(ecsi_component_at(components, id)->name, name) == 0) return id;
        id = ecsi_map_next(&components->by_name, hash, &at);
    }
    return 0;
}

/* Id of a description that was registered by its address, or 0. */
static inline uint32_t ecsi_component_by_address(const ecsi_components *components,
                                                 const ecs_type *type)
{
    uint32_t at;
    uint32_t id = ecsi_map_find(&components->by_address, (uint64_t)(uintptr_t)type, &at);
    return ECSI_LIKELY(id != ECSI_MAP_NONE) ? id : 0;
}

/* Follows from the hooks: which paths must call them. */
static void ecsi_component_hooks_set(ecsi_component *component, const ecs_hooks *hooks)
{
    ECSI_CHECK(component != NULL);
    ECSI_CHECK(hooks != NULL);
    component->hooks = *hooks;
    component->type.hooks = &component->hooks;
    component->lifecycle = hooks->init != NULL || hooks->copy != NULL || hooks->move != NULL ||
                           hooks->destroy != NULL;
    component->notify =
        hooks->on_add != NULL || hooks->on_set != NULL || hooks->on_remove != NULL;
}

/* Follows from the members: references, and whether they leave no gap. */
static void ecsi_component_members_read(ecsi_component *component)
{
    const ecs_type *type = &component->type;
    uint32_t covered = 0;
    uint32_t i;
    ECSI_CHECK(type->member_count <= ECS_MEMBERS_MAX);
    ECSI_CHECK(!component->references);
    for (i = 0; i < type->member_count; i++) {
        if (type->members[i].offset == covered) covered += type->members[i].bytes;
        if (type->members[i].kind == ECS_KIND_ENTITY) component->references = true;
    }
    ECSI_CHECK(covered <= type->bytes);
    component->hash_whole = type->member_count == 0 || covered == type->bytes;
}

/* Makes the new entry. Nothing is changed on failure. */
static ecs_status ecsi_component_insert(ecsi_components *components, const ecs_type *type,
                                        bool copy_members, uint32_t *out)
{
    ecsi_memory *memory = components->memory;
    ecsi_keep_mark mark = ecsi_keep_where(memory);
    ecsi_component *c;
    ecs_status status = ecsi_vec_reserve(memory, &components->list, components->list.count + 1,
                                         components->max, sizeof(ecsi_component *));
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(type->name != NULL);
    if (status == ECS_OK) status = ecsi_map_reserve(memory, &components->by_name);
    if (status != ECS_OK) return status;
    c = (ecsi_component *)ecsi_keep(memory, sizeof *c, 16);
    if (c == NULL) return ECS_NO_MEMORY;
    c->type = *type;
    c->locks = components->locks;
    status = ecsi_name_copy(c->name, type->name);
    if (status != ECS_OK) {
        ecsi_keep_rewind(memory, mark);
        return status;
    }
    c->type.name = c->name;
    c->type.hooks = NULL;
    if (copy_members && type->member_count > 0) {
        size_t bytes = type->member_count * sizeof(ecs_member);
        ecs_member *members = (ecs_member *)ecsi_keep(memory, bytes, 16);
        if (members == NULL) {
            ecsi_keep_rewind(memory, mark);
            return memory->fixed ? ECS_FULL : ECS_NO_MEMORY;
        }
        memcpy(members, type->members, bytes);
        c->type.members = members;
    }
    c->name_hash = ecsi_hash_text(c->name);
    if (type->hooks != NULL) ecsi_component_hooks_set(c, type->hooks);
    ecsi_component_members_read(c);
    *ECSI_VEC_AT(ecsi_component *, &components->list, components->list.count++) = c;
    ecsi_map_put(&components->by_name, c->name_hash, components->list.count);
    *out = components->list.count;
    ECSI_CHECK(components->by_name.count == components->list.count);
    return ECS_OK;
}

/* ecsi_component_register for who holds the lock; the type is checked. */
static ecs_status ecsi_component_enter(ecsi_components *components, const ecs_type *type,
                                          bool by_address, uint32_t *out)
{
    ecsi_memory *memory = components->memory;
    ecs_status status;
    uint32_t id;
    ECSI_CHECK(out != NULL);
    ECSI_CHECK(type->name != NULL);
    if (by_address) {
        status = ecsi_map_reserve(memory, &components->by_address);
        /* A full map of addresses only means that this unit is looked up by name. */
        if (status == ECS_FULL) by_address = false;
        if (status == ECS_NO_MEMORY) return status;
    }
    id = ecsi_component_by_name(components, type->name);
    if (id == 0) {
        status = ecsi_component_insert(components, type, !by_address, &id);
        if (status != ECS_OK) return status;
    } else if (!ecsi_type_equal(&ecsi_component_at(components, id)->type, type)) {
        return ECS_MISMATCH;
    }
    if (by_address) ecsi_map_put(&components->by_address, (uint64_t)(uintptr_t)type, id);
    *out = id;
    ECSI_CHECK(ecsi_component_known(components, id));
    return ECS_OK;
}

/* Finds or makes the entry of a description; `by_address` remembers where it stands. */
static ecs_status ecsi_component_register(ecsi_components *components, const ecs_type *type,
                                          bool by_address, uint32_t *out)
{
    ecs_status status = ecsi_type_check(type);
    ECSI_CHECK(out != NULL);
    *out = 0;
    if (status != ECS_OK) return status;
    ecsi_registry_lock(components);
    status = ecsi_component_enter(components, type, by_address, out);
    ecsi_registry_unlock(components);
    ECSI_CHECK(status != ECS_OK || *out != 0);
    return status;
}

/* The id for a call that edits: registers a type at its first use. */
static inline ecs_status ecsi_component_need(ecsi_components *components, const ecs_type *type,
                                             uint32_t *out)
{
    ECSI_REQUIRE(type != NULL, ECS_INVALID);
    ECSI_CHECK(out != NULL);
    *out = ecsi_component_by_address(components, type);
    ECSI_CHECK(*out == 0 || ecsi_component_known(components, *out));
    if (ECSI_LIKELY(*out != 0)) return ECS_OK;
    return ecsi_component_register(components, type, true, out);
}

/* The id for a call that reads: 0 when the type is not registered. */
static inline uint32_t ecsi_component_seek(const ecsi_components *components,
                                           const ecs_type *type)
{
    uint32_t id = ecsi_component_by_address(components, type);
    ECSI_CHECK(type != NULL);
    ECSI_CHECK(id == 0 || ecsi_component_known(components, id));
    if (ECSI_LIKELY(id != 0)) return id;
    id = ecsi_component_by_name(components, type->name);
    if (id != 0 && !ecsi_type_equal(&ecsi_component_at(components, id)->type, type)) return 0;
    return id;
}

/* ---- Required components --------------------------------------------------------- */

/* Largest number of components that one component brings along, itself included. */
#define ECSI_REQUIRE_MAX 64u

/* What `component` brings along, itself first; answers how many, or ECSI_REQUIRE_MAX + 1
 * when they do not fit `out`, which has room for ECSI_REQUIRE_MAX. */
static uint32_t ecsi_require_closure(const ecsi_components *components, uint32_t component,
                                     uint32_t *out)
{
    uint32_t count = 1;
    uint32_t done;
    out[0] = component;
    ECSI_CHECK(ecsi_component_known(components, component));
    if (!ecsi_component_at(components, component)->requires_others) return 1;
    for (done = 0; done < count; done++) {
        uint32_t i;
        for (i = 0; i < components->requires_list.count; i++) {
            const ecsi_require *r = ECSI_VEC_AT(ecsi_require, &components->requires_list, i);
            uint32_t at = 0;
            if (r->component != out[done]) continue;
            while (at < count && out[at] != r->required) at++;
            if (at < count) continue;
            if (count == ECSI_REQUIRE_MAX) return ECSI_REQUIRE_MAX + 1;
            out[count++] = r->required;
        }
    }
    ECSI_CHECK(count <= ECSI_REQUIRE_MAX);
    return count;
}

/* Puts `id` into a sorted set that has room for it; answers the new length. */
static uint32_t ecsi_set_insert(uint32_t *ids, uint32_t count, uint32_t id)
{
    uint32_t at = count;
    ECSI_CHECK(ids != NULL);
    ECSI_CHECK(id != 0);
    while (at > 0 && ids[at - 1] > id) at--;
    if (at > 0 && ids[at - 1] == id) return count;
    memmove(&ids[at + 1], &ids[at], (count - at) * sizeof *ids);
    ids[at] = id;
    return count + 1;
}

/* Takes `id` out of a sorted set; answers the new length. */
static uint32_t ecsi_set_erase(uint32_t *ids, uint32_t count, uint32_t id)
{
    uint32_t at = 0;
    ECSI_CHECK(ids != NULL);
    ECSI_CHECK(id != 0);
    while (at < count && ids[at] != id) at++;
    if (at == count) return count;
    memmove(&ids[at], &ids[at + 1], (count - at - 1) * sizeof *ids);
    return count - 1;
}

static void ecsi_components_destroy(ecsi_components *components)
{
    ecsi_memory *memory = components->memory;
    ECSI_CHECK(components->list.count <= components->max);
    ECSI_CHECK(components->by_name.count == components->list.count);
    ecsi_vec_destroy(memory, &components->list, sizeof(ecsi_component *));
    ecsi_vec_destroy(memory, &components->requires_list, sizeof(ecsi_require));
    ecsi_map_destroy(memory, &components->by_address);
    ecsi_map_destroy(memory, &components->by_name);
}

#endif /* ECS_COMPONENT_H */
