/* 32 members, the most there may be; members of every kind; a type in a C++ namespace. */
#include "ecs.h"

typedef struct {
    int a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7;
    int c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7;
} Many;
ECS_COMPONENT(Many, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7, c0, c1, c2, c3,
              c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7);

typedef enum { RED, GREEN } Colour;
typedef struct {
    bool flag;
    char letter;
    signed char i8;
    unsigned char u8;
    short i16;
    unsigned short u16;
    int i32;
    unsigned u32;
    long word;
    unsigned long uword;
    long long i64;
    unsigned long long u64;
    float f32;
    double f64;
    long double wide;
    size_t size;
    ecs_entity parent;
    ecs_entity children[4];
    float matrix[4][4];
    char name[16];
    Colour colour;
    Many many;
    const int constant;
} Kinds;
ECS_COMPONENT(Kinds, flag, letter, i8, u8, i16, u16, i32, u32, word, uword, i64, u64, f32, f64,
              wide, size, parent, children, matrix, name, colour, many, constant);

#ifdef __cplusplus
namespace game {
#endif
typedef struct { float x, y; } Inner;
ECS_COMPONENT(Inner, x, y);
ECS_TAG(InnerTag);
ECS_QUERY(inner_query, WRITE(Inner), WITH(InnerTag));
ECS_SYSTEM(inner_system, WRITE(Inner), NOT(InnerTag))
{
    ecs_write(view, Inner)[0].x = 1;
    return ECS_OK;
}
#ifdef __cplusplus
}
using namespace game;
#endif

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    ECS_EACH(world, inner_query, view) ecs_write(view, Inner)[0].y = 2;
    return ecs_system_add(world, &inner_system, ECS_UPDATE);
}
