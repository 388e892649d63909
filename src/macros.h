/* macros.h: section 15 of the public interface, the typed macros.
 *
 * ECS_COMPONENT(T, members...)   ECS_TAG(T)   ECS_RESOURCE(T, ...)   ECS_EVENT(T, ...)
 * ECS_SYSTEM(name, terms...)     ECS_TASK(name)     ECS_EXCLUSIVE(name)
 * ECS_QUERY(name, terms...)      ECS_EACH(world, name, view)
 *
 * Terms are pasted to a prefix before anything expands them, so that READ or WRITE of
 * some platform header do no harm, and nothing of that name is defined here.
 *
 * A view is a struct type of its own for each system or query; its members are the
 * declared columns. What was not declared is not there: the compiler refuses it. */
/* floor: 0 */
#ifndef ECS_MACROS_H
#define ECS_MACROS_H

#include "api.h"

#define ECSI_CAT(a, b) ECSI_CAT_(a, b)
#define ECSI_CAT_(a, b) a##b

/* Number of arguments, 1 to 64. */
#define ECSI_COUNT(...) ECSI_COUNT_(__VA_ARGS__, ECSI_COUNT_DOWN)
#define ECSI_COUNT_(...) ECSI_COUNT_PICK(__VA_ARGS__)
#define ECSI_COUNT_DOWN 64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, \
    47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, \
    25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, \
    1, 0
#define ECSI_COUNT_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, \
    a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, \
    a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, \
    a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, n, ...) n
/* ecsi1 or ecsiM: words that no program defines. */
#define ECSI_ONE_OR_MANY(...) ECSI_COUNT_(__VA_ARGS__, ECSI_MANY_DOWN)
#define ECSI_MANY_DOWN ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, \
    ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsiM, ecsi1, ecsi0

/* m(a) for each argument after the first; d(x, a) with a fixed first one. */
#define ECSI_MAP_1(m, a) m(a)
#define ECSI_MAP_2(m, a, ...) m(a) ECSI_MAP_1(m, __VA_ARGS__)
#define ECSI_MAP_3(m, a, ...) m(a) ECSI_MAP_2(m, __VA_ARGS__)
#define ECSI_MAP_4(m, a, ...) m(a) ECSI_MAP_3(m, __VA_ARGS__)
#define ECSI_MAP_5(m, a, ...) m(a) ECSI_MAP_4(m, __VA_ARGS__)
#define ECSI_MAP_6(m, a, ...) m(a) ECSI_MAP_5(m, __VA_ARGS__)
#define ECSI_MAP_7(m, a, ...) m(a) ECSI_MAP_6(m, __VA_ARGS__)
#define ECSI_MAP_8(m, a, ...) m(a) ECSI_MAP_7(m, __VA_ARGS__)
#define ECSI_MAP_9(m, a, ...) m(a) ECSI_MAP_8(m, __VA_ARGS__)
#define ECSI_MAP_10(m, a, ...) m(a) ECSI_MAP_9(m, __VA_ARGS__)
#define ECSI_MAP_11(m, a, ...) m(a) ECSI_MAP_10(m, __VA_ARGS__)
#define ECSI_MAP_12(m, a, ...) m(a) ECSI_MAP_11(m, __VA_ARGS__)
#define ECSI_MAP_13(m, a, ...) m(a) ECSI_MAP_12(m, __VA_ARGS__)
#define ECSI_MAP_14(m, a, ...) m(a) ECSI_MAP_13(m, __VA_ARGS__)
#define ECSI_MAP_15(m, a, ...) m(a) ECSI_MAP_14(m, __VA_ARGS__)
#define ECSI_MAP_16(m, a, ...) m(a) ECSI_MAP_15(m, __VA_ARGS__)
#define ECSI_MAP_17(m, a, ...) m(a) ECSI_MAP_16(m, __VA_ARGS__)
#define ECSI_MAP_18(m, a, ...) m(a) ECSI_MAP_17(m, __VA_ARGS__)
#define ECSI_MAP_19(m, a, ...) m(a) ECSI_MAP_18(m, __VA_ARGS__)
#define ECSI_MAP_20(m, a, ...) m(a) ECSI_MAP_19(m, __VA_ARGS__)
#define ECSI_MAP_21(m, a, ...) m(a) ECSI_MAP_20(m, __VA_ARGS__)
#define ECSI_MAP_22(m, a, ...) m(a) ECSI_MAP_21(m, __VA_ARGS__)
#define ECSI_MAP_23(m, a, ...) m(a) ECSI_MAP_22(m, __VA_ARGS__)
#define ECSI_MAP_24(m, a, ...) m(a) ECSI_MAP_23(m, __VA_ARGS__)
#define ECSI_MAP_25(m, a, ...) m(a) ECSI_MAP_24(m, __VA_ARGS__)
#define ECSI_MAP_26(m, a, ...) m(a) ECSI_MAP_25(m, __VA_ARGS__)
#define ECSI_MAP_27(m, a, ...) m(a) ECSI_MAP_26(m, __VA_ARGS__)
#define ECSI_MAP_28(m, a, ...) m(a) ECSI_MAP_27(m, __VA_ARGS__)
#define ECSI_MAP_29(m, a, ...) m(a) ECSI_MAP_28(m, __VA_ARGS__)
#define ECSI_MAP_30(m, a, ...) m(a) ECSI_MAP_29(m, __VA_ARGS__)
#define ECSI_MAP_31(m, a, ...) m(a) ECSI_MAP_30(m, __VA_ARGS__)
#define ECSI_MAP_32(m, a, ...) m(a) ECSI_MAP_31(m, __VA_ARGS__)
#define ECSI_WITH_1(m, x, a) m(x, a)
#define ECSI_WITH_2(m, x, a, ...) m(x, a) ECSI_WITH_1(m, x, __VA_ARGS__)
#define ECSI_WITH_3(m, x, a, ...) m(x, a) ECSI_WITH_2(m, x, __VA_ARGS__)
#define ECSI_WITH_4(m, x, a, ...) m(x, a) ECSI_WITH_3(m, x, __VA_ARGS__)
#define ECSI_WITH_5(m, x, a, ...) m(x, a) ECSI_WITH_4(m, x, __VA_ARGS__)
#define ECSI_WITH_6(m, x, a, ...) m(x, a) ECSI_WITH_5(m, x, __VA_ARGS__)
#define ECSI_WITH_7(m, x, a, ...) m(x, a) ECSI_WITH_6(m, x, __VA_ARGS__)
#define ECSI_WITH_8(m, x, a, ...) m(x, a) ECSI_WITH_7(m, x, __VA_ARGS__)
#define ECSI_WITH_9(m, x, a, ...) m(x, a) ECSI_WITH_8(m, x, __VA_ARGS__)
#define ECSI_WITH_10(m, x, a, ...) m(x, a) ECSI_WITH_9(m, x, __VA_ARGS__)
#define ECSI_WITH_11(m, x, a, ...) m(x, a) ECSI_WITH_10(m, x, __VA_ARGS__)
#define ECSI_WITH_12(m, x, a, ...) m(x, a) ECSI_WITH_11(m, x, __VA_ARGS__)
#define ECSI_WITH_13(m, x, a, ...) m(x, a) ECSI_WITH_12(m, x, __VA_ARGS__)
#define ECSI_WITH_14(m, x, a, ...) m(x, a) ECSI_WITH_13(m, x, __VA_ARGS__)
#define ECSI_WITH_15(m, x, a, ...) m(x, a) ECSI_WITH_14(m, x, __VA_ARGS__)
#define ECSI_WITH_16(m, x, a, ...) m(x, a) ECSI_WITH_15(m, x, __VA_ARGS__)
#define ECSI_WITH_17(m, x, a, ...) m(x, a) ECSI_WITH_16(m, x, __VA_ARGS__)
#define ECSI_WITH_18(m, x, a, ...) m(x, a) ECSI_WITH_17(m, x, __VA_ARGS__)
#define ECSI_WITH_19(m, x, a, ...) m(x, a) ECSI_WITH_18(m, x, __VA_ARGS__)
#define ECSI_WITH_20(m, x, a, ...) m(x, a) ECSI_WITH_19(m, x, __VA_ARGS__)
#define ECSI_WITH_21(m, x, a, ...) m(x, a) ECSI_WITH_20(m, x, __VA_ARGS__)
#define ECSI_WITH_22(m, x, a, ...) m(x, a) ECSI_WITH_21(m, x, __VA_ARGS__)
#define ECSI_WITH_23(m, x, a, ...) m(x, a) ECSI_WITH_22(m, x, __VA_ARGS__)
#define ECSI_WITH_24(m, x, a, ...) m(x, a) ECSI_WITH_23(m, x, __VA_ARGS__)
#define ECSI_WITH_25(m, x, a, ...) m(x, a) ECSI_WITH_24(m, x, __VA_ARGS__)
#define ECSI_WITH_26(m, x, a, ...) m(x, a) ECSI_WITH_25(m, x, __VA_ARGS__)
#define ECSI_WITH_27(m, x, a, ...) m(x, a) ECSI_WITH_26(m, x, __VA_ARGS__)
#define ECSI_WITH_28(m, x, a, ...) m(x, a) ECSI_WITH_27(m, x, __VA_ARGS__)
#define ECSI_WITH_29(m, x, a, ...) m(x, a) ECSI_WITH_28(m, x, __VA_ARGS__)
#define ECSI_WITH_30(m, x, a, ...) m(x, a) ECSI_WITH_29(m, x, __VA_ARGS__)
#define ECSI_WITH_31(m, x, a, ...) m(x, a) ECSI_WITH_30(m, x, __VA_ARGS__)
#define ECSI_WITH_32(m, x, a, ...) m(x, a) ECSI_WITH_31(m, x, __VA_ARGS__)

/* ---- Types -------------------------------------------------------------------- */
/* tidy: compiler begin */
#ifdef __cplusplus
#include <new>
template <typename ecsiU> struct ecsi_kind { enum { value = ECS_KIND_OPAQUE }; };
template <typename ecsiU, size_t ecsiN> struct ecsi_kind<ecsiU[ecsiN]> {
    enum { value = ecsi_kind<ecsiU>::value };
};
template <typename ecsiU> struct ecsi_signed { enum { value = (ecsiU)-1 < (ecsiU)1 }; };
#define ECSI_KIND_OF(ecsiU, k)                                                         \
    template <> struct ecsi_kind<ecsiU> { enum { value = (k) }; };
#define ECSI_KIND_OF_INT(ecsiU)                                                        \
    ECSI_KIND_OF(ecsiU, (sizeof(ecsiU) == 1   ? ECS_KIND_U8                                 \
                     : sizeof(ecsiU) == 2 ? ECS_KIND_U16                                \
                     : sizeof(ecsiU) == 4 ? ECS_KIND_U32                                \
                                      : ECS_KIND_U64) - (ecsi_signed<ecsiU>::value ? 1 : 0))
ECSI_KIND_OF(bool, ECS_KIND_BOOL)
ECSI_KIND_OF_INT(char)
ECSI_KIND_OF_INT(signed char)
ECSI_KIND_OF_INT(unsigned char)
ECSI_KIND_OF_INT(short)
ECSI_KIND_OF_INT(unsigned short)
ECSI_KIND_OF_INT(int)
ECSI_KIND_OF_INT(unsigned int)
ECSI_KIND_OF_INT(long)
ECSI_KIND_OF_INT(unsigned long)
ECSI_KIND_OF_INT(long long)
ECSI_KIND_OF_INT(unsigned long long)
ECSI_KIND_OF(float, ECS_KIND_F32)
ECSI_KIND_OF(double, ECS_KIND_F64)
ECSI_KIND_OF(ecs_entity, ECS_KIND_ENTITY)
#define ECSI_KIND(T, m) ((uint32_t)ecsi_kind<decltype(T::m)>::value)
#define ECSI_TRIVIAL(T)                                                            \
    static_assert(__is_trivially_copyable(T),                                      \
                  "component " #T " must be trivially copyable, or ECS_COMPONENT_CLASS")
/* What the world calls for a C++ class: its own constructors and destructor. */
template <typename ecsiU> struct ecsi_class {
    static void init(void *to, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) new ((ecsiU *)to + i) ecsiU();
    }
    static void copy(void *to, const void *from, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) new ((ecsiU *)to + i) ecsiU(((const ecsiU *)from)[i]);
    }
    static void move(void *to, void *from, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) {
            new ((ecsiU *)to + i) ecsiU((ecsiU &&)((ecsiU *)from)[i]);
            ((ecsiU *)from)[i].~ecsiU();
        }
    }
    static void destroy(void *values, uint32_t count, void *)
    {
        for (uint32_t i = 0; i < count; i++) ((ecsiU *)values)[i].~ecsiU();
    }
};
/* A class as component: default and copy constructible; they must not throw. The hash needs
 * a hook of its own: ecs_component_hooks. */
#define ECS_COMPONENT_CLASS(T)                                                     \
    static const ecs_hooks ecsg_hooks_##T = {                                      \
        ecsi_class<T>::init, ecsi_class<T>::copy, ecsi_class<T>::move,             \
        ecsi_class<T>::destroy, NULL, NULL, NULL, NULL, NULL};                     \
    ECSI_TYPE_INFO(T, NULL, 0u, &ecsg_hooks_##T)                                   \
    ECSI_TYPE_EDITS(T)                                                             \
    ECSI_TYPE_VALUES(T)                                                            \
    struct ecsg_end_##T
#else
#define ECSI_INT_KIND(ecsiU, s)                                                        \
    (sizeof(ecsiU) == 1   ? ECS_KIND_U8 - (s)                                          \
     : sizeof(ecsiU) == 2 ? ECS_KIND_U16 - (s)                                         \
     : sizeof(ecsiU) == 4 ? ECS_KIND_U32 - (s)                                         \
                      : ECS_KIND_U64 - (s))
/* `e` has type pointer to the member, or to its elements when it is an array. */
#define ECSI_POINTER_KIND(e, other)                                                \
    _Generic((e), bool *: ECS_KIND_BOOL, char *: ECSI_INT_KIND(char, (char)-1 < 0),\
        signed char *: ECS_KIND_I8, unsigned char *: ECS_KIND_U8,                  \
        short *: ECSI_INT_KIND(short, 1), unsigned short *: ECSI_INT_KIND(short, 0), \
        int *: ECSI_INT_KIND(int, 1), unsigned int *: ECSI_INT_KIND(int, 0),       \
        long *: ECSI_INT_KIND(long, 1), unsigned long *: ECSI_INT_KIND(long, 0),   \
        long long *: ECS_KIND_I64, unsigned long long *: ECS_KIND_U64,             \
        float *: ECS_KIND_F32, double *: ECS_KIND_F64,                             \
        ecs_entity *: ECS_KIND_ENTITY, default: (other))
#define ECSI_KIND(T, m)                                                            \
    ((uint32_t)ECSI_POINTER_KIND(&((T *)0)->m,                                     \
                                 ECSI_POINTER_KIND(((T *)0)->m, ECS_KIND_OPAQUE)))
#define ECSI_TRIVIAL(T) _Static_assert(sizeof(T) > 0, "component " #T)
#endif
/* tidy: compiler end */

/* ECS_COMPONENT(T) or ECS_COMPONENT(T, member, ...). */
#define ECS_COMPONENT(...) ECSI_CAT(ECSI_TYPE_, ECSI_ONE_OR_MANY(__VA_ARGS__))(__VA_ARGS__)
#define ECS_RESOURCE(...) ECS_COMPONENT(__VA_ARGS__)
#define ECS_EVENT(...) ECS_COMPONENT(__VA_ARGS__)
/* A type without value. It is declared here; use its name only. */
#define ECS_TAG(T)                                                                 \
    typedef struct T T;                                                            \
    ECSI_UNUSED static const ecs_type ecsg_type_##T = {#T, 0u, 1u, NULL, 0u, NULL}; \
    ECSI_TYPE_EDITS(T)                                                             \
    struct ecsg_tag_##T

#define ECSI_TYPE_ecsi1(T)                                                           \
    ECSI_TRIVIAL(T);                                                               \
    ECSI_TYPE_INFO(T, NULL, 0u, NULL)                                              \
    ECSI_TYPE_EDITS(T)                                                             \
    ECSI_TYPE_VALUES(T)                                                            \
    struct ecsg_end_##T
#define ECSI_TYPE_ecsiM(T, ...)                                                     \
    ECSI_TRIVIAL(T);                                                               \
    ECSI_UNUSED static const ecs_member ecsg_members_##T[] = {ECSI_CAT(            \
        ECSI_WITH_, ECSI_COUNT(__VA_ARGS__))(ECSI_MEMBER, T, __VA_ARGS__)};        \
    ECSI_TYPE_INFO(T, ecsg_members_##T, ECSI_COUNT(__VA_ARGS__), NULL)             \
    ECSI_TYPE_EDITS(T)                                                             \
    ECSI_TYPE_VALUES(T)                                                            \
    struct ecsg_end_##T
#define ECSI_MEMBER(T, m)                                                          \
    {#m, (uint32_t)offsetof(T, m), (uint32_t)sizeof(((T *)0)->m), ECSI_KIND(T, m)},
#define ECSI_TYPE_INFO(T, members, count, hooks)                                   \
    ECSI_UNUSED static const ecs_type ecsg_type_##T = {                            \
        #T, (uint32_t)sizeof(T), (uint32_t)ECSI_ALIGNOF(T), members, count, hooks};
#define ECSI_TYPE_EDITS(T)                                                         \
    ECSI_INLINE ecs_status ecsg_add_##T(ecs_world *w, ecs_entity e)                \
    {                                                                              \
        return ecs_add_type(w, e, &ecsg_type_##T);                                 \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_remove_##T(ecs_world *w, ecs_entity e)             \
    {                                                                              \
        return ecs_remove_type(w, e, &ecsg_type_##T);                              \
    }                                                                              \
    ECSI_INLINE bool ecsg_has_##T(const ecs_world *w, ecs_entity e)                \
    {                                                                              \
        return ecs_has_type(w, e, &ecsg_type_##T);                                 \
    }
#define ECSI_TYPE_VALUES(T)                                                        \
    ECSI_INLINE ecs_status ecsg_set_##T(ecs_world *w, ecs_entity e, const T *v)    \
    {                                                                              \
        return ecs_set_type(w, e, &ecsg_type_##T, v);                              \
    }                                                                              \
    ECSI_INLINE const T *ecsg_get_##T(const ecs_world *w, ecs_entity e)            \
    {                                                                              \
        return (const T *)ecs_get_type(w, e, &ecsg_type_##T);                      \
    }                                                                              \
    ECSI_INLINE T *ecsg_mut_##T(ecs_world *w, ecs_entity e)                        \
    {                                                                              \
        return (T *)ecs_get_mut_type(w, e, &ecsg_type_##T);                        \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_cmd_set_##T(ecs_commands *c, ecs_entity e, const T *v) \
    {                                                                              \
        return ecs_cmd_set_type(c, e, &ecsg_type_##T, v);                          \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_res_set_##T(ecs_world *w, const T *v)              \
    {                                                                              \
        return ecs_resource_set_type(w, &ecsg_type_##T, v);                        \
    }                                                                              \
    ECSI_INLINE const T *ecsg_res_get_##T(const ecs_world *w)                      \
    {                                                                              \
        return (const T *)ecs_resource_get_type(w, &ecsg_type_##T);                \
    }                                                                              \
    ECSI_INLINE T *ecsg_res_mut_##T(ecs_world *w)                                  \
    {                                                                              \
        return (T *)ecs_resource_mut_type(w, &ecsg_type_##T);                      \
    }                                                                              \
    ECSI_EVENT_VALUES(T)                                                           \
    ECSI_ADDRESS(T)                                                                \
    struct ecsg_getter_##T {                                                       \
        ecs_getter getter;                                                         \
    };                                                                             \
    ECSI_INLINE struct ecsg_getter_##T ecsg_bind_##T(ecs_world *w)                 \
    {                                                                              \
        struct ecsg_getter_##T g;                                                  \
        (void)ecs_getter_make(w, &ecsg_type_##T, &g.getter);                       \
        return g;                                                                  \
    }                                                                              \
    ECSI_INLINE const T *ecsg_find_##T(struct ecsg_getter_##T g, ecs_entity e)     \
    {                                                                              \
        return (const T *)ecs_getter_find(g.getter, e, sizeof(T));                 \
    }
#ifndef ECS_NO_EVENTS
#define ECSI_EVENT_VALUES(T)                                                       \
    ECSI_INLINE ecs_status ecsg_send_##T(ecs_world *w, const T *v)                 \
    {                                                                              \
        return ecs_event_send_type(w, &ecsg_type_##T, v);                          \
    }                                                                              \
    ECSI_INLINE ecs_status ecsg_cmd_emit_##T(ecs_commands *c, const T *v)          \
    {                                                                              \
        return ecs_cmd_emit_type(c, &ecsg_type_##T, v);                            \
    }
#else
#define ECSI_EVENT_VALUES(T)
#endif

/* A value written in a call: braces or an expression of the type. */
#ifdef __cplusplus
#define ECSI_ADDRESS(T)                                                            \
    ECSI_INLINE const T *ecsg_address_##T(const T &v) { return &v; }
#define ECSI_VALUE_AT(T, ...) ecsg_address_##T(__VA_ARGS__)
template <uint32_t ecsiN>
inline ecs_entity ecsi_spawn_list(ecs_world *world, const ecs_value (&values)[ecsiN])
{
    return ecs_spawn_values(world, values, ecsiN);
}
template <uint32_t ecsiN>
inline ecs_entity ecsi_cmd_spawn_list(ecs_commands *cmd, const ecs_value (&values)[ecsiN])
{
    return ecs_cmd_spawn_values(cmd, values, ecsiN);
}
#else
#define ECSI_ADDRESS(T)
#define ECSI_VALUE_AT(T, ...) ((const T[1]){__VA_ARGS__})
#endif
#define ECSI_VALUE(pair) ECSI_VALUE_ pair,
#define ECSI_VALUE_(...) ECSI_CAT(ECSI_VALUE_, ECSI_ONE_OR_MANY(__VA_ARGS__))(__VA_ARGS__)
#define ECSI_VALUE_ecsi1(T) {&ecsg_type_##T, NULL}
#define ECSI_VALUE_ecsiM(T, ...) {&ecsg_type_##T, ECSI_VALUE_AT(T, __VA_ARGS__)}
#define ECSI_VALUES(...)                                                           \
    ECSI_CAT(ECSI_MAP_, ECSI_COUNT(__VA_ARGS__))(ECSI_VALUE, __VA_ARGS__)

/* ecs_spawn_with(world, (Position, {1, 2}), (Velocity, v), (Player)): (T) alone is init or
 * zero. Null when refused. At most 32 values with 63 commas each. */
#ifdef __cplusplus
#define ecs_spawn_with(world, ...) ecsi_spawn_list((world), {ECSI_VALUES(__VA_ARGS__)})
#define ecs_cmd_spawn_with(cmd, ...) ecsi_cmd_spawn_list((cmd), {ECSI_VALUES(__VA_ARGS__)})
#else
#define ecs_spawn_with(world, ...)                                                 \
    ecs_spawn_values((world), (const ecs_value[]){ECSI_VALUES(__VA_ARGS__)},       \
                     ECSI_COUNT(__VA_ARGS__))
#define ecs_cmd_spawn_with(cmd, ...)                                               \
    ecs_cmd_spawn_values((cmd), (const ecs_value[]){ECSI_VALUES(__VA_ARGS__)},     \
                         ECSI_COUNT(__VA_ARGS__))
#endif

/* The typed calls of sections 5, 7 and 10. */
#define ecs_type_of(T) (&ecsg_type_##T)
#define ecs_component_id(world, T) ecs_component_of((world), &ecsg_type_##T)
#define ecs_add(world, entity, T) ecsg_add_##T((world), (entity))
#define ecs_remove(world, entity, T) ecsg_remove_##T((world), (entity))
#define ecs_has(world, entity, T) ecsg_has_##T((world), (entity))
#define ecs_set(world, entity, T, ...)                                             \
    ecsg_set_##T((world), (entity), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_get(world, entity, T) ecsg_get_##T((world), (entity))
#define ecs_get_mut(world, entity, T) ecsg_mut_##T((world), (entity))
#define ECS_GETTER(T) struct ecsg_getter_##T
/* When it is refused (ECS_FULL, ECS_NO_MEMORY) it finds nothing; ecs_getter_make says why. */
#define ecs_getter_bind(world, T) ecsg_bind_##T(world)
#define ecs_getter_get(getter, T, entity) ecsg_find_##T((getter), (entity))
#define ecs_cmd_add(cmd, entity, T) ecs_cmd_add_type((cmd), (entity), &ecsg_type_##T)
#define ecs_cmd_remove(cmd, entity, T) ecs_cmd_remove_type((cmd), (entity), &ecsg_type_##T)
#define ecs_cmd_set(cmd, entity, T, ...)                                           \
    ecsg_cmd_set_##T((cmd), (entity), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_resource_set(world, T, ...) ecsg_res_set_##T((world), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_resource_get(world, T) ecsg_res_get_##T(world)
#define ecs_resource_mut(world, T) ecsg_res_mut_##T(world)
#define ecs_event_configure(world, T, desc)                                        \
    ecs_event_configure_type((world), &ecsg_type_##T, (desc))
#define ecs_event_send(world, T, ...) ecsg_send_##T((world), ECSI_VALUE_AT(T, __VA_ARGS__))
#define ecs_event_reader_open(world, T) ecs_event_reader_open_type((world), &ecsg_type_##T)

/* ---- Columns of a view -------------------------------------------------------- */

#define ecs_read(view, T) ((view)->ecsg_read_##T)
#define ecs_write(view, T) ((view)->ecsg_write_##T)
#define ecs_optional(view, T) ((view)->ecsg_optional_##T)
#define ecs_optional_write(view, T) ((view)->ecsg_optional_write_##T)
#define ecs_res_read(view, T) ((view)->ecsg_res_read_##T)
#define ecs_res_write(view, T) ((view)->ecsg_res_write_##T)
/* The events of type T that this system has not seen: an array and its length. */
#define ecs_on(view, T) ((view)->ecsg_on_##T)
#define ecs_on_count(view, T) ((view)->ecsg_on_count_##T)
#define ecs_emit(view, T, ...)                                                     \
    ecsg_cmd_emit_##T((view)->ecsg_emit_##T, ECSI_VALUE_AT(T, __VA_ARGS__))
/* Component T of any entity: const T *, NULL when it is stale or has none. */
#define ecs_lookup(view, T, entity) ecsg_find_##T((view)->ecsg_lookup_##T, (entity))

/* Stage 1: each term becomes an inert (KIND, T) pair. */
#define ECSI_TERM_READ(T) (ecsiR, T)
#define ECSI_TERM_WRITE(T) (ecsiW, T)
#define ECSI_TERM_WITH(T) (ecsiH, T)
#define ECSI_TERM_NOT(T) (ecsiN, T)
#define ECSI_TERM_OPTIONAL(T) (ecsiO, T)
#define ECSI_TERM_OPTIONAL_WRITE(T) (ecsiP, T)
#define ECSI_TERM_ANY(...) ECSI_CAT(ECSI_ANY_, ECSI_COUNT(__VA_ARGS__))(__VA_ARGS__)
#define ECSI_ANY_2(a, b) (ecsiY, a), (ecsiZ, b)
#define ECSI_ANY_3(a, b, c) (ecsiY, a), (ecsiZ, b), (ecsiZ, c)
#define ECSI_ANY_4(a, b, c, d) (ecsiY, a), (ecsiZ, b), (ecsiZ, c), (ecsiZ, d)
#define ECSI_TERM_RES_READ(T) (ecsiRR, T)
#define ECSI_TERM_RES_WRITE(T) (ecsiRW, T)
#define ECSI_TERM_ON(T) (ecsiON, T)
#define ECSI_TERM_EMIT(T) (ecsiEM, T)
#define ECSI_TERM_LOOKUP(T) (ecsiLU, T)
/* Picks the number of terms. It must get the terms as they were written, never through another
 * macro: arguments that a macro passes on are expanded first, and a hostile READ with them. */
#define ECSI_TERM_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
                       n, ...) n
#define ECSI_TERMS_1(m, n, a1) m(n, a1)
#define ECSI_TERMS_2(m, n, a1, a2) \
    m(n, a1, ECSI_TERM_##a2)
#define ECSI_TERMS_3(m, n, a1, a2, a3) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3)
#define ECSI_TERMS_4(m, n, a1, a2, a3, a4) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4)
#define ECSI_TERMS_5(m, n, a1, a2, a3, a4, a5) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5)
#define ECSI_TERMS_6(m, n, a1, a2, a3, a4, a5, a6) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, ECSI_TERM_##a6)
#define ECSI_TERMS_7(m, n, a1, a2, a3, a4, a5, a6, a7) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7)
#define ECSI_TERMS_8(m, n, a1, a2, a3, a4, a5, a6, a7, a8) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8)
#define ECSI_TERMS_9(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9)
#define ECSI_TERMS_10(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10)
#define ECSI_TERMS_11(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11)
#define ECSI_TERMS_12(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12)
#define ECSI_TERMS_13(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13)
#define ECSI_TERMS_14(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13, ECSI_TERM_##a14)
#define ECSI_TERMS_15(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13, ECSI_TERM_##a14, ECSI_TERM_##a15)
#define ECSI_TERMS_16(m, n, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, \
    a15, a16) \
    m(n, a1, ECSI_TERM_##a2, ECSI_TERM_##a3, ECSI_TERM_##a4, ECSI_TERM_##a5, \
    ECSI_TERM_##a6, ECSI_TERM_##a7, ECSI_TERM_##a8, ECSI_TERM_##a9, ECSI_TERM_##a10, \
    ECSI_TERM_##a11, ECSI_TERM_##a12, ECSI_TERM_##a13, ECSI_TERM_##a14, ECSI_TERM_##a15, \
    ECSI_TERM_##a16)

/* Stage 2: members, their filling, and the table of terms. `ecsi_term_T` makes a doubled
 * type a doubled member. */
#define ECSI_FIELD(t) ECSI_FIELD_ t
#define ECSI_FIELD_(k, T) ECSI_FIELD_##k(T)
#define ECSI_FIELD_ecsiR(T) unsigned ecsg_term_##T : 1; const T *ecsg_read_##T;
#define ECSI_FIELD_ecsiW(T) unsigned ecsg_term_##T : 1; T *ecsg_write_##T; const T *ecsg_read_##T;
#define ECSI_FIELD_ecsiH(T) unsigned ecsg_term_##T : 1;
#define ECSI_FIELD_ecsiN(T) unsigned ecsg_term_##T : 1;
#define ECSI_FIELD_ecsiO(T) unsigned ecsg_term_##T : 1; const T *ecsg_optional_##T;
#define ECSI_FIELD_ecsiP(T)                                                            \
    unsigned ecsg_term_##T : 1; T *ecsg_optional_write_##T; const T *ecsg_optional_##T;
#define ECSI_FIELD_ecsiY(T) ECSI_FIELD_ecsiO(T)
#define ECSI_FIELD_ecsiZ(T) ECSI_FIELD_ecsiO(T)
#define ECSI_FIELD_ecsiRR(T) const T *ecsg_res_read_##T;
#define ECSI_FIELD_ecsiRW(T) T *ecsg_res_write_##T; const T *ecsg_res_read_##T;
#define ECSI_FIELD_ecsiON(T) const T *ecsg_on_##T; uint32_t ecsg_on_count_##T;
#define ECSI_FIELD_ecsiEM(T) ecs_commands *ecsg_emit_##T;
#define ECSI_FIELD_ecsiLU(T) struct ecsg_getter_##T ecsg_lookup_##T;
#define ECSI_FILL(t) ECSI_FILL_ t
#define ECSI_FILL_(k, T) ECSI_FILL_##k(T) ecsi_cell++;
#define ECSI_FILL_ecsiR(T) ecsi_v->ecsg_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiW(T)                                                             \
    ecsi_v->ecsg_write_##T = (T *)*ecsi_cell; ecsi_v->ecsg_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiH(T)
#define ECSI_FILL_ecsiN(T)
#define ECSI_FILL_ecsiO(T) ecsi_v->ecsg_optional_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiP(T)                                                             \
    ecsi_v->ecsg_optional_write_##T = (T *)*ecsi_cell;                           \
    ecsi_v->ecsg_optional_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiY(T) ECSI_FILL_ecsiO(T)
#define ECSI_FILL_ecsiZ(T) ECSI_FILL_ecsiO(T)
#define ECSI_FILL_ecsiRR(T) ecsi_v->ecsg_res_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiRW(T)                                                            \
    ecsi_v->ecsg_res_write_##T = (T *)*ecsi_cell;                                \
    ecsi_v->ecsg_res_read_##T = (const T *)*ecsi_cell;
#define ECSI_FILL_ecsiON(T)                                                            \
    ecsi_v->ecsg_on_##T = (const T *)((const ecs_events *)*ecsi_cell)->data;     \
    ecsi_v->ecsg_on_count_##T = ((const ecs_events *)*ecsi_cell)->count;
#define ECSI_FILL_ecsiEM(T) ecsi_v->ecsg_emit_##T = ecsi_v->cmd;
#define ECSI_FILL_ecsiLU(T) ecsi_v->ecsg_lookup_##T.getter = *(const ecs_getter *)*ecsi_cell;
#define ECSI_ENTRY(t) ECSI_ENTRY_ t
#define ECSI_ENTRY_(k, T) {&ecsg_type_##T, {0}, ECSI_ACCESS_##k},
#define ECSI_ACCESS_ecsiR ECS_ACCESS_READ
#define ECSI_ACCESS_ecsiW ECS_ACCESS_WRITE
#define ECSI_ACCESS_ecsiH ECS_ACCESS_WITH
#define ECSI_ACCESS_ecsiN ECS_ACCESS_NOT
#define ECSI_ACCESS_ecsiO ECS_ACCESS_OPTIONAL
#define ECSI_ACCESS_ecsiP ECS_ACCESS_OPTIONAL_WRITE
#define ECSI_ACCESS_ecsiY ECS_ACCESS_ANY
#define ECSI_ACCESS_ecsiZ ECS_ACCESS_ANY_MORE
#define ECSI_ACCESS_ecsiRR ECS_ACCESS_RES_READ
#define ECSI_ACCESS_ecsiRW ECS_ACCESS_RES_WRITE
#define ECSI_ACCESS_ecsiON ECS_ACCESS_ON
#define ECSI_ACCESS_ecsiEM ECS_ACCESS_EMIT
#define ECSI_ACCESS_ecsiLU ECS_ACCESS_LOOKUP
#define ECSI_FOR_TERMS(k, m, ...) ECSI_CAT(ECSI_MAP_, k)(m, __VA_ARGS__)

/* ---- Systems ------------------------------------------------------------------ */

/* ECS_SYSTEM(name, 1 to 16 terms) { body; return ECS_OK; }. In the body, `view` points to
 * the system's view. The name becomes a constant of type ecs_system, so it must be free:
 * `remove` of stdio.h is not, nor is `move` under `using namespace std`. */
#define ECS_SYSTEM(name, ...)          \
    ECSI_CAT(ECSI_TERMS_,                                                          \
             ECSI_TERM_PICK(ECSI_TERM_##__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10,   \
                            9, 8, 7, 6, 5, 4, 3, 2, 1, 0))(                        \
        ECSI_SYSTEM, name, ECSI_TERM_##__VA_ARGS__)
#define ECSI_SYSTEM(n, ...) ECSI_SYSTEM_(n, ECSI_COUNT(__VA_ARGS__), __VA_ARGS__)
#define ECSI_SYSTEM_(n, k, ...)                                                    \
    struct ecsg_view_##n {                                                         \
        ECSI_VIEW_FIELDS                                                           \
        ECSI_FOR_TERMS(k, ECSI_FIELD, __VA_ARGS__)                                 \
    };                                                                             \
    static ecs_status ecsg_body_##n(const struct ecsg_view_##n *view);             \
    static ecs_status ecsg_run_##n(const ecs_view *ecsi_from)                      \
    {                                                                              \
        struct ecsg_view_##n ecsi_to;                                              \
        struct ecsg_view_##n *ecsi_v = &ecsi_to;                                   \
        void *const *ecsi_cell = ecsi_from->columns;                             \
        ECSI_COPY_VIEW(ecsi_to, *ecsi_from)                                        \
        ECSI_FOR_TERMS(k, ECSI_FILL, __VA_ARGS__)                                  \
        (void)ecsi_cell;                                                         \
        return ecsg_body_##n(ecsi_v);                                              \
    }                                                                              \
    static const ecs_term ecsg_terms_##n[] = {ECSI_FOR_TERMS(k, ECSI_ENTRY, __VA_ARGS__)}; \
    static const ecs_system n = {#n, ecsg_terms_##n, k, ecsg_run_##n, NULL};       \
    static ecs_status ecsg_body_##n(ECSI_UNUSED const struct ecsg_view_##n *view)
#define ECSI_COPY_VIEW(to, from)                                                   \
    (to).world = (from).world; (to).cmd = (from).cmd; (to).entities = (from).entities; \
    (to).worker = (from).worker;                                                  \
    (to).user = (from).user; (to).tick = (from).tick; (to).count = (from).count;   \
    (to).base = (from).base; (to).dt = (from).dt;

/* A system without terms: runs once, with commands only. `view` is an ecs_view. */
#define ECS_TASK(n)                                                                \
    static ecs_status ecsg_body_##n(const ecs_view *view);                         \
    static const ecs_system n = {#n, NULL, 0u, ecsg_body_##n, NULL};               \
    static ecs_status ecsg_body_##n(ECSI_UNUSED const ecs_view *view)

/* A system that has the whole world, mutable, to itself. In the body: `world`, `view`. */
#define ECS_EXCLUSIVE(n)                                                           \
    static ecs_status ecsg_body_##n(ecs_world *world, const ecs_view *view);       \
    static const ecs_system n = {#n, NULL, 0u, NULL, ecsg_body_##n};               \
    static ecs_status ecsg_body_##n(ECSI_UNUSED ecs_world *world,                  \
                                    ECSI_UNUSED const ecs_view *view)

/* ---- Queries ------------------------------------------------------------------ */

#define ECS_QUERY(name, ...)          \
    ECSI_CAT(ECSI_TERMS_,                                                          \
             ECSI_TERM_PICK(ECSI_TERM_##__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10,   \
                            9, 8, 7, 6, 5, 4, 3, 2, 1, 0))(                        \
        ECSI_QUERY, name, ECSI_TERM_##__VA_ARGS__)
#define ECSI_QUERY(n, ...) ECSI_QUERY_(n, ECSI_COUNT(__VA_ARGS__), __VA_ARGS__)
#define ECSI_QUERY_(n, k, ...)                                                     \
    struct ecsg_view_##n {                                                         \
        const ecs_entity *entities;                                                \
        uint32_t count;                                                            \
        uint32_t base;                                                             \
        uint32_t row;                                                              \
        ECSI_FOR_TERMS(k, ECSI_FIELD, __VA_ARGS__)                                 \
        ecs_iter iter;                                                             \
    };                                                                             \
    ECSI_UNUSED static const ecs_term ecsg_terms_##n[] = {                         \
        ECSI_FOR_TERMS(k, ECSI_ENTRY, __VA_ARGS__)};                               \
    ECSI_UNUSED static const ecs_query_info n = {#n, ecsg_terms_##n, k};           \
    ECSI_INLINE bool ecsg_next_##n(struct ecsg_view_##n *ecsi_v)                   \
    {                                                                              \
        void *const *ecsi_cell = ecsi_v->iter.columns;                           \
        if (!ecs_iter_next(&ecsi_v->iter)) return false;                           \
        ecsi_v->entities = ecsi_v->iter.entities;                                  \
        ecsi_v->count = ecsi_v->iter.count;                                        \
        ecsi_v->base = ecsi_v->iter.base;                                          \
        ecsi_v->row = 0;                                                           \
        ECSI_FOR_TERMS(k, ECSI_FILL, __VA_ARGS__)                                  \
        (void)ecsi_cell;                                                         \
        return true;                                                               \
    }                                                                              \
    ECSI_INLINE bool ecsg_next_row_##n(struct ecsg_view_##n *ecsi_v)               \
    {                                                                              \
        ecsi_v->row++;                                                             \
        return ecsi_v->row < ecsi_v->count || ecsg_next_##n(ecsi_v);               \
    }                                                                              \
    ECSI_INLINE struct ecsg_view_##n *ecsg_begin_##n(struct ecsg_view_##n *v, ecs_world *w) \
    {                                                                              \
        v->count = 0;                                                              \
        v->row = 0;                                                                \
        ecs_iter_begin(w, ecs_query_of(w, &n), &v->iter);                          \
        return v;                                                                  \
    }                                                                              \
    ECSI_INLINE struct ecsg_view_##n *ecsg_begin_const_##n(struct ecsg_view_##n *v, \
                                                           const ecs_world *w)     \
    {                                                                              \
        v->count = 0;                                                              \
        v->row = 0;                                                                \
        ecs_iter_begin_const(w, ecs_query_find(w, &n), &v->iter);                  \
        return v;                                                                  \
    }                                                                              \
    ECSI_INLINE void ecsg_end_##n(struct ecsg_view_##n *v)                         \
    {                                                                              \
        ecs_iter_end(&v->iter);                                                    \
    }                                                                              \
    struct ecsg_query_##n

#define ECSI_EACH(world, name, view, begin, next)                                  \
    for (struct ecsg_view_##name ecsg_loop_##view ECSI_CLEANUP(ecsg_end_##name),   \
         *view = begin##name(&ecsg_loop_##view, (world));                          \
         next##name(view);)
/* For each span: `view` has count, entities, base and the columns. */
#define ECS_EACH(world, name, view)                                                \
    ECSI_EACH(world, name, view, ecsg_begin_, ecsg_next_)
/* For each entity: the same, and view->row says which row of the span it is. */
#define ECS_EACH_ROW(world, name, view)                                            \
    ECSI_EACH(world, name, view, ecsg_begin_, ecsg_next_row_)
/* On a const world, without lock: for queries that write nothing. The query must exist
 * already (ecs_query_of), otherwise nothing matches. */
#define ECS_EACH_CONST(world, name, view)                                          \
    ECSI_EACH(world, name, view, ecsg_begin_const_, ecsg_next_)

#ifndef ECS_NO_WORLDS
ECS_COMPONENT(ecs_transfer, target, priority, group, status, retry);
#endif
#if !defined(ECS_NO_IO) && !defined(ECS_NO_EVENTS)
ECS_EVENT(ecs_io_completion, result, entity, op, flags);
#endif

#endif /* ECS_MACROS_H */
