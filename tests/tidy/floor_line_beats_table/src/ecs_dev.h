/* manifest */
#include "base.h"
#include "entity.h"
