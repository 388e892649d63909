/* component.c: registration, identity, members, tags, required components, limits.
 * also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { uint64_t key; } Opaque;
ECS_COMPONENT(Opaque);
typedef struct { int32_t value; } A;
ECS_COMPONENT(A, value);
typedef struct { int32_t value; } B;
ECS_COMPONENT(B, value);
typedef struct { int32_t value; } C;
ECS_COMPONENT(C, value);
ECS_TAG(Player);
ECS_TAG(Enemy);

typedef struct {
    bool flag;
    bool flags[2];
    char letter;
    int8_t i8;
    uint8_t u8;
    int16_t i16;
    uint16_t u16[5];
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64[2];
    long word;
    unsigned long long wide;
    float f32;
    float vector[3];
    double f64;
    ecs_entity parent;
    ecs_entity friends[4];
    Position place;
} Everything;
ECS_COMPONENT(Everything, flag, flags, letter, i8, u8, i16, u16, i32, u32, i64, u64, word, wide,
              f32, vector, f64, parent, friends, place);

static ecs_type type_make(const char *name, uint32_t bytes, uint32_t align)
{
    ecs_type type = {name, bytes, align, NULL, 0u, NULL};
    return type;
}

static ecs_world *world_of_components(uint32_t components_max)
{
    ecs_world_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.components_max = components_max;
    ecs_world *world = ecs_world_create(&desc);
    REQUIRE(world != NULL);
    return world;
}

static ecs_component component_define(ecs_world *world, const char *name, uint32_t bytes,
                                      uint32_t align)
{
    ecs_type type = type_make(name, bytes, align);
    ecs_component component = {0};
    REQUIRE_STATUS(ecs_component_define(world, &type, &component), ECS_OK);
    REQUIRE(component.id != 0);
    return component;
}

TEST(component_register_twice_is_same_id)
{
    ecs_world *world = world_of_components(0);
    ecs_component first = {0};
    ecs_component again = {0};
    CHECK_EQ_U64(ecs_component_id(world, Position).id, 0);
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Position), &first), ECS_OK);
    CHECK(first.id != 0);
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Position), &again), ECS_OK);
    CHECK_EQ_U64(first.id, again.id);
    CHECK_EQ_U64(ecs_component_id(world, Position).id, first.id);
    CHECK_EQ_U64(ecs_component_find(world, "Position").id, first.id);
    CHECK_EQ_U64(ecs_world_stats(world).component_count, 1);
    ecs_world_destroy(world);
}

TEST(component_find_unknown_is_null)
{
    ecs_world *world = world_of_components(0);
    ecs_component unknown = {77};
    ecs_component none = {0};
    (void)ecs_spawn_with(world, (Position, {1, 2}));
    CHECK_EQ_U64(ecs_component_find(world, "Positio").id, 0);
    CHECK_EQ_U64(ecs_component_find(world, "Positionx").id, 0);
    CHECK_EQ_U64(ecs_component_find(world, "").id, 0);
    CHECK_EQ_U64(ecs_component_id(world, A).id, 0);
    CHECK(ecs_component_type(world, none) == NULL);
    CHECK(ecs_component_type(world, unknown) == NULL);
    CHECK(ecs_component_find(world, "Position").id != 0);
    ecs_world_destroy(world);
}

/* Identity is the name: a description at another address is the same component. */
TEST(component_same_name_same_shape_is_same_id)
{
    ecs_world *world = world_of_components(0);
    static char name[] = "Position";
    static ecs_member members[2];
    memcpy(members, ecs_type_of(Position)->members, sizeof members);
    ecs_type other = *ecs_type_of(Position);
    ecs_component first = {0};
    ecs_component second = {0};
    other.name = name;
    other.members = members;
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Position), &first), ECS_OK);
    CHECK_STATUS(ecs_component_define(world, &other, &second), ECS_OK);
    CHECK_EQ_U64(first.id, second.id);
    CHECK_STATUS(ecs_component_register(world, &other, &second), ECS_OK);
    CHECK_EQ_U64(first.id, second.id);
    CHECK_EQ_U64(ecs_component_of(world, &other).id, first.id);
    CHECK_EQ_U64(ecs_world_stats(world).component_count, 1);
    ecs_world_destroy(world);
}

static void check_mismatch(ecs_world *world, const ecs_type *type)
{
    ecs_component out = {0};
    ecs_entity entity = ecs_spawn(world);
    uint64_t value[4] = {0, 0, 0, 0};
    CHECK_STATUS(ecs_component_register(world, type, &out), ECS_MISMATCH);
    CHECK_STATUS(ecs_component_define(world, type, &out), ECS_MISMATCH);
    CHECK_EQ_U64(ecs_component_of(world, type).id, 0);
    CHECK_STATUS(ecs_add_type(world, entity, type), ECS_MISMATCH);
    CHECK_STATUS(ecs_set_type(world, entity, type, value), ECS_MISMATCH);
    ecs_value spawned = {type, NULL};
    CHECK(ecs_is_null(ecs_spawn_values(world, &spawned, 1)));
    CHECK_STATUS(ecs_world_status(world), ECS_MISMATCH);
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), 0);
    CHECK_EQ_U64(ecs_world_stats(world).component_count, 1);
}

TEST(component_same_name_other_shape_is_mismatch)
{
    ecs_world *world = world_of_components(0);
    ecs_component out = {0};
    ecs_member members[2];
    ecs_type other = *ecs_type_of(Position);
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Position), &out), ECS_OK);
    other.bytes = 12;
    check_mismatch(world, &other);
    other = *ecs_type_of(Position);
    other.align = 8;
    check_mismatch(world, &other);
    other = *ecs_type_of(Position);
    other.member_count = 1;
    check_mismatch(world, &other);
    other.members = NULL;
    other.member_count = 0;
    check_mismatch(world, &other);
    memcpy(members, ecs_type_of(Position)->members, sizeof members);
    other.members = members;
    other.member_count = 2;
    members[0].offset = 4;
    members[1].offset = 0;
    check_mismatch(world, &other);
    ecs_world_destroy(world);
}

static void check_member_mismatch(const char *name, uint32_t kind)
{
    ecs_world *world = world_of_components(0);
    ecs_component out = {0};
    ecs_member members[2];
    ecs_type other = *ecs_type_of(Position);
    REQUIRE_STATUS(ecs_component_register(world, ecs_type_of(Position), &out), ECS_OK);
    memcpy(members, ecs_type_of(Position)->members, sizeof members);
    other.members = members;
    members[1].name = name;
    members[1].kind = kind;
    check_mismatch(world, &other);
    ecs_world_destroy(world);
}

TEST(component_same_name_other_member_kind_is_mismatch)
{
    check_member_mismatch("y", ECS_KIND_U32);
}

TEST(component_same_name_other_member_name_is_mismatch)
{
    check_member_mismatch("z", ECS_KIND_F32);
}

TEST(component_define_copies_description)
{
    ecs_world *world = world_of_components(0);
    char name[16] = "Made";
    ecs_member members[1] = {{"number", 4, 4, ECS_KIND_U32}};
    ecs_type type = {name, 8, 4, members, 1, NULL};
    ecs_component made = {0};
    REQUIRE_STATUS(ecs_component_define(world, &type, &made), ECS_OK);
    memset(name, 'x', sizeof name - 1);
    memset(members, 0x55, sizeof members);
    memset(&type, 0x55, sizeof type);
    const ecs_type *known = ecs_component_type(world, made);
    REQUIRE(known != NULL);
    CHECK_STR(known->name, "Made");
    CHECK_EQ_U64(known->bytes, 8);
    CHECK_EQ_U64(known->align, 4);
    REQUIRE(known->member_count == 1);
    CHECK_STR(known->members[0].name, "number");
    CHECK_EQ_U64(known->members[0].offset, 4);
    CHECK_EQ_U64(known->members[0].kind, ECS_KIND_U32);
    CHECK_EQ_U64(ecs_component_find(world, "Made").id, made.id);
    ecs_world_destroy(world);
}

TEST(component_defined_at_run_time_keeps_values)
{
    ecs_world *world = world_of_components(0);
    ecs_component small = component_define(world, "Small", 1, 1);
    ecs_component odd = component_define(world, "Odd", 12, 4);
    ecs_entity entity = ecs_spawn(world);
    unsigned char small_value = 200;
    uint32_t odd_value[3] = {1, 2, 3};
    CHECK_STATUS(ecs_set_id(world, entity, small, &small_value), ECS_OK);
    CHECK_STATUS(ecs_set_id(world, entity, odd, odd_value), ECS_OK);
    CHECK(ecs_has_id(world, entity, small));
    CHECK(memcmp(ecs_get_id(world, entity, odd), odd_value, sizeof odd_value) == 0);
    CHECK(memcmp(ecs_get_id(world, entity, small), &small_value, 1) == 0);
    CHECK_STATUS(ecs_remove_id(world, entity, small), ECS_OK);
    CHECK(!ecs_has_id(world, entity, small));
    CHECK(ecs_get_id(world, entity, small) == NULL);
    CHECK(memcmp(ecs_get_mut_id(world, entity, odd), odd_value, sizeof odd_value) == 0);
    ecs_world_destroy(world);
}

TEST(component_worlds_number_them_apart)
{
    ecs_world *first = world_of_components(0);
    ecs_world *second = world_of_components(0);
    ecs_component a = {0};
    ecs_component b = {0};
    REQUIRE_STATUS(ecs_component_register(first, ecs_type_of(A), &a), ECS_OK);
    REQUIRE_STATUS(ecs_component_register(first, ecs_type_of(B), &b), ECS_OK);
    CHECK(a.id != b.id);
    ecs_entity entity = ecs_spawn_with(second, (B, {5}));
    CHECK_EQ_U64(ecs_component_id(second, A).id, 0);
    CHECK_EQ_I64(ecs_get(second, entity, B)->value, 5);
    CHECK_EQ_U64(ecs_component_count(first, b), 0);
    ecs_world_destroy(first);
    CHECK_EQ_I64(ecs_get(second, entity, B)->value, 5);
    ecs_world_destroy(second);
}

/* ---- what the macros emit ---- */

static const ecs_member *member_named(const char *name)
{
    const ecs_type *type = ecs_type_of(Everything);
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (strcmp(type->members[i].name, name) == 0) return &type->members[i];
    }
    return NULL;
}

static void check_member(const char *name, size_t offset, size_t bytes, ecs_kind kind)
{
    const ecs_member *member = member_named(name);
    REQUIRE(member != NULL);
    CHECK_EQ_U64(member->offset, offset);
    CHECK_EQ_U64(member->bytes, bytes);
    if (!CHECK_EQ_U64(member->kind, kind)) printf("    (member %s)\n", name);
}

#define CHECK_MEMBER(m, kind) \
    check_member(#m, offsetof(Everything, m), sizeof(((Everything *)NULL)->m), kind)

TEST(component_macro_members_have_kind_offset_and_size)
{
    CHECK_EQ_U64(ecs_type_of(Everything)->member_count, 19);
    CHECK_MEMBER(flag, ECS_KIND_BOOL);
    CHECK_MEMBER(flags, ECS_KIND_BOOL);
    CHECK_MEMBER(letter, (char)-1 < 0 ? ECS_KIND_I8 : ECS_KIND_U8);
    CHECK_MEMBER(i8, ECS_KIND_I8);
    CHECK_MEMBER(u8, ECS_KIND_U8);
    CHECK_MEMBER(i16, ECS_KIND_I16);
    CHECK_MEMBER(u16, ECS_KIND_U16);
    CHECK_MEMBER(i32, ECS_KIND_I32);
    CHECK_MEMBER(u32, ECS_KIND_U32);
    CHECK_MEMBER(i64, ECS_KIND_I64);
    CHECK_MEMBER(u64, ECS_KIND_U64);
    CHECK_MEMBER(word, sizeof(long) == 8 ? ECS_KIND_I64 : ECS_KIND_I32);
    CHECK_MEMBER(wide, ECS_KIND_U64);
    CHECK_MEMBER(f32, ECS_KIND_F32);
    CHECK_MEMBER(vector, ECS_KIND_F32);
    CHECK_MEMBER(f64, ECS_KIND_F64);
    CHECK_MEMBER(parent, ECS_KIND_ENTITY);
    CHECK_MEMBER(friends, ECS_KIND_ENTITY);
    CHECK_MEMBER(place, ECS_KIND_OPAQUE);
}

typedef enum { RED, GREEN } Colour;
typedef struct {
    float matrix[2][3];
    Colour colour;
    const char *text;
} Unusual;
ECS_COMPONENT(Unusual, matrix, colour, text);

/* An enumeration is opaque in C++, and so is in C an array of two dimensions: units of both
 * languages describe one type all the same. */
TEST(component_macro_kinds_of_other_language_are_equal)
{
    ecs_world *world = world_of_components(0);
    ecs_component component = {0};
    ecs_component again = {0};
    ecs_member members[3];
    ecs_type other = *ecs_type_of(Unusual);
    bool is_c = other.members[0].kind == ECS_KIND_OPAQUE;
    memcpy(members, other.members, sizeof members);
    CHECK_EQ_U64(members[0].bytes, 24);
    CHECK_EQ_U64(members[1].bytes, 4);
    CHECK_EQ_U64(members[2].kind, ECS_KIND_OPAQUE);
    members[0].kind = is_c ? ECS_KIND_F32 : ECS_KIND_OPAQUE;
    members[1].kind = is_c ? ECS_KIND_OPAQUE : ECS_KIND_U32;
    other.members = members;
    CHECK_STATUS(ecs_component_register(world, ecs_type_of(Unusual), &component), ECS_OK);
    CHECK_STATUS(ecs_component_define(world, &other, &again), ECS_OK);
    CHECK_EQ_U64(component.id, again.id);
    members[2].kind = ECS_KIND_ENTITY; /* a reference must be one in both */
    CHECK_STATUS(ecs_component_define(world, &other, &again), ECS_MISMATCH);
    ecs_world_destroy(world);
}

TEST(component_macro_type_is_described)
{
    CHECK_STR(ecs_type_of(Position)->name, "Position");
    CHECK_EQ_U64(ecs_type_of(Position)->bytes, sizeof(Position));
    CHECK_EQ_U64(ecs_type_of(Position)->align, 4);
    CHECK(ecs_type_of(Position)->hooks == NULL);
    CHECK_EQ_U64(ecs_type_of(Opaque)->member_count, 0);
    CHECK(ecs_type_of(Opaque)->members == NULL);
    CHECK_EQ_U64(ecs_type_of(Opaque)->align, 8);
    CHECK_STR(ecs_type_of(Player)->name, "Player");
    CHECK_EQ_U64(ecs_type_of(Player)->bytes, 0);
    CHECK_EQ_U64(ecs_type_of(Player)->align, 1);
}

typedef int32_t Score;
ECS_COMPONENT(Score);
typedef double Weight;
ECS_COMPONENT(Weight);

TEST(component_of_scalar_type_works)
{
    ecs_world *world = world_of_components(0);
    ecs_entity entity = ecs_spawn_with(world, (Score, 5), (Weight, 2.5));
    CHECK_EQ_I64(*ecs_get(world, entity, Score), 5);
    CHECK_STATUS(ecs_set(world, entity, Score, 6), ECS_OK);
    CHECK_EQ_I64(*ecs_get(world, entity, Score), 6);
    CHECK(*ecs_get(world, entity, Weight) >= 2.5);
    ecs_world_destroy(world);
}

/* ---- values and tags ---- */

TEST(component_add_set_remove_typed)
{
    ecs_world *world = world_of_components(0);
    ecs_entity entity = ecs_spawn(world);
    Position value = {3, 4};
    CHECK(!ecs_has(world, entity, Position));
    CHECK_STATUS(ecs_add(world, entity, Position), ECS_OK);
    CHECK(ecs_get(world, entity, Position)->x <= 0);
    CHECK_STATUS(ecs_set(world, entity, Position, {1, 2}), ECS_OK);
    CHECK(ecs_get(world, entity, Position)->y >= 2);
    CHECK_STATUS(ecs_add(world, entity, Position), ECS_OK); /* is there: changes nothing */
    CHECK(ecs_get(world, entity, Position)->y >= 2);
    CHECK_STATUS(ecs_set(world, entity, Position, value), ECS_OK);
    CHECK(ecs_get(world, entity, Position)->y >= 4);
    ecs_get_mut(world, entity, Position)->y = 9;
    CHECK(ecs_get(world, entity, Position)->y >= 9);
    CHECK_STATUS(ecs_remove(world, entity, Position), ECS_OK);
    CHECK_STATUS(ecs_remove(world, entity, Position), ECS_OK); /* is not there */
    CHECK(!ecs_has(world, entity, Position));
    CHECK(ecs_get(world, entity, Position) == NULL);
    ecs_world_destroy(world);
}

TEST(component_remove_of_unregistered_is_ok)
{
    ecs_world *world = world_of_components(0);
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_remove(world, entity, A), ECS_OK);
    CHECK(!ecs_has(world, entity, A));
    CHECK(ecs_get(world, entity, A) == NULL);
    CHECK(ecs_get_mut(world, entity, A) == NULL);
    ecs_world_destroy(world);
}

TEST(component_tag_has_no_value)
{
    ecs_world *world = world_of_components(0);
    ecs_entity entity = ecs_spawn_with(world, (Player), (A, {1}));
    ecs_component player = ecs_component_id(world, Player);
    CHECK(ecs_has(world, entity, Player));
    CHECK(!ecs_has(world, entity, Enemy));
    CHECK(ecs_get_id(world, entity, player) == NULL);
    CHECK(ecs_get_mut_id(world, entity, player) == NULL);
    CHECK_EQ_U64(ecs_component_count(world, player), 1);
    CHECK_STATUS(ecs_add(world, entity, Player), ECS_OK);
    CHECK_STATUS(ecs_add(world, entity, Enemy), ECS_OK);
    CHECK_STATUS(ecs_remove(world, entity, Player), ECS_OK);
    CHECK(!ecs_has(world, entity, Player));
    CHECK(ecs_has(world, entity, Enemy));
    CHECK_EQ_I64(ecs_get(world, entity, A)->value, 1);
    CHECK_EQ_U64(ecs_component_count(world, player), 0);
    ecs_world_destroy(world);
}

TEST(component_tag_cannot_be_set)
{
    ecs_world *world = world_of_components(0);
    ecs_entity entity = ecs_spawn_with(world, (Player));
    uint32_t value = 1;
    CHECK_STATUS(ecs_set_type(world, entity, ecs_type_of(Player), &value), ECS_UNSUPPORTED);
    CHECK_STATUS(ecs_set_type(world, entity, ecs_type_of(Enemy), &value), ECS_UNSUPPORTED);
    CHECK(!ecs_has(world, entity, Enemy));
    ecs_world_destroy(world);
}

TEST(component_zero_sized_at_run_time_is_tag)
{
    ecs_world *world = world_of_components(0);
    ecs_component empty = component_define(world, "Empty", 0, 1);
    ecs_entity entity = ecs_spawn_with(world, (A, {4}));
    CHECK_STATUS(ecs_add_id(world, entity, empty), ECS_OK);
    CHECK(ecs_has_id(world, entity, empty));
    CHECK(ecs_get_id(world, entity, empty) == NULL);
    CHECK_EQ_I64(ecs_get(world, entity, A)->value, 4);
    ecs_world_destroy(world);
}

TEST(component_tags_take_no_bytes)
{
    ecs_world *world = world_of_components(0);
    for (uint32_t i = 0; i < 100; i++) (void)ecs_spawn_with(world, (Player), (Enemy));
    CHECK_EQ_U64(ecs_world_stats(world).bytes_live, 100 * sizeof(ecs_entity));
    ecs_world_destroy(world);
}

TEST(component_count_is_exact)
{
    ecs_world *world = world_of_components(0);
    ecs_component a = component_define(world, "a", 4, 4);
    ecs_component b = component_define(world, "b", 0, 1);
    CHECK_EQ_U64(ecs_component_count(world, a), 0);
    for (uint32_t i = 0; i < 60; i++) {
        ecs_entity entity = ecs_spawn(world);
        if (i % 2 == 0) CHECK_STATUS(ecs_add_id(world, entity, a), ECS_OK);
        if (i % 3 == 0) CHECK_STATUS(ecs_add_id(world, entity, b), ECS_OK);
        if (i % 6 == 0) CHECK_STATUS(ecs_remove_id(world, entity, a), ECS_OK);
    }
    CHECK_EQ_U64(ecs_component_count(world, a), 20);
    CHECK_EQ_U64(ecs_component_count(world, b), 20);
    ecs_world_destroy(world);
}

/* ---- alignment ---- */

static void check_aligned_values(ecs_world *world, ecs_component component, uint32_t align,
                                 const ecs_entity *all, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *value =
            (const unsigned char *)ecs_get_id(world, all[i], component);
        REQUIRE(value != NULL);
        CHECK_EQ_U64((uintptr_t)value % align, 0);
        CHECK_EQ_U64(value[0], i & 0xffu);
        CHECK_EQ_U64(value[align - 1], i & 0xffu);
    }
}

static void check_alignment(uint32_t align)
{
    ecs_world *world = world_of_components(0);
    ecs_component component = component_define(world, "Aligned", align, align);
    static unsigned char value[ECS_ALIGN_MAX];
    ecs_entity all[100];
    for (uint32_t i = 0; i < 100; i++) {
        all[i] = ecs_spawn_with(world, (A, {(int32_t)i}), (Position));
        memset(value, (int)(i & 0xffu), sizeof value);
        CHECK_STATUS(ecs_set_id(world, all[i], component, value), ECS_OK);
    }
    check_aligned_values(world, component, align, all, 100);
    for (uint32_t i = 0; i < 100; i += 3) {
        CHECK_STATUS(ecs_remove(world, all[i], Position), ECS_OK);
        CHECK_STATUS(ecs_add(world, all[i], Player), ECS_OK);
    }
    check_aligned_values(world, component, align, all, 100);
    ecs_world_destroy(world);
}

TEST(component_over_aligned_values_are_aligned)
{
    for (uint32_t align = 1; align <= ECS_ALIGN_MAX; align *= 2) check_alignment(align);
}

typedef struct {
    unsigned char bytes[64];
} __attribute__((aligned(64))) CacheLine;
ECS_COMPONENT(CacheLine, bytes);

TEST(component_over_aligned_c_type_works)
{
    ecs_world *world = world_of_components(0);
    CacheLine line;
    memset(&line, 7, sizeof line);
    CHECK_EQ_U64(ecs_type_of(CacheLine)->align, 64);
    for (uint32_t i = 0; i < 50; i++) {
        ecs_entity entity = ecs_spawn_with(world, (A, {1}), (CacheLine, line));
        const CacheLine *found = ecs_get(world, entity, CacheLine);
        CHECK_EQ_U64((uintptr_t)found % 64, 0);
        CHECK_EQ_U64(found->bytes[63], 7);
    }
    ecs_world_destroy(world);
}

/* ---- required components ---- */

static ecs_component component_register(ecs_world *world, const ecs_type *type)
{
    ecs_component component = {0};
    REQUIRE_STATUS(ecs_component_register(world, type, &component), ECS_OK);
    return component;
}

/* A needs B, B needs C and Player. */
static ecs_world *world_of_chain(void)
{
    ecs_world *world = world_of_components(0);
    ecs_component a = component_register(world, ecs_type_of(A));
    ecs_component b = component_register(world, ecs_type_of(B));
    ecs_component c = component_register(world, ecs_type_of(C));
    ecs_component player = component_register(world, ecs_type_of(Player));
    CHECK_STATUS(ecs_component_require(world, b, player), ECS_OK);
    CHECK_STATUS(ecs_component_require(world, a, b), ECS_OK);
    CHECK_STATUS(ecs_component_require(world, b, c), ECS_OK);
    return world;
}

static void check_has_chain(const ecs_world *world, ecs_entity entity)
{
    CHECK(ecs_has(world, entity, A));
    CHECK(ecs_has(world, entity, B));
    CHECK(ecs_has(world, entity, C));
    CHECK(ecs_has(world, entity, Player));
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), 4);
}

TEST(component_required_is_added_with_add_and_set)
{
    ecs_world *world = world_of_chain();
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, A), ECS_OK);
    check_has_chain(world, entity);
    CHECK_EQ_I64(ecs_get(world, entity, C)->value, 0);
    entity = ecs_spawn(world);
    CHECK_STATUS(ecs_set(world, entity, A, {3}), ECS_OK);
    check_has_chain(world, entity);
    CHECK_EQ_I64(ecs_get(world, entity, A)->value, 3);
    ecs_world_destroy(world);
}

TEST(component_required_is_added_with_spawn)
{
    ecs_world *world = world_of_chain();
    check_has_chain(world, ecs_spawn_with(world, (A, {1})));
    ecs_entity entity = ecs_spawn_with(world, (C, {8}), (A, {1}));
    check_has_chain(world, entity);
    CHECK_EQ_I64(ecs_get(world, entity, C)->value, 8);
    CHECK_EQ_I64(ecs_get(world, entity, B)->value, 0);
    ecs_world_destroy(world);
}

TEST(component_required_is_added_with_bulk_spawn)
{
    ecs_world *world = world_of_chain();
    A values[40];
    ecs_entity all[40];
    ecs_value value = {ecs_type_of(A), values};
    for (int32_t i = 0; i < 40; i++) values[i].value = i;
    CHECK_STATUS(ecs_spawn_bulk(world, 40, &value, 1, all), ECS_OK);
    for (int32_t i = 0; i < 40; i++) {
        check_has_chain(world, all[i]);
        CHECK_EQ_I64(ecs_get(world, all[i], A)->value, i);
        CHECK_EQ_I64(ecs_get(world, all[i], B)->value, 0);
    }
    ecs_world_destroy(world);
}

TEST(component_required_is_added_with_commands)
{
    ecs_world *world = world_of_chain();
    ecs_entity entity = ecs_spawn_with(world, (C, {8}));
    ecs_commands *cmd = ecs_world_commands(world);
    CHECK_STATUS(ecs_cmd_add(cmd, entity, A), ECS_OK);
    CHECK(!ecs_is_null(ecs_cmd_spawn_with(cmd, (A, {1}))));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    check_has_chain(world, entity);
    CHECK_EQ_I64(ecs_get(world, entity, C)->value, 8);
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Player)), 2);
    ecs_world_destroy(world);
}

TEST(component_required_keeps_value_that_is_there)
{
    ecs_world *world = world_of_chain();
    ecs_entity entity = ecs_spawn_with(world, (C, {9}));
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), 1);
    CHECK_STATUS(ecs_add(world, entity, A), ECS_OK);
    check_has_chain(world, entity);
    CHECK_EQ_I64(ecs_get(world, entity, C)->value, 9);
    ecs_world_destroy(world);
}

TEST(component_required_alone_may_be_removed)
{
    ecs_world *world = world_of_chain();
    ecs_entity entity = ecs_spawn_with(world, (A, {1}));
    CHECK_STATUS(ecs_remove(world, entity, C), ECS_OK);
    CHECK(!ecs_has(world, entity, C));
    CHECK(ecs_has(world, entity, A));
    CHECK_STATUS(ecs_remove(world, entity, A), ECS_OK);
    CHECK(ecs_has(world, entity, B));
    CHECK(!ecs_has(world, entity, C));
    CHECK_STATUS(ecs_add(world, entity, A), ECS_OK);
    CHECK(ecs_has(world, entity, A));
    ecs_world_destroy(world);
}

TEST(component_required_later_does_not_change_entities)
{
    ecs_world *world = world_of_components(0);
    ecs_entity old = ecs_spawn_with(world, (A, {1}));
    ecs_component a = ecs_component_id(world, A);
    ecs_component b = component_register(world, ecs_type_of(B));
    CHECK_STATUS(ecs_component_require(world, a, b), ECS_OK);
    CHECK(!ecs_has(world, old, B));
    CHECK(ecs_has(world, ecs_spawn_with(world, (A, {1})), B));
    ecs_entity later = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, later, A), ECS_OK);
    CHECK(ecs_has(world, later, B));
    ecs_world_destroy(world);
}

/* Cached steps between tables must not outlive a new requirement. */
TEST(component_required_later_is_seen_by_known_steps)
{
    ecs_world *world = world_of_components(0);
    ecs_entity first = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, first, A), ECS_OK);
    ecs_component b = component_register(world, ecs_type_of(B));
    CHECK_STATUS(ecs_component_require(world, ecs_component_id(world, A), b), ECS_OK);
    ecs_entity second = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, second, A), ECS_OK);
    CHECK(ecs_has(world, second, B));
    CHECK(!ecs_has(world, first, B));
    ecs_world_destroy(world);
}

TEST(component_require_cycle_is_refused)
{
    ecs_world *world = world_of_chain();
    ecs_component a = ecs_component_id(world, A);
    ecs_component b = ecs_component_id(world, B);
    ecs_component c = ecs_component_id(world, C);
    CHECK_STATUS(ecs_component_require(world, a, a), ECS_CYCLE);
    CHECK_STATUS(ecs_component_require(world, b, a), ECS_CYCLE);
    CHECK_STATUS(ecs_component_require(world, c, a), ECS_CYCLE);
    CHECK_STATUS(ecs_component_require(world, c, b), ECS_CYCLE);
    CHECK_STATUS(ecs_component_require(world, a, c), ECS_OK); /* a diamond is none */
    check_has_chain(world, ecs_spawn_with(world, (A, {1})));
    CHECK_EQ_U64(ecs_entity_components(world, ecs_spawn_with(world, (C, {1})), NULL, 0), 1);
    ecs_world_destroy(world);
}

TEST(component_require_long_chain_is_followed)
{
    enum { LINKS = 60 };
    ecs_world *world = world_of_components(0);
    ecs_component chain[LINKS];
    char name[16];
    for (uint32_t i = 0; i < LINKS; i++) {
        snprintf(name, sizeof name, "link%u", (unsigned)i);
        chain[i] = component_define(world, name, i % 5 == 0 ? 0u : 4u, i % 5 == 0 ? 1u : 4u);
    }
    for (uint32_t i = LINKS - 1; i > 0; i--) {
        CHECK_STATUS(ecs_component_require(world, chain[i - 1], chain[i]), ECS_OK);
    }
    CHECK_STATUS(ecs_component_require(world, chain[LINKS - 1], chain[0]), ECS_CYCLE);
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add_id(world, entity, chain[LINKS / 2]), ECS_OK);
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), LINKS / 2);
    CHECK_STATUS(ecs_add_id(world, entity, chain[0]), ECS_OK);
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), LINKS);
    ecs_world_destroy(world);
}

/* However much one component brings along: refused when it is required, or it works. */
TEST(component_require_too_much_is_refused_early)
{
    enum { LINKS = 200 };
    ecs_world *world = world_of_components(0);
    ecs_component chain[LINKS];
    ecs_component star = component_define(world, "star", 4, 4);
    uint32_t star_count = 0;
    uint32_t chain_count = 0;
    char name[16];
    for (uint32_t i = 0; i < LINKS; i++) {
        snprintf(name, sizeof name, "link%u", (unsigned)i);
        chain[i] = component_define(world, name, 4, 4);
        ecs_status status = ecs_component_require(world, star, chain[i]);
        if (status == ECS_OK) star_count++;
        else CHECK(status == ECS_FULL || status == ECS_TOO_LARGE);
    }
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add_id(world, entity, star), ECS_OK);
    CHECK_EQ_U64(ecs_entity_components(world, entity, NULL, 0), star_count + 1);
    for (uint32_t i = LINKS - 1; i > 0; i--) { /* from the end: what requires i is asked */
        ecs_status status = ecs_component_require(world, chain[i - 1], chain[i]);
        if (status == ECS_OK) chain_count++;
        else CHECK(status == ECS_FULL || status == ECS_TOO_LARGE);
    }
    CHECK(chain_count > 0);
    for (uint32_t i = 0; i < LINKS; i++) {
        entity = ecs_spawn(world);
        CHECK_STATUS(ecs_add_id(world, entity, chain[i]), ECS_OK);
        CHECK(ecs_entity_components(world, entity, NULL, 0) <= LINKS - i);
    }
    entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add_id(world, entity, star), ECS_OK);
    ecs_world_destroy(world);
}

/* ---- limits ---- */

/* Defines `count` types of four kinds, gives entities all of them in groups of 40, and
 * reads every value back. */
static void check_many_types(uint32_t count)
{
    enum { GROUP = 40 };
    ecs_world *world = world_of_components(count);
    ecs_component *all = (ecs_component *)calloc(count, sizeof *all);
    char name[24];
    REQUIRE(all != NULL);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "type %u", (unsigned)i);
        uint32_t words = i % 4;
        all[i] = component_define(world, name, words * 4, words == 0 ? 1 : 4);
    }
    CHECK_EQ_U64(ecs_world_stats(world).component_count, count);
    for (uint32_t from = 0; from < count; from += GROUP) {
        ecs_entity entity = ecs_spawn(world);
        uint32_t end = from + GROUP < count ? from + GROUP : count;
        for (uint32_t i = from; i < end; i++) {
            uint32_t value[3] = {i, i + 1, i + 2};
            if (i % 4 == 0) CHECK_STATUS(ecs_add_id(world, entity, all[i]), ECS_OK);
            else CHECK_STATUS(ecs_set_id(world, entity, all[i], value), ECS_OK);
        }
        for (uint32_t i = 0; i < count; i++) {
            bool wanted = i >= from && i < end;
            if (ecs_has_id(world, entity, all[i]) != wanted) CHECK_EQ_U64(i, from);
            if (!wanted || i % 4 == 0) continue;
            CHECK_EQ_U64(*(const uint32_t *)ecs_get_id(world, entity, all[i]), i);
        }
    }
    for (uint32_t i = 0; i < count; i += 97) {
        snprintf(name, sizeof name, "type %u", (unsigned)i);
        CHECK_EQ_U64(ecs_component_find(world, name).id, all[i].id);
    }
    ecs_type extra = type_make("one more", 4, 4);
    CHECK_STATUS(ecs_component_define(world, &extra, all), ECS_FULL);
    CHECK_EQ_U64(ecs_component_find(world, "one more").id, 0);
    free(all);
    ecs_world_destroy(world);
}

TEST(component_1024_types_work_and_one_more_is_full)
{
    check_many_types(1024);
}

TEST(component_5000_types_work_and_one_more_is_full)
{
    check_many_types(5000);
}

TEST(component_default_limit_is_1024)
{
    ecs_world *world = world_of_components(0);
    char name[24];
    for (uint32_t i = 0; i < 1024; i++) {
        snprintf(name, sizeof name, "%u", (unsigned)i);
        (void)component_define(world, name, 4, 4);
    }
    ecs_entity entity = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, entity, A), ECS_FULL);
    CHECK_STATUS(ecs_set(world, entity, A, {1}), ECS_FULL);
    CHECK(ecs_is_null(ecs_spawn_with(world, (A, {1}))));
    CHECK_STATUS(ecs_world_status(world), ECS_FULL);
    CHECK(ecs_resource_mut(world, A) == NULL);
    CHECK_EQ_U64(ecs_entity_count(world), 1);
    ecs_world_destroy(world);
}

TEST(component_entity_with_500_components_works)
{
    enum { COUNT = 500 };
    ecs_world *world = world_of_components(0);
    ecs_component all[COUNT];
    ecs_component found[COUNT];
    char name[24];
    ecs_entity entity = ecs_spawn(world);
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%u", (unsigned)i);
        all[i] = component_define(world, name, 4, 4);
        CHECK_STATUS(ecs_set_id(world, entity, all[i], &i), ECS_OK);
    }
    CHECK_EQ_U64(ecs_entity_components(world, entity, found, COUNT), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ_U64(*(const uint32_t *)ecs_get_id(world, entity, all[i]), i);
        if (i > 0) CHECK(found[i - 1].id < found[i].id);
    }
    ecs_world_destroy(world);
}

TEST(component_name_at_limit_works_beyond_is_too_large)
{
    ecs_world *world = world_of_components(0);
    char name[ECS_NAME_BYTES_MAX + 1];
    ecs_component out = {0};
    memset(name, 'n', sizeof name);
    name[ECS_NAME_BYTES_MAX - 1] = 0;
    ecs_type type = type_make(name, 4, 4);
    CHECK_STATUS(ecs_component_define(world, &type, &out), ECS_OK);
    CHECK_EQ_U64(ecs_component_find(world, name).id, out.id);
    CHECK_STR(ecs_component_type(world, out)->name, name);
    name[ECS_NAME_BYTES_MAX - 1] = 'n';
    name[ECS_NAME_BYTES_MAX] = 0;
    CHECK_STATUS(ecs_component_define(world, &type, &out), ECS_TOO_LARGE);
    CHECK_STATUS(ecs_component_register(world, &type, &out), ECS_TOO_LARGE);
    CHECK_EQ_U64(ecs_component_find(world, name).id, 0);
    ecs_world_destroy(world);
}

TEST(component_alignment_beyond_limit_is_too_large)
{
    ecs_world *world = world_of_components(0);
    ecs_component out = {0};
    ecs_type type = type_make("Wide", 2 * ECS_ALIGN_MAX, 2 * ECS_ALIGN_MAX);
    CHECK_STATUS(ecs_component_define(world, &type, &out), ECS_TOO_LARGE);
    type.align = ECS_ALIGN_MAX;
    CHECK_STATUS(ecs_component_define(world, &type, &out), ECS_OK);
    ecs_world_destroy(world);
}

TEST(component_members_at_limit_work_beyond_are_too_large)
{
    ecs_world *world = world_of_components(0);
    ecs_member members[ECS_MEMBERS_MAX + 1];
    ecs_component out = {0};
    static char names[ECS_MEMBERS_MAX + 1][8];
    for (uint32_t i = 0; i <= ECS_MEMBERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "m%u", (unsigned)i);
        members[i].name = names[i];
        members[i].offset = i * 4;
        members[i].bytes = 4;
        members[i].kind = ECS_KIND_U32;
    }
    ecs_type type = type_make("Many", 4 * (ECS_MEMBERS_MAX + 1), 4);
    type.members = members;
    type.member_count = ECS_MEMBERS_MAX + 1;
    CHECK_STATUS(ecs_component_define(world, &type, &out), ECS_TOO_LARGE);
    type.member_count = ECS_MEMBERS_MAX;
    CHECK_STATUS(ecs_component_define(world, &type, &out), ECS_OK);
    ecs_world_destroy(world);
}
