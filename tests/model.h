/* model.h: the reference model. Plain arrays that are obviously right, driven by the same
 * stream of operations as a world and compared with it: handles, components, values, queries,
 * notices of hooks, counts and statuses.
 *
 *     model m;
 *     model_open(&m, &source, &config);
 *     while (model_step(&m)) {}
 *     model_close(&m);
 *
 * A source is a random seed (tests/unit/model.c) or bytes (tests/fuzz/fuzz_commands.c).
 * What the model knows about the library is only its documentation. Slots are plain: the
 * model predicts each handle, because free slots are used again last freed first. Where
 * the order of freeing is not documented (bulk despawn), slots freed together share a stamp
 * and each of them is accepted.
 *
 * A difference prints source, step and operation, and ends with MODEL_STOP(). */

#ifndef ECS_TESTS_MODEL_H
#define ECS_TESTS_MODEL_H

#include <stdarg.h>

#ifndef MODEL_STOP
#define MODEL_STOP() test_stop()
#endif

/* ---- The components: one of each kind -------------------------------------------------- */

typedef struct MPlain { int32_t a; int32_t b; } MPlain;
ECS_COMPONENT(MPlain, a, b);
typedef uint8_t MByte;
ECS_COMPONENT(MByte);
ECS_TAG(MTag);
ECS_TAG(MMark); /* a tag with notices */
typedef struct MHeap { uint32_t *number; } MHeap; /* owns memory; copied when set */
ECS_COMPONENT(MHeap);
typedef struct MOwned { uint32_t *number; } MOwned; /* owns memory; taken over when set */
ECS_COMPONENT(MOwned);
typedef struct MSelf { struct MSelf *self; uint32_t number; uint32_t twice; } MSelf;
ECS_COMPONENT(MSelf); /* knows its own address */
typedef struct MWide { _Alignas(64) uint32_t words[16]; } MWide;
ECS_COMPONENT(MWide, words);
typedef struct MBig { uint32_t words[50]; } MBig;
ECS_COMPONENT(MBig, words);
typedef struct MLink { ecs_entity to; ecs_entity more[2]; uint32_t number; uint32_t twice; } MLink;
ECS_COMPONENT(MLink, to, more, number, twice);
typedef struct MLoud { uint64_t number; } MLoud; /* plain, with all notices */
ECS_COMPONENT(MLoud, number);
typedef struct MNeeds { uint32_t number; } MNeeds; /* requires MBase and MMark */
ECS_COMPONENT(MNeeds, number);
typedef uint16_t MBase; /* requires MPlain */
ECS_COMPONENT(MBase);

/* In the order of registration, so of rising id. */
enum {
    MODEL_PLAIN, MODEL_BYTE, MODEL_TAG, MODEL_MARK, MODEL_HEAP, MODEL_OWNED, MODEL_SELF,
    MODEL_WIDE, MODEL_BIG, MODEL_LINK, MODEL_LOUD, MODEL_NEEDS, MODEL_BASE, MODEL_KINDS
};

enum {
    MODEL_SLOTS_MAX = 320,     /* the world's entities_max is at most this */
    MODEL_COMMANDS_MAX = 1024, /* between two flushes */
    MODEL_NOTICES_MAX = 16384, /* of one operation */
    MODEL_QUERIES_MAX = 24,
    MODEL_TERMS_MAX = 8,
    MODEL_OLD_COUNT = 32,
    MODEL_LINKS = 3,
    MODEL_BULK_MAX = 40,
    MODEL_NUMBER_MAX = 60000,
    MODEL_HEAP_INIT = 77, /* what init hooks build */
    MODEL_SELF_INIT = 78
};

typedef union model_bytes {
    _Alignas(64) MWide wide;
    MPlain plain;
    MByte byte;
    MHeap heap;
    MOwned owned;
    MSelf self;
    MBig big;
    MLink link;
    MLoud loud;
    MNeeds needs;
    MBase base;
} model_bytes;

/* ---- The model's data -------------------------------------------------------------------- */

/* The whole content of a value follows from its number; links have their handles. */
typedef struct model_value {
    bool present;
    uint32_t number;
    ecs_entity links[MODEL_LINKS];
} model_value;

typedef struct model_slot {
    bool alive;
    bool reserved; /* a spawn of the flush that runs has it, and is yet to be applied */
    uint32_t generation; /* of the living entity, or of the next one to live here */
    uint64_t freed_at;   /* stamp; the free slot with the highest is used next */
    model_value values[MODEL_KINDS];
} model_slot;

typedef enum model_verb {
    MODEL_SPAWN, MODEL_DESPAWN, MODEL_ADD, MODEL_SET, MODEL_REMOVE, MODEL_CUSTOM
} model_verb;

typedef struct model_command {
    model_verb verb;
    uint32_t kind;
    ecs_entity target; /* real or provisional */
    ecs_entity real;   /* known while the flush is modelled */
    model_value value;
} model_command;

typedef struct model_notice {
    char what; /* + on_add, = on_set, - on_remove */
    uint32_t kind;
    ecs_entity entity;
    uint32_t number; /* 0 for on_add: its value is not documented */
} model_notice;

typedef struct model_ledger {
    model_notice list[MODEL_NOTICES_MAX];
    uint32_t count;
} model_ledger;

typedef struct model_query {
    ecs_query query;
    uint32_t count;
    ecs_term terms[MODEL_TERMS_MAX];
    uint32_t kinds[MODEL_TERMS_MAX];
} model_query;

typedef struct model_source {
    const uint8_t *data; /* NULL: random */
    size_t bytes;
    size_t at;
    uint64_t state;
    uint64_t name; /* the seed, for messages */
} model_source;

typedef struct model_config {
    ecs_world_desc desc;
    uint32_t steps;
    bool scarce;      /* memory may run out: refusals are no-ops, and there are no commands */
    bool small_quota; /* commands may be refused */
} model_config;

typedef struct model model;
typedef struct model_user {
    model *owner;
    uint32_t kind;
} model_user;

struct model {
    ecs_world *world;
    model_source *source;
    model_config config;
    ecs_component ids[MODEL_KINDS];
    model_user users[MODEL_KINDS];
    ecs_getter getters[MODEL_KINDS];
    model_slot slots[MODEL_SLOTS_MAX];
    uint32_t slot_count;
    uint32_t alive_count;
    uint32_t reserved_count;
    uint64_t stamp;
    ecs_entity old[MODEL_OLD_COUNT]; /* handles that were valid once */
    uint32_t old_count;
    model_command commands[MODEL_COMMANDS_MAX];
    uint32_t command_count;
    uint32_t applied; /* commands[0, applied) are modelled already in this flush */
    bool spawned;     /* this flush has given out its handles */
    uint64_t dropped;
    uint64_t refused;
    uint64_t refusals; /* of memory */
    ecs_entity provisional[64]; /* of the commands that wait */
    uint32_t provisional_count;
    ecs_entity last_provisional; /* of an earlier flush */
    model_query queries[MODEL_QUERIES_MAX];
    uint32_t query_count;
    model_ledger wanted;
    model_ledger seen;
    bool failing; /* the scarce allocator may fail now */
    int64_t live[MODEL_KINDS]; /* values in existence, of kinds with hooks */
    uint32_t step;
    const char *operation;
};

static const ecs_type *model_type(uint32_t kind)
{
    static const ecs_type *const types[MODEL_KINDS] = {
        ecs_type_of(MPlain), ecs_type_of(MByte), ecs_type_of(MTag),  ecs_type_of(MMark),
        ecs_type_of(MHeap),  ecs_type_of(MOwned), ecs_type_of(MSelf), ecs_type_of(MWide),
        ecs_type_of(MBig),   ecs_type_of(MLink), ecs_type_of(MLoud), ecs_type_of(MNeeds),
        ecs_type_of(MBase)};
    return types[kind];
}

static bool model_is_tag(uint32_t kind)
{
    return kind == MODEL_TAG || kind == MODEL_MARK;
}

/* Has notices. */
static bool model_is_loud(uint32_t kind)
{
    return kind == MODEL_MARK || kind == MODEL_HEAP || kind == MODEL_OWNED || kind == MODEL_LOUD;
}

static bool model_is_counted(uint32_t kind)
{
    return kind == MODEL_HEAP || kind == MODEL_OWNED || kind == MODEL_SELF;
}

__attribute__((format(printf, 2, 3))) static void model_fail(model *m, const char *format, ...)
{
    va_list arguments;
    if (m->source->data != NULL) {
        printf("    model: byte %zu of %zu", m->source->at, m->source->bytes);
    } else {
        printf("    model: seed %llu", (unsigned long long)m->source->name);
    }
    printf(", step %u, %s: ", (unsigned)m->step, m->operation);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    MODEL_STOP();
}

#define MODEL_CHECK(m, condition)                                                  \
    do {                                                                           \
        if (!(condition)) model_fail((m), "line %d: %s", __LINE__, #condition);    \
    } while (0)
#define MODEL_STATUS(m, call, wanted)                                              \
    do {                                                                           \
        ecs_status model_got = (call);                                             \
        if (model_got != (wanted)) {                                               \
            model_fail((m), "line %d: %s: %s", __LINE__, #call, ecs_status_text(model_got)); \
        }                                                                          \
    } while (0)

/* ---- Choices ------------------------------------------------------------------------------ */

static uint64_t model_mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below the limit; 0 once the bytes are used up. */
static uint32_t model_pick(model_source *source, uint32_t limit)
{
    uint32_t word = 0;
    if (source->data == NULL) {
        return (uint32_t)(((model_mix(&source->state) >> 32) * (uint64_t)limit) >> 32);
    }
    if (source->at < source->bytes) word = source->data[source->at++];
    if (limit > 256 && source->at < source->bytes) word = word << 8 | source->data[source->at++];
    return word % limit;
}

static bool model_ended(const model_source *source)
{
    return source->data != NULL && source->at >= source->bytes;
}

static uint32_t model_number(model *m, uint32_t kind)
{
    uint32_t number = 1 + model_pick(m->source, MODEL_NUMBER_MAX);
    if (kind == MODEL_BYTE) return number & 0xffu;
    return model_is_tag(kind) ? 0 : number;
}

static uint32_t model_init_number(uint32_t kind)
{
    if (kind == MODEL_HEAP) return MODEL_HEAP_INIT;
    return kind == MODEL_SELF ? MODEL_SELF_INIT : 0;
}

static model_slot *model_find(model *m, ecs_entity entity)
{
    model_slot *slot;
    if (ecs_index(entity) >= m->slot_count) return NULL;
    slot = &m->slots[ecs_index(entity)];
    return slot->alive && slot->generation == ecs_generation(entity) ? slot : NULL;
}

static ecs_entity model_handle(const model *m, uint32_t index)
{
    ecs_entity entity;
    entity.bits = (uint64_t)m->slots[index].generation << 32 | index;
    return entity;
}

/* Some handle: mostly of a living entity, else null, stale, never given out, or forged. */
static ecs_entity model_target(model *m)
{
    uint32_t way = model_pick(m->source, 24);
    uint32_t tries;
    if (way == 0) return ecs_null();
    if (way <= 2 && m->old_count > 0) {
        uint32_t kept = m->old_count < MODEL_OLD_COUNT ? m->old_count : MODEL_OLD_COUNT;
        return m->old[model_pick(m->source, kept)];
    }
    if (m->slot_count == 0) return ecs_null();
    if (way == 3) { /* of a dead slot this is the handle that it will give out next */
        return model_handle(m, model_pick(m->source, m->slot_count));
    }
    if (way == 4) {
        ecs_entity forged;
        forged.bits = (uint64_t)(1 + model_pick(m->source, 3)) << 32 | (m->slot_count + 1);
        return forged;
    }
    for (tries = 0; tries < 4; tries++) {
        uint32_t index = model_pick(m->source, m->slot_count);
        if (m->slots[index].alive) return model_handle(m, index);
    }
    return ecs_null();
}

/* What a link may point to: anything but a forged handle. */
static ecs_entity model_link_target(model *m, bool in_command)
{
    uint32_t way = model_pick(m->source, 4);
    if (way == 0) return ecs_null();
    if (in_command && way <= 2 && m->provisional_count > 0) {
        return m->provisional[model_pick(m->source, m->provisional_count)];
    }
    return model_target(m);
}

static model_value model_value_new(model *m, uint32_t kind, bool in_command)
{
    model_value value;
    uint32_t i;
    memset(&value, 0, sizeof value);
    value.present = true;
    value.number = model_number(m, kind);
    for (i = 0; i < MODEL_LINKS && kind == MODEL_LINK; i++) {
        value.links[i] = model_link_target(m, in_command);
    }
    return value;
}

/* ---- Values ------------------------------------------------------------------------------- */

static uint32_t *model_box(uint32_t number)
{
    uint32_t *box = (uint32_t *)malloc(sizeof *box);
    if (box == NULL) abort();
    *box = number;
    return box;
}

static void model_words(uint32_t *words, uint32_t count, uint32_t number)
{
    uint32_t i;
    for (i = 0; i < count; i++) words[i] = number == 0 ? 0 : number * 31u + i;
}

/* Writes what a value is made of into existing memory, as user code would. */
static void model_store(uint32_t kind, void *to, const model_value *value)
{
    uint32_t n = value->number;
    switch (kind) {
    case MODEL_PLAIN: ((MPlain *)to)->a = (int32_t)n, ((MPlain *)to)->b = -(int32_t)n; break;
    case MODEL_BYTE: *(MByte *)to = (MByte)n; break;
    case MODEL_HEAP: *((MHeap *)to)->number = n; break;
    case MODEL_OWNED:
        if (((MOwned *)to)->number == NULL) ((MOwned *)to)->number = model_box(n);
        *((MOwned *)to)->number = n;
        break;
    case MODEL_SELF: ((MSelf *)to)->number = n, ((MSelf *)to)->twice = n * 2; break;
    case MODEL_WIDE: model_words(((MWide *)to)->words, 16, n); break;
    case MODEL_BIG: model_words(((MBig *)to)->words, 50, n); break;
    case MODEL_LINK:
        ((MLink *)to)->to = value->links[0];
        ((MLink *)to)->more[0] = value->links[1];
        ((MLink *)to)->more[1] = value->links[2];
        ((MLink *)to)->number = n;
        ((MLink *)to)->twice = n * 2;
        break;
    case MODEL_LOUD: ((MLoud *)to)->number = n; break;
    case MODEL_NEEDS: ((MNeeds *)to)->number = n; break;
    case MODEL_BASE: *(MBase *)to = (MBase)n; break;
    default: break;
    }
}

/* A value outside the world, as a caller has it before a set. */
static void model_make(model *m, uint32_t kind, void *to, const model_value *value)
{
    if (kind == MODEL_HEAP) ((MHeap *)to)->number = model_box(0);
    if (kind == MODEL_OWNED) ((MOwned *)to)->number = NULL;
    if (kind == MODEL_SELF) ((MSelf *)to)->self = (MSelf *)to;
    if (model_is_counted(kind)) m->live[kind]++;
    model_store(kind, to, value);
}

/* The caller's value after the call: one that was taken over is not his any more. */
static void model_unmake(model *m, uint32_t kind, void *value, bool taken)
{
    if (!model_is_counted(kind) || (kind == MODEL_OWNED && taken)) return;
    if (kind == MODEL_HEAP) free(((MHeap *)value)->number);
    if (kind == MODEL_OWNED) free(((MOwned *)value)->number);
    m->live[kind]--;
}

static bool model_words_are(const uint32_t *words, uint32_t count, uint32_t number)
{
    uint32_t i;
    for (i = 0; i < count; i++) {
        if (words[i] != (number == 0 ? 0 : number * 31u + i)) return false;
    }
    return true;
}

static bool model_link_is(const MLink *link, const model_value *value)
{
    return ecs_equal(link->to, value->links[0]) && ecs_equal(link->more[0], value->links[1]) &&
           ecs_equal(link->more[1], value->links[2]) && link->number == value->number &&
           link->twice == value->number * 2;
}

/* True if the memory holds exactly this value. */
static bool model_equal(uint32_t kind, const void *at, const model_value *value)
{
    uint32_t n = value->number;
    if (at == NULL || (uintptr_t)at % model_type(kind)->align != 0) return false;
    switch (kind) {
    case MODEL_PLAIN: return ((const MPlain *)at)->a == (int32_t)n &&
                             ((const MPlain *)at)->b == -(int32_t)n;
    case MODEL_BYTE: return *(const MByte *)at == n;
    case MODEL_HEAP: return *((const MHeap *)at)->number == n;
    case MODEL_OWNED:
        return ((const MOwned *)at)->number == NULL ? n == 0 : *((const MOwned *)at)->number == n;
    case MODEL_SELF: return ((const MSelf *)at)->self == at &&
                            ((const MSelf *)at)->number == n &&
                            ((const MSelf *)at)->twice == n * 2;
    case MODEL_WIDE: return model_words_are(((const MWide *)at)->words, 16, n);
    case MODEL_BIG: return model_words_are(((const MBig *)at)->words, 50, n);
    case MODEL_LINK: return model_link_is((const MLink *)at, value);
    case MODEL_LOUD: return ((const MLoud *)at)->number == n;
    case MODEL_NEEDS: return ((const MNeeds *)at)->number == n;
    case MODEL_BASE: return *(const MBase *)at == (uint16_t)n;
    default: return true;
    }
}

/* ---- Hooks -------------------------------------------------------------------------------- */

static void model_heap_init(void *to, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    uint32_t i;
    for (i = 0; i < count; i++) ((MHeap *)to)[i].number = model_box(MODEL_HEAP_INIT);
    u->owner->live[u->kind] += count;
}

static void model_heap_copy(void *to, const void *from, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    uint32_t i;
    for (i = 0; i < count; i++) {
        ((MHeap *)to)[i].number = model_box(*((const MHeap *)from)[i].number);
    }
    u->owner->live[u->kind] += count;
}

/* MHeap and MOwned are laid out alike; an MOwned that nobody set is NULL. */
static void model_heap_destroy(void *values, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    uint32_t i;
    for (i = 0; i < count; i++) free(((MHeap *)values)[i].number);
    u->owner->live[u->kind] -= count;
}

static void model_owned_init(void *to, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    memset(to, 0, count * sizeof(MOwned));
    u->owner->live[u->kind] += count;
}

static void model_self_init(void *to, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    MSelf *self = (MSelf *)to;
    uint32_t i;
    for (i = 0; i < count; i++) {
        self[i].self = &self[i];
        self[i].number = MODEL_SELF_INIT;
        self[i].twice = MODEL_SELF_INIT * 2;
    }
    u->owner->live[u->kind] += count;
}

static void model_self_copy(void *to, const void *from, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    const MSelf *source = (const MSelf *)from;
    MSelf *self = (MSelf *)to;
    uint32_t i;
    for (i = 0; i < count; i++) {
        MODEL_CHECK(u->owner, source[i].self == &source[i]);
        self[i] = source[i];
        self[i].self = &self[i];
    }
    u->owner->live[u->kind] += count;
}

static void model_self_move(void *to, void *from, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    MSelf *source = (MSelf *)from;
    MSelf *self = (MSelf *)to;
    uint32_t i;
    for (i = 0; i < count; i++) {
        MODEL_CHECK(u->owner, source[i].self == &source[i]);
        self[i] = source[i];
        self[i].self = &self[i];
        source[i].self = NULL;
    }
}

static void model_self_destroy(void *values, uint32_t count, void *user)
{
    model_user *u = (model_user *)user;
    MSelf *self = (MSelf *)values;
    uint32_t i;
    for (i = 0; i < count; i++) {
        MODEL_CHECK(u->owner, self[i].self == &self[i]);
        self[i].self = NULL;
    }
    u->owner->live[u->kind] -= count;
}

static uint64_t model_heap_hash(const void *value, uint64_t seed, void *user)
{
    const uint32_t *number = ((const MHeap *)value)->number;
    (void)user;
    return seed * 31u + (number == NULL ? 0 : *number);
}

static uint64_t model_self_hash(const void *value, uint64_t seed, void *user)
{
    (void)user;
    return seed * 31u + ((const MSelf *)value)->number;
}

static void model_note(model_ledger *ledger, model *m, model_notice notice)
{
    if (ledger->count == MODEL_NOTICES_MAX) model_fail(m, "too many notices");
    ledger->list[ledger->count++] = notice;
}

static void model_hear(char what, ecs_world *world, ecs_entity entity, void *value, void *user)
{
    model_user *u = (model_user *)user;
    model *m = u->owner;
    model_notice notice;
    notice.what = what;
    notice.kind = u->kind;
    notice.entity = entity;
    notice.number = 0;
    MODEL_CHECK(m, world == m->world);
    MODEL_CHECK(m, ecs_alive(world, entity));
    MODEL_CHECK(m, ecs_has_id(world, entity, m->ids[u->kind]));
    MODEL_CHECK(m, ecs_get_id(world, entity, m->ids[u->kind]) == value);
    if (what != '+') {
        if (u->kind == MODEL_LOUD) notice.number = (uint32_t)((MLoud *)value)->number;
        if (u->kind == MODEL_HEAP || u->kind == MODEL_OWNED) {
            uint32_t *number = ((MHeap *)value)->number;
            notice.number = number == NULL ? 0 : *number;
        }
    }
    model_note(&m->seen, m, notice);
    if (model_pick(m->source, 8) == 0) {
        MODEL_STATUS(m, ecs_despawn(world, entity), ECS_LOCKED);
        MODEL_STATUS(m, ecs_add_id(world, entity, m->ids[MODEL_TAG]), ECS_LOCKED);
    }
}

static void model_on_add(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    model_hear('+', world, entity, value, user);
}

static void model_on_set(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    model_hear('=', world, entity, value, user);
}

static void model_on_remove(ecs_world *world, ecs_entity entity, void *value, void *user)
{
    model_hear('-', world, entity, value, user);
}

static ecs_hooks model_hooks(model *m, uint32_t kind)
{
    ecs_hooks hooks;
    memset(&hooks, 0, sizeof hooks);
    m->users[kind].owner = m;
    m->users[kind].kind = kind;
    hooks.user = &m->users[kind];
    if (kind == MODEL_HEAP) {
        hooks.init = model_heap_init;
        hooks.copy = model_heap_copy;
        hooks.destroy = model_heap_destroy;
        hooks.hash = model_heap_hash;
    } else if (kind == MODEL_OWNED) {
        hooks.init = model_owned_init;
        hooks.destroy = model_heap_destroy;
        hooks.hash = model_heap_hash;
    } else if (kind == MODEL_SELF) {
        hooks.init = model_self_init;
        hooks.copy = model_self_copy;
        hooks.move = model_self_move;
        hooks.destroy = model_self_destroy;
        hooks.hash = model_self_hash;
    }
    if (model_is_loud(kind)) {
        hooks.on_add = model_on_add;
        hooks.on_set = model_on_set;
        hooks.on_remove = model_on_remove;
    }
    return hooks;
}

static void model_want(model *m, char what, uint32_t kind, ecs_entity entity, uint32_t number)
{
    model_notice notice;
    if (!model_is_loud(kind)) return;
    if (what == '=' && model_is_tag(kind)) return;
    notice.what = what;
    notice.kind = kind;
    notice.entity = entity;
    notice.number = what == '+' ? 0 : number;
    model_note(&m->wanted, m, notice);
}

static int model_notice_compare(const void *left, const void *right)
{
    const model_notice *a = (const model_notice *)left;
    const model_notice *b = (const model_notice *)right;
    if (a->entity.bits != b->entity.bits) return a->entity.bits < b->entity.bits ? -1 : 1;
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    if (a->what != b->what) return a->what < b->what ? -1 : 1;
    return a->number == b->number ? 0 : (a->number < b->number ? -1 : 1);
}

/* Compares what hooks were told with what they should have been; in any order if told so. */
static void model_ledgers(model *m, bool any_order)
{
    uint32_t i;
    if (any_order) {
        qsort(m->wanted.list, m->wanted.count, sizeof(model_notice), model_notice_compare);
        qsort(m->seen.list, m->seen.count, sizeof(model_notice), model_notice_compare);
    }
    for (i = 0; i < m->wanted.count && i < m->seen.count; i++) {
        const model_notice *a = &m->wanted.list[i];
        const model_notice *b = &m->seen.list[i];
        if (model_notice_compare(a, b) == 0) continue;
        model_fail(m, "notice %u: wanted %c kind %u entity %llx number %u, got %c %u %llx %u",
                   (unsigned)i, a->what, (unsigned)a->kind, (unsigned long long)a->entity.bits,
                   (unsigned)a->number, b->what, (unsigned)b->kind,
                   (unsigned long long)b->entity.bits, (unsigned)b->number);
    }
    if (m->wanted.count != m->seen.count) {
        model_fail(m, "%u notices wanted, %u got", (unsigned)m->wanted.count,
                   (unsigned)m->seen.count);
    }
    m->wanted.count = 0;
    m->seen.count = 0;
}

/* ---- Life of the model's entities -------------------------------------------------------- */

/* The stamp of the free slots that are next; 0: none is free. `count`: how many share it. */
static uint64_t model_newest(const model *m, uint32_t *count)
{
    uint64_t newest = 0;
    uint32_t i;
    *count = 0;
    for (i = 0; i < m->slot_count; i++) {
        if (m->slots[i].alive || m->slots[i].reserved) continue;
        if (m->slots[i].freed_at < newest) continue;
        *count = m->slots[i].freed_at == newest ? *count + 1 : 1;
        newest = m->slots[i].freed_at;
    }
    return newest;
}

/* True if it cannot be told which slot is next. */
static bool model_ambiguous(const model *m)
{
    uint32_t i;
    uint32_t k;
    for (i = 0; i < m->slot_count; i++) {
        if (m->slots[i].alive || m->slots[i].reserved) continue;
        for (k = i + 1; k < m->slot_count; k++) {
            if (m->slots[k].alive || m->slots[k].reserved) continue;
            if (m->slots[k].freed_at == m->slots[i].freed_at) return true;
        }
    }
    return false;
}

static bool model_full(const model *m)
{
    return m->alive_count + m->reserved_count >= m->config.desc.entities_max;
}

/* The handle of the next entity, where it can be told. */
static ecs_entity model_next(const model *m)
{
    uint32_t count;
    uint64_t newest = model_newest(m, &count);
    ecs_entity entity;
    uint32_t i;
    for (i = 0; i < m->slot_count && newest != 0; i++) {
        if (m->slots[i].alive || m->slots[i].reserved) continue;
        if (m->slots[i].freed_at == newest) return model_handle(m, i);
    }
    entity.bits = (uint64_t)1 << 32 | m->slot_count;
    return entity;
}

/* The world gave this handle out: it must be one that could be given out now. */
static model_slot *model_reserve(model *m, ecs_entity entity)
{
    uint32_t index = ecs_index(entity);
    uint32_t count;
    uint64_t newest = model_newest(m, &count);
    model_slot *slot;
    MODEL_CHECK(m, !model_full(m));
    if (newest == 0) {
        MODEL_CHECK(m, index == m->slot_count);
        m->slots[index].generation = 1;
        m->slot_count++;
    }
    MODEL_CHECK(m, index < m->slot_count);
    slot = &m->slots[index];
    MODEL_CHECK(m, !slot->alive && !slot->reserved);
    MODEL_CHECK(m, newest == 0 || slot->freed_at == newest);
    MODEL_CHECK(m, slot->generation == ecs_generation(entity));
    slot->reserved = true;
    m->reserved_count++;
    return slot;
}

static model_slot *model_rise(model *m, model_slot *slot)
{
    slot->reserved = false;
    slot->alive = true;
    memset(slot->values, 0, sizeof slot->values);
    m->reserved_count--;
    m->alive_count++;
    return slot;
}

static model_slot *model_born(model *m, ecs_entity entity)
{
    return model_rise(m, model_reserve(m, entity));
}

static void model_died(model *m, model_slot *slot, uint64_t stamp)
{
    uint32_t index = (uint32_t)(slot - m->slots);
    m->old[m->old_count++ % MODEL_OLD_COUNT] = model_handle(m, index);
    slot->alive = false;
    slot->generation++;
    slot->freed_at = stamp;
    m->alive_count--;
}

/* Adds a component with the value of init, and all that it requires, directly or not. */
static void model_put(model_value *values, uint32_t kind)
{
    static const uint32_t needs[4] = {MODEL_NEEDS, MODEL_MARK, MODEL_BASE, MODEL_PLAIN};
    static const uint32_t base[2] = {MODEL_BASE, MODEL_PLAIN};
    const uint32_t *list = kind == MODEL_NEEDS ? needs : kind == MODEL_BASE ? base : &kind;
    uint32_t count = kind == MODEL_NEEDS ? 4 : kind == MODEL_BASE ? 2 : 1;
    uint32_t i;
    if (values[kind].present) return;
    for (i = 0; i < count; i++) {
        if (values[list[i]].present) continue;
        memset(&values[list[i]], 0, sizeof values[list[i]]);
        values[list[i]].present = true;
        values[list[i]].number = model_init_number(list[i]);
    }
}

/* What on_add and on_remove should say about a change of the set of components. */
static void model_want_change(model *m, ecs_entity entity, const model_value *before,
                              const model_value *after, char what)
{
    uint32_t kind;
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        if (what == '+' && !before[kind].present && after[kind].present) {
            model_want(m, '+', kind, entity, 0);
        }
        if (what == '-' && before[kind].present && !after[kind].present) {
            model_want(m, '-', kind, entity, before[kind].number);
        }
    }
}

static const model_value model_nothing[MODEL_KINDS];

/* ---- Comparing ---------------------------------------------------------------------------- */

static void model_check_entity(model *m, uint32_t index)
{
    const model_slot *slot = &m->slots[index];
    ecs_entity entity = model_handle(m, index);
    ecs_component found[MODEL_KINDS + 1];
    uint32_t count = 0;
    uint32_t kind;
    MODEL_CHECK(m, ecs_alive(m->world, entity) == slot->alive);
    MODEL_CHECK(m, ecs_entity_at(m->world, index).bits == (slot->alive ? entity.bits : 0));
    if (!slot->alive) return;
    (void)ecs_entity_components(m->world, entity, found, MODEL_KINDS + 1);
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        const model_value *value = &slot->values[kind];
        const void *at = ecs_get_id(m->world, entity, m->ids[kind]);
        MODEL_CHECK(m, ecs_has_id(m->world, entity, m->ids[kind]) == value->present);
        if (value->present) {
            MODEL_CHECK(m, found[count].id == m->ids[kind].id);
            count++;
        }
        if (!value->present || model_is_tag(kind)) {
            MODEL_CHECK(m, at == NULL);
        } else if (!model_equal(kind, at, value)) {
            model_fail(m, "entity %llx: kind %u is not %u", (unsigned long long)entity.bits,
                       (unsigned)kind, (unsigned)value->number);
        }
        if (model_is_tag(kind)) continue;
        MODEL_CHECK(m, ecs_getter_find(m->getters[kind], entity, model_type(kind)->bytes) == at);
    }
    MODEL_CHECK(m, ecs_entity_components(m->world, entity, NULL, 0) == count);
}

static void model_check_stale(model *m, ecs_entity entity)
{
    uint32_t kind;
    MODEL_CHECK(m, !ecs_alive(m->world, entity));
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        MODEL_CHECK(m, !ecs_has_id(m->world, entity, m->ids[kind]));
        MODEL_CHECK(m, ecs_get_id(m->world, entity, m->ids[kind]) == NULL);
        if (model_is_tag(kind)) continue;
        MODEL_CHECK(m, ecs_getter_find(m->getters[kind], entity, model_type(kind)->bytes) == NULL);
    }
}

/* Values in existence: those in the world and those that wait in commands. */
static void model_check_live(model *m)
{
    int64_t wanted[MODEL_KINDS];
    uint32_t i;
    uint32_t kind;
    memset(wanted, 0, sizeof wanted);
    for (i = 0; i < m->slot_count; i++) {
        for (kind = 0; kind < MODEL_KINDS && m->slots[i].alive; kind++) {
            wanted[kind] += m->slots[i].values[kind].present ? 1 : 0;
        }
    }
    for (i = 0; i < m->command_count; i++) {
        if (m->commands[i].verb == MODEL_SET) wanted[m->commands[i].kind]++;
    }
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        if (!model_is_counted(kind) || wanted[kind] == m->live[kind]) continue;
        model_fail(m, "kind %u: %lld values live, wanted %lld", (unsigned)kind,
                   (long long)m->live[kind], (long long)wanted[kind]);
    }
}

static void model_check_all(model *m)
{
    uint32_t counts[MODEL_KINDS];
    ecs_entity at = ecs_null();
    uint32_t i;
    uint32_t kind;
    ecs_stats stats = ecs_world_stats(m->world);
    memset(counts, 0, sizeof counts);
    MODEL_CHECK(m, ecs_entity_count(m->world) == m->alive_count);
    MODEL_CHECK(m, stats.entity_count == m->alive_count);
    MODEL_CHECK(m, stats.commands_dropped == m->dropped);
    MODEL_CHECK(m, stats.commands_refused == m->refused);
    MODEL_CHECK(m, stats.commands_recorded ==
                       stats.commands_applied + stats.commands_dropped + m->command_count);
    MODEL_CHECK(m, stats.bytes_live <= stats.bytes_storage);
    MODEL_CHECK(m, stats.bytes_storage <= stats.bytes_allocated);
    for (i = 0; i < m->slot_count; i++) {
        model_check_entity(m, i);
        if (!m->slots[i].alive) continue;
        at = ecs_entity_next(m->world, at);
        MODEL_CHECK(m, ecs_equal(at, model_handle(m, i)));
        for (kind = 0; kind < MODEL_KINDS; kind++) {
            counts[kind] += m->slots[i].values[kind].present ? 1 : 0;
        }
    }
    MODEL_CHECK(m, ecs_is_null(ecs_entity_next(m->world, at)));
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        MODEL_CHECK(m, ecs_component_count(m->world, m->ids[kind]) == counts[kind]);
    }
    for (i = 0; i < m->old_count && i < MODEL_OLD_COUNT; i++) model_check_stale(m, m->old[i]);
    model_check_live(m);
}

/* ---- Direct edits ------------------------------------------------------------------------- */

/* True if memory ran out, which only a scarce world may say; then nothing has changed. */
static bool model_refused(model *m, ecs_status status)
{
    if (status != ECS_FULL && status != ECS_NO_MEMORY) return false;
    if (!m->config.scarce) model_fail(m, "refused: %s", ecs_status_text(status));
    m->refusals++;
    return true;
}

static void model_spawn(model *m)
{
    ecs_entity entity = ecs_spawn(m->world);
    if (ecs_is_null(entity)) {
        ecs_status status = ecs_world_status(m->world);
        if (model_full(m)) {
            MODEL_CHECK(m, status == ECS_FULL);
        } else {
            MODEL_CHECK(m, model_refused(m, status));
        }
        return;
    }
    (void)model_born(m, entity);
}

/* A set of kinds as a list without repetition, in any order. */
static uint32_t model_pick_kinds(model *m, uint32_t *kinds)
{
    uint32_t wanted = 1 + model_pick(m->source, 6);
    uint32_t count = 0;
    uint32_t i;
    for (i = 0; i < wanted; i++) {
        uint32_t kind = model_pick(m->source, MODEL_KINDS);
        uint32_t k;
        for (k = 0; k < count && kinds[k] != kind; k++) {}
        if (k == count) kinds[count++] = kind;
    }
    return count;
}

typedef struct model_list {
    uint32_t count;
    uint32_t kinds[MODEL_KINDS];
    ecs_value values[MODEL_KINDS];
    model_value model[MODEL_KINDS]; /* present: it has data */
    model_bytes bytes[MODEL_KINDS];
} model_list;

static void model_list_make(model *m, model_list *list, bool in_command)
{
    uint32_t i;
    list->count = model_pick_kinds(m, list->kinds);
    for (i = 0; i < list->count; i++) {
        uint32_t kind = list->kinds[i];
        bool with = !model_is_tag(kind) && model_pick(m->source, 3) != 0;
        list->values[i].type = model_type(kind);
        list->values[i].data = NULL;
        memset(&list->model[i], 0, sizeof list->model[i]);
        if (!with) continue;
        list->model[i] = model_value_new(m, kind, in_command);
        model_make(m, kind, &list->bytes[i], &list->model[i]);
        list->values[i].data = &list->bytes[i];
    }
}

static void model_list_unmake(model *m, model_list *list, bool taken)
{
    uint32_t i;
    for (i = 0; i < list->count; i++) {
        if (list->model[i].present) {
            model_unmake(m, list->kinds[i], &list->bytes[i], taken);
        }
    }
}

/* What an entity spawned from a list has, and what its hooks are told. */
static void model_list_apply(model *m, const model_list *list, model_slot *slot, ecs_entity e)
{
    uint32_t i;
    for (i = 0; i < list->count; i++) model_put(slot->values, list->kinds[i]);
    for (i = 0; i < list->count; i++) {
        if (list->model[i].present) slot->values[list->kinds[i]] = list->model[i];
    }
    model_want_change(m, e, model_nothing, slot->values, '+');
    for (i = 0; i < list->count; i++) {
        if (!list->model[i].present) continue;
        model_want(m, '=', list->kinds[i], e, list->model[i].number);
    }
}

static void model_spawn_values(model *m)
{
    model_list list;
    ecs_entity entity;
    model_list_make(m, &list, false);
    entity = ecs_spawn_values(m->world, list.values, list.count);
    model_list_unmake(m, &list, !ecs_is_null(entity));
    if (ecs_is_null(entity)) {
        ecs_status status = ecs_world_status(m->world);
        if (model_full(m)) {
            MODEL_CHECK(m, status == ECS_FULL || m->config.scarce);
        } else {
            MODEL_CHECK(m, model_refused(m, status));
        }
    } else {
        model_list_apply(m, &list, model_born(m, entity), entity);
    }
    model_ledgers(m, true);
}

/* Columns of a bulk spawn: arrays of values of one stride. */
typedef struct model_bulk {
    uint32_t count;
    uint32_t kinds[MODEL_KINDS];
    ecs_value values[MODEL_KINDS];
    model_value model[MODEL_KINDS][MODEL_BULK_MAX];
    unsigned char *bytes[MODEL_KINDS];
} model_bulk;

static void model_bulk_make(model *m, model_bulk *bulk, uint32_t rows)
{
    uint32_t i;
    uint32_t row;
    bulk->count = model_pick_kinds(m, bulk->kinds);
    for (i = 0; i < bulk->count; i++) {
        uint32_t kind = bulk->kinds[i];
        size_t bytes = model_type(kind)->bytes;
        bulk->values[i].type = model_type(kind);
        bulk->values[i].data = NULL;
        bulk->bytes[i] = NULL;
        if (model_is_tag(kind) || model_pick(m->source, 3) == 0) continue;
        bulk->bytes[i] = (unsigned char *)aligned_alloc(64, (bytes * rows + 63) / 64 * 64);
        if (bulk->bytes[i] == NULL) abort();
        bulk->values[i].data = bulk->bytes[i];
        for (row = 0; row < rows; row++) {
            bulk->model[i][row] = model_value_new(m, kind, false);
            model_make(m, kind, bulk->bytes[i] + bytes * row, &bulk->model[i][row]);
        }
    }
}

static void model_bulk_unmake(model *m, model_bulk *bulk, uint32_t rows, bool taken)
{
    uint32_t i;
    uint32_t row;
    for (i = 0; i < bulk->count; i++) {
        uint32_t kind = bulk->kinds[i];
        for (row = 0; row < rows && bulk->bytes[i] != NULL; row++) {
            model_unmake(m, kind, bulk->bytes[i] + (size_t)model_type(kind)->bytes * row, taken);
        }
        free(bulk->bytes[i]);
    }
}

static void model_bulk_apply(model *m, const model_bulk *bulk, uint32_t rows,
                             const ecs_entity *entities)
{
    uint32_t i;
    uint32_t row;
    for (row = 0; row < rows; row++) {
        model_slot *slot = model_born(m, entities[row]);
        for (i = 0; i < bulk->count; i++) model_put(slot->values, bulk->kinds[i]);
        for (i = 0; i < bulk->count; i++) {
            if (bulk->bytes[i] != NULL) slot->values[bulk->kinds[i]] = bulk->model[i][row];
        }
        model_want_change(m, entities[row], model_nothing, slot->values, '+');
        for (i = 0; i < bulk->count; i++) {
            if (bulk->bytes[i] == NULL) continue;
            model_want(m, '=', bulk->kinds[i], entities[row], bulk->model[i][row].number);
        }
    }
}

static void model_spawn_bulk(model *m)
{
    static model_bulk bulk;
    ecs_entity entities[MODEL_BULK_MAX];
    uint32_t rows = 1 + model_pick(m->source, MODEL_BULK_MAX);
    ecs_status status;
    model_bulk_make(m, &bulk, rows);
    status = ecs_spawn_bulk(m->world, rows, bulk.values, bulk.count, entities);
    if (m->alive_count + rows > m->config.desc.entities_max) {
        MODEL_CHECK(m, status == ECS_FULL || (m->config.scarce && status == ECS_NO_MEMORY));
    } else if (!model_refused(m, status)) {
        MODEL_CHECK(m, status == ECS_OK);
        model_bulk_apply(m, &bulk, rows, entities);
    }
    model_bulk_unmake(m, &bulk, rows, status == ECS_OK);
    model_ledgers(m, true);
}

static void model_despawn(model *m)
{
    ecs_entity entity = model_target(m);
    model_slot *slot = model_find(m, entity);
    MODEL_STATUS(m, ecs_despawn(m->world, entity), slot == NULL ? ECS_STALE : ECS_OK);
    if (slot != NULL) {
        model_want_change(m, entity, slot->values, model_nothing, '-');
        model_died(m, slot, ++m->stamp);
    }
    model_ledgers(m, false);
}

static void model_add(model *m)
{
    ecs_entity entity = model_target(m);
    model_slot *slot = model_find(m, entity);
    uint32_t kind = model_pick(m->source, MODEL_KINDS);
    ecs_status status = model_pick(m->source, 2) == 0
                            ? ecs_add_id(m->world, entity, m->ids[kind])
                            : ecs_add_type(m->world, entity, model_type(kind));
    if (slot == NULL) {
        MODEL_CHECK(m, status == ECS_STALE);
    } else if (!model_refused(m, status)) {
        model_value before[MODEL_KINDS];
        MODEL_CHECK(m, status == ECS_OK);
        memcpy(before, slot->values, sizeof before);
        model_put(slot->values, kind);
        model_want_change(m, entity, before, slot->values, '+');
        model_check_entity(m, ecs_index(entity));
    }
    model_ledgers(m, false);
}

static void model_set(model *m)
{
    ecs_entity entity = model_target(m);
    model_slot *slot = model_find(m, entity);
    uint32_t kind = model_pick(m->source, MODEL_KINDS);
    model_value value;
    model_bytes bytes;
    ecs_status status;
    if (model_is_tag(kind)) kind = MODEL_HEAP;
    value = model_value_new(m, kind, false);
    model_make(m, kind, &bytes, &value);
    status = ecs_set_id(m->world, entity, m->ids[kind], &bytes);
    model_unmake(m, kind, &bytes, status == ECS_OK);
    if (slot == NULL) {
        MODEL_CHECK(m, status == ECS_STALE);
    } else if (!model_refused(m, status)) {
        model_value before[MODEL_KINDS];
        MODEL_CHECK(m, status == ECS_OK);
        memcpy(before, slot->values, sizeof before);
        model_put(slot->values, kind);
        slot->values[kind] = value;
        model_want_change(m, entity, before, slot->values, '+');
        model_want(m, '=', kind, entity, value.number);
        model_check_entity(m, ecs_index(entity));
    }
    model_ledgers(m, false);
}

static void model_remove(model *m)
{
    ecs_entity entity = model_target(m);
    model_slot *slot = model_find(m, entity);
    uint32_t kind = model_pick(m->source, MODEL_KINDS);
    ecs_status status = ecs_remove_id(m->world, entity, m->ids[kind]);
    if (slot == NULL) {
        MODEL_CHECK(m, status == ECS_STALE);
    } else if (!model_refused(m, status)) {
        MODEL_CHECK(m, status == ECS_OK);
        if (slot->values[kind].present) {
            model_want(m, '-', kind, entity, slot->values[kind].number);
        }
        slot->values[kind].present = false;
        model_check_entity(m, ecs_index(entity));
    }
    model_ledgers(m, false);
}

static void model_clone(model *m)
{
    ecs_entity from = model_target(m);
    model_slot *slot = model_find(m, from);
    ecs_entity entity = ecs_clone(m->world, from);
    ecs_status status = ecs_world_status(m->world);
    if (!ecs_is_null(entity)) {
        model_slot *born;
        uint32_t kind;
        MODEL_CHECK(m, slot != NULL);
        MODEL_CHECK(m, !slot->values[MODEL_OWNED].present);
        born = model_born(m, entity);
        memcpy(born->values, slot->values, sizeof born->values);
        model_want_change(m, entity, model_nothing, born->values, '+');
        for (kind = 0; kind < MODEL_KINDS; kind++) {
            if (!born->values[kind].present) continue;
            model_want(m, '=', kind, entity, born->values[kind].number);
        }
    } else if (slot == NULL) {
        MODEL_CHECK(m, status == ECS_STALE);
    } else if (slot->values[MODEL_OWNED].present) { /* cannot be copied */
        MODEL_CHECK(m, status == ECS_UNSUPPORTED);
    } else if (model_full(m)) {
        MODEL_CHECK(m, status == ECS_FULL);
    } else {
        MODEL_CHECK(m, model_refused(m, status));
    }
    model_ledgers(m, true);
}

/* Writing through a pointer. */
static void model_get_mut(model *m)
{
    ecs_entity entity = model_target(m);
    model_slot *slot = model_find(m, entity);
    uint32_t kind = model_pick(m->source, MODEL_KINDS);
    void *at = ecs_get_mut_id(m->world, entity, m->ids[kind]);
    if (slot == NULL || !slot->values[kind].present || model_is_tag(kind)) {
        MODEL_CHECK(m, at == NULL);
        return;
    }
    MODEL_CHECK(m, model_equal(kind, at, &slot->values[kind]));
    slot->values[kind] = model_value_new(m, kind, false);
    model_store(kind, at, &slot->values[kind]);
}

static void model_clear(model *m)
{
    uint32_t i;
    m->stamp++;
    for (i = 0; i < m->slot_count; i++) {
        if (!m->slots[i].alive) continue;
        model_want_change(m, model_handle(m, i), m->slots[i].values, model_nothing, '-');
        model_died(m, &m->slots[i], m->stamp);
    }
    MODEL_STATUS(m, ecs_world_clear(m->world), ECS_OK);
    model_ledgers(m, true);
}

/* ---- Queries ------------------------------------------------------------------------------ */

static bool model_term_has_column(const model_query *q, uint32_t term)
{
    ecs_access access = q->terms[term].access;
    return access != ECS_ACCESS_WITH && access != ECS_ACCESS_NOT &&
           !model_is_tag(q->kinds[term]);
}

static ecs_access model_pick_access(model *m, uint32_t kind)
{
    static const ecs_access tag[4] = {ECS_ACCESS_WITH, ECS_ACCESS_NOT, ECS_ACCESS_WITH,
                                      ECS_ACCESS_NOT};
    static const ecs_access value[8] = {ECS_ACCESS_READ, ECS_ACCESS_WRITE, ECS_ACCESS_WITH,
                                        ECS_ACCESS_NOT, ECS_ACCESS_OPTIONAL,
                                        ECS_ACCESS_OPTIONAL_WRITE, ECS_ACCESS_READ,
                                        ECS_ACCESS_ANY};
    return model_is_tag(kind) ? tag[model_pick(m->source, 4)] : value[model_pick(m->source, 8)];
}

/* One to six terms of different kinds; an ANY takes the next one or two along. */
static void model_query_make(model *m)
{
    model_query *q = &m->queries[m->query_count];
    ecs_query_info info;
    uint32_t kinds[MODEL_KINDS];
    uint32_t i;
    ecs_status status;
    if (m->query_count == MODEL_QUERIES_MAX) return;
    q->count = model_pick_kinds(m, kinds);
    for (i = 0; i < q->count; i++) {
        ecs_access access = model_pick_access(m, kinds[i]);
        if (i > 0 && q->terms[i - 1].access == ECS_ACCESS_ANY) access = ECS_ACCESS_ANY_MORE;
        if (access == ECS_ACCESS_ANY && i + 1 == q->count) access = ECS_ACCESS_READ;
        memset(&q->terms[i], 0, sizeof q->terms[i]);
        q->terms[i].access = access;
        q->kinds[i] = kinds[i];
        if (model_pick(m->source, 2) == 0) {
            q->terms[i].type = model_type(kinds[i]);
        } else {
            q->terms[i].component = m->ids[kinds[i]];
        }
    }
    info.name = "random";
    info.terms = q->terms;
    info.term_count = q->count;
    status = ecs_query_make(m->world, &info, &q->query);
    if (model_refused(m, status)) return;
    MODEL_CHECK(m, status == ECS_OK);
    m->query_count++;
}

static bool model_matches(const model_query *q, const model_slot *slot)
{
    uint32_t i;
    for (i = 0; i < q->count; i++) {
        bool present = slot->values[q->kinds[i]].present;
        switch (q->terms[i].access) {
        case ECS_ACCESS_NOT:
            if (present) return false;
            break;
        case ECS_ACCESS_ANY: /* groups are pairs here */
            if (!present && !slot->values[q->kinds[i + 1]].present) return false;
            break;
        case ECS_ACCESS_OPTIONAL:
        case ECS_ACCESS_OPTIONAL_WRITE:
        case ECS_ACCESS_ANY_MORE: break;
        default:
            if (!present) return false;
            break;
        }
    }
    return slot->alive;
}

/* Compares one row of a span, and writes where the query may. */
static void model_query_row(model *m, const model_query *q, const ecs_iter *iter, uint32_t row,
                            bool write)
{
    ecs_entity entity = iter->entities[row];
    model_slot *slot = model_find(m, entity);
    uint32_t i;
    MODEL_CHECK(m, slot != NULL);
    MODEL_CHECK(m, model_matches(q, slot));
    for (i = 0; i < q->count; i++) {
        uint32_t kind = q->kinds[i];
        unsigned char *column = (unsigned char *)iter->columns[i];
        ecs_access access = q->terms[i].access;
        if (!model_term_has_column(q, i) || !slot->values[kind].present) {
            MODEL_CHECK(m, column == NULL);
            continue;
        }
        MODEL_CHECK(m, column != NULL);
        column += (size_t)row * model_type(kind)->bytes;
        MODEL_CHECK(m, model_equal(kind, column, &slot->values[kind]));
        if (!write) continue;
        if (access != ECS_ACCESS_WRITE && access != ECS_ACCESS_OPTIONAL_WRITE) continue;
        slot->values[kind] = model_value_new(m, kind, false);
        model_store(kind, column, &slot->values[kind]);
    }
}

/* Direct edits are refused while the world is iterated. */
static void model_locked(model *m, ecs_entity entity)
{
    MLoud loud = {5};
    ecs_value one = {ecs_type_of(MLoud), NULL};
    one.data = &loud;
    MODEL_CHECK(m, ecs_is_null(ecs_spawn(m->world)));
    MODEL_STATUS(m, ecs_world_status(m->world), ECS_LOCKED);
    MODEL_CHECK(m, ecs_is_null(ecs_spawn_values(m->world, &one, 1)));
    MODEL_STATUS(m, ecs_world_status(m->world), ECS_LOCKED);
    MODEL_CHECK(m, ecs_is_null(ecs_clone(m->world, entity)));
    MODEL_STATUS(m, ecs_world_status(m->world), ECS_LOCKED);
    MODEL_STATUS(m, ecs_spawn_bulk(m->world, 1, &one, 1, NULL), ECS_LOCKED);
    MODEL_STATUS(m, ecs_despawn(m->world, entity), ECS_LOCKED);
    MODEL_STATUS(m, ecs_add_id(m->world, entity, m->ids[MODEL_TAG]), ECS_LOCKED);
    MODEL_STATUS(m, ecs_set_id(m->world, entity, m->ids[MODEL_LOUD], &loud), ECS_LOCKED);
    MODEL_STATUS(m, ecs_remove_id(m->world, entity, m->ids[MODEL_PLAIN]), ECS_LOCKED);
    MODEL_STATUS(m, ecs_world_clear(m->world), ECS_LOCKED);
    MODEL_STATUS(m, ecs_flush(m->world), ECS_LOCKED);
    MODEL_STATUS(m, ecs_tick(m->world, 0), ECS_LOCKED);
    if (m->query_count > 0) {
        MODEL_STATUS(m, ecs_query_despawn(m->world, m->queries[0].query, NULL), ECS_LOCKED);
    }
    model_ledgers(m, false);
}

static void model_query_walk(model *m, const model_query *q, bool write)
{
    bool visited[MODEL_SLOTS_MAX];
    uint32_t block = m->config.desc.row_block_rows == 0 ? 4096 : m->config.desc.row_block_rows;
    uint32_t total = 0;
    uint32_t wanted = 0;
    uint32_t row;
    ecs_iter iter;
    memset(visited, 0, sizeof visited);
    ecs_iter_begin(m->world, q->query, &iter);
    while (ecs_iter_next(&iter)) {
        MODEL_CHECK(m, iter.count > 0 && iter.count <= block);
        MODEL_CHECK(m, iter.base == total);
        for (row = 0; row < iter.count; row++) {
            model_query_row(m, q, &iter, row, write);
            MODEL_CHECK(m, !visited[ecs_index(iter.entities[row])]);
            visited[ecs_index(iter.entities[row])] = true;
        }
        total += iter.count;
        if (model_pick(m->source, 64) == 0) model_locked(m, iter.entities[0]);
    }
    for (row = 0; row < m->slot_count; row++) wanted += model_matches(q, &m->slots[row]);
    MODEL_CHECK(m, total == wanted);
    MODEL_CHECK(m, ecs_query_count(m->world, q->query) == wanted);
}

static void model_query_slices(model *m, const model_query *q, uint32_t wanted)
{
    ecs_slice slices[64];
    uint32_t term = model_pick(m->source, q->count);
    uint32_t total = 0;
    uint32_t count;
    uint32_t i;
    if (!model_term_has_column(q, term)) return;
    count = ecs_query_slices(m->world, q->query, term, slices, 64);
    if (count > 64) return;
    for (i = 0; i < count; i++) {
        if (slices[i].data != NULL) {
            MODEL_CHECK(m, slices[i].stride == model_type(q->kinds[term])->bytes);
        }
        total += slices[i].count;
    }
    MODEL_CHECK(m, total == wanted);
}

static void model_query_check(model *m)
{
    const model_query *q;
    ecs_entity entity = ecs_null();
    ecs_status status;
    uint32_t count;
    ecs_iter iter;
    if (m->query_count == 0) return;
    q = &m->queries[model_pick(m->source, m->query_count)];
    model_query_walk(m, q, model_pick(m->source, 2) == 0);
    count = ecs_query_count(m->world, q->query);
    status = ecs_query_first(m->world, q->query, &entity);
    MODEL_CHECK(m, status == (count == 0 ? ECS_NOT_FOUND : ECS_OK));
    if (count > 0) {
        MODEL_CHECK(m, model_find(m, entity) != NULL);
        MODEL_CHECK(m, model_matches(q, model_find(m, entity)));
    }
    status = ecs_query_single(m->world, q->query, &entity);
    MODEL_CHECK(m, status == (count == 0 ? ECS_NOT_FOUND : count == 1 ? ECS_OK : ECS_MANY));
    model_query_slices(m, q, count);
    /* A loop that is left early must leave no lock behind: the next edits would tell. */
    ecs_iter_begin(m->world, q->query, &iter);
    (void)ecs_iter_next(&iter);
    ecs_iter_end(&iter);
    ecs_iter_end(&iter);
}

static void model_query_despawn(model *m)
{
    const model_query *q;
    uint32_t wanted = 0;
    uint32_t count = 0;
    uint32_t i;
    if (m->query_count == 0 || m->config.small_quota) return;
    q = &m->queries[model_pick(m->source, m->query_count)];
    m->stamp++;
    for (i = 0; i < m->slot_count; i++) {
        if (!model_matches(q, &m->slots[i])) continue;
        model_want_change(m, model_handle(m, i), m->slots[i].values, model_nothing, '-');
        model_died(m, &m->slots[i], m->stamp);
        wanted++;
    }
    MODEL_STATUS(m, ecs_query_despawn(m->world, q->query, &count), ECS_OK);
    MODEL_CHECK(m, count == wanted);
    model_ledgers(m, true);
}

/* ---- Recording commands ------------------------------------------------------------------- */

/* True if the stream took it; else it must have been refused: null, or the quota. */
static bool model_recorded(model *m, ecs_entity target, ecs_status status)
{
    if (ecs_is_null(target)) {
        MODEL_CHECK(m, status == ECS_STALE);
        return false;
    }
    if (status == ECS_OK) return true;
    MODEL_CHECK(m, status == ECS_FULL);
    MODEL_CHECK(m, m->config.small_quota);
    m->refused++;
    return false;
}

static void model_record(model *m, model_command command)
{
    m->commands[m->command_count++] = command;
}

/* A handle that was never given out could become one in this very flush: null instead. */
static ecs_entity model_given_out(model *m, ecs_entity entity)
{
    if (ecs_index(entity) >= m->slot_count) return ecs_null();
    if (model_find(m, entity) != NULL) return entity;
    return ecs_generation(entity) < m->slots[ecs_index(entity)].generation ? entity : ecs_null();
}

/* What a command is for: often an entity that an earlier command spawns. */
static ecs_entity model_command_target(model *m)
{
    uint32_t way = model_pick(m->source, 8);
    if (way <= 2 && m->provisional_count > 0) {
        return m->provisional[model_pick(m->source, m->provisional_count)];
    }
    if (way == 3 && m->last_provisional.bits != 0 && model_pick(m->source, 4) == 0) {
        return m->last_provisional; /* not this flush's: as good as dead */
    }
    if (way <= 5 && m->command_count > 0) { /* once more what was touched already */
        ecs_entity e = m->commands[model_pick(m->source, m->command_count)].target;
        if (e.bits != 0) return e;
    }
    return model_given_out(m, model_target(m));
}

static void model_provisional_add(model *m, ecs_entity entity)
{
    MODEL_CHECK(m, ecs_is_provisional(entity));
    MODEL_CHECK(m, !ecs_alive(m->world, entity));
    if (m->provisional_count < 64) m->provisional[m->provisional_count++] = entity;
}

static bool model_spawn_recorded(model *m, ecs_entity entity)
{
    static const ecs_entity some = {1};
    return model_recorded(m, some, ecs_is_null(entity) ? ECS_FULL : ECS_OK);
}

static void model_cmd_spawn(model *m)
{
    ecs_entity entity = ecs_cmd_spawn(ecs_world_commands(m->world));
    model_command command;
    if (!model_spawn_recorded(m, entity)) return;
    memset(&command, 0, sizeof command);
    command.verb = MODEL_SPAWN;
    command.target = entity;
    model_provisional_add(m, entity);
    model_record(m, command);
}

static void model_cmd_spawn_values(model *m)
{
    model_list list;
    model_command command;
    ecs_entity entity;
    uint32_t i;
    model_list_make(m, &list, true);
    entity = ecs_cmd_spawn_values(ecs_world_commands(m->world), list.values, list.count);
    model_list_unmake(m, &list, !ecs_is_null(entity));
    if (!model_spawn_recorded(m, entity)) return;
    memset(&command, 0, sizeof command);
    command.verb = MODEL_SPAWN;
    command.target = entity;
    model_record(m, command);
    model_provisional_add(m, entity);
    for (i = 0; i < list.count; i++) {
        command.kind = list.kinds[i];
        command.value = list.model[i];
        command.verb = list.model[i].present ? MODEL_SET : MODEL_ADD;
        model_record(m, command);
    }
}

/* Despawn, add, remove: no payload. */
static void model_cmd_plain(model *m, model_verb verb)
{
    ecs_commands *stream = ecs_world_commands(m->world);
    model_command command;
    ecs_status status;
    memset(&command, 0, sizeof command);
    command.verb = verb;
    command.target = model_command_target(m);
    command.kind = model_pick(m->source, MODEL_KINDS);
    if (verb == MODEL_DESPAWN) {
        status = ecs_cmd_despawn(stream, command.target);
    } else if (verb == MODEL_ADD) {
        status = ecs_cmd_add_id(stream, command.target, m->ids[command.kind]);
    } else {
        status = ecs_cmd_remove_id(stream, command.target, m->ids[command.kind]);
    }
    if (model_recorded(m, command.target, status)) model_record(m, command);
}

static void model_cmd_set(model *m)
{
    ecs_commands *stream = ecs_world_commands(m->world);
    model_command command;
    model_bytes bytes;
    ecs_status status;
    memset(&command, 0, sizeof command);
    command.verb = MODEL_SET;
    command.target = model_command_target(m);
    command.kind = model_pick(m->source, MODEL_KINDS);
    if (model_is_tag(command.kind)) command.kind = MODEL_LINK;
    command.value = model_value_new(m, command.kind, true);
    model_make(m, command.kind, &bytes, &command.value);
    if (model_pick(m->source, 2) == 0) {
        status = ecs_cmd_set_id(stream, command.target, m->ids[command.kind], &bytes);
    } else {
        status = ecs_cmd_set_type(stream, command.target, model_type(command.kind), &bytes);
    }
    model_unmake(m, command.kind, &bytes, status == ECS_OK);
    if (model_recorded(m, command.target, status)) model_record(m, command);
}

/* ---- The flush, as it is documented ------------------------------------------------------ */

/* What a handle is after the flush has given real handles out. */
static ecs_entity model_resolve(const model *m, uint32_t end, ecs_entity entity)
{
    uint32_t i;
    if (!ecs_is_provisional(entity)) return entity;
    for (i = 0; i < end; i++) {
        if (m->commands[i].verb == MODEL_SPAWN &&
            ecs_equal(m->commands[i].target, entity)) {
            return m->commands[i].real;
        }
    }
    return ecs_null();
}

/* Real handles, in the order of the spawn commands, before anything else. */
static void model_flush_spawns(model *m, bool inside)
{
    uint32_t i;
    for (i = 0; i < m->command_count; i++) {
        model_command *c = &m->commands[i];
        if (c->verb != MODEL_SPAWN) continue;
        c->real = ecs_null();
        if (model_full(m)) {
            MODEL_CHECK(m, !inside || ecs_is_null(ecs_cmd_resolve(m->world, c->target)));
            continue;
        }
        c->real = inside ? ecs_cmd_resolve(m->world, c->target) : model_next(m);
        (void)model_reserve(m, c->real);
    }
    for (i = 0; i < m->command_count; i++) {
        model_command *c = &m->commands[i];
        uint32_t k;
        if (c->verb != MODEL_SPAWN) c->real = model_resolve(m, m->command_count, c->target);
        for (k = 0; k < MODEL_LINKS; k++) {
            c->value.links[k] = model_resolve(m, m->command_count, c->value.links[k]);
        }
    }
    m->spawned = true;
}

/* What the commands of one entity say about one component, in recorded order. */
typedef struct model_net {
    bool present;
    bool written;      /* `value` is the last that was set */
    uint32_t added;    /* when it last became present, 0: never */
    uint32_t removed;  /* when it was last removed, 0: never */
    model_value value;
} model_net;

/* Folds all commands of one entity; false if it is despawned. */
static bool model_fold(model *m, uint32_t first, uint32_t end, ecs_entity entity,
                       model_net *net)
{
    uint32_t i;
    bool alive = true;
    for (i = first; i < end; i++) {
        const model_command *c = &m->commands[i];
        model_net *n = &net[c->kind];
        if (c->verb == MODEL_CUSTOM || !ecs_equal(c->real, entity)) continue;
        if (!alive) {
            m->dropped++;
            continue;
        }
        if (c->verb == MODEL_DESPAWN) alive = false;
        if (c->verb == MODEL_ADD || c->verb == MODEL_SET) {
            if (!n->present) n->added = i + 1;
            n->present = true;
        }
        if (c->verb == MODEL_SET) {
            n->written = true;
            n->value = c->value;
        }
        if (c->verb == MODEL_REMOVE) {
            n->present = false;
            n->written = false;
            n->removed = i + 1;
        }
    }
    return alive;
}

/* What an added component requires comes along, unless it was removed afterwards. */
static void model_fold_require(const model_value *before, model_net *net)
{
    uint32_t kind;
    uint32_t r;
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        model_value with[MODEL_KINDS];
        if (!net[kind].present || before[kind].present) continue;
        memset(with, 0, sizeof with);
        model_put(with, kind);
        for (r = 0; r < MODEL_KINDS; r++) {
            if (with[r].present && net[r].removed < net[kind].added) net[r].present = true;
        }
    }
}

/* One net change of one entity. A component that was there, left and came back without a
 * value was there all the time. */
static void model_flush_entity(model *m, uint32_t first, uint32_t end, ecs_entity entity,
                               bool fresh)
{
    model_slot *slot = model_find(m, entity);
    model_value after[MODEL_KINDS];
    model_net net[MODEL_KINDS];
    uint32_t kind;
    memset(net, 0, sizeof net);
    for (kind = 0; kind < MODEL_KINDS; kind++) net[kind].present = slot->values[kind].present;
    if (!model_fold(m, first, end, entity, net)) {
        if (!fresh) model_want_change(m, entity, slot->values, model_nothing, '-');
        model_died(m, slot, ++m->stamp);
        return;
    }
    model_fold_require(slot->values, net);
    memset(after, 0, sizeof after);
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        if (!net[kind].present) continue;
        after[kind].number = model_init_number(kind);
        if (slot->values[kind].present) after[kind] = slot->values[kind];
        if (net[kind].written) after[kind] = net[kind].value;
        after[kind].present = true;
    }
    model_want_change(m, entity, slot->values, after, '-');
    model_want_change(m, entity, slot->values, after, '+');
    memcpy(slot->values, after, sizeof after);
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        if (net[kind].written) model_want(m, '=', kind, entity, after[kind].number);
    }
}

/* True if an earlier command of this part is for the same entity. */
static bool model_touched(const model *m, uint32_t first, uint32_t at)
{
    uint32_t i;
    for (i = first; i < at; i++) {
        if (m->commands[i].verb == MODEL_CUSTOM) continue;
        if (ecs_equal(m->commands[i].real, m->commands[at].real)) return true;
    }
    return false;
}

/* Everything recorded before a custom command, or before the end. */
static void model_flush_part(model *m, uint32_t end, bool inside)
{
    uint32_t first = m->applied;
    bool dead[MODEL_COMMANDS_MAX];
    uint32_t i;
    if (!m->spawned) model_flush_spawns(m, inside);
    for (i = first; i < end; i++) {
        const model_command *c = &m->commands[i];
        if (c->verb == MODEL_SPAWN && !ecs_is_null(c->real)) {
            (void)model_rise(m, &m->slots[ecs_index(c->real)]);
        }
    }
    for (i = first; i < end; i++) { /* as it is before anything of this part happens */
        dead[i] = m->commands[i].verb != MODEL_CUSTOM && model_find(m, m->commands[i].real) == NULL;
        m->dropped += dead[i] ? 1 : 0;
    }
    for (i = first; i < end; i++) {
        const model_command *c = &m->commands[i];
        if (c->verb == MODEL_CUSTOM || dead[i] || model_touched(m, first, i)) continue;
        model_flush_entity(m, first, end, c->real, c->verb == MODEL_SPAWN);
    }
    m->applied = end;
}

static void model_check_touched(model *m, uint32_t first, uint32_t end)
{
    uint32_t i;
    for (i = first; i < end; i++) {
        if (m->commands[i].verb == MODEL_CUSTOM || ecs_is_null(m->commands[i].real)) continue;
        if (ecs_index(m->commands[i].real) >= m->slot_count) continue;
        model_check_entity(m, ecs_index(m->commands[i].real));
    }
}

typedef struct model_custom_payload {
    model *owner;
    uint32_t at; /* index of the command */
    uint32_t pad[5];
} model_custom_payload;

/* Runs at its place: what was recorded before has happened, and direct edits are allowed. */
static void model_custom_run(ecs_world *world, void *payload, uint32_t bytes)
{
    model_custom_payload *p = (model_custom_payload *)payload;
    model *m = p->owner;
    uint32_t first = m->applied;
    MODEL_CHECK(m, world == m->world);
    MODEL_CHECK(m, bytes == sizeof *p);
    MODEL_CHECK(m, (uintptr_t)payload % 16 == 0);
    MODEL_CHECK(m, p->at >= first && p->at < m->command_count);
    MODEL_CHECK(m, m->commands[p->at].verb == MODEL_CUSTOM);
    model_flush_part(m, p->at, true);
    m->applied = p->at + 1;
    model_ledgers(m, false);
    model_check_touched(m, first, p->at);
    model_set(m);
    model_add(m);
    model_remove(m);
}

static void model_cmd_custom(model *m)
{
    static const ecs_entity forged = {1}; /* there is no target */
    model_custom_payload payload;
    model_command command;
    ecs_status status;
    memset(&payload, 0, sizeof payload);
    payload.owner = m;
    payload.at = m->command_count;
    status = ecs_cmd_custom(ecs_world_commands(m->world), model_custom_run, &payload,
                            sizeof payload);
    if (!model_recorded(m, forged, status)) return;
    memset(&command, 0, sizeof command);
    command.verb = MODEL_CUSTOM;
    model_record(m, command);
}

static void model_flush(model *m, bool by_tick)
{
    ecs_status status;
    uint32_t i;
    if (m->config.scarce) return;
    /* Handles that cannot be told are asked for, which needs a custom command. */
    if (model_ambiguous(m)) model_cmd_custom(m);
    m->applied = 0;
    m->spawned = false;
    status = by_tick ? ecs_tick(m->world, 0.5f) : ecs_flush(m->world);
    MODEL_CHECK(m, status == ECS_OK);
    i = m->applied;
    model_flush_part(m, m->command_count, false);
    model_ledgers(m, false);
    model_check_touched(m, i, m->command_count);
    if (m->provisional_count > 0) m->last_provisional = m->provisional[0];
    m->command_count = 0;
    m->provisional_count = 0;
    model_check_live(m);
}

/* ---- Steps -------------------------------------------------------------------------------- */

typedef struct model_operation {
    const char *name;
    uint32_t weight;
} model_operation;

enum {
    OP_SPAWN, OP_SPAWN_VALUES, OP_BULK, OP_DESPAWN, OP_ADD, OP_SET, OP_REMOVE, OP_CLONE,
    OP_MUT, OP_QUERY_MAKE, OP_QUERY, OP_QUERY_DESPAWN, OP_CLEAR, OP_SHRINK, OP_CMD_SPAWN,
    OP_CMD_VALUES, OP_CMD_DESPAWN, OP_CMD_ADD, OP_CMD_SET, OP_CMD_REMOVE, OP_CMD_CUSTOM,
    OP_FLUSH, OP_TICK, OP_CHECK, OP_COUNT
};

static const model_operation model_operations[OP_COUNT] = {
    {"spawn", 8},        {"spawn values", 10}, {"spawn bulk", 1},   {"despawn", 20},
    {"add", 24},         {"set", 28},          {"remove", 24},      {"clone", 4},
    {"get mut", 8},      {"query make", 1},    {"query", 6},        {"query despawn", 1},
    {"clear", 0},        {"shrink", 1},        {"cmd spawn", 10},   {"cmd spawn values", 10},
    {"cmd despawn", 10}, {"cmd add", 18},      {"cmd set", 22},     {"cmd remove", 18},
    {"cmd custom", 1},   {"flush", 10},        {"tick", 2},         {"check", 2}};

static uint32_t model_pick_operation(model *m)
{
    uint32_t total = 0;
    uint32_t i;
    uint32_t at;
    for (i = 0; i < OP_COUNT; i++) total += model_operations[i].weight;
    at = model_pick(m->source, total);
    for (i = 0; at >= model_operations[i].weight; i++) at -= model_operations[i].weight;
    if (i == OP_QUERY_DESPAWN && !m->config.small_quota && model_pick(m->source, 8) == 0) {
        return OP_CLEAR;
    }
    return i;
}

static bool model_is_command(uint32_t operation)
{
    return operation >= OP_CMD_SPAWN && operation <= OP_CMD_CUSTOM;
}

static void model_do(model *m, uint32_t operation)
{
    switch (operation) {
    case OP_SPAWN: model_spawn(m); break;
    case OP_SPAWN_VALUES: model_spawn_values(m); break;
    case OP_BULK: model_spawn_bulk(m); break;
    case OP_DESPAWN: model_despawn(m); break;
    case OP_ADD: model_add(m); break;
    case OP_SET: model_set(m); break;
    case OP_REMOVE: model_remove(m); break;
    case OP_CLONE: model_clone(m); break;
    case OP_MUT: model_get_mut(m); break;
    case OP_QUERY_MAKE: model_query_make(m); break;
    case OP_QUERY: model_query_check(m); break;
    case OP_QUERY_DESPAWN: model_query_despawn(m); break;
    case OP_CLEAR: model_clear(m); break;
    case OP_SHRINK: (void)ecs_shrink(m->world); break;
    case OP_CMD_SPAWN: model_cmd_spawn(m); break;
    case OP_CMD_VALUES: model_cmd_spawn_values(m); break;
    case OP_CMD_DESPAWN: model_cmd_plain(m, MODEL_DESPAWN); break;
    case OP_CMD_ADD: model_cmd_plain(m, MODEL_ADD); break;
    case OP_CMD_SET: model_cmd_set(m); break;
    case OP_CMD_REMOVE: model_cmd_plain(m, MODEL_REMOVE); break;
    case OP_CMD_CUSTOM: model_cmd_custom(m); break;
    case OP_FLUSH: model_flush(m, false); break;
    case OP_TICK: model_flush(m, true); break;
    default: model_check_all(m); break;
    }
}

/* One operation; false when there are no more. */
static bool model_step(model *m)
{
    uint32_t operation;
    if (m->step >= m->config.steps || model_ended(m->source)) return false;
    m->step++;
    operation = model_pick_operation(m);
    if (model_is_command(operation)) {
        if (m->config.scarce) return true;
        if (m->command_count + MODEL_KINDS + 2 > MODEL_COMMANDS_MAX) operation = OP_FLUSH;
    }
    m->operation = model_operations[operation].name;
    m->failing = m->config.scarce;
    model_do(m, operation);
    m->failing = false;
    return true;
}

/* ---- Begin and end ------------------------------------------------------------------------ */

static void model_register(model *m)
{
    uint32_t kind;
    for (kind = 0; kind < MODEL_KINDS; kind++) {
        ecs_hooks hooks = model_hooks(m, kind);
        MODEL_STATUS(m, ecs_component_register(m->world, model_type(kind), &m->ids[kind]), ECS_OK);
        if (model_is_loud(kind) || model_is_counted(kind)) {
            MODEL_STATUS(m, ecs_component_hooks(m->world, m->ids[kind], &hooks), ECS_OK);
        }
        if (!model_is_tag(kind)) {
            MODEL_STATUS(m, ecs_getter_make(m->world, model_type(kind), &m->getters[kind]),
                         ECS_OK);
        }
    }
    MODEL_STATUS(m, ecs_component_require(m->world, m->ids[MODEL_NEEDS], m->ids[MODEL_BASE]),
                 ECS_OK);
    MODEL_STATUS(m, ecs_component_require(m->world, m->ids[MODEL_NEEDS], m->ids[MODEL_MARK]),
                 ECS_OK);
    MODEL_STATUS(m, ecs_component_require(m->world, m->ids[MODEL_BASE], m->ids[MODEL_PLAIN]),
                 ECS_OK);
}

static void model_open(model *m, model_source *source, const model_config *config)
{
    memset(m, 0, sizeof *m);
    m->source = source;
    m->config = *config;
    m->operation = "create";
    m->world = ecs_world_create(&config->desc);
    MODEL_CHECK(m, m->world != NULL);
    MODEL_CHECK(m, config->desc.entities_max > 0);
    MODEL_CHECK(m, config->desc.entities_max <= MODEL_SLOTS_MAX);
    model_register(m);
}

/* Ends the world, with commands waiting or not; no value may be left. */
static void model_close(model *m)
{
    uint32_t kind;
    uint32_t i;
    m->operation = "close";
    model_check_all(m);
    for (i = 0; i < m->slot_count; i++) {
        if (!m->slots[i].alive) continue;
        model_want_change(m, model_handle(m, i), m->slots[i].values, model_nothing, '-');
    }
    ecs_world_destroy(m->world);
    model_ledgers(m, true);
    for (kind = 0; kind < MODEL_KINDS; kind++) MODEL_CHECK(m, m->live[kind] == 0);
}

/* A description whose limits are small enough to matter. */
TEST_UNUSED static model_config model_config_pick(model_source *source)
{
    static const uint32_t chunk_bytes[4] = {0, 1u << 14, 1u << 16, 1u << 18};
    static const uint32_t row_blocks[4] = {0, 64, 128, 256};
    static const uint32_t entities[4] = {MODEL_SLOTS_MAX, 100, 37, 7};
    model_config config;
    memset(&config, 0, sizeof config);
    config.steps = 4000;
    config.desc.chunk_bytes = chunk_bytes[model_pick(source, 4)];
    config.desc.row_block_rows = row_blocks[model_pick(source, 4)];
    config.desc.entities_max = entities[model_pick(source, 4)];
    config.small_quota = model_pick(source, 4) == 0;
    if (config.small_quota) config.desc.command_bytes_max = 4096;
    if (model_pick(source, 3) == 0) {
        config.desc.memory = ECS_MEMORY_FIXED;
        config.desc.tables_max = 8192;
        config.desc.components_max = 64;
        config.desc.queries_max = 32;
        config.desc.systems_max = 4;
        config.desc.chunk_bytes = 1u << 14;
        config.desc.chunks_max = 1024; /* entities_max is less: a chunk for each of them */
    }
    return config;
}

#endif /* ECS_TESTS_MODEL_H */
