/* manifest */
#include "platform.h"
#include "api.h"
