/* macros.c: the typed calls in all their forms, as C and as C++. */
/* also: c++ */

#define ECS_IMPLEMENTATION
#include "../test.h"

/* Names that a platform header might have taken: terms are pasted before they expand. */
#define READ this, is, hostile
#define WRITE 7
#define NOT(x) !(x)
#define OPTIONAL
#define ON 1
#define EMIT(a, b) a b
/* Short names are common in programs. */
#define N 1000
#define R 1
#define W 640
#define H 480
#define O 2
#define P 3
#define T int
#define Y 4
#define LU 5

typedef struct Pair { float x, y; } Pair;
ECS_COMPONENT(Pair, x, y);
typedef struct Plain { int32_t a; int32_t b; } Plain; /* no list */
ECS_COMPONENT(Plain);
typedef int32_t Scalar;
ECS_COMPONENT(Scalar);
typedef float Vec3[3];
ECS_COMPONENT(Vec3);
typedef enum Mode { MODE_IDLE, MODE_RUN } Mode;
ECS_COMPONENT(Mode);
typedef const char *Text; /* a pointer type: fine as long as nobody lists it */
ECS_COMPONENT(Text);
typedef ecs_entity Target;
ECS_COMPONENT(Target);
ECS_TAG(Player);
ECS_TAG(Enemy);

typedef struct Kinds {
    bool flag;
    char c;
    signed char sc;
    unsigned char uc;
    int8_t i8;
    uint8_t u8;
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    uint32_t u32;
    long l;
    unsigned long ul;
    int64_t i64;
    uint64_t u64;
    long long ll;
    unsigned long long ull;
    float f;
    double d;
    ecs_entity one;
    ecs_entity some[2];
    uint16_t list[5];
    Pair inside;
} Kinds;
ECS_COMPONENT(Kinds, flag, c, sc, uc, i8, u8, i16, u16, i32, u32, l, ul, i64, u64, ll, ull, f, d,
              one, some, list, inside);

typedef struct Wide {
    int32_t m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16;
    int32_t m17, m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32;
} Wide;
ECS_COMPONENT(Wide, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17,
              m18, m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31, m32);

typedef struct Config { int32_t speed; float scale; } Config;
ECS_RESOURCE(Config, speed, scale);
typedef struct Hit { ecs_entity who; int64_t damage; } Hit;
ECS_EVENT(Hit, who, damage);

#define NUMBERED(n)                                                                \
    typedef struct N##n { int32_t a; } N##n;                                       \
    ECS_COMPONENT(N##n, a)
NUMBERED(1);
NUMBERED(2);
NUMBERED(3);
NUMBERED(4);
NUMBERED(5);
NUMBERED(6);
NUMBERED(7);
NUMBERED(8);
NUMBERED(9);
NUMBERED(10);
NUMBERED(11);
NUMBERED(12);
NUMBERED(13);
NUMBERED(14);
NUMBERED(15);
NUMBERED(16);

/* ---- Types -------------------------------------------------------------------------------- */

static uint32_t kind_of(const char *name)
{
    const ecs_type *type = ecs_type_of(Kinds);
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (strcmp(type->members[i].name, name) == 0) return type->members[i].kind;
    }
    return 99;
}

TEST(macros_members_have_their_kinds)
{
    uint32_t wide = sizeof(long) == 8 ? ECS_KIND_I64 : ECS_KIND_I32;
    CHECK_EQ_U64(kind_of("flag"), ECS_KIND_BOOL);
    CHECK_EQ_U64(kind_of("c"), (char)-1 < 0 ? ECS_KIND_I8 : ECS_KIND_U8);
    CHECK_EQ_U64(kind_of("sc"), ECS_KIND_I8);
    CHECK_EQ_U64(kind_of("uc"), ECS_KIND_U8);
    CHECK_EQ_U64(kind_of("i8"), ECS_KIND_I8);
    CHECK_EQ_U64(kind_of("u8"), ECS_KIND_U8);
    CHECK_EQ_U64(kind_of("i16"), ECS_KIND_I16);
    CHECK_EQ_U64(kind_of("u16"), ECS_KIND_U16);
    CHECK_EQ_U64(kind_of("i32"), ECS_KIND_I32);
    CHECK_EQ_U64(kind_of("u32"), ECS_KIND_U32);
    CHECK_EQ_U64(kind_of("l"), wide);
    CHECK_EQ_U64(kind_of("ul"), wide + 1);
    CHECK_EQ_U64(kind_of("i64"), ECS_KIND_I64);
    CHECK_EQ_U64(kind_of("u64"), ECS_KIND_U64);
    CHECK_EQ_U64(kind_of("ll"), ECS_KIND_I64);
    CHECK_EQ_U64(kind_of("ull"), ECS_KIND_U64);
    CHECK_EQ_U64(kind_of("f"), ECS_KIND_F32);
    CHECK_EQ_U64(kind_of("d"), ECS_KIND_F64);
    CHECK_EQ_U64(kind_of("one"), ECS_KIND_ENTITY);
    CHECK_EQ_U64(kind_of("some"), ECS_KIND_ENTITY);
    CHECK_EQ_U64(kind_of("list"), ECS_KIND_U16); /* of its elements */
    CHECK_EQ_U64(kind_of("inside"), ECS_KIND_OPAQUE);
}

TEST(macros_types_describe_themselves)
{
    const ecs_type *type = ecs_type_of(Kinds);
    CHECK_STR(type->name, "Kinds");
    CHECK_EQ_U64(type->bytes, sizeof(Kinds));
    CHECK_EQ_U64(type->member_count, 22);
    CHECK_EQ_U64(type->members[20].offset, offsetof(Kinds, list));
    CHECK_EQ_U64(type->members[20].bytes, 10);
    CHECK_EQ_U64(ecs_type_of(Wide)->member_count, 32);
    CHECK_STR(ecs_type_of(Wide)->members[31].name, "m32");
    CHECK_EQ_U64(ecs_type_of(Wide)->members[31].offset, offsetof(Wide, m32));
    CHECK_EQ_U64(ecs_type_of(Plain)->member_count, 0);
    CHECK(ecs_type_of(Plain)->members == NULL);
    CHECK_EQ_U64(ecs_type_of(Player)->bytes, 0);
    CHECK_EQ_U64(ecs_type_of(Player)->align, 1);
    CHECK_STR(ecs_type_of(Player)->name, "Player");
    CHECK_EQ_U64(ecs_type_of(Vec3)->bytes, 12);
}

/* ---- Edits -------------------------------------------------------------------------------- */

TEST(macros_set_takes_braces_variables_and_expressions)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn(world);
    Pair p = {3, 4};
    const Pair *q = &p;
    CHECK_STATUS(ecs_set(world, e, Pair, {1, 2}), ECS_OK);
    CHECK(ecs_get(world, e, Pair)->y > 1.9f);
    CHECK_STATUS(ecs_set(world, e, Pair, p), ECS_OK);
    CHECK(ecs_get(world, e, Pair)->y > 3.9f);
    p.y = 7;
    CHECK_STATUS(ecs_set(world, e, Pair, *q), ECS_OK);
    CHECK(ecs_get(world, e, Pair)->y > 6.9f);
    CHECK_STATUS(ecs_set(world, e, Scalar, 5), ECS_OK);
    CHECK_STATUS(ecs_set(world, e, Scalar, *ecs_get(world, e, Scalar) * 2 + 1), ECS_OK);
    CHECK_EQ_I64(*ecs_get(world, e, Scalar), 11);
    CHECK_STATUS(ecs_set(world, e, Vec3, {1, 2, 3}), ECS_OK);
    CHECK((*ecs_get(world, e, Vec3))[2] > 2.9f);
    CHECK_STATUS(ecs_set(world, e, Mode, MODE_RUN), ECS_OK);
    CHECK(*ecs_get(world, e, Mode) == MODE_RUN);
    CHECK_STATUS(ecs_set(world, e, Text, "hello"), ECS_OK);
    CHECK_STR(*ecs_get(world, e, Text), "hello");
    CHECK_STATUS(ecs_set(world, e, Target, e), ECS_OK);
    CHECK(ecs_equal(*ecs_get(world, e, Target), e));
    ecs_world_destroy(world);
}

TEST(macros_add_remove_has)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn(world);
    CHECK_STATUS(ecs_add(world, e, Player), ECS_OK);
    CHECK_STATUS(ecs_add(world, e, Plain), ECS_OK);
    CHECK(ecs_has(world, e, Player));
    CHECK(!ecs_has(world, e, Enemy));
    CHECK_EQ_I64(ecs_get(world, e, Plain)->a, 0);
    ecs_get_mut(world, e, Plain)->b = 9;
    CHECK_EQ_I64(ecs_get(world, e, Plain)->b, 9);
    CHECK_STATUS(ecs_remove(world, e, Player), ECS_OK);
    CHECK(!ecs_has(world, e, Player));
    CHECK(ecs_get(world, e, Pair) == NULL);
    CHECK(ecs_component_id(world, Plain).id != 0);
    ecs_world_destroy(world);
}

TEST(macros_spawn_with_in_all_forms)
{
    ecs_world *world = ecs_world_create(NULL);
    Pair p = {3, 4};
    ecs_entity a = ecs_spawn_with(world, (Player));
    ecs_entity b = ecs_spawn_with(world, (Pair, {1, 2}));
    ecs_entity c = ecs_spawn_with(world, (Pair, p), (Scalar, 5), (Vec3, {7, 8, 9}), (Enemy),
                                  (Plain), (Target, a), (Mode, MODE_RUN), (Text, "t"));
    CHECK(ecs_has(world, a, Player));
    CHECK(ecs_get(world, b, Pair)->x < 1.1f);
    CHECK(ecs_get(world, c, Pair)->x > 2.9f);
    CHECK_EQ_I64(*ecs_get(world, c, Scalar), 5);
    CHECK((*ecs_get(world, c, Vec3))[0] > 6.9f);
    CHECK_EQ_I64(ecs_get(world, c, Plain)->a, 0);
    CHECK(ecs_equal(*ecs_get(world, c, Target), a));
    CHECK_STR(*ecs_get(world, c, Text), "t");
    ecs_world_destroy(world);
}

TEST(macros_spawn_with_sixteen_values)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (N1, {1}), (N2, {2}), (N3, {3}), (N4, {4}), (N5, {5}),
                                  (N6, {6}), (N7, {7}), (N8, {8}), (N9, {9}), (N10, {10}),
                                  (N11, {11}), (N12, {12}), (N13, {13}), (N14, {14}), (N15, {15}),
                                  (N16, {16}));
    CHECK_STATUS(ecs_world_status(world), ECS_OK);
    REQUIRE(!ecs_is_null(e));
    CHECK_EQ_I64(ecs_get(world, e, N1)->a, 1);
    CHECK_EQ_I64(ecs_get(world, e, N16)->a, 16);
    ecs_cmd_spawn_with(ecs_world_commands(world), (N1, {1}), (N2, {2}), (N3, {3}), (N4, {4}),
                       (N5, {5}), (N6, {6}), (N7, {7}), (N8, {8}), (N9, {9}), (N10, {10}));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, N10)), 2);
    ecs_world_destroy(world);
}

TEST(macros_commands)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_commands *cmd = ecs_world_commands(world);
    ecs_entity e = ecs_spawn_with(world, (Enemy));
    Pair p = {3, 4};
    CHECK_STATUS(ecs_cmd_set(cmd, e, Pair, {1, 2}), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, e, Pair, p), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, e, Scalar, 3), ECS_OK);
    CHECK_STATUS(ecs_cmd_set(cmd, e, Vec3, {1, 2, 3}), ECS_OK);
    CHECK_STATUS(ecs_cmd_add(cmd, e, Player), ECS_OK);
    CHECK_STATUS(ecs_cmd_remove(cmd, e, Enemy), ECS_OK);
    ecs_entity made = ecs_cmd_spawn_with(cmd, (Pair, {5, 6}), (Player));
    CHECK(ecs_is_provisional(made));
    CHECK_STATUS(ecs_flush(world), ECS_OK);
    CHECK(ecs_get(world, e, Pair)->x > 2.9f);
    CHECK((*ecs_get(world, e, Vec3))[1] > 1.9f);
    CHECK(ecs_has(world, e, Player) && !ecs_has(world, e, Enemy));
    CHECK_EQ_U64(ecs_component_count(world, ecs_component_id(world, Player)), 2);
    ecs_world_destroy(world);
}

TEST(macros_getters)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (Pair, {1, 2}), (Vec3, {1, 2, 3}));
    ECS_GETTER(Pair) pairs = ecs_getter_bind(world, Pair);
    ECS_GETTER(Vec3) vectors = ecs_getter_bind(world, Vec3);
    CHECK(ecs_getter_get(pairs, Pair, e) == ecs_get(world, e, Pair));
    CHECK((*ecs_getter_get(vectors, Vec3, e))[2] > 2.9f);
    CHECK(ecs_getter_get(pairs, Pair, ecs_null()) == NULL);
    ecs_remove(world, e, Pair);
    CHECK(ecs_getter_get(pairs, Pair, e) == NULL);
    ecs_world_destroy(world);
}

TEST(macros_resources_and_events)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_event_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.capacity = 8;
    CHECK(ecs_resource_get(world, Config) == NULL);
    CHECK_STATUS(ecs_resource_set(world, Config, {3, 0.5f}), ECS_OK);
    CHECK_EQ_I64(ecs_resource_get(world, Config)->speed, 3);
    ecs_resource_mut(world, Config)->speed = 4;
    CHECK_EQ_I64(ecs_resource_get(world, Config)->speed, 4);
    CHECK_STATUS(ecs_event_configure(world, Hit, &desc), ECS_OK);
    ecs_event_reader reader = ecs_event_reader_open(world, Hit);
    CHECK_STATUS(ecs_event_send(world, Hit, {ecs_null(), 5}), ECS_OK);
    Hit hit = {ecs_null(), 6};
    CHECK_STATUS(ecs_event_send(world, Hit, hit), ECS_OK);
    ecs_events events = ecs_event_read(world, reader);
    REQUIRE(events.count == 2);
    CHECK_EQ_I64(((const Hit *)events.data)[1].damage, 6);
    ecs_world_destroy(world);
}

/* ---- Queries and systems ------------------------------------------------------------------ */

ECS_QUERY(one_term, WITH(Player));
ECS_QUERY(all_kinds, WRITE(Pair), READ(Scalar), WITH(Player), NOT(Enemy), OPTIONAL(Plain),
          OPTIONAL_WRITE(Vec3), ANY(N1, N2, N3));
ECS_QUERY(any_of_two, WITH(Player), ANY(N1, N2));
ECS_QUERY(any_first, ANY(N1, N2, N3, N4), WITH(Player));
ECS_QUERY(any_alone, ANY(N1, N2));
ECS_QUERY(sixteen, READ(N1), WRITE(N2), READ(N3), READ(N4), READ(N5), READ(N6), READ(N7), READ(N8),
          READ(N9), READ(N10), READ(N11), READ(N12), READ(N13), READ(N14), READ(N15), WRITE(N16));

static uint32_t matched;

TEST(macros_queries_of_all_terms)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity with =
        ecs_spawn_with(world, (Pair, {1, 2}), (Scalar, 3), (Player), (Vec3), (N2, {9}));
    ecs_entity without =
        ecs_spawn_with(world, (Pair, {1, 2}), (Scalar, 3), (Player), (N1), (Plain));
    ecs_spawn_with(world, (Pair, {1, 2}), (Scalar, 3), (Player), (Enemy), (N1));
    ecs_spawn_with(world, (Pair, {1, 2}), (Scalar, 3), (Player));
    matched = 0;
    ECS_EACH(world, all_kinds, view) {
        bool first = ecs_equal(view->entities[0], with);
        CHECK_EQ_U64(view->count, 1);
        CHECK(first || ecs_equal(view->entities[0], without));
        ecs_write(view, Pair)[0].x += (float)ecs_read(view, Scalar)[0];
        CHECK(ecs_read(view, Pair)[0].x > 3.9f); /* a written column can be read */
        CHECK((ecs_optional(view, Plain) == NULL) == first);
        CHECK((ecs_optional_write(view, Vec3) != NULL) == first);
        CHECK((ecs_optional(view, N2) != NULL) == first);
        CHECK((ecs_optional(view, N1) == NULL) == first);
        CHECK(ecs_optional(view, N3) == NULL);
        if (first) ecs_optional_write(view, Vec3)[0][1] = 5;
        matched++;
    }
    CHECK_EQ_U64(matched, 2);
    CHECK((*ecs_get(world, with, Vec3))[1] > 4.9f);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &one_term)), 4);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &any_of_two)), 3);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &any_first)), 3);
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &any_alone)), 3);
    ecs_world_destroy(world);
}

TEST(macros_query_of_sixteen_terms)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn(world);
    ecs_set(world, e, N1, {1}), ecs_set(world, e, N2, {2}), ecs_add(world, e, N3);
    ecs_add(world, e, N4), ecs_add(world, e, N5), ecs_add(world, e, N6), ecs_add(world, e, N7);
    ecs_add(world, e, N8), ecs_add(world, e, N9), ecs_add(world, e, N10), ecs_add(world, e, N11);
    ecs_add(world, e, N12), ecs_add(world, e, N13), ecs_add(world, e, N14);
    ecs_set(world, e, N15, {15});
    CHECK_EQ_U64(ecs_query_count(world, ecs_query_of(world, &sixteen)), 0);
    ecs_add(world, e, N16);
    ECS_EACH_ROW(world, sixteen, view) {
        ecs_write(view, N16)[view->row].a = ecs_read(view, N1)[view->row].a +
                                            ecs_write(view, N2)[view->row].a +
                                            ecs_read(view, N15)[view->row].a;
    }
    CHECK_EQ_I64(ecs_get(world, e, N16)->a, 18);
    ecs_world_destroy(world);
}

/* Leaves the function from inside the loop. */
static bool find_player(ecs_world *world, ecs_entity *out)
{
    ECS_EACH(world, one_term, view) {
        *out = view->entities[0];
        return true;
    }
    return false;
}

TEST(macros_loops_end_by_break_return_and_continue)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn_with(world, (Player));
    ecs_entity found = ecs_null();
    for (int i = 0; i < 300; i++) ecs_spawn_with(world, (Player), (Enemy));
    CHECK(find_player(world, &found));
    CHECK(ecs_equal(found, e));
    CHECK_STATUS(ecs_add(world, e, Plain), ECS_OK); /* unlocked */
    ECS_EACH(world, one_term, view) {
        CHECK_STATUS(ecs_add(world, e, Scalar), ECS_LOCKED);
        break;
    }
    CHECK_STATUS(ecs_add(world, e, Scalar), ECS_OK);
    matched = 0;
    ECS_EACH_ROW(world, one_term, view) {
        if (view->row % 2 == 1) continue;
        ECS_EACH(world, any_of_two, inner) matched += inner->count; /* nested */
        matched++;
    }
    CHECK(matched > 100);
    CHECK_STATUS(ecs_add(world, e, Vec3), ECS_OK);
    matched = 0;
    ECS_EACH_CONST((const ecs_world *)world, one_term, view) {
        CHECK_STATUS(ecs_set(world, e, Vec3, {1, 2, 3}), ECS_OK); /* no lock, no move */
        matched += view->count;
    }
    CHECK_EQ_U64(matched, 301);
    ecs_world_destroy(world);
}

ECS_SYSTEM(all_terms, WRITE(Pair), READ(Scalar), WITH(Player), NOT(Enemy), OPTIONAL(Plain),
           OPTIONAL_WRITE(Vec3), ANY(N1, N2), RES_READ(Config), RES_WRITE(Mode), EMIT(Hit),
           LOOKUP(Target), LOOKUP(N3))
{
    Pair *p = ecs_write(view, Pair);
    for (uint32_t i = 0; i < view->count; i++) {
        const Target *target = ecs_lookup(view, Target, view->entities[i]);
        CHECK(target != NULL);
        CHECK(ecs_lookup(view, N3, view->entities[i]) == NULL);
        p[i].x += (float)ecs_read(view, Scalar)[i] + (float)ecs_res_read(view, Config)->speed;
        CHECK(ecs_optional(view, N1) != NULL || ecs_optional(view, N2) != NULL);
        CHECK(ecs_optional(view, Plain) == NULL);
        if (ecs_optional_write(view, Vec3) != NULL) ecs_optional_write(view, Vec3)[i][0] = 3;
        CHECK_STATUS(ecs_emit(view, Hit, {view->entities[i], 7}), ECS_OK);
        ecs_cmd_add(view->cmd, view->entities[i], Plain);
    }
    *ecs_res_write(view, Mode) = MODE_RUN;
    CHECK(view->dt > 0.4f && view->user == NULL && view->tick > 0 && view->world != NULL);
    return ECS_OK;
}

ECS_SYSTEM(hears, ON(Hit), READ(Plain))
{
    CHECK_EQ_U64(ecs_on_count(view, Hit), 1);
    CHECK_EQ_I64(ecs_on(view, Hit)[0].damage, 7);
    CHECK_EQ_U64(view->count, 1);
    matched++;
    return ECS_OK;
}

ECS_TASK(a_task)
{
    matched += 10;
    return ECS_OK;
}

ECS_TASK(an_empty_task)
{
    return ECS_OK;
}

ECS_EXCLUSIVE(an_exclusive)
{
    CHECK(!ecs_is_null(ecs_spawn(world)));
    matched += 100;
    return ECS_OK;
}

ECS_EXCLUSIVE(an_empty_exclusive)
{
    return ECS_OK;
}

TEST(macros_systems_of_all_terms)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_resource_set(world, Config, {4, 1});
    ecs_entity e = ecs_spawn_with(world, (Pair, {1, 2}), (Scalar, 3), (Player), (N2), (Vec3));
    ecs_set(world, e, Target, e);
    matched = 0;
    CHECK_STATUS(ecs_system_add(world, &all_terms, ECS_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &hears, ECS_POST_UPDATE), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &a_task, ECS_LAST), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &an_empty_task, ECS_LAST), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &an_exclusive, ECS_LAST), ECS_OK);
    CHECK_STATUS(ecs_system_add(world, &an_empty_exclusive, ECS_LAST), ECS_OK);
    CHECK_STATUS(ecs_tick(world, 0.5f), ECS_OK);
    CHECK_EQ_U64(matched, 111);
    CHECK(ecs_get(world, e, Pair)->x > 7.9f);
    CHECK((*ecs_get(world, e, Vec3))[0] > 2.9f);
    CHECK(*ecs_resource_get(world, Mode) == MODE_RUN);
    CHECK_STR(all_terms.name, "all_terms");
    CHECK_EQ_U64(all_terms.term_count, 13);
    ecs_world_destroy(world);
}

ECS_SYSTEM(sixteen_terms, READ(N1), WRITE(N2), READ(N3), READ(N4), READ(N5), READ(N6), READ(N7),
           READ(N8), READ(N9), READ(N10), READ(N11), READ(N12), READ(N13), READ(N14), READ(N15),
           OPTIONAL(N16))
{
    ecs_write(view, N2)[0].a = ecs_read(view, N15)[0].a;
    CHECK(ecs_optional(view, N16) == NULL);
    return ECS_OK;
}

TEST(macros_system_of_sixteen_terms)
{
    ecs_world *world = ecs_world_create(NULL);
    ecs_entity e = ecs_spawn(world);
    CHECK_STATUS(ecs_system_add(world, &sixteen_terms, ECS_UPDATE), ECS_OK);
    for (uint32_t i = 0; i < 15; i++) {
        CHECK_STATUS(ecs_add_type(world, e, sixteen_terms.terms[i].type), ECS_OK);
    }
    ecs_set(world, e, N15, {8});
    CHECK_STATUS(ecs_tick(world, 0), ECS_OK);
    CHECK_EQ_I64(ecs_get(world, e, N2)->a, 8);
    ecs_world_destroy(world);
}
