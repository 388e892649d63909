/* expect: trivially copyable */
/* c++-only. A type with a constructor of its own brings hooks. */
#include "ecs.h"

struct Name {
#ifndef ECS_GOOD
    Name(const Name &other) : length(other.length) {}
    Name() : length(0) {}
#endif
    int length;
};
ECS_COMPONENT(Name, length);
