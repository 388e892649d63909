/* expect: redefinition|redeclar|conflicting */
/* One type is one component in a unit. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;
ECS_COMPONENT(Velocity, x, y);

#ifndef ECS_GOOD
ECS_COMPONENT(Position, x);
#endif
