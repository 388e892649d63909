/* expect: incomplete|undefined type */
/* A component needs a complete type; a type without a value is a tag. */
#include "ecs.h"

typedef struct Later Later;
#ifdef ECS_GOOD
struct Later { int a; };
#endif
ECS_COMPONENT(Later);
