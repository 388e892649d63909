/* manifest */
#include "memory.h"
#include "b.h"
