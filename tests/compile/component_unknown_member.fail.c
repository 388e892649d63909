/* expect: no member (named|called)? ?.?z|has no member */
/* A listed member must be there. */
#include "ecs.h"

typedef struct { float x, y; } Listed;
#ifdef ECS_GOOD
ECS_COMPONENT(Listed, x, y);
#else
ECS_COMPONENT(Listed, x, z);
#endif
