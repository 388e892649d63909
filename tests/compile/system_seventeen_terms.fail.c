/* expect: ECSI_TERM|READ\(A1\) */
/* At most 16 terms. */
#include "ecs.h"

typedef int A1;
ECS_COMPONENT(A1);
typedef int A2;
ECS_COMPONENT(A2);
typedef int A3;
ECS_COMPONENT(A3);
typedef int A4;
ECS_COMPONENT(A4);
typedef int A5;
ECS_COMPONENT(A5);
typedef int A6;
ECS_COMPONENT(A6);
typedef int A7;
ECS_COMPONENT(A7);
typedef int A8;
ECS_COMPONENT(A8);
typedef int A9;
ECS_COMPONENT(A9);
typedef int A10;
ECS_COMPONENT(A10);
typedef int A11;
ECS_COMPONENT(A11);
typedef int A12;
ECS_COMPONENT(A12);
typedef int A13;
ECS_COMPONENT(A13);
typedef int A14;
ECS_COMPONENT(A14);
typedef int A15;
ECS_COMPONENT(A15);
typedef int A16;
ECS_COMPONENT(A16);
typedef int A17;
ECS_COMPONENT(A17);

#ifdef ECS_GOOD
ECS_SYSTEM(subject, READ(A1), READ(A2), READ(A3), READ(A4), READ(A5), READ(A6), READ(A7), READ(A8),
           READ(A9), READ(A10), READ(A11), READ(A12), READ(A13), READ(A14), READ(A15), READ(A16))
#else
ECS_SYSTEM(subject, READ(A1), READ(A2), READ(A3), READ(A4), READ(A5), READ(A6), READ(A7), READ(A8),
           READ(A9), READ(A10), READ(A11), READ(A12), READ(A13), READ(A14), READ(A15), READ(A16),
           READ(A17))
#endif
{
    if (view->count > 4096) return ECS_FAILED;
    return ECS_OK;
}

ecs_status use(ecs_world *world);
ecs_status use(ecs_world *world)
{
    return ecs_system_add(world, &subject, ECS_UPDATE);
}
