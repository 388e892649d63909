/* manifest */
#include "api.h"
#include "platform.h"
#include "memory.h"
#include "extra.h"
