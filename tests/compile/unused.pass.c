/* What is declared and not used makes no warning. */
#include "ecs.h"

typedef struct { float x, y; } Position;
ECS_COMPONENT(Position, x, y);
typedef struct { int a; } Opaque;
ECS_COMPONENT(Opaque);
typedef struct { int a; } Resource;
ECS_RESOURCE(Resource, a);
typedef struct { int a; } Event;
ECS_EVENT(Event, a);
ECS_TAG(Tag);
ECS_QUERY(query, WRITE(Position), OPTIONAL(Opaque), WITH(Tag));
ECS_QUERY(query_any, ANY(Position, Opaque));

typedef int nothing_else_follows;
