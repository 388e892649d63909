/* prelude.h: the types that the short examples of README.md and docs/ share. The doc tests put
 * it in front of every `c body` block; README.md shows it. */
#ifndef DOCS_PRELUDE_H
#define DOCS_PRELUDE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { float x, y; } Position;          ECS_COMPONENT(Position, x, y);
typedef struct { float x, y; } Velocity;          ECS_COMPONENT(Velocity, x, y);
typedef struct { int32_t points; } Health;        ECS_COMPONENT(Health, points);
typedef struct { ecs_entity target; } Follow;     ECS_COMPONENT(Follow, target);
typedef struct { float x, y; } Gravity;           ECS_RESOURCE(Gravity, x, y);
typedef struct { ecs_entity who; int32_t by; } Hit;   ECS_EVENT(Hit, who, by);
ECS_TAG(Player);
ECS_TAG(Frozen);

ECS_QUERY(moving, WRITE(Position), READ(Velocity), NOT(Frozen));
ECS_QUERY(players, READ(Position), WITH(Player));

#endif /* DOCS_PRELUDE_H */
