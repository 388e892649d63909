/* manifest */
#include "api.h"
#include "macros.h"
